//! The measures: each sets a stage, runs one program on it and gives its figures.

use std::fmt;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use steadfast_lab::capture::Capture;
use steadfast_lab::ping::Pinger;
use steadfast_lab::segment::address_v4;
use steadfast_lab::{Daemon, Host, Program, Segment, Signal, wait};
use steadfast_wire::vrrp::Vrid;

use crate::configuration::{routers, services, single_router};
use crate::flood::Stranger;
use crate::speaker::Speaker;
use crate::switches::{INSTANCES_MAX, OF_AN_INTERFACE, Switches, interfaces};
use crate::table::Figure;
use crate::{flood, floor, takeover, usage};

/// Priorities of the router that is master at first, and of its backup.
pub(crate) const HIGH: u8 = 200;
pub(crate) const LOW: u8 = 100;
/// How long a program may take for what it has to do.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// After a start, until nothing of it is left to be done.
pub(crate) const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// Between two looks at the addresses: each takes the lock of the kernel that adding one takes.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// Pace of the client.
const PING: Duration = Duration::from_millis(1);
/// Times the configuration is read again.
const RELOADS: u32 = 3;
const SECOND: Duration = Duration::from_secs(1);
const TENTH: Duration = Duration::from_millis(100);
const HUNDREDTH: Duration = Duration::from_millis(10);

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// Processor time a sent advert, and memory: masters at 1 s
    Masters,
    /// Processor time a received advert: backups at 1 s
    Backups,
    /// The same at 0.1 s
    BackupsFast,
    /// From the start to the last address, beyond the protocol's own wait: 4 addresses each
    Start,
    /// The same with 20 addresses each
    StartMany,
    /// What a client misses when the master's cable is cut, at 10 ms
    PowerLossFast,
    /// The same at 100 ms
    PowerLoss,
    /// What a client misses when the master hangs, at 10 ms
    HangFast,
    /// The same at 100 ms
    Hang,
    /// What a client misses when the master is stopped, at 100 ms
    StopFast,
    /// The same at 1 s
    Stop,
    /// Longest gap between two adverts while the configuration is read again: masters at 1 s
    Reload,
    /// From the master's power loss to the last of its addresses at the backup, adverts at 1 s: with fast_detection
    FastDetection,
    /// From the power loss of a BFD peer at 5 ms to the address at the backup
    Session,
    /// Longest gap between adverts while 1,000 addresses come to a router
    ManyAddresses,
    /// Adverts of a stranger, 10,000 a second: without the trailer of auth_hmac
    FloodHmac,
    /// The same, with a wrong authentication header
    FloodAh,
    /// The same, from no unicast peer
    FloodUnicast,
    /// The same, with a TTL of 254
    FloodTtl,
    /// Testing a configuration of 5,000 virtual servers with 20 real servers each (12 MB)
    TestLarge,
    /// Testing one of the virtual routers and 1,000 virtual servers with 8 real servers each (1 MB)
    TestSmall,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) instances: u16,
    /// Over which processor time is counted.
    pub(crate) seconds: u64,
}

/// What befalls a master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Cut,
    Hang,
    Stop,
}

impl Measure {
    /// One run of one program.
    pub(crate) fn of(self, program: &Program, size: Size) -> Result<Vec<Figure>> {
        let several = matches!(self, Self::Masters | Self::Backups | Self::BackupsFast);
        ensure!(
            several || size.instances <= OF_AN_INTERFACE,
            "expected at most {OF_AN_INTERFACE} instances, found {}: only masters and backups have several interfaces",
            size.instances
        );
        match self {
            Self::Masters => masters(program, size),
            Self::Backups => backups(program, size, SECOND),
            Self::BackupsFast => backups(program, size, TENTH),
            Self::Start => start(program, size, 4),
            Self::StartMany => start(program, size, 20),
            Self::PowerLossFast => outage(program, Fault::Cut, HUNDREDTH),
            Self::PowerLoss => outage(program, Fault::Cut, TENTH),
            Self::HangFast => outage(program, Fault::Hang, HUNDREDTH),
            Self::Hang => outage(program, Fault::Hang, TENTH),
            Self::StopFast => outage(program, Fault::Stop, TENTH),
            Self::Stop => outage(program, Fault::Stop, SECOND),
            Self::Reload => reload(program, size),
            Self::FastDetection => takeover::fast_detection(program, size),
            Self::Session => takeover::session(program),
            Self::ManyAddresses => takeover::many_addresses(program),
            Self::FloodHmac => flood::flood(program, Stranger::WithoutTrailer, size),
            Self::FloodAh => flood::flood(program, Stranger::WrongHeader, size),
            Self::FloodUnicast => flood::flood(program, Stranger::NoPeer, size),
            Self::FloodTtl => flood::flood(program, Stranger::FarAway, size),
            Self::TestLarge => test(program, &services(5_000, 20)),
            Self::TestSmall => test(program, &(routers(size.instances, LOW, 1.0, 1) + &services(1_000, 8))),
        }
    }
}

fn masters(program: &Program, size: Size) -> Result<Vec<Figure>> {
    let switches = Switches::of(size.instances)?;
    let daemon = become_masters(&switches.host("router")?, program, size.instances, 1)?;
    std::thread::sleep(SETTLED_AFTER);
    let used = processor_time_while(&daemon, size.seconds)?;
    let memory = usage::memory_kib(&daemon)?;
    drop(daemon);
    let floor = floor::of_sending(&switches.host("floor")?, 2, size.instances, size.seconds)?;
    let advert = an_advert(used, size, SECOND);
    Ok(vec![
        Figure::new("processor time an advert sent, µs", advert),
        Figure::new("a bare loop that sends the same, µs", floor),
        Figure::new("times the bare loop", advert / floor),
        Figure::new("memory of all processes (PSS), KiB", memory),
    ])
}

fn backups(program: &Program, size: Size, interval: Duration) -> Result<Vec<Figure>> {
    let switches = Switches::of(size.instances)?;
    let host = switches.host("router")?;
    let peer = switches.host("peer")?;
    let _speaker = Speaker::start(&peer, 2, size.instances, interval)?;
    let configuration = routers(size.instances, LOW, interval.as_secs_f64(), 1);
    let daemon = start_daemon(&host, program, &configuration)?;
    std::thread::sleep(SETTLED_AFTER + master_down(interval));
    let used = processor_time_while(&daemon, size.seconds)?;
    let wrongly_held = held(&host);
    ensure!(wrongly_held == 0, "{wrongly_held} backups took over from a master that speaks");
    drop(daemon);
    let floor = floor::of_receiving(&host, size.instances, interval, size.seconds)?;
    let advert = an_advert(used, size, interval);
    Ok(vec![
        Figure::new("processor time an advert received, µs", advert),
        Figure::new("a bare loop that receives the same, µs", floor),
        Figure::new("times the bare loop", advert / floor),
    ])
}

fn start(program: &Program, size: Size, addresses: u8) -> Result<Vec<Figure>> {
    let segment = Segment::new()?;
    let host = segment.host("router")?;
    let begin = Instant::now();
    let _daemon = become_masters(&host, program, size.instances, addresses)?;
    let took = begin.elapsed();
    Ok(vec![Figure::new(
        "beyond the protocol's wait, s",
        took.as_secs_f64() - master_down(SECOND).as_secs_f64(),
    )])
}

fn outage(program: &Program, fault: Fault, interval: Duration) -> Result<Vec<Figure>> {
    let segment = Segment::new()?;
    let [high, low, client] = [segment.host("high")?, segment.host("low")?, segment.host("client")?];
    let on_the_segment = address_v4(100);
    let virtual_address = IpAddr::V4(on_the_segment);
    let configuration = |priority| single_router(priority, interval.as_secs_f64(), on_the_segment);
    let master = start_daemon(&high, program, &configuration(HIGH))?;
    ensure!(wait::until(LIMIT, || high.has(virtual_address)), "nobody became master:\n{}", master.log_tail());
    let _backup = start_daemon(&low, program, &configuration(LOW))?;
    std::thread::sleep(SETTLED_AFTER + master_down(interval));
    let pinger = Pinger::start(&client, virtual_address, PING)?;
    ensure!(pinger.answered_within(LIMIT), "the virtual address does not answer");
    let since = Instant::now();
    match fault {
        Fault::Cut => segment.cut(&high)?,
        Fault::Hang => master.signal_all(Signal::STOP)?,
        Fault::Stop => master.signal(Signal::TERM),
    }
    ensure!(wait::until(LIMIT, || low.has(virtual_address)), "the backup did not take over");
    std::thread::sleep(master_down(interval));
    ensure!(pinger.answered_within(LIMIT), "the virtual address does not answer any more");
    let limit = match fault {
        Fault::Cut | Fault::Hang => master_down(interval),
        Fault::Stop => skew(interval),
    };
    let name = format!("longest time without an answer, ms (limit {:.1})", milliseconds(limit));
    Ok(vec![Figure::new(name, milliseconds(pinger.longest_outage_since(since)))])
}

fn reload(program: &Program, size: Size) -> Result<Vec<Figure>> {
    let segment = Segment::new()?;
    let listener = segment.host("listener")?;
    let daemon = become_masters(&segment.host("router")?, program, size.instances, 1)?;
    std::thread::sleep(SETTLED_AFTER);
    let capture = Capture::start(&listener)?;
    let since = Instant::now();
    for _ in 0..RELOADS {
        std::thread::sleep(2 * SECOND);
        daemon.signal(Signal::HUP);
    }
    std::thread::sleep(2 * SECOND);
    let (mut longest, mut given_up) = (Duration::ZERO, 0_u32);
    let numbers = (1..=size.instances).filter_map(|number| u8::try_from(number).ok());
    for vrid in numbers.filter_map(Vrid::new) {
        let adverts = capture.adverts(vrid, since);
        ensure!(adverts.len() > 1, "virtual router {vrid} fell silent:\n{}", daemon.log_tail());
        given_up += u32::from(adverts.iter().any(|(_, advert)| advert.priority.get() == 0));
        let gaps = adverts.iter().zip(adverts.iter().skip(1)).map(|((one, _), (next, _))| *next - *one);
        longest = longest.max(gaps.max().unwrap_or_default());
    }
    Ok(vec![
        Figure::new("longest gap between two adverts, ms", milliseconds(longest)),
        Figure::new("virtual routers that were given up", given_up.into()),
    ])
}

/// Its memory is the high-water mark, read until the process ends: that of its own text and data, whoever started it.
fn test(program: &Program, configuration: &str) -> Result<Vec<Figure>> {
    let segment = Segment::new()?;
    let host = segment.host("router")?;
    host.write("/run/test.conf", configuration)?;
    let mut command = Command::new(program.path());
    command.args(["-n", "-l", "-f", "/run/test.conf", "-t"]).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    let mut child = host.spawn(&mut command)?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    let (status, took) = loop {
        if let Some(status) = child.try_wait()? {
            break (status, begin.elapsed());
        }
        peak_kib = peak_kib.max(usage::kib_field(&status_file, "VmHWM:").unwrap_or(0));
        if begin.elapsed() > LIMIT {
            child.kill()?;
            bail!("the test takes longer than {LIMIT:?}");
        }
        std::thread::sleep(Duration::from_micros(200));
    };
    ensure!(status.success(), "the test refuses its configuration: {status}");
    Ok(vec![
        Figure::new("wall time, s", took.as_secs_f64()),
        Figure::new("peak memory, KiB", f64::from(peak_kib)),
    ])
}

/// Without -D: the writing of a log is not what is measured.
pub(crate) fn start_daemon(host: &Arc<Host>, program: &Program, configuration: &str) -> Result<Daemon> {
    let detailed = Daemon::command(host, program, configuration)?;
    let mut command = Command::new(detailed.get_program());
    command.args(detailed.get_args().filter(|argument| *argument != "-D"));
    Daemon::spawn(host, program.name(), command)
}

/// A daemon on a host of its own that holds every address.
fn become_masters(host: &Arc<Host>, program: &Program, instances: u16, addresses: u8) -> Result<Daemon> {
    let configuration = routers(instances, LOW, 1.0, addresses);
    let daemon = start_daemon(host, program, &configuration)?;
    let wanted = usize::from(instances) * usize::from(addresses);
    let is_complete = || {
        std::thread::sleep(BETWEEN_LOOKS);
        held(host) == wanted
    };
    ensure!(
        wait::until(LIMIT, is_complete),
        "{} of {wanted} addresses after {LIMIT:?}:\n{}",
        held(host),
        daemon.log_tail()
    );
    Ok(daemon)
}

/// How many virtual addresses a host has.
pub(crate) fn held(host: &Arc<Host>) -> usize {
    let last = interfaces(INSTANCES_MAX);
    let is_virtual = |address: &IpAddr| match address {
        IpAddr::V4(address) => matches!(address.octets(), [10, second, ..] if (1..=last).contains(&second)),
        IpAddr::V6(_) => false,
    };
    host.addresses().unwrap_or_default().iter().filter(|address| is_virtual(address)).count()
}

fn processor_time_while(daemon: &Daemon, seconds: u64) -> Result<Duration> {
    let before = usage::processor_time(daemon)?;
    std::thread::sleep(Duration::from_secs(seconds));
    let used = usage::processor_time(daemon)?.checked_sub(before);
    used.context("a process of the daemon ended while it was measured")
}

/// Microseconds an advert, of which each virtual router has one each interval.
fn an_advert(used: Duration, size: Size, interval: Duration) -> f64 {
    let adverts = f64::from(size.instances) * Duration::from_secs(size.seconds).div_duration_f64(interval);
    used.as_secs_f64() * 1e6 / adverts
}

/// Skew time of the backup (RFC 9568 section 6.1).
fn skew(interval: Duration) -> Duration {
    interval * (256 - u32::from(LOW)) / 256
}

/// Master down interval of the backup (the same section).
fn master_down(interval: Duration) -> Duration {
    interval * 3 + skew(interval)
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
