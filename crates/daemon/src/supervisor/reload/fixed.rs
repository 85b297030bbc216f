//! What a running daemon cannot change: a reload that wants to is refused.

use steadfast_config::model::Global;
use steadfast_config::value::{Name, Text};
use steadfast_control::event::{FixedKeyword, ReloadRefusal};

/// Names what differs between two configurations although only a restart could change it; `None`
/// when nothing does. With `-s` the keyword `net_namespace` says nothing, so it may change.
pub(crate) fn forbidden(before: &Global, after: &Global, namespace_told: bool) -> Option<ReloadRefusal> {
    let text = |value: &Option<Text>| named(value.as_deref());
    let name = |value: &Option<Name>| named(value.as_deref());
    let (old, new) = (&before.firewall, &after.firewall);
    let mut rows = vec![
        ("net_namespace_ipvs", name(&before.net_namespace_ipvs), name(&after.net_namespace_ipvs)),
        ("instance", name(&before.instance), name(&after.instance)),
        ("nftables", text(&old.nftables_table), text(&new.nftables_table)),
        ("nftables_ipvs", text(&old.ipvs_table), text(&new.ipvs_table)),
        ("tmp_config_directory", text(&before.reload.temporary_dir), text(&after.reload.temporary_dir)),
        ("disable_local_igmp", switch(before.disable_local_igmp), switch(after.disable_local_igmp)),
    ];
    if !namespace_told {
        rows.insert(0, ("net_namespace", name(&before.net_namespace), name(&after.net_namespace)));
    }
    let keywords: Vec<FixedKeyword> = rows
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(keyword, from, to)| FixedKeyword { keyword: keyword.into(), from, to })
        .collect();
    (!keywords.is_empty()).then_some(ReloadRefusal::Restart { keywords })
}

fn named(value: Option<&str>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("'{value}'"))
}

fn switch(on: bool) -> String {
    if on { "on".to_owned() } else { "off".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use steadfast_config::language::rows;
    use steadfast_config::table::Reload;
    use steadfast_control::wording;

    use super::*;

    /// Each of them has another value than by default.
    fn changed() -> Global {
        let mut global = Global { net_namespace: Some("blue".into()), ..Global::default() };
        global.net_namespace_ipvs = Some("".into());
        global.instance = Some("one".into());
        global.firewall.nftables_table = Some("t".into());
        global.firewall.ipvs_table = Some("u".into());
        global.reload.temporary_dir = Some("/tmp".into());
        global.disable_local_igmp = true;
        global
    }

    fn keywords(refusal: Option<ReloadRefusal>) -> Vec<FixedKeyword> {
        match refusal {
            Some(ReloadRefusal::Restart { keywords }) => keywords,
            other => panic!("{other:?}"),
        }
    }

    fn said(before: &Global, after: &Global, namespace_told: bool) -> Option<String> {
        forbidden(before, after, namespace_told).as_ref().map(wording::refusal)
    }

    #[test]
    fn the_keyword_table_names_the_same_keywords() {
        let named = keywords(forbidden(&Global::default(), &changed(), false));
        let named: BTreeSet<&str> = named.iter().map(|change| &*change.keyword).collect();
        let refused: BTreeSet<&str> =
            rows().filter(|row| row.entry.reload == Reload::Refused).map(|row| row.entry.name).collect();
        assert_eq!(named, refused);
    }

    #[test]
    fn each_of_them_is_named_with_both_values() {
        let before = Global::default();
        assert_eq!(forbidden(&before, &before, false), None);
        let renamed = Global { router_id: Some("other".into()), ..Global::default() };
        assert_eq!(forbidden(&before, &renamed, false), None);
        let after = changed();
        assert_eq!(
            said(&before, &after, false).unwrap(),
            "only a restart can change net_namespace from none to 'blue', net_namespace_ipvs from none to '', \
             instance from none to 'one', nftables from none to 't', nftables_ipvs from none to 'u', \
             tmp_config_directory from none to '/tmp', disable_local_igmp from off to on; undo the change or \
             restart the daemon"
        );
        assert!(
            said(&after, &before, true).unwrap().starts_with("only a restart can change net_namespace_ipvs")
        );
    }
}
