//! Two namespaces in which everything has the same name, number and address.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::Arc;

use super::*;
use crate::error::Errno;
use crate::netlink::{AddressKey, AddressSpec, Monitor, Requests};
use crate::reconcile::addresses::Addresses;
use crate::reconcile::{Heard, Reconcile, Report, Rounds};
use crate::testbed::fresh_namespace::{permitted, set_up};
use crate::wait::clock;

const LOOPBACK: u32 = 1;

/// What is kept of one space.
struct Kept {
    requests: Requests,
    monitor: Monitor,
    addresses: Addresses,
    rounds: Rounds,
}

impl Kept {
    fn round(&mut self) -> Vec<Report> {
        let mut changes = Vec::new();
        while self.monitor.read(&mut changes).unwrap() {}
        let now = clock::monotonic();
        changes.iter().for_each(|change| self.addresses.heard(Heard::Change(change), now));
        self.rounds.run(&mut self.requests, &mut [&mut self.addresses], now).unwrap();
        self.addresses.take_reports()
    }

    fn has(&mut self, key: AddressKey) -> bool {
        self.requests.addresses().unwrap().iter().any(|address| address.key == key)
    }
}

/// A space of a namespace that is gone with `network`.
fn space(number: u16, network: &Network) -> Space {
    Space::open(SpaceId(number), &format!("/proc/self/fd/{}", network.as_fd().as_raw_fd())).unwrap()
}

fn name_of_this() -> PathBuf {
    std::fs::read_link("/proc/thread-self/ns/net").unwrap()
}

#[test]
fn the_same_address_on_the_same_interface_of_two_spaces_stays_apart() {
    if !permitted("the_same_address_on_the_same_interface_of_two_spaces_stays_apart") {
        return;
    }
    let networks = [Network::anonymous().unwrap(), Network::anonymous().unwrap()];
    let mut spaces: BTreeMap<SpaceId, Kept> = (1..)
        .zip(&networks)
        .map(|(number, network)| {
            let space = space(number, network);
            let opened = space.within(|| {
                set_up(LOOPBACK);
                (Requests::open().unwrap(), Monitor::open().unwrap())
            });
            let (requests, monitor) = opened.unwrap();
            let (addresses, rounds) = (Addresses::default(), Rounds::default());
            (space.id(), Kept { requests, monitor, addresses, rounds })
        })
        .collect();
    let spec = Arc::new(AddressSpec::new(LOOPBACK, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 32));
    let [one, two] = [SpaceId(1), SpaceId(2)];
    for kept in spaces.values_mut() {
        kept.addresses.wish(Arc::clone(&spec));
        assert_eq!(kept.round().len(), 1);
        assert!(kept.has(spec.key));
    }
    spaces.get_mut(&one).unwrap().addresses.unwish(&spec.key);
    for (id, kept) in &mut spaces {
        let reports = kept.round();
        assert_eq!((reports.len(), kept.has(spec.key)), if *id == one { (1, false) } else { (0, true) });
    }
    // The announcement of another's removal is heard where it happened, and nowhere else.
    spaces.get_mut(&two).unwrap().requests.delete_address(spec.key).unwrap();
    let heard: Vec<_> = spaces.values_mut().map(|kept| kept.round().len()).collect();
    assert_eq!(heard, [0, 2], "taken away, and put back");
    assert!(spaces.get_mut(&two).unwrap().has(spec.key));
    assert!(!Requests::open().unwrap().addresses().unwrap().iter().any(|address| address.key == spec.key));
}

#[test]
fn a_thread_is_back_where_it_was_and_a_socket_stays_where_it_was_made() {
    if !permitted("a_thread_is_back_where_it_was_and_a_socket_stays_where_it_was_made") {
        return;
    }
    let network = Network::anonymous().unwrap();
    let space = space(1, &network);
    let before = name_of_this();
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (inside, listener) = space
        .within(|| {
            set_up(LOOPBACK);
            (name_of_this(), listen())
        })
        .unwrap();
    assert_ne!(inside, before);
    assert_eq!(name_of_this(), before);
    let address = listener.local_addr().unwrap();
    let again = space.within(|| TcpListener::bind(address).err().map(|error| error.kind())).unwrap();
    assert_eq!(again, Some(std::io::ErrorKind::AddrInUse));
    let panicked = std::panic::catch_unwind(|| space.within(|| panic!("as it were")));
    assert!(panicked.is_err() && name_of_this() == before);
}

#[test]
fn names_are_those_of_ip_netns_and_paths_have_a_slash() {
    assert_eq!(path("blue"), Path::new("/run/netns/blue"));
    assert_eq!(path("/proc/7/ns/net"), Path::new("/proc/7/ns/net"));
    assert_eq!(path(""), Path::new("/proc/1/ns/net"));
    assert_eq!(Space::open(SpaceId(1), "no-such-namespace").unwrap_err().errno, Errno::NOENT);
    assert!(Space::own().is_own() && Space::own().id() == SpaceId::OWN);
}
