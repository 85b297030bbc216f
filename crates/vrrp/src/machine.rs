//! The machine: what the caller drives.

use crate::action::{Input, Sink};
use crate::config::{Config, InstanceId};
use crate::counters::MachineCounters;
use crate::plan::Plan;
use crate::status::{InstanceStatus, Resume};
use crate::timer::Moment;

/// All virtual routers of one worker.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    counters: MachineCounters,
}

impl Machine {
    /// Every instance in INIT. Nothing happens before every interface has been described with
    /// [`Input::Interface`] and [`Machine::advance`] has been called.
    ///
    /// `resume` holds the instances that a dead predecessor ran; they go on in the state they had.
    pub fn new(now: Moment, config: Config, resume: Vec<Resume>) -> Self {
        let _ = (now, resume);
        Self { config, counters: MachineCounters::default() }
    }

    /// Something happened at `now`. For a datagram `now` is its arrival.
    pub fn handle(&mut self, now: Moment, input: Input<'_>, sink: &mut impl Sink) {
        let _ = (now, input, sink);
    }

    /// Runs every timer that is due at `now`; the first call starts the instances.
    pub fn advance(&mut self, now: Moment, sink: &mut impl Sink) {
        let _ = (now, sink);
    }

    /// When [`Machine::advance`] has work next.
    pub fn next_wakeup(&self) -> Option<Moment> {
        None
    }

    /// Takes over what a reload changed; everything else is left untouched.
    pub fn apply(&mut self, now: Moment, plan: Plan, sink: &mut impl Sink) {
        let _ = (now, plan, sink);
    }

    /// After [`Input::Stop`]: every hand-over is done and the daemon may exit.
    pub fn is_drained(&self) -> bool {
        self.config.instances.is_empty()
    }

    /// Snapshot for `status`.
    pub fn status(&self, instance: InstanceId) -> Option<InstanceStatus> {
        let _ = instance;
        None
    }

    /// What a successor needs to go on with this instance; ask after every state change.
    pub fn resume_state(&self, instance: InstanceId) -> Option<Resume> {
        let _ = instance;
        None
    }

    /// Datagrams that belonged to no instance.
    pub const fn counters(&self) -> MachineCounters {
        self.counters
    }
}
