//! Which configuration another daemon was started with, from its command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use crate::options::DEFAULT_CONFIGURATION;

/// Options of one letter that have a value, keepalived's and steadfast's.
const VALUED: &[u8] = b"fSupcrbsiA";
/// Those whose value, if there is one, stands in the same word.
const ATTACHED: &[u8] = b"tgM";

/// What a command line says, as far as it is wanted here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arguments {
    /// `-f`
    pub(super) configuration: PathBuf,
    /// `-i`
    pub(super) config_id: Option<Vec<u8>>,
}

impl Arguments {
    /// Of the words of a command line, the program's name first. What is not understood is passed over.
    pub(super) fn of(words: &[OsString]) -> Self {
        let mut arguments = Self { configuration: PathBuf::from(DEFAULT_CONFIGURATION), config_id: None };
        let mut rest = words.iter().skip(1).map(|word| word.as_bytes());
        while let Some(word) = rest.next() {
            match word {
                [b'-', b'-', long @ ..] => {
                    let (name, attached) = match long.iter().position(|byte| *byte == b'=') {
                        Some(at) => (long.get(..at).unwrap_or_default(), long.get(at + 1..)),
                        None => (long, None),
                    };
                    if let Some(letter) = letter_of(name)
                        && let Some(value) = attached.or_else(|| rest.next())
                    {
                        arguments.take(letter, value);
                    }
                }
                [b'-', shorts @ ..] => {
                    if let Some((letter, attached)) = valued(shorts)
                        && let Some(value) = attached.or_else(|| rest.next())
                    {
                        arguments.take(letter, value);
                    }
                }
                _ => {}
            }
        }
        arguments
    }

    fn take(&mut self, letter: u8, value: &[u8]) {
        match letter {
            b'f' => self.configuration = PathBuf::from(OsStr::from_bytes(value)),
            b'i' => self.config_id = Some(OsString::from_vec(value.to_vec()).into_vec()),
            _ => {}
        }
    }
}

/// A long name may be cut short (getopt_long(3)), but is told from `umask` and `config-test`.
fn letter_of(name: &[u8]) -> Option<u8> {
    let cut = |whole: &str, least: usize| name.len() >= least && whole.as_bytes().starts_with(name);
    match () {
        () if cut("use-file", 2) => Some(b'f'),
        () if cut("config-id", "config-i".len()) => Some(b'i'),
        () => None,
    }
}

/// The option of a word of letters that has a value, and the value if it stands in the same word.
fn valued(shorts: &[u8]) -> Option<(u8, Option<&[u8]>)> {
    let at = shorts.iter().position(|letter| VALUED.contains(letter) || ATTACHED.contains(letter))?;
    let letter = *shorts.get(at).filter(|letter| VALUED.contains(letter))?;
    Some((letter, shorts.get(at + 1..).filter(|value| !value.is_empty())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (String, Option<String>) {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let found = Arguments::of(&words);
        let id = found.config_id.map(|id| String::from_utf8(id).unwrap());
        (found.configuration.display().to_string(), id)
    }

    #[test]
    fn the_configuration_is_found_however_it_is_given() {
        for (line, file) in [
            ("keepalived", DEFAULT_CONFIGURATION),
            ("keepalived -D -f /a", "/a"),
            ("keepalived -nlDf/a", "/a"),
            ("keepalived -nlDf /a -p -f", "/a"),
            ("keepalived --use-file=/a -S 1", "/a"),
            ("keepalived --use /a", "/a"),
            ("keepalived -t-f -p /f", DEFAULT_CONFIGURATION),
            ("keepalived -f", DEFAULT_CONFIGURATION),
            ("keepalived -u 022 --umask=0", DEFAULT_CONFIGURATION),
        ] {
            assert_eq!(read(line).0, file, "{line}");
        }
        assert_eq!(read("keepalived -i one -f /a"), ("/a".to_owned(), Some("one".to_owned())));
        assert_eq!(read("keepalived --config-id=one").1.as_deref(), Some("one"));
        assert_eq!(read("keepalived --config-test=one").1, None);
    }
}
