//! Why a received advertisement is not believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
    /// Another protocol version: a virtual router speaks one (RFC 9568 section 8.4).
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
    #[error("authentication type: expected 0 (none), 1 (password) or 2 (AH), found {found}")]
    AuthType {
        /// As received.
        found: u8,
    },
    /// The other side authenticates differently (RFC 3768 section 5.3.6).
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
    /// An authentication header around something else.
    #[error("authentication header: expected VRRP (protocol 112) behind it, found protocol {found}")]
    HeaderContent {
        /// The protocol behind it.
        found: u8,
    },
    /// An authentication header made with another key, or around something that was changed on the way.
    #[error(
        "authentication header: the digest is not made with our auth_pass: set the same auth_pass on all routers"
    )]
    HeaderDigest,
    /// An authentication header that another router made.
    #[error("authentication header: expected the sender {expected} in it, found {found}")]
    HeaderSender {
        /// Source of the datagram.
        expected: Ipv4Addr,
        /// As the header says.
        found: Ipv4Addr,
    },
    /// A sequence number of the past.
    #[error(
        "authentication header: expected a sequence number above {last}, found {found}: an advert was replayed, or its sender has just started"
    )]
    HeaderReplay {
        /// The highest used.
        last: u32,
        /// As received.
        found: u32,
    },
    /// Nothing proves the sender.
    #[error("authenticated trailer: expected one, found none: give all routers the same auth_hmac")]
    TrailerMissing,
    /// A trailer where none is configured.
    #[error("authenticated trailer: expected none, found one: give all routers the same auth_hmac")]
    TrailerUnexpected,
    /// A trailer of another kind.
    #[error("authenticated trailer: expected type 1 (HMAC-SHA-256) and no reserved bits, found type {found}")]
    TrailerMalformed {
        /// Its type.
        found: u8,
    },
    /// The sender's clock and ours differ too much, or an old advert was replayed.
    #[error(
        "authenticated trailer: expected a clock within {window} s of ours, found {seconds} s: the clock of one router is wrong, or an old advert was replayed"
    )]
    TrailerStale {
        /// Difference.
        seconds: u64,
        /// Allowed.
        window: u64,
    },
    /// A key that is not ours.
    #[error(
        "authenticated trailer: expected one of our keys, found key {found}: give all routers the same keys"
    )]
    TrailerKey {
        /// Its number.
        found: u8,
    },
    /// The number of a key of ours, with another secret.
    #[error(
        "authenticated trailer: the digest is not made with our key {key}: give all routers the same key {key}"
    )]
    TrailerDigest {
        /// Its number.
        key: u8,
    },
    /// A stamp of the past.
    #[error(
        "authenticated trailer: expected a later stamp than that of the advert before: an advert was replayed"
    )]
    TrailerReplay,
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
    /// The first IPv6 address shall be the link-local one (RFC 9568 section 5.2.9, erratum 8300).
    #[error("address list: expected a link-local address first, found {found}: put one first on all routers")]
    FirstAddress {
        /// As received.
        found: Ipv6Addr,
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
            Self::PacketLength { .. } | Self::TrailerUnexpected => Some(Counter::PacketLength),
            Self::VridZero | Self::Vrid { .. } => Some(Counter::Vrid),
            Self::HopLimit { .. } | Self::PeerHopLimit { .. } => Some(Counter::HopLimit),
            Self::Version { .. } => Some(Counter::Version),
            Self::AuthType { .. } => Some(Counter::InvalidAuthType),
            Self::AuthMismatch { .. } => Some(Counter::AuthTypeMismatch),
            Self::AuthFailure
            | Self::HeaderDigest
            | Self::HeaderSender { .. }
            | Self::HeaderReplay { .. } => Some(Counter::AuthFailure),
            Self::TrailerMissing => Some(Counter::TrailerMissing),
            Self::TrailerMalformed { .. } => Some(Counter::TrailerMalformed),
            Self::TrailerKey { .. } => Some(Counter::TrailerKey),
            Self::TrailerDigest { .. } => Some(Counter::TrailerDigest),
            Self::TrailerStale { .. } => Some(Counter::TrailerStale),
            Self::TrailerReplay => Some(Counter::TrailerReplay),
            Self::IntervalZero => Some(Counter::Interval),
            Self::Type { .. } => Some(Counter::InvalidType),
            Self::Checksum { .. } => Some(Counter::Checksum),
            Self::MulticastOnUnicast { .. }
            | Self::UnicastOnMulticast { .. }
            | Self::AddressList { .. }
            | Self::FirstAddress { .. } => Some(Counter::AddressList),
            Self::HeaderContent { .. }
            | Self::Interval { .. }
            | Self::UnknownPeer { .. }
            | Self::OwnerIgnores
            | Self::Family { .. } => None,
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
    /// No trailer where one is required.
    TrailerMissing,
    /// A trailer of another kind.
    TrailerMalformed,
    /// A trailer with a key that is not ours.
    TrailerKey,
    /// A trailer with a wrong digest.
    TrailerDigest,
    /// A trailer with a stamp outside the window.
    TrailerStale,
    /// A trailer with a stamp of the past.
    TrailerReplay,
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
    pub const ALL: [Self; 17] = [
        Self::PacketLength,
        Self::Vrid,
        Self::HopLimit,
        Self::Version,
        Self::InvalidAuthType,
        Self::AuthTypeMismatch,
        Self::AuthFailure,
        Self::TrailerMissing,
        Self::TrailerMalformed,
        Self::TrailerKey,
        Self::TrailerDigest,
        Self::TrailerStale,
        Self::TrailerReplay,
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
            Self::TrailerMissing => "auth_ext_missing",
            Self::TrailerMalformed => "auth_ext_malformed",
            Self::TrailerKey => "auth_ext_unknown_key",
            Self::TrailerDigest => "auth_ext_invalid_hmac",
            Self::TrailerStale => "auth_ext_stale",
            Self::TrailerReplay => "auth_ext_replay",
            Self::Interval => "advert_interval_err",
            Self::InvalidType => "invalid_type_rcvd",
            Self::Checksum => "chk_err",
            Self::AddressList => "addr_list_err",
        }
    }
}
