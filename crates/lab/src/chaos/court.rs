//! What is seen of the routers, against what may be.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::arena::{Arena, HOP_LIMIT_FIRST};
use super::blame::{Handover, of_gap, of_owners};
use super::claims::{Advert, EarlyClaim, Limits, early_claims};
use super::fault::{Bound, Condition};
use super::judge::{Candidate, Verdict, verdict};
use super::report::{Culprit, Report};
use super::router::{Router, VRID_FIRST, address};
use crate::capture::{Capture, Content};
use crate::segment::address_v4;
use crate::wait;

/// Each of the processes between a fault and an answer can meet the stall.
const STALLS_COUNT: u32 = 4;
/// The last answers that must be of the owner.
const ANSWERS_SETTLED: usize = 3;

/// Lines that are shown of what was seen.
const SEEN_MAX: usize = 60;

/// What is there of a virtual router.
#[derive(Debug)]
struct Found {
    /// Of those that are not away.
    owners: Vec<u8>,
    /// Who answered the last questions that had the time for an answer.
    answering: Vec<Option<u8>>,
}

impl Found {
    fn is(&self, wanted: &Verdict) -> bool {
        let mut answering = self.answering.iter();
        let answered = answering.all(|router| router.is_some_and(|router| wanted.answer.contains(&router)));
        let enough = wanted.answer.is_empty() || (self.answering.len() == ANSWERS_SETTLED && answered);
        enough && self.owners == wanted.owners
    }
}

impl Arena {
    /// Whether everything comes to be as the conditions want it, which are so since then.
    pub(super) fn judge_settled(&self, during: &str, since: Instant, report: &mut Report) {
        for number in 0..self.pace.virtual_routers {
            let candidates = self.candidates(number);
            let wanted = verdict(&candidates);
            let mut found = self.found(number);
            let settled = wait::until(self.pace.settle_limit(), || {
                found = self.found(number);
                found.is(&wanted)
            });
            if !settled {
                let Found { owners, answering } = found;
                let what = format!(
                    "{}: wanted {wanted:?}, there is {owners:?}, answering {answering:?}",
                    address(number)
                );
                let mut guilty = of_owners(&candidates, &owners, &self.silent(number));
                if guilty.is_empty() {
                    // A client asks whom it heard last: another than the owner, or nobody since the owner had to be heard.
                    let other =
                        self.announcer(number, since).filter(|router| !wanted.answer.contains(router));
                    guilty = other.map_or_else(|| wanted.answer.clone(), |router| vec![router]);
                }
                for culprit in self.programs(&guilty) {
                    report.violation(during, culprit, what.clone());
                }
            }
        }
    }

    fn found(&self, number: u8) -> Found {
        Found { owners: self.owners(number), answering: self.answering(number) }
    }

    /// Who must own each address, as the routers are now.
    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        (0..self.pace.virtual_routers).map(|number| verdict(&self.candidates(number))).collect()
    }

    /// What these run, each program once.
    fn programs(&self, routers: &[u8]) -> Vec<Culprit> {
        let mut culprits = Vec::new();
        for router in routers.iter().filter_map(|router| self.routers.get(usize::from(*router))) {
            let culprit = Culprit::Program(router.program.clone());
            if !culprits.contains(&culprit) {
                culprits.push(culprit);
            }
        }
        culprits
    }

    /// Who sends no advert of a virtual router, each listened to at its own cable, whatever passes the switch.
    fn silent(&self, number: u8) -> Vec<u8> {
        let since = Instant::now();
        let ears: Vec<_> =
            self.routers.iter().map(|router| Capture::start_for_adverts(&router.host).ok()).collect();
        self.watch_for(self.pace.master_down_max());
        let speaks = |at: u8, ear: &Capture| {
            let own = IpAddr::from(address_v4(at + 1));
            let adverts = ear.select(since, |frame| match &frame.content {
                Content::Advert(advert) => {
                    let speaks = advert.source == own && advert.priority.get() > 0;
                    (speaks && advert.vrid.get() == VRID_FIRST + number).then_some(())
                }
                _ => None,
            });
            !adverts.is_empty()
        };
        let heard = (0..).zip(&ears).filter(|(at, ear)| ear.as_ref().is_some_and(|ear| !speaks(*at, ear)));
        heard.map(|(at, _)| at).collect()
    }

    /// Whose announcement of an address the client heard last since then. Adverts tell whose link-layer address it is.
    fn announcer(&self, number: u8, since: Instant) -> Option<u8> {
        let announced = self.capture.select(since, |frame| match &frame.content {
            Content::Arp(message) if message.announces().map(IpAddr::from) == Some(address(number)) => {
                Some(message.sender_hardware)
            }
            _ => None,
        });
        let last = announced.last()?;
        let sources = self.capture.select(since, |frame| match &frame.content {
            Content::Advert(advert) if frame.ethernet.source == *last => Some(advert.source),
            _ => None,
        });
        (0..).zip(&self.routers).map(|(at, _)| at).find(|at| sources.contains(&address_v4(at + 1).into()))
    }

    fn owners(&self, number: u8) -> Vec<u8> {
        let names = self.watch.owners(address(number));
        let routers = (0..).zip(&self.routers).filter(|(_, router)| router.condition != Condition::Away);
        routers
            .filter(|(_, router)| names.iter().any(|name| name == router.host.name()))
            .map(|(at, _)| at)
            .collect()
    }

    fn answering(&self, number: u8) -> Vec<Option<u8>> {
        let Some(pinger) = self.pingers.get(usize::from(number)) else { return Vec::new() };
        let limits = pinger.last_hop_limits(ANSWERS_SETTLED);
        limits.into_iter().map(|limit| limit?.checked_sub(HOP_LIMIT_FIRST)).collect()
    }

    fn candidates(&self, number: u8) -> Vec<Candidate> {
        let candidate = |(at, router): (u8, &Router)| Candidate {
            router: at,
            priority: router.priorities.get(usize::from(number)).copied().unwrap_or_default(),
            condition: router.condition,
            side: router.side,
        };
        (0..).zip(&self.routers).map(candidate).collect()
    }

    /// Whether nothing moved since then: no address went from one router to another.
    pub(super) fn judge_still(&self, during: &str, since: Instant, report: &mut Report) {
        // A machine that stalls for longer than the skew time may lose an address by that.
        let stalled = self.excused(self.stalls.longest_since(since)) >= self.pace.advert_interval;
        let wanted = self.verdicts();
        for change in self.watch.changes_since(since).into_iter().filter(|_| !stalled) {
            let what = format!("{}: {:?} own it now", change.address, change.owners);
            let number = (0..).zip(&wanted).find(|(number, _)| address(*number) == change.address);
            let must = number.map(|(_, wanted)| wanted.owners.as_slice()).unwrap_or_default();
            let owns = |router: &Router| change.owners.iter().any(|name| name == router.host.name());
            let moved = (0..).zip(&self.routers).filter(|(at, router)| owns(router) != must.contains(at));
            for culprit in self.programs(&moved.map(|(at, _)| at).collect::<Vec<_>>()) {
                report.violation(during, culprit, what.clone());
            }
        }
    }

    /// Whether each router claimed only what three lost adverts in a row allowed it to.
    pub(super) fn judge_claims(&mut self, during: &str, since: Instant, report: &mut Report) {
        let listeners = std::mem::take(&mut self.listeners);
        let excused = self.excused(self.stalls.longest_since(since));
        let silence = self.pace.master_down_min().saturating_sub(excused);
        let limits = Limits { silence, crossing: self.pace.tolerance };
        for ((at, router), listener) in (0..).zip(&self.routers).zip(&listeners) {
            for (number, priority) in (0..).zip(&router.priorities) {
                let adverts = listener.select(since, |frame| match &frame.content {
                    Content::Advert(advert) if advert.vrid.get() == VRID_FIRST + number => {
                        Some(Advert { at: frame.at, source: advert.source, priority: advert.priority.get() })
                    }
                    _ => None,
                });
                let own = address_v4(at + 1).into();
                for EarlyClaim { after } in early_claims(&adverts, own, *priority, limits) {
                    let (program, number) = (router.program.name(), at + 1);
                    let claims = format!("claims {after:.1?} after an advert of a better router");
                    report.violation(
                        during,
                        Culprit::Program(router.program.clone()),
                        format!("router{number} ({program}) {claims}"),
                    );
                }
            }
        }
    }

    /// What a machine that stalled for so long adds to any time.
    fn excused(&self, stall: Duration) -> Duration {
        self.pace.tolerance + stall * STALLS_COUNT
    }

    /// How long the client was without an answer since then, of any address; longer than `bound` is a violation. `before`
    /// then it was like this.
    pub(super) fn judge_outage(
        &self,
        during: &str,
        since: Instant,
        bound: Bound,
        before: &[Verdict],
        report: &mut Report,
    ) -> Duration {
        let stall = self.stalls.longest_since(since);
        let limit_of = |bound: Bound| bound.longest(self.pace).saturating_add(self.excused(stall));
        let (limit, failover) = (limit_of(bound), limit_of(Bound::Failover));
        let mut worst = Duration::ZERO;
        for ((number, pinger), before) in (0..).zip(&self.pingers).zip(before) {
            let outage = pinger.longest_outage_since(since);
            worst = worst.max(outage);
            if outage > limit {
                let what = format!(
                    "{}: no answer for {outage:.1?}, allowed {limit:.1?} (the machine stalled for {stall:.1?})",
                    address(number)
                );
                let candidates = self.candidates(number);
                let after = verdict(&candidates);
                let handover = Handover { before: &before.answer, after: &after.answer };
                let guilty = of_gap(handover, &candidates, outage > failover);
                let culprit = match self.programs(&guilty).as_slice() {
                    [one] => one.clone(),
                    _ => Culprit::NobodyAnswered,
                };
                report.violation(during, culprit, what + &self.seen(number, since));
            }
        }
        worst
    }

    /// What the client saw of a virtual router since then: who announced the address, and each advert that came from
    /// another than the one before.
    fn seen(&self, number: u8, since: Instant) -> String {
        let mut speaker = None;
        let lines = self.capture.select(since, |frame| {
            let what = match &frame.content {
                Content::Arp(message) if message.announces().map(IpAddr::from) == Some(address(number)) => {
                    format!("announced by {}", message.sender_hardware)
                }
                Content::Advert(advert) if advert.vrid.get() == VRID_FIRST + number => {
                    let now = Some((advert.source, advert.priority));
                    if std::mem::replace(&mut speaker, now) == now {
                        return None;
                    }
                    format!("advert from {} with priority {}", advert.source, advert.priority)
                }
                _ => return None,
            };
            Some(format!("\n    {:9.1?} {what}", frame.at.saturating_duration_since(since)))
        });
        lines.into_iter().take(SEEN_MAX).collect()
    }
}
