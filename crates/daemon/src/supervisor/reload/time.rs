//! The time a `reload_time_file` holds.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// Two-digit years are of this century.
const CENTURY: i16 = 2_000;

/// A time of day, every day or on one date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReloadTime {
    date: Option<Date>,
    time: Time,
    utc: bool,
}

/// What is wrong with the file's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a time as HH:MM:SS, YY-MM-DD HH:MM:SS or YYYY-MM-DD HH:MM:SS, with Z behind it for UTC, found \
     '{found}'"
)]
pub(crate) struct NoTime {
    found: String,
}

impl ReloadTime {
    /// Reads what a file holds: its first line counts. An empty file has no time: whoever writes it has just begun.
    ///
    /// # Errors
    /// Those of [`Self::parse`].
    pub(crate) fn of_file(contents: &str) -> Result<Option<Self>, NoTime> {
        if contents.is_empty() {
            return Ok(None);
        }
        Self::parse(contents.lines().next().unwrap_or_default()).map(Some)
    }

    /// Reads a time; blanks around it do not count.
    ///
    /// # Errors
    /// When it has none of the three forms, or no such date or time exists.
    pub(crate) fn parse(text: &str) -> Result<Self, NoTime> {
        let text = text.trim();
        Self::understand(text).ok_or_else(|| NoTime { found: text.escape_debug().to_string() })
    }

    fn understand(text: &str) -> Option<Self> {
        let (text, utc) = match text.strip_suffix('Z') {
            Some(text) => (text.trim_end(), true),
            None => (text, false),
        };
        let mut words = text.split_ascii_whitespace().rev();
        let time = time(words.next()?)?;
        let date = match words.next() {
            Some(word) => Some(date(word)?),
            None => None,
        };
        words.next().is_none().then_some(Self { date, time, utc })
    }

    /// Whether it means one day only.
    pub(crate) fn is_of_one_day(self) -> bool {
        self.date.is_some()
    }

    /// When it comes next after `now`: a time of day that is past today comes tomorrow, a past date
    /// never. `local` is the zone of times without Z.
    pub(crate) fn next(self, now: Timestamp, local: &TimeZone) -> Option<Timestamp> {
        let zone = if self.utc { &TimeZone::UTC } else { local };
        // A time that a clock change skips or repeats is taken as jiff resolves it, which is what
        // calendars do (RFC 5545 section 3.3.5).
        let at = |date: Date| zone.to_timestamp(DateTime::from_parts(date, self.time)).ok();
        if let Some(date) = self.date {
            return at(date).filter(|at| *at > now);
        }
        let today = now.to_zoned(zone.clone()).date();
        let tomorrow = today.checked_add(1.day()).ok()?;
        [today, tomorrow].into_iter().filter_map(at).find(|at| *at > now)
    }
}

fn time(word: &str) -> Option<Time> {
    let [hour, minute, second] = parts(word, ':')?;
    Time::new(two_digits(hour)?, two_digits(minute)?, two_digits(second)?, 0).ok()
}

fn date(word: &str) -> Option<Date> {
    let [year, month, day] = parts(word, '-')?;
    let year = match year.len() {
        4 if digits(year) => year.parse().ok()?,
        _ => CENTURY + i16::from(two_digits(year)?),
    };
    Date::new(year, two_digits(month)?, two_digits(day)?).ok()
}

fn parts(word: &str, separator: char) -> Option<[&str; 3]> {
    let mut parts = word.split(separator);
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

fn two_digits(text: &str) -> Option<i8> {
    (text.len() == 2 && digits(text)).then(|| text.parse().ok()).flatten()
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A quarter of an hour into 1 March 2026 in UTC, 16:15 of the day before in the zone.
    const NOW: &str = "2026-03-01T00:15:00Z";

    fn pacific() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(-8))
    }

    fn next(text: &str) -> Option<String> {
        let now: Timestamp = NOW.parse().unwrap();
        Some(ReloadTime::parse(text).unwrap().next(now, &pacific())?.to_string())
    }

    #[test]
    fn a_time_of_day_is_today_or_tomorrow_in_its_own_zone() {
        assert_eq!(next("16:15:01").as_deref(), Some("2026-03-01T00:15:01Z"));
        assert_eq!(next("16:15:00").as_deref(), Some("2026-03-02T00:15:00Z"));
        assert_eq!(next("00:15:01Z").as_deref(), Some("2026-03-01T00:15:01Z"));
        assert_eq!(next(" 00:14:59 Z\n").as_deref(), Some("2026-03-02T00:14:59Z"));
    }

    #[test]
    fn a_date_comes_once() {
        assert_eq!(next("2026-03-01 00:00:00").as_deref(), Some("2026-03-01T08:00:00Z"));
        assert_eq!(next("26-03-01 00:00:00").as_deref(), Some("2026-03-01T08:00:00Z"));
        assert_eq!(next("2026-03-01 00:15:00Z"), None);
        assert_eq!(next("25-12-31 23:59:59"), None);
        assert!(ReloadTime::parse("26-03-01 00:00:00").unwrap().is_of_one_day());
        assert!(!ReloadTime::parse("00:00:00").unwrap().is_of_one_day());
    }

    #[test]
    fn the_first_line_of_a_file_counts() {
        let time = ReloadTime::parse("12:00:00").unwrap();
        assert_eq!(ReloadTime::of_file("12:00:00\nfor the new rack\n"), Ok(Some(time)));
        assert_eq!(ReloadTime::of_file("12:00:00"), Ok(Some(time)));
        assert_eq!(ReloadTime::of_file(""), Ok(None));
        assert!(ReloadTime::of_file("\n12:00:00\n").is_err());
    }

    #[test]
    fn everything_else_is_refused_and_shown() {
        for wrong in [
            "",
            "now",
            "24:00:00",
            "12:60:00",
            "12:00:60",
            "12:00",
            "1:00:00",
            "12:00:00:00",
            "12:00:00 Y",
            "2026-02-29 12:00:00",
            "26-13-01 12:00:00",
            "026-01-01 12:00:00",
            "2026-01-01",
            "+1:00:00",
            "2026-01-01T12:00:00",
            "2026-01-01 2026-01-01 12:00:00",
            "12:00:00 2026-01-01",
            "-1:00:00",
            "١٢:00:00",
        ] {
            let refused = ReloadTime::parse(wrong).unwrap_err();
            assert!(refused.to_string().ends_with(&format!("found '{wrong}'")), "{refused}");
        }
        assert!(ReloadTime::parse("\u{1b}[2J").unwrap_err().to_string().contains("\\u{1b}"));
    }

    #[test]
    fn a_day_on_which_the_clock_changes_has_the_time_too() {
        // Central European rule as POSIX writes it: at 02:00 on 29 March 2026 it is 03:00.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let now: Timestamp = "2026-03-28T23:30:00Z".parse().unwrap();
        let next = |text: &str| ReloadTime::parse(text).unwrap().next(now, &zone).unwrap().to_string();
        assert_eq!(next("02:30:00"), "2026-03-29T01:30:00Z");
        assert_eq!(next("04:00:00"), "2026-03-29T02:00:00Z");
    }
}
