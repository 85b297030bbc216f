//! The scripts around a daemon's life: before its first worker starts, and after its last one ended.

use std::time::Duration;

use steadfast_control::event::{Fault, Happening};
use steadfast_vrrp::Moment;

use super::runner::{Ended, Purpose};
use crate::supervisor::{RUNS, Supervisor};

/// How long a script that exceeded its time is waited for: SIGTERM, SIGKILL after 2 s, again after
/// 2 s, given up after 10 s more. The runner sends the signals.
const PATIENCE: Duration = Duration::from_secs(14);

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    /// `startup_script`
    Startup,
    /// `shutdown_script`
    Shutdown,
}

impl Hook {
    fn keyword(self) -> &'static str {
        match self {
            Self::Startup => "startup_script",
            Self::Shutdown => "shutdown_script",
        }
    }
}

impl Supervisor {
    /// Starts a script, if there is one; until when it is to be waited for at most.
    pub(crate) fn run_hook(&mut self, now: Moment, hook: Hook) -> Option<Moment> {
        let timed = match hook {
            Hook::Startup => self.scripts.programs.startup.clone(),
            Hook::Shutdown => self.scripts.programs.shutdown.clone(),
        }?;
        let purpose = Purpose::Hook(hook);
        let limit = Some(timed.limit);
        let started =
            self.scripts.runner.start(now, &timed.command, purpose.clone(), limit, &self.poller, RUNS);
        if let Err(ending) = started {
            self.tell_hook(hook, Ended::not_started(purpose, timed.command.text, ending));
            return None;
        }
        Some(now + timed.limit + PATIENCE)
    }

    /// Passes on what came of a script, and goes on with what waited for it.
    pub(crate) fn hook_ended(&mut self, hook: Hook, ended: Ended) {
        let gone = ended.gone;
        // The end of one that exceeded its time was told when that happened.
        if !(gone && ended.overstayed) {
            self.tell_hook(hook, ended);
        }
        if gone {
            self.hook_over(hook);
        }
    }

    /// A start that waits for a script which does not end goes on without it.
    pub(crate) fn give_up_startup(&mut self, now: Moment) {
        if self.scripts.starting.is_some_and(|until| until <= now) {
            self.fault(Fault::StartupScript);
            self.hook_over(Hook::Startup);
        }
    }

    fn hook_over(&mut self, hook: Hook) {
        match hook {
            Hook::Startup => {
                if self.scripts.starting.take().is_some() {
                    self.start_work();
                }
            }
            Hook::Shutdown => {
                if let Some(stopping) = &mut self.stopping {
                    stopping.shutdown = Shutdown::Over;
                }
            }
        }
    }

    fn tell_hook(&mut self, hook: Hook, ended: Ended) {
        let Ended { success, ending, output, .. } = ended;
        self.tell(Happening::Script { script: hook.keyword().into(), success, ending, output });
    }
}

/// How far the shutdown script is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// Its time has not come.
    Ahead,
    /// It runs, and is waited for until then.
    Until(Moment),
    /// It ended, or there is none.
    Over,
}
