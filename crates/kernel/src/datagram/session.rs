//! UDP sockets of BFD (RFC 5881 section 4, RFC 5883 section 5).

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto};
use steadfast_wire::bfd::{HOP_LIMIT, SOURCE_PORTS};

use super::{
    SEND_BUFFER_BYTES, SOCKET_PRIORITY, bind_to_interface, drop_everything_received, prepare_receive,
};
use crate::error::Errno;
use crate::sockopt;
use crate::wait::clock;

/// Type of service of control traffic: CS6, internetwork control (RFC 2474 section 4.2.2.2).
const TYPE_OF_SERVICE: libc::c_int = 0xc0;

pub(super) fn open_receive(port: u16, local: IpAddr, interface: Option<u32>) -> Result<OwnedFd, Errno> {
    let fd = udp_socket(local)?;
    bind_to_interface(&fd, interface)?;
    // The socket for every address may stand beside one for a certain address.
    sockopt::set_int(&fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if local.is_ipv4() {
        sockopt::set_int(&fd, libc::IPPROTO_IP, libc::IP_RECVTTL, 1)?;
        sockopt::set_int(&fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
    } else {
        sockopt::set_int(&fd, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
        sockopt::set_int(&fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
    }
    prepare_receive(&fd)?;
    rustix::net::bind(&fd, &SocketAddr::new(local, port))?;
    Ok(fd)
}

/// Packets of a session come from one port of the range (RFC 5881 section 4), which one does not matter.
pub(super) fn open_send(local: IpAddr, interface: Option<u32>) -> Result<OwnedFd, Errno> {
    let fd = udp_socket(local)?;
    bind_to_interface(&fd, interface)?;
    drop_everything_received(&fd)?;
    sockopt::grow_send_buffer(&fd, SEND_BUFFER_BYTES);
    if local.is_ipv4() {
        sockopt::set_int(&fd, libc::IPPROTO_IP, libc::IP_TTL, HOP_LIMIT.into())?;
        sockopt::set_int(&fd, libc::IPPROTO_IP, libc::IP_TOS, TYPE_OF_SERVICE)?;
    } else {
        sockopt::set_int(&fd, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, HOP_LIMIT.into())?;
        sockopt::set_int(&fd, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, TYPE_OF_SERVICE)?;
    }
    // After the type of service, which sets a priority too.
    sockopt::set_int(&fd, libc::SOL_SOCKET, libc::SO_PRIORITY, SOCKET_PRIORITY)?;
    let (first, last) = (*SOURCE_PORTS.start(), *SOURCE_PORTS.end());
    let ports = u64::from(last - first) + 1;
    let begin = u16::try_from(clock::monotonic() / 1_000 % ports).unwrap_or_default();
    for port in (first + begin..=last).chain(first..first + begin) {
        match rustix::net::bind(&fd, &SocketAddr::new(local, port)) {
            Ok(()) => return Ok(fd),
            Err(Errno::ADDRINUSE) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Errno::ADDRINUSE)
}

pub(super) fn udp_socket(local: IpAddr) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = rustix::net::socket_with(family, SocketType::DGRAM, flags, Some(ipproto::UDP))?;
    if local.is_ipv4() {
        sockopt::set_int(&fd, libc::IPPROTO_IP, libc::IP_FREEBIND, 1)?;
    } else {
        sockopt::set_int(&fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
        sockopt::set_int(&fd, libc::IPPROTO_IPV6, libc::IPV6_FREEBIND, 1)?;
    }
    Ok(fd)
}
