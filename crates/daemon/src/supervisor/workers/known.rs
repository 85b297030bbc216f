//! What the supervisor knows of the worker's instances and groups, from the events it was told.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use steadfast_bfd::SessionId;
use steadfast_control::event::{Bound, Happening, Names, Network, Placed};
use steadfast_detection::is_made;
use steadfast_kernel::reconcile::links::Remembered;
use steadfast_vrrp::status::Resume;
use steadfast_vrrp::{Event, GroupId, InstanceId, InterfaceId, Moment, State};
use steadfast_wire::vrrp::Priority;

use super::suspects::Suspects;
use crate::link::vrrp::Notice;
use crate::link::vrrp::inheritance::Inheritance;
use crate::link::vrrp::work::Work;

/// Names and last states.
#[derive(Debug, Default)]
pub(crate) struct Known {
    instances: BTreeMap<InstanceId, Arc<str>>,
    groups: BTreeMap<GroupId, (Arc<str>, State)>,
    interfaces: BTreeMap<InterfaceId, Arc<str>>,
    sessions: BTreeMap<SessionId, (Arc<str>, IpAddr)>,
    session_resume: BTreeMap<SessionId, steadfast_bfd::Resume>,
    /// What a successor of the worker needs, and what is told while none answers.
    resume: BTreeMap<InstanceId, Packed>,
    settings: Remembered,
}

/// What a successor needs of an instance, written as it travels: a tenth of what it takes in memory otherwise, most of
/// which are counters that stand at zero.
#[derive(Debug)]
struct Packed {
    state: State,
    priority: Priority,
    /// It may have its addresses.
    serves: bool,
    resume: Box<[u8]>,
}

impl Packed {
    fn new(resume: &Resume) -> Self {
        let octets = postcard::to_stdvec(resume).unwrap_or_default();
        let (state, priority, serves) = (resume.state, resume.priority, resume.serves());
        Self { state, priority, serves, resume: octets.into_boxed_slice() }
    }

    fn unpack(&self) -> Option<Resume> {
        postcard::from_bytes(&self.resume).ok()
    }
}

impl Known {
    /// Takes over the names of a configuration. Those of removed instances stay until
    /// [`Self::forget`], since they still have something to tell.
    pub(crate) fn configure(&mut self, work: &Work) {
        for instance in &work.machine.instances {
            self.instances.insert(instance.id, Arc::clone(&instance.name));
        }
        self.interfaces = work.machine.interfaces.iter().map(|i| (i.id, Arc::clone(&i.name))).collect();
        let sessions = work.sessions.sessions.iter();
        self.sessions = sessions.map(|s| (s.id, (Arc::clone(&s.name), s.path.remote))).collect();
        self.session_resume.retain(|id, _| is_made(*id) || self.sessions.contains_key(id));
        let states = std::mem::take(&mut self.groups);
        for group in &work.machine.groups {
            let state = states.get(&group.id).map_or(State::Init, |(_, state)| *state);
            self.groups.insert(group.id, (Arc::clone(&group.name), state));
        }
    }

    /// An instance that an earlier reload removed still has something to tell.
    pub(crate) fn name(&mut self, instance: InstanceId, name: Arc<str>) {
        self.instances.insert(instance, name);
    }

    /// An instance that a reload removed has nothing more to tell.
    pub(crate) fn forget(&mut self, instance: InstanceId) {
        self.instances.remove(&instance);
        self.resume.remove(&instance);
    }

    /// Forgets every instance but these.
    pub(crate) fn forget_others(&mut self, stays: impl Fn(InstanceId) -> bool) {
        self.instances.retain(|id, _| stays(*id));
        self.resume.retain(|id, _| stays(*id));
    }

    /// What a successor of the worker needs.
    pub(crate) fn into_resume(self) -> (Vec<Resume>, Vec<steadfast_bfd::Resume>) {
        let routers = self.resume.values().filter_map(Packed::unpack).collect();
        (routers, self.session_resume.into_values().collect())
    }

    /// What a successor of the worker would need at this moment.
    pub(crate) fn left(&self) -> Inheritance {
        Inheritance {
            routers: self.resume.values().filter_map(Packed::unpack).collect(),
            sessions: self.session_resume.values().cloned().collect(),
            abandoned: Vec::new(),
            settings: self.settings.clone(),
        }
    }

    /// The last states of groups.
    pub(crate) fn group_states(&self) -> impl Iterator<Item = (GroupId, State)> + '_ {
        self.groups.iter().map(|(group, (_, state))| (*group, *state))
    }

    /// Groups stand as their members do, of which nothing was told as it came about.
    pub(crate) fn find_groups(&mut self, work: &Work) {
        for group in &work.machine.groups {
            let states = group.members.iter().filter_map(|member| self.standing(*member));
            let states: Vec<State> = states.map(|(state, _)| state).collect();
            let state = if states.contains(&State::Fault) {
                State::Fault
            } else if !states.is_empty() && states.iter().all(|state| *state == State::Master) {
                State::Master
            } else {
                State::Backup
            };
            if let Some(known) = self.groups.get_mut(&group.id) {
                known.1 = state;
            }
        }
    }

    /// Goes on with what another program left of the configuration that it was told of.
    pub(crate) fn adopt(&mut self, left: Inheritance, groups: Vec<(GroupId, State)>) {
        left.routers.iter().for_each(|resume| self.keep(resume));
        left.sessions.into_iter().for_each(|resume| self.keep_session(resume));
        self.settings = left.settings;
        for (group, state) in groups {
            if let Some(known) = self.groups.get_mut(&group) {
                known.1 = state;
            }
        }
    }

    /// Keeps what a successor needs of a session; one that a reload removed meanwhile has none.
    pub(crate) fn keep_session(&mut self, resume: steadfast_bfd::Resume) {
        if is_made(resume.session) || self.sessions.contains_key(&resume.session) {
            self.session_resume.insert(resume.session, resume);
        }
    }

    /// What was last known of a session.
    pub(crate) fn last_session(&self, session: SessionId) -> Option<&steadfast_bfd::Resume> {
        self.session_resume.get(&session)
    }

    /// Says in names what a session told; `None` of one that a reload removed meanwhile.
    pub(crate) fn session_told(&self, event: steadfast_bfd::Event) -> Option<Happening> {
        let (session, peer) = self.sessions.get(&event.session())?;
        Some(session_told(Arc::clone(session), *peer, event))
    }

    /// Whether the paths of BFD sessions work, of those that have ever been up.
    pub(crate) fn session_paths(&self) -> impl Iterator<Item = (Arc<str>, bool)> {
        self.session_resume.values().filter_map(|resume| {
            let (name, _) = self.sessions.get(&resume.session)?;
            Some((Arc::clone(name), resume.good?))
        })
    }

    /// Keeps what a successor needs.
    pub(crate) fn keep(&mut self, resume: &Resume) {
        self.resume.insert(resume.instance, Packed::new(resume));
    }

    /// Keeps what a successor needs to know of settings that were changed.
    pub(crate) fn keep_settings(&mut self, settings: Remembered) {
        self.settings = settings;
    }

    /// Settings that were changed.
    pub(crate) const fn settings(&self) -> &Remembered {
        &self.settings
    }

    /// Whether an instance said that it held its addresses, and nothing else since.
    pub(crate) fn held_addresses(&self, instance: InstanceId) -> bool {
        self.resume.get(&instance).is_some_and(|packed| packed.serves)
    }

    /// What was last known of an instance.
    pub(crate) fn last(&self, instance: InstanceId) -> Option<Resume> {
        self.resume.get(&instance)?.unpack()
    }

    /// Last known state of a group.
    pub(crate) fn group_state(&self, group: GroupId) -> State {
        self.groups.get(&group).map_or(State::Init, |(_, state)| *state)
    }

    /// Last known state and priority of an instance.
    pub(crate) fn standing(&self, instance: InstanceId) -> Option<(State, u8)> {
        self.resume.get(&instance).map(|packed| (packed.state, packed.priority.get()))
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
        if let Event::GroupState { group, to, .. } = event {
            self.groups.entry(*group).or_insert_with(|| ("?".into(), *to)).1 = *to;
        }
        Happening::told(event, self)
    }

    /// Says a notice in names.
    pub(crate) fn noticed(&self, notice: Notice, suspects: &mut Suspects, now: Moment) -> Happening {
        Happening::Network(match notice {
            Notice::RecordShort => return Happening::Bound { bound: Bound::FlightRecorder },
            Notice::DatagramsLost { count } => {
                return Happening::Bound { bound: Bound::AdvertsLost { count } };
            }
            Notice::InterfaceMissing { interface } => {
                Network::InterfaceMissing { interface: self.place(interface) }
            }
            Notice::Socket { interface, error } => {
                Network::SocketRefused { interface: self.place(interface), error: error.into() }
            }
            Notice::Send { interface, sent, errno } => {
                Network::SendRefused { interface: self.place(interface), sent, errno }
            }
            Notice::AddressRemoved { interface, address, origin, restored } => {
                let (interface, suspect) = (self.place(interface), suspects.of(origin, now));
                if restored {
                    Network::AddressRestored { interface, address, suspect }
                } else {
                    Network::AddressLost { interface, address, suspect }
                }
            }
            Notice::Address { interface, address, error } => {
                Network::AddressRefused { interface: self.place(interface), address, error: error.into() }
            }
            Notice::WayRestored { entry } => Network::EntryRestored { entry },
            Notice::Way { error } => Network::EntryRefused { error: error.into() },
            Notice::LeftoversRemoved { addresses, count } => {
                Network::LeftoversRemoved { addresses: self.placed(&addresses), count }
            }
            Notice::AddressesNotOurs { addresses, count } => {
                Network::AddressesNotOurs { addresses: self.placed(&addresses), count }
            }
            Notice::AddressesOfAnother { addresses, count, holder } => Network::AddressesOfAnother {
                addresses: self.placed(&addresses),
                count,
                holder: holder.into(),
            },
            Notice::SourceIsVirtual { interface, address } => {
                Network::SourceIsVirtual { interface: self.place(interface), address }
            }
            Notice::LinkUntold { interface, error } => {
                Network::LinkUntold { interface: self.place(interface), error: error.map(Into::into) }
            }
            Notice::AddressSeen { interface, address, added } => {
                Network::AddressSeen { interface, address, added }
            }
            Notice::UnknownVrid { interface, source, vrid } => {
                Network::UnknownVrid { interface: self.place(interface), source, vrid }
            }
        })
    }

    /// Name of the interface that a notice means.
    fn place(&self, interface: InterfaceId) -> Arc<str> {
        self.interface(interface).unwrap_or_else(|| "?".into())
    }

    fn placed(&self, addresses: &[(InterfaceId, IpAddr)]) -> Vec<Placed> {
        let placed =
            |(interface, address): &_| Placed { interface: self.interface(*interface), address: *address };
        addresses.iter().map(placed).collect()
    }
}

impl Names for Known {
    fn instance(&self, instance: InstanceId) -> Arc<str> {
        self.instance(instance)
    }

    fn group(&self, group: GroupId) -> Arc<str> {
        self.group(group).unwrap_or_else(|| "?".into())
    }
}
/// Name of the session that watches over a master on an interface.
pub(crate) fn watching_session(interface: &str) -> Arc<str> {
    format!("fast_detection {interface}").into()
}

/// What a session told, in names.
pub(crate) fn session_told(session: Arc<str>, peer: IpAddr, event: steadfast_bfd::Event) -> Happening {
    match event {
        steadfast_bfd::Event::State { from, to, diagnostic, cause, .. } => {
            Happening::SessionState { session, peer, from, to, diagnostic, cause }
        }
        steadfast_bfd::Event::Intervals { transmit, receive, detection_us, .. } => {
            Happening::SessionIntervals {
                session,
                peer,
                transmit_microseconds: transmit.get().into(),
                receive_microseconds: receive.get().into(),
                detection_microseconds: detection_us,
            }
        }
        steadfast_bfd::Event::Echo { returned, interval, detection_us, .. } => Happening::SessionEcho {
            session,
            peer,
            returned,
            interval_microseconds: interval.get().into(),
            detection_microseconds: detection_us,
        },
        steadfast_bfd::Event::Dropped { source, reason, .. } => {
            Happening::SessionDropped { session, source, reason }
        }
        steadfast_bfd::Event::Path { good, cause, .. } => {
            Happening::SessionPath { session, peer, good, cause }
        }
    }
}
