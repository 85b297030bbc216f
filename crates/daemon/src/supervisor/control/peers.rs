//! The routers that were heard, for whoever asks.

use std::time::Duration;

use steadfast_control::status as report;
use steadfast_vrrp::Moment;
use steadfast_vrrp::peers::{AuthenticationKind, Drops, Peer, Problem, Said};
use steadfast_vrrp::status::InstanceStatus;

/// The routers heard for an instance.
pub(super) fn peers(status: &InstanceStatus, now: Moment) -> Vec<report::Peer> {
    status.peers.iter().map(|told| peer(told, now)).collect()
}

/// What is to be mended between the routers.
pub(super) fn problems(status: &InstanceStatus, now: Moment) -> Vec<report::Problem> {
    let found = status.found_elsewhere.map(|found| report::Problem::ServedElsewhere {
        served: found.served,
        milliseconds: milliseconds(now.since(found.since)),
    });
    found.into_iter().chain(status.problems(now).into_iter().map(|told| problem(told, now))).collect()
}

fn peer(peer: &Peer, now: Moment) -> report::Peer {
    report::Peer {
        address: peer.address,
        said: peer.said.as_ref().map(said),
        accepted: peer.accepted,
        heard_milliseconds_ago: milliseconds(now.since(peer.last_heard)),
        accepted_milliseconds_ago: peer.last_accepted.map(|at| milliseconds(now.since(at))),
        dropped: peer.refused.map(|refused| refused.reason.to_string()),
        drops: peer.drops.iter().map(|told| drops(told, now)).collect(),
    }
}

fn said(said: &Said) -> report::Said {
    report::Said {
        version: said.version.number(),
        priority: said.priority.get(),
        interval_milliseconds: milliseconds(said.interval.duration()),
        authentication: match said.authentication {
            AuthenticationKind::None => "none".to_owned(),
            AuthenticationKind::Password => "password".to_owned(),
            AuthenticationKind::Header => "authentication header".to_owned(),
            AuthenticationKind::Trailer => "HMAC".to_owned(),
        },
        addresses: said.addresses,
        addresses_match: said.addresses_match,
    }
}

fn drops(drops: &Drops, now: Moment) -> report::Drops {
    report::Drops {
        reason: drops.reason.to_string(),
        count: drops.count,
        milliseconds_ago: milliseconds(now.since(drops.last)),
    }
}

fn problem(problem: Problem, now: Moment) -> report::Problem {
    match problem {
        Problem::TwoMasters { other, priority, dropped, adverts, since, .. } => report::Problem::TwoMasters {
            other,
            priority: priority.map(|priority| priority.get()),
            dropped: dropped.map(|reason| reason.to_string()),
            adverts,
            milliseconds: milliseconds(now.since(since)),
        },
        Problem::Dropping { peer, priority, reason, adverts, since, .. } => report::Problem::Dropping {
            peer,
            priority: priority.map(|priority| priority.get()),
            reason: reason.to_string(),
            adverts,
            milliseconds: milliseconds(now.since(since)),
        },
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
