//! What a reload changed, in one line.

use steadfast_config::Plan;
use steadfast_config::plan::{EntityChange, Outcome};

/// Blocks and lists that are named; the others are counted.
const NAMED_MAX: usize = 8;
/// Keywords of one block that are named.
const KEYWORDS_MAX: usize = 4;

/// Names what differs, as far as this version carries it out.
pub(super) fn summary(plan: &Plan) -> String {
    let active: Vec<&EntityChange> = plan.entities.iter().filter(|entity| is_active(entity)).collect();
    if active.is_empty() {
        let nothing = if plan.is_empty() { "nothing changed" } else { "nothing changed that is active" };
        return nothing.to_owned();
    }
    let mut named: Vec<String> = active.iter().take(NAMED_MAX).map(|entity| name(entity)).collect();
    let further = active.len().saturating_sub(NAMED_MAX);
    if further > 0 {
        named.push(format!("and {further} more"));
    }
    named.join(", ")
}

fn is_active(entity: &EntityChange) -> bool {
    entity.active && (entity.keywords.is_empty() || entity.keywords.iter().any(|change| change.active))
}

fn name(entity: &EntityChange) -> String {
    let blank = if entity.name.is_empty() { "" } else { " " };
    let named = format!("{}{blank}{}", entity.kind, entity.name);
    match entity.outcome {
        Outcome::Added => format!("{named} added"),
        Outcome::Removed => format!("{named} removed"),
        Outcome::Changed | Outcome::Restarted | Outcome::Refused => {
            let mut keywords: Vec<&str> = entity
                .keywords
                .iter()
                .filter(|change| change.active)
                .map(|change| &*change.keyword)
                // A list of one keyword has a change for each line.
                .fold(Vec::new(), |mut seen, keyword| {
                    if !seen.contains(&keyword) {
                        seen.push(keyword);
                    }
                    seen
                });
            if keywords.len() > KEYWORDS_MAX {
                keywords.truncate(KEYWORDS_MAX);
                keywords.push("…");
            }
            // A list outside of every block is a keyword itself.
            if keywords == [&*entity.kind] { named } else { format!("{named} ({})", keywords.join(", ")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use steadfast_config::plan::{KeywordChange, Reload};

    use super::*;

    fn change(keyword: &'static str, active: bool) -> KeywordChange {
        let (old, new) = (Some("1".to_owned()), Some("2".to_owned()));
        KeywordChange { keyword: keyword.into(), old, new, effect: Reload::InPlace, active }
    }

    fn entity(kind: &'static str, name: &str, outcome: Outcome, keywords: &[KeywordChange]) -> EntityChange {
        let (kind, name, keywords) = (kind.into(), name.to_owned(), keywords.to_vec());
        EntityChange { kind, name, outcome, keywords, active: true }
    }

    fn said(entities: Vec<EntityChange>) -> String {
        summary(&Plan { entities })
    }

    #[test]
    fn what_changed_is_named() {
        let script = entity("vrrp_script", "chk", Outcome::Changed, &[change("script", true)]);
        let instance = entity(
            "vrrp_instance",
            "V1",
            Outcome::Changed,
            &[change("notify_master", true), change("track_bfd", false), change("notify_master", true)],
        );
        let gone = entity("vrrp_instance", "V2", Outcome::Removed, &[]);
        let addresses = entity("static_ipaddress", "", Outcome::Changed, &[change("static_ipaddress", true)]);
        assert_eq!(
            said(vec![script, instance, gone, addresses]),
            "vrrp_script chk (script), vrrp_instance V1 (notify_master), vrrp_instance V2 removed, static_ipaddress"
        );
    }

    #[test]
    fn what_does_nothing_is_not_named() {
        assert_eq!(said(Vec::new()), "nothing changed");
        let inactive = entity("vrrp_instance", "V1", Outcome::Changed, &[change("track_bfd", false)]);
        assert_eq!(said(vec![inactive]), "nothing changed that is active");
    }

    #[test]
    fn a_long_list_is_cut() {
        let many: Vec<_> =
            (0..11).map(|n| entity("vrrp_instance", &n.to_string(), Outcome::Added, &[])).collect();
        let text = said(many);
        assert!(text.ends_with("vrrp_instance 7 added, and 3 more"), "{text}");
    }
}
