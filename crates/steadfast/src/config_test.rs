//! `-t`: the configuration read as keepalived's test mode reads it, with keepalived's exit statuses.

use std::io::{self, Write as _};
use std::path::Path;

use steadfast_config::{Files, LoadOptions, Machine, Mode, load, render};
use steadfast_daemon::host::ThisMachine;
use steadfast_daemon::options::Options;
use steadfast_kernel::file;
use steadfast_kernel::namespace::Network;

use crate::exit;
use crate::progress::Progress;
use crate::reader::in_its_namespace;
use crate::terminal::{Palette, Stream, complain};

/// Tests what a daemon with these options would read. Problems go to standard error, or into `log`.
pub(crate) fn run(options: &Options, log: Option<&Path>) -> u8 {
    match test(options, log) {
        Ok(status) => status,
        Err(reason) => {
            complain(Stream::Error.palette(), &reason);
            exit::FAILURE
        }
    }
}

fn test(options: &Options, log: Option<&Path>) -> Result<u8, String> {
    if let Some(name) = &options.namespace {
        enter(name)?;
    }
    let source = Files { config_id: options.config_id.clone().map(String::into_bytes), ..Files::default() };
    let load_options = LoadOptions {
        mode: Mode::Test,
        check_includes: options.strict_includes,
        silenced: options.allowed.clone(),
        ..LoadOptions::default()
    };
    let progress = Progress::of(format!("reading {}", options.configuration.display()));
    let read_for = |machine: &dyn Machine| load(&source, &options.configuration, machine, &load_options);
    let mut loaded = read_for(&ThisMachine::ask().map_err(|error| error.to_string())?);
    // -s beats what the file says.
    if options.namespace.is_none() {
        loaded = in_its_namespace(loaded, read_for);
    }
    drop(progress);
    let colour = log.is_none() && Stream::Error.palette() == Palette::Colours;
    let text = render::text(&loaded.diagnostics, &loaded.sources, colour);
    let written = match log {
        None => io::stderr().write_all(text.as_bytes()),
        Some(path) => file::append(path).and_then(|mut file| file.write_all(text.as_bytes())),
    };
    if let (Err(error), Some(path)) = (written, log) {
        return Err(format!("cannot write to {}: {error}", path.display()));
    }
    Ok(loaded.test_status())
}

fn enter(name: &str) -> Result<(), String> {
    Network::open(&Path::new("/run/netns").join(name))
        .and_then(|network| network.enter())
        .map_err(|error| format!("cannot enter network namespace {name}: {error}"))
}
