//! What an operator can do with the servers of virtual servers while the daemon runs.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_health::Override;

use crate::status::Server;

/// What to do with a server. It stands over reloads and over the death of the check worker, until it is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// No new connections; those that are go on.
    Drain,
    /// The end of that.
    Undrain,
    /// Out of the virtual server.
    Disable,
    /// The end of that.
    Enable,
    /// Another weight while it is up; none is the configured one again.
    Weight(Option<u32>),
}

/// What was done with one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operated {
    /// Of which virtual server.
    pub service: Arc<str>,
    /// The server as it is since.
    pub server: Server,
}

/// Servers as somebody typed them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// One.
    Exact(SocketAddr),
    /// Every port of an address.
    Address(IpAddr),
}

impl Operation {
    /// How a server is used that was used `before`.
    ///
    /// # Errors
    /// In words, to stand behind the name of the server: there is nothing to undo, or something else.
    pub fn onto(self, before: Override) -> Result<Override, String> {
        let undone = |fits: bool, verb: &str| {
            if fits { Ok(Override::None) } else { Err(format!("is {} and not {verb}", used(before))) }
        };
        match self {
            Self::Drain => Ok(Override::Drain),
            Self::Disable => Ok(Override::Disable),
            Self::Weight(Some(weight)) => Ok(Override::Weight(weight)),
            Self::Undrain => undone(before == Override::Drain, "drained"),
            Self::Enable => undone(before == Override::Disable, "disabled"),
            Self::Weight(None) => undone(matches!(before, Override::Weight(_)), "given a weight"),
        }
    }
}

/// How an operator uses a server, to stand behind "is".
pub fn used(by: Override) -> String {
    match by {
        Override::None => "as configured".to_owned(),
        Override::Drain => "drained".to_owned(),
        Override::Disable => "disabled".to_owned(),
        Override::Weight(weight) => format!("given weight {weight}"),
    }
}

impl Asked {
    /// Reads what was typed.
    ///
    /// # Errors
    /// What was expected.
    pub fn read(text: &str) -> Result<Self, String> {
        let exact = text.parse().map(Self::Exact);
        let address = || text.trim_start_matches('[').trim_end_matches(']').parse().map(Self::Address);
        exact
            .or_else(|_| address())
            .map_err(|_| format!("expected a server as ADDRESS:PORT or ADDRESS, found '{text}'"))
    }

    /// Whether a server is meant.
    pub fn means(self, server: SocketAddr) -> bool {
        match self {
            Self::Exact(asked) => asked == server,
            Self::Address(asked) => asked == server.ip(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_done_is_undone() {
        assert_eq!(Operation::Undrain.onto(Override::Drain), Ok(Override::None));
        assert_eq!(Operation::Drain.onto(Override::Disable), Ok(Override::Drain));
        assert_eq!(Operation::Weight(None).onto(Override::Weight(3)), Ok(Override::None));
        let refused = [
            (Operation::Undrain, Override::Disable, "is disabled and not drained"),
            (Operation::Enable, Override::None, "is as configured and not disabled"),
            (Operation::Weight(None), Override::Drain, "is drained and not given a weight"),
        ];
        for (operation, before, reason) in refused {
            assert_eq!(operation.onto(before), Err(reason.to_owned()));
        }
    }

    #[test]
    fn servers_are_asked_for_with_or_without_port() {
        let server = |text: &str| text.parse::<SocketAddr>().unwrap();
        let cases = [
            ("10.0.0.1:80", "10.0.0.1:80", true),
            ("10.0.0.1:80", "10.0.0.1:81", false),
            ("10.0.0.1", "10.0.0.1:81", true),
            ("[2001:db8::1]:80", "[2001:db8::1]:80", true),
            ("2001:db8::1", "[2001:db8::1]:80", true),
            ("[2001:db8::1]", "[2001:db8::2]:80", false),
        ];
        for (asked, of, meant) in cases {
            assert_eq!(Asked::read(asked).unwrap().means(server(of)), meant, "{asked} {of}");
        }
        assert!(Asked::read("web1").unwrap_err().ends_with("found 'web1'"));
    }
}
