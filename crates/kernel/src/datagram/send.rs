//! Sending many datagrams with one system call for each socket.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::os::fd::{AsRawFd, BorrowedFd};

use steadfast_wire::ipv4::{Ipv4Header, next_id};
use steadfast_wire::ipv6::{Ipv6Header, TRAFFIC_CLASS_INTERNETWORK_CONTROL};
use steadfast_wire::vrrp::Carrier;

use crate::error::{Errno, last_errno};

/// Datagrams handed over by one call; more take several.
pub const MESSAGES_PER_CALL_MAX: usize = 256;

/// A socket's place in the caller's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketIndex(pub u32);

/// An advert with what its IP header has to say.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Sender.
    pub source: IpAddr,
    /// Group or peer.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// What stands before the VRRP message, and in it the identification of the IPv4 header that it was made for.
    pub carrier: Carrier,
    /// Everything after the IP header.
    pub message: &'a [u8],
}

/// Datagrams that wait to be sent together. Its memory grows to the largest batch and is used again.
#[derive(Default)]
pub struct SendBatch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    failures: Vec<SendFailure>,
    vectors: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
    identification: Option<NonZeroU16>,
}

// SAFETY: the pointers in `vectors` and `messages` are used only while `flush` runs, which makes them anew.
unsafe impl Send for SendBatch {}

/// A datagram that was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendFailure {
    /// As given to `push`.
    pub tag: u64,
    /// The socket.
    pub socket: SocketIndex,
    /// Why: ENOBUFS or EAGAIN when a queue is full, ENETDOWN, ENETUNREACH, EPERM from a firewall.
    pub errno: Errno,
}

struct Entry {
    socket: SocketIndex,
    start: usize,
    end: usize,
    tag: u64,
    destination: Destination,
}

/// Where a datagram goes, as the kernel wants it.
pub(crate) enum Destination {
    V4(libc::sockaddr_in),
    V6(libc::sockaddr_in6),
    Link(libc::sockaddr_ll),
}

impl SendBatch {
    /// Queues an advert behind an IP header of its own. `interface` gives link-local IPv6 destinations their
    /// zone; `tag` names it in a [`SendFailure`]. Returns whether it was queued: addresses of two families, or more
    /// than fits an IP datagram, are not.
    #[inline]
    pub fn push(
        &mut self,
        socket: SocketIndex,
        interface: Option<u32>,
        packet: &Packet<'_>,
        tag: u64,
    ) -> bool {
        let Packet { source, destination, hop_limit, carrier, message } = *packet;
        let protocol = carrier.protocol().number();
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let own = || self.identification.map_or(NonZeroU16::MIN, next_id);
                let id = match carrier {
                    Carrier::Ip => own(),
                    Carrier::AuthenticationHeader { identification } => {
                        NonZeroU16::new(identification).unwrap_or_else(own)
                    }
                };
                let header =
                    Ipv4Header { protocol, ..Ipv4Header::of_advert(source, destination, hop_limit, id) };
                let Some(header) = header.bytes(message.len()) else { return false };
                if carrier == Carrier::Ip {
                    self.identification = Some(id);
                }
                self.push_parts(socket, Destination::v4(destination), &[&header, message], tag);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let Ok(length) = u16::try_from(message.len()) else { return false };
                let header = Ipv6Header {
                    traffic_class: TRAFFIC_CLASS_INTERNETWORK_CONTROL,
                    next_header: protocol,
                    hop_limit,
                    source,
                    destination,
                };
                let destination = Destination::v6(destination, interface.unwrap_or(0));
                self.push_parts(socket, destination, &[&header.bytes(length), message], tag);
            }
            _ => return false,
        }
        true
    }

    /// Queues the payload of a UDP datagram.
    pub fn push_payload(&mut self, socket: SocketIndex, to: SocketAddr, payload: &[u8], tag: u64) {
        let mut destination = match to.ip() {
            IpAddr::V4(address) => Destination::v4(address),
            IpAddr::V6(address) => Destination::v6(address, 0),
        };
        match &mut destination {
            Destination::V4(address) => address.sin_port = to.port().to_be(),
            Destination::V6(address) => address.sin6_port = to.port().to_be(),
            Destination::Link(_) => {}
        }
        self.push_parts(socket, destination, &[payload], tag);
    }

    /// Of the IPv4 header that was written last.
    pub(super) fn last_identification(&self) -> NonZeroU16 {
        self.identification.unwrap_or(NonZeroU16::MIN)
    }

    /// Queues ready bytes.
    #[inline]
    pub(crate) fn push_parts(
        &mut self,
        socket: SocketIndex,
        destination: Destination,
        parts: &[&[u8]],
        tag: u64,
    ) {
        let start = self.bytes.len();
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.entries.push(Entry { socket, start, end: self.bytes.len(), tag, destination });
    }

    /// Gives back what the largest batch took, unless something is queued. The next batch takes what it needs.
    pub fn rest(&mut self) {
        if self.is_empty() {
            *self = Self { identification: self.identification, ..Self::default() };
        }
    }

    /// Datagrams queued.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sends everything, with one call for each socket and [`MESSAGES_PER_CALL_MAX`], in the order of pushing
    /// within a socket. Never waits: what the kernel does not take is a failure. Returns how many were sent.
    /// `fd` finds a socket; datagrams of one it does not find fail with EBADF.
    #[inline]
    pub fn flush<'fd>(&mut self, mut fd: impl FnMut(SocketIndex) -> Option<BorrowedFd<'fd>>) -> usize {
        self.failures.clear();
        // Equal sockets stand together; `start` keeps the order among them.
        self.entries.sort_unstable_by_key(|entry| (entry.socket, entry.start));
        let Self { bytes, entries, failures, vectors, messages, .. } = self;
        let before = entries.len();
        for run in entries.chunk_by_mut(|one, other| one.socket == other.socket) {
            let Some(socket) = run.first().map(|entry| entry.socket) else { continue };
            for piece in run.chunks_mut(MESSAGES_PER_CALL_MAX) {
                match fd(socket) {
                    Some(fd) => send_piece(fd, bytes, piece, vectors, messages, failures),
                    None => failures.extend(piece.iter().map(|entry| entry.failed(Errno::BADF))),
                }
            }
        }
        entries.clear();
        bytes.clear();
        before - failures.len()
    }

    /// The same, to keep.
    pub fn take_failures(&mut self) -> Vec<SendFailure> {
        std::mem::take(&mut self.failures)
    }

    /// What the last [`flush`](Self::flush) could not send.
    pub fn failures(&self) -> &[SendFailure] {
        &self.failures
    }
}

impl Entry {
    fn failed(&self, errno: Errno) -> SendFailure {
        SendFailure { tag: self.tag, socket: self.socket, errno }
    }
}

#[inline]
fn send_piece(
    fd: BorrowedFd<'_>,
    bytes: &mut [u8],
    piece: &mut [Entry],
    vectors: &mut Vec<libc::iovec>,
    messages: &mut Vec<libc::mmsghdr>,
    failures: &mut Vec<SendFailure>,
) {
    vectors.clear();
    vectors.extend(piece.iter().map(|entry| {
        let datagram = bytes.get_mut(entry.start..entry.end).unwrap_or_default();
        libc::iovec { iov_base: datagram.as_mut_ptr().cast(), iov_len: datagram.len() }
    }));
    messages.clear();
    messages.extend(piece.iter_mut().zip(vectors.iter_mut()).map(|(entry, vector)| {
        let (name, length) = entry.destination.raw();
        // SAFETY: all-zero is a valid mmsghdr.
        let mut message = unsafe { std::mem::zeroed::<libc::mmsghdr>() };
        message.msg_hdr.msg_name = name;
        message.msg_hdr.msg_namelen = length;
        message.msg_hdr.msg_iov = std::ptr::from_mut(vector);
        message.msg_hdr.msg_iovlen = 1;
        message
    }));
    let mut done = 0;
    while let Some(rest) = messages.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let count = libc::c_uint::try_from(rest.len()).unwrap_or(libc::c_uint::MAX);
        // SAFETY: the messages point at vectors, addresses and bytes that live and stay in place until this
        // function ends.
        let sent = unsafe {
            libc::sendmmsg(
                fd.as_raw_fd(),
                rest.as_mut_ptr(),
                count,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        match usize::try_from(sent) {
            // Nothing sent and no error told does not happen; it must not become an endless loop.
            Ok(0) => break,
            Ok(sent) => done += sent,
            // The error is that of the first datagram of the call; those behind it may still go.
            Err(_) => match last_errno() {
                Errno::INTR => {}
                errno => {
                    failures.extend(piece.get(done).map(|entry| entry.failed(errno)));
                    done += 1;
                }
            },
        }
    }
    failures.extend(piece.iter().skip(done).map(|entry| entry.failed(Errno::AGAIN)));
}

impl Destination {
    fn v4(address: std::net::Ipv4Addr) -> Self {
        Self::V4(libc::sockaddr_in {
            sin_family: family(libc::AF_INET),
            sin_port: 0,
            sin_addr: libc::in_addr { s_addr: u32::from(address).to_be() },
            sin_zero: [0; 8],
        })
    }

    fn v6(address: std::net::Ipv6Addr, zone: u32) -> Self {
        Self::V6(libc::sockaddr_in6 {
            sin6_family: family(libc::AF_INET6),
            sin6_port: 0,
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: address.octets() },
            sin6_scope_id: zone,
        })
    }

    fn raw(&mut self) -> (*mut libc::c_void, libc::socklen_t) {
        fn parts<T>(address: &mut T) -> (*mut libc::c_void, libc::socklen_t) {
            let length = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
            (std::ptr::from_mut(address).cast(), length)
        }
        match self {
            Self::V4(address) => parts(address),
            Self::V6(address) => parts(address),
            Self::Link(address) => parts(address),
        }
    }
}

pub(super) fn family(number: libc::c_int) -> libc::sa_family_t {
    libc::sa_family_t::try_from(number).unwrap_or_default()
}
