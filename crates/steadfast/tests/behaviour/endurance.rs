//! What many reloads, many scripts and a stopped supervisor leave behind.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use steadfast_lab::capture::Capture;
use steadfast_lab::{Host, Signal, wait};
use steadfast_vrrp::State;

use crate::stage::{
    LIMIT, Router, SLACK, Stage, VIRTUAL, Virtual, configuration, longest_gap, send, senders, simple, soon,
    text_of, write_script,
};

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Waits until a process has no more descriptors than this.
#[track_caller]
fn settles(what: &str, pid: u32, limit: usize) {
    let settled = wait::until(LIMIT, || descriptors(pid) <= limit);
    assert!(settled, "the {what} had {limit} descriptors and has {}", descriptors(pid));
}

/// Children of a process that ended and that nobody waited for.
fn zombies(router: &Router) -> usize {
    let dead = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<_> =
            stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        let parent = router.pid().to_string();
        fields.first() == Some(&"Z") && fields.get(1) == Some(&parent.as_str())
    };
    router.host().processes().unwrap().iter().filter(|pid| dead(pid)).count()
}

fn virtual_addresses(host: &Host) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = host.addresses().unwrap();
    found.retain(|address| matches!(address, IpAddr::V4(address) if address.octets()[..2] == [10, 7]));
    found.sort_unstable();
    found
}

#[test]
fn a_storm_of_reloads_ends_where_the_last_file_says() {
    let Some(stage) = Stage::set("a_storm_of_reloads_ends_where_the_last_file_says") else { return };
    let quiet = Virtual::with_priority(200);
    let second = |vrid, addresses: &[&'static str]| Virtual {
        name: "V2",
        vrid,
        addresses: addresses.to_vec(),
        ..Virtual::with_priority(150)
    };
    let third = Virtual { name: "V3", vrid: 53, addresses: vec!["10.7.0.3/32"], ..Virtual::default() };
    let group = "vrrp_sync_group G {\ngroup {\nV2\nV3\n}\n}\n";
    let texts = [
        configuration(&[&quiet, &second(52, &["10.7.0.1/32", "10.7.0.2/32"])]),
        configuration(&[&quiet]),
        // The same addresses under another number.
        configuration(&[&quiet, &second(62, &["10.7.0.2/32", "10.7.0.1/32"]), &third]),
        configuration(&[&quiet, &second(52, &["10.7.0.2/32"]), &third, &group]),
        configuration(&[&third, &quiet]),
    ];
    let router = stage.router("r1", &texts[0]);
    let client = stage.host("client");
    router.reaches("V1", State::Master);
    router.reaches("V2", State::Master);
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    let before = (descriptors(router.pid()), descriptors(router.worker()));
    for _ in 0..8 {
        for text in &texts {
            router.reload(text);
        }
    }
    // Signals that come faster than files are read.
    for _ in 0..20 {
        router.signal(Signal::HUP);
    }
    router.reload(&texts[0]);
    for name in ["V1", "V2"] {
        router.reaches(name, State::Master);
    }
    let wanted: [IpAddr; 2] = ["10.7.0.1", "10.7.0.2"].map(|text| text.parse().unwrap());
    soon("exactly the addresses of the last file are there", || virtual_addresses(router.host()) == wanted);
    settles("supervisor", router.pid(), before.0);
    settles("worker", router.worker(), before.1);
    let adverts = senders(&capture, 51, begin);
    assert!(adverts.iter().all(|(_, _, priority)| *priority == 200));
    let gap = longest_gap(&adverts);
    assert!(gap < Duration::from_millis(100) + SLACK, "no advert of the quiet instance for {gap:?}");
    let status = router.status().unwrap();
    assert_eq!((status.worker.unwrap().restarts, status.instances.len()), (0, 2));
    assert_eq!(router.counter("V1", "released_master"), Some(0));
}

#[test]
fn scripts_leave_no_process_and_no_descriptor() {
    let Some(stage) = Stage::set("scripts_leave_no_process_and_no_descriptor") else { return };
    let host = stage.host("r1");
    // Each run leaves orphans, some of which end with it and some after it.
    write_script(
        &host,
        "/run/chk",
        "echo run >> /run/runs\n(exec sleep 0.02) &\n(true) &\n(exec sleep 0.05) &\nexit 0",
    );
    let checks: String = ["a", "b", "c"]
        .iter()
        .map(|name| {
            format!(
                "vrrp_script {name} {{\nscript \"/run/chk {name}\"\ninterval 0.05\ntimeout 5\nweight 1\n}}\n"
            )
        })
        .collect();
    let router = stage
        .start(&host, &configuration(&[&checks, &Virtual::default().more("track_script {\na\nb\nc\n}")]));
    router.reaches("V1", State::Master);
    let runs = || text_of(&host, "/run/runs").lines().count();
    soon("the scripts run", || runs() > 3);
    let before = descriptors(router.pid());
    soon("the scripts run often", || runs() > 150);
    router.reload(&simple(100));
    soon("every process is waited for", || zombies(&router) == 0);
    // While scripts ran, each had descriptors.
    settles("supervisor", router.pid(), before);
    soon("only the daemon is left", || host.processes().unwrap().len() == 2);
}

#[test]
fn a_stopped_supervisor_holds_nothing_up() {
    let Some(stage) = Stage::set("a_stopped_supervisor_holds_nothing_up") else { return };
    let first = stage.router("r1", &simple(200));
    let second = stage.router("r2", &simple(100));
    let client = stage.host("client");
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    first.signal(Signal::STOP);
    send(second.pid(), Signal::STOP);
    soon("adverts go on", || senders(&capture, 51, begin).len() > 10);
    first.host().set_down("eth0").unwrap();
    soon("r2 takes over", || second.owns(VIRTUAL) && !first.owns(VIRTUAL));
    first.host().set_up("eth0").unwrap();
    soon("r1 returns", || first.owns(VIRTUAL) && !second.owns(VIRTUAL));
    first.signal(Signal::CONT);
    send(second.pid(), Signal::CONT);
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    assert_eq!(first.status().unwrap().worker.unwrap().restarts, 0);
}

/// Real servers that are checked, but hardly any of them soon, sixteen of a service.
fn balanced(services: u8) -> String {
    let service = |number| {
        let server = |last| {
            format!(
                "real_server 127.1.{number}.{last} 8080 {{\nweight 1\nTCP_CHECK {{\nconnect_timeout 3\n}}\n}}\n"
            )
        };
        let servers: String = (1..=16).map(server).collect();
        format!(
            "virtual_server 10.7.0.{number} 80 {{\ndelay_loop 3600\nlb_algo rr\nlb_kind NAT\n{servers}}}\n"
        )
    };
    (0..services).map(service).collect()
}

/// What all processes of a router hold beside the program, octets; what two share counts once.
fn anonymous_memory(router: &Router) -> u64 {
    let of = |pid: u32| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss_Anon:"))?;
        line.split_whitespace().next()?.parse().ok()
    };
    router.processes().unwrap().into_iter().filter_map(of).sum::<u64>() * 1024
}

/// Waits until the check worker has begun with so many services.
#[track_caller]
fn runs(router: &Router, services: usize) {
    let begun = || router.log().matches("Starting with quorum up").count();
    assert!(wait::until(LIMIT, || begun() == services), "{} services began", begun());
}

/// There may be tens of thousands.
#[test]
fn a_real_server_needs_little_memory_in_all_processes_together() {
    const OCTETS_OF_A_SERVER: u64 = 420;
    let Some(stage) = Stage::set("a_real_server_needs_little_memory_in_all_processes_together") else {
        return;
    };
    let few = stage.router("few", &balanced(1));
    runs(&few, 1);
    let base = anonymous_memory(&few);
    assert!(base > 0, "nothing is read of the memory of its processes");
    let many = stage.router("many", &balanced(251));
    runs(&many, 251);
    let bound = base + 250 * 16 * OCTETS_OF_A_SERVER;
    let settled = wait::until(LIMIT, || anonymous_memory(&many) <= bound);
    assert!(settled, "{} octets a server", anonymous_memory(&many).saturating_sub(base) / (250 * 16));
}
