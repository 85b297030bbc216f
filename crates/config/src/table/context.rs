//! What reading a statement needs besides the statement.

use std::collections::BTreeMap;

use steadfast_wire::vrrp::Family;

use super::Feature;
use super::remembered::{Known, Scratch, ServerScratch};
use crate::diagnostic::code::Code;
use crate::diagnostic::span::Span;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::machine::Machine;
use crate::options::LoadOptions;

/// What reading a statement needs besides the statement.
pub(crate) struct Context<'a> {
    pub(crate) options: &'a LoadOptions,
    pub(crate) machine: &'a dyn Machine,
    /// Where a word belongs, in words.
    pub(crate) home: fn(&str) -> Option<String>,
    pub(crate) diagnostics: &'a mut Diagnostics,
    /// Where each feature that is not active was asked for first.
    pub(crate) features: BTreeMap<Feature, Span>,
    /// The one asked for last: most lines of a large file ask for the same.
    last_feature: Option<Feature>,
    /// keepalived would have stopped reading here.
    pub(crate) stopped: bool,
    /// What is defined so far and can be followed.
    pub(crate) known: &'a mut Known,
    /// What the block under reading remembers besides its fields.
    pub(crate) scratch: Scratch,
    /// Where the members of the group under reading stand.
    pub(crate) group_members: Vec<Span>,
    /// The routes or rules under reading are static ones.
    pub(crate) lines_are_static: bool,
    /// An option made the address, route or rule under reading void.
    pub(crate) line_refused: bool,
    /// `vrrp` and `checker` stand in the bfd_instance under reading.
    pub(crate) bfd_words: (bool, bool),
    /// What the virtual server under reading remembers.
    pub(crate) server: ServerScratch,
    /// `weight` stands in the FILE_CHECK under reading.
    pub(crate) file_weight_given: bool,
    /// Address family that a word of the route or rule under reading has settled.
    pub(crate) line_family: Option<Family>,
    /// Next preference of a rule without one, by family.
    pub(crate) next_preference: (u32, u32),
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        options: &'a LoadOptions,
        machine: &'a dyn Machine,
        diagnostics: &'a mut Diagnostics,
        known: &'a mut Known,
        home: fn(&str) -> Option<String>,
    ) -> Self {
        Self {
            options,
            machine,
            home,
            diagnostics,
            features: BTreeMap::new(),
            last_feature: None,
            stopped: false,
            known,
            scratch: Scratch::default(),
            group_members: Vec::new(),
            lines_are_static: false,
            line_refused: false,
            bfd_words: (false, false),
            server: ServerScratch::default(),
            file_weight_given: false,
            line_family: None,
            next_preference: (16_384, 16_384),
        }
    }

    /// Takes up a problem.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Takes up a problem with the marked word, and which of the candidates may have been meant.
    pub(crate) fn push_suggesting<'c>(
        &mut self,
        diagnostic: Diagnostic,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) {
        self.diagnostics.push_suggesting(diagnostic, word, candidates);
    }

    /// Remembers that a feature was asked for, and where, if it is the first time.
    pub(crate) fn uses(&mut self, feature: Feature, place: impl FnOnce() -> Span) {
        if self.last_feature != Some(feature) {
            self.last_feature = Some(feature);
            self.features.entry(feature).or_insert_with(place);
        }
    }

    /// One note for each feature that was asked for and is not active.
    pub(crate) fn report_features(&mut self) {
        for (feature, span) in std::mem::take(&mut self.features) {
            let message = format!("{}: accepted, not yet active", feature.title());
            self.push(
                Diagnostic::new(Code::NotYetActive, span, message)
                    .note("the configuration is read and checked, but nothing is done about it"),
            );
        }
    }
}
