//! The processes: supervisor, vrrp worker, notify, reload, control socket.
#![forbid(unsafe_code)]
