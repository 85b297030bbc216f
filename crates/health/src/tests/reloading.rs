//! What stays keeps its state and its rhythm; only what changed is asked for.

use super::*;

#[test]
fn the_same_again_asks_for_nothing() {
    let services = vec![ServiceConfig { sorry: sorry(true), ..service(3) }];
    let mut bench = Bench::with(config(services.clone()), Resume::default());
    bench.run(seconds(15), &[(1, bad())]);
    let table = bench.table();
    bench.wants();
    bench.told();
    bench.asked();
    bench.reload(services);
    assert_eq!((bench.wants(), bench.told()), (vec![], vec![]));
    assert!(bench.record.dropped.is_empty());
    assert_eq!(bench.table(), table);
    bench.run(seconds(10), &[(1, bad())]);
    assert_eq!(bench.asked(), [21, 21, 21].map(seconds), "the phase stays");
}

#[test]
fn servers_come_before_others_go() {
    let mut bench = Bench::of(service(2));
    bench.wants();
    bench.told();
    let mut new = service(3);
    new.servers.remove(0);
    bench.reload(vec![new]);
    assert_eq!(bench.wants(), [(3, Some(1)), (1, None)]);
    assert_eq!(bench.told(), ["server 1 down"]);
    assert_eq!(bench.table(), [(2, 1), (3, 1)]);
    assert_eq!(bench.machine.service(SERVICE).unwrap().live_weight, 2);
}

#[test]
fn a_check_that_runs_goes_on() {
    let mut bench = Bench::of(service(1));
    bench.now = bench.now + seconds(1);
    bench.advance();
    assert_eq!(bench.record.running.len(), 1);
    bench.reload(vec![service(2)]);
    let check = *bench.record.running.keys().next().unwrap();
    bench.handle(Input::Verdict { check, verdict: bad() });
    assert_eq!(bench.table(), [(2, 1)]);
}

#[test]
fn new_checks_with_alpha_do_not_take_away_what_serves() {
    let mut bench = Bench::of(service(2));
    bench.run(seconds(1), &[(2, bad())]);
    let alpha = |last| {
        let key = CheckKey { target: address(last), settings: "alpha".into() };
        CheckConfig { alpha: true, key, question: "other".into(), ..check(last, rhythm()) }
    };
    let mut new = service(3);
    for (server, last) in new.servers.iter_mut().zip(1..) {
        server.checks = vec![alpha(last)].into();
    }
    bench.reload(vec![new]);
    // The second was down anyway, and the third has never been asked.
    assert_eq!(bench.table(), [(1, 1)]);
}

/// The servers of `before` with checks of other timings, which ask the same.
fn retimed(before: ServiceConfig, rhythm: Rhythm) -> ServiceConfig {
    let servers = before.servers.into_iter().map(|server| {
        let checks = server.checks.iter().map(|check| {
            let key = CheckKey { settings: format!("{rhythm:?}").into(), ..check.key.clone() };
            CheckConfig { key, rhythm, log_all_failures: true, ..check.clone() }
        });
        ServerConfig { checks: checks.collect(), ..server.clone() }
    });
    ServiceConfig { servers: servers.collect(), ..before }
}

#[test]
fn other_timings_move_no_server_and_tell_nothing() {
    let mut bench = Bench::of(service(2));
    bench.run(seconds(1), &[(1, bad())]);
    assert_eq!(bench.table(), [(2, 1)]);
    let known = |bench: &Bench| {
        let status = |last| bench.machine.server(bench.find(last)).unwrap();
        let check = bench.machine.check(status(1).checks[0]).unwrap();
        let CheckStatus { has_run, last_failure, changed, took, verdicts, bad_verdicts, .. } = check;
        (status(1).changed, has_run, last_failure, changed, took, verdicts, bad_verdicts)
    };
    let before = known(&bench);
    bench.wants();
    bench.told();
    bench.asked();
    let faster = Rhythm { delay_loop: seconds(5), delay_before_retry: seconds(2), retries: 3, ..rhythm() };
    bench.reload(vec![retimed(service(2), faster)]);
    assert_eq!((bench.wants(), bench.told()), (vec![], vec![]));
    assert_eq!((bench.table(), known(&bench)), (vec![(2, 1)], before));
    assert_eq!(bench.machine.check_ids().len(), 2, "those before are no more");
    // Five seconds after the reload, and not only when the slower ones would have been asked.
    bench.run(seconds(6), &[(1, bad()), (2, bad())]);
    assert_eq!(bench.asked(), [6, 6].map(seconds));
    assert_eq!(bench.told(), ["failure 1 of 3", "failure 1 of 3"]);
    // A slower one keeps the time that was set for the next.
    bench.reload(vec![retimed(service(2), Rhythm { delay_loop: seconds(60), retries: 0, ..rhythm() })]);
    bench.run(seconds(5), &[(1, bad())]);
    assert_eq!(bench.asked(), [8, 11].map(seconds));
    assert_eq!(bench.told(), ["failure 1 of 0"]);
    assert_eq!(bench.table(), [(2, 1)]);
}

#[test]
fn other_timings_count_on_up_to_the_retries_that_are_left() {
    let patient = Rhythm { retries: 3, delay_before_retry: seconds(2), ..rhythm() };
    let mut bench = Bench::of(retimed(service(1), patient));
    bench.run(seconds(1), &[]);
    bench.run(seconds(14), &[(1, bad())]);
    assert_eq!(bench.told(), ["quorum up 1 at start", "failure 1 of 3", "failure 2 of 3", "failure 3 of 3"]);
    let hasty = Rhythm { retries: 1, ..patient };
    bench.reload(vec![retimed(service(1), hasty)]);
    assert_eq!(bench.machine.check(bench.machine.check_ids()[0]).unwrap().failures, 1);
    bench.round(bad());
    assert_eq!(bench.told(), ["check 1 down", "server 1 down", "quorum down 0"]);
}

#[test]
fn a_check_that_runs_is_made_anew_with_other_timings() {
    let mut bench = Bench::of(service(1));
    bench.now = bench.now + seconds(1);
    bench.advance();
    let before: Vec<_> = bench.record.running.keys().copied().collect();
    bench.reload(vec![retimed(service(1), Rhythm { delay_loop: seconds(5), ..rhythm() })]);
    assert!(bench.record.running.is_empty(), "nobody waits for {before:?} any more");
    bench.advance();
    assert_eq!(bench.asked(), [1, 1].map(seconds));
}

#[test]
fn pages_and_weights_go_on_with_other_timings() {
    let pages = Rhythm { steps: 3, ..rhythm() };
    let mut bench = Bench::of(retimed(service(1), pages));
    bench.round(Verdict::Good { contribution: Contribution::Added(4) });
    bench.round(bad());
    bench.round(Verdict::Good { contribution: Contribution::Added(4) });
    bench.round(Verdict::Good { contribution: Contribution::Added(4) });
    bench.told();
    let known = |bench: &Bench| {
        let resume = bench.machine.resume().checks.remove(0);
        CheckResume { key: CheckKey { settings: "".into(), ..resume.key }, ..resume }
    };
    let before = known(&bench);
    assert_eq!((before.step, before.up, before.contribution), (1, false, Contribution::Added(4)));
    bench.reload(vec![retimed(service(1), Rhythm { delay_loop: seconds(5), ..pages })]);
    assert_eq!(known(&bench), before);
    assert_eq!((bench.told(), bench.table()), (vec![], vec![]));
}

#[test]
fn another_question_is_another_check() {
    let mut bench = Bench::of(service(1));
    bench.run(seconds(1), &[(1, bad())]);
    let mut new = retimed(service(1), Rhythm { delay_loop: seconds(5), ..rhythm() });
    for server in &mut new.servers {
        let checks = server.checks.iter();
        server.checks =
            checks.map(|check| CheckConfig { question: "other".into(), ..check.clone() }).collect();
    }
    bench.reload(vec![new]);
    assert_eq!(bench.table(), [(1, 1)]);
}

/// What rests stays at its phase.
#[test]
fn checks_that_rest_are_found_again_with_other_timings() {
    let resting = || ServiceConfig { ha_suspend: true, ..service(1) };
    let mut bench = Bench::of(resting());
    bench.run(seconds(25), &[]);
    bench.reload(vec![retimed(resting(), Rhythm { delay_loop: seconds(7), ..rhythm() })]);
    bench.run(seconds(2), &[]);
    assert_eq!(bench.asked(), []);
    bench.handle(Input::Present { service: SERVICE, present: true });
    bench.run(seconds(10), &[]);
    assert_eq!(bench.asked(), [29, 36].map(seconds));
}

/// A service that lets its checks rest, or does so no more, goes without a server that another has as well.
#[test]
fn a_shared_check_knows_who_wants_it_when_one_service_goes_from_it_and_to_rest() {
    for (before, after) in [(true, false), (false, true)] {
        let named = |key: &str, ha_suspend| ServiceConfig { key: key.into(), ha_suspend, ..service(2) };
        let other = ServiceConfig { servers: service(1).servers, ..named("other", after) };
        let mut bench = Bench::with(config(vec![named("one", before), other.clone()]), Resume::default());
        bench.run(seconds(5), &[]);
        let mut one = named("one", after);
        one.servers.remove(0);
        bench.reload(vec![one, other]);
        bench.asked();
        bench.run(seconds(20), &[]);
        let asked = if after { vec![] } else { [11, 11, 21, 21].map(seconds).to_vec() };
        assert_eq!(bench.asked(), asked, "{before} {after}");
    }
}

#[test]
fn weights_quorum_and_inhibit_take_effect() {
    let mut bench = Bench::of(service(2));
    bench.run(seconds(1), &[(1, bad())]);
    bench.wants();
    bench.told();
    let mut new = service(2);
    new.servers[0].inhibit = true;
    new.servers[1].weight = 4;
    bench.reload(vec![ServiceConfig { quorum: 5, ..new }]);
    assert_eq!(bench.table(), [(1, 0), (2, 4)]);
    assert_eq!(bench.told(), ["weight 2 1 to 4", "quorum down 4"]);
}

#[test]
fn services_come_and_go() {
    let mut bench = Bench::of(ServiceConfig { omega: true, ..service(1) });
    bench.told();
    bench.reload(vec![ServiceConfig { key: "other".into(), ..service(2) }]);
    assert_eq!(bench.record.dropped, BTreeSet::from(["tcp 10.0.0.1:80".into()]));
    assert_eq!(bench.told(), ["quorum up 2 at start", "server 1 down", "quorum down 0"]);
    assert_eq!(bench.record.table.len(), 2);
    // The check of the first server went from one service to the other.
    assert_eq!(bench.machine.check_ids().len(), 2);
}

#[test]
fn the_hands_of_an_operator_and_slow_checks_survive() {
    let mut bench = Bench::of(service(2));
    let first = bench.find(1);
    bench.handle(Input::Override { server: first, by: Override::Drain });
    bench.reload(vec![service(3)]);
    assert_eq!(bench.table(), [(1, 0), (2, 1), (3, 1)]);
}

#[test]
fn a_successor_goes_on_without_a_word() {
    let services = || vec![ServiceConfig { sorry: sorry(false), quorum: 2, ..service(4) }];
    let mut bench = Bench::with(config(services()), Resume::default());
    bench.run(seconds(30), &[(1, bad())]);
    let drained = bench.find(4);
    bench.handle(Input::Override { server: drained, by: Override::Drain });
    let table = bench.table();
    let resume = bench.machine.resume();
    let mut successor = Bench::with(config(services()), resume.clone());
    assert_eq!(successor.table(), table);
    assert_eq!(successor.told(), Vec::<String>::new());
    assert_eq!(successor.machine.resume(), resume);
    successor.run(seconds(1), &[]);
    assert_eq!(successor.told(), ["check 1 up", "server 1 up"]);
}

/// What a supervisor keeps for a successor.
fn kept(machine: &Machine) -> Resume {
    let checks = machine.check_ids().into_iter().filter_map(|id| machine.check_resume(id));
    let checks = checks.filter(|(_, usual)| !usual).map(|(resume, _)| resume).collect();
    Resume { checks, others_have_run: true, ..machine.resume() }
}

/// The reload that a worker did not live to make is its successor's.
#[test]
fn a_successor_with_other_timings_goes_on_without_a_word() {
    let patient = Rhythm { retries: 3, delay_before_retry: seconds(60), ..rhythm() };
    let alpha = |mut service: ServiceConfig| {
        let checks = service.servers[1].checks.iter();
        service.servers[1].checks =
            checks.map(|check| CheckConfig { alpha: true, ..check.clone() }).collect();
        service
    };
    let services = || alpha(retimed(service(3), patient));
    let mut bench = Bench::of(services());
    bench.run(seconds(1), &[(1, bad())]);
    bench.run(seconds(12), &[(1, bad()), (3, bad())]);
    assert_eq!(bench.table(), [(2, 1), (3, 1)]);
    let before = kept(&bench.machine);
    assert_eq!(before.checks.len(), 3, "{before:?}");
    let hasty = alpha(retimed(service(3), Rhythm { retries: 0, delay_loop: seconds(5), ..rhythm() }));
    let mut successor = Bench::with(config(vec![hasty]), before);
    assert_eq!(successor.table(), [(2, 1), (3, 1)]);
    assert_eq!(successor.told(), Vec::<String>::new());
    let failures = successor.machine.resume().checks.into_iter().map(|check| check.failures);
    assert_eq!(failures.collect::<Vec<_>>(), [0, 0, 0], "no more than its retries");
    successor.run(seconds(1), &[(1, bad()), (3, bad())]);
    assert_eq!(successor.told(), ["failure 1 of 0", "check 3 down", "server 3 down"]);
}

/// A check that is as it was needs no word of another, though that asks the same.
#[test]
fn a_successor_takes_a_check_of_other_timings_only_for_what_is_no_more() {
    let named = |key: &str, rhythm| ServiceConfig { key: key.into(), ..retimed(service(1), rhythm) };
    let [slow, fast, faster] =
        [20, 5, 4].map(|delay| Rhythm { delay_loop: seconds(delay), retries: 0, ..rhythm() });
    let mut bench = Bench::with(config(vec![named("one", slow), named("two", fast)]), Resume::default());
    bench.run(seconds(1), &[]);
    bench.run(seconds(6), &[(1, bad())]);
    let before = kept(&bench.machine);
    assert_eq!(before.checks.len(), 1, "{before:?}");
    for (rhythm, down) in [(fast, 1), (faster, 2)] {
        let services = vec![named("three", rhythm), named("four", Rhythm { retries: 1, ..faster })];
        let successor = Bench::with(config(services), before.clone());
        let ids = successor.machine.check_ids().into_iter();
        let found = ids.filter(|id| !successor.machine.check(*id).unwrap().up).count();
        assert_eq!(found, down, "{rhythm:?}");
    }
}
