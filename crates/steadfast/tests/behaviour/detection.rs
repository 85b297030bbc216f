//! `fast_detection`: a master that dies is replaced long before its adverts are missed, and nobody else is.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use steadfast_control::event::Happening;
use steadfast_lab::Signal;
use steadfast_lab::capture::Capture;
use steadfast_lab::segment::address_v4;
use steadfast_vrrp::{Cause, State};

use crate::stage::{
    Router, SLACK, Stage, VIRTUAL, Virtual, configuration, send, senders, soon, with_globals,
};

/// Silence that makes a master dead, as the option has it without words: 15 ms, three times.
const DETECTION: Duration = Duration::from_millis(45);
/// At 1 s a backup without sessions waits for more than three.
const SLOW: &str = "1";
/// Virtual routers of one pair.
const ROUTERS: u8 = 20;

fn slow(priority: u8) -> Virtual {
    Virtual { interval: SLOW, ..Virtual::with_priority(priority) }
}

fn many(priority: u8) -> String {
    let router = |number: u8| {
        format!(
            "vrrp_instance V{number} {{\n state BACKUP\n interface eth0\n virtual_router_id {number}\n priority \
             {priority}\n advert_int 1\n virtual_ipaddress {{\n 10.0.9.{number}/32\n }}\n}}\n"
        )
    };
    let routers: String = (1..=ROUTERS).map(router).collect();
    with_globals("vrrp_version 3\nfast_detection", &[&routers])
}

/// Peer and state of each session that nobody configured.
fn watched(router: &Router) -> Vec<(IpAddr, String)> {
    let sessions = router.status().map(|status| status.sessions).unwrap_or_default();
    let made = sessions.into_iter().filter(|session| session.name.starts_with("fast_detection"));
    made.map(|session| (session.peer, session.state)).collect()
}

fn watch_each_other(routers: [&Router; 2], addresses: [IpAddr; 2]) {
    let [first, second] = addresses;
    soon("the backup watches over its master, once", || watched(routers[1]) == [(first, "Up".to_owned())]);
    soon("the master knows of it", || watched(routers[0]) == [(second, "Up".to_owned())]);
}

fn watch_told(happening: &Happening, after: &str) -> bool {
    match happening {
        Happening::SessionState { session, to, .. } => {
            (&**session, to.name()) == ("fast_detection eth0", after)
        }
        _ => false,
    }
}

fn of_death(router: &Router, instance: &str) -> bool {
    router.happened(|happening| match happening {
        Happening::InstanceState { instance: name, to: State::Master, causes, .. } => {
            &**name == instance && causes.iter().any(|cause| matches!(cause, Cause::MasterDead { .. }))
        }
        _ => false,
    })
}

#[test]
fn every_router_of_a_dead_master_moves_at_once_by_one_session() {
    let Some(stage) = Stage::set("every_router_of_a_dead_master_moves_at_once_by_one_session") else {
        return;
    };
    let first = stage.router("r1", &many(200));
    let second = stage.router("r2", &many(100));
    let client = stage.host("client");
    let addresses = [1, 2].map(|number| IpAddr::from(address_v4(number)));
    let last = format!("V{ROUTERS}");
    first.reaches(&last, State::Master);
    second.reaches(&last, State::Backup);
    watch_each_other([&first, &second], addresses);

    soon("the backup tells when its watch begins", || {
        second.happened(|happening| watch_told(happening, "Up"))
    });

    let capture = Capture::start(&client).unwrap();
    let cut = Instant::now();
    stage.segment.isolate(first.host()).unwrap();
    let took_over = |vrid: u8| {
        let adverts = senders(&capture, vrid, cut);
        adverts.into_iter().find(|(_, source, _)| *source == addresses[1]).map(|(at, ..)| at - cut)
    };
    soon("all are taken over", || (1..=ROUTERS).all(|vrid| took_over(vrid).is_some()));
    let longest = (1..=ROUTERS).filter_map(took_over).max().unwrap();
    println!("{ROUTERS} virtual routers moved within {longest:?}");
    assert!(longest < DETECTION + SLACK, "{longest:?}");
    soon("it is told", || of_death(&second, "V1") && of_death(&second, &last));
    let recorded = |happening: &Happening| match happening {
        Happening::RecordSaved { reason, .. } => reason.contains("Entering MASTER STATE"),
        _ => false,
    };
    soon("nobody planned it: it is recorded", || second.happened(recorded));
    soon("and how the watch ended", || {
        second.happened(|happening| {
            watch_told(happening, "Down") && happening.message().contains("control detection time expired")
        })
    });

    // Back again: the better router takes its addresses, and its peer watches over it anew.
    stage.segment.rejoin(first.host()).unwrap();
    second.reaches(&last, State::Backup);
    watch_each_other([&first, &second], addresses);
}

#[test]
fn what_happens_on_purpose_is_no_death() {
    let Some(stage) = Stage::set("what_happens_on_purpose_is_no_death") else { return };
    let with = |priority: u8, more: &str| {
        configuration(&[&slow(priority).more(&format!("fast_detection 100 3\n{more}"))])
    };
    let mut first = stage.router("r1", &with(200, ""));
    let second = stage.router("r2", &with(100, ""));
    let addresses = [1, 2].map(|number| IpAddr::from(address_v4(number)));
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    watch_each_other([&first, &second], addresses);

    send(first.worker(), Signal::KILL);
    let lives_again = |router: &Router| {
        let worker = router.status().and_then(|status| status.worker);
        worker.is_some_and(|worker| worker.restarts == 1 && worker.responsive)
    };
    soon("a successor of the master goes on", || lives_again(&first));
    send(second.worker(), Signal::KILL);
    soon("a successor of the backup goes on", || lives_again(&second));
    watch_each_other([&first, &second], addresses);
    first.reload(&with(200, "garp_master_refresh 60\n"));
    second.reload(&configuration(&[&slow(100).more("fast_detection 200 3")]));
    watch_each_other([&first, &second], addresses);
    assert_eq!(second.counter("V1", "became_master"), Some(0), "{:#?}", second.events());

    // Without the option there is no session, and that is on purpose too.
    first.reload(&configuration(&[&slow(200)]));
    soon("nobody watches", || watched(&first).is_empty());
    soon("the backup knows", || watched(&second).iter().all(|(_, state)| state != "Up"));
    assert_eq!(second.counter("V1", "became_master"), Some(0), "{:#?}", second.events());
    first.reload(&with(200, ""));
    watch_each_other([&first, &second], addresses);

    first.stop(crate::stage::LIMIT).unwrap();
    second.reaches("V1", State::Master);
    assert!(!of_death(&second, "V1"), "{:#?}", second.events());
    soon("it owns the address", || second.owns(VIRTUAL));
}

#[test]
fn a_master_that_knows_no_sessions_is_left_to_its_adverts() {
    let Some(stage) = Stage::set("a_master_that_knows_no_sessions_is_left_to_its_adverts") else { return };
    let first = stage.router("r1", &configuration(&[&Virtual::with_priority(200)]));
    let second =
        stage.router("r2", &configuration(&[&Virtual::with_priority(100).more("fast_detection 10")]));
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    let first_address = IpAddr::from(address_v4(1));
    soon("it asks", || watched(&second) == [(first_address, "Down".to_owned())]);
    let told = |happening: &Happening| {
        matches!(happening, Happening::SessionState { .. } | Happening::SessionDropped { .. })
    };
    assert!(!second.happened(told), "{:#?}", second.events());
    assert_eq!(watched(&first), []);
    first.signal_all(Signal::KILL).unwrap();
    second.reaches("V1", State::Master);
    assert!(!of_death(&second, "V1"), "{:#?}", second.events());
}

/// Over IPv6, and between single peers.
#[test]
fn other_transports_are_watched_as_well() {
    let Some(stage) = Stage::set("other_transports_are_watched_as_well") else { return };
    let blocks = |number: u8, priority: u8| {
        let unicast = slow(priority)
            .more(&format!("unicast_peer {{\n{}\n}}\nfast_detection 20 3", address_v4(3 - number)));
        let v6 =
            Virtual { name: "V6", vrid: 52, addresses: vec!["fe80::9/64", "fd00::9/64"], ..slow(priority) };
        configuration(&[&unicast, &v6.more("fast_detection 20 3")])
    };
    let first = stage.router("r1", &blocks(1, 200));
    let second = stage.router("r2", &blocks(2, 100));
    for name in ["V1", "V6"] {
        first.reaches(name, State::Master);
        second.reaches(name, State::Backup);
    }
    let up = |router: &Router| watched(router).iter().filter(|(_, state)| state == "Up").count();
    soon("both pairs of addresses are watched", || up(&first) == 2 && up(&second) == 2);
    let cut = Instant::now();
    stage.segment.cut(first.host()).unwrap();
    for name in ["V1", "V6"] {
        second.reaches(name, State::Master);
        soon("the death is told as the cause", || of_death(&second, name));
    }
    assert!(cut.elapsed() < Duration::from_secs(3), "{:?}", cut.elapsed());
}
