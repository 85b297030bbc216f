//! `steadfast show config`: a configuration as it is understood.

use std::path::PathBuf;

use steadfast_config::{Mode, model, print, render};

use crate::ask;
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
    let reader = Reader::new(&arguments.reading, Mode::Run, &[])?;
    let (file, reader) = match &arguments.file {
        Some(file) => (file.clone(), reader),
        None => {
            let status = ask::one(&arguments.daemon)?;
            (PathBuf::from(status.configuration), reader.beside(status.pid))
        }
    };
    let loaded = reader.read(&file);
    let can_start = loaded.start_status().is_ok();
    let has_errors = loaded.diagnostics.has_errors();
    if has_errors || !can_start {
        use std::io::Write as _;
        let colour = Stream::Error.palette() == Palette::Colours;
        let text = render::text(&loaded.diagnostics, &loaded.sources, colour);
        // Nothing can be said when the terminal is gone.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    if !can_start {
        return Err(Failure::Configuration { path: file });
    }
    let model = if arguments.secrets { loaded.model } else { loaded.model.without_secrets() };
    let text = if arguments.json { serde_json::to_string_pretty(&model)? + "\n" } else { print(&model) };
    terminal::print(&text)?;
    if has_errors {
        // A daemon starts with what was understood.
        return Err(Failure::Understood { path: file });
    }
    Ok(exit::SUCCESS)
}

/// `steadfast schema`
pub(crate) fn schema() -> Result<u8, Failure> {
    terminal::print(&(serde_json::to_string_pretty(&model::schema())? + "\n"))?;
    Ok(exit::SUCCESS)
}
