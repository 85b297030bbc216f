//! Tests that need a process with one thread.
#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use crate::process::{Child, Exit, exit_now};

const ALONE: &str = "STEADFAST_TEST_ALONE";

/// Runs `test`, which is `name` in `module`, in a process that has only one thread: the only child of a test program
/// with nothing else to do, so that no other thread holds a lock while it is forked.
///
/// # Panics
/// When the test fails, as tests do.
pub fn alone(module: &str, name: &str, test: impl FnOnce() + std::panic::UnwindSafe) {
    if std::env::var_os(ALONE).is_some() {
        // SAFETY: the only other thread waits for this one.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            exit_now(i32::from(std::panic::catch_unwind(test).is_err()));
        }
        let mut child = Child::of(pid, "fork".to_owned()).unwrap();
        assert_eq!(child.wait().unwrap(), Exit::Status(0));
        return;
    }
    let path = module.split_once("::").map_or(module, |(_crate, path)| path);
    let name = format!("{path}::{name}");
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{name} was not found");
}
