//! Hearing who answers on one link: ARP replies and neighbour advertisements, and nothing else.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::error::{Attempt, Capability, Errno, Result};
use crate::sockopt;

/// What is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnswerKind {
    /// ARP replies.
    Arp,
    /// Neighbour advertisements.
    Neighbour,
}

/// Longest frame that is read: an advertisement with its option, and room.
pub const ANSWER_BYTES: usize = 256;

/// Receives whole frames that come in by one interface. Frames of this machine are not among them.
#[derive(Debug)]
pub struct Answers {
    fd: OwnedFd,
}

impl Answers {
    /// Opens one in the network namespace of the calling thread.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW; ENODEV or ENETDOWN when the interface is not there.
    pub fn open(interface: u32, kind: AnswerKind) -> Result<Self> {
        Self::attempt(interface, kind)
            .attempt_with(Capability::NetRaw, "open a packet socket for answers on a link")
    }

    fn attempt(interface: u32, kind: AnswerKind) -> std::result::Result<Self, Errno> {
        // Without a protocol it is given nothing before it has its filter.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
        sockopt::attach_filter(&fd, &mut kind.filter())?;
        sockopt::bind_packet(&fd, kind.protocol(), interface)?;
        Ok(Self { fd })
    }

    /// Takes one frame; `None` if there is none.
    pub fn receive<'a>(&self, buffer: &'a mut [u8; ANSWER_BYTES]) -> Option<&'a [u8]> {
        let length = rustix::io::read(&self.fd, &mut buffer[..]).ok()?;
        buffer.get(..length)
    }
}

impl AsFd for Answers {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AnswerKind {
    const fn protocol(self) -> u16 {
        match self {
            Self::Arp => 0x0806,
            Self::Neighbour => 0x86dd,
        }
    }

    /// Takes frames with an Ethernet header of its kind. Places count from the beginning of the frame.
    fn filter(self) -> Vec<libc::sock_filter> {
        const ETHERNET: u32 = 14;
        let load_octet = |place| libc::sock_filter { code: 0x30, jt: 0, jf: 0, k: place };
        let load_word = |place| libc::sock_filter { code: 0x28, jt: 0, jf: 0, k: place };
        // Otherwise over so many instructions.
        let is = |value, otherwise| libc::sock_filter { code: 0x15, jt: 0, jf: otherwise, k: value };
        let take = |octets| libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: octets };
        let all = u32::try_from(ANSWER_BYTES).unwrap_or(u32::MAX);
        match self {
            // The operation (RFC 826).
            Self::Arp => vec![load_word(ETHERNET + 6), is(2, 1), take(all), take(0)],
            // Next header (RFC 8200 section 3) and type (RFC 4861 section 4.4).
            Self::Neighbour => vec![
                load_octet(ETHERNET + 6),
                is(58, 3),
                load_octet(ETHERNET + 40),
                is(136, 1),
                take(all),
                take(0),
            ],
        }
    }
}
