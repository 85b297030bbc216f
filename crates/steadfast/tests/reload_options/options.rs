//! Reloads: by signal and by the clock, refused and queued, and the scripts around a daemon's life.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use steadfast_lab::{Daemon, Host, Program, Segment, Signal, permission, wait};

/// How long anything may take on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(20);

const INSTANCE: &str = "vrrp_instance V {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        10.0.9.51/16
    }
}
";

fn configuration(settings: &str) -> String {
    format!("global_defs {{\n    script_user root\n    enable_script_security\n{settings}\n}}\n{INSTANCE}")
}

/// A host, and our daemon for it.
struct Bench {
    _segment: Segment,
    host: Arc<Host>,
    program: Program,
}

impl Bench {
    fn new(test: &str) -> Option<Self> {
        if !permission::lab_possible(test) {
            return None;
        }
        let program = Program::steadfast(test)?;
        let segment = Segment::new().unwrap();
        let host = segment.host("r1").unwrap();
        Some(Self { _segment: segment, host, program })
    }

    fn start(&self, settings: &str) -> Daemon {
        Daemon::start(&self.host, &self.program, &configuration(settings)).unwrap()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.host.outside(&format!("/run/steadfast/{file}"))
    }

    fn write(&self, file: &str, contents: &str) {
        self.host.write(&format!("/run/steadfast/{file}"), contents).unwrap();
    }

    fn read(&self, file: &str) -> String {
        self.host.read(&format!("/run/steadfast/{file}")).unwrap_or_default()
    }

    /// Names in a folder, without the process id.
    fn copies(&self) -> Vec<String> {
        let Ok(folder) = std::fs::read_dir(self.path("saved")) else { return Vec::new() };
        let mut names: Vec<String> = folder
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.rsplit_once('.').unwrap().1.to_owned())
            .collect();
        names.sort();
        names
    }
}

#[track_caller]
fn logs(daemon: &Daemon, text: &str) {
    assert!(
        wait::until(LIMIT, || daemon.log().contains(text)),
        "never logged: {text}\n{}",
        daemon.log_tail()
    );
}

/// A time of day in UTC as reload_time_file has it.
fn time_of_day(from_now: u64) -> String {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + from_now;
    let second = clock % 86_400;
    format!("{:02}:{:02}:{:02}Z\n", second / 3_600, second / 60 % 60, second % 60)
}

#[test]
fn a_reload_is_marked_until_the_worker_confirms_it_and_a_second_one_waits() {
    let Some(bench) = Bench::new("reload_marked") else { return };
    bench.write("k.reload", "left by an earlier run");
    bench.write("part", "# a part\n");
    let settings = "reload_file\nconfig_save_dir /run/steadfast/saved\ninclude /run/steadfast/part";
    let daemon = bench.start(settings);
    logs(&daemon, "Entering MASTER STATE");
    let marker = bench.path("k.reload");
    assert!(!marker.exists(), "the stale marker is still there");
    assert_eq!(bench.copies(), ["1"]);

    // A worker that stands still confirms nothing.
    let worker = i32::try_from(daemon.vrrp_worker().unwrap()).unwrap();
    signal(worker, "STOP");
    daemon.signal(Signal::HUP);
    assert!(wait::until(LIMIT, || marker.exists()), "no marker\n{}", daemon.log_tail());
    assert!(wait::until(LIMIT, || bench.copies() == ["1", "2"]), "{:?}", bench.copies());
    assert_eq!(std::fs::metadata(&marker).unwrap().permissions().mode() & 0o777, 0o644);
    bench.write("part", "# another part\n");
    daemon.signal(Signal::HUP);
    daemon.signal(Signal::USR1);
    assert!(wait::until(LIMIT, || has_taken(&daemon, USR1)), "signals wait\n{}", daemon.log_tail());
    assert!(marker.exists(), "the marker went before the worker confirmed");
    assert_eq!(bench.copies(), ["1", "2"], "the second reload did not wait for the first");

    signal(worker, "CONT");
    assert!(wait::until(LIMIT, || bench.copies() == ["1", "2", "3"]), "{:?}", bench.copies());
    assert!(wait::until(LIMIT, || !marker.exists()), "the marker stays\n{}", daemon.log_tail());
    let copy = |number: u32| {
        let entries = std::fs::read_dir(bench.path("saved")).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        let path =
            paths.find(|path| path.extension().unwrap().to_str() == Some(&number.to_string())).unwrap();
        std::fs::read_to_string(path).unwrap()
    };

    let expected = |part: &str| {
        configuration(settings)
            .replace("include /run/steadfast/part\n", &format!("# /run/steadfast/part\n{part}\n!\n"))
    };
    assert_eq!(copy(2), expected("# a part"));
    assert_eq!(copy(3), expected("# another part"));
}

/// SIGUSR1, which is taken after SIGHUP, as its number is higher.
const USR1: u32 = 10;

/// Whether a process has taken a signal, and so has done what those of lower numbers ask: proc_pid_status(5).
fn has_taken(daemon: &Daemon, signal: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let waiting = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap();
    u64::from_str_radix(waiting.trim(), 16).unwrap() & (1 << (signal - 1)) == 0
}

fn signal(pid: i32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

#[test]
fn a_file_tells_when_to_reload() {
    let Some(bench) = Bench::new("reload_by_the_clock") else { return };
    let settings = "reload_time_file /run/steadfast/time";
    let daemon = bench.start(settings);
    logs(&daemon, "Entering MASTER STATE");

    bench.write("time", "noon\n");
    logs(&daemon, "expected a time as HH:MM:SS");
    bench.write("time", "2020-01-01 00:00:00\n");
    logs(&daemon, "is past");
    bench.write("time", &time_of_day(3_600));
    logs(&daemon, "the configuration is read again at ");
    std::fs::remove_file(bench.path("time")).unwrap();
    logs(&daemon, " is cancelled");

    // What the next reload reads keeps the file; this one takes it away.
    daemon.configure(&configuration(&format!("{settings}\nreload_repeat"))).unwrap();
    bench.write("time", &time_of_day(2));
    logs(&daemon, "its time has come");
    logs(&daemon, "reload: ");
    assert!(!bench.path("time").exists(), "the file is still there\n{}", daemon.log_tail());

    let reloads = |daemon: &Daemon| daemon.log().matches("its time has come").count();
    bench.write("time", &time_of_day(2));
    assert!(wait::until(LIMIT, || reloads(&daemon) == 2), "{}", daemon.log_tail());
    assert!(bench.path("time").exists(), "a repeated time is kept");
}

#[test]
fn a_refused_reload_says_why_and_changes_nothing() {
    let Some(bench) = Bench::new("reload_refused") else { return };
    let settings = "reload_check_config /run/steadfast/problems";
    let daemon = bench.start(settings);
    logs(&daemon, "Entering MASTER STATE");

    let renamed = configuration(settings).replace("virtual_router_id 51", "virtual_router_id 52");
    daemon.configure(&format!("instance other\n{renamed}")).unwrap();
    daemon.signal(Signal::HUP);
    logs(&daemon, "only a restart can change instance from none to 'other'");
    let problems = bench.read("problems");
    assert!(problems.contains("reload refused: only a restart can change instance"), "{problems}");

    daemon
        .configure(&configuration(settings).replace("virtual_router_id 51", "virtual_router_id 500"))
        .unwrap();
    daemon.signal(Signal::HUP);
    assert!(wait::until(LIMIT, || bench.read("problems").contains("has 1 error")), "{}", daemon.log_tail());
    let problems = bench.read("problems");
    assert!(problems.contains("/run/steadfast/conf:6"), "{problems}");
    assert!(problems.contains("^^^"), "the spot is not marked: {problems}");
    assert!(!daemon.log().contains("Stopping"), "{}", daemon.log_tail());
}

#[test]
fn scripts_run_before_the_first_worker_and_after_the_last() {
    let Some(bench) = Bench::new("scripts_around_life") else { return };
    bench.write(
        "startup",
        "echo startup >> /run/steadfast/order\nwhile ! test -e /run/steadfast/gate; do sleep 0.05; done\nexit 3\n",
    );
    bench.write(
        "shutdown",
        "if test -e /run/steadfast/v.pid; then echo early; else echo shutdown; fi \
         >> /run/steadfast/order\n",
    );
    let mut daemon = bench.start(
        "startup_script \"/bin/sh /run/steadfast/startup\"\nshutdown_script \"/bin/sh /run/steadfast/shutdown\"",
    );
    assert!(wait::until(LIMIT, || bench.read("order") == "startup\n"), "{}", daemon.log_tail());
    // Answered by the supervisor's loop: it waits without standing still.
    daemon.configure(&configuration("").replace("51/16", "52/16")).unwrap();
    daemon.signal(Signal::HUP);
    assert!(!daemon.log().contains("vrrp worker runs"), "{}", daemon.log_tail());
    bench.write("gate", "");
    logs(&daemon, "Script `startup_script` exited with status 3");
    logs(&daemon, "vrrp worker runs");
    // The reload that was asked for meanwhile; with it the script after the end goes.
    logs(&daemon, "reload: ");
    let with = "shutdown_script \"/bin/sh /run/steadfast/shutdown\"";
    daemon.configure(&configuration(with)).unwrap();
    daemon.signal(Signal::HUP);
    assert!(wait::until(LIMIT, || daemon.log().matches("reload: ").count() == 2), "{}", daemon.log_tail());
    assert_eq!(daemon.stop(LIMIT).unwrap().code(), Some(0));
    assert_eq!(bench.read("order"), "startup\nshutdown\n", "{}", daemon.log_tail());
    assert!(daemon.logged("Script `shutdown_script` succeeded", LIMIT), "{}", daemon.log_tail());
}

#[test]
fn a_startup_script_that_does_not_end_delays_the_start_only_so_long() {
    let Some(bench) = Bench::new("startup_script_hangs") else { return };
    let daemon = bench.start("startup_script \"/bin/sleep 1000\"\nstartup_script_timeout 1");
    logs(&daemon, "Script `startup_script` ran longer than");
    logs(&daemon, "Entering MASTER STATE");
}

#[test]
fn a_stop_during_the_startup_script_does_not_wait_for_it() {
    let Some(bench) = Bench::new("stop_during_startup") else { return };
    bench.write("startup", "trap '' TERM\necho > /run/steadfast/began\nwhile :; do sleep 1; done\n");
    let mut daemon =
        bench.start("startup_script \"/bin/sh /run/steadfast/startup\"\nstartup_script_timeout 500");
    assert!(wait::until(LIMIT, || bench.path("began").exists()), "{}", daemon.log_tail());
    assert_eq!(daemon.stop(LIMIT).unwrap().code(), Some(0));
}

#[test]
fn a_bad_file_at_start_is_shown_in_full_and_logged_by_the_line() {
    let folder = std::env::temp_dir().join(format!("steadfast-bad-start-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let run = |text: Option<&str>| {
        let (file, log) = (folder.join("conf"), folder.join("log"));
        let _ = (std::fs::remove_file(&file), std::fs::remove_file(&log));
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
        command
            .args(["-n", "-G"])
            .arg(format!("-g{}", log.display()))
            .arg("-f")
            .arg(&file)
            .arg("-p")
            .arg(folder.join("pid"));
        let output = command.output().unwrap();
        let console = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), console, std::fs::read_to_string(&log).unwrap_or_default())
    };
    let broken = "vrrp_instance V {\n    priority\n    virtual_router_id 500\n    interface no-such-if\n}\n";
    let (status, console, log) = run(Some(broken));
    let (status_missing, console_missing, _) = run(None);
    std::fs::remove_dir_all(&folder).unwrap();

    assert_eq!(status, Some(2), "{console}");
    assert!(console.contains("conf:2:") && console.contains("conf:3:"), "not all problems: {console}");
    assert!(console.contains("^^^") && !console.contains('\u{1b}'), "{console}");
    assert!(log.contains("conf:2:") && log.contains("conf:3:"), "{log}");
    assert!(log.lines().all(|line| line.contains("[SF")), "more than a line for a problem: {log}");
    assert_eq!(status_missing, Some(6), "{console_missing}");
    assert!(console_missing.contains("conf"), "{console_missing}");
}
