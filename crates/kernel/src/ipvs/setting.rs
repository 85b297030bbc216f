//! Settings of the load balancer below /proc/sys/net/ipv4/vs, of the network namespace of the calling thread.

use std::fmt;

use crate::error::{Attempt, Capability, Result};

/// A setting that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// A connection whose server is gone ends with its next packet, which goes to another server.
    ExpireWithoutServer,
    /// Persistence ends whose server has weight 0 or is gone.
    ExpireQuiescentTemplate,
}

impl Setting {
    /// As the kernel calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExpireWithoutServer => "expire_nodest_conn",
            Self::ExpireQuiescentTemplate => "expire_quiescent_template",
        }
    }

    /// Whether it is on.
    ///
    /// # Errors
    /// ENOENT without IPVS.
    pub fn is_on(self) -> Result<bool> {
        let text = std::fs::read_to_string(self.path()).attempt(format!("read {self}"))?;
        Ok(text.trim() != "0")
    }

    /// Switches it on.
    ///
    /// # Errors
    /// ENOENT without IPVS; EACCES or EROFS where the process may not.
    pub fn switch_on(self) -> Result<()> {
        std::fs::write(self.path(), "1").attempt_with(Capability::NetAdmin, format!("set {self} to 1"))
    }

    fn path(self) -> String {
        format!("/proc/sys/net/ipv4/vs/{}", self.name())
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net.ipv4.vs.{}", self.name())
    }
}
