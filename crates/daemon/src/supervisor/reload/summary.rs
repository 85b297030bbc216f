//! What of the changes of a reload is told.

use std::borrow::Cow;

use steadfast_config::Plan;
use steadfast_config::plan::EntityChange;
use steadfast_control::event::{Changed, Changes};

/// Blocks and lists that are named; the others are counted.
const NAMED_MAX: usize = 8;
/// Keywords of one block that are named.
const KEYWORDS_MAX: usize = 4;

/// What differs, as far as this version carries it out.
pub(super) fn summary(plan: &Plan) -> Changes {
    let active: Vec<&EntityChange> = plan.entities.iter().filter(|entity| is_active(entity)).collect();
    Changes {
        changed: active.iter().take(NAMED_MAX).map(|entity| changed(entity)).collect(),
        further: active.len().saturating_sub(NAMED_MAX),
        not_active: active.len() < plan.entities.len(),
    }
}

fn is_active(entity: &EntityChange) -> bool {
    entity.active && (entity.keywords.is_empty() || entity.keywords.iter().any(|change| change.active))
}

fn changed(entity: &EntityChange) -> Changed {
    let mut keywords: Vec<Cow<'static, str>> = Vec::new();
    for change in entity.keywords.iter().filter(|change| change.active) {
        // A list of one keyword has a change for each line.
        if !keywords.contains(&change.keyword) {
            keywords.push(change.keyword.clone());
        }
    }
    let further = keywords.len() > KEYWORDS_MAX;
    keywords.truncate(KEYWORDS_MAX);
    Changed {
        kind: entity.kind.clone(),
        name: entity.name.clone(),
        outcome: entity.outcome,
        keywords,
        further,
    }
}

#[cfg(test)]
mod tests {
    use steadfast_config::plan::{KeywordChange, Outcome, Reload};
    use steadfast_control::wording;

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
        wording::changes(&summary(&Plan { entities }))
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
