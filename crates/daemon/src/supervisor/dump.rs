//! The files that signals ask for, in keepalived's text: other programs read them.

use std::fmt::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Supervisor;
use crate::record::Severity;
use crate::report::{Instance, Status};

/// `keepalived.stats`.
pub(super) fn statistics(status: &Status) -> String {
    let mut text = String::new();
    for instance in &status.instances {
        let of = |name: &str| counter(instance, name);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "VRRP Instance: {}\n  Advertisements:\n    Received: {}\n    Sent: {}\n  Became master: {}\n  \
             Released master: {}\n  Packet Errors:\n    Length: {}\n    TTL: {}\n    Invalid Type: {}\n    \
             Advertisement Interval: {}\n    Address List: {}\n  Authentication Errors:\n    Invalid Type: {}\n    \
             Type Mismatch: {}\n    Failure: {}\n  Priority Zero:\n    Received: {}\n    Sent: {}\n",
            instance.name,
            of("adverts_received"),
            of("adverts_sent"),
            of("became_master"),
            of("released_master"),
            of("length_errors"),
            of("ttl_errors"),
            of("type_errors"),
            of("interval_errors"),
            of("address_list_errors"),
            of("auth_type_invalid"),
            of("auth_type_mismatches"),
            of("auth_failures"),
            of("priority_zero_received"),
            of("priority_zero_sent"),
        );
    }
    text
}

fn counter(instance: &Instance, name: &str) -> u64 {
    instance.counters.iter().find(|counter| counter.name == name).map_or(0, |counter| counter.value)
}

/// Keepalived's folder for dumps: TMPDIR if it is an absolute path of a folder, else /tmp.
fn folder() -> PathBuf {
    let told =
        std::env::var_os("TMPDIR").map(PathBuf::from).filter(|path| path.is_absolute() && path.is_dir());
    told.unwrap_or_else(|| PathBuf::from("/tmp"))
}

impl Supervisor {
    /// Writes a dump in one piece: into another file first, which then takes the name, so that
    /// nobody reads half of it and no planted link is written through.
    pub(super) fn write_dump(&mut self, name: &str, text: &str) {
        let path = folder().join(name);
        if let Err(error) = replace(&path, text, self.sequence_of_dumps) {
            self.journal.line(Severity::Error, &format!("cannot write {}: {error}", path.display()));
        }
        self.sequence_of_dumps += 1;
    }
}

fn replace(path: &Path, text: &str, sequence: u64) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.{sequence}", std::process::id()));
    let beside = PathBuf::from(name);
    let written = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o666).open(&beside);
    let written = written.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    let renamed = written.and_then(|()| std::fs::rename(&beside, path));
    if renamed.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    renamed
}
