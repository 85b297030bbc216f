//! The simple password of an instance.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroize as _;

/// Octets in the packet (RFC 2338 section 5.3.10).
const OCTETS: usize = 8;

/// A password as the packet carries it: eight octets, padded with zeros. Its memory is cleared when it is dropped.
///
/// In formats for people it is text; where a character was cut in two, and in binary formats, its octets.
#[derive(Clone, PartialEq, Eq)]
pub struct Password([u8; OCTETS]);

impl Password {
    /// The first eight octets of a text.
    pub fn new(text: &[u8]) -> Self {
        let mut octets = [0; OCTETS];
        for (place, octet) in octets.iter_mut().zip(text) {
            *place = *octet;
        }
        Self(octets)
    }

    /// All eight octets.
    pub fn octets(&self) -> [u8; OCTETS] {
        self.0
    }

    /// Without the padding.
    fn written(&self) -> &[u8] {
        let length = self.0.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
        self.0.get(..length).unwrap_or_default()
    }

    /// A text that is cut to this password: a character that was cut in two is completed by some other.
    pub(crate) fn to_text(&self) -> String {
        // Which first continuation octet is allowed depends on the octet before it (RFC 3629 section 4).
        const COMPLETIONS: [&[u8]; 6] =
            [&[], &[0x80], &[0x80, 0x80], &[0xa0, 0x80], &[0x80, 0x80, 0x80], &[0x90, 0x80, 0x80]];
        let completed =
            COMPLETIONS.iter().find_map(|end| String::from_utf8([self.written(), end].concat()).ok());
        completed.unwrap_or_else(|| String::from_utf8_lossy(self.written()).into_owned())
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.written()) {
            Ok(text) if serializer.is_human_readable() => serializer.serialize_str(text),
            _ => self.0.serialize(serializer),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Read {
    Text(String),
    Octets([u8; OCTETS]),
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; OCTETS]>::deserialize(deserializer).map(Self);
        }
        Ok(match Read::deserialize(deserializer)? {
            Read::Text(text) => Self::new(text.as_bytes()),
            Read::Octets(octets) => Self(octets),
        })
    }
}

impl JsonSchema for Password {
    fn schema_name() -> Cow<'static, str> {
        "Password".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A password of at most eight octets; octets where a character was cut in two.",
            "anyOf": [
                { "type": "string" },
                {
                    "type": "array",
                    "items": { "type": "integer", "minimum": 0, "maximum": 255 },
                    "minItems": OCTETS,
                    "maxItems": OCTETS
                }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_give_the_same_password_back() {
        let cases = ["", "sesame", "longer than eight", "1234567ä", "123456€", "1234567\u{800}", "12345😀"];
        for text in cases {
            let password = Password::new(text.as_bytes());
            assert_eq!(Password::new(password.to_text().as_bytes()), password, "{text}");
            let json = serde_json::to_string(&password).unwrap();
            assert_eq!(serde_json::from_str::<Password>(&json).unwrap(), password, "{json}");
        }
        assert_eq!(serde_json::to_string(&Password::new(b"sesame")).unwrap(), "\"sesame\"");
    }
}
