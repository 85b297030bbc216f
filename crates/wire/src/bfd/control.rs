//! Control packets (RFC 5880 section 4.1).

use std::num::NonZeroU8;

use super::authentication::{Key, Sequence};
use super::fields::{Diagnostic, Discriminator, Microseconds, State};
use super::reject::Reject;
use super::{HEADER_LENGTH, VERSION};
use crate::cursor::Reader;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const INDEPENDENT: u8 = 0x08;
const AUTHENTICATED: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;
/// Shortest authentication section: type and length (RFC 5880 section 4.1).
const SECTION_LENGTH_MIN: usize = 2;
/// Where the packet tells its own length.
const LENGTH_OFFSET: usize = 3;

/// What a control packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// Why the sender's session left Up last.
    pub diagnostic: Diagnostic,
    /// State of the sender's session.
    pub state: State,
    /// Asks for an answer with `answers_poll`.
    pub poll: bool,
    /// Answers a packet with `poll` (the Final bit).
    pub answers_poll: bool,
    /// The sender's BFD goes on when its control plane fails.
    pub independent: bool,
    /// The sender wants no periodic packets.
    pub demand: bool,
    /// Packets lost in a row that end the session.
    pub multiplier: NonZeroU8,
    /// Names the sender's end.
    pub mine: Discriminator,
    /// Names the receiver's end; `None` while the sender does not know it.
    pub yours: Option<Discriminator>,
    /// How often the sender would like to send.
    pub desired_min_tx: Microseconds,
    /// How often the sender is able to receive; zero asks for no periodic packets.
    pub required_min_rx: Microseconds,
    /// How often the sender is able to return echo packets; zero for not at all.
    pub required_min_echo_rx: Microseconds,
}

impl Control {
    /// Replaces the contents of `out` with the packet, signed if there is a key.
    pub fn write(&self, signature: Option<(&Key, Sequence)>, out: &mut Vec<u8>) {
        out.clear();
        let flags = [
            (self.poll, POLL),
            (self.answers_poll, FINAL),
            (self.independent, INDEPENDENT),
            (signature.is_some(), AUTHENTICATED),
            (self.demand, DEMAND),
        ];
        let flags = flags.into_iter().filter(|(set, _)| *set).fold(0, |bits, (_, bit)| bits | bit);
        let length = HEADER_LENGTH + signature.map_or(0, |(key, _)| key.section_length());
        out.push((VERSION << 5) | self.diagnostic.get());
        out.push((self.state.bits() << 6) | flags);
        out.push(self.multiplier.get());
        // At most 24 and 28 octets.
        out.push(u8::try_from(length).unwrap_or(u8::MAX));
        for word in [
            self.mine.get(),
            self.yours.map_or(0, Discriminator::get),
            self.desired_min_tx.get(),
            self.required_min_rx.get(),
            self.required_min_echo_rx.get(),
        ] {
            out.extend(word.to_be_bytes());
        }
        if let Some((key, sequence)) = signature {
            key.sign(sequence, out);
        }
    }
}

/// A control packet from outside, with what is left to check once its session is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// What it says.
    pub control: Control,
    /// It has an authentication section.
    pub authenticated: bool,
    /// The whole packet as long as it says it is.
    packet: &'a [u8],
}

impl<'a> Received<'a> {
    /// All checks that need no session, in the order of RFC 5880 section 6.8.6.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Reject> {
        let too_short = |expected| Reject::TooShort { expected, found: datagram.len() };
        let first = datagram.first().ok_or_else(|| too_short(HEADER_LENGTH))?;
        if first >> 5 != VERSION {
            return Err(Reject::Version { found: first >> 5 });
        }
        let flags = *datagram.get(1).ok_or_else(|| too_short(HEADER_LENGTH))?;
        let authenticated = flags & AUTHENTICATED != 0;
        let shortest = HEADER_LENGTH + if authenticated { SECTION_LENGTH_MIN } else { 0 };
        let length = usize::from(*datagram.get(LENGTH_OFFSET).ok_or_else(|| too_short(shortest))?);
        if length < shortest {
            return Err(Reject::Length { expected: shortest, found: length });
        }
        // What follows the packet in the datagram belongs to nobody.
        let packet = datagram.get(..length).ok_or_else(|| too_short(length))?;
        let control = header(packet).ok_or_else(|| too_short(HEADER_LENGTH))??;
        Ok(Self { control, authenticated, packet })
    }

    /// Whether the packet comes from somebody who has the key (RFC 5880 section 6.7): the sequence number
    /// that it carries, which the caller compares with the last one; `None` if its kind has none.
    ///
    /// # Errors
    /// It is signed and should not be, is not and should, or is signed otherwise.
    pub fn authenticate(&self, key: Option<&Key>) -> Result<Option<Sequence>, Reject> {
        match (key, self.authenticated) {
            (None, false) => Ok(None),
            (None, true) => Err(Reject::NotAuthenticatedHere),
            (Some(_), false) => Err(Reject::NotAuthenticated),
            (Some(key), true) => key.verify(self.packet),
        }
    }
}

/// The fixed fields; `None` if there are not enough octets.
fn header(packet: &[u8]) -> Option<Result<Control, Reject>> {
    let mut reader = Reader::new(packet);
    let [first, flags, multiplier, _length] = reader.array()?;
    let mut word = || reader.array().map(u32::from_be_bytes);
    let (mine, yours, desired_min_tx, required_min_rx, required_min_echo_rx) =
        (word()?, word()?, word()?, word()?, word()?);
    let state = State::from_bits(flags >> 6);
    let Some(multiplier) = NonZeroU8::new(multiplier) else { return Some(Err(Reject::MultiplierZero)) };
    if flags & MULTIPOINT != 0 {
        return Some(Err(Reject::Multipoint));
    }
    let Some(mine) = Discriminator::new(mine) else { return Some(Err(Reject::DiscriminatorZero)) };
    let yours = Discriminator::new(yours);
    if yours.is_none() && !matches!(state, State::Down | State::AdminDown) {
        return Some(Err(Reject::YourDiscriminatorZero { state }));
    }
    let (poll, answers_poll) = (flags & POLL != 0, flags & FINAL != 0);
    if poll && answers_poll {
        // RFC 5880 section 6.5: must not have both.
        return Some(Err(Reject::PollAndFinal));
    }
    Some(Ok(Control {
        diagnostic: Diagnostic::new(first),
        state,
        poll,
        answers_poll,
        independent: flags & INDEPENDENT != 0,
        demand: flags & DEMAND != 0,
        multiplier,
        mine,
        yours,
        desired_min_tx: Microseconds::new(desired_min_tx),
        required_min_rx: Microseconds::new(required_min_rx),
        required_min_echo_rx: Microseconds::new(required_min_echo_rx),
    }))
}
