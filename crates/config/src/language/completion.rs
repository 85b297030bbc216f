//! Completion as keepalived does it at load, its checks, and advice beyond them.

use super::drafts::Drafts;
use super::{advice, inheritance, instance, interfaces, trackers, tracking};
use crate::model::Model;
use crate::table::Context;

/// Makes a model of what was written. The second value tells whether keepalived would refuse to run it.
pub(crate) fn complete(drafts: Drafts, context: &mut Context<'_>) -> (Model, bool) {
    let mut drafts = drafts;
    let mut unusable = false;
    inheritance::complete_global(&mut drafts.global, &drafts.global_seen);
    drafts.check_masters(context);
    trackers::check::complete(&mut drafts, context);
    tracking::check::inherit(&mut drafts);
    unusable |= interfaces::complete(&mut drafts, context);
    unusable |= instance::check::complete(&mut drafts, context);
    tracking::check::complete(&mut drafts, context);
    advice::advise_on_drafts(&drafts, context);
    let model = Model {
        global: drafts.global,
        instances: drafts.instances.into_iter().map(|draft| draft.draft.value).collect(),
        groups: drafts.groups.into_iter().map(|draft| draft.draft.value).collect(),
        scripts: drafts.scripts.into_iter().map(|draft| draft.value).collect(),
        track_files: drafts.track_files.into_iter().map(|draft| draft.value).collect(),
        track_processes: drafts.track_processes.into_iter().map(|draft| draft.value).collect(),
        track_groups: drafts.track_groups,
        garp_groups: drafts.garp_groups,
        interface_delays: drafts.interface_delays,
        linkbeat_interfaces: drafts.linkbeat_interfaces,
        static_addresses: drafts.static_addresses,
        static_routes: drafts.static_routes,
        static_rules: drafts.static_rules,
        bfd_instances: drafts.bfd_instances,
        virtual_server_groups: drafts.virtual_server_groups,
        virtual_servers: drafts.virtual_servers,
        ssl: drafts.ssl.map(Box::new),
    };
    (model, unusable)
}
