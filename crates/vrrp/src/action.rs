//! What goes into the machine and what it asks for.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use steadfast_wire::vrrp::Carrier;

use crate::config::{InstanceId, InterfaceId, Reading, ScriptId, WatchId};
use crate::event::{Event, Served};
use steadfast_time::Moment;

/// Something the outside tells the machine. Timers are not inputs: see `Machine::advance`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// A datagram of protocol 112 or 51.
    Datagram(Datagram<'a>),
    /// What is known of an interface now; sent for every interface before the first `advance`.
    Interface {
        /// Which.
        interface: InterfaceId,
        /// It exists, is up and running.
        up: bool,
        /// First usable IPv4 address, not one of the virtual ones.
        source_v4: Option<std::net::Ipv4Addr>,
        /// Link-local address, not tentative.
        source_v6: Option<std::net::Ipv6Addr>,
        /// Largest datagram.
        mtu: u32,
    },
    /// A configured source address appeared on this host or vanished; sent for those that are there
    /// before the first `advance`, and before a reload brings them in.
    SourcePresent {
        /// Which.
        address: IpAddr,
        /// Whether it is there.
        present: bool,
    },
    /// Sockets of these instances are open, or cannot be had: an instance that cannot hear or speak is in FAULT. Without
    /// a word an instance has its sockets; what is said before an instance exists counts from its beginning.
    Channel {
        /// Whose.
        instances: &'a [InstanceId],
        /// Why there are none.
        obstacle: Option<&'a str>,
    },
    /// Something static that these instances follow (`track_group`) is not there, or is there again: without it they are in
    /// FAULT. What is said before an instance exists counts from its beginning.
    Standing {
        /// Whose.
        instances: &'a [InstanceId],
        /// What is missing.
        missing: Option<&'a str>,
    },
    /// The kernel refused adverts that were sent since the last input: told before the next `advance`.
    Refused {
        /// Whose.
        instance: InstanceId,
        /// How many of them.
        datagrams: u32,
        /// The kernel's reason.
        reason: &'a str,
    },
    /// A script ended.
    ScriptResult {
        /// Which.
        script: ScriptId,
        /// Exit status 0 in time.
        success: bool,
    },
    /// A file, a set of processes or a session changed.
    Watched {
        /// Which.
        watch: WatchId,
        /// How it is.
        reading: Reading,
    },
    /// What [`Action::Prepare`] asked for has ended.
    Prepared {
        /// Whose.
        instance: InstanceId,
        /// As asked.
        since: Moment,
        /// Exit status 0 in time.
        success: bool,
    },
    /// What [`Action::AskWhoServes`] asked for.
    WhoServes {
        /// Whose.
        instance: InstanceId,
        /// As asked.
        asked: Moment,
        /// Who serves elsewhere, if anybody does.
        served: Option<Served>,
    },
    /// The session that watches over the master of these instances has heard nothing for its detection time.
    Dead {
        /// Whose master; those that follow another one meanwhile are left alone.
        instances: &'a [InstanceId],
        /// Who.
        master: IpAddr,
        /// Microseconds since its last packet.
        silent_us: u64,
    },
    /// Somebody removed an address of an instance that [`gives_up_removed`](crate::InstanceConfig::gives_up_removed).
    AddressRemoved {
        /// Whose.
        instance: InstanceId,
        /// Which.
        address: IpAddr,
    },
    /// What time it is, or somebody set the clock: told before the first `advance` where an instance has a trailer.
    Clock {
        /// Nanoseconds since 1970, less those of the moment; they come round.
        ahead: u64,
    },
    /// The daemon stops: masters release and hand over.
    Stop,
}

/// A received datagram, its IP header already taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Where it came in. For unicast: the interface of the instances that the socket serves, since
    /// routing may bring the datagram in by another.
    pub interface: InterfaceId,
    /// Sender.
    pub source: IpAddr,
    /// Destination: a multicast group or an own address.
    pub destination: IpAddr,
    /// TTL or hop limit; `None` if the kernel did not tell.
    pub hop_limit: Option<u8>,
    /// What stands before the VRRP message.
    pub carrier: Carrier,
    /// Everything after the IP header: the VRRP message with what precedes and what trails it.
    pub message: &'a [u8],
}

/// An advert to send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// Whose.
    pub instance: InstanceId,
    /// Where it goes out.
    pub interface: InterfaceId,
    /// Source address.
    pub source: IpAddr,
    /// Group or peers.
    pub destination: Destination<'a>,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// What stands before the VRRP message. An authentication header asks for that identification in the IP header.
    pub carrier: Carrier,
    /// Everything after the IP header, checksum included (for IPv6 too).
    pub message: &'a [u8],
}

/// Where an advert goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination<'a> {
    /// A multicast group.
    Group(IpAddr),
    /// Each in turn.
    Peers(&'a [crate::config::UnicastPeer]),
}

impl Destination<'_> {
    /// The group, or the first peer.
    pub(crate) fn address(self) -> IpAddr {
        match self {
            Self::Group(group) => group,
            Self::Peers(peers) => {
                peers.first().map_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), |peer| peer.address)
            }
        }
    }
}

/// What the machine wants done, besides sending adverts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// All addresses of the instance (advertised and excluded) shall exist, or shall not.
    ///
    /// `wanted` repeated for a master means that a reload changed its list, or that a worker resumed
    /// it: who carries it out installs and announces only what is missing and removes what is surplus.
    Addresses {
        /// Whose.
        instance: InstanceId,
        /// Whether they shall exist.
        wanted: bool,
    },
    /// The script that prepares an instance shall run; its end comes back as [`Input::Prepared`]. Repeated with the same
    /// `since` by a successor.
    Prepare {
        /// Whose.
        instance: InstanceId,
        /// Which preparation.
        since: Moment,
    },
    /// Ask in every way of [`split_brain_check`](crate::InstanceConfig::split_brain_check) who else serves. The answer comes
    /// back as [`Input::WhoServes`] within the time that is configured; what comes later counts for nothing.
    AskWhoServes {
        /// Whose.
        instance: InstanceId,
        /// Which question.
        asked: Moment,
        /// Only whether the arbiter answers: who serves is known.
        only_arbiter: bool,
    },
    /// Gratuitous ARP or unsolicited neighbour advertisements for every address.
    Announce {
        /// Whose.
        instance: InstanceId,
        /// Messages per address.
        repeat: u32,
    },
    /// Forget announcements that wait for their turn.
    CancelAnnounce {
        /// Whose.
        instance: InstanceId,
    },
    /// A unicast instance announces its own source address when it leaves FAULT.
    AnnounceSource {
        /// Whose.
        instance: InstanceId,
    },
    /// An instance that a reload removed has handed over; nothing more will be said of it and its
    /// number may be given to another. Comes after its last `Addresses { wanted: false }`.
    Removed {
        /// Which.
        instance: InstanceId,
    },
    /// Something to tell.
    Event(Event),
}

/// Takes what the machine asks for, in order. Each call must be quick: they run between adverts. None has a body of its own here,
/// so that who stands between a machine and a sink forgets none.
pub trait Sink {
    /// Queue an advert. Whether there was a socket for it comes back; what is not queued was not sent.
    fn transmit(&mut self, advert: Transmit<'_>) -> bool;
    /// Queue an action.
    fn act(&mut self, action: Action);
    /// What a successor would need to know of this instance has changed: time to ask for
    /// [`resume_state`](crate::Machine::resume_state). Every state change means that as well.
    fn remember(&mut self, instance: InstanceId);
    /// The datagram that is being handled was dropped because its proof is none: another secret made it.
    fn forged(&mut self);
    /// An instance with fast detection may follow another master: time to ask for [`watch`](crate::Machine::watch).
    fn follow(&mut self, instance: InstanceId);
}
