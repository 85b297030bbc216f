//! Network interfaces as the kernel tells of them.

use netlink_packet_core::NlasIterator;

use super::virtual_link::{IPVLAN, IPVLAN_FLAGS, IPVLAN_MODE, MACVLAN, MACVLAN_MODE, MARK};
use crate::error::Result;
use crate::netlink::transport::{Attribute, Attributes, List, Requests};

/// A network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number, for as long as it exists in its namespace.
    pub index: u32,
    /// Its name, which can change.
    pub name: String,
    /// Switched on (IFF_UP).
    pub up: bool,
    /// Operational: switched on and with carrier (IFF_RUNNING).
    pub running: bool,
    /// Can send to groups.
    pub multicast: bool,
    /// IFF_LOOPBACK.
    pub loopback: bool,
    /// Without address resolution (IFF_NOARP).
    pub no_arp: bool,
    /// Largest datagram.
    pub mtu: u32,
    /// Hardware type (ARPHRD_*): 1 for Ethernet.
    pub hardware_type: u16,
    /// Hardware address; empty if it has none.
    pub hardware_address: Vec<u8>,
    /// Hardware broadcast address; empty if it has none.
    pub broadcast: Vec<u8>,
    /// Kind of a virtual interface, such as `veth`, `bridge` or `macvlan`.
    pub kind: Option<String>,
    /// The bridge, bond or VRF it belongs to.
    pub master: Option<u32>,
    /// The interface below a virtual one.
    pub lower: Option<u32>,
    /// Group of interfaces, for firewalls and the like; 0 is the default one.
    pub group: u32,
    /// What somebody noted about it.
    pub alias: Option<String>,
    /// How a macvlan or an ipvlan shares the interface below.
    pub sharing: Option<Sharing>,
    /// Routing table of a VRF.
    pub table: Option<u32>,
}

/// How a macvlan or an ipvlan shares the interface below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// MACVLAN_MODE_*.
    Macvlan(u32),
    /// IPVLAN_MODE_* and IPVLAN_F_*.
    Ipvlan(u16, u16),
}

impl Link {
    /// Whether this program made it.
    pub fn is_made(&self) -> bool {
        self.alias.as_deref().is_some_and(|alias| alias.starts_with(MARK))
    }

    /// From the payload of RTM_NEWLINK or RTM_DELLINK. Only the attributes wanted here are read, so that one of
    /// a future kernel hides no interface, and without the codec: every process needs this, and the code of all
    /// kinds of interfaces would stay in its memory. `None` for what other families tell under
    /// the same message types: a bridge sends RTM_DELLINK when a port leaves it.
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let (header, attributes) = payload.split_at_checked(size_of::<libc::ifinfomsg>())?;
        let flags = number(header.get(8..12)?)?;
        if header.first() != Some(&0) {
            return None;
        }
        let is = |flag: i32| flags & flag.cast_unsigned() != 0;
        let mut link = Self {
            index: number(header.get(4..8)?)?,
            up: is(libc::IFF_UP),
            running: is(libc::IFF_UP) && is(libc::IFF_RUNNING),
            multicast: is(libc::IFF_MULTICAST),
            loopback: is(libc::IFF_LOOPBACK),
            no_arp: is(libc::IFF_NOARP),
            hardware_type: u16::from_ne_bytes(header.get(2..4)?.try_into().ok()?),
            ..Self::default()
        };
        for attribute in NlasIterator::new(attributes).map_while(std::result::Result::ok) {
            link.take(attribute.kind(), attribute.value());
        }
        Some(link)
    }

    /// An attribute that is malformed says nothing.
    fn take(&mut self, kind: u16, value: &[u8]) {
        match kind {
            libc::IFLA_IFNAME => self.name = text(value),
            libc::IFLA_MTU => self.mtu = number(value).unwrap_or_default(),
            libc::IFLA_ADDRESS => self.hardware_address = value.to_vec(),
            libc::IFLA_BROADCAST => self.broadcast = value.to_vec(),
            libc::IFLA_MASTER => self.master = number(value),
            libc::IFLA_LINK => self.lower = number(value),
            libc::IFLA_GROUP => self.group = number(value).unwrap_or_default(),
            libc::IFLA_IFALIAS => self.alias = Some(text(value)),
            libc::IFLA_LINKINFO => self.take_information(value),
            _ => {}
        }
    }

    /// The kind comes before its data.
    fn take_information(&mut self, value: &[u8]) {
        for attribute in Attributes(value) {
            match attribute.kind {
                libc::IFLA_INFO_KIND => self.kind = Some(text(attribute.value)),
                libc::IFLA_INFO_DATA => {
                    self.sharing = self.sharing_of(attribute);
                    self.table = self.table_of(attribute);
                }
                _ => {}
            }
        }
    }

    fn table_of(&self, data: Attribute<'_>) -> Option<u32> {
        let is_vrf = self.kind.as_deref() == Some("vrf");
        data.nested().find(|attribute| is_vrf && attribute.kind == VRF_TABLE)?.u32()
    }

    fn sharing_of(&self, data: Attribute<'_>) -> Option<Sharing> {
        let find = |kind| data.nested().find(|attribute| attribute.kind == kind);
        match self.kind.as_deref()? {
            MACVLAN => Some(Sharing::Macvlan(find(MACVLAN_MODE)?.u32()?)),
            IPVLAN => Some(Sharing::Ipvlan(find(IPVLAN_MODE)?.u16()?, find(IPVLAN_FLAGS)?.u16()?)),
            _ => None,
        }
    }
}

/// IFLA_VRF_TABLE (linux/if_link.h).
const VRF_TABLE: u16 = 1;

fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

/// Names end with a zero.
fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

impl Requests {
    /// All network interfaces, by index.
    ///
    /// # Errors
    /// EAGAIN if the list kept changing while it was read.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let mut links =
            self.dump_list(List::Links, "list the network interfaces", Vec::new, |links, frame| {
                if frame.message_type() == libc::RTM_NEWLINK {
                    links.extend(Link::decode(frame.payload()));
                }
            })?;
        links.sort_unstable_by_key(|link: &Link| link.index);
        Ok(links)
    }
}
