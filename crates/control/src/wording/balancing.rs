//! What is told of services and servers, in sentences.

use crate::event::{Balancing, Override, Why};

/// Addresses of a name that its line has.
const ADDRESSES_SHOWN: usize = 8;

/// The sentence.
pub fn balancing(told: &Balancing) -> String {
    match told {
        Balancing::Check { check, server, service, up: true, .. } => {
            format!("{check} succeeds for server {server} of {service}")
        }
        Balancing::Check { check, server, service, reason, .. } => {
            let reason = reason.as_deref().unwrap_or("no reason is known");
            format!("{check} fails for server {server} of {service}: {reason}")
        }
        Balancing::Failure { check, reason, attempt, retries } if attempt <= retries => {
            format!("{check} failed ({attempt} of {retries} that do not count): {reason}")
        }
        Balancing::Failure { check, reason, .. } => format!("{check} still fails: {reason}"),
        Balancing::Trouble { check, reason } => {
            format!("{check} could not be made, its last result stands: {reason}")
        }
        Balancing::Server { server, service, up: true, why } => {
            format!("Adding server {server} to {service}: {}", reason(why))
        }
        Balancing::Server { server, service, up: false, why } => {
            format!("Removing server {server} from {service}: {}", reason(why))
        }
        Balancing::Weight { server, service, from, to, why } => {
            format!("Changing weight of server {server} of {service} from {from} to {to}: {}", reason(why))
        }
        Balancing::Quorum { service, up, starting, quorum, hysteresis, sum, why } => {
            let arithmetic = arithmetic(*up, u64::from(*quorum), u64::from(*hysteresis), *sum);
            format!("{} {arithmetic} for {service}: {}", opening(*starting, *up), reason(why))
        }
        Balancing::Suspended { service, suspended: true } => {
            format!("{service}: its address is not here, its checks rest")
        }
        Balancing::Suspended { service, suspended: false } => {
            format!("{service}: its address is here, its checks run")
        }
        Balancing::NoTable { reason } | Balancing::NoCheck { reason } | Balancing::Setting { reason } => {
            reason.clone()
        }
        Balancing::Table => "the table of IPVS can be used after all: virtual servers are set up".to_owned(),
        Balancing::Refused { change, reason } => {
            format!("cannot {change}: {reason}; it is tried again")
        }
        Balancing::Changed { change } => change.clone(),
        Balancing::Resolved { name, addresses } => {
            let shown: Vec<String> =
                addresses.iter().take(ADDRESSES_SHOWN).map(ToString::to_string).collect();
            let more = match addresses.len().saturating_sub(ADDRESSES_SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("real_server {name} stands for {}{more}", shown.join(", "))
        }
        Balancing::Overridden { server, service, by } => {
            let how = match by {
                Override::None => "given back to its checks and its configuration".to_owned(),
                Override::Drain => "drained: it gets no new connections".to_owned(),
                Override::Disable => "taken out".to_owned(),
                Override::Weight(weight) => format!("given weight {weight}"),
            };
            format!("server {server} of {service} was {how}, by an operator")
        }
    }
}

/// keepalived's openings.
const fn opening(starting: bool, up: bool) -> &'static str {
    match (starting, up) {
        (true, true) => "Starting with quorum up",
        (true, false) => "Starting with quorum down",
        (false, true) => "Gained quorum",
        (false, false) => "Lost quorum",
    }
}

fn arithmetic(up: bool, quorum: u64, hysteresis: u64, sum: u64) -> String {
    if up {
        format!("{quorum}+{hysteresis}={} <= {sum}", quorum.saturating_add(hysteresis))
    } else {
        format!("{quorum}-{hysteresis}={} > {sum}", quorum.saturating_sub(hysteresis))
    }
}

fn reason(why: &Why) -> String {
    match why {
        Why::Start => "the service begins".to_owned(),
        Why::Check { check, reason: Some(reason) } => format!("{check} fails: {reason}"),
        Why::Check { check, reason: None } => format!("{check} succeeds"),
        Why::Contribution { check } => format!("{check} says so"),
        Why::Server { server } => format!("for server {server}"),
        Why::Operator => "by an operator".to_owned(),
        Why::Reload => "by a reload".to_owned(),
        Why::Stop => "the daemon stops".to_owned(),
    }
}
