//! Scripts run for real.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, WaitId, WaitIdOptions};

use super::*;
use crate::process::user;
use crate::testbed::alone;
use crate::wait::poll::{Events, Interest, Poller};

const DEADLINE: Duration = Duration::from_secs(10);

fn own_account() -> Account {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Account { uid, gid, groups: vec![gid] }
}

fn shell(script: &str, account: Account) -> ScriptSpec {
    ScriptSpec {
        path: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        account,
        output: Output::Captured,
        environment: Vec::new(),
    }
}

/// The end of the script and what it wrote.
fn run(spec: &ScriptSpec) -> (ScriptEnd, String) {
    let mut script = Script::spawn(spec).unwrap();
    let mut text = Vec::new();
    let end = finish(&mut script, &mut text);
    (end, String::from_utf8(text).unwrap())
}

fn finish(script: &mut Script, text: &mut Vec<u8>) -> ScriptEnd {
    let poller = Poller::open().unwrap();
    poller.add(&*script, 0, Interest::Readable).unwrap();
    let start = Instant::now();
    let mut events = Events::default();
    while events.is_empty() {
        assert!(start.elapsed() < DEADLINE, "the script does not end");
        poller.wait(&mut events, Some(crate::wait::clock::monotonic() + 100_000_000)).unwrap();
    }
    let mut buffer = [0; 4096];
    while let Some(count @ 1..) = script.read_output(&mut buffer).unwrap() {
        text.extend_from_slice(&buffer[..count]);
    }
    script.try_wait().unwrap().unwrap()
}

#[test]
fn output_and_status_come_back() {
    let (end, text) = run(&shell("echo out; echo err >&2; exit 3", own_account()));
    assert_eq!(end, ScriptEnd::Exited(Exit::Status(3)));
    assert_eq!(text, "out\nerr\n");
}

#[test]
fn the_account_is_taken_on_whole() {
    if !user::is_root() {
        crate::testbed::fresh_namespace::left_out(
            "the_account_is_taken_on_whole",
            "only root can become another user",
        );
        return;
    }
    let account = Account { uid: 65534, gid: 65533, groups: vec![65533, 1234] };
    let (end, text) = run(&shell("grep -E '^(Uid|Gid|Groups):' /proc/self/status", account));
    assert_eq!(end, ScriptEnd::Exited(Exit::Status(0)));
    let words: Vec<_> = text.split_whitespace().collect();
    assert_eq!(
        words,
        [
            "Uid:", "65534", "65534", "65534", "65534", "Gid:", "65533", "65533", "65533", "65533",
            "Groups:", "1234", "65533"
        ]
    );
}

#[test]
fn nothing_of_the_daemon_leaks_in() {
    let held = std::fs::File::open("/dev/null").unwrap();
    let duplicate = rustix::io::fcntl_dupfd_cloexec(&held, 100).unwrap();
    rustix::io::fcntl_setfd(&duplicate, FdFlags::empty()).unwrap();
    let mut spec = shell("ls /proc/$$/fd; echo $EXTRA", own_account());
    spec.environment.push(("EXTRA".into(), "given".into()));
    let (_, text) = run(&spec);
    assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "given"]);
}

#[test]
fn a_hanging_script_is_killed_with_its_children() {
    let mut script =
        Script::spawn(&shell("trap '' TERM; echo ready; sleep 1000 & sleep 1000", own_account())).unwrap();
    let start = Instant::now();
    let mut buffer = [0; 16];
    while script.read_output(&mut buffer).unwrap().is_none() {
        assert!(start.elapsed() < DEADLINE);
        std::thread::yield_now();
    }
    assert_eq!(script.try_wait().unwrap(), None);
    script.terminate_group().unwrap();
    script.kill_group().unwrap();
    let end = finish(&mut script, &mut Vec::new());
    assert_eq!(end, ScriptEnd::Exited(Exit::Signal(crate::process::signal::Signal::KILL)));
    // Its sleeping children held the pipe; at its end they are gone.
    while script.read_output(&mut buffer).unwrap() != Some(0) {
        assert!(start.elapsed() < DEADLINE, "a descendant survived");
        std::thread::yield_now();
    }
}

/// Leaves so many descriptors to a process with one thread.
fn leave_descriptors(count: usize) {
    let free: Vec<_> = (0..count).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    let highest = free.iter().map(AsRawFd::as_raw_fd).max().unwrap();
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let current = Some(u64::try_from(highest + 1).unwrap());
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
}

#[test]
fn a_script_that_begins_needs_no_more_descriptors_than_it_is_given() {
    alone(module_path!(), "a_script_that_begins_needs_no_more_descriptors_than_it_is_given", || {
        // The null device and both ends of two pipes.
        leave_descriptors(5);
        let mut first = Script::spawn(&shell("exit 3", own_account())).unwrap();
        // It keeps three of them.
        let second = Script::spawn(&shell("exit 4", own_account())).unwrap_err();
        assert_eq!(second.errno, Errno::MFILE);
        assert_eq!(first.child.wait().unwrap(), Exit::Status(3));
        drop(first);
        let left = rustix::process::waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        assert_eq!(left.unwrap_err(), Errno::CHILD, "what was refused has begun");
        Script::spawn(&shell("exit 4", own_account())).unwrap();
    });
}

#[test]
fn what_cannot_be_executed_is_told() {
    let mut spec = shell("", own_account());
    spec.path = "/no/such/script".into();
    let (end, _) = run(&spec);
    assert_eq!(end, ScriptEnd::NotStarted { stage: Stage::Execute, errno: Errno::NOENT });
}

#[test]
fn a_file_without_interpreter_line_runs_in_a_shell() {
    let path = std::env::temp_dir().join(format!("steadfast-no-interpreter-{}", std::process::id()));
    std::fs::write(&path, "echo \"$1\"\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut spec = shell("", own_account());
    spec.path.clone_from(&path);
    spec.arguments = vec!["two words".into()];
    let (end, text) = run(&spec);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(end, ScriptEnd::Exited(Exit::Status(0)));
    assert_eq!(text, "two words\n");
}

#[test]
fn a_script_is_not_kept_from_the_out_of_memory_killer() {
    let score =
        || std::fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim().parse::<i32>().unwrap();
    let before = score();
    // A score below 0 cannot be had everywhere; what sets it is the same for every other.
    let given_back = [300, 0].map(|wanted| {
        std::fs::write("/proc/self/oom_score_adj", "500").unwrap();
        limits::write_out_of_memory_score(wanted);
        score()
    });
    std::fs::write("/proc/self/oom_score_adj", before.to_string()).unwrap();
    assert_eq!(given_back, [300, 0]);
}
