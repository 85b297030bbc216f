//! Frames for what the pacer lets go.

use std::net::IpAddr;
use std::path::Path;

use steadfast_control::event::Sent;
use steadfast_kernel::netlink::Link;
use steadfast_kernel::wait::clock;
use steadfast_vrrp::{InstanceId, InterfaceId, Moment};
use steadfast_wire::arp;
use steadfast_wire::ethernet::MacAddress;
use steadfast_wire::ndp::Announcement;
use steadfast_wire::vrrp::Family;

use super::Effects;
use crate::link::vrrp::Notice;
use crate::vrrp::effects::pacing::Due;
use crate::vrrp::timing::transmit::REFUSALS_OVER;

/// The kind of hardware that Ethernet frames suit (ARPHRD_ETHER).
pub(super) const HARDWARE_ETHERNET: u16 = 1;

impl Effects {
    /// Sends what may leave now, a bounded number.
    pub(super) fn announce(&mut self) {
        let Self { pacer, work, .. } = self;
        let mut due = Vec::new();
        let now = Moment::from_nanos(clock::monotonic());
        pacer.due(now, |pace, family| work.pacing.spacing(pace, family), |item| due.push(item));
        if due.is_empty() {
            return;
        }
        for Due { instance, interface, position } in due {
            let Some(install) = self.work.install(instance) else { continue };
            let position = usize::try_from(position).unwrap_or(usize::MAX);
            if let Some(address) = install.addresses.get(position).map(|address| address.address) {
                self.push_frame(interface, address);
            }
        }
        self.flush_frames(now);
    }

    /// Announces one address at once.
    pub(super) fn announce_address(&mut self, interface: InterfaceId, address: IpAddr) {
        self.push_frame(interface, address);
        self.flush_frames(Moment::from_nanos(clock::monotonic()));
    }

    /// Sends the frames. Clients that hear no announcement go on asking the old master, so a refusal is told, once for each
    /// interface until there was none for a while; the rounds that follow are the next attempts.
    fn flush_frames(&mut self, now: Moment) {
        self.site.announcer.flush();
        let mut refused = Vec::new();
        for failure in self.site.announcer.failures() {
            let Ok(interface) = u32::try_from(failure.tag).map(InterfaceId) else { continue };
            let last = self.announcements_refused.insert(interface, now);
            if last.is_none_or(|last| now.since(last) > REFUSALS_OVER) {
                refused.push((interface, failure.errno));
            }
        }
        for (interface, errno) in refused {
            self.notice(Notice::Send { interface, sent: Sent::Announcements, errno });
        }
    }

    pub(super) fn announce_source(&mut self, instance: InstanceId) {
        let instances = &self.work.machine.instances;
        let at = instances.binary_search_by_key(&instance, |config| config.id).ok();
        let Some(config) = at.and_then(|at| instances.get(at)) else { return };
        let state = self.site.interfaces.last(config.interface);
        let own = match config.family {
            Family::V4 => state.source_v4.map(IpAddr::V4),
            Family::V6 => state.source_v6.map(IpAddr::V6),
        };
        if let Some(source) = config.source.or(own) {
            self.announce_address(config.interface, source);
        }
    }

    fn push_frame(&mut self, interface: InterfaceId, address: IpAddr) {
        let Some(link) = self.site.interfaces.of(interface) else { return };
        // Interfaces without ARP or without a hardware address have nobody to tell.
        let Some(hardware) = hardware(&link.hardware_address) else { return };
        if link.no_arp || link.hardware_type != HARDWARE_ETHERNET {
            return;
        }
        let tag = u64::from(interface.0);
        match address {
            IpAddr::V4(address) => {
                let broadcast = self::hardware(&link.broadcast).unwrap_or(MacAddress::BROADCAST);
                let frame = arp::gratuitous_frame(address, hardware, broadcast);
                self.site.announcer.push(link.index, &frame, tag);
            }
            IpAddr::V6(address) => {
                let frame = Announcement { address, hardware, router: forwards(link) }.frame();
                self.site.announcer.push(link.index, &frame, tag);
            }
        }
    }
}

pub(super) fn hardware(bytes: &[u8]) -> Option<MacAddress> {
    bytes.try_into().ok().map(MacAddress)
}

/// The Router flag says whether the interface forwards IPv6 (RFC 4861 section 4.4).
fn forwards(link: &Link) -> bool {
    let path = Path::new("/proc/sys/net/ipv6/conf").join(&link.name).join("forwarding");
    std::fs::read(path).is_ok_and(|value| value.first() == Some(&b'1'))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use steadfast_kernel::channel::{Channel, Incoming};
    use steadfast_kernel::process::signal::{Signal, Signals};
    use steadfast_kernel::wait::wake::Waker;

    use super::*;
    use crate::link::lifecycle::FromWorker;
    use crate::link::line::Line;
    use crate::link::vrrp::News;
    use crate::link::vrrp::work::Work;
    use crate::vrrp::Terms;
    use crate::vrrp::effects::{CHANNEL, Kernel, Lanes};
    use crate::vrrp::lane::lane;
    use crate::vrrp::network::in_a_network;

    /// No interface has this index.
    const GONE: u32 = 4_242;

    /// Has an announcement refused at each of `interfaces`, twice; what is told of it comes back.
    fn refuse(
        effects: &mut Effects,
        supervisor: &mut Channel,
        interfaces: &[u32],
        now: Moment,
    ) -> Vec<InterfaceId> {
        let address = [192, 0, 2, 1].into();
        let frame = arp::gratuitous_frame(address, MacAddress([2, 0, 0, 0, 0, 1]), MacAddress::BROADCAST);
        for interface in [interfaces, interfaces].concat() {
            assert!(effects.site.announcer.push(GONE, &frame, interface.into()));
        }
        effects.flush_frames(now);
        let mut told = Vec::new();
        while let Incoming::Message(bytes) = supervisor.receive().unwrap() {
            match postcard::from_bytes(&bytes).unwrap() {
                FromWorker::News(News::Notice(Notice::Send { interface, sent, .. })) => {
                    assert_eq!(sent, Sent::Announcements);
                    told.push(interface);
                }
                other => panic!("{other:?}"),
            }
        }
        told
    }

    #[test]
    fn refused_announcements_are_told_once_for_each_interface_until_they_were_over() {
        let name = "refused_announcements_are_told_once_for_each_interface_until_they_were_over";
        in_a_network(name, || {
            let (to_timing, _timing) = lane(Arc::new(Waker::open().unwrap()));
            let (_effects, from_timing) = lane(Arc::new(Waker::open().unwrap()));
            let (channel, mut supervisor) = Channel::pair().unwrap();
            let signals = Signals::open(&[Signal::TERMINATE]).unwrap();
            let lanes = Lanes { to_timing, from_timing };
            let kernel = Kernel::open().unwrap();
            let line = Line::new(channel, None, CHANNEL);
            let terms = Terms {
                daemon_started_at: Moment::ZERO,
                keep_addresses: false,
                confined: None,
                pid_file: PathBuf::new(),
            };
            let mut effects = Effects::new(Work::default(), lanes, kernel, line, signals, &terms);
            let mut refuse = |interfaces: &[u32], now| refuse(&mut effects, &mut supervisor, interfaces, now);

            let first = Moment::from_nanos(1);
            assert_eq!(refuse(&[1, 2], first), [InterfaceId(1), InterfaceId(2)]);
            let again = first + REFUSALS_OVER;
            assert_eq!(refuse(&[1, 3], again), [InterfaceId(3)]);
            // The time counts from the last refusal, not from the first.
            let over_at_one = again + std::time::Duration::from_nanos(1);
            assert_eq!(refuse(&[1, 2, 3], over_at_one), [InterfaceId(2)]);
        });
    }
}
