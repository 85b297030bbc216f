//! One router with both machines, and what it does with packets of others.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use steadfast_bfd::{
    Config as SessionsConfig, Discriminator, InterfaceId as SessionInterface, Microseconds, SessionConfig,
    Transmit,
};
use steadfast_vrrp::config::{Transport, UnicastPeer};
use steadfast_vrrp::{Action, Config, FastDetection, InstanceConfig, Plan};
use steadfast_wire::bfd::{Control, Diagnostic};
use steadfast_wire::vrrp::{
    AdvertInterval, Advertisement, Authentication, Carrier, Centiseconds, Family, Form, Priority, Version,
    Vrid, pseudo_header,
};

use super::*;

const LAN: InterfaceId = InterfaceId(0);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
const MS: Duration = Duration::from_millis(1);
const DETECTION: FastDetection =
    FastDetection { interval: Duration::from_millis(15), multiplier: NonZeroU8::new(3).unwrap() };

fn peer(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, number).into()
}

fn watching(id: u32) -> InstanceConfig {
    let interval = AdvertInterval::Centiseconds(Centiseconds::new(100).unwrap());
    let vrid = Vrid::new(u8::try_from(id + 1).unwrap()).unwrap();
    InstanceConfig {
        fast_detection: Some(DETECTION),
        addresses: vec![Ipv4Addr::new(10, 1, 0, vrid.get()).into()],
        ..InstanceConfig::plain(InstanceId(id), vrid, LAN, GROUP, interval)
    }
}

fn between(addresses: &[IpAddr]) -> InstanceConfig {
    let peers = addresses.iter().map(|address| UnicastPeer { address: *address, min_ttl: 0, max_ttl: 255 });
    InstanceConfig {
        transport: Transport::Unicast { peers: peers.collect(), ttl: None, check_source: true },
        ..watching(0)
    }
}

#[derive(Default)]
struct Asked {
    /// To whom control packets went.
    packets: Vec<(IpAddr, Control)>,
    told: Vec<Event>,
    followers: Vec<InstanceId>,
}

impl Sink for Asked {
    fn transmit(&mut self, packet: Transmit<'_>) {
        let control = Received::parse(packet.message).unwrap().control;
        self.packets.push((packet.session.path.remote, control));
    }

    fn transmit_echo(&mut self, _: Transmit<'_>) {}

    fn tell(&mut self, _: &SessionConfig, event: Event) {
        self.told.push(event);
    }

    fn remember(&mut self, _: SessionId) {}
}

impl steadfast_vrrp::Sink for Asked {
    fn transmit(&mut self, _advert: steadfast_vrrp::Transmit<'_>) -> bool {
        true
    }

    fn act(&mut self, _action: Action) {}

    fn follow(&mut self, instance: InstanceId) {
        self.followers.push(instance);
    }

    fn remember(&mut self, _: InstanceId) {}

    fn forged(&mut self) {}
}

struct Router {
    now: Moment,
    config: Config,
    routers: Routers,
    sessions: Sessions,
    detection: Detection,
    asked: Asked,
}

impl Router {
    fn start(instances: Vec<InstanceConfig>) -> Self {
        Self::with(instances, &SessionsConfig::default(), Vec::new())
    }

    fn with(instances: Vec<InstanceConfig>, sessions: &SessionsConfig, left: Vec<Resume>) -> Self {
        let now = Moment::from_nanos(1 << 40);
        let config = Config { instances: instances.into_iter().map(Arc::new).collect(), ..Config::default() };
        let mut router = Self {
            now,
            routers: Routers::new(now, config.clone(), Vec::new()),
            config,
            sessions: Sessions::new(now, sessions, 7, Vec::new()),
            detection: Detection::new(left),
            asked: Asked::default(),
        };
        let input =
            Input::Interface { interface: LAN, up: true, source_v4: Some(OWN), source_v6: None, mtu: 1500 };
        router.routers.handle(now, input, &mut router.asked);
        router.configure();
        router.advance();
        router
    }

    fn configure(&mut self) {
        self.detection.configure(self.now, &self.routers, &mut self.sessions, &mut self.asked);
    }

    fn reload(&mut self, instances: Vec<InstanceConfig>) {
        let config = Config { instances: instances.into_iter().map(Arc::new).collect(), ..Config::default() };
        let plan = Plan::between(&self.config, &config);
        self.config = config;
        self.routers.apply(self.now, plan, &mut self.asked);
        self.configure();
        self.advance();
    }

    fn settle(&mut self) {
        let (told, followers) =
            (std::mem::take(&mut self.asked.told), std::mem::take(&mut self.asked.followers));
        let (routers, sessions) = (&mut self.routers, &mut self.sessions);
        self.detection.settle(self.now, &told, followers, routers, sessions, &mut self.asked);
    }

    fn advance(&mut self) {
        self.sessions.advance(self.now, &mut self.asked);
        self.settle();
        self.routers.advance(self.now, &mut self.asked);
        self.settle();
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        let next = |router: &Self| {
            [router.routers.next_wakeup(), router.sessions.next_wakeup()].into_iter().flatten().min()
        };
        while let Some(at) = next(self).filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.advance();
        }
        self.now = end;
    }

    fn advert(&mut self, id: u32, source: IpAddr, priority: u8) {
        let config = Arc::clone(self.config.instances.iter().find(|instance| instance.id.0 == id).unwrap());
        let destination = match config.transport {
            Transport::Multicast { group } => group,
            Transport::Unicast { .. } => OWN.into(),
        };
        let pseudo = pseudo_header(Version::V3, source, destination, false).unwrap();
        let advertisement = Advertisement {
            vrid: config.vrid,
            priority: Priority::new(priority),
            form: Form::of(config.interval, Authentication::None),
            family: Family::V4,
            addresses: &config.addresses,
        };
        let mut message = Vec::new();
        advertisement.write(pseudo, &mut message).unwrap();
        let datagram = steadfast_vrrp::Datagram {
            interface: LAN,
            source,
            destination,
            hop_limit: Some(255),
            carrier: Carrier::Ip,
            message: &message,
        };
        self.routers.handle(self.now, Input::Datagram(datagram), &mut self.asked);
        self.settle();
    }

    /// A control packet of a peer whose session has this state.
    fn control(&mut self, source: IpAddr, state: State, hop_limit: u8) {
        let yours = self.asked.packets.iter().rev().find(|(to, _)| *to == source).map(|(_, told)| told.mine);
        let yours = yours.filter(|_| state != State::Down);
        let IpAddr::V4(address) = source else { panic!() };
        let control = Control {
            diagnostic: Diagnostic::NONE,
            state,
            poll: false,
            answers_poll: false,
            independent: false,
            demand: false,
            multiplier: DETECTION.multiplier,
            mine: Discriminator::new(u32::from(address)).unwrap(),
            yours,
            desired_min_tx: Microseconds::new(15_000),
            required_min_rx: Microseconds::new(15_000),
            required_min_echo_rx: Microseconds::ZERO,
        };
        let mut message = Vec::new();
        control.write(None, &mut message);
        let datagram = Datagram {
            interface: Some(SessionInterface(LAN.0)),
            hops: Hops::Single,
            source,
            destination: OWN.into(),
            hop_limit: Some(hop_limit),
            message: &message,
        };
        self.detection.knock(self.now, &datagram, &mut self.sessions, &mut self.asked);
        self.sessions.handle(self.now, steadfast_bfd::Input::Datagram(datagram), &mut self.asked);
        self.settle();
    }

    /// The three-way handshake, as seen from here.
    fn comes_up(&mut self, source: IpAddr) {
        self.control(source, State::Down, 255);
        self.control(source, State::Init, 255);
        self.control(source, State::Up, 255);
        assert_eq!(self.state_with(source), Some(State::Up));
    }

    /// State of the session with a router.
    fn state_with(&self, source: IpAddr) -> Option<State> {
        self.sessions.status().find(|status| status.path.remote == source).map(|status| status.state)
    }

    fn sessions(&self) -> usize {
        self.sessions.status().count()
    }

    fn state(&self, id: u32) -> steadfast_vrrp::State {
        self.routers.status(InstanceId(id)).unwrap().state
    }
}

#[test]
fn a_pair_has_one_session_however_many_routers_it_shares() {
    let mut router = Router::start((0..50).map(watching).collect());
    for id in 0..50 {
        router.advert(id, peer(1), 200);
    }
    router.advance();
    assert_eq!(router.sessions(), 1);
    assert_eq!(router.asked.packets.len(), 1, "it begins, slowly");
    router.advert(7, peer(2), 210);
    assert_eq!(router.sessions(), 2, "one of them has another master");
}

#[test]
fn rfc5880_6_8_3_who_does_not_answer_is_asked_once_a_second() {
    let mut router = Router::start(vec![watching(0)]);
    for _ in 0..20 {
        router.advert(0, peer(1), 200);
        router.wait(500 * MS);
    }
    assert!((10..=15).contains(&router.asked.packets.len()), "{}", router.asked.packets.len());
    assert_eq!(router.state(0), steadfast_vrrp::State::Backup);
}

#[test]
fn silence_of_a_session_is_the_death_of_a_master() {
    let mut router = Router::start(vec![watching(0), watching(1)]);
    router.advert(0, peer(1), 200);
    router.advert(1, peer(2), 200);
    router.advance();
    router.comes_up(peer(1));
    router.wait(60 * MS);
    assert_eq!(router.state(0), steadfast_vrrp::State::Master);
    assert_eq!(router.state(1), steadfast_vrrp::State::Backup, "its master is another");
}

#[test]
fn a_session_that_ends_on_purpose_or_is_heard_one_way_only_is_no_death() {
    for state in [State::AdminDown, State::Down] {
        let mut router = Router::start(vec![watching(0)]);
        router.advert(0, peer(1), 200);
        router.advance();
        router.comes_up(peer(1));
        router.control(peer(1), state, 255);
        router.wait(500 * MS);
        assert_eq!(router.state(0), steadfast_vrrp::State::Backup, "{state}");
    }
}

/// A master speaks to nobody before it is asked, and from the link alone.
#[test]
fn rfc5881_5_a_master_is_watched_from_its_link_alone() {
    let mut router = Router::start(vec![watching(0)]);
    router.wait(4000 * MS);
    assert_eq!(router.state(0), steadfast_vrrp::State::Master);
    router.control(peer(3), State::Down, 254);
    assert_eq!((router.sessions(), router.asked.packets.len()), (0, 0));
    router.control(OWN.into(), State::Down, 255);
    assert_eq!(router.sessions(), 0);
    router.comes_up(peer(3));
    // Who watches over it may vanish.
    router.wait(500 * MS);
    assert_eq!(router.state(0), steadfast_vrrp::State::Master);
}

#[test]
fn unicast_routers_are_watched_by_their_peers_alone() {
    let mut router = Router::start(vec![between(&[peer(1)])]);
    router.control(peer(2), State::Down, 255);
    assert_eq!(router.sessions(), 0);
    router.control(peer(1), State::Down, 255);
    assert_eq!(router.sessions(), 1);
}

#[test]
fn watchers_have_a_bound_and_who_watches_in_vain_makes_room() {
    let mut router = Router::start(vec![watching(0)]);
    router.comes_up(peer(100));
    for number in 101..200 {
        router.control(peer(number), State::Down, 255);
        assert!(router.sessions() <= WATCHERS_MAX);
    }
    assert_eq!(router.sessions(), WATCHERS_MAX);
    assert!(router.state_with(peer(100)).is_some() && router.state_with(peer(199)).is_some());
    // Forged masters make no more.
    for number in 1..90 {
        router.advert(0, peer(number), 200);
        assert!(router.sessions() <= WATCHERS_MAX + 1);
    }
    // Where all of them are up, another one finds no room.
    let mut full = Router::start(vec![watching(0)]);
    for number in 0..WATCHERS_MAX {
        full.comes_up(peer(u8::try_from(100 + number).unwrap()));
    }
    full.control(peer(1), State::Down, 255);
    assert_eq!(full.state_with(peer(1)), None);
}

#[test]
fn a_session_of_the_configuration_is_taken_where_there_is_one() {
    let session = SessionConfig::plain(SessionId(3), peer(1));
    let sessions = SessionsConfig { sessions: vec![Arc::new(session)] };
    let mut router = Router::with(vec![watching(0)], &sessions, Vec::new());
    router.advert(0, peer(1), 200);
    router.advance();
    router.comes_up(peer(1));
    assert_eq!(router.sessions(), 1);
    router.wait(120 * MS);
    assert_eq!(router.state(0), steadfast_vrrp::State::Master);
}

#[test]
fn a_reload_ends_what_nobody_wants_and_changes_the_rest() {
    let mut router = Router::start(vec![watching(0), watching(1)]);
    router.advert(0, peer(1), 200);
    router.advance();
    router.comes_up(peer(1));
    let slow = FastDetection { interval: Duration::from_millis(100), ..DETECTION };
    let slower = |id| InstanceConfig { fast_detection: Some(slow), ..watching(id) };
    router.reload(vec![slower(0), watching(1)]);
    let asked = |router: &Router| router.asked.packets.last().unwrap().1;
    router.wait(20 * MS);
    assert_eq!(asked(&router).required_min_rx, Microseconds::new(15_000), "the quickest counts");
    router.reload(vec![slower(0), slower(1)]);
    assert_eq!((router.sessions(), asked(&router).required_min_rx), (1, Microseconds::new(100_000)));
    router.reload(vec![InstanceConfig { fast_detection: None, ..watching(0) }]);
    assert_eq!((router.sessions(), asked(&router).state), (0, State::AdminDown));
    assert_eq!(router.state(0), steadfast_vrrp::State::Backup);
}

#[test]
fn a_successor_goes_on_with_the_sessions_that_still_mean_something() {
    let mut router = Router::start(vec![watching(0)]);
    router.advert(0, peer(1), 200);
    router.advance();
    router.comes_up(peer(1));
    let status = router.sessions.status().next().unwrap();
    let left = vec![router.sessions.resume_state(status.session).unwrap()];
    let successor = Router::with(vec![watching(0)], &SessionsConfig::default(), left.clone());
    let resumed = successor.sessions.status().next().unwrap();
    assert_eq!(
        (resumed.session, resumed.state, resumed.local_discriminator),
        (status.session, State::Up, status.local_discriminator)
    );
    let other = InstanceConfig { fast_detection: None, ..watching(0) };
    assert_eq!(Router::with(vec![other], &SessionsConfig::default(), left).sessions(), 0);
}

#[test]
fn a_master_that_was_not_dead_is_not_believed_dead_again_at_once() {
    let mut router = Router::start(vec![watching(0)]);
    let deaths = |router: &mut Router| {
        router.advert(0, peer(1), 200);
        router.advance();
        router.comes_up(peer(1));
        router.wait(100 * MS);
        router.state(0) == steadfast_vrrp::State::Master
    };
    assert!(deaths(&mut router));
    assert!(!deaths(&mut router), "it was heard again at once");
    // Adverts go on meanwhile, as they must.
    for _ in 0..12 {
        router.advert(0, peer(1), 200);
        router.wait(1000 * MS);
    }
    assert!(deaths(&mut router));
    // The second time it is doubted for longer.
    for _ in 0..12 {
        router.advert(0, peer(1), 200);
        router.wait(1000 * MS);
    }
    assert!(!deaths(&mut router));
    assert!(DOUBT * 2 < DOUBT_MAX);
}
