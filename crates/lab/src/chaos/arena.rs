//! The hosts, what runs on them, and what is done to them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use steadfast_time::Random;

use super::Options;
use super::clock::{self, Way};
use super::fault::{Condition, Fault, Kinds, LOSS_PERCENT, Side, Strike};
use super::inventory::Inventory;
use super::pace::Pace;
use super::report::{Culprit, Lacking, Report};
use super::router::{Router, address};
use crate::capture::Capture;
use crate::host::{Host, send};
use crate::ping::Pinger;
use crate::program::Program;
use crate::segment::Segment;
use crate::stalls::Stalls;
use crate::wait;
use crate::watch::Watch;

/// Time to live of what the first router sends; the next ones follow. So an answer tells whose it is.
pub(super) const HOP_LIMIT_FIRST: u8 = 100;

/// How long a stop may take.
pub(super) const STOP_LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Arena {
    // Dropped in this order: who looks, who runs, where.
    pub(super) watch: Watch,
    pub(super) pingers: Vec<Pinger>,
    pub(super) stalls: Stalls,
    pub(super) capture: Capture,
    /// What each router sends and hears, while a cable loses some of it.
    pub(super) listeners: Vec<Capture>,
    pub(super) routers: Vec<Router>,
    client: Arc<Host>,
    segment: Segment,
    pub(super) pace: Pace,
}

impl Arena {
    pub(super) fn set_up(options: &Options, random: &mut Random) -> Result<Self> {
        let Options { programs, pace, .. } = options;
        let pace = *pace;
        let segment = Segment::new()?;
        let count = u8::try_from(programs.len()).unwrap_or(u8::MAX);
        // Each virtual router has another best one, from a place that the seed says.
        let turn = u8::try_from(random.below(count.into())).unwrap_or_default();
        let mixed = programs.iter().map(Program::name).collect::<BTreeSet<_>>().len() > 1;
        let mut routers = Vec::new();
        for (number, program) in (0..).zip(programs) {
            let host = segment.host(&format!("router{}", number + 1))?;
            host.set_hop_limit(HOP_LIMIT_FIRST + number)?;
            let priority = |router: u8| 50 + 30 * ((number + router + turn) % count);
            let priorities = (0..pace.virtual_routers).map(priority).collect();
            let (program, advert_interval) = (program.clone(), pace.advert_interval);
            routers.push(Router {
                inventory: Inventory::at_first(&host)?,
                host,
                program,
                daemon: None,
                condition: Condition::Well,
                side: Side::Near,
                priorities,
                advert_interval,
                mixed,
            });
        }
        let client = segment.host("client")?;
        let hosts = routers.iter().map(|router| Arc::clone(&router.host)).collect();
        let watch = Watch::start(hosts, (0..pace.virtual_routers).map(address).collect())?;
        for router in &mut routers {
            router.start()?;
        }
        let pingers = (0..pace.virtual_routers)
            .map(|number| Pinger::start(&client, address(number), pace.ping_interval))
            .collect::<Result<_>>()?;
        let (stalls, capture) = (Stalls::start()?, Capture::start(&client)?);
        let listeners = Vec::new();
        Ok(Self { watch, pingers, stalls, capture, listeners, routers, client, segment, pace })
    }

    /// The faults of these kinds that can be made here, and what is said of the others.
    pub(super) fn possible(&self, kinds: Kinds) -> (Vec<Fault>, Vec<Lacking>) {
        let mut lacking = Vec::new();
        let mut can = |what: &'static str, possible: Result<()>, everywhere: bool| {
            possible
                .map_err(|error| lacking.push(Lacking { what, why: format!("{error:#}"), everywhere }))
                .is_ok()
        };
        let loss = can("loss", self.segment.can_lose(), true);
        let clock = can("clock steps", clock::possible(), clock::is_own());
        let possible = Fault::ALL.into_iter().filter(|fault| match fault {
            Fault::Loses(_) => loss,
            Fault::ClockStepped => clock,
            _ => true,
        });
        let possible = possible.filter(|fault| kinds.has(*fault));
        (possible.collect(), lacking)
    }

    pub(super) fn describe(&self, strike: Strike) -> String {
        let router = self.routers.get(usize::from(strike.router));
        let program = router.map_or("", |router| router.program.name());
        format!("router{} ({program}) {}", strike.router + 1, strike.fault)
    }

    /// Does it. What a router does wrong meanwhile is a violation.
    pub(super) fn strike(&mut self, strike: Strike, during: &str, report: &mut Report) -> Result<()> {
        let cut_off = self.cut_off(strike, false);
        let Self { routers, segment, pace, .. } = self;
        let router = routers.get_mut(usize::from(strike.router)).context("no such router")?;
        router.condition = strike.fault.condition();
        match strike.fault {
            Fault::PowerLoss => {
                segment.cut(&router.host)?;
                router.kill()?;
            }
            Fault::Killed => router.kill()?,
            Fault::Hang => router.daemon()?.signal_all(Signal::STOP)?,
            Fault::Hiccup => {
                let daemon = router.daemon()?;
                daemon.signal_all(Signal::STOP)?;
                std::thread::sleep(pace.hiccup());
                daemon.signal_all(Signal::CONT)?;
            }
            Fault::WorkerKilled => {
                let worker = router.daemon()?.vrrp_worker().context("no vrrp worker runs")?;
                send(worker, Signal::KILL);
            }
            Fault::SupervisorKilled => {
                let mut daemon = router.daemon.take().context("no daemon runs")?;
                daemon.signal(Signal::KILL);
                daemon.wait(STOP_LIMIT)?;
                if router.program.name() == "steadfast" {
                    // As a service manager does, and nothing else becomes of it. What is left of the first goes with its end.
                    router.start()?;
                    router.condition = Condition::Well;
                    let alone =
                        || daemon.processes().is_ok_and(|processes| processes.iter().eq([&daemon.pid()]));
                    anyhow::ensure!(wait::until(STOP_LIMIT, alone), "workers are not taken over");
                } else {
                    router.until_nothing_runs()?;
                }
            }
            Fault::Stopped => {
                router.daemon.take().context("no daemon runs")?.stop(STOP_LIMIT)?;
            }
            Fault::Isolated => segment.isolate(&router.host)?,
            Fault::Split => segment.split(&cut_off)?,
            Fault::Deaf => segment.deafen(&router.host)?,
            Fault::Unplugged => segment.cut(&router.host)?,
            Fault::AddressDeleted => {
                let there = router.host.addresses()?;
                // A backup has none: nothing can be deleted.
                if let Some(address) =
                    (0..pace.virtual_routers).map(address).find(|address| there.contains(address))
                {
                    router.host.withdraw("eth0", address, 32)?;
                }
            }
            Fault::ReloadStorm => {
                for what in router.reload_again_and_again(pace.settle_limit())? {
                    report.violation(during, Culprit::Program(router.program.clone()), what);
                }
            }
            Fault::Loses(ways) => segment.lose(&router.host, LOSS_PERCENT, ways)?,
            Fault::ClockStepped => clock::step(Way::Forwards)?,
        }
        Ok(())
    }

    /// Mends it.
    pub(super) fn mend(&mut self, strike: Strike) -> Result<()> {
        let cut_off = self.cut_off(strike, true);
        let Self { routers, segment, pace, .. } = self;
        let router = routers.get_mut(usize::from(strike.router)).context("no such router")?;
        router.condition = Condition::Well;
        match strike.fault {
            Fault::PowerLoss => {
                let there = router.host.addresses()?;
                for address in
                    (0..pace.virtual_routers).map(address).filter(|address| there.contains(address))
                {
                    router.host.withdraw("eth0", address, 32)?;
                }
                segment.restore(&router.host)?;
                router.start()?;
            }
            Fault::SupervisorKilled if router.daemon.is_some() => {}
            Fault::Killed | Fault::SupervisorKilled | Fault::Stopped => router.start()?,
            Fault::Hang => router.daemon()?.signal_all(Signal::CONT)?,
            Fault::Isolated => segment.rejoin(&router.host)?,
            Fault::Split => segment.unite(&cut_off)?,
            Fault::Deaf => segment.let_hear(&router.host)?,
            Fault::Unplugged => segment.restore(&router.host)?,
            Fault::Loses(_) => segment.lose_nothing(&router.host)?,
            Fault::ClockStepped => clock::step(Way::Back)?,
            Fault::Hiccup | Fault::WorkerKilled | Fault::AddressDeleted | Fault::ReloadStorm => {}
        }
        Ok(())
    }

    /// Notes who hears whom when a fault begins or ends, and tells whom it cuts off.
    fn cut_off(&mut self, strike: Strike, is_over: bool) -> Vec<Arc<Host>> {
        let count = u8::try_from(self.routers.len()).unwrap_or(u8::MAX);
        let mut hosts = Vec::new();
        for (number, side) in strike.cut_off(count) {
            if let Some(router) = self.routers.get_mut(usize::from(number)) {
                router.side = if is_over { Side::Near } else { side };
                hosts.push(Arc::clone(&router.host));
            }
        }
        hosts
    }

    /// Lets the client ask anew who has which address. Where announcements were lost it may ask the wrong one until its
    /// entry expires, which no router can know.
    pub(super) fn forget(&self) -> Result<()> {
        let forgotten = self.client.run(&["ip", "neighbour", "flush", "dev", "eth0"])?;
        anyhow::ensure!(forgotten.status.success(), "ip neighbour flush: {}", forgotten.output);
        Ok(())
    }

    /// Keeps what each router sends and hears from now on.
    pub(super) fn listen(&mut self) -> Result<()> {
        self.listeners =
            self.routers.iter().map(|router| Capture::start(&router.host)).collect::<Result<_>>()?;
        Ok(())
    }

    pub(super) fn watch_for(&self, time: Duration) {
        std::thread::sleep(time);
    }

    /// Stops everything; nothing may be left.
    pub(super) fn end(mut self, report: &mut Report) {
        let during = "the end";
        for router in &mut self.routers {
            let Some(mut daemon) = router.daemon.take() else { continue };
            let culprit = || Culprit::Program(router.program.clone());
            if let Err(error) = daemon.stop(STOP_LIMIT) {
                report.violation(during, culprit(), format!("{error:#}"));
            }
            let log = daemon.log();
            for line in log.lines().filter(|line| line.contains("panicked")) {
                report.violation(during, culprit(), format!("{}: {line}", router.host.name()));
            }
        }
        for router in &self.routers {
            let culprit = || Culprit::Program(router.program.clone());
            for difference in router.inventory.differences(&router.host) {
                report.violation(during, culprit(), difference);
            }
            if let Err(error) = router.until_nothing_runs() {
                report.violation(during, culprit(), format!("{error:#}"));
            }
        }
    }
}
