//! Hearing that somebody else changed a table.

use std::os::fd::{AsFd, BorrowedFd};

use super::SUBSYSTEM;
use crate::error::{Errno, Error, Result};
use crate::netlink::{Attributes, Frames, Protocol, Socket};

/// The bit of NFNLGRP_NFTABLES.
const GROUP: u32 = 1 << 6;

/// Wanted receive buffer. What is lost beyond it is taken for a change.
const ANNOUNCEMENTS_BYTES: usize = 1024 * 1024;

/// Datagrams read by one call, so that the caller's other work gets its turn.
const DATAGRAMS_MAX: usize = 512;

/// Every message about something in a table begins with the table's name (NFTA_*_TABLE, NFTA_TABLE_NAME).
const TABLE_NAME: u16 = 1;

/// NFT_MSG_NEWGEN: a transaction is through; names no table.
const NEW_GENERATION: u8 = 15;

/// Hears what the kernel announces of packet filters.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
}

impl Monitor {
    /// Opens one in the network namespace of the calling thread.
    ///
    /// # Errors
    /// EPROTONOSUPPORT without packet filters in the kernel.
    pub fn open() -> Result<Self> {
        Ok(Self { socket: Socket::open(Protocol::Netfilter, GROUP, true, ANNOUNCEMENTS_BYTES)? })
    }

    /// Reads what was announced, without waiting. Returns whether somebody other than the socket of the port `own`
    /// changed something in a table of this name, or may have.
    ///
    /// # Errors
    /// The kernel's; none is expected.
    pub fn is_changed(&mut self, table: &str, own: u32) -> Result<bool> {
        let mut changed = false;
        for _ in 0..DATAGRAMS_MAX {
            match self.socket.receive() {
                Ok(datagram) => {
                    changed |= Frames(datagram).any(|frame| {
                        let [subsystem, kind] = frame.message_type().to_be_bytes();
                        subsystem == SUBSYSTEM
                            && kind != NEW_GENERATION
                            && frame.port_number() != own
                            && names(frame.payload(), table)
                    });
                }
                Err(Errno::AGAIN) => return Ok(changed),
                Err(Errno::NOBUFS | Errno::MSGSIZE) => changed = true,
                Err(errno) => return Err(Error::new("read announcements of packet filters", errno)),
            }
        }
        Ok(changed)
    }
}

fn names(payload: &[u8], table: &str) -> bool {
    let mut attributes = Attributes(payload.get(4..).unwrap_or_default());
    attributes.any(|attribute| attribute.kind == TABLE_NAME && attribute.text() == Some(table))
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
