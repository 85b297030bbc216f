//! Virtual MAC addresses: made as keepalived makes them, and handed over between the two.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use steadfast_lab::capture::Content;
use steadfast_lab::{Host, Program, wait};
use steadfast_wire::ethernet::MacAddress;
use steadfast_wire::vrrp::Family;

use crate::pair::{KINDS, Kind, LIMIT, Pair, configuration, global, programs};

/// Version 3 over multicast, both families.
const WITH_VMAC: [Kind; 2] = [KINDS[4], KINDS[6]];

fn mac(kind: Kind) -> MacAddress {
    let block = if kind.family == Family::V4 { 1 } else { 2 };
    MacAddress([0, 0, 0x5e, 0, block, kind.vrid])
}

#[test]
fn keepalived_backs_a_virtual_mac_address_up() {
    if let Some([ours_higher, _]) = programs("keepalived_backs_a_virtual_mac_address_up") {
        tour(ours_higher);
    }
}

#[test]
fn a_virtual_mac_address_of_keepalived_is_backed_up() {
    if let Some([_, ours_lower]) = programs("a_virtual_mac_address_of_keepalived_is_backed_up") {
        tour(ours_lower);
    }
}

fn tour(programs: [Program; 2]) {
    let higher = configuration(0, &WITH_VMAC, 200, "    use_vmac\n");
    let since = Instant::now();
    let mut pair = Pair::new(programs);
    pair.start(0, &higher);
    pair.start(1, &configuration(1, &WITH_VMAC, 100, "    use_vmac\n"));
    pair.settle(&WITH_VMAC, 0);
    pair.reigns(&WITH_VMAC, 0);
    let stopped = pair.terminate(0);
    pair.settle(&WITH_VMAC, 1);
    pair.takes_over(&WITH_VMAC, 1, stopped);
    pair.ended(0);
    pair.start(0, &higher);
    pair.settle(&WITH_VMAC, 0);
    pair.reigns(&WITH_VMAC, 0);
    for kind in WITH_VMAC {
        let sources: BTreeSet<[u8; 6]> = pair
            .capture(1)
            .select(since, |frame| match &frame.content {
                Content::Advert(advert) if advert.vrid == kind.vrid() => Some(frame.ethernet.source.0),
                _ => None,
            })
            .into_iter()
            .collect();
        assert_eq!(sources, [mac(kind).0].into(), "{}", kind.name());
    }
    assert_eq!(pair.errors(1), [].into());
}

/// What a daemon made on a host, as other programs see it.
#[derive(Debug, PartialEq, Eq)]
struct Made {
    /// Kind, MAC address and mode of each interface that it made, and where it stands.
    links: BTreeMap<String, String>,
    /// Settings of its interfaces and of those below that are not the default ones.
    settings: BTreeSet<String>,
    filters: String,
}

const INSTANCES: &str = "vrrp_instance A {
    interface eth0
    virtual_router_id 7
    version 3
    advert_int 0.1
    use_vmac
    no_accept
    virtual_ipaddress {
        10.0.9.7/16
        10.0.9.8/16 dev eth0
    }
}
vrrp_instance B {
    interface eth0
    virtual_router_id 8
    version 3
    advert_int 0.1
    use_vmac six
    no_accept
    virtual_ipaddress {
        fe80::9:8/64
        fd00::9:8/64
    }
}
vrrp_instance C {
    interface eth0
    virtual_router_id 7
    version 3
    advert_int 0.1
    use_vmac
    vmac_xmit_base
    virtual_ipaddress {
        fe80::9:7/64
    }
}
";

#[test]
fn interfaces_settings_and_filters_are_those_of_keepalived() {
    let Some([programs, _]) = programs("interfaces_settings_and_filters_are_those_of_keepalived") else {
        return;
    };
    let [ours, reference] = programs;
    let mut pair = Pair::new([reference, ours.clone()]);
    let theirs = made(&mut pair);
    pair.programs[0] = ours;
    let own = made(&mut pair);
    assert_eq!(own.links, theirs.links);
    // keepalived 2.2.7 leaves ARP of IPv6 interfaces as it is, later versions do not; IPv4 has no address there. Nor does it
    // keep the interface below from asking with a virtual address.
    let further = ["six arp_ignore", "vrrp6.7 arp_ignore", "eth0 arp_announce"];
    let settings: BTreeSet<String> =
        own.settings.into_iter().filter(|line| !further.iter().any(|more| line.starts_with(more))).collect();
    assert_eq!(settings, theirs.settings);
    // keepalived 2.2.7 has MLD version 2 in the rule, later versions have a set of both versions.
    let one_version = own
        .filters
        .replace("set mld-report { type icmpv6_type flags constant elements = { mld-listener-report, mld2-listener-report } } ", "")
        .replace("icmpv6 type @mld-report", "icmpv6 type mld2-listener-report");
    assert_eq!(one_version, theirs.filters);
}

fn made(pair: &mut Pair) -> Made {
    pair.start(0, &(global("") + INSTANCES));
    let host = &pair.hosts[0];
    let masters = ["10.0.9.7", "fd00::9:8", "fe80::9:7"].map(|address| address.parse().unwrap());
    assert!(wait::until(LIMIT, || masters.iter().all(|address| host.has(*address))));
    let names = ["vrrp.7", "six", "vrrp6.7"];
    let links = names.map(|name| (name.to_owned(), link(host, name)));
    let settings = names.into_iter().chain(["eth0"]).flat_map(|name| settings(host, name)).collect();
    let filters = shown(host, &["nft", "list", "ruleset"]);
    let _ = pair.terminate(0);
    pair.ended(0);
    let host = &pair.hosts[0];
    for name in names {
        assert!(wait::until(LIMIT, || host.wiring().index(name).is_err()), "{name} is left");
    }
    // keepalived 2.2.7 leaves the settings of the interface below.
    for setting in ["arp_ignore", "arp_filter"] {
        let path = format!("/proc/sys/net/ipv4/conf/eth0/{setting}");
        shown(host, &["sh", "-c", &format!("echo 0 > {path}")]);
    }
    Made { links: links.into(), settings, filters }
}

fn shown(host: &Host, words: &[&str]) -> String {
    let finished = host.run(words).unwrap();
    assert!(finished.status.success(), "{words:?}: {}", finished.output);
    finished.output.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn link(host: &Host, name: &str) -> String {
    let text = shown(host, &["ip", "-d", "link", "show", name]);
    let parts = [
        "@eth0",
        "UP,LOWER_UP",
        "macvlan mode private",
        "addrgenmode none",
        "00:00:5e:00:01:07",
        "00:00:5e:00:02:07",
        "00:00:5e:00:02:08",
        "group default",
    ];
    parts.into_iter().filter(|part| text.contains(part)).collect::<Vec<_>>().join(", ")
}

/// What differs from the default ones of the host.
fn settings(host: &Host, name: &str) -> Vec<String> {
    let script = format!(
        "for family in ipv4 ipv6; do cd /proc/sys/net/$family/conf/{name} && for file in *; do \
         new=$(cat $file 2>/dev/null); old=$(cat ../default/$file 2>/dev/null); \
         [ \"$new\" = \"$old\" ] || echo {name} $file $new; done; done"
    );
    let finished = host.run(&["sh", "-c", &script]).unwrap();
    let lines = finished.output.lines().map(str::to_owned);
    // What the kernel sets by itself.
    lines.filter(|line| !line.contains(" mtu ") && !line.contains(" stable_secret")).collect()
}
