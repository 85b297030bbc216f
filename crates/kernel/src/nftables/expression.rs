//! What a rule does with a packet, step by step.

use crate::netlink::AttributeWriter;

/// A register of sixteen octets: 1 to 4; or of four, which lie one behind another from 8 on.
pub(super) type Register = u32;

/// NFT_REG_VERDICT.
const VERDICT: Register = 0;

/// NFTA_DATA_VALUE and NFTA_DATA_VERDICT.
const VALUE: u16 = 1;
const VERDICT_DATA: u16 = 2;

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expression<'a> {
    /// Octets of the packet into a register.
    Payload { base: Base, offset: u32, length: u32, to: Register },
    /// What is known beside the packet into a register.
    Meta { key: Meta, to: Register },
    /// The first octets of a register are masked.
    Mask { register: Register, mask: &'a [u8] },
    /// The rule ends here unless the register is equal.
    Equal { register: Register, value: &'a [u8] },
    /// The rule ends here unless the register is in the set.
    In { register: Register, set: &'a str },
    /// The rule ends here unless the register is in the map; what it says goes into another register.
    Map { register: Register, map: &'a str, to: Register },
    /// The mark of the packet becomes what is in a register.
    SetMark { from: Register },
    /// A copy of the packet goes to the address in one register by the interface in another.
    Duplicate { address: Register, interface: Register },
    /// Packets and octets that came so far are counted.
    Counter,
    /// What becomes of the packet.
    Verdict(Verdict<'a>),
}

/// Where octets of a packet are counted from (NFT_PAYLOAD_*).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Network,
    Transport,
}

/// NFT_META_*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meta {
    InputInterface,
    OutputInterface,
    TransportProtocol,
    OutputInterfaceKind,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    Drop,
    Accept,
    GoTo(&'a str),
}

impl Expression<'_> {
    const fn name(&self) -> &'static str {
        match self {
            Self::Payload { .. } => "payload",
            Self::Meta { .. } | Self::SetMark { .. } => "meta",
            Self::Mask { .. } => "bitwise",
            Self::Equal { .. } => "cmp",
            Self::In { .. } | Self::Map { .. } => "lookup",
            Self::Duplicate { .. } => "dup",
            Self::Counter => "counter",
            Self::Verdict(_) => "immediate",
        }
    }

    /// As an element of NFTA_RULE_EXPRESSIONS: NFTA_EXPR_NAME and NFTA_EXPR_DATA.
    pub(super) fn write(&self, writer: &mut AttributeWriter<'_>) {
        writer.text(1, self.name());
        writer.nest(2, |data| self.write_data(data));
    }

    /// The numbers are those of NFTA_PAYLOAD_*, NFTA_META_* and so on.
    fn write_data(&self, data: &mut AttributeWriter<'_>) {
        match *self {
            Self::Payload { base, offset, length, to } => {
                let base = match base {
                    Base::Network => 1,
                    Base::Transport => 2,
                };
                [to, base, offset, length].into_iter().zip(1..).for_each(|(v, k)| data.u32_network(k, v));
            }
            Self::Meta { key, to } => {
                data.u32_network(1, to);
                data.u32_network(2, key.number());
            }
            Self::SetMark { from } => {
                data.u32_network(2, Meta::MARK);
                data.u32_network(3, from);
            }
            Self::Mask { register, mask } => {
                data.u32_network(1, register);
                data.u32_network(2, register);
                data.u32_network(3, u32::try_from(mask.len()).unwrap_or_default());
                data.nest(4, |value| value.octets(VALUE, mask));
                data.nest(5, |value| value.octets(VALUE, &vec![0; mask.len()]));
            }
            Self::Equal { register, value } => {
                data.u32_network(1, register);
                data.u32_network(2, 0);
                data.nest(3, |data| data.octets(VALUE, value));
            }
            Self::In { register, set } => {
                data.text(1, set);
                data.u32_network(2, register);
            }
            Self::Map { register, map, to } => {
                data.text(1, map);
                data.u32_network(2, register);
                data.u32_network(3, to);
            }
            Self::Duplicate { address, interface } => {
                data.u32_network(1, address);
                data.u32_network(2, interface);
            }
            Self::Counter => {}
            Self::Verdict(verdict) => {
                data.u32_network(1, VERDICT);
                data.nest(2, |data| data.nest(VERDICT_DATA, |data| verdict.write(data)));
            }
        }
    }
}

impl Meta {
    /// NFT_META_MARK.
    const MARK: u32 = 3;

    const fn number(self) -> u32 {
        match self {
            Self::InputInterface => 4,
            Self::OutputInterface => 5,
            Self::TransportProtocol => 16,
            Self::OutputInterfaceKind => 27,
        }
    }
}

impl Verdict<'_> {
    /// NFTA_VERDICT_CODE and NFTA_VERDICT_CHAIN.
    fn write(self, data: &mut AttributeWriter<'_>) {
        match self {
            Self::Drop => data.u32_network(1, 0),
            Self::Accept => data.u32_network(1, 1),
            Self::GoTo(chain) => {
                data.u32_network(1, (-4_i32).cast_unsigned());
                data.text(2, chain);
            }
        }
    }
}
