//! The lab with the real peers in it.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use steadfast_lab::frr::{Router, VirtualRouter};
use steadfast_lab::{Daemon, Program, Segment, Signal, permission, wait};

const SETTLE_LIMIT: Duration = Duration::from_secs(10);

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
fn keepalived_takes_over_from_a_router_without_cable() {
    let test = "keepalived_takes_over_from_a_router_without_cable";
    let Some(keepalived) = Program::keepalived(test).filter(|_| permission::lab_possible(test)) else {
        return;
    };
    let segment = Segment::new().unwrap();
    let (first, second) = (segment.host("r1").unwrap(), segment.host("r2").unwrap());
    let _higher = Daemon::start(&first, &keepalived, &configuration(200)).unwrap();
    let _lower = Daemon::start(&second, &keepalived, &configuration(100)).unwrap();
    assert!(wait::until(SETTLE_LIMIT, || first.has(VIRTUAL_ADDRESS) && !second.has(VIRTUAL_ADDRESS)));

    segment.cut(&first).unwrap();
    assert!(wait::until(SETTLE_LIMIT, || second.has(VIRTUAL_ADDRESS)));
    segment.restore(&first).unwrap();
    assert!(wait::until(SETTLE_LIMIT, || first.has(VIRTUAL_ADDRESS) && !second.has(VIRTUAL_ADDRESS)));
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
