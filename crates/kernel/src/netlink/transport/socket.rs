//! The netlink socket itself: opening, buffers, sending, receiving datagrams from the kernel only.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::error::{Attempt, Errno, Result};
use crate::sockopt;

/// Room for one datagram of the kernel: dumps come in pieces of at most 32 KiB, and a link message with all its
/// virtual functions can exceed a page.
const DATAGRAM_MAX: usize = 64 * 1024;

/// What is spoken over a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// NETLINK_ROUTE: links, addresses, routes.
    Route,
    /// NETLINK_GENERIC: families with numbers of their own, such as IPVS.
    Generic,
    /// NETLINK_NETFILTER: packet filters.
    Netfilter,
}

/// A bound netlink socket.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    port: u32,
    /// Allocated with the first datagram received after a [`rest`](Socket::rest).
    datagram: Vec<u8>,
}

impl Socket {
    /// Opens one in the network namespace of the calling thread, member of the first 32 `groups` that are bits here.
    pub(crate) fn open(
        protocol: Protocol,
        groups: u32,
        nonblocking: bool,
        receive_buffer_bytes: usize,
    ) -> Result<Self> {
        // NETLINK_ROUTE is protocol 0, which the call spells so.
        let number = match protocol {
            Protocol::Route => None,
            Protocol::Generic => Some(rustix::net::netlink::GENERIC),
            Protocol::Netfilter => Some(rustix::net::netlink::NETFILTER),
        };
        let mut flags = SocketFlags::CLOEXEC;
        flags.set(SocketFlags::NONBLOCK, nonblocking);
        let fd = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, number)
            .attempt("open a netlink socket")?;
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, groups)).attempt("bind a netlink socket")?;
        let name = rustix::net::getsockname(&fd).attempt("read the port of a netlink socket")?;
        let port = SocketAddrNetlink::try_from(name).attempt("read the port of a netlink socket")?.pid();
        // Both only make answers better; kernels before 4.12 lack the first.
        let _ = sockopt::set_int(&fd, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, 1);
        let _ = sockopt::set_int(&fd, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1);
        sockopt::grow_receive_buffer(&fd, receive_buffer_bytes);
        Ok(Self { fd, port, datagram: Vec::new() })
    }

    /// What is no socket at all.
    #[cfg(test)]
    pub(in crate::netlink) fn broken() -> Self {
        let fd = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").unwrap().into();
        Self { fd, port: 0, datagram: Vec::new() }
    }

    /// The port the kernel names as originator of changes made through this socket.
    pub(in crate::netlink) fn port(&self) -> u32 {
        self.port
    }

    /// Bytes the kernel may queue for this socket, its own overhead included.
    pub(in crate::netlink) fn receive_buffer_bytes(&self) -> usize {
        rustix::net::sockopt::socket_recv_buffer_size(&self.fd).unwrap_or(0)
    }

    /// Hands `bytes`, one or more whole messages, to the kernel in one call.
    pub(in crate::netlink) fn send(&self, bytes: &[u8]) -> std::result::Result<(), Errno> {
        retry_interrupted(|| {
            rustix::net::sendto(&self.fd, bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))
        })?;
        Ok(())
    }

    /// Gives back the room for a datagram. The next one takes it again.
    pub(in crate::netlink) fn rest(&mut self) {
        self.datagram = Vec::new();
    }

    /// Drops what waits. After an overrun (ENOBUFS) the kernel drops every further answer until the queue is empty, the answer to
    /// the next question with it.
    pub(in crate::netlink) fn drain(&self) {
        let mut nothing = [0; 0];
        let mut take =
            || retry_interrupted(|| rustix::net::recv(&self.fd, &mut nothing, RecvFlags::DONTWAIT));
        while matches!(take(), Ok(_) | Err(Errno::NOBUFS)) {}
    }

    /// The next datagram that the kernel sent; what other programs sent is dropped.
    pub(crate) fn receive(&mut self) -> std::result::Result<&[u8], Errno> {
        loop {
            let Self { fd, datagram, .. } = self;
            if datagram.is_empty() {
                *datagram = vec![0; DATAGRAM_MAX];
            }
            let (_, length, sender) =
                retry_interrupted(|| rustix::net::recvfrom(&*fd, datagram.as_mut_slice(), RecvFlags::TRUNC))?;
            let from_kernel = sender
                .and_then(|address| SocketAddrNetlink::try_from(address).ok())
                .is_some_and(|address| address.pid() == 0);
            if !from_kernel {
                continue;
            }
            if length > self.datagram.len() {
                return Err(Errno::MSGSIZE);
            }
            return Ok(self.datagram.get(..length).unwrap_or_default());
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn retry_interrupted<T>(
    mut call: impl FnMut() -> std::result::Result<T, Errno>,
) -> std::result::Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
