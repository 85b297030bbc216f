//! How a configuration is read.

use std::collections::BTreeSet;

use crate::diagnostic::code::Code;
use crate::limits::MAX_LINES;

/// What the configuration is read for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// To run it: numbers with something behind them are taken, as keepalived does.
    #[default]
    Run,
    /// To test it: every mistake counts.
    Test,
}

/// How to read.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// What for.
    pub mode: Mode,
    /// `-e`: every problem of an include is an error.
    pub check_includes: bool,
    /// Warnings and notes that are not wanted.
    pub silenced: BTreeSet<Code>,
    /// Lines after which reading stops with an error.
    pub max_lines: u64,
    /// `-C`: virtual routers that cannot work keep nobody from starting, since none of them will run.
    pub without_vrrp: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            check_includes: false,
            silenced: BTreeSet::new(),
            max_lines: MAX_LINES,
            without_vrrp: false,
        }
    }
}
