//! The writing side: a machine whose inputs are kept.

use std::ops::Deref;
use std::time::Duration;

use steadfast_time::Moment;
use steadfast_vrrp::{Action, Datagram, Input, InstanceId, Machine, Piece, Plan, Sink, Transmit};

use crate::entry::{self, Number, Told, difference, tag};
use crate::ring::{Memory, RING_SEGMENTS, Ring};
use crate::templates::{Templates, differences, sender};

/// Instances of a snapshot that are written in one turn.
const SLICE_INSTANCES: usize = 16;
/// Room that an input must leave for what comes of it.
const ANSWERS_BYTES: usize = 4 * 1024;
/// Longest entry but for a reload: the list of all instances that a socket serves.
const SCRATCH_BYTES: usize = 16 * 1024;

/// What is kept of a datagram for no virtual router of this machine: the machine reads of it no more than its number. A stranger cannot
/// push everything else out of the ring by what he sends behind that.
const STRANGERS_OCTETS: usize = 64;

/// A state that does not fit is tried again after.
const SHORT_PAUSE: Duration = Duration::from_secs(60);

/// How long the ring is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// As long as so many virtual routers need for minutes.
    Proportional,
    /// So many octets in all.
    Fixed(usize),
}

/// Octets of a segment, and what each instance adds to it: its state, and about as much again for its adverts.
const SEGMENT_BYTES: usize = 32 * 1024;
const INSTANCE_BYTES: usize = 1024;
/// A ring has room for so many instances that a reload may bring; untouched memory costs nothing.
const ROOM_FACTOR: usize = 4;
const ROOM_MIN: usize = 256;

impl Budget {
    /// Octets of memory for a machine that begins with so many instances. What is not used is never touched.
    pub fn bytes(self, instances: usize) -> usize {
        match self {
            Self::Proportional => {
                let room = instances.saturating_mul(ROOM_FACTOR).max(ROOM_MIN);
                RING_SEGMENTS * (SEGMENT_BYTES + room.saturating_mul(INSTANCE_BYTES))
            }
            Self::Fixed(bytes) => bytes,
        }
    }

    /// Octets of a segment for so many instances.
    fn segment(self, instances: usize) -> usize {
        match self {
            Self::Proportional => SEGMENT_BYTES + instances.saturating_mul(INSTANCE_BYTES),
            Self::Fixed(bytes) => bytes / RING_SEGMENTS,
        }
    }
}

/// A machine, and everything that it is told.
///
/// What is not a change goes to the [`Machine`] itself. Nothing is allocated for an input; a segment that begins is.
pub struct Recorder {
    machine: Machine,
    tape: Option<Box<Tape>>,
}

impl Recorder {
    /// Keeps what `machine` is told from here on, if there is memory for it.
    pub fn new(machine: Machine, now: Moment, memory: Option<(Memory, Budget)>) -> Self {
        let mut machine = machine;
        let tape = memory.map(|(memory, budget)| {
            let mut tape = Box::new(Tape::new(memory, budget, now));
            tape.begin(&mut machine, now, false);
            tape.go_on(&mut machine, usize::MAX);
            tape
        });
        Self { machine, tape }
    }

    /// Something happened.
    pub fn handle(&mut self, now: Moment, input: Input<'_>, sink: &mut impl Sink) {
        let Self { machine, tape } = self;
        let Some(tape) = tape else { return machine.handle(now, input, sink) };
        if let Input::Datagram(datagram) = &input
            && let Some(again) = machine.recognise(now, datagram)
        {
            tape.hear_again(machine, now, datagram, again.instance());
            return machine.hear_again(now, again);
        }
        tape.hear(machine, now, &input);
        machine.handle(now, input, &mut Tap { sink, tape });
    }

    /// Runs every timer that is due.
    pub fn advance(&mut self, now: Moment, sink: &mut impl Sink) {
        let Self { machine, tape } = self;
        let Some(tape) = tape else { return machine.advance(now, sink) };
        // Without a timer that is due nothing comes of it.
        if machine.next_wakeup().is_some_and(|due| due <= now) {
            tape.input(machine, now, |tape, time| tape.put(tag::ADVANCE, [time, &[], &[]]));
        }
        machine.advance(now, &mut Tap { sink, tape });
    }

    /// Takes over what a reload changed.
    pub fn apply(&mut self, now: Moment, plan: Plan, sink: &mut impl Sink) {
        let Self { machine, tape } = self;
        let Some(tape) = tape else { return machine.apply(now, plan, sink) };
        let octets = postcard::to_stdvec(&plan.blank()).unwrap_or_default();
        tape.input(machine, now, |tape, time| tape.put_long(tag::PLAN, time, &octets));
        machine.apply(now, plan, &mut Tap { sink, tape });
    }

    /// Every counter begins at zero again.
    pub fn clear_counters(&mut self, now: Moment) {
        let Self { machine, tape } = self;
        if let Some(tape) = tape {
            tape.told(machine, now, &Told::ClearCounters);
        }
        machine.clear_counters();
    }

    /// Goes on with what takes its time, a bounded part of it. Call it once a turn, when the adverts are out.
    pub fn turn(&mut self) {
        if let Some(tape) = &mut self.tape
            && self.machine.is_saving()
        {
            tape.go_on(&mut self.machine, SLICE_INSTANCES);
        }
    }

    /// Nothing is kept although it should be: the state of the machine does not fit into a segment.
    pub fn is_short(&self) -> bool {
        self.tape.as_ref().is_some_and(|tape| tape.short_until.is_some())
    }
}

impl Deref for Recorder {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl steadfast_vrrp::Told for Recorder {
    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn tell(&mut self, now: Moment, input: Input<'_>, sink: &mut impl Sink) {
        self.handle(now, input, sink);
    }
}

/// How a datagram is written that is equal to none before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// In what it differs from another one, where that is shorter.
    Short,
    /// So that a number can stand for it: it will come again.
    Whole,
}

/// The ring, and what is needed to write it.
struct Tape {
    ring: Ring,
    budget: Budget,
    templates: Templates,
    last: Moment,
    /// Adverts sent for the input at hand.
    sent: u64,
    /// Something did not fit: the segment ends here.
    torn: bool,
    /// The state itself does not fit: nothing is kept until it is tried again.
    short_until: Option<Moment>,
    scratch: Vec<u8>,
    differences: Vec<u8>,
}

impl Tape {
    fn new(memory: Memory, budget: Budget, now: Moment) -> Self {
        Self {
            ring: Ring::new(memory),
            budget,
            templates: Templates::default(),
            last: now,
            sent: 0,
            torn: false,
            short_until: None,
            scratch: Vec::with_capacity(SCRATCH_BYTES),
            differences: Vec::with_capacity(SCRATCH_BYTES),
        }
    }

    /// Begins a segment with the state of the machine.
    fn begin(&mut self, machine: &mut Machine, now: Moment, contiguous: bool) {
        // Pieces that are still to be written complete the segment before.
        let complete = !machine.is_saving() || self.write_pieces(machine, usize::MAX);
        if !complete {
            // Inputs filled it first, and without its state it is of no use: the next one takes its place.
            self.ring.discard();
            self.torn = true;
        }
        let instances = machine.instances().count();
        self.ring.begin(self.budget.segment(instances), contiguous && !self.torn);
        self.torn = false;
        self.sent = 0;
        self.last = now;
        self.templates.clear(instances);
        let time = Number::new(now.as_nanos());
        let mut fits = true;
        machine.begin_snapshot(|piece| {
            if let Piece::Base(octets) = piece {
                let length = Number::of(time.octets().len() + octets.len());
                fits = self.ring.append(tag::BASE, [length.octets(), time.octets(), octets]).is_some();
            }
        });
        // It will not be filled before its own state is there, however many inputs come in one turn.
        if !fits || (!complete && !self.write_pieces(machine, usize::MAX)) {
            self.give_up(machine);
        }
    }

    /// Goes on with the snapshot that is on its way.
    fn go_on(&mut self, machine: &mut Machine, at_most: usize) {
        if self.short_until.is_none() && !self.write_pieces(machine, at_most) {
            self.give_up(machine);
        }
    }

    /// Nothing is kept for a while: the state does not fit.
    fn give_up(&mut self, machine: &mut Machine) {
        machine.abandon_snapshot();
        self.ring.discard();
        self.torn = true;
        self.short_until = Some(self.last + SHORT_PAUSE);
    }

    /// Writes instances of the snapshot that is on its way; whether they fit comes back.
    fn write_pieces(&mut self, machine: &mut Machine, at_most: usize) -> bool {
        let mut fits = true;
        let complete = machine.continue_snapshot(at_most, |piece| {
            if let Piece::Instance(octets) = piece {
                let length = Number::of(octets.len());
                fits &= self.ring.append(tag::INSTANCE, [length.octets(), octets, &[]]).is_some();
            }
        });
        if fits && complete {
            fits = self.ring.append(tag::WHOLE, [&[], &[], &[]]).is_some();
        }
        fits
    }

    /// Writes an input, in the next segment where this one has no room.
    fn input(&mut self, machine: &mut Machine, now: Moment, write: impl Fn(&mut Self, &[u8]) -> bool) {
        if self.short_until.is_some_and(|until| now < until) {
            return;
        }
        self.short_until = None;
        self.sent = 0;
        if !self.torn && self.ring.room() > ANSWERS_BYTES {
            let time = difference(self.last, now);
            if write(self, time.octets()) {
                self.last = self.last.max(now);
                return;
            }
        }
        self.begin(machine, now, true);
        if self.short_until.is_none() && !write(self, difference(self.last, now).octets()) {
            self.torn = true;
        }
    }

    fn hear(&mut self, machine: &mut Machine, now: Moment, input: &Input<'_>) {
        match input {
            Input::Datagram(datagram) => {
                let by = machine.recipient(datagram);
                self.input(machine, now, |tape, time| tape.datagram(time, datagram, by, Writing::Short));
            }
            input => {
                if let Some(told) = Told::of(input) {
                    self.told(machine, now, &told);
                }
            }
        }
    }

    /// What its instance heard last comes again.
    fn hear_again(&mut self, machine: &mut Machine, now: Moment, datagram: &Datagram<'_>, by: InstanceId) {
        self.input(machine, now, |tape, time| match tape.templates.heard_last(by) {
            Some(number) => tape.put(tag::AGAIN, [time, Number::new(number.into()).octets(), &[]]),
            None => tape.datagram(time, datagram, Some(by), Writing::Whole),
        });
    }

    fn told(&mut self, machine: &mut Machine, now: Moment, told: &Told<'_>) {
        let mut octets = std::mem::take(&mut self.scratch);
        octets.clear();
        let _ = postcard::to_io(told, &mut octets);
        self.input(machine, now, |tape, time| tape.put_long(tag::TOLD, time, &octets));
        self.scratch = octets;
    }

    /// Writes a datagram, and notes what stands for it when the instance that hears it hears the same again.
    fn datagram(
        &mut self,
        time: &[u8],
        datagram: &Datagram<'_>,
        by: Option<InstanceId>,
        writing: Writing,
    ) -> bool {
        let mut octets = std::mem::take(&mut self.scratch);
        entry::write_datagram(datagram, &mut octets, by.map_or(STRANGERS_OCTETS, |_| usize::MAX));
        let number = self.put_datagram(time, sender(datagram), &octets, writing);
        self.scratch = octets;
        if let Some(by) = by {
            self.templates.hear(by, number.unwrap_or_default());
        }
        number.is_some()
    }

    /// The whole of it, that it came again, or in what it differs from the one of its sender. The number of the one that is
    /// equal to it comes back, 0 if there is none; `None` if there is no room.
    fn put_datagram(&mut self, time: &[u8], sender: u64, octets: &[u8], writing: Writing) -> Option<u32> {
        if let Some(template) = self.templates.find(sender, octets.len()) {
            let at = usize::try_from(template.at).unwrap_or(usize::MAX);
            let before = self.ring.written(at, octets.len());
            let number = Number::new(template.number.into());
            if differences(before, octets, &mut self.differences) {
                if self.differences.is_empty() {
                    self.ring.append(tag::AGAIN, [time, number.octets(), &[]])?;
                    return Some(template.number);
                }
                if writing == Writing::Short {
                    let length = Number::of(time.len() + number.octets().len() + self.differences.len());
                    let mut start = [0; 32];
                    let facts = [length.octets(), time, number.octets()];
                    let used = join(&facts, &mut start);
                    let start = start.get(..used).unwrap_or_default();
                    self.ring.append(tag::LIKE, [start, &self.differences, &[]])?;
                    return Some(0);
                }
            }
        }
        let length = Number::of(time.len() + octets.len());
        let at = self.ring.append(tag::DATAGRAM, [length.octets(), time, octets])?;
        Some(self.templates.add(sender, at + length.octets().len() + time.len(), octets.len()))
    }

    fn put(&mut self, tag: u8, parts: [&[u8]; 3]) -> bool {
        self.ring.append(tag, parts).is_some()
    }

    fn put_long(&mut self, tag: u8, time: &[u8], octets: &[u8]) -> bool {
        let length = Number::of(time.len() + octets.len());
        self.put(tag, [length.octets(), time, octets])
    }

    /// Writes what came of the input at hand.
    fn answer(&mut self, tag: u8, parts: [&[u8]; 3]) {
        if !self.torn && self.short_until.is_none() {
            self.torn = !self.put(tag, parts);
        }
    }
}

/// Puts parts one behind the other; how many octets that are comes back.
fn join(parts: &[&[u8]], out: &mut [u8]) -> usize {
    let mut at = 0;
    for part in parts {
        if let Some(place) = out.get_mut(at..at + part.len()) {
            place.copy_from_slice(part);
            at += part.len();
        }
    }
    at
}

/// Between the machine and who carries out what it asks for.
struct Tap<'a, Out> {
    sink: &'a mut Out,
    tape: &'a mut Tape,
}

impl<Out: Sink> Sink for Tap<'_, Out> {
    fn transmit(&mut self, advert: Transmit<'_>) -> bool {
        let queued = self.sink.transmit(advert);
        if !queued {
            let number = Number::new(self.tape.sent);
            self.tape.answer(tag::UNSENT, [number.octets(), &[], &[]]);
        }
        self.tape.sent += 1;
        queued
    }

    fn act(&mut self, action: Action) {
        let mut octets = std::mem::take(&mut self.tape.scratch);
        octets.clear();
        let _ = postcard::to_io(&action, &mut octets);
        let length = Number::of(octets.len());
        self.tape.answer(tag::DID, [length.octets(), &octets, &[]]);
        self.tape.scratch = octets;
        self.sink.act(action);
    }

    fn remember(&mut self, instance: InstanceId) {
        self.sink.remember(instance);
    }

    fn follow(&mut self, instance: InstanceId) {
        self.sink.follow(instance);
    }

    fn forged(&mut self) {
        self.tape.answer(tag::FORGED, [&[], &[], &[]]);
        self.sink.forged();
    }
}
