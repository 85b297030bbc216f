//! The table as it is wanted, whatever was there and whoever changes it.

use std::time::Instant;

use steadfast_kernel::ipvs::{Ipvs, Refusal};
use steadfast_kernel::reconcile::ipvs::{
    COMMANDS_MAX, Finding, Found, RETRY_INTERVAL_NANOSECONDS, Reconciler,
};

use super::{at, ipvsadm, saved, server, service, tcp, with_ipvs};

/// Applies until nothing is left to do; how many commands it took.
fn settle(reconciler: &mut Reconciler, ipvs: &mut Ipvs) -> usize {
    let mut done = 0;
    while reconciler.next_wakeup() == Some(0) {
        let applied = reconciler.apply(ipvs, 0).unwrap();
        assert_eq!(applied.failures, []);
        done += applied.done;
    }
    done
}

fn survey(reconciler: &mut Reconciler, ipvs: &mut Ipvs, mend: bool) -> Vec<Found> {
    let mut all: Vec<Finding> = Vec::new();
    loop {
        let (findings, more) = reconciler.survey(ipvs, mend).unwrap();
        all.extend(findings);
        if !more {
            return all.into_iter().map(|finding| finding.found).collect();
        }
    }
}

/// A service with two servers.
fn wanted() -> Reconciler {
    let mut reconciler = Reconciler::default();
    let key = tcp("10.0.0.1", 80);
    reconciler.want_service(key, service("wlc"));
    reconciler.want_server(key, at("192.0.2.1", 80), server(1));
    reconciler.want_server(key, at("192.0.2.2", 80), server(2));
    reconciler
}

const TABLE: [&str; 3] = [
    "-A -t 10.0.0.1:80 -s wlc",
    "-a -t 10.0.0.1:80 -r 192.0.2.1:80 -m -w 1",
    "-a -t 10.0.0.1:80 -r 192.0.2.2:80 -m -w 2",
];

fn assert_table(expected: &[&str]) {
    let mut saved = saved();
    saved.sort();
    assert_eq!(saved, expected);
}

#[test]
fn only_differences_are_written() {
    with_ipvs("only_differences_are_written", |ipvs| {
        let mut reconciler = wanted();
        assert_eq!(settle(&mut reconciler, ipvs), 3);
        assert_table(&TABLE);
        let key = tcp("10.0.0.1", 80);
        reconciler.want_service(key, service("wlc"));
        reconciler.want_server(key, at("192.0.2.2", 80), server(2));
        assert_eq!(settle(&mut reconciler, ipvs), 0);
        reconciler.want_server(key, at("192.0.2.2", 80), server(9));
        assert_eq!(settle(&mut reconciler, ipvs), 1);
        assert!(reconciler.is_served(key, at("192.0.2.2", 80)));
        reconciler.unwant_server(key, at("192.0.2.1", 80));
        assert_eq!(settle(&mut reconciler, ipvs), 1);
        assert_table(&[TABLE[0], "-a -t 10.0.0.1:80 -r 192.0.2.2:80 -m -w 9"]);
        reconciler.unwant_all();
        assert_eq!(settle(&mut reconciler, ipvs), 1);
        assert_table(&[]);
    });
}

#[test]
fn what_an_earlier_run_left_is_adopted() {
    with_ipvs("what_an_earlier_run_left_is_adopted", |ipvs| {
        settle(&mut wanted(), ipvs);
        // A server that left the configuration while nobody was there, one that changed, and a service of others.
        ipvsadm("-a -t 10.0.0.1:80 -r 192.0.2.3:80 -m -w 1");
        ipvsadm("-e -t 10.0.0.1:80 -r 192.0.2.2:80 -m -w 7");
        ipvsadm("-A -t 10.0.0.9:80 -s rr");
        ipvsadm("-A -t 10.0.0.8:80 -s rr");
        let mut reconciler = wanted();
        reconciler.discard(tcp("10.0.0.8", 80));
        reconciler.adopt(ipvs).unwrap();
        assert_eq!(settle(&mut reconciler, ipvs), 3);
        let mut expected = TABLE.to_vec();
        expected.insert(1, "-A -t 10.0.0.9:80 -s rr");
        assert_table(&expected);
        reconciler.flush(ipvs).unwrap();
        assert_eq!(settle(&mut reconciler, ipvs), 3);
        assert_table(&TABLE);
    });
}

#[test]
fn what_others_change_is_told_once_and_mended() {
    with_ipvs("what_others_change_is_told_once_and_mended", |ipvs| {
        let mut reconciler = wanted();
        settle(&mut reconciler, ipvs);
        assert_eq!(survey(&mut reconciler, ipvs, true), []);
        let (first, second, third) = (at("192.0.2.1", 80), at("192.0.2.2", 80), at("192.0.2.3", 80));
        for mend in [false, true] {
            ipvsadm("-E -t 10.0.0.1:80 -s rr");
            ipvsadm("-d -t 10.0.0.1:80 -r 192.0.2.1:80");
            ipvsadm("-e -t 10.0.0.1:80 -r 192.0.2.2:80 -m -w 0");
            ipvsadm("-a -t 10.0.0.1:80 -r 192.0.2.3:80 -m -w 1");
            let found = survey(&mut reconciler, ipvs, mend);
            let expected = [
                Found::ServiceChanged(service("rr")),
                Found::ServerChanged(second, server(0)),
                Found::ServerAdded(third, server(1)),
                Found::ServerRemoved(first),
            ];
            assert_eq!(found, expected);
            assert_eq!(survey(&mut reconciler, ipvs, mend), []);
            // What was only told is put back by hand.
            let written = settle(&mut reconciler, ipvs);
            assert_eq!(written, if mend { 4 } else { 0 });
            if !mend {
                ipvsadm("-E -t 10.0.0.1:80 -s wlc");
                ipvsadm("-a -t 10.0.0.1:80 -r 192.0.2.1:80 -m -w 1");
                ipvsadm("-e -t 10.0.0.1:80 -r 192.0.2.2:80 -m -w 2");
                ipvsadm("-d -t 10.0.0.1:80 -r 192.0.2.3:80");
                survey(&mut reconciler, ipvs, mend);
            }
            assert_table(&TABLE);
        }
        ipvsadm("-C");
        assert_eq!(survey(&mut reconciler, ipvs, true), [Found::ServiceRemoved]);
        assert_eq!(settle(&mut reconciler, ipvs), 3);
        assert_table(&TABLE);
    });
}

/// Between two looks others have changed what is about to change: the kernel's answers set the picture right.
#[test]
fn refusals_that_show_a_wrong_picture_mend_it() {
    with_ipvs("refusals_that_show_a_wrong_picture_mend_it", |ipvs| {
        let key = tcp("10.0.0.1", 80);
        let mut reconciler = wanted();
        settle(&mut reconciler, ipvs);
        ipvsadm("-D -t 10.0.0.1:80");
        reconciler.want_server(key, at("192.0.2.2", 80), server(5));
        settle(&mut reconciler, ipvs);
        let expected = [TABLE[0], TABLE[1], "-a -t 10.0.0.1:80 -r 192.0.2.2:80 -m -w 5"];
        assert_table(&expected);
        ipvsadm("-a -t 10.0.0.1:80 -r 192.0.2.3:80 -m -w 9");
        reconciler.want_server(key, at("192.0.2.3", 80), server(3));
        ipvsadm("-d -t 10.0.0.1:80 -r 192.0.2.1:80");
        reconciler.unwant_server(key, at("192.0.2.1", 80));
        settle(&mut reconciler, ipvs);
        assert_table(&[expected[0], expected[2], "-a -t 10.0.0.1:80 -r 192.0.2.3:80 -m -w 3"]);
    });
}

#[test]
fn a_missing_scheduler_is_named_and_tried_again() {
    with_ipvs("a_missing_scheduler_is_named_and_tried_again", |ipvs| {
        let (good, bad) = (tcp("10.0.0.1", 80), tcp("10.0.0.2", 80));
        let mut reconciler = wanted();
        reconciler.want_service(bad, service("nosuch"));
        reconciler.want_server(bad, at("192.0.2.1", 80), server(1));
        let applied = reconciler.apply(ipvs, 0).unwrap();
        assert_eq!(applied.done, 3);
        let [failure] = &applied.failures[..] else { panic!("{applied:?}") };
        assert_eq!((failure.command.service(), failure.refusal), (bad, Refusal::SchedulerMissing));
        assert_eq!(reconciler.next_wakeup(), Some(RETRY_INTERVAL_NANOSECONDS));
        let again = reconciler.apply(ipvs, RETRY_INTERVAL_NANOSECONDS).unwrap();
        assert_eq!(again.failures.first().map(|failure| failure.attempt), Some(2));
        assert_eq!(reconciler.next_wakeup(), Some(3 * RETRY_INTERVAL_NANOSECONDS));
        reconciler.want_service(bad, service("rr"));
        assert_eq!(settle(&mut reconciler, ipvs), 2);
        assert!(
            reconciler.is_served(bad, at("192.0.2.1", 80)) && reconciler.is_served(good, at("192.0.2.1", 80))
        );
        reconciler.unwant_service(bad);
        settle(&mut reconciler, ipvs);
        assert!(reconciler.is_settled() || reconciler.next_wakeup().is_some_and(|time| time > 0));
        assert_table(&TABLE);
    });
}

/// No moment at which the service has no server: the new one is there before the old one goes.
#[test]
fn what_comes_comes_before_what_goes() {
    with_ipvs("what_comes_comes_before_what_goes", |ipvs| {
        let key = tcp("10.0.0.1", 80);
        let mut reconciler = Reconciler::default();
        reconciler.want_service(key, service("rr"));
        reconciler.want_server(key, at("192.0.2.1", 80), server(1));
        settle(&mut reconciler, ipvs);
        reconciler.unwant_server(key, at("192.0.2.1", 80));
        reconciler.want_server(key, at("192.0.2.2", 80), server(1));
        let commands = reconciler.planned();
        assert!(
            commands.first().is_some_and(|command| command.server() == Some(at("192.0.2.2", 80))),
            "{commands:?}"
        );
        assert_eq!(settle(&mut reconciler, ipvs), 2);
    });
}

#[test]
fn forty_thousand_servers_are_written_read_and_found_unchanged() {
    with_ipvs("forty_thousand_servers_are_written_read_and_found_unchanged", |ipvs| {
        let fill = || {
            let mut reconciler = Reconciler::default();
            for service_number in 0..400_u16 {
                let key = tcp("10.0.0.1", 1000 + service_number);
                reconciler.want_service(key, service("rr"));
                for server_number in 1..=100 {
                    reconciler.want_server(key, at(&format!("192.0.2.{server_number}"), 80), server(1));
                }
            }
            reconciler
        };
        let mut reconciler = fill();
        let mut calls = 0;
        let started = Instant::now();
        while reconciler.next_wakeup() == Some(0) {
            let applied = reconciler.apply(ipvs, 0).unwrap();
            assert_eq!(applied.failures, []);
            assert!(applied.done <= COMMANDS_MAX + 100, "{}", applied.done);
            calls += 1;
        }
        println!("written by {calls} calls in {:?}", started.elapsed());
        let mut another = fill();
        let started = Instant::now();
        another.adopt(ipvs).unwrap();
        println!("adopted in {:?}", started.elapsed());
        assert_eq!(settle(&mut another, ipvs), 0);
        assert_eq!(survey(&mut another, ipvs, true), []);
        another.unwant_all();
        assert_eq!(settle(&mut another, ipvs), 400);
    });
}
