//! Size: 4,000 instances, and a receive path that neither touches the queue nor allocates.

use std::collections::BTreeSet;

use steadfast_wire::vrrp::Carrier;

use super::router::*;
use crate::{Action, Datagram, Input, InstanceConfig, InstanceId, Machine, Moment, Sink, State, Transmit};

const MANY: u32 = 4_000;

#[derive(Default)]
struct Count {
    adverts: u32,
}

impl Sink for Count {
    fn transmit(&mut self, _: Transmit<'_>) -> bool {
        self.adverts += 1;
        true
    }

    fn act(&mut self, _: Action) {}

    fn remember(&mut self, _: InstanceId) {}

    fn forged(&mut self) {}

    fn follow(&mut self, _: InstanceId) {}
}

fn many() -> Router {
    Router::start(config((0..MANY).map(instance).collect()))
}

/// One advert of a master for each instance, as octets.
fn adverts(router: &Router) -> Vec<(InstanceConfig, Vec<u8>)> {
    let advert = |instance: &std::sync::Arc<InstanceConfig>| {
        (InstanceConfig::clone(instance), message(instance, LOWER, GROUP_V4, 200))
    };
    router.config.instances.iter().map(advert).collect()
}

fn hear_all(machine: &mut Machine, now: Moment, adverts: &[(InstanceConfig, Vec<u8>)], sink: &mut impl Sink) {
    for (instance, message) in adverts {
        let datagram = Datagram {
            interface: instance.interface,
            source: LOWER,
            destination: GROUP_V4,
            hop_limit: Some(255),
            carrier: Carrier::Ip,
            message,
        };
        machine.handle(now, Input::Datagram(datagram), sink);
    }
}

#[test]
fn received_adverts_do_not_touch_the_queue() {
    let mut router = many();
    let adverts = adverts(&router);
    let touched = router.machine.queue().touched();
    for step in 1..=100 {
        let now = router.now + ms(step);
        hear_all(&mut router.machine, now, &adverts, &mut Count::default());
    }
    assert_eq!(router.machine.queue().touched(), touched);
    assert_eq!(router.counters().adverts_received, 100);
}

#[test]
fn received_and_sent_adverts_allocate_nothing() {
    let mut router = many();
    let adverts = adverts(&router);
    let sink = &mut Count::default();
    hear_all(&mut router.machine, router.now, &adverts, sink);
    let heard = allocation_counter::measure(|| {
        for step in 1..=3 {
            hear_all(&mut router.machine, router.now + ms(step), &adverts, sink);
        }
    });
    assert_eq!(heard.count_total, 0);

    // All become master, and send once more each so that every message is built.
    router.wait(ms(6_000));
    let end = router.now + ms(5_000);
    let sent = allocation_counter::measure(|| {
        while let Some(at) = router.machine.next_wakeup().filter(|at| *at < end) {
            router.machine.advance(at, sink);
        }
    });
    assert_eq!((sent.count_total, sink.adverts), (0, 5 * MANY));

    // A lower master gives each of them a deadline before its next advert, for which the queue grows at the first time.
    let lower: Vec<_> =
        adverts.iter().map(|(peer, _)| (peer.clone(), message(peer, LOWER, GROUP_V4, 50))).collect();
    hear_all(&mut router.machine, end, &lower, sink);
    let again = end + ms(5_000);
    while let Some(at) = router.machine.next_wakeup().filter(|at| *at < again) {
        router.machine.advance(at, sink);
    }
    let before = sink.adverts;
    let answered = allocation_counter::measure(|| hear_all(&mut router.machine, again, &lower, sink));
    assert_eq!((answered.count_total, sink.adverts), (0, before + MANY));
}

#[test]
fn four_thousand_backups_stay_backups_and_are_woken_rarely() {
    let mut router = many();
    let adverts = adverts(&router);
    let mut wakeups = 0;
    for _ in 0..60 {
        let end = router.now + ms(1_000);
        while let Some(at) = router.machine.next_wakeup().filter(|at| *at < end) {
            router.now = at;
            router.advance();
            wakeups += 1;
        }
        router.now = end;
        hear_all(&mut router.machine, end, &adverts, &mut Count::default());
        router.advance();
    }
    assert!((0..MANY).all(|id| router.state_of(InstanceId(id)) == State::Backup));
    assert_eq!(wakeups, 0, "the adverts themselves come before any timer");
}

#[test]
fn four_thousand_masters_share_sixty_three_wakeups_an_interval() {
    let mut router = many();
    router.wait(ms(10_000));
    router.forget_output();
    router.wait(ms(10_000));
    assert_eq!(router.sink.adverts.len(), 10 * MANY as usize);
    let moments: BTreeSet<_> = router.sink.adverts.iter().map(|advert| advert.at).collect();
    // 64 together, and the last ones alone.
    assert_eq!(moments.len(), 10 * (MANY as usize).div_ceil(64));
    let largest =
        moments.iter().map(|at| router.sink.adverts.iter().filter(|advert| advert.at == *at).count()).max();
    assert_eq!(largest, Some(64));
}

#[test]
fn each_of_four_thousand_hears_only_its_own() {
    let mut router = many();
    let chosen = InstanceId(2_345);
    router.hear_for(chosen, LOWER, 200);
    for id in 0..MANY {
        let heard = router.machine.status(InstanceId(id)).unwrap().counters.adverts_received;
        assert_eq!(heard, u64::from(InstanceId(id) == chosen));
    }
}

#[test]
fn the_queue_does_not_grow_with_what_is_heard() {
    let mut router = Router::one(instance(0));
    for round in 0..1_000_u64 {
        router.now = router.now + ms(round % 3);
        router.hear(LOWER, if round % 2 == 0 { 0 } else { 200 });
        router.advance();
    }
    assert!(router.machine.queue().len() < 20, "{}", router.machine.queue().len());
}

#[test]
fn a_message_is_built_again_only_when_its_contents_change() {
    let mut router = Router::start(config(vec![tracking_script(0, -50, false)]));
    let builds = |router: &Router| router.machine.instances.get(FIRST).unwrap().advert.builds;
    router.wait(ms(3_000));
    assert_eq!(builds(&router), 0, "a backup has nothing to send");
    router.wait(ms(20_000));
    assert_eq!(builds(&router), 1);
    router.script(&[false]);
    router.wait(ms(20_000));
    assert_eq!(builds(&router), 2);
}

/// How many members are looked at while `work` is done with a group of `members`, for each of them.
fn looks(router: &mut Router, work: impl FnOnce(&mut Router)) -> usize {
    let sum =
        |router: &Router| router.machine.groups.values().map(|group| group.looked_at.get()).sum::<usize>();
    let before = sum(router);
    work(router);
    sum(router) - before
}

#[test]
fn the_status_of_a_large_sync_group_looks_at_each_member_a_few_times() {
    let status = |router: &mut Router| {
        for id in 0..MANY {
            router.machine.status(InstanceId(id)).unwrap();
        }
    };
    let mut members: Vec<_> = (0..MANY).map(instance).collect();
    // The last one is in FAULT, and all because of it.
    *members.last_mut().unwrap() =
        InstanceConfig { broken: Some("no peers".into()), ..members.last().unwrap().clone() };
    let mut faulty = Router::start(grouped(members));
    assert_eq!(faulty.state_of(FIRST), State::Fault);
    let looked = looks(&mut faulty, status);
    assert!((MANY as usize..4 * MANY as usize).contains(&looked), "{looked}");
    let mut sound = Router::start(grouped((0..MANY).map(instance).collect()));
    assert_eq!(looks(&mut sound, status), 0);
}

#[test]
fn lower_priorities_heard_by_a_large_sync_group_look_at_each_member_a_few_times() {
    let mut router = Router::start(grouped((0..MANY).map(instance).collect()));
    router.wait(ms(10_000));
    assert_eq!(router.state_of(FIRST), State::Master);
    let lower = adverts(&router).into_iter().map(|(peer, _)| {
        let message = message(&peer, LOWER, GROUP_V4, 50);
        (peer, message)
    });
    let lower: Vec<_> = lower.collect();
    let looked = looks(&mut router, |router| {
        hear_all(&mut router.machine, router.now, &lower, &mut Count::default());
    });
    assert!((MANY as usize..4 * MANY as usize).contains(&looked), "{looked}");
}

#[test]
fn a_large_sync_group_starts_in_time_proportional_to_its_size() {
    let octets = |members: u32| {
        let config = grouped((0..members).map(instance).collect());
        let mut router = Router::prepare(config, Vec::new());
        let now = router.now;
        allocation_counter::measure(|| router.machine.advance(now, &mut Count::default())).bytes_total
    };
    let (few, many) = (octets(500), octets(4_000));
    assert!(many < few * 12, "{few} for 500 members, {many} for 4,000");
}
