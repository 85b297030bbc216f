//! Every daemon of the machine, one after the other.

use std::fmt::Write as _;

use steadfast_control::daemons::Daemon;

use super::{View, render};
use crate::ask::{self, Answer};
use crate::command_line::StatusArguments;
use crate::failure::Failure;
use crate::terminal::{Paint, harmless};

pub(super) fn told(arguments: &StatusArguments) -> Result<String, Failure> {
    let found = ask::every(&arguments.instances)?;
    if arguments.json {
        return json(found);
    }
    let view = View::of(arguments);
    let mut text = String::new();
    for (daemon, answer) in found {
        if !text.is_empty() {
            text.push('\n');
        }
        heading(&mut text, &daemon, &view);
        text.push_str(&match answer {
            Ok(status) => render(&status, &view),
            Err(error) => view.palette.paint(Paint::Bad, &error.to_string()) + "\n",
        });
    }
    Ok(text)
}

/// Which daemon, and how to ask it alone.
fn heading(text: &mut String, daemon: &Daemon, view: &View) {
    let space = daemon.namespace.as_ref().map_or_else(String::new, |name| format!(" in namespace {name}"));
    let line =
        harmless(&format!("== {}{space}: steadfast status{}", daemon.socket.display(), daemon.options()));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", view.palette.paint(Paint::Strong, &line));
}

fn json(found: Vec<(Daemon, Answer)>) -> Result<String, Failure> {
    let mut told = Vec::new();
    for (daemon, answer) in found {
        let (status, error) = match answer {
            Ok(status) => (Some(status), None),
            Err(error) => (None, Some(error.to_string())),
        };
        told.push(serde_json::json!({
            "control_socket": daemon.reachable,
            "namespace": daemon.namespace,
            "status": status,
            "error": error,
        }));
    }
    Ok(serde_json::to_string_pretty(&told)? + "\n")
}
