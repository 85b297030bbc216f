//! `~SEQ`, `~SEQx` and `~LST`: one line, many values.
use std::ops::Range;
use std::sync::Arc;

use super::definition::name_at;
use super::token::trimmed;
use crate::diagnostic::code::Code;
use crate::limits::MAX_SEQUENCE_VALUES;

/// What stands before the text: which sequence, its items, and where the text begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) form: Form,
    /// Between the outer parentheses.
    pub(crate) items: Range<usize>,
    /// First byte of the text that is processed again and again.
    pub(crate) text: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Decimal,
    Hexadecimal,
    List,
}

/// The passes of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passes {
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) values: Values,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    Count { next: i64, step: i64, left: u64, hexadecimal: bool },
    Sets { sets: Vec<Vec<Arc<str>>>, next: usize },
}

/// Why a sequence is refused: the code, the sentence, and where in its items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) expected: &'static str,
}

const SEQUENCE_FORM: &str = "~SEQ(VARIABLE, [START, [STEP,]] END) TEXT";
const LIST_FORM: &str = "~LST(VARIABLE, VALUE, ...) TEXT or ~LST({V1,V2}, {A,B}, ...) TEXT";

fn refused(code: Code, message: impl Into<String>) -> Refused {
    let expected = if code == Code::BadList { LIST_FORM } else { SEQUENCE_FORM };
    Refused { code, message: message.into(), expected }
}

/// Reads the head of a line that begins with `~`.
pub(crate) fn head(line: &[u8]) -> Result<Head, Refused> {
    let forms = [(&b"~SEQx"[..], Form::Hexadecimal), (b"~SEQ", Form::Decimal), (b"~LST", Form::List)];
    let found = forms.into_iter().find(|(word, _)| line.starts_with(word));
    let (word, form) = found.ok_or_else(|| refused(Code::BadSequence, "'~' begins no known sequence"))?;
    let code = if form == Form::List { Code::BadList } else { Code::BadSequence };
    let after = line.get(word.len()..).unwrap_or_default();
    let open = word.len() + after.iter().take_while(|byte| super::token::is_blank(**byte)).count();
    if line.get(open) != Some(&b'(') {
        return Err(refused(code, "the sequence has no '(' after its name"));
    }
    let length = line.get(open + 1..).and_then(|rest| rest.iter().position(|byte| *byte == b')'));
    let Some(length) = length else { return Err(refused(code, "the sequence has no ')'")) };
    let close = open + 1 + length;
    let text = line.get(close + 1..).unwrap_or_default();
    Ok(Head { form, items: open + 1..close, text: close + 1 + trimmed(text).start })
}

/// Reads the items, after their variables were replaced.
pub(crate) fn passes(form: Form, items: &[u8]) -> Result<Passes, Refused> {
    let Ok(items) = std::str::from_utf8(items) else {
        return Err(refused(Code::BadSequence, "the sequence is not UTF-8 text"));
    };
    match form {
        Form::List => list(items),
        Form::Decimal | Form::Hexadecimal => count(items, form == Form::Hexadecimal),
    }
}

fn count(items: &str, hexadecimal: bool) -> Result<Passes, Refused> {
    let mut parts = items.split(',').map(str::trim);
    let name = variable(parts.next().unwrap_or_default(), Code::BadSequence)?;
    let numbers = parts.map(number).collect::<Result<Vec<i64>, Refused>>()?;
    let (start, step, end) = match *numbers {
        [end] => (if end < 0 { -1 } else { 1 }, None, end),
        [start, end] => (start, None, end),
        [start, step, end] => (start, Some(step), end),
        _ => return Err(refused(Code::BadSequence, "the sequence needs one to three numbers")),
    };
    if hexadecimal && (start < 0 || end < 0) {
        return Err(refused(Code::NegativeHexadecimal, "~SEQx knows no negative numbers"));
    }
    let step = step.unwrap_or(if end < start { -1 } else { 1 });
    let distance = i128::from(end) - i128::from(start);
    if step == 0 || distance.signum() * i128::from(step.signum()) < 0 {
        let message = format!("from {start} the step {step} never reaches {end}");
        return Err(refused(Code::SequenceNeverEnds, message));
    }
    let left = u64::try_from(distance / i128::from(step) + 1).unwrap_or(u64::MAX);
    if left > MAX_SEQUENCE_VALUES {
        let message = format!("the sequence has {left} values; {MAX_SEQUENCE_VALUES} are allowed");
        return Err(refused(Code::SequenceTooLong, message));
    }
    Ok(Passes { names: vec![name], values: Values::Count { next: start, step, left, hexadecimal } })
}

fn number(text: &str) -> Result<i64, Refused> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
        None => (digits, 10),
    };
    let plain = digits.starts_with(|first: char| first.is_ascii_alphanumeric());
    i64::from_str_radix(digits, radix)
        .ok()
        .filter(|_| plain)
        .map(|value| if negative { -value } else { value })
        .ok_or_else(|| refused(Code::BadSequence, format!("'{text}' is no number")))
}

fn variable(text: &str, code: Code) -> Result<Arc<str>, Refused> {
    match name_at(text.as_bytes()) {
        Some(name) if name.len() == text.len() => Ok(Arc::from(name)),
        _ => Err(refused(code, format!("'{text}' is no name of a variable"))),
    }
}

fn list(items: &str) -> Result<Passes, Refused> {
    let mut sets = members(items)?.into_iter();
    let names = sets.next().unwrap_or_default();
    let names = names.into_iter().map(|name| variable(name, Code::BadList));
    let names = names.collect::<Result<Vec<_>, Refused>>()?;
    let surplus = sets.clone().find(|set| set.len() > names.len());
    if let Some(set) = surplus {
        let message =
            format!("{{{}}} has {} members for {} variables", set.join(","), set.len(), names.len());
        return Err(Refused { code: Code::SurplusListMember, message, expected: LIST_FORM });
    }
    let sets: Vec<Vec<Arc<str>>> = sets.map(|set| set.into_iter().map(Arc::from).collect()).collect();
    if sets.is_empty() {
        return Err(refused(Code::BadList, "the list has no values"));
    }
    Ok(Passes { names, values: Values::Sets { sets, next: 0 } })
}

/// The items of a list, each a value or several in braces.
fn members(items: &str) -> Result<Vec<Vec<&str>>, Refused> {
    let mut sets = Vec::new();
    let mut rest = items.trim();
    loop {
        let (set, after) = match rest.strip_prefix('{') {
            Some(inside) => {
                let (inside, after) = inside
                    .split_once('}')
                    .ok_or_else(|| refused(Code::BadList, "a '{' of the list has no '}'"))?;
                (inside.split(',').map(str::trim).collect(), after.trim_start())
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (item, after) = rest.split_at(end);
                (vec![item.trim_end()], after)
            }
        };
        if let Some(item) = set.iter().find(|item| item.contains([' ', '\t', '{', '}'])) {
            return Err(refused(
                Code::BadList,
                format!("'{item}' is not one value; commas stand between values"),
            ));
        }
        sets.push(set);
        if after.is_empty() {
            return Ok(sets);
        }
        rest = after
            .strip_prefix(',')
            .ok_or_else(|| refused(Code::BadList, format!("expected ',' before '{after}'")))?
            .trim_start();
    }
}

impl Passes {
    /// The values of the next pass, one for each name.
    pub(crate) fn next(&mut self) -> Option<Vec<Arc<str>>> {
        match &mut self.values {
            Values::Count { next, step, left, hexadecimal } => {
                *left = left.checked_sub(1)?;
                let text = if *hexadecimal { format!("{next:x}") } else { next.to_string() };
                *next = next.saturating_add(*step);
                Some(vec![Arc::from(text)])
            }
            Values::Sets { sets, next } => {
                let set = sets.get(*next)?.clone();
                *next += 1;
                Some(set)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(line: &str) -> Result<Vec<String>, Code> {
        let run = || {
            let head = head(line.as_bytes())?;
            passes(head.form, &line.as_bytes()[head.items])
        };
        let mut passes = run().map_err(|refused: Refused| refused.code)?;
        Ok(std::iter::from_fn(|| passes.next()).map(|set| set.join("-")).collect())
    }

    #[test]
    fn counting() {
        assert_eq!(values("~SEQ(X, 3) a").unwrap(), ["1", "2", "3"]);
        assert_eq!(values("~SEQ(X, 0) a").unwrap(), ["1", "0"]);
        assert_eq!(values("~SEQ(X,-2)a").unwrap(), ["-1", "-2"]);
        assert_eq!(values("~SEQ (X, 3, 2) a").unwrap(), ["3", "2"]);
        assert_eq!(values("~SEQ(X, 1, 2, 6)").unwrap(), ["1", "3", "5"]);
        assert_eq!(values("~SEQ(X, 0x10, 017)").unwrap(), ["16", "15"]);
        assert_eq!(values("~SEQx(X, 9, 11)").unwrap(), ["9", "a", "b"]);
    }

    #[test]
    fn counting_that_cannot_be() {
        assert_eq!(values("~SEQ(X, 3, 0, 2)"), Err(Code::SequenceNeverEnds));
        assert_eq!(values("~SEQ(X, 3, 2, 1)"), Err(Code::SequenceNeverEnds));
        assert_eq!(values("~SEQx(X, -3)"), Err(Code::NegativeHexadecimal));
        assert_eq!(values("~SEQ(X 2)"), Err(Code::BadSequence));
        assert_eq!(values("~SEQ(X, 2,)"), Err(Code::BadSequence));
        assert_eq!(values("~SEQ(X, 2"), Err(Code::BadSequence));
        assert_eq!(values("~SEQ(X, 9223372036854775807)"), Err(Code::SequenceTooLong));
        assert_eq!(values("~FOR(X, 2)"), Err(Code::BadSequence));
    }

    #[test]
    fn lists() {
        assert_eq!(values("~LST(A, a, b) x").unwrap(), ["a", "b"]);
        assert_eq!(values("~LST({A, B}, {a,b},{c} , {,e}) x").unwrap(), ["a-b", "c", "-e"]);
        assert_eq!(values("~LST({A},{c},d) x").unwrap(), ["c", "d"]);
        assert_eq!(values("~LST({A,B}, {a,b,c}) x"), Err(Code::SurplusListMember));
        assert_eq!(values("~LST(A, a b) x"), Err(Code::BadList));
        assert_eq!(values("~LST(A) x"), Err(Code::BadList));
        assert_eq!(values("~LST({A,B} {a,b}) x"), Err(Code::BadList));
    }
}
