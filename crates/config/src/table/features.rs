//! What is read and checked but not carried out yet.

/// A part of keepalived that is accepted and not yet active; the one place where these are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// What virtual servers have beside checks over the network.
    LoadBalancer,
    /// Groups of instances that static addresses follow.
    TrackGroups,
    /// VMAC, ipvlan and VRF interfaces.
    VirtualInterfaces,
    /// nftables, iptables and ipsets.
    Firewall,
    /// SNMP.
    Snmp,
    /// D-Bus.
    Dbus,
    /// Link state by polling.
    Linkbeat,
    /// Pacing of gratuitous ARP by groups, and announcements on further interfaces.
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
    /// Switching on promote_secondaries of an interface.
    PromoteSecondaries,
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
        Self::LoadBalancer,
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
        Self::PromoteSecondaries,
        Self::LateTimers,
        Self::RandomSeed,
        Self::Extensions,
    ];

    /// Its name in a sentence.
    pub const fn title(self) -> &'static str {
        match self {
            Self::LoadBalancer => {
                "parts of load balancing (FILE_CHECK, BFD_CHECK, ha_suspend, SSL, a sync daemon that follows an instance, some regex_options)"
            }
            Self::TrackGroups => "track groups of static addresses",
            Self::VirtualInterfaces => "VMAC, ipvlan and VRF interfaces",
            Self::Firewall => "packet filters (nftables, iptables, ipsets)",
            Self::Snmp => "SNMP",
            Self::Dbus => "D-Bus",
            Self::Linkbeat => "polling of link state",
            Self::AnnouncePacing => "garp_group and garp_extra_if",
            Self::InterfaceDelays => "interface_up_down_delays",
            Self::ProcessTuning => {
                "name and scheduling of the bfd worker, names of all processes, automatic priorities, umask"
            }
            Self::SocketBuffers => "sizes of socket buffers",
            Self::BootDelay => "waiting after boot (vrrp_delay_after_boot)",
            Self::OldChecksum => "the unicast checksum of early versions (old_unicast_checksum)",
            Self::PromoteSecondaries => "setting promote_secondaries",
            Self::LateTimers => "giving up after a late timer (timer_expired_backup)",
            Self::RandomSeed => "random_seed",
            Self::Extensions => "settings that keepalived does not have",
        }
    }
}
