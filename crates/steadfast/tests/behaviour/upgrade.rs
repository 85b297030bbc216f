//! Another program in the daemon's place: nothing on the wire and nothing in the kernel tells of it.

use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use steadfast_control::event::{Filter, Happening, Record, Worker};
use steadfast_control::request::{Answer, Request, UpgradeReport};
use steadfast_control::status::Instance;
use steadfast_lab::capture::Capture;
use steadfast_lab::segment::address_v4;
use steadfast_lab::{Program, Signal};
use steadfast_vrrp::State;

use crate::stage::{
    AddressChanges, LIMIT, Router, SLACK, Stage, VIRTUAL, Virtual, configuration, is_dead, longest_gap, send,
    senders, set_mode, soon, text_of, write_script,
};

const INTERVAL: Duration = Duration::from_millis(100);

/// Has the daemon upgrade to a program, by the path that it sees: asked on its own host, where it trusts who asks.
pub(crate) fn upgrade(stage: &Stage, router: &Router, program: Option<&str>) -> UpgradeReport {
    let own = stage.program.path().display().to_string();
    let words = [&own, "upgrade", "--json", "--control-socket", "/run/steadfast/k.sock"];
    let words: Vec<&str> = words.into_iter().chain(program).collect();
    let told = router.host().run(&words).unwrap();
    serde_json::from_str(&told.output).unwrap_or_else(|error| panic!("{error}: {}", told.output))
}

#[track_caller]
fn refused(stage: &Stage, router: &Router, program: &str, reason: &str) {
    let (pid, worker) = (router.status().unwrap().pid, router.worker());
    let report = upgrade(stage, router, Some(program));
    assert!(!report.upgraded && report.detail.contains(reason), "{report:#?}");
    let told = |happening: &Happening| matches!(happening, Happening::UpgradeRefused { reason, .. } if *reason == report.detail);
    router.tells(told);
    assert_eq!((router.status().unwrap().pid, router.worker()), (pid, worker), "{program}");
}

/// A copy of the program, which is there as long as this.
struct Copy(PathBuf);

impl std::ops::Deref for Copy {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// As a package would put it there; hosts see the same files, but for /run, which is small.
fn copy(name: &str, program: &Path) -> Copy {
    let name = format!("{name}-{}", std::process::id());
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // A program that runs cannot be written to.
    let _ = std::fs::remove_file(&to);
    std::fs::copy(program, &to).unwrap();
    Copy(to)
}

#[test]
fn an_upgrade_moves_no_address_and_delays_no_advert() {
    let Some(stage) = Stage::set("an_upgrade_moves_no_address_and_delays_no_advert") else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/notify", "echo \"$*\" >> /run/notified");
    let virtual_router = Virtual::with_priority(200).more("notify /run/notify");
    let first = stage.start(&host, &configuration(&[&virtual_router]));
    first.reaches("V1", State::Master);
    let second = stage.router("r2", &configuration(&[&Virtual::with_priority(100)]));
    let client = stage.host("client");
    second.reaches("V1", State::Backup);
    soon("the notify script ran", || text_of(&host, "/run/notified").contains("MASTER"));
    let before = (first.status().unwrap(), first.instance("V1").unwrap());
    let follower =
        first.client().unwrap().events(true, Filter { last: Some(0), ..Filter::default() }).unwrap();
    let other = copy("steadfast-other", stage.program.path());
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    soon("r1 adverts", || senders(&capture, 51, begin).len() > 3);
    let mut changes = AddressChanges::watch(&host);

    // Again after it, and again to where it began.
    for round in 1..=3 {
        let (worker, asked) = (first.worker(), Instant::now());
        let report = upgrade(&stage, &first, other.to_str());
        assert!(report.upgraded, "{report:#?}");
        assert_ne!(first.worker(), worker, "round {round}");
        let done = Instant::now();
        soon("the successor adverts", || senders(&capture, 51, done).len() > 3);
        let gap = longest_gap(&senders(&capture, 51, asked));
        println!("round {round}: {} and no advert for {gap:?}", report.detail);
    }

    let adverts = senders(&capture, 51, begin);
    let own = IpAddr::from(address_v4(1));
    assert!(adverts.iter().all(|(_, source, priority)| *source == own && *priority == 200), "{adverts:?}");
    let gap = longest_gap(&adverts);
    assert!(gap < INTERVAL + SLACK, "no advert for {gap:?}");
    assert_eq!(changes.since_last(), []);
    let after = (first.status().unwrap(), first.instance("V1").unwrap());
    assert_eq!(after.0.pid, before.0.pid);
    let worker = after.0.worker.unwrap();
    assert_eq!((worker.restarts, worker.responsive), (0, true), "an upgrade is no death");
    assert_eq!((after.1.state, &after.1.master), (State::Master, &before.1.master));
    assert_eq!(after.1.counters.get("became_master"), before.1.counters.get("became_master"));
    let sent = |instance: &Instance| instance.counters.get("adverts_sent").copied().unwrap_or_default();
    assert!(sent(&after.1) > sent(&before.1), "{:?}", after.1);
    assert_eq!(second.counter("V1", "became_master"), Some(0));
    let notified = text_of(&host, "/run/notified");
    assert_eq!(notified.lines().filter(|line| line.contains("MASTER")).count(), 1, "{notified}");
    // What it remembered, it remembers; who followed follows.
    let upgrades = |events: &[Record]| {
        events.iter().filter(|record| matches!(record.happening, Happening::Upgraded { .. })).count()
    };
    soon("all upgrades are told", || upgrades(&first.events()) == 3);
    first.tells(|happening| matches!(happening, Happening::Started { .. }));
    let mut followed: Vec<Record> = Vec::new();
    for record in follower {
        followed.push(record.unwrap());
        if upgrades(&followed) == 3 {
            break;
        }
    }
    assert!(followed.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "{followed:#?}");

    // It is a daemon like any other: it reloads, and hands over at its end.
    first.reload(&configuration(&[&Virtual { interval: "0.2", ..Virtual::with_priority(200) }]));
    assert_eq!(first.state("V1"), Some(State::Master));
    let mut first = first.into_daemon();
    assert_eq!(first.stop(LIMIT).unwrap().code(), Some(0));
    second.reaches("V1", State::Master);
    assert!(!host.has(VIRTUAL));
}

#[test]
fn a_program_that_cannot_take_over_is_not_switched_to() {
    let Some(stage) = Stage::set("a_program_that_cannot_take_over_is_not_switched_to") else { return };
    let host = stage.host("r1");
    let text = configuration(&[&Virtual::with_priority(200)]);
    let first = stage.start(&host, &text);
    let client = stage.host("client");
    first.reaches("V1", State::Master);
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    refused(&stage, &first, "/bin/false", "without a word");
    refused(&stage, &first, "/bin/true", "no steadfast");
    refused(&stage, &first, "/nowhere/steadfast", "/nowhere/steadfast");
    // A shell would run it.
    host.write("/run/text", "touch /run/was-run\n").unwrap();
    set_mode(&host, "/run/text", 0o755);
    refused(&stage, &first, "/run/text", "/run/text");
    assert!(!host.outside("/run/was-run").exists());
    // A file that is not in force.
    first.configure(&configuration(&[&Virtual::with_priority(210)])).unwrap();
    let program = stage.program.path().display().to_string();
    refused(&stage, &first, &program, "not the one in force");
    first.configure("vrrp_instance V1 {\n    interface nowhere\n").unwrap();
    refused(&stage, &first, &program, "does not accept the configuration");
    first.configure(&text).unwrap();
    let gap = longest_gap(&senders(&capture, 51, begin));
    assert!(gap < INTERVAL + SLACK, "no advert for {gap:?}");
    assert_eq!(first.state("V1"), Some(State::Master));
    assert!(upgrade(&stage, &first, None).upgraded);
}

#[test]
fn an_upgrade_waits_for_notify_scripts_and_reloads() {
    let Some(stage) = Stage::set("an_upgrade_waits_for_notify_scripts_and_reloads") else { return };
    let host = stage.host("r1");
    write_script(
        &host,
        "/run/notify",
        "while ! test -e /run/may-end; do sleep 0.05; done; echo \"$*\" >> /run/notified",
    );
    let first =
        stage.start(&host, &configuration(&[&Virtual::with_priority(200).more("notify_master /run/notify")]));
    first.reaches("V1", State::Master);
    let pid = first.status().unwrap().pid;
    std::thread::scope(|scope| {
        let asked = [(); 2].map(|()| scope.spawn(|| upgrade(&stage, &first, None)));
        soon("one of them is refused", || asked.iter().any(|asked| asked.is_finished()));
        assert!(asked.iter().any(|asked| !asked.is_finished()), "a notify script runs");
        host.write("/run/may-end", "").unwrap();
        let mut reports = asked.map(|asked| asked.join().unwrap());
        reports.sort_by_key(|report| report.upgraded);
        let [refused, done] = reports;
        assert!(!refused.upgraded && refused.detail.contains("another upgrade"), "{refused:#?}");
        assert!(done.upgraded, "{done:#?}");
    });
    soon("the script told of its end", || text_of(&host, "/run/notified").lines().count() == 1);
    // Both at once: whichever comes first, both are done.
    first.configure(&configuration(&[&Virtual::with_priority(190)])).unwrap();
    first.signal(Signal::HUP);
    let report = upgrade(&stage, &first, None);
    assert!(report.upgraded, "{report:#?}");
    soon("the reload is in force", || {
        first.instance("V1").is_some_and(|instance| instance.base_priority == 190)
    });
    assert_eq!(first.status().unwrap().pid, pid);
    assert_eq!(first.state("V1"), Some(State::Master));
}

/// `systemctl reload` after the package put another program in the place of the one that runs.
#[test]
fn a_reload_of_a_replaced_program_is_an_upgrade() {
    let Some(mut stage) = Stage::set("a_reload_of_a_replaced_program_is_an_upgrade") else { return };
    let host = stage.host("r1");
    let original = stage.program.path().to_owned();
    let installed = copy("steadfast-installed", &original);
    stage.program = Program::Steadfast(installed.to_path_buf());
    let first = stage.start(&host, &configuration(&[&Virtual::with_priority(200)]));
    first.reaches("V1", State::Master);
    let upgrades = || {
        let is_upgrade = |record: &Record| matches!(record.happening, Happening::Upgraded { .. });
        first.events().into_iter().filter(is_upgrade).count()
    };
    let generation = first.status().unwrap().generation;
    first.signal(Signal::HUP);
    soon("it has reloaded", || first.status().is_some_and(|status| status.generation > generation));
    assert_eq!(upgrades(), 0, "it is the program that lies there");
    std::fs::rename(&*copy("steadfast-next", &original), &*installed).unwrap();
    first.signal(Signal::HUP);
    soon("it has upgraded", || upgrades() == 1);
    first.signal(Signal::HUP);
    soon("it has reloaded", || first.status().is_some_and(|status| status.generation > generation + 2));
    assert_eq!(upgrades(), 1);
    assert_eq!(first.state("V1"), Some(State::Master));
}

/// The program that comes does not know what its worker was asked.
#[test]
fn a_client_that_waits_is_answered_before_an_upgrade() {
    let Some(stage) = Stage::set("a_client_that_waits_is_answered_before_an_upgrade") else { return };
    let host = stage.host("r1");
    let first = stage.start(&host, &configuration(&[&Virtual::with_priority(200)]));
    first.reaches("V1", State::Master);
    let worker = first.worker();
    send(worker, Signal::STOP);
    std::thread::scope(|scope| {
        let status = scope.spawn(|| {
            let answer = first.status();
            send(worker, Signal::CONT);
            answer
        });
        let report = upgrade(&stage, &first, None);
        assert!(report.upgraded, "{report:#?}");
        assert!(status.join().unwrap().is_some(), "{}", first.log_tail());
    });
}

/// Servers, and those of each service: more than a daemon has wait for a client that reads nothing.
const SERVERS: usize = 3_000;
const SERVERS_OF_A_SERVICE: usize = 50;

/// Virtual servers with as many real ones as that.
fn services() -> String {
    let mut text = String::new();
    for service in 0..SERVERS / SERVERS_OF_A_SERVICE {
        text += &format!("virtual_server 10.9.0.{service} 80 {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n");
        for server in 1..=SERVERS_OF_A_SERVICE {
            text += &format!(" real_server 10.8.{service}.{server} 80 {{\n }}\n");
        }
        text += "}\n";
    }
    text
}

/// What a client that reads slowly reads in a go, and how long it does something else then.
const READ_AT_ONCE: usize = 1_024;
const READS_AFTER: Duration = Duration::from_millis(2);

/// The rest of it is not asked for before it has read what came, and the program that comes does not know of it.
#[test]
fn a_client_that_reads_slowly_has_its_whole_answer_before_an_upgrade() {
    let Some(stage) = Stage::set("a_client_that_reads_slowly_has_its_whole_answer_before_an_upgrade") else {
        return;
    };
    let first = stage.router("r1", &(configuration(&[&Virtual::with_priority(200)]) + &services()));
    first.reaches("V1", State::Master);
    soon("the services are there", || first.services().len() == SERVERS / SERVERS_OF_A_SERVICE);
    let mut stream = UnixStream::connect(first.host().outside("/run/steadfast/k.sock")).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let question = serde_json::to_string(&Request::Services { named: Vec::new() }).unwrap();
    writeln!(stream, "{question}").unwrap();
    let mut answer = Vec::new();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| upgrade(&stage, &first, None));
        let mut some = [0; READ_AT_ONCE];
        loop {
            let count = stream.read(&mut some).expect("the answer goes on");
            if count == 0 {
                break;
            }
            answer.extend_from_slice(&some[..count]);
            std::thread::sleep(READS_AFTER);
        }
        let report = asked.join().unwrap();
        // On a busy machine it reads for longer than an upgrade waits.
        assert!(report.upgraded || report.detail.contains("a client waits"), "{report:#?}");
    });
    let answers = answer.split_inclusive(|octet| *octet == b'\n').map(serde_json::from_slice::<Answer>);
    let answers: Vec<Answer> = answers.map(Result::unwrap).collect();
    let servers = |answer: &Answer| match answer {
        Answer::Service(service) => service.servers.len(),
        _ => 0,
    };
    assert_eq!(answers.iter().map(servers).sum::<usize>(), SERVERS);
    assert_eq!(answers.last(), Some(&Answer::End));
}

/// A worker that dies while it is to leave has a successor like any other.
#[test]
fn a_worker_that_is_killed_during_an_upgrade_has_a_successor() {
    let Some(stage) = Stage::set("a_worker_that_is_killed_during_an_upgrade_has_a_successor") else { return };
    let first = stage.router("r1", &configuration(&[&Virtual::with_priority(200)]));
    let second = stage.router("r2", &configuration(&[&Virtual::with_priority(100)]));
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    let worker = first.worker();
    let log = format!("{}/log", first.folder());
    send(worker, Signal::STOP);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| upgrade(&stage, &first, None));
        soon("the other program runs", || text_of(first.host(), &log).contains("becoming"));
        send(worker, Signal::KILL);
        let report = asked.join().unwrap();
        assert!(report.upgraded, "{report:#?}");
    });
    first.reaches("V1", State::Master);
    assert_ne!(first.worker(), worker);
}

/// So has one that dies while the other program begins, when no program hears of it.
#[test]
fn a_worker_that_is_killed_before_the_other_program_looks_has_a_successor() {
    let name = "a_worker_that_is_killed_before_the_other_program_looks_has_a_successor";
    let Some(stage) = Stage::set(name) else { return };
    let virtual_router = Virtual { interval: "1", ..Virtual::with_priority(200) };
    let first = stage.router("r1", &configuration(&[&virtual_router]));
    // The worker stands still before it is killed. Its successor could find it superseded; its peer waits longer.
    let patient = Virtual { interval: "1", ..Virtual::with_priority(100) }.more("down_timer_adverts 60");
    let second = stage.router("r2", &configuration(&[&patient]));
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    soon("its mastership began longer ago than a master may be silent", || {
        first.counter("V1", "adverts_sent").is_some_and(|sent| sent > 5)
    });
    let (supervisor, worker) = (first.pid(), first.worker());
    let log = format!("{}/log", first.folder());
    let mut changes = AddressChanges::watch(first.host());
    send(worker, Signal::STOP);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| upgrade(&stage, &first, None));
        soon("the other program begins", || text_of(first.host(), &log).contains("becoming"));
        send(supervisor, Signal::STOP);
        send(worker, Signal::KILL);
        soon("the worker is dead", || is_dead(worker));
        send(supervisor, Signal::CONT);
        let report = asked.join().unwrap();
        assert!(report.upgraded, "{report:#?}");
    });
    assert_ne!(first.worker(), worker);
    first.tells(|happening| matches!(happening, Happening::WorkerDied { worker: Worker::Vrrp, .. }));
    assert_eq!(first.status().unwrap().worker.unwrap().restarts, 1);
    assert_eq!(first.state("V1"), Some(State::Master), "{}", first.log_tail());
    assert_eq!(changes.since_last(), []);
    assert_eq!(second.counter("V1", "became_master"), Some(0));
}
