//! Authentication sections (RFC 5880 sections 4.2 to 4.4 and 6.7).

use std::fmt;

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha1::digest::Digest;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroize as _;

use super::HEADER_LENGTH;
use super::reject::Reject;
use crate::cursor::Reader;

const MD5_LENGTH: usize = 16;
const SHA1_LENGTH: usize = 20;
/// Type, length and key number; with a digest also a reserved octet and the sequence number.
const PASSWORD_OFFSET: usize = 3;
const DIGEST_OFFSET: usize = 8;

/// How a packet proves where it comes from. A meticulous sender counts every packet, so that none can
/// be repeated by others (RFC 5880 section 6.7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// A password that everybody on the way can read.
    Password,
    /// Keyed MD5.
    Md5,
    /// Meticulous keyed MD5.
    MeticulousMd5,
    /// Keyed SHA1.
    Sha1,
    /// Meticulous keyed SHA1.
    MeticulousSha1,
}

impl Algorithm {
    /// Authentication type of RFC 5880 section 4.1.
    pub const fn number(self) -> u8 {
        match self {
            Self::Password => 1,
            Self::Md5 => 2,
            Self::MeticulousMd5 => 3,
            Self::Sha1 => 4,
            Self::MeticulousSha1 => 5,
        }
    }

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Md5 => "keyed MD5",
            Self::MeticulousMd5 => "meticulous keyed MD5",
            Self::Sha1 => "keyed SHA1",
            Self::MeticulousSha1 => "meticulous keyed SHA1",
        }
    }

    /// Every packet has a sequence number of its own.
    pub const fn is_meticulous(self) -> bool {
        matches!(self, Self::MeticulousMd5 | Self::MeticulousSha1)
    }

    /// Longest secret, octets.
    pub const fn secret_length_max(self) -> usize {
        match self {
            Self::Password | Self::Md5 | Self::MeticulousMd5 => MD5_LENGTH,
            Self::Sha1 | Self::MeticulousSha1 => SHA1_LENGTH,
        }
    }
}

/// A number that rises from packet to packet, and begins anew behind its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u32);

impl Sequence {
    /// The one behind it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// So many behind it.
    #[must_use]
    pub const fn ahead(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// It comes no later than `most` numbers behind `last`, and if `anew` not as that very one.
    pub const fn follows(self, last: Self, most: u32, anew: bool) -> bool {
        let ahead = self.0.wrapping_sub(last.0);
        ahead <= most && !(anew && ahead == 0)
    }
}

/// A secret that both ends know. It is not shown, and its memory is cleared when it is dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    algorithm: Algorithm,
    id: u8,
    secret: Vec<u8>,
}

/// Why a secret cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a secret of 1 to {max} octets, found {found}")]
pub struct KeyError {
    /// Longest.
    pub max: usize,
    /// As given.
    pub found: usize,
}

impl Key {
    /// A key and the number that both ends know it by.
    ///
    /// # Errors
    /// The secret is empty or too long for the algorithm.
    pub fn new(algorithm: Algorithm, id: u8, secret: impl Into<Vec<u8>>) -> Result<Self, KeyError> {
        let secret = secret.into();
        let max = algorithm.secret_length_max();
        if secret.is_empty() || secret.len() > max {
            return Err(KeyError { max, found: secret.len() });
        }
        Ok(Self { algorithm, id, secret })
    }

    /// How it signs.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) const fn section_length(&self) -> usize {
        match self.algorithm {
            Algorithm::Password => PASSWORD_OFFSET + self.secret.len(),
            _ => DIGEST_OFFSET + self.algorithm.secret_length_max(),
        }
    }

    /// Appends the section to a packet whose header is complete.
    pub(super) fn sign(&self, sequence: Sequence, packet: &mut Vec<u8>) {
        // At most 28.
        let length = u8::try_from(self.section_length()).unwrap_or(u8::MAX);
        packet.extend([self.algorithm.number(), length, self.id]);
        if self.algorithm == Algorithm::Password {
            packet.extend(&self.secret);
            return;
        }
        packet.push(0);
        packet.extend(sequence.0.to_be_bytes());
        let digest = self.digest(packet);
        packet.extend(digest.octets());
    }

    /// Whether a packet with an authentication section was signed with this key.
    pub(super) fn verify(&self, packet: &[u8]) -> Result<Option<Sequence>, Reject> {
        let section = packet.get(HEADER_LENGTH..).unwrap_or_default();
        let mut reader = Reader::new(section);
        let [kind, length, id] = reader
            .array()
            .ok_or(Reject::SectionLength { expected: self.section_length(), found: section.len() })?;
        if kind != self.algorithm.number() {
            return Err(Reject::AuthenticationType { expected: self.algorithm.number(), found: kind });
        }
        if id != self.id {
            return Err(Reject::KeyId { expected: self.id, found: id });
        }
        let length = usize::from(length);
        if self.algorithm == Algorithm::Password {
            let password = section.get(PASSWORD_OFFSET..length).unwrap_or_default();
            let equal = bool::from(password.ct_eq(&self.secret));
            return if equal { Ok(None) } else { Err(Reject::Authentication) };
        }
        if length != self.section_length() || section.len() < length {
            let found = length.min(section.len());
            return Err(Reject::SectionLength { expected: self.section_length(), found });
        }
        let sequence = reader.array().and_then(|[_reserved, a, b, c, d]| {
            reader.slice(self.algorithm.secret_length_max()).map(|digest| ([a, b, c, d], digest))
        });
        let Some((sequence, found)) = sequence else { return Err(Reject::Authentication) };
        let signed = packet.get(..HEADER_LENGTH + DIGEST_OFFSET).unwrap_or_default();
        if bool::from(self.digest(signed).octets().ct_eq(found)) {
            Ok(Some(Sequence(u32::from_be_bytes(sequence))))
        } else {
            Err(Reject::Authentication)
        }
    }

    /// Over the packet up to the digest, and the secret in the digest's place (RFC 5880 sections 6.7.3 and
    /// 6.7.4).
    fn digest(&self, signed: &[u8]) -> Summary {
        let padding = [0; SHA1_LENGTH];
        let missing = self.algorithm.secret_length_max().saturating_sub(self.secret.len());
        let padding = padding.get(..missing).unwrap_or_default();
        let parts = [signed, &self.secret, padding];
        match self.algorithm {
            Algorithm::Sha1 | Algorithm::MeticulousSha1 => {
                let hash = parts.into_iter().fold(Sha1::new(), Digest::chain_update);
                Summary::Sha1(hash.finalize().into())
            }
            Algorithm::Password | Algorithm::Md5 | Algorithm::MeticulousMd5 => {
                let hash = parts.into_iter().fold(Md5::new(), Digest::chain_update);
                Summary::Md5(hash.finalize().into())
            }
        }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// The secret is not shown.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("algorithm", &self.algorithm)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

enum Summary {
    Md5([u8; MD5_LENGTH]),
    Sha1([u8; SHA1_LENGTH]),
}

impl Summary {
    const fn octets(&self) -> &[u8] {
        match self {
            Self::Md5(octets) => octets,
            Self::Sha1(octets) => octets,
        }
    }
}
