//! One machine with a recorder around it, in virtual time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use steadfast_wire::vrrp::{
    AdvertInterval, Advertisement, Carrier, Centiseconds, Family, Form, Priority, Version, Vrid,
    pseudo_header,
};

use crate::config::{
    InterfaceConfig, ScriptConfig, TrackInterface, TrackScript, Transport, UnicastPeer, Weight,
};
use crate::{
    Action, Cause, Config, Datagram, Destination, Event, GroupConfig, GroupId, Input, InstanceConfig,
    InstanceId, InterfaceId, Machine, Moment, Plan, Resume, ScriptId, Sink, State, Transmit,
};

pub(super) const LAN: InterfaceId = InterfaceId(0);
pub(super) const WAN: InterfaceId = InterfaceId(1);
pub(super) const FIRST: InstanceId = InstanceId(0);
pub(super) const SECOND: InstanceId = InstanceId(1);
pub(super) const CHECK: ScriptId = ScriptId(0);
pub(super) const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 10));
pub(super) const LOWER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
pub(super) const HIGHER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 99));
pub(super) const GROUP_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
pub(super) const GROUP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));
pub(super) const OWN_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 10);
pub(super) const LOWER_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(super) fn centiseconds(value: u16) -> AdvertInterval {
    AdvertInterval::Centiseconds(Centiseconds::new(value).unwrap())
}

/// IPv4 version 3, 1 s, priority 100, one address, no announcements beyond the first block.
pub(super) fn instance(id: u32) -> InstanceConfig {
    let octet = |number: u32| u8::try_from(number).unwrap();
    let vrid = Vrid::new(octet(id % 255) + 1).unwrap();
    InstanceConfig {
        addresses: vec![IpAddr::V4(Ipv4Addr::new(10, 1, octet(id / 255), octet(id % 255)))],
        ..InstanceConfig::plain(InstanceId(id), vrid, InterfaceId(id / 255 * 10), GROUP_V4, centiseconds(100))
    }
}

pub(super) fn version_2(id: u32) -> InstanceConfig {
    InstanceConfig {
        version: Version::V2,
        interval: AdvertInterval::Seconds(NonZeroU8::new(1).unwrap()),
        ..instance(id)
    }
}

pub(super) fn ipv6(id: u32) -> InstanceConfig {
    InstanceConfig {
        family: Family::V6,
        transport: Transport::Multicast { group: GROUP_V6 },
        addresses: vec!["fe80::1:1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        ..instance(id)
    }
}

pub(super) fn owner(id: u32) -> InstanceConfig {
    InstanceConfig { priority: Priority::OWNER, initial_master: true, ..instance(id) }
}

pub(super) fn unicast(id: u32, peers: &[IpAddr]) -> InstanceConfig {
    let peers =
        peers.iter().map(|address| UnicastPeer { address: *address, min_ttl: 0, max_ttl: 255 }).collect();
    InstanceConfig { transport: Transport::Unicast { peers, ttl: None, check_source: true }, ..instance(id) }
}

pub(super) fn tracking_script(id: u32, weight: i16, reverse: bool) -> InstanceConfig {
    let weight = Weight { value: weight, reverse };
    InstanceConfig { track_scripts: vec![TrackScript { script: CHECK, weight }], ..instance(id) }
}

pub(super) fn tracking_interface(id: u32, weight: i16) -> InstanceConfig {
    let weight = Weight { value: weight, reverse: false };
    InstanceConfig { track_interfaces: vec![TrackInterface { interface: WAN, weight }], ..instance(id) }
}

pub(super) fn config(instances: Vec<InstanceConfig>) -> Config {
    let named = |id, name: &str| InterfaceConfig { id, name: Arc::from(name) };
    Config {
        instances: instances.into_iter().map(Arc::new).collect(),
        groups: Vec::new(),
        scripts: vec![script(3, 3)],
        watches: Vec::new(),
        interfaces: vec![named(LAN, "lan"), named(WAN, "wan")],
        startup_delay: Duration::ZERO,
    }
}

pub(super) fn script(rise: u32, fall: u32) -> Arc<ScriptConfig> {
    Arc::new(ScriptConfig { id: CHECK, name: Arc::from("chk"), rise, fall, init_fail: false })
}

/// The instances as one sync group.
pub(super) fn grouped(instances: Vec<InstanceConfig>) -> Config {
    let group = GroupId(0);
    let members = instances.iter().map(|instance| instance.id).collect();
    let instances =
        instances.into_iter().map(|instance| InstanceConfig { group: Some(group), ..instance }).collect();
    let groups = vec![Arc::new(GroupConfig { id: group, name: Arc::from("vg"), members })];
    Config { groups, ..config(instances) }
}

/// An advert as it was sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) at: Moment,
    pub(super) instance: InstanceId,
    pub(super) source: IpAddr,
    pub(super) destinations: Vec<IpAddr>,
    pub(super) hop_limit: u8,
    pub(super) carrier: Carrier,
    pub(super) message: Vec<u8>,
}

impl Sent {
    pub(super) fn priority(&self) -> u8 {
        self.carrier.message(&self.message).unwrap()[2]
    }
}

#[derive(Debug, Default)]
pub(super) struct Recorder {
    now: Moment,
    pub(super) adverts: Vec<Sent>,
    pub(super) actions: Vec<Action>,
    /// Everything since the beginning.
    pub(super) history: Vec<(Moment, Action)>,
    remembered: Vec<InstanceId>,
    /// Adverts find no socket.
    pub(super) no_socket: bool,
    /// Before each input, what is known of adverts is forgotten.
    pub(super) forgetful: bool,
}

impl Sink for Recorder {
    fn transmit(&mut self, advert: Transmit<'_>) -> bool {
        if self.no_socket {
            return false;
        }
        let destinations = match advert.destination {
            Destination::Group(group) => vec![group],
            Destination::Peers(peers) => peers.iter().map(|peer| peer.address).collect(),
        };
        self.adverts.push(Sent {
            at: self.now,
            instance: advert.instance,
            source: advert.source,
            destinations,
            hop_limit: advert.hop_limit,
            carrier: advert.carrier,
            message: advert.message.to_vec(),
        });
        true
    }

    fn act(&mut self, action: Action) {
        self.history.push((self.now, action.clone()));
        self.actions.push(action);
    }

    fn remember(&mut self, instance: InstanceId) {
        self.remembered.push(instance);
    }

    fn forged(&mut self) {}

    fn follow(&mut self, _: InstanceId) {}
}

/// A machine, its clock, and what came out of it since it was last asked.
#[derive(Debug)]
pub(super) struct Router {
    pub(super) machine: Machine,
    pub(super) now: Moment,
    pub(super) sink: Recorder,
    pub(super) config: Config,
}

impl Router {
    /// All interfaces up, started at an odd moment so that nothing falls on the grid by chance.
    pub(super) fn start(config: Config) -> Self {
        let mut router = Self::prepare(config, Vec::new());
        router.advance();
        router
    }

    /// Everything but the first `advance`.
    pub(super) fn prepare(config: Config, resume: Vec<Resume>) -> Self {
        let now = Moment::from_nanos(123_456_789_123);
        let machine = Machine::new(now, config.clone(), resume);
        let mut router = Self { machine, now, sink: Recorder::default(), config };
        router.sink.now = now;
        let mut interfaces: Vec<InterfaceId> =
            router.config.instances.iter().map(|instance| instance.interface).collect();
        interfaces.extend([LAN, WAN]);
        interfaces.sort_unstable();
        interfaces.dedup();
        for interface in interfaces {
            router.interface(interface, true);
        }
        router
    }

    pub(super) fn one(instance: InstanceConfig) -> Self {
        Self::start(config(vec![instance]))
    }

    pub(super) fn input(&mut self, input: Input<'_>) {
        self.sink.now = self.now;
        if self.sink.forgetful {
            self.machine.instances.iter_mut().for_each(drop);
        }
        self.machine.handle(self.now, input, &mut self.sink);
    }

    pub(super) fn advance(&mut self) {
        self.sink.now = self.now;
        self.machine.advance(self.now, &mut self.sink);
        assert!(self.machine.next_wakeup().is_none_or(|at| at > self.now), "wake-up in the past");
    }

    /// Lets time pass, every timer on its moment.
    pub(super) fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.machine.next_wakeup().filter(|at| *at <= end) {
            self.now = at;
            self.advance();
        }
        self.now = end;
        self.advance();
    }

    pub(super) fn interface(&mut self, interface: InterfaceId, up: bool) {
        let IpAddr::V4(source) = OWN else { panic!() };
        self.input(Input::Interface {
            interface,
            up,
            source_v4: Some(source),
            source_v6: Some(OWN_V6),
            mtu: 1500,
        });
    }

    pub(super) fn script(&mut self, successes: &[bool]) {
        for &success in successes {
            self.input(Input::ScriptResult { script: CHECK, success });
        }
    }

    /// An advert for `FIRST` that is right in everything but perhaps its priority.
    pub(super) fn hear(&mut self, source: IpAddr, priority: u8) {
        self.hear_for(FIRST, source, priority);
    }

    pub(super) fn hear_for(&mut self, id: InstanceId, source: IpAddr, priority: u8) {
        let peer = self.config.instances[id.index()].clone();
        self.hear_from(&peer, source, priority);
    }

    /// An advert as a router with the configuration `peer` sends it.
    /// Instances of which a successor would need to know more than before.
    pub(super) fn take_remembered(&mut self) -> Vec<InstanceId> {
        std::mem::take(&mut self.sink.remembered)
    }

    pub(super) fn hear_from(&mut self, peer: &InstanceConfig, source: IpAddr, priority: u8) {
        let destination = match &peer.transport {
            Transport::Multicast { group } => *group,
            Transport::Unicast { .. } => OWN,
        };
        let message = message(peer, source, destination, priority);
        self.hear_message(peer.adverts_on, source, destination, Some(255), &message);
    }

    pub(super) fn hear_message(
        &mut self,
        interface: InterfaceId,
        source: IpAddr,
        destination: IpAddr,
        hop_limit: Option<u8>,
        message: &[u8],
    ) {
        self.input(Input::Datagram(Datagram {
            interface,
            source,
            destination,
            hop_limit,
            carrier: Carrier::Ip,
            message,
        }));
    }

    pub(super) fn reload(&mut self, config: Config) {
        let plan = Plan::between(&self.config, &config);
        self.config = config;
        self.sink.now = self.now;
        self.machine.apply(self.now, plan, &mut self.sink);
    }

    pub(super) fn state(&self) -> State {
        self.state_of(FIRST)
    }

    pub(super) fn state_of(&self, id: InstanceId) -> State {
        self.machine.status(id).unwrap().state
    }

    pub(super) fn priority(&self) -> u8 {
        self.machine.status(FIRST).unwrap().effective_priority.get()
    }

    pub(super) fn deadline(&self) -> Duration {
        self.machine.status(FIRST).unwrap().deadline.unwrap().since(self.now)
    }

    pub(super) fn counters(&self) -> crate::Counters {
        self.machine.status(FIRST).unwrap().counters
    }

    /// Priorities of the adverts sent since last asked.
    pub(super) fn sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sink.adverts).iter().map(Sent::priority).collect()
    }

    pub(super) fn forget_output(&mut self) {
        self.sink.adverts.clear();
        self.sink.actions.clear();
    }

    pub(super) fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.sink.actions)
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        let event = |action| match action {
            Action::Event(event) => Some(event),
            _ => None,
        };
        self.actions().into_iter().filter_map(event).collect()
    }

    /// Changes of state of `FIRST` since last asked, each with its reasons.
    pub(super) fn transitions(&mut self) -> Vec<(State, Vec<Cause>)> {
        let transition = |event| match event {
            Event::InstanceState { instance: FIRST, to, causes, .. } => Some((to, causes)),
            _ => None,
        };
        self.events().into_iter().filter_map(transition).collect()
    }

    /// States that the sync group told since last asked.
    pub(super) fn group_states(&mut self) -> Vec<State> {
        let state = |event| match event {
            Event::GroupState { to, .. } => Some(to),
            _ => None,
        };
        self.events().into_iter().filter_map(state).collect()
    }

    pub(super) fn announcements(&mut self) -> Vec<(InstanceId, u32)> {
        let announcement = |action| match action {
            Action::Announce { instance, repeat } => Some((instance, repeat)),
            _ => None,
        };
        self.actions().into_iter().filter_map(announcement).collect()
    }

    /// The last word on whether the addresses shall exist.
    pub(super) fn addresses_wanted(&mut self) -> Option<bool> {
        let wanted = |action| match action {
            Action::Addresses { instance: FIRST, wanted } => Some(wanted),
            _ => None,
        };
        self.actions().into_iter().filter_map(wanted).next_back()
    }
}

pub(super) fn message(peer: &InstanceConfig, source: IpAddr, destination: IpAddr, priority: u8) -> Vec<u8> {
    let authentication = crate::proof::kind(peer);
    let pseudo = pseudo_header(peer.interval.version(), source, destination, peer.v3_checksum_as_v2).unwrap();
    let advertisement = Advertisement {
        vrid: peer.vrid,
        priority: Priority::new(priority),
        form: Form::of(peer.interval, authentication),
        family: peer.family,
        addresses: &peer.addresses,
    };
    let mut message = Vec::new();
    advertisement.write(pseudo, &mut message).unwrap();
    message
}
