//! Datagrams that were written whole in a segment, so that one like them takes a few octets.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};

use steadfast_vrrp::{Datagram, InstanceId};

use crate::entry::Number;

/// A place for each sender of a virtual router; those that meet in one place take turns. Who makes his datagrams meet others
/// makes the record longer, and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    places: Vec<Template>,
    count: u32,
    /// By instance: the number of the datagram that it heard last, 0 if that does not stand whole in the segment.
    heard: Vec<u32>,
}

/// A datagram in the segment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Template {
    /// Its number among those of the segment, from 1.
    pub(crate) number: u32,
    /// Where it stands.
    pub(crate) at: u32,
    pub(crate) length: u32,
}

/// Places, at least and at most: a power of two.
const PLACES_MIN: usize = 64;
const PLACES_MAX: usize = 8_192;
/// Octets that differ in a datagram that is like another, at most.
const DIFFERENT_MAX: usize = 24;

/// What tells the senders of virtual routers apart.
pub(crate) fn sender(datagram: &Datagram<'_>) -> u64 {
    let vrid = datagram.carrier.message(datagram.message).and_then(|message| message.get(1));
    let source = match datagram.source {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => {
            let [_, _, _, _, one, two, three, four] = address.segments();
            [one, two, three, four].into_iter().fold(0, |bits, word| (bits << 16) | u64::from(word))
        }
    };
    let number = (u64::from(datagram.interface.0) << 8) | u64::from(vrid.copied().unwrap_or_default());
    // The odd constant of Fibonacci hashing spreads what differs in the low bits only.
    let mixed = (source.rotate_left(24) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 32)
}

impl Templates {
    /// None, for a segment about so many instances.
    pub(crate) fn clear(&mut self, instances: usize) {
        let places = (instances * 2).next_power_of_two().clamp(PLACES_MIN, PLACES_MAX);
        self.places.clear();
        self.places.resize(places, Template::default());
        self.count = 0;
        self.heard.clear();
        self.heard.resize(instances, 0);
    }

    fn place(&self, sender: u64) -> usize {
        usize::try_from(sender & 0xffff).unwrap_or_default() & self.places.len().saturating_sub(1)
    }

    /// The one of the same sender, if it has the same length.
    pub(crate) fn find(&self, sender: u64, length: usize) -> Option<Template> {
        let template = *self.places.get(self.place(sender))?;
        (template.number > 0 && usize::try_from(template.length) == Ok(length)).then_some(template)
    }

    /// A datagram was written at a place of the segment. Its number comes back.
    pub(crate) fn add(&mut self, sender: u64, at: usize, length: usize) -> u32 {
        self.count += 1;
        let (Ok(at), Ok(length)) = (u32::try_from(at), u32::try_from(length)) else { return self.count };
        let (place, number) = (self.place(sender), self.count);
        if let Some(place) = self.places.get_mut(place) {
            *place = Template { number, at, length };
        }
        number
    }

    /// An instance hears the datagram with this number, or one without.
    pub(crate) fn hear(&mut self, instance: InstanceId, number: u32) {
        if let Some(heard) = self.heard.get_mut(instance.index()) {
            *heard = number;
        }
    }

    /// The number of the datagram that an instance heard last.
    pub(crate) fn heard_last(&self, instance: InstanceId) -> Option<u32> {
        self.heard.get(instance.index()).copied().filter(|number| *number > 0)
    }
}

/// Writes what differs between a datagram and one of the same length: octets to skip, how many differ, and those. `false`
/// when that is no shorter.
pub(crate) fn differences(template: &[AtomicU8], datagram: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    if template.len() != datagram.len() {
        return false;
    }
    let same =
        |at: usize| template.get(at).map(|octet| octet.load(Ordering::Relaxed)) == datagram.get(at).copied();
    let mut at = 0;
    let mut different = 0;
    while at < datagram.len() {
        let start = at;
        while at < datagram.len() && same(at) {
            at += 1;
        }
        let from = at;
        while at < datagram.len() && !same(at) {
            at += 1;
        }
        if from == at {
            break;
        }
        different += at - from;
        if different > DIFFERENT_MAX {
            return false;
        }
        out.extend_from_slice(Number::of(from - start).octets());
        out.extend_from_slice(Number::of(at - from).octets());
        out.extend_from_slice(datagram.get(from..at).unwrap_or_default());
    }
    true
}
