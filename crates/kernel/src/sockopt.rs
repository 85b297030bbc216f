//! Socket options that neither rustix nor socket2 offers.

use std::os::fd::{AsFd, AsRawFd};

use serde::{Deserialize, Serialize};

use crate::error::{Errno, check};

/// Sets an option whose value is a C int.
pub(crate) fn set_int(
    fd: impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> Result<(), Errno> {
    set(fd, level, option, &value)
}

/// Sets an option whose value is the C struct `T`.
pub(crate) fn set<T: Copy>(
    fd: impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
    value: &T,
) -> Result<(), Errno> {
    let size = libc::socklen_t::try_from(size_of::<T>()).map_err(|_| Errno::INVAL)?;
    // SAFETY: `value` is readable for `size` bytes during the call; the kernel checks that the size fits the option.
    check(unsafe {
        libc::setsockopt(fd.as_fd().as_raw_fd(), level, option, std::ptr::from_ref(value).cast(), size)
    })?;
    Ok(())
}

/// Has a socket take what the filter says, from now on.
pub(crate) fn attach_filter(fd: impl AsFd, filter: &mut [libc::sock_filter]) -> Result<(), Errno> {
    let length = u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?;
    // The kernel copies the program during the call.
    let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
    set(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Gives a packet socket the frames of a protocol of one interface, or of every interface with 0 (packet(7)).
pub(crate) fn bind_packet(fd: impl AsFd, protocol: u16, interface: u32) -> Result<(), Errno> {
    let address = libc::sockaddr_ll {
        sll_family: libc::sa_family_t::try_from(libc::AF_PACKET).map_err(|_| Errno::INVAL)?,
        sll_protocol: protocol.to_be(),
        sll_ifindex: libc::c_int::try_from(interface).map_err(|_| Errno::NODEV)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let size = libc::socklen_t::try_from(size_of_val(&address)).map_err(|_| Errno::INVAL)?;
    // SAFETY: `address` is a whole sockaddr_ll of `size` bytes, readable during the call, which keeps nothing of it.
    check(unsafe { libc::bind(fd.as_fd().as_raw_fd(), (&raw const address).cast(), size) })?;
    Ok(())
}

/// How many packets a packet socket has lost since the last question, for lack of room (packet(7), PACKET_STATISTICS).
pub(crate) fn packets_dropped(fd: impl AsFd) -> Result<u32, Errno> {
    let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut size = libc::socklen_t::try_from(size_of_val(&statistics)).map_err(|_| Errno::INVAL)?;
    // SAFETY: `statistics` is writable for `size` bytes during the call, and any octets are such a struct.
    check(unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut size,
        )
    })?;
    Ok(statistics.tp_drops)
}

/// How much the kernel may keep for a socket until it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferSize {
    /// Bytes; the kernel doubles them for its own overhead.
    pub bytes: u32,
    /// Beyond net.core.rmem_max.
    pub force: bool,
}

/// Sets the receive buffer to what was asked for, or to `otherwise`.
pub(crate) fn size_receive_buffer(fd: impl AsFd, wanted: Option<BufferSize>, otherwise: usize) {
    match wanted {
        None => grow_receive_buffer(fd, otherwise),
        Some(BufferSize { bytes, force }) => {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            if force {
                grow_receive_buffer(fd, bytes);
            } else {
                // The kernel takes any size, and what it makes of it.
                let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&fd, bytes);
            }
        }
    }
}

/// Sets the receive buffer, beyond net.core.rmem_max where allowed and up to it otherwise.
pub(crate) fn grow_receive_buffer(fd: impl AsFd, bytes: usize) {
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(&fd, bytes).is_err() {
        // What remains is the system's default, which works for small loads.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&fd, bytes);
    }
}

/// Sets the send buffer, beyond net.core.wmem_max where allowed and up to it otherwise.
pub(crate) fn grow_send_buffer(fd: impl AsFd, bytes: usize) {
    let forced = libc::c_int::try_from(bytes)
        .map_err(|_| Errno::INVAL)
        .and_then(|bytes| set_int(&fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes));
    if forced.is_err() {
        // What remains is the system's default, which works for small loads.
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&fd, bytes);
    }
}
