//! What needs a kernel of its own: nobody may step the clock of a machine that others use. `cargo xtask test` runs this in a
//! guest; elsewhere `cargo xtask vm -- PROGRAM`.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod chaos;
