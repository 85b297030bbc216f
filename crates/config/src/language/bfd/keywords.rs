//! `bfd_instance`.

use super::read::*;
use crate::model::BfdInstance;
use crate::table::{Argument, Keywords, Mark, Store, at, keywords, with};
use Argument::*;
use Store::*;

/// Keywords of `bfd_instance`.
pub static BFD_INSTANCE: &Keywords<BfdInstance> = keywords! {
    "source_ip" Address => at!(source), Last, Restart;
        "chosen by the kernel",
        "Local address; must be of the neighbour's family.";
    "neighbor_ip" Address => at!(neighbor), Last, Restart;
        "none (mandatory)",
        "Peer address.";
    "neighbour_ip" Address => at!(neighbor), Last, Restart [Mark::Alias];
        "none",
        "Same as neighbor_ip.";
    "min_rx" Argument::milliseconds(1000, 4294967000) => at!(min_rx), Last, InPlace;
        "10",
        "Required minimum receive interval; above 10000 a warning.";
    "min_tx" Argument::milliseconds(1000, 4294967000) => at!(min_tx), Last, InPlace;
        "10",
        "Desired minimum transmit interval; above 10000 a warning.";
    "idle_tx" Argument::milliseconds(1000000, 4294967000) => at!(idle_tx), Last, InPlace;
        "1000",
        "Transmit interval while the session is not up; above 10000 a warning.";
    "multiplier" Argument::unsigned(1, 255) => at!(multiplier), Last, InPlace;
        "5",
        "Detection multiplier.";
    "passive" Flag => at!(passive), Last, Restart;
        "off",
        "Wait for the peer to start.";
    "ttl" Argument::unsigned(1, 255) => at!(ttl), Last, InPlace;
        "255 for IPv4, 64 for IPv6",
        "TTL or hop limit sent and basis of the receive check.";
    "hoplimit" Argument::unsigned(1, 255) => at!(ttl), Last, InPlace [Mark::Alias];
        "as ttl",
        "Same as ttl.";
    "max_hops" Argument::integer(-1, 255) => at!(max_hops), Last, InPlace;
        "0",
        "Largest number of hops a received packet may have passed; -1 disables the check.";
    "multihop" Switch => at!(multihop), Last, Restart;
        "off; no argument means on",
        "Use the multihop port 4784 instead of 3784.";
    "weight" Grammar("INTEGER -253..253 [reverse]") => with!(read_weight, show_weight), Last, InPlace;
        "0",
        "Priority change in VRRP instances tracking the session; 0 means fault when down.";
    "weight reverse" Flag => Described, Last, InPlace;
        "off",
        "Invert the sense.";
    "vrrp" Flag => with!(read_vrrp, show_vrrp), Last, InPlace;
        "both vrrp and checker",
        "Report events to the VRRP process (only, unless checker is also given)";
    "checker" Flag => with!(read_checker, show_checker), Last, InPlace;
        "both vrrp and checker",
        "Report events to the checker process (only, unless vrrp is also given)";
    "echo_tx" Argument::milliseconds(1000, 4294967000) => at!(echo_tx), Last, InPlace;
        "none",
        "Send echo packets (RFC 5880 section 6.4) so often while up, if the peer returns them; not with multihop";
    "echo_rx" Argument::milliseconds(1000, 4294967000) => at!(echo_rx), Last, InPlace;
        "none",
        "Let the peer send echo packets so often, which this host forwards; not with multihop";
    "authentication" Grammar("METHOD ID 0..255 VALUE where METHOD is password, keyed_md5, meticulous_keyed_md5, keyed_sha1 or meticulous_keyed_sha1 and VALUE is text, hex:DIGITS or file:PATH; at most 20 bytes with sha1, else 16") => with!(read_authentication, show_authentication), Last, InPlace [Mark::SecretOrFile(2)];
        "none",
        "How packets are signed, and those of the peer must be (RFC 5880 section 6.7)";
};
