//! `steadfast show config`: a configuration as it is understood.

use std::path::{Path, PathBuf};

use steadfast_config::{Mode, model, print, render};
use steadfast_daemon::client::Client;

use crate::command_line::{ShowArguments, ShowConfigArguments, Shown};
use crate::exit;
use crate::failure::Failure;
use crate::reader::Reader;
use crate::terminal::{self, Palette, Stream};

/// `steadfast show`
pub(crate) fn run(arguments: &ShowArguments) -> Result<u8, Failure> {
    match &arguments.what {
        Shown::Config(arguments) => configuration(arguments),
    }
}

fn configuration(arguments: &ShowConfigArguments) -> Result<u8, Failure> {
    let file = match &arguments.file {
        Some(file) => file.clone(),
        None => PathBuf::from(Client::connect(&arguments.daemon.socket())?.status()?.configuration),
    };
    let loaded = Reader::new(&arguments.reading, Mode::Run, &[])?.read(Path::new(&file));
    if loaded.diagnostics.has_errors() || loaded.start_status().is_err() {
        use std::io::Write as _;
        let colour = Stream::Error.palette() == Palette::Colours;
        let text = render::text(&loaded.diagnostics, &loaded.sources, colour);
        // Nothing can be said when the terminal is gone.
        let _ = std::io::stderr().write_all(text.as_bytes());
        return Err(Failure::Configuration { path: file });
    }
    let model = if arguments.secrets { loaded.model } else { loaded.model.without_secrets() };
    let text = if arguments.json { serde_json::to_string_pretty(&model)? + "\n" } else { print(&model) };
    terminal::print(&text)?;
    Ok(exit::SUCCESS)
}

/// `steadfast schema`
pub(crate) fn schema() -> Result<u8, Failure> {
    terminal::print(&(serde_json::to_string_pretty(&model::schema())? + "\n"))?;
    Ok(exit::SUCCESS)
}
