//! Sending ready frames: gratuitous ARP and unsolicited neighbour advertisements.

use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use steadfast_wire::ethernet::EthernetHeader;

use super::{Destination, SendBatch, SendFailure, SocketIndex, family};
use crate::error::{Attempt, Capability, Result};
use crate::sockopt;

/// Wanted send buffer: announcements of some thousand addresses at once.
const SEND_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// The one socket of an [`Announcer`].
const SOCKET: SocketIndex = SocketIndex(0);

/// Sends Ethernet frames on any interface, many with one call. Receives nothing, never waits.
pub struct Announcer {
    fd: OwnedFd,
    batch: SendBatch,
}

impl Announcer {
    /// Opens one in the network namespace of the calling thread.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW.
    pub fn open() -> Result<Self> {
        // Without a protocol, a packet socket is given nothing.
        let fd = rustix::net::socket_with(
            AddressFamily::PACKET,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )
        .attempt_with(Capability::NetRaw, "open a packet socket for gratuitous ARP")?;
        sockopt::grow_send_buffer(&fd, SEND_BUFFER_BYTES);
        Ok(Self { fd, batch: SendBatch::default() })
    }

    /// Gives back what the largest batch of frames took.
    pub fn rest(&mut self) {
        self.batch.rest();
    }

    /// Queues a frame with its Ethernet header, to go out by `interface`. `tag` names it in a [`SendFailure`].
    /// Returns whether it was queued: what is shorter than an Ethernet header is not.
    pub fn push(&mut self, interface: u32, frame: &[u8], tag: u64) -> bool {
        let Some((header, _)) = EthernetHeader::parse(frame) else { return false };
        let Ok(interface) = libc::c_int::try_from(interface) else { return false };
        let mut hardware = [0; 8];
        for (to, from) in hardware.iter_mut().zip(header.destination.0) {
            *to = from;
        }
        let destination = Destination::Link(libc::sockaddr_ll {
            sll_family: family(libc::AF_PACKET),
            sll_protocol: header.ether_type.0.to_be(),
            sll_ifindex: interface,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: hardware,
        });
        self.batch.push_parts(SOCKET, destination, &[frame], tag);
        true
    }

    /// Frames queued.
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Sends everything queued and returns how many frames went.
    pub fn flush(&mut self) -> usize {
        let fd = self.fd.as_fd();
        self.batch.flush(|_| Some(fd))
    }

    /// What the last flush could not send.
    pub fn failures(&self) -> &[SendFailure] {
        self.batch.failures()
    }
}
