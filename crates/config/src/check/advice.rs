//! Advice beyond keepalived: what is valid but seldom meant.

use std::collections::BTreeMap;
use std::net::IpAddr;

use steadfast_wire::vrrp::{Family, Priority};

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::lower::Context;
use crate::model::{AuthType, Model, Tracked, VrrpInstance};
use crate::span::Span;
use crate::value::Name;

/// Everything that is worth a warning though keepalived says nothing.
pub(crate) fn advise(model: &Model, context: &mut Context<'_>) {
    for instance in &model.instances {
        mixed_families(instance, context);
        weights(instance, context);
        clear_password(instance, context);
    }
    shared_addresses(model, context);
    for script in &model.scripts {
        if script.timeout > script.interval {
            let message = format!(
                "vrrp_script '{}': timeout {} is above interval {}",
                script.name, script.timeout, script.interval
            );
            context.push(Diagnostic::new(Code::TimeoutAboveInterval, script.site.0, message));
        }
    }
}

fn mixed_families(instance: &VrrpInstance, context: &mut Context<'_>) {
    let other = instance.excluded_addresses.iter().find(|entry| Family::of(entry.address) != instance.family);
    if let Some(entry) = other {
        let message =
            format!("({}) {} is of another family than what is advertised", instance.name, entry.address);
        context.push(
            Diagnostic::new(Code::MixedFamilies, entry.site.0, message)
                .note("peers of that family cannot tell who is master"),
        );
    }
}

fn weights(instance: &VrrpInstance, context: &mut Context<'_>) {
    let tracks = &instance.tracks;
    let lists = [&tracks.interfaces, &tracks.scripts, &tracks.files, &tracks.processes, &tracks.bfds];
    // The effective priority stays between 1 and 254.
    let why = |weight: i16| match (instance.priority, weight) {
        (_, 0) => None,
        (Priority::OWNER, _) => Some("priority 255 is not changed by weights"),
        (Priority::HIGHEST_BACKUP, 1..) => Some("priority 254 cannot rise"),
        (Priority::LOWEST, ..0) => Some("priority 1 cannot fall"),
        _ => None,
    };
    for tracked in lists.into_iter().flatten() {
        let Tracked { name, weight, .. } = tracked;
        let Some(why) = why(weight.value) else { continue };
        let message = format!("({}) the weight of '{name}' changes nothing: {why}", instance.name);
        context.push(Diagnostic::new(Code::WeightWithoutEffect, tracked.site.0, message));
    }
}

fn clear_password(instance: &VrrpInstance, context: &mut Context<'_>) {
    if let Some(authentication) = &instance.authentication
        && authentication.kind == AuthType::Password
    {
        let message = format!("({}) the password travels readable in every advert", instance.name);
        context.push(Diagnostic::new(Code::ClearTextPassword, instance.site.0, message));
    }
}

fn shared_addresses(model: &Model, context: &mut Context<'_>) {
    let mut owners: BTreeMap<IpAddr, (&Name, Span)> = BTreeMap::new();
    for instance in &model.instances {
        for entry in instance.addresses.iter().chain(&instance.excluded_addresses) {
            match owners.get(&entry.address) {
                Some((other, place)) if *other != &instance.name => {
                    let message =
                        format!("({}) {} belongs to instance '{other}' too", instance.name, entry.address);
                    context.push(
                        Diagnostic::new(Code::AddressInTwoInstances, entry.site.0, message)
                            .label(*place, "first here"),
                    );
                }
                Some(_) => {}
                None => {
                    owners.insert(entry.address, (&instance.name, entry.site.0));
                }
            }
        }
    }
}
