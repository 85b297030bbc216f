//! Rarer keywords do on the wire what they do with keepalived.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use steadfast_lab::capture::{Advert, Capture};
use steadfast_lab::segment::address_v4;
use steadfast_lab::{Daemon, Host, Program, Segment, wait};
use steadfast_wire::vrrp::Vrid;

use crate::pair::{LIMIT, SLACK, programs};

const INTERVAL: Duration = Duration::from_millis(200);
/// Long enough for any advert that would be sent.
const SILENCE: Duration = Duration::from_millis(1_500);

/// One router alone with one program.
struct Alone {
    host: std::sync::Arc<Host>,
    capture: Capture,
    program: Program,
    _segment: Segment,
}

/// keepalived first: what it does is expected.
fn alone(test: &str) -> Vec<Alone> {
    let programs = programs(test).into_iter().flatten().map(|[program, _]| program);
    let mut programs: Vec<Program> = programs.collect();
    programs.reverse();
    let alone = |program| {
        let segment = Segment::new().unwrap();
        let host = segment.host("r1").unwrap();
        let capture = Capture::start(&host).unwrap();
        Alone { host, capture, program, _segment: segment }
    };
    programs.into_iter().map(alone).collect()
}

impl Alone {
    fn start(&self, configuration: &str) -> Daemon {
        Daemon::start(&self.host, &self.program, configuration).unwrap()
    }

    fn adverts(&self, vrid: u8, since: Instant) -> Vec<(Instant, Advert)> {
        self.capture.adverts(Vrid::new(vrid).unwrap(), since)
    }

    fn first(&self, vrid: u8, since: Instant) -> (Instant, Advert) {
        let first = || self.adverts(vrid, since).into_iter().next();
        wait::value(LIMIT, first).unwrap_or_else(|| panic!("{}: {vrid} is silent", self.program.name()))
    }
}

fn instance(vrid: u8, address: &str, more: &str) -> String {
    format!(
        "vrrp_instance V{vrid} {{\n state BACKUP\n interface eth0\n virtual_router_id {vrid}\n priority 100\n advert_int \
         0.2\n virtual_ipaddress {{\n {address}\n }}\n{more}}}\n"
    )
}

fn global(lines: &str) -> String {
    format!("global_defs {{\n vrrp_version 3\n vrrp_garp_master_delay 1\n{lines}}}\n")
}

/// Where adverts go and whence they come.
#[test]
fn groups_and_sources_are_as_configured() {
    let source = IpAddr::from([10, 0, 0, 77]);
    for alone in alone("groups_and_sources_are_as_configured") {
        alone.host.assign("eth0", source, 16).unwrap();
        let text = global(" vrrp_mcast_group4 224.0.0.77\n vrrp_mcast_group6 ff02::77\n")
            + &instance(1, "10.0.9.1/32", "")
            + &instance(2, "fe80::9:2/64", " native_ipv6\n")
            + &instance(3, "10.0.9.3/32", &format!(" mcast_src_ip {source}\n"));
        let since = Instant::now();
        let _daemon = alone.start(&text);
        let [four, six, from] = [1, 2, 3].map(|vrid| alone.first(vrid, since).1);
        let name = alone.program.name();
        assert_eq!(four.destination, IpAddr::from([224, 0, 0, 77]), "{name}");
        assert_eq!(six.destination, "ff02::77".parse::<IpAddr>().unwrap(), "{name}");
        assert_eq!((four.source, from.source), (address_v4(1).into(), source), "{name}");
    }
}

/// How many adverts a backup lets the master miss.
#[test]
fn the_wait_for_a_master_is_as_configured() {
    for alone in alone("the_wait_for_a_master_is_as_configured") {
        let text = global(" vrrp_down_timer_adverts 10\n")
            + &instance(1, "10.0.9.1/32", " down_timer_adverts 2\n")
            + &instance(2, "10.0.9.2/32", "");
        let since = Instant::now();
        let _daemon = alone.start(&text);
        let ((few, _), (many, _)) = (alone.first(1, since), alone.first(2, since));
        let apart = many - few;
        let name = alone.program.name();
        assert!(apart > INTERVAL * 8 - SLACK && apart < INTERVAL * 8 + SLACK, "{name}: {apart:?}");
    }
}

#[test]
fn a_startup_delay_is_waited_for() {
    let delay = Duration::from_secs(2);
    for alone in alone("a_startup_delay_is_waited_for") {
        let text = global(" vrrp_startup_delay 2\n") + &instance(1, "10.0.9.1/32", "");
        let since = Instant::now();
        let _daemon = alone.start(&text);
        let waited = alone.first(1, since).0 - since;
        assert!(waited >= delay + INTERVAL * 3, "{}: {waited:?}", alone.program.name());
    }
}

/// Without a peer there is nobody to speak to.
#[test]
fn what_is_missing_keeps_an_instance_silent() {
    for alone in alone("what_is_missing_keeps_an_instance_silent") {
        let text = global("")
            + &instance(1, "10.0.9.1/32", "")
            + &instance(2, "10.0.9.2/32", " unicast_fault_no_peer\n");
        let since = Instant::now();
        let _daemon = alone.start(&text);
        alone.first(1, since);
        let spoke = || !alone.adverts(2, since).is_empty();
        assert!(!wait::until(SILENCE, spoke), "{}", alone.program.name());
    }
}
