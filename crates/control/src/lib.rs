//! What a daemon tells and what can be asked of it: events, status, their wording, requests and the client.
//! The command line, the gateway, the terminal view and the tests share it.
#![forbid(unsafe_code)]

pub mod client;
pub mod daemons;
pub mod event;
pub mod octets;
pub mod operation;
pub mod places;
pub mod request;
pub mod status;
pub mod verdict;
pub mod wording;
