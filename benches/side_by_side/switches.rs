//! Switches for more virtual routers than one has numbers for.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Result;
use steadfast_lab::segment::address_v4;
use steadfast_lab::{Host, Segment};

/// Virtual routers of one interface.
pub(crate) const OF_AN_INTERFACE: u16 = 250;
/// Virtual routers of sixteen interfaces.
pub(crate) const INSTANCES_MAX: u16 = 16 * OF_AN_INTERFACE;
/// Prefix length of the hosts' addresses.
const PREFIX: u8 = 16;

/// One switch for each interface that hosts have.
#[derive(Debug)]
pub(crate) struct Switches {
    first: Segment,
    others: Vec<Segment>,
    hosts: Cell<u8>,
}

/// Where a virtual router is: its interface, and its number there, from zero.
pub(crate) fn place(instance: u16) -> (u8, u8) {
    let (interface, number) = (instance / OF_AN_INTERFACE, instance % OF_AN_INTERFACE);
    (u8::try_from(interface).unwrap_or(u8::MAX), u8::try_from(number).unwrap_or(u8::MAX))
}

/// How many interfaces so many virtual routers need.
pub(crate) fn interfaces(instances: u16) -> u8 {
    place(instances.saturating_sub(1)).0.saturating_add(1)
}

/// The address of the n-th host on an interface.
pub(crate) fn own_address(interface: u8, number: u8) -> Ipv4Addr {
    match interface {
        0 => address_v4(number),
        _ => Ipv4Addr::new(10, interface.saturating_add(100), 0, number),
    }
}

impl Switches {
    /// As many as these virtual routers need.
    pub(crate) fn of(instances: u16) -> Result<Self> {
        let others = (1..interfaces(instances)).map(|_| Segment::new()).collect::<Result<_>>()?;
        Ok(Self { first: Segment::new()?, others, hosts: Cell::new(0) })
    }

    /// A host with an interface at each; the n-th has the n-th address there, counted from one.
    pub(crate) fn host(&self, name: &str) -> Result<Arc<Host>> {
        let number = self.hosts.get() + 1;
        self.hosts.set(number);
        let host = self.first.host(name)?;
        for (interface, segment) in (1..).zip(&self.others) {
            let name = format!("eth{interface}");
            segment.plug(&host, &name)?;
            host.assign(&name, own_address(interface, number).into(), PREFIX)?;
        }
        Ok(host)
    }
}
