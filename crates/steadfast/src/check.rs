//! `steadfast check`: configurations read as for a daemon, with everything that is to be said about them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use steadfast_config::{
    Code, Diagnostic, Loaded, Mode, Model, Severity, compare, json as machine_readable, mend, render,
};

use crate::command_line::{CheckArguments, Denied, Format};
use crate::exit;
use crate::failure::Failure;
use crate::fmt::replace;
use crate::reader::Reader;
use crate::terminal::{self, Palette, Stream};

/// Prints what is to be said of each file; the exit status tells whether there is an error.
pub(crate) fn run(arguments: &CheckArguments) -> Result<u8, Failure> {
    let contradicts = |code: &&Code| arguments.deny.contains(&Denied::Code(**code));
    if let Some(&code) = arguments.allow.iter().find(contradicts) {
        return Err(Failure::Contradiction { code });
    }
    let reader = Reader::new(&arguments.reading, Mode::Test, &arguments.allow)?;
    if arguments.fix {
        for file in &arguments.files {
            let told = fix(file, &reader.read(file))?;
            match arguments.format {
                Format::Text => terminal::print(told)?,
                // A program reads the rest.
                Format::Json | Format::Sarif => terminal::tell(&told),
            }
        }
    }
    let mut checked: Vec<(&Path, Loaded)> =
        arguments.files.iter().map(|file| (file.as_path(), reader.read(file))).collect();
    // Files of one command are taken for the routers of one segment.
    compare(&mut checked.iter_mut().map(|(_, loaded)| loaded).collect::<Vec<_>>());
    let text = match arguments.format {
        Format::Text => {
            checked.iter().map(|(file, loaded)| text(file, loaded)).collect::<String>() + &more(&checked)
        }
        Format::Json => serde_json::to_string_pretty(&documents(&checked))? + "\n",
        Format::Sarif => serde_json::to_string_pretty(&sarif(&checked))? + "\n",
    };
    terminal::print(&text)?;
    let fails = checked.iter().any(|(_, loaded)| fails(loaded, &arguments.deny));
    Ok(if fails { exit::FAILURE } else { exit::SUCCESS })
}

fn fails(loaded: &Loaded, denied: &[Denied]) -> bool {
    let is_denied = |diagnostic: &Diagnostic| {
        denied.iter().any(|denied| match denied {
            Denied::Warnings => diagnostic.severity == Severity::Warning,
            Denied::Code(code) => diagnostic.code == *code,
        })
    };
    loaded.diagnostics.has_errors() || loaded.diagnostics.iter().any(is_denied)
}

/// How to read more of the worst problem, and which others there are.
fn more(checked: &[(&Path, Loaded)]) -> String {
    let mut codes: Vec<Code> = Vec::new();
    let mut found: Vec<&Diagnostic> =
        checked.iter().flat_map(|(_, loaded)| loaded.diagnostics.iter()).collect();
    found.sort_by_key(|diagnostic| std::cmp::Reverse(diagnostic.severity));
    for diagnostic in found {
        if !codes.contains(&diagnostic.code) {
            codes.push(diagnostic.code);
        }
    }
    let Some((worst, others)) = codes.split_first() else { return String::new() };
    let others: Vec<String> = others.iter().map(ToString::to_string).collect();
    let others = if others.is_empty() { String::new() } else { format!(" (or {})", others.join(", ")) };
    format!("more: steadfast explain {worst}{others}\n")
}

/// Makes the changes that mean one thing only, and tells of each.
fn fix(file: &Path, loaded: &Loaded) -> Result<String, Failure> {
    let place = |diagnostic: &Diagnostic| {
        let span = diagnostic.fix.as_ref().map(|fix| fix.span).unwrap_or_default();
        let position = loaded.sources.position(span);
        format!("{}:{}:{}", loaded.sources.path(span).display(), position.line, position.column)
    };
    let title = |diagnostic: &Diagnostic| {
        let title = diagnostic.fix.as_ref().map(|fix| fix.title.clone()).unwrap_or_default();
        format!("{title} [{}]", diagnostic.code)
    };
    let mending = mend::mend(&loaded.diagnostics, &loaded.sources);
    let mut told = String::new();
    for mended in &mending.files {
        let failed = |source| Failure::File { path: mended.path.clone(), source };
        let is_stream = file == Path::new("-") || fs::read(&mended.path).map_err(failed)? != mended.before;
        if is_stream {
            told +=
                &format!("{}: not changed: it is no file that stays as it was read\n", mended.path.display());
            continue;
        }
        replace(&mended.path, &mended.after).map_err(failed)?;
        for diagnostic in &mended.done {
            told += &format!("{}: fixed: {}\n", place(diagnostic), title(diagnostic));
        }
    }
    for (diagnostic, reason) in &mending.left {
        told += &format!("{}: not fixed, {reason}: {}\n", place(diagnostic), title(diagnostic));
    }
    Ok(told)
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
