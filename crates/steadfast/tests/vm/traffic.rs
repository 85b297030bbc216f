//! Real connections through the table: a client, a director and two real servers on one segment.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use steadfast_lab::{Daemon, Host, Program, Segment};

use super::director::{Director, balances};
use super::neighbours::acquaint;
use super::nginx;
use super::running::Running;

/// What clients connect to. That of IPv6 is in no prefix of the segment: the kernel would take it for the source of tunnels,
/// as the address that has most in common with a server's (RFC 6724 section 5 rule 8).
const SERVICES: [&str; 2] = ["10.0.9.1", "fd09::1"];

/// Hosts of a segment are numbered in the order in which they are plugged in.
const CLIENT: [&str; 2] = ["10.0.0.1", "fd00::1"];
const DIRECTOR: [&str; 2] = ["10.0.0.2", "fd00::2"];
const SERVERS: [[&str; 2]; 2] = [["10.0.0.3", "fd00::3"], ["10.0.0.4", "fd00::4"]];

/// Connections of each test, a multiple of the sum of the weights.
const CONNECTIONS: usize = 40;

const PATIENCE: Duration = Duration::from_secs(10);

/// How long a check may take: a server that is only late would be missing from the count.
const CHECK_SECONDS: u8 = 30;

struct Lab {
    client: Arc<Host>,
    director: Director,
    servers: [Arc<Host>; 2],
    _segment: Segment,
    _nginx: [Running; 2],
}

impl Lab {
    fn new(program: Program) -> Self {
        let segment = Segment::new().unwrap();
        let client = segment.host("client").unwrap();
        let director = Director { host: segment.host("director").unwrap(), program };
        let servers = ["first", "second"].map(|name| segment.host(name).unwrap());
        let nginx = servers.each_ref().map(|host| {
            let answer = format!("listen 80; listen [::]:80; location / {{ return 200 {}; }}", host.name());
            nginx::start(host, "page", &format!("server {{ {answer} }}"))
        });
        for (family, (forwarding, service)) in
            ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"].iter().zip(SERVICES).enumerate()
        {
            director.run(&["sysctl", "-qw", forwarding]);
            director.host.assign("eth0", address(service), if family == 0 { 32 } else { 128 }).unwrap();
        }
        director.run(&[
            "sysctl",
            "-qw",
            "net.ipv4.conf.all.send_redirects=0",
            "net.ipv4.conf.eth0.send_redirects=0",
        ]);
        let route = client.run(&["ip", "route", "add", "fd09::/64", "dev", "eth0"]).unwrap();
        assert!(route.status.success(), "{}", route.output);
        acquaint_all(&client, &director.host, &servers);
        Self { client, director, servers, _segment: segment, _nginx: nginx }
    }

    fn hosts(&self) -> [&Arc<Host>; 4] {
        [&self.client, &self.director.host, &self.servers[0], &self.servers[1]]
    }

    fn on_servers(&self, words: &[&str]) {
        for server in &self.servers {
            let done = server.run(words).unwrap();
            assert!(done.status.success(), "{words:?}: {}", done.output);
        }
    }

    /// What servers send to the client goes through the director, or straight.
    fn return_through_director(&self, verb: &str) {
        // The director would tell them of the shorter way.
        self.on_servers(&["sysctl", "-qw", "net.ipv6.conf.eth0.accept_redirects=0"]);
        for (client, director) in CLIENT.iter().zip(DIRECTOR) {
            self.on_servers(&["ip", "route", verb, client, "via", director]);
        }
    }

    /// Servers take packets for the addresses of the services, and tell nobody that they have them.
    fn share_addresses(&self) {
        self.on_servers(&[
            "sysctl",
            "-qw",
            "net.ipv4.conf.all.arp_ignore=1",
            "net.ipv4.conf.all.arp_announce=2",
        ]);
        for server in &self.servers {
            for (service, bits) in SERVICES.iter().zip([32, 128]) {
                server.assign("lo", address(service), bits).unwrap();
            }
        }
    }

    fn open_tunnels(&self) {
        self.director.run(&["modprobe", "-a", "ipip", "ip6_tunnel"]);
        // The devices that come with the modules take the packets of every sender.
        for device in ["tunl0", "ip6tnl0"] {
            self.on_servers(&["ip", "link", "set", device, "up"]);
        }
        self.on_servers(&[
            "sysctl",
            "-qw",
            "net.ipv4.conf.all.rp_filter=0",
            "net.ipv4.conf.tunl0.rp_filter=0",
        ]);
    }

    fn balance(&self, method: &str) -> Daemon {
        let mut text = String::new();
        let mut expected = Vec::new();
        let flag = match method {
            "NAT" => "-m",
            "DR" => "-g",
            _ => "-i",
        };
        for (family, service) in SERVICES.iter().enumerate() {
            text.push_str(&format!(
                "virtual_server {service} 80 {{\n delay_loop 1\n warmup 0\n lb_algo wrr\n lb_kind {method}\n protocol TCP\n"
            ));
            let socket = SocketAddr::new(address(service), 80);
            expected.push(format!("-A -t {socket} -s wrr"));
            for (server, weight) in SERVERS.iter().zip([3, 1]) {
                let server = server[family];
                text.push_str(&format!(
                    " real_server {server} 80 {{\n weight {weight}\n TCP_CHECK {{\n connect_timeout {CHECK_SECONDS}\n }}\n }}\n"
                ));
                let tunnel = if method == "TUN" { " --tun-type ipip" } else { "" };
                let server = SocketAddr::new(address(server), 80);
                expected.push(format!("-a -t {socket} -r {server} {flag} -w {weight}{tunnel}"));
            }
            text.push_str("}\n");
        }
        let daemon = self.director.start(&text);
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        self.director.await_table(&expected, &daemon);
        daemon
    }

    /// What a failed test shows.
    fn state(&self) -> String {
        let mut told = [&["ipvsadm", "-Ln", "--stats"][..], &["ipvsadm", "-Lnc"]]
            .map(|words| self.director.run(words))
            .concat();
        for host in self.hosts() {
            told += &format!("--- {}\n", host.name());
            for words in [
                &["nstat", "-a"][..],
                &["ip", "neighbour"],
                &["ip", "-o", "address"],
                &["ip", "-4", "route"],
                &["ip", "-6", "route"],
                &["ip", "-s", "link"],
            ] {
                told += &host.run(words).unwrap().output;
            }
        }
        told
    }

    /// Who answered how many connections.
    fn connect(&self, service: &str) -> BTreeMap<String, usize> {
        let socket = SocketAddr::new(address(service), 80);
        let mut answers = BTreeMap::new();
        for _ in 0..CONNECTIONS {
            match self.client.network().run(|| ask(socket)).unwrap() {
                Ok(answer) => *answers.entry(answer).or_insert(0) += 1,
                Err(error) => {
                    // The others would take as long.
                    answers.insert(error.to_string(), 1);
                    break;
                }
            }
        }
        answers
    }
}

fn acquaint_all(client: &Arc<Host>, director: &Arc<Host>, servers: &[Arc<Host>; 2]) {
    let [first, second] = servers;
    let own = [(CLIENT, client), (DIRECTOR, director), (SERVERS[0], first), (SERVERS[1], second)];
    let all = own.into_iter().chain([(SERVICES, director)]);
    let addresses: Vec<_> = all.flat_map(|(both, owner)| both.map(|text| (address(text), owner))).collect();
    acquaint(&[client, director, first, second], &addresses);
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What the page says that is served there.
fn ask(socket: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&socket, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn connections_reach_servers_by_every_method_of_forwarding() {
    let test = "connections_reach_servers_by_every_method_of_forwarding";
    let Some(program) = Program::steadfast(test).filter(|_| balances(test)) else { return };
    let lab = Lab::new(program);
    let expected = BTreeMap::from([("first".to_owned(), 30), ("second".to_owned(), 10)]);
    for method in ["NAT", "DR", "TUN"] {
        match method {
            "NAT" => lab.return_through_director("add"),
            "DR" => {
                lab.return_through_director("del");
                lab.share_addresses();
            }
            _ => lab.open_tunnels(),
        }
        let mut daemon = lab.balance(method);
        for service in SERVICES {
            let answers = lab.connect(service);
            // The reason first: of what a failed test says often only the beginning is shown.
            assert!(
                answers == expected,
                "{method} to {service}: {answers:?}\n{}\n{}",
                daemon.log_tail(),
                lab.state()
            );
        }
        daemon.stop(super::director::LIMIT).unwrap();
        assert!(lab.director.table().is_empty());
    }
}
