//! Options that PCRE2 takes beside a pattern only, written into the pattern: what each of them makes of a construct can be
//! said by another construct.

use super::{PatternError, PatternOption};

/// The pattern that says with these options what it says without them.
///
/// # Errors
/// What the options forbid, or cannot be said.
pub(super) fn spelt_out(pattern: &str, options: &[PatternOption]) -> Result<String, PatternError> {
    let has = |option| options.contains(&option);
    let mut speller = Speller {
        rest: pattern,
        out: String::with_capacity(pattern.len()),
        groups: 0,
        empty_classes: has(PatternOption::AllowEmptyClass),
        javascript_escapes: has(PatternOption::AltBsux),
        end_only: has(PatternOption::DollarEndonly) && !has(PatternOption::Multiline),
        last_line: has(PatternOption::AltCircumflex) && has(PatternOption::Multiline),
        unset_is_empty: has(PatternOption::MatchUnsetBackref),
        extended: has(PatternOption::Extended),
        no_bytes: has(PatternOption::NeverBackslashC),
        no_utf: has(PatternOption::NeverUtf),
        no_ucp: has(PatternOption::NeverUcp),
        verb_escapes: has(PatternOption::AltVerbnames),
        captures: !has(PatternOption::NoAutoCapture),
    };
    if speller.no_utf && has(PatternOption::Utf) || speller.no_ucp && has(PatternOption::Ucp) {
        return Err(forbidden("never_utf and utf, or never_ucp and ucp, contradict each other"));
    }
    while speller.step()? {}
    Ok(speller.out)
}

struct Speller<'a> {
    rest: &'a str,
    out: String,
    /// Groups without a name that have begun.
    groups: u32,
    empty_classes: bool,
    javascript_escapes: bool,
    end_only: bool,
    last_line: bool,
    unset_is_empty: bool,
    extended: bool,
    no_bytes: bool,
    no_utf: bool,
    no_ucp: bool,
    verb_escapes: bool,
    captures: bool,
}

fn forbidden(what: &str) -> PatternError {
    PatternError(what.to_owned())
}

impl<'a> Speller<'a> {
    /// One construct; whether there was one.
    fn step(&mut self) -> Result<bool, PatternError> {
        let Some(first) = self.rest.chars().next() else { return Ok(false) };
        match first {
            '\\' => self.escape(false)?,
            '[' => self.class()?,
            '(' => self.group()?,
            '#' if self.extended => self.copy_until('\n'),
            '$' if self.end_only => self.instead("$", r"\z"),
            // PCRE2_ALT_CIRCUMFLEX: behind a line end that is the last character, too.
            '^' if self.last_line => self.instead("^", r"(?:^|(?<=\n)\z)"),
            _ => self.copy(first.len_utf8()),
        }
        Ok(true)
    }

    fn copy(&mut self, length: usize) {
        let (copied, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.out.push_str(copied);
        self.rest = rest;
    }

    /// Up to and with this character.
    fn copy_until(&mut self, end: char) {
        let length = self.rest.find(end).map_or(self.rest.len(), |place| place + end.len_utf8());
        self.copy(length);
    }

    /// Something else in the place of what stands here.
    fn instead(&mut self, what: &str, with: &str) {
        self.out.push_str(with);
        self.rest = self.rest.strip_prefix(what).unwrap_or_default();
    }

    fn group(&mut self) -> Result<(), PatternError> {
        if self.rest.starts_with("(?#") || self.rest.starts_with("(?C") {
            self.copy_until(')');
        } else if self.rest.starts_with("(*") {
            self.verb()?;
        } else if let Some(name) = self.rest.strip_prefix("(?P=").and_then(|rest| rest.split_once(')')) {
            self.reference(name.0, &format!("(?P={})", name.0));
        } else {
            if self.end_only && sets_multiline(self.rest) {
                return Err(forbidden(
                    "dollar_endonly and (?m) inside of the pattern are not understood together",
                ));
            }
            let is_named = ["(?<", "(?P<", "(?'"].iter().any(|start| self.rest.starts_with(start));
            let looks_behind = self.rest.starts_with("(?<=") || self.rest.starts_with("(?<!");
            if (!self.rest.starts_with("(?") && self.captures) || is_named && !looks_behind {
                self.groups += 1;
            }
            self.copy(1);
        }
        Ok(())
    }

    fn verb(&mut self) -> Result<(), PatternError> {
        let verb = self.rest.split(')').next().unwrap_or_default();
        if self.no_utf && verb == "(*UTF" || self.no_ucp && verb == "(*UCP" {
            return Err(forbidden("an option of the pattern forbids (*UTF) or (*UCP) in it"));
        }
        if self.verb_escapes && verb.contains('\\') {
            return Err(forbidden("a backslash in the name of a verb is not understood"));
        }
        self.copy_until(')');
        Ok(())
    }

    /// From the bracket to that which ends it.
    fn class(&mut self) -> Result<(), PatternError> {
        if self.empty_classes {
            if self.rest.starts_with("[]") {
                self.instead("[]", "(?!)");
                return Ok(());
            }
            if self.rest.starts_with("[^]") {
                self.instead("[^]", "(?s:.)");
                return Ok(());
            }
        }
        self.copy(if self.rest.starts_with("[^") { 2 } else { 1 });
        // The first bracket stands for itself.
        if self.rest.starts_with(']') {
            self.copy(1);
        }
        while let Some(next) = self.rest.chars().next() {
            match next {
                ']' => {
                    self.copy(1);
                    break;
                }
                '\\' => self.escape(true)?,
                '[' if self.rest.starts_with("[:") && self.rest.contains(":]") => {
                    let end = self.rest.find(":]").map_or(0, |place| place + 2);
                    self.copy(end);
                }
                _ => self.copy(next.len_utf8()),
            }
        }
        Ok(())
    }

    fn escape(&mut self, in_class: bool) -> Result<(), PatternError> {
        let mut behind = self.rest.chars().skip(1);
        let Some(kind) = behind.next() else {
            self.copy(1);
            return Ok(());
        };
        match kind {
            'Q' => {
                let end = self.rest.find(r"\E").map_or(self.rest.len(), |place| place + 2);
                self.copy(end);
            }
            'C' if self.no_bytes && !in_class => {
                return Err(forbidden(r"never_backslash_c forbids \C in the pattern"));
            }
            'U' if self.javascript_escapes => self.instead(r"\U", "U"),
            'u' if self.javascript_escapes => match hexadecimal(self.rest, 4) {
                Some(digits) => self.instead(&format!(r"\u{digits}"), &format!(r"\x{{{digits}}}")),
                None => self.instead(r"\u", "u"),
            },
            'x' if self.javascript_escapes => match hexadecimal(self.rest, 2) {
                Some(digits) => self.instead(&format!(r"\x{digits}"), &format!(r"\x{{{digits}}}")),
                None => self.instead(r"\x", "x"),
            },
            '1'..='9' | 'g' | 'k' if self.unset_is_empty && !in_class => self.back_reference(kind),
            _ => self.copy(1 + kind.len_utf8()),
        }
        Ok(())
    }

    /// `\1`, `\g{-1}`, `\k<name>` and their like.
    fn back_reference(&mut self, kind: char) {
        let text = self.rest;
        let behind = text.get(2..).unwrap_or_default();
        let enclosed = |open: char, close: char| {
            behind.strip_prefix(open)?.split_once(close).map(|(name, _)| (name, 2 + 2 + name.len()))
        };
        let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
        let found = match kind {
            'k' => enclosed('<', '>').or_else(|| enclosed('\'', '\'')).or_else(|| enclosed('{', '}')),
            // \g<name> and \g'name' call the group.
            'g' => enclosed('{', '}').or_else(|| {
                let sign = usize::from(behind.starts_with(['-', '+']));
                let length = sign + digits(behind.get(sign..)?);
                (length > sign).then_some((behind.get(..length)?, 2 + length))
            }),
            _ => {
                let length = digits(text.get(1..).unwrap_or_default());
                let number = text.get(1..=length).unwrap_or_default();
                // pcre2pattern(3): one digit, or no more than there are groups before it.
                let is_reference =
                    length == 1 || number.parse().is_ok_and(|number: u32| number <= self.groups);
                is_reference.then_some((number, 1 + length))
            }
        };
        match found.and_then(|(name, length)| Some((name, text.get(..length)?))) {
            Some((name, whole)) => self.reference(name, whole),
            None => self.copy(2),
        }
    }

    /// Where the group is unset the condition fails, and nothing is to be matched.
    fn reference(&mut self, name: &'a str, whole: &str) {
        let is_number = name.trim_start_matches(['-', '+']).chars().all(|digit| digit.is_ascii_digit());
        let condition = if is_number { name.to_owned() } else { format!("<{name}>") };
        self.instead(whole, &format!("(?({condition}){whole})"));
    }
}

/// `(?m)`, `(?im:` and their like.
fn sets_multiline(group: &str) -> bool {
    let Some(flags) = group.strip_prefix("(?") else { return false };
    let flags: String = flags.chars().take_while(|flag| flag.is_ascii_alphabetic() || *flag == '^').collect();
    !flags.starts_with(['P', 'C', 'R']) && flags.contains('m')
}

/// So many hexadecimal digits behind an escape.
fn hexadecimal(text: &str, count: usize) -> Option<&str> {
    text.get(2..2 + count).filter(|digits| digits.chars().all(|digit| digit.is_ascii_hexdigit()))
}
