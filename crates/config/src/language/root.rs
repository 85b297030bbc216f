//! Keywords outside of every block.

use super::Drafts;
use super::addresses::{self, keywords::ADDRESS_LINES};
use super::bfd::keywords::BFD_INSTANCE;
use super::global::keywords::GLOBAL;
use super::instance::keywords::INSTANCE;
use super::routes::{self, keywords::ROUTE_LINES};
use super::rules::{self, keywords::RULE_LINES};
use super::servers::keywords::{SERVER_GROUP_LINES, SSL, VIRTUAL_SERVER};
use super::trackers::keywords::{SCRIPT, TRACK_FILE, TRACK_PROCESS, VRRP_TRACK_FILE};
use super::tracking::keywords::{GARP_GROUP, SYNC_GROUP, TRACK_GROUP};
use crate::model::{Global, LinkbeatMethod};
use crate::table::{Again, Argument, Head, Inside, Keywords, Lines, List, More, at, keywords, with};
use Argument::*;

/// The lists of keywords outside of every block.
pub(crate) static OUTERMOST: &[&dyn List] = &[ROOT];

/// Ways to ask for a link, as a line of `linkbeat_interfaces` names them.
pub(crate) const LINKBEAT_METHODS: [(&str, LinkbeatMethod); 3] =
    [("MII", LinkbeatMethod::Mii), ("ETHTOOL", LinkbeatMethod::Ethtool), ("IOCTL", LinkbeatMethod::Ioctl)];

/// A line of `linkbeat_interfaces`.
static LINKBEAT_LINES: Lines = Lines::of("INTERFACE [MII or ETHTOOL or IOCTL]");

/// A line of `interface_up_down_delays`.
static DELAY_LINES: Lines = Lines::of("INTERFACE DOWN [UP]");

/// Blocks make entities of the model, which have rooms of their own to be shown from.
fn show_nothing(_: &Drafts) -> Vec<String> {
    Vec::new()
}

/// Keywords outside of every block.
pub(crate) static ROOT: &Keywords<Drafts> = keywords! {
    "linkbeat_use_polling" Flag => at!(global.linkbeat_use_polling), Last, InPlace;
        "off",
        "Ask the drivers of all interfaces that instances use or follow whether they have a link, every second and when the kernel tells of them, and believe the drivers.";
    "net_namespace" Word("NAME") => at!(global.net_namespace), First, Refused | Told;
        "none (current namespace)",
        "Run the daemon in the named network namespace and switch pid/run files to the per-daemon directory; a second occurrence is rejected; cannot change on reload.";
    "net_namespace_ipvs" OptionalWord("NAME") => at!(global.net_namespace_ipvs), First, Refused;
        "same namespace as the daemon",
        "Namespace used for talking to IPVS; without a name the initial (default) namespace is used; cannot change on reload.";
    "namespace_with_ipsets" Flag => at!(global.namespace_with_ipsets), Last, StartOnly;
        "off",
        "Permit ipsets together with a network namespace on kernels too old (before 3.13) to isolate them; newer ones need no permission.";
    "use_pid_dir" Flag => at!(global.use_pid_dir), Last, StartOnly;
        "off (implied by instance or net_namespace)",
        "Put pid files and related run files in the keepalived sub-directory of the run directory.";
    "instance" Word("NAME") => at!(global.instance), First, Refused | Told;
        "none",
        "Names this daemon instance: used in pid file names, syslog idents, dump names; implies use_pid_dir; cannot change on reload.";
    "child_wait_time" Argument::seconds(0, 4294967295) => at!(global.child_wait), Last, NextUse;
        "5 s (see file/exit notes)",
        "How long the parent waits for its children to end when it is stopping.";
    "global_defs" Argument::block(&[GLOBAL]) => with!(Drafts::global, show_nothing), Adds, NextUse;
        "none",
        "Starts the global settings block; may appear more than once and settings accumulate into the single global record.";
    "vrrp_instance" Argument::named(More::PassesOver, Again::PassesOver, &[INSTANCE]) => with!(Drafts::instance, show_nothing), Adds, Difference | Told;
        "none",
        "One virtual router.";
    "vrrp_sync_group" Argument::named(More::PassesOver, Again::PassesOver, &[SYNC_GROUP]) => with!(Drafts::group, show_nothing), Adds, InPlace | Told;
        "none",
        "Set of instances that change state together.";
    "track_group" Argument::named(More::PassesOver, Again::PassesOver, &[TRACK_GROUP]) => with!(Drafts::track_group, show_nothing), Adds, Difference;
        "none",
        "Group of instances that static addresses, routes or rules can follow.";
    "garp_group" Argument::block(&[GARP_GROUP]) => with!(Drafts::garp_group, show_nothing), Adds, InPlace;
        "none",
        "Pacing of GARP and NA for a set of interfaces.";
    "vrrp_script" Argument::named(More::Told, Again::PassesOverSilently, &[SCRIPT]) => with!(Drafts::script, show_nothing), Adds, ScriptRestart;
        "none",
        "Periodic check script.";
    "vrrp_track_process" Argument::named(More::Told, Again::Adds, &[TRACK_PROCESS]) => with!(Drafts::track_process, show_nothing), Adds, InPlace;
        "none",
        "Set of processes to count (needs kernel process events)";
    "track_file" Argument::named(More::Told, Again::Adds, &[TRACK_FILE]) => with!(|drafts, line| drafts.track_file(line, TRACK_FILE), show_nothing), Adds, InPlace;
        "none",
        "File holding an integer to follow (VRRP and checkers)";
    "vrrp_track_file" Argument::named(More::Told, Again::Adds, &[VRRP_TRACK_FILE]) => with!(|drafts, line| drafts.track_file(line, VRRP_TRACK_FILE), show_nothing), Adds, InPlace = "track_file";
        "none",
        "Deprecated spelling of track_file.";
    "static_ipaddress" Argument::lines(&ADDRESS_LINES) => with!(|drafts, line| drafts.static_addresses.extend(addresses::read::read_lines(line, true)), show_nothing), Adds, Difference;
        "none",
        "Addresses kept configured regardless of VRRP state.";
    "static_routes" Argument::lines(&ROUTE_LINES) => with!(|drafts, line| drafts.static_routes.extend(routes::read::read_lines(line)), show_nothing), Adds, Difference;
        "none",
        "Routes kept configured regardless of VRRP state.";
    "static_rules" Argument::lines(&RULE_LINES) => with!(|drafts, line| drafts.static_rules.extend(rules::read::read_lines(line)), show_nothing), Adds, Difference;
        "none",
        "Policy rules kept configured regardless of VRRP state.";
    "linkbeat_interfaces" Argument::lines(&LINKBEAT_LINES) => with!(Drafts::linkbeat_interfaces, show_nothing), Adds, InPlace;
        "none",
        "Interfaces whose drivers are asked, likewise; MII and ETHTOOL are the same here, and IOCTL leaves it to what the kernel says.";
    "interface_up_down_delays" Argument::lines(&DELAY_LINES) => with!(Drafts::interface_delays, show_nothing), Adds, InPlace;
        "0 0",
        "Debounce of link state; unknown interface without dynamic_interfaces is fatal; trimmed to stay below (down_timer_adverts-1) advert intervals.";
    "SSL" Argument::block(&[SSL]) => with!(Drafts::ssl, show_nothing), Last, Restart;
        "none",
        "TLS material for SSL_GET.";
    "virtual_server_group" Block(Head::Name { more: More::Told, again: Again::PassesOverSilently }, Inside::Lines(&SERVER_GROUP_LINES)) => with!(Drafts::virtual_server_group, show_nothing), Adds, Difference;
        "none",
        "Set of addresses, ranges and marks used by virtual servers; empty group is removed.";
    "virtual_server" Block(Head::Words("ADDRESS [PORT] or fwmark N or group NAME"), Inside::Keywords(&[VIRTUAL_SERVER])) => with!(Drafts::virtual_server, show_nothing), Adds, Difference;
        "none",
        "One IPVS service (or set of services)";
    "bfd_instance" Argument::named(More::Told, Again::PassesOver, &[BFD_INSTANCE]) => with!(Drafts::bfd_instance, show_nothing), Adds, Difference | Told;
        "none",
        "One BFD session.";
};

/// What stands in the file outside of blocks, as far as it is of the daemon as a whole.
pub(crate) fn of_global(global: &Global) -> Drafts {
    Drafts { global: global.clone(), ..Drafts::default() }
}
