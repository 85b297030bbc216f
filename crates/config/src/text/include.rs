//! `include` in all its forms: which files a pattern names, and which problems count.
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::source::Source;
use crate::limits::MAX_BRACE_ALTERNATIVES;

/// Which problems of an include are errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checks {
    /// A match cannot be read.
    pub(crate) readable: bool,
    /// A plain name does not exist.
    pub(crate) plain: bool,
    /// A pattern matches nothing.
    pub(crate) wildcard: bool,
    /// An alternative of a brace list matches nothing.
    pub(crate) brace: bool,
}

impl Checks {
    pub(crate) const ALL: Checks = Checks { readable: true, plain: true, wildcard: true, brace: true };

    fn with(self, other: Checks) -> Checks {
        Checks {
            readable: self.readable || other.readable,
            plain: self.plain || other.plain,
            wildcard: self.wildcard || other.wildcard,
            brace: self.brace || other.brace,
        }
    }

    /// The arguments of `include_check`: names with an optional sign; a name without sign starts afresh.
    /// Unknown names change nothing here; the keyword's own checks report them.
    pub(crate) fn set<'w>(mut self, words: impl Iterator<Item = &'w [u8]>) -> Checks {
        let mut first = true;
        for word in words {
            let (sign, name) = match word.split_first() {
                Some((sign @ (b'+' | b'-'), name)) => (Some(*sign), name),
                _ => (None, word),
            };
            if first && sign.is_none() {
                self = Checks::default();
            }
            first = false;
            let on = sign != Some(b'-');
            match name {
                b"read" | b"readable" => self.readable = on,
                b"match" => (self.plain, self.readable) = (on, self.readable || on),
                b"wildcard_match" => (self.wildcard, self.readable) = (on, self.readable || on),
                b"brace_match" => (self.brace, self.readable) = (on, self.readable || on),
                _ => {}
            }
        }
        if first { Checks::ALL } else { self }
    }
}

/// An include line: its form and where the pattern begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    pub(crate) checks: Checks,
    /// First byte of the pattern; at the end of the line when there is none.
    pub(crate) pattern: usize,
    /// Whether the letter after `include` is one that is known.
    pub(crate) known: bool,
}

/// Recognises an include line.
pub(crate) fn directive(line: &[u8]) -> Option<Directive> {
    let rest = line.strip_prefix(b"include")?;
    let end = rest.iter().position(|byte| super::token::is_blank(*byte)).unwrap_or(rest.len());
    let (form, after) = rest.split_at_checked(end)?;
    let read = Checks { readable: true, ..Checks::default() };
    let (checks, known) = match form {
        b"" => (Checks::default(), true),
        b"r" => (read, true),
        b"m" => (read.with(Checks { plain: true, ..Checks::default() }), true),
        b"w" => (read.with(Checks { plain: true, wildcard: true, ..Checks::default() }), true),
        b"b" => (read.with(Checks { brace: true, ..Checks::default() }), true),
        b"a" => (Checks::ALL, true),
        [letter] if letter.is_ascii_alphabetic() => (read, false),
        _ => return None,
    };
    let blanks = after.iter().take_while(|byte| super::token::is_blank(**byte)).count();
    Some(Directive { checks, pattern: b"include".len() + end + blanks, known })
}

impl Directive {
    /// The checks that hold for this line where `default` holds.
    pub(crate) fn checks_over(self, default: Checks) -> Checks {
        self.checks.with(default)
    }
}

/// The files a pattern names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) paths: Vec<PathBuf>,
    /// Alternatives that match nothing.
    pub(crate) without_match: Vec<Vec<u8>>,
    pub(crate) has_wildcard: bool,
    pub(crate) has_braces: bool,
}

/// Resolves a pattern that starts from `directory`.
pub(crate) fn find(source: &dyn Source, directory: &Path, pattern: &[u8]) -> Found {
    let alternatives = brace_alternatives(pattern);
    let mut found =
        Found { has_wildcard: is_wildcard(pattern), has_braces: alternatives.len() > 1, ..Found::default() };
    for alternative in alternatives {
        let paths = glob(source, directory, &alternative);
        if paths.is_empty() {
            found.without_match.push(alternative);
        }
        found.paths.extend(paths);
    }
    found
}

pub(crate) fn is_wildcard(pattern: &[u8]) -> bool {
    pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// `a{b,c}d` → `abd`, `acd`; nested lists too. Unmatched braces and `{}` are text.
fn brace_alternatives(pattern: &[u8]) -> Vec<Vec<u8>> {
    let mut done: Vec<Vec<u8>> = Vec::new();
    let mut open: Vec<Vec<u8>> = vec![pattern.to_vec()];
    while let Some(text) = open.pop() {
        let split = (done.len() + open.len() < MAX_BRACE_ALTERNATIVES).then(|| first_list(&text)).flatten();
        match split {
            // Last first, so that the first alternative is taken up next.
            Some(alternatives) => open.extend(alternatives.into_iter().rev()),
            None => done.push(text),
        }
    }
    done
}

fn first_list(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut start = 0;
    loop {
        start += text.get(start..)?.iter().position(|byte| *byte == b'{')?;
        if text.get(start + 1) != Some(&b'}')
            && let Some(items) = list_items(text, start + 1)
        {
            let (prefix, end) = (text.get(..start)?, items.last()?.1 + 1);
            let join = |&(from, to): &(usize, usize)| {
                [prefix, text.get(from..to).unwrap_or_default(), text.get(end..).unwrap_or_default()].concat()
            };
            return Some(items.iter().map(join).collect());
        }
        start += 1;
    }
}

/// The items of a brace list that begins at `from`, as ranges.
fn list_items(text: &[u8], from: usize) -> Option<Vec<(usize, usize)>> {
    let (mut depth, mut start, mut items) = (0_usize, from, Vec::new());
    for (at, byte) in text.iter().enumerate().skip(from) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => {
                items.push((start, at));
                return Some(items);
            }
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                items.push((start, at));
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

/// The existing paths that match, in byte order.
fn glob(source: &dyn Source, directory: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let mut bases = vec![if pattern.starts_with(b"/") { PathBuf::from("/") } else { directory.to_owned() }];
    for component in pattern.split(|byte| *byte == b'/').filter(|component| !component.is_empty()) {
        if !is_wildcard(component) {
            let name = without_backslashes(component);
            bases.iter_mut().for_each(|base| base.push(OsStr::from_bytes(&name)));
            continue;
        }
        let matches_in = |base: &PathBuf| {
            let mut names = source.list(base);
            names.retain(|name| {
                (component.starts_with(b".") || !name.starts_with(b".")) && matches(component, name)
            });
            names.sort_unstable();
            names.into_iter().map(|name| base.join(OsStr::from_bytes(&name))).collect::<Vec<_>>()
        };
        bases = bases.iter().flat_map(matches_in).collect();
    }
    bases.retain(|path| source.exists(path));
    bases
}

fn without_backslashes(text: &[u8]) -> Vec<u8> {
    let mut escaped = false;
    let mut plain = Vec::with_capacity(text.len());
    for byte in text {
        escaped = *byte == b'\\' && !escaped;
        if !escaped {
            plain.push(*byte);
        }
    }
    plain
}

/// Whether a name matches a pattern of `*`, `?`, `[...]` and backslashes (POSIX 2.13, without classes).
/// Goes back only to the last `*`, so the cost is bounded by the product of the lengths.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, from));
                at += 1;
                continue;
            }
            Some(_) => name.get(from).and_then(|byte| match_one(pattern, at, *byte)),
            None if from == name.len() => return true,
            None => None,
        };
        match (step, star) {
            (Some(next), _) => (at, from) = (next, from + 1),
            (None, Some((after, tried))) if tried < name.len() => {
                (at, from) = (after, tried + 1);
                star = Some((after, tried + 1));
            }
            (None, _) => return false,
        }
    }
}

/// Matches one byte against what stands at `at`; the place after it when it does.
fn match_one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match *pattern.get(at)? {
        b'?' => Some(at + 1),
        b'\\' if at + 1 < pattern.len() => (pattern.get(at + 1) == Some(&byte)).then_some(at + 2),
        b'[' => match bracket(pattern, at, byte) {
            Some((next, hit)) => hit.then_some(next),
            None => (byte == b'[').then_some(at + 1),
        },
        literal => (literal == byte).then_some(at + 1),
    }
}

/// A bracket expression at `at`: where it ends, and whether `byte` is in it. `None`: it has no end.
fn bracket(pattern: &[u8], at: usize, byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(at + 1), Some(b'!' | b'^'));
    let first = at + 1 + usize::from(negated);
    let length = pattern.get(first + 1..)?.iter().position(|byte| *byte == b']')? + 1;
    let set = pattern.get(first..first + length)?;
    let mut hit = false;
    let mut rest = set;
    while let Some((low, after)) = rest.split_first() {
        match after {
            [b'-', high, after @ ..] => {
                hit |= (*low..=*high).contains(&byte);
                rest = after;
            }
            _ => {
                hit |= *low == byte;
                rest = after;
            }
        }
    }
    Some((first + length + 1, hit != negated))
}

/// A path without `.` and `..`, to tell whether two names are one file. Symbolic links stay.
pub(crate) fn normalized(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(component),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::source::Memory;

    #[test]
    fn forms() {
        assert_eq!(directive(b"include  a b").map(|found| found.pattern), Some(9));
        assert_eq!(directive(b"includea x").map(|found| found.checks), Some(Checks::ALL));
        assert_eq!(directive(b"includex x").map(|found| found.known), Some(false));
        assert_eq!(directive(b"include").map(|found| found.pattern), Some(7));
        assert_eq!(directive(b"include_check"), None);
        assert_eq!(directive(b"includes_x y"), None);
    }

    #[test]
    fn braces() {
        let shown = |pattern: &str| -> Vec<String> {
            let found = brace_alternatives(pattern.as_bytes());
            found.into_iter().map(|text| String::from_utf8(text).unwrap()).collect()
        };
        assert_eq!(shown("a{b,c{d,e}}f"), ["abf", "acdf", "acef"]);
        assert_eq!(shown("a{}b"), ["a{}b"]);
        assert_eq!(shown("a{b"), ["a{b"]);
        assert_eq!(shown("{a,}{b,c}"), ["ab", "ac", "b", "c"]);
        assert!(brace_alternatives(&b"{a,b}".repeat(40)).len() <= 2 * MAX_BRACE_ALTERNATIVES);
    }

    #[test]
    fn wildcards() {
        let yes = |pattern: &str, name: &str| {
            assert!(matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}")
        };
        let no = |pattern: &str, name: &str| {
            assert!(!matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}")
        };
        yes("*.conf", "a.conf");
        yes("a*b*c", "aXbYbZc");
        yes("[a-c]?[!x]", "bqy");
        yes("[]]", "]");
        yes(r"\*", "*");
        yes("[a", "[a");
        no("*.conf", "a.con");
        no("[a-c]", "d");
        no(r"\*", "a");
        no(&"*a".repeat(50), &"b".repeat(200));
    }

    #[test]
    fn files() {
        let source = Memory::new()
            .file("d/b.conf", "")
            .file("d/a.conf", "")
            .file("d/.c.conf", "")
            .file("e/a.conf", "");
        let found = find(&source, Path::new("/"), b"{d,e}/*.conf");
        assert_eq!(found.paths, ["/d/a.conf", "/d/b.conf", "/e/a.conf"].map(PathBuf::from));
        let found = find(&source, Path::new("/d"), b"{a,x}.conf");
        assert_eq!(found.without_match, [b"x.conf".to_vec()]);
        assert_eq!(find(&source, Path::new("/d"), b"/*/a.conf").paths.len(), 2);
    }

    #[test]
    fn include_check_words() {
        let words = |words: &'static [&'static str]| words.iter().map(|word| word.as_bytes());
        assert_eq!(Checks::default().set(words(&[])), Checks::ALL);
        let only_match = Checks { readable: true, plain: true, ..Checks::default() };
        assert_eq!(Checks::ALL.set(words(&["match"])), only_match);
        let without = Checks { wildcard: false, ..Checks::ALL };
        assert_eq!(Checks::ALL.set(words(&["-wildcard_match"])), without);
    }
}
