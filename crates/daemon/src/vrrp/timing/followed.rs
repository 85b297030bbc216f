//! Which sessions of BFD the virtual routers follow, and what these mean to them.

use std::collections::BTreeMap;

use steadfast_bfd::{Machine, SessionId};
use steadfast_vrrp::{Reading, WatchConfig, WatchId, WatchKind};

use crate::link::vrrp::work::Work;

/// Sessions by what the virtual routers know them as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Followed(BTreeMap<SessionId, WatchId>);

impl Followed {
    /// As `work` has it: both sides know a session by its name.
    pub(crate) fn of(work: &Work) -> Self {
        let sessions = work.machine.watches.iter().filter(|watch| watch.kind == WatchKind::Session);
        let watches: BTreeMap<&str, WatchId> = sessions.map(|watch| (&*watch.name, watch.id)).collect();
        let sessions = work.sessions.sessions.iter();
        Self(sessions.filter_map(|session| Some((session.id, *watches.get(&*session.name)?))).collect())
    }

    /// What a session is to those who follow it, if anybody does.
    pub(super) fn watch(&self, session: SessionId) -> Option<WatchId> {
        self.0.get(&session).copied()
    }

    /// How everything is that is followed. What was never up is down.
    pub(super) fn readings<'a>(
        &'a self,
        sessions: &'a Machine,
    ) -> impl Iterator<Item = (WatchId, Reading)> + 'a {
        let reading = |session| Reading::Good(sessions.is_good(session).unwrap_or(false));
        self.0.iter().map(move |(&session, &watch)| (watch, reading(session)))
    }

    /// Puts into `watches` how the sessions are, for virtual routers that begin.
    pub(crate) fn fill(&self, watches: &mut [std::sync::Arc<WatchConfig>], sessions: &Machine) {
        let readings: BTreeMap<WatchId, Reading> = self.readings(sessions).collect();
        for watch in watches {
            if let Some(reading) = readings.get(&watch.id)
                && watch.reading != Some(*reading)
            {
                std::sync::Arc::make_mut(watch).reading = Some(*reading);
            }
        }
    }
}
