//! `steadfast status`: the daemon at one moment, for people, for monitoring or as JSON.

mod check;
mod details;
mod every;
mod overview;
mod selection;
mod services;
#[cfg(test)]
pub(crate) mod tests;

use std::io::IsTerminal as _;
use std::time::Duration;

use steadfast_control::status::Status;

pub(crate) use self::selection::{has, keep, names, only};
use crate::ask;
use crate::clock::Zone;
use crate::command_line::StatusArguments;
use crate::exit;
use crate::failure::Failure;
use crate::terminal::{self, Paint, Palette, Stream};

/// Prints the status, and gives the exit status.
pub(crate) fn run(arguments: &StatusArguments) -> Result<u8, Failure> {
    if arguments.check {
        return check::run(arguments);
    }
    let Some(pause) = arguments.watch else {
        let text = told(arguments)?;
        terminal::print(&text)?;
        return Ok(exit::SUCCESS);
    };
    watch(arguments, pause)
}

/// What is asked for, as text.
fn told(arguments: &StatusArguments) -> Result<String, Failure> {
    if arguments.all {
        return every::told(arguments);
    }
    let status = only(ask::whole(&arguments.daemon, &arguments.instances)?, &arguments.instances)?;
    Ok(if arguments.json {
        serde_json::to_string_pretty(&status)? + "\n"
    } else {
        render(&status, &View::of(arguments))
    })
}

/// Draws it anew until interrupted. A daemon that does not answer may come back.
fn watch(arguments: &StatusArguments, pause: Duration) -> Result<u8, Failure> {
    /// To the first column of the first line, and everything below away (ECMA-48).
    const CLEAR: &str = "\x1b[H\x1b[2J";
    let before = if std::io::stdout().is_terminal() { CLEAR } else { "" };
    loop {
        let text = match told(arguments) {
            Ok(text) => text,
            Err(Failure::Client(error)) => {
                Stream::Output.palette().paint(Paint::Bad, &error.to_string()) + "\n"
            }
            Err(failure) => return Err(failure),
        };
        terminal::print_more(format!("{before}{text}"))?;
        std::thread::sleep(pause);
    }
}

/// How to show a status.
#[derive(Debug, Clone)]
struct View {
    palette: Palette,
    /// Columns to fit in; `None` folds nothing.
    width: Option<usize>,
    detail: Detail,
    /// For the times.
    zone: Zone,
}

impl View {
    fn of(arguments: &StatusArguments) -> Self {
        Self {
            palette: Stream::Output.palette(),
            width: terminal::width(),
            detail: match (!arguments.instances.is_empty(), arguments.verbose) {
                (true, _) => Detail::InstancesOnly,
                (false, true) => Detail::Everything,
                (false, false) => Detail::Overview,
            },
            zone: Zone::of(arguments.times.utc),
        }
    }
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
fn render(status: &Status, view: &View) -> String {
    let mut text = String::new();
    if view.detail != Detail::InstancesOnly {
        overview::header(&mut text, status, view);
    }
    if view.detail == Detail::Overview {
        overview::instances(&mut text, status, view);
        services::overview(&mut text, status, view);
    } else {
        for instance in &status.instances {
            if !text.is_empty() {
                text.push('\n');
            }
            details::instance(&mut text, instance, view);
        }
        for service in &status.services {
            if !text.is_empty() {
                text.push('\n');
            }
            services::details(&mut text, service, view);
        }
    }
    if view.detail != Detail::InstancesOnly {
        overview::groups(&mut text, status, view);
        overview::scripts(&mut text, status, view);
        overview::sessions(&mut text, status, view);
    }
    text
}
