//! Patterns that a page must match (PCRE2), with a bound on the work.

use pcre2::bytes::{Regex, RegexBuilder};

/// Steps that one attempt to match may take; a pattern that would go on for ever fails instead.
pub const MATCH_STEPS_MAX: u32 = 1_000_000;

/// Memory that one attempt may take, in KiB.
pub const MATCH_MEMORY_MAX_KIB: u32 = 16 * 1024;

/// A pattern, compiled.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    /// It must not be found.
    inverted: bool,
    /// A match may not start before.
    first: usize,
    /// A match may not start behind.
    last: usize,
}

/// How a pattern is read, by the names of PCRE2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternOption {
    /// Upper and lower case are the same.
    Caseless,
    /// A dot matches also the end of a line.
    Dotall,
    /// Blanks and comments in the pattern mean nothing.
    Extended,
    /// The beginning and the end of every line match.
    Multiline,
    /// The beginning of the page must match.
    Anchored,
    /// Quantifiers take as little as they can.
    Ungreedy,
    /// Groups may share a name.
    Dupnames,
    /// Groups without a name are not remembered.
    NoAutoCapture,
    /// Pattern and page are UTF-8.
    Utf,
    /// Classes know all of Unicode.
    Ucp,
    /// No optimisation of possessive quantifiers.
    NoAutoPossess,
    /// No optimisation of `.*`.
    NoDotstarAnchor,
    /// No optimisation of the first character.
    NoStartOptimize,
}

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl PatternOption {
    /// By its name in keepalived.conf, if steadfast knows it.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "caseless" => Self::Caseless,
            "dotall" => Self::Dotall,
            "extended" => Self::Extended,
            "multiline" => Self::Multiline,
            "anchored" => Self::Anchored,
            "ungreedy" => Self::Ungreedy,
            "dupnames" => Self::Dupnames,
            "no_auto_capture" => Self::NoAutoCapture,
            "utf" => Self::Utf,
            "ucp" => Self::Ucp,
            "no_auto_possess" => Self::NoAutoPossess,
            "no_dotstar_anchor" => Self::NoDotstarAnchor,
            "no_start_optimize" => Self::NoStartOptimize,
            _ => return None,
        })
    }

    /// As a verb at the beginning of a pattern (pcre2pattern(3)).
    const fn verb(self) -> &'static str {
        match self {
            Self::Utf => "(*UTF)",
            Self::Ucp => "(*UCP)",
            Self::NoAutoPossess => "(*NO_AUTO_POSSESS)",
            Self::NoDotstarAnchor => "(*NO_DOTSTAR_ANCHOR)",
            Self::NoStartOptimize => "(*NO_START_OPT)",
            _ => "",
        }
    }

    /// As a setting inside a pattern.
    const fn setting(self) -> &'static str {
        match self {
            Self::Caseless => "(?i)",
            Self::Dotall => "(?s)",
            Self::Extended => "(?x)",
            Self::Multiline => "(?m)",
            Self::Ungreedy => "(?U)",
            Self::Dupnames => "(?J)",
            Self::NoAutoCapture => "(?n)",
            // Where the attempt begins: the offset of the first place that may match.
            Self::Anchored => r"\G",
            _ => "",
        }
    }
}

impl Pattern {
    /// Compiles `pattern`. A match starts between the octets `first` and `last`.
    ///
    /// # Errors
    /// What PCRE2 says of it.
    pub fn new(
        pattern: &str,
        options: &[PatternOption],
        inverted: bool,
        first: Option<u64>,
        last: Option<u64>,
    ) -> Result<Self, PatternError> {
        let mut whole = format!("(*LIMIT_MATCH={MATCH_STEPS_MAX})(*LIMIT_HEAP={MATCH_MEMORY_MAX_KIB})");
        options.iter().for_each(|option| whole.push_str(option.verb()));
        options.iter().for_each(|option| whole.push_str(option.setting()));
        whole.push_str(pattern);
        let regex = RegexBuilder::new()
            .jit_if_available(true)
            .build(&whole)
            .map_err(|error| PatternError(error.to_string()))?;
        let place = |offset: Option<u64>, otherwise| {
            offset.map_or(otherwise, |offset| usize::try_from(offset).unwrap_or(usize::MAX))
        };
        Ok(Self { regex, inverted, first: place(first, 0), last: place(last, usize::MAX) })
    }

    /// Whether it must not be found.
    pub const fn is_inverted(&self) -> bool {
        self.inverted
    }

    /// Whether it is found in `page`.
    ///
    /// # Errors
    /// When it took too long.
    pub fn is_in(&self, page: &[u8]) -> Result<bool, PatternError> {
        if self.first > page.len() {
            return Ok(false);
        }
        let found = self.regex.find_at(page, self.first).map_err(|error| PatternError(error.to_string()))?;
        Ok(found.is_some_and(|found| found.start() <= self.last))
    }
}

/// Two patterns are the same if they were written so.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (self.regex.as_str(), self.inverted, self.first, self.last)
            == (other.regex.as_str(), other.inverted, other.first, other.last)
    }
}

impl Eq for Pattern {}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(pattern: &str, options: &[PatternOption]) -> Pattern {
        Pattern::new(pattern, options, false, None, None).unwrap()
    }

    #[test]
    fn options_change_what_matches() {
        use PatternOption::*;
        for (text, options, page, expected) in [
            ("ok", &[][..], "all OK", false),
            ("ok", &[Caseless], "all OK", true),
            ("a.b", &[], "a\nb", false),
            ("a.b", &[Dotall], "a\nb", true),
            ("a b", &[Extended], "ab", true),
            ("^b", &[], "a\nb", false),
            ("^b", &[Multiline], "a\nb", true),
            ("b", &[Anchored], "ab", false),
            ("(?<x>a)(?<x>b)", &[Dupnames], "ab", true),
            (r"^\w$", &[Utf, Ucp], "é", true),
            ("é", &[Caseless, Utf], "É", true),
            ("a+", &[Ungreedy, NoAutoPossess, NoStartOptimize, NoDotstarAnchor, NoAutoCapture], "aa", true),
        ] {
            let found = pattern(text, options).is_in(page.as_bytes()).unwrap();
            assert_eq!(found, expected, "{text} {options:?} in {page:?}");
        }
    }

    #[test]
    fn a_match_starts_where_it_may() {
        let page = b"..x..x";
        for (first, last, expected) in
            [(0, 1, false), (0, 2, true), (3, 4, false), (3, 5, true), (9, 9, false)]
        {
            let pattern = Pattern::new("x", &[], false, Some(first), Some(last)).unwrap();
            assert_eq!(pattern.is_in(page).unwrap(), expected, "{first} to {last}");
        }
    }

    #[test]
    fn a_pattern_that_would_go_on_for_ever_gives_up() {
        let page = format!("{}dc", "a".repeat(5_000));
        pattern("^(a+)+c", &[]).is_in(page.as_bytes()).unwrap_err();
    }

    #[test]
    fn what_pcre2_does_not_understand_is_refused() {
        Pattern::new("(", &[], false, None, None).unwrap_err();
    }
}
