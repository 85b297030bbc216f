//! Header fields (RFC 7541), as far as one exchange needs them.
//!
//! The server was told to keep no table of them, so that each of its fields stands for itself or in the static table.
//! Text that it compressed is compared as it came: of names and values only those of a status matter.

/// `grpc-status`, and the same by the code of RFC 7541 appendix B.
const GRPC_STATUS: [&[u8]; 2] = [b"grpc-status", &[0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f]];

/// Places of the static table (RFC 7541 appendix A).
const AUTHORITY: u8 = 1;
const POST: u8 = 0x83;
const PATH: u8 = 4;
const HTTP: u8 = 0x86;
const HTTPS: u8 = 0x87;
const STATUS: usize = 8;
const CONTENT_TYPE: usize = 31;
const USER_AGENT: usize = 58;

/// Statuses of HTTP that are in the static table from 8 on.
const STATUSES: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];

/// What the fields have told of how it went.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) http_status: Option<u16>,
    pub(super) grpc_status: Option<u16>,
}

/// The fields of the question.
pub(super) fn request(secure: bool, host: &str, path: &str) -> Vec<u8> {
    let mut block = vec![POST, if secure { HTTPS } else { HTTP }];
    block.push(PATH);
    text(&mut block, path);
    block.push(AUTHORITY);
    text(&mut block, host);
    for (name, value) in [(CONTENT_TYPE, "application/grpc"), (USER_AGENT, "KeepAliveClient")] {
        number(&mut block, 0, 4, name);
        text(&mut block, value);
    }
    block.push(0);
    text(&mut block, "te");
    text(&mut block, "trailers");
    block
}

/// RFC 7541 section 5.1.
fn number(block: &mut Vec<u8>, pattern: u8, bits: u32, value: usize) {
    let most = (1_usize << bits) - 1;
    if value < most {
        return block.push(pattern | u8::try_from(value).unwrap_or_default());
    }
    block.push(pattern | u8::try_from(most).unwrap_or_default());
    let mut rest = value - most;
    while rest > 0x7f {
        block.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    block.push(u8::try_from(rest).unwrap_or_default());
}

/// RFC 7541 section 5.2.
fn text(block: &mut Vec<u8>, text: &str) {
    number(block, 0, 7, text.len());
    block.extend_from_slice(text.as_bytes());
}

impl Told {
    /// Reads a block of fields; nothing if it is none.
    pub(super) fn read(&mut self, block: &[u8]) -> Option<()> {
        let mut rest = block;
        while let Some(first) = rest.first().copied() {
            if first & 0x80 != 0 {
                let place = take_number(&mut rest, 7)?;
                let status = place.checked_sub(STATUS).and_then(|place| STATUSES.get(place));
                self.http_status = status.copied().or(self.http_status);
                continue;
            }
            if first & 0xe0 == 0x20 {
                take_number(&mut rest, 5)?;
                continue;
            }
            let place = take_number(&mut rest, if first & 0x40 != 0 { 6 } else { 4 })?;
            let name = if place == 0 { Some(take_text(&mut rest)?.1) } else { None };
            let (compressed, value) = take_text(&mut rest)?;
            let is_status = (STATUS..STATUS + STATUSES.len()).contains(&place);
            if is_status {
                self.http_status = digits(compressed, value).or(self.http_status);
            } else if name.is_some_and(|name| GRPC_STATUS.contains(&name)) {
                self.grpc_status = digits(compressed, value).or(self.grpc_status);
            }
        }
        Some(())
    }
}

fn take_number(octets: &mut &[u8], bits: u32) -> Option<usize> {
    let (first, mut rest) = octets.split_first()?;
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        // Longer numbers than these are of nobody who means well.
        for shift in [0, 7, 14] {
            let (next, behind) = rest.split_first()?;
            rest = behind;
            value += usize::from(next & 0x7f) << shift;
            if next & 0x80 == 0 {
                *octets = rest;
                return Some(value);
            }
        }
        return None;
    }
    *octets = rest;
    Some(value)
}

/// Whether it is compressed, and its octets.
fn take_text<'a>(octets: &mut &'a [u8]) -> Option<(bool, &'a [u8])> {
    let compressed = octets.first()? & 0x80 != 0;
    let length = take_number(octets, 7)?;
    let (text, rest) = octets.split_at_checked(length)?;
    *octets = rest;
    Some((compressed, text))
}

/// A number of few digits.
fn digits(compressed: bool, value: &[u8]) -> Option<u16> {
    if !compressed {
        return std::str::from_utf8(value).ok()?.parse().ok();
    }
    if value.len() > 4 {
        return None;
    }
    let bits = value.iter().fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet));
    let mut left = 8 * u32::try_from(value.len()).ok()?;
    let mut number = 0_u16;
    // RFC 7541 appendix B: 0, 1 and 2 have five bits, the other digits six; what is left at the end is ones.
    while left >= 5 {
        let five = bits >> (left - 5) & 0x1f;
        let (digit, length) = match five {
            0..=2 => (five, 5),
            _ if left >= 6 => match bits >> (left - 6) & 0x3f {
                six @ 0x19..=0x1f => (six - 0x16, 6),
                _ => break,
            },
            _ => break,
        };
        number = number.checked_mul(10)?.checked_add(u16::try_from(digit).ok()?)?;
        left -= length;
    }
    let rest = (1_u32 << left) - 1;
    (left < 8 && bits & rest == rest).then_some(number)
}
