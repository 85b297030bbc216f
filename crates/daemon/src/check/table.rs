//! The kernel's table: what the machine and the configuration want in it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use steadfast_health::Target;
use steadfast_kernel::ipvs::{Ipvs, Server, ServerKey, ServiceKey, Timeouts};
use steadfast_kernel::reconcile::ipvs::{Finding, Found, Reconciler, settle_sync_daemons};
use steadfast_kernel::{Errno, Error};
use steadfast_time::Moment;

use crate::link::check::Notice;
use crate::link::check::work::{Balanced, Reach, Settings, Work};

/// A kernel without a load balancer is asked again after this time, then after twice that, and so on.
const NO_TABLE_WAIT: Duration = Duration::from_secs(1);

/// No longer than this between two attempts.
const NO_TABLE_WAIT_LONGEST: Duration = Duration::from_secs(60);

/// Between two looks at what other programs did to the table.
const SURVEY_EVERY: Duration = Duration::from_secs(10);

/// Turns of [`Reconciler::apply`] at the end: what the kernel refuses then stays.
const LAST_TURNS: usize = 64;

/// Everything in the table that is ours.
#[derive(Debug)]
pub(super) struct Table {
    ipvs: Option<Ipvs>,
    reconciler: Reconciler,
    services: BTreeMap<Arc<str>, Arc<Balanced>>,
    /// What the machine wants, with how packets reach it.
    wanted: BTreeMap<Arc<str>, BTreeMap<Target, (Reach, u32)>>,
    settings: Settings,
    /// What the timeouts were before.
    timeouts_before: Option<Timeouts>,
    begun: bool,
    open_again_at: Option<Moment>,
    wait: Duration,
    survey_at: Moment,
    notices: Vec<Notice>,
}

impl Table {
    pub(super) fn new(now: Moment, work: &Work, begun_before: bool) -> Self {
        let mut table = Self {
            ipvs: None,
            reconciler: Reconciler::default(),
            services: BTreeMap::new(),
            wanted: BTreeMap::new(),
            settings: work.settings.clone(),
            timeouts_before: None,
            begun: begun_before,
            open_again_at: Some(now),
            wait: NO_TABLE_WAIT,
            survey_at: now + SURVEY_EVERY,
            notices: Vec::new(),
        };
        work.services.values().for_each(|service| table.configure(service));
        work.abandoned.iter().for_each(|key| table.reconciler.discard(*key));
        table
    }

    /// What is to be told.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    // What is wanted.

    /// A service is new, or has other settings.
    pub(super) fn configure(&mut self, service: &Arc<Balanced>) {
        let key = &service.health.key;
        let before = self.services.insert(Arc::clone(key), Arc::clone(service));
        for entry in &service.keys {
            self.reconciler.want_service(*entry, service.service.clone());
        }
        let placed = self.wanted.entry(Arc::clone(key)).or_default();
        // How packets reach what is wanted already may have changed too.
        for (target, (reach, _)) in placed.iter_mut() {
            let Some(found) = service.reach(*target) else { continue };
            if *reach == found {
                continue;
            }
            for entry in &service.keys {
                let (old, new) = (reach.in_service(*entry), found.in_service(*entry));
                if old != new {
                    self.reconciler.unwant_server(*entry, old);
                }
            }
            *reach = found;
        }
        for (reach, weight) in self.wanted.get(key).into_iter().flat_map(BTreeMap::values) {
            for entry in &service.keys {
                self.reconciler.want_server(*entry, reach.in_service(*entry), reach.server(*weight));
            }
        }
        if let Some(before) = before {
            let gone = before.keys.iter().filter(|entry| !service.keys.contains(entry));
            gone.for_each(|entry| self.reconciler.unwant_service(*entry));
        }
    }

    /// The daemons and timeouts that are wanted may be others.
    pub(super) fn set(&mut self, settings: Settings) {
        let before = std::mem::replace(&mut self.settings, settings);
        if before.timeouts != self.settings.timeouts {
            self.set_timeouts();
        }
        if before.sync != self.settings.sync {
            self.settle_sync();
        }
    }

    /// The machine wants an entry of a service, or does not want it any more.
    pub(super) fn want(&mut self, service: &Arc<str>, target: Target, weight: Option<u32>) {
        let Some(balanced) = self.services.get(service) else { return };
        let Some(placed) = self.wanted.get_mut(service) else { return };
        let reach = match weight {
            Some(weight) => {
                let Some(reach) = balanced.reach(target) else { return };
                placed.insert(target, (reach, weight));
                reach
            }
            None => {
                let Some((reach, _)) = placed.remove(&target) else { return };
                reach
            }
        };
        // The sorry server may be one of the others.
        let twins = [Target::Server(reach.address), Target::Sorry];
        let rest = twins.iter().filter_map(|twin| placed.get(twin));
        let rest = rest.filter(|(twin, _)| twin.address == reach.address).max_by_key(|(_, weight)| *weight);
        for entry in &balanced.keys {
            match rest {
                Some((reach, weight)) => {
                    self.reconciler.want_server(*entry, reach.in_service(*entry), reach.server(*weight));
                }
                None => self.reconciler.unwant_server(*entry, reach.in_service(*entry)),
            }
        }
    }

    /// The service is no more.
    pub(super) fn drop_service(&mut self, service: &Arc<str>) {
        self.wanted.remove(service);
        if let Some(balanced) = self.services.remove(service) {
            balanced.keys.iter().for_each(|entry| self.reconciler.unwant_service(*entry));
        }
    }

    // The kernel.

    /// When [`settle`](Self::settle) has something to do.
    pub(super) fn next_wakeup(&self) -> Option<Moment> {
        if self.ipvs.is_none() {
            return self.open_again_at;
        }
        let write = self.reconciler.next_wakeup().map(Moment::from_nanos);
        write.into_iter().chain([self.survey_at]).min()
    }

    /// Does what is due: opens the way to the table, writes what differs, looks at what others did.
    pub(super) fn settle(&mut self, now: Moment) {
        if self.ipvs.is_none() && self.open_again_at.is_some_and(|at| at <= now) {
            self.open(now);
        }
        let Some(ipvs) = &mut self.ipvs else { return };
        let mut lost = None;
        if self.reconciler.next_wakeup().is_some_and(|at| at <= now.as_nanos()) {
            match self.reconciler.apply(ipvs, now.as_nanos()) {
                Ok(applied) => {
                    for failure in applied.failures.into_iter().filter(|failure| failure.attempt == 1) {
                        let (what, reason) = (failure.command.to_string(), failure.refusal.to_string());
                        self.notices.push(Notice::Refused { what, reason });
                    }
                }
                Err(error) => lost = Some(error),
            }
        }
        if lost.is_none() && self.survey_at <= now {
            match self.reconciler.survey(ipvs, true) {
                Ok((findings, goes_on)) => {
                    let told = findings.iter().map(|finding| Notice::Changed { what: change(finding) });
                    self.notices.extend(told);
                    self.survey_at = if goes_on { now } else { now + SURVEY_EVERY };
                }
                Err(error) => lost = Some(error),
            }
        }
        if let Some(error) = lost {
            self.close(now, &error);
        }
    }

    fn open(&mut self, now: Moment) {
        let opened = Ipvs::open().and_then(|mut ipvs| {
            if self.settings.flush && !self.begun {
                self.reconciler.flush(&mut ipvs)?;
            } else {
                self.reconciler.adopt(&mut ipvs)?;
            }
            Ok(ipvs)
        });
        match opened {
            Ok(ipvs) => {
                self.ipvs = Some(ipvs);
                if self.wait > NO_TABLE_WAIT {
                    self.notices.push(Notice::Table);
                }
                self.begun = true;
                self.open_again_at = None;
                self.wait = NO_TABLE_WAIT;
                self.set_timeouts();
                self.settle_sync();
            }
            Err(error) => self.close(now, &error),
        }
    }

    fn close(&mut self, now: Moment, error: &Error) {
        self.ipvs = None;
        if self.wait == NO_TABLE_WAIT {
            self.notices.push(Notice::NoTable { reason: missing(error) });
        }
        self.open_again_at = Some(now + self.wait);
        self.wait = (self.wait * 2).min(NO_TABLE_WAIT_LONGEST);
    }

    fn set_timeouts(&mut self) {
        let [tcp, tcp_fin, udp] = self.settings.timeouts;
        let Some(ipvs) = &mut self.ipvs else { return };
        if self.timeouts_before.is_none() && [tcp, tcp_fin, udp] == [None; 3] {
            return;
        }
        let done = ipvs.timeouts().and_then(|found| {
            let before = *self.timeouts_before.get_or_insert(found);
            ipvs.set_timeouts(Timeouts {
                tcp_seconds: tcp.unwrap_or(before.tcp_seconds),
                tcp_fin_seconds: tcp_fin.unwrap_or(before.tcp_fin_seconds),
                udp_seconds: udp.unwrap_or(before.udp_seconds),
            })
        });
        if let Err(error) = done {
            self.notices.push(Notice::Setting { reason: format!("lvs_timeouts: {error}") });
        }
    }

    fn settle_sync(&mut self) {
        let Some(ipvs) = &mut self.ipvs else { return };
        match settle_sync_daemons(ipvs, &self.settings.sync) {
            Ok(failures) => self.notices.extend(
                failures
                    .into_iter()
                    .map(|failure| Notice::Setting { reason: format!("lvs_sync_daemon: {}", failure.error) }),
            ),
            Err(error) => {
                self.notices.push(Notice::Setting { reason: format!("lvs_sync_daemon: {error}") });
            }
        }
    }

    /// The daemon ends: everything that is ours goes.
    pub(super) fn end(&mut self, now: Moment) {
        let Some(ipvs) = &mut self.ipvs else { return };
        if self.settings.flush_at_end {
            let _ = self.reconciler.flush(ipvs);
        }
        self.reconciler.unwant_all();
        for _ in 0..LAST_TURNS {
            if self.reconciler.next_wakeup() != Some(0) {
                break;
            }
            match self.reconciler.apply(ipvs, now.as_nanos()) {
                Ok(applied) => self.notices.extend(applied.failures.into_iter().map(|failure| {
                    let (what, reason) = (failure.command.to_string(), failure.refusal.to_string());
                    Notice::Refused { what, reason }
                })),
                Err(_) => break,
            }
        }
        if let Some(before) = self.timeouts_before {
            let _ = ipvs.set_timeouts(before);
        }
        if !self.settings.sync.is_empty() {
            let _ = settle_sync_daemons(ipvs, &[]);
        }
    }
}

impl Balanced {
    /// How packets reach an entry.
    fn reach(&self, target: Target) -> Option<Reach> {
        match target {
            Target::Sorry => self.sorry,
            Target::Server(address) => self.find(address),
        }
    }

    fn find(&self, address: SocketAddr) -> Option<Reach> {
        let place = self.servers.binary_search_by_key(&address, |reach| reach.address).ok()?;
        self.servers.get(place).copied()
    }
}

impl Reach {
    const fn server(&self, weight: u32) -> Server {
        Server {
            forwarding: self.forwarding,
            weight,
            upper_threshold: self.upper_threshold,
            lower_threshold: self.lower_threshold,
        }
    }
}

/// What is missing, and how to get it.
fn missing(error: &Error) -> String {
    match error.errno {
        Errno::NOENT => "virtual servers wait, everything else goes on: this kernel has no IPVS (module ip_vs); \
                         `modprobe ip_vs` loads it if it is installed, and in a container the host must load it"
            .to_owned(),
        Errno::PERM | Errno::ACCESS => format!(
            "virtual servers wait, everything else goes on: the table of IPVS may not be used: {error}; this needs \
             CAP_NET_ADMIN in the first user namespace: run as root on the host"
        ),
        _ => format!("virtual servers wait, everything else goes on: the table of IPVS cannot be used: {error}"),
    }
}

/// What another program did, as a sentence.
fn change(finding: &Finding) -> String {
    let service: ServiceKey = finding.service;
    let of = |server: &ServerKey| format!("the server {server} of the service {service}");
    match &finding.found {
        Found::ServiceRemoved => format!("another program removed the service {service}: it is put back"),
        Found::ServiceChanged(_) => format!("another program changed the service {service}: it is set right"),
        Found::ServerRemoved(server) => format!("another program removed {}: it is put back", of(server)),
        Found::ServerChanged(server, _) => format!("another program changed {}: it is set right", of(server)),
        Found::ServerAdded(server, _) => format!("another program added {}: it is removed", of(server)),
    }
}
