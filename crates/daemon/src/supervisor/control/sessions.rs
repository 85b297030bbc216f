//! BFD sessions as `status` shows them.

use std::collections::BTreeMap;
use std::num::NonZeroU8;
use std::sync::Arc;

use steadfast_bfd::{Algorithm, Hops, Key, SessionConfig, SessionId, SessionStatus};
use steadfast_control::status as report;
use steadfast_detection::is_made;
use steadfast_vrrp::{InterfaceId, Moment};

use crate::supervisor::workers::known::watching_session;
use crate::supervisor::{Supervisor, journal};

impl Supervisor {
    /// All sessions; what the worker did not answer for is as it was told last.
    pub(super) fn sessions(&self, now: Moment, answered: &[SessionStatus]) -> Vec<report::Session> {
        let by_id: BTreeMap<SessionId, &SessionStatus> =
            answered.iter().map(|status| (status.session, status)).collect();
        let configured = &self.routers.work.sessions.sessions;
        let mut sessions: Vec<report::Session> = Vec::new();
        for config in configured {
            sessions.push(match by_id.get(&config.id) {
                Some(status) => session(now, status),
                None => self.session_without_worker(now, config),
            });
        }
        let made = answered.iter().filter(|status| is_made(status.session));
        sessions.extend(made.map(|status| {
            let at = status.path.interface.map(|interface| InterfaceId(interface.0));
            let place = at.map_or("?", |interface| self.routers.work.interface_name(interface));
            report::Session { name: watching_session(place), ..session(now, status) }
        }));
        sessions
    }

    fn session_without_worker(&self, now: Moment, config: &SessionConfig) -> report::Session {
        let last = self.routers.known.last_session(config.id);
        report::Session {
            name: Arc::clone(&config.name),
            peer: config.path.remote,
            local: config.path.local,
            multihop: config.path.hops == Hops::Multi,
            state: last.map_or("unknown", |last| last.state.name()).to_owned(),
            since: last.map(|last| journal::ago(now.since(last.since))),
            milliseconds_in_state: last.map(|last| milliseconds(now, last.since)),
            good: last.and_then(|last| last.good),
            diagnostic: last.map(|last| last.diagnostic.to_string()).unwrap_or_default(),
            remote_state: None,
            remote_diagnostic: None,
            local_discriminator: last.map(|last| last.local_discriminator.get()),
            remote_discriminator: None,
            transmit_microseconds: None,
            receive_microseconds: None,
            detection_microseconds: None,
            echo: None,
            obstacle: None,
            authentication: authentication(config.key.as_ref().map(Key::algorithm)),
            dropped: None,
            remote_multiplier: None,
            counters: BTreeMap::new(),
        }
    }
}

fn session(now: Moment, status: &SessionStatus) -> report::Session {
    let heard = status.remote_discriminator.is_some();
    report::Session {
        name: Arc::clone(&status.name),
        peer: status.path.remote,
        local: status.path.local,
        multihop: status.path.hops == Hops::Multi,
        state: status.state.name().to_owned(),
        since: Some(journal::ago(now.since(status.since))),
        milliseconds_in_state: Some(milliseconds(now, status.since)),
        good: status.good,
        diagnostic: status.diagnostic.to_string(),
        remote_state: heard.then(|| status.remote_state.name().to_owned()),
        remote_diagnostic: heard.then(|| status.remote_diagnostic.to_string()),
        local_discriminator: Some(status.local_discriminator.get()),
        remote_discriminator: status.remote_discriminator.map(|number| number.get()),
        transmit_microseconds: status.transmit.map(|interval| interval.get().into()),
        receive_microseconds: Some(status.receive.get().into()),
        detection_microseconds: status.detection_us,
        echo: status.echo.map(|echo| report::SessionEcho {
            returned: echo.returned,
            interval_microseconds: echo.interval.get().into(),
            detection_microseconds: echo.detection_us,
            returned_milliseconds_ago: echo.returned_at.map(|at| milliseconds(now, at)),
        }),
        obstacle: status.obstacle.as_deref().map(str::to_owned),
        authentication: authentication(status.authentication),
        dropped: status.dropped.map(|reason| reason.to_string()),
        remote_multiplier: status.remote_multiplier.map(NonZeroU8::get),
        counters: counters(status),
    }
}

fn authentication(algorithm: Option<Algorithm>) -> String {
    algorithm.map_or("none", Algorithm::name).to_owned()
}

fn counters(status: &SessionStatus) -> BTreeMap<String, u64> {
    let counters = &status.counters;
    let kept = [
        ("sent", counters.sent),
        ("received", counters.received),
        ("echoes_sent", counters.echoes_sent),
        ("echoes_returned", counters.echoes_returned),
        ("came_up", counters.came_up),
        ("went_down", counters.went_down),
    ];
    let kept = kept.into_iter().map(|(name, count)| (name.to_owned(), count));
    kept.chain(counters.dropped().map(|(of, count)| (format!("dropped_{}", of.name()), count))).collect()
}

fn milliseconds(now: Moment, since: Moment) -> u64 {
    u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX)
}
