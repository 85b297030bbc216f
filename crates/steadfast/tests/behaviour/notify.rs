//! Notify scripts: which run, with which arguments, as whom.

use std::time::{Duration, Instant};

use steadfast_control::event::{Ending, Happening};
use steadfast_vrrp::State;

use crate::stage::{
    LIMIT, Stage, VIRTUAL, Virtual, configuration, set_mode, simple, soon, text_of, with_globals,
    write_script,
};

#[test]
fn notify_scripts_get_keepaliveds_arguments_as_script_user() {
    let Some(stage) = Stage::set("notify_scripts_get_keepaliveds_arguments_as_script_user") else { return };
    let host = stage.host("r1");
    // What a script finds: its user, its arguments, its descriptors and a variable that must not reach it.
    let look =
        "echo \"$(id -un):$(id -gn):$* $(ls /proc/self/fd | tr '\\n' ,) $LD_LIBRARY_PATH\" >> /run/told/log";
    write_script(&host, "/run/notify", look);
    host.write("/run/told/log", "").unwrap();
    set_mode(&host, "/run/told/log", 0o666);
    let told = Virtual::with_priority(150).more(
        "notify_master \"/run/notify to master\"\nnotify_backup \"/run/notify to backup\"\n\
         notify_fault \"/run/notify to fault\"\nnotify_stop \"/run/notify to stop\"\n\
         notify_master_rx_lower_pri \"/run/notify lower\"\nnotify \"/run/notify any\"",
    );
    let globals = "vrrp_version 3\nscript_user nobody nogroup";
    let mut router = stage.start_with(&host, &with_globals(globals, &[&told]), |command| {
        command.env("LD_LIBRARY_PATH", "/planted");
    });
    let lines = || -> Vec<String> { text_of(&host, "/run/told/log").lines().map(str::to_owned).collect() };
    let expect = |wanted: &[&str]| {
        soon(&format!("the scripts {wanted:?} have run"), || lines().len() >= wanted.len());
        // Scripts of one transition run beside each other.
        let mut found: Vec<String> = lines().split_off(lines().len() - wanted.len());
        found.sort();
        let wanted: Vec<String> =
            wanted.iter().map(|text| format!("nobody:nogroup:{text} 0,1,2,3, ")).collect();
        assert_eq!(found, wanted);
    };
    soon("BACKUP and MASTER are told", || lines().len() >= 4);
    router.reaches("V1", State::Master);
    let all = lines();
    assert!(all[..2].iter().all(|line| line.to_lowercase().contains("backup")), "{all:#?}");
    expect(&["any INSTANCE V1 MASTER 150", "to master"]);

    host.set_down("eth0").unwrap();
    router.reaches("V1", State::Fault);
    soon("FAULT is told", || lines().len() >= 6);
    expect(&["any INSTANCE V1 FAULT 150", "to fault"]);
    host.set_up("eth0").unwrap();
    router.reaches("V1", State::Master);
    soon("BACKUP and MASTER are told again", || lines().len() >= 10);

    // A router of lower priority that hears nobody claims the address.
    let peer = stage.router("r2", &simple(100));
    peer.reaches("V1", State::Backup);
    let deaf = peer.host();
    stage.segment.isolate(deaf).unwrap();
    peer.reaches("V1", State::Master);
    stage.segment.rejoin(deaf).unwrap();
    peer.reaches("V1", State::Backup);
    soon("the lower priority is told", || lines().iter().any(|line| line.contains(":lower ")));
    drop(peer);

    let before = lines().len();
    assert_eq!(router.stop(LIMIT).unwrap().code(), Some(0));
    assert_eq!(lines().len(), before + 2, "the stop scripts have not run: {:#?}", lines());
    expect(&["any INSTANCE V1 STOP 150", "to stop"]);
}

#[test]
fn bad_notify_scripts_are_reported_and_never_waited_for() {
    let Some(stage) = Stage::set("bad_notify_scripts_are_reported_and_never_waited_for") else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/fails", "echo no such luck\nexit 3");
    write_script(&host, "/run/hangs", "trap '' TERM\nwhile :; do sleep 1; done");
    let told = Virtual::with_priority(150)
        .more("notify_master /run/fails\nnotify_backup /run/hangs\nnotify_stop /run/hangs\nnotify_fault /run/absent");
    let mut router = stage.start(&host, &configuration(&[&told]));
    router.reaches("V1", State::Master);
    soon("the address is there", || router.owns(VIRTUAL));
    let failed = |happening: &Happening| matches!(happening, Happening::Notify { ending: Ending::Exited { status: 3 }, output, .. } if output.contains("luck"));
    soon("the failure is told", || router.happened(failed));
    assert!(router.logged("/run/absent", LIMIT), "the missing script is not told");
    let end = Instant::now();
    assert_eq!(router.stop(LIMIT).unwrap().code(), Some(0));
    assert!(end.elapsed() < Duration::from_secs(5), "the stop took {:?}", end.elapsed());
    soon("no script goes on", || {
        let hangs = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().contains("/run/hangs")
        };
        !host.processes().unwrap().iter().any(hangs)
    });
}
