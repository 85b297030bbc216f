//! What is read and checked but not carried out yet.

/// A part of keepalived that is accepted and not yet active; the one place where these are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// iptables and ipsets.
    Firewall,
    /// SNMP.
    Snmp,
    /// D-Bus.
    Dbus,
}

impl Feature {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Firewall, Self::Snmp, Self::Dbus];

    /// Its name in a sentence.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Firewall => "iptables and ipsets",
            Self::Snmp => "SNMP",
            Self::Dbus => "D-Bus",
        }
    }
}
