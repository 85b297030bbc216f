//! Changes of state and all that goes with them (RFC 3768 and RFC 9568 sections 6.4, 6.4.1, 6.4.2 and 6.4.3).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use steadfast_wire::vrrp::Priority;

use crate::action::{Action, Sink};
use crate::config::InstanceId;
use crate::event::{Cause, Event, Served, State};
use crate::instance::{Instance, Timers, Wait};
use crate::machine::Machine;
use crate::status::Master;
use crate::track::Trackers;
use steadfast_time::Moment;

/// How long the old master of a planned stop goes on answering after the first advert of the new
/// one: time for the new one's gratuitous ARP to reach every client first.
pub const HANDOVER_GRACE: Duration = Duration::from_millis(20);

/// A fault makes keepalived send two adverts of priority 0: if one is lost, backups need not wait
/// out the whole master down interval.
const FAULT_RELEASES: usize = 2;

/// Routers whose dropped adverts explain why this one took over; `status` has all of them.
const DROPPED_PEERS_NAMED: usize = 3;

impl Machine {
    /// Weighs the trackers of an instance again after `trigger`.
    pub(crate) fn reassess(&mut self, now: Moment, id: InstanceId, trigger: &Cause, sink: &mut impl Sink) {
        self.weigh(now, id, trigger, sink);
        self.settle(now, id, trigger, sink);
    }

    /// The same for many at once: a sync group decides when all its members have been weighed, and
    /// only once.
    pub(crate) fn reassess_all(
        &mut self,
        now: Moment,
        triggers: &[(InstanceId, Cause)],
        sink: &mut impl Sink,
    ) {
        if !self.general.started || self.general.stopping {
            return;
        }
        for (id, trigger) in triggers {
            self.weigh(now, *id, trigger, sink);
        }
        self.settle_all(now, triggers, sink);
    }

    /// Each instance once, and each sync group once.
    pub(crate) fn settle_all(&mut self, now: Moment, triggers: &[(InstanceId, Cause)], sink: &mut impl Sink) {
        let mut settled = BTreeSet::new();
        for (id, trigger) in triggers {
            let group = self.instances.get(*id).and_then(|instance| instance.config.group);
            if group.is_none_or(|group| settled.insert(group)) {
                self.settle(now, *id, trigger, sink);
            }
        }
    }

    fn weigh(&mut self, now: Moment, id: InstanceId, trigger: &Cause, sink: &mut impl Sink) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if instance.state == State::Stop {
            return;
        }
        let standing = self.trackers.assess(&instance.config, instance.own);
        instance.set_priority(now, standing.priority, &self.trackers, trigger, sink);
        instance.standing = standing;
        self.arm(id);
    }

    /// Brings an instance, and its sync group, out of or into FAULT.
    pub(crate) fn settle(&mut self, now: Moment, id: InstanceId, trigger: &Cause, sink: &mut impl Sink) {
        let team = self.team(id);
        let standings = || team.iter().filter_map(|member| self.instances.get(*member));
        let faulty = standings().find(|member| member.id() == id && member.standing.fault);
        let faulty = faulty.or_else(|| standings().find(|member| member.standing.fault)).map(Instance::id);
        let out = |member: &Instance| matches!(member.state, State::Init | State::Fault);
        if let Some(faulty) = faulty {
            self.fail_all(now, &team, faulty, trigger, sink);
        } else if standings().any(|member| out(member) && member.standing.pending) {
            // Not before every script has run once.
        } else if standings().any(out) {
            self.raise_all(now, &team, trigger, sink);
        }
    }

    /// One member of a sync group in FAULT takes all others with it.
    fn fail_all(
        &mut self,
        now: Moment,
        team: &[InstanceId],
        faulty: InstanceId,
        trigger: &Cause,
        sink: &mut impl Sink,
    ) {
        let Some(origin) = self.instances.get(faulty) else { return };
        let causes = origin.chain(now, &self.trackers, trigger.clone());
        let mut changed = false;
        for &member in team {
            let because = self.member_causes(now, member, faulty, trigger, &causes);
            let Some(instance) = self.instances.get_mut(member) else { continue };
            if instance.state != State::Fault {
                changed = true;
                instance.fail(now, because, &self.trackers, sink);
                self.arm(member);
            }
        }
        if changed {
            self.tell_group(now, faulty, causes, sink);
        }
    }

    /// A member with a fault of its own has its own reasons; the others follow `faulty`.
    fn member_causes(
        &self,
        now: Moment,
        member: InstanceId,
        faulty: InstanceId,
        trigger: &Cause,
        causes: &[Cause],
    ) -> Vec<Cause> {
        match self.instances.get(member) {
            Some(instance) if member != faulty && instance.standing.fault => {
                instance.chain(now, &self.trackers, trigger.clone())
            }
            _ => self.followed(member, faulty, causes),
        }
    }

    /// No fault is left: BACKUP, or MASTER for an owner that wants it (RFC 9568 section 6.4.1), in a
    /// sync group only if all members do.
    fn raise_all(&mut self, now: Moment, team: &[InstanceId], trigger: &Cause, sink: &mut impl Sink) {
        let members = || team.iter().filter_map(|member| self.instances.get(*member));
        let owners = members().all(Instance::starts_as_owner);
        let prepares = self.prepares(team);
        let start = now.max(self.general.startup_until);
        let mut told = None;
        for &member in team {
            let Some(instance) = self.instances.get_mut(member) else { continue };
            if !matches!(instance.state, State::Init | State::Fault) {
                continue;
            }
            let mut causes = instance.chain(now, &self.trackers, trigger.clone());
            if owners && start > now {
                instance.timers.protocol = start;
            } else if owners {
                causes.push(Cause::Owner);
                instance.become_master(now, causes.clone(), prepares, &self.trackers, sink);
                told = Some((member, causes));
            } else {
                instance.join(now, start, causes.clone(), sink);
                told = Some((member, causes));
            }
            self.arm(member);
        }
        if let Some((member, causes)) = told {
            self.tell_group(now, member, causes, sink);
            self.serve_if_prepared(now, member, sink);
        }
    }

    /// The protocol timer of an instance has run out.
    pub(crate) fn protocol_due(&mut self, now: Moment, id: InstanceId, sink: &mut impl Sink) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        match instance.state {
            State::Master => {
                instance.send_advert(now, &self.trackers, sink);
                instance.reschedule_advert(now);
                instance.miss_rivals(now, sink);
                instance.claim_back_from_the_silent(now, sink);
                instance.miss_everybody(now, sink);
            }
            State::Backup => self.master_down(now, id, sink),
            State::Stop => self.finish_handover(now, id, sink),
            State::Init => {
                // The start-up delay of an owner is over.
                instance.timers.protocol = Moment::NEVER;
                self.settle(now, id, &Cause::Start, sink);
            }
            State::Fault => self.try_to_speak(now, id, sink),
        }
    }

    /// Master_Down_Timer (RFC 3768) or Active_Down_Timer (RFC 9568) expires, section 6.4.2. A member
    /// of a sync group waits until every other one wants to be master too.
    pub(crate) fn master_down(&mut self, now: Moment, id: InstanceId, sink: &mut impl Sink) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let cause = instance.down_cause(now);
        instance.wants_master = true;
        if !self.group_agrees_on_master(id) {
            if let Some(instance) = self.instances.get_mut(id) {
                instance.restart_down_timer(now);
            }
            return;
        }
        let team = self.team(id);
        if self.asks_before(now, id, &team, sink) {
            return;
        }
        let Some(instance) = self.instances.get(id) else { return };
        let mut causes = instance.chain(now, &self.trackers, cause.clone());
        if matches!(cause, Cause::MasterSilent { .. }) {
            instance.explain_silence(now, &mut causes);
        }
        let prepares = self.prepares(&team);
        for &member in &team {
            let because = self.followed(member, id, &causes);
            let Some(instance) = self.instances.get_mut(member) else { continue };
            if instance.state == State::Backup {
                instance.become_master(now, because, prepares, &self.trackers, sink);
                self.arm(member);
            }
        }
        self.tell_group(now, id, causes, sink);
        self.serve_if_prepared(now, id, sink);
    }

    /// A master has heard a better one (section 6.4.3): no priority 0, the other is there already.
    pub(crate) fn yield_to(
        &mut self,
        now: Moment,
        id: InstanceId,
        master: Master,
        cause: Cause,
        sink: &mut impl Sink,
    ) {
        let team = self.team(id);
        let Some(instance) = self.instances.get_mut(id) else { return };
        let causes = instance.chain(now, &self.trackers, cause);
        instance.leave_master(now, 0, &self.trackers, sink);
        instance.stand_by(now, Some(master), causes.clone(), sink);
        self.arm(id);
        for &member in &team {
            let because = self.followed(member, id, &causes);
            let Some(instance) = self.instances.get_mut(member) else { continue };
            if instance.state == State::Master {
                instance.leave_master(now, 0, &self.trackers, sink);
                instance.stand_by(now, None, because, sink);
                self.arm(member);
            }
        }
        self.tell_group(now, id, causes, sink);
    }

    /// A member of a sync group has lost its election while others are MASTER: they hand over with
    /// priority 0, for nobody has taken their addresses yet.
    pub(crate) fn give_up_group(
        &mut self,
        now: Moment,
        loser: InstanceId,
        trigger: &Cause,
        sink: &mut impl Sink,
    ) {
        let Some(instance) = self.instances.get(loser) else { return };
        let mut causes = vec![trigger.clone()];
        if let Some(Master { address, priority }) = instance.master {
            causes.push(Cause::HigherPriority { master: address, priority });
        }
        self.hand_over_all(now, loser, causes, sink);
    }

    /// The masters of the team of `id` go to BACKUP, each with an advert of priority 0.
    fn hand_over_all(&mut self, now: Moment, id: InstanceId, causes: Vec<Cause>, sink: &mut impl Sink) {
        for member in self.team(id) {
            let because = self.followed(member, id, &causes);
            let Some(instance) = self.instances.get_mut(member) else { continue };
            if instance.state == State::Master {
                instance.leave_master(now, 1, &self.trackers, sink);
                instance.stand_by(now, None, because, sink);
                self.arm(member);
            }
        }
        self.tell_group(now, id, causes, sink);
    }

    /// A master that was held up for longer than backups wait gives its addresses up before it says
    /// or answers anything, and listens first (RFC 9568 section 6.4.2). True if it did.
    pub(crate) fn step_back(&mut self, now: Moment, id: InstanceId, sink: &mut impl Sink) -> bool {
        let Some(instance) = self.instances.get(id) else { return false };
        let due = instance.timers.protocol;
        if !instance.is_superseded(now, due) {
            return false;
        }
        let silent_ms = u64::try_from(now.since(due - instance.interval()).as_millis()).unwrap_or(u64::MAX);
        let causes = instance.chain(now, &self.trackers, Cause::HeldUp { silent_ms });
        for member in self.team(id) {
            let because = self.followed(member, id, &causes);
            let Some(instance) = self.instances.get_mut(member) else { continue };
            if instance.state == State::Master {
                instance.leave_master(now, 0, &self.trackers, sink);
                instance.stand_by(now, None, because, sink);
                self.arm(member);
            }
        }
        self.tell_group(now, id, causes, sink);
        true
    }

    /// Somebody removed an address of a master that is to give up for it, and its sync group with it: backups hear that
    /// at once.
    pub(crate) fn robbed(&mut self, now: Moment, id: InstanceId, address: IpAddr, sink: &mut impl Sink) {
        let Some(instance) = self.instances.get(id) else { return };
        if instance.state != State::Master || !instance.config.gives_up_removed {
            return;
        }
        let causes = instance.chain(now, &self.trackers, Cause::AddressRemoved { address });
        self.hand_over_all(now, id, causes, sink);
    }

    /// Another router serves where a master that gives way for it asked, or this one is cut off; its sync group goes with
    /// it. Backups that hear it look for who serves themselves.
    pub(crate) fn give_way(&mut self, now: Moment, id: InstanceId, served: Served, sink: &mut impl Sink) {
        let Some(instance) = self.instances.get(id) else { return };
        let causes = instance.chain(now, &self.trackers, Cause::ServedElsewhere { served });
        self.hand_over_all(now, id, causes, sink);
    }

    /// An owner lowers itself below another owner that does not give way.
    pub(crate) fn give_way_to_owner(
        &mut self,
        now: Moment,
        id: InstanceId,
        rival: Master,
        sink: &mut impl Sink,
    ) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.own.lowered = true;
        let cause = Cause::HigherPriority { master: rival.address, priority: rival.priority };
        self.reassess(now, id, &cause, sink);
    }

    /// The other owner has gone or given way: ours is the highest priority again.
    pub(crate) fn end_rivalry(&mut self, now: Moment, id: InstanceId, sink: &mut impl Sink) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.rivalry = None;
        if instance.own.lowered {
            instance.own.lowered = false;
            self.reassess(now, id, &Cause::Owner, sink);
        }
    }

    /// Gives up for good. A master says so with priority 0 and goes on answering: unlike keepalived,
    /// which leaves the addresses unserved for the skew time of the backups, it keeps them until the
    /// new master is heard, or until any backup, even one of priority 1, would have spoken.
    pub(crate) fn retire(&mut self, now: Moment, id: InstanceId, cause: Cause, sink: &mut impl Sink) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let was_master = match instance.state {
            State::Stop => return,
            state => state == State::Master,
        };
        instance.timers.protocol = Moment::NEVER;
        if was_master {
            instance.send_release(now, &self.trackers, sink);
            instance.stop_announcing(sink);
            instance.counters.released_master += 1;
            instance.master = None;
            // One that prepares answers for nothing.
            if instance.preparing.is_none() {
                instance.timers.protocol = now + instance.skew(Priority::LOWEST) + HANDOVER_GRACE;
                self.general.handing_over += 1;
            }
        }
        instance.enter(now, State::Stop, vec![cause], sink);
        self.arm(id);
    }

    /// The addresses are another router's, or nobody's.
    fn finish_handover(&mut self, now: Moment, id: InstanceId, sink: &mut impl Sink) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.timers.protocol = Moment::NEVER;
        sink.act(Action::Addresses { instance: id, wanted: false });
        sink.act(Action::Event(Event::HandedOver {
            instance: id,
            at: now,
            to: instance.master.map(|master| (master.address, master.priority)),
            after_ms: u64::try_from(now.since(instance.since).as_millis()).unwrap_or(u64::MAX),
        }));
        self.general.handing_over = self.general.handing_over.saturating_sub(1);
        if instance.departing {
            self.forget(id, sink);
        }
    }
}

impl Instance {
    /// First the advert, then the addresses and their announcement (RFC 9568 section 6.4.2), unless the instance
    /// prepares itself before.
    fn become_master(
        &mut self,
        now: Moment,
        causes: Vec<Cause>,
        prepares: bool,
        trackers: &Trackers,
        sink: &mut impl Sink,
    ) {
        if self.own.lowered {
            self.own.lowered = false;
            self.standing = trackers.assess(&self.config, self.own);
        }
        self.claim(now, trackers, sink);
        self.counters.became_master += 1;
        if prepares {
            self.prepare(now, causes, sink);
        } else {
            self.serve(now, causes, sink);
        }
    }

    /// Says to the other routers that this one is master.
    fn claim(&mut self, now: Moment, trackers: &Trackers, sink: &mut impl Sink) {
        self.rivalry = None;
        self.preempt_at = None;
        self.wants_master = false;
        self.master_interval = self.interval();
        self.master =
            trackers.source(&self.config).map(|address| Master { address, priority: self.standing.priority });
        self.send_advert(now, trackers, sink);
        self.schedule_advert(now);
    }

    /// Takes the addresses, announces them, and tells.
    pub(crate) fn serve(&mut self, now: Moment, causes: Vec<Cause>, sink: &mut impl Sink) {
        sink.act(Action::Addresses { instance: self.id(), wanted: true });
        self.start_announcing(now, sink);
        self.enter(now, State::Master, causes, sink);
    }

    /// A worker goes on where its predecessor died. A master is master still, and its addresses are where
    /// they were. Nothing is told: state, since when and why are what they were.
    pub(crate) fn resume(&mut self, now: Moment, start: Moment, trackers: &Trackers, sink: &mut impl Sink) {
        match self.state {
            State::Master => {
                self.claim(now, trackers, sink);
                if self.preparing.is_some() {
                    self.ask_to_prepare(sink);
                } else {
                    sink.act(Action::Addresses { instance: self.id(), wanted: true });
                    self.resume_announcing(now, sink);
                    self.begin_asking(now, sink);
                }
            }
            State::Backup => self.restart_down_timer(start),
            State::Fault => self.await_speech(now, trackers),
            State::Init | State::Stop => {}
        }
    }

    /// Into BACKUP from INIT or FAULT, timers running from `start`.
    fn join(&mut self, now: Moment, start: Moment, causes: Vec<Cause>, sink: &mut impl Sink) {
        let from = self.state;
        self.master_interval = self.interval();
        if from == State::Fault && !self.is_multicast() {
            // Its peers may have lost the way to it.
            sink.act(Action::AnnounceSource { instance: self.id() });
        }
        self.stand_by(now, None, causes, sink);
        self.restart_down_timer(start);
        if from == State::Init && self.config.initial_master && !self.config.incumbent_wins_ties {
            // Configured to be master: hears one interval long whether there is one. One that is there and was not heard
            // for so long would lose by its address (RFC 9568 section 6.4.3), of equal priority too.
            self.timers.protocol = start + self.master_interval + self.skew(Priority::OWNER);
        }
    }

    /// Into BACKUP.
    fn stand_by(&mut self, now: Moment, master: Option<Master>, causes: Vec<Cause>, sink: &mut impl Sink) {
        self.master = master;
        self.master_reported_at = None;
        self.preempt_at = None;
        self.wants_master = false;
        self.restart_down_timer(now);
        self.enter(now, State::Backup, causes, sink);
    }

    fn fail(&mut self, now: Moment, causes: Vec<Cause>, trackers: &Trackers, sink: &mut impl Sink) {
        if self.state == State::Master {
            self.leave_master(now, FAULT_RELEASES, trackers, sink);
        }
        self.master = None;
        self.rivalry = None;
        self.preempt_at = None;
        self.wants_master = false;
        self.timers = Timers::IDLE;
        self.await_speech(now, trackers);
        let unprepared_until = self.own.unprepared_until.unwrap_or(Moment::NEVER);
        self.enter(now, State::Fault, causes, sink);
        self.timers.preparation = unprepared_until;
    }

    /// The addresses go at once. `releases` adverts of priority 0 go first.
    pub(crate) fn leave_master(
        &mut self,
        now: Moment,
        releases: usize,
        trackers: &Trackers,
        sink: &mut impl Sink,
    ) {
        for _ in 0..releases {
            self.send_release(now, trackers, sink);
        }
        self.stop_announcing(sink);
        sink.act(Action::Addresses { instance: self.id(), wanted: false });
        self.counters.released_master += 1;
        self.timers.protocol = Moment::NEVER;
    }

    /// Silence of a master whose adverts were dropped is none: says whose, and why.
    fn explain_silence(&self, now: Moment, causes: &mut Vec<Cause>) {
        let dropped = self.peers.dropped_within(now, self.down_time()).take(DROPPED_PEERS_NAMED);
        let named = dropped.map(|(peer, drops)| Cause::Dropped {
            peer: peer.address,
            reason: drops.reason,
            adverts: drops.count,
            span_ms: u64::try_from(now.since(drops.first).as_millis()).unwrap_or(u64::MAX),
        });
        let before_silence = causes.len().saturating_sub(1);
        causes.splice(before_silence..before_silence, named);
    }

    fn down_cause(&self, now: Moment) -> Cause {
        match self.wait {
            Wait::Silence(since) => {
                let waited_ms = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
                Cause::MasterSilent { master: self.master.map(|master| master.address), waited_ms }
            }
            Wait::Released { master, .. } => Cause::MasterReleased { master },
            Wait::Dead { master, silent_us, .. } => Cause::MasterDead { master, silent_us },
            Wait::Preempting(Master { address, priority }) => Cause::Preempt { master: address, priority },
        }
    }
}
