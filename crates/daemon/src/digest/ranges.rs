//! Ranges of addresses that do not overlap: the kernel takes no map in which a packet could have two marks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::link::check::work::Marked;

/// The ranges so far.
#[derive(Debug, Default)]
pub(super) struct Ranges(Vec<Marked>);

impl Ranges {
    /// What of a range nobody had before; from now on that is taken as well. Port 0 stands for all ports.
    pub(super) fn free(&mut self, range: Marked) -> Vec<Marked> {
        let meets = |taken: &&Marked| {
            taken.transport == range.transport
                && taken.first.is_ipv4() == range.first.is_ipv4()
                && (taken.port == range.port || taken.port == 0 || range.port == 0)
        };
        let mut free = vec![(number(range.first), number(range.last))];
        for taken in self.0.iter().filter(meets) {
            let (first, last) = (number(taken.first), number(taken.last));
            free = free.into_iter().flat_map(|part| without(part, first, last)).collect();
        }
        let address = |number: u128| match range.first {
            IpAddr::V4(_) => u32::try_from(number).map(|number| Ipv4Addr::from(number).into()).ok(),
            IpAddr::V6(_) => Some(Ipv6Addr::from(number).into()),
        };
        let parts = free.into_iter().filter_map(|(first, last)| {
            Some(Marked { first: address(first)?, last: address(last)?, ..range })
        });
        let parts: Vec<Marked> = parts.collect();
        self.0.extend(&parts);
        parts
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// What is left of a range without the numbers from `first` to `last`: up to two parts.
fn without((from, to): (u128, u128), first: u128, last: u128) -> impl Iterator<Item = (u128, u128)> {
    let below = first.checked_sub(1).map(|end| (from, to.min(end)));
    let above = last.checked_add(1).map(|start| (from.max(start), to));
    [below, above].into_iter().flatten().filter(|(from, to)| from <= to)
}

#[cfg(test)]
mod tests {
    use steadfast_kernel::ipvs::Transport;

    use super::*;

    fn range(first: &str, last: &str, port: u16) -> Marked {
        let [first, last] = [first, last].map(|text| text.parse().unwrap());
        Marked { transport: Transport::Tcp, first, last, port, mark: 1 }
    }

    #[test]
    fn what_one_has_no_other_gets() {
        let mut ranges = Ranges::default();
        let middle = range("10.0.0.10", "10.0.0.20", 80);
        assert_eq!(ranges.free(middle), [middle]);
        assert_eq!(
            ranges.free(range("10.0.0.1", "10.0.0.30", 80)),
            [range("10.0.0.1", "10.0.0.9", 80), range("10.0.0.21", "10.0.0.30", 80)]
        );
        assert_eq!(ranges.free(range("10.0.0.5", "10.0.0.5", 80)), []);
        // Another port is another place, all ports are not.
        let other = range("10.0.0.5", "10.0.0.5", 81);
        assert_eq!(ranges.free(other), [other]);
        assert_eq!(ranges.free(range("10.0.0.4", "10.0.0.31", 0)), [range("10.0.0.31", "10.0.0.31", 0)]);
        let whole = range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 80);
        assert_eq!(ranges.free(whole), [whole]);
        assert_eq!(ranges.free(range("::1", "::2", 80)), []);
    }
}
