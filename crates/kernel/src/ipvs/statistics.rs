//! Counters and rates of a service or server.

use serde::{Deserialize, Serialize};

use crate::netlink::Attributes;

/// Counters since the entry was made or set to zero, and rates, which the kernel keeps while the sysctl
/// `run_estimation` is on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients, where they pass here.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Connections a second.
    pub connection_rate: u64,
    /// Packets from clients a second.
    pub packet_rate_in: u64,
    /// Packets to clients a second.
    pub packet_rate_out: u64,
    /// Bytes from clients a second.
    pub byte_rate_in: u64,
    /// Bytes to clients a second.
    pub byte_rate_out: u64,
}

impl Statistics {
    /// Reads IPVS_STATS_ATTR_*, whether the numbers have 32 or 64 bits.
    pub(super) fn read(attributes: Attributes<'_>) -> Self {
        let mut statistics = Self::default();
        for attribute in attributes {
            let Some(number) = attribute.number() else { continue };
            let field = match attribute.kind {
                1 => &mut statistics.connections,
                2 => &mut statistics.packets_in,
                3 => &mut statistics.packets_out,
                4 => &mut statistics.bytes_in,
                5 => &mut statistics.bytes_out,
                6 => &mut statistics.connection_rate,
                7 => &mut statistics.packet_rate_in,
                8 => &mut statistics.packet_rate_out,
                9 => &mut statistics.byte_rate_in,
                10 => &mut statistics.byte_rate_out,
                _ => continue,
            };
            *field = number;
        }
        statistics
    }
}

impl std::ops::AddAssign for Statistics {
    fn add_assign(&mut self, other: Self) {
        let add = |sum: &mut u64, number: u64| *sum = sum.saturating_add(number);
        add(&mut self.connections, other.connections);
        add(&mut self.packets_in, other.packets_in);
        add(&mut self.packets_out, other.packets_out);
        add(&mut self.bytes_in, other.bytes_in);
        add(&mut self.bytes_out, other.bytes_out);
        add(&mut self.connection_rate, other.connection_rate);
        add(&mut self.packet_rate_in, other.packet_rate_in);
        add(&mut self.packet_rate_out, other.packet_rate_out);
        add(&mut self.byte_rate_in, other.byte_rate_in);
        add(&mut self.byte_rate_out, other.byte_rate_out);
    }
}
