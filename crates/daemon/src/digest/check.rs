//! From the virtual servers of the configuration file to what a check worker runs.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use steadfast_config::model::{
    self, CheckKind, Checker, ForwardingMethod, GroupEntry, LvsSyncDaemon, Model, RealServer, ServerAddress,
    ServiceTarget, TunnelChecksum, TunnelKind, VirtualServer, VirtualServerGroup,
};
use steadfast_control::status::numbered_service;
use steadfast_health::{CheckConfig, CheckKey, Rhythm, ServerConfig, ServiceConfig, SorryConfig};
use steadfast_kernel::ipvs::{
    Checksum, Forwarding, Name, Persistence, SchedulerFlags, Service, ServiceKey, SyncDaemon, SyncRole,
    Transport, Tunnel,
};
use steadfast_wire::vrrp::Family;

use super::process::buffer;
use super::ranges::Ranges;
use super::texts::{Text, Texts};
use crate::link::check::seen::Followed;
use crate::link::check::work::{
    Balanced, Identity, Marked, Marking, Placement, Reach, Settings, Shared, Way, Ways,
};
use crate::link::vrrp::work::Settings as Scheduling;

/// Entries of the kernel that one group may become; the addresses behind are left out.
pub const GROUP_ENTRIES_MAX: usize = 65_536;

/// The weight of the kernel is a signed number.
const SERVER_WEIGHT_TOP: u32 = 2_147_483_647;

/// A service as far as others are concerned: what it is called, how it balances, and what is its in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// What it is called.
    pub key: Arc<str>,
    /// How it balances.
    pub service: Service,
    /// Its entries.
    pub keys: Box<[ServiceKey]>,
    /// Entries of services before it that it serves as well.
    pub shared: Box<[Shared]>,
    /// Addresses whose packets get a mark for it.
    pub marked: Box<[Marked]>,
    /// Of which group it is, and at which place among those that use the group.
    pub place_in_group: Option<(Arc<str>, usize)>,
}

/// Tells services from each other, one after another.
#[derive(Debug)]
pub struct Outlines<'a> {
    groups: BTreeMap<&'a str, &'a VirtualServerGroup>,
    names: Names,
    users_of_groups: BTreeMap<Arc<str>, usize>,
    /// Two services that wrote an entry of the kernel in turn would undo what the other wants: the first has it.
    taken: BTreeMap<ServiceKey, Taken>,
    /// An address has one mark, that of the first.
    marked: Ranges,
}

/// An entry of the kernel that somebody has.
#[derive(Debug)]
struct Taken {
    owner: Arc<str>,
    /// Who asked for it last.
    latest: Arc<str>,
    /// How many ask for it beside the owner.
    sharers: u32,
}

/// What services are called, in the order of the file: each has to come by, be there anything behind it or not.
#[derive(Debug, Default)]
pub struct Names {
    met: BTreeMap<Arc<str>, u32>,
}

impl Names {
    /// That of the next one: as keepalived calls it, and of several for the same each but the first with its number
    /// behind that.
    pub fn next(&mut self, server: &VirtualServer) -> Arc<str> {
        let name: Arc<str> = service_name(server).into();
        let count = self.met.entry(Arc::clone(&name)).or_insert(0);
        *count += 1;
        match *count {
            1 => name,
            count => numbered_service(&name, count).into(),
        }
    }
}

impl<'a> Outlines<'a> {
    /// Those of a configuration with these groups.
    pub fn of(groups: &'a [VirtualServerGroup]) -> Self {
        // Of a name that is given twice the first counts.
        let groups = groups.iter().rev().map(|group| (&*group.name, group)).collect();
        let (names, users_of_groups, taken) = (Names::default(), BTreeMap::new(), BTreeMap::new());
        Self { groups, names, users_of_groups, taken, marked: Ranges::default() }
    }

    /// The next one. Nothing where no server is behind it.
    pub fn outline(&mut self, server: &VirtualServer, has_servers: bool) -> Option<Outline> {
        let key = self.names.next(server);
        let service = service(server).filter(|_| has_servers)?;
        let (keys, marked) = keys(server, &self.groups);
        let (keys, shared) = self.take(&key, keys);
        let marked = marked.into_iter().flat_map(|marked| self.marked.free(marked)).collect();
        let place_in_group = match &server.target {
            ServiceTarget::Group(name) => {
                let place = self.users_of_groups.entry(Arc::clone(name)).or_insert(0);
                *place += 1;
                Some((Arc::clone(name), *place - 1))
            }
            ServiceTarget::Address(_) | ServiceTarget::Mark(_) => None,
        };
        Some(Outline { key, service, keys, shared, marked, place_in_group })
    }

    /// Which of its entries a service has, and which it shares.
    fn take(&mut self, service: &Arc<str>, keys: Vec<ServiceKey>) -> (Box<[ServiceKey]>, Box<[Shared]>) {
        let (mut own, mut shared) = (Vec::new(), Vec::new());
        for key in keys {
            match self.taken.entry(key) {
                Entry::Vacant(place) => {
                    let (owner, latest) = (Arc::clone(service), Arc::clone(service));
                    place.insert(Taken { owner, latest, sharers: 0 });
                    own.push(key);
                }
                // A group may have an address twice.
                Entry::Occupied(taken) if taken.get().latest == *service => {}
                Entry::Occupied(mut taken) => {
                    let taken = taken.get_mut();
                    taken.latest = Arc::clone(service);
                    taken.sharers += 1;
                    shared.push(Shared { key, owner: Arc::clone(&taken.owner), place: taken.sharers });
                }
            }
        }
        (own.into(), shared.into())
    }
}

/// Boils virtual servers down. What is called the same is the same after a reload as long as it serves the same.
#[derive(Default)]
pub struct Boiler {
    texts: Texts,
}

impl Boiler {
    /// A service with everything behind it.
    pub fn balanced(&mut self, outline: Outline, server: &VirtualServer) -> Balanced {
        let Outline { key, service, keys, shared, marked, place_in_group } = outline;
        let health = health(Arc::clone(&key), server, &mut self.texts);
        let sorry = server.sorry_server.as_ref().map(|sorry| Reach {
            address: socket_address(sorry.address),
            way: Way { forwarding: forwarding(&sorry.forwarding), upper_threshold: 0, lower_threshold: 0 },
        });
        let placement = Placement {
            key,
            ha_suspend: health.ha_suspend,
            place_in_group,
            keys,
            shared,
            marked,
            service,
            ways: Ways::of(server.real_servers.iter().map(reach)),
            sorry,
            only_while_master: only_while_master(server),
        };
        Balanced { health, placement: Arc::new(placement) }
    }
}

/// The services of virtual servers, boiled down one after another: together they are many times as large as the model.
pub struct Services<'a, Servers> {
    left: Servers,
    outlines: Outlines<'a>,
    boiler: Boiler,
}

impl<'a, Servers> Services<'a, Servers> {
    /// Those of a configuration with these groups.
    pub fn of(groups: &'a [VirtualServerGroup], servers: Servers) -> Self {
        Self { left: servers, outlines: Outlines::of(groups), boiler: Boiler::default() }
    }
}

impl<Servers: Iterator<Item: Borrow<VirtualServer>>> Iterator for Services<'_, Servers> {
    type Item = Balanced;

    fn next(&mut self) -> Option<Balanced> {
        loop {
            let server = self.left.next()?;
            let server = server.borrow();
            if let Some(outline) = self.outlines.outline(server, !server.real_servers.is_empty()) {
                return Some(self.boiler.balanced(outline, server));
            }
        }
    }
}

fn only_while_master(server: &VirtualServer) -> Option<Arc<str>> {
    server.extensions.as_ref()?.only_while_master.clone()
}

/// The addresses of the servers of a service, in their order.
pub fn server_addresses(server: &VirtualServer) -> impl Iterator<Item = SocketAddr> {
    server.real_servers.iter().map(|server| socket_address(server.address))
}

/// What services and their checks follow.
pub fn followed(model: &Model) -> Followed {
    let mut followed = Followed::default();
    followed.instances.extend(followed_by_sync(model));
    for server in &model.virtual_servers {
        followed.instances.extend(only_while_master(server));
        follow(&mut followed, server);
    }
    followed
}

/// What the checks of a service follow.
fn follow(followed: &mut Followed, server: &VirtualServer) {
    for checker in server.real_servers.iter().flat_map(|real| real.checkers.iter()) {
        match &checker.kind {
            CheckKind::File(file) => {
                followed.files.insert(Arc::clone(&file.track_file));
            }
            CheckKind::Bfd(session) => {
                followed.sessions.insert(Arc::clone(session));
            }
            _ => {}
        }
    }
}

/// As keepalived calls a service in its log.
fn service_name(server: &VirtualServer) -> String {
    let protocol = match server.protocol {
        Some(model::Transport::Tcp) => ":tcp",
        Some(model::Transport::Udp) => ":udp",
        Some(model::Transport::Sctp) => ":sctp",
        None => "",
    };
    match &server.target {
        ServiceTarget::Address(at) => format!("[{}]{protocol}:{}", at.address, at.port),
        ServiceTarget::Mark(mark) => match server.family {
            Family::V4 => format!("FWM {mark}"),
            Family::V6 => format!("FWM {mark} (IPv6)"),
        },
        ServiceTarget::Group(name) => format!("[{name}]{protocol}"),
    }
}

fn service(server: &VirtualServer) -> Option<Service> {
    let engine = server.persistence_engine.as_deref().and_then(Name::new);
    let whole = match server.family {
        Family::V4 => 32,
        Family::V6 => 128,
    };
    Some(Service {
        scheduler: Name::new(&server.scheduler)?,
        scheduler_flags: SchedulerFlags::from_bits(server.scheduler_flags),
        one_packet: server.one_packet,
        persistence: server.persistence_timeout_seconds.filter(|seconds| *seconds > 0).map(|seconds| {
            Persistence { seconds, prefix: Some(server.persistence_granularity.unwrap_or(whole)), engine }
        }),
    })
}

/// What a service is in the kernel, and which addresses get marks for it.
fn keys(
    server: &VirtualServer,
    groups: &BTreeMap<&str, &VirtualServerGroup>,
) -> (Vec<ServiceKey>, Vec<Marked>) {
    let transport = transport(server.protocol);
    match &server.target {
        ServiceTarget::Address(at) => {
            (vec![ServiceKey::Address { transport, address: at.address, port: at.port }], Vec::new())
        }
        ServiceTarget::Mark(mark) => {
            (vec![ServiceKey::Mark { family: server.family, mark: *mark }], Vec::new())
        }
        ServiceTarget::Group(name) => {
            let group = groups.get(&**name);
            let entries = group.map(|group| group.entries.as_slice()).unwrap_or_default();
            let of_group = group.and_then(|group| group.marks.get(transport.place()).copied().flatten());
            let mut keys = Vec::new();
            let mut marked = Vec::new();
            for entry in entries {
                match (entry.clone(), of_group) {
                    (GroupEntry::Addresses { first, last, port }, Some(mark)) => {
                        marked.push(Marked { transport, first, last, port, mark });
                        let key = ServiceKey::Mark { family: Family::of(first), mark };
                        if !keys.contains(&key) {
                            keys.push(key);
                        }
                    }
                    (GroupEntry::Addresses { first, last, port }, None) => {
                        let room = GROUP_ENTRIES_MAX - keys.len().min(GROUP_ENTRIES_MAX);
                        let addresses = addresses(first, last).take(room);
                        keys.extend(addresses.map(|address| ServiceKey::Address {
                            transport,
                            address,
                            port,
                        }));
                    }
                    (GroupEntry::Mark { mark, family }, _) => {
                        keys.push(ServiceKey::Mark { family: family.unwrap_or(server.family), mark });
                    }
                }
            }
            (keys, marked)
        }
    }
}

/// The addresses of a range, both ends included.
fn addresses(first: IpAddr, last: IpAddr) -> Box<dyn Iterator<Item = IpAddr>> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let numbers = u32::from(first)..=u32::from(last);
            Box::new(numbers.map(|number| IpAddr::V4(Ipv4Addr::from(number))))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            let numbers = u128::from(first)..=u128::from(last);
            Box::new(numbers.map(|number| IpAddr::V6(Ipv6Addr::from(number))))
        }
        _ => Box::new(std::iter::once(first)),
    }
}

/// The protocol of a service; without one it is UDP's, as with keepalived.
pub const fn transport(protocol: Option<model::Transport>) -> Transport {
    match protocol {
        Some(model::Transport::Tcp) => Transport::Tcp,
        Some(model::Transport::Udp) | None => Transport::Udp,
        Some(model::Transport::Sctp) => Transport::Sctp,
    }
}

fn socket_address(at: ServerAddress) -> SocketAddr {
    SocketAddr::new(at.address, at.port)
}

fn reach(server: &RealServer) -> Reach {
    let way = Way {
        forwarding: forwarding(&server.forwarding),
        upper_threshold: server.upper_threshold,
        lower_threshold: server.lower_threshold,
    };
    Reach { address: socket_address(server.address), way }
}

fn forwarding(method: &ForwardingMethod) -> Forwarding {
    let checksum = match method.checksum {
        TunnelChecksum::Nocsum => Checksum::None,
        TunnelChecksum::Csum => Checksum::Computed,
        TunnelChecksum::Remcsum => Checksum::Remote,
    };
    match method.method {
        model::Forwarding::Nat => Forwarding::Masquerade,
        model::Forwarding::Dr => Forwarding::Direct,
        model::Forwarding::Tun => Forwarding::Tunnel(match (method.tunnel, NonZeroU16::new(method.port)) {
            (TunnelKind::Gue, Some(port)) => Tunnel::Gue { port, checksum },
            (TunnelKind::Gre, _) => Tunnel::Gre { checksum },
            (TunnelKind::Ipip | TunnelKind::Gue, _) => Tunnel::Ipip,
        }),
    }
}

fn health(key: Arc<str>, server: &VirtualServer, texts: &mut Texts) -> ServiceConfig {
    let servers = server.real_servers.iter().map(|real| server_config(real, server, texts)).collect();
    ServiceConfig {
        key,
        quorum: server.quorum,
        hysteresis: server.hysteresis,
        omega: server.omega,
        // A mark has no address that could be here.
        ha_suspend: server.ha_suspend && !matches!(server.target, ServiceTarget::Mark(_)),
        sorry: server
            .sorry_server
            .as_ref()
            .map(|sorry| SorryConfig { address: socket_address(sorry.address), inhibit: sorry.inhibit }),
        servers,
    }
}

fn server_config(real: &RealServer, server: &VirtualServer, texts: &mut Texts) -> ServerConfig {
    ServerConfig {
        address: socket_address(real.address),
        weight: u32::try_from(real.weight).unwrap_or(0).min(SERVER_WEIGHT_TOP),
        inhibit: real.inhibit_on_failure,
        proven_first: server
            .extensions
            .as_ref()
            .is_some_and(|extensions| extensions.install_after_first_check),
        slow_start: real.slow_start(server).map_or(Duration::ZERO, |interval| interval.duration()),
        checks: real.checkers.iter().map(|checker| check(checker, real, server, texts)).collect(),
    }
}

fn check(checker: &Checker, real: &RealServer, server: &VirtualServer, texts: &mut Texts) -> CheckConfig {
    let connection = checker.connection.as_deref();
    let target = SocketAddr::new(
        connection.and_then(|connection| connection.address).unwrap_or(real.address.address),
        connection.and_then(|connection| connection.port).unwrap_or(real.address.port),
    );
    let host = real.virtualhost.as_deref().map(|host| &**host).or(server.virtualhost.as_deref());
    let Text { settings, question } = texts.of(checker, host);
    CheckConfig {
        key: CheckKey { target, settings },
        question,
        rhythm: rhythm(checker),
        // What a file says is known from the beginning.
        alpha: checker.alpha && !matches!(checker.kind, CheckKind::File(_)),
        log_all_failures: checker.log_all_failures,
    }
}

fn rhythm(checker: &Checker) -> Rhythm {
    let mut rhythm = Rhythm {
        delay_loop: checker.delay_loop.duration(),
        delay_before_retry: checker.delay_before_retry.duration(),
        warmup: checker.warmup.duration(),
        retries: checker.retry,
        ..Rhythm::default()
    };
    match &checker.kind {
        CheckKind::Http(http) => {
            rhythm.steps = u16::try_from(http.urls.len()).unwrap_or(u16::MAX).max(1);
            rhythm.fast_recovery = http.fast_recovery;
        }
        CheckKind::Smtp(_) => {
            rhythm.first_failure_counts = false;
            rhythm.retries_while_down = true;
        }
        CheckKind::Misc(_) => rhythm.from_start = true,
        CheckKind::Bfd(_) | CheckKind::File(_) => rhythm.unasked = true,
        CheckKind::Tcp(_) | CheckKind::Ping | CheckKind::Dns(_) | CheckKind::Udp(_) | CheckKind::Grpc(_) => {}
    }
    rhythm
}

/// How the worker runs and uses the kernel.
pub fn settings(model: &Model) -> Settings {
    let process = &model.global.checker_process;
    Settings {
        scheduling: Scheduling {
            nice: process.nice,
            realtime_priority: process.realtime_priority,
            realtime_limit_microseconds: process.realtime_limit_microseconds,
            no_swap: process.no_swap,
            processors: process.affinity.0.clone(),
            log_unknown_vrids: false,
            log_addresses: false,
            raise: None,
            command_buffer: buffer(&model.global.lvs_netlink_command_buffer),
            monitor_buffer: buffer(&model.global.lvs_netlink_monitor_buffer),
        },
        flush: model.global.lvs_flush,
        flush_at_end: model.global.lvs_flush_on_stop == model::LvsFlushOnStop::All,
        timeouts: model.global.lvs_timeouts,
        expire: [model.global.lvs_expire_nodest_conn, model.global.lvs_expire_quiescent_template],
        sync: sync_daemons(model),
        sync_follows: followed_by_sync(model),
        tell_initial: model.global.rs_init_notifies,
        marking: marking(model),
        identity: identity(model),
        seed: u64::from(std::process::id()),
    }
}

/// As keepalived has them where nothing else is configured.
fn marking(model: &Model) -> Option<Marking> {
    let firewall = &model.global.firewall;
    Some(Marking {
        table: Arc::from(&**firewall.ipvs_table.as_ref()?),
        priority: firewall.ipvs_priority.unwrap_or(-1),
        counters: firewall.nftables_counters,
    })
}

/// Only both together are somebody.
fn identity(model: &Model) -> Option<Identity> {
    let ssl = model.ssl.as_ref()?;
    Some(Identity {
        certificate: Arc::from(&**ssl.certificate.as_ref()?),
        key: Arc::from(&**ssl.key.as_ref()?),
    })
}

/// The instance whose state decides which synchronisation daemon runs.
fn followed_by_sync(model: &Model) -> Option<Arc<str>> {
    sync_daemon(model).and_then(|sync| sync.instance)
}

/// As the globals have it, or else the first instance in the way of early versions.
fn sync_daemon(model: &Model) -> Option<LvsSyncDaemon> {
    if let Some(sync) = model.global.lvs_sync_daemon.as_deref() {
        return Some(sync.clone());
    }
    let mut instances = model.instances.iter();
    instances.find_map(|instance| {
        let interface = instance.lvs_sync_daemon_interface.clone()?;
        let instance = Some(Arc::clone(&instance.name));
        Some(LvsSyncDaemon {
            interface,
            instance,
            id: None,
            max_length: None,
            port: None,
            ttl: None,
            group: None,
        })
    })
}

/// Both daemons; without an instance whose state decides, both run.
fn sync_daemons(model: &Model) -> Vec<SyncDaemon> {
    let Some(sync) = sync_daemon(model) else { return Vec::new() };
    let followed = sync.instance.as_ref();
    let followed = followed.and_then(|name| model.instances.iter().find(|instance| instance.name == *name));
    let id = sync.id.or(followed.map(|instance| instance.virtual_router_id.get()));
    [SyncRole::Master, SyncRole::Backup]
        .map(|role| SyncDaemon {
            role,
            interface: sync.interface.to_string(),
            id: id.unwrap_or(0),
            message_bytes: sync.max_length,
            group: sync.group,
            port: sync.port,
            hops: sync.ttl,
        })
        .to_vec()
}
