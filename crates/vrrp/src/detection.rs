//! Fast detection: over whom a session of BFD watches, and what follows when that router is dead.
//!
//! It only ever shortens a wait. A session that is up says nothing of the virtual router, so that it keeps nobody from an
//! election, and one that ends on purpose says nothing of the master.

use std::net::IpAddr;
use std::time::Duration;

use crate::action::Sink;
use crate::config::{FastDetection, InstanceId, InterfaceId, Transport, UnicastPeer};
use crate::event::State;
use crate::instance::{Instance, Wait};
use crate::machine::Machine;
use crate::status::Master;
use steadfast_time::Moment;

/// Backups of one dead master take over in the order of their priorities, as after adverts that stay away: the worst waits
/// for half an interval of the session. All of them miss the same packet (`Beat` in bfd), so that their waits begin together.
const SKEW_PARTS: u32 = 2;

/// What an instance has to do with fast detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch<'a> {
    /// Where it is.
    pub interface: InterfaceId,
    /// Address of its own adverts: where other routers find it.
    pub own: IpAddr,
    /// How it wants to watch, and to be watched.
    pub detection: FastDetection,
    /// Who may watch over it; `None` for every router on the link.
    pub peers: Option<&'a [UnicastPeer]>,
    /// Over whom it watches: the master that it follows as a backup.
    pub master: Option<IpAddr>,
}

impl Machine {
    /// What an instance has to do with fast detection; `None` if it does not ask for it or has no address yet.
    pub fn watch(&self, id: InstanceId) -> Option<Watch<'_>> {
        let instance = self.instances.get(id)?;
        let config = &*instance.config;
        let detection = config.fast_detection.filter(|_| config.broken.is_none())?;
        let own = self.trackers.source(config)?;
        let peers = match &config.transport {
            Transport::Multicast { .. } => None,
            Transport::Unicast { peers, .. } => Some(peers.as_slice()),
        };
        let followed = |master: &Master| instance.state == State::Backup && master.address != own;
        let master = instance.master.filter(followed).map(|master| master.address);
        Some(Watch { interface: config.interface, own, detection, peers, master })
    }

    /// Whether any instance asks for fast detection.
    pub fn wants_detection(&self) -> bool {
        self.instances.iter().any(|instance| instance.config.fast_detection.is_some())
    }

    /// The master of these instances is dead: the better of the others takes over at once.
    pub(crate) fn bury(&mut self, now: Moment, ids: &[InstanceId], master: IpAddr, silent_us: u64) {
        if !self.is_listening(now) || self.general.stopping {
            return;
        }
        for &id in ids {
            let Some(instance) = self.instances.get_mut(id) else { continue };
            instance.bury(now, master, silent_us);
            self.arm(id);
        }
    }
}

impl Instance {
    fn bury(&mut self, now: Moment, master: IpAddr, silent_us: u64) {
        let follows = self.state == State::Backup && self.master.is_some_and(|known| known.address == master);
        // After an advert of priority 0 the election runs already.
        if follows && !matches!(self.wait, Wait::Released { .. }) {
            self.wait = Wait::Dead { master, at: now, silent_us };
            self.timers.protocol = self.timers.protocol.min(now + self.detection_skew());
        }
    }

    /// Skew_Time (RFC 9568 section 6.1) of fast detection.
    pub(crate) fn detection_skew(&self) -> Duration {
        let interval = self.config.fast_detection.map_or(Duration::ZERO, |detection| detection.interval);
        interval / SKEW_PARTS * (256 - u32::from(self.standing.priority.get())) / 256
    }

    /// Whom it follows has changed, or whether it follows anybody.
    pub(crate) fn tell_follower(&self, sink: &mut impl Sink) {
        if self.config.fast_detection.is_some() {
            sink.follow(self.id());
        }
    }
}
