//! The flight recorder: what happened last night is answered from a file.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use steadfast_control::event::Happening;
use steadfast_lab::Signal;
use steadfast_vrrp::State;

use crate::stage::{Router, Stage, Virtual, configuration, send, soon, with_globals};

const SOCKET: [&str; 2] = ["--control-socket", "/run/steadfast/k.sock"];
const PASSWORD: &str = "S3cr3tPw";
const OTHER_PASSWORD: &str = "AnOtHeRp";

fn with_password(priority: u8, password: &str) -> String {
    let authentication = format!("authentication {{\n auth_type PASS\n auth_pass {password}\n}}");
    with_globals(
        "vrrp_version 2",
        &[&Virtual { interval: "1", ..Virtual::with_priority(priority) }.more(&authentication)],
    )
}

/// Saves the record of a router; its path as the test sees it.
fn saved(stage: &Stage, router: &Router, name: &str) -> PathBuf {
    let program = stage.program.path().to_str().unwrap();
    let path = format!("/run/{name}");
    let told = router.host().run(&[&[program, "record", "save", &path], &SOCKET[..]].concat()).unwrap();
    assert!(told.status.success(), "{}", told.output);
    let again = router.host().run(&[&[program, "record", "save", &path], &SOCKET[..]].concat()).unwrap();
    assert!(!again.status.success() && again.output.contains("exists"), "{}", again.output);
    // A disk that is full: a part of a record is none.
    let full = format!("/run/{name}.limited");
    let limited = format!("ulimit -f 0; trap '' XFSZ; {program} record save {full} {}", SOCKET.join(" "));
    let told = router.host().run(&["sh", "-c", &limited]).unwrap();
    assert!(!told.status.success() && !router.host().outside(&full).exists(), "{}", told.output);
    router.host().outside(&path)
}

/// What a replay prints, and its exit status; on the machine of the test, not on the router.
fn replayed(stage: &Stage, path: &Path, words: &[&str]) -> (String, Option<i32>) {
    let mut command = std::process::Command::new(stage.program.path());
    let told = command.arg("replay").arg(path).args(words).output().unwrap();
    let text = String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
    (text, told.status.code())
}

/// Records that the daemon wrote by itself.
fn own_records(router: &Router) -> Vec<(PathBuf, String)> {
    let events = router.events().into_iter();
    events
        .filter_map(|record| match record.happening {
            Happening::RecordSaved { path, reason } => Some((router.host().outside(&path), reason)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_takeover_is_explained_by_the_record_of_who_took_over() {
    let Some(stage) = Stage::set("a_takeover_is_explained_by_the_record_of_who_took_over") else { return };
    let first = stage.router("r1", &with_password(200, PASSWORD));
    let second = stage.router("r2", &with_password(100, PASSWORD));
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    // A reload in the middle, which changes a priority.
    second.reload(&with_password(101, PASSWORD));
    first.signal_all(Signal::KILL).unwrap();
    second.reaches("V1", State::Master);
    let stranger = stage.router("r3", &with_password(90, OTHER_PASSWORD));
    stranger.reaches("V1", State::Master);
    soon("the stranger is heard", || second.counter("V1", "auth_failures").is_some_and(|count| count > 2));

    let path = saved(&stage, &second, "night.record");
    let octets = std::fs::read(&path).unwrap();
    for secret in [PASSWORD, OTHER_PASSWORD] {
        let found = octets.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!found, "{secret} stands in the record");
    }
    let (text, code) = replayed(&stage, &path, &["--utc"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("(V1) Entering MASTER STATE (priority 101): heard nothing from 10.0.0.1 for"),
        "{text}"
    );
    assert!(text.contains("reload") && text.contains("the same as at the time"), "{text}");
    assert!(text.contains("dropped an advert from 10.0.0.3"), "{text}");
    assert!(replayed(&stage, &path, &["--verbose"]).0.contains("10.0.0.1 is master of virtual router 51"));
    assert!(!replayed(&stage, &path, &["--instance", "V2"]).0.contains("Entering"));
    let heard = "10.0.0.1 is master of virtual router 51";
    assert!(replayed(&stage, &path, &["--verbose", "--instance", "V1"]).0.contains(heard));
    let (other, _) = replayed(&stage, &path, &["--verbose", "--instance", "V2"]);
    assert!(other.contains("interface eth0 works") && !other.contains(heard), "{other}");
    let (json, _) = replayed(&stage, &path, &["--json"]);
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let became = |line: &&serde_json::Value| line["events"][0]["to"] == "MASTER";
    assert!(lines.iter().any(|line| became(&line)), "{json}");

    // Nobody had to ask: who took over wrote one by itself.
    soon("the takeover is recorded", || !own_records(&second).is_empty());
    let (own, reason) = own_records(&second).remove(0);
    let (text, code) = replayed(&stage, &own, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&reason), "{reason}: {text}");
}

#[test]
fn a_killed_worker_leaves_a_record() {
    let Some(stage) = Stage::set("a_killed_worker_leaves_a_record") else { return };
    let router = stage.router("r1", &configuration(&[&Virtual::with_priority(200)]));
    router.reaches("V1", State::Master);
    let worker = router.worker();
    send(worker, Signal::KILL);
    soon("its end is recorded", || !own_records(&router).is_empty());
    let (path, reason) = own_records(&router).remove(0);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
    assert!(reason.contains("vrrp worker") && reason.contains("signal 9"), "{reason}");
    let (text, code) = replayed(&stage, &path, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("Entering MASTER STATE") && text.contains(&reason), "{text}");
    // The successor begins as MASTER, and its record says so.
    router.reaches("V1", State::Master);
    let (text, code) = replayed(&stage, &saved(&stage, &router, "successor.record"), &["--verbose"]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_hung_worker_leaves_a_record() {
    let Some(stage) = Stage::set("a_hung_worker_leaves_a_record") else { return };
    let router = stage.router("r1", &configuration(&[&Virtual::with_priority(200)]));
    router.reaches("V1", State::Master);
    send(router.worker(), Signal::STOP);
    soon("its end is recorded", || !own_records(&router).is_empty());
    let (path, reason) = own_records(&router).remove(0);
    assert!(reason.contains("vrrp worker"), "{reason}");
    let (text, code) = replayed(&stage, &path, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("Entering MASTER STATE") && text.contains(&reason), "{text}");
    assert!(text.contains("the same as at the time"), "{text}");
    router.reaches("V1", State::Master);
}

#[test]
fn two_masters_leave_a_record_on_both() {
    let Some(stage) = Stage::set("two_masters_leave_a_record_on_both") else { return };
    let first = stage.router("r1", &with_password(200, PASSWORD));
    first.reaches("V1", State::Master);
    let second = stage.router("r2", &with_password(100, OTHER_PASSWORD));
    second.reaches("V1", State::Master);
    // One is told of the other; the other had a reason before that: the adverts that it dropped.
    for (router, why) in [(&first, "two masters: 10.0.0.2"), (&second, "Entering MASTER STATE")] {
        soon("both record it", || !own_records(router).is_empty());
        let (path, reason) = own_records(router).remove(0);
        assert!(reason.contains(why), "{reason}");
        let (text, code) = replayed(&stage, &path, &["--instance", "V1"]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.matches(&reason).count() > 1 && text.contains("the same as at the time"), "{text}");
    }
}

#[test]
fn without_a_recorder_nothing_is_recorded() {
    let Some(stage) = Stage::set("without_a_recorder_nothing_is_recorded") else { return };
    let off = with_globals("vrrp_version 3\nflight_recorder off", &[&Virtual::with_priority(200)]);
    let router = stage.router("r1", &off);
    router.reaches("V1", State::Master);
    let program = stage.program.path().to_str().unwrap();
    let told = router.host().run(&[&[program, "record", "save", "-"], &SOCKET[..]].concat()).unwrap();
    assert!(!told.status.success() && told.output.contains("flight_recorder off"), "{}", told.output);
}
