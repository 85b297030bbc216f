//! From a file to a model: the whole way in one call.

use std::path::Path;

use crate::diagnostic::Diagnostics;
use crate::diagnostic::code::Class;
use crate::diagnostic::span::SourceMap;
use crate::language::Drafts;
use crate::model::Model;
use crate::table::remembered::Known;
use crate::table::{Context, Feature};
use crate::text::source::Source;

pub use crate::machine::{
    AnyMachine, InterfaceFacts, InterfaceKind, KeyFileState, Machine, NameFolders, NameTable, NamedNumber,
    ScriptState,
};
pub use crate::options::{LoadOptions, Mode};

/// A configuration that was read.
#[derive(Debug)]
pub struct Loaded {
    /// What it means; complete as far as it could be understood.
    pub model: Model,
    /// Everything that is to be said about it.
    pub diagnostics: Diagnostics,
    /// The files, for showing diagnostics and sites.
    pub sources: SourceMap,
    /// What it asks for that is not active yet.
    pub features: Vec<Feature>,
    stopped: bool,
    unreadable: bool,
    unusable: bool,
}

impl Loaded {
    /// What `-t` exits with: keepalived's statuses (0, 2, 4, 5, 6).
    pub fn test_status(&self) -> u8 {
        if self.diagnostics.has_class(Class::IncludeFailed) {
            return 6;
        }
        if self.stopped {
            return 2;
        }
        if self.unreadable {
            return 4;
        }
        match self.diagnostics.worst_class() {
            None | Some(Class::Silent) => 0,
            Some(Class::Security) => 6,
            Some(Class::IncludeFailed | Class::FileNotFound | Class::Fatal) => 4,
            Some(_) => 5,
        }
    }

    /// Whether the daemon can run with it; otherwise the status to exit with at start.
    ///
    /// # Errors
    /// 6 when there is no readable file or an include that must find one does not, 2 when an instance cannot work as keepalived understands it.
    pub fn start_status(&self) -> Result<(), u8> {
        if self.unreadable || self.diagnostics.has_class(Class::IncludeFailed) {
            return Err(6);
        }
        if self.stopped || self.unusable {
            return Err(2);
        }
        Ok(())
    }
}

/// Reads a configuration, completes it and checks it.
pub fn load(source: &dyn Source, root: &Path, machine: &dyn Machine, options: &LoadOptions) -> Loaded {
    let mut diagnostics = Diagnostics::silencing(options.silenced.iter().copied());
    let reader_options = crate::text::reader::Options {
        check_includes: options.check_includes,
        max_lines: options.max_lines,
        ..Default::default()
    };
    let mut reader = crate::text::reader::Reader::new(
        source,
        root,
        reader_options,
        &crate::language::blocks::TableGrammar,
    );
    let mut drafts = Drafts::default();
    let mut known = Known::default();
    let mut features = std::collections::BTreeMap::new();
    let mut stopped = false;
    let mut preference = None;
    while let Some(block) = reader.next_block(&mut diagnostics) {
        let mut context = Context::new(options, machine, &mut diagnostics, &mut known, crate::language::home);
        context.features = std::mem::take(&mut features);
        context.next_preference = preference.unwrap_or(context.next_preference);
        if let Some(node) = block.root() {
            drafts.take_up(node, &mut context);
        }
        stopped |= context.stopped;
        preference = Some(context.next_preference);
        features = context.features;
        reader.recycle(block);
    }
    let mut context = Context::new(options, machine, &mut diagnostics, &mut known, crate::language::home);
    context.features = features;
    let unreadable = context.diagnostics.has_class(Class::FileNotFound);
    crate::language::tracking::read::report_undefined(&mut context);
    let (model, unusable) = crate::language::complete(drafts, &mut context);
    let unusable = unusable && !options.without_vrrp;
    crate::language::advise(&model, &mut context);
    let asked: Vec<Feature> = context.features.keys().copied().collect();
    context.report_features();
    diagnostics.sort();
    let mut sources = reader.into_sources();
    sources.hide(diagnostics.take_secrets());
    Loaded { model, diagnostics, sources, features: asked, stopped, unreadable, unusable }
}
