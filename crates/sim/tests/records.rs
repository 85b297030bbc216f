//! Routers of random scenarios with a flight recorder: whatever befalls them, what was kept runs again exactly alike.

#![cfg(test)]

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::time::Duration;

use steadfast_record::{
    Budget, FileError, Header, Input, RECORD_BYTES_MAX, Record, Recorder, Replay, Segment, read,
};
use steadfast_sim::scenario::Step;
use steadfast_sim::{Fault, Outbox, Participant, Random, RouterId, Scenario, run_with};
use steadfast_time::Moment;
use steadfast_vrrp::config::Authentication;
use steadfast_vrrp::{Action, Event, InstanceId, Machine, Plan, Resume, Sink, Transmit};
use steadfast_wire::vrrp::{Key, Priority, Reject};

const SEEDS: u64 = 250;
/// Adverts for which there is no socket, of a thousand.
const UNSENT_PERMILLE: u64 = 5;

type Ring = Arc<[AtomicU8]>;

/// A machine with a recorder around it.
struct Recorded {
    recorder: Recorder,
    random: Random,
}

/// Loses some adverts before they reach a socket.
struct Leaky<'a> {
    out: &'a mut Outbox,
    random: &'a mut Random,
}

impl Sink for Leaky<'_> {
    fn transmit(&mut self, advert: Transmit<'_>) -> bool {
        !self.random.permille(UNSENT_PERMILLE) && self.out.transmit(advert)
    }

    fn act(&mut self, action: Action) {
        self.out.act(action);
    }

    fn remember(&mut self, instance: InstanceId) {
        self.out.remember(instance);
    }

    fn forged(&mut self) {
        self.out.forged();
    }

    fn follow(&mut self, instance: InstanceId) {
        self.out.follow(instance);
    }
}

impl Recorded {
    fn drive(&mut self, out: &mut Outbox, act: impl FnOnce(&mut Recorder, &mut Leaky<'_>)) {
        act(&mut self.recorder, &mut Leaky { out, random: &mut self.random });
        // A turn of the loop may have several inputs.
        if self.random.permille(500) {
            self.recorder.turn();
        }
    }
}

impl Participant for Recorded {
    fn handle(&mut self, now: Moment, input: steadfast_vrrp::Input<'_>, out: &mut Outbox) {
        self.drive(out, |recorder, out| recorder.handle(now, input, out));
    }

    fn apply(&mut self, now: Moment, plan: Plan, out: &mut Outbox) {
        self.drive(out, |recorder, out| recorder.apply(now, plan, out));
    }

    fn advance(&mut self, now: Moment, out: &mut Outbox) {
        self.drive(out, |recorder, out| recorder.advance(now, out));
    }

    fn next_wakeup(&self) -> Option<Moment> {
        self.recorder.next_wakeup()
    }

    fn is_drained(&self) -> bool {
        self.recorder.is_drained()
    }

    fn resume_state(&self, instance: InstanceId) -> Option<Resume> {
        self.recorder.resume_state(instance)
    }
}

/// Lets a scenario happen; the rings of all daemons that ran come back.
fn rings(scenario: &Scenario, ring_bytes: usize) -> Vec<Ring> {
    let rings: Rc<RefCell<Vec<Ring>>> = Rc::default();
    let build = |_, now, config, resume| -> Box<dyn Participant> {
        let ring: Ring = (0..ring_bytes).map(|_| AtomicU8::new(0)).collect();
        rings.borrow_mut().push(Arc::clone(&ring));
        let machine = Machine::new(now, config, resume);
        let memory = Some((Box::new(ring) as steadfast_record::Memory, Budget::Fixed(ring_bytes)));
        let random = Random::new(scenario.seed ^ u64::try_from(rings.borrow().len()).unwrap());
        Box::new(Recorded { recorder: Recorder::new(machine, now, memory), random })
    };
    run_with(scenario, build);
    rings.take()
}

/// Some hold a whole scenario, some a part of it.
fn ring_bytes(seed: u64) -> usize {
    [16, 20, 32, 1_024][usize::try_from(seed % 4).unwrap()] * 1_024
}

/// A random scenario, in which a router is reloaded, and sometimes has other secrets than the others.
fn scenario(seed: u64) -> Scenario {
    let mut scenario = Scenario::random(seed);
    let mut random = Random::new(!seed);
    let mut plan = scenario.routers[0].clone();
    for instance in &mut plan.instances {
        if instance.priority != Priority::OWNER {
            instance.priority = Priority::new(u8::try_from(random.below(200) + 1).unwrap());
        }
    }
    if seed.is_multiple_of(3) {
        plan.instances.iter_mut().for_each(|instance| other_secret(&mut instance.authentication));
    }
    let half = Duration::from_nanos(scenario.end.as_nanos() / 2);
    let reload = Fault::Reload { router: RouterId(0), plan: Arc::new(plan) };
    scenario.steps.push(Step { at: Moment::ZERO + half, fault: reload });
    scenario
}

fn other_secret(authentication: &mut Authentication) {
    let other = Key::new(b"another secret".as_slice().into());
    match authentication {
        Authentication::None => {}
        Authentication::Password(password) => *password = *b"AnOtHeR!",
        Authentication::Header(key) => *key = other,
        Authentication::Trailer(trailer) => {
            Arc::make_mut(trailer).keys.iter_mut().for_each(|key| key.key = other.clone());
        }
    }
}

/// As it would come out of a file.
fn through_a_file(segments: Vec<Segment>) -> Vec<Segment> {
    let header = Header {
        program: String::new(),
        node: String::new(),
        reason: String::new(),
        clock_ahead: 0,
        written: 0,
    };
    let octets = Record { header, segments }.to_octets();
    assert!(octets.len() < RECORD_BYTES_MAX);
    Record::from_octets(&octets).unwrap().segments
}

#[derive(Debug, Default)]
struct Seen {
    steps: usize,
    actions: usize,
    reloads: usize,
    second_segments: usize,
    cut_off: usize,
    forged: usize,
    gaps: usize,
}

#[test]
fn what_was_kept_runs_again_exactly_alike() {
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        for ring in rings(&scenario(seed), ring_bytes(seed)) {
            let segments = through_a_file(read(&ring));
            seen.second_segments += usize::from(segments.len() == 2);
            seen.cut_off += usize::from(segments.first().is_some_and(|segment| segment.sequence > 1));
            let replay = Replay::new(&segments).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            for step in replay {
                let step = step.unwrap();
                let (at, input) = (step.at, &step.input);
                assert_eq!(step.difference, None, "seed {seed} at {at:?} by {input:?}");
                seen.gaps += usize::from(step.gap);
                seen.steps += 1;
                seen.actions += step.actions.len();
                seen.reloads += usize::from(matches!(input, Input::Apply(_)));
                seen.forged += step.actions.iter().filter(|action| tells_of_a_secret(action)).count();
            }
        }
    }
    // Otherwise it would prove little.
    assert!(seen.steps > 150_000 && seen.actions > 10_000 && seen.reloads > 100, "{seen:?}");
    assert!(seen.second_segments > 50 && seen.cut_off > 30 && seen.forged > 50, "{seen:?}");
    assert_eq!(seen.gaps, 0, "everything fits");
}

fn tells_of_a_secret(action: &Action) -> bool {
    let Action::Event(Event::Dropped { reason, .. }) = action else { return false };
    matches!(reason, Reject::AuthFailure | Reject::HeaderDigest | Reject::TrailerDigest { .. })
}

/// A writer that dies leaves what came of its last input in part.
#[test]
fn a_record_that_ends_anywhere_runs_alike() {
    let mut partial = 0;
    for seed in 0..4 {
        for ring in rings(&scenario(seed), 1_024 * 1_024) {
            let [whole] = <[Segment; 1]>::try_from(through_a_file(read(&ring))).unwrap();
            let length = whole.entries.len();
            // Through the file, which leaves whole entries only.
            for end in (length - length / 8..length).rev().take(400) {
                let entries = whole.entries[..end].to_vec();
                let segments = through_a_file(vec![Segment { entries, ..whole.clone() }]);
                let mut last = 0;
                for step in Replay::new(&segments).unwrap() {
                    let step = step.unwrap();
                    assert_eq!(step.difference, None, "seed {seed}, {end} of {length} octets");
                    last = step.actions.len();
                }
                partial += usize::from(last > 1);
            }
        }
    }
    assert!(partial > 100, "else nothing of it was cut: {partial}");
}

/// Who runs a record may have it from a stranger.
#[test]
fn a_record_with_any_octet_changed_is_refused_or_run_to_its_end() {
    let (mut refused, mut run) = (0, 0);
    let mut random = Random::new(1);
    for seed in 0..12 {
        for ring in rings(&scenario(seed), 1_024 * 1_024) {
            let [whole] = <[Segment; 1]>::try_from(read(&ring)).unwrap();
            // The state that it begins with stands in the first octets, and a run takes its time.
            let length = whole.entries.len().min(4_000);
            for _ in 0..100 {
                let mut entries = whole.entries[..length].to_vec();
                for _ in 0..=random.below(3) {
                    let at = usize::try_from(random.below(u64::try_from(length).unwrap())).unwrap();
                    entries[at] = u8::try_from(random.below(256)).unwrap();
                }
                let segments = through_a_file(vec![Segment { entries, ..whole.clone() }]);
                let Ok(replay) = Replay::new(&segments) else {
                    refused += 1;
                    continue;
                };
                run += replay.take_while(Result::is_ok).count().min(1);
            }
        }
    }
    assert!(refused > 100 && run > 100, "{refused} refused, {run} run");
}

/// Else the test above could not fail.
#[test]
fn what_was_not_told_is_noticed() {
    let (mut noticed, mut tried) = (0, 0);
    for seed in 0..40 {
        for ring in rings(&scenario(seed), 1_024 * 1_024) {
            let [mut segment] = <[Segment; 1]>::try_from(read(&ring)).unwrap();
            let middle = segment.entries.len() / 2;
            segment.entries[middle] ^= 1;
            let runs = Replay::new(&[segment])
                .is_ok_and(|mut replay| replay.all(|step| step.is_ok_and(|step| step.difference.is_none())));
            tried += 1;
            noticed += u32::from(!runs);
        }
    }
    // Some bits mean nothing: the counter of an advert that is dropped, the nanosecond of one that changes nothing.
    assert!(noticed > tried / 3, "{noticed} of {tried}");
}

/// Scenarios whose records are kept in files, with groups, scripts, reloads and forged adverts among them.
const KEPT: [u64; 3] = [3, 7, 12];
const KEPT_RING_BYTES: usize = 20 * 1_024;

/// A record says nothing of its fields: a program with another shape of them would read it wrongly, or not at all, and may not
/// take it for one of its own version.
#[test]
fn a_record_from_a_file_of_this_version_runs_alike() {
    for seed in KEPT {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/records/seed_{seed}.record"));
        let kept = std::fs::read(&path).map(|octets| Record::from_octets(&octets));
        if std::env::var_os("RECORD").is_some() {
            let other_version = matches!(kept, Ok(Err(FileError::Version { .. })) | Err(_));
            let runs = kept.is_ok_and(|record| record.is_ok_and(|record| can_be_run(&record.segments)));
            assert!(other_version || runs, "VERSION in crates/record/src/file.rs goes up first");
            std::fs::write(&path, file_of(seed)).unwrap();
            continue;
        }
        let record = kept.unwrap();
        let record =
            record.unwrap_or_else(|error| panic!("RECORD=1 writes {} anew: {error}", path.display()));
        assert!(
            can_be_run(&record.segments),
            "seed {seed}: VERSION in crates/record/src/file.rs has to go up"
        );
        for step in Replay::new(&record.segments).unwrap() {
            let step = step.unwrap();
            let (at, input) = (step.at, &step.input);
            assert_eq!(
                step.difference, None,
                "seed {seed} at {at:?} by {input:?}; RECORD=1 if that is meant"
            );
        }
    }
}

fn can_be_run(segments: &[Segment]) -> bool {
    Replay::new(segments).is_ok_and(|mut replay| replay.all(|step| step.is_ok()))
}

/// The longest record of a scenario.
fn file_of(seed: u64) -> Vec<u8> {
    let rings = rings(&scenario(seed), KEPT_RING_BYTES);
    let length =
        |segments: &Vec<Segment>| segments.iter().map(|segment| segment.entries.len()).sum::<usize>();
    let segments = rings.iter().map(|ring| read(ring)).max_by_key(length).unwrap();
    let header = Header {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        node: "lb1".to_owned(),
        reason: format!("scenario {seed}"),
        clock_ahead: 0,
        written: 0,
    };
    Record { header, segments }.to_octets()
}
