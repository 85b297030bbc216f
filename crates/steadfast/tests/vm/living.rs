//! What a daemon with virtual servers does from its start to its stop.

use std::time::Duration;

use steadfast_lab::{Signal, wait};

use super::director::{Director, LIMIT};
use super::operating::ask;

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

#[test]
fn the_death_of_the_worker_changes_nothing_in_the_kernel() {
    let Some(director) = Director::new("the_death_of_the_worker_changes_nothing_in_the_kernel") else {
        return;
    };
    let _second = director.nginx("127.0.0.1:8082");
    let daemon = director.start(WEB);
    director.await_table(&[SERVICE, SECOND], &daemon);
    // Counters of the kernel begin anew with an entry that is made anew.
    let pid_file = format!("{}/c.pid", daemon.folder());
    let worker = || director.host.read(&pid_file).ok().map(|text| text.trim().to_owned());
    let before = wait::value(LIMIT, worker).unwrap();
    director.run(&["kill", "-9", &before]);
    let successor = wait::value(LIMIT, || worker().filter(|pid| *pid != before && !pid.is_empty()));
    assert!(successor.is_some(), "{}", daemon.log_tail());
    // It has asked the servers again, and found the dead one as dead as it was.
    std::thread::scope(|scope| {
        let watch =
            scope.spawn(|| wait::until(Duration::from_secs(5), || director.table() != [SERVICE, SECOND]));
        assert!(!watch.join().unwrap(), "{:?}\n{}", director.table(), daemon.log_tail());
    });
}

#[test]
fn an_upgrade_changes_nothing_in_the_kernel() {
    let Some(director) = Director::new("an_upgrade_changes_nothing_in_the_kernel") else { return };
    let second = director.nginx("127.0.0.1:8082");
    let daemon = director.start(WEB);
    director.await_table(&[SERVICE, SECOND], &daemon);
    let worker = || director.host.read(&format!("{}/c.pid", daemon.folder())).ok();
    let before = wait::value(LIMIT, worker);
    std::thread::scope(|scope| {
        let watch =
            scope.spawn(|| wait::until(Duration::from_secs(5), || director.table() != [SERVICE, SECOND]));
        let (told, status) = ask(&director, &daemon, &["upgrade"]);
        assert_eq!(status, Some(0), "{told}");
        assert!(!watch.join().unwrap(), "{:?}\n{}", director.table(), daemon.log_tail());
    });
    let another = |pid: &String| !pid.is_empty() && Some(pid) != before.as_ref();
    assert!(wait::value(LIMIT, || worker().filter(another)).is_some(), "{}", daemon.log_tail());
    // The successor looks after the servers.
    let _first = director.nginx("127.0.0.1:8081");
    director.await_table(&[SERVICE, FIRST, SECOND], &daemon);
    drop(second);
    director.await_table(&[SERVICE, FIRST], &daemon);
}

#[test]
fn the_death_of_the_supervisor_changes_nothing_in_the_kernel() {
    let Some(director) = Director::new("the_death_of_the_supervisor_changes_nothing_in_the_kernel") else {
        return;
    };
    let second = director.nginx("127.0.0.1:8082");
    let mut first = director.start(WEB);
    director.await_table(&[SERVICE, SECOND], &first);
    let pid_file = format!("{}/c.pid", first.folder());
    let worker = || director.host.read(&pid_file).ok();
    let before = wait::value(LIMIT, worker);
    let daemon = std::thread::scope(|scope| {
        let watch =
            scope.spawn(|| wait::until(Duration::from_secs(5), || director.table() != [SERVICE, SECOND]));
        first.signal(Signal::KILL);
        first.wait(LIMIT).unwrap();
        let daemon = director.start(WEB);
        assert!(!watch.join().unwrap(), "{:?}\n{}", director.table(), daemon.log_tail());
        daemon
    });
    let another = |pid: &String| !pid.is_empty() && Some(pid) != before.as_ref();
    assert!(wait::value(LIMIT, || worker().filter(another)).is_some(), "{}", daemon.log_tail());
    // The successor looks after the servers.
    let _first = director.nginx("127.0.0.1:8081");
    director.await_table(&[SERVICE, FIRST, SECOND], &daemon);
    drop(second);
    director.await_table(&[SERVICE, FIRST], &daemon);
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
