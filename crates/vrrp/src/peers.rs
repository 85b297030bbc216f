//! Who was heard for a virtual router, whether or not its adverts were taken.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_time::Moment;
use steadfast_wire::vrrp::{
    Advert, AdvertInterval, Authentication, Form, Priority, Reject, TRAILER_LENGTH, Version,
};

use crate::event::State;
use crate::status::InstanceStatus;

/// Routers that an instance remembers. Sender addresses can be forged, so the table has an end: a
/// newcomer then takes the place of who has been silent longest, of those never taken first.
pub const PEERS_MAX: usize = 16;

/// A router stays one that claims the addresses until it has been silent for this many intervals,
/// the longer of its own and ours: what a backup waits at most.
const CLAIM_INTERVALS: u32 = 4;

/// A master that has heard nobody for so long since it took over asks whether anybody can be heard.
pub(crate) const LONELY_AFTER: Duration = Duration::from_secs(60);

/// Adverts of another router after a shorter silence belong to what was told of it already: a sender
/// that comes and goes makes one event with a count, not many.
const CLAIM_FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// A router that was heard for the virtual router of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Source address of its adverts.
    pub address: IpAddr,
    /// When its first advert came, taken or not.
    pub first_heard: Moment,
    /// When its last advert came, taken or not.
    pub last_heard: Moment,
    /// What its last advert that could be read said.
    pub said: Option<Said>,
    /// Adverts that were taken.
    pub accepted: u64,
    /// When the last of them came.
    pub last_accepted: Option<Moment>,
    /// What was dropped since the last one that was taken.
    pub refused: Option<Drops>,
    /// Everything that was dropped, by reason.
    pub drops: Vec<Drops>,
    /// Adverts heard from it, taken or not, while this router is master.
    pub claims: Claims,
}

/// What an advert says of its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Protocol version.
    pub version: Version,
    /// Priority; 0 when it gives up.
    pub priority: Priority,
    /// Time between two adverts.
    pub interval: AdvertInterval,
    /// How it proves itself.
    pub authentication: AuthenticationKind,
    /// Number of virtual addresses.
    pub addresses: usize,
    /// They are ours.
    pub addresses_match: bool,
}

/// How a sender proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationKind {
    /// Not at all.
    None,
    /// With a password of version 2 in plain text.
    Password,
    /// With an authentication header.
    Header,
    /// With a trailer.
    Trailer,
}

/// Adverts of one router that were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drops {
    /// Why the last of them was.
    pub reason: Reject,
    /// How many.
    pub count: u64,
    /// When the first came.
    pub first: Moment,
    /// When the last came.
    pub last: Moment,
}

impl Drops {
    const fn one(now: Moment, reason: Reject) -> Self {
        Self { reason, count: 1, first: now, last: now }
    }

    const fn add(&mut self, now: Moment, reason: Reject) {
        self.reason = reason;
        self.count += 1;
        self.last = now;
    }
}

/// Adverts of another router while this one is master.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// How many.
    pub count: u64,
    /// When the first came.
    pub since: Moment,
    /// An event has told of a second master.
    pub told: bool,
}

/// Something between the routers that an operator has to mend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// Another router claims the addresses too: two masters.
    TwoMasters {
        /// Who.
        other: IpAddr,
        /// Its priority, if its adverts can be read.
        priority: Option<Priority>,
        /// Why its adverts are dropped, if they are.
        dropped: Option<Reject>,
        /// Its adverts since then.
        adverts: u64,
        /// When the first of them came.
        since: Moment,
        /// When the last came.
        last: Moment,
    },
    /// The adverts of another router of this virtual router are dropped.
    Dropping {
        /// Whose.
        peer: IpAddr,
        /// Its priority, if its adverts can be read.
        priority: Option<Priority>,
        /// Why the last one was.
        reason: Reject,
        /// How many since the last one that was taken.
        adverts: u64,
        /// When the first of them came.
        since: Moment,
        /// When the last came.
        last: Moment,
    },
}

impl InstanceStatus {
    /// What an operator has to mend between the routers, as seen from here at `now`: what the event
    /// of a second master tells is in it as long as it lasts.
    pub fn problems(&self, now: Moment) -> Vec<Problem> {
        let interval = self.interval.duration();
        let is_rival = |peer: &Peer| self.state == State::Master && peer.is_rival(now, self.since, interval);
        let two_masters = self.peers.iter().filter(|peer| is_rival(peer)).map(|peer| Problem::TwoMasters {
            other: peer.address,
            priority: peer.priority(),
            dropped: peer.dropped(),
            adverts: peer.claims.count,
            since: peer.claims.since,
            last: peer.last_heard,
        });
        let dropping = self.peers.iter().filter(|peer| !is_rival(peer) && peer.is_alive(now, interval));
        let dropping = dropping.filter_map(|peer| {
            let refused = peer.refused?;
            Some(Problem::Dropping {
                peer: peer.address,
                priority: peer.priority(),
                reason: refused.reason,
                adverts: refused.count,
                since: refused.first,
                last: refused.last,
            })
        });
        two_masters.chain(dropping).collect()
    }
}

impl Said {
    pub(crate) fn of(advert: &Advert<'_>, addresses: &[IpAddr]) -> Self {
        let authentication = match advert.form {
            _ if advert.trailing.len() == TRAILER_LENGTH => AuthenticationKind::Trailer,
            Form::V2 { authentication: Authentication::Password(_), .. } => AuthenticationKind::Password,
            Form::V2 { authentication: Authentication::Header, .. } => AuthenticationKind::Header,
            Form::V2 { authentication: Authentication::None, .. } | Form::V3 { .. } => {
                AuthenticationKind::None
            }
        };
        Self {
            version: advert.version(),
            priority: advert.priority,
            interval: advert.interval(),
            authentication,
            addresses: advert.addresses.len(),
            addresses_match: advert.addresses.matches(addresses),
        }
    }
}

impl Peer {
    fn new(now: Moment, address: IpAddr) -> Self {
        Self {
            address,
            first_heard: now,
            last_heard: now,
            said: None,
            accepted: 0,
            last_accepted: None,
            refused: None,
            drops: Vec::new(),
            claims: Claims::default(),
        }
    }

    /// It spoke lately, and not to give up.
    fn is_alive(&self, now: Moment, interval: Duration) -> bool {
        let theirs = self.said.map(|said| said.interval.duration()).unwrap_or_default();
        let released = self.said.is_some_and(|said| said.priority == Priority::RELEASE);
        !released && now.since(self.last_heard) <= interval.max(theirs) * CLAIM_INTERVALS
    }

    pub(crate) fn priority(&self) -> Option<Priority> {
        self.said.map(|said| said.priority)
    }

    /// Why its adverts are dropped; `None` if the last one was taken.
    pub(crate) fn dropped(&self) -> Option<Reject> {
        self.refused.map(|refused| refused.reason)
    }

    /// How long its silence has to last until it counts as gone.
    fn forgotten_after(&self, interval: Duration) -> Duration {
        let theirs = self.said.map(|said| said.interval.duration()).unwrap_or_default();
        CLAIM_FORGOTTEN_AFTER.max(interval.max(theirs) * CLAIM_INTERVALS)
    }

    /// It goes on claiming the addresses although it must have heard us: what was on its way when
    /// we became master has long arrived.
    fn is_rival(&self, now: Moment, master_since: Moment, interval: Duration) -> bool {
        self.claims.count > 1 && self.is_alive(now, interval) && self.last_heard > master_since + interval
    }

    /// Its last advert came while this router is master.
    pub(crate) fn claim(&mut self, now: Moment) {
        if self.priority() == Some(Priority::RELEASE) {
            return;
        }
        if self.claims.count == 0 {
            self.claims.since = now;
        }
        self.claims.count += 1;
    }

    /// True once for each episode in which it is a second master.
    pub(crate) fn tell_rival(&mut self, now: Moment, master_since: Moment, interval: Duration) -> bool {
        let first = !self.claims.told && self.is_rival(now, master_since, interval);
        self.claims.told |= first;
        first
    }

    /// What it claimed, once it has been silent for long; it is counted anew then.
    pub(crate) fn take_ended_claims(&mut self, now: Moment, interval: Duration) -> Option<Claims> {
        let ended = self.claims.count > 0 && now.since(self.last_heard) > self.forgotten_after(interval);
        ended.then(|| std::mem::take(&mut self.claims)).filter(|claims| claims.told)
    }
}

/// The routers heard, in the order in which they were met.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Peers(Vec<Peer>);

impl Peers {
    /// Those that a predecessor met.
    pub(crate) fn resumed(mut peers: Vec<Peer>) -> Self {
        peers.truncate(PEERS_MAX);
        Self(peers)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.0.iter_mut()
    }

    pub(crate) fn get_mut(&mut self, address: IpAddr) -> Option<&mut Peer> {
        self.0.iter_mut().find(|peer| peer.address == address)
    }

    /// When an advert of any of them was taken last.
    pub(crate) fn last_accepted(&self) -> Option<Moment> {
        self.0.iter().filter_map(|peer| peer.last_accepted).max()
    }

    /// When any of those was heard last whose adverts were dropped, and who claim nothing any more.
    pub(crate) fn last_silenced(&self, now: Moment, interval: Duration) -> Option<Moment> {
        let silenced = self.0.iter().filter(|peer| peer.refused.is_some() && !peer.is_alive(now, interval));
        silenced.map(|peer| peer.last_heard).max()
    }

    /// Adverts of `address` while this router is master.
    pub(crate) fn claims_of(&self, address: IpAddr) -> u64 {
        self.0.iter().find(|peer| peer.address == address).map_or(0, |peer| peer.claims.count)
    }

    /// An advert was taken.
    pub(crate) fn accepted(&mut self, now: Moment, address: IpAddr, said: Said) {
        let peer = self.heard(now, address);
        peer.said = Some(said);
        peer.accepted += 1;
        peer.last_accepted = Some(now);
        peer.refused = None;
    }

    /// An advert was taken that says what its sender said before.
    pub(crate) fn heard_again(&mut self, now: Moment, address: IpAddr) {
        if let Some(peer) = self.get_mut(address) {
            peer.last_heard = now;
            peer.accepted += 1;
            peer.last_accepted = Some(now);
        }
    }

    /// An advert was dropped.
    pub(crate) fn refused(&mut self, now: Moment, address: IpAddr, said: Option<Said>, reason: Reject) {
        let peer = self.heard(now, address);
        peer.said = said.or(peer.said);
        match &mut peer.refused {
            Some(refused) => refused.add(now, reason),
            None => peer.refused = Some(Drops::one(now, reason)),
        }
        let kind = std::mem::discriminant(&reason);
        // One entry for each kind of reason: there are few, and a router has one or two.
        match peer.drops.iter_mut().find(|drops| std::mem::discriminant(&drops.reason) == kind) {
            Some(drops) => drops.add(now, reason),
            None => peer.drops.push(Drops::one(now, reason)),
        }
    }

    /// Who was dropped in the last `span`, and nothing of it taken meanwhile.
    pub(crate) fn dropped_within(&self, now: Moment, span: Duration) -> impl Iterator<Item = (&Peer, Drops)> {
        self.0
            .iter()
            .filter_map(|peer| Some((peer, peer.refused?)))
            .filter(move |(_, refused)| now.since(refused.last) <= span)
    }

    fn heard(&mut self, now: Moment, address: IpAddr) -> &mut Peer {
        let place = match self.0.iter().position(|peer| peer.address == address) {
            Some(place) => place,
            None => self.place_for(Peer::new(now, address)),
        };
        #[allow(clippy::indexing_slicing, reason = "a place that was just found or made")]
        let peer = &mut self.0[place];
        peer.last_heard = now;
        peer
    }

    fn place_for(&mut self, newcomer: Peer) -> usize {
        if self.0.len() < PEERS_MAX {
            // Nearly every instance has one peer, and a vector would make room for four.
            self.0.reserve_exact(1);
            self.0.push(newcomer);
            return self.0.len() - 1;
        }
        let oldest = self.0.iter().enumerate().min_by_key(|(_, peer)| (peer.accepted > 0, peer.last_heard));
        let place = oldest.map_or(0, |(place, _)| place);
        if let Some(peer) = self.0.get_mut(place) {
            *peer = newcomer;
        }
        place
    }
}
