//! Readers of track lists and of groups.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::diagnostic::suggest::MAX_CANDIDATES;
use crate::model::{GarpGroup, Site, TrackGroup, Tracked, VrrpSyncGroup, Weight};
use crate::table::notation::quote;
use crate::table::remembered::{Definition, Kind, Known, Undefined};
use crate::table::shown::block;
use crate::table::{Argument, Context, Line, Statement, Value};
use crate::value::Name;

impl Kind {
    fn title(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Script => "vrrp_script",
            Self::File => "track_file",
            Self::Process => "vrrp_track_process",
            Self::Bfd => "bfd_instance",
        }
    }

    fn definition(self, known: &Known, name: &str) -> Option<Weight> {
        match self.definitions(known) {
            None => Some(Weight::default()),
            Some(definitions) => {
                definitions.get(name).filter(|known| known.followable).map(|known| known.weight)
            }
        }
    }

    /// What is defined of this kind; interfaces are not.
    fn definitions(self, known: &Known) -> Option<&BTreeMap<Name, Definition>> {
        match self {
            Self::Interface => None,
            Self::Script => Some(&known.scripts),
            Self::File => Some(&known.files),
            Self::Process => Some(&known.processes),
            Self::Bfd => Some(&known.bfds),
        }
    }

    fn defined(self, known: &Known, name: &str) -> Option<Definition> {
        self.definitions(known)?.get(name).copied()
    }

    fn names(self, known: &Known) -> Vec<String> {
        let Some(names) = self.definitions(known) else { return Vec::new() };
        names.keys().take(MAX_CANDIDATES).map(ToString::to_string).collect()
    }

    /// Weights of 254 and more would do nothing that 253 does not; for a file it is a factor.
    fn is_reduced(self) -> bool {
        !matches!(self, Self::File | Self::Process)
    }
}

fn read_lines(list: &mut Vec<Tracked>, line: Statement<'_, '_, '_, '_>, kind: Kind) {
    for child in line.node.children().into_iter().flatten() {
        let mut line = Line::new(child, line.context);
        if let Some(tracked) = read_line(&mut line, kind) {
            match list.iter().find(|other| other.name == tracked.name) {
                Some(first) => {
                    let message = format!("{} '{}' is tracked already", kind.title(), tracked.name);
                    line.push(
                        Diagnostic::new(Code::TrackedTwice, child.keyword().span(), message)
                            .label(first.site.0, "first here"),
                    );
                }
                None => list.push(tracked),
            }
        }
    }
}

fn read_line(line: Statement<'_, '_, '_, '_>, kind: Kind) -> Option<Tracked> {
    let span = line.node.keyword().span();
    let name = line.keyword;
    let Some(mut weight) = kind.definition(line.context.known, name) else {
        if !line.context.diagnostics.is_full() {
            line.context.known.undefined.push(Undefined { kind, name: name.into(), span });
        }
        return None;
    };
    match line.word(0) {
        None => {}
        Some("weight") if line.word(1).is_none() => {
            line.missing("weight NUMBER");
            return None;
        }
        Some("weight") => weight = read_weight(line, 1, kind.is_reduced()).unwrap_or(weight),
        Some(word) => {
            let message = format!("track_{}: '{word}' is no option; the line is ignored", short(kind));
            let diagnostic = Diagnostic::new(Code::UnknownOption, line.span(0), message);
            line.push_suggesting(diagnostic, word, OPTIONS);
            return None;
        }
    }
    match line.word(2) {
        None => {}
        Some("reverse") => weight.reverse = true,
        Some("noreverse") if kind != Kind::Interface => weight.reverse = false,
        Some(word) => {
            let message = format!("track_{}: '{word}' is no option", short(kind));
            let diagnostic = Diagnostic::new(Code::UnknownOption, line.span(2), message);
            line.push_suggesting(diagnostic, word, OPTIONS);
        }
    }
    line.no_more(3);
    Some(Tracked { name: Name::from(name), site: Site(span), weight })
}

/// Whether the group is defined before the line that names it, which is said if it is not.
pub(crate) fn is_track_group(name: &str, line: Statement<'_, '_, '_, '_>) -> bool {
    let known = &line.context.known.track_groups;
    if known.contains_key(name) {
        return true;
    }
    let names: Vec<String> = known.keys().take(MAX_CANDIDATES).map(ToString::to_string).collect();
    let span = line.node.words().find(|word| word.as_str() == Some(name)).map(crate::text::tree::Word::span);
    let message = format!("track_group '{name}' is not defined before this line");
    let diagnostic = Diagnostic::new(Code::TrackedUnknown, span.unwrap_or(line.node.span()), message);
    line.push_suggesting(diagnostic, name, names.iter().map(String::as_str));
    false
}

/// `track_group NAME` in a route or rule.
pub(crate) fn read_track_group_of_line(group: &mut Option<Name>, line: Statement<'_, '_, '_, '_>) {
    let place = line.option;
    if !line.context.lines_are_static {
        line.option += 1;
        line.context.line_refused = true;
        return line.report(Code::UnknownOption, place, "only static routes and rules follow a track_group");
    }
    let Some(name) = line.option_value() else { return };
    if group.is_some() {
        line.context.line_refused = true;
        return line.report(Code::GivenTwice, place, "the line has a track_group already");
    }
    *group = Some(name.into());
}

/// Takes the track group of a route or rule away where it cannot be followed.
pub(crate) fn keep_track_group(
    group: &mut Option<Name>,
    has_interface: bool,
    line: Statement<'_, '_, '_, '_>,
) {
    let Some(name) = group.take() else { return };
    if !is_track_group(&name, line) {
        return;
    }
    if !has_interface {
        let place = line.words().iter().position(|word| *word == "track_group").unwrap_or(0);
        let message = "track_group needs the interface that the line depends on";
        return line.report(Code::SettingIgnored, place, message);
    }
    *group = Some(name);
}

/// Reports what is followed without being defined, when everything is known that could have been meant.
pub(crate) fn report_undefined(context: &mut Context<'_>) {
    for Undefined { kind, name, span } in std::mem::take(&mut context.known.undefined) {
        let title = kind.title();
        match kind.defined(context.known, &name) {
            Some(Definition { followable: false, span: place, .. }) => {
                let message = format!("{title} '{name}' reports to checkers only");
                let diagnostic = Diagnostic::new(Code::TrackedUnknown, span, message);
                context.push(
                    diagnostic.label(place, "this one").hint("write vrrp into it, or leave checker out"),
                );
            }
            Some(Definition { span: place, .. }) => {
                let message = format!("{title} '{name}' is defined only after this line");
                let diagnostic = Diagnostic::new(Code::TrackedUnknown, span, message);
                context.push(
                    diagnostic
                        .label(place, "too late here")
                        .hint("move the definition before the place where it is used"),
                );
            }
            None => {
                let names = kind.names(context.known);
                let message = format!("{title} '{name}' is not defined");
                let diagnostic = Diagnostic::new(Code::TrackedUnknown, span, message);
                context.push_suggesting(diagnostic, &name, names.iter().map(String::as_str));
            }
        }
    }
}

const OPTIONS: [&str; 3] = ["weight", "reverse", "noreverse"];

fn short(kind: Kind) -> &'static str {
    match kind {
        Kind::Interface => "interface",
        Kind::Script => "script",
        Kind::File => "file",
        Kind::Process => "process",
        Kind::Bfd => "bfd",
    }
}

/// The number behind `weight`; 254 either way becomes 253 where that means the same.
pub(crate) fn read_weight(line: Statement<'_, '_, '_, '_>, place: usize, reduced: bool) -> Option<Weight> {
    let number = line.integer(place, -254, 254)?;
    let mut value = i16::try_from(number).unwrap_or_default();
    if reduced && value.abs() > Weight::LARGEST {
        value = value.clamp(-Weight::LARGEST, Weight::LARGEST);
        line.report(Code::WeightReduced, place, format!("weight {number} is reduced to {value}"));
    }
    Some(Weight { value, reverse: false })
}

macro_rules! readers {
    ($($name:ident $kind:ident;)*) => {
        $(pub(crate) fn $name(list: &mut Vec<Tracked>, line: Statement<'_, '_, '_, '_>) {
            read_lines(list, line, Kind::$kind);
        })*

        /// The same for sync groups.
        pub(crate) mod group {
            use super::{Line, VrrpSyncGroup};
            $(pub(crate) fn $name(group: &mut VrrpSyncGroup, line: &mut Line<'_, '_, '_>) {
                super::$name(super::list_of(group, super::Kind::$kind), line);
            })*
        }
    };
}

readers! {
    read_track_interface Interface;
    read_track_script Script;
    read_track_file File;
    read_track_process Process;
    read_track_bfd Bfd;
}

fn list_of(group: &mut VrrpSyncGroup, kind: Kind) -> &mut Vec<Tracked> {
    match kind {
        Kind::Interface => &mut group.tracks.interfaces,
        Kind::Script => &mut group.tracks.scripts,
        Kind::File => &mut group.tracks.files,
        Kind::Process => &mut group.tracks.processes,
        Kind::Bfd => &mut group.tracks.bfds,
    }
}

pub(crate) fn show_tracked(list: &[Tracked]) -> Vec<String> {
    let words = |tracked: &Tracked| {
        let reverse = if tracked.weight.reverse { " reverse" } else { "" };
        format!("{} weight {}{reverse}", quote(&tracked.name), tracked.weight.value)
    };
    block(list.iter().map(words))
}

fn names(line: Statement<'_, '_, '_, '_>) -> Vec<(Name, crate::diagnostic::span::Span)> {
    let children = line.node.children().into_iter().flatten();
    children
        .flat_map(|child| child.words())
        .filter_map(|word| word.as_str().map(|text| (Name::from(text), word.span())))
        .collect()
}

pub(crate) fn read_members(group: &mut VrrpSyncGroup, line: Statement<'_, '_, '_, '_>) {
    let names = names(line);
    line.context.group_members.extend(names.iter().map(|(_, span)| *span));
    group.members.extend(names.into_iter().map(|(name, _)| name));
}

pub(crate) fn show_members(group: &VrrpSyncGroup) -> Vec<String> {
    block(group.members.iter().map(|name| quote(name)))
}

pub(crate) fn read_track_group(group: &mut TrackGroup, line: Statement<'_, '_, '_, '_>) {
    line.warn_of_emptiness();
    group.members.extend(names(line).into_iter().map(|(name, _)| name));
}

pub(crate) fn show_track_group(group: &TrackGroup) -> Vec<String> {
    block(group.members.iter().map(|name| quote(name)))
}

pub(crate) fn read_garp_interface(group: &mut GarpGroup, line: Statement<'_, '_, '_, '_>) {
    if let Some(Value::Text(name)) = line.value(Argument::Interface, 0) {
        add_garp_interface(group, name.into(), line.span(0), line);
    }
}

/// An interface is in one group at most; keepalived warns of one that does not exist and goes on.
fn add_garp_interface(
    group: &mut GarpGroup,
    name: Name,
    span: crate::diagnostic::span::Span,
    line: Statement<'_, '_, '_, '_>,
) {
    crate::language::interfaces::missing_in_list(&name, span, "garp_group", line.context);
    match line.context.known.garp_interfaces.get(&name).copied() {
        Some(first) => {
            let message = format!("interface '{name}' is in a garp_group already");
            line.push(
                Diagnostic::new(Code::MemberTwice, span, message).label(first, "first here").of_block(),
            );
        }
        None => {
            line.context.known.garp_interfaces.insert(Name::clone(&name), span);
            group.interfaces.push(name);
        }
    }
}

pub(crate) fn show_nothing_of_garp_group(_: &GarpGroup) -> Vec<String> {
    Vec::new()
}

pub(crate) fn read_garp_interfaces(group: &mut GarpGroup, line: Statement<'_, '_, '_, '_>) {
    line.warn_of_emptiness();
    for (name, span) in names(line) {
        add_garp_interface(group, name, span, line);
    }
}

pub(crate) fn show_garp_interfaces(group: &GarpGroup) -> Vec<String> {
    block(group.interfaces.iter().map(|name| quote(name)))
}
