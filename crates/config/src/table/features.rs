//! What is read and checked but not carried out yet.

/// A part of keepalived that is accepted and not yet active; the one place where these are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Options of patterns that the engine does not have.
    PatternOptions,
    /// Groups of instances that static addresses follow.
    TrackGroups,
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
    /// Pacing of gratuitous ARP by groups.
    AnnouncePacing,
    /// Debounce of link state.
    InterfaceDelays,
    /// Names and scheduling of processes other than the vrrp worker, raised priorities and the umask.
    ProcessTuning,
    /// Sizes of socket buffers.
    SocketBuffers,
    /// Waiting after the boot of the machine.
    BootDelay,
    /// The unicast checksum of keepalived's early versions.
    OldChecksum,
    /// Giving mastership up after a late timer.
    LateTimers,
    /// A fixed series of `_RANDOM`.
    RandomSeed,
    /// What the language has beyond keepalived's.
    Extensions,
}

impl Feature {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::PatternOptions,
        Self::TrackGroups,
        Self::VirtualInterfaces,
        Self::Firewall,
        Self::Snmp,
        Self::Dbus,
        Self::Linkbeat,
        Self::AnnouncePacing,
        Self::InterfaceDelays,
        Self::ProcessTuning,
        Self::SocketBuffers,
        Self::BootDelay,
        Self::OldChecksum,
        Self::LateTimers,
        Self::RandomSeed,
        Self::Extensions,
    ];

    /// Its name in a sentence.
    pub const fn title(self) -> &'static str {
        match self {
            Self::PatternOptions => "some regex_options",
            Self::TrackGroups => "track groups of static addresses",
            Self::VirtualInterfaces => "VRFs that instances without interface and routes name (vrf)",
            Self::Firewall => "iptables, ipsets, and marks by nftables for virtual servers",
            Self::Snmp => "SNMP",
            Self::Dbus => "D-Bus",
            Self::Linkbeat => "polling of link state",
            Self::AnnouncePacing => "pacing of announcements for several interfaces together (garp_group)",
            Self::InterfaceDelays => "interface_up_down_delays",
            Self::ProcessTuning => {
                "name and scheduling of the bfd worker, names of all processes, automatic priorities, umask"
            }
            Self::SocketBuffers => "sizes of socket buffers",
            Self::BootDelay => "waiting after boot (vrrp_delay_after_boot)",
            Self::OldChecksum => "the unicast checksum of early versions (old_unicast_checksum)",
            Self::LateTimers => "giving up after a late timer (timer_expired_backup)",
            Self::RandomSeed => "random_seed",
            Self::Extensions => "settings that keepalived does not have",
        }
    }
}
