//! Sync groups move together.

use std::net::IpAddr;

use steadfast_control::event::Happening;
use steadfast_lab::{Segment, Signal};
use steadfast_vrrp::State;

use crate::stage::{Stage, VIRTUAL, Virtual, configuration, send, soon, text_of, write_script};

const OTHER: &str = "10.0.8.8/32";

#[test]
fn a_sync_group_moves_together_and_comes_back_together() {
    let Some(stage) = Stage::set("a_sync_group_moves_together_and_comes_back_together") else { return };
    let outside = Segment::new().unwrap();
    let routers = [("r1", 200, 1), ("r2", 100, 2)].map(|(name, priority, number)| {
        let host = stage.host(name);
        write_script(&host, "/run/notify", "echo \"$*\" >> /run/notified");
        outside.plug(&host, "eth1").unwrap();
        host.assign("eth1", IpAddr::from([10, 8, 0, number]), 24).unwrap();
        let inner = Virtual { priority, ..Virtual::default() };
        let outer =
            Virtual { name: "V2", vrid: 52, interface: "eth1", addresses: vec![OTHER], ..inner.clone() };
        let group = "vrrp_sync_group G {\n group {\n V1\n V2\n }\n notify /run/notify\n}\n";
        stage.start(&host, &configuration(&[&inner, &outer, &group]))
    });
    let [first, second] = &routers;
    let other = OTHER.strip_suffix("/32").unwrap().parse().unwrap();
    for name in ["V1", "V2"] {
        first.reaches(name, State::Master);
        second.reaches(name, State::Backup);
    }
    soon("both addresses are there", || first.owns(VIRTUAL) && first.owns(other));
    soon("the group is told", || text_of(first.host(), "/run/notified").contains("GROUP G MASTER 0"));

    first.host().set_down("eth1").unwrap();
    for name in ["V1", "V2"] {
        first.reaches(name, State::Fault);
        second.reaches(name, State::Master);
    }
    soon("both addresses move", || {
        second.owns(VIRTUAL) && second.owns(other) && !first.owns(VIRTUAL) && !first.owns(other)
    });
    soon("the group is told", || text_of(first.host(), "/run/notified").contains("GROUP G FAULT 0"));
    let status = first.status().unwrap();
    assert_eq!(status.groups[0].state, State::Fault);
    assert_eq!(status.groups[0].members.len(), 2);
    let synced = |happening: &Happening| matches!(happening, Happening::GroupState { to: State::Fault, .. });
    first.tells(synced);
    let why = first.instance("V1").unwrap().why;
    assert!(why.contains("eth1") || why.contains("V2"), "V1 does not tell why: {why}");

    first.host().set_up("eth1").unwrap();
    for name in ["V1", "V2"] {
        first.reaches(name, State::Master);
        second.reaches(name, State::Backup);
    }
    soon("both addresses come back", || {
        first.owns(VIRTUAL) && first.owns(other) && !second.owns(VIRTUAL) && !second.owns(other)
    });
    let told = || text_of(first.host(), "/run/notified").matches("GROUP G").count();
    soon("the group's return is told", || {
        text_of(first.host(), "/run/notified").matches("GROUP G MASTER 0").count() == 2
    });

    // A successor goes on with the whole group, and tells nothing twice.
    let before = told();
    send(first.worker(), Signal::KILL);
    soon("a successor is counted", || {
        first
            .status()
            .and_then(|status| status.worker)
            .is_some_and(|worker| worker.restarts == 1 && worker.responsive)
    });
    let status = first.status().unwrap();
    assert_eq!(status.groups[0].state, State::Master);
    assert!(
        status.instances.iter().all(|instance| instance.state == State::Master),
        "{:#?}",
        status.instances
    );
    assert!(first.owns(VIRTUAL) && first.owns(other));
    assert_eq!(second.counter("V2", "became_master"), Some(1));
    assert_eq!(told(), before);
}
