//! Changes of links and addresses, as the kernel announces them.

use std::os::fd::{AsFd, BorrowedFd};

use super::address::Address;
use super::link::Link;
use crate::error::{Errno, Error, Result};
use crate::netlink::transport::{Frames, Protocol, Socket};
use crate::sockopt::{self, BufferSize};

/// Wanted receive buffer: room for the announcements of some thousand addresses at once.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Datagrams read by one call, so that the caller's other work gets its turn.
const DATAGRAMS_MAX: usize = 512;

/// RTMGRP_* groups joined.
const GROUPS: u32 = (libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR).cast_unsigned();

/// Hears the kernel's announcements. Opened before a dump, it misses nothing that happens after it.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
}

/// Something changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An interface appeared or changed in some way (also in ways not told here).
    Link(Link),
    /// An interface was removed, or moved to another namespace.
    LinkGone(Link),
    /// An address appeared or changed: an IPv6 address also when it ceases to be tentative.
    AddressAdded {
        /// Which.
        address: Address,
        /// The port of the requester, see [`Requests::port`](crate::netlink::Requests::port); 0 for the kernel itself, and
        /// for every IPv6 address.
        origin: u32,
    },
    /// An address was removed.
    AddressRemoved {
        /// Which.
        address: Address,
        /// As above.
        origin: u32,
    },
    /// Announcements were lost: only dumps can tell what is there.
    Overrun,
}

impl Monitor {
    /// Opens one in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel's, should it have no netlink or no descriptor left.
    pub fn open() -> Result<Self> {
        Ok(Self { socket: Socket::open(Protocol::Route, GROUPS, true, RECEIVE_BUFFER_BYTES)? })
    }

    /// Asks for a receive buffer, the usual one without a size.
    pub fn resize(&self, wanted: Option<BufferSize>) {
        sockopt::size_receive_buffer(&self.socket, wanted, RECEIVE_BUFFER_BYTES);
    }

    /// Gives back the room for what is read.
    pub fn rest(&mut self) {
        self.socket.rest();
    }

    /// Appends what was announced to `changes`, without waiting. Returns whether there may be more.
    ///
    /// # Errors
    /// The kernel's; none is expected.
    pub fn read(&mut self, changes: &mut Vec<Change>) -> Result<bool> {
        for _ in 0..DATAGRAMS_MAX {
            match self.socket.receive() {
                Ok(datagram) => {
                    changes.extend(Frames(datagram).filter_map(|frame| {
                        decode(frame.message_type(), frame.port_number(), frame.payload())
                    }))
                }
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::NOBUFS | Errno::MSGSIZE) => changes.push(Change::Overrun),
                Err(errno) => return Err(Error::new("read announcements of links and addresses", errno)),
            }
        }
        Ok(true)
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn decode(message_type: u16, origin: u32, payload: &[u8]) -> Option<Change> {
    match message_type {
        libc::RTM_NEWLINK => Link::decode(payload).map(Change::Link),
        libc::RTM_DELLINK => Link::decode(payload).map(Change::LinkGone),
        libc::RTM_NEWADDR => Address::decode(payload).map(|address| Change::AddressAdded { address, origin }),
        libc::RTM_DELADDR => {
            Address::decode(payload).map(|address| Change::AddressRemoved { address, origin })
        }
        _ => None,
    }
}
