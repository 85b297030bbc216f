//! How the daemon was asked to run; the command line fills this in.

use std::path::{Path, PathBuf};

/// Default configuration file.
pub const DEFAULT_CONFIGURATION: &str = "/etc/keepalived/keepalived.conf";
/// Default pid file of the supervisor.
pub const DEFAULT_PID_FILE: &str = "/run/keepalived.pid";
/// Default pid file of the vrrp worker.
pub const DEFAULT_VRRP_PID_FILE: &str = "/run/vrrp.pid";
/// Default control socket.
pub const DEFAULT_CONTROL_SOCKET: &str = "/run/steadfast.sock";

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
    /// `-b`
    pub bfd_pid_file: Option<PathBuf>,
    /// `-P`: no checker; `-C`: no vrrp worker.
    pub run_vrrp: bool,
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
    /// `--ignore-sigint`
    pub ignore_interrupt: bool,
    /// `--control-socket`
    pub control_socket: Option<PathBuf>,
    /// `--control-group`: members may use the control socket, besides root.
    pub control_group: Option<String>,
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
            flush_log_file: false,
            dump_configuration: false,
            pid_file: None,
            vrrp_pid_file: None,
            checkers_pid_file: None,
            bfd_pid_file: None,
            run_vrrp: true,
            dont_respawn: false,
            keep_addresses: false,
            log_addresses: false,
            umask: None,
            core_dump: false,
            namespace: None,
            config_id: None,
            strict_includes: false,
            ignore_interrupt: false,
            control_socket: None,
            control_group: None,
        }
    }
}

impl Options {
    /// Where the control socket of a daemon with these pid files lies: as told, else beside the pid
    /// file, so that daemons with different pid files never meet, else the default.
    pub fn control_socket(&self) -> PathBuf {
        control_socket(self.control_socket.as_deref(), self.pid_file.as_deref())
    }
}

/// See [`Options::control_socket`]; clients use it to find the daemon they mean.
pub fn control_socket(told: Option<&Path>, pid_file: Option<&Path>) -> PathBuf {
    match (told, pid_file) {
        (Some(path), _) => path.to_owned(),
        (None, Some(pid_file)) if pid_file != Path::new(DEFAULT_PID_FILE) => pid_file.with_extension("sock"),
        (None, _) => PathBuf::from(DEFAULT_CONTROL_SOCKET),
    }
}
