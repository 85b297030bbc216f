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
    type News: fmt::Debug + Serialize + DeserializeOwned + Lasting;
    /// What it alone knows when its supervisor has died, beside what a successor of the worker needs.
    type Knows: fmt::Debug + Serialize + DeserializeOwned;
    /// Which it is.
    const WORKER: Worker;
    /// Threads that give signs of life. The first is the one that keeps what peers and clients are promised.
    const THREADS: usize;
}

/// What is told to a supervisor.
pub trait Lasting {
    /// It is worth telling late, to one that comes after the one that died: somebody is to be notified of it. Everything
    /// else is asked for anew.
    fn lasts(&self) -> bool;
}

/// From the supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToWorker<Order> {
    /// Hand everything over and end.
    Stop,
    /// End at the next good moment and leave everything as it is: a successor takes it over.
    Leave,
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
    /// Everything that a successor needs was told; the worker ends.
    Left,
    /// What only a worker of this role has to tell.
    News(News),
}

impl<News: Lasting> Lasting for FromWorker<News> {
    fn lasts(&self) -> bool {
        match self {
            Self::News(news) => news.lasts(),
            Self::Trouble(_) => true,
            Self::Started | Self::Reloaded(_) | Self::Drained | Self::Left => false,
        }
    }
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
