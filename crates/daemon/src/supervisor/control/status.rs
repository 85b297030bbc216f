//! Who asked how things are, and putting the answer together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use steadfast_bfd::SessionStatus;
use steadfast_control::request::Answer;
use steadfast_control::status::{self as report, Status, WorkerStatus};
use steadfast_control::wording;
use steadfast_vrrp::status::{InstanceStatus, TrackerKind};
use steadfast_vrrp::{InstanceId, Moment};
use steadfast_wire::vrrp::Family;

use super::ClientId;
use super::dump::Dump;
use super::peers;
use crate::link::vrrp::Order;
use crate::supervisor::{CLIENTS, Supervisor, journal, moment};

/// How long the worker may take to answer before what is known without it is told.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// What an answer is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A client of the control socket.
    Client(ClientId),
    /// A signal: a file.
    Dump(Dump),
    /// SIGRTMAX-1: the statistics file, and every counter begins at zero again.
    StatisticsAndClear,
}

/// Questions under way. All that come while one is under way share the next answer.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    number: u32,
    purposes: Vec<Purpose>,
    instances: Vec<InstanceStatus>,
    sessions: Vec<SessionStatus>,
    until: Option<Moment>,
}

/// An answer of the worker, whole or not.
#[derive(Debug)]
pub(crate) struct Answered {
    purposes: Vec<Purpose>,
    instances: Vec<InstanceStatus>,
    pub(super) sessions: Vec<SessionStatus>,
    worker: Option<WorkerStatus>,
}

impl Asked {
    /// Part of an answer.
    pub(crate) fn instances(&mut self, request: u32, instances: Vec<InstanceStatus>) {
        if self.until.is_some() && request == self.number {
            self.instances.extend(instances);
        }
    }

    /// Part of an answer.
    pub(crate) fn sessions(&mut self, request: u32, sessions: Vec<SessionStatus>) {
        if self.until.is_some() && request == self.number {
            self.sessions = sessions;
        }
    }

    /// The end of an answer.
    pub(crate) fn finished(&mut self, request: u32, worker: WorkerStatus) -> Option<Answered> {
        (self.until.is_some() && request == self.number).then(|| self.take(Some(worker)))
    }

    /// The worker is gone or takes too long.
    pub(crate) fn abandon(&mut self) -> Option<Answered> {
        self.until.is_some().then(|| self.take(None))
    }

    /// When the worker takes too long.
    pub(crate) fn wakeup(&self) -> Option<Moment> {
        self.until
    }

    fn take(&mut self, worker: Option<WorkerStatus>) -> Answered {
        self.until = None;
        Answered {
            purposes: std::mem::take(&mut self.purposes),
            instances: std::mem::take(&mut self.instances),
            sessions: std::mem::take(&mut self.sessions),
            worker,
        }
    }
}

impl Supervisor {
    /// Asks the workers how things are; [`Self::answer_asked`] goes on when they answer.
    pub(crate) fn ask_workers(&mut self, purpose: Purpose) {
        // Who asks again meanwhile gets the one answer.
        if !self.desk.asked.purposes.contains(&purpose) {
            self.desk.asked.purposes.push(purpose);
        }
        if self.desk.asked.until.is_some() {
            return;
        }
        let now = moment();
        self.desk.asked.number = self.desk.asked.number.wrapping_add(1);
        self.desk.asked.until = Some(now + ANSWER_WITHIN);
        let request = self.desk.asked.number;
        if !self.workers.vrrp.order(Order::Status { request }, &self.poller) {
            let answered = self.desk.asked.abandon();
            self.answer_asked(answered);
        }
    }

    /// A worker that takes too long is not waited for.
    pub(crate) fn answer_late(&mut self, now: Moment) {
        if self.desk.asked.wakeup().is_some_and(|at| at <= now) {
            let answered = self.desk.asked.abandon();
            self.answer_asked(answered);
        }
    }

    /// Gives everyone who asked what came of it.
    pub(crate) fn answer_asked(&mut self, answered: Option<Answered>) {
        let Some(answered) = answered else { return };
        let purposes = answered.purposes.clone();
        let status = self.status(&answered);
        for purpose in purposes {
            match purpose {
                Purpose::Client(client) => {
                    if let Some(control) = &mut self.desk.control {
                        control.answer(
                            client,
                            &Answer::Status(Box::new(status.clone())),
                            &self.poller,
                            CLIENTS,
                        );
                        control.finish(client, &self.poller, CLIENTS);
                    }
                }
                Purpose::Dump(file) => self.dump(file, &status, &answered.instances),
                Purpose::StatisticsAndClear => {
                    self.dump(Dump::Statistics, &status, &answered.instances);
                    self.workers.vrrp.order(Order::ClearCounters, &self.poller);
                }
            }
        }
    }

    fn status(&self, answered: &Answered) -> Status {
        let now = moment();
        let mut by_id: BTreeMap<InstanceId, &InstanceStatus> =
            answered.instances.iter().map(|status| (status.instance, status)).collect();
        let mut instances: Vec<report::Instance> = Vec::new();
        for config in &self.routers.work.machine.instances {
            instances.push(match by_id.remove(&config.id) {
                Some(status) => self.instance(now, status),
                None => self.instance_without_worker(now, config),
            });
        }
        let order: BTreeMap<&str, usize> =
            self.loaded.order.iter().enumerate().map(|(at, name)| (&**name, at)).collect();
        instances.sort_by_key(|instance| order.get(&*instance.name).copied().unwrap_or(usize::MAX));
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            since: journal::ago(now.since(self.started_at)),
            configuration: absolute(&self.options.configuration),
            configuration_errors: self.loaded.errors.count(),
            generation: self.reloads.generation,
            refused_reload: self.reloads.refused.clone(),
            faults: self.faults.standing(),
            worker: self.workers.vrrp.pid().map(|pid| report::Worker {
                pid,
                restarts: self.workers.vrrp.restarts(),
                responsive: answered.worker.is_some(),
                figures: answered.worker.clone(),
            }),
            instances,
            groups: self.groups(),
            scripts: self.scripts.checks.report(),
            sessions: self.sessions(now, &answered.sessions),
            check_worker: self.workers.check.pid().map(|pid| report::Worker {
                pid,
                restarts: self.workers.check.restarts(),
                responsive: self.workers.check.is_steady(now),
                figures: None,
            }),
            services: self.balancing.overview(),
            flight_recorder_seconds: self.records.reach(now).map(|reach| reach.as_secs()),
            not_active: self.loaded.not_active.clone(),
            control: self.desk.turned_away(),
        }
    }

    fn groups(&self) -> Vec<report::Group> {
        let groups = self.routers.work.machine.groups.iter();
        groups
            .map(|group| report::Group {
                name: Arc::clone(&group.name),
                state: self.routers.known.group_state(group.id),
                members: group.members.iter().map(|id| self.routers.known.instance(*id)).collect(),
            })
            .collect()
    }

    fn instance(&self, now: Moment, status: &InstanceStatus) -> report::Instance {
        let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        report::Instance {
            name: Arc::clone(&status.name),
            vrid: status.vrid.get(),
            family: family(status.family),
            version: status.version.number(),
            interface: self.routers.known.interface(status.interface).unwrap_or_default(),
            addresses: self.addresses(status.instance),
            state: status.state,
            since: Some(journal::ago(now.since(status.since))),
            milliseconds_in_state: Some(milliseconds(now.since(status.since))),
            why: wording::chain(&status.causes),
            causes: status.causes.clone(),
            master: status.master.map(|master| master.address),
            master_priority: status.master.map(|master| master.priority.get()),
            base_priority: status.base_priority.get(),
            effective_priority: status.effective_priority.get(),
            trackers: status
                .trackers
                .iter()
                .map(|share| report::Tracker {
                    kind: match share.kind {
                        TrackerKind::Interface => "interface".to_owned(),
                        TrackerKind::Script => "script".to_owned(),
                        TrackerKind::File => "file".to_owned(),
                        TrackerKind::Process => "process".to_owned(),
                        TrackerKind::Session => "bfd".to_owned(),
                    },
                    name: Arc::clone(&share.name),
                    good: share.good,
                    share: i16::try_from(share.share).unwrap_or_default(),
                    fault: share.fault,
                })
                .collect(),
            advert_interval_milliseconds: milliseconds(status.interval.duration()),
            master_interval_milliseconds: milliseconds(status.master_interval),
            master_down_milliseconds: milliseconds(status.master_down_interval),
            last_advert_milliseconds_ago: status.last_advert.map(|heard| milliseconds(now.since(heard.at))),
            last_advert_from: status.last_advert.map(|heard| heard.source),
            counters: counters(&status.counters),
            peers: peers::peers(status, now),
            problems: peers::problems(status, now),
        }
    }

    /// What the supervisor knows by itself when the worker is gone or does not answer.
    fn instance_without_worker(
        &self,
        now: Moment,
        config: &steadfast_vrrp::InstanceConfig,
    ) -> report::Instance {
        let last = self.routers.known.last(config.id);
        let mut shown = self.instance(now, &InstanceStatus::last_known(now, config, last.as_ref()));
        if last.is_none() {
            shown.since = None;
            shown.milliseconds_in_state = None;
            shown.why = self.why_without_worker().to_owned();
        }
        shown
    }

    fn why_without_worker(&self) -> &'static str {
        match self.workers.vrrp.is_filled() {
            _ if !self.options.run_vrrp => "VRRP is left out (-C)",
            true => "the worker has told nothing of it",
            false => "no vrrp worker runs",
        }
    }

    fn addresses(&self, instance: InstanceId) -> Vec<String> {
        let install = self.routers.work.install(instance);
        let addresses = install.map(|install| install.addresses.as_slice()).unwrap_or_default();
        addresses.iter().map(|a| format!("{}/{}", a.address, a.prefix)).collect()
    }
}

/// A path that means the same to a client, which has another working directory.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn family(family: Family) -> String {
    match family {
        Family::V4 => "IPv4".to_owned(),
        Family::V6 => "IPv6".to_owned(),
    }
}

/// Counters by the names of their fields.
fn counters(counters: &steadfast_vrrp::Counters) -> BTreeMap<String, u64> {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(counters) else {
        return BTreeMap::new();
    };
    fields.into_iter().filter_map(|(name, value)| Some((name, value.as_u64()?))).collect()
}
