//! Raw sockets of IP protocols 112 and 51, UDP sockets of BFD, and reading and writing many datagrams with one system call.
//!
//! The receiving and the sending socket are two: the one joined to the group must not hear what this node says, and
//! the sending one must queue nothing.

pub mod announce;
pub mod answers;
mod echo;
mod receive;
mod send;
mod session;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, Protocol, SocketAddrV4, SocketAddrV6, SocketFlags, SocketType, ipproto, sockopt as options,
};
use steadfast_wire::vrrp::IpProtocol;

use crate::error::{Attempt, Capability, Errno, Result};
use crate::sockopt::{self, BufferSize};
use crate::wait::clock;

pub use echo::{Link, Way};
pub(crate) use receive::arrival_stamp;
pub use receive::{BadDatagram, Datagram, ReceiveBatch};
use send::{Destination, family};
pub use send::{MESSAGES_PER_CALL_MAX, Packet, SendBatch, SendFailure, SocketIndex};

/// Wanted receive buffer: adverts of some thousand virtual routers between two wake-ups.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Wanted send buffer: one tick of some thousand virtual routers.
const SEND_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Queueing priority of control traffic (tc(8): TC_PRIO_INTERACTIVE, the band that is served first).
const SOCKET_PRIORITY: libc::c_int = 6;

/// `SO_BINDTOIFINDEX` (Linux 5.1), which libc has for some targets only.
const SO_BINDTOIFINDEX: libc::c_int = 62;

/// What a pair of sockets is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// Adverts to a group on one interface.
    Group {
        /// Interface index.
        interface: u32,
        /// 224.0.0.18, ff02::12 or another.
        group: IpAddr,
    },
    /// Adverts between single nodes.
    Unicast {
        /// Interface index; `None` leaves it to the routes.
        interface: Option<u32>,
        /// The own address; need not exist yet.
        source: IpAddr,
    },
    /// Control packets of BFD, over UDP.
    Session {
        /// Port that they come to.
        port: u16,
        /// The own address, which need not exist yet; unspecified for every one of its family.
        local: IpAddr,
        /// Index of the interface that they come and go by; `None` leaves it to the routes.
        interface: Option<u32>,
    },
    /// Echo packets of BFD on all links, with their IP and UDP headers, and control packets of those who send them back.
    Echo {
        /// Of IPv4, not of IPv6.
        ipv4: bool,
    },
}

/// Hears the adverts for one [`Endpoint`]. Non-blocking.
#[derive(Debug)]
pub struct ReceiveSocket {
    fd: OwnedFd,
    endpoint: Endpoint,
    /// When it was last known to hold nothing, for bounding arrival times.
    empty_since: u64,
    /// Datagrams that the kernel dropped for want of room, as last told.
    lost: u32,
    /// Another socket that only has to be there.
    _beside: Option<OwnedFd>,
}

/// Sends adverts for one [`Endpoint`], each with its whole IP header. Receives nothing.
#[derive(Debug)]
pub struct SendSocket {
    fd: OwnedFd,
    endpoint: Endpoint,
}

impl Endpoint {
    /// Whether it is of IPv4.
    pub const fn is_ipv4(&self) -> bool {
        match self {
            Self::Group { group: address, .. }
            | Self::Unicast { source: address, .. }
            | Self::Session { local: address, .. } => address.is_ipv4(),
            Self::Echo { ipv4 } => *ipv4,
        }
    }

    /// Interface index, if it is bound to one.
    pub const fn interface(&self) -> Option<u32> {
        match *self {
            Self::Group { interface, .. } => Some(interface),
            Self::Unicast { interface, .. } | Self::Session { interface, .. } => interface,
            Self::Echo { .. } => None,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Group { interface, group } => format!("VRRP socket for {group} on interface {interface}"),
            Self::Unicast { interface: Some(interface), source } => {
                format!("VRRP socket for {source} on interface {interface}")
            }
            Self::Unicast { interface: None, source } => format!("VRRP socket for {source}"),
            Self::Session { port, local, interface: Some(interface) } => {
                format!("BFD socket for {local} and port {port} on interface {interface}")
            }
            Self::Session { port, local, interface: None } => {
                format!("BFD socket for {local} and port {port}")
            }
            Self::Echo { ipv4 } => {
                format!("socket for echo packets of BFD over {}", if *ipv4 { "IPv4" } else { "IPv6" })
            }
        }
    }
}

impl ReceiveSocket {
    /// Opens one in the network namespace of the calling thread.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW, ENODEV without the interface, ENOBUFS beyond net.ipv4.igmp_max_memberships.
    pub fn open(endpoint: Endpoint, carrier: IpProtocol) -> Result<Self> {
        let opened = match endpoint {
            Endpoint::Session { port, local, interface } => session::open_receive(port, local, interface),
            Endpoint::Echo { ipv4 } => echo::open_receive(ipv4),
            _ if endpoint.is_ipv4() => open_receive_v4(&endpoint, carrier),
            _ => open_receive_v6(&endpoint, carrier),
        };
        let fd =
            opened.attempt_with(Capability::NetRaw, format!("open the receiving {}", endpoint.describe()))?;
        let beside = if let Endpoint::Echo { ipv4 } = endpoint { echo::open_port(ipv4).ok() } else { None };
        Ok(Self { fd, endpoint, empty_since: clock::monotonic(), lost: 0, _beside: beside })
    }

    /// What it was opened for.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks for another receive buffer than the usual one.
    pub fn resize(&self, wanted: BufferSize) {
        sockopt::size_receive_buffer(&self.fd, Some(wanted), RECEIVE_BUFFER_BYTES);
    }

    /// Datagrams dropped by the kernel since the socket was opened because nobody read them in time. Known with the
    /// next datagram that is read.
    pub fn lost(&self) -> u32 {
        self.lost
    }
}

impl AsFd for ReceiveSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl SendSocket {
    /// Opens one in the network namespace of the calling thread.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW, ENODEV without the interface.
    pub fn open(endpoint: Endpoint) -> Result<Self> {
        let opened = match endpoint {
            Endpoint::Session { local, interface, .. } => session::open_send(local, interface),
            Endpoint::Echo { .. } => echo::open_send(),
            _ => open_send(&endpoint),
        };
        let fd =
            opened.attempt_with(Capability::NetRaw, format!("open the sending {}", endpoint.describe()))?;
        Ok(Self { fd, endpoint })
    }

    /// What it was opened for.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl AsFd for SendSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn open_receive_v4(endpoint: &Endpoint, carrier: IpProtocol) -> std::result::Result<OwnedFd, Errno> {
    let fd = raw_socket(AddressFamily::INET, protocol(carrier.number())?)?;
    bind_to_interface(&fd, endpoint.interface())?;
    // Otherwise the socket hears every group that any program has joined.
    sockopt::set_int(&fd, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0)?;
    let address = match *endpoint {
        Endpoint::Group { interface, group: IpAddr::V4(group) } => {
            let membership = libc::ip_mreqn {
                imr_multiaddr: libc::in_addr { s_addr: u32::from(group).to_be() },
                imr_address: libc::in_addr { s_addr: 0 },
                imr_ifindex: index(interface)?,
            };
            sockopt::set(&fd, libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, &membership)?;
            group
        }
        Endpoint::Unicast { source: IpAddr::V4(source), .. } => {
            sockopt::set_int(&fd, libc::IPPROTO_IP, libc::IP_FREEBIND, 1)?;
            source
        }
        _ => return Err(Errno::AFNOSUPPORT),
    };
    prepare_receive(&fd)?;
    rustix::net::bind(&fd, &SocketAddrV4::new(address, 0))?;
    Ok(fd)
}

fn open_receive_v6(endpoint: &Endpoint, carrier: IpProtocol) -> std::result::Result<OwnedFd, Errno> {
    let fd = raw_socket(AddressFamily::INET6, protocol(carrier.number())?)?;
    bind_to_interface(&fd, endpoint.interface())?;
    sockopt::set_int(&fd, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_ALL, 0)?;
    sockopt::set_int(&fd, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
    sockopt::set_int(&fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
    // Checksums are the machine's to check and to count; the kernel would drop in silence.
    sockopt::set_int(&fd, libc::IPPROTO_IPV6, libc::IPV6_CHECKSUM, -1)?;
    let address = match *endpoint {
        Endpoint::Group { interface, group: IpAddr::V6(group) } => {
            let membership = libc::ipv6_mreq {
                ipv6mr_multiaddr: libc::in6_addr { s6_addr: group.octets() },
                ipv6mr_interface: interface,
            };
            sockopt::set(&fd, libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP, &membership)?;
            group
        }
        Endpoint::Unicast { source: IpAddr::V6(source), .. } => {
            sockopt::set_int(&fd, libc::IPPROTO_IPV6, libc::IPV6_FREEBIND, 1)?;
            source
        }
        _ => return Err(Errno::AFNOSUPPORT),
    };
    prepare_receive(&fd)?;
    rustix::net::bind(&fd, &SocketAddrV6::new(address, 0, 0, endpoint.interface().unwrap_or(0)))?;
    Ok(fd)
}

fn prepare_receive(fd: &OwnedFd) -> std::result::Result<(), Errno> {
    sockopt::grow_receive_buffer(fd, RECEIVE_BUFFER_BYTES);
    sockopt::set_int(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    sockopt::set_int(fd, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)
}

/// Protocol 255 ("raw"): the sender writes the IP header, and no advert is queued for it.
fn open_send(endpoint: &Endpoint) -> std::result::Result<OwnedFd, Errno> {
    let family = if endpoint.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = raw_socket(family, ipproto::RAW)?;
    drop_everything_received(&fd)?;
    bind_to_interface(&fd, endpoint.interface())?;
    sockopt::grow_send_buffer(&fd, SEND_BUFFER_BYTES);
    sockopt::set_int(&fd, libc::SOL_SOCKET, libc::SO_PRIORITY, SOCKET_PRIORITY)?;
    let group = matches!(endpoint, Endpoint::Group { .. });
    if endpoint.is_ipv4() {
        options::set_ip_multicast_loop(&fd, false)?;
        sockopt::set_int(&fd, libc::SOL_SOCKET, libc::SO_DONTROUTE, group.into())?;
    } else {
        options::set_ipv6_multicast_loop(&fd, false)?;
        if let Endpoint::Group { interface, .. } = *endpoint {
            // The sender writes its address into the header, but the kernel wants to know of one all the same, and an
            // interface with a virtual MAC address has none of its own.
            sockopt::set_int(&fd, libc::IPPROTO_IPV6, libc::IPV6_FREEBIND, 1)?;
            rustix::net::bind(&fd, &SocketAddrV6::new(ANY_LINK_LOCAL, 0, 0, interface))?;
        }
    }
    Ok(fd)
}

/// A link-local address that nobody has (RFC 4291 section 2.6.1: the anycast address of all routers).
const ANY_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);

fn raw_socket(family: AddressFamily, protocol: Protocol) -> std::result::Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(family, SocketType::RAW, flags, Some(protocol))
}

fn protocol(number: u8) -> std::result::Result<Protocol, Errno> {
    std::num::NonZeroU32::new(number.into()).map(Protocol::from_raw).ok_or(Errno::INVAL)
}

fn bind_to_interface(fd: &OwnedFd, interface: Option<u32>) -> std::result::Result<(), Errno> {
    match interface {
        Some(interface) => sockopt::set_int(fd, libc::SOL_SOCKET, SO_BINDTOIFINDEX, index(interface)?),
        None => Ok(()),
    }
}

fn index(interface: u32) -> std::result::Result<libc::c_int, Errno> {
    libc::c_int::try_from(interface).map_err(|_| Errno::NODEV)
}

/// A filter whose only instruction takes zero bytes of every datagram.
fn drop_everything_received(fd: &OwnedFd) -> std::result::Result<(), Errno> {
    sockopt::attach_filter(fd, &mut [libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0 }])
}

/// The address of nobody, for datagrams whose sender the kernel did not tell.
const NOBODY_V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const NOBODY_V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

#[cfg(test)]
mod tests;
