//! The hosts, what runs on them, and what is done to them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;
use steadfast_time::Random;

use super::fault::{Bound, Condition, Fault, Strike};
use super::judge::{Candidate, Verdict, verdict};
use super::report::Report;
use crate::capture::{Capture, Content};
use crate::daemon::Daemon;
use crate::host::{Host, send};
use crate::ping::Pinger;
use crate::program::Program;
use crate::segment::Segment;
use crate::stalls::Stalls;
use crate::wait;
use crate::watch::Watch;

/// Of every instance.
pub(super) const ADVERT_INTERVAL: Duration = Duration::from_millis(100);
/// The longest master down interval (RFC 9568 section 6.1): three adverts and a skew time of less than one.
pub(super) const MASTER_DOWN_MAX: Duration = Duration::from_millis(400);

/// Virtual routers, each with an address and an order of preference of its own.
const VIRTUAL_ROUTERS: u8 = 4;
const VRID_FIRST: u8 = 51;
/// A virtual router that reloads bring and take away.
const VRID_EXTRA: u8 = 99;

const PING_INTERVAL: Duration = Duration::from_millis(2);
/// Time to live of what the first router sends; the next ones follow. So an answer tells whose it is.
const HOP_LIMIT_FIRST: u8 = 100;

/// How long anything may take to settle: some elections, and an advert or two that a busy machine loses.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);
/// How long a stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// What a busy machine adds to what a client notices, beside what is measured of its stalls.
const TOLERANCE: Duration = Duration::from_millis(50);
/// Each of the processes between a fault and an answer can meet the stall.
const STALLS_COUNT: u32 = 4;
/// The last answers that must be of the owner.
const ANSWERS_SETTLED: usize = 3;

/// Lines that are shown of what was seen.
const SEEN_MAX: usize = 60;

const RELOADS_OF_A_STORM: u32 = 6;
const RELOAD_PAUSE: Duration = Duration::from_millis(40);
/// Shorter than others wait by more than an advert.
const HICCUP: Duration = Duration::from_millis(120);

struct Router {
    host: Arc<Host>,
    program: Program,
    daemon: Option<Daemon>,
    condition: Condition,
    /// Of each virtual router.
    priorities: Vec<u8>,
    /// Other programs are among the routers.
    mixed: bool,
}

pub(super) struct Arena {
    // Dropped in this order: who looks, who runs, where.
    watch: Watch,
    pingers: Vec<Pinger>,
    stalls: Stalls,
    capture: Capture,
    routers: Vec<Router>,
    _client: Arc<Host>,
    segment: Segment,
}

impl Arena {
    pub(super) fn set_up(programs: &[Program], random: &mut Random) -> Result<Self> {
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
            let priorities = (0..VIRTUAL_ROUTERS).map(priority).collect();
            let program = program.clone();
            routers.push(Router {
                host,
                program,
                daemon: None,
                condition: Condition::Well,
                priorities,
                mixed,
            });
        }
        let client = segment.host("client")?;
        let hosts = routers.iter().map(|router| Arc::clone(&router.host)).collect();
        let watch = Watch::start(hosts, (0..VIRTUAL_ROUTERS).map(address).collect())?;
        for router in &mut routers {
            router.start()?;
        }
        let pingers = (0..VIRTUAL_ROUTERS)
            .map(|number| Pinger::start(&client, address(number), PING_INTERVAL))
            .collect::<Result<_>>()?;
        let (stalls, capture) = (Stalls::start()?, Capture::start(&client)?);
        Ok(Self { watch, pingers, stalls, capture, routers, _client: client, segment })
    }

    pub(super) fn describe(&self, strike: Strike) -> String {
        let router = self.routers.get(usize::from(strike.router));
        let program = router.map_or("", |router| router.program.name());
        format!("router{} ({program}) {}", strike.router + 1, strike.fault)
    }

    /// Does it.
    pub(super) fn strike(&mut self, strike: Strike) -> Result<()> {
        let Self { routers, segment, .. } = self;
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
                std::thread::sleep(HICCUP);
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
                router.until_nothing_runs()?;
            }
            Fault::Stopped => {
                router.daemon.take().context("no daemon runs")?.stop(STOP_LIMIT)?;
            }
            Fault::Isolated => segment.isolate(&router.host)?,
            Fault::Deaf => segment.deafen(&router.host)?,
            Fault::Unplugged => segment.cut(&router.host)?,
            Fault::AddressDeleted => {
                let there = router.host.addresses()?;
                // A backup has none: nothing can be deleted.
                if let Some(address) =
                    (0..VIRTUAL_ROUTERS).map(address).find(|address| there.contains(address))
                {
                    router.host.withdraw("eth0", address, 32)?;
                }
            }
            Fault::ReloadStorm => {
                for round in 0..RELOADS_OF_A_STORM {
                    let configuration = router.configuration(round % 2 == 0);
                    let daemon = router.daemon()?;
                    daemon.configure(&configuration)?;
                    daemon.signal(Signal::HUP);
                    std::thread::sleep(RELOAD_PAUSE);
                }
            }
        }
        Ok(())
    }

    /// Mends it.
    pub(super) fn mend(&mut self, strike: Strike) -> Result<()> {
        let Self { routers, segment, .. } = self;
        let router = routers.get_mut(usize::from(strike.router)).context("no such router")?;
        router.condition = Condition::Well;
        match strike.fault {
            Fault::PowerLoss => {
                let there = router.host.addresses()?;
                for address in (0..VIRTUAL_ROUTERS).map(address).filter(|address| there.contains(address)) {
                    router.host.withdraw("eth0", address, 32)?;
                }
                segment.restore(&router.host)?;
                router.start()?;
            }
            Fault::Killed | Fault::SupervisorKilled | Fault::Stopped => router.start()?,
            Fault::Hang => router.daemon()?.signal_all(Signal::CONT)?,
            Fault::Isolated => segment.rejoin(&router.host)?,
            Fault::Deaf => segment.let_hear(&router.host)?,
            Fault::Unplugged => segment.restore(&router.host)?,
            Fault::Hiccup | Fault::WorkerKilled | Fault::AddressDeleted | Fault::ReloadStorm => {}
        }
        Ok(())
    }

    pub(super) fn watch_for(&self, time: Duration) {
        std::thread::sleep(time);
    }

    /// Whether everything comes to be as the conditions want it.
    pub(super) fn judge_settled(&self, during: &str, report: &mut Report) {
        for number in 0..VIRTUAL_ROUTERS {
            let wanted = verdict(&self.candidates(number));
            if !wait::until(SETTLE_LIMIT, || self.is_settled(number, &wanted)) {
                let owners = self.owners(number);
                let answering = self.answering(number);
                report.violation(
                    during,
                    format!(
                        "{}: wanted {wanted:?}, there is {owners:?}, answering {answering:?}",
                        address(number)
                    ),
                );
            }
        }
    }

    fn is_settled(&self, number: u8, wanted: &Verdict) -> bool {
        let answering = self.answering(number);
        let answered =
            answering.iter().all(|router| router.is_some_and(|router| wanted.answer.contains(&router)));
        let enough = wanted.answer.is_empty() || (answering.len() == ANSWERS_SETTLED && answered);
        enough && self.owners(number) == wanted.owners
    }

    /// Of those that are not away.
    fn owners(&self, number: u8) -> Vec<u8> {
        let names = self.watch.owners(address(number));
        let routers = (0..).zip(&self.routers).filter(|(_, router)| router.condition != Condition::Away);
        routers
            .filter(|(_, router)| names.iter().any(|name| name == router.host.name()))
            .map(|(at, _)| at)
            .collect()
    }

    /// Who answered the last questions that had the time for an answer.
    fn answering(&self, number: u8) -> Vec<Option<u8>> {
        let Some(pinger) = self.pingers.get(usize::from(number)) else { return Vec::new() };
        let limits = pinger.last_hop_limits(ANSWERS_SETTLED);
        limits.into_iter().map(|limit| limit?.checked_sub(HOP_LIMIT_FIRST)).collect()
    }

    fn candidates(&self, number: u8) -> Vec<Candidate> {
        let candidate = |(at, router): (u8, &Router)| Candidate {
            router: at,
            priority: router.priorities.get(usize::from(number)).copied().unwrap_or_default(),
            condition: router.condition,
        };
        (0..).zip(&self.routers).map(candidate).collect()
    }

    /// How long the client was without an answer since then, of any address; longer than `bound` is a violation.
    pub(super) fn judge_outage(
        &self,
        during: &str,
        since: Instant,
        bound: Bound,
        report: &mut Report,
    ) -> Duration {
        let stall = self.stalls.longest_since(since);
        let limit = bound.longest() + TOLERANCE + stall * STALLS_COUNT;
        let mut worst = Duration::ZERO;
        for (number, pinger) in (0..).zip(&self.pingers) {
            let outage = pinger.longest_outage_since(since);
            worst = worst.max(outage);
            if outage > limit {
                let what = format!(
                    "{}: no answer for {outage:.1?}, allowed {limit:.1?} (the machine stalled for {stall:.1?})",
                    address(number)
                );
                report.violation(during, what + &self.seen(number, since));
            }
        }
        worst
    }

    /// What the client saw of a virtual router since then: who announced the address, and each advert that came from
    /// another than the one before.
    fn seen(&self, number: u8, since: Instant) -> String {
        let mut speaker = None;
        let lines = self.capture.select(since, |frame| {
            let what = match &frame.content {
                Content::Arp(message) if message.announces().map(IpAddr::from) == Some(address(number)) => {
                    format!("announced by {}", message.sender_hardware)
                }
                Content::Advert(advert) if advert.vrid.get() == VRID_FIRST + number => {
                    let now = Some((advert.source, advert.priority));
                    if std::mem::replace(&mut speaker, now) == now {
                        return None;
                    }
                    format!("advert from {} with priority {}", advert.source, advert.priority)
                }
                _ => return None,
            };
            Some(format!("\n    {:9.1?} {what}", frame.at.saturating_duration_since(since)))
        });
        lines.into_iter().take(SEEN_MAX).collect()
    }

    /// Stops everything; nothing may be left.
    pub(super) fn end(mut self, report: &mut Report) {
        let during = "the end";
        for router in &mut self.routers {
            let Some(mut daemon) = router.daemon.take() else { continue };
            if let Err(error) = daemon.stop(STOP_LIMIT) {
                report.violation(during, format!("{error:#}"));
            }
            let log = daemon.log();
            for line in log.lines().filter(|line| line.contains("panicked")) {
                report.violation(during, format!("{}: {line}", router.host.name()));
            }
        }
        for router in &self.routers {
            let there = router.host.addresses().unwrap_or_default();
            for left in (0..VIRTUAL_ROUTERS).map(address).filter(|address| there.contains(address)) {
                report.violation(during, format!("{left} is left on {}", router.host.name()));
            }
            if let Err(error) = router.until_nothing_runs() {
                report.violation(during, format!("{error:#}"));
            }
        }
    }
}

impl Router {
    fn start(&mut self) -> Result<()> {
        self.daemon = Some(Daemon::start(&self.host, &self.program, &self.configuration(false))?);
        Ok(())
    }

    fn daemon(&self) -> Result<&Daemon> {
        self.daemon.as_ref().with_context(|| format!("no daemon runs on {}", self.host.name()))
    }

    fn kill(&mut self) -> Result<()> {
        let daemon = self.daemon.take().context("no daemon runs")?;
        daemon.signal_all(Signal::KILL)?;
        drop(daemon);
        self.until_nothing_runs()
    }

    fn until_nothing_runs(&self) -> Result<()> {
        let gone =
            wait::until(STOP_LIMIT, || self.host.processes().is_ok_and(|processes| processes.is_empty()));
        anyhow::ensure!(gone, "processes are left on {}", self.host.name());
        Ok(())
    }

    fn configuration(&self, extra: bool) -> String {
        let name = self.host.name();
        let instances = (0..).zip(&self.priorities).map(|(number, priority)| {
            instance(&format!("V{number}"), VRID_FIRST + number, *priority, address(number))
        });
        let extra = extra.then(|| instance("EXTRA", VRID_EXTRA, 10, Ipv4Addr::new(10, 0, 9, 200).into()));
        let instances: String = instances.chain(extra).collect();
        // A keepalived that gives way to a better master says nothing otherwise, and the better one cannot know that clients
        // still ask the other.
        let speaks_up = if self.mixed { "    vrrp_higher_prio_send_advert\n" } else { "" };
        format!("global_defs {{\n    router_id {name}\n    vrrp_version 3\n{speaks_up}}}\n{instances}")
    }
}

fn instance(name: &str, vrid: u8, priority: u8, address: IpAddr) -> String {
    let interval = ADVERT_INTERVAL.as_secs_f64();
    format!(
        "vrrp_instance {name} {{
    state BACKUP
    interface eth0
    virtual_router_id {vrid}
    priority {priority}
    advert_int {interval}
    virtual_ipaddress {{
        {address}/32
    }}
}}
"
    )
}

/// Of a virtual router.
fn address(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 9, 100 + number).into()
}
