//! The only writer to Linux: netlink, sockets, processes. Desired state in, difference out.

pub mod namespace;
