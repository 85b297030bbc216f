//! A router, and what its daemon is told.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::arena::STOP_LIMIT;
use super::fault::{Condition, Side};
use super::inventory::Inventory;
use crate::daemon::Daemon;
use crate::host::Host;
use crate::instance::Instance;
use crate::program::Program;
use crate::wait;

pub(super) const VRID_FIRST: u8 = 51;
/// A virtual router that reloads bring and take away. Nobody else has it, and its address is not among those whose owner is judged.
const VRID_EXTRA: u8 = 99;
const ADDRESS_EXTRA: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 9, 200));

/// How long it stays, one time after the other. The last time it may come back before it has given up.
const STAYS: [Stay; 3] = [Stay::Moment, Stay::UntilMaster, Stay::UntilMaster];
/// Less than it takes to become master.
const MOMENT: Duration = Duration::from_millis(40);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stay {
    Moment,
    UntilMaster,
}

pub(super) struct Router {
    pub(super) host: Arc<Host>,
    pub(super) program: Program,
    pub(super) daemon: Option<Daemon>,
    /// What the host had before its first daemon.
    pub(super) inventory: Inventory,
    pub(super) condition: Condition,
    /// Whom it hears.
    pub(super) side: Side,
    /// Of each virtual router.
    pub(super) priorities: Vec<u8>,
    /// Of every instance.
    pub(super) advert_interval: Duration,
    /// Other programs are among the routers.
    pub(super) mixed: bool,
}

impl Router {
    pub(super) fn start(&mut self) -> Result<()> {
        self.daemon = Some(Daemon::start(&self.host, &self.program, &self.configuration(false))?);
        Ok(())
    }

    pub(super) fn daemon(&self) -> Result<&Daemon> {
        self.daemon.as_ref().with_context(|| format!("no daemon runs on {}", self.host.name()))
    }

    pub(super) fn kill(&mut self) -> Result<()> {
        let daemon = self.daemon.take().context("no daemon runs")?;
        daemon.signal_all(Signal::KILL)?;
        drop(daemon);
        self.until_nothing_runs()
    }

    pub(super) fn until_nothing_runs(&self) -> Result<()> {
        let gone =
            wait::until(STOP_LIMIT, || self.host.processes().is_ok_and(|processes| processes.is_empty()));
        anyhow::ensure!(gone, "processes are left on {}", self.host.name());
        Ok(())
    }

    /// Brings a further virtual router and takes it away, again and again. What is wrong with its address, for which the daemon has
    /// so long each time.
    pub(super) fn reload_again_and_again(&self, limit: Duration) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let has = || self.host.has(ADDRESS_EXTRA);
        for stay in STAYS {
            self.reload(true)?;
            if stay == Stay::UntilMaster && !wait::until(limit, has) {
                wrong.push(format!("{ADDRESS_EXTRA}: not there {limit:.1?} after a reload that brings it"));
            }
            // A reload may find the one before at work, and a master that has just begun.
            std::thread::sleep(MOMENT);
            self.reload(false)?;
            std::thread::sleep(MOMENT);
        }
        if !wait::until(limit, || !has()) {
            wrong.push(format!("{ADDRESS_EXTRA}: still there {limit:.1?} after a reload that takes it away"));
        }
        Ok(wrong)
    }

    fn reload(&self, extra: bool) -> Result<()> {
        let daemon = self.daemon()?;
        daemon.configure(&self.configuration(extra))?;
        daemon.signal(Signal::HUP);
        Ok(())
    }

    fn configuration(&self, extra: bool) -> String {
        let name = self.host.name();
        let instances = (0..).zip(&self.priorities).map(|(number, priority)| {
            self.instance(&format!("V{number}"), VRID_FIRST + number, *priority, address(number))
        });
        let extra = extra.then(|| self.instance("EXTRA", VRID_EXTRA, 10, ADDRESS_EXTRA));
        let instances: String = instances.chain(extra).collect();
        // A keepalived that gives way to a better master says nothing otherwise, and the better one cannot know that clients
        // still ask the other.
        let speaks_up = if self.mixed { "    vrrp_higher_prio_send_advert\n" } else { "" };
        format!("global_defs {{\n    router_id {name}\n    vrrp_version 3\n{speaks_up}}}\n{instances}")
    }

    fn instance(&self, name: &str, vrid: u8, priority: u8, address: IpAddr) -> String {
        let addresses = &[format!("{address}/32")];
        Instance { name, vrid, priority, advert_interval: self.advert_interval, more: "", addresses }.text()
    }
}

/// Of a virtual router.
pub(super) fn address(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 9, 100 + number).into()
}
