//! `steadfast plan`: what a reload would do, keyword by keyword.

use std::path::Path;

use serde_json::{Value, json};
use steadfast_config::{KnownErrors, Loaded, Mode, Plan, render};
use steadfast_control::client::Client;

use crate::command_line::{PlanArguments, Reading};
use crate::exit;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::reader::{Reader, STANDARD_INPUT};
use crate::terminal::{self, Palette, Stream, complain};

/// Prints the plan; the exit status tells whether something would change.
pub(crate) fn run(arguments: &PlanArguments) -> Result<u8, Failure> {
    let planned = match arguments.files.as_slice() {
        [_, _] if arguments.daemon.is_told() => return Err(Failure::NobodyAsked),
        [old, new] => between(old, new, &arguments.reading)?,
        [new] if new == Path::new(STANDARD_INPUT) => return Err(Failure::ReadByDaemon("name a file for -")),
        [new] if arguments.reading == Reading::default() => against_daemon(new, arguments)?,
        _ => return Err(Failure::ReadByDaemon("leave out --any-machine, --config-id and --all-config")),
    };
    if arguments.json {
        terminal::print(&(serde_json::to_string_pretty(&planned.document()?)? + "\n"))?;
    } else if planned.refused.is_none() || !planned.plan.is_empty() {
        terminal::print(terminal::harmless(&planned.plan.to_string()))?;
    }
    Ok(match &planned.refused {
        Some(reason) => {
            complain(Stream::Error.palette(), &format!("the reload would be refused: {reason}"));
            exit::FAILURE
        }
        None if planned.plan.is_empty() => exit::SUCCESS,
        None => exit::DIFFERENCES,
    })
}

/// What would become of a reload.
struct Planned {
    refused: Option<String>,
    plan: Plan,
}

impl Planned {
    /// With an error in the file, its model is not what its author means, and what it would change says nothing.
    fn new(refused: Option<String>, plan: Plan) -> Self {
        let is_meaningful = refused.is_none() || plan.is_refused();
        Self { refused, plan: if is_meaningful { plan } else { Plan::default() } }
    }

    fn document(&self) -> Result<Value, Failure> {
        let mut document = serde_json::to_value(&self.plan)?;
        if let Some(members) = document.as_object_mut() {
            members.insert("refused".to_owned(), json!(self.refused));
        }
        Ok(document)
    }
}

/// The daemon reads the file itself: it knows its machine, and what it has in force stays with it.
fn against_daemon(new: &Path, arguments: &PlanArguments) -> Result<Planned, Failure> {
    let failed = |source| Failure::File { path: new.to_owned(), source };
    // The daemon has another working directory.
    let path = std::path::absolute(new).map_err(failed)?;
    let path = path.to_str().ok_or_else(|| failed(std::io::ErrorKind::InvalidFilename.into()))?;
    let mut client = Client::connect(&arguments.daemon.socket())?;
    let progress = Progress::of("waiting for the daemon's plan");
    let report = client.plan(path);
    drop(progress);
    let report = report?;
    for line in &report.diagnostics {
        tell(&terminal::harmless(line));
    }
    Ok(Planned::new(report.refused, report.plan))
}

fn between(old: &Path, new: &Path, reading: &Reading) -> Result<Planned, Failure> {
    let reader = Reader::new(reading, Mode::Run, &[])?;
    let show = |loaded: &Loaded| {
        let colour = Stream::Error.palette() == Palette::Colours;
        tell(&render::text(&loaded.diagnostics, &loaded.sources, colour));
    };
    // A daemon starts with a file that has errors, and is not reloaded with one that has more of them.
    let (old, before) = (reader.read(old), old);
    if old.start_status().is_err() {
        show(&old);
        return Err(Failure::Configuration { path: before.to_owned() });
    }
    let (new, file) = (reader.read(new), new.display());
    if let Some(reason) = KnownErrors::of(&old).reason_to_refuse(&new) {
        show(&new);
        return Ok(Planned::new(Some(format!("{file} {reason}")), Plan::default()));
    }
    let plan = Plan::between(&old.model, &new.model);
    let keywords: Vec<&str> = plan.refused_keywords().collect();
    let refused =
        (!keywords.is_empty()).then(|| format!("it changes {}: restart the daemon", keywords.join(", ")));
    Ok(Planned::new(refused, plan))
}

fn tell(text: &str) {
    use std::io::Write as _;
    // Nothing can be said when the terminal is gone.
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}
