//! Check scripts: what they do to the priority, and what bad ones may not do.

use std::time::{Duration, Instant};

use steadfast_control::event::{Ending, Fault, Happening};
use steadfast_control::status::Script;
use steadfast_lab::capture::Capture;
use steadfast_vrrp::State;

use crate::stage::{
    LIMIT, Router, SLACK, Stage, VIRTUAL, Virtual, configuration, longest_gap, senders, set_mode, simple,
    soon, text_of, with_globals, write_script,
};

const INTERVAL: Duration = Duration::from_millis(100);

fn script(router: &Router, name: &str) -> Option<Script> {
    router.status()?.scripts.into_iter().find(|script| &*script.name == name)
}

/// A script that ends as /run/result says, and keeps count of its runs.
const AS_TOLD: &str = "echo run >> /run/runs\nexit $(cat /run/result)";

#[test]
fn a_script_moves_the_priority_after_fall_failures_and_rise_successes() {
    let Some(stage) = Stage::set("a_script_moves_the_priority_after_fall_failures_and_rise_successes") else {
        return;
    };
    let host = stage.host("r1");
    write_script(&host, "/run/chk", AS_TOLD);
    host.write("/run/result", "0\n").unwrap();
    let check =
        "vrrp_script chk {\nscript \"/run/chk\"\ninterval 0.1\ntimeout 5\nweight -60\nrise 2\nfall 3\n}\n";
    let tracking = Virtual::with_priority(150).more("track_script {\nchk\n}");
    let first = stage.start(&host, &configuration(&[&check, &tracking]));
    let second = stage.router("r2", &simple(100));
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    let status = first.instance("V1").unwrap();
    assert_eq!((status.effective_priority, status.trackers[0].share), (150, 0));

    let runs = || text_of(&host, "/run/runs").lines().count();
    let before = runs();
    host.write("/run/result", "7\n").unwrap();
    second.reaches("V1", State::Master);
    first.reaches("V1", State::Backup);
    // One run may have read the old result.
    assert!(runs() - before >= 3, "moved after {} runs", runs() - before);
    let status = first.instance("V1").unwrap();
    assert_eq!((status.base_priority, status.effective_priority), (150, 90));
    assert_eq!((status.trackers[0].share, status.trackers[0].good), (-60, Some(false)));
    assert!(status.why.contains("chk"), "the chain of causes does not begin with the script: {}", status.why);
    let told = |happening: &Happening| {
        matches!(happening, Happening::Script { success: false, ending: Ending::Exited { status: 7 }, .. })
    };
    first.tells(told);
    assert_eq!(script(&first, "chk").unwrap().success, Some(false));

    let before = runs();
    host.write("/run/result", "0\n").unwrap();
    first.reaches("V1", State::Master);
    assert!(runs() - before >= 2, "came back after {} runs", runs() - before);
    second.reaches("V1", State::Backup);
}

#[test]
fn a_script_without_weight_decides_over_fault_and_init_fail_begins_with_it() {
    let Some(stage) = Stage::set("a_script_without_weight_decides_over_fault_and_init_fail_begins_with_it")
    else {
        return;
    };
    let host = stage.host("r1");
    write_script(&host, "/run/chk", AS_TOLD);
    host.write("/run/result", "1\n").unwrap();
    let check =
        "vrrp_script chk {\nscript \"/run/chk\"\ninterval 0.1\ntimeout 5\nrise 3\nfall 2\ninit_fail\n}\n";
    let tracking = Virtual::with_priority(150).more("track_script {\nchk\n}");
    let router = stage.start(&host, &configuration(&[&check, &tracking]));
    let runs = || text_of(&host, "/run/runs").lines().count();
    soon("the script runs", || runs() > 3);
    router.reaches("V1", State::Fault);
    assert!(!router.owns(VIRTUAL));
    let before = runs();
    host.write("/run/result", "0\n").unwrap();
    router.reaches("V1", State::Master);
    assert!(runs() - before >= 3, "left FAULT after {} runs", runs() - before);
    host.write("/run/result", "1\n").unwrap();
    router.reaches("V1", State::Fault);
    soon("the address goes", || !router.owns(VIRTUAL));
}

#[test]
fn bad_scripts_are_bounded_reported_and_never_waited_for() {
    let Some(stage) = Stage::set("bad_scripts_are_bounded_reported_and_never_waited_for") else { return };
    let host = stage.host("r1");
    let client = stage.host("client");
    write_script(&host, "/run/hangs", "trap '' TERM\necho $$ > /run/hanging\nwhile :; do sleep 1; done");
    write_script(&host, "/run/floods", "echo $$ > /run/flooding\nexec yes 0123456789");
    write_script(&host, "/run/forks", "sleep 1000 & echo $! > /run/orphan\nexit 0");
    write_script(&host, "/run/unexecutable", "exit 0");
    set_mode(&host, "/run/unexecutable", 0o644);
    write_script(&host, "/run/writable", "exit 0");
    set_mode(&host, "/run/writable", 0o777);
    let names = ["hangs", "floods", "forks", "missing", "unexecutable", "writable"];
    let checks: String = names
        .iter()
        .map(|name| {
            format!(
                "vrrp_script {name} {{\nscript \"/run/{name}\"\ninterval 0.2\ntimeout 0.5\nweight -10\n}}\n"
            )
        })
        .collect();
    let tracks = names.iter().map(|name| format!("{name}\n")).collect::<String>();
    let tracking = Virtual::with_priority(200).more(&format!("track_script {{\n{tracks}}}"));
    let globals = "vrrp_version 3\nenable_script_security\nscript_user root";
    let mut router = stage.start(&host, &with_globals(globals, &[&checks, &tracking]));
    router.reaches("V1", State::Master);
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    soon("the hanging script counts as failed", || {
        script(&router, "hangs").is_some_and(|script| script.success == Some(false))
    });
    let hanging = script(&router, "hangs").unwrap();
    assert!(hanging.outcome.as_ref().unwrap().contains("longer"), "{hanging:?}");
    soon("the hanging script is killed", || script(&router, "hangs").is_some_and(|script| script.runs > 1));
    soon("the flooding script ends", || script(&router, "floods").is_some_and(|script| script.runs > 1));
    let flood = script(&router, "floods").unwrap();
    assert_eq!(flood.success, Some(false), "{flood:?}");
    assert!(flood.output.starts_with("0123456789") && flood.output.len() <= 600, "{flood:?}");
    soon("the forking script succeeds", || {
        script(&router, "forks").is_some_and(|script| script.success == Some(true))
    });

    for (name, why) in [("missing", "not exist"), ("unexecutable", "execut"), ("writable", "change it")] {
        assert!(script(&router, name).is_none(), "{name} is run");
        let path = format!("/run/{name}");
        soon(&format!("the log says what is wrong with {name}"), || {
            router.log().lines().any(|line| line.contains(&path) && line.contains(why))
        });
    }
    let status = router.instance("V1").unwrap();
    assert_eq!((status.state, status.effective_priority), (State::Master, 180));
    let adverts = senders(&capture, 51, begin);
    let gap = longest_gap(&adverts);
    assert!(gap < INTERVAL + SLACK, "no advert for {gap:?}");

    // Nor is a script waited for at the end.
    let end = Instant::now();
    let status = router.stop(LIMIT).unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(end.elapsed() < Duration::from_secs(4), "the stop took {:?}", end.elapsed());
    let left = |name: &str| {
        let ours = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().contains(name)
        };
        host.processes().unwrap().iter().any(ours)
    };
    soon("no check script goes on", || !left("/run/hangs") && !left("yes"));
}

#[test]
fn an_insecure_script_runs_with_a_warning_unless_security_is_asked_for() {
    let Some(stage) = Stage::set("an_insecure_script_runs_with_a_warning_unless_security_is_asked_for")
    else {
        return;
    };
    let host = stage.host("r1");
    write_script(&host, "/run/writable", "exit 0");
    set_mode(&host, "/run/writable", 0o777);
    let check = "vrrp_script writable {\nscript \"/run/writable\"\ninterval 1\nweight 10\n}\n";
    let tracking = Virtual::default().more("track_script {\nwritable\n}");
    let router = stage.start(&host, &with_globals("vrrp_version 3\nscript_user root", &[&check, &tracking]));
    router.reaches("V1", State::Master);
    soon("it runs", || script(&router, "writable").is_some_and(|script| script.success == Some(true)));
    assert!(router.log().lines().any(|line| line.contains("/run/writable") && line.contains("change it")));
    soon("it counts", || router.instance("V1").is_some_and(|instance| instance.effective_priority == 110));
}

/// Check scripts that run at the same time, at most.
const ROOM_FOR: usize = 1_024;

#[test]
fn a_script_that_finds_no_room_finds_out_nothing() {
    let Some(stage) = Stage::set("a_script_that_finds_no_room_finds_out_nothing") else { return };
    let host = stage.host("r1");
    // Each waits for a writer, and lives on nothing meanwhile.
    host.run(&["mkfifo", "/run/gate"]).unwrap();
    write_script(&host, "/run/chk", "exec </run/gate");
    let names: Vec<String> = (0..=ROOM_FOR).map(|number| format!("chk{number}")).collect();
    let checks: String = names
        .iter()
        .map(|name| {
            format!("vrrp_script {name} {{\nscript \"/run/chk\"\ninterval 3\ntimeout 1000\nweight -1\n}}\n")
        })
        .collect();
    let tracking = Virtual::with_priority(150).more(&format!("track_script {{\n{}\n}}", names.join("\n")));
    let router = stage.start(&host, &configuration(&[&checks.as_str(), &tracking]));
    let is_without_room = |fault: &Fault| {
        matches!(fault, Fault::CheckNotRun { ending: Ending::NoRoom { running: ROOM_FOR }, .. })
    };
    soon("one finds no room", || {
        router.status().is_some_and(|status| status.faults.iter().any(is_without_room))
    });
    router.reaches("V1", State::Master);
    let status = router.instance("V1").unwrap();
    assert_eq!(status.effective_priority, 150, "no result has come: {:?}", status.why);
    assert!(
        !router.happened(|happening| matches!(happening, Happening::Script { .. })),
        "{:#?}",
        router.events()
    );
    // There is room when the others have ended, and this one finds out that all is well.
    write_script(&host, "/run/chk", "exit 0");
    soon("every script was run", || {
        // Some may have been on their way to the gate when it was opened last.
        host.run(&["sh", "-c", "exec 3<>/run/gate"]).unwrap();
        let status = router.status().unwrap();
        status.faults.is_empty() && status.scripts.iter().all(|script| script.success == Some(true))
    });
    assert_eq!(router.instance("V1").unwrap().effective_priority, 150);
}
