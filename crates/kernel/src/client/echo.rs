//! Echo requests where the sysctl net.ipv4.ping_group_range keeps the sockets that are made for them from everybody, as
//! kernels do by default. Raw sockets need CAP_NET_RAW, and leave to the sender what the kernel does for the others.

use socket2::{Protocol, Socket, Type};
use steadfast_wire::icmp::{Echo, EchoFamily, EchoKind};
use steadfast_wire::ipv4::Ipv4Packet;

use super::Way;
use crate::sockopt;

/// ICMP_FILTER of linux/icmp.h.
const ICMP_FILTER: libc::c_int = 1;

/// ICMPV6_FILTER of linux/icmpv6.h.
const ICMPV6_FILTER: libc::c_int = 1;

const REPLY_V6: u8 = 129;

/// Octets before the payload.
const HEADER_BYTES: usize = 8;

/// What the kernel does not do for a raw socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawEcho {
    v4: bool,
    identifier: u16,
}

impl RawEcho {
    /// A socket that hears echo replies alone.
    pub(super) fn open(way: &Way) -> std::io::Result<(Self, Socket)> {
        let v4 = way.to.is_ipv4();
        let protocol = if v4 { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
        let socket = Socket::new(way.domain(), Type::RAW, Some(protocol))?;
        if v4 {
            let all_but_replies: u32 = !1;
            sockopt::set(&socket, libc::SOL_RAW, ICMP_FILTER, &all_but_replies)?;
        } else {
            let mut blocked = [u32::MAX; 8];
            let (word, bit) = (usize::from(REPLY_V6 / 32), REPLY_V6 % 32);
            if let Some(word) = blocked.get_mut(word) {
                *word &= !(1 << bit);
            }
            sockopt::set(&socket, libc::SOL_ICMPV6, ICMPV6_FILTER, &blocked)?;
        }
        // Others on this machine may ask the same host; their questions differ in the number too.
        let identifier = u16::try_from(std::process::id() & 0xffff).unwrap_or_default();
        Ok((Self { v4, identifier }, socket))
    }

    /// The message with identifier and checksum.
    pub(super) fn sealed(self, message: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(message.len());
        let (Some(header), Some(payload)) =
            (message.first_chunk::<HEADER_BYTES>(), message.get(HEADER_BYTES..))
        else {
            return message.to_vec();
        };
        let [kind, code, _, _, _, _, high, low] = *header;
        if self.v4 {
            let sequence = u16::from_be_bytes([high, low]);
            let echo = Echo { kind: EchoKind::Request, identifier: self.identifier, sequence, payload };
            echo.write(EchoFamily::V4, &mut sealed);
        } else {
            // Of ICMPv6 the kernel computes the checksum itself (RFC 3542 section 3.1).
            let [first, second] = self.identifier.to_be_bytes();
            sealed.extend([kind, code, 0, 0, first, second, high, low]);
            sealed.extend(payload);
        }
        sealed
    }

    /// The message inside of what came, if it answers one of ours.
    pub(super) fn opened(self, received: &[u8]) -> Option<&[u8]> {
        let message = if self.v4 {
            let message = Ipv4Packet::parse(received).ok()?.payload;
            Echo::parse(EchoFamily::V4, message)?;
            message
        } else {
            received
        };
        let [_, _, _, _, first, second, _, _] = *message.first_chunk::<HEADER_BYTES>()?;
        (u16::from_be_bytes([first, second]) == self.identifier).then_some(message)
    }
}
