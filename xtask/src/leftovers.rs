//! Processes and namespaces that tests must not leave behind.

use std::collections::BTreeSet;
use std::fs;
use std::process::{self, Command};
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};

/// Environment variable that everything started by one run carries.
const MARK: &str = "STEADFAST_TEST_RUN";

/// Where named network namespaces are mounted.
const NAMED_NETWORKS: &str = "/run/netns";

/// How long processes that are about to end are waited for.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Tells the processes of this run from those of others on the machine.
pub(crate) struct Marker {
    value: String,
    networks_before: BTreeSet<String>,
}

impl Marker {
    /// For this run.
    pub(crate) fn new() -> Self {
        Self { value: process::id().to_string(), networks_before: lab_networks() }
    }

    /// For one test among others of the same process.
    #[cfg(test)]
    pub(crate) fn of(test: &str) -> Self {
        Self { value: format!("{}-{test}", process::id()), networks_before: BTreeSet::new() }
    }

    /// Marks a command and all its descendants.
    pub(crate) fn put_on(&self, command: &mut Command) {
        command.env(MARK, &self.value);
    }

    /// Kills everything that this run has started, with a look for what was started meanwhile.
    pub(crate) fn kill_all(&self) -> Result<()> {
        let deadline = Instant::now() + END_LIMIT;
        loop {
            let found = self.processes()?;
            if found.is_empty() || Instant::now() > deadline {
                return Ok(());
            }
            for (pid, _) in found {
                if let Some(pid) = Pid::from_raw(pid) {
                    // One that is gone already needs no signal.
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What this run has left behind, one line each; it is removed by this call where possible.
    pub(crate) fn leftovers(&self) -> Result<Vec<String>> {
        let deadline = Instant::now() + END_LIMIT;
        let mut processes = self.processes()?;
        while !processes.is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
            processes = self.processes()?;
        }
        self.kill_all()?;
        let mut found: Vec<_> =
            processes.into_iter().map(|(pid, name)| format!("process {pid} ({name})")).collect();
        let networks = lab_networks();
        let left = networks.difference(&self.networks_before).filter(|name| !owner_lives(name));
        found.extend(left.map(|name| format!("network namespace {name}")));
        Ok(found)
    }

    fn processes(&self) -> Result<Vec<(i32, String)>> {
        let mark = format!("{MARK}={}", self.value);
        let marked = |pid: i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
            environment.split(|octet| *octet == 0).any(|entry| entry == mark.as_bytes()).then_some(())?;
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            Some((pid, name.trim().to_owned()))
        };
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let pid = entry?.file_name().to_str().and_then(|name| name.parse().ok());
            found.extend(pid.and_then(marked));
        }
        found.sort_unstable();
        Ok(found)
    }
}

/// The named networks that tests make: `sf-NAME-PID`.
fn lab_networks() -> BTreeSet<String> {
    let entries = fs::read_dir(NAMED_NETWORKS).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with("sf-")).collect()
}

/// Another run on the same machine may be using it.
fn owner_lives(network: &str) -> bool {
    let owner = network.rsplit('-').next().unwrap_or_default();
    owner.parse::<u32>().is_ok_and(|pid| fs::exists(format!("/proc/{pid}")).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_left_behind_is_found_and_ended() {
        let marker = Marker::of("a_process_left_behind");
        let mut command = Command::new("sleep");
        marker.put_on(command.arg("1000"));
        let mut child = command.spawn().unwrap();
        // A process has its environment a moment after it has been started.
        let deadline = Instant::now() + END_LIMIT;
        let mut found = Vec::new();
        while found.is_empty() && Instant::now() < deadline {
            found = marker.processes().unwrap();
        }
        marker.kill_all().unwrap();
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(found, [(i32::try_from(child.id()).unwrap(), "sleep".to_owned())]);
        assert!(!status.success());
        assert_eq!(marker.processes().unwrap(), []);
    }
}
