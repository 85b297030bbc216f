//! Virtual routers that follow sessions.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use steadfast_lab::capture::Capture;
use steadfast_lab::frr::{self, Bfd};
use steadfast_lab::{Daemon, Host, Program, Segment, Signal, permission, wait};
use steadfast_vrrp::State;
use steadfast_wire::vrrp::Vrid;

use crate::{LIMIT, SLACK, TIMERS, instance, v4};

/// The address of the virtual router.
const VIRTUAL: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 9, 9));
/// Detection time of the sessions here: three packets at 50 ms.
const DETECTION: Duration = Duration::from_millis(150);
/// Slow, so that only a session can be quick.
const INTERVAL: Duration = Duration::from_secs(1);

/// A virtual router; `more` is what stands in it besides.
fn router(name: &str, vrid: u8, priority: u8, more: &str) -> String {
    format!(
        "vrrp_instance {name} {{\n state BACKUP\n interface eth0\n virtual_router_id {vrid}\n version 3\n priority \
         {priority}\n advert_int 1\n virtual_ipaddress {{\n 10.0.9.{vrid}/32\n }}\n{more}}}\n"
    )
}

/// FRR's bfdd at the uplink, with a session to the first host.
fn uplink(host: &Arc<Host>) -> Bfd {
    Bfd::start(host, &format!(" peer {} interface eth0\n{TIMERS}", v4(1))).unwrap()
}

fn state(daemon: &Daemon, name: &str) -> Option<State> {
    let client = steadfast_control::client::Client::connect(&daemon.host().outside("/run/steadfast/k.sock"));
    let status = client.ok()?.status().ok()?;
    status.instances.into_iter().find(|instance| &*instance.name == name).map(|instance| instance.state)
}

/// The master's uplink dies: its address is at the backup after the detection time and the backup's skew time, long
/// before the backup could have missed an advert. A worker's death and a reload leave it where it is.
#[test]
fn an_address_moves_when_frr_at_the_uplink_dies() {
    let test = "an_address_moves_when_frr_at_the_uplink_dies";
    if !permission::lab_possible(test) || !frr::Router::installed(test) {
        return;
    }
    let Some(program) = Program::steadfast(test) else { return };
    let segment = Segment::new().unwrap();
    let [first, second, up] = ["first", "second", "uplink"].map(|name| segment.host(name).unwrap());
    let bfdd = uplink(&up);
    let track = " track_bfd {\n uplink\n }\n";
    let text = |more: &str| instance("uplink", v4(3), "") + &router("V1", 9, 150, track) + more;
    let master = Daemon::start(&first, &program, &text("")).unwrap();
    let _backup = Daemon::start(&second, &program, &router("V1", 9, 100, "")).unwrap();
    let settled = || first.has(VIRTUAL) && !second.has(VIRTUAL);
    assert!(wait::until(LIMIT, settled), "{}", master.log_tail());

    // An instance that begins to follow a session that is up does not fall.
    let group = " vrrp_sync_group G {\n group {\n V1\n V2\n }\n track_bfd {\n uplink\n }\n}\n";
    let also = router("V2", 8, 150, "");
    master.configure(&text(&format!("{also}{group}"))).unwrap();
    master.signal(Signal::HUP);
    assert!(wait::until(LIMIT, || state(&master, "V2") == Some(State::Master)), "{}", master.log_tail());
    // Nor one whose worker died.
    let worker = master.vrrp_worker().unwrap();
    assert!(Command::new("kill").args(["-9", &worker.to_string()]).status().unwrap().success());
    assert!(wait::until(LIMIT, || master.vrrp_worker().is_some_and(|now| now != worker)));
    assert!(wait::until(LIMIT, || state(&master, "V1") == Some(State::Master)));
    assert!(!master.log().contains("FAULT STATE (priority 150): BFD"), "{}", master.log());

    let died = Instant::now();
    bfdd.bfdd().signal(Signal::KILL);
    assert!(wait::until(LIMIT, || second.has(VIRTUAL)), "{}", master.log_tail());
    let took = died.elapsed();
    let skew = INTERVAL * (256 - 100) / 256;
    assert!(took < DETECTION + skew + SLACK && took < INTERVAL * 3, "{took:?}");
    assert!(wait::until(LIMIT, || !first.has(VIRTUAL)));
    for name in ["V1", "V2"] {
        assert!(wait::until(LIMIT, || state(&master, name) == Some(State::Fault)), "{}", master.log_tail());
    }
    for sentence in [
        "(V1) Entering FAULT STATE (priority 150): BFD session uplink is down",
        "BFD_Instance(uplink) tells its followers that the path to 10.0.0.3 is broken",
    ] {
        assert!(master.logged(sentence, LIMIT), "{sentence}\n{}", master.log_tail());
    }

    drop(bfdd);
    let _again = uplink(&up);
    assert!(wait::until(LIMIT, settled), "{}", master.log_tail());
}

/// A line of `track_bfd`, and the priorities that it makes of 100 while the session is down and while it is up; nothing
/// for FAULT.
type Case = (&'static str, Option<u8>, Option<u8>);

const WEIGHTS: [Case; 9] = [
    ("B weight 30", Some(100), Some(130)),
    ("B weight -40", Some(60), Some(100)),
    ("B weight 20 reverse", Some(100), Some(80)),
    ("B weight -20 reverse", Some(120), Some(100)),
    ("B weight 0", None, Some(100)),
    ("B weight 0 reverse", Some(100), None),
    // As the sessions themselves have it, unless the line says otherwise.
    ("C", Some(100), Some(130)),
    ("D", Some(100), Some(80)),
    ("D weight 20 noreverse", Some(100), Some(120)),
];

/// Weights do on the wire what they do with keepalived, from before the session was ever up.
#[test]
fn a_session_moves_the_priority_as_it_does_with_keepalived() {
    let test = "a_session_moves_the_priority_as_it_does_with_keepalived";
    if !permission::lab_possible(test) {
        return;
    }
    let (Some(ours), Some(keepalived)) = (Program::steadfast(test), Program::keepalived(test)) else {
        return;
    };
    for program in [&keepalived, &ours] {
        let segment = Segment::new().unwrap();
        let [host, peers @ ..] = ["host", "b", "c", "d"].map(|name| segment.host(name).unwrap());
        let capture = Capture::start(&host).unwrap();
        let mut text = String::from("global_defs {\n vrrp_garp_master_delay 1\n}\n")
            + &instance("B", v4(2), "")
            + &instance("C", v4(3), " weight 30\n")
            + &instance("D", v4(4), " weight 20 reverse\n");
        for (vrid, (line, ..)) in (1..).zip(WEIGHTS) {
            let more = format!(" track_bfd {{\n {line}\n }}\n");
            text += &router(&format!("V{vrid}"), vrid, 100, &more).replace("advert_int 1", "advert_int 0.1");
        }
        let daemon = Daemon::start(&host, program, &text).unwrap();
        let expect = |when: &str, of: fn(&Case) -> Option<u8>| {
            let since = Instant::now();
            for (vrid, case) in (1..).zip(&WEIGHTS) {
                let told = || {
                    let adverts = capture.adverts(Vrid::new(vrid).unwrap(), since);
                    adverts.last().map(|(_, advert)| advert.priority.get())
                };
                let reached = wait::until(LIMIT, || match of(case) {
                    Some(priority) => told() == Some(priority),
                    None => since.elapsed() > Duration::from_secs(1) && matches!(told(), None | Some(0)),
                });
                assert!(
                    reached,
                    "{}, {when}: {}: {:?}\n{}",
                    program.name(),
                    case.0,
                    told(),
                    daemon.log_tail()
                );
            }
        };
        expect("never up", |case| case.1);
        let others = peers.map(|peer| Daemon::start(&peer, &ours, &instance("there", v4(1), "")).unwrap());
        expect("up", |case| case.2);
        others.iter().for_each(|other| other.signal_all(Signal::KILL).unwrap());
        expect("down again", |case| case.1);
    }
}
