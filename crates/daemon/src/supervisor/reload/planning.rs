//! What a reload would do, for those who ask before they do it.

use std::path::Path;

use steadfast_config::Plan;
use steadfast_control::request::{Answer, PlanReport};
use steadfast_control::wording;

use crate::supervisor::control::ClientId;
use crate::supervisor::{CLIENTS, SETTLE_AFTER, Supervisor, moment, start};

impl Supervisor {
    /// Tells a client what a reload would do if `file` were the configuration.
    pub(crate) fn send_plan(&mut self, client: ClientId, file: &Path) {
        let trusted = self.desk.control.as_ref().is_some_and(|control| control.is_trusted(client));
        let answer = if trusted {
            self.plan(file).map_or_else(Answer::Error, |report| Answer::Plan(Box::new(report)))
        } else {
            // A file that only root may read would show in the diagnostics.
            Answer::Error("only root, or the daemon's own user, may have it read a file".to_owned())
        };
        if let Some(control) = &mut self.desk.control {
            control.answer(client, &answer, &self.poller, CLIENTS);
        }
        self.settle_at = Some(moment() + SETTLE_AFTER);
    }

    fn plan(&self, file: &Path) -> Result<PlanReport, String> {
        let (mut loaded, report) = start::read(&self.options, file).map_err(|error| error.to_string())?;
        let refused = self.reason_to_refuse(file, &loaded).as_ref().map(wording::refusal);
        let in_force = self.loaded.model();
        if self.options.namespace.is_some() {
            // With -s the keyword says nothing.
            loaded.model.global.net_namespace = in_force.global.net_namespace.clone();
        }
        let plan = Plan::between(&in_force, &loaded.model);
        Ok(PlanReport { refused, diagnostics: report.lines(), plan })
    }
}
