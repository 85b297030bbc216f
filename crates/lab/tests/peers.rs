//! The lab with the real peers in it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use steadfast_lab::capture::Capture;
use steadfast_lab::frr::{Router, VirtualRouter};
use steadfast_lab::ping::Pinger;
use steadfast_lab::segment::{address_v4, address_v6};
use steadfast_lab::watch::Watch;
use steadfast_lab::{Daemon, Program, Segment, Signal, permission, wait};
use steadfast_wire::vrrp::Vrid;

const SETTLE_LIMIT: Duration = Duration::from_secs(10);
const PING_INTERVAL: Duration = Duration::from_millis(1);

/// What a busy machine may add to an outage.
const SLACK: Duration = Duration::from_millis(60);

fn configuration(priority: u8) -> String {
    format!(
        "global_defs {{
    vrrp_version 3
}}
vrrp_instance V1 {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 0.1
    virtual_ipaddress {{
        10.0.9.9/32
    }}
}}
"
    )
}

const VIRTUAL_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 9, 9));

#[test]
fn a_host_runs_commands_among_its_own_files() {
    if !permission::lab_possible("a_host_runs_commands_among_its_own_files") {
        return;
    }
    let segment = Segment::new().unwrap();
    let host = segment.host("h1").unwrap();
    host.write("/run/some/file", "here\n").unwrap();
    let finished = host.run(&["sh", "-c", "cat /run/some/file; echo $$ >&2; exit 3"]).unwrap();
    assert_eq!(finished.status.code(), Some(3));
    assert!(finished.output.starts_with("here\n"), "{}", finished.output);
    let other = segment.host("h2").unwrap();
    assert!(other.read("/run/some/file").is_err());
}

/// The end of a parent continues its stopped children with SIGHUP (POSIX, orphaned process groups): one that
/// is killed after its parent could still act.
#[test]
fn of_processes_killed_together_none_sees_another_die() {
    const CHILDREN: usize = 60;
    if !permission::lab_possible("of_processes_killed_together_none_sees_another_die") {
        return;
    }
    let segment = Segment::new().unwrap();
    let host = segment.host("h1").unwrap();
    let child = "trap 'echo said > /run/goodbye' HUP TERM; echo up >> /run/up; while :; do sleep 60; done";
    let parent = format!("for i in $(seq {CHILDREN}); do sh -c \"{child}\" & done; wait");
    let mut started = host.spawn(std::process::Command::new("sh").args(["-c", &parent])).unwrap();
    let up = || host.read("/run/up").is_ok_and(|text| text.lines().count() == CHILDREN);
    assert!(wait::until(SETTLE_LIMIT, up));
    host.signal_everything(Signal::KILL).unwrap();
    started.wait().unwrap();
    assert!(wait::until(SETTLE_LIMIT, || host.processes().unwrap().is_empty()));
    assert!(host.read("/run/goodbye").is_err());
}

#[test]
fn a_killed_daemon_leaves_no_process() {
    let test = "a_killed_daemon_leaves_no_process";
    let Some(keepalived) = Program::keepalived(test).filter(|_| permission::lab_possible(test)) else {
        return;
    };
    let segment = Segment::new().unwrap();
    let host = segment.host("r1").unwrap();
    let mut daemon = Daemon::start(&host, &keepalived, &configuration(200)).unwrap();
    assert!(wait::until(SETTLE_LIMIT, || host.has(VIRTUAL_ADDRESS)), "{}", daemon.log_tail());
    let worker = daemon.vrrp_worker().expect("keepalived has a vrrp process");
    assert_ne!(worker, daemon.pid());
    assert!(daemon.processes().unwrap().contains(&worker));

    daemon.signal_all(Signal::KILL).unwrap();
    daemon.wait(SETTLE_LIMIT).unwrap();
    assert!(wait::until(SETTLE_LIMIT, || host.processes().unwrap().is_empty()));
    // The kernel keeps the addresses of a daemon that could not remove them.
    assert!(host.has(VIRTUAL_ADDRESS));
}

#[test]
fn a_client_measures_how_keepalived_takes_over() {
    let test = "a_client_measures_how_keepalived_takes_over";
    let Some(keepalived) = Program::keepalived(test).filter(|_| permission::lab_possible(test)) else {
        return;
    };
    let segment = Segment::new().unwrap();
    let [first, second, client] = ["r1", "r2", "client"].map(|name| segment.host(name).unwrap());
    let _higher = Daemon::start(&first, &keepalived, &configuration(200)).unwrap();
    let _lower = Daemon::start(&second, &keepalived, &configuration(100)).unwrap();
    assert!(wait::until(SETTLE_LIMIT, || first.has(VIRTUAL_ADDRESS) && !second.has(VIRTUAL_ADDRESS)));
    let hosts = vec![Arc::clone(&first), Arc::clone(&second)];
    let watch = Watch::start(hosts, vec![VIRTUAL_ADDRESS]).unwrap();
    let pinger = Pinger::start(&client, VIRTUAL_ADDRESS, PING_INTERVAL).unwrap();
    assert!(pinger.answered_within(SETTLE_LIMIT));
    assert!(wait::until(SETTLE_LIMIT, || watch.owners(VIRTUAL_ADDRESS) == ["r1"]));

    let capture = Capture::start(&client).unwrap();
    let cut = Instant::now();
    segment.cut(&first).unwrap();
    assert!(wait::until(SETTLE_LIMIT, || second.has(VIRTUAL_ADDRESS)));
    assert!(pinger.answered_within(SETTLE_LIMIT));
    let outage = pinger.longest_outage_since(cut);
    // RFC 9568 section 6.1: three adverts and the skew time of priority 100.
    let limit = Duration::from_secs_f64(0.1 * (3.0 + 156.0 / 256.0));
    // The last advert before the cut was up to an interval old.
    assert!(outage >= limit - Duration::from_millis(110), "{outage:?} is less than {limit:?} allows");
    assert!(outage <= limit + SLACK, "{outage:?} is more than {limit:?} allows");
    assert!(pinger.lost_since(cut) > 200, "{}", pinger.lost_since(cut));

    let heard = || capture.adverts(Vrid::new(51).unwrap(), cut);
    assert!(wait::until(SETTLE_LIMIT, || heard().len() >= 3));
    for (_, advert) in heard() {
        assert_eq!(advert.source, IpAddr::from(address_v4(2)), "{advert:?}");
        assert_eq!(advert.destination, IpAddr::from([224, 0, 0, 18]), "{advert:?}");
        assert_eq!((advert.hop_limit, advert.priority.get()), (255, 100), "{advert:?}");
        assert_eq!(advert.addresses, [VIRTUAL_ADDRESS], "{advert:?}");
    }
    assert!(!capture.gratuitous_arps(Ipv4Addr::new(10, 0, 9, 9), cut).is_empty());

    segment.restore(&first).unwrap();
    assert!(wait::until(SETTLE_LIMIT, || watch.owners(VIRTUAL_ADDRESS) == ["r1"]));
    assert!(watch.changes_since(cut).iter().any(|change| change.owners == ["r2"]));
}

#[test]
fn pings_are_answered_over_ipv6() {
    let test = "pings_are_answered_over_ipv6";
    if !permission::lab_possible(test) {
        return;
    }
    let segment = Segment::new().unwrap();
    let [_first, client] = ["r1", "client"].map(|name| segment.host(name).unwrap());
    let pinger = Pinger::start(&client, address_v6(1).into(), PING_INTERVAL).unwrap();
    assert!(pinger.answered_within(SETTLE_LIMIT));
    assert!(wait::until(SETTLE_LIMIT, || pinger.pings().len() >= 100));
    let absent = Pinger::start(&client, address_v6(99).into(), PING_INTERVAL).unwrap();
    assert!(wait::until(SETTLE_LIMIT, || absent.pings().len() >= 100));
    assert_eq!(absent.last_answer(), None);
}

#[test]
fn frr_and_keepalived_share_an_address() {
    let test = "frr_and_keepalived_share_an_address";
    let Some(keepalived) = Program::keepalived(test).filter(|_| permission::lab_possible(test)) else {
        return;
    };
    if !Router::installed(test) {
        return;
    }
    let segment = Segment::new().unwrap();
    let (first, second) = (segment.host("r1").unwrap(), segment.host("r2").unwrap());
    let virtual_router = VirtualRouter {
        interface: "eth0".to_owned(),
        vrid: 51,
        version: 3,
        priority: 200,
        advert_interval: Duration::from_millis(100),
        addresses: vec![VIRTUAL_ADDRESS],
    };
    let frr = Router::start(&first, &[virtual_router]).unwrap();
    let _lower = Daemon::start(&second, &keepalived, &configuration(100)).unwrap();
    let master = || frr.show().is_ok_and(|shown| shown.contains("\"Master\""));
    assert!(wait::until(SETTLE_LIMIT, || master() && !second.has(VIRTUAL_ADDRESS)), "{:?}", frr.show());

    frr.vrrpd().signal_all(Signal::STOP).unwrap();
    assert!(wait::until(SETTLE_LIMIT, || second.has(VIRTUAL_ADDRESS)));
}
