//! Neighbour advertisements (RFC 4861 section 4.4), above all the unsolicited one that moves an
//! address.

use std::net::Ipv6Addr;

use crate::checksum::PseudoHeader;
use crate::cursor::{Reader, Writer, set_u16};
use crate::ethernet::{self, EtherType, EthernetHeader, MacAddress};
use crate::ipv6::{self, ALL_NODES, Ipv6Header, NEXT_HEADER_ICMPV6};

/// Octets of the ICMPv6 message with a target link-layer option.
pub const MESSAGE_LENGTH: usize = 32;
/// Octets of the Ethernet frame that carries it.
pub const FRAME_LENGTH: usize = ethernet::HEADER_LENGTH + ipv6::HEADER_LENGTH + MESSAGE_LENGTH;
/// Neighbour discovery only counts when no router stood between (RFC 4861 section 7.1.2).
pub const HOP_LIMIT: u8 = 255;

const TYPE_NEIGHBOUR_SOLICITATION: u8 = 135;
const TYPE_NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const CHECKSUM_OFFSET: usize = 2;
const FLAG_ROUTER: u8 = 0x80;
const FLAG_SOLICITED: u8 = 0x40;
const FLAG_OVERRIDE: u8 = 0x20;
const OPTION_TARGET_LINK_LAYER_ADDRESS: u8 = 2;

/// A neighbour advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeighbourAdvertisement {
    /// Whose hardware address is told.
    pub target: Ipv6Addr,
    /// The sender forwards packets.
    pub router: bool,
    /// It answers a solicitation.
    pub solicited: bool,
    /// Receivers shall replace what they have cached.
    pub overrides: bool,
    /// The hardware address, if the option is there.
    pub hardware: Option<MacAddress>,
}

impl NeighbourAdvertisement {
    /// Unsolicited (RFC 4861 section 7.2.6): tells all nodes to replace what they have cached.
    pub const fn unsolicited(target: Ipv6Addr, hardware: MacAddress, router: bool) -> Self {
        Self { target, router, solicited: false, overrides: true, hardware: Some(hardware) }
    }

    /// An ICMPv6 message that came from `source` to `destination` with `hop_limit`, validated as
    /// RFC 4861 section 7.1.2 asks: hop limit, checksum, code, lengths, target, and the Solicited
    /// flag towards a group. `None` if it is another message or does not pass.
    pub fn parse(source: Ipv6Addr, destination: Ipv6Addr, hop_limit: u8, message: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(message);
        let [kind, code] = reader.array()?;
        let _checksum = reader.u16()?;
        let [flags, _, _, _] = reader.array()?;
        let target = Ipv6Addr::from(reader.array::<16>()?);
        let solicited = flags & FLAG_SOLICITED != 0;
        let valid = kind == TYPE_NEIGHBOUR_ADVERTISEMENT
            && code == 0
            && hop_limit == HOP_LIMIT
            && !target.is_multicast()
            && !(solicited && destination.is_multicast())
            && PseudoHeader::V6 { source, destination }.checksum(NEXT_HEADER_ICMPV6, message) == 0;
        if !valid {
            return None;
        }
        Some(Self {
            target,
            router: flags & FLAG_ROUTER != 0,
            solicited,
            overrides: flags & FLAG_OVERRIDE != 0,
            hardware: target_link_layer_option(reader.rest())?,
        })
    }

    /// A whole Ethernet frame, as with [`parse`](Self::parse).
    pub fn parse_frame(frame: &[u8]) -> Option<(EthernetHeader, Ipv6Header, Self)> {
        let (ethernet, packet) = EthernetHeader::parse(frame)?;
        if ethernet.ether_type != EtherType::IPV6 {
            return None;
        }
        let (ip, message) = Ipv6Header::parse(packet)?;
        if ip.next_header != NEXT_HEADER_ICMPV6 {
            return None;
        }
        let advertisement = Self::parse(ip.source, ip.destination, ip.hop_limit, message)?;
        Some((ethernet, ip, advertisement))
    }
}

/// Looks for the option among all; `None` if one of them is malformed, `Some(None)` if it is not
/// there.
fn target_link_layer_option(options: &[u8]) -> Option<Option<MacAddress>> {
    let mut found = None;
    let mut reader = Reader::new(options);
    while !reader.rest().is_empty() {
        let [kind, eights] = reader.array()?;
        // An option of length zero makes the whole message invalid (section 7.1.2).
        let length = usize::from(eights).checked_mul(8)?.checked_sub(2)?;
        let mut body = Reader::new(reader.slice(length)?);
        if kind == OPTION_TARGET_LINK_LAYER_ADDRESS && found.is_none() {
            found = body.array().map(MacAddress);
        }
    }
    Some(found)
}

/// The unsolicited advertisement that keepalived sends for a virtual address: from the address
/// itself to all nodes, Override set, with the target link-layer option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// The virtual address.
    pub address: Ipv6Addr,
    /// Hardware address of the interface that has it.
    pub hardware: MacAddress,
    /// The interface forwards IPv6.
    pub router: bool,
}

impl Announcement {
    /// The ICMPv6 message with its checksum, to be sent from the address to ff02::1 with hop limit
    /// 255.
    pub fn message(self) -> [u8; MESSAGE_LENGTH] {
        let flags = FLAG_OVERRIDE | if self.router { FLAG_ROUTER } else { 0 };
        let mut message = Writer::new()
            .put(&[TYPE_NEIGHBOUR_ADVERTISEMENT, 0, 0, 0])
            .put(&[flags, 0, 0, 0])
            .put(&self.address.octets())
            .put(&[OPTION_TARGET_LINK_LAYER_ADDRESS, 1])
            .put(&self.hardware.0)
            .finish();
        let pseudo = PseudoHeader::V6 { source: self.address, destination: ALL_NODES };
        let sum = pseudo.checksum(NEXT_HEADER_ICMPV6, &message);
        set_u16(&mut message, CHECKSUM_OFFSET, sum);
        message
    }

    /// The whole frame, ready for a packet socket.
    pub fn frame(self) -> [u8; FRAME_LENGTH] {
        let message = self.message();
        let ethernet = EthernetHeader {
            destination: MacAddress::ALL_NODES_V6,
            source: self.hardware,
            ether_type: EtherType::IPV6,
        };
        let ip = Ipv6Header {
            traffic_class: 0,
            next_header: NEXT_HEADER_ICMPV6,
            hop_limit: HOP_LIMIT,
            source: self.address,
            destination: ALL_NODES,
        };
        let length = u16::try_from(MESSAGE_LENGTH).unwrap_or(u16::MAX);
        Writer::new().put(&ethernet.bytes()).put(&ip.bytes(length)).put(&message).finish()
    }
}

/// Octets of a solicitation without options.
const SOLICITATION_LENGTH: usize = 24;
/// Octets of the Ethernet frame that carries it.
pub const SOLICITATION_FRAME_LENGTH: usize =
    ethernet::HEADER_LENGTH + ipv6::HEADER_LENGTH + SOLICITATION_LENGTH;

/// Asks who has an address as duplicate address detection does (RFC 4862 section 5.4.2): from nobody, so that no cache
/// changes; who has it answers to all nodes (RFC 4861 section 7.2.4). The whole frame, ready for a packet socket.
pub fn probe_frame(address: Ipv6Addr, hardware: MacAddress) -> [u8; SOLICITATION_FRAME_LENGTH] {
    let [.., a, b, c] = address.octets();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    let mut message: [u8; SOLICITATION_LENGTH] = Writer::new()
        .put(&[TYPE_NEIGHBOUR_SOLICITATION, 0, 0, 0])
        .put(&[0, 0, 0, 0])
        .put(&address.octets())
        .finish();
    let pseudo = PseudoHeader::V6 { source: Ipv6Addr::UNSPECIFIED, destination: group };
    let sum = pseudo.checksum(NEXT_HEADER_ICMPV6, &message);
    set_u16(&mut message, CHECKSUM_OFFSET, sum);
    let ethernet = EthernetHeader {
        destination: MacAddress([0x33, 0x33, 0xff, a, b, c]),
        source: hardware,
        ether_type: EtherType::IPV6,
    };
    let ip = Ipv6Header {
        traffic_class: 0,
        next_header: NEXT_HEADER_ICMPV6,
        hop_limit: HOP_LIMIT,
        source: Ipv6Addr::UNSPECIFIED,
        destination: group,
    };
    let length = u16::try_from(SOLICITATION_LENGTH).unwrap_or(u16::MAX);
    Writer::new().put(&ethernet.bytes()).put(&ip.bytes(length)).put(&message).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VIP: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9);
    const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

    #[test]
    fn unsolicited_advertisement_on_the_wire() {
        let frame = Announcement { address: VIP, hardware: MAC, router: true }.frame();
        #[rustfmt::skip]
        let expected = [
            0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd,
            0x60, 0, 0, 0, 0, 32, 58, 255,
            0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
            0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            136, 0, 0xda, 0x8a, 0xa0, 0, 0, 0,
            0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
            2, 1, 2, 0, 0, 0, 0, 1,
        ];
        assert_eq!(frame, expected);
        let (_, ip, parsed) = NeighbourAdvertisement::parse_frame(&frame).unwrap();
        assert_eq!((ip.source, ip.destination, ip.hop_limit), (VIP, ALL_NODES, 255));
        assert_eq!(parsed, NeighbourAdvertisement::unsolicited(VIP, MAC, true));
    }

    #[test]
    fn probe_of_rfc_4862_section_5_4_2() {
        let frame = probe_frame(VIP, MAC);
        let (ethernet, packet) = EthernetHeader::parse(&frame).unwrap();
        assert_eq!(ethernet.destination, MacAddress([0x33, 0x33, 0xff, 0, 0, 9]));
        let (ip, message) = Ipv6Header::parse(packet).unwrap();
        let group: Ipv6Addr = "ff02::1:ff00:9".parse().unwrap();
        assert_eq!((ip.source, ip.destination, ip.hop_limit), (Ipv6Addr::UNSPECIFIED, group, 255));
        let pseudo = PseudoHeader::V6 { source: ip.source, destination: group };
        assert_eq!(pseudo.checksum(NEXT_HEADER_ICMPV6, message), 0);
        assert_eq!((message[0], &message[8..24], message.len()), (135, &VIP.octets()[..], 24));
        assert_eq!(NeighbourAdvertisement::parse_frame(&frame), None);
    }

    #[test]
    fn validation_of_rfc_4861_section_7_1_2() {
        let message = Announcement { address: VIP, hardware: MAC, router: false }.message();
        let parse =
            |hop_limit, message: &[u8]| NeighbourAdvertisement::parse(VIP, ALL_NODES, hop_limit, message);
        assert!(parse(255, &message).is_some());
        assert_eq!(parse(254, &message), None);
        for end in 0..message.len() {
            assert_eq!(parse(255, &message[..end]), None, "{end} octets");
        }
        for bit in 0..message.len() * 8 {
            let mut bent = message;
            bent[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(255, &bent), None, "bit {bit}");
        }
    }

    #[test]
    fn options_of_length_zero_and_others() {
        assert_eq!(target_link_layer_option(&[]), Some(None));
        assert_eq!(target_link_layer_option(&[2, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(target_link_layer_option(&[2, 1, 1, 2, 3]), None);
        let two = [14, 1, 0, 0, 0, 0, 0, 0, 2, 1, 1, 2, 3, 4, 5, 6];
        assert_eq!(target_link_layer_option(&two), Some(Some(MacAddress([1, 2, 3, 4, 5, 6]))));
    }

    proptest! {
        #[test]
        fn round_trip(address: u128, hardware: [u8; 6], router: bool) {
            let address = Ipv6Addr::from(address & !(0xff << 120));
            let hardware = MacAddress(hardware);
            let frame = Announcement { address, hardware, router }.frame();
            let (_, _, parsed) = NeighbourAdvertisement::parse_frame(&frame).unwrap();
            prop_assert_eq!(parsed, NeighbourAdvertisement::unsolicited(address, hardware, router));
        }

        #[test]
        fn arbitrary_octets_never_panic(octets: Vec<u8>) {
            let _ = NeighbourAdvertisement::parse(VIP, ALL_NODES, 255, &octets);
            let _ = NeighbourAdvertisement::parse_frame(&octets);
            let _ = target_link_layer_option(&octets);
        }
    }
}
