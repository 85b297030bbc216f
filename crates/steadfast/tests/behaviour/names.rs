//! Real servers by name, of the machine's hosts and of a name server.

use std::collections::BTreeSet;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use steadfast_control::event::{Balancing, Happening};
use steadfast_lab::{Host, Signal, wait};

use crate::stage::{LIMIT, Router, Stage, open_gate, soon, write_script};

const CONFIGURATION: &str = "global_defs {
  resolve_interval 1
}
virtual_server 10.9.0.1 80 {
  lb_algo rr
  lb_kind NAT
  protocol TCP
  real_server 10.1.0.9 80 {
  }
  real_server web.lab 80 {
    TCP_CHECK {
    }
  }
}
virtual_server 10.9.0.2 80 {
  lb_algo wrr
  lb_kind NAT
  protocol TCP
  real_server _api._tcp.lab {
  }
}
";

/// The machine's hosts and name server are these, for all of its processes.
fn set_up(host: &Arc<Host>) {
    host.write("/run/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n").unwrap();
    hosts(host, &["10.1.0.1", "10.1.0.2"]);
    for file in ["resolv.conf", "hosts"] {
        let (ours, theirs) = (format!("/run/{file}"), format!("/etc/{file}"));
        let mounted = host.run(&["mount", "--bind", &ours, &theirs]).unwrap();
        assert!(mounted.status.success(), "{}", mounted.output);
    }
}

/// The name server of the host, with further settings.
fn name_server(host: &Host, settings: &str) -> Child {
    let server = "server:\n do-daemonize: no\n chroot: \"\"\n username: \"\"\n pidfile: \"\"\n use-syslog: no\n \
                  interface: 127.0.0.1\n local-zone: \"lab.\" static\n";
    host.write("/run/unbound", &format!("{server}{settings}")).unwrap();
    host.spawn(Command::new("/usr/sbin/unbound").args(["-d", "-c", "/run/unbound"])).unwrap()
}

fn hosts(host: &Host, of_web: &[&str]) {
    let web: String = of_web.iter().map(|address| format!("{address} web.lab\n")).collect();
    host.write("/run/hosts", &format!("127.0.0.1 localhost\n10.1.1.1 a.lab\n10.1.1.2 b.lab\n{web}")).unwrap();
}

/// Addresses, ports and weights of the servers of a service.
fn servers(router: &Router, service: &str) -> BTreeSet<(String, u32)> {
    let services = router.services();
    let service = services.into_iter().find(|found| found.name.contains(service));
    let servers = service.into_iter().flat_map(|service| service.servers);
    servers.map(|server| (server.address.to_string(), server.configured_weight)).collect()
}

fn plain(addresses: &[&str]) -> BTreeSet<(String, u32)> {
    addresses.iter().map(|address| (format!("{address}:80"), 1)).collect()
}

#[test]
fn names_become_servers_follow_what_is_known_and_outlive_the_name_service() {
    let test = "names_become_servers_follow_what_is_known_and_outlive_the_name_service";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("named");
    set_up(&host);
    // The last choice is never taken while there is a better one.
    let mut unbound = name_server(
        &host,
        " local-data: \"_api._tcp.lab. SRV 10 7 8080 a.lab.\"\n local-data: \"_api._tcp.lab. SRV 20 1 8080 b.lab.\"\n",
    );
    let router = stage.start(&host, CONFIGURATION);
    let becomes = |what: &str, addresses: &[&str]| {
        let expected = plain(addresses);
        let reached = wait::until(LIMIT, || servers(&router, "10.9.0.1") == expected);
        assert!(reached, "{what}: {:?}\n{}", servers(&router, "10.9.0.1"), router.log_tail());
    };
    becomes("at the start", &["10.1.0.9", "10.1.0.1", "10.1.0.2"]);
    let api = BTreeSet::from([("10.1.1.1:8080".to_owned(), 7)]);
    assert!(wait::until(LIMIT, || servers(&router, "10.9.0.2") == api), "{}", router.log_tail());

    hosts(&host, &["10.1.0.2", "10.1.0.3"]);
    becomes("one moved", &["10.1.0.9", "10.1.0.2", "10.1.0.3"]);
    router.tells(|happening| {
        matches!(
            happening,
            Happening::Balancing(Balancing::Resolved { name, addresses }) if &**name == "web.lab" && addresses.len() == 2
        )
    });

    hosts(&host, &[]);
    unbound.kill().unwrap();
    unbound.wait().unwrap();
    let told = |text: &str| router.log().contains(text);
    soon("it is told that the name is gone", || told("real_server web.lab cannot be looked up"));
    soon("it is told that the name server is gone", || told("real_server _api._tcp.lab cannot be looked up"));
    router.signal(Signal::HUP);
    soon("the reload is in force", || router.status().is_some_and(|status| status.generation > 1));
    becomes("the name is gone", &["10.1.0.9", "10.1.0.2", "10.1.0.3"]);
    assert_eq!(servers(&router, "10.9.0.2"), api);

    hosts(&host, &["10.1.0.9"]);
    soon("it is told that the name is there", || told("real_server web.lab can be looked up"));
    becomes("the name stands for what is there already", &["10.1.0.9"]);
}

/// As many hosts as an answer of 512 octets has no room for (RFC 1035 section 4.2.1), and more than one of 1,232 has.
const MANY: [u8; 2] = [40, 60];

/// A service with so many hosts, for which the name server's answers are at most that long.
fn many(host: &Host, count: u8, settings: &str) -> Child {
    let records =
        (1..=count).map(|last| format!(" local-data: \"_api._tcp.lab. SRV 10 7 8080 s{last}.lab.\"\n"));
    name_server(host, &format!(" {settings}\n{}", records.collect::<String>()))
}

#[test]
fn a_service_of_the_dns_has_all_of_its_hosts_however_many_they_are() {
    let test = "a_service_of_the_dns_has_all_of_its_hosts_however_many_they_are";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("named");
    set_up(&host);
    let known: String = (1..=MANY[1]).map(|last| format!("10.1.2.{last} s{last}.lab\n")).collect();
    host.write("/run/hosts", &known).unwrap();
    let all = |count: u8| (1..=count).map(|last| (format!("10.1.2.{last}:8080"), 7)).collect::<BTreeSet<_>>();
    let mut unbound = many(&host, MANY[0], "do-tcp: no");
    let router = stage.start(&host, CONFIGURATION);
    let becomes = |what: &str, count: u8| {
        let reached = wait::until(LIMIT, || servers(&router, "10.9.0.2") == all(count));
        assert!(reached, "{what}: {:?}\n{}", servers(&router, "10.9.0.2"), router.log_tail());
    };
    becomes("in one datagram", MANY[0]);
    for (what, count, settings) in [
        ("over TCP", MANY[1], "do-tcp: yes"),
        ("over TCP from a server that cuts whatever is offered", MANY[0], "max-udp-size: 512"),
    ] {
        unbound.kill().unwrap();
        unbound.wait().unwrap();
        unbound = many(&host, count, settings);
        becomes(what, count);
    }
    // What was known stands, whatever part of the answer comes. No answer comes while there is no server.
    let told = |reason: &str| router.log().matches(&format!("(IPv4): 127.0.0.1: {reason}")).count();
    let before = told("Connection refused");
    unbound.kill().unwrap();
    unbound.wait().unwrap();
    soon("it is told that the server is gone", || told("Connection refused") > before);
    let before = told("over TCP");
    unbound = many(&host, MANY[1], "do-tcp: no");
    soon("it is told that the answer cannot be had", || told("over TCP") > before);
    assert_eq!(servers(&router, "10.9.0.2"), all(MANY[0]), "{}", router.log_tail());
    unbound.kill().unwrap();
    unbound.wait().unwrap();
}

/// Two services of both families have a server of one name, which has addresses of IPv4 alone.
const BOTH_FAMILIES: &str = "global_defs {
  resolve_interval 1
}
virtual_server 10.9.0.1 80 {
  lb_algo rr
  lb_kind NAT
  protocol TCP
  real_server web.lab 80 {
  }
}
virtual_server 2001:db8::1 80 {
  lb_algo rr
  lb_kind NAT
  protocol TCP
  real_server web.lab 80 {
  }
}
";

#[test]
fn a_name_that_is_known_in_one_family_only_is_told_of_once() {
    let Some(stage) = Stage::set("a_name_that_is_known_in_one_family_only_is_told_of_once") else { return };
    let host = stage.host("named");
    set_up(&host);
    let router = stage.start(&host, BOTH_FAMILIES);
    let becomes = |address: &str| {
        let expected = plain(&[address]);
        soon("the server is there", || servers(&router, "10.9.0.1") == expected);
    };
    // Each change takes a round of looking up, in which the other family finds nothing.
    for last in 1..=4 {
        hosts(&host, &[&format!("10.1.0.{last}")]);
        becomes(&format!("10.1.0.{last}"));
    }
    assert!(router.logged("real_server web.lab has no IPv6 address", LIMIT), "{}", router.log_tail());
    let log = router.log();
    assert_eq!(log.matches("real_server web.lab has no IPv6 address").count(), 1, "{log}");
    assert!(!log.contains("can be looked up"), "{log}");
    // What one family finds puts only that one in order.
    hosts(&host, &["10.1.0.4", "2001:db8::9"]);
    soon("it is told", || router.log().contains("real_server web.lab can be looked up (IPv6)"));
    soon("both have it", || servers(&router, "2001:db8::1").len() == 1);
}

/// Checks of named servers that the supervisor makes or sees on behalf of the check worker.
const SEEN_BY_THE_SUPERVISOR: &str = "global_defs {
  resolve_interval 1
  script_user root
  enable_script_security
}
track_file full {
  file /run/full
  weight 0
}
virtual_server 10.9.0.1 80 {
  lb_algo rr
  lb_kind NAT
  protocol TCP
  delay_loop 1
  warmup 0
  real_server web.lab 80 {
    MISC_CHECK {
      misc_path /bin/false
      retry 0
    }
  }
}
virtual_server 10.9.0.2 80 {
  lb_algo rr
  lb_kind NAT
  protocol TCP
  real_server web.lab 80 {
    FILE_CHECK {
      track_file full
    }
  }
}
";

/// At a start no name is known yet.
#[test]
fn programs_and_files_count_for_a_server_whose_name_is_found_after_the_start() {
    let test = "programs_and_files_count_for_a_server_whose_name_is_found_after_the_start";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("named");
    set_up(&host);
    host.write("/run/full", "1\n").unwrap();
    let router = stage.start(&host, SEEN_BY_THE_SUPERVISOR);
    let is = |service: &str, up: bool| {
        let found = router.services().into_iter().find(|found| found.name.contains(service));
        let servers = found.map(|found| found.servers).unwrap_or_default();
        servers.len() == 2 && servers.iter().all(|server| server.up == up)
    };
    soon("the program's word counts", || is("10.9.0.1", false));
    soon("the file's number counts", || is("10.9.0.2", false));
    host.write("/run/full", "0\n").unwrap();
    soon("the file is watched", || is("10.9.0.2", true));
}

/// Who tells of an address that a name has no more.
const TOLD: &str = "global_defs {
  resolve_interval 1
  script_user root
  enable_script_security
}
virtual_server 10.9.0.1 80 {
  lb_algo rr
  lb_kind NAT
  protocol TCP
  real_server web.lab 80 {
    notify_down \"/run/tell down\"
  }
}
";

#[test]
fn an_address_that_a_name_has_no_more_is_told_as_down() {
    let Some(stage) = Stage::set("an_address_that_a_name_has_no_more_is_told_as_down") else { return };
    let host = stage.host("named");
    set_up(&host);
    write_script(&host, "/run/tell", "echo \"$@\" >>/run/told");
    let router = stage.start(&host, TOLD);
    let becomes = |addresses: &[&str]| {
        let expected = plain(addresses);
        soon("the servers are there", || servers(&router, "10.9.0.1") == expected);
    };
    becomes(&["10.1.0.1", "10.1.0.2"]);
    hosts(&host, &["10.1.0.2"]);
    becomes(&["10.1.0.2"]);
    soon("its script runs", || host.read("/run/told").is_ok_and(|told| told == "down\n"));
}

/// What the kernel counts the time of processors in, for programs.
const TICK_MILLISECONDS: u64 = 10;

/// Time of processors that a process has had (proc_pid_stat(5)).
fn processor_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = [fields[11], fields[12]].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * TICK_MILLISECONDS)
}

#[test]
fn a_name_that_nobody_looks_up_any_more_costs_a_stop_no_time_of_the_processor() {
    let test = "a_name_that_nobody_looks_up_any_more_costs_a_stop_no_time_of_the_processor";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("named");
    set_up(&host);
    host.run(&["mkfifo", "/run/gate"]).unwrap();
    write_script(&host, "/run/last", "echo begun > /run/begun\nexec </run/gate");
    let globals = "resolve_interval 1\n  shutdown_script /run/last\n  shutdown_script_timeout 100";
    let text = CONFIGURATION.replace("resolve_interval 1", globals).replace("web.lab", "nowhere.lab");
    let mut router = stage.start(&host, &text);
    assert!(router.logged("real_server nowhere.lab has no IPv4 address", LIMIT), "{}", router.log_tail());
    router.signal(Signal::TERM);
    soon("the last script runs", || host.read("/run/begun").is_ok());

    let (since, before) = (Instant::now(), processor_time(router.pid()));
    soon("another look-up would have been due", || since.elapsed() > Duration::from_secs(3));
    let spent = processor_time(router.pid()) - before;
    assert!(spent * 5 < since.elapsed(), "{spent:?} of {:?}", since.elapsed());
    let _gate = open_gate(&host);
    assert_eq!(router.wait(LIMIT).unwrap().code(), Some(0));
}
