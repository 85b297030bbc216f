//! Routes and rules: held with the addresses of their instance, written after them and taken away before them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use steadfast_kernel::Error;
use steadfast_kernel::netlink::{Requests, RouteSpec, RuleSpec, Withdrawal, Withdrawals};
use steadfast_kernel::reconcile::entries::{Entries, Entry, Written};
use steadfast_kernel::wait::clock;
use steadfast_kernel::wait::poll::Interest;
use steadfast_vrrp::InstanceId;

use super::{Effects, WITHDRAWALS, index_of};
use crate::link::lifecycle::Trouble;
use crate::link::vrrp::Living;
use crate::link::vrrp::Notice;

/// Holder of what does not follow any instance.
const STATIC: InstanceId = InstanceId(u32::MAX);

/// Routes and rules that are wanted, and by whom.
#[derive(Debug, Default)]
pub(super) struct Ways {
    routes: Kept<RouteSpec<u32>>,
    rules: Kept<RuleSpec>,
    /// Open once there is something to watch.
    withdrawals: Option<Withdrawals>,
}

/// Entries of one kind: one that two instances hold stays until both have given it up.
#[derive(Debug)]
struct Kept<E: Entry> {
    entries: Entries<E>,
    held: BTreeMap<InstanceId, Vec<Arc<E>>>,
    users: BTreeSet<(Arc<E>, InstanceId)>,
}

impl<E: Entry> Default for Kept<E> {
    fn default() -> Self {
        Self { entries: Entries::default(), held: BTreeMap::new(), users: BTreeSet::new() }
    }
}

impl<E: Entry> Kept<E> {
    /// An instance holds exactly these.
    fn hold(&mut self, instance: InstanceId, wanted: Vec<Arc<E>>) {
        let before = self.held.remove(&instance).unwrap_or_default();
        let after: BTreeSet<&Arc<E>> = wanted.iter().collect();
        for entry in before.into_iter().filter(|entry| !after.contains(entry)) {
            self.users.remove(&(Arc::clone(&entry), instance));
            if !self.is_held(&entry) {
                self.entries.unwant(entry);
            }
        }
        for entry in &wanted {
            if self.users.insert((Arc::clone(entry), instance)) {
                self.entries.want(Arc::clone(entry));
            }
        }
        if !wanted.is_empty() {
            self.held.insert(instance, wanted);
        }
    }

    fn is_held(&self, entry: &Arc<E>) -> bool {
        let first = (Arc::clone(entry), InstanceId(0));
        self.users.range(first..).next().is_some_and(|(held, _)| held == entry)
    }

    fn discard(&mut self, entry: Arc<E>) {
        if !self.is_held(&entry) {
            self.entries.unwant(entry);
        }
    }
}

impl Ways {
    pub(super) fn next_wakeup(&self) -> Option<u64> {
        [self.routes.entries.next_wakeup(), self.rules.entries.next_wakeup()].into_iter().flatten().min()
    }

    /// Anything may be gone.
    pub(super) fn refresh(&mut self) {
        self.routes.entries.refresh();
        self.rules.entries.refresh();
    }

    /// What nobody wants goes before the addresses that it may lean on.
    fn retract(&mut self, requests: &mut Requests, now: u64) -> Result<(), Error> {
        self.rules.entries.retract(requests, now)?;
        self.routes.entries.retract(requests, now)
    }
}

impl Effects {
    /// Routes and rules of an instance that holds its addresses.
    pub(super) fn hold_ways(&mut self, instance: InstanceId) {
        let Some(install) = self.work.install(instance) else { return self.give_up_ways(instance) };
        if install.routes.is_empty() && install.rules.is_empty() {
            return self.give_up_ways(instance);
        }
        let index = index_of(&self.interfaces);
        let route =
            |route: &Arc<RouteSpec<_>>| route.with_interfaces(|interface| index(*interface)).map(Arc::new);
        let routes = install.routes.iter().filter_map(route).collect();
        let rules = install.rules.clone();
        self.ways.routes.hold(instance, routes);
        self.ways.rules.hold(instance, rules);
    }

    pub(super) fn give_up_ways(&mut self, instance: InstanceId) {
        self.ways.routes.hold(instance, Vec::new());
        self.ways.rules.hold(instance, Vec::new());
    }

    /// Routes and rules that do not follow any instance.
    pub(super) fn hold_static_ways(&mut self) {
        let index = index_of(&self.interfaces);
        let route =
            |route: &Arc<RouteSpec<_>>| route.with_interfaces(|interface| index(*interface)).map(Arc::new);
        let routes = self.work.standing.routes.iter().filter_map(route).collect();
        let rules = self.work.standing.rules.clone();
        self.ways.routes.hold(STATIC, routes);
        self.ways.rules.hold(STATIC, rules);
    }

    pub(super) fn give_up_static_ways(&mut self) {
        self.give_up_ways(STATIC);
    }

    /// Starts to hear of what others take away, once there is anything to lose.
    pub(super) fn watch_ways(&mut self) {
        if self.ways.withdrawals.is_some() || !self.work.has_ways() {
            return;
        }
        let opened = Withdrawals::open().and_then(|withdrawals| {
            self.poller.add(&withdrawals, WITHDRAWALS, Interest::Readable)?;
            Ok(withdrawals)
        });
        match opened {
            Ok(withdrawals) => self.ways.withdrawals = Some(withdrawals),
            Err(error) => self.trouble(Trouble::Netlink { error: error.into() }),
        }
    }

    /// What an earlier run left goes, unless somebody holds it or another daemon runs in this namespace.
    pub(super) fn clean_ways(&mut self, living: &[Living]) {
        if !self.work.has_ways() || !living.is_empty() {
            return;
        }
        let index = index_of(&self.interfaces);
        for install in &self.work.installs {
            for route in &install.routes {
                if let Some(route) = route.with_interfaces(|interface| index(*interface)) {
                    self.ways.routes.discard(Arc::new(route));
                }
            }
            for rule in &install.rules {
                self.ways.rules.discard(Arc::clone(rule));
            }
        }
    }

    pub(super) fn hear_withdrawals(&mut self) {
        let Some(withdrawals) = &mut self.ways.withdrawals else { return };
        let (routes, rules) = (&mut self.ways.routes.entries, &mut self.ways.rules.entries);
        let now = clock::monotonic();
        let read = withdrawals.read(|withdrawal| match withdrawal {
            Withdrawal::Route(place) => routes.removed(place, now),
            Withdrawal::Rule(place) => rules.removed(place, now),
            Withdrawal::Lost => {
                routes.refresh();
                rules.refresh();
            }
        });
        if let Err(error) = read {
            self.trouble(Trouble::Netlink { error: error.into() });
        }
    }

    pub(super) fn retract_ways(&mut self) {
        if self.ways.next_wakeup().is_some()
            && let Err(error) = self.ways.retract(&mut self.requests, clock::monotonic())
        {
            self.trouble(Trouble::Netlink { error: error.into() });
        }
    }

    /// Rules last: they lead into tables that the routes fill.
    pub(super) fn install_ways(&mut self) {
        if self.ways.next_wakeup().is_none() {
            return;
        }
        let now = clock::monotonic();
        match self.ways.routes.entries.install(&mut self.requests, now) {
            Ok(written) => self.tell_written(&written),
            Err(error) => self.trouble(Trouble::Netlink { error: error.into() }),
        }
        match self.ways.rules.entries.install(&mut self.requests, now) {
            Ok(written) => self.tell_written(&written),
            Err(error) => self.trouble(Trouble::Netlink { error: error.into() }),
        }
    }

    fn tell_written<E: Entry>(&mut self, written: &Written<E>) {
        for entry in &written.restored {
            self.notice(Notice::WayRestored { entry: entry.to_string() });
        }
        for (_, error) in &written.refused {
            self.notice(Notice::Way { error: error.clone() });
        }
    }
}
