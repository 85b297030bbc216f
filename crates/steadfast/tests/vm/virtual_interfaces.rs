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
        "ipvlan mode l2 bridge",
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
        assert!(host.has("10.0.0.50".parse().unwrap()), "the ipvlan's own address");
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
