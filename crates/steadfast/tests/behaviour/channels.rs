//! Sockets that cannot be had, and adverts that the kernel refuses.

use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use steadfast_lab::capture::Capture;
use steadfast_lab::{Host, Segment};
use steadfast_vrrp::State;

use crate::stage::{AddressChanges, LIMIT, Router, Stage, VIRTUAL, Virtual, senders, simple, soon};

/// Interfaces of each router in the test of descriptors.
const INTERFACES: u8 = 20;
/// Descriptors of a process in that test: sockets for some of the interfaces.
const DESCRIPTORS: u32 = 40;

/// Switches for all interfaces.
fn switches() -> Vec<Segment> {
    (0..INTERFACES).map(|_| Segment::new().unwrap()).collect()
}

/// Joins a host to all of them; a configuration with a virtual router on each.
fn many(host: &Host, switches: &[Segment], last: u8, priority: u8) -> String {
    let blocks: Vec<String> = (1_u8..)
        .zip(switches)
        .map(|(number, switch)| {
            let interface = format!("lan{number}");
            switch.plug(host, &interface).unwrap();
            host.assign(&interface, format!("10.1.{number}.{last}").parse().unwrap(), 24).unwrap();
            Virtual { priority, vrid: number, addresses: Vec::new(), ..Virtual::default() }
                .to_string()
                .replace("instance V1", &format!("instance V{number}"))
                .replace("eth0", &interface)
                .replace(
                    "virtual_ipaddress {\n        ",
                    &format!("virtual_ipaddress {{\n10.2.{number}.1/32"),
                )
        })
        .collect();
    format!("global_defs {{\nvrrp_version 3\n}}\n{}", blocks.concat())
}

/// Without the first half of its virtual routers.
fn fewer(configuration: &str) -> String {
    let (globals, _) = configuration.split_once("vrrp_instance").unwrap();
    let first_kept = configuration.find(&format!("vrrp_instance V{} ", INTERFACES / 2 + 1)).unwrap();
    format!("{globals}{}", configuration.get(first_kept..).unwrap())
}

fn states(router: &Router) -> Vec<State> {
    router.status().map(|status| status.instances.iter().map(|i| i.state).collect()).unwrap_or_default()
}

fn count(states: &[State], state: State) -> usize {
    states.iter().filter(|found| **found == state).count()
}

/// The same command with a bound on descriptors that it cannot raise.
fn bounded(command: &Command) -> Command {
    let mut bounded = Command::new("prlimit");
    bounded.arg(format!("--nofile={DESCRIPTORS}:{DESCRIPTORS}"));
    bounded.args(["setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource"]);
    bounded.arg(command.get_program()).args(command.get_args());
    bounded
}

#[test]
fn an_instance_without_a_socket_keeps_out_of_the_election() {
    let test = "an_instance_without_a_socket_keeps_out_of_the_election";
    let Some(stage) = Stage::set(test) else { return };
    let (one, two) = (stage.host("r1"), stage.host("r2"));
    let switches = switches();
    let first = many(&one, &switches, 1, 200);
    let first = stage.start(&one, &first);
    let all = usize::from(INTERFACES);
    soon("r1 is master of all", || count(&states(&first), State::Master) == all);

    let mut changes = AddressChanges::watch(&two);
    let second_text = many(&two, &switches, 2, 100);
    changes.since_last();
    let second = stage.start_with(&two, &second_text, |command| *command = bounded(command));
    soon("some wait in FAULT", || {
        let states = states(&second);
        let (faults, backups) = (count(&states, State::Fault), count(&states, State::Backup));
        faults > 0 && backups > 0 && faults + backups == all
    });
    let status = second.status().unwrap();
    let waiting = status.instances.iter().find(|instance| instance.state == State::Fault).unwrap();
    assert!(waiting.why.contains("no descriptor is left"), "{}", waiting.why);
    assert!(second.logged("LimitNOFILE=", LIMIT), "{}", second.log_tail());
    // Longer than a backup that hears nothing would wait.
    let until = Instant::now() + Duration::from_secs(1);
    soon("the time is over", || Instant::now() > until);
    // Its own address on the link comes when the kernel has looked for duplicates.
    let own = |address: &IpAddr| matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    let came = changes.since_last().into_iter().filter(|(added, address)| *added && !own(address));
    let came: Vec<_> = came.collect();
    assert_eq!(came, [], "an address came to r2 beside a living master");

    // Those that had sockets go, and leave them to the others.
    let half = fewer(&second_text);
    second.reload(&half);
    soon("the others are backups", || states(&second) == vec![State::Backup; all / 2]);
    drop(first);
    soon("r2 is their master", || states(&second) == vec![State::Master; all / 2]);
}

#[test]
fn a_limit_of_descriptors_is_raised_to_what_the_configuration_needs() {
    let test = "a_limit_of_descriptors_is_raised_to_what_the_configuration_needs";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("r1");
    let switches = switches();
    let configuration = many(&host, &switches, 1, 100);
    let router = stage.start_with(&host, &simple(100), |command| {
        let mut bounded = Command::new("prlimit");
        bounded.arg(format!("--nofile={DESCRIPTORS}:4096"));
        bounded.arg(command.get_program()).args(command.get_args());
        *command = bounded;
    });
    router.reaches("V1", State::Master);
    router.reload(&configuration);
    soon("all are masters", || count(&states(&router), State::Master) == usize::from(INTERFACES));
}

/// Has the kernel refuse every advert that the host sends, or no longer.
fn forbid(host: &Host, forbidden: bool) {
    let rules = "add table inet t; add chain inet t out { type filter hook output priority 0; }; \
                 add rule inet t out meta l4proto 112 drop";
    let words = if forbidden { rules } else { "delete table inet t" };
    let done = host.run(&["nft", words]).unwrap();
    assert!(done.status.success(), "{}", done.output);
}

#[test]
fn a_master_whose_adverts_are_refused_gives_way_and_comes_back() {
    let test = "a_master_whose_adverts_are_refused_gives_way_and_comes_back";
    let Some(stage) = Stage::set(test) else { return };
    let ear = stage.segment.listener("ear").unwrap();
    let capture = Capture::start(&ear).unwrap();
    let first = stage.router("r1", &simple(200));
    first.reaches("V1", State::Master);
    let second = stage.router("r2", &simple(100));
    second.reaches("V1", State::Backup);

    let since = Instant::now();
    forbid(first.host(), true);
    first.reaches("V1", State::Fault);
    second.reaches("V1", State::Master);
    soon("the address has moved", || second.owns(VIRTUAL) && !first.owns(VIRTUAL));
    let why = first.instance("V1").unwrap().why;
    assert!(why.contains("cannot be sent"), "{why}");
    let heard = senders(&capture, 51, since);
    let sent = first.counter("V1", "adverts_sent").unwrap();
    // It tries, and nobody hears of it.
    let until = Instant::now() + Duration::from_millis(2_500);
    soon("it has tried", || Instant::now() > until);
    assert_eq!(first.counter("V1", "adverts_sent"), Some(sent), "what was refused is not counted; {heard:?}");
    assert_eq!(first.state("V1"), Some(State::Fault));

    forbid(first.host(), false);
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    soon("the address is back", || first.owns(VIRTUAL) && !second.owns(VIRTUAL));
    let faults =
        first.events().into_iter().filter(|record| record.message.starts_with("(V1) Entering FAULT")).count();
    assert_eq!(faults, 1, "it was told once: {:#?}", first.events());
}
