//! `steadfast check`: configurations read as for a daemon, with everything that is to be said about them.

use std::path::Path;

use serde_json::{Value, json};
use steadfast_config::{Code, Loaded, Mode, Model, Severity, compare, json as machine_readable, render};

use crate::command_line::{CheckArguments, Format};
use crate::exit;
use crate::failure::Failure;
use crate::reader::Reader;
use crate::terminal::{self, Palette, Stream};

/// Prints what is to be said of each file; the exit status tells whether there is an error.
pub(crate) fn run(arguments: &CheckArguments) -> Result<u8, Failure> {
    let reader = Reader::new(&arguments.reading, Mode::Test, &arguments.allow)?;
    let mut checked: Vec<(&Path, Loaded)> =
        arguments.files.iter().map(|file| (file.as_path(), reader.read(file))).collect();
    // Files of one command are taken for the routers of one segment.
    compare(&mut checked.iter_mut().map(|(_, loaded)| loaded).collect::<Vec<_>>());
    let text = match arguments.format {
        Format::Text => checked.iter().map(|(file, loaded)| text(file, loaded)).collect(),
        Format::Json => serde_json::to_string_pretty(&documents(&checked))? + "\n",
        Format::Sarif => serde_json::to_string_pretty(&sarif(&checked))? + "\n",
    };
    terminal::print(&text)?;
    let errors = checked.iter().any(|(_, loaded)| loaded.diagnostics.has_errors());
    Ok(if errors { exit::FAILURE } else { exit::SUCCESS })
}

fn text(file: &Path, loaded: &Loaded) -> String {
    let colour = Stream::Output.palette() == Palette::Colours;
    let problems = render::text(&loaded.diagnostics, &loaded.sources, colour);
    if loaded.diagnostics.iter().any(|diagnostic| diagnostic.code == Code::UnreadableFile) {
        return format!("{problems}{}: cannot be read\n", file.display());
    }
    let verdict = if loaded.diagnostics.has_errors() {
        "has errors"
    } else if loaded.diagnostics.count(Severity::Warning) > 0 {
        "can be used"
    } else {
        "is in order"
    };
    format!("{problems}{}: {verdict}: {}\n", file.display(), statistics(&loaded.model))
}

/// What the file defines, in numbers.
fn statistics(model: &Model) -> String {
    let addresses: usize = model
        .instances
        .iter()
        .map(|instance| instance.addresses.len() + instance.excluded_addresses.len())
        .sum();
    let real_servers: usize = model.virtual_servers.iter().map(|server| server.real_servers.len()).sum();
    let counts = [
        (model.instances.len(), "instance"),
        (addresses, "virtual address"),
        (model.groups.len(), "sync group"),
        (model.scripts.len(), "script"),
        (model.bfd_instances.len(), "BFD session"),
        (model.virtual_servers.len(), "virtual server"),
        (real_servers, "real server"),
    ];
    let told: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| counted(count, what))
        .collect();
    if told.is_empty() { "it defines nothing".to_owned() } else { told.join(", ") }
}

fn counted(count: usize, what: &str) -> String {
    let ending = match (count, what.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{count} {what}{ending}")
}

/// One document a file.
fn documents(checked: &[(&Path, Loaded)]) -> Value {
    checked
        .iter()
        .map(|(file, loaded)| {
            let mut document = machine_readable::document(&loaded.diagnostics, &loaded.sources);
            if let Some(members) = document.as_object_mut() {
                members.insert("file".to_owned(), json!(file.display().to_string()));
            }
            document
        })
        .collect()
}

/// One SARIF log for all files.
fn sarif(checked: &[(&Path, Loaded)]) -> Value {
    let files = checked.iter().map(|(file, loaded)| (*file, &loaded.diagnostics, &loaded.sources));
    machine_readable::sarif_of_files(files, env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_plural() {
        assert_eq!(counted(1, "virtual address"), "1 virtual address");
        assert_eq!(counted(2, "virtual address"), "2 virtual addresses");
        assert_eq!(counted(3, "script"), "3 scripts");
    }

    #[test]
    fn nothing_is_said_of_what_is_not_there() {
        assert_eq!(statistics(&Model::default()), "it defines nothing");
    }
}
