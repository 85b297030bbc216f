//! `--signum`: which signal asks a daemon for what, for scripts that must not know numbers.

use steadfast_kernel::process::signal::Signal;

/// What a daemon can be asked for by a signal, in keepalived's names.
pub(crate) const NAMES: [&str; 6] = ["STOP", "RELOAD", "DATA", "STATS", "STATS_CLEAR", "JSON"];

/// The signal that keepalived names so.
pub(crate) fn signal(name: &str) -> Option<Signal> {
    match name {
        "STOP" => Some(Signal::TERMINATE),
        "RELOAD" => Some(Signal::HANGUP),
        "DATA" => Some(Signal::USER_1),
        "STATS" => Some(Signal::USER_2),
        "STATS_CLEAR" => Signal::realtime_max_minus(1),
        "JSON" => Signal::realtime_min_plus(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_keepalived_prints() {
        let numbers: Vec<i32> = NAMES.iter().map(|name| signal(name).unwrap().number()).collect();
        assert_eq!(numbers, [15, 1, 10, 12, 63, 36]);
        assert_eq!(signal("TDUMP"), None);
        assert_eq!(signal("stop"), None);
    }
}
