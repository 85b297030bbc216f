//! What a reload changes for a vrrp worker. The supervisor works it out, the worker does it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use steadfast_vrrp::{InstanceId, InterfaceId, Plan};

use super::work::{FilterStyle, Install, LinkDelay, MadeLink, Pacing, Settings, Standing, Work};
use crate::link::lifecycle::Reloaded;

/// The way from one [`Work`] to another. Instances that are equal in both do not occur in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// For the VRRP machine.
    pub plan: Plan,
    /// For the BFD machine.
    pub sessions: steadfast_bfd::Plan,
    /// Instances that are new or have other addresses, ordered by instance.
    pub installs: Vec<Install>,
    /// All that exists whatever the state of any instance, if it is other than before.
    pub standing: Option<Standing>,
    /// Interfaces that are made.
    pub links: Vec<MadeLink>,
    /// How packet filters look.
    pub filters: FilterStyle,
    /// Spacing of announcements.
    pub pacing: Pacing,
    /// Interfaces whose changes are not believed at once.
    pub delays: Vec<LinkDelay>,
    /// Interfaces whose drivers are asked for their links.
    pub polled: Vec<InterfaceId>,
    /// How the worker runs.
    pub settings: Settings,
}

impl Change {
    /// What has to change to get from `old` to `new`.
    pub fn between(old: &Work, new: &Work) -> Self {
        // Whole, so that what a worker is given and what a reload brings cannot come apart.
        let Work { machine, sessions, installs, standing, links, filters, pacing, delays, polled, settings } =
            new;
        let differs = |install: &&Install| old.install(install.instance) != Some(*install);
        Self {
            plan: Plan::between(&old.machine, machine),
            sessions: steadfast_bfd::Plan::between(&old.sessions, sessions),
            installs: installs.iter().filter(differs).cloned().collect(),
            standing: (old.standing != *standing).then(|| standing.clone()),
            links: links.clone(),
            filters: filters.clone(),
            pacing: pacing.clone(),
            delays: delays.clone(),
            polled: polled.clone(),
            settings: settings.clone(),
        }
    }

    /// What was done when this is done.
    pub fn reloaded(&self) -> Reloaded {
        Reloaded {
            added: self.plan.added().count(),
            removed: self.plan.removed().len(),
            changed: self.plan.changed().count(),
        }
    }
}

impl Work {
    /// Changes what `change` changes.
    pub fn follow(&mut self, change: &Change) {
        self.machine.follow(&change.plan);
        self.sessions.follow(&change.sessions);
        let mut installs: BTreeMap<InstanceId, Install> =
            self.installs.drain(..).map(|install| (install.instance, install)).collect();
        change.plan.removed().iter().for_each(|id| drop(installs.remove(id)));
        installs.extend(change.installs.iter().map(|install| (install.instance, install.clone())));
        self.installs = installs.into_values().collect();
        if let Some(standing) = &change.standing {
            self.standing.clone_from(standing);
        }
        self.links.clone_from(&change.links);
        self.filters.clone_from(&change.filters);
        self.pacing.clone_from(&change.pacing);
        self.delays.clone_from(&change.delays);
        self.polled.clone_from(&change.polled);
        self.settings.clone_from(&change.settings);
    }
}
