//! What the kernel of a host holds that a daemon could leave behind.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::host::Host;
use crate::{program, wait};

/// The kernel makes routes and addresses of its own when a cable is plugged in, and does not wait for them.
const AT_FIRST_WITHIN: Duration = Duration::from_secs(10);
/// The same when a cable was pulled in between. What a daemon left does not go in this time.
const SAME_WITHIN: Duration = Duration::from_secs(2);

/// What is asked for, and by which command; each line of an answer is one thing.
const COMMANDS: [(&str, &[&str]); 6] = [
    ("link", &["ip", "-oneline", "link", "show"]),
    ("address", &["ip", "-oneline", "address", "show"]),
    ("rule", &["ip", "rule", "show"]),
    ("rule of IPv6", &["ip", "-6", "rule", "show"]),
    ("route", &["ip", "route", "show", "table", "all"]),
    ("route of IPv6", &["ip", "-6", "route", "show", "table", "all"]),
];

/// Links, addresses, rules, routes and packet filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inventory(BTreeSet<String>);

impl Inventory {
    /// That of a host whose cable has just been plugged in, with what the kernel makes of it by itself.
    pub(super) fn at_first(host: &Host) -> Result<Self> {
        let complete = |found: &Self| found.mentions(" state UP ") && found.mentions(" inet6 fe80::");
        let found = wait::value(AT_FIRST_WITHIN, || Self::of(host).ok().filter(complete));
        found.with_context(|| format!("{} has no link that is up: {:?}", host.name(), Self::of(host)))
    }

    fn of(host: &Host) -> Result<Self> {
        let mut found = BTreeSet::new();
        let mut ask = |what: &str, words: &[&str]| -> Result<()> {
            let answer = host.run(words)?;
            ensure!(answer.status.success(), "{words:?} on {}: {}", host.name(), answer.output);
            found.extend(answer.output.lines().map(|line| format!("{what} {}", line.trim())));
            Ok(())
        };
        for (what, words) in COMMANDS {
            ask(what, words)?;
        }
        // Without the program no kind of loss is made either, which is told.
        if let Some(program) = program::find("nft") {
            ask("packet filter", &[&program.to_string_lossy(), "list", "ruleset"])?;
        }
        Ok(Self(found))
    }

    fn mentions(&self, words: &str) -> bool {
        self.0.iter().any(|line| line.contains(words))
    }

    /// What a host has that it did not have then, and what it has no more, in a sentence each.
    pub(super) fn differences(&self, host: &Host) -> Vec<String> {
        let mut differences = Vec::new();
        let _ = wait::until(SAME_WITHIN, || {
            differences = match Self::of(host) {
                Ok(now) => {
                    let left = now.0.difference(&self.0).map(|line| format!("{line} is left"));
                    left.chain(self.0.difference(&now.0).map(|line| format!("{line} is gone"))).collect()
                }
                Err(error) => vec![format!("{error:#}")],
            };
            differences.is_empty()
        });
        differences.into_iter().map(|what| format!("on {}: {what}", host.name())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::lab_possible;
    use crate::segment::Segment;

    #[test]
    fn whatever_is_left_on_a_host_is_named_and_what_is_missing_too() {
        let test = "whatever_is_left_on_a_host_is_named_and_what_is_missing_too";
        if !lab_possible(test) {
            return;
        }
        let segment = Segment::new().unwrap();
        let host = segment.host("host").unwrap();
        let before = Inventory::at_first(&host).unwrap();
        segment.cut(&host).unwrap();
        segment.restore(&host).unwrap();
        assert_eq!(before.differences(&host), Vec::<String>::new());

        let mut made = vec![
            ("link", vec!["ip", "link", "add", "left", "link", "eth0", "type", "macvlan"]),
            ("address", vec!["ip", "address", "add", "10.0.9.1/32", "dev", "eth0"]),
            ("rule", vec!["ip", "rule", "add", "to", "10.9.0.0/16", "lookup", "9"]),
            ("rule of IPv6", vec!["ip", "-6", "rule", "add", "to", "fd09::/64", "lookup", "9"]),
            ("route", vec!["ip", "route", "add", "10.9.0.0/16", "dev", "eth0", "table", "9"]),
            ("route of IPv6", vec!["ip", "-6", "route", "add", "fd09::/64", "dev", "eth0", "table", "9"]),
        ];
        let filter = program::find("nft").map(|program| program.to_string_lossy().into_owned());
        if let Some(program) = &filter {
            made.push(("packet filter", vec![program, "add", "table", "ip", "left"]));
        }
        for (_, words) in &made {
            let finished = host.run(words).unwrap();
            assert!(finished.status.success(), "{words:?}: {}", finished.output);
        }
        host.withdraw("eth0", crate::segment::address_v6(1).into(), 64).unwrap();
        let differences = before.differences(&host);
        for (what, words) in made {
            let begin = format!("on host: {what} ");
            let mut lines = differences.iter();
            assert!(
                lines.any(|line| line.starts_with(&begin) && line.ends_with(" is left")),
                "{words:?}: {differences:#?}"
            );
        }
        let mut lines = differences.iter();
        assert!(
            lines.any(|line| line.contains("fd00::1/64") && line.ends_with(" is gone")),
            "{differences:#?}"
        );
    }
}
