//! How the daemon was asked to run; the command line fills this in.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use steadfast_config::Code;
use steadfast_kernel::process::confinement::Cores;

use crate::link::vrrp::work::Work;

/// Default configuration file.
pub const DEFAULT_CONFIGURATION: &str = "/etc/keepalived/keepalived.conf";

/// Settings of one daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `-f`
    pub configuration: PathBuf,
    /// `-n`: stay in the foreground.
    pub foreground: bool,
    /// `-l`: log to the console.
    pub log_console: bool,
    /// `-D`: more messages; counts.
    pub log_detail: u8,
    /// `-S`: syslog facility, in syslog's numbers (3 is daemon, 16 to 23 are local0 to local7).
    pub syslog_facility: u8,
    /// `-G` takes it away.
    pub syslog: bool,
    /// `-g`: log to this file too.
    pub log_file: Option<PathBuf>,
    /// `--local-time`: console and file lines begin with the local time instead of UTC.
    pub local_time: bool,
    /// `--flush-log-file`
    pub flush_log_file: bool,
    /// `-d`: log the configuration at start.
    pub dump_configuration: bool,
    /// `-p`
    pub pid_file: Option<PathBuf>,
    /// `-r`
    pub vrrp_pid_file: Option<PathBuf>,
    /// `-c`
    pub checkers_pid_file: Option<PathBuf>,
    /// `-C` leaves the vrrp worker out.
    pub run_vrrp: bool,
    /// Run BFD sessions.
    pub run_bfd: bool,
    /// `-P` leaves the check worker out.
    pub run_checkers: bool,
    /// `-I`: leave the table of IPVS in place at exit.
    pub keep_ipvs: bool,
    /// `-R`: end instead of starting a worker again.
    pub dont_respawn: bool,
    /// `-V`: leave addresses in place at exit.
    pub keep_addresses: bool,
    /// `-a`: log every address change the kernel tells.
    pub log_addresses: bool,
    /// `-u`
    pub umask: Option<u32>,
    /// `-m`: allow core dumps.
    pub core_dump: bool,
    /// `-s`: network namespace, beating the keyword.
    pub namespace: Option<String>,
    /// `-i`: name that `@` conditions compare with.
    pub config_id: Option<String>,
    /// `-e`: every include problem is an error.
    pub strict_includes: bool,
    /// `--allow`: warnings and notes that are not wanted.
    pub allowed: BTreeSet<Code>,
    /// `--ignore-sigint`
    pub ignore_interrupt: bool,
    /// `-x`: SNMP, which is named as not active.
    pub snmp: bool,
    /// `--control-socket`
    pub control_socket: Option<PathBuf>,
    /// `--control-group`: members may use the control socket, besides root.
    pub control_group: Option<String>,
    /// `--unconfined`: workers keep every right and system call.
    pub unconfined: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            configuration: PathBuf::from(DEFAULT_CONFIGURATION),
            foreground: false,
            log_console: false,
            log_detail: 0,
            syslog_facility: 3,
            syslog: true,
            log_file: None,
            local_time: false,
            flush_log_file: false,
            dump_configuration: false,
            pid_file: None,
            vrrp_pid_file: None,
            checkers_pid_file: None,
            run_vrrp: true,
            run_bfd: true,
            run_checkers: true,
            keep_ipvs: false,
            dont_respawn: false,
            keep_addresses: false,
            log_addresses: false,
            umask: None,
            core_dump: false,
            namespace: None,
            config_id: None,
            strict_includes: false,
            allowed: BTreeSet::new(),
            ignore_interrupt: false,
            snmp: false,
            control_socket: None,
            control_group: None,
            unconfined: false,
        }
    }
}

impl Options {
    /// What of this a vrrp worker is given to run.
    pub(crate) fn run_of<'a>(&self, work: &'a Work) -> Cow<'a, Work> {
        if self.run_vrrp { Cow::Borrowed(work) } else { Cow::Owned(work.clone().without_routers()) }
    }

    /// How workers are confined, if they are.
    pub(crate) const fn confinement(&self) -> Option<Cores> {
        match (self.unconfined, self.core_dump) {
            (true, _) => None,
            (false, true) => Some(Cores::Written),
            (false, false) => Some(Cores::None),
        }
    }

    /// Makes every path absolute: one that was typed means the folder it was typed in, which a daemon in the
    /// background leaves.
    pub(crate) fn leave_folder(&mut self) {
        if let Ok(folder) = std::env::current_dir() {
            self.resolve(&folder);
        }
    }

    /// Makes every path absolute that begins in this folder.
    pub(crate) fn resolve(&mut self, folder: &Path) {
        let files = [
            &mut self.log_file,
            &mut self.pid_file,
            &mut self.vrrp_pid_file,
            &mut self.checkers_pid_file,
            &mut self.control_socket,
        ];
        for path in files.into_iter().flatten().chain([&mut self.configuration]) {
            // An empty path is told when it is opened.
            if !path.as_os_str().is_empty() {
                *path = folder.join(&*path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_keep_their_meaning_in_another_folder() {
        let here = std::env::current_dir().unwrap();
        let mut options = Options {
            configuration: "k.conf".into(),
            pid_file: Some("../k.pid".into()),
            control_socket: Some("/run/k.sock".into()),
            ..Options::default()
        };
        options.leave_folder();
        assert_eq!(options.configuration, here.join("k.conf"));
        assert_eq!(options.pid_file, Some(here.join("../k.pid")));
        assert_eq!(options.control_socket, Some(PathBuf::from("/run/k.sock")));
        assert_eq!(options.log_file, None);
    }
}
