//! `global_defs`.

use super::processes::*;
use super::read::*;
use crate::model::Global;
use crate::table::{Argument, Keywords, Mark, Store, at, keywords, with};
use crate::text::reader::Directive;
use Argument::*;
use Store::*;

/// Keywords of `global_defs`.
pub static GLOBAL: &Keywords<Global> = keywords! {
    "process_names" Flag => at!(process_names), Last, StartOnly;
        "kernel keeps the executable name",
        "Give the children standard comm names keepalived_vrrp, keepalived_lvs and keepalived_bfd.";
    "process_name" Word("NAME") => with!(read_process_name, show_process_name), Last, InPlace;
        "unset",
        "Comm name of the parent process.";
    "vrrp_process_name" Word("NAME") => with!(read_vrrp_name, show_vrrp_name), Last, StartOnly;
        "unset",
        "Comm name of the VRRP child.";
    "checker_process_name" Word("NAME") => with!(read_checker_name, show_checker_name), Last, InPlace;
        "unset",
        "Comm name of the health-check child.";
    "lvs_process_name" Word("NAME") => with!(read_checker_name, show_nothing), Last, InPlace = "checker_process_name";
        "unset",
        "Deprecated spelling of checker_process_name (logs a notice)";
    "bfd_process_name" Word("NAME") => with!(read_bfd_name, show_bfd_name), Last, InPlace;
        "unset",
        "Comm name of the BFD child.";
    "use_symlink_paths" Switch => at!(use_symlink_paths), Last, NextUse;
        "off; no argument means on",
        "Execute scripts through the configured (symlinked) path rather than the resolved real path.";
    "set_supplementary_groups" Switch => at!(set_supplementary_groups), Last, NextUse;
        "off; no argument means on",
        "Give script users their supplementary groups by default (a group of \":\" or \":grp\" turns it on for one script)";
    "router_id" Word("STRING") => at!(router_id), Last, NextUse | Told;
        "local host name",
        "Identifier used in e-mail subjects, SNMP and dumps.";
    "notification_email_from" Word("ADDRESS") => at!(mail.from), Last, NextUse | Told;
        "loginname@hostname, only when smtp_server is set",
        "From address of alert mail; a display name containing RFC 5322 specials is quoted automatically.";
    "smtp_server" Grammar("HOST_OR_ADDRESS [PORT 1..65535]") => with!(read_smtp_server, show_smtp_server), Last, NextUse;
        "none; port 25",
        "Mail relay for alerts; text with \"-\" or \"/\" is treated as a host name, otherwise address first then name lookup.";
    "smtp_helo_name" Word("HOST") => at!(mail.helo_name), Last, NextUse | Told;
        "local host name",
        "Name sent in the HELO of alert mail.";
    "smtp_connect_timeout" Argument::seconds(0, 4294) => with!(read_mail_timeout, show_mail_timeout), Last, NextUse;
        "30 s",
        "Connection and read/write timeout for alert mail.";
    "notification_email" Argument::words("ADDRESS") => with!(read_notification_email, show_notification_email), Adds, NextUse;
        "none",
        "Recipients of alert mail; each word is one recipient.";
    "smtp_alert" Switch => at!(mail.alert), Last, NextUse;
        "unset; no argument means on",
        "Default for every smtp_alert setting that is not set more specifically.";
    "startup_script" Script => at!(startup_script), First, StartOnly | Told;
        "none",
        "Script the parent runs and waits for before starting its children.";
    "startup_script_timeout" Argument::unsigned(1, 1000) => at!(startup_script_timeout_seconds), Last, StartOnly | Told;
        "10 s when startup_script is set",
        "Longest time to wait for the startup script.";
    "shutdown_script" Script => at!(shutdown_script), First, NextUse | Told;
        "none",
        "Script the parent runs after its children have ended.";
    "shutdown_script_timeout" Argument::unsigned(1, 1000) => at!(shutdown_script_timeout_seconds), Last, NextUse | Told;
        "10 s when shutdown_script is set",
        "Longest time to wait for the shutdown script.";
    "max_auto_priority" Grammar("[INTEGER -1..99]") => with!(read_max_auto_priority, show_max_auto_priority), Last, InPlace;
        "0; no argument means the maximum SCHED_RR priority",
        "Ceiling for automatically raised realtime priority when timers fire late; -1 disables.";
    "min_auto_priority_delay" Argument::unsigned(1, 10000000) => at!(min_auto_priority_delay_microseconds), Last, InPlace | Told;
        "1000000",
        "How late a timer must be before the realtime priority is raised.";
    "smtp_alert_vrrp" Switch => at!(mail.alert_vrrp), Last, NextUse;
        "unset; no argument means on",
        "Default smtp_alert for instances and sync groups (beats smtp_alert)";
    "smtp_alert_checker" Switch => at!(mail.alert_checker), Last, NextUse;
        "unset; no argument means on",
        "Default smtp_alert for virtual and real servers (beats smtp_alert)";
    "checker_log_all_failures" Switch => at!(checker_log_all_failures), Last, NextUse;
        "off; no argument means on",
        "Log every failed check rather than only state changes.";
    "dynamic_interfaces" Grammar("[allow_if_changes]") => with!(read_dynamic_interfaces, show_dynamic_interfaces), Last, NextUse;
        "off",
        "Allow configured interfaces that do not exist yet; allow_if_changes also permits an interface to be recreated with a different type or parent.";
    "no_email_faults" Flag => at!(mail.no_faults), Last, NextUse;
        "off",
        "Do not mail transitions to FAULT.";
    "default_interface" Interface => at!(default_interface), Last, Difference | Told;
        "eth0 if it exists (used only for static addresses)",
        "Interface for static addresses that name none.";
    "disable_local_igmp" Flag => at!(disable_local_igmp), Last, Refused;
        "off",
        "Turn off IGMP reports for link-local groups through sysctl; error if the kernel lacks that sysctl.";
    "v3_checksum_as_v2" Switch => at!(v3_checksum_as_v2), Last, InPlace;
        "off",
        "Leave the pseudo header out of the VRRPv3 IPv4 checksum by default.";
    "lvs_timeouts" Grammar("any of: tcp N, tcpfin N, udp N; N seconds 0..2678400") => with!(read_lvs_timeouts, show_lvs_timeouts), Last, InPlace | Told;
        "kernel values unchanged",
        "Set IPVS connection timeouts; old values restored at stop; at least one option needed.";
    "lvs_timeouts tcp" Argument::COUNT => Described, Last, InPlace;
        "unchanged",
        "Idle timeout of established TCP connections.";
    "lvs_timeouts tcpfin" Argument::COUNT => Described, Last, InPlace;
        "unchanged",
        "Timeout of TCP connections after FIN.";
    "lvs_timeouts udp" Argument::COUNT => Described, Last, InPlace;
        "unchanged",
        "Timeout of UDP pseudo-connections.";
    "lvs_flush" Flag => at!(lvs_flush), Last, StartOnly;
        "off",
        "Empty the whole IPVS table at start-up.";
    "lvs_flush_on_stop" Grammar("[VS]") => with!(read_flush_on_stop, show_flush_on_stop), Last, NextUse;
        "off",
        "At stop flush everything (no argument) or delete virtual servers without first deleting real servers (VS)";
    "lvs_flush_onstop" Grammar("[VS]") => with!(read_flush_on_stop, show_nothing), Last, NextUse = "lvs_flush_on_stop";
        "off",
        "Deprecated spelling of lvs_flush_on_stop (no notice logged)";
    "lvs_expire_nodest_conn" Switch => at!(lvs_expire_nodest_conn), Last, InPlace;
        "setting of the kernel; no argument means on",
        "Let connections end whose server is gone, so that what follows goes to another one: UDP flows leave a dead server.";
    "lvs_expire_quiescent_template" Switch => at!(lvs_expire_quiescent_template), Last, InPlace;
        "setting of the kernel; no argument means on",
        "Let persistence end whose server has weight 0 or is gone.";
    "resolve_interval" Argument::seconds(1, 86400) => at!(resolve_interval), Last, InPlace;
        "30",
        "Time after which names of real servers are looked up again.";
    "lvs_sync_daemon" Grammar("IFNAME [INSTANCE [SYNCID]] or IFNAME followed by options") => with!(read_sync_daemon, show_sync_daemon), First, InPlace | Told;
        "none",
        "Run the IPVS connection synchronisation daemon; positional instance and id are legacy forms.";
    "lvs_sync_daemon inst" Word("NAME of a vrrp_instance") => Described, First, InPlace;
        "none: both master and backup sync daemons run",
        "Tie the sync daemon role to the state of this VRRP instance.";
    "lvs_sync_daemon id" Argument::unsigned(0, 255) => Described, Last, InPlace;
        "VRID of the tied instance, else 0",
        "Sync id.";
    "lvs_sync_daemon maxlen" Argument::unsigned(1, 65507) => Described, Last, InPlace;
        "kernel default",
        "Largest sync message (needs kernel sync attributes)";
    "lvs_sync_daemon port" Argument::unsigned(1, 65535) => Described, Last, InPlace;
        "kernel default",
        "UDP port of the sync protocol.";
    "lvs_sync_daemon ttl" Argument::unsigned(1, 255) => Described, Last, InPlace;
        "kernel default",
        "Multicast TTL of sync packets.";
    "lvs_sync_daemon group" Address => Described, Last, InPlace;
        "kernel default",
        "Multicast group of sync packets.";
    "vrrp_mcast_group4" Multicast4 => at!(multicast_group4), Last, Restart;
        "224.0.0.18",
        "Default IPv4 advert destination.";
    "vrrp_mcast_group6" Multicast6 => at!(multicast_group6), Last, Restart;
        "ff02::12",
        "Default IPv6 advert destination.";
    "vrrp_garp_master_delay" Argument::seconds(0, 4294) => at!(announce.master_delay), Last, InPlace;
        "5",
        "Delay before the second block of GARP/NA after becoming master (0 = none)";
    "vrrp_garp_master_repeat" Argument::COUNT => with!(read_master_repeat, show_master_repeat), Last, InPlace;
        "5",
        "GARP/NA messages per address in each block.";
    "vrrp_garp_master_refresh" Argument::seconds(0, 4294967295) => at!(announce.refresh), Last, InPlace;
        "0 (off)",
        "Interval of periodic GARP/NA while master.";
    "vrrp_garp_master_refresh_repeat" Argument::COUNT => with!(read_refresh_repeat, show_refresh_repeat), Last, InPlace;
        "1",
        "Messages per address in each periodic refresh.";
    "vrrp_garp_lower_prio_delay" Argument::seconds(0, 4294) => at!(announce.lower_priority_delay), Last, InPlace;
        "value of vrrp_garp_master_delay",
        "Delay of the second GARP block after a lower-priority advert.";
    "vrrp_garp_lower_prio_repeat" Argument::unsigned(0, 2147483647) => at!(announce.lower_priority_repeat), Last, InPlace;
        "value of vrrp_garp_master_repeat",
        "GARP messages per address after a lower-priority advert (0 = none)";
    "vrrp_down_timer_adverts" Argument::unsigned(1, 100) => at!(down_timer_adverts), Last, InPlace;
        "3",
        "Missed adverts before a backup takes over.";
    "vrrp_garp_interval" Argument::decimal(1, 4294967295) => at!(garp_interval), Last, InPlace;
        "0 (no pacing)",
        "Spacing between GARPs on one interface.";
    "vrrp_gna_interval" Argument::decimal(1, 4294967295) => at!(gna_interval), Last, InPlace;
        "0 (no pacing)",
        "Spacing between unsolicited NAs on one interface.";
    "vrrp_min_garp" Switch => at!(announce_minimal), Last, InPlace;
        "off; no argument means on",
        "Where still at default, set repeat 1, refresh 0, refresh_repeat 0 and delay 0.";
    "vrrp_garp_extra_if" Grammar("[all] UNSIGNED seconds 1..86400") => with!(read_extra_announce, show_extra_announce), Last, InPlace | Told;
        "off",
        "Periodic GARP/NA on VIP interfaces other than the advert one; all includes non-VMAC interfaces.";
    "vrrp_vmac_garp_intvl" Grammar("[all] UNSIGNED seconds 1..86400") => with!(read_extra_announce, show_nothing), Last, InPlace = "vrrp_garp_extra_if" | Told [Mark::DeprecatedLoudly];
        "off",
        "Deprecated spelling of vrrp_garp_extra_if (reports a deprecation status)";
    "vrrp_lower_prio_no_advert" Switch => at!(lower_priority_no_advert), Last, InPlace;
        "off; no argument means on",
        "A master does not answer a lower-priority advert with its own advert.";
    "vrrp_higher_prio_send_advert" Switch => at!(higher_priority_send_advert), Last, InPlace;
        "on; no argument means on",
        "A master sends one advert before yielding to a higher-priority advert, so that the other announces its addresses after it.";
    "vrrp_version" Argument::unsigned(2, 3) => at!(vrrp_version), Last, InPlace;
        "2",
        "Default protocol version for IPv4 instances.";
    "vrrp_iptables" Grammar("[INCHAIN [OUTCHAIN]] (names shorter than the kernel limit, must differ)") => with!(read_iptables, show_iptables), First, StartOnly, Firewall;
        "not used; no argument means INPUT OUTPUT",
        "Use iptables for the firewall rules; in builds with only nftables the word selects the nftables table and reports an error.";
    "vrrp_ipsets" Grammar("[SET4 [SET6 [SETIF6 [IGMP [MLD [ND]]]]]]") => with!(read_ipsets, show_ipsets), Last, StartOnly, Firewall;
        "names keepalived, keepalived6, keepalived_if6, keepalived_igmp, keepalived_mld, keepalived_nd when vrrp_iptables is used",
        "Set names used with iptables; no argument disables ipsets; omitted names are derived; all must differ.";
    "nftables" OptionalWord("TABLE") => with!(read_nftables, show_nftables), First, Refused;
        "not used; no argument means keepalived",
        "Use nftables with this table name for VRRP firewall rules.";
    "nftables_priority" Argument::integer(-2147483648, 2147483647) => at!(firewall.nftables_priority), Last, InPlace;
        "-1",
        "Priority of the VRRP nftables chains.";
    "nftables_ifindex" Flag => at!(firewall.nftables_by_index), Last, InPlace;
        "off (match by name)",
        "Match interfaces by index in nftables sets.";
    "vrrp_check_unicast_src" Flag => at!(check_unicast_source), Last, InPlace;
        "off",
        "Drop unicast adverts whose source is not a configured peer.";
    "vrrp_skip_check_adv_addr" Switch => at!(skip_check_addresses), Last, InPlace;
        "off; no argument means on",
        "In backup compare the address list only when the sender changes.";
    "vrrp_strict" Switch => at!(strict), Last, InPlace;
        "off; no argument means on",
        "Enforce protocol compliance by default.";
    "vrrp_priority" Argument::integer(-20, 19) => at!(vrrp_process.nice), Last, InPlace | Told;
        "0",
        "Nice value of the VRRP process.";
    "vrrp_no_swap" Flag => at!(vrrp_process.no_swap), Last, InPlace;
        "off",
        "Lock the VRRP process in memory.";
    "vrrp_rt_priority" Grammar("INTEGER clamped to 1..99") => with!(read_vrrp_rt, show_vrrp_rt), Last, InPlace | Told;
        "not realtime",
        "Run the VRRP process as SCHED_RR at this priority.";
    "vrrp_cpu_affinity" Grammar("CPU_ID... each 0..(online-1)") => with!(read_vrrp_cpus, show_vrrp_cpus), Last, InPlace | Told;
        "none",
        "Pin the VRRP process; any bad id discards the whole list.";
    "vrrp_rlimit_rttime" Argument::unsigned(1, 4294967295) => at!(vrrp_process.realtime_limit_microseconds), Last, InPlace;
        "10000",
        "RLIMIT_RTTIME when realtime (soft limit is half)";
    "vrrp_rlimit_rtime" Argument::unsigned(1, 4294967295) => at!(vrrp_process.realtime_limit_microseconds), Last, InPlace = "vrrp_rlimit_rttime";
        "10000",
        "Deprecated misspelling of vrrp_rlimit_rttime.";
    "nftables_ipvs" OptionalWord("TABLE") => with!(read_nftables_ipvs, show_nftables_ipvs), First, Refused;
        "not used; no argument means keepalived_ipvs",
        "Implement virtual server groups with nftables marks instead of one IPVS service per address.";
    "nftables_ipvs_priority" Argument::integer(-2147483648, 2147483647) => at!(firewall.ipvs_priority), Last, StartOnly;
        "-1",
        "Priority of the IPVS nftables chains.";
    "nftables_ipvs_start_fwmark" Argument::unsigned(1, 4294967295) => at!(firewall.ipvs_start_mark), Last, StartOnly;
        "1000",
        "First firewall mark to allocate.";
    "nftables_counters" Flag => at!(firewall.nftables_counters), Last, InPlace;
        "off",
        "Add counters to generated nftables rules.";
    "notify_fifo" Grammar("PATH [USER [GROUP]]") => with!(read_notify_fifo, show_notify_fifo), First, InPlace | Told;
        "none",
        "FIFO receiving both VRRP and LVS notifications.";
    "notify_fifo_script" Script => with!(read_notify_fifo_script, show_notify_fifo_script), First, InPlace | Told;
        "none",
        "Program started with the FIFO path appended as last argument; started by the checker process when it runs, else by VRRP.";
    "vrrp_notify_fifo" Grammar("PATH [USER [GROUP]]") => with!(read_vrrp_fifo, show_vrrp_fifo), First, InPlace | Told;
        "none",
        "FIFO for VRRP notifications only (ignored if same path as notify_fifo)";
    "vrrp_notify_fifo_script" Script => with!(read_vrrp_fifo_script, show_vrrp_fifo_script), First, InPlace | Told;
        "none",
        "Reader program of the VRRP FIFO.";
    "vrrp_notify_priority_changes" Switch => at!(notify_priority_changes), Last, InPlace;
        "off; no argument means on",
        "Write priority changes to the FIFOs by default.";
    "fifo_write_vrrp_states_on_reload" Flag => at!(fifo_write_states_on_reload), Last, NextUse;
        "off",
        "After a reload write the state of unchanged instances and groups to the FIFOs.";
    "lvs_notify_fifo" Grammar("PATH [USER [GROUP]]") => with!(read_lvs_fifo, show_lvs_fifo), First, InPlace | Told;
        "none",
        "FIFO for virtual/real server notifications only (ignored if same path as notify_fifo)";
    "lvs_notify_fifo_script" Script => with!(read_lvs_fifo_script, show_lvs_fifo_script), First, InPlace | Told;
        "none",
        "Reader program of the LVS FIFO; dropped if the VRRP FIFO has the same path and a script.";
    "checker_priority" Argument::integer(-20, 19) => at!(checker_process.nice), Last, InPlace | Told;
        "0",
        "Nice value of the checker process.";
    "checker_no_swap" Flag => at!(checker_process.no_swap), Last, InPlace;
        "off",
        "Lock the checker process in memory.";
    "checker_rt_priority" Grammar("INTEGER clamped to 1..99") => with!(read_checker_rt, show_checker_rt), Last, InPlace | Told;
        "not realtime",
        "SCHED_RR priority of the checker process.";
    "checker_cpu_affinity" Grammar("CPU_ID...") => with!(read_checker_cpus, show_checker_cpus), Last, InPlace | Told;
        "none",
        "CPU pinning of the checker process.";
    "checker_rlimit_rttime" Argument::unsigned(1, 4294967295) => at!(checker_process.realtime_limit_microseconds), Last, InPlace;
        "10000",
        "RLIMIT_RTTIME of the checker process when realtime.";
    "checker_rlimit_rtime" Argument::unsigned(1, 4294967295) => at!(checker_process.realtime_limit_microseconds), Last, InPlace = "checker_rlimit_rttime";
        "10000",
        "Deprecated misspelling of checker_rlimit_rttime.";
    "bfd_priority" Argument::integer(-20, 19) => at!(bfd_process.nice), Last, InPlace | Told;
        "0",
        "Nice value of the BFD process.";
    "bfd_no_swap" Flag => at!(bfd_process.no_swap), Last, InPlace;
        "off",
        "Lock the BFD process in memory.";
    "bfd_rt_priority" Grammar("INTEGER clamped to 1..99") => with!(read_bfd_rt, show_bfd_rt), Last, InPlace | Told;
        "not realtime",
        "SCHED_RR priority of the BFD process.";
    "bfd_cpu_affinity" Grammar("CPU_ID...") => with!(read_bfd_cpus, show_bfd_cpus), Last, InPlace | Told;
        "none",
        "CPU pinning of the BFD process.";
    "bfd_rlimit_rttime" Argument::unsigned(1, 4294967295) => at!(bfd_process.realtime_limit_microseconds), Last, InPlace;
        "10000",
        "RLIMIT_RTTIME of the BFD process when realtime.";
    "bfd_rlimit_rtime" Argument::unsigned(1, 4294967295) => at!(bfd_process.realtime_limit_microseconds), Last, InPlace = "bfd_rlimit_rttime";
        "10000",
        "Deprecated misspelling of bfd_rlimit_rttime.";
    "snmp_socket" Word("AGENTX_SOCKET") => at!(snmp.socket), First, StartOnly, Snmp | Told;
        "value of -A, else the net-snmp library default",
        "Where to reach the AgentX master.";
    "enable_traps" Flag => at!(snmp.traps), Last, InPlace, Snmp;
        "off",
        "Send SNMP notifications.";
    "enable_snmp_vrrp" Flag => at!(snmp.vrrp), Last, InPlace, Snmp;
        "off (on with -x)",
        "Serve the VRRP part of KEEPALIVED-MIB.";
    "enable_snmp_keepalived" Flag => at!(snmp.vrrp), Last, InPlace, Snmp = "enable_snmp_vrrp";
        "off",
        "Deprecated spelling of enable_snmp_vrrp.";
    "enable_snmp_rfc" Flag => with!(read_snmp_rfc, show_nothing), Last, InPlace, Snmp;
        "off",
        "Serve both RFC MIBs that are compiled in.";
    "enable_snmp_rfcv2" Flag => at!(snmp.rfc2787), Last, InPlace, Snmp;
        "off (on with -x)",
        "Serve VRRP-MIB (RFC 2787)";
    "enable_snmp_rfcv3" Flag => at!(snmp.rfc6527), Last, InPlace, Snmp;
        "off (on with -x)",
        "Serve VRRPV3-MIB (RFC 6527)";
    "enable_snmp_checker" Flag => at!(snmp.checker), Last, InPlace, Snmp;
        "off (on with -x)",
        "Serve the checker part of KEEPALIVED-MIB.";
    "snmp_vs_stats_update_interval" Argument::decimal(1000, 30000000) => at!(snmp.virtual_server_stats_interval), Last, InPlace, Snmp;
        "5 s",
        "Shortest time between kernel reads of virtual server statistics for SNMP.";
    "snmp_rs_stats_update_interval" Argument::decimal(1000, 30000000) => at!(snmp.real_server_stats_interval), Last, InPlace, Snmp;
        "same as snmp_vs_stats_update_interval",
        "Shortest time between kernel reads of real server statistics for SNMP.";
    "enable_dbus" Flag => at!(dbus), Last, InPlace, Dbus;
        "off",
        "Publish the DBus interface.";
    "dbus_service_name" Word("NAME") => at!(dbus_service_name), Last, StartOnly, Dbus | Told;
        "org.keepalived.Vrrp1",
        "Bus name to own.";
    "dbus_no_interface_name" Word("NAME") => at!(dbus_no_interface_name), Last, StartOnly, Dbus | Told;
        "none",
        "Path element used for instances that have no interface.";
    "script_user" Grammar("USER [GROUP or :GROUP or :]") => with!(read_script_user, show_script_user), Last, NextUse | Told;
        "keepalived_script if that account exists, else the daemon's own ids",
        "Account used for scripts that give none.";
    "enable_script_security" Flag => at!(enable_script_security), Last, NextUse;
        "off",
        "Refuse scripts run with root rights when any path element can be changed by others; also makes the default user mandatory.";
    "vrrp_netlink_cmd_rcv_bufs" Argument::COUNT => at!(vrrp_netlink_command_buffer.bytes), Last, InPlace | Told;
        "kernel default",
        "Receive buffer of the VRRP netlink command socket.";
    "vrrp_netlink_cmd_rcv_bufs_force" Switch => at!(vrrp_netlink_command_buffer.force), Last, InPlace;
        "off; no argument means on",
        "Allow exceeding rmem_max for that buffer.";
    "vrrp_netlink_monitor_rcv_bufs" Argument::COUNT => at!(vrrp_netlink_monitor_buffer.bytes), Last, InPlace | Told;
        "kernel default",
        "Receive buffer of the VRRP netlink monitor socket.";
    "vrrp_netlink_monitor_rcv_bufs_force" Switch => at!(vrrp_netlink_monitor_buffer.force), Last, InPlace;
        "off; no argument means on",
        "Allow exceeding rmem_max for that buffer.";
    "process_monitor_rcv_bufs" Argument::COUNT => at!(process_monitor_buffer.bytes), Last, InPlace | Told;
        "kernel default",
        "Receive buffer of the process-event connector socket.";
    "process_monitor_rcv_bufs_force" Switch => at!(process_monitor_buffer.force), Last, InPlace;
        "off; no argument means on",
        "Allow exceeding rmem_max for that buffer.";
    "lvs_netlink_cmd_rcv_bufs" Argument::COUNT => at!(lvs_netlink_command_buffer.bytes), Last, InPlace | Told;
        "kernel default",
        "Receive buffer of the checker netlink command socket.";
    "lvs_netlink_cmd_rcv_bufs_force" Switch => at!(lvs_netlink_command_buffer.force), Last, InPlace;
        "off; no argument means on",
        "Allow exceeding rmem_max for that buffer.";
    "lvs_netlink_monitor_rcv_bufs" Argument::COUNT => at!(lvs_netlink_monitor_buffer.bytes), Last, InPlace | Told;
        "kernel default",
        "Receive buffer of the checker netlink monitor socket.";
    "lvs_netlink_monitor_rcv_bufs_force" Switch => at!(lvs_netlink_monitor_buffer.force), Last, InPlace;
        "off; no argument means on",
        "Allow exceeding rmem_max for that buffer.";
    "rs_init_notifies" Switch => at!(rs_init_notifies), Last, StartOnly;
        "off; no argument means on",
        "Run real-server up notifications when servers are first added at start-up.";
    "no_checker_emails" Switch => at!(mail.no_checkers), Last, NextUse;
        "off; no argument means on",
        "Mail only when the real server itself changes state, not for each checker.";
    "vrrp_rx_bufs_policy" Grammar("MTU and/or ADVERT (any case) or UNSIGNED bytes") => with!(read_rx_policy, show_rx_policy), Last, InPlace | Told;
        "kernel default buffer",
        "How to size advert receive buffers; a number beats a policy, MTU beats ADVERT.";
    "vrrp_rx_bufs_multiplier" Argument::unsigned(1, 4294967295) => at!(receive_buffer_multiplier), Last, InPlace | Told;
        "3",
        "Adverts' worth of buffer per instance for the policies.";
    "fast_detection" Grammar("[MILLISECONDS 1..10000, decimal [MULTIPLIER 1..255]]") => with!(read_fast_detection, show_fast_detection), Last, InPlace;
        "off; no argument means 15 ms and 3",
        "Default of all instances: open a BFD session to whoever is heard as master.";
    "flight_recorder" Grammar("KIBIBYTES 64..16384, or off") => with!(read_flight_recorder, show_flight_recorder), Last, StartOnly;
        "64 KiB and 2 KiB for each instance",
        "Memory that keeps what the virtual routers were told in the last minutes, for steadfast record and replay.";
    "vrrp_startup_delay" Argument::decimal(1000, 4294967295) => at!(startup_delay), Last, StartOnly;
        "0",
        "Hold all instances back for this long after start; received adverts are discarded meanwhile.";
    "vrrp_delay_after_boot" Argument::decimal(1000, 4294967295) => at!(delay_after_boot), Last, StartOnly;
        "0",
        "Like vrrp_startup_delay but measured from system boot (uptime is subtracted)";
    "log_unknown_vrids" Flag => at!(log_unknown_vrids), Last, InPlace;
        "off",
        "Log adverts whose VRID matches no instance on that socket.";
    "vrrp_owner_ignore_adverts" Switch => at!(owner_ignore_adverts), Last, InPlace;
        "off; no argument means on",
        "Default for owner_ignore_adverts on priority 255 instances.";
    "vmac_prefix" Word("STRING") => at!(vmac_prefix), First, InPlace;
        "vrrp",
        "Prefix of generated VMAC interface names.";
    "vmac_addr_prefix" Word("STRING") => at!(vmac_address_prefix), First, InPlace;
        "value of vmac_prefix",
        "Prefix of generated VMAC interface names made for addresses.";
    "umask" Grammar("number (0 prefix octal, 0x hex) or symbols IRUSR IWUSR IXUSR IRWXU IRGRP IWGRP IXGRP IRWXG IROTH IWOTH IXOTH IRWXO joined by \"|\"") => with!(read_umask, show_umask), Last, InPlace;
        "not changed by config (parent sets its own start value)",
        "Umask of the daemon; ignored when the -u/--umask option was given.";
    "random_seed" Argument::COUNT => at!(random_seed), Last, StartOnly [Mark::Directive(Directive::RandomSeed)];
        "current time",
        "Seed of the pseudo random generator (test aid; affects checker warm-up and _RANDOM)";
    "reload_check_config" OptionalWord("PATH") => with!(read_reload_check, show_reload_check), Last, NextUse;
        "off; no argument means /dev/null",
        "Append the problems of a refused reload to this file; every reload is checked before anything changes, with and without this keyword.";
    "reload_time_file" Word("PATH") => at!(reload.time_file), Last, InPlace | Told;
        "none",
        "File holding a time at which a reload is to happen.";
    "reload_repeat" Flag => at!(reload.repeat), Last, InPlace;
        "off",
        "Accept a time of day in reload_time_file every day instead of once.";
    "reload_file" OptionalWord("PATH") => at!(reload.file), Last, NextUse;
        "none; no argument means the main pid file path with a .reload suffix",
        "File that exists while a reload is in progress.";
    "include_check" Grammar("[TYPE...] with optional + or - prefix; TYPE is read, match, wildcard_match or brace_match") => with!(read_include_check, show_nothing), Last, NextUse [Mark::Directive(Directive::IncludeCheck)];
        "no checks; no argument means all",
        "Which include-file problems count as errors from here on.";
    "include_check read" Flag => Described, Last, NextUse;
        "off",
        "Unreadable, directory, executable or non-regular file is an error.";
    "include_check match" Flag => Described, Last, NextUse;
        "off",
        "A plain name that matches no file is an error.";
    "include_check wildcard_match" Flag => Described, Last, NextUse;
        "off",
        "A wildcard that matches nothing is an error.";
    "include_check brace_match" Flag => Described, Last, NextUse;
        "off",
        "Every alternative of a brace list must match.";
    "config_save_dir" Word("FOLDER") => at!(reload.save_dir), Last, NextUse;
        "none",
        "Keep a copy of each configuration read as keepalived.conf.PID.N.";
    "tmp_config_directory" Word("FOLDER") => at!(reload.temporary_dir), First, Refused | Told;
        "memory file",
        "No effect: there is no consolidated copy, since the configuration is read once, by one process.";
    "data_use_instance" Switch => at!(data_use_instance), Last, NextUse;
        "off; no argument means on",
        "Put the network namespace and instance name into dump file names.";
    "json_version" Argument::unsigned(1, 2) => at!(json_version), Last, NextUse;
        "1",
        "Layout of the JSON dump.";
    "iproute_usr_dir" Word("FOLDER") => at!(iproute_usr_dir), Last, NextUse | Told;
        "build-time value",
        "Vendor directory of iproute2 name tables.";
    "iproute_etc_dir" Word("FOLDER") => at!(iproute_etc_dir), Last, NextUse | Told;
        "build-time value",
        "Administrator directory of iproute2 name tables.";
    "state_dump_file" Word("PATH") => at!(state_dump_file), Last, NextUse | Told;
        "keepalived.data / keepalived_check.data etc. in the temporary directory",
        "Where SIGUSR1 writes.";
    "stats_dump_file" Word("PATH") => at!(stats_dump_file), Last, NextUse | Told;
        "keepalived.stats in the temporary directory",
        "Meant to set where SIGUSR2 writes; quirk: stored and shown in dumps but never used.";
    "json_dump_file" Word("PATH") => at!(json_dump_file), Last, NextUse | Told;
        "keepalived.json in the temporary directory",
        "Meant to set where the JSON signal writes; quirk: stored and shown in dumps but never used.";
};
