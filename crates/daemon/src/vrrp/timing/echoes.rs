//! Echo packets of BFD (RFC 5881 section 4), and whom they go to: seen on the link, beside the IP layer.

use steadfast_bfd::{Datagram, Echo, Hops, Input, Machine};
use steadfast_kernel::datagram::{self, Way};
use steadfast_vrrp::Moment;
use steadfast_wire::bfd::{HOP_LIMIT, PORT_ECHO, PORT_SINGLE_HOP};
use steadfast_wire::udp::UdpHeader;

use super::transmit::Out;

/// A datagram that a socket for echo packets took.
pub(super) fn hear(
    arrival: Moment,
    datagram: &datagram::Datagram<'_>,
    sessions: &mut Machine,
    out: &mut Out,
) {
    let Some((ports, payload)) = UdpHeader::parse(datagram.message) else { return };
    match ports.destination_port {
        PORT_SINGLE_HOP => learn_way(arrival, datagram, payload, sessions, out),
        PORT_ECHO if datagram.source == datagram.destination => {
            if let Some(echo) = Echo::parse(payload) {
                sessions.handle(arrival, Input::Echo(echo), out);
            }
        }
        PORT_ECHO => send_back(datagram, payload, sessions, out),
        _ => {}
    }
}

/// A control packet shows where its sender is on the link, and from which of our addresses it is reached.
fn learn_way(
    arrival: Moment,
    datagram: &datagram::Datagram<'_>,
    payload: &[u8],
    sessions: &mut Machine,
    out: &mut Out,
) {
    let packet = Datagram {
        interface: None,
        hops: Hops::Single,
        source: datagram.source,
        destination: datagram.destination,
        hop_limit: datagram.hop_limit,
        message: payload,
    };
    if let (Some(link), Some(session)) = (datagram.link, sessions.echoes_by(arrival, &packet)) {
        out.echo_way(session, Way::round(link, datagram.destination));
        sessions.handle(arrival, Input::EchoWay(session), out);
    }
}

/// FRR addresses its echo packets over IPv6 to the peer, which sends them back with a hop less. What has one less already
/// is on its way back.
fn send_back(datagram: &datagram::Datagram<'_>, payload: &[u8], sessions: &Machine, out: &mut Out) {
    let Some(link) = datagram.link.filter(|_| datagram.hop_limit == Some(HOP_LIMIT)) else { return };
    if let Some(session) = sessions.returns_echoes_of(datagram.source, datagram.destination) {
        let way = Way {
            link,
            source: datagram.destination,
            destination: datagram.source,
            hop_limit: HOP_LIMIT - 1,
        };
        out.echo(&way, payload, session);
    }
}
