//! Scenarios from a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use steadfast_time::{Moment, Random};
use steadfast_vrrp::config::{Authentication, TrackScript, Trailer, Transport, UnicastPeer, Weight};
use steadfast_vrrp::{
    GroupConfig, GroupId, InstanceConfig, InstanceId, InterfaceId, Prepare, PrepareFailure, ScriptConfig,
    ScriptId, SplitBrainCheck, TrackWatch, WatchId,
};
use steadfast_wire::vrrp::{AdvertInterval, Centiseconds, Family, Key, Priority, TrailerKey};

use crate::check::Bounds;
use crate::scenario::{Fault, Network, RouterId, RouterPlan, Scenario, Step, instance};

const FAULTS_MAX: u64 = 12;
/// Sets the chance of preparations apart from that of everything else.
const PREPARATIONS: u64 = 0x5eed_0f9e;
/// The same of questions.
const QUESTIONS: u64 = 0x5eed_a51c;
const PRIORITIES: [u8; 8] = [1, 50, 100, 100, 150, 150, 200, 254];

impl Scenario {
    /// Two to five routers and up to a dozen faults, everything chosen by the seed. At the end all
    /// faults are mended, so that every scenario ends settled.
    pub fn random(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let traits = Traits::choose(&mut random);
        let routers = usize::try_from(2 + random.below(4)).unwrap_or(2);
        let mut scenario = Self {
            seed: random.number(),
            network: traits.network(&mut random),
            segments: traits.segments,
            lateness_max: random.between(Duration::from_micros(1), traits.shortest / 20),
            script_interval: traits.longest / 2,
            preparation: Duration::ZERO,
            routers: (0..routers).map(|_| traits.router(&mut random)).collect(),
            steps: Vec::new(),
            end: Moment::ZERO,
        };
        traits.crown_owner(&mut random, &mut scenario);
        traits.use_unicast(&mut scenario);
        prepare(seed, traits.longest, &mut scenario);
        ask(seed, traits.longest, &mut scenario);
        schedule(&mut random, &mut scenario);
        scenario
    }
}

/// The session that a router follows, if it follows one.
const SESSION: WatchId = WatchId(0);

/// What all routers of a scenario share.
struct Traits {
    family: Family,
    intervals: Vec<AdvertInterval>,
    shortest: Duration,
    longest: Duration,
    segments: u32,
    instances: u32,
    grouped: bool,
    authentication: Authentication,
    unicast: bool,
    nopreempt_permille: u64,
    preempt_delays: bool,
    scripts: Tracking,
    sessions: Tracking,
    down_timer_adverts: u32,
    owner: bool,
}

/// What following something does.
#[derive(Clone, Copy, PartialEq)]
enum Tracking {
    None,
    Weighted,
    Faulting,
}

impl Tracking {
    fn weight(self) -> Option<Weight> {
        let value = match self {
            Self::None => return None,
            Self::Weighted => -60,
            Self::Faulting => 0,
        };
        Some(Weight { value, reverse: false })
    }
}

/// How all routers prove who they are.
fn authentication(random: &mut Random, header_possible: bool, password_possible: bool) -> Authentication {
    let key = |id: u8| TrailerKey { id, key: Key::new([id; 32].into()) };
    match random.below(10) {
        0 | 1 if password_possible => Authentication::Password(*b"simulate"),
        2 | 3 if header_possible => Authentication::Header(Key::new((*b"simulate").into())),
        4 | 5 => Authentication::Trailer(Arc::new(Trailer {
            keys: vec![key(1), key(2)],
            active: if random.permille(500) { 1 } else { 2 },
            required: random.permille(800),
            signs: true,
            window: random.permille(700).then_some(Duration::from_secs(5)),
        })),
        _ => Authentication::None,
    }
}

impl Traits {
    fn choose(random: &mut Random) -> Self {
        let version_2 = random.permille(400);
        let intervals = if version_2 {
            let seconds = NonZeroU8::MIN.saturating_add(u8::from(random.permille(200)));
            vec![AdvertInterval::Seconds(seconds)]
        } else {
            let of = |centiseconds| {
                AdvertInterval::Centiseconds(Centiseconds::new(centiseconds).unwrap_or(Centiseconds::MIN))
            };
            match random.below(5) {
                0 => vec![of(100)],
                1 => vec![of(10)],
                2 | 3 => vec![of(1)],
                _ => vec![of(1), of(10), of(100)],
            }
        };
        let grouped = random.permille(200);
        let instances = if grouped || random.permille(200) { 2 } else { 1 };
        let (scripts, sessions) = match random.below(8) {
            0 if !grouped => (Tracking::Weighted, Tracking::None),
            1 => (Tracking::Faulting, Tracking::None),
            2 if !grouped => (Tracking::None, Tracking::Weighted),
            3 => (Tracking::None, Tracking::Faulting),
            _ => (Tracking::None, Tracking::None),
        };
        let family = if random.permille(250) { Family::V6 } else { Family::V4 };
        let durations = || intervals.iter().map(|interval| interval.duration());
        Self {
            family,
            shortest: durations().min().unwrap_or_default(),
            longest: durations().max().unwrap_or_default(),
            intervals,
            segments: if instances == 2 && random.permille(500) { 2 } else { 1 },
            instances,
            grouped,
            authentication: authentication(random, version_2 && family == Family::V4, version_2),
            unicast: random.permille(200),
            nopreempt_permille: match random.below(4) {
                0 => 1000,
                1 => 300,
                _ => 0,
            },
            preempt_delays: random.permille(200),
            scripts,
            sessions,
            down_timer_adverts: if random.permille(100) { 2 } else { 3 },
            owner: random.permille(150),
        }
    }

    fn network(&self, random: &mut Random) -> Network {
        // Far below the interval: a network whose delay reaches it is broken, not slow.
        let delay_max =
            random.between(Duration::from_micros(20), self.shortest.min(Duration::from_millis(100)) / 5);
        Network {
            delay_max,
            duplicates_permille: if random.permille(300) { 50 } else { 0 },
            corruptions_permille: if random.permille(200) { 100 } else { 0 },
            in_order: random.permille(500),
        }
    }

    fn router(&self, random: &mut Random) -> RouterPlan {
        let priority = random.pick(&PRIORITIES).copied().unwrap_or(100);
        let interval = random.pick(&self.intervals).copied();
        let interval = interval.unwrap_or(AdvertInterval::Seconds(NonZeroU8::MIN));
        let nopreempt = random.permille(self.nopreempt_permille);
        let preempt_delay = if self.preempt_delays && !nopreempt && random.permille(500) {
            random.between(Duration::ZERO, self.longest * 5)
        } else {
            Duration::ZERO
        };
        let initial_master = random.permille(100);
        let one = |number: u32| {
            let segment = InterfaceId(number % self.segments);
            InstanceConfig {
                nopreempt,
                preempt_delay,
                initial_master,
                authentication: self.authentication.clone(),
                down_timer_adverts: self.down_timer_adverts,
                group: self.grouped.then_some(GroupId(0)),
                track_scripts: self.track_scripts(),
                track_watches: self.track_sessions(),
                ..instance(InstanceId(number), segment, self.family, interval, priority)
            }
        };
        let instances: Vec<_> = (0..self.instances).map(one).collect();
        let members = instances.iter().map(|instance| instance.id).collect();
        let group = GroupConfig { id: GroupId(0), name: "VG_1".into(), members };
        let script = ScriptConfig {
            id: ScriptId(0),
            name: "chk".into(),
            rise: u32::try_from(1 + random.below(3)).unwrap_or(1),
            fall: u32::try_from(1 + random.below(3)).unwrap_or(1),
            init_fail: random.permille(200),
        };
        RouterPlan {
            instances,
            groups: if self.grouped { vec![group] } else { Vec::new() },
            scripts: if self.scripts == Tracking::None { Vec::new() } else { vec![script] },
            sessions: if self.sessions == Tracking::None { Vec::new() } else { vec![SESSION] },
            clock: random.between(Duration::from_secs(1), Duration::from_secs(1 << 20)),
        }
    }

    fn track_scripts(&self) -> Vec<TrackScript> {
        let weight = self.scripts.weight().into_iter();
        weight.map(|weight| TrackScript { script: ScriptId(0), weight }).collect()
    }

    fn track_sessions(&self) -> Vec<TrackWatch> {
        let weight = self.sessions.weight().into_iter();
        weight.map(|weight| TrackWatch { watch: SESSION, weight }).collect()
    }

    fn crown_owner(&self, random: &mut Random, scenario: &mut Scenario) {
        let count = u64::try_from(scenario.routers.len()).unwrap_or(1);
        let chosen = usize::try_from(random.below(count)).unwrap_or(0);
        let Some(plan) = scenario.routers.get_mut(chosen).filter(|_| self.owner) else { return };
        for instance in &mut plan.instances {
            instance.priority = Priority::OWNER;
            instance.initial_master = true;
            instance.nopreempt = false;
            instance.preempt_delay = Duration::ZERO;
        }
    }

    fn use_unicast(&self, scenario: &mut Scenario) {
        if !self.unicast {
            return;
        }
        let routers: Vec<RouterId> = scenario.router_ids().collect();
        for (router, plan) in routers.iter().zip(&mut scenario.routers) {
            for instance in &mut plan.instances {
                let segment = instance.interface;
                let peer = |other: &RouterId| UnicastPeer {
                    address: other.address(segment, self.family),
                    min_ttl: 0,
                    max_ttl: 255,
                };
                let peers = routers.iter().filter(|other| *other != router).map(peer).collect();
                instance.transport = Transport::Unicast { peers, ttl: None, check_source: true };
            }
        }
    }
}

/// In some scenarios all routers prepare themselves. With chance of its own, so that other seeds stay what they are.
fn prepare(seed: u64, interval: Duration, scenario: &mut Scenario) {
    let mut random = Random::new(seed ^ PREPARATIONS);
    if !random.permille(150) {
        return;
    }
    let timeout = random.between(interval, interval * 10);
    scenario.preparation = random.between(Duration::ZERO, timeout * 2);
    for instance in scenario.routers.iter_mut().flat_map(|plan| &mut plan.instances) {
        instance.prepare = Some(Prepare { timeout, failure: PrepareFailure::Serve });
    }
}

/// In some scenarios all routers ask who serves, and tell it only: an election waits for the answers and goes as ever. With
/// chance of its own, so that other seeds stay what they are.
fn ask(seed: u64, interval: Duration, scenario: &mut Scenario) {
    let mut random = Random::new(seed ^ QUESTIONS);
    if !random.permille(150) {
        return;
    }
    let within = random.between(Duration::from_millis(10), interval.max(Duration::from_millis(20)));
    let every = random.between(Duration::from_secs(1), Duration::from_secs(10));
    for instance in scenario.routers.iter_mut().flat_map(|plan| &mut plan.instances) {
        let (arbiter, service) = (None, None);
        let check = SplitBrainCheck { link: true, arbiter, service, yields: false, within, every };
        instance.split_brain_check = Some(Box::new(check));
    }
}

/// Chooses faults that make sense one after another, some in haste and some with time to settle,
/// and mends everything at the end.
fn schedule(random: &mut Random, scenario: &mut Scenario) {
    let bounds = Bounds::of(scenario);
    let mut sight = Sight::default();
    let mut at = Moment::ZERO;
    for _ in 0..3 + random.below(FAULTS_MAX - 2) {
        let wait = if random.permille(600) {
            bounds.settle + random.between(Duration::ZERO, bounds.interval_longest * 5)
        } else {
            random.between(Duration::ZERO, bounds.interval_longest * 4)
        };
        at = at + wait;
        let fault = sight.next(random, scenario);
        scenario.steps.push(Step { at, fault });
    }
    at = at + random.between(Duration::ZERO, bounds.interval_longest * 4);
    let mending = sight.mend(scenario).into_iter().map(|fault| Step { at, fault });
    scenario.steps.extend(mending);
    scenario.end = at + bounds.settle * 2;
}

/// What is broken so far.
#[derive(Default)]
struct Sight {
    off: BTreeSet<RouterId>,
    paused: BTreeSet<RouterId>,
    links_down: BTreeSet<(RouterId, InterfaceId)>,
    scripts_bad: BTreeMap<RouterId, ScriptId>,
    sessions_down: BTreeMap<RouterId, WatchId>,
    partitioned: BTreeSet<InterfaceId>,
    lossy: bool,
}

impl Sight {
    fn next(&mut self, random: &mut Random, scenario: &Scenario) -> Fault {
        let routers: Vec<RouterId> = scenario.router_ids().collect();
        let router = random.pick(&routers).copied().unwrap_or(RouterId(0));
        let segments: Vec<InterfaceId> = scenario.segment_ids().collect();
        let segment = random.pick(&segments).copied().unwrap_or(InterfaceId(0));
        if self.lossy && random.permille(500) {
            self.lossy = false;
            return Fault::Loss { permille: 0 };
        }
        if self.partitioned.contains(&segment) && random.permille(400) {
            self.partitioned.remove(&segment);
            return Fault::Partition { segment, blocked: BTreeSet::new() };
        }
        if random.permille(150) {
            self.partitioned.insert(segment);
            return partition(random, segment, &routers);
        }
        if random.permille(60) {
            self.lossy = true;
            return Fault::Loss { permille: 20 + random.below(600) };
        }
        self.of_router(random, scenario, router, segment)
    }

    fn of_router(
        &mut self,
        random: &mut Random,
        scenario: &Scenario,
        router: RouterId,
        segment: InterfaceId,
    ) -> Fault {
        if self.off.remove(&router) {
            return Fault::PowerOn(router);
        }
        if self.paused.remove(&router) {
            return Fault::Resume(router);
        }
        let script = scenario.routers.get(router.index()).and_then(|plan| plan.scripts.first());
        if let Some(script) = script.filter(|_| random.permille(400)) {
            let good = self.scripts_bad.remove(&router).is_some();
            if !good {
                self.scripts_bad.insert(router, script.id);
            }
            return Fault::Script { router, script: script.id, good };
        }
        let session = scenario.routers.get(router.index()).and_then(|plan| plan.sessions.first());
        if let Some(&session) = session.filter(|_| random.permille(400)) {
            let up = self.sessions_down.remove(&router).is_some();
            if !up {
                self.sessions_down.insert(router, session);
            }
            return Fault::Session { router, session, up };
        }
        match random.below(6) {
            0 => {
                self.off.insert(router);
                Fault::PowerOff(router)
            }
            1 => {
                self.off.insert(router);
                Fault::Stop(router)
            }
            2 => {
                self.paused.insert(router);
                Fault::Pause(router)
            }
            3 => Fault::KillWorker(router),
            _ => {
                let up = self.links_down.remove(&(router, segment));
                if !up {
                    self.links_down.insert((router, segment));
                }
                Fault::Link { router, segment, up }
            }
        }
    }

    fn mend(&self, scenario: &Scenario) -> Vec<Fault> {
        let healed = |segment| Fault::Partition { segment, blocked: BTreeSet::new() };
        let mut faults = vec![Fault::Loss { permille: 0 }];
        faults.extend(scenario.segment_ids().map(healed));
        faults.extend(self.links_down.iter().map(|(router, segment)| Fault::Link {
            router: *router,
            segment: *segment,
            up: true,
        }));
        let good = |(router, script): (&RouterId, &ScriptId)| Fault::Script {
            router: *router,
            script: *script,
            good: true,
        };
        faults.extend(self.scripts_bad.iter().map(good));
        let up = |(router, session): (&RouterId, &WatchId)| Fault::Session {
            router: *router,
            session: *session,
            up: true,
        };
        faults.extend(self.sessions_down.iter().map(up));
        faults.extend(self.paused.iter().copied().map(Fault::Resume));
        faults.extend(self.off.iter().copied().map(Fault::PowerOn));
        faults
    }
}

/// Two halves, one router alone, or a direction that does not work.
fn partition(random: &mut Random, segment: InterfaceId, routers: &[RouterId]) -> Fault {
    if random.permille(300) {
        let pairs = routers.iter().flat_map(|from| routers.iter().map(move |to| (*from, *to)));
        let blocked = pairs.filter(|(from, to)| from != to && random.permille(400)).collect();
        return Fault::Partition { segment, blocked };
    }
    let (left, right): (Vec<_>, Vec<_>) = routers.iter().copied().partition(|_| random.permille(500));
    Scenario::split(segment, &[&left, &right])
}
