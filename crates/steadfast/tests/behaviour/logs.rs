//! Where lines of the log go, and what becomes of those that find no room.

use steadfast_lab::Signal;
use steadfast_vrrp::State;

use crate::stage::{LIMIT, Stage, Virtual, configuration, simple, soon, text_of};

#[test]
fn a_full_disk_costs_whole_lines_that_are_counted() {
    let Some(stage) = Stage::set("a_full_disk_costs_whole_lines_that_are_counted") else { return };
    let host = stage.host("r1");
    let mount = "mkdir /run/small && mount -t tmpfs -o size=4k small /run/small";
    let prepared = host.run(&["sh", "-c", mount]).unwrap();
    assert!(prepared.status.success(), "{}", prepared.output);
    // What an earlier run wrote nearly fills it.
    let earlier = "1970-01-01T03:00:00.000000+03:00: earlier\n".repeat(90);
    let filled = host.run(&["sh", "-c", &format!("printf '%s' '{earlier}' > /run/small/log")]).unwrap();
    assert!(filled.status.success() && earlier.len() < 4_096, "{}", filled.output);
    let router = stage.start_with(&host, &simple(100), |command| {
        command.args(["-g/run/small/log", "--local-time"]).env("TZ", "UTC-3");
    });
    router.reaches("V1", State::Master);
    let log = || host.run(&["cat", "/run/small/log"]).unwrap().output;
    // Each reload is a line.
    soon("lines are lost", || {
        router.signal(Signal::HUP);
        let told = router.log().lines().filter(|line| line.contains("reload: ")).count();
        told > log().lines().filter(|line| line.contains("reload: ")).count() + 2
    });
    let full = log();
    assert!(full.ends_with('\n') && full.lines().all(|line| line.contains("+03:00: ")), "{full}");
    let emptied = host.run(&["sh", "-c", ": > /run/small/log"]).unwrap();
    assert!(emptied.status.success());
    soon("the loss is told", || {
        router.signal(Signal::HUP);
        log().contains("lines before this one were lost)")
    });
    assert!(log().lines().all(|line| line.contains("+03:00: ")), "{}", log());
}

#[test]
fn a_stop_tells_who_took_over_and_that_it_ended() {
    let Some(stage) = Stage::set("a_stop_tells_who_took_over_and_that_it_ended") else { return };
    // A stop waits for less than an interval, of which the other needs a good half.
    let slow = |priority| configuration(&[&Virtual { interval: "1", ..Virtual::with_priority(priority) }]);
    let mut first = stage.router("r1", &slow(200));
    first.reaches("V1", State::Master);
    let mut second = stage.router("r2", &slow(100));
    second.reaches("V1", State::Backup);
    first.stop(LIMIT).unwrap();
    let log = first.log();
    assert!(log.contains("(V1) handed over to 10.0.0.2 (priority 100) after "), "{log}");
    assert!(log.trim_end().ends_with(": stopped"), "{log}");
    second.reaches("V1", State::Master);
    second.stop(LIMIT).unwrap();
    assert!(second.logged("(V1) handed over to nobody", LIMIT), "{}", second.log_tail());
    assert_eq!(text_of(second.host(), "/run/steadfast/k.pid"), "");
}
