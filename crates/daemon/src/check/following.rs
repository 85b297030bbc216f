//! Checks whose results come unasked, and services that follow an instance.

use std::collections::BTreeMap;
use std::sync::Arc;

use steadfast_config::model::{CheckKind, FileCheck};
use steadfast_health::{CheckId, Contribution, Input, Verdict};
use steadfast_time::Moment;

use super::{Checker, Wishes};
use crate::link::check::seen::{Seen, Surroundings};

/// What checks follow, and what was last said to the machine of each.
#[derive(Debug)]
pub(super) struct Following {
    pub(super) surroundings: Surroundings,
    checks: BTreeMap<CheckId, Followed>,
}

#[derive(Debug)]
struct Followed {
    what: What,
    told: Option<Verdict>,
}

#[derive(Debug)]
enum What {
    File(FileCheck),
    Session(Arc<str>),
}

impl Following {
    /// The supervisor knows all of this.
    pub(super) fn of(surroundings: Surroundings) -> Self {
        Self { surroundings, checks: BTreeMap::new() }
    }

    /// A check is no more. Its number may stand for another one already, which nobody has looked for yet.
    pub(super) fn forget(&mut self, check: CheckId) {
        self.checks.remove(&check);
    }
}

impl What {
    fn of(kind: &CheckKind) -> Option<Self> {
        match kind {
            CheckKind::File(file) => Some(Self::File(file.as_ref().clone())),
            CheckKind::Bfd(session) => Some(Self::Session(Arc::clone(session))),
            _ => None,
        }
    }

    /// Nothing while nothing is known.
    fn verdict(&self, surroundings: &Surroundings) -> Option<Verdict> {
        match self {
            Self::File(file) => {
                let number = *surroundings.files.get(&file.track_file)?;
                Some(verdict_of_file(file, number))
            }
            Self::Session(session) => Some(match surroundings.sessions.get(session)? {
                true => Verdict::Good { contribution: Contribution::None },
                false => {
                    Verdict::Bad { reason: format!("the BFD session {session} is down").as_str().into() }
                }
            }),
        }
    }
}

/// As keepalived counts: without weight any number but 0 is bad; with it, the product is added to the weight of the
/// server, and the lowest that fits says that the server is down.
fn verdict_of_file(file: &FileCheck, number: i32) -> Verdict {
    let bad =
        || Verdict::Bad { reason: format!("track_file {} holds {number}", file.track_file).as_str().into() };
    if file.weight == 0 {
        let good = (number == 0) != file.reverse;
        return if good { Verdict::Good { contribution: Contribution::None } } else { bad() };
    }
    let product = i64::from(number) * i64::from(file.weight);
    let added = if file.reverse { -product } else { product };
    match added {
        0 => Verdict::Good { contribution: Contribution::None },
        _ if added <= i64::from(i32::MIN) => bad(),
        _ => Verdict::Good { contribution: Contribution::Added(added) },
    }
}

impl Checker {
    /// The supervisor knows all of this.
    pub(super) fn surrounded(&mut self, now: Moment, surroundings: Surroundings) {
        self.following.surroundings = surroundings;
        self.look_around(now);
    }

    /// Something is not as it was.
    pub(super) fn seen(&mut self, now: Moment, seen: Seen) {
        self.following.surroundings.see(seen);
        self.look_around(now);
    }

    /// Checks may have come and gone.
    pub(super) fn find_followed(&mut self) {
        let mut before = std::mem::take(&mut self.following.checks);
        for id in self.machine.check_ids() {
            if !self.machine.is_unasked(id) {
                continue;
            }
            if let Some(known) = before.remove(&id) {
                self.following.checks.insert(id, known);
                continue;
            }
            let spec = self.machine.check_key(id).and_then(|key| self.probes.spec(&key));
            if let Some(what) = spec.and_then(|spec| What::of(spec.kind())) {
                self.following.checks.insert(id, Followed { what, told: None });
            }
        }
    }

    /// Tells the machine what is not as it was told.
    pub(super) fn look_around(&mut self, now: Moment) {
        self.table.see_masters(&self.following.surroundings.masters, &self.machine);
        let wishes = self.news_of_followed(now);
        self.fulfil(now, wishes);
    }

    /// At the beginning a server that is down is down, and nobody is told that it came to be so; a successor tells what
    /// happened while there was nobody.
    pub(super) fn begin_following(&mut self, now: Moment) {
        self.find_followed();
        self.table.see_masters(&self.following.surroundings.masters, &self.machine);
        let wishes = self.news_of_followed(now);
        let events = if self.begun_before { wishes.events } else { Vec::new() };
        self.fulfil(now, Wishes { events, ..wishes });
    }

    fn news_of_followed(&mut self, now: Moment) -> Wishes {
        let mut wishes = Wishes::default();
        let mut judged = Vec::new();
        for (id, followed) in &mut self.following.checks {
            let verdict = followed.what.verdict(&self.following.surroundings);
            if verdict.is_some() && verdict != followed.told {
                followed.told.clone_from(&verdict);
                judged.extend(verdict.map(|verdict| (*id, verdict)));
            }
        }
        for (check, verdict) in judged {
            self.machine.handle(now, Input::Verdict { check, verdict }, &mut wishes);
            self.remember_check(check);
        }
        wishes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_files_count_as_with_keepalived() {
        let none = Verdict::Good { contribution: Contribution::None };
        let added = |number| Verdict::Good { contribution: Contribution::Added(number) };
        let judged = |weight, reverse, number| {
            verdict_of_file(&FileCheck { track_file: "f".into(), weight, reverse }, number)
        };
        assert_eq!(judged(0, false, 0), none);
        assert_eq!(judged(0, true, 5), none);
        assert!(matches!(judged(0, false, 5), Verdict::Bad { reason } if &*reason == "track_file f holds 5"));
        assert!(matches!(judged(0, true, 0), Verdict::Bad { .. }));
        assert_eq!(judged(1, false, -3), added(-3));
        assert_eq!(judged(2, true, 4), added(-8));
        assert_eq!(judged(7, false, 0), none);
        assert!(matches!(judged(1, false, i32::MIN), Verdict::Bad { .. }));
        assert!(matches!(judged(-2, false, i32::MAX), Verdict::Bad { .. }));
        assert_eq!(judged(-1, false, i32::MIN), added(2_147_483_648));
    }
}
