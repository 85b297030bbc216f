//! Network interfaces as the kernel tells of them.

use netlink_packet_core::{NlasIterator, ParseableParametrized};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkHeader, LinkInfo, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::request::Requests;
use crate::error::Result;

/// Length of struct ifinfomsg, after which the attributes stand.
const LINK_HEADER_BYTES: usize = 16;

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
}

impl Link {
    /// From the payload of RTM_NEWLINK or RTM_DELLINK. Only the attributes wanted here are decoded, so that one of
    /// a future kernel that the codec cannot read hides no interface. `None` for what other families tell under
    /// the same message types: a bridge sends RTM_DELLINK when a port leaves it.
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let header = LinkHeader::parse(payload).ok()?;
        if header.interface_family != AddressFamily::Unspec {
            return None;
        }
        let mut link = Self {
            index: header.index,
            up: header.flags.contains(LinkFlags::Up),
            running: header.flags.contains(LinkFlags::Up | LinkFlags::Running),
            multicast: header.flags.contains(LinkFlags::Multicast),
            loopback: header.flags.contains(LinkFlags::Loopback),
            no_arp: header.flags.contains(LinkFlags::Noarp),
            hardware_type: header.link_layer_type.into(),
            ..Self::default()
        };
        for attribute in
            NlasIterator::new(payload.get(LINK_HEADER_BYTES..)?).map_while(std::result::Result::ok)
        {
            if matches!(
                attribute.kind(),
                libc::IFLA_IFNAME
                    | libc::IFLA_MTU
                    | libc::IFLA_ADDRESS
                    | libc::IFLA_BROADCAST
                    | libc::IFLA_MASTER
                    | libc::IFLA_LINK
                    | libc::IFLA_LINKINFO
            ) && let Ok(attribute) = LinkAttribute::parse_with_param(&attribute, header.interface_family)
            {
                link.take(attribute);
            }
        }
        Some(link)
    }

    fn take(&mut self, attribute: LinkAttribute) {
        match attribute {
            LinkAttribute::IfName(name) => self.name = name,
            LinkAttribute::Mtu(mtu) => self.mtu = mtu,
            LinkAttribute::Address(address) => self.hardware_address = address,
            LinkAttribute::Broadcast(address) => self.broadcast = address,
            LinkAttribute::Controller(index) => self.master = Some(index),
            LinkAttribute::Link(index) => self.lower = Some(index),
            LinkAttribute::LinkInfo(info) => {
                self.kind = info.into_iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
}

impl Requests {
    /// All network interfaces, by index.
    ///
    /// # Errors
    /// EAGAIN if the list kept changing while it was read.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let mut links = self.dump_frames(
            &RouteNetlinkMessage::GetLink(LinkMessage::default()),
            "list the network interfaces",
            Vec::new,
            |links, frame| {
                if frame.message_type() == libc::RTM_NEWLINK {
                    links.extend(Link::decode(frame.payload()));
                }
            },
        )?;
        links.sort_unstable_by_key(|link: &Link| link.index);
        Ok(links)
    }
}
