//! Why a received advertisement is not believed.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::fields::{AdvertInterval, Version, Vrid};

/// Why an advertisement was dropped, in a sentence for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reject {
    /// Too short, or more behind it than padding can explain.
    #[error(
        "packet length: expected {expected} octets of VRRP by its own address count and version, found {found}"
    )]
    PacketLength {
        /// Octets by the packet's own count.
        expected: usize,
        /// Octets received after the IP header.
        found: usize,
    },
    /// A VRID of zero names no virtual router.
    #[error("virtual router id: expected 1 to 255, found 0")]
    VridZero,
    /// Another virtual router.
    #[error("virtual router id: expected {expected}, found {found}")]
    Vrid {
        /// Ours.
        expected: Vrid,
        /// As received.
        found: Vrid,
    },
    /// It passed a router, or was forged from afar (RFC 9568 section 7.1).
    #[error("TTL or hop limit: expected {expected}, found {found}: the sender is not on this link")]
    HopLimit {
        /// What the link guarantees.
        expected: u8,
        /// As received.
        found: u8,
    },
    /// A unicast peer is nearer or farther than configured.
    #[error("TTL or hop limit of the peer: expected {min} to {max}, found {found}")]
    PeerHopLimit {
        /// Smallest acceptable.
        min: u8,
        /// Largest acceptable.
        max: u8,
        /// As received.
        found: u8,
    },
    /// Another protocol version.
    #[error(
        "version: expected {}, found {found}: set the same vrrp_version on all routers",
        .expected.map_or("2 or 3", |version| match version { Version::V2 => "2", Version::V3 => "3" })
    )]
    Version {
        /// Ours; `None` if either would do.
        expected: Option<Version>,
        /// As received.
        found: u8,
    },
    /// An authentication type that does not exist.
    #[error("authentication type: expected 0 (none) or 1 (password), found {found}")]
    AuthType {
        /// As received.
        found: u8,
    },
    /// The other side authenticates differently.
    #[error("authentication type: expected {expected}, found {found}: set the same auth_type on all routers")]
    AuthMismatch {
        /// Ours.
        expected: u8,
        /// As received.
        found: u8,
    },
    /// A wrong password. It is not shown.
    #[error("authentication: the password differs from ours: set the same auth_pass on all routers")]
    AuthFailure,
    /// Version 2 asks for equal intervals (RFC 3768 section 7.1).
    #[error("advert interval: expected {} s, found {found} s: set the same advert_int on all routers", .expected.duration().as_secs())]
    Interval {
        /// Ours.
        expected: AdvertInterval,
        /// Seconds as received.
        found: u8,
    },
    /// An interval of zero would make the master down interval zero.
    #[error("advert interval: expected more than 0, found 0")]
    IntervalZero,
    /// Not an advertisement.
    #[error("type: expected 1 (advertisement), found {found}")]
    Type {
        /// As received.
        found: u8,
    },
    /// Damaged on the way, or computed over other addresses.
    #[error(
        "checksum: expected {expected:#06x}, found {found:#06x}: damaged, or one side sets v3_checksum_as_v2"
    )]
    Checksum {
        /// Computed here.
        expected: u16,
        /// As received.
        found: u16,
    },
    /// A multicast packet for a unicast instance.
    #[error("destination: expected our unicast address, found the group {found}")]
    MulticastOnUnicast {
        /// As received.
        found: IpAddr,
    },
    /// A unicast packet for a multicast instance.
    #[error("destination: expected the multicast group, found {found}")]
    UnicastOnMulticast {
        /// As received.
        found: IpAddr,
    },
    /// Not one of the configured peers.
    #[error("source: expected one of unicast_peer, found {found}")]
    UnknownPeer {
        /// As received.
        found: IpAddr,
    },
    /// The sender is master of other addresses than ours.
    #[error(
        "address list: expected our {expected} virtual addresses, found {found}, and {missing} of ours not among them: two virtual routers use one virtual_router_id, or virtual_ipaddress differs"
    )]
    AddressList {
        /// How many are ours.
        expected: usize,
        /// How many were received.
        found: usize,
        /// How many of ours are not among them.
        missing: usize,
    },
    /// The owner of the addresses takes no advert (`owner_ignore_adverts`).
    #[error("nothing is taken: we own the addresses and owner_ignore_adverts is set")]
    OwnerIgnores,
    /// Source and destination of different families.
    #[error(
        "address family: expected that of the virtual router, found a packet from {source_address} to {destination}"
    )]
    Family {
        /// Sender.
        source_address: IpAddr,
        /// To whom.
        destination: IpAddr,
    },
}

impl Reject {
    /// The counter that this belongs to; `None` where keepalived counts nothing.
    pub const fn counter(&self) -> Option<Counter> {
        match self {
            Self::PacketLength { .. } => Some(Counter::PacketLength),
            Self::VridZero | Self::Vrid { .. } => Some(Counter::Vrid),
            Self::HopLimit { .. } | Self::PeerHopLimit { .. } => Some(Counter::HopLimit),
            Self::Version { .. } => Some(Counter::Version),
            Self::AuthType { .. } => Some(Counter::InvalidAuthType),
            Self::AuthMismatch { .. } => Some(Counter::AuthTypeMismatch),
            Self::AuthFailure => Some(Counter::AuthFailure),
            Self::IntervalZero => Some(Counter::Interval),
            Self::Type { .. } => Some(Counter::InvalidType),
            Self::Checksum { .. } => Some(Counter::Checksum),
            Self::MulticastOnUnicast { .. } | Self::UnicastOnMulticast { .. } | Self::AddressList { .. } => {
                Some(Counter::AddressList)
            }
            Self::Interval { .. } | Self::UnknownPeer { .. } | Self::OwnerIgnores | Self::Family { .. } => {
                None
            }
        }
    }
}

/// The error counters of a virtual router (RFC 6527 and keepalived's statistics).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// Wrong length.
    PacketLength,
    /// Unknown or zero VRID.
    Vrid,
    /// TTL or hop limit.
    HopLimit,
    /// Version.
    Version,
    /// Authentication type that does not exist.
    InvalidAuthType,
    /// Authentication type that is not ours.
    AuthTypeMismatch,
    /// Wrong password or digest.
    AuthFailure,
    /// Advertisement interval.
    Interval,
    /// Message type.
    InvalidType,
    /// Checksum.
    Checksum,
    /// Address list, or the kind of destination.
    AddressList,
}

impl Counter {
    /// All of them, in the order of the declaration.
    pub const ALL: [Self; 11] = [
        Self::PacketLength,
        Self::Vrid,
        Self::HopLimit,
        Self::Version,
        Self::InvalidAuthType,
        Self::AuthTypeMismatch,
        Self::AuthFailure,
        Self::Interval,
        Self::InvalidType,
        Self::Checksum,
        Self::AddressList,
    ];

    /// As keepalived's JSON statistics call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PacketLength => "packet_len_err",
            Self::Vrid => "vrid_err",
            Self::HopLimit => "ip_ttl_err",
            Self::Version => "vers_err",
            Self::InvalidAuthType => "invalid_authtype",
            Self::AuthTypeMismatch => "authtype_mismatch",
            Self::AuthFailure => "auth_failure",
            Self::Interval => "advert_interval_err",
            Self::InvalidType => "invalid_type_rcvd",
            Self::Checksum => "chk_err",
            Self::AddressList => "addr_list_err",
        }
    }
}
