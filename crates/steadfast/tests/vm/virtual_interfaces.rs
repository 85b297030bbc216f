//! ipvlan and VRF, which not every kernel has.

use std::process::Command;
use std::sync::Arc;

use steadfast_lab::{Daemon, Host, Program, left_out, permission, wait};

use super::director::LIMIT;

/// One virtual router on an ipvlan, one with a virtual MAC address on an interface of a VRF, and one over unicast there.
const INSTANCES: &str = "
vrrp_instance I {
  interface eth0
  virtual_router_id 52
  version 3
  advert_int 0.5
  priority 200
  use_ipvlan 10.0.0.50/24
  virtual_ipaddress {
    10.0.0.52/24
  }
}
vrrp_instance R {
  interface eth1
  virtual_router_id 53
  version 3
  advert_int 0.5
  priority 200
  use_vmac
  virtual_ipaddress {
    10.1.0.53/24
  }
}
vrrp_instance U {
  interface eth1
  virtual_router_id 54
  version 3
  advert_int 0.5
  priority 200
  unicast_peer {
    10.1.0.9
  }
  virtual_ipaddress {
    10.1.0.54/24
  }
}
";

fn host(test: &str) -> Option<(Arc<Host>, Program)> {
    let program = Program::steadfast(test).filter(|_| permission::lab_possible(test))?;
    for module in ["ipv6", "veth", "macvlan", "ipvlan", "vrf", "nf_tables"] {
        let _ = Command::new("modprobe").arg(module).status();
    }
    let host = Arc::new(Host::new("router").unwrap());
    let made = host.run(&["ip", "link", "add", "red", "type", "vrf", "table", "100"]).unwrap();
    if !made.status.success() {
        left_out(test, "this kernel has no VRF; see `cargo xtask vm`");
        return None;
    }
    for words in [
        "ip link set red up",
        "ip link add eth0 type veth peer name far0",
        "ip link add eth1 type veth peer name far1",
        "ip link set eth1 master red",
        "ip link set eth0 up",
        "ip link set eth1 up",
        "ip link set far0 up",
        "ip link set far1 up",
        "ip addr add 10.0.0.1/24 dev eth0",
        "ip addr add 10.1.0.1/24 dev eth1",
        "ip link add eth2 type veth peer name far2",
        "ip link set eth2 up",
        "ip link set far2 up",
    ] {
        shown(&host, words);
    }
    Some((host, program))
}

fn shown(host: &Host, words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    let finished = host.run(&words).unwrap();
    assert!(finished.status.success(), "{words:?}: {}", finished.output);
    finished.output.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What an interface is, as other programs see it.
fn signs(host: &Host, name: &str) -> Vec<&'static str> {
    let text = shown(host, &format!("ip -d link show {name}"));
    let signs = [
        "@eth0",
        "@eth1",
        "@eth2",
        "ipvlan mode l2 bridge",
        "ipvlan mode l2 private",
        "ipvlan mode l2 vepa",
        "group 42",
        "macvlan mode private",
        "master red",
        "00:00:5e:00:01:35",
        "UP,LOWER_UP",
    ];
    signs.into_iter().filter(|sign| text.contains(sign)).collect()
}

#[test]
fn ipvlan_and_vrf_are_as_keepalived_has_them() {
    let test = "ipvlan_and_vrf_are_as_keepalived_has_them";
    let Some((host, ours)) = host(test) else { return };
    let Some(reference) = Program::keepalived(test) else { return };
    let run = |program: &Program| {
        let mut daemon = Daemon::start(&host, program, INSTANCES).unwrap();
        let addresses = ["10.0.0.52", "10.1.0.53", "10.1.0.54"].map(|address| address.parse().unwrap());
        let whole = wait::until(LIMIT, || addresses.iter().all(|address| host.has(*address)));
        assert!(whole, "{:?}\n{}", host.addresses(), daemon.log_tail());
        let own = wait::until(LIMIT, || host.has("10.0.0.50".parse().unwrap()));
        assert!(own, "the ipvlan's own address: {:?}\n{}", host.addresses(), daemon.log_tail());
        let on = |name: &str| shown(&host, &format!("ip -4 -o addr show dev {name}"));
        let addresses =
            [on("vrrp.52").matches("10.0.0.5").count(), on("vrrp.53").matches("10.1.0.53").count()];
        let signs = [signs(&host, "vrrp.52"), signs(&host, "vrrp.53")];
        assert_eq!(daemon.stop(LIMIT).unwrap().code(), Some(0));
        let gone = wait::until(LIMIT, || {
            ["vrrp.52", "vrrp.53"].iter().all(|name| host.wiring().index(name).is_err())
        });
        assert!(gone, "{}", shown(&host, "ip link"));
        (addresses, signs)
    };
    let theirs = run(&reference);
    let own = run(&ours);
    assert_eq!(own, theirs);
    assert_eq!(own.1[0], ["@eth0", "ipvlan mode l2 bridge", "UP,LOWER_UP"]);
    assert_eq!(own.1[1], ["@eth1", "macvlan mode private", "master red", "00:00:5e:00:01:35", "UP,LOWER_UP"]);
}

/// All ipvlans of an interface are of one kind: it is changed from run to run.
#[test]
fn an_ipvlan_is_of_the_kind_and_in_the_group_that_are_asked_for() {
    let test = "an_ipvlan_is_of_the_kind_and_in_the_group_that_are_asked_for";
    let Some((host, ours)) = host(test) else { return };
    let Some(reference) = Program::keepalived(test) else { return };
    let made = |program: &Program, more: &str| {
        let text = format!(
            "vrrp_instance I {{\n interface eth2\n virtual_router_id 55\n version 3\n advert_int 0.5\n priority 200\n \
             use_ipvlan 10.2.0.50/24 {more}\n virtual_ipaddress {{\n 10.2.0.55/24\n }}\n}}\n"
        );
        let mut daemon = Daemon::start(&host, program, &text).unwrap();
        let master = wait::until(LIMIT, || host.has("10.2.0.55".parse().unwrap()));
        assert!(master, "{more}: {:?}\n{}", host.addresses(), daemon.log_tail());
        let found = signs(&host, "vrrp.55");
        assert_eq!(daemon.stop(LIMIT).unwrap().code(), Some(0));
        assert!(
            wait::until(LIMIT, || host.wiring().index("vrrp.55").is_err()),
            "{}",
            shown(&host, "ip link")
        );
        found
    };
    for (kind, sign) in [("private", "ipvlan mode l2 private"), ("vepa", "ipvlan mode l2 vepa")] {
        let own = made(&ours, kind);
        assert_eq!(own, made(&reference, kind), "{kind}");
        assert_eq!(own, ["@eth2", sign, "UP,LOWER_UP"]);
    }
    // Debian's keepalived knows no group.
    assert_eq!(made(&ours, "group 42"), ["@eth2", "ipvlan mode l2 bridge", "group 42", "UP,LOWER_UP"]);
}

/// Over unicast from an address of the VRF, and from one of none; and a route in the table of the VRF.
const PLACES: &str = "
vrrp_instance V {
  vrf red
  virtual_router_id 56
  version 3
  advert_int 0.5
  priority 200
  unicast_src_ip 10.1.0.1
  unicast_peer {
    10.1.0.9
  }
  virtual_ipaddress {
    10.1.0.56/24 dev eth1
  }
  virtual_routes {
    10.77.0.0/24 via 10.1.0.9 dev eth1 vrf red
  }
}
vrrp_instance N {
  virtual_router_id 57
  version 3
  advert_int 0.5
  priority 200
  unicast_src_ip 10.0.0.1
  unicast_peer {
    10.0.0.9
  }
  virtual_ipaddress {
    10.0.0.57/24 dev eth0
  }
}
";

#[test]
fn routes_and_instances_without_interface_are_in_the_vrf_that_they_name() {
    let test = "routes_and_instances_without_interface_are_in_the_vrf_that_they_name";
    let Some((host, ours)) = host(test) else { return };
    let mut daemon = Daemon::start(&host, &ours, PLACES).unwrap();
    let addresses = ["10.1.0.56", "10.0.0.57"].map(|address| address.parse().unwrap());
    let whole = wait::until(LIMIT, || addresses.iter().all(|address| host.has(*address)));
    assert!(whole, "{:?}\n{}", host.addresses(), daemon.log_tail());
    let routed = || shown(&host, "ip route show vrf red").contains("10.77.0.0/24 via 10.1.0.9 dev eth1");
    assert!(wait::until(LIMIT, routed), "{}", daemon.log_tail());
    assert!(!shown(&host, "ip route show").contains("10.77.0.0/24"));
    // The adverts of each make this host ask for its peer: those of the first on the interface of the VRF.
    let asked = |peer: &str| shown(&host, "ip neigh show").contains(peer);
    let both = || asked("10.1.0.9 dev eth1") && asked("10.0.0.9 dev eth0");
    assert!(wait::until(LIMIT, both), "{}\n{}", shown(&host, "ip neigh show"), daemon.log_tail());
    // A VRF that goes takes its route along, and one that comes again gets it back.
    shown(&host, "ip link del red");
    assert!(wait::until(LIMIT, || !host.has(addresses[0])), "{}", daemon.log_tail());
    for words in ["ip link add red type vrf table 101", "ip link set red up", "ip link set eth1 master red"] {
        shown(&host, words);
    }
    let routed_again = || routed() && host.has(addresses[0]);
    assert!(wait::until(LIMIT, routed_again), "{}\n{}", shown(&host, "ip addr"), daemon.log_tail());
    assert_eq!(daemon.stop(LIMIT).unwrap().code(), Some(0));
    assert!(wait::until(LIMIT, || !addresses.iter().any(|address| host.has(*address)) && !routed()));
}
