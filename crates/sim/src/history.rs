//! What happened, one line each.
//!
//! ```text
//! 3.000147 r1 stop                     a fault (see Fault)
//! 3.000147 r1 off                      a stop is complete
//! 3.000147 r1 VI_1 own / release       the kernel has the address, or has it no more
//! 3.000147 r1 VI_1 advert 100          an advert left with this priority
//! 3.000147 r1 VI_1 announce            clients on the segment send to it from here on
//! 3.000147 r1 VI_1 BACKUP>MASTER ...   a change of state and its causes
//! ```

use std::fmt;

use steadfast_time::Moment;
use steadfast_vrrp::InstanceId;
use steadfast_vrrp::event::{Cause, State};
use steadfast_wire::vrrp::Priority;

use crate::scenario::{Fault, RouterId};

/// Something that happened to one router or the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A fault that took effect.
    Fault(Fault),
    /// A stopping router has finished and is off.
    Off(RouterId),
    /// The kernel got or lost the addresses of an instance.
    Owns {
        /// Who.
        router: RouterId,
        /// Which.
        instance: InstanceId,
        /// Has them now.
        owns: bool,
    },
    /// An advert left a machine, whether or not a link carried it.
    Advert {
        /// Who.
        router: RouterId,
        /// Which.
        instance: InstanceId,
        /// Priority in it.
        priority: Priority,
    },
    /// The addresses of an instance were announced on a link that carries it.
    Announced {
        /// By whom.
        router: RouterId,
        /// Whose.
        instance: InstanceId,
    },
    /// An instance changed state.
    State {
        /// Who.
        router: RouterId,
        /// Which.
        instance: InstanceId,
        /// Before.
        from: State,
        /// After.
        to: State,
        /// Oldest first.
        causes: Vec<Cause>,
    },
    /// The run did not reach its end: some machine asks to be woken again and again.
    Runaway,
}

/// A happening and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Since the start of the run.
    pub at: Moment,
    /// What.
    pub what: Happening,
}

/// All that happened in a run, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// When the run ended.
    pub end: Moment,
}

impl History {
    pub(crate) fn push(&mut self, at: Moment, what: Happening) {
        self.entries.push(Entry { at, what });
    }

    /// The last `lines` lines up to and with `until`.
    pub fn trace(&self, until: Moment, lines: usize) -> String {
        let end = self.entries.partition_point(|entry| entry.at <= until);
        let shown = self.entries.get(end.saturating_sub(lines)..end).unwrap_or_default();
        shown.iter().map(|entry| format!("{entry}\n")).collect()
    }

    /// Who owns an instance's addresses at a moment, hung routers included.
    pub fn owners(&self, instance: InstanceId, at: Moment) -> Vec<RouterId> {
        let mut owners = std::collections::BTreeSet::new();
        for entry in self.entries.iter().take_while(|entry| entry.at <= at) {
            if let Happening::Owns { router, instance: of, owns } = &entry.what
                && *of == instance
            {
                if *owns {
                    owners.insert(*router)
                } else {
                    owners.remove(router)
                };
            }
        }
        owners.into_iter().collect()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.at.as_nanos() / 1000;
        write!(f, "{}.{:06} {}", micros / 1_000_000, micros % 1_000_000, self.what)
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |instance: &InstanceId| format!("VI_{}", instance.0.saturating_add(1));
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::Off(router) => write!(f, "{router} off"),
            Self::Owns { router, instance, owns } => {
                write!(f, "{router} {} {}", name(instance), if *owns { "own" } else { "release" })
            }
            Self::Advert { router, instance, priority } => {
                write!(f, "{router} {} advert {priority}", name(instance))
            }
            Self::Announced { router, instance } => write!(f, "{router} {} announce", name(instance)),
            Self::State { router, instance, from, to, causes } => {
                write!(f, "{router} {} {from:?}>{to:?} {causes:?}", name(instance))
            }
            Self::Runaway => f.write_str("runaway: too many events"),
        }
    }
}
