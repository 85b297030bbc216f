//! One simulated computer: power, links, kernel addresses, and the daemon on it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use steadfast_time::Moment;
use steadfast_vrrp::{Datagram, InstanceId, InterfaceId, Resume, ScriptId, WatchId};
use steadfast_wire::vrrp::Carrier;

use crate::participant::Participant;
use crate::scenario::{RouterId, RouterPlan};
use crate::world::Due;

/// A packet that has arrived, or is about to.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) from: RouterId,
    pub(crate) segment: InterfaceId,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) hop_limit: u8,
    pub(crate) carrier: Carrier,
    pub(crate) message: Arc<[u8]>,
}

impl Packet {
    pub(crate) fn datagram(&self) -> Datagram<'_> {
        Datagram {
            interface: self.segment,
            source: self.source,
            destination: self.destination,
            hop_limit: Some(self.hop_limit),
            carrier: self.carrier,
            message: &self.message,
        }
    }
}

/// What a socket of a hung daemon holds; more is lost as in a kernel.
pub(crate) const INBOX_MAX: usize = 128;

#[derive(Default)]
pub(crate) struct Host {
    pub(crate) daemon: Option<Box<dyn Participant>>,
    /// What the computer's clock shows more than those of the others.
    pub(crate) clock_ahead: Duration,
    pub(crate) powered: bool,
    pub(crate) paused: bool,
    pub(crate) stopping: bool,
    /// A start was asked for while a stop was not yet complete.
    pub(crate) start_again: bool,
    /// Settings that a reload put in force.
    pub(crate) plan: Option<Arc<RouterPlan>>,
    pub(crate) links_down: BTreeSet<InterfaceId>,
    pub(crate) scripts_bad: BTreeSet<ScriptId>,
    pub(crate) sessions_down: BTreeSet<WatchId>,
    /// What the kernel has.
    pub(crate) owned: BTreeSet<InstanceId>,
    pub(crate) inbox: VecDeque<Packet>,
    /// What a daemon that hangs has been told meanwhile.
    pub(crate) told: Vec<Due>,
    /// Kept for the successor of a killed worker.
    pub(crate) resume: BTreeMap<InstanceId, Resume>,
    /// The wake-up that is in the queue, on the machine's clock, and its number.
    pub(crate) wakeup: Option<(Moment, u64)>,
    /// Counts daemons started here, so that what was meant for an earlier one does not reach a
    /// later one.
    pub(crate) life: u64,
    /// Last arrival of a packet from each router, so that packets do not overtake.
    pub(crate) arrivals: BTreeMap<(RouterId, InterfaceId), Moment>,
}

impl Host {
    pub(crate) const fn is_live(&self) -> bool {
        self.powered && !self.paused && self.daemon.is_some()
    }

    /// The power is gone, or the daemon has ended in order.
    pub(crate) fn switch_off(&mut self) {
        let start_again = self.start_again;
        *self = Self {
            life: self.life + 1,
            plan: self.plan.take(),
            links_down: std::mem::take(&mut self.links_down),
            scripts_bad: std::mem::take(&mut self.scripts_bad),
            sessions_down: std::mem::take(&mut self.sessions_down),
            start_again,
            ..Self::default()
        };
    }
}
