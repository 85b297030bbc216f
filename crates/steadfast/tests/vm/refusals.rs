//! What the kernel refuses, and what others do in the table: told by name, and tried again.

use std::process::Command;

use steadfast_control::status::Status;
use steadfast_lab::{Daemon, Signal, wait};

use super::director::{Director, LIMIT};
use super::operating::ask;

/// Two servers that nobody asks how they are.
fn service(address: &str, scheduler: &str) -> String {
    format!(
        "virtual_server {address} 80 {{
           lb_algo {scheduler}
           lb_kind NAT
           protocol TCP
           real_server 127.0.0.1 8081 {{
             weight 5
           }}
           real_server 127.0.0.1 8082 {{
             weight 5
           }}
         }}\n"
    )
}

/// As ipvsadm saves it.
fn table(address: &str, scheduler: &str) -> [String; 3] {
    [
        format!("-A -t {address}:80 -s {scheduler}"),
        format!("-a -t {address}:80 -r 127.0.0.1:8081 -m -w 5"),
        format!("-a -t {address}:80 -r 127.0.0.1:8082 -m -w 5"),
    ]
}

fn await_table(director: &Director, lines: &[[String; 3]], daemon: &Daemon) {
    let lines: Vec<&str> = lines.iter().flatten().map(String::as_str).collect();
    director.await_table(&lines, daemon);
}

fn await_log(daemon: &Daemon, sentence: &str) {
    assert!(daemon.logged(sentence, LIMIT), "{sentence}\n{}", daemon.log_tail());
}

/// A module of the kernel that is not found while this exists.
struct Hidden(String);

impl Hidden {
    fn module(name: &str) -> Self {
        let _ = Command::new("rmmod").arg(name).status();
        let found = Command::new("modinfo").args(["-n", name]).output().unwrap();
        let hidden = Self(String::from_utf8(found.stdout).unwrap().trim().to_owned());
        std::fs::rename(&hidden.0, hidden.aside()).unwrap();
        hidden
    }

    fn aside(&self) -> String {
        format!("{}.aside", self.0)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        std::fs::rename(self.aside(), &self.0).unwrap();
    }
}

#[test]
fn a_scheduler_that_the_kernel_lacks_is_named_until_it_is_there() {
    let Some(director) = Director::new("a_scheduler_that_the_kernel_lacks_is_named_until_it_is_there") else {
        return;
    };
    let module = Hidden::module("ip_vs_ovf");
    let (good, bad) = ("10.9.0.1", "10.9.0.2");
    let daemon = director.start(&[service(good, "rr"), service(bad, "ovf")].concat());
    // The other service is there all the same.
    await_table(&director, &[table(good, "rr")], &daemon);
    let refusal = "cannot add the service tcp 10.9.0.2:80: the kernel has no such scheduler";
    await_log(&daemon, refusal);
    let refused = || {
        let status: Status = serde_json::from_str(&ask(&director, &daemon, &["status", "--json"]).0).unwrap();
        status.services.into_iter().map(|service| service.refused).collect::<Vec<_>>()
    };
    let of_second = || matches!(&refused()[..], [None, Some(reason)] if reason.starts_with(refusal));
    assert!(wait::until(LIMIT, of_second), "{:?}", refused());
    let (shown, code) = ask(&director, &daemon, &["status", "--check"]);
    assert!(code == Some(2) && shown.contains(refusal), "{shown}");
    drop(module);
    await_table(&director, &[table(good, "rr"), table(bad, "ovf")], &daemon);
    await_log(&daemon, "the kernel takes the service tcp 10.9.0.2:80 after all");
    assert!(wait::until(LIMIT, || refused() == [None, None]), "{:?}", refused());
    assert_eq!(daemon.log().matches(refusal).count(), 1, "{}", daemon.log_tail());
}

#[test]
fn a_service_that_somebody_else_made_is_taken_over_by_name() {
    let Some(director) = Director::new("a_service_that_somebody_else_made_is_taken_over_by_name") else {
        return;
    };
    let (early, late, foreign) = ("10.9.0.1", "10.9.0.2", "10.9.0.3");
    let make = |address: &str| {
        let socket = format!("{address}:80");
        director.run(&["ipvsadm", "-A", "-t", &socket, "-s", "lc"]);
        director.run(&["ipvsadm", "-a", "-t", &socket, "-r", "127.0.0.9:80", "-m"]);
    };
    [early, foreign].into_iter().for_each(make);
    let daemon = director.start(&service(early, "rr"));
    let taken = |address: &str| {
        format!("another program or an earlier run made the service tcp {address}:80: it is taken over")
    };
    await_log(&daemon, &taken(early));
    make(late);
    daemon.configure(&[service(early, "rr"), service(late, "rr")].concat()).unwrap();
    daemon.signal(Signal::HUP);
    await_log(&daemon, &taken(late));
    let [first, second] = [early, late].map(|address| table(address, "rr"));
    let mut whole: Vec<&str> = first.iter().chain(&second).map(String::as_str).collect();
    // What nobody here wants stays whose it is.
    whole.extend(["-A -t 10.9.0.3:80 -s lc", "-a -t 10.9.0.3:80 -r 127.0.0.9:80 -m -w 1"]);
    director.await_table(&whole, &daemon);
    assert!(!daemon.log().contains(&taken(foreign)), "{}", daemon.log_tail());
}

#[test]
fn what_somebody_took_away_is_missed_at_the_next_change() {
    let Some(director) = Director::new("what_somebody_took_away_is_missed_at_the_next_change") else {
        return;
    };
    let address = "10.9.0.1";
    let daemon = director.start(&service(address, "rr"));
    await_table(&director, &[table(address, "rr")], &daemon);
    let weigh = |server: &str, weight: &str| {
        // A busy worker confirms late, which is an error for who asked; the table shows whether it did it.
        let _ = ask(&director, &daemon, &["weight", server, weight]);
    };
    let whole = |weight: u8| {
        let mut lines = table(address, "rr");
        lines[2] = lines[2].replace("-w 5", &format!("-w {weight}"));
        [lines]
    };
    director.run(&["ipvsadm", "-D", "-t", "10.9.0.1:80"]);
    weigh("127.0.0.1:8082", "7");
    await_table(&director, &whole(7), &daemon);
    await_log(&daemon, "another program removed the service tcp 10.9.0.1:80: it is put back");
    director.run(&["ipvsadm", "-d", "-t", "10.9.0.1:80", "-r", "127.0.0.1:8082"]);
    weigh("127.0.0.1:8082", "9");
    await_table(&director, &whole(9), &daemon);
    await_log(&daemon, "another program removed the server 127.0.0.1:8082 of the service tcp 10.9.0.1:80");
}
