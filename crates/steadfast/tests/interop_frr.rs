//! Our daemon and FRR's vrrpd as the two routers of a pair.
//!
//! vrrpd keeps the addresses on a macvlan of its own whether it is master or not, so that adverts
//! tell who rules.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use steadfast_lab::capture::{Advert, Capture, Content};
use steadfast_lab::frr::{Router, VirtualRouter};
use steadfast_lab::{Daemon, Host, Program, Segment, Signal, permission, wait};
use steadfast_wire::vrrp::{Family, Priority, Vrid};

const LIMIT: Duration = Duration::from_secs(20);

/// What a busy machine may add to a takeover.
const SLACK: Duration = Duration::from_millis(250);

/// Adverts of one router without any of the other, after which nothing will change any more.
const QUIET: usize = 4;

#[derive(Debug, Clone, Copy)]
struct Kind {
    vrid: u8,
    version: u8,
    family: Family,
}

/// FRR 8.4 has no version 2 for IPv6.
const KINDS: [Kind; 3] = [
    Kind { vrid: 41, version: 2, family: Family::V4 },
    Kind { vrid: 42, version: 3, family: Family::V4 },
    Kind { vrid: 43, version: 3, family: Family::V6 },
];

impl Kind {
    fn interval(self) -> Duration {
        if self.version == 2 { Duration::from_secs(1) } else { Duration::from_millis(100) }
    }

    fn skew(self, priority: u8) -> Duration {
        self.interval() * (256 - u32::from(priority)) / 256
    }

    fn addresses(self) -> Vec<IpAddr> {
        match self.family {
            Family::V4 => [9, 8].map(|number| Ipv4Addr::new(10, 0, number, self.vrid).into()).to_vec(),
            // RFC 9568 section 5.2.9: the first is link-local.
            Family::V6 => [0xfe80, 0xfd00]
                .map(|prefix| Ipv6Addr::new(prefix, 0, 0, 0, 0, 0, 9, self.vrid.into()).into())
                .to_vec(),
        }
    }

    fn instance(self, priority: u8) -> String {
        let Self { vrid, version, .. } = self;
        let prefix = if self.family == Family::V4 { 16 } else { 64 };
        let addresses: String =
            self.addresses().iter().map(|address| format!("        {address}/{prefix}\n")).collect();
        format!(
            "vrrp_instance V{vrid} {{
    state BACKUP
    interface eth0
    virtual_router_id {vrid}
    version {version}
    priority {priority}
    advert_int {}
    virtual_ipaddress {{
{addresses}    }}
}}
",
            self.interval().as_secs_f64(),
        )
    }

    fn of_frr(self, priority: u8) -> VirtualRouter {
        VirtualRouter {
            interface: "eth0".to_owned(),
            vrid: self.vrid,
            version: self.version,
            priority,
            advert_interval: self.interval(),
            addresses: self.addresses(),
        }
    }
}

/// The two hosts and who listens to them.
struct Pair {
    ours: Arc<Host>,
    theirs: Arc<Host>,
    program: Program,
    capture: Capture,
    _segment: Segment,
}

/// Whose adverts are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Ours,
    Theirs,
}

#[cfg(test)]
impl Pair {
    /// None, with a line that says so, where something is missing.
    fn new(test: &str) -> Option<Self> {
        if !permission::lab_possible(test) || !Router::installed(test) {
            return None;
        }
        let program = Program::steadfast(test)?;
        let segment = Segment::new().unwrap();
        let [ours, theirs] = ["ours", "theirs"].map(|name| segment.host(name).unwrap());
        let listener = segment.listener("listener").unwrap();
        let capture = Capture::start(&listener).unwrap();
        Some(Self { ours, theirs, program, capture, _segment: segment })
    }

    fn start_ours(&self, priority: u8) -> Daemon {
        let instances: String = KINDS.iter().map(|kind| kind.instance(priority)).collect();
        let text = format!("global_defs {{\n    vrrp_version 3\n}}\n{instances}");
        Daemon::start(&self.ours, &self.program, &text).unwrap()
    }

    fn start_theirs(&self, priority: u8) -> Router {
        Router::start(&self.theirs, &KINDS.map(|kind| kind.of_frr(priority))).unwrap()
    }

    /// vrrpd sends from its macvlan, whose hardware address is that of the virtual router
    /// (RFC 9568 section 7.3), and takes for source what it finds there, even the virtual address.
    fn sent(&self, kind: Kind, side: Side, since: Instant) -> Vec<(Instant, Advert)> {
        self.capture.select(since, |frame| match &frame.content {
            Content::Advert(advert) if advert.vrid.get() == kind.vrid => {
                let virtual_hardware_address = frame.ethernet.source.0.starts_with(&[0, 0, 0x5e, 0]);
                (virtual_hardware_address == (side == Side::Theirs)).then(|| (frame.at, advert.clone()))
            }
            _ => None,
        })
    }

    /// Waits until only this side sends adverts.
    fn settle(&self, side: Side) {
        for kind in KINDS {
            let mut quiet_since = Instant::now();
            let settled = wait::until(LIMIT, || {
                let adverts = self.capture.adverts(Vrid::new(kind.vrid).unwrap(), quiet_since);
                let sent = self.sent(kind, side, quiet_since);
                if sent.len() < adverts.len() {
                    quiet_since = Instant::now();
                }
                sent.len() >= QUIET
            });
            assert!(
                settled,
                "{kind:?}: {:?}",
                self.capture.adverts(Vrid::new(kind.vrid).unwrap(), quiet_since)
            );
        }
        for kind in KINDS {
            for address in kind.addresses() {
                assert_eq!(self.ours.has(address), side == Side::Ours, "{address}");
            }
        }
    }

    /// The time from the last advert of one to the first of the other.
    fn gap(&self, kind: Kind, from: Side, since: Instant) -> Duration {
        let to = if from == Side::Ours { Side::Theirs } else { Side::Ours };
        let first = || self.sent(kind, to, since).first().map(|(at, _)| *at);
        let first =
            wait::value(LIMIT, first).unwrap_or_else(|| panic!("{kind:?}: not taken over from {from:?}"));
        let begin = since.checked_sub(LIMIT).unwrap_or(since);
        let last = self.sent(kind, from, begin).into_iter().map(|(at, _)| at).rfind(|at| *at < first);
        first - last.unwrap_or_else(|| panic!("{kind:?}: {from:?} sent nothing"))
    }

    /// RFC 9568 section 6.4.2 (145): after priority 0 a backup waits its skew time only. On a busy
    /// machine it may have lost patience before.
    fn hands_over(&self, from: Side, priority: u8, since: Instant) {
        for kind in KINDS {
            let gap = self.gap(kind, from, since);
            let sent = self.sent(kind, from, since);
            let released = sent.iter().find(|(_, advert)| advert.priority == Priority::RELEASE);
            let (released, _) = released.unwrap_or_else(|| panic!("{kind:?}: no priority 0: {sent:?}"));
            let to = if from == Side::Ours { Side::Theirs } else { Side::Ours };
            let (first, _) = self.sent(kind, to, since).into_iter().next().unwrap();
            let skew = kind.skew(priority);
            if first < *released {
                let patience = kind.interval() * 3 + skew;
                assert!(gap >= patience.mul_f64(0.9), "{kind:?}: {gap:?}, {patience:?} at least");
            } else {
                assert!(gap <= skew + SLACK, "{kind:?}: {gap:?} after priority 0, skew time {skew:?}");
            }
        }
    }

    fn takes_over_in_time(&self, from: Side, priority: u8, since: Instant) {
        for kind in KINDS {
            let (gap, limit) = (self.gap(kind, from, since), kind.interval() * 3 + kind.skew(priority));
            assert!(gap <= limit + SLACK, "{kind:?}: {gap:?} after the last advert, allowed {limit:?}");
            assert!(gap >= limit.mul_f64(0.9), "{kind:?}: {gap:?}, {limit:?} at least");
        }
    }
}

#[test]
fn frr_backs_steadfast_up() {
    let Some(pair) = Pair::new("frr_backs_steadfast_up") else { return };
    let _theirs = pair.start_theirs(100);
    let mut ours = pair.start_ours(200);
    pair.settle(Side::Ours);

    let stopped = Instant::now();
    ours.stop(LIMIT).unwrap();
    pair.hands_over(Side::Ours, 100, stopped);
    pair.settle(Side::Theirs);

    let ours = pair.start_ours(200);
    pair.settle(Side::Ours);

    let killed = Instant::now();
    ours.signal_all(Signal::KILL).unwrap();
    pair.takes_over_in_time(Side::Ours, 100, killed);
}

#[test]
fn steadfast_backs_frr_up() {
    let Some(pair) = Pair::new("steadfast_backs_frr_up") else { return };
    let _ours = pair.start_ours(100);
    let theirs = pair.start_theirs(200);
    pair.settle(Side::Theirs);

    let hung = Instant::now();
    theirs.vrrpd().signal_all(Signal::STOP).unwrap();
    pair.takes_over_in_time(Side::Theirs, 100, hung);
    pair.settle(Side::Ours);

    // It preempts when it goes on.
    theirs.vrrpd().signal_all(Signal::CONT).unwrap();
    pair.settle(Side::Theirs);

    let stopped = Instant::now();
    theirs.vrrpd().signal(Signal::TERM);
    pair.hands_over(Side::Theirs, 100, stopped);
    pair.settle(Side::Ours);
}
