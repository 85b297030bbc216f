//! Packet filters of the kernel (nf_tables) without any program: tables, chains, sets and rules, written in transactions.
//!
//! There is only what a virtual router needs: addresses that nothing is taken for (`no_accept`), and interfaces with a
//! virtual MAC address that keep quiet (IGMP, MLD and router solicitations).

mod expression;
mod monitor;
mod ruleset;
mod transaction;

use crate::error::{Error, Result};
use crate::netlink::{Outcome, Protocol, Requests};

pub use monitor::Monitor;
pub use ruleset::{Element, Needs, Style};
pub use transaction::Transaction;

/// NFNL_SUBSYS_NFTABLES; the upper half of the type of each message.
const SUBSYSTEM: u8 = 10;

/// Messages (NFT_MSG_*).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    NewTable,
    DeleteTable,
    NewChain,
    NewRule,
    NewSet,
    NewElements,
    DeleteElements,
}

impl Message {
    const fn number(self) -> u16 {
        let low = match self {
            Self::NewTable => 0,
            Self::DeleteTable => 2,
            Self::NewChain => 3,
            Self::NewRule => 6,
            Self::NewSet => 9,
            Self::NewElements => 12,
            Self::DeleteElements => 14,
        };
        u16::from_be_bytes([SUBSYSTEM, low])
    }
}

/// Removes the tables of a name, be they there or not.
///
/// # Errors
/// When there are no packet filters in the kernel, or it refuses.
pub fn remove(table: &str) -> Result<()> {
    let style = Style { table: table.to_owned(), priority: 0, counters: false, duplicate: false };
    let mut transaction = Transaction::default();
    Family::ALL.into_iter().for_each(|family| transaction.clear(&style, family));
    match transaction.commit(&mut Requests::open_for(Protocol::Netfilter)?)? {
        Outcome::Done | Outcome::Unknown => Ok(()),
        Outcome::Refused { errno, kernel_message } => Err(Error {
            kernel_message,
            ..Error::new(format!("remove the packet filters of table {table}"), errno)
        }),
    }
}

/// A socket by which packet filters are written in the network namespace of the calling thread.
///
/// # Errors
/// EPROTONOSUPPORT without packet filters in the kernel.
pub fn socket() -> Result<Requests> {
    Requests::open_for(Protocol::Netfilter)
}

/// The address family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `ip`.
    V4,
    /// `ip6`.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// NFPROTO_IPV4 and NFPROTO_IPV6.
    const fn number(self) -> u8 {
        match self {
            Self::V4 => 2,
            Self::V6 => 10,
        }
    }
}
