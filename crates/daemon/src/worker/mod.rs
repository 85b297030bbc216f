//! The vrrp worker: a timing thread and an effects thread.

mod pacing;
