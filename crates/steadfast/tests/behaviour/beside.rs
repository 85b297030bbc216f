//! Daemons beside each other in one network, and addresses that are not ours to take.

use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use steadfast_control::event::{Fault, Happening, Network};
use steadfast_lab::{Daemon, Host, Program, Signal, wait};
use steadfast_vrrp::State;

use crate::stage::{
    LIMIT, Router, Stage, VIRTUAL, Virtual, configuration, own_etc, simple, soon, text_of, write_script,
};
use crate::upgrade::upgrade;

/// What an ordinary keepalived answers to.
fn keepalived_configuration(vrid: u8, address: &str) -> String {
    format!(
        "global_defs {{\nvrrp_version 3\n}}\nvrrp_instance K {{\nstate MASTER\ninterface eth0\n\
         virtual_router_id {vrid}\npriority 100\nadvert_int 0.1\nvirtual_ipaddress {{\n{address}\n}}\n}}\n"
    )
}

/// A further steadfast on a host, with files of its own.
fn second(stage: &Stage, host: &std::sync::Arc<Host>, configuration: &str) -> Daemon {
    host.write("/run/second/conf", configuration).unwrap();
    let mut command = Command::new(stage.program.path());
    command.args(["-n", "-l", "-D", "-f/run/second/conf", "-p/run/second/k.pid", "-r/run/second/v.pid"]);
    Daemon::spawn(host, "second", command).unwrap()
}

fn has_words(happening: &Happening, words: &[&str]) -> bool {
    let message = happening.message();
    words.iter().all(|word| message.contains(word))
}

fn is_told(router: &Router, words: &[&str]) -> bool {
    router.happened(|happening| has_words(happening, words))
}

#[track_caller]
fn await_told(router: &Router, words: &[&str]) {
    router.tells(|happening| has_words(happening, words));
}

#[test]
fn a_router_of_a_living_keepalived_is_refused_and_nothing_of_it_is_touched() {
    let test = "a_router_of_a_living_keepalived_is_refused_and_nothing_of_it_is_touched";
    let (Some(stage), Some(keepalived)) = (Stage::set(test), Program::keepalived(test)) else { return };
    let host = stage.host("r1");
    let living = Daemon::start(&host, &keepalived, &keepalived_configuration(51, "10.0.9.9/32")).unwrap();
    soon("keepalived is master", || host.has(VIRTUAL));

    let mut refused = second(&stage, &host, &simple(200));
    assert_eq!(refused.wait(LIMIT).unwrap().code(), Some(1), "{}", refused.log());
    let log = refused.log();
    assert!(log.contains("(keepalived) runs virtual router 51 on eth0 (IPv4) already, as K"), "{log}");
    let pid = text_of(&host, &format!("{}/k.pid", living.folder()));
    assert!(log.contains(&format!("process {}", pid.trim())), "{log}");
    assert!(host.has(VIRTUAL) && !pid.is_empty());
    for file in ["/run/second/k.pid", "/run/second/v.pid"] {
        assert!(!host.outside(file).exists(), "{file} is left");
    }

    // Another router runs beside it, and takes nothing from it: not even an address that both have by mistake.
    let beside = Virtual { name: "V2", vrid: 52, addresses: vec!["10.0.9.9/32"], ..Virtual::default() };
    let waits = Virtual { priority: 1, interval: "10", ..beside };
    let router = stage.start(&host, &configuration(&[&waits]));
    router.reaches("V2", State::Backup);
    soon("it is told", || is_told(&router, &["10.0.9.9 on eth0", "(keepalived) may hold it"]));
    assert!(host.has(VIRTUAL));
}

#[test]
fn a_pid_file_of_a_living_keepalived_is_its_own_although_it_is_not_locked() {
    let test = "a_pid_file_of_a_living_keepalived_is_its_own_although_it_is_not_locked";
    let (Some(stage), Some(keepalived)) = (Stage::set(test), Program::keepalived(test)) else { return };
    let host = stage.host("r1");
    let living = Daemon::start(&host, &keepalived, &keepalived_configuration(51, "10.0.9.9/32")).unwrap();
    soon("keepalived is master", || host.has(VIRTUAL));
    let pid_file = format!("{}/k.pid", living.folder());
    let pid = text_of(&host, &pid_file);
    host.write("/run/second/conf", &simple(100).replace(" 51", " 99")).unwrap();
    let started = host
        .run(&[
            stage.program.path().to_str().unwrap(),
            "-nl",
            "-f/run/second/conf",
            &format!("-p{pid_file}"),
            "-r/run/second/v.pid",
        ])
        .unwrap();
    assert_eq!(started.status.code(), Some(1), "{}", started.output);
    let told = format!("{pid_file} belongs to process {}", pid.trim());
    assert!(started.output.contains(&told), "{}", started.output);
    assert_eq!(text_of(&host, &pid_file), pid);
}

#[test]
fn two_daemons_share_a_network_unless_they_would_run_the_same_router() {
    let Some(stage) = Stage::set("two_daemons_share_a_network_unless_they_would_run_the_same_router") else {
        return;
    };
    let host = stage.host("r1");
    let first = stage.start(&host, &simple(100));
    first.reaches("V1", State::Master);
    soon("the address comes", || host.has(VIRTUAL));

    let mut refused = second(&stage, &host, &simple(200));
    assert_eq!(refused.wait(LIMIT).unwrap().code(), Some(1), "{}", refused.log());
    let log = refused.log();
    assert!(log.contains("runs virtual router 51 on eth0 (IPv4) already, as V1"), "{log}");
    assert!(!host.outside("/run/second/k.pid").exists());
    assert!(host.has(VIRTUAL));
    assert_eq!(first.state("V1"), Some(State::Master));

    let other = |vrid| Virtual { name: "V2", vrid, addresses: vec!["10.0.9.10/32"], ..Virtual::default() };
    let mut beside = second(&stage, &host, &configuration(&[&other(52)]));
    soon("its address comes", || host.has("10.0.9.10".parse().unwrap()));
    assert!(host.has(VIRTUAL));
    // Nor does a reload make a second master.
    beside.configure(&configuration(&[&other(51)])).unwrap();
    beside.signal(Signal::HUP);
    soon("the reload is refused", || {
        let log = beside.log();
        log.contains("reload refused") && log.contains("runs virtual router 51 on eth0 (IPv4) already")
    });
    assert_eq!(beside.stop(LIMIT).unwrap().code(), Some(0));
    assert!(host.has(VIRTUAL) && !host.has("10.0.9.10".parse().unwrap()));
}

/// A load balancer with one server, and what runs beside it.
fn balanced(server: &str, routers: &str) -> String {
    let service = format!(
        "virtual_server 10.9.0.1 80 {{\nlb_algo rr\nlb_kind NAT\nprotocol TCP\nreal_server {server} 80 {{\n}}\n}}\n"
    );
    configuration(&[&routers, &service])
}

/// keepalived's way to keep the two apart: one file, and a daemon for each half of it.
#[test]
fn a_load_balancer_beside_the_daemon_of_its_virtual_routers_reloads_and_runs_nothing_of_theirs() {
    let test = "a_load_balancer_beside_the_daemon_of_its_virtual_routers_reloads_and_runs_nothing_of_theirs";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/chk", "exit 0");
    let check = "vrrp_script chk {\nscript \"/run/chk\"\ninterval 1\nweight 1\n}\n";
    let tracking = Virtual::default().more("track_script {\nchk\n}");
    let text = |server| balanced(server, &format!("{check}{tracking}"));
    let balancer = stage.start_with(&host, &text("10.1.0.1"), |command| {
        command.arg("-C");
    });
    soon("it answers", || balancer.status().is_some());

    host.write("/run/second/conf", &text("10.1.0.1")).unwrap();
    let mut command = Command::new(stage.program.path());
    command.args([
        "-P",
        "-n",
        "-l",
        "-D",
        "-f/run/second/conf",
        "-p/run/second/k.pid",
        "-r/run/second/v.pid",
    ]);
    command.arg("--control-socket=/run/second/k.sock");
    let mut routers = Daemon::spawn(&host, "second", command).unwrap();
    soon("the address comes", || host.has(VIRTUAL));

    balancer.reload(&text("10.1.0.2"));
    let servers = || -> Vec<String> {
        let servers = balancer.services().into_iter().flat_map(|service| service.servers);
        servers.map(|server| server.address.to_string()).collect()
    };
    soon("it has the other server", || servers() == ["10.1.0.2:80"]);
    let status = balancer.status().unwrap();
    let run: Vec<_> = status.scripts.iter().filter(|script| script.running || script.runs > 0).collect();
    assert!(run.is_empty(), "{run:#?}");
    assert_eq!(routers.stop(LIMIT).unwrap().code(), Some(0));
}

/// Nobody hands anything over there, so nothing of it is waited for.
#[test]
fn a_load_balancer_upgrades_after_a_reload_that_removed_a_virtual_router() {
    let test = "a_load_balancer_upgrades_after_a_reload_that_removed_a_virtual_router";
    let Some(stage) = Stage::set(test) else { return };
    let further = Virtual { name: "V2", vrid: 52, addresses: vec!["10.0.9.10/32"], ..Virtual::default() };
    let text = |routers: &[&Virtual]| {
        balanced("10.1.0.1", &routers.iter().map(ToString::to_string).collect::<String>())
    };
    let first = Virtual::default();
    let balancer = stage.start_with(&stage.host("r1"), &text(&[&first, &further]), |command| {
        command.arg("-C");
    });
    soon("it answers", || balancer.status().is_some());
    balancer.reload(&text(&[&first]));
    let report = upgrade(&stage, &balancer, None);
    assert!(report.upgraded, "{report:#?}");
    balancer.reload(&text(&[&further]));
    let names: Vec<_> =
        balancer.status().unwrap().instances.into_iter().map(|instance| instance.name).collect();
    assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), ["V2"]);
}

#[test]
fn of_two_that_start_at_the_same_moment_one_gives_way() {
    let Some(stage) = Stage::set("of_two_that_start_at_the_same_moment_one_gives_way") else { return };
    let host = stage.host("r1");
    let mut both = [stage.start(&host, &simple(200)).into_daemon(), second(&stage, &host, &simple(200))];
    let refused =
        |daemon: &Daemon| daemon.log().contains("runs virtual router 51 on eth0 (IPv4) already, as V1");
    soon("one of them is refused", || both.iter().any(&refused));
    soon("the address comes", || host.has(VIRTUAL));
    for daemon in &mut both {
        if refused(daemon) {
            assert_eq!(daemon.wait(LIMIT).unwrap().code(), Some(1));
        } else {
            assert_eq!(daemon.stop(LIMIT).unwrap().code(), Some(0));
        }
    }
    assert_eq!(both.iter().filter(|daemon| refused(daemon)).count(), 1);
}

/// A reload looks for the routers of other daemons too, and one that starts cannot be seen yet.
#[test]
fn a_reload_waits_until_another_has_started() {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};

    let Some(stage) = Stage::set("a_reload_waits_until_another_has_started") else { return };
    let host = stage.host("r1");
    let router = stage.start(&host, &simple(100));
    router.reaches("V1", State::Master);
    let starts = SocketAddr::from_abstract_name("steadfast.starting").unwrap();
    let starts = || host.network().run(|| UnixListener::bind_addr(&starts)).unwrap();
    let start = wait::value(LIMIT, || starts().ok()).expect("nobody starts any more");
    router.configure(&simple(120)).unwrap();
    router.signal(Signal::HUP);
    // The signal came before the questions.
    for _ in 0..2 {
        assert_eq!(router.status().unwrap().generation, 1);
    }
    drop(start);
    soon("the reload is in force", || router.status().is_some_and(|status| status.generation == 2));
    soon("its turn is over", || starts().is_ok());
}

/// Any program may take the name, and keep it.
#[test]
fn a_reload_does_not_wait_without_end_for_another_to_start() {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};

    let Some(stage) = Stage::set("a_reload_does_not_wait_without_end_for_another_to_start") else { return };
    let host = stage.host("r1");
    let router = stage.start(&host, &simple(100));
    router.reaches("V1", State::Master);
    let starts = SocketAddr::from_abstract_name("steadfast.starting").unwrap();
    let starts = || host.network().run(|| UnixListener::bind_addr(&starts)).unwrap();
    let _start = wait::value(LIMIT, || starts().ok()).expect("nobody starts any more");
    router.configure(&simple(120)).unwrap();
    let asked = Instant::now();
    router.signal(Signal::HUP);
    soon("the reload is in force", || router.status().is_some_and(|status| status.generation == 2));
    assert!(asked.elapsed() >= Duration::from_secs(10), "after {:?}", asked.elapsed());
    router.tells(|happening| matches!(happening, Happening::Fault(Fault::NotWaitedFor { .. })));
    soon("it runs by the new file", || {
        router.instance("V1").is_some_and(|instance| instance.base_priority == 120)
    });
    assert_eq!(router.state("V1"), Some(State::Master));
}

#[test]
fn an_address_that_is_not_ours_is_left_and_named() {
    let Some(stage) = Stage::set("an_address_that_is_not_ours_is_left_and_named") else { return };
    let master = stage.router("r1", &simple(200));
    master.reaches("V1", State::Master);
    let host = stage.host("r2");
    host.assign("eth0", VIRTUAL, 32).unwrap();
    let router = stage.start(&host, &simple(100));
    router.reaches("V1", State::Backup);
    await_told(&router, &["10.0.9.9 on eth0", "not put there by this program"]);
    assert!(host.has(VIRTUAL));
}

#[test]
fn the_only_address_of_an_interface_stays_although_it_is_virtual() {
    let Some(stage) = Stage::set("the_only_address_of_an_interface_stays_although_it_is_virtual") else {
        return;
    };
    let host = stage.host("r1");
    let own: IpAddr = "10.0.0.1".parse().unwrap();
    assert!(host.has(own));
    let virtual_router = Virtual { addresses: vec!["10.0.0.1/24"], ..Virtual::default() };
    let mut router = stage.start(&host, &configuration(&[&virtual_router]));
    router.reaches("V1", State::Master);
    await_told(&router, &["10.0.0.1 is its only address and a virtual one too"]);
    assert!(
        !router
            .happened(|happening| matches!(happening, Happening::Network(Network::LeftoversRemoved { .. })))
    );
    assert!(host.has(own));
    // It gives way to another without losing what it had before.
    let other = stage.router("r2", &configuration(&[&Virtual { priority: 200, ..virtual_router }]));
    other.reaches("V1", State::Master);
    router.reaches("V1", State::Backup);
    assert!(host.has(own));
    assert_eq!(router.stop(LIMIT).unwrap().code(), Some(0));
    assert!(host.has(own));
}

#[test]
fn the_owner_of_an_address_keeps_it() {
    let Some(stage) = Stage::set("the_owner_of_an_address_keeps_it") else { return };
    let host = stage.host("r1");
    host.assign("eth0", VIRTUAL, 32).unwrap();
    let mut router = stage.start(&host, &simple(255));
    router.reaches("V1", State::Master);
    assert!(!is_told(&router, &["not put there by this program"]), "{:#?}", router.events());
    assert_eq!(router.stop(LIMIT).unwrap().code(), Some(0));
    assert!(host.has(VIRTUAL), "the owner lost its own address");
}

#[test]
fn what_an_earlier_run_left_goes_at_a_start_and_at_a_reload() {
    let Some(stage) = Stage::set("what_an_earlier_run_left_goes_at_a_start_and_at_a_reload") else { return };
    let host = stage.host("r1");
    let both = |priority| {
        let second =
            Virtual { name: "V2", vrid: 52, priority, addresses: vec!["10.0.9.10/32"], ..Virtual::default() };
        configuration(&[&Virtual::with_priority(priority), &second])
    };
    let further: IpAddr = "10.0.9.10".parse().unwrap();
    let crashed = stage.start(&host, &both(100));
    crashed.reaches("V1", State::Master);
    soon("the addresses come", || host.has(VIRTUAL) && host.has(further));
    crashed.signal_all(Signal::KILL).unwrap();
    drop(crashed);
    assert!(host.has(VIRTUAL) && host.has(further));
    let master = stage.router("r2", &both(200));
    master.reaches("V1", State::Master);
    master.reaches("V2", State::Master);

    let router = stage.start(&host, &simple(100));
    router.reaches("V1", State::Backup);
    soon("the leftover goes", || !host.has(VIRTUAL));
    await_told(&router, &["removed 10.0.9.9 on eth0"]);
    assert!(host.has(further), "an address of nobody here was removed");
    router.reload(&both(100));
    router.reaches("V2", State::Backup);
    soon("the other leftover goes", || !host.has(further));
    await_told(&router, &["removed 10.0.9.10 on eth0"]);
}

#[test]
fn a_background_start_returns_when_the_daemon_is_ready_with_its_status_and_error() {
    let test = "a_background_start_returns_when_the_daemon_is_ready_with_its_status_and_error";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("r1");
    own_etc(&host);
    host.write("/run/k.conf", &simple(100)).unwrap();
    let program = stage.program.path().to_str().unwrap();
    let without = host.run(&["setpriv", "--bounding-set=-net_raw", program, "-f/run/k.conf"]).unwrap();
    assert_eq!(without.status.code(), Some(4), "{}", without.output);
    assert!(without.output.contains("CAP_NET_RAW"), "{}", without.output);
    assert!(host.processes().unwrap().is_empty() && !host.outside("/run/keepalived.pid").exists());

    let started = host.run(&[program, "-f/run/k.conf"]).unwrap();
    assert_eq!((started.status.code(), started.output.as_str()), (Some(0), ""));
    // Ready means that nothing has to be waited for.
    let status = host.run(&[program, "status", "--json"]).unwrap();
    assert_eq!(status.status.code(), Some(0), "{}", status.output);
    assert!(host.outside("/run/vrrp.pid").exists());
    for file in ["/run/keepalived.pid", "/run/vrrp.pid"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(host.outside(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{file}");
    }
    // A further one is refused, and leaves everything as it is.
    let before = text_of(&host, "/run/keepalived.pid");
    let again = host.run(&[program, "-f/run/k.conf"]).unwrap();
    assert_eq!(again.status.code(), Some(1), "{}", again.output);
    assert_eq!(text_of(&host, "/run/keepalived.pid"), before);
    let stopped = host.run(&["sh", "-c", "kill $(cat /run/keepalived.pid)"]).unwrap();
    assert!(stopped.status.success());
    soon("it ends", || host.processes().unwrap().is_empty());
}
