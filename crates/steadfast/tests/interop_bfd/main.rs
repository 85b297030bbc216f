//! BFD sessions of our daemon with FRR's bfdd, BIRD, keepalived and itself.

#![cfg(test)]

mod authentication;
mod daily;
mod documented;
mod echo;
mod following;
mod hops;
mod rarer;

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use steadfast_control::client::Client;
use steadfast_control::status::Session;
use steadfast_lab::frr::Bfd;
use steadfast_lab::segment::{address_v4, address_v6};
use steadfast_lab::{Daemon, Host, Program, Segment, permission, wait};

const LIMIT: Duration = Duration::from_secs(15);
/// What a busy machine may add to a detection time.
const SLACK: Duration = Duration::from_millis(250);

/// Two hosts, the first ours.
struct Pair {
    segment: Segment,
    ours: Arc<Host>,
    theirs: Arc<Host>,
    program: Program,
}

fn v4(number: u8) -> IpAddr {
    address_v4(number).into()
}

fn v6(number: u8) -> IpAddr {
    address_v6(number).into()
}

/// 50 ms and three packets, for a peer of FRR's bfdd.
const TIMERS: &str =
    "  detect-multiplier 3\n  receive-interval 50\n  transmit-interval 50\n  no shutdown\n !\n";

/// 50 ms, three packets, and what differs.
fn instance(name: &str, neighbor: IpAddr, more: &str) -> String {
    format!(
        "bfd_instance {name} {{\n neighbor_ip {neighbor}\n min_rx 50\n min_tx 50\n multiplier 3\n{more}}}\n"
    )
}

impl Pair {
    /// None, with a line that says so, where no lab is possible.
    fn set(test: &str) -> Option<Self> {
        let program = Program::steadfast(test).filter(|_| permission::lab_possible(test))?;
        let segment = Segment::new().unwrap();
        let [ours, theirs] = ["ours", "theirs"].map(|name| segment.host(name).unwrap());
        Some(Self { segment, ours, theirs, program })
    }

    fn start(&self, configuration: &str) -> Daemon {
        Daemon::start(&self.ours, &self.program, configuration).unwrap()
    }
}

fn sessions(daemon: &Daemon) -> Vec<Session> {
    let client = Client::connect(&daemon.host().outside("/run/steadfast/k.sock")).ok();
    client.and_then(|mut client| client.status().ok()).map(|status| status.sessions).unwrap_or_default()
}

fn await_state(daemon: &Daemon, state: &str) -> Vec<Session> {
    let reached = wait::value(LIMIT, || {
        let sessions = sessions(daemon);
        let all = !sessions.is_empty() && sessions.iter().all(|session| session.state == state);
        all.then_some(sessions)
    });
    reached.unwrap_or_else(|| panic!("not {state}: {:#?}\n{}", sessions(daemon), daemon.log_tail()))
}

/// Up at the intervals of both, down in the detection time after a fault of the path that no carrier tells, and up again.
fn comes_goes_and_comes_back(pair: &Pair, daemon: &Daemon, interval_ms: u64) {
    for session in await_state(daemon, "Up") {
        let agreed = wait::until(LIMIT, || {
            let told = sessions(daemon).into_iter().find(|told| told.name == session.name);
            told.is_some_and(|told| {
                told.transmit_microseconds == Some(interval_ms * 1_000)
                    && told.receive_microseconds == Some(interval_ms * 1_000)
                    && told.detection_microseconds == Some(interval_ms * 3_000)
            })
        });
        assert!(agreed, "{:#?}", sessions(daemon));
    }
    let lost = Instant::now();
    pair.segment.isolate(&pair.theirs).unwrap();
    let down = await_state(daemon, "Down");
    let took = lost.elapsed();
    assert!(took < Duration::from_millis(interval_ms * 3) + SLACK, "{took:?}");
    assert!(down.iter().all(|session| session.diagnostic == "control detection time expired"), "{down:#?}");
    pair.segment.rejoin(&pair.theirs).unwrap();
    await_state(daemon, "Up");
}

#[test]
fn with_frr_over_ipv4_and_ipv6() {
    let test = "with_frr_over_ipv4_and_ipv6";
    if !steadfast_lab::frr::Router::installed(test) {
        return;
    }
    let Some(pair) = Pair::set(test) else { return };
    let peers = [
        format!(" peer {} interface eth0\n{TIMERS}", v4(1)),
        format!(" peer {} local-address {} interface eth0\n{TIMERS}", v6(1), v6(2)),
    ];
    let bfdd = Bfd::start(&pair.theirs, &peers.concat()).unwrap();
    let configuration =
        instance("four", v4(2), "") + &instance("six", v6(2), &format!(" source_ip {}\n", v6(1)));
    let daemon = pair.start(&configuration);
    comes_goes_and_comes_back(&pair, &daemon, 50);
    let shown = || bfdd.show().unwrap().replace(' ', "");
    assert!(wait::until(LIMIT, || shown().matches("\"status\":\"up\"").count() == 2), "{}", shown());
}

/// BIRD on the second host, with a session of each family; `more` holds for both.
fn bird(pair: &Pair, more: &str) -> Daemon {
    let options = "min rx interval 50 ms; min tx interval 50 ms; multiplier 3;";
    let configuration = format!(
        "router id 10.0.0.2;\nprotocol device {{}}\nprotocol bfd {{\n interface \"eth0\" {{ {options} {more} }};\n \
         neighbor {} dev \"eth0\" local {};\n neighbor {} dev \"eth0\" local {};\n}}\n",
        v4(1),
        v4(2),
        v6(1),
        v6(2)
    );
    pair.theirs.write("/run/bird/conf", &configuration).unwrap();
    let mut command = Command::new("/usr/sbin/bird");
    command.args(["-f", "-c", "/run/bird/conf", "-s", "/run/bird/ctl"]);
    Daemon::spawn(&pair.theirs, "bird", command).unwrap()
}

#[test]
fn with_bird() {
    let test = "with_bird";
    if !Path::new("/usr/sbin/bird").is_file() {
        permission::left_out(test, "BIRD is not installed (Debian: apt-get install bird2)");
        return;
    }
    let Some(pair) = Pair::set(test) else { return };
    let _bird = bird(&pair, "");
    let configuration = instance("four", v4(2), "") + &instance("six", v6(2), "");
    let daemon = pair.start(&configuration);
    comes_goes_and_comes_back(&pair, &daemon, 50);
}

#[test]
fn with_keepalived() {
    let test = "with_keepalived";
    let Some(keepalived) = Program::keepalived(test) else { return };
    let Some(pair) = Pair::set(test) else { return };
    let theirs = instance("four", v4(1), "") + &instance("six", v6(1), " hoplimit 255\n");
    let _theirs = Daemon::start(&pair.theirs, &keepalived, &theirs).unwrap();
    let configuration = instance("four", v4(2), "") + &instance("six", v6(2), "");
    let daemon = pair.start(&configuration);
    comes_goes_and_comes_back(&pair, &daemon, 50);
}

/// With itself, a passive end, and through a reload of the intervals that takes nothing down.
#[test]
fn with_itself_through_reloads_and_a_worker_s_death() {
    let Some(pair) = Pair::set("with_itself_through_reloads_and_a_worker_s_death") else { return };
    let theirs = Daemon::start(&pair.theirs, &pair.program, &instance("there", v4(1), " passive\n")).unwrap();
    let daemon = pair.start(&instance("here", v4(2), ""));
    comes_goes_and_comes_back(&pair, &daemon, 50);
    // The passive end is up a packet later.
    await_state(&theirs, "Up");
    let came_up =
        |daemon: &Daemon| sessions(daemon).first().and_then(|one| one.counters.get("came_up").copied());
    let before = (came_up(&daemon), came_up(&theirs));
    for interval in [200, 100, 300] {
        daemon
            .configure(&instance("here", v4(2), &format!(" min_rx {interval}\n min_tx {interval}\n")))
            .unwrap();
        daemon.signal(steadfast_lab::Signal::HUP);
        let agreed = wait::until(LIMIT, || {
            let one = sessions(&daemon).pop();
            one.is_some_and(|one| one.transmit_microseconds == Some(interval * 1_000))
        });
        assert!(agreed, "{:#?}", sessions(&daemon));
    }
    // Three packets at 300 ms: a successor is there before.
    let worker = daemon.vrrp_worker().unwrap();
    assert!(Command::new("kill").args(["-9", &worker.to_string()]).status().unwrap().success());
    let succeeded = || daemon.vrrp_worker().is_some_and(|now| now != worker) && !sessions(&daemon).is_empty();
    assert!(wait::until(LIMIT, succeeded));
    await_state(&daemon, "Up");
    assert_eq!((came_up(&daemon), came_up(&theirs)), before, "{}", daemon.log_tail());
}

/// The shortest interval that can be configured: 3 ms of silence end the session. On a busy machine it goes down now and then and
/// comes back, so that what both ends agree on is awaited, and the end of the peer for good.
#[test]
fn with_itself_every_millisecond() {
    let Some(pair) = Pair::set("with_itself_every_millisecond") else { return };
    let fast = " min_rx 1\n min_tx 1\n";
    let theirs = Daemon::start(&pair.theirs, &pair.program, &instance("there", v4(1), fast)).unwrap();
    let daemon = pair.start(&instance("here", v4(2), fast));
    for end in [&daemon, &theirs] {
        let agreed = wait::until(LIMIT, || {
            sessions(end).iter().any(|session| {
                session.state == "Up"
                    && session.transmit_microseconds == Some(1_000)
                    && session.receive_microseconds == Some(1_000)
                    && session.detection_microseconds == Some(3_000)
            })
        });
        assert!(agreed, "{:#?}\n{}", sessions(end), end.log_tail());
    }
    theirs.signal_all(steadfast_lab::Signal::KILL).unwrap();
    let down = await_state(&daemon, "Down");
    assert!(down.iter().all(|session| session.counters["went_down"] > 0), "{down:#?}");
    assert!(daemon.logged("control detection time expired", LIMIT), "{}", daemon.log_tail());
}
