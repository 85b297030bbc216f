//! The internet checksum (RFC 1071) with the pseudo headers of IPv4 and IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A sum that grows part by part; parts may have any length, odd ones too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checksum {
    sum: u64,
    /// An odd number of octets was added so far: the next one is the low half of its word.
    odd: bool,
}

impl Checksum {
    /// Nothing summed.
    pub const fn new() -> Self {
        Self { sum: 0, odd: false }
    }

    /// Adds octets. Up to 2^32 of them fit without overflow.
    #[must_use]
    pub fn with(mut self, mut octets: &[u8]) -> Self {
        if self.odd
            && let Some((first, rest)) = octets.split_first()
        {
            self.sum += u64::from(*first);
            self.odd = false;
            octets = rest;
        }
        let (words, tail) = octets.as_chunks::<2>();
        self.sum += words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>();
        if let Some(last) = tail.first() {
            self.sum += u64::from(*last) << 8;
            self.odd = true;
        }
        self
    }

    /// Adds the IPv4 pseudo header (RFC 793 section 3.1) of a payload of `length` octets.
    #[must_use]
    pub fn with_pseudo_v4(self, source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, length: u16) -> Self {
        self.with(&source.octets())
            .with(&destination.octets())
            .with(&[0, protocol])
            .with(&length.to_be_bytes())
    }

    /// Adds the IPv6 pseudo header (RFC 8200 section 8.1) of a payload of `length` octets.
    #[must_use]
    pub fn with_pseudo_v6(
        self,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        next_header: u8,
        length: u32,
    ) -> Self {
        self.with(&source.octets()).with(&destination.octets()).with(&length.to_be_bytes()).with(&[
            0,
            0,
            0,
            next_header,
        ])
    }

    /// The value that goes into the checksum field, when that field was summed as zero.
    /// Over data with a right checksum in it the result is zero.
    pub const fn finish(self) -> u16 {
        !fold(self.sum)
    }
}

/// What of the addresses goes into a checksum besides the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PseudoHeader {
    /// Nothing.
    None,
    /// Both addresses of the IPv4 header.
    V4 {
        /// Source address of the datagram.
        source: Ipv4Addr,
        /// Destination address of the datagram.
        destination: Ipv4Addr,
    },
    /// Both addresses of the IPv6 header.
    V6 {
        /// Source address of the datagram.
        source: Ipv6Addr,
        /// Destination address of the datagram.
        destination: Ipv6Addr,
    },
}

impl PseudoHeader {
    /// `None` when the families differ.
    pub const fn between(source: IpAddr, destination: IpAddr) -> Option<Self> {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Some(Self::V4 { source, destination }),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Some(Self::V6 { source, destination }),
            _ => None,
        }
    }

    /// The checksum over this pseudo header and `payload`, whose own checksum field counts as it
    /// stands: zero to make one, as received to verify one (the result is then zero).
    pub fn checksum(self, protocol: u8, payload: &[u8]) -> u16 {
        self.checksum_of(protocol, payload, &[])
    }

    /// The same over a payload in two parts, of which the first has a whole number of words.
    pub(crate) fn checksum_of(self, protocol: u8, head: &[u8], tail: &[u8]) -> u16 {
        debug_assert!(head.len().is_multiple_of(2) || tail.is_empty());
        let length = head.len() + tail.len();
        let sum = Checksum::new();
        match self {
            Self::None => sum,
            Self::V4 { source, destination } => {
                // No IPv4 datagram is longer than its 16 bit length field can say.
                let length = u16::try_from(length).unwrap_or(u16::MAX);
                sum.with_pseudo_v4(source, destination, protocol, length)
            }
            Self::V6 { source, destination } => {
                let length = u32::try_from(length).unwrap_or(u32::MAX);
                sum.with_pseudo_v6(source, destination, protocol, length)
            }
        }
        .with(head)
        .with(tail)
        .finish()
    }
}

/// The checksum of one run of octets.
pub fn checksum(octets: &[u8]) -> u16 {
    Checksum::new().with(octets).finish()
}

/// The checksum after one 16 bit word of the data changed (RFC 1624 equation 3).
///
/// Equal to a fresh computation as long as the data is not all zero.
pub const fn update(checksum: u16, old_word: u16, new_word: u16) -> u16 {
    !fold(!checksum as u64 + !old_word as u64 + new_word as u64)
}

#[allow(clippy::cast_possible_truncation, reason = "the loop ends with 16 bits")]
const fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn example_of_rfc_1071() {
        // Section 3: the sum is ddf2.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn empty_and_single() {
        assert_eq!(checksum(&[]), 0xffff);
        assert_eq!(checksum(&[0xab]), !0xab00);
    }

    #[test]
    fn pseudo_header_is_the_bytes_of_the_rfc() {
        let source = Ipv4Addr::new(10, 0, 0, 1);
        let destination = Ipv4Addr::new(224, 0, 0, 18);
        let spelt = [10, 0, 0, 1, 224, 0, 0, 18, 0, 112, 0, 3, 1, 2, 3];
        let pseudo = PseudoHeader::V4 { source, destination };
        assert_eq!(pseudo.checksum(112, &[1, 2, 3]), checksum(&spelt));
        let mixed = PseudoHeader::between(source.into(), Ipv6Addr::LOCALHOST.into());
        assert_eq!(mixed, None);
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_whole(octets: Vec<u8>, cuts: [prop::sample::Index; 2]) {
            let mut cuts = cuts.map(|cut| cut.index(octets.len() + 1));
            cuts.sort_unstable();
            let parts = Checksum::new()
                .with(&octets[..cuts[0]])
                .with(&octets[cuts[0]..cuts[1]])
                .with(&octets[cuts[1]..]);
            prop_assert_eq!(parts.finish(), checksum(&octets));
        }

        #[test]
        fn update_equals_a_fresh_sum(mut words in prop::collection::vec(any::<u16>(), 1..40), at: prop::sample::Index, new: u16) {
            // Not all zero, as RFC 1624 needs.
            words.push(0x2100);
            let bytes = |words: &[u16]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<_>>();
            let before = checksum(&bytes(&words));
            let at = at.index(words.len() - 1);
            let old = std::mem::replace(&mut words[at], new);
            prop_assert_eq!(update(before, old, new), checksum(&bytes(&words)));
        }
    }
}
