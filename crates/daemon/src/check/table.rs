//! The kernel's table: what the machine and the configuration want in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use steadfast_health::{Machine, Target};
use steadfast_kernel::ipvs::{
    Ipvs, ListedServer, Server, ServerKey, ServiceKey, Setting, Statistics, SyncDaemon, SyncRole, Timeouts,
};
use steadfast_kernel::netlink::Requests;
use steadfast_kernel::nftables::Style;
use steadfast_kernel::reconcile::filters::Filters;
use steadfast_kernel::reconcile::ipvs::{Item, Services, Wish, settle_sync_daemons};
use steadfast_kernel::reconcile::{Fate, Pause, Reconcile, Report, Rounds, Thing};
use steadfast_kernel::{Errno, Error};
use steadfast_time::Moment;

use super::sharing::{OWNER, Sharing};
use crate::link::check::Notice;
use crate::link::check::work::{Marking, Placement, Settings};

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
    sharing: Sharing,
    settings: Settings,
    /// Instances that are master.
    masters: BTreeSet<Arc<str>>,
    /// What the timeouts were before.
    timeouts_before: Option<Timeouts>,
    /// Marks packets for services that are known by marks.
    filters: Option<Filters>,
    begun: bool,
    notices: Vec<Notice>,
}

impl Table {
    /// `elsewhere` is the socket that leads to the table, unless that is in the process's own network namespace.
    pub(super) fn new(
        settings: Settings,
        begun_before: bool,
        elsewhere: Option<Requests>,
        marking: Option<Requests>,
    ) -> Self {
        let style = settings.marking.as_ref().map(style);
        Self {
            filters: style.zip(marking).map(|(style, socket)| Filters::over(style, socket)),
            ipvs: None,
            is_elsewhere: elsewhere.is_some(),
            spare: elsewhere,
            reconciler: Services::default(),
            rounds: Rounds::pausing(Pause::doubling_to(NO_TABLE_PAUSE_NANOSECONDS)),
            services: BTreeMap::new(),
            sharing: Sharing::default(),
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
        // What is put in one after another leaves every node of the map half full.
        self.services = std::mem::take(&mut self.services).into_iter().collect();
    }

    /// What is to be told.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    // What is wanted.

    /// What these services had before and have no more. Another of them may have it from here on: all give up before the
    /// first one is configured.
    pub(super) fn give_up<'a>(&mut self, services: impl IntoIterator<Item = &'a Arc<Placement>>) {
        for service in services {
            let Some(before) = self.services.get(&service.key) else { continue };
            let stay: BTreeSet<_> = service.keys.iter().collect();
            let gone = before.keys.iter().filter(|entry| !stay.contains(entry));
            for entry in gone {
                self.sharing.leave(&service.key, *entry, OWNER);
                self.reconciler.unwish(&Item::service(*entry));
            }
        }
    }

    /// A service is new, or has other settings, and the machine has gone over to them.
    pub(super) fn configure(&mut self, service: &Arc<Placement>, machine: &Machine) {
        let before = self.services.insert(Arc::clone(&service.key), Arc::clone(service));
        let present = self.is_present(service);
        self.mark(before.as_deref(), Some(service).filter(|_| present));
        let left: Vec<ServiceKey> = before.iter().flat_map(|before| self.leave(before)).collect();
        service.keys.iter().for_each(|entry| self.sharing.own(&service.key, *entry));
        service.shared.iter().for_each(|shared| self.sharing.join(&service.key, shared));
        for entry in service.entries() {
            self.configure_entry(entry, service, machine);
        }
        if !left.is_empty() {
            let stay: BTreeSet<ServiceKey> = service.entries().collect();
            let gone = left.into_iter().filter(|entry| !stay.contains(entry));
            gone.for_each(|entry| self.configure_shared(entry, machine));
        }
    }

    /// A service is not any more among those that share entries with others. The entries come back.
    fn leave(&mut self, service: &Placement) -> Vec<ServiceKey> {
        let shared = service.shared.iter();
        shared
            .map(|shared| {
                self.sharing.leave(&service.key, shared.key, shared.place);
                shared.key
            })
            .collect()
    }

    fn configure_entry(&mut self, entry: ServiceKey, service: &Placement, machine: &Machine) {
        if self.sharing.is_shared(entry) {
            self.configure_shared(entry, machine);
        } else if self.is_present(service) {
            self.reconciler.wish(Wish::Service(entry, service.service.clone()));
            self.reconciler.wish_servers(entry, &servers(service, entry, machine));
        } else {
            self.reconciler.unwish(&Item::service(entry));
        }
    }

    /// What all who serve an entry want in it is wanted, and it balances as the first of them does.
    fn configure_shared(&mut self, entry: ServiceKey, machine: &Machine) {
        let Some(names) = self.sharing.services(entry) else { return };
        let found = |(place, name)| Some((place, Arc::clone(self.services.get(&name)?)));
        let services = names.into_iter().filter_map(found);
        let present: Vec<(u32, Arc<Placement>)> =
            services.filter(|(_, service)| self.is_present(service)).collect();
        let parts = present.iter().map(|(place, service)| (*place, servers(service, entry, machine)));
        let servers = self.sharing.fill(entry, parts);
        match present.first() {
            Some((_, first)) => {
                self.reconciler.wish(Wish::Service(entry, first.service.clone()));
                self.reconciler.wish_servers(entry, &servers);
            }
            None => self.reconciler.unwish(&Item::service(entry)),
        }
    }

    /// Packets for another set of addresses are to be marked.
    fn mark(&mut self, before: Option<&Placement>, after: Option<&Arc<Placement>>) {
        let Some(filters) = &mut self.filters else { return };
        let marked =
            |of: &Placement| of.marked.iter().map(|marked| marked.element()).collect::<BTreeSet<_>>();
        let after = after.map(|after| marked(after)).unwrap_or_default();
        for element in before.map(marked).unwrap_or_default().difference(&after) {
            filters.unwish(element);
        }
        after.into_iter().for_each(|element| filters.wish(element));
    }

    /// The packet filters, if there are to be any.
    pub(super) fn filters(&mut self) -> Option<&mut Filters> {
        self.filters.as_mut()
    }

    /// The daemons and timeouts that are wanted may be others.
    pub(super) fn set(&mut self, settings: Settings) {
        let before = std::mem::replace(&mut self.settings, settings);
        if let (Some(filters), Some(marking)) = (&mut self.filters, &self.settings.marking) {
            filters.restyle(style(marking));
        }
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
        let own = placement.keys.iter().map(|key| (*key, OWNER));
        for (entry, place) in own.chain(placement.shared.iter().map(|shared| (shared.key, shared.place))) {
            let server = wanted.map_or(reach, |(reach, _)| reach).in_service(entry);
            let how = wanted.map(|(reach, weight)| reach.server(weight));
            match self.sharing.want(entry, place, server, how) {
                Some(how) => self.reconciler.wish(Wish::Server(entry, server, how)),
                None => self.reconciler.unwish(&Item::server(entry, server)),
            }
        }
    }

    /// The service is no more.
    pub(super) fn drop_service(&mut self, service: &Arc<str>, machine: &Machine) {
        if let Some(placement) = self.services.remove(service) {
            self.mark(Some(&placement), None);
            placement.keys.iter().for_each(|entry| self.sharing.leave(service, *entry, OWNER));
            let shared = self.leave(&placement);
            for entry in placement.keys.iter().copied().chain(shared) {
                // Others may go on with it.
                match self.sharing.is_shared(entry) {
                    true => self.configure_shared(entry, machine),
                    false => self.reconciler.unwish(&Item::service(entry)),
                }
            }
        }
    }

    // The kernel.

    /// What the kernel refuses of a service, in a sentence: the first of it.
    pub(super) fn refusal(&self, placement: &Placement) -> Option<String> {
        let mut refusals = placement.entries().flat_map(|key| self.reconciler.refusals(key));
        let first = refusals.next()?;
        let told = format!("cannot {}: {}", first.attempted, reason(first));
        Some(match refusals.count() {
            0 => told,
            more => format!("{told}; and {more} more"),
        })
    }

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
        let filters = self.filters.as_ref().and_then(Reconcile::next_wakeup);
        [at, filters].into_iter().flatten().min().map(Moment::from_nanos)
    }

    /// Does what is due: opens the way to the table, writes what differs, looks at what others did.
    pub(super) fn settle(&mut self, now: Moment) {
        if let Some(filters) = &mut self.filters {
            filters.settle(now.as_nanos());
            self.notices.extend(filters.take_reports().into_iter().filter_map(notice));
        }
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
        if let Some(filters) = &mut self.filters {
            filters.unwish_all();
            filters.settle(now.as_nanos());
        }
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

fn style(marking: &Marking) -> Style {
    let Marking { table, priority, counters } = marking;
    Style { table: table.to_string(), priority: *priority, counters: *counters, duplicate: false }
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

/// Why the kernel refused.
fn reason(error: &Error) -> String {
    match (&error.kernel_message, error.capability) {
        (Some(meaning), _) => meaning.clone(),
        (None, Some(capability)) => format!("{}; this needs {}: run as root", error.errno, capability.name()),
        (None, None) => error.errno.to_string(),
    }
}

/// What is to be told of what came about.
fn notice(Report { thing, fate }: Report) -> Option<Notice> {
    let what = match fate {
        Fate::Refused(error) => {
            let reason = reason(&error);
            return Some(Notice::Refused { what: error.attempted.into_owned(), reason });
        }
        Fate::TakenAway => format!("another program removed {thing}: it is put back"),
        Fate::Changed => format!("another program changed {thing}: it is set right"),
        Fate::Intruded => format!("another program added {thing}: it is removed"),
        Fate::TakenOver => format!("another program or an earlier run made {thing}: it is taken over"),
        Fate::Accepted => format!("the kernel takes {thing} after all"),
        Fate::PutBack if matches!(thing, Thing::Filters(_)) => {
            format!("another program changed {thing}: they are put back")
        }
        // Told with what was done to it.
        Fate::Installed | Fate::PutBack | Fate::Gone => return None,
    };
    Some(Notice::Changed { what })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use steadfast_config::{AnyMachine, LoadOptions, Memory, load};
    use steadfast_health::{Config, Resume};
    use steadfast_kernel::ipvs::Command;

    use super::*;
    use crate::check::Wishes;
    use crate::digest::check::Services as Served;
    use crate::link::check::work::Balanced;

    fn services(text: &str) -> (Machine, Vec<Arc<Placement>>) {
        let behind = "{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n real_server 10.0.0.1 80 {\n }\n}\n";
        let memory = Memory::new().file("k.conf", text.replace("{}", behind).as_str());
        let model = load(&memory, "/k.conf".as_ref(), &AnyMachine, &LoadOptions::default()).model;
        let served = Served::of(&model.virtual_server_groups, model.virtual_servers.iter());
        let (services, placements) = served.map(|Balanced { health, placement }| (health, placement)).unzip();
        let mut machine =
            Machine::new(Moment::ZERO, Config { services, ..Config::default() }, Resume::default());
        machine.advance(Moment::ZERO, &mut Wishes::default());
        (machine, placements)
    }

    /// An entry, its scheduler, and the last octets of its servers with their weights.
    type Entry = (ServiceKey, String, Vec<(u8, u32)>);

    /// What is wanted in each entry.
    fn wanted(table: &mut Table) -> Vec<Entry> {
        let mut wanted: BTreeMap<ServiceKey, (String, Vec<(u8, u32)>)> = BTreeMap::new();
        for command in table.reconciler.planned() {
            match command {
                Command::AddService(key, service) => {
                    wanted.entry(key).or_default().0 = service.scheduler.to_string();
                }
                Command::AddServer(key, server, how) => {
                    let IpAddr::V4(address) = server.address else { panic!("{server}") };
                    wanted.entry(key).or_default().1.push((address.octets()[3], how.weight));
                }
                other => panic!("{other}"),
            }
        }
        let wanted = wanted.into_iter().map(|(key, (scheduler, mut servers))| {
            servers.sort_unstable();
            (key, scheduler, servers)
        });
        wanted.collect()
    }

    /// A service at 10.7.0.1 with servers `10.0.0.LAST` and their weights.
    fn block(scheduler: &str, servers: &[(u8, u32)]) -> String {
        let server =
            |(last, weight): &(u8, u32)| format!("real_server 10.0.0.{last} 80 {{\n weight {weight}\n}}\n");
        let servers: String = servers.iter().map(server).collect();
        format!(
            "virtual_server 10.7.0.1 80 {{\n lb_algo {scheduler}\n lb_kind NAT\n protocol TCP\n{servers}}}\n"
        )
    }

    /// One table after another: what is configured anew and dropped is what differs, as at a reload.
    fn reloaded(table: &mut Table, before: &[Arc<Placement>], text: &str) -> (Machine, Vec<Arc<Placement>>) {
        let (machine, placements) = services(text);
        let is_gone = |old: &&Arc<Placement>| placements.iter().all(|new| new.key != old.key);
        before.iter().filter(is_gone).for_each(|old| table.drop_service(&old.key, &machine));
        let changed: Vec<_> = placements.iter().filter(|new| !before.contains(new)).cloned().collect();
        table.give_up(&changed);
        changed.iter().for_each(|placement| table.configure(placement, &machine));
        (machine, placements)
    }

    #[test]
    fn a_service_that_stands_twice_has_the_servers_of_both() {
        let (first, second) = (block("rr", &[(1, 1), (3, 3)]), block("wlc", &[(2, 2), (3, 5)]));
        let both = vec![(1, 1), (2, 2), (3, 3)];
        let cases = [
            (first.clone() + &second, "rr", both.clone()),
            (second.clone() + &first, "wlc", vec![(1, 1), (2, 2), (3, 5)]),
            (first.clone(), "rr", vec![(1, 1), (3, 3)]),
            (first.clone() + &second + &block("sh", &[(4, 4)]), "rr", vec![(1, 1), (2, 2), (3, 3), (4, 4)]),
            (block("sh", &[(4, 4)]) + &second, "sh", vec![(2, 2), (3, 5), (4, 4)]),
            (first.clone() + &second, "rr", both.clone()),
        ];
        let mut table = Table::new(Settings::default(), false, None, None);
        let mut placements = Vec::new();
        for (text, scheduler, servers) in cases {
            (_, placements) = reloaded(&mut table, &placements, &text);
            let found = wanted(&mut table);
            let [(_, found_scheduler, found_servers)] = &*found else { panic!("{text}: {found:?}") };
            assert_eq!((&**found_scheduler, found_servers), (scheduler, &servers), "{text}");
        }
        // What one does not want any more the other may want.
        let (machine, placements) = reloaded(&mut table, &placements, &(first + &second));
        let want = |table: &mut Table, place: usize, last: u8, weight| {
            let target = Target::Server(([10, 0, 0, last], 80).into());
            table.want(&placements[place].key, target, weight, &machine);
            wanted(table)[0].2.clone()
        };
        assert_eq!(&*placements[1].key, "[10.7.0.1]:tcp:80 (2)");
        assert_eq!(want(&mut table, 0, 3, None), [(1, 1), (2, 2), (3, 5)]);
        assert_eq!(want(&mut table, 1, 3, None), [(1, 1), (2, 2)]);
        assert_eq!(want(&mut table, 1, 2, None), [(1, 1)]);
        assert_eq!(want(&mut table, 0, 3, Some(3)), [(1, 1), (3, 3)]);
        assert_eq!(want(&mut table, 1, 3, Some(5)), [(1, 1), (3, 3)]);
        table.drop_service(&placements[0].key, &machine);
        assert_eq!(wanted(&mut table)[0].1, "wlc");
        table.drop_service(&placements[1].key, &machine);
        assert_eq!(wanted(&mut table), []);
    }

    #[test]
    fn an_address_of_two_groups_is_served_by_both_until_neither_has_it() {
        let group = |name: &str, entries: &str| {
            format!("virtual_server_group {name} {{\n{entries}\n}}\nvirtual_server group {name} {{}}\n")
        };
        let mut table = Table::new(Settings::default(), false, None, None);
        let mut placements = Vec::new();
        let one = "10.7.0.1 80";
        for (text, entries) in [
            (group("G", "10.7.0.1-2 80") + &group("H", "10.7.0.2-3 80"), 3),
            (group("G", "10.7.0.1-2 80") + &group("H", one), 2),
            (group("H", one) + &group("G", "10.7.0.1-2 80"), 2),
            (group("H", "10.7.0.3 80") + &group("G", "10.7.0.2 80"), 2),
            (group("H", one) + &group("G", one), 1),
            (group("G", one), 1),
        ] {
            (_, placements) = reloaded(&mut table, &placements, &text);
            let found = wanted(&mut table);
            assert_eq!(found.len(), entries, "{text}: {found:?}");
            assert!(
                found.iter().all(|(_, scheduler, servers)| scheduler == "rr" && servers.len() == 1),
                "{found:?}"
            );
        }
        assert!(!table.sharing.is_shared(placements[0].keys[0]));
    }

    /// Whoever comes first in the file may be new, or called otherwise than before.
    #[test]
    fn an_entry_that_moves_to_another_service_stays() {
        let both = "virtual_server_group G {\n 10.7.0.1 80\n 10.7.0.2 80\n}\nvirtual_server group G {}\n";
        let apart = "virtual_server_group G {\n 10.7.0.2 80\n}\nvirtual_server 10.7.0.1 80 {}\nvirtual_server group G {}\n";
        let mut table = Table::new(Settings::default(), false, None, None);
        let mut wanted = Vec::new();
        for text in [both, apart, both] {
            let (machine, placements) = services(text);
            table.give_up(&placements);
            placements.iter().for_each(|placement| table.configure(placement, &machine));
            let mut keys: Vec<_> = table.reconciler.services().collect();
            keys.sort();
            wanted.push(keys);
        }
        assert_eq!(wanted[0].len(), 2);
        assert_eq!(wanted[0], wanted[1]);
        // What is no more is dropped by name before, as the machine tells of its end.
        assert_eq!(wanted[0], wanted[2]);
    }
}
