//! ARP over Ethernet for IPv4 (RFC 826), above all the gratuitous request that moves an address.

use std::net::Ipv4Addr;

use crate::cursor::{Reader, Writer};
use crate::ethernet::{self, EtherType, EthernetHeader, MacAddress};

/// Octets of an ARP message for Ethernet and IPv4.
pub const MESSAGE_LENGTH: usize = 28;
/// Octets of the frame that carries it, before padding.
pub const FRAME_LENGTH: usize = ethernet::HEADER_LENGTH + MESSAGE_LENGTH;

/// Hardware type Ethernet, protocol type IPv4, and their address lengths.
const ETHERNET_AND_IPV4: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];

/// What an ARP message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Asks, or announces.
    Request,
    /// Answers.
    Reply,
}

/// An ARP message for Ethernet and IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArpMessage {
    /// Request or reply.
    pub operation: Operation,
    /// Hardware address of the sender.
    pub sender_hardware: MacAddress,
    /// Protocol address of the sender.
    pub sender_address: Ipv4Addr,
    /// Hardware address asked for or answered to.
    pub target_hardware: MacAddress,
    /// Protocol address asked for or answered to.
    pub target_address: Ipv4Addr,
}

impl ArpMessage {
    /// Gratuitous request: sender and target address are the announced one.
    ///
    /// From the MAC address of a virtual router that is the target hardware address too (RFC 9568 section 6.4.1 with erratum
    /// 7947, RFC 9568 section 6.4.2 with erratum 7949). The RFC knows no master that speaks by the address of its interface:
    /// there it is the broadcast address of the link, as keepalived sends it.
    pub const fn gratuitous(address: Ipv4Addr, hardware: MacAddress, broadcast: MacAddress) -> Self {
        let target_hardware = if hardware.is_of_virtual_router() { hardware } else { broadcast };
        Self {
            operation: Operation::Request,
            sender_hardware: hardware,
            sender_address: address,
            target_hardware,
            target_address: address,
        }
    }

    /// Asks who has an address without saying anything of its own (RFC 5227 section 2.1.1): nobody's cache changes.
    pub const fn probe(address: Ipv4Addr, hardware: MacAddress) -> Self {
        Self {
            operation: Operation::Request,
            sender_hardware: hardware,
            sender_address: Ipv4Addr::UNSPECIFIED,
            target_hardware: MacAddress([0; 6]),
            target_address: address,
        }
    }

    /// A message without its Ethernet header; padding behind it is ignored. `None` if it is too
    /// short, for other address types, or neither request nor reply.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(message);
        if reader.array()? != ETHERNET_AND_IPV4 {
            return None;
        }
        let operation = match reader.u16()? {
            1 => Operation::Request,
            2 => Operation::Reply,
            _ => return None,
        };
        Some(Self {
            operation,
            sender_hardware: MacAddress(reader.array()?),
            sender_address: Ipv4Addr::from(reader.array::<4>()?),
            target_hardware: MacAddress(reader.array()?),
            target_address: Ipv4Addr::from(reader.array::<4>()?),
        })
    }

    /// A whole frame; `None` if it does not carry ARP, or as with [`parse`](Self::parse).
    pub fn parse_frame(frame: &[u8]) -> Option<(EthernetHeader, Self)> {
        let (header, message) = EthernetHeader::parse(frame)?;
        if header.ether_type != EtherType::ARP {
            return None;
        }
        Some((header, Self::parse(message)?))
    }

    /// The sender tells where its own address is (RFC 5227 section 3), rather than asking.
    pub fn announces(&self) -> Option<Ipv4Addr> {
        (self.sender_address == self.target_address && !self.sender_address.is_unspecified())
            .then_some(self.sender_address)
    }

    /// The message without an Ethernet header.
    pub fn bytes(self) -> [u8; MESSAGE_LENGTH] {
        let operation = match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        };
        Writer::new()
            .put(&ETHERNET_AND_IPV4)
            .u16(operation)
            .put(&self.sender_hardware.0)
            .put(&self.sender_address.octets())
            .put(&self.target_hardware.0)
            .put(&self.target_address.octets())
            .finish()
    }

    /// The whole frame, from the sender's hardware address to `destination`.
    pub fn frame(self, destination: MacAddress) -> [u8; FRAME_LENGTH] {
        let header = EthernetHeader { destination, source: self.sender_hardware, ether_type: EtherType::ARP };
        Writer::new().put(&header.bytes()).put(&self.bytes()).finish()
    }
}

/// The frame of a gratuitous request, ready for a packet socket.
pub fn gratuitous_frame(
    address: Ipv4Addr,
    hardware: MacAddress,
    broadcast: MacAddress,
) -> [u8; FRAME_LENGTH] {
    ArpMessage::gratuitous(address, hardware, broadcast).frame(broadcast)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 9, 9);
    const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

    #[test]
    fn gratuitous_request_on_the_wire() {
        #[rustfmt::skip]
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06,
            0, 1, 0x08, 0, 6, 4, 0, 1,
            2, 0, 0, 0, 0, 1, 10, 0, 9, 9,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 10, 0, 9, 9,
        ];
        let frame = gratuitous_frame(VIP, MAC, MacAddress::BROADCAST);
        assert_eq!(frame, expected);
        let (_, message) = ArpMessage::parse_frame(&frame).unwrap();
        assert_eq!(message.announces(), Some(VIP));
    }

    #[test]
    fn rfc9568_errata_7947_and_7949_a_virtual_router_announces_its_address_for_its_own_mac_address() {
        let virtual_router = MacAddress([0, 0, 0x5e, 0, 1, 51]);
        let frame = gratuitous_frame(VIP, virtual_router, MacAddress::BROADCAST);
        let (header, message) = ArpMessage::parse_frame(&frame).unwrap();
        assert_eq!((header.destination, header.source), (MacAddress::BROADCAST, virtual_router));
        assert_eq!((message.sender_address, message.target_address), (VIP, VIP));
        assert_eq!((message.sender_hardware, message.target_hardware), (virtual_router, virtual_router));
    }

    #[test]
    fn probe_of_rfc_5227_section_2_1_1() {
        let frame = ArpMessage::probe(VIP, MAC).frame(MacAddress::BROADCAST);
        #[rustfmt::skip]
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06,
            0, 1, 0x08, 0, 6, 4, 0, 1,
            2, 0, 0, 0, 0, 1, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 10, 0, 9, 9,
        ];
        assert_eq!(frame, expected);
        assert_eq!(ArpMessage::parse_frame(&frame).unwrap().1.announces(), None);
    }

    #[test]
    fn a_question_announces_nothing() {
        let mut message = ArpMessage::gratuitous(VIP, MAC, MacAddress::BROADCAST);
        message.sender_address = Ipv4Addr::new(10, 0, 0, 1);
        assert_eq!(message.announces(), None);
        // A probe (RFC 5227 section 1.1) has no sender address.
        message.sender_address = Ipv4Addr::UNSPECIFIED;
        message.target_address = Ipv4Addr::UNSPECIFIED;
        assert_eq!(message.announces(), None);
    }

    #[test]
    fn only_ethernet_and_ipv4_and_every_length() {
        let frame = gratuitous_frame(VIP, MAC, MacAddress::BROADCAST);
        for at in [12, 13, 14, 15, 16, 17, 18, 19, 20, 21] {
            let mut bent = frame;
            bent[at] ^= 0x40;
            assert_eq!(ArpMessage::parse_frame(&bent), None, "octet {at}");
        }
        for end in 0..FRAME_LENGTH {
            assert_eq!(ArpMessage::parse_frame(&frame[..end]), None, "{end} octets");
        }
        let mut padded = frame.to_vec();
        padded.resize(60, 0);
        assert!(ArpMessage::parse_frame(&padded).is_some());
    }

    proptest! {
        #[test]
        fn round_trip(reply: bool, sender: ([u8; 6], u32), target: ([u8; 6], u32), destination: [u8; 6]) {
            let message = ArpMessage {
                operation: if reply { Operation::Reply } else { Operation::Request },
                sender_hardware: MacAddress(sender.0),
                sender_address: sender.1.into(),
                target_hardware: MacAddress(target.0),
                target_address: target.1.into(),
            };
            prop_assert_eq!(ArpMessage::parse(&message.bytes()), Some(message));
            let frame = message.frame(MacAddress(destination));
            let (header, parsed) = ArpMessage::parse_frame(&frame).unwrap();
            prop_assert_eq!((header.destination, header.source), (MacAddress(destination), message.sender_hardware));
            prop_assert_eq!(parsed, message);
        }

        #[test]
        fn arbitrary_octets_never_panic(octets: Vec<u8>) {
            let _ = ArpMessage::parse(&octets);
            let _ = ArpMessage::parse_frame(&octets);
        }
    }
}
