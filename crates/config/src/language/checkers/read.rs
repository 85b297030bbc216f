//! Readers of checkers.

use super::keywords::{TLS_URL, URL};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::language::blocks::fill_from;
use crate::model::{DnsCheck, FileCheck, HttpCheck, HttpProtocol, HttpUrl, MiscCheck, UdpCheck};
use crate::table::notation::{quote, quote_account, quote_command};
use crate::table::{Keywords, Line, Statement, shown};
use crate::value::Text;

pub(crate) fn read_misc_path(check: &mut MiscCheck, line: Statement<'_, '_, '_, '_>) {
    line.read_command(&mut check.script);
}

pub(crate) fn show_misc_path(check: &MiscCheck) -> Vec<String> {
    vec![quote_command(&check.script.words)]
}

pub(crate) fn read_misc_user(check: &mut MiscCheck, line: Statement<'_, '_, '_, '_>) {
    line.read_account(&mut check.script, "the check is dropped");
}

pub(crate) fn show_misc_user(check: &MiscCheck) -> Vec<String> {
    check.script.account.iter().map(quote_account).collect()
}

fn nibble(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Hexadecimal digits, blanks between them allowed; `x` is a digit that may be anything.
fn hex(line: &Line<'_, '_, '_>, wildcard: bool) -> Option<Vec<(u8, u8)>> {
    let digits: Vec<u8> = line.words().concat().into_bytes();
    let digit = |byte: u8| match byte {
        b'x' | b'X' if wildcard => Some((0, 0)),
        _ => nibble(byte).map(|value| (value, 0xf)),
    };
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => {
                let ((high, high_mask), (low, low_mask)) = (digit(*high)?, digit(*low)?);
                Some((high << 4 | low, high_mask << 4 | low_mask))
            }
            _ => None,
        })
        .collect()
}

pub(crate) fn read_payload(check: &mut UdpCheck, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() {
        return line.missing("HEX");
    }
    match hex(line, false) {
        Some(octets) => check.payload = Some(octets.into_iter().map(|(value, _)| value).collect()),
        None => line.report(Code::InvalidNumber, 0, "payload must be pairs of hexadecimal digits"),
    }
}

pub(crate) fn show_payload(check: &UdpCheck) -> Vec<String> {
    let digits = |octets: &Vec<u8>| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    check.payload.iter().map(digits).collect()
}

pub(crate) fn read_reply(check: &mut UdpCheck, line: Statement<'_, '_, '_, '_>) {
    check.require_reply = true;
    match hex(line, true) {
        Some(octets) => check.reply = octets,
        None => line.report(Code::InvalidNumber, 0, "require_reply must be pairs of hexadecimal digits or x"),
    }
}

pub(crate) fn show_reply(check: &UdpCheck) -> Vec<String> {
    let digit = |value: u8, mask: u8| match mask & 0xf {
        0 => 'x',
        _ => char::from_digit(u32::from(value & 0xf), 16).unwrap_or('x'),
    };
    let octets = check.reply.iter();
    let digits: String =
        octets.flat_map(|(value, mask)| [digit(value >> 4, mask >> 4), digit(*value, *mask)]).collect();
    if check.require_reply { vec![digits] } else { Vec::new() }
}

const DNS_TYPES: &[&str] = &["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"];

pub(crate) fn read_dns_type(check: &mut DnsCheck, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.word(0) else { return };
    let upper = word.to_ascii_uppercase();
    if DNS_TYPES.contains(&upper.as_str()) {
        check.query_type = upper.into();
        return;
    }
    let span = line.span(0);
    line.push(
        Diagnostic::new(Code::InvalidChoice, span, format!("'{word}' is no query type of DNS_CHECK"))
            .expected(DNS_TYPES.join(", ")),
    );
}

pub(crate) fn show_dns_type(check: &DnsCheck) -> Vec<String> {
    vec![check.query_type.to_string()]
}

pub(crate) fn read_file_weight(check: &mut FileCheck, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() {
        return line.missing("INTEGER [reverse|noreverse]");
    }
    if let Some(weight) = line.integer(0, -2_147_483_647, 2_147_483_647) {
        check.weight = i32::try_from(weight).unwrap_or_default();
        line.context.file_weight_given = true;
    }
    match line.word(1) {
        Some("reverse") => check.reverse = true,
        Some("noreverse") => check.reverse = false,
        Some(word) => line.report(Code::UnknownOption, 1, format!("weight does not know '{word}'")),
        None => {}
    }
}

pub(crate) fn show_file_weight(check: &FileCheck) -> Vec<String> {
    vec![format!("{}{}", check.weight, if check.reverse { " reverse" } else { " noreverse" })]
}

const PROTOCOLS: [(&str, HttpProtocol); 4] = [
    ("1.0", HttpProtocol::V1_0),
    ("1.0C", HttpProtocol::V1_0Close),
    ("1.0c", HttpProtocol::V1_0Close),
    ("1.1", HttpProtocol::V1_1),
];

pub(crate) fn read_http_protocol(check: &mut HttpCheck, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.word(0) else { return };
    match PROTOCOLS.iter().find(|(name, _)| *name == word) {
        Some((_, protocol)) => check.protocol = *protocol,
        None => {
            let span = line.span(0);
            line.push(
                Diagnostic::new(Code::InvalidChoice, span, format!("'{word}' is no version of HTTP here"))
                    .expected("1.0, 1.0C or 1.1"),
            );
        }
    }
}

pub(crate) fn show_http_protocol(check: &HttpCheck) -> Vec<String> {
    let found = PROTOCOLS.iter().find(|(_, protocol)| *protocol == check.protocol);
    found.map(|(name, _)| (*name).to_owned()).into_iter().collect()
}

pub(crate) fn read_sni_name(check: &mut HttpCheck, line: Statement<'_, '_, '_, '_>) {
    check.sni = true;
    check.sni_name = line.word(0).map(Text::from);
}

pub(crate) fn show_sni_name(check: &HttpCheck) -> Vec<String> {
    check.sni_name.iter().map(|name| quote(name)).collect()
}

pub(crate) fn read_digest(url: &mut HttpUrl, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.word(0) else { return };
    if word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        url.digest = Some(word.into());
    } else {
        let span = line.span(0);
        line.push(
            Diagnostic::new(Code::InvalidNumber, span, format!("digest '{word}' is no MD5"))
                .expected("32 hexadecimal digits"),
        );
    }
}

pub(crate) fn show_digest(url: &HttpUrl) -> Vec<String> {
    url.digest.iter().map(ToString::to_string).collect()
}

pub(crate) fn read_status_codes(url: &mut HttpUrl, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() {
        return line.missing("CODE or CODE-CODE");
    }
    for (place, word) in line.words().into_iter().enumerate() {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let code = |text: &str| text.parse::<u16>().ok().filter(|code| (100..=599).contains(code));
        match (code(first), code(last)) {
            (Some(first), Some(last)) if first <= last => url.status_codes.push((first, last)),
            _ => {
                let span = line.span(place);
                line.push(
                    Diagnostic::new(Code::InvalidNumber, span, format!("'{word}' is no status code"))
                        .expected("a code from 100 to 599, or two with '-' between them"),
                );
            }
        }
    }
}

pub(crate) fn show_status_codes(url: &HttpUrl) -> Vec<String> {
    let words: Vec<String> = url
        .status_codes
        .iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    if words.is_empty() { Vec::new() } else { vec![words.join(" ")] }
}

pub(crate) fn read_regex(url: &mut HttpUrl, line: Statement<'_, '_, '_, '_>) {
    if let Some(pattern) = line.pattern() {
        url.regex = Some(pattern);
    }
}

/// In double quotes, with what would end or change it escaped.
pub(crate) fn show_regex(url: &HttpUrl) -> Vec<String> {
    let quoted = |pattern: &Text| {
        let mut text = String::from("\"");
        for c in pattern.chars() {
            match c {
                '"' | '\\' => {
                    text.push('\\');
                    text.push('x');
                    text.push_str(&format!("{:02x}", u32::from(c)));
                }
                _ => text.push(c),
            }
        }
        text.push('"');
        text
    };
    url.regex.iter().map(quoted).collect()
}

const REGEX_OPTIONS: &[&str] = &[
    "allow_empty_class",
    "alt_bsux",
    "auto_callout",
    "caseless",
    "dollar_endonly",
    "dotall",
    "dupnames",
    "extended",
    "firstline",
    "match_unset_backref",
    "multiline",
    "never_ucp",
    "never_utf",
    "no_auto_capture",
    "no_auto_possess",
    "no_dotstar_anchor",
    "no_start_optimize",
    "ucp",
    "ungreedy",
    "utf",
    "never_backslash_c",
    "alt_circumflex",
    "alt_verbnames",
    "use_offset_limit",
];

pub(crate) fn read_regex_options(url: &mut HttpUrl, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() {
        return line.missing("NAME...");
    }
    for (place, word) in line.words().into_iter().enumerate() {
        if REGEX_OPTIONS.contains(&word) {
            if !url.regex_options.iter().any(|option| &**option == word) {
                url.regex_options.push(word.into());
            }
            continue;
        }
        let span = line.span(place);
        line.push_suggesting(
            Diagnostic::new(Code::ExtraWords, span, format!("'{word}' is no option of regular expressions"))
                .note("keepalived ignores it in silence"),
            word,
            REGEX_OPTIONS.iter().copied(),
        );
    }
}

pub(crate) fn show_regex_options(url: &HttpUrl) -> Vec<String> {
    if url.regex_options.is_empty() { Vec::new() } else { vec![url.regex_options.join(" ")] }
}

pub(crate) fn read_regex_stack(url: &mut HttpUrl, line: Statement<'_, '_, '_, '_>) {
    let (Some(start), Some(most)) = (line.unsigned(0, 1, u64::MAX), line.unsigned(1, 1, u64::MAX)) else {
        return;
    };
    if start > most {
        return line.report(Code::SettingIgnored, 0, "the stack starts above its maximum");
    }
    url.regex_stack = Some((start, most));
}

pub(crate) fn show_regex_stack(url: &HttpUrl) -> Vec<String> {
    url.regex_stack.iter().map(|(start, most)| format!("{start} {most}")).collect()
}

/// A token (RFC 9110 section 5.6.2), as methods and names of fields are.
fn is_token(word: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !word.is_empty() && word.bytes().all(is_allowed)
}

pub(crate) fn read_method(url: &mut HttpUrl, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.word(0) else { return };
    if !is_token(word) {
        return line.report(Code::InvalidName, 0, format!("'{word}' is no request method"));
    }
    url.request.get_or_insert_default().method = Some(word.into());
}

pub(crate) fn show_method(url: &HttpUrl) -> Vec<String> {
    let method = url.request.as_ref().and_then(|request| request.method.as_deref());
    method.map(quote).into_iter().collect()
}

pub(crate) fn read_header(url: &mut HttpUrl, line: Statement<'_, '_, '_, '_>) {
    let (Some(name), Some(value)) = (line.word(0), line.word(1)) else {
        return line.missing("NAME VALUE");
    };
    let name = name.trim_end_matches(':');
    if !is_token(name) {
        return line.report(Code::InvalidName, 0, format!("'{name}' is no name of a header field"));
    }
    if ["host", "content-length", "connection", "transfer-encoding"]
        .contains(&name.to_ascii_lowercase().as_str())
    {
        return line.report(
            Code::InvalidName,
            0,
            format!("the check writes the header field '{name}' itself"),
        );
    }
    if value.chars().any(char::is_control) {
        return line.report(Code::InvalidName, 1, "a header field holds no control characters");
    }
    line.no_more(2);
    url.request.get_or_insert_default().headers.push((name.into(), value.into()));
}

pub(crate) fn show_headers(url: &HttpUrl) -> Vec<String> {
    let headers = url.request.iter().flat_map(|request| &request.headers);
    headers.map(|(name, value)| format!("{} {}", quote(name), quote(value))).collect()
}

pub(crate) fn read_body(url: &mut HttpUrl, line: Statement<'_, '_, '_, '_>) {
    if let Some(word) = line.word(0) {
        url.request.get_or_insert_default().body = Some(word.into());
    }
}

pub(crate) fn show_body(url: &HttpUrl) -> Vec<String> {
    url.request.as_ref().and_then(|request| request.body.as_deref()).map(quote).into_iter().collect()
}

pub(crate) fn read_url(check: &mut HttpCheck, line: Statement<'_, '_, '_, '_>) {
    add_url(check, line, &[URL]);
}

pub(crate) fn read_tls_url(check: &mut HttpCheck, line: Statement<'_, '_, '_, '_>) {
    add_url(check, line, &[URL, TLS_URL]);
}

fn add_url(check: &mut HttpCheck, line: Statement<'_, '_, '_, '_>, lists: &[&'static Keywords<HttpUrl>]) {
    let mut url = HttpUrl::default();
    fill_from(&mut url, lists, line.node, line.context);
    if url.path.is_empty() {
        let message = "url without a path; it is dropped";
        let span = line.node.span();
        return line.push(Diagnostic::new(Code::IncompleteBlock, span, message).of_block());
    }
    check.urls.push(url);
}

pub(crate) fn show_urls(check: &HttpCheck) -> Vec<String> {
    let lines = |url: &HttpUrl| {
        let own = shown::statements(URL, url, None);
        shown::block(own.into_iter().chain(shown::statements(TLS_URL, url, None)))
    };
    check.urls.iter().flat_map(lines).collect()
}
