//! Snapshots of what people see. `INSTA_UPDATE=always cargo test -p steadfast` takes them anew.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use steadfast_control::event::{Ending, Fault};
use steadfast_control::status::{
    Check, Control, Group, Instance, KernelServer, Override, Problem, Script, Server, Service, SorryServer,
    Tracker, Traffic, Worker, WorkerStatus,
};
use steadfast_control::wording;
use steadfast_vrrp::{Cause, State};

use super::*;

fn address(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

pub(crate) fn master() -> Instance {
    let causes = vec![Cause::MasterSilent { master: Some(address(2)), waited_ms: 3609 }];
    Instance {
        name: "VI_1".into(),
        vrid: 51,
        family: "IPv4".to_owned(),
        version: 2,
        interface: "eth0".into(),
        addresses: vec!["10.0.0.100/24".to_owned(), "10.0.0.101/24".to_owned()],
        state: State::Master,
        since: Some("2026-01-02T03:04:05Z".to_owned()),
        milliseconds_in_state: Some(273_600_000),
        why: wording::chain(&causes),
        causes,
        master: Some(address(1)),
        master_priority: Some(150),
        base_priority: 150,
        effective_priority: 150,
        trackers: vec![tracker("script", "chk_haproxy", Some(true), 0)],
        advert_interval_milliseconds: 1000,
        master_interval_milliseconds: 1000,
        master_down_milliseconds: 3414,
        last_advert_milliseconds_ago: None,
        last_advert_from: None,
        counters: counters([("advert_sent", 273_600), ("advert_rcvd", 0)]),
        peers: Vec::new(),
        problems: Vec::new(),
    }
}

fn backup() -> Instance {
    let causes = vec![
        Cause::Script { name: "chk_haproxy".into(), good: false, times: 3 },
        Cause::HigherAddress { master: address(2) },
    ];
    Instance {
        name: "VI_内网".into(),
        vrid: 52,
        version: 3,
        interface: "eth1".into(),
        state: State::Backup,
        milliseconds_in_state: Some(12_345),
        why: wording::chain(&causes),
        causes,
        master: Some(address(2)),
        master_priority: Some(100),
        effective_priority: 90,
        trackers: vec![
            tracker("script", "chk_haproxy", Some(false), -60),
            Tracker { fault: true, ..tracker("interface", "eth2", None, 0) },
        ],
        master_interval_milliseconds: 250,
        last_advert_milliseconds_ago: Some(187),
        last_advert_from: Some(address(2)),
        counters: counters([("advert_rcvd", 99), ("chk_err", 2)]),
        ..master()
    }
}

fn fault() -> Instance {
    let causes = vec![Cause::Interface { name: "eth9".into(), up: false }];
    Instance {
        name: "VI_3".into(),
        interface: "eth9".into(),
        state: State::Fault,
        since: None,
        milliseconds_in_state: None,
        why: wording::chain(&causes),
        causes,
        master: None,
        master_priority: None,
        ..master()
    }
}

fn tracker(kind: &str, name: &str, good: Option<bool>, share: i16) -> Tracker {
    Tracker { kind: kind.to_owned(), name: name.into(), good, share, fault: false }
}

fn counters(values: [(&str, u64); 2]) -> BTreeMap<String, u64> {
    values.map(|(name, value)| (name.to_owned(), value)).into()
}

fn script(name: &str, success: Option<bool>) -> Script {
    Script {
        name: name.into(),
        command: "/usr/local/bin/check haproxy --port 443".to_owned(),
        success,
        outcome: None,
        duration_milliseconds: success.map(|_| 12),
        runs: 4711,
        skipped: 0,
        output: String::new(),
        running: false,
    }
}

pub(crate) fn status() -> Status {
    let failing = Script {
        outcome: Some("timed out after 2 s".to_owned()),
        output: "connect: refused\n\u{1b}[31mgiving up\n".to_owned(),
        ..script("chk_haproxy", Some(false))
    };
    Status {
        version: "0.1.0".to_owned(),
        pid: 812,
        since: "2026-01-01T00:00:00Z".to_owned(),
        configuration: "/etc/keepalived/keepalived.conf".to_owned(),
        configuration_errors: 2,
        generation: 3,
        refused_reload: Some("keepalived.conf:12: unknown keyword 'prioritty'".to_owned()),
        faults: vec![Fault::FifoReader {
            keyword: "notify_fifo_script".into(),
            ending: Ending::Exited { status: 3 },
        }],
        worker: Some(Worker {
            pid: 813,
            restarts: 1,
            responsive: true,
            figures: Some(WorkerStatus {
                wakeups: 1000,
                lateness_max_microseconds: 1800,
                lateness_sum_microseconds: 12_000,
                late_over_millisecond: 1,
                send_failures: 4,
                ..WorkerStatus::default()
            }),
        }),
        instances: vec![master(), backup(), fault()],
        groups: vec![Group {
            name: "G1".into(),
            state: State::Fault,
            members: vec!["VI_1".into(), "VI_3".into()],
        }],
        scripts: vec![script("chk_ok", Some(true)), failing, script("chk_new", None)],
        sessions: Vec::new(),
        check_worker: None,
        services: Vec::new(),
        flight_recorder_seconds: Some(312),
        not_active: vec!["virtual_server 10.0.0.100 443 (line 40)".to_owned()],
        control: Control { clients_refused: 3, clients_too_slow: 1 },
    }
}

pub(super) fn quiet() -> Status {
    Status {
        configuration_errors: 0,
        generation: 1,
        refused_reload: None,
        faults: Vec::new(),
        worker: Some(Worker {
            pid: 813,
            restarts: 0,
            responsive: true,
            figures: Some(WorkerStatus::default()),
        }),
        instances: vec![master()],
        groups: Vec::new(),
        scripts: Vec::new(),
        sessions: Vec::new(),
        check_worker: None,
        services: Vec::new(),
        flight_recorder_seconds: None,
        not_active: Vec::new(),
        control: Control::default(),
        ..status()
    }
}

fn shown(status: &Status, width: Option<usize>, detail: Detail) -> String {
    render(status, &View { palette: Palette::Plain, width, detail, zone: Zone::of(true) })
}

#[test]
fn overview_in_a_pipe() {
    insta::assert_snapshot!(shown(&status(), None, Detail::Overview));
}

#[test]
fn overview_in_120_columns() {
    insta::assert_snapshot!(shown(&status(), Some(120), Detail::Overview));
}

#[test]
fn overview_in_60_columns() {
    insta::assert_snapshot!(shown(&status(), Some(60), Detail::Overview));
}

#[test]
fn overview_of_a_quiet_daemon() {
    insta::assert_snapshot!(shown(&quiet(), Some(100), Detail::Overview));
}

#[test]
fn overview_without_a_worker() {
    let status = Status { worker: None, instances: Vec::new(), ..quiet() };
    insta::assert_snapshot!(shown(&status, Some(100), Detail::Overview));
}

#[test]
fn overview_with_a_silent_worker() {
    let mut status = quiet();
    status.worker = Some(Worker { pid: 813, restarts: 0, responsive: false, figures: None });
    insta::assert_snapshot!(shown(&status, Some(100), Detail::Overview));
}

#[test]
fn everything() {
    insta::assert_snapshot!(shown(&status(), Some(100), Detail::Everything));
}

#[test]
fn one_instance() {
    let status = only(status(), &["VI_内网".to_owned()]).unwrap();
    insta::assert_snapshot!(shown(&status, Some(100), Detail::InstancesOnly));
}

#[test]
fn colours_change_no_column() {
    let view =
        View { palette: Palette::Colours, width: Some(120), detail: Detail::Overview, zone: Zone::of(true) };
    let mut stripped = render(&status(), &view);
    for code in ["1;32", "36", "33", "1;31", "1", "2", "0"] {
        stripped = stripped.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(stripped, shown(&status(), Some(120), Detail::Overview));
}

#[test]
fn no_width_cuts_the_newest_cause() {
    for width in 1..200 {
        let text = shown(&status(), Some(width), Detail::Overview);
        let words: Vec<&str> = text.split_whitespace().collect();
        for instance in &status().instances {
            let newest = instance.why.rsplit(" → ").next().unwrap();
            let shown = if width < 100 { newest } else { &instance.why };
            let why: Vec<&str> = shown.split_whitespace().collect();
            assert!(why.iter().all(|word| words.contains(word)), "{width} columns lose {why:?}");
        }
    }
}

#[test]
fn two_masters_are_at_the_top() {
    let mut status = quiet();
    status.instances[0].problems = vec![
        Problem::TwoMasters {
            other: address(2),
            priority: Some(100),
            dropped: Some("authentication: expected our password, found another".to_owned()),
            adverts: 312,
            milliseconds: 312_000,
        },
        Problem::Dropping {
            peer: address(3),
            priority: None,
            reason: "TTL: expected 255, found 64".to_owned(),
            adverts: 1,
            milliseconds: 0,
        },
    ];
    insta::assert_snapshot!(shown(&status, Some(100), Detail::Overview));
    let view =
        View { palette: Palette::Colours, width: None, detail: Detail::Overview, zone: Zone::of(true) };
    assert!(render(&status, &view).contains("\u{1b}[1;31mVI_1: two masters"));
}

#[test]
fn an_advert_that_a_master_is_given_up_for_is_none() {
    let deaf = Instance { last_advert_milliseconds_ago: Some(5900), ..master() };
    let text = shown(&Status { instances: vec![deaf], ..quiet() }, None, Detail::Overview);
    assert!(!text.contains("5.9 s ago"), "{text}");
    let hears = Instance { last_advert_milliseconds_ago: Some(900), ..master() };
    let text = shown(&Status { instances: vec![hears], ..quiet() }, None, Detail::Overview);
    assert!(text.contains("900 ms ago"), "{text}");
}

#[test]
fn instances_are_found_by_address_too() {
    for asked in ["10.0.0.101", "10.0.0.100/24", "VI_1"] {
        assert_eq!(only(quiet(), &[asked.to_owned()]).unwrap().instances.len(), 1, "{asked}");
    }
    assert!(only(quiet(), &["10.0.0.102".to_owned()]).is_err());
}

#[test]
fn a_name_that_does_not_exist_is_a_failure() {
    assert!(matches!(only(status(), &["VI_9".to_owned()]), Err(Failure::NoInstance { .. })));
    assert_eq!(only(status(), &[]).unwrap(), status());
}

fn check(name: &str, up: bool) -> Check {
    Check {
        name: name.to_owned(),
        up,
        has_run: true,
        milliseconds_in_state: (!up).then_some(65_000),
        failures: 0,
        retries: 1,
        last_failure: (!up).then(|| "connection refused".into()),
        took_microseconds: Some(840),
        next_in_milliseconds: Some(2_500),
        results: 120,
        bad_results: if up { 0 } else { 7 },
    }
}

fn server(last: u8, up: bool, operator: Override) -> Server {
    let check = check(&format!("TCP_CHECK of 10.0.1.{last}:80"), up);
    let traffic = Traffic {
        connections: 1_200,
        connections_per_second: 3,
        bytes_in_per_second: 48_000,
        ..Traffic::default()
    };
    let weight = if operator == Override::Drain { 0 } else { 2 };
    Server {
        address: format!("10.0.1.{last}:80").parse().unwrap(),
        forwarding: "NAT".to_owned(),
        up,
        milliseconds_in_state: (!up).then_some(65_000),
        why: (!up).then(|| format!("{} fails: connection refused", check.name)),
        configured_weight: 2,
        weight,
        wanted_weight: up.then_some(weight),
        operator,
        checks: vec![check],
        kernel: up.then_some(KernelServer {
            weight,
            active_connections: 12,
            inactive_connections: 4,
            persistent_connections: 0,
            traffic,
        }),
    }
}

fn service(name: &str, servers: Vec<Server>) -> Service {
    let live_weight: u64 =
        servers.iter().filter(|server| server.up).map(|server| u64::from(server.weight)).sum();
    Service {
        name: name.into(),
        up: Some(live_weight > 0),
        quorum: 1,
        hysteresis: 0,
        live_weight: Some(live_weight),
        suspended: false,
        waits_for: None,
        refused: None,
        scheduler: "wrr".to_owned(),
        sorry_server: Some(SorryServer {
            address: "10.0.9.9:80".parse().unwrap(),
            serves: live_weight == 0,
            kernel: None,
        }),
        servers,
        traffic: Some(Traffic { connections: 2_400, bytes_out: 7_340_032, ..Traffic::default() }),
    }
}

/// A daemon that balances and routes nothing.
pub(super) fn balancer() -> Status {
    Status {
        worker: None,
        instances: Vec::new(),
        check_worker: Some(Worker { pid: 814, restarts: 0, responsive: true, figures: None }),
        services: vec![
            service(
                "[10.0.0.100]:tcp:80",
                vec![
                    server(1, true, Override::None),
                    server(2, true, Override::Drain),
                    server(3, false, Override::None),
                ],
            ),
            service("[web]:tcp", vec![server(4, false, Override::None), server(5, false, Override::None)]),
        ],
        ..quiet()
    }
}

#[test]
fn overview_of_a_balancer() {
    insta::assert_snapshot!(shown(&balancer(), Some(120), Detail::Overview));
}

#[test]
fn one_virtual_server_in_full() {
    let status = only(balancer(), &["10.0.0.100:80".to_owned()]).unwrap();
    insta::assert_snapshot!(shown(&status, Some(160), Detail::InstancesOnly));
}

#[test]
fn a_virtual_server_is_found_by_address_and_group() {
    for asked in ["10.0.0.100", "web", "[web]:tcp"] {
        assert_eq!(only(balancer(), &[asked.to_owned()]).unwrap().services.len(), 1, "{asked}");
    }
    assert!(only(balancer(), &["10.0.0.101".to_owned()]).is_err());
}
