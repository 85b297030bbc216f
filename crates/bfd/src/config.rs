//! What the machine is told to run, free of the configuration file's syntax.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_wire::bfd::{HOP_LIMIT, Key, Microseconds, PORT_MULTIHOP, PORT_SINGLE_HOP};

/// A session; keeps its meaning across reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u32);

/// An interface, numbered by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InterfaceId(pub u32);

/// How far the peer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hops {
    /// On this link (RFC 5881).
    Single,
    /// Behind routers (RFC 5883).
    Multi,
}

impl Hops {
    /// UDP port of the control packets.
    pub const fn port(self) -> u16 {
        match self {
            Self::Single => PORT_SINGLE_HOP,
            Self::Multi => PORT_MULTIHOP,
        }
    }
}

/// What a session watches: two sessions over one path are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Path {
    /// Where packets come in; `None` for anywhere.
    pub interface: Option<InterfaceId>,
    /// Own address; `None` for what the kernel chooses.
    pub local: Option<IpAddr>,
    /// The peer.
    pub remote: IpAddr,
    /// How far away.
    pub hops: Hops,
}

impl Path {
    /// A packet that names no session of ours may be of this one.
    pub(crate) fn carries(&self, interface: Option<InterfaceId>, destination: IpAddr) -> bool {
        let fits_interface = self.interface.is_none_or(|own| interface.is_none_or(|other| own == other));
        fits_interface && self.local.is_none_or(|own| own == destination)
    }
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionConfig {
    /// Stable across reloads.
    pub id: SessionId,
    /// As configured, for events.
    pub name: Arc<str>,
    /// Between whom.
    pub path: Path,
    /// How often to send while up, if the peer can take it.
    pub desired_min_tx: Microseconds,
    /// How often the peer may send.
    pub required_min_rx: Microseconds,
    /// How often to send while not up: a second at least (RFC 5880 section 6.8.3).
    pub idle_tx: Microseconds,
    /// How often to send echo packets while up, if the peer returns them; zero for never.
    pub echo_tx: Microseconds,
    /// How often the peer may send echo packets through this router; zero for never.
    pub echo_rx: Microseconds,
    /// Packets lost in a row that end the session.
    pub multiplier: NonZeroU8,
    /// Say nothing before the peer does (RFC 5880 section 6.1).
    pub passive: bool,
    /// TTL or hop limit of what is sent.
    pub hop_limit: u8,
    /// Smallest TTL or hop limit that is taken.
    pub min_hop_limit: u8,
    /// Signs packets, and is expected of the peer.
    pub key: Option<Key>,
    /// Why it cannot run as configured: it stays AdminDown.
    pub broken: Option<Arc<str>>,
}

impl SessionConfig {
    /// The floor while a session is not up (RFC 5880 section 6.8.3).
    pub const IDLE_TX_MIN: Duration = Duration::from_secs(1);

    /// A session over one hop at keepalived's intervals; what differs is written over it.
    pub fn plain(id: SessionId, remote: IpAddr) -> Self {
        Self {
            id,
            name: Arc::from(format!("bfd{}", id.0)),
            path: Path { interface: None, local: None, remote, hops: Hops::Single },
            desired_min_tx: Microseconds::new(10_000),
            required_min_rx: Microseconds::new(10_000),
            idle_tx: Microseconds::new(1_000_000),
            echo_tx: Microseconds::ZERO,
            echo_rx: Microseconds::ZERO,
            multiplier: const { NonZeroU8::new(5).unwrap() },
            passive: false,
            hop_limit: HOP_LIMIT,
            min_hop_limit: HOP_LIMIT,
            key: None,
            broken: None,
        }
    }

    /// It sends echo packets, or lets the peer send them.
    pub fn has_echoes(&self) -> bool {
        [self.echo_tx, self.echo_rx].iter().any(|interval| *interval != Microseconds::ZERO)
    }

    /// Interval to ask for while the session is not up.
    pub(crate) fn idle(&self) -> Microseconds {
        let floor = Microseconds::from_duration(Self::IDLE_TX_MIN);
        self.idle_tx.max(self.desired_min_tx).max(floor)
    }
}

/// Everything one worker runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Ordered by id.
    pub sessions: Vec<Arc<SessionConfig>>,
}
