//! Options of a route line.

use super::next_hops::{read_encap, read_next_hops};
use super::read::*;
use crate::model::Route;
use crate::table::{Argument, Keywords, Store, at, keywords, with};
use Argument::*;
use Store::*;

/// Options of a route line; a word that is none is type or destination.
pub static ROUTE: &Keywords<Route> = keywords! {
    "[to] [TYPE] DST[/LEN]" Grammar("destination, default, any, all, default6 (deprecated); TYPE unicast, local, broadcast, anycast, multicast, blackhole, unreachable, prohibit, throw, nat, xresolve or number") => Elsewhere, Last, Difference, Routes;
        "mandatory; unicast",
        "Destination; any word that is no option is taken as type or destination.";
    "inet" Flag => with!(read_inet, show_none), Last, Difference, Routes;
        "deduced",
        "Force IPv4.";
    "inet6" Flag => with!(read_inet6, show_none), Last, Difference, Routes;
        "deduced",
        "Force IPv6.";
    "src" HostAddress => with!(read_source, show_none), Last, Difference, Routes;
        "none",
        "Preferred source.";
    "as" Grammar("[to] ADDRESS") => with!(read_as, show_none), Last, Difference, Routes;
        "ignored",
        "Accepted syntactically but unsupported.";
    "via" Grammar("[inet|inet6] ADDRESS") => with!(read_via, show_none), Last, Difference, Routes;
        "none",
        "Gateway (may be of the other family)";
    "gw" Grammar("ADDRESS") => with!(read_via, show_none), Last, Difference, Routes = "via";
        "none",
        "Deprecated spelling of via.";
    "from" Word("PREFIX") => with!(read_from, show_none), Last, Difference, Routes;
        "none",
        "Source-specific route.";
    "tos" Word("DSFIELD name or number") => with!(read_option, show_none), Last, Difference, Routes;
        "0",
        "Type of service.";
    "dsfield" Word("DSFIELD name or number") => with!(read_option, show_none), Last, Difference, Routes;
        "0",
        "Same as tos.";
    "table" Word("TABLE name or number") => with!(read_option, show_none), Last, Difference, Routes;
        "main",
        "Routing table.";
    "protocol" Word("PROTOCOL name or number") => with!(read_option, show_none), Last, Difference, Routes;
        "keepalived (18)",
        "Route protocol; forced to 18 unless no_track.";
    "scope" Word("SCOPE name or number") => with!(read_option, show_none), Last, Difference, Routes;
        "global",
        "IPv4 scope.";
    "metric" Argument::COUNT => with!(read_option, show_none), Last, Difference, Routes;
        "unset",
        "Route priority.";
    "priority" Argument::COUNT => with!(read_option, show_none), Last, Difference, Routes;
        "unset",
        "Same as metric.";
    "preference" Argument::COUNT => with!(read_option, show_none), Last, Difference, Routes;
        "unset",
        "Same as metric.";
    "dev" Interface => at!(interface), Last, Difference, Routes;
        "none",
        "Output interface (tracked by the instance unless no_track)";
    "oif" Interface => at!(interface), Last, Difference, Routes;
        "none",
        "Same as dev.";
    "onlink" Flag => with!(read_option, show_none), Last, Difference, Routes;
        "off",
        "Gateway is directly reachable.";
    "encap" Grammar("ip|ip6|mpls|ila followed by its options") => with!(read_encap, show_none), Last, Difference, Routes;
        "none",
        "Light-weight tunnel.";
    "expires" Argument::COUNT => with!(read_expires, show_none), Last, Difference, Routes;
        "none",
        "Route lifetime.";
    "mtu" Grammar("[lock] UNSIGNED") => with!(read_lockable_number, show_none), Last, Difference, Routes;
        "none",
        "Path MTU.";
    "hoplimit" Argument::unsigned(0, 255) => with!(read_option, show_none), Last, Difference, Routes;
        "none",
        "Hop limit metric.";
    "advmss" Grammar("[lock] UNSIGNED") => with!(read_lockable_number, show_none), Last, Difference, Routes;
        "none",
        "Advertised MSS.";
    "rtt" Grammar("[lock] NUMBER[s|ms...] 0.2..120 s (clamped); bare number is in 1/8 ms") => with!(read_lockable_time, show_none), Last, Difference, Routes;
        "none",
        "Initial RTT.";
    "rttvar" Grammar("[lock] NUMBER[s|ms...] 0.2..120 s (clamped); bare number is in 1/4 ms") => with!(read_lockable_time, show_none), Last, Difference, Routes;
        "none",
        "Initial RTT variance.";
    "rto_min" Grammar("[lock] NUMBER[s|ms...] 0.2..120 s (clamped); bare number is in ms") => with!(read_lockable_time, show_none), Last, Difference, Routes;
        "none",
        "Minimum retransmission timeout.";
    "reordering" Grammar("[lock] UNSIGNED") => with!(read_lockable_number, show_none), Last, Difference, Routes;
        "none",
        "Reordering tolerance.";
    "window" Argument::COUNT => with!(read_option, show_none), Last, Difference, Routes;
        "none",
        "Window clamp.";
    "cwnd" Grammar("[lock] UNSIGNED") => with!(read_lockable_number, show_none), Last, Difference, Routes;
        "none",
        "Congestion window clamp.";
    "ssthresh" Grammar("[lock] UNSIGNED") => with!(read_lockable_number, show_none), Last, Difference, Routes;
        "none",
        "Slow-start threshold.";
    "realms" Word("[SOURCE/]DESTINATION") => with!(read_route_realms, show_none), Last, Difference, Routes;
        "none",
        "Realms.";
    "initcwnd" Argument::COUNT => with!(read_option, show_none), Last, Difference, Routes;
        "none",
        "Initial congestion window.";
    "initrwnd" Argument::COUNT => with!(read_option, show_none), Last, Difference, Routes;
        "none",
        "Initial receive window.";
    "features" Choice(&["ecn"]) => with!(read_option, show_none), Last, Difference, Routes;
        "none",
        "Feature flags.";
    "quickack" Argument::unsigned(0, 1) => with!(read_option, show_none), Last, Difference, Routes;
        "none",
        "Quick ACK mode.";
    "congctl" Grammar("[lock] NAME") => with!(read_lockable_name, show_none), Last, Difference, Routes;
        "none",
        "Congestion control algorithm.";
    "pref" Grammar("low, medium, high or NUMBER 0..255") => with!(read_router_preference, show_none), Last, Difference, Routes;
        "none",
        "Router preference.";
    "ttl-propagate" Choice(&["enabled", "disabled"]) => with!(read_option, show_none), Last, Difference, Routes;
        "none",
        "MPLS TTL propagation.";
    "fastopen_no_cookie" Argument::unsigned(0, 1) => with!(read_option, show_none), Last, Difference, Routes;
        "none",
        "TCP fast open without cookie.";
    "add" Flag => with!(read_option, show_none), Last, Difference, Routes;
        "prepend",
        "Fail if the route exists (netlink create+exclusive)";
    "prepend" Flag => with!(read_option, show_none), Last, Difference, Routes;
        "default",
        "Kernel default insertion.";
    "append" Flag => with!(read_option, show_none), Last, Difference, Routes;
        "prepend",
        "Add after existing routes.";
    "or" HostAddress => with!(read_or, show_none), First, Difference, Routes = "nexthop";
        "none",
        "Deprecated second gateway; turned into two nexthops.";
    "nexthop" Grammar("nexthop blocks to end of line") => with!(read_next_hops, show_none), Adds, Difference, Routes;
        "none",
        "Multipath; each nexthop takes via, dev, weight, onlink, encap, realms.";
    "no_track" Flag => at!(no_track), Last, Difference, Routes;
        "off",
        "Do not follow this route or its interface.";
    "track_group" Word("NAME of a track_group") => with!(read_track_group, show_none), First, Difference, Routes;
        "none",
        "Instances that go to FAULT if the route is lost; needs dev.";
    "vrf" Interface => with!(read_vrf, show_none), Last, Difference, Routes;
        "none",
        "Use that VRF's table.";
};

/// Options of `encap ip`.
pub static ENCAP_IP: &Keywords<()> = keywords! {
    "id" Argument::unsigned(0, u64::MAX) => Elsewhere, Last, Difference, Routes;
        "none (id or dst required)",
        "Tunnel key.";
    "dst" Grammar("IPv4 ADDRESS") => Elsewhere, Last, Difference, Routes;
        "none",
        "Tunnel destination.";
    "src" Grammar("IPv4 ADDRESS") => Elsewhere, Last, Difference, Routes;
        "none",
        "Tunnel source.";
    "tos" Grammar("DSFIELD") => Elsewhere, Last, Difference, Routes;
        "none",
        "Outer TOS.";
    "ttl" Argument::unsigned(0, 255) => Elsewhere, Last, Difference, Routes;
        "none",
        "Outer TTL.";
    "flags" Argument::unsigned(0, 65535) => Elsewhere, Last, Difference, Routes;
        "none",
        "Tunnel flags.";
};

/// Options of `encap ip6`.
pub static ENCAP_IP6: &Keywords<()> = keywords! {
    "id" Argument::unsigned(0, u64::MAX) => Elsewhere, Last, Difference, Routes;
        "none (id or dst required)",
        "Tunnel key.";
    "dst" Grammar("IPv6 ADDRESS") => Elsewhere, Last, Difference, Routes;
        "none",
        "Tunnel destination.";
    "src" Grammar("IPv6 ADDRESS") => Elsewhere, Last, Difference, Routes;
        "none",
        "Tunnel source.";
    "tc" Grammar("DSFIELD") => Elsewhere, Last, Difference, Routes;
        "none",
        "Outer traffic class.";
    "hoplimit" Argument::unsigned(0, 255) => Elsewhere, Last, Difference, Routes;
        "none",
        "Outer hop limit.";
    "flags" Argument::unsigned(0, 65535) => Elsewhere, Last, Difference, Routes;
        "none",
        "Tunnel flags.";
};

/// Options of `encap mpls`.
pub static ENCAP_MPLS: &Keywords<()> = keywords! {
    "LABEL[/LABEL]" Grammar("one or two labels 0..1048575") => Elsewhere, Last, Difference, Routes;
        "mandatory",
        "MPLS label stack.";
};

/// Options of `encap ila`.
pub static ENCAP_ILA: &Keywords<()> = keywords! {
    "LOCATOR" Grammar("four 16 bit hex groups with colons") => Elsewhere, Last, Difference, Routes;
        "mandatory",
        "ILA locator.";
};

/// Options of a next hop.
pub static NEXT_HOP: &Keywords<()> = keywords! {
    "via" Grammar("[inet|inet6] ADDRESS") => Elsewhere, Last, Difference, Routes;
        "none",
        "Gateway of the nexthop.";
    "dev" Grammar("IFNAME") => Elsewhere, Last, Difference, Routes;
        "none",
        "Interface of the nexthop.";
    "weight" Argument::unsigned(1, 256) => Elsewhere, Last, Difference, Routes;
        "1",
        "Share of the nexthop.";
    "onlink" Grammar("flag") => Elsewhere, Last, Difference, Routes;
        "off",
        "Gateway is directly reachable.";
    "encap" Grammar("as route-line encap") => Elsewhere, Last, Difference, Routes;
        "none",
        "Tunnel of the nexthop.";
    "realms" Grammar("[SRC/]DST (IPv4 only)") => Elsewhere, Last, Difference, Routes;
        "none",
        "Realms of the nexthop.";
    "as" Grammar("[to] ADDRESS") => Elsewhere, Last, Difference, Routes;
        "error",
        "Refused.";
};
