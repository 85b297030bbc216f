//! Lengths of time as people say them: a number, a blank, and one of `µs`, `ms`, `s`, `min`, `h`, `d`. What has passed is
//! cut, never rounded up: nothing is said to be over before it is.

use std::time::Duration;

/// Two units at most: `340 ms`, `4.2 s`, `12 s`, `3 min 4 s`, `5 h 12 min`, `3 d 4 h`.
pub fn milliseconds(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600, seconds / 60);
    match (days, hours, minutes, seconds) {
        (1.., ..) => format!("{days} d {} h", hours % 24),
        (0, 1.., ..) => format!("{hours} h {} min", minutes % 60),
        (0, 0, 1.., _) => format!("{minutes} min {} s", seconds % 60),
        (0, 0, 0, 10..) => format!("{seconds} s"),
        (0, 0, 0, 1..) => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        _ => format!("{milliseconds} ms"),
    }
}

/// An interval, exactly: `1 s`, `0.25 s` and `3.609375 s` lose nothing a milliseconds figure has.
pub fn exact_milliseconds(milliseconds: u64) -> String {
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    match (seconds, rest) {
        (1.., 0) => format!("{seconds} s"),
        (0, _) => format!("{rest} ms"),
        _ => format!("{seconds}.{} s", format!("{rest:03}").trim_end_matches('0')),
    }
}

/// Likewise.
pub fn exact(interval: Duration) -> String {
    exact_milliseconds(u64::try_from(interval.as_millis()).unwrap_or(u64::MAX))
}

/// How late something was.
pub fn microseconds(microseconds: u64) -> String {
    if microseconds < 1000 {
        format!("{microseconds} µs")
    } else if microseconds < 1_000_000 {
        format!("{}.{} ms", microseconds / 1000, microseconds % 1000 / 100)
    } else {
        self::milliseconds(microseconds / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_two_units_at_most() {
        let texts = [0, 999, 1000, 4_290, 12_900, 184_000, 18_720_000, 273_600_000].map(milliseconds);
        assert_eq!(texts, ["0 ms", "999 ms", "1.0 s", "4.2 s", "12 s", "3 min 4 s", "5 h 12 min", "3 d 4 h"]);
    }

    #[test]
    fn intervals_are_exact() {
        let texts = [10, 250, 1000, 1250, 3609, 40_950].map(exact_milliseconds);
        assert_eq!(texts, ["10 ms", "250 ms", "1 s", "1.25 s", "3.609 s", "40.95 s"]);
    }

    #[test]
    fn lateness_is_in_a_fitting_unit() {
        assert_eq!([0, 999, 1500, 2_500_000].map(microseconds), ["0 µs", "999 µs", "1.5 ms", "2.5 s"]);
    }
}
