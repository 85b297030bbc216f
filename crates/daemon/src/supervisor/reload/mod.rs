//! Reload: check everything, then change only what differs, or nothing at all.
//!
//! One reload runs at a time, from reading the file until the worker has confirmed it. What is asked
//! for meanwhile, however often, is one more reload afterwards.

pub(crate) mod effective;
mod fixed;
mod planning;
mod saved;
mod schedule;
mod summary;
mod time;

use std::collections::BTreeMap;
use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use steadfast_config::model::{Global, Model};
use steadfast_config::{Loaded, Plan};
use steadfast_control::event::{Changes, Clash, Fault, Happening, Matter, ReloadRefusal};
use steadfast_control::request::{Answer, ReloadReport};
use steadfast_control::wording;
use steadfast_kernel::process::limits;
use steadfast_kernel::process::pidfile::PidFile;
use steadfast_vrrp::{InstanceId, Moment};

use self::effective::Effective;
use self::schedule::Schedule;
use super::control::ClientId;
use super::findings::Report;
use super::journal::Journal;
use super::notify::mail::Subjects;
use super::scripts::programs::Programs;
use super::workers::Post;
use super::{CLIENTS, RELOAD_TIME, Supervisor, moment, start};
use crate::beside::{self, Runs, TURN_WAIT_MAX, Turn};
use crate::digest;
use crate::digest::watches::Orders;
use crate::link::check::{self, Check};
use crate::link::lifecycle::Worker;
use crate::link::vrrp::change::Change;
use crate::link::vrrp::{Order, Vrrp};
use crate::served::{Packed, Revision, Served};

/// What is in force since when, reloads to come and the one under way.
#[derive(Debug)]
pub(crate) struct Reloads {
    /// How often a configuration was put in force.
    pub(crate) generation: u32,
    /// Why the last one was refused, if none succeeded since.
    pub(crate) refused: Option<String>,
    under_way: Option<UnderWay>,
    /// The file that exists while one is under way.
    marker: Option<PathBuf>,
    /// Another one was asked for meanwhile.
    again: bool,
    /// Held while one is under way: nobody starts beside it unseen.
    turn: Option<Turn>,
    /// One waits for another daemon's start: since when, and when to look again.
    waits: Option<Waits>,
    /// Who waits for the end of the one under way, and who for that of the next.
    waiting: Vec<ClientId>,
    pub(crate) waiting_for_next: Vec<ClientId>,
    /// What is to be told to them.
    outcome: Option<ReloadReport>,
    /// What is to be said about the file that was read last.
    said: Vec<String>,
    pub(crate) schedule: Schedule,
}

impl Reloads {
    /// After the start.
    pub(crate) fn new() -> Self {
        Self {
            generation: 1,
            refused: None,
            under_way: None,
            marker: None,
            again: false,
            turn: None,
            waits: None,
            waiting: Vec::new(),
            waiting_for_next: Vec::new(),
            outcome: None,
            said: Vec::new(),
            schedule: Schedule::default(),
        }
    }

    /// In the place of a program that left this.
    pub(crate) fn resumed(
        generation: u32,
        refused: Option<String>,
        again: bool,
        waiting_for_next: Vec<ClientId>,
    ) -> Self {
        Self { generation, refused, again, waiting_for_next, ..Self::new() }
    }

    /// One was asked for and has not begun.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.again
    }

    /// What those who wait are to be told when it is over.
    fn ended(&mut self, applied: bool, detail: String) {
        let diagnostics = std::mem::take(&mut self.said);
        self.outcome = Some(ReloadReport { applied, detail, diagnostics });
    }

    /// None is under way.
    pub(crate) fn is_free(&self) -> bool {
        self.under_way.is_none()
    }
}

/// Another daemon starts in this network namespace: what it will run cannot be seen before it speaks.
#[derive(Debug, Clone, Copy)]
struct Waits {
    since: Moment,
    look_at: Moment,
}

/// How often it is looked whether the start of another daemon is over.
const TURN_LOOK_EVERY: Duration = Duration::from_millis(50);

/// A reload that is not in force everywhere.
#[derive(Debug)]
struct UnderWay {
    /// Of whom, and what. Never empty.
    awaited: BTreeMap<Worker, Confirmation>,
    /// What it changes; nothing is told where only addresses of names are others.
    changes: Option<Changes>,
}

/// What ends a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// The worker changed over.
    Reloaded,
    /// A worker runs that began with the new configuration.
    Started,
}

impl Supervisor {
    /// Reads the file again and puts it in force, unless anything is wrong with it.
    pub(crate) fn reload(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        let busy = !self.reloads.is_free() || self.scripts.starting.is_some() || self.upgrade.is_succession();
        if busy || !self.has_turn(moment()) {
            self.reloads.again = true;
            return;
        }
        let waiting = std::mem::take(&mut self.reloads.waiting_for_next);
        self.reloads.waiting.extend(waiting);
        self.reloads.said.clear();
        self.service.reloading();
        self.put_marker();
        let loaded = match start::read(&self.options, &self.options.configuration) {
            Ok((loaded, report)) => self.accept(loaded, &report),
            Err(error) => self.refuse(ReloadRefusal::Unasked { error }),
        };
        match loaded {
            Some(loaded) => self.put_in_force(loaded),
            None => self.reload_over(),
        }
    }

    /// Takes the turn of starts in this network namespace, so that two daemons never look for each other at the same
    /// moment; `false` while another daemon has it, for so long as one is waited for.
    fn has_turn(&mut self, now: Moment) -> bool {
        // The own start has it still, or there is nothing to look for.
        if self.turn.is_some() || !self.options.run_vrrp {
            return true;
        }
        match Turn::take_free() {
            Ok(Some(turn)) => self.reloads.turn = Some(turn),
            Ok(None) => {
                let since = self.reloads.waits.map_or(now, |waits| waits.since);
                if now.since(since) < TURN_WAIT_MAX {
                    self.reloads.waits = Some(Waits { since, look_at: now + TURN_LOOK_EVERY });
                    return false;
                }
                self.fault(Fault::NotWaitedFor { reason: "it takes too long".to_owned() });
            }
            Err(error) => self.fault(Fault::NotWaitedFor { reason: error.to_string() }),
        }
        self.reloads.waits = None;
        true
    }

    /// When a reload that waits for another daemon's start looks again.
    pub(crate) fn reload_wakeup(&self) -> Option<Moment> {
        self.reloads.waits.filter(|_| self.stopping.is_none()).map(|waits| waits.look_at)
    }

    /// Reloads, and tells a client what came of it.
    pub(crate) fn reload_for(&mut self, client: ClientId) {
        let Some(control) = &mut self.desk.control else { return };
        if !control.is_trusted(client) {
            let answer = Answer::Error("only root, or the daemon's own user, may reload".to_owned());
            control.answer(client, &answer, &self.poller, CLIENTS);
            return;
        }
        if self.stopping.is_some() {
            let answer = Answer::Error("the daemon is stopping".to_owned());
            control.answer(client, &answer, &self.poller, CLIENTS);
            return;
        }
        if !self.reloads.waiting_for_next.contains(&client) {
            self.reloads.waiting_for_next.push(client);
        }
        self.reload();
    }

    /// Tells those who wait what came of the reload that ended.
    fn answer_reload(&mut self) {
        let Some(report) = self.reloads.outcome.take() else { return };
        let waiting = std::mem::take(&mut self.reloads.waiting);
        let Some(control) = &mut self.desk.control else { return };
        let answer = Answer::Reloaded(Box::new(report));
        for client in waiting {
            control.answer(client, &answer, &self.poller, CLIENTS);
        }
    }

    /// A worker did what it was told.
    pub(crate) fn reload_confirmed(&mut self, worker: Worker, what: Confirmation) {
        let Some(under_way) = &mut self.reloads.under_way else { return };
        if under_way.awaited.get(&worker) == Some(&what) {
            under_way.awaited.remove(&worker);
        }
        if under_way.awaited.is_empty() {
            self.reload_over();
        }
    }

    /// The worker died before it confirmed: its successor begins with the new configuration.
    pub(crate) fn reload_awaits_successor(&mut self, worker: Worker) {
        if let Some(under_way) = &mut self.reloads.under_way
            && let Some(awaited) = under_way.awaited.get_mut(&worker)
        {
            *awaited = Confirmation::Started;
        }
    }

    /// None is under way any longer: what was is in force. What was asked for meanwhile begins with the next turn.
    pub(crate) fn reload_over(&mut self) {
        if let Some(UnderWay { changes: Some(changes), .. }) = self.reloads.under_way.take() {
            self.reloads.ended(true, wording::changes(&changes));
            self.tell(Happening::Reloaded { changes: changes.into() });
        }
        self.reloads.turn = None;
        self.forget_former_services();
        self.remove_marker();
        self.answer_reload();
    }

    /// The worker has told everything of services and servers that a reload removed.
    pub(crate) fn forget_former_services(&mut self) {
        self.scripts.programs.forget_former();
        self.mail.subjects.forget_former();
        self.balancing.forget_former();
    }

    /// Takes the file away that exists while a reload is under way.
    pub(crate) fn remove_marker(&mut self) {
        if let Some(path) = self.reloads.marker.take() {
            let _ = std::fs::remove_file(path);
        }
    }

    // Reloads by the clock.

    /// Takes over the settings in force.
    pub(crate) fn configure_schedule(&mut self) {
        let settings = &self.loaded.global.reload;
        let news = self.reloads.schedule.configure(settings, moment(), &self.poller, RELOAD_TIME);
        news.into_iter().for_each(|news| self.tell_schedule(news));
    }

    /// Something happened to the file with the time.
    pub(crate) fn reload_time_changed(&mut self) {
        if let Some(news) = self.reloads.schedule.ready(moment(), &self.poller) {
            self.tell_schedule(news);
        }
    }

    fn tell_schedule(&mut self, news: Happening) {
        match news {
            Happening::Fault(fault) => self.fault(fault),
            news => {
                self.forget_faults(|matter| *matter == Matter::ReloadTime);
                self.tell(news);
            }
        }
    }

    /// Reloads when the time has come, or when somebody asked while another reload was under way.
    pub(crate) fn reload_if_due(&mut self, now: Moment) {
        if self.reloads.is_free()
            && self.scripts.starting.is_none()
            && !self.upgrade.is_succession()
            && self.reload_wakeup().is_none_or(|at| at <= now)
            && std::mem::take(&mut self.reloads.again)
        {
            self.reload();
        }
        let (due, news) = self.reloads.schedule.take_due(now);
        if due {
            self.tell_schedule(Happening::ReloadDue);
        }
        if let Some(news) = news {
            self.tell_schedule(news);
        }
        if due {
            self.reload();
        }
    }

    // One reload.

    /// A configuration without new errors and without changes that a running daemon cannot follow.
    fn accept(&mut self, loaded: Loaded, report: &Report) -> Option<Loaded> {
        let reason = self.reason_to_refuse(&self.options.configuration, &loaded);
        report.tell(&mut self.journal);
        self.reloads.said = report.lines();
        let Some(reason) = reason else { return Some(loaded) };
        if let Some(log) = self.loaded.global.reload.check_config.as_deref().map(Path::new)
            && log != Path::new("/dev/null")
            && let Err(error) = report.append(log, &wording::refusal(&reason))
        {
            let (keyword, path) = (Some("reload_check_config".into()), log.display().to_string());
            self.fault(Fault::NotWritten { keyword, path, reason: error.to_string() });
        }
        self.refuse(reason)
    }

    /// Why `loaded`, read from `file`, would not be put in force, if it would not.
    pub(crate) fn reason_to_refuse(&self, file: &Path, loaded: &Loaded) -> Option<ReloadRefusal> {
        if let Some(errors) = self.loaded.errors.reason_to_refuse(loaded) {
            return Some(ReloadRefusal::Errors { file: file.display().to_string(), errors });
        }
        let told = self.options.namespace.is_some();
        fixed::forbidden(&self.loaded.global, &loaded.model.global, told)
            .or_else(|| self.runs_elsewhere(&loaded.model).map(ReloadRefusal::Clash))
    }

    /// A virtual router that another daemon in this network namespace runs.
    fn runs_elsewhere(&self, model: &Model) -> Option<Clash> {
        if !self.options.run_vrrp {
            return None;
        }
        let wanted = Runs::of(model);
        beside::others(&self.own_processes()).iter().find_map(|other| other.clash(&wanted))
    }

    pub(super) fn own_processes(&self) -> Vec<u32> {
        std::iter::once(std::process::id()).chain(self.workers.pids()).collect()
    }

    /// Always `None`: nothing is put in force.
    fn refuse(&mut self, reason: ReloadRefusal) -> Option<Loaded> {
        let said = wording::refusal(&reason);
        self.reloads.refused = Some(said.clone());
        self.reloads.ended(false, said);
        self.tell(Happening::ReloadRefused { reason: reason.into() });
        self.service.ready(&self.summary());
        None
    }

    /// Makes it the configuration of everything that this process does, and hands the workers their parts.
    fn put_in_force(&mut self, loaded: Loaded) {
        self.reloads.generation += 1;
        save(&mut self.journal, &loaded, self.reloads.generation);
        let (effective, mut model) = Effective::of(loaded, &self.options, Some(&self.loaded));
        let changes = summary::summary(&plan_between(&self.loaded.packed, &effective.packed));
        let (known_before, marks_before) = (self.names.used().clone(), self.balancing.marks.clone());
        self.names.configure(moment(), &model);
        self.balancing.marks.give(&model);
        let mut work = digest::vrrp::digest(&model, &self.routers.work, &self.routers.leaving, &self.options);
        self.configure_watches(Orders::of(&model, &work), false);
        self.watches.fill(&mut work);
        let work_before = std::mem::take(&mut self.routers.work);
        let change = {
            let (before, after) = (self.options.run_of(&work_before), self.options.run_of(&work));
            self.routers.part_with(&before, &after);
            Change::between(&before, &after)
        };
        self.routers.work = work_before;

        let before = Served::of(&self.loaded.packed, &known_before, &marks_before);
        let after = Served::of(&effective.packed, self.names.used(), &self.balancing.marks);
        let revision = Revision::between(before, after, digest::check::settings(&model));
        let followed = digest::check::followed(&model);
        let mut faults = Vec::new();
        let mut programs = Programs::resolve(&model, &work, &self.options, &mut faults);
        self.names.expand(&mut model, &mut programs);
        let mut subjects = Subjects::of(&model, &work);
        let subjects_before = std::mem::take(&mut self.mail.subjects);
        subjects.keep(subjects_before, &model, |id| self.routers.leaving.contains_key(id));
        self.mail.subjects = subjects;
        // Removed instances, services and servers still have something to tell.
        programs.keep_former(self.scripts.programs.take_services(), &model);
        drop(model);
        for (id, notifies) in std::mem::take(&mut self.scripts.programs.instances) {
            if self.routers.leaving.contains_key(&id) {
                programs.instances.insert(id, notifies);
            }
        }
        let before = &self.scripts.programs;
        let leaves = |id: &&InstanceId| self.routers.leaving.contains_key(*id);
        programs.tells_deleted.extend(before.tells_deleted.iter().filter(leaves));
        self.forget_faults(|matter| matches!(matter, Matter::Program(_)));
        faults.into_iter().for_each(|fault| self.fault(fault));
        let now = moment();
        self.scripts.configure(now, programs);
        self.routers.configure(work);
        self.loaded = effective;
        self.reloads.refused = None;
        self.settle_process();
        self.configure_schedule();
        self.configure_fifos();
        self.tell_names_left_out();
        self.forget_what_is_gone();
        if self.loaded.global.fifo_write_states_on_reload {
            self.tell_fifos_everything();
        }
        self.balancing.look_for(followed);
        let change_of_balancing = self.balancing.follow(revision);
        self.have_kept();
        let wanted = (self.wants_vrrp(), self.wants_checks());
        let mut awaited = BTreeMap::new();
        // Only what is new here can be there already.
        let settled = change.installs.is_empty();
        let living = if settled { Vec::new() } else { beside::living(&self.own_processes()) };
        let order = Order::Reload { change: Box::new(change), living };
        awaited.extend(self.hand_over::<Vrrp>(order, wanted.0, now).map(|what| (Worker::Vrrp, what)));
        let surroundings = check::Order::Surroundings(Box::new(self.surroundings()));
        self.workers.check.order(surroundings, &self.poller);
        let order = check::Order::Reload(Box::new(change_of_balancing));
        awaited.extend(self.hand_over::<Check>(order, wanted.1, now).map(|what| (Worker::Check, what)));
        let nobody = awaited.is_empty();
        self.reloads.under_way = Some(UnderWay { awaited, changes: Some(changes) });
        if nobody {
            self.service.ready(&self.summary());
            self.reload_over();
        }
        limits::trim_allocator();
    }

    /// Whether servers may change now, in no reload's way.
    pub(crate) fn may_change_servers(&self) -> bool {
        self.stopping.is_none()
            && self.reloads.is_free()
            && self.scripts.starting.is_none()
            && !self.upgrade.is_succession()
    }

    /// No reload begins before the worker has changed its servers.
    pub(crate) fn await_servers(&mut self, worker: Worker, what: Confirmation) {
        let awaited = BTreeMap::from([(worker, what)]);
        self.reloads.under_way = Some(UnderWay { awaited, changes: None });
    }

    /// Has a worker change over; what to wait for comes back, if there is anything. A worker that cannot be
    /// told has a successor instead, which begins with the new configuration.
    pub(crate) fn hand_over<R: Post>(
        &mut self,
        order: R::Order,
        wanted: bool,
        now: Moment,
    ) -> Option<Confirmation> {
        let slot = R::slot(&mut self.workers);
        if slot.is_filled() {
            if slot.order(order, &self.poller) {
                return Some(Confirmation::Reloaded);
            }
            slot.kill();
            self.fault(Fault::WorkerNotTold { worker: R::WORKER });
            return Some(Confirmation::Started);
        }
        if wanted {
            slot.start(now);
        }
        slot.is_taken().then_some(Confirmation::Started)
    }

    fn put_marker(&mut self) {
        let Some(path) = marker(&self.loaded.global, &self.pid_files) else { return };
        match create_marker(&path) {
            Ok(()) => self.reloads.marker = Some(path),
            Err(error) => {
                let (keyword, path) = (Some("reload_file".into()), path.display().to_string());
                self.fault(Fault::NotWritten { keyword, path, reason: error.to_string() });
            }
        }
    }
}

/// A marker that an earlier run left behind tells of a reload that nobody does.
pub(crate) fn remove_stale_marker(global: &Global, pid_files: &[PidFile]) {
    if let Some(path) = marker(global, pid_files) {
        let _ = std::fs::remove_file(path);
    }
}

/// What a reload does. Of thousands of virtual servers only those are unpacked that are not in both configurations.
fn plan_between(before: &Packed, after: &Packed) -> Plan {
    let (gone, new) = before.differing(after);
    Plan::between(&before.part(&gone), &after.part(&new))
}

/// Keeps a copy of a configuration, number `number` of this process, where that is wanted.
pub(crate) fn save(journal: &mut Journal, loaded: &Loaded, number: u32) {
    let Some(folder) = loaded.model.global.reload.save_dir.as_deref() else { return };
    if let Err(error) = saved::save(Path::new(folder), number, &loaded.sources) {
        let (keyword, path) = (Some("config_save_dir".into()), folder.to_owned());
        journal.add(Happening::Fault(Fault::NotWritten { keyword, path, reason: error.to_string() }));
    }
}

/// The file that exists during a reload: as told, or beside the main pid file.
fn marker(global: &Global, pid_files: &[PidFile]) -> Option<PathBuf> {
    match global.reload.file.as_deref()? {
        "" => pid_files.first().map(|file| file.path().with_extension("reload")),
        path => Some(PathBuf::from(path)),
    }
}

/// What lies there is replaced, so that a planted link is not followed. Everybody may read it.
fn create_marker(path: &Path) -> std::io::Result<()> {
    let _ = std::fs::remove_file(path);
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.set_permissions(Permissions::from_mode(0o644))
}
