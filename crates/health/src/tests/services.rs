//! Services: quorum with its margin, the sorry server, rest, and the end.

use super::*;

#[test]
fn the_quorum_has_a_margin_on_both_sides() {
    let mut bench = Bench::of(ServiceConfig { quorum: 3, hysteresis: 1, ..service(5) });
    assert_eq!(bench.told(), ["quorum up 5 at start"]);
    let mut verdicts: Vec<_> = (1..=3).map(|last| (last, bad())).collect();
    bench.run(seconds(1), &verdicts);
    // Two are enough to keep it.
    assert!(bench.machine.service(SERVICE).unwrap().quorum);
    verdicts.push((4, bad()));
    bench.run(seconds(20), &verdicts);
    assert!(bench.told().contains(&"quorum down 1".to_owned()));
    // Three would not be enough to gain it.
    bench.run(seconds(10), &[(1, bad()), (4, bad())]);
    assert_eq!(bench.machine.service(SERVICE).unwrap().live_weight, 3);
    assert!(!bench.machine.service(SERVICE).unwrap().quorum);
    bench.run(seconds(10), &[(4, bad())]);
    assert!(bench.told().contains(&"quorum up 4".to_owned()));
}

#[test]
fn a_service_that_begins_without_servers_is_told_of_where_the_sorry_server_stands_in() {
    let down = |sorry| {
        let mut bench = Bench::of(ServiceConfig { quorum: 9, sorry, ..service(1) });
        bench.told()
    };
    assert_eq!(down(None), ["quorum down 1 at start quietly"]);
    assert_eq!(down(sorry(false)), ["quorum down 1 at start"]);
}

#[test]
fn without_a_sorry_server_those_that_are_alive_go_on() {
    let mut bench = Bench::of(ServiceConfig { quorum: 2, ..service(2) });
    bench.run(seconds(1), &[(1, bad())]);
    assert_eq!(bench.table(), [(2, 1)]);
    assert!(!bench.machine.service(SERVICE).unwrap().quorum);
}

#[test]
fn the_sorry_server_comes_before_the_others_go_and_goes_after_they_come() {
    for inhibit in [false, true] {
        let idle = inhibit.then_some((0, 0));
        let mut bench = Bench::of(ServiceConfig { quorum: 2, sorry: sorry(inhibit), ..service(3) });
        let expected: Vec<_> = idle.into_iter().chain([(1, 1), (2, 1), (3, 1)]).collect();
        assert_eq!(bench.table(), expected);
        bench.run(seconds(1), &[(1, bad())]);
        assert_eq!(
            bench.table(),
            [&expected[..expected.len() - 3], &expected[expected.len() - 2..]].concat()
        );
        bench.wants();
        bench.told();
        bench.run(seconds(20), &[(1, bad()), (2, bad())]);
        assert_eq!(bench.table(), [(0, 1)]);
        assert_eq!(bench.wants(), [(2, None), (0, Some(1)), (3, None)]);
        assert_eq!(bench.told(), ["check 2 down", "server 2 down", "quorum down 1"]);
        bench.run(seconds(10), &[(1, bad())]);
        let wants = bench.wants();
        let (coming, going) = wants.split_at(wants.len() - if inhibit { 3 } else { 1 });
        assert!(coming.iter().chain(going).all(|want| want.0 == 0 || want.1 == Some(1)), "{wants:?}");
        assert_eq!(bench.table(), idle.into_iter().chain([(2, 1), (3, 1)]).collect::<Vec<_>>());
    }
}

#[test]
fn servers_that_change_while_the_sorry_server_serves_wait() {
    let mut service = ServiceConfig { quorum: 2, sorry: sorry(false), ..service(3) };
    service.servers[2].inhibit = true;
    let mut bench = Bench::of(service);
    bench.run(seconds(1), &[(1, bad()), (2, bad())]);
    assert_eq!(bench.table(), [(0, 1), (3, 0)]);
    bench.wants();
    let third = bench.find(3);
    bench.handle(Input::Override { server: third, by: Override::Weight(1) });
    assert_eq!(bench.wants(), []);
}

#[test]
fn a_service_that_starts_without_quorum_starts_with_its_sorry_server() {
    let mut service = ServiceConfig { sorry: sorry(false), ..service(1) };
    let alpha = CheckConfig { alpha: true, ..check(1, rhythm()) };
    service.servers = vec![server(1, vec![alpha])];
    let mut bench = Bench::of(service);
    assert_eq!((bench.table(), bench.told()), (vec![(0, 1)], vec!["quorum down 0 at start".to_owned()]));
    bench.round(good());
    assert_eq!(bench.table(), [(1, 1)]);
}

#[test]
fn checks_rest_while_the_address_is_elsewhere_and_keep_their_phase() {
    let mut bench = Bench::of(ServiceConfig { ha_suspend: true, ..service(1) });
    bench.run(seconds(25), &[(1, bad())]);
    assert_eq!(bench.asked(), []);
    assert_eq!(bench.table(), [(1, 1)]);
    bench.handle(Input::Present { service: SERVICE, present: true });
    bench.run(seconds(20), &[(1, bad())]);
    // The first would have been after 1 s, and then every 10 s.
    assert_eq!(bench.asked(), [31, 41].map(seconds));
    bench.handle(Input::Present { service: SERVICE, present: false });
    bench.run(seconds(30), &[]);
    assert_eq!((bench.asked(), bench.table()), (vec![], vec![]), "the last verdict stands");
    assert_eq!(
        bench.told(),
        [
            "quorum up 1 at start",
            "suspended false",
            "check 1 down",
            "server 1 down",
            "quorum down 0",
            "suspended true"
        ]
    );
}

fn proven_first(mut service: ServiceConfig) -> ServiceConfig {
    service.servers.iter_mut().for_each(|server| server.proven_first = true);
    service
}

#[test]
fn servers_that_wait_to_be_proven_are_asked_within_a_second_when_the_address_comes() {
    let mut bench = Bench::of(proven_first(ServiceConfig { ha_suspend: true, ..service(3) }));
    bench.run(seconds(25), &[]);
    assert_eq!((bench.asked(), bench.table()), (vec![], vec![]));
    bench.handle(Input::Present { service: SERVICE, present: true });
    bench.run(FIRST_DELAY, &[(2, bad())]);
    assert_eq!(bench.table(), [(1, 1), (3, 1)]);
    let asked = bench.asked();
    assert_eq!(asked.len(), 3);
    // Those that have been asked keep the rhythm that began with that.
    bench.handle(Input::Present { service: SERVICE, present: false });
    bench.run(seconds(22), &[]);
    bench.handle(Input::Present { service: SERVICE, present: true });
    bench.run(seconds(10), &[]);
    assert_eq!(bench.asked(), asked.iter().map(|at| *at + seconds(30)).collect::<Vec<_>>());
}

/// Somebody else has the same check, which it does not need at once, or not at all.
#[test]
fn servers_that_wait_to_be_proven_are_asked_within_a_second_also_by_a_check_of_others() {
    for (ha_suspend, warmup) in [(false, 600), (true, 600), (true, 0)] {
        let check = check(1, Rhythm { warmup: seconds(warmup), ..rhythm() });
        let servers = vec![server(1, vec![check])];
        let first = ServiceConfig { key: "first".into(), ha_suspend, servers, ..service(0) };
        let second = proven_first(ServiceConfig { key: "second".into(), ..first.clone() });
        let second = ServiceConfig { ha_suspend: false, ..second };
        let at_a_start = Bench::with(config(vec![first.clone(), second.clone()]), Resume::default());
        let mut at_a_reload = Bench::with(config(vec![first.clone()]), Resume::default());
        at_a_reload.run(seconds(5), &[]);
        at_a_reload.reload(vec![first, second]);
        for mut bench in [at_a_start, at_a_reload] {
            bench.run(FIRST_DELAY, &[]);
            assert_eq!(bench.asked().len(), 1, "{ha_suspend} {warmup}");
            assert_eq!(bench.table(), [(1, 1), (1, 1)]);
        }
    }
}

#[test]
fn a_check_that_is_shared_runs_for_those_that_do_not_rest() {
    let (mut resting, mut awake) = (service(1), service(1));
    resting.ha_suspend = true;
    resting.key = "resting".into();
    awake.key = "awake".into();
    let mut bench = Bench::with(config(vec![resting, awake]), Resume::default());
    bench.run(seconds(12), &[]);
    assert_eq!(bench.asked(), [1, 11].map(seconds));
}

#[test]
fn the_end_is_told_loudly_only_with_omega() {
    for (omega, quietly) in [(true, ""), (false, " quietly")] {
        let mut bench = Bench::of(ServiceConfig { omega, ..service(2) });
        bench.run(seconds(1), &[(1, bad())]);
        bench.told();
        bench.handle(Input::Stop);
        assert_eq!(bench.told(), [format!("server 2 down{quietly}"), format!("quorum down 0{quietly}")]);
        assert_eq!(bench.table(), []);
        assert_eq!(bench.machine.next_wakeup(), None);
        bench.handle(Input::Present { service: SERVICE, present: true });
        assert!(bench.told().is_empty());
    }
}

#[test]
fn servers_that_are_up_from_the_beginning_are_told_where_that_is_wanted() {
    let mut alpha = service(2);
    alpha.servers[0].checks = vec![CheckConfig { alpha: true, ..check(1, rhythm()) }].into();
    let config = Config { tell_initial: true, ..config(vec![alpha]) };
    let mut bench = Bench::with(config.clone(), Resume::default());
    assert_eq!(bench.told(), ["server 2 up", "quorum up 1 at start"]);
    // A successor says nothing that was said.
    let mut successor = Bench::with(config, bench.machine.resume());
    assert_eq!(successor.told(), Vec::<String>::new());
}

#[test]
fn what_comes_unasked_before_the_start_is_how_it_starts() {
    let mut followed = service(1);
    let rhythm = Rhythm { unasked: true, ..rhythm() };
    followed.servers[0].checks = vec![check(1, rhythm)].into();
    let now = Moment::ZERO + seconds(1_000);
    let mut bench = Bench {
        machine: Machine::new(now, config(vec![followed]), Resume::default()),
        now,
        record: Record { now, ..Record::default() },
    };
    bench.handle(Input::Verdict { check: CheckId(0), verdict: bad() });
    assert_eq!(bench.table(), []);
    bench.machine.advance(now, &mut bench.record);
    assert_eq!(bench.table(), []);
    // A service that begins without servers is nobody's news, as with keepalived.
    assert!(bench.told().contains(&"quorum down 0 at start quietly".to_owned()));
    bench.handle(Input::Verdict { check: CheckId(0), verdict: good() });
    assert_eq!(bench.table(), [(1, 1)]);
}
