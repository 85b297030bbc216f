//! `keepalived.stats`.

use std::fmt::Write as _;

use steadfast_control::status::{Instance, Status};

/// All instances.
pub(super) fn text(status: &Status) -> String {
    let mut text = String::new();
    for instance in &status.instances {
        let of = |name: &str| counter(instance, name);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "VRRP Instance: {}\n  Advertisements:\n    Received: {}\n    Sent: {}\n  Became master: {}\n  \
             Released master: {}\n  Packet Errors:\n    Length: {}\n    TTL: {}\n    Invalid Type: {}\n    \
             Advertisement Interval: {}\n    Address List: {}\n  Authentication Errors:\n    Invalid Type: {}\n    \
             Type Mismatch: {}\n    Failure: {}\n  Priority Zero:\n    Received: {}\n    Sent: {}\n",
            instance.name,
            of("adverts_received"),
            of("adverts_sent"),
            of("became_master"),
            of("released_master"),
            of("length_errors"),
            of("ttl_errors"),
            of("type_errors"),
            of("interval_errors"),
            of("address_list_errors"),
            of("auth_type_invalid"),
            of("auth_type_mismatches"),
            of("auth_failures"),
            of("priority_zero_received"),
            of("priority_zero_sent"),
        );
    }
    text
}

fn counter(instance: &Instance, name: &str) -> u64 {
    instance.counters.get(name).copied().unwrap_or_default()
}
