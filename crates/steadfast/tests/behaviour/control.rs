//! The control socket, the event stream and the log.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use steadfast_control::event::{Happening, Record};
use steadfast_control::status::Status;
use steadfast_lab::{Daemon, Host, Signal, wait};
use steadfast_vrrp::State;

use crate::stage::{LIMIT, Stage, VIRTUAL, configuration, simple, soon};

#[test]
fn status_and_events_tell_the_same_story() {
    let Some(stage) = Stage::set("status_and_events_tell_the_same_story") else { return };
    let mut router = stage.router("r1", &simple(200));
    let host = router.host().clone();
    router.reaches("V1", State::Master);
    let program = stage.program.path().to_str().unwrap();
    let socket = ["--control-socket", "/run/steadfast/k.sock"];
    let told = host.run(&[&[program, "status", "--json"], &socket[..]].concat()).unwrap();
    assert_eq!(told.status.code(), Some(0), "{}", told.output);
    let status: Status = serde_json::from_str(&told.output).unwrap();
    let instance = &status.instances[0];
    assert_eq!(
        (&*instance.name, instance.state, instance.vrid, instance.version),
        ("V1", State::Master, 51, 3)
    );
    assert_eq!(instance.addresses, ["10.0.9.9/32"]);
    assert_eq!(instance.master.map(|master| master.to_string()).as_deref(), Some("10.0.0.1"));
    assert_eq!((instance.base_priority, instance.effective_priority), (200, 200));
    assert_eq!(instance.advert_interval_milliseconds, 100);
    assert!(instance.since.is_some() && !instance.why.is_empty() && !instance.causes.is_empty());
    assert!(status.worker.as_ref().unwrap().figures.as_ref().unwrap().wakeups > 0);
    let text = host.run(&[&[program, "status"], &socket[..]].concat()).unwrap();
    assert!(text.output.contains("V1") && text.output.contains("MASTER"), "{}", text.output);

    // A follower sees what was and what comes, and ends with the daemon.
    let mut follow = Command::new(program);
    follow.args(["events", "--follow", "--json"]).args(socket);
    let mut follower = Daemon::spawn(&host, "follower", follow).unwrap();
    let records = || -> Vec<Record> {
        follower_lines(&host).iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    soon("the past is told", || !records().is_empty());
    let before = records().len();
    host.set_down("eth0").unwrap();
    router.reaches("V1", State::Fault);
    let fault =
        |record: &Record| matches!(record.happening, Happening::InstanceState { to: State::Fault, .. });
    soon("the fault is told", || records().len() > before && records().iter().any(fault));
    let found = records();
    let numbers: Vec<u64> = found.iter().map(|record| record.sequence).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    let entry = found.iter().find(|record| fault(record)).unwrap();
    assert!(entry.message.contains("eth0"), "the cause is missing: {}", entry.message);
    assert!(router.logged(&entry.message, LIMIT), "the log says it otherwise");
    router.stop(LIMIT).unwrap();
    assert_eq!(follower.wait(LIMIT).unwrap().code(), Some(0));
    assert!(records().iter().any(|record| record.happening == Happening::Stopping));
}

fn follower_lines(host: &steadfast_lab::Host) -> Vec<String> {
    let text = host.read("/run/follower/log").unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_control_socket_is_for_root_and_the_control_group_only() {
    let Some(stage) = Stage::set("the_control_socket_is_for_root_and_the_control_group_only") else { return };
    let host = stage.host("r1");
    let router = stage.start_with(&host, &simple(200), |command| {
        command.args(["--control-group", "daemon"]);
    });
    router.reaches("V1", State::Master);
    let program = stage.program.path().to_str().unwrap();
    // The built program may lie where only root can go.
    host.write("/run/program", "").unwrap();
    assert!(host.run(&["mount", "--bind", program, "/run/program"]).unwrap().status.success());
    let ask = |groups: &str| {
        let user = ["setpriv", "--reuid=nobody", "--regid=nogroup", groups];
        let question = ["/run/program", "status", "--json", "--control-socket", "/run/steadfast/k.sock"];
        host.run(&[&user[..], &question].concat()).unwrap()
    };
    let member = ask("--groups=daemon");
    assert_eq!(member.status.code(), Some(0), "{}", member.output);
    assert!(serde_json::from_str::<Status>(&member.output).is_ok(), "{}", member.output);
    // The daemon would read for them what only root may.
    host.write("/run/secret", "a_secret\n").unwrap();
    let user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=daemon"];
    let question = ["/run/program", "plan", "/run/secret", "--control-socket", "/run/steadfast/k.sock"];
    let refused = host.run(&[&user[..], &question].concat()).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", refused.output);
    assert!(
        refused.output.contains("only root") && !refused.output.contains("a_secret"),
        "{}",
        refused.output
    );
    let stranger = ask("--clear-groups");
    assert_eq!(stranger.status.code(), Some(3), "{}", stranger.output);
    assert!(stranger.output.contains("--control-group"), "{}", stranger.output);
    let mode = std::fs::metadata(host.outside("/run/steadfast/k.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[test]
fn callers_cannot_harm_the_daemon() {
    let Some(stage) = Stage::set("callers_cannot_harm_the_daemon") else { return };
    let router = stage.router("r1", &simple(200));
    router.reaches("V1", State::Master);
    let path = router.host().outside("/run/steadfast/k.sock");
    let connect = || {
        let stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    };
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for nonsense in [&b"\n"[..], b"{}\n", b"GET / HTTP/1.1\r\n\r\n", b"\xff\xfe\n", &[b'x'; 10_000]] {
        let mut stream = connect();
        stream.write_all(nonsense).unwrap();
        let mut answer = String::new();
        // It hangs up after one sentence; what it did not read may reset the connection.
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.contains("\"error\""), "{answer}");
    }
    // Many who say nothing, some who hang up in the middle, and one who follows without reading.
    let silent: Vec<UnixStream> = (0..100).map(|_| connect()).collect();
    drop(silent);
    // Until it has seen them hang up it refuses others.
    soon("the daemon answers after them", || router.status().is_some());
    let mut lazy = connect();
    lazy.write_all(b"{\"request\":\"events\",\"follow\":true}\n").unwrap();
    let mut half = connect();
    half.write_all(b"{\"request\":").unwrap();
    drop(half);
    for _ in 0..50 {
        let client = router.client();
        assert!(client.is_some());
    }
    soon("the daemon answers", || {
        router.status().is_some_and(|status| status.instances[0].state == State::Master)
    });
    assert_eq!(router.counter("V1", "released_master"), Some(0));
    assert!(router.owns(VIRTUAL));
}

#[test]
fn a_stopped_worker_does_not_keep_callers_waiting() {
    let Some(stage) = Stage::set("a_stopped_worker_does_not_keep_callers_waiting") else { return };
    let router = stage.router("r1", &simple(200));
    router.reaches("V1", State::Master);
    let worker = router.worker();
    crate::stage::send(worker, Signal::STOP);
    let begin = std::time::Instant::now();
    let status = router.status().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert!(!status.worker.unwrap().responsive);
    assert_eq!(status.instances[0].state, State::Master);
    crate::stage::send(worker, Signal::CONT);
    soon("it answers again", || {
        router.status().and_then(|status| status.worker).is_some_and(|worker| worker.responsive)
    });
}

/// A host with a /dev of its own, in which a test is the log daemon.
fn host_without_log(stage: &Stage) -> Arc<Host> {
    let host = stage.host("r1");
    let prepare = "mkdir /run/dev && mount --rbind /dev /run/dev && mount -t tmpfs -o mode=755 dev /dev && touch /dev/null \
                   && mount --bind /run/dev/null /dev/null";
    let prepared = host.run(&["sh", "-c", prepare]).unwrap();
    assert!(prepared.status.success(), "{}", prepared.output);
    host
}

fn log_daemon(host: &Host) -> UnixDatagram {
    let socket = UnixDatagram::bind(host.outside("/dev/log")).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// The first line with these words that a log daemon is sent.
fn line_with(socket: &UnixDatagram, wanted: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let found = wait::value(LIMIT, || {
        let mut buffer = [0; 8192];
        while let Ok(length) = socket.recv(&mut buffer) {
            lines.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        lines.iter().find(|line| line.contains(wanted)).cloned()
    });
    found.unwrap_or_else(|| panic!("{lines:#?}"))
}

#[test]
fn syslog_gets_one_line_for_each_event() {
    let Some(stage) = Stage::set("syslog_gets_one_line_for_each_event") else { return };
    let host = host_without_log(&stage);
    let socket = log_daemon(&host);
    let router = stage.start_with(&host, &configuration(&[&crate::stage::Virtual::default()]), |command| {
        command.args(["-S", "1"]);
    });
    let wanted = "(V1) Entering MASTER STATE";
    let line = line_with(&socket, wanted);
    let pid = router.status().unwrap().pid;
    // local1 is facility 17, a change of state is a notice: 17 * 8 + 5.
    assert!(line.starts_with(&format!("<141>Keepalived[{pid}]: {wanted}")), "{line}");
    assert!(!line.ends_with('\n'), "{line:?}");
}

/// At boot the log daemon may begin after this one, and it may be started anew.
#[test]
fn a_log_daemon_that_comes_later_gets_what_happens_then() {
    let Some(stage) = Stage::set("a_log_daemon_that_comes_later_gets_what_happens_then") else { return };
    let host = host_without_log(&stage);
    let router = stage.start(&host, &simple(200));
    router.reaches("V1", State::Master);
    let first = log_daemon(&host);
    router.signal(Signal::HUP);
    let line = line_with(&first, "Keepalived[");
    assert!(line.ends_with(" lines before this one were lost)"), "{line}");
    drop(first);
    std::fs::remove_file(host.outside("/dev/log")).unwrap();
    let second = log_daemon(&host);
    router.signal(Signal::HUP);
    line_with(&second, "Keepalived[");
}
