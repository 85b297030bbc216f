//! `steadfast status`: the daemon at one moment, for people or as JSON.

mod details;
mod duration;
mod overview;
#[cfg(test)]
mod tests;

use steadfast_control::client::Client;
use steadfast_control::status::Status;

use crate::command_line::StatusArguments;
use crate::exit;
use crate::failure::Failure;
use crate::terminal::{self, Palette, Stream};

/// Prints the status, and gives the exit status.
pub(crate) fn run(arguments: &StatusArguments) -> Result<u8, Failure> {
    let status = Client::connect(&arguments.daemon.socket())?.status()?;
    let named = !arguments.instances.is_empty();
    let status = only(status, &arguments.instances)?;
    let text = if arguments.json {
        serde_json::to_string_pretty(&status)? + "\n"
    } else {
        let view = View {
            palette: Stream::Output.palette(),
            width: terminal::width(),
            detail: match (named, arguments.verbose) {
                (true, _) => Detail::InstancesOnly,
                (false, true) => Detail::Everything,
                (false, false) => Detail::Overview,
            },
        };
        render(&status, view)
    };
    terminal::print(&text)?;
    Ok(exit::SUCCESS)
}

/// How to show a status.
#[derive(Debug, Clone, Copy)]
struct View {
    palette: Palette,
    /// Columns to fit in; `None` folds nothing.
    width: Option<usize>,
    detail: Detail,
}

/// How much to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// The daemon, and a line for each instance.
    Overview,
    /// The daemon, and each instance in full.
    Everything,
    /// Each instance in full.
    InstancesOnly,
}

/// The status as text. Nothing is cut, whatever the width: what does not fit is folded.
fn render(status: &Status, view: View) -> String {
    let mut text = String::new();
    if view.detail != Detail::InstancesOnly {
        overview::header(&mut text, status, view);
    }
    if view.detail == Detail::Overview {
        overview::instances(&mut text, status, view);
    } else {
        for instance in &status.instances {
            if !text.is_empty() {
                text.push('\n');
            }
            details::instance(&mut text, instance, view);
        }
    }
    if view.detail != Detail::InstancesOnly {
        overview::groups(&mut text, status, view);
        overview::scripts(&mut text, status, view);
    }
    text
}

/// The status with these instances only, in the order of the configuration; with all if none is named.
fn only(mut status: Status, names: &[String]) -> Result<Status, Failure> {
    for name in names {
        if !status.instances.iter().any(|instance| *instance.name == **name) {
            return Err(Failure::NoInstance {
                name: name.clone(),
                names: status.instances.iter().map(|instance| instance.name.to_string()).collect(),
            });
        }
    }
    if !names.is_empty() {
        status.instances.retain(|instance| names.iter().any(|name| *instance.name == **name));
    }
    Ok(status)
}
