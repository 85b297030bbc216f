//! Definitions and built-ins: `$NAME=VALUE` and what a reference stands for.
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::line::LogicalLine;
use super::token::is_blank;
use crate::diagnostic::span::{KindId, Span};

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) name: Arc<str>,
    /// What text that comes out of it is marked with.
    pub(crate) kind: KindId,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Stored as written: references in it are replaced when it is used.
    Line(Arc<LogicalLine>),
    /// Each is a line of the configuration.
    Lines(Arc<[LogicalLine]>),
    /// The variable of a sequence: its text, and where the sequence names it.
    Counter { text: Arc<str>, at: Span },
}

/// All names, looked up by the bytes between `$` and what follows.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    names: BTreeMap<Arc<str>, Definition>,
}

impl Definitions {
    pub(crate) fn set(&mut self, name: Arc<str>, kind: KindId, value: Value) {
        self.names.insert(Arc::clone(&name), Definition { name, kind, value });
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Definition> {
        self.names.get(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(|name| &**name)
    }
}

/// `$NAME=` at the start of a line: the name, and where the value begins.
pub(crate) fn definition_head(line: &[u8]) -> Option<(&str, usize)> {
    let name = name_at(line.get(1..)?).filter(|_| line.first() == Some(&b'$'))?;
    let after = 1 + name.len();
    (line.get(after) == Some(&b'=')).then(|| {
        let value = line.get(after + 1..).unwrap_or_default();
        (name, after + 1 + value.iter().take_while(|byte| is_blank(**byte)).count())
    })
}

/// The name that text begins with: a letter or underscore, then letters, digits and underscores.
pub(crate) fn name_at(text: &[u8]) -> Option<&str> {
    let first = text.first()?;
    if !first.is_ascii_alphabetic() && *first != b'_' {
        return None;
    }
    let length = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    text.get(..length).and_then(|name| std::str::from_utf8(name).ok())
}

/// A place in a line that reads like a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference<'l> {
    /// All of it, from the `$` on.
    pub(crate) range: Range<usize>,
    pub(crate) name: &'l str,
    /// What stands between the name and the `}`: words and blanks.
    pub(crate) parameters: &'l str,
}

/// The first reference from `from` on. `follow` is what comes after the line where it is put in.
pub(crate) fn next_reference(line: &[u8], from: usize, follow: Option<u8>) -> Option<Reference<'_>> {
    let mut at = from;
    loop {
        at += line.get(at..)?.iter().position(|byte| *byte == b'$')?;
        if let Some(reference) = reference_at(line, at, follow) {
            return Some(reference);
        }
        at += 1;
    }
}

/// The reference that stands at `at`, if any.
pub(crate) fn reference_at(line: &[u8], at: usize, follow: Option<u8>) -> Option<Reference<'_>> {
    let rest = line.get(at + 1..)?;
    if rest.first() != Some(&b'{') {
        let name = name_at(rest)?;
        let end = at + 1 + name.len();
        let next = line.get(end).copied().or(follow);
        let ends = next.is_none_or(|byte| is_blank(byte) || matches!(byte, b',' | b')'));
        return ends.then_some(Reference { range: at..end, name, parameters: "" });
    }
    let length = rest.iter().position(|byte| *byte == b'}')?;
    let inside = std::str::from_utf8(rest.get(1..length)?).ok()?;
    let name = name_at(inside.as_bytes())?;
    let parameters = inside.get(name.len()..)?;
    let is_parameter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || is_blank(byte);
    let separated = parameters.is_empty() || parameters.starts_with([' ', '\t']);
    (separated && parameters.bytes().all(is_parameter)).then_some(Reference {
        range: at..at + length + 2,
        name,
        parameters: parameters.trim(),
    })
}

/// The `_RANDOM` series: one number after another from a seed (splitmix64, no secret).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number from `minimum` to `maximum`.
    pub(crate) fn between(&mut self, minimum: u32, maximum: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let width = u64::from(maximum.saturating_sub(minimum)) + 1;
        minimum.saturating_add(u32::try_from(mixed % width).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_definitions() {
        assert_eq!(definition_head(b"$A_1=  x"), Some(("A_1", 7)));
        assert_eq!(definition_head(b"$A="), Some(("A", 3)));
        assert_eq!(definition_head(b"$A =x"), None);
        assert_eq!(definition_head(b"$1=x"), None);
        assert_eq!(definition_head(b"A=x"), None);
    }

    #[test]
    fn references() {
        let found = |line: &str| next_reference(line.as_bytes(), 0, None).map(|found| found.name.to_owned());
        assert_eq!(found("a $B"), Some("B".to_owned()));
        assert_eq!(found("a $B.4"), None);
        assert_eq!(found("a $B.4 ${C}.5"), Some("C".to_owned()));
        assert_eq!(found("($B)"), Some("B".to_owned()));
        assert_eq!(found("${B-x}"), None);
        assert_eq!(found("$ {B}"), None);
        assert_eq!(next_reference(b"$B", 0, Some(b'.')), None);
        let random = next_reference(b"x${_RANDOM 1 6}", 0, None).unwrap();
        assert_eq!((random.range, random.parameters), (1..15, "1 6"));
    }
}
