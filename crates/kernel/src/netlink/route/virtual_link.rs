//! Interfaces that are made on top of others: a MAC address of its own for a virtual router (macvlan), or none (ipvlan).

use std::sync::Arc;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};

use serde::{Deserialize, Serialize};

use super::link::{Link, Sharing};
use crate::error::{Errno, Error, Result};
use crate::netlink::transport::{AttributeWriter, Attributes, Batch, Requests};

/// Begins the alias of every interface that this program makes: by it a later run knows what an earlier one left.
pub const MARK: &str = "steadfast: ";

pub(super) const MACVLAN: &str = "macvlan";
pub(super) const IPVLAN: &str = "ipvlan";

/// IFLA_MACVLAN_MODE, and MACVLAN_MODE_PRIVATE: such interfaces do not hear each other, and each gets what comes from
/// its own MAC address, as the adverts of another node do.
pub(super) const MACVLAN_MODE: u16 = 1;
const PRIVATE: u32 = 1;

/// IFLA_IPVLAN_MODE, IFLA_IPVLAN_FLAGS, and IPVLAN_MODE_L2.
pub(super) const IPVLAN_MODE: u16 = 1;
pub(super) const IPVLAN_FLAGS: u16 = 2;
const LAYER_2: u16 = 0;

/// IFLA_INET_CONF, IFLA_INET6_ADDR_GEN_MODE and IN6_ADDR_GEN_MODE_NONE.
const INET_CONF: u16 = 1;
const INET6_ADDR_GEN_MODE: u16 = 8;
const GENERATE_NONE: u8 = 1;

/// An interface as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSpec {
    /// Its name.
    pub name: Arc<str>,
    /// Index of the interface below it.
    pub lower: u32,
    /// What it is.
    pub kind: LinkKind,
    /// Group of interfaces.
    pub group: u32,
    /// The VRF that it belongs to.
    pub master: Option<u32>,
    /// What is noted about it; begins with [`MARK`].
    pub alias: Arc<str>,
    /// Settings of IPv4.
    pub ipv4: Vec<(Ipv4Setting, u32)>,
    /// Without IPv6: no packet of it shall leave with this MAC address.
    pub no_ipv6: bool,
    /// Once more is told of it when it is as it shall be, for programs that look at one message only.
    pub told_again: bool,
}

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// A macvlan in private mode with this MAC address.
    Macvlan([u8; 6]),
    /// An ipvlan of layer 2 with these IPVLAN_F_* flags.
    Ipvlan(u16),
}

/// A setting of IPv4 for one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ipv4Setting {
    /// Strictness of the check of source addresses (RFC 3704).
    ReversePathFilter,
    /// Answer for an address only where its route leads.
    ArpFilter,
    /// Ask with an address of the interface itself.
    ArpAnnounce,
    /// Answer only for addresses of the interface itself.
    ArpIgnore,
    /// The next address becomes primary when the primary one goes.
    PromoteSecondaries,
    /// Take packets from an address of this node.
    AcceptLocal,
}

impl Ipv4Setting {
    /// IPV4_DEVCONF_*.
    const fn number(self) -> u16 {
        match self {
            Self::ReversePathFilter => 8,
            Self::ArpFilter => 13,
            Self::ArpAnnounce => 18,
            Self::ArpIgnore => 19,
            Self::PromoteSecondaries => 20,
            Self::AcceptLocal => 23,
        }
    }
}

impl LinkKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Macvlan(_) => MACVLAN,
            Self::Ipvlan(_) => IPVLAN,
        }
    }

    const fn sharing(self) -> Sharing {
        match self {
            Self::Macvlan(_) => Sharing::Macvlan(PRIVATE),
            Self::Ipvlan(flags) => Sharing::Ipvlan(LAYER_2, flags),
        }
    }

    fn data(self, writer: &mut AttributeWriter<'_>) {
        match self {
            Self::Macvlan(_) => writer.u32(MACVLAN_MODE, PRIVATE),
            Self::Ipvlan(flags) => {
                writer.u16(IPVLAN_MODE, LAYER_2);
                writer.u16(IPVLAN_FLAGS, flags);
            }
        }
    }

    const fn address(&self) -> Option<&[u8; 6]> {
        match self {
            Self::Macvlan(address) => Some(address),
            Self::Ipvlan(_) => None,
        }
    }
}

impl LinkSpec {
    /// Whether an interface that exists is this one, on the same interface below; it may differ in what can be changed.
    pub fn is_same(&self, link: &Link) -> bool {
        self.is_kind(link) && link.lower == Some(self.lower)
    }

    /// Whether it is exactly as it shall be.
    pub fn fits(&self, link: &Link) -> bool {
        self.is_same(link)
            && link.up
            && link.sharing == Some(self.kind.sharing())
            && self.kind.address().is_none_or(|address| link.hardware_address == address)
            && link.master == self.master
            && link.group == self.group
            && link.alias.as_deref() == Some(&self.alias)
    }

    /// Whether an interface of its name was made by an earlier run, or by keepalived for the same purpose.
    pub fn was_made_for(&self, link: &Link) -> bool {
        let address = self.kind.address().is_none_or(|address| link.hardware_address == address);
        self.is_kind(link) && (link.is_made() || (address && link.lower == Some(self.lower)))
    }

    fn is_kind(&self, link: &Link) -> bool {
        link.kind.as_deref() == Some(self.kind.name())
    }
}

/// struct ifinfomsg for the interface of that index (0 for one that is named), with IFF_UP if it shall be set.
fn header(index: u32, up: bool) -> Vec<u8> {
    let flags = if up { libc::IFF_UP.cast_unsigned() } else { 0 };
    let mut bytes = vec![0; 4];
    for word in [index, flags, flags] {
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    bytes
}

impl Batch {
    /// Makes the interface, switched off; refused with EEXIST if one of the name is there.
    pub fn create_link(&mut self, spec: &LinkSpec) {
        let mut message = appearance(spec);
        AttributeWriter::new(&mut message).u32(libc::IFLA_LINK, spec.lower);
        self.push_payload(libc::RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &message);
    }

    /// Changes one that exists in what a new one begins with; it may be switched on.
    pub fn correct_link(&mut self, spec: &LinkSpec) {
        self.push_payload(libc::RTM_NEWLINK, 0, &appearance(spec));
    }

    /// Gives one that exists its settings of IPv4, its VRF and its alias.
    pub fn settle_link(&mut self, spec: &LinkSpec) {
        let mut message = header(0, false);
        let mut writer = AttributeWriter::new(&mut message);
        writer.text(libc::IFLA_IFNAME, &spec.name);
        writer.text(libc::IFLA_IFALIAS, &spec.alias);
        writer.u32(libc::IFLA_MASTER, spec.master.unwrap_or(0));
        ipv4_settings(&mut writer, &spec.ipv4);
        self.push_payload(libc::RTM_SETLINK, 0, &message);
    }

    /// The kernel shall make up no IPv6 address for the interface; refused with EAFNOSUPPORT where there is no IPv6.
    pub fn generate_no_addresses(&mut self, name: &str) {
        let mut message = header(0, false);
        let mut writer = AttributeWriter::new(&mut message);
        writer.text(libc::IFLA_IFNAME, name);
        writer.nest(libc::IFLA_AF_SPEC, |families| {
            families.nest(family(libc::AF_INET6), |v6| v6.u8(INET6_ADDR_GEN_MODE, GENERATE_NONE));
        });
        self.push_payload(libc::RTM_SETLINK, 0, &message);
    }

    /// Switches an interface on.
    pub fn switch_on_link(&mut self, name: &str) {
        let mut message = header(0, true);
        AttributeWriter::new(&mut message).text(libc::IFLA_IFNAME, name);
        self.push_payload(libc::RTM_SETLINK, 0, &message);
    }

    /// Has the kernel tell everybody once more how an interface is, by a change that changes nothing.
    pub fn tell_link_again(&mut self, spec: &LinkSpec) {
        let mut message = header(0, false);
        let mut writer = AttributeWriter::new(&mut message);
        writer.text(libc::IFLA_IFNAME, &spec.name);
        writer.u32(libc::IFLA_GROUP, spec.group);
        self.push_payload(libc::RTM_SETLINK, 0, &message);
    }

    /// Deletes an interface; refused with ENODEV if it is not there.
    pub fn delete_link(&mut self, index: u32) {
        self.push_payload(libc::RTM_DELLINK, 0, &header(index, false));
    }

    /// Sets settings of IPv4.
    pub fn set_ipv4(&mut self, index: u32, settings: &[(Ipv4Setting, u32)]) {
        let mut message = header(index, false);
        ipv4_settings(&mut AttributeWriter::new(&mut message), settings);
        self.push_payload(libc::RTM_SETLINK, 0, &message);
    }
}

/// What an interface is made with, but for the one below it.
fn appearance(spec: &LinkSpec) -> Vec<u8> {
    let mut message = header(0, false);
    let mut writer = AttributeWriter::new(&mut message);
    writer.text(libc::IFLA_IFNAME, &spec.name);
    if let Some(address) = spec.kind.address() {
        writer.octets(libc::IFLA_ADDRESS, address);
    }
    writer.u32(libc::IFLA_GROUP, spec.group);
    writer.nest(libc::IFLA_LINKINFO, |inner| {
        inner.text(libc::IFLA_INFO_KIND, spec.kind.name());
        inner.nest(libc::IFLA_INFO_DATA, |data| spec.kind.data(data));
    });
    message
}

fn ipv4_settings(writer: &mut AttributeWriter<'_>, settings: &[(Ipv4Setting, u32)]) {
    writer.nest(libc::IFLA_AF_SPEC, |families| {
        families.nest(family(libc::AF_INET), |v4| {
            v4.nest(INET_CONF, |values| {
                settings.iter().for_each(|(setting, value)| values.u32(setting.number(), *value));
            });
        });
    });
}

fn family(number: libc::c_int) -> u16 {
    u16::try_from(number).unwrap_or_default()
}

impl Requests {
    /// A setting of IPv4 of an interface.
    ///
    /// # Errors
    /// ENODEV without the interface, ENOENT where the kernel does not tell it.
    pub fn ipv4_setting(&mut self, index: u32, setting: Ipv4Setting) -> Result<u32> {
        let attempted = format!("read the settings of interface {index}");
        let mut value = None;
        self.query(libc::RTM_GETLINK, NLM_F_ACK, &header(index, false), &attempted, |payload| {
            value = value.or_else(|| told_setting(payload, setting));
        })?;
        value.ok_or_else(|| Error::new(attempted, Errno::NOENT))
    }
}

/// RTM_NEWLINK tells the settings of IPv4 as an array that begins with number 1.
fn told_setting(payload: &[u8], setting: Ipv4Setting) -> Option<u32> {
    let attributes = Attributes(payload.get(size_of::<libc::ifinfomsg>()..)?);
    let families = attributes.filter(|attribute| attribute.kind == libc::IFLA_AF_SPEC);
    let mut v4 = families.flat_map(|families| families.nested());
    let v4 = v4.find(|attribute| attribute.kind == family(libc::AF_INET))?;
    let values = v4.nested().find(|attribute| attribute.kind == INET_CONF)?;
    let at = usize::from(setting.number().checked_sub(1)?) * size_of::<u32>();
    let value = values.value.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*value))
}
