//! What is wanted against what the kernel has: the difference, written in few large batches. One reconciler for each
//! kind of thing, all with the same words.
//!
//! ```text
//! wish, unwish ──▶ desired ─┐                  ┌─▶ retract ─┐
//!                           ├─▶ what differs ──┤            ├─▶ kernel
//! heard, survey ─▶ present ─┘                  └─▶ install ─┘     │
//!        ▲                                             │          │
//!        │                                             └─▶ reports│
//!        └──────────────── announcements, lists ──────────────────┘
//! ```
//!
//! [`Rounds`] drives the kinds that share a way to the kernel, in the order of their dependence.

use std::fmt::Debug;

use crate::error::Result;
use crate::netlink::{Address, Change, Withdrawal};

pub mod addresses;
pub mod entries;
pub mod filters;
pub mod ipvs;
pub mod links;
mod pause;
mod report;
mod rounds;

pub use pause::{PUT_BACK_INTERVAL_NANOSECONDS, Pause, RETRY_INTERVAL_NANOSECONDS};
pub use report::{Fate, Report, Thing};
pub use rounds::{Kinds, Rounds};

/// Keeps things of one kind as they are wished. Every mistake of its picture of the kernel heals by itself: making what
/// is there and deleting what is gone count as success.
pub trait Reconcile: Debug {
    /// The socket that leads to them.
    type Way;
    /// What tells one from another.
    type Key: Ord + Clone
    where
        Self: Sized;
    /// All that there is to say of one.
    type Wish: PartialEq + Clone
    where
        Self: Sized;

    /// Which one a wish is about.
    fn key(wish: &Self::Wish) -> Self::Key
    where
        Self: Sized;

    /// It shall exist, like this. Another wish of the same key replaces the former.
    fn wish(&mut self, wish: Self::Wish)
    where
        Self: Sized;

    /// It shall not exist.
    fn unwish(&mut self, key: &Self::Key)
    where
        Self: Sized;

    /// Learns from what the kernel says unasked. What is of another kind is passed over.
    fn heard(&mut self, heard: Heard<'_>, now: u64);

    /// Asks the kernel for what it does not say unasked, where this is due: before anything is written.
    ///
    /// # Errors
    /// When the way itself fails, or gives no list.
    fn survey(&mut self, _way: &mut Self::Way, _now: u64) -> Result<()> {
        Ok(())
    }

    /// Deletes what goes. What something else takes the place of may be left to [`install`](Self::install), so that
    /// both happen in one batch.
    ///
    /// # Errors
    /// Only when the way itself fails; the difference stays to be written. Refusals are among the reports.
    fn retract(&mut self, way: &mut Self::Way, now: u64) -> Result<()>;

    /// Makes what is missing.
    ///
    /// # Errors
    /// As [`retract`](Self::retract).
    fn install(&mut self, way: &mut Self::Way, now: u64) -> Result<()>;

    /// When there is something to do, if ever: nanoseconds of CLOCK_BOOTTIME, 0 for at once.
    fn next_wakeup(&self) -> Option<u64>;

    /// What came about since the last call.
    fn take_reports(&mut self) -> Vec<Report>;
}

/// What the kernel said unasked, or what follows from it.
#[derive(Debug, Clone, Copy)]
pub enum Heard<'a> {
    /// Of a link or an address.
    Change(&'a Change),
    /// Of a route or a rule.
    Withdrawal(Withdrawal),
    /// Every address that there is: at the start, and after announcements were lost.
    Addresses(&'a [Address]),
    /// An interface came up: the kernel drops the routes of one that goes down in silence.
    CameUp,
}
