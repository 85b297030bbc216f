//! Policy rules as they shall be, and requests that make and delete them.

use std::fmt;

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use serde::{Deserialize, Serialize};
use steadfast_wire::vrrp::Family;

use super::routes::Prefix;
use crate::netlink::Batch;

/// A rule as it shall be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleSpec {
    /// Of which family.
    pub family: Family,
    /// Its rank; lower ones come first.
    pub preference: u32,
    /// What it does.
    pub action: Action,
    /// What it does is done to everything else.
    pub invert: bool,
    /// Packets from there.
    pub from: Option<Prefix>,
    /// Packets to there.
    pub to: Option<Prefix>,
    /// Packets that came in by this interface.
    pub input_interface: Option<String>,
    /// Packets of sockets bound to this interface.
    pub output_interface: Option<String>,
    /// Type of service.
    pub tos: u8,
    /// Mark, and which of its bits count.
    pub mark: Option<(u32, Option<u32>)>,
    /// Realms to give: source in the upper half.
    pub realms: Option<u32>,
    /// Routes with prefixes as short as this do not count.
    pub suppress_prefix_length: Option<u32>,
    /// Routes by interfaces of this group do not count.
    pub suppress_group: Option<u32>,
    /// Key of the tunnel that they came by.
    pub tunnel: Option<u64>,
    /// First and last user.
    pub users: Option<(u32, u32)>,
    /// Protocol above IP.
    pub ip_protocol: Option<u8>,
    /// First and last source port.
    pub source_ports: Option<(u16, u16)>,
    /// First and last destination port.
    pub destination_ports: Option<(u16, u16)>,
    /// RTPROT_*.
    pub protocol: u8,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Action {
    /// Has a table looked up.
    Table(u32),
    /// Has the table of the interface's VRF looked up.
    Vrf,
    /// Goes on with another rule.
    Goto(u32),
    /// Nothing.
    Nop,
    /// Drops in silence.
    Blackhole,
    /// Answers that the destination cannot be reached.
    Unreachable,
    /// Answers that it is forbidden.
    Prohibit,
}

/// What an announcement tells of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RulePlace {
    /// Family.
    pub family: Family,
    /// Its rank.
    pub preference: u32,
}

/// FRA_L3MDEV.
const L3MDEV: u16 = 19;
/// FRA_FLOW.
const FLOW: u16 = 11;
/// FRA_IP_PROTO.
const IP_PROTOCOL: u16 = 22;

impl RuleSpec {
    /// What an announcement would tell of it.
    pub fn place(&self) -> RulePlace {
        RulePlace { family: self.family, preference: self.preference }
    }

    fn message(&self) -> RuleMessage {
        let mut message = RuleMessage::default();
        let header = &mut message.header;
        header.family = match self.family {
            Family::V4 => AddressFamily::Inet,
            Family::V6 => AddressFamily::Inet6,
        };
        header.src_len = self.from.map_or(0, |(_, length)| length);
        header.dst_len = self.to.map_or(0, |(_, length)| length);
        header.tos = self.tos;
        header.flags.set(RuleFlags::Invert, self.invert);
        let attributes = &mut message.attributes;
        let mut table = 0;
        header.action = match self.action {
            Action::Table(number) => {
                table = number;
                RuleAction::ToTable
            }
            Action::Vrf => {
                attributes.push(RuleAttribute::Other(DefaultNla::new(L3MDEV, vec![1])));
                RuleAction::ToTable
            }
            Action::Goto(target) => {
                attributes.push(RuleAttribute::Goto(target));
                RuleAction::Goto
            }
            Action::Nop => RuleAction::Nop,
            Action::Blackhole => RuleAction::Blackhole,
            Action::Unreachable => RuleAction::Unreachable,
            Action::Prohibit => RuleAction::Prohibit,
        };
        header.table = u8::try_from(table).unwrap_or(0);
        if table != 0 {
            attributes.push(RuleAttribute::Table(table));
        }
        attributes.push(RuleAttribute::Priority(self.preference));
        attributes.extend(self.from.map(|(address, _)| RuleAttribute::Source(address)));
        attributes.extend(self.to.map(|(address, _)| RuleAttribute::Destination(address)));
        attributes.extend(self.input_interface.clone().map(RuleAttribute::Iifname));
        attributes.extend(self.output_interface.clone().map(RuleAttribute::Oifname));
        if let Some((mark, mask)) = self.mark {
            attributes.push(RuleAttribute::FwMark(mark));
            attributes.extend(mask.map(RuleAttribute::FwMask));
        }
        let octets = |kind, value: Vec<u8>| RuleAttribute::Other(DefaultNla::new(kind, value));
        attributes.extend(self.realms.map(|realms| octets(FLOW, realms.to_ne_bytes().to_vec())));
        attributes.extend(self.suppress_prefix_length.map(RuleAttribute::SuppressPrefixLen));
        attributes.extend(self.suppress_group.map(RuleAttribute::SuppressIfGroup));
        attributes.extend(self.tunnel.map(RuleAttribute::TunId));
        attributes.extend(self.ip_protocol.map(|number| octets(IP_PROTOCOL, vec![number])));
        let pair = |low: &[u8], high: &[u8]| [low, high].concat();
        attributes.extend(
            self.users.map(|(first, last)| octets(20, pair(&first.to_ne_bytes(), &last.to_ne_bytes()))),
        );
        attributes.extend(
            self.source_ports
                .map(|(first, last)| octets(23, pair(&first.to_ne_bytes(), &last.to_ne_bytes()))),
        );
        attributes.extend(
            self.destination_ports
                .map(|(first, last)| octets(24, pair(&first.to_ne_bytes(), &last.to_ne_bytes()))),
        );
        attributes.push(RuleAttribute::Protocol(self.protocol.into()));
        message
    }
}

impl fmt::Display for RuleSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.family == Family::V4 { "IPv4" } else { "IPv6" };
        write!(f, "{family} rule {}", self.preference)
    }
}

impl Batch {
    /// Adds a rule; refused with EEXIST if it is there.
    pub fn add_rule(&mut self, spec: &RuleSpec) {
        self.push(RouteNetlinkMessage::NewRule(spec.message()), NLM_F_CREATE | NLM_F_EXCL);
    }

    /// Deletes a rule; refused with ENOENT if it is not there.
    pub fn delete_rule(&mut self, spec: &RuleSpec) {
        self.push(RouteNetlinkMessage::DelRule(spec.message()), 0);
    }
}
