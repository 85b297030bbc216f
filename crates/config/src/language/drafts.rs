//! What was written, before inheritance and checks make a model of it.

use std::collections::BTreeMap;

use super::servers::blocks::BelowServer;
use crate::diagnostic::span::Span;
use crate::model::{
    BfdInstance, GarpGroup, Global, InterfaceDelay, LinkbeatInterface, Route, Rule, Ssl, TrackFile,
    TrackGroup, TrackProcess, VirtualAddress, VirtualServer, VirtualServerGroup, VrrpInstance, VrrpScript,
    VrrpSyncGroup,
};
use crate::table::remembered::Scratch;
use crate::table::{Keywords, Repeat, Seen};
use crate::text::tree::Node;

/// Where the keywords of a block stand, for checks after the block is read.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<(u8, Span)>);

impl Places {
    /// Those of a block's own lines.
    pub(crate) fn of_block<T>(keywords: &'static Keywords<T>, block: Node<'_>) -> Self {
        let place = |line: Node<'_>| {
            let (position, _) = keywords.find(line.keyword().as_str()?)?;
            Some((u8::try_from(position).ok()?, line.span()))
        };
        Self(block.children().into_iter().flatten().filter_map(place).collect())
    }

    /// The line of the keyword that counts.
    pub(crate) fn get<T>(&self, keywords: &'static Keywords<T>, name: &str) -> Option<Span> {
        let (position, keyword) = keywords.find(name)?;
        let mut lines = self.0.iter().filter(|(at, _)| usize::from(*at) == position);
        let line = match keyword.entry.repeat {
            Repeat::First => lines.next(),
            Repeat::Last | Repeat::Replaces | Repeat::Adds => lines.next_back(),
        };
        line.map(|(_, span)| *span)
    }

    /// Whether the one line stands before the other.
    pub(crate) fn is_before(&self, one: Span, other: Span) -> bool {
        let place = |line: Span| self.0.iter().position(|(_, span)| *span == line);
        place(one) < place(other)
    }
}

/// A block with the keywords that were written in it.
#[derive(Debug)]
pub(crate) struct Draft<T> {
    pub(crate) value: T,
    pub(crate) seen: Seen,
    pub(crate) places: Places,
    /// Where its name stands.
    pub(crate) span: Span,
}

/// An instance with what its fields do not tell.
#[derive(Debug)]
pub(crate) struct InstanceDraft {
    pub(crate) draft: Draft<VrrpInstance>,
    pub(crate) scratch: Scratch,
}

/// A group with the places of its members.
#[derive(Debug)]
pub(crate) struct GroupDraft {
    pub(crate) draft: Draft<VrrpSyncGroup>,
    pub(crate) member_spans: Vec<Span>,
}

/// Everything that was written.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    pub(crate) global: Global,
    pub(crate) global_seen: Seen,
    pub(crate) root_seen: Seen,
    pub(crate) instances: Vec<InstanceDraft>,
    pub(crate) groups: Vec<GroupDraft>,
    pub(crate) scripts: Vec<Draft<VrrpScript>>,
    pub(crate) track_files: Vec<Draft<TrackFile>>,
    pub(crate) track_processes: Vec<Draft<TrackProcess>>,
    pub(crate) track_groups: Vec<TrackGroup>,
    pub(crate) garp_groups: Vec<GarpGroup>,
    pub(crate) interface_delays: Vec<InterfaceDelay>,
    pub(crate) linkbeat_interfaces: Vec<LinkbeatInterface>,
    pub(crate) static_addresses: Vec<VirtualAddress>,
    pub(crate) static_routes: Vec<Route>,
    pub(crate) static_rules: Vec<Rule>,
    pub(crate) bfd_instances: Vec<BfdInstance>,
    pub(crate) virtual_server_groups: Vec<VirtualServerGroup>,
    pub(crate) virtual_servers: Vec<VirtualServer>,
    /// Those that cannot work, whose scripts are looked at like all others.
    pub(crate) dropped_servers: Vec<VirtualServer>,
    /// Where the names behind `only_while_master` stand, by the places of their virtual servers.
    pub(crate) masters: BTreeMap<Span, Span>,
    /// Empty between virtual servers.
    pub(crate) below_server: BelowServer,
    pub(crate) ssl: Option<Ssl>,
}
