//! The table in one network namespace, the servers as another sees them.

use steadfast_lab::wait;

use super::director::{Director, LIMIT};

/// The server listens where the daemon lives, and nowhere else.
const WEB: &str = "
net_namespace_ipvs front
virtual_server 10.9.0.1 80 {
  delay_loop 1
  lb_algo rr
  lb_kind NAT
  protocol TCP
  warmup 0
  real_server 127.0.0.1 8082 {
    TCP_CHECK {
      connect_timeout 5
      retry 0
    }
  }
}
";

const SERVICE: &str = "-A -t 10.9.0.1:80 -s rr";
const SERVER: &str = "-a -t 10.9.0.1:80 -r 127.0.0.1:8082 -m -w 1";
const INSIDE: [&str; 4] = ["ip", "netns", "exec", "front"];

fn inside(director: &Director, words: &[&str]) -> String {
    director.run(&[&INSIDE, words].concat())
}

fn table_inside(director: &Director) -> Vec<String> {
    let saved = inside(director, &["ipvsadm", "-Sn"]);
    saved.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn the_table_lies_in_the_namespace_of_net_namespace_ipvs_and_probes_leave_from_the_daemons_own() {
    let name = "the_table_lies_in_the_namespace_of_net_namespace_ipvs_and_probes_leave_from_the_daemons_own";
    let Some(director) = Director::new(name) else { return };
    director.run(&["ip", "netns", "add", "front"]);
    inside(&director, &["ip", "link", "set", "lo", "up"]);
    let server = director.nginx("127.0.0.1:8082");
    let mut daemon = director.start(WEB);
    let reaches = |expected: &[&str]| {
        let reached = wait::until(LIMIT, || table_inside(&director) == expected);
        assert!(reached, "{:?}\n{}", table_inside(&director), daemon.log_tail());
    };
    reaches(&[SERVICE, SERVER]);
    assert!(director.table().is_empty(), "{:?}", director.table());
    drop(server);
    reaches(&[SERVICE]);
    let _server = director.nginx("127.0.0.1:8082");
    reaches(&[SERVICE, SERVER]);

    // A successor finds the table, too, and looks after it.
    let pid_file = format!("{}/c.pid", daemon.folder());
    let worker = || director.host.read(&pid_file).ok().map(|text| text.trim().to_owned());
    let before = wait::value(LIMIT, worker).unwrap();
    director.run(&["kill", "-9", &before]);
    let successor = wait::value(LIMIT, || worker().filter(|pid| *pid != before && !pid.is_empty()));
    assert!(successor.is_some(), "{}", daemon.log_tail());
    inside(&director, &["ipvsadm", "-d", "-t", "10.9.0.1:80", "-r", "127.0.0.1:8082"]);
    reaches(&[SERVICE, SERVER]);
    assert_eq!(daemon.stop(LIMIT).unwrap().code(), Some(0));
    assert!(table_inside(&director).is_empty(), "{:?}", table_inside(&director));
}

#[test]
fn without_a_name_it_is_the_namespace_that_the_machine_started_with() {
    let name = "without_a_name_it_is_the_namespace_that_the_machine_started_with";
    let Some(director) = Director::new(name) else { return };
    director.run(&["ip", "netns", "add", "back"]);
    director.run(&["ip", "netns", "exec", "back", "ip", "link", "set", "lo", "up"]);
    let text = WEB.replace("net_namespace_ipvs front", "net_namespace back\nnet_namespace_ipvs");
    // Nothing listens in there.
    let _server = director.nginx("127.0.0.1:8082");
    let mut daemon = director.start(&text);
    director.await_table(&[SERVICE], &daemon);
    assert_eq!(daemon.stop(LIMIT).unwrap().code(), Some(0));
    assert!(director.table().is_empty(), "{:?}", director.table());
}

#[test]
fn a_namespace_that_is_missing_is_named_before_anything_runs() {
    let Some(director) = Director::new("a_namespace_that_is_missing_is_named_before_anything_runs") else {
        return;
    };
    let mut daemon = director.start(WEB);
    assert_eq!(daemon.wait(LIMIT).unwrap().code(), Some(1), "{}", daemon.log_tail());
    let log = daemon.log();
    assert!(log.contains("net_namespace_ipvs front: cannot open a network namespace"), "{log}");
}
