use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use proptest::prelude::*;
use steadfast_vrrp::{Cause, Counters, InstanceId, InterfaceId, LastProof, Moment, State};
use steadfast_wire::vrrp::Priority;

use super::*;
use crate::link::inheritance::Uninheritable;

fn router() -> impl Strategy<Value = Resume> {
    let state = prop_oneof![Just(State::Backup), Just(State::Master), Just(State::Fault), Just(State::Stop)];
    let moments = (any::<u64>(), proptest::option::of(any::<u64>()), proptest::option::of(any::<u64>()));
    let words = (any::<String>(), proptest::option::of(any::<String>()));
    (any::<u32>(), state, moments, words, any::<(u8, bool, u32, u64)>()).prop_map(
        |(
            instance,
            state,
            (since, last_advert, refused_since),
            (name, refusal),
            (priority, lowered, times, sent),
        )| Resume {
            instance: InstanceId(instance),
            state,
            since: Moment::from_nanos(since),
            causes: vec![Cause::Start, Cause::Script { name: name.into(), good: lowered, times }],
            priority: Priority::new(priority),
            master: None,
            master_interval: Duration::from_millis(times.into()),
            best: None,
            found_elsewhere: None,
            preparing: None,
            unprepared_until: None,
            lowered,
            proof: LastProof::default(),
            scripts: Vec::new(),
            early_checksum: lowered,
            counters: Counters { adverts_sent: sent, ..Counters::default() },
            last_advert: last_advert.map(Moment::from_nanos),
            refusal: refusal.map(Into::into),
            refused_since: refused_since.map(Moment::from_nanos),
            peers: Vec::new(),
        },
    )
}

fn address() -> impl Strategy<Value = VirtualAddress> {
    any::<(u32, u32, u8)>().prop_map(|(interface, address, prefix)| {
        VirtualAddress::plain(InterfaceId(interface), IpAddr::V4(Ipv4Addr::from_bits(address)), prefix)
    })
}

fn inheritance() -> impl Strategy<Value = Inheritance> {
    let routers = proptest::collection::vec(router(), 0..5);
    (routers, proptest::collection::vec(address(), 0..5)).prop_map(|(routers, abandoned)| Inheritance {
        routers,
        sessions: Vec::new(),
        abandoned,
        settings: Remembered::default(),
    })
}

proptest! {
    #[test]
    fn what_is_left_is_what_is_inherited(left in inheritance()) {
        prop_assert_eq!(Inheritance::from_octets(&left.to_octets()), Ok(left));
    }

    #[test]
    fn what_is_cut_off_is_refused(left in inheritance(), cut in any::<prop::sample::Index>()) {
        let octets = left.to_octets();
        let kept = cut.index(octets.len());
        prop_assert_eq!(Inheritance::from_octets(&octets[..kept]), Err(Uninheritable::Damaged));
    }

    #[test]
    fn another_version_is_refused(left in inheritance(), version in any::<u16>()) {
        prop_assume!(version != Inheritance::VERSION);
        let mut octets = left.to_octets();
        octets[..2].copy_from_slice(&version.to_be_bytes());
        let refused = Uninheritable::Version { found: version, expected: Inheritance::VERSION };
        prop_assert_eq!(Inheritance::from_octets(&octets), Err(refused));
    }

    #[test]
    fn any_octets_are_read_without_harm(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let with_version = [&Inheritance::VERSION.to_be_bytes(), octets.as_slice()].concat();
        let _ = (Inheritance::from_octets(&octets), Inheritance::from_octets(&with_version));
    }
}

#[test]
fn what_goes_on_beyond_its_end_is_refused() {
    let octets = [Inheritance::default().to_octets(), vec![0]].concat();
    assert_eq!(Inheritance::from_octets(&octets), Err(Uninheritable::Damaged));
}
