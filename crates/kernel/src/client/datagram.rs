//! Datagrams to and from one address: UDP, and echo requests of ICMP.

use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Protocol, SockAddr, Socket, Type};

use super::{Unreached, Way, errno};
use crate::error::Errno;
use crate::sockopt;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatagramKind {
    /// UDP.
    Udp,
    /// ICMP or ICMPv6 by the family; needs a group within the sysctl net.ipv4.ping_group_range.
    Echo,
}

/// Sends to one address and hears from it alone; hears also why nothing can come from there.
#[derive(Debug)]
pub struct DatagramSocket {
    socket: Socket,
    way: Way,
}

impl DatagramSocket {
    /// Opens one in the network namespace of the calling thread.
    ///
    /// # Errors
    /// EACCES for echo requests when the group may not send them; what can be told of the way at once.
    pub fn open(kind: DatagramKind, way: &Way) -> Result<Self, Unreached> {
        let v4 = matches!(way.to.ip(), IpAddr::V4(_));
        let protocol = match (kind, v4) {
            (DatagramKind::Udp, _) => Protocol::UDP,
            (DatagramKind::Echo, true) => Protocol::ICMPV4,
            (DatagramKind::Echo, false) => Protocol::ICMPV6,
        };
        let opened = Socket::new(way.domain(), Type::DGRAM, Some(protocol)).and_then(|socket| {
            way.prepare(&socket)?;
            // Errors of the way, not only a port that refuses, are told to those who ask for them.
            let (level, option) =
                if v4 { (libc::SOL_IP, libc::IP_RECVERR) } else { (libc::SOL_IPV6, libc::IPV6_RECVERR) };
            sockopt::set_int(&socket, level, option, 1)?;
            socket.connect(&SockAddr::from(way.to))?;
            Ok(socket)
        });
        let socket = opened.map_err(|error| way.unreached(errno(&error)))?;
        Ok(Self { socket, way: way.clone() })
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// Also what the network said of an earlier one.
    pub fn send(&mut self, octets: &[u8]) -> Result<(), Unreached> {
        self.socket.write(octets).map(drop).map_err(|error| self.way.unreached(errno(&error)))
    }

    /// Takes one datagram; none if there is none.
    ///
    /// # Errors
    /// What the network said of what was sent.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Unreached> {
        match self.socket.read(buffer) {
            Ok(length) => Ok(Some(length)),
            Err(error) if errno(&error) == Errno::AGAIN => Ok(None),
            Err(error) => Err(self.way.unreached(errno(&error))),
        }
    }
}

impl AsFd for DatagramSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
