//! The reconciler against a real kernel.

use std::net::Ipv4Addr;
use std::time::Instant;

use super::*;
use crate::netlink::Monitor;
use crate::reconcile::Rounds;
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
    reconciler: Addresses,
    rounds: Rounds,
}

/// How many addresses came and went.
#[derive(Debug, Default, PartialEq)]
struct Applied {
    added: usize,
    deleted: usize,
}

impl Bench {
    fn new() -> Self {
        let monitor = Monitor::open().unwrap();
        let mut requests = Requests::open().unwrap();
        let mut reconciler = Addresses::default();
        reconciler.heard(Heard::Addresses(&requests.addresses().unwrap()), 0);
        Self { requests, monitor, reconciler, rounds: Rounds::default() }
    }

    fn wish(&mut self, spec: &AddressSpec) {
        self.reconciler.wish(Arc::new(spec.clone()));
    }

    fn unwish(&mut self, spec: &AddressSpec) {
        self.reconciler.unwish(&spec.key);
    }

    fn apply(&mut self) -> Applied {
        self.apply_at(clock::monotonic())
    }

    fn apply_at(&mut self, now: u64) -> Applied {
        let mut applied = Applied::default();
        for report in self.round(now) {
            match report.fate {
                Fate::Installed | Fate::PutBack => applied.added += 1,
                Fate::Gone => applied.deleted += 1,
                Fate::TakenAway => {}
                Fate::Refused(_) | Fate::Accepted | Fate::TakenOver | Fate::Changed | Fate::Intruded => {
                    panic!("{report:?}")
                }
            }
        }
        assert!(!self.reconciler.must_load);
        applied
    }

    fn round(&mut self, now: u64) -> Vec<Report> {
        self.rounds.run(&mut self.requests, &mut [&mut self.reconciler], now).unwrap();
        self.reconciler.take_reports()
    }

    fn next_wakeup(&mut self) -> Option<u64> {
        self.rounds.next_wakeup(&mut [&mut self.reconciler])
    }

    /// Feeds announcements until one is `wanted`; what came about then.
    fn hear_until(&mut self, now: u64, wanted: impl Fn(&Change) -> bool) -> Vec<Report> {
        let poller = Poller::open().unwrap();
        poller.add(&self.monitor, 0, Interest::Readable).unwrap();
        let deadline = clock::monotonic() + DEADLINE_NANOSECONDS;
        loop {
            let mut changes = Vec::new();
            self.monitor.read(&mut changes).unwrap();
            for change in &changes {
                self.reconciler.heard(Heard::Change(change), now);
            }
            if changes.iter().any(&wanted) {
                return self.reconciler.take_reports();
            }
            assert!(clock::monotonic() < deadline, "it was not announced");
            poller.wait(&mut Events::default(), Some(deadline)).unwrap();
        }
    }

    /// Feeds what has been announced so far: the kernel announces before it answers. Whether some of it was lost.
    fn hear_all(&mut self, now: u64) -> bool {
        let mut changes = Vec::new();
        while self.monitor.read(&mut changes).unwrap() {}
        changes.iter().for_each(|change| self.reconciler.heard(Heard::Change(change), now));
        changes.contains(&Change::Overrun)
    }

    /// Feeds what has been announced so far: nothing of it was lost, and nobody else did anything.
    fn hear_nothing_unexpected(&mut self, now: u64) {
        assert!(!self.hear_all(now));
        assert_eq!(self.reconciler.take_reports(), []);
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
        bench.wish(&v4);
        bench.wish(&v6);
        assert_eq!(bench.apply().added, 2);
        assert_eq!(bench.ours(), [v4.key, v6.key]);
        assert!(bench.reconciler.is_served(v4.key));
        bench.wish(&v4);
        assert_eq!(bench.next_wakeup(), None);
        bench.unwish(&v4);
        assert_eq!(bench.apply().deleted, 1);
        assert_eq!(bench.ours(), [v6.key]);
        bench.hear_nothing_unexpected(0);
        assert_eq!(bench.apply(), Applied::default());
    });
}

#[test]
fn an_address_that_moves_between_owners_is_never_gone() {
    in_fresh_namespace("an_address_that_moves_between_owners_is_never_gone", || {
        let mut bench = Bench::new();
        let address = spec([192, 0, 2, 1], 32);
        bench.wish(&address);
        bench.apply();
        bench.unwish(&address);
        bench.wish(&address);
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
            let came = |fate| Thing::Address(key).came(fate);
            let removed = |change: &Change| matches!(change, Change::AddressRemoved { address, .. } if address.key == key);
            bench.wish(&address);
            bench.apply();
            let now = clock::monotonic();
            other.delete_address(key).unwrap();
            assert_eq!(bench.hear_until(now, removed), [came(Fate::TakenAway)]);
            assert!(!bench.reconciler.is_served(key));
            assert_eq!(bench.next_wakeup(), Some(now));
            assert_eq!(bench.round(now), [came(Fate::PutBack)]);
            assert!(bench.ours().contains(&key));

            other.delete_address(key).unwrap();
            let put_back_at = now + PUT_BACK_INTERVAL_NANOSECONDS;
            assert_eq!(bench.hear_until(now + 5, removed), [came(Fate::TakenAway)]);
            assert_eq!(bench.next_wakeup(), Some(put_back_at));
            assert_eq!(bench.round(put_back_at - 1), []);
            assert_eq!(bench.round(put_back_at), [came(Fate::PutBack)]);
        }
    });
}

/// What a hung or killed daemon does not renew, the kernel removes; it counts whole seconds.
#[test]
fn a_lease_is_renewed_and_ends_with_who_renews_it() {
    in_fresh_namespace("a_lease_is_renewed_and_ends_with_who_renews_it", || {
        let lease = 2;
        for address in [spec([192, 0, 2, 1], 32), spec_v6(1)] {
            let mut bench = Bench::new();
            let address = AddressSpec { lease_seconds: Some(lease), ..address };
            let key = address.key;
            // Somebody made it for ever.
            bench.requests.add_address(&AddressSpec { lease_seconds: None, ..address.clone() }).unwrap();
            bench.wish(&address);
            let part = u64::from(lease) * SECOND / RENEWALS_PER_LEASE;
            let mut renewed = Instant::now();
            for _ in 0..2 * RENEWALS_PER_LEASE {
                let now = clock::monotonic();
                bench.round(now);
                renewed = Instant::now();
                bench.hear_all(now);
                assert!(bench.ours().contains(&key));
                bench.round(now);
                assert_eq!(bench.next_wakeup(), Some(now + part));
                let poller = Poller::open().unwrap();
                poller.wait(&mut Events::default(), Some(now + part)).unwrap();
            }
            let removed = |change: &Change| matches!(change, Change::AddressRemoved { address, .. } if address.key == key);
            bench.hear_until(clock::monotonic(), removed);
            let lasted = renewed.elapsed();
            let lease = std::time::Duration::from_secs(lease.into());
            assert!(lasted >= lease * 3 / 4, "{lasted:?}");
        }
    });
}

#[test]
fn a_changed_specification_replaces_the_address() {
    in_fresh_namespace("a_changed_specification_replaces_the_address", || {
        let mut bench = Bench::new();
        let mut address = spec([192, 0, 2, 1], 32);
        bench.wish(&address);
        bench.apply();
        address.label = Some("lo:1".to_owned());
        bench.wish(&address);
        let applied = bench.apply();
        assert_eq!((applied.added, applied.deleted), (1, 1));
        let found = bench.requests.addresses().unwrap();
        let found = found.iter().find(|found| found.key == address.key).unwrap();
        assert_eq!(found.label, address.label);
        bench.hear_nothing_unexpected(0);
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
                bench.wish(address);
            }
            bench.apply();
            // Once without and once with knowing from announcements who is primary.
            for gone in 0..2 {
                bench.unwish(&addresses[gone]);
                assert_eq!(bench.apply().deleted, 1);
                let left: Vec<_> = addresses[gone + 1..].iter().map(|address| address.key).collect();
                assert_eq!(bench.ours(), left);
                bench.hear_nothing_unexpected(clock::monotonic());
                bench.apply();
                assert_eq!(bench.ours(), left);
            }
            for address in &addresses {
                bench.unwish(address);
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
        earlier.wish(&wanted);
        earlier.wish(&stale);
        earlier.apply();

        let mut bench = Bench::new();
        bench.wish(&wanted);
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
        bench.wish(&address);
        let reports = bench.round(SECOND);
        assert!(
            matches!(&reports[..], [Report { fate: Fate::Refused(error), .. }] if error.errno == Errno::NODEV),
            "{reports:?}"
        );
        assert_eq!(bench.next_wakeup(), None);
        let link = crate::netlink::Link { index: 77, up: true, ..crate::netlink::Link::default() };
        bench.reconciler.heard(Heard::Change(&Change::Link(link)), SECOND);
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
                bench.wish(&address);
                key
            })
            .collect();
        let start = Instant::now();
        assert_eq!(bench.apply().added, keys.len());
        let added = start.elapsed();
        assert_eq!(bench.ours(), keys);
        let mut lost = bench.hear_all(clock::monotonic());

        for key in &keys {
            bench.reconciler.unwish(key);
        }
        let start = Instant::now();
        let applied = bench.apply();
        let deleted = start.elapsed();
        assert_eq!(applied.deleted, keys.len());
        assert_eq!(bench.ours(), []);
        lost |= bench.hear_all(clock::monotonic());
        println!("5,000 addresses: added in {added:?}, deleted in {deleted:?}, announcements lost: {lost}");
        // Generous: the machine runs other tests beside.
        assert!(added.as_secs() < 5 && deleted.as_secs() < 5, "{added:?} {deleted:?}");
    });
}

#[test]
fn what_the_kernel_refuses_is_told_once_and_tried_again() {
    in_fresh_namespace("what_the_kernel_refuses_is_told_once_and_tried_again", || {
        let mut bench = Bench::new();
        let switch = |off| std::fs::write("/proc/sys/net/ipv6/conf/lo/disable_ipv6", off).unwrap();
        switch("1");
        let address = spec_v6(1);
        bench.wish(&address);
        let reports = bench.round(SECOND);
        assert!(matches!(&reports[..], [Report { fate: Fate::Refused(_), .. }]), "{reports:?}");
        assert_eq!((bench.reconciler.refused(), bench.next_wakeup()), (1, Some(2 * SECOND)));
        assert_eq!(bench.round(2 * SECOND), []);
        assert_eq!(bench.next_wakeup(), Some(3 * SECOND));
        switch("0");
        assert_eq!(bench.apply_at(3 * SECOND).added, 1);
        assert_eq!(bench.reconciler.refused(), 0);
    });
}

#[test]
fn a_socket_that_fails_is_not_asked_again_at_once() {
    let mut requests = Requests::broken();
    let (now, later) = (5, 5 + RETRY_INTERVAL_NANOSECONDS);
    let (mut rounds, mut reconciler) = (Rounds::default(), Addresses::default());
    reconciler.wish(Arc::new(spec([127, 0, 0, 2], 32)));
    assert_eq!(rounds.next_wakeup(&mut [&mut reconciler]), Some(0));
    assert!(rounds.run(&mut requests, &mut [&mut reconciler], now).is_err());
    assert_eq!(rounds.next_wakeup(&mut [&mut reconciler]), Some(later));
    assert!(rounds.run(&mut requests, &mut [&mut reconciler], later - 1).is_ok(), "not attempted");
    let again = rounds.run(&mut requests, &mut [&mut reconciler], later);
    assert!(again.is_err(), "what was wanted is still to be done");
}
