//! `steadfast lab`: failovers on namespaces, measured.

use std::time::Duration;

use steadfast_lab::demo;

use crate::command_line::LabArguments;
use crate::exit;
use crate::failure::Failure;

/// Runs the demonstration; the exit status tells whether every outage stayed below its limit.
pub(crate) fn run(arguments: &LabArguments) -> Result<u8, Failure> {
    let options = demo::Options {
        scenarios: arguments.scenarios.clone(),
        advert_interval: arguments.advert_interval,
        json: arguments.json,
        keep: arguments.keep,
        program: None,
    };
    let report = demo::run(&options).map_err(|error| Failure::Lab(format!("{error:#}")))?;
    Ok(if report.held { exit::SUCCESS } else { exit::FAILURE })
}

/// Reads an interval: seconds as `advert_int` has them (`0.1`), or with a unit (`100ms`, `1s`).
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let (number, milliseconds) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, true),
        (None, Some(number)) => (number, false),
        (None, None) => (text, false),
    };
    let refused =
        || format!("expected seconds, as 0.1 or 1, or a number with its unit, as 100ms; found '{text}'");
    if milliseconds {
        return number.parse().map(Duration::from_millis).map_err(|_| refused());
    }
    let seconds: f64 = number.parse().map_err(|_| refused())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_seconds_or_have_a_unit() {
        let texts = ["0.1", "1", "10ms", "2s", "0.01"].map(|text| interval(text).unwrap().as_millis());
        assert_eq!(texts, [100, 1000, 10, 2000, 10]);
        for wrong in ["", "x", "-1", "1m", "ms", "NaN", "1e400"] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
    }
}
