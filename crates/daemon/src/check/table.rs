//! The kernel's table: what the machine and the configuration want in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use steadfast_health::{Machine, Target};
use steadfast_kernel::ipvs::{
    Ipvs, ListedServer, Server, ServerKey, ServiceKey, Setting, Statistics, SyncDaemon, SyncRole, Timeouts,
};
use steadfast_kernel::netlink::Requests;
use steadfast_kernel::reconcile::ipvs::{Item, Services, Wish, settle_sync_daemons};
use steadfast_kernel::reconcile::{Fate, Pause, Reconcile, Report, Rounds};
use steadfast_kernel::{Errno, Error};
use steadfast_time::Moment;

use crate::link::check::Notice;
use crate::link::check::work::{Placement, Settings};

/// A kernel without a load balancer is asked again after ever longer times, but no longer than this.
const NO_TABLE_PAUSE_NANOSECONDS: u64 = 60_000_000_000;

/// Rounds at the end: what the kernel refuses then stays.
const LAST_ROUNDS: usize = 64;

/// Everything in the table that is ours.
#[derive(Debug)]
pub(super) struct Table {
    ipvs: Option<Ipvs>,
    /// Leads to the table of another network namespace, which is not to be entered again; None while it is in use.
    spare: Option<Requests>,
    is_elsewhere: bool,
    reconciler: Services,
    rounds: Rounds,
    services: BTreeMap<Arc<str>, Arc<Placement>>,
    settings: Settings,
    /// Instances that are master.
    masters: BTreeSet<Arc<str>>,
    /// What the timeouts were before.
    timeouts_before: Option<Timeouts>,
    begun: bool,
    notices: Vec<Notice>,
}

impl Table {
    /// `elsewhere` is the socket that leads to the table, unless that is in the process's own network namespace.
    pub(super) fn new(settings: Settings, begun_before: bool, elsewhere: Option<Requests>) -> Self {
        Self {
            ipvs: None,
            is_elsewhere: elsewhere.is_some(),
            spare: elsewhere,
            reconciler: Services::default(),
            rounds: Rounds::pausing(Pause::doubling_to(NO_TABLE_PAUSE_NANOSECONDS)),
            services: BTreeMap::new(),
            settings,
            masters: BTreeSet::new(),
            timeouts_before: None,
            begun: begun_before,
            notices: Vec::new(),
        }
    }

    /// A predecessor had this entry, and nobody wants it any more.
    pub(super) fn discard(&mut self, key: ServiceKey) {
        self.reconciler.discard(key);
    }

    /// The services.
    pub(super) fn services(&self) -> &BTreeMap<Arc<str>, Arc<Placement>> {
        &self.services
    }

    /// Something is about to be written.
    pub(super) fn is_writing(&self) -> bool {
        self.ipvs.is_some() && self.reconciler.next_wakeup() == Some(0)
    }

    /// Room for services and servers to come is given back.
    pub(super) fn compact(&mut self) {
        self.reconciler.compact();
    }

    /// What is to be told.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    // What is wanted.

    /// A service is new, or has other settings, and the machine has gone over to them.
    pub(super) fn configure(&mut self, service: &Arc<Placement>, machine: &Machine) {
        let before = self.services.insert(Arc::clone(&service.key), Arc::clone(service));
        let present = self.is_present(service);
        for entry in &service.keys {
            if present {
                self.reconciler.wish(Wish::Service(*entry, service.service.clone()));
                self.reconciler.wish_servers(*entry, &servers(service, *entry, machine));
            } else {
                self.reconciler.unwish(&Item::service(*entry));
            }
        }
        if let Some(before) = before {
            let stay: BTreeSet<_> = service.keys.iter().collect();
            let gone = before.keys.iter().filter(|entry| !stay.contains(entry));
            gone.for_each(|entry| self.reconciler.unwish(&Item::service(*entry)));
        }
    }

    /// The daemons and timeouts that are wanted may be others.
    pub(super) fn set(&mut self, settings: Settings) {
        let before = std::mem::replace(&mut self.settings, settings);
        if before.timeouts != self.settings.timeouts {
            self.set_timeouts();
        }
        if before.expire != self.settings.expire {
            self.set_expiry();
        }
        let sync = |of: &Settings| (of.sync.clone(), of.sync_follows.clone());
        if sync(&before) != sync(&self.settings) {
            self.settle_sync();
        }
    }

    /// Instances became master, or ceased to be.
    pub(super) fn see_masters(&mut self, masters: &BTreeSet<Arc<str>>, machine: &Machine) {
        if self.masters == *masters {
            return;
        }
        let before = std::mem::replace(&mut self.masters, masters.clone());
        let turned = |instance: &Option<Arc<str>>| {
            instance.as_ref().is_some_and(|name| before.contains(name) != masters.contains(name))
        };
        if turned(&self.settings.sync_follows) {
            self.settle_sync();
        }
        let services: Vec<Arc<Placement>> =
            self.services.values().filter(|service| turned(&service.only_while_master)).cloned().collect();
        services.iter().for_each(|service| self.configure(service, machine));
    }

    /// The instance that a service waits for.
    pub(super) fn waits_for(&self, service: &Placement) -> Option<Arc<str>> {
        service.only_while_master.clone().filter(|_| !self.is_present(service))
    }

    /// Whether a service is to be in the kernel.
    fn is_present(&self, service: &Placement) -> bool {
        service.only_while_master.as_ref().is_none_or(|instance| self.masters.contains(instance))
    }

    /// The machine wants an entry of a service, or does not want it any more.
    pub(super) fn want(
        &mut self,
        service: &Arc<str>,
        target: Target,
        weight: Option<u32>,
        machine: &Machine,
    ) {
        let Some(placement) = self.services.get(service).filter(|service| self.is_present(service)) else {
            return;
        };
        let Some(reach) = placement.reach(target) else { return };
        // The sorry server may be one of the others.
        let is_twin = placement.sorry.is_some_and(|sorry| sorry.address == reach.address);
        let wanted = match machine.service_id(service).filter(|_| is_twin) {
            Some(id) => [Target::Server(reach.address), Target::Sorry]
                .into_iter()
                .filter_map(|twin| Some((placement.reach(twin)?, machine.entry(id, twin)?)))
                .max_by_key(|(_, weight)| *weight),
            None => weight.map(|weight| (reach, weight)),
        };
        for entry in &placement.keys {
            match wanted {
                Some((reach, weight)) => {
                    let server = Wish::Server(*entry, reach.in_service(*entry), reach.server(weight));
                    self.reconciler.wish(server);
                }
                None => self.reconciler.unwish(&Item::server(*entry, reach.in_service(*entry))),
            }
        }
    }

    /// The service is no more.
    pub(super) fn drop_service(&mut self, service: &Arc<str>) {
        if let Some(placement) = self.services.remove(service) {
            placement.keys.iter().for_each(|entry| self.reconciler.unwish(&Item::service(*entry)));
        }
    }

    // The kernel.

    /// What the kernel has of an entry, if it has it and can be asked.
    pub(super) fn listed(&mut self, key: ServiceKey) -> Option<(Statistics, Vec<ListedServer>)> {
        let ipvs = self.ipvs.as_mut()?;
        let statistics = ipvs.service(key).ok()??.statistics;
        Some((statistics, ipvs.servers(key).ok()?))
    }

    /// When [`settle`](Self::settle) has something to do.
    pub(super) fn next_wakeup(&mut self) -> Option<Moment> {
        let at = match self.ipvs {
            None => Some(self.rounds.pause().until()),
            Some(_) => self.rounds.next_wakeup(&mut [&mut self.reconciler]),
        };
        at.map(Moment::from_nanos)
    }

    /// Does what is due: opens the way to the table, writes what differs, looks at what others did.
    pub(super) fn settle(&mut self, now: Moment) {
        if self.ipvs.is_none() && self.rounds.pause().is_over(now.as_nanos()) {
            self.open(now);
        }
        let Some(ipvs) = &mut self.ipvs else { return };
        if let Err(error) = self.rounds.run(ipvs, &mut [&mut self.reconciler], now.as_nanos()) {
            self.close(&error);
        }
        self.tell_reports();
    }

    fn tell_reports(&mut self) {
        self.notices.extend(self.reconciler.take_reports().into_iter().filter_map(notice));
    }

    fn open(&mut self, now: Moment) {
        let found = self.find().and_then(|ipvs| {
            let ipvs = self.ipvs.insert(ipvs);
            if self.settings.flush && !self.begun {
                self.reconciler.flush(ipvs)
            } else {
                self.reconciler.adopt(ipvs)
            }
        });
        let came_late = self.rounds.pause().failures() > 0;
        match self.rounds.opened(found, now.as_nanos()) {
            Ok(()) => {
                if came_late {
                    self.notices.push(Notice::Table);
                }
                self.begun = true;
                self.set_timeouts();
                self.set_expiry();
                self.settle_sync();
            }
            Err(error) => self.close(&error),
        }
    }

    /// The way to the table.
    fn find(&mut self) -> Result<Ipvs, Error> {
        let Some(socket) = self.spare.take() else { return Ipvs::open() };
        Ipvs::over(socket).map_err(|failed| {
            let (socket, error) = *failed;
            self.spare = Some(socket);
            error
        })
    }

    /// Told at the first of several failures.
    fn close(&mut self, error: &Error) {
        let ipvs = self.ipvs.take();
        if self.is_elsewhere {
            self.spare = ipvs.map(Ipvs::into_socket).or(self.spare.take());
        }
        if self.rounds.pause().failures() == 1 {
            self.notices.push(Notice::NoTable { reason: missing(error) });
        }
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

    /// Switches on what is asked for. It stays on at the end: whoever balances here then is not worse off.
    fn set_expiry(&mut self) {
        if self.ipvs.is_none() {
            return;
        }
        let settings = [Setting::ExpireWithoutServer, Setting::ExpireQuiescentTemplate];
        for (setting, _) in settings.into_iter().zip(self.settings.expire).filter(|(_, wanted)| *wanted) {
            let done = if self.is_elsewhere {
                Err(format!(
                    "{setting} is to be set in the network namespace of the table, by its administrator"
                ))
            } else {
                let switched = || if setting.is_on()? { Ok(()) } else { setting.switch_on() };
                switched().map_err(|error: Error| error.to_string())
            };
            if let Err(reason) = done {
                self.notices.push(Notice::Setting { reason: format!("lvs_{}: {reason}", setting.name()) });
            }
        }
    }

    fn settle_sync(&mut self) {
        let Some(ipvs) = &mut self.ipvs else { return };
        let role =
            self.settings.sync_follows.as_ref().map(|instance| match self.masters.contains(instance) {
                true => SyncRole::Master,
                false => SyncRole::Backup,
            });
        let daemons = self.settings.sync.iter().filter(|daemon| role.is_none_or(|role| daemon.role == role));
        let wanted: Vec<SyncDaemon> = daemons.cloned().collect();
        match settle_sync_daemons(ipvs, &wanted) {
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
        if self.settings.flush_at_end || self.reconciler.is_alone(ipvs).unwrap_or(false) {
            let _ = self.reconciler.flush(ipvs);
        }
        self.reconciler.unwish_all();
        for _ in 0..LAST_ROUNDS {
            if self.reconciler.next_wakeup() != Some(0) {
                break;
            }
            if self.rounds.run(ipvs, &mut [&mut self.reconciler], now.as_nanos()).is_err() {
                break;
            }
        }
        self.notices.extend(self.reconciler.take_reports().into_iter().filter_map(notice));
        if let Some(before) = self.timeouts_before {
            let _ = ipvs.set_timeouts(before);
        }
        if !self.settings.sync.is_empty() {
            let _ = settle_sync_daemons(ipvs, &[]);
        }
    }
}

/// What the machine wants in an entry of a service. Of a server that is the sorry server too the larger weight counts.
fn servers(service: &Placement, entry: ServiceKey, machine: &Machine) -> BTreeMap<ServerKey, Server> {
    let mut servers: BTreeMap<ServerKey, Server> = BTreeMap::new();
    let Some(id) = machine.service_id(&service.key) else { return servers };
    for (target, weight) in machine.entries(id) {
        let Some(reach) = service.reach(target) else { continue };
        let key = reach.in_service(entry);
        if servers.get(&key).is_none_or(|known| known.weight <= weight) {
            servers.insert(key, reach.server(weight));
        }
    }
    servers
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

/// What is to be told of what came about.
fn notice(Report { thing, fate }: Report) -> Option<Notice> {
    let what = match fate {
        Fate::Refused(error) => {
            let reason = error.kernel_message.unwrap_or_else(|| match error.capability {
                Some(capability) => format!("{}; this needs {}: run as root", error.errno, capability.name()),
                None => error.errno.to_string(),
            });
            return Some(Notice::Refused { what: error.attempted.into_owned(), reason });
        }
        Fate::TakenAway => format!("another program removed {thing}: it is put back"),
        Fate::Changed => format!("another program changed {thing}: it is set right"),
        Fate::Intruded => format!("another program added {thing}: it is removed"),
        // Told with what was done to it.
        Fate::Installed | Fate::PutBack | Fate::Gone => return None,
    };
    Some(Notice::Changed { what })
}
