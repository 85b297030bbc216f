//! Times as people read and type them.

use jiff::civil;
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp, Zoned};

/// In which zone times are shown.
#[derive(Debug, Clone)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// As the options have it.
    pub(crate) fn of(utc: bool) -> Self {
        Self(if utc { TimeZone::UTC } else { TimeZone::system() })
    }

    /// A time of the daemon, which tells RFC 3339 in UTC, with the digits that it has. What is no time stays as it is.
    pub(crate) fn show(&self, time: &str) -> String {
        let Ok(moment) = time.parse::<Timestamp>() else { return time.to_owned() };
        let local = moment.to_zoned(self.0.clone());
        let digits = time.split_once('.').map_or(0, |(_, rest)| rest.trim_end_matches('Z').len());
        let format = match digits {
            0 => "%Y-%m-%dT%H:%M:%S",
            _ => "%Y-%m-%dT%H:%M:%S.%6f",
        };
        let offset =
            if local.offset() == Offset::UTC { "Z".to_owned() } else { local.strftime("%:z").to_string() };
        format!("{}{offset}", local.strftime(format))
    }

    /// Likewise without fractions of a second.
    pub(crate) fn show_seconds(&self, time: &str) -> String {
        self.show(
            &time.parse::<Timestamp>().map_or_else(|_| time.to_owned(), |moment| format!("{moment:.0}")),
        )
    }
}

/// `--since`: a length of time before now, or a time; as the daemon writes times.
pub(crate) fn since(text: &str) -> Result<String, String> {
    since_at(text, &Zoned::now())
}

fn since_at(text: &str, now: &Zoned) -> Result<String, String> {
    let zone = now.time_zone();
    let spoken = || text.parse::<Span>().ok().and_then(|span| now.checked_sub(span.abs()).ok());
    let zoned = || text.parse::<Timestamp>().ok().map(|moment| moment.to_zoned(TimeZone::UTC));
    let dated = || text.parse::<civil::DateTime>().ok().and_then(|time| time.to_zoned(zone.clone()).ok());
    let today = || {
        text.parse::<civil::Time>()
            .ok()
            .and_then(|time| now.date().to_datetime(time).to_zoned(zone.clone()).ok())
    };
    let time = spoken().or_else(zoned).or_else(dated).or_else(today).ok_or_else(|| {
        "expected a length of time as 10m, 2h or 1d, or a time as 03:00, \"2026-01-31 03:00\" or 2026-01-31T03:00:00Z"
            .to_owned()
    })?;
    Ok(format!("{:.6}", time.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn east() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(8))
    }

    #[test]
    fn times_are_shown_in_the_zone_with_the_digits_they_have() {
        let time = "2026-01-02T20:04:05.000006Z";
        assert_eq!(Zone::of(true).show(time), time);
        assert_eq!(Zone(east()).show(time), "2026-01-03T04:04:05.000006+08:00");
        assert_eq!(Zone(east()).show_seconds(time), "2026-01-03T04:04:05+08:00");
        assert_eq!(Zone(east()).show("2026-01-02T20:04:05Z"), "2026-01-03T04:04:05+08:00");
        assert_eq!(Zone::of(true).show("soon"), "soon");
    }

    #[test]
    fn since_is_a_length_or_a_time() {
        let now = "2026-01-02T20:00:00Z".parse::<Timestamp>().unwrap().to_zoned(east());
        for (text, expected) in [
            ("10m", "2026-01-02T19:50:00.000000Z"),
            ("1h 30m", "2026-01-02T18:30:00.000000Z"),
            ("1d", "2026-01-01T20:00:00.000000Z"),
            ("03:00", "2026-01-02T19:00:00.000000Z"),
            ("2026-01-02 03:00", "2026-01-01T19:00:00.000000Z"),
            ("2026-01-02T03:00:00Z", "2026-01-02T03:00:00.000000Z"),
        ] {
            assert_eq!(since_at(text, &now).as_deref(), Ok(expected), "{text}");
        }
        assert!(since_at("yesterday", &now).unwrap_err().contains("10m"));
    }
}
