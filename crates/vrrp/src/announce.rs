//! When a master announces its addresses by gratuitous ARP or unsolicited neighbour advertisement.

use std::time::Duration;

use crate::action::{Action, Sink};
use crate::config::InstanceId;
use crate::instance::Instance;
use steadfast_time::Moment;

/// Of announcements after a worker's death: most likely nobody has taken over meanwhile.
const RESUMED_REPEAT: u32 = 1;

impl Instance {
    /// The first block at once (RFC 9568 section 6.4.2), a second one later for those who missed it,
    /// and periodic ones.
    pub(crate) fn start_announcing(&mut self, now: Moment, sink: &mut impl Sink) {
        announce(self.id(), self.config.announce.master_repeat, sink);
        self.timers.second_block = later(now, self.config.announce.master_delay);
        self.start_refreshing(now);
    }

    /// The refresh counts from the second block.
    pub(crate) fn start_refreshing(&mut self, now: Moment) {
        self.timers.refresh = later(now + self.config.announce.master_delay, self.config.announce.refresh);
    }

    /// Another router may have drawn traffic with its adverts: claim it back.
    pub(crate) fn announce_over_lower(&mut self, now: Moment, sink: &mut impl Sink) {
        if self.preparing.is_some() {
            return;
        }
        let timing = self.config.announce;
        self.announced_over_lower = Some(now);
        announce(self.id(), timing.lower_priority_repeat, sink);
        if timing.lower_priority_repeat > 0 {
            self.timers.after_lower = later(now, timing.lower_priority_delay);
        }
    }

    /// Another router was heard at `heard`, and may have drawn traffic since this one announced: who announces, of both
    /// routers, does it behind its adverts.
    pub(crate) fn owes_over_lower(&self, heard: Option<Moment>) -> bool {
        heard >= self.announced_over_lower.max(Some(self.since))
    }

    /// A successor announces, for another router may have drawn traffic while nobody heard it, and owes what its
    /// predecessor did not live to announce.
    pub(crate) fn resume_announcing(&mut self, now: Moment, sink: &mut impl Sink) {
        announce(self.id(), RESUMED_REPEAT, sink);
        let owed = later(self.since, self.config.announce.master_delay);
        self.timers.second_block = if owed > now { owed } else { Moment::NEVER };
        self.start_refreshing(now);
    }

    /// Sends what is due.
    pub(crate) fn announce_due(&mut self, now: Moment, sink: &mut impl Sink) {
        let timing = self.config.announce;
        if self.timers.second_block <= now {
            self.timers.second_block = Moment::NEVER;
            announce(self.id(), timing.master_repeat, sink);
        }
        if self.timers.after_lower <= now {
            self.timers.after_lower = Moment::NEVER;
            announce(self.id(), timing.lower_priority_repeat, sink);
        }
        if self.timers.refresh <= now {
            self.timers.refresh = later(now, timing.refresh);
            announce(self.id(), timing.refresh_repeat, sink);
        }
    }

    /// Leaving MASTER: nothing may claim the addresses after the new master has.
    pub(crate) fn stop_announcing(&mut self, sink: &mut impl Sink) {
        self.timers.second_block = Moment::NEVER;
        self.timers.after_lower = Moment::NEVER;
        self.timers.over_late_lower = Moment::NEVER;
        self.timers.refresh = Moment::NEVER;
        sink.act(Action::CancelAnnounce { instance: self.id() });
    }
}

fn announce(instance: InstanceId, repeat: u32, sink: &mut impl Sink) {
    if repeat > 0 {
        sink.act(Action::Announce { instance, repeat });
    }
}

fn later(now: Moment, span: Duration) -> Moment {
    if span.is_zero() { Moment::NEVER } else { now + span }
}
