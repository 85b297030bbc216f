//! What the supervisor and a vrrp worker say to each other.

pub mod change;
pub mod inheritance;
pub mod work;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_bfd::SessionStatus;
use steadfast_control::event::{Neighbour, Sent};
use steadfast_control::status::WorkerStatus;
use steadfast_kernel::Error;
use steadfast_kernel::error::{self, Errno};
use steadfast_kernel::reconcile::links::Remembered;
use steadfast_vrrp::status::{InstanceStatus, Resume};
use steadfast_vrrp::{Event, InstanceId, InterfaceId, Moment, Reading, ScriptId, WatchId};

use self::change::Change;
use self::work::{VirtualAddress, Work};
use super::lifecycle::{Lasting, Role, Worker};

/// The worker of VRRP.
#[derive(Debug)]
pub enum Vrrp {}

impl Role for Vrrp {
    type Order = Order;
    type News = News;
    type Knows = Knows;
    const WORKER: Worker = Worker::Vrrp;
    const THREADS: usize = 2;
}

/// What it alone knows when its supervisor has died.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Knows {
    /// The daemon runs since then.
    pub daemon_started_at: Moment,
    /// What it runs: numbers keep their meaning by it.
    pub work: Work,
    /// Instances that it runs no more and that still hand over.
    pub leaving: Vec<Leaving>,
    /// Settings of interfaces that were changed.
    pub settings: Remembered,
}

/// An instance that a reload took out and that still hands over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// Which: its number is not given again.
    pub instance: InstanceId,
    /// What it is called.
    pub name: Arc<str>,
    /// What it holds.
    pub addresses: Vec<VirtualAddress>,
}

/// What it is told to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// Change what a reload changes.
    Reload {
        /// What that is.
        change: Box<Change>,
        /// Daemons that live beside this one.
        living: Vec<Living>,
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
    /// The script that an instance waits for has ended.
    Prepared {
        /// Whose.
        instance: InstanceId,
        /// As asked.
        since: Moment,
        /// Exit status 0 in time.
        success: bool,
    },
    /// Tell how things are.
    Status {
        /// Comes back with the answer.
        request: u32,
    },
    /// Set every counter to zero.
    ClearCounters,
}

/// A daemon of this kind that lives beside this one, in the same network namespace. A worker is told of them: it may
/// not look into processes that have other rights than it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Living {
    /// Who it is.
    pub who: Neighbour,
    /// Addresses that it may hold, where that is known.
    pub addresses: Option<BTreeSet<IpAddr>>,
}

impl Living {
    /// Whether an address may be its own: one whose routers are not known may have any.
    pub fn may_hold(&self, address: IpAddr) -> bool {
        self.addresses.as_ref().is_none_or(|addresses| addresses.contains(&address))
    }
}

/// What became of a session that nobody configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watching {
    /// Where.
    pub interface: InterfaceId,
    /// With whom.
    pub peer: IpAddr,
    /// What.
    pub event: steadfast_bfd::Event,
    /// It turns so often that others are left out from here on.
    pub is_last: bool,
}

/// What it has to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum News {
    /// The machine has something to tell.
    Happened(Vec<Event>),
    /// What a successor needs to go on with these instances.
    Resume(Vec<Resume>),
    /// A session has something to tell.
    Session(steadfast_bfd::Event),
    /// A session that watches over a master has something to tell.
    Watching(Box<Watching>),
    /// What a successor needs to go on with a session.
    SessionResume(Box<steadfast_bfd::Resume>),
    /// Part of the answer to [`Order::Status`].
    Sessions {
        /// As asked.
        request: u32,
        /// Ordered by number.
        sessions: Vec<SessionStatus>,
    },
    /// Settings of interfaces that were changed, and how they were before: for a successor.
    Settings(Box<Remembered>),
    /// Something outside the machine.
    Notice(Notice),
    /// Part of the answer to [`Order::Status`].
    Instances {
        /// As asked.
        request: u32,
        /// Ordered by instance.
        instances: Vec<InstanceStatus>,
    },
    /// End of the answer to [`Order::Status`].
    Worker {
        /// As asked.
        request: u32,
        /// The worker itself.
        worker: WorkerStatus,
    },
    /// An instance waits for its script before it serves.
    Prepare {
        /// Which.
        instance: InstanceId,
        /// Known again by it.
        since: Moment,
    },
    /// An instance that a reload removed has handed over; its number is free.
    Removed(InstanceId),
}

impl Lasting for News {
    fn lasts(&self) -> bool {
        matches!(self, Self::Happened(_) | Self::Session(_) | Self::Watching(_) | Self::Notice(_))
    }
}

/// Something that happened outside the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// A configured interface does not exist.
    InterfaceMissing {
        /// Which.
        interface: InterfaceId,
    },
    /// Sockets for adverts could not be opened.
    Socket {
        /// Where.
        interface: InterfaceId,
        /// What failed.
        error: Error,
    },
    /// Somebody else removed an address that a master holds.
    AddressRemoved {
        /// Where.
        interface: InterfaceId,
        /// Which.
        address: IpAddr,
        /// Port of the socket that asked for it; 0 where the kernel does not tell.
        origin: u32,
        /// It is back; otherwise the instance gives up its others too.
        restored: bool,
    },
    /// Somebody else removed a route or a rule that is wanted; it is back.
    WayRestored {
        /// Which, as `ip` writes it.
        entry: String,
    },
    /// The kernel refused a route or a rule.
    Way {
        /// Which, and the kernel's reason.
        error: Error,
    },
    /// The kernel refused an address.
    Address {
        /// Where.
        interface: InterfaceId,
        /// Which.
        address: IpAddr,
        /// The kernel's reason.
        error: Error,
    },
    /// Addresses of an earlier run were found and removed.
    LeftoversRemoved {
        /// The first of them.
        addresses: Vec<(InterfaceId, IpAddr)>,
        /// How many there were.
        count: usize,
    },
    /// Virtual addresses that are there and were not put there by this program; they are left.
    AddressesNotOurs {
        /// The first of them.
        addresses: Vec<(InterfaceId, IpAddr)>,
        /// How many there are.
        count: usize,
    },
    /// Virtual addresses that another daemon may hold; they are left.
    AddressesOfAnother {
        /// The first of them.
        addresses: Vec<(InterfaceId, IpAddr)>,
        /// How many there are.
        count: usize,
        /// The daemon.
        holder: Neighbour,
    },
    /// An interface has no address of its own but this one, which is a virtual address too.
    SourceIsVirtual {
        /// Where.
        interface: InterfaceId,
        /// Which.
        address: IpAddr,
    },
    /// The kernel refuses to send.
    Send {
        /// Where.
        interface: InterfaceId,
        /// What.
        sent: Sent,
        /// The kernel's reason.
        #[serde(with = "error::number")]
        errno: Errno,
    },
    /// A driver that is to be asked for its link does not tell; the kernel's word counts.
    LinkUntold {
        /// Where.
        interface: InterfaceId,
        /// What failed, unless the driver just does not know.
        error: Option<Error>,
    },
    /// An address change that the kernel told (`--address-monitoring`).
    AddressSeen {
        /// Name of the interface.
        interface: Arc<str>,
        /// Which.
        address: IpAddr,
        /// It came; otherwise it went.
        added: bool,
    },
    /// An advert for a virtual router that is not configured (`log_unknown_vrids`).
    UnknownVrid {
        /// Where.
        interface: InterfaceId,
        /// From whom.
        source: IpAddr,
        /// Its number.
        vrid: u8,
    },
    /// The state of the virtual routers does not fit the flight recorder: it keeps nothing.
    RecordShort,
    /// The kernel dropped adverts because a socket was full.
    DatagramsLost {
        /// How many so far.
        count: u64,
    },
}
