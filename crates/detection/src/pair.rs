//! Two routers and the session between them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use steadfast_bfd::{
    Hops, InterfaceId as SessionInterface, Machine as Sessions, Microseconds, Path, SessionConfig, SessionId,
    Sink,
};
use steadfast_time::Moment;
use steadfast_vrrp::{FastDetection, InstanceId, InterfaceId};

use crate::is_made;

/// The silence of a master counts for nothing for so long when it is heard again after its death was announced, doubled with
/// each time.
pub const DOUBT: Duration = Duration::from_secs(10);
/// And at most for so long.
pub const DOUBT_MAX: Duration = Duration::from_secs(600);

/// This router and another one on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The link.
    pub interface: InterfaceId,
    /// Address of this router.
    pub own: IpAddr,
    /// Address of the other.
    pub peer: IpAddr,
}

/// The session of a pair and what depends on it.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) session: SessionId,
    settings: FastDetection,
    followers: BTreeSet<InstanceId>,
    doubt: Doubt,
}

/// Deaths that were none.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    /// When a death was announced last.
    died_at: Option<Moment>,
    /// How long its silence counts for nothing then.
    span: Duration,
    until: Moment,
}

impl Watched {
    pub(crate) fn new(session: SessionId, settings: FastDetection) -> Self {
        Self { session, settings, followers: BTreeSet::new(), doubt: Doubt::default() }
    }

    pub(crate) fn is_followed(&self) -> bool {
        !self.followers.is_empty()
    }

    /// The session as it shall be: who follows the other begins.
    pub(crate) fn config(&self, pair: &Pair) -> Arc<SessionConfig> {
        let interval = Microseconds::from_duration(self.settings.interval);
        Arc::new(SessionConfig {
            name: pair.peer.to_string().into(),
            path: Path {
                interface: Some(SessionInterface(pair.interface.0)),
                local: Some(pair.own),
                remote: pair.peer,
                hops: Hops::Single,
            },
            desired_min_tx: interval,
            required_min_rx: interval,
            multiplier: self.settings.multiplier,
            passive: !self.is_followed(),
            ..SessionConfig::plain(self.session, pair.peer)
        })
    }

    pub(crate) fn followed_by(
        &mut self,
        now: Moment,
        pair: &Pair,
        instance: InstanceId,
        sessions: &mut Sessions,
        sink: &mut impl Sink,
    ) {
        self.doubt.heard_again(now);
        let first = self.followers.is_empty();
        self.followers.insert(instance);
        if first {
            self.set(now, pair, sessions, sink);
        }
    }

    /// The session stays as long as the other router wants it.
    pub(crate) fn left_by(
        &mut self,
        now: Moment,
        pair: &Pair,
        instance: InstanceId,
        sessions: &mut Sessions,
        sink: &mut impl Sink,
    ) {
        if self.followers.remove(&instance) && self.followers.is_empty() {
            self.set(now, pair, sessions, sink);
        }
    }

    /// A reload may have changed how it runs.
    pub(crate) fn retune(
        &mut self,
        now: Moment,
        pair: &Pair,
        settings: Option<FastDetection>,
        sessions: &mut Sessions,
        sink: &mut impl Sink,
    ) {
        if let Some(settings) = settings.filter(|settings| *settings != self.settings) {
            self.settings = settings;
            self.set(now, pair, sessions, sink);
        }
    }

    /// Nothing is heard any more. Whose master is dead comes back, if that is to be believed.
    pub(crate) fn die(&mut self, now: Moment) -> Option<Vec<InstanceId>> {
        let believed = self.is_followed() && now >= self.doubt.until;
        believed.then(|| {
            self.doubt.died_at = Some(now);
            self.followers.iter().copied().collect()
        })
    }

    fn set(&self, now: Moment, pair: &Pair, sessions: &mut Sessions, sink: &mut impl Sink) {
        if is_made(self.session) {
            sessions.set(now, self.config(pair), sink);
        }
    }
}

impl Doubt {
    /// The other router is master again. Soon after its death that was a pause, or a firewall between the two that lets
    /// adverts pass.
    fn heard_again(&mut self, now: Moment) {
        let Some(died_at) = self.died_at.take() else { return };
        let again = self.span * 2;
        let soon = now.since(died_at) < DOUBT;
        self.span = if soon { again.clamp(DOUBT, DOUBT_MAX) } else { Duration::ZERO };
        self.until = if soon { now + self.span } else { Moment::ZERO };
    }
}
