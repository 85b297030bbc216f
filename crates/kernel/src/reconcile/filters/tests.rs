use std::net::IpAddr;
use std::process::Command;

use super::*;
use crate::ipvs::Transport;
use crate::netlink::{LinkKind, LinkSpec, MARK};
use crate::nftables::Monitor;
use crate::reconcile::links::Links;
use crate::testbed::fresh_namespace::in_fresh_namespace;

pub(super) fn run(command: &str) -> String {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Without the layout.
fn ruleset() -> String {
    run("nft list ruleset").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn style() -> Style {
    Style { table: "keepalived".to_owned(), priority: -1, counters: false, duplicate: true }
}

/// An interface, and one with a virtual MAC address on it.
fn interfaces() -> (u32, u32) {
    run("ip link add eth0 type veth peer name eth1");
    run("ip link set eth0 up");
    let mut requests = Requests::open().unwrap();
    let index = |requests: &mut Requests, name: &str| {
        requests.links().unwrap().iter().find(|link| link.name == name).unwrap().index
    };
    let lower = index(&mut requests, "eth0");
    let mut links = Links::default();
    links.wish(std::sync::Arc::new(LinkSpec {
        name: "vrrp.7".into(),
        lower,
        kind: LinkKind::Macvlan([0, 0, 0x5e, 0, 1, 7]),
        group: 0,
        master: None,
        alias: MARK.into(),
        ipv4: Vec::new(),
        no_ipv6: false,
        told_again: false,
    }));
    links.install(&mut requests, 1).unwrap();
    (lower, index(&mut requests, "vrrp.7"))
}

/// What came of it.
fn install(filters: &mut Filters, now: u64) -> Vec<Fate> {
    let mut requests = Requests::open().unwrap();
    if filters.next_wakeup().is_some_and(|at| at <= now) {
        filters.retract(&mut requests, now).unwrap();
        filters.install(&mut requests, now).unwrap();
    }
    let fates: Vec<Fate> = filters.take_reports().into_iter().map(|report| report.fate).collect();
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Installed | Fate::PutBack)), "{fates:?}");
    fates
}

/// What `nft list ruleset` shows of keepalived 2.2.7 for one instance of IPv4 with use_vmac and no_accept.
const AS_KEEPALIVED: &str = "table ip keepalived { map vmac_map { type iface_index : iface_index elements = { \
    \"vrrp.7\" : \"eth0\" } } set vips { type ipv4_addr elements = { 10.0.0.100, 10.0.0.101 } } chain out { type filter \
    hook output priority filter - 1; policy accept; ip protocol igmp meta oifkind \"macvlan\" dup to ip daddr device oif \
    map @vmac_map drop ip saddr @vips drop } chain in { type filter hook input priority filter - 1; policy accept; ip \
    daddr @vips drop } }";

#[test]
fn filters_of_ipv4_are_those_of_keepalived_and_go() {
    in_fresh_namespace("filters_of_ipv4_are_those_of_keepalived_and_go", || {
        let (lower, vmac) = interfaces();
        let mut filters = Filters::new(style());
        filters.wish(Element::Quiet { family: Family::V4, vmac, lower });
        filters.wish(Element::NotAccepted([10, 0, 0, 100].into()));
        filters.wish(Element::NotAccepted([10, 0, 0, 101].into()));
        assert_eq!(filters.next_wakeup(), Some(0));
        install(&mut filters, 1);
        assert_eq!(ruleset(), AS_KEEPALIVED);
        assert_eq!(filters.next_wakeup(), None);

        filters.unwish(&Element::NotAccepted([10, 0, 0, 101].into()));
        install(&mut filters, 2);
        let left = ruleset();
        assert!(left.contains("elements = { 10.0.0.100 }"), "{left}");
        filters.unwish(&Element::NotAccepted([10, 0, 0, 100].into()));
        filters.unwish(&Element::Quiet { family: Family::V4, vmac, lower });
        install(&mut filters, 3);
        assert_eq!(ruleset(), "");
        assert!(filters.is_empty());
    });
}

#[test]
fn filters_of_ipv6_let_neighbour_discovery_pass() {
    in_fresh_namespace("filters_of_ipv6_let_neighbour_discovery_pass", || {
        let (lower, vmac) = interfaces();
        let mut filters = Filters::new(style());
        filters.wish(Element::NotAccepted("2001:db8::100".parse::<IpAddr>().unwrap()));
        install(&mut filters, 1);
        // A part that the table lacks comes with the table anew.
        filters.wish(Element::NotAcceptedOn("fe80::100".parse().unwrap(), vmac));
        filters.wish(Element::Quiet { family: Family::V6, vmac, lower });
        install(&mut filters, 2);
        let text = ruleset();
        for part in [
            "elements = { fe80::100 . \"vrrp.7\" }",
            "elements = { 2001:db8::100 }",
            "elements = { \"vrrp.7\" : \"eth0\" }",
            "set vmac_set { type iface_index elements = { \"vrrp.7\" } }",
            "icmpv6 type @mld-report meta oifkind \"macvlan\" dup to ip6 daddr device oif map @vmac_map drop",
            "icmpv6 type nd-router-solicit meta oifkind \"macvlan\" oif @vmac_set drop",
            "icmpv6 type @neighbor-discovery accept ip6 saddr fe80::/10 goto out_link_local ip6 saddr @vips drop",
            "icmpv6 type @neighbor-discovery accept ip6 daddr fe80::/10 goto in_link_local ip6 daddr @vips drop",
            "chain in_link_local { ip6 daddr . iif @vips_link_local drop }",
            "chain out_link_local { ip6 saddr . oif @vips_link_local drop }",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    });
}

#[test]
fn what_others_flush_is_put_back_and_what_a_killed_run_left_is_replaced() {
    let name = "what_others_flush_is_put_back_and_what_a_killed_run_left_is_replaced";
    in_fresh_namespace(name, || {
        run("nft add table ip keepalived");
        run("nft add chain ip keepalived old");
        run("nft add table ip others");
        let mut monitor = Monitor::open().unwrap();
        let mut filters = Filters::new(Style { counters: true, priority: 5, ..style() });
        filters.wish(Element::NotAccepted([10, 0, 0, 100].into()));
        install(&mut filters, 1);
        let whole = ruleset();
        assert!(!whole.contains("old") && whole.contains("table ip others"), "{whole}");
        assert!(
            whole.contains("counter packets 0 bytes 0 drop") && whole.contains("priority filter + 5"),
            "{whole}"
        );
        let port = filters.port();
        assert!(!monitor.is_changed("keepalived", port).unwrap(), "own changes are none");

        run("nft flush ruleset");
        assert!(monitor.is_changed("keepalived", port).unwrap());
        filters.disturbed();
        assert_eq!(install(&mut filters, 2), [Fate::PutBack]);
        let own = ruleset();
        assert!(own.starts_with("table ip keepalived") && whole.ends_with(&own), "{own}");

        run("nft add table ip others");
        assert!(!monitor.is_changed("keepalived", port).unwrap(), "other tables are none of ours");
        run("nft add element ip keepalived vips { 10.0.0.9 }");
        assert!(monitor.is_changed("keepalived", port).unwrap());
    });
}

#[test]
fn thousands_of_addresses_fit() {
    in_fresh_namespace("thousands_of_addresses_fit", || {
        let mut filters = Filters::new(style());
        for number in 0..40_000_u32 {
            filters.wish(Element::NotAccepted(std::net::Ipv4Addr::from(0x0a00_0000 + number).into()));
        }
        install(&mut filters, 1);
        assert_eq!(run("nft list set ip keepalived vips").matches("10.0.").count(), 40_000);
    });
}

/// What `nft list ruleset` shows of marks for a service of TCP.
const MARKS: &str = "table ip keepalived_ipvs { map tcp_map { type ipv4_addr . inet_service : mark flags interval elements = \
    { 10.0.0.1 . 80 : 0x000003e8, 10.0.0.10-10.0.0.20 . 80 : 0x000003e8 } } chain in { type filter hook input priority \
    filter - 1; policy accept; meta mark set ip daddr . tcp dport map @tcp_map } }";

#[test]
fn packets_to_groups_get_their_marks() {
    in_fresh_namespace("packets_to_groups_get_their_marks", || {
        let style = Style { table: "keepalived_ipvs".to_owned(), duplicate: false, ..style() };
        let mut filters = Filters::over(style, crate::nftables::socket().unwrap());
        let marked = |transport, first: &str, last: &str, port, mark| {
            let [first, last] = [first, last].map(|address| address.parse().unwrap());
            Element::Marked { transport, first, last, port, mark }
        };
        filters.wish(marked(Transport::Tcp, "10.0.0.1", "10.0.0.1", 80, 1_000));
        filters.wish(marked(Transport::Tcp, "10.0.0.10", "10.0.0.20", 80, 1_000));
        install(&mut filters, 1);
        assert_eq!(ruleset(), MARKS);
        // Another protocol needs another map; an element comes into the one that is there.
        filters.wish(marked(Transport::Udp, "10.0.0.1", "10.0.0.1", 0, 1_001));
        filters.wish(marked(Transport::Tcp, "10.0.0.30", "10.0.0.30", 81, 1_002));
        install(&mut filters, 2);
        let more = ruleset();
        assert!(more.contains("10.0.0.1 . 0-65535 : 0x000003e9"), "{more}");
        assert!(more.contains("10.0.0.30 . 81 : 0x000003ea"), "{more}");
        filters.unwish(&marked(Transport::Tcp, "10.0.0.10", "10.0.0.20", 80, 1_000));
        filters.wish(marked(Transport::Tcp, "10.0.0.10", "10.0.0.15", 80, 1_003));
        filters.wish(marked(Transport::Sctp, "2001:db8::1", "2001:db8::9", 80, 1_004));
        install(&mut filters, 3);
        let other = ruleset();
        assert!(
            other.contains("10.0.0.10-10.0.0.15 . 80 : 0x000003eb") && !other.contains("10.0.0.20"),
            "{other}"
        );
        assert!(other.contains("2001:db8::1-2001:db8::9 . 80 : 0x000003ec"), "{other}");
        filters.unwish_all();
        filters.settle(4);
        assert_eq!(ruleset(), "");
    });
}
