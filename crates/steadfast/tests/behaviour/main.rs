//! What steadfast does as a whole: real daemons on hosts of the lab, seen from outside.
#![forbid(unsafe_code)]

#[cfg(test)]
mod failover;
#[cfg(test)]
mod planned_stop;
#[cfg(test)]
mod stage;
