//! Requests and their answers: single, dumps, and batches whose results are matched by sequence number.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_core::{
    ErrorBuffer, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE,
    NLMSG_ERROR, NLMSG_OVERRUN, NetlinkBuffer, NetlinkMessage, NetlinkPayload, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use rustix::net::sockopt::Timeout;

use super::{Protocol, Socket};
use crate::error::{Attempt, Capability, Errno, Error, Result};
use crate::sockopt::{self, BufferSize};

/// Bytes of requests handed to the kernel in one call.
pub const BATCH_BYTES_MAX: usize = 32 * 1024;

/// What a queued error answer costs the socket's receive buffer: the kernel accounts the whole buffer, not its text.
const ANSWER_COST_BYTES: usize = 1536;

/// Wanted receive buffer: a full batch of refusals has to fit.
const RECEIVE_BUFFER_BYTES: usize = 1024 * 1024;

/// The kernel answers before the request returns; longer than this, the answer is lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Dumps that the kernel reports as interrupted by a change are repeated this often.
const DUMP_ATTEMPTS_MAX: u32 = 8;

/// Length of struct nlmsghdr.
const HEADER_BYTES: usize = 16;

/// The kernel accounts more for a message to be sent than its length.
const SEND_COST: usize = 4;

/// NLMSGERR_ATTR_MSG of the extended acknowledgement.
const EXTENDED_ACK_MESSAGE: u16 = 1;

/// A socket for requests. Every call waits for the kernel's answer, which it gives without sleeping.
#[derive(Debug)]
pub struct Requests {
    socket: Socket,
    sequence: u32,
    batch_messages_max: usize,
}

/// Requests to be handed over together, already encoded.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each message starts.
    starts: Vec<usize>,
}

/// Lists that are read without the codec, of which the request alone would bring a tenth of a megabyte of code
/// into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::netlink) enum List {
    /// RTM_GETLINK.
    Links,
    /// RTM_GETADDR, of every family.
    Addresses,
}

impl List {
    /// The request, but for its sequence number: the header of the family, all zero, stands for everything.
    fn request(self) -> Vec<u8> {
        let (message_type, header_bytes) = match self {
            Self::Links => (libc::RTM_GETLINK, size_of::<libc::ifinfomsg>()),
            Self::Addresses => (libc::RTM_GETADDR, size_of::<libc::ifaddrmsg>()),
        };
        let mut bytes = vec![0; HEADER_BYTES + header_bytes];
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut header = NetlinkBuffer::new(&mut bytes);
        header.set_length(length);
        header.set_message_type(message_type);
        header.set_flags(NLM_F_REQUEST | NLM_F_DUMP);
        bytes
    }
}

/// The kernel's answer to one message of a [`Batch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Refused.
    Refused {
        /// Why.
        errno: Errno,
        /// In the kernel's words, where it has any.
        kernel_message: Option<String>,
    },
    /// The answer was lost; only a dump can tell.
    Unknown,
}

/// Messages whose answers fit the socket, all of them refusals.
fn batch_messages_max(socket: &Socket) -> usize {
    (socket.receive_buffer_bytes() / ANSWER_COST_BYTES).clamp(1, 1024)
}

impl Requests {
    /// Opens a request socket in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel's, should it have no netlink or no descriptor left.
    pub fn open() -> Result<Self> {
        Self::open_for(Protocol::Route)
    }

    /// The same, for requests of that kind.
    ///
    /// # Errors
    /// As [`Requests::open`].
    pub fn open_for(protocol: Protocol) -> Result<Self> {
        let socket = Socket::open(protocol, 0, false, RECEIVE_BUFFER_BYTES)?;
        rustix::net::sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_TIMEOUT))
            .attempt("bound the wait for netlink answers")?;
        let batch_messages_max = batch_messages_max(&socket);
        Ok(Self { socket, sequence: 0, batch_messages_max })
    }

    /// Asks for a receive buffer, the usual one without a size. What is sent together follows it.
    pub fn resize(&mut self, wanted: Option<BufferSize>) {
        sockopt::size_receive_buffer(&self.socket, wanted, RECEIVE_BUFFER_BYTES);
        self.batch_messages_max = batch_messages_max(&self.socket);
    }

    /// Gives back the room for answers.
    pub fn rest(&mut self) {
        self.socket.rest();
    }

    /// One whose socket takes nothing.
    #[cfg(test)]
    pub(crate) fn broken() -> Self {
        Self { socket: Socket::broken(), sequence: 0, batch_messages_max: 1 }
    }

    /// The port the kernel names as originator of changes made here.
    pub fn port(&self) -> u32 {
        self.socket.port()
    }

    /// Sends one request and waits for its acknowledgement. `flags` such as `NLM_F_CREATE | NLM_F_EXCL` are added
    /// to `NLM_F_REQUEST | NLM_F_ACK`. `attempted` stands behind "cannot" in an error.
    ///
    /// # Errors
    /// The kernel's refusal, with its own words where it has any.
    pub fn execute(&mut self, message: RouteNetlinkMessage, flags: u16, attempted: &str) -> Result<()> {
        let mut batch = Batch::default();
        batch.push(message, flags);
        match self.send(&mut batch)?.pop() {
            Some(Outcome::Done) => Ok(()),
            Some(Outcome::Refused { errno, kernel_message }) => {
                Err(Error { kernel_message, ..Error::new(attempted.to_owned(), errno) }
                    .needing(Capability::NetAdmin))
            }
            Some(Outcome::Unknown) | None => Err(Error::new(attempted.to_owned(), Errno::NOBUFS)),
        }
    }

    /// Sends a request that asks for a list, and gives each of its messages to `take`. A list that changed while
    /// it was read is read again from the start: `restart` is called before each attempt.
    ///
    /// # Errors
    /// The kernel's refusal, or EAGAIN if the list kept changing.
    pub fn dump<State>(
        &mut self,
        message: &RouteNetlinkMessage,
        attempted: &str,
        restart: impl FnMut() -> State,
        mut take: impl FnMut(&mut State, RouteNetlinkMessage),
    ) -> Result<State> {
        let mut request = Vec::new();
        encode(message.clone(), NLM_F_REQUEST | NLM_F_DUMP, 0, &mut request);
        self.dump_request(request, attempted, restart, |state, frame| {
            // A message that the codec cannot read is one of a kind the caller does not use.
            if let Some(message) = decode(frame) {
                take(state, message);
            }
        })
    }

    /// Sends one request that is already encoded, but for its header, and gives the payload of each answer to `take`.
    /// With `NLM_F_DUMP` among `flags` it asks for a list, which is told once, even if it changed meanwhile; with
    /// `NLM_F_ACK` for a single answer.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn query(
        &mut self,
        message_type: u16,
        flags: u16,
        payload: &[u8],
        attempted: &str,
        mut take: impl FnMut(&[u8]),
    ) -> Result<()> {
        let mut request = Vec::new();
        encode_payload(message_type, NLM_F_REQUEST | flags, payload, &mut request);
        self.dump_once(&mut request, |frame| take(frame.payload()))
            .attempt_with(Capability::NetAdmin, attempted.to_owned())?;
        Ok(())
    }

    /// The same of a list, undecoded.
    pub(in crate::netlink) fn dump_list<State>(
        &mut self,
        list: List,
        attempted: &str,
        restart: impl FnMut() -> State,
        take: impl FnMut(&mut State, &NetlinkBuffer<&[u8]>),
    ) -> Result<State> {
        self.dump_request(list.request(), attempted, restart, take)
    }

    fn dump_request<State>(
        &mut self,
        mut request: Vec<u8>,
        attempted: &str,
        mut restart: impl FnMut() -> State,
        mut take: impl FnMut(&mut State, &NetlinkBuffer<&[u8]>),
    ) -> Result<State> {
        for _ in 0..DUMP_ATTEMPTS_MAX {
            let mut state = restart();
            let whole = self
                .dump_once(&mut request, |frame| take(&mut state, frame))
                .attempt(attempted.to_owned())?;
            if whole {
                return Ok(state);
            }
        }
        Err(Error::new(attempted.to_owned(), Errno::AGAIN))
    }

    /// Whether the list is whole.
    fn dump_once(
        &mut self,
        request: &mut [u8],
        mut take: impl FnMut(&NetlinkBuffer<&[u8]>),
    ) -> std::result::Result<bool, Errno> {
        let sequence = self.next_sequence();
        NetlinkBuffer::new(&mut *request).set_sequence_number(sequence);
        self.socket.send(request)?;
        let mut whole = true;
        loop {
            let datagram = match self.socket.receive() {
                Ok(datagram) => datagram,
                Err(errno) => {
                    self.socket.drain();
                    return Err(errno);
                }
            };
            for frame in Frames(datagram) {
                if frame.sequence_number() != sequence {
                    continue;
                }
                whole &= frame.flags() & NLM_F_DUMP_INTR == 0;
                match frame.message_type() {
                    NLMSG_DONE => return Ok(whole),
                    NLMSG_ERROR => {
                        return refusal(&frame).0.map_or(Ok(whole), Err);
                    }
                    _ => take(&frame),
                }
            }
        }
    }

    /// Hands over everything in `batch`, in pieces of at most [`BATCH_BYTES_MAX`], and empties it. The outcomes
    /// are in the order of the messages.
    ///
    /// # Errors
    /// Only if the socket itself fails; refusals are outcomes.
    pub fn send(&mut self, batch: &mut Batch) -> Result<Vec<Outcome>> {
        let mut outcomes = vec![Outcome::Done; batch.starts.len()];
        let mut first = 0;
        while first < batch.starts.len() {
            let last = batch.piece_end(first, self.batch_messages_max);
            let piece = outcomes.get_mut(first..last).unwrap_or_default();
            self.send_piece(batch.piece(first, last), piece)?;
            first = last;
        }
        batch.clear();
        Ok(outcomes)
    }

    /// Hands over everything in `batch` between a message of the type `begin` and one of the type `end`, as one
    /// transaction: all of it happens, or nothing. Returns the first refusal, and empties the batch.
    ///
    /// # Errors
    /// Only if the socket itself fails; a refusal is an outcome.
    pub(crate) fn transact(
        &mut self,
        (begin, end): (u16, u16),
        header: &[u8],
        batch: &mut Batch,
    ) -> Result<Outcome> {
        let mut whole = Vec::with_capacity(batch.bytes.len() + 2 * (HEADER_BYTES + header.len()));
        encode_payload(begin, NLM_F_REQUEST, header, &mut whole);
        let last_start = whole.len() + batch.start(batch.len().saturating_sub(1));
        whole.append(&mut batch.bytes);
        encode_payload(end, NLM_F_REQUEST, header, &mut whole);
        batch.clear();
        let first_sequence = self.sequence.wrapping_add(1);
        let (mut start, mut last_sequence) = (0, first_sequence);
        while let Some(rest) = whole.get_mut(start..).filter(|rest| rest.len() >= HEADER_BYTES) {
            let sequence = self.next_sequence();
            let mut header = NetlinkBuffer::new(rest);
            header.set_sequence_number(sequence);
            if start == last_start {
                // The last that does something: not every kernel answers to the end of a transaction.
                header.set_flags(header.flags() | NLM_F_ACK);
                last_sequence = sequence;
            }
            let length = usize::try_from(header.length()).unwrap_or(usize::MAX);
            start = start.saturating_add(align(length.max(HEADER_BYTES)));
        }
        sockopt::grow_send_buffer(&self.socket, whole.len().saturating_mul(SEND_COST));
        self.socket.send(&whole).attempt_with(Capability::NetAdmin, "send packet filters")?;
        self.outcome_of(first_sequence, last_sequence)
    }

    /// The first refusal among the answers up to that of the last message. Whatever concerns the transaction as a
    /// whole is told of its first message.
    fn outcome_of(&mut self, first_sequence: u32, last_sequence: u32) -> Result<Outcome> {
        let mut outcome = Outcome::Done;
        loop {
            let datagram = match self.socket.receive() {
                Ok(datagram) => datagram,
                Err(Errno::NOBUFS | Errno::AGAIN) => {
                    self.socket.drain();
                    return Ok(Outcome::Unknown);
                }
                Err(errno) => return Err(Error::new("receive netlink answers", errno)),
            };
            for frame in Frames(datagram).filter(|frame| frame.message_type() == NLMSG_ERROR) {
                let sequence = frame.sequence_number();
                if sequence.wrapping_sub(first_sequence) > last_sequence.wrapping_sub(first_sequence) {
                    continue;
                }
                if let (Some(errno), kernel_message) = refusal(&frame)
                    && outcome == Outcome::Done
                {
                    outcome = Outcome::Refused { errno, kernel_message };
                }
                if sequence == last_sequence || (sequence == first_sequence && outcome != Outcome::Done) {
                    return Ok(outcome);
                }
            }
        }
    }

    /// Only the last message asks for an acknowledgement: the kernel works in order, and reports refusals unasked,
    /// so silence means success and thousands of answers are saved.
    fn send_piece(&mut self, bytes: &mut [u8], outcomes: &mut [Outcome]) -> Result<()> {
        let first_sequence = self.sequence.wrapping_add(1);
        let mut rest = &mut *bytes;
        let count = outcomes.len();
        for position in 0..count {
            let sequence = self.next_sequence();
            let mut header = NetlinkBuffer::new(&mut *rest);
            header.set_sequence_number(sequence);
            if position + 1 == count {
                header.set_flags(header.flags() | NLM_F_ACK);
            }
            let length = align(usize::try_from(header.length()).unwrap_or(usize::MAX)).min(rest.len());
            rest = rest.get_mut(length..).unwrap_or_default();
        }
        let last_sequence = self.sequence;
        self.socket.send(bytes).attempt_with(Capability::NetAdmin, "send netlink requests")?;
        self.collect(first_sequence, last_sequence, outcomes)
    }

    /// Reads answers up to that of the last message.
    fn collect(&mut self, first_sequence: u32, last_sequence: u32, outcomes: &mut [Outcome]) -> Result<()> {
        loop {
            let datagram = match self.socket.receive() {
                Ok(datagram) => datagram,
                Err(Errno::NOBUFS | Errno::AGAIN) => {
                    // Which answers were lost is not known, the last may be among them.
                    self.socket.drain();
                    outcomes.fill(Outcome::Unknown);
                    return Ok(());
                }
                Err(errno) => return Err(Error::new("receive netlink answers", errno)),
            };
            for frame in Frames(datagram) {
                let sequence = frame.sequence_number();
                let position = usize::try_from(sequence.wrapping_sub(first_sequence)).unwrap_or(usize::MAX);
                let Some(outcome) = outcomes.get_mut(position) else { continue };
                if !matches!(frame.message_type(), NLMSG_ERROR | NLMSG_OVERRUN) {
                    continue;
                }
                if let (Some(errno), kernel_message) = refusal(&frame) {
                    *outcome = Outcome::Refused { errno, kernel_message };
                }
                if sequence == last_sequence {
                    return Ok(());
                }
            }
        }
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }
}

impl AsFd for Requests {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Batch {
    /// Appends a request; `NLM_F_REQUEST` is added to `flags`.
    pub fn push(&mut self, message: RouteNetlinkMessage, flags: u16) {
        self.starts.push(self.bytes.len());
        encode(message, NLM_F_REQUEST | flags, 0, &mut self.bytes);
    }

    /// Appends a request that is already encoded, but for its header; `NLM_F_REQUEST` is added to `flags`.
    pub fn push_payload(&mut self, message_type: u16, flags: u16, payload: &[u8]) {
        self.starts.push(self.bytes.len());
        encode_payload(message_type, NLM_F_REQUEST | flags, payload, &mut self.bytes);
    }

    /// Messages queued.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Forgets what is queued and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }

    fn start(&self, index: usize) -> usize {
        self.starts.get(index).copied().unwrap_or(self.bytes.len())
    }

    /// The end of the longest run from `first` that fits the bounds, at least one message.
    fn piece_end(&self, first: usize, messages_max: usize) -> usize {
        let limit = (first + messages_max).min(self.starts.len());
        let mut end = first + 1;
        while end < limit && self.start(end + 1) - self.start(first) <= BATCH_BYTES_MAX {
            end += 1;
        }
        end
    }

    fn piece(&mut self, first: usize, end: usize) -> &mut [u8] {
        let range = self.start(first)..self.start(end);
        self.bytes.get_mut(range).unwrap_or_default()
    }
}

/// The messages of one datagram. What is shorter than it says ends the walk.
pub(crate) struct Frames<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Frames<'a> {
    type Item = NetlinkBuffer<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let frame = NetlinkBuffer::new_checked(self.0).ok()?;
        let length = usize::try_from(frame.length()).ok()?;
        let (this, _) = self.0.split_at_checked(length)?;
        self.0 = self.0.get(align(length)..).unwrap_or_default();
        NetlinkBuffer::new_checked(this).ok()
    }
}

/// The message inside a frame, if the codec knows it.
fn decode(frame: &NetlinkBuffer<&[u8]>) -> Option<RouteNetlinkMessage> {
    match NetlinkMessage::<RouteNetlinkMessage>::deserialize(frame.clone().into_inner()).ok()?.payload {
        NetlinkPayload::InnerMessage(message) => Some(message),
        _ => None,
    }
}

/// The errno of an NLMSG_ERROR (none for an acknowledgement) and the kernel's words.
fn refusal(frame: &NetlinkBuffer<&[u8]>) -> (Option<Errno>, Option<String>) {
    let Ok(error) = ErrorBuffer::new_checked(frame.payload()) else { return (Some(Errno::IO), None) };
    let Some(code) = error.code() else { return (None, None) };
    let errno = Errno::from_raw_os_error(code.get().saturating_neg());
    let kernel_message = (frame.flags() & NLM_F_ACK_TLVS != 0)
        .then(|| {
            // With NETLINK_CAP_ACK only the header of the request is quoted before the attributes.
            let attributes = error.payload().get(HEADER_BYTES..)?;
            let message = NlasIterator::new(attributes)
                .map_while(std::result::Result::ok)
                .find(|attribute| attribute.kind() == EXTENDED_ACK_MESSAGE)?;
            let text = message.value();
            let text = text.strip_suffix(&[0]).unwrap_or(text);
            Some(String::from_utf8_lossy(text).into_owned())
        })
        .flatten();
    (Some(errno), kernel_message)
}

fn encode(message: RouteNetlinkMessage, flags: u16, sequence: u32, bytes: &mut Vec<u8>) {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = flags;
    message.header.sequence_number = sequence;
    message.finalize();
    let start = bytes.len();
    bytes.resize(start + align(message.buffer_len()), 0);
    if let Some(room) = bytes.get_mut(start..) {
        message.serialize(room);
    }
}

/// A message whose sequence number is set when it is sent.
fn encode_payload(message_type: u16, flags: u16, payload: &[u8], bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.resize(start + HEADER_BYTES, 0);
    bytes.extend_from_slice(payload);
    let length = bytes.len() - start;
    bytes.resize(start + align(length), 0);
    if let Some(room) = bytes.get_mut(start..) {
        let mut header = NetlinkBuffer::new(room);
        header.set_length(u32::try_from(length).unwrap_or(u32::MAX));
        header.set_message_type(message_type);
        header.set_flags(flags);
    }
}

/// Messages start on multiples of four bytes (NLMSG_ALIGN).
const fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
    use netlink_packet_route::AddressFamily;
    use netlink_packet_route::address::{AddressAttribute, AddressMessage};
    use netlink_packet_route::link::{LinkAttribute, LinkMessage};

    use super::*;
    use crate::testbed::fresh_namespace::in_fresh_namespace;

    fn address(last: u8) -> RouteNetlinkMessage {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = 32;
        message.header.index = 1;
        message.attributes = vec![AddressAttribute::Local([192, 0, 2, last].into())];
        RouteNetlinkMessage::NewAddress(message)
    }

    #[test]
    fn a_dump_lists_the_loopback() {
        in_fresh_namespace("a_dump_lists_the_loopback", || {
            let names = Requests::open()
                .unwrap()
                .dump(
                    &RouteNetlinkMessage::GetLink(LinkMessage::default()),
                    "list the links",
                    Vec::new,
                    |names, message| {
                        let RouteNetlinkMessage::NewLink(link) = message else { return };
                        names.extend(link.attributes.into_iter().filter_map(|attribute| match attribute {
                            LinkAttribute::IfName(name) => Some(name),
                            _ => None,
                        }));
                    },
                )
                .unwrap();
            assert!(names.contains(&"lo".to_owned()), "{names:?}");
        });
    }

    #[test]
    fn outcomes_stand_at_the_place_of_their_message() {
        in_fresh_namespace("outcomes_stand_at_the_place_of_their_message", || {
            let mut requests = Requests::open().unwrap();
            let mut batch = Batch::default();
            for last in [1, 2, 1, 3, 2] {
                batch.push(address(last), NLM_F_CREATE | NLM_F_EXCL);
            }
            let outcomes = requests.send(&mut batch).unwrap();
            let refused: Vec<_> = outcomes
                .iter()
                .map(|outcome| matches!(outcome, Outcome::Refused { errno: Errno::EXIST, .. }))
                .collect();
            assert_eq!(refused, [false, false, true, false, true], "{outcomes:?}");
            assert!(batch.is_empty());
        });
    }

    #[test]
    fn a_refusal_carries_the_words_of_the_kernel() {
        in_fresh_namespace("a_refusal_carries_the_words_of_the_kernel", || {
            let RouteNetlinkMessage::NewAddress(mut message) = address(1) else { panic!() };
            message.header.prefix_len = 33;
            let error = Requests::open()
                .unwrap()
                .execute(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE, "add an address")
                .unwrap_err();
            assert_eq!(error.errno, Errno::INVAL);
            assert!(error.kernel_message.is_some(), "{error}");
        });
    }

    #[test]
    fn a_batch_is_cut_at_its_bounds() {
        let mut batch = Batch::default();
        for _ in 0..2000 {
            batch.push(address(1), 0);
        }
        let end = batch.piece_end(0, 10_000);
        assert!(batch.piece(0, end).len() <= BATCH_BYTES_MAX);
        assert!(batch.piece(0, end + 1).len() > BATCH_BYTES_MAX);
        assert_eq!(batch.piece_end(0, 7), 7);
        assert_eq!(batch.piece_end(1999, 7), 2000);
    }
}
