//! Tests of the machine as a whole: rules of the RFCs by number, keepalived's behaviour, properties.

mod backup;
mod channel;
mod detection;
mod fault;
mod groups;
mod handover;
mod load;
mod master;
mod peers;
mod preparing;
mod properties;
mod receiving;
mod reloading;
mod repeats;
mod resuming;
mod router;
mod split_brain;
mod watches;
