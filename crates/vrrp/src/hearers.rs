//! Who hears a virtual router.

use std::collections::BTreeMap;

use steadfast_wire::vrrp::{Family, Vrid};

use crate::config::{InstanceConfig, InstanceId, InterfaceId};

/// Which instances hear a VRID on an interface: several only where unicast peers tell them apart.
#[derive(Debug, Default)]
pub(crate) struct Hearers(BTreeMap<(InterfaceId, Family), Vec<(Vrid, InstanceId)>>);

impl Hearers {
    /// By ascending number.
    pub(crate) fn of(&self, interface: InterfaceId, family: Family, vrid: Vrid) -> &[(Vrid, InstanceId)] {
        let all = self.0.get(&(interface, family)).map(Vec::as_slice).unwrap_or_default();
        let start = all.partition_point(|(other, _)| *other < vrid);
        let those = all.get(start..).unwrap_or_default();
        let count = those.iter().take_while(|(other, _)| *other == vrid).count();
        those.get(..count).unwrap_or_default()
    }

    pub(crate) fn insert(&mut self, config: &InstanceConfig) {
        let all = self.0.entry((config.adverts_on, config.family)).or_default();
        let entry = (config.vrid, config.id);
        if let Err(place) = all.binary_search(&entry) {
            all.insert(place, entry);
        }
    }

    pub(crate) fn remove(&mut self, config: &InstanceConfig) {
        let key = (config.adverts_on, config.family);
        let Some(all) = self.0.get_mut(&key) else { return };
        all.retain(|entry| *entry != (config.vrid, config.id));
        if all.is_empty() {
            self.0.remove(&key);
        }
    }
}
