//! What is out of order in the supervisor's own work, as long as it is.

use std::collections::BTreeMap;

use steadfast_control::event::{Fault, Happening, Matter};

use super::Supervisor;

/// One fault for each matter. There are as many as the configuration has programs and files, at most.
#[derive(Debug, Default)]
pub(crate) struct Faults(BTreeMap<Matter, Fault>);

impl Faults {
    /// For `status`.
    pub(crate) fn standing(&self) -> Vec<Fault> {
        self.0.values().cloned().collect()
    }
}

impl Faults {
    /// For the program that comes, as JSON.
    pub(crate) fn left(&self) -> Vec<String> {
        self.0.values().filter_map(|fault| serde_json::to_string(fault).ok()).collect()
    }

    /// What another program left: it was told. What is not known any more is passed over.
    pub(crate) fn adopt(left: &[String]) -> Self {
        let faults = left.iter().filter_map(|fault| serde_json::from_str::<Fault>(fault).ok());
        Self(faults.filter_map(|fault| Some((fault.matter()?, fault))).collect())
    }
}

impl Supervisor {
    /// Tells of a fault, and has `status` show one that lasts. What is known already is not told again.
    pub(crate) fn fault(&mut self, fault: Fault) {
        if let Some(matter) = fault.matter()
            && self.faults.0.insert(matter, fault.clone()).as_ref() == Some(&fault)
        {
            return;
        }
        self.tell(Happening::Fault(fault));
    }

    /// Tells that something is in order again, if it was not.
    pub(crate) fn fault_over(&mut self, matter: &Matter) {
        if let Some(fault) = self.faults.0.remove(matter) {
            self.tell(Happening::FaultOver(fault));
        }
    }

    /// What was to be done is not wanted any more, or is about to be tried anew.
    pub(crate) fn forget_faults(&mut self, which: impl Fn(&Matter) -> bool) {
        self.faults.0.retain(|matter, _| !which(matter));
    }

    /// After a reload: what the configuration does not have cannot be out of order.
    pub(crate) fn forget_what_is_gone(&mut self) {
        let Self { faults, scripts, watches, loaded, names, .. } = self;
        faults.0.retain(|matter, _| match matter {
            Matter::Check(name) => scripts.programs.checks.values().any(|check| check.name == *name),
            Matter::TrackFile(name) => watches.files.has(name),
            Matter::Name(name, family) => names.has(name, *family),
            Matter::Names => names.left_out() > 0,
            Matter::Mail => loaded.global.mail.server.is_some(),
            Matter::ReloadTime => loaded.global.reload.time_file.is_some(),
            Matter::Fifo(_) | Matter::FifoReader(_) | Matter::Program(_) | Matter::Worker(_) => true,
        });
    }
}
