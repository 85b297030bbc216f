//! Files, processes and sessions that instances follow.

use std::sync::Arc;

use super::router::*;
use crate::config::Weight;
use crate::{
    Cause, Config, Input, InstanceConfig, Reading, State, TrackWatch, WatchConfig, WatchId, WatchKind,
};

const FILE: WatchId = WatchId(0);
const PROCESS: WatchId = WatchId(1);

fn watch(id: WatchId, kind: WatchKind, reading: Option<Reading>) -> Arc<WatchConfig> {
    Arc::new(WatchConfig { id, kind, name: Arc::from("w"), reading })
}

/// One instance that follows a file and a set of processes.
fn following(file: i16, process: i16, value: i32, good: bool) -> Config {
    let track = |watch, value| TrackWatch { watch, weight: Weight { value, reverse: false } };
    let tracked = vec![track(FILE, file), track(PROCESS, process)];
    Config {
        watches: vec![
            watch(FILE, WatchKind::File, Some(Reading::Value(value))),
            watch(PROCESS, WatchKind::Process, Some(Reading::Good(good))),
        ],
        ..config(vec![InstanceConfig { track_watches: tracked, ..instance(0) }])
    }
}

fn read(router: &mut Router, watch: WatchId, reading: Reading) {
    router.input(Input::Watched { watch, reading });
}

#[test]
fn what_was_read_before_the_start_counts_from_the_start() {
    let mut router = Router::start(following(2, -30, 10, false));
    assert_eq!((router.state(), router.priority()), (State::Backup, 90));
    read(&mut router, PROCESS, Reading::Good(true));
    assert_eq!(router.priority(), 120);
    read(&mut router, FILE, Reading::Value(-1_000));
    let cause = Cause::File { name: "w".into(), value: -1_000 };
    assert_eq!(router.transitions().last().unwrap(), &(State::Fault, vec![cause]));
    read(&mut router, FILE, Reading::Value(0));
    assert_eq!((router.state(), router.priority()), (State::Backup, 100));
}

#[test]
fn an_unweighted_set_of_processes_is_a_fault() {
    let mut router = Router::start(following(1, 0, 0, false));
    assert_eq!(router.state(), State::Fault);
    read(&mut router, PROCESS, Reading::Good(true));
    assert_eq!(router.state(), State::Backup);
    router.forget_output();
    read(&mut router, PROCESS, Reading::Good(true));
    assert_eq!(router.events(), []);
}

#[test]
fn what_nobody_has_read_keeps_the_instance_waiting() {
    let mut config = following(1, 0, 0, true);
    config.watches[1] = watch(PROCESS, WatchKind::Process, None);
    let mut router = Router::start(config);
    router.wait(ms(10_000));
    assert_eq!(router.state(), State::Init);
    read(&mut router, PROCESS, Reading::Good(true));
    assert_eq!(router.state(), State::Backup);
}

#[test]
fn a_reload_brings_its_readings_with_it() {
    let mut router = Router::start(following(1, 0, 10, true));
    assert_eq!(router.priority(), 110);
    router.reload(following(1, 0, 20, true));
    assert_eq!((router.state(), router.priority()), (State::Backup, 120));
    router.reload(following(3, 0, 20, true));
    assert_eq!(router.priority(), 160);
    router.reload(config(vec![instance(0)]));
    assert_eq!(router.priority(), 100);
    router.reload(following(1, 0, 0, false));
    assert_eq!(router.state(), State::Fault);
}
