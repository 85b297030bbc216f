//! Rarer keywords do on the wire what they do with keepalived.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use steadfast_lab::capture::{Advert, Capture, Content};
use steadfast_lab::segment::address_v4;
use steadfast_lab::{Daemon, Host, Program, Segment, wait};
use steadfast_wire::vrrp::Vrid;

use crate::pair::{LIMIT, SLACK, programs};

pub(crate) const INTERVAL: Duration = Duration::from_millis(200);
/// Long enough for any advert that would be sent.
const SILENCE: Duration = Duration::from_millis(1_500);

/// One router alone with one program.
pub(crate) struct Alone {
    pub(crate) host: std::sync::Arc<Host>,
    pub(crate) capture: Capture,
    pub(crate) program: Program,
    pub(crate) segment: Segment,
}

/// keepalived first: what it does is expected.
pub(crate) fn alone(test: &str) -> Vec<Alone> {
    let programs = programs(test).into_iter().flatten().map(|[program, _]| program);
    let mut programs: Vec<Program> = programs.collect();
    programs.reverse();
    let alone = |program| {
        let segment = Segment::new().unwrap();
        let host = segment.host("r1").unwrap();
        let capture = Capture::start(&host).unwrap();
        Alone { host, capture, program, segment }
    };
    programs.into_iter().map(alone).collect()
}

impl Alone {
    pub(crate) fn start(&self, configuration: &str) -> Daemon {
        Daemon::start(&self.host, &self.program, configuration).unwrap()
    }

    pub(crate) fn adverts(&self, vrid: u8, since: Instant) -> Vec<(Instant, Advert)> {
        self.capture.adverts(Vrid::new(vrid).unwrap(), since)
    }

    pub(crate) fn first(&self, vrid: u8, since: Instant) -> (Instant, Advert) {
        let first = || self.adverts(vrid, since).into_iter().next();
        wait::value(LIMIT, first).unwrap_or_else(|| panic!("{}: {vrid} is silent", self.program.name()))
    }
}

pub(crate) fn instance(vrid: u8, address: &str, more: &str) -> String {
    format!(
        "vrrp_instance V{vrid} {{\n state BACKUP\n interface eth0\n virtual_router_id {vrid}\n priority 100\n advert_int \
         0.2\n virtual_ipaddress {{\n {address}\n }}\n{more}}}\n"
    )
}

pub(crate) fn global(lines: &str) -> String {
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

/// An owner that begins as master speaks at once (RFC 9568 section 6.4.1), any other router waits.
#[test]
fn only_an_owner_that_begins_as_master_does_not_wait() {
    for alone in alone("only_an_owner_that_begins_as_master_does_not_wait") {
        let router = |vrid: u8, state: &str, priority: u8| {
            let text =
                instance(vrid, &format!("10.0.9.{vrid}/32"), "").replace("advert_int 0.2", "advert_int 0.5");
            text.replace("state BACKUP", state).replace("priority 100", &format!("priority {priority}"))
        };
        let text = global("") + &router(1, "state MASTER", 255) + &router(2, "state BACKUP", 255);
        let since = Instant::now();
        let _daemon = alone.start(&text);
        let [owner, patient] = [1, 2].map(|vrid| alone.first(vrid, since).0);
        let apart = patient.duration_since(owner);
        assert!(apart > Duration::from_millis(1_500) - SLACK, "{}: {apart:?}", alone.program.name());
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

/// One after the other: the octets of the first advert of each virtual router are those of keepalived.
#[test]
fn checksums_are_as_configured() {
    let instances = || {
        let unicast = " unicast_peer {\n 10.0.0.2\n }\n";
        instance(1, "10.0.9.1/32", "")
            + &instance(2, "10.0.9.2/32", " v3_checksum_as_v2\n")
            + &instance(3, "10.0.9.3/32", unicast)
            + &instance(4, "10.0.9.4/32", &format!("{unicast} old_unicast_checksum\n"))
            + &instance(5, "10.0.9.5/32", " version 2\n").replace("advert_int 0.2", "advert_int 1")
    };
    let mut found = Vec::new();
    for globals in ["", " v3_checksum_as_v2\n"] {
        for alone in alone("checksums_are_as_configured") {
            // Somebody has to be there for frames to leave.
            let _peer = alone.segment.host("r2").unwrap();
            let since = Instant::now();
            let _daemon = alone.start(&(global(globals) + &instances()));
            for vrid in 1..=5 {
                alone.first(vrid, since);
            }
            // Behind the headers of Ethernet and IPv4.
            let message = |vrid: u8| {
                let octets = alone.capture.select(since, |frame| match &frame.content {
                    Content::Advert(advert) if advert.vrid.get() == vrid => Some(frame.octets[34..].to_vec()),
                    _ => None,
                });
                octets.into_iter().next()
            };
            found.push([1, 2, 3, 4, 5].map(message));
        }
    }
    if found.is_empty() {
        return;
    }
    // Debian's keepalived does not know v3_checksum_as_v2.
    for vrid in [1, 3, 4, 5] {
        assert_eq!(found[1][vrid - 1], found[0][vrid - 1], "VRID {vrid}");
    }
    let checksum = |run: usize, vrid: usize| found[run][vrid - 1].as_ref().unwrap()[6..8].to_vec();
    assert_ne!(checksum(1, 1), checksum(3, 1), "v3_checksum_as_v2 in global_defs");
    assert_eq!(checksum(1, 2), checksum(3, 2), "v3_checksum_as_v2 in the instance");
    // The length of an Ethernet frame is filled up.
    let versions = [1, 5].map(|vrid| found[1][vrid - 1].as_ref().unwrap()[0] >> 4);
    assert_eq!(versions, [3, 2], "vrrp_version and version");
}

/// An instance that was late gives up when a router of the priority that it names would have taken over.
#[test]
fn who_was_held_up_gives_up_for_the_priority_that_is_configured() {
    let test = "who_was_held_up_gives_up_for_the_priority_that_is_configured";
    let Some(alone) = alone(test).pop() else { return };
    let slow = |vrid, more: &str| {
        let text = instance(vrid, &format!("10.0.9.{vrid}/32"), more);
        text.replace("advert_int 0.2", "advert_int 1").replace("priority 100", "priority 10")
    };
    let text = global("")
        + &slow(1, " nopreempt\n timer_expired_backup 254\n")
        + &slow(2, "")
        + &slow(3, " nopreempt\n thread_timer_expired\n");
    let daemon = alone.start(&text);
    let has = |last: u8| alone.host.has([10, 0, 9, last].into());
    assert!(wait::until(LIMIT, || [1, 2, 3].into_iter().all(has)), "{}", daemon.log_tail());
    let since = Instant::now();
    assert!(wait::until(LIMIT, || alone.adverts(1, since).len() >= 2));
    // Longer than 3 s and 2/256 s, shorter than 3 s and 246/256 s.
    daemon.hold_up(Duration::from_millis(3_450)).unwrap();
    let resumed = Instant::now();
    assert!(wait::until(Duration::from_secs(2), || !has(1) && !has(3)), "{}", daemon.log_tail());
    assert!(has(2));
    assert!(wait::until(LIMIT, || !alone.adverts(2, resumed).is_empty()));
}
