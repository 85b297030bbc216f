//! What the drivers of interfaces say of their links (linux/ethtool_netlink.h).

use netlink_packet_core::NLM_F_ACK;

use super::generic::{self, HEADER_BYTES};
use super::transport::{AttributeWriter, Attributes, Protocol, Requests};
use crate::error::Result;

/// ETHTOOL_GENL_NAME and ETHTOOL_GENL_VERSION.
const FAMILY: &str = "ethtool";
const FAMILY_VERSION: u8 = 1;

/// ETHTOOL_MSG_LINKSTATE_GET.
const GET_LINK_STATE: u8 = 6;

/// ETHTOOL_A_LINKSTATE_HEADER and ETHTOOL_A_LINKSTATE_LINK.
const LINK_STATE_HEADER: u16 = 1;
const LINK_STATE_LINK: u16 = 2;

/// ETHTOOL_A_HEADER_DEV_INDEX.
const HEADER_INDEX: u16 = 1;

/// A way to ask drivers. They look at the transceiver, or at what it told them, and not at what the kernel believes of the
/// interface.
#[derive(Debug)]
pub struct Drivers {
    requests: Requests,
    family: u16,
}

impl Drivers {
    /// Opens it in the network namespace of the calling thread.
    ///
    /// # Errors
    /// ENOENT when the kernel cannot ask them by netlink (before 5.6).
    pub fn open() -> Result<Self> {
        let mut requests = Requests::open_for(Protocol::Generic)?;
        let family = generic::family(&mut requests, FAMILY)?;
        Ok(Self { requests, family })
    }

    /// Whether an interface has a link; `None` from a driver that does not know.
    ///
    /// # Errors
    /// ENODEV when the interface is not there.
    pub fn has_link(&mut self, interface: u32) -> Result<Option<bool>> {
        let mut request = generic::message(GET_LINK_STATE, FAMILY_VERSION);
        AttributeWriter::new(&mut request)
            .nest(LINK_STATE_HEADER, |header| header.u32(HEADER_INDEX, interface));
        let mut link = None;
        self.requests.query(self.family, NLM_F_ACK, &request, "ask a driver for its link", |answer| {
            let mut attributes = Attributes(answer.get(HEADER_BYTES..).unwrap_or_default());
            link = attributes.find(|attribute| attribute.kind == LINK_STATE_LINK).and_then(|told| told.u8());
        })?;
        Ok(link.map(|link| link != 0))
    }

    /// Gives back the room for answers.
    pub fn rest(&mut self) {
        self.requests.rest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Errno;
    use crate::namespace::Network;
    use crate::testbed::Wiring;
    use crate::testbed::fresh_namespace::in_fresh_namespace;

    #[test]
    fn a_driver_tells_of_its_link_at_once() {
        in_fresh_namespace("a_driver_tells_of_its_link_at_once", || {
            let (own, other) = (Network::current().unwrap(), Network::anonymous().unwrap());
            let mut near = Wiring::open(&own).unwrap();
            let mut far = Wiring::open(&other).unwrap();
            near.create_veth("near", "far", &other).unwrap();
            near.set_up("near").unwrap();
            let index = near.index("near").unwrap();
            let mut drivers = Drivers::open().unwrap();
            assert_eq!(drivers.has_link(index).unwrap(), Some(false));
            far.set_up("far").unwrap();
            assert_eq!(drivers.has_link(index).unwrap(), Some(true));
            far.set_down("far").unwrap();
            assert_eq!(drivers.has_link(index).unwrap(), Some(false));
            near.delete("near").unwrap();
            assert_eq!(drivers.has_link(index).unwrap_err().errno, Errno::NODEV);
        });
    }
}
