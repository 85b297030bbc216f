//! Addresses and links on a real kernel.

use std::net::IpAddr;

use super::*;
use crate::namespace::Network;
use crate::netlink::Requests;
use crate::testbed::Wiring;
use crate::testbed::fresh_namespace::in_fresh_namespace;
use crate::wait::clock;
use crate::wait::poll::{Events, Interest, Poller};

const DEADLINE_NANOSECONDS: u64 = 10_000_000_000;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Reads changes until one is what the test waits for.
fn await_change(monitor: &mut Monitor, mut wanted: impl FnMut(&Change) -> bool) -> Change {
    let poller = Poller::open().unwrap();
    poller.add(&*monitor, 0, Interest::Readable).unwrap();
    let deadline = clock::monotonic() + DEADLINE_NANOSECONDS;
    loop {
        let mut changes = Vec::new();
        monitor.read(&mut changes).unwrap();
        if let Some(found) = changes.into_iter().find(|change| wanted(change)) {
            return found;
        }
        assert!(clock::monotonic() < deadline, "the change was not announced");
        poller.wait(&mut Events::default(), Some(deadline)).unwrap();
    }
}

#[test]
fn addresses_are_added_listed_announced_and_deleted() {
    in_fresh_namespace("addresses_are_added_listed_announced_and_deleted", || {
        let mut requests = Requests::open().unwrap();
        let mut monitor = Monitor::open().unwrap();
        let mut v4 = AddressSpec::new(1, ip("192.0.2.1"), 24);
        v4.label = Some("lo:vip".to_owned());
        v4.scope = 253;
        let mut v6 = AddressSpec::new(1, ip("2001:db8::1"), 128);
        v6.preferred_lifetime_seconds = Some(0);
        for spec in [&v4, &v6] {
            requests.add_address(spec).unwrap();
            requests.add_address(spec).unwrap();
            await_change(
                &mut monitor,
                |change| matches!(change, Change::AddressAdded { address, .. } if address.key == spec.key),
            );
        }
        let addresses = requests.addresses().unwrap();
        let found = |key| addresses.iter().find(|address| address.key == key).unwrap();
        let v4_found = found(v4.key);
        assert_eq!(v4_found.label.as_deref(), Some("lo:vip"));
        assert_eq!((v4_found.scope, v4_found.protocol, v4_found.peer), (253, Some(PROTOCOL), None));
        let v6_found = found(v6.key);
        assert!(v6_found.flags.contains(AddressFlags::Nodad | AddressFlags::Deprecated), "{v6_found:?}");
        assert!(!v6_found.is_tentative());
        assert!(v6_found.is_ours());

        let port = requests.port();
        for spec in [&v4, &v6] {
            requests.delete_address(spec.key).unwrap();
            requests.delete_address(spec.key).unwrap();
            let change = await_change(
                &mut monitor,
                |change| matches!(change, Change::AddressRemoved { address, .. } if address.key == spec.key),
            );
            let Change::AddressRemoved { origin, .. } = change else { panic!() };
            assert_eq!(origin, if spec.key.address.is_ipv4() { port } else { 0 });
        }
    });
}

#[test]
fn a_peer_and_a_missing_interface_are_told_apart_from_success() {
    in_fresh_namespace("a_peer_and_a_missing_interface_are_told_apart_from_success", || {
        let mut requests = Requests::open().unwrap();
        let mut spec = AddressSpec::new(1, ip("192.0.2.1"), 32);
        spec.peer = Some(ip("198.51.100.1"));
        requests.add_address(&spec).unwrap();
        let addresses = requests.addresses().unwrap();
        assert_eq!(addresses.iter().find(|a| a.key == spec.key).unwrap().peer, spec.peer);
        let error = requests.add_address(&AddressSpec::new(999, ip("192.0.2.1"), 32)).unwrap_err();
        assert_eq!(error.errno, crate::Errno::NODEV);
        assert!(error.to_string().contains("192.0.2.1/32 on interface 999"), "{error}");
    });
}

#[test]
fn links_are_listed_and_followed() {
    in_fresh_namespace("links_are_listed_and_followed", || {
        let network = Network::current().unwrap();
        let mut wiring = Wiring::open(&network).unwrap();
        let mut monitor = Monitor::open().unwrap();
        wiring.create_veth("one", "two", &network).unwrap();
        wiring.set_up("one").unwrap();
        let one = wiring.index("one").unwrap();
        let link = await_change(
            &mut monitor,
            |change| matches!(change, Change::Link(link) if link.index == one && link.up && !link.running),
        );
        let Change::Link(link) = link else { panic!() };
        assert_eq!((link.kind.as_deref(), link.hardware_address.len()), (Some("veth"), 6));
        assert_eq!(link.broadcast, [0xff; 6]);
        wiring.set_up("two").unwrap();
        await_change(
            &mut monitor,
            |change| matches!(change, Change::Link(link) if link.index == one && link.running),
        );
        let links = Requests::open().unwrap().links().unwrap();
        let names: Vec<_> = links.iter().map(|link| link.name.as_str()).collect();
        assert!(names.contains(&"one") && names.contains(&"two") && names.contains(&"lo"), "{names:?}");
        let lo = links.iter().find(|link| link.name == "lo").unwrap();
        assert!(lo.loopback && lo.up && lo.running);
        wiring.delete("one").unwrap();
        await_change(
            &mut monitor,
            |change| matches!(change, Change::LinkGone(link) if link.index == one && link.name == "one"),
        );
    });
}

#[test]
fn a_bridge_that_loses_a_port_removes_no_link() {
    in_fresh_namespace("a_bridge_that_loses_a_port_removes_no_link", || {
        let network = Network::current().unwrap();
        let mut wiring = Wiring::open(&network).unwrap();
        wiring.create_veth("one", "two", &network).unwrap();
        wiring.create_bridge("lan").unwrap();
        let mut monitor = Monitor::open().unwrap();
        wiring.attach("one", "lan").unwrap();
        wiring.detach("one").unwrap();
        wiring.set_up("two").unwrap();
        let two = wiring.index("two").unwrap();
        let mut gone = false;
        await_change(&mut monitor, |change| {
            gone |= matches!(change, Change::LinkGone(_));
            matches!(change, Change::Link(link) if link.index == two && link.up)
        });
        assert!(!gone);
    });
}
