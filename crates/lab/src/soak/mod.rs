//! A soak: a pair of routers while everything around them is as bad as can be arranged, and an ear on the wire.
//!
//! A second pair can run the reference on a switch of its own, in the same time and on the same machine. A bare timer
//! beside them tells what the kernel's scheduler alone delays.

mod configuration;
mod disk;
mod report;
mod stress;

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use steadfast_wire::vrrp::Vrid;

use self::configuration::Configuration;
pub use self::disk::lacking as disk_lacking;
pub use self::report::{Lateness, Report};
use self::stress::Stress;
use crate::capture::Capture;
use crate::daemon::Daemon;
use crate::host::Host;
use crate::program::Program;
use crate::segment::{Segment, address_v4};
use crate::stalls::Stalls;
use crate::wait;

/// Of every instance.
pub const ADVERT_INTERVAL: Duration = Duration::from_millis(100);
/// Instances of each pair.
pub const INSTANCES: u8 = 8;
const VRID_FIRST: u8 = 11;
/// How long the routers may take to come to rest at first.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// A capture keeps a bounded number of frames, so that a long soak is heard in pieces.
const PIECE: Duration = Duration::from_secs(20);

/// What no log of ours may hold after a soak.
const COMPLAINTS: [&str; 3] = ["panicked", "reload refused", "Unexpected argument"];

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// For how long.
    pub duration: Duration,
    /// What runs beside each other, each as a pair of its own.
    pub programs: Vec<Program>,
    /// The first of them watches over its master by BFD, and asks for the priority of real time, as the manual advises then.
    pub fast_detection: bool,
    /// Logs of steadfast are on a disk that stalls; see [`disk_lacking`].
    pub disk: bool,
}

/// Two routers and whoever listens.
struct Pair {
    program: Program,
    segment: Segment,
    master: Arc<Host>,
    configuration: Configuration,
    daemons: [Daemon; 2],
    ear: Arc<Host>,
}

/// Runs the pairs under stress until the time is over.
///
/// # Errors
/// When the hosts cannot be set up, or a pair does not come to rest before the stress begins.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<Report> {
    let pairs = options.programs.iter().enumerate();
    let pairs = pairs
        .map(|(number, program)| Pair::set_up(program, options.fast_detection && number == 0, options.disk))
        .collect::<Result<Vec<_>>>()?;
    let mut report = Report::new(options);
    let stalls = Stalls::start()?;
    let stress = pairs.iter().map(Stress::start).collect::<Result<Vec<_>>>()?;
    let begin = Instant::now();
    while begin.elapsed() < options.duration {
        let piece = Instant::now();
        let captures =
            pairs.iter().map(|pair| Capture::start_for_adverts(&pair.ear)).collect::<Result<Vec<_>>>()?;
        std::thread::sleep(PIECE.min(options.duration.saturating_sub(begin.elapsed())));
        for (number, (pair, capture)) in pairs.iter().zip(&captures).enumerate() {
            pair.listen(capture, piece, number, &mut report);
        }
        report.kernel(stalls.longest_since(piece));
        writeln!(out, "{:>6} s: {report}", begin.elapsed().as_secs())?;
        out.flush()?;
    }
    for stress in stress {
        report.stressed(stress.end());
    }
    for (number, pair) in pairs.iter().enumerate() {
        report.complaints(number, pair.complaints());
    }
    Ok(report)
}

impl Pair {
    fn set_up(program: &Program, watches: bool, disk: bool) -> Result<Self> {
        let segment = Segment::new()?;
        let (master, backup, ear) = (segment.host("master")?, segment.host("backup")?, segment.host("ear")?);
        let configuration = |host: &Host, priority| Configuration {
            program: program.clone(),
            name: host.name().to_owned(),
            priority,
            watches,
            disk: disk && matches!(program, Program::Steadfast(_)),
        };
        let of_master = configuration(&master, 200);
        let daemons = [of_master.start(&master)?, configuration(&backup, 100).start(&backup)?];
        let settled =
            || (0..INSTANCES).all(|number| master.has(address(number)) && !backup.has(address(number)));
        ensure!(
            wait::until(SETTLE_LIMIT, settled),
            "{} did not come to rest:\n{}",
            program.name(),
            daemons[0].log_tail()
        );
        Ok(Self { program: program.clone(), segment, master, configuration: of_master, daemons, ear })
    }

    /// Who said what since then, and how late.
    fn listen(&self, capture: &Capture, since: Instant, number: usize, report: &mut Report) {
        let own = IpAddr::from(address_v4(1));
        for instance in 0..INSTANCES {
            let Some(vrid) = Vrid::new(VRID_FIRST + instance) else { continue };
            let adverts = capture.adverts(vrid, since);
            let foreign = adverts.iter().filter(|(_, advert)| advert.source != own).count();
            report.failovers(number, foreign);
            let mine: Vec<Instant> =
                adverts.iter().filter(|(_, advert)| advert.source == own).map(|(at, _)| *at).collect();
            for gap in mine.windows(2) {
                if let [one, next] = gap {
                    report.gap(number, next.duration_since(*one));
                }
            }
        }
    }

    /// Lines of the logs that show a daemon that died, or one that did not get what a soak wants it to have.
    fn complaints(&self) -> Vec<String> {
        let logs = self.daemons.iter().map(Daemon::log);
        let lines = logs.flat_map(|log| log.lines().map(str::to_owned).collect::<Vec<_>>());
        lines
            .filter(|line| COMPLAINTS.iter().any(|words| line.contains(words)))
            .map(|line| format!("{}: {line}", self.program.name()))
            .collect()
    }
}

/// Of an instance.
fn address(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 9, 100 + number])
}
