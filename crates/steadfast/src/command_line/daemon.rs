//! keepalived's options, one field each.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use steadfast_config::Code;

use super::{Codes, Offered};
use crate::signum;

/// Where `-g` logs to when it names no file.
pub(crate) const DEFAULT_LOG_FILE: &str = "/tmp/keepalived.log";
/// What `-t` names when it names no file.
const STANDARD_ERROR: &str = "";

/// The options of the daemon.
///
/// An option may be repeated; the last value holds. Optional values are attached, as in `-t/tmp/log` and
/// `--config-test=/tmp/log`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Daemon options")]
pub(crate) struct DaemonArguments {
    /// Configuration file
    #[arg(short = 'f', long = "use-file", value_name = "FILE", default_value = steadfast_daemon::options::DEFAULT_CONFIGURATION)]
    pub(crate) configuration: PathBuf,
    /// Check the configuration, print every problem to standard error or LOGFILE, and exit
    ///
    /// Exit status: 0 no problem, 4 unreadable or broken, 5 problems or warnings, 6 a security problem or
    /// an include without its file, 2 a keyword without its mandatory word. Implies -n, -R and -G.
    #[arg(short = 't', long = "config-test", value_name = "LOGFILE", num_args = 0..=1, require_equals = true,
          default_missing_value = STANDARD_ERROR)]
    pub(crate) config_test: Option<String>,
    /// Stay in the foreground
    #[arg(short = 'n', long = "dont-fork")]
    pub(crate) foreground: bool,
    /// Log to the console as well
    #[arg(short = 'l', long = "log-console")]
    pub(crate) log_console: bool,
    /// Log in more detail; twice for still more
    #[arg(short = 'D', long = "log-detail", action = ArgAction::Count)]
    pub(crate) log_detail: u8,
    /// Syslog facility: 0 to 7, local0 to local7, user or daemon [default: daemon]
    #[arg(short = 'S', long = "log-facility", value_name = "FACILITY")]
    pub(crate) log_facility: Option<String>,
    /// Do not log to syslog
    #[arg(short = 'G', long = "no-syslog")]
    pub(crate) no_syslog: bool,
    /// Log to a file as well [default file: /tmp/keepalived.log]
    #[arg(short = 'g', long = "log-file", value_name = "FILE", num_args = 0..=1, require_equals = true,
          default_missing_value = DEFAULT_LOG_FILE)]
    pub(crate) log_file: Option<PathBuf>,
    /// Begin lines on the console and in the file with the local time instead of UTC
    #[arg(long)]
    pub(crate) local_time: bool,
    /// Flush the log file after each message
    #[arg(long)]
    pub(crate) flush_log_file: bool,
    /// Log the configuration as understood at start
    #[arg(short = 'd', long = "dump-conf")]
    pub(crate) dump_configuration: bool,
    /// Pid file of the daemon [default: /run/keepalived.pid]
    #[arg(short = 'p', long = "pid", value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,
    /// Pid file of the vrrp worker [default: /run/vrrp.pid]
    #[arg(short = 'r', long = "vrrp_pid", value_name = "FILE")]
    pub(crate) vrrp_pid_file: Option<PathBuf>,
    /// Pid file of the check worker
    #[arg(short = 'c', long = "checkers_pid", value_name = "FILE")]
    pub(crate) checkers_pid_file: Option<PathBuf>,
    /// Run VRRP only, no health checks
    #[arg(short = 'P', long = "vrrp", overrides_with = "all")]
    pub(crate) vrrp_only: bool,
    /// Run health checks only, no VRRP
    #[arg(short = 'C', long = "check", overrides_with = "all")]
    pub(crate) check_only: bool,
    /// Do not run BFD
    #[arg(short = 'B', long = "no_bfd", overrides_with = "all")]
    pub(crate) no_bfd: bool,
    /// Run everything; cancels -P, -C and -B before it
    #[arg(long, overrides_with_all = ["vrrp_only", "check_only", "no_bfd"])]
    pub(crate) all: bool,
    /// End instead of starting a worker again that died
    #[arg(short = 'R', long = "dont-respawn")]
    pub(crate) dont_respawn: bool,
    /// Leave addresses in place at exit
    #[arg(short = 'V', long = "dont-release-vrrp")]
    pub(crate) keep_addresses: bool,
    /// Leave the IPVS table in place at exit
    #[arg(short = 'I', long = "dont-release-ipvs")]
    pub(crate) keep_ipvs: bool,
    /// Delete the addresses of an instance that stops being master
    #[arg(short = 'X', long = "release-vips")]
    pub(crate) release_addresses: bool,
    /// Log every address change that the kernel tells
    #[arg(short = 'a', long = "address-monitoring")]
    pub(crate) log_addresses: bool,
    /// File creation mask, as 0177, 127 or 0x7f [default: 0177]
    #[arg(short = 'u', long = "umask", value_name = "MASK")]
    pub(crate) umask: Option<String>,
    /// Allow core dumps
    #[arg(short = 'm', long = "core-dump")]
    pub(crate) core_dump: bool,
    /// Run in this network namespace; beats net_namespace of the configuration
    #[arg(short = 's', long = "namespace", value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Name that @ conditions compare with [default: the host name up to its first dot]
    #[arg(short = 'i', long = "config-id", value_name = "ID")]
    pub(crate) config_id: Option<String>,
    /// Make every problem of an include an error
    #[arg(short = 'e', long = "all-config")]
    pub(crate) strict_includes: bool,
    /// Pass over warnings and notes of this code, also with -t; may be repeated
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = Codes { silenced: true }, hide_possible_values = true)]
    pub(crate) allow: Vec<Code>,
    /// Do not stop on SIGINT
    #[arg(long)]
    pub(crate) ignore_sigint: bool,
    /// Socket for `steadfast status` and `steadfast events` [default: /run/steadfast.sock, or beside the pid file]
    #[arg(long, value_name = "PATH")]
    pub(crate) control_socket: Option<PathBuf>,
    /// Group that may use the control socket besides root [default: root only]
    #[arg(long, value_name = "GROUP")]
    pub(crate) control_group: Option<String>,
    /// Leave the workers all rights and system calls; for finding out whether the confinement is in the way
    #[arg(long)]
    pub(crate) unconfined: bool,
    /// Print the number of a signal and exit: STOP, RELOAD, DATA, STATS, STATS_CLEAR or JSON
    #[arg(long, value_name = "NAME", value_parser = Offered(|| signum::NAMES.to_vec()), hide_possible_values = true)]
    pub(crate) signum: Option<String>,
    /// Print the version on standard error and exit
    #[arg(short = 'v', long)]
    pub(crate) version: bool,
    /// Print this help on standard error and exit
    #[arg(short = 'h', long)]
    pub(crate) help: bool,
    /// Taken so that they can be refused by name.
    #[command(flatten)]
    pub(crate) unsupported: Unsupported,
}

/// keepalived's options that steadfast knows by name only; [`super::unsupported`] says why.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Unsupported {
    #[arg(hide = true, short = 'x', long)]
    pub(crate) snmp: bool,
    #[arg(hide = true, short = 'b', long = "bfd_pid", value_name = "FILE")]
    bfd_pid_file: Option<PathBuf>,
    #[arg(hide = true, short = 'A', long, value_name = "SOCKET")]
    snmp_agent_socket: Option<String>,
    #[arg(hide = true, short = 'T', long)]
    genhash: bool,
    #[arg(hide = true, short = 'M', long, value_name = "PATTERN", num_args = 0..=1, require_equals = true, default_missing_value = "core")]
    core_dump_pattern: Option<String>,
    #[arg(hide = true, short = 'L', long)]
    mem_check_log: bool,
    #[arg(hide = true, long)]
    no_mem_check: bool,
    #[arg(hide = true, short = 'O', long)]
    openssl_mem_check: bool,
    #[arg(hide = true, long, value_name = "NUMBER")]
    config_fd: Option<String>,
    #[arg(hide = true, long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "run")]
    perf: Option<String>,
    #[arg(hide = true, long, value_name = "LETTERS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    debug: Option<String>,
}
