//! What of a daemon's answer is wanted.

use std::net::IpAddr;

use steadfast_control::status::{Instance, Status, is_service_meant};

use crate::failure::Failure;

/// The status with these instances and virtual servers only, by name or address, in the order of the configuration; with
/// all if none is named.
pub(crate) fn only(mut status: Status, asked: &[String]) -> Result<Status, Failure> {
    if let Some(unknown) = asked.iter().find(|name| !has(&status, name)) {
        return Err(Failure::NoInstance { name: unknown.clone(), names: names(&status).collect() });
    }
    if !asked.is_empty() {
        keep(&mut status, asked);
    }
    Ok(status)
}

/// Whether a daemon has an instance or a virtual server of that name or address.
pub(crate) fn has(status: &Status, asked: &str) -> bool {
    status.instances.iter().any(|instance| is_meant(instance, asked))
        || status.services.iter().any(|service| is_service_meant(&service.name, asked))
}

/// Leaves out what is not asked for.
pub(crate) fn keep(status: &mut Status, asked: &[String]) {
    status.instances.retain(|instance| asked.iter().any(|name| is_meant(instance, name)));
    status.services.retain(|service| asked.iter().any(|name| is_service_meant(&service.name, name)));
}

/// What can be asked for.
pub(crate) fn names(status: &Status) -> impl Iterator<Item = String> {
    let instances = status.instances.iter().map(|instance| instance.name.to_string());
    instances.chain(status.services.iter().map(|service| service.name.to_string()))
}

/// By its name, or by one of its addresses, with or without the prefix.
fn is_meant(instance: &Instance, asked: &str) -> bool {
    let address = |text: &str| text.split('/').next().unwrap_or(text).parse::<IpAddr>().ok();
    *instance.name == *asked
        || address(asked)
            .is_some_and(|asked| instance.addresses.iter().any(|candidate| address(candidate) == Some(asked)))
}
