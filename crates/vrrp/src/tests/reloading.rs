//! Reload by plan: only what differs is touched.

use std::net::IpAddr;
use std::sync::Arc;

use steadfast_wire::vrrp::{Priority, Vrid};

use super::router::*;
use crate::config::{Authentication, ScriptConfig, Transport, UnicastPeer};
use crate::{Action, Cause, Config, Event, InstanceConfig, Plan, State, known_again};

fn masters(count: u32) -> Router {
    let mut router = Router::start(config((0..count).map(instance).collect()));
    router.wait(ms(4_000));
    router.forget_output();
    router
}

#[test]
fn equal_configurations_make_an_empty_plan() {
    let old = grouped(vec![instance(0), tracking_script(1, 5, false)]);
    assert!(Plan::between(&old, &old.clone()).is_empty());
}

#[test]
fn the_plan_names_what_differs() {
    let old = config(vec![instance(0), instance(1), instance(2)]);
    let changed = InstanceConfig { nopreempt: true, ..instance(1) };
    let plan = Plan::between(&old, &config(vec![instance(0), changed, instance(3)]));
    assert_eq!(plan.removed(), [crate::InstanceId(2)]);
    assert_eq!(plan.changed().collect::<Vec<_>>(), [SECOND]);
    assert_eq!(plan.added().collect::<Vec<_>>(), [crate::InstanceId(3)]);
}

#[test]
fn unchanged_instances_keep_state_timers_and_addresses() {
    let mut router = masters(3);
    let before: Vec<_> = [0, 2].map(|id| router.machine.status(crate::InstanceId(id)).unwrap()).into();
    let changed = InstanceConfig { priority: Priority::new(50), ..instance(1) };
    router.reload(config(vec![instance(0), changed, instance(2), instance(3)]));
    let after: Vec<_> = [0, 2].map(|id| router.machine.status(crate::InstanceId(id)).unwrap()).into();
    assert_eq!(before, after);
    assert!(router.sink.adverts.is_empty());
    for action in router.actions() {
        let Action::Event(event) = action else { panic!("{action:?}") };
        let about = match event {
            Event::PriorityChanged { instance, .. } | Event::InstanceState { instance, .. } => instance,
            other => panic!("{other:?}"),
        };
        assert!(about == SECOND || about == crate::InstanceId(3));
    }
}

#[test]
fn no_advert_is_late_over_a_reload() {
    let mut router = masters(3);
    let other = |id| InstanceConfig { addresses: vec![LOWER, HIGHER], preempt_delay: ms(5), ..instance(id) };
    let mut last = router.now;
    for round in 0..20 {
        router.wait(ms(337));
        router.reload(config(vec![
            instance(0),
            if round % 2 == 0 { other(1) } else { instance(1) },
            instance(2),
        ]));
        for id in 0..3 {
            let times = router.sink.adverts.iter().filter(|sent| sent.instance.0 == id).map(|sent| sent.at);
            for pair in times.collect::<Vec<_>>().windows(2) {
                assert!(pair[1].since(pair[0]) <= ms(1_000));
            }
        }
        last = router.sink.adverts.last().map_or(last, |sent| sent.at);
    }
    assert!(router.now.since(last) <= ms(1_000));
}

#[test]
fn another_address_list_changes_the_advert_of_a_master_and_nothing_else() {
    let mut router = masters(2);
    let wider = InstanceConfig { addresses: vec![LOWER, HIGHER], ..instance(0) };
    router.reload(config(vec![wider.clone(), instance(1)]));
    assert_eq!(router.actions(), [Action::Addresses { instance: FIRST, wanted: true }]);
    router.wait(ms(1_000));
    let sent = router.sink.adverts.iter().find(|sent| sent.instance == FIRST).unwrap();
    assert_eq!(sent.message, message(&wider, OWN, GROUP_V4, 100));
}

#[test]
fn another_priority_shifts_the_timer_of_a_backup() {
    let mut router = Router::one(instance(0));
    router.wait(ms(1_000));
    let before = router.deadline();
    router.forget_output();
    router.reload(config(vec![InstanceConfig { priority: Priority::new(228), ..instance(0) }]));
    assert_eq!(router.priority(), 228);
    assert_eq!(router.deadline(), before - ms(500));
    assert!(
        matches!(&router.events()[..], [Event::PriorityChanged { causes, .. }] if causes == &[Cause::Reload])
    );
}

#[test]
fn a_shorter_interval_holds_at_once_and_a_longer_one_breaks_no_promise() {
    let mut router = masters(1);
    let due = router.deadline();
    router.reload(config(vec![InstanceConfig { interval: centiseconds(500), ..instance(0) }]));
    assert!(router.deadline() <= due);
    router.reload(config(vec![InstanceConfig { interval: centiseconds(10), ..instance(0) }]));
    assert!(router.deadline() <= ms(100));
    router.forget_output();
    router.wait(ms(1_000));
    assert!((10..=11).contains(&router.sink.adverts.len()));
}

#[test]
fn a_backup_keeps_the_interval_it_learned() {
    let mut router = Router::one(instance(0));
    let peer = InstanceConfig { interval: centiseconds(20), ..instance(0) };
    router.hear_from(&peer, LOWER, 200);
    router.reload(config(vec![InstanceConfig {
        nopreempt: true,
        interval: centiseconds(300),
        ..instance(0)
    }]));
    assert_eq!(router.machine.status(FIRST).unwrap().master_interval, ms(200));
    assert_eq!((router.state(), router.deadline()), (State::Backup, ms(600) + ms(200) * 156 / 256));
}

#[test]
fn another_password_holds_at_once() {
    let secret = |password: &[u8; 8]| InstanceConfig {
        authentication: Authentication::Password(*password),
        ..version_2(0)
    };
    let mut router = Router::one(secret(b"old\0\0\0\0\0"));
    router.reload(config(vec![secret(b"new\0\0\0\0\0")]));
    router.hear_from(&secret(b"old\0\0\0\0\0"), LOWER, 200);
    router.hear_from(&secret(b"new\0\0\0\0\0"), LOWER, 200);
    assert_eq!((router.counters().auth_failures, router.counters().adverts_received), (1, 1));
}

#[test]
fn an_added_instance_starts_and_an_added_owner_is_master() {
    let mut router = masters(1);
    router.reload(config(vec![instance(0), owner(1)]));
    assert_eq!(router.state_of(SECOND), State::Master);
    assert_eq!(router.sent(), [255]);
}

#[test]
fn an_added_tracker_does_not_interrupt_and_its_result_counts() {
    let mut router = masters(1);
    router.reload(config(vec![tracking_script(0, 0, false)]));
    assert_eq!(router.state(), State::Master);
    router.script(&[false]);
    assert_eq!(router.state(), State::Fault);
    router.reload(config(vec![instance(0)]));
    assert_eq!(router.state(), State::Backup, "what kept it out is no longer tracked");
}

#[test]
fn a_script_keeps_its_result_under_other_limits() {
    let mut router = Router::one(tracking_script(0, 0, false));
    router.script(&[true]);
    let tighter = ScriptConfig { rise: 5, fall: 1, ..(*script(3, 3)).clone() };
    let next = Config { scripts: vec![Arc::new(tighter)], ..config(vec![tracking_script(0, 0, false)]) };
    router.reload(next);
    assert_eq!(router.state(), State::Backup);
    router.script(&[false]);
    assert_eq!(router.state(), State::Fault);
}

#[test]
fn a_number_given_to_another_virtual_router_gives_the_addresses_up_at_once() {
    let mut router = masters(1);
    router.reload(config(vec![InstanceConfig { vrid: Vrid::new(77).unwrap(), ..instance(0) }]));
    assert_eq!(router.sent(), [0]);
    let rest: Vec<_> =
        router.actions().into_iter().filter(|action| !matches!(action, Action::Event(_))).collect();
    assert_eq!(
        rest,
        [
            Action::CancelAnnounce { instance: FIRST },
            Action::Addresses { instance: FIRST, wanted: false },
            Action::Removed { instance: FIRST },
        ]
    );
    assert_eq!(router.state(), State::Backup);
    router.hear(LOWER, 200);
    assert_eq!(router.counters().adverts_received, 1);
}

#[test]
fn repairing_a_broken_instance_starts_it() {
    let mut router = Router::one(InstanceConfig { broken: Some("no".into()), ..instance(0) });
    router.reload(config(vec![instance(0)]));
    assert_eq!(router.state(), State::Backup);
    router.reload(config(vec![InstanceConfig { addresses: vec![LOWER; 300], ..instance(0) }]));
    assert_eq!(router.state(), State::Fault);
}

#[test]
fn a_plan_applied_before_the_start_is_what_starts() {
    let mut router = Router::prepare(config(vec![instance(0)]), Vec::new());
    router.reload(config(vec![owner(0), instance(1)]));
    assert!(router.actions().is_empty());
    router.advance();
    assert_eq!((router.state(), router.state_of(SECOND)), (State::Master, State::Backup));
}

#[test]
fn adverts_move_to_another_interface_and_the_router_stays_the_same() {
    let mut router = Router::one(instance(0));
    let moved = InstanceConfig { adverts_on: WAN, ..instance(0) };
    router.reload(config(vec![moved.clone()]));
    let before = router.counters().adverts_received;
    router.hear_from(&instance(0), LOWER, 200);
    assert_eq!(router.counters().adverts_received, before, "nothing is heard where it was");
    router.hear_from(&moved, LOWER, 200);
    assert_eq!(router.counters().adverts_received, before + 1);
    assert_eq!(router.machine.status(FIRST).unwrap().interface, instance(0).interface);
}

#[test]
fn who_follows_a_plan_has_the_new_configuration() {
    let old = grouped(vec![instance(0), instance(1), instance(2)]);
    let changed = InstanceConfig { priority: Priority::new(7), ..instance(2) };
    let new = Config { scripts: Vec::new(), ..config(vec![instance(0), changed, instance(3)]) };
    for (from, to) in [(&old, &new), (&new, &old), (&old, &old)] {
        let mut followed = from.clone();
        followed.follow(&Plan::between(from, to));
        assert_eq!(&followed, to);
    }
}

#[test]
fn what_its_peers_know_it_by_makes_a_virtual_router_the_same() {
    let unicast = |source, peers: &[IpAddr]| {
        let peer = |address| UnicastPeer { address, min_ttl: 0, max_ttl: 255 };
        let peers = peers.iter().copied().map(peer).collect();
        let transport = Transport::Unicast { peers, ttl: None, check_source: false };
        InstanceConfig { transport, source: Some(source), ..instance(0) }
    };
    let other_group = Transport::Multicast { group: IpAddr::from([224, 0, 0, 77]) };
    let ways = [
        instance(0),
        InstanceConfig { vrid: Vrid::new(77).unwrap(), ..instance(0) },
        InstanceConfig { interface: crate::InterfaceId(9), ..instance(0) },
        InstanceConfig { transport: other_group, ..instance(0) },
        unicast(LOWER, &[HIGHER]),
        unicast(OWN, &[HIGHER]),
    ];
    for (at, one) in ways.iter().enumerate() {
        let renamed = InstanceConfig { name: "other".into(), priority: Priority::new(3), ..one.clone() };
        assert_eq!(one.key(), renamed.key());
        assert!(ways.iter().skip(at + 1).all(|other| one.key() != other.key()), "{one:?}");
    }
    assert_eq!(unicast(OWN, &[HIGHER]).key(), unicast(OWN, &[LOWER]).key());
    // A foreign source hides where a multicast router is, and is no part of what it is.
    assert_eq!(InstanceConfig { source: Some(HIGHER), ..instance(0) }.key(), instance(0).key());
    // The machine goes by the same rule.
    let mut router = masters(1);
    router.reload(config(vec![ways[3].clone()]));
    assert!(router.actions().contains(&Action::Removed { instance: FIRST }));
}

#[test]
fn a_router_is_known_again_by_its_name_and_then_by_its_place() {
    let known = |name: &str, vrid| {
        (InstanceConfig { vrid: Vrid::new(vrid).unwrap(), ..instance(0) }.key(), name.into())
    };
    let old = [known("A", 1), known("B", 1), known("C", 2)];
    let new = [known("X", 1), known("B", 1), known("Y", 1), known("C", 3)];
    assert_eq!(known_again(old, &new), [Some(0), Some(1), None, None]);
}
