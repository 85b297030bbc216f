//! `steadfast events`: the event stream, one line each.

use steadfast_control::client::Client;
use steadfast_control::event::{Filter, Record, Severity};

use crate::clock::Zone;
use crate::command_line::EventsArguments;
use crate::exit;
use crate::failure::Failure;
use crate::terminal::{self, Paint, Palette, Stream, harmless};

/// Prints the events, and gives the exit status.
pub(crate) fn run(arguments: &EventsArguments) -> Result<u8, Failure> {
    let client = Client::connect(&arguments.daemon.socket())?;
    let palette = Stream::Output.palette();
    let zone = Zone::of(arguments.times.utc);
    let filter = Filter {
        names: arguments.names.clone(),
        severity: arguments.severity,
        since: arguments.since.clone(),
        last: arguments.last,
    };
    for record in client.events(arguments.follow, filter)? {
        let record = record?;
        let mut line =
            if arguments.json { serde_json::to_string(&record)? } else { line(&record, palette, &zone) };
        line.push('\n');
        // Each line at once: whoever follows wants to see it when it happens.
        terminal::print_more(&line)?;
    }
    Ok(exit::SUCCESS)
}

/// One event in one line.
fn line(record: &Record, palette: Palette, zone: &Zone) -> String {
    let (paint, severity) = match record.severity {
        Severity::Error => (Paint::Bad, "error  "),
        Severity::Warning => (Paint::Warn, "warning"),
        Severity::Notice => (Paint::Strong, "notice "),
        Severity::Info => (Paint::Calm, "info   "),
        Severity::Debug => (Paint::Faint, "debug  "),
    };
    let message = harmless(&record.message).replace('\n', " ");
    format!(
        "{} {} {message}",
        palette.paint(Paint::Faint, &zone.show(&record.time)),
        palette.paint(paint, severity)
    )
}

#[cfg(test)]
mod tests {
    use steadfast_control::event::Happening;

    use super::*;

    fn record() -> Record {
        Record {
            sequence: 1,
            time: "2026-01-02T03:04:05.000006Z".to_owned(),
            severity: Severity::Warning,
            message: "Script `chk` timed out; it printed: a\nb\x1b[2J".to_owned(),
            happening: Happening::Stopping,
        }
    }

    #[test]
    fn an_event_is_one_line_whatever_a_script_printed() {
        assert_eq!(
            line(&record(), Palette::Plain, &Zone::of(true)),
            "2026-01-02T03:04:05.000006Z warning Script `chk` timed out; it printed: a b\u{fffd}[2J"
        );
    }

    #[test]
    fn severity_has_its_colour() {
        assert!(line(&record(), Palette::Colours, &Zone::of(true)).contains("\x1b[33mwarning\x1b[0m"));
    }
}
