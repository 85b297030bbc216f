//! The configuration in force.

use std::collections::BTreeSet;
use std::sync::Arc;

use steadfast_config::KnownErrors;
use steadfast_config::load::Loaded;
use steadfast_config::model::{Global, Model};
use steadfast_config::table::Feature;

use crate::options::Options;
use crate::served::Packed;

/// What is kept of a loaded configuration. The whole model is wanted only by dumps and comparisons,
/// and is a tenth of its size when packed.
pub(crate) struct Effective {
    pub(crate) global: Global,
    pub(crate) wants_vrrp: bool,
    pub(crate) wants_bfd: bool,
    pub(crate) wants_checkers: bool,
    pub(crate) packed: Packed,
    /// Names of the instances as configured.
    pub(crate) order: Vec<Arc<str>>,
    /// What it asks for that does nothing in this version.
    pub(crate) not_active: Vec<String>,
    /// Errors that it has all the same.
    pub(crate) errors: KnownErrors,
}

impl Effective {
    /// With the model, for what is to be made of it now; `before` is what it takes the place of.
    pub(crate) fn of(loaded: Loaded, options: &Options, before: Option<&Self>) -> (Self, Model) {
        let mut asked: BTreeSet<Feature> = loaded.features.iter().copied().collect();
        asked.extend(options.snmp.then_some(Feature::Snmp));
        let not_active = asked.into_iter().map(|feature| feature.title().to_owned()).collect();
        let errors = KnownErrors::of(&loaded);
        let mut model = loaded.model;
        let effective = Self {
            global: model.global.clone(),
            wants_vrrp: model.wants_vrrp(),
            wants_bfd: model.wants_bfd(),
            wants_checkers: model.wants_checkers(),
            packed: Packed::of(&mut model, before.map(|before| &before.packed)),
            order: model.instances.iter().map(|instance| Arc::clone(&instance.name)).collect(),
            not_active,
            errors,
        };
        (effective, model)
    }

    /// The whole model.
    pub(crate) fn model(&self) -> Model {
        self.packed.model()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use steadfast_config::{AnyMachine, Files, LoadOptions, load};

    use super::*;

    #[test]
    fn a_packed_model_is_the_model() {
        let everything = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tests/everything.conf");
        let loaded = load(&Files::default(), &everything, &AnyMachine, &LoadOptions::default());
        let (effective, model) = Effective::of(loaded, &Options::default(), None);
        assert!(!model.instances.is_empty() && !model.virtual_servers.is_empty());
        assert_eq!(effective.model(), model);
    }
}
