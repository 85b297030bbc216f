//! Routers under one fault after another, those of the wall clock among them.

use std::time::Duration;

use steadfast_lab::chaos::{self, Kinds, Options, Pace};
use steadfast_lab::{Program, left_out, permission};

/// For which faults begin.
const SECONDS: u64 = 60;

/// A guest has one processor, and each of its system calls costs ten times as much.
const SLOW: Pace = Pace {
    advert_interval: Duration::from_millis(300),
    ping_interval: Duration::from_millis(50),
    tolerance: Duration::from_millis(200),
    virtual_routers: 2,
};

#[test]
fn no_step_of_the_clock_and_no_loss_of_fewer_than_three_adverts_moves_an_address() {
    let test = "no_step_of_the_clock_and_no_loss_of_fewer_than_three_adverts_moves_an_address";
    let Some(ours) = Program::steadfast(test).filter(|_| permission::lab_possible(test)) else { return };
    if let Err(reason) = chaos::clock_can_step() {
        return left_out(test, &format!("{reason:#}"));
    }
    let programs = vec![ours.clone(), ours.clone(), ours];
    let options = Options {
        seed: 1,
        duration: Duration::from_secs(SECONDS),
        programs,
        pace: SLOW,
        kinds: Kinds::OfAKernel,
    };
    let report = chaos::run(&options, &mut std::io::stdout().lock()).unwrap();
    println!("{report}");
    assert!(report.lacking().is_empty(), "{report}");
    assert!(report.steps() > 0 && report.losses() > 0 && report.splits() > 0, "{report}");
    assert!(report.violations.is_empty(), "{report}");
}
