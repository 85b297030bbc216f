//! What stands behind an address does to it what it does with keepalived.

use steadfast_lab::{Daemon, Host, Program, Segment, permission, wait};

use crate::pair::LIMIT;

const FILE: &str = "global_defs {
    vrrp_version 3
    default_interface eth1
}
static_ipaddress {
    10.0.7.1/24
}
vrrp_instance V {
    state MASTER
    interface eth0
    virtual_router_id 9
    priority 200
    advert_int 0.1
    virtual_ipaddress {
        10.0.9.1/24 noprefixroute
        239.1.1.1/32 dev eth0 autojoin
    }
    virtual_ipaddress_excluded {
        fd00:1::1/64 -nodad
        fd00:2::1/64 home
        fd00:3::1/64 mngtmpaddr
        fd00:4::1/64 noprefixroute
    }
}
";

/// The addresses of that file with everything that the kernel says of them, the routes that came with them, and the groups
/// that were joined.
fn shown(host: &Host) -> Vec<String> {
    let run = |words: &[&str]| host.run(words).unwrap().output;
    let addresses = run(&["ip", "-o", "address", "show"]);
    let ours = |line: &&str| {
        ["10.0.7", "10.0.9", "239.1", "fd00:1", "fd00:2", "fd00:3", "fd00:4"]
            .iter()
            .any(|own| line.contains(own))
    };
    let routes = run(&["sh", "-c", "ip route; ip -6 route"]);
    let groups = run(&["ip", "maddress", "show", "dev", "eth0"]);
    let mut lines: Vec<String> =
        addresses.lines().chain(routes.lines()).filter(ours).map(str::to_owned).collect();
    lines.extend(groups.lines().filter(|line| line.contains("239.1.1.1")).map(str::to_owned));
    let lines = lines.into_iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

#[test]
fn addresses_have_the_flags_that_keepalived_gives_them() {
    let test = "addresses_have_the_flags_that_keepalived_gives_them";
    let (Some(ours), Some(theirs)) = (Program::steadfast(test), Program::keepalived(test)) else { return };
    if !permission::lab_possible(test) {
        return;
    }
    let segment = Segment::new().unwrap();
    let other = Segment::new().unwrap();
    let mut found = Vec::new();
    for (name, program) in [("r1", theirs), ("r2", ours)] {
        let host = segment.host(name).unwrap();
        other.plug(&host, "eth1").unwrap();
        let _daemon = Daemon::start(&host, &program, FILE).unwrap();
        let complete = || {
            let shown = shown(&host);
            // Without -nodad an address is tried first.
            shown.iter().filter(|line| line.contains("fd00:1::1")).any(|line| !line.contains("tentative"))
                && shown.iter().any(|line| line.contains("fd00:4::1"))
        };
        assert!(wait::until(LIMIT, complete), "{}: {:#?}", program.name(), shown(&host));
        found.push(shown(&host));
    }
    assert_eq!(found[1], found[0]);
    for wanted in [
        "10.0.7.1/24 scope global eth1",
        "noprefixroute",
        "autojoin",
        " home",
        "mngtmpaddr",
        "inet 239.1.1.1",
    ] {
        assert!(found[1].iter().any(|line| line.contains(wanted)), "{wanted}: {:#?}", found[1]);
    }
}
