//! Requests as bytes.

use std::net::IpAddr;

use steadfast_wire::vrrp::Family;

use super::number::{self, command, daemon, flag, forwarding, server as dest, service as svc, top, tunnel};
use super::{
    Checksum, Command, Forwarding, Server, ServerKey, Service, ServiceKey, SyncDaemon, SyncRole, Timeouts,
    Tunnel,
};
use crate::netlink::AttributeWriter;
use crate::netlink::generic;

/// A message without attributes.
pub(super) fn message(command: u8) -> Vec<u8> {
    generic::message(command, number::VERSION)
}

/// The message of a change.
pub(super) fn change(change: &Command) -> Vec<u8> {
    let number = match change {
        Command::AddService(..) => command::NEW_SERVICE,
        Command::SetService(..) => command::SET_SERVICE,
        Command::DeleteService(_) => command::DEL_SERVICE,
        Command::AddServer(..) => command::NEW_DEST,
        Command::SetServer(..) => command::SET_DEST,
        Command::DeleteServer(..) => command::DEL_DEST,
    };
    let mut bytes = message(number);
    let mut writer = AttributeWriter::new(&mut bytes);
    writer.nest(top::SERVICE, |writer| {
        write_identity(writer, change.service());
        if let Command::AddService(key, service) | Command::SetService(key, service) = change {
            write_service(writer, *key, service);
        }
    });
    match change {
        Command::AddServer(_, key, server) | Command::SetServer(_, key, server) => {
            writer.nest(top::DEST, |writer| {
                write_server_identity(writer, *key);
                write_server(writer, server);
            });
        }
        Command::DeleteServer(_, key) => {
            writer.nest(top::DEST, |writer| write_server_identity(writer, *key));
        }
        Command::AddService(..) | Command::SetService(..) | Command::DeleteService(_) => {}
    }
    bytes
}

/// A message about one service.
pub(super) fn about_service(command: u8, key: ServiceKey) -> Vec<u8> {
    let mut bytes = message(command);
    AttributeWriter::new(&mut bytes).nest(top::SERVICE, |writer| write_identity(writer, key));
    bytes
}

pub(super) fn set_timeouts(timeouts: Timeouts) -> Vec<u8> {
    let mut bytes = message(command::SET_CONFIG);
    let mut writer = AttributeWriter::new(&mut bytes);
    writer.u32(top::TIMEOUT_TCP, timeouts.tcp_seconds);
    writer.u32(top::TIMEOUT_TCP_FIN, timeouts.tcp_fin_seconds);
    writer.u32(top::TIMEOUT_UDP, timeouts.udp_seconds);
    bytes
}

pub(super) fn start_daemon(wanted: &SyncDaemon) -> Vec<u8> {
    let mut bytes = message(command::NEW_DAEMON);
    AttributeWriter::new(&mut bytes).nest(top::DAEMON, |writer| {
        write_role(writer, wanted.role);
        writer.text(daemon::INTERFACE, &wanted.interface);
        writer.u32(daemon::ID, u32::from(wanted.id));
        if let Some(bytes) = wanted.message_bytes {
            writer.u16(daemon::MESSAGE_BYTES, bytes);
        }
        match wanted.group {
            Some(IpAddr::V4(group)) => writer.octets(daemon::GROUP_V4, &group.octets()),
            Some(IpAddr::V6(group)) => writer.octets(daemon::GROUP_V6, &group.octets()),
            None => {}
        }
        if let Some(port) = wanted.port {
            writer.u16(daemon::PORT, port);
        }
        if let Some(hops) = wanted.hops {
            writer.u8(daemon::HOPS, hops);
        }
    });
    bytes
}

pub(super) fn stop_daemon(role: SyncRole) -> Vec<u8> {
    let mut bytes = message(command::DEL_DAEMON);
    AttributeWriter::new(&mut bytes).nest(top::DAEMON, |writer| write_role(writer, role));
    bytes
}

fn write_role(writer: &mut AttributeWriter<'_>, role: SyncRole) {
    let number = match role {
        SyncRole::Master => daemon::MASTER,
        SyncRole::Backup => daemon::BACKUP,
    };
    writer.u32(daemon::STATE, number);
}

/// AF_INET and AF_INET6.
pub(super) fn family_number(family: Family) -> u16 {
    let number = match family {
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    u16::try_from(number).unwrap_or_default()
}

pub(super) fn write_identity(writer: &mut AttributeWriter<'_>, key: ServiceKey) {
    writer.u16(svc::FAMILY, family_number(key.family()));
    match key {
        ServiceKey::Address { transport, address, port } => {
            writer.u16(svc::PROTOCOL, transport.number());
            write_address(writer, svc::ADDRESS, address);
            writer.u16_network(svc::PORT, port);
        }
        ServiceKey::Mark { mark, .. } => writer.u32(svc::MARK, mark),
    }
}

pub(super) fn write_service(writer: &mut AttributeWriter<'_>, key: ServiceKey, service: &Service) {
    let mut flags = u32::from(service.scheduler_flags.bits()) << flag::SCHEDULER_SHIFT;
    if service.persistence.is_some() {
        flags |= flag::PERSISTENT;
    }
    if service.one_packet {
        flags |= flag::ONE_PACKET;
    }
    writer.text(svc::SCHEDULER, service.scheduler.as_str());
    // Flags and mask: without the whole mask nothing could be switched off.
    let mut octets = flags.to_ne_bytes().to_vec();
    octets.extend_from_slice(&u32::MAX.to_ne_bytes());
    writer.octets(svc::FLAGS, &octets);
    let whole = match key.family() {
        Family::V4 => 32,
        Family::V6 => 128,
    };
    let prefix = service.persistence.as_ref().and_then(|persistence| persistence.prefix).unwrap_or(whole);
    writer.u32(svc::TIMEOUT, service.persistence.as_ref().map_or(0, |persistence| persistence.seconds));
    match key.family() {
        Family::V4 => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            writer.octets(svc::NETMASK, &mask.to_be_bytes());
        }
        Family::V6 => writer.u32(svc::NETMASK, u32::from(prefix)),
    }
    if let Some(engine) = service.persistence.as_ref().and_then(|persistence| persistence.engine.as_ref()) {
        writer.text(svc::ENGINE, engine.as_str());
    }
}

pub(super) fn write_server_identity(writer: &mut AttributeWriter<'_>, key: ServerKey) {
    writer.u16(dest::FAMILY, family_number(Family::of(key.address)));
    write_address(writer, dest::ADDRESS, key.address);
    writer.u16_network(dest::PORT, key.port);
}

pub(super) fn write_server(writer: &mut AttributeWriter<'_>, server: &Server) {
    let method = match server.forwarding {
        Forwarding::Masquerade => forwarding::MASQUERADE,
        Forwarding::Local => forwarding::LOCAL,
        Forwarding::Tunnel(_) => forwarding::TUNNEL,
        Forwarding::Direct => forwarding::DIRECT,
        Forwarding::Bypass => forwarding::BYPASS,
    };
    writer.u32(dest::FORWARDING, method);
    writer.u32(dest::WEIGHT, server.weight);
    writer.u32(dest::UPPER_THRESHOLD, server.upper_threshold);
    writer.u32(dest::LOWER_THRESHOLD, server.lower_threshold);
    if let Forwarding::Tunnel(kind) = server.forwarding {
        let (number, port, checksum) = match kind {
            Tunnel::Ipip => (tunnel::IPIP, 0, Checksum::None),
            Tunnel::Gue { port, checksum } => (tunnel::GUE, port.get(), checksum),
            Tunnel::Gre { checksum } => (tunnel::GRE, 0, checksum),
        };
        let flags = match checksum {
            Checksum::None => 0,
            Checksum::Computed => tunnel::CHECKSUM,
            Checksum::Remote => tunnel::REMOTE_CHECKSUM,
        };
        writer.u8(dest::TUNNEL, number);
        writer.u16_network(dest::TUNNEL_PORT, port);
        writer.u16(dest::TUNNEL_FLAGS, flags);
    }
}

fn write_address(writer: &mut AttributeWriter<'_>, kind: u16, address: IpAddr) {
    // The kernel copies as many octets as its union has; a short attribute is padded by it.
    match address {
        IpAddr::V4(address) => writer.octets(kind, &address.octets()),
        IpAddr::V6(address) => writer.octets(kind, &address.octets()),
    }
}
