//! Messages between the processes: a sequenced-packet socket pair with messages of any length.
//!
//! A message that exceeds one frame travels as several, each with a flag that tells whether more follow. Sending
//! never waits: what the kernel does not take is kept here, up to a bound, until there is room.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType,
};

use crate::error::{Attempt, Errno, Error, Result};
use crate::sockopt;

/// Bytes of message in one frame.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;

/// Longest message; a longer one is refused by the sender and ends the channel at the receiver.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes kept for a receiver that does not read.
pub const WAITING_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Wanted socket buffer: some frames in flight, so that two processes need not alternate for each.
const SOCKET_BUFFER_BYTES: usize = 512 * 1024;

/// Frame flag: the message goes on in the next frame.
const MORE: u8 = 1;
/// Frame flag: the message ends here.
const LAST: u8 = 0;

/// One end of a channel.
#[derive(Debug)]
pub struct Channel {
    fd: OwnedFd,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    dropped: u64,
    incoming: Vec<u8>,
    /// Allocated with the first message received after a [`rest`](Channel::rest).
    frame: Vec<u8>,
}

/// A message that is not sent, or not whole.
#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    sent: usize,
}

/// What a receiver finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A whole message.
    Message(Vec<u8>),
    /// Nothing at present.
    Nothing,
    /// The other end is gone, and everything it sent is read.
    Closed,
}

/// What a sender achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The kernel has it.
    Whole,
    /// It waits here: call [`Channel::flush`] when the descriptor is writable.
    Waiting,
}

impl Channel {
    /// Both ends. Each is closed by exec, and inherited by a forked child, which drops the one that is not its own.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn pair() -> Result<(Self, Self)> {
        let (one, other) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )
        .attempt("create a socket pair")?;
        Ok((Self::over(one), Self::over(other)))
    }

    /// A channel over a connected, non-blocking SOCK_SEQPACKET socket.
    pub fn over(fd: OwnedFd) -> Self {
        sockopt::grow_send_buffer(&fd, SOCKET_BUFFER_BYTES);
        Self {
            fd,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            dropped: 0,
            incoming: Vec::new(),
            frame: Vec::new(),
        }
    }

    /// Sends a message, or keeps what the kernel does not take. Never waits.
    ///
    /// # Errors
    /// EMSGSIZE above [`MESSAGE_BYTES_MAX`]; ENOBUFS when more than [`WAITING_BYTES_MAX`] would wait; EPIPE when the
    /// other end is gone.
    pub fn send(&mut self, message: &[u8]) -> Result<Sent> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(Error::new("send a message that long", Errno::MSGSIZE));
        }
        let sent = match self.flush()? {
            Sent::Whole => self.send_frames(message, 0)?,
            Sent::Waiting => Some(0),
        };
        let Some(sent) = sent else { return Ok(Sent::Whole) };
        let rest = message.len() - sent;
        if self.waiting_bytes.saturating_add(rest) > WAITING_BYTES_MAX && sent == 0 {
            self.dropped += 1;
            return Err(Error::new("keep more messages for a receiver that does not read", Errno::NOBUFS));
        }
        self.waiting_bytes = self.waiting_bytes.saturating_add(rest);
        self.waiting.push_back(Waiting { bytes: message.get(sent..).unwrap_or_default().to_vec(), sent: 0 });
        Ok(Sent::Waiting)
    }

    /// Sends what waits, as far as the kernel takes it.
    ///
    /// # Errors
    /// EPIPE when the other end is gone.
    pub fn flush(&mut self) -> Result<Sent> {
        while let Some(mut message) = self.waiting.pop_front() {
            let before = message.sent;
            match self.send_frames(&message.bytes, message.sent)? {
                None => self.waiting_bytes = self.waiting_bytes.saturating_sub(message.bytes.len() - before),
                Some(sent) => {
                    self.waiting_bytes = self.waiting_bytes.saturating_sub(sent - before);
                    message.sent = sent;
                    self.waiting.push_front(message);
                    return Ok(Sent::Waiting);
                }
            }
        }
        Ok(Sent::Whole)
    }

    /// No message is on its way in part, neither in nor out: another program can go on with the descriptor.
    pub fn is_between_messages(&self) -> bool {
        self.waiting.is_empty() && self.incoming.is_empty()
    }

    /// Whether something waits for the descriptor to become writable.
    pub fn wants_to_write(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How many messages were refused because too much waited already.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Gives back what only a message on its way needs. The next one takes it again.
    pub fn rest(&mut self) {
        self.frame = Vec::new();
        self.incoming.shrink_to_fit();
        self.waiting.shrink_to_fit();
    }

    /// The next message. Never waits.
    ///
    /// # Errors
    /// EMSGSIZE when the other end sends more than [`MESSAGE_BYTES_MAX`] as one message, EPROTO when it sends what is
    /// no frame: the channel is of no use then.
    pub fn receive(&mut self) -> Result<Incoming> {
        loop {
            let Some(length) = self.receive_frame()? else { return Ok(Incoming::Nothing) };
            let Some((&flag, part)) = self.frame.get(..length).and_then(<[u8]>::split_first) else {
                return Ok(Incoming::Closed);
            };
            if self.incoming.len() + part.len() > MESSAGE_BYTES_MAX {
                return Err(Error::new("receive a message that long", Errno::MSGSIZE));
            }
            self.incoming.extend_from_slice(part);
            match flag {
                MORE => {}
                LAST => return Ok(Incoming::Message(std::mem::take(&mut self.incoming))),
                _ => return Err(Error::new("understand a frame of another process", Errno::PROTO)),
            }
        }
    }

    /// The length of the frame read into the buffer, 0 at the end, `None` if nothing is there.
    fn receive_frame(&mut self) -> Result<Option<usize>> {
        self.frame.resize(FRAME_BYTES_MAX + 1, 0);
        loop {
            let received = rustix::net::recvmsg(
                &self.fd,
                &mut [IoSliceMut::new(&mut self.frame)],
                &mut RecvAncillaryBuffer::default(),
                RecvFlags::CMSG_CLOEXEC,
            );
            match received {
                Ok(message) if message.flags.contains(rustix::net::ReturnFlags::TRUNC) => {
                    return Err(Error::new("receive a frame that long", Errno::PROTO));
                }
                Ok(message) => return Ok(Some(message.bytes)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::CONNRESET) => return Ok(Some(0)),
                Err(errno) => return Err(Error::new("receive from another process", errno)),
            }
        }
    }

    /// Sends `message` from `offset` on: `None` when it is whole, otherwise how far it came.
    fn send_frames(&self, message: &[u8], mut offset: usize) -> Result<Option<usize>> {
        loop {
            let rest = message.get(offset..).unwrap_or_default();
            let (part, flag) = match rest.split_at_checked(FRAME_BYTES_MAX) {
                Some((part, more)) if !more.is_empty() => (part, MORE),
                _ => (rest, LAST),
            };
            let sent = rustix::net::sendmsg(
                &self.fd,
                &[IoSlice::new(&[flag]), IoSlice::new(part)],
                &mut SendAncillaryBuffer::default(),
                SendFlags::NOSIGNAL,
            );
            match sent {
                Ok(_) if flag == LAST => return Ok(None),
                Ok(_) => offset += part.len(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Some(offset)),
                Err(errno) => return Err(Error::new("send to another process", errno)),
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Vec<u8> {
        (0..length).map(|position| u8::try_from(position % 251).unwrap()).collect()
    }

    #[test]
    fn messages_of_any_length_arrive_whole_and_in_order() {
        let (mut one, mut other) = Channel::pair().unwrap();
        let lengths = [
            0,
            1,
            FRAME_BYTES_MAX - 1,
            FRAME_BYTES_MAX,
            FRAME_BYTES_MAX + 1,
            5 * FRAME_BYTES_MAX,
            3_000_000,
            2,
        ];
        let mut waited = false;
        for length in lengths {
            waited |= one.send(&message(length)).unwrap() == Sent::Waiting;
        }
        assert!(waited, "three megabytes fit no socket buffer");
        let mut arrived = Vec::new();
        assert!(!one.is_between_messages());
        while arrived.len() < lengths.len() {
            match other.receive().unwrap() {
                Incoming::Message(bytes) => {
                    assert_eq!(bytes, message(bytes.len()));
                    arrived.push(bytes.len());
                }
                Incoming::Nothing => {
                    assert!(one.wants_to_write());
                    one.flush().unwrap();
                }
                Incoming::Closed => panic!("nobody closed it"),
            }
        }
        assert_eq!(arrived, lengths);
        assert!(one.is_between_messages() && other.is_between_messages());
        assert!(!one.wants_to_write());
        assert_eq!(one.waiting_bytes, 0);
    }

    #[test]
    fn the_end_comes_after_what_was_sent() {
        let (mut one, mut other) = Channel::pair().unwrap();
        one.send(b"last words").unwrap();
        drop(one);
        assert_eq!(other.receive().unwrap(), Incoming::Message(b"last words".to_vec()));
        assert_eq!(other.receive().unwrap(), Incoming::Closed);
        assert_eq!(other.send(b"anybody?").unwrap_err().errno, Errno::PIPE);
    }

    #[test]
    fn what_exceeds_the_bound_is_dropped_and_counted() {
        let (mut one, mut other) = Channel::pair().unwrap();
        let message = vec![7; MESSAGE_BYTES_MAX];
        assert_eq!(one.send(&message).unwrap(), Sent::Waiting);
        assert_eq!((one.send(&message).unwrap(), one.dropped()), (Sent::Waiting, 0));
        for count in 1..=2 {
            assert_eq!(one.send(&message).unwrap_err().errno, Errno::NOBUFS);
            assert_eq!(one.dropped(), count);
        }
        // Both that were taken arrive whole, and then there is room again.
        let mut arrived = 0;
        while arrived < 2 {
            match other.receive().unwrap() {
                Incoming::Message(bytes) => arrived += usize::from(bytes.len() == message.len()),
                Incoming::Nothing => assert!(one.flush().is_ok()),
                Incoming::Closed => panic!("nobody closed it"),
            }
        }
        one.send(b"again").unwrap();
        assert_eq!(other.receive().unwrap(), Incoming::Message(b"again".to_vec()));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let (one, mut other) = Channel::pair().unwrap();
        rustix::net::send(&one.fd, &[9, 9, 9], SendFlags::empty()).unwrap();
        assert_eq!(other.receive().unwrap_err().errno, Errno::PROTO);
    }
}
