//! What happens to BFD sessions.

use std::net::IpAddr;

use steadfast_bfd::{Cause, Diagnostic, State};

use super::duration::microseconds;

/// A change of state.
pub fn state(session: &str, peer: IpAddr, to: State, diagnostic: Diagnostic, why: &Cause) -> String {
    let told = match diagnostic {
        Diagnostic::NONE => String::new(),
        diagnostic => format!(" ({diagnostic})"),
    };
    format!("BFD_Instance({session}) Entering {to} state{told} with {peer}: {}", cause(why))
}

/// Other intervals.
pub fn intervals(session: &str, peer: IpAddr, (transmit, receive, detection): (u64, u64, u64)) -> String {
    let sending = match transmit {
        0 => "sends nothing".to_owned(),
        every => format!("sends every {}", microseconds(every)),
    };
    let (receive, detection) = (microseconds(receive), microseconds(detection));
    format!("BFD_Instance({session}) {sending}, expects {peer} every {receive}, gives up after {detection}")
}

/// Whether echo packets come back.
pub fn echo(session: &str, peer: IpAddr, returned: bool, (interval, detection): (u64, u64)) -> String {
    let (interval, detection) = (microseconds(interval), microseconds(detection));
    if returned {
        format!(
            "BFD_Instance({session}) {peer} returns echo packets, one every {interval}, gives up after {detection}"
        )
    } else {
        format!(
            "BFD_Instance({session}) {peer} returns no echo packets (does it forward IP?): only control packets find \
             losses"
        )
    }
}

/// Why.
pub fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Peer { state, diagnostic: Diagnostic::NONE } => format!("the peer says {state}"),
        Cause::Peer { state, diagnostic } => format!("the peer says {state}, {diagnostic}"),
        Cause::Silent { silent_us, multiplier, interval_us } => format!(
            "nothing heard for {}, {multiplier} packets at {} may be lost",
            microseconds(*silent_us),
            microseconds(*interval_us)
        ),
        Cause::Echo { silent_us, lost, interval_us } => format!(
            "no echo packet came back for {}, {lost} at {} are lost",
            microseconds(*silent_us),
            microseconds(*interval_us)
        ),
        Cause::EchoOver => "no echo packets are lost any more".to_owned(),
        Cause::Socket { obstacle: Some(obstacle) } => obstacle.to_string(),
        Cause::Socket { obstacle: None } => "its socket is open".to_owned(),
        Cause::Reload => "a reload ended it".to_owned(),
        Cause::Stop => "the daemon stops".to_owned(),
    }
}
