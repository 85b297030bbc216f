//! Keywords outside of every block.

use crate::model::Global;
use crate::table::{Argument, Keywords, Store, at, keywords};
use Argument::*;
use Store::*;

/// Keywords outside of every block.
pub static ROOT: &Keywords<Global> = keywords! {
    "linkbeat_use_polling" Flag => at!(linkbeat_use_polling), Last, InPlace, Linkbeat;
        "off",
        "(linkbeat builds only) poll every interface for link state instead of relying on netlink.";
    "net_namespace" Word("NAME") => at!(net_namespace), First, Refused | Told;
        "none (current namespace)",
        "Run the daemon in the named network namespace and switch pid/run files to the per-daemon directory; a second occurrence is rejected; cannot change on reload.";
    "net_namespace_ipvs" OptionalWord("NAME") => at!(net_namespace_ipvs), First, Refused, Namespaces;
        "same namespace as the daemon",
        "Namespace used for talking to IPVS; without a name the initial (default) namespace is used; cannot change on reload.";
    "namespace_with_ipsets" Flag => at!(namespace_with_ipsets), Last, StartOnly, Namespaces;
        "off",
        "Permit ipsets together with a network namespace on kernels too old (before 3.13) to isolate them.";
    "use_pid_dir" Flag => at!(use_pid_dir), Last, StartOnly;
        "off (implied by instance or net_namespace)",
        "Put pid files and related run files in the keepalived sub-directory of the run directory.";
    "instance" Word("NAME") => at!(instance), First, Refused | Told;
        "none",
        "Names this daemon instance: used in pid file names, syslog idents, dump names; implies use_pid_dir; cannot change on reload.";
    "child_wait_time" Argument::seconds(0, 4294967295) => at!(child_wait), Last, NextUse;
        "5 s (see file/exit notes)",
        "How long the parent waits for its children to end when it is stopping.";
    "global_defs" Block("") => Elsewhere, Adds, NextUse;
        "none",
        "Starts the global settings block; may appear more than once and settings accumulate into the single global record.";
    "track_group" Block("NAME") => Elsewhere, Adds, Difference, TrackGroups;
        "none",
        "Group of instances that static addresses, routes or rules can follow.";
    "static_ipaddress" Lines("ADDRESS-LINE") => Elsewhere, Adds, Difference;
        "none",
        "Addresses kept configured regardless of VRRP state.";
    "static_routes" Lines("ROUTE-LINE") => Elsewhere, Adds, Difference;
        "none",
        "Routes kept configured regardless of VRRP state.";
    "static_rules" Lines("RULE-LINE") => Elsewhere, Adds, Difference;
        "none",
        "Policy rules kept configured regardless of VRRP state.";
    "linkbeat_interfaces" Lines("INTERFACE [MII or ETHTOOL or IOCTL]") => Elsewhere, Adds, Restart, Linkbeat;
        "none",
        "(linkbeat builds only) interfaces to poll and the method; VMACs are refused.";
    "interface_up_down_delays" Lines("INTERFACE DOWN [UP]") => Elsewhere, Adds, InPlace, InterfaceDelays;
        "0 0",
        "Debounce of link state; unknown interface without dynamic_interfaces is fatal; trimmed to stay below (down_timer_adverts-1) advert intervals.";
    "vrrp_sync_group" Block("NAME") => Elsewhere, Adds, InPlace;
        "none",
        "Set of instances that change state together.";
    "garp_group" Block("") => Elsewhere, Adds, InPlace, AnnouncePacing;
        "none",
        "Pacing of GARP and NA for a set of interfaces.";
    "vrrp_instance" Block("NAME") => Elsewhere, Adds, Difference;
        "none",
        "One virtual router.";
    "vrrp_script" Block("NAME") => Elsewhere, Adds, ScriptRestart;
        "none",
        "Periodic check script.";
    "vrrp_track_process" Block("NAME") => Elsewhere, Adds, Restart, TrackProcess;
        "none",
        "Set of processes to count (needs kernel process events)";
    "track_file" Block("NAME") => Elsewhere, Adds, Restart, TrackFile;
        "none",
        "File holding an integer to follow (VRRP and checkers)";
    "vrrp_track_file" Block("NAME") => Elsewhere, Adds, Restart, TrackFile = "track_file";
        "none",
        "Deprecated spelling of track_file.";
    "SSL" Block("") => Elsewhere, Last, Restart, LoadBalancer;
        "none",
        "TLS material for SSL_GET.";
    "virtual_server_group" Lines("NAME ENTRY") => Elsewhere, Adds, Difference, LoadBalancer;
        "none",
        "Set of addresses, ranges and marks used by virtual servers; empty group is removed.";
    "virtual_server" Block("ADDRESS [PORT] or fwmark N or group NAME") => Elsewhere, Adds, Difference, LoadBalancer;
        "none",
        "One IPVS service (or set of services)";
    "bfd_instance" Block("NAME") => Elsewhere, Adds, Difference, Bfd;
        "none",
        "One BFD session.";
};
