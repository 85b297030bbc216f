//! What the supervisor knows of the worker's instances and groups, from the events it was told.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use steadfast_control::event::{Happening, Severity};
use steadfast_vrrp::status::Resume;
use steadfast_vrrp::{Event, GroupId, InstanceId, InterfaceId, State};

use crate::link::lifecycle::Trouble;
use crate::link::vrrp::Notice;
use crate::link::vrrp::work::Work;

/// Names and last states.
#[derive(Debug, Default)]
pub(crate) struct Known {
    instances: BTreeMap<InstanceId, Arc<str>>,
    groups: BTreeMap<GroupId, (Arc<str>, State)>,
    interfaces: BTreeMap<InterfaceId, Arc<str>>,
    /// What a successor of the worker needs, and what is told while none answers. Boxed: nodes of a map are half empty.
    resume: BTreeMap<InstanceId, Box<Resume>>,
}

impl Known {
    /// Takes over the names of a configuration. Those of removed instances stay until
    /// [`Self::forget`], since they still have something to tell.
    pub(crate) fn configure(&mut self, work: &Work) {
        for instance in &work.machine.instances {
            self.instances.insert(instance.id, Arc::clone(&instance.name));
        }
        self.interfaces = work.machine.interfaces.iter().map(|i| (i.id, Arc::clone(&i.name))).collect();
        let states = std::mem::take(&mut self.groups);
        for group in &work.machine.groups {
            let state = states.get(&group.id).map_or(State::Init, |(_, state)| *state);
            self.groups.insert(group.id, (Arc::clone(&group.name), state));
        }
    }

    /// An instance that a reload removed has nothing more to tell.
    pub(crate) fn forget(&mut self, instance: InstanceId) {
        self.instances.remove(&instance);
        self.resume.remove(&instance);
    }

    /// What a successor of the worker needs.
    pub(crate) fn into_resume(self) -> Vec<Resume> {
        self.resume.into_values().map(|state| *state).collect()
    }

    /// Keeps what a successor needs.
    pub(crate) fn keep(&mut self, resume: Resume) {
        self.resume.insert(resume.instance, Box::new(resume));
    }

    /// Whether an instance said that it held its addresses, and nothing else since.
    pub(crate) fn held_addresses(&self, instance: InstanceId) -> bool {
        let state = self.resume.get(&instance).map(|resume| resume.state);
        matches!(state, Some(State::Master | State::Stop))
    }

    /// What was last known of an instance.
    pub(crate) fn last(&self, instance: InstanceId) -> Option<&Resume> {
        self.resume.get(&instance).map(AsRef::as_ref)
    }

    /// Last known state of a group.
    pub(crate) fn group_state(&self, group: GroupId) -> State {
        self.groups.get(&group).map_or(State::Init, |(_, state)| *state)
    }

    /// Last known state and priority of an instance.
    pub(crate) fn standing(&self, instance: InstanceId) -> Option<(State, u8)> {
        self.last(instance).map(|last| (last.state, last.priority.get()))
    }

    /// Name of a group.
    pub(crate) fn group(&self, group: GroupId) -> Option<Arc<str>> {
        self.groups.get(&group).map(|(name, _)| Arc::clone(name))
    }

    /// Name of an instance.
    pub(crate) fn instance(&self, instance: InstanceId) -> Arc<str> {
        self.instances.get(&instance).cloned().unwrap_or_else(|| "?".into())
    }

    /// Name of an interface.
    pub(crate) fn interface(&self, interface: InterfaceId) -> Option<Arc<str>> {
        self.interfaces.get(&interface).cloned()
    }

    /// Takes note of an event and says it in names.
    pub(crate) fn told(&mut self, event: &Event) -> Happening {
        match event {
            Event::InstanceState { instance, from, to, priority, causes, .. } => Happening::InstanceState {
                instance: self.instance(*instance),
                from: *from,
                to: *to,
                priority: priority.get(),
                causes: causes.clone(),
            },
            Event::GroupState { group, to, causes, .. } => {
                let known = self.groups.entry(*group).or_insert_with(|| ("?".into(), *to));
                known.1 = *to;
                Happening::GroupState { group: Arc::clone(&known.0), to: *to, causes: causes.clone() }
            }
            Event::PriorityChanged { instance, from, to, causes, .. } => Happening::PriorityChanged {
                instance: self.instance(*instance),
                from: from.get(),
                to: to.get(),
                causes: causes.clone(),
            },
            Event::MasterChanged { instance, master, priority, .. } => Happening::MasterChanged {
                instance: self.instance(*instance),
                master: *master,
                priority: priority.get(),
            },
            Event::HandedOver { instance, to, after_ms, .. } => Happening::HandedOver {
                instance: self.instance(*instance),
                to: to.map(|(master, _)| master),
                priority: to.map(|(_, priority)| priority.get()),
                milliseconds: *after_ms,
            },
            Event::LowerPriorityHeard { instance, master, priority, .. } => Happening::LowerPriorityHeard {
                instance: self.instance(*instance),
                master: *master,
                priority: priority.get(),
            },
            Event::TwoMasters { instance, other, priority, dropped, .. } => Happening::TwoMasters {
                instance: self.instance(*instance),
                other: *other,
                priority: priority.map(|priority| priority.get()),
                dropped: dropped.map(|reason| reason.to_string()),
            },
            Event::OneMaster { instance, at, other, adverts, since } => Happening::OneMaster {
                instance: self.instance(*instance),
                other: *other,
                adverts: *adverts,
                milliseconds: u64::try_from(at.since(*since).as_millis()).unwrap_or(u64::MAX),
            },
            Event::Disagreement { instance, source, difference, .. } => Happening::Disagreement {
                instance: self.instance(*instance),
                source: *source,
                reason: difference.to_string(),
            },
            Event::Dropped { instance, source, reason, .. } => Happening::Dropped {
                instance: self.instance(*instance),
                source: *source,
                reason: reason.to_string(),
            },
        }
    }

    /// Says a notice in names.
    pub(crate) fn noticed(&self, notice: Notice) -> (Severity, Happening) {
        let kernel = |interface: Option<Arc<str>>, address, detail: String| Happening::Kernel {
            interface,
            address,
            detail,
        };
        match notice {
            Notice::InterfaceMissing { interface } => (
                Severity::Warning,
                kernel(
                    self.interface(interface),
                    None,
                    "does not exist; instances that need it wait in FAULT".to_owned(),
                ),
            ),
            Notice::Socket { interface, reason } => {
                (Severity::Error, kernel(self.interface(interface), None, reason))
            }
            Notice::AddressRestored { interface, address } => (
                Severity::Warning,
                kernel(
                    self.interface(interface),
                    Some(address),
                    format!("somebody removed {address}; put back"),
                ),
            ),
            Notice::WayRestored { what } => {
                (Severity::Warning, kernel(None, None, format!("somebody removed the {what}; put back")))
            }
            Notice::Way { reason } => (Severity::Error, kernel(None, None, reason)),
            Notice::Address { interface, address, reason } => (
                Severity::Error,
                kernel(self.interface(interface), Some(address), format!("{address}: {reason}")),
            ),
            Notice::LeftoversRemoved { addresses, count } => {
                let which = self.listed(&addresses, count);
                let address = only(&addresses, count);
                let detail = format!("removed {which}, which an earlier run left behind");
                (Severity::Warning, kernel(None, address, detail))
            }
            Notice::AddressesNotOurs { addresses, count } => {
                let which = self.listed(&addresses, count);
                let address = only(&addresses, count);
                let detail = format!(
                    "{which}: virtual, but there already, and not put there by this program; left there. Only the owner of \
                     an address (priority 255) and the master may have it: remove it where it should not be"
                );
                (Severity::Warning, kernel(None, address, detail))
            }
            Notice::AddressesOfAnother { addresses, count, holder } => {
                let which = self.listed(&addresses, count);
                let address = only(&addresses, count);
                let detail = format!("{which}: there already, and left there because {holder} may hold it");
                (Severity::Warning, kernel(None, address, detail))
            }
            Notice::SourceIsVirtual { interface, address } => {
                let detail = format!(
                    "{address} is its only address and a virtual one too: adverts come from it. It stays there when \
                     mastership goes; give the interface another address"
                );
                (Severity::Warning, kernel(self.interface(interface), Some(address), detail))
            }
            Notice::Send { interface, reason } => {
                (Severity::Error, kernel(self.interface(interface), None, reason))
            }
            Notice::AddressSeen { interface, address, added } => {
                let verb = if added { "added" } else { "removed" };
                (Severity::Info, kernel(Some(interface), Some(address), format!("address {address} {verb}")))
            }
            Notice::UnknownVrid { interface, source, vrid } => (
                Severity::Info,
                kernel(
                    self.interface(interface),
                    Some(source),
                    format!("{source} adverts virtual router {vrid}, which is not configured"),
                ),
            ),
            Notice::DatagramsLost { count } => (
                Severity::Warning,
                Happening::Bound {
                    detail: format!("adverts came faster than they were read: the kernel dropped {count}"),
                },
            ),
        }
    }
}

/// Says in names what happened to a worker itself.
pub(crate) fn trouble(trouble: Trouble) -> (Severity, Happening) {
    let kernel = |detail: String| Happening::Kernel { interface: None, address: None, detail };
    match trouble {
        Trouble::CannotWork { reason } | Trouble::Netlink { reason } => (Severity::Error, kernel(reason)),
        Trouble::Scheduling { reason } => (Severity::Warning, kernel(reason)),
        Trouble::Overrun => (
            Severity::Warning,
            kernel("the kernel dropped netlink messages; everything was read again".to_owned()),
        ),
        Trouble::MessagesLost { count } => (
            Severity::Warning,
            Happening::Bound {
                detail: format!("the supervisor did not read: the worker dropped {count} messages for it"),
            },
        ),
        Trouble::Late { microseconds } => (Severity::Warning, Happening::Late { microseconds }),
    }
}

impl Known {
    /// Addresses with their interfaces, in words.
    fn listed(&self, addresses: &[(InterfaceId, IpAddr)], count: usize) -> String {
        let named = addresses.iter().map(|(interface, address)| match self.interfaces.get(interface) {
            Some(interface) => format!("{address} on {interface}"),
            None => address.to_string(),
        });
        let named = named.collect::<Vec<_>>().join(", ");
        match count.saturating_sub(addresses.len()) {
            0 => named,
            more => format!("{named} and {more} more"),
        }
    }
}

/// Where only one address is meant, that one.
fn only(addresses: &[(InterfaceId, IpAddr)], count: usize) -> Option<IpAddr> {
    match addresses {
        [(_, address)] if count == 1 => Some(*address),
        _ => None,
    }
}
