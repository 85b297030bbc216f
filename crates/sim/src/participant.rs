//! What a simulated router runs: the daemon's machine, or one that a test broke on purpose.

use std::net::IpAddr;

use steadfast_time::Moment;
use steadfast_vrrp::{
    Action, Destination, Input, InstanceId, InterfaceId, Machine, Plan, Resume, Sink, Transmit,
};
use steadfast_wire::vrrp::Carrier;

/// The part of a machine that the simulator drives.
pub trait Participant {
    /// Something happened.
    fn handle(&mut self, now: Moment, input: Input<'_>, out: &mut Outbox);
    /// A reload.
    fn apply(&mut self, now: Moment, plan: Plan, out: &mut Outbox);
    /// Timers may be due.
    fn advance(&mut self, now: Moment, out: &mut Outbox);
    /// When timers are due next.
    fn next_wakeup(&self) -> Option<Moment>;
    /// A stop is complete.
    fn is_drained(&self) -> bool;
    /// What a successor needs.
    fn resume_state(&self, instance: InstanceId) -> Option<Resume>;
}

impl Participant for Machine {
    fn handle(&mut self, now: Moment, input: Input<'_>, out: &mut Outbox) {
        Self::handle(self, now, input, out);
    }

    fn apply(&mut self, now: Moment, plan: Plan, out: &mut Outbox) {
        Self::apply(self, now, plan, out);
    }

    fn advance(&mut self, now: Moment, out: &mut Outbox) {
        Self::advance(self, now, out);
    }

    fn next_wakeup(&self) -> Option<Moment> {
        Self::next_wakeup(self)
    }

    fn is_drained(&self) -> bool {
        Self::is_drained(self)
    }

    fn resume_state(&self, instance: InstanceId) -> Option<Resume> {
        Self::resume_state(self, instance)
    }
}

/// An advert on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentAdvert {
    /// Whose.
    pub instance: InstanceId,
    /// Where it goes out.
    pub interface: InterfaceId,
    /// Sender.
    pub source: IpAddr,
    /// The group, or each peer.
    pub destinations: Vec<IpAddr>,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// What stands before the VRRP message.
    pub carrier: Carrier,
    /// Everything after the IP header.
    pub message: Vec<u8>,
}

/// Something a machine asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// An advert to send.
    Advert(SentAdvert),
    /// Everything else.
    Action(Action),
}

/// Collects what a machine asks for, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Oldest first.
    pub outputs: Vec<Output>,
}

impl Sink for Outbox {
    fn transmit(&mut self, advert: Transmit<'_>) -> bool {
        let destinations = match advert.destination {
            Destination::Group(group) => vec![group],
            Destination::Peers(peers) => peers.iter().map(|peer| peer.address).collect(),
        };
        self.outputs.push(Output::Advert(SentAdvert {
            instance: advert.instance,
            interface: advert.interface,
            source: advert.source,
            destinations,
            hop_limit: advert.hop_limit,
            carrier: advert.carrier,
            message: advert.message.to_vec(),
        }));
        true
    }

    fn act(&mut self, action: Action) {
        self.outputs.push(Output::Action(action));
    }

    fn remember(&mut self, _: InstanceId) {}

    fn forged(&mut self) {}

    fn follow(&mut self, _: InstanceId) {}
}
