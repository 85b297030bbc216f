//! What is written is read again, and nothing that is read can do harm.

use proptest::prelude::*;

use super::*;
use crate::ipvs::{Command, encode};

fn any_address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::V4 => any::<Ipv4Addr>().prop_map(IpAddr::V4).boxed(),
        Family::V6 => any::<Ipv6Addr>().prop_map(IpAddr::V6).boxed(),
    }
}

fn any_family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

fn any_key() -> impl Strategy<Value = ServiceKey> {
    let transport = prop_oneof![Just(Transport::Tcp), Just(Transport::Udp), Just(Transport::Sctp)];
    let address = any_family().prop_flat_map(any_address);
    prop_oneof![
        (transport, address, any::<u16>()).prop_map(|(transport, address, port)| ServiceKey::Address {
            transport,
            address,
            port
        }),
        (any_family(), any::<u32>()).prop_map(|(family, mark)| ServiceKey::Mark { family, mark }),
    ]
}

fn any_name() -> impl Strategy<Value = Name> {
    "[a-z0-9_-]{1,15}".prop_map(|name| Name::new(&name).unwrap())
}

fn any_service(family: Family) -> impl Strategy<Value = Service> {
    let longest = if family == Family::V4 { 32_u8 } else { 128 };
    let persistence = (any::<u32>(), 0..=longest, proptest::option::of(any_name()))
        .prop_map(|(seconds, prefix, engine)| Persistence { seconds, prefix: Some(prefix), engine });
    (any_name(), 0..8_u8, any::<bool>(), proptest::option::of(persistence)).prop_map(
        |(scheduler, bits, one_packet, persistence)| Service {
            scheduler,
            scheduler_flags: SchedulerFlags::from_bits(bits),
            one_packet,
            persistence,
        },
    )
}

fn any_forwarding() -> impl Strategy<Value = Forwarding> {
    let checksum = || prop_oneof![Just(Checksum::None), Just(Checksum::Computed), Just(Checksum::Remote)];
    let gue = (any::<NonZeroU16>(), checksum()).prop_map(|(port, checksum)| Tunnel::Gue { port, checksum });
    let gre = checksum().prop_map(|checksum| Tunnel::Gre { checksum });
    prop_oneof![
        Just(Forwarding::Masquerade),
        Just(Forwarding::Direct),
        Just(Forwarding::Local),
        Just(Forwarding::Bypass),
        prop_oneof![Just(Tunnel::Ipip), gue, gre].prop_map(Forwarding::Tunnel),
    ]
}

fn any_server() -> impl Strategy<Value = (ServerKey, Server)> {
    let address = any_family().prop_flat_map(any_address);
    (address, any::<u16>(), any_forwarding(), any::<[u32; 3]>()).prop_map(
        |(address, port, forwarding, [weight, upper_threshold, lower_threshold])| {
            (ServerKey { address, port }, Server { forwarding, weight, upper_threshold, lower_threshold })
        },
    )
}

proptest! {
    /// The kernel answers with the attributes that it is asked with.
    #[test]
    fn services_are_read_as_they_are_written(
        (key, service) in any_key().prop_flat_map(|key| (Just(key), any_service(key.family()))),
    ) {
        let bytes = encode::change(&Command::AddService(key, service.clone()));
        let read = ListedService::read(&bytes).unwrap();
        prop_assert_eq!((read.key, read.service), (key, service));
    }

    #[test]
    fn servers_are_read_as_they_are_written(key in any_key(), (server_key, server) in any_server()) {
        let bytes = encode::change(&Command::AddServer(key, server_key, server));
        let read = ListedServer::read(&bytes, key.family()).unwrap();
        prop_assert_eq!((read.key, read.server), (server_key, server));
    }

    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = ListedService::read(&bytes);
        let _ = ListedServer::read(&bytes, Family::V6);
        let _ = SyncDaemon::read(&bytes);
        let _ = (Information::read(&bytes), Timeouts::read(&bytes));
    }

    /// Bytes that look like messages go deeper.
    #[test]
    fn no_spoilt_message_does_harm(
        (server_key, server) in any_server(),
        spoilt in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mark = ServiceKey::Mark { family: Family::V4, mark: 1 };
        let mut bytes = encode::change(&Command::AddServer(mark, server_key, server));
        for (place, octet) in spoilt {
            let place = place.index(bytes.len());
            bytes[place] = octet;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        let _ = ListedService::read(&bytes);
        let _ = ListedServer::read(&bytes, Family::V4);
    }
}

#[test]
fn a_sync_daemon_is_read_as_it_is_written() {
    let daemon = SyncDaemon {
        role: SyncRole::Backup,
        interface: "eth0".to_owned(),
        id: 7,
        message_bytes: Some(1400),
        group: Some("ff02::81".parse().unwrap()),
        port: Some(8849),
        hops: Some(3),
    };
    let read = SyncDaemon::read(&encode::start_daemon(&daemon)).unwrap();
    assert_eq!(read, daemon);
    assert!(read.satisfies(&SyncDaemon { message_bytes: None, port: None, ..daemon.clone() }));
    assert!(!read.satisfies(&SyncDaemon { id: 8, ..daemon }));
}

#[test]
fn a_mask_that_is_no_prefix_differs_from_every_prefix() {
    assert_eq!(prefix(Family::V4, [255, 0, 255, 0]), None);
    assert_eq!(prefix(Family::V4, [255, 255, 128, 0]), Some(17));
    assert_eq!(prefix(Family::V4, [0; 4]), Some(0));
}
