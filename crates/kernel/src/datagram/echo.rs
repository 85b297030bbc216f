//! Echo packets of BFD (RFC 5881 section 4): from this node to itself, round by the peer.
//!
//! The routes of this node would keep what is addressed to it, so that such a packet is given to the link with the peer's
//! hardware address; and what comes back has the source address of this node, which the IP layer takes for forged and drops.
//! Both are the business of packet sockets. Where the peer is on the link is seen from its control packets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use steadfast_wire::bfd::{HEADER_LENGTH, HOP_LIMIT, PORT_ECHO, PORT_SINGLE_HOP};
use steadfast_wire::checksum::PseudoHeader;
use steadfast_wire::ipv4::{Ipv4Header, next_id};
use steadfast_wire::ipv6::{self, Ipv6Header, TRAFFIC_CLASS_INTERNETWORK_CONTROL};
use steadfast_wire::udp::{self, PROTOCOL_UDP, UdpHeader};

use super::send::Destination;
use super::session::udp_socket;
use super::{SOCKET_PRIORITY, SendBatch, SocketIndex, drop_everything_received, family, prepare_receive};
use crate::error::Errno;
use crate::sockopt;

const ETHER_TYPE_IPV4: u16 = 0x0800;
const ETHER_TYPE_IPV6: u16 = 0x86dd;

/// Who sent a datagram on a link, and by which interface it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Interface index.
    pub interface: u32,
    /// Hardware address of the sender.
    pub hardware: [u8; 6],
}

/// How packets leave by a link for a router that is to send them on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// To whom on the link.
    pub link: Link,
    /// In the IP header.
    pub source: IpAddr,
    /// In the IP header; of the same family.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
}

impl Way {
    /// From an own address to itself, by the peer.
    pub const fn round(link: Link, own: IpAddr) -> Self {
        Self { link, source: own, destination: own, hop_limit: HOP_LIMIT }
    }
}

/// Reads from what a packet socket says of a sender: the kernel writes a sockaddr_ll where there is room for a longer
/// sockaddr_in6.
pub(super) fn link_of(sender: &libc::sockaddr_in6) -> Link {
    // Both begin with family, protocol or port; then the interface index has the place of the flow information. The address
    // begins with the hardware type, the kind of packet and the length of the hardware address.
    let [_, _, _, _, a, b, c, d, e, f, ..] = sender.sin6_addr.s6_addr;
    Link { interface: sender.sin6_flowinfo, hardware: [a, b, c, d, e, f] }
}

pub(super) fn open_receive(ipv4: bool) -> Result<OwnedFd, Errno> {
    let fd = packet_socket()?;
    let mut filter = if ipv4 { filter_ipv4() } else { filter_ipv6() };
    sockopt::attach_filter(&fd, &mut filter)?;
    prepare_receive(&fd)?;
    let protocol = if ipv4 { ETHER_TYPE_IPV4 } else { ETHER_TYPE_IPV6 };
    sockopt::bind_packet(&fd, protocol, 0)?;
    Ok(fd)
}

/// Without a protocol it is given nothing.
pub(super) fn open_send() -> Result<OwnedFd, Errno> {
    let fd = packet_socket()?;
    sockopt::grow_send_buffer(&fd, super::SEND_BUFFER_BYTES);
    sockopt::set_int(&fd, libc::SOL_SOCKET, libc::SO_PRIORITY, SOCKET_PRIORITY)?;
    Ok(fd)
}

/// Holds the port, so that the kernel tells nobody that it is closed. Reads nothing.
pub(super) fn open_port(ipv4: bool) -> Result<OwnedFd, Errno> {
    let any = if ipv4 { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let fd = udp_socket(any)?;
    drop_everything_received(&fd)?;
    rustix::net::bind(&fd, &SocketAddr::new(any, PORT_ECHO))?;
    Ok(fd)
}

/// The kernel writes the header of the link, and takes it off.
fn packet_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::PACKET, SocketType::DGRAM, flags, None)
}

/// One instruction of a filter; jumps go over so many that follow.
fn step(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// Ancillary data of a packet (linux/filter.h: `SKF_AD_OFF` and `SKF_AD_PKTTYPE`).
const KIND_OF_PACKET: u32 = 0xffff_f004;
/// To this node (`PACKET_HOST`).
const TO_US: u32 = 0;
const EVERYTHING: u32 = u32::MAX;
const FRAGMENT_OFFSET: u32 = 0x1fff;
/// Where a UDP datagram says how often the sender of a control packet can return echoes.
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "constants")]
const ECHO_FIELD: u32 = (udp::HEADER_LENGTH + HEADER_LENGTH - 4) as u32;

// Of the classic instructions (linux/bpf_common.h).
const LOAD_OCTET: u16 = 0x30;
const LOAD_WORD: u16 = 0x28;
const LOAD_LONG: u16 = 0x20;
const LOAD_WORD_BEHIND_HEADER: u16 = 0x48;
const LOAD_LONG_BEHIND_HEADER: u16 = 0x40;
const LOAD_HEADER_LENGTH: u16 = 0xb1;
const IF_EQUAL: u16 = 0x15;
const IF_ANY_BIT: u16 = 0x45;
const TAKE: u16 = 0x06;

/// Echo packets, and control packets of who returns them, at the head of their datagrams.
fn filter_ipv4() -> Vec<libc::sock_filter> {
    vec![
        step(LOAD_OCTET, 0, 0, KIND_OF_PACKET),
        step(IF_EQUAL, 0, 11, TO_US),
        step(LOAD_OCTET, 0, 0, 9),
        step(IF_EQUAL, 0, 9, PROTOCOL_UDP.into()),
        step(LOAD_WORD, 0, 0, 6),
        step(IF_ANY_BIT, 7, 0, FRAGMENT_OFFSET),
        step(LOAD_HEADER_LENGTH, 0, 0, 0),
        step(LOAD_WORD_BEHIND_HEADER, 0, 0, 2),
        step(IF_EQUAL, 3, 0, PORT_ECHO.into()),
        step(IF_EQUAL, 0, 3, PORT_SINGLE_HOP.into()),
        step(LOAD_LONG_BEHIND_HEADER, 0, 0, ECHO_FIELD),
        step(IF_EQUAL, 1, 0, 0),
        step(TAKE, 0, 0, EVERYTHING),
        step(TAKE, 0, 0, 0),
    ]
}

fn filter_ipv6() -> Vec<libc::sock_filter> {
    let header = u32::try_from(ipv6::HEADER_LENGTH).unwrap_or_default();
    vec![
        step(LOAD_OCTET, 0, 0, KIND_OF_PACKET),
        step(IF_EQUAL, 0, 8, TO_US),
        step(LOAD_OCTET, 0, 0, 6),
        step(IF_EQUAL, 0, 6, PROTOCOL_UDP.into()),
        step(LOAD_WORD, 0, 0, header + 2),
        step(IF_EQUAL, 3, 0, PORT_ECHO.into()),
        step(IF_EQUAL, 0, 3, PORT_SINGLE_HOP.into()),
        step(LOAD_LONG, 0, 0, header + ECHO_FIELD),
        step(IF_EQUAL, 1, 0, 0),
        step(TAKE, 0, 0, EVERYTHING),
        step(TAKE, 0, 0, 0),
    ]
}

impl SendBatch {
    /// Queues an echo packet to leave by `way`. Returns whether it was queued: addresses of two families, or more than fits
    /// a datagram, are not.
    pub fn push_echo(&mut self, socket: SocketIndex, way: &Way, payload: &[u8], tag: u64) -> bool {
        let Way { link, source, destination, hop_limit } = *way;
        let ports = UdpHeader { source_port: PORT_ECHO, destination_port: PORT_ECHO };
        let header = PseudoHeader::between(source, destination).and_then(|ends| ports.bytes(ends, payload));
        let (Some(header), Ok(interface)) = (header, libc::c_int::try_from(link.interface)) else {
            return false;
        };
        let mut hardware = [0; 8];
        for (to, from) in hardware.iter_mut().zip(link.hardware) {
            *to = from;
        }
        let to = |ether_type: u16| {
            Destination::Link(libc::sockaddr_ll {
                sll_family: family(libc::AF_PACKET),
                sll_protocol: ether_type.to_be(),
                sll_ifindex: interface,
                sll_hatype: 0,
                sll_pkttype: 0,
                sll_halen: 6,
                sll_addr: hardware,
            })
        };
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let id = next_id(self.last_identification());
                let advert = Ipv4Header::of_advert(source, destination, hop_limit, id);
                let ip = Ipv4Header { protocol: PROTOCOL_UDP, ..advert };
                let Some(ip) = ip.bytes(header.len() + payload.len()) else { return false };
                self.push_parts(socket, to(ETHER_TYPE_IPV4), &[&ip, &header, payload], tag);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let Ok(length) = u16::try_from(header.len() + payload.len()) else { return false };
                let traffic_class = TRAFFIC_CLASS_INTERNETWORK_CONTROL;
                let ip =
                    Ipv6Header { traffic_class, next_header: PROTOCOL_UDP, hop_limit, source, destination };
                self.push_parts(socket, to(ETHER_TYPE_IPV6), &[&ip.bytes(length), &header, payload], tag);
            }
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_sender_on_a_link_is_read_where_it_stands() {
        let mut octets = [0_u8; size_of::<libc::sockaddr_in6>()];
        octets[4..8].copy_from_slice(&7_u32.to_ne_bytes());
        octets[11] = 6;
        octets[12..18].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
        // SAFETY: a sockaddr_in6 is plain, and every octet of it may have any value.
        let sender = unsafe { std::ptr::read_unaligned(octets.as_ptr().cast::<libc::sockaddr_in6>()) };
        assert_eq!(link_of(&sender), Link { interface: 7, hardware: [2, 0, 0, 0, 0, 9] });
        // SAFETY: as above.
        let link = unsafe { std::mem::zeroed::<libc::sockaddr_ll>() };
        let place = |field: *const u8| field.addr() - (&raw const link).addr();
        assert_eq!(place((&raw const link.sll_ifindex).cast()), 4);
        assert_eq!(place((&raw const link.sll_addr).cast()), 12);
    }
}
