//! More scripts at a time than there are descriptors, at first or for good.

use std::process::Command;
use std::time::Duration;

use steadfast_control::event::{Bound, Happening};
use steadfast_lab::{Host, Segment, wait};

use crate::stage::{Router, Stage, Virtual, configuration, open_gate, soon, text_of, write_script};
use crate::upgrade::upgrade;

/// Instances or check scripts where the limit can be raised: more than 1,024 descriptors are enough for.
const MANY: usize = 400;
/// The same where it cannot: more than [`DESCRIPTORS`] are enough for.
const SOME: usize = 60;
/// Descriptors of the processes there.
const DESCRIPTORS: u32 = 128;
/// For hundreds of scripts on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// Has a daemon start with the limit that systemd gives every service, or a container.
fn as_a_service(command: &mut Command) {
    let mut bounded = Command::new("prlimit");
    bounded.arg("--nofile=1024:4096").arg(command.get_program()).args(command.get_args());
    *command = bounded;
}

/// With few descriptors, and without the right to have more.
fn with_few(command: &mut Command) {
    let mut bounded = Command::new("prlimit");
    bounded.arg(format!("--nofile={DESCRIPTORS}:{DESCRIPTORS}"));
    bounded.args(["setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource"]);
    bounded.arg(command.get_program()).args(command.get_args());
    *command = bounded;
}

/// Virtual routers that become master at the same moment, on as many interfaces as their numbers need.
fn routers(host: &Host, count: usize) -> (Vec<Segment>, String) {
    let switches: Vec<Segment> = (0..count.div_ceil(200)).map(|_| Segment::new().unwrap()).collect();
    for (number, switch) in switches.iter().enumerate() {
        switch.plug(host, &format!("lan{number}")).unwrap();
        host.assign(&format!("lan{number}"), format!("10.1.{number}.1").parse().unwrap(), 24).unwrap();
    }
    let router = |number: usize| {
        let (switch, vrid) = (number / 200, number % 200 + 1);
        format!(
            "vrrp_instance V{number} {{\nstate BACKUP\ninterface lan{switch}\nvirtual_router_id {vrid}\n\
             priority 100\nadvert_int 1\nvirtual_ipaddress {{\n10.2.{switch}.{vrid}/32\n}}\n\
             notify_master \"/run/notify {number}\"\n}}\n"
        )
    };
    (switches, (0..count).map(router).collect())
}

/// A script that tells that it runs and goes on when somebody opens the gate. It lives on nothing meanwhile.
fn write_gated(host: &Host) {
    host.run(&["mkfifo", "/run/gate"]).unwrap();
    write_script(host, "/run/notify", "echo \"$1\" >> /run/told\nexec </run/gate");
}

/// Different instances that were told of.
fn told(host: &Host) -> usize {
    let text = text_of(host, "/run/told");
    text.lines().collect::<std::collections::BTreeSet<_>>().len()
}

/// Waits until each of as many instances was told of, once.
#[track_caller]
fn await_told(router: &Router, count: usize) {
    let host = router.host();
    let all = wait::until(LONG, || told(host) == count);
    assert!(all, "{} of {count} were told of: {}", told(host), router.log_tail());
    assert_eq!(text_of(host, "/run/told").lines().count(), count, "some were told of twice");
}

fn checks(count: usize) -> String {
    let checks: String = (0..count)
        .map(|number| {
            format!(
                "vrrp_script chk{number} {{\nscript \"/run/chk\"\ninterval 5\ntimeout 100\nweight 1\n}}\n"
            )
        })
        .collect();
    let tracks: String = (0..count).map(|number| format!("chk{number}\n")).collect();
    let tracking = Virtual::with_priority(100).more(&format!("track_script {{\n{tracks}}}"));
    configuration(&[&checks, &tracking])
}

/// Waits until every script has found out that all is well.
#[track_caller]
fn await_results(router: &Router, count: usize) {
    let good = || {
        let status = router.status()?;
        Some(status.scripts.iter().filter(|script| script.success == Some(true)).count())
    };
    let all = wait::until(LONG, || good() == Some(count));
    assert!(all, "{:?} of {count} have a result: {}", good(), router.log_tail());
}

#[test]
fn as_many_notify_scripts_run_at_a_time_as_the_bound_says() {
    let Some(stage) = Stage::set("as_many_notify_scripts_run_at_a_time_as_the_bound_says") else { return };
    let host = stage.host("r1");
    let (_switches, routers) = routers(&host, MANY);
    write_gated(&host);
    let router = stage.start_with(&host, &configuration(&[&routers]), as_a_service);
    await_told(&router, MANY);
}

#[test]
fn a_notify_script_without_a_descriptor_waits_for_one() {
    let Some(stage) = Stage::set("a_notify_script_without_a_descriptor_waits_for_one") else { return };
    let host = stage.host("r1");
    let (_switches, routers) = routers(&host, SOME);
    write_gated(&host);
    let router = stage.start_with(&host, &configuration(&[&routers]), with_few);
    let waits =
        |happening: &Happening| matches!(happening, Happening::Bound { bound: Bound::NotifyScripts { .. } });
    let waited = wait::until(LONG, || router.happened(waits));
    assert!(waited, "none waits: {}", router.log_tail());
    assert!(told(&host) < SOME);
    let _gate = open_gate(&host);
    await_told(&router, SOME);
}

#[test]
fn as_many_check_scripts_run_at_a_time_as_the_bound_says() {
    let Some(stage) = Stage::set("as_many_check_scripts_run_at_a_time_as_the_bound_says") else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/chk", "exit 0");
    let router = stage.start_with(&host, &checks(MANY), as_a_service);
    await_results(&router, MANY);
    let status = router.status().unwrap();
    assert_eq!(status.faults, [], "{}", router.log_tail());
}

#[test]
fn a_check_script_without_a_descriptor_has_its_turn_soon() {
    let Some(stage) = Stage::set("a_check_script_without_a_descriptor_has_its_turn_soon") else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/chk", "exit 0");
    let router = stage.start_with(&host, &checks(SOME), with_few);
    await_results(&router, SOME);
    soon("no fault is left", || router.status().is_some_and(|status| status.faults.is_empty()));
}

/// The program that comes does not know what its predecessor had raised.
#[test]
fn scripts_have_the_limits_of_the_start_after_an_upgrade_too() {
    let Some(stage) = Stage::set("scripts_have_the_limits_of_the_start_after_an_upgrade_too") else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/chk", "echo \"$(ulimit -Sn) $(ulimit -Hn)\" >> /run/limits");
    let check = "vrrp_script chk {\nscript \"/run/chk\"\ninterval 0.2\ntimeout 100\nweight 1\n}\n";
    let tracking = Virtual::with_priority(100).more("track_script {\nchk\n}");
    let router = stage.start_with(&host, &configuration(&[&check, &tracking]), as_a_service);
    let runs = || text_of(&host, "/run/limits").lines().count();
    for upgraded in [false, true] {
        if upgraded {
            let report = upgrade(&stage, &router, None);
            assert!(report.upgraded, "{report:#?}");
        }
        // One that ran before may end only now.
        let before = runs();
        soon("the script runs", || runs() > before + 1);
        let limits = text_of(&host, "/run/limits");
        assert!(limits.lines().all(|limits| limits == "1024 4096"), "upgraded: {upgraded}, {limits}");
        let own = std::fs::read_to_string(format!("/proc/{}/limits", router.pid())).unwrap();
        let own = own.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let soft: u64 = own.split_whitespace().nth(3).unwrap().parse().unwrap();
        assert!(soft > 1024, "upgraded: {upgraded}, {own}");
    }
}
