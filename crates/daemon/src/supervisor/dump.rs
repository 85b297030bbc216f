//! The files that signals ask for, in keepalived's text: other programs read them.

use std::fmt::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Supervisor;
use crate::phrase;
use crate::record::Severity;
use crate::report::{Instance, Status};

/// `keepalived.data`: for people, in no stable form.
pub(super) fn data(status: &Status) -> String {
    let mut text = String::from("------< VRRP Topology >------\n");
    for instance in &status.instances {
        add_instance(&mut text, instance);
    }
    if !status.groups.is_empty() {
        text.push_str("------< VRRP Sync groups >------\n");
    }
    for group in &status.groups {
        let members = group.members.join(" ");
        let state = phrase::state(group.state);
        let _ = writeln!(text, " VRRP Sync Group = {}, {state}\n   Members = {members}", group.name);
    }
    if !status.scripts.is_empty() {
        text.push_str("------< VRRP Scripts >------\n");
    }
    for script in &status.scripts {
        let outcome = script.outcome.as_deref().unwrap_or("has not run");
        let _ = writeln!(
            text,
            " VRRP Script = {}\n   Command = {}\n   Runs = {}\n   Last run = {outcome}",
            script.name, script.command, script.runs
        );
    }
    text
}

fn add_instance(text: &mut String, instance: &Instance) {
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        " VRRP Instance = {}\n   VRRP Version = {}\n   State = {}\n   Why = {}\n   Last transition = {}\n   \
         Interface = {}\n   Virtual Router ID = {}\n   Family = {}\n   Priority = {}\n   \
         Effective priority = {}\n   Advert interval = {} ms\n   Master advert interval = {} ms\n   \
         Master down interval = {} ms\n",
        instance.name,
        instance.version,
        phrase::state(instance.state),
        instance.why,
        instance.since.as_deref().unwrap_or("none"),
        instance.interface,
        instance.vrid,
        instance.family,
        instance.base_priority,
        instance.effective_priority,
        instance.advert_interval_milliseconds,
        instance.master_interval_milliseconds,
        instance.master_down_milliseconds,
    );
    if let (Some(master), Some(priority)) = (instance.master, instance.master_priority) {
        let _ = writeln!(text, "   Master router = {master}\n   Master priority = {priority}");
    }
    for tracker in &instance.trackers {
        let good = match tracker.good {
            Some(true) => "good",
            Some(false) => "bad",
            None => "not known",
        };
        let _ =
            writeln!(text, "   Tracked {} = {}, {good}, adds {}", tracker.kind, tracker.name, tracker.share);
    }
    let _ = writeln!(text, "   Virtual IP = {}", instance.addresses.len());
    for address in &instance.addresses {
        let _ = writeln!(text, "     {address}");
    }
}

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
