//! Attributes (struct nlattr): kind, length and value, one after the other, nested at will.

/// Length of struct nlattr.
const HEADER_BYTES: usize = 4;

/// NLA_F_NESTED.
const NESTED: u16 = 0x8000;

/// The bits of a kind that are not flags (NLA_TYPE_MASK).
const KIND_MASK: u16 = 0x3fff;

/// Appends attributes to a message.
#[derive(Debug)]
pub struct AttributeWriter<'a> {
    bytes: &'a mut Vec<u8>,
}

impl<'a> AttributeWriter<'a> {
    /// Appends to `bytes`, whose length is a multiple of four.
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes }
    }

    /// A value as it is. One that is too long for an attribute is left out; the kernel then misses it.
    pub fn octets(&mut self, kind: u16, value: &[u8]) {
        let Ok(length) = u16::try_from(HEADER_BYTES + value.len()) else { return };
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// One octet.
    pub fn u8(&mut self, kind: u16, value: u8) {
        self.octets(kind, &[value]);
    }

    /// Sixteen bits in the order of the machine.
    pub fn u16(&mut self, kind: u16, value: u16) {
        self.octets(kind, &value.to_ne_bytes());
    }

    /// Sixteen bits in the order of the network.
    pub fn u16_network(&mut self, kind: u16, value: u16) {
        self.octets(kind, &value.to_be_bytes());
    }

    /// Thirty-two bits in the order of the machine.
    pub fn u32(&mut self, kind: u16, value: u32) {
        self.octets(kind, &value.to_ne_bytes());
    }

    /// Thirty-two bits in the order of the network.
    pub fn u32_network(&mut self, kind: u16, value: u32) {
        self.octets(kind, &value.to_be_bytes());
    }

    /// Text with its closing NUL.
    pub fn text(&mut self, kind: u16, value: &str) {
        let mut octets = value.as_bytes().to_vec();
        octets.push(0);
        self.octets(kind, &octets);
    }

    /// Attributes inside one.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut AttributeWriter<'_>)) {
        let mut inner = Vec::new();
        fill(&mut AttributeWriter::new(&mut inner));
        self.octets(kind | NESTED, &inner);
    }
}

/// The attributes of a message or of a nest. What is shorter than it says ends the walk.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a>(pub &'a [u8]);

/// One of them.
#[derive(Debug, Clone, Copy)]
pub struct Attribute<'a> {
    /// Its number, without flags.
    pub kind: u16,
    /// What it says.
    pub value: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let (header, rest) = self.0.split_first_chunk::<HEADER_BYTES>()?;
        let [length_0, length_1, kind_0, kind_1] = *header;
        let length = usize::from(u16::from_ne_bytes([length_0, length_1]));
        let value = rest.get(..length.checked_sub(HEADER_BYTES)?)?;
        self.0 = rest.get(value.len().next_multiple_of(4)..).unwrap_or_default();
        Some(Attribute { kind: u16::from_ne_bytes([kind_0, kind_1]) & KIND_MASK, value })
    }
}

impl<'a> Attribute<'a> {
    /// The attributes inside it.
    pub fn nested(self) -> Attributes<'a> {
        Attributes(self.value)
    }

    /// One octet.
    pub fn u8(self) -> Option<u8> {
        self.value.first().copied()
    }

    /// Sixteen bits in the order of the machine.
    pub fn u16(self) -> Option<u16> {
        self.value.first_chunk().copied().map(u16::from_ne_bytes)
    }

    /// Sixteen bits in the order of the network.
    pub fn u16_network(self) -> Option<u16> {
        self.value.first_chunk().copied().map(u16::from_be_bytes)
    }

    /// Thirty-two bits in the order of the machine.
    pub fn u32(self) -> Option<u32> {
        self.value.first_chunk().copied().map(u32::from_ne_bytes)
    }

    /// A number of thirty-two or sixty-four bits, as long as it is.
    pub fn number(self) -> Option<u64> {
        match self.value.len() {
            8.. => self.value.first_chunk().copied().map(u64::from_ne_bytes),
            _ => self.u32().map(u64::from),
        }
    }

    /// Text up to its NUL; none if it is no UTF-8.
    pub fn text(self) -> Option<&'a str> {
        let text = self.value.split(|octet| *octet == 0).next()?;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        let mut writer = AttributeWriter::new(&mut bytes);
        writer.u8(1, 7);
        writer.nest(2, |inner| {
            inner.text(1, "wlc");
            inner.u16_network(4, 80);
        });
        writer.u32(3, 9);
        let read: Vec<_> = Attributes(&bytes).collect();
        let kinds: Vec<_> = read.iter().map(|attribute| attribute.kind).collect();
        assert_eq!(kinds, [1, 2, 3]);
        let inner: Vec<_> = read[1].nested().collect();
        assert_eq!((inner[0].text(), inner[1].u16_network()), (Some("wlc"), Some(80)));
        assert_eq!((read[0].u8(), read[2].u32()), (Some(7), Some(9)));
    }

    #[test]
    fn lengths_that_lie_end_the_walk() {
        for bytes in [&[3, 0, 1, 0][..], &[9, 0, 1, 0, 1, 2, 3, 4], &[4, 0, 1], &[]] {
            assert_eq!(Attributes(bytes).count(), 0, "{bytes:?}");
        }
    }
}
