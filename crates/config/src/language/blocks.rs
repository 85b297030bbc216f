//! The blocks of the language, each to its draft.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use steadfast_wire::vrrp::Vrid;

use super::drafts::{Draft, Drafts, GroupDraft, InstanceDraft, Places};
use super::global::keywords::GLOBAL;
use super::instance::keywords::INSTANCE;
use super::root::{LINKBEAT_METHODS, OUTERMOST, ROOT};
use super::trackers::keywords::{SCRIPT, TRACK_PROCESS};
use super::tracking::keywords::{GARP_GROUP, SYNC_GROUP, TRACK_GROUP};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::machine::NameFolders;
use crate::model::{
    GarpGroup, InterfaceDelay, LinkbeatInterface, Site, TrackFile, TrackGroup, TrackProcess, VrrpInstance,
    VrrpScript, VrrpSyncGroup,
};
use crate::table::remembered::{Definition, Scratch};
use crate::table::{
    Argument, Context, Entry, Inside, Keywords, Line, List, Mark, Seen, Statement, apply, find, unknown,
};
use crate::text::reader::{Directive, Enclosing, Grammar};
use crate::text::tree::Node;
use crate::value::{Interval, Name};

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
        // Most lines begin no block in any block; where they stand need not be looked at.
        let may_begin = line.keyword().as_str().is_some_and(|keyword| BEGINNINGS.contains(keyword));
        may_begin && entry_of(enclosing, line).is_some_and(|entry| entry.argument.is_block())
    }

    fn directive(&self, enclosing: Enclosing<'_>, line: Node<'_>) -> Option<Directive> {
        let marks = entry_of(enclosing, line)?.marks;
        marks.iter().find_map(|mark| match mark {
            Mark::Directive(directive) => Some(*directive),
            _ => None,
        })
    }
}

/// The keywords that begin a block somewhere.
static BEGINNINGS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let blocks = super::rows().filter(|row| row.entry.argument.is_block());
    blocks.map(|row| row.entry.name).collect()
});

/// What the table says of a line in those blocks.
fn entry_of(enclosing: Enclosing<'_>, line: Node<'_>) -> Option<&'static Entry> {
    let mut lists: &[&dyn List] = OUTERMOST;
    for block in enclosing.nodes() {
        match find(lists, block.keyword().as_str()?)?.argument {
            Argument::Block(_, Inside::Keywords(inside)) => lists = inside,
            _ => return None,
        }
    }
    find(lists, line.keyword().as_str()?)
}

impl Drafts {
    /// Takes up one line or block of the file.
    pub(crate) fn take_up(&mut self, node: Node<'_>, context: &mut Context<'_>) {
        let mut seen = self.root_seen;
        apply(self, &mut seen, ROOT, node, context);
        self.root_seen = seen;
    }

    pub(crate) fn global(&mut self, line: Statement<'_, '_, '_, '_>) {
        let (node, context) = (line.node, &mut *line.context);
        for child in node.children().into_iter().flatten() {
            apply(&mut self.global, &mut self.global_seen, GLOBAL, child, context);
        }
        let (vendor, administrator) = (&self.global.iproute_usr_dir, &self.global.iproute_etc_dir);
        context.known.name_folders =
            NameFolders { vendor: vendor.clone(), administrator: administrator.clone() };
    }

    pub(crate) fn instance(&mut self, line: Statement<'_, '_, '_, '_>) {
        let Some((name, span)) = line.name_of_block() else { return };
        if let Some(first) = line.context.known.instances.get(&name).copied() {
            return line.pass_over_namesake(&name, span, first);
        }
        let (node, context) = (line.node, &mut *line.context);
        context.known.instances.insert(Name::clone(&name), span);
        context.scratch = Scratch::default();
        // Until the keyword is read; an instance without it does not become part of the model.
        let Some(placeholder) = Vrid::new(1) else { return };
        let mut instance = VrrpInstance::new(name, placeholder);
        instance.site = Site(span);
        let seen = fill(&mut instance, INSTANCE, node, context);
        let scratch = std::mem::take(&mut context.scratch);
        let places = Places::of_block(INSTANCE, node);
        let draft = Draft { value: instance, seen, places, span };
        self.instances.push(InstanceDraft { draft, scratch });
    }

    pub(crate) fn group(&mut self, line: Statement<'_, '_, '_, '_>) {
        let Some((name, span)) = line.name_of_block() else { return };
        if let Some(first) = line.context.known.groups.get(&name).copied() {
            return line.pass_over_namesake(&name, span, first);
        }
        let (node, context) = (line.node, &mut *line.context);
        context.known.groups.insert(Name::clone(&name), span);
        context.group_members.clear();
        let mut group = VrrpSyncGroup { name, site: Site(span), ..VrrpSyncGroup::default() };
        let seen = fill(&mut group, SYNC_GROUP, node, context);
        let member_spans = std::mem::take(&mut context.group_members);
        let places = Places::of_block(SYNC_GROUP, node);
        self.groups.push(GroupDraft { draft: Draft { value: group, seen, places, span }, member_spans });
    }

    pub(crate) fn script(&mut self, line: Statement<'_, '_, '_, '_>) {
        let Some((name, span)) = line.name_of_block() else { return };
        if let Some(first) = line.context.known.scripts.get(&name).map(|known| known.span) {
            return line.pass_over_namesake(&name, span, first);
        }
        let (node, context) = (line.node, &mut *line.context);
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
        let definition = Definition { weight: script.weight, span, followable: true };
        context.known.scripts.insert(Name::clone(&script.name), definition);
        let places = Places::of_block(SCRIPT, node);
        self.scripts.push(Draft { value: script, seen, places, span });
    }

    pub(crate) fn track_process(&mut self, line: Statement<'_, '_, '_, '_>) {
        let Some((name, span)) = line.name_of_block() else { return };
        let (node, context) = (line.node, &mut *line.context);
        let mut process = TrackProcess { name, site: Site(span), ..TrackProcess::default() };
        let seen = fill(&mut process, TRACK_PROCESS, node, context);
        if process.process.is_empty() {
            let message = format!("vrrp_track_process '{}' names no process; it is dropped", process.name);
            context.push(Diagnostic::new(Code::IncompleteBlock, span, message).of_block());
            return;
        }
        fit_quorum(&mut process, &Places::of_block(TRACK_PROCESS, node), context);
        let definition = Definition { weight: process.weight, span, followable: true };
        context.known.processes.insert(Name::clone(&process.name), definition);
        self.track_processes.push(Draft { value: process, seen, places: Places::default(), span });
    }

    pub(crate) fn track_file(
        &mut self,
        line: Statement<'_, '_, '_, '_>,
        keywords: &'static Keywords<TrackFile>,
    ) {
        let Some((name, span)) = line.name_of_block() else { return };
        let (node, context) = (line.node, &mut *line.context);
        let mut file = TrackFile { name, site: Site(span), ..TrackFile::default() };
        let seen = fill(&mut file, keywords, node, context);
        if file.path.is_empty() {
            let message = format!("track_file '{}' names no file; it is dropped", file.name);
            context.push(Diagnostic::new(Code::IncompleteBlock, span, message).of_block());
            return;
        }
        let definition = Definition { weight: file.weight, span, followable: true };
        context.known.files.insert(Name::clone(&file.name), definition);
        self.track_files.push(Draft { value: file, seen, places: Places::default(), span });
    }

    pub(crate) fn track_group(&mut self, line: Statement<'_, '_, '_, '_>) {
        let Some((name, span)) = line.name_of_block() else { return };
        if let Some(first) = line.context.known.track_groups.get(&name).copied() {
            return line.pass_over_namesake(&name, span, first);
        }
        let (node, context) = (line.node, &mut *line.context);
        context.known.track_groups.insert(Name::clone(&name), span);
        let mut group = TrackGroup { name, site: Site(span), members: Vec::new() };
        fill(&mut group, TRACK_GROUP, node, context);
        self.track_groups.push(group);
    }

    pub(crate) fn garp_group(&mut self, line: Statement<'_, '_, '_, '_>) {
        let (node, context) = (line.node, &mut *line.context);
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

    pub(crate) fn interface_delays(&mut self, line: Statement<'_, '_, '_, '_>) {
        let (node, context) = (line.node, &mut *line.context);
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

    pub(crate) fn linkbeat_interfaces(&mut self, line: Statement<'_, '_, '_, '_>) {
        let (node, context) = (line.node, &mut *line.context);
        for child in node.children().into_iter().flatten() {
            let mut line = Line::new(child, context);
            let (interface, site) = (line.keyword.into(), line.site());
            let mut method = None;
            if let Some(word) = line.word(0) {
                method = LINKBEAT_METHODS.iter().find(|(name, _)| *name == word).map(|(_, method)| *method);
                if method.is_none() {
                    let message = format!("linkbeat_interfaces: '{word}' is no way to ask for a link");
                    let diagnostic = Diagnostic::new(Code::UnknownOption, line.span(0), message);
                    line.push_suggesting(diagnostic, word, LINKBEAT_METHODS.iter().map(|(name, _)| *name));
                }
            }
            line.no_more(1);
            self.linkbeat_interfaces.push(LinkbeatInterface { interface, site, method });
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

/// The same, by several tables of one block.
pub(crate) fn fill_from<T>(
    target: &mut T,
    lists: &[&'static Keywords<T>],
    node: Node<'_>,
    context: &mut Context<'_>,
) {
    let mut seen = vec![Seen::default(); lists.len()];
    for child in node.children().into_iter().flatten() {
        let name = child.keyword().as_str().unwrap_or_default();
        match seen.iter_mut().zip(lists).find(|(_, list)| list.find(name).is_some()) {
            Some((seen, list)) => {
                apply(target, seen, list, child, context);
            }
            None => {
                let keywords = lists.iter().flat_map(|list| list.iter());
                unknown(child, keywords.map(|keyword| keyword.entry.name), context);
            }
        }
    }
}
