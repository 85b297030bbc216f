//! What the machine is told to run: a digest of the configuration file, free of its syntax.
//!
//! The caller numbers everything: an [`InstanceId`], [`GroupId`], [`ScriptId`] or [`InterfaceId`]
//! keeps its meaning across a reload, so that a reload is a comparison of values.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_wire::ipv4;
use steadfast_wire::vrrp::{
    AUTHENTICATION_HEADER_LENGTH, AUTHENTICATION_LENGTH, AdvertInterval, Family, HEADER_LENGTH, IpProtocol,
    Key, Priority, TRAILER_LENGTH, TrailerKey, Version, Vrid,
};

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// As an index into the caller's table.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

identifier!(
    /// A vrrp_instance; small and dense, reused after removal.
    InstanceId
);
identifier!(
    /// A vrrp_sync_group.
    GroupId
);
identifier!(
    /// A vrrp_script.
    ScriptId
);
identifier!(
    /// A file, a set of processes or a BFD session that instances follow.
    WatchId
);
identifier!(
    /// An interface name that the configuration mentions, whether or not it exists now.
    InterfaceId
);

/// Everything one worker runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Ordered by id.
    pub instances: Vec<Arc<InstanceConfig>>,
    /// Ordered by id.
    pub groups: Vec<Arc<GroupConfig>>,
    /// Ordered by id.
    pub scripts: Vec<Arc<ScriptConfig>>,
    /// Ordered by id.
    pub watches: Vec<Arc<WatchConfig>>,
    /// Ordered by id: every interface that an instance or tracker names.
    pub interfaces: Vec<InterfaceConfig>,
    /// `vrrp_startup_delay`: nothing is heard and no timer runs before this long after the start.
    pub startup_delay: Duration,
}

/// One virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceConfig {
    /// Stable across reloads of a matching instance.
    pub id: InstanceId,
    /// As configured, for events.
    pub name: Arc<str>,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// IPv4 or IPv6.
    pub family: Family,
    /// IpProtocol version; both families allow both (keepalived sends v2 for IPv6 when told to).
    pub version: Version,
    /// Interface that it is on: its peers, its source address and its own state.
    pub interface: InterfaceId,
    /// Interface that adverts leave and come by: the same, or one with a MAC address of its own on top of it.
    pub adverts_on: InterfaceId,
    /// Where adverts go and whence they are taken.
    pub transport: Transport,
    /// Configured source address; otherwise the interface's own (link-local for IPv6).
    pub source: Option<IpAddr>,
    /// FAULT while the configured source address is missing (`track_src_ip`); unicast instances are in
    /// any case.
    pub track_source: bool,
    /// Wanted state at start; MASTER shortens the first wait only.
    pub initial_master: bool,
    /// Base priority.
    pub priority: Priority,
    /// Own advertisement interval.
    pub interval: AdvertInterval,
    /// Missed adverts before a backup takes over.
    pub down_timer_adverts: u32,
    /// Do not take over from a living master of lower priority.
    pub nopreempt: bool,
    /// Of equal priorities a router that comes back leaves the one that is there alone, whatever their addresses.
    pub incumbent_wins_ties: bool,
    /// Take over all the same from a master that lowers its priority while it is master.
    pub yields_to_health: bool,
    /// A master that was held up gives up when a router of this priority would have taken over; without, one of its own
    /// priority.
    pub gives_up_as: Option<Priority>,
    /// Wait this long before taking over from a living master of lower priority.
    pub preempt_delay: Duration,
    /// What is to be done between winning the election and serving.
    pub prepare: Option<Prepare>,
    /// Asking by other ways than adverts whether another router serves.
    pub split_brain_check: Option<Box<SplitBrainCheck>>,
    /// A session of BFD watches over whoever is heard as master.
    pub fast_detection: Option<FastDetection>,
    /// A master one of whose addresses somebody removes gives up, as keepalived does.
    pub gives_up_removed: bool,
    /// How adverts prove who sent them.
    pub authentication: Authentication,
    /// Addresses in adverts, in configured order; excluded addresses are not here.
    pub addresses: Vec<IpAddr>,
    /// Compare the address list as backup only for a new sender.
    pub skip_check_addresses: bool,
    /// Drop adverts of IPv6 that do not begin with a link-local address.
    pub requires_link_local: bool,
    /// Leave the pseudo header out of the IPv4 version 3 checksum.
    pub v3_checksum_as_v2: bool,
    /// What unicast adverts of version 3 over IPv4 may have in their checksum besides the peer's address.
    pub early_checksum: EarlyChecksum,
    /// A master hears a lower priority and stays silent.
    pub lower_priority_no_advert: bool,
    /// A master that yields to a higher priority sends one advert first.
    pub higher_priority_send_advert: bool,
    /// An address owner drops everything it hears.
    pub owner_ignore_adverts: bool,
    /// Gratuitous ARP or neighbour advertisement timing.
    pub announce: AnnounceConfig,
    /// Do not go to FAULT when the own interface is down.
    pub dont_track_interface: bool,
    /// Interfaces watched besides the own one, those of addresses included.
    pub track_interfaces: Vec<TrackInterface>,
    /// Scripts watched.
    pub track_scripts: Vec<TrackScript>,
    /// Files, processes and sessions watched.
    pub track_watches: Vec<TrackWatch>,
    /// The sync group, if it is in one.
    pub group: Option<GroupId>,
    /// Configuration that cannot work: permanent FAULT until a reload, with the reason.
    pub broken: Option<Arc<str>>,
}

impl InstanceConfig {
    /// Skew_Time for a router of `priority` whose master sends every `master_interval`: in version 2 a part of a
    /// second (RFC 3768 section 6.1), in version 3 a part of the master's interval (RFC 9568 section 6.1).
    #[inline]
    pub fn skew(&self, priority: Priority, master_interval: Duration) -> Duration {
        let whole = match self.interval.version() {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => master_interval,
        };
        whole * (256 - u32::from(priority.get())) / 256
    }

    /// Master_Down_Interval (RFC 3768 section 6.1) or Active_Down_Interval (RFC 9568 section 6.1), with the number of
    /// missed adverts as configured instead of 3.
    #[inline]
    pub fn down_time(&self, priority: Priority, master_interval: Duration) -> Duration {
        master_interval * self.down_timer_adverts + self.skew(priority, master_interval)
    }

    /// How long peers of a master of this priority wait for its next advert before another may have taken over.
    pub fn patience(&self, priority: Priority, master_interval: Duration) -> Duration {
        self.down_time(self.gives_up_as.unwrap_or(priority), master_interval)
    }

    /// A virtual router that does what the protocol says and nothing besides: multicast, priority 100 (RFC 9568 section
    /// 5.2.4), preemption, no addresses, nothing tracked, and five announcements on becoming master. What differs is
    /// written over it.
    pub fn plain(
        id: InstanceId,
        vrid: Vrid,
        interface: InterfaceId,
        group: IpAddr,
        interval: AdvertInterval,
    ) -> Self {
        Self {
            id,
            name: Arc::from(format!("vi{}", id.0)),
            vrid,
            family: Family::of(group),
            version: interval.version(),
            interface,
            adverts_on: interface,
            transport: Transport::Multicast { group },
            source: None,
            track_source: false,
            initial_master: false,
            priority: Priority::DEFAULT,
            interval,
            down_timer_adverts: 3,
            nopreempt: false,
            incumbent_wins_ties: false,
            yields_to_health: false,
            gives_up_as: None,
            preempt_delay: Duration::ZERO,
            prepare: None,
            split_brain_check: None,
            fast_detection: None,
            gives_up_removed: false,
            authentication: Authentication::None,
            addresses: Vec::new(),
            skip_check_addresses: false,
            requires_link_local: false,
            v3_checksum_as_v2: false,
            early_checksum: EarlyChecksum::Never,
            lower_priority_no_advert: false,
            higher_priority_send_advert: false,
            owner_ignore_adverts: false,
            announce: AnnounceConfig {
                master_delay: Duration::ZERO,
                master_repeat: 5,
                refresh: Duration::ZERO,
                refresh_repeat: 1,
                lower_priority_delay: Duration::ZERO,
                lower_priority_repeat: 0,
            },
            dont_track_interface: false,
            track_interfaces: Vec::new(),
            track_scripts: Vec::new(),
            track_watches: Vec::new(),
            group: None,
            broken: None,
        }
    }
}

impl InstanceConfig {
    /// A configured source address that has to be on this host. Unicast peers know this router by it,
    /// and what they send it would arrive elsewhere; with multicast a foreign one may hide where the
    /// router is.
    pub(crate) fn needed_source(&self) -> Option<IpAddr> {
        let unicast = matches!(self.transport, Transport::Unicast { .. });
        self.source.filter(|_| unicast || self.track_source)
    }

    /// Datagrams that one advert takes.
    pub(crate) fn destinations(&self) -> u32 {
        match &self.transport {
            Transport::Multicast { .. } => 1,
            Transport::Unicast { peers, .. } => u32::try_from(peers.len()).unwrap_or(u32::MAX),
        }
    }

    /// The group that may stand in for the destination in checksums of unicast adverts.
    pub(crate) fn early_checksum_group(&self) -> Option<IpAddr> {
        let unicast = matches!(self.transport, Transport::Unicast { .. });
        let affected = unicast && self.family == Family::V4 && self.interval.version() == Version::V3;
        self.early_checksum.group().filter(|_| affected)
    }

    /// Octets of an advert with what stands before it, without the IPv6 header.
    pub fn datagram_bytes(&self) -> u32 {
        let (header, address) = match self.family {
            Family::V4 => (ipv4::HEADER_LENGTH, 4),
            Family::V6 => (0, 16),
        };
        let proof = match self.authentication {
            Authentication::Header(_) => AUTHENTICATION_HEADER_LENGTH,
            Authentication::Trailer(_) => TRAILER_LENGTH,
            Authentication::None | Authentication::Password(_) => 0,
        };
        let plain =
            if self.version == Version::V2 && self.family == Family::V4 { AUTHENTICATION_LENGTH } else { 0 };
        let octets = header + proof + HEADER_LENGTH + self.addresses.len() * address + plain;
        u32::try_from(octets).unwrap_or(u32::MAX)
    }

    /// The protocol that brings its adverts.
    pub const fn protocol(&self) -> IpProtocol {
        match self.authentication {
            Authentication::Header(_) => IpProtocol::AuthenticationHeader,
            _ => IpProtocol::Vrrp,
        }
    }

    /// Its trailer, if it has one.
    pub fn trailer(&self) -> Option<&Trailer> {
        match &self.authentication {
            Authentication::Trailer(trailer) => Some(trailer),
            _ => None,
        }
    }
}

/// How a master is watched over. It is dead when it was silent for so many intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FastDetection {
    /// From packet to packet.
    pub interval: Duration,
    /// Packets that may not come in a row.
    pub multiplier: NonZeroU8,
}

/// How adverts prove who sent them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authentication {
    /// Not at all.
    None,
    /// By the simple password of version 2, zero padded (RFC 2338 section 5.3.6).
    Password([u8; 8]),
    /// By an IP authentication header with this key, version 2 over IPv4 only.
    Header(Key),
    /// By a trailer.
    Trailer(Arc<Trailer>),
}

/// The authenticated trailer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trailer {
    /// In configured order.
    pub keys: Vec<TrailerKey>,
    /// Number of the key that adverts are signed with.
    pub active: u8,
    /// Adverts of others need one.
    pub required: bool,
    /// Own adverts have one.
    pub signs: bool,
    /// How far the clocks of sender and receiver may differ; `None` if only the order of the stamps counts.
    pub window: Option<Duration>,
}

/// Where adverts go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// To a multicast group.
    Multicast {
        /// 224.0.0.18 (RFC 9568 section 5.1.1.2, RFC 3768 section 5.2.2), ff02::12 (RFC 9568 section 5.1.2.2) or as
        /// configured.
        group: IpAddr,
    },
    /// To each peer in turn.
    Unicast {
        /// In configured order.
        peers: Vec<UnicastPeer>,
        /// Time to live or hop limit of what is sent; `None` is 255.
        ttl: Option<u8>,
        /// Drop adverts from others than the peers.
        check_source: bool,
    },
}

/// Early versions of keepalived have the multicast group in the pseudo header of unicast adverts, where the destination
/// belongs (RFC 9568 section 5.2.8). Whether that is understood, and spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EarlyChecksum {
    /// Neither.
    #[default]
    Never,
    /// Understood, and spoken once a peer has spoken so.
    Detected(IpAddr),
    /// Both from the start.
    Spoken(IpAddr),
}

impl EarlyChecksum {
    /// The group that may stand in for the destination.
    pub const fn group(self) -> Option<IpAddr> {
        match self {
            Self::Never => None,
            Self::Detected(group) | Self::Spoken(group) => Some(group),
        }
    }
}

/// One unicast peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnicastPeer {
    /// Its address.
    pub address: IpAddr,
    /// Smallest acceptable TTL or hop limit.
    pub min_ttl: u8,
    /// Largest acceptable TTL or hop limit.
    pub max_ttl: u8,
}

/// `notify_master_prepare`; running it is the caller's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepare {
    /// The instance waits no longer.
    pub timeout: Duration,
    /// What follows when the script fails or takes longer.
    pub failure: PrepareFailure,
}

/// `split_brain_check`; asking is the caller's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitBrainCheck {
    /// Whether anybody on the link answers for a virtual address.
    pub link: bool,
    /// Whether this router, which must, still answers.
    pub arbiter: Option<IpAddr>,
    /// Whether this address and port, which only a master serves, takes connections.
    pub service: Option<SocketAddr>,
    /// Give way where another serves.
    pub yields: bool,
    /// An answer is waited for so long.
    pub within: Duration,
    /// A master asks so often.
    pub every: Duration,
}

/// What follows when an instance could not prepare itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrepareFailure {
    /// It serves nevertheless.
    Serve,
    /// It goes to FAULT, and tries again later.
    Fault,
}

/// Timing of gratuitous ARP and unsolicited neighbour advertisements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnounceConfig {
    /// Second block this long after becoming master; zero for none.
    pub master_delay: Duration,
    /// Messages per address in each block.
    pub master_repeat: u32,
    /// Periodic refresh while master; zero for none.
    pub refresh: Duration,
    /// Messages per address in each refresh.
    pub refresh_repeat: u32,
    /// Second block this long after a lower priority advert; zero for none.
    pub lower_priority_delay: Duration,
    /// Messages per address after a lower priority advert.
    pub lower_priority_repeat: u32,
}

/// An interface whose state counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackInterface {
    /// Which.
    pub interface: InterfaceId,
    /// Its effect.
    pub weight: Weight,
}

/// A script whose result counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackScript {
    /// Which.
    pub script: ScriptId,
    /// Its effect.
    pub weight: Weight,
}

/// A file, set of processes or session that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackWatch {
    /// Which.
    pub watch: WatchId,
    /// Its effect.
    pub weight: Weight,
}

/// What the state of a tracked object does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    /// Zero: FAULT while bad. Positive: added while good. Negative: added while bad.
    pub value: i16,
    /// Zero: FAULT while good. Otherwise what is added changes its sign.
    pub reverse: bool,
}

/// A sync group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupConfig {
    /// Stable across reloads by name.
    pub id: GroupId,
    /// As configured.
    pub name: Arc<str>,
    /// In configured order.
    pub members: Vec<InstanceId>,
}

/// An interface, for events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceConfig {
    /// Stable across reloads by name.
    pub id: InterfaceId,
    /// As configured.
    pub name: Arc<str>,
}

/// Something that the caller watches, and what it has read there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchConfig {
    /// Stable across reloads by kind and name.
    pub id: WatchId,
    /// What it is.
    pub kind: WatchKind,
    /// As configured.
    pub name: Arc<str>,
    /// What was read there when this configuration was made; later readings are inputs. An unweighted one of which
    /// nothing is known keeps its instances waiting.
    pub reading: Option<Reading>,
}

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WatchKind {
    /// A file that holds a number.
    File,
    /// A number of processes.
    Process,
    /// A BFD session.
    Session,
}

/// What is known of something watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reading {
    /// Processes are as many as they should be, a session is up.
    Good(bool),
    /// The number in a file, to be multiplied by the weight.
    Value(i32),
}

/// How results of a script are counted; running it is the caller's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptConfig {
    /// Stable across reloads by name.
    pub id: ScriptId,
    /// As configured.
    pub name: Arc<str>,
    /// Successes needed to become good.
    pub rise: u32,
    /// Failures needed to become bad.
    pub fall: u32,
    /// Failed until it has succeeded `rise` times.
    pub init_fail: bool,
}
