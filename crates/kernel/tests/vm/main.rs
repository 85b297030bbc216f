//! The load balancer of a real kernel. `cargo xtask test` runs these in a guest that has one; elsewhere
//! `cargo xtask vm -- PROGRAM`, or any kernel with IPVS and root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it does not expect")]

mod reconciling;
mod table;

use std::process::Command;

use steadfast_kernel::ipvs::{
    Forwarding, Ipvs, Name, SchedulerFlags, Server, ServerKey, Service, ServiceKey, Transport,
};
use steadfast_kernel::namespace::Network;
use steadfast_kernel::testbed::Wiring;

/// Runs `test` in a network of its own, with the way to its empty table.
fn with_ipvs(test_name: &str, test: impl FnOnce(&mut Ipvs) + Send) {
    let network = match Network::anonymous() {
        Ok(network) => network,
        Err(reason) => return left_out(test_name, &reason.to_string()),
    };
    // Before the loopback is up a network has no table of local addresses, and the kernel takes no address for unicast.
    Wiring::open(&network).unwrap().set_up("lo").unwrap();
    network
        .run(|| match Ipvs::open() {
            Ok(mut ipvs) => test(&mut ipvs),
            Err(reason) => left_out(test_name, &format!("{reason}; see `cargo xtask vm`")),
        })
        .unwrap();
}

fn left_out(test_name: &str, reason: &str) {
    use std::io::Write as _;
    // In one piece, and past the harness, which keeps the output of tests that pass.
    std::io::stderr().write_all(format!("left out: {test_name}: {reason}\n").as_bytes()).unwrap();
}

/// What ipvsadm saves of the table, line by line.
fn saved() -> Vec<String> {
    let output = Command::new("ipvsadm").arg("-Sn").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line.trim().to_owned()).collect()
}

/// Another program at work.
fn ipvsadm(arguments: &str) {
    let output = Command::new("ipvsadm").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ipvsadm {arguments}: {output:?}");
}

fn service(scheduler: &str) -> Service {
    Service {
        scheduler: Name::new(scheduler).unwrap(),
        scheduler_flags: SchedulerFlags::default(),
        one_packet: false,
        persistence: None,
    }
}

fn server(weight: u32) -> Server {
    Server { forwarding: Forwarding::Masquerade, weight, upper_threshold: 0, lower_threshold: 0 }
}

fn tcp(address: &str, port: u16) -> ServiceKey {
    ServiceKey::Address { transport: Transport::Tcp, address: address.parse().unwrap(), port }
}

fn at(address: &str, port: u16) -> ServerKey {
    ServerKey { address: address.parse().unwrap(), port }
}
