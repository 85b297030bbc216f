//! Frames (RFC 9113 section 4).

/// What a client says first (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Longest frame of who was not allowed more (RFC 9113 section 4.2).
const FRAME_BYTES_MAX: usize = 16_384;

/// Flags (RFC 9113 section 6).
pub(super) const ACKNOWLEDGED: u8 = 0x1;
pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Settings (RFC 9113 section 6.5.2).
const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(u8);

impl Kind {
    pub(super) const DATA: Self = Self(0);
    pub(super) const HEADERS: Self = Self(1);
    pub(super) const RST_STREAM: Self = Self(3);
    pub(super) const SETTINGS: Self = Self(4);
    pub(super) const PUSH_PROMISE: Self = Self(5);
    pub(super) const PING: Self = Self(6);
    pub(super) const GOAWAY: Self = Self(7);
    pub(super) const CONTINUATION: Self = Self(9);
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    flags: u8,
    pub(super) stream: u32,
    pub(super) payload: &'a [u8],
}

/// A frame longer than may be.
#[derive(Debug)]
pub(super) struct TooLong;

impl<'a> Frame<'a> {
    /// The first frame and what is behind it, once all of it has come.
    pub(super) fn read(octets: &'a [u8]) -> Result<Option<(Self, &'a [u8])>, TooLong> {
        let Some((head, rest)) = octets.split_first_chunk::<9>() else { return Ok(None) };
        let [high, middle, low, kind, flags, stream @ ..] = *head;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if length > FRAME_BYTES_MAX {
            return Err(TooLong);
        }
        let Some((payload, behind)) = rest.split_at_checked(length) else { return Ok(None) };
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        Ok(Some((Self { kind: Kind(kind), flags, stream, payload }, behind)))
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// What it carries, without padding and priority; nothing if these are longer than the frame.
    pub(super) fn content(&self) -> Option<&'a [u8]> {
        let mut content = self.payload;
        if self.kind == Kind::CONTINUATION {
            return Some(content);
        }
        if self.has(PADDED) {
            let (padding, rest) = content.split_first()?;
            content = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
        }
        if self.kind == Kind::HEADERS && self.has(PRIORITY) {
            content = content.get(5..)?;
        }
        Some(content)
    }
}

pub(super) fn write(out: &mut Vec<u8>, kind: Kind, flags: u8, stream: u32, payload: &[u8]) {
    // What is said here is short.
    let [_, high, middle, low] = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(&[high, middle, low, kind.0, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// No table of header fields to be kept, and nothing that was not asked for.
pub(super) fn settings(out: &mut Vec<u8>) {
    let mut payload = Vec::new();
    for setting in [HEADER_TABLE_SIZE, ENABLE_PUSH] {
        payload.extend_from_slice(&setting.to_be_bytes());
        payload.extend_from_slice(&0_u32.to_be_bytes());
    }
    write(out, Kind::SETTINGS, 0, 0, &payload);
}

/// RFC 9113 section 7; all ones where it does not tell.
pub(super) fn error_code(payload: Option<&[u8]>) -> u32 {
    payload.and_then(|octets| octets.first_chunk()).map_or(u32::MAX, |octets| u32::from_be_bytes(*octets))
}
