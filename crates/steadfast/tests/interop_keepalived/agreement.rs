//! Both daemons draw the same conclusions: who is better, how long to wait, when to keep still.

use std::time::{Duration, Instant};

use steadfast_lab::{Program, wait};
use steadfast_wire::vrrp::Priority;

use crate::pair::{Kind, LIMIT, Pair, QUICK, SLACK, configuration, global, programs};

/// Adverts of one router without any of the other, after which nothing will change any more.
const QUIET: usize = 15;

/// RFC 9568 section 6.4.3 (735): of equal priorities the higher address stays.
#[test]
fn of_two_equal_masters_the_higher_address_stays() {
    for programs in programs("of_two_equal_masters_the_higher_address_stays").into_iter().flatten() {
        let mut pair = Pair::new(programs);
        for side in [0, 1] {
            pair.start(side, &configuration(side, &QUICK, 100, ""));
        }
        let owned = |side: usize| QUICK.iter().all(|kind| pair.hosts[side].has(kind.address()));
        assert!(wait::until(LIMIT, || owned(0) || owned(1)));
        pair.segment.isolate(&pair.hosts[0]).unwrap();
        assert!(wait::until(LIMIT, || owned(0) && owned(1)));
        pair.segment.rejoin(&pair.hosts[0]).unwrap();
        for kind in QUICK {
            let better = usize::from(pair.source(kind, 0) < pair.source(kind, 1));
            pair.settle(&[kind], better);
        }
    }
}

/// RFC 9568 section 6.1, Active_Adver_Interval: a backup counts in the intervals of its master.
#[test]
fn a_backup_adopts_the_interval_of_its_master() {
    const MASTER: usize = 0;
    const BACKUP: usize = 1;
    // Longer than its own, and shorter than the backup waits before it has heard the first advert, by more than
    // a busy machine delays a master.
    let slow = Duration::from_millis(200);
    for programs in programs("a_backup_adopts_the_interval_of_its_master").into_iter().flatten() {
        let mut pair = Pair::new(programs);
        pair.start(MASTER, &configuration(MASTER, &QUICK, 200, "    advert_int 0.2\n"));
        pair.settle(&QUICK, MASTER);
        let started = Instant::now();
        pair.start(BACKUP, &configuration(BACKUP, &QUICK, 100, ""));
        for kind in QUICK {
            assert!(wait::until(LIMIT, || pair.sent(kind, MASTER, started).len() >= 5), "{}", kind.name());
            assert!(pair.sent(kind, BACKUP, started).is_empty(), "{}", kind.name());
        }
        let killed = pair.kill(MASTER);
        pair.takes_over(&QUICK, BACKUP, killed);
        for kind in QUICK {
            let (gap, limit) = (pair.gap(kind, MASTER, killed), kind.master_down(100, slow));
            assert!(gap <= limit + SLACK && gap >= limit.mul_f64(0.9), "{}: {gap:?}, {limit:?}", kind.name());
            // As master it sends in its own.
            let sent = || pair.sent(kind, BACKUP, killed);
            assert!(wait::until(LIMIT, || sent().len() >= 5));
            let took = sent()[4].0 - sent()[0].0;
            assert!(took < slow * 3, "{}: four intervals of 0.1 s took {took:?}", kind.name());
        }
    }
}

/// A better router that may not preempt waits for the end of the other, not for its silence.
#[test]
fn a_better_router_with_nopreempt_waits() {
    for programs in programs("a_better_router_with_nopreempt_waits").into_iter().flatten() {
        let mut pair = Pair::new(programs);
        pair.start(1, &configuration(1, &QUICK, 100, ""));
        pair.settle(&QUICK, 1);
        let started = Instant::now();
        pair.start(0, &configuration(0, &QUICK, 200, "    nopreempt\n"));
        assert!(wait::until(LIMIT, || pair.daemon(0).log().contains("BACKUP")));
        keeps_quiet(&pair, 0, started);
        let stopped = pair.terminate(1);
        pair.settle(&QUICK, 0);
        for kind in QUICK {
            pair.hands_over(kind, 1, 200, stopped);
        }
        pair.ended(1);

        // The lower one must not come back by force either.
        let returned = Instant::now();
        pair.start(1, &configuration(1, &QUICK, 100, ""));
        assert!(wait::until(LIMIT, || pair.daemon(1).log().contains("BACKUP")));
        keeps_quiet(&pair, 1, returned);
    }
}

fn keeps_quiet(pair: &Pair, side: usize, since: Instant) {
    for kind in QUICK {
        let heard = Instant::now();
        assert!(wait::until(LIMIT, || pair.sent(kind, 1 - side, heard).len() >= QUIET), "{}", kind.name());
        let sent = pair.sent(kind, side, since);
        assert!(sent.is_empty(), "{}: {sent:?}", kind.name());
    }
}

/// A failing check lowers the priority by its weight, and the address goes to the other and back.
#[test]
fn a_failing_check_moves_the_address_and_back() {
    const CHECKED: usize = 0;
    let kind = QUICK[0];
    let script = "vrrp_script sane {
    script \"/usr/bin/test -e /run/sane\"
    interval 1
    fall 1
    rise 1
    weight -150
}
";
    for programs in programs("a_failing_check_moves_the_address_and_back").into_iter().flatten() {
        let mut pair = Pair::new(programs);
        let host = std::sync::Arc::clone(&pair.hosts[CHECKED]);
        host.write("/run/sane", "").unwrap();
        let tracking = kind.instance(CHECKED, 200, "    track_script {\n        sane\n    }\n");
        pair.start(CHECKED, &(global("") + script + &tracking));
        pair.start(1, &configuration(1, &[kind], 100, ""));
        pair.settle(&[kind], CHECKED);

        let failing = Instant::now();
        std::fs::remove_file(host.outside("/run/sane")).unwrap();
        pair.settle(&[kind], 1);
        let lowered = pair.sent(kind, CHECKED, failing);
        let priorities: Vec<u8> = lowered.iter().map(|(_, advert)| advert.priority.get()).collect();
        // It goes on with its lower priority until the other preempts; nothing else is ever said.
        assert!(!priorities.is_empty());
        assert!(priorities.iter().all(|priority| [200, 50].contains(priority)), "{priorities:?}");

        host.write("/run/sane", "").unwrap();
        pair.settle(&[kind], CHECKED);
    }
}

/// RFC 9568 section 6.4.1 (115): priority 255 starts as master.
#[test]
fn an_owner_takes_over_at_once() {
    let kind = QUICK[0];
    for programs in programs("an_owner_takes_over_at_once").into_iter().flatten() {
        owner(programs, kind);
    }
}

fn owner(programs: [Program; 2], kind: Kind) {
    let mut pair = Pair::new(programs);
    pair.start(1, &configuration(1, &[kind], 100, ""));
    pair.settle(&[kind], 1);
    let started = Instant::now();
    let text = configuration(0, &[kind], 255, "").replace("state BACKUP", "state MASTER");
    pair.start(0, &text);
    pair.settle(&[kind], 0);
    let first = pair.sent(kind, 0, started).into_iter().next().unwrap();
    assert_eq!(first.1.priority, Priority::OWNER);
}
