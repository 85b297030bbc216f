//! Fast detection: a session of BFD watches over whoever virtual routers hear as master.
//!
//! ```text
//!   VRRP machine ── whom does an instance follow? ──▶ Detection ── sessions ──▶ BFD machine
//!        ▲                                                │                         │
//!        └────────── the master of these is dead ─────────┴── nothing heard ────────┘
//! ```
//!
//! There is one session for each pair of routers on a link, however many virtual routers they share. Who follows the other
//! as a backup opens it; a master waits to be asked, since backups do not speak and nobody knows them before. Where a
//! session is configured between the two already (`bfd_instance`), that one is taken.
//!
//! Only silence counts. A session that never comes up, that the peer ends on purpose, or whose packets arrive in one
//! direction only leaves the virtual routers to their adverts. A master that is heard again soon after its death was
//! announced was not dead: its silence counts for nothing for a while.
//!
//! Pure, like the two machines between which it stands: the caller has the time and the sockets.
#![forbid(unsafe_code)]

mod pair;
mod posts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use steadfast_bfd::{Cause, Datagram, Event, Hops, Machine as Sessions, Resume, SessionId, Sink, State};
use steadfast_time::Moment;
use steadfast_vrrp::{Input, InstanceId, InterfaceId, Machine as Routers, Told};
use steadfast_wire::bfd::{HOP_LIMIT, Received};

use self::pair::Watched;
pub use self::pair::{DOUBT, DOUBT_MAX, Pair};
use self::posts::Posts;
pub use self::posts::WATCHERS_MAX;

/// Numbers of sessions from here on are not of the configuration.
const FIRST_MADE: u32 = 1 << 31;

/// Whether a session was made here.
pub const fn is_made(session: SessionId) -> bool {
    session.0 >= FIRST_MADE
}

/// Which sessions there are, for whom.
#[derive(Debug, Default)]
pub struct Detection {
    posts: Posts,
    /// Whom each instance follows.
    following: BTreeMap<InstanceId, Pair>,
    pairs: BTreeMap<Pair, Watched>,
    /// Pairs of the sessions that were made here, in order of their numbers.
    made: Vec<Option<Pair>>,
    /// What a predecessor ran and nobody has asked for yet.
    left: Vec<Resume>,
}

impl Detection {
    /// Nothing is watched. `left` is what a dead predecessor left: its sessions go on when
    /// [`configure`](Self::configure) finds that they still have a meaning.
    pub fn new(left: Vec<Resume>) -> Self {
        Self { left, ..Self::default() }
    }

    /// Whether any instance asks for it.
    pub fn is_needed(&self) -> bool {
        !self.posts.is_empty()
    }

    /// Learns anew what the instances want: at the start, after a reload, and when addresses of interfaces have changed.
    pub fn configure(
        &mut self,
        now: Moment,
        routers: &Routers,
        sessions: &mut Sessions,
        sink: &mut impl Sink,
    ) {
        let instances: Vec<InstanceId> = routers.instances().collect();
        self.posts = Posts::of(instances.iter().filter_map(|id| routers.watch(*id)));
        self.drop_needless(now, sessions, sink);
        self.go_on(now, sessions);
        for (pair, watched) in &mut self.pairs {
            watched.retune(now, pair, self.posts.settings(pair), sessions, sink);
        }
        let known: Vec<InstanceId> = self.following.keys().copied().collect();
        self.follow(now, known.into_iter().chain(instances), routers, sessions, sink);
    }

    fn follow(
        &mut self,
        now: Moment,
        instances: impl IntoIterator<Item = InstanceId>,
        routers: &Routers,
        sessions: &mut Sessions,
        sink: &mut impl Sink,
    ) {
        for id in instances {
            let wanted = routers.watch(id).and_then(|watch| {
                Some(Pair { interface: watch.interface, own: watch.own, peer: watch.master? })
            });
            if self.following.get(&id).copied() == wanted {
                continue;
            }
            if let Some(pair) = self.following.remove(&id)
                && let Some(watched) = self.pairs.get_mut(&pair)
            {
                watched.left_by(now, &pair, id, sessions, sink);
            }
            if let Some(pair) = wanted {
                self.make_room(now, &pair, sessions, sink);
                self.begin(now, pair, false, sessions, sink);
                if let Some(watched) = self.pairs.get_mut(&pair) {
                    watched.followed_by(now, &pair, id, sessions, sink);
                    self.following.insert(id, pair);
                }
            }
        }
    }

    /// Carries news from one machine to the other: what sessions told, and which instances may follow another master.
    pub fn settle(
        &mut self,
        now: Moment,
        told: &[Event],
        followers: Vec<InstanceId>,
        routers: &mut impl Told,
        sessions: &mut Sessions,
        sink: &mut (impl Sink + steadfast_vrrp::Sink),
    ) {
        for dead in told.iter().filter_map(|event| self.lost(event)) {
            let Dead { instances, master, silent_us } = dead;
            routers.tell(now, Input::Dead { instances: &instances, master, silent_us }, sink);
        }
        if !followers.is_empty() {
            self.follow(now, followers, routers.machine(), sessions, sink);
        }
    }

    /// A datagram came in that may be the first of a router that wants to watch over this one: then there is a session for
    /// it when the machine hears it.
    pub fn knock(
        &mut self,
        now: Moment,
        datagram: &Datagram<'_>,
        sessions: &mut Sessions,
        sink: &mut impl Sink,
    ) {
        let Some(interface) = datagram.interface.filter(|_| datagram.hops == Hops::Single) else { return };
        let pair =
            Pair { interface: InterfaceId(interface.0), own: datagram.destination, peer: datagram.source };
        if self.pairs.contains_key(&pair) || !self.posts.admits(&pair) {
            return;
        }
        // From this link (RFC 5881 section 5), and to nobody in particular: whoever names a session has one.
        let on_link = datagram.hop_limit == Some(HOP_LIMIT);
        let asks = || Received::parse(datagram.message).is_ok_and(|packet| packet.control.yours.is_none());
        if on_link && asks() && self.make_room(now, &pair, sessions, sink) {
            self.begin(now, pair, true, sessions, sink);
        }
    }

    /// What a session told. `None` if it is not of this kind, or if its silence proves nothing.
    fn lost(&mut self, event: &Event) -> Option<Dead> {
        // Echo packets of a configured session find a loss before control packets do, which are slow then.
        let Event::Path { session, at, good: false, cause } = event else { return None };
        let (Cause::Silent { silent_us, .. } | Cause::Echo { silent_us, .. }) = cause else { return None };
        let (pair, watched) = self.pairs.iter_mut().find(|(_, watched)| watched.session == *session)?;
        let instances = watched.die(*at)?;
        Some(Dead { instances, master: pair.peer, silent_us: *silent_us })
    }

    /// Sessions that a status shows and that a successor needs: those that mean something to anybody.
    pub fn is_alive(&self, session: SessionId, sessions: &Sessions) -> bool {
        let pair = self.pair_of(session);
        let followed = pair.and_then(|pair| self.pairs.get(&pair)).is_some_and(Watched::is_followed);
        !is_made(session) || followed || sessions.state(session) == Some(State::Up)
    }

    /// Between whom a session is that was made here.
    pub fn pair_of(&self, session: SessionId) -> Option<Pair> {
        let slot = usize::try_from(session.0.checked_sub(FIRST_MADE)?).ok()?;
        self.made.get(slot).copied().flatten()
    }

    /// Ends what nobody wants any more, or what a configured session has taken the place of.
    fn drop_needless(&mut self, now: Moment, sessions: &mut Sessions, sink: &mut impl Sink) {
        let needless = |pair: &Pair, watched: &Watched| {
            let wanted =
                self.posts.settings(pair).is_some() && (watched.is_followed() || self.posts.admits(pair));
            !wanted
                || configured(pair.peer, sessions).unwrap_or(watched.session) != watched.session
                || sessions.state(watched.session).is_none()
        };
        let ended: Vec<Pair> = self
            .pairs
            .iter()
            .filter(|(pair, watched)| needless(pair, watched))
            .map(|(pair, _)| *pair)
            .collect();
        for pair in ended {
            self.end(now, &pair, sessions, sink);
        }
    }

    fn end(&mut self, now: Moment, pair: &Pair, sessions: &mut Sessions, sink: &mut impl Sink) {
        let Some(watched) = self.pairs.remove(pair) else { return };
        self.following.retain(|_, followed| followed != pair);
        if is_made(watched.session) {
            sessions.end(now, watched.session, sink);
            if let Some(slot) = self.made.iter_mut().find(|slot| **slot == Some(*pair)) {
                *slot = None;
            }
        }
    }

    /// Goes on with the sessions that a predecessor ran. What they are good for is found out like that of others.
    fn go_on(&mut self, now: Moment, sessions: &mut Sessions) {
        for resume in std::mem::take(&mut self.left) {
            let (Some(interface), Some(own)) = (resume.path.interface, resume.path.local) else { continue };
            let pair = Pair { interface: InterfaceId(interface.0), own, peer: resume.path.remote };
            let Some(settings) = self.posts.settings(&pair) else { continue };
            if self.pairs.contains_key(&pair) || configured(pair.peer, sessions).is_some() {
                continue;
            }
            let session = resume.session;
            if !self.keep_number(session, pair) {
                continue;
            }
            let watched = Watched::new(session, settings);
            sessions.take_over(now, watched.config(&pair), resume);
            self.pairs.insert(pair, watched);
        }
    }

    /// Sees to it that there is a session between the two.
    fn begin(
        &mut self,
        now: Moment,
        pair: Pair,
        passive: bool,
        sessions: &mut Sessions,
        sink: &mut impl Sink,
    ) {
        let Some(settings) = self.posts.settings(&pair).filter(|_| !self.pairs.contains_key(&pair)) else {
            return;
        };
        let watched = match configured(pair.peer, sessions) {
            // Its own packets are its own: nothing was asked of this module.
            Some(_) if passive => return,
            Some(session) => Watched::new(session, settings),
            None => {
                let Some(session) = self.number(pair) else { return };
                let watched = Watched::new(session, settings);
                sessions.set(now, watched.config(&pair), sink);
                watched
            }
        };
        self.pairs.insert(pair, watched);
    }

    /// The lowest free number.
    fn number(&mut self, pair: Pair) -> Option<SessionId> {
        let slot = self.made.iter().position(Option::is_none).unwrap_or(self.made.len());
        let session = SessionId(u32::try_from(slot).ok()?.checked_add(FIRST_MADE)?);
        self.keep_number(session, pair).then_some(session)
    }

    /// Whether that number was free.
    fn keep_number(&mut self, session: SessionId, pair: Pair) -> bool {
        let slot = session.0.checked_sub(FIRST_MADE).and_then(|slot| usize::try_from(slot).ok());
        // A predecessor had few; what names more is damaged.
        let Some(slot) = slot.filter(|slot| *slot <= self.made.len() + WATCHERS_MAX) else { return false };
        if self.made.len() <= slot {
            self.made.resize(slot + 1, None);
        }
        match self.made.get_mut(slot) {
            Some(free @ None) => free.replace(pair).is_none(),
            _ => false,
        }
    }

    /// Whether one more router may watch over this one at that address.
    fn make_room(&mut self, now: Moment, pair: &Pair, sessions: &mut Sessions, sink: &mut impl Sink) -> bool {
        let here = |other: &Pair| (other.interface, other.own) == (pair.interface, pair.own);
        let watchers = self.pairs.iter().filter(|(other, watched)| here(other) && !watched.is_followed());
        let watchers: Vec<(Pair, SessionId)> =
            watchers.map(|(other, watched)| (*other, watched.session)).collect();
        if watchers.len() < WATCHERS_MAX {
            return true;
        }
        let idle = watchers.iter().find(|(_, session)| sessions.state(*session) != Some(State::Up));
        idle.map(|(idle, _)| self.end(now, idle, sessions, sink)).is_some()
    }
}

/// A session of the configuration with this router.
fn configured(peer: IpAddr, sessions: &Sessions) -> Option<SessionId> {
    sessions.with_remote(peer).find(|session| !is_made(*session))
}

/// A master that is dead.
struct Dead {
    /// Who follows it.
    instances: Vec<InstanceId>,
    master: IpAddr,
    silent_us: u64,
}
