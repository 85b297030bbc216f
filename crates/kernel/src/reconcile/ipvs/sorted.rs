//! A map in one piece of memory, most of whose values are equal.

use super::keys::Keys;
use super::rarely::Rarely;
use crate::ipvs::{Server, ServerKey};

/// The servers of one service. How most of them are used is held once.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    keys: Keys,
    usual: Option<Server>,
    /// Those that are used otherwise.
    others: Rarely<ServerKey, Server>,
}

impl Sorted {
    pub(super) fn get(&self, key: &ServerKey) -> Option<Server> {
        self.keys.find(key).ok()?;
        self.value(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ServerKey, Server)> + '_ {
        self.keys.iter().filter_map(|key| Some((key, self.value(&key)?)))
    }

    /// The value of a key that is there.
    fn value(&self, key: &ServerKey) -> Option<Server> {
        self.others.get(key).or(self.usual)
    }

    /// The value that stood there before.
    pub(super) fn insert(&mut self, key: ServerKey, value: Server) -> Option<Server> {
        let before = match self.keys.find(&key) {
            Ok(_) => self.value(&key),
            Err(place) => {
                self.keys.insert(place, key);
                None
            }
        };
        if *self.usual.get_or_insert(value) == value {
            self.others.remove(&key);
        } else {
            self.others.insert(key, value);
        }
        before
    }

    /// The value that stood there.
    pub(super) fn remove(&mut self, key: &ServerKey) -> Option<Server> {
        let place = self.keys.find(key).ok()?;
        let value = self.value(key);
        self.keys.remove(place);
        self.others.remove(key);
        value
    }

    pub(super) fn compact(&mut self) {
        self.keys.compact();
        // Boyer and Moore's vote: the value of more than half of them, if there is such.
        let mut usual = None;
        let mut lead = 0_u32;
        for (_, value) in self.iter() {
            if lead == 0 {
                usual = Some(value);
            }
            lead = if usual == Some(value) { lead + 1 } else { lead - 1 };
        }
        if usual != self.usual {
            self.others = self.iter().filter(|(_, value)| Some(*value) != usual).collect();
            self.usual = usual;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::ipvs::Forwarding;

    /// Most are IPv4, in an order that is not that of the numbers; some differ in their ports alone.
    fn key(number: u8) -> ServerKey {
        let address = match number {
            0..18 => IpAddr::V4(Ipv4Addr::new(number % 3, 0, number / 9, 9)),
            _ => IpAddr::V6(Ipv6Addr::from(u128::from(number))),
        };
        ServerKey { address, port: u16::from(number) * 100 }
    }

    fn server(weight: u32) -> Server {
        Server { forwarding: Forwarding::Direct, weight, upper_threshold: 0, lower_threshold: 0 }
    }

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(steps in prop::collection::vec((0_u8..20, prop::option::of(0_u32..3), any::<bool>()), 0..200)) {
            let (mut sorted, mut map) = (Sorted::default(), BTreeMap::new());
            for (number, weight, compact) in steps {
                let key = key(number);
                match weight.map(server) {
                    Some(server) => prop_assert_eq!(sorted.insert(key, server), map.insert(key, server)),
                    None => prop_assert_eq!(sorted.remove(&key), map.remove(&key)),
                }
                if compact {
                    sorted.compact();
                }
                prop_assert_eq!(sorted.get(&key), map.get(&key).copied());
                prop_assert_eq!(sorted.iter().collect::<Vec<_>>(), map.clone().into_iter().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn equal_values_cost_nothing() {
        let key = |number: u8| ServerKey { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)), port: 80 };
        let mut sorted = Sorted::default();
        for number in 0..100 {
            sorted.insert(key(number), server(1));
        }
        assert_eq!(sorted.others.iter().count(), 0);
        for number in 0..60 {
            sorted.insert(key(number), server(2));
        }
        assert_eq!(sorted.others.iter().count(), 60);
        sorted.compact();
        assert_eq!((sorted.usual, sorted.others.iter().count()), (Some(server(2)), 40));
    }
}
