//! What a client notices: echo requests at a steady pace, and when they were answered.

use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};
use steadfast_wire::icmp::{Echo, EchoFamily, EchoKind};
use steadfast_wire::ipv4::Ipv4Packet;

use crate::host::Host;

/// Pings that are kept, an hour of them at one a millisecond.
pub const PINGS_MAX: usize = 3_600_000;

/// How long the receiving thread waits before it looks whether it is over.
const RECEIVE_TURN: Duration = Duration::from_millis(20);

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    /// When it was sent, or was refused by the client's own kernel.
    pub sent: Instant,
    /// When the answer was read.
    pub answered: Option<Instant>,
    /// The time to live that the answer had, with IPv4: hosts of a segment can be told apart by it.
    pub hop_limit: Option<u8>,
}

/// Pings an address from a host until it is dropped.
#[derive(Debug)]
pub struct Pinger {
    shared: Arc<Shared>,
    interval: Duration,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    pings: Mutex<Vec<Ping>>,
    over: AtomicBool,
    identifier: u16,
    /// Source and destination, for the checksum.
    family: EchoFamily,
}

impl Pinger {
    /// Starts to ping `target` every `interval`.
    ///
    /// # Errors
    /// When the host gives no raw socket, or has no route to the target.
    pub fn start(host: &Host, target: IpAddr, interval: Duration) -> Result<Self> {
        static IDENTIFIER: AtomicU16 = AtomicU16::new(1);
        let target = SocketAddr::new(target, 0);
        let socket = host
            .network()
            .run(|| connect(target))?
            .with_context(|| format!("opening a raw socket on {} to ping {}", host.name(), target.ip()))?;
        let local = socket.local_addr()?.as_socket().map(|address| address.ip());
        let family = match (local, target.ip()) {
            (Some(IpAddr::V6(source)), IpAddr::V6(destination)) => EchoFamily::V6 { source, destination },
            _ => EchoFamily::V4,
        };
        let shared = Arc::new(Shared {
            pings: Mutex::default(),
            over: AtomicBool::new(false),
            identifier: IDENTIFIER.fetch_add(1, Ordering::Relaxed),
            family,
        });
        let receiving = socket.try_clone()?;
        let mut pinger = Self { shared, interval, threads: Vec::new() };
        let (sender, receiver) = (Arc::clone(&pinger.shared), Arc::clone(&pinger.shared));
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        pinger.threads.push(thread("ping-receive").spawn(move || receiver.receive(receiving))?);
        pinger.threads.push(thread("ping-send").spawn(move || sender.send(&socket, interval))?);
        Ok(pinger)
    }

    /// Every question so far, oldest first.
    pub fn pings(&self) -> Vec<Ping> {
        self.shared.lock().clone()
    }

    /// The questions since `since`, oldest first.
    pub fn pings_since(&self, since: Instant) -> Vec<Ping> {
        let pings = self.shared.lock();
        pings.get(pings.partition_point(|ping| ping.sent < since)..).unwrap_or_default().to_vec()
    }

    /// How many questions since `since` have no answer.
    pub fn lost_since(&self, since: Instant) -> usize {
        let pings = self.shared.lock();
        pings
            .iter()
            .rev()
            .take_while(|ping| ping.sent >= since)
            .filter(|ping| ping.answered.is_none())
            .count()
    }

    /// The longest time without an answer from `since` to now, although there were questions.
    pub fn longest_outage_since(&self, since: Instant) -> Duration {
        let pings = self.shared.lock();
        let first = pings.partition_point(|ping| ping.sent < since);
        longest_outage(pings.get(first..).unwrap_or_default(), self.interval)
    }

    /// With which times to live the last so many questions were answered that had a ping's time for it, or not at all;
    /// oldest first.
    pub fn last_hop_limits(&self, count: usize) -> Vec<Option<u8>> {
        let pings = self.shared.lock();
        let due = pings.len().saturating_sub(1);
        let first = due.saturating_sub(count);
        pings.get(first..due).unwrap_or_default().iter().map(|ping| ping.hop_limit).collect()
    }

    /// When the last answer came.
    pub fn last_answer(&self) -> Option<Instant> {
        self.shared.lock().iter().rev().find_map(|ping| ping.answered)
    }

    /// Whether a question asked after this call is answered within `limit`.
    #[must_use]
    pub fn answered_within(&self, limit: Duration) -> bool {
        let since = Instant::now();
        crate::wait::until(limit, || self.last_answer().is_some_and(|answer| answer >= since))
    }
}

impl Drop for Pinger {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<Ping>> {
        self.pings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, socket: &Socket, interval: Duration) {
        let mut message = Vec::new();
        let mut next = Instant::now();
        while !self.over.load(Ordering::Relaxed) {
            let sequence = {
                let mut pings = self.lock();
                if pings.len() >= PINGS_MAX {
                    return;
                }
                pings.push(Ping { sent: Instant::now(), answered: None, hop_limit: None });
                truncated(pings.len() - 1)
            };
            let kind = EchoKind::Request;
            let echo = Echo { kind, identifier: self.identifier, sequence, payload: &[] };
            echo.write(self.family, &mut message);
            // A question that the client's own kernel refuses is one without an answer.
            let _ = socket.send(&message);
            next += interval;
            let now = Instant::now();
            if next < now {
                // After a stall the pace goes on; it is not caught up.
                next = now;
            } else {
                std::thread::sleep(next - now);
            }
        }
    }

    fn receive(&self, mut socket: Socket) {
        let mut buffer = [0_u8; 2048];
        while !self.over.load(Ordering::Relaxed) {
            let Ok(length) = socket.read(&mut buffer) else { continue };
            let now = Instant::now();
            if let Some((sequence, hop_limit)) = self.answer(buffer.get(..length).unwrap_or_default()) {
                self.note(sequence, hop_limit, now);
            }
        }
    }

    /// The sequence number of a reply to this pinger, and its time to live. Raw sockets get the IP header with IPv4, and
    /// not with IPv6 (raw(7), RFC 3542 section 3).
    fn answer(&self, received: &[u8]) -> Option<(u16, Option<u8>)> {
        let (family, message, hop_limit) = match self.family {
            EchoFamily::V4 => {
                let packet = Ipv4Packet::parse(received).ok()?;
                (EchoFamily::V4, packet.payload, Some(packet.ttl))
            }
            EchoFamily::V6 { source, destination } => {
                (EchoFamily::V6 { source: destination, destination: source }, received, None)
            }
        };
        let echo = Echo::parse(family, message)?;
        (echo.kind == EchoKind::Reply && echo.identifier == self.identifier)
            .then_some((echo.sequence, hop_limit))
    }

    /// Sequence numbers come round after 65,536 questions; the latest one of the number is meant.
    fn note(&self, sequence: u16, hop_limit: Option<u8>, now: Instant) {
        let mut pings = self.lock();
        let Some(last) = pings.len().checked_sub(1) else { return };
        let back = usize::from(truncated(last).wrapping_sub(sequence));
        if let Some(ping) = last.checked_sub(back).and_then(|index| pings.get_mut(index)) {
            ping.answered.get_or_insert(now);
            ping.hop_limit = ping.hop_limit.or(hop_limit);
        }
    }
}

fn connect(target: SocketAddr) -> io::Result<Socket> {
    let (domain, protocol) = match target {
        SocketAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        SocketAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    socket.connect(&target.into())?;
    socket.set_recv_buffer_size(1 << 20)?;
    socket.set_read_timeout(Some(RECEIVE_TURN))?;
    Ok(socket)
}

/// The longest time without an answer, in questions asked every `interval`, oldest first. The time
/// in which the client itself asked nothing does not count.
fn longest_outage(pings: &[Ping], interval: Duration) -> Duration {
    let mut answers: Vec<Instant> = pings.iter().filter_map(|ping| ping.answered).collect();
    answers.sort_unstable();
    let Some((first, last)) = pings.first().zip(pings.last()) else { return Duration::ZERO };
    let begin = first.sent;
    let starts = std::iter::once(begin).chain(answers.iter().copied());
    let ends = answers.iter().copied().chain(std::iter::once(last.sent));
    starts
        .zip(ends)
        .filter_map(|(start, end)| {
            let asked = pings.get(pings.partition_point(|ping| ping.sent < start))?.sent;
            let begin = asked.checked_sub(interval).map_or(start, |due| due.max(start));
            end.checked_duration_since(begin)
        })
        .max()
        .unwrap_or(Duration::ZERO)
}

fn truncated(number: usize) -> u16 {
    u16::try_from(number & usize::from(u16::MAX)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(1);

    /// Questions at milliseconds, answered after 100 µs or not.
    fn pings(begin: Instant, questions: &[(u64, bool)]) -> Vec<Ping> {
        let ping = |(at, answered): &(u64, bool)| {
            let sent = begin + Duration::from_millis(*at);
            Ping { sent, answered: answered.then_some(sent + Duration::from_micros(100)), hop_limit: None }
        };
        questions.iter().map(ping).collect()
    }

    #[test]
    fn an_outage_lasts_from_answer_to_answer() {
        let pings = pings(Instant::now(), &[(0, true), (1, true), (2, false), (3, false), (4, true)]);
        assert_eq!(longest_outage(&pings, INTERVAL), Duration::from_millis(3));
    }

    #[test]
    fn a_silent_client_sees_no_outage() {
        let pings = pings(Instant::now(), &[(0, true), (50, true), (51, true)]);
        assert!(longest_outage(&pings, INTERVAL) <= Duration::from_micros(1100));
    }

    #[test]
    fn an_outage_that_goes_on_lasts_to_the_last_question() {
        let pings = pings(Instant::now(), &[(0, true), (1, false), (2, false), (30, false)]);
        assert_eq!(longest_outage(&pings, INTERVAL), Duration::from_micros(29_900));
        assert_eq!(longest_outage(&[], INTERVAL), Duration::ZERO);
    }

    #[test]
    fn late_answers_are_an_outage() {
        let begin = Instant::now();
        let mut pings = pings(begin, &[(0, true), (1, false), (2, false), (3, false)]);
        for ping in &mut pings[1..] {
            ping.answered = Some(begin + Duration::from_millis(20));
        }
        assert_eq!(longest_outage(&pings, INTERVAL), Duration::from_micros(19_900));
    }
}
