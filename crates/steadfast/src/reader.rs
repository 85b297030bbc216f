//! Reading configurations as the command line asks for it.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use steadfast_config::{
    AnyMachine, Class, Code, Diagnostic, Files, LoadOptions, Loaded, Machine, Mode, Severity, Source as _,
    Unreadable, load,
};
use steadfast_daemon::host::ThisMachine;
use steadfast_kernel::Errno;

use crate::command_line::Reading;
use crate::failure::Failure;
use crate::progress::Progress;

/// Reads any number of files in the same way.
pub(crate) struct Reader {
    machine: Box<dyn Machine>,
    /// The files are for this machine.
    is_this: bool,
    source: Files,
    options: LoadOptions,
    standard_input: OnceCell<Result<Vec<u8>, Unreadable>>,
}

/// The file name that means standard input.
pub(crate) const STANDARD_INPUT: &str = "-";

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
            standard_input: OnceCell::new(),
        })
    }

    /// Takes the interfaces that a process sees, which may run in another network namespace. Where that cannot be
    /// entered they are those of this process.
    pub(crate) fn beside(mut self, process: u32) -> Self {
        if self.is_this
            && let Ok(machine) = ThisMachine::ask_beside(process)
        {
            self.machine = Box::new(machine);
            self.is_this = false;
        }
        self
    }

    /// What the file means, and what is to be said about it.
    pub(crate) fn read(&self, file: &Path) -> Loaded {
        // Whoever types the file sees what is waited for.
        let is_typed = file == Path::new(STANDARD_INPUT) && io::stdin().is_terminal();
        let _progress =
            if is_typed { Progress::none() } else { Progress::of(format!("reading {}", file.display())) };
        let mut source = self.source.clone();
        if let Some(text) = self.stream(file) {
            source.texts.insert(source.current_directory().join(file), text);
        }
        let read_for = |machine: &dyn Machine| load(&source, file, machine, &self.options);
        let loaded = read_for(self.machine.as_ref());
        if self.is_this { in_its_namespace(loaded, read_for) } else { loaded }
    }

    /// The text of what can be read only once: standard input, and pipes as the shell makes them of `<(command)`.
    /// A daemon reads regular files only.
    fn stream(&self, file: &Path) -> Option<Result<Vec<u8>, Unreadable>> {
        if file == Path::new(STANDARD_INPUT) {
            return Some(self.standard_input.get_or_init(|| Files::read_stream(io::stdin())).clone());
        }
        let is_pipe = fs::metadata(file).is_ok_and(|metadata| metadata.file_type().is_fifo());
        let refused = |error: io::Error| Unreadable::Refused(error.to_string());
        is_pipe.then(|| File::open(file).map_err(refused).and_then(Files::read_stream))
    }
}

/// Reads a file again that names a network namespace: the interfaces that it means are those in there. A daemon would
/// end where it cannot enter it.
pub(crate) fn in_its_namespace(loaded: Loaded, read_for: impl Fn(&dyn Machine) -> Loaded) -> Loaded {
    let Some(name) = loaded.model.global.net_namespace.as_deref() else { return loaded };
    let error = match ThisMachine::ask_in(name) {
        Ok(machine) => return read_for(&machine),
        Err(error) => error,
    };
    let message = format!("net_namespace {name}: {error}");
    let told = Diagnostic::nowhere(Code::NamespaceMissing, message);
    let mut loaded = read_for(&ThisMachine::unseen());
    loaded.diagnostics.push(match error.errno {
        Errno::NOENT => told.hint(format!("make it first: ip netns add {name}")),
        // Whoever asks may not look into it; the daemon may.
        Errno::PERM | Errno::ACCESS => told
            .severity(Severity::Warning)
            .class(Class::Silent)
            .note("its interfaces are taken to be what the file says"),
        _ => told,
    });
    loaded
}
