//! Upgrade in place: another program takes the place of this one in the same process, and each worker has a successor of
//! it that goes on.
//!
//! ```text
//! asked ─▶ the other program says whether it could ─▶ nothing is under way ─▶ this process becomes it (execve)
//!                                                                             │ children, sockets and state stay
//!          a worker leaves ◀─ "leave" ─ the worker of this program runs on ◀──┘
//!                │
//!                └─▶ its successor goes on, as after a death
//! ```
//!
//! Whatever may fail for want of something fails before anything is taken over, and leaves the program that ran, with the
//! reason told.

pub(crate) mod left;
mod succession;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use steadfast_control::event::{Ending, Happening};
use steadfast_control::request::{Answer, UpgradeReport};
use steadfast_control::wording;
use steadfast_kernel::process::handover::{Program, State};
use steadfast_vrrp::Moment;

use self::left::{Asked, BalancingLeft, Left, RoutersLeft};
pub(crate) use self::succession::{After, milliseconds_since};
use self::succession::{READY, Succession};
pub use self::succession::{check, inherited, succeed};
use super::control::{ClientId, Control};
use super::scripts::programs::{Command, Identity};
use super::scripts::runner::{Ended, Purpose};
use super::{CLIENTS, RUNS, Supervisor, moment, start};
use crate::link::inheritance::Inheritable as _;

/// How the other program is asked whether it could go on with the state at a path, before every other argument.
pub const CHECK_OPTION: &str = "--upgrade-check=";
/// How long it may take to say so.
const CHECK_WITHIN: Duration = Duration::from_secs(60);
/// How long reloads, notify scripts and deliveries of mail are waited for.
const QUIET_WITHIN: Duration = Duration::from_secs(10);
/// How long checks that run are waited for; then they are ended, and run again.
const CHECKS_WITHIN: Duration = Duration::from_millis(500);

/// An upgrade, before the other program runs and afterwards.
#[derive(Debug)]
pub(crate) struct Upgrade {
    under_way: Option<UnderWay>,
    succession: Option<Succession>,
    /// Where relative paths of the arguments begin.
    folder: PathBuf,
}

/// An upgrade that was asked for.
#[derive(Debug)]
struct UnderWay {
    client: Option<ClientId>,
    program: Program,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The other program looks at a state, which is there for as long.
    Checked { _state: State },
    /// It could go on.
    Waiting {
        /// Its version.
        version: String,
        checks_until: Moment,
        until: Moment,
    },
}

impl Upgrade {
    /// None was asked for yet.
    pub(crate) const fn of(folder: PathBuf) -> Self {
        Self { under_way: None, succession: None, folder }
    }

    /// Nothing new shall begin that the other program could not go on with.
    pub(crate) fn is_imminent(&self) -> bool {
        let waiting = |under_way: &UnderWay| matches!(under_way.step, Step::Waiting { .. });
        self.succession.is_some() || self.under_way.as_ref().is_some_and(waiting)
    }

    /// Workers of the program that ran before have no successors yet.
    pub(crate) const fn is_succession(&self) -> bool {
        self.succession.is_some()
    }

    /// When an upgrade is looked at again, if nothing happens before.
    pub(crate) fn wakeup(&self) -> Option<Moment> {
        match &self.under_way.as_ref()?.step {
            Step::Checked { .. } => None,
            Step::Waiting { checks_until, until, .. } => {
                Some(if *checks_until > moment() { *checks_until } else { *until })
            }
        }
    }
}

impl Supervisor {
    /// Upgrades, and tells a client what came of it.
    pub(crate) fn upgrade_for(&mut self, client: ClientId, program: Option<&str>) {
        let Some(control) = &mut self.desk.control else { return };
        if !control.is_trusted(client) {
            let answer = Answer::Error("only root, or the daemon's own user, may upgrade".to_owned());
            control.answer(client, &answer, &self.poller, CLIENTS);
            return;
        }
        self.begin_upgrade(Some(client), program.map(PathBuf::from));
    }

    /// Upgrades where another program lies in the place of the one that runs, which is then no reload alone.
    pub(crate) fn upgrade_if_replaced(&mut self) {
        let other = Program::own_path().and_then(|path| Program::at(&path));
        let replaced = other.ok().zip(Program::own().ok()).is_some_and(|(other, own)| !other.is(&own));
        if replaced && self.stopping.is_none() && self.upgrade.under_way.is_none() {
            self.begin_upgrade(None, None);
        }
    }

    fn begin_upgrade(&mut self, client: Option<ClientId>, program: Option<PathBuf>) {
        let path = program.map_or_else(Program::own_path, Ok);
        let shown = path.clone().unwrap_or_default();
        let busy = if self.stopping.is_some() {
            Some("the daemon is stopping")
        } else if self.scripts.starting.is_some() {
            Some("the startup script runs")
        } else if self.upgrade.under_way.is_some() || self.upgrade.succession.is_some() {
            Some("another upgrade is under way")
        } else {
            None
        };
        if let Some(busy) = busy {
            return self.refuse_upgrade(client, &shown, busy);
        }
        let asked = Asked { client, program: shown.clone(), at: moment() };
        let begun = path.and_then(|path| Program::at(&path)).and_then(|program| {
            let state = State::write(&self.left(asked, None).to_octets())?;
            Ok((program, state))
        });
        let (program, state) = match begun {
            Ok(begun) => begun,
            Err(error) => return self.refuse_upgrade(client, &shown, &error.to_string()),
        };
        let mut arguments = vec![format!("{CHECK_OPTION}{}", state.path().display())];
        let own = std::env::args_os().skip(1);
        arguments.extend(own.map(|argument| argument.to_string_lossy().into_owned()));
        let command = Command {
            text: shown.display().to_string(),
            program: shown.clone(),
            arguments,
            account: Identity::own(),
        };
        let limit = Some(CHECK_WITHIN);
        let started =
            self.scripts.runner.start(moment(), &command, Purpose::Upgrade, limit, &self.poller, RUNS);
        match started {
            Ok(_) => {
                self.upgrade.under_way =
                    Some(UnderWay { client, program, step: Step::Checked { _state: state } });
            }
            Err(ending) => self.refuse_upgrade(client, &shown, &wording::ending(&ending)),
        }
    }

    /// The other program said whether it could go on.
    pub(crate) fn upgrade_checked(&mut self, ended: &Ended) {
        let Some(under_way) = &mut self.upgrade.under_way else { return };
        if ended.overstayed && ended.gone {
            return;
        }
        let said = ended.output.trim();
        let ready = said.split_once(READY).filter(|_| ended.success);
        let version = ready.map(|(_, version)| version.trim().to_owned());
        if let Some(version) = version {
            let now = moment();
            under_way.step =
                Step::Waiting { version, checks_until: now + CHECKS_WITHIN, until: now + QUIET_WITHIN };
            return;
        }
        let reason = match &ended.ending {
            Ending::Exited { status: 0 } => "it is no steadfast that can take over".to_owned(),
            ending if said.is_empty() => {
                format!("asked whether it could take over, it {} without a word", wording::ending(ending))
            }
            _ => said.strip_prefix("steadfast: ").unwrap_or(said).to_owned(),
        };
        self.give_upgrade_up(&reason);
    }

    /// Goes on when nothing is under way that would be cut short.
    pub(crate) fn upgrade_if_quiet(&mut self, now: Moment) {
        let Some(UnderWay { step: Step::Waiting { version, checks_until, until }, .. }) =
            &self.upgrade.under_way
        else {
            return;
        };
        let (version, checks_over, over) = (version.clone(), *checks_until <= now, *until <= now);
        if self.stopping.is_some() {
            return self.give_upgrade_up("the daemon is stopping");
        }
        match self.busy_with() {
            Some(reason) if over => self.give_upgrade_up(&format!("{reason} for too long")),
            Some(_) => {}
            None if checks_over || !self.scripts.runner.any(is_check) => self.switch(&version),
            None => {}
        }
    }

    /// What has to come to its end first, in words.
    fn busy_with(&self) -> Option<String> {
        let told = |purpose: &Purpose| {
            matches!(purpose, Purpose::Notify(_) | Purpose::Prepare(..) | Purpose::Hook(_))
        };
        if let Some(command) = self.scripts.runner.first(told) {
            return Some(format!("{command} runs"));
        }
        let reason = if !self.reloads.is_free() || self.reloads.is_wanted() {
            "a reload is under way"
        } else if !self.scripts.order.is_idle() {
            "notify scripts wait"
        } else if !self.routers.leaving.is_empty() {
            "instances that a reload removed hand over"
        } else if self.mail.is_delivering() {
            "mail is being delivered"
        } else if self.names.is_looking() {
            "names are being looked up"
        } else if self.records.is_writing() {
            "a flight record is being written"
        } else if self.desk.is_asking() {
            "a client waits for the answer of a worker"
        } else if !self.workers.are_calm() {
            "a worker is about to start, or has not read what it was told"
        } else {
            return None;
        };
        Some(reason.to_owned())
    }

    /// Becomes the other program. Comes back only where that failed.
    fn switch(&mut self, version: &str) {
        let Some(under_way) = &self.upgrade.under_way else { return };
        let asked =
            Asked { client: under_way.client, program: under_way.program.path().to_owned(), at: moment() };
        match start::read(&self.options, &self.options.configuration) {
            Ok((loaded, _)) if loaded.model == self.loaded.model() => {}
            Ok(_) => {
                return self.give_upgrade_up(
                    "the configuration is not the one in force: reload it first, or put the file back",
                );
            }
            Err(error) => return self.give_upgrade_up(&error.to_string()),
        }
        let again = Program::at(under_way.program.path());
        if !again.is_ok_and(|again| again.is(&under_way.program)) {
            return self.give_upgrade_up("it changed after it had said that it could take over");
        }
        let own = match Program::own() {
            Ok(own) => own,
            Err(error) => return self.give_upgrade_up(&error.to_string()),
        };
        let line = format!("becoming {version} of {}", under_way.program.path().display());
        self.journal.line(steadfast_control::event::Severity::Info, &line);
        let Some(under_way) = &self.upgrade.under_way else { return };
        let left = self.left(asked, Some(&own));
        let error = match State::write(&left.to_octets()) {
            Ok(state) => under_way.program.become_it(&state, &left.descriptors()),
            Err(error) => error,
        };
        self.give_upgrade_up(&error.to_string());
    }

    fn give_upgrade_up(&mut self, reason: &str) {
        if let Some(under_way) = self.upgrade.under_way.take() {
            self.refuse_upgrade(under_way.client, under_way.program.path(), reason);
        }
    }

    fn refuse_upgrade(&mut self, client: Option<ClientId>, program: &Path, reason: &str) {
        let program = program.display().to_string();
        self.tell(Happening::UpgradeRefused { program: program.clone(), reason: reason.to_owned() });
        let version = env!("CARGO_PKG_VERSION");
        self.answer_upgrade(
            client,
            UpgradeReport {
                upgraded: false,
                from: version.to_owned(),
                to: version.to_owned(),
                program,
                detail: reason.to_owned(),
            },
        );
    }

    fn answer_upgrade(&mut self, client: Option<ClientId>, report: UpgradeReport) {
        if let Some((client, control)) = client.zip(self.desk.control.as_mut()) {
            control.answer(client, &Answer::Upgraded(Box::new(report)), &self.poller, CLIENTS);
        }
    }

    /// Everything that goes on in another program.
    fn left(&self, asked: Asked, program: Option<&Program>) -> Left {
        let routers = &self.routers;
        Left {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            program: program.map(Program::kept),
            asked,
            gave_way: None,
            started_at: self.started_at,
            folder: self.upgrade.folder.clone(),
            pid_files: self.pid_files.iter().map(|file| (file.kept(), file.path().to_owned())).collect(),
            control: self.desk.control.as_ref().map(Control::left),
            process_events: self.watches.processes.kept(),
            journal: self.journal.left(),
            faults: self.faults.left(),
            generation: self.reloads.generation,
            refused: self.reloads.refused.clone(),
            reload: self.reloads.is_wanted(),
            reload_for: self.reloads.waiting_for_next.clone(),
            checks: self.scripts.checks.left(),
            ended: self.scripts.runner.processes(is_check),
            fifos: self.fifos_left(),
            mail: self.mail.left(),
            names: self.names.left(),
            routers: RoutersLeft {
                worker: self.workers.vrrp.left(),
                work: routers.work.clone(),
                inheritance: routers.known.left().to_octets(),
                groups: routers.known.group_states().collect(),
                addresses_out: routers.addresses_out,
                started: routers.started,
            },
            balancing: BalancingLeft { worker: self.workers.check.left(), ..self.balancing.left() },
        }
    }
}

/// Checks only find something out, and can be run again.
const fn is_check(purpose: &Purpose) -> bool {
    matches!(purpose, Purpose::Check(_) | Purpose::Server(..))
}
