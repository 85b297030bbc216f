//! How chains read, and one style for every length of time, whatever the event.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use steadfast_config::plan::Outcome;
use steadfast_kernel::{Errno, Error};
use steadfast_vrrp::{Cause, Difference, Prepared, Served, State};
use steadfast_wire::vrrp::{AdvertInterval, Centiseconds, Family, Priority, Reject, Vrid};

use super::*;
use crate::event::{
    Balancing, Bound, Changed, Changes, Clash, Ending, Fault, FixedKeyword, Happening, Neighbour, Network,
    Override, Placed, Record, ReloadRefusal, Sent, Step, Suspect, Trouble, VirtualRouter, Why, Worker,
};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
/// Numbers that tell a unit and a rounding from another.
const ODD: [u64; 9] = [0, 1, 999, 1_001, 1_999, 61_007, 3_599_999, 90_061_001, u64::MAX / 1000];

fn error() -> Box<Error> {
    Box::new(Error::new("add 192.0.2.1/32 to eth0", Errno::NODEV))
}

fn causes(number: u64) -> Vec<Cause> {
    let reason = Reject::Interval { expected: centiseconds(), found: 3 };
    let name = || "n".into();
    vec![
        Cause::Start,
        Cause::MasterSilent { master: Some(PEER), waited_ms: number },
        Cause::MasterSilent { master: None, waited_ms: number },
        Cause::Dropped { peer: PEER, reason, adverts: 3, span_ms: number },
        Cause::MasterSilent { master: Some(PEER), waited_ms: number },
        Cause::MasterDead { master: PEER, silent_us: number },
        Cause::HeldUp { silent_ms: number },
        Cause::MasterReleased { master: PEER },
        Cause::Preempt { master: PEER, priority: Priority::new(1) },
        Cause::HigherPriority { master: PEER, priority: Priority::new(1) },
        Cause::HigherAddress { master: PEER },
        Cause::Owner,
        Cause::Interface { name: name(), up: true },
        Cause::Source { address: None, present: false },
        Cause::Socket { obstacle: None },
        Cause::Sending { obstacle: None },
        Cause::Standing { missing: Some(name()) },
        Cause::Script { name: name(), good: false, times: 3 },
        Cause::Priority { from: Priority::new(3), to: Priority::new(1) },
        Cause::ServedElsewhere { served: Served::NoArbiter { arbiter: PEER } },
        Cause::Preparing,
        Cause::Prepared { outcome: Prepared::TimedOut, after_ms: number },
        Cause::PrepareAgain,
        Cause::Group { group: name(), member: name() },
        Cause::Broken { reason: name() },
        Cause::Reload,
        Cause::Stop,
    ]
}

fn centiseconds() -> AdvertInterval {
    AdvertInterval::Centiseconds(Centiseconds::new(125).unwrap())
}

fn endings(number: u64) -> Vec<Ending> {
    vec![
        Ending::Exited { status: 3 },
        Ending::Signalled { signal: 9 },
        Ending::Untold,
        Ending::TimedOut { milliseconds: number },
        Ending::NotRun { step: Step::Execute, errno: Errno::NOENT },
        Ending::NotStarted { error: error() },
        Ending::NotWatched { error: error() },
        Ending::NoRoom { running: 1_024 },
    ]
}

/// Each kind of event; the compiler asks for a new one here.
fn kind(happening: &Happening) -> &'static str {
    match happening {
        Happening::Started { .. } => "started",
        Happening::InstanceState { .. } => "instance_state",
        Happening::Preparing { .. } => "preparing",
        Happening::GroupState { .. } => "group_state",
        Happening::PriorityChanged { .. } => "priority_changed",
        Happening::MasterChanged { .. } => "master_changed",
        Happening::HandedOver { .. } => "handed_over",
        Happening::LowerPriorityHeard { .. } => "lower_priority_heard",
        Happening::TwoMasters { .. } => "two_masters",
        Happening::ServedElsewhere { .. } => "served_elsewhere",
        Happening::ServedHereAlone { .. } => "served_here_alone",
        Happening::OneMaster { .. } => "one_master",
        Happening::NobodyHeard { .. } => "nobody_heard",
        Happening::Dropped { .. } => "dropped",
        Happening::Disagreement { .. } => "disagreement",
        Happening::SessionState { .. } => "session_state",
        Happening::SessionPath { .. } => "session_path",
        Happening::SessionIntervals { .. } => "session_intervals",
        Happening::SessionEcho { .. } => "session_echo",
        Happening::SessionDropped { .. } => "session_dropped",
        Happening::Script { .. } => "script",
        Happening::Notify { .. } => "notify",
        Happening::WorkerStarted { .. } => "worker_started",
        Happening::WorkerDied { .. } => "worker_died",
        Happening::WorkerHung { .. } => "worker_hung",
        Happening::Yielded { .. } => "yielded",
        Happening::Worker { .. } => "worker",
        Happening::Bound { .. } => "bound",
        Happening::Reloaded { .. } => "reloaded",
        Happening::ReloadRefused { .. } => "reload_refused",
        Happening::Upgraded { .. } => "upgraded",
        Happening::TookOver { .. } => "took_over",
        Happening::UpgradeRefused { .. } => "upgrade_refused",
        Happening::ReloadPlanned { .. } => "reload_planned",
        Happening::ReloadCancelled { .. } => "reload_cancelled",
        Happening::ReloadDue => "reload_due",
        Happening::Fault(_) => "fault",
        Happening::FaultOver(_) => "fault_over",
        Happening::Network(_) => "network",
        Happening::Balancing(_) => "balancing",
        Happening::RecordSaved { .. } => "record_saved",
        Happening::Stopping => "stopping",
        Happening::Stopped => "stopped",
    }
}

const KINDS: usize = 43;

fn every(number: u64) -> Vec<Happening> {
    let name = || "n".into();
    let causes = causes(number);
    let state = |to| Happening::InstanceState {
        instance: name(),
        from: State::Backup,
        to,
        priority: 3,
        causes: causes.clone(),
    };
    let reason = Reject::Interval { expected: centiseconds(), found: 3 };
    let handed = |to| Happening::HandedOver { instance: name(), to, priority: Some(1), milliseconds: number };
    let interval = Duration::from_millis(number);
    let mut every = vec![
        Happening::Started { version: "0.1.0".to_owned(), configuration: "/etc/k.conf".to_owned() },
        state(State::Master),
        state(State::Stop),
        Happening::Preparing { instance: name(), priority: 3, causes: causes.clone() },
        Happening::GroupState { group: name(), to: State::Fault, causes: causes.clone() },
        Happening::PriorityChanged { instance: name(), from: 1, to: 3, causes },
        Happening::MasterChanged { instance: name(), master: PEER, priority: 3 },
        handed(Some(PEER)),
        handed(None),
        Happening::LowerPriorityHeard { instance: name(), master: PEER, priority: 3 },
        Happening::NobodyHeard { instance: name(), milliseconds: number },
        Happening::ServedElsewhere {
            instance: name(),
            served: Served::Link { address: PEER, hardware: [2, 0, 0, 0, 0, 9] },
            state: State::Backup,
            yields: true,
        },
        Happening::ServedHereAlone {
            instance: name(),
            served: Served::Service { address: PEER, port: 443 },
            milliseconds: number,
        },
        Happening::TwoMasters { instance: name(), other: PEER, priority: None, dropped: Some(reason) },
        Happening::OneMaster { instance: name(), other: PEER, adverts: 3, milliseconds: number },
        Happening::Dropped { instance: name(), source: PEER, reason },
        Happening::Disagreement {
            instance: name(),
            source: PEER,
            difference: Difference::Interval { expected: interval, found: Duration::from_millis(1_250) },
        },
        Happening::WorkerStarted { worker: Worker::Vrrp, pid: 7 },
        Happening::WorkerHung { worker: Worker::Vrrp },
        Happening::Yielded { instances: 2, deaths: 6, milliseconds: number },
        Happening::Bound { bound: Bound::AdvertsLost { count: number } },
        Happening::Bound { bound: Bound::SessionTurns { session: name(), peer: PEER } },
        Happening::Bound { bound: Bound::StopScripts { lost: 2 } },
        Happening::Bound { bound: Bound::NotifiesForgotten { owner: name(), waiting: 64 } },
        Happening::ReloadPlanned { at: "2026-01-02T03:04:05Z".to_owned() },
        Happening::ReloadCancelled { at: "2026-01-02T03:04:05Z".to_owned() },
        Happening::ReloadDue,
        Happening::Reloaded { changes: Box::new(changed()) },
        Happening::ReloadRefused { reason: Box::new(ReloadRefusal::Clash(clash())) },
        Happening::TookOver { milliseconds: 120 },
        Happening::Upgraded { from: "1.0.0".to_owned(), to: "1.1.0".to_owned(), milliseconds: 12 },
        Happening::UpgradeRefused { program: "/usr/sbin/steadfast".to_owned(), reason: "why".to_owned() },
        Happening::RecordSaved {
            path: "/run/a.record".to_owned(),
            reason: "V1 lost its mastership".to_owned(),
        },
        Happening::Stopping,
        Happening::Stopped,
    ];
    for ending in endings(number) {
        let output = String::new();
        every.push(Happening::Script {
            script: name(),
            success: false,
            ending: ending.clone(),
            output: output.clone(),
        });
        every.push(Happening::Notify {
            owner: name(),
            command: "/c".to_owned(),
            ending: ending.clone(),
            output,
        });
        every.push(Happening::WorkerDied { worker: Worker::Vrrp, pid: 7, ending, successor: true });
    }
    let troubles = [
        Trouble::CannotWork { error: error() },
        Trouble::Overrun,
        Trouble::MessagesLost { count: number },
        Trouble::Late { microseconds: number },
    ];
    every.extend(troubles.map(|trouble| Happening::Worker { worker: Worker::Vrrp, trouble }));
    every.extend(sessions(number));
    every.extend(
        faults(number)
            .into_iter()
            .flat_map(|fault| [Happening::Fault(fault.clone()), Happening::FaultOver(fault)]),
    );
    every.extend(networks().into_iter().map(Happening::Network));
    every.extend(balancings().into_iter().map(Happening::Balancing));
    every
}

fn faults(number: u64) -> Vec<Fault> {
    let (name, keyword) = (|| "n".into(), || "notify_fifo".into());
    let (path, reason) = (|| "/run/f".to_owned(), || "no such file".to_owned());
    let ending = Ending::NoRoom { running: 1_024 };
    vec![
        Fault::Fifo { keyword: keyword(), path: path(), reason: reason() },
        Fault::FifoReader { keyword: keyword(), ending: ending.clone() },
        Fault::Mail { server: "m".to_owned(), reason: reason(), waiting: 3, again_seconds: number },
        Fault::CheckNotRun { script: name(), ending },
        Fault::ProgramNotRun { command: path(), reason: reason() },
        Fault::StartupScript,
        Fault::TrackFile { name: name(), path: path(), reason: reason() },
        Fault::TrackFileNotMade { name: name(), path: path(), reason: reason() },
        Fault::FilesPolled { reason: reason() },
        Fault::ProcessesPolled { reason: reason() },
        Fault::WorkerNotStarted { worker: Worker::Check, error: error() },
        Fault::WorkerNotTold { worker: Worker::Vrrp },
        Fault::NothingToRun { reason: reason() },
        Fault::NotWritten { keyword: None, path: path(), reason: reason() },
        Fault::NotWritten { keyword: Some(keyword()), path: path(), reason: reason() },
        Fault::Name { name: name(), family: Family::V4, reason: reason(), known: 0 },
        Fault::Name { name: name(), family: Family::V4, reason: reason(), known: 2 },
        Fault::Name { name: name(), family: Family::V6, reason: reason(), known: 2 },
        Fault::NamesLeftOut { count: 1, bound: 4 },
        Fault::ReloadTime { reason: reason() },
        Fault::AddressesLeft,
        Fault::NotWaitedFor { reason: reason() },
        Fault::Beside { neighbour: clash().neighbour, reason: reason() },
    ]
}

/// What lasts has an end that is told in words of its own; what is over when it is told has none.
#[test]
fn a_fault_that_lasts_has_an_end() {
    let matters: std::collections::BTreeSet<_> = faults(3).iter().filter_map(Fault::matter).collect();
    // A name that becomes no address is one matter in each family, whether or not some are known.
    assert_eq!(matters.len(), 11);
    for fault in faults(3) {
        let over = super::fault_over(&fault);
        assert_eq!(over.starts_with("no longer"), fault.matter().is_none(), "{over}");
    }
}

fn sessions(number: u64) -> Vec<Happening> {
    use steadfast_bfd::{Cause, Diagnostic, State};
    let session = || "n".into();
    let causes = [
        Cause::Peer { state: State::Down, diagnostic: Diagnostic::NONE },
        Cause::Peer { state: State::AdminDown, diagnostic: Diagnostic::ADMINISTRATIVELY_DOWN },
        Cause::Silent { silent_us: number, multiplier: 3, interval_us: number },
        Cause::Echo { silent_us: number, lost: 3, interval_us: number },
        Cause::EchoOver,
        Cause::Socket { obstacle: Some("no such address".into()) },
        Cause::Socket { obstacle: None },
        Cause::Reload,
        Cause::Stop,
    ];
    let mut told = vec![
        Happening::SessionPath { session: session(), peer: PEER, good: true, cause: Cause::Reload },
        Happening::SessionPath { session: session(), peer: PEER, good: false, cause: Cause::Reload },
        Happening::SessionIntervals {
            session: session(),
            peer: PEER,
            transmit_microseconds: number,
            receive_microseconds: number,
            detection_microseconds: number,
        },
        Happening::SessionEcho {
            session: session(),
            peer: PEER,
            returned: true,
            interval_microseconds: number,
            detection_microseconds: number,
        },
        Happening::SessionEcho {
            session: session(),
            peer: PEER,
            returned: false,
            interval_microseconds: number,
            detection_microseconds: number,
        },
        Happening::SessionDropped {
            session: session(),
            source: PEER,
            reason: steadfast_bfd::Reject::HopLimit { expected: 255, found: 64 },
        },
    ];
    told.extend(causes.map(|cause| Happening::SessionState {
        session: session(),
        peer: PEER,
        from: State::Up,
        to: State::Down,
        diagnostic: Diagnostic::DETECTION_TIME_EXPIRED,
        cause,
    }));
    told
}

fn changed() -> Changes {
    let keywords = vec!["script".into()];
    let changed = Changed {
        kind: "k".into(),
        name: "n".to_owned(),
        outcome: Outcome::Changed,
        keywords,
        further: true,
    };
    Changes { changed: vec![changed], further: 3, not_active: false }
}

fn clash() -> Clash {
    let router =
        VirtualRouter { interface: "eth0".to_owned(), family: Family::V4, vrid: Vrid::new(51).unwrap() };
    let neighbour = Neighbour { pid: Some(7), name: "keepalived".to_owned() };
    Clash { neighbour, router, theirs: "A".to_owned(), ours: "B".to_owned() }
}

fn balancings() -> Vec<Balancing> {
    let service = || "[192.0.2.1]:tcp:80".into();
    let server = std::net::SocketAddr::new(PEER, 80);
    let check = || "TCP_CHECK of 10.0.0.2:80".to_owned();
    let reason = || Some("no answer".into());
    let why = || Why::Check { check: check(), reason: reason() };
    vec![
        Balancing::Check { check: check(), server, service: service(), up: false, reason: reason() },
        Balancing::Failure { check: check(), reason: "no answer".into(), attempt: 1, retries: 3 },
        Balancing::Trouble { check: check(), reason: "no socket".into() },
        Balancing::Server { server, service: service(), up: false, why: why() },
        Balancing::Weight { server, service: service(), from: 1, to: 3, why: Why::Reload },
        Balancing::Quorum {
            service: service(),
            up: false,
            starting: false,
            quorum: 3,
            hysteresis: 1,
            sum: 1,
            why: Why::Server { server },
        },
        Balancing::Table,
        Balancing::Overridden { server, service: service(), by: Override::Drain },
    ]
}

fn networks() -> Vec<Network> {
    let interface = || "eth0".into();
    let holder = Box::new(Neighbour { pid: None, name: "a process".to_owned() });
    let addresses = || vec![Placed { interface: Some(interface()), address: PEER }];
    let address = PEER;
    vec![
        Network::InterfaceMissing { interface: interface() },
        Network::SocketRefused { interface: interface(), error: error() },
        Network::SendRefused { interface: interface(), sent: Sent::Adverts, errno: Errno::PERM },
        Network::SendRefused { interface: interface(), sent: Sent::Announcements, errno: Errno::NODEV },
        Network::SendRefused { interface: interface(), sent: Sent::Questions, errno: Errno::NODEV },
        Network::AddressRestored { interface: interface(), address, suspect: Suspect::Unknown },
        Network::AddressLost {
            interface: interface(),
            address,
            suspect: Suspect::Process { pid: 7, name: "systemd-network".to_owned() },
        },
        Network::AddressRestored { interface: interface(), address, suspect: Suspect::Ended { pid: 7 } },
        Network::AddressRestored {
            interface: interface(),
            address,
            suspect: Suspect::Running { names: vec!["dhcpcd".to_owned()] },
        },
        Network::AddressRefused { interface: interface(), address, error: error() },
        Network::LeftoversRemoved { addresses: addresses(), count: 3 },
        Network::AddressesNotOurs { addresses: addresses(), count: 1 },
        Network::AddressesOfAnother { addresses: addresses(), count: 3, holder },
        Network::SourceIsVirtual { interface: interface(), address },
        Network::LinkUntold { interface: interface(), error: None },
        Network::LinkUntold { interface: interface(), error: Some(error()) },
        Network::AddressSeen { interface: interface(), address, added: true },
        Network::EntryRestored { entry: "route to 10.0.0.0/8".to_owned() },
        Network::EntryRefused { error: error() },
        Network::UnknownVrid { interface: interface(), source: PEER, vrid: 3 },
    ]
}

/// What stands in a sentence as a length of time, and is not written as all of them are.
fn odd_units(text: &str) -> Vec<&str> {
    const GOOD: [&str; 6] = ["µs", "ms", "s", "min", "h", "d"];
    const BAD: [&str; 12] = [
        "us",
        "ns",
        "sec",
        "secs",
        "second",
        "seconds",
        "millisecond",
        "milliseconds",
        "minute",
        "minutes",
        "hour",
        "hours",
    ];
    let bare = |word: &'_ str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let is_number = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    let mut before = String::new();
    let mut odd = Vec::new();
    for word in text.split_whitespace() {
        let plain = bare(word);
        let unit = plain.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let glued = unit.len() < plain.len() && (GOOD.contains(&unit) || BAD.contains(&unit));
        let spelt = is_number(&before) && BAD.contains(&plain.as_str());
        if glued || spelt {
            odd.push(word);
        }
        before = plain;
    }
    odd
}

#[test]
fn the_test_knows_an_odd_unit() {
    assert_eq!(odd_units("waited 3ms, then 1.5s; for 3 seconds (4 min)"), ["3ms,", "1.5s;", "seconds"]);
    assert_eq!(odd_units("waited 3 ms, 1.5 s and 3 min 4 s of 4s"), ["4s"]);
    assert_eq!(odd_units("priority 3 from 10.0.0.2 on eth0 (os error 19)"), [""; 0]);
}

#[test]
fn every_event_writes_lengths_of_time_in_one_style() {
    for number in ODD {
        let mut kinds = std::collections::BTreeSet::new();
        for happening in every(number) {
            kinds.insert(kind(&happening));
            let text = happening.message();
            assert_eq!(odd_units(&text), [""; 0], "{text}");
        }
        assert_eq!(kinds.len(), KINDS, "{kinds:?}");
    }
}

#[test]
fn every_refusal_of_a_reload_says_what_to_do_or_where() {
    let keywords = vec![FixedKeyword { keyword: "instance".into(), from: "none".into(), to: "'a'".into() }];
    assert_eq!(
        refusal(&ReloadRefusal::Restart { keywords }),
        "only a restart can change instance from none to 'a'; undo the change or restart the daemon"
    );
    assert!(refusal(&ReloadRefusal::Clash(clash())).contains("stop the other daemon, or give one of them"));
}

#[test]
fn problems_write_lengths_of_time_in_that_style() {
    for milliseconds in ODD {
        let reason = "r".to_owned();
        let problem = Problem::Dropping { peer: PEER, priority: None, reason, adverts: 3, milliseconds };
        assert_eq!(odd_units(&super::problem(&problem)), [""; 0]);
    }
}

#[test]
fn dropped_adverts_are_no_silence() {
    let peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
    let causes = [
        Cause::Dropped { peer, reason: Reject::IntervalZero, adverts: 3, span_ms: 2000 },
        Cause::MasterSilent { master: None, waited_ms: 3609 },
    ];
    assert_eq!(
        chain(&causes),
        "dropped 3 adverts of 10.0.0.2 in 2 s (advert interval: expected more than 0, found 0) → took no advert for 3.609 s"
    );
}

#[test]
fn a_chain_reads_from_left_to_right() {
    let causes = [
        Cause::Script { name: "chk".into(), good: false, times: 3 },
        Cause::Priority { from: Priority::new(150), to: Priority::new(90) },
        Cause::HigherPriority {
            master: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
            priority: Priority::new(100),
        },
    ];
    assert_eq!(chain(&causes), "script chk failed 3 times → priority 150 to 90 → heard 100 from 10.0.0.2");
}

#[test]
fn every_event_is_the_same_after_its_way_through_json() {
    for happening in every(61_007) {
        let record = Record {
            sequence: 1,
            time: "2026-01-02T03:04:05.000006Z".to_owned(),
            severity: happening.severity(),
            message: happening.message(),
            happening,
        };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record, "{text}");
    }
}
