//! The keys of the servers of one service, in one piece of memory.

use std::net::{IpAddr, Ipv4Addr};

use crate::ipvs::ServerKey;

/// Keys in their order, without room between them. An IPv4 address and its port need no more than they are long.
#[derive(Debug)]
pub(super) enum Keys {
    /// All of them are IPv4.
    Short(Vec<Short>),
    /// There is another one among them.
    Long(Vec<ServerKey>),
}

/// The octets of an IPv4 address and of a port, ordered as [`ServerKey`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Short([u8; 6]);

impl Short {
    fn of(key: &ServerKey) -> Option<Self> {
        let IpAddr::V4(address) = key.address else { return None };
        let ([a, b, c, d], [high, low]) = (address.octets(), key.port.to_be_bytes());
        Some(Self([a, b, c, d, high, low]))
    }

    fn key(self) -> ServerKey {
        let Self([a, b, c, d, high, low]) = self;
        let address = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
        ServerKey { address, port: u16::from_be_bytes([high, low]) }
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self::Short(Vec::new())
    }
}

impl Keys {
    pub(super) fn iter(&self) -> impl Iterator<Item = ServerKey> + '_ {
        let (short, long): (&[_], &[_]) = match self {
            Self::Short(keys) => (keys, &[]),
            Self::Long(keys) => (&[], keys),
        };
        short.iter().map(|key| key.key()).chain(long.iter().copied())
    }

    /// Where a key is, or where it would be.
    pub(super) fn find(&self, key: &ServerKey) -> Result<usize, usize> {
        match (self, Short::of(key)) {
            (Self::Short(keys), Some(key)) => find(keys, &key),
            // IPv4 comes first.
            (Self::Short(keys), None) => Err(keys.len()),
            (Self::Long(keys), _) => find(keys, key),
        }
    }

    /// `place` is where [`find`](Self::find) said that it would be.
    pub(super) fn insert(&mut self, place: usize, key: ServerKey) {
        match (&mut *self, Short::of(&key)) {
            (Self::Short(keys), Some(key)) => keys.insert(place, key),
            (Self::Long(keys), _) => keys.insert(place, key),
            (Self::Short(_), None) => {
                let mut keys: Vec<_> = self.iter().collect();
                keys.insert(place, key);
                *self = Self::Long(keys);
            }
        }
    }

    /// `place` is where [`find`](Self::find) found it.
    pub(super) fn remove(&mut self, place: usize) {
        match self {
            Self::Short(keys) => {
                keys.remove(place);
            }
            Self::Long(keys) => {
                keys.remove(place);
            }
        }
    }

    pub(super) fn compact(&mut self) {
        match self {
            Self::Short(keys) => keys.shrink_to_fit(),
            Self::Long(keys) => keys.shrink_to_fit(),
        }
    }
}

/// Most come in their order.
fn find<Key: Ord>(keys: &[Key], key: &Key) -> Result<usize, usize> {
    match keys.last() {
        Some(last) if last < key => Err(keys.len()),
        _ => keys.binary_search(key),
    }
}
