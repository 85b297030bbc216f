//! What steadfast does as a whole: real daemons on hosts of the lab, seen from outside.
#![forbid(unsafe_code)]

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod asking;
#[cfg(test)]
mod authentication;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod beside;
#[cfg(test)]
mod channels;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod confinement;
#[cfg(test)]
mod control;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod detection;
#[cfg(test)]
mod drop_in;
#[cfg(test)]
mod endurance;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod fifos;
#[cfg(test)]
mod genhash;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod hostile_servers;
#[cfg(test)]
mod interfaces;
#[cfg(test)]
mod ipv6;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod names;
#[cfg(test)]
mod notify;
#[cfg(test)]
mod planned_stop;
#[cfg(test)]
mod preparing;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod records;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod removals;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod shortage;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod split_brain;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod unicast;
#[cfg(test)]
mod upgrade;
#[cfg(test)]
mod virtual_macs;
#[cfg(test)]
mod watches;
