//! Capabilities (capabilities(7)).

use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::error::{Attempt, Capability, Result};

/// Keeps these of what the calling thread has.
pub(super) fn keep(wanted: &[Capability]) -> Result<()> {
    let wanted = wanted.iter().fold(CapabilitySet::empty(), |set, capability| set | of(*capability));
    let held = rustix::thread::capabilities(None).attempt("read capabilities")?.permitted;
    // The bounding set first: taking from it needs CAP_SETPCAP. Without that nothing can be gained either, because
    // no program is run.
    if held.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().difference(wanted).iter() {
            // EINVAL: this kernel has no such capability.
            let _ = rustix::thread::remove_capability_from_bounding_set(capability);
        }
    }
    let _ = rustix::thread::clear_ambient_capability_set();
    let kept = held & wanted;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).attempt("give up capabilities")
}

fn of(capability: Capability) -> CapabilitySet {
    match capability {
        Capability::NetRaw => CapabilitySet::NET_RAW,
        Capability::NetAdmin => CapabilitySet::NET_ADMIN,
        Capability::NetBindService => CapabilitySet::NET_BIND_SERVICE,
        Capability::SysNice => CapabilitySet::SYS_NICE,
        Capability::IpcLock => CapabilitySet::IPC_LOCK,
        Capability::SetUid => CapabilitySet::SETUID | CapabilitySet::SETGID,
        Capability::SysAdmin => CapabilitySet::SYS_ADMIN,
        Capability::SysResource => CapabilitySet::SYS_RESOURCE,
    }
}
