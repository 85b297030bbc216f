//! A pair under stress.

use std::time::Duration;

use steadfast_lab::soak::{self, Options};
use steadfast_lab::{Program, permission};

/// How long it lasts.
const SECONDS: &str = "STEADFAST_SOAK_SECONDS";
/// Whether keepalived runs beside it.
const BESIDE: &str = "STEADFAST_SOAK_BESIDE";
/// Whether our backup watches over its master by BFD.
const FAST_DETECTION: &str = "STEADFAST_SOAK_FAST_DETECTION";
const SECONDS_BY_DEFAULT: u64 = 20;

#[test]
fn nothing_around_a_pair_makes_it_fail_over() {
    let test = "nothing_around_a_pair_makes_it_fail_over";
    let Some(ours) = Program::steadfast(test).filter(|_| permission::lab_possible(test)) else { return };
    let seconds =
        std::env::var(SECONDS).ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS_BY_DEFAULT);
    let beside = std::env::var_os(BESIDE).and_then(|_| Program::keepalived(test));
    let lacking = soak::disk_lacking();
    if let Some(why) = &lacking {
        permission::left_out(test, &format!("a disk that stalls: {why}"));
    }
    let options = Options {
        duration: Duration::from_secs(seconds),
        programs: [ours].into_iter().chain(beside).collect(),
        disk: lacking.is_none(),
        fast_detection: std::env::var_os(FAST_DETECTION).is_some(),
    };
    let report = soak::run(&options, &mut std::io::stdout().lock()).unwrap();
    println!("{report}");
    assert!(report.was_stressed(), "{report}");
    let ours = &report.pairs[0];
    assert!(ours.adverts > seconds * u64::from(soak::INSTANCES) * 5, "{report}");
    assert_eq!(ours.failovers, 0, "{report}");
    assert!(ours.complaints.is_empty(), "{:?}", ours.complaints);
    assert_eq!(ours.watches_ended, 0, "{report}");
    // A fair scheduler lets wait who has worked, and the flood and the reloads are work: a bare timer has none.
    assert!(ours.late_alone * 100 <= ours.adverts, "{report}");
}
