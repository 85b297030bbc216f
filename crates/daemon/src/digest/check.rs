//! From the virtual servers of the configuration file to what a check worker runs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use steadfast_config::model::{
    self, CheckKind, Checker, ForwardingMethod, GroupEntry, LvsSyncDaemon, Model, RealServer, ServerAddress,
    ServiceTarget, TunnelChecksum, TunnelKind, VirtualServer,
};
use steadfast_health::{CheckConfig, CheckKey, Rhythm, ServerConfig, ServiceConfig, SorryConfig};
use steadfast_kernel::ipvs::{
    Checksum, Forwarding, Name, Persistence, SchedulerFlags, Service, ServiceKey, SyncDaemon, SyncRole,
    Transport, Tunnel,
};
use steadfast_wire::vrrp::Family;

use crate::link::check::seen::Followed;
use crate::link::check::work::{Balanced, Identity, Placement, Reach, Settings, Way, Ways, Work};
use crate::link::vrrp::work::Settings as Scheduling;

/// Entries of the kernel that one group may become; the addresses behind are left out.
pub const GROUP_ENTRIES_MAX: usize = 65_536;

/// The weight of the kernel is a signed number.
const SERVER_WEIGHT_TOP: u32 = 2_147_483_647;

/// Boils a model down. What `digest` calls a service is the same after a reload as long as it serves the same.
pub fn digest(model: &Model) -> Work {
    let services = Services::of(model).map(|service| (Arc::clone(&service.health.key), service));
    Work { services: services.collect(), settings: settings(model) }
}

/// The services of a model, boiled down one after another: together they are many times as large as the model.
pub struct Services<'a> {
    model: &'a Model,
    left: std::slice::Iter<'a, VirtualServer>,
    texts: Texts,
    named: BTreeSet<Arc<str>>,
    users_of_groups: BTreeMap<Arc<str>, usize>,
    /// Two services that share an entry of the kernel would write it in turn: the first has it.
    taken: BTreeSet<ServiceKey>,
}

impl<'a> Services<'a> {
    /// Those of a model.
    pub fn of(model: &'a Model) -> Self {
        Self {
            model,
            left: model.virtual_servers.iter(),
            texts: Texts::default(),
            named: BTreeSet::new(),
            users_of_groups: BTreeMap::new(),
            taken: BTreeSet::new(),
        }
    }
}

impl Iterator for Services<'_> {
    type Item = Balanced;

    fn next(&mut self) -> Option<Balanced> {
        loop {
            let server = self.left.next()?;
            let Some((key, service)) = heading(server, &mut self.named) else { continue };
            let keys = keys(server, self.model).into_iter().filter(|key| self.taken.insert(*key)).collect();
            let health = health(Arc::clone(&key), server, &mut self.texts);
            let sorry = server.sorry_server.as_ref().map(|sorry| Reach {
                address: socket_address(sorry.address),
                way: Way {
                    forwarding: forwarding(&sorry.forwarding),
                    upper_threshold: 0,
                    lower_threshold: 0,
                },
            });
            let place_in_group = match &server.target {
                ServiceTarget::Group(name) => {
                    let place = self.users_of_groups.entry(Arc::clone(name)).or_insert(0);
                    *place += 1;
                    Some((Arc::clone(name), *place - 1))
                }
                ServiceTarget::Address(_) | ServiceTarget::Mark(_) => None,
            };
            let placement = Placement {
                key,
                ha_suspend: health.ha_suspend,
                place_in_group,
                keys,
                service,
                ways: Ways::of(server.real_servers.iter().map(reach)),
                sorry,
                only_while_master: only_while_master(server),
            };
            return Some(Balanced { health, placement: Arc::new(placement) });
        }
    }
}

/// The services of a model without what is behind them: what each is called, and how it balances.
pub fn headings(model: &Model) -> impl Iterator<Item = (Arc<str>, Service, &VirtualServer)> {
    let mut named = BTreeSet::new();
    model.virtual_servers.iter().filter_map(move |server| {
        let (name, service) = heading(server, &mut named)?;
        Some((name, service, server))
    })
}

/// Nothing for what is no service here: without servers, or named like one before.
fn heading(server: &VirtualServer, named: &mut BTreeSet<Arc<str>>) -> Option<(Arc<str>, Service)> {
    if server.real_servers.is_empty() {
        return None;
    }
    let key: Arc<str> = service_name(server).into();
    if named.contains(&key) {
        return None;
    }
    let service = service(server)?;
    named.insert(Arc::clone(&key));
    Some((key, service))
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
    for (_, _, server) in headings(model) {
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

/// What a service is called: as keepalived calls it in its log.
pub fn service_name(server: &VirtualServer) -> String {
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

/// What a service is in the kernel.
fn keys(server: &VirtualServer, model: &Model) -> Vec<ServiceKey> {
    let transport = transport(server.protocol);
    match &server.target {
        ServiceTarget::Address(at) => {
            vec![ServiceKey::Address { transport, address: at.address, port: at.port }]
        }
        ServiceTarget::Mark(mark) => vec![ServiceKey::Mark { family: server.family, mark: *mark }],
        ServiceTarget::Group(name) => {
            let group = model.virtual_server_groups.iter().find(|group| group.name == *name);
            let entries = group.map(|group| group.entries.as_slice()).unwrap_or_default();
            let mut keys = Vec::new();
            for entry in entries {
                match *entry {
                    GroupEntry::Addresses { first, last, port } => {
                        let room = GROUP_ENTRIES_MAX - keys.len().min(GROUP_ENTRIES_MAX);
                        let addresses = addresses(first, last).take(room);
                        keys.extend(addresses.map(|address| ServiceKey::Address {
                            transport,
                            address,
                            port,
                        }));
                    }
                    GroupEntry::Mark { mark, family } => {
                        keys.push(ServiceKey::Mark { family: family.unwrap_or(server.family), mark });
                    }
                }
            }
            keys
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

const fn transport(protocol: Option<model::Transport>) -> Transport {
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
    CheckConfig {
        key: CheckKey { target, settings: texts.of(checker, host) },
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
        CheckKind::Tcp | CheckKind::Ping | CheckKind::Dns(_) | CheckKind::Udp(_) | CheckKind::Grpc(_) => {}
    }
    rhythm
}

/// The settings of a check of a kind that asks no host by name, as text.
pub fn settings_text(checker: &Checker) -> String {
    // A model has nothing that cannot be written.
    serde_json::to_string(checker).unwrap_or_default()
}

/// The settings of checks as text. Thousands of servers are checked in the same way, and share one.
#[derive(Default)]
struct Texts {
    known: BTreeMap<String, Arc<str>>,
    /// Of whom the last one was: nearly always the next one is the same.
    last: Option<(Checker, Option<String>, Arc<str>)>,
}

impl Texts {
    /// Everything that tells a check from others of the same target.
    fn of(&mut self, checker: &Checker, host: Option<&str>) -> Arc<str> {
        if let Some((last, last_host, text)) = &self.last
            && last == checker
            && last_host.as_deref() == host
        {
            return Arc::clone(text);
        }
        let text = self.made(checker, host);
        self.last = Some((checker.clone(), host.map(str::to_owned), Arc::clone(&text)));
        text
    }

    fn made(&mut self, checker: &Checker, host: Option<&str>) -> Arc<str> {
        let text = match &checker.kind {
            CheckKind::Http(http) if http.virtualhost.is_none() && host.is_some() => {
                let mut http = http.clone();
                http.virtualhost = host.map(Into::into);
                let kind = CheckKind::Http(http);
                settings_text(&Checker { kind, ..checker.clone() })
            }
            CheckKind::Grpc(grpc) if grpc.virtualhost.is_none() && host.is_some() => {
                let mut grpc = grpc.clone();
                grpc.virtualhost = host.map(Into::into);
                settings_text(&Checker { kind: CheckKind::Grpc(grpc), ..checker.clone() })
            }
            _ => settings_text(checker),
        };
        if let Some(known) = self.known.get(&text) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = text.as_str().into();
        self.known.insert(text, Arc::clone(&shared));
        shared
    }
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
            command_buffer: None,
            monitor_buffer: None,
        },
        flush: model.global.lvs_flush,
        flush_at_end: model.global.lvs_flush_on_stop == model::LvsFlushOnStop::All,
        timeouts: model.global.lvs_timeouts,
        expire: [model.global.lvs_expire_nodest_conn, model.global.lvs_expire_quiescent_template],
        sync: sync_daemons(model),
        sync_follows: followed_by_sync(model),
        tell_initial: model.global.rs_init_notifies,
        identity: identity(model),
        seed: u64::from(std::process::id()),
    }
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
