//! Receiving many datagrams with one system call.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use steadfast_wire::ipv4::{Ipv4Error, Ipv4Packet};
use steadfast_wire::ipv6::Ipv6Header;

use super::echo::{Link, link_of};
use super::{Endpoint, NOBODY_V4, NOBODY_V6, ReceiveSocket};
use crate::error::{Errno, Error, Result, last_errno};
use crate::wait::clock::{self, ClockPair};

/// Room for the control messages of one datagram: arrival, hop limit, packet info, drops.
const CONTROL_BYTES: usize = 128;

/// Length of struct cmsghdr on Linux: a size and two integers.
const CONTROL_HEADER_BYTES: usize = size_of::<usize>() + 8;

/// Preallocated room for a batch of datagrams, used again and again and for any number of sockets.
pub struct ReceiveBatch {
    datagram_bytes: usize,
    datagrams: Box<[u8]>,
    controls: Box<[Control]>,
    senders: Box<[libc::sockaddr_in6]>,
    vectors: Box<[libc::iovec]>,
    messages: Box<[libc::mmsghdr]>,
    received: usize,
    form: Form,
    clocks: ClockPair,
    earliest: u64,
}

// SAFETY: the pointers in `vectors` and `messages` point into the other boxes of the same value, which move with it.
unsafe impl Send for ReceiveBatch {}

/// What a socket gives for a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The IP header too, which tells everything.
    RawV4,
    /// The payload, and an address of IPv4 beside it.
    UdpV4,
    /// The payload, and an address of IPv6 beside it.
    V6,
    /// The IP header too, and who sent it on the link beside it.
    Link {
        /// Which header it is.
        ipv4: bool,
    },
}

impl Form {
    const fn of(endpoint: &Endpoint) -> Self {
        match endpoint {
            Endpoint::Echo { ipv4 } => Self::Link { ipv4: *ipv4 },
            _ if !endpoint.is_ipv4() => Self::V6,
            Endpoint::Session { .. } => Self::UdpV4,
            Endpoint::Group { .. } | Endpoint::Unicast { .. } => Self::RawV4,
        }
    }
}

/// Control messages start at multiples of a word.
#[repr(align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

/// A received datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Sender.
    pub source: IpAddr,
    /// Group or own address.
    pub destination: IpAddr,
    /// TTL or hop limit; `None` if the kernel did not tell.
    pub hop_limit: Option<u8>,
    /// Identification of the IPv4 header.
    pub identification: u16,
    /// The payload, its IP header taken off.
    pub message: &'a [u8],
    /// Who sent it on the link, where the socket tells.
    pub link: Option<Link>,
    /// When the kernel took it from the interface, nanoseconds of CLOCK_BOOTTIME.
    pub arrival: u64,
}

/// A received datagram of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDatagram {
    /// Longer than the room for one.
    #[error("datagram of {source_address} exceeds {room} bytes")]
    Truncated {
        /// Sender.
        source_address: IpAddr,
        /// Bytes of room.
        room: usize,
    },
    /// Its IPv4 header is wrong.
    #[error("datagram of {source_address}: {error}")]
    Header {
        /// Sender.
        source_address: IpAddr,
        /// How.
        error: Ipv4Error,
    },
}

impl ReceiveBatch {
    /// Room for `count` datagrams of at most `datagram_bytes` each, IP header included.
    pub fn new(count: usize, datagram_bytes: usize) -> Self {
        // SAFETY: both are plain C structures for which all-zero is valid.
        let (message, sender) =
            unsafe { (std::mem::zeroed::<libc::mmsghdr>(), std::mem::zeroed::<libc::sockaddr_in6>()) };
        let vector = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: datagram_bytes };
        let mut batch = Self {
            datagram_bytes,
            datagrams: vec![0; count * datagram_bytes].into_boxed_slice(),
            controls: vec![Control([0; CONTROL_BYTES]); count].into_boxed_slice(),
            senders: vec![sender; count].into_boxed_slice(),
            vectors: vec![vector; count].into_boxed_slice(),
            messages: vec![message; count].into_boxed_slice(),
            received: 0,
            form: Form::RawV4,
            clocks: ClockPair { monotonic: 0, realtime: 0 },
            earliest: 0,
        };
        batch.link_up();
        batch.make_ready(count);
        batch
    }

    /// Points each message at its sender, vector and control buffer, and each vector at its datagram: once, because
    /// the boxes never move.
    fn link_up(&mut self) {
        let datagrams = self.datagrams.chunks_exact_mut(self.datagram_bytes.max(1));
        for (vector, datagram) in self.vectors.iter_mut().zip(datagrams) {
            vector.iov_base = datagram.as_mut_ptr().cast();
        }
        let buffers = self.vectors.iter_mut().zip(&mut self.controls).zip(&mut self.senders);
        for (message, ((vector, control), sender)) in self.messages.iter_mut().zip(buffers) {
            message.msg_hdr.msg_iov = std::ptr::from_mut(vector);
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            message.msg_hdr.msg_name = std::ptr::from_mut(sender).cast();
        }
    }

    /// Gives the kernel back the full lengths of the first `count` messages, which it has cut to what it wrote.
    fn make_ready(&mut self, count: usize) {
        for message in self.messages.iter_mut().take(count) {
            message.msg_hdr.msg_namelen =
                libc::socklen_t::try_from(size_of::<libc::sockaddr_in6>()).unwrap_or(0);
            message.msg_hdr.msg_controllen = CONTROL_BYTES as _;
            message.msg_hdr.msg_flags = 0;
        }
    }

    /// Reads what waits at `socket`, up to `at_most` datagrams, without waiting, and forgets the batch before. Returns
    /// whether there may be more: the batch was full.
    ///
    /// # Errors
    /// The kernel's, such as ENETDOWN; an empty socket is none.
    pub fn receive(&mut self, socket: &mut ReceiveSocket, at_most: usize) -> Result<bool> {
        let used = std::mem::take(&mut self.received);
        self.make_ready(used);
        self.form = Form::of(&socket.endpoint);
        self.earliest = socket.empty_since;
        let before = clock::monotonic();
        let room = self.messages.len().min(at_most);
        let count = libc::c_uint::try_from(room).unwrap_or(libc::c_uint::MAX);
        // SAFETY: each of the `count` messages points at buffers of its own with their true lengths (`link_up`); the
        // kernel keeps none of the pointers.
        let received = unsafe {
            libc::recvmmsg(
                socket.fd.as_raw_fd(),
                self.messages.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        self.clocks = ClockPair::sample();
        match usize::try_from(received) {
            Ok(received) => self.received = received,
            Err(_) => match last_errno() {
                Errno::AGAIN | Errno::INTR => {}
                errno => {
                    return Err(Error::new(format!("read the {}", socket.endpoint.describe()), errno));
                }
            },
        }
        let full = self.received == room;
        if !full {
            socket.empty_since = before;
        }
        self.note_lost(socket);
        Ok(full)
    }

    /// The datagrams of the last [`receive`](Self::receive), in the order of their arrival.
    pub fn iter(&self) -> impl Iterator<Item = Result<Datagram<'_>, BadDatagram>> + '_ {
        let datagrams = self.datagrams.chunks_exact(self.datagram_bytes.max(1));
        let parts = self.messages.iter().zip(datagrams).zip(&self.controls).zip(&self.senders);
        parts
            .take(self.received)
            .map(|(((message, datagram), control), sender)| self.datagram(message, datagram, control, sender))
    }

    fn datagram<'a>(
        &'a self,
        message: &libc::mmsghdr,
        datagram: &'a [u8],
        control: &Control,
        sender: &libc::sockaddr_in6,
    ) -> Result<Datagram<'a>, BadDatagram> {
        let told = Told::read(control, message);
        let arrival =
            told.stamp.map_or(self.clocks.monotonic, |stamp| self.clocks.monotonic_of(stamp, self.earliest));
        let length = usize::try_from(message.msg_len).unwrap_or(usize::MAX);
        let bytes = datagram.get(..length).unwrap_or(datagram);
        let truncated = message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        let room = self.datagram_bytes;
        let link = matches!(self.form, Form::Link { .. }).then(|| link_of(sender));
        if self.form == (Form::Link { ipv4: false }) {
            let bad = BadDatagram::Truncated { source_address: NOBODY_V6, room };
            let whole = Ipv6Header::parse(bytes).filter(|_| !truncated).ok_or(bad)?;
            let (header, message) = whole;
            return Ok(Datagram {
                source: header.source.into(),
                destination: header.destination.into(),
                hop_limit: Some(header.hop_limit),
                identification: 0,
                message,
                link,
                arrival,
            });
        }
        if matches!(self.form, Form::RawV4 | Form::Link { .. }) {
            let source_address = ipv4_source(bytes);
            if truncated {
                return Err(BadDatagram::Truncated { source_address, room });
            }
            let packet =
                Ipv4Packet::parse(bytes).map_err(|error| BadDatagram::Header { source_address, error })?;
            Ok(Datagram {
                source: packet.source.into(),
                destination: packet.destination.into(),
                hop_limit: Some(packet.ttl),
                identification: packet.id,
                message: packet.payload,
                link,
                arrival,
            })
        } else {
            let source = match self.form {
                // Where a sockaddr_in has its address, a sockaddr_in6 has its flow information.
                Form::UdpV4 => IpAddr::V4(Ipv4Addr::from(sender.sin6_flowinfo.to_ne_bytes())),
                Form::RawV4 | Form::V6 | Form::Link { .. } => {
                    IpAddr::V6(Ipv6Addr::from(sender.sin6_addr.s6_addr))
                }
            };
            if truncated {
                return Err(BadDatagram::Truncated { source_address: source, room });
            }
            let nobody = if source.is_ipv4() { NOBODY_V4 } else { NOBODY_V6 };
            let destination = told.destination.unwrap_or(nobody);
            Ok(Datagram {
                source,
                destination,
                hop_limit: told.hop_limit,
                identification: 0,
                message: bytes,
                link,
                arrival,
            })
        }
    }

    fn note_lost(&self, socket: &mut ReceiveSocket) {
        let newest = self.messages.iter().zip(&self.controls).take(self.received).next_back();
        if let Some((message, control)) = newest
            && let Some(lost) = Told::read(control, message).lost
        {
            socket.lost = lost;
        }
    }
}

/// The sender in an IPv4 header, for naming one whose datagram is of no use.
fn ipv4_source(bytes: &[u8]) -> IpAddr {
    match bytes.get(12..16) {
        Some(&[a, b, c, d]) => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        _ => NOBODY_V4,
    }
}

/// CLOCK_REALTIME nanoseconds of an arrival, where the control messages tell.
pub(crate) fn arrival_stamp(control_messages: &[u8]) -> Option<u64> {
    Told::of(control_messages).stamp
}

/// What the control messages of a datagram tell.
#[derive(Default)]
struct Told {
    /// CLOCK_REALTIME nanoseconds.
    stamp: Option<u64>,
    hop_limit: Option<u8>,
    destination: Option<IpAddr>,
    lost: Option<u32>,
}

impl Told {
    fn read(control: &Control, message: &libc::mmsghdr) -> Self {
        // The type of this length differs between C libraries.
        #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "size_t or socklen_t")]
        let length = message.msg_hdr.msg_controllen as usize;
        Self::of(control.0.get(..length).unwrap_or(&control.0))
    }

    fn of(control_messages: &[u8]) -> Self {
        let mut told = Self::default();
        let mut rest = control_messages;
        while let Some((level, kind, data, after)) = next_control_message(rest) {
            told.take(level, kind, data);
            rest = after;
        }
        told
    }

    fn take(&mut self, level: i32, kind: i32, data: &[u8]) {
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                let (Some(seconds), Some(nanoseconds)) = (word(data, 0), word(data, size_of::<usize>()))
                else {
                    return;
                };
                self.stamp = Some(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds));
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                self.lost = data.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) | (libc::IPPROTO_IP, libc::IP_TTL) => {
                self.hop_limit =
                    data.first_chunk().and_then(|bytes| u8::try_from(i32::from_ne_bytes(*bytes)).ok());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                self.destination = data.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into());
            }
            // Interface, local address, and the address in the header (ip(7)).
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let address = data.get(8..).and_then(|rest| rest.first_chunk::<4>());
                self.destination = address.map(|octets| Ipv4Addr::from(*octets).into());
            }
            _ => {}
        }
    }
}

/// Level, type and data of the first control message, and what follows it.
fn next_control_message(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let length = usize::from_ne_bytes(*bytes.first_chunk()?);
    let level = i32::from_ne_bytes(*bytes.get(size_of::<usize>()..)?.first_chunk()?);
    let kind = i32::from_ne_bytes(*bytes.get(size_of::<usize>() + 4..)?.first_chunk()?);
    let data = bytes.get(CONTROL_HEADER_BYTES..length)?;
    let next = length.next_multiple_of(size_of::<usize>());
    Some((level, kind, data, bytes.get(next..).unwrap_or_default()))
}

fn word(data: &[u8], offset: usize) -> Option<u64> {
    let word = usize::from_ne_bytes(*data.get(offset..)?.first_chunk()?);
    u64::try_from(word).ok()
}
