//! Typical mistakes and what people are told of them.

#![cfg(test)]

use std::path::Path;

use steadfast_config::{AnyMachine, LoadOptions, Memory, Mode, load};

/// Code, line, message and hint of each problem but notes on what is not active.
fn told(text: &str) -> String {
    let source = Memory::new().file("keepalived.conf", text);
    let options = LoadOptions { mode: Mode::Test, ..LoadOptions::default() };
    let loaded = load(&source, Path::new("/keepalived.conf"), &AnyMachine, &options);
    let mut lines = Vec::new();
    for diagnostic in loaded.diagnostics.iter().filter(|diagnostic| diagnostic.code.to_string() != "SF0214") {
        let line = diagnostic.primary.map_or(0, |span| loaded.sources.position(span).line);
        let hint = diagnostic.hint.as_ref().map(|hint| format!(" | {hint}")).unwrap_or_default();
        lines.push(format!("{line} {} {}{hint}", diagnostic.code, diagnostic.message));
    }
    lines.join("\n")
}

fn instance(lines: &str) -> String {
    format!(
        "vrrp_instance V {{\ninterface eth0\nvirtual_router_id 5\npriority 90\n{lines}\nvirtual_ipaddress {{\n192.0.2.1/24\n}}\n}}\n"
    )
}

#[test]
fn mistakes_are_explained() {
    let cases = [
        (
            "virtual_routter_id 6",
            "5 SF0201 unknown keyword 'virtual_routter_id' | did you mean 'virtual_router_id'?",
        ),
        ("advert_int 0,5", "5 SF0204 advert_int: '0,5' is not a number"),
        ("advert_int 0.5", "5 SF0321 (V) advert_int 0.5 cannot be carried by version 2; 1 is used"),
        ("priority 256", "5 SF0328 '256' is no priority; 100 is used"),
        ("state SLAVE", "5 SF0222 'SLAVE' is no state to start in; BACKUP is used"),
        ("smtp_alert True", "5 SF0207 smtp_alert: 'True' is not a boolean"),
        (
            "state MASTER\nnopreempt",
            "6 SF0309 (V) nopreempt works with initial state BACKUP only; it is cleared",
        ),
        ("track_script {\nchk\n}", "6 SF0313 vrrp_script 'chk' is not defined"),
        ("track_interface {\neth0\n}", "6 SF0323 (V) follows its own interface anyway; the entry is ignored"),
        (
            "authentication {\nauth_type PASS\nauth_pass longer-than-8\n}",
            "7 SF0404 (V) the password travels readable in every advert\n\
             7 SF0317 auth_pass is cut to its first 8 octets",
        ),
        ("nopreempt yes", "5 SF0203 'yes' has no meaning behind 'nopreempt'"),
        ("virtual_ipaddress {\n192.0.2.300\n}", "6 SF0208 '192.0.2.300' is not an address"),
        (
            "virtual_ipaddress {\n192.0.2.9 deev eth1\n}",
            "6 SF0216 'deev' is no option of such a line | did you mean 'dev'?\n6 SF0216 'eth1' is no option of such a line",
        ),
        (
            "virtual_ipaddress {\n2001:db8::1\n}",
            "9 SF0319 192.0.2.1 is of another family than the instance | \
             put it into virtual_ipaddress_excluded, or into an instance of its own",
        ),
        ("garp_master_repeat", "5 SF0202 'garp_master_repeat' needs an argument"),
    ];
    for (lines, expected) in cases {
        let expected_lines: Vec<&str> = expected.lines().map(str::trim).collect();
        assert_eq!(told(&instance(lines)), expected_lines.join("\n"), "{lines}");
    }
}

#[test]
fn mistakes_between_blocks_are_explained() {
    let two = format!("{}{}", instance(""), instance("").replace("vrrp_instance V", "vrrp_instance W"));
    assert_eq!(
        told(&two),
        "12 SF0304 (W) is the same virtual router as 'V': virtual_router_id 5 of IPv4 on eth0 | \
               give one of them another virtual_router_id\n\
               16 SF0408 (W) 192.0.2.1 belongs to instance 'V' too"
    );
    let group = format!("vrrp_sync_group G {{\ngroup {{\nV\nVV\n}}\n}}\n{}", instance(""));
    assert_eq!(
        told(&group),
        "2 SF0316 sync group 'G' has one member only, which changes nothing\n\
         4 SF0314 (G) there is no vrrp_instance 'VV'"
    );
    let server = "virtual_server 10.0.0.1 80 {\nlb_algo rrr\nprotocol TCP\nquorum 3\n\
                  real_server 10.0.0.2 80 {\n}\nreal_server 10.0.0.2 80 {\n}\n}\n";
    assert_eq!(
        told(server),
        "1 SF0325 virtual_server [10.0.0.1]:tcp:80: no valid scheduler is given; wlc is used\n\
         1 SF0325 virtual_server [10.0.0.1]:tcp:80: no valid forwarding method is given; NAT is used\n\
         2 SF0210 'rrr' is no scheduler | did you mean 'rr'?\n\
         4 SF0327 virtual_server [10.0.0.1]:tcp:80: quorum 3 is above the weight of all servers, 1\n\
         7 SF0406 virtual_server [10.0.0.1]:tcp:80: real_server 10.0.0.2 80 is given twice"
    );
}

/// What looks like a mistake and is none.
#[test]
fn nothing_is_said_of_what_is_right() {
    let instance = |name: &str, lines: &str, address: &str| {
        format!(
            "vrrp_instance {name} {{\nvirtual_router_id 5\n{lines}\nvirtual_ipaddress {{\n{address}\n}}\n}}\n"
        )
    };
    let unicast = |peer: &str| {
        format!("interface eth0\npriority 90\nunicast_src_ip 10.0.0.1\nunicast_peer {{\n{peer}\n}}")
    };
    let text = "global_defs {\nenable_script_security\nscript_user root\n}\n\
                vrrp_script up {\nscript /bin/true\nweight 20\n}\n\
                vrrp_script down {\nscript /bin/true\nweight -20\n}\n\
                track_file file {\nfile /run/file\nweight 1\n}\n"
        .to_owned()
        // One number for each family, interface, group and set of peers.
        + &instance("V4", "interface eth0\npriority 90", "192.0.2.1")
        + &instance("V6", "interface eth0\npriority 90", "fe80::1\n2001:db8::1")
        + &instance("other", "interface eth1\npriority 90", "192.0.2.2")
        + &instance("group", "interface eth0\npriority 90\nmcast_dst_ip 224.0.0.99", "192.0.2.3")
        + &instance("peer", &unicast("10.0.0.2"), "192.0.2.4")
        + &instance("peers", &unicast("10.0.0.3"), "192.0.2.5")
        // Weights add up before they are bounded, and a file may hold a negative number.
        + &instance("high", "interface eth2\npriority 254\ntrack_script {\nup\ndown\n}", "192.0.2.6")
        + &instance("low", "interface eth3\npriority 1\ntrack_script {\nup\ndown\n}", "192.0.2.7")
        + &instance("file", "interface eth4\npriority 254\ntrack_file {\nfile\n}", "192.0.2.8")
        + &instance("back", "interface eth5\npriority 1\ntrack_script {\nup weight 5 reverse\n}", "192.0.2.9")
        // The same link-local address on another link.
        + &instance("link", "interface eth6\npriority 90", "fe80::1")
        + "virtual_server_group services {\n192.0.2.20-30 80\n}\n\
           virtual_server group services {\nprotocol TCP\nlb_algo rr\nlb_kind NAT\n\
           real_server 10.0.0.7 80 {\n}\nreal_server 10.0.0.7 81 {\n}\n}\n";
    assert_eq!(told(&text), "");
}

#[test]
fn unicast_instances_that_a_peer_cannot_tell_apart_are_told_of() {
    let two = |source: &str, peers: &str| {
        let unicast = |source: &str, peers: &str| {
            instance(&format!("unicast_src_ip {source}\nunicast_peer {{\n{peers}\n}}"))
        };
        let second =
            unicast(source, peers).replace("192.0.2.1", "192.0.2.2").replace("instance V", "instance W");
        told(&(unicast("10.0.0.1", "10.0.0.2\n10.0.0.3") + &second))
    };
    assert!(two("10.0.0.1", "10.0.0.3\n10.0.0.2").contains("SF0304"));
    assert!(two("10.0.0.1", "10.0.0.3").contains("SF0304"));
    assert_eq!(two("10.0.0.1", "10.0.0.4"), "");
    assert_eq!(two("10.0.0.4", "10.0.0.3"), "");
}
