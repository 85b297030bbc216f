//! When a check is asked, and when it is believed (keepalived's rules, and where they differ why).

use super::*;

const CHECK: CheckId = CheckId(0);

fn with(rhythm: Rhythm, alpha: bool) -> Bench {
    let mut service = service(0);
    service.servers = vec![server(1, vec![CheckConfig { alpha, ..check(1, rhythm) }])];
    Bench::of(service)
}

#[test]
fn the_first_failure_counts_at_once_and_one_success_is_enough() {
    let mut bench = with(rhythm(), false);
    bench.round(bad());
    assert!(!bench.is_up(CHECK));
    bench.round(good());
    assert!(bench.is_up(CHECK));
    assert_eq!(bench.asked(), [seconds(1), seconds(11)]);
}

#[test]
fn a_check_that_is_up_is_tried_again_before_it_is_down() {
    let mut bench = with(Rhythm { retries: 2, ..rhythm() }, false);
    bench.round(good());
    for _ in 0..2 {
        bench.round(bad());
        assert!(bench.is_up(CHECK));
    }
    bench.told();
    bench.round(bad());
    assert!(!bench.is_up(CHECK));
    assert_eq!(bench.told(), ["check 1 down", "server 1 down", "quorum down 0"]);
    // While it is down every failure waits the whole round.
    bench.round(bad());
    bench.round(good());
    assert_eq!(bench.asked(), [1, 11, 12, 13, 23, 33].map(seconds));
    assert!(bench.is_up(CHECK));
}

#[test]
fn a_success_between_two_failures_starts_the_count_again() {
    let mut bench = with(rhythm(), false);
    bench.round(good());
    for _ in 0..3 {
        bench.round(bad());
        bench.round(good());
    }
    assert!(bench.is_up(CHECK));
    assert!(
        bench.told().iter().all(|told| told.starts_with("failure 1 of 1") || told.starts_with("quorum up"))
    );
}

#[test]
fn every_failure_is_told_on_request() {
    let mut service = service(0);
    service.servers = vec![server(1, vec![CheckConfig { log_all_failures: true, ..check(1, rhythm()) }])];
    let mut bench = Bench::of(service);
    bench.round(good());
    bench.told();
    for _ in 0..3 {
        bench.round(bad());
    }
    let expected = ["failure 1 of 1", "check 1 down", "server 1 down", "quorum down 0", "failure 1 of 1"];
    assert_eq!(bench.told(), expected);
}

#[test]
fn some_kinds_are_tried_again_from_the_first_failure_on_and_while_they_are_down() {
    let rhythm = Rhythm { first_failure_counts: false, retries_while_down: true, ..rhythm() };
    let mut bench = with(rhythm, false);
    bench.round(bad());
    assert!(bench.is_up(CHECK));
    bench.round(bad());
    assert!(!bench.is_up(CHECK));
    for _ in 0..4 {
        bench.round(bad());
    }
    assert_eq!(bench.asked(), [1, 2, 12, 13, 23, 24].map(seconds));
}

#[test]
fn several_successes_can_be_asked_for() {
    let mut bench = with(Rhythm { rise: 3, ..rhythm() }, true);
    for expected in [false, false, true] {
        bench.round(good());
        assert_eq!(bench.is_up(CHECK), expected);
    }
}

#[test]
fn pages_are_asked_in_turn() {
    let rhythm = Rhythm { steps: 3, delay_before_retry: seconds(3), ..rhythm() };
    let mut bench = with(rhythm, true);
    for expected in [false, false, true] {
        bench.round(good());
        assert_eq!(bench.is_up(CHECK), expected);
    }
    bench.round(good());
    // The second page fails, is tried again, and then is asked alone.
    bench.round(bad());
    bench.round(bad());
    assert!(!bench.is_up(CHECK));
    bench.round(bad());
    // It answers: all are asked from the first on.
    for expected in [false, false, false, true] {
        bench.round(good());
        assert_eq!(bench.is_up(CHECK), expected);
    }
    let steps: Vec<_> = bench.record.asked.iter().map(|(_, _, step)| *step).collect();
    assert_eq!(steps, [0, 1, 2, 0, 1, 1, 1, 1, 0, 1, 2]);
    assert_eq!(bench.asked(), [1, 11, 21, 31, 41, 44, 54, 64, 74, 84, 94].map(seconds));
}

#[test]
fn pages_follow_at_once_while_a_hurried_check_recovers() {
    let mut bench = with(Rhythm { steps: 3, fast_recovery: true, ..rhythm() }, true);
    for _ in 0..4 {
        bench.round(good());
    }
    assert_eq!(bench.asked(), [1, 1, 1, 11].map(seconds));
}

#[test]
fn a_single_page_that_answers_again_is_enough() {
    let mut bench = with(rhythm(), false);
    bench.round(bad());
    bench.round(good());
    assert!(bench.is_up(CHECK));
}

#[test]
fn trouble_on_this_machine_changes_nothing() {
    let mut bench = with(rhythm(), false);
    bench.round(good());
    bench.told();
    bench.round(Verdict::Trouble { reason: "no socket".into() });
    assert!(bench.is_up(CHECK));
    assert_eq!(bench.told(), ["trouble"]);
    bench.round(bad());
    assert!(bench.is_up(CHECK), "a retry is left");
    assert_eq!(bench.asked(), [1, 11, 21].map(seconds));
}

#[test]
fn trouble_that_stays_is_told_once() {
    let mut bench = with(rhythm(), false);
    bench.round(good());
    bench.told();
    let trouble = |reason: &str| Verdict::Trouble { reason: reason.into() };
    for (verdict, told) in [
        (trouble("no socket"), &["trouble"][..]),
        (trouble("no socket"), &[]),
        (trouble("no address"), &["trouble"]),
        (good(), &[]),
        (trouble("no address"), &["trouble"]),
    ] {
        bench.round(verdict);
        assert_eq!(bench.told(), told);
    }
}

#[test]
fn a_check_that_starts_down_comes_up_with_its_first_success() {
    let mut bench = with(rhythm(), true);
    assert_eq!(bench.told(), ["quorum down 0 at start quietly"]);
    assert_eq!(bench.table(), []);
    bench.round(good());
    assert_eq!(bench.told(), ["check 1 up", "server 1 up", "quorum up 1"]);
    assert_eq!(bench.table(), [(1, 1)]);
}

#[test]
fn delays_can_be_measured_from_the_start() {
    let mut bench = with(Rhythm { from_start: true, ..rhythm() }, false);
    bench.now = bench.now + seconds(1);
    bench.advance();
    bench.now = bench.now + seconds(4);
    bench.record.now = bench.now;
    bench.round(good());
    bench.round(good());
    assert_eq!(bench.asked(), [1, 11].map(seconds));
}

#[test]
fn what_comes_unasked_counts_at_once() {
    let mut bench = with(Rhythm { unasked: true, ..rhythm() }, false);
    assert_eq!(bench.machine.next_wakeup(), None);
    for up in [false, true, false] {
        let verdict = if up { good() } else { bad() };
        bench.handle(Input::Verdict { check: CHECK, verdict });
        assert_eq!(bench.is_up(CHECK), up);
    }
}

#[test]
fn a_verdict_that_nobody_asked_for_is_dropped() {
    let mut bench = with(rhythm(), false);
    bench.handle(Input::Verdict { check: CHECK, verdict: bad() });
    assert!(bench.is_up(CHECK));
    bench.handle(Input::Verdict { check: CheckId(77), verdict: bad() });
    assert_eq!(bench.told(), ["quorum up 1 at start"]);
}

#[test]
fn first_checks_are_spread_over_the_warmup_by_the_seed() {
    let spread = Rhythm { warmup: seconds(60), ..rhythm() };
    let mut wide = service(0);
    wide.servers = (1..=200).map(|last| server(last, vec![check(last, spread)])).collect();
    let firsts = |seed| {
        let config = Config { services: vec![wide.clone()], seed, tell_initial: false };
        let mut bench = Bench::with(config, Resume::default());
        bench.run(seconds(61), &[]);
        let mut seen = BTreeMap::new();
        for (at, check, _) in &bench.record.asked {
            seen.entry(*check).or_insert(at.since(Moment::ZERO + seconds(1_000)));
        }
        seen
    };
    let first = firsts(7);
    assert_eq!(first, firsts(7));
    assert_ne!(first, firsts(8));
    assert_eq!(first.len(), 200);
    assert!(first.values().all(|at| (seconds(1)..=seconds(61)).contains(at)));
    for quarter in 0..4 {
        let range = seconds(1 + quarter * 15)..seconds(16 + quarter * 15);
        let count = first.values().filter(|at| range.contains(at)).count();
        assert!((30..=70).contains(&count), "{count} of 200 in {range:?}");
    }
}
