//! Readers of `bfd_instance`.

use super::check;
use super::keywords::BFD_INSTANCE;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::language::Drafts;
use crate::language::blocks::fill;
use crate::language::trackers::read::{show_words, weight};
use crate::model::{BfdInstance, BfdReports, Site};
use crate::table::remembered::Definition;
use crate::table::{Statement, unread};
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
