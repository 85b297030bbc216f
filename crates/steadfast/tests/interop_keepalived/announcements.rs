//! When addresses are announced, by the defaults in global_defs and by instances, as keepalived does it.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use steadfast_lab::capture::Content;
use steadfast_lab::{Daemon, Segment, wait};
use steadfast_wire::vrrp::Vrid;

use crate::pair::{LIMIT, Pair, SLACK, programs};
use crate::rarer::{Alone, INTERVAL, alone, instance};

/// Long enough for two blocks, of which the second comes after a second.
const BLOCKS: Duration = Duration::from_millis(1_600);
const SPACING: Duration = Duration::from_millis(60);
/// A timer of keepalived fires up to this much early.
const EARLY: Duration = Duration::from_millis(20);

/// When an address was announced.
fn announced(alone: &Alone, address: Ipv4Addr, since: Instant) -> Vec<Instant> {
    alone.capture.gratuitous_arps(address, since).into_iter().map(|(at, _)| at).collect()
}

/// As few as possible, and no second block.
#[test]
fn fewest_announcements_are_made_where_that_is_asked_for() {
    for alone in alone("fewest_announcements_are_made_where_that_is_asked_for") {
        let text = "global_defs {\n vrrp_version 3\n vrrp_min_garp\n}\n".to_owned()
            + &instance(1, "10.0.9.1/32", "")
            + &instance(2, "10.0.9.2/32", " garp_master_repeat 2\n garp_master_delay 1\n");
        let since = Instant::now();
        let _daemon = alone.start(&text);
        let last = Ipv4Addr::new(10, 0, 9, 2);
        let done = wait::until(LIMIT, || announced(&alone, last, since).len() >= 4);
        let name = alone.program.name();
        assert!(done, "{name}: {:?}", announced(&alone, last, since));
        let first = announced(&alone, Ipv4Addr::new(10, 0, 9, 1), since);
        assert_eq!(first.len(), 1, "{name}: {first:?}");
    }
}

fn times(alone: &Alone, since: Instant) -> (Vec<Instant>, Vec<Instant>) {
    let arp = |content: &Content| matches!(content, Content::Arp(message) if message.sender_address == message.target_address);
    let arps = alone.capture.select(since, |frame| arp(&frame.content).then_some(frame.at));
    let advertisements = alone.capture.unsolicited_advertisements(since);
    // The kernel announces an address of IPv6 by itself, once it has it, without an override.
    (arps, advertisements.into_iter().map(|(at, _)| at).collect())
}

fn closest(times: &[Instant]) -> Duration {
    times.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or_default()
}

/// What all but two come after the one before at least: who is read late is close to the next one.
fn spacing(times: &[Instant]) -> Duration {
    let mut gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    gaps[2]
}

/// One after the other: on an interface, and on all interfaces of a group together.
#[test]
fn announcements_are_spaced_as_configured() {
    let seconds = SPACING.as_secs_f64();
    let on_each = format!(" vrrp_garp_interval {seconds}\n vrrp_gna_interval {seconds}\n");
    let group = format!(
        "garp_group {{\n garp_interval {seconds}\n gna_interval {seconds}\n interface eth0\n interfaces {{\n eth1\n }}\n}}\n"
    );
    let addresses =
        |net: u8| (1..=4).map(|host| format!("10.0.{net}.{host}/32")).collect::<Vec<_>>().join("\n");
    let six = "fe80::9:1/64\n fd00:9::1/64\n fd00:9::2/64";
    for (what, globals, blocks, interfaces) in
        [("each", on_each.as_str(), "", 1), ("group", "", group.as_str(), 2)]
    {
        for alone in alone("announcements_are_spaced_as_configured") {
            let other = Segment::new().unwrap();
            other.plug(&alone.host, "eth1").unwrap();
            let own: IpAddr = [10, 1, 0, 1].into();
            alone.host.assign("eth1", own, 16).unwrap();
            let mut text = format!(
                "global_defs {{\n vrrp_version 3\n vrrp_garp_master_delay 5\n vrrp_garp_master_repeat 2\n{globals}}}\n{blocks}"
            );
            text += &instance(1, &addresses(9), "");
            text += &instance(3, six, "");
            if interfaces == 2 {
                text += &instance(2, &addresses(8), "").replace("interface eth0", "interface eth1");
            }
            let since = Instant::now();
            let _daemon: Daemon = alone.start(&text);
            let wanted = 8 * interfaces;
            let done = wait::until(LIMIT, || {
                let (arps, advertisements) = times(&alone, since);
                arps.len() >= wanted && advertisements.len() >= 6
            });
            let (arps, advertisements) = times(&alone, since);
            let name = alone.program.name();
            assert!(done, "{what}, {name}: {} and {}", arps.len(), advertisements.len());
            let found = (spacing(&arps[..wanted]), spacing(&advertisements[..6]));
            assert!(found.0 > SPACING - EARLY && found.1 > SPACING - EARLY, "{what}, {name}: {found:?}");
        }
    }
}

/// What two masters do when they hear each other: the lower one may speak once more before it yields, the higher one
/// answers or does not, and announces its address again.
#[test]
fn a_lower_master_is_answered_as_configured() {
    let test = "a_lower_master_is_answered_as_configured";
    let globals = |lines: &str| {
        format!(
            "global_defs {{\n vrrp_version 3\n vrrp_garp_master_delay 0\n vrrp_garp_master_repeat 1\n{lines}}}\n"
        )
    };
    let routers = |first: &str, second: &str, lines: &str| {
        globals(lines) + &instance(1, "10.0.9.1/32", first) + &instance(2, "10.0.9.2/32", second)
    };
    let by_instance = (
        routers(" garp_lower_prio_repeat 3\n garp_lower_prio_delay 1\n lower_prio_no_advert\n", "", ""),
        routers(" higher_prio_send_advert\n", " higher_prio_send_advert\n", ""),
    );
    let by_default = (
        routers(
            "",
            " lower_prio_no_advert off\n",
            " vrrp_garp_lower_prio_repeat 3\n vrrp_garp_lower_prio_delay 1\n vrrp_lower_prio_no_advert\n",
        ),
        routers("", "", " vrrp_higher_prio_send_advert\n"),
    );
    for (what, (higher, lower)) in [("instances", by_instance), ("defaults", by_default)] {
        for programs in programs(test).into_iter().flatten() {
            let mut pair = Pair::new(programs);
            let name = format!("{what}, {}", pair.programs[0].name());
            let begin = Instant::now();
            pair.start(0, &higher.replace("priority 100", "priority 200"));
            pair.start(1, &lower);
            let [first, second] = [1, 2].map(|last| Ipv4Addr::new(10, 0, 9, last));
            let on = |side: usize, address: Ipv4Addr| pair.hosts[side].has(address.into());
            assert!(wait::until(LIMIT, || on(0, first) && on(0, second)), "{name}: r1 is not master");
            pair.segment.isolate(&pair.hosts[1]).unwrap();
            assert!(wait::until(LIMIT, || on(1, first) && on(1, second)), "{name}: r2 is not master");
            let over = || {
                let arps = pair.capture(0).gratuitous_arps(first, begin);
                arps.last().is_some_and(|(at, _)| at.elapsed() > BLOCKS)
            };
            assert!(wait::until(LIMIT, over), "{name}: what r1 announces as a new master does not end");
            let since = Instant::now();
            pair.segment.rejoin(&pair.hosts[1]).unwrap();
            assert!(wait::until(LIMIT, || !on(1, first) && !on(1, second)), "{name}: r2 remains master");
            let arps = || {
                let arps = pair.capture(0).gratuitous_arps(first, since);
                arps.into_iter().map(|(at, _)| at).collect::<Vec<_>>()
            };
            // Three at once, and as many a second after the last that was heard.
            let repeated = || {
                let all = arps();
                all.len() >= 6 && all[2] - all[0] < SLACK && {
                    let delayed = all[all.len() - 3];
                    delayed - all[all.len() - 4] > Duration::from_secs(1) - SLACK
                }
            };
            assert!(wait::until(LIMIT, repeated), "{name}: {:?}", arps());
            assert_eq!([1, 2].map(|vrid| is_answered(&pair, vrid, since)), [false, true], "{name}");
        }
    }
}

/// Whether the higher router spoke between two of its regular adverts: the lower one speaks right after one of them.
fn is_answered(pair: &Pair, vrid: u8, since: Instant) -> bool {
    let adverts = pair.capture(0).adverts(Vrid::new(vrid).unwrap(), since);
    assert!(
        adverts.iter().any(|(_, advert)| advert.priority.get() == 100),
        "the lower router yields in silence"
    );
    let higher: Vec<Instant> =
        adverts.into_iter().filter(|(_, advert)| advert.priority.get() == 200).map(|(at, _)| at).collect();
    closest(&higher) < INTERVAL / 2
}
