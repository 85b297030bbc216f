//! Routes and rules: held with the addresses of their instance.

use steadfast_kernel::netlink::Withdrawals;
use steadfast_kernel::reconcile::Heard;
use steadfast_kernel::wait::clock;
use steadfast_kernel::wait::poll::Interest;
use steadfast_vrrp::InstanceId;

use super::holdings::STATIC;
use super::{Effects, WITHDRAWALS};
use crate::link::lifecycle::Trouble;
use crate::link::vrrp::Living;

impl Effects {
    /// Routes and rules of an instance that holds its addresses.
    pub(super) fn hold_ways(&mut self, instance: InstanceId) {
        let Some(install) = self.work.install(instance) else { return self.give_up_ways(instance) };
        if install.routes.is_empty() && install.rules.is_empty() {
            return self.give_up_ways(instance);
        }
        let interfaces = &self.site.interfaces;
        let routes = install.routes.iter().map(|route| interfaces.route(route));
        self.site.kinds.routes.hold(instance, routes);
        self.site.kinds.rules.hold(instance, install.rules.iter().cloned().map(Some));
    }

    pub(super) fn give_up_ways(&mut self, instance: InstanceId) {
        self.site.kinds.routes.give_up(instance);
        self.site.kinds.rules.give_up(instance);
    }

    /// Routes and rules that do not follow any instance.
    pub(super) fn hold_static_ways(&mut self) {
        let interfaces = &self.site.interfaces;
        let routes = self.work.standing.routes.iter().map(|route| interfaces.route(route));
        self.site.kinds.routes.hold(STATIC, routes);
        self.site.kinds.rules.hold(STATIC, self.work.standing.rules.iter().cloned().map(Some));
    }

    pub(super) fn give_up_static_ways(&mut self) {
        self.give_up_ways(STATIC);
    }

    /// Starts to hear of what others take away, once there is anything to lose.
    pub(super) fn watch_ways(&mut self) {
        if self.site.withdrawals.is_some() || !self.work.has_ways() {
            return;
        }
        let opened = self.site.space.within(Withdrawals::open).flatten().and_then(|withdrawals| {
            self.poller.add(&withdrawals, WITHDRAWALS, Interest::Readable)?;
            Ok(withdrawals)
        });
        match opened {
            Ok(withdrawals) => self.site.withdrawals = Some(withdrawals),
            Err(error) => self.trouble(Trouble::Netlink { error: error.into() }),
        }
    }

    /// What an earlier run left goes, unless somebody holds it or another daemon runs in this namespace.
    pub(super) fn clean_ways(&mut self, living: &[Living]) {
        if !self.work.has_ways() || !living.is_empty() {
            return;
        }
        for install in &self.work.installs {
            for route in &install.routes {
                if let Some(route) = self.site.interfaces.route(route) {
                    self.site.kinds.routes.discard(&route);
                }
            }
            for rule in &install.rules {
                self.site.kinds.rules.discard(rule);
            }
        }
    }

    pub(super) fn hear_withdrawals(&mut self) {
        let Some(withdrawals) = &mut self.site.withdrawals else { return };
        let (kinds, now) = (&mut self.site.kinds, clock::monotonic());
        let read = withdrawals.read(|withdrawal| kinds.heard(Heard::Withdrawal(withdrawal), now));
        if let Err(error) = read {
            self.trouble(Trouble::Netlink { error: error.into() });
        }
    }
}
