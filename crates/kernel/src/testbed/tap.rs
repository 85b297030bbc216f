//! What programs of a network ask the load balancer of the kernel, seen from outside.

use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SocketAddrAny, SocketFlags, SocketType, netdevice};

use crate::error::{Attempt as _, Errno, Error, Result};
use crate::ipvs::Ipvs;
use crate::sockopt;

/// Every protocol (packet(7)): what passes between programs and the kernel is given to no other packet sockets.
const EVERY_PROTOCOL: u16 = 3;

/// NETLINK_GENERIC (linux/netlink.h), which a message has for its protocol on an interface of type nlmon.
const NETLINK_GENERIC: u16 = 16;

/// Length of struct nlmsghdr. The first octet behind it is the command (struct genlmsghdr).
const HEADER_BYTES: usize = 16;

/// NLM_F_REQUEST (netlink(7)), which answers lack.
const REQUEST: u16 = 1;

/// Room for messages, with the kernel's overhead and the answers among them, until they are read.
const ROOM_BYTES: usize = 64 << 20;

/// Sees the requests to IPVS in one network namespace, from its opening until it is dropped.
#[derive(Debug)]
pub struct IpvsTap {
    fd: OwnedFd,
    interface: u32,
    family: u16,
    datagram: Vec<u8>,
}

impl IpvsTap {
    /// Listens at an interface of type nlmon in the network namespace of the calling thread.
    ///
    /// # Errors
    /// Without that interface, IPVS, or the right to open packet sockets.
    pub fn open(interface: &str) -> Result<Self> {
        let family = Ipvs::open()?.family();
        let open = || {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let protocol = rustix::net::Protocol::from_raw(
                u32::from(EVERY_PROTOCOL.to_be()).try_into().map_err(|_| Errno::INVAL)?,
            );
            let fd = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, Some(protocol))?;
            sockopt::grow_receive_buffer(&fd, ROOM_BYTES);
            let interface = netdevice::name_to_index(&fd, interface)?;
            Ok(Self { fd, interface, family, datagram: vec![0; 1 << 17] })
        };
        open().map_err(|errno: Errno| Error::new(format!("see netlink at {interface}"), errno))
    }

    /// The commands (IPVS_CMD_* of linux/ip_vs.h) of the requests since the last call, in order.
    ///
    /// # Errors
    /// ENOBUFS when some were lost, and the kernel's.
    pub fn commands(&mut self) -> Result<Vec<u8>> {
        let mut commands = Vec::new();
        loop {
            let received = rustix::net::recvfrom(&self.fd, self.datagram.as_mut_slice(), RecvFlags::empty());
            let (length, sender) = match received {
                Ok((length, _, sender)) => (length, sender),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno).attempt("see netlink"),
            };
            let wanted = sender.as_ref().and_then(origin) == Some((NETLINK_GENERIC, self.interface));
            if wanted {
                commands.extend(requests(self.datagram.get(..length).unwrap_or_default(), self.family));
            }
        }
        match sockopt::packets_dropped(&self.fd).attempt("ask how much of netlink was not seen")? {
            0 => Ok(commands),
            _ => Err(Errno::NOBUFS).attempt("see all of netlink"),
        }
    }
}

/// The protocol and the interface of a packet.
fn origin(sender: &SocketAddrAny) -> Option<(u16, u32)> {
    let length = usize::try_from(sender.addr_len()).ok()?;
    if sender.address_family() != AddressFamily::PACKET || length < size_of::<libc::sockaddr_ll>() {
        return None;
    }
    // SAFETY: the address has at least the length of a sockaddr_ll, which may hold any octets, and is only read.
    let link = unsafe { sender.as_ptr().cast::<libc::sockaddr_ll>().read_unaligned() };
    Some((u16::from_be(link.sll_protocol), u32::try_from(link.sll_ifindex).ok()?))
}

/// The commands of the requests to a family in one datagram.
fn requests(mut datagram: &[u8], family: u16) -> Vec<u8> {
    let mut commands = Vec::new();
    while let Some((header, rest)) = datagram.split_first_chunk::<HEADER_BYTES>() {
        let [a, b, c, d, kind_low, kind_high, flags_low, flags_high, ..] = *header;
        let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        let (kind, flags) =
            (u16::from_ne_bytes([kind_low, kind_high]), u16::from_ne_bytes([flags_low, flags_high]));
        if kind == family && flags & REQUEST != 0 {
            commands.extend(rest.first());
        }
        // NLMSG_ALIGN.
        let next = length.max(HEADER_BYTES).checked_next_multiple_of(4).unwrap_or(usize::MAX);
        datagram = datagram.get(next..).unwrap_or_default();
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_a_datagram_are_told_apart_from_answers_and_other_families() {
        let message = |kind: u16, flags: u16, command: u8| {
            let mut octets = 20_u32.to_ne_bytes().to_vec();
            octets.extend(kind.to_ne_bytes());
            octets.extend(flags.to_ne_bytes());
            octets.extend([0; 8]);
            octets.extend([command, 1, 0, 0]);
            octets
        };
        let datagram =
            [message(30, 5, 6), message(16, 1, 3), message(30, 2, 6), message(31, 1, 2), message(30, 1, 5)];
        assert_eq!(requests(&datagram.concat(), 30), [6, 5]);
        assert_eq!(requests(&[0; 17], 30), [0; 0]);
    }
}
