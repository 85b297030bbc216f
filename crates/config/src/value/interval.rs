//! Lengths of time.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time in whole microseconds, the finest that the language can write.
///
/// JSON carries it as seconds, compact formats as microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    microseconds: u64,
}

impl Interval {
    /// No time at all.
    pub const ZERO: Self = Self::from_micros(0);

    /// From microseconds.
    pub const fn from_micros(microseconds: u64) -> Self {
        Self { microseconds }
    }

    /// From milliseconds; saturates.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self::from_micros(milliseconds.saturating_mul(1_000))
    }

    /// From whole seconds; saturates.
    pub const fn from_secs(seconds: u64) -> Self {
        Self::from_micros(seconds.saturating_mul(1_000_000))
    }

    /// In microseconds.
    pub const fn as_micros(self) -> u64 {
        self.microseconds
    }

    /// Whether it is no time at all.
    pub const fn is_zero(self) -> bool {
        self.microseconds == 0
    }

    /// As the standard library has it.
    pub const fn duration(self) -> Duration {
        Duration::from_micros(self.microseconds)
    }

    /// Rounded half up to a multiple of `unit`, which must not be zero.
    pub const fn rounded_to(self, unit: Self) -> Self {
        match self.microseconds.saturating_add(unit.microseconds / 2).checked_div(unit.microseconds) {
            Some(count) => Self::from_micros(count.saturating_mul(unit.microseconds)),
            None => self,
        }
    }
}

impl From<Interval> for Duration {
    fn from(interval: Interval) -> Self {
        interval.duration()
    }
}

/// Decimal seconds without trailing zeros, as the language writes them.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, fraction) = (self.microseconds / 1_000_000, self.microseconds % 1_000_000);
        if fraction == 0 {
            return write!(f, "{seconds}");
        }
        let digits = format!("{fraction:06}");
        write!(f, "{seconds}.{}", digits.trim_end_matches('0'))
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            if self.microseconds.is_multiple_of(1_000_000) {
                return serializer.serialize_u64(self.microseconds / 1_000_000);
            }
            serializer.serialize_f64(self.duration().as_secs_f64())
        } else {
            serializer.serialize_u64(self.microseconds)
        }
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return u64::deserialize(deserializer).map(Self::from_micros);
        }
        let seconds = f64::deserialize(deserializer)?;
        let duration = Duration::try_from_secs_f64(seconds).map_err(de::Error::custom)?;
        // A binary fraction lies a hair beside the decimal one it was written as.
        let nanoseconds = duration.as_nanos().saturating_add(500);
        u64::try_from(nanoseconds / 1_000).map(Self::from_micros).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_prints_without_trailing_zeros() {
        assert_eq!(Interval::from_micros(1_500_000).to_string(), "1.5");
        assert_eq!(Interval::from_secs(3).to_string(), "3");
        assert_eq!(Interval::from_micros(1).to_string(), "0.000001");
    }

    #[test]
    fn an_interval_survives_json() {
        for micros in [0, 1, 10_000, 333_333, 1_000_000, 4_294_967_295_000_001] {
            let interval = Interval::from_micros(micros);
            let json = serde_json::to_string(&interval).unwrap();
            let back: Interval = serde_json::from_str(&json).unwrap();
            assert_eq!(back, interval, "{json}");
        }
    }

    #[test]
    fn rounding_is_half_up() {
        let second = Interval::from_secs(1);
        assert_eq!(Interval::from_millis(1_499).rounded_to(second), second);
        assert_eq!(Interval::from_millis(1_500).rounded_to(second), Interval::from_secs(2));
    }
}
