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
        (
            "priority 256",
            "5 SF0205 priority: '256' is out of range\n5 SF0328 priority must be 1 to 255; 100 is used",
        ),
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
        (
            "virtual_ipaddress {\n192.0.2.300\n}",
            "6 SF0208 '192.0.2.300' is not an address | the line is passed over",
        ),
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
        "1 SF0325 virtual_server [10.0.0.1]:tcp:80: no scheduler is given; wlc is used\n\
         1 SF0325 virtual_server [10.0.0.1]:tcp:80: no forwarding method is given; NAT is used\n\
         2 SF0210 'rrr' is no scheduler | did you mean 'rr'?\n\
         4 SF0327 virtual_server [10.0.0.1]:tcp:80: quorum 3 is above the weight of all servers, 1\n\
         7 SF0406 virtual_server [10.0.0.1]:tcp:80: real_server 10.0.0.2 80 is given twice"
    );
}
