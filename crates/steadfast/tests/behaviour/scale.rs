//! Four thousand virtual routers on sixteen interfaces.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use steadfast_control::status::{Instance, Status, WorkerStatus};
use steadfast_lab::{Host, Segment, wait};
use steadfast_vrrp::State;

use crate::stage::{Router, Stage};

const INTERFACES: u8 = 16;
const ROUTERS: u8 = 250;
const INSTANCES: usize = INTERFACES as usize * ROUTERS as usize;
/// Two daemons of this size start on one machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What was sent is read by then; the next advert of most instances is not sent.
const READ_WITHIN: Duration = Duration::from_millis(500);
/// A timer that is later than this is counted by the daemon.
const LATER_THAN: Duration = Duration::from_millis(10);

/// Of the two routers the first is better for even numbers, the second for odd ones: both send and hear two thousand.
fn is_better(router: usize, vrid: u8) -> bool {
    (router == 0) == vrid.is_multiple_of(2)
}

fn configuration(router: usize) -> String {
    let mut text = "global_defs {\n vrrp_garp_master_repeat 1\n vrrp_garp_master_delay 0\n}\n".to_owned();
    for interface in 0..INTERFACES {
        for vrid in 1..=ROUTERS {
            let priority = if is_better(router, vrid) { 200 } else { 100 };
            writeln!(
                text,
                "vrrp_instance V{interface}_{vrid} {{\n state BACKUP\n interface eth{interface}\n version 3\n \
                 virtual_router_id {vrid}\n priority {priority}\n advert_int 1\n virtual_ipaddress {{\n \
                 10.{}.0.{vrid}/32\n }}\n}}",
                100 + interface
            )
            .unwrap();
        }
    }
    text
}

/// Further switches, one for each interface beside `eth0`.
fn plugged(hosts: &[&Arc<Host>]) -> Vec<Segment> {
    let segment = |interface: u8| {
        let segment = Segment::new().unwrap();
        for (number, host) in (1..).zip(hosts) {
            let name = format!("eth{interface}");
            segment.plug(host, &name).unwrap();
            host.assign(&name, Ipv4Addr::new(10, interface, 0, number).into(), 16).unwrap();
        }
        segment
    };
    (1..INTERFACES).map(segment).collect()
}

/// Waits until each instance has the state that its router should have, and gives the statuses that say so.
#[track_caller]
fn settled(routers: [&Router; 2]) -> [Status; 2] {
    let of = |number: usize| {
        let reached = || {
            let status = routers[number].status()?;
            let right =
                |instance: &&Instance| (instance.state == State::Master) == is_better(number, instance.vrid);
            let known = |instance: &&Instance| matches!(instance.state, State::Master | State::Backup);
            let there = status.instances.iter().filter(known).filter(right).count();
            (there == INSTANCES).then_some(status)
        };
        wait::value(PATIENCE, reached).unwrap_or_else(|| panic!("router {number} is not as it should be"))
    };
    [of(0), of(1)]
}

/// A counter of each instance where it is master, or where it is not.
fn counted(statuses: &[Status; 2], name: &str, as_master: bool) -> BTreeMap<Arc<str>, u64> {
    let of = |number: usize| statuses[number].instances.iter().map(move |instance| (number, instance));
    let wanted = |(number, instance): &(usize, &Instance)| is_better(*number, instance.vrid) == as_master;
    let value = |(_, instance): (usize, &Instance)| {
        (Arc::clone(&instance.name), instance.counters.get(name).copied().unwrap_or_default())
    };
    of(0).chain(of(1)).filter(wanted).map(value).collect()
}

fn figures(status: &Status) -> WorkerStatus {
    status.worker.as_ref().and_then(|worker| worker.figures.clone()).unwrap()
}

/// A thread that does nothing but sleep, and counts how often it woke late.
struct BareTimer {
    over: Arc<AtomicBool>,
    thread: JoinHandle<(u64, u64)>,
}

impl BareTimer {
    fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&over);
        let count = move || {
            let (mut wakeups, mut late) = (0, 0);
            while !end.load(Ordering::Relaxed) {
                let due = Instant::now() + LATER_THAN;
                std::thread::sleep(LATER_THAN);
                wakeups += 1;
                late += u64::from(due.elapsed() > LATER_THAN);
            }
            (wakeups, late)
        };
        Self { over, thread: std::thread::spawn(count) }
    }

    /// How often it woke, and how often that was late.
    fn stop(self) -> (u64, u64) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

#[test]
fn four_thousand_virtual_routers_lose_no_advert_and_a_reload_changes_nothing() {
    let Some(stage) = Stage::set("four_thousand_virtual_routers_lose_no_advert_and_a_reload_changes_nothing")
    else {
        return;
    };
    let hosts = [stage.host("r1"), stage.host("r2")];
    let _segments = plugged(&[&hosts[0], &hosts[1]]);
    let first = stage.start(&hosts[0], &configuration(0));
    let second = stage.start(&hosts[1], &configuration(1));
    let routers = [&first, &second];
    settled(routers);
    let owned = |host: &Arc<Host>| {
        let addresses = host.addresses().unwrap();
        addresses.iter().filter(|a| matches!(a, IpAddr::V4(a) if a.octets()[1] >= 100)).count()
    };
    let half = INSTANCES / 2;
    let all = || hosts.iter().all(|host| owned(host) == half);
    assert!(wait::until(PATIENCE, all), "not every address is where it belongs");

    let bare = BareTimer::start();
    let asked = || routers.map(|router| router.status().unwrap());
    let heard = || counted(&asked(), "adverts_received", false);
    let heard_before = heard();
    let before = settled(routers);
    let sent_before = counted(&before, "adverts_sent", true);
    let times = |rounds: u64| {
        let all = || {
            let heard = heard();
            heard_before.iter().all(|(name, from)| heard[name] >= from + rounds)
        };
        assert!(wait::until(PATIENCE, all), "{rounds} adverts of each are not heard");
    };
    times(5);
    for (number, router) in routers.into_iter().enumerate() {
        router.reload(&configuration(number));
    }
    times(10);

    // Everything that was sent meanwhile was heard.
    let sent_after = counted(&asked(), "adverts_sent", true);
    let missing = || {
        let heard = heard();
        let lost =
            |name: &&Arc<str>| heard[*name] - heard_before[*name] < sent_after[*name] - sent_before[*name];
        heard_before.keys().filter(lost).count()
    };
    assert!(wait::until(READ_WITHIN, || missing() == 0), "adverts of {} instances are missing", missing());
    let (wakeups, late) = bare.stop();
    // The reload changed nothing.
    let after = settled(routers);
    for (before, after) in before.iter().zip(&after) {
        for (before, after) in before.instances.iter().zip(&after.instances) {
            assert_eq!((&before.name, before.state), (&after.name, after.state));
            assert!(after.milliseconds_in_state > before.milliseconds_in_state, "{}", after.name);
        }
        let (before, after) = (figures(before), figures(after));
        assert_eq!((after.datagrams_lost, after.messages_lost, after.send_failures), (0, 0, 0));
        let turns = after.wakeups - before.wakeups;
        let slow = after.late_over_ten_milliseconds - before.late_over_ten_milliseconds;
        println!("{slow} of {turns} timers later than {LATER_THAN:?}; a bare timer {late} of {wakeups}");
        // As often as a thread that only sleeps, and one in fifty.
        assert!(turns > 0 && slow * wakeups <= turns * late * 2 + turns * wakeups / 50, "{slow} of {turns}");
    }
}
