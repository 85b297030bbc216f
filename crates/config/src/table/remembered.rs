//! What reading remembers: of the block under reading, and of all that was read before.

use std::collections::BTreeMap;
use std::net::IpAddr;

use steadfast_wire::vrrp::{Family, Version};

use crate::diagnostic::span::Span;
use crate::machine::NameFolders;
use crate::model::{AuthType, Password, Weight};
use crate::value::Name;

/// What an instance remembers while it is read.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Family, by the first thing that has one.
    pub(crate) family: Option<Family>,
    pub(crate) version: Option<Version>,
    /// A keyword that makes sense for unicast only.
    pub(crate) unicast_keyword: Option<Span>,
    pub(crate) interface_span: Option<Span>,
    pub(crate) vrf_span: Option<Span>,
    pub(crate) authentication: Option<AuthenticationDraft>,
}

impl Scratch {
    /// Whether that family is the instance's; the first one asked about becomes it.
    pub(crate) fn family_agrees(&mut self, family: Family) -> bool {
        *self.family.get_or_insert(family) == family
    }
}

/// `authentication` as written.
#[derive(Debug, Default)]
pub(crate) struct AuthenticationDraft {
    pub(crate) kind: Option<AuthType>,
    pub(crate) password: Option<Password>,
    pub(crate) password_span: Span,
    pub(crate) span: Span,
}

/// A definition of what can be followed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Definition {
    pub(crate) weight: Weight,
    /// Where its name stands.
    pub(crate) span: Span,
    /// Instances may follow it; a BFD session may be for checkers only.
    pub(crate) followable: bool,
}

/// What is defined so far.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Interfaces that instances make, with the name of the instance.
    pub(crate) made_interfaces: BTreeMap<Name, Name>,
    /// The last script_user names an account that does not exist.
    pub(crate) script_user_lacks: bool,
    /// Where names of routing tables and the like are looked up.
    pub(crate) name_folders: NameFolders,
    pub(crate) scripts: BTreeMap<Name, Definition>,
    pub(crate) files: BTreeMap<Name, Definition>,
    pub(crate) processes: BTreeMap<Name, Definition>,
    pub(crate) bfds: BTreeMap<Name, Definition>,
    pub(crate) instances: BTreeMap<Name, Span>,
    pub(crate) groups: BTreeMap<Name, Span>,
    pub(crate) server_groups: BTreeMap<Name, Span>,
    pub(crate) track_groups: BTreeMap<Name, Span>,
    pub(crate) garp_interfaces: BTreeMap<Name, Span>,
    /// Where the names of interfaces that do not exist stand, by the place of their statement.
    pub(crate) interfaces_missed: BTreeMap<(Span, Name), Span>,
    /// What is followed and was not defined before.
    pub(crate) undefined: Vec<Undefined>,
}

/// A name in a track list that was not defined before.
#[derive(Debug)]
pub(crate) struct Undefined {
    pub(crate) kind: Kind,
    pub(crate) name: Name,
    pub(crate) span: Span,
}

/// What a virtual server remembers while it is read.
#[derive(Debug, Default)]
pub(crate) struct ServerScratch {
    pub(crate) scheduler_given: bool,
    pub(crate) forwarding_given: bool,
    pub(crate) sorry_forwarding_given: bool,
    pub(crate) sorry_span: Option<Span>,
    /// persistence_granularity is written as a netmask.
    pub(crate) granularity_is_mask: bool,
    /// Address of the real server under reading.
    pub(crate) real_address: Option<IpAddr>,
}

/// What a track line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Interface,
    Script,
    File,
    Process,
    Bfd,
}
