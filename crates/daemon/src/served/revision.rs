//! What a reload changes for the check worker. What is the same octets in both configurations is neither unpacked nor
//! boiled down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use steadfast_kernel::ipvs::ServiceKey;

use super::{Placed, Served, Unpacking};
use crate::digest::check::Boiler;
use crate::link::check::change::Change;
use crate::link::check::work::{Balanced, Settings};

/// The way from what was served to what is.
#[derive(Debug)]
pub(crate) struct Revision {
    pub(crate) change: Change,
    /// What runs afterwards.
    pub(crate) services: Vec<Placed>,
    /// Entries of the kernel that nobody has any more.
    pub(crate) gone: BTreeSet<ServiceKey>,
}

impl Revision {
    pub(crate) fn between(before: Served<'_>, after: Served<'_>, settings: Settings) -> Self {
        let (old, new) = (by_name(before.services()), by_name(after.services()));
        let comparable = before.packed.is_comparable(after.packed);
        let mut sides = (Side::of(before), Side::of(after));
        let (mut added, mut changed) = (Vec::new(), Vec::new());
        for (name, placed) in &new {
            let Some(earlier) = old.get(name) else {
                added.extend(sides.1.balanced(placed));
                continue;
            };
            // A name can stand for other servers than it did.
            let same = comparable
                && !placed.named
                && placed.outline == earlier.outline
                && before.packed.piece(earlier.place) == after.packed.piece(placed.place);
            if !same
                && let Some(service) = sides.1.balanced(placed)
                && sides.0.balanced(earlier).as_ref() != Some(&service)
            {
                changed.push(service);
            }
        }
        let removed = old.keys().filter(|name| !new.contains_key(*name)).cloned().collect();
        let gone = gone(&old, &new);
        let services = new.into_values().collect();
        Self { change: Change { added, changed, removed, settings }, services, gone }
    }
}

type ByName = BTreeMap<Arc<str>, Placed>;

fn by_name(services: Vec<Placed>) -> ByName {
    services.into_iter().map(|placed| (Arc::clone(&placed.outline.key), placed)).collect()
}

fn gone(old: &ByName, new: &ByName) -> BTreeSet<ServiceKey> {
    let keys = |placed: &Placed| placed.outline.keys.to_vec();
    let is_other = |name: &Arc<str>, placed: &Placed| {
        new.get(name).is_none_or(|after| after.outline.keys != placed.outline.keys)
    };
    let given_up = old.iter().filter(|(name, placed)| is_other(name, placed));
    let mut gone: BTreeSet<ServiceKey> = given_up.flat_map(|(_, placed)| keys(placed)).collect();
    if !gone.is_empty() {
        new.values().flat_map(keys).for_each(|key| {
            gone.remove(&key);
        });
    }
    gone
}

/// One of two configurations, a part of which is boiled down.
struct Side<'a> {
    served: Served<'a>,
    unpacking: Unpacking<'a>,
    boiler: Boiler,
}

impl<'a> Side<'a> {
    fn of(served: Served<'a>) -> Self {
        Self { served, unpacking: served.unpacking(), boiler: Boiler::default() }
    }

    fn balanced(&mut self, placed: &Placed) -> Option<Balanced> {
        let server = self.served.server(&mut self.unpacking, placed.place)?;
        Some(self.boiler.balanced(placed.outline.clone(), &server))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use steadfast_config::{AnyMachine, LoadOptions, Memory, load};
    use steadfast_wire::vrrp::Family;

    use super::*;
    use crate::served::{Endpoint, Known, Marks, Packed, Query};

    fn packed(text: &str, before: Option<&Packed>) -> Packed {
        let source = Memory::new().file("k.conf", text);
        let loaded = load(&source, Path::new("/k.conf"), &AnyMachine, &LoadOptions::default());
        let mut model = loaded.model;
        Packed::of(&mut model, before)
    }

    fn service(head: &str, servers: &[&str]) -> String {
        let servers: String = servers.iter().map(|server| format!("real_server {server} {{\n}}\n")).collect();
        format!("virtual_server {head} {{\nprotocol TCP\n{servers}}}\n")
    }

    /// Names of services that are added, changed and removed, and how many entries nobody has any more.
    fn told(revision: &Revision) -> (Vec<&str>, Vec<&str>, Vec<&str>, usize) {
        let change = &revision.change;
        (
            change.added.iter().map(|service| &*service.health.key).collect(),
            change.changed.iter().map(|service| &*service.health.key).collect(),
            change.removed.iter().map(|name| &**name).collect(),
            revision.gone.len(),
        )
    }

    #[test]
    fn only_what_differs_is_told() {
        let [one, two] = ["10.7.0.1 80", "10.7.0.2 80"];
        let before_text = service(one, &["10.1.0.1 80", "10.1.0.2 80"]) + &service(two, &["10.1.0.3 80"]);
        let before = packed(&before_text, None);
        let (known, marks) = (Known::new(), Marks::default());
        let between = |text: &str| {
            let after = packed(text, Some(&before));
            let (before, after) = (Served::of(&before, &known, &marks), Served::of(&after, &known, &marks));
            Revision::between(before, after, Settings::default())
        };
        assert_eq!(told(&between(&before_text)), (vec![], vec![], vec![], 0));
        let more = service(one, &["10.1.0.1 80", "10.1.0.2 80", "10.1.0.4 80"]);
        let revision = between(&(more + &service(two, &["10.1.0.3 80"])));
        assert_eq!(told(&revision), (vec![], vec!["[10.7.0.1]:tcp:80"], vec![], 0));
        assert_eq!(revision.change.changed[0].health.servers.len(), 3);
        assert_eq!(revision.services.len(), 2);
        let revision = between(&(service("10.7.0.3 80", &["10.1.0.9 80"]) + &service(two, &["10.1.0.3 80"])));
        assert_eq!(told(&revision), (vec!["[10.7.0.3]:tcp:80"], vec![], vec!["[10.7.0.1]:tcp:80"], 1));
    }

    #[test]
    fn an_entry_that_the_one_before_gives_up_changes_a_service_that_stays_as_it_is() {
        let group = |entries: &str| format!("virtual_server_group G {{\n{entries}}}\n");
        let grouped = service("group G", &["10.1.0.1 80"]);
        let alone = service("10.7.0.1 80", &["10.1.0.2 80"]);
        let before = packed(&(group("10.7.0.1 80\n10.7.0.2 80\n") + &grouped + &alone), None);
        let after = packed(&(group("10.7.0.2 80\n") + &grouped + &alone), Some(&before));
        let (known, marks) = (Known::new(), Marks::default());
        let revision = Revision::between(
            Served::of(&before, &known, &marks),
            Served::of(&after, &known, &marks),
            Settings::default(),
        );
        let (_, changed, _, gone) = told(&revision);
        assert_eq!((changed, gone), (vec!["[10.7.0.1]:tcp:80", "[G]:tcp"], 0));
    }

    #[test]
    fn a_name_that_stands_for_other_servers_changes_its_service() {
        let text = service("10.7.0.1 80", &["web.lab 80"]) + &service("10.7.0.2 80", &["10.1.0.3 80"]);
        let packed = packed(&text, None);
        let query = Query { name: "web.lab".into(), family: Family::V4 };
        let endpoint = |last: u8| Endpoint { address: [10, 1, 1, last].into(), port_and_weight: None };
        let known =
            |lasts: &[u8]| Known::from([(query.clone(), lasts.iter().copied().map(endpoint).collect())]);
        let between = |before: &[u8], after: &[u8]| {
            let (before, after) = (known(before), known(after));
            let marks = Marks::default();
            let sides = (Served::of(&packed, &before, &marks), Served::of(&packed, &after, &marks));
            Revision::between(sides.0, sides.1, Settings::default())
        };
        let name = "[10.7.0.1]:tcp:80";
        assert_eq!(told(&between(&[1], &[1])), (vec![], vec![], vec![], 0));
        assert_eq!(told(&between(&[1], &[1, 2])), (vec![], vec![name], vec![], 0));
        assert_eq!(told(&between(&[], &[1])), (vec![name], vec![], vec![], 0));
        assert_eq!(told(&between(&[1], &[])), (vec![], vec![], vec![name], 1));
    }
}
