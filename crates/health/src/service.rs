//! One service: whether enough of its servers are alive.

use crate::config::{ServerId, ServiceConfig};

#[derive(Debug)]
pub(crate) struct Service {
    /// Without its servers, which stand in the machine.
    pub(crate) config: ServiceConfig,
    pub(crate) servers: Vec<ServerId>,
    /// Sum of the weights of servers that are alive.
    pub(crate) live: u64,
    pub(crate) quorum: bool,
    /// Whether its quorum has been judged once.
    pub(crate) started: bool,
    /// A predecessor has told of its quorum.
    pub(crate) resumed: bool,
    /// Its checks rest.
    pub(crate) suspended: bool,
    /// With which weight the sorry server was asked for, if it was.
    pub(crate) sorry_wanted: Option<u32>,
}

impl Service {
    pub(crate) fn new(config: ServiceConfig) -> Self {
        let suspended = config.ha_suspend;
        Self {
            config,
            servers: Vec::new(),
            live: 0,
            quorum: true,
            started: false,
            resumed: false,
            suspended,
            sorry_wanted: None,
        }
    }

    /// Whether it has its quorum, given what it had: hysteresis is a margin on both sides.
    pub(crate) fn has_quorum(&self) -> bool {
        let (quorum, hysteresis) = (u64::from(self.config.quorum), u64::from(self.config.hysteresis));
        if self.quorum {
            self.live > 0 && self.live >= quorum.saturating_sub(hysteresis)
        } else {
            self.live >= quorum + hysteresis
        }
    }

    /// Whether the sorry server serves in place of the others.
    pub(crate) fn displaced(&self) -> bool {
        !self.quorum && self.config.sorry.is_some()
    }

    /// With which weight the sorry server is wanted.
    pub(crate) fn sorry_entry(&self) -> Option<u32> {
        let sorry = self.config.sorry?;
        if self.quorum { sorry.inhibit.then_some(0) } else { Some(1) }
    }
}
