//! The reconciler against a real kernel.

use std::net::Ipv4Addr;
use std::time::Instant;

use super::*;
use crate::netlink::Monitor;
use crate::testbed::fresh_namespace::in_fresh_namespace;
use crate::wait::clock;
use crate::wait::poll::{Events, Interest, Poller};

const DEADLINE_NANOSECONDS: u64 = 10_000_000_000;
const LOOPBACK: u32 = 1;
const SECOND: u64 = 1_000_000_000;

fn spec(address: [u8; 4], prefix: u8) -> AddressSpec {
    AddressSpec::new(LOOPBACK, IpAddr::from(address), prefix)
}

fn spec_v6(last: u16) -> AddressSpec {
    AddressSpec::new(LOOPBACK, IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]), 128)
}

/// Kernel, reconciler and announcements.
struct Bench {
    requests: Requests,
    monitor: Monitor,
    reconciler: Reconciler,
}

impl Bench {
    fn new() -> Self {
        let monitor = Monitor::open().unwrap();
        let mut requests = Requests::open().unwrap();
        let mut reconciler = Reconciler::default();
        reconciler.load(&requests.addresses().unwrap());
        Self { requests, monitor, reconciler }
    }

    fn apply(&mut self) -> Applied {
        let applied = self.reconciler.apply(&mut self.requests, clock::monotonic()).unwrap();
        assert_eq!(applied.failures, []);
        assert!(!applied.must_load);
        applied
    }

    /// Feeds announcements until one is observed as `wanted` says.
    fn observe_until(&mut self, now: u64, mut wanted: impl FnMut(&Change, Observed) -> bool) {
        let poller = Poller::open().unwrap();
        poller.add(&self.monitor, 0, Interest::Readable).unwrap();
        let deadline = clock::monotonic() + DEADLINE_NANOSECONDS;
        loop {
            let mut changes = Vec::new();
            self.monitor.read(&mut changes).unwrap();
            let mut found = false;
            for change in changes {
                let observed = self.reconciler.observe(&change, now);
                found |= wanted(&change, observed);
            }
            if found {
                return;
            }
            assert!(clock::monotonic() < deadline, "it was not announced");
            poller.wait(&mut Events::default(), Some(deadline)).unwrap();
        }
    }

    /// Feeds what has been announced so far: the kernel announces before it answers.
    fn observe_all(&mut self, now: u64) -> Vec<Observed> {
        let mut changes = Vec::new();
        while self.monitor.read(&mut changes).unwrap() {}
        changes.iter().map(|change| self.reconciler.observe(change, now)).collect()
    }

    /// Our addresses in the kernel.
    fn ours(&mut self) -> Vec<AddressKey> {
        let addresses = self.requests.addresses().unwrap();
        addresses.into_iter().filter(Address::is_ours).map(|address| address.key).collect()
    }
}

#[test]
fn wanted_addresses_come_and_unwanted_ones_go() {
    in_fresh_namespace("wanted_addresses_come_and_unwanted_ones_go", || {
        let mut bench = Bench::new();
        let (v4, v6) = (spec([192, 0, 2, 1], 32), spec_v6(1));
        bench.reconciler.want(v4.clone());
        bench.reconciler.want(v6.clone());
        assert_eq!(bench.apply().added, 2);
        assert_eq!(bench.ours(), [v4.key, v6.key]);
        assert!(bench.reconciler.is_served(v4.key));
        bench.reconciler.want(v4.clone());
        assert_eq!(bench.reconciler.next_wakeup(), None);
        bench.reconciler.unwant(v4.key);
        assert_eq!(bench.apply().deleted, 1);
        assert_eq!(bench.ours(), [v6.key]);
        assert!(bench.observe_all(0).iter().all(|observed| *observed == Observed::AsExpected));
        assert_eq!(bench.apply(), Applied::default());
    });
}

#[test]
fn an_address_that_moves_between_owners_is_never_gone() {
    in_fresh_namespace("an_address_that_moves_between_owners_is_never_gone", || {
        let mut bench = Bench::new();
        let address = spec([192, 0, 2, 1], 32);
        bench.reconciler.want(address.clone());
        bench.apply();
        bench.reconciler.unwant(address.key);
        bench.reconciler.want(address.clone());
        assert_eq!(bench.apply(), Applied::default());
        assert!(bench.reconciler.is_served(address.key));
    });
}

#[test]
fn what_another_program_removes_is_put_back_at_a_bounded_rate() {
    in_fresh_namespace("what_another_program_removes_is_put_back_at_a_bounded_rate", || {
        let mut bench = Bench::new();
        let mut other = Requests::open().unwrap();
        for address in [spec([192, 0, 2, 1], 32), spec_v6(1)] {
            let key = address.key;
            bench.reconciler.want(address);
            bench.apply();
            let now = clock::monotonic();
            other.delete_address(key).unwrap();
            let at_once = Observed::Removed { key, put_back_at: now };
            bench.observe_until(now, |_, observed| observed == at_once);
            assert!(!bench.reconciler.is_served(key));
            assert_eq!(bench.reconciler.next_wakeup(), Some(now));
            assert_eq!(bench.apply().added, 1);
            assert!(bench.ours().contains(&key));

            other.delete_address(key).unwrap();
            let put_back_at = now + PUT_BACK_INTERVAL_NANOSECONDS;
            let bounded = Observed::Removed { key, put_back_at };
            bench.observe_until(now + 5, |_, observed| observed == bounded);
            let early = bench.reconciler.apply(&mut bench.requests, put_back_at - 1).unwrap();
            assert_eq!(early.added, 0);
            let due = bench.reconciler.apply(&mut bench.requests, put_back_at).unwrap();
            assert_eq!(due.added, 1);
        }
    });
}

#[test]
fn a_changed_specification_replaces_the_address() {
    in_fresh_namespace("a_changed_specification_replaces_the_address", || {
        let mut bench = Bench::new();
        let mut address = spec([192, 0, 2, 1], 32);
        bench.reconciler.want(address.clone());
        bench.apply();
        address.label = Some("lo:1".to_owned());
        bench.reconciler.want(address.clone());
        let applied = bench.apply();
        assert_eq!((applied.added, applied.deleted), (1, 1));
        let found = bench.requests.addresses().unwrap();
        let found = found.iter().find(|found| found.key == address.key).unwrap();
        assert_eq!(found.label, address.label);
        bench.observe_all(0);
        bench.apply();
        assert!(bench.reconciler.is_served(address.key));
    });
}

#[test]
fn deleting_a_primary_address_keeps_the_wanted_secondaries() {
    in_fresh_namespace("deleting_a_primary_address_keeps_the_wanted_secondaries", || {
        for promote in ["0", "1"] {
            std::fs::write("/proc/sys/net/ipv4/conf/all/promote_secondaries", promote).unwrap();
            let mut bench = Bench::new();
            let addresses: Vec<_> = (1..=4).map(|last| spec([10, 9, 9, last], 24)).collect();
            for address in &addresses {
                bench.reconciler.want(address.clone());
            }
            bench.apply();
            // Once without and once with knowing from announcements who is primary.
            for gone in 0..2 {
                bench.reconciler.unwant(addresses[gone].key);
                assert_eq!(bench.apply().deleted, 1);
                let left: Vec<_> = addresses[gone + 1..].iter().map(|address| address.key).collect();
                assert_eq!(bench.ours(), left);
                let observed = bench.observe_all(clock::monotonic());
                assert!(observed.iter().all(|observed| *observed == Observed::AsExpected), "{observed:?}");
                bench.apply();
                assert_eq!(bench.ours(), left);
            }
            for address in &addresses {
                bench.reconciler.unwant(address.key);
            }
            bench.apply();
            assert_eq!(bench.ours(), []);
        }
    });
}

#[test]
fn addresses_of_an_earlier_run_are_adopted_or_cleaned() {
    in_fresh_namespace("addresses_of_an_earlier_run_are_adopted_or_cleaned", || {
        let wanted = spec([192, 0, 2, 1], 32);
        let stale = spec([192, 0, 2, 2], 32);
        let mut earlier = Bench::new();
        earlier.reconciler.want(wanted.clone());
        earlier.reconciler.want(stale.clone());
        earlier.apply();

        let mut bench = Bench::new();
        bench.reconciler.want(wanted.clone());
        assert_eq!(bench.apply(), Applied::default(), "an adopted address is not touched");
        let found = bench.requests.addresses().unwrap();
        found.iter().filter(|address| address.is_ours()).for_each(|found| bench.reconciler.discard(found));
        assert_eq!(bench.apply().deleted, 1);
        assert_eq!(bench.ours(), [wanted.key]);
    });
}

#[test]
fn a_missing_interface_is_told_and_served_when_it_comes() {
    in_fresh_namespace("a_missing_interface_is_told_and_served_when_it_comes", || {
        let mut bench = Bench::new();
        let mut address = spec([192, 0, 2, 1], 32);
        address.key.interface = 77;
        bench.reconciler.want(address.clone());
        let applied = bench.reconciler.apply(&mut bench.requests, SECOND).unwrap();
        assert_eq!(applied.failures.len(), 1);
        assert_eq!(applied.failures[0].error.errno, Errno::NODEV);
        assert_eq!(bench.reconciler.next_wakeup(), None);
        let link = crate::netlink::Link { index: 77, up: true, ..crate::netlink::Link::default() };
        bench.reconciler.observe(&Change::Link(link), SECOND);
        assert_eq!(bench.reconciler.difference(), [Operation::Add(address.key)]);
    });
}

#[test]
fn five_thousand_addresses_come_and_go_in_few_calls() {
    in_fresh_namespace("five_thousand_addresses_come_and_go_in_few_calls", || {
        let mut bench = Bench::new();
        let keys: Vec<_> = (0..5_000_u32)
            .map(|number| {
                let address = Ipv4Addr::from_bits(0x0a00_0001 + number);
                let address = AddressSpec::new(LOOPBACK, address.into(), 16);
                let key = address.key;
                bench.reconciler.want(address);
                key
            })
            .collect();
        let start = Instant::now();
        assert_eq!(bench.apply().added, keys.len());
        let added = start.elapsed();
        assert_eq!(bench.ours(), keys);
        let mut lost = bench.observe_all(clock::monotonic()).contains(&Observed::Lost);

        for key in &keys {
            bench.reconciler.unwant(*key);
        }
        let start = Instant::now();
        let applied = bench.apply();
        let deleted = start.elapsed();
        assert_eq!(applied.deleted, keys.len());
        assert_eq!(bench.ours(), []);
        lost |= bench.observe_all(clock::monotonic()).contains(&Observed::Lost);
        println!("5,000 addresses: added in {added:?}, deleted in {deleted:?}, announcements lost: {lost}");
        // Generous: the machine runs other tests beside.
        assert!(added.as_secs() < 5 && deleted.as_secs() < 5, "{added:?} {deleted:?}");
    });
}

#[test]
fn a_socket_that_fails_is_not_asked_again_at_once() {
    let mut requests = Requests::broken();
    let (now, later) = (5, 5 + RETRY_INTERVAL_NANOSECONDS);
    let mut reconciler = Reconciler::default();
    reconciler.want(Arc::new(spec([127, 0, 0, 2], 32)));
    assert_eq!(reconciler.next_wakeup(), Some(0));
    assert!(reconciler.apply(&mut requests, now).is_err());
    assert_eq!(reconciler.next_wakeup(), Some(later));
    assert!(reconciler.apply(&mut requests, later - 1).is_ok(), "not attempted");
    assert!(reconciler.apply(&mut requests, later).is_err(), "what was wanted is still to be done");
}
