//! The programs that take part.

use std::env;
use std::path::{Path, PathBuf};

use crate::permission::left_out;

/// Environment variable that names the steadfast binary to test.
pub const STEADFAST_BIN: &str = "STEADFAST_BIN";

/// A daemon that takes keepalived's command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// Ours.
    Steadfast(PathBuf),
    /// The reference.
    Keepalived(PathBuf),
}

impl Program {
    /// The binary that [`STEADFAST_BIN`] names, otherwise the one that cargo built beside the
    /// running test. Says that `test` is left out if there is none.
    pub fn steadfast(test: &str) -> Option<Self> {
        let named = env::var_os(STEADFAST_BIN).map(PathBuf::from);
        // target/PROFILE/deps/TEST
        let beside = || env::current_exe().ok()?.ancestors().nth(2).map(|profile| profile.join("steadfast"));
        // A program on a host starts in its root folder.
        let found = named.or_else(beside).and_then(|path| path.canonicalize().ok());
        if found.is_none() {
            left_out(test, "no steadfast binary: set STEADFAST_BIN or run cargo build");
        }
        found.map(Self::Steadfast)
    }

    /// Debian's or another keepalived of this system. Says that `test` is left out if there is
    /// none.
    pub fn keepalived(test: &str) -> Option<Self> {
        let found = find("keepalived");
        if found.is_none() {
            left_out(test, "keepalived is not installed (Debian: apt-get install keepalived)");
        }
        found.map(Self::Keepalived)
    }

    /// The file to start.
    pub fn path(&self) -> &Path {
        match self {
            Self::Steadfast(path) | Self::Keepalived(path) => path,
        }
    }

    /// The name that files and logs bear.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Steadfast(_) => "steadfast",
            Self::Keepalived(_) => "keepalived",
        }
    }
}

/// A system program, also where PATH has no sbin.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
