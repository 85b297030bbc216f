//! What the recorder makes of a machine that does not fit, and of more than fits in one turn.

#![cfg(test)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::AtomicU8;

use steadfast_record::{Budget, Input as Kept, Memory, Recorder, Replay, began, read};
use steadfast_time::Moment;
use steadfast_vrrp::{
    Action, Config, Datagram, Input, InstanceConfig, InstanceId, InterfaceConfig, InterfaceId, Machine, Plan,
    Sink, Transmit,
};
use steadfast_wire::vrrp::{AdvertInterval, Carrier, Centiseconds, Vrid};

const SECOND: u64 = 1_000_000_000;
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
const LAN: InterfaceId = InterfaceId(0);

/// Takes everything and keeps nothing.
struct Nothing;

impl Sink for Nothing {
    fn transmit(&mut self, _advert: Transmit<'_>) -> bool {
        true
    }

    fn act(&mut self, _action: Action) {}

    fn remember(&mut self, _instance: InstanceId) {}

    fn follow(&mut self, _instance: InstanceId) {}

    fn forged(&mut self) {}
}

fn config(instances: u32) -> Config {
    let interval = AdvertInterval::Centiseconds(Centiseconds::new(100).unwrap());
    let vrid = |number: u32| Vrid::new(u8::try_from(number + 1).unwrap()).unwrap();
    let plain = |id| InstanceConfig::plain(InstanceId(id), vrid(id), LAN, GROUP, interval);
    Config {
        instances: (0..instances).map(|id| Arc::new(plain(id))).collect(),
        interfaces: vec![InterfaceConfig { id: LAN, name: "eth0".into() }],
        ..Config::default()
    }
}

/// A recorder around a machine with so many instances, and its ring.
fn recorder(instances: u32, bytes: usize) -> (Recorder, Arc<[AtomicU8]>) {
    let ring: Arc<[AtomicU8]> = (0..bytes).map(|_| AtomicU8::new(0)).collect();
    let memory: Memory = Box::new(Arc::clone(&ring));
    let begin = Moment::from_nanos(SECOND);
    let machine = Machine::new(begin, config(instances), Vec::new());
    let mut recorder = Recorder::new(machine, begin, Some((memory, Budget::Fixed(bytes))));
    let source_v4 = Some(Ipv4Addr::new(10, 0, 0, 1));
    let input = Input::Interface { interface: LAN, up: true, source_v4, source_v6: None, mtu: 1_500 };
    recorder.handle(begin, input, &mut Nothing);
    recorder.advance(begin, &mut Nothing);
    (recorder, ring)
}

/// The moment of the first step and of the last one, all of which are the same again.
fn replayed(ring: &[AtomicU8]) -> (Moment, Moment) {
    let mut replay = Replay::new(&read(ring)).unwrap();
    let mut first = None;
    for step in replay.by_ref() {
        let step = step.unwrap();
        assert_eq!(step.difference, None, "at {:?} by {:?}", step.at, step.input);
        first.get_or_insert(step.at);
    }
    (first.unwrap(), replay.now())
}

#[test]
fn what_does_not_fit_is_tried_again() {
    let (mut recorder, ring) = recorder(200, 64 * 1024);
    assert!(recorder.is_short());
    let at = |second: u64| Moment::from_nanos(second * SECOND);
    recorder.apply(at(2), Plan::between(&config(200), &config(10)), &mut Nothing);
    for second in 2..200 {
        recorder.advance(at(second), &mut Nothing);
        recorder.turn();
    }
    assert!(!recorder.is_short());
    let (first, last) = replayed(&ring);
    assert!(first < at(130) && last > at(198), "{first:?} to {last:?}");
}

/// Nobody from outside can switch the recorder off.
#[test]
fn a_flood_in_one_turn_leaves_a_record() {
    for bytes in [150_000, 200_000, 400_000] {
        let (mut recorder, ring) = recorder(200, bytes);
        assert!(!recorder.is_short());
        let octets = [7; 1_400];
        for number in 0..2_000_u32 {
            let datagram = Datagram {
                interface: LAN,
                source: Ipv4Addr::from(number).into(),
                destination: GROUP,
                hop_limit: Some(255),
                carrier: Carrier::Ip,
                message: &octets,
            };
            let now = Moment::from_nanos(2 * SECOND + u64::from(number));
            recorder.handle(now, Input::Datagram(datagram), &mut Nothing);
        }
        assert!(!recorder.is_short(), "{bytes} octets");
        let (_, last) = replayed(&ring);
        assert_eq!(last, Moment::from_nanos(2 * SECOND + 1_999), "{bytes} octets");
    }
}

/// Whoever sends what is for nobody here takes as little room as his number needs, however long it is.
#[test]
fn what_strangers_send_is_cut_and_the_ring_reaches_back_all_the_same() {
    let (mut recorder, ring) = recorder(10, 256 * 1024);
    assert_eq!(began(&ring), Some(Moment::from_nanos(SECOND)));
    let mut long = [0x31; 1_472];
    // Version 3, and a number that nobody here has.
    long[1] = 200;
    for number in 0..1_000_u32 {
        long[8..12].copy_from_slice(&number.to_be_bytes());
        let datagram = Datagram {
            interface: LAN,
            source: Ipv4Addr::from(0x0a00_0000 | number).into(),
            destination: GROUP,
            hop_limit: Some(255),
            carrier: Carrier::Ip,
            message: &long,
        };
        let now = Moment::from_nanos(2 * SECOND + u64::from(number));
        recorder.handle(now, Input::Datagram(datagram), &mut Nothing);
        recorder.turn();
    }
    assert_eq!(began(&ring), Some(Moment::from_nanos(SECOND)), "nothing was pushed out");
    let (_, last) = replayed(&ring);
    assert_eq!(last, Moment::from_nanos(2 * SECOND + 999));
    let mut replay = Replay::new(&read(&ring)).unwrap();
    let longest = replay.by_ref().filter_map(|step| match step.unwrap().input {
        Kept::Datagram(datagram) => Some(datagram.message.len()),
        _ => None,
    });
    assert_eq!(longest.max(), Some(64));
    assert_eq!(replay.machine().counters().unknown_vrid, 1_000);
}
