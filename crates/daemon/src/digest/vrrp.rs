//! From the model of the configuration file to what a worker runs.
//!
//! Numbers are handed out here. An instance keeps its number across a reload as long as it is the
//! same virtual router (`RouterKey` in vrrp); its name may change. Scripts, groups and interfaces are matched by name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use steadfast_bfd::Config as Sessions;
use steadfast_config::model::{
    Global, InstanceExtensions, Lifetime, LinkbeatMethod, Model, PrepareFailure as ModelFailure,
    RemovedAddress, Tracked, VirtualAddress as ModelAddress, VrrpInstance, VrrpSyncGroup,
};
use steadfast_config::value::{Interval, Name};
use steadfast_vrrp::config::{
    AnnounceConfig, Authentication, TrackInterface, TrackScript, Transport, UnicastPeer, Weight,
};
use steadfast_vrrp::{
    Config, EarlyChecksum, FastDetection, GroupConfig, GroupId, InstanceConfig, InstanceId, InterfaceConfig,
    InterfaceId, Prepare, PrepareFailure, ScriptConfig, ScriptId, SplitBrainCheck, TrackWatch, WatchId,
    WatchKind, known_again,
};
use steadfast_wire::vrrp::{AdvertInterval, Centiseconds, Family, Priority, Version};

use super::authentication::authentication;
use super::links::Links;
use super::numbers::Numbers;
use super::{process, sessions, watches, ways};
use crate::link::vrrp::work::{
    AdvertBuffer, ExtraAnnounce, FilterStyle, Follower, Install, LinkDelay, PacedGroup, Pacing, Spacing,
    Standing, VirtualAddress, Work,
};
use crate::options::Options;

/// Boils a model down. `previous` is what runs now; `leaving` are numbers of instances that a reload
/// removed and that still hand over, and so may not be given to another.
pub fn digest(
    model: &Model,
    previous: &Work,
    leaving: &BTreeMap<InstanceId, Vec<VirtualAddress>>,
    options: &Options,
) -> Work {
    let mut names = Names::continuing(previous);
    let scripts = scripts(model, &mut names);
    let instances = number_instances(model, previous, leaving);
    let groups = groups(model, &instances, &mut names);
    let watches = watches::configs(model, |key| names.watches.of(key));
    let mut machine = Config { scripts, watches, groups, ..Config::default() };
    let made = Links::of(model, previous);
    let mut installs = Vec::new();
    let group_of: BTreeMap<&str, &VrrpSyncGroup> = model
        .groups
        .iter()
        .flat_map(|group| group.members.iter().map(move |member| (&**member, group)))
        .collect();
    for (&id, &instance) in &instances {
        let group = group_of.get(&*instance.name).copied();
        machine.instances.push(Arc::new(instance_config(id, instance, group, model, &made, &mut names)));
        let addresses = instance.addresses.iter().chain(&instance.excluded_addresses);
        let addresses = addresses.filter_map(|a| address(a, made.of_address(instance, a), &mut names));
        let lease_seconds = lease_seconds(instance);
        let mut addresses: Vec<_> =
            addresses.map(|address| VirtualAddress { lease_seconds, ..address }).collect();
        // Kept by both processes as long as the configuration: one address would take the room of four.
        addresses.shrink_to_fit();
        let routes = ways::routes(&instance.routes, |name| names.interface(name));
        let rules = ways::rules(&instance.rules);
        // RFC 9568 section 6.1: an owner accepts whatever Accept_Mode says.
        let not_accepted = !instance.accept && instance.priority != Priority::OWNER;
        let promote_secondaries = instance.promote_secondaries;
        installs.push(Install {
            instance: id,
            addresses,
            routes,
            rules,
            not_accepted,
            promote_secondaries,
            extra_announce: extra_announce(instance),
            advert_buffer: advert_buffer(instance, &model.global),
        });
    }
    let default_interface = model.global.default_interface.as_deref().or(Some("eth0"));
    let addresses = model
        .static_addresses
        .iter()
        .filter_map(|a| address(a, a.interface.as_deref().or(default_interface), &mut names));
    let addresses = addresses.collect();
    let routes = ways::routes(&model.static_routes, |name| names.interface(name));
    let pacing = pacing(model, &mut names);
    let delays = delays(model, &mut names);
    let asked_for = polled(model, &mut names);
    let followers = followers(model, &instances, default_interface, &mut names);
    let links = made.numbered(|name| names.interface(name));
    // An instance that goes with this reload still hands over on its interface; where it goes, the next reload sees.
    if leaving.is_empty() {
        let before = previous.machine.instances.iter();
        let before = before.flat_map(|instance| [instance.interface.0, instance.adverts_on.0]);
        let before = before.chain(
            previous
                .installs
                .iter()
                .flat_map(|install| install.addresses.iter().map(|address| address.interface.0)),
        );
        names.interfaces.drop_unused(&before.collect());
    }
    let polled = names.interfaces.in_order(|id, name| (InterfaceId(id), name)).into_iter();
    let polled = polled.filter(|(id, _)| {
        let is_made = links.iter().any(|link| link.interface == *id);
        !is_made && asked_for.get(id).copied().unwrap_or(model.global.linkbeat_use_polling)
    });
    let polled = polled.map(|(id, _)| id).collect();
    machine.interfaces = names.interfaces.in_order(|id, name| InterfaceConfig { id: InterfaceId(id), name });
    Work {
        machine,
        sessions: if options.run_bfd { sessions::sessions(model, previous) } else { Sessions::default() },
        installs,
        standing: Standing { addresses, routes, rules: ways::rules(&model.static_rules), followers },
        links,
        filters: filters(model),
        pacing,
        delays,
        polled,
        settings: process::settings(model, options.log_addresses),
    }
}

/// Track groups that something static names.
fn followers(
    model: &Model,
    instances: &BTreeMap<InstanceId, &VrrpInstance>,
    default_interface: Option<&str>,
    names: &mut Names,
) -> Vec<Follower> {
    let mut followers = Vec::new();
    for group in &model.track_groups {
        let follows = |named: &Option<Name>| named.as_ref() == Some(&group.name);
        let members = instances.iter().filter(|(_, instance)| group.members.contains(&instance.name));
        let addresses = model.static_addresses.iter().filter(|line| follows(&line.track_group));
        let addresses = addresses
            .filter_map(|line| address(line, line.interface.as_deref().or(default_interface), names));
        let addresses: Vec<_> = addresses.collect();
        let routes: Vec<_> =
            model.static_routes.iter().filter(|line| follows(&line.track_group)).cloned().collect();
        let rules: Vec<_> =
            model.static_rules.iter().filter(|line| follows(&line.track_group)).cloned().collect();
        let follower = Follower {
            instances: members.map(|(id, _)| *id).collect(),
            addresses,
            routes: ways::routes(&routes, |name| names.interface(name)),
            rules: ways::rules(&rules),
        };
        if !follower.addresses.is_empty() || !follower.routes.is_empty() || !follower.rules.is_empty() {
            followers.push(follower);
        }
    }
    followers
}

#[derive(Default)]
struct Names {
    interfaces: Numbers,
    scripts: Numbers,
    watches: Numbers,
    groups: Numbers,
}

impl Names {
    fn continuing(previous: &Work) -> Self {
        let mut names = Self::default();
        for interface in &previous.machine.interfaces {
            names.interfaces.keep(Arc::clone(&interface.name), interface.id.0);
        }
        for script in &previous.machine.scripts {
            names.scripts.keep(Arc::clone(&script.name), script.id.0);
        }
        for watch in &previous.machine.watches {
            names.watches.keep(watches::key(watch.kind, &watch.name).into(), watch.id.0);
        }
        for group in &previous.machine.groups {
            names.groups.keep(Arc::clone(&group.name), group.id.0);
        }
        names
    }

    fn watch(&mut self, kind: WatchKind, name: &str) -> WatchId {
        WatchId(self.watches.of(&watches::key(kind, name)))
    }

    fn interface(&mut self, name: &str) -> InterfaceId {
        InterfaceId(self.interfaces.of(name))
    }
}

fn number_instances<'m>(
    model: &'m Model,
    previous: &Work,
    leaving: &BTreeMap<InstanceId, Vec<VirtualAddress>>,
) -> BTreeMap<InstanceId, &'m VrrpInstance> {
    let running = &previous.machine.instances;
    let name_of = |interface| {
        let name = previous.interface_name(interface);
        (!name.is_empty()).then(|| name.into())
    };
    let before = running.iter().map(|instance| (instance.key().on(name_of), Arc::clone(&instance.name)));
    let after: Vec<_> =
        model.instances.iter().map(|instance| (instance.key(), Arc::clone(&instance.name))).collect();
    let taken: BTreeSet<InstanceId> =
        running.iter().map(|instance| instance.id).chain(leaving.keys().copied()).collect();
    let mut free = (0..).map(InstanceId).filter(|id| !taken.contains(id));
    let known = known_again(before, &after).into_iter().zip(&model.instances);
    let numbered = known.filter_map(|(place, instance)| {
        let running = place.and_then(|place| running.get(place));
        Some((running.map(|running| running.id).or_else(|| free.next())?, instance))
    });
    numbered.collect()
}

fn scripts(model: &Model, names: &mut Names) -> Vec<Arc<ScriptConfig>> {
    let mut configured: Vec<_> = model
        .scripts
        .iter()
        .map(|script| {
            Arc::new(ScriptConfig {
                id: ScriptId(names.scripts.of(&script.name)),
                name: Arc::clone(&script.name),
                rise: script.rise,
                fall: script.fall,
                init_fail: script.init_fail,
            })
        })
        .collect();
    configured.sort_by_key(|script| script.id);
    configured.dedup_by_key(|script| script.id);
    configured
}

fn groups(
    model: &Model,
    instances: &BTreeMap<InstanceId, &VrrpInstance>,
    names: &mut Names,
) -> Vec<Arc<GroupConfig>> {
    let by_name: BTreeMap<&str, InstanceId> = instances.iter().map(|(id, i)| (&*i.name, *id)).collect();
    let mut configured: Vec<_> = model
        .groups
        .iter()
        .map(|group| {
            Arc::new(GroupConfig {
                id: GroupId(names.groups.of(&group.name)),
                name: Arc::clone(&group.name),
                members: group.members.iter().filter_map(|name| by_name.get(&**name).copied()).collect(),
            })
        })
        .collect();
    configured.sort_by_key(|group| group.id);
    configured.dedup_by_key(|group| group.id);
    configured
}

fn instance_config(
    id: InstanceId,
    instance: &VrrpInstance,
    group: Option<&VrrpSyncGroup>,
    model: &Model,
    made: &Links,
    names: &mut Names,
) -> InstanceConfig {
    let place = instance.place().map_or("", |name| &**name);
    let adverts_on = names.interface(made.of_adverts(instance).unwrap_or(place));
    let interface = names.interface(place);
    let authentication = authentication(instance);
    let unproven = authentication.as_ref().err().cloned();
    let none = Vec::new();
    let (group_scripts, group_interfaces) =
        group.map_or((&none, &none), |group| (&group.tracks.scripts, &group.tracks.interfaces));
    InstanceConfig {
        id,
        name: Arc::clone(&instance.name),
        vrid: instance.virtual_router_id,
        family: instance.family,
        version: instance.version,
        interface,
        adverts_on,
        transport: transport(instance),
        source: instance.source_address.or(of_ipvlan(instance)),
        track_source: instance.track_source_address,
        initial_master: instance.initial_master,
        priority: instance.priority,
        interval: interval(instance),
        down_timer_adverts: instance.down_timer_adverts,
        nopreempt: instance.nopreempt,
        incumbent_wins_ties: instance.extensions.as_ref().is_some_and(|asked| asked.incumbent_wins_ties),
        yields_to_health: instance.extensions.as_ref().is_some_and(|asked| asked.yields_to_health),
        prepare: prepare(instance),
        split_brain_check: split_brain_check(instance),
        gives_up_as: instance.timer_expired_backup.map(Priority::new),
        gives_up_removed: instance
            .extensions
            .as_ref()
            .is_some_and(|asked| asked.removed_address == RemovedAddress::Backup),
        preempt_delay: instance.preempt_delay.duration(),
        fast_detection: fast_detection(instance),
        authentication: authentication.unwrap_or(Authentication::None),
        addresses: instance.addresses.iter().map(|a| a.address).collect(),
        skip_check_addresses: instance.skip_check_addresses,
        requires_link_local: instance.strict && instance.family == Family::V6,
        v3_checksum_as_v2: instance.v3_checksum_as_v2,
        early_checksum: early_checksum(instance, model),
        lower_priority_no_advert: instance.lower_priority_no_advert,
        higher_priority_send_advert: instance.higher_priority_send_advert,
        owner_ignore_adverts: instance.owner_ignore_adverts,
        announce: AnnounceConfig {
            master_delay: instance.announce.master_delay.duration(),
            master_repeat: instance.announce.master_repeat,
            refresh: instance.announce.refresh.duration(),
            refresh_repeat: instance.announce.refresh_repeat,
            lower_priority_delay: instance.announce.lower_priority_delay.duration(),
            lower_priority_repeat: instance.announce.lower_priority_repeat,
        },
        dont_track_interface: instance.dont_track_interface || place.is_empty(),
        track_interfaces: track_interfaces(instance, group_interfaces, interface, names),
        track_scripts: merged(&instance.tracks.scripts, group_scripts)
            .map(|(name, weight)| TrackScript { script: ScriptId(names.scripts.of(name)), weight })
            .collect(),
        track_watches: track_watches(instance, group, names),
        group: group.map(|group| GroupId(names.groups.of(&group.name))),
        broken: broken(instance).or(unproven),
    }
}

fn early_checksum(instance: &VrrpInstance, model: &Model) -> EarlyChecksum {
    let group = model.global.multicast_group4.into();
    match instance.old_unicast_checksum {
        None => EarlyChecksum::Detected(group),
        Some(true) => EarlyChecksum::Spoken(group),
        Some(false) => EarlyChecksum::Never,
    }
}

fn fast_detection(instance: &VrrpInstance) -> Option<FastDetection> {
    let detection = instance.extensions.as_ref()?.fast_detection?;
    let multiplier = NonZeroU8::new(detection.multiplier)?;
    Some(FastDetection { interval: detection.interval.duration(), multiplier })
}

fn extra_announce(instance: &VrrpInstance) -> Option<ExtraAnnounce> {
    let extra = instance.extra_announce?;
    let period = extra.interval.duration();
    (!period.is_zero()).then_some(ExtraAnnounce { period, all: extra.all })
}

/// The address of its own that an ipvlan has.
fn of_ipvlan(instance: &VrrpInstance) -> Option<IpAddr> {
    let (address, _) = instance.ipvlan.as_ref()?.address?;
    (Family::of(address) == instance.family).then_some(address)
}

/// Files, processes and sessions, those of the group too.
fn track_watches(
    instance: &VrrpInstance,
    group: Option<&VrrpSyncGroup>,
    names: &mut Names,
) -> Vec<TrackWatch> {
    let none = Vec::new();
    let of_group = group.map(|group| &group.tracks);
    let kinds = [
        (WatchKind::File, &instance.tracks.files, of_group.map_or(&none, |tracks| &tracks.files)),
        (WatchKind::Process, &instance.tracks.processes, of_group.map_or(&none, |tracks| &tracks.processes)),
        (WatchKind::Session, &instance.tracks.bfds, of_group.map_or(&none, |tracks| &tracks.bfds)),
    ];
    let mut tracked = Vec::new();
    for (kind, own, of_group) in kinds {
        tracked.extend(
            merged(own, of_group).map(|(name, weight)| TrackWatch { watch: names.watch(kind, name), weight }),
        );
    }
    tracked
}

/// An instance that cannot do what its peers expect stays in FAULT: adverts without the configured
/// authentication would make two masters.
fn broken(instance: &VrrpInstance) -> Option<Arc<str>> {
    if let Some(reason) = &instance.broken {
        return Some((&**reason).into());
    }
    if instance.interface.is_none() && !(instance.is_unicast() && instance.source_address.is_some()) {
        return Some("an instance without interface needs unicast_peer and unicast_src_ip".into());
    }
    if instance.unicast_peers.is_empty() && instance.unicast_fault_no_peer {
        return Some("unicast_fault_no_peer and no unicast_peer".into());
    }
    None
}

fn transport(instance: &VrrpInstance) -> Transport {
    if instance.unicast_peers.is_empty() {
        return Transport::Multicast { group: instance.multicast_group };
    }
    let peers = instance.unicast_peers.iter();
    let peers = peers.map(|p| UnicastPeer { address: p.address, min_ttl: p.min_ttl, max_ttl: p.max_ttl });
    Transport::Unicast {
        peers: peers.collect(),
        ttl: instance.unicast_ttl,
        check_source: instance.check_unicast_source,
    }
}

fn interval(instance: &VrrpInstance) -> AdvertInterval {
    let micros = instance.advert_interval.as_micros();
    match instance.version {
        Version::V2 => {
            let seconds = u8::try_from(micros.div_ceil(1_000_000)).unwrap_or(u8::MAX);
            AdvertInterval::Seconds(NonZeroU8::new(seconds).unwrap_or(NonZeroU8::MIN))
        }
        Version::V3 => {
            let hundredths =
                u16::try_from(micros / 10_000).unwrap_or(u16::MAX).clamp(1, Centiseconds::MAX.get());
            AdvertInterval::Centiseconds(Centiseconds::new(hundredths).unwrap_or(Centiseconds::MAX))
        }
    }
}

fn weight(tracked: &Tracked) -> Weight {
    Weight { value: tracked.weight.value, reverse: tracked.weight.reverse }
}

/// An object tracked by the instance and by its group counts once: with the group's weight, unless
/// the instance's own makes it a fault.
fn merged<'t>(own: &'t [Tracked], group: &'t [Tracked]) -> impl Iterator<Item = (&'t str, Weight)> {
    let from_group = |name: &str| group.iter().find(|g| *g.name == *name);
    let own_ones = own.iter().map(move |tracked| match from_group(&tracked.name) {
        Some(of_group) if tracked.weight.value != 0 => (&*tracked.name, weight(of_group)),
        _ => (&*tracked.name, weight(tracked)),
    });
    let others =
        group.iter().filter(|g| !own.iter().any(|o| o.name == g.name)).map(|g| (&*g.name, weight(g)));
    own_ones.chain(others)
}

fn track_interfaces(
    instance: &VrrpInstance,
    group: &[Tracked],
    own: InterfaceId,
    names: &mut Names,
) -> Vec<TrackInterface> {
    let mut tracked: Vec<TrackInterface> = merged(&instance.tracks.interfaces, group)
        .map(|(name, weight)| TrackInterface { interface: names.interface(name), weight })
        .filter(|t| t.interface != own)
        .collect();
    let addresses = instance.addresses.iter().chain(&instance.excluded_addresses).filter(|a| !a.no_track);
    // keepalived follows the interfaces of routes and rules too, unless they say no_track.
    let routes = instance.routes.iter().filter(|route| !route.no_track);
    let rules = instance.rules.iter().filter(|rule| !rule.no_track);
    let named = addresses
        .filter_map(|address| address.interface.as_deref())
        .chain(routes.filter_map(|route| route.interface.as_deref()))
        .chain(rules.filter_map(|rule| rule.input_interface.as_deref()));
    for name in named {
        let interface = names.interface(name);
        if interface != own && !tracked.iter().any(|t| t.interface == interface) {
            tracked.push(TrackInterface { interface, weight: Weight { value: 0, reverse: false } });
        }
    }
    tracked
}

fn address(line: &ModelAddress, interface: Option<&str>, names: &mut Names) -> Option<VirtualAddress> {
    let preferred_seconds = match line.preferred_lifetime {
        Some(Lifetime::Seconds(seconds)) if line.address.is_ipv6() => Some(seconds),
        Some(Lifetime::Seconds(_) | Lifetime::Forever) | None => None,
    };
    Some(VirtualAddress {
        interface: names.interface(interface?),
        address: line.address,
        prefix: line.prefix_length,
        peer: line.peer,
        broadcast: line.broadcast,
        label: line.label.as_ref().map(|label| (&**label).into()),
        scope: line.scope.0,
        preferred_seconds,
        lease_seconds: None,
        detect_duplicates: line.duplicate_detection,
        home: line.home,
        manage_temporary: line.manage_temporary,
        no_prefix_route: line.no_prefix_route,
        auto_join: line.autojoin,
    })
}

/// `notify_master_prepare` without its script.
fn prepare(instance: &VrrpInstance) -> Option<Prepare> {
    let asked = instance.extensions.as_ref()?;
    asked.master_prepare.as_ref()?;
    let timeout = asked.master_prepare_timeout.unwrap_or(InstanceExtensions::PREPARE_TIMEOUT).duration();
    let failure = match asked.master_prepare_failure {
        ModelFailure::Announce => PrepareFailure::Serve,
        ModelFailure::Fault => PrepareFailure::Fault,
    };
    Some(Prepare { timeout, failure })
}

fn split_brain_check(instance: &VrrpInstance) -> Option<Box<SplitBrainCheck>> {
    let asked = instance.extensions.as_ref()?.split_brain_check.as_ref()?;
    Some(Box::new(SplitBrainCheck {
        link: asked.link,
        arbiter: asked.arbiter,
        service: asked.service.map(|service| SocketAddr::new(service.address, service.port)),
        yields: asked.yields,
        within: asked.within.duration(),
        every: asked.every.duration(),
    }))
}

/// `fence_lease` in whole seconds, as the kernel counts them.
fn lease_seconds(instance: &VrrpInstance) -> Option<u32> {
    let lease = instance.extensions.as_ref()?.fence_lease?.duration();
    Some(u32::try_from(lease.as_secs()).unwrap_or(u32::MAX).max(1))
}

fn pacing(model: &Model, names: &mut Names) -> Pacing {
    let spacing = |interval: Option<Interval>| interval.unwrap_or_default().duration();
    let mut groups = Vec::new();
    for group in &model.garp_groups {
        groups.push(PacedGroup {
            spacing: Spacing { arp: spacing(group.garp_interval), neighbour: spacing(group.gna_interval) },
            interfaces: group.interfaces.iter().map(|name| names.interface(name)).collect(),
        });
    }
    let global = &model.global;
    let each = Spacing { arp: global.garp_interval.duration(), neighbour: global.gna_interval.duration() };
    Pacing { each, groups }
}

/// A backup must not take over while the master's own loss of its interface is not seen: a delay stays below the time for
/// which adverts may be missing, but for one.
fn delays(model: &Model, names: &mut Names) -> Vec<LinkDelay> {
    let configured = model.interface_delays.iter().map(|delay| {
        let on_it = model.instances.iter();
        let on_it = on_it.filter(|instance| instance.interface.as_ref() == Some(&delay.interface));
        let longest = on_it
            .map(|instance| interval(instance).duration() * instance.down_timer_adverts.saturating_sub(1))
            .min()
            .unwrap_or(Duration::MAX);
        LinkDelay {
            interface: names.interface(&delay.interface),
            down: delay.down.duration().min(longest),
            up: delay.up.duration().min(longest),
        }
    });
    configured.collect()
}

/// Interfaces of which it is said whether their drivers are asked. The kernel's flags (`IOCTL`) are known without.
fn polled(model: &Model, names: &mut Names) -> BTreeMap<InterfaceId, bool> {
    let of_instances = model.instances.iter().filter(|instance| instance.linkbeat_use_polling);
    let of_instances = of_instances.filter_map(|instance| Some((instance.interface.as_deref()?, true)));
    let named = model.linkbeat_interfaces.iter();
    let named = named.map(|line| (&*line.interface, line.method != Some(LinkbeatMethod::Ioctl)));
    of_instances.chain(named).map(|(name, asked)| (names.interface(name), asked)).collect()
}

fn advert_buffer(instance: &VrrpInstance, global: &Global) -> Option<AdvertBuffer> {
    let times = global.receive_buffer_multiplier;
    let of_policy = match global {
        Global { receive_buffer_bytes: Some(bytes), .. } => Some(AdvertBuffer::Bytes(*bytes)),
        Global { receive_buffer_by_mtu: true, .. } => Some(AdvertBuffer::Datagrams(times)),
        Global { receive_buffer_by_advert: true, .. } => Some(AdvertBuffer::Adverts(times)),
        _ => None,
    };
    instance.receive_buffer_bytes.map(AdvertBuffer::Bytes).or(of_policy)
}

/// What VMACs and no_accept need is written by nftables whatever else is configured, as keepalived does it where the
/// program iptables is one for nftables, too.
fn filters(model: &Model) -> FilterStyle {
    let firewall = &model.global.firewall;
    FilterStyle {
        table: firewall.nftables_table.as_deref().unwrap_or("keepalived").to_owned(),
        priority: firewall.nftables_priority.unwrap_or(-1),
        counters: firewall.nftables_counters,
        no_local_igmp: model.global.disable_local_igmp,
    }
}

#[cfg(test)]
mod tests {
    use steadfast_config::{AnyMachine, LoadOptions, Memory, load};

    use super::*;

    fn model(text: &str) -> Model {
        let source = Memory::new().file("k.conf", text.to_owned());
        load(&source, "k.conf".as_ref(), &AnyMachine, &LoadOptions::default()).model
    }

    #[test]
    fn routers_that_only_their_peers_tell_apart_keep_their_numbers() {
        let instance = |name: &str, peer: &str| {
            format!(
                "vrrp_instance {name} {{\n interface eth0\n virtual_router_id 60\n unicast_src_ip 10.0.0.1\n \
                 unicast_peer {{\n {peer}\n }}\n virtual_ipaddress {{\n 192.0.2.1\n }}\n}}\n"
            )
        };
        let numbers = |work: &Work| {
            let instances = work.machine.instances.iter();
            instances.map(|instance| (instance.name.to_string(), instance.id)).collect::<BTreeMap<_, _>>()
        };
        let text = instance("A", "10.0.0.2") + &instance("B", "10.0.0.3");
        let before = digest(&model(&text), &Work::default(), &BTreeMap::new(), &Options::default());
        let again = digest(&model(&text), &before, &BTreeMap::new(), &Options::default());
        assert_eq!(numbers(&again), numbers(&before));
        let renamed =
            digest(&model(&text.replace("e A", "e C")), &before, &BTreeMap::new(), &Options::default());
        assert_eq!(numbers(&renamed)["B"], numbers(&before)["B"]);
        assert_eq!(numbers(&renamed)["C"], numbers(&before)["A"]);
    }

    #[test]
    fn numbers_of_interfaces_do_not_grow_from_reload_to_reload() {
        let mut work = Work::default();
        for round in 0..20 {
            let text = format!(
                "vrrp_instance A {{\n interface lan{round}\n virtual_router_id 60\n virtual_ipaddress {{\n 192.0.2.1\n \
                 }}\n}}\n"
            );
            work = digest(&model(&text), &work, &BTreeMap::new(), &Options::default());
            let own = &work.machine.instances[0];
            assert_eq!(work.interface_name(own.interface), format!("lan{round}"));
        }
        assert!(work.machine.interfaces.len() <= 2, "{:?}", work.machine.interfaces);
    }

    #[test]
    fn rfc9568_6_1_an_owner_accepts_whatever_is_configured() {
        for (priority, not_accepted) in [(100, true), (255, false)] {
            let text = format!(
                "vrrp_instance A {{\n interface eth0\n virtual_router_id 60\n priority {priority}\n no_accept\n \
                 virtual_ipaddress {{\n 192.0.2.1\n }}\n}}\n"
            );
            let work = digest(&model(&text), &Work::default(), &BTreeMap::new(), &Options::default());
            assert_eq!(work.installs[0].not_accepted, not_accepted, "{priority}");
        }
    }
}
