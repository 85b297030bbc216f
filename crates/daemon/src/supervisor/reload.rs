//! Reload: check everything, then change only what differs, or nothing at all.

use steadfast_config::Severity as Gravity;

use super::programs::Programs;
use super::{CHANNEL, Effective, Supervisor, moment, start};
use crate::digest::digest;
use crate::message::{ReloadSummary, ToWorker};
use crate::record::{Happening, Severity};

impl Supervisor {
    /// Reads the file again and puts it in force, unless anything is wrong with it.
    pub(super) fn reload(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        self.notifier.reloading();
        let (loaded, report) = match start::read(&self.options) {
            Ok(read) => read,
            Err(reason) => return self.refuse(&reason, &[]),
        };
        let errors = loaded.diagnostics.iter().filter(|d| d.severity == Gravity::Error).count();
        if errors > 0 || loaded.start_status().is_err() {
            let summary = format!("{} has {}", self.options.configuration.display(), count(errors, "error"));
            return self.refuse(&summary, &report);
        }
        for line in &report {
            self.journal.line(Severity::Warning, line);
        }
        self.put_in_force(loaded);
    }

    fn refuse(&mut self, reason: &str, report: &[String]) {
        for line in report {
            self.journal.line(Severity::Error, line);
        }
        self.refused_reload = Some(reason.to_owned());
        self.tell(None, Happening::Reload { applied: false, detail: reason.to_owned() });
        self.notifier.ready(&self.summary());
    }

    fn put_in_force(&mut self, loaded: steadfast_config::load::Loaded) {
        let effective = Effective::of(loaded);
        let work = digest(&effective.model, &self.work, &self.leaving, self.options.log_addresses);
        let kept: std::collections::BTreeSet<_> = work.machine.instances.iter().map(|i| i.id).collect();
        for install in self.work.installs.iter().filter(|install| !kept.contains(&install.instance)) {
            self.leaving.insert(install.instance, install.addresses.clone());
        }

        let mut problems = Vec::new();
        let mut programs = Programs::resolve(&effective.model, &work, &mut problems);
        // Removed instances still have something to tell.
        for (id, notifies) in std::mem::take(&mut self.programs.instances) {
            if self.leaving.contains_key(&id) {
                programs.instances.insert(id, notifies);
            }
        }
        for problem in problems {
            self.journal.line(Severity::Warning, &problem);
        }
        if work.settings != self.work.settings {
            let message = "priorities, processors, memory locking and buffers of the vrrp worker change when it starts again";
            self.journal.line(Severity::Warning, message);
        }
        let now = moment();
        self.known.configure(&work);
        self.checks.configure(now, &programs);
        self.programs = programs;
        let before = std::mem::replace(&mut self.work, work).machine;
        self.loaded = effective;
        self.generation += 1;
        self.refused_reload = None;
        let starts = self.start_worker_at.is_none() && self.wants_worker();
        match &mut self.worker {
            Some(worker) => {
                worker.tell(&ToWorker::Reload(Box::new(self.work.clone())), &self.poller, CHANNEL);
            }
            None if starts => self.start_worker(now),
            None => self.notifier.ready(&self.summary()),
        }
        let detail = steadfast_vrrp::Plan::between(&before, &self.work.machine);
        let detail = ReloadSummary::of(&detail).to_string();
        self.tell(None, Happening::Reload { applied: true, detail });
        steadfast_kernel::limits::trim_allocator();
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
