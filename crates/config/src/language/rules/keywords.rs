//! Options of a rule line.

use super::read::*;
use crate::machine::NameTable;
use crate::model::Rule;
use crate::table::{Argument, Keywords, Lines, at, keywords, with};
use Argument::*;

/// Options of a rule line.
pub static RULE: &Keywords<Rule> = keywords! {
    "inet" Flag => with!(read_inet, show_none), Last, Difference;
        "deduced, else IPv4",
        "Force IPv4.";
    "inet6" Flag => with!(read_inet6, show_none), Last, Difference;
        "deduced",
        "Force IPv6.";
    "from" Word("PREFIX, default, any or all") => with!(read_from, show_from), Last, Difference;
        "any",
        "Source selector.";
    "to" Word("PREFIX, default, any or all") => with!(read_to, show_to), Last, Difference;
        "any",
        "Destination selector.";
    "table" Word("TABLE name or number, not 0") => with!(read_table, show_none), Last, Difference;
        "none",
        "Look up this table.";
    "lookup" Word("TABLE name or number, not 0") => with!(read_table, show_none), Last, Difference;
        "none",
        "Same as table.";
    "not" Flag => at!(not), Last, Difference;
        "off",
        "Invert the selector.";
    "preference" Word("NUMBER") => with!(read_preference, show_preference), Last, Difference;
        "counts down from 16384 per family, with an error",
        "Rule priority.";
    "order" Word("NUMBER") => with!(read_preference, show_none), Last, Difference;
        "see preference",
        "Same as preference.";
    "priority" Word("NUMBER") => with!(read_preference, show_none), Last, Difference;
        "see preference",
        "Same as preference.";
    "tos" Named(NameTable::DsFields, "DSFIELD name or number") => with!(read_option, show_none), Last, Difference;
        "none",
        "TOS selector.";
    "dsfield" Named(NameTable::DsFields, "DSFIELD name or number") => with!(read_option, show_none), Last, Difference;
        "none",
        "Same as tos.";
    "fwmark" Grammar("MARK[/MASK], each in C notation") => with!(read_mark, show_none), Last, Difference;
        "none",
        "Mark selector.";
    "realms" Word("[SOURCE/]DESTINATION") => with!(read_rule_realms, show_none), Last, Difference;
        "none",
        "Realms assigned.";
    "suppress_prefixlength" Argument::unsigned(0, 2147483647) => with!(read_option, show_none), Last, Difference;
        "none",
        "Ignore routes with prefixes this short.";
    "sup_pl" Argument::unsigned(0, 2147483647) => with!(read_option, show_none), Last, Difference;
        "none",
        "Same as suppress_prefixlength.";
    "suppress_ifgroup" Named(NameTable::InterfaceGroups, "IFGROUP name or number") => with!(read_option, show_none), Last, Difference;
        "none",
        "Ignore routes through that interface group.";
    "sup_group" Named(NameTable::InterfaceGroups, "IFGROUP name or number") => with!(read_option, show_none), Last, Difference;
        "none",
        "Same as suppress_ifgroup.";
    "dev" Interface => at!(input_interface), Last, Difference;
        "none",
        "Input interface selector.";
    "iif" Interface => at!(input_interface), Last, Difference;
        "none",
        "Same as dev.";
    "oif" Interface => at!(output_interface), Last, Difference;
        "none",
        "Output interface selector.";
    "tunnel-id" Argument::unsigned(0, 18446744073709551615) => with!(read_option, show_none), Last, Difference;
        "none",
        "Tunnel id selector.";
    "uidrange" Grammar("START-END") => with!(read_users, show_none), Last, Difference;
        "none",
        "UID range selector.";
    "l3mdev" Flag => with!(read_action, show_none), Last, Difference;
        "off",
        "Use the l3mdev table.";
    "protocol" Argument::unsigned(0, 255) => with!(read_option, show_none), Last, Difference;
        "keepalived (18)",
        "Rule protocol; forced to 18 unless no_track.";
    "ipproto" Word("PROTOCOL name or number") => with!(read_ip_protocol, show_none), Last, Difference;
        "none",
        "IP protocol selector.";
    "sport" Grammar("START-END") => with!(read_ports, show_none), Last, Difference;
        "none",
        "Source port selector.";
    "dport" Grammar("START-END") => with!(read_ports, show_none), Last, Difference;
        "none",
        "Destination port selector.";
    "no_track" Flag => at!(no_track), Last, Difference;
        "off",
        "Do not follow this rule or its interfaces.";
    "track_group" Word("NAME of a track_group") => with!(read_track_group, show_none), First, Difference;
        "none",
        "Instances that go to FAULT if the rule is lost; needs dev or iif.";
    "type" Flag => with!(read_type, show_none), Last, Difference;
        "none",
        "Optional word before the action.";
    "goto" Word("NUMBER") => with!(read_goto, show_none), Last, Difference;
        "none",
        "Jump to a later rule.";
    "nop" Flag => with!(read_action, show_none), Last, Difference;
        "none",
        "No operation.";
    "blackhole" Flag => with!(read_action, show_none), Last, Difference;
        "none",
        "Silently drop.";
    "unreachable" Flag => with!(read_action, show_none), Last, Difference;
        "none",
        "Reject as unreachable.";
    "prohibit" Flag => with!(read_action, show_none), Last, Difference;
        "none",
        "Reject as prohibited.";
};

/// Lines of virtual and static rules.
pub(crate) static RULE_LINES: Lines =
    Lines { grammar: "RULE-LINE", path: "rule-line", options: &[RULE], parts: &[] };
