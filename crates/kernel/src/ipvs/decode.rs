//! What the kernel tells, out of bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use steadfast_wire::vrrp::Family;

use super::encode::family_number;
use super::number::{daemon, flag, forwarding, information, server as dest, service as svc, top, tunnel};
use super::{
    Checksum, Connections, Forwarding, Information, ListedServer, ListedService, Name, Persistence,
    SchedulerFlags, Server, ServerKey, Service, ServiceKey, Statistics, SyncDaemon, SyncRole, Timeouts,
    Transport, Tunnel,
};
use crate::netlink::generic::HEADER_BYTES;
use crate::netlink::{Attribute, Attributes};

/// The attributes of a message of the family.
fn attributes(payload: &[u8]) -> Attributes<'_> {
    Attributes(payload.get(HEADER_BYTES..).unwrap_or_default())
}

fn nest(payload: &[u8], kind: u16) -> Option<Attributes<'_>> {
    attributes(payload).find(|attribute| attribute.kind == kind).map(Attribute::nested)
}

impl ListedService {
    /// Reads the payload of a netlink message; none of what steadfast does not know (a protocol of the future).
    pub fn read(payload: &[u8]) -> Option<Self> {
        let mut seen = SeenService::default();
        for attribute in nest(payload, top::SERVICE)? {
            seen.take(attribute);
        }
        seen.conclude()
    }
}

#[derive(Default)]
struct SeenService<'a> {
    family: Option<Family>,
    transport: Option<Transport>,
    address: &'a [u8],
    port: u16,
    mark: Option<u32>,
    scheduler: Option<&'a str>,
    flags: u32,
    timeout: u32,
    netmask: [u8; 4],
    engine: Option<&'a str>,
    statistics: Statistics,
}

impl<'a> SeenService<'a> {
    fn take(&mut self, attribute: Attribute<'a>) {
        match attribute.kind {
            svc::FAMILY => self.family = attribute.u16().and_then(family),
            svc::PROTOCOL => self.transport = attribute.u16().and_then(Transport::of_number),
            svc::ADDRESS => self.address = attribute.value,
            svc::PORT => self.port = attribute.u16_network().unwrap_or(0),
            svc::MARK => self.mark = attribute.u32(),
            svc::SCHEDULER => self.scheduler = attribute.text(),
            svc::FLAGS => self.flags = attribute.u32().unwrap_or(0),
            svc::TIMEOUT => self.timeout = attribute.u32().unwrap_or(0),
            svc::NETMASK => self.netmask = attribute.value.first_chunk().copied().unwrap_or_default(),
            svc::ENGINE => self.engine = attribute.text(),
            // The 64-bit ones follow the others and replace them.
            svc::STATISTICS | svc::STATISTICS_64 => self.statistics = Statistics::read(attribute.nested()),
            _ => {}
        }
    }

    fn conclude(self) -> Option<ListedService> {
        let family = self.family?;
        let key = match self.mark {
            Some(mark) => ServiceKey::Mark { family, mark },
            None => ServiceKey::Address {
                transport: self.transport?,
                address: address(family, self.address)?,
                port: self.port,
            },
        };
        let persistence = (self.flags & flag::PERSISTENT != 0).then(|| Persistence {
            seconds: self.timeout,
            prefix: prefix(family, self.netmask),
            engine: self.engine.and_then(Name::new),
        });
        let bits = self.flags >> flag::SCHEDULER_SHIFT & flag::SCHEDULER_MASK;
        let service = Service {
            // "none" is how a service without a scheduler is asked for.
            scheduler: Name::new(self.scheduler.filter(|name| !name.is_empty()).unwrap_or("none"))?,
            scheduler_flags: SchedulerFlags::from_bits(u8::try_from(bits).unwrap_or_default()),
            one_packet: self.flags & flag::ONE_PACKET != 0,
            persistence,
        };
        Some(ListedService { key, service, statistics: self.statistics })
    }
}

impl ListedServer {
    /// Reads the payload of a netlink message about a server of a service of that family.
    pub fn read(payload: &[u8], service_family: Family) -> Option<Self> {
        let mut seen = SeenServer::default();
        for attribute in nest(payload, top::DEST)? {
            seen.take(attribute);
        }
        seen.conclude(service_family)
    }
}

#[derive(Default)]
struct SeenServer<'a> {
    family: Option<u16>,
    address: &'a [u8],
    port: u16,
    method: Option<u32>,
    weight: u32,
    upper_threshold: u32,
    lower_threshold: u32,
    tunnel: u8,
    tunnel_port: u16,
    tunnel_flags: u16,
    connections: Connections,
    statistics: Statistics,
}

impl<'a> SeenServer<'a> {
    fn take(&mut self, attribute: Attribute<'a>) {
        let number = || attribute.u32().unwrap_or(0);
        match attribute.kind {
            dest::ADDRESS => self.address = attribute.value,
            dest::PORT => self.port = attribute.u16_network().unwrap_or(0),
            dest::FORWARDING => self.method = attribute.u32(),
            dest::WEIGHT => self.weight = number(),
            dest::UPPER_THRESHOLD => self.upper_threshold = number(),
            dest::LOWER_THRESHOLD => self.lower_threshold = number(),
            dest::ACTIVE => self.connections.active = number(),
            dest::INACTIVE => self.connections.inactive = number(),
            dest::PERSISTENT => self.connections.persistent = number(),
            dest::STATISTICS | dest::STATISTICS_64 => self.statistics = Statistics::read(attribute.nested()),
            dest::FAMILY => self.family = attribute.u16().filter(|number| *number != 0),
            dest::TUNNEL => self.tunnel = attribute.u8().unwrap_or(0),
            dest::TUNNEL_PORT => self.tunnel_port = attribute.u16_network().unwrap_or(0),
            dest::TUNNEL_FLAGS => self.tunnel_flags = attribute.u16().unwrap_or(0),
            _ => {}
        }
    }

    fn conclude(self, service_family: Family) -> Option<ListedServer> {
        let family = self.family.map_or(Some(service_family), family)?;
        let checksum = match self.tunnel_flags {
            flags if flags & tunnel::REMOTE_CHECKSUM != 0 => Checksum::Remote,
            flags if flags & tunnel::CHECKSUM != 0 => Checksum::Computed,
            _ => Checksum::None,
        };
        let kind = match (self.tunnel, NonZeroU16::new(self.tunnel_port)) {
            (tunnel::GUE, Some(port)) => Tunnel::Gue { port, checksum },
            (tunnel::GRE, _) => Tunnel::Gre { checksum },
            _ => Tunnel::Ipip,
        };
        let forwarding = match self.method? & forwarding::MASK {
            forwarding::MASQUERADE => Forwarding::Masquerade,
            forwarding::LOCAL => Forwarding::Local,
            forwarding::TUNNEL => Forwarding::Tunnel(kind),
            forwarding::DIRECT => Forwarding::Direct,
            forwarding::BYPASS => Forwarding::Bypass,
            _ => return None,
        };
        Some(ListedServer {
            key: ServerKey { address: address(family, self.address)?, port: self.port },
            server: Server {
                forwarding,
                weight: self.weight,
                upper_threshold: self.upper_threshold,
                lower_threshold: self.lower_threshold,
            },
            connections: self.connections,
            statistics: self.statistics,
        })
    }
}

impl SyncDaemon {
    /// Reads the payload of a netlink message.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let (mut role, mut interface, mut id) = (None, None, None);
        let (mut message_bytes, mut group, mut port, mut hops) = (None, None, None, None);
        for attribute in nest(payload, top::DAEMON)? {
            match attribute.kind {
                daemon::STATE => {
                    role = match attribute.u32()? {
                        daemon::MASTER => Some(SyncRole::Master),
                        daemon::BACKUP => Some(SyncRole::Backup),
                        _ => None,
                    }
                }
                daemon::INTERFACE => interface = attribute.text(),
                daemon::ID => id = attribute.u32(),
                daemon::MESSAGE_BYTES => message_bytes = attribute.u16(),
                daemon::GROUP_V4 => group = address(Family::V4, attribute.value),
                daemon::GROUP_V6 => group = address(Family::V6, attribute.value),
                daemon::PORT => port = attribute.u16(),
                daemon::HOPS => hops = attribute.u8(),
                _ => {}
            }
        }
        let id = u8::try_from(id?).ok()?;
        Some(Self { role: role?, interface: interface?.to_owned(), id, message_bytes, group, port, hops })
    }
}

impl Information {
    pub(super) fn read(payload: &[u8]) -> Self {
        let mut read = Self::default();
        for attribute in attributes(payload) {
            match attribute.kind {
                information::VERSION => read.version = attribute.u32().unwrap_or(0),
                information::CONNECTION_TABLE_SIZE => {
                    read.connection_table_size = attribute.u32().unwrap_or(0)
                }
                _ => {}
            }
        }
        read
    }
}

impl Timeouts {
    pub(super) fn read(payload: &[u8]) -> Self {
        let mut read = Self::default();
        for attribute in attributes(payload) {
            let field = match attribute.kind {
                top::TIMEOUT_TCP => &mut read.tcp_seconds,
                top::TIMEOUT_TCP_FIN => &mut read.tcp_fin_seconds,
                top::TIMEOUT_UDP => &mut read.udp_seconds,
                _ => continue,
            };
            *field = attribute.u32().unwrap_or(0);
        }
        read
    }
}

fn family(number: u16) -> Option<Family> {
    [Family::V4, Family::V6].into_iter().find(|family| family_number(*family) == number)
}

/// The kernel gives its whole union, of which an IPv4 address is the beginning.
fn address(family: Family, octets: &[u8]) -> Option<IpAddr> {
    match family {
        Family::V4 => octets.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into()),
        Family::V6 => octets.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into()),
    }
}

fn prefix(family: Family, netmask: [u8; 4]) -> Option<u8> {
    match family {
        Family::V4 => {
            let mask = u32::from_be_bytes(netmask);
            (mask.leading_ones() + mask.trailing_zeros() >= 32)
                .then(|| u8::try_from(mask.leading_ones()).ok())?
        }
        Family::V6 => u8::try_from(u32::from_ne_bytes(netmask)).ok(),
    }
}

#[cfg(test)]
mod tests;
