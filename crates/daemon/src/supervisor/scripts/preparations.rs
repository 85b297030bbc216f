//! Scripts that instances wait for between winning the election and serving.

use std::collections::BTreeMap;
use std::sync::Arc;

use steadfast_control::event::Happening;
use steadfast_vrrp::{InstanceId, Moment};

use super::runner::{Ended, Purpose};
use crate::link::vrrp::Order;
use crate::supervisor::notify::scripts::Owner;
use crate::supervisor::{RUNS, Supervisor, moment};

/// The preparation of each instance that has one: which it is, and how it ended. One is kept until its instance has
/// another state, so that a worker that dies meanwhile has a successor that learns of it.
pub(crate) type Preparations = BTreeMap<InstanceId, (Moment, Option<bool>)>;

impl Supervisor {
    /// A worker asks for the script of an instance; a successor asks again.
    pub(crate) fn prepare(&mut self, instance: InstanceId, since: Moment) {
        match self.scripts.preparations.get(&instance) {
            Some((known, Some(success))) if *known == since => {
                return self.tell_prepared(instance, since, *success);
            }
            Some((known, None)) if *known == since => return,
            _ => {}
        }
        self.scripts.preparations.insert(instance, (since, None));
        let Some(timed) = self.scripts.programs.prepares.get(&instance).cloned() else {
            // It could not be resolved, which was told when that was found.
            return self.preparation_over(instance, since, false);
        };
        let name = self.routers.known.instance(instance);
        let now = moment();
        let purpose = Purpose::Prepare(instance, since, Arc::clone(&name));
        self.scripts.order.begun(Owner::Instance(name), now);
        let limit = Some(timed.limit);
        let started =
            self.scripts.runner.start(now, &timed.command, purpose.clone(), limit, &self.poller, RUNS);
        if let Err(ending) = started {
            self.script_ended(Ended::not_started(purpose, timed.command.text, ending));
        }
    }

    /// The script of an instance ended, or exceeded its time.
    pub(super) fn prepare_ended(
        &mut self,
        instance: InstanceId,
        since: Moment,
        owner: Arc<str>,
        ended: Ended,
    ) {
        if ended.gone {
            self.scripts.order.ended(&Owner::Instance(Arc::clone(&owner)));
        }
        // The end of one that exceeded its time was told when that happened.
        if ended.gone && ended.overstayed {
            return;
        }
        let Ended { command, success, ending, output, .. } = ended;
        self.tell(Happening::Notify { owner, command, ending, output });
        self.preparation_over(instance, since, success);
    }

    fn preparation_over(&mut self, instance: InstanceId, since: Moment, success: bool) {
        if let Some((known, outcome)) = self.scripts.preparations.get_mut(&instance)
            && *known == since
        {
            *outcome = Some(success);
            self.tell_prepared(instance, since, success);
        }
    }

    fn tell_prepared(&mut self, instance: InstanceId, since: Moment, success: bool) {
        self.workers.vrrp.order(Order::Prepared { instance, since, success }, &self.poller);
    }
}
