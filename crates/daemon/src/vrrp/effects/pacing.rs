//! Which gratuitous ARP or neighbour advertisement goes out next, and when.
//!
//! Rounds of one instance wait in a queue of their interface, or its group, and family. Without pacing a queue is
//! emptied in bounded slices, so that thousands of announcements never keep address work waiting;
//! with pacing one message leaves the queue each interval.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use steadfast_vrrp::{InstanceId, InterfaceId, Moment};
use steadfast_wire::vrrp::Family;

use crate::link::vrrp::work::Pace;

/// The ends of the order.
const FIRST_PACE: Pace = Pace::Interface(InterfaceId(0));
const LAST_PACE: Pace = Pace::Group(usize::MAX);

/// Messages handed out in one call, at most: between two slices the caller looks after addresses.
pub(super) const SLICE_MESSAGES: usize = 256;

/// Queues of announcements.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    queues: BTreeMap<(Pace, Family), Queue>,
    /// How many requests of an instance wait where, so that neither a further one nor its end takes a look at all others.
    places: BTreeMap<(InstanceId, Pace, Family), u32>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Rounds>,
    not_before: Moment,
}

/// What is left of one request.
#[derive(Debug)]
struct Rounds {
    instance: InstanceId,
    interface: InterfaceId,
    /// Positions in the instance's address list.
    addresses: Vec<u32>,
    next: usize,
    rounds_left: u32,
}

/// Where announcements leave, and with what they share their spacing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    /// Where.
    pub(super) interface: InterfaceId,
    /// With what.
    pub(super) pace: Pace,
}

/// One message to send: an instance and the position of the address in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// Whose.
    pub(super) instance: InstanceId,
    /// Where.
    pub(super) interface: InterfaceId,
    /// Which of its addresses.
    pub(super) position: u32,
}

impl Pacer {
    /// Ask for `rounds` messages for each address. A request that still waits is not queued twice;
    /// its number of rounds grows to what is wanted.
    pub(super) fn request(
        &mut self,
        instance: InstanceId,
        way: Way,
        family: Family,
        addresses: Vec<u32>,
        rounds: u32,
    ) {
        let Way { interface, pace } = way;
        if addresses.is_empty() || rounds == 0 {
            return;
        }
        let queue = self.queues.entry((pace, family)).or_default();
        let place = self.places.entry((instance, pace, family)).or_default();
        let is_first = *place == 0;
        let same = |waiting: &&mut Rounds| {
            (waiting.instance, waiting.interface) == (instance, interface) && waiting.addresses == addresses
        };
        match queue.waiting.iter_mut().filter(|_| !is_first).find(same) {
            Some(waiting) => waiting.rounds_left = waiting.rounds_left.max(rounds),
            None => {
                *place += 1;
                queue.waiting.push_back(Rounds {
                    instance,
                    interface,
                    addresses,
                    next: 0,
                    rounds_left: rounds,
                });
            }
        }
    }

    /// Forget what waits for an instance.
    pub(super) fn cancel(&mut self, instance: InstanceId) {
        let (first, last) = ((instance, FIRST_PACE, Family::V4), (instance, LAST_PACE, Family::V6));
        let places: Vec<_> = self.places.range(first..=last).map(|(place, _)| *place).collect();
        for place @ (_, pace, family) in places {
            self.places.remove(&place);
            let Some(queue) = self.queues.get_mut(&(pace, family)) else { continue };
            queue.waiting.retain(|waiting| waiting.instance != instance);
            if queue.waiting.is_empty() {
                self.queues.remove(&(pace, family));
            }
        }
    }

    /// When the next message may leave; `None` when nothing waits.
    pub(super) fn next_wakeup(&self) -> Option<Moment> {
        self.queues.values().map(|queue| queue.not_before).min()
    }

    /// Hands out what may leave now, at most [`SLICE_MESSAGES`].
    pub(super) fn due(
        &mut self,
        now: Moment,
        spacing: impl Fn(Pace, Family) -> Duration,
        mut send: impl FnMut(Due),
    ) {
        let mut left = SLICE_MESSAGES;
        let places = &mut self.places;
        self.queues.retain(|(pace, family), queue| {
            let spacing = spacing(*pace, *family);
            while left > 0 && queue.not_before <= now {
                let Some((due, ended)) = queue.take() else { return false };
                if let Some(instance) = ended {
                    forget(places, (instance, *pace, *family));
                }
                let Some(due) = due else { continue };
                send(due);
                left -= 1;
                if !spacing.is_zero() {
                    queue.not_before = now + spacing;
                }
            }
            !queue.waiting.is_empty()
        });
    }
}

fn forget(places: &mut BTreeMap<(InstanceId, Pace, Family), u32>, place: (InstanceId, Pace, Family)) {
    if let Some(count) = places.get_mut(&place) {
        *count -= 1;
        if *count == 0 {
            places.remove(&place);
        }
    }
}

impl Queue {
    /// The next message, and the instance whose request ends with it.
    fn take(&mut self) -> Option<(Option<Due>, Option<InstanceId>)> {
        let front = self.waiting.front_mut()?;
        let position = front.addresses.get(front.next).copied();
        let due =
            position.map(|position| Due { instance: front.instance, interface: front.interface, position });
        front.next += 1;
        let mut ended = None;
        if front.next >= front.addresses.len() {
            front.next = 0;
            front.rounds_left = front.rounds_left.saturating_sub(1);
            // A repetition is worth less than what another instance has not announced once.
            match self.waiting.pop_front() {
                Some(rounds) if rounds.rounds_left > 0 => self.waiting.push_back(rounds),
                rounds => ended = rounds.map(|rounds| rounds.instance),
            }
        }
        Some((due, ended))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETH0: Way = Way { interface: InterfaceId(0), pace: Pace::Interface(InterfaceId(0)) };
    const A: InstanceId = InstanceId(1);
    const B: InstanceId = InstanceId(2);

    fn drain(pacer: &mut Pacer, now: Moment, spacing: Duration) -> Vec<(u32, u32)> {
        let mut sent = Vec::new();
        pacer.due(now, |_, _| spacing, |due| sent.push((due.instance.0, due.position)));
        sent
    }

    #[test]
    fn rounds_go_over_all_addresses_before_they_repeat() {
        let mut pacer = Pacer::default();
        pacer.request(A, ETH0, Family::V4, vec![0, 1], 2);
        assert_eq!(drain(&mut pacer, Moment::ZERO, Duration::ZERO), [(1, 0), (1, 1), (1, 0), (1, 1)]);
        assert_eq!(pacer.next_wakeup(), None);
    }

    #[test]
    fn every_instance_is_announced_once_before_any_is_repeated() {
        let mut pacer = Pacer::default();
        pacer.request(A, ETH0, Family::V4, vec![0, 1], 2);
        pacer.request(B, ETH0, Family::V4, vec![0], 2);
        let sent = drain(&mut pacer, Moment::ZERO, Duration::ZERO);
        assert_eq!(sent, [(1, 0), (1, 1), (2, 0), (1, 0), (1, 1), (2, 0)]);
    }

    #[test]
    fn pacing_lets_one_message_leave_each_interval() {
        let mut pacer = Pacer::default();
        pacer.request(A, ETH0, Family::V4, vec![0], 1);
        pacer.request(B, ETH0, Family::V4, vec![0], 1);
        let spacing = Duration::from_millis(5);
        assert_eq!(drain(&mut pacer, Moment::ZERO, spacing), [(1, 0)]);
        assert_eq!(drain(&mut pacer, Moment::from_nanos(4_999_999), spacing), []);
        assert_eq!(pacer.next_wakeup(), Some(Moment::from_nanos(5_000_000)));
        assert_eq!(drain(&mut pacer, Moment::from_nanos(5_000_000), spacing), [(2, 0)]);
    }

    #[test]
    fn interfaces_of_a_group_share_their_spacing() {
        let mut pacer = Pacer::default();
        let [one, other] = [0, 1].map(|id| Way { interface: InterfaceId(id), pace: Pace::Group(0) });
        pacer.request(A, one, Family::V4, vec![0], 1);
        pacer.request(A, other, Family::V4, vec![0], 1);
        let spacing = Duration::from_millis(5);
        let mut left = Vec::new();
        for at in [0, 4_999_999, 5_000_000] {
            pacer.due(Moment::from_nanos(at), |_, _| spacing, |due| left.push((at, due.interface.0)));
        }
        assert_eq!(left, [(0, 0), (5_000_000, 1)]);
    }

    #[test]
    fn a_slice_is_bounded() {
        let mut pacer = Pacer::default();
        pacer.request(A, ETH0, Family::V4, (0..1_000).collect(), 5);
        assert_eq!(drain(&mut pacer, Moment::ZERO, Duration::ZERO).len(), SLICE_MESSAGES);
        assert_eq!(pacer.next_wakeup(), Some(Moment::ZERO));
    }

    #[test]
    fn a_request_that_waits_is_not_queued_twice_but_grows() {
        let mut pacer = Pacer::default();
        pacer.request(A, ETH0, Family::V4, vec![0], 1);
        pacer.request(A, ETH0, Family::V4, vec![0], 3);
        assert_eq!(drain(&mut pacer, Moment::ZERO, Duration::ZERO).len(), 3);
    }

    #[test]
    fn cancelled_rounds_never_leave() {
        let mut pacer = Pacer::default();
        pacer.request(A, ETH0, Family::V4, vec![0], 1);
        pacer.request(B, ETH0, Family::V4, vec![0], 1);
        pacer.cancel(A);
        assert_eq!(drain(&mut pacer, Moment::ZERO, Duration::ZERO), [(2, 0)]);
    }

    #[test]
    fn nothing_is_remembered_of_what_has_left() {
        let mut pacer = Pacer::default();
        for instance in 0..4 {
            pacer.request(InstanceId(instance), ETH0, Family::V4, vec![0, 1], 2);
            pacer.request(InstanceId(instance), ETH0, Family::V6, vec![2], 1);
        }
        pacer.cancel(A);
        assert_eq!(drain(&mut pacer, Moment::ZERO, Duration::ZERO).len(), 15);
        assert!(pacer.places.is_empty() && pacer.queues.is_empty());
    }
}
