//! Whether the addresses of services are on this machine: checks of those with `ha_suspend` rest where they are not.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use steadfast_health::Input;
use steadfast_kernel::Result;
use steadfast_kernel::ipvs::ServiceKey;
use steadfast_kernel::netlink::{AddressKey, Change, Monitor, Requests};
use steadfast_kernel::wait::poll::{Interest, Poller};
use steadfast_time::Moment;

use super::{ADDRESSES, Checker, Wishes};
use crate::link::check::Notice;
use crate::link::check::work::Placement;

/// The addresses of this machine, for as long as some service follows them.
#[derive(Debug, Default)]
pub(super) struct Presence {
    monitor: Option<Monitor>,
    here: BTreeSet<AddressKey>,
}

impl Presence {
    /// Follows the addresses, or does not any more.
    fn follow(&mut self, wanted: bool, poller: &Poller) -> Result<()> {
        if !wanted {
            if let Some(monitor) = self.monitor.take() {
                let _ = poller.remove(&monitor);
            }
            self.here.clear();
            return Ok(());
        }
        if self.monitor.is_none() {
            let monitor = Monitor::open()?;
            poller.add(&monitor, ADDRESSES, Interest::Readable)?;
            self.monitor = Some(monitor);
            self.here = everything()?;
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
                Change::Overrun => self.here = everything()?,
                Change::Link(_) | Change::LinkGone(_) => {}
            }
        }
        Ok(())
    }
}

fn everything() -> Result<BTreeSet<AddressKey>> {
    let addresses = Requests::open()?.addresses()?;
    Ok(addresses.into_iter().map(|address| address.key).collect())
}

impl Checker {
    /// Services may have come and gone.
    pub(super) fn follow_addresses(&mut self, now: Moment) {
        let wanted = self.table.services().values().any(|service| service.ha_suspend);
        if let Err(error) = self.presence.follow(wanted, &self.poller) {
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
            let is_here = |key: &ServiceKey| match key {
                ServiceKey::Address { address, .. } => here.contains(address),
                ServiceKey::Mark { .. } => false,
            };
            let present = placement.keys.iter().any(is_here);
            let mut wishes = Wishes::default();
            self.machine.handle(now, Input::Present { service, present }, &mut wishes);
            self.fulfil(now, wishes);
        }
    }
}
