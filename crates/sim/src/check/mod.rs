//! What every history has to keep, whatever befell the routers.
//!
//! The rules look at the history alone: at who owned the addresses, not at what the machines say of
//! themselves. A moment is *settled* when no fault has happened for [`Bounds::settle`] and nothing
//! is left of one that would make the outcome a matter of luck (packet loss, one-way links). A hung
//! router or a clean partition may last: each part then has to be right for itself.

mod adverts;
mod asking;
mod bounds;
mod cover;
mod followed;
mod holding;
mod listens;
mod order;
mod preference;
mod release;
mod single;
mod together;
mod view;

use std::fmt;

use steadfast_time::Moment;
use steadfast_vrrp::InstanceId;

pub use bounds::Bounds;
use view::View;

use crate::history::{Entry, Happening, History};
use crate::scenario::Scenario;

/// A promise, broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When it showed.
    pub at: Moment,
    /// Which promise.
    pub rule: Rule,
    /// Whose, unless it is everyone's.
    pub instance: Option<InstanceId>,
    /// Expected and found.
    pub found: String,
}

/// The promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// At most one live router owns the addresses once settled, and none that is at fault.
    SingleOwner,
    /// Some live router owns them within the takeover bound.
    Covered,
    /// A master's adverts are never later than its interval.
    AdvertOnTime,
    /// What a stopping router releases it does not claim again, and it comes to an end.
    Released,
    /// A router that was held up for longer than backups wait gives its addresses up before it speaks.
    ListensFirst,
    /// Once settled, the highest priority that may preempt is the owner.
    HighestPriority,
    /// A master that loses power is replaced by the best of those left, not by another before it.
    InOrder,
    /// Nothing changes hands once settled, and `nopreempt` leaves the incumbent alone.
    Stable,
    /// A planned stop leaves no moment without an owner.
    SeamlessStop,
    /// Members of a sync group own together or not at all.
    Together,
    /// Once settled, whoever announced the addresses last is who owns them.
    Followed,
    /// Where all routers ask who serves and give way, one owner is left though adverts do not pass.
    Asking,
    /// The run reaches its end.
    Progress,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.at.as_nanos() / 1000;
        write!(f, "{}.{:06} {:?}", micros / 1_000_000, micros % 1_000_000, self.rule)?;
        if let Some(instance) = self.instance {
            write!(f, " VI_{}", instance.0.saturating_add(1))?;
        }
        write!(f, ": {}", self.found)
    }
}

/// A rule watches a history go by.
trait Watch {
    /// Nothing happens from `from` to `to`; `view` is how things stand meanwhile.
    fn span(&mut self, view: &View<'_>, from: Moment, to: Moment, broken: &mut Vec<Violation>);
    /// Something happens; `view` is how things stood before.
    fn entry(&mut self, view: &View<'_>, entry: &Entry, broken: &mut Vec<Violation>);
}

/// Checks all rules; each reports at most a few violations.
pub fn all(scenario: &Scenario, history: &History) -> Vec<Violation> {
    check(
        scenario,
        history,
        &mut [
            Box::new(single::SingleOwner),
            Box::new(cover::Covered::default()),
            Box::new(adverts::AdvertsOnTime::default()),
            Box::new(release::Released::default()),
            Box::new(listens::Listens::default()),
            Box::new(preference::Preference::default()),
            Box::new(order::InOrder::default()),
            Box::new(together::Together::default()),
            Box::new(followed::Followed::default()),
            Box::new(asking::Asking),
        ],
    )
}

/// Checks the rules that speak of one router, whoever the others are.
pub fn alone(scenario: &Scenario, history: &History) -> Vec<Violation> {
    check(
        scenario,
        history,
        &mut [
            Box::new(holding::Holding::default()),
            Box::new(adverts::AdvertsOnTime::default()),
            Box::new(release::Released::default()),
            Box::new(listens::Listens::default()),
            Box::new(together::Together::default()),
        ],
    )
}

fn check(scenario: &Scenario, history: &History, watches: &mut [Box<dyn Watch>]) -> Vec<Violation> {
    let bounds = Bounds::of(scenario);
    let mut view = View::new(scenario, &bounds);
    let mut broken = Vec::new();
    let mut now = Moment::ZERO;
    for entry in &history.entries {
        if entry.at > now {
            watches.iter_mut().for_each(|watch| watch.span(&view, now, entry.at, &mut broken));
            now = entry.at;
        }
        if entry.what == Happening::Runaway {
            let found = "some machine asks to be woken without end".to_owned();
            broken.push(Violation { at: now, rule: Rule::Progress, instance: None, found });
        }
        watches.iter_mut().for_each(|watch| watch.entry(&view, entry, &mut broken));
        view.apply(entry);
        if broken.len() > VIOLATIONS_MAX {
            return broken;
        }
    }
    watches.iter_mut().for_each(|watch| watch.span(&view, now, history.end, &mut broken));
    broken
}

/// The first tells most; a broken rule shows at every entry that follows.
const VIOLATIONS_MAX: usize = 10;
