//! `vrrp_instance`.

use super::authentication::*;
use super::extensions::*;
use super::read::*;
use super::virtual_interfaces::*;
use crate::language::addresses::keywords::ADDRESS_LINES;
use crate::language::routes::keywords::ROUTE_LINES;
use crate::language::rules::keywords::RULE_LINES;
use crate::language::tracking::keywords::{
    TRACK_BFD_LINES, TRACK_FILE_LINES, TRACK_INTERFACE_LINES, TRACK_PROCESS_LINES, TRACK_SCRIPT_LINES,
};
use crate::model::{AuthHmac, VrrpInstance};
use crate::table::remembered::AuthenticationDraft;
use crate::table::{Argument, Keywords, Lines, Mark, Store, at, keywords, lazily, with};
use Argument::*;
use Store::*;

/// Keywords of `vrrp_instance`.
pub static INSTANCE: &Keywords<VrrpInstance> = keywords! {
    "use_vmac" Grammar("[IFNAME or name IFNAME] [MAC] [group IFGROUP] [netlink_notify_msg]") => with!(read_vmac, show_vmac), Last, InPlace | Told;
        "off; name PREFIX.VRID; MAC 00:00:5e:00:01:VRID or 00:00:5e:00:02:VRID",
        "Use a private-mode macvlan with the virtual MAC.";
    "use_vmac name" Interface => Described, First, InPlace;
        "generated",
        "Explicit way to give the VMAC interface name.";
    "use_vmac MAC" Word("5 or 6 hex octets with colons, unicast") => Described, First, InPlace;
        "RFC 5798 address",
        "Override the MAC; five octets means the VRID is appended; ignored in strict mode.";
    "use_vmac group" Word("IFGROUP name or number") => Described, Last, InPlace;
        "none",
        "Interface group of the created interface.";
    "use_vmac netlink_notify_msg" Flag => Described, Last, InPlace;
        "off",
        "Make the created interface generate extra netlink notifications so other software notices it.";
    "use_vmac_addr" Flag => at!(vmac_for_addresses), Last, InPlace;
        "off",
        "Also create VMACs for addresses on other interfaces or of the other family.";
    "vmac_xmit_base" Flag => at!(vmac_transmit_on_parent), Last, InPlace;
        "off (forced on with unicast and use_vmac)",
        "Send and receive adverts on the parent interface; cleared in strict mode or without use_vmac.";
    "use_ipvlan" Grammar("[IFNAME or name IFNAME] [ADDRESS[/LEN]] [bridge|private|vepa] [group IFGROUP]") => with!(read_ipvlan, show_ipvlan), First, InPlace | Told;
        "off; bridge",
        "Use an ipvlan L2 interface; IPv4 instances need the address, which also becomes the advert source.";
    "use_ipvlan bridge" Flag => Described, First, InPlace;
        "default mode",
        "Ipvlan bridge flag.";
    "use_ipvlan private" Flag => Described, First, InPlace;
        "off",
        "Ipvlan private flag.";
    "use_ipvlan vepa" Flag => Described, First, InPlace;
        "off",
        "Ipvlan VEPA flag.";
    "use_ipvlan group" Word("IFGROUP name or number") => Described, Last, InPlace;
        "none",
        "Interface group of the created interface.";
    "unicast_peer" Argument::lines(&PEER_LINES) => with!(read_peers, show_peers), Adds, InPlace;
        "none (multicast)",
        "Peers adverts are sent to.";
    "unicast_fault_no_peer" Flag => at!(unicast_fault_no_peer), Last, Restart;
        "off",
        "Go to FAULT instead of falling back to multicast when no peer is configured.";
    "check_unicast_src" Flag => with!(read_check_unicast_source, show_check_unicast_source), Last, InPlace;
        "vrrp_check_unicast_src",
        "Drop unicast adverts from addresses that are not peers.";
    "old_unicast_checksum" Grammar("[never]") => with!(read_old_checksum, show_old_checksum), Last, InPlace;
        "automatic detection",
        "VRRPv3 IPv4 unicast checksum computed with the multicast address as older versions did; never disables the automatic switch (compile option)";
    "native_ipv6" Flag => with!(read_native_ipv6, show_native_ipv6), Last, Restart;
        "off",
        "Force family IPv6 and version 3 (for instances with no addresses)";
    "state" Word("MASTER or BACKUP") => with!(read_state, show_state), Last, NextUse;
        "MASTER if priority 255 else BACKUP",
        "Initial wanted state.";
    "interface" Interface => with!(read_interface, show_interface), Last, Restart;
        "none (mandatory unless unicast with source address)",
        "Interface of the instance.";
    "vrf" Interface => with!(read_vrf, show_vrf), First, Restart;
        "none",
        "VRF for a unicast instance that has no interface.";
    "dont_track_primary" Flag => at!(dont_track_interface), Last, InPlace;
        "off",
        "Ignore link failures of the instance's own interface.";
    "track_interface" Argument::lines(&TRACK_INTERFACE_LINES) => with!(read_track_interface, show_track_interface), Adds, InPlace;
        "none",
        "Extra interfaces to watch; own interface is ignored.";
    "track_script" Argument::lines(&TRACK_SCRIPT_LINES) => with!(read_track_script, show_track_script), Adds, InPlace;
        "none",
        "Scripts to watch (must be defined earlier)";
    "track_file" Argument::lines(&TRACK_FILE_LINES) => with!(read_track_file, show_track_file), Adds, InPlace;
        "none",
        "Files to watch (must be defined earlier)";
    "track_process" Argument::lines(&TRACK_PROCESS_LINES) => with!(read_track_process, show_track_process), Adds, InPlace;
        "none",
        "Process sets to watch (must be defined earlier)";
    "track_bfd" Argument::lines(&TRACK_BFD_LINES) => with!(read_track_bfd, show_track_bfd), Adds, InPlace;
        "none",
        "BFD sessions to watch (must be defined earlier)";
    "mcast_src_ip" Address => with!(read_source, show_source), Last, InPlace;
        "primary address of the interface",
        "Source address of adverts; sets the family if not yet known.";
    "unicast_src_ip" Address => with!(read_unicast_source, show_unicast_source), Last, Restart;
        "primary address of the interface",
        "Same as mcast_src_ip but marks the instance as using unicast keywords.";
    "mcast_dst_ip" Address => with!(read_group, show_group), Last, Restart;
        "vrrp_mcast_group4 or vrrp_mcast_group6",
        "Advert destination of this instance; ignored with unicast.";
    "track_src_ip" Flag => at!(track_source_address), Last, InPlace;
        "off",
        "FAULT while the configured source address is missing; cleared without a configured source.";
    "virtual_router_id" Argument::unsigned(1, 255) => at!(virtual_router_id), Last, Restart;
        "none (mandatory)",
        "VRID.";
    "unicast_ttl" Argument::unsigned(0, 255) => at!(unicast_ttl), Last, InPlace;
        "255 for IPv4, kernel default for IPv6",
        "TTL or hop limit of unicast adverts; without unicast peers an error is logged and the TTL becomes 0.";
    "version" Argument::unsigned(2, 3) => with!(read_version, show_version), First, InPlace;
        "3 for IPv6, vrrp_version for IPv4",
        "Protocol version; a value that conflicts with an earlier or deduced one is ignored.";
    "priority" Argument::unsigned(1, 255) => with!(read_priority, show_priority), Last, InPlace;
        "255 if state MASTER and none given, else 100",
        "Base priority; 255 is address owner.";
    "advert_int" Argument::decimal(10000, 255000000) => at!(advert_interval), Last, InPlace;
        "1",
        "Advert interval.";
    "virtual_ipaddress" Argument::lines(&ADDRESS_LINES) => with!(read_addresses, show_addresses), Adds, Difference;
        "none",
        "Addresses advertised and owned by the master.";
    "virtual_ipaddress_excluded" Argument::lines(&ADDRESS_LINES) => with!(read_excluded, show_excluded), Adds, Difference;
        "none",
        "Addresses owned by the master but not placed in adverts; may be of either family.";
    "no_virtual_ipaddress" Flag => at!(no_addresses_intended), Last, InPlace;
        "off",
        "Accept having no virtual address without complaint; cleared in strict mode.";
    "promote_secondaries" Flag => at!(promote_secondaries), Last, InPlace;
        "off (always on for VMACs)",
        "Set the promote_secondaries sysctl on the interface.";
    "linkbeat_use_polling" Flag => with!(read_linkbeat, show_linkbeat), Last, InPlace;
        "off",
        "Deprecated: ask the driver of this instance's interface whether it has a link.";
    "v3_checksum_as_v2" Switch => at!(v3_checksum_as_v2), Last, InPlace;
        "global v3_checksum_as_v2; no argument means on",
        "Leave the pseudo header out of the VRRPv3 IPv4 checksum and accept bad received checksums.";
    "virtual_routes" Argument::lines(&ROUTE_LINES) => with!(read_routes, show_routes), Adds, Difference;
        "none",
        "Routes present while master.";
    "virtual_rules" Argument::lines(&RULE_LINES) => with!(read_rules, show_rules), Adds, Difference;
        "none",
        "Policy rules present while master.";
    "accept" Flag => at!(accept), Last, InPlace;
        "on, unless strict and priority not 255",
        "Accept packets addressed to the virtual addresses.";
    "no_accept" Flag => with!(read_no_accept, show_no_accept), Last, InPlace;
        "see accept",
        "Install firewall rules dropping packets addressed to the virtual addresses (firewall builds)";
    "skip_check_adv_addr" Switch => with!(read_skip_check, show_skip_check), Last, InPlace;
        "vrrp_skip_check_adv_addr",
        "Compare the address list only for a new sender; as implemented a false value also turns it on.";
    "strict_mode" Switch => at!(strict), Last, InPlace;
        "vrrp_strict; no argument means on",
        "Protocol compliance for this instance.";
    "preempt" Grammar("[incumbent_wins_ties]") => with!(read_preempt, show_preempt), Last, InPlace;
        "on",
        "Backward compatible way to cancel nopreempt.";
    "preempt incumbent_wins_ties" Flag => Described, Last, InPlace;
        "off",
        "A router that starts leaves a master of equal priority alone: it waits the whole master down interval, with state MASTER too.";
    "nopreempt" Grammar("[yields_to_health]") => with!(read_nopreempt, show_nopreempt), Last, InPlace;
        "off",
        "Do not take over from a lower-priority master; cleared for initial state MASTER or priority 255.";
    "nopreempt yields_to_health" Flag => Described, Last, InPlace;
        "off",
        "A healthy backup takes over from a master whose trackers have lowered its priority, in spite of nopreempt.";
    "fence_lease" Argument::seconds(1, 3600) => lazily!(extensions.fence_lease), Last, InPlace;
        "none: addresses stay",
        "The kernel removes the addresses of a master whose daemon has not renewed them for this long.";
    "removed_address" Choice(&["put_back", "backup"]) => with!(read_removed_address, show_removed_address), Last, InPlace;
        "put_back",
        "What a master does when somebody removes one of its addresses: put it back at once, or give up and go to BACKUP as keepalived does.";
    "split_brain_check" Grammar("[link] [arbiter ADDRESS] [tcp ADDRESS PORT] [within MILLISECONDS] [every SECONDS] [yield]") => with!(read_split_brain_check, show_split_brain_check), Last, InPlace;
        "off; no way named means link",
        "Ask, before becoming master and while master, whether another serves although its adverts are not heard; tell, and with yield give way.";
    "split_brain_check link" Flag => Described, Last, InPlace;
        "on where no other way is named",
        "Ask the link for the virtual addresses (ARP probe, neighbour solicitation): whoever answers serves.";
    "split_brain_check arbiter" Address => Described, Last, InPlace;
        "none",
        "Send echo requests to an address that a router must reach to be master: without an answer it is cut off.";
    "split_brain_check tcp" Grammar("ADDRESS PORT") => Described, Last, InPlace;
        "none",
        "Connect to an address and port that only a master serves: whoever takes the connection serves. An address that this host has itself is not asked.";
    "split_brain_check within" Grammar("MILLISECONDS 10..5000, decimal") => Described, Last, InPlace;
        "200",
        "Longest wait for answers: an election may be so much later.";
    "split_brain_check every" Argument::seconds(1, 3600) => Described, Last, InPlace;
        "5",
        "Time between two questions of a master.";
    "split_brain_check yield" Flag => Described, Last, InPlace;
        "off: it is told only",
        "Give way where another serves or this router is cut off: a backup stays one, a master goes to BACKUP.";
    "fast_detection" Grammar("[MILLISECONDS 1..10000, decimal [MULTIPLIER 1..255]]") => with!(read_fast_detection, show_fast_detection), Last, InPlace;
        "setting of global_defs, else off; no argument means 15 ms and 3",
        "Open a BFD session to whoever is heard as master; its end ends the wait for adverts.";
    "notify_master_prepare" Script => with!(read_master_prepare, show_master_prepare), First, NextUse;
        "none",
        "Run between winning the election and serving: adverts go out at once, the addresses come when it has ended.";
    "notify_master_prepare_timeout" Argument::seconds(1, 300) => lazily!(extensions.master_prepare_timeout), Last, InPlace;
        "10",
        "Longest wait for notify_master_prepare.";
    "notify_master_prepare_failure" Choice(&["announce", "fault"]) => with!(read_prepare_failure, show_prepare_failure), Last, InPlace;
        "announce",
        "What follows when notify_master_prepare fails or takes too long: serve nevertheless, or go to FAULT and try again after 30 seconds.";
    "preempt_delay" Argument::decimal(0, 1000000000) => at!(preempt_delay), Last, InPlace;
        "0",
        "Wait before preempting; cleared with nopreempt, strict mode or initial MASTER.";
    "debug" Argument::unsigned(0, 4) => at!(debug), Last, InPlace;
        "0",
        "Debug level stored and dumped; no other effect.";
    "notify_backup" Script => at!(notify.backup), First, NextUse;
        "none",
        "Run on entering BACKUP.";
    "notify_master" Script => at!(notify.master), First, NextUse;
        "none",
        "Run on entering MASTER.";
    "notify_fault" Script => at!(notify.fault), First, NextUse;
        "none",
        "Run on entering FAULT.";
    "notify_stop" Script => at!(notify.stop), First, NextUse;
        "none",
        "Run when the daemon stops.";
    "notify_deleted" OptionalScript => with!(read_notify_deleted, show_notify_deleted), First, NextUse;
        "off (removal is reported as FAULT)",
        "Report removal at reload as DELETED, optionally running a script.";
    "notify" Script => at!(notify.any), First, NextUse;
        "none",
        "Run on every transition with INSTANCE name state priority.";
    "notify_master_rx_lower_pri" Script => at!(notify.master_rx_lower_priority), First, NextUse;
        "none",
        "Run when a master receives a lower-priority advert.";
    "smtp_alert" Switch => at!(smtp_alert), Last, NextUse;
        "smtp_alert_vrrp, then smtp_alert, then off",
        "Mail transitions.";
    "notify_priority_changes" Switch => at!(notify_priority_changes), Last, InPlace;
        "sync group value, then vrrp_notify_priority_changes",
        "Write priority changes to the FIFOs.";
    "lvs_sync_daemon_interface" Interface => at!(lvs_sync_daemon_interface), First, InPlace = "lvs_sync_daemon" [Mark::DeprecatedLoudly];
        "none",
        "Deprecated: same as global lvs_sync_daemon IFNAME tied to this instance.";
    "garp_master_delay" Argument::seconds(0, 4294) => at!(announce.master_delay), Last, InPlace;
        "vrrp_garp_master_delay",
        "Delay before the second block of GARP/NA after becoming master (0 = none)";
    "garp_master_refresh" Argument::seconds(0, 4294967295) => at!(announce.refresh), Last, InPlace;
        "vrrp_garp_master_refresh",
        "Interval of periodic GARP/NA while master (0 = none)";
    "garp_master_repeat" Argument::COUNT => with!(read_master_repeat, show_master_repeat), Last, InPlace;
        "vrrp_garp_master_repeat",
        "GARP/NA messages per address in each block.";
    "garp_master_refresh_repeat" Argument::COUNT => with!(read_refresh_repeat, show_refresh_repeat), Last, InPlace;
        "vrrp_garp_master_refresh_repeat",
        "Messages per address in each periodic refresh.";
    "garp_lower_prio_delay" Argument::seconds(0, 4294) => at!(announce.lower_priority_delay), Last, InPlace;
        "global value, 0 in strict mode",
        "Delay of the second GARP block after a lower-priority advert; 0 in strict mode.";
    "garp_lower_prio_repeat" Argument::unsigned(0, 2147483647) => at!(announce.lower_priority_repeat), Last, InPlace;
        "global value, 0 in strict mode",
        "GARP messages per address after a lower-priority advert (0 = none); 0 in strict mode.";
    "down_timer_adverts" Argument::unsigned(1, 100) => at!(down_timer_adverts), Last, InPlace;
        "vrrp_down_timer_adverts",
        "Missed adverts before a backup takes over; 3 in strict mode.";
    "timer_expired_backup" Grammar("[UNSIGNED 1..254]") => with!(read_timer_expired, show_timer_expired), Last, InPlace;
        "off; no argument means 254",
        "With nopreempt: a master that was not scheduled for longer than another router of this priority would wait gives up mastership.";
    "thread_timer_expired" Grammar("[UNSIGNED 1..254]") => with!(read_timer_expired, show_nothing), Last, InPlace = "timer_expired_backup";
        "off",
        "Deprecated spelling of timer_expired_backup.";
    "garp_extra_if" Grammar("[all] UNSIGNED seconds 0..86400") => with!(read_extra_announce, show_extra_announce), Last, InPlace | Told;
        "vrrp_garp_extra_if",
        "Periodic GARP/NA on VIP interfaces other than the advert one; disabled when there is none.";
    "vmac_garp_intvl" Grammar("[all] UNSIGNED seconds 0..86400") => with!(read_extra_announce, show_nothing), Last, InPlace = "garp_extra_if" | Told [Mark::DeprecatedLoudly];
        "vrrp_garp_extra_if",
        "Deprecated spelling of garp_extra_if.";
    "lower_prio_no_advert" Switch => at!(lower_priority_no_advert), Last, InPlace;
        "global value, on in strict mode",
        "A master does not answer a lower-priority advert with its own advert; on in strict mode.";
    "higher_prio_send_advert" Switch => at!(higher_priority_send_advert), Last, InPlace;
        "global value, off in strict mode and with auth_type AH",
        "A master sends one advert before yielding to a higher-priority advert; off in strict mode.";
    "owner_ignore_adverts" Switch => at!(owner_ignore_adverts), Last, InPlace;
        "on for priority 255 in strict mode, else global value; always off for other priorities",
        "Priority 255 instance drops all received adverts; an explicit false on a priority 255 instance is forced on with an error.";
    "kernel_rx_buf_size" Argument::COUNT => at!(receive_buffer_bytes), Last, InPlace | Told;
        "global policy",
        "This instance's share of the receive socket buffer.";
    "authentication" Argument::block(&[AUTHENTICATION]) => with!(read_authentication, show_authentication), Adds, InPlace [Mark::Secret(0)];
        "none",
        "Legacy VRRPv2 authentication.";
    "auth_hmac" Argument::block(&[AUTH_HMAC]) => with!(read_auth_hmac, show_auth_hmac), Adds, InPlace [Mark::Secret(0)];
        "none",
        "Authenticated trailer on adverts; replaces authentication.";
};

/// Keywords of `authentication`.
pub(crate) static AUTHENTICATION: &Keywords<AuthenticationDraft> = keywords! {
    "auth_type" Word("PASS or AH") => with!(read_auth_type, show_auth_type), Last, InPlace;
        "none",
        "Kind of authentication; ignored with v3, strict mode or without a password; AH only with IPv4.";
    "auth_pass" Word("PASSWORD, cut to 8 bytes") => with!(read_auth_pass, show_auth_pass), Last, InPlace [Mark::Secret(0)];
        "none",
        "Password, zero padded to 8 bytes.";
};

/// Keywords of `auth_hmac`.
pub static AUTH_HMAC: &Keywords<AuthHmac> = keywords! {
    "key" Grammar("ID 1..255 VALUE where VALUE is text, hex:DIGITS or file:PATH; 32..64 bytes") => with!(read_hmac_key, show_hmac_keys), Adds, InPlace [Mark::SecretOrFile(1)];
        "none",
        "Shared secret; a group- or world-accessible key file is a security status.";
    "active_key" Argument::unsigned(1, 255) => at!(active_key), Last, InPlace;
        "none (a fault, but with mode receive-only)",
        "Key used for sending.";
    "time_window" Argument::unsigned(1, 300) => at!(time_window_seconds), Last, InPlace;
        "three advert intervals, at least 5 and at most 300",
        "Allowed clock difference in time mode.";
    "anti_replay" Choice(&["time", "monotonic"]) => with!(read_anti_replay, show_anti_replay), Last, InPlace;
        "time",
        "Whether the timestamp window is enforced.";
    "mode" Choice(&["enforce", "permissive", "receive-only"]) => with!(read_hmac_mode, show_hmac_mode), Last, InPlace;
        "enforce",
        "Signing and acceptance policy; strict mode forces enforce.";
};

/// Options of a line of `unicast_peer`.
pub static PEER: &Keywords<crate::model::UnicastPeer> = keywords! {
    "min_ttl" Argument::unsigned(0, 255) => at!(min_ttl), Last, InPlace;
        "0",
        "Smallest acceptable TTL or hop limit from this peer; also turns on check_unicast_src.";
    "max_ttl" Argument::unsigned(0, 255) => at!(max_ttl), Last, InPlace;
        "255",
        "Largest acceptable TTL or hop limit from this peer; also turns on check_unicast_src.";
};

/// Lines of `unicast_peer`.
pub(crate) static PEER_LINES: Lines = Lines {
    grammar: "ADDRESS [min_ttl N] [max_ttl N]",
    path: "vrrp_instance/unicast_peer",
    options: &[PEER],
    parts: &[],
};
