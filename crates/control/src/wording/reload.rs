//! What a reload changed, or why it was refused.

use steadfast_config::plan::Outcome;

use super::clash;
use crate::event::{Changed, Changes, FixedKeyword, ReloadRefusal};

/// Names what differs.
pub fn changes(changes: &Changes) -> String {
    if changes.changed.is_empty() {
        let nothing = if changes.not_active { "nothing changed that is active" } else { "nothing changed" };
        return nothing.to_owned();
    }
    let mut named: Vec<String> = changes.changed.iter().map(changed).collect();
    if changes.further > 0 {
        named.push(format!("and {} more", changes.further));
    }
    named.join(", ")
}

fn changed(change: &Changed) -> String {
    let blank = if change.name.is_empty() { "" } else { " " };
    let named = format!("{}{blank}{}", change.kind, change.name);
    match change.outcome {
        Outcome::Added => format!("{named} added"),
        Outcome::Removed => format!("{named} removed"),
        // A list outside of every block is a keyword itself.
        _ if change.keywords == [&*change.kind] => named,
        Outcome::Changed | Outcome::Restarted | Outcome::Refused => {
            let further = if change.further { ", …" } else { "" };
            format!("{named} ({}{further})", change.keywords.join(", "))
        }
    }
}

/// Why nothing changed, and what to do.
pub fn refusal(refusal: &ReloadRefusal) -> String {
    match refusal {
        ReloadRefusal::Errors { file, errors } => format!("{file} {errors}"),
        ReloadRefusal::Restart { keywords } => {
            let changes = keywords
                .iter()
                .map(|FixedKeyword { keyword, from, to }| format!("{keyword} from {from} to {to}"));
            let changes = changes.collect::<Vec<_>>().join(", ");
            format!("only a restart can change {changes}; undo the change or restart the daemon")
        }
        ReloadRefusal::Clash(found) => clash(found),
        ReloadRefusal::Unasked { error } => error.to_string(),
    }
}
