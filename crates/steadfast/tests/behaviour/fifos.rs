//! FIFOs that tell of changes of state, line by line as keepalived writes them.

use std::process::Command;
use std::sync::Arc;

use steadfast_control::event::{Ending, Fault, Happening};
use steadfast_control::verdict;
use steadfast_lab::{Daemon, Host, Program, Segment};
use steadfast_vrrp::State;

use crate::stage::{LIMIT, Stage, Virtual, soon, text_of, with_globals, write_script};

const LINES: &str = "/run/lines";

fn everything() -> String {
    let globals = "vrrp_version 3\nscript_user root\nnotify_fifo /run/fifo\nvrrp_notify_priority_changes on";
    let check =
        "vrrp_script chk {\nscript \"/run/chk\"\ninterval 1\ntimeout 1\nweight -10\nfall 1\nrise 1\n}\n";
    let group = "vrrp_sync_group G {\ngroup {\nV1\nV2\n}\nglobal_tracking\n}\n";
    let first = Virtual::default().more("track_script {\nchk\n}");
    let second = Virtual { name: "V2", vrid: 52, addresses: vec!["10.0.9.10/32"], ..Virtual::default() };
    with_globals(globals, &[&check, &group, &first, &second])
}

/// A host with a check script that does as told and a FIFO that somebody reads.
fn place(segment: &Segment) -> Arc<Host> {
    let host = segment.host("r1").unwrap();
    write_script(&host, "/run/chk", "exit $(cat /run/result)");
    host.write("/run/result", "0\n").unwrap();
    let made = host.run(&["sh", "-c", "mkfifo /run/fifo"]).unwrap();
    assert!(made.status.success(), "{}", made.output);
    host
}

/// What a daemon writes to its FIFO from its start to its end.
fn lines_of(host: &Arc<Host>, program: &Program) -> Vec<String> {
    let mut reader = Command::new("sh");
    reader.args(["-c", &format!("exec cat /run/fifo > {LINES}")]);
    let mut reader = host.spawn(&mut reader).unwrap();
    let mut daemon = Daemon::start(host, program, &everything()).unwrap();
    let has = |line: &str| text_of(host, LINES).lines().any(|found| found == line);
    soon("both are master", || has("INSTANCE \"V1\" MASTER 100") && has("INSTANCE \"V2\" MASTER 100"));
    soon("the group is", || has("GROUP \"G\" MASTER 0"));
    host.write("/run/result", "1\n").unwrap();
    soon("the priority falls", || has("INSTANCE \"V1\" MASTER_PRIORITY 90"));
    host.write("/run/result", "0\n").unwrap();
    soon("the priority rises", || has("INSTANCE \"V1\" MASTER_PRIORITY 100"));
    daemon.stop(LIMIT).unwrap();
    reader.wait().unwrap();
    text_of(host, LINES).lines().map(str::to_owned).collect()
}

/// Lines of one instance or group in their order; those of different ones may come in another.
fn of<'l>(lines: &'l [String], owner: &str) -> Vec<&'l str> {
    lines.iter().map(String::as_str).filter(|line| line.contains(owner)).collect()
}

#[test]
fn lines_are_those_of_keepalived() {
    let test = "lines_are_those_of_keepalived";
    let (Some(stage), Some(keepalived)) = (Stage::set(test), Program::keepalived(test)) else { return };
    let (ours, theirs) = (place(&stage.segment), Segment::new().unwrap());
    let theirs = place(&theirs);
    let (ours, theirs) = (lines_of(&ours, &stage.program), lines_of(&theirs, &keepalived));
    for owner in ["\"V1\"", "\"V2\"", "\"G\""] {
        assert_eq!(of(&ours, owner), of(&theirs, owner), "{ours:#?}\nkeepalived: {theirs:#?}");
    }
    assert_eq!(ours.len(), theirs.len(), "{ours:#?}\nkeepalived: {theirs:#?}");
}

#[test]
fn a_reader_gets_the_path_and_every_line_and_the_fifo_goes_at_the_end() {
    let test = "a_reader_gets_the_path_and_every_line_and_the_fifo_goes_at_the_end";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/reader", &format!("echo \"$*\" > /run/told\nexec cat \"$2\" > {LINES}"));
    let globals = "vrrp_version 3\nscript_user root\nvrrp_notify_fifo /run/fifo nobody\n\
                   vrrp_notify_fifo_script \"/run/reader first\"";
    let mut router = stage.start(&host, &with_globals(globals, &[&Virtual::default()]));
    router.reaches("V1", State::Master);
    soon("the line arrives", || text_of(&host, LINES).contains("INSTANCE \"V1\" MASTER 100\n"));
    assert_eq!(text_of(&host, "/run/told"), "first /run/fifo\n");
    let owner = host.run(&["stat", "-c", "%U %F", "/run/fifo"]).unwrap();
    assert_eq!(owner.output, "nobody fifo\n");
    // A reload that changes nothing leaves it open; one that takes it away closes it.
    router.reload(&with_globals(&format!("{globals}\nvrrp_garp_master_repeat 2"), &[&Virtual::default()]));
    assert_eq!(text_of(&host, "/run/told"), "first /run/fifo\n");
    assert_eq!(router.stop(LIMIT).unwrap().code(), Some(0));
    soon("the last line arrives", || text_of(&host, LINES).ends_with("INSTANCE \"V1\" STOP 100\n"));
    assert!(!host.outside("/run/fifo").exists());
}

#[test]
fn what_is_no_fifo_is_left_alone() {
    let Some(stage) = Stage::set("what_is_no_fifo_is_left_alone") else { return };
    let host = stage.host("r1");
    host.write("/run/fifo", "a file\n").unwrap();
    let globals = "vrrp_version 3\nnotify_fifo /run/fifo";
    let router = stage.start(&host, &with_globals(globals, &[&Virtual::default()]));
    router.reaches("V1", State::Master);
    assert!(
        router.logged("notify_fifo: /run/fifo is not used: it is no FIFO", LIMIT),
        "{}",
        router.log_tail()
    );
    assert_eq!(text_of(&host, "/run/fifo"), "a file\n");
}

/// The programs that the supervisor runs on its own behalf are seen to: what ended stays in the status until it is put right.
#[test]
fn a_reader_that_ends_is_an_event_and_stands_in_the_status_until_a_reload_brings_another() {
    let test = "a_reader_that_ends_is_an_event_and_stands_in_the_status_until_a_reload_brings_another";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/ends", "exit 3");
    write_script(&host, "/run/reads", "exec cat \"$1\"");
    let configuration = |reader: &str| {
        let globals = format!(
            "vrrp_version 3\nscript_user root\nnotify_fifo /run/fifo\nnotify_fifo_script {reader}\n\
             smtp_server 127.0.0.1 2525\nnotification_email {{\na@example.org\n}}"
        );
        with_globals(&globals, &[&Virtual::default().more("smtp_alert")])
    };
    let router = stage.start(&host, &configuration("/run/ends"));
    let ended = |fault: &Fault| matches!(fault, Fault::FifoReader { keyword, ending: Ending::Exited { status: 3 } } if keyword == "notify_fifo_script");
    let stands =
        |fault: &dyn Fn(&Fault) -> bool| router.status().is_some_and(|told| told.faults.iter().any(fault));
    let happened = |wanted: &dyn Fn(&Fault) -> bool| {
        router.happened(|happening| matches!(happening, Happening::Fault(fault) if wanted(fault)))
    };
    soon("the end of the reader is told", || happened(&ended) && stands(&ended));
    // Nobody takes its mail either.
    let mail = |fault: &Fault| matches!(fault, Fault::Mail { server, .. } if server == "127.0.0.1");
    soon("the mail server is told of", || happened(&mail) && stands(&mail));
    assert!(router.status().is_some_and(|status| {
        verdict::findings(&status).iter().any(|found| found.text.contains("notify_fifo_script exited"))
    }));

    router.reload(&configuration("/run/reads"));
    soon("there is a reader", || !stands(&ended));
    assert!(stands(&mail));
    router.reload(&with_globals("vrrp_version 3", &[&Virtual::default()]));
    soon("nothing is out of order", || router.status().is_some_and(|status| status.faults.is_empty()));
    let over = |happening: &Happening| matches!(happening, Happening::Fault(fault) if ended(fault));
    assert_eq!(router.events().iter().filter(|record| over(&record.happening)).count(), 1);
}
