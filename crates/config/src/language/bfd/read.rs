//! Readers of `bfd_instance`.

use super::check;
use super::keywords::BFD_INSTANCE;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::language::Drafts;
use crate::language::blocks::fill;
use crate::language::instance::authentication::key_is_sound;
use crate::language::trackers::read::{show_words, weight};
use crate::model::{BfdAuthentication, BfdInstance, BfdMethod, BfdReports, Site};
use crate::table::notation::quote;
use crate::table::remembered::Definition;
use crate::table::{Argument, Statement, Value, unread};
use crate::value::Name;

/// Longest name of a bfd_instance, bytes.
const LONGEST_BFD_NAME: usize = 31;

impl Drafts {
    pub(crate) fn bfd_instance(&mut self, line: Statement<'_, '_, '_, '_>) {
        let Some((name, span)) = line.name_of_block() else { return };
        if let Some(first) = line.context.known.bfds.get(&name).map(|known| known.span) {
            return line.pass_over_namesake(&name, span, first);
        }
        let (node, context) = (line.node, &mut *line.context);
        if name.len() > LONGEST_BFD_NAME {
            let message = format!("the name of a bfd_instance has at most {LONGEST_BFD_NAME} characters");
            context.push(Diagnostic::new(Code::InvalidName, span, message));
            return unread(node, context);
        }
        let mut bfd = BfdInstance { name, site: Site(span), ..BfdInstance::default() };
        context.bfd_words = (false, false);
        let seen = fill(&mut bfd, BFD_INSTANCE, node, context);
        if !check::complete(&mut bfd, &seen, &self.bfd_instances, context) {
            return;
        }
        let followable = bfd.reports != BfdReports::Checker;
        let definition = Definition { weight: bfd.weight, span, followable };
        context.known.bfds.insert(Name::clone(&bfd.name), definition);
        self.bfd_instances.push(bfd);
    }
}

pub(crate) fn read_weight(bfd: &mut BfdInstance, line: Statement<'_, '_, '_, '_>) {
    bfd.weight = weight(line, true).unwrap_or(bfd.weight);
}

pub(crate) fn show_weight(bfd: &BfdInstance) -> Vec<String> {
    show_words(bfd.weight)
}

/// Either word alone leaves the other out; both together are the default.
pub(crate) fn read_vrrp(bfd: &mut BfdInstance, line: Statement<'_, '_, '_, '_>) {
    line.context.bfd_words.0 = true;
    bfd.reports = if line.context.bfd_words.1 { BfdReports::Both } else { BfdReports::Vrrp };
}

pub(crate) fn show_vrrp(bfd: &BfdInstance) -> Vec<String> {
    if bfd.reports == BfdReports::Vrrp { vec![String::new()] } else { Vec::new() }
}

pub(crate) fn read_checker(bfd: &mut BfdInstance, line: Statement<'_, '_, '_, '_>) {
    line.context.bfd_words.1 = true;
    bfd.reports = if line.context.bfd_words.0 { BfdReports::Both } else { BfdReports::Checker };
}

pub(crate) fn show_checker(bfd: &BfdInstance) -> Vec<String> {
    if bfd.reports == BfdReports::Checker { vec![String::new()] } else { Vec::new() }
}

/// As written, and what each is.
const METHODS: [(&str, BfdMethod); 5] = [
    ("password", BfdMethod::Password),
    ("keyed_md5", BfdMethod::KeyedMd5),
    ("meticulous_keyed_md5", BfdMethod::MeticulousKeyedMd5),
    ("keyed_sha1", BfdMethod::KeyedSha1),
    ("meticulous_keyed_sha1", BfdMethod::MeticulousKeyedSha1),
];

pub(crate) fn read_authentication(bfd: &mut BfdInstance, line: Statement<'_, '_, '_, '_>) {
    const NAMES: &[&str] = &[METHODS[0].0, METHODS[1].0, METHODS[2].0, METHODS[3].0, METHODS[4].0];
    let Some(Value::Text(word)) = line.value(Argument::Choice(NAMES), 0) else { return };
    let Some((_, method)) = METHODS.into_iter().find(|(name, _)| *name == word) else { return };
    let (true, Some(value)) = (line.word(1).is_some(), line.word(2)) else {
        return line.missing("METHOD ID VALUE");
    };
    let Some(id) = line.unsigned(1, 0, 255).and_then(|id| u8::try_from(id).ok()) else { return };
    let longest = method.algorithm().secret_length_max();
    // A session without it would believe everybody.
    key_is_sound(id, value, (2, 1..=longest), ", so that the session stays down", line);
    bfd.authentication = Some(BfdAuthentication { method, id, value: value.into() });
}

pub(crate) fn show_authentication(bfd: &BfdInstance) -> Vec<String> {
    let Some(BfdAuthentication { method, id, value }) = &bfd.authentication else { return Vec::new() };
    let name = METHODS.iter().find(|(_, known)| known == method).map_or("", |(name, _)| name);
    vec![format!("{name} {id} {}", quote(value))]
}
