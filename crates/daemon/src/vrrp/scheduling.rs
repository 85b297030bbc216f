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
    let realtime =
        |settings: &Settings| settings.realtime_priority.map(|priority| (priority, limit(settings)));
    // What came by itself goes when it is not asked for any more.
    if realtime(before) != realtime(after) || before.raise != after.raise {
        let wanted = realtime(after);
        done.push(limits::set_realtime_limit(wanted.map(|(_, limit)| limit)));
        done.push(limits::set_round_robin(Thread::Main, wanted.map(|(priority, _)| priority)));
    }
    done.into_iter().filter_map(Result::err).collect()
}

/// One real-time priority more, up to what is allowed: for a process that has `raised`, or else what is configured. What
/// it has then comes back.
///
/// # Errors
/// EPERM without CAP_SYS_NICE.
pub(crate) fn raise(settings: &Settings, raised: Option<u8>) -> Result<Option<u8>, Error> {
    let Some(raise) = settings.raise else { return Ok(raised) };
    let present = raised.or(settings.realtime_priority).unwrap_or(0);
    if present >= raise.ceiling {
        return Ok(raised);
    }
    let next = present.saturating_add(1);
    limits::set_realtime_limit(Some(limit(settings)))?;
    limits::set_round_robin(Thread::Main, Some(next))?;
    Ok(Some(next))
}

fn limit(settings: &Settings) -> Duration {
    Duration::from_micros(u64::from(settings.realtime_limit_microseconds))
}
