//! From the model of the configuration file to what each worker runs: values that can be compared,
//! numbered so that a number keeps its meaning across a reload.

mod authentication;
pub mod check;
mod links;
mod numbers;
pub(crate) mod process;
mod ranges;
mod sessions;
pub(crate) mod texts;
pub mod vrrp;
pub(crate) mod watches;
mod ways;
