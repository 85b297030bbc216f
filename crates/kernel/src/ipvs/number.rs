//! The numbers of `linux/ip_vs.h`.

/// IPVS_GENL_NAME and IPVS_GENL_VERSION.
pub(super) const FAMILY: &str = "IPVS";
pub(super) const VERSION: u8 = 1;

/// IPVS_CMD_*.
pub(super) mod command {
    pub(in crate::ipvs) const NEW_SERVICE: u8 = 1;
    pub(in crate::ipvs) const SET_SERVICE: u8 = 2;
    pub(in crate::ipvs) const DEL_SERVICE: u8 = 3;
    pub(in crate::ipvs) const GET_SERVICE: u8 = 4;
    pub(in crate::ipvs) const NEW_DEST: u8 = 5;
    pub(in crate::ipvs) const SET_DEST: u8 = 6;
    pub(in crate::ipvs) const DEL_DEST: u8 = 7;
    pub(in crate::ipvs) const GET_DEST: u8 = 8;
    pub(in crate::ipvs) const NEW_DAEMON: u8 = 9;
    pub(in crate::ipvs) const DEL_DAEMON: u8 = 10;
    pub(in crate::ipvs) const GET_DAEMON: u8 = 11;
    pub(in crate::ipvs) const SET_CONFIG: u8 = 12;
    pub(in crate::ipvs) const GET_CONFIG: u8 = 13;
    pub(in crate::ipvs) const GET_INFO: u8 = 15;
    pub(in crate::ipvs) const ZERO: u8 = 16;
    pub(in crate::ipvs) const FLUSH: u8 = 17;
}

/// IPVS_CMD_ATTR_*.
pub(super) mod top {
    pub(in crate::ipvs) const SERVICE: u16 = 1;
    pub(in crate::ipvs) const DEST: u16 = 2;
    pub(in crate::ipvs) const DAEMON: u16 = 3;
    pub(in crate::ipvs) const TIMEOUT_TCP: u16 = 4;
    pub(in crate::ipvs) const TIMEOUT_TCP_FIN: u16 = 5;
    pub(in crate::ipvs) const TIMEOUT_UDP: u16 = 6;
}

/// IPVS_INFO_ATTR_*.
pub(super) mod information {
    pub(in crate::ipvs) const VERSION: u16 = 1;
    pub(in crate::ipvs) const CONNECTION_TABLE_SIZE: u16 = 2;
}

/// IPVS_SVC_ATTR_*.
pub(super) mod service {
    pub(in crate::ipvs) const FAMILY: u16 = 1;
    pub(in crate::ipvs) const PROTOCOL: u16 = 2;
    pub(in crate::ipvs) const ADDRESS: u16 = 3;
    pub(in crate::ipvs) const PORT: u16 = 4;
    pub(in crate::ipvs) const MARK: u16 = 5;
    pub(in crate::ipvs) const SCHEDULER: u16 = 6;
    pub(in crate::ipvs) const FLAGS: u16 = 7;
    pub(in crate::ipvs) const TIMEOUT: u16 = 8;
    pub(in crate::ipvs) const NETMASK: u16 = 9;
    pub(in crate::ipvs) const STATISTICS: u16 = 10;
    pub(in crate::ipvs) const ENGINE: u16 = 11;
    pub(in crate::ipvs) const STATISTICS_64: u16 = 12;
}

/// IP_VS_SVC_F_*.
pub(super) mod flag {
    pub(in crate::ipvs) const PERSISTENT: u32 = 1;
    pub(in crate::ipvs) const ONE_PACKET: u32 = 4;
    /// SCHED1; SCHED2 and SCHED3 follow.
    pub(in crate::ipvs) const SCHEDULER_SHIFT: u32 = 3;
    pub(in crate::ipvs) const SCHEDULER_MASK: u32 = 7;
}

/// IPVS_DEST_ATTR_*.
pub(super) mod server {
    pub(in crate::ipvs) const ADDRESS: u16 = 1;
    pub(in crate::ipvs) const PORT: u16 = 2;
    pub(in crate::ipvs) const FORWARDING: u16 = 3;
    pub(in crate::ipvs) const WEIGHT: u16 = 4;
    pub(in crate::ipvs) const UPPER_THRESHOLD: u16 = 5;
    pub(in crate::ipvs) const LOWER_THRESHOLD: u16 = 6;
    pub(in crate::ipvs) const ACTIVE: u16 = 7;
    pub(in crate::ipvs) const INACTIVE: u16 = 8;
    pub(in crate::ipvs) const PERSISTENT: u16 = 9;
    pub(in crate::ipvs) const STATISTICS: u16 = 10;
    pub(in crate::ipvs) const FAMILY: u16 = 11;
    pub(in crate::ipvs) const STATISTICS_64: u16 = 12;
    pub(in crate::ipvs) const TUNNEL: u16 = 13;
    pub(in crate::ipvs) const TUNNEL_PORT: u16 = 14;
    pub(in crate::ipvs) const TUNNEL_FLAGS: u16 = 15;
}

/// IP_VS_CONN_F_*: the method is in the low three bits.
pub(super) mod forwarding {
    pub(in crate::ipvs) const MASK: u32 = 7;
    pub(in crate::ipvs) const MASQUERADE: u32 = 0;
    pub(in crate::ipvs) const LOCAL: u32 = 1;
    pub(in crate::ipvs) const TUNNEL: u32 = 2;
    pub(in crate::ipvs) const DIRECT: u32 = 3;
    pub(in crate::ipvs) const BYPASS: u32 = 4;
}

/// IP_VS_CONN_F_TUNNEL_TYPE_* and IP_VS_TUNNEL_ENCAP_FLAG_*.
pub(super) mod tunnel {
    pub(in crate::ipvs) const IPIP: u8 = 0;
    pub(in crate::ipvs) const GUE: u8 = 1;
    pub(in crate::ipvs) const GRE: u8 = 2;
    pub(in crate::ipvs) const CHECKSUM: u16 = 1;
    pub(in crate::ipvs) const REMOTE_CHECKSUM: u16 = 2;
}

/// IPVS_DAEMON_ATTR_*.
pub(super) mod daemon {
    pub(in crate::ipvs) const STATE: u16 = 1;
    pub(in crate::ipvs) const INTERFACE: u16 = 2;
    pub(in crate::ipvs) const ID: u16 = 3;
    pub(in crate::ipvs) const MESSAGE_BYTES: u16 = 4;
    pub(in crate::ipvs) const GROUP_V4: u16 = 5;
    pub(in crate::ipvs) const GROUP_V6: u16 = 6;
    pub(in crate::ipvs) const PORT: u16 = 7;
    pub(in crate::ipvs) const HOPS: u16 = 8;
    pub(in crate::ipvs) const MASTER: u32 = 1;
    pub(in crate::ipvs) const BACKUP: u32 = 2;
}
