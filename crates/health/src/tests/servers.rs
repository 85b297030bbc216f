//! Servers: alive while no check is down, with the weight that all make together.

use super::*;

fn contribute(bench: &mut Bench, check: u32, contribution: Contribution) {
    bench.handle(Input::Verdict { check: CheckId(check), verdict: Verdict::Good { contribution } });
}

fn unasked() -> Rhythm {
    Rhythm { unasked: true, ..rhythm() }
}

#[test]
fn one_check_that_is_down_is_enough() {
    let mut service = service(1);
    let second =
        CheckConfig { key: CheckKey { target: address(1), settings: "other".into() }, ..check(1, rhythm()) };
    service.servers[0].checks = vec![check(1, rhythm()), second].into();
    let mut bench = Bench::of(service);
    bench.round(bad());
    assert_eq!(
        bench.told(),
        ["quorum up 1 at start", "check 1 down", "server 1 down", "quorum down 0", "check 1 down"]
    );
    bench.round(good());
    assert_eq!(bench.told(), ["check 1 up", "check 1 up", "server 1 up", "quorum up 1"]);
}

#[test]
fn the_same_check_twice_is_asked_once() {
    let mut service = service(1);
    service.servers[0].checks = vec![check(1, rhythm()), check(1, rhythm())].into();
    let mut bench = Bench::of(service);
    for verdict in [bad(), good(), good()] {
        bench.round(verdict);
    }
    assert_eq!(bench.asked(), [1, 11, 21].map(seconds));
    assert_eq!(bench.table(), [(1, 1)]);
    bench.reload(vec![super::service(1)]);
    assert_eq!(bench.table(), [(1, 1)]);
}

#[test]
fn a_server_without_checks_is_alive() {
    let mut service = service(0);
    service.servers = vec![server(1, Vec::new())];
    let bench = Bench::of(service);
    assert_eq!(bench.table(), [(1, 1)]);
    assert_eq!(bench.machine.next_wakeup(), None);
}

#[test]
fn a_failed_server_goes_or_stays_without_weight() {
    for (inhibit, left) in [(false, vec![(2, 1)]), (true, vec![(1, 0), (2, 1)])] {
        let mut service = service(2);
        service.servers[0].inhibit = inhibit;
        let mut bench = Bench::of(service);
        bench.run(seconds(1), &[(1, bad())]);
        assert_eq!(bench.table(), left);
        bench.run(seconds(10), &[]);
        assert_eq!(bench.table(), [(1, 1), (2, 1)]);
    }
}

#[test]
fn contributions_are_added_and_bounded() {
    let mut service = service(0);
    let two =
        CheckConfig { key: CheckKey { target: address(1), settings: "two".into() }, ..check(1, unasked()) };
    service.servers = vec![ServerConfig { weight: 5, ..server(1, vec![check(1, unasked()), two]) }];
    let mut bench = Bench::of(service);
    bench.told();
    contribute(&mut bench, 0, Contribution::Added(3));
    assert_eq!((bench.table(), bench.told()), (vec![(1, 8)], vec!["weight 1 5 to 8".to_owned()]));
    contribute(&mut bench, 1, Contribution::Absolute(20));
    assert_eq!(bench.table(), [(1, 23)]);
    contribute(&mut bench, 0, Contribution::Added(i64::MIN));
    assert_eq!(bench.table(), [(1, 0)]);
    contribute(&mut bench, 0, Contribution::Added(i64::MAX));
    assert_eq!(bench.table(), [(1, 2_147_483_647)]);
    // What a failed check said of the weight is void.
    bench.handle(Input::Verdict { check: CheckId(0), verdict: bad() });
    contribute(&mut bench, 0, Contribution::None);
    assert_eq!(bench.table(), [(1, 20)]);
}

#[test]
fn a_weight_of_zero_costs_the_quorum() {
    let mut service = service(0);
    service.servers = vec![server(1, vec![check(1, unasked())])];
    let mut bench = Bench::of(service);
    bench.told();
    contribute(&mut bench, 0, Contribution::Absolute(0));
    assert_eq!(bench.told(), ["weight 1 1 to 0", "quorum down 0"]);
}

#[test]
fn an_operator_drains_weighs_disables_and_gives_back() {
    let mut bench = Bench::of(service(2));
    let id = bench.find(1);
    for (by, table) in [
        (Override::Drain, vec![(1, 0), (2, 1)]),
        (Override::Weight(7), vec![(1, 7), (2, 1)]),
        (Override::Disable, vec![(2, 1)]),
        (Override::None, vec![(1, 1), (2, 1)]),
    ] {
        bench.handle(Input::Override { server: id, by });
        assert_eq!(bench.table(), table, "{by:?}");
    }
    // A dead server stays out, whatever weight it was given.
    bench.handle(Input::Override { server: id, by: Override::Weight(7) });
    bench.run(seconds(1), &[(1, bad())]);
    assert_eq!(bench.table(), [(2, 1)]);
    assert!(bench.told().contains(&"Disable".to_owned()));
}

#[test]
fn the_connections_of_a_drained_server_go_on_while_the_sorry_server_serves() {
    let mut service = service(1);
    service.sorry = sorry(false);
    let mut bench = Bench::of(service);
    let id = bench.find(1);
    bench.handle(Input::Override { server: id, by: Override::Drain });
    assert_eq!(bench.table(), [(0, 1), (1, 0)]);
    bench.run(seconds(1), &[(1, bad())]);
    assert_eq!(bench.table(), [(0, 1)]);
}

#[test]
fn a_server_that_comes_back_starts_slowly() {
    let mut service = service(2);
    service.servers[0] = ServerConfig { weight: 110, slow_start: seconds(20), ..service.servers[0].clone() };
    let mut bench = Bench::of(service);
    assert_eq!(bench.table(), [(1, 110), (2, 1)], "what was there from the beginning is warm");
    bench.run(seconds(1), &[(1, bad())]);
    bench.run(seconds(10), &[]);
    bench.told();
    let mut weights = Vec::new();
    for _ in 0..12 {
        weights.push(bench.table()[0].1);
        bench.run(seconds(2), &[]);
    }
    assert_eq!(weights, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 110]);
    // The quorum counts what it is worth, not what it gets.
    assert_eq!(bench.machine.service(SERVICE).unwrap().live_weight, 111);
}

#[test]
fn servers_with_the_same_target_share_a_check() {
    let (mut first, mut second) = (service(1), service(2));
    first.key = "one".into();
    second.key = "two".into();
    let mut bench = Bench::with(config(vec![first, second]), Resume::default());
    bench.run(seconds(1), &[(1, bad())]);
    assert_eq!(bench.machine.check_ids().len(), 2);
    assert_eq!(bench.record.asked.len(), 2);
    assert_eq!(bench.table(), [(2, 1)]);
    let down = bench.told().into_iter().filter(|told| told == "server 1 down").count();
    assert_eq!(down, 2);
}

#[test]
fn an_event_says_why() {
    let mut bench = Bench::of(service(2));
    bench.round(bad());
    let Some(Happening::Server { cause, .. }) =
        bench.record.events.iter().find(|event| matches!(event, Happening::Server { .. }))
    else {
        panic!("{:?}", bench.record.events)
    };
    assert_eq!(*cause, Cause::Check { check: CheckId(0), reason: reason() });
}

/// Two servers that wait for their first checks, each with two.
fn waiting() -> ServiceConfig {
    let mut service = service(2);
    for server in &mut service.servers {
        let first = server.checks[0].clone();
        let key = CheckKey { settings: "second".into(), ..first.key.clone() };
        server.proven_first = true;
        server.checks = vec![first.clone(), CheckConfig { key, ..first }].into();
    }
    service
}

#[test]
fn a_server_waits_for_its_first_checks_and_nobody_is_told() {
    let mut bench = Bench::of(waiting());
    assert_eq!((bench.table(), bench.told()), (vec![], vec!["quorum up 2 at start".to_owned()]));
    // All are asked within the time that others wait at least, whatever their warm-up.
    bench.run(seconds(1), &[(2, bad())]);
    assert_eq!(bench.table(), [(1, 1)]);
    assert_eq!(bench.told(), ["check 2 down", "server 2 down", "check 2 down"]);
    bench.run(seconds(30), &[]);
    assert_eq!(bench.table(), [(1, 1), (2, 1)]);
    assert_eq!(bench.told(), ["check 2 up", "check 2 up", "server 2 up"]);
}

#[test]
fn one_check_of_two_is_not_enough() {
    let mut bench = Bench::of(waiting());
    while bench.record.running.len() < 2 {
        bench.now = bench.machine.next_wakeup().unwrap();
        bench.advance();
    }
    let running: Vec<_> = bench.record.running.keys().copied().collect();
    for check in running {
        let target = bench.machine.check_key(check).unwrap().target;
        bench.handle(Input::Verdict { check, verdict: good() });
        let asked = |other: &CheckId| bench.machine.checks.get(*other).unwrap().has_run;
        let checks =
            bench.machine.server(bench.machine.find_server(SERVICE, target).unwrap()).unwrap().checks;
        let whole = checks.iter().all(asked);
        assert_eq!(bench.record.table.contains_key(&(waiting().key, Target::Server(target))), whole);
    }
}

#[test]
fn a_server_that_serves_waits_for_nothing_after_a_reload() {
    let mut bench = Bench::of(service(2));
    bench.reload(vec![waiting()]);
    assert_eq!(bench.table(), [(1, 1), (2, 1)]);
    // One that comes waits, until nobody asks it to.
    let mut more = waiting();
    more.servers.push(ServerConfig { proven_first: true, ..server(3, vec![check(3, rhythm())]) });
    bench.reload(vec![more.clone()]);
    assert_eq!(bench.table(), [(1, 1), (2, 1)]);
    more.servers[2].proven_first = false;
    bench.reload(vec![more]);
    assert_eq!(bench.table(), [(1, 1), (2, 1), (3, 1)]);
}
