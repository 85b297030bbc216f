//! The checkers can fail: each of these routers breaks one promise, and is caught at it.

#![cfg(test)]

use std::collections::BTreeSet;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use steadfast_sim::check::{self, Rule};
use steadfast_sim::{Fault, Outbox, Output, Participant, RouterId, Scenario, run_with};
use steadfast_time::Moment;
use steadfast_vrrp::config::Authentication;
use steadfast_vrrp::{
    Action, Config, Input, InstanceConfig, InstanceId, InterfaceId, Machine, Plan, Resume, State,
};
use steadfast_wire::vrrp::{Advert, AdvertInterval, Centiseconds, Family, Key, Priority};

const R1: RouterId = RouterId(0);
const R2: RouterId = RouterId(1);

/// A machine whose inputs, outputs or sense of time a test bends.
struct Bent<Bend> {
    machine: Machine,
    bend: Bend,
}

trait Bends {
    /// Whether the machine gets to see it.
    fn hears(&mut self, _input: &Input<'_>) -> bool {
        true
    }

    /// Whether the world gets to see it.
    fn lets_out(&mut self, _output: &Output) -> bool {
        true
    }

    /// Added once a machine is through with something.
    fn adds(&mut self, _input: Option<&Input<'_>>, _out: &mut Outbox) {}

    /// The time as the machine is told it.
    fn reads(&mut self, now: Moment) -> Moment {
        now
    }

    fn wakes_at(&self, wanted: Option<Moment>) -> Option<Moment> {
        wanted
    }
}

impl<Bend: Bends> Bent<Bend> {
    fn pass_on(&mut self, input: Option<&Input<'_>>, own: Outbox, out: &mut Outbox) {
        out.outputs.extend(own.outputs.into_iter().filter(|output| self.bend.lets_out(output)));
        self.bend.adds(input, out);
    }
}

impl<Bend: Bends> Participant for Bent<Bend> {
    fn handle(&mut self, now: Moment, input: Input<'_>, out: &mut Outbox) {
        let mut own = Outbox::default();
        let now = self.bend.reads(now);
        if self.bend.hears(&input) {
            self.machine.handle(now, input.clone(), &mut own);
        }
        self.pass_on(Some(&input), own, out);
    }

    fn apply(&mut self, now: Moment, plan: Plan, out: &mut Outbox) {
        let mut own = Outbox::default();
        self.machine.apply(now, plan, &mut own);
        self.pass_on(None, own, out);
    }

    fn advance(&mut self, now: Moment, out: &mut Outbox) {
        let mut own = Outbox::default();
        let now = self.bend.reads(now);
        self.machine.advance(now, &mut own);
        self.pass_on(None, own, out);
    }

    fn next_wakeup(&self) -> Option<Moment> {
        self.bend.wakes_at(self.machine.next_wakeup())
    }

    fn is_drained(&self) -> bool {
        self.machine.is_drained()
    }

    fn resume_state(&self, instance: InstanceId) -> Option<Resume> {
        self.machine.resume_state(instance)
    }
}

/// The rules that are broken when this router is bent.
fn broken_with<Bend: Bends + Default + 'static>(scenario: &Scenario, bent: RouterId) -> BTreeSet<Rule> {
    let history = run_with(scenario, |router, now, config, resume| {
        let machine = Machine::new(now, config, resume);
        if router == bent { Box::new(Bent { machine, bend: Bend::default() }) } else { Box::new(machine) }
    });
    check::all(scenario, &history).into_iter().map(|violation| violation.rule).collect()
}

/// The rules that routers break whose configuration is not what the checkers believe.
fn broken_by(scenario: &Scenario, change: impl Fn(RouterId, &mut InstanceConfig)) -> BTreeSet<Rule> {
    let history = run_with(scenario, |router, now, mut config: Config, resume| {
        for instance in &mut config.instances {
            change(router, Arc::make_mut(instance));
        }
        Box::new(Machine::new(now, config, resume))
    });
    check::all(scenario, &history).into_iter().map(|violation| violation.rule).collect()
}

fn pair() -> Scenario {
    let interval = AdvertInterval::Centiseconds(Centiseconds::new(10).unwrap());
    Scenario::single(interval, &[200, 100])
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn priority_of(message: &[u8]) -> Priority {
    Advert::parse(Family::V4, message).unwrap().priority
}

#[derive(Default)]
struct Sound;

impl Bends for Sound {}

#[test]
fn sound_router_breaks_nothing() {
    let scenario = pair().with(seconds(2.0), Fault::Stop(R1)).with(seconds(4.0), Fault::PowerOn(R1));
    assert_eq!(broken_with::<Sound>(&scenario, R2), [].into());
}

/// Its clock stands still while the node sleeps, as `CLOCK_MONOTONIC` does.
#[derive(Default)]
struct ClockThatSleeps {
    last: Moment,
    slept: Duration,
}

impl Bends for ClockThatSleeps {
    fn reads(&mut self, now: Moment) -> Moment {
        let gap = now.since(self.last);
        if self.last != Moment::ZERO && gap > seconds(1.0) {
            self.slept += gap;
        }
        self.last = now;
        now - self.slept
    }

    fn wakes_at(&self, wanted: Option<Moment>) -> Option<Moment> {
        wanted.map(|at| at + self.slept)
    }
}

#[test]
fn a_clock_that_sleeps_with_the_node_gives_two_owners() {
    let scenario = pair().with(seconds(2.0), Fault::Pause(R1)).with(seconds(5.0), Fault::Resume(R1));
    assert_eq!(broken_with::<ClockThatSleeps>(&scenario, R1), [Rule::ListensFirst].into());
    assert_eq!(broken_with::<Sound>(&scenario, R1), [].into());
}

#[derive(Default)]
struct DeafToTheBetter;

impl Bends for DeafToTheBetter {
    fn hears(&mut self, input: &Input<'_>) -> bool {
        !matches!(input, Input::Datagram(datagram) if priority_of(datagram.message) > Priority::new(100))
    }
}

#[test]
fn never_yielding_gives_two_owners() {
    let broken = broken_with::<DeafToTheBetter>(&pair(), R2);
    assert!(broken.contains(&Rule::SingleOwner), "{broken:?}");
}

#[derive(Default)]
struct Unwilling;

impl Bends for Unwilling {
    fn lets_out(&mut self, output: &Output) -> bool {
        !matches!(output, Output::Action(Action::Addresses { wanted: true, .. }))
    }
}

#[test]
fn never_taking_over_leaves_nobody() {
    let scenario = pair().with(seconds(2.0), Fault::PowerOff(R1));
    assert_eq!(broken_with::<Unwilling>(&scenario, R2), [Rule::Covered].into());
}

#[derive(Default)]
struct DeafToTheRelease;

impl Bends for DeafToTheRelease {
    fn hears(&mut self, input: &Input<'_>) -> bool {
        !matches!(input, Input::Datagram(datagram) if priority_of(datagram.message) == Priority::RELEASE)
    }
}

#[test]
fn not_hearing_priority_0_leaves_a_gap_at_a_stop() {
    let scenario = pair().with(seconds(2.0), Fault::Stop(R1));
    assert_eq!(broken_with::<DeafToTheRelease>(&scenario, R2), [Rule::SeamlessStop].into());
}

/// As keepalived does it.
#[derive(Default)]
struct LeavesAtOnce;

impl Bends for LeavesAtOnce {
    fn adds(&mut self, input: Option<&Input<'_>>, out: &mut Outbox) {
        if input == Some(&Input::Stop) {
            out.outputs.push(Output::Action(Action::Addresses { instance: InstanceId(0), wanted: false }));
        }
    }
}

#[test]
fn removing_the_addresses_at_once_leaves_a_gap_at_a_stop() {
    let scenario = pair().with(seconds(2.0), Fault::Stop(R1));
    assert_eq!(broken_with::<LeavesAtOnce>(&scenario, R1), [Rule::SeamlessStop].into());
}

#[derive(Default)]
struct ClaimsAgain {
    stops: bool,
}

impl Bends for ClaimsAgain {
    fn lets_out(&mut self, output: &Output) -> bool {
        if self.stops && matches!(output, Output::Action(Action::Addresses { .. })) {
            return false;
        }
        true
    }

    fn adds(&mut self, input: Option<&Input<'_>>, out: &mut Outbox) {
        if input == Some(&Input::Stop) {
            self.stops = true;
            for wanted in [false, true] {
                out.outputs.push(Output::Action(Action::Addresses { instance: InstanceId(0), wanted }));
            }
        }
    }
}

#[test]
fn claiming_while_stopping_is_caught() {
    let scenario = pair().with(seconds(2.0), Fault::Stop(R1));
    assert_eq!(broken_with::<ClaimsAgain>(&scenario, R1), [Rule::Released].into());
}

/// Every tenth advert is left out, which no backup minds.
#[derive(Default)]
struct Forgetful {
    adverts: u32,
}

impl Bends for Forgetful {
    fn lets_out(&mut self, output: &Output) -> bool {
        self.adverts += u32::from(matches!(output, Output::Advert(_)));
        !self.adverts.is_multiple_of(10) || !matches!(output, Output::Advert(_))
    }
}

#[test]
fn late_adverts_are_caught() {
    assert_eq!(broken_with::<Forgetful>(&pair(), R1), [Rule::AdvertOnTime].into());
}

#[derive(Default)]
struct Restless;

impl Bends for Restless {
    fn wakes_at(&self, _wanted: Option<Moment>) -> Option<Moment> {
        Some(Moment::ZERO)
    }
}

#[test]
fn machine_that_never_sleeps_is_caught() {
    let mut scenario = pair();
    scenario.lateness_max = Duration::from_nanos(2);
    let broken = broken_with::<Restless>(&scenario, R1);
    assert!(broken.contains(&Rule::Progress), "{broken:?}");
}

#[test]
fn better_router_that_does_not_preempt_is_caught() {
    let scenario = pair().with(seconds(2.0), Fault::PowerOff(R1)).with(seconds(4.0), Fault::PowerOn(R1));
    let broken = broken_by(&scenario, |_, instance| instance.nopreempt = true);
    assert_eq!(broken, [Rule::HighestPriority].into());
}

#[test]
fn preempting_against_nopreempt_is_caught() {
    let scenario = pair()
        .each(|_, instance| instance.nopreempt = true)
        .with(seconds(2.0), Fault::PowerOff(R1))
        .with(seconds(4.0), Fault::PowerOn(R1));
    let broken = broken_by(&scenario, |_, instance| instance.nopreempt = false);
    assert_eq!(broken, [Rule::Stable].into());
}

/// Numbers excuse only who was cut off while the incumbent began anew.
#[test]
fn preempting_against_nopreempt_with_an_authentication_header_is_caught() {
    let link = |up| Fault::Link { router: R1, segment: InterfaceId(0), up };
    let begins_late =
        pair_with_header().with(seconds(20.0), Fault::PowerOff(R1)).with(seconds(60.0), Fault::PowerOn(R1));
    let begun_before = pair_with_header()
        .with(seconds(20.0), Fault::PowerOff(R2))
        .with(seconds(22.0), Fault::PowerOn(R2))
        .with(seconds(50.0), link(false))
        .with(seconds(90.0), link(true));
    for scenario in [begins_late, begun_before] {
        let broken = broken_by(&scenario, |_, instance| instance.nopreempt = false);
        assert_eq!(broken, [Rule::Stable].into());
    }
}

fn pair_with_header() -> Scenario {
    let mut scenario =
        Scenario::single(AdvertInterval::Seconds(NonZeroU8::MIN), &[200, 100]).each(|_, instance| {
            instance.nopreempt = true;
            instance.authentication = Authentication::Header(Key::new((*b"sesame12").into()));
        });
    scenario.end = Moment::ZERO + seconds(120.0);
    scenario
}

#[test]
fn changing_hands_for_no_reason_is_caught() {
    /// Falls silent after a while, though it is well.
    #[derive(Default)]
    struct Tires {
        adverts: u32,
    }

    impl Bends for Tires {
        fn lets_out(&mut self, output: &Output) -> bool {
            self.adverts += u32::from(matches!(output, Output::Advert(_)));
            self.adverts < 30 || !matches!(output, Output::Advert(_))
        }
    }

    let broken = broken_with::<Tires>(&pair(), R1);
    assert!(broken.contains(&Rule::Stable) && broken.contains(&Rule::AdvertOnTime), "{broken:?}");
}

/// Every backup waits three intervals, whatever its priority: when its timer ends is when it would end without the skew
/// (RFC 9568 section 6.1). Its clock goes ahead by what was left out.
struct WithoutSkew {
    machine: Machine,
    ahead: Duration,
}

impl WithoutSkew {
    fn down_at(&self) -> Option<Moment> {
        let status = self.machine.status(InstanceId(0))?;
        (status.state == State::Backup).then_some(status.deadline?)
    }

    fn skew(&self) -> Duration {
        let status = self.machine.status(InstanceId(0)).unwrap();
        status.master_interval * (256 - u32::from(status.effective_priority.get())) / 256
    }
}

impl Participant for WithoutSkew {
    fn handle(&mut self, now: Moment, input: Input<'_>, out: &mut Outbox) {
        self.machine.handle(now + self.ahead, input, out);
    }

    fn apply(&mut self, now: Moment, plan: Plan, out: &mut Outbox) {
        self.machine.apply(now + self.ahead, plan, out);
    }

    fn advance(&mut self, now: Moment, out: &mut Outbox) {
        if let Some(at) = self.down_at().filter(|at| *at <= now + self.ahead + self.skew()) {
            self.ahead = self.ahead.max(at.since(now));
        }
        self.machine.advance(now + self.ahead, out);
    }

    fn next_wakeup(&self) -> Option<Moment> {
        let wanted = self.machine.next_wakeup();
        let early = self.down_at().map(|at| at - self.skew());
        early.into_iter().chain(wanted).min().map(|at| at - self.ahead)
    }

    fn is_drained(&self) -> bool {
        self.machine.is_drained()
    }

    fn resume_state(&self, instance: InstanceId) -> Option<Resume> {
        self.machine.resume_state(instance)
    }
}

#[test]
fn a_skew_that_is_left_out_is_found() {
    let interval = AdvertInterval::Centiseconds(Centiseconds::new(10).unwrap());
    let scenario = |seed| Scenario {
        seed,
        ..Scenario::single(interval, &[200, 150, 100]).with(seconds(2.0), Fault::PowerOff(R1))
    };
    let broken = |seed| {
        let scenario = scenario(seed);
        let history = run_with(&scenario, |_, now, config, resume| {
            Box::new(WithoutSkew { machine: Machine::new(now, config, resume), ahead: Duration::ZERO })
        });
        check::all(&scenario, &history).into_iter().map(|violation| violation.rule).collect::<BTreeSet<_>>()
    };
    let found: BTreeSet<Rule> = (0..10).flat_map(broken).collect();
    assert!(found.contains(&Rule::InOrder), "{found:?}");
    for seed in 0..10 {
        assert_eq!(broken_with::<Sound>(&scenario(seed), R1), [].into());
    }
}

/// A master that takes itself for the better of two with one priority, though the other's address is higher
/// (RFC 9568 section 6.4.3).
#[derive(Default)]
struct TieBreakInverted {
    master: bool,
}

impl Bends for TieBreakInverted {
    fn hears(&mut self, input: &Input<'_>) -> bool {
        !(self.master
            && matches!(input, Input::Datagram(datagram) if priority_of(datagram.message) == Priority::new(100)))
    }

    fn lets_out(&mut self, output: &Output) -> bool {
        if let Output::Action(Action::Addresses { wanted, .. }) = output {
            self.master = *wanted;
        }
        true
    }
}

#[test]
fn an_inverted_tie_break_is_found() {
    let interval = AdvertInterval::Centiseconds(Centiseconds::new(10).unwrap());
    let split = Scenario::split(InterfaceId(0), &[&[R1], &[R2]]);
    let heal = Scenario::split(InterfaceId(0), &[&[R1, R2]]);
    let scenario = Scenario::single(interval, &[100, 100]).with(seconds(2.0), split).with(seconds(4.0), heal);
    let broken = broken_with::<TieBreakInverted>(&scenario, R1);
    assert!(broken.contains(&Rule::SingleOwner), "{broken:?}");
    assert_eq!(broken_with::<Sound>(&scenario, R1), [].into());
}

/// A backup whose master down timer runs on from the first advert that it hears (RFC 9568 section 6.4.2).
#[derive(Default)]
struct TimerNotReset {
    master: bool,
    heard: bool,
}

impl Bends for TimerNotReset {
    fn hears(&mut self, input: &Input<'_>) -> bool {
        let advert = matches!(input, Input::Datagram(_));
        let resets = advert && !self.master && self.heard;
        self.heard |= advert;
        !resets
    }

    fn lets_out(&mut self, output: &Output) -> bool {
        if let Output::Action(Action::Addresses { wanted, .. }) = output {
            (self.master, self.heard) = (*wanted, false);
        }
        true
    }
}

#[test]
fn a_timer_that_is_not_reset_is_found() {
    let broken = broken_with::<TimerNotReset>(&pair(), R2);
    assert!(broken.contains(&Rule::Stable), "{broken:?}");
}

#[derive(Default)]
struct Unannounced;

impl Bends for Unannounced {
    fn lets_out(&mut self, output: &Output) -> bool {
        !matches!(output, Output::Action(Action::Announce { .. }))
    }
}

#[test]
fn an_owner_that_announces_nothing_is_not_followed() {
    let scenario = pair().with(seconds(2.0), Fault::PowerOff(R1)).with(seconds(3.0), Fault::PowerOn(R1));
    assert_eq!(broken_with::<Unannounced>(&scenario, R1), [Rule::Followed].into());
}

#[test]
fn owning_with_the_link_down_is_caught() {
    let down = Fault::Link { router: R1, segment: InterfaceId(0), up: false };
    let scenario = pair().with(seconds(2.0), down);
    let broken = broken_by(&scenario, |_, instance| instance.dont_track_interface = true);
    assert!(broken.contains(&Rule::SingleOwner), "{broken:?}");
}

#[test]
fn group_that_falls_apart_is_caught() {
    let link = Fault::Link { router: R1, segment: InterfaceId(1), up: false };
    let scenario = pair().grouped().with(seconds(2.0), link);
    let history = run_with(&scenario, |_, now, mut config: Config, resume| {
        config.groups.clear();
        for instance in &mut config.instances {
            Arc::make_mut(instance).group = None;
        }
        Box::new(Machine::new(now, config, resume))
    });
    let broken: BTreeSet<Rule> =
        check::all(&scenario, &history).into_iter().map(|violation| violation.rule).collect();
    assert!(broken.contains(&Rule::Together), "{broken:?}");
}
