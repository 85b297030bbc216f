//! What a worker leaves to the one that comes after it, as octets: the successor of one that died reads them, and so may
//! a successor of another version.
//!
//! ```text
//! octet   0 1          2 …
//!         version      postcard
//!         (big endian)
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What one role leaves.
pub trait Inheritable: Default + Serialize + DeserializeOwned {
    /// Goes up with every change of what is written, for the octets do not say of which fields they are.
    const VERSION: u16;

    /// Written down.
    fn to_octets(&self) -> Vec<u8> {
        let octets = Self::VERSION.to_be_bytes().to_vec();
        // Writing to memory cannot fail, and there is nothing in it that cannot be written.
        postcard::to_extend(self, octets).unwrap_or_default()
    }

    /// Read back.
    ///
    /// # Errors
    /// When another version wrote it, or it is damaged: who reads it starts as at a fresh start.
    fn from_octets(octets: &[u8]) -> Result<Self, Uninheritable> {
        let (version, rest) = octets.split_first_chunk().ok_or(Uninheritable::Damaged)?;
        let found = u16::from_be_bytes(*version);
        if found != Self::VERSION {
            return Err(Uninheritable::Version { found, expected: Self::VERSION });
        }
        match postcard::take_from_bytes(rest) {
            Ok((inheritance, [])) => Ok(inheritance),
            Ok(_) | Err(_) => Err(Uninheritable::Damaged),
        }
    }
}

/// Why nothing is inherited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Uninheritable {
    /// Another version wrote it.
    #[error("it is of version {found}, and this program reads version {expected}")]
    Version {
        /// Which.
        found: u16,
        /// Which this program knows.
        expected: u16,
    },
    /// It ends early, goes on beyond its end, or means nothing.
    #[error("it is damaged")]
    Damaged,
}
