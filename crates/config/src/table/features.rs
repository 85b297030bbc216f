//! What is read and checked but not carried out yet.

/// A part of keepalived that is accepted and not yet active; the one place where these are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Options of patterns that the engine does not have.
    PatternOptions,
    /// VRFs that instances without interface and routes name.
    VirtualInterfaces,
    /// iptables and ipsets, and marks for virtual servers by nftables.
    Firewall,
    /// SNMP.
    Snmp,
    /// D-Bus.
    Dbus,
    /// Link state by polling.
    Linkbeat,
    /// Sizes of the check worker's netlink buffers.
    SocketBuffers,
    /// What the language has beyond keepalived's.
    Extensions,
}

impl Feature {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::PatternOptions,
        Self::VirtualInterfaces,
        Self::Firewall,
        Self::Snmp,
        Self::Dbus,
        Self::Linkbeat,
        Self::SocketBuffers,
        Self::Extensions,
    ];

    /// Its name in a sentence.
    pub const fn title(self) -> &'static str {
        match self {
            Self::PatternOptions => "some regex_options",
            Self::VirtualInterfaces => "VRFs that instances without interface and routes name (vrf)",
            Self::Firewall => "iptables, ipsets, and marks by nftables for virtual servers",
            Self::Snmp => "SNMP",
            Self::Dbus => "D-Bus",
            Self::Linkbeat => "polling of link state",
            Self::SocketBuffers => "sizes of the netlink buffers of the check worker",
            Self::Extensions => "settings that keepalived does not have",
        }
    }
}
