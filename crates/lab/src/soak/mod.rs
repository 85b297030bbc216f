//! A soak: a pair of routers while everything around them is as bad as can be arranged, and an ear on the wire.
//!
//! A second pair can run the reference on a switch of its own, in the same time and on the same machine. A bare timer
//! beside them tells what the kernel's scheduler alone delays.

mod configuration;
mod disk;
mod ear;
mod report;
mod stress;

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::configuration::Configuration;
pub use self::disk::lacking as disk_lacking;
use self::ear::Ear;
pub use self::report::{Lateness, Report};
use self::stress::Stress;
use crate::daemon::Daemon;
use crate::host::Host;
use crate::program::Program;
use crate::segment::Segment;
use crate::stalls::Stalls;
use crate::wait;
use anyhow::{Result, ensure};

/// Of every instance.
pub const ADVERT_INTERVAL: Duration = Duration::from_millis(100);
/// Instances of each pair.
pub const INSTANCES: u8 = 8;
const VRID_FIRST: u8 = 11;
/// How long the routers may take to come to rest at first.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// From one line about how it goes to the next. A capture keeps a bounded number of frames meanwhile.
const PIECE: Duration = Duration::from_secs(20);

/// What no log of ours may hold after a soak.
const COMPLAINTS: [&str; 3] = ["panicked", "reload refused", "Unexpected argument"];
/// What a log of ours says once for each reload.
const RELOADED: &str = "reload: ";
/// What a log of ours says when a session of `fast_detection` comes, and when it goes.
const WATCHES: &str = "BFD_Instance(fast_detection eth0) Entering Up";
const WATCHES_NO_MORE: &str = "BFD_Instance(fast_detection eth0) Entering Down";

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// For how long.
    pub duration: Duration,
    /// What runs beside each other, each as a pair of its own.
    pub programs: Vec<Program>,
    /// The first of them watches over its master by BFD, and asks for the priority of real time, as the manual advises where
    /// processors are overloaded.
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
    /// Octets of their logs that were read.
    read: [u64; 2],
    ear: Ear,
}

/// Runs the pairs under stress until the time is over.
///
/// # Errors
/// When the hosts cannot be set up, or a pair does not come to rest before the stress begins.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<Report> {
    let pairs = options.programs.iter().enumerate();
    let mut pairs = pairs
        .map(|(number, program)| Pair::set_up(program, options.fast_detection && number == 0, options.disk))
        .collect::<Result<Vec<_>>>()?;
    let mut report = Report::new(options);
    let stalls = Stalls::start()?;
    let stress = pairs.iter().map(Stress::start).collect::<Result<Vec<_>>>()?;
    let begin = Instant::now();
    while begin.elapsed() < options.duration {
        let piece = Instant::now();
        std::thread::sleep(PIECE.min(options.duration.saturating_sub(begin.elapsed())));
        for (pair, lateness) in pairs.iter_mut().zip(&mut report.pairs) {
            pair.ear.hear(&stalls, lateness);
            pair.read_logs(lateness)?;
        }
        report.kernel(stalls.longest_since(piece));
        writeln!(out, "{:>6} s: {report}", begin.elapsed().as_secs())?;
        out.flush()?;
    }
    for stress in stress {
        report.stressed(stress.end());
    }
    Ok(report)
}

impl Pair {
    fn set_up(program: &Program, watches: bool, disk: bool) -> Result<Self> {
        let segment = Segment::new()?;
        let (master, backup) = (segment.host("master")?, segment.host("backup")?);
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
        let watched = || !watches || daemons.iter().all(|daemon| daemon.log().contains(WATCHES));
        ensure!(
            wait::until(SETTLE_LIMIT, || settled() && watched()),
            "{} did not come to rest:\n{}",
            program.name(),
            daemons[0].log_tail()
        );
        let ear = Ear::of(&segment)?;
        Ok(Self {
            program: program.clone(),
            segment,
            master,
            configuration: of_master,
            daemons,
            read: [0; 2],
            ear,
        })
    }

    /// What only the logs tell, since the last call.
    fn read_logs(&mut self, lateness: &mut Lateness) -> Result<()> {
        for (number, (daemon, read)) in self.daemons.iter().zip(&mut self.read).enumerate() {
            for line in daemon.take_log(read)?.lines() {
                // The backup is told of none.
                lateness.reloads += usize::from(number == 0 && line.contains(RELOADED));
                lateness.watches_ended += usize::from(line.contains(WATCHES_NO_MORE));
                if COMPLAINTS.iter().any(|words| line.contains(words)) {
                    lateness.complaints.push(format!("{}: {line}", self.program.name()));
                }
            }
        }
        Ok(())
    }
}

/// Of an instance.
fn address(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 9, 100 + number])
}
