//! What every worker is told and tells, whatever it does: that it runs and ends.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
pub use steadfast_control::event::{Trouble, Worker};

/// A kind of worker, by what is said between it and the supervisor.
pub trait Role: fmt::Debug + 'static {
    /// What it is told to do.
    type Order: fmt::Debug + Serialize + DeserializeOwned;
    /// What it has to tell.
    type News: fmt::Debug + Serialize + DeserializeOwned;
    /// Which it is.
    const WORKER: Worker;
    /// Threads that give signs of life. The first is the one that keeps what peers and clients are promised.
    const THREADS: usize;
}

/// From the supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToWorker<Order> {
    /// Hand everything over and end.
    Stop,
    /// What only a worker of this role can do.
    Order(Order),
}

/// From a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromWorker<News> {
    /// Everything that exists is open and running.
    Started,
    /// A reload is in force.
    Reloaded(Reloaded),
    /// Something about the process or the kernel.
    Trouble(Trouble),
    /// Everything is handed over; the worker ends.
    Drained,
    /// What only a worker of this role has to tell.
    News(News),
}

/// What a worker did at a reload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Began.
    pub added: usize,
    /// Hand over and are forgotten.
    pub removed: usize,
    /// Go on with other settings.
    pub changed: usize,
}
