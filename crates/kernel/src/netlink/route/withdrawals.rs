//! Routes and rules that are taken away, as the kernel announces it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_core::NlasIterator;
use steadfast_wire::vrrp::Family;

use super::routes::RoutePlace;
use super::rules::RulePlace;
use crate::error::{Errno, Error, Result};
use crate::netlink::transport::{Frames, Protocol, Socket};

/// Wanted receive buffer: a routing daemon may withdraw some thousand routes at once.
const RECEIVE_BUFFER_BYTES: usize = 1024 * 1024;

/// Datagrams read by one call, so that the caller's other work gets its turn.
const DATAGRAMS_MAX: usize = 512;

/// RTNLGRP_IPV6_RULE as a bit, which has no name of the older kind.
const GROUP_IPV6_RULE: u32 = 1 << 18;

/// RTMGRP_* groups joined.
const GROUPS: u32 = (libc::RTMGRP_IPV4_ROUTE | libc::RTMGRP_IPV6_ROUTE | libc::RTMGRP_IPV4_RULE)
    .cast_unsigned()
    | GROUP_IPV6_RULE;

/// Length of struct rtmsg and of struct fib_rule_hdr.
const HEADER_BYTES: usize = 12;
/// RTA_DST.
const ROUTE_DESTINATION: u16 = 1;
/// RTA_TABLE.
const ROUTE_TABLE: u16 = 15;
/// FRA_PRIORITY.
const RULE_PRIORITY: u16 = 6;

/// Hears what is taken away.
#[derive(Debug)]
pub struct Withdrawals {
    socket: Socket,
}

/// Something was taken away, by whomever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawal {
    /// A route.
    Route(RoutePlace),
    /// A rule.
    Rule(RulePlace),
    /// Announcements were lost: anything may be gone.
    Lost,
}

impl Withdrawals {
    /// Opens a socket in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel's, should it have no descriptor left.
    pub fn open() -> Result<Self> {
        Ok(Self { socket: Socket::open(Protocol::Route, GROUPS, true, RECEIVE_BUFFER_BYTES)? })
    }

    /// Gives `take` what was announced, without waiting. Returns whether there may be more.
    ///
    /// # Errors
    /// The kernel's; none is expected.
    pub fn read(&mut self, mut take: impl FnMut(Withdrawal)) -> Result<bool> {
        for _ in 0..DATAGRAMS_MAX {
            match self.socket.receive() {
                Ok(datagram) => Frames(datagram)
                    .filter_map(|frame| decode(frame.message_type(), frame.payload()))
                    .for_each(&mut take),
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::NOBUFS | Errno::MSGSIZE) => take(Withdrawal::Lost),
                Err(errno) => return Err(Error::new("read announcements of routes and rules", errno)),
            }
        }
        Ok(true)
    }
}

impl AsFd for Withdrawals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn decode(message_type: u16, payload: &[u8]) -> Option<Withdrawal> {
    match message_type {
        libc::RTM_DELROUTE => route(payload).map(Withdrawal::Route),
        libc::RTM_DELRULE => rule(payload).map(Withdrawal::Rule),
        _ => None,
    }
}

fn family(octet: u8) -> Option<Family> {
    match libc::c_int::from(octet) {
        libc::AF_INET => Some(Family::V4),
        libc::AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

fn word(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|octets| u32::from_ne_bytes(*octets))
}

fn route(payload: &[u8]) -> Option<RoutePlace> {
    let (&[family_octet, length, _, _, table, ..], attributes) =
        payload.split_first_chunk::<HEADER_BYTES>()?;
    let family = family(family_octet)?;
    let mut place = RoutePlace { family, table: table.into(), destination: None };
    for attribute in NlasIterator::new(attributes).map_while(std::result::Result::ok) {
        let value = attribute.value();
        match attribute.kind() {
            ROUTE_TABLE => place.table = word(value)?,
            ROUTE_DESTINATION => {
                let address = match family {
                    Family::V4 => IpAddr::V4(Ipv4Addr::from(*value.first_chunk::<4>()?)),
                    Family::V6 => IpAddr::V6(Ipv6Addr::from(*value.first_chunk::<16>()?)),
                };
                place.destination = Some((address, length));
            }
            _ => {}
        }
    }
    Some(place)
}

fn rule(payload: &[u8]) -> Option<RulePlace> {
    let (&[family_octet, ..], attributes) = payload.split_first_chunk::<HEADER_BYTES>()?;
    let mut attributes = NlasIterator::new(attributes).map_while(std::result::Result::ok);
    let priority = attributes.find(|attribute| attribute.kind() == RULE_PRIORITY);
    let preference = priority.and_then(|attribute| word(attribute.value())).unwrap_or(0);
    Some(RulePlace { family: family(family_octet)?, preference })
}
