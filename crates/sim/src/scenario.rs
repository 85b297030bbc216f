//! Who stands where, and what befalls them.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use steadfast_time::Moment;
use steadfast_vrrp::config::{AnnounceConfig, InterfaceConfig};
use steadfast_vrrp::{
    Config, GroupConfig, GroupId, InstanceConfig, InstanceId, InterfaceId, Reading, ScriptConfig, ScriptId,
    WatchConfig, WatchId, WatchKind,
};
use steadfast_wire::vrrp::{AdvertInterval, Family, Priority, Vrid};

/// A router; its address ends in this number plus one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterId(pub u8);

impl RouterId {
    /// As an index into [`Scenario::routers`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Its own address on a segment.
    pub fn address(self, segment: InterfaceId, family: Family) -> IpAddr {
        let host = self.0.saturating_add(1);
        let net = u8::try_from(segment.0).unwrap_or(u8::MAX);
        match family {
            Family::V4 => Ipv4Addr::new(10, net, 0, host).into(),
            Family::V6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, net.into(), host.into()).into(),
        }
    }
}

impl fmt::Display for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0.saturating_add(1))
    }
}

/// All that a run depends on.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Chooses losses, delays and lateness during the run.
    pub seed: u64,
    /// All segments behave alike.
    pub network: Network,
    /// Number of segments; every router has an interface in each, numbered like it.
    pub segments: u32,
    /// A router's timers fire up to this late.
    pub lateness_max: Duration,
    /// Time between two runs of each script.
    pub script_interval: Duration,
    /// How long `notify_master_prepare` runs.
    pub preparation: Duration,
    /// At least one, at most 255.
    pub routers: Vec<RouterPlan>,
    /// In order of time.
    pub steps: Vec<Step>,
    /// The run ends here.
    pub end: Moment,
}

/// How packets travel when nothing is wrong.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    /// Each packet takes less than this.
    pub delay_max: Duration,
    /// Of a thousand packets, this many arrive twice.
    pub duplicates_permille: u64,
    /// Of a thousand packets, this many are followed by a copy with one bit flipped.
    pub corruptions_permille: u64,
    /// Packets between two routers do not overtake each other.
    pub in_order: bool,
}

/// What a router is configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterPlan {
    /// Ordered by id; the same ids in every router.
    pub instances: Vec<InstanceConfig>,
    /// Ordered by id.
    pub groups: Vec<GroupConfig>,
    /// Ordered by id.
    pub scripts: Vec<ScriptConfig>,
    /// BFD sessions, ordered by id; all are up at first.
    pub sessions: Vec<WatchId>,
    /// What its clock shows at the start of the run.
    pub clock: Duration,
}

/// Something that befalls a router or the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Power loss: no word, no addresses, nothing.
    PowerOff(RouterId),
    /// It boots and starts the daemon; all routers are on at first.
    PowerOn(RouterId),
    /// The daemon is told to stop, hands over and ends.
    Stop(RouterId),
    /// The daemon hangs; the kernel keeps its addresses.
    Pause(RouterId),
    /// It goes on.
    Resume(RouterId),
    /// The daemon takes other settings over, here and at every later start. The checkers go by the
    /// plan that the router began with: such a scenario has a test of its own.
    Reload {
        /// Whose.
        router: RouterId,
        /// The whole of them.
        plan: Arc<RouterPlan>,
    },
    /// The worker is killed and a successor started a moment later.
    KillWorker(RouterId),
    /// A link goes down or comes up.
    Link {
        /// Whose.
        router: RouterId,
        /// Where.
        segment: InterfaceId,
        /// Works from here on.
        up: bool,
    },
    /// Packets do not pass any more from the first to the second of each pair; replaces an earlier
    /// partition. Empty heals.
    Partition {
        /// Where.
        segment: InterfaceId,
        /// Sender and receiver.
        blocked: BTreeSet<(RouterId, RouterId)>,
    },
    /// Adverts, and nothing else, do not pass any more from the first to the second of each pair, as with a firewall or a
    /// switch that drops protocol 112; replaces what was muted before. Empty heals.
    Mute {
        /// Where.
        segment: InterfaceId,
        /// Sender and receiver.
        muted: BTreeSet<(RouterId, RouterId)>,
    },
    /// Of a thousand packets, this many are lost.
    Loss {
        /// Zero ends it.
        permille: u64,
    },
    /// Somebody sets a router's clock: what it shows from here on, compared with that of the others.
    SetClock {
        /// Whose.
        router: RouterId,
        /// So much later, or, coming round, earlier.
        ahead: Duration,
    },
    /// What a script finds from here on; good at first.
    Script {
        /// Whose.
        router: RouterId,
        /// Which.
        script: ScriptId,
        /// Exit status 0.
        good: bool,
    },
    /// A BFD session goes down or comes up.
    Session {
        /// Whose.
        router: RouterId,
        /// Which.
        session: WatchId,
        /// It is up from here on.
        up: bool,
    },
}

/// A fault and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Since the start of the run.
    pub at: Moment,
    /// What.
    pub fault: Fault,
}

impl Scenario {
    /// One virtual router on one segment, a router for each priority, on an ideal network: the
    /// start of every named test.
    pub fn single(interval: AdvertInterval, priorities: &[u8]) -> Self {
        let plan = |priority: &u8| RouterPlan {
            instances: vec![instance(InstanceId(0), InterfaceId(0), Family::V4, interval, *priority)],
            groups: Vec::new(),
            scripts: Vec::new(),
            sessions: Vec::new(),
            clock: Duration::ZERO,
        };
        Self {
            seed: 0,
            network: Network {
                delay_max: Duration::from_micros(200),
                duplicates_permille: 0,
                corruptions_permille: 0,
                in_order: true,
            },
            segments: 1,
            lateness_max: Duration::from_micros(50),
            script_interval: Duration::from_millis(100),
            preparation: Duration::ZERO,
            routers: priorities.iter().map(plan).collect(),
            steps: Vec::new(),
            end: Moment::ZERO + interval.duration() * 60,
        }
    }

    /// Each router gets a second virtual router on a second segment, in one sync group with the
    /// first.
    #[must_use]
    pub fn grouped(mut self) -> Self {
        self.segments = 2;
        for plan in &mut self.routers {
            let Some(first) = plan.instances.first_mut() else { continue };
            first.group = Some(GroupId(0));
            let mut second =
                instance(InstanceId(1), InterfaceId(1), first.family, first.interval, first.priority.get());
            second.group = first.group;
            plan.instances.push(second);
            let members = vec![InstanceId(0), InstanceId(1)];
            plan.groups = vec![GroupConfig { id: GroupId(0), name: "VG_1".into(), members }];
        }
        self
    }

    /// The same with a fault at this time since the start.
    #[must_use]
    pub fn with(mut self, at: Duration, fault: Fault) -> Self {
        self.steps.push(Step { at: Moment::ZERO + at, fault });
        self.steps.sort_by_key(|step| step.at);
        self
    }

    /// The same, with every instance changed.
    #[must_use]
    pub fn each(mut self, mut change: impl FnMut(RouterId, &mut InstanceConfig)) -> Self {
        for (router, plan) in (0..).map(RouterId).zip(&mut self.routers) {
            plan.instances.iter_mut().for_each(|instance| change(router, instance));
        }
        self
    }

    /// All routers.
    pub fn router_ids(&self) -> impl Iterator<Item = RouterId> + Clone + use<> {
        (0..u8::try_from(self.routers.len()).unwrap_or(u8::MAX)).map(RouterId)
    }

    /// All segments.
    pub fn segment_ids(&self) -> impl Iterator<Item = InterfaceId> + Clone + use<> {
        (0..self.segments).map(InterfaceId)
    }

    /// All virtual routers.
    pub fn instance_ids(&self) -> impl Iterator<Item = InstanceId> + Clone + '_ {
        self.routers.first().into_iter().flat_map(|plan| plan.instances.iter().map(|instance| instance.id))
    }

    /// One router's part of a virtual router.
    pub fn instance(&self, router: RouterId, instance: InstanceId) -> Option<&InstanceConfig> {
        self.routers.get(router.index())?.instances.iter().find(|config| config.id == instance)
    }

    /// A partition in which only routers of the same set hear each other.
    pub fn split(segment: InterfaceId, sets: &[&[RouterId]]) -> Fault {
        let mut blocked = BTreeSet::new();
        for (at, set) in sets.iter().enumerate() {
            let others = sets.iter().enumerate().filter(|(other, _)| *other != at).flat_map(|(_, set)| *set);
            blocked.extend(others.flat_map(|other| set.iter().map(|router| (*router, *other))));
        }
        Fault::Partition { segment, blocked }
    }
}

impl Fault {
    /// The router that it befalls, unless it is the network.
    pub const fn router(&self) -> Option<RouterId> {
        match self {
            Self::PowerOff(router)
            | Self::PowerOn(router)
            | Self::Stop(router)
            | Self::Pause(router)
            | Self::Resume(router)
            | Self::KillWorker(router)
            | Self::Link { router, .. }
            | Self::Reload { router, .. }
            | Self::SetClock { router, .. }
            | Self::Script { router, .. }
            | Self::Session { router, .. } => Some(*router),
            Self::Partition { .. } | Self::Mute { .. } | Self::Loss { .. } => None,
        }
    }
}

impl RouterPlan {
    /// As the machine takes it.
    pub fn config(&self, segments: u32) -> Config {
        let session = |id: &WatchId| WatchConfig {
            id: *id,
            kind: WatchKind::Session,
            name: format!("uplink{}", id.0).into(),
            reading: Some(Reading::Good(true)),
        };
        let interface = |id| InterfaceConfig { id: InterfaceId(id), name: format!("eth{id}").into() };
        Config {
            instances: self.instances.iter().cloned().map(Arc::new).collect(),
            groups: self.groups.iter().cloned().map(Arc::new).collect(),
            watches: self.sessions.iter().map(session).map(Arc::new).collect(),
            scripts: self.scripts.iter().cloned().map(Arc::new).collect(),
            interfaces: (0..segments).map(interface).collect(),
            startup_delay: Duration::ZERO,
        }
    }
}

/// A plain instance with keepalived's defaults.
pub fn instance(
    id: InstanceId,
    segment: InterfaceId,
    family: Family,
    interval: AdvertInterval,
    priority: u8,
) -> InstanceConfig {
    let number = u8::try_from(id.0).unwrap_or(u8::MAX);
    let (group, address): (IpAddr, IpAddr) = match family {
        Family::V4 => (Ipv4Addr::new(224, 0, 0, 18).into(), Ipv4Addr::new(10, 0, 9, number).into()),
        Family::V6 => (
            Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12).into(),
            Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 9, number.into()).into(),
        ),
    };
    let vrid = Vrid::new(number.saturating_add(51)).unwrap_or(Vrid::MIN);
    InstanceConfig {
        name: format!("VI_{}", id.0.saturating_add(1)).into(),
        initial_master: priority == Priority::OWNER.get(),
        priority: Priority::new(priority),
        higher_priority_send_advert: true,
        addresses: vec![address],
        announce: AnnounceConfig {
            master_delay: Duration::from_secs(5),
            master_repeat: 5,
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_priority_delay: Duration::from_secs(5),
            lower_priority_repeat: 5,
        },
        ..InstanceConfig::plain(id, vrid, segment, group, interval)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerOff(router) => write!(f, "{router} power off"),
            Self::PowerOn(router) => write!(f, "{router} power on"),
            Self::Stop(router) => write!(f, "{router} stop"),
            Self::Pause(router) => write!(f, "{router} pause"),
            Self::Resume(router) => write!(f, "{router} resume"),
            Self::KillWorker(router) => write!(f, "{router} kill worker"),
            Self::Reload { router, .. } => write!(f, "{router} reload"),
            Self::Link { router, segment, up } => {
                write!(f, "{router} eth{} {}", segment.0, if *up { "up" } else { "down" })
            }
            Self::Partition { segment, blocked } if blocked.is_empty() => {
                write!(f, "net eth{} heals", segment.0)
            }
            Self::Partition { segment, blocked } => {
                write!(f, "net eth{} blocked", segment.0)?;
                blocked.iter().try_for_each(|(from, to)| write!(f, " {from}>{to}"))
            }
            Self::Mute { segment, muted } => {
                write!(f, "net eth{} mutes", segment.0)?;
                muted.iter().try_for_each(|(from, to)| write!(f, " {from}>{to}"))
            }
            Self::Loss { permille } => write!(f, "net loses {permille} of 1000"),
            Self::SetClock { router, ahead } => write!(f, "{router} clock {ahead:?} ahead"),
            Self::Script { router, script, good } => {
                write!(f, "{router} script {} {}", script.0, if *good { "good" } else { "bad" })
            }
            Self::Session { router, session, up } => {
                write!(f, "{router} session {} {}", session.0, if *up { "up" } else { "down" })
            }
        }
    }
}
