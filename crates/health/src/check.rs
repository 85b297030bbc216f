//! One check: how often it has to fail or succeed before it is believed, and when it is asked next.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use steadfast_time::Moment;

use crate::action::{Contribution, Verdict};
use crate::config::{CheckConfig, CheckKey, Rhythm, ServerId};
use crate::endpoint::Endpoint;
use crate::few::{First, remove};
use crate::instant::{Lapse, Since};
use crate::status::CheckResume;

/// One check, of which there are tens of thousands: what many have in common is shared, and what few have is behind a pointer.
#[derive(Debug)]
pub(crate) struct Check {
    target: Endpoint,
    pub(crate) config: Arc<Manner>,
    /// The first of those whose state it decides.
    user: First<ServerId>,
    /// How many of them belong to a service whose checks do not rest.
    pub(crate) active_users: u32,
    pub(crate) up: bool,
    /// Whether a whole round of its pages has been judged.
    pub(crate) has_run: bool,
    /// The page that is asked next.
    pub(crate) step: u16,
    /// Whatever is not as with a check that succeeds.
    rare: Option<Box<Rare>>,
    /// When it went up or down last.
    pub(crate) changed: Option<Since>,
    /// How long it took last until a verdict.
    pub(crate) took: Option<Lapse>,
    /// How often it was judged.
    pub(crate) verdicts: u32,
    /// When it was begun while it runs, and otherwise when it is asked next.
    at: Moment,
    pub(crate) running: bool,
    /// Its time came while nobody wanted to know.
    pub(crate) parked: bool,
}

/// What checks that are made alike have in common.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Manner {
    pub(crate) settings: Arc<str>,
    pub(crate) question: Arc<str>,
    pub(crate) rhythm: Rhythm,
    pub(crate) alpha: bool,
    pub(crate) log_all_failures: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rare {
    /// Its users but for the first.
    users: Vec<ServerId>,
    /// Failures in a row that did not count.
    pub(crate) failures: u32,
    /// Rounds in a row that went well while it was down.
    pub(crate) successes: u32,
    /// The page that made it go down and has not answered since.
    pub(crate) failed_step: Option<u16>,
    pub(crate) contribution: Contribution,
    /// What was wrong last.
    pub(crate) last_failure: Option<Arc<str>>,
    /// How often it was judged as bad.
    bad_verdicts: u32,
    /// Why it cannot be made on this machine, which has been told.
    pub(crate) trouble: Option<Arc<str>>,
}

/// What a verdict came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// It went up or down.
    pub(crate) changed: bool,
    /// Its contribution changed.
    pub(crate) reweighed: bool,
    /// A whole round of it has been judged for the first time.
    pub(crate) first: bool,
    /// A failure that changed nothing: which in a row.
    pub(crate) failure: Option<u32>,
    /// Why it cannot be made on this machine, if that is new.
    pub(crate) trouble: Option<Arc<str>>,
}

impl CheckKey {
    pub(crate) fn identity(&self) -> Identity<'_> {
        (self.target.ip(), self.target.port(), &self.settings)
    }
}

/// By what a check is found.
type Identity<'a> = (IpAddr, u16, &'a str);

impl Manner {
    pub(crate) fn of(config: &CheckConfig) -> Self {
        let CheckConfig { key, question, rhythm, alpha, log_all_failures } = config;
        let (settings, question) = (Arc::clone(&key.settings), Arc::clone(question));
        Self { settings, question, rhythm: *rhythm, alpha: *alpha, log_all_failures: *log_all_failures }
    }
}

impl Check {
    pub(crate) fn new(target: SocketAddr, config: Arc<Manner>, first: Moment) -> Self {
        Self {
            up: !config.alpha,
            target: target.into(),
            config,
            user: First::default(),
            active_users: 0,
            has_run: false,
            step: 0,
            rare: None,
            changed: None,
            took: None,
            verdicts: 0,
            at: first,
            running: false,
            parked: false,
        }
    }

    pub(crate) fn target(&self) -> SocketAddr {
        self.target.get()
    }

    pub(crate) fn key(&self) -> CheckKey {
        CheckKey { target: self.target(), settings: Arc::clone(&self.config.settings) }
    }

    /// By what it is found.
    pub(crate) fn identity(&self) -> Identity<'_> {
        let (address, port) = self.target.parts();
        (address, port, &self.config.settings)
    }

    /// Those whose state it decides.
    pub(crate) fn users(&self) -> impl Iterator<Item = ServerId> + '_ {
        let further = self.rare.iter().flat_map(|rare| rare.users.iter().copied());
        self.user.get().into_iter().chain(further)
    }

    pub(crate) fn is_used(&self) -> bool {
        self.user.get().is_some()
    }

    pub(crate) fn add_user(&mut self, user: ServerId) {
        if self.is_used() {
            self.set_rare(|rare| rare.users.push(user));
        } else {
            self.user.set(Some(user));
        }
    }

    /// Whether it was one; of one that is it twice, one goes.
    pub(crate) fn remove_user(&mut self, user: ServerId) -> bool {
        let mut first = self.user;
        let mut was = false;
        self.set_rare(|rare| was = remove(&mut first, &mut rare.users, user));
        self.user = first;
        was
    }

    /// Failures in a row that did not count.
    pub(crate) fn failures(&self) -> u32 {
        self.rare.as_ref().map_or(0, |rare| rare.failures)
    }

    /// Rounds in a row that went well while it was down.
    pub(crate) fn successes(&self) -> u32 {
        self.rare.as_ref().map_or(0, |rare| rare.successes)
    }

    pub(crate) fn is_configured_as(&self, config: &CheckConfig) -> bool {
        let Manner { settings: _, question: _, rhythm, alpha, log_all_failures } = &*self.config;
        self.identity() == config.key.identity()
            && (*rhythm, *alpha, *log_all_failures) == (config.rhythm, config.alpha, config.log_all_failures)
    }

    pub(crate) fn contribution(&self) -> Contribution {
        self.rare.as_ref().map_or(Contribution::None, |rare| rare.contribution)
    }

    pub(crate) fn failed_step(&self) -> Option<u16> {
        self.rare.as_ref()?.failed_step
    }

    pub(crate) fn last_failure(&self) -> Option<Arc<str>> {
        self.rare.as_ref()?.last_failure.clone()
    }

    fn trouble(&self) -> Option<Arc<str>> {
        self.rare.as_ref()?.trouble.clone()
    }

    /// How often it was judged as bad.
    pub(crate) fn bad_verdicts(&self) -> u32 {
        self.rare.as_ref().map_or(0, |rare| rare.bad_verdicts)
    }

    /// When it is asked next; never while it is being asked.
    pub(crate) const fn next(&self) -> Moment {
        if self.running { Moment::NEVER } else { self.at }
    }

    /// It is asked now.
    pub(crate) fn begin(&mut self, now: Moment) {
        self.running = true;
        self.at = now;
    }

    /// Changes what few checks have.
    pub(crate) fn set_rare(&mut self, change: impl FnOnce(&mut Rare)) {
        let mut rare = self.rare.take().unwrap_or_default();
        change(&mut rare);
        self.rare = (*rare != Rare::default()).then_some(rare);
    }

    /// Takes a verdict that came at `now`.
    pub(crate) fn judge(&mut self, now: Moment, verdict: Verdict) -> Judgement {
        let asked = std::mem::take(&mut self.running);
        let before = (self.up, self.contribution());
        let had_run = self.has_run;
        self.verdicts = self.verdicts.saturating_add(1);
        let started = self.at;
        if asked {
            self.took = Some(now.since(started).into());
        }
        let known = self.trouble();
        if known.is_some() {
            self.set_rare(|rare| rare.trouble = None);
        }
        let (wait, failure) = match verdict {
            Verdict::Good { contribution } => {
                if contribution != before.1 {
                    self.set_rare(|rare| rare.contribution = contribution);
                }
                (self.succeeded(), None)
            }
            Verdict::Bad { reason } => {
                self.set_rare(|rare| {
                    rare.contribution = Contribution::None;
                    rare.last_failure = Some(reason);
                    rare.bad_verdicts = rare.bad_verdicts.saturating_add(1);
                });
                self.failed()
            }
            Verdict::Trouble { reason } => {
                self.set_rare(|rare| rare.trouble = Some(reason));
                (self.config.rhythm.delay_loop, None)
            }
        };
        if asked {
            let from = if self.config.rhythm.from_start { started } else { now };
            self.at = (from + wait).max(now);
        }
        if self.up != before.0 {
            self.changed = Some(now.into());
        }
        let trouble = self.trouble().filter(|reason| known.as_ref() != Some(reason));
        Judgement {
            changed: self.up != before.0,
            reweighed: self.contribution() != before.1,
            first: self.has_run && !had_run,
            failure,
            trouble,
        }
    }

    /// How long to wait.
    fn succeeded(&mut self) -> Duration {
        let rhythm = self.config.rhythm;
        if self.failures() > 0 {
            self.set_rare(|rare| rare.failures = 0);
        }
        let pages = rhythm.steps.max(1);
        if self.failed_step().is_some() {
            self.set_rare(|rare| rare.failed_step = None);
            if pages > 1 {
                // The page that failed answers; whether all do is asked from the first on.
                self.step = 0;
                return rhythm.delay_loop;
            }
        }
        let last = self.step + 1 >= pages;
        self.step = if last { 0 } else { self.step + 1 };
        if !last {
            let hurried = rhythm.fast_recovery && !(self.up && self.has_run);
            return if hurried { Duration::ZERO } else { rhythm.delay_loop };
        }
        self.has_run = true;
        if !self.up {
            let successes = self.successes().saturating_add(1);
            self.up = successes >= rhythm.rise;
            let successes = if self.up { 0 } else { successes };
            self.set_rare(|rare| rare.successes = successes);
        }
        rhythm.delay_loop
    }

    /// How long to wait, and which failure this was if it changed nothing.
    fn failed(&mut self) -> (Duration, Option<u32>) {
        let rhythm = self.config.rhythm;
        let first = !self.has_run;
        let failures = self.failures().saturating_add(1);
        let believed = if rhythm.unasked || (first && rhythm.first_failure_counts) {
            true
        } else if self.up || rhythm.retries_while_down {
            failures > rhythm.retries
        } else {
            true
        };
        let counted = if believed { 0 } else { failures };
        self.set_rare(|rare| (rare.failures, rare.successes) = (counted, 0));
        if !believed {
            return (rhythm.delay_before_retry, Some(failures));
        }
        self.has_run = true;
        // A page that fails is asked alone until it answers, not more often than the others were.
        let wait = if rhythm.steps > 1 {
            let step = self.step;
            self.set_rare(|rare| rare.failed_step = Some(step));
            rhythm.delay_loop.max(rhythm.delay_before_retry)
        } else {
            rhythm.delay_loop
        };
        let changed = std::mem::take(&mut self.up);
        (wait, (!changed).then_some(failures))
    }

    /// Whether it asks the same of the same target, be it at other times.
    pub(crate) fn asks_as(&self, config: &CheckConfig) -> bool {
        let target = config.key.target;
        self.target.parts() == (target.ip(), target.port()) && self.config.question == config.question
    }

    /// Takes over what is known of a check that asked the same, be it at other times.
    pub(crate) fn resume(&mut self, known: CheckResume) {
        let Rhythm { steps, retries, .. } = self.config.rhythm;
        let pages = steps.max(1);
        (self.up, self.has_run, self.step) = (known.up, known.has_run, known.step.min(pages - 1));
        self.set_rare(|rare| {
            rare.failures = known.failures.min(retries);
            // Of one that is up nobody needs to know.
            rare.successes = if known.up { 0 } else { known.successes };
            rare.failed_step = known.failed_step.filter(|step| *step < pages);
            rare.contribution = known.contribution;
            rare.last_failure = known.last_failure;
        });
    }

    /// Goes on where `old` is left, which asked the same at other times: nothing of its target is to be found out anew. What
    /// it was waiting for comes no later than after a delay of its own.
    pub(crate) fn go_on_from(&mut self, now: Moment, old: &Self) {
        self.resume(CheckResume::of(old));
        (self.changed, self.took, self.verdicts) = (old.changed, old.took, old.verdicts);
        self.parked = old.parked;
        let next = if old.running { now } else { old.at };
        self.at = next.min(now + self.config.rhythm.delay_loop);
        self.set_rare(|rare| {
            rare.bad_verdicts = old.bad_verdicts();
            rare.trouble = old.trouble();
        });
    }

    /// It rests no more, if it did. It is asked where it would have been asked had it not, or `soon` if that is earlier;
    /// whether its time is another now.
    pub(crate) fn wake(&mut self, now: Moment, soon: Option<Moment>) -> bool {
        let rested = std::mem::take(&mut self.parked);
        let late = now.since(self.at).as_nanos();
        if rested && late > 0 {
            let round = self.config.rhythm.delay_loop.as_nanos().max(1);
            let ahead = late.div_ceil(round).saturating_mul(round) - late;
            self.at = now + Duration::from_nanos(u64::try_from(ahead).unwrap_or(u64::MAX));
        }
        let sooner = soon.filter(|soon| *soon < self.at && !self.running);
        self.at = sooner.unwrap_or(self.at);
        rested || sooner.is_some()
    }
}
