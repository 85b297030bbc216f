//! Entries of a segment: numbers of seven bits an octet, the times as differences to the entry before.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use steadfast_time::Moment;
use steadfast_vrrp::{Datagram, InstanceId, InterfaceId, Plan, Reading, ScriptId, Served, WatchId};
use steadfast_wire::vrrp::{Carrier, Family, blank};

/// What an entry is.
pub(crate) mod tag {
    /// Timers that were due: difference.
    pub(crate) const ADVANCE: u8 = 1;
    /// A datagram as one before: difference, number.
    pub(crate) const AGAIN: u8 = 2;
    /// An advert that found no socket: how many were sent for the same input before.
    pub(crate) const UNSENT: u8 = 3;
    /// The datagram before had a proof that another secret made.
    pub(crate) const FORGED: u8 = 4;
    /// The snapshot is complete.
    pub(crate) const WHOLE: u8 = 5;

    // Those that follow begin with their length.

    /// State of the machine besides its instances: time, octets.
    pub(crate) const BASE: u8 = 16;
    /// State of an instance: octets.
    pub(crate) const INSTANCE: u8 = 17;
    /// A datagram: difference, facts, message.
    pub(crate) const DATAGRAM: u8 = 18;
    /// A datagram nearly as one before: difference, number, what differs.
    pub(crate) const LIKE: u8 = 19;
    /// Something else that the machine was told: difference, `Told`.
    pub(crate) const TOLD: u8 = 20;
    /// A reload: difference, plan.
    pub(crate) const PLAN: u8 = 21;
    /// What the machine asked for: an action.
    pub(crate) const DID: u8 = 22;
}

/// Longest number.
const NUMBER_OCTETS: usize = 10;

/// A number, seven bits an octet, the lowest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number {
    octets: [u8; NUMBER_OCTETS],
    length: usize,
}

impl Number {
    #[allow(clippy::cast_possible_truncation, reason = "seven bits")]
    pub(crate) fn new(mut value: u64) -> Self {
        let mut number = Self { octets: [0; NUMBER_OCTETS], length: 0 };
        for octet in &mut number.octets {
            number.length += 1;
            *octet = (value & 0x7f) as u8;
            value >>= 7;
            if value == 0 {
                break;
            }
            *octet |= 0x80;
        }
        number
    }

    pub(crate) fn of(value: usize) -> Self {
        Self::new(u64::try_from(value).unwrap_or(u64::MAX))
    }

    pub(crate) fn octets(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            value |= u64::from(octet & 0x7f).checked_shl(shift)?;
            if octet & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    pub(crate) fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.slice(N)?.first_chunk().copied()
    }

    /// The next entry: its tag and what belongs to it.
    pub(crate) fn entry(&mut self) -> Option<(u8, Self)> {
        let tag = self.octet()?;
        let numbers = match tag {
            tag::ADVANCE | tag::UNSENT => 1,
            tag::AGAIN => 2,
            tag::FORGED | tag::WHOLE => 0,
            tag::BASE..=tag::DID => {
                let length = self.length()?;
                return Some((tag, Self(self.slice(length)?)));
            }
            _ => return None,
        };
        let start = *self;
        for _ in 0..numbers {
            self.number()?;
        }
        Some((tag, Self(start.slice_until(self))))
    }

    fn slice_until(&self, end: &Self) -> &'a [u8] {
        self.0.get(..self.0.len() - end.0.len()).unwrap_or_default()
    }
}

/// How many octets whole entries take.
pub(crate) fn whole(octets: &[u8]) -> usize {
    let mut cursor = Cursor(octets);
    let mut end = 0;
    while cursor.entry().is_some() {
        end = octets.len() - cursor.0.len();
    }
    end
}

/// Something that a machine was told, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A datagram came in.
    Datagram(OwnedDatagram),
    /// Something of its surroundings changed.
    Told(Told<'static>),
    /// A reload.
    Apply(Box<Plan>),
    /// Timers were due.
    Advance,
}

/// A datagram without secrets; see [`blank`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedDatagram {
    /// Where it came in.
    pub interface: InterfaceId,
    /// Sender.
    pub source: IpAddr,
    /// Destination.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: Option<u8>,
    /// What stands before the VRRP message.
    pub carrier: Carrier,
    /// Everything after the IP header.
    pub message: Vec<u8>,
}

impl OwnedDatagram {
    /// As the machine takes it.
    pub fn borrowed(&self) -> Datagram<'_> {
        Datagram {
            interface: self.interface,
            source: self.source,
            destination: self.destination,
            hop_limit: self.hop_limit,
            carrier: self.carrier,
            message: &self.message,
        }
    }
}

/// Everything else of [`steadfast_vrrp::Input`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told<'a> {
    /// What is known of an interface.
    Interface {
        /// Which.
        interface: InterfaceId,
        /// It works.
        up: bool,
        /// First usable IPv4 address.
        source_v4: Option<Ipv4Addr>,
        /// Link-local address.
        source_v6: Option<Ipv6Addr>,
        /// Largest datagram.
        mtu: u32,
    },
    /// A configured source address came or went.
    SourcePresent(IpAddr, bool),
    /// Sockets came, or could not be had.
    Channel(Cow<'a, [InstanceId]>, Option<Cow<'a, str>>),
    /// The kernel refused adverts.
    Refused(InstanceId, u32, Cow<'a, str>),
    /// A script ended.
    ScriptResult(ScriptId, bool),
    /// A file, a set of processes or a session changed.
    Watched(WatchId, Reading),
    /// Somebody removed an address.
    AddressRemoved(InstanceId, IpAddr),
    /// What time it is.
    Clock(u64),
    /// The daemon stops.
    Stop,
    /// Every counter to zero.
    ClearCounters,
    /// What prepares an instance has ended.
    Prepared(InstanceId, Moment, bool),
    /// The master of these is dead, after so many microseconds.
    Dead(Cow<'a, [InstanceId]>, IpAddr, u64),
    /// What instances follow is missing, or is there again.
    Standing(Cow<'a, [InstanceId]>, Option<Cow<'a, str>>),
    /// Who else serves, as asked.
    WhoServes(InstanceId, Moment, Option<Served>),
}

impl<'a> Told<'a> {
    /// `None` for a datagram.
    pub(crate) fn of(input: &steadfast_vrrp::Input<'a>) -> Option<Self> {
        use steadfast_vrrp::Input as From;
        Some(match *input {
            From::Datagram(_) => return None,
            From::Interface { interface, up, source_v4, source_v6, mtu } => {
                Self::Interface { interface, up, source_v4, source_v6, mtu }
            }
            From::SourcePresent { address, present } => Self::SourcePresent(address, present),
            From::Channel { instances, obstacle } => {
                Self::Channel(Cow::Borrowed(instances), obstacle.map(Cow::Borrowed))
            }
            From::Standing { instances, missing } => {
                Self::Standing(Cow::Borrowed(instances), missing.map(Cow::Borrowed))
            }
            From::Refused { instance, datagrams, reason } => {
                Self::Refused(instance, datagrams, Cow::Borrowed(reason))
            }
            From::ScriptResult { script, success } => Self::ScriptResult(script, success),
            From::Watched { watch, reading } => Self::Watched(watch, reading),
            From::Prepared { instance, since, success } => Self::Prepared(instance, since, success),
            From::Dead { instances, master, silent_us } => {
                Self::Dead(Cow::Borrowed(instances), master, silent_us)
            }
            From::AddressRemoved { instance, address } => Self::AddressRemoved(instance, address),
            From::WhoServes { instance, asked, served } => Self::WhoServes(instance, asked, served),
            From::Clock { ahead } => Self::Clock(ahead),
            From::Stop => Self::Stop,
        })
    }

    /// `None` for [`Self::ClearCounters`], which is no input of the machine.
    pub fn input(&self) -> Option<steadfast_vrrp::Input<'_>> {
        use steadfast_vrrp::Input as To;
        Some(match self {
            Self::ClearCounters => return None,
            Self::Interface { interface, up, source_v4, source_v6, mtu } => To::Interface {
                interface: *interface,
                up: *up,
                source_v4: *source_v4,
                source_v6: *source_v6,
                mtu: *mtu,
            },
            Self::SourcePresent(address, present) => {
                To::SourcePresent { address: *address, present: *present }
            }
            Self::Dead(instances, master, silent_us) => {
                To::Dead { instances, master: *master, silent_us: *silent_us }
            }
            Self::Channel(instances, obstacle) => To::Channel { instances, obstacle: obstacle.as_deref() },
            Self::Standing(instances, missing) => To::Standing { instances, missing: missing.as_deref() },
            Self::Refused(instance, datagrams, reason) => {
                To::Refused { instance: *instance, datagrams: *datagrams, reason }
            }
            Self::ScriptResult(script, success) => To::ScriptResult { script: *script, success: *success },
            Self::Watched(watch, reading) => To::Watched { watch: *watch, reading: *reading },
            Self::AddressRemoved(instance, address) => {
                To::AddressRemoved { instance: *instance, address: *address }
            }
            Self::Prepared(instance, since, success) => {
                To::Prepared { instance: *instance, since: *since, success: *success }
            }
            Self::WhoServes(instance, asked, served) => {
                To::WhoServes { instance: *instance, asked: *asked, served: *served }
            }
            Self::Clock(ahead) => To::Clock { ahead: *ahead },
            Self::Stop => To::Stop,
        })
    }
}

const FLAG_V6: u8 = 1;
const FLAG_HEADER: u8 = 2;
const FLAG_HOP_LIMIT: u8 = 4;

/// Writes a datagram without its secrets, and not when it came; of its message so many octets at most. What two of one sender begin with
/// is equal.
pub(crate) fn write_datagram(datagram: &Datagram<'_>, out: &mut Vec<u8>, octets_max: usize) {
    out.clear();
    let family = Family::of(datagram.source);
    let mut flags = if family == Family::V6 { FLAG_V6 } else { 0 };
    let identification = match datagram.carrier {
        Carrier::Ip => None,
        Carrier::AuthenticationHeader { identification } => Some(identification),
    };
    flags |= if identification.is_some() { FLAG_HEADER } else { 0 };
    flags |= if datagram.hop_limit.is_some() { FLAG_HOP_LIMIT } else { 0 };
    out.push(flags);
    out.extend_from_slice(Number::new(datagram.interface.0.into()).octets());
    write_address(datagram.source, family, out);
    write_address(datagram.destination, family, out);
    out.push(datagram.hop_limit.unwrap_or_default());
    out.extend_from_slice(&identification.unwrap_or_default().to_be_bytes());
    let start = out.len();
    out.extend_from_slice(datagram.message);
    // Where secrets are is to be seen only of the whole.
    blank(family, datagram.carrier, out.get_mut(start..).unwrap_or_default());
    out.truncate(start.saturating_add(octets_max));
}

fn write_address(address: IpAddr, family: Family, out: &mut Vec<u8>) {
    match (address, family) {
        (IpAddr::V4(address), Family::V4) => out.extend_from_slice(&address.octets()),
        (IpAddr::V6(address), Family::V6) => out.extend_from_slice(&address.octets()),
        // A datagram has one family.
        (_, Family::V4) => out.extend_from_slice(&[0; 4]),
        (_, Family::V6) => out.extend_from_slice(&[0; 16]),
    }
}

/// Reads what [`write_datagram`] wrote.
pub(crate) fn read_datagram(octets: &[u8]) -> Option<OwnedDatagram> {
    let mut cursor = Cursor(octets);
    let flags = cursor.octet()?;
    let interface = InterfaceId(u32::try_from(cursor.number()?).ok()?);
    let v6 = flags & FLAG_V6 != 0;
    let mut address = || {
        Some(if v6 {
            IpAddr::V6(Ipv6Addr::from(cursor.array::<16>()?))
        } else {
            IpAddr::V4(Ipv4Addr::from(cursor.array::<4>()?))
        })
    };
    let (source, destination) = (address()?, address()?);
    let hop_limit = cursor.octet()?;
    let identification = u16::from_be_bytes(cursor.array()?);
    Some(OwnedDatagram {
        interface,
        source,
        destination,
        hop_limit: (flags & FLAG_HOP_LIMIT != 0).then_some(hop_limit),
        carrier: if flags & FLAG_HEADER != 0 {
            Carrier::AuthenticationHeader { identification }
        } else {
            Carrier::Ip
        },
        message: cursor.0.to_vec(),
    })
}

/// Nanoseconds from one moment to a later one.
pub(crate) fn difference(from: Moment, to: Moment) -> Number {
    Number::new(to.as_nanos().saturating_sub(from.as_nanos()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(value: u64) {
            let number = Number::new(value);
            let mut cursor = Cursor(number.octets());
            prop_assert_eq!(cursor.number(), Some(value));
            prop_assert!(cursor.0.is_empty());
        }

        #[test]
        fn no_octets_are_too_strange(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(whole(&octets) <= octets.len());
            let _ = read_datagram(&octets);
        }

        #[test]
        fn a_datagram_comes_back_blank(
            source: u32, v6: bool, interface: u32, hop_limit: Option<u8>, header: Option<u16>,
            message in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let address = |last: u32| -> IpAddr {
                if v6 { Ipv6Addr::from(u128::from(last) << 3).into() } else { Ipv4Addr::from(last).into() }
            };
            let carrier = header.map_or(Carrier::Ip, |identification| Carrier::AuthenticationHeader { identification });
            let datagram = Datagram {
                interface: InterfaceId(interface),
                source: address(source),
                destination: address(7),
                hop_limit,
                carrier,
                message: &message,
            };
            let mut octets = Vec::new();
            write_datagram(&datagram, &mut octets, usize::MAX);
            let read = read_datagram(&octets).unwrap();
            let mut expected = message.clone();
            blank(Family::of(datagram.source), carrier, &mut expected);
            prop_assert_eq!(read.borrowed(), Datagram { message: &expected, ..datagram });
        }
    }
}
