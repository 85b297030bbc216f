//! What an instance is configured to be, and the same without its secrets.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use steadfast_wire::vrrp::{Key, TrailerKey};

use crate::config::{Authentication, InstanceConfig, Trailer};
use crate::plan::Plan;

/// The configuration of a living instance. What is written of it has no secrets, and is ready before it is asked for.
#[derive(Debug)]
pub(crate) struct Configured {
    used: Arc<InstanceConfig>,
    /// What differs from it by secrets only; `None` where there are none.
    blank: Option<Arc<InstanceConfig>>,
}

impl Configured {
    pub(crate) fn new(config: Arc<InstanceConfig>) -> Self {
        Self { blank: config.blank().map(Arc::new), used: config }
    }

    /// Takes another one over; the one before comes back.
    pub(crate) fn replace(&mut self, config: Arc<InstanceConfig>) -> Arc<InstanceConfig> {
        std::mem::replace(self, Self::new(config)).used
    }
}

impl Deref for Configured {
    type Target = InstanceConfig;

    fn deref(&self) -> &InstanceConfig {
        &self.used
    }
}

impl Serialize for Configured {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.blank.as_ref().unwrap_or(&self.used).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Configured {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Arc::deserialize(deserializer).map(Self::new)
    }
}

impl InstanceConfig {
    /// The same with blank secrets, if it has any; see [`blank`](steadfast_wire::vrrp::blank).
    fn blank(&self) -> Option<Self> {
        let authentication = match &self.authentication {
            Authentication::None => return None,
            Authentication::Password(_) => Authentication::Password([0; 8]),
            Authentication::Header(_) => Authentication::Header(Key::blank()),
            Authentication::Trailer(trailer) => {
                let keys =
                    trailer.keys.iter().map(|key| TrailerKey { id: key.id, key: Key::blank() }).collect();
                Authentication::Trailer(Arc::new(Trailer { keys, ..(**trailer).clone() }))
            }
        };
        Some(Self { authentication, ..self.clone() })
    }
}

impl Plan {
    /// The same with blank secrets; see [`blank`](steadfast_wire::vrrp::blank).
    #[must_use]
    pub fn blank(&self) -> Self {
        let mut plan = self.clone();
        for config in plan.changed.iter_mut().chain(&mut plan.added) {
            if let Some(blank) = config.blank() {
                *config = Arc::new(blank);
            }
        }
        plan
    }
}
