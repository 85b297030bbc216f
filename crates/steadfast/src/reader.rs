//! Reading configurations as the command line asks for it.

use std::path::Path;

use steadfast_config::{AnyMachine, Code, Files, LoadOptions, Loaded, Machine, Mode, load};
use steadfast_daemon::machine::ThisMachine;

use crate::command_line::Reading;
use crate::failure::Failure;

/// Reads any number of files in the same way.
pub(crate) struct Reader {
    machine: Box<dyn Machine>,
    /// The files are for this machine.
    is_this: bool,
    source: Files,
    options: LoadOptions,
}

impl Reader {
    /// Warnings and notes of the codes in `silenced` are passed over.
    pub(crate) fn new(reading: &Reading, mode: Mode, silenced: &[Code]) -> Result<Self, Failure> {
        let machine: Box<dyn Machine> =
            if reading.any_machine { Box::new(AnyMachine) } else { Box::new(ThisMachine::ask()?) };
        let config_id = reading.config_id.clone().map(String::into_bytes);
        Ok(Self {
            machine,
            is_this: !reading.any_machine,
            source: Files { config_id, ..Files::default() },
            options: LoadOptions {
                mode,
                check_includes: reading.all_config,
                silenced: silenced.iter().copied().collect(),
                ..LoadOptions::default()
            },
        })
    }

    /// What the file means, and what is to be said about it.
    pub(crate) fn read(&self, file: &Path) -> Loaded {
        let read_for = |machine: &dyn Machine| load(&self.source, file, machine, &self.options);
        let loaded = read_for(self.machine.as_ref());
        // The interfaces that the file means are those in its namespace, if that can be entered.
        let namespace = loaded.model.global.net_namespace.as_deref().filter(|_| self.is_this);
        match namespace.map(ThisMachine::ask_in) {
            Some(Ok(machine)) => read_for(&machine),
            Some(Err(_)) | None => loaded,
        }
    }
}
