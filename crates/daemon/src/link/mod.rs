//! What the supervisor and its workers say to each other: the life of a worker, which is the same for
//! all, and the orders and news of each role.

pub mod check;
pub mod inheritance;
pub(crate) mod life;
pub mod lifecycle;
pub(crate) mod line;
pub(crate) mod orphan;
pub mod vrrp;
