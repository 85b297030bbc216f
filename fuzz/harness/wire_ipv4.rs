//! Any octets as an IPv4 datagram. Also run over the committed corpus by the ordinary tests.

use std::num::NonZeroU16;

use steadfast_wire::icmp::{Echo, EchoFamily};
use steadfast_wire::ipv4::{Ipv4Header, Ipv4Packet};

pub(crate) fn run(octets: &[u8]) {
    let Ok(packet) = Ipv4Packet::parse(octets) else { return };
    assert!(packet.payload.len() + packet.padding.len() + 20 <= octets.len());
    let header = Ipv4Header {
        tos: packet.tos,
        id: NonZeroU16::new(packet.id).unwrap_or(NonZeroU16::MIN),
        ttl: packet.ttl,
        protocol: packet.protocol,
        source: packet.source,
        destination: packet.destination,
    };
    let mut written = header.bytes(packet.payload.len()).unwrap().to_vec();
    written.extend(packet.payload);
    let again = Ipv4Packet::parse(&written).unwrap();
    assert_eq!((again.source, again.destination), (packet.source, packet.destination));
    assert_eq!(again.payload, packet.payload);
    if let Some(echo) = Echo::parse(EchoFamily::V4, packet.payload) {
        let mut out = Vec::new();
        echo.write(EchoFamily::V4, &mut out);
        assert_eq!(Echo::parse(EchoFamily::V4, &out), Some(echo));
    }
}
