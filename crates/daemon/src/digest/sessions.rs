//! BFD sessions.

use std::num::NonZeroU8;
use std::sync::Arc;

use steadfast_bfd::{Config, Hops, Key, Microseconds, Path, SessionConfig, SessionId};
use steadfast_config::model::{BfdAuthentication, BfdInstance, Model};
use steadfast_config::value::Interval;
use steadfast_wire::bfd::HOP_LIMIT;

use super::authentication::secret;
use super::numbers::Numbers;
use crate::link::vrrp::work::Work;

/// All of them; a session keeps its number by its name.
pub(super) fn sessions(model: &Model, previous: &Work) -> Config {
    let mut numbers = Numbers::default();
    for session in &previous.sessions.sessions {
        numbers.keep(Arc::clone(&session.name), session.id.0);
    }
    let mut sessions: Vec<_> = model
        .bfd_instances
        .iter()
        .map(|instance| Arc::new(session(SessionId(numbers.of(&instance.name)), instance)))
        .collect();
    sessions.sort_by_key(|session| session.id);
    Config { sessions }
}

fn session(id: SessionId, instance: &BfdInstance) -> SessionConfig {
    let micros = |interval: Interval| Microseconds::from_duration(interval.duration());
    let hops = if instance.multihop { Hops::Multi } else { Hops::Single };
    // Packets leave with 255 (RFC 5881 section 5); `ttl` says how many of that a peer's packets may have lost.
    let min_hop_limit = u8::try_from(instance.max_hops).map_or(0, |hops| instance.ttl.saturating_sub(hops));
    let key = instance.authentication.as_ref().map(key).transpose();
    SessionConfig {
        id,
        name: Arc::clone(&instance.name),
        path: Path { interface: None, local: instance.source, remote: instance.neighbor, hops },
        desired_min_tx: micros(instance.min_tx),
        required_min_rx: micros(instance.min_rx),
        idle_tx: micros(instance.idle_tx),
        echo_tx: instance.echo_tx.map(micros).unwrap_or_default(),
        echo_rx: instance.echo_rx.map(micros).unwrap_or_default(),
        multiplier: NonZeroU8::new(instance.multiplier).unwrap_or(NonZeroU8::MIN),
        passive: instance.passive,
        hop_limit: HOP_LIMIT,
        min_hop_limit,
        broken: key.as_ref().err().map(|error| format!("authentication: {error}").into()),
        key: key.unwrap_or_default(),
    }
}

/// The secret itself, also from a file.
fn key(authentication: &BfdAuthentication) -> Result<Key, String> {
    let BfdAuthentication { method, id, value } = authentication;
    Key::new(method.algorithm(), *id, secret(*id, value)?).map_err(|error| format!("key {id}: {error}"))
}
