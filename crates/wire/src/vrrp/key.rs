//! Shared secrets.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

/// A shared secret. It is not shown, and its memory is cleared when it is dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(Box<[u8]>);

impl Key {
    /// Takes the octets over.
    pub const fn new(octets: Box<[u8]>) -> Self {
        Self(octets)
    }

    /// No secret: what stands for one where none may be.
    pub fn blank() -> Self {
        Self(Box::default())
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
