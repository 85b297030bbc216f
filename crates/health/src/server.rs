//! One server of a service: alive or not, and with which weight.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use steadfast_time::Moment;

use crate::action::{Contribution, Override};
use crate::config::{CheckId, ServerConfig, ServiceId};
use crate::endpoint::Endpoint;
use crate::few::First;
use crate::instant::{Share, Since};

/// In how many steps the weight grows during a slow start.
pub const SLOW_START_STEPS: u32 = 10;

/// The largest weight of the kernel.
const WEIGHT_MAX: i64 = i32::MAX as i64;

/// One server, of which there are tens of thousands.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) service: ServiceId,
    address: Endpoint,
    pub(crate) config: Arc<Settings>,
    /// The first of its checks.
    check: First<CheckId>,
    /// How many of its checks are down.
    pub(crate) failing: u32,
    /// Each of its checks has been made once, or need not have been.
    pub(crate) proven: bool,
    /// What was last told of [`alive`](Self::alive).
    pub(crate) was_alive: bool,
    /// When it came up or went down last.
    pub(crate) changed: Option<Since>,
    /// Configured weight and what checks made of it.
    pub(crate) weight: u32,
    /// Its weight is part of the live weight of its service.
    pub(crate) counted: bool,
    /// With which weight it was asked for, if it was.
    wanted: Option<Share>,
    /// What few servers have.
    rare: Option<Box<Rare>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Rare {
    /// Its checks but for the first.
    checks: Box<[CheckId]>,
    by: Override,
    /// It has come back and its weight grows.
    slow: Option<Since>,
}

/// What servers that are used alike have in common.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Settings {
    pub(crate) weight: u32,
    pub(crate) inhibit: bool,
    pub(crate) proven_first: bool,
    pub(crate) slow_start: Duration,
}

impl Settings {
    pub(crate) const fn of(config: &ServerConfig) -> Self {
        let ServerConfig { address: _, checks: _, weight, inhibit, proven_first, slow_start } = config;
        Self { weight: *weight, inhibit: *inhibit, proven_first: *proven_first, slow_start: *slow_start }
    }
}

impl Server {
    pub(crate) fn new(service: ServiceId, address: SocketAddr, config: Arc<Settings>) -> Self {
        let weight = clamped(i64::from(config.weight));
        Self {
            service,
            address: address.into(),
            config,
            check: First::default(),
            failing: 0,
            proven: false,
            was_alive: true,
            changed: None,
            weight,
            counted: false,
            wanted: None,
            rare: None,
        }
    }

    /// Its checks, in the order of the configuration.
    pub(crate) fn checks(&self) -> impl Iterator<Item = CheckId> + '_ {
        let further = self.rare.iter().flat_map(|rare| rare.checks.iter().copied());
        self.check.get().into_iter().chain(further)
    }

    pub(crate) fn set_checks(&mut self, checks: &[CheckId]) {
        self.check.set(checks.first().copied());
        let further = checks.get(1..).unwrap_or_default();
        self.set_rare(|rare| rare.checks = further.into());
    }

    /// How an operator uses it.
    pub(crate) fn by(&self) -> Override {
        self.rare.as_ref().map_or(Override::None, |rare| rare.by)
    }

    /// How it was used before comes back.
    pub(crate) fn set_by(&mut self, by: Override) -> Override {
        let before = self.by();
        self.set_rare(|rare| rare.by = by);
        before
    }

    /// It is in the table only when each of its checks has been made once, and that is not yet so.
    pub(crate) fn awaits_checks(&self) -> bool {
        self.config.proven_first && !self.proven
    }

    fn slow(&self) -> Option<Moment> {
        self.rare.as_ref().and_then(|rare| rare.slow).map(Moment::from)
    }

    /// Whether its weight grows.
    pub(crate) fn is_slow(&self) -> bool {
        self.slow().is_some()
    }

    /// Its weight grows from now on.
    pub(crate) fn start_slowly(&mut self, now: Moment) {
        self.set_rare(|rare| rare.slow = Some(now.into()));
    }

    fn set_rare(&mut self, change: impl FnOnce(&mut Rare)) {
        let mut rare = self.rare.take().map(|rare| *rare).unwrap_or_default();
        change(&mut rare);
        self.rare = (rare != Rare::default()).then(|| Box::new(rare));
    }

    /// What it adds to the live weight of its service.
    pub(crate) const fn live(&self) -> u32 {
        if self.counted { self.weight } else { 0 }
    }

    /// With which weight it was asked for, if it was.
    pub(crate) fn wanted(&self) -> Option<u32> {
        self.wanted.map(u32::from)
    }

    /// It is asked for with this weight, or not at all; what was before comes back.
    pub(crate) fn want(&mut self, weight: Option<u32>) -> Option<u32> {
        std::mem::replace(&mut self.wanted, weight.map(Share::from)).map(u32::from)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address.get()
    }

    pub(crate) fn alive(&self) -> bool {
        self.failing == 0 && self.by() != Override::Disable
    }

    /// The weight that its configuration and its checks give it, or its operator.
    pub(crate) fn weigh(&self, contributions: impl Iterator<Item = Contribution>) -> u32 {
        match self.by() {
            Override::Drain | Override::Disable => return 0,
            Override::Weight(weight) => return clamped(i64::from(weight)),
            Override::None => {}
        }
        let configured = i64::from(self.config.weight);
        let sum = contributions.fold(configured, |sum, contribution| match contribution {
            Contribution::None => sum,
            Contribution::Added(number) => sum.saturating_add(number),
            Contribution::Absolute(weight) => sum.saturating_add(i64::from(weight) - configured),
        });
        clamped(sum)
    }

    /// With which weight its service shall have it at `now`; `displaced` while the sorry server serves.
    pub(crate) fn entry(&self, now: Moment, displaced: bool) -> Option<u32> {
        match self.by() {
            Override::Disable => None,
            _ if !self.proven => None,
            // Its connections go on whoever gets the new ones.
            Override::Drain if self.failing == 0 => Some(0),
            _ if self.alive() && !displaced => Some(self.slowed(now)),
            _ => self.config.inhibit.then_some(0),
        }
    }

    /// Its weight, or less while it starts slowly.
    fn slowed(&self, now: Moment) -> u32 {
        let Some(since) = self.slow() else { return self.weight };
        let step = self.slow_step(now, since);
        let grown = u64::from(self.weight) * u64::from(step + 1) / u64::from(SLOW_START_STEPS + 1);
        u32::try_from(grown).unwrap_or(self.weight).max(self.weight.min(1))
    }

    fn slow_step(&self, now: Moment, since: Moment) -> u32 {
        let part = self.slow_part().as_nanos().max(1);
        u32::try_from(now.since(since).as_nanos() / part).unwrap_or(u32::MAX).min(SLOW_START_STEPS)
    }

    fn slow_part(&self) -> Duration {
        self.config.slow_start / SLOW_START_STEPS
    }

    /// When its weight grows next, if it grows; it ends by this call when it has grown up.
    pub(crate) fn next_growth(&mut self, now: Moment) -> Option<Moment> {
        let since = self.slow()?;
        let step = self.slow_step(now, since);
        if step >= SLOW_START_STEPS || !self.alive() {
            self.set_rare(|rare| rare.slow = None);
            return None;
        }
        Some(since + self.slow_part() * (step + 1))
    }
}

fn clamped(weight: i64) -> u32 {
    u32::try_from(weight.clamp(0, WEIGHT_MAX)).unwrap_or(0)
}
