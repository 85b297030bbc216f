//! How the processes run and what the kernel keeps for their sockets, as with keepalived.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags};
use steadfast_lab::{Daemon, Signal, wait};

use crate::pair::LIMIT;
use crate::rarer::{alone, instance};

/// A file of a process's folder in /proc.
fn of_process(pid: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

/// The process with the virtual routers, once there is one.
fn worker(daemon: &Daemon) -> u32 {
    wait::value(LIMIT, || daemon.vrrp_worker()).expect("a vrrp process writes its pid file")
}

/// Receive buffers of the sockets of a process, raw ones or those that speak with the kernel.
fn buffers(pid: u32, wanted: AddressFamily) -> Vec<usize> {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let Ok(process) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return Vec::new() };
    let folder = format!("/proc/{}/fd", pid.as_raw_nonzero());
    let numbers = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let size = |number: i32| {
        let socket = rustix::process::pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok()?;
        let family = sockopt::socket_domain(&socket).ok()?;
        (family == wanted).then(|| sockopt::socket_recv_buffer_size(&socket).ok())?
    };
    numbers.filter_map(size).collect()
}

/// The kernel doubles what is asked for, for its own overhead.
#[test]
fn buffers_have_the_sizes_that_are_asked_for() {
    const ADVERT: usize = 20 + 8 + 4;
    const MTU: usize = 1_500;
    let own = " vrrp_netlink_cmd_rcv_bufs 100000\n vrrp_netlink_cmd_rcv_bufs_force off\n \
               vrrp_netlink_monitor_rcv_bufs 120000000\n vrrp_netlink_monitor_rcv_bufs_force\n";
    // More than the kernel gives to who only asks (net.core.rmem_max).
    let forced = " vrrp_netlink_cmd_rcv_bufs 130000000\n vrrp_netlink_cmd_rcv_bufs_force\n \
                  vrrp_netlink_monitor_rcv_bufs 120000000\n vrrp_netlink_monitor_rcv_bufs_force\n";
    for (place, (globals, more, wanted)) in [
        (" vrrp_rx_bufs_policy 40000\n", "", 80_000),
        (" vrrp_rx_bufs_policy MTU\n vrrp_rx_bufs_multiplier 5\n", "", MTU * 5 * 2),
        (" vrrp_rx_bufs_policy ADVERT\n vrrp_rx_bufs_multiplier 100\n", "", ADVERT * 100 * 2),
        (" vrrp_rx_bufs_policy 40000\n", " kernel_rx_buf_size 30000\n", 70_000),
    ]
    .into_iter()
    .enumerate()
    {
        let (netlink, commands) = if place % 2 == 0 { (own, 200_000) } else { (forced, 260_000_000) };
        for alone in alone("buffers_have_the_sizes_that_are_asked_for") {
            let globals = format!("global_defs {{\n vrrp_version 3\n{netlink}{globals}}}\n");
            let text = globals + &instance(1, "10.0.9.1/32", more) + &instance(2, "10.0.9.2/32", "");
            let daemon = alone.start(&text);
            let worker = worker(&daemon);
            let adverts = || buffers(worker, AddressFamily::INET);
            let reached = wait::until(LIMIT, || adverts().contains(&(wanted * 2)));
            let name = alone.program.name();
            assert!(reached, "{name}: {wanted} twice, found {:?}: {text}", adverts());
            for wanted in [commands, 240_000_000] {
                let found = || buffers(worker, AddressFamily::NETLINK);
                let reached = wait::until(LIMIT, || found().contains(&wanted));
                assert!(reached, "{name}: {wanted}, found {:?}", found());
            }
        }
    }
}

#[test]
fn processes_have_their_names_limits_and_masks() {
    let globals = "global_defs {\n vrrp_version 3\n process_name head\n vrrp_process_name routers\n vrrp_rt_priority 3\n \
                   vrrp_rlimit_rtime 77000\n umask 0133\n}\n";
    for alone in alone("processes_have_their_names_limits_and_masks") {
        let text = globals.to_owned() + &instance(1, "10.0.9.1/32", "");
        let daemon = alone.start(&text);
        let name = alone.program.name();
        let worker = worker(&daemon);
        let named = || [daemon.pid(), worker].map(|pid| of_process(pid, "comm").trim_end().to_owned());
        assert!(wait::until(LIMIT, || named() == ["head", "routers"]), "{name}: {:?}", named());
        let limits = || of_process(worker, "limits");
        let limit = |line: &str| line.starts_with("Max realtime timeout") && line.contains("77000");
        assert!(wait::until(LIMIT, || limits().lines().any(limit)), "{name}: {}", limits());
        let mask = of_process(worker, "status");
        assert!(mask.contains("Umask:\t0133"), "{name}: {mask}");
    }
}

/// SCHED_RR priority of a process; 0 for none.
fn realtime_priority(pid: u32) -> u32 {
    let stat = of_process(pid, "stat");
    // Fields 40 and 41 of proc(5), the priority and the policy: what precedes them ends with the name in brackets.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse().ok()).unwrap_or(0);
    if field(41) == 2 { field(40) } else { 0 }
}

#[test]
fn a_process_that_wakes_late_gets_more_priority() {
    let globals =
        "global_defs {\n vrrp_version 3\n max_auto_priority 2\n min_auto_priority_delay 300000\n}\n";
    for alone in alone("a_process_that_wakes_late_gets_more_priority") {
        let text = globals.to_owned() + &instance(1, "10.0.9.1/32", "");
        let daemon = alone.start(&text);
        let since = Instant::now();
        alone.first(1, since);
        let worker = worker(&daemon);
        let name = alone.program.name();
        let before = realtime_priority(worker);
        assert!(before <= 1, "{name}: {before} on a quiet machine");
        for _ in 0..3 {
            daemon.hold_up(Duration::from_millis(500)).unwrap();
            alone.first(1, Instant::now());
        }
        let raised = wait::until(LIMIT, || realtime_priority(worker) == 2);
        assert!(raised, "{name}: {}", realtime_priority(worker));
    }
}

/// Nothing is heard or said until the machine has run for so long. The clock of this one is put back, since the keyword
/// knows no more than the first hour.
#[test]
fn a_delay_after_boot_is_waited_for() {
    const DELAY: Duration = Duration::from_secs(5);
    let Some(alone) = alone("a_delay_after_boot_is_waited_for").pop() else { return };
    let globals =
        format!("global_defs {{\n vrrp_version 3\n vrrp_delay_after_boot {}\n}}\n", DELAY.as_secs());
    let text = globals + &instance(1, "10.0.9.1/32", "");
    let plain = Daemon::command(&alone.host, &alone.program, &text).unwrap();
    let uptime: f64 =
        std::fs::read_to_string("/proc/uptime").unwrap().split(' ').next().unwrap().parse().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--time", "--boottime", &format!("-{:.0}", uptime.floor() - 1.0), "--fork"]);
    command.arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let since = Instant::now();
    let daemon = Daemon::spawn(&alone.host, alone.program.name(), command).unwrap();
    let first = alone.first(1, since).0 - since;
    // The clock stands at 1 to 2 seconds then, if it was not started late.
    assert!(first > DELAY / 2, "{first:?}");
    // Whoever takes a worker's place has waited already.
    let killed = Pid::from_raw(i32::try_from(worker(&daemon)).unwrap()).unwrap();
    rustix::process::kill_process(killed, Signal::KILL).unwrap();
    let since = Instant::now();
    let next = alone.first(1, since).0 - since;
    assert!(next < Duration::from_secs(1), "{next:?}");
}

/// One seed, one series.
#[test]
fn numbers_by_chance_follow_the_seed() {
    let Some(alone) = alone("numbers_by_chance_follow_the_seed").pop() else { return };
    let address = |seed: u32| {
        let text = format!("global_defs {{\n vrrp_version 3\n random_seed {seed}\n}}\n")
            + &instance(1, "10.0.9.${_RANDOM 1 250}/32", "");
        let since = Instant::now();
        let mut daemon = alone.start(&text);
        let addresses = alone.first(1, since).1.addresses;
        daemon.stop(LIMIT).unwrap();
        addresses
    };
    let [one, again] = [address(7), address(7)];
    assert_eq!(one, again);
    assert!([8, 9, 10].into_iter().any(|seed| address(seed) != one));
}
