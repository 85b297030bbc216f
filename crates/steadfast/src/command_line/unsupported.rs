//! The one table of keepalived's options that steadfast does not act upon.

use clap::ArgMatches;
use clap::parser::ValueSource;

/// What becomes of such an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// The daemon does not start: going on would leave out something that was asked for.
    Refused,
    /// The daemon starts and says so: its own work is the same without it.
    Ignored,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its field in the command line, which is its long name with underscores.
    pub(crate) field: &'static str,
    /// As the user writes it.
    pub(crate) option: &'static str,
    /// What becomes of it.
    pub(crate) treatment: Treatment,
    /// Why, and what to do instead.
    pub(crate) reason: &'static str,
}

impl Row {
    /// The row as one sentence.
    pub(crate) fn sentence(&self) -> String {
        let verb = match self.treatment {
            Treatment::Refused => "is not supported",
            Treatment::Ignored => "has no effect",
        };
        format!("{} {verb}: {}", self.option, self.reason)
    }
}

/// Every option that is accepted by name only.
pub(crate) const TABLE: [Row; 12] = [
    Row {
        field: "snmp",
        option: "-x, --snmp",
        treatment: Treatment::Ignored,
        reason: "this version has no SNMP agent; `steadfast status --json` has the facts",
    },
    Row {
        field: "snmp_agent_socket",
        option: "-A, --snmp-agent-socket",
        treatment: Treatment::Refused,
        reason: "this version has no SNMP agent; leave it out and read `steadfast status --json` instead",
    },
    Row {
        field: "genhash",
        option: "-T, --genhash",
        treatment: Treatment::Refused,
        reason: "this version has no health checks to compute digests for; use keepalived's genhash",
    },
    Row {
        field: "core_dump_pattern",
        option: "-M, --core-dump-pattern",
        treatment: Treatment::Refused,
        reason: "the pattern belongs to the whole machine; set it with `sysctl kernel.core_pattern=…` and use -m",
    },
    Row {
        field: "mem_check_log",
        option: "-L, --mem-check-log",
        treatment: Treatment::Refused,
        reason: "it belongs to memory-debug builds of keepalived; leave it out",
    },
    Row {
        field: "openssl_mem_check",
        option: "-O, --openssl-mem-check",
        treatment: Treatment::Refused,
        reason: "it belongs to memory-debug builds of keepalived; leave it out",
    },
    Row {
        field: "config_fd",
        option: "--config-fd",
        treatment: Treatment::Refused,
        reason: "keepalived passes it between its own processes; use -f FILE",
    },
    Row {
        field: "perf",
        option: "--perf",
        treatment: Treatment::Refused,
        reason: "it belongs to profiling builds of keepalived; run `perf record -p PID` on the worker",
    },
    Row {
        field: "debug",
        option: "--debug",
        treatment: Treatment::Refused,
        reason: "it belongs to debug builds of keepalived; use -D, or `steadfast events --follow`",
    },
    Row {
        field: "no_mem_check",
        option: "--no-mem-check",
        treatment: Treatment::Ignored,
        reason: "there is no allocation checking to switch off",
    },
    Row {
        field: "bfd_pid_file",
        option: "-b, --bfd_pid",
        treatment: Treatment::Ignored,
        reason: "BFD has no process of its own; it runs in the vrrp worker, whose pid file -r names",
    },
    Row {
        field: "release_addresses",
        option: "-X, --release-vips",
        treatment: Treatment::Ignored,
        reason: "an instance that stops being master always gives its addresses up",
    },
];

/// The rows whose option the user gave.
pub(crate) fn given(matches: &ArgMatches) -> Vec<Row> {
    TABLE
        .into_iter()
        .filter(|row| matches.value_source(row.field) == Some(ValueSource::CommandLine))
        .collect()
}
