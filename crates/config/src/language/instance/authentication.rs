//! Readers of the keywords of `authentication` and `auth_hmac`.

use std::ops::RangeInclusive;

use super::keywords::{AUTH_HMAC, AUTHENTICATION};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::language::blocks::fill;
use crate::machine::KeyFileState;
use crate::model::{AuthHmac, AuthType, HmacKey, HmacMode, Password, VrrpInstance};
use crate::table::notation::quote;
use crate::table::remembered::AuthenticationDraft;
use crate::table::{Argument, Statement, Value, shown};

pub(crate) fn read_authentication(_: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    let mut draft = line.context.scratch.authentication.take().unwrap_or_default();
    draft.span = line.node.span();
    fill(&mut draft, AUTHENTICATION, line.node, line.context);
    line.context.scratch.authentication = Some(draft);
}

pub(crate) fn show_authentication(instance: &VrrpInstance) -> Vec<String> {
    let Some(authentication) = &instance.authentication else { return Vec::new() };
    let draft = AuthenticationDraft {
        kind: Some(authentication.kind),
        password: Some(authentication.password.clone()),
        ..AuthenticationDraft::default()
    };
    shown::block(shown::statements(AUTHENTICATION, &draft, None))
}

pub(crate) fn read_auth_hmac(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    let hmac = instance.auth_hmac.get_or_insert_default();
    fill::<AuthHmac>(hmac, AUTH_HMAC, line.node, line.context);
}

pub(crate) fn show_auth_hmac(instance: &VrrpInstance) -> Vec<String> {
    let Some(hmac) = &instance.auth_hmac else { return Vec::new() };
    shown::block(shown::statements::<AuthHmac>(AUTH_HMAC, hmac, None))
}

pub(crate) fn read_auth_type(draft: &mut AuthenticationDraft, line: Statement<'_, '_, '_, '_>) {
    draft.kind = match line.word(0) {
        Some("PASS") => Some(AuthType::Password),
        Some("AH") => Some(AuthType::Header),
        Some(word) => {
            let span = line.span(0);
            line.push_suggesting(
                Diagnostic::new(Code::InvalidChoice, span, format!("'{word}' is no kind of authentication"))
                    .expected("PASS or AH"),
                word,
                ["PASS", "AH"],
            );
            return;
        }
        None => return,
    };
}

pub(crate) fn show_auth_type(draft: &AuthenticationDraft) -> Vec<String> {
    let word = |kind| if kind == AuthType::Password { "PASS" } else { "AH" }.to_owned();
    draft.kind.map(word).into_iter().collect()
}

pub(crate) fn read_auth_pass(draft: &mut AuthenticationDraft, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.node.argument(0) else { return };
    let bytes = word.bytes();
    if bytes.len() > 8 {
        line.report(Code::PasswordTruncated, 0, "auth_pass is cut to its first 8 octets");
    }
    draft.password = Some(Password::new(bytes));
    draft.password_span = line.node.span();
}

pub(crate) fn show_auth_pass(draft: &AuthenticationDraft) -> Vec<String> {
    draft.password.as_ref().map(|password| quote(&password.to_text())).into_iter().collect()
}

/// Octets of a key of `auth_hmac`.
const SHORTEST_KEY: u8 = 32;
const LONGEST_KEY: u8 = 64;

pub(crate) fn read_hmac_key(hmac: &mut AuthHmac, line: Statement<'_, '_, '_, '_>) {
    let id = line.unsigned(0, 1, 255).and_then(|id| u8::try_from(id).ok());
    let Some(value) = line.word(1) else { return line.missing("ID VALUE") };
    let Some(id) = id else { return };
    if hmac.keys.iter().any(|key| key.id == id) {
        return line.report(Code::GivenTwice, 0, format!("key {id} is given already"));
    }
    let lengths = usize::from(SHORTEST_KEY)..=usize::from(LONGEST_KEY);
    if key_is_sound(id, value, (1, lengths), "", line) {
        hmac.keys.push(HmacKey { id, value: value.into() });
    }
}

/// The value of a key, the word at that position, which may have so many octets. Whether it can be one comes back; what is
/// wrong with it is said, and what comes of that. A file may become right until it is read.
pub(crate) fn key_is_sound(
    id: u8,
    value: &str,
    (position, lengths): (usize, RangeInclusive<usize>),
    outcome: &str,
    line: Statement<'_, '_, '_, '_>,
) -> bool {
    let expected = format!("{} to {} octets", lengths.start(), lengths.end());
    let length = match value.split_once(':') {
        Some(("file", path)) => {
            check_key_file(id, path, (position, lengths), line);
            return true;
        }
        Some(("hex", digits))
            if digits.len() % 2 == 0 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) =>
        {
            digits.len() / 2
        }
        Some(("hex", _)) => {
            let message = format!("the digits of key {id} are not hexadecimal{outcome}");
            let diagnostic = Diagnostic::new(Code::SettingIgnored, line.span(position), message);
            line.push(diagnostic.expected(format!("two digits from 0 to f for each of {expected}")));
            return false;
        }
        _ => value.len(),
    };
    let sound = lengths.contains(&length);
    if !sound {
        let message = format!("key {id} has {length} octets{outcome}");
        line.push(Diagnostic::new(Code::SettingIgnored, line.span(position), message).expected(expected));
    }
    sound
}

/// A file named by the word at that position, whose contents may have so many octets.
fn check_key_file(
    id: u8,
    path: &str,
    (position, lengths): (usize, RangeInclusive<usize>),
    line: Statement<'_, '_, '_, '_>,
) {
    let octets = |length: &usize| u64::try_from(*length).unwrap_or(u64::MAX);
    let span = line.span(position);
    let expected = format!("a file with {} to {} octets", lengths.start(), lengths.end());
    let diagnostic =
        match line.context.machine.key_file(path, octets(lengths.start())..=octets(lengths.end())) {
            KeyFileState::Good => return,
            KeyFileState::Unreadable => {
                let message = format!("key {id}: '{path}' does not exist or cannot be read");
                Diagnostic::new(Code::KeyFileUnusable, span, message)
            }
            KeyFileState::WrongLength(length) => {
                let message = format!("key {id}: '{path}' has {length} octets");
                Diagnostic::new(Code::KeyFileUnusable, span, message).expected(expected)
            }
            KeyFileState::Exposed => {
                let message = format!("key {id}: others than its owner can read or change '{path}'");
                Diagnostic::new(Code::KeyFileExposed, span, message).hint(format!("chmod 600 {path}"))
            }
        };
    line.push(diagnostic);
}

pub(crate) fn show_hmac_keys(hmac: &AuthHmac) -> Vec<String> {
    hmac.keys.iter().map(|key| format!("{} {}", key.id, quote(&key.value))).collect()
}

pub(crate) fn read_anti_replay(hmac: &mut AuthHmac, line: Statement<'_, '_, '_, '_>) {
    if let Some(Value::Text(word)) = line.value(Argument::Choice(&["time", "monotonic"]), 0) {
        hmac.monotonic = word == "monotonic";
    }
}

pub(crate) fn show_anti_replay(hmac: &AuthHmac) -> Vec<String> {
    vec![if hmac.monotonic { "monotonic" } else { "time" }.to_owned()]
}

const MODES: [(&str, HmacMode); 3] = [
    ("enforce", HmacMode::Enforce),
    ("permissive", HmacMode::Permissive),
    ("receive-only", HmacMode::ReceiveOnly),
];

pub(crate) fn read_hmac_mode(hmac: &mut AuthHmac, line: Statement<'_, '_, '_, '_>) {
    let argument = Argument::Choice(&["enforce", "permissive", "receive-only"]);
    if let Some(Value::Text(word)) = line.value(argument, 0)
        && let Some((_, mode)) = MODES.iter().find(|(name, _)| *name == word)
    {
        hmac.mode = *mode;
    }
}

pub(crate) fn show_hmac_mode(hmac: &AuthHmac) -> Vec<String> {
    MODES.iter().filter(|(_, mode)| *mode == hmac.mode).map(|(name, _)| (*name).to_owned()).collect()
}
