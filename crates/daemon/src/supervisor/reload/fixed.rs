//! What a running daemon cannot change: a reload that wants to is refused.

use steadfast_config::model::Global;
use steadfast_config::value::{Name, Text};

/// Names what differs between two configurations although only a restart could change it; `None`
/// when nothing does. With `-s` the keyword `net_namespace` says nothing, so it may change.
pub(crate) fn forbidden(before: &Global, after: &Global, namespace_told: bool) -> Option<String> {
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
    let changes: Vec<String> = rows
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(keyword, before, after)| format!("{keyword} from {before} to {after}"))
        .collect();
    (!changes.is_empty()).then(|| {
        format!("only a restart can change {}; undo the change or restart the daemon", changes.join(", "))
    })
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

    #[test]
    fn the_keyword_table_names_the_same_keywords() {
        let reason = forbidden(&Global::default(), &changed(), false).unwrap();
        let listed = reason.trim_start_matches("only a restart can change ");
        let named: BTreeSet<&str> =
            listed.split(", ").map(|change| change.split(' ').next().unwrap()).collect();
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
            forbidden(&before, &after, false).unwrap(),
            "only a restart can change net_namespace from none to 'blue', net_namespace_ipvs from none to '', \
             instance from none to 'one', nftables from none to 't', nftables_ipvs from none to 'u', \
             tmp_config_directory from none to '/tmp', disable_local_igmp from off to on; undo the change or \
             restart the daemon"
        );
        assert!(
            forbidden(&after, &before, true)
                .unwrap()
                .starts_with("only a restart can change net_namespace_ipvs")
        );
    }
}
