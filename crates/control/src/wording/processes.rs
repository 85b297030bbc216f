//! Processes: our own, and those beside us.

use steadfast_wire::vrrp::Family;

use crate::event::{Clash, Ending, Neighbour, Step, VirtualRouter, Worker};

/// What people call a worker.
pub const fn worker_title(worker: Worker) -> &'static str {
    match worker {
        Worker::Vrrp => "vrrp worker",
        Worker::Check => "check worker",
    }
}

/// How a process ended.
pub fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Exited { status: 0 } => "succeeded".to_owned(),
        Ending::Exited { status } => format!("exited with status {status}"),
        Ending::Signalled { signal } => format!("was ended by signal {signal}"),
        Ending::Untold => "ended".to_owned(),
        Ending::TimedOut { milliseconds } => {
            format!(
                "ran longer than {} and was told to end",
                super::duration::exact_milliseconds(*milliseconds)
            )
        }
        Ending::NotRun { step, errno } => format!("could not be run ({}): {errno}", self::step(*step)),
        Ending::NotStarted { error } => format!("was not started: {error}"),
        Ending::NotWatched { error } => format!("was ended at once: {error}"),
        Ending::NoRoom { running } => format!("was not started: {running} scripts of its kind run already"),
    }
}

const fn step(step: Step) -> &'static str {
    match step {
        Step::Descriptors => "its standard descriptors",
        Step::Account => "changing to its user",
        Step::Execute => "executing it",
    }
}

/// A daemon beside this one.
pub fn neighbour(neighbour: &Neighbour) -> String {
    match neighbour.pid {
        Some(pid) => format!("process {pid} ({})", neighbour.name),
        None => neighbour.name.clone(),
    }
}

/// A virtual router that would run twice.
pub fn clash(clash: &Clash) -> String {
    let Clash { neighbour, router, theirs, ours } = clash;
    format!(
        "{} runs {} already, as {theirs}: {ours} here would be a second master beside it; stop the other daemon, or give \
         one of them another virtual_router_id",
        self::neighbour(neighbour),
        virtual_router(router)
    )
}

fn virtual_router(router: &VirtualRouter) -> String {
    format!("virtual router {} on {} ({})", router.vrid.get(), router.interface, family(router.family))
}

/// Name of a family.
pub const fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}
