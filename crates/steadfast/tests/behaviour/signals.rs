//! Signals, and what the service manager is told.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use steadfast_lab::{Host, Signal, wait};
use steadfast_vrrp::State;

use crate::stage::{LIMIT, Stage, VIRTUAL, Virtual, configuration, send, simple, soon, text_of};

#[test]
fn dumps_are_written_as_keepalived_writes_them() {
    let Some(stage) = Stage::set("dumps_are_written_as_keepalived_writes_them") else { return };
    let host = stage.host("r1");
    host.write("/run/tmp/victim", "untouched").unwrap();
    for name in ["keepalived.data", "keepalived.stats", "keepalived.json"] {
        std::os::unix::fs::symlink("/run/tmp/victim", host.outside(&format!("/run/tmp/{name}"))).unwrap();
    }
    let secret = Virtual { interval: "1", ..Virtual::default() }
        .more("version 2\nauthentication {\nauth_type PASS\nauth_pass geheim\n}");
    let router = stage.start_with(&host, &configuration(&[&secret]), |command| {
        command.env("TMPDIR", "/run/tmp").arg("-d");
    });
    router.reaches("V1", State::Master);
    let file = |name: &str| {
        let path = format!("/run/tmp/{name}");
        let is_ours = std::fs::symlink_metadata(host.outside(&path)).is_ok_and(|found| found.is_file());
        is_ours.then(|| text_of(&host, &path))
    };
    router.signal(Signal::USR1);
    soon("the data are written", || file("keepalived.data").is_some());
    let data = file("keepalived.data").unwrap();
    for line in ["VRRP Instance = V1", "State = MASTER", "10.0.9.9 dev eth0", "Virtual Router ID = 51"] {
        assert!(data.contains(line), "{line} is missing:\n{data}");
    }
    soon("an advert is counted", || router.counter("V1", "adverts_sent").is_some_and(|sent| sent > 1));
    router.signal(Signal::USR2);
    soon("the statistics are written", || file("keepalived.stats").is_some());
    let statistics = file("keepalived.stats").unwrap();
    assert!(
        statistics.starts_with("VRRP Instance: V1\n  Advertisements:\n    Received: 0\n    Sent: "),
        "{statistics}"
    );
    assert!(statistics.contains("Became master: 1\n"), "{statistics}");

    // SIGRTMAX-1 sets the counters to zero after writing them.
    let kill = format!("kill -{} {}", 63, text_of(&host, "/run/steadfast/k.pid").trim());
    std::fs::remove_file(host.outside("/run/tmp/keepalived.stats")).unwrap();
    assert!(host.run(&["sh", "-c", &kill]).unwrap().status.success());
    soon("the statistics are written once more", || file("keepalived.stats").is_some());
    assert!(file("keepalived.stats").unwrap().contains("Became master: 1\n"));
    soon("the counters are zero", || router.counter("V1", "became_master") == Some(0));

    // SIGRTMIN+2.
    let kill = format!("kill -{} {}", 36, text_of(&host, "/run/steadfast/k.pid").trim());
    assert!(host.run(&["sh", "-c", &kill]).unwrap().status.success());
    soon("the JSON is written", || file("keepalived.json").is_some());
    let json: serde_json::Value = serde_json::from_str(&file("keepalived.json").unwrap()).unwrap();
    assert_eq!((&json[0]["data"]["iname"], &json[0]["data"]["state"]), (&"V1".into(), &2.into()), "{json}");

    for name in ["keepalived.data", "keepalived.stats", "keepalived.json"] {
        let found = std::fs::metadata(host.outside(&format!("/run/tmp/{name}"))).unwrap();
        assert_eq!((found.permissions().mode() & 0o777, found.uid()), (0o600, 0), "{name}");
    }
    assert_eq!(text_of(&host, "/run/tmp/victim"), "untouched");
    assert!(!data.contains("geheim") && !router.log().contains("geheim"), "the password is shown");
    assert!(router.logged("10.0.9.9", LIMIT), "-d does not log the configuration");
    let folder = std::fs::read_dir(host.outside("/run/tmp")).unwrap();
    assert_eq!(folder.count(), 5, "something is left beside the dumps");
}

#[test]
fn signals_without_meaning_change_nothing() {
    let Some(stage) = Stage::set("signals_without_meaning_change_nothing") else { return };
    let host = stage.host("r1");
    let router = stage.start_with(&host, &simple(100), |command| {
        command.arg("--ignore-sigint");
    });
    router.reaches("V1", State::Master);
    soon("the address is there", || router.owns(VIRTUAL));
    router.signal(Signal::INT);
    router.signal(Signal::PIPE);
    for signal in [Signal::INT, Signal::HUP, Signal::USR1, Signal::USR2, Signal::PIPE] {
        // A terminal sends them to every process of the group.
        send(router.worker(), signal);
    }
    assert_eq!(router.state("V1"), Some(State::Master));
    let status = router.status().unwrap();
    assert_eq!((status.worker.unwrap().restarts, status.generation), (0, 1));
    assert!(router.owns(VIRTUAL));
}

/// What arrives at the service manager's socket.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    fn on(host: &Host) -> Self {
        let socket = UnixDatagram::bind(host.outside("/run/manager")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, heard: Vec::new() }
    }

    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            self.heard.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
    }

    /// Waits for a message with this line after the first `from` ones; its place comes back.
    #[track_caller]
    fn hears(&mut self, line: &str, from: usize) -> usize {
        let found = wait::value(LIMIT, || {
            self.listen();
            let has = |message: &String| message.lines().any(|told| told.starts_with(line));
            self.heard.iter().skip(from).position(has).map(|at| at + from)
        });
        found.unwrap_or_else(|| panic!("{line} was not told: {:?}", self.heard))
    }
}

#[test]
fn the_service_manager_is_told_of_start_reload_stop_and_life() {
    let Some(stage) = Stage::set("the_service_manager_is_told_of_start_reload_stop_and_life") else { return };
    let host = stage.host("r1");
    let mut manager = Manager::on(&host);
    let mut router = stage.start_with(&host, &simple(100), |command| {
        command.env("NOTIFY_SOCKET", "/run/manager").env("WATCHDOG_USEC", "300000");
    });
    let ready = manager.hears("READY=1", 0);
    assert!(manager.heard[..=ready].iter().all(|message| !message.contains("STOPPING")));
    assert!(router.status().unwrap().worker.is_some(), "ready without a worker");
    let beat = manager.hears("WATCHDOG=1", 0);
    manager.hears("WATCHDOG=1", beat + 1);

    let mark = manager.heard.len();
    router.signal(Signal::HUP);
    let reloading = manager.hears("RELOADING=1", mark);
    assert!(manager.heard[reloading].contains("MONOTONIC_USEC="), "{:?}", manager.heard[reloading]);
    manager.hears("READY=1", reloading + 1);
    router.configure("vrrp_instance {\n").unwrap();
    let mark = manager.heard.len();
    router.signal(Signal::HUP);
    let reloading = manager.hears("RELOADING=1", mark);
    manager.hears("READY=1", reloading + 1);
    assert!(router.status().unwrap().refused_reload.is_some());

    // A worker that hangs is no living daemon: no beat until its successor runs.
    let hung = router.worker();
    send(hung, Signal::STOP);
    soon("it is replaced", || {
        router
            .status()
            .and_then(|status| status.worker)
            .is_some_and(|worker| worker.restarts == 1 && worker.responsive)
    });
    manager.listen();
    let mark = manager.heard.len();
    manager.hears("WATCHDOG=1", mark);

    let begin = Instant::now();
    router.signal(Signal::TERM);
    manager.hears("STOPPING=1", mark);
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert_eq!(router.wait(LIMIT).unwrap().code(), Some(0));
}
