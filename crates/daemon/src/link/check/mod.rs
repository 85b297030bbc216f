//! What the supervisor and a check worker say to each other.

pub mod change;
pub mod seen;
pub mod work;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_control::operation::Operated;
use steadfast_control::status::Service;
use steadfast_health::{CheckId, CheckKey, CheckResume, Event, Override, ServiceResume};
use steadfast_kernel::ipvs::ServiceKey;

use self::change::Change;
use self::seen::{Seen, Surroundings};
use super::lifecycle::{Lasting, Role, Worker};

/// The worker of health checks and of the kernel's load balancer.
#[derive(Debug)]
pub enum Check {}

impl Role for Check {
    type Order = Order;
    type News = News;
    type Knows = Knows;
    const WORKER: Worker = Worker::Check;
    const THREADS: usize = 1;
}

/// What it alone knows when its supervisor has died.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Knows {
    /// What the supervisor gave it to keep, written down.
    pub kept: Vec<u8>,
    /// Entries of the kernel that are its own.
    pub entries: BTreeSet<ServiceKey>,
}

/// What it is told to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// Keep this for a supervisor that comes after this one, should it die.
    Keep(Vec<u8>),
    /// Change what a reload changes.
    Reload(Box<Change>),
    /// This is how things are that are followed, all of them.
    Surroundings(Box<Surroundings>),
    /// Something that is followed is not as it was.
    Seen(Seen),
    /// Tell how services are, in one or more [`News::Services`].
    Services {
        /// Number of the question.
        request: u32,
        /// Which services.
        named: Vec<Arc<str>>,
    },
    /// Use servers otherwise, and tell it in a [`News::Handled`].
    Handle {
        /// Number of the order.
        request: u32,
        /// Which servers, and how.
        handled: Vec<Handled>,
    },
    /// The program of a check ended.
    Ran {
        /// Which check.
        check: CheckId,
        /// Its settings: a number can have come to stand for another check.
        settings: Arc<str>,
        /// What it found.
        found: Found,
    },
}

/// How an operator uses a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handled {
    /// Of which service.
    pub service: Arc<str>,
    /// Which server.
    pub server: SocketAddr,
    /// How.
    pub by: Override,
}

/// What the program of a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// The target is well; perhaps with a weight of its own.
    Good(Option<u32>),
    /// It is not: why.
    Bad(Arc<str>),
    /// The program could not be run: why.
    NotRun(Arc<str>),
}

/// What it has to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum News {
    /// What happened to services and servers, in the order in which it is to be notified.
    Happened(Vec<Told>),
    /// What a successor needs to go on.
    Resume(Box<Remembered>),
    /// Run the program of a check.
    Run {
        /// Which check.
        check: CheckId,
        /// Its settings.
        settings: Arc<str>,
    },
    /// How services are.
    Services {
        /// Number of the question.
        request: u32,
        /// Some of those that were asked for, in their order.
        services: Vec<Service>,
        /// No more follow.
        last: bool,
    },
    /// Servers are used as an operator wants it.
    Handled {
        /// Number of the order.
        request: u32,
        /// How they are since.
        servers: Vec<Operated>,
    },
    /// Something about the kernel's table or this machine.
    Notice(Notice),
}

impl Lasting for News {
    fn lasts(&self) -> bool {
        matches!(self, Self::Happened(_) | Self::Notice(_))
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// What.
    pub event: Event,
    /// What the check is called that it speaks of, if it speaks of one.
    pub check: Option<String>,
}

/// Checks and services whose state is another than before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Checks that are not as a check is of which nothing is known.
    pub checks: Vec<CheckResume>,
    /// Checks of which nothing need be known any more, but for those of `checks`.
    pub ordinary: Vec<CheckKey>,
    /// Services.
    pub services: Vec<ServiceResume>,
    /// Services that are no more.
    pub gone: Vec<Arc<str>>,
}

impl Remembered {
    /// Nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Something about the kernel's table or this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// There is no way to the table: what is missing, and how to get it.
    NoTable {
        /// In a sentence.
        reason: String,
    },
    /// There is a way after all.
    Table,
    /// The kernel refused a change.
    Refused {
        /// What was to be done, worded to stand behind "cannot".
        what: String,
        /// The kernel's reason.
        reason: String,
    },
    /// Another program changed the table.
    Changed {
        /// How.
        what: String,
    },
    /// A check cannot be made as configured.
    Check {
        /// In a sentence.
        reason: String,
    },
    /// A setting of the kernel could not be made.
    Setting {
        /// In a sentence.
        reason: String,
    },
}
