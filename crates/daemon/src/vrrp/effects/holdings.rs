//! What the instances of this worker hold of one kind of thing, and so what of it the kernel shall have.
//!
//! A thing that two instances hold stays until both have given it up.

use std::collections::{BTreeMap, BTreeSet};

use steadfast_kernel::reconcile::Reconcile;
use steadfast_vrrp::InstanceId;

/// Holder of what does not follow any instance.
pub(crate) const STATIC: InstanceId = InstanceId(u32::MAX);

/// A change of what the kernel shall have.
pub(crate) enum Wish<R: Reconcile> {
    /// It shall be there, like this.
    Have(R::Wish),
    /// It shall not be there.
    Lack(R::Key),
}

/// Holdings by instance.
pub(crate) struct Holdings<R: Reconcile> {
    /// Ordered by key: a map of its own for each of thousands of instances costs a kilobyte each.
    held: BTreeMap<InstanceId, Box<[R::Wish]>>,
    /// By thing, so that those who hold one are found without a look at all instances.
    users: BTreeSet<(R::Key, InstanceId)>,
}

impl<R: Reconcile> Default for Holdings<R> {
    fn default() -> Self {
        Self { held: BTreeMap::new(), users: BTreeSet::new() }
    }
}

impl<R: Reconcile> Holdings<R> {
    /// An instance holds exactly these; `None` is one that cannot be: its interface is missing. Positions of those that it
    /// did not hold before come back with the wishes.
    pub(crate) fn hold(
        &mut self,
        instance: InstanceId,
        wanted: impl IntoIterator<Item = Option<R::Wish>>,
    ) -> (Vec<Wish<R>>, Vec<u32>) {
        let before = self.held.remove(&instance).unwrap_or_default();
        let wanted = wanted.into_iter();
        let (mut wishes, mut gained, mut after) =
            (Vec::new(), Vec::new(), Vec::with_capacity(wanted.size_hint().0));
        for (position, wish) in (0_u32..).zip(wanted) {
            let Some(wish) = wish else { continue };
            if find::<R>(&before, &R::key(&wish)) != Some(&wish) {
                gained.push(position);
                wishes.push(Wish::Have(wish.clone()));
            }
            after.push(wish);
        }
        after.sort_by(|one, other| R::key(one).cmp(&R::key(other)));
        after.dedup_by(|one, other| R::key(one) == R::key(other));
        for key in after.iter().map(R::key).filter(|key| find::<R>(&before, key).is_none()) {
            self.users.insert((key, instance));
        }
        for key in before.iter().map(R::key).filter(|key| find::<R>(&after, key).is_none()) {
            let user = (key, instance);
            if self.users.remove(&user) && !self.is_held(&user.0) {
                wishes.push(Wish::Lack(user.0));
            }
        }
        self.held.insert(instance, after.into_boxed_slice());
        (wishes, gained)
    }

    /// An instance gives up everything it holds.
    pub(crate) fn give_up(&mut self, instance: InstanceId) -> Vec<Wish<R>> {
        let wishes = self.hold(instance, []).0;
        self.held.remove(&instance);
        wishes
    }

    /// Whether an instance holds anything, be it nothing but the right to.
    pub(crate) fn holds(&self, instance: InstanceId) -> bool {
        self.held.contains_key(&instance)
    }

    /// Instances that hold anything, ordered by number.
    pub(crate) fn holders(&self) -> Vec<InstanceId> {
        self.held.keys().copied().filter(|id| *id != STATIC).collect()
    }

    /// What an instance holds under this key.
    pub(crate) fn held(&self, instance: InstanceId, key: &R::Key) -> Option<R::Wish> {
        find::<R>(self.held.get(&instance)?, key).cloned()
    }

    /// All that is held.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &R::Key> {
        self.users.iter().map(|(key, _)| key)
    }

    /// Whether anybody holds this.
    pub(crate) fn is_held(&self, key: &R::Key) -> bool {
        self.users_of(key).next().is_some()
    }

    /// Instances that hold this.
    pub(crate) fn holders_of(&self, key: &R::Key) -> Vec<InstanceId> {
        self.users_of(key).collect()
    }

    fn users_of(&self, key: &R::Key) -> impl Iterator<Item = InstanceId> + '_ {
        let users = self.users.range((key.clone(), InstanceId(0))..=(key.clone(), STATIC));
        users.map(|(_, instance)| *instance)
    }
}

fn find<'a, R: Reconcile>(held: &'a [R::Wish], key: &R::Key) -> Option<&'a R::Wish> {
    held.binary_search_by(|wish| R::key(wish).cmp(key)).ok().and_then(|at| held.get(at))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use steadfast_kernel::netlink::AddressSpec;
    use steadfast_kernel::reconcile::addresses::Addresses;

    use super::*;

    type Wished = Option<Arc<AddressSpec>>;

    fn addresses(interface: u32, last: &[u8]) -> Vec<Wished> {
        let address = |last: &u8| AddressSpec::new(interface, Ipv4Addr::new(10, 0, 0, *last).into(), 32);
        last.iter().map(|last| Some(Arc::new(address(last)))).collect()
    }

    fn lacks(wishes: &[Wish<Addresses>]) -> usize {
        wishes.iter().filter(|wish| matches!(wish, Wish::Lack(_))).count()
    }

    #[test]
    fn a_changed_list_moves_only_what_differs() {
        let mut holdings = Holdings::<Addresses>::default();
        let one = InstanceId(1);
        let (wishes, gained) = holdings.hold(one, addresses(7, &[1, 2]));
        assert_eq!((wishes.len(), gained), (2, vec![0, 1]));
        let (wishes, gained) = holdings.hold(one, addresses(7, &[2, 3]));
        assert_eq!((wishes.len(), lacks(&wishes), gained), (2, 1, vec![1]));
        let (wishes, gained) = holdings.hold(one, addresses(7, &[2, 3]));
        assert_eq!((wishes.len(), gained.len()), (0, 0));
    }

    #[test]
    fn an_address_of_two_instances_stays_until_both_gave_it_up() {
        let mut holdings = Holdings::<Addresses>::default();
        holdings.hold(InstanceId(1), addresses(7, &[1]));
        holdings.hold(InstanceId(2), addresses(7, &[1]));
        assert_eq!(lacks(&holdings.give_up(InstanceId(1))), 0);
        assert_eq!(lacks(&holdings.give_up(InstanceId(2))), 1);
    }

    #[test]
    fn an_interface_that_comes_back_is_filled_again() {
        let mut holdings = Holdings::<Addresses>::default();
        let (wishes, _) = holdings.hold(InstanceId(1), [None]);
        assert!(wishes.is_empty() && holdings.holds(InstanceId(1)));
        let (wishes, gained) = holdings.hold(InstanceId(1), addresses(9, &[1]));
        assert_eq!((wishes.len(), gained), (1, vec![0]));
    }
}
