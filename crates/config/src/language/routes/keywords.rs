//! Options of a route line.

use super::next_hops::{read_encap, read_next_hops};
use super::read::*;
use crate::machine::NameTable;
use crate::model::Route;
use crate::table::{Argument, Keywords, Lines, Store, at, keywords, with};
use Argument::*;
use Store::*;

/// Options of a route line; a word that is none is type or destination.
pub static ROUTE: &Keywords<Route> = keywords! {
    "[to] [TYPE] DST[/LEN]" Grammar("destination, default, any, all, default6 (deprecated); TYPE unicast, local, broadcast, anycast, multicast, blackhole, unreachable, prohibit, throw, nat, xresolve or number") => Described, Last, Difference;
        "mandatory; unicast",
        "Destination; any word that is no option is taken as type or destination.";
    "inet" Flag => with!(read_inet, show_none), Last, Difference;
        "deduced",
        "Force IPv4.";
    "inet6" Flag => with!(read_inet6, show_none), Last, Difference;
        "deduced",
        "Force IPv6.";
    "src" HostAddress => with!(read_source, show_none), Last, Difference;
        "none",
        "Preferred source.";
    "as" Grammar("[to] ADDRESS") => with!(read_as, show_none), Last, Difference;
        "ignored",
        "Accepted syntactically but unsupported.";
    "via" Grammar("[inet|inet6] ADDRESS") => with!(read_via, show_none), Last, Difference;
        "none",
        "Gateway (may be of the other family)";
    "gw" Grammar("ADDRESS") => with!(read_via, show_none), Last, Difference = "via";
        "none",
        "Deprecated spelling of via.";
    "from" Word("PREFIX") => with!(read_from, show_none), Last, Difference;
        "none",
        "Source-specific route.";
    "tos" Named(NameTable::DsFields, "DSFIELD name or number") => with!(read_option, show_none), Last, Difference;
        "0",
        "Type of service.";
    "dsfield" Named(NameTable::DsFields, "DSFIELD name or number") => with!(read_option, show_none), Last, Difference;
        "0",
        "Same as tos.";
    "table" Named(NameTable::RoutingTables, "TABLE name or number") => with!(read_option, show_none), Last, Difference;
        "main",
        "Routing table.";
    "protocol" Named(NameTable::Protocols, "PROTOCOL name or number") => with!(read_option, show_none), Last, Difference;
        "keepalived (18)",
        "Route protocol; forced to 18 unless no_track.";
    "scope" Named(NameTable::Scopes, "SCOPE name or number") => with!(read_option, show_none), Last, Difference;
        "global",
        "IPv4 scope.";
    "metric" Argument::COUNT => with!(read_option, show_none), Last, Difference;
        "unset",
        "Route priority.";
    "priority" Argument::COUNT => with!(read_option, show_none), Last, Difference;
        "unset",
        "Same as metric.";
    "preference" Argument::COUNT => with!(read_option, show_none), Last, Difference;
        "unset",
        "Same as metric.";
    "dev" Interface => at!(interface), Last, Difference;
        "none",
        "Output interface (tracked by the instance unless no_track)";
    "oif" Interface => at!(interface), Last, Difference;
        "none",
        "Same as dev.";
    "onlink" Flag => with!(read_option, show_none), Last, Difference;
        "off",
        "Gateway is directly reachable.";
    "encap" Grammar("ip|ip6|mpls|ila followed by its options") => with!(read_encap, show_none), Last, Difference;
        "none",
        "Light-weight tunnel.";
    "expires" Argument::COUNT => with!(read_expires, show_none), Last, Difference;
        "none",
        "Route lifetime.";
    "mtu" Grammar("[lock] UNSIGNED") => with!(read_lockable_number, show_none), Last, Difference;
        "none",
        "Path MTU.";
    "hoplimit" Argument::unsigned(0, 255) => with!(read_option, show_none), Last, Difference;
        "none",
        "Hop limit metric.";
    "advmss" Grammar("[lock] UNSIGNED") => with!(read_lockable_number, show_none), Last, Difference;
        "none",
        "Advertised MSS.";
    "rtt" Grammar("[lock] NUMBER[s|ms...] 0.2..120 s (clamped); bare number is in 1/8 ms") => with!(read_lockable_time, show_none), Last, Difference;
        "none",
        "Initial RTT.";
    "rttvar" Grammar("[lock] NUMBER[s|ms...] 0.2..120 s (clamped); bare number is in 1/4 ms") => with!(read_lockable_time, show_none), Last, Difference;
        "none",
        "Initial RTT variance.";
    "rto_min" Grammar("[lock] NUMBER[s|ms...] 0.2..120 s (clamped); bare number is in ms") => with!(read_lockable_time, show_none), Last, Difference;
        "none",
        "Minimum retransmission timeout.";
    "reordering" Grammar("[lock] UNSIGNED") => with!(read_lockable_number, show_none), Last, Difference;
        "none",
        "Reordering tolerance.";
    "window" Argument::COUNT => with!(read_option, show_none), Last, Difference;
        "none",
        "Window clamp.";
    "cwnd" Grammar("[lock] UNSIGNED") => with!(read_lockable_number, show_none), Last, Difference;
        "none",
        "Congestion window clamp.";
    "ssthresh" Grammar("[lock] UNSIGNED") => with!(read_lockable_number, show_none), Last, Difference;
        "none",
        "Slow-start threshold.";
    "realms" Word("[SOURCE/]DESTINATION") => with!(read_route_realms, show_none), Last, Difference;
        "none",
        "Realms.";
    "initcwnd" Argument::COUNT => with!(read_option, show_none), Last, Difference;
        "none",
        "Initial congestion window.";
    "initrwnd" Argument::COUNT => with!(read_option, show_none), Last, Difference;
        "none",
        "Initial receive window.";
    "features" Choice(&["ecn"]) => with!(read_option, show_none), Last, Difference;
        "none",
        "Feature flags.";
    "quickack" Argument::unsigned(0, 1) => with!(read_option, show_none), Last, Difference;
        "none",
        "Quick ACK mode.";
    "congctl" Grammar("[lock] NAME") => with!(read_lockable_name, show_none), Last, Difference;
        "none",
        "Congestion control algorithm.";
    "pref" Grammar("low, medium, high or NUMBER 0..255") => with!(read_router_preference, show_none), Last, Difference;
        "none",
        "Router preference.";
    "ttl-propagate" Choice(&["enabled", "disabled"]) => with!(read_option, show_none), Last, Difference;
        "none",
        "MPLS TTL propagation.";
    "fastopen_no_cookie" Argument::unsigned(0, 1) => with!(read_option, show_none), Last, Difference;
        "none",
        "TCP fast open without cookie.";
    "add" Flag => with!(read_option, show_none), Last, Difference;
        "prepend",
        "Fail if the route exists (netlink create+exclusive)";
    "prepend" Flag => with!(read_option, show_none), Last, Difference;
        "default",
        "Kernel default insertion.";
    "append" Flag => with!(read_option, show_none), Last, Difference;
        "prepend",
        "Add after existing routes.";
    "or" HostAddress => with!(read_or, show_none), First, Difference = "nexthop";
        "none",
        "Deprecated second gateway; turned into two nexthops.";
    "nexthop" Grammar("nexthop blocks to end of line") => with!(read_next_hops, show_none), Adds, Difference;
        "none",
        "Multipath; each nexthop takes via, dev, weight, onlink, encap, realms.";
    "no_track" Flag => at!(no_track), Last, Difference;
        "off",
        "Do not follow this route or its interface.";
    "track_group" Word("NAME of a track_group") => with!(read_track_group, show_none), First, Difference;
        "none",
        "Instances that go to FAULT if the route is lost; needs dev.";
    "vrf" Interface => with!(read_vrf, show_none), Last, Difference;
        "none",
        "Use that VRF's table.";
};

/// Options of `encap ip`.
pub static ENCAP_IP: &Keywords<()> = keywords! {
    "id" Argument::unsigned(0, u64::MAX) => Described, Last, Difference;
        "none (id or dst required)",
        "Tunnel key.";
    "dst" Grammar("IPv4 ADDRESS") => Described, Last, Difference;
        "none",
        "Tunnel destination.";
    "src" Grammar("IPv4 ADDRESS") => Described, Last, Difference;
        "none",
        "Tunnel source.";
    "tos" Grammar("DSFIELD") => Described, Last, Difference;
        "none",
        "Outer TOS.";
    "ttl" Argument::unsigned(0, 255) => Described, Last, Difference;
        "none",
        "Outer TTL.";
    "flags" Argument::unsigned(0, 65535) => Described, Last, Difference;
        "none",
        "Tunnel flags.";
};

/// Options of `encap ip6`.
pub static ENCAP_IP6: &Keywords<()> = keywords! {
    "id" Argument::unsigned(0, u64::MAX) => Described, Last, Difference;
        "none (id or dst required)",
        "Tunnel key.";
    "dst" Grammar("IPv6 ADDRESS") => Described, Last, Difference;
        "none",
        "Tunnel destination.";
    "src" Grammar("IPv6 ADDRESS") => Described, Last, Difference;
        "none",
        "Tunnel source.";
    "tc" Grammar("DSFIELD") => Described, Last, Difference;
        "none",
        "Outer traffic class.";
    "hoplimit" Argument::unsigned(0, 255) => Described, Last, Difference;
        "none",
        "Outer hop limit.";
    "flags" Argument::unsigned(0, 65535) => Described, Last, Difference;
        "none",
        "Tunnel flags.";
};

/// Options of `encap mpls`.
pub static ENCAP_MPLS: &Keywords<()> = keywords! {
    "LABEL[/LABEL]" Grammar("one or two labels 0..1048575") => Described, Last, Difference;
        "mandatory",
        "MPLS label stack.";
};

/// Options of `encap ila`.
pub static ENCAP_ILA: &Keywords<()> = keywords! {
    "LOCATOR" Grammar("four 16 bit hex groups with colons") => Described, Last, Difference;
        "mandatory",
        "ILA locator.";
};

/// Options of a next hop.
pub static NEXT_HOP: &Keywords<()> = keywords! {
    "via" Grammar("[inet|inet6] ADDRESS") => Described, Last, Difference;
        "none",
        "Gateway of the nexthop.";
    "dev" Grammar("IFNAME") => Described, Last, Difference;
        "none",
        "Interface of the nexthop.";
    "weight" Argument::unsigned(1, 256) => Described, Last, Difference;
        "1",
        "Share of the nexthop.";
    "onlink" Grammar("flag") => Described, Last, Difference;
        "off",
        "Gateway is directly reachable.";
    "encap" Grammar("as route-line encap") => Described, Last, Difference;
        "none",
        "Tunnel of the nexthop.";
    "realms" Grammar("[SRC/]DST (IPv4 only)") => Described, Last, Difference;
        "none",
        "Realms of the nexthop.";
    "as" Grammar("[to] ADDRESS") => Described, Last, Difference;
        "error",
        "Refused.";
};

/// Lines of virtual and static routes.
pub(crate) static ROUTE_LINES: Lines = Lines {
    grammar: "ROUTE-LINE",
    path: "route-line",
    options: &[ROUTE],
    parts: &[
        ("encap ip", ENCAP_IP),
        ("encap ip6", ENCAP_IP6),
        ("encap mpls", ENCAP_MPLS),
        ("encap ila", ENCAP_ILA),
        ("nexthop", NEXT_HOP),
    ],
};
