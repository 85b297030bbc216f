//! The errors of the configuration in force, against which those of the next are held.
//!
//! A start takes what it understands of a file, as keepalived does. A reload of that file, or of one with nothing worse,
//! has to be possible, too; an error that somebody has made since is worth a refusal.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::diagnostic::code::Severity;
use crate::load::Loaded;

/// What the errors of a configuration say, without their places: lines move, and an error stays what it is.
#[derive(Debug, Clone, Default)]
pub struct KnownErrors {
    /// Of those that were kept in full.
    messages: BTreeSet<Box<str>>,
    count: u64,
}

impl KnownErrors {
    /// The errors of a configuration.
    pub fn of(loaded: &Loaded) -> Self {
        Self {
            messages: messages(loaded).map(Box::from).collect(),
            count: loaded.diagnostics.count(Severity::Error),
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Why `next` may not take the place of the configuration with these errors, as what is to be said of its file.
    pub fn reason_to_refuse(&self, next: &Loaded) -> Option<Refusal> {
        let total = next.diagnostics.count(Severity::Error);
        if next.start_status().is_err() {
            return Some(Refusal { errors: total, beside_known: false });
        }
        let new = messages(next).filter(|message| !self.messages.contains(*message)).count();
        let new = u64::try_from(new).unwrap_or(u64::MAX).max(total.saturating_sub(self.count));
        match (new, self.count) {
            (0, _) => None,
            (_, 0) => Some(Refusal { errors: total, beside_known: false }),
            _ => Some(Refusal { errors: new, beside_known: true }),
        }
    }
}

/// Why a configuration may not take the place of another; displayed, what is to be said of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// How many errors it has; none where it cannot be used as it is.
    pub errors: u64,
    /// Those are what it has beside the errors of the configuration in force.
    pub beside_known: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { errors: 0, .. } => f.write_str("cannot be used as it is"),
            Self { errors, beside_known: false } => write!(f, "has {}", counted(*errors)),
            Self { errors, beside_known: true } => {
                write!(f, "has {} that the configuration in force has not", counted(*errors))
            }
        }
    }
}

fn messages(loaded: &Loaded) -> impl Iterator<Item = &str> {
    let errors = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors.map(|diagnostic| diagnostic.message.as_ref())
}

fn counted(errors: u64) -> String {
    if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::diagnostic::Diagnostic;
    use crate::diagnostic::code::Code;
    use crate::{AnyMachine, LoadOptions, Memory, load};

    fn read(text: &str) -> Loaded {
        let source = Memory::new().file("k.conf", text);
        load(&source, Path::new("/k.conf"), &AnyMachine, &LoadOptions::default())
    }

    #[test]
    fn errors_that_are_in_force_refuse_nothing() {
        let reason = |before: &str, after: &str| {
            KnownErrors::of(&read(before)).reason_to_refuse(&read(after)).map(|refusal| refusal.to_string())
        };
        assert_eq!(reason("", "global_defs {\n}\n"), None);
        assert_eq!(reason("one\n", "! moved\none\n"), None);
        assert_eq!(reason("one\ntwo\n", "two\n"), None);
        assert_eq!(reason("", "one\ntwo\n").as_deref(), Some("has 2 errors"));
        let not_in_force = "has 1 error that the configuration in force has not";
        assert_eq!(reason("one\ntwo\n", "one\nthree\n").as_deref(), Some(not_in_force));
        assert_eq!(
            reason("one\n", "one\none\n").as_deref(),
            Some(not_in_force),
            "the same mistake once more"
        );
    }

    #[test]
    fn what_cannot_work_is_refused_whatever_is_in_force() {
        let source = Memory::new();
        let nothing = || load(&source, Path::new("/none"), &AnyMachine, &LoadOptions::default());
        assert!(KnownErrors::of(&nothing()).reason_to_refuse(&nothing()).is_some());
    }

    /// A file that a daemon starts with is kept out of a running one by errors alone: never by a warning, of
    /// whatever kind, and never by what is in force already.
    #[test]
    fn of_every_kind_of_problem_only_an_error_refuses() {
        let before = KnownErrors::of(&read(""));
        for code in Code::ALL.iter().copied() {
            let mut loaded = read("global_defs {\n}\n");
            loaded.diagnostics.push(Diagnostic::nowhere(code, "as it is"));
            let starts = loaded.start_status().is_ok();
            let reloads = before.reason_to_refuse(&loaded).is_none();
            assert_eq!(reloads, starts && code.severity() < Severity::Error, "{code}");
            let again = KnownErrors::of(&loaded).reason_to_refuse(&loaded).is_none();
            assert_eq!(again, starts, "{code}, which is in force");
        }
    }

    #[test]
    fn what_a_file_is_completed_by_refuses_nothing() {
        let instance = |name: &str, lines: &str| {
            format!(
                "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id 1\npriority 100\n{lines}\n\
                 virtual_ipaddress {{\n192.0.2.1\n}}\n}}\n"
            )
        };
        let grouped = "vrrp_script s {\nscript /bin/true\n}\nvrrp_sync_group G {\ngroup {\nV\n}\n}\n"
            .to_owned()
            + &instance("V", "track_script {\ns weight 10\n}");
        for (code, text) in
            [(Code::IntervalRounded, instance("V", "advert_int 0.5")), (Code::WeightInGroup, grouped)]
        {
            let next = read(&text);
            assert!(next.diagnostics.iter().any(|told| told.code == code), "{code}: {:?}", next.diagnostics);
            assert!(next.start_status().is_ok());
            assert_eq!(KnownErrors::of(&read("")).reason_to_refuse(&next), None, "{code}");
        }
    }
}
