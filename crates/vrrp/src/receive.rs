//! What a received advert does (RFC 3768 and RFC 9568 sections 6.4.2, 6.4.3 and 7.1).

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv6Addr};

use steadfast_wire::vrrp::{
    Advert as Received, AdvertInterval, Expect, Family, Priority, Received as Frame, Reject, Vrid, vrid_of,
};

use crate::action::{Action, Datagram, Sink};
use crate::config::{InstanceConfig, InstanceId, Transport};
use crate::counters::Counters;
use crate::event::{Cause, Difference, Event, State};
use crate::instance::{Instance, Rivalry, Wait};
use crate::machine::Machine;
use crate::peers::{Claims, LONELY_AFTER, Said};
use crate::proof::kind;
use crate::repeat::Steady;
use crate::status::{Heard, Master};
use crate::transition::HANDOVER_GRACE;
use steadfast_time::Moment;

/// A router of lower priority is told of and announced over at once this often at most. Each costs a script and many packets; a
/// sender that keeps to its interval never reaches the bound. When it is quiet after more, that is announced over once.
const LOWER_REPORTS_PER_INTERVAL: u32 = 4;

/// A successor's needs are told this often an interval at most.
const REMEMBERED_PER_INTERVAL: u32 = 4;

/// What an accepted advert says.
#[derive(Debug, Clone, Copy)]
struct Claim {
    source: IpAddr,
    priority: Priority,
    interval: AdvertInterval,
}

impl Claim {
    const fn master(self) -> Master {
        Master { address: self.source, priority: self.priority }
    }
}

impl Machine {
    /// A datagram of protocol 112 or 51.
    pub(crate) fn receive(&mut self, now: Moment, datagram: &Datagram<'_>, sink: &mut impl Sink) {
        if !self.is_listening(now) {
            return;
        }
        if let Some(again) = self.recognise(now, datagram) {
            return self.hear_again(now, again);
        }
        let Some(vrid) = datagram.carrier.message(datagram.message).and_then(vrid_of) else {
            self.general.counters.malformed += 1;
            return;
        };
        let Some(id) = self.route(datagram, vrid) else {
            self.general.counters.unknown_vrid += 1;
            return;
        };
        // Else a held-up master would answer who has taken over.
        self.step_back(now, id, sink);
        let Some(instance) = self.instances.get_mut(id) else { return };
        if matches!(instance.state, State::Init | State::Fault) {
            return;
        }
        let before = Steady::of(instance, datagram.source);
        let Some(claim) = instance.accept(now, datagram, sink) else { return };
        match instance.state {
            State::Backup => self.hear_as_backup(now, id, claim, sink),
            State::Master => self.hear_as_master(now, id, claim, sink),
            State::Stop => instance.hear_while_handing_over(now, claim),
            State::Init | State::Fault => {}
        }
        self.arm(id);
        if let Some(instance) = self.instances.get_settled(id) {
            instance.learn_repeat(datagram, before);
        }
    }

    /// The instance that a datagram is for, if there is one.
    pub fn recipient(&self, datagram: &Datagram<'_>) -> Option<InstanceId> {
        let vrid = datagram.carrier.message(datagram.message).and_then(vrid_of)?;
        self.route(datagram, vrid)
    }

    /// The same, when the virtual router is known. Several unicast instances may share a VRID on one
    /// interface: the sender tells them apart.
    fn route(&self, datagram: &Datagram<'_>, vrid: Vrid) -> Option<InstanceId> {
        let family = Family::of(datagram.source);
        let multicast = datagram.destination.is_multicast();
        let candidates = self.hearers.of(datagram.interface, family, vrid);
        let ids = || candidates.iter().map(|(_, id)| *id);
        // Over IPv6 the two kinds have sockets of their own; over IPv4 the wrong kind is a checked error.
        let takes = |id: InstanceId| {
            self.instances
                .get(id)
                .filter(|instance| family == Family::V4 || instance.is_multicast() == multicast)
        };
        if let [(_, only)] = candidates {
            return takes(*only).map(Instance::id);
        }
        let all = || ids().filter_map(takes);
        all()
            .find(|instance| instance.expects(datagram, multicast))
            .or_else(|| all().find(|instance| instance.is_multicast() == multicast))
            .or_else(|| all().next())
            .map(Instance::id)
    }

    /// RFC 3768 and RFC 9568 section 6.4.2.
    fn hear_as_backup(&mut self, now: Moment, id: InstanceId, claim: Claim, sink: &mut impl Sink) {
        if claim.priority < Priority::OWNER {
            self.end_rivalry(now, id, sink);
        }
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.hears_who_serves(now, sink);
        if claim.priority == Priority::RELEASE {
            instance.wait = Wait::Released { master: claim.source, at: now };
            instance.timers.protocol = now + instance.skew(instance.standing.priority);
            return;
        }
        let better = claim.priority >= instance.standing.priority;
        let delay = instance.config.preempt_delay;
        let patient = instance.is_patient_with(claim);
        if better {
            instance.preempt_at = None;
        } else if !patient && !delay.is_zero() && instance.preempt_at.is_none() {
            instance.preempt_at = Some(now + delay);
        }
        let delayed = instance.preempt_at.is_some_and(|end| now < end);
        instance.note_master(now, claim.master(), sink);
        if better || patient || delayed {
            instance.adopt_interval(claim.interval);
            instance.wants_master = false;
            instance.follows_who_serves(now, sink);
            instance.restart_down_timer(now);
            instance.remember_master(now, sink);
            if let Some(group) = instance.config.group {
                let cause = Cause::Reload;
                self.mend_group(now, group, &cause, sink);
            }
        } else {
            // The timer goes on, and its end preempts the sender.
            instance.wait = Wait::Preempting(claim.master());
        }
    }

    /// RFC 3768 and RFC 9568 section 6.4.3.
    fn hear_as_master(&mut self, now: Moment, id: InstanceId, claim: Claim, sink: &mut impl Sink) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if claim.priority == Priority::RELEASE {
            instance.rivalry = None;
            instance.send_advert(now, &self.trackers, sink);
            // It may have announced since its last advert.
            instance.timers.over_late_lower = now + instance.interval() / LOWER_REPORTS_PER_INTERVAL;
            return;
        }
        let Some(own_address) = self.trackers.source(&instance.config) else { return };
        if claim.priority == Priority::OWNER && instance.standing.priority == Priority::OWNER {
            let persists = instance.rival_persists(now, claim, sink);
            if persists && claim.source < own_address {
                self.give_way_to_owner(now, id, claim.master(), sink);
            }
        }
        let Some(instance) = self.instances.get_mut(id) else { return };
        // Equal priorities are told apart by the addresses in network order (RFC 9568 section 6.4.3).
        let order = claim.priority.cmp(&instance.standing.priority);
        match order.then(claim.source.cmp(&own_address)) {
            Ordering::Equal => {
                instance.counters.own_address_heard += 1;
                instance.disagree(now, Difference::OwnAddress, claim.source, sink);
            }
            Ordering::Less => self.hear_lower(now, id, claim.master(), sink),
            Ordering::Greater => {
                let cause = if order == Ordering::Greater {
                    Cause::HigherPriority { master: claim.source, priority: claim.priority }
                } else {
                    Cause::HigherAddress { master: claim.source }
                };
                if instance.config.higher_priority_send_advert {
                    instance.send_advert(now, &self.trackers, sink);
                }
                instance.adopt_interval(claim.interval);
                self.yield_to(now, id, claim.master(), cause, sink);
            }
        }
    }

    /// Another master that is worse: show it (and the switches) that we are there.
    fn hear_lower(&mut self, now: Moment, id: InstanceId, master: Master, sink: &mut impl Sink) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if !instance.config.lower_priority_no_advert {
            instance.send_advert(now, &self.trackers, sink);
        }
        let spacing = instance.interval() / LOWER_REPORTS_PER_INTERVAL;
        if instance.lower_told_at.is_some_and(|at| now.since(at) < spacing) {
            // The last word of one that gives way may follow its announcements, and those this router's own: whoever drew
            // the traffic last must not keep it.
            instance.timers.over_late_lower = now + spacing;
            self.arm(id);
            return;
        }
        let (told_at, interval) = (instance.lower_told_at, instance.interval());
        // Who has only just become master and gives way at once may be about to announce, behind its last word.
        let is_new = told_at.is_none_or(|at| now.since(at) >= 2 * interval);
        instance.lower_told_at = Some(now);
        instance.timers.over_late_lower = if is_new { now + spacing } else { Moment::NEVER };
        let Master { address, priority } = master;
        let times = instance.peers.claims_of(address);
        sink.act(Action::Event(Event::LowerPriorityHeard {
            instance: id,
            at: now,
            master: address,
            priority,
            times,
        }));
        self.claim_back(now, id, sink);
    }

    /// Another may have drawn the traffic of this router, and in its sync group that of others. Who has announced only just
    /// does it once more when the other is quiet.
    fn claim_back(&mut self, now: Moment, id: InstanceId, sink: &mut impl Sink) {
        self.announce_over_lower(now, id, sink);
        let Some(group) = self.instances.get(id).and_then(|instance| instance.config.group) else { return };
        let (due, all) = self.due_over_lower(now, group, id);
        for member in due {
            self.announce_over_lower(now, member, sink);
        }
        if !all && let Some(instance) = self.instances.get_mut(id) {
            let interval = instance.interval();
            let quiet = now + interval + interval / LOWER_REPORTS_PER_INTERVAL;
            instance.timers.over_late_lower = instance.timers.over_late_lower.min(quiet);
            self.arm(id);
        }
    }

    /// It is quiet after adverts that were not announced over by all that might have lost traffic to their sender.
    pub(crate) fn claim_back_late(&mut self, now: Moment, id: InstanceId, sink: &mut impl Sink) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let Some(group) = instance.config.group else {
            instance.timers.over_late_lower = Moment::NEVER;
            if instance.owes_over_lower(instance.peers.last_accepted()) {
                self.announce_over_lower(now, id, sink);
            }
            return;
        };
        let owing = self.owing_over_lower(group);
        if let Some(instance) = self.instances.get_mut(id) {
            instance.timers.over_late_lower = Moment::NEVER;
        }
        for member in owing {
            self.announce_over_lower(now, member, sink);
        }
    }

    fn announce_over_lower(&mut self, now: Moment, id: InstanceId, sink: &mut impl Sink) {
        if let Some(instance) = self.instances.get_mut(id)
            && instance.state == State::Master
        {
            instance.announce_over_lower(now, sink);
            self.arm(id);
        }
    }
}

impl Instance {
    pub(crate) fn is_multicast(&self) -> bool {
        matches!(self.config.transport, Transport::Multicast { .. })
    }

    /// The datagram was surely meant for this one among several of equal VRID.
    fn expects(&self, datagram: &Datagram<'_>, multicast: bool) -> bool {
        match &self.config.transport {
            Transport::Multicast { .. } => multicast,
            Transport::Unicast { peers, .. } => {
                !multicast
                    && self.config.source.is_none_or(|source| source == datagram.destination)
                    && peers.iter().any(|peer| peer.address == datagram.source)
            }
        }
    }

    /// All checks, in keepalived's order; counts and reports what fails, and remembers the sender
    /// either way.
    fn accept(&mut self, now: Moment, datagram: &Datagram<'_>, sink: &mut impl Sink) -> Option<Claim> {
        let (source, ours) = (datagram.source, &self.config.addresses);
        match self.believe(now, datagram) {
            Ok((advert, early_checksum)) => {
                self.proofs.heard(now, &self.config, source, advert.proven);
                let said = Said::of(&advert, ours);
                self.counters.adverts_received += 1;
                if advert.priority == Priority::RELEASE {
                    self.counters.priority_zero_received += 1;
                }
                self.compare(now, source, &said, sink);
                if let Some(found) = misplaced(&advert) {
                    self.disagree(now, Difference::FirstAddress { found }, source, sink);
                }
                self.follow_checksum(now, source, early_checksum, sink);
                let known = self.peers.len();
                self.peers.accepted(now, source, said);
                self.remember_newcomer(known, sink);
                self.watch_rival(now, source, sink);
                self.last_heard = Some(Heard { at: now, source, priority: said.priority });
                Some(Claim { source, priority: said.priority, interval: said.interval })
            }
            Err(reject) => {
                // keepalived counts what it takes for adverts of the virtual router before these checks.
                if matches!(
                    reject,
                    Reject::AddressList { .. }
                        | Reject::FirstAddress { .. }
                        | Reject::UnknownPeer { .. }
                        | Reject::PeerHopLimit { .. }
                ) {
                    self.counters.adverts_received += 1;
                }
                let message = datagram.carrier.message(datagram.message);
                let said = message.and_then(|message| Received::parse(self.config.family, message).ok());
                let said = said.map(|advert| Said::of(&advert, ours));
                let known = self.peers.len();
                self.peers.refused(now, source, said, reject);
                self.remember_newcomer(known, sink);
                self.refuse(now, source, reject, sink);
                self.watch_rival(now, source, sink);
                None
            }
        }
    }

    /// Checks without consequences. Whether the checksum was that of early versions comes back, too.
    fn believe<'a>(&self, now: Moment, datagram: &Datagram<'a>) -> Result<(Received<'a>, bool), Reject> {
        let frame = Frame {
            source: datagram.source,
            destination: datagram.destination,
            hop_limit: datagram.hop_limit,
            carrier: datagram.carrier,
            message: datagram.message,
        };
        self.check_signer(datagram.source)?;
        let expectation = self.expectation(now, datagram.source);
        let checked = match (expectation.check(&frame), self.config.early_checksum_group()) {
            (Err(reject @ Reject::Checksum { .. }), Some(group)) => {
                let early = expectation.check(&Frame { destination: group, ..frame });
                early.map(|advert| (advert, true)).map_err(|_| reject)
            }
            (checked, _) => checked.map(|advert| (advert, false)),
        };
        let (advert, early_checksum) = checked?;
        check_destination(&self.config, datagram)?;
        if self.config.owner_ignore_adverts && self.standing.priority == Priority::OWNER {
            return Err(Reject::OwnerIgnores);
        }
        self.check_addresses(datagram.source, &advert)?;
        if self.config.requires_link_local
            && let Some(found) = misplaced(&advert)
        {
            return Err(Reject::FirstAddress { found });
        }
        check_peer(&self.config, datagram)?;
        Ok((advert, early_checksum))
    }

    /// A peer with the checksum of early versions takes no other: it is spoken to as it speaks.
    fn follow_checksum(&mut self, now: Moment, source: IpAddr, early: bool, sink: &mut impl Sink) {
        if early && self.advert.speak_early_checksum() {
            self.disagree(now, Difference::EarlyChecksum, source, sink);
            sink.remember(self.id());
        }
    }

    fn expectation(&self, now: Moment, source: IpAddr) -> Expect<'_> {
        let config = &*self.config;
        Expect {
            vrid: config.vrid,
            family: config.family,
            interval: config.interval,
            authentication: kind(config),
            proof: self.proofs.expectation(now, config, source),
            on_link: matches!(config.transport, Transport::Multicast { .. }),
            ignore_v3_checksum: config.v3_checksum_as_v2,
        }
    }

    /// What is remembered of unicast peers with a key is theirs alone.
    fn check_signer(&self, source: IpAddr) -> Result<(), Reject> {
        match (&self.config.transport, self.config.trailer()) {
            (Transport::Unicast { peers, .. }, Some(_))
                if !peers.iter().any(|peer| peer.address == source) =>
            {
                Err(Reject::UnknownPeer { found: source })
            }
            _ => Ok(()),
        }
    }

    fn refuse(&mut self, now: Moment, source: IpAddr, reason: Reject, sink: &mut impl Sink) {
        let (counter, bit) = reject_counter(&mut self.counters, &reason);
        if let Some(counter) = counter {
            *counter += 1;
        }
        if matches!(reason, Reject::AuthFailure | Reject::HeaderDigest | Reject::TrailerDigest { .. }) {
            sink.forged();
        }
        if self.first_report(bit) {
            sink.act(Action::Event(Event::Dropped { instance: self.id(), at: now, source, reason }));
        }
    }

    /// A router that does not serve all our addresses is no master of ours: RFC 3768 section 7.1
    /// drops its adverts, and so does keepalived up to 2.3; were they taken, what it lacks would be
    /// served by nobody. Those that serve more than ours are taken, unlike there: the routers have to
    /// agree on one master for what they share.
    /// An empty list lacks them all (RFC 9568 section 5.2.5, erratum 8299).
    fn check_addresses(&self, source: IpAddr, advert: &Received<'_>) -> Result<(), Reject> {
        if !self.compares_addresses(source) {
            return Ok(());
        }
        let ours = &self.config.addresses;
        match advert.addresses.missing(ours) {
            0 => Ok(()),
            missing => {
                Err(Reject::AddressList { expected: ours.len(), found: advert.addresses.len(), missing })
            }
        }
    }

    /// `skip_check_adv_addr` spares a backup the comparison for the master that it knows.
    fn compares_addresses(&self, source: IpAddr) -> bool {
        let known_sender = self.master.is_some_and(|master| master.address == source);
        !(self.config.skip_check_addresses && self.state == State::Backup && known_sender)
    }

    /// Tells in what the sender of an accepted advert is configured differently.
    fn compare(&mut self, now: Moment, source: IpAddr, said: &Said, sink: &mut impl Sink) {
        if !said.addresses_match && self.compares_addresses(source) {
            self.counters.address_list_errors += 1;
            let (expected, found) = (self.config.addresses.len(), said.addresses);
            self.disagree(now, Difference::AddressList { expected, found }, source, sink);
        }
        if said.interval != self.config.interval {
            let (expected, found) = (self.interval(), said.interval.duration());
            self.disagree(now, Difference::Interval { expected, found }, source, sink);
        }
    }

    /// Another router speaks while this one is master: told once it goes on although it must have
    /// heard us.
    fn watch_rival(&mut self, now: Moment, source: IpAddr, sink: &mut impl Sink) {
        if self.state != State::Master {
            return;
        }
        let (instance, since, interval) = (self.id(), self.since, self.interval());
        let Some(peer) = self.peers.get_mut(source) else { return };
        peer.claim(now);
        if peer.tell_rival(now, since, interval) {
            let (priority, dropped) = (peer.priority(), peer.dropped());
            sink.act(Action::Event(Event::TwoMasters {
                instance,
                at: now,
                other: source,
                priority,
                dropped,
            }));
        }
    }

    /// Tells of second masters that have been silent for long.
    pub(crate) fn miss_rivals(&mut self, now: Moment, sink: &mut impl Sink) {
        let (instance, interval) = (self.id(), self.interval());
        for peer in self.peers.iter_mut() {
            if let Some(claims) = peer.take_ended_claims(now, interval) {
                one_master(instance, now, peer.address, claims, sink);
            }
        }
    }

    /// A master cannot tell a worse router whose adverts it drops from a better one, and leaves either the traffic that it draws
    /// while it speaks. Once it is silent nobody else needs that.
    pub(crate) fn claim_back_from_the_silent(&mut self, now: Moment, sink: &mut impl Sink) {
        let silenced = self.peers.last_silenced(now, self.interval());
        if self.owes_over_lower(silenced) {
            self.announce_over_lower(now, sink);
        }
    }

    /// Tells once that this master has met nobody since it began, which is right only for a router that has no peer.
    pub(crate) fn miss_everybody(&mut self, now: Moment, sink: &mut impl Sink) {
        if self.loneliness_told || self.peers.len() > 0 || now.since(self.since) < LONELY_AFTER {
            return;
        }
        self.loneliness_told = true;
        let (instance, since) = (self.id(), self.since);
        sink.act(Action::Event(Event::NobodyHeard { instance, at: now, since }));
    }

    /// Leaving MASTER, or entering it: who claims the addresses beside us is counted anew.
    pub(crate) fn drop_claims(&mut self, now: Moment, sink: &mut impl Sink) {
        let instance = self.id();
        for peer in self.peers.iter_mut() {
            let claims = std::mem::take(&mut peer.claims);
            if claims.told {
                one_master(instance, now, peer.address, claims, sink);
            }
        }
    }

    /// Remembers who is master. The event is sent at most once an interval, so that two quarrelling
    /// masters cannot flood the log.
    fn note_master(&mut self, now: Moment, master: Master, sink: &mut impl Sink) {
        let known = self.master.replace(master);
        if known.is_none_or(|known| known.address != master.address) {
            self.tell_follower(sink);
        }
        let quiet = self.master_reported_at.is_none_or(|at| now.since(at) >= self.interval());
        if known.is_none_or(|known| known.address != master.address) && quiet {
            self.master_reported_at = Some(now);
            self.reported = 0;
            let Master { address, priority } = master;
            sink.act(Action::Event(Event::MasterChanged {
                instance: self.id(),
                at: now,
                master: address,
                priority,
            }));
        }
    }

    /// Leaves a master of lower priority its addresses. One that told a higher priority before has lost its health, and
    /// keeps them only where that does not matter.
    fn is_patient_with(&mut self, claim: Claim) -> bool {
        let before = self.best.filter(|best| best.address == claim.source);
        let best = before.map_or(claim.priority, |best| best.priority.max(claim.priority));
        self.best = Some(Master { address: claim.source, priority: best });
        self.config.nopreempt && !(self.config.yields_to_health && claim.priority < best)
    }

    /// Active_Adver_Interval follows the master (RFC 9568 section 6.4.2); in version 2 the receive
    /// check has found it equal to ours.
    fn adopt_interval(&mut self, interval: AdvertInterval) {
        self.master_interval = interval.duration();
    }

    /// A successor shall know whom this instance met; one that takes another's place in a full table may be forged.
    fn remember_newcomer(&self, known: usize, sink: &mut impl Sink) {
        if self.peers.len() > known {
            sink.remember(self.id());
        }
    }

    /// A successor has to wait as long for this master. Told a few times an interval at most, so that
    /// quarrelling masters cost little; what was left out is told with a later advert.
    fn remember_master(&mut self, now: Moment, sink: &mut impl Sink) {
        let told = (self.master, self.master_interval, self.best);
        let spacing = self.interval() / REMEMBERED_PER_INTERVAL;
        let due = self.remembered.is_none_or(|(known, at)| known != told && now.since(at) >= spacing);
        if due {
            self.remembered = Some((told, now));
            sink.remember(self.id());
        }
    }

    /// The new master is there: what the old one still answers for is removed once the announcements
    /// of the new one can have reached everybody. Its first advert counts, later ones change nothing.
    fn hear_while_handing_over(&mut self, now: Moment, claim: Claim) {
        if self.timers.protocol != Moment::NEVER && claim.priority != Priority::RELEASE {
            self.timers.protocol = self.timers.protocol.min(now + HANDOVER_GRACE);
            self.master.get_or_insert(claim.master());
        }
    }

    /// Two routers of priority 255, and the other has the lower address, so it should give way. True
    /// once it has had its time: two adverts of ours and 1.2 of the larger interval.
    fn rival_persists(&mut self, now: Moment, claim: Claim, sink: &mut impl Sink) -> bool {
        let larger = self.interval().max(claim.interval.duration());
        let forgotten = larger * 3;
        let rivalry = match self.rivalry {
            Some(known) if now.since(known.last_heard) <= forgotten => Rivalry { last_heard: now, ..known },
            _ => Rivalry { last_heard: now, yield_at: now + self.interval() * 2 + larger * 6 / 5 },
        };
        self.rivalry = Some(rivalry);
        self.disagree(now, Difference::TwoOwners, claim.source, sink);
        now >= rivalry.yield_at
    }

    /// Reports that the routers are not configured alike, once per kind until the state changes.
    fn disagree(&mut self, now: Moment, difference: Difference, source: IpAddr, sink: &mut impl Sink) {
        if self.first_report(difference_bit(difference)) {
            let instance = self.id();
            sink.act(Action::Event(Event::Disagreement { instance, at: now, source, difference }));
        }
    }

    fn first_report(&mut self, bit: u32) -> bool {
        let mask = 1_u64.checked_shl(bit).unwrap_or(0);
        let first = self.reported & mask == 0;
        self.reported |= mask;
        first
    }
}

/// The first address of an advert of IPv6, if it is not the link-local one that RFC 9568 section 5.2.9 puts first.
/// Section 7.1 has such an advert discarded (erratum 8300). Many routers send it, so that only strict mode does.
fn misplaced(advert: &Received<'_>) -> Option<Ipv6Addr> {
    match advert.addresses.iter().next()? {
        IpAddr::V6(first) if !first.is_unicast_link_local() => Some(first),
        _ => None,
    }
}

fn one_master(instance: InstanceId, at: Moment, other: IpAddr, claims: Claims, sink: &mut impl Sink) {
    let Claims { count: adverts, since, .. } = claims;
    sink.act(Action::Event(Event::OneMaster { instance, at, other, adverts, since }));
}

/// An instance either drops adverts for it or tells of it.
const FIRST_ADDRESS_BIT: u32 = 31;

/// Bit of `Instance::reported`, beside those of [`reject_counter`].
const fn difference_bit(difference: Difference) -> u32 {
    match difference {
        Difference::AddressList { .. } => 20,
        Difference::Interval { .. } => 21,
        Difference::TwoOwners => 22,
        Difference::OwnAddress => 23,
        Difference::FirstAddress { .. } => FIRST_ADDRESS_BIT,
        Difference::EarlyChecksum => 32,
    }
}

fn check_destination(config: &InstanceConfig, datagram: &Datagram<'_>) -> Result<(), Reject> {
    let found = datagram.destination;
    match (&config.transport, found.is_multicast()) {
        (Transport::Unicast { .. }, true) => Err(Reject::MulticastOnUnicast { found }),
        (Transport::Multicast { .. }, false) => Err(Reject::UnicastOnMulticast { found }),
        _ => Ok(()),
    }
}

fn check_peer(config: &InstanceConfig, datagram: &Datagram<'_>) -> Result<(), Reject> {
    let Transport::Unicast { peers, check_source: true, .. } = &config.transport else { return Ok(()) };
    let Some(peer) = peers.iter().find(|peer| peer.address == datagram.source) else {
        return Err(Reject::UnknownPeer { found: datagram.source });
    };
    let (min, max) = (peer.min_ttl, peer.max_ttl);
    match datagram.hop_limit {
        Some(found) if found < min || found > max => Err(Reject::PeerHopLimit { min, max, found }),
        _ => Ok(()),
    }
}

/// The counter of a refusal, and its bit in `Instance::reported`.
fn reject_counter<'a>(counters: &'a mut Counters, reject: &Reject) -> (Option<&'a mut u64>, u32) {
    match reject {
        Reject::PacketLength { .. } => (Some(&mut counters.length_errors), 0),
        Reject::HopLimit { .. } => (Some(&mut counters.ttl_errors), 1),
        Reject::PeerHopLimit { .. } => (Some(&mut counters.ttl_errors), 2),
        Reject::Version { .. } => (Some(&mut counters.version_errors), 3),
        Reject::AuthType { .. } => (Some(&mut counters.auth_type_invalid), 4),
        Reject::AuthMismatch { .. } => (Some(&mut counters.auth_type_mismatches), 5),
        Reject::AuthFailure => (Some(&mut counters.auth_failures), 6),
        Reject::Interval { .. } => (Some(&mut counters.interval_errors), 7),
        Reject::IntervalZero => (Some(&mut counters.interval_errors), 8),
        Reject::Type { .. } => (Some(&mut counters.type_errors), 9),
        Reject::Checksum { .. } => (Some(&mut counters.checksum_errors), 10),
        Reject::MulticastOnUnicast { .. } => (Some(&mut counters.address_list_errors), 11),
        Reject::UnicastOnMulticast { .. } => (Some(&mut counters.address_list_errors), 12),
        Reject::UnknownPeer { .. } => (Some(&mut counters.unknown_peers), 13),
        Reject::AddressList { .. } => (Some(&mut counters.address_list_errors), 14),
        Reject::FirstAddress { .. } => (Some(&mut counters.address_list_errors), FIRST_ADDRESS_BIT),
        Reject::OwnerIgnores => (None, 15),
        Reject::HeaderDigest => (Some(&mut counters.auth_failures), 17),
        Reject::HeaderSender { .. } => (Some(&mut counters.auth_failures), 18),
        Reject::HeaderReplay { .. } => (Some(&mut counters.auth_failures), 19),
        Reject::TrailerUnexpected => (Some(&mut counters.length_errors), 24),
        Reject::TrailerMissing => (Some(&mut counters.trailer_missing), 25),
        Reject::TrailerMalformed { .. } => (Some(&mut counters.trailer_malformed), 26),
        Reject::TrailerKey { .. } => (Some(&mut counters.trailer_unknown_key), 27),
        Reject::TrailerDigest { .. } => (Some(&mut counters.trailer_invalid), 28),
        Reject::TrailerStale { .. } => (Some(&mut counters.trailer_stale), 29),
        Reject::TrailerReplay => (Some(&mut counters.trailer_replayed), 30),
        _ => (None, 16),
    }
}
