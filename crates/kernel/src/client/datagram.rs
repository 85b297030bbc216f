//! Datagrams to and from one address: UDP, and echo requests of ICMP.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Protocol, SockAddr, Socket, Type};

use super::echo::RawEcho;
use super::{Unreached, Way, errno};
use crate::error::Errno;
use crate::sockopt;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatagramKind {
    /// UDP.
    Udp,
    /// ICMP or ICMPv6 by the family; needs a group within the sysctl net.ipv4.ping_group_range, or CAP_NET_RAW.
    Echo,
}

/// Messages of others that are passed over in one call, so that they keep nobody busy.
const OTHERS_OF_A_CALL: usize = 16;

/// Sends to one address and hears from it alone; hears also why nothing can come from there.
#[derive(Debug)]
pub struct DatagramSocket {
    socket: Socket,
    raw: Option<RawEcho>,
    to: SocketAddr,
}

impl DatagramSocket {
    /// Opens one in the network namespace of the calling thread.
    ///
    /// # Errors
    /// EPERM for echo requests when nobody may send them; what can be told of the way at once.
    pub fn open(kind: DatagramKind, way: &Way) -> Result<Self, Unreached> {
        let opened = Self::socket(kind, way).and_then(|(raw, socket)| {
            socket.set_nonblocking(true)?;
            way.prepare(&socket)?;
            // Errors of the way, not only a port that refuses, are told to those who ask for them.
            let (level, option) = if way.to.is_ipv4() {
                (libc::SOL_IP, libc::IP_RECVERR)
            } else {
                (libc::SOL_IPV6, libc::IPV6_RECVERR)
            };
            sockopt::set_int(&socket, level, option, 1)?;
            socket.connect(&SockAddr::from(way.connected(raw.is_some())))?;
            Ok((raw, socket))
        });
        let (raw, socket) = opened.map_err(|error| way.unreached(errno(&error)))?;
        Ok(Self { socket, raw, to: way.to })
    }

    fn socket(kind: DatagramKind, way: &Way) -> std::io::Result<(Option<RawEcho>, Socket)> {
        let protocol = match (kind, way.to.is_ipv4()) {
            (DatagramKind::Udp, _) => Protocol::UDP,
            (DatagramKind::Echo, true) => Protocol::ICMPV4,
            (DatagramKind::Echo, false) => Protocol::ICMPV6,
        };
        match Socket::new(way.domain(), Type::DGRAM, Some(protocol)) {
            Ok(socket) => Ok((None, socket)),
            Err(error) if kind == DatagramKind::Echo && errno(&error) == Errno::ACCESS => {
                RawEcho::open(way).map(|(raw, socket)| (Some(raw), socket))
            }
            Err(error) => Err(error),
        }
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// Also what the network said of an earlier one. A packet that this machine does not let out speaks of the way, as it
    /// does for keepalived; one for which it has no room speaks of nobody.
    pub fn send(&mut self, octets: &[u8]) -> Result<(), Unreached> {
        let sent = match self.raw {
            Some(raw) => self.socket.write(&raw.sealed(octets)),
            None => self.socket.write(octets),
        };
        sent.map(drop).map_err(|error| unsent(self.to, errno(&error)))
    }

    /// Takes one datagram; none if there is none.
    ///
    /// # Errors
    /// What the network said of what was sent, whatever the number (see [`Stream::connected`](super::Stream::connected)).
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Unreached> {
        for _ in 0..OTHERS_OF_A_CALL {
            let length = match self.socket.read(buffer) {
                Ok(length) => length,
                Err(error) if errno(&error) == Errno::AGAIN => return Ok(None),
                Err(error) => return Err(Unreached::Far(errno(&error))),
            };
            let Some(raw) = self.raw else { return Ok(Some(length)) };
            let message = buffer.get(..length).and_then(|received| raw.opened(received)).map(<[u8]>::len);
            if let Some(message) = message {
                // What stands before it is the header of IP.
                buffer.copy_within(length - message..length, 0);
                return Ok(Some(message));
            }
        }
        Ok(None)
    }
}

/// Tells apart whose fault it is that a datagram was not sent. With IP_RECVERR Linux tells also of a queue of this machine
/// that is full (ENOBUFS).
fn unsent(to: SocketAddr, errno: Errno) -> Unreached {
    match errno {
        Errno::NOBUFS | Errno::NOMEM | Errno::AGAIN => Unreached::near(to, errno),
        errno => Unreached::Far(errno),
    }
}

impl AsFd for DatagramSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
