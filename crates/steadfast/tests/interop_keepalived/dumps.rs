//! The files that signals ask for are those of keepalived, so that what reads them need not know.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::Value;
use steadfast_lab::wait;

use crate::pair::{LIMIT, Pair, programs, whole};

/// SIGRTMIN + 2 as the kernel counts; the C library keeps two for itself.
const SIGNAL_JSON: &str = "36";

/// What host 0 runs: instances in every state, and what exporters look for.
const CONFIGURATION: &str = r#"
global_defs {
    router_id lab
    vrrp_version 3
    vrrp_higher_prio_send_advert false
    script_user root
    enable_script_security
    vrrp_garp_interval 0.001
}
vrrp_script good {
    script "/usr/bin/test -d '/usr'"
    interval 1
    timeout 3
    weight 20
    rise 2
    fall 3
}
vrrp_script bad {
    script /usr/bin/false
    interval 1
    weight -10
}
vrrp_script fatal {
    script /usr/bin/false
    interval 1
}
vrrp_sync_group PAIR {
    group {
        GROUPED_1
        GROUPED_2
    }
    notify_master "/usr/bin/true group"
}
vrrp_instance MASTER_4 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.3
    garp_master_delay 3
    garp_master_refresh 30
    lower_prio_no_advert
    debug 2
    track_script {
        good
        bad weight -5
    }
    track_interface {
        lo weight 10
    }
    virtual_ipaddress {
        10.0.9.51/32
        10.0.9.61/24 brd 10.0.9.255 scope link label eth0:vip
        10.0.9.71 peer 10.0.9.72
    }
    virtual_ipaddress_excluded {
        10.0.9.81
    }
    notify "/usr/bin/true 'a b' c"
    notify_backup /usr/bin/true
    notify_master /usr/bin/true
    notify_fault /usr/bin/true
    notify_stop /usr/bin/true
    notify_deleted /usr/bin/true
    notify_master_rx_lower_pri /usr/bin/true
}
vrrp_instance MASTER_6 {
    state MASTER
    interface eth0
    virtual_router_id 52
    priority 150
    advert_int 0.25
    preempt_delay 5
    virtual_ipaddress {
        fe80::52/64
        fd00::52/64
        fd00::62
        fd00::72 preferred_lft 3000
    }
}
vrrp_instance BACKUP_4 {
    state BACKUP
    interface eth0
    virtual_router_id 53
    priority 50
    advert_int 0.2
    garp_lower_prio_delay 2
    garp_lower_prio_repeat 1
    virtual_ipaddress {
        10.0.9.53/24
    }
}
vrrp_instance BACKUP_V2 {
    state BACKUP
    interface eth0
    virtual_router_id 54
    version 2
    priority 50
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass secret
    }
    virtual_ipaddress {
        10.0.9.54/24
    }
}
vrrp_instance FAULTY {
    interface eth0
    virtual_router_id 55
    priority 100
    advert_int 1
    track_script {
        fatal
    }
    virtual_ipaddress {
        10.0.9.55
    }
}
vrrp_instance UNICAST {
    state BACKUP
    interface eth0
    virtual_router_id 56
    priority 100
    advert_int 0.1
    unicast_src_ip 10.0.0.1
    unicast_ttl 200
    unicast_peer {
        10.0.0.2
    }
    virtual_ipaddress {
        10.0.9.56
    }
}
vrrp_instance GROUPED_1 {
    state BACKUP
    interface eth0
    virtual_router_id 57
    priority 100
    advert_int 0.1
    virtual_ipaddress {
        10.0.9.57
    }
}
vrrp_instance GROUPED_2 {
    state BACKUP
    interface eth0
    virtual_router_id 58
    priority 100
    advert_int 0.1
    virtual_ipaddress {
        10.0.9.58
    }
}
"#;

/// Its addresses on masters.
const SET: usize = 11;

/// What host 1 runs, so that two instances on host 0 are backups.
const PEER: &str = "
global_defs {
    vrrp_version 3
    vrrp_higher_prio_send_advert false
}
vrrp_instance BACKUP_4 {
    state BACKUP
    interface eth0
    virtual_router_id 53
    priority 200
    advert_int 0.3
    virtual_ipaddress {
        10.0.9.53/24
    }
}
vrrp_instance BACKUP_V2 {
    state BACKUP
    interface eth0
    virtual_router_id 54
    version 2
    priority 200
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass secret
    }
    virtual_ipaddress {
        10.0.9.54/24
    }
}
";

/// The files of one daemon.
struct Dumps {
    data: String,
    parent: String,
    json: String,
    json_mode: u32,
}

#[test]
fn dump_files_are_those_of_keepalived() {
    let Some([programs, _]) = programs("dump_files_are_those_of_keepalived") else { return };
    let [ours, reference] = programs;
    let mut pair = Pair::new([reference.clone(), reference]);
    pair.start(1, PEER);
    let theirs = ["10.0.9.53", "10.0.9.54"].map(|address| address.parse().unwrap());
    assert!(wait::until(LIMIT, || theirs.iter().all(|address| pair.hosts[1].has(*address))));
    let theirs = dumps(&mut pair);
    pair.programs[0] = ours;
    let ours = dumps(&mut pair);

    same_lines("keepalived_parent.data", &settings(&theirs.parent), &settings(&ours.parent));
    same_lines("keepalived.data", &settings(&theirs.data), &settings(&ours.data));
    for section in ["VRRP Topology", "VRRP Sync groups", "VRRP Scripts"] {
        same_lines(section, &vrrp_section(&theirs.data, section), &vrrp_section(&ours.data, section));
    }
    assert!(!ours.data.contains("secret") && !ours.json.contains("secret"));

    assert_eq!((ours.json_mode, theirs.json_mode), (0o600, 0o600));
    assert!(ours.json.ends_with("]\n") && ours.json.lines().count() == 1);
    same_lines("keepalived.json", &json_lines(&theirs.json), &json_lines(&ours.json));
}

/// What 2.2.7 does not know: the second layout with every counter, and chosen names.
#[test]
fn later_layouts_and_chosen_names() {
    let Some([programs, _]) = programs("later_layouts_and_chosen_names") else { return };
    let mut pair = Pair::new(programs);
    let global = "json_version 2\n data_use_instance\n state_dump_file elsewhere/state.txt\n \
                  json_dump_file elsewhere/own.json\n stats_dump_file elsewhere/own.stats\n router_id lab";
    let text = CONFIGURATION.replacen("router_id lab", global, 1);
    pair.start(0, &format!("instance one\n{text}"));
    let data = ask(&pair, "state.one.txt", "USR1");
    assert!(data.contains(" VRRP Instance = MASTER_4\n"), "{data}");
    assert!(wait::until(LIMIT, || pair.hosts[0].read(&path(&pair, "state_parent.one.txt")).is_ok()));

    let json = ask(&pair, "keepalived.json", SIGNAL_JSON);
    // These two names change nothing, as with keepalived: the files are where they always are.
    assert!(!ask(&pair, "keepalived.stats", "USR2").is_empty());
    let parsed: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(parsed["vrrp"].as_array().map(Vec::len), Some(8), "{json}");
    assert!(json.starts_with("{\"vrrp\":[{\"data\":{\"iname\":\"MASTER_4\","), "{json}");
    let trailer = "\"auth_failure\":0,\"auth_ext_missing\":0,\"auth_ext_malformed\":0,\"auth_ext_unknown_key\":0,\
                   \"auth_ext_invalid_hmac\":0,\"auth_ext_stale\":0,\"auth_ext_replay\":0,\"pri_zero_rcvd\":";
    assert!(json.contains(trailer), "{json}");
    assert!(json.contains("\"auth_type\":1,\"auth_data\":\"********\"}"), "{json}");
}

/// Starts the daemon of host 0, waits until it is where it stays, and asks for its files.
fn dumps(pair: &mut Pair) -> Dumps {
    pair.start(0, CONFIGURATION);
    let settled = [
        ("MASTER_4", "MASTER"),
        ("MASTER_6", "MASTER"),
        ("BACKUP_4", "BACKUP"),
        ("BACKUP_V2", "BACKUP"),
        ("FAULTY", "FAULT"),
        ("UNICAST", "MASTER"),
        ("GROUPED_1", "MASTER"),
        ("GROUPED_2", "MASTER"),
    ];
    let mut data = String::new();
    let all = wait::until(LIMIT, || {
        data = ask(pair, "keepalived.data", "USR1");
        settled.iter().all(|(name, state)| field(&data, name, "State").as_deref() == Some(state))
            && field(&data, "MASTER_4", "Effective priority").as_deref() == Some("175")
            && ["BACKUP_4", "BACKUP_V2"].iter().all(|name| {
                // Before the first advert keepalived shows what stood in its memory.
                field(&data, name, "Master router").as_deref() == Some("10.0.0.2")
            })
            // keepalived learns from the kernel, one by one, which addresses are there.
            && data.matches(" set\n").count() == SET
            // Rise and fall of the script that succeeds, counted to their end.
            && data.contains("   Result = 4\n")
    });
    assert!(all, "{data}");
    let parent = wait::value(LIMIT, || whole(&pair.hosts[0], &path(pair, "keepalived_parent.data"))).unwrap();
    let json = ask(pair, "keepalived.json", SIGNAL_JSON);
    let json_mode = std::fs::metadata(pair.hosts[0].outside(&path(pair, "keepalived.json"))).unwrap();
    let json_mode = json_mode.permissions().mode() & 0o777;
    let _ = pair.terminate(0);
    pair.ended(0);
    Dumps { data, parent, json, json_mode }
}

fn path(pair: &Pair, name: &str) -> String {
    format!("{}/{name}", pair.daemon(0).folder())
}

/// What a signal has written to a file.
fn ask(pair: &Pair, name: &str, signal: &str) -> String {
    let (host, path) = (&pair.hosts[0], path(pair, name));
    let _ = std::fs::remove_file(host.outside(&path));
    let pid_file = format!("{}/k.pid", pair.daemon(0).folder());
    let pid = wait::value(LIMIT, || host.read(&pid_file).ok().filter(|text| text.ends_with('\n'))).unwrap();
    // keepalived ignores signals until it has started; this one must not be lost.
    let written = wait::value(LIMIT, || {
        assert!(host.run(&["kill", &format!("-{signal}"), pid.trim()]).unwrap().status.success());
        wait::value(Duration::from_secs(1), || whole(host, &path))
    });
    written.unwrap_or_else(|| panic!("{name} is not written"))
}

/// A field of an instance.
fn field(data: &str, instance: &str, name: &str) -> Option<String> {
    let mut lines = data.lines().skip_while(|line| *line != format!(" VRRP Instance = {instance}"));
    lines.next()?;
    let begin = format!("   {name} = ");
    let mut own = lines.take_while(|line| line.starts_with("   "));
    own.find_map(|line| line.strip_prefix(&begin).map(str::to_owned))
}

/// The first section, without what only keepalived has: the version of a library,
/// the user of scripts that name none, and defaults that it fills in later or in one process only.
fn settings(data: &str) -> Vec<String> {
    let lines = data.lines().skip(1).take_while(|line| !line.starts_with("------<"));
    let only_theirs = |line: &&str| {
        let names = ["libnftnl version", "Default script uid:gid", "Default interface"];
        names.iter().any(|name| line.trim_start().starts_with(name))
    };
    lines.filter(|line| !only_theirs(line)).map(|line| masked(line, &["lower priority"])).collect()
}

/// A section, without what belongs to one process: moments, descriptors, and flags that no
/// reader asks for.
fn vrrp_section(data: &str, title: &str) -> Vec<String> {
    let title = format!("------< {title} >------");
    let lines = data.lines().skip_while(|line| *line != title).skip(1);
    lines
        .take_while(|line| !line.starts_with("------<"))
        .filter(|line| !line.starts_with("   fd_in ") && !line.starts_with("   Flags:"))
        .map(|line| masked(line, &["Last transition", "Read timeout", "Password", "   State = "]))
        .collect()
}

/// What is right of the equals sign gives way to a mark where it cannot be the same: a time, a
/// password that only keepalived shows, whether a script is running at this moment.
fn masked(line: &str, names: &[&str]) -> String {
    if line.starts_with("   Multicast address") {
        // The index of the interface, which readers do not ask for.
        return line.split(", ifindex").next().unwrap_or(line).to_owned();
    }
    let Some((name, value)) = line.split_once(" = ") else { return line.to_owned() };
    let momentary = name != "   State" || ["idle", "running"].contains(&value);
    let is_number = value != "DISABLED";
    if names.iter().any(|wanted| line.contains(wanted)) && momentary && is_number {
        return format!("{name} = ...");
    }
    line.to_owned()
}

/// Keys and values in their order. Password, times and numbers of packets are masked, and counters
/// that 2.2.7 does not have yet are left out.
fn json_lines(text: &str) -> Vec<String> {
    let masks = ["last_transition", "auth_data", "advert_rcvd", "advert_sent"];
    let parsed: Value = serde_json::from_str(text).unwrap();
    assert!(parsed.is_array());
    assert!(text.contains("\\/") && !text.replace("\\/", "").contains('/'), "slashes are escaped: {text}");
    // The parser keeps no order of keys, and no difference between 1 and 1.0.
    let flat = text.trim_end().replace("\":[\"", "\":[\n\"").replace(",\"", "\n\"").replace("{\"", "{\n\"");
    let lines = flat.lines().filter(|line| !line.starts_with("\"auth_ext_"));
    lines
        .map(|line| match line.split_once(':') {
            Some((key, value)) if masks.iter().any(|mask| key.trim_matches('"') == *mask) => {
                let end: String = value.chars().rev().take_while(|end| "}]{[".contains(*end)).collect();
                format!("{key}:...{}", end.chars().rev().collect::<String>())
            }
            _ => line.to_owned(),
        })
        .collect()
}

/// The same lines in the same order; all differences at once.
fn same_lines(what: &str, theirs: &[String], ours: &[String]) {
    assert!(!theirs.is_empty(), "{what}: keepalived wrote nothing");
    let mut differences = String::new();
    for at in 0..theirs.len().max(ours.len()) {
        let (theirs, ours) = (theirs.get(at), ours.get(at));
        if theirs != ours {
            differences += &format!("{at}: keepalived {theirs:?}, we {ours:?}\n");
        }
    }
    assert!(differences.is_empty(), "{what}:\n{differences}");
}
