//! What is counted, for an instance and for the machine.

use serde::{Deserialize, Serialize};

/// Counters of one instance, from its start (they survive a reload and a resume).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Adverts that are whole and authentic, whether or not their address list and sender are right.
    pub adverts_received: u64,
    /// Adverts sent; one for each peer in unicast.
    pub adverts_sent: u64,
    /// Times that this router became master.
    pub became_master: u64,
    /// Times that this router stopped being master.
    pub released_master: u64,
    /// Priority 0 received.
    pub priority_zero_received: u64,
    /// Priority 0 sent.
    pub priority_zero_sent: u64,
    /// Message shorter or longer than its own address count says.
    pub length_errors: u64,
    /// TTL or hop limit not 255, or outside the range of the unicast peer.
    pub ttl_errors: u64,
    /// Other protocol version.
    pub version_errors: u64,
    /// Not an advertisement.
    pub type_errors: u64,
    /// Version 2 interval differs from ours.
    pub interval_errors: u64,
    /// Checksum wrong.
    pub checksum_errors: u64,
    /// Address list differs (the advert is dropped if it lacks one of ours), or multicast where unicast
    /// is configured and the reverse.
    pub address_list_errors: u64,
    /// Authentication type that no version defines.
    pub auth_type_invalid: u64,
    /// Authentication type differs from the configured one.
    pub auth_type_mismatches: u64,
    /// Wrong password, or authentication header with a wrong digest, sender or sequence number.
    pub auth_failures: u64,
    /// No trailer where one is required.
    pub trailer_missing: u64,
    /// Trailer of another kind.
    pub trailer_malformed: u64,
    /// Trailer with a key that is not ours.
    pub trailer_unknown_key: u64,
    /// Trailer with a wrong digest.
    pub trailer_invalid: u64,
    /// Trailer whose stamp is outside the window.
    pub trailer_stale: u64,
    /// Trailer whose stamp is not later than the one before.
    pub trailer_replayed: u64,
    /// Unicast sender that is not a peer.
    pub unknown_peers: u64,
    /// Adverts from an address that is our own.
    pub own_address_heard: u64,
}

/// Datagrams that belong to no instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineCounters {
    /// Too short for a header, or with VRID 0.
    pub malformed: u64,
    /// No instance has this VRID on this interface and in this family.
    pub unknown_vrid: u64,
}
