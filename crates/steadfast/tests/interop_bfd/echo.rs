//! The echo function, with FRR's bfdd and with ourselves.

use std::time::{Duration, Instant};

use steadfast_control::status::Session;
use steadfast_lab::frr::Bfd;
use steadfast_lab::{Daemon, Host, wait};

use crate::{LIMIT, Pair, SLACK, await_state, instance, sessions, v4, v6};

/// Every 50 ms both ways.
const ECHOES: &str = " echo_tx 50\n echo_rx 50\n";

/// Forwarding of both families. Of IPv6 it is what a router of the other family does too.
pub(crate) fn forward(host: &Host, on: bool) {
    for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        let number = u8::from(on);
        let set = host.run(&["sh", "-c", &format!("echo {number} > /proc/sys/net/{setting}")]).unwrap();
        assert!(set.status.success(), "{setting}: {}", set.output);
    }
}

fn count(session: &Session, name: &str) -> u64 {
    session.counters.get(name).copied().unwrap_or_default()
}

/// All sessions have their echo packets returned, and control packets of the peer are slow.
pub(crate) fn await_echoes(daemon: &Daemon) -> Vec<Session> {
    let echoing = |session: &Session| {
        let slow = session.receive_microseconds.is_some_and(|every| every >= 1_000_000);
        session.state == "Up"
            && session.good == Some(true)
            && slow
            && session.echo.is_some_and(|echo| echo.returned)
    };
    let reached = wait::value(LIMIT, || {
        let sessions = sessions(daemon);
        (!sessions.is_empty() && sessions.iter().all(echoing)).then_some(sessions)
    });
    reached.unwrap_or_else(|| panic!("no echoes: {:#?}\n{}", sessions(daemon), daemon.log_tail()))
}

/// Every session falls for it in time, though control packets arrive.
fn falls_for_missing_echoes(daemon: &Daemon, since: Instant) {
    let failed = || {
        let sessions = sessions(daemon);
        !sessions.is_empty() && sessions.iter().all(|session| session.good == Some(false))
    };
    assert!(wait::until(LIMIT, failed), "{:#?}\n{}", sessions(daemon), daemon.log_tail());
    let took = since.elapsed();
    assert!(took < Duration::from_millis(200) + SLACK, "{took:?}");
    assert!(daemon.logged("(echo function failed)", LIMIT), "{}", daemon.log_tail());
}

#[test]
fn with_frr_each_end_finds_that_the_other_forwards_no_more() {
    let test = "with_frr_each_end_finds_that_the_other_forwards_no_more";
    if !steadfast_lab::frr::Router::installed(test) {
        return;
    }
    let Some(pair) = Pair::set(test) else { return };
    for host in [&pair.ours, &pair.theirs] {
        forward(host, true);
    }
    let timers = "  detect-multiplier 3\n  receive-interval 50\n  transmit-interval 50\n  echo-mode\n  echo \
                  transmit-interval 50\n  echo receive-interval 50\n  no shutdown\n !\n";
    let peers = [
        format!(" peer {} local-address {} interface eth0\n{timers}", v4(1), v4(2)),
        format!(" peer {} local-address {} interface eth0\n{timers}", v6(1), v6(2)),
    ];
    let bfdd = Bfd::start(&pair.theirs, &peers.concat()).unwrap();
    let configuration =
        instance("four", v4(2), ECHOES) + &instance("six", v6(2), &format!(" source_ip {}\n{ECHOES}", v6(1)));
    let daemon = pair.start(&configuration);
    await_echoes(&daemon);
    forward(&pair.theirs, false);
    let since = Instant::now();
    falls_for_missing_echoes(&daemon, since);
    forward(&pair.theirs, true);
    await_echoes(&daemon);
    // The other way round over IPv4; over IPv6 FRR's packets are sent back by the worker itself.
    forward(&pair.ours, false);
    let told = || {
        daemon.log().contains("BFD_Instance(four) Entering Down state (neighbor signaled session down) with 10.0.0.2: the peer says Down, echo function failed")
    };
    assert!(
        wait::until(LIMIT, told),
        "{:#?}\n{}\n{}",
        sessions(&daemon),
        daemon.log_tail(),
        bfdd.bfdd().log_tail()
    );
    let six = || sessions(&daemon).into_iter().find(|session| &*session.name == "six");
    assert!(six().is_some_and(|six| six.state == "Up"), "{}", daemon.log_tail());
    forward(&pair.ours, true);
    await_echoes(&daemon);
}

/// They come back every 50 ms.
fn shows_its_echoes(daemon: &Daemon) {
    let back = |session: &Session| {
        session.echo.is_some_and(|echo| echo.returned_milliseconds_ago.is_some_and(|ago| ago < 1_000))
    };
    let told = sessions(daemon);
    assert!(told.iter().all(back), "{told:#?}");
}

#[test]
fn with_itself_a_lost_path_is_found_by_echoes_alone() {
    let Some(pair) = Pair::set("with_itself_a_lost_path_is_found_by_echoes_alone") else { return };
    for host in [&pair.ours, &pair.theirs] {
        forward(host, true);
    }
    let both = |other: [std::net::IpAddr; 2]| {
        instance("four", other[0], ECHOES) + &instance("six", other[1], ECHOES)
    };
    let theirs = Daemon::start(&pair.theirs, &pair.program, &both([v4(1), v6(1)])).unwrap();
    let daemon = pair.start(&both([v4(2), v6(2)]));
    for daemon in [&daemon, &theirs] {
        await_echoes(daemon);
    }
    shows_its_echoes(&daemon);
    let (before, since) = (sessions(&daemon), Instant::now());
    std::thread::sleep(Duration::from_secs(2));
    let (after, took) = (sessions(&daemon), since.elapsed().as_millis());
    for (before, after) in before.iter().zip(&after) {
        let echoes = u128::from(count(after, "echoes_returned") - count(before, "echoes_returned"));
        let controls = u128::from(count(after, "received") - count(before, "received"));
        // One every 37.5 to 50 ms, and about one a second.
        assert!(
            (took / 70..=took / 35).contains(&echoes) && controls <= took / 400,
            "{echoes} {controls} in {took} ms"
        );
    }
    let lost = Instant::now();
    pair.segment.isolate(&pair.theirs).unwrap();
    falls_for_missing_echoes(&daemon, lost);
    pair.segment.rejoin(&pair.theirs).unwrap();
    await_echoes(&daemon);
}

#[test]
fn a_peer_that_forwards_nothing_is_told_of_and_stays_up() {
    let Some(pair) = Pair::set("a_peer_that_forwards_nothing_is_told_of_and_stays_up") else { return };
    forward(&pair.theirs, false);
    let _theirs = Daemon::start(&pair.theirs, &pair.program, &instance("there", v4(1), ECHOES)).unwrap();
    let daemon = pair.start(&instance("here", v4(2), ECHOES));
    await_state(&daemon, "Up");
    assert!(daemon.logged("returns no echo packets (does it forward IP?)", LIMIT), "{}", daemon.log_tail());
    forward(&pair.theirs, true);
    let session = await_echoes(&daemon).pop().unwrap();
    assert_eq!(count(&session, "went_down"), 0, "{}", daemon.log_tail());
}
