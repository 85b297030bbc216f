//! Our daemon and Debian's keepalived as the two routers of a pair.

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod agreement;
#[cfg(test)]
mod announcements;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod dumps;
#[cfg(test)]
mod elections;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod instances;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod rarer;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod running;
#[cfg(test)]
mod trackers;
#[cfg(test)]
mod unicast;
#[cfg(test)]
mod virtual_macs;
#[cfg(test)]
mod weights;
#[cfg(test)]
mod wire;
