//! The demonstration with the reference in the place of steadfast.

use steadfast_lab::demo::{self, Options, Scenario};
use steadfast_lab::{Program, permission};

#[test]
fn keepalived_holds_what_the_protocol_promises() {
    let test = "keepalived_holds_what_the_protocol_promises";
    let Some(keepalived) = Program::keepalived(test).filter(|_| permission::lab_possible(test)) else {
        return;
    };
    let options = Options {
        scenarios: vec![Scenario::PowerLoss, Scenario::Hang, Scenario::Killed],
        program: Some(keepalived),
        ..Options::default()
    };
    let report = demo::run(&options).unwrap();
    assert!(report.held, "{report}");
    let silent = &report.scenarios[0];
    for noticed in &silent.noticed {
        // The last advert before the cut was up to an interval old.
        assert!(noticed.outage >= silent.limit - options.advert_interval * 11 / 10, "{report}");
        assert!(noticed.lost > 200, "{report}");
    }
}
