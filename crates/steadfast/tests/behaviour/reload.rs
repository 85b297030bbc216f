//! A reload changes what differs, and nothing else.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use steadfast_control::event::Happening;
use steadfast_control::wording;
use steadfast_lab::Signal;
use steadfast_lab::capture::Capture;
use steadfast_lab::segment::address_v4;
use steadfast_vrrp::State;

use crate::stage::{
    AddressChanges, LIMIT, SLACK, Stage, Virtual, configuration, is_dead, longest_gap, send, senders, simple,
    soon, text_of, with_globals, write_script,
};

const INTERVAL: Duration = Duration::from_millis(200);

fn first() -> Virtual {
    Virtual {
        priority: 200,
        interval: "0.2",
        addresses: vec!["10.0.9.9/32", "10.0.9.10/32"],
        ..Virtual::default()
    }
}

fn other() -> Virtual {
    Virtual {
        name: "V2",
        vrid: 52,
        priority: 200,
        interval: "0.2",
        addresses: vec!["10.0.8.8/32"],
        ..Virtual::default()
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn an_unchanged_file_moves_nothing_and_makes_no_advert_late() {
    let Some(stage) = Stage::set("an_unchanged_file_moves_nothing_and_makes_no_advert_late") else { return };
    let text = configuration(&[&first(), &other()]);
    let router = stage.router("r1", &text);
    let client = stage.host("client");
    for name in ["V1", "V2"] {
        router.reaches(name, State::Master);
    }
    soon("the addresses are there", || router.owns(address("10.0.8.8")) && router.owns(address("10.0.9.10")));
    let before = router.instance("V1").unwrap();
    let mut changes = AddressChanges::watch(router.host());
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    let mut reloads = 0;
    while senders(&capture, 51, begin).len() < 8 {
        router.reload(&text);
        reloads += 1;
    }
    assert!(reloads >= 4, "only {reloads} reloads");
    for vrid in [51, 52] {
        let adverts = senders(&capture, vrid, begin);
        assert!(adverts.iter().all(|(_, _, priority)| *priority == 200), "{adverts:?}");
        // A reload that started the timer afresh would nearly double it or stop adverts altogether.
        let gap = longest_gap(&adverts);
        assert!(gap < INTERVAL + SLACK, "no advert for {gap:?}");
    }
    assert_eq!(changes.since_last(), []);
    let after = router.instance("V1").unwrap();
    assert_eq!((after.state, &after.causes), (before.state, &before.causes));
    let counted = |name: &str| router.counter("V1", name);
    assert_eq!((counted("became_master"), counted("released_master")), (Some(1), Some(0)));
    assert_eq!(router.status().unwrap().worker.unwrap().restarts, 0);
}

#[test]
fn an_added_or_removed_address_moves_alone() {
    let Some(stage) = Stage::set("an_added_or_removed_address_moves_alone") else { return };
    let router = stage.router("r1", &configuration(&[&first(), &other()]));
    let client = stage.host("client");
    router.reaches("V1", State::Master);
    router.reaches("V2", State::Master);
    let mine = ["10.0.9.9", "10.0.9.10", "10.0.8.8"].map(address);
    soon("the addresses are there", || mine.iter().all(|address| router.owns(*address)));
    let mut changes = AddressChanges::watch(router.host());
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    let advertised = |wanted: &[&str]| {
        let wanted: Vec<IpAddr> = wanted.iter().map(|text| address(text)).collect();
        let adverts = capture.adverts(steadfast_wire::vrrp::Vrid::new(51).unwrap(), begin);
        adverts.last().is_some_and(|(_, advert)| advert.addresses == wanted)
    };

    let more = Virtual { addresses: vec!["10.0.9.9/32", "10.0.9.10/32", "10.0.9.11/32"], ..first() };
    router.reload(&configuration(&[&more, &other()]));
    soon("the third address comes", || router.owns(address("10.0.9.11")));
    assert_eq!(changes.since_last(), [(true, address("10.0.9.11"))]);
    let announced = |text: &str| !capture.gratuitous_arps(text.parse().unwrap(), begin).is_empty();
    soon("it is announced", || announced("10.0.9.11"));
    assert!(!announced("10.0.9.9") && !announced("10.0.8.8"), "what did not move is announced");
    soon("it is advertised", || advertised(&["10.0.9.9", "10.0.9.10", "10.0.9.11"]));

    let less = Virtual { addresses: vec!["10.0.9.10/32", "10.0.9.11/32"], ..first() };
    router.reload(&configuration(&[&less, &other()]));
    soon("the first address goes", || !router.owns(address("10.0.9.9")));
    assert_eq!(changes.since_last(), [(false, address("10.0.9.9"))]);
    soon("it is not advertised", || advertised(&["10.0.9.10", "10.0.9.11"]));

    // An excluded address is in no advert, and moves as well.
    let excluded = less.more("virtual_ipaddress_excluded {\n10.0.9.12/32\n}");
    router.reload(&configuration(&[&excluded, &other()]));
    soon("the excluded address comes", || router.owns(address("10.0.9.12")));
    assert_eq!(changes.since_last(), [(true, address("10.0.9.12"))]);
    soon("it is announced", || announced("10.0.9.12"));

    let adverts = senders(&capture, 51, begin);
    assert!(adverts.iter().all(|(_, _, priority)| *priority == 200), "{adverts:?}");
    assert_eq!(router.counter("V1", "became_master"), Some(1));
    assert_eq!(router.counter("V2", "became_master"), Some(1));
}

#[test]
fn a_router_that_a_reload_takes_out_speaks_and_hears_to_its_end() {
    let name = "a_router_that_a_reload_takes_out_speaks_and_hears_to_its_end";
    let Some(stage) = Stage::set(name) else { return };
    // The only one with a socket for its peer.
    let [own, peer] = [1, 2].map(address_v4);
    let alone = |own, peer, priority| Virtual {
        name: "V3",
        vrid: 53,
        priority,
        interval: "0.4",
        addresses: vec!["10.0.7.7/32"],
        more: format!("unicast_src_ip {own}\nunicast_peer {{\n{peer}\n}}"),
        ..Virtual::default()
    };
    let first = stage.router("r1", &configuration(&[&other(), &alone(own, peer, 200)]));
    let second = stage.router("r2", &configuration(&[&alone(peer, own, 1)]));
    first.reaches("V3", State::Master);
    second.reaches("V3", State::Backup);
    let capture = Capture::start(second.host()).unwrap();
    let begin = Instant::now();
    first.reload(&configuration(&[&other()]));
    soon("the address goes", || !first.owns(address("10.0.7.7")));
    let adverts = senders(&capture, 53, begin);
    assert!(
        adverts.iter().any(|(_, source, priority)| (*source, *priority) == (own.into(), 0)),
        "{adverts:?}"
    );
    let heard = (Some(IpAddr::from(peer)), Some(1));
    let handed_over = |happening: &Happening| {
        matches!(happening, Happening::HandedOver { instance, to, priority, .. }
            if &**instance == "V3" && (*to, *priority) == heard)
    };
    soon("it is told who handed over to whom", || first.happened(handed_over));
}

#[test]
fn a_reload_names_what_it_changed() {
    let Some(stage) = Stage::set("a_reload_names_what_it_changed") else { return };
    let host = stage.host("r1");
    for name in ["/run/one", "/run/two"] {
        write_script(&host, name, "exit 0");
    }
    let check = |script: &str| format!("vrrp_script chk {{\nscript {script}\ninterval 1\nweight 5\n}}\n");
    let tracking = |more: &str| first().more(&format!("track_script {{\nchk\n}}\n{more}"));
    let router = stage.start(&host, &configuration(&[&check("/run/one"), &tracking("")]));
    router.reaches("V1", State::Master);
    let told = |detail: &str| {
        soon("the reload is told", || {
            router.happened(|happening: &Happening| {
                matches!(happening, Happening::Reloaded { changes } if wording::changes(changes) == detail)
            })
        });
    };
    router.reload(&configuration(&[&check("/run/two"), &tracking("")]));
    told("vrrp_script chk (script)");
    router.reload(&configuration(&[&check("/run/two"), &tracking("notify /run/one")]));
    told("vrrp_instance V1 (notify)");
    router.reload(&configuration(&[&check("/run/two"), &tracking("notify /run/one"), &other()]));
    told("vrrp_instance V2 added");
    router.reload(&configuration(&[&check("/run/two"), &tracking("notify /run/one"), &other()]));
    told("nothing changed");
}

#[test]
fn a_broken_file_is_refused_with_every_error() {
    let Some(stage) = Stage::set("a_broken_file_is_refused_with_every_error") else { return };
    let text = configuration(&[&first()]);
    let router = stage.router("r1", &text);
    router.reaches("V1", State::Master);
    let broken = text.replace("priority 200", "prioirty 200\n    no_such_keyword").replace("51", "300");
    let mut changes = AddressChanges::watch(router.host());
    router.configure(&broken).unwrap();
    router.signal(Signal::HUP);
    soon("the refusal is in the status", || {
        router.status().is_some_and(|status| status.refused_reload.is_some())
    });
    let status = router.status().unwrap();
    assert_eq!(status.generation, 1);
    assert_eq!(status.instances[0].state, State::Master);
    for (line, what) in [(":7:", "300"), (":8:", "prioirty"), (":9:", "no_such_keyword")] {
        soon(&format!("the log has {what} in line {line}"), || {
            router.log().lines().any(|entry| entry.contains(line) && entry.contains(what))
        });
    }
    assert!(router.logged("priority", LIMIT), "no suggestion");
    let refused = |happening: &Happening| matches!(happening, Happening::ReloadRefused { .. });
    router.tells(refused);

    // A file that is gone is refused as well.
    std::fs::remove_file(router.host().outside("/run/steadfast/conf")).unwrap();
    router.signal(Signal::HUP);
    soon("a second refusal is told", || {
        let events = router.events();
        events.iter().filter(|record| refused(&record.happening)).count() == 2
    });
    assert_eq!(router.state("V1"), Some(State::Master));
    assert_eq!(changes.since_last(), []);

    router.reload(&text);
    let status = router.status().unwrap();
    assert_eq!((status.generation, status.refused_reload), (2, None));
    assert_eq!(changes.since_last(), []);
}

#[test]
fn instances_are_added_removed_and_renamed_beside_a_quiet_one() {
    let Some(stage) = Stage::set("instances_are_added_removed_and_renamed_beside_a_quiet_one") else {
        return;
    };
    let host = stage.host("r1");
    write_script(&host, "/run/notify", "echo \"$*\" >> /run/notified");
    let client = stage.host("client");
    let router = stage.start(&host, &configuration(&[&first()]));
    router.reaches("V1", State::Master);
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();

    let told = other().more("notify /run/notify");
    router.reload(&configuration(&[&first(), &told]));
    router.reaches("V2", State::Master);
    soon("its address comes", || router.owns(address("10.0.8.8")));
    soon("its script runs", || text_of(&host, "/run/notified").contains("INSTANCE V2 MASTER 200"));

    let mut changes = AddressChanges::watch(&host);
    let renamed = Virtual { name: "RENAMED", ..told };
    router.reload(&configuration(&[&first(), &renamed]));
    assert_eq!(router.state("RENAMED"), Some(State::Master));
    assert_eq!(router.counter("RENAMED", "became_master"), Some(1));
    assert_eq!(router.state("V2"), None);

    // A changed priority is what the next advert says, and moves nothing.
    let lower = Virtual { priority: 90, ..renamed };
    router.reload(&configuration(&[&first(), &lower]));
    let last_priority = || senders(&capture, 52, begin).last().map(|(_, _, priority)| *priority);
    soon("the priority is advertised", || last_priority() == Some(90));
    assert_eq!(router.instance("RENAMED").unwrap().effective_priority, 90);
    assert_eq!(changes.since_last(), []);

    router.reload(&configuration(&[&first()]));
    soon("its address goes", || !router.owns(address("10.0.8.8")));
    soon("it says priority 0", || last_priority() == Some(0));
    assert_eq!(changes.since_last(), [(false, address("10.0.8.8"))]);
    // keepalived tells a removal without notify_deleted as FAULT.
    soon("the removal is told", || text_of(&host, "/run/notified").contains("INSTANCE RENAMED FAULT"));

    // With notify_deleted it is told as what it is.
    router.reload(&configuration(&[&first(), &other().more("notify /run/notify\nnotify_deleted")]));
    router.reaches("V2", State::Master);
    router.reload(&configuration(&[&first()]));
    soon("the deletion is told", || text_of(&host, "/run/notified").contains("INSTANCE V2 DELETED"));

    let quiet = senders(&capture, 51, begin);
    assert!(quiet.iter().all(|(_, _, priority)| *priority == 200), "{quiet:?}");
    let gap = longest_gap(&quiet);
    assert!(gap < INTERVAL + SLACK, "no advert of the quiet instance for {gap:?}");
    assert_eq!(router.counter("V1", "became_master"), Some(1));
}

#[test]
fn a_reload_may_take_the_last_instance_and_bring_one_back() {
    let Some(stage) = Stage::set("a_reload_may_take_the_last_instance_and_bring_one_back") else { return };
    let router = stage.router("r1", &configuration(&[&first()]));
    router.reaches("V1", State::Master);
    router.reload(&configuration(&[]));
    soon("the addresses go", || !router.owns(address("10.0.9.9")) && !router.owns(address("10.0.9.10")));
    router.reload(&configuration(&[&first()]));
    router.reaches("V1", State::Master);
    soon("the address is there", || router.owns(address("10.0.9.9")));
}

#[test]
fn changed_settings_of_a_master_take_hold_in_place() {
    let Some(stage) = Stage::set("changed_settings_of_a_master_take_hold_in_place") else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/bad", "exit 1");
    let router = stage.start(&host, &configuration(&[&first()]));
    router.reaches("V1", State::Master);
    let client = stage.host("client");
    let capture = Capture::start(&client).unwrap();

    // Another interval is told and kept.
    router.reload(&configuration(&[&Virtual { interval: "0.1", ..first() }]));
    let begin = Instant::now();
    soon("adverts come twice as fast", || senders(&capture, 51, begin).len() > 4);
    let gap = longest_gap(&senders(&capture, 51, begin)[1..]);
    assert!(gap < Duration::from_millis(100) + SLACK / 2, "{gap:?}");
    assert_eq!(router.instance("V1").unwrap().advert_interval_milliseconds, 100);

    // A script that fails comes in, with a weight, and goes again.
    let check = "vrrp_script bad {\nscript /run/bad\ninterval 0.2\nweight -50\n}\n";
    router.reload(&configuration(&[&check, &first().more("track_script {\nbad\n}")]));
    soon("the priority sinks", || {
        router.instance("V1").is_some_and(|instance| instance.effective_priority == 150)
    });
    router.reload(&configuration(&[&first()]));
    soon("the priority is back", || {
        router.instance("V1").is_some_and(|instance| instance.effective_priority == 200)
    });
    assert!(router.status().unwrap().scripts.is_empty());

    // The same address with another prefix is another one to the kernel.
    let shown =
        |text: &str| host.run(&["ip", "address", "show", "dev", "eth0"]).unwrap().output.contains(text);
    assert!(shown("10.0.9.9/32"));
    router.reload(&configuration(&[&Virtual { addresses: vec!["10.0.9.9/24", "10.0.9.10/32"], ..first() }]));
    soon("the prefix changes", || shown("10.0.9.9/24") && !shown("10.0.9.9/32"));
    router.reload(&configuration(&[&Virtual {
        addresses: vec!["10.0.9.9/24 label eth0:v", "10.0.9.10/32"],
        ..first()
    }]));
    soon("the label changes", || shown("eth0:v"));

    // A sync group comes and goes around it.
    let group = "vrrp_sync_group G {\ngroup {\nV1\nV2\n}\n}\n";
    router.reload(&configuration(&[&first(), &other(), &group]));
    router.reaches("V2", State::Master);
    soon("the group is master", || {
        router.status().is_some_and(|status| status.groups[0].state == State::Master)
    });
    router.reload(&configuration(&[&first()]));
    assert_eq!(router.state("V1"), Some(State::Master));
    assert!(router.status().unwrap().groups.is_empty());
}

#[test]
fn a_plan_tells_what_the_reload_then_does() {
    let Some(stage) = Stage::set("a_plan_tells_what_the_reload_then_does") else { return };
    let before = configuration(&[&first()]);
    let router = stage.router("r1", &before);
    router.reaches("V1", State::Master);
    let program = stage.program.path().to_str().unwrap();
    let plan = |text: &str| {
        router.host().write("/run/new.conf", text).unwrap();
        let asked = [program, "plan", "/run/new.conf", "--control-socket", "/run/steadfast/k.sock"];
        let told = router.host().run(&asked).unwrap();
        (told.status.code(), told.output)
    };
    let (status, text) = plan(&before);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("nothing changes"), "{text}");

    let raised = configuration(&[&Virtual { priority: 210, ..first() }, &other()]);
    let (status, text) = plan(&raised);
    assert_eq!(status, Some(10), "{text}");
    for line in
        ["vrrp_instance V1: changed in place", "priority 200 -> 210  (in place)", "vrrp_instance V2: added"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    // Only the reload does it.
    assert_eq!(router.instance("V1").unwrap().base_priority, 200);
    router.reload(&raised);
    router.reaches("V2", State::Master);
    let (status, text) = plan(&raised);
    assert_eq!(status, Some(0), "{text}");

    let (status, text) = plan("vrrp_instanse V {\n}\n");
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("/run/new.conf:1:1") && text.contains("would be refused"), "{text}");
    assert!(!text.contains("removed"), "{text}");

    // What only a restart can change is refused by plan and reload alike.
    let moved = format!("net_namespace blue\n{raised}");
    let (status, text) = plan(&moved);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("net_namespace + blue  (refused)"), "{text}");
    assert_eq!(router.status().unwrap().refused_reload, None);
}

/// Files of keepalived's users have such mistakes, with which it works in a way that harms nobody.
#[test]
fn what_is_mended_harmlessly_does_not_keep_reloads_out() {
    let Some(stage) = Stage::set("what_is_mended_harmlessly_does_not_keep_reloads_out") else { return };
    let with = |priority| {
        let virtual_router = Virtual { interval: "1", ..Virtual::with_priority(priority) };
        let more = "state MASTER\nnopreempt\npreempt_delay 3\ntrack_interface {\neth0\n}\nauthentication {\n\
                    auth_type PASS\nauth_pass longer_than_eight\n}";
        let group = "vrrp_sync_group G {\ngroup {\nV1\n}\n}\n";
        with_globals("vrrp_version 2", &[&virtual_router.more(more), &group])
    };
    let router = stage.router("r1", &with(100));
    router.reaches("V1", State::Master);
    router.reload(&with(101));
    let status = router.status().unwrap();
    assert_eq!((status.refused_reload, status.configuration_errors), (None, 0));
}

/// A file that keepalived starts with, whatever it thinks of it, can be reloaded too.
#[test]
fn errors_that_are_in_force_keep_no_reload_out_and_others_do() {
    let Some(stage) = Stage::set("errors_that_are_in_force_keep_no_reload_out_and_others_do") else { return };
    let with = |priority, more: &str| configuration(&[&Virtual::with_priority(priority).more(more)]);
    let router = stage.router("r1", &with(100, "no_such_keyword"));
    router.reaches("V1", State::Master);
    let is_refused = || router.status().is_some_and(|status| status.refused_reload.is_some());
    let refuses = |text: &str| {
        router.configure(text).unwrap();
        router.signal(Signal::HUP);
        soon("the refusal is in the status", is_refused);
    };

    router.reload(&with(101, "no_such_keyword"));
    assert_eq!(router.status().unwrap().configuration_errors, 1);
    refuses(&with(101, "no_such_keyword\nnor_this_one"));
    router.reload(&with(102, "no_such_keyword"));
    refuses(&with(102, "no_such_keyword\nno_such_keyword"));
    router.reload(&with(103, ""));
    assert_eq!(router.status().unwrap().configuration_errors, 0);
    refuses(&with(103, "no_such_keyword"));
    assert_eq!(router.state("V1"), Some(State::Master));
}

/// A death and a signal of one moment come in either order.
const TRIES_OF_A_RACE: u32 = 4;

#[test]
fn a_worker_that_cannot_be_told_of_a_reload_has_a_successor_that_begins_with_it() {
    let test = "a_worker_that_cannot_be_told_of_a_reload_has_a_successor_that_begins_with_it";
    let Some(stage) = Stage::set(test) else { return };
    let router = stage.router("r1", &simple(200));
    let added = Virtual { name: "V2", vrid: 52, addresses: vec!["10.0.9.10/32"], ..Virtual::default() };
    let both = configuration(&[&Virtual::with_priority(200), &added]);
    let told = || router.log().contains("cannot be told of the reload: its successor begins with it");
    // Which of both the supervisor learns first is the kernel's choice; either way the file is in force.
    for attempt in 0..TRIES_OF_A_RACE {
        let file = if attempt % 2 == 0 { &both } else { &simple(200) };
        router.reaches("V1", State::Master);
        let (supervisor, worker) = (router.pid(), router.worker());
        send(supervisor, Signal::STOP);
        router.configure(file).unwrap();
        send(supervisor, Signal::HUP);
        send(worker, Signal::KILL);
        soon("the worker is dead", || is_dead(worker));
        send(supervisor, Signal::CONT);
        let generation = attempt + 2;
        soon("the file is in force", || {
            router.status().is_some_and(|status| status.generation == generation && status.worker.is_some())
        });
        assert_ne!(router.worker(), worker);
        soon("V2 is as the file has it", || router.instance("V2").is_some() == (attempt % 2 == 0));
        if told() {
            break;
        }
    }
    assert!(told(), "{}", router.log());
    router.reaches("V1", State::Master);
    router.tells(|happening| matches!(happening, Happening::Reloaded { .. }));
}
