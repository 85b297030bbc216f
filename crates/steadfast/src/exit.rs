//! Exit statuses of the subcommands. The daemon's own are keepalived's.

/// Done, and nothing to complain about.
pub(crate) const SUCCESS: u8 = 0;
/// It did not work, or what was checked has problems.
pub(crate) const FAILURE: u8 = 1;
/// Wrong usage of a subcommand.
pub(crate) const USAGE: u8 = 2;
/// `status --check` cannot tell, as monitoring plugins say it.
pub(crate) const PLUGIN_UNKNOWN: u8 = 3;
/// No daemon could be asked.
pub(crate) const NO_DAEMON: u8 = 3;
/// A reload would change something.
pub(crate) const DIFFERENCES: u8 = 10;
/// Wrong usage of the daemon's options, as with keepalived.
pub(crate) const DAEMON_USAGE: u8 = 1;
