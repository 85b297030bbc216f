//! The kinds of blocks that a model is made of: their keywords, and where the model has them.

use super::addresses::read::show_line as address_line;
use super::bfd::keywords::BFD_INSTANCE;
use super::instance::keywords::INSTANCE;
use super::root::LINKBEAT_METHODS;
use super::routes::read::show_line as route_line;
use super::rules::read::show_line as rule_line;
use super::servers::read::{group_entry, words_of_address};
use super::trackers::keywords::{SCRIPT, TRACK_FILE, TRACK_PROCESS};
use super::tracking::keywords::{GARP_GROUP, SYNC_GROUP, TRACK_GROUP};
use crate::model::{
    BfdInstance, GarpGroup, InterfaceDelay, LinkbeatInterface, Model, ServiceTarget, TrackFile, TrackGroup,
    TrackProcess, VirtualServer, VirtualServerGroup, VrrpInstance, VrrpScript, VrrpSyncGroup,
};
use crate::table::Keywords;
use crate::table::notation::quote;

/// Blocks of one kind.
pub(crate) struct Kind<T: 'static> {
    /// The keyword of the block.
    pub(crate) keyword: &'static str,
    /// The keywords in it.
    pub(crate) keywords: &'static Keywords<T>,
    /// All of a model.
    pub(crate) of: fn(&Model) -> &[T],
    /// The name of one.
    pub(crate) name: fn(&T) -> &str,
}

/// Blocks of lines, of which a model keeps the lines of all together.
pub(crate) struct Listing {
    /// The keyword of the block.
    pub(crate) keyword: &'static str,
    /// The lines of a model.
    pub(crate) lines: fn(&Model) -> Vec<String>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $type:ty = $keyword:literal, $keywords:expr, $field:ident, $name:expr;)*) => {
        $($(#[$doc])* pub(crate) const $kind: Kind<$type> =
            Kind { keyword: $keyword, keywords: $keywords, of: |model| &model.$field, name: $name };)*

        /// All keywords named here.
        #[cfg(test)]
        pub(crate) fn all() -> Vec<&'static str> {
            let listings = LISTINGS.iter().map(|listing| listing.keyword);
            [$($keyword,)* GLOBAL_DEFS, SSL, VIRTUAL_SERVER, VIRTUAL_SERVER_GROUP].into_iter().chain(listings).collect()
        }
    };
}

kinds! {
    /// Files that are followed.
    TRACK_FILES: TrackFile = "track_file", TRACK_FILE, track_files, |file| &file.name;
    /// Processes that are counted.
    TRACK_PROCESSES: TrackProcess = "vrrp_track_process", TRACK_PROCESS, track_processes, |process| &process.name;
    /// BFD sessions.
    BFD_INSTANCES: BfdInstance = "bfd_instance", BFD_INSTANCE, bfd_instances, |bfd| &bfd.name;
    /// Check scripts.
    SCRIPTS: VrrpScript = "vrrp_script", SCRIPT, scripts, |script| &script.name;
    /// Groups that static lines follow.
    TRACK_GROUPS: TrackGroup = "track_group", TRACK_GROUP, track_groups, |group| &group.name;
    /// Paces of announcements.
    GARP_GROUPS: GarpGroup = "garp_group", GARP_GROUP, garp_groups, |_| "";
    /// Virtual routers.
    INSTANCES: VrrpInstance = "vrrp_instance", INSTANCE, instances, |instance| &instance.name;
    /// Sync groups.
    SYNC_GROUPS: VrrpSyncGroup = "vrrp_sync_group", SYNC_GROUP, groups, |group| &group.name;
}

/// Static addresses, routes and rules, and what is said of interfaces.
pub(crate) const LISTINGS: [Listing; 5] = [
    Listing {
        keyword: "static_ipaddress",
        lines: |model| model.static_addresses.iter().map(address_line).collect(),
    },
    Listing { keyword: "static_routes", lines: |model| model.static_routes.iter().map(route_line).collect() },
    Listing { keyword: "static_rules", lines: |model| model.static_rules.iter().map(rule_line).collect() },
    Listing {
        keyword: "interface_up_down_delays",
        lines: |model| model.interface_delays.iter().map(delay_line).collect(),
    },
    Listing {
        keyword: "linkbeat_interfaces",
        lines: |model| model.linkbeat_interfaces.iter().map(linkbeat_line).collect(),
    },
];

/// The settings of the daemon as a whole.
pub(crate) const GLOBAL_DEFS: &str = "global_defs";
/// What SSL_GET speaks TLS with.
pub(crate) const SSL: &str = "SSL";
/// Services.
pub(crate) const VIRTUAL_SERVER: &str = "virtual_server";
/// Servers of a service.
pub(crate) const REAL_SERVER: &str = "real_server";
/// Addresses of a service.
pub(crate) const VIRTUAL_SERVER_GROUP: &str = "virtual_server_group";

/// A line of `interface_up_down_delays`.
fn delay_line(delay: &InterfaceDelay) -> String {
    format!("{} {} {}", quote(&delay.interface), delay.down, delay.up)
}

/// A line of `linkbeat_interfaces`.
fn linkbeat_line(linkbeat: &LinkbeatInterface) -> String {
    let known = LINKBEAT_METHODS.iter().find(|(_, method)| linkbeat.method == Some(*method));
    let method = known.map_or("", |(word, _)| *word);
    format!("{} {method}", quote(&linkbeat.interface)).trim_end().to_owned()
}

/// The lines of a `virtual_server_group`.
pub(crate) fn group_lines(group: &VirtualServerGroup) -> Vec<String> {
    group.entries.iter().map(group_entry).collect()
}

/// What stands before the brace of a service.
pub(crate) fn head_of_service(server: &VirtualServer) -> String {
    match &server.target {
        ServiceTarget::Address(address) => words_of_address(*address),
        ServiceTarget::Mark(mark) => format!("fwmark {mark}"),
        ServiceTarget::Group(name) => format!("group {}", quote(name)),
    }
}

/// Whether another value of that keyword makes the instance another virtual router, although most values of it do not.
pub(crate) fn makes_another_router(keyword: &str, old: &VrrpInstance, new: &VrrpInstance) -> bool {
    match keyword {
        "unicast_peer" => old.is_unicast() != new.is_unicast(),
        "virtual_ipaddress" => old.family != new.family,
        _ => false,
    }
}
