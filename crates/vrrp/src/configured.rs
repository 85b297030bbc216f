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
    /// The same one where there is no secret.
    blank: Arc<InstanceConfig>,
}

impl Configured {
    pub(crate) fn new(config: Arc<InstanceConfig>) -> Self {
        Self { blank: config.blank(), used: config }
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
        self.blank.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Configured {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Arc::deserialize(deserializer).map(Self::new)
    }
}

impl InstanceConfig {
    /// The same with blank secrets; see [`blank`](steadfast_wire::vrrp::blank).
    fn blank(self: &Arc<Self>) -> Arc<Self> {
        let authentication = match &self.authentication {
            Authentication::None => return Arc::clone(self),
            Authentication::Password(_) => Authentication::Password([0; 8]),
            Authentication::Header(_) => Authentication::Header(Key::blank()),
            Authentication::Trailer(trailer) => {
                let keys =
                    trailer.keys.iter().map(|key| TrailerKey { id: key.id, key: Key::blank() }).collect();
                Authentication::Trailer(Arc::new(Trailer { keys, ..(**trailer).clone() }))
            }
        };
        Arc::new(Self { authentication, ..(**self).clone() })
    }
}

impl Plan {
    /// The same with blank secrets; see [`blank`](steadfast_wire::vrrp::blank).
    #[must_use]
    pub fn blank(&self) -> Self {
        let blank =
            |configs: &[Arc<InstanceConfig>]| configs.iter().map(InstanceConfig::blank).collect::<Vec<_>>();
        Self { changed: blank(&self.changed), added: blank(&self.added), ..self.clone() }
    }
}
