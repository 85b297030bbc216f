//! Patterns that a page must match (PCRE2), with a bound on the work.

mod spelling;

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
    /// Nor behind the first line end.
    in_first_line: bool,
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
    /// `[]` matches nothing, `[^]` everything.
    AllowEmptyClass,
    /// `\U`, `\u` and `\x` as in JavaScript.
    AltBsux,
    /// A circumflex matches behind the last line end, too.
    AltCircumflex,
    /// Names of verbs have escapes.
    AltVerbnames,
    /// Somebody is called at every step: nobody is there to be called.
    AutoCallout,
    /// A dollar matches at the very end alone.
    DollarEndonly,
    /// A match starts in the first line.
    Firstline,
    /// What a group without a match refers to is empty.
    MatchUnsetBackref,
    /// No `\C`.
    NeverBackslashC,
    /// The pattern does not ask for Unicode's classes by itself.
    NeverUcp,
    /// The pattern does not ask for UTF-8 by itself.
    NeverUtf,
    /// Offsets may be limited, as they are here in any case.
    UseOffsetLimit,
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
            "allow_empty_class" => Self::AllowEmptyClass,
            "alt_bsux" => Self::AltBsux,
            "alt_circumflex" => Self::AltCircumflex,
            "alt_verbnames" => Self::AltVerbnames,
            "auto_callout" => Self::AutoCallout,
            "dollar_endonly" => Self::DollarEndonly,
            "firstline" => Self::Firstline,
            "match_unset_backref" => Self::MatchUnsetBackref,
            "never_backslash_c" => Self::NeverBackslashC,
            "never_ucp" => Self::NeverUcp,
            "never_utf" => Self::NeverUtf,
            "use_offset_limit" => Self::UseOffsetLimit,
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
        whole.push_str(&spelling::spelt_out(pattern, options)?);
        let regex = RegexBuilder::new()
            .jit_if_available(true)
            .build(&whole)
            .map_err(|error| PatternError(error.to_string()))?;
        let place = |offset: Option<u64>, otherwise| {
            offset.map_or(otherwise, |offset| usize::try_from(offset).unwrap_or(usize::MAX))
        };
        let (first, last) = (place(first, 0), place(last, usize::MAX));
        let in_first_line = options.contains(&PatternOption::Firstline);
        Ok(Self { regex, inverted, first, last, in_first_line })
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
        // The first match is the one that starts first.
        let in_time = |start: usize| {
            start <= self.last
                && !(self.in_first_line
                    && page.get(self.first..start).is_some_and(|line| line.contains(&b'\n')))
        };
        Ok(found.is_some_and(|found| in_time(found.start())))
    }
}

/// Two patterns are the same if they were written so.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (self.regex.as_str(), self.inverted, self.first, self.last, self.in_first_line)
            == (other.regex.as_str(), other.inverted, other.first, other.last, other.in_first_line)
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
    fn options_that_stand_beside_a_pattern_mean_what_pcre2api_says() {
        use PatternOption::*;
        for (text, options, page, without, with) in [
            ("a[]b|c", &[AllowEmptyClass][..], "c", None, Some(true)),
            ("a[^]b", &[AllowEmptyClass], "a\nb", None, Some(true)),
            ("a[^]b]c", &[], "axc", Some(true), Some(true)),
            (r"\u0041[\x42]\U\xz", &[AltBsux], "ABUxz", None, Some(true)),
            (r"\x4", &[AltBsux], "x4", Some(false), Some(true)),
            (r"\Q\u\E", &[AltBsux], r"\u", Some(true), Some(true)),
            ("a$", &[DollarEndonly], "a\n", Some(true), Some(false)),
            ("a$", &[DollarEndonly], "a", Some(true), Some(true)),
            ("[$]$", &[DollarEndonly], "$", Some(true), Some(true)),
            ("a$", &[DollarEndonly, Multiline], "a\nb", Some(false), Some(true)),
            (r"^\z", &[AltCircumflex, Multiline], "a\n", Some(false), Some(true)),
            (r"[^\n]", &[AltCircumflex, Multiline], "\n", Some(false), Some(false)),
            (r"^(a)?b\1$", &[MatchUnsetBackref], "b", Some(false), Some(true)),
            (r"^(a)?b\1$", &[MatchUnsetBackref], "aba", Some(true), Some(true)),
            (r"^(?<x>a)?b\k<x>(?P=x)\g{x}$", &[MatchUnsetBackref], "b", Some(false), Some(true)),
            (r"^(?<x>a)?b\g{-1}\g1$", &[MatchUnsetBackref], "b", Some(false), Some(true)),
            (r"^a\11$", &[MatchUnsetBackref], "a\t", Some(true), Some(true)),
            ("b", &[Firstline], "a\nb", Some(true), Some(false)),
            ("b", &[Firstline], "ab\n", Some(true), Some(true)),
            (r"\n", &[Firstline], "a\n", Some(true), Some(true)),
            (r"a\C", &[NeverBackslashC], "ab", Some(true), None),
            (r"a\\C", &[NeverBackslashC], r"a\C", Some(true), Some(true)),
            ("(*UTF)a", &[NeverUtf], "a", Some(true), None),
            ("(*UCP)a", &[NeverUcp], "a", Some(true), None),
            ("a", &[NeverUtf, Utf], "a", Some(true), None),
            ("(*MARK:x$)a", &[DollarEndonly, AltVerbnames], "a", Some(true), Some(true)),
            ("(?#$[)a # $[", &[DollarEndonly, Extended], "a", None, Some(true)),
            ("a", &[AutoCallout, UseOffsetLimit], "ba", Some(true), Some(true)),
        ] {
            let found = |options: &[PatternOption]| {
                let pattern = Pattern::new(text, options, false, None, None).ok()?;
                Some(pattern.is_in(page.as_bytes()).unwrap())
            };
            assert_eq!(found(&[]), without, "{text} in {page:?}");
            assert_eq!(found(options), with, "{text} {options:?} in {page:?}");
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
