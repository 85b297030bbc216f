//! Any octets as a frame with ARP or a neighbour advertisement. Also run over the committed corpus
//! by the ordinary tests.

use steadfast_wire::arp::ArpMessage;
use steadfast_wire::ethernet::EthernetHeader;
use steadfast_wire::icmp::{Echo, EchoFamily};
use steadfast_wire::ipv6::Ipv6Header;
use steadfast_wire::ndp::{Announcement, NeighbourAdvertisement};

pub(crate) fn run(octets: &[u8]) {
    if let Some((header, message)) = ArpMessage::parse_frame(octets) {
        assert_eq!(message.bytes(), octets[14..42]);
        let again = ArpMessage::parse_frame(&message.frame(header.destination)).unwrap();
        assert_eq!(again.1, message);
        let _ = message.announces();
    }
    if let Some((_, _, advertisement)) = NeighbourAdvertisement::parse_frame(octets)
        && let Some(hardware) = advertisement.hardware
    {
        let address = advertisement.target;
        let frame = Announcement { address, hardware, router: advertisement.router }.frame();
        let (_, _, again) = NeighbourAdvertisement::parse_frame(&frame).unwrap();
        assert_eq!(again, NeighbourAdvertisement::unsolicited(address, hardware, advertisement.router));
    }
    if let Some((_, packet)) = EthernetHeader::parse(octets)
        && let Some((header, payload)) = Ipv6Header::parse(packet)
    {
        let family = EchoFamily::V6 { source: header.source, destination: header.destination };
        let _ = Echo::parse(family, payload);
        assert!(payload.len() < octets.len());
    }
}
