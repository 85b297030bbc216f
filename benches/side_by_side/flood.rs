//! What adverts of a stranger, who claims the highest priority, cost a master, and whether it stays one.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use socket2::{Domain, Protocol, Socket, Type};
use steadfast_lab::capture::Capture;
use steadfast_lab::segment::address_v4;
use steadfast_lab::stalls::Stalls;
use steadfast_lab::{Host, Program, Segment, wait};
use steadfast_wire::ipv4::{PROTOCOL_AUTHENTICATION_HEADER, PROTOCOL_VRRP};
use steadfast_wire::vrrp::{
    AdvertInterval, Advertisement, Authentication, Centiseconds, Family, Form, HOP_LIMIT, Priority, Version,
    Vrid, pseudo_header,
};

use crate::configuration::{GLOBAL, address, router};
use crate::measure::{LIMIT, LOW, SETTLED_AFTER, Size, held, milliseconds, start_daemon};
use crate::table::Figure;
use crate::usage;

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Adverts a second, in bursts of a millisecond.
const RATE: u32 = 10_000;
const BURST: Duration = Duration::from_millis(1);
/// Hosts: the master, the stranger, and who is a peer, or looks on.
const MASTER: u8 = 1;
const STRANGER: u8 = 2;
const PEER: u8 = 3;
/// What version 3 has, and version 2 of the authentication header.
const INTERVAL: Duration = Duration::from_millis(100);
const INTERVAL_V2: Duration = Duration::from_secs(1);

/// What is wrong with the adverts of the stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// They have no trailer, where the master has `auth_hmac`. Of the two programs one has that.
    WithoutTrailer,
    /// Their authentication header proves nothing.
    WrongHeader,
    /// They come from no unicast peer, where `check_unicast_src` is set.
    NoPeer,
    /// They come through a router, so that their TTL is less than 255.
    FarAway,
}

impl Stranger {
    fn configuration(self, program: &Program) -> String {
        let block = |interval: Duration, more: &str| {
            router(1, LOW, interval.as_secs_f64(), std::iter::once(address(0, 0)), more)
        };
        match self {
            Self::WithoutTrailer if matches!(program, Program::Steadfast(_)) => {
                let key = "    auth_hmac {\n        key 1 0123456789abcdef0123456789abcdef\n        active_key 1\n    }\n";
                GLOBAL.to_owned() + &block(INTERVAL, key)
            }
            Self::WithoutTrailer | Self::FarAway => GLOBAL.to_owned() + &block(INTERVAL, ""),
            Self::WrongHeader => {
                let header =
                    "    authentication {\n        auth_type AH\n        auth_pass 8letters\n    }\n";
                "global_defs {\n    vrrp_version 2\n}\n".to_owned() + &block(INTERVAL_V2, header)
            }
            Self::NoPeer => {
                let [own, peer] = [MASTER, PEER].map(address_v4);
                let peers = format!(
                    "    unicast_src_ip {own}\n    check_unicast_src\n    unicast_peer {{\n        {peer}\n    }}\n"
                );
                GLOBAL.to_owned() + &block(INTERVAL, &peers)
            }
        }
    }

    fn interval(self) -> Duration {
        if self == Self::WrongHeader { INTERVAL_V2 } else { INTERVAL }
    }

    /// Where its adverts go.
    fn destination(self) -> Ipv4Addr {
        if self == Self::NoPeer { address_v4(MASTER) } else { GROUP }
    }

    /// One advert, in what lies on IP.
    fn advert(self) -> Result<Vec<u8>> {
        let source = address_v4(STRANGER);
        let addresses = [IpAddr::V4(address(0, 0))];
        let (interval, authentication, version) = match self {
            Self::WrongHeader => {
                (AdvertInterval::Seconds(std::num::NonZeroU8::MIN), Authentication::Header, Version::V2)
            }
            _ => {
                let interval = Centiseconds::new(10).context("an interval")?;
                (AdvertInterval::Centiseconds(interval), Authentication::None, Version::V3)
            }
        };
        let advertisement = Advertisement {
            vrid: Vrid::new(1).context("a number")?,
            priority: Priority::new(254),
            form: Form::of(interval, authentication),
            family: Family::V4,
            addresses: &addresses,
        };
        let pseudo = pseudo_header(version, source.into(), self.destination().into(), false)
            .context("source and destination are of one family")?;
        let mut message = Vec::new();
        advertisement.write(pseudo, &mut message)?;
        if self != Self::WrongHeader {
            return Ok(message);
        }
        // RFC 4302 section 2, with the 96 bits of a digest that nobody made.
        let mut octets = vec![PROTOCOL_VRRP, 4, 0, 0];
        octets.extend_from_slice(&source.octets());
        octets.extend_from_slice(&u32::MAX.to_be_bytes());
        octets.extend_from_slice(&[0x5A; 12]);
        octets.extend_from_slice(&message);
        Ok(octets)
    }
}

/// Sends until it is dropped.
struct Flood {
    over: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    fn start(host: &Host, stranger: Stranger) -> Result<Self> {
        let protocol =
            if stranger == Stranger::WrongHeader { PROTOCOL_AUTHENTICATION_HEADER } else { PROTOCOL_VRRP };
        let open = || Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(i32::from(protocol))));
        let socket = host.network().run(open)??;
        let ttl = if stranger == Stranger::FarAway { HOP_LIMIT - 1 } else { HOP_LIMIT };
        socket.set_multicast_if_v4(&address_v4(STRANGER))?;
        socket.set_multicast_ttl_v4(ttl.into())?;
        socket.set_multicast_loop_v4(false)?;
        socket.set_ttl_v4(ttl.into())?;
        let (advert, to) = (stranger.advert()?, SocketAddrV4::new(stranger.destination(), 0).into());
        let (over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (end, count) = (Arc::clone(&over), Arc::clone(&sent));
        let flood = move || {
            let (begun, mut bursts) = (Instant::now(), 0);
            while !end.load(Ordering::Relaxed) {
                // Who was held up makes up for it.
                bursts += 1;
                for _ in 0..RATE / 1_000 {
                    count.fetch_add(u32::from(socket.send_to(&advert, &to).is_ok()), Ordering::Relaxed);
                }
                std::thread::sleep((begun + BURST * bursts).saturating_duration_since(Instant::now()));
            }
        };
        let thread = std::thread::Builder::new().name("flood".to_owned()).spawn(flood)?;
        Ok(Self { over, sent, thread: Some(thread) })
    }

    fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One run of one program.
pub(crate) fn flood(program: &Program, stranger: Stranger, size: Size) -> Result<Vec<Figure>> {
    let segment = Segment::new()?;
    let [host, elsewhere, peer] = [segment.host("router")?, segment.host("stranger")?, segment.host("peer")?];
    let daemon = start_daemon(&host, program, &stranger.configuration(program))?;
    ensure!(wait::until(LIMIT, || held(&host) == 1), "it did not become master:\n{}", daemon.log_tail());
    std::thread::sleep(SETTLED_AFTER);
    let (capture, stalls) = (Capture::start(&peer)?, Stalls::start()?);
    let (begin, before) = (Instant::now(), usage::processor_time(&daemon)?);
    let flood = Flood::start(&elsewhere, stranger)?;
    let mut held_throughout = true;
    while begin.elapsed() < Duration::from_secs(size.seconds) {
        held_throughout &= held(&host) == 1;
        std::thread::sleep(stranger.interval());
    }
    let used = usage::processor_time(&daemon)?.saturating_sub(before);
    let (sent, took) = (flood.sent(), begin.elapsed());
    drop(flood);
    let vrid = Vrid::new(1).context("a number")?;
    let own = capture.adverts(vrid, begin).into_iter();
    let own = own.filter(|(_, advert)| advert.source == IpAddr::V4(address_v4(MASTER))).map(|(at, _)| at);
    let mut last = begin;
    let mut longest = Duration::ZERO;
    for at in own.chain([begin + took]) {
        longest = longest.max(at - last);
        last = at;
    }
    let late = longest.saturating_sub(stranger.interval());
    Ok(vec![
        Figure::new("adverts of a stranger a second", f64::from(sent) / took.as_secs_f64()),
        Figure::new("processor time of one, µs", used.as_secs_f64() * 1e6 / f64::from(sent.max(1))),
        Figure::new("the address stayed (1) or went (0)", f64::from(u8::from(held_throughout))),
        Figure::new("latest own advert, ms after its time", milliseconds(late)),
        Figure::new("longest stall of the machine meanwhile, ms", milliseconds(stalls.longest_since(begin))),
    ])
}
