//! Two routers and a client, and what is done to them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::report::{Measurement, Noticed, shown};
use super::scenario::Scenario;
use super::view::View;
use crate::daemon::Daemon;
use crate::host::Host;
use crate::instance::Instance;
use crate::permission::Rights;
use crate::ping::Pinger;
use crate::program::Program;
use crate::segment::Segment;
use crate::watch::Watch;

const VIRTUAL_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 9, 9);
const VIRTUAL_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 9, 9);
const VIRTUAL: [IpAddr; 2] = [IpAddr::V4(VIRTUAL_V4), IpAddr::V6(VIRTUAL_V6)];

/// Priorities of the routers.
const HIGHER: u8 = 200;
const LOWER: u8 = 100;

const PING_INTERVAL: Duration = Duration::from_millis(1);

/// How long the client is watched after everything has settled.
const AFTERMATH: Duration = Duration::from_millis(400);

/// How long anything may take beside ten adverts.
const PATIENCE: Duration = Duration::from_secs(10);

const STEP: Duration = Duration::from_millis(5);

/// The lab with everything running in it.
pub(super) struct Stage {
    // Dropped in this order: who looks, who runs, where.
    view: View,
    watch: Watch,
    pingers: Vec<(IpAddr, Pinger)>,
    daemon1: Option<Daemon>,
    daemon2: Daemon,
    router1: Arc<Host>,
    router2: Arc<Host>,
    client: Arc<Host>,
    segment: Segment,
    program: Program,
    advert_interval: Duration,
}

impl Stage {
    /// Starts both routers and waits until the first owns the addresses and the client reaches
    /// them.
    pub(super) fn set_up(program: Program, advert_interval: Duration, mut view: View) -> Result<Self> {
        let segment = Segment::new()?;
        let router1 = segment.host("router1")?;
        let router2 = segment.host("router2")?;
        let client = segment.host("client")?;
        let watch = Watch::start(vec![Arc::clone(&router1), Arc::clone(&router2)], VIRTUAL.to_vec())?;
        view.tell("router1, router2 and client are on a switch; both routers start");
        let daemon1 = start(&router1, &program, HIGHER, advert_interval)?;
        let daemon2 = start(&router2, &program, LOWER, advert_interval)?;
        let mut pingers = Vec::new();
        for address in VIRTUAL {
            pingers.push((address, Pinger::start(&client, address, PING_INTERVAL)?));
        }
        let mut stage = Self {
            view,
            watch,
            pingers,
            daemon1: Some(daemon1),
            daemon2,
            router1,
            router2,
            client,
            segment,
            program,
            advert_interval,
        };
        stage.until_owned_by("router1", Exclusively::Yes)?;
        stage.until_answered()?;
        stage.observe(AFTERMATH);
        Ok(stage)
    }

    /// One scenario from deed to repair.
    pub(super) fn play(&mut self, scenario: Scenario) -> Result<Measurement> {
        if scenario == Scenario::Return {
            self.stop_router1()?;
            self.until_owned_by("router2", Exclusively::Yes)?;
            self.observe(AFTERMATH);
        }
        self.view.tell(&format!("{scenario}: {}", scenario.deed()));
        let since = Instant::now();
        let remark = self.commit(scenario, since)?;
        self.until_answered()?;
        self.observe(AFTERMATH);
        let measurement = self.measure(scenario, since, remark);
        let worst = measurement.noticed.iter().map(|noticed| noticed.outage).max().unwrap_or_default();
        self.view.tell(&format!("{scenario}: the client was without an answer for {}", shown(worst)));
        self.repair(scenario)?;
        Ok(measurement)
    }

    /// Leaves the last picture on the terminal.
    pub(super) fn end_view(&mut self) {
        self.view.refresh(&self.watch, &self.pingers);
        self.view.end();
    }

    /// Says how to look around, and stays until the process is ended.
    pub(super) fn stay_up(&self, rights: Rights) -> ! {
        let rights = match rights {
            Rights::Own => "",
            Rights::UserNamespace => " -U --preserve-credentials",
        };
        println!(
            "\nThe lab stays up until this program is ended (Ctrl-C). To look around in it, as the same user:\n"
        );
        for host in [&self.router1, &self.router2, &self.client] {
            println!("  nsenter -t {}{rights} -n -m -p    # {}", host.pid(), host.name());
        }
        println!(
            "\nThere, {0}/conf and {0}/log are the configuration and the log of a router.",
            self.daemon2.folder()
        );
        loop {
            std::thread::sleep(Duration::from_secs(3600));
        }
    }

    /// Does it, and waits until the right router owns the addresses. Returns what was wrong.
    fn commit(&mut self, scenario: Scenario, since: Instant) -> Result<Option<String>> {
        match scenario {
            Scenario::PowerLoss => self.segment.cut(&self.router1)?,
            Scenario::Hang => self.router1.signal_everything(Signal::STOP)?,
            Scenario::Killed => self.router1.signal_everything(Signal::KILL)?,
            Scenario::PlannedStop => self.daemon1()?.signal(Signal::TERM),
            Scenario::Return => self.start_router1()?,
            Scenario::KilledWorker => return self.kill_worker(since),
        }
        match scenario {
            // A kernel whose daemon cannot remove its addresses keeps them.
            Scenario::PowerLoss | Scenario::Hang | Scenario::Killed => {
                self.until_owned_by("router2", Exclusively::No)?;
            }
            Scenario::PlannedStop => self.until_owned_by("router2", Exclusively::Yes)?,
            Scenario::Return | Scenario::KilledWorker => self.until_owned_by("router1", Exclusively::Yes)?,
        }
        Ok(None)
    }

    fn kill_worker(&mut self, since: Instant) -> Result<Option<String>> {
        let worker = self.daemon1()?.vrrp_worker().context("router1's daemon has no vrrp worker")?;
        crate::host::send(worker, Signal::KILL);
        self.wait_for("a new vrrp worker on router1", |stage| {
            stage.daemon1.as_ref().and_then(Daemon::vrrp_worker).is_some_and(|new| new != worker)
        })?;
        // Its successor has the address only if it goes on as master.
        self.observe(self.advert_interval * 5);
        self.until_owned_by("router1", Exclusively::Yes)?;
        let moved = !self.watch.changes_since(since).is_empty();
        Ok(moved.then(|| "an address has moved".to_owned()))
    }

    /// Back to where router1 owns the addresses.
    fn repair(&mut self, scenario: Scenario) -> Result<()> {
        match scenario {
            Scenario::PowerLoss => {
                self.view.tell("router1's cable is plugged in again");
                self.segment.restore(&self.router1)?;
            }
            Scenario::Hang => {
                self.view.tell("router1 wakes up");
                self.router1.signal_everything(Signal::CONT)?;
            }
            Scenario::Killed | Scenario::PlannedStop => {
                self.view.tell("router1's daemon is started again");
                self.stop_router1()?;
                self.start_router1()?;
            }
            Scenario::Return | Scenario::KilledWorker => {}
        }
        self.until_owned_by("router1", Exclusively::Yes)?;
        self.until_answered()?;
        self.observe(AFTERMATH);
        Ok(())
    }

    fn measure(&self, scenario: Scenario, since: Instant, remark: Option<String>) -> Measurement {
        let noticed = self.pingers.iter().map(|(address, pinger)| Noticed {
            address: *address,
            outage: pinger.longest_outage_since(since),
            lost: pinger.lost_since(since),
        });
        Measurement::new(scenario, scenario.limit(self.advert_interval, LOWER), noticed.collect(), remark)
    }

    fn daemon1(&self) -> Result<&Daemon> {
        self.daemon1.as_ref().context("router1 runs no daemon")
    }

    fn start_router1(&mut self) -> Result<()> {
        self.daemon1 = Some(start(&self.router1, &self.program, HIGHER, self.advert_interval)?);
        Ok(())
    }

    fn stop_router1(&mut self) -> Result<()> {
        let Some(mut daemon) = self.daemon1.take() else { return Ok(()) };
        daemon.signal(Signal::TERM);
        let ended =
            self.wait_for("the end of router1's daemon", |_| daemon.ended().is_ok_and(|end| end.is_some()));
        ended.with_context(|| format!("router1's log:\n{}", daemon.log_tail()))
    }

    fn until_owned_by(&mut self, name: &str, exclusively: Exclusively) -> Result<()> {
        self.wait_for(&format!("{name} to own the addresses"), |stage| {
            VIRTUAL.iter().all(|address| {
                let owners = stage.watch.owners(*address);
                owners.iter().any(|owner| owner == name)
                    && (exclusively == Exclusively::No || owners.len() == 1)
            })
        })
    }

    fn until_answered(&mut self) -> Result<()> {
        let since = Instant::now();
        self.wait_for("answers to the client's pings", |stage| {
            stage.pingers.iter().all(|(_, pinger)| pinger.last_answer().is_some_and(|answer| answer >= since))
        })
    }

    fn wait_for(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE + self.advert_interval * 10;
        while !condition(self) {
            // Nothing is ever done to router2: its daemon ends only if it cannot run here at all.
            if let Some(status) = self.daemon2.ended()? {
                bail!("router2's daemon ended, {status}\n{}", self.logs());
            }
            if Instant::now() > deadline {
                bail!("waited in vain for {what}\n{}", self.logs());
            }
            self.pause();
        }
        Ok(())
    }

    fn observe(&mut self, duration: Duration) {
        let deadline = Instant::now() + duration;
        while Instant::now() < deadline {
            self.pause();
        }
    }

    fn pause(&mut self) {
        self.view.refresh(&self.watch, &self.pingers);
        std::thread::sleep(STEP);
    }

    fn logs(&self) -> String {
        let log1 = self.daemon1.as_ref().map(Daemon::log_tail).unwrap_or_default();
        format!("--- router1's log ---\n{log1}\n--- router2's log ---\n{}", self.daemon2.log_tail())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exclusively {
    Yes,
    No,
}

fn start(router: &Arc<Host>, program: &Program, priority: u8, advert_interval: Duration) -> Result<Daemon> {
    Daemon::start(router, program, &configuration(router.name(), priority, advert_interval))
}

/// An instance for each family (RFC 9568 section 5.2.9 has a link-local address first in IPv6).
fn configuration(name: &str, priority: u8, advert_interval: Duration) -> String {
    let instance = |name, vrid, addresses: &[String]| {
        Instance { name, vrid, priority, advert_interval, more: "", addresses }.text()
    };
    let v4 = instance("V4", 51, &[format!("{VIRTUAL_V4}/32")]);
    let v6 = instance("V6", 52, &["fe80::9:9/128".to_owned(), format!("{VIRTUAL_V6}/128")]);
    format!("global_defs {{\n    router_id {name}\n    vrrp_version 3\n}}\n{v4}{v6}")
}
