//! Comparing two models.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{EntityChange, KeywordChange, Outcome, Plan, Reload};
use crate::language::checkers;
use crate::language::global::keywords::GLOBAL;
use crate::language::instance::keywords::INSTANCE;
use crate::language::kinds::{self, Kind};
use crate::language::root::{OUTERMOST, ROOT, of_global};
use crate::language::servers::keywords::{REAL_SERVER, SSL, VIRTUAL_SERVER};
use crate::language::servers::read::{head_of_real_server, words_of_address};
use crate::language::tracking::keywords::GARP_GROUP;
use crate::model::{GarpGroup, Model, RealServer, ServiceTarget, VirtualServer, VrrpInstance};
use crate::table::shown::{arguments, is_alias};
use crate::table::{Entry, Keywords, Mark, Support, find};
use crate::value::Name;

/// The keyword of a virtual router.
const INSTANCE_KEYWORD: &str = kinds::INSTANCES.keyword;

pub(crate) fn models(old: &Model, new: &Model) -> Plan {
    let mut plan = Plan::default();
    global(old, new, &mut plan);
    named(&kinds::SCRIPTS, old, new, &mut plan);
    named(&kinds::TRACK_FILES, old, new, &mut plan);
    named(&kinds::TRACK_PROCESSES, old, new, &mut plan);
    named(&kinds::BFD_INSTANCES, old, new, &mut plan);
    named(&kinds::TRACK_GROUPS, old, new, &mut plan);
    instances(old, new, &mut plan);
    named(&kinds::SYNC_GROUPS, old, new, &mut plan);
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
    let mut keywords = keyword_changes(ROOT, &of_global(&old.global), &of_global(&new.global));
    keywords.extend(keyword_changes(GLOBAL, &old.global, &new.global));
    push(plan, kinds::GLOBAL_DEFS, String::new(), keywords);
}

/// Entities that are the same as long as their name is.
fn named<T: PartialEq>(kind: &Kind<T>, old: &Model, new: &Model, plan: &mut Plan) {
    let (keyword, name) = (kind.keyword, kind.name);
    let (old, new) = ((kind.of)(old), (kind.of)(new));
    if old == new {
        return;
    }
    let before: BTreeMap<&str, &T> = old.iter().map(|entity| (name(entity), entity)).collect();
    let after: BTreeSet<&str> = new.iter().map(name).collect();
    for entity in new {
        match before.get(name(entity)) {
            None => whole(plan, keyword, name(entity), Outcome::Added),
            Some(earlier) if *earlier != entity => {
                push(plan, keyword, name(entity).to_owned(), keyword_changes(kind.keywords, earlier, entity));
            }
            Some(_) => {}
        }
    }
    for entity in old.iter().filter(|entity| !after.contains(name(entity))) {
        whole(plan, keyword, name(entity), Outcome::Removed);
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
            None => whole(plan, INSTANCE_KEYWORD, &instance.name, Outcome::Added),
            Some(earlier) if earlier != instance => instance_changes(earlier, instance, plan),
            Some(_) => {}
        }
    }
    for instance in old_ones.into_iter().flatten() {
        whole(plan, INSTANCE_KEYWORD, &instance.name, Outcome::Removed);
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
        if kinds::makes_another_router(&change.keyword, earlier, instance) {
            change.effect = Reload::Restart;
        }
    }
    if earlier.name != instance.name {
        keywords.insert(
            0,
            KeywordChange {
                keyword: INSTANCE_KEYWORD.into(),
                old: Some(earlier.name.to_string()),
                new: Some(instance.name.to_string()),
                effect: Reload::InPlace,
                active: true,
            },
        );
    }
    if earlier.broken != instance.broken {
        let reason = |instance: &VrrpInstance| instance.broken.as_deref().map(str::to_owned);
        let (old, new) = (reason(earlier), reason(instance));
        let (keyword, effect) = ("(fault)".into(), Reload::Restart);
        keywords.push(KeywordChange { keyword, old, new, effect, active: true });
    }
    push(plan, INSTANCE_KEYWORD, instance.name.to_string(), keywords);
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
    let mut list = |keyword: &'static str, old: Vec<String>, new: Vec<String>| {
        let keywords = list_changes(keyword, effect_of(keyword), &old, &new);
        push(plan, keyword, String::new(), keywords);
    };
    for listing in &kinds::LISTINGS {
        list(listing.keyword, (listing.lines)(old), (listing.lines)(new));
    }
    let paced = |model: &Model| (kinds::GARP_GROUPS.of)(model).iter().map(one_line).collect();
    list(kinds::GARP_GROUPS.keyword, paced(old), paced(new));
}

/// What the table says of a change in a block outside of every block.
fn effect_of(keyword: &str) -> Reload {
    find(OUTERMOST, keyword).map_or(Reload::Difference, |entry| entry.reload)
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
            return whole(plan, kinds::SSL, "", outcome);
        }
    };
    push(plan, kinds::SSL, String::new(), keyword_changes(SSL, before, after));
}

fn server_groups(old: &Model, new: &Model, plan: &mut Plan) {
    let groups = |model: &Model| -> BTreeMap<String, Vec<String>> {
        model
            .virtual_server_groups
            .iter()
            .map(|group| (group.name.to_string(), kinds::group_lines(group)))
            .collect()
    };
    let (before, after) = (groups(old), groups(new));
    for (name, entries) in &after {
        match before.get(name) {
            None => whole(plan, kinds::VIRTUAL_SERVER_GROUP, name, Outcome::Added),
            Some(earlier) => {
                let effect = effect_of(kinds::VIRTUAL_SERVER_GROUP);
                let keywords = list_changes(kinds::VIRTUAL_SERVER_GROUP, effect, earlier, entries);
                push(plan, kinds::VIRTUAL_SERVER_GROUP, name.clone(), keywords);
            }
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        whole(plan, kinds::VIRTUAL_SERVER_GROUP, name, Outcome::Removed);
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

/// Names of virtual servers in the order of the file: of several for the same each but the first has its number.
#[derive(Default)]
struct TargetNames(BTreeMap<String, u32>);

impl TargetNames {
    fn next(&mut self, server: &VirtualServer) -> String {
        let name = target_name(server);
        let count = self.0.entry(name.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { name } else { format!("{name} ({count})") }
    }
}

fn servers(old: &Model, new: &Model, plan: &mut Plan) {
    if old.virtual_servers == new.virtual_servers {
        return;
    }
    let mut names = TargetNames::default();
    let before: BTreeMap<String, &VirtualServer> =
        old.virtual_servers.iter().map(|server| (names.next(server), server)).collect();
    let mut kept: BTreeSet<String> = BTreeSet::new();
    let mut names = TargetNames::default();
    for server in &new.virtual_servers {
        let name = names.next(server);
        match before.get(&name) {
            None => whole(plan, kinds::VIRTUAL_SERVER, &name, Outcome::Added),
            Some(earlier) if *earlier != server => {
                push(
                    plan,
                    kinds::VIRTUAL_SERVER,
                    name.clone(),
                    keyword_changes(VIRTUAL_SERVER, earlier, server),
                );
                real_servers(&name, earlier, server, plan);
            }
            Some(_) => {}
        }
        kept.insert(name);
    }
    for name in before.keys().filter(|name| !kept.contains(*name)) {
        whole(plan, kinds::VIRTUAL_SERVER, name, Outcome::Removed);
    }
}

fn real_servers(service: &str, old: &VirtualServer, new: &VirtualServer, plan: &mut Plan) {
    let key = |server: &RealServer| (server.address, server.name.clone());
    let before: BTreeMap<_, &RealServer> =
        old.real_servers.iter().map(|server| (key(server), server)).collect();
    let after: BTreeSet<_> = new.real_servers.iter().map(key).collect();
    let name = |server: &RealServer| format!("{service} / {}", head_of_real_server(server));
    for server in &new.real_servers {
        match before.get(&key(server)) {
            None => whole(plan, kinds::REAL_SERVER, &name(server), Outcome::Added),
            Some(earlier) if *earlier != server => {
                let mut keywords = keyword_changes(REAL_SERVER, earlier, server);
                if earlier.checkers != server.checkers {
                    keywords.extend(checker_changes(earlier, server));
                }
                push(plan, kinds::REAL_SERVER, name(server), keywords);
            }
            Some(_) => {}
        }
    }
    for server in old.real_servers.iter().filter(|server| !after.contains(&key(server))) {
        whole(plan, kinds::REAL_SERVER, &name(server), Outcome::Removed);
    }
}

/// What is checked otherwise. Checkers have no names, so the first is compared with the first.
fn checker_changes(old: &RealServer, new: &RealServer) -> Vec<KeywordChange> {
    let checkers =
        |server: &RealServer| server.checkers.iter().map(checkers::show::in_lines).collect::<Vec<_>>();
    let (before, after) = (checkers(old), checkers(new));
    let mut changes = Vec::new();
    for place in 0..before.len().max(after.len()) {
        match (before.get(place), after.get(place)) {
            (Some((kind, old)), Some((other, new))) if kind == other => {
                changes.extend(list_changes(*kind, Reload::Difference, old, new));
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
        if is_secret(&keyword.entry) {
            changes.push(KeywordChange {
                active,
                ..secret(name, !before.is_empty(), !after.is_empty(), effect)
            });
            continue;
        }
        if keyword.entry.argument.is_list() {
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

/// Whether what is written behind the keyword must not be shown.
fn is_secret(entry: &Entry) -> bool {
    entry.marks.iter().any(|mark| matches!(mark, Mark::Secret(_) | Mark::SecretOrFile(_)))
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
    } else if kind != kinds::GLOBAL_DEFS
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
    let outside = find(OUTERMOST, kind).map(|entry| entry.support);
    let inside = || VIRTUAL_SERVER.find(kind).map(|(_, keyword)| keyword.entry.support);
    outside.or_else(inside).is_none_or(|support| support == Support::Active)
}
