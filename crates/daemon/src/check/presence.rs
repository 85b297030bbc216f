//! Whether the addresses of services are on this machine: checks of those with `ha_suspend` rest where they are not.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use steadfast_health::Input;
use steadfast_kernel::ipvs::ServiceKey;
use steadfast_kernel::netlink::{AddressKey, Change, Monitor, Requests};
use steadfast_kernel::wait::poll::{Interest, Poller};
use steadfast_kernel::{BufferSize, Result};
use steadfast_time::Moment;

use super::{ADDRESSES, Checker, Wishes};
use crate::link::check::Notice;
use crate::link::check::work::Placement;
use crate::link::vrrp::work::Settings as Scheduling;

/// The addresses of this machine, for as long as some service follows them.
#[derive(Debug, Default)]
pub(super) struct Presence {
    monitor: Option<Monitor>,
    here: BTreeSet<AddressKey>,
    /// Receive buffer of the socket that asks, where one is asked for.
    command_buffer: Option<BufferSize>,
    /// That of the monitor, as it was set.
    monitor_buffer: Option<BufferSize>,
}

impl Presence {
    /// Follows the addresses, or does not any more.
    fn follow(&mut self, wanted: bool, settings: &Scheduling, poller: &Poller) -> Result<()> {
        self.command_buffer = settings.command_buffer;
        if !wanted {
            if let Some(monitor) = self.monitor.take() {
                let _ = poller.remove(&monitor);
            }
            self.here.clear();
            self.monitor_buffer = None;
            return Ok(());
        }
        if self.monitor.is_none() {
            let monitor = Monitor::open()?;
            poller.add(&monitor, ADDRESSES, Interest::Readable)?;
            self.monitor = Some(monitor);
            self.here = everything(self.command_buffer)?;
        }
        let sized = self.monitor.as_ref().filter(|_| self.monitor_buffer != settings.monitor_buffer);
        if let Some(monitor) = sized {
            monitor.resize(settings.monitor_buffer);
            self.monitor_buffer = settings.monitor_buffer;
        }
        Ok(())
    }

    /// Takes over what the kernel announced.
    fn hear(&mut self) -> Result<()> {
        let Some(monitor) = &mut self.monitor else { return Ok(()) };
        let mut changes = Vec::new();
        while monitor.read(&mut changes)? {}
        for change in changes {
            match change {
                Change::AddressAdded { address, .. } => {
                    self.here.insert(address.key);
                }
                Change::AddressRemoved { address, .. } => {
                    self.here.remove(&address.key);
                }
                Change::Overrun => self.here = everything(self.command_buffer)?,
                Change::Link(_) | Change::LinkGone(_) => {}
            }
        }
        Ok(())
    }
}

fn everything(buffer: Option<BufferSize>) -> Result<BTreeSet<AddressKey>> {
    let mut requests = Requests::open()?;
    if buffer.is_some() {
        requests.resize(buffer);
    }
    let addresses = requests.addresses()?;
    Ok(addresses.into_iter().map(|address| address.key).collect())
}

impl Checker {
    /// Services may have come and gone.
    pub(super) fn follow_addresses(&mut self, now: Moment) {
        let wanted = self.table.services().values().any(|service| service.ha_suspend);
        if let Err(error) = self.presence.follow(wanted, &self.settings.scheduling, &self.poller) {
            self.notice(Notice::Setting { reason: format!("ha_suspend: {error}; checks rest") });
        }
        self.tell_presence(now);
    }

    /// The kernel announces changes of addresses.
    pub(super) fn hear_addresses(&mut self, now: Moment) {
        if let Err(error) = self.presence.hear() {
            self.notice(Notice::Setting { reason: format!("ha_suspend: {error}") });
        }
        self.tell_presence(now);
    }

    fn tell_presence(&mut self, now: Moment) {
        let here: BTreeSet<IpAddr> = self.presence.here.iter().map(|key| key.address).collect();
        let followed: Vec<Arc<Placement>> =
            self.table.services().values().filter(|service| service.ha_suspend).cloned().collect();
        for placement in followed {
            let Some(service) = self.machine.service_id(&placement.key) else { continue };
            let is_here = |key: ServiceKey| match key {
                ServiceKey::Address { address, .. } => here.contains(&address),
                ServiceKey::Mark { .. } => false,
            };
            let is_marked = |address: &IpAddr| placement.marked.iter().any(|marked| marked.has(*address));
            let present = placement.entries().any(is_here) || here.iter().any(is_marked);
            let mut wishes = Wishes::default();
            self.machine.handle(now, Input::Present { service, present }, &mut wishes);
            self.fulfil(now, wishes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monitor_has_the_buffer_that_is_asked_for() {
        let poller = Poller::open().unwrap();
        let mut presence = Presence::default();
        let usual = Scheduling::default();
        // The kernel doubles what is asked for, for its own overhead.
        let has = |presence: &Presence| {
            rustix::net::sockopt::socket_recv_buffer_size(presence.monitor.as_ref().unwrap()).unwrap()
        };
        presence.follow(true, &usual, &poller).unwrap();
        let before = has(&presence);
        for bytes in [30_000, 40_000] {
            let buffer = Some(BufferSize { bytes, force: false });
            let asked = Scheduling { monitor_buffer: buffer, command_buffer: buffer, ..usual.clone() };
            presence.follow(true, &asked, &poller).unwrap();
            assert_eq!(has(&presence), usize::try_from(bytes * 2).unwrap());
            // Everything is read with the one asked for.
            assert!(presence.here.iter().all(|key| everything(buffer).unwrap().contains(key)));
        }
        presence.follow(true, &usual, &poller).unwrap();
        assert_eq!(has(&presence), before);
        presence.follow(false, &usual, &poller).unwrap();
        assert!(presence.monitor.is_none());
    }
}
