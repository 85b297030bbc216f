//! Flows of UDP, which no end of a connection ends.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use steadfast_lab::{Daemon, Host, Program, Segment, Signal, wait};

use super::director::{Director, LIMIT, balances};
use super::neighbours::acquaint;

/// What clients ask.
const SERVICE: &str = "10.0.9.1:5353";

/// Hosts of a segment are numbered in the order in which they are plugged in.
const CLIENT: &str = "10.0.0.1";
const DIRECTOR: &str = "10.0.0.2";
const SERVERS: [&str; 2] = ["10.0.0.3", "10.0.0.4"];

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A server that says its name to whoever asks, behind the question, unless it is dead.
struct Server {
    dead: Arc<AtomicBool>,
}

impl Server {
    fn serve(host: &Host) -> Self {
        let socket = host.network().run(|| UdpSocket::bind("0.0.0.0:5353")).unwrap().unwrap();
        let server = Self { dead: Arc::default() };
        let (dead, name) = (Arc::clone(&server.dead), host.name().to_owned());
        thread::spawn(move || {
            let mut question = [0; 64];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                if !dead.load(Ordering::Relaxed) {
                    let _ = socket.send_to(&[&question[..length], name.as_bytes()].concat(), from);
                }
            }
        });
        server
    }

    fn die(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    fn revive(&self) {
        self.dead.store(false, Ordering::Relaxed);
    }
}

/// Who answers the next datagram of a flow, if anybody. An answer that was late for the question before it is none.
fn ask(flow: &UdpSocket) -> Option<String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let question = NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    flow.send(&question).unwrap();
    let mut answer = [0; 64];
    loop {
        match flow.recv(&mut answer) {
            Ok(length) => {
                if let Some(name) = answer[..length].strip_prefix(&question) {
                    return Some(String::from_utf8_lossy(name).into_owned());
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return None,
            Err(error) => panic!("{error}"),
        }
    }
}

fn configuration(globals: &str) -> String {
    let servers: String = SERVERS
        .iter()
        .map(|server| {
            format!(
                "real_server {server} 5353 {{\n UDP_CHECK {{\n require_reply\n retry 0\n connect_timeout 3\n }}\n }}\n"
            )
        })
        .collect();
    format!(
        "global_defs {{\n {globals}\n }}\nvirtual_server 10.0.9.1 5353 {{\n delay_loop 1\n warmup 0\n lb_algo rr\n \
         lb_kind NAT\n protocol UDP\n {servers}}}\n"
    )
}

fn await_servers(director: &Director, servers: &[&str], daemon: &Daemon) {
    let lines = servers.iter().map(|server| format!("-a -u {SERVICE} -r {server}:5353 -m -w 1"));
    let lines: Vec<String> = std::iter::once(format!("-A -u {SERVICE} -s rr")).chain(lines).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    director.await_table(&lines, daemon);
}

#[test]
fn a_flow_leaves_a_dead_server_where_that_is_asked_for() {
    let test = "a_flow_leaves_a_dead_server_where_that_is_asked_for";
    let Some(program) = Program::steadfast(test).filter(|_| balances(test)) else { return };
    let segment = Segment::new().unwrap();
    let client = segment.host("client").unwrap();
    let director = Director { host: segment.host("director").unwrap(), program };
    let hosts = ["first", "second"].map(|name| segment.host(name).unwrap());
    director.run(&["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    director.host.assign("eth0", IpAddr::from([10, 0, 9, 1]), 32).unwrap();
    for host in &hosts {
        assert!(
            host.run(&["sysctl", "-qw", "net.ipv4.conf.all.accept_redirects=0"]).unwrap().status.success()
        );
        let route = host.run(&["ip", "route", "add", CLIENT, "via", DIRECTOR]).unwrap();
        assert!(route.status.success(), "{}", route.output);
    }
    director.run(&[
        "sysctl",
        "-qw",
        "net.ipv4.conf.all.send_redirects=0",
        "net.ipv4.conf.eth0.send_redirects=0",
    ]);
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let service = IpAddr::from([10, 0, 9, 1]);
    let owners = [
        (address(CLIENT), &client),
        (address(DIRECTOR), &director.host),
        (service, &director.host),
        (address(SERVERS[0]), &hosts[0]),
        (address(SERVERS[1]), &hosts[1]),
    ];
    acquaint(&[&client, &director.host, &hosts[0], &hosts[1]], &owners);
    let servers = hosts.each_ref().map(|host| Server::serve(host));
    let daemon = director.start(&configuration(""));
    await_servers(&director, &SERVERS, &daemon);

    let flow = client.network().run(|| UdpSocket::bind((CLIENT, 0))).unwrap().unwrap();
    flow.connect(SERVICE.parse::<SocketAddr>().unwrap()).unwrap();
    flow.set_read_timeout(Some(PATIENCE)).unwrap();
    let by = |name: &str| usize::from(name == "second");
    let first = by(&wait::value(LIMIT, || ask(&flow)).unwrap());
    let second = 1 - first;

    // Left to itself the kernel sends the flow to a server that it does not have any more.
    servers[first].die();
    await_servers(&director, &[SERVERS[second]], &daemon);
    for _ in 0..3 {
        assert_eq!(ask(&flow), None);
    }
    daemon.configure(&configuration("lvs_expire_nodest_conn")).unwrap();
    daemon.signal(Signal::HUP);
    let moved = wait::until(LIMIT, || ask(&flow).is_some_and(|name| by(&name) == second));
    assert!(moved, "{}", daemon.log_tail());

    // From then on at once.
    servers[first].revive();
    await_servers(&director, &SERVERS, &daemon);
    servers[second].die();
    await_servers(&director, &[SERVERS[first]], &daemon);
    let moved = wait::until(PATIENCE * 4, || ask(&flow).is_some_and(|name| by(&name) == first));
    assert!(moved, "{}", daemon.log_tail());
    assert!(!daemon.log().contains("lvs_expire_nodest_conn:"), "{}", daemon.log_tail());
}
