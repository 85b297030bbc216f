//! Marks for groups of virtual servers whose packets are marked by nftables (`nftables_ipvs`): the kernel then has one
//! service for all addresses of a group. A mark that was given is kept as long as its group, and not given again: what a
//! reload does not change stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_config::model::{GroupEntry, Model, ServiceTarget, VirtualServer, VirtualServerGroup};

use crate::digest::check::transport;

/// Where keepalived begins without `nftables_ipvs_start_fwmark`.
const FIRST_MARK: u32 = 1_000;

/// A group as one protocol uses it, by the place of the protocol in the group's marks.
type User = (Arc<str>, usize);

/// The marks that were given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Marks {
    /// The last one; none before the first.
    last: Option<u32>,
    given: BTreeMap<User, u32>,
}

impl Marks {
    /// Groups that have none get marks in the order of their services. Where all numbers are used up a group stays as it is
    /// without them.
    pub(crate) fn give(&mut self, model: &Model) {
        let firewall = &model.global.firewall;
        if firewall.ipvs_table.is_none() {
            return;
        }
        let first = firewall.ipvs_start_mark.unwrap_or(FIRST_MARK);
        let configured = configured(model);
        self.given.retain(|_, mark| !configured.contains(mark));
        let groups: BTreeSet<&Arc<str>> = with_addresses(model).collect();
        let mut used = BTreeSet::new();
        for user in model.virtual_servers.iter().filter_map(|server| user(server, &groups)) {
            let next = self.last.map_or(Some(first), |last| last.checked_add(1));
            let free = next.and_then(|next| (next..=u32::MAX).find(|mark| !configured.contains(mark)));
            if !self.given.contains_key(&user)
                && let Some(mark) = free
            {
                self.last = Some(mark);
                self.given.insert(user.clone(), mark);
            }
            used.insert(user);
        }
        self.given.retain(|user, _| used.contains(user));
    }

    /// Writes them into the groups.
    pub(crate) fn put(&self, groups: &mut [VirtualServerGroup]) {
        for group in groups {
            for (place, mark) in group.marks.iter_mut().enumerate() {
                *mark = self.given.get(&(Arc::clone(&group.name), place)).copied();
            }
        }
    }
}

/// Marks that services of the file have: what is marked so goes to their servers.
fn configured(model: &Model) -> BTreeSet<u32> {
    let of_services = model.virtual_servers.iter().filter_map(|server| match server.target {
        ServiceTarget::Mark(mark) => Some(mark),
        _ => None,
    });
    let entries = model.virtual_server_groups.iter().flat_map(|group| &group.entries);
    let of_groups = entries.filter_map(|entry| match entry {
        GroupEntry::Mark { mark, .. } => Some(*mark),
        GroupEntry::Addresses { .. } => None,
    });
    of_services.chain(of_groups).collect()
}

/// Groups of which nftables has something to mark.
fn with_addresses(model: &Model) -> impl Iterator<Item = &Arc<str>> {
    let has = |group: &&VirtualServerGroup| {
        group.entries.iter().any(|entry| matches!(entry, GroupEntry::Addresses { .. }))
    };
    model.virtual_server_groups.iter().filter(has).map(|group| &group.name)
}

fn user(server: &VirtualServer, groups: &BTreeSet<&Arc<str>>) -> Option<User> {
    let ServiceTarget::Group(name) = &server.target else { return None };
    groups.contains(name).then(|| (Arc::clone(name), transport(server.protocol).place()))
}

#[cfg(test)]
mod tests {
    use steadfast_config::{AnyMachine, LoadOptions, Memory, load};

    use super::*;

    fn model(groups: &[&str]) -> Model {
        let mut text = String::from("global_defs {\n nftables_ipvs\n nftables_ipvs_start_fwmark 50\n}\n");
        for group in groups {
            text += &format!(
                "virtual_server_group {group} {{\n 192.0.2.1-9 80\n}}\nvirtual_server group {group} {{\n lb_algo rr\n \
                 lb_kind NAT\n protocol TCP\n real_server 10.0.0.1 80 {{\n }}\n}}\n"
            );
        }
        load(
            &Memory::new().file("k.conf", text.as_str()),
            "/k.conf".as_ref(),
            &AnyMachine,
            &LoadOptions::default(),
        )
        .model
    }

    fn put(marks: &Marks, model: &mut Model) -> Vec<Option<u32>> {
        marks.put(&mut model.virtual_server_groups);
        model.virtual_server_groups.iter().map(|group| group.marks[0]).collect()
    }

    #[test]
    fn marks_rise_stay_and_are_not_given_again() {
        let mut marks = Marks::default();
        let mut first = model(&["a", "b"]);
        marks.give(&first);
        assert_eq!(put(&marks, &mut first), [Some(50), Some(51)]);
        let mut second = model(&["c", "b"]);
        marks.give(&second);
        assert_eq!(put(&marks, &mut second), [Some(52), Some(51)]);
        let mut third = model(&["a", "b", "c"]);
        marks.give(&third);
        assert_eq!(put(&marks, &mut third), [Some(53), Some(51), Some(52)]);
        marks.last = Some(u32::MAX);
        let mut last = model(&["d"]);
        marks.give(&last);
        assert_eq!(put(&marks, &mut last), [None]);
    }

    /// Packets would go to the servers of that service else.
    #[test]
    fn a_mark_of_the_file_itself_is_not_given() {
        let mut marks = Marks::default();
        let mut model = model(&["a", "b"]);
        marks.give(&model);
        assert_eq!(put(&marks, &mut model), [Some(50), Some(51)]);
        model.virtual_servers[1].target = ServiceTarget::Mark(50);
        model.virtual_server_groups[1].entries.push(GroupEntry::Mark { mark: 51, family: None });
        marks.give(&model);
        assert_eq!(put(&marks, &mut model), [Some(52), None]);
    }
}
