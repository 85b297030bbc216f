//! Comparing two models.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{EntityChange, KeywordChange, Outcome, Plan, Reload};
use crate::language::bfd::BFD_INSTANCE;
use crate::language::global::keywords::GLOBAL;
use crate::language::instance::keywords::INSTANCE;
use crate::language::root::ROOT;
use crate::language::servers::keywords::{REAL_SERVER, SSL, VIRTUAL_SERVER};
use crate::language::servers::read::words_of_address;
use crate::language::trackers::keywords::{SCRIPT, TRACK_FILE, TRACK_PROCESS};
use crate::language::tracking::keywords::{GARP_GROUP, SYNC_GROUP, TRACK_GROUP};
use crate::model::{
    AuthType, GarpGroup, Model, RealServer, ServiceTarget, Ssl, VirtualServer, VirtualServerGroup,
    VrrpInstance,
};
use crate::table::{Argument, Keywords, Support};
use crate::value::Name;
use crate::write::print::{arguments, checker_lines, delay_line, group_entry, is_alias, linkbeat_line};

pub(crate) fn models(old: &Model, new: &Model) -> Plan {
    let mut plan = Plan::default();
    global(old, new, &mut plan);
    named("vrrp_script", &old.scripts, &new.scripts, |script| &script.name, SCRIPT, &mut plan);
    named("track_file", &old.track_files, &new.track_files, |file| &file.name, TRACK_FILE, &mut plan);
    named(
        "vrrp_track_process",
        &old.track_processes,
        &new.track_processes,
        |process| &process.name,
        TRACK_PROCESS,
        &mut plan,
    );
    named("bfd_instance", &old.bfd_instances, &new.bfd_instances, |bfd| &bfd.name, BFD_INSTANCE, &mut plan);
    named("track_group", &old.track_groups, &new.track_groups, |group| &group.name, TRACK_GROUP, &mut plan);
    instances(old, new, &mut plan);
    named("vrrp_sync_group", &old.groups, &new.groups, |group| &group.name, SYNC_GROUP, &mut plan);
    static_lists(old, new, &mut plan);
    ssl(old, new, &mut plan);
    server_groups(old, new, &mut plan);
    servers(old, new, &mut plan);
    plan
}

fn global(old: &Model, new: &Model, plan: &mut Plan) {
    if old.global == new.global {
        return;
    }
    let mut keywords = keyword_changes(ROOT, &old.global, &new.global);
    keywords.extend(keyword_changes(GLOBAL, &old.global, &new.global));
    push(plan, "global_defs", String::new(), keywords);
}

/// Entities that are the same as long as their name is.
fn named<T: PartialEq>(
    kind: &'static str,
    old: &[T],
    new: &[T],
    name: impl Fn(&T) -> &str,
    keywords: &'static Keywords<T>,
    plan: &mut Plan,
) {
    if old == new {
        return;
    }
    let before: BTreeMap<&str, &T> = old.iter().map(|entity| (name(entity), entity)).collect();
    let after: BTreeSet<&str> = new.iter().map(&name).collect();
    for entity in new {
        match before.get(name(entity)) {
            None => whole(plan, kind, name(entity), Outcome::Added),
            Some(earlier) if *earlier != entity => {
                push(plan, kind, name(entity).to_owned(), keyword_changes(keywords, earlier, entity));
            }
            Some(_) => {}
        }
    }
    for entity in old.iter().filter(|entity| !after.contains(name(entity))) {
        whole(plan, kind, name(entity), Outcome::Removed);
    }
}

fn instances(old: &Model, new: &Model, plan: &mut Plan) {
    if old.instances == new.instances {
        return;
    }
    let mut old_ones: Vec<Option<&VrrpInstance>> = old.instances.iter().map(Some).collect();
    let known_again = known_again(&mut old_ones, &new.instances);
    for (instance, earlier) in new.instances.iter().zip(known_again) {
        match earlier {
            None => whole(plan, "vrrp_instance", &instance.name, Outcome::Added),
            Some(earlier) if earlier != instance => instance_changes(earlier, instance, plan),
            Some(_) => {}
        }
    }
    for instance in old_ones.into_iter().flatten() {
        whole(plan, "vrrp_instance", &instance.name, Outcome::Removed);
    }
}

/// What each of `new` was before; what is known again is taken out of `old`. Those that are another virtual router are
/// known by their name only.
fn known_again<'m>(
    old: &mut [Option<&'m VrrpInstance>],
    new: &[VrrpInstance],
) -> Vec<Option<&'m VrrpInstance>> {
    let known = |instance: &VrrpInstance| (instance.key(), Arc::clone(&instance.name));
    let by_name: BTreeMap<Name, usize> = old
        .iter()
        .enumerate()
        .filter_map(|(place, instance)| Some((Arc::clone(&instance.as_ref()?.name), place)))
        .collect();
    let after: Vec<_> = new.iter().map(known).collect();
    let places = steadfast_vrrp::known_again(old.iter().flatten().map(|instance| known(instance)), &after);
    let mut take = |place: Option<usize>| old.get_mut(place?)?.take();
    let mut found: Vec<_> = places.into_iter().map(&mut take).collect();
    for (found, instance) in found.iter_mut().zip(new).filter(|(found, _)| found.is_none()) {
        *found = take(by_name.get(&instance.name).copied());
    }
    found
}

fn instance_changes(earlier: &VrrpInstance, instance: &VrrpInstance, plan: &mut Plan) {
    let mut keywords = keyword_changes(INSTANCE, earlier, instance);
    for change in &mut keywords {
        // Peers and addresses come and go in place, unless they make it another virtual router.
        let another = match &*change.keyword {
            "unicast_peer" => earlier.is_unicast() != instance.is_unicast(),
            "virtual_ipaddress" => earlier.family != instance.family,
            _ => false,
        };
        if another {
            change.effect = Reload::Restart;
        }
    }
    if earlier.name != instance.name {
        keywords.insert(
            0,
            KeywordChange {
                keyword: "vrrp_instance".into(),
                old: Some(earlier.name.to_string()),
                new: Some(instance.name.to_string()),
                effect: Reload::InPlace,
                active: true,
            },
        );
    }
    if earlier.authentication != instance.authentication {
        let (before, after) = (earlier.authentication.is_some(), instance.authentication.is_some());
        // An instance with AH stays in FAULT.
        let with_header = |instance: &VrrpInstance| {
            instance.authentication.as_ref().is_some_and(|auth| auth.kind == AuthType::Header)
        };
        let restarts = with_header(earlier) != with_header(instance);
        let effect = if restarts { Reload::Restart } else { Reload::InPlace };
        keywords.push(secret("authentication", before, after, effect));
    }
    if earlier.auth_hmac != instance.auth_hmac {
        let (before, after) = (earlier.auth_hmac.is_some(), instance.auth_hmac.is_some());
        keywords.push(secret("auth_hmac", before, after, Reload::Restart));
    }
    if earlier.broken != instance.broken {
        let reason = |instance: &VrrpInstance| instance.broken.as_deref().map(str::to_owned);
        let (old, new) = (reason(earlier), reason(instance));
        let (keyword, effect) = ("(fault)".into(), Reload::Restart);
        keywords.push(KeywordChange { keyword, old, new, effect, active: true });
    }
    push(plan, "vrrp_instance", instance.name.to_string(), keywords);
}

/// Secrets are not shown.
fn secret(keyword: &'static str, before: bool, after: bool, effect: Reload) -> KeywordChange {
    KeywordChange {
        keyword: keyword.into(),
        old: before.then(|| "(hidden)".to_owned()),
        new: after.then(|| if before { "(hidden, differs)" } else { "(hidden)" }.to_owned()),
        effect,
        active: true,
    }
}

fn static_lists(old: &Model, new: &Model, plan: &mut Plan) {
    use crate::language::addresses;
    use crate::language::routes;
    use crate::language::rules;
    let mut list = |keyword: &'static str, effect: Reload, old: Vec<String>, new: Vec<String>| {
        let keywords = list_changes(keyword, effect, &old, &new);
        push(plan, keyword, String::new(), keywords);
    };
    let addresses = |model: &Model| model.static_addresses.iter().map(addresses::read::show_line).collect();
    let routes = |model: &Model| model.static_routes.iter().map(routes::read::show_line).collect();
    let rules = |model: &Model| model.static_rules.iter().map(rules::read::show_line).collect();
    list("static_ipaddress", Reload::Difference, addresses(old), addresses(new));
    list("static_routes", Reload::Difference, routes(old), routes(new));
    list("static_rules", Reload::Difference, rules(old), rules(new));
    let delays = |model: &Model| model.interface_delays.iter().map(delay_line).collect();
    list("interface_up_down_delays", Reload::InPlace, delays(old), delays(new));
    let polled = |model: &Model| model.linkbeat_interfaces.iter().map(linkbeat_line).collect();
    list("linkbeat_interfaces", Reload::Restart, polled(old), polled(new));
    let paced = |model: &Model| model.garp_groups.iter().map(one_line).collect();
    list("garp_group", Reload::InPlace, paced(old), paced(new));
}

/// A block that has no name, on one line.
fn one_line(group: &GarpGroup) -> String {
    let shown = GARP_GROUP.iter().flat_map(|keyword| {
        let name = keyword.entry.name;
        arguments(keyword, group)
            .into_iter()
            .map(move |words| format!("{name} {}", lines_of(&[words]).join(" ")))
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn ssl(old: &Model, new: &Model, plan: &mut Plan) {
    if old.ssl == new.ssl {
        return;
    }
    let (before, after) = match (&old.ssl, &new.ssl) {
        (Some(before), Some(after)) => (before, after),
        (before, _) => {
            let outcome = if before.is_none() { Outcome::Added } else { Outcome::Removed };
            return whole(plan, "SSL", "", outcome);
        }
    };
    let conceal = |ssl: &Ssl| Ssl { password: None, ..ssl.clone() };
    let mut keywords = keyword_changes(SSL, &conceal(before), &conceal(after));
    if before.password != after.password {
        let (had, has) = (before.password.is_some(), after.password.is_some());
        keywords.push(secret("password", had, has, Reload::Restart));
    }
    push(plan, "SSL", String::new(), keywords);
}

fn server_groups(old: &Model, new: &Model, plan: &mut Plan) {
    let lines = |group: &VirtualServerGroup| group.entries.iter().map(group_entry).collect::<Vec<_>>();
    let groups = |model: &Model| -> BTreeMap<String, Vec<String>> {
        model.virtual_server_groups.iter().map(|group| (group.name.to_string(), lines(group))).collect()
    };
    let (before, after) = (groups(old), groups(new));
    for (name, entries) in &after {
        match before.get(name) {
            None => whole(plan, "virtual_server_group", name, Outcome::Added),
            Some(earlier) => {
                let keywords = list_changes("virtual_server_group", Reload::Difference, earlier, entries);
                push(plan, "virtual_server_group", name.clone(), keywords);
            }
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        whole(plan, "virtual_server_group", name, Outcome::Removed);
    }
}

fn target_name(server: &VirtualServer) -> String {
    match &server.target {
        ServiceTarget::Address(address) => {
            let protocol = server.protocol.map_or("", crate::language::servers::read::protocol_word);
            format!("{} {protocol}", words_of_address(*address)).trim_end().to_owned()
        }
        ServiceTarget::Mark(mark) => format!("fwmark {mark}"),
        ServiceTarget::Group(name) => format!("group {name}"),
    }
}

fn servers(old: &Model, new: &Model, plan: &mut Plan) {
    if old.virtual_servers == new.virtual_servers {
        return;
    }
    let before: BTreeMap<String, &VirtualServer> =
        old.virtual_servers.iter().map(|server| (target_name(server), server)).collect();
    let mut kept: BTreeSet<String> = BTreeSet::new();
    for server in &new.virtual_servers {
        let name = target_name(server);
        match before.get(&name) {
            None => whole(plan, "virtual_server", &name, Outcome::Added),
            Some(earlier) if *earlier != server => {
                push(plan, "virtual_server", name.clone(), keyword_changes(VIRTUAL_SERVER, earlier, server));
                real_servers(&name, earlier, server, plan);
            }
            Some(_) => {}
        }
        kept.insert(name);
    }
    for name in before.keys().filter(|name| !kept.contains(*name)) {
        whole(plan, "virtual_server", name, Outcome::Removed);
    }
}

fn real_servers(service: &str, old: &VirtualServer, new: &VirtualServer, plan: &mut Plan) {
    let before: BTreeMap<_, &RealServer> =
        old.real_servers.iter().map(|server| (server.address, server)).collect();
    let after: BTreeSet<_> = new.real_servers.iter().map(|server| server.address).collect();
    let name = |server: &RealServer| format!("{service} / {}", words_of_address(server.address));
    for server in &new.real_servers {
        match before.get(&server.address) {
            None => whole(plan, "real_server", &name(server), Outcome::Added),
            Some(earlier) if *earlier != server => {
                let mut keywords = keyword_changes(REAL_SERVER, earlier, server);
                if earlier.checkers != server.checkers {
                    keywords.extend(checker_changes(earlier, server));
                }
                push(plan, "real_server", name(server), keywords);
            }
            Some(_) => {}
        }
    }
    for server in old.real_servers.iter().filter(|server| !after.contains(&server.address)) {
        whole(plan, "real_server", &name(server), Outcome::Removed);
    }
}

/// What is checked otherwise. Checkers have no names, so the first is compared with the first.
fn checker_changes(old: &RealServer, new: &RealServer) -> Vec<KeywordChange> {
    let checkers = |server: &RealServer| server.checkers.iter().map(checker_lines).collect::<Vec<_>>();
    let (before, after) = (checkers(old), checkers(new));
    let mut changes = Vec::new();
    for place in 0..before.len().max(after.len()) {
        match (before.get(place), after.get(place)) {
            (Some((kind, old)), Some((other, new))) if kind == other => {
                changes.extend(list_changes(kind.clone(), Reload::Difference, old, new));
            }
            (old, new) => {
                let one_line = |lines: &[String]| Some(lines.join(", "));
                let change = |kind: &str, old, new| KeywordChange {
                    keyword: kind.to_owned().into(),
                    old,
                    new,
                    effect: Reload::Difference,
                    active: true,
                };
                changes.extend(old.map(|(kind, lines)| change(kind, one_line(lines), None)));
                changes.extend(new.map(|(kind, lines)| change(kind, None, one_line(lines))));
            }
        }
    }
    changes
}

/// The keywords of one block that say something else.
fn keyword_changes<T>(keywords: &'static Keywords<T>, old: &T, new: &T) -> Vec<KeywordChange> {
    let mut changes = Vec::new();
    for keyword in keywords.iter().filter(|keyword| !is_alias(keywords, keyword)) {
        let (before, after) = (arguments(keyword, old), arguments(keyword, new));
        if before == after {
            continue;
        }
        let (name, effect) = (keyword.entry.name, keyword.entry.reload);
        let active = keyword.entry.support == Support::Active;
        if matches!(keyword.entry.argument, Argument::Lines(_) | Argument::Words(_)) {
            let lines = list_changes(name, effect, &lines_of(&before), &lines_of(&after));
            changes.extend(lines.into_iter().map(|change| KeywordChange { active, ..change }));
            continue;
        }
        let text = |words: Vec<String>| (!words.is_empty()).then(|| words.join(" "));
        let (old, new) = (text(before), text(after));
        changes.push(KeywordChange { keyword: name.into(), old, new, effect, active });
    }
    changes
}

/// The lines between the braces.
fn lines_of(blocks: &[String]) -> Vec<String> {
    blocks
        .iter()
        .flat_map(|block| block.lines())
        .map(str::trim)
        .filter(|line| !matches!(*line, "{" | "}"))
        .map(str::to_owned)
        .collect()
}

fn list_changes(
    keyword: impl Into<Cow<'static, str>>,
    effect: Reload,
    old: &[String],
    new: &[String],
) -> Vec<KeywordChange> {
    let keyword = keyword.into();
    let (before, after): (BTreeSet<&String>, BTreeSet<&String>) =
        (old.iter().collect(), new.iter().collect());
    let removed = old.iter().filter(|line| !after.contains(line));
    let added = new.iter().filter(|line| !before.contains(line));
    let change = |old: Option<&String>, new: Option<&String>| KeywordChange {
        keyword: keyword.clone(),
        old: old.cloned(),
        new: new.cloned(),
        effect,
        active: true,
    };
    let moved =
        removed.map(|line| change(Some(line), None)).chain(added.map(|line| change(None, Some(line))));
    let changes: Vec<KeywordChange> = moved.collect();
    if changes.is_empty() && old != new { vec![change(None, None)] } else { changes }
}

fn whole(plan: &mut Plan, kind: &'static str, name: &str, outcome: Outcome) {
    plan.entities.push(EntityChange {
        kind: kind.into(),
        name: name.to_owned(),
        outcome,
        keywords: Vec::new(),
        active: is_active(kind),
    });
}

fn push(plan: &mut Plan, kind: &'static str, name: String, mut keywords: Vec<KeywordChange>) {
    if keywords.is_empty() {
        return;
    }
    let active = is_active(kind);
    for change in &mut keywords {
        change.active &= active;
    }
    let outcome = if keywords.iter().any(|change| change.effect == Reload::Refused) {
        Outcome::Refused
    } else if kind != "global_defs"
        && keywords.iter().any(|change| change.active && change.effect == Reload::Restart)
    {
        Outcome::Restarted
    } else {
        Outcome::Changed
    };
    plan.entities.push(EntityChange { kind: kind.into(), name, outcome, keywords, active });
}

/// Whether a block, or a list outside of every block, is carried out.
fn is_active(kind: &str) -> bool {
    let outside = ROOT.find(kind).map(|(_, keyword)| keyword.entry.support);
    let inside = || VIRTUAL_SERVER.find(kind).map(|(_, keyword)| keyword.entry.support);
    outside.or_else(inside).is_none_or(|support| support == Support::Active)
}
