//! Running a record again.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use steadfast_time::Moment;
use steadfast_vrrp::{Action, Cause, Event, InstanceId, Machine, Piece, Plan, Sink, SnapshotError, Transmit};
use steadfast_wire::vrrp::{Advert, Family, Priority, Reject, sign_blank};

use crate::entry::{self, Cursor, Input, OwnedDatagram, Told, tag};
use crate::ring::Segment;

/// Why a record cannot be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayError {
    /// No segment has a state to begin with.
    Nothing,
    /// Its state cannot be read: the record is damaged, or another version of the program wrote it.
    State(SnapshotError),
    /// An entry cannot be read.
    Entry {
        /// In which segment.
        segment: u64,
        /// At which octet of it.
        at: usize,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing is in it: no segment begins with a whole state"),
            Self::State(error) => write!(f, "{error}"),
            Self::Entry { segment, at } => write!(f, "octet {at} of segment {segment} cannot be read"),
        }
    }
}

impl std::error::Error for ReplayError {}

/// One input, and what came of it.
#[derive(Debug)]
pub struct Step {
    /// When.
    pub at: Moment,
    /// What the machine was told.
    pub input: Input,
    /// What it asked for when it was run again.
    pub actions: Vec<Action>,
    /// Adverts that it sent: whose, and with which priority.
    pub sent: Vec<(InstanceId, Priority)>,
    /// In what that differs from what it asked for at the time.
    pub difference: Option<Difference>,
    /// Inputs before this one are missing.
    pub gap: bool,
}

/// In what a run differs from what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The machine asked for something else.
    Action {
        /// At the time.
        recorded: Option<Box<Action>>,
        /// Here.
        replayed: Option<Box<Action>>,
    },
    /// The state that the next segment begins with is another one.
    State {
        /// Which.
        segment: u64,
    },
}

/// A machine that goes through a record.
pub struct Replay {
    segments: VecDeque<Parsed>,
    machine: Machine,
    began: Moment,
    last: Moment,
    gap: bool,
    state_differs: Option<u64>,
}

/// A segment with its state found; inputs are read one after the other.
struct Parsed {
    sequence: u64,
    contiguous: bool,
    entries: Vec<u8>,
    began: Moment,
    base: Range<usize>,
    instances: Vec<Range<usize>>,
    whole: bool,
    /// The next entry.
    at: usize,
    now: Moment,
    /// Datagrams that later ones are like.
    datagrams: Vec<Range<usize>>,
}

/// An input with what was kept of what came of it.
struct Recorded {
    at: Moment,
    input: Input,
    forged: bool,
    unsent: Vec<u64>,
    did: Vec<Action>,
}

impl Replay {
    /// Begins with the oldest state.
    ///
    /// # Errors
    /// When there is none, or when it cannot be read.
    pub fn new(segments: &[Segment]) -> Result<Self, ReplayError> {
        let mut parsed = VecDeque::new();
        for segment in segments {
            parsed.push_back(Parsed::of(segment)?);
        }
        while parsed.front().is_some_and(|segment| !segment.whole) {
            parsed.pop_front();
        }
        let first = parsed.front().ok_or(ReplayError::Nothing)?;
        let machine = first.restore().map_err(ReplayError::State)?;
        let began = first.began;
        Ok(Self { segments: parsed, machine, began, last: began, gap: false, state_differs: None })
    }

    /// When the record begins.
    pub fn began(&self) -> Moment {
        self.began
    }

    /// The machine as it is after the steps so far.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The moment of the last step.
    pub fn now(&self) -> Moment {
        self.last
    }

    fn next_segment(&mut self) -> Option<()> {
        let before = self.segments.pop_front()?;
        loop {
            let next = self.segments.front()?;
            if next.follows(before.sequence) {
                if next.whole && !next.equals(&mut self.machine) {
                    self.state_differs = Some(next.sequence);
                }
                return Some(());
            }
            // What is missing in between shows in the state; without one there is nothing to go on with.
            match next.whole.then(|| next.restore().ok()).flatten() {
                Some(machine) => {
                    self.machine = machine;
                    self.gap = true;
                    return Some(());
                }
                None => drop(self.segments.pop_front()),
            }
        }
    }

    /// Whether what came of the last entry read may be cut off: the writer died, had no room, or is not done.
    fn is_cut_off(&self) -> bool {
        let (segment, next) = (self.segments.front(), self.segments.get(1));
        segment.is_some_and(|segment| {
            segment.is_read() && !next.is_some_and(|next| next.follows(segment.sequence))
        })
    }

    fn run(&mut self, recorded: Recorded) -> Step {
        let Recorded { at, input, unsent, did, forged: _ } = recorded;
        let cut_off = self.is_cut_off();
        let mut out = Collected { unsent, ..Collected::default() };
        match &input {
            Input::Datagram(datagram) => {
                self.machine.handle(at, steadfast_vrrp::Input::Datagram(datagram.borrowed()), &mut out);
            }
            Input::Told(told) => match told.input() {
                Some(told) => self.machine.handle(at, told, &mut out),
                None => self.machine.clear_counters(),
            },
            Input::Apply(plan) => self.machine.apply(at, Plan::clone(plan), &mut out),
            Input::Advance => self.machine.advance(at, &mut out),
        }
        self.last = at;
        let difference = self.state_differs.take().map(|segment| Difference::State { segment });
        let compared = if cut_off { did.len().min(out.actions.len()) } else { out.actions.len() };
        let replayed = out.actions.get(..compared).unwrap_or_default();
        let difference = difference.or_else(|| difference_of(&did, replayed));
        let gap = std::mem::take(&mut self.gap);
        Step { at, input, actions: out.actions, sent: out.sent, difference, gap }
    }
}

impl Iterator for Replay {
    type Item = Result<Step, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let segment = self.segments.front_mut()?;
            match segment.next() {
                Ok(Some(recorded)) => return Some(Ok(self.run(recorded))),
                Ok(None) => self.next_segment()?,
                Err(error) => {
                    self.segments.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Parsed {
    /// Looks for the state.
    fn of(segment: &Segment) -> Result<Self, ReplayError> {
        let mut parsed = Self {
            sequence: segment.sequence,
            contiguous: segment.contiguous,
            entries: segment.entries.clone(),
            began: Moment::ZERO,
            base: 0..0,
            instances: Vec::new(),
            whole: false,
            at: 0,
            now: Moment::ZERO,
            datagrams: Vec::new(),
        };
        let mut cursor = Cursor(&segment.entries);
        while let Some((tag, mut body)) = cursor.entry() {
            let end = segment.entries.len() - cursor.0.len();
            match tag {
                tag::BASE => {
                    let began = body.number();
                    parsed.began = Moment::from_nanos(began.ok_or_else(|| parsed.unreadable())?);
                    parsed.base = end - body.0.len()..end;
                }
                tag::INSTANCE => parsed.instances.push(end - body.0.len()..end),
                tag::WHOLE => parsed.whole = true,
                _ => {}
            }
        }
        parsed.now = parsed.began;
        Ok(parsed)
    }

    /// Nothing is missing between the segment of that number and this one.
    fn follows(&self, sequence: u64) -> bool {
        self.contiguous && self.sequence == sequence.wrapping_add(1)
    }

    /// Nothing is left that an input or what came of it could be.
    fn is_read(&self) -> bool {
        self.at >= self.entries.len()
    }

    fn unreadable(&self) -> ReplayError {
        ReplayError::Entry { segment: self.sequence, at: self.at }
    }

    fn octets(&self, range: &Range<usize>) -> &[u8] {
        self.entries.get(range.clone()).unwrap_or_default()
    }

    /// The next input, with all that came of it.
    fn next(&mut self) -> Result<Option<Recorded>, ReplayError> {
        let mut recorded: Option<Recorded> = None;
        loop {
            let mut cursor = Cursor(self.entries.get(self.at..).unwrap_or_default());
            let Some((tag, body)) = cursor.entry() else { break };
            let is_input =
                matches!(tag, tag::ADVANCE | tag::TOLD | tag::PLAN | tag::DATAGRAM | tag::AGAIN | tag::LIKE);
            if is_input && recorded.is_some() {
                break;
            }
            let next = self.entries.len() - cursor.0.len();
            if is_input {
                let begun = read_input(&self.entries, tag, body, next, &mut self.now, &mut self.datagrams);
                let input = begun.ok_or_else(|| self.unreadable())?;
                recorded = Some(Recorded {
                    at: self.now,
                    input,
                    forged: false,
                    unsent: Vec::new(),
                    did: Vec::new(),
                });
            } else if let Some(recorded) = &mut recorded {
                recorded.answer(tag, body).ok_or_else(|| self.unreadable())?;
            }
            self.at = next;
        }
        Ok(recorded.map(Recorded::signed))
    }

    fn restore(&self) -> Result<Machine, SnapshotError> {
        Machine::restore(self.octets(&self.base), self.instances.iter().map(|range| self.octets(range)))
    }

    /// Whether a machine that came here has the state that the segment begins with.
    fn equals(&self, machine: &mut Machine) -> bool {
        // Both through the same door, for what is not kept is not compared.
        let Ok(mut kept) = self.restore() else { return false };
        state(&mut kept) == state(machine)
    }
}

/// Reads the input whose entry ends at `end`.
fn read_input(
    entries: &[u8],
    tag: u8,
    mut body: Cursor<'_>,
    end: usize,
    now: &mut Moment,
    datagrams: &mut Vec<Range<usize>>,
) -> Option<Input> {
    *now = Moment::from_nanos(now.as_nanos().checked_add(body.number()?)?);
    Some(match tag {
        tag::ADVANCE => Input::Advance,
        tag::TOLD => Input::Told(postcard::from_bytes::<Told<'static>>(body.0).ok()?),
        tag::PLAN => Input::Apply(Box::new(postcard::from_bytes(body.0).ok()?)),
        tag::DATAGRAM => {
            datagrams.push(end - body.0.len()..end);
            Input::Datagram(entry::read_datagram(body.0)?)
        }
        _ => {
            let number = body.length()?.checked_sub(1)?;
            let mut datagram = entries.get(datagrams.get(number)?.clone())?.to_vec();
            change(&mut datagram, body)?;
            Input::Datagram(entry::read_datagram(&datagram)?)
        }
    })
}

fn state(machine: &mut Machine) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut take = |piece: Piece<'_>| match piece {
        Piece::Base(octets) | Piece::Instance(octets) => pieces.push(octets.to_vec()),
    };
    machine.begin_snapshot(&mut take);
    machine.continue_snapshot(usize::MAX, &mut take);
    pieces
}

impl Recorded {
    /// Something that came of it.
    fn answer(&mut self, tag: u8, mut body: Cursor<'_>) -> Option<()> {
        match tag {
            tag::UNSENT => self.unsent.push(body.number()?),
            tag::FORGED => self.forged = true,
            tag::DID => self.did.push(postcard::from_bytes(body.0).ok()?),
            _ => {}
        }
        Some(())
    }

    fn signed(mut self) -> Self {
        if let Input::Datagram(datagram) = &mut self.input {
            let OwnedDatagram { source, destination, hop_limit, carrier, message, .. } = datagram;
            sign_blank((*source, *destination, *hop_limit), *carrier, message, self.forged);
        }
        self
    }
}

/// Puts in what differs.
fn change(datagram: &mut [u8], mut differences: Cursor<'_>) -> Option<()> {
    let mut at = 0_usize;
    while !differences.0.is_empty() {
        at = at.checked_add(differences.length()?)?;
        let length = differences.length()?;
        let octets = differences.slice(length)?;
        let end = at.checked_add(length)?;
        datagram.get_mut(at..end)?.copy_from_slice(octets);
        at = end;
    }
    Some(())
}

/// What the machine asks for.
#[derive(Default)]
struct Collected {
    actions: Vec<Action>,
    sent: Vec<(InstanceId, Priority)>,
    tried: u64,
    unsent: Vec<u64>,
}

impl Sink for Collected {
    fn transmit(&mut self, advert: Transmit<'_>) -> bool {
        let queued = !self.unsent.contains(&self.tried);
        self.tried += 1;
        let message = advert.carrier.message(advert.message);
        let said = message.and_then(|message| Advert::parse(Family::of(advert.source), message).ok());
        if let Some(said) = said.filter(|_| queued) {
            self.sent.push((advert.instance, said.priority));
        }
        queued
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn remember(&mut self, _: InstanceId) {}

    fn forged(&mut self) {}

    fn follow(&mut self, _: InstanceId) {}
}

fn difference_of(recorded: &[Action], replayed: &[Action]) -> Option<Difference> {
    (0..recorded.len().max(replayed.len())).find_map(|at| {
        let (one, other) = (recorded.get(at), replayed.get(at));
        if let (Some(one), Some(other)) = (one, other)
            && (one == other || plain(one.clone()) == plain(other.clone()))
        {
            return None;
        }
        let boxed = |action: Option<&Action>| action.cloned().map(Box::new);
        Some(Difference::Action { recorded: boxed(one), replayed: boxed(other) })
    })
}

/// The numbers of a wrong checksum are those of the advert before it was made blank.
fn plain(mut action: Action) -> Action {
    let blank = |reason: &mut Reject| {
        if let Reject::Checksum { expected, found } = reason {
            (*expected, *found) = (0, 0);
        }
    };
    if let Action::Event(event) = &mut action {
        match event {
            Event::Dropped { reason, .. } => blank(reason),
            Event::TwoMasters { dropped: Some(reason), .. } => blank(reason),
            Event::InstanceState { causes, .. }
            | Event::GroupState { causes, .. }
            | Event::PriorityChanged { causes, .. } => {
                for cause in causes {
                    if let Cause::Dropped { reason, .. } = cause {
                        blank(reason);
                    }
                }
            }
            _ => {}
        }
    }
    action
}
