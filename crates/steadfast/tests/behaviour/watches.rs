//! Files and processes that instances follow.

use std::process::Command;

use steadfast_vrrp::State;

use crate::stage::{Stage, Virtual, configuration, simple, soon};

/// Two sleepers are enough, one is not; and a program of the same name with other arguments counts for nothing.
#[test]
fn processes_are_counted_as_they_come_and_go() {
    let Some(stage) = Stage::set("processes_are_counted_as_they_come_and_go") else { return };
    let host = stage.host("r1");
    let sleep = |seconds: &str| host.spawn(Command::new("/bin/sleep").arg(seconds)).unwrap();
    let end = |mut child: std::process::Child| {
        child.kill().unwrap();
        child.wait().unwrap();
    };
    let (first_sleeper, second_sleeper) = (sleep("1001"), sleep("1001"));
    let sets = "vrrp_track_process two {\nprocess /bin/sleep 1001\nquorum 2\nweight 20\n}\n\
                vrrp_track_process any {\nprocess sleep\n}\n\
                vrrp_track_process none {\nprocess /bin/sleep 1002\nquorum_max 0\nweight -30\ndelay 0.1\n}\n";
    let tracking = Virtual::with_priority(150).more("track_process {\ntwo\nany\nnone\n}");
    let first = stage.start(&host, &configuration(&[&sets, &tracking]));
    let second = stage.router("r2", &simple(100));
    first.reaches("V1", State::Master);
    let priority = || first.instance("V1").map_or(0, |instance| instance.effective_priority);
    soon("two sleepers count", || priority() == 170);
    let third = sleep("1002");
    soon("one too many", || priority() == 140);
    end(third);
    soon("it is gone", || priority() == 170);
    end(second_sleeper);
    soon("one is not enough", || priority() == 150);

    // A worker that died has a successor that knows them from its beginning.
    let worker = first.worker();
    crate::stage::send(worker, steadfast_lab::Signal::KILL);
    soon("a successor", || first.worker() != worker && priority() == 150);

    end(first_sleeper);
    first.reaches("V1", State::Fault);
    second.reaches("V1", State::Master);
    let why = first.instance("V1").unwrap().why;
    assert!(why.contains("processes any are too few"), "{why}");
    let fourth = sleep("7");
    first.reaches("V1", State::Master);
    end(fourth);
}

/// A reload brings other files and weights, and what was followed before is forgotten.
#[test]
fn a_reload_follows_other_files() {
    let Some(stage) = Stage::set("a_reload_follows_other_files") else { return };
    let host = stage.host("r1");
    host.write("/run/a", "5").unwrap();
    host.write("/run/b", "7").unwrap();
    let text = |files: &str, tracking: &str| {
        let tracking = Virtual::with_priority(100).more(&format!("track_file {{\n{tracking}\n}}"));
        configuration(&[&files, &tracking])
    };
    let a = "track_file a {\nfile /run/a\n}\n";
    let router = stage.start(&host, &text(a, "a"));
    router.reaches("V1", State::Master);
    let priority = || router.instance("V1").map_or(0, |instance| instance.effective_priority);
    soon("the file counts", || priority() == 105);
    let b = "track_file b {\nfile /run/b\nweight 3\n}\n";
    router.reload(&text(&format!("{a}{b}"), "a weight 2\nb"));
    soon("both count", || priority() == 131);
    host.write("/run/b", "1").unwrap();
    soon("the new one is watched", || priority() == 113);
    // The same name, another file.
    router.reload(&text(&format!("{}{b}", a.replace("/run/a", "/run/b")), "a\nb"));
    soon("the name means another file", || priority() == 104);
    assert_eq!(router.counter("V1", "became_master"), Some(1));
    router.reload(&simple(100));
    soon("nothing is followed", || priority() == 100);
}
