//! The kinds of things that this worker keeps in the kernel, in the order of their dependence. A new kind is a field of
//! [`Kinds`] and an entry of [`Kinds::in_order`].

use steadfast_kernel::Error;
use steadfast_kernel::netlink::{Requests, RouteSpec, RuleSpec};
use steadfast_kernel::reconcile::addresses::Addresses;
use steadfast_kernel::reconcile::entries::Entries;
use steadfast_kernel::reconcile::filters::Filters;
use steadfast_kernel::reconcile::links::Links;
use steadfast_kernel::reconcile::{Fate, Heard, Reconcile, Report, Rounds, Thing};
use steadfast_kernel::wait::clock;
use steadfast_vrrp::InstanceId;

use super::Effects;
use super::holdings::{Holdings, Wish};
use crate::link::lifecycle::Trouble;
use crate::link::vrrp::Notice;

/// One kind: who holds what of it, and what the kernel has.
pub(super) struct Kept<R: Reconcile> {
    pub(super) holdings: Holdings<R>,
    pub(super) reconciler: R,
}

impl<R: Reconcile + Default> Default for Kept<R> {
    fn default() -> Self {
        Self { holdings: Holdings::default(), reconciler: R::default() }
    }
}

impl<R: Reconcile> Kept<R> {
    /// An instance holds exactly these; `None` is one that cannot be.
    pub(super) fn hold(&mut self, instance: InstanceId, wanted: impl IntoIterator<Item = Option<R::Wish>>) {
        let wishes = self.holdings.hold(instance, wanted).0;
        self.grant(wishes);
    }

    /// An instance gives up everything it holds.
    pub(super) fn give_up(&mut self, instance: InstanceId) {
        let wishes = self.holdings.give_up(instance);
        self.grant(wishes);
    }

    /// What an earlier run may have left goes, unless somebody holds it.
    pub(super) fn discard(&mut self, key: &R::Key) {
        if !self.holdings.is_held(key) {
            self.reconciler.unwish(key);
        }
    }

    fn grant(&mut self, wishes: Vec<Wish<R>>) {
        for wish in wishes {
            match wish {
                Wish::Have(wish) => self.reconciler.wish(wish),
                Wish::Lack(key) => self.reconciler.unwish(&key),
            }
        }
    }
}

/// All kinds.
#[derive(Default)]
pub(super) struct Kinds {
    pub(super) links: Kept<Links>,
    pub(super) filters: Kept<Filters>,
    pub(super) addresses: Kept<Addresses>,
    pub(super) routes: Kept<Entries<RouteSpec<u32>>>,
    pub(super) rules: Kept<Entries<RuleSpec>>,
    rounds: Rounds,
}

impl Kinds {
    /// Each may lean on those before it: filters and addresses on their interfaces, no address is there before what keeps
    /// packets from it, routes on the addresses they leave from, rules on the tables that routes fill.
    fn in_order(&mut self) -> (&mut Rounds, [&mut dyn Reconcile<Way = Requests>; 5]) {
        let Self { links, filters, addresses, routes, rules, rounds } = self;
        let kinds: [&mut dyn Reconcile<Way = Requests>; 5] = [
            &mut links.reconciler,
            &mut filters.reconciler,
            &mut addresses.reconciler,
            &mut routes.reconciler,
            &mut rules.reconciler,
        ];
        (rounds, kinds)
    }

    /// What the kernel says unasked.
    pub(super) fn heard(&mut self, heard: Heard<'_>, now: u64) {
        self.in_order().1.into_iter().for_each(|kind| kind.heard(heard, now));
    }

    /// When a round has something to do, if ever: nanoseconds, 0 for at once.
    pub(super) fn next_wakeup(&mut self) -> Option<u64> {
        let (rounds, mut kinds) = self.in_order();
        rounds.next_wakeup(&mut kinds)
    }

    /// Writes what differs.
    pub(super) fn round(&mut self, requests: &mut Requests, now: u64) -> Result<(), Error> {
        let (rounds, mut kinds) = self.in_order();
        rounds.run(requests, &mut kinds, now)
    }

    fn take_reports(&mut self) -> Vec<Report> {
        self.in_order().1.into_iter().flat_map(|kind| kind.take_reports()).collect()
    }
}

impl Effects {
    /// Writes what differs, and tells what came of it.
    pub(super) fn reconcile(&mut self) {
        self.changes = 0;
        // First, since what is given up then is not put back.
        self.take_in_reports();
        // Before the first interface is made, and after the last is gone.
        let needed = self.site.settings.are_wished();
        if needed {
            self.settle_settings();
        }
        if let Err(error) = self.site.round(clock::monotonic()) {
            self.trouble(Trouble::Netlink { error: error.into() });
        }
        if !needed {
            self.settle_settings();
        }
        self.take_in_reports();
        self.tell_standing();
    }

    fn take_in_reports(&mut self) {
        for Report { thing, fate } in self.site.kinds.take_reports() {
            match (thing, fate) {
                (Thing::Address(key), Fate::Refused(error)) => {
                    if let Some(interface) = self.site.interfaces.configured(key.interface) {
                        self.notice(Notice::Address { interface, address: key.address, error: *error });
                    }
                }
                (Thing::Address(key), Fate::PutBack) => {
                    self.restored += 1;
                    self.announce_restored(key);
                }
                (Thing::Address(key), Fate::TakenAway) => self.give_up_removed(key),
                (_, Fate::Refused(error)) => self.notice(Notice::Way { error: *error }),
                (thing, Fate::PutBack) => self.notice(Notice::WayRestored { entry: thing.to_string() }),
                (
                    _,
                    Fate::Installed
                    | Fate::Accepted
                    | Fate::TakenOver
                    | Fate::Gone
                    | Fate::TakenAway
                    | Fate::Changed
                    | Fate::Intruded,
                ) => {}
            }
        }
    }
}
