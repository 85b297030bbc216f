//! Whole configurations through `load`.

use std::path::Path;
use std::time::Duration;

use steadfast_config::model::AuthType;
use steadfast_config::{AnyMachine, Code, LoadOptions, Loaded, Memory, Mode, load};
use steadfast_wire::vrrp::{Family, Priority, Version};

fn read(text: &str) -> Loaded {
    read_in(text, Mode::Test)
}

fn read_in(text: &str, mode: Mode) -> Loaded {
    let source = Memory::new().file("keepalived.conf", text);
    let options = LoadOptions { mode, ..LoadOptions::default() };
    load(&source, Path::new("/keepalived.conf"), &AnyMachine, &options)
}

fn codes(loaded: &Loaded) -> Vec<Code> {
    loaded.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

const PAIR: &str = r#"
global_defs {
    router_id ONE
    vrrp_version 3
    vrrp_garp_master_delay 2
}
vrrp_script chk {
    script "/usr/bin/pgrep -x 'my daemon'"
    interval 2
    weight -20
    fall 3
}
vrrp_sync_group G {
    group { VI_1 VI_2 }
}
vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.5
    garp_master_repeat 3
    track_interface {
        eth1
    }
    virtual_ipaddress {
        192.0.2.10/24 brd + label eth0:1
        192.0.2.11/24 dev eth2
    }
    notify "/etc/notify.sh a" nobody
}
vrrp_instance VI_2 {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress { 2001:db8::1/64 }
    track_script { chk }
}
"#;

#[test]
fn a_pair_is_completed() {
    let loaded = read(PAIR);
    let model = &loaded.model;
    assert_eq!(model.global.router_id.as_deref(), Some("ONE"));
    let [one, two] = model.instances.as_slice() else { panic!("{:?}", loaded.diagnostics) };
    assert_eq!((one.family, one.version), (Family::V4, Version::V3));
    assert_eq!((two.family, two.version), (Family::V6, Version::V3));
    assert_eq!(one.priority, Priority::new(150));
    assert_eq!(two.priority, Priority::DEFAULT);
    assert_eq!(one.advert_interval_on_wire().duration(), Duration::from_millis(500));
    assert_eq!(one.announce.master_delay.duration(), Duration::from_secs(2));
    assert_eq!((one.announce.master_repeat, two.announce.master_repeat), (3, 5));
    assert_eq!(one.addresses[0].broadcast, Some("192.0.2.255".parse().unwrap()));
    assert_eq!(one.addresses[0].interface.as_deref(), Some("eth0"));
    assert_eq!(one.addresses[1].interface.as_deref(), Some("eth2"));
    assert_eq!(two.multicast_group.to_string(), "ff02::12");
    let notify = one.notify.any.as_ref().unwrap();
    assert_eq!(notify.words, ["/etc/notify.sh".into(), "a".into()]);
    assert_eq!(notify.account.as_ref().unwrap().user.as_ref(), "nobody");
    assert_eq!(model.scripts[0].script.words[2].as_ref(), "my daemon");
    assert_eq!(model.scripts[0].timeout.duration(), Duration::from_secs(2));
    assert_eq!(model.groups[0].members.len(), 2);
    // The weight of a script has no place in a sync group.
    assert_eq!(codes(&loaded), [Code::ScriptSecurityOff, Code::PriorityNotGiven, Code::WeightInGroup]);
    assert_eq!(loaded.start_status(), Ok(()));
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let loaded = read(
        "vrrp_instance A {\n virtual_routter_id 5\n priority 300\n interface eth0\n advert_int x\n}\n\
         vrrp_instance B {\n virtual_router_id 7\n interface eth0\n state SLAVE\n virtual_ipaddress { 1.2.3 }\n}\n",
    );
    let found = codes(&loaded);
    for code in [
        Code::UnknownKeyword,
        Code::PriorityInvalid,
        Code::InvalidNumber,
        Code::NoVirtualRouterId,
        Code::ValueReplaced,
        Code::InvalidAddress,
        Code::NoAddressesV2,
    ] {
        assert!(found.contains(&code), "{code:?} in {found:?}");
    }
    let unknown = loaded.diagnostics.iter().find(|d| d.code == Code::UnknownKeyword).unwrap();
    assert_eq!(unknown.hint.as_deref(), Some("did you mean 'virtual_router_id'?"));
    assert_eq!(loaded.test_status(), 5);
    assert_eq!(loaded.start_status(), Err(2));
}

#[test]
fn a_running_daemon_takes_the_number_before_rubbish() {
    let text = "vrrp_instance A {\n interface eth0\n virtual_router_id 7\n priority 120x\n no_virtual_ipaddress\n}\n";
    assert_eq!(read_in(text, Mode::Run).model.instances[0].priority, Priority::new(120));
    assert_eq!(read_in(text, Mode::Test).model.instances[0].priority, Priority::DEFAULT);
}

#[test]
fn a_word_that_is_missing_ends_the_test_with_2() {
    let loaded = read("vrrp_instance A {\n interface\n}\n");
    assert_eq!(loaded.test_status(), 2);
}

#[test]
fn authentication_belongs_to_version_2() {
    let text = |version| {
        format!(
            "vrrp_instance A {{\n interface eth0\n virtual_router_id 7\n version {version}\n\
             authentication {{\n auth_type PASS\n auth_pass secret\n }}\n virtual_ipaddress {{ 192.0.2.1 }}\n}}\n"
        )
    };
    let loaded = read(&text(2));
    let authentication = loaded.model.instances[0].authentication.as_ref().unwrap();
    assert_eq!(authentication.kind, AuthType::Password);
    assert_eq!(&authentication.password.octets(), b"secret\0\0");
    let loaded = read(&text(3));
    assert!(loaded.model.instances[0].authentication.is_none());
    assert!(codes(&loaded).contains(&Code::AuthenticationIgnored));
}

#[test]
fn two_instances_cannot_be_one_virtual_router() {
    let instance = |name| {
        format!(
            "vrrp_instance {name} {{\n interface eth0\n virtual_router_id 7\n virtual_ipaddress {{ 192.0.2.1 }}\n}}\n"
        )
    };
    let loaded = read(&format!("{}{}", instance("A"), instance("B")));
    assert!(codes(&loaded).contains(&Code::DuplicateVirtualRouter));
    assert_eq!(loaded.start_status(), Err(2));
}

#[test]
fn virtual_routers_that_cannot_work_are_no_fault_where_none_runs() {
    let source = Memory::new().file("keepalived.conf", "vrrp_instance A {\n interface eth0\n}\n");
    for (without_vrrp, expected) in [(false, Err(2)), (true, Ok(()))] {
        let options = LoadOptions { mode: Mode::Run, without_vrrp, ..LoadOptions::default() };
        let loaded = load(&source, Path::new("/keepalived.conf"), &AnyMachine, &options);
        assert_eq!(loaded.start_status(), expected);
        assert!(codes(&loaded).contains(&Code::NoVirtualRouterId));
    }
}

#[test]
fn json_gives_the_model_back() {
    let loaded = read(PAIR);
    let json = serde_json::to_string(&loaded.model).unwrap();
    let back: steadfast_config::Model = serde_json::from_str(&json).unwrap();
    assert_eq!(back, loaded.model);
}

#[test]
fn a_file_that_does_not_exist_is_no_configuration() {
    let loaded = load(&Memory::new(), Path::new("/none"), &AnyMachine, &LoadOptions::default());
    assert_eq!(loaded.start_status(), Err(6));
}

#[test]
fn an_include_that_must_find_a_file_decides_the_status() {
    let rest = "vrrp_instance A {\n interface eth0\n virtual_router_id 7\n priority 5\n virtual_ipaddress { 192.0.2.1 }\n}\n";
    for include in ["includem none", "includew none*", "includeb {none,neither}", "foo\nincludem none"] {
        let loaded = read(&format!("{include}\n{rest}"));
        assert_eq!((loaded.test_status(), loaded.start_status()), (6, Err(6)), "{include}");
    }
    let loaded = read(&format!("include none\n{rest}"));
    assert_eq!((loaded.test_status(), loaded.start_status()), (0, Ok(())));
}

#[test]
fn routers_of_equal_priority_are_told_of() {
    let router = |priority: &str, address: &str| {
        format!(
            "vrrp_instance A {{\n interface eth0\n virtual_router_id 7\n {priority}\n virtual_ipaddress {{\n {address}\n }}\n}}\n"
        )
    };
    let cases = [
        ("priority 100", "priority 100", "192.0.2.1", Some(4)),
        ("priority 100", "", "192.0.2.1", Some(1)),
        ("priority 100", "priority 101", "192.0.2.1", None),
        // The same number on another segment.
        ("priority 100", "priority 100", "192.0.2.2", None),
    ];
    for (first, second, address, line) in cases {
        let mut one = read(&router(first, "192.0.2.1"));
        let mut other = read(&router(second, address));
        steadfast_config::compare(&mut [&mut one, &mut other]);
        assert!(!codes(&one).contains(&Code::EqualPriorities));
        let found = other.diagnostics.iter().find(|found| found.code == Code::EqualPriorities);
        let at = found.map(|found| other.sources.position(found.primary.unwrap()).line);
        assert_eq!(at, line, "{first}, {second}, {address}");
        if let Some(found) = found {
            assert_eq!(found.notes, ["the other priority stands at /keepalived.conf:4:2"]);
        }
    }
}

/// A weight that cannot lead past the priority of any other router changes nothing.
#[test]
fn weights_that_no_router_is_passed_with_are_told_of() {
    let router = |priority: u8, track: &str| {
        let text = format!(
            "vrrp_script s {{\n script /bin/true\n}}\nvrrp_instance A {{\n interface eth0\n virtual_router_id 7\n \
             priority {priority}\n track_script {{\n {track}\n }}\n virtual_ipaddress {{\n 192.0.2.1\n }}\n}}\n"
        );
        read(&text)
    };
    type Router = (u8, &'static str);
    let cases: [(&[Router], &[usize]); 6] = [
        (&[(150, "s weight -20"), (100, "s")], &[0]),
        (&[(150, "s weight -60"), (100, "s")], &[]),
        (&[(150, "s weight -50"), (100, "s")], &[]),
        (&[(150, "s"), (100, "s weight 20")], &[1]),
        (&[(150, "s weight -30"), (100, "s weight 20")], &[]),
        // The second is never reached, the third is.
        (&[(150, "s weight -20"), (100, "s"), (140, "s")], &[]),
    ];
    for (routers, idle) in cases {
        let mut loaded: Vec<Loaded> =
            routers.iter().map(|(priority, track)| router(*priority, track)).collect();
        steadfast_config::compare(&mut loaded.iter_mut().collect::<Vec<_>>());
        let found: Vec<usize> = (0..loaded.len())
            .filter(|place| codes(&loaded[*place]).contains(&Code::WeightWithoutEffect))
            .collect();
        assert_eq!(found, idle, "{routers:?}");
        for place in found {
            let mut all = loaded[place].diagnostics.iter();
            let told = all.find(|told| told.code == Code::WeightWithoutEffect).unwrap();
            assert_eq!(told.hint.as_deref(), Some("weights that add up to more than 50 would"));
        }
    }
}

/// As keepalived's dump shows them.
#[test]
fn lines_of_track_lists_have_the_effect_that_keepalived_gives_them() {
    let tracked = |line: &str| {
        let text = format!(
            "vrrp_script S {{\nscript /bin/true\nweight 10\n}}\nvrrp_instance A {{\ninterface eth0\n\
             virtual_router_id 7\nno_virtual_ipaddress\ntrack_script {{\n{line}\n}}\n}}\n"
        );
        let tracks = read(&text).model.instances.remove(0).tracks.scripts;
        tracks.first().map(|tracked| (tracked.weight.value, tracked.weight.reverse))
    };
    assert_eq!(tracked("S"), Some((10, false)));
    assert_eq!(tracked("S reverse"), None);
    assert_eq!(tracked("S bogus"), None);
    assert_eq!(tracked("S weight"), None);
    assert_eq!(tracked("S weight 300"), Some((10, false)));
    assert_eq!(tracked("S weight 5 weight 6"), Some((5, false)));
    assert_eq!(tracked("S weight 5 reverse"), Some((5, true)));
}

#[test]
fn addresses_with_a_prefix_length_are_addresses() {
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nno_virtual_ipaddress\n\
                unicast_src_ip 192.0.2.1/24\nunicast_peer {\n192.0.2.2/24\n}\n}\n";
    let loaded = read(text);
    let instance = &loaded.model.instances[0];
    assert_eq!(instance.source_address, Some("192.0.2.1".parse().unwrap()));
    assert_eq!(instance.unicast_peers[0].address, "192.0.2.2".parse::<std::net::IpAddr>().unwrap());
    assert_eq!(loaded.test_status(), 0, "{:?}", loaded.diagnostics);
}

#[test]
fn strict_mode_resets_accept() {
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress {\n192.0.2.1\n}\n\
                strict_mode\naccept\n}\n";
    assert!(!read(text).model.instances[0].accept);
}

#[test]
fn of_quorum_and_quorum_max_the_earlier_line_holds() {
    let quorum_of = |lines: &str| {
        let loaded = read(&format!("vrrp_track_process P {{\nprocess x\n{lines}\n}}\n"));
        let process = &loaded.model.track_processes[0];
        let ignored = loaded.diagnostics.iter().find(|diagnostic| diagnostic.code == Code::SettingIgnored);
        let line = ignored.and_then(|diagnostic| diagnostic.primary).map(|span| loaded.sources.line(span));
        (process.quorum, process.quorum_max, line)
    };
    assert_eq!(quorum_of("quorum 5\nquorum_max 3"), (5, None, Some(4)));
    assert_eq!(quorum_of("quorum_max 3\nquorum 5"), (1, Some(3), Some(4)));
    assert_eq!(quorum_of("quorum_max 5\nquorum 3"), (3, Some(5), None));
}

#[test]
fn a_service_whose_servers_are_all_of_the_other_family_is_dropped() {
    let loaded = read(
        "virtual_server 2001:db8::1 80 {\nlvs_sched rr\nprotocol TCP\nlvs_method NAT\n\
         real_server 10.0.0.2 80 {\n}\n}\n",
    );
    assert_eq!(codes(&loaded).iter().filter(|code| **code == Code::FamilyMismatch).count(), 1);
    assert!(loaded.model.virtual_servers.is_empty(), "{:#?}", loaded.diagnostics);
}

#[test]
fn announcements_over_a_lower_priority_are_those_of_a_new_master() {
    let lower = |global: &str, own: &str| {
        let text = format!(
            "global_defs {{\n{global}\n}}\nvrrp_instance V {{\ninterface eth0\nvirtual_router_id 3\n\
             virtual_ipaddress {{\n10.0.0.1\n}}\n{own}\n}}\n"
        );
        let announce = read(&text).model.instances[0].announce;
        (announce.lower_priority_delay.as_micros() / 1_000_000, announce.lower_priority_repeat)
    };
    let master = "vrrp_garp_master_delay 1\nvrrp_garp_master_repeat 2\n";
    assert_eq!(lower("", ""), (5, 5));
    assert_eq!(lower(master, ""), (1, 2));
    assert_eq!(lower(&format!("{master}vrrp_min_garp"), ""), (1, 2));
    assert_eq!(lower("vrrp_min_garp", ""), (0, 1));
    assert_eq!(
        lower(&format!("{master}vrrp_garp_lower_prio_delay 4\nvrrp_garp_lower_prio_repeat 3"), ""),
        (4, 3)
    );
    assert_eq!(lower("", "garp_master_delay 1\ngarp_master_repeat 2"), (5, 5));
    assert_eq!(lower(master, "garp_lower_prio_repeat 9"), (1, 9));
}

#[test]
fn an_address_line_with_a_mistake_means_what_it_means_to_keepalived() {
    let kept = |line: &str| {
        let loaded = read(&format!("static_ipaddress {{\n{line}\n}}\n"));
        assert!(loaded.diagnostics.has_errors(), "{line}");
        let address = loaded.model.static_addresses.first()?;
        Some((address.prefix_length, address.broadcast))
    };
    assert_eq!(kept("10.0.0.9 brd +"), Some((32, None)));
    assert_eq!(kept("10.0.0.9/31 brd -"), Some((31, None)));
    assert_eq!(kept("10.0.0.9/33"), Some((32, None)));
    assert_eq!(kept("10.0.0.9/-1"), Some((32, None)));
    assert_eq!(kept("2001:db8::9/129"), Some((128, None)));
    for line in ["10.0.0.9 brd x", "2001:db8::9/64 brd +", "10.0.0.9 dev eth1 dev eth2", "10.0.0.9/x"] {
        assert_eq!(kept(line), None, "{line}");
    }
}

#[test]
fn a_sync_group_takes_the_weight_and_leaves_what_is_inverted() {
    let member = |name: &str, id: u8, more: &str| {
        format!(
            "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {id}\n\
             virtual_ipaddress {{\n10.0.0.{id}\n}}\n{more}\n}}\n"
        )
    };
    let track = "track_interface {\neth1 weight 5 reverse\n}";
    let group = "vrrp_sync_group G {\ngroup {\nA\nB\n}\n}\n";
    let loaded = read(&format!("{}{}{group}", member("A", 1, track), member("B", 2, "")));
    let weight = loaded.model.instances[0].tracks.interfaces[0].weight;
    assert_eq!((weight.value, weight.reverse), (0, true));
}

#[test]
fn tunnels_keep_the_port_of_a_packet() {
    for (method, port) in [("NAT", 81), ("DR", 80), ("TUN", 80)] {
        let server = format!(
            "virtual_server 10.0.0.1 80 {{\nlvs_sched rr\nprotocol TCP\nlvs_method {method}\n\
             sorry_server 10.0.0.3 82\nreal_server 10.0.0.2 81 {{\n}}\n}}\n"
        );
        let loaded = read(&server);
        let server = &loaded.model.virtual_servers[0];
        assert_eq!(server.real_servers[0].address.port, port, "{method}");
        let sorry = server.sorry_server.as_ref().unwrap();
        assert_eq!(sorry.address.port, if method == "NAT" { 82 } else { 80 }, "{method}");
    }
}

#[test]
fn a_version_below_the_addresses_does_not_overrule_them() {
    let version_of = |lines: &str| {
        let text = format!("vrrp_instance V {{\ninterface eth0\nvirtual_router_id 3\n{lines}\n}}\n");
        read(&text).model.instances[0].version
    };
    let address = "virtual_ipaddress {\n2001:db8::1\n}";
    assert_eq!(version_of(&format!("{address}\nversion 2")), Version::V3);
    assert_eq!(version_of(&format!("version 2\n{address}")), Version::V2);
}

/// What hurts between two routers, by the codes that the later one is told.
#[test]
fn routers_that_do_not_fit_are_told_of() {
    let router = |number: u8, lines: &str, address: &str| {
        format!(
            "vrrp_instance A {{\ninterface eth0\nvirtual_router_id {number}\n{lines}\nvirtual_ipaddress {{\n{address}\n}}\n}}\n"
        )
    };
    let password = "authentication {\nauth_type PASS\nauth_pass abc\n}";
    let unicast =
        |own: u8, peer: u8| format!("unicast_src_ip 192.0.2.{own}\nunicast_peer {{\n192.0.2.{peer}\n}}");
    let first = |lines: &str| router(7, &format!("priority 100\n{lines}"), "192.0.2.1");
    let second = |lines: &str| router(7, &format!("priority 101\n{lines}"), "192.0.2.1");
    let cases = [
        (first(""), second(""), &[][..]),
        (first("advert_int 2"), second(""), &[Code::IntervalsDiffer]),
        (first("version 3"), second(""), &[Code::VersionsDiffer]),
        (first(password), second(""), &[Code::AuthenticationDiffers]),
        (first(password), second(&password.replace("abc", "abd")), &[Code::AuthenticationDiffers]),
        (first(password), second(password), &[]),
        (first(""), router(7, "priority 101", "192.0.2.1\n192.0.2.2"), &[Code::AddressesDiffer]),
        (router(7, "priority 100", "192.0.2.1\n192.0.2.2"), second(""), &[Code::AddressesDiffer]),
        (first(""), router(7, "priority 101", "192.0.2.99"), &[Code::AddressesDiffer]),
        (first(""), router(7, "priority 101", "198.51.100.1"), &[]),
        (first(""), router(8, "priority 101", "192.0.2.1"), &[Code::AddressOfTwoRouters]),
        (first(&unicast(11, 12)), second(&unicast(12, 11)), &[]),
        (first(&unicast(11, 12)), second(&unicast(12, 13)), &[Code::PeersDiffer]),
        (first(&unicast(11, 13)), second(&unicast(12, 11)), &[Code::PeersDiffer]),
        (first(""), second(&unicast(12, 11)), &[Code::PeersDiffer]),
    ];
    let between = [
        Code::EqualPriorities,
        Code::IntervalsDiffer,
        Code::VersionsDiffer,
        Code::AuthenticationDiffers,
        Code::AddressesDiffer,
        Code::AddressOfTwoRouters,
        Code::PeersDiffer,
    ];
    for (one, other, expected) in cases {
        let (mut earlier, mut later) = (read(&one), read(&other));
        steadfast_config::compare(&mut [&mut earlier, &mut later]);
        let found: Vec<Code> = codes(&later).into_iter().filter(|code| between.contains(code)).collect();
        assert_eq!(found, expected, "{one}\n{other}");
        assert!(!codes(&earlier).iter().any(|code| between.contains(code)), "{one}\n{other}");
    }
}

#[test]
fn rfc9568_6_1_the_owner_preempts_whatever_is_configured() {
    let text = |priority| {
        format!(
            "vrrp_instance A {{\n state BACKUP\n interface eth0\n virtual_router_id 7\n priority {priority}\n nopreempt\n \
             virtual_ipaddress {{ 192.0.2.1 }}\n}}\n"
        )
    };
    assert!(read(&text(254)).model.instances[0].nopreempt);
    let loaded = read(&text(255));
    assert!(!loaded.model.instances[0].nopreempt);
    assert!(codes(&loaded).contains(&Code::NopreemptIgnored));
}

#[test]
fn rfc3768_10_strict_mode_has_no_authentication() {
    let text = "global_defs {\n vrrp_strict\n}\nvrrp_instance A {\n interface eth0\n virtual_router_id 7\n priority 100\n \
                version 2\n authentication {\n auth_type PASS\n auth_pass secret\n }\n virtual_ipaddress { 192.0.2.1 }\n}\n";
    let loaded = read(text);
    assert!(loaded.model.instances[0].authentication.is_none());
    assert!(codes(&loaded).contains(&Code::AuthenticationIgnored));
}
