//! Who gives way to whom, where that is configured for an instance.

use std::net::IpAddr;
use std::time::Instant;

use steadfast_lab::segment::address_v4;
use steadfast_lab::{Daemon, Program, wait};

use crate::pair::LIMIT;
use crate::rarer::{Alone, alone, global, instance};

/// Adverts of the other router after which nothing will change any more.
const QUIET: usize = 6;

fn with_priority(vrid: u8, priority: u8, more: &str) -> String {
    let text = instance(vrid, &format!("10.0.9.{vrid}/32"), more);
    text.replace("priority 100", &format!("priority {priority}"))
}

fn has(alone: &Alone, vrid: u8) -> bool {
    alone.host.has([10, 0, 9, vrid].into())
}

/// Waits until the other router, the second host of the segment, has gone on for so long.
fn goes_on(alone: &Alone, vrid: u8, since: Instant) {
    let other = IpAddr::from(address_v4(2));
    let sent = || alone.adverts(vrid, since).iter().filter(|(_, advert)| advert.source == other).count();
    assert!(wait::until(LIMIT, || sent() >= QUIET), "the other is silent about {vrid}");
}

/// The last word counts, and health more than patience where it is asked for.
#[test]
fn patience_ends_where_it_is_configured_to() {
    let test = "patience_ends_where_it_is_configured_to";
    let Some(ours) = Program::steadfast(test) else { return };
    for alone in alone(test) {
        let other = alone.segment.host("r2").unwrap();
        other.write("/run/ill", "0\n").unwrap();
        let ill = "track_file ill {\n file /run/ill\n weight -1\n}\n";
        let tracks = " track_file {\n ill\n }\n";
        let text = global("")
            + ill
            + &with_priority(1, 50, "")
            + &with_priority(2, 50, "")
            + &with_priority(3, 150, tracks)
            + &with_priority(4, 150, tracks);
        let _other = Daemon::start(&other, &ours, &text).unwrap();
        let theirs = || (1..=4).all(|vrid| other.has([10, 0, 9, vrid].into()));
        assert!(wait::until(LIMIT, theirs));

        let name = alone.program.name();
        let mut text = global("")
            + &with_priority(1, 100, " nopreempt\n")
            + &with_priority(2, 100, " nopreempt\n preempt\n")
            + &with_priority(3, 100, " nopreempt\n");
        // Debian's keepalived does not know it.
        if name == "steadfast" {
            text += &with_priority(4, 100, " nopreempt yields_to_health\n");
        }
        let since = Instant::now();
        let daemon = alone.start(&text);
        assert!(wait::until(LIMIT, || has(&alone, 2)), "{name}: preempt: {}", daemon.log_tail());
        (3..=4).for_each(|vrid| goes_on(&alone, vrid, since));
        goes_on(&alone, 1, Instant::now());
        assert!(![1, 3, 4].into_iter().any(|vrid| has(&alone, vrid)), "{name}: nopreempt");

        other.write("/run/ill", "100\n").unwrap();
        let since = Instant::now();
        if name == "steadfast" {
            assert!(wait::until(LIMIT, || has(&alone, 4)), "{name}: {}", daemon.log_tail());
        }
        goes_on(&alone, 3, since);
        let last = alone.adverts(3, since).pop().map(|(_, advert)| advert.priority.get());
        assert_eq!(last, Some(50), "{name}");
        assert!(!has(&alone, 3), "{name}: nopreempt alone");
    }
}

/// Of two owners the one with the lower address gives way, unless it hears nobody (RFC 9568 section 6.4.3).
#[test]
fn an_owner_ignores_others_where_that_is_asked_for() {
    let test = "an_owner_ignores_others_where_that_is_asked_for";
    // Debian's keepalived does not know it.
    for (globals, more) in [("", " owner_ignore_adverts\n"), (" vrrp_owner_ignore_adverts\n", "")] {
        let Some(alone) = alone(test).pop() else { return };
        let owner = |vrid, more| with_priority(vrid, 255, more).replace("state BACKUP", "state MASTER");
        let daemon = alone.start(&(global(globals) + &owner(1, more) + &with_priority(2, 100, more)));
        let both = || has(&alone, 1) && has(&alone, 2);
        assert!(wait::until(LIMIT, both), "{globals}{more}: {}", daemon.log_tail());
        let other = alone.segment.host("r2").unwrap();
        let since = Instant::now();
        let _other =
            Daemon::start(&other, &alone.program, &(global("") + &owner(1, "") + &owner(2, ""))).unwrap();
        assert!(wait::until(LIMIT, || !has(&alone, 2)), "{globals}{more}: it is no owner of 2");
        goes_on(&alone, 1, since);
        assert!(has(&alone, 1), "{globals}{more}: {}", daemon.log_tail());
    }
    let Some(alone) = alone(test).pop() else { return };
    let owner = |vrid| with_priority(vrid, 255, "").replace("state BACKUP", "state MASTER");
    let daemon = alone.start(&(global("") + &owner(1)));
    assert!(wait::until(LIMIT, || has(&alone, 1)), "{}", daemon.log_tail());
    let other = alone.segment.host("r2").unwrap();
    let _other = Daemon::start(&other, &alone.program, &(global("") + &owner(1))).unwrap();
    assert!(wait::until(LIMIT, || !has(&alone, 1)), "{}", daemon.log_tail());
}
