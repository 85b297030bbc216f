//! Snapshots of what people see. `INSTA_UPDATE=always cargo test -p steadfast` takes them anew.

use std::net::{IpAddr, Ipv4Addr};

use steadfast_control::status::{Control, Counter, Group, Instance, Script, Tracker, Worker, WorkerStatus};
use steadfast_control::wording;
use steadfast_vrrp::{Cause, State};

use super::*;

fn address(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

fn master() -> Instance {
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
        counters: vec![counter("advert_sent", 273_600), counter("advert_rcvd", 0)],
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
        counters: vec![counter("advert_rcvd", 99), counter("chk_err", 2)],
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

fn counter(name: &str, value: u64) -> Counter {
    Counter { name: name.to_owned(), value }
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

fn status() -> Status {
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
        not_active: vec!["virtual_server 10.0.0.100 443 (line 40)".to_owned()],
        control: Control { clients_refused: 3, clients_too_slow: 1 },
    }
}

fn quiet() -> Status {
    Status {
        configuration_errors: 0,
        generation: 1,
        refused_reload: None,
        worker: Some(Worker {
            pid: 813,
            restarts: 0,
            responsive: true,
            figures: Some(WorkerStatus::default()),
        }),
        instances: vec![master()],
        groups: Vec::new(),
        scripts: Vec::new(),
        not_active: Vec::new(),
        control: Control::default(),
        ..status()
    }
}

fn shown(status: &Status, width: Option<usize>, detail: Detail) -> String {
    render(status, View { palette: Palette::Plain, width, detail })
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
    let view = View { palette: Palette::Colours, width: Some(120), detail: Detail::Overview };
    let mut stripped = render(&status(), view);
    for code in ["1;32", "36", "33", "1;31", "1", "2", "0"] {
        stripped = stripped.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(stripped, shown(&status(), Some(120), Detail::Overview));
}

#[test]
fn no_width_cuts_a_cause() {
    for width in 1..200 {
        let text = shown(&status(), Some(width), Detail::Overview);
        let words: Vec<&str> = text.split_whitespace().collect();
        for instance in &status().instances {
            let why: Vec<&str> = instance.why.split_whitespace().collect();
            assert!(why.iter().all(|word| words.contains(word)), "{width} columns lose {why:?}");
        }
    }
}

#[test]
fn a_name_that_does_not_exist_is_a_failure() {
    assert!(matches!(only(status(), &["VI_9".to_owned()]), Err(Failure::NoInstance { .. })));
    assert_eq!(only(status(), &[]).unwrap(), status());
}
