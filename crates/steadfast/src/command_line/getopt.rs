//! Words as getopt_long reads them, rewritten so that clap reads the same: every option by its long name with
//! its value attached.
//!
//! The differences this bridges: an optional value is only ever attached (`-t/tmp/log`, never `-t /tmp/log`), a
//! mandatory value is the next word whatever it looks like, and a long name may be cut short while it stays
//! unambiguous.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use clap::{Arg, Command};

/// Rewrites the words after the program's name. What is unknown or incomplete stays as it is, for clap to refuse.
pub(crate) fn rewrite(command: &Command, words: &[OsString]) -> Vec<OsString> {
    let mut rewritten = Vec::with_capacity(words.len());
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_bytes() {
            b"--" => {
                rewritten.push(word.clone());
                rewritten.extend(rest.by_ref().cloned());
            }
            [b'-', b'-', long @ ..] => rewritten.push(long_option(command, word, long, &mut rest)),
            [b'-', shorts @ ..] if !shorts.is_empty() => {
                short_options(command, shorts, &mut rest, &mut rewritten);
            }
            _ => rewritten.push(word.clone()),
        }
    }
    rewritten
}

fn long_option<'w>(
    command: &Command,
    word: &OsStr,
    long: &[u8],
    rest: &mut impl Iterator<Item = &'w OsString>,
) -> OsString {
    let mut halves = long.splitn(2, |byte| *byte == b'=');
    let name = halves.next().unwrap_or_default();
    let attached = halves.next();
    let Some(option) = by_long_name(command, name) else { return word.to_owned() };
    match (Value::of(option), attached) {
        (Value::None | Value::Optional, None) => written(option, None),
        (Value::Mandatory, None) => match rest.next() {
            Some(value) => written(option, Some(value.as_bytes())),
            None => written(option, None),
        },
        (_, Some(value)) => written(option, Some(value)),
    }
}

fn short_options<'w>(
    command: &Command,
    mut shorts: &[u8],
    rest: &mut impl Iterator<Item = &'w OsString>,
    rewritten: &mut Vec<OsString>,
) {
    while let [short, tail @ ..] = shorts {
        shorts = tail;
        let Some(option) = command.get_arguments().find(|option| option.get_short() == Some((*short).into()))
        else {
            rewritten.push(OsString::from_vec(vec![b'-', *short]));
            continue;
        };
        let value = match Value::of(option) {
            Value::None => None,
            Value::Optional | Value::Mandatory if !tail.is_empty() => Some(std::mem::take(&mut shorts)),
            Value::Optional => None,
            Value::Mandatory => rest.next().map(|word| word.as_bytes()),
        };
        rewritten.push(written(option, value));
    }
}

/// Whether an option takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    None,
    Optional,
    Mandatory,
}

impl Value {
    fn of(option: &Arg) -> Self {
        if !option.get_action().takes_values() {
            Self::None
        } else if option.is_require_equals_set() {
            Self::Optional
        } else {
            Self::Mandatory
        }
    }
}

/// The option of this long name, or the only one that begins so.
fn by_long_name<'c>(command: &'c Command, name: &[u8]) -> Option<&'c Arg> {
    let named = |option: &&Arg| option.get_long().is_some_and(|long| long.as_bytes() == name);
    let begins = |option: &&Arg| option.get_long().is_some_and(|long| long.as_bytes().starts_with(name));
    if let Some(option) = command.get_arguments().find(named) {
        return Some(option);
    }
    let mut candidates = command.get_arguments().filter(begins);
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

fn written(option: &Arg, value: Option<&[u8]>) -> OsString {
    let mut text = OsString::from("--");
    text.push(option.get_long().unwrap_or_default());
    if let Some(value) = value {
        text.push("=");
        text.push(OsStr::from_bytes(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_line::{Name, daemon_command};

    fn rewritten(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let rewritten = rewrite(&daemon_command(Name::Keepalived), &words);
        rewritten.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn flags_are_unbundled() {
        assert_eq!(rewritten("-nlD"), "--dont-fork --log-console --log-detail");
        assert_eq!(rewritten("-nlf/etc/x -D"), "--dont-fork --log-console --use-file=/etc/x --log-detail");
    }

    #[test]
    fn a_mandatory_value_is_attached_or_the_next_word() {
        assert_eq!(rewritten("-p/a -r /b"), "--pid=/a --vrrp_pid=/b");
        assert_eq!(rewritten("-nf -x"), "--dont-fork --use-file=-x");
        assert_eq!(rewritten("--pid -x --vrrp_pid=y"), "--pid=-x --vrrp_pid=y");
        assert_eq!(rewritten("-f"), "--use-file");
    }

    #[test]
    fn an_optional_value_is_attached_only() {
        assert_eq!(rewritten("-t /log"), "--config-test /log");
        assert_eq!(rewritten("-t/log"), "--config-test=/log");
        assert_eq!(rewritten("-ntn"), "--dont-fork --config-test=n");
        assert_eq!(rewritten("--config-test -n"), "--config-test --dont-fork");
    }

    #[test]
    fn a_long_name_may_be_cut_short_while_unambiguous() {
        assert_eq!(rewritten("--log-con --use=/a"), "--log-console --use-file=/a");
        // log-console, log-detail, log-facility and log-file
        assert_eq!(rewritten("--log"), "--log");
        // itself, although core-dump-pattern begins so too
        assert_eq!(rewritten("--core-dump"), "--core-dump");
    }

    #[test]
    fn what_is_unknown_stays() {
        assert_eq!(rewritten("-nZ --nosuch=3 word - -- -n"), "--dont-fork -Z --nosuch=3 word - -- -n");
    }
}
