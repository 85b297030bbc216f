//! Why a received control packet is not believed.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::fields::{Discriminator, State};

/// Why a control packet was dropped, in a sentence for the operator, in the order of RFC 5880 section
/// 6.8.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reject {
    /// Another protocol version.
    #[error("version: expected 1, found {found}")]
    Version {
        /// As received.
        found: u8,
    },
    /// The datagram ends too early.
    #[error("datagram length: expected at least {expected} octets, found {found}")]
    TooShort {
        /// By the packet's own account.
        expected: usize,
        /// As received.
        found: usize,
    },
    /// The packet calls itself shorter than it can be.
    #[error("length field: expected at least {expected}, found {found}")]
    Length {
        /// Shortest packet of its kind.
        expected: usize,
        /// As received.
        found: usize,
    },
    /// A detection multiplier of zero would end every session at once.
    #[error("detection multiplier: expected 1 to 255, found 0")]
    MultiplierZero,
    /// Reserved for extensions that nobody here speaks.
    #[error("the multipoint bit is set: sessions with several ends are not supported")]
    Multipoint,
    /// The sender does not say who it is.
    #[error("my discriminator: expected the sender's number, found 0")]
    DiscriminatorZero,
    /// Whoever is past Down knows whom it talks to.
    #[error("your discriminator: expected the number of our session in state {state}, found 0")]
    YourDiscriminatorZero {
        /// State in the packet.
        state: State,
    },
    /// A question and an answer at once.
    #[error("poll and final: expected at most one of them")]
    PollAndFinal,
    /// The number names no session of ours, or one of the other port.
    #[error("your discriminator: no session here has the number {found}")]
    UnknownDiscriminator {
        /// As received.
        found: Discriminator,
    },
    /// Nobody talks with this address.
    #[error("source: no session here is with this address")]
    UnknownPeer,
    /// It passed more routers than allowed, or was forged from afar (RFC 5881 section 5).
    #[error("TTL or hop limit: expected at least {expected}, found {found}: the sender is too far away")]
    HopLimit {
        /// Smallest acceptable.
        expected: u8,
        /// As received.
        found: u8,
    },
    /// The peer signs its packets.
    #[error("authentication: expected none, found a signed packet: set the same authentication on both ends")]
    NotAuthenticatedHere,
    /// The peer signs nothing.
    #[error("authentication: expected a signed packet, found none: set the same authentication on both ends")]
    NotAuthenticated,
    /// The peer signs otherwise.
    #[error("authentication type: expected {expected}, found {found}: set the same on both ends")]
    AuthenticationType {
        /// Ours.
        expected: u8,
        /// As received.
        found: u8,
    },
    /// The peer uses another key.
    #[error("authentication key: expected key {expected}, found key {found}: set the same on both ends")]
    KeyId {
        /// Ours.
        expected: u8,
        /// As received.
        found: u8,
    },
    /// The section cannot be of its kind.
    #[error("authentication section: expected {expected} octets, found {found}")]
    SectionLength {
        /// By its type.
        expected: usize,
        /// As received.
        found: usize,
    },
    /// A wrong secret. It is not shown.
    #[error("authentication: the secret differs from ours: set the same secret on both ends")]
    Authentication,
    /// An old packet once more, or somebody's copy of it.
    #[error(
        "authentication: sequence number {found} does not follow {last}: an old packet, or a repeated one"
    )]
    Sequence {
        /// Of the last packet that was taken.
        last: u32,
        /// As received.
        found: u32,
    },
    /// Our end is held down on purpose.
    #[error("the session is administratively down here")]
    AdminDown,
}

impl Reject {
    /// The counter that this belongs to.
    pub const fn counter(&self) -> Counter {
        match self {
            Self::Version { .. } => Counter::Version,
            Self::TooShort { .. } | Self::Length { .. } => Counter::Length,
            Self::MultiplierZero | Self::Multipoint | Self::PollAndFinal => Counter::Malformed,
            Self::DiscriminatorZero
            | Self::YourDiscriminatorZero { .. }
            | Self::UnknownDiscriminator { .. } => Counter::Discriminator,
            Self::UnknownPeer => Counter::UnknownPeer,
            Self::HopLimit { .. } => Counter::HopLimit,
            Self::NotAuthenticatedHere
            | Self::NotAuthenticated
            | Self::AuthenticationType { .. }
            | Self::KeyId { .. }
            | Self::SectionLength { .. }
            | Self::Authentication => Counter::Authentication,
            Self::Sequence { .. } => Counter::Sequence,
            Self::AdminDown => Counter::AdminDown,
        }
    }
}

/// What dropped control packets are counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counter {
    /// Version.
    Version,
    /// Wrong length.
    Length,
    /// Impossible flags or multiplier.
    Malformed,
    /// Discriminators that are zero or unknown.
    Discriminator,
    /// A sender that nobody talks with.
    UnknownPeer,
    /// TTL or hop limit.
    HopLimit,
    /// Wrongly signed.
    Authentication,
    /// Repeated, or too old.
    Sequence,
    /// For a session that is held down.
    AdminDown,
}

impl Counter {
    /// All of them, in the order of the declaration.
    pub const ALL: [Self; 9] = [
        Self::Version,
        Self::Length,
        Self::Malformed,
        Self::Discriminator,
        Self::UnknownPeer,
        Self::HopLimit,
        Self::Authentication,
        Self::Sequence,
        Self::AdminDown,
    ];

    /// As in the status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Length => "length",
            Self::Malformed => "malformed",
            Self::Discriminator => "discriminator",
            Self::UnknownPeer => "unknown_peer",
            Self::HopLimit => "hop_limit",
            Self::Authentication => "authentication",
            Self::Sequence => "sequence",
            Self::AdminDown => "admin_down",
        }
    }
}
