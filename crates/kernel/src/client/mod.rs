//! Sockets of one who asks others: streams and datagrams to one address, never waiting.

mod datagram;
mod echo;
mod stream;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, SockAddr, Socket};

pub use datagram::{DatagramKind, DatagramSocket};
pub use stream::Stream;

use crate::error::{Errno, Error};

/// Whom to ask, and whence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Address and port.
    pub to: SocketAddr,
    /// Local address, and port if it is not 0.
    pub from: Option<SocketAddr>,
    /// Local interface.
    pub interface: Option<String>,
    /// Mark for routes and rules; 0 is none.
    pub mark: u32,
}

/// Why nobody could be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// The other side, or the way to it.
    #[error("{0}")]
    Far(Errno),
    /// Something on this machine.
    #[error("{0}")]
    Near(Error),
}

impl Unreached {
    fn near(to: SocketAddr, errno: Errno) -> Self {
        Self::Near(Error::new(format!("ask {to}"), errno))
    }
}

impl Way {
    /// Straight to an address.
    pub const fn to(to: SocketAddr) -> Self {
        Self { to, from: None, interface: None, mark: 0 }
    }

    /// Binds a socket as asked for.
    fn prepare(&self, socket: &Socket) -> std::io::Result<()> {
        if self.mark != 0 {
            socket.set_mark(self.mark)?;
        }
        if let Some(interface) = &self.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        if let Some(from) = self.from {
            if from.port() != 0 {
                socket.set_reuse_address(true)?;
            }
            socket.bind(&SockAddr::from(from))?;
        }
        Ok(())
    }

    /// The address to connect to. Raw sockets have no ports: for those of IPv6 it has to be 0.
    const fn connected(&self, raw: bool) -> SocketAddr {
        let mut to = self.to;
        if raw {
            to.set_port(0);
        }
        to
    }

    const fn domain(&self) -> Domain {
        match self.to.ip() {
            IpAddr::V4(_) => Domain::IPV4,
            IpAddr::V6(_) => Domain::IPV6,
        }
    }

    fn unreached(&self, errno: Errno) -> Unreached {
        unreached(self.to, errno)
    }
}

/// Tells apart whose fault it is that nobody could be asked.
fn unreached(to: SocketAddr, errno: Errno) -> Unreached {
    if is_far(errno) {
        return Unreached::Far(errno);
    }
    Unreached::near(to, errno)
}

/// Whether an error of a socket that is about to ask speaks of the other side or of the way to it.
fn is_far(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::CONNREFUSED
            | Errno::CONNRESET
            | Errno::CONNABORTED
            | Errno::TIMEDOUT
            | Errno::HOSTUNREACH
            | Errno::HOSTDOWN
            | Errno::NETUNREACH
            | Errno::NETDOWN
            | Errno::PIPE
            | Errno::PROTO
    )
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
