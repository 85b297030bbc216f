//! Flight records of simulated routers, judged as cases of their own.

#![cfg(test)]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::time::Duration;

use steadfast_record::{Budget, Recorder, Segment, read};
use steadfast_sim::check::Rule;
use steadfast_sim::recorded::{LATENESS, judge};
use steadfast_sim::{Fault, Outbox, Participant, RouterId, Scenario, Violation, run_with};
use steadfast_time::Moment;
use steadfast_vrrp::{Config, Input, InstanceId, Machine, Plan, Resume};
use steadfast_wire::vrrp::{AdvertInterval, Centiseconds};

const SEEDS: u64 = 150;
const RING_BYTES: usize = 2 * 1024 * 1024;
const R1: RouterId = RouterId(0);
const R2: RouterId = RouterId(1);

/// A machine with a recorder around it.
struct Recorded(Recorder);

impl Participant for Recorded {
    fn handle(&mut self, now: Moment, input: Input<'_>, out: &mut Outbox) {
        self.0.handle(now, input, out);
        self.0.turn();
    }

    fn apply(&mut self, now: Moment, plan: Plan, out: &mut Outbox) {
        self.0.apply(now, plan, out);
    }

    fn advance(&mut self, now: Moment, out: &mut Outbox) {
        self.0.advance(now, out);
        self.0.turn();
    }

    fn next_wakeup(&self) -> Option<Moment> {
        self.0.next_wakeup()
    }

    fn is_drained(&self) -> bool {
        self.0.is_drained()
    }

    fn resume_state(&self, instance: InstanceId) -> Option<Resume> {
        self.0.resume_state(instance)
    }
}

/// The record of each daemon that ran.
fn records(scenario: &Scenario, ring_bytes: usize) -> Vec<(RouterId, Vec<Segment>)> {
    type Rings = Rc<RefCell<Vec<(RouterId, Arc<[AtomicU8]>)>>>;
    let rings = Rings::default();
    let build = |router, now, config: Config, resume| -> Box<dyn Participant> {
        let ring: Arc<[AtomicU8]> = (0..ring_bytes).map(|_| AtomicU8::new(0)).collect();
        rings.borrow_mut().push((router, Arc::clone(&ring)));
        let machine = Machine::new(now, config, resume);
        let memory = Some((Box::new(ring) as steadfast_record::Memory, Budget::Fixed(ring_bytes)));
        Box::new(Recorded(Recorder::new(machine, now, memory)))
    };
    run_with(scenario, build);
    rings.take().into_iter().map(|(router, ring)| (router, read(&ring))).collect()
}

/// What the record of each daemon that ran is judged to break, and how many inputs of it changed something.
fn judged(scenario: &Scenario) -> Vec<(RouterId, Vec<Violation>, usize)> {
    let judged = |(router, segments): (RouterId, Vec<Segment>)| {
        let verdict = judge(&segments).unwrap_or_else(|error| panic!("{router}: {error}"));
        assert!(verdict.differences.is_empty(), "{router}: {:?}", verdict.differences);
        (router, verdict.broken, verdict.history.entries.len())
    };
    records(scenario, RING_BYTES).into_iter().map(judged).collect()
}

fn second() -> AdvertInterval {
    AdvertInterval::Centiseconds(Centiseconds::new(100).unwrap())
}

#[test]
fn records_of_random_scenarios_break_no_promise() {
    let (mut entries, mut late) = (0, 0);
    for seed in 0..SEEDS {
        let scenario = Scenario::random(seed);
        // Some machines are slower than a daemon promises to be.
        if scenario.lateness_max >= LATENESS {
            continue;
        }
        let paused: BTreeSet<RouterId> = scenario
            .steps
            .iter()
            .filter_map(|step| if let Fault::Pause(router) = step.fault { Some(router) } else { None })
            .collect();
        for (router, broken, length) in judged(&scenario) {
            entries += length;
            for violation in broken {
                // What held it up is no excuse in a record: nobody there knows of it.
                let held_up = violation.rule == Rule::AdvertOnTime && paused.contains(&router);
                assert!(held_up, "seed {seed}, {router}: {violation}");
                late += 1;
            }
        }
    }
    assert!(entries > 20_000 && late > 10, "else it would prove little: {entries}, {late}");
}

#[test]
fn a_record_of_a_master_that_was_held_up_breaks_a_promise() {
    let quiet = Scenario::single(second(), &[200, 100]);
    assert!(judged(&quiet).iter().all(|(_, broken, length)| broken.is_empty() && *length > 2));
    let at = Duration::from_millis;
    // Shorter than the backup waits: nobody takes over, and nothing but the record tells of it.
    let held_up = quiet.with(at(20_200), Fault::Pause(R1)).with(at(22_700), Fault::Resume(R1));
    let judged = judged(&held_up);
    let of = |router| judged.iter().find(|(of, ..)| *of == router).map(|(_, broken, _)| broken).unwrap();
    let [late, ..] = of(R1).as_slice() else { panic!("{judged:?}") };
    assert_eq!((late.rule, late.instance), (Rule::AdvertOnTime, Some(InstanceId(0))));
    let when = late.at.since(Moment::ZERO);
    assert!(when > at(20_200) && when < at(22_700), "{late}");
    assert_eq!(of(R2).len(), 0, "{judged:?}");
}

/// Nothing is known of what was not recorded, and least of all that adverts are missing there.
#[test]
fn a_gap_in_a_record_breaks_no_promise() {
    let quiet = Scenario::single(second(), &[200, 100]);
    let longer = Scenario { end: Moment::ZERO + Duration::from_secs(3_600), ..quiet.clone() };
    let ring_bytes = 16 * 1024;
    for ((router, early), (_, late)) in
        records(&quiet, ring_bytes).into_iter().zip(records(&longer, ring_bytes))
    {
        let (begin, end) = (judge(&early).unwrap(), judge(&late).unwrap());
        let last = begin.history.entries.last().map(|entry| begin.began + entry.at.since(Moment::ZERO));
        assert!(
            last.is_some_and(|last| last + Duration::from_secs(600) < end.began),
            "{router}: there is no gap"
        );
        let verdict = judge(&[early, late].concat()).unwrap();
        assert_eq!(verdict.broken.len(), 0, "{router}: {:?}", verdict.broken);
    }
}
