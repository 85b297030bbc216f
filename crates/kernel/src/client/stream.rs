//! A connection of TCP.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::{Protocol, SockAddr, Socket, Type};

use super::{Unreached, Way, errno, unreached};
use crate::error::Errno;

/// A connection that stands, or is being made: then it becomes writable.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
    to: SocketAddr,
}

impl Stream {
    /// Begins to connect, in the network namespace of the calling thread. Returns also whether the connection stands
    /// already.
    ///
    /// # Errors
    /// What can be told at once.
    pub fn connect(way: &Way) -> Result<(Self, bool), Unreached> {
        let opened = Socket::new(way.domain(), Type::STREAM.nonblocking(), Some(Protocol::TCP))
            .and_then(|socket| way.prepare(&socket).map(|()| socket));
        let socket = opened.map_err(|error| way.unreached(errno(&error)))?;
        match socket.connect(&SockAddr::from(way.to)) {
            Ok(()) => Ok((Self { socket, to: way.to }, true)),
            Err(error) if errno(&error) == Errno::INPROGRESS => Ok((Self { socket, to: way.to }, false)),
            Err(error) => Err(way.unreached(errno(&error))),
        }
    }

    /// What became of connecting, once the socket is writable.
    ///
    /// # Errors
    /// Why there is no connection: the other side or the way to it, whatever the number. Linux makes EACCES of an ICMPv6
    /// error of a packet filter, which a socket has from this machine only while it begins to connect.
    pub fn connected(&self) -> Result<(), Unreached> {
        match self.socket.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(error)) => Err(Unreached::Far(errno(&error))),
            Err(error) => Err(unreached(self.to, errno(&error))),
        }
    }

    /// It leads back to this very host.
    pub fn is_to_oneself(&self) -> bool {
        let local = self.socket.local_addr().ok().and_then(|local| local.as_socket());
        local.is_some_and(|local| local.ip() == self.to.ip())
    }

    /// Takes what came; 0 is the end, EAGAIN that nothing is there.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.socket.read(buffer).map_err(|error| errno(&error))
    }

    /// Sends as much as there is room for.
    ///
    /// # Errors
    /// The kernel's; EAGAIN when there is no room.
    pub fn write(&mut self, octets: &[u8]) -> Result<usize, Errno> {
        self.socket.write(octets).map_err(|error| errno(&error))
    }

    /// Tells the other side that nothing more comes; what it still says can be read.
    ///
    /// # Errors
    /// ENOTCONN when it has reset the connection.
    pub fn finish(&self) -> Result<(), Errno> {
        self.socket.shutdown(std::net::Shutdown::Write).map_err(|error| errno(&error))
    }

    /// Ends it with a reset: nothing of it stays in the kernel.
    pub fn reset(self) {
        // Without it the connection is closed in order, which is no worse than a socket that lingers.
        let _ = self.socket.set_linger(Some(Duration::ZERO));
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
