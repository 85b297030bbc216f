//! What two routers of one virtual router must agree in, and do not.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::where_is;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::diagnostic::span::Span;
use crate::load::Loaded;
use crate::model::{AuthType, VrrpInstance};

/// What is wrong between an instance and one that runs the same virtual router elsewhere.
pub(super) fn between(instance: &VrrpInstance, other: &Loaded, peer: &VrrpInstance) -> Vec<Diagnostic> {
    let told = |code, at: Span, message: String| {
        Diagnostic::new(code, at, format!("({}) {message}", instance.name))
            .note(format!("the other router stands at {}", where_is(other, peer.site.0)))
    };
    let own = instance.site.0;
    let mut found = Vec::new();
    if instance.version != peer.version {
        let (version, theirs) = (instance.version.number(), peer.version.number());
        let message = format!("it speaks version {version}, its peer ({}) version {theirs}", peer.name);
        found.push(told(Code::VersionsDiffer, own, message).hint("give both the same version"));
    }
    // A backup of version 3 adopts the interval of its master (RFC 9568 section 6.1); of version 2 it drops the advert.
    if instance.advert_interval != peer.advert_interval {
        let (interval, theirs) = (instance.advert_interval, peer.advert_interval);
        let message = format!("its advert_int is {interval} s, that of its peer ({}) {theirs} s", peer.name);
        found.push(told(Code::IntervalsDiffer, own, message).hint("give both the same advert_int"));
    }
    if let Some(message) = authentication(instance, peer) {
        found.push(told(Code::AuthenticationDiffers, own, message).hint("give both the same authentication"));
    }
    if let Some((message, at)) = addresses(instance, peer) {
        found.push(told(Code::AddressesDiffer, at, message).hint("give both the same virtual addresses"));
    }
    if let Some(message) = peers(instance, peer) {
        found.push(
            told(Code::PeersDiffer, own, message)
                .hint("each router names the source addresses of all others"),
        );
    }
    found
}

fn authentication(instance: &VrrpInstance, peer: &VrrpInstance) -> Option<String> {
    let kind = |instance: &VrrpInstance| match (&instance.authentication, &instance.auth_hmac) {
        (_, Some(_)) => "by HMAC",
        (Some(authentication), None) if authentication.kind == AuthType::Password => "by password",
        (Some(_), None) => "by AH",
        (None, None) => "not",
    };
    if kind(instance) != kind(peer) {
        return Some(format!("it authenticates {}, its peer ({}) {}", kind(instance), peer.name, kind(peer)));
    }
    let passwords = [instance, peer].map(|one| one.authentication.as_ref().map(|one| &one.password));
    (passwords[0] != passwords[1]).then(|| format!("its peer ({}) has another password", peer.name))
}

fn addresses(instance: &VrrpInstance, peer: &VrrpInstance) -> Option<(String, Span)> {
    let theirs: BTreeSet<IpAddr> = peer.addresses.iter().map(|entry| entry.address).collect();
    if let Some(entry) = instance.addresses.iter().find(|entry| !theirs.contains(&entry.address)) {
        let message = format!("its peer ({}) has not the virtual address {}", peer.name, entry.address);
        return Some((message, entry.site.0));
    }
    let own: BTreeSet<IpAddr> = instance.addresses.iter().map(|entry| entry.address).collect();
    let missing = theirs.difference(&own).next()?;
    Some((format!("it has not the virtual address {missing} of its peer ({})", peer.name), instance.site.0))
}

fn peers(instance: &VrrpInstance, peer: &VrrpInstance) -> Option<String> {
    let names =
        |one: &VrrpInstance, address: IpAddr| one.unicast_peers.iter().any(|peer| peer.address == address);
    match (instance.unicast_peers.is_empty(), peer.unicast_peers.is_empty()) {
        (true, true) => return None,
        (true, false) => {
            return Some(format!("it sends to a group, its peer ({}) to single routers", peer.name));
        }
        (false, true) => {
            return Some(format!("it sends to single routers, its peer ({}) to a group", peer.name));
        }
        (false, false) => {}
    }
    if let Some(source) = peer.source_address.filter(|source| !names(instance, *source)) {
        return Some(format!(
            "its unicast_peer does not name {source}, from where its peer ({}) sends",
            peer.name
        ));
    }
    let source = instance.source_address.filter(|source| !names(peer, *source))?;
    Some(format!("it sends from {source}, which its peer ({}) does not name", peer.name))
}
