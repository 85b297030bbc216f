//! A service that several blocks of the file have: the kernel's one has the servers that any of them wants.

use steadfast_lab::{Signal, wait};

use super::director::{Director, LIMIT};
use super::operating::ask;

/// A block with servers on `127.0.0.1`, by port and weight; those of `failing` fail at once.
fn block(scheduler: &str, servers: &[(u16, u8)], failing: &[u16]) -> String {
    let server = |(port, weight): &(u16, u8)| {
        // Nobody listens at port 9.
        let check = if failing.contains(port) { "TCP_CHECK {\n connect_port 9\n retry 0\n}\n" } else { "" };
        format!("real_server 127.0.0.1 {port} {{\n weight {weight}\n{check}}}\n")
    };
    let servers: String = servers.iter().map(server).collect();
    format!(
        "virtual_server 10.9.0.1 80 {{\n lb_algo {scheduler}\n lb_kind NAT\n protocol TCP\n delay_loop 1\n warmup 0\n{servers}}}\n"
    )
}

fn table(scheduler: &str, servers: &[(u16, u8)]) -> Vec<String> {
    let mut lines = vec![format!("-A -t 10.9.0.1:80 -s {scheduler}")];
    let server = |(port, weight): &(u16, u8)| format!("-a -t 10.9.0.1:80 -r 127.0.0.1:{port} -m -w {weight}");
    lines.extend(servers.iter().map(server));
    lines
}

#[test]
fn a_service_that_stands_twice_keeps_what_either_block_wants() {
    let Some(director) = Director::new("a_service_that_stands_twice_keeps_what_either_block_wants") else {
        return;
    };
    let first = |failing: &[u16]| block("rr", &[(8081, 1), (8083, 3)], failing);
    let second = |failing: &[u16]| block("wlc", &[(8082, 2), (8083, 5)], failing);
    let daemon = director.start(&(first(&[]) + &second(&[])));
    let expect = |scheduler: &str, servers: &[(u16, u8)]| {
        let lines = table(scheduler, servers);
        director.await_table(&lines.iter().map(String::as_str).collect::<Vec<_>>(), &daemon);
    };
    let reload = |text: String| {
        daemon.configure(&text).unwrap();
        daemon.signal(Signal::HUP);
    };
    expect("rr", &[(8081, 1), (8082, 2), (8083, 3)]);
    // It fails for the first, then for both; what only one has goes with that.
    reload(first(&[8083]) + &second(&[]));
    expect("rr", &[(8081, 1), (8082, 2), (8083, 5)]);
    reload(first(&[8083]) + &second(&[8082, 8083]));
    expect("rr", &[(8081, 1)]);
    reload(first(&[]) + &second(&[8082, 8083]));
    expect("rr", &[(8081, 1), (8083, 3)]);
    // Either block may go, and the other has the service alone.
    reload(first(&[]));
    expect("rr", &[(8081, 1), (8083, 3)]);
    reload(first(&[]) + &second(&[]));
    expect("rr", &[(8081, 1), (8082, 2), (8083, 3)]);
    reload(second(&[]));
    expect("wlc", &[(8082, 2), (8083, 5)]);
    reload(second(&[]) + &first(&[]));
    expect("wlc", &[(8081, 1), (8082, 2), (8083, 5)]);
    // What an operator does with a server counts in both.
    // A busy worker confirms late, which is an error for who asked.
    let _ = ask(&director, &daemon, &["disable", "127.0.0.1:8083"]);
    expect("wlc", &[(8081, 1), (8082, 2)]);
    let _ = ask(&director, &daemon, &["enable", "127.0.0.1:8083"]);
    expect("wlc", &[(8081, 1), (8082, 2), (8083, 5)]);
    let shows = || ask(&director, &daemon, &["status", "10.9.0.1:80"]).0.contains("[10.9.0.1]:tcp:80 (2)");
    assert!(wait::until(LIMIT, shows), "{}", daemon.log_tail());
    daemon.signal(Signal::TERM);
    assert!(wait::until(LIMIT, || director.table().is_empty()), "{:?}", director.table());
}
