//! What is seen of the routers, against what may be.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::arena::{Arena, HOP_LIMIT_FIRST};
use super::claims::{Advert, EarlyClaim, Limits, early_claims};
use super::fault::{Bound, Condition};
use super::judge::{Candidate, Verdict, verdict};
use super::report::Report;
use super::router::{Router, VRID_FIRST, address};
use crate::capture::Content;
use crate::segment::address_v4;
use crate::wait;

/// Each of the processes between a fault and an answer can meet the stall.
const STALLS_COUNT: u32 = 4;
/// The last answers that must be of the owner.
const ANSWERS_SETTLED: usize = 3;

/// Lines that are shown of what was seen.
const SEEN_MAX: usize = 60;

impl Arena {
    /// Whether everything comes to be as the conditions want it.
    pub(super) fn judge_settled(&self, during: &str, report: &mut Report) {
        for number in 0..self.pace.virtual_routers {
            let wanted = verdict(&self.candidates(number));
            if !wait::until(self.pace.settle_limit(), || self.is_settled(number, &wanted)) {
                let owners = self.owners(number);
                let answering = self.answering(number);
                report.violation(
                    during,
                    format!(
                        "{}: wanted {wanted:?}, there is {owners:?}, answering {answering:?}",
                        address(number)
                    ),
                );
            }
        }
    }

    fn is_settled(&self, number: u8, wanted: &Verdict) -> bool {
        let answering = self.answering(number);
        let answered =
            answering.iter().all(|router| router.is_some_and(|router| wanted.answer.contains(&router)));
        let enough = wanted.answer.is_empty() || (answering.len() == ANSWERS_SETTLED && answered);
        enough && self.owners(number) == wanted.owners
    }

    /// Of those that are not away.
    fn owners(&self, number: u8) -> Vec<u8> {
        let names = self.watch.owners(address(number));
        let routers = (0..).zip(&self.routers).filter(|(_, router)| router.condition != Condition::Away);
        routers
            .filter(|(_, router)| names.iter().any(|name| name == router.host.name()))
            .map(|(at, _)| at)
            .collect()
    }

    /// Who answered the last questions that had the time for an answer.
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
        };
        (0..).zip(&self.routers).map(candidate).collect()
    }

    /// Whether nothing moved since then: no address went from one router to another.
    pub(super) fn judge_still(&self, during: &str, since: Instant, report: &mut Report) {
        // A machine that stalls for longer than the skew time may lose an address by that.
        let stalled = self.excused(self.stalls.longest_since(since)) >= self.pace.advert_interval;
        for change in self.watch.changes_since(since).into_iter().filter(|_| !stalled) {
            report.violation(during, format!("{}: {:?} own it now", change.address, change.owners));
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
                    report.violation(
                        &format!("router{number} ({program}) while {during}"),
                        format!("{own} claims {after:.1?} after an advert of a better router"),
                    );
                }
            }
        }
    }

    /// What a machine that stalled for so long adds to any time.
    fn excused(&self, stall: Duration) -> Duration {
        self.pace.tolerance + stall * STALLS_COUNT
    }

    /// How long the client was without an answer since then, of any address; longer than `bound` is a violation.
    pub(super) fn judge_outage(
        &self,
        during: &str,
        since: Instant,
        bound: Bound,
        report: &mut Report,
    ) -> Duration {
        let stall = self.stalls.longest_since(since);
        let limit = bound.longest(self.pace).saturating_add(self.excused(stall));
        let mut worst = Duration::ZERO;
        for (number, pinger) in (0..).zip(&self.pingers) {
            let outage = pinger.longest_outage_since(since);
            worst = worst.max(outage);
            if outage > limit {
                let what = format!(
                    "{}: no answer for {outage:.1?}, allowed {limit:.1?} (the machine stalled for {stall:.1?})",
                    address(number)
                );
                report.violation(during, what + &self.seen(number, since));
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
