//! Links of interfaces whose drivers are asked (`linkbeat_use_polling`, `linkbeat_interfaces`), because they do not tell
//! the kernel when their link changes.

use std::collections::BTreeSet;
use std::time::Duration;

use steadfast_kernel::netlink::Drivers;
use steadfast_kernel::{Errno, Error};
use steadfast_vrrp::{InterfaceId, Moment};

use super::{Effects, now};
use crate::link::vrrp::Notice;

/// Drivers are asked this often.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// Who is asked when.
#[derive(Debug, Default)]
pub(super) struct Polling {
    drivers: Option<Result<Drivers, Error>>,
    /// When all of them are asked.
    next: Option<Moment>,
    /// Of whom the kernel told something.
    sooner: BTreeSet<InterfaceId>,
    /// Those of which was told that they do not say.
    untold: BTreeSet<InterfaceId>,
}

impl Polling {
    pub(super) const fn next_wakeup(&self) -> Option<Moment> {
        self.next
    }

    /// The kernel told of an interface: its driver knows better what that means.
    pub(super) fn ask_soon(&mut self, interface: InterfaceId) {
        self.sooner.insert(interface);
    }

    /// All of them are asked next, because others may be meant or what the kernel told is lost.
    pub(super) fn ask_all(&mut self) {
        self.next = None;
        self.untold.clear();
    }

    /// What the driver of an interface says; `None` when the interface is gone.
    fn ask(&mut self, interface: u32) -> Option<Result<Option<bool>, Error>> {
        match self.drivers.as_mut()? {
            Ok(drivers) => match drivers.has_link(interface) {
                Err(error) if error.errno == Errno::NODEV => None,
                told => Some(told),
            },
            Err(error) => Some(Err(error.clone())),
        }
    }
}

impl Effects {
    /// Asks the drivers that are due.
    pub(super) fn poll_links(&mut self) {
        let now = now();
        let sooner = std::mem::take(&mut self.polling.sooner);
        if self.work.polled.is_empty() {
            return;
        }
        let all = self.polling.next.is_none_or(|at| at <= now);
        if all {
            self.polling.next = Some(now + POLL_EVERY);
        }
        if all && !matches!(self.polling.drivers, Some(Ok(_))) {
            let opened = self.site.space.within(Drivers::open);
            self.polling.drivers = Some(opened.and_then(|opened| opened));
        }
        let links = self.site.interfaces.by_name();
        let due = self.work.polled.iter().filter(|interface| all || sooner.contains(interface));
        let asked = due.map(|&interface| {
            let index = links.get(self.work.interface_name(interface)).map(|link| link.index);
            (interface, index.and_then(|index| self.polling.ask(index)))
        });
        for (interface, told) in asked.collect::<Vec<_>>() {
            let link = told.as_ref().and_then(|told| told.as_ref().ok().copied().flatten());
            self.site.interfaces.set_link(interface, link);
            let Some(told) = told.filter(|_| link.is_none()) else {
                self.polling.untold.remove(&interface);
                continue;
            };
            if self.polling.untold.insert(interface) {
                self.notice(Notice::LinkUntold { interface, error: told.err() });
            }
        }
    }
}
