//! A plan for people.

use std::fmt;

use super::{EntityChange, KeywordChange, Outcome, Plan, Reload};

const NOT_ACTIVE: &str = "not active in this version";

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "nothing changes");
        }
        for entity in &self.entities {
            write!(f, "{entity}")?;
        }
        Ok(())
    }
}

impl fmt::Display for EntityChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Added => "added",
            Outcome::Removed => "removed",
            Outcome::Changed => "changed in place",
            Outcome::Restarted => "restarted",
            Outcome::Refused => "refused: needs a restart of the daemon",
        };
        let blank = if self.name.is_empty() { "" } else { " " };
        write!(f, "{}{blank}{}: {outcome}", self.kind, self.name)?;
        if !self.active && self.keywords.is_empty() {
            write!(f, "  ({NOT_ACTIVE})")?;
        }
        writeln!(f)?;
        for change in &self.keywords {
            writeln!(f, "    {change}")?;
        }
        Ok(())
    }
}

impl fmt::Display for KeywordChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| if text.is_empty() { "on".to_owned() } else { text.to_owned() };
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "{} {} -> {}", self.keyword, shown(old), shown(new))?,
            (Some(old), None) => write!(f, "{} - {}", self.keyword, shown(old))?,
            (None, Some(new)) => write!(f, "{} + {}", self.keyword, shown(new))?,
            (None, None) => write!(f, "{} in another order", self.keyword)?,
        }
        let effect = match self.effect {
            Reload::Refused => "refused",
            _ if !self.active => NOT_ACTIVE,
            Reload::NextUse => "from its next use",
            Reload::InPlace => "in place",
            Reload::Difference => "only this moves",
            Reload::ScriptRestart => "script started anew",
            Reload::Restart => "restart",
            Reload::StartOnly => "from the next start of the daemon",
        };
        write!(f, "  ({effect})")
    }
}
