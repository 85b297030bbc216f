//! Real packets: those to the addresses and ports that are named get the mark, and no others.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::tests::run;
use super::*;
use crate::ipvs::Transport::{self, Tcp, Udp};
use crate::namespace::Network;
use crate::testbed::fresh_namespace::in_fresh_namespace;
use crate::testbed::{Wiring, switch_off_duplicate_address_detection};

/// How long an answer that comes at once may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// A table of the test's own, which the kernel asks after the one with the marks.
const WATCHED: &str = "inet watched";

/// A packet to be sent, and the mark that it is to have; 0 is none.
struct Probe {
    transport: Transport,
    to: SocketAddr,
    mark: u32,
}

impl Probe {
    fn new(transport: Transport, to: &str, mark: u32) -> Self {
        Self { transport, to: to.parse().unwrap(), mark }
    }

    /// Sends it, and waits for the answer that nobody listens: by then it has been seen.
    fn send(&self, client: &Network) {
        let refused = client.run(|| match self.transport {
            Tcp => TcpStream::connect_timeout(&self.to, LIMIT).map(drop),
            _ => {
                let any = if self.to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any).unwrap();
                socket.set_read_timeout(Some(LIMIT)).unwrap();
                socket.connect(self.to).unwrap();
                socket.send(b"?").unwrap();
                socket.recv(&mut [0; 8]).map(drop)
            }
        });
        let error = refused.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{}: {error}", self.to);
    }

    /// Counts packets to where it goes: all of them, and those with the mark.
    fn watch(&self, number: usize) {
        let protocol = if self.transport == Tcp { "tcp" } else { "udp" };
        let family = if self.to.is_ipv4() { "ip" } else { "ip6" };
        let (address, port) = (self.to.ip(), self.to.port());
        for (name, mark) in [("all", String::new()), ("right", format!("meta mark {} ", self.mark))] {
            run(&format!("nft add counter {WATCHED} {name}{number}"));
            run(&format!(
                "nft add rule {WATCHED} in {family} daddr {address} {protocol} dport {port} {mark}counter name {name}{number}"
            ));
        }
    }
}

fn count(name: &str, number: usize) -> u64 {
    let listed = run(&format!("nft list counter {WATCHED} {name}{number}"));
    let (_, behind) = listed.split_once("packets ").unwrap();
    behind.split_whitespace().next().unwrap().parse().unwrap()
}

/// A client whose way to the addresses that are balanced leads here, where all of them are local.
fn client() -> Network {
    let (here, client) = (Network::current().unwrap(), Network::anonymous().unwrap());
    Wiring::open(&here).unwrap().create_veth("eth0", "eth0", &client).unwrap();
    for (network, v4, v6) in
        [(&here, "198.18.0.1", "2001:db8:12::1"), (&client, "198.18.0.2", "2001:db8:12::2")]
    {
        switch_off_duplicate_address_detection(network).unwrap();
        let mut wiring = Wiring::open(network).unwrap();
        wiring.set_up("eth0").unwrap();
        wiring.assign("eth0", v4.parse().unwrap(), 24).unwrap();
        wiring.assign("eth0", v6.parse().unwrap(), 64).unwrap();
    }
    run("ip route add local 10.9.0.0/24 dev lo");
    run("ip -6 route add local 2001:db8:9::/64 dev lo");
    // An answer for each datagram (icmp(7), icmp_ratelimit).
    for limit in ["ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"] {
        std::fs::write(format!("/proc/sys/net/{limit}"), "0").unwrap();
    }
    client
        .run(|| {
            run("ip route add 10.9.0.0/24 via 198.18.0.1");
            run("ip -6 route add 2001:db8:9::/64 via 2001:db8:12::1");
        })
        .unwrap();
    client
}

#[test]
fn packets_to_what_is_named_are_marked_and_no_others() {
    in_fresh_namespace("packets_to_what_is_named_are_marked_and_no_others", || {
        let client = client();
        let style =
            Style { table: "keepalived_ipvs".to_owned(), priority: -1, counters: false, duplicate: false };
        let mut filters = Filters::over(style, crate::nftables::socket().unwrap());
        for (transport, first, last, port, mark) in [
            (Tcp, "10.9.0.10", "10.9.0.20", 80, 7),
            (Udp, "10.9.0.10", "10.9.0.10", 0, 8),
            (Tcp, "2001:db8:9::10", "2001:db8:9::20", 80, 9),
            (Udp, "2001:db8:9::10", "2001:db8:9::20", 53, 10),
        ] {
            let [first, last] = [first, last].map(|address| address.parse().unwrap());
            filters.wish(Element::Marked { transport, first, last, port, mark });
        }
        filters.settle(1);
        let probes = [
            Probe::new(Tcp, "10.9.0.10:80", 7),
            Probe::new(Tcp, "10.9.0.15:80", 7),
            Probe::new(Tcp, "10.9.0.20:80", 7),
            // Next to the range, another port, another protocol.
            Probe::new(Tcp, "10.9.0.9:80", 0),
            Probe::new(Tcp, "10.9.0.21:80", 0),
            Probe::new(Tcp, "10.9.0.10:79", 0),
            Probe::new(Tcp, "10.9.0.10:81", 0),
            Probe::new(Udp, "10.9.0.15:80", 0),
            // Every port of one address.
            Probe::new(Udp, "10.9.0.10:1", 8),
            Probe::new(Udp, "10.9.0.10:80", 8),
            Probe::new(Udp, "10.9.0.10:65535", 8),
            Probe::new(Udp, "10.9.0.9:1", 0),
            Probe::new(Udp, "10.9.0.11:1", 0),
            Probe::new(Tcp, "[2001:db8:9::10]:80", 9),
            Probe::new(Tcp, "[2001:db8:9::20]:80", 9),
            Probe::new(Tcp, "[2001:db8:9::f]:80", 0),
            Probe::new(Tcp, "[2001:db8:9::21]:80", 0),
            Probe::new(Tcp, "[2001:db8:9::10]:53", 0),
            Probe::new(Udp, "[2001:db8:9::1f]:53", 10),
            Probe::new(Udp, "[2001:db8:9::1f]:54", 0),
            Probe::new(Udp, "[2001:db8:9::21]:53", 0),
            Probe::new(Udp, "[2001:db8:9::10]:80", 0),
        ];
        run(&format!("nft add table {WATCHED}"));
        run(&format!("nft add chain {WATCHED} in {{ type filter hook input priority 10 ; }}"));
        for (number, probe) in probes.iter().enumerate() {
            probe.watch(number);
            probe.send(&client);
            let [all, right] = ["all", "right"].map(|name| count(name, number));
            assert!(
                all > 0 && right == all,
                "{} to {}: {right} of {all} have the mark {}",
                number,
                probe.to,
                probe.mark
            );
        }
        // Without the filters nothing is marked.
        filters.unwish_all();
        filters.settle(2);
        for (number, probe) in probes.iter().enumerate().filter(|(_, probe)| probe.mark > 0) {
            let before = ["all", "right"].map(|name| count(name, number));
            probe.send(&client);
            let after = ["all", "right"].map(|name| count(name, number));
            assert!(after[0] > before[0] && after[1] == before[1], "{}: {before:?}, {after:?}", probe.to);
        }
    });
}
