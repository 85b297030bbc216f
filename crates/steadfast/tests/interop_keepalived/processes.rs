//! Sets of processes move priorities by their number, their names and the time that a change lasts.
//!
//! keepalived hears of processes in the first network namespace only, so that it cannot be compared with here.

use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use steadfast_lab::{Host, wait};

use crate::pair::LIMIT;
use crate::rarer::{Alone, alone, global, instance};

/// How long a change has to last where it does.
const DELAY: Duration = Duration::from_secs(2);

/// What is counted, what is tracked of it, and the priority while none runs, one, and two.
const SETS: [(&str, &str, [u8; 3]); 9] = [
    ("process sleep\n weight 10", "S", [100, 110, 110]),
    ("process sleep\n weight 10 reverse", "S", [100, 90, 90]),
    ("process sleep", "S weight -10", [90, 100, 100]),
    ("process sleep", "S weight 10 reverse", [100, 90, 90]),
    ("process sleep\n weight 10 reverse", "S weight 10 noreverse", [100, 110, 110]),
    ("process sleep\n weight 10\n quorum_max 1", "S", [100, 110, 100]),
    ("process /usr/bin/sleep 602\n weight 10", "S", [100, 100, 110]),
    ("process /usr/bin/sleep 60\n param_match initial\n weight 10", "S", [100, 110, 110]),
    ("process /usr/bin/sleep\n full_command\n weight 10", "S", [100, 110, 110]),
];

/// Those that wait before they act.
const PATIENT: [&str; 3] = ["terminate_delay 2", "fork_delay 2", "delay 2"];

fn file() -> String {
    let mut text = global("");
    let patient = PATIENT.map(|delay| (format!("process sleep\n weight 10\n {delay}"), "S"));
    let sets = SETS.iter().map(|(set, track, _)| ((*set).to_owned(), *track)).chain(patient);
    for (place, (set, track)) in sets.enumerate() {
        let vrid = u8::try_from(place + 1).unwrap();
        text += &format!("vrrp_track_process S{vrid} {{\n {set}\n}}\n");
        let track = track.replacen('S', &format!("S{vrid}"), 1);
        text += &instance(vrid, &format!("10.0.9.{vrid}/32"), &format!(" track_process {{\n {track}\n }}\n"));
    }
    // A group that follows one without a weight is in FAULT while none runs.
    text + "vrrp_track_process all {\n process sleep\n}\nvrrp_sync_group G {\n group {\n V20\n }\n track_process {\n all\n \
            }\n}\n"
        + &instance(20, "10.0.9.20/32", "")
}

fn priority(alone: &Alone, vrid: u8, since: Instant) -> Option<u8> {
    alone.adverts(vrid, since).last().map(|(_, advert)| advert.priority.get())
}

fn sleep(host: &Arc<Host>, seconds: &str) -> Child {
    host.spawn(Command::new("/usr/bin/sleep").arg(seconds)).unwrap()
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Waits until all sets that act at once have said so.
fn settles(alone: &Alone, running: usize) {
    for (place, (set, track, expected)) in SETS.iter().enumerate() {
        let vrid = u8::try_from(place + 1).unwrap();
        let since = Instant::now();
        let reached = wait::until(LIMIT, || priority(alone, vrid, since) == Some(expected[running]));
        assert!(reached, "{set}, {track}, {running} running: {:?}", priority(alone, vrid, since));
    }
    let fault = || !alone.host.has([10, 0, 9, 20].into());
    assert!(wait::until(LIMIT, || fault() == (running == 0)), "the group, {running} running");
}

/// How long a virtual router takes to have a priority.
fn takes(alone: &Alone, vrid: u8, wanted: u8, since: Instant) -> Duration {
    let at = wait::value(LIMIT, || {
        let adverts = alone.adverts(vrid, since);
        adverts.into_iter().find(|(_, advert)| advert.priority.get() == wanted).map(|(at, _)| at)
    });
    at.unwrap_or_else(|| panic!("{vrid} does not have {wanted}")) - since
}

#[test]
fn processes_move_priorities_by_number_name_and_time() {
    let Some(alone) = alone("processes_move_priorities_by_number_name_and_time").pop() else { return };
    let daemon = alone.start(&file());
    let since = Instant::now();
    alone.first(1, since);
    settles(&alone, 0);
    let came = Instant::now();
    let one = sleep(&alone.host, "601");
    settles(&alone, 1);
    let first = u8::try_from(SETS.len() + 1).unwrap();
    let [loss, gain, both] = [first, first + 1, first + 2];
    let waits = |vrid: u8, wanted: u8, since: Instant| takes(&alone, vrid, wanted, since) > DELAY;
    assert_eq!(
        [loss, gain, both].map(|vrid| waits(vrid, 110, came)),
        [false, true, true],
        "{}",
        daemon.log_tail()
    );
    let two = sleep(&alone.host, "602");
    settles(&alone, 2);
    end(two);
    let went = Instant::now();
    end(one);
    settles(&alone, 0);
    assert_eq!(
        [loss, gain, both].map(|vrid| waits(vrid, 100, went)),
        [true, false, true],
        "{}",
        daemon.log_tail()
    );
}
