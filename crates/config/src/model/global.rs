//! Settings of the daemon itself and defaults of what the file defines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use steadfast_wire::vrrp::Version;

use super::{Account, FastDetection, FlightRecorder, Script};
use crate::value::{Interval, Name, Text};

/// `global_defs` and the global keywords outside of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Global {
    /// Name of this daemon among several on the machine.
    pub instance: Option<Name>,
    /// Network namespace to run in.
    pub net_namespace: Option<Name>,
    /// Namespace of the IPVS table; `Some("")` is the initial one.
    pub net_namespace_ipvs: Option<Name>,
    /// Allow ipsets with a namespace on kernels that do not separate them.
    pub namespace_with_ipsets: bool,
    /// Put pid files into a folder of their own.
    pub use_pid_dir: bool,
    /// Poll every interface for its link state.
    pub linkbeat_use_polling: bool,
    /// How long the parent waits for its children when it stops.
    pub child_wait: Interval,
    /// Identifier in mail and SNMP; the host name without it.
    pub router_id: Option<Text>,
    /// Standard names for all processes.
    pub process_names: bool,
    /// Name of the parent process.
    pub process_name: Option<Text>,
    /// The VRRP process.
    pub vrrp_process: ProcessSettings,
    /// The check process.
    pub checker_process: ProcessSettings,
    /// The BFD process.
    pub bfd_process: ProcessSettings,
    /// Ceiling of the automatically raised real-time priority; -1 is never.
    pub max_auto_priority: Option<i32>,
    /// Lateness that raises it, microseconds.
    pub min_auto_priority_delay_microseconds: u32,
    /// Run scripts by their configured path instead of the resolved one.
    pub use_symlink_paths: bool,
    /// Give script accounts their supplementary groups.
    pub set_supplementary_groups: bool,
    /// Account of scripts that name none.
    pub script_user: Option<Account>,
    /// Refuse scripts that others can change.
    pub enable_script_security: bool,
    /// Run before the children start.
    pub startup_script: Option<Script>,
    /// Longest wait for it, seconds.
    pub startup_script_timeout_seconds: u32,
    /// Run after the children have ended.
    pub shutdown_script: Option<Script>,
    /// Longest wait for it, seconds.
    pub shutdown_script_timeout_seconds: u32,
    /// Alert mail.
    pub mail: Mail,
    /// Interface may be missing at start.
    pub dynamic_interfaces: bool,
    /// Interface may return as another kind.
    pub allow_interface_changes: bool,
    /// Interface of static addresses that name none.
    pub default_interface: Option<Name>,
    /// Turn IGMP reports for link-local groups off.
    pub disable_local_igmp: bool,
    /// Default of instances.
    pub v3_checksum_as_v2: bool,
    /// Default version of IPv4 instances.
    #[schemars(with = "super::schema::Version")]
    pub vrrp_version: Version,
    /// Default multicast group, IPv4.
    pub multicast_group4: Ipv4Addr,
    /// Default multicast group, IPv6.
    pub multicast_group6: Ipv6Addr,
    /// Default timing of gratuitous ARP and neighbour advertisements.
    pub announce: Announce,
    /// Set everything of it that was not given to the least.
    pub announce_minimal: bool,
    /// Spacing of gratuitous ARP on one interface.
    pub garp_interval: Interval,
    /// Spacing of neighbour advertisements on one interface.
    pub gna_interval: Interval,
    /// Default for interfaces other than the own one.
    pub extra_announce: Option<ExtraAnnounce>,
    /// Default missed adverts before a backup takes over.
    pub down_timer_adverts: u32,
    /// Default of instances.
    pub lower_priority_no_advert: bool,
    /// Default of instances.
    pub higher_priority_send_advert: bool,
    /// Default of instances.
    pub check_unicast_source: bool,
    /// Default of instances.
    pub skip_check_addresses: bool,
    /// Default of instances.
    pub strict: bool,
    /// Default of instances with priority 255.
    pub owner_ignore_adverts: bool,
    /// Default of instances and groups.
    pub notify_priority_changes: bool,
    /// Hold all instances back after the start.
    pub startup_delay: Interval,
    /// Memory of what the virtual routers are told.
    pub flight_recorder: FlightRecorder,
    /// Default of the instances: BFD sessions to whoever is heard as master.
    pub fast_detection: Option<FastDetection>,
    /// The same, measured from boot.
    pub delay_after_boot: Interval,
    /// Log adverts of virtual routers that are not configured.
    pub log_unknown_vrids: bool,
    /// Prefix of VMAC interface names.
    pub vmac_prefix: Text,
    /// Prefix of VMAC interface names made for addresses.
    pub vmac_address_prefix: Option<Text>,
    /// Filters for `no_accept` and VMACs.
    pub firewall: Firewall,
    /// FIFO of all notifications.
    pub notify_fifo: Option<Fifo>,
    /// FIFO of VRRP notifications.
    pub vrrp_notify_fifo: Option<Fifo>,
    /// FIFO of server notifications.
    pub lvs_notify_fifo: Option<Fifo>,
    /// Write states of unchanged instances after a reload.
    pub fifo_write_states_on_reload: bool,
    /// SNMP.
    pub snmp: Snmp,
    /// Serve D-Bus.
    pub dbus: bool,
    /// Bus name.
    pub dbus_service_name: Option<Text>,
    /// Path element of instances without interface.
    pub dbus_no_interface_name: Option<Text>,
    /// Timeouts of IPVS connections in seconds: TCP, TCP after FIN, UDP.
    pub lvs_timeouts: [Option<u32>; 3],
    /// Empty the IPVS table at start.
    pub lvs_flush: bool,
    /// What to do with it at stop.
    pub lvs_flush_on_stop: LvsFlushOnStop,
    /// Connections to a server that is gone end, and new packets of them go to another one.
    pub lvs_expire_nodest_conn: bool,
    /// Persistence ends with the server that it leads to.
    pub lvs_expire_quiescent_template: bool,
    /// Time after which names of real servers are looked up again.
    pub resolve_interval: Interval,
    /// Connection synchronisation.
    pub lvs_sync_daemon: Option<Box<LvsSyncDaemon>>,
    /// Log every failed check.
    pub checker_log_all_failures: bool,
    /// Run up notifications when servers are first added.
    pub rs_init_notifies: bool,
    /// Netlink and process event buffers in bytes by keyword.
    pub vrrp_netlink_command_buffer: BufferPolicy,
    /// Of the VRRP netlink monitor socket.
    pub vrrp_netlink_monitor_buffer: BufferPolicy,
    /// Of the checker netlink command socket.
    pub lvs_netlink_command_buffer: BufferPolicy,
    /// Of the checker netlink monitor socket.
    pub lvs_netlink_monitor_buffer: BufferPolicy,
    /// Of the process event socket.
    pub process_monitor_buffer: BufferPolicy,
    /// Receive buffer of advert sockets, bytes.
    pub receive_buffer_bytes: Option<u32>,
    /// Size it by the MTU.
    pub receive_buffer_by_mtu: bool,
    /// Size it by the advert.
    pub receive_buffer_by_advert: bool,
    /// Adverts' worth of buffer an instance.
    pub receive_buffer_multiplier: u32,
    /// umask of the daemon.
    pub umask: Option<u32>,
    /// Seed of the random numbers.
    pub random_seed: Option<u32>,
    /// Reload.
    pub reload: ReloadSettings,
    /// Put namespace and instance into the names of dump files.
    pub data_use_instance: bool,
    /// Layout of the JSON dump.
    pub json_version: u8,
    /// Folder of iproute2 name tables of the vendor.
    pub iproute_usr_dir: Option<Text>,
    /// Folder of iproute2 name tables of the administrator.
    pub iproute_etc_dir: Option<Text>,
    /// Where the data dump goes.
    pub state_dump_file: Option<Text>,
    /// Where the statistics go.
    pub stats_dump_file: Option<Text>,
    /// Where the JSON dump goes.
    pub json_dump_file: Option<Text>,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            instance: None,
            net_namespace: None,
            net_namespace_ipvs: None,
            namespace_with_ipsets: false,
            use_pid_dir: false,
            linkbeat_use_polling: false,
            child_wait: Interval::from_secs(5),
            router_id: None,
            process_names: false,
            process_name: None,
            vrrp_process: ProcessSettings::default(),
            checker_process: ProcessSettings::default(),
            bfd_process: ProcessSettings::default(),
            max_auto_priority: Some(0),
            min_auto_priority_delay_microseconds: 1_000_000,
            use_symlink_paths: false,
            set_supplementary_groups: false,
            script_user: None,
            enable_script_security: false,
            startup_script: None,
            startup_script_timeout_seconds: 10,
            shutdown_script: None,
            shutdown_script_timeout_seconds: 10,
            mail: Mail::default(),
            dynamic_interfaces: false,
            allow_interface_changes: false,
            default_interface: None,
            disable_local_igmp: false,
            v3_checksum_as_v2: false,
            vrrp_version: Version::V2,
            multicast_group4: Ipv4Addr::new(224, 0, 0, 18),
            multicast_group6: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12),
            announce: Announce::default(),
            announce_minimal: false,
            garp_interval: Interval::ZERO,
            gna_interval: Interval::ZERO,
            extra_announce: None,
            down_timer_adverts: 3,
            lower_priority_no_advert: false,
            higher_priority_send_advert: true,
            check_unicast_source: false,
            skip_check_addresses: false,
            strict: false,
            owner_ignore_adverts: false,
            notify_priority_changes: false,
            startup_delay: Interval::ZERO,
            flight_recorder: FlightRecorder::default(),
            fast_detection: None,
            delay_after_boot: Interval::ZERO,
            log_unknown_vrids: false,
            vmac_prefix: "vrrp".into(),
            vmac_address_prefix: None,
            firewall: Firewall::default(),
            notify_fifo: None,
            vrrp_notify_fifo: None,
            lvs_notify_fifo: None,
            fifo_write_states_on_reload: false,
            snmp: Snmp::default(),
            dbus: false,
            dbus_service_name: None,
            dbus_no_interface_name: None,
            lvs_timeouts: [None; 3],
            lvs_flush: false,
            lvs_flush_on_stop: LvsFlushOnStop::default(),
            lvs_expire_nodest_conn: false,
            lvs_expire_quiescent_template: false,
            resolve_interval: Interval::from_secs(30),
            lvs_sync_daemon: None,
            checker_log_all_failures: false,
            rs_init_notifies: false,
            vrrp_netlink_command_buffer: BufferPolicy::default(),
            vrrp_netlink_monitor_buffer: BufferPolicy::default(),
            lvs_netlink_command_buffer: BufferPolicy::default(),
            lvs_netlink_monitor_buffer: BufferPolicy::default(),
            process_monitor_buffer: BufferPolicy::default(),
            receive_buffer_bytes: None,
            receive_buffer_by_mtu: false,
            receive_buffer_by_advert: false,
            receive_buffer_multiplier: 3,
            umask: None,
            random_seed: None,
            reload: ReloadSettings::default(),
            data_use_instance: false,
            json_version: 1,
            iproute_usr_dir: None,
            iproute_etc_dir: None,
            state_dump_file: None,
            stats_dump_file: None,
            json_dump_file: None,
        }
    }
}

/// Scheduling of one of the processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessSettings {
    /// Its name.
    pub name: Option<Text>,
    /// nice value.
    pub nice: i32,
    /// Lock it in memory.
    pub no_swap: bool,
    /// SCHED_RR priority.
    pub realtime_priority: Option<u8>,
    /// Processors it may run on.
    pub affinity: Affinity,
    /// RLIMIT_RTTIME, microseconds.
    pub realtime_limit_microseconds: u32,
}

impl Default for ProcessSettings {
    fn default() -> Self {
        Self {
            name: None,
            nice: 0,
            no_swap: false,
            realtime_priority: None,
            affinity: Affinity::default(),
            realtime_limit_microseconds: 10_000,
        }
    }
}

/// Processor numbers; empty is all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Affinity(pub Vec<u32>);

/// Alert mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mail {
    /// Recipients.
    pub to: Vec<Text>,
    /// Sender.
    pub from: Option<Text>,
    /// Relay: host or address.
    pub server: Option<Text>,
    /// Its port.
    pub port: u16,
    /// Name in HELO.
    pub helo_name: Option<Text>,
    /// Time limit of each step.
    pub timeout: Interval,
    /// Default of every `smtp_alert`.
    pub alert: Option<bool>,
    /// Default of instances and groups.
    pub alert_vrrp: Option<bool>,
    /// Default of servers.
    pub alert_checker: Option<bool>,
    /// Do not mail FAULT.
    pub no_faults: bool,
    /// Mail only changes of a server, not of each checker.
    pub no_checkers: bool,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            to: Vec::new(),
            from: None,
            server: None,
            port: 25,
            helo_name: None,
            timeout: Interval::from_secs(30),
            alert: None,
            alert_vrrp: None,
            alert_checker: None,
            no_faults: false,
            no_checkers: false,
        }
    }
}

/// Timing of gratuitous ARP and unsolicited neighbour advertisements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Announce {
    /// Second block this long after becoming master; zero for none.
    pub master_delay: Interval,
    /// Messages an address in each block.
    pub master_repeat: u32,
    /// Period of the refresh while master; zero for none.
    pub refresh: Interval,
    /// Messages an address in each refresh.
    pub refresh_repeat: u32,
    /// Second block this long after a lower-priority advert; zero for none.
    pub lower_priority_delay: Interval,
    /// Messages an address after a lower-priority advert.
    pub lower_priority_repeat: u32,
}

impl Default for Announce {
    fn default() -> Self {
        Self {
            master_delay: Interval::from_secs(5),
            master_repeat: 5,
            refresh: Interval::ZERO,
            refresh_repeat: 1,
            lower_priority_delay: Interval::from_secs(5),
            lower_priority_repeat: 5,
        }
    }
}

/// Periodic announcements on interfaces other than the one of the adverts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExtraAnnounce {
    /// Their period; zero switches them off.
    pub interval: Interval,
    /// On all interfaces, not VMACs only.
    pub all: bool,
}

/// Packet filters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Firewall {
    /// iptables chains.
    pub iptables: Option<IpTables>,
    /// Names of the ipsets; `Some` and empty is none.
    pub ipsets: Option<Vec<Text>>,
    /// nftables table of VRRP.
    pub nftables_table: Option<Text>,
    /// Priority of its chains.
    pub nftables_priority: Option<i32>,
    /// Match by interface index.
    pub nftables_by_index: bool,
    /// Count packets.
    pub nftables_counters: bool,
    /// nftables table of IPVS.
    pub ipvs_table: Option<Text>,
    /// Priority of its chains.
    pub ipvs_priority: Option<i32>,
    /// First mark to use.
    pub ipvs_start_mark: Option<u32>,
}

/// iptables chains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IpTables {
    /// For what arrives.
    pub input_chain: Text,
    /// For what leaves.
    pub output_chain: Option<Text>,
}

/// A FIFO of notifications.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fifo {
    /// Its path; empty while only the script is given.
    pub path: Text,
    /// Its owner.
    pub account: Option<Account>,
    /// Program that reads it.
    pub script: Option<Script>,
}

/// SNMP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Snmp {
    /// AgentX socket.
    pub socket: Option<Text>,
    /// Send notifications.
    pub traps: bool,
    /// Serve the VRRP part of KEEPALIVED-MIB.
    pub vrrp: bool,
    /// Serve VRRP-MIB (RFC 2787).
    pub rfc2787: bool,
    /// Serve VRRPV3-MIB (RFC 6527).
    pub rfc6527: bool,
    /// Serve the checker part of KEEPALIVED-MIB.
    pub checker: bool,
    /// Shortest time between reads of virtual server statistics.
    pub virtual_server_stats_interval: Option<Interval>,
    /// Shortest time between reads of real server statistics.
    pub real_server_stats_interval: Option<Interval>,
}

/// What to do with the IPVS table at stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LvsFlushOnStop {
    /// Remove what was configured.
    #[default]
    No,
    /// Empty it.
    All,
    /// Delete virtual servers without their real servers first.
    VirtualServers,
}

/// IPVS connection synchronisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LvsSyncDaemon {
    /// Interface of its packets.
    pub interface: Name,
    /// Instance whose state decides its role.
    pub instance: Option<Name>,
    /// Sync id.
    pub id: Option<u8>,
    /// Largest message, bytes.
    pub max_length: Option<u16>,
    /// UDP port.
    pub port: Option<u16>,
    /// Multicast TTL.
    pub ttl: Option<u8>,
    /// Multicast group.
    pub group: Option<IpAddr>,
}

/// Receive buffer of a socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BufferPolicy {
    /// Size, bytes.
    pub bytes: Option<u32>,
    /// Exceed the system's limit.
    pub force: bool,
}

/// How the configuration is read again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReloadSettings {
    /// Test before every reload; log of the test.
    pub check_config: Option<Text>,
    /// File that holds the time of a reload.
    pub time_file: Option<Text>,
    /// A time of day holds every day.
    pub repeat: bool,
    /// File that exists while a reload is in progress; empty for the default path.
    pub file: Option<Text>,
    /// Keep copies of configurations here.
    pub save_dir: Option<Text>,
    /// Folder of the consolidated copy.
    pub temporary_dir: Option<Text>,
}
