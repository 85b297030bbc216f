//! Every kind of entry, as it is told to the kernel, read back, and seen by ipvsadm.

use std::num::NonZeroU16;

use steadfast_kernel::ipvs::{
    Checksum, Command, Forwarding, Name, Outcome, Persistence, Refusal, SchedulerFlags, Server, Service,
    ServiceKey, SyncDaemon, SyncRole, Timeouts, Transport, Tunnel,
};
use steadfast_kernel::namespace::Network;
use steadfast_kernel::reconcile::ipvs::settle_sync_daemons;
use steadfast_kernel::testbed::Wiring;
use steadfast_wire::vrrp::Family;

use super::{at, saved, server, service, tcp, with_ipvs};

#[test]
fn the_kernel_says_what_it_is() {
    with_ipvs("the_kernel_says_what_it_is", |ipvs| {
        let information = ipvs.information().unwrap();
        assert!(information.version >= 0x01_02_01, "{information:?}");
        assert!(information.connection_table_size > 0, "{information:?}");
        assert_eq!(ipvs.services().unwrap(), []);
    });
}

fn services() -> Vec<(ServiceKey, Service, &'static str)> {
    let udp =
        ServiceKey::Address { transport: Transport::Udp, address: "10.0.0.1".parse().unwrap(), port: 53 };
    let sctp =
        ServiceKey::Address { transport: Transport::Sctp, address: "2001:db8::1".parse().unwrap(), port: 0 };
    let sticky = |seconds, prefix| Some(Persistence { seconds, prefix: Some(prefix), engine: None });
    vec![
        (
            tcp("10.0.0.1", 80),
            Service { scheduler_flags: SchedulerFlags::from_bits(3), ..service("mh") },
            "-A -t 10.0.0.1:80 -s mh -b mh-fallback,mh-port",
        ),
        (tcp("2001:db8::1", 443), service("wlc"), "-A -t [2001:db8::1]:443 -s wlc"),
        (udp, Service { one_packet: true, ..service("rr") }, "-A -u 10.0.0.1:53 -s rr -o"),
        (
            sctp,
            Service { persistence: sticky(360, 64), ..service("wrr") },
            "-A --sctp-service [2001:db8::1]:0 -s wrr -p 360 -M 64",
        ),
        (
            ServiceKey::Mark { family: Family::V4, mark: 7 },
            Service { persistence: sticky(50, 24), ..service("sh") },
            "-A -f 7 -s sh -p 50 -M 255.255.255.0",
        ),
        (ServiceKey::Mark { family: Family::V6, mark: 7 }, service("lc"), "-A -f 7 -6 -s lc"),
    ]
}

#[test]
fn services_of_every_kind_are_made_and_read() {
    with_ipvs("services_of_every_kind_are_made_and_read", |ipvs| {
        let services = services();
        let commands: Vec<_> =
            services.iter().map(|(key, service, _)| Command::AddService(*key, service.clone())).collect();
        assert_eq!(ipvs.send(&commands).unwrap(), vec![Outcome::Done; commands.len()]);

        let listed = ipvs.services().unwrap();
        assert_eq!(listed.len(), services.len());
        let saved = saved();
        for (key, service, line) in services {
            let read = ipvs.service(key).unwrap().unwrap();
            assert_eq!((read.key, &read.service), (key, &service));
            assert!(listed.contains(&read), "{key}");
            assert!(saved.contains(&line.to_owned()), "{line}: {saved:#?}");
            assert_eq!(ipvs.send(&[Command::DeleteService(key)]).unwrap(), [Outcome::Done]);
        }
        assert_eq!(ipvs.services().unwrap(), []);
    });
}

#[test]
fn everything_of_a_service_can_be_switched_off_again() {
    with_ipvs("everything_of_a_service_can_be_switched_off_again", |ipvs| {
        let key =
            ServiceKey::Address { transport: Transport::Udp, address: "10.0.0.1".parse().unwrap(), port: 53 };
        let everything = Service {
            scheduler: Name::new("mh").unwrap(),
            scheduler_flags: SchedulerFlags::from_bits(7),
            one_packet: true,
            persistence: Some(Persistence { seconds: 9, prefix: Some(8), engine: Name::new("sip") }),
        };
        for wanted in [everything, service("rr")] {
            let change = match ipvs.service(key).unwrap() {
                None => Command::AddService(key, wanted.clone()),
                Some(_) => Command::SetService(key, wanted.clone()),
            };
            assert_eq!(ipvs.send(&[change]).unwrap(), [Outcome::Done]);
            assert_eq!(ipvs.service(key).unwrap().unwrap().service, wanted);
        }
    });
}

#[test]
fn servers_of_every_kind_are_made_and_read() {
    with_ipvs("servers_of_every_kind_are_made_and_read", |ipvs| {
        let (v4, v6) = (tcp("10.0.0.1", 80), tcp("2001:db8::1", 80));
        ipvs.send(&[Command::AddService(v4, service("rr")), Command::AddService(v6, service("rr"))]).unwrap();
        let port = NonZeroU16::new(6080).unwrap();
        let gue = Tunnel::Gue { port, checksum: Checksum::Remote };
        let gre = Tunnel::Gre { checksum: Checksum::Computed };
        let bounded = Server { upper_threshold: 500, lower_threshold: 400, ..server(0) };
        let by = |forwarding| Server { forwarding, ..server(3) };
        let servers = [
            (v4, at("192.0.2.1", 8080), bounded, "-a -t 10.0.0.1:80 -r 192.0.2.1:8080 -m -w 0"),
            (v4, at("192.0.2.2", 80), by(Forwarding::Direct), "-a -t 10.0.0.1:80 -r 192.0.2.2:80 -g -w 3"),
            (
                v4,
                at("192.0.2.3", 80),
                by(Forwarding::Tunnel(gue)),
                "-a -t 10.0.0.1:80 -r 192.0.2.3:80 -i -w 3 --tun-type gue --tun-port 6080 --tun-remcsum",
            ),
            (
                v4,
                at("192.0.2.4", 80),
                by(Forwarding::Tunnel(gre)),
                "-a -t 10.0.0.1:80 -r 192.0.2.4:80 -i -w 3 --tun-type gre --tun-csum",
            ),
            (
                v4,
                at("2001:db8::9", 80),
                by(Forwarding::Tunnel(Tunnel::Ipip)),
                "-a -t 10.0.0.1:80 -r [2001:db8::9]:80 -i -w 3 --tun-type ipip",
            ),
            (v6, at("2001:db8::2", 80), server(1), "-a -t [2001:db8::1]:80 -r [2001:db8::2]:80 -m -w 1"),
        ];
        let commands: Vec<_> = servers
            .iter()
            .map(|(key, server_key, server, _)| Command::AddServer(*key, *server_key, *server))
            .collect();
        assert_eq!(ipvs.send(&commands).unwrap(), vec![Outcome::Done; commands.len()]);
        let saved = saved();
        for (key, server_key, server, line) in servers {
            let listed = ipvs.servers(key).unwrap();
            let read = listed.iter().find(|listed| listed.key == server_key).unwrap();
            assert_eq!(read.server, server, "{server_key}");
            assert!(saved.iter().any(|saved| saved.starts_with(line)), "{line}: {saved:#?}");
        }
    });
}

#[test]
fn refusals_are_told_apart() {
    with_ipvs("refusals_are_told_apart", |ipvs| {
        let (key, absent) = (tcp("10.0.0.1", 80), tcp("10.0.0.2", 80));
        let first = at("192.0.2.1", 80);
        let range = Server { upper_threshold: 1, lower_threshold: 2, ..server(1) };
        let refused = Outcome::Refused;
        let cases = [
            (Command::AddService(key, service("rr")), Outcome::Done),
            (Command::AddService(key, service("rr")), refused(Refusal::AlreadyThere)),
            (Command::AddService(absent, service("nosuch")), refused(Refusal::SchedulerMissing)),
            (Command::SetService(key, service("nosuch")), refused(Refusal::SchedulerMissing)),
            (Command::SetService(absent, service("rr")), refused(Refusal::ServiceMissing)),
            (Command::DeleteService(absent), refused(Refusal::ServiceMissing)),
            (Command::AddServer(absent, first, server(1)), refused(Refusal::ServiceMissing)),
            (Command::SetServer(key, first, server(1)), refused(Refusal::ServerMissing)),
            (Command::DeleteServer(key, first), refused(Refusal::ServerMissing)),
            (Command::AddServer(key, first, range), refused(Refusal::OutOfRange)),
            (Command::AddServer(key, first, server(u32::MAX)), refused(Refusal::OutOfRange)),
            (Command::AddServer(key, at("224.0.0.1", 80), server(1)), refused(Refusal::Invalid)),
            (Command::AddServer(key, first, server(1)), Outcome::Done),
            (Command::AddServer(key, first, server(1)), refused(Refusal::AlreadyThere)),
        ];
        let (commands, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
        let outcomes = ipvs.send(&commands).unwrap();
        for ((command, outcome), expected) in commands.iter().zip(outcomes).zip(expected) {
            assert_eq!(outcome, expected, "cannot {command}");
        }
        assert_eq!(ipvs.servers(absent).unwrap(), []);
        assert_eq!(ipvs.service(absent).unwrap(), None);
    });
}

#[test]
fn timeouts_counters_and_the_whole_table_are_set() {
    with_ipvs("timeouts_counters_and_the_whole_table_are_set", |ipvs| {
        let before = ipvs.timeouts().unwrap();
        ipvs.set_timeouts(Timeouts { tcp_seconds: 0, tcp_fin_seconds: 17, udp_seconds: 33 }).unwrap();
        let expected = Timeouts { tcp_fin_seconds: 17, udp_seconds: 33, ..before };
        assert_eq!(ipvs.timeouts().unwrap(), expected);
        let key = tcp("10.0.0.1", 80);
        ipvs.send(&[Command::AddService(key, service("rr"))]).unwrap();
        ipvs.zero(None).unwrap();
        ipvs.zero(Some(key)).unwrap();
        assert!(ipvs.zero(Some(tcp("10.0.0.9", 80))).is_err());
        ipvs.flush().unwrap();
        assert_eq!(ipvs.services().unwrap(), []);
    });
}

#[test]
fn sync_daemons_are_those_that_are_wanted() {
    with_ipvs("sync_daemons_are_those_that_are_wanted", |ipvs| {
        // The loopback speaks no multicast.
        let mut wiring = Wiring::open(&Network::current().unwrap()).unwrap();
        wiring.create_bridge("lan").unwrap();
        let daemon = |role, id| SyncDaemon {
            role,
            interface: "lan".to_owned(),
            id,
            message_bytes: None,
            group: None,
            port: None,
            hops: None,
        };
        let (master, backup) = (daemon(SyncRole::Master, 5), daemon(SyncRole::Backup, 5));
        let running = |ipvs: &mut steadfast_kernel::ipvs::Ipvs| -> Vec<(SyncRole, u8)> {
            ipvs.sync_daemons().unwrap().into_iter().map(|daemon| (daemon.role, daemon.id)).collect()
        };
        assert_eq!(settle_sync_daemons(ipvs, &[master.clone(), backup.clone()]).unwrap(), []);
        assert_eq!(running(ipvs), [(SyncRole::Master, 5), (SyncRole::Backup, 5)]);
        let other = daemon(SyncRole::Master, 6);
        assert_eq!(settle_sync_daemons(ipvs, std::slice::from_ref(&other)).unwrap(), []);
        assert_eq!(running(ipvs), [(SyncRole::Master, 6)]);
        let nowhere = SyncDaemon { interface: "nowhere".to_owned(), ..backup };
        let failures = settle_sync_daemons(ipvs, &[other, nowhere]).unwrap();
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert_eq!(settle_sync_daemons(ipvs, &[]).unwrap(), []);
        assert_eq!(running(ipvs), []);
    });
}
