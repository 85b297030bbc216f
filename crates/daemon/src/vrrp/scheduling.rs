//! How the worker is scheduled, and whether its memory is locked: at its start and at every reload.
//!
//! Nice value, processors and real-time priority are those of the timing thread, the first of the process; the
//! effects thread sets them, so that the timing thread waits for nothing.

use std::time::Duration;

use steadfast_kernel::Error;
use steadfast_kernel::process::limits::{self, Thread};

use crate::link::vrrp::work::Settings;

/// Brings the process from one state to another. What the machine does not allow is done without, since timing must
/// be right without it; the reasons come back.
pub(crate) fn change(before: &Settings, after: &Settings) -> Vec<Error> {
    let mut done = Vec::new();
    if before.nice != after.nice {
        done.push(limits::set_nice(Thread::Main, (after.nice != 0).then_some(after.nice)));
    }
    if before.processors != after.processors {
        let processors: Vec<usize> =
            after.processors.iter().filter_map(|number| usize::try_from(*number).ok()).collect();
        done.push(limits::set_affinity(Thread::Main, &processors));
    }
    if before.no_swap != after.no_swap {
        done.push(if after.no_swap { limits::lock_memory() } else { limits::unlock_memory() });
    }
    let realtime = |settings: &Settings| {
        let limit = Duration::from_micros(u64::from(settings.realtime_limit_microseconds));
        settings.realtime_priority.map(|priority| (priority, limit))
    };
    if realtime(before) != realtime(after) {
        let wanted = realtime(after);
        done.push(limits::set_realtime_limit(wanted.map(|(_, limit)| limit)));
        done.push(limits::set_round_robin(Thread::Main, wanted.map(|(priority, _)| priority)));
    }
    done.into_iter().filter_map(Result::err).collect()
}
