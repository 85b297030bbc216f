//! Events in the words of an operator. The log line, `steadfast events` and the cause column of
//! `steadfast status` all come from here.

mod balancing;
pub mod duration;
mod fault;
mod happening;
mod network;
mod processes;
mod reload;
pub mod session;

use std::fmt::Write as _;

use steadfast_vrrp::{Cause, Difference, Prepared, Served, State};

pub use self::balancing::balancing;
use self::duration::exact_milliseconds;
pub use self::fault::{fault, fault_over};
pub use self::happening::happening;
pub use self::network::{network, no_socket, send_refused};
pub use self::processes::{clash, ending, family, neighbour, worker_title};
pub use self::reload::{changes, refusal};
use crate::status::Problem;

/// keepalived's name of a state, as scripts and logs carry it.
pub fn state(state: State) -> &'static str {
    match state {
        State::Init => "INIT",
        State::Backup => "BACKUP",
        State::Master => "MASTER",
        State::Fault => "FAULT",
        State::Stop => "STOP",
    }
}

/// The chain from the oldest cause to the newest, joined by arrows.
pub fn chain(causes: &[Cause]) -> String {
    links(causes).join(" → ")
}

/// The links of the chain, each as it reads behind the one before it.
pub fn links(causes: &[Cause]) -> Vec<String> {
    let mut before = None;
    let link = |cause| {
        let mut text = String::new();
        link(&mut text, before.replace(cause), cause);
        text
    };
    causes.iter().map(link).collect()
}

fn link(text: &mut String, before: Option<&Cause>, cause: &Cause) {
    // Writing to a String cannot fail.
    let _ = match cause {
        Cause::Start => write!(text, "started"),
        // Silence is what there was beside the adverts that were dropped.
        Cause::MasterSilent { waited_ms, .. } if matches!(before, Some(Cause::Dropped { .. })) => {
            write!(text, "took no advert for {}", exact_milliseconds(*waited_ms))
        }
        Cause::Dropped { peer, reason, adverts, span_ms } => {
            let noun = if *adverts == 1 { "advert" } else { "adverts" };
            write!(text, "dropped {adverts} {noun} of {peer} in {} ({reason})", exact_milliseconds(*span_ms))
        }
        Cause::MasterSilent { master: Some(master), waited_ms } => {
            write!(text, "heard nothing from {master} for {}", exact_milliseconds(*waited_ms))
        }
        Cause::MasterSilent { master: None, waited_ms } => {
            write!(text, "heard no master for {}", exact_milliseconds(*waited_ms))
        }
        Cause::MasterDead { master, silent_us } => {
            let silent = exact_milliseconds(silent_us / 1_000);
            write!(text, "master {master} is dead: BFD silent for {silent}")
        }
        Cause::HeldUp { silent_ms } => {
            let span = duration::milliseconds(*silent_ms);
            write!(text, "was held up: no advert sent for {span}, another may have taken over")
        }
        Cause::MasterReleased { master } => write!(text, "{master} released"),
        Cause::Preempt { master, priority } => write!(text, "preempted {master} (priority {priority})"),
        Cause::HigherPriority { master, priority } => write!(text, "heard {priority} from {master}"),
        Cause::HigherAddress { master } => write!(text, "heard equal priority from higher address {master}"),
        Cause::Owner => write!(text, "owner of the addresses"),
        Cause::Interface { name, up: true } => write!(text, "interface {name} came up"),
        Cause::Interface { name, up: false } => write!(text, "interface {name} is down or missing"),
        Cause::Source { address: Some(address), present: true } => {
            write!(text, "source address {address} came back")
        }
        Cause::Source { address: Some(address), present: false } => {
            write!(text, "source address {address} is not on this host")
        }
        Cause::Source { address: None, present: true } => write!(text, "source address came back"),
        Cause::Source { address: None, present: false } => write!(text, "no usable source address"),
        Cause::Socket { obstacle: Some(reason) } => write!(text, "no socket for adverts ({reason})"),
        Cause::Socket { obstacle: None } => write!(text, "sockets for adverts opened"),
        Cause::Standing { missing: Some(what) } => {
            write!(text, "what its track_group follows is missing ({what})")
        }
        Cause::Standing { missing: None } => write!(text, "what its track_group follows is there again"),
        Cause::Sending { obstacle: Some(reason) } => write!(text, "adverts cannot be sent ({reason})"),
        Cause::Sending { obstacle: None } => write!(text, "adverts can be sent again"),
        Cause::Script { name, good: true, times } => {
            write!(text, "script {name} succeeded {}", count(*times))
        }
        Cause::Script { name, good: false, times } => write!(text, "script {name} failed {}", count(*times)),
        Cause::File { name, value } => write!(text, "file {name} holds {value}"),
        Cause::Process { name, good: true } => write!(text, "processes {name} are as many as they should be"),
        Cause::Process { name, good: false } => write!(text, "processes {name} are too few or too many"),
        Cause::Session { name, up: true } => write!(text, "BFD session {name} came up"),
        Cause::Session { name, up: false } => write!(text, "BFD session {name} is down"),
        Cause::Priority { from, to } => write!(text, "priority {from} to {to}"),
        Cause::Group { group, member } => write!(text, "group {group} follows {member}"),
        Cause::AddressRemoved { address } => write!(text, "somebody removed {address}"),
        Cause::ServedElsewhere { served } => write!(text, "{}", self::served(*served)),
        Cause::Preparing => write!(text, "waits for notify_master_prepare"),
        Cause::Prepared { outcome, after_ms } => {
            let how = match outcome {
                Prepared::Done => "ended",
                Prepared::Failed => "failed",
                Prepared::TimedOut => "did not end",
            };
            write!(text, "notify_master_prepare {how} within {}", exact_milliseconds(*after_ms))
        }
        Cause::PrepareAgain => write!(text, "prepares again"),
        Cause::Broken { reason } => write!(text, "configuration cannot work: {reason}"),
        Cause::Reload => write!(text, "reload"),
        Cause::Stop => write!(text, "stopping"),
    };
}

/// What to look at where a router should have peers and heard none.
pub const NOBODY_HEARD: &str = "No other router was heard. If there is one: does a firewall drop protocol 112, or the switch its multicast?";

/// What shows, by other ways than adverts, that a router should not serve.
pub fn served(served: Served) -> String {
    match served {
        Served::Link { address, hardware } => {
            let hardware = hardware.map(|octet| format!("{octet:02x}")).join(":");
            format!(
                "another router serves, though its adverts are not heard: {hardware} answers for {address}"
            )
        }
        Served::Service { address, port } => format!(
            "another router serves, though its adverts are not heard: {address} takes connections on port {port}"
        ),
        Served::NoArbiter { arbiter } => {
            format!("this router is cut off: the arbiter {arbiter} does not answer")
        }
    }
}

/// What is to be mended between the routers.
pub fn problem(problem: &Problem) -> String {
    let with = |priority: &Option<u8>| {
        priority.map_or_else(String::new, |priority| format!(" (priority {priority})"))
    };
    let within = |adverts: u64, milliseconds: u64| {
        let noun = if adverts == 1 { "advert" } else { "adverts" };
        format!("{adverts} {noun} in {}", duration::milliseconds(milliseconds))
    };
    match problem {
        Problem::TwoMasters { other, priority, dropped: Some(reason), adverts, milliseconds } => format!(
            "two masters: {other}{} claims the addresses too; dropped {}: {reason}",
            with(priority),
            within(*adverts, *milliseconds)
        ),
        Problem::TwoMasters { other, priority, dropped: None, adverts, milliseconds } => format!(
            "two masters: {other}{} claims the addresses too; heard {}: it does not hear us, or does not give way",
            with(priority),
            within(*adverts, *milliseconds)
        ),
        Problem::ServedElsewhere { served, milliseconds } => {
            format!("{}, for {}", self::served(*served), duration::milliseconds(*milliseconds))
        }
        Problem::Dropping { peer, priority, reason, adverts, milliseconds } => {
            format!(
                "{peer}{} is not believed; dropped {}: {reason}",
                with(priority),
                within(*adverts, *milliseconds)
            )
        }
    }
}

/// In what routers of one virtual router are not configured alike.
pub fn difference(difference: &Difference) -> String {
    match difference {
        Difference::AddressList { expected, found } => format!(
            "address list: expected our {expected} addresses, found {found} that are not the same: set the same \
             virtual_ipaddress on all routers"
        ),
        Difference::Interval { expected, found } => format!(
            "advert interval: expected {}, found {}; a backup follows its master",
            duration::exact(*expected),
            duration::exact(*found)
        ),
        Difference::TwoOwners => {
            "priority 255 from another router: only one may own the addresses".to_owned()
        }
        Difference::OwnAddress => {
            "an advert of equal priority from our own address: two routers use it as source".to_owned()
        }
        Difference::FirstAddress { found } => format!(
            "address list: expected a link-local address first, found {found}: other routers may drop such adverts"
        ),
        Difference::EarlyChecksum => {
            "the checksum of keepalived's early versions, over the multicast group; our adverts have it from here on"
                .to_owned()
        }
    }
}

fn count(times: u32) -> String {
    if times == 1 { "once".to_owned() } else { format!("{times} times") }
}

#[cfg(test)]
mod tests;
