//! IP addresses on interfaces: as they are, and as they are wanted.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NlasIterator, Parseable};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::{Errno, Error, Result};
use crate::netlink::transport::{Batch, List, Requests};

/// Length of struct ifaddrmsg, after which the attributes stand.
const ADDRESS_HEADER_BYTES: usize = 8;

/// Origin (IFA_PROTO) of the addresses this program adds: the number registered for keepalived in iproute2's tables.
pub const PROTOCOL: u8 = 18;

/// A lifetime without end (RFC 4861 section 4.6.2).
const FOREVER: u32 = u32::MAX;

/// What distinguishes an address in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey {
    /// Interface index.
    pub interface: u32,
    /// The address itself.
    pub address: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
}

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} on interface {}", self.address, self.prefix, self.interface)
    }
}

/// An address that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Where, which, how wide.
    pub key: AddressKey,
    /// The far end of a point-to-point address.
    pub peer: Option<IpAddr>,
    /// IPv4 label.
    pub label: Option<String>,
    /// RT_SCOPE_*: 0 global, 253 link, 254 host.
    pub scope: u8,
    /// Flags.
    pub flags: AddressFlags,
    /// Who added it, where the kernel knows (IFA_PROTO, Linux 5.18); [`PROTOCOL`] is this program.
    pub protocol: Option<u8>,
}

impl Address {
    /// Not usable yet: duplicate address detection runs (RFC 4862 section 5.4).
    pub fn is_tentative(&self) -> bool {
        self.flags.contains(AddressFlags::Tentative) && !self.flags.contains(AddressFlags::Optimistic)
    }

    /// Not usable: another node has it.
    pub fn is_duplicate(&self) -> bool {
        self.flags.contains(AddressFlags::Dadfailed)
    }

    /// An IPv4 address that lives under another of the same network, and goes with it.
    pub fn is_secondary(&self) -> bool {
        self.key.address.is_ipv4() && self.flags.contains(AddressFlags::Secondary)
    }

    /// Added by this program or by keepalived.
    pub fn is_ours(&self) -> bool {
        self.protocol == Some(PROTOCOL)
    }

    /// Whether this kernel tells who added an address: one that does says so of its own (127.0.0.1 at the least).
    pub fn origins_are_told(addresses: &[Self]) -> bool {
        addresses.iter().any(|address| address.protocol.is_some())
    }

    /// From the payload of RTM_NEWADDR or RTM_DELADDR; attributes that the codec cannot read are passed over.
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let header = AddressHeader::parse(payload).ok()?;
        let (mut local, mut far, mut label, mut protocol) = (None, None, None, None);
        let mut flags = AddressFlags::from_bits_retain(header.flags.bits().into());
        let attributes = NlasIterator::new(payload.get(ADDRESS_HEADER_BYTES..)?);
        for attribute in attributes.map_while(std::result::Result::ok) {
            match AddressAttribute::parse(&attribute) {
                Ok(AddressAttribute::Local(address)) => local = Some(address),
                Ok(AddressAttribute::Address(address)) => far = Some(address),
                Ok(AddressAttribute::Label(text)) => label = Some(text),
                Ok(AddressAttribute::Flags(all)) => flags = all,
                Ok(AddressAttribute::Protocol(number)) => protocol = Some(u8::from(number)),
                _ => {}
            }
        }
        // IPv6 tells IFA_LOCAL only beside a peer; then IFA_ADDRESS is the peer.
        let address = local.or(far)?;
        let peer = far.filter(|far| *far != address);
        let key = AddressKey { interface: header.index, address, prefix: header.prefix_len };
        Some(Self { key, peer, label, scope: header.scope.into(), flags, protocol })
    }
}

/// An address as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressSpec {
    /// Where, which, how wide.
    pub key: AddressKey,
    /// The far end of a point-to-point address.
    pub peer: Option<IpAddr>,
    /// IPv4 label, at most 15 bytes.
    pub label: Option<String>,
    /// RT_SCOPE_*: 0 global, 253 link, 254 host. IPv6 ignores it.
    pub scope: u8,
    /// IPv4 broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// Let IPv6 look for duplicates first: the address serves a second later.
    pub detect_duplicates: bool,
    /// Add no route to the address's network.
    pub no_prefix_route: bool,
    /// IPv6: a mobile node's home address.
    pub home: bool,
    /// IPv6: template for temporary addresses.
    pub manage_temporary: bool,
    /// Join the multicast group that the address is.
    pub autojoin: bool,
    /// Seconds for which IPv6 prefers it as source; `None` is for ever.
    pub preferred_lifetime_seconds: Option<u32>,
    /// Seconds after which the kernel removes it unless it is renewed; `None` is never.
    pub lease_seconds: Option<u32>,
}

impl AddressSpec {
    /// An address with the defaults of a virtual address.
    pub fn new(interface: u32, address: IpAddr, prefix: u8) -> Self {
        Self {
            key: AddressKey { interface, address, prefix },
            peer: None,
            label: None,
            scope: 0,
            broadcast: None,
            detect_duplicates: false,
            no_prefix_route: false,
            home: false,
            manage_temporary: false,
            autojoin: false,
            preferred_lifetime_seconds: None,
            lease_seconds: None,
        }
    }

    /// As RTM_NEWADDR.
    fn message(&self) -> AddressMessage {
        let mut message = header(self.key);
        message.header.scope = AddressScope::from(self.scope);
        message.attributes.push(AddressAttribute::Local(self.key.address));
        message.attributes.push(AddressAttribute::Address(self.peer.unwrap_or(self.key.address)));
        if let Some(broadcast) = self.broadcast {
            message.attributes.push(AddressAttribute::Broadcast(broadcast));
        }
        if let Some(label) = &self.label {
            message.attributes.push(AddressAttribute::Label(label.clone()));
        }
        let flags = self.flags();
        if !flags.is_empty() {
            message.attributes.push(AddressAttribute::Flags(flags));
        }
        let preferred = self.preferred_lifetime_seconds.filter(|_| self.key.address.is_ipv6());
        if preferred.is_some() || self.lease_seconds.is_some() {
            let mut lifetimes = CacheInfo::default();
            lifetimes.ifa_valid = self.lease_seconds.unwrap_or(FOREVER);
            lifetimes.ifa_preferred = preferred.unwrap_or(FOREVER).min(lifetimes.ifa_valid);
            message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
        }
        message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)));
        message
    }

    fn flags(&self) -> AddressFlags {
        let v6 = self.key.address.is_ipv6();
        let mut flags = AddressFlags::empty();
        flags.set(AddressFlags::Nodad, v6 && !self.detect_duplicates);
        flags.set(AddressFlags::Noprefixroute, self.no_prefix_route);
        flags.set(AddressFlags::Homeaddress, v6 && self.home);
        flags.set(AddressFlags::Managetempaddr, v6 && self.manage_temporary);
        flags.set(AddressFlags::Mcautojoin, self.autojoin);
        flags
    }
}

impl Batch {
    /// Adds an address; refused with EEXIST if it is there.
    pub fn add_address(&mut self, spec: &AddressSpec) {
        self.push(RouteNetlinkMessage::NewAddress(spec.message()), NLM_F_CREATE | NLM_F_EXCL);
    }

    /// Gives an address its lifetimes anew, and adds it should it have gone.
    pub fn renew_address(&mut self, spec: &AddressSpec) {
        self.push(RouteNetlinkMessage::NewAddress(spec.message()), NLM_F_CREATE | NLM_F_REPLACE);
    }

    /// Deletes an address; refused with EADDRNOTAVAIL if it is not there.
    pub fn delete_address(&mut self, key: AddressKey, peer: Option<IpAddr>) {
        let mut message = header(key);
        message.attributes.push(AddressAttribute::Local(key.address));
        message.attributes.push(AddressAttribute::Address(peer.unwrap_or(key.address)));
        self.push(RouteNetlinkMessage::DelAddress(message), 0);
    }
}

impl Requests {
    /// All addresses of both families, by key.
    ///
    /// # Errors
    /// EAGAIN if the list kept changing while it was read.
    pub fn addresses(&mut self) -> Result<Vec<Address>> {
        let mut addresses =
            self.dump_list(List::Addresses, "list the addresses", Vec::new, |addresses, frame| {
                if frame.message_type() == libc::RTM_NEWADDR {
                    addresses.extend(Address::decode(frame.payload()));
                }
            })?;
        addresses.sort_unstable_by_key(|address: &Address| address.key);
        Ok(addresses)
    }

    /// Adds one address. That it exists already is success.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn add_address(&mut self, spec: &AddressSpec) -> Result<()> {
        let message = RouteNetlinkMessage::NewAddress(spec.message());
        accept(self.execute(message, NLM_F_CREATE | NLM_F_EXCL, &format!("add {}", spec.key)), Errno::EXIST)
    }

    /// Whether addresses may be changed at all, found out without changing any.
    ///
    /// # Errors
    /// EPERM, which names the capability.
    pub fn check_permission(&mut self) -> Result<()> {
        // No interface has this index. The kernel looks at permissions first.
        let nowhere = AddressKey {
            interface: i32::MAX.cast_unsigned(),
            address: Ipv4Addr::UNSPECIFIED.into(),
            prefix: 32,
        };
        let request = RouteNetlinkMessage::DelAddress(header(nowhere));
        match self.execute(request, 0, "change addresses") {
            Err(error) if error.is_permission() => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Deletes one address. That it is gone already is success.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn delete_address(&mut self, key: AddressKey) -> Result<()> {
        let mut message = header(key);
        message.attributes.push(AddressAttribute::Local(key.address));
        accept(
            self.execute(RouteNetlinkMessage::DelAddress(message), 0, &format!("delete {key}")),
            Errno::ADDRNOTAVAIL,
        )
    }
}

fn header(key: AddressKey) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match key.address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = key.prefix;
    message.header.index = key.interface;
    message
}

fn accept(result: Result<()>, harmless: Errno) -> Result<()> {
    match result {
        Err(Error { errno, .. }) if errno == harmless => Ok(()),
        result => result,
    }
}
