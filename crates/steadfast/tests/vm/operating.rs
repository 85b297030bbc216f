//! What operators ask and do while servers are balanced.

use steadfast_control::status::{Override, Server, Status};
use steadfast_lab::{Daemon, Signal, wait};

use super::director::{Director, LIMIT};
use super::living::{FIRST, SECOND, SERVICE, WEB};

/// What a subcommand prints, and its exit status.
pub(crate) fn ask(director: &Director, daemon: &Daemon, words: &[&str]) -> (String, Option<i32>) {
    let program = director.program.path().to_str().unwrap();
    let socket = format!("{}/k.sock", daemon.folder());
    let told = director.host.run(&[&[program], words, &["--control-socket", &socket]].concat()).unwrap();
    (told.output, told.status.code())
}

/// Has the daemon read another file, which is in force then.
#[track_caller]
pub(crate) fn reload(director: &Director, daemon: &Daemon, configuration: &str) {
    daemon.configure(configuration).unwrap();
    let (told, code) = ask(director, daemon, &["reload"]);
    assert_eq!(code, Some(0), "{told}\n{}", daemon.log_tail());
}

pub(crate) fn status(director: &Director, daemon: &Daemon) -> Option<Status> {
    serde_json::from_str(&ask(director, daemon, &["status", "--json"]).0).ok()
}

/// The server of the only service that listens on that port.
fn server(director: &Director, daemon: &Daemon, port: u16) -> Option<Server> {
    let service = status(director, daemon)?.services.into_iter().next()?;
    service.servers.into_iter().find(|server| server.address.port() == port)
}

fn drained(rule: &str) -> String {
    rule.replace("-w 3", "-w 0").replace("-w 1", "-w 0")
}

#[test]
fn what_an_operator_does_stands_until_it_is_undone() {
    let Some(director) = Director::new("what_an_operator_does_stands_until_it_is_undone") else { return };
    let _servers = [director.nginx("127.0.0.1:8081"), director.nginx("127.0.0.1:8082")];
    let daemon = director.start(WEB);
    director.await_table(&[SERVICE, FIRST, SECOND], &daemon);
    let told = ask(&director, &daemon, &["drain", "127.0.0.1:8081", "--wait=60"]);
    let sentence = "server 127.0.0.1:8081 of [10.9.0.1]:tcp:80 is drained; no connection is left\n";
    assert_eq!(told, (sentence.to_owned(), Some(0)));
    director.await_table(&[SERVICE, &drained(FIRST), SECOND], &daemon);
    let shown = || ask(&director, &daemon, &["status", "10.9.0.1"]).0;
    assert!(wait::until(LIMIT, || shown().contains("draining")), "{}", shown());

    // Neither a reload nor the death of the worker ends it.
    daemon.configure(&WEB.replace("lb_algo wrr", "lb_algo rr")).unwrap();
    daemon.signal(Signal::HUP);
    let service = SERVICE.replace("wrr", "rr");
    director.await_table(&[&service, &drained(FIRST), SECOND], &daemon);
    let worker = || status(&director, &daemon).and_then(|status| Some(status.check_worker?.pid));
    let before = worker().unwrap();
    director.run(&["kill", "-9", &before.to_string()]);
    let succeeded = || worker().is_some_and(|pid| pid != before);
    assert!(wait::until(LIMIT, succeeded), "{}", daemon.log_tail());
    let is_drained =
        || server(&director, &daemon, 8081).is_some_and(|server| server.operator == Override::Drain);
    assert!(wait::until(LIMIT, is_drained), "{:?}", server(&director, &daemon, 8081));
    director.await_table(&[&service, &drained(FIRST), SECOND], &daemon);

    // A busy worker confirms late, which is an error for who asked; the table shows whether it did it.
    let done = |words: &[&str]| {
        let (told, code) = ask(&director, &daemon, words);
        assert!(code == Some(0) || told.contains("has not confirmed it in time"), "{told}");
    };
    done(&["undrain", "127.0.0.1:8081", "--service", "10.9.0.1:80"]);
    director.await_table(&[&service, FIRST, SECOND], &daemon);
    done(&["disable", "127.0.0.1:8082"]);
    director.await_table(&[&service, FIRST], &daemon);
    done(&["enable", "127.0.0.1:8082"]);
    done(&["weight", "127.0.0.1", "9"]);
    let heavy = [FIRST.replace("-w 3", "-w 9"), SECOND.replace("-w 1", "-w 9")];
    director.await_table(&[&service, &heavy[0], &heavy[1]], &daemon);
    done(&["weight", "127.0.0.1", "configured"]);
    director.await_table(&[&service, FIRST, SECOND], &daemon);

    for (words, reason) in [
        (&["undrain", "127.0.0.1:8081"][..], "is as configured and not drained"),
        (
            &["drain", "10.1.2.3"],
            "no virtual server has server '10.1.2.3'; there are: 127.0.0.1:8081, 127.0.0.1:8082",
        ),
        (
            &["drain", "127.0.0.1", "--service", "web"],
            "there is no virtual server 'web'; there are: [10.9.0.1]:tcp:80",
        ),
        (&["drain", "web1"], "expected a server as ADDRESS:PORT or ADDRESS, found 'web1'"),
    ] {
        let (told, code) = ask(&director, &daemon, words);
        assert!(code == Some(1) && told.contains(reason), "{words:?}: {told}");
    }
}

#[test]
fn the_status_shows_servers_and_what_is_wrong_with_them() {
    let Some(director) = Director::new("the_status_shows_servers_and_what_is_wrong_with_them") else {
        return;
    };
    let second = director.nginx("127.0.0.1:8082");
    let daemon = director.start(WEB);
    director.await_table(&[SERVICE, SECOND], &daemon);
    // The table has the one that is well while the other may still be asked for the first time.
    let becomes = |port: u16, is_right: fn(&Server) -> bool| {
        let found = || server(&director, &daemon, port);
        assert!(wait::until(LIMIT, || found().is_some_and(|server| is_right(&server))), "{:?}", found());
    };
    becomes(8081, |dead| {
        let refused = dead.why.as_ref().is_some_and(|why| why.contains("Connection refused"));
        !dead.up && dead.kernel.is_none() && refused
    });
    becomes(8082, |well| {
        let weight = well.kernel.as_ref().map(|kernel| kernel.weight);
        well.up && well.why.is_none() && well.checks[0].has_run && weight == Some(1)
    });
    let check = || ask(&director, &daemon, &["status", "--check"]);
    let is_well = |told: (String, Option<i32>)| {
        told.1 == Some(0) && told.0.contains("1 virtual servers have their quorum")
    };
    assert!(wait::until(LIMIT, || is_well(check())), "{:?}", check());
    drop(second);
    let critical = || ask(&director, &daemon, &["status", "--check"]).1 == Some(2);
    assert!(wait::until(LIMIT, critical), "{}", daemon.log_tail());
    let (line, _) = ask(&director, &daemon, &["status", "--check"]);
    assert!(line.contains("[10.9.0.1]:tcp:80 has no quorum"), "{line}");
    // What the worker told last is known without it.
    let pid = status(&director, &daemon).unwrap().check_worker.unwrap().pid;
    director.run(&["kill", "-STOP", &pid.to_string()]);
    let known = server(&director, &daemon, 8081).unwrap();
    director.run(&["kill", "-CONT", &pid.to_string()]);
    assert!(!known.up && known.why.is_some_and(|why| why.contains("Connection refused")));
}

/// One of each kind that a guest's kernel has.
const RULES: &str = "\
-A -t 10.9.0.1:80 -s wrr
-a -t 10.9.0.1:80 -r 10.0.0.1:8080 -m -w 3
-A -t [2001:db8::1]:443 -s wlc -p 600 -M 64
-a -t [2001:db8::1]:443 -r [2001:db8::2]:443 -g -w 0
-A -u 10.9.0.1:53 -s rr -o
-A -t 10.9.0.2:80 -s sh -p 300 -M 255.255.255.0 -b sh-fallback,sh-port
-A -f 7 -s wlc
-a -f 7 -r 10.0.0.1:0 -i -w 1 --tun-type ipip
-a -f 7 -r 10.0.0.2:0 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum
-A -f 7 -6 -s rr
";

#[test]
fn rules_are_saved_and_restored_as_by_ipvsadm() {
    let Some(director) = Director::new("rules_are_saved_and_restored_as_by_ipvsadm") else { return };
    let program = director.program.path().to_str().unwrap();
    let shell = |line: &str| director.host.run(&["sh", "-c", line]).unwrap();
    director.host.write("/run/rules", RULES).unwrap();
    let saved = || {
        let mut lines: Vec<String> =
            director.run(&[program, "ipvs", "save"]).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let mut expected: Vec<&str> = RULES.lines().collect();
    expected.sort_unstable();
    // Theirs, read by ours.
    assert!(shell("ipvsadm -R </run/rules").status.success());
    assert_eq!(saved(), expected);
    assert_eq!(saved(), director.table());
    // Ours, read by theirs.
    assert!(
        shell(&format!("{program} ipvs save >/run/ours && ipvsadm -C && ipvsadm -R </run/ours"))
            .status
            .success()
    );
    assert_eq!(director.table(), expected);
    // And ours by ours.
    let restored = shell(&format!("{program} ipvs restore --clear </run/ours"));
    assert!(restored.status.success(), "{}", restored.output);
    assert_eq!(director.table(), expected);
    // What is there already is told, and what is wrong keeps everything as it is.
    let again = shell(&format!("{program} ipvs restore </run/ours"));
    assert!(!again.status.success() && again.output.contains("it is there already"), "{}", again.output);
    let wrong = shell(&format!("echo '-A -t web:80' | {program} ipvs restore --clear"));
    assert!(wrong.output.contains("nothing was done: line 1: -t needs an address"), "{}", wrong.output);
    assert_eq!(director.table(), expected);
}
