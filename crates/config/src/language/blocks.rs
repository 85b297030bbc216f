//! The blocks of the language, each to its draft.

use steadfast_wire::vrrp::Vrid;

use super::addresses;
use super::bfd::BFD_INSTANCE;
use super::drafts::{Draft, Drafts, GroupDraft, InstanceDraft, Places};
use super::global::keywords::GLOBAL;
use super::instance::keywords::{AUTH_HMAC, AUTHENTICATION, INSTANCE};
use super::root::ROOT;
use super::routes;
use super::rules;
use super::trackers::keywords::{SCRIPT, TRACK_FILE, TRACK_PROCESS, VRRP_TRACK_FILE};
use super::tracking::keywords::{GARP_GROUP, SYNC_GROUP, TRACK_GROUP};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::{Class, Code};
use crate::diagnostic::span::Span;
use crate::machine::NameFolders;
use crate::model::{
    AuthHmac, BfdInstance, GarpGroup, InterfaceDelay, LinkbeatInterface, Site, TrackFile, TrackGroup,
    TrackProcess, VrrpInstance, VrrpScript, VrrpSyncGroup,
};
use crate::table::remembered::{AuthenticationDraft, Definition, Scratch};
use crate::table::{Context, Keywords, Line, Outcome, Seen, apply, unread};
use crate::text::reader::{Enclosing, Grammar};
use crate::text::tree::Node;
use crate::value::{Interval, Name};

/// Longest name of a bfd_instance, bytes.
const LONGEST_BFD_NAME: usize = 31;

/// The blocks without whose name keepalived stops reading; it passes over the others.
const STOPPING_WITHOUT_NAME: &[&str] =
    &["vrrp_script", "track_file", "vrrp_track_file", "vrrp_track_process", "virtual_server_group"];

/// The blocks that keepalived passes over where more than a name stands before the brace.
const PASSED_OVER_WITH_MORE: &[&str] = &["vrrp_instance", "vrrp_sync_group", "track_group"];

/// More processes cannot be needed than there may be; of the two lines the later one is wrong.
fn fit_quorum(process: &mut TrackProcess, places: &Places, context: &mut Context<'_>) {
    let [Some(needed), Some(most)] = ["quorum", "quorum_max"].map(|name| places.get(TRACK_PROCESS, name))
    else {
        return;
    };
    let (quorum, Some(quorum_max)) = (process.quorum, process.quorum_max) else { return };
    if quorum <= quorum_max {
        return;
    }
    let (earlier, later) = if places.is_before(needed, most) { (needed, most) } else { (most, needed) };
    if later == most {
        process.quorum_max = None;
    } else {
        process.quorum = TrackProcess::default().quorum;
    }
    let message = format!("quorum {quorum} is above quorum_max {quorum_max}; this line is ignored");
    context.push(Diagnostic::new(Code::SettingIgnored, later, message).label(earlier, "the other one"));
}

/// Tells the reader which lines begin blocks.
pub(crate) struct TableGrammar;

impl Grammar for TableGrammar {
    fn needs_block(&self, enclosing: Enclosing<'_>, line: Node<'_>) -> bool {
        let Some(keyword) = line.keyword().as_str() else { return false };
        let mut blocks = [""; super::DEEPEST_BLOCK];
        let Some(blocks) = blocks.get_mut(..enclosing.depth()) else { return false };
        for (name, node) in blocks.iter_mut().zip(enclosing.nodes()) {
            *name = node.keyword().as_str().unwrap_or_default();
        }
        super::begins_block(blocks, keyword)
    }
}

impl Drafts {
    /// Takes up one line or block of the file.
    pub(crate) fn take_up(&mut self, node: Node<'_>, context: &mut Context<'_>) {
        let Outcome::Elsewhere(entry) = apply(&mut self.global, &mut self.root_seen, ROOT, node, context)
        else {
            return;
        };
        match entry.name {
            "global_defs" => self.global(node, context),
            "vrrp_instance" => self.instance(node, context),
            "vrrp_sync_group" => self.group(node, context),
            "vrrp_script" => self.script(node, context),
            "vrrp_track_process" => self.track_process(node, context),
            "track_file" => self.track_file(node, context, TRACK_FILE),
            "vrrp_track_file" => self.track_file(node, context, VRRP_TRACK_FILE),
            "track_group" => self.track_group(node, context),
            "garp_group" => self.garp_group(node, context),
            "static_ipaddress" => {
                let mut line = Line::new(node, context);
                self.static_addresses.extend(addresses::read::read_lines(&mut line, true));
            }
            "static_routes" => {
                let mut line = Line::new(node, context);
                self.static_routes.extend(routes::read::read_lines(&mut line));
            }
            "static_rules" => {
                let mut line = Line::new(node, context);
                self.static_rules.extend(rules::read::read_lines(&mut line));
            }
            "bfd_instance" => self.bfd_instance(node, context),
            "virtual_server" => self.virtual_server(node, context),
            "virtual_server_group" => self.virtual_server_group(node, context),
            "SSL" => self.ssl(node, context),
            "interface_up_down_delays" => self.interface_delays(node, context),
            "linkbeat_interfaces" => self.linkbeat_interfaces(node, context),
            _ => {}
        }
    }

    fn global(&mut self, node: Node<'_>, context: &mut Context<'_>) {
        for child in node.children().into_iter().flatten() {
            apply(&mut self.global, &mut self.global_seen, GLOBAL, child, context);
        }
        let (vendor, administrator) = (&self.global.iproute_usr_dir, &self.global.iproute_etc_dir);
        context.known.name_folders =
            NameFolders { vendor: vendor.clone(), administrator: administrator.clone() };
    }

    fn instance(&mut self, node: Node<'_>, context: &mut Context<'_>) {
        let Some((name, span)) = name_of(node, context) else { return };
        if let Some(first) = context.known.instances.get(&name).copied() {
            return duplicate(node, "vrrp_instance", &name, span, first, context);
        }
        context.known.instances.insert(Name::clone(&name), span);
        context.scratch = Scratch::default();
        // Until the keyword is read; an instance without it does not become part of the model.
        let Some(placeholder) = Vrid::new(1) else { return };
        let mut instance = VrrpInstance::new(name, placeholder);
        instance.site = Site(span);
        let mut seen = Seen::default();
        for child in node.children().into_iter().flatten() {
            let Outcome::Elsewhere(entry) = apply(&mut instance, &mut seen, INSTANCE, child, context) else {
                continue;
            };
            match entry.name {
                "authentication" => {
                    let mut draft = context.scratch.authentication.take().unwrap_or_default();
                    draft.span = child.span();
                    fill::<AuthenticationDraft>(&mut draft, AUTHENTICATION, child, context);
                    context.scratch.authentication = Some(draft);
                }
                "auth_hmac" => {
                    let hmac = instance.auth_hmac.get_or_insert_default();
                    fill::<AuthHmac>(hmac, AUTH_HMAC, child, context);
                }
                _ => {}
            }
        }
        let scratch = std::mem::take(&mut context.scratch);
        let places = Places::of_block(INSTANCE, node);
        let draft = Draft { value: instance, seen, places, span };
        self.instances.push(InstanceDraft { draft, scratch });
    }

    fn group(&mut self, node: Node<'_>, context: &mut Context<'_>) {
        let Some((name, span)) = name_of(node, context) else { return };
        if let Some(first) = context.known.groups.get(&name).copied() {
            return duplicate(node, "vrrp_sync_group", &name, span, first, context);
        }
        context.known.groups.insert(Name::clone(&name), span);
        context.group_members.clear();
        let mut group = VrrpSyncGroup { name, site: Site(span), ..VrrpSyncGroup::default() };
        let seen = fill(&mut group, SYNC_GROUP, node, context);
        let member_spans = std::mem::take(&mut context.group_members);
        let places = Places::of_block(SYNC_GROUP, node);
        self.groups.push(GroupDraft { draft: Draft { value: group, seen, places, span }, member_spans });
    }

    fn script(&mut self, node: Node<'_>, context: &mut Context<'_>) {
        let Some((name, span)) = name_of(node, context) else { return };
        if let Some(first) = context.known.scripts.get(&name).map(|known| known.span) {
            return duplicate(node, "vrrp_script", &name, span, first, context);
        }
        let mut script = VrrpScript { name, site: Site(span), ..VrrpScript::default() };
        let seen = fill(&mut script, SCRIPT, node, context);
        if script.script.words.is_empty() {
            let message = format!("vrrp_script '{}' has no script; it is dropped", script.name);
            context.push(
                Diagnostic::new(Code::IncompleteBlock, span, message)
                    .expected("a line 'script \"…\"'")
                    .of_block(),
            );
            return;
        }
        if script.timeout.is_zero() {
            script.timeout = script.interval;
        }
        let definition = Definition { weight: script.weight, span };
        context.known.scripts.insert(Name::clone(&script.name), definition);
        let places = Places::of_block(SCRIPT, node);
        self.scripts.push(Draft { value: script, seen, places, span });
    }

    fn track_process(&mut self, node: Node<'_>, context: &mut Context<'_>) {
        let Some((name, span)) = name_of(node, context) else { return };
        let mut process = TrackProcess { name, site: Site(span), ..TrackProcess::default() };
        let seen = fill(&mut process, TRACK_PROCESS, node, context);
        if process.process.is_empty() {
            let message = format!("vrrp_track_process '{}' names no process; it is dropped", process.name);
            context.push(Diagnostic::new(Code::IncompleteBlock, span, message).of_block());
            return;
        }
        fit_quorum(&mut process, &Places::of_block(TRACK_PROCESS, node), context);
        let definition = Definition { weight: process.weight, span };
        context.known.processes.insert(Name::clone(&process.name), definition);
        self.track_processes.push(Draft { value: process, seen, places: Places::default(), span });
    }

    fn track_file(
        &mut self,
        node: Node<'_>,
        context: &mut Context<'_>,
        keywords: &'static Keywords<TrackFile>,
    ) {
        let Some((name, span)) = name_of(node, context) else { return };
        let mut file = TrackFile { name, site: Site(span), ..TrackFile::default() };
        let seen = fill(&mut file, keywords, node, context);
        if file.path.is_empty() {
            let message = format!("track_file '{}' names no file; it is dropped", file.name);
            context.push(Diagnostic::new(Code::IncompleteBlock, span, message).of_block());
            return;
        }
        let definition = Definition { weight: file.weight, span };
        context.known.files.insert(Name::clone(&file.name), definition);
        self.track_files.push(Draft { value: file, seen, places: Places::default(), span });
    }

    fn track_group(&mut self, node: Node<'_>, context: &mut Context<'_>) {
        let Some((name, span)) = name_of(node, context) else { return };
        if let Some(first) = context.known.track_groups.get(&name).copied() {
            return duplicate(node, "track_group", &name, span, first, context);
        }
        context.known.track_groups.insert(Name::clone(&name), span);
        let mut group = TrackGroup { name, site: Site(span), members: Vec::new() };
        fill(&mut group, TRACK_GROUP, node, context);
        self.track_groups.push(group);
    }

    fn garp_group(&mut self, node: Node<'_>, context: &mut Context<'_>) {
        let span = node.keyword().span();
        let mut group = GarpGroup { site: Site(span), ..GarpGroup::default() };
        fill(&mut group, GARP_GROUP, node, context);
        if group.garp_interval.is_none() && group.gna_interval.is_none() {
            let message = "garp_group without an interval does nothing; it is dropped";
            context.push(
                Diagnostic::new(Code::IncompleteBlock, span, message)
                    .expected("garp_interval or gna_interval")
                    .of_block(),
            );
            return;
        }
        self.garp_groups.push(group);
    }

    fn bfd_instance(&mut self, node: Node<'_>, context: &mut Context<'_>) {
        let Some((name, span)) = name_of(node, context) else { return };
        if let Some(first) = context.known.bfds.get(&name).map(|known| known.span) {
            return duplicate(node, "bfd_instance", &name, span, first, context);
        }
        if name.len() > LONGEST_BFD_NAME {
            let message = format!("the name of a bfd_instance has at most {LONGEST_BFD_NAME} characters");
            context.push(Diagnostic::new(Code::InvalidName, span, message));
            return unread(node, context);
        }
        let mut bfd = BfdInstance { name, site: Site(span), ..BfdInstance::default() };
        context.bfd_words = (false, false);
        let seen = fill(&mut bfd, BFD_INSTANCE, node, context);
        if bfd.neighbor.is_unspecified() {
            let message = format!("bfd_instance '{}' has no neighbor_ip; it is dropped", bfd.name);
            context.push(Diagnostic::new(Code::IncompleteBlock, span, message).of_block());
            return;
        }
        if bfd.source.is_some_and(|source| source.is_ipv4() != bfd.neighbor.is_ipv4()) {
            let message = format!("bfd_instance '{}': source_ip is of another family", bfd.name);
            context.push(Diagnostic::new(Code::FamilyMismatch, span, message));
            return;
        }
        if bfd.neighbor.is_ipv6()
            && !seen.has_name(BFD_INSTANCE, "ttl")
            && !seen.has_name(BFD_INSTANCE, "hoplimit")
        {
            bfd.ttl = 64;
        }
        if let Some(other) = self.bfd_instances.iter().find(|other| other.neighbor == bfd.neighbor) {
            let message =
                format!("bfd_instance '{}' has the neighbor_ip of '{}'; it is dropped", bfd.name, other.name);
            let diagnostic = Diagnostic::new(Code::GivenTwice, span, message);
            return context.push(diagnostic.label(other.site.0, "first here"));
        }
        let ttl = i16::from(bfd.ttl);
        if bfd.max_hops > ttl {
            bfd.max_hops = ttl;
            let message = format!("bfd_instance '{}': max_hops is lowered to the ttl, {ttl}", bfd.name);
            context.push(Diagnostic::new(Code::ValueReplaced, span, message).of_block());
        }
        context.known.bfds.insert(Name::clone(&bfd.name), Definition { weight: bfd.weight, span });
        self.bfd_instances.push(bfd);
    }

    fn interface_delays(&mut self, node: Node<'_>, context: &mut Context<'_>) {
        for child in node.children().into_iter().flatten() {
            let mut line = Line::new(child, context);
            let read = |line: &mut Line<'_, '_, '_>, place| {
                let argument = crate::table::Argument::decimal(0, 255_000_000);
                match line.value(argument, place) {
                    Some(crate::table::Value::Interval(interval)) => Some(interval),
                    _ => None,
                }
            };
            let Some(down) = read(&mut line, 0) else { continue };
            let up = if line.word(1).is_some() { read(&mut line, 1) } else { Some(down) };
            let delay = InterfaceDelay {
                interface: line.keyword.into(),
                site: line.site(),
                down,
                up: up.unwrap_or(Interval::ZERO),
            };
            self.interface_delays.retain(|other| other.interface != delay.interface);
            self.interface_delays.push(delay);
        }
    }

    fn linkbeat_interfaces(&mut self, node: Node<'_>, context: &mut Context<'_>) {
        for child in node.children().into_iter().flatten() {
            let line = Line::new(child, context);
            self.linkbeat_interfaces.push(LinkbeatInterface {
                interface: line.keyword.into(),
                site: line.site(),
                method: line.word(0).map(Name::from),
            });
        }
    }
}

/// All statements of a block, by its table.
pub(crate) fn fill<T>(
    target: &mut T,
    keywords: &'static Keywords<T>,
    node: Node<'_>,
    context: &mut Context<'_>,
) -> Seen {
    let mut seen = Seen::default();
    for child in node.children().into_iter().flatten() {
        apply(target, &mut seen, keywords, child, context);
    }
    seen
}

/// The name behind the keyword of a block.
pub(crate) fn name_of(node: Node<'_>, context: &mut Context<'_>) -> Option<(Name, Span)> {
    let mut line = Line::new(node, context);
    match line.word(0) {
        Some(_) if line.word(1).is_some() && PASSED_OVER_WITH_MORE.contains(&line.keyword) => {
            let message = format!("{} must have one name; the block is passed over", line.keyword);
            line.report(Code::IncompleteBlock, 1, message);
            unread(node, context);
            None
        }
        Some(name) => {
            line.no_more(1);
            Some((Name::from(name), line.span(0)))
        }
        None => {
            line.context.stopped |= STOPPING_WITHOUT_NAME.contains(&line.keyword);
            let message = format!("{} must have a name; the block is passed over", line.keyword);
            line.push(Diagnostic::new(Code::IncompleteBlock, node.span(), message));
            unread(node, context);
            None
        }
    }
}

pub(crate) fn duplicate(
    node: Node<'_>,
    kind: &str,
    name: &str,
    span: Span,
    first: Span,
    context: &mut Context<'_>,
) {
    let message = format!("{kind} '{name}' is defined already; the second one is passed over");
    let diagnostic = Diagnostic::new(Code::DuplicateName, span, message).label(first, "first defined here");
    // keepalived takes the first one too, but says nothing.
    context.push(match kind {
        "vrrp_script" | "virtual_server_group" => diagnostic.class(Class::Silent),
        _ => diagnostic,
    });
    unread(node, context);
}
