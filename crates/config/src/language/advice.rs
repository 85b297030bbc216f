//! Advice beyond keepalived: what is valid but seldom meant.

use std::collections::BTreeMap;
use std::net::IpAddr;

use steadfast_wire::vrrp::{Family, Priority};

use super::Drafts;
use super::instance::keywords::INSTANCE;
use super::trackers::keywords::SCRIPT;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::diagnostic::span::Span;
use crate::model::{BfdInstance, Model, Tracked, Transport, VirtualServer, VrrpInstance};
use crate::table::Context;
use crate::value::Name;

/// Everything that is worth a warning though keepalived says nothing.
pub(crate) fn advise(model: &Model, context: &mut Context<'_>) {
    for instance in &model.instances {
        mixed_families(instance, context);
    }
    shared_addresses(model, context);
    staying_flows(model, context);
    staying_echoes(model, context);
    super::servers::shared::advise(model, context);
}

/// One sentence for all services: the setting is one, too.
fn staying_flows(model: &Model, context: &mut Context<'_>) {
    let mut services = model.virtual_servers.iter();
    let stays = |service: &&VirtualServer| service.protocol == Some(Transport::Udp) && !service.one_packet;
    let Some(service) = services.find(stays).filter(|_| !model.global.lvs_expire_nodest_conn) else { return };
    let message = "clients of UDP that go on sending stay with a server that is gone";
    context.push(
        Diagnostic::new(Code::FlowsStay, service.site.0, message)
            .hint("lvs_expire_nodest_conn in global_defs lets such flows go to another server"),
    );
}

/// One sentence for all sessions of a family.
fn staying_echoes(model: &Model, context: &mut Context<'_>) {
    for (family, setting) in
        [(Family::V4, "net.ipv4.ip_forward"), (Family::V6, "net.ipv6.conf.all.forwarding")]
    {
        let invites = |bfd: &&BfdInstance| bfd.echo_rx.is_some() && Family::of(bfd.neighbor) == family;
        let Some(bfd) = model.bfd_instances.iter().find(invites) else { continue };
        if context.machine.forwards(family) == Some(false) {
            let message = format!("bfd_instance '{}': echo packets do not return from here", bfd.name);
            let diagnostic = Diagnostic::new(Code::EchoesStay, bfd.site.0, message);
            context.push(
                diagnostic
                    .note("no interface of this machine forwards packets of that family")
                    .hint(format!("sysctl {setting}=1")),
            );
        }
    }
}

/// The same for what only the drafts can place.
pub(crate) fn advise_on_drafts(drafts: &Drafts, context: &mut Context<'_>) {
    for draft in &drafts.instances {
        weights(&draft.draft.value, draft.draft.places.get(INSTANCE, "priority"), context);
    }
    for draft in &drafts.scripts {
        let script = &draft.value;
        if script.timeout <= script.interval {
            continue;
        }
        let message = format!(
            "vrrp_script '{}': timeout {} is above interval {}",
            script.name, script.timeout, script.interval
        );
        let written = |keyword| draft.places.get(SCRIPT, keyword);
        let (timeout, interval) = (written("timeout"), written("interval"));
        let span = timeout.or(interval).unwrap_or(draft.span);
        let diagnostic = Diagnostic::new(Code::TimeoutAboveInterval, span, message);
        context.push(match interval.filter(|interval| *interval != span) {
            Some(interval) => diagnostic.label(interval, "the interval"),
            None => diagnostic,
        });
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

fn weights(instance: &VrrpInstance, priority: Option<Span>, context: &mut Context<'_>) {
    let tracks = &instance.tracks;
    let lists = [&tracks.interfaces, &tracks.scripts, &tracks.files, &tracks.processes, &tracks.bfds];
    let all = || lists.into_iter().flatten().filter(|tracked| tracked.weight.value != 0);
    // A file's weight is a factor of what the file holds, which may be of either sign.
    let by_file = tracks.files.iter().any(|tracked| tracked.weight.value != 0);
    let (falls, rises) =
        (by_file || all().any(|t| t.weight.value < 0), by_file || all().any(|t| t.weight.value > 0));
    // The effective priority stays between 1 and 254; the sum of the weights is what counts.
    let why = |weight: i16| match (instance.priority, weight) {
        (Priority::OWNER, _) => Some("priority 255 is not changed by weights"),
        (Priority::HIGHEST_BACKUP, 1..) if !falls => Some("priority 254 cannot rise"),
        (Priority::LOWEST, ..0) if !rises => Some("priority 1 cannot fall"),
        _ => None,
    };
    for tracked in all() {
        let Tracked { name, weight, .. } = tracked;
        let Some(why) = why(weight.value) else { continue };
        let message = format!("({}) the weight of '{name}' changes nothing: {why}", instance.name);
        let diagnostic = Diagnostic::new(Code::WeightWithoutEffect, tracked.site.0, message);
        context.push(match priority {
            Some(priority) => diagnostic.label(priority, "the priority"),
            None => diagnostic,
        });
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V6(address) => address.is_unicast_link_local(),
        IpAddr::V4(address) => address.is_link_local(),
    }
}

fn shared_addresses(model: &Model, context: &mut Context<'_>) {
    let mut owners: BTreeMap<(IpAddr, Option<&Name>), (&Name, Span)> = BTreeMap::new();
    for instance in &model.instances {
        for entry in instance.addresses.iter().chain(&instance.excluded_addresses) {
            // A link-local address means another one on each link (RFC 4291 section 2.5.6).
            let link = entry.interface.as_ref().filter(|_| is_link_local(entry.address));
            let key = (entry.address, link);
            match owners.get(&key) {
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
                    owners.insert(key, (&instance.name, entry.site.0));
                }
            }
        }
    }
}
