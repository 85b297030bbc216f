//! Completion of sync groups.

use std::collections::BTreeMap;

use super::keywords::SYNC_GROUP;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::diagnostic::span::Span;
use crate::language::Drafts;
use crate::language::drafts::GroupDraft;
use crate::table::Context;
use crate::value::Name;

/// Defaults from the global settings, and the members' defaults from their group.
pub(crate) fn inherit(drafts: &mut Drafts) {
    let global = &drafts.global;
    let mut loud: Vec<Name> = Vec::new();
    for group in &mut drafts.groups {
        let draft = &mut group.draft;
        if !draft.seen.has_name(SYNC_GROUP, "smtp_alert") {
            draft.value.smtp_alert = global.mail.alert_vrrp.or(global.mail.alert).unwrap_or(false);
        }
        if !draft.seen.has_name(SYNC_GROUP, "notify_priority_changes") {
            draft.value.notify_priority_changes = global.notify_priority_changes;
        }
        if draft.value.notify_priority_changes {
            loud.extend(draft.value.members.iter().cloned());
        }
    }
    loud.sort_unstable();
    for instance in &mut drafts.instances {
        let value = &mut instance.draft.value;
        let written = instance
            .draft
            .seen
            .has_name(crate::language::instance::keywords::INSTANCE, "notify_priority_changes");
        if !written && loud.binary_search(&value.name).is_ok() {
            value.notify_priority_changes = true;
        }
    }
}

/// Members must exist and be in one group only.
pub(crate) fn complete(drafts: &mut Drafts, context: &mut Context<'_>) {
    let positions: BTreeMap<Name, usize> = drafts
        .instances
        .iter()
        .enumerate()
        .map(|(index, draft)| (Name::clone(&draft.draft.value.name), index))
        .collect();
    let mut taken: BTreeMap<Name, (Name, Span)> = BTreeMap::new();
    for group in &mut drafts.groups {
        members(group, &positions, &mut taken, context);
    }
    drafts.groups.retain(|group| {
        let value = &group.draft.value;
        if value.members.is_empty() {
            let message = format!("sync group '{}' has no members; it is dropped", value.name);
            context.push(Diagnostic::new(Code::EmptyGroup, members_line(group), message).of_block());
        }
        !value.members.is_empty()
    });
    for group in &drafts.groups {
        if group.draft.value.tracking_weight {
            continue;
        }
        for member in &group.draft.value.members {
            let Some(draft) = positions.get(member).and_then(|index| drafts.instances.get_mut(*index)) else {
                continue;
            };
            drop_weights(&mut draft.draft.value, &group.draft.value.name, context);
        }
    }
}

fn members(
    group: &mut GroupDraft,
    positions: &BTreeMap<Name, usize>,
    taken: &mut BTreeMap<Name, (Name, Span)>,
    context: &mut Context<'_>,
) {
    let group_name = Name::clone(&group.draft.value.name);
    let written = std::mem::take(&mut group.draft.value.members);
    let mut spans = group.member_spans.iter().copied();
    let mut kept: Vec<Name> = Vec::with_capacity(written.len());
    for member in written {
        let span = spans.next().unwrap_or(group.draft.span);
        if !positions.contains_key(&member) {
            let message = format!("({group_name}) there is no vrrp_instance '{member}'");
            context.push_suggesting(
                Diagnostic::new(Code::MemberUnknown, span, message),
                &member,
                positions.keys().map(|name| &**name),
            );
        } else if let Some((other, place)) = taken.get(&member) {
            let message = format!("({group_name}) '{member}' is in group '{other}' already");
            context.push(Diagnostic::new(Code::MemberTwice, span, message).label(*place, "first here"));
        } else {
            taken.insert(Name::clone(&member), (Name::clone(&group_name), span));
            kept.push(member);
        }
    }
    if kept.len() == 1 {
        let message = format!("sync group '{group_name}' has one member only, which changes nothing");
        context.push(Diagnostic::new(Code::GroupTooSmall, members_line(group), message));
    }
    group.draft.value.members = kept;
}

/// Where members are given, or where they are missing.
fn members_line(group: &GroupDraft) -> Span {
    group.draft.places.get(SYNC_GROUP, "group").unwrap_or(group.draft.span)
}

/// States of members are common, so an object either counts for all or not at all.
fn drop_weights(instance: &mut crate::model::VrrpInstance, group: &str, context: &mut Context<'_>) {
    let name = Name::clone(&instance.name);
    let mut report = |tracked: &crate::model::Tracked, what: &str| {
        let message =
            format!("({name}) is in sync group '{group}', so the weight of '{}' {what}", tracked.name);
        context.push(
            Diagnostic::new(Code::WeightInGroup, tracked.site.0, message)
                .hint("remove the weight, or allow it with sync_group_tracking_weight"),
        );
    };
    for tracked in &mut instance.tracks.interfaces {
        if tracked.weight.value != 0 {
            report(tracked, "is dropped");
            tracked.weight.value = 0;
        }
    }
    for list in [&mut instance.tracks.scripts, &mut instance.tracks.bfds] {
        list.retain(|tracked| {
            if tracked.weight.value != 0 {
                report(tracked, "drops its tracking");
            }
            tracked.weight.value == 0
        });
    }
    instance.tracks.files.retain_mut(|tracked| match tracked.weight.value {
        0 => true,
        1 => {
            tracked.weight.value = 0;
            true
        }
        _ => {
            report(tracked, "drops its tracking");
            false
        }
    });
}
