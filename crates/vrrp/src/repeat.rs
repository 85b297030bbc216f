//! Adverts that say again what was said before.
//!
//! A backup hears the same octets of its master once an interval. The first time everything is checked, and what the
//! instance is afterwards is compared with what it was before: where that differs in times and counts only, the same octets
//! have no other consequence the next time either. They are then only counted, which touches a fraction of the memory. Any
//! other access to the instance that may change it ([`Instances::get_mut`](crate::machine::Instances::get_mut)) ends that.

use std::net::IpAddr;
use std::time::Duration;

use steadfast_time::Moment;
use steadfast_wire::vrrp::{Carrier, Priority};

use crate::action::Datagram;
use crate::config::{Authentication, GroupId, InstanceId};
use crate::counters::Counters;
use crate::event::State;
use crate::instance::{Instance, Timers, Told, Wait};
use crate::machine::Machine;
use crate::peers::Said;
use crate::split_brain::SplitBrain;
use crate::status::Master;

/// Octets of the longest message that is remembered: eight addresses of IPv4, two of IPv6.
const MESSAGE_OCTETS: usize = 40;

/// An advert that had no consequences.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Repeat {
    source: IpAddr,
    destination: IpAddr,
    hop_limit: Option<u8>,
    length: u8,
    message: [u8; MESSAGE_OCTETS],
    /// How long its sender may be silent.
    down_time: Duration,
    group: Option<GroupId>,
}

/// A datagram was recognised, and nothing has happened since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again(InstanceId);

impl Again {
    /// Who hears it.
    pub const fn instance(self) -> InstanceId {
        self.0
    }
}

impl Machine {
    /// Recognises a datagram whose only consequences are that it was heard, and when.
    pub fn recognise(&self, now: Moment, datagram: &Datagram<'_>) -> Option<Again> {
        if !self.is_listening(now) {
            return None;
        }
        let id = self.recipient(datagram)?;
        let repeat = self.instances.get(id)?.repeat.as_ref()?;
        let forming = repeat.group.is_some_and(|group| self.is_forming(group));
        (repeat.is_of(datagram) && !forming).then_some(Again(id))
    }

    /// What [`Machine::handle`] would do with the datagram that was just recognised.
    pub fn hear_again(&mut self, now: Moment, again: Again) {
        if let Some(instance) = self.instances.get_settled(again.0) {
            instance.hear_again(now);
        }
    }
}

impl Repeat {
    fn new(datagram: &Datagram<'_>, down_time: Duration, group: Option<GroupId>) -> Option<Self> {
        if datagram.carrier != Carrier::Ip {
            return None;
        }
        let mut message = [0; MESSAGE_OCTETS];
        message.get_mut(..datagram.message.len())?.copy_from_slice(datagram.message);
        let Datagram { source, destination, hop_limit, .. } = *datagram;
        let length = u8::try_from(datagram.message.len()).ok()?;
        Some(Self { source, destination, hop_limit, length, message, down_time, group })
    }

    fn is_of(&self, datagram: &Datagram<'_>) -> bool {
        self.message.get(..self.length.into()) == Some(datagram.message)
            && self.source == datagram.source
            && self.destination == datagram.destination
            && self.hop_limit == datagram.hop_limit
            && datagram.carrier == Carrier::Ip
    }
}

/// What of a backup stays as it is while it follows a master: everything that a received advert may change but times and
/// counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Steady {
    master: Option<Master>,
    best: Option<Master>,
    master_interval: Duration,
    heard: Option<(IpAddr, Priority)>,
    peers: usize,
    said: Option<Said>,
    split_brain: SplitBrain,
    reported: u64,
    master_reported_at: Option<Moment>,
    remembered: Option<(Told, Moment)>,
    timers: Timers,
    counters: Counters,
}

impl Steady {
    /// `None` where it waits for more than the silence of its master, or where what an advert does depends on when it comes.
    pub(crate) fn of(instance: &Instance, source: IpAddr) -> Option<Self> {
        // A proof is good once, and a password is compared in constant time.
        if instance.state != State::Backup || instance.config.authentication != Authentication::None {
            return None;
        }
        let peer = instance.peers.iter().find(|peer| peer.address == source && peer.refused.is_none())?;
        let told = (instance.master, instance.master_interval, instance.best);
        let steady = matches!(instance.wait, Wait::Silence(_))
            && instance.remembered.is_some_and(|(remembered, _)| remembered == told)
            && instance.preempt_at.is_none()
            && instance.rivalry.is_none()
            && !instance.wants_master
            && !instance.own.lowered
            // A checksum of early versions is followed.
            && instance.config.early_checksum_group().is_none();
        steady.then(|| Self {
            master: instance.master,
            best: instance.best,
            master_interval: instance.master_interval,
            heard: instance.last_heard.map(|heard| (heard.source, heard.priority)),
            peers: instance.peers.len(),
            said: peer.said,
            split_brain: instance.split_brain,
            reported: instance.reported,
            master_reported_at: instance.master_reported_at,
            remembered: instance.remembered,
            timers: Timers { protocol: Moment::NEVER, ..instance.timers },
            counters: Counters { adverts_received: 0, ..instance.counters },
        })
    }
}

impl Instance {
    /// A datagram was taken; `before` is what it found.
    pub(crate) fn learn_repeat(&mut self, datagram: &Datagram<'_>, before: Option<Steady>) {
        let unchanged = before.is_some() && Steady::of(self, datagram.source) == before;
        let repeat = || Repeat::new(datagram, self.down_time(), self.config.group);
        self.repeat = unchanged.then(repeat).flatten();
    }

    fn hear_again(&mut self, now: Moment) {
        let Some(Repeat { source, down_time, .. }) = self.repeat else { return };
        self.counters.adverts_received += 1;
        self.peers.heard_again(now, source);
        if let Some(heard) = &mut self.last_heard {
            heard.at = now;
        }
        self.wait = Wait::Silence(now);
        self.timers.protocol = now + down_time;
    }
}
