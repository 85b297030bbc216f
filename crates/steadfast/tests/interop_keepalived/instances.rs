//! Rarer keywords of instances, and their defaults in global_defs, do what they do with keepalived.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use steadfast_lab::capture::Content;
use steadfast_lab::{Host, Segment, Signal, wait};
use steadfast_wire::vrrp::Vrid;

use crate::pair::{LIMIT, Pair, programs};
use crate::rarer::{Alone, alone, global, instance};

/// Long enough for a takeover that would happen.
const SILENCE: Duration = Duration::from_millis(1_500);

fn has(alone: &Alone, last: u8) -> bool {
    alone.host.has([10, 0, 9, last].into())
}

fn shown(host: &Host, command: &str) -> String {
    host.run(&["sh", "-c", command]).unwrap().output
}

/// Who follows its interface, who does not, and who follows its source address; and for how long a loss is not believed.
#[test]
fn interfaces_and_sources_are_followed_as_configured() {
    const DOWN: Duration = Duration::from_millis(1_200);
    let delays = format!("interface_up_down_delays {{\n eth0 {} 0.8\n}}\n", DOWN.as_secs_f64());
    for alone in alone("interfaces_and_sources_are_followed_as_configured") {
        let source = [10, 0, 0, 77].into();
        alone.host.assign("eth0", source, 16).unwrap();
        let from = format!(" mcast_src_ip {source}\n");
        let text = global("")
            + &delays
            + &instance(1, "10.0.9.1/32", "")
            + &instance(2, "10.0.9.2/32", " dont_track_primary\n")
            + &instance(3, "10.0.9.3/32", &(from + " track_src_ip\n"));
        let text = text.replace("advert_int 0.2", "advert_int 1");
        let daemon = alone.start(&text);
        let name = alone.program.name();
        let all = || [1, 2, 3].iter().all(|last| has(&alone, *last));
        assert!(wait::until(LIMIT, all), "{name}: {}", daemon.log_tail());

        // Debian's keepalived does not see it.
        if name == "steadfast" {
            alone.host.withdraw("eth0", source, 16).unwrap();
            assert!(wait::until(LIMIT, || !has(&alone, 3)), "{name}: its source is away");
            assert!(has(&alone, 1));
            alone.host.assign("eth0", source, 16).unwrap();
            assert!(wait::until(LIMIT, all), "{name}: its source is back: {}", daemon.log_tail());
        }

        // Too short to be believed.
        alone.segment.cut(&alone.host).unwrap();
        assert!(!wait::until(DOWN / 3, || !all()), "{name}: at once");
        alone.segment.restore(&alone.host).unwrap();
        assert!(!wait::until(DOWN * 2, || !all()), "{name}: after a short loss");
        let since = Instant::now();
        alone.segment.cut(&alone.host).unwrap();
        assert!(wait::until(LIMIT, || !has(&alone, 1)), "{name}: its interface is away");
        assert!(since.elapsed() > DOWN - Duration::from_millis(50), "{name}: {:?}", since.elapsed());
        assert!(has(&alone, 2), "{name}: it does not follow its interface");
        alone.segment.restore(&alone.host).unwrap();
        assert!(wait::until(LIMIT, all), "{name}: its interface is back: {}", daemon.log_tail());
    }
}

/// A backup compares the addresses of a master that it knows already, or does not.
#[test]
fn addresses_of_a_known_master_are_compared_as_configured() {
    let test = "addresses_of_a_known_master_are_compared_as_configured";
    let both = |last: u8| format!("10.0.9.{last}/32\n 10.0.8.{last}/32");
    let lower = |globals: &str, first: &str, second: &str| {
        global(globals) + &instance(1, &both(1), first) + &instance(2, &both(2), second)
    };
    for (what, backup) in [
        ("instance", lower("", " skip_check_adv_addr\n", "")),
        ("default", lower(" vrrp_skip_check_adv_addr\n", "", "")),
    ] {
        for programs in programs(test).into_iter().flatten() {
            let mut pair = Pair::new(programs);
            let name = format!("{what}, {}", pair.programs[1].name());
            let whole = global("") + &instance(1, &both(1), "") + &instance(2, &both(2), "");
            let whole = whole.replace("priority 100", "priority 200");
            let on = |pair: &Pair, side: usize, last: u8| pair.hosts[side].has([10, 0, 9, last].into());
            pair.start(0, &whole);
            assert!(wait::until(LIMIT, || on(&pair, 0, 1) && on(&pair, 0, 2)), "{name}");
            pair.start(1, &backup);
            assert!(!wait::until(SILENCE, || on(&pair, 1, 1) || on(&pair, 1, 2)), "{name}: too early");
            let fewer = whole.replace("10.0.8.1/32", "").replace("10.0.8.2/32", "");
            pair.daemon(0).configure(&fewer).unwrap();
            pair.daemon(0).signal(Signal::HUP);
            let compares = what == "instance";
            let taken_over = wait::until(if compares { LIMIT } else { SILENCE }, || on(&pair, 1, 2));
            assert_eq!(taken_over, compares, "{name}");
            assert!(!on(&pair, 1, 1), "{name}: it compares all the same");
        }
    }
}

/// Packet filters for who does not accept packets to its addresses, which strict mode means too.
#[test]
fn filters_are_made_for_who_does_not_accept() {
    let strict = |globals: &str, first: &str, second: &str| {
        global(globals) + &instance(1, "10.0.9.1/32", first) + &instance(2, "10.0.9.2/32", second)
    };
    for (what, text) in [
        ("by default", strict(" vrrp_strict\n", "", " strict_mode off\n")),
        ("instance", strict("", " strict_mode on\n", "")),
        ("accept", strict(" vrrp_strict\n", "", " accept\n")),
        ("names", strict(" nftables own\n nftables_priority -7\n", " no_accept\n", "")),
    ] {
        for alone in alone("filters_are_made_for_who_does_not_accept") {
            let daemon = alone.start(&text);
            let filters = || shown(&alone.host, "nft -n list ruleset");
            let made = wait::until(LIMIT, || has(&alone, 2) && filters().contains("10.0.9.1"));
            let name = alone.program.name();
            assert!(made, "{what}, {name}: {}\n{}", filters(), daemon.log_tail());
            assert!(!filters().contains("10.0.9.2"), "{what}, {name}: {}", filters());
            if what == "names" {
                let filters = filters();
                assert!(
                    filters.contains("table ip own") && filters.contains("priority -7"),
                    "{name}: {filters}"
                );
            }
        }
    }
}

/// Link-local addresses are those of one interface, which a filter knows by its number where that is asked for. keepalived
/// goes by the name otherwise.
#[test]
fn filters_know_interfaces_by_number() {
    for alone in alone("filters_know_interfaces_by_number") {
        let filtered = |more| instance(1, "fe80::9:1/64", &format!(" no_accept\n{more}"));
        let daemon = alone.start(&(global(" nftables_ifindex\n") + &filtered(" dont_track_primary\n")));
        let filters = || shown(&alone.host, "nft -n list ruleset");
        let made = wait::until(LIMIT, || filters().contains("fe80::9:1"));
        let name = alone.program.name();
        assert!(made, "{name}: {}\n{}", filters(), daemon.log_tail());
        let filters = filters();
        let by_number = filters.contains("set vips_link_local {") && !filters.contains("ifname");
        assert!(by_number, "{name}: {filters}");
    }
}

/// Interfaces with MAC addresses of their own have the names, addresses and groups that are asked for, and adverts leave
/// from where they shall.
#[test]
fn virtual_interfaces_are_named_and_used_as_configured() {
    let mut found = Vec::new();
    for alone in alone("virtual_interfaces_are_named_and_used_as_configured") {
        let other = Segment::new().unwrap();
        other.plug(&alone.host, "eth1").unwrap();
        let text = global(" vmac_prefix own\n vmac_addr_prefix more\n")
            + &instance(1, "10.0.9.1/32", " use_vmac\n")
            + &instance(2, "10.0.9.2/32", " use_vmac\n vmac_xmit_base\n")
            + &instance(3, "10.0.9.3/32", " use_vmac chosen 02:00:00:00:00:09\n")
            + &instance(4, "10.0.9.4/32\n 10.0.8.4/32 dev eth1 use_vmac", "")
            + &instance(5, "10.0.9.5/32\n 10.0.8.5/32 dev eth1", " use_vmac_addr\n");
        let since = Instant::now();
        let daemon = alone.start(&text);
        let all = || {
            (1..=5).all(|last| has(&alone, last))
                && [4, 5].iter().all(|l| alone.host.has([10, 0, 8, *l].into()))
        };
        assert!(wait::until(LIMIT, all), "{}: {}", alone.program.name(), daemon.log_tail());
        let mac = |vrid: u8| {
            alone.first(vrid, since);
            let macs = alone.capture.select(since, |frame| match &frame.content {
                Content::Advert(advert) if advert.vrid.get() == vrid => Some(frame.ethernet.source.0),
                _ => None,
            });
            macs.into_iter().collect::<BTreeSet<_>>()
        };
        let own: BTreeSet<[u8; 6]> = mac(4);
        assert_eq!(mac(2), own, "{}: vmac_xmit_base", alone.program.name());
        assert_eq!(mac(1), [[0, 0, 0x5e, 0, 1, 1]].into());
        assert_eq!(mac(3), [[2, 0, 0, 0, 0, 9]].into());
        // use_vmac_addr is for what is not at home.
        let at = |address: &str| shown(&alone.host, &format!("ip -o address show to {address}"));
        assert!(at("10.0.8.5").contains("more.5") && at("10.0.9.5").contains("eth0"), "{}", at("10.0.0.0/8"));
        let links = shown(&alone.host, "ip -o link show type macvlan");
        let name = |line: &str| line.split([':', '@']).nth(1).map(|name| name.trim().to_owned());
        found.push(links.lines().filter_map(name).collect::<BTreeSet<_>>());
    }
    if let [theirs, ours] = &found[..] {
        assert_eq!(ours, theirs);
        assert!(ours.contains("own.1") && ours.contains("chosen"), "{ours:?}");
    }
}

/// What FIFOs are told: priorities where that is asked for, and states after a reload.
#[test]
fn fifos_are_told_what_is_asked_for() {
    let mut found = Vec::new();
    for alone in alone("fifos_are_told_what_is_asked_for") {
        alone.host.write("/run/level", "0\n").unwrap();
        shown(&alone.host, "mkfifo /run/fifo");
        let track = " track_file {\n level weight 1 noreverse\n }\n";
        let text = global(
            " script_user root\n vrrp_notify_fifo /run/fifo\n fifo_write_vrrp_states_on_reload\n",
        ) + "track_file level {\n file /run/level\n weight 1\n}\n"
            + "vrrp_sync_group G {\n group {\n V3\n }\n notify_priority_changes\n sync_group_tracking_weight\n}\n"
            + &instance(1, "10.0.9.1/32", &format!("{track} notify_priority_changes\n"))
            + &instance(2, "10.0.9.2/32", track)
            + &instance(3, "10.0.9.3/32", track);
        let mut reader = Command::new("sh");
        reader.args(["-c", "exec cat /run/fifo > /run/lines"]);
        let mut reader = alone.host.spawn(&mut reader).unwrap();
        let mut daemon = alone.start(&text);
        let name = alone.program.name();
        let lines = || alone.host.read("/run/lines").unwrap_or_default();
        let count = |line: &str| lines().lines().filter(|found| *found == line).count();
        let masters = || [1, 2, 3].iter().all(|vrid| count(&format!("INSTANCE \"V{vrid}\" MASTER 100")) == 1);
        assert!(wait::until(LIMIT, masters), "{name}: {}", lines());
        alone.host.write("/run/level", "5\n").unwrap();
        let told =
            || [1, 3].iter().all(|vrid| count(&format!("INSTANCE \"V{vrid}\" MASTER_PRIORITY 105")) == 1);
        assert!(wait::until(LIMIT, told), "{name}: {}", lines());
        let mut all: Vec<String> = lines().lines().map(str::to_owned).collect();
        assert!(!all.iter().any(|line| line == "INSTANCE \"V2\" MASTER_PRIORITY 105"), "{name}: {all:#?}");
        all.sort();
        found.push(all);
        // Debian's keepalived writes nothing then.
        if name == "steadfast" {
            daemon.signal(Signal::HUP);
            let again =
                || [1, 2, 3].iter().all(|vrid| count(&format!("INSTANCE \"V{vrid}\" MASTER 105")) == 1);
            assert!(wait::until(LIMIT, again), "{name}: {}", lines());
        }
        daemon.stop(LIMIT).unwrap();
        let _ = reader.kill();
        reader.wait().unwrap();
    }
    if let [theirs, ours] = &found[..] {
        assert_eq!(ours, theirs);
    }
}

/// A router of the version before 2.0.16 has the group in the checksum of its unicast adverts: it is spoken to as it speaks.
#[test]
fn an_early_version_is_spoken_to_as_it_speaks() {
    let Some([ours_lower, _]) =
        programs("an_early_version_is_spoken_to_as_it_speaks").map(|[one, other]| [other, one])
    else {
        return;
    };
    let mut pair = Pair::new(ours_lower);
    let unicast = |peer: &str| format!(" unicast_peer {{\n {peer}\n }}\n");
    let early = global("") + &instance(1, "10.0.9.1/32", &(unicast("10.0.0.2") + " old_unicast_checksum\n"));
    let higher = early.replace("priority 100", "priority 200");
    let lower = global("") + &instance(1, "10.0.9.1/32", &unicast("10.0.0.1"));
    pair.start(1, &lower);
    let on = |pair: &Pair, side: usize| pair.hosts[side].has([10, 0, 9, 1].into());
    assert!(wait::until(LIMIT, || on(&pair, 1)));
    pair.start(0, &higher);
    assert!(wait::until(LIMIT, || on(&pair, 0) && !on(&pair, 1)), "{}", pair.daemon(1).log_tail());
    assert!(!wait::until(SILENCE, || on(&pair, 1)), "{}", pair.daemon(1).log_tail());
    // As master it has that checksum, too: the same that keepalived has in its place.
    let since = Instant::now();
    let _ = pair.terminate(0);
    pair.ended(0);
    assert!(wait::until(LIMIT, || on(&pair, 1)));
    let vrid = Vrid::new(1).unwrap();
    let sent = |source: [u8; 4]| {
        pair.capture(1).select(since, |frame| match &frame.content {
            Content::Advert(advert)
                if advert.vrid == vrid
                    && advert.source == std::net::IpAddr::from(source)
                    && advert.priority.get() > 0 =>
            {
                Some(frame.octets[34..].to_vec())
            }
            _ => None,
        })
    };
    assert!(wait::until(LIMIT, || !sent([10, 0, 0, 2]).is_empty()));
    let message = sent([10, 0, 0, 2]).remove(0);
    assert!(is_sum_over([10, 0, 0, 2], [224, 0, 0, 18], &message), "{message:x?}");
}

/// The checksum of a message of version 3 over IPv4 (RFC 9568 section 5.2.8).
fn is_sum_over(source: [u8; 4], destination: [u8; 4], message: &[u8]) -> bool {
    let length = 12;
    let octets = [&source[..], &destination, &[0, 112, 0, length], &message[..length.into()]].concat();
    let mut sum: u32 = octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum == 0xffff
}

/// Addresses on a virtual interface, or on any other than that of the adverts, are announced again and again.
#[test]
fn further_interfaces_are_announced_on_as_configured() {
    let test = "further_interfaces_are_announced_on_as_configured";
    for (globals, more) in [
        (" vrrp_garp_extra_if 1\n", ""),
        (" vrrp_vmac_garp_intvl 1\n", ""),
        ("", " vmac_garp_intvl 1\n"),
        ("", " vmac_garp_intvl all 1\n"),
    ] {
        let Some(alone) = alone(test).pop() else { return };
        let address = std::net::Ipv4Addr::new(10, 0, 9, 1);
        let once = " garp_master_delay 0\n garp_master_repeat 1\n";
        let more = format!(" use_vmac\n vmac_xmit_base\n{once}{more}");
        let since = Instant::now();
        let _daemon = alone.start(&(global(globals) + &instance(1, "10.0.9.1/32", &more)));
        let announced = || alone.capture.gratuitous_arps(address, since);
        let again = wait::until(LIMIT, || announced().len() > 2);
        assert!(again, "{globals}{more}: {}", announced().len());
        let times: Vec<Instant> = announced().into_iter().map(|(at, _)| at).collect();
        let apart = times[2] - times[1];
        assert!(
            apart > Duration::from_millis(900) && apart < Duration::from_millis(1_400),
            "{globals}{more}: {apart:?}"
        );
    }
}

/// What Debian's keepalived does not know yet.
#[test]
fn what_later_versions_know_is_done() {
    let test = "what_later_versions_know_is_done";
    let Some(alone) = alone(test).pop() else { return };
    alone.host.write("/run/own/group", "42 lab\n").unwrap();
    let text = global(" iproute_etc_dir /run/own\n disable_local_igmp\n log_unknown_vrids\n")
        + &instance(1, "10.0.9.1/32", " mcast_dst_ip 224.0.0.99\n")
        + &instance(2, "10.0.9.2/32", " use_vmac two group lab netlink_notify_msg\n")
        + &instance(4, "10.0.9.4/32", " use_vmac four\n")
        + &instance(3, "", " no_virtual_ipaddress\n").replace("virtual_ipaddress {\n \n }\n", "");
    let mut monitor = Command::new("sh");
    let mut monitor = alone.host.spawn(monitor.args(["-c", "exec ip -o monitor link > /run/links"])).unwrap();
    let links = || alone.host.read("/run/links").unwrap_or_default();
    let listens = || {
        shown(&alone.host, "ip link set lo group 1; ip link set lo group 0");
        !links().is_empty()
    };
    assert!(wait::until(LIMIT, listens));
    let since = Instant::now();
    let daemon = alone.start(&text);
    assert_eq!(alone.first(1, since).1.destination.to_string(), "224.0.0.99");
    assert!(alone.first(3, since).1.addresses.is_empty());
    let reports = "cat /proc/sys/net/ipv4/igmp_link_local_mcast_reports";
    assert!(wait::until(LIMIT, || shown(&alone.host, reports) == "0\n"), "{}", daemon.log_tail());
    let group = || shown(&alone.host, "ip -o link show two").contains("group 42");
    assert!(wait::until(LIMIT, group), "{}", shown(&alone.host, "ip -o link"));
    // netlink_notify_msg: the kernel tells once more of it than of another.
    for vrid in [2, 4] {
        alone.first(vrid, since);
    }
    let told = |name: &str| links().lines().filter(|line| line.contains(&format!(" {name}@"))).count();
    let once_more = wait::until(LIMIT, || told("four") > 0 && told("two") > told("four"));
    assert!(once_more, "{}", links());
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    let peer = alone.segment.host("r2").unwrap();
    let _unknown =
        steadfast_lab::Daemon::start(&peer, &alone.program, &(global("") + &instance(9, "10.0.9.9/32", "")))
            .unwrap();
    assert!(wait::until(LIMIT, || daemon.log().contains("virtual router 9")), "{}", daemon.log_tail());
}
