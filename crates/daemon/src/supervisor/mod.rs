//! The supervisor: parses and checks the file, starts the workers, runs scripts, keeps the event
//! log, answers the control socket. Single-threaded, so that it can fork workers without exec.
//!
//! Each concern has a folder and a structure of its own; [`Supervisor`] only joins them.

mod control;
mod faults;
mod findings;
mod foundation;
mod journal;
mod leftovers;
mod names;
mod notify;
mod orphans;
mod records;
mod reload;
mod scripts;
mod start;
mod stop;
mod upgrade;
mod watches;
mod workers;
mod yielding;

use std::time::Duration;

use steadfast_control::event::Happening;
use steadfast_kernel::process::confinement::{Access, Files, give_up_rights};
use steadfast_kernel::process::limits;
use steadfast_kernel::process::pidfile::PidFile;
use steadfast_kernel::process::signal::{Signal, Signals};
use steadfast_kernel::wait::clock;
use steadfast_kernel::wait::poll::{Events, Poller};
use steadfast_vrrp::Moment;

use self::control::Desk;
use self::control::dump::Dump;
use self::control::status::Purpose;
use self::faults::Faults;
use self::journal::Journal;
use self::names::Names;
use self::notify::fifo::Fifos;
use self::notify::mail::Mail;
use self::records::Records;
use self::reload::Reloads;
use self::reload::effective::Effective;
use self::scripts::Scripts;
use self::stop::Stopping;
use self::upgrade::Upgrade;
use self::watches::Watches;
use self::workers::Workers;
use self::workers::check::BalancingKept;
use self::workers::service::Service;
use self::workers::vrrp::Routers;
use crate::beside::Turn;
use crate::link::check::Check;
use crate::link::vrrp::Vrrp;
use crate::options::Options;

pub use self::start::run;
pub use self::upgrade::{CHECK_OPTION, check, inherited, succeed};

/// Quiet time after which memory that a start, a reload or a burst of events needed is given back.
const SETTLE_AFTER: Duration = Duration::from_millis(700);

const SIGNALS: u64 = 0;
const CONTROL: u64 = 1;
const RELOAD_TIME: u64 = 4;
const WATCHED_FILES: u64 = 5;
const PROCESSES: u64 = 6;
const MAIL: u64 = 7;
const NAMES: u64 = 10;
const RECORD: u64 = 11;
const FIFOS: u64 = 16;
const CLIENTS: u64 = 1 << 32;
const RUNS: u64 = 1 << 48;

/// The supervisor's state.
struct Supervisor {
    options: Options,
    started_at: Moment,
    poller: Poller,
    signals: Signals,
    service: Service,
    pid_files: Vec<PidFile>,
    journal: Journal,
    desk: Desk,
    faults: Faults,
    loaded: Effective,
    reloads: Reloads,
    scripts: Scripts,
    fifos: Fifos,
    mail: Mail,
    names: Names,
    records: Records,
    watches: Watches,
    workers: Workers,
    routers: Routers,
    /// Until the first worker speaks.
    turn: Option<Turn>,
    balancing: BalancingKept,
    stopping: Option<Stopping>,
    upgrade: Upgrade,
    /// When to give back memory that only a start or a reload needed.
    settle_at: Option<Moment>,
}

/// Libraries that look up names read what the system has for them.
const READ_ALONE: [Files; 1] = [Files { below: "/", access: Access::Read }];

impl Supervisor {
    /// In a process that speaks with servers on the supervisor's behalf: it needs no right.
    pub(super) fn confine_helper(&self) {
        limits::accept_memory_pressure();
        if self.options.confinement().is_some() {
            // Where the kernel has nothing for it, the workers tell.
            let _ = give_up_rights(&READ_ALONE);
        }
    }

    /// Runs until a signal ends it; the exit status comes back.
    fn run(mut self) -> u8 {
        let mut events = Events::default();
        loop {
            self = self.start_workers().start_mail().start_names().start_record();
            let now = moment();
            self.timers(now);
            if self.is_finished(now) {
                self.farewell();
                let status = self.workers.gave_up().unwrap_or(0);
                self.service.ended(status);
                return status;
            }
            let due = self.next_wakeup();
            self.wait(&mut events, due);
            let ready: Vec<_> = events.iter().collect();
            for ready in ready {
                self.ready(ready.token);
                // A worker that died has its successor before anything else is done.
                self = self.start_workers();
            }
        }
    }

    /// Waits for a descriptor or until `due`. The beats in between, which mostly find nothing, are no reason to look for
    /// anything else; nor is giving memory back, which comes last so that no more of it is used again than waiting needs.
    fn wait(&mut self, events: &mut Events, due: Option<Moment>) {
        loop {
            let until = [due, self.next_beat(), self.settle_at].into_iter().flatten().min();
            let waited = self.poller.wait(events, until.map(Moment::as_nanos));
            let now = moment();
            if waited.is_err() || !events.is_empty() || due.is_some_and(|due| due <= now) || self.beat(now) {
                return;
            }
            if self.settle_at.is_some_and(|at| at <= now) {
                self.settle_at = None;
                self.workers.rest();
                steadfast_kernel::process::memory::settle();
            }
        }
    }

    fn ready(&mut self, token: u64) {
        match token {
            SIGNALS => self.take_signals(),
            CONTROL => self.desk.accept(&self.poller),
            RELOAD_TIME => self.reload_time_changed(),
            WATCHED_FILES => self.hear_files(),
            PROCESSES => self.hear_processes(),
            MAIL => self.mail_ended(),
            NAMES => self.hear_names(),
            RECORD => self.record_written(),
            _ if token == workers::VRRP.channel => self.hear_worker::<Vrrp>(),
            _ if token == workers::VRRP.child => self.worker_ended::<Vrrp>(),
            _ if token == workers::CHECK.channel => self.hear_worker::<Check>(),
            _ if token == workers::CHECK.child => self.worker_ended::<Check>(),
            FIFOS.. if token < CLIENTS => self.flush_fifo(token),
            _ if token >= RUNS => self.hear_script(token - RUNS),
            _ if token >= CLIENTS => self.hear_client(token - CLIENTS),
            _ => {}
        }
    }

    fn take_signals(&mut self) {
        while let Some(received) = self.signals.next_pending() {
            match received.signal {
                Signal::TERMINATE => self.stop(),
                Signal::INTERRUPT if !self.options.ignore_interrupt => self.stop(),
                Signal::HANGUP => {
                    self.reload();
                    self.upgrade_if_replaced();
                }
                Signal::USER_1 => self.ask_workers(Purpose::Dump(Dump::Data)),
                Signal::USER_2 => self.ask_workers(Purpose::Dump(Dump::Statistics)),
                signal if Some(signal) == Signal::realtime_max_minus(1) => {
                    self.ask_workers(Purpose::StatisticsAndClear);
                }
                signal if Some(signal) == Signal::realtime_min_plus(2) => {
                    self.ask_workers(Purpose::Dump(Dump::Json));
                }
                Signal::CHILD => self.reap_adopted(),
                _ => {}
            }
        }
    }

    /// Orphans of scripts become our children; nobody else waits for them.
    fn reap_adopted(&self) {
        while let Some(pid) = steadfast_kernel::process::ended_child() {
            if self.workers.own(pid)
                || self.scripts.runner.owns(pid)
                || self.mail.owns(pid)
                || self.names.owns(pid)
                || self.records.owns(pid)
            {
                break;
            }
            steadfast_kernel::process::reap(pid);
        }
    }

    // Time.

    fn timers(&mut self, now: Moment) {
        self.yield_late(now);
        self.answer_late(now);
        self.desk.cut_off_late(now, &self.poller);
        self.services_late(now);
        self.operations_late(now);
        self.beat(now);
        self.run_scripts(now);
        self.give_up_startup(now);
        self.watch(now);
        self.mail_overdue(now);
        self.names_overdue(now);
        self.reload_if_due(now);
        self.upgrade_if_quiet(now);
        self.tell_turned_away();
    }

    fn next_wakeup(&self) -> Option<Moment> {
        let wakeups = [
            self.workers.wakeup(),
            self.yield_wakeup(),
            self.desk.wakeup(),
            self.desk.asked.wakeup(),
            self.desk.inquiries.wakeup(),
            self.desk.operations.wakeup(),
            self.scripts_wakeup(),
            self.stop_wakeup(),
            self.watches.wakeup(),
            self.mail.wakeup(),
            self.names.wakeup(),
            self.records.wakeup(),
            self.reloads.schedule.wakeup(),
            self.reload_wakeup(),
            self.upgrade.wakeup(),
        ];
        wakeups.into_iter().flatten().min()
    }

    // News.

    fn tell(&mut self, happening: Happening) {
        let record = self.journal.add(happening);
        self.desk.publish(&record, &self.poller);
    }

    /// One line for the service manager.
    fn summary(&self) -> String {
        let instances = self.routers.work.machine.instances.len();
        let services = self.balancing.count();
        let balanced = if services == 0 { String::new() } else { format!("{services} virtual servers, ") };
        format!("{instances} virtual routers, {balanced}configuration {}", self.reloads.generation)
    }
}

/// The supervisor's clock, shared with the workers.
fn moment() -> Moment {
    Moment::from_nanos(clock::monotonic())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_descriptors_have_one_token() {
        let workers = [workers::VRRP, workers::CHECK].map(|tokens| [tokens.channel, tokens.child]);
        let own = [
            SIGNALS,
            CONTROL,
            RELOAD_TIME,
            WATCHED_FILES,
            PROCESSES,
            MAIL,
            NAMES,
            RECORD,
            FIFOS,
            CLIENTS,
            RUNS,
        ];
        let all: Vec<u64> = own.into_iter().chain(workers.into_iter().flatten()).collect();
        let different: BTreeSet<u64> = all.iter().copied().collect();
        assert_eq!(different.len(), all.len(), "{all:?}");
        assert!(all.iter().all(|token| *token < FIFOS || [FIFOS, CLIENTS, RUNS].contains(token)), "{all:?}");
    }
}
