//! What a vrrp worker is given to do: the configuration file boiled down to values that can be
//! compared, numbered so that the numbers keep their meaning across a reload.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_kernel::BufferSize;
use steadfast_kernel::netlink::{RouteSpec, RuleSpec};
use steadfast_vrrp::{Config, InstanceId, InterfaceId};
use steadfast_wire::vrrp::{Family, Vrid};

/// Everything one vrrp worker runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// For the VRRP machine.
    pub machine: Config,
    /// For the BFD machine.
    pub sessions: steadfast_bfd::Config,
    /// What each instance brings with it, ordered by instance.
    pub installs: Vec<Install>,
    /// What exists whatever the state of any instance.
    pub standing: Standing,
    /// Interfaces that are made on top of others, ordered by interface.
    pub links: Vec<MadeLink>,
    /// How packet filters look.
    pub filters: FilterStyle,
    /// Spacing of announcements.
    pub pacing: Pacing,
    /// Interfaces whose changes are not believed at once.
    pub delays: Vec<LinkDelay>,
    /// Interfaces whose drivers are asked for their links, in order.
    pub polled: Vec<InterfaceId>,
    /// How the worker runs.
    pub settings: Settings,
}

/// An interface that is made on top of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeLink {
    /// Itself.
    pub interface: InterfaceId,
    /// The one below.
    pub lower: InterfaceId,
    /// What it is.
    pub kind: MadeKind,
    /// Number of the virtual router that it is made for.
    pub vrid: Vrid,
    /// Family of that virtual router.
    pub family: Family,
    /// Its group of interfaces, if it is not that of the one below.
    pub group: Option<u32>,
    /// IPv6 is spoken on it.
    pub with_ipv6: bool,
    /// The kernel tells once more of it when it is made.
    pub told_again: bool,
    /// An address that it always has, with its prefix.
    pub address: Option<(IpAddr, u8)>,
}

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MadeKind {
    /// A macvlan with this MAC address.
    Vmac([u8; 6]),
    /// An ipvlan with these IPVLAN_F_* flags.
    Ipvlan(u16),
}

/// How packet filters look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterStyle {
    /// Name of the tables.
    pub table: String,
    /// Priority of the chains.
    pub priority: i32,
    /// Whether rules count.
    pub counters: bool,
    /// No reports of group members are sent by IPv4 at all.
    pub no_local_igmp: bool,
}

impl Work {
    /// The sessions alone, for a worker that runs no virtual routers. What others left of them is on interfaces that it
    /// knows by their numbers.
    #[must_use]
    pub fn without_routers(self) -> Self {
        let Self { mut machine, sessions, links, filters, pacing, settings, .. } = self;
        machine.interfaces.retain(|interface| links.iter().all(|link| link.interface != interface.id));
        let machine = Config { interfaces: machine.interfaces, ..Config::default() };
        Self { machine, sessions, filters, pacing, settings, ..Self::default() }
    }

    /// The interface that is made under this number, if it is such.
    pub fn made(&self, id: InterfaceId) -> Option<&MadeLink> {
        self.links.binary_search_by_key(&id, |link| link.interface).ok().and_then(|at| self.links.get(at))
    }

    /// Whether there are routes or rules at all.
    pub fn has_ways(&self) -> bool {
        !self.standing.routes.is_empty()
            || !self.standing.rules.is_empty()
            || self.installs.iter().any(|install| !install.routes.is_empty() || !install.rules.is_empty())
    }

    /// Name of an interface; empty for a number that was never given.
    pub fn interface_name(&self, id: InterfaceId) -> &str {
        let interfaces = &self.machine.interfaces;
        let at = interfaces.binary_search_by_key(&id, |interface| interface.id).ok();
        at.and_then(|at| interfaces.get(at)).map_or("", |interface| &interface.name)
    }

    /// The interface of that name, if its driver is asked for its link.
    pub fn polled_by_name(&self, name: &str) -> Option<InterfaceId> {
        self.polled.iter().copied().find(|interface| self.interface_name(*interface) == name)
    }

    /// What the announcements on an interface share their spacing with.
    pub fn pace(&self, interface: InterfaceId) -> Pace {
        let below = self.made(interface).map_or(interface, |link| link.lower);
        let has =
            |group: &PacedGroup| group.interfaces.contains(&interface) || group.interfaces.contains(&below);
        self.pacing.groups.iter().position(has).map_or(Pace::Interface(below), Pace::Group)
    }

    /// How long changes of an interface are not believed; one that is made is as slow as the one below.
    pub fn delay(&self, interface: InterfaceId) -> Option<LinkDelay> {
        let below = self.made(interface).map_or(interface, |link| link.lower);
        let of = |id| self.delays.iter().find(|delay| delay.interface == id).copied();
        of(interface).or_else(|| of(below)).map(|delay| LinkDelay { interface, ..delay })
    }

    /// What an instance brings with it.
    pub fn install(&self, id: InstanceId) -> Option<&Install> {
        self.installs
            .binary_search_by_key(&id, |install| install.instance)
            .ok()
            .and_then(|at| self.installs.get(at))
    }
}

/// `static_ipaddress`, `static_routes` and `static_rules`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Addresses, in configured order.
    pub addresses: Vec<VirtualAddress>,
    /// Routes, in configured order.
    pub routes: Vec<Arc<RouteSpec<InterfaceId>>>,
    /// Rules, in configured order.
    pub rules: Vec<Arc<RuleSpec>>,
    /// Who follows what of these, in the order of the track groups.
    pub followers: Vec<Follower>,
}

/// A `track_group`: instances that go to FAULT while something of this is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follower {
    /// They.
    pub instances: Vec<InstanceId>,
    /// Addresses that they follow.
    pub addresses: Vec<VirtualAddress>,
    /// Routes likewise.
    pub routes: Vec<Arc<RouteSpec<InterfaceId>>>,
    /// Rules likewise.
    pub rules: Vec<Arc<RuleSpec>>,
}

/// What an instance brings with it to its interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Install {
    /// Whose.
    pub instance: InstanceId,
    /// Advertised ones first, then excluded ones.
    pub addresses: Vec<VirtualAddress>,
    /// Routes, in configured order.
    pub routes: Vec<Arc<RouteSpec<InterfaceId>>>,
    /// Rules, in configured order.
    pub rules: Vec<Arc<RuleSpec>>,
    /// Packets to and from the addresses are dropped while the instance holds them.
    pub not_accepted: bool,
    /// Its interfaces keep further addresses when the first one goes.
    pub promote_secondaries: bool,
    /// Announcements on further interfaces.
    pub extra_announce: Option<ExtraAnnounce>,
    /// What it adds to the receive buffer of its socket; without, the worker chooses.
    pub advert_buffer: Option<AdvertBuffer>,
}

/// Announcements on interfaces other than the one that carries the adverts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraAnnounce {
    /// Between two of them.
    pub period: Duration,
    /// On all interfaces, not only on made ones.
    pub all: bool,
}

/// One address as the kernel shall hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualAddress {
    /// Where.
    pub interface: InterfaceId,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// Remote end of a point-to-point address.
    pub peer: Option<IpAddr>,
    /// Broadcast address (IPv4).
    pub broadcast: Option<std::net::Ipv4Addr>,
    /// Label (IPv4).
    pub label: Option<Arc<str>>,
    /// Scope number of `rt_scopes`; 0 is global.
    pub scope: u8,
    /// Preferred lifetime in seconds; `None` for ever.
    pub preferred_seconds: Option<u32>,
    /// The kernel removes it unless it is renewed within so many seconds.
    pub lease_seconds: Option<u32>,
    /// Let the kernel run duplicate address detection (IPv6).
    pub detect_duplicates: bool,
    /// Mobile home address.
    pub home: bool,
    /// Kernel makes temporary addresses from it.
    pub manage_temporary: bool,
    /// No prefix route.
    pub no_prefix_route: bool,
    /// Join the multicast group of the address.
    pub auto_join: bool,
}

impl VirtualAddress {
    /// An address without anything special, for ever.
    pub const fn plain(interface: InterfaceId, address: IpAddr, prefix: u8) -> Self {
        Self {
            interface,
            address,
            prefix,
            peer: None,
            broadcast: None,
            label: None,
            scope: 0,
            preferred_seconds: None,
            lease_seconds: None,
            detect_duplicates: false,
            home: false,
            manage_temporary: false,
            no_prefix_route: false,
            auto_join: false,
        }
    }
}

/// When announcements leave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pacing {
    /// On each interface that is in no group.
    pub each: Spacing,
    /// Interfaces that share a spacing, in configured order.
    pub groups: Vec<PacedGroup>,
}

/// Time between two announcements; zero sends them at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spacing {
    /// Between gratuitous ARP messages.
    pub arp: Duration,
    /// Between unsolicited neighbour advertisements.
    pub neighbour: Duration,
}

/// `garp_group`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacedGroup {
    /// Among all its interfaces together.
    pub spacing: Spacing,
    /// Those.
    pub interfaces: Vec<InterfaceId>,
}

/// What shares a spacing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// An interface, and all that are made on top of it.
    Interface(InterfaceId),
    /// A group, by its place in the list.
    Group(usize),
}

impl Pacing {
    /// The time between two announcements of a family.
    pub fn spacing(&self, pace: Pace, family: Family) -> Duration {
        let spacing = match pace {
            Pace::Interface(_) => self.each,
            Pace::Group(place) => self.groups.get(place).map_or(self.each, |group| group.spacing),
        };
        match family {
            Family::V4 => spacing.arp,
            Family::V6 => spacing.neighbour,
        }
    }
}

/// For how long a change of an interface is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkDelay {
    /// Which.
    pub interface: InterfaceId,
    /// That it is lost.
    pub down: Duration,
    /// That it is back.
    pub up: Duration,
}

/// What an instance adds to the receive buffer of its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdvertBuffer {
    /// Bytes.
    Bytes(u32),
    /// So many of the largest datagrams of its interface.
    Datagrams(u32),
    /// So many adverts like its own.
    Adverts(u32),
}

/// Real-time priority for a process that wakes late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raise {
    /// The highest that it may get.
    pub ceiling: u8,
    /// Lateness that raises it by one.
    pub after_microseconds: u32,
}

/// How the worker process runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// nice value.
    pub nice: i32,
    /// SCHED_RR priority.
    pub realtime_priority: Option<u8>,
    /// RLIMIT_RTTIME in microseconds.
    pub realtime_limit_microseconds: u32,
    /// Lock the process in memory.
    pub no_swap: bool,
    /// Processors to run on; empty for all.
    pub processors: Vec<u32>,
    /// How its priority rises by itself.
    pub raise: Option<Raise>,
    /// Receive buffer of the socket that asks the kernel.
    pub command_buffer: Option<BufferSize>,
    /// Receive buffer of the socket on which the kernel tells of changes.
    pub monitor_buffer: Option<BufferSize>,
    /// Tell of adverts for unknown virtual routers.
    pub log_unknown_vrids: bool,
    /// Tell each address change.
    pub log_addresses: bool,
}
