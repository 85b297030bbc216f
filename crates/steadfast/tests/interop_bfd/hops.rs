//! Sessions over several hops (RFC 5883), with a router in between.

use std::net::IpAddr;
use std::sync::Arc;

use steadfast_lab::frr::Bfd;
use steadfast_lab::{Host, Program, Segment, Signal, permission, wait};

use crate::{LIMIT, Pair, TIMERS, await_state, comes_goes_and_comes_back, echo, instance, sessions};

/// Our addresses, and the peer's behind the router, which has the last of each network.
const OURS: [IpAddr; 2] = [ip4(1, 1), ip6(1, 1)];
const THEIRS: [IpAddr; 2] = [ip4(2, 1), ip6(2, 1)];
const PREFIX_LENGTHS: [u8; 2] = [24, 64];
const ROUTER: u8 = 254;

const fn ip4(network: u8, host: u8) -> IpAddr {
    IpAddr::V4(std::net::Ipv4Addr::new(10, 1, network, host))
}

const fn ip6(network: u16, host: u16) -> IpAddr {
    IpAddr::V6(std::net::Ipv6Addr::new(0xfd01, 0, 0, network, 0, 0, 0, host))
}

/// Two hosts on two segments, and the router between them.
struct Path {
    /// With the peer's segment.
    pair: Pair,
    _near: Segment,
    router: Arc<Host>,
}

impl Path {
    /// None, with a line that says so, where no lab is possible.
    fn set(test: &str) -> Option<Self> {
        let program = Program::steadfast(test).filter(|_| permission::lab_possible(test))?;
        let [near, far] = [(); 2].map(|()| Segment::new().unwrap());
        let [ours, router] = ["ours", "router"].map(|name| near.listener(name).unwrap());
        let theirs = far.listener("theirs").unwrap();
        far.plug(&router, "eth1").unwrap();
        for ((ours_of, theirs_of), length) in OURS.into_iter().zip(THEIRS).zip(PREFIX_LENGTHS) {
            ours.assign("eth0", ours_of, length).unwrap();
            theirs.assign("eth0", theirs_of, length).unwrap();
        }
        for (network, interface) in [(1, "eth0"), (2, "eth1")] {
            router.assign(interface, ip4(network, ROUTER), PREFIX_LENGTHS[0]).unwrap();
            router.assign(interface, ip6(network.into(), ROUTER.into()), PREFIX_LENGTHS[1]).unwrap();
        }
        for (host, network) in [(&ours, 1), (&theirs, 2)] {
            for gateway in [ip4(network, ROUTER), ip6(network.into(), ROUTER.into())] {
                let routed =
                    host.run(&["ip", "route", "add", "default", "via", &gateway.to_string()]).unwrap();
                assert!(routed.status.success(), "{gateway}: {}", routed.output);
            }
        }
        echo::forward(&router, true);
        let pair = Pair { segment: far, ours, theirs, program };
        Some(Self { pair, _near: near, router })
    }
}

/// `hoplimit` is that of the peer's packets, 64 with IPv6 where it is not said.
fn far_away(max_hops: u8) -> String {
    let session = |name: &str, at: usize| {
        let more = format!(" source_ip {}\n multihop\n hoplimit 255\n max_hops {max_hops}\n", OURS[at]);
        instance(name, THEIRS[at], &more)
    };
    session("four", 0) + &session("six", 1)
}

#[test]
fn with_frr_behind_a_router() {
    let test = "with_frr_behind_a_router";
    if !steadfast_lab::frr::Router::installed(test) {
        return;
    }
    let Some(path) = Path::set(test) else { return };
    let peers = OURS.iter().zip(THEIRS);
    let peers: String = peers
        .map(|(ours, theirs)| format!(" peer {ours} multihop local-address {theirs}\n{TIMERS}"))
        .collect();
    let _bfdd = Bfd::start(&path.pair.theirs, &peers).unwrap();

    // The router takes one from the hop limit of every packet.
    let daemon = path.pair.start(&far_away(0));
    let dropped = || {
        let sessions = sessions(&daemon);
        let too_far = |why: &String| why.contains("254");
        sessions.len() == 2 && sessions.iter().all(|one| one.dropped.as_ref().is_some_and(too_far))
    };
    assert!(wait::until(LIMIT, dropped), "{:#?}", sessions(&daemon));
    daemon.configure(&far_away(1)).unwrap();
    daemon.signal(Signal::HUP);
    comes_goes_and_comes_back(&path.pair, &daemon, 50);

    // Both cables are whole, and nothing is sent on.
    echo::forward(&path.router, false);
    let down = await_state(&daemon, "Down");
    assert!(down.iter().all(|one| one.diagnostic == "control detection time expired"), "{down:#?}");
    echo::forward(&path.router, true);
    await_state(&daemon, "Up");
}
