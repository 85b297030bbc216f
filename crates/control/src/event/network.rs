//! What happens to interfaces, addresses, routes, rules and sockets.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_kernel::Error;
use steadfast_kernel::error::{self, Errno};

use super::{Neighbour, Severity};

/// Something that happened in the network of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Network {
    /// A configured interface does not exist.
    InterfaceMissing {
        /// Which.
        interface: Arc<str>,
    },
    /// Sockets for adverts could not be opened.
    SocketRefused {
        /// Where.
        interface: Arc<str>,
        /// The kernel's reason.
        error: Box<Error>,
    },
    /// The kernel refuses to send.
    SendRefused {
        /// Where.
        interface: Arc<str>,
        /// What.
        sent: Sent,
        /// The kernel's reason.
        #[serde(with = "error::number")]
        errno: Errno,
    },
    /// Somebody else removed an address that a master holds; it is back.
    AddressRestored {
        /// Where it belongs.
        interface: Arc<str>,
        /// Which.
        address: IpAddr,
        /// Who may have removed it.
        suspect: Suspect,
    },
    /// Somebody else removed an address of an instance that gives its addresses up then.
    AddressLost {
        /// Where it belonged.
        interface: Arc<str>,
        /// Which.
        address: IpAddr,
        /// Who may have removed it.
        suspect: Suspect,
    },
    /// The kernel refused an address.
    AddressRefused {
        /// Where it belongs.
        interface: Arc<str>,
        /// Which.
        address: IpAddr,
        /// The kernel's reason.
        error: Box<Error>,
    },
    /// Addresses of an earlier run were found and removed.
    LeftoversRemoved {
        /// The first of them.
        addresses: Vec<Placed>,
        /// How many there were.
        count: usize,
    },
    /// Virtual addresses that are there and were not put there by this program; they are left.
    AddressesNotOurs {
        /// The first of them.
        addresses: Vec<Placed>,
        /// How many there are.
        count: usize,
    },
    /// Virtual addresses that another daemon may hold; they are left.
    AddressesOfAnother {
        /// The first of them.
        addresses: Vec<Placed>,
        /// How many there are.
        count: usize,
        /// The other daemon.
        holder: Box<Neighbour>,
    },
    /// An interface has no address of its own but this one, which is a virtual address too.
    SourceIsVirtual {
        /// Where.
        interface: Arc<str>,
        /// Which.
        address: IpAddr,
    },
    /// A driver that is to be asked for its link (`linkbeat_use_polling`) does not tell; the kernel's word counts.
    LinkUntold {
        /// Where.
        interface: Arc<str>,
        /// What failed, unless the driver just does not know.
        error: Option<Box<Error>>,
    },
    /// An address change that the kernel told (`--address-monitoring`).
    AddressSeen {
        /// Where.
        interface: Arc<str>,
        /// Which.
        address: IpAddr,
        /// It came; otherwise it went.
        added: bool,
    },
    /// Somebody else removed a route or a rule that is wanted; it is back.
    EntryRestored {
        /// Which, as `ip` writes it.
        entry: String,
    },
    /// The kernel refused a route or a rule.
    EntryRefused {
        /// Which, and the kernel's reason.
        error: Box<Error>,
    },
    /// An advert for a virtual router that is not configured (`log_unknown_vrids`).
    UnknownVrid {
        /// Where.
        interface: Arc<str>,
        /// From whom.
        source: IpAddr,
        /// Its number.
        vrid: u8,
    },
}

/// Who may have changed something in the kernel.
///
/// The kernel tells the port of the socket that asked for it, which is the number of the process that opened the socket
/// where that chose none itself, as seen from its own PID namespace. That is a suspicion, and no proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Suspect {
    /// A process that runs.
    Process {
        /// Its number.
        pid: u32,
        /// Its name in process lists.
        name: String,
    },
    /// A process that has ended, as commands do.
    Ended {
        /// Its number.
        pid: u32,
    },
    /// The kernel does not tell; these are known to remove addresses that they do not know, and run.
    Running {
        /// Their names in process lists.
        names: Vec<String>,
    },
    /// Nothing is known.
    Unknown,
}

/// An address and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The interface, as far as it is configured.
    pub interface: Option<Arc<str>>,
    /// The address.
    pub address: IpAddr,
}

/// What is sent on a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// Advertisements of virtual routers.
    Adverts,
    /// Gratuitous ARP and neighbour advertisements.
    Announcements,
    /// Who else serves (`split_brain_check`).
    Questions,
}

impl Network {
    /// The interfaces that it concerns.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = &Arc<str>> {
        let (one, placed): (_, &[Placed]) = match self {
            Self::InterfaceMissing { interface }
            | Self::SocketRefused { interface, .. }
            | Self::SendRefused { interface, .. }
            | Self::AddressRestored { interface, .. }
            | Self::AddressLost { interface, .. }
            | Self::AddressRefused { interface, .. }
            | Self::SourceIsVirtual { interface, .. }
            | Self::LinkUntold { interface, .. }
            | Self::AddressSeen { interface, .. }
            | Self::UnknownVrid { interface, .. } => (Some(interface), &[]),
            Self::LeftoversRemoved { addresses, .. }
            | Self::AddressesNotOurs { addresses, .. }
            | Self::AddressesOfAnother { addresses, .. } => (None, addresses),
            Self::EntryRestored { .. } | Self::EntryRefused { .. } => (None, &[]),
        };
        one.into_iter().chain(placed.iter().filter_map(|placed| placed.interface.as_ref()))
    }

    /// How much it matters.
    pub(super) const fn severity(&self) -> Severity {
        match self {
            Self::SocketRefused { .. }
            | Self::SendRefused { .. }
            | Self::AddressRefused { .. }
            | Self::EntryRefused { .. } => Severity::Error,
            Self::InterfaceMissing { .. }
            | Self::AddressRestored { .. }
            | Self::AddressLost { .. }
            | Self::EntryRestored { .. }
            | Self::LeftoversRemoved { .. }
            | Self::AddressesNotOurs { .. }
            | Self::AddressesOfAnother { .. }
            | Self::SourceIsVirtual { .. }
            | Self::LinkUntold { .. } => Severity::Warning,
            Self::AddressSeen { .. } | Self::UnknownVrid { .. } => Severity::Info,
        }
    }
}
