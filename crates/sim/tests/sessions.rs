//! BFD sessions through faults from seeds: sessions must come up again, and none falls without a reason.

use steadfast_bfd::{Cause, Event};
use steadfast_sim::sessions::{Happening, run};

fn check(seeds: std::ops::Range<u64>, calm: bool) {
    for seed in seeds {
        let run = run(seed, calm);
        let broken = run.broken(calm);
        let trace = broken.as_ref().map(|broken| run.trace(broken.at, 40)).unwrap_or_default();
        assert!(broken.is_none(), "seed {seed}: {broken:?}\n{trace}");
    }
}

#[test]
fn sessions_recover_from_whatever_befalls_them() {
    check(0..120, false);
}

#[test]
fn undisturbed_sessions_stay_up() {
    check(1000..1030, true);
}

#[test]
fn a_seed_tells_everything() {
    assert_eq!(run(7, false).history, run(7, false).history);
}

#[test]
fn echo_packets_find_what_control_packets_do_not() {
    let fell = |seed| {
        let failed = |what: &Happening| {
            let Happening::Told { event: Event::State { cause, .. }, .. } = what else { return false };
            matches!(cause, Cause::Echo { .. })
        };
        run(seed, false).history.iter().filter(|(_, what)| failed(what)).count()
    };
    // Otherwise the rules above say nothing of them.
    assert!((0..120).map(fell).sum::<usize>() > 100);
}
