//! What was on the wire, seen from a host.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use steadfast_kernel::testbed::{Frames, Wanted};
use steadfast_wire::arp::ArpMessage;
use steadfast_wire::ethernet::{EtherType, EthernetHeader};
use steadfast_wire::ipv4::{Ipv4Packet, PROTOCOL_AUTHENTICATION_HEADER, PROTOCOL_VRRP};
use steadfast_wire::ipv6::Ipv6Header;
use steadfast_wire::ndp::NeighbourAdvertisement;
use steadfast_wire::vrrp::{AdvertInterval, Authentication, Carrier, Family, Form, Priority, Reject, Vrid};

use crate::host::Host;

/// Frames that are kept.
pub const FRAMES_MAX: usize = 200_000;

/// How long the reading thread waits before it looks whether it is over.
const RECEIVE_TURN: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Keeps the VRRP, ARP and neighbour advertisement frames that a host sends and receives, on every
/// interface, until it is dropped. A switch floods multicast and broadcast, so that any host of a
/// segment sees all of these; unicast only its ends see.
#[derive(Debug)]
pub struct Capture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    readable: OwnedFd,
    kept: Mutex<Kept>,
    over: AtomicBool,
}

#[derive(Debug)]
struct Kept {
    heard: Frames,
    frames: Vec<Frame>,
    wanted: Wanted,
}

/// A frame with its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// When the kernel had it.
    pub at: Instant,
    /// Its Ethernet header.
    pub ethernet: EthernetHeader,
    /// What it carries.
    pub content: Content,
    /// All of it.
    pub octets: Vec<u8>,
}

/// What a kept frame carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A VRRP advertisement.
    Advert(Advert),
    /// VRRP that is not well-formed.
    Malformed(Reject),
    /// ARP for IPv4.
    Arp(ArpMessage),
    /// An ICMPv6 neighbour advertisement.
    NeighbourAdvertisement(NeighbourAdvertisement),
}

/// A VRRP advertisement with what its IP header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Sender.
    pub source: IpAddr,
    /// Group or peer.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// Virtual router.
    pub vrid: Vrid,
    /// 0 when the sender gives up.
    pub priority: Priority,
    /// Of version 2 in seconds, of version 3 in centiseconds.
    pub interval: AdvertInterval,
    /// None with version 3.
    pub authentication: Option<Authentication>,
    /// In the sender's order.
    pub addresses: Vec<IpAddr>,
}

impl Capture {
    /// Starts to keep what `host` sends and receives.
    ///
    /// # Errors
    /// When the host gives no packet socket.
    pub fn start(host: &Host) -> Result<Self> {
        Self::keeping(host, Wanted::Every)
    }

    /// Keeps well-formed VRRP adverts in IPv4 alone: a flood of others takes neither room nor time from them.
    ///
    /// # Errors
    /// When the host gives no packet socket.
    pub fn start_for_adverts(host: &Host) -> Result<Self> {
        Self::keeping(host, Wanted::AdvertsV4)
    }

    fn keeping(host: &Host, wanted: Wanted) -> Result<Self> {
        let heard = host
            .network()
            .run(|| Frames::open(wanted))?
            .with_context(|| format!("opening a packet socket on {}", host.name()))?;
        let readable = heard.as_fd().try_clone_to_owned()?;
        let kept = Mutex::new(Kept { heard, frames: Vec::new(), wanted });
        let shared = Arc::new(Shared { readable, kept, over: AtomicBool::new(false) });
        let reading = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || reading.read_until_over())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Everything that has passed the host by the time of the call, oldest first.
    pub fn frames(&self) -> Vec<Frame> {
        self.shared.up_to_date().frames.clone()
    }

    /// What was kept so far; it is kept no more.
    pub fn take(&self) -> Vec<Frame> {
        std::mem::take(&mut self.shared.up_to_date().frames)
    }

    /// The advertisements of a virtual router since `since`, oldest first.
    pub fn adverts(&self, vrid: Vrid, since: Instant) -> Vec<(Instant, Advert)> {
        self.select(since, |frame| match &frame.content {
            Content::Advert(advert) if advert.vrid == vrid => Some((frame.at, advert.clone())),
            _ => None,
        })
    }

    /// When an IPv4 address was announced by gratuitous ARP since `since`, and by whom.
    pub fn gratuitous_arps(&self, address: Ipv4Addr, since: Instant) -> Vec<(Instant, ArpMessage)> {
        self.select(since, |frame| match &frame.content {
            Content::Arp(message) if message.announces() == Some(address) => Some((frame.at, *message)),
            _ => None,
        })
    }

    /// Unsolicited neighbour advertisements since `since`.
    pub fn unsolicited_advertisements(&self, since: Instant) -> Vec<(Instant, NeighbourAdvertisement)> {
        self.select(since, |frame| match &frame.content {
            Content::NeighbourAdvertisement(message) if !message.solicited => Some((frame.at, *message)),
            _ => None,
        })
    }

    /// What `choose` makes of the frames since `since`.
    pub fn select<T>(&self, since: Instant, choose: impl FnMut(&Frame) -> Option<T>) -> Vec<T> {
        let kept = self.shared.up_to_date();
        let first = kept.frames.partition_point(|frame| frame.at < since);
        kept.frames.get(first..).unwrap_or_default().iter().filter_map(choose).collect()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Reads soon after arrival, so that the socket's buffer never fills.
    fn read_until_over(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let mut readable = [PollFd::new(&self.readable, PollFlags::IN)];
            if poll(&mut readable, Some(&RECEIVE_TURN)).is_ok_and(|ready| ready > 0) {
                drop(self.up_to_date());
            }
        }
    }

    /// What is kept, with every frame that waits in the socket: whoever has seen the effect of a
    /// frame finds the frame here, even when the reading thread has not had its turn yet.
    fn up_to_date(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.read_all();
        kept
    }
}

impl Kept {
    fn read_all(&mut self) {
        while let Some((at, octets)) = self.heard.take() {
            let Some((ethernet, content)) = meaning(octets) else { continue };
            let is_wanted = self.wanted == Wanted::Every || matches!(content, Content::Advert(_));
            if is_wanted && self.frames.len() < FRAMES_MAX {
                // Two clocks are compared for each, so that one may seem to have come a little before its predecessor.
                let at = self.frames.last().map_or(at, |last| at.max(last.at));
                self.frames.push(Frame { at, ethernet, content, octets: octets.to_vec() });
            }
        }
    }
}

/// None for what is not kept.
fn meaning(frame: &[u8]) -> Option<(EthernetHeader, Content)> {
    let (ethernet, packet) = EthernetHeader::parse(frame)?;
    let content = match ethernet.ether_type {
        EtherType::ARP => Content::Arp(ArpMessage::parse(packet)?),
        EtherType::IPV4 => {
            let packet = Ipv4Packet::parse(packet).ok()?;
            let carrier = match packet.protocol {
                PROTOCOL_VRRP => Carrier::Ip,
                PROTOCOL_AUTHENTICATION_HEADER => Carrier::AuthenticationHeader { identification: packet.id },
                _ => return None,
            };
            let (source, destination) = (packet.source.into(), packet.destination.into());
            vrrp(Family::V4, source, destination, packet.ttl, carrier.message(packet.payload)?)
        }
        EtherType::IPV6 => {
            let (header, payload) = Ipv6Header::parse(packet)?;
            let (source, destination) = (header.source.into(), header.destination.into());
            if header.next_header == PROTOCOL_VRRP {
                vrrp(Family::V6, source, destination, header.hop_limit, payload)
            } else {
                let (_, _, message) = NeighbourAdvertisement::parse_frame(frame)?;
                Content::NeighbourAdvertisement(message)
            }
        }
        EtherType(_) => return None,
    };
    Some((ethernet, content))
}

fn vrrp(family: Family, source: IpAddr, destination: IpAddr, hop_limit: u8, message: &[u8]) -> Content {
    match steadfast_wire::vrrp::Advert::parse(family, message) {
        Err(reject) => Content::Malformed(reject),
        Ok(advert) => Content::Advert(Advert {
            source,
            destination,
            hop_limit,
            vrid: advert.vrid,
            priority: advert.priority,
            interval: advert.interval(),
            authentication: match advert.form {
                Form::V2 { authentication, .. } => Some(authentication),
                Form::V3 { .. } => None,
            },
            addresses: advert.addresses.iter().collect(),
        }),
    }
}
