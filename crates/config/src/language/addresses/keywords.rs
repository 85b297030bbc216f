//! Options of an address line.

use super::read::*;
use crate::model::VirtualAddress;
use crate::table::{Argument, Keywords, Lines, Store, at, keywords, with};
use Argument::*;
use Store::*;

/// Options of an address line, its address first.
pub static ADDRESS: &Keywords<VirtualAddress> = keywords! {
    "ADDRESS[/LEN]" Grammar("IPv4 or IPv6, prefix length 0..32 or 0..128") => Described, Adds, Difference;
        "/32 or /128",
        "First word of every address line in static_ipaddress, virtual_ipaddress and virtual_ipaddress_excluded.";
    "dev" Interface => with!(read_interface, show_interface), First, Difference;
        "instance interface (static: default_interface)",
        "Interface of the address.";
    "scope" Word("SCOPE name or number") => with!(read_scope, show_scope), Last, Difference;
        "global",
        "IPv4 address scope; ignored with an error for IPv6.";
    "brd" Word("ADDRESS, + or -") => with!(read_broadcast, show_broadcast), Last, Difference;
        "none",
        "IPv4 broadcast address; + sets host bits, - clears them (prefix up to 30); invalid value drops the address.";
    "broadcast" Word("ADDRESS, + or -") => with!(read_broadcast, show_nothing), Last, Difference;
        "none",
        "Same as brd.";
    "label" Word("LABEL, at most 15 characters") => with!(read_label, show_label), Last, Difference;
        "none",
        "IPv4 address label; ignored for IPv6.";
    "peer" HostAddress => at!(peer), First, Difference;
        "none",
        "Point-to-point peer; excludes a broadcast address and a prefix on the address.";
    "home" Flag => at!(home), Last, Difference;
        "off",
        "IPv6 mobile home address flag.";
    "-nodad" Flag => at!(duplicate_detection), Last, Difference;
        "NODAD set for IPv6 VIPs",
        "Allow duplicate address detection on an IPv6 address.";
    "mngtmpaddr" Flag => at!(manage_temporary), Last, Difference;
        "off",
        "Kernel manages temporary addresses from this template.";
    "noprefixroute" Flag => at!(no_prefix_route), Last, Difference;
        "off",
        "Do not create the prefix route.";
    "autojoin" Flag => at!(autojoin), Last, Difference;
        "off",
        "Join the multicast group automatically.";
    "no_track" Flag => at!(no_track), Last, InPlace;
        "off",
        "Neither the interface nor loss of the address affects the instance.";
    "preferred_lft" Word("SECONDS 0..4294967295 or forever") => with!(read_lifetime, show_lifetime), Last, Difference;
        "IPv6: 0 for /128 else forever; IPv4: unset",
        "Preferred lifetime.";
    "track_group" Word("NAME of a track_group") => at!(track_group), First, InPlace;
        "none",
        "Instances that go to FAULT if the address is lost and cannot be restored; needs an interface.";
    "use_vmac" Flag => at!(use_vmac), Last, Difference;
        "off",
        "Put this address on its own VMAC.";
};

/// Lines of virtual and static addresses.
pub(crate) static ADDRESS_LINES: Lines =
    Lines { grammar: "ADDRESS-LINE", path: "address-line", options: &[ADDRESS], parts: &[] };
