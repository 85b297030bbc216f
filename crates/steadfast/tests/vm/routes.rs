//! Routes of which most kernels know nothing: MPLS and ILA.

use std::process::Command;

use steadfast_lab::{Daemon, Program, Segment, left_out, permission, wait};

use super::director::LIMIT;

/// A line, and what iproute2 shows of it.
const ROUTES: [(&str, &str); 5] = [
    (
        "10.70.0.0/16 encap mpls 100 via 10.0.0.254 dev eth0",
        "10.70.0.0/16 encap mpls 100 via 10.0.0.254 dev eth0",
    ),
    (
        "10.71.0.0/16 encap mpls 100/200 via 10.0.0.254 dev eth0",
        "10.71.0.0/16 encap mpls 100/200 via 10.0.0.254 dev eth0",
    ),
    // The kernel wants to see the type of the identifier, a locally unique one: draft-herbert-intarea-ila.
    (
        "2001:db8:0:70:2000::1/128 encap ila 1:2:3:4 via fd00::254 dev eth0",
        "2001:db8:0:70:2000::1 encap ila 1:2:3:4",
    ),
    // TUNNEL_CSUM and TUNNEL_KEY.
    (
        "10.72.0.0/16 encap ip id 5 dst 10.0.0.7 flags 5 dev eth0",
        "10.72.0.0/16 encap ip id 5 src 0.0.0.0 dst 10.0.0.7 ttl 0 tos 0 key csum dev eth0",
    ),
    (
        "2001:db8:71::/48 encap ip6 id 8 dst fd00::7 flags 1 dev eth0",
        "2001:db8:71::/48 encap ip6 id 8 src :: dst fd00::7 hoplimit 0 tc 0 csum dev eth0",
    ),
];

#[test]
fn routes_are_encapsulated_as_configured() {
    let test = "routes_are_encapsulated_as_configured";
    let Some(program) = Program::steadfast(test).filter(|_| permission::lab_possible(test)) else { return };
    for module in ["ipv6", "veth", "bridge", "mpls_router", "mpls_iptunnel", "ila"] {
        if !Command::new("modprobe").arg(module).status().is_ok_and(|status| status.success()) {
            return left_out(test, &format!("this kernel has no {module}; see `cargo xtask vm`"));
        }
    }
    let segment = Segment::new().unwrap();
    let host = segment.host("router").unwrap();
    let lines: String = ROUTES.iter().map(|(line, _)| format!("{line}\n")).collect();
    let text = format!(
        "vrrp_instance V {{\n interface eth0\n virtual_router_id 9\n version 3\n priority 100\n advert_int 1\n virtual_ipaddress {{\n \
         10.0.9.9/32\n }}\n virtual_routes {{\n{lines}}}\n}}\n"
    );
    let mut daemon = Daemon::start(&host, &program, &text).unwrap();
    let shown = || {
        let lists = [["-4", "route"], ["-6", "route"]].map(|[family, what]| {
            host.run(&["ip", family, what, "show", "table", "all", "proto", "18"]).unwrap().output
        });
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        lists.concat().lines().map(squeezed).collect::<Vec<_>>()
    };
    let all = || {
        let shown = shown();
        ROUTES.iter().all(|(_, wanted)| shown.iter().any(|line| line.starts_with(wanted)))
    };
    assert!(wait::until(LIMIT, all), "{:#?}\n{}", shown(), daemon.log_tail());
    daemon.stop(LIMIT).unwrap();
    assert!(wait::until(LIMIT, || shown().is_empty()), "{:#?}", shown());
}
