//! The daemon's processes die, hang and meet what others do to their addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, TcpListener};
use std::time::{Duration, Instant};

use steadfast_control::event::{Balancing, Ending, Happening, Network, Worker};
use steadfast_control::status::Instance;
use steadfast_kernel::testbed::hold;
use steadfast_lab::capture::Capture;
use steadfast_lab::segment::address_v4;
use steadfast_lab::{Signal, wait};
use steadfast_vrrp::{Cause, State};

use crate::crashes::{CHECK, worker};
use crate::stage::{
    AddressChanges, LIMIT, Router, SLACK, Stage, VIRTUAL, VIRTUAL_V4, Virtual, configuration, longest_gap,
    master_down, send, senders, simple, soon, with_globals, write_script,
};

const INTERVAL: Duration = Duration::from_millis(100);
/// So long a worker goes on without a supervisor.
const ALONE: Duration = Duration::from_secs(10);

#[test]
fn killing_the_worker_moves_no_address() {
    let Some(stage) = Stage::set("killing_the_worker_moves_no_address") else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/notify", "echo \"$*\" >> /run/notified");
    let virtual_router =
        Virtual { addresses: vec!["10.0.9.9/32", "10.0.9.10/32"], ..Virtual::with_priority(200) }
            .more("virtual_ipaddress_excluded {\n10.0.9.11/32\n}\nnotify /run/notify");
    let first = stage.start(&host, &configuration(&[&virtual_router]));
    first.reaches("V1", State::Master);
    let backup = Virtual { addresses: vec!["10.0.9.9/32", "10.0.9.10/32"], ..Virtual::with_priority(100) };
    let second = stage.router("r2", &configuration(&[&backup]));
    let client = stage.host("client");
    second.reaches("V1", State::Backup);
    soon("all addresses are there", || first.owns("10.0.9.11".parse().unwrap()));
    soon("the notify script ran", || host.read("/run/notified").is_ok_and(|text| text.contains("MASTER")));
    let before = first.instance("V1").unwrap();
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    // For longer than its peers would wait, of which its successor must not lose sight.
    soon("r1 adverts", || senders(&capture, 51, begin).len() > 8);
    let mut changes = AddressChanges::watch(&host);

    let killed = first.worker();
    send(killed, Signal::KILL);
    soon("a successor is counted", || {
        first
            .status()
            .and_then(|status| status.worker)
            .is_some_and(|worker| worker.restarts == 1 && worker.responsive)
    });
    let resumed = Instant::now();
    soon("the successor adverts", || senders(&capture, 51, resumed).len() > 3);
    let adverts = senders(&capture, 51, begin);
    let own = IpAddr::from(address_v4(1));
    assert!(adverts.iter().all(|(_, source, priority)| *source == own && *priority == 200), "{adverts:?}");
    let gap = longest_gap(&adverts);
    assert!(gap < INTERVAL + SLACK, "no advert for {gap:?}");
    assert_eq!(changes.since_last(), []);
    assert_ne!(first.worker(), killed);
    let after = first.instance("V1").unwrap();
    assert_eq!(after.state, State::Master);
    assert_eq!((after.master, after.master_priority), (before.master, before.master_priority));
    assert_eq!(second.counter("V1", "became_master"), Some(0));
    assert_eq!(host.read("/run/notified").unwrap().lines().filter(|line| line.contains("MASTER")).count(), 1);
    let died = |happening: &Happening| {
        matches!(
            happening,
            Happening::WorkerDied { worker: Worker::Vrrp, ending: Ending::Signalled { signal: 9 }, .. }
        )
    };
    first.tells(died);

    // A backup's successor goes on as backup.
    send(second.worker(), Signal::KILL);
    soon("a successor is counted", || {
        second
            .status()
            .and_then(|status| status.worker)
            .is_some_and(|worker| worker.restarts == 1 && worker.responsive)
    });
    assert!(!wait::until(master_down(INTERVAL, 100) * 2, || second.state("V1") == Some(State::Master)));
    assert_eq!(second.state("V1"), Some(State::Backup));
}

/// Workers that nobody takes over go on for a while, and hand over in order.
#[test]
fn workers_that_no_supervisor_takes_over_give_up_in_order() {
    let Some(stage) = Stage::set("workers_that_no_supervisor_takes_over_give_up_in_order") else { return };
    let mut first = stage.router("r1", &simple(200));
    let second = stage.router("r2", &simple(100));
    let client = stage.host("client");
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    first.signal(Signal::KILL);
    first.wait(LIMIT).unwrap();
    soon("r2 is master", || second.state("V1") == Some(State::Master) && second.owns(VIRTUAL));
    soon("r1 has nothing", || !first.owns(VIRTUAL));
    soon("r1 runs nothing", || first.host().processes().unwrap().is_empty());
    let adverts = senders(&capture, 51, begin);
    let own = IpAddr::from(address_v4(1));
    let by_then = adverts.iter().take_while(|(_, source, _)| *source == own);
    let gave_up =
        by_then.clone().find(|(_, _, priority)| *priority == 0).expect("a last advert of priority 0");
    let alone = gave_up.0 - begin;
    assert!(alone >= ALONE && alone < ALONE + SLACK * 4, "{alone:?}");
    assert!(by_then.take_while(|advert| advert.0 < gave_up.0).all(|(_, _, priority)| *priority == 200));

    // Nothing that is left keeps the next daemon from starting.
    let host = first.host().clone();
    drop(first);
    stage.start(&host, &simple(200)).reaches("V1", State::Master);
}

/// Its timer has run out, and what says that it need not have waits in its socket.
#[test]
fn a_backup_that_hung_hears_the_master_before_it_would_claim() {
    let Some(stage) = Stage::set("a_backup_that_hung_hears_the_master_before_it_would_claim") else { return };
    let first = stage.router("r1", &simple(200));
    first.reaches("V1", State::Master);
    let second = stage.router("r2", &simple(100));
    let client = stage.host("client");
    second.reaches("V1", State::Backup);
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    for round in 1..=5 {
        second.signal_all(Signal::STOP).unwrap();
        let stopped = Instant::now();
        soon("more adverts pass than it would wait for", || senders(&capture, 51, stopped).len() > 6);
        second.signal_all(Signal::CONT).unwrap();
        let goes_on = Instant::now();
        soon("some adverts follow", || senders(&capture, 51, goes_on).len() > 3);
        assert_eq!(second.counter("V1", "became_master"), Some(0), "round {round}");
    }
    let own = IpAddr::from(address_v4(1));
    let adverts = senders(&capture, 51, begin);
    assert!(adverts.iter().all(|(_, source, _)| *source == own), "{adverts:?}");
    assert_eq!(second.state("V1"), Some(State::Backup));
}

#[test]
fn a_hung_worker_is_replaced() {
    let Some(stage) = Stage::set("a_hung_worker_is_replaced") else { return };
    let host = stage.host("r1");
    // The heart beat is a third of what the service manager wants: much longer than a peer waits for an advert.
    let first = stage.start_with(&host, &simple(200), |command| {
        command.env("WATCHDOG_USEC", "3000000");
    });
    first.reaches("V1", State::Master);
    let hung = first.worker();
    send(hung, Signal::STOP);
    soon("another worker runs", || {
        first
            .status()
            .and_then(|status| status.worker)
            .is_some_and(|worker| worker.restarts == 1 && worker.responsive)
    });
    assert_ne!(first.worker(), hung);
    // It hung for longer than a peer would have waited, so that its successor listens first.
    let listens = |happening: &Happening| {
        let Happening::InstanceState { from: State::Master, to: State::Backup, causes, .. } = happening
        else {
            return false;
        };
        matches!(causes[..], [Cause::HeldUp { .. }])
    };
    soon("the successor listens", || first.happened(listens));
    first.reaches("V1", State::Master);
    soon("the address is there", || first.owns(VIRTUAL));
}

#[test]
fn a_hung_check_worker_is_replaced() {
    let Some(stage) = Stage::set("a_hung_check_worker_is_replaced") else { return };
    let host = stage.host("r1");
    let server = host.network().run(|| TcpListener::bind("127.0.0.1:8080")).unwrap().unwrap();
    let service = "virtual_server 10.9.0.1 80 {\n delay_loop 1\n warmup 0\n lb_algo rr\n lb_kind NAT\n \
                   real_server 127.0.0.1 8080 {\n TCP_CHECK {\n connect_timeout 5\n retry 0\n }\n }\n}\n";
    let text = configuration(&[&Virtual::with_priority(200), &service]);
    let router = stage.start_with(&host, &text, |command| {
        command.env("WATCHDOG_USEC", "3000000");
    });
    router.reaches("V1", State::Master);
    let up = || router.services().first().map(|service| service.servers.iter().all(|server| server.up));
    soon("the server is there", || up() == Some(true));
    let (vrrp, hung) = (router.worker(), worker(&router, CHECK).unwrap());
    send(hung, Signal::STOP);
    router.tells(|happening| matches!(happening, Happening::WorkerHung { worker: Worker::Check }));
    soon("another runs", || {
        router
            .status()
            .and_then(|status| status.check_worker)
            .is_some_and(|worker| worker.restarts == 1 && worker.responsive)
    });
    soon("it has another process", || worker(&router, CHECK).is_some_and(|pid| pid != hung));
    assert_eq!(router.worker(), vrrp);
    assert!(router.owns(VIRTUAL));
    // And it does the work.
    soon("it knows the server", || up() == Some(true));
    drop(server);
    soon("it asks the server", || up() == Some(false));
    let died = |happening: &Happening| {
        matches!(happening, Happening::WorkerDied { ending: Ending::Signalled { signal: 9 }, .. })
    };
    assert_eq!(router.events().iter().filter(|record| died(&record.happening)).count(), 1);
}

/// Two servers, of which the first is dead, and their checks.
fn two_servers(timings: &str, further: &str) -> String {
    let server = |port: u16| {
        format!("real_server 127.0.0.1 {port} {{\n TCP_CHECK {{\n connect_timeout 1\n }}\n {further}\n }}\n")
    };
    format!(
        "virtual_server 10.9.0.1 80 {{\n {timings}\n lb_algo rr\n lb_kind NAT\n protocol TCP\n {}{}}}\n",
        server(8081),
        server(8080)
    )
}

/// Whether the servers are up.
fn are_up(router: &Router) -> Vec<bool> {
    let services = router.services();
    services.iter().flat_map(|service| &service.servers).map(|server| server.up).collect()
}

/// The worker for checks dies, and its successor knows as much as it did.
#[track_caller]
fn a_check_worker_is_followed(router: &Router, restarts: u32) {
    let before = worker(router, CHECK).unwrap();
    send(before, Signal::KILL);
    soon("another runs", || {
        router
            .status()
            .and_then(|status| status.check_worker)
            .is_some_and(|worker| worker.restarts == restarts && worker.responsive)
    });
    assert_ne!(worker(router, CHECK), Some(before));
}

/// What a worker dies before it makes is its successor's, which does not know the checks by their settings.
#[test]
fn a_check_worker_that_dies_before_a_reload_of_other_timings_brings_no_dead_server_back() {
    let test = "a_check_worker_that_dies_before_a_reload_of_other_timings_brings_no_dead_server_back";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("r1");
    let _server = host.network().run(|| TcpListener::bind("127.0.0.1:8080")).unwrap().unwrap();
    let router = stage.start(&host, &two_servers("delay_loop 1\n warmup 0", ""));
    soon("the dead server is known", || are_up(&router) == [false, true]);
    send(worker(&router, CHECK).unwrap(), Signal::STOP);
    // None is asked before the end of the test.
    router.configure(&two_servers("delay_loop 3600\n warmup 3600\n retry 5", "")).unwrap();
    router.signal(Signal::HUP);
    soon("the reload waits for the worker", || {
        let services = router.services();
        services.first().is_some_and(|service| service.servers[0].checks[0].retries == 5)
    });
    assert_eq!(are_up(&router), [false, true]);
    // The one after it has heard of them by their new settings.
    for restarts in 1..=2 {
        a_check_worker_is_followed(&router, restarts);
        assert_eq!(are_up(&router), [false, true], "{}", router.log_tail());
    }
    router.tells(|happening| matches!(happening, Happening::Reloaded { .. }));
    let came =
        |happening: &Happening| matches!(happening, Happening::Balancing(Balancing::Server { up: true, .. }));
    assert!(!router.happened(came), "{:#?}", router.events());
}

/// A check that is down until it has been asked takes no server away that serves, nor does it with a successor.
#[test]
fn a_check_worker_that_dies_before_a_new_check_is_made_takes_no_server_away() {
    let test = "a_check_worker_that_dies_before_a_new_check_is_made_takes_no_server_away";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("r1");
    let _server = host.network().run(|| TcpListener::bind("127.0.0.1:8080")).unwrap().unwrap();
    let router = stage.start(&host, &two_servers("delay_loop 1\n warmup 0", ""));
    soon("the dead server is known", || are_up(&router) == [false, true]);
    let timings = "delay_loop 3600\n warmup 3600\n alpha";
    router.reload(&two_servers(timings, "PING_CHECK {\n }"));
    assert_eq!(are_up(&router), [false, true]);
    a_check_worker_is_followed(&router, 1);
    assert_eq!(are_up(&router), [false, true], "{}", router.log_tail());
}

/// The rest of the process goes on, and could answer.
#[test]
fn a_worker_of_which_one_thread_hangs_is_replaced() {
    let Some(stage) = Stage::set("a_worker_of_which_one_thread_hangs_is_replaced") else { return };
    let host = stage.host("r1");
    let first = stage.start_with(&host, &simple(200), |command| {
        command.env("WATCHDOG_USEC", "3000000");
    });
    first.reaches("V1", State::Master);
    for (restarts, effects) in [(1_u32, false), (2, true)] {
        let worker = first.worker();
        let is_wanted = |thread: &u32| {
            let name =
                std::fs::read_to_string(format!("/proc/{worker}/task/{thread}/comm")).unwrap_or_default();
            (name.trim_end() == "effects") == effects
        };
        let tasks = std::fs::read_dir(format!("/proc/{worker}/task")).unwrap();
        let mut threads = tasks.map(|task| task.unwrap().file_name().to_str().unwrap().parse().unwrap());
        let thread = threads.find(is_wanted).expect("the worker has two threads");
        let held = hold(thread).unwrap();
        let is_hung =
            |happening: &Happening| matches!(happening, Happening::WorkerHung { worker: Worker::Vrrp });
        soon("it counts as hung", || {
            first.events().iter().filter(|record| is_hung(&record.happening)).count() == restarts as usize
        });
        drop(held);
        soon("another worker runs", || {
            first
                .status()
                .and_then(|status| status.worker)
                .is_some_and(|worker| worker.restarts == restarts && worker.responsive)
        });
        assert_ne!(first.worker(), worker);
        first.reaches("V1", State::Master);
    }
}

#[test]
fn an_address_that_somebody_removes_is_put_back_and_announced() {
    let Some(stage) = Stage::set("an_address_that_somebody_removes_is_put_back_and_announced") else {
        return;
    };
    let router = stage.router("r1", &simple(200));
    router.reaches("V1", State::Master);
    let peer = stage.router("r2", &simple(100));
    let client = stage.host("client");
    peer.reaches("V1", State::Backup);
    soon("the address is there", || router.owns(VIRTUAL));
    let capture = Capture::start(&client).unwrap();
    for round in 1..=3 {
        let removed = Instant::now();
        router.host().withdraw("eth0", VIRTUAL, 32).unwrap();
        soon("the address is back", || router.owns(VIRTUAL));
        soon("it is announced", || !capture.gratuitous_arps(VIRTUAL_V4, removed).is_empty());
        soon("it is counted", || {
            let worker = router.status().and_then(|status| status.worker);
            worker
                .and_then(|worker| worker.figures)
                .is_some_and(|figures| figures.addresses_restored == round)
        });
    }
    let told = |happening: &Happening| {
        matches!(happening, Happening::Network(Network::AddressRestored { address: VIRTUAL, .. }))
    };
    router.tells(told);
    assert_eq!(router.counter("V1", "released_master"), Some(0));
    assert_eq!(peer.counter("V1", "became_master"), Some(0));
}

#[test]
fn a_worker_that_keeps_dying_is_started_less_and_less_often() {
    let Some(stage) = Stage::set("a_worker_that_keeps_dying_is_started_less_and_less_often") else { return };
    let router = stage.router("r1", &simple(200));
    router.reaches("V1", State::Master);
    let slow = (1..=8).find(|round| {
        let killed = Instant::now();
        send(router.worker(), Signal::KILL);
        soon("the restart is counted", || {
            let worker = router.status().and_then(|status| status.worker);
            worker.is_some_and(|worker| worker.restarts == *round && worker.responsive)
        });
        killed.elapsed() >= Duration::from_millis(900)
    });
    assert!(slow > Some(1), "{slow:?}: the first successor comes at once, a later one does not");
    router.reaches("V1", State::Master);
    assert!(router.owns(VIRTUAL));
}

/// Lines of a host's table of routes or rules.
fn lines_of(router: &Router, command: &[&str]) -> Vec<String> {
    router.host().run(command).unwrap().output.lines().map(str::to_owned).collect()
}

/// The kernel would go on answering, beside the backup that has taken over.
#[test]
fn a_master_whose_worker_keeps_dying_yields_to_its_peer() {
    let Some(stage) = Stage::set("a_master_whose_worker_keeps_dying_yields_to_its_peer") else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/notify", "echo \"$*\" >> /run/notified");
    let ways = "virtual_routes {\n192.0.2.0/24 dev eth0\n}\nvirtual_rules {\nfrom 10.0.9.9 table 100\n}\n";
    // Peers take over before the second wait, of two seconds, is over.
    let router = |priority| Virtual { interval: "0.5", ..Virtual::with_priority(priority) };
    let first =
        stage.start(&host, &configuration(&[&router(200).more(&format!("{ways}notify /run/notify"))]));
    first.reaches("V1", State::Master);
    let second = stage.router("r2", &configuration(&[&router(100)]));
    let client = stage.host("client");
    second.reaches("V1", State::Backup);
    let route = || lines_of(&first, &["ip", "route", "show", "192.0.2.0/24"]).len();
    let rule = || {
        let rules = lines_of(&first, &["ip", "rule", "show", "table", "100"]);
        rules.iter().filter(|line| line.contains("10.0.9.9")).count()
    };
    soon("everything is there", || first.owns(VIRTUAL) && (route(), rule()) == (1, 1));
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    soon("r1 adverts", || !senders(&capture, 51, begin).is_empty());

    let yielded = |happening: &Happening| matches!(happening, Happening::Yielded { instances: 1, .. });
    let died =
        |happening: &Happening| matches!(happening, Happening::WorkerDied { worker: Worker::Vrrp, .. });
    let deaths = || first.events().iter().filter(|told| died(&told.happening)).count();
    let kill = |until: &dyn Fn() -> bool| {
        soon("that comes of it", || {
            if let Some(worker) = first.vrrp_worker() {
                send(worker, Signal::KILL);
            }
            until()
        });
    };
    kill(&|| first.happened(yielded));
    assert!(!first.owns(VIRTUAL));
    assert_eq!((route(), rule()), (0, 0));
    kill(&|| second.owns(VIRTUAL) && second.state("V1") == Some(State::Master));
    // Over the next wait, and the short life of another worker.
    let (taken_over, before) = (Instant::now(), deaths());
    kill(&|| {
        assert!(!first.owns(VIRTUAL) && second.owns(VIRTUAL));
        let state = first.state("V1");
        assert!(matches!(state, None | Some(State::Backup)), "{state:?}");
        senders(&capture, 51, taken_over).len() > 4 && deaths() > before
    });
    let listens = |happening: &Happening| {
        let Happening::InstanceState { from: State::Master, to: State::Backup, causes, .. } = happening
        else {
            return false;
        };
        matches!(causes[..], [Cause::HeldUp { .. }])
    };
    let events = first.events();
    let place = |wanted: &dyn Fn(&Happening) -> bool| events.iter().position(|told| wanted(&told.happening));
    assert!(place(&died) < place(&yielded) && place(&yielded) < place(&listens), "{events:#?}");
    assert!(deaths() > 5, "{events:#?}");
    soon("it is notified", || {
        let text = host.read("/run/notified").unwrap_or_default();
        text.lines().skip_while(|line| !line.contains("MASTER")).any(|line| line.contains("BACKUP"))
    });

    // Nobody kills it any more.
    let back = Instant::now();
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    soon("r1 has everything again", || {
        first.owns(VIRTUAL) && !second.owns(VIRTUAL) && (route(), rule()) == (1, 1)
    });
    soon("it is announced", || !capture.gratuitous_arps(VIRTUAL_V4, back).is_empty());
}

#[test]
fn dont_respawn_ends_the_daemon_with_its_worker() {
    let Some(stage) = Stage::set("dont_respawn_ends_the_daemon_with_its_worker") else { return };
    let host = stage.host("r1");
    let mut router = stage.start_with(&host, &simple(200), |command| {
        command.arg("-R");
    });
    router.reaches("V1", State::Master);
    send(router.worker(), Signal::KILL);
    router.wait(LIMIT).unwrap();
    soon("nothing runs", || host.processes().unwrap().is_empty());
}

#[test]
fn a_successor_knows_what_scripts_said() {
    let Some(stage) = Stage::set("a_successor_knows_what_scripts_said") else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/good", "exit 0");
    // Fails from its second run on.
    write_script(&host, "/run/weak", "test ! -e /run/ran && touch /run/ran");
    let script = |name: &str, rest: &str| format!("vrrp_script {name} {{\nscript /run/{name}\n{rest}\n}}\n");
    let checks = script("good", "interval 600") + &script("weak", "interval 1\nweight -60\nfall 1");
    let tracking = Virtual::with_priority(150).more("track_script {\ngood\nweak\n}");
    let router = stage.start(&host, &configuration(&[&checks, &tracking]));
    router.reaches("V1", State::Master);
    // Results that come while the state does not change matter as well.
    soon("the priority sinks", || {
        router.instance("V1").is_some_and(|instance| instance.effective_priority == 90)
    });
    let mut changes = AddressChanges::watch(&host);
    let client = stage.host("client");
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    send(router.worker(), Signal::KILL);
    soon("a successor is counted", || {
        router
            .status()
            .and_then(|status| status.worker)
            .is_some_and(|worker| worker.restarts == 1 && worker.responsive)
    });
    let resumed = Instant::now();
    soon("the successor adverts", || senders(&capture, 51, resumed).len() > 2);
    let adverts = senders(&capture, 51, begin);
    assert!(adverts.iter().all(|(_, _, priority)| *priority == 90), "{adverts:?}");
    let after = router.instance("V1").unwrap();
    assert_eq!((after.state, after.effective_priority), (State::Master, 90));
    assert!(after.trackers.iter().all(|tracker| tracker.good.is_some()), "{:?}", after.trackers);
    assert_eq!(changes.since_last(), []);
}

/// What a process has open besides its standard descriptors: sockets, pipes and files by what tells them apart.
fn open_files(pid: u32) -> BTreeSet<String> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let further = descriptors.filter(|entry| {
        entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()).is_some_and(|number| number > 2)
    });
    let links = further.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links
        .map(|link| link.display().to_string())
        .filter(|link| !link.starts_with("anon_inode") && link != "/dev/null")
        .collect()
}

#[test]
fn a_successor_has_nothing_open_that_is_the_supervisors() {
    let Some(stage) = Stage::set("a_successor_has_nothing_open_that_is_the_supervisors") else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/hang", "sleep 60");
    let check = "vrrp_script hang {\nscript /run/hang\ninterval 60\ntimeout 60\nweight 1\n}\n";
    let tracking = Virtual::with_priority(200).more("track_script {\nhang\n}\nnotify /run/hang");
    let router = stage.start(&host, &configuration(&[&check, &tracking]));
    router.reaches("V1", State::Master);
    let supervisor = router.pid();
    let pipes = |pid: u32| open_files(pid).iter().filter(|link| link.starts_with("pipe:")).count();
    soon("both scripts run", || pipes(supervisor) >= 4);
    let shared = |worker: u32| -> BTreeSet<String> {
        open_files(supervisor).intersection(&open_files(worker)).cloned().collect()
    };
    // What both have from whoever started the daemon.
    let inherited = shared(router.worker());
    send(router.worker(), Signal::KILL);
    soon("a successor is counted", || {
        let worker = router.status().and_then(|status| status.worker);
        worker.is_some_and(|worker| worker.restarts == 1 && worker.responsive)
    });
    assert_eq!(shared(router.worker()), inherited);
}

/// What must not change when a worker dies: state, reason, priority, master and interval.
fn standing(router: &Router) -> Vec<(String, State, String, u8, Option<IpAddr>, u64)> {
    let shown = |instance: Instance| {
        let Instance { name, state, why, effective_priority, master, master_down_milliseconds, .. } =
            instance;
        (name.to_string(), state, why, effective_priority, master, master_down_milliseconds)
    };
    router.status().unwrap().instances.into_iter().map(shown).collect()
}

#[test]
fn state_time_and_reason_survive_a_worker_exactly() {
    let Some(stage) = Stage::set("state_time_and_reason_survive_a_worker_exactly") else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/bad", "exit 1");
    let check = |name: &str, rest: &str| {
        format!("vrrp_script {name} {{\nscript /run/bad\ninterval 0.1\nfall 3\n{rest}\n}}\n")
    };
    let instance = |name, vrid, priority, address| Virtual {
        name,
        vrid,
        priority,
        addresses: vec![address],
        ..Virtual::default()
    };
    let master = instance("M", 51, 200, "10.0.9.1/32").more("track_script {\nlight\n}");
    let fault = instance("F", 52, 200, "10.0.9.2/32").more("track_script {\nheavy\n}");
    let backup = |priority| instance("B", 53, priority, "10.0.9.3/32");
    let checks = check("light", "weight -20") + &check("heavy", "");
    let router = stage.start(&host, &configuration(&[&checks, &master, &fault, &backup(100)]));
    let peer = stage.router("r2", &configuration(&[&backup(200)]));
    peer.reaches("B", State::Master);
    for (name, state) in [("M", State::Master), ("F", State::Fault), ("B", State::Backup)] {
        router.reaches(name, state);
    }
    soon("the light script counts", || {
        router.instance("M").is_some_and(|instance| instance.effective_priority == 180)
    });
    soon("the backup knows its master", || router.instance("B").is_some_and(|b| b.master.is_some()));
    let (before, age) = (standing(&router), Instant::now());
    let since = router.instance("M").unwrap().milliseconds_in_state.unwrap();
    let goes_on = |when: &str| {
        assert_eq!(standing(&router), before, "{when}");
        let shown = router.instance("M").unwrap().milliseconds_in_state.unwrap();
        let passed = u64::try_from(age.elapsed().as_millis()).unwrap();
        let least = (since + passed).saturating_sub(100);
        assert!(shown >= least, "{when}: {shown} ms in this state, at least {least} ms were expected");
    };
    let replaced = |restarts: u32| {
        soon("a successor is counted", || {
            let worker = router.status().and_then(|status| status.worker);
            worker.is_some_and(|worker| worker.restarts == restarts && worker.responsive)
        });
    };
    send(router.worker(), Signal::KILL);
    replaced(1);
    goes_on("after a death");

    // Twice, since a successor must not know less than its predecessor.
    send(router.worker(), Signal::KILL);
    replaced(2);
    goes_on("after another death");
    send(router.worker(), Signal::STOP);
    soon("the worker does not answer", || {
        router.status().and_then(|status| status.worker).is_some_and(|worker| !worker.responsive)
    });
    goes_on("while the worker hangs");

    let events = router.events();
    let died = events.iter().position(|record| matches!(record.happening, Happening::WorkerDied { .. }));
    let told: Vec<_> = events[died.unwrap()..]
        .iter()
        .filter(|record| {
            // The death, and that a flight record of it was kept.
            !matches!(
                record.happening,
                Happening::WorkerDied { .. }
                    | Happening::WorkerStarted { .. }
                    | Happening::RecordSaved { .. }
            )
        })
        .collect();
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn a_successor_sees_what_happened_to_interfaces_meanwhile() {
    let Some(stage) = Stage::set("a_successor_sees_what_happened_to_interfaces_meanwhile") else { return };
    let first = stage.router("r1", &simple(200));
    let second = stage.router("r2", &simple(100));
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    let worker = first.worker();
    send(worker, Signal::STOP);
    first.host().set_down("eth0").unwrap();
    send(worker, Signal::KILL);
    first.reaches("V1", State::Fault);
    soon("the address moves", || second.owns(VIRTUAL) && !first.owns(VIRTUAL));
    first.host().set_up("eth0").unwrap();
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
}

#[test]
fn a_successor_waits_as_long_as_the_master_taught() {
    let Some(stage) = Stage::set("a_successor_waits_as_long_as_the_master_taught") else { return };
    let fast = Virtual::with_priority(200);
    let first = stage.router("r1", &configuration(&[&fast]));
    first.reaches("V1", State::Master);
    let second = stage.router("r2", &simple(100));
    second.reaches("V1", State::Backup);
    // The master slows down; version 3 backups follow it (RFC 9568 section 6.4.2).
    first.reload(&configuration(&[&Virtual { interval: "0.8", ..fast }]));
    soon("r2 learns the interval", || {
        second.instance("V1").is_some_and(|instance| instance.master_interval_milliseconds == 800)
    });
    assert_eq!(second.state("V1"), Some(State::Backup));
    // What follows too fast is kept for a successor with the next advert.
    let received = || second.counter("V1", "adverts_received").unwrap_or_default();
    let before = received();
    soon("another advert comes", || received() > before);
    let before = received();
    send(second.worker(), Signal::KILL);
    soon("a successor is counted", || {
        second
            .status()
            .and_then(|status| status.worker)
            .is_some_and(|worker| worker.restarts == 1 && worker.responsive)
    });
    assert_eq!(second.instance("V1").unwrap().master_interval_milliseconds, 800);
    soon("the successor hears the master", || received() >= before + 2);
    assert_eq!(second.state("V1"), Some(State::Backup));
    assert_eq!(second.counter("V1", "became_master"), Some(0));
}

#[test]
fn a_successor_removes_what_a_reload_took_from_its_predecessor() {
    let Some(stage) = Stage::set("a_successor_removes_what_a_reload_took_from_its_predecessor") else {
        return;
    };
    let kept = Virtual { addresses: vec!["10.0.9.9/32", "10.0.9.10/32"], ..Virtual::with_priority(200) };
    let going =
        Virtual { name: "V2", vrid: 52, addresses: vec!["10.0.8.8/32"], ..Virtual::with_priority(200) };
    let router = stage.router("r1", &configuration(&[&kept, &going]));
    router.reaches("V1", State::Master);
    router.reaches("V2", State::Master);
    let [second, other]: [IpAddr; 2] = ["10.0.9.10", "10.0.8.8"].map(|text| text.parse().unwrap());
    soon("the addresses are there", || router.owns(second) && router.owns(other));
    // The worker never learns of the reload.
    let worker = router.worker();
    send(worker, Signal::STOP);
    router.reload(&simple(200));
    let applied = |happening: &Happening| matches!(happening, Happening::Reloaded { .. });
    assert!(!router.happened(applied), "what the worker does not know is not in force");
    send(worker, Signal::KILL);
    soon("a successor is counted", || {
        router
            .status()
            .and_then(|status| status.worker)
            .is_some_and(|worker| worker.restarts == 1 && worker.responsive)
    });
    soon("what the file has no more goes", || !router.owns(second) && !router.owns(other));
    soon("the reload is told", || router.happened(applied));
    // The worker was stopped for longer than a backup waits: its successor listens before it owns again.
    router.reaches("V1", State::Master);
    soon("it has its address again", || router.owns(VIRTUAL));
    // The next reload works as ever.
    router.reload(&configuration(&[&kept, &going]));
    router.reaches("V2", State::Master);
    soon("the addresses are back", || router.owns(second) && router.owns(other));
}

/// Nice value, policy and real-time priority (proc_pid_stat(5)), processors and locked memory of a process.
fn scheduling(pid: u32) -> (i32, u32, u32, String, bool) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let field = |number: usize| fields[number - 3];
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    (
        field(19).parse().unwrap(),
        field(41).parse().unwrap(),
        field(40).parse().unwrap(),
        line("Cpus_allowed_list:"),
        line("VmLck:") != "0 kB",
    )
}

#[test]
fn a_reload_changes_how_the_running_worker_is_scheduled() {
    let Some(stage) = Stage::set("a_reload_changes_how_the_running_worker_is_scheduled") else { return };
    let host = stage.host("r1");
    let configured =
        |globals: &str| with_globals(&format!("vrrp_version 3\n{globals}"), &[&Virtual::default()]);
    let router = stage.start(&host, &configured(""));
    router.reaches("V1", State::Master);
    let worker = router.worker();
    let plain = scheduling(worker);
    assert_eq!((plain.1, plain.4), (0, false));

    router.reload(&configured("vrrp_priority 11\nvrrp_cpu_affinity 0\nvrrp_no_swap"));
    soon("it is nice, bound and locked", || scheduling(worker) == (11, 0, 0, "0".to_owned(), true));
    router.reload(&configured("vrrp_rt_priority 3\nvrrp_rlimit_rttime 1000000"));
    /// SCHED_RR of sched(7).
    const ROUND_ROBIN: u32 = 2;
    soon("it is real-time and nothing else", || {
        let (_, policy, priority, processors, locked) = scheduling(worker);
        (policy, priority, processors, locked) == (ROUND_ROBIN, 3, plain.3.clone(), false)
    });
    router.reload(&configured(""));
    soon("it is as at first", || scheduling(worker) == plain);
    assert_eq!(router.worker(), worker);
    assert_eq!(router.state("V1"), Some(State::Master));
    assert_eq!(router.counter("V1", "became_master"), Some(1));
}
