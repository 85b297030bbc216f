//! Whoever started the daemon: a service manager, which hears of a start, a reload and a stop, and that the daemon lives;
//! or a command in the foreground, which waits until the daemon is ready.
//!
//! The watchdog hears that only while every worker answers: a supervisor that is well beside a worker that
//! hangs is no living daemon.

use std::time::Duration;

use steadfast_kernel::process::Foreground;
use steadfast_kernel::process::notify::{Notifier, State, watchdog_interval};
use steadfast_vrrp::Moment;

/// Between two beats without a watchdog.
const BEAT: Duration = Duration::from_secs(2);

/// The service manager, if there is one, and what waits in the foreground.
#[derive(Debug)]
pub(crate) struct Service {
    notifier: Option<Notifier>,
    foreground: Option<Foreground>,
    /// Why a worker cannot do its work, as it said last.
    failure: Option<String>,
    beat: Duration,
    /// When the watchdog wants to hear something; never without one.
    next: Moment,
}

impl Service {
    pub(crate) fn open(now: Moment, foreground: Option<Foreground>) -> Self {
        let notifier = Notifier::from_environment().ok().flatten();
        let watchdog = watchdog_interval();
        // The manager wants to hear something within its interval; a third leaves room for a lost one.
        let beat = watchdog.map_or(BEAT, |interval| (interval / 3).min(BEAT));
        let next = if notifier.is_some() && watchdog.is_some() { now + beat } else { Moment::NEVER };
        Self { notifier, foreground, failure: None, beat, next }
    }

    /// How often workers are asked whether they live.
    pub(crate) fn beat(&self) -> Duration {
        self.beat
    }

    /// Start or reload has finished.
    pub(crate) fn ready(&mut self, status: &str) {
        self.tell(&[State::Ready, State::Status(status)]);
        if let Some(foreground) = self.foreground.take() {
            foreground.report(0, "");
        }
    }

    /// A worker cannot do its work: what a start that fails will have been about.
    pub(crate) fn failing(&mut self, reason: &str) {
        self.failure = Some(reason.to_owned());
    }

    /// The daemon ends. A foreground that still waits has not seen it ready.
    pub(crate) fn ended(&mut self, status: u8) {
        if let Some(foreground) = self.foreground.take() {
            let reason = self.failure.as_deref().unwrap_or("stopped before it was ready");
            foreground.report(status, &format!("steadfast: {reason}\n"));
        }
    }

    /// A reload begins.
    pub(crate) fn reloading(&self) {
        self.tell(&[State::Reloading]);
    }

    /// The daemon stops.
    pub(crate) fn stopping(&self) {
        self.tell(&[State::Stopping]);
    }

    /// When [`Self::live`] has something to say.
    pub(crate) fn wakeup(&self) -> Option<Moment> {
        (self.next != Moment::NEVER).then_some(self.next)
    }

    /// The watchdog hears in time that the daemon lives, if it does.
    pub(crate) fn live(&mut self, now: Moment, steady: bool) {
        if now < self.next {
            return;
        }
        self.next = now + self.beat;
        if steady {
            self.tell(&[State::Watchdog]);
        }
    }

    fn tell(&self, states: &[State<'_>]) {
        if let Some(notifier) = &self.notifier {
            let _ = notifier.tell(states);
        }
    }
}
