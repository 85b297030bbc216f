//! Names as configured, by number.

use std::sync::Arc;

use crate::config::{GroupId, InstanceConfig, InstanceId, InterfaceId, ScriptId, WatchId};
use crate::machine::Machine;

impl Machine {
    /// Settings of an instance.
    pub fn settings(&self, instance: InstanceId) -> Option<&InstanceConfig> {
        self.instances.get(instance).map(|instance| &*instance.config)
    }

    /// Of an instance.
    pub fn instance_name(&self, instance: InstanceId) -> Option<Arc<str>> {
        self.instances.get(instance).map(|instance| Arc::clone(&instance.config.name))
    }

    /// Of a sync group.
    pub fn group_name(&self, group: GroupId) -> Option<Arc<str>> {
        self.group_of(Some(group)).map(|group| Arc::clone(&group.name))
    }

    /// Of an interface.
    pub fn interface_name(&self, interface: InterfaceId) -> Arc<str> {
        self.trackers.interface_name(interface)
    }

    /// Of a script.
    pub fn script_name(&self, script: ScriptId) -> Option<Arc<str>> {
        self.trackers.script_name(script)
    }

    /// Of a file, a set of processes or a session.
    pub fn watch_name(&self, watch: WatchId) -> Option<Arc<str>> {
        self.trackers.watches.name(watch)
    }
}
