//! Sync groups: keepalived's rules, the RFCs have none.

use std::sync::Arc;
use std::time::Duration;

use super::router::*;
use crate::config::AnnounceConfig;
use crate::{Cause, Config, Event, GroupConfig, GroupId, Input, InstanceConfig, InstanceId, State};

fn pair() -> Router {
    Router::start(grouped(vec![instance(0), instance(1)]))
}

fn both(router: &Router) -> (State, State) {
    (router.state_of(FIRST), router.state_of(SECOND))
}

#[test]
fn members_become_master_together() {
    let mut router = pair();
    assert_eq!(router.group_states(), [State::Backup]);
    router.wait(ms(3_700));
    assert_eq!(both(&router), (State::Master, State::Master));
    assert_eq!(router.group_states(), [State::Master]);
}

#[test]
fn a_member_waits_until_every_other_wants_master_too() {
    let mut router = pair();
    for _ in 0..8 {
        router.hear_for(SECOND, LOWER, 200);
        router.wait(ms(1_000));
        assert_eq!(both(&router), (State::Backup, State::Backup));
    }
    router.wait(ms(2_700));
    assert_eq!(
        both(&router),
        (State::Master, State::Master),
        "the silence of the second was the last obstacle"
    );
}

#[test]
fn a_member_that_hears_a_master_again_no_longer_wants_to_be_one() {
    let mut router = pair();
    router.hear_for(SECOND, LOWER, 200);
    router.wait(ms(3_605));
    router.hear_for(SECOND, LOWER, 200);
    router.wait(ms(10));
    router.hear_for(FIRST, LOWER, 200);
    router.wait(ms(3_604));
    assert_eq!(both(&router), (State::Backup, State::Backup));
}

#[test]
fn one_member_to_backup_takes_all() {
    let mut router = pair();
    router.wait(ms(4_000));
    router.forget_output();
    router.hear_for(SECOND, HIGHER, 100);
    assert_eq!(both(&router), (State::Backup, State::Backup));
    assert_eq!(router.sent(), [0_u8; 0]);
    let actions = router.sink.actions.clone();
    let followed = vec![
        Cause::HigherAddress { master: HIGHER },
        Cause::Group { group: "vg".into(), member: "vi1".into() },
    ];
    assert_eq!(router.transitions(), [(State::Backup, followed)]);
    router.sink.actions = actions;
    assert_eq!(router.group_states(), [State::Backup], "told once, after the members");
}

#[test]
fn one_member_in_fault_takes_all_and_the_last_fault_gone_brings_all_back() {
    let mut router = Router::start(grouped(vec![instance(0), tracking_interface(1, 0)]));
    router.wait(ms(4_000));
    router.forget_output();
    router.interface(WAN, false);
    assert_eq!(both(&router), (State::Fault, State::Fault));
    assert_eq!(router.sent(), [0, 0, 0, 0]);
    let group = Cause::Group { group: "vg".into(), member: "vi1".into() };
    assert_eq!(router.machine.status(FIRST).unwrap().faults, std::slice::from_ref(&group));
    let down = Cause::Interface { name: "wan".into(), up: false };
    assert_eq!(router.transitions(), [(State::Fault, vec![down, group])]);
    router.interface(WAN, true);
    assert_eq!(both(&router), (State::Backup, State::Backup));
    assert_eq!(router.group_states(), [State::Backup]);
}

#[test]
fn a_group_waits_for_the_scripts_of_all_members() {
    let mut router = Router::start(grouped(vec![instance(0), tracking_script(1, 0, false)]));
    assert_eq!(both(&router), (State::Init, State::Init));
    router.script(&[true]);
    assert_eq!(both(&router), (State::Backup, State::Backup));
}

#[test]
fn a_group_starts_as_master_only_if_all_are_owners() {
    let router = Router::start(grouped(vec![owner(0), owner(1)]));
    assert_eq!(both(&router), (State::Master, State::Master));
    let router = Router::start(grouped(vec![owner(0), instance(1)]));
    assert_eq!(both(&router), (State::Backup, State::Backup));
}

#[test]
fn a_lower_advert_makes_all_members_announce_but_each_once_an_interval() {
    let announce = crate::config::AnnounceConfig { lower_priority_repeat: 3, ..instance(0).announce };
    let members = (0..2).map(|id| InstanceConfig { announce, ..instance(id) }).collect();
    let mut router = Router::start(grouped(members));
    router.wait(ms(4_000));
    router.forget_output();
    router.hear_for(FIRST, LOWER, 50);
    assert_eq!(router.announcements(), [(FIRST, 3), (SECOND, 3)]);
    router.hear_for(SECOND, LOWER, 50);
    assert_eq!(router.announcements(), [(SECOND, 3)]);
}

#[test]
fn a_stopped_group_is_told_after_its_members() {
    let mut router = pair();
    router.forget_output();
    router.input(Input::Stop);
    assert_eq!(router.group_states(), [State::Stop]);
}

#[test]
fn a_large_group_takes_over_in_one_go() {
    let mut router = Router::start(grouped((0..500).map(instance).collect()));
    router.wait(ms(3_700));
    assert!((0..500).all(|id| router.state_of(crate::InstanceId(id)) == State::Master));
    router.forget_output();
    router.interface(LAN, false);
    assert!((0..500).all(|id| router.state_of(crate::InstanceId(id)) == State::Fault));
    assert_eq!(router.group_states(), [State::Fault]);
}

#[test]
fn a_reload_that_adds_a_faulty_member_takes_the_group_down() {
    let mut router = Router::start(grouped(vec![instance(0), instance(1)]));
    router.wait(ms(4_000));
    let broken = InstanceConfig { broken: Some("bad".into()), ..instance(2) };
    router.reload(grouped(vec![instance(0), instance(1), broken]));
    assert_eq!(both(&router), (State::Fault, State::Fault));
    router.reload(grouped(vec![instance(0), instance(1)]));
    assert_eq!(both(&router), (State::Backup, State::Backup));
}

fn members(configs: Vec<InstanceConfig>, grouped_ids: &[u32]) -> Config {
    let in_group = |config: &InstanceConfig| grouped_ids.contains(&config.id.0);
    let instances = configs
        .into_iter()
        .map(|config| InstanceConfig { group: in_group(&config).then_some(GroupId(0)), ..config });
    let members = grouped_ids.iter().copied().map(InstanceId).collect();
    let group = Arc::new(GroupConfig { id: GroupId(0), name: Arc::from("vg"), members });
    Config { groups: vec![group], ..config(instances.collect()) }
}

#[test]
fn a_reload_that_makes_a_group_of_a_master_and_a_backup_leaves_no_master() {
    let mut router = Router::start(config(vec![instance(0), instance(1)]));
    for _ in 0..5 {
        router.hear_for(SECOND, HIGHER, 200);
        router.wait(ms(900));
    }
    assert_eq!(both(&router), (State::Master, State::Backup));
    router.hear_for(SECOND, HIGHER, 200);
    router.forget_output();
    router.reload(members(vec![instance(0), instance(1)], &[0, 1]));
    assert_eq!(both(&router), (State::Backup, State::Backup));
    assert_eq!(router.sent(), [0], "nobody has the addresses yet: the other router shall not wait");
    assert_eq!(router.addresses_wanted(), Some(false));
}

#[test]
fn a_member_that_joins_elects_first_and_the_group_is_told_nothing_meanwhile() {
    let three = || vec![instance(0), instance(1), instance(2)];
    let mut router = Router::start(members(three()[..2].to_vec(), &[0, 1]));
    router.wait(ms(4_000));
    router.forget_output();
    router.reload(members(three(), &[0, 1, 2]));
    assert_eq!(both(&router), (State::Master, State::Master));
    assert_eq!(router.state_of(InstanceId(2)), State::Backup);
    router.wait(ms(4_000));
    assert_eq!(router.state_of(InstanceId(2)), State::Master);
    let told = router.events();
    let groups = told.iter().filter(|event| matches!(event, Event::GroupState { .. })).count();
    let others =
        told.iter().filter(|event| matches!(event, Event::InstanceState { instance, .. } if instance.0 < 2));
    assert_eq!((groups, others.count()), (0, 0), "{told:?}");
}

#[test]
fn a_member_that_joins_and_loses_takes_the_group_with_it() {
    let three = || vec![instance(0), instance(1), instance(2)];
    let mut router = Router::start(members(three()[..2].to_vec(), &[0, 1]));
    router.wait(ms(4_000));
    router.forget_output();
    router.reload(members(three(), &[0, 1, 2]));
    router.hear_for(InstanceId(2), HIGHER, 200);
    assert_eq!(both(&router), (State::Backup, State::Backup));
    assert_eq!(router.group_states(), [State::Backup]);
}

#[test]
fn a_member_that_joins_in_fault_takes_the_group_with_it() {
    let mut router = Router::start(members(vec![instance(0), instance(1)], &[0, 1]));
    router.wait(ms(4_000));
    router.forget_output();
    let broken = InstanceConfig { broken: Some(Arc::from("no peers")), ..instance(2) };
    router.reload(members(vec![instance(0), instance(1), broken], &[0, 1, 2]));
    assert_eq!(both(&router), (State::Fault, State::Fault));
    assert_eq!(router.group_states(), [State::Fault]);
}

/// Master of both, with announcements over lower priorities of four packets, once each.
fn announcing_pair() -> Router {
    let announce = AnnounceConfig {
        lower_priority_repeat: 4,
        lower_priority_delay: Duration::ZERO,
        ..instance(0).announce
    };
    let member = |id| InstanceConfig { announce, ..instance(id) };
    let mut router = Router::start(grouped(vec![member(0), member(1)]));
    router.wait(ms(10_000));
    router.forget_output();
    router
}

/// The other router's group gives way because of one of its members: of the other members nobody hears a last word.
#[test]
fn the_last_word_of_one_lower_member_is_announced_over_by_all() {
    let mut router = announcing_pair();
    router.hear_for(FIRST, LOWER, 50);
    assert_eq!(router.announcements(), [(FIRST, 4), (SECOND, 4)]);
    router.wait(ms(20));
    router.hear_for(FIRST, HIGHER, 60);
    assert_eq!(router.announcements(), []);
    router.wait(ms(260));
    assert_eq!(router.announcements(), [(FIRST, 4), (SECOND, 4)]);
    router.wait(ms(60_000));
    assert_eq!(router.announcements(), []);
}

#[test]
fn a_member_that_announced_shortly_before_another_one_heard_a_lower_priority_does_it_once_more() {
    let mut router = announcing_pair();
    router.hear_for(FIRST, LOWER, 50);
    assert_eq!(router.announcements(), [(FIRST, 4), (SECOND, 4)]);
    router.wait(ms(500));
    assert_eq!(router.announcements(), [(FIRST, 4), (SECOND, 4)], "the other had only just begun");
    router.hear_for(FIRST, HIGHER, 60);
    assert_eq!(router.announcements(), [(FIRST, 4)]);
    router.wait(ms(1_200));
    assert_eq!(router.announcements(), []);
    router.wait(ms(60));
    assert_eq!(router.announcements(), [(FIRST, 4), (SECOND, 4)], "it is quiet");
    router.wait(ms(60_000));
    assert_eq!(router.announcements(), []);
}

#[test]
fn lower_priorities_that_go_on_are_announced_over_once_an_interval_by_each() {
    let mut router = announcing_pair();
    router.hear_for(FIRST, LOWER, 50);
    router.hear_for(SECOND, LOWER, 50);
    router.wait(ms(1_500));
    router.forget_output();
    for _ in 0..10 {
        router.hear_for(FIRST, LOWER, 50);
        router.hear_for(SECOND, LOWER, 50);
        assert_eq!(router.announcements(), [(FIRST, 4), (SECOND, 4), (SECOND, 4)]);
        router.wait(ms(1_000));
    }
    assert_eq!(router.announcements(), []);
}
