//! Receive checks (RFC 3768 and RFC 9568 section 7.1), each with its counter, in keepalived's order.

use std::net::IpAddr;

use steadfast_wire::vrrp::{AdvertInterval, Reject};

use super::router::*;
use crate::config::{Authentication, Transport, UnicastPeer};
use crate::event::Difference;
use crate::{Counters, EarlyChecksum, Event, InstanceConfig, State};

/// A backup hears one bad message; returns its counters. Nothing else may have changed.
fn refused(instance: InstanceConfig, hop_limit: u8, message: &[u8]) -> Counters {
    let mut router = Router::one(instance);
    router.wait(ms(500));
    router.forget_output();
    let before = router.machine.status(FIRST).unwrap();
    router.hear_message(LAN, LOWER, GROUP_V4, Some(hop_limit), message);
    let after = router.machine.status(FIRST).unwrap();
    assert_eq!(
        (before.deadline, before.master, before.last_advert),
        (after.deadline, after.master, after.last_advert)
    );
    assert_eq!(after.counters.adverts_received, after.counters.address_list_errors);
    assert!(matches!(router.events()[..], [Event::Dropped { .. }]));
    after.counters
}

fn good(instance: &InstanceConfig) -> Vec<u8> {
    message(instance, LOWER, GROUP_V4, 200)
}

#[test]
fn rfc9568_7_1_hop_limit_other_than_255_is_dropped() {
    assert_eq!(
        refused(instance(0), 254, &good(&instance(0))),
        Counters { ttl_errors: 1, ..Counters::default() }
    );
}

#[test]
fn rfc9568_7_1_other_version_is_dropped() {
    let counters = refused(instance(0), 255, &good(&version_2(0)));
    assert_eq!(counters, Counters { version_errors: 1, ..Counters::default() });
    let counters = refused(version_2(0), 255, &good(&instance(0)));
    assert_eq!(counters, Counters { version_errors: 1, ..Counters::default() });
}

#[test]
fn rfc9568_7_1_incomplete_packet_is_dropped() {
    let whole = good(&instance(0));
    let counters = refused(instance(0), 255, &whole[..whole.len() - 1]);
    assert_eq!(counters, Counters { length_errors: 1, ..Counters::default() });
}

#[test]
fn rfc9568_7_1_wrong_checksum_is_dropped() {
    let mut damaged = good(&instance(0));
    damaged[7] ^= 1;
    assert_eq!(refused(instance(0), 255, &damaged), Counters { checksum_errors: 1, ..Counters::default() });
}

#[test]
fn rfc9568_7_1_other_type_is_dropped() {
    let mut odd = good(&instance(0));
    odd[0] = 0x32;
    assert_eq!(refused(instance(0), 255, &odd), Counters { type_errors: 1, ..Counters::default() });
}

#[test]
fn rfc3768_7_1_other_interval_is_dropped() {
    let slow = AdvertInterval::Seconds(std::num::NonZeroU8::new(2).unwrap());
    let counters = refused(version_2(0), 255, &good(&InstanceConfig { interval: slow, ..version_2(0) }));
    assert_eq!(counters, Counters { interval_errors: 1, ..Counters::default() });
}

#[test]
fn rfc2338_5_3_6_authentication_must_agree() {
    let secret =
        |password| InstanceConfig { authentication: Authentication::Password(password), ..version_2(0) };
    let counters = refused(secret(*b"right\0\0\0"), 255, &good(&version_2(0)));
    assert_eq!(counters, Counters { auth_type_mismatches: 1, ..Counters::default() });
    let counters = refused(secret(*b"right\0\0\0"), 255, &good(&secret(*b"wrong\0\0\0")));
    assert_eq!(counters, Counters { auth_failures: 1, ..Counters::default() });
    let mut unknown = good(&version_2(0));
    unknown[4] = 9;
    let counters = refused(version_2(0), 255, &unknown);
    assert_eq!(counters, Counters { auth_type_invalid: 1, ..Counters::default() });

    let mut router = Router::one(secret(*b"right\0\0\0"));
    router.hear(LOWER, 200);
    assert_eq!(router.counters().adverts_received, 1);
}

#[test]
fn rfc9568_7_1_unknown_vrid_is_dropped_and_counted() {
    let mut router = Router::one(instance(0));
    router.hear_from(&instance(7), LOWER, 200);
    router.hear_from(&InstanceConfig { adverts_on: WAN, ..instance(0) }, LOWER, 200);
    assert_eq!(router.machine.counters().unknown_vrid, 2);
    router.hear_message(LAN, LOWER, GROUP_V4, Some(255), &[0x31]);
    assert_eq!(router.machine.counters().malformed, 1);
    assert_eq!(router.counters(), Counters::default());
}

#[test]
fn rfc3768_7_1_a_sender_that_lacks_one_of_our_addresses_is_dropped() {
    let ours = InstanceConfig { addresses: vec![LOWER, HIGHER], ..instance(0) };
    let mut router = Router::one(ours.clone());
    router.forget_output();
    let narrow = InstanceConfig { addresses: vec![HIGHER], ..instance(0) };
    router.hear_from(&narrow, LOWER, 200);
    router.hear_from(&narrow, LOWER, 200);
    let counters = router.counters();
    assert_eq!((counters.adverts_received, counters.address_list_errors), (2, 2));
    let reason = Reject::AddressList { expected: 2, found: 1, missing: 1 };
    assert!(
        matches!(router.events()[..], [Event::Dropped { source: LOWER, reason: told, .. }] if told == reason)
    );
    // What it does not serve would be served by nobody.
    router.wait(ms(4_000));
    assert_eq!(router.state(), State::Master);
    router.hear_from(&narrow, LOWER, 200);
    assert_eq!(router.state(), State::Master);
}

#[test]
fn rfc9568_erratum_8299_an_advert_without_addresses_is_dropped() {
    let empty = InstanceConfig { addresses: Vec::new(), ..instance(0) };
    let counters = refused(instance(0), 255, &message(&empty, LOWER, GROUP_V4, 200));
    assert_eq!(counters.address_list_errors, 1);
}

#[test]
fn rfc9568_erratum_8300_the_first_ipv6_address_is_link_local() {
    let global = || vec!["2001:db8::1".parse().unwrap()];
    for requires_link_local in [false, true] {
        let ours = InstanceConfig { addresses: global(), requires_link_local, ..ipv6(0) };
        let mut router = Router::one(ours.clone());
        router.forget_output();
        for _ in 0..5 {
            router.hear_from(&ours, LOWER_V6.into(), 200);
        }
        let found = "2001:db8::1".parse().unwrap();
        let told = router.events();
        let master = router.machine.status(FIRST).unwrap().master;
        if requires_link_local {
            let reason = Reject::FirstAddress { found };
            assert!(matches!(told[..], [Event::Dropped { reason: why, .. }] if why == reason), "{told:?}");
            assert_eq!((master, router.counters().address_list_errors), (None, 5));
        } else {
            let difference = Difference::FirstAddress { found };
            let count = told.iter().filter(
                |event| matches!(event, Event::Disagreement { difference: what, .. } if *what == difference),
            );
            // Once before it is known as master, once after.
            assert_eq!(count.count(), 2, "{told:?}");
            assert_eq!(master.map(|master| master.address), Some(LOWER_V6.into()));
        }
        // One that begins as it should is taken by both.
        let right = InstanceConfig { addresses: vec!["fe80::1:1".parse().unwrap(), global()[0]], ..ours };
        router.hear_from(&right, LOWER_V6.into(), 201);
        assert_eq!(
            router.machine.status(FIRST).unwrap().master.map(|master| master.priority.get()),
            Some(201)
        );
    }
}

#[test]
fn a_sender_with_our_addresses_and_more_is_told_and_taken() {
    let mut router = Router::one(instance(0));
    router.forget_output();
    let mut wide = instance(0);
    wide.addresses.push(HIGHER);
    router.hear_from(&wide, LOWER, 200);
    router.hear_from(&wide, LOWER, 200);
    let counters = router.counters();
    assert_eq!((counters.adverts_received, counters.address_list_errors), (2, 2));
    assert_eq!(router.machine.status(FIRST).unwrap().master.unwrap().address, LOWER);
    let told =
        router.events().into_iter().filter(|event| matches!(event, Event::Disagreement { .. })).count();
    // Once as such, and once again because a new master was heard in between.
    assert!(told <= 2, "{told}");
    router.hear_from(&wide, LOWER, 200);
    assert_eq!(router.events(), []);
}

#[test]
fn the_order_of_addresses_counts_for_nothing() {
    let addresses = vec![LOWER, HIGHER];
    let mut router = Router::one(InstanceConfig { addresses: addresses.clone(), ..instance(0) });
    let reversed = addresses.into_iter().rev().collect();
    router.hear_from(&InstanceConfig { addresses: reversed, ..instance(0) }, LOWER, 200);
    assert_eq!(router.counters().address_list_errors, 0);
}

#[test]
fn skip_check_adv_addr_compares_only_for_a_new_sender_and_always_as_master() {
    let ours = InstanceConfig { skip_check_addresses: true, ..instance(0) };
    let other = InstanceConfig { addresses: vec![HIGHER], ..instance(0) };
    let mut router = Router::one(ours.clone());
    router.hear_from(&other, LOWER, 200);
    assert_eq!(router.counters().address_list_errors, 1);
    assert_eq!(router.machine.status(FIRST).unwrap().master, None);
    router.hear_from(&ours, LOWER, 200);
    router.hear_from(&other, LOWER, 200);
    assert_eq!(router.counters().address_list_errors, 1);
    router.wait(ms(4_000));
    assert_eq!(router.state(), State::Master);
    router.hear_from(&other, LOWER, 50);
    router.hear_from(&other, LOWER, 50);
    assert_eq!(router.counters().address_list_errors, 3);
}

#[test]
fn each_reason_is_reported_once_until_the_state_changes() {
    let mut router = Router::one(instance(0));
    router.forget_output();
    let bad = |router: &mut Router| {
        let message = good(&instance(0));
        router.hear_message(LAN, LOWER, GROUP_V4, Some(1), &message);
        router.hear_message(LAN, LOWER, GROUP_V4, Some(255), &message[..9]);
        router.events().len()
    };
    assert_eq!(bad(&mut router), 2);
    assert_eq!(bad(&mut router), 0);
    router.wait(ms(4_000));
    router.forget_output();
    assert_eq!(bad(&mut router), 2);
    let counters = router.counters();
    assert_eq!((counters.ttl_errors, counters.length_errors), (3, 3));
}

#[test]
fn v3_checksum_as_v2_sends_without_pseudo_header_and_believes_any() {
    let lax = InstanceConfig { v3_checksum_as_v2: true, ..instance(0) };
    let mut router = Router::one(lax.clone());
    router.hear_from(&instance(0), LOWER, 200);
    router.hear_from(&lax, LOWER, 200);
    assert_eq!((router.counters().adverts_received, router.counters().checksum_errors), (2, 0));
    router.wait(ms(4_000));
    let sent = &router.sink.adverts[0];
    assert_eq!(sent.message, message(&lax, OWN, GROUP_V4, 100));
}

#[test]
fn rfc9568_5_1_adverts_go_to_the_group_with_hop_limit_255_from_the_interface() {
    for (instance, source, group) in [(instance(0), OWN, GROUP_V4), (ipv6(0), OWN_V6.into(), GROUP_V6)] {
        let mut router = Router::one(instance.clone());
        router.wait(ms(4_000));
        let sent = &router.sink.adverts[0];
        assert_eq!((sent.source, sent.hop_limit, &sent.destinations[..]), (source, 255, &[group][..]));
        assert_eq!(sent.message, message(&instance, source, group, 100));
    }
}

#[test]
fn rfc9568_5_1_2_adverts_over_ipv6_come_from_the_link_local_address_and_go_to_the_group() {
    let mut router = Router::one(ipv6(0));
    router.wait(ms(4_000));
    let sent = &router.sink.adverts[0];
    assert_eq!((sent.source, &sent.destinations[..], sent.hop_limit), (OWN_V6.into(), &[GROUP_V6][..], 255));
}

#[test]
fn ipv6_instances_hear_ipv6_adverts() {
    let mut router = Router::one(ipv6(0));
    router.hear(LOWER_V6.into(), 200);
    assert_eq!(router.counters().adverts_received, 1);
    let status = router.machine.status(FIRST).unwrap();
    assert_eq!(status.master.unwrap().address, IpAddr::from(LOWER_V6));
}

#[test]
fn one_vrid_names_two_virtual_routers_in_two_families() {
    let six = InstanceConfig { id: SECOND, ..ipv6(0) };
    let mut router = Router::start(config(vec![instance(0), six]));
    router.hear_for(SECOND, LOWER_V6.into(), 200);
    assert_eq!(router.counters().adverts_received, 0);
    assert_eq!(router.machine.status(SECOND).unwrap().counters.adverts_received, 1);
}

#[test]
fn unicast_adverts_reach_each_peer_with_its_own_checksum() {
    let ours = unicast(0, &[LOWER, HIGHER]);
    let mut router = Router::one(ours.clone());
    router.wait(ms(3_700));
    let sent: Vec<_> =
        router.sink.adverts.iter().map(|sent| (sent.destinations.clone(), sent.message.clone())).collect();
    assert_eq!(sent, [LOWER, HIGHER].map(|peer| (vec![peer], message(&ours, OWN, peer, 100))));
    assert_eq!(router.counters().adverts_sent, 2);
}

#[test]
fn version_2_unicast_needs_one_message_for_all_peers() {
    let mut router =
        Router::one(InstanceConfig { transport: unicast(0, &[LOWER, HIGHER]).transport, ..version_2(0) });
    router.wait(ms(3_700));
    assert_eq!(router.sink.adverts.len(), 1);
    assert_eq!(router.sink.adverts[0].destinations, [LOWER, HIGHER]);
}

#[test]
fn a_peer_of_an_early_version_is_spoken_to_as_it_speaks() {
    let after_hearing_it = |early_checksum| {
        let ours = InstanceConfig { early_checksum, ..unicast(0, &[LOWER]) };
        let mut router = Router::one(ours.clone());
        router.hear_message(LAN, LOWER, OWN, Some(255), &message(&ours, LOWER, GROUP_V4, 50));
        let errors = router.counters().checksum_errors;
        router.wait(ms(5_000));
        let [modern, early] = [LOWER, GROUP_V4].map(|over| message(&ours, OWN, over, 100));
        let sent = &router.sink.adverts[0].message;
        assert!([&modern, &early].contains(&sent));
        (errors, *sent == early)
    };
    assert_eq!(after_hearing_it(EarlyChecksum::Never), (1, false));
    assert_eq!(after_hearing_it(EarlyChecksum::Detected(GROUP_V4)), (0, true));
    assert_eq!(after_hearing_it(EarlyChecksum::Spoken(GROUP_V4)), (0, true));
}

#[test]
fn a_checksum_over_anything_else_is_an_error_for_early_versions_too() {
    let ours = InstanceConfig { early_checksum: EarlyChecksum::Spoken(GROUP_V4), ..unicast(0, &[LOWER]) };
    let mut router = Router::one(ours.clone());
    router.hear_message(LAN, LOWER, OWN, Some(255), &message(&ours, LOWER, HIGHER, 200));
    assert_eq!(router.counters().checksum_errors, 1);
    // Those of today are understood in any case.
    router.hear_message(LAN, LOWER, OWN, Some(255), &message(&ours, LOWER, OWN, 200));
    assert_eq!(router.machine.status(FIRST).unwrap().master.unwrap().address, LOWER);
}

#[test]
fn unicast_peers_are_checked_for_source_and_ttl() {
    let peers = vec![UnicastPeer { address: LOWER, min_ttl: 250, max_ttl: 254 }];
    let transport = Transport::Unicast { peers, ttl: Some(253), check_source: true };
    let ours = InstanceConfig { transport, ..instance(0) };
    let mut router = Router::one(ours.clone());
    let from = |source| message(&ours, source, OWN, 200);
    router.hear_message(LAN, HIGHER, OWN, Some(252), &from(HIGHER));
    assert_eq!(router.counters().unknown_peers, 1);
    router.hear_message(LAN, LOWER, OWN, Some(249), &from(LOWER));
    router.hear_message(LAN, LOWER, OWN, Some(255), &from(LOWER));
    assert_eq!((router.counters().ttl_errors, router.machine.status(FIRST).unwrap().master), (2, None));
    router.hear_message(LAN, LOWER, OWN, Some(252), &from(LOWER));
    assert_eq!(router.machine.status(FIRST).unwrap().master.unwrap().address, LOWER);
    router.wait(ms(4_000));
    assert_eq!(router.sink.adverts[0].hop_limit, 253);
}

#[test]
fn multicast_on_a_unicast_instance_and_the_reverse_are_address_list_errors() {
    let mut router = Router::one(unicast(0, &[LOWER]));
    router.hear_message(LAN, LOWER, GROUP_V4, Some(255), &good(&instance(0)));
    assert_eq!((router.counters().address_list_errors, router.counters().adverts_received), (1, 0));
    let mut router = Router::one(instance(0));
    let message = message(&instance(0), LOWER, OWN, 200);
    router.hear_message(LAN, LOWER, OWN, Some(255), &message);
    assert_eq!((router.counters().address_list_errors, router.counters().adverts_received), (1, 0));
}

#[test]
fn unicast_instances_of_one_vrid_are_told_apart_by_their_peers() {
    let second = InstanceConfig { id: SECOND, ..unicast(0, &[HIGHER]) };
    let mut router = Router::start(config(vec![unicast(0, &[LOWER]), second]));
    router.hear_for(SECOND, HIGHER, 200);
    assert_eq!(router.counters().adverts_received, 0);
    assert_eq!(router.machine.status(SECOND).unwrap().counters.adverts_received, 1);
    router.hear_for(FIRST, LOWER, 200);
    assert_eq!(router.counters().adverts_received, 1);
}

#[test]
fn ipv6_of_the_other_kind_is_nobodys() {
    let mut router = Router::one(ipv6(0));
    let message = message(&ipv6(0), LOWER_V6.into(), OWN_V6.into(), 200);
    router.hear_message(LAN, LOWER_V6.into(), OWN_V6.into(), Some(255), &message);
    assert_eq!((router.counters(), router.machine.counters().unknown_vrid), (Counters::default(), 1));
}

#[test]
fn version_2_over_ipv6_is_spoken_and_heard() {
    let old = InstanceConfig { interval: version_2(0).interval, version: version_2(0).version, ..ipv6(0) };
    let mut router = Router::one(old.clone());
    router.hear(LOWER_V6.into(), 50);
    assert_eq!(router.counters().adverts_received, 1);
    router.wait(ms(4_000));
    assert_eq!(router.sink.adverts[0].message, message(&old, OWN_V6.into(), GROUP_V6, 100));
}

#[test]
fn unicast_and_multicast_of_one_vrid_are_told_apart_by_the_destination() {
    let both = vec![instance(0), InstanceConfig { id: SECOND, ..unicast(0, &[LOWER]) }];
    let mut router = Router::start(config(both));
    router.hear_for(FIRST, LOWER, 200);
    router.hear_for(SECOND, LOWER, 200);
    router.hear_for(SECOND, LOWER, 200);
    assert_eq!(router.counters().adverts_received, 1);
    assert_eq!(router.machine.status(SECOND).unwrap().counters.adverts_received, 2);
}
