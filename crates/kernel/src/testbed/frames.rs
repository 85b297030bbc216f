//! The frames of a network, with the moment at which the kernel had each.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use steadfast_wire::ipv4::PROTOCOL_VRRP;

use crate::datagram::arrival_stamp;
use crate::error::{Attempt as _, Capability, Errno, Result};
use crate::sockopt;
use crate::wait::clock::{self, ClockPair};

/// Every protocol (packet(7)).
const EVERY_PROTOCOL: u16 = 3;

/// Room for frames until they are read, without the kernel's overhead.
const ROOM_BYTES: usize = 4 << 20;

/// The longest frame: an IPv4 packet and its Ethernet header.
const FRAME_BYTES: usize = (1 << 16) + 14;

/// Room for the one control message that is asked for.
const CONTROL_BYTES: usize = 64;

/// Control messages start at multiples of a word.
#[repr(align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Which frames are wanted; the kernel drops the others before they cost anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All.
    Every,
    /// Those that can be VRRP adverts in IPv4 (RFC 9568 section 5.2.1 and 5.2.2: version 2 or 3, type 1).
    AdvertsV4,
}

/// Hears what passes the interfaces of a network namespace, both ways.
#[derive(Debug)]
pub struct Frames {
    fd: OwnedFd,
    buffer: Box<[u8]>,
    empty_since: u64,
}

impl Frames {
    /// Hears every interface in the network namespace of the calling thread.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW.
    pub fn open(wanted: Wanted) -> Result<Self> {
        Self::attempt(wanted).attempt_with(Capability::NetRaw, "open a packet socket for frames")
    }

    fn attempt(wanted: Wanted) -> std::result::Result<Self, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Without a protocol it is given nothing before it has its filter.
        let fd = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
        if wanted == Wanted::AdvertsV4 {
            sockopt::attach_filter(&fd, &mut adverts_v4())?;
        }
        sockopt::grow_receive_buffer(&fd, ROOM_BYTES);
        sockopt::set_int(&fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        sockopt::bind_packet(&fd, EVERY_PROTOCOL, 0)?;
        Ok(Self { fd, buffer: vec![0; FRAME_BYTES].into_boxed_slice(), empty_since: clock::monotonic() })
    }

    /// Takes one frame, and when the kernel had it; `None` if there is none.
    pub fn take(&mut self) -> Option<(Instant, &[u8])> {
        let before = clock::monotonic();
        let (received, stamp) = self.receive();
        let (clocks, now) = (ClockPair::sample(), Instant::now());
        let Some(length) = received else {
            self.empty_since = before;
            return None;
        };
        let arrival = stamp.map_or(clocks.monotonic, |stamp| clocks.monotonic_of(stamp, self.empty_since));
        let age = Duration::from_nanos(clocks.monotonic.saturating_sub(arrival));
        Some((now.checked_sub(age).unwrap_or(now), self.buffer.get(..length)?))
    }

    /// How long the frame in the buffer is, and its stamp.
    fn receive(&mut self) -> (Option<usize>, Option<u64>) {
        let mut control = Control([0; CONTROL_BYTES]);
        let mut vector =
            libc::iovec { iov_base: self.buffer.as_mut_ptr().cast(), iov_len: self.buffer.len() };
        // SAFETY: a plain C structure for which all-zero is valid.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control.0) as _;
        // SAFETY: `message` points at buffers with their true lengths, which live until the call returns; the kernel keeps none.
        let length = unsafe { libc::recvmsg(self.fd.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
        (usize::try_from(length).ok(), arrival_stamp(&control.0))
    }
}

/// Takes frames of IPv4 with VRRP in them that begins as an advert does. Places count from the beginning of the frame, and one
/// behind its end drops it.
fn adverts_v4() -> [libc::sock_filter; 10] {
    const ETHERNET: u32 = 14;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let (load_word, load_octet, is, take) = (0x28, 0x30, 0x15, 0x06);
    // X becomes the length of the IP header.
    let (load_header_length, load_octet_behind) = (0xb1, 0x50);
    [
        step(load_word, 0, 0, ETHERNET - 2),
        step(is, 0, 7, 0x0800),
        step(load_octet, 0, 0, ETHERNET + 9),
        step(is, 0, 5, u32::from(PROTOCOL_VRRP)),
        step(load_header_length, 0, 0, ETHERNET),
        step(load_octet_behind, 0, 0, ETHERNET),
        step(is, 1, 0, 0x21),
        step(is, 0, 1, 0x31),
        step(take, 0, 0, u32::MAX),
        step(take, 0, 0, 0),
    ]
}

impl AsFd for Frames {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use super::*;
    use crate::testbed::fresh_namespace::in_fresh_namespace;

    /// Sends VRRP to itself.
    fn send(message: &[u8]) {
        let protocol = rustix::net::Protocol::from_raw(u32::from(PROTOCOL_VRRP).try_into().unwrap());
        let raw = SocketType::RAW;
        let socket = rustix::net::socket(AddressFamily::INET, raw, Some(protocol)).unwrap();
        let flags = rustix::net::SendFlags::empty();
        rustix::net::sendto(&socket, message, flags, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    }

    /// The payloads that are heard: on the loopback each twice, when it leaves and when it comes.
    fn heard(frames: &mut Frames) -> Vec<Vec<u8>> {
        let mut payloads = Vec::new();
        while let Some((_, frame)) = frames.take() {
            payloads.push(frame[34..].to_vec());
        }
        payloads
    }

    #[test]
    fn only_what_can_be_an_advert_is_heard_where_nothing_else_is_wanted() {
        in_fresh_namespace("only_what_can_be_an_advert_is_heard_where_nothing_else_is_wanted", || {
            let mut adverts = Frames::open(Wanted::AdvertsV4).unwrap();
            let mut every = Frames::open(Wanted::Every).unwrap();
            let sent = [&[0x31, 1, 2][..], &[0x32, 1, 2], &[0x41], &[], &[0x21, 3]];
            for message in sent {
                send(message);
            }
            let twice = |messages: &[&[u8]]| -> Vec<Vec<u8>> {
                messages.iter().flat_map(|message| [message.to_vec(), message.to_vec()]).collect()
            };
            assert_eq!(heard(&mut adverts), twice(&[sent[0], sent[4]]));
            assert_eq!(heard(&mut every), twice(&sent));
        });
    }

    #[test]
    fn a_frame_has_the_moment_of_its_arrival_however_late_it_is_read() {
        in_fresh_namespace("a_frame_has_the_moment_of_its_arrival_however_late_it_is_read", || {
            let mut frames = Frames::open(Wanted::Every).unwrap();
            let before = Instant::now();
            send(&[0x31]);
            let after = Instant::now();
            // The reader is late.
            while after.elapsed() < Duration::from_millis(20) {
                std::hint::spin_loop();
            }
            let (at, _) = frames.take().unwrap();
            // Two clocks are compared, which are read one after the other.
            let slack = Duration::from_millis(1);
            assert!(at + slack >= before && at <= after + slack, "{:?}", at.duration_since(before));
        });
    }
}
