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
        CheckConfig { alpha: true, key, ..check(last, rhythm()) }
    };
    let mut new = service(3);
    for (server, last) in new.servers.iter_mut().zip(1..) {
        server.checks = vec![alpha(last)].into();
    }
    bench.reload(vec![new]);
    // The second was down anyway, and the third has never been asked.
    assert_eq!(bench.table(), [(1, 1)]);
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
    assert_eq!(bench.told(), ["quorum up 2 at start", "server 1 down", "quorum down 1"]);
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
