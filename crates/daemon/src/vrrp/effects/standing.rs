//! What exists whatever the state of any instance, for those that follow it (`track_group`): while an address, a route or
//! a rule cannot be had, they are in FAULT. What somebody takes away is back before anybody has to follow.

use std::collections::BTreeMap;
use std::sync::Arc;

use steadfast_kernel::netlink::AddressKey;
use steadfast_vrrp::{InstanceId, InterfaceId};

use super::{Effects, index_of};
use crate::link::vrrp::work::Follower;
use crate::vrrp::timing::ToTiming;

impl Effects {
    /// Tells instances what of it is missing, where that changed.
    pub(super) fn tell_standing(&mut self) {
        if self.work.standing.followers.is_empty() && self.lacking.is_empty() {
            return;
        }
        let mut lacking: BTreeMap<InstanceId, Arc<str>> = BTreeMap::new();
        for follower in &self.work.standing.followers {
            if let Some(missing) = self.missing(follower) {
                for instance in &follower.instances {
                    lacking.entry(*instance).or_insert_with(|| Arc::clone(&missing));
                }
            }
        }
        let cleared: Vec<InstanceId> =
            self.lacking.keys().filter(|id| !lacking.contains_key(id)).copied().collect();
        if !cleared.is_empty() {
            self.lanes.to_timing.push(ToTiming::Standing { instances: cleared, missing: None });
        }
        for (id, missing) in &lacking {
            if self.lacking.get(id) != Some(missing) {
                let missing = Some(Arc::clone(missing));
                self.lanes.to_timing.push(ToTiming::Standing { instances: vec![*id], missing });
            }
        }
        self.lacking = lacking;
    }

    /// The first that is not there.
    fn missing(&self, follower: &Follower) -> Option<Arc<str>> {
        let interfaces = &self.site.interfaces;
        let index = index_of(interfaces);
        let kinds = &self.site.kinds;
        let address = follower.addresses.iter().find(|address| {
            index(address.interface).is_none_or(|interface| {
                let key = AddressKey { interface, address: address.address, prefix: address.prefix };
                kinds.addresses.reconciler.lacks(&key)
            })
        });
        if let Some(address) = address {
            return Some(format!("address {}/{}", address.address, address.prefix).into());
        }
        // A link that goes down takes its routes along, and the kernel does not say so.
        let up = |interface: &InterfaceId| {
            let last = interfaces.last(*interface);
            last.index.filter(|_| last.up)
        };
        let route = follower.routes.iter().find_map(|route| {
            let Some(made) = route.with_interfaces(up, |vrf| interfaces.last(*vrf).table) else {
                return Some("a route whose interface is down or missing".into());
            };
            kinds.routes.reconciler.lacks(&made).then(|| made.to_string().into())
        });
        route.or_else(|| {
            let rule = follower.rules.iter().find(|rule| kinds.rules.reconciler.lacks(rule));
            rule.map(|rule| rule.to_string().into())
        })
    }
}
