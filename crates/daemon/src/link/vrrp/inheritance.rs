//! What a vrrp worker leaves to its successor.

use serde::{Deserialize, Serialize};
use steadfast_kernel::reconcile::links::Remembered;
use steadfast_vrrp::Resume;

use super::work::VirtualAddress;
use crate::link::inheritance::Inheritable;

/// Everything that a successor could not read from the configuration or from the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inheritance {
    /// How each instance stood, ordered by instance.
    pub routers: Vec<Resume>,
    /// What is known of each session.
    pub sessions: Vec<steadfast_bfd::Resume>,
    /// Addresses that no instance shall hold any more and that the predecessor may not have taken away: of instances that a
    /// reload removed and whose hand-over was cut short.
    pub abandoned: Vec<VirtualAddress>,
    /// Settings of interfaces that the predecessor changed.
    pub settings: Remembered,
}

impl Inheritable for Inheritance {
    const VERSION: u16 = 8;
}

#[cfg(test)]
mod tests;
