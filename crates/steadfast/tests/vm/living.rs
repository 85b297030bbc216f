//! What a daemon with virtual servers does from its start to its stop.

use std::time::{Duration, Instant};

use steadfast_lab::{Daemon, Signal, wait};

use super::director::{Director, LIMIT};
use super::operating::{ask, reload};
use super::running::Running;

/// Two web servers behind one address, asked every second.
pub(crate) const WEB: &str = "
virtual_server 10.9.0.1 80 {
  delay_loop 1
  lb_algo wrr
  lb_kind NAT
  protocol TCP
  warmup 0
  real_server 127.0.0.1 8081 {
    weight 3
    HTTP_GET {
      url {
        path /page
        digest 2670f929ce8c93af815ba0ae8fd591ff
      }
      connect_timeout 5
      retry 0
    }
  }
  real_server 127.0.0.1 8082 {
    TCP_CHECK {
      connect_timeout 5
      retry 0
    }
  }
}
";

pub(crate) const SERVICE: &str = "-A -t 10.9.0.1:80 -s wrr";
pub(crate) const FIRST: &str = "-a -t 10.9.0.1:80 -r 127.0.0.1:8081 -m -w 3";
pub(crate) const SECOND: &str = "-a -t 10.9.0.1:80 -r 127.0.0.1:8082 -m -w 1";

#[test]
fn a_dead_server_leaves_and_a_revived_one_comes_back() {
    let Some(director) = Director::new("a_dead_server_leaves_and_a_revived_one_comes_back") else { return };
    let first = director.nginx("127.0.0.1:8081");
    let _second = director.nginx("127.0.0.1:8082");
    let mut daemon = director.start(WEB);
    director.await_table(&[SERVICE, FIRST, SECOND], &daemon);
    drop(first);
    director.await_table(&[SERVICE, SECOND], &daemon);
    let _first = director.nginx("127.0.0.1:8081");
    director.await_table(&[SERVICE, FIRST, SECOND], &daemon);
    assert_eq!(daemon.stop(LIMIT).unwrap().code(), Some(0));
    assert!(director.table().is_empty(), "{:?}", director.table());
}

/// The process of the checks.
pub(crate) fn worker(director: &Director, daemon: &Daemon) -> Option<String> {
    let pid = director.host.read(&format!("{}/c.pid", daemon.folder())).ok()?;
    Some(pid.trim().to_owned()).filter(|pid| !pid.is_empty())
}

/// While `what` happens, and for five seconds at least, the table is as it was before. Counters of the kernel would begin anew
/// with an entry that is made anew.
fn the_table_stays<T: Send>(director: &Director, what: impl FnOnce() -> T + Send) -> T {
    let (begin, before) = (Instant::now(), director.glance());
    assert!(before.contains("TCP"), "{before}");
    std::thread::scope(|scope| {
        let what = scope.spawn(what);
        let over = wait::until(LIMIT * 2, || {
            assert_eq!(director.glance(), before);
            what.is_finished() && begin.elapsed() > Duration::from_secs(5)
        });
        assert!(over, "it takes too long");
        what.join().unwrap()
    })
}

/// A worker that was not there `before`.
pub(crate) fn another_worker(director: &Director, daemon: &Daemon, before: Option<&String>) -> String {
    let another = || worker(director, daemon).filter(|pid| Some(pid) != before);
    wait::value(LIMIT, another).unwrap_or_else(|| panic!("no other worker\n{}", daemon.log_tail()))
}

/// A worker that was not there `before` looks after the servers: the first comes back, and `second` leaves.
fn another_goes_on(director: &Director, daemon: &Daemon, before: Option<&String>, second: Running) {
    another_worker(director, daemon, before);
    let _first = director.nginx("127.0.0.1:8081");
    director.await_table(&[SERVICE, FIRST, SECOND], daemon);
    drop(second);
    director.await_table(&[SERVICE, FIRST], daemon);
}

#[test]
fn the_death_of_the_worker_changes_nothing_in_the_kernel() {
    let Some(director) = Director::new("the_death_of_the_worker_changes_nothing_in_the_kernel") else {
        return;
    };
    let second = director.nginx("127.0.0.1:8082");
    let daemon = director.start(WEB);
    director.await_table(&[SERVICE, SECOND], &daemon);
    let before = wait::value(LIMIT, || worker(&director, &daemon)).unwrap();
    the_table_stays(&director, || director.run(&["kill", "-9", &before]));
    another_goes_on(&director, &daemon, Some(&before), second);
}

/// What a worker was left with is not what it leaves.
#[test]
fn a_server_that_came_back_under_a_successor_stays_under_the_next() {
    let Some(director) = Director::new("a_server_that_came_back_under_a_successor_stays_under_the_next")
    else {
        return;
    };
    let _second = director.nginx("127.0.0.1:8082");
    let daemon = director.start(WEB);
    director.await_table(&[SERVICE, SECOND], &daemon);
    let first = wait::value(LIMIT, || worker(&director, &daemon)).unwrap();
    // It comes back while nobody asks it: no worker but the first has seen it down.
    daemon.signal(Signal::STOP);
    director.run(&["kill", "-9", &first]);
    let server = director.nginx("127.0.0.1:8081");
    daemon.signal(Signal::CONT);
    let second = another_worker(&director, &daemon, Some(&first));
    director.await_table(&[SERVICE, FIRST, SECOND], &daemon);
    the_table_stays(&director, || {
        director.run(&["kill", "-9", &second]);
        another_worker(&director, &daemon, Some(&second))
    });
    // On a busy machine the table may be looked at too seldom: a worker that began with it down adds it again, or does not see it
    // go down.
    drop(server);
    director.await_table(&[SERVICE, SECOND], &daemon);
    let told = |what: &str| daemon.log().matches(&format!("{what} server 127.0.0.1:8081")).count();
    assert!(wait::until(LIMIT, || told("Removing") == 2), "{}", daemon.log_tail());
    assert_eq!(told("Adding"), 1, "{}", daemon.log_tail());
}

#[test]
fn an_upgrade_changes_nothing_in_the_kernel() {
    let Some(director) = Director::new("an_upgrade_changes_nothing_in_the_kernel") else { return };
    let second = director.nginx("127.0.0.1:8082");
    let daemon = director.start(WEB);
    director.await_table(&[SERVICE, SECOND], &daemon);
    let before = wait::value(LIMIT, || worker(&director, &daemon));
    the_table_stays(&director, || {
        let (told, status) = ask(&director, &daemon, &["upgrade"]);
        assert_eq!(status, Some(0), "{told}");
    });
    another_goes_on(&director, &daemon, before.as_ref(), second);
}

#[test]
fn the_death_of_the_supervisor_changes_nothing_in_the_kernel() {
    let Some(director) = Director::new("the_death_of_the_supervisor_changes_nothing_in_the_kernel") else {
        return;
    };
    let second = director.nginx("127.0.0.1:8082");
    let mut first = director.start(WEB);
    director.await_table(&[SERVICE, SECOND], &first);
    let before = wait::value(LIMIT, || worker(&director, &first));
    let daemon = the_table_stays(&director, || {
        first.signal(Signal::KILL);
        first.wait(LIMIT).unwrap();
        director.start(WEB)
    });
    another_goes_on(&director, &daemon, before.as_ref(), second);
}

#[test]
fn a_reload_changes_what_differs() {
    let Some(director) = Director::new("a_reload_changes_what_differs") else { return };
    let _second = director.nginx("127.0.0.1:8082");
    let daemon = director.start(WEB);
    director.await_table(&[SERVICE, SECOND], &daemon);
    let other =
        format!("{}\n{}", WEB.replace("lb_algo wrr", "lb_algo rr"), WEB.replace("10.9.0.1", "10.9.0.2"));
    daemon.configure(&other).unwrap();
    daemon.signal(Signal::HUP);
    director.await_table(
        &[
            "-A -t 10.9.0.1:80 -s rr",
            SECOND,
            &SERVICE.replace("10.9.0.1", "10.9.0.2"),
            &SECOND.replace("10.9.0.1", "10.9.0.2"),
        ],
        &daemon,
    );
    daemon.configure(WEB).unwrap();
    daemon.signal(Signal::HUP);
    director.await_table(&[SERVICE, SECOND], &daemon);
}

/// Nor does a worker that dies after it: what it found is known by the checks as they are now.
#[test]
fn a_reload_of_other_timings_brings_no_dead_server_back() {
    let test = "a_reload_of_other_timings_brings_no_dead_server_back";
    let Some(director) = Director::new(test) else { return };
    director.host.write_script("/run/tell", "echo \"$@\" >>/run/told").unwrap();
    let configuration = |timings: &str| {
        let scripts = "notify_up \"/run/tell up\"\n notify_down \"/run/tell down\"";
        let service =
            WEB.replace("delay_loop 1", timings).replace("weight 3", &format!("weight 3\n {scripts}"));
        format!("global_defs {{\n script_user root\n enable_script_security\n}}\n{service}")
    };
    let told = || director.host.read("/run/told").unwrap_or_default();
    let _second = director.nginx("127.0.0.1:8082");
    let daemon = director.start(&configuration("delay_loop 1"));
    director.await_table(&[SERVICE, SECOND], &daemon);
    assert!(wait::until(LIMIT, || told() == "down\n"), "{:?}\n{}", told(), daemon.log_tail());
    the_table_stays(&director, || {
        let timings = "delay_loop 3600\n delay_before_retry 2\n connect_timeout 4";
        reload(&director, &daemon, &configuration(timings));
        let before = worker(&director, &daemon).unwrap();
        director.run(&["kill", "-9", &before]);
        another_worker(&director, &daemon, Some(&before));
    });
    reload(&director, &daemon, &configuration("delay_loop 1"));
    let _first = director.nginx("127.0.0.1:8081");
    director.await_table(&[SERVICE, FIRST, SECOND], &daemon);
    assert!(wait::until(LIMIT, || told() == "down\nup\n"), "{:?}\n{}", told(), daemon.log_tail());
}

#[test]
fn what_another_program_changes_is_set_right() {
    let Some(director) = Director::new("what_another_program_changes_is_set_right") else { return };
    let _second = director.nginx("127.0.0.1:8082");
    let daemon = director.start(WEB);
    director.await_table(&[SERVICE, SECOND], &daemon);
    director.run(&["ipvsadm", "-d", "-t", "10.9.0.1:80", "-r", "127.0.0.1:8082"]);
    director.await_table(&[SERVICE, SECOND], &daemon);
    assert!(
        daemon.logged("another program removed the server 127.0.0.1:8082", LIMIT),
        "{}",
        daemon.log_tail()
    );
}
