//! What others remove of a master, and what the kernel removes of one that hangs.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use steadfast_control::event::{Happening, Network, Suspect};
use steadfast_kernel::netlink::{Change, Monitor};
use steadfast_lab::{Host, Signal};
use steadfast_vrrp::{Cause, State};

use crate::stage::{LIMIT, Stage, VIRTUAL, Virtual, configuration, simple, soon};

/// More than the pause between two times that an address is put back.
const PAUSE: Duration = Duration::from_millis(1_100);

/// From the kernel's word that the virtual address is gone to its word that it is there again.
fn put_back(host: &Host, remove: impl FnOnce() + Send) -> Duration {
    let monitor = host.network().run(Monitor::open).unwrap().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(remove);
        watch(monitor)
    })
}

fn watch(mut monitor: Monitor) -> Duration {
    let (begin, mut gone) = (Instant::now(), None);
    loop {
        let mut changes = Vec::new();
        monitor.read(&mut changes).unwrap();
        for change in changes {
            match (change, gone) {
                (Change::AddressRemoved { address, .. }, None) if address.key.address == VIRTUAL => {
                    gone = Some(Instant::now());
                }
                (Change::AddressAdded { address, .. }, Some(gone)) if address.key.address == VIRTUAL => {
                    return gone.elapsed();
                }
                _ => {}
            }
        }
        assert!(begin.elapsed() < LIMIT, "gone: {gone:?}");
        std::thread::yield_now();
    }
}

#[test]
fn a_removed_address_is_back_at_once_and_who_is_suspected_is_named() {
    let Some(stage) = Stage::set("a_removed_address_is_back_at_once_and_who_is_suspected_is_named") else {
        return;
    };
    let router = stage.router("r1", &simple(200));
    router.reaches("V1", State::Master);
    soon("the address is there", || router.owns(VIRTUAL));
    let line = format!("address del {VIRTUAL}/32 dev eth0");
    let mut command = vec!["ip"];
    command.extend(line.split(' '));
    let mut took: Vec<Duration> = (0..5)
        .map(|_| {
            let took = put_back(router.host(), || {
                assert!(router.host().run(&command).unwrap().status.success());
            });
            // The pace of putting back is bounded.
            std::thread::sleep(PAUSE);
            took
        })
        .collect();
    took.sort_unstable();
    println!("removed addresses were back after {took:?}");
    assert!(took[2] < crate::stage::SLACK, "{took:?}");
    let suspects = || -> Vec<Suspect> {
        let told = router.events().into_iter().filter_map(|record| match record.happening {
            Happening::Network(Network::AddressRestored { address: VIRTUAL, suspect, .. }) => Some(suspect),
            _ => None,
        });
        told.collect()
    };
    soon("each is told", || suspects().len() == 5);
    let is_command = |suspect: &Suspect| match suspect {
        Suspect::Process { name, .. } => name == "ip",
        suspect => matches!(suspect, Suspect::Ended { .. }),
    };
    assert!(suspects().iter().all(is_command), "{:?}", suspects());

    // One that lives on is named.
    let network = router.host();
    assert!(network.run(&["mkfifo", "/run/batch"]).unwrap().status.success());
    let mut command = Command::new("ip");
    command.args(["-batch", "/run/batch"]).stdout(Stdio::null());
    let mut child = network.spawn(&mut command).unwrap();
    let mut lines = std::fs::OpenOptions::new().write(true).open(network.outside("/run/batch")).unwrap();
    let back = put_back(network, || writeln!(lines, "{line}").unwrap());
    assert!(back < LIMIT);
    soon("it is told", || suspects().len() == 6);
    let last = suspects().pop();
    assert!(matches!(&last, Some(Suspect::Process { name, .. }) if name == "ip"), "{last:?}");
    drop(lines);
    child.wait().unwrap();
    assert_eq!(router.counter("V1", "released_master"), Some(0));
}

#[test]
fn a_master_gives_up_for_a_removed_address_where_that_is_asked_for() {
    let Some(stage) = Stage::set("a_master_gives_up_for_a_removed_address_where_that_is_asked_for") else {
        return;
    };
    let text = configuration(&[&Virtual::with_priority(200).more("nopreempt\nremoved_address backup")]);
    let router = stage.router("r1", &text);
    router.reaches("V1", State::Master);
    let peer = stage.router("r2", &simple(100));
    peer.reaches("V1", State::Backup);
    soon("the address is there", || router.owns(VIRTUAL));
    router.host().withdraw("eth0", VIRTUAL, 32).unwrap();
    peer.reaches("V1", State::Master);
    router.reaches("V1", State::Backup);
    let gave_up = |happening: &Happening| match happening {
        Happening::InstanceState { to: State::Backup, causes, .. } => {
            causes.contains(&Cause::AddressRemoved { address: VIRTUAL })
        }
        _ => false,
    };
    router.tells(gave_up);
    let told = |happening: &Happening| {
        matches!(happening, Happening::Network(Network::AddressLost { address: VIRTUAL, .. }))
    };
    router.tells(told);
    soon("the peer serves alone", || !router.owns(VIRTUAL) && peer.owns(VIRTUAL));
}

/// Every process of the master hangs: without a lease two hosts have the address for ever.
#[test]
fn a_hung_master_loses_its_addresses_within_their_lease() {
    let Some(stage) = Stage::set("a_hung_master_loses_its_addresses_within_their_lease") else { return };
    let lease = Duration::from_secs(2);
    let with_lease = Virtual::with_priority(200).more("nopreempt\nfence_lease 2");
    let without = Virtual { name: "V2", vrid: 52, addresses: vec!["10.0.9.10/32"], ..with_lease.clone() };
    let router = stage.router("r1", &configuration(&[&with_lease, &without.more("nopreempt")]));
    router.reaches("V1", State::Master);
    router.reaches("V2", State::Master);
    let other = Virtual { name: "V2", vrid: 52, addresses: vec!["10.0.9.10/32"], ..Virtual::default() };
    let peer = stage.router("r2", &configuration(&[&Virtual::default(), &other]));
    peer.reaches("V1", State::Backup);
    soon("both addresses are there", || router.owns(VIRTUAL) && router.owns("10.0.9.10".parse().unwrap()));
    // Renewed for longer than it lasts, it stays.
    let renewed = steadfast_lab::wait::until(lease * 2, || !router.owns(VIRTUAL));
    assert!(!renewed, "the lease ended: {:#?}", router.events());

    let hung = Instant::now();
    router.signal_all(Signal::STOP).unwrap();
    soon("the backup takes over", || peer.owns(VIRTUAL) && peer.owns("10.0.9.10".parse().unwrap()));
    let taken = hung.elapsed();
    soon("the address is gone", || !router.owns(VIRTUAL));
    let gone = hung.elapsed();
    println!(
        "taken over after {taken:?}, gone from the hung master after {gone:?}, with a lease of {lease:?}"
    );
    assert!(gone < lease + Duration::from_secs(1) + crate::stage::SLACK * 2, "{gone:?}");
    assert!(router.owns("10.0.9.10".parse().unwrap()), "what has no lease stays");

    router.signal_all(Signal::CONT).unwrap();
    router.reaches("V1", State::Backup);
    soon("one owner", || !router.owns(VIRTUAL) && peer.owns(VIRTUAL));
}
