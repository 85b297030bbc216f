//! Any process dies, at random moments, two hundred times; and memory runs out.

use std::net::{IpAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use steadfast_control::event::{Balancing, Happening};
use steadfast_lab::capture::Capture;
use steadfast_lab::ping::Pinger;
use steadfast_lab::segment::address_v4;
use steadfast_lab::stalls::Stalls;
use steadfast_lab::{Host, Signal, left_out, wait};
use steadfast_time::Random;
use steadfast_vrrp::State;

use crate::stage::{
    AddressChanges, LIMIT, Router, SLACK, Stage, VIRTUAL, Virtual, configuration, longest_gap, send, senders,
    simple, soon, state_of, text_of, write_script,
};

const INTERVAL: Duration = Duration::from_millis(100);
/// A successor does its work after this time, of all of them half.
const BACK: Duration = Duration::from_millis(50);
/// Supervisor, successor and who looks each can meet the stall.
const STALLS_COUNT: u32 = 4;

/// Routers that die beside each other, and how many supervisors each has, one after the other.
const ROUTERS: u8 = 5;
const LIVES: u32 = 5;
/// Deaths of each of its two workers under one supervisor. Before the next one the supervisor would wait.
const DEATHS: usize = 4;
const KILLS: u32 = 200;
const SEED: u64 = 17;

/// Names of the workers in process lists, which hold 15 octets.
const VRRP: &str = "keepalived_vrrp";
pub(crate) const CHECK: &str = "keepalived_heal";

/// The worker of this name as the test sees it.
pub(crate) fn worker(router: &Router, name: &str) -> Option<u32> {
    let pid = router.pid();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let mut children = children.split_whitespace().filter_map(|child| child.parse().ok());
    children.find(|child: &u32| {
        std::fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|found| found.trim_end() == name)
    })
}

/// One of the virtual routers of the test, on the router that dies or on the one beside it.
fn virtual_router(number: u8, priority: u8) -> Virtual {
    const NAMES: [&str; 5] = ["V1", "V2", "V3", "V4", "V5"];
    const ADDRESSES: [&str; 5] = ["10.0.9.1/32", "10.0.9.2/32", "10.0.9.3/32", "10.0.9.4/32", "10.0.9.5/32"];
    let at = usize::from(number);
    Virtual {
        name: NAMES[at],
        vrid: 51 + number,
        addresses: vec![ADDRESSES[at]],
        ..Virtual::with_priority(priority)
    }
}

const SERVICE: &str = "virtual_server 10.9.0.1 80 {
  delay_loop 1
  lb_algo rr
  lb_kind NAT
  protocol TCP
  real_server 127.0.0.1 8080 {
    TCP_CHECK {
    }
  }
}
";

/// What the test looks at.
struct Scene<'a> {
    stage: &'a Stage,
    capture: &'a Capture,
    stalls: &'a Stalls,
    backup: &'a Router,
}

/// How long nobody did the work of a worker that was killed.
type Absence = (&'static str, Duration);

/// Everything of one router: lives and deaths.
fn lives_and_dies(scene: &Scene<'_>, host: &Arc<Host>, number: u8, own: IpAddr) -> Vec<Absence> {
    let mut random = Random::new(SEED + u64::from(number));
    let text = configuration(&[&virtual_router(number, 200)]) + SERVICE;
    let mut absences = Vec::new();
    let mut router = scene.stage.start(host, &text);
    for life in 1..=LIVES {
        absences.extend(a_life(scene, &router, number, own, &mut random));
        if life < LIVES {
            std::thread::sleep(random.between(Duration::ZERO, INTERVAL * 2));
            router = is_followed(scene, router, number, own, &text);
        }
    }
    dies(scene, router, number, own);
    absences
}

/// The workers of a daemon die.
fn a_life(scene: &Scene<'_>, router: &Router, number: u8, own: IpAddr, random: &mut Random) -> Vec<Absence> {
    let (name, vrid) = (virtual_router(number, 200).name, 51 + number);
    router.reaches(name, State::Master);
    let up =
        || router.services().first().is_some_and(|service| service.servers.iter().all(|server| server.up));
    soon("the real server is up", up);
    // The router beside it says by a last advert that it gives way.
    let begun = Instant::now();
    let adverts =
        || senders(scene.capture, vrid, begun).iter().filter(|(_, source, _)| *source == own).count();
    soon("the router adverts", || adverts() > 1);
    let begin = Instant::now();
    let mut changes = AddressChanges::watch(router.host());
    let (mut left, mut absences) = ([(VRRP, DEATHS), (CHECK, DEATHS)], Vec::new());
    while left.iter().any(|(_, deaths)| *deaths > 0) {
        let possible: Vec<usize> = (0..left.len()).filter(|at| left[*at].1 > 0).collect();
        let chosen = *random.pick(&possible).unwrap();
        left[chosen].1 -= 1;
        std::thread::sleep(random.between(Duration::ZERO, INTERVAL * 2));
        absences.push((left[chosen].0, a_death(scene, router, left[chosen].0, (vrid, own))));
    }
    // The state survived exactly, and nobody else took part.
    soon("every death is counted", || {
        router.status().is_some_and(|status| {
            let restarts =
                |worker: Option<steadfast_control::status::Worker>| worker.map(|worker| worker.restarts);
            let deaths = Some(DEATHS.try_into().unwrap());
            (restarts(status.worker), restarts(status.check_worker)) == (deaths, deaths)
        })
    });
    let adverts = senders(scene.capture, vrid, begin);
    let allowed = BACK + SLACK + scene.stalls.longest_since(begin) * STALLS_COUNT;
    assert!(adverts.iter().all(|(_, source, priority)| *source == own && *priority == 200), "{adverts:?}");
    let gap = longest_gap(&adverts);
    assert!(gap < INTERVAL + allowed, "{name}: no advert for {gap:?}, allowed {:?}", INTERVAL + allowed);
    assert_eq!(changes.since_last(), [], "{name}");
    assert_eq!(router.state(name), Some(State::Master));
    assert!(up(), "{:#?}", router.services());
    let lost = |happening: &Happening| {
        matches!(
            happening,
            Happening::Balancing(Balancing::Server { up: false, .. } | Balancing::Quorum { up: false, .. })
        )
    };
    assert!(!router.happened(lost), "{:#?}", router.events());
    absences
}

/// A worker is killed; how long nobody did its work.
#[track_caller]
fn a_death(scene: &Scene<'_>, router: &Router, name: &str, (vrid, own): (u8, IpAddr)) -> Duration {
    let victim = wait::value(LIMIT, || worker(router, name)).expect("a worker runs");
    let killed = Instant::now();
    send(victim, Signal::KILL);
    let found = wait::value(LIMIT, || worker(router, name).filter(|found| *found != victim));
    assert!(found.is_some(), "{name} has no successor:\n{}", router.log_tail());
    let back = if name == VRRP {
        let first = || senders(scene.capture, vrid, killed).into_iter().find(|(_, source, _)| *source == own);
        wait::value(LIMIT, first).expect("the successor adverts").0 - killed
    } else {
        killed.elapsed()
    };
    let allowed = BACK + SLACK + scene.stalls.longest_since(killed) * STALLS_COUNT;
    assert!(back < allowed, "{name} was away for {back:?}, allowed {allowed:?}");
    back
}

/// The supervisor dies, and a service manager starts another: nothing moves.
#[track_caller]
fn is_followed(scene: &Scene<'_>, router: Router, number: u8, own: IpAddr, text: &str) -> Router {
    let Virtual { name, vrid, .. } = virtual_router(number, 200);
    let begin = Instant::now();
    let mut changes = AddressChanges::watch(router.host());
    let next = successor(scene.stage, router, text);
    // Whoever took over adverts.
    let taken_over = Instant::now();
    soon("the router adverts", || senders(scene.capture, vrid, taken_over).len() > 1);
    let adverts = senders(scene.capture, vrid, begin);
    assert!(adverts.iter().all(|(_, source, priority)| *source == own && *priority == 200), "{adverts:?}");
    let allowed = INTERVAL + BACK + SLACK + scene.stalls.longest_since(begin) * STALLS_COUNT;
    let gap = longest_gap(&adverts);
    assert!(gap < allowed, "{name}: no advert for {gap:?}, allowed {allowed:?}");
    assert_eq!(changes.since_last(), [], "{name}");
    assert_eq!(next.state(name), Some(State::Master));
    next
}

/// Kills a supervisor and starts another, which takes its workers over; the other comes back.
#[track_caller]
fn successor(stage: &Stage, mut router: Router, text: &str) -> Router {
    router.signal(Signal::KILL);
    router.wait(LIMIT).unwrap();
    let next = stage.start(router.host(), text);
    soon("the workers are taken over", || next.happened(took_over));
    // Whatever is left of the first one ends with it: nothing is.
    assert_eq!(router.processes().unwrap(), [router.pid()], "{}", next.log_tail());
    next
}

fn took_over(happening: &Happening) -> bool {
    matches!(happening, Happening::TookOver { .. })
}

/// The supervisor dies, and none comes after it: in the end the worker hands over.
#[track_caller]
fn dies(scene: &Scene<'_>, mut router: Router, number: u8, own: IpAddr) {
    let Virtual { name, vrid, addresses, .. } = virtual_router(number, 200);
    let address: IpAddr = addresses[0].split('/').next().unwrap().parse().unwrap();
    let begin = Instant::now();
    router.signal(Signal::KILL);
    router.wait(LIMIT).unwrap();
    soon("the other router has the address", || {
        scene.backup.state(name) == Some(State::Master) && scene.backup.owns(address)
    });
    soon("nothing runs", || router.host().processes().is_ok_and(|processes| processes.is_empty()));
    assert!(!router.owns(address), "{name}");
    let adverts = senders(scene.capture, vrid, begin);
    let taken = adverts.iter().position(|(_, source, _)| *source != own).expect("the other router adverts");
    let later =
        adverts.iter().skip(taken).filter(|(_, source, priority)| *source == own && *priority > 0).count();
    assert!(later <= 1, "{name}: {adverts:?}");
}

#[test]
fn any_process_dies_at_any_moment_two_hundred_times() {
    let Some(stage) = Stage::set("any_process_dies_at_any_moment_two_hundred_times") else { return };
    assert_eq!(KILLS, u32::from(ROUTERS) * LIVES * 2 * u32::try_from(DEATHS).unwrap());
    let hosts: Vec<_> = (1..=ROUTERS).map(|number| stage.host(&format!("r{number}"))).collect();
    let listeners: Vec<_> = hosts
        .iter()
        .map(|host| host.network().run(|| TcpListener::bind(("127.0.0.1", 8080))).unwrap().unwrap())
        .collect();
    let blocks: Vec<Virtual> = (0..ROUTERS).map(|number| virtual_router(number, 100)).collect();
    let blocks: Vec<&dyn std::fmt::Display> = blocks.iter().map(|block| block as _).collect();
    let backup = stage.router("backup", &configuration(&blocks));
    let client = stage.host("client");
    let (capture, stalls) = (Capture::start(&client).unwrap(), Stalls::start().unwrap());
    backup.reaches("V5", State::Master);
    let scene = Scene { stage: &stage, capture: &capture, stalls: &stalls, backup: &backup };
    let begun = Instant::now();
    let absences: Vec<Absence> = std::thread::scope(|scope| {
        let live = |(number, host)| {
            let scene = &scene;
            scope.spawn(move || lives_and_dies(scene, host, number, address_v4(number + 1).into()))
        };
        let threads: Vec<_> = (0..).zip(&hosts).map(live).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    drop(listeners);
    println!(
        "{KILLS} workers killed in {:.1?}, stalls up to {:.1?}",
        begun.elapsed(),
        stalls.longest_since(begun)
    );
    for worker in [VRRP, CHECK] {
        let of_worker = absences.iter().filter(|(name, _)| *name == worker);
        let mut of_worker: Vec<Duration> = of_worker.map(|(_, absence)| *absence).collect();
        of_worker.sort_unstable();
        let (median, longest) = (of_worker[of_worker.len() / 2], of_worker[of_worker.len() - 1]);
        println!("{worker}: away for {median:.1?} in the middle, {longest:.1?} at most");
        assert!(median < BACK + stalls.longest_since(begun), "{worker}: {of_worker:.1?}");
    }
}

#[test]
fn a_supervisor_that_dies_moves_nothing_and_its_successor_goes_on() {
    let test = "a_supervisor_that_dies_moves_nothing_and_its_successor_goes_on";
    let Some(stage) = Stage::set(test) else { return };
    let (one, other, client) = (stage.host("r1"), stage.host("r2"), stage.host("client"));
    let listener = one.network().run(|| TcpListener::bind(("127.0.0.1", 8080))).unwrap().unwrap();
    write_script(&one, "/run/notify", "echo \"$*\" >> /run/notified");
    let text = |priority| {
        let router = Virtual::with_priority(priority).more("notify /run/notify");
        let second = Virtual {
            name: "V2",
            vrid: 52,
            addresses: vec!["10.0.9.10/32"],
            ..Virtual::with_priority(priority)
        };
        configuration(&[&router, &second, &"vrrp_sync_group G {\n group {\n V1\n V2\n }\n}\n"]) + SERVICE
    };
    let first = stage.start(&one, &text(200));
    first.reaches("V1", State::Master);
    let backup = stage.start(&other, &configuration(&[&Virtual::with_priority(100)]));
    first.reaches("V2", State::Master);
    backup.reaches("V1", State::Backup);
    let all_up = |router: &Router| {
        router.services().first().is_some_and(|service| service.servers.iter().all(|server| server.up))
    };
    soon("the real server is up", || all_up(&first));
    let before = first.instance("V1").unwrap();
    let group = |router: &Router| Some(router.status()?.groups.first()?.state);
    soon("the group is master", || group(&first) == Some(State::Master));
    let (capture, stalls) = (Capture::start(&client).unwrap(), Stalls::start().unwrap());
    let pinger = Pinger::start(&client, VIRTUAL, Duration::from_millis(1)).unwrap();
    let mut changes = AddressChanges::watch(&one);
    let begin = Instant::now();
    soon("the router adverts", || senders(&capture, 51, begin).len() > 3);
    let workers = (worker(&first, VRRP), worker(&first, CHECK));
    let notified = text_of(&one, "/run/notified");

    let second = successor(&stage, first, &text(200));
    let (vrrp, check) = (worker(&second, VRRP), worker(&second, CHECK));
    assert!(vrrp.is_some() && check.is_some() && vrrp != workers.0 && check != workers.1);
    let after = second.instance("V1").unwrap();
    assert_eq!((after.state, after.causes), (before.state, before.causes));
    assert!(after.counters["adverts_sent"] > before.counters["adverts_sent"]);
    assert_eq!(group(&second), Some(State::Master));
    soon("the real server is up", || all_up(&second));
    let down = |happening: &Happening| matches!(happening, Happening::Balancing(Balancing::Server { .. }));
    assert!(!second.happened(down), "{:#?}", second.events());
    assert_eq!(text_of(&one, "/run/notified"), notified, "nobody is told anything");

    // One after the other, too.
    let third = successor(&stage, second, &text(200));
    let taken_over = Instant::now();
    soon("the router adverts", || senders(&capture, 51, taken_over).len() > 3);
    let own = IpAddr::from(address_v4(1));
    let adverts = senders(&capture, 51, begin);
    assert!(adverts.iter().all(|(_, source, priority)| *source == own && *priority == 200), "{adverts:?}");
    let allowed = INTERVAL + BACK + SLACK + stalls.longest_since(begin) * STALLS_COUNT;
    let gap = longest_gap(&adverts);
    assert!(gap < allowed, "no advert for {gap:?}, allowed {allowed:?}");
    assert_eq!(changes.since_last(), []);
    let outage = pinger.longest_outage_since(begin);
    let allowed = SLACK + stalls.longest_since(begin) * STALLS_COUNT;
    assert!(outage < allowed, "no answer for {outage:?}, allowed {allowed:?}");
    assert_eq!(backup.counter("V1", "became_master"), Some(0));
    assert_eq!(third.state("V1"), Some(State::Master));
    drop(listener);
}

/// The file can have changed meanwhile.
#[test]
fn a_successor_of_the_supervisor_follows_the_file() {
    let Some(stage) = Stage::set("a_successor_of_the_supervisor_follows_the_file") else { return };
    let host = stage.host("r1");
    let more =
        Virtual { name: "V2", vrid: 52, addresses: vec!["10.0.9.10/32"], ..Virtual::with_priority(200) };
    let own = Virtual { addresses: vec!["10.0.9.9/32", "10.0.9.11/32"], ..Virtual::with_priority(200) };
    let first = stage.start(&host, &configuration(&[&own, &more]));
    let addresses: Vec<IpAddr> =
        [9, 10, 11, 12].map(|last| IpAddr::from([10, 0, 9, last])).into_iter().collect();
    let owned = || addresses.iter().map(|address| host.has(*address)).collect::<Vec<_>>();
    soon("all are there", || owned() == [true, true, true, false]);
    let mut changes = AddressChanges::watch(&host);
    let own = Virtual { addresses: vec!["10.0.9.9/32", "10.0.9.12/32"], ..Virtual::with_priority(180) };
    let second = successor(&stage, first, &configuration(&[&own]));
    soon("the others are there", || owned() == [true, false, false, true]);
    let changed = changes.since_last();
    assert!(!changed.iter().any(|(_, address)| *address == VIRTUAL), "{changed:?}");
    assert_eq!(second.status().unwrap().instances.len(), 1);
    assert_eq!(second.instance("V1").unwrap().effective_priority, 180);
}

/// RFC 9568 section 6.4.3: who shuts down says so, whoever it is told by.
#[test]
fn an_instance_that_the_next_file_has_no_more_gives_up_in_order() {
    let test = "an_instance_that_the_next_file_has_no_more_gives_up_in_order";
    let Some(stage) = Stage::set(test) else { return };
    let more = |priority| Virtual {
        name: "V2",
        vrid: 52,
        addresses: vec!["10.0.9.10/32"],
        ..Virtual::with_priority(priority)
    };
    let first = stage.router("r1", &configuration(&[&Virtual::with_priority(200), &more(200)]));
    let peer = stage.router("r2", &configuration(&[&more(100)]));
    let client = stage.host("client");
    first.reaches("V2", State::Master);
    peer.reaches("V2", State::Backup);
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    let second = successor(&stage, first, &simple(200));
    soon("the peer has its addresses", || peer.state("V2") == Some(State::Master));
    soon("they are gone here", || !second.host().has([10, 0, 9, 10].into()));
    let own = IpAddr::from(address_v4(1));
    let last = senders(&capture, 52, begin).into_iter().rfind(|(_, source, _)| *source == own);
    assert_eq!(last.expect("it said something").2, 0);
    // The other one goes on, and nothing but the end of the first was told of it.
    assert!(senders(&capture, 51, begin).iter().all(|(_, _, priority)| *priority == 200));
    assert_eq!(second.state("V1"), Some(State::Master));
    assert!(second.logged("(V2) Stopping", LIMIT), "{}", second.log_tail());
}

/// The next daemon has the same file, and balances load only: whoever ran the virtual routers gives them up.
#[test]
fn virtual_routers_that_the_next_daemon_leaves_out_are_given_up_in_order() {
    let test = "virtual_routers_that_the_next_daemon_leaves_out_are_given_up_in_order";
    let Some(stage) = Stage::set(test) else { return };
    let (host, client) = (stage.host("r1"), stage.host("client"));
    let text = simple(200) + SERVICE;
    let mut first = stage.start(&host, &text);
    let peer = stage.router("r2", &simple(100));
    first.reaches("V1", State::Master);
    peer.reaches("V1", State::Backup);
    soon("both workers run", || worker(&first, CHECK).is_some() && host.has(VIRTUAL));
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    first.signal(Signal::KILL);
    first.wait(LIMIT).unwrap();
    let second = stage.start_with(&host, &text, |command| {
        command.arg("-C");
    });
    soon("the workers are taken over", || second.happened(took_over));
    soon("the address is gone", || !host.has(VIRTUAL));
    soon("the peer has it", || peer.owns(VIRTUAL) && peer.state("V1") == Some(State::Master));
    let own = IpAddr::from(address_v4(1));
    let last = senders(&capture, 51, begin).into_iter().rfind(|(_, source, _)| *source == own);
    assert_eq!(last.expect("it said something").2, 0);
    assert!(second.logged("(V1) Stopping", LIMIT), "{}", second.log_tail());
}

/// Nobody configures it any more, and nobody else would take its address away.
#[test]
fn an_instance_that_hands_over_when_the_supervisor_dies_leaves_no_address() {
    let test = "an_instance_that_hands_over_when_the_supervisor_dies_leaves_no_address";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("r1");
    let own = Virtual::with_priority(200);
    // Slow enough that a supervisor comes after the one that died before the hand-over is at its end.
    let slow = Virtual {
        name: "V2",
        vrid: 52,
        interval: "3",
        addresses: vec!["10.0.9.10/32"],
        ..Virtual::with_priority(100)
    };
    let new = Virtual { name: "V3", vrid: 53, addresses: vec!["10.0.9.11/32"], ..own.clone() };
    let address = IpAddr::from([10, 0, 9, 10]);
    let first = stage.start(&host, &configuration(&[&own, &slow]));
    first.reaches("V2", State::Master);
    soon("it has its address", || host.has(address));
    first.reload(&configuration(&[&own]));
    let second = successor(&stage, first, &configuration(&[&own, &new]));
    soon("the address is gone", || !host.has(address));
    // The new one has not come by its number.
    second.reaches("V3", State::Master);
    second.tells(|happening| match happening {
        Happening::InstanceState { instance, to: State::Master, .. } => &**instance == "V3",
        _ => false,
    });
    assert_eq!(second.state("V1"), Some(State::Master));
}

/// A backup takes over while it has no supervisor: its scripts are run by the next one.
#[test]
fn what_happens_while_there_is_no_supervisor_is_told_by_the_next() {
    let test = "what_happens_while_there_is_no_supervisor_is_told_by_the_next";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("r2");
    write_script(&host, "/run/notify", "echo \"$*\" >> /run/notified");
    let text = configuration(&[&Virtual::with_priority(100).more("notify /run/notify")]);
    let master = stage.router("r1", &simple(200));
    master.reaches("V1", State::Master);
    let mut first = stage.start(&host, &text);
    first.reaches("V1", State::Backup);
    first.signal(Signal::KILL);
    first.wait(LIMIT).unwrap();
    master.signal_all(Signal::KILL).unwrap();
    soon("the backup has the address", || host.has(VIRTUAL));
    assert!(!text_of(&host, "/run/notified").contains("MASTER"));
    let second = stage.start(&host, &text);
    soon("the workers are taken over", || second.happened(took_over));
    soon("the script is run", || text_of(&host, "/run/notified").contains("INSTANCE V1 MASTER 100"));
    let begun =
        |happening: &Happening| matches!(happening, Happening::InstanceState { to: State::Master, .. });
    assert!(second.happened(begun), "{:#?}", second.events());
    assert_eq!(second.state("V1"), Some(State::Master));
}

/// Then there is nobody to go on with: an ordinary start.
#[test]
fn a_daemon_of_which_supervisor_and_worker_die_at_once_begins_anew() {
    let test = "a_daemon_of_which_supervisor_and_worker_die_at_once_begins_anew";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("r1");
    let mut first = stage.start(&host, &(simple(200) + SERVICE));
    first.reaches("V1", State::Master);
    let (vrrp, check) =
        (worker(&first, VRRP).unwrap(), wait::value(LIMIT, || worker(&first, CHECK)).unwrap());
    first.signal(Signal::STOP);
    send(vrrp, Signal::KILL);
    first.signal(Signal::KILL);
    first.wait(LIMIT).unwrap();
    let second = stage.start(&host, &(simple(200) + SERVICE));
    // The other worker is taken over all the same.
    soon("it is taken over", || second.happened(took_over));
    let ended = |pid: u32| !std::path::Path::new(&format!("/proc/{pid}/fd/0")).exists();
    assert!(ended(check));
    second.reaches("V1", State::Master);
    let begun =
        |happening: &Happening| matches!(happening, Happening::InstanceState { to: State::Master, .. });
    assert!(second.happened(begun), "{:#?}", second.events());
}

/// A process whose first thread has ended and another has not is what every killed daemon is for a moment. It holds the locks of
/// its pid files until the last thread ends.
#[test]
fn a_daemon_that_is_ending_keeps_no_other_from_starting() {
    const DYING: &str = "
import ctypes, fcntl, os, struct, sys, threading, time
file = open('/run/steadfast/v.pid', 'w')
F_OFD_SETLK, SYS_EXIT = 37, 60
fcntl.fcntl(file, F_OFD_SETLK, struct.pack('hhqqi4x', fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
print(os.getpid(), file=file, flush=True)
threading.Thread(target=time.sleep, args=(1000,)).start()
ctypes.CDLL(None).syscall(SYS_EXIT, 0)
";
    let Some(stage) = Stage::set("a_daemon_that_is_ending_keeps_no_other_from_starting") else { return };
    let host = stage.host("r1");
    host.write("/run/steadfast/dying.py", DYING).unwrap();
    let mut dying = host.spawn(Command::new("python3").arg("/run/steadfast/dying.py")).unwrap();
    soon("its first thread has ended", || state_of(dying.id()) == Some('Z'));
    let router = stage.start(&host, &simple(200));
    let files = format!("/proc/{}/fd", router.pid());
    soon("it waits for the end", || {
        let files = std::fs::read_dir(&files).into_iter().flatten().flatten();
        let mut links = files.filter_map(|file| std::fs::read_link(file.path()).ok());
        links.any(|link| link.to_string_lossy().contains("pidfd"))
    });
    dying.kill().unwrap();
    dying.wait().unwrap();
    router.reaches("V1", State::Master);
}

/// A worker that hangs when it is called does not keep the next daemon from its work.
#[test]
fn a_worker_that_does_not_answer_a_new_supervisor_is_ended() {
    let test = "a_worker_that_does_not_answer_a_new_supervisor_is_ended";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("r1");
    let mut first = stage.start(&host, &simple(200));
    first.reaches("V1", State::Master);
    let hung = first.worker();
    first.signal(Signal::KILL);
    first.wait(LIMIT).unwrap();
    // Not before: the kernel lets processes go on that the end of their parent leaves halted.
    send(hung, Signal::STOP);
    let second = stage.start(&host, &simple(200));
    second.reaches("V1", State::Master);
    assert_ne!(second.worker(), hung);
    assert!(!second.happened(took_over));
}

/// A memory control group of this machine, of version 2 or 1.
struct Group {
    folder: std::path::PathBuf,
    limit: &'static str,
    used: &'static str,
    /// Has a line `oom_kill COUNT`.
    events: &'static str,
}

impl Group {
    /// None where the machine lets nobody make one.
    fn make() -> Option<Self> {
        let name = format!("steadfast-{}", std::process::id());
        let kinds = [
            ("/sys/fs/cgroup", "memory.max", "memory.current", "memory.events"),
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.oom_control"),
        ];
        kinds.into_iter().find_map(|(root, limit, used, events)| {
            let group = Self { folder: std::path::Path::new(root).join(&name), limit, used, events };
            std::fs::create_dir(&group.folder).ok()?;
            // A group of version 2 has this file only where its parent hands memory on. What could be swapped out costs nobody
            // anything.
            let there = group.folder.join(limit).exists();
            let _ = std::fs::write(group.folder.join("memory.swap.max"), "0");
            let _ = std::fs::write(group.folder.join("memory.swappiness"), "0");
            there.then_some(group)
        })
    }

    fn write(&self, file: &str, value: u64) {
        std::fs::write(self.folder.join(file), value.to_string()).unwrap();
    }

    /// Whether the kernel has killed a process of it for want of memory.
    fn has_killed(&self) -> bool {
        let events = std::fs::read_to_string(self.folder.join(self.events)).unwrap();
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.is_some_and(|count| count.trim() != "0")
    }

    fn used(&self) -> u64 {
        std::fs::read_to_string(self.folder.join(self.used)).unwrap().trim().parse().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What is left in it ends with the host, which was made before and goes later.
        let ended = || std::fs::remove_dir(&self.folder).is_ok();
        let _ = wait::until(LIMIT, ended);
    }
}

/// Octets that are left to all in the group.
const LEFT: u64 = 2 * 1024 * 1024;
/// No limit, where a group has it as a number.
const UNLIMITED: u64 = 1 << 40;
/// First memory that nobody can be killed for, so that the limit is large beside what processes have; then ever more, slowly,
/// so that the limit can be lifted before a second one is killed.
const HOG: &str = "until [ -e /run/begin ]; do sleep 0.05; done
head -c 32M /dev/zero > /run/ballast
touch /run/begun
until [ -e /run/on ]; do sleep 0.05; done
while sleep 0.05; do head -c 128K /dev/zero >> /run/ballast; done";

#[test]
fn memory_that_runs_out_costs_the_check_worker_and_no_advert() {
    let test = "memory_that_runs_out_costs_the_check_worker_and_no_advert";
    let Some(stage) = Stage::set(test) else { return };
    let Some(group) = Group::make() else {
        return left_out(test, "no memory control group can be made here");
    };
    let host = stage.host("r1");
    let router = stage.start(&host, &(simple(200) + SERVICE));
    // What they use from here on counts, and all that comes from them.
    group.write("cgroup.procs", router.pid().into());
    router.reaches("V1", State::Master);
    let processes = || (router.pid(), worker(&router, VRRP), worker(&router, CHECK));
    soon("both workers run", || processes().1.is_some() && processes().2.is_some());
    // Successors begin in the group, as the supervisor is.
    for name in [CHECK, VRRP] {
        let before = worker(&router, name);
        send(before.unwrap(), Signal::KILL);
        soon("it has a successor", || worker(&router, name).is_some_and(|found| Some(found) != before));
    }
    soon("both work", || {
        router.status().is_some_and(|status| {
            let responsive = |worker: Option<steadfast_control::status::Worker>| {
                worker.is_some_and(|worker| worker.responsive)
            };
            responsive(status.worker) && responsive(status.check_worker)
        })
    });
    let client = stage.host("client");
    let (capture, stalls) = (Capture::start(&client).unwrap(), Stalls::start().unwrap());
    let (supervisor, vrrp, check) = processes();
    let begin = Instant::now();
    soon("the router adverts", || senders(&capture, 51, begin).len() > 3);

    write_script(&host, "/run/hog", HOG);
    let mut hog = host.spawn(&mut Command::new("/run/hog")).unwrap();
    group.write("cgroup.procs", hog.id().into());
    host.write("/run/begin", "").unwrap();
    soon("memory is used", || host.read("/run/begun").is_ok());
    group.write(group.limit, group.used() + LEFT);
    host.write("/run/on", "").unwrap();
    // Without a pause: a successor that finds no memory either is another case.
    let limited = Instant::now();
    while !group.has_killed() {
        assert!(limited.elapsed() < LIMIT, "nothing was killed\n{}", router.log_tail());
    }
    group.write(group.limit, UNLIMITED);
    soon("the check worker is killed", || worker(&router, CHECK) != check);
    let _ = hog.kill();
    let _ = hog.wait();
    soon("it has a successor", || worker(&router, CHECK).is_some());
    assert_eq!((router.pid(), worker(&router, VRRP)), (supervisor, vrrp), "{}", router.log_tail());
    assert!(router.owns(VIRTUAL));
    let adverts = senders(&capture, 51, begin);
    let (gap, allowed) =
        (longest_gap(&adverts), INTERVAL + SLACK + stalls.longest_since(begin) * STALLS_COUNT);
    assert!(gap < allowed, "no advert for {gap:?}, allowed {allowed:?}");
    let told = |router: &Router| {
        router.happened(|happening| {
            matches!(happening, Happening::WorkerDied { worker: steadfast_control::event::Worker::Check, .. })
        })
    };
    assert!(wait::until(LIMIT, || told(&router)), "{}\n{:?}", router.log_tail(), router.events());
}
