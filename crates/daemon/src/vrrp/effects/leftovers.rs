//! Virtual addresses that are there and that no instance holds: whose they are, and what becomes of them.
//!
//! | who put it there | how that is known | what becomes of it |
//! |---|---|---|
//! | an earlier run of this program | our mark (IFA_PROTO), or the supervisor saw it held | removed |
//! | a daemon that lives beside this one | [`beside`](crate::beside) says what it holds; its mark may be ours | left, told |
//! | anybody else | no mark | left, told unless its router is the owner (priority 255) |

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use steadfast_kernel::netlink::{Address, AddressKey};
use steadfast_vrrp::{InstanceId, InterfaceId};
use steadfast_wire::vrrp::Priority;

use super::addresses::specs;
use super::{Effects, index_of};
use crate::link::vrrp::work::{Install, VirtualAddress};
use crate::link::vrrp::{Living, Notice};

/// Addresses that one notice names.
const NAMED_MAX: usize = 8;

impl Effects {
    /// RFC 9568 section 6.4.2: a backup has none of the addresses, be it one since the start or since a reload. `only`
    /// are the instances meant; all by default.
    pub(super) fn clean_leftovers(
        &mut self,
        found: &[Address],
        only: Option<&BTreeSet<InstanceId>>,
        living: &[Living],
    ) {
        let abandoned = std::mem::take(&mut self.abandoned);
        let seen_held = self.not_held(&abandoned);
        let meant = |install: &&Install| only.is_none_or(|only| only.contains(&install.instance));
        let installs = self.work.installs.iter().filter(meant);
        let mut not_held: BTreeSet<AddressKey> =
            installs.flat_map(|install| self.not_held(&install.addresses)).collect();
        not_held.extend(&seen_held);
        let there: Vec<&Address> = found.iter().filter(|address| not_held.contains(&address.key)).collect();
        if there.is_empty() {
            return;
        }
        let owned = self.owned();
        let mut of_another: BTreeMap<usize, Vec<&Address>> = BTreeMap::new();
        let (mut removed, mut strange) = (Vec::new(), Vec::new());
        for address in there {
            // keepalived has the same mark or none, and so has another steadfast.
            let holder = living.iter().position(|other| other.may_hold(address.key.address));
            if let Some(holder) = holder {
                of_another.entry(holder).or_default().push(address);
            } else if address.is_ours() || seen_held.contains(&address.key) {
                self.site.kinds.addresses.reconciler.discard(address);
                removed.push(address);
            } else if !owned.contains(&address.key.address) {
                strange.push(address);
            }
        }
        if let Some((addresses, count)) = self.named(&removed) {
            self.notice(Notice::LeftoversRemoved { addresses, count });
        }
        if let Some((addresses, count)) = self.named(&strange) {
            self.notice(Notice::AddressesNotOurs { addresses, count });
        }
        for (holder, addresses) in of_another {
            if let Some(holder) = living.get(holder)
                && let Some((addresses, count)) = self.named(&addresses)
            {
                let holder = holder.who.clone();
                self.notice(Notice::AddressesOfAnother { addresses, count, holder });
            }
        }
    }

    /// Of these addresses, those that nobody holds.
    fn not_held(&self, addresses: &[VirtualAddress]) -> BTreeSet<AddressKey> {
        let keys = specs(addresses, index_of(&self.site.interfaces)).flatten().map(|spec| spec.key);
        keys.filter(|key| !self.site.kinds.addresses.holdings.is_held(key)).collect()
    }

    /// Whether an address stays when its instance gives it up: it was the host's own before, and the instance owns it,
    /// or the host would lose its only one.
    pub(super) fn stays(&self, key: AddressKey) -> bool {
        self.site.interfaces.is_needed(key)
            || (self.site.interfaces.is_own(key) && self.owned().contains(&key.address))
    }

    /// Addresses of virtual routers that own theirs (RFC 9568 section 5.2.4: priority 255).
    fn owned(&self) -> BTreeSet<IpAddr> {
        let owners = self.work.machine.instances.iter().filter(|config| config.priority == Priority::OWNER);
        let installs = owners.filter_map(|config| self.work.install(config.id));
        installs.flat_map(|install| &install.addresses).map(|address| address.address).collect()
    }

    /// The first of these addresses, and how many they are; nothing of none.
    fn named(&self, addresses: &[&Address]) -> Option<(Vec<(InterfaceId, IpAddr)>, usize)> {
        let first = addresses.iter().take(NAMED_MAX);
        let first = first.filter_map(|address| {
            Some((self.site.interfaces.configured(address.key.interface)?, address.key.address))
        });
        (!addresses.is_empty()).then(|| (first.collect(), addresses.len()))
    }
}
