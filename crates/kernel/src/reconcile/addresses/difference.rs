//! What has to be done, in the order in which the kernel takes it best.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use super::Addresses;
use crate::error::{Capability, Errno, Error};
use crate::netlink::AddressKey;

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    /// Delete an address.
    Delete(AddressKey),
    /// Add an address.
    Add(AddressKey),
    /// Give an address another lease.
    Renew(AddressKey),
    /// Add an address that the deletion of another one may have taken along.
    Restore(AddressKey),
}

impl Operation {
    /// Of which address.
    pub(super) const fn key(&self) -> AddressKey {
        match *self {
            Self::Delete(key) | Self::Add(key) | Self::Renew(key) | Self::Restore(key) => key,
        }
    }

    pub(super) fn error(self, errno: Errno, kernel_message: Option<String>) -> Error {
        let attempted: Cow<'static, str> = match self {
            Self::Delete(key) => format!("delete {key}").into(),
            Self::Add(key) | Self::Restore(key) => format!("add {key}").into(),
            Self::Renew(key) => format!("renew the lease of {key}").into(),
        };
        Error { kernel_message, ..Error::new(attempted, errno) }.needing(Capability::NetAdmin)
    }
}

impl Addresses {
    /// The steps that lead from what exists to what is wanted: deletions first, so that an address can be made anew
    /// with other properties.
    pub(super) fn difference(&self) -> Vec<Operation> {
        let mut deletes = Vec::new();
        let mut adds = Vec::new();
        for &key in &self.dirty {
            let present = self.present.contains_key(&key);
            match self.desired.get(&key) {
                Some(desired) if present && desired.replace => {
                    deletes.push(key);
                    adds.push(Operation::Add(key));
                }
                Some(_) if present => {}
                Some(_) => adds.push(Operation::Add(key)),
                None if present => deletes.push(key),
                None => {}
            }
        }
        // Primaries last: deleting one first would take its secondaries along, or promote one of them each time.
        // The kernel makes the first one added the primary, and adds go in ascending order.
        deletes.sort_unstable_by_key(|key| (self.may_be_primary(*key), Reverse(*key)));
        let restores = self.restores(&deletes);
        let mut operations: Vec<_> = deletes.into_iter().map(Operation::Delete).collect();
        operations.append(&mut adds);
        operations.extend(restores);
        operations.extend(self.renewals());
        operations
    }

    /// What is there as it is wanted and gets another lease; what is made anew has one.
    fn renewals(&self) -> impl Iterator<Item = Operation> + '_ {
        let stays = |key: &AddressKey| {
            self.present.contains_key(key) && self.desired.get(key).is_some_and(|desired| !desired.replace)
        };
        self.renew.iter().copied().filter(stays).map(Operation::Renew)
    }

    fn may_be_primary(&self, key: AddressKey) -> bool {
        self.present.get(&key).and_then(|present| present.primary).unwrap_or(true)
    }

    /// Without the sysctl promote_secondaries, a primary IPv4 address takes all others of its network along: those
    /// that are wanted and stay.
    fn restores(&self, deletes: &[AddressKey]) -> Vec<Operation> {
        let mut restores = BTreeSet::new();
        let mut networks = BTreeSet::new();
        for key in deletes.iter().filter(|key| self.may_be_primary(**key)) {
            if let Some((first, last)) = network_of(*key)
                && networks.insert((first, last))
            {
                let same_network = self.desired.range(first..=last).map(|(other, _)| *other);
                restores.extend(
                    same_network
                        .filter(|other| other.prefix == key.prefix && self.present.contains_key(other)),
                );
            }
        }
        for key in deletes {
            restores.remove(key);
        }
        restores.into_iter().map(Operation::Restore).collect()
    }
}

/// First and last possible key of an IPv4 address's network; `None` where there can be no secondary addresses.
fn network_of(key: AddressKey) -> Option<(AddressKey, AddressKey)> {
    let IpAddr::V4(address) = key.address else { return None };
    let host_bits = 32_u32.checked_sub(key.prefix.into()).filter(|bits| *bits > 0)?;
    let hosts = u32::MAX.checked_shr(32 - host_bits)?;
    let (first, last) = (address.to_bits() & !hosts, address.to_bits() | hosts);
    let at = |bits, prefix| AddressKey { address: IpAddr::V4(Ipv4Addr::from_bits(bits)), prefix, ..key };
    Some((at(first, 0), at(last, u8::MAX)))
}
