//! Routes and rules, as keepalived makes them from the same file.

use std::sync::Arc;

use steadfast_lab::{Daemon, Host, Program, Segment, Signal, permission, wait};

use crate::pair::LIMIT;

const GLOBALS: &str = "global_defs {\nvrrp_version 3\n}\n";

const STATIC: &str = "\
static_routes {
    10.20.0.0/16 dev eth0
    10.21.0.0/16 via 10.0.0.254 dev eth0 metric 55 mtu lock 1400 advmss 1300 rtt 300ms hoplimit 9 initcwnd 20 congctl cubic quickack 1
    blackhole 10.22.0.0/16
    10.23.0.0/16 src 10.0.0.1 dev eth0 scope host table 100
    2001:db8:5::/48 via fe80::5 dev eth0 pref high
}
static_rules {
    from 10.9.0.0/16 table 100 preference 300
}
";

const ROUTES: &str = "\
        10.30.0.0/16 via 10.0.0.254 dev eth0
        src 10.0.0.199 to 10.31.0.0/16 via 10.0.0.253 dev eth0 onlink
        10.32.0.0/16 dev eth0 nexthop via 10.0.0.253 dev eth0 weight 3 nexthop via 10.0.0.254 dev eth0
        unreachable 10.33.0.0/16
        10.34.0.0/16 tos 0x10 via 10.0.0.254 dev eth0 realms 4/5
        10.35.0.0/16 encap ip id 5 dst 10.0.0.7 dev eth0
        10.36.0.0/16 dev eth0 rttvar 40ms rto_min 100ms window 1000 cwnd 9 ssthresh 8 reordering 5 features ecn
        10.37.0.0/16 dev eth0 table 4000 initrwnd 7 fastopen_no_cookie 1
        prohibit 10.38.0.0/16 metric 3
        throw 10.39.0.0/16 table 77
        2001:db8:6::/48 dev eth0 metric 7
        default via 10.0.0.254 dev eth0 table 200
";

const RULES: &str = "\
        from 10.8.0.0/16 to 10.7.0.0/16 table 101 preference 301 fwmark 0x5/0xff
        iif eth0 ipproto 6 dport 80-90 blackhole preference 302
        not from 10.6.0.0/16 goto 400 preference 303
        uidrange 5-9 lookup main suppress_prefixlength 8 preference 304
        oif eth0 sport 7-7 unreachable preference 306
        tos 0x10 table 4000 preference 307
        from 2001:db8::/32 table 105 preference 305
";

/// Other names of options, and options that are rare.
const RARER_ROUTES: &str = "\
        inet to 10.50.0.0/16 gw 10.0.0.254 oif eth0 priority 61 no_track protocol 44
        inet to 10.51.0.0/16 via 10.0.0.254 dev eth0 dsfield 0x08 preference 62
        10.57.0.0/16 as to 10.0.0.9 via 10.0.0.254 dev eth0
        inet6 to 2001:db8:50::/48 dev eth0 from 2001:db8:51::/48 expires 600
        10.52.0.0/16 dev eth0 encap ip id 7 dst 10.0.0.7 src 10.0.0.1 tos 4 ttl 9
        add 10.54.0.0/16 dev eth0
        append 10.55.0.0/16 dev eth0
        prepend 10.56.0.0/16 dev eth0
        10.60.0.0/16 nexthop via 10.0.0.254 dev eth0 onlink realms 3/4 weight 2 nexthop via 10.0.0.253 dev eth0
";

const RARER_RULES: &str = "\
        from 10.1.0.0/16 dsfield 0x08 lookup 4002 priority 313
        from 10.2.0.0/16 l3mdev preference 314
        from 10.3.0.0/16 nop preference 315
        from 10.4.0.0/16 prohibit preference 316
        from 10.5.0.0/16 type unreachable preference 317
        from 10.6.0.0/16 table 4003 realms 5/6 preference 318
        from 10.7.0.0/16 table 4004 sup_pl 9 preference 319
        from 10.8.0.0/16 table 4005 sup_group 3 preference 320
        from 10.9.0.0/16 table 4006 suppress_ifgroup 4 preference 321
        from 10.10.0.0/16 tunnel-id 77 table 4007 order 322
        from 10.11.0.0/16 no_track protocol 44 table 4008 preference 323
        dev eth0 to 10.12.0.0/16 table 4009 preference 324
";

fn configuration(routes: &str, rules: &str, more: &str) -> String {
    format!(
        "{GLOBALS}{STATIC}vrrp_instance V {{\n    state MASTER\n    interface eth0\n    virtual_router_id 9\n    priority 200\n    \
         advert_int 0.1\n    virtual_ipaddress {{\n        10.0.0.199/32\n    }}\n    virtual_routes {{\n{routes}    }}\n    \
         virtual_rules {{\n{rules}    }}\n{more}}}\n"
    )
}

/// What iproute2 shows of it all.
fn shown(host: &Host) -> Vec<String> {
    let commands: [&[&str]; 4] = [
        &["ip", "route", "show", "table", "all", "proto", "18"],
        &["ip", "-6", "route", "show", "table", "all", "proto", "18"],
        &["ip", "rule", "show"],
        &["ip", "-6", "rule", "show"],
    ];
    let lines = |command: &&[&str]| {
        let told = host.run(command).unwrap().output;
        told.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>()
    };
    commands.iter().flat_map(lines).collect()
}

fn shows(host: &Host, wanted: &str) -> bool {
    shown(host).iter().any(|line| line.contains(wanted))
}

/// A host on which all those routes make sense.
fn host(segment: &Segment, name: &str) -> Arc<Host> {
    let host = segment.host(name).unwrap();
    host.assign("eth0", "10.0.0.1".parse().unwrap(), 24).unwrap();
    host
}

#[track_caller]
fn soon(what: &str, daemon: &Daemon, condition: impl FnMut() -> bool) {
    let happened = wait::until(LIMIT, condition);
    assert!(happened, "it did not happen that {what}: {:#?}\n{}", shown(daemon.host()), daemon.log_tail());
}

#[test]
fn routes_and_rules_are_those_that_keepalived_makes() {
    let test = "routes_and_rules_are_those_that_keepalived_makes";
    let (Some(ours), Some(theirs)) = (Program::steadfast(test), Program::keepalived(test)) else { return };
    if !permission::lab_possible(test) {
        return;
    }
    let segment = Segment::new().unwrap();
    let host = host(&segment, "r1");
    let clean = shown(&host);
    let file = configuration(ROUTES, RULES, "");
    let last = "from 2001:db8::/32 lookup 105";

    let mut keepalived = Daemon::start(&host, &theirs, &file).unwrap();
    soon("keepalived has made all", &keepalived, || shows(&host, "10.30.0.0/16") && shows(&host, last));
    let expected = shown(&host);
    keepalived.stop(LIMIT).unwrap();
    soon("keepalived has taken all away", &keepalived, || shown(&host) == clean);

    let mut steadfast = Daemon::start(&host, &ours, &file).unwrap();
    soon("steadfast has made all", &steadfast, || shows(&host, "10.30.0.0/16") && shows(&host, last));
    pretty_compare(&expected, &shown(&host));

    // A person takes some away.
    for command in [
        "ip route del 10.30.0.0/16",
        "ip route del 10.32.0.0/16",
        "ip route del 10.20.0.0/16",
        "ip -6 route del 2001:db8:6::/48",
        "ip rule del preference 301",
        "ip rule del preference 300",
        "ip -6 rule del preference 305",
    ] {
        let done = host.run(&["sh", "-c", command]).unwrap();
        assert!(done.status.success(), "{command}: {}", done.output);
        soon(&format!("all is back after {command}"), &steadfast, || shown(&host) == expected);
    }
    assert!(steadfast.logged("somebody removed the route 10.30.0.0/16", LIMIT), "{}", steadfast.log_tail());
    assert!(steadfast.logged("somebody removed the IPv4 rule 301", LIMIT), "{}", steadfast.log_tail());

    // The interface goes and comes: the kernel drops its routes.
    host.set_down("eth0").unwrap();
    host.set_up("eth0").unwrap();
    soon("all is back after the interface", &steadfast, || {
        shows(&host, "10.30.0.0/16") && shows(&host, "10.20.0.0/16") && shows(&host, last)
    });

    // A reload by difference.
    let fewer = ROUTES.replace("        unreachable 10.33.0.0/16\n", "").replace("metric 7", "metric 8");
    let other_rules = RULES.replace("preference 302", "preference 402");
    let other = configuration(&fewer, &other_rules, "")
        .replace("    10.20.0.0/16 dev eth0\n", "    10.24.0.0/16 dev eth0\n")
        .replace("preference 300", "preference 310");
    steadfast.configure(&other).unwrap();
    steadfast.signal(Signal::HUP);
    soon("the reload is carried out", &steadfast, || {
        !shows(&host, "10.33.0.0/16")
            && shows(&host, "metric 8")
            && !shows(&host, "metric 7")
            && shows(&host, "402:")
            && !shows(&host, "302:")
            && shows(&host, "10.24.0.0/16")
            && !shows(&host, "10.20.0.0/16")
            && shows(&host, "310:")
            && !shows(&host, "300:")
    });

    assert_eq!(steadfast.stop(LIMIT).unwrap().code(), Some(0));
    let left = shown(&host);
    assert_eq!(left, clean, "something is left");
}

#[test]
fn rarer_routes_and_rules_are_those_that_keepalived_makes() {
    let test = "rarer_routes_and_rules_are_those_that_keepalived_makes";
    let (Some(ours), Some(theirs)) = (Program::steadfast(test), Program::keepalived(test)) else { return };
    if !permission::lab_possible(test) {
        return;
    }
    let segment = Segment::new().unwrap();
    let host = host(&segment, "r1");
    host.assign("eth0", "2001:db8::1".parse().unwrap(), 64).unwrap();
    let made = |host: &Host| {
        let others = host.run(&["ip", "route", "show", "table", "all", "proto", "44"]).unwrap().output;
        let all =
            shown(host).into_iter().chain(others.lines().map(|line| format!("44: {}", line.trim_end())));
        all.map(without_seconds).collect::<Vec<_>>()
    };
    let clean = made(&host);
    let file = configuration(RARER_ROUTES, RARER_RULES, "");
    let mut found = Vec::new();
    for program in [&theirs, &ours] {
        let mut daemon = Daemon::start(&host, program, &file).unwrap();
        soon("all is made", &daemon, || shows(&host, "10.60.0.0/16") && shows(&host, "324:"));
        found.push(made(&host));
        daemon.stop(LIMIT).unwrap();
        soon("all is taken away", &daemon, || made(&host) == clean);
    }
    for wanted in
        ["44: 10.50.0.0/16", "10.51.0.0/16 tos 0x08", "from 2001:db8:51::/48", "expires", "tun_id 77"]
    {
        assert!(found[1].iter().any(|line| line.contains(wanted)), "{wanted}: {:#?}", found[1]);
    }
    pretty_compare(&found[0], &found[1]);
}

/// What is left of a route's life goes down from second to second.
fn without_seconds(line: String) -> String {
    let seconds = |word: &str| word.strip_suffix("sec").is_some_and(|number| number.parse::<u32>().is_ok());
    let words: Vec<&str> = line.split(' ').map(|word| if seconds(word) { "SECONDS" } else { word }).collect();
    words.join(" ")
}

/// keepalived 2.2.7 refuses some of it, and forgets what encapsulates.
#[test]
fn routes_and_rules_are_made_that_keepalived_spoils() {
    let test = "routes_and_rules_are_made_that_keepalived_spoils";
    let Some(ours) = Program::steadfast(test) else { return };
    if !permission::lab_possible(test) {
        return;
    }
    let segment = Segment::new().unwrap();
    let host = host(&segment, "r1");
    host.write("/run/vendor/rt_tables", "71 vendor\n72 both\n").unwrap();
    host.write("/run/own/rt_tables", "73 own\n74 both\n").unwrap();
    let rules = "inet iif eth0 table own preference 311\ninet6 iif eth0 table vendor preference 312\n\
                 to 10.12.0.0/16 table both preference 313\n";
    let routes = "10.53.0.0/16 via 10.0.0.254 or 10.0.0.253 dev eth0\n\
                  2001:db8:57::/48 encap ip6 id 8 dst 2001:db8::7 src 2001:db8::1 tc 5 hoplimit 11 dev eth0\n\
                  10.61.0.0/16 no_track nexthop via 10.0.0.254 dev eth0 nexthop via 10.0.0.253 dev eth0 encap ip id 9 dst \
                  10.0.0.8\n";
    host.assign("eth0", "2001:db8::1".parse().unwrap(), 64).unwrap();
    let file = configuration(routes, rules, "").replace(
        "vrrp_version 3\n",
        "vrrp_version 3\niproute_usr_dir /run/vendor\niproute_etc_dir /run/own\n",
    );
    let daemon = Daemon::start(&host, &ours, &file).unwrap();
    soon("all is made", &daemon, || shows(&host, "313:") && shows(&host, "10.61.0.0/16"));
    for wanted in [
        "311:\tfrom all iif eth0 lookup 73",
        "312:\tfrom all iif eth0 lookup 71",
        "lookup 74",
        "10.53.0.0/16",
        "encap ip6 id 8 src 2001:db8::1 dst 2001:db8::7 hoplimit 11 tc 5",
        "encap ip id 9 src 0.0.0.0 dst 10.0.0.8",
    ] {
        assert!(shows(&host, wanted), "{wanted}: {:#?}", shown(&host));
    }
}

/// A next hop has no address to translate to; neither program runs with one.
#[test]
fn a_next_hop_with_as_is_refused_by_both() {
    let test = "a_next_hop_with_as_is_refused_by_both";
    let (Some(ours), Some(theirs)) = (Program::steadfast(test), Program::keepalived(test)) else { return };
    if !permission::lab_possible(test) {
        return;
    }
    let segment = Segment::new().unwrap();
    let host = host(&segment, "r1");
    let mut statuses = Vec::new();
    for hop in ["via 10.0.0.254 dev eth0", "via 10.0.0.254 dev eth0 as 10.0.0.9"] {
        let file =
            configuration(&format!("10.58.0.0/16 dev eth0 nexthop {hop}\n"), "", "").replace(STATIC, "");
        host.write("/run/conf", &file).unwrap();
        for program in [&theirs, &ours] {
            let path = program.path().to_str().unwrap();
            let finished = host.run(&[path, "-t", "-f", "/run/conf"]).unwrap();
            statuses.push((hop, program.name(), finished.status.code(), finished.output));
        }
    }
    let codes: Vec<_> = statuses.iter().map(|(_, _, code, _)| code.unwrap()).collect();
    assert_eq!((codes[0], codes[2]), (codes[1], codes[3]), "{statuses:#?}");
    assert_ne!(codes[1], codes[3], "{statuses:#?}");
}

#[test]
fn a_backup_has_none_of_them() {
    let test = "a_backup_has_none_of_them";
    let Some(ours) = Program::steadfast(test) else { return };
    if !permission::lab_possible(test) {
        return;
    }
    let segment = Segment::new().unwrap();
    let host = host(&segment, "r1");
    let file = configuration(ROUTES, RULES, "").replace("priority 200", "priority 100");
    let first = Daemon::start(&host, &ours, &file).unwrap();
    soon("r1 has them", &first, || shows(&host, "10.30.0.0/16") && shows(&host, "301:"));
    let better = segment.host("r2").unwrap();
    let plain = format!(
        "{GLOBALS}vrrp_instance V {{\ninterface eth0\nvirtual_router_id 9\npriority 250\nadvert_int 0.1\n\
         virtual_ipaddress {{\n10.0.0.199/32\n}}\n}}\n"
    );
    let second = Daemon::start(&better, &ours, &plain).unwrap();
    soon("r1 has only the static ones", &first, || {
        !shows(&host, "10.30.0.0/16")
            && !shows(&host, "301:")
            && shows(&host, "10.20.0.0/16")
            && shows(&host, "300:")
    });
    drop(second);
    soon("r1 has them again", &first, || shows(&host, "10.30.0.0/16") && shows(&host, "301:"));
}

/// Line by line, so that a failure shows which.
#[track_caller]
fn pretty_compare(expected: &[String], found: &[String]) {
    let missing: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
    let surplus: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:#?}\nsurplus {surplus:#?}");
}
