//! Asking by other ways than adverts who else serves.

use std::net::IpAddr;

use steadfast_wire::vrrp::Priority;

use super::router::*;
use crate::{
    Action, Cause, Event, Input, InstanceConfig, InstanceId, Moment, SPLIT_BRAIN_CHANCE, SPLIT_BRAIN_SETTLE,
    SPLIT_BRAIN_SPREAD, Served, SplitBrainCheck, State,
};

/// Master down interval of priority 100, and a little.
const DOWN: u64 = 3_610;
const WITHIN: u64 = 200;
const EVERY: u64 = 5_000;

fn check(yields: bool) -> SplitBrainCheck {
    SplitBrainCheck { link: true, arbiter: None, service: None, yields, within: ms(WITHIN), every: ms(EVERY) }
}

fn asking(id: u32, yields: bool) -> InstanceConfig {
    InstanceConfig { split_brain_check: Some(Box::new(check(yields))), ..instance(id) }
}

fn other() -> Served {
    Served::Link { address: "10.1.0.0".parse().unwrap(), hardware: [2, 0, 0, 0, 0, 9] }
}

/// What was asked last, and of what kind; everything else goes.
fn asked(router: &mut Router, id: InstanceId) -> Option<(Moment, bool)> {
    router
        .actions()
        .iter()
        .filter_map(|action| match action {
            Action::AskWhoServes { instance, asked, only_arbiter } if *instance == id => {
                Some((*asked, *only_arbiter))
            }
            _ => None,
        })
        .next_back()
}

/// Lets time pass to the next question.
fn next_question(router: &mut Router, at_most: u64) -> Option<Moment> {
    for _ in 0..at_most / 10 {
        router.wait(ms(10));
        if let Some((asked, _)) = asked(router, FIRST) {
            return Some(asked);
        }
    }
    None
}

fn answer(router: &mut Router, id: InstanceId, asked: Moment, served: Option<Served>) {
    router.input(Input::WhoServes { instance: id, asked, served });
}

/// What is told of it.
fn told(router: &mut Router) -> Vec<String> {
    let name = |action: &Action| match action {
        Action::Event(Event::ServedElsewhere { state, yields, .. }) => {
            Some(format!("elsewhere {state:?} {yields}"))
        }
        Action::Event(Event::ServedHereAlone { .. }) => Some("alone".to_owned()),
        Action::Event(Event::InstanceState { to, .. }) => Some(format!("{to:?}")),
        _ => None,
    };
    router.actions().iter().filter_map(name).collect()
}

/// About to become master, and has asked.
fn candidate(yields: bool) -> (Router, Moment) {
    let mut router = Router::one(asking(0, yields));
    router.forget_output();
    router.wait(ms(DOWN));
    assert_eq!(router.sent(), [0; 0], "it asks first");
    let (asked, only_arbiter) = asked(&mut router, FIRST).unwrap();
    assert!(!only_arbiter);
    (router, asked)
}

/// Has been master for a while, alone.
fn master(yields: bool) -> Router {
    let (mut router, asked) = candidate(yields);
    answer(&mut router, FIRST, asked, None);
    router.advance();
    assert_eq!(router.state(), State::Master);
    router.forget_output();
    router
}

#[test]
fn nobody_else_serves_and_the_router_becomes_master_at_once() {
    let mut router = master(true);
    // The first question comes when everybody knows of the master, those after it in their rhythm.
    let first = next_question(&mut router, 2_000).unwrap();
    let since = router.machine.status(FIRST).unwrap().since;
    assert_eq!(first, since + SPLIT_BRAIN_SETTLE);
    answer(&mut router, FIRST, first, None);
    let answered = router.now;
    let second = next_question(&mut router, EVERY + 100).unwrap();
    assert_eq!(second, answered + ms(EVERY));
    // Without an answer the master asks again all the same.
    assert!(next_question(&mut router, EVERY + WITHIN + 100).is_some());
    assert_eq!(router.state(), State::Master);
}

#[test]
fn an_election_waits_for_an_answer_no_longer_than_is_configured() {
    let (mut router, asked) = candidate(true);
    router.now = asked;
    router.wait(ms(WITHIN - 1));
    assert_eq!((router.state(), router.sent()), (State::Backup, vec![]));
    router.wait(ms(1));
    assert_eq!((router.state(), router.sent()), (State::Master, vec![100]));
    // What is late counts for nothing.
    answer(&mut router, FIRST, asked, Some(other()));
    assert_eq!((router.state(), told(&mut router)), (State::Master, vec!["Master".to_owned()]));
}

#[test]
fn who_gives_way_stays_backup_while_another_serves_and_tells_it_once() {
    let (mut router, asked) = candidate(true);
    answer(&mut router, FIRST, asked, Some(other()));
    assert_eq!(told(&mut router), ["elsewhere Backup true"]);
    let found = router.machine.status(FIRST).unwrap().found_elsewhere.unwrap();
    assert_eq!((found.served, found.since), (other(), router.now));
    // It asks again when a master should have been heard.
    let again = next_question(&mut router, DOWN + 100).unwrap();
    answer(&mut router, FIRST, again, Some(other()));
    assert_eq!((router.state(), told(&mut router)), (State::Backup, vec![]));
    let at_last = next_question(&mut router, DOWN + 100).unwrap();
    answer(&mut router, FIRST, at_last, None);
    assert_eq!(told(&mut router), ["alone", "Master"]);
    assert_eq!(router.machine.status(FIRST).unwrap().found_elsewhere, None);
}

#[test]
fn who_does_not_give_way_tells_it_and_becomes_master() {
    let (mut router, asked) = candidate(false);
    answer(&mut router, FIRST, asked, Some(other()));
    assert_eq!(told(&mut router), ["elsewhere Backup false", "Master"]);
    // Known already.
    for _ in 0..2 {
        let asked = next_question(&mut router, EVERY + 3_000).unwrap();
        answer(&mut router, FIRST, asked, Some(other()));
    }
    assert_eq!((router.state(), told(&mut router)), (State::Master, vec![]));
    let asked = next_question(&mut router, EVERY + 3_000).unwrap();
    answer(&mut router, FIRST, asked, None);
    assert_eq!((router.state(), told(&mut router)), (State::Master, vec!["alone".to_owned()]));
}

#[test]
fn a_master_believes_what_it_finds_twice() {
    let mut router = master(true);
    let first = next_question(&mut router, 2_000).unwrap();
    answer(&mut router, FIRST, first, Some(other()));
    assert_eq!((router.state(), told(&mut router)), (State::Master, vec![]));
    // A lost answer is none: the next finding is the first again.
    let longest = SPLIT_BRAIN_SPREAD + SPLIT_BRAIN_CHANCE;
    let second = next_question(&mut router, 2_600).unwrap();
    assert!(second.since(first) <= longest + ms(10), "{:?}", second.since(first));
    answer(&mut router, FIRST, second, None);
    for expected in [State::Master, State::Backup] {
        let asked = next_question(&mut router, EVERY + 100).unwrap();
        answer(&mut router, FIRST, asked, Some(other()));
        assert_eq!(router.state(), expected);
    }
    assert_eq!(told(&mut router), ["elsewhere Master true", "Backup"]);
    let causes = router.machine.status(FIRST).unwrap().causes;
    assert_eq!(causes.last(), Some(&Cause::ServedElsewhere { served: other() }));
}

#[test]
fn the_lower_of_two_that_give_way_to_each_other_is_the_first() {
    let between = |priority: u8| {
        let better = InstanceConfig { priority: Priority::new(priority), ..asking(0, true) };
        let mut router = Router::one(better);
        router.wait(ms(DOWN + WITHIN + 600));
        router.forget_output();
        let first = next_question(&mut router, 3_000).unwrap();
        answer(&mut router, FIRST, first, Some(other()));
        next_question(&mut router, 3_000).unwrap().since(first)
    };
    assert!(between(50) + ms(500) < between(200));
}

#[test]
fn a_master_that_is_known_is_not_asked_for() {
    for arbiter in [None, Some(HIGHER)] {
        let only = SplitBrainCheck { arbiter, ..check(true) };
        let mut router =
            Router::one(InstanceConfig { split_brain_check: Some(Box::new(only)), ..instance(0) });
        router.forget_output();
        // A living master of lower priority, and one that gives up: each serves until it hears of us.
        for priority in [50, 0] {
            router.hear(LOWER, priority);
        }
        router.wait(ms(700));
        match (arbiter, asked(&mut router, FIRST)) {
            (None, None) => assert_eq!(router.state(), State::Master),
            (Some(arbiter), Some((question, true))) => {
                assert_eq!(router.state(), State::Backup);
                answer(&mut router, FIRST, question, Some(Served::NoArbiter { arbiter }));
                assert_eq!(router.state(), State::Backup, "cut off");
            }
            unexpected => panic!("{unexpected:?}"),
        }
    }
}

#[test]
fn a_master_that_is_heard_meanwhile_ends_the_question() {
    let (mut router, asked) = candidate(true);
    router.hear(HIGHER, 200);
    answer(&mut router, FIRST, asked, Some(other()));
    assert_eq!((router.state(), told(&mut router)), (State::Backup, vec![]));
    let status = router.machine.status(FIRST).unwrap();
    assert!(status.deadline.unwrap().since(router.now) > ms(3_000), "{status:?}");
    // One that was found before is over when the master is heard.
    router.wait(ms(DOWN));
    let (again, _) = self::asked(&mut router, FIRST).unwrap();
    answer(&mut router, FIRST, again, Some(other()));
    router.hear(HIGHER, 200);
    assert_eq!(told(&mut router), ["elsewhere Backup true", "alone"]);
}

#[test]
fn adverts_of_a_lower_master_do_not_end_what_is_asked_of_the_arbiter() {
    let arbiter = HIGHER;
    let only = SplitBrainCheck { link: false, arbiter: Some(arbiter), ..check(true) };
    let mut router = Router::one(InstanceConfig { split_brain_check: Some(Box::new(only)), ..instance(0) });
    router.forget_output();
    let mut questions = Vec::new();
    // They come more often than a question lasts.
    for _ in 0..100 {
        router.hear(LOWER, 50);
        router.wait(ms(100));
        let actions = router.actions();
        questions.extend(actions.iter().filter_map(|action| match action {
            Action::AskWhoServes { asked, only_arbiter: true, .. } => Some(*asked),
            _ => None,
        }));
        if let Some(asked) = questions.last().filter(|asked| router.now.since(**asked) >= ms(150)) {
            answer(&mut router, FIRST, *asked, Some(Served::NoArbiter { arbiter }));
        }
    }
    assert_eq!(router.state(), State::Backup);
    let found = router.machine.status(FIRST).unwrap().found_elsewhere;
    assert_eq!(found.map(|found| found.served), Some(Served::NoArbiter { arbiter }));
    // A better one is followed, and the arbiter is asked no more.
    router.hear(HIGHER, 200);
    assert_eq!(router.machine.status(FIRST).unwrap().found_elsewhere, None);
}

#[test]
fn a_sync_group_waits_for_all_answers_and_stays_together() {
    for found in [None, Some(other())] {
        let mut router = Router::start(grouped(vec![asking(0, true), instance(1), asking(2, true)]));
        router.forget_output();
        router.wait(ms(DOWN));
        let third = InstanceId(2);
        let questions = router.actions();
        let of = |id: InstanceId| {
            questions.iter().find_map(|action| match action {
                Action::AskWhoServes { instance, asked, .. } if *instance == id => Some(*asked),
                _ => None,
            })
        };
        let (first, third_asked) = (of(FIRST).unwrap(), of(third).unwrap());
        assert_eq!(of(SECOND), None);
        answer(&mut router, FIRST, first, None);
        assert_eq!([FIRST, SECOND, third].map(|id| router.state_of(id)), [State::Backup; 3]);
        answer(&mut router, third, third_asked, found);
        let expected = if found.is_none() { State::Master } else { State::Backup };
        assert_eq!([FIRST, SECOND, third].map(|id| router.state_of(id)), [expected; 3]);
        router.advance();
    }
}

#[test]
fn a_sync_group_waits_no_longer_than_its_members() {
    let mut router = Router::start(grouped(vec![instance(0), asking(1, true)]));
    router.wait(ms(DOWN + WITHIN + 10));
    assert_eq!([FIRST, SECOND].map(|id| router.state_of(id)), [State::Master; 2]);
}

#[test]
fn a_master_that_gives_way_says_so_and_takes_its_group_along() {
    let mut router = Router::start(grouped(vec![asking(0, true), instance(1)]));
    router.wait(ms(DOWN + WITHIN + 10));
    for _ in 0..2 {
        router.forget_output();
        let asked = next_question(&mut router, EVERY).unwrap();
        router.forget_output();
        answer(&mut router, FIRST, asked, Some(Served::Service { address: LOWER, port: 443 }));
    }
    assert_eq!([FIRST, SECOND].map(|id| router.state_of(id)), [State::Backup; 2]);
    assert_eq!(router.sent(), [0, 0]);
}

#[test]
fn a_reload_begins_and_ends_the_questions_of_a_master() {
    let mut router = Router::one(instance(0));
    router.wait(ms(DOWN));
    assert_eq!(router.state(), State::Master);
    router.forget_output();
    assert_eq!(next_question(&mut router, 10_000), None);
    router.reload(config(vec![asking(0, false)]));
    for _ in 0..2 {
        let asked = next_question(&mut router, 3_000).unwrap();
        answer(&mut router, FIRST, asked, Some(other()));
    }
    assert!(router.machine.status(FIRST).unwrap().found_elsewhere.is_some());
    router.forget_output();
    router.reload(config(vec![instance(0)]));
    assert!(router.machine.status(FIRST).unwrap().found_elsewhere.is_none());
    assert!(router.machine.resume_state(FIRST).unwrap().found_elsewhere.is_none());
    assert_eq!(told(&mut router), ["alone"]);
    assert_eq!(next_question(&mut router, 10_000), None);
}

#[test]
fn a_successor_knows_what_was_found_and_asks_again() {
    let plain = config(vec![asking(0, false)]);
    let (mut router, asked) = candidate(false);
    answer(&mut router, FIRST, asked, Some(other()));
    router.wait(ms(500));
    let resume = router.machine.resume_state(FIRST).into_iter().collect();
    let mut next = Router::prepare(plain, resume);
    next.now = router.now + ms(30);
    next.advance();
    assert_eq!(next.machine.status(FIRST).unwrap().found_elsewhere.map(|found| found.served), Some(other()));
    next.forget_output();
    let asked = next_question(&mut next, 2_000).unwrap();
    answer(&mut next, FIRST, asked, None);
    assert_eq!(told(&mut next), ["alone"]);
}

#[test]
fn routers_of_one_priority_do_not_wait_alike() {
    let mut spans: Vec<_> = (1..=20_u8)
        .map(|host| {
            let mut router = Router::one(asking(0, true));
            let source = IpAddr::from([10, 0, 0, host]);
            let IpAddr::V4(address) = source else { panic!() };
            let here = Input::Interface {
                interface: LAN,
                up: true,
                source_v4: Some(address),
                source_v6: None,
                mtu: 1500,
            };
            router.input(here);
            router.wait(ms(DOWN + WITHIN + 10));
            router.forget_output();
            let first = next_question(&mut router, 2_000).unwrap();
            answer(&mut router, FIRST, first, Some(other()));
            next_question(&mut router, 3_000).unwrap().since(first)
        })
        .collect();
    spans.sort_unstable();
    spans.dedup();
    assert!(spans.len() > 15, "{spans:?}");
}
