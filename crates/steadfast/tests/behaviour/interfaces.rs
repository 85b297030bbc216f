//! Interfaces that fail, vanish, come back and change.

use std::net::IpAddr;

use steadfast_control::event::{Happening, Network, Trouble};
use steadfast_lab::segment::{address_v4, address_v6};
use steadfast_lab::{Segment, Signal};
use steadfast_vrrp::State;

use crate::stage::{Stage, VIRTUAL, Virtual, configuration, send, simple, soon, with_globals};

#[test]
fn a_tracked_interface_takes_from_the_priority_or_faults() {
    let Some(stage) = Stage::set("a_tracked_interface_takes_from_the_priority_or_faults") else { return };
    let host = stage.host("r1");
    let outside = Segment::new().unwrap();
    outside.plug(&host, "eth1").unwrap();
    let weighted = Virtual::with_priority(150).more("track_interface {\neth1 weight -100\n}");
    let faulting =
        Virtual { name: "V2", vrid: 52, addresses: vec!["10.0.8.8/32"], ..Virtual::with_priority(150) }
            .more("track_interface {\neth1\n}");
    let first = stage.start(&host, &configuration(&[&weighted, &faulting]));
    let peer = Virtual { name: "V2", vrid: 52, addresses: vec!["10.0.8.8/32"], ..Virtual::default() };
    let second = stage.router("r2", &configuration(&[&Virtual::default(), &peer]));
    let moved = "10.0.8.8".parse().unwrap();
    for name in ["V1", "V2"] {
        first.reaches(name, State::Master);
        second.reaches(name, State::Backup);
    }
    host.set_down("eth1").unwrap();
    first.reaches("V1", State::Backup);
    first.reaches("V2", State::Fault);
    soon("the peer has both", || second.owns(VIRTUAL) && second.owns(moved));
    let status = first.instance("V1").unwrap();
    assert_eq!((status.base_priority, status.effective_priority), (150, 50));
    let tracker = status.trackers.iter().find(|tracker| &*tracker.name == "eth1").unwrap();
    assert_eq!((tracker.share, tracker.good, tracker.fault), (-100, Some(false), false));
    assert!(status.why.contains("eth1"), "{}", status.why);
    let changed =
        |happening: &Happening| matches!(happening, Happening::PriorityChanged { from: 150, to: 50, .. });
    first.tells(changed);
    host.set_up("eth1").unwrap();
    for name in ["V1", "V2"] {
        first.reaches(name, State::Master);
        second.reaches(name, State::Backup);
    }
}

#[test]
fn an_interface_that_goes_down_vanishes_or_is_renamed_is_waited_for() {
    let Some(stage) = Stage::set("an_interface_that_goes_down_vanishes_or_is_renamed_is_waited_for") else {
        return;
    };
    let first = stage.router("r1", &simple(200));
    let second = stage.router("r2", &simple(100));
    let host = first.host();
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    let faults = |what: &str| {
        first.reaches("V1", State::Fault);
        soon(&format!("r2 takes over after {what}"), || second.owns(VIRTUAL));
        soon(&format!("the address goes after {what}"), || !first.owns(VIRTUAL));
        let why = first.instance("V1").unwrap().why;
        assert!(why.contains("eth0") || why.contains("source"), "{what}: {why}");
    };
    let returns = |what: &str| {
        first.reaches("V1", State::Master);
        second.reaches("V1", State::Backup);
        soon(&format!("the address moves after {what}"), || first.owns(VIRTUAL) && !second.owns(VIRTUAL));
    };

    host.set_down("eth0").unwrap();
    faults("going down");
    host.set_up("eth0").unwrap();
    returns("going up");

    // The switch loses its port: no carrier.
    stage.segment.cut(host).unwrap();
    faults("unplugging");
    stage.segment.restore(host).unwrap();
    returns("plugging in");

    // Without an address of its own there is nothing to send from.
    host.withdraw("eth0", address_v4(1).into(), 16).unwrap();
    faults("losing its address");
    host.assign("eth0", address_v4(1).into(), 16).unwrap();
    returns("getting its address back");

    host.wiring().set_down("eth0").unwrap();
    host.wiring().rename("eth0", "other").unwrap();
    host.wiring().set_up("other").unwrap();
    faults("renaming");
    host.wiring().set_down("other").unwrap();
    host.wiring().rename("other", "eth0").unwrap();
    host.wiring().set_up("eth0").unwrap();
    returns("renaming back");

    host.wiring().delete("eth0").unwrap();
    faults("deletion");
    stage.segment.plug(host, "eth0").unwrap();
    host.assign("eth0", address_v4(1).into(), 16).unwrap();
    returns("being made again");
    let missing = |happening: &Happening| matches!(happening, Happening::Network(Network::InterfaceMissing { interface }) if &**interface == "eth0");
    first.tells(missing);
}

#[test]
fn an_interface_that_is_missing_at_start_is_waited_for() {
    let Some(stage) = Stage::set("an_interface_that_is_missing_at_start_is_waited_for") else { return };
    let host = stage.host("r1");
    let late = Virtual {
        name: "V2",
        vrid: 52,
        interface: "late0",
        addresses: vec!["10.0.8.8/32"],
        ..Virtual::default()
    };
    let router = stage
        .start(&host, &with_globals("vrrp_version 3\ndynamic_interfaces", &[&Virtual::default(), &late]));
    router.reaches("V2", State::Fault);
    router.reaches("V1", State::Master);
    let told = |happening: &Happening| matches!(happening, Happening::Network(Network::InterfaceMissing { interface }) if &**interface == "late0");
    router.tells(told);
    let outside = Segment::new().unwrap();
    outside.plug(&host, "late0").unwrap();
    host.assign("late0", "10.0.0.77".parse().unwrap(), 16).unwrap();
    router.reaches("V2", State::Master);
    let address: IpAddr = "10.0.8.8".parse().unwrap();
    soon("its address comes", || router.owns(address));
}

#[test]
fn a_second_address_takes_over_as_source() {
    let Some(stage) = Stage::set("a_second_address_takes_over_as_source") else { return };
    let router = stage.router("r1", &simple(200));
    router.reaches("V1", State::Master);
    let host = router.host();
    let spare: IpAddr = "10.0.0.99".parse().unwrap();
    host.assign("eth0", spare, 16).unwrap();
    host.withdraw("eth0", address_v4(1).into(), 16).unwrap();
    // Secondary addresses of a subnet go with the first one, unless the kernel promotes them.
    if !host.has(spare) {
        host.assign("eth0", spare, 16).unwrap();
    }
    soon("the spare address is the source", || {
        router
            .instance("V1")
            .is_some_and(|instance| instance.state == State::Master && instance.master == Some(spare))
    });
    // IPv6 addresses are nothing to an IPv4 instance.
    host.withdraw("eth0", address_v6(1).into(), 64).unwrap();
    assert_eq!(router.state("V1"), Some(State::Master));
}

#[test]
fn a_storm_of_changes_ends_where_the_last_one_left_it() {
    let Some(stage) = Stage::set("a_storm_of_changes_ends_where_the_last_one_left_it") else { return };
    let first = stage.router("r1", &simple(200));
    let second = stage.router("r2", &simple(100));
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    let host = first.host();
    let settles = |what: &str| {
        soon(&format!("r1 is the only owner after {what}"), || {
            first.state("V1") == Some(State::Master)
                && second.state("V1") == Some(State::Backup)
                && first.owns(VIRTUAL)
                && !second.owns(VIRTUAL)
        });
    };
    for _ in 0..30 {
        host.set_down("eth0").unwrap();
        host.set_up("eth0").unwrap();
    }
    settles("flapping links");
    for _ in 0..30 {
        host.withdraw("eth0", address_v4(1).into(), 16).unwrap();
        host.assign("eth0", address_v4(1).into(), 16).unwrap();
    }
    settles("flapping source addresses");
    for _ in 0..30 {
        // Sometimes it is there again already, sometimes not yet.
        let _ = host.withdraw("eth0", VIRTUAL, 32);
    }
    settles("fights over the address");
    for _ in 0..10 {
        host.wiring().delete("eth0").unwrap();
        stage.segment.plug(host, "eth0").unwrap();
        host.assign("eth0", address_v4(1).into(), 16).unwrap();
    }
    settles("deletions");
    // Two interfaces change their names.
    let outside = Segment::new().unwrap();
    outside.plug(host, "eth1").unwrap();
    for [from, to] in [["eth0", "spare"], ["eth1", "eth0"], ["eth0", "eth1"], ["spare", "eth0"]] {
        host.wiring().set_down(from).unwrap();
        host.wiring().rename(from, to).unwrap();
        host.wiring().set_up(to).unwrap();
    }
    settles("exchanged names");
    assert_eq!(first.status().unwrap().worker.unwrap().restarts, 0);
}

/// The kernel holds an interface to be dormant whose driver has a link, which stands here for a kernel that does not hear
/// of links from a driver.
#[test]
fn a_polled_driver_is_believed_and_not_the_kernel() {
    let Some(stage) = Stage::set("a_polled_driver_is_believed_and_not_the_kernel") else { return };
    let host = stage.host("r1");
    let dormant = ["ip", "link", "set", "dev", "eth0", "mode", "dormant", "state", "dormant"];
    assert!(host.run(&dormant).unwrap().status.success());
    let alone = format!("{}linkbeat_interfaces {{\neth0 IOCTL\n}}\n", simple(200));
    let router = stage.start(&host, &alone);
    router.reaches("V1", State::Fault);
    for (what, polled) in [
        ("by a block", format!("{}linkbeat_interfaces {{\neth0 MII\n}}\n", simple(200))),
        ("everywhere", format!("{}linkbeat_use_polling\n", simple(200))),
        ("by the instance", configuration(&[&Virtual::with_priority(200).more("linkbeat_use_polling")])),
    ] {
        router.reload(&polled);
        router.reaches("V1", State::Master);
        // The kernel tells of it in the same moment, and the driver is asked.
        stage.segment.cut(&host).unwrap();
        router.reaches("V1", State::Fault);
        soon(&format!("{what}: the address is gone"), || !router.owns(VIRTUAL));
        stage.segment.restore(&host).unwrap();
        router.reaches("V1", State::Master);
        host.set_down("eth0").unwrap();
        router.reaches("V1", State::Fault);
        host.set_up("eth0").unwrap();
        router.reaches("V1", State::Master);
        router.reload(&alone);
        router.reaches("V1", State::Fault);
    }
    assert!(
        !router.happened(|happening| matches!(happening, Happening::Network(Network::LinkUntold { .. })))
    );
}

/// ENOBUFS: the kernel has more to tell than the worker's socket takes, and drops the rest.
#[test]
fn what_the_kernel_could_not_tell_is_read_again() {
    let Some(stage) = Stage::set("what_the_kernel_could_not_tell_is_read_again") else { return };
    let host = stage.host("r1");
    let outside = Segment::new().unwrap();
    outside.plug(&host, "eth1").unwrap();
    let tracking = Virtual::with_priority(200).more("track_interface {\neth1\n}");
    // The least that the kernel grants, so that some hundred changes are too many.
    let globals = "vrrp_version 3\nvrrp_netlink_monitor_rcv_bufs 4096";
    let router = stage.start(&host, &with_globals(globals, &[&tracking]));
    router.reaches("V1", State::Master);
    soon("the address is there", || router.owns(VIRTUAL));
    let overruns = || {
        let overrun =
            |happening: &Happening| matches!(happening, Happening::Worker { trouble: Trouble::Overrun, .. });
        router.events().iter().filter(|record| overrun(&record.happening)).count()
    };
    // Changes of links and addresses, and then one that matters, of which the worker hears nothing.
    let behind_its_back = |matters: &dyn Fn()| {
        let before = overruns();
        let worker = router.worker();
        send(worker, Signal::STOP);
        let noise = "10.0.7.7".parse().unwrap();
        for _ in 0..200 {
            host.assign("eth1", noise, 24).unwrap();
            host.withdraw("eth1", noise, 24).unwrap();
        }
        for _ in 0..3 {
            host.wiring().create_veth("comes", "goes", host.network()).unwrap();
            host.wiring().delete("comes").unwrap();
        }
        matters();
        send(worker, Signal::CONT);
        soon("it is told", || overruns() > before);
    };
    assert_eq!(overruns(), 0);
    behind_its_back(&|| host.withdraw("eth0", VIRTUAL, 32).unwrap());
    soon("the address is back", || router.owns(VIRTUAL));
    assert_eq!(router.state("V1"), Some(State::Master));
    behind_its_back(&|| host.set_down("eth1").unwrap());
    router.reaches("V1", State::Fault);
    soon("the address is gone", || !router.owns(VIRTUAL));
    behind_its_back(&|| host.set_up("eth1").unwrap());
    router.reaches("V1", State::Master);
    soon("the address is there again", || router.owns(VIRTUAL));
    assert_eq!(router.status().unwrap().worker.unwrap().restarts, 0, "it was not away for long enough");
}
