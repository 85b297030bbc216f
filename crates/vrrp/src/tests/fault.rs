//! FAULT, its sources, and what trackers do to the priority (RFC 9568 section 5.2.4 bounds it).

use std::sync::Arc;

use steadfast_wire::vrrp::Priority;

use super::router::*;
use crate::config::ScriptConfig;
use crate::{Action, Cause, Config, Event, Input, InstanceConfig, State};

fn with_script(instance: InstanceConfig, script: ScriptConfig) -> Router {
    Router::start(Config { scripts: vec![Arc::new(script)], ..config(vec![instance]) })
}

#[test]
fn interface_down_is_a_fault_with_two_releases_and_up_again_is_backup() {
    let mut router = Router::one(instance(0));
    router.wait(ms(4_000));
    router.forget_output();
    router.interface(LAN, false);
    assert_eq!(router.sent(), [0, 0]);
    let down = Cause::Interface { name: "lan".into(), up: false };
    assert_eq!(router.machine.status(FIRST).unwrap().faults, std::slice::from_ref(&down));
    assert_eq!(router.transitions(), [(State::Fault, vec![down])]);
    router.hear(LOWER, 200);
    assert_eq!(router.counters().adverts_received, 0, "nothing is heard in FAULT");
    router.wait(ms(10_000));
    assert_eq!(router.sent(), [0_u8; 0]);

    router.interface(LAN, true);
    assert_eq!(
        router.transitions(),
        [(State::Backup, vec![Cause::Interface { name: "lan".into(), up: true }])]
    );
    assert_eq!(router.deadline(), ms(3_000) + ms(1000) * 156 / 256);
}

#[test]
fn a_master_in_fault_gives_its_addresses_up() {
    let mut router = Router::one(instance(0));
    router.wait(ms(4_000));
    router.interface(LAN, false);
    assert_eq!(router.addresses_wanted(), Some(false));
}

#[test]
fn an_interface_that_never_was_described_is_down() {
    let mut router = Router::one(InstanceConfig { interface: crate::InterfaceId(77), ..instance(0) });
    assert_eq!(router.state(), State::Backup);
    router.interface(crate::InterfaceId(77), false);
    assert_eq!(router.state(), State::Fault);
    let mut never = crate::Machine::new(router.now, config(vec![instance(0)]), Vec::new());
    never.advance(router.now, &mut router.sink);
    assert_eq!(never.status(FIRST).unwrap().state, State::Fault);
}

#[test]
fn dont_track_primary_ignores_the_own_interface() {
    let mut router = Router::one(InstanceConfig { dont_track_interface: true, ..instance(0) });
    router.interface(LAN, false);
    assert_eq!(router.state(), State::Backup);
}

#[test]
fn an_owner_comes_back_from_fault_as_master() {
    let mut router = Router::one(owner(0));
    router.interface(LAN, false);
    router.forget_output();
    router.interface(LAN, true);
    assert_eq!(router.state(), State::Master);
    assert_eq!(router.sent(), [255]);
}

fn source(router: &mut Router, v4: Option<&str>, v6: Option<&str>) {
    router.input(Input::Interface {
        interface: LAN,
        up: true,
        source_v4: v4.map(|address| address.parse().unwrap()),
        source_v6: v6.map(|address| address.parse().unwrap()),
        mtu: 1500,
    });
}

#[test]
fn no_source_address_is_a_fault_for_its_family_only() {
    let mut router = Router::start(config(vec![instance(0), ipv6(1)]));
    source(&mut router, None, Some("fe80::7"));
    assert_eq!((router.state_of(FIRST), router.state_of(SECOND)), (State::Fault, State::Backup));
    assert_eq!(router.transitions().last().unwrap().1, [Cause::Source { address: None, present: false }]);
    source(&mut router, Some("10.0.0.77"), None);
    assert_eq!((router.state_of(FIRST), router.state_of(SECOND)), (State::Backup, State::Fault));
}

#[test]
fn a_changed_source_address_is_used_from_the_next_advert_on() {
    let mut router = Router::one(instance(0));
    router.wait(ms(4_000));
    source(&mut router, Some("10.0.0.77"), None);
    assert_eq!(router.state(), State::Master);
    router.forget_output();
    router.wait(ms(1_000));
    let advert = &router.sink.adverts[0];
    assert_eq!(advert.source.to_string(), "10.0.0.77");
    let mut expected = router.config.instances[0].clone();
    Arc::make_mut(&mut expected).source = None;
    assert_eq!(advert.message, message(&expected, advert.source, GROUP_V4, 100));
}

#[test]
fn a_unicast_source_that_the_host_has_not_is_a_fault_until_it_comes() {
    for track_source in [false, true] {
        let mut router =
            Router::one(InstanceConfig { source: Some(HIGHER), track_source, ..unicast(0, &[LOWER]) });
        let absent = Cause::Source { address: Some(HIGHER), present: false };
        assert_eq!(router.transitions(), [(State::Fault, vec![Cause::Start, absent])]);
        source(&mut router, None, None);
        assert_eq!(router.state(), State::Fault, "the interface's own address does not help");
        router.input(Input::SourcePresent { address: HIGHER, present: true });
        assert_eq!(router.state(), State::Backup);
        router.wait(ms(4_000));
        assert_eq!(router.state(), State::Master);
        router.input(Input::SourcePresent { address: HIGHER, present: false });
        assert_eq!(router.state(), State::Fault);
    }
}

#[test]
fn a_foreign_multicast_source_is_a_fault_only_when_tracked() {
    for track_source in [false, true] {
        let mut router = Router::one(InstanceConfig { source: Some(HIGHER), track_source, ..instance(0) });
        assert_eq!(router.state(), if track_source { State::Fault } else { State::Backup });
        router.input(Input::SourcePresent { address: HIGHER, present: true });
        assert_eq!(router.state(), State::Backup);
    }
}

#[test]
fn an_instance_that_a_reload_brings_finds_the_source_that_was_told_before() {
    let mut router = Router::one(instance(0));
    router.forget_output();
    router.input(Input::SourcePresent { address: HIGHER, present: true });
    let added = InstanceConfig { source: Some(HIGHER), ..unicast(1, &[LOWER]) };
    router.reload(config(vec![instance(0), added]));
    assert_eq!(router.state_of(SECOND), State::Backup);
    let told = router.events();
    assert!(matches!(told[..], [Event::InstanceState { to: State::Backup, .. }]), "{told:?}");
}

#[test]
fn a_unicast_instance_announces_its_source_when_it_leaves_fault() {
    let mut router = Router::one(unicast(0, &[LOWER]));
    router.interface(LAN, false);
    router.forget_output();
    router.interface(LAN, true);
    assert!(router.actions().contains(&Action::AnnounceSource { instance: FIRST }));
}

#[test]
fn broken_configuration_is_a_permanent_fault_with_its_reason() {
    let mut router = Router::one(InstanceConfig { broken: Some("no peers".into()), ..owner(0) });
    assert_eq!(router.state(), State::Fault);
    let broken = Cause::Broken { reason: "no peers".into() };
    assert_eq!(router.transitions(), [(State::Fault, vec![Cause::Start, broken])]);
    router.interface(LAN, false);
    router.interface(LAN, true);
    assert_eq!(router.state(), State::Fault);
}

#[test]
fn an_instance_that_cannot_be_advertised_is_broken() {
    let crowded = vec![LOWER; 256];
    let router = Router::one(InstanceConfig { addresses: crowded, ..instance(0) });
    assert_eq!(router.state(), State::Fault);
    let faults = router.machine.status(FIRST).unwrap().faults;
    assert!(matches!(&faults[..], [Cause::Broken { reason }] if reason.contains("256")), "{faults:?}");
}

#[test]
fn an_unweighted_tracked_interface_is_a_fault_and_a_weighted_one_moves_the_priority() {
    let mut router = Router::one(tracking_interface(0, 0));
    router.interface(WAN, false);
    assert_eq!(router.state(), State::Fault);

    let mut router = Router::one(tracking_interface(0, 20));
    assert_eq!(router.priority(), 120);
    router.interface(WAN, false);
    assert_eq!((router.state(), router.priority()), (State::Backup, 100));

    let mut router = Router::one(tracking_interface(0, -20));
    router.forget_output();
    router.interface(WAN, false);
    assert_eq!(router.priority(), 80);
    let status = router.machine.status(FIRST).unwrap();
    assert_eq!((status.trackers[0].share, status.trackers[0].fault), (-20, false));
    let causes = vec![Cause::Interface { name: "wan".into(), up: false }];
    let (from, to) = (Priority::new(100), Priority::new(80));
    assert_eq!(
        router.events(),
        [Event::PriorityChanged { instance: FIRST, at: router.now, from, to, causes }]
    );
}

#[test]
fn an_unweighted_script_keeps_the_instance_out_until_its_first_result() {
    let mut router = Router::one(tracking_script(0, 0, false));
    assert_eq!(router.state(), State::Init);
    router.hear(LOWER, 200);
    router.wait(ms(10_000));
    assert_eq!((router.state(), router.transitions()), (State::Init, vec![]));
    router.script(&[true]);
    assert_eq!(router.state(), State::Backup);
    router.script(&[false, false, false]);
    let failed = Cause::Script { name: "chk".into(), good: false, times: 3 };
    assert_eq!(router.transitions().last().unwrap(), &(State::Fault, vec![failed]));
}

#[test]
fn a_first_failure_is_a_fault() {
    let mut router = Router::one(tracking_script(0, 0, false));
    router.script(&[false]);
    assert_eq!(router.state(), State::Fault);
    router.script(&[true, true]);
    assert_eq!(router.state(), State::Fault);
    router.script(&[true]);
    assert_eq!(router.state(), State::Backup);
}

#[test]
fn init_fail_starts_in_fault() {
    let failed = ScriptConfig { init_fail: true, ..(*script(2, 2)).clone() };
    let mut router = with_script(tracking_script(0, 0, false), failed);
    assert_eq!(router.state(), State::Fault);
    router.script(&[true, true]);
    assert_eq!(router.state(), State::Backup);
}

#[test]
fn an_unweighted_reversed_script_is_a_fault_while_good() {
    let mut router = Router::one(tracking_script(0, 0, true));
    router.script(&[true]);
    assert_eq!(router.state(), State::Fault);
    router.script(&[false, false, false]);
    assert_eq!(router.state(), State::Backup);
}

#[test]
fn weights_are_added_while_good_or_bad_and_negated_by_reverse() {
    for (weight, reverse, while_good, while_bad) in
        [(30, false, 130, 100), (-30, false, 100, 70), (30, true, 70, 100), (-30, true, 100, 130)]
    {
        let mut router = Router::one(tracking_script(0, weight, reverse));
        assert_eq!((router.state(), router.priority()), (State::Backup, 100), "not known yet");
        router.script(&[true]);
        assert_eq!(router.priority(), while_good, "{weight} {reverse}");
        router.script(&[false, false, false]);
        assert_eq!(router.priority(), while_bad, "{weight} {reverse}");
    }
}

#[test]
fn rfc9568_5_2_4_weights_never_reach_the_owners_priority_nor_release() {
    let mut router = Router::one(tracking_script(0, 253, false));
    router.script(&[true]);
    assert_eq!(router.priority(), 254);
    let mut router = Router::one(tracking_script(0, -253, false));
    router.script(&[false]);
    assert_eq!(router.priority(), 1);
}

#[test]
fn rfc9568_5_2_4_an_owner_ignores_weights() {
    let mut router = Router::one(InstanceConfig {
        track_scripts: tracking_script(0, -100, false).track_scripts,
        ..owner(0)
    });
    router.script(&[false]);
    assert_eq!(router.priority(), 255);
    assert_eq!(router.machine.status(FIRST).unwrap().trackers[0].share, 0);
}

#[test]
fn a_master_tells_its_changed_priority_in_the_next_advert() {
    let mut router = Router::one(tracking_script(0, -50, false));
    router.wait(ms(4_000));
    router.forget_output();
    router.script(&[false]);
    assert_eq!(router.sent(), [0_u8; 0]);
    router.wait(ms(1_000));
    assert_eq!(router.sent(), [50]);
}

#[test]
fn the_learned_interval_is_forgotten_in_fault() {
    let mut router = Router::one(instance(0));
    let peer = InstanceConfig { interval: centiseconds(10), ..instance(0) };
    router.hear_from(&peer, LOWER, 200);
    router.interface(LAN, false);
    router.interface(LAN, true);
    assert_eq!(router.machine.status(FIRST).unwrap().master_interval, ms(1_000));
}
