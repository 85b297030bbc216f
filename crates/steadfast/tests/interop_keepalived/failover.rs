//! Every kind of virtual router goes from one daemon to the other and back.

use std::time::Instant;

use steadfast_lab::Program;
use steadfast_wire::vrrp::Priority;

use crate::pair::{KINDS, Kind, Pair, SLACK, configuration, programs};

const HIGHER: usize = 0;
const LOWER: usize = 1;

const HIGHER_PRIORITY: u8 = 200;
const LOWER_PRIORITY: u8 = 100;

#[test]
fn keepalived_backs_steadfast_up() {
    if let Some([ours_higher, _]) = programs("keepalived_backs_steadfast_up") {
        tour(ours_higher);
    }
}

#[test]
fn steadfast_backs_keepalived_up() {
    if let Some([_, ours_lower]) = programs("steadfast_backs_keepalived_up") {
        tour(ours_lower);
    }
}

fn tour(programs: [Program; 2]) {
    let higher = configuration(HIGHER, &KINDS, HIGHER_PRIORITY, "");
    let mut pair = Pair::new(programs);
    pair.start(HIGHER, &higher);
    pair.start(LOWER, &configuration(LOWER, &KINDS, LOWER_PRIORITY, ""));
    pair.settle(&KINDS, HIGHER);
    pair.reigns(&KINDS, HIGHER);

    let stopped = pair.terminate(HIGHER);
    pair.settle(&KINDS, LOWER);
    for kind in KINDS {
        pair.hands_over(kind, HIGHER, LOWER_PRIORITY, stopped);
    }
    pair.ended(HIGHER);

    let returned = Instant::now();
    pair.start(HIGHER, &higher);
    pair.settle(&KINDS, HIGHER);
    for kind in KINDS {
        yields(&pair, kind, returned);
    }

    pair.reigns(&KINDS, HIGHER);
    let killed = pair.kill(HIGHER);
    pair.takes_over(&KINDS, LOWER, killed);
    for kind in KINDS {
        takes_over_in_time(&pair, kind, killed);
    }
    assert_eq!(pair.errors(LOWER), [].into());

    // What the killed one left on its interface must not stay in the way.
    pair.start(HIGHER, &higher);
    pair.settle(&KINDS, HIGHER);
    assert_eq!(pair.errors(HIGHER), [].into());
}

/// The lower one stops at the first advert of the higher one, without giving up itself.
fn yields(pair: &Pair, kind: Kind, returned: Instant) {
    let name = kind.name();
    let (first, _) = pair.sent(kind, HIGHER, returned).into_iter().next().unwrap();
    let after: Vec<_> =
        pair.sent(kind, LOWER, returned).into_iter().filter(|(at, _)| *at > first + SLACK).collect();
    assert!(after.is_empty(), "{name}: {after:?}");
    let released =
        pair.sent(kind, LOWER, returned).iter().any(|(_, advert)| advert.priority == Priority::RELEASE);
    assert!(!released, "{name}: the lower one sent priority 0");
}

/// RFC 9568 section 6.1: master down interval.
fn takes_over_in_time(pair: &Pair, kind: Kind, killed: Instant) {
    let (name, gap) = (kind.name(), pair.gap(kind, HIGHER, killed));
    let limit = kind.master_down(LOWER_PRIORITY, kind.interval());
    assert!(gap <= limit + SLACK, "{name}: {gap:?} after the last advert, allowed {limit:?}");
    // The capture may have seen the last advert late; an interval too few would still show.
    let least = limit - kind.interval().mul_f64(0.75);
    assert!(gap >= least, "{name}: {gap:?} after the last advert, {least:?} at least");
}
