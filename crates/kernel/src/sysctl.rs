//! Settings of one interface below /proc/sys/net.

use std::fmt;

use crate::error::{Attempt, Capability, Result};

/// Address family of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// net.ipv4.
    Ipv4,
    /// net.ipv6.
    Ipv6,
}

/// A setting of one interface, such as `promote_secondaries` or `forwarding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceSetting<'a> {
    /// Which half of the tree.
    pub family: Family,
    /// Interface name, `all` or `default`.
    pub interface: &'a str,
    /// Name of the setting.
    pub name: &'a str,
}

impl InterfaceSetting<'_> {
    /// The setting as it is in the network namespace of the calling thread.
    ///
    /// # Errors
    /// ENOENT without the interface or the family.
    pub fn read(&self) -> Result<String> {
        let text = std::fs::read_to_string(self.path()).attempt(format!("read {self}"))?;
        Ok(text.trim_end().to_owned())
    }

    /// Changes it.
    ///
    /// # Errors
    /// EACCES or EROFS where the process may not (containers mount /proc/sys read-only).
    pub fn write(&self, value: &str) -> Result<()> {
        std::fs::write(self.path(), value)
            .attempt_with(Capability::NetAdmin, format!("set {self} to {value}"))
    }

    fn path(&self) -> String {
        let family = match self.family {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        };
        // /proc/sys/net shows the namespace of the thread that looks.
        format!("/proc/sys/net/{family}/conf/{}/{}", self.interface, self.name)
    }
}

impl fmt::Display for InterfaceSetting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::fresh_namespace::in_fresh_namespace;

    #[test]
    fn a_setting_is_changed_for_one_interface() {
        in_fresh_namespace("a_setting_is_changed_for_one_interface", || {
            let setting =
                InterfaceSetting { family: Family::Ipv4, interface: "lo", name: "promote_secondaries" };
            for value in ["1", "0"] {
                setting.write(value).unwrap();
                assert_eq!(setting.read().unwrap(), value);
            }
            let missing = InterfaceSetting { interface: "eth77", ..setting };
            assert_eq!(missing.read().unwrap_err().errno, crate::Errno::NOENT);
        });
    }
}
