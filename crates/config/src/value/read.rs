//! Reading single words. Every bound and leniency of keepalived is here and nowhere else.

use std::net::IpAddr;

use super::Interval;

/// Unit of a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds, six decimal places.
    Seconds,
    /// Whole seconds only.
    WholeSeconds,
    /// Milliseconds, three decimal places.
    Milliseconds,
}

/// What is wrong with a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Not a number, or a number with something behind it.
    NotANumber,
    /// A number outside of the bounds.
    OutOfRange,
    /// More decimal places than the keyword takes.
    TooPrecise,
    /// None of the words that mean true or false.
    NotABoolean,
    /// Not an address, or of the wrong kind.
    NotAnAddress,
    /// Too long for a name of the kernel.
    TooLong,
    /// None of the words that the keyword knows.
    NotAChoice,
}

/// A word that cannot be taken as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake<T> {
    /// What is wrong.
    pub problem: Problem,
    /// What belongs there.
    pub expected: String,
    /// What keepalived takes it for when it runs; in test mode it takes nothing.
    pub salvage: Option<T>,
}

impl<T> Mistake<T> {
    fn new(problem: Problem, expected: impl Into<String>) -> Self {
        Self { problem, expected: expected.into(), salvage: None }
    }

    /// The same mistake where another type was wanted.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Mistake<U> {
        Mistake { problem: self.problem, expected: self.expected, salvage: self.salvage.map(convert) }
    }
}

/// A whole number from `min` to `max`.
pub(crate) fn unsigned(word: &str, min: u64, max: u64) -> Result<u64, Mistake<u64>> {
    let expected = || format!("a whole number from {min} to {max}");
    let digits = word.strip_prefix('+').unwrap_or(word);
    if let Some(number) = all_digits(digits) {
        return match number.filter(|number| (min..=max).contains(number)) {
            Some(number) => Ok(number),
            None => Err(Mistake::new(Problem::OutOfRange, expected())),
        };
    }
    if word.starts_with('-') && all_digits(word.get(1..).unwrap_or_default()).is_some() {
        return Err(Mistake::new(Problem::OutOfRange, expected()));
    }
    let salvage = leading_digits(digits).filter(|number| (min..=max).contains(number));
    Err(Mistake { salvage, ..Mistake::new(Problem::NotANumber, expected()) })
}

/// A number as C writes it: behind 0x in hexadecimal, behind 0 in octal, behind a plus sign or none.
pub(crate) fn c_number(word: &str) -> Option<u32> {
    let word = word.strip_prefix('+').unwrap_or(word);
    let (digits, radix) = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if word.len() > 1 && word.starts_with('0') => (word, 8),
        None => (word, 10),
    };
    // A sign is no digit.
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, radix).ok().filter(|_| is_number)
}

/// A whole number of either sign.
pub(crate) fn integer(word: &str, min: i64, max: i64) -> Result<i64, Mistake<i64>> {
    let expected = || format!("a whole number from {min} to {max}");
    let (negative, digits) = match word.as_bytes().first() {
        Some(b'-') => (true, word.get(1..).unwrap_or_default()),
        Some(b'+') => (false, word.get(1..).unwrap_or_default()),
        _ => (false, word),
    };
    let signed = |number: u64| {
        let number = i64::try_from(number).ok()?;
        let number = if negative { number.checked_neg()? } else { number };
        (min..=max).contains(&number).then_some(number)
    };
    match all_digits(digits) {
        Some(number) => number.and_then(signed).ok_or_else(|| Mistake::new(Problem::OutOfRange, expected())),
        None => {
            let salvage = leading_digits(digits).and_then(signed);
            Err(Mistake { salvage, ..Mistake::new(Problem::NotANumber, expected()) })
        }
    }
}

/// A length of time; the bounds are in microseconds.
pub(crate) fn time(word: &str, min: u64, max: u64, unit: Unit) -> Result<Interval, Mistake<Interval>> {
    let (scale, places, name) = match unit {
        Unit::Seconds => (1_000_000, 6, "seconds"),
        Unit::WholeSeconds => (1_000_000, 0, "whole seconds"),
        Unit::Milliseconds => (1_000, 3, "milliseconds"),
    };
    let expected = || {
        let bound = |micros: u64| Interval::from_micros(micros.saturating_mul(1_000_000 / scale));
        format!("{name} from {} to {}", bound(min), bound(max))
    };
    let in_range = |micros: &u64| (min..=max).contains(micros);
    let number = word.strip_prefix('+').unwrap_or(word);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole_number =
        if whole.is_empty() && !fraction.is_empty() { Some(Some(0)) } else { all_digits(whole) };
    let fraction_is_number = fraction.bytes().all(|byte| byte.is_ascii_digit());
    let negative = word.starts_with('-') && word.len() > 1;
    let (Some(whole_number), true) = (whole_number, fraction_is_number) else {
        let problem = if negative { Problem::OutOfRange } else { Problem::NotANumber };
        let salvage = leading_digits(number)
            .map(|number| number.saturating_mul(scale))
            .filter(in_range)
            .map(Interval::from_micros);
        return Err(Mistake { salvage, ..Mistake::new(problem, expected()) });
    };
    let scaled = whole_number.and_then(|number| number.checked_mul(scale));
    let micros = scaled.and_then(|scaled| scaled.checked_add(scale_fraction(fraction, scale)));
    let Some(micros) = micros.filter(in_range) else {
        return Err(Mistake::new(Problem::OutOfRange, expected()));
    };
    let interval = Interval::from_micros(micros);
    let written = fraction.trim_end_matches('0').len();
    if written > places || (places == 0 && word.contains('.')) {
        let expected = format!("{} with at most {places} decimal places", expected());
        return Err(Mistake { salvage: Some(interval), ..Mistake::new(Problem::TooPrecise, expected) });
    }
    Ok(interval)
}

/// The fraction in units of `1 / scale`, rounded half up.
fn scale_fraction(digits: &str, scale: u64) -> u64 {
    let mut value = 0;
    let mut unit = scale;
    for digit in digits.bytes() {
        if unit < 10 {
            return value + u64::from(digit >= b'5');
        }
        unit /= 10;
        value += u64::from(digit.saturating_sub(b'0')) * unit;
    }
    value
}

/// `true`, `on`, `yes`, `false`, `off` or `no`, lower case.
pub(crate) fn boolean(word: &str) -> Result<bool, Mistake<bool>> {
    match word {
        "true" | "on" | "yes" => Ok(true),
        "false" | "off" | "no" => Ok(false),
        _ => Err(Mistake::new(Problem::NotABoolean, "true, on, yes, false, off or no, in lower case")),
    }
}

/// Position of the word among those allowed.
pub(crate) fn choice(word: &str, words: &[&str]) -> Result<usize, Mistake<usize>> {
    words
        .iter()
        .position(|candidate| *candidate == word)
        .ok_or_else(|| Mistake::new(Problem::NotAChoice, format!("one of {}", words.join(", "))))
}

/// An address of either family. A slash and what stands behind it are passed over, as keepalived does.
pub(crate) fn address(word: &str) -> Result<IpAddr, Mistake<IpAddr>> {
    host_address(without_prefix(word))
}

fn without_prefix(word: &str) -> &str {
    word.split_once('/').map_or(word, |(address, _)| address)
}

/// An address of either family and nothing else.
pub(crate) fn host_address(word: &str) -> Result<IpAddr, Mistake<IpAddr>> {
    word.parse().map_err(|_| Mistake::new(Problem::NotAnAddress, "an IPv4 or IPv6 address"))
}

/// An address and the prefix length behind it, if there is one.
pub(crate) type Prefix = (IpAddr, Option<u8>);

/// An address with an optional prefix length.
pub(crate) fn address_and_prefix(word: &str) -> Result<Prefix, Mistake<Prefix>> {
    let expected = "an IPv4 or IPv6 address, with a prefix length up to 32 or 128 behind a slash or without";
    let mistake = || Mistake::new(Problem::NotAnAddress, expected);
    let Some((address, length)) = word.split_once('/') else {
        return word.parse().map(|address| (address, None)).map_err(|_| mistake());
    };
    let address: IpAddr = address.parse().map_err(|_| mistake())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    match unsigned(length, 0, longest).map(u8::try_from) {
        Ok(Ok(length)) => Ok((address, Some(length))),
        _ => Err(mistake()),
    }
}

/// A multicast address of one family.
pub(crate) fn multicast(word: &str, v4: bool) -> Result<IpAddr, Mistake<IpAddr>> {
    let family = if v4 { "IPv4" } else { "IPv6" };
    match without_prefix(word).parse::<IpAddr>() {
        Ok(address) if address.is_ipv4() == v4 && address.is_multicast() => Ok(address),
        _ => Err(Mistake::new(Problem::NotAnAddress, format!("an {family} multicast address"))),
    }
}

/// A name that an interface can have: 1 to 15 bytes (IFNAMSIZ of the kernel).
pub(crate) fn interface(word: &str) -> Result<&str, Mistake<&str>> {
    if (1..=15).contains(&word.len()) {
        Ok(word)
    } else {
        Err(Mistake::new(Problem::TooLong, "an interface name of 1 to 15 characters"))
    }
}

/// `None`: not digits only. `Some(None)`: digits that no `u64` holds.
fn all_digits(word: &str) -> Option<Option<u64>> {
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| word.parse().ok())
}

fn leading_digits(word: &str) -> Option<u64> {
    let end = word.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(word.len());
    word.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bounds_and_a_lenient_reading() {
        assert_eq!(unsigned("255", 1, 255), Ok(255));
        assert_eq!(unsigned("+7", 1, 255), Ok(7));
        assert_eq!(unsigned("256", 1, 255).unwrap_err().problem, Problem::OutOfRange);
        assert_eq!(unsigned("-1", 0, 255).unwrap_err().problem, Problem::OutOfRange);
        assert_eq!(unsigned("99999999999999999999", 0, 255).unwrap_err().problem, Problem::OutOfRange);
        let mistake = unsigned("12abc", 1, 255).unwrap_err();
        assert_eq!((mistake.problem, mistake.salvage), (Problem::NotANumber, Some(12)));
        assert_eq!(unsigned("abc", 1, 255).unwrap_err().salvage, None);
        assert_eq!(unsigned("", 1, 255).unwrap_err().salvage, None);
        assert_eq!(integer("-254", -254, 254), Ok(-254));
        assert_eq!(integer("-255", -254, 254).unwrap_err().problem, Problem::OutOfRange);
        assert_eq!(integer("-9x", -254, 254).unwrap_err().salvage, Some(-9));
    }

    #[test]
    fn times_have_places() {
        let read = |word| time(word, 10_000, 255_000_000, Unit::Seconds);
        assert_eq!(read("1"), Ok(Interval::from_secs(1)));
        assert_eq!(read("0.01"), Ok(Interval::from_millis(10)));
        assert_eq!(read(".5"), Ok(Interval::from_millis(500)));
        assert_eq!(read("1.0000000"), Ok(Interval::from_secs(1)));
        assert_eq!(read("0.009").unwrap_err().problem, Problem::OutOfRange);
        assert_eq!(read("256").unwrap_err().problem, Problem::OutOfRange);
        let mistake = read("1.0000005").unwrap_err();
        assert_eq!(mistake.problem, Problem::TooPrecise);
        assert_eq!(mistake.salvage, Some(Interval::from_micros(1_000_001)));
        assert_eq!(read("1s").unwrap_err().salvage, Some(Interval::from_secs(1)));
        assert_eq!(read("-1").unwrap_err().problem, Problem::OutOfRange);
        assert_eq!(time("1.5", 1, u64::MAX, Unit::Milliseconds), Ok(Interval::from_micros(1_500)));
        assert!(time("1.5", 1, u64::MAX, Unit::WholeSeconds).is_err());
    }

    #[test]
    fn booleans_are_lower_case() {
        assert_eq!(boolean("on"), Ok(true));
        assert_eq!(boolean("no"), Ok(false));
        assert!(boolean("True").is_err());
        assert!(boolean("1").is_err());
    }

    #[test]
    fn addresses_and_prefixes() {
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(address_and_prefix("192.0.2.1/24"), Ok((v4, Some(24))));
        assert_eq!(address_and_prefix("192.0.2.1"), Ok((v4, None)));
        for bad in ["192.0.2.1/33", "192.0.2/24", "192.0.2.1/", "::1/129", "192.0.2.1/-1", "x"] {
            assert!(address_and_prefix(bad).is_err(), "{bad}");
        }
        assert!(multicast("224.0.0.18", true).is_ok());
        assert!(multicast("192.0.2.1", true).is_err());
        assert!(multicast("ff02::12", true).is_err());
        assert!(interface("a-name-of-sixteen").is_err());
        assert!(interface("").is_err());
    }
}
