use std::process::Command;

use super::*;
use crate::netlink::{Ipv4Setting, LinkKind, MARK, Monitor};
use crate::testbed::fresh_namespace::in_fresh_namespace;

/// An interface whose other end is in the same namespace; its index comes back.
fn cable(name: &str) -> u32 {
    ip(&format!("link add {name} type veth peer name {name}-peer"));
    ip(&format!("link set {name} up"));
    ip(&format!("link set {name}-peer up"));
    Requests::open().unwrap().links().unwrap().iter().find(|link| link.name == name).unwrap().index
}

fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn sysctl(interface: &str, name: &str) -> String {
    InterfaceSetting { family: Family::Ipv4, interface, name }.read().unwrap()
}

fn spec(name: &str, lower: u32, last: u8) -> Arc<LinkSpec> {
    Arc::new(LinkSpec {
        name: name.into(),
        lower,
        kind: LinkKind::Macvlan([0, 0, 0x5e, 0, 1, last]),
        group: 0,
        master: None,
        alias: format!("{MARK}virtual router {last}").into(),
        ipv4: vec![(Ipv4Setting::ArpIgnore, 1), (Ipv4Setting::AcceptLocal, 1)],
        no_ipv6: true,
        told_again: false,
    })
}

/// What came of it.
fn install(links: &mut Links, requests: &mut Requests, now: u64) -> Vec<Report> {
    links.install(requests, now).unwrap();
    links.take_reports()
}

fn shown(name: &str) -> String {
    ip(&format!("-d link show {name}"))
}

#[test]
fn a_macvlan_is_made_corrected_and_deleted() {
    in_fresh_namespace("a_macvlan_is_made_corrected_and_deleted", || {
        let lower = cable("eth0");
        let (mut requests, mut links) = (Requests::open().unwrap(), Links::default());
        links.wish(spec("vrrp.7", lower, 7));
        assert_eq!(links.next_wakeup(), Some(0));
        let installed = Thing::Link("vrrp.7".into()).came(Fate::Installed);
        assert_eq!(install(&mut links, &mut requests, 1), [installed]);
        let text = shown("vrrp.7");
        for part in
            ["macvlan mode private", "00:00:5e:00:01:07", "addrgenmode none", "state UP", "vrrp.7@eth0"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(
            (sysctl("vrrp.7", "arp_ignore"), sysctl("vrrp.7", "accept_local")),
            ("1".into(), "1".into())
        );
        let v6 = InterfaceSetting { family: Family::Ipv6, interface: "vrrp.7", name: "disable_ipv6" };
        assert_eq!(v6.read().unwrap(), "1");
        assert_eq!(links.next_wakeup(), None);

        links.wish(spec("vrrp.7", lower, 8));
        install(&mut links, &mut requests, 2);
        assert!(shown("vrrp.7").contains("00:00:5e:00:01:08"));

        links.unwish(&"vrrp.7".into());
        links.retract(&mut requests, 3).unwrap();
        assert!(!ip("link").contains("vrrp.7"));
        assert_eq!(links.next_wakeup(), None);
    });
}

#[test]
fn what_others_change_or_delete_is_put_back() {
    in_fresh_namespace("what_others_change_or_delete_is_put_back", || {
        let lower = cable("eth0");
        let (mut requests, mut links) = (Requests::open().unwrap(), Links::default());
        links.wish(spec("vrrp.7", lower, 7));
        install(&mut links, &mut requests, 1);
        let mut monitor = Monitor::open().unwrap();
        let mut now = 10 * PUT_BACK_INTERVAL_NANOSECONDS;
        for (deed, sign) in [("link set vrrp.7 down", "state UP"), ("link del vrrp.7", "00:00:5e:00:01:07")] {
            ip(deed);
            let mut changes = Vec::new();
            while monitor.read(&mut changes).unwrap() {}
            changes.iter().for_each(|change| links.heard(Heard::Change(change), now));
            assert_eq!(links.next_wakeup(), Some(now), "{deed}");
            let put_back = Thing::Link("vrrp.7".into()).came(Fate::PutBack);
            assert_eq!(install(&mut links, &mut requests, now), [put_back], "{deed}");
            assert!(shown("vrrp.7").contains(sign), "{deed}");
            now += 10 * PUT_BACK_INTERVAL_NANOSECONDS;
            // What this reconciler did itself is announced as well, and needs nothing.
            let mut changes = Vec::new();
            while monitor.read(&mut changes).unwrap() {}
            changes.iter().for_each(|change| links.heard(Heard::Change(change), now));
            assert_eq!(install(&mut links, &mut requests, now), []);
        }
    });
}

#[test]
fn leftovers_are_adopted_or_go_and_strangers_stay() {
    in_fresh_namespace("leftovers_are_adopted_or_go_and_strangers_stay", || {
        let (lower, other) = (cable("eth0"), cable("eth1"));
        ip("link add vrrp.1 link eth0 address 00:00:5e:00:01:01 type macvlan mode private");
        ip("link add vrrp.2 link eth1 address 00:00:5e:00:01:02 type macvlan mode private");
        let marked = Command::new("ip").args(["link", "set", "vrrp.2", "alias", "steadfast: 2"]).status();
        assert!(marked.unwrap().success());
        ip("link add vrrp.3 link eth1 type macvlan mode private");
        ip("link add vrrp.4 type veth peer name vrrp.5");
        let mut requests = Requests::open().unwrap();
        let index = |requests: &mut Requests, name: &str| {
            requests.links().unwrap().iter().find(|link| link.name == name).map(|link| link.index)
        };
        let first = index(&mut requests, "vrrp.1");
        let mut links = Links::default();
        for last in [1, 2, 4] {
            links.wish(spec(&format!("vrrp.{last}"), lower, last));
        }
        let came = install(&mut links, &mut requests, 1);
        let refused = came.iter().filter(|report| matches!(report.fate, Fate::Refused(_)));
        let refused: Vec<String> = refused.map(|report| report.thing.to_string()).collect();
        assert_eq!(refused, ["the interface vrrp.4"], "{came:?}");
        assert_eq!(index(&mut requests, "vrrp.1"), first, "taken over as it is");
        assert!(shown("vrrp.1").contains("state UP"));
        assert!(shown("vrrp.2").contains("vrrp.2@eth0"), "made anew on the right interface");
        assert_ne!(lower, other);

        let mut later = Links::default();
        later.wish(spec("vrrp.1", lower, 1));
        later.discard_leftovers(&requests.links().unwrap());
        later.retract(&mut requests, 1).unwrap();
        let left = ip("link");
        assert!(!left.contains("vrrp.2") && left.contains("vrrp.1") && left.contains("vrrp.3"), "{left}");
    });
}

#[test]
fn settings_of_the_interface_below_are_set_back() {
    in_fresh_namespace("settings_of_the_interface_below_are_set_back", || {
        let lower = cable("eth0");
        let mut requests = Requests::open().unwrap();
        let all = InterfaceSetting { family: Family::Ipv4, interface: "all", name: "rp_filter" };
        all.write("1").unwrap();
        let read = || {
            let of = |name: &str| sysctl("eth0", name);
            (of("arp_ignore"), of("arp_filter"), of("rp_filter"), all.read().unwrap())
        };
        let before = read();
        let wished = [(Ipv4Setting::ArpIgnore, 1), (Ipv4Setting::ArpFilter, 1)];
        let wished = || wished.map(|(setting, value)| ((lower, setting), value)).into();
        let mut settings = Settings::default();
        settings.wish(wished(), true);
        assert!(settings.install(&mut requests).unwrap());
        let during = ("1".to_owned(), "1".to_owned(), "1".to_owned(), "0".to_owned());
        assert_eq!(read(), during);

        // A successor knows only what it is told.
        let mut successor = Settings::default();
        successor.inherit(settings.remembered().clone());
        successor.wish(wished(), true);
        assert!(!successor.install(&mut requests).unwrap());
        assert_eq!(read(), during);
        successor.wish(BTreeMap::new(), false);
        assert!(successor.install(&mut requests).unwrap());
        assert_eq!(read(), before);
        assert_eq!(*successor.remembered(), Remembered::default());
    });
}

#[test]
fn a_setting_that_somebody_changed_meanwhile_stays() {
    in_fresh_namespace("a_setting_that_somebody_changed_meanwhile_stays", || {
        let lower = cable("eth0");
        let mut requests = Requests::open().unwrap();
        let mut settings = Settings::default();
        settings.wish([((lower, Ipv4Setting::ArpIgnore), 1)].into(), false);
        settings.install(&mut requests).unwrap();
        InterfaceSetting { family: Family::Ipv4, interface: "eth0", name: "arp_ignore" }.write("2").unwrap();
        settings.wish(BTreeMap::new(), false);
        settings.install(&mut requests).unwrap();
        assert_eq!(sysctl("eth0", "arp_ignore"), "2");
    });
}
