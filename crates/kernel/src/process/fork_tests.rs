//! Forking for real, from a process with one thread.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit};

use super::*;
use crate::process::signal::Signal;
use crate::testbed::alone;

const DEADLINE: Duration = Duration::from_secs(10);

/// Polls until there is something.
fn eventually<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "it did not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_child_has_its_name_and_tells_its_status() {
    alone(module_path!(), "a_child_has_its_name_and_tells_its_status", || {
        let mut child = fork_child("vrrp worker", || {
            let name = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
            if name == "vrrp worker\n" { 42 } else { 1 }
        })
        .unwrap();
        assert_ne!(child.pid(), std::process::id());
        assert_eq!(child.wait().unwrap(), Exit::Status(42));
        assert_eq!(child.try_wait().unwrap(), Some(Exit::Status(42)));
        child.signal(Signal::KILL).unwrap();
    });
}

#[test]
fn a_killed_child_tells_the_signal_and_blocked_signals_are_not_inherited() {
    alone(module_path!(), "a_killed_child_tells_the_signal_and_blocked_signals_are_not_inherited", || {
        let _signals = crate::process::signal::Signals::open(&[Signal::TERMINATE]).unwrap();
        let mut child = fork_child("sleeper", || {
            std::thread::sleep(Duration::from_secs(1000));
            0
        })
        .unwrap();
        assert_eq!(child.try_wait().unwrap(), None);
        child.signal(Signal::TERMINATE).unwrap();
        assert_eq!(child.wait().unwrap(), Exit::Signal(Signal::TERMINATE));
    });
}

#[test]
fn children_end_with_their_parent_and_are_adopted() {
    alone(module_path!(), "children_end_with_their_parent_and_are_adopted", || {
        become_subreaper().unwrap();
        let (mut tell, heard) = std::io::pipe().map(|(read, write)| (write, read)).unwrap();
        let mut parent = fork_child("parent", move || {
            let Ok(child) = fork_child("child", || {
                std::thread::sleep(Duration::from_secs(1000));
                0
            }) else {
                return 1;
            };
            let _ = tell.write_all(&child.pid().to_ne_bytes());
            std::thread::sleep(Duration::from_secs(1000));
            0
        })
        .unwrap();
        let mut pid = [0; 4];
        { heard }.read_exact(&mut pid).unwrap();
        let orphan = u32::from_ne_bytes(pid);
        parent.signal(Signal::KILL).unwrap();
        assert_eq!(parent.wait().unwrap(), Exit::Signal(Signal::KILL));
        assert_eq!(eventually(ended_child), orphan);
        reap(orphan);
        assert_eq!(ended_child(), None);
    });
}

#[test]
fn a_child_that_cannot_be_watched_is_ended() {
    alone(module_path!(), "a_child_that_cannot_be_watched_is_ended", || {
        let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Nofile);
        rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(0), maximum }).unwrap();
        let forked = fork_child("child", || {
            std::thread::sleep(Duration::from_secs(1000));
            0
        });
        assert_eq!(forked.unwrap_err().errno, Errno::MFILE);
        let left = rustix::process::waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        assert_eq!(left.unwrap_err(), Errno::CHILD, "it lives, or nobody has waited for it");
    });
}

#[test]
fn a_process_with_threads_is_not_forked() {
    alone(module_path!(), "a_process_with_threads_is_not_forked", || {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv());
        assert_eq!(fork_child("child", || 0).unwrap_err().errno, Errno::DEADLK);
        assert_eq!(daemonise().unwrap_err().errno, Errno::DEADLK);
        drop(release);
        let _ = thread.join().unwrap();
    });
}

#[test]
fn a_daemon_has_a_session_of_its_own_and_no_terminal() {
    alone(module_path!(), "a_daemon_has_a_session_of_its_own_and_no_terminal", || {
        become_subreaper().unwrap();
        let (mut heard, mut tell) = std::io::pipe().unwrap();
        let mut foreground = fork_child("daemon", move || {
            let Ok(foreground) = daemonise() else { return 1 };
            let session = rustix::process::getsid(None).map_or(0, |pid| pid.as_raw_nonzero().get());
            let own = rustix::process::getpid().as_raw_nonzero().get();
            let input = std::fs::read_link("/proc/self/fd/0").unwrap_or_default();
            let directory = std::env::current_dir().unwrap_or_default();
            let _ = writeln!(tell, "{} {} {}", session != own, input.display(), directory.display());
            foreground.report(7, "");
            0
        })
        .unwrap();
        assert_eq!(foreground.wait().unwrap(), Exit::Status(7), "the foreground ends as the daemon says");
        let mut text = String::new();
        heard.read_to_string(&mut text).unwrap();
        assert_eq!(text, "true /dev/null /\n");
        let mut silent = fork_child("daemon", || i32::from(daemonise().is_err())).unwrap();
        assert_eq!(silent.wait().unwrap(), Exit::Status(1), "a daemon that says nothing was never ready");
    });
}
