//! Who takes over when, after every kind of death.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use steadfast_control::event::{Happening, Network};
use steadfast_lab::capture::Capture;
use steadfast_lab::ping::Pinger;
use steadfast_lab::segment::address_v4;
use steadfast_lab::{Signal, wait};
use steadfast_vrrp::State;

use crate::stage::{
    LIMIT, SLACK, Stage, VIRTUAL, Virtual, configuration, master_down, senders, simple, soon,
};

const INTERVAL: Duration = Duration::from_millis(100);
const PING: Duration = Duration::from_millis(2);

/// From the last advert of one router to the first of another.
fn silence(capture: &Capture, since: Instant, from: IpAddr, to: IpAddr) -> Option<Duration> {
    let adverts = senders(capture, 51, since);
    let (first, ..) = adverts.iter().find(|(_, source, _)| *source == to)?;
    let (last, ..) = adverts.iter().rev().find(|(at, source, _)| *source == from && at < first)?;
    Some(*first - *last)
}

#[test]
fn a_backup_takes_over_within_the_limit_after_power_loss_hang_and_death() {
    let Some(stage) = Stage::set("a_backup_takes_over_within_the_limit_after_power_loss_hang_and_death")
    else {
        return;
    };
    let mut first = stage.router("r1", &simple(200));
    let second = stage.router("r2", &simple(100));
    let client = stage.host("client");
    let [from, to] = [1, 2].map(|number| IpAddr::from(address_v4(number)));
    let settled =
        || first.owns(VIRTUAL) && second.state("V1") == Some(State::Backup) && !second.owns(VIRTUAL);
    soon("r1 is master", settled);
    let capture = Capture::start(&client).unwrap();
    let pinger = Pinger::start(&client, VIRTUAL, PING).unwrap();
    let limit = master_down(INTERVAL, 100);
    let measure = |what: &str, fault: &dyn Fn(), repair: &dyn Fn()| {
        assert!(pinger.answered_within(LIMIT), "no answers before {what}");
        let before = Instant::now();
        let ready =
            || senders(&capture, 51, before).iter().filter(|(_, source, _)| *source == from).count() > 1;
        soon("r1 adverts", ready);
        fault();
        soon("r2 owns the address", || second.owns(VIRTUAL));
        soon("r2 adverts", || silence(&capture, before, from, to).is_some());
        let silence = silence(&capture, before, from, to).unwrap();
        assert!(
            silence <= limit + SLACK,
            "{what}: taken over after {silence:?}, the protocol's limit is {limit:?}"
        );
        assert!(silence >= limit - INTERVAL / 2, "{what}: taken over after {silence:?}, before {limit:?}");
        let outage = pinger.longest_outage_since(before);
        assert!(
            outage <= limit + SLACK,
            "{what}: {outage:?} without answers, the protocol's limit is {limit:?}"
        );
        repair();
    };

    let isolate = || stage.segment.isolate(first.host()).unwrap();
    let rejoin = || stage.segment.rejoin(first.host()).unwrap();
    measure("power loss", &isolate, &rejoin);
    soon("r1 is master again", settled);
    let unplug = || stage.segment.cut(first.host()).unwrap();
    let plug = || stage.segment.restore(first.host()).unwrap();
    measure("unplugging", &unplug, &plug);
    soon("r1 is master again", settled);
    let hang = || first.signal_all(Signal::STOP).unwrap();
    let wake = || first.signal_all(Signal::CONT).unwrap();
    measure("a hang", &hang, &wake);
    soon("r1 is master again", settled);
    let kill = || first.signal_all(Signal::KILL).unwrap();
    measure("a death", &kill, &|| {});
    first.wait(LIMIT).unwrap();

    // What the dead daemon left is taken away by the next one, which is a backup at first.
    assert!(first.owns(VIRTUAL));
    let host = first.host().clone();
    drop(first);
    let again = stage.start(&host, &configuration(&[&Virtual::with_priority(200).more("nopreempt")]));
    again.reaches("V1", State::Backup);
    soon("the stale address goes", || !again.owns(VIRTUAL));
    again.tells(|happening| matches!(happening, Happening::Network(Network::LeftoversRemoved { .. })));
    assert_eq!(second.state("V1"), Some(State::Master));
}

#[test]
fn a_hung_master_that_wakes_up_yields_to_its_equal() {
    let Some(stage) = Stage::set("a_hung_master_that_wakes_up_yields_to_its_equal") else { return };
    let lower = stage.router("r1", &simple(150));
    lower.reaches("V1", State::Master);
    let higher = stage.router("r2", &simple(150));
    higher.reaches("V1", State::Backup);
    let client = stage.host("client");
    let pinger = Pinger::start(&client, VIRTUAL, PING).unwrap();
    assert!(pinger.answered_within(LIMIT));

    lower.signal_all(Signal::STOP).unwrap();
    soon("r2 takes over", || higher.owns(VIRTUAL));
    assert!(lower.owns(VIRTUAL), "a stopped daemon cannot remove its address");
    let woken = Instant::now();
    lower.signal_all(Signal::CONT).unwrap();
    soon("r1 gives the address up", || !lower.owns(VIRTUAL));
    lower.reaches("V1", State::Backup);
    // RFC 9568 section 6.4.3: equal priority, higher address.
    assert!(higher.owns(VIRTUAL));
    assert!(pinger.answered_within(LIMIT));
    let outage = pinger.longest_outage_since(woken);
    assert!(outage <= SLACK, "{outage:?} without answers when the hung master woke up");
    assert_eq!(higher.counter("V1", "released_master"), Some(0));
}

#[test]
fn the_higher_priority_returns_without_an_outage() {
    let Some(stage) = Stage::set("the_higher_priority_returns_without_an_outage") else { return };
    let second = stage.router("r1", &simple(100));
    second.reaches("V1", State::Master);
    let client = stage.host("client");
    let pinger = Pinger::start(&client, VIRTUAL, PING).unwrap();
    assert!(pinger.answered_within(LIMIT));
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    let first = stage.router("r2", &simple(200));
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    // So that the better one learns that there was another, also where both were masters for long. The one before may have been
    // on its way already.
    let adverts = senders(&capture, 51, begin);
    let taken_over = adverts.iter().position(|(_, _, priority)| *priority == 200).unwrap();
    let last_words = adverts[taken_over..].iter().filter(|(_, _, priority)| *priority == 100);
    assert!((1..=2).contains(&last_words.count()), "{adverts:?}");
    soon("the address moves", || first.owns(VIRTUAL) && !second.owns(VIRTUAL));
    assert!(pinger.answered_within(LIMIT));
    let outage = pinger.longest_outage_since(begin);
    assert!(outage <= SLACK, "{outage:?} without answers");
}

#[test]
fn nopreempt_leaves_a_lower_master_alone_and_preempt_delay_waits() {
    let Some(stage) = Stage::set("nopreempt_leaves_a_lower_master_alone_and_preempt_delay_waits") else {
        return;
    };
    let lower = stage.router("r1", &simple(100));
    lower.reaches("V1", State::Master);
    let nopreempt = stage.router("r2", &configuration(&[&Virtual::with_priority(200).more("nopreempt")]));
    nopreempt.reaches("V1", State::Backup);
    let delayed = configuration(&[&Virtual::with_priority(150).more("preempt_delay 2")]);
    let begin = Instant::now();
    let delayed = stage.router("r3", &delayed);
    delayed.reaches("V1", State::Master);
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_secs(2), "preempted after {waited:?}");
    assert!(waited <= Duration::from_secs(4), "preempted after {waited:?}");
    lower.reaches("V1", State::Backup);
    assert_eq!(nopreempt.state("V1"), Some(State::Backup));
    assert_eq!(nopreempt.counter("V1", "became_master"), Some(0));

    // A preempt delay does not delay taking over from a silent master, nor does nopreempt.
    delayed.signal_all(Signal::STOP).unwrap();
    assert!(wait::until(master_down(INTERVAL, 200) + SLACK * 4, || nopreempt.owns(VIRTUAL)));
}

#[test]
fn an_incumbent_wins_ties_where_it_is_asked_to() {
    let Some(stage) = Stage::set("an_incumbent_wins_ties_where_it_is_asked_to") else { return };
    // Its interval is longer than the first wait of one that starts as master.
    let first = stage.router("r1", &configuration(&[&Virtual { interval: "0.25", ..Virtual::default() }]));
    let host = stage.host("r2");
    let [own, other] = [1, 3].map(|number| IpAddr::from(address_v4(number)));
    first.reaches("V1", State::Master);
    let capture = Capture::start(&host).unwrap();
    let starting =
        |more| configuration(&[&Virtual::default().more(more)]).replace("state BACKUP", "state MASTER");

    let patient = stage.start(&host, &starting("preempt incumbent_wins_ties"));
    let begin = Instant::now();
    soon("r2 hears r1", || patient.instance("V1").is_some_and(|instance| instance.master == Some(own)));
    soon("r1 goes on", || senders(&capture, 51, begin).len() > 4);
    assert_eq!((first.state("V1"), patient.state("V1")), (Some(State::Master), Some(State::Backup)));
    assert!(senders(&capture, 51, begin).iter().all(|(_, source, _)| *source == own));
    drop(patient);

    let second = stage.router("r3", &starting(""));
    second.reaches("V1", State::Master);
    first.reaches("V1", State::Backup);
    assert_eq!(first.instance("V1").unwrap().master, Some(other), "the higher address");
}
