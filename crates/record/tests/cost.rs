//! What recording costs the thread that sends and receives adverts.

#![cfg(test)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::AtomicU8;

use steadfast_record::{Budget, Memory, Recorder, read};
use steadfast_time::Moment;
use steadfast_vrrp::{
    Action, Config, Datagram, Input, InstanceConfig, InstanceId, InterfaceConfig, InterfaceId, Machine, Sink,
    Transmit,
};
use steadfast_wire::vrrp::{
    AdvertInterval, Advertisement, Authentication, Carrier, Centiseconds, Form, Priority, Vrid, pseudo_header,
};

const INSTANCES: u32 = 200;
const SECOND: u64 = 1_000_000_000;
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));

/// Takes everything and keeps nothing.
struct Nothing;

impl Sink for Nothing {
    fn transmit(&mut self, _advert: Transmit<'_>) -> bool {
        true
    }

    fn act(&mut self, _action: Action) {}

    fn remember(&mut self, _: InstanceId) {}

    fn forged(&mut self) {}

    fn follow(&mut self, _: InstanceId) {}
}

fn interval() -> AdvertInterval {
    AdvertInterval::Centiseconds(Centiseconds::new(100).unwrap())
}

fn vrid(number: u32) -> Vrid {
    Vrid::new(u8::try_from(number + 1).unwrap()).unwrap()
}

/// A recorder, and its ring.
fn recorder() -> (Recorder, Arc<[AtomicU8]>) {
    let lan = InterfaceId(0);
    let plain = |id| InstanceConfig::plain(InstanceId(id), vrid(id), lan, GROUP, interval());
    let config = Config {
        instances: (0..INSTANCES).map(|id| Arc::new(plain(id))).collect(),
        interfaces: vec![InterfaceConfig { id: lan, name: "eth0".into() }],
        ..Config::default()
    };
    let begin = Moment::from_nanos(SECOND);
    let machine = Machine::new(begin, config, Vec::new());
    let bytes = Budget::Proportional.bytes(200);
    let ring: Arc<[AtomicU8]> = (0..bytes).map(|_| AtomicU8::new(0)).collect();
    let memory = Some((Box::new(Arc::clone(&ring)) as Memory, Budget::Proportional));
    let mut recorder = Recorder::new(machine, begin, memory);
    let own = Ipv4Addr::new(10, 0, 0, 1);
    let input =
        Input::Interface { interface: lan, up: true, source_v4: Some(own), source_v6: None, mtu: 1_500 };
    recorder.handle(begin, input, &mut Nothing);
    recorder.advance(begin, &mut Nothing);
    (recorder, ring)
}

/// Each virtual router hears its master once.
fn hear(recorder: &mut Recorder, at: u64, adverts: &[Vec<u8>]) {
    for (number, message) in (0..).zip(adverts) {
        let datagram = Datagram {
            interface: InterfaceId(0),
            source: PEER,
            destination: GROUP,
            hop_limit: Some(255),
            carrier: Carrier::Ip,
            message,
        };
        let now = Moment::from_nanos(at + number * 20_000);
        recorder.handle(now, Input::Datagram(datagram), &mut Nothing);
        recorder.advance(now, &mut Nothing);
    }
    recorder.turn();
}

fn adverts() -> Vec<Vec<u8>> {
    let advert = |number| {
        let form = Form::of(interval(), Authentication::None);
        let pseudo = pseudo_header(interval().version(), PEER, GROUP, false).unwrap();
        let priority = Priority::new(200);
        let family = steadfast_wire::vrrp::Family::V4;
        let mut message = Vec::new();
        let addresses: &[IpAddr] = &[];
        Advertisement { vrid: vrid(number), priority, form, family, addresses }
            .write(pseudo, &mut message)
            .unwrap();
        message
    };
    (0..INSTANCES).map(advert).collect()
}

#[test]
fn an_advert_that_is_recorded_allocates_nothing() {
    let (mut recorder, _ring) = recorder();
    let adverts = adverts();
    for round in 1..4 {
        hear(&mut recorder, (1 + round) * SECOND, &adverts);
    }
    let heard = recorder.status(InstanceId(7)).unwrap().counters.adverts_received;
    assert!(heard > 0, "else it would prove nothing");
    let allocated = allocation_counter::measure(|| {
        for round in 4..40 {
            hear(&mut recorder, (1 + round) * SECOND, &adverts);
        }
    });
    assert_eq!(allocated.count_total, 0);
    assert!(!recorder.is_short());
}

/// Senders share the places in which a datagram like theirs is looked for.
#[test]
fn an_advert_that_comes_again_takes_a_few_octets_whoever_else_is_heard() {
    let (mut recorder, ring) = recorder();
    let adverts = adverts();
    for round in 1..5 {
        hear(&mut recorder, (1 + round) * SECOND, &adverts);
    }
    let written = || read(&ring).last().unwrap().entries.len();
    let before = written();
    hear(&mut recorder, 6 * SECOND, &adverts);
    // A tag, 20 µs in three octets, and a number, of two octets for fewer than half of them; the first one has a second behind it.
    let most = adverts.len() * 5 + adverts.len() / 2 + 2;
    assert!(written() - before <= most, "{} octets, at most {most}", written() - before);
}
