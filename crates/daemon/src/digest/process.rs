//! How the process of the virtual routers runs.

use steadfast_config::model::{BufferPolicy, Global, Model, ProcessSettings};
use steadfast_kernel::BufferSize;

use crate::link::vrrp::work::{Raise, Settings};

/// The highest priority of SCHED_RR (sched(7)).
const HIGHEST_PRIORITY: u8 = 99;

pub(super) fn settings(model: &Model, log_addresses: bool) -> Settings {
    let global = &model.global;
    let process = process(model);
    Settings {
        nice: process.nice,
        realtime_priority: process.realtime_priority,
        realtime_limit_microseconds: process.realtime_limit_microseconds,
        no_swap: process.no_swap,
        processors: process.affinity.0,
        raise: raise(global),
        command_buffer: buffer(&global.vrrp_netlink_command_buffer),
        monitor_buffer: buffer(&global.vrrp_netlink_monitor_buffer),
        log_unknown_vrids: model.global.log_unknown_vrids,
        log_addresses,
    }
}

/// Sessions run in the process of the virtual routers. What is asked for theirs holds where nothing else is said of it.
fn process(model: &Model) -> ProcessSettings {
    let usual = ProcessSettings::default();
    let mut process = model.global.vrrp_process.clone();
    if model.bfd_instances.is_empty() {
        return process;
    }
    let of_sessions = &model.global.bfd_process;
    if process.nice == usual.nice {
        process.nice = of_sessions.nice;
    }
    if process.realtime_priority.is_none() {
        process.realtime_priority = of_sessions.realtime_priority;
        process.realtime_limit_microseconds = of_sessions.realtime_limit_microseconds;
    }
    if process.affinity == usual.affinity {
        process.affinity = of_sessions.affinity.clone();
    }
    process.no_swap |= of_sessions.no_swap;
    process
}

/// The size that a buffer shall have.
pub(crate) fn buffer(policy: &BufferPolicy) -> Option<BufferSize> {
    Some(BufferSize { bytes: policy.bytes?, force: policy.force })
}

/// Real-time priority comes by itself to a process whose timers are late, where that is asked for.
fn raise(global: &Global) -> Option<Raise> {
    let ceiling = global.max_auto_priority.map_or(HIGHEST_PRIORITY, |asked| u8::try_from(asked).unwrap_or(0));
    let after_microseconds = global.min_auto_priority_delay_microseconds;
    (ceiling > 0).then_some(Raise { ceiling, after_microseconds })
}
