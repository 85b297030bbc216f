//! What a soak came to.

use std::fmt;
use std::time::{Duration, Instant};

use super::Options;
use super::stress::Done;

/// What the wire may not see in a pair of steadfast, on a scheduler that is fair.
pub(super) const LATE: Duration = Duration::from_millis(20);

/// How late the adverts of a pair were.
#[derive(Debug, Clone, Default)]
pub struct Lateness {
    /// What runs.
    pub program: &'static str,
    /// Adverts that followed another.
    pub adverts: u64,
    /// So late that it counts.
    pub late: u64,
    /// The latest.
    pub worst: Duration,
    /// So late even without what a bare timer was late at that time.
    pub late_alone: u64,
    /// Adverts of the backup: it had become master.
    pub failovers: usize,
    /// Reloads that the master did, of us: it makes one of several that wait.
    pub reloads: usize,
    /// Times that a session of `fast_detection` went down.
    pub watches_ended: usize,
    /// Lines of logs that tell of a panic, or of a load that was refused.
    pub complaints: Vec<String>,
}

/// What a soak came to.
#[derive(Debug)]
pub struct Report {
    began: Instant,
    /// For each pair, in the order of the options.
    pub pairs: Vec<Lateness>,
    /// The longest that a bare timer was late.
    pub kernel: Duration,
    done: Done,
    disk: bool,
}

impl Report {
    pub(super) fn new(options: &Options) -> Self {
        let pairs = options
            .programs
            .iter()
            .map(|program| Lateness { program: program.name(), ..Lateness::default() });
        Self {
            began: Instant::now(),
            pairs: pairs.collect(),
            kernel: Duration::ZERO,
            done: Done::default(),
            disk: options.disk,
        }
    }

    pub(super) fn kernel(&mut self, late: Duration) {
        self.kernel = self.kernel.max(late);
    }

    /// Whether everything that was to be done was done, and so often that it could matter.
    pub fn was_stressed(&self) -> bool {
        let Done { packets, links, many_addresses, disk_stalls } = self.done;
        let seconds = self.began.elapsed().as_secs();
        let reloads = self.pairs.first().map_or(0, |pair| pair.reloads);
        // Less than half of what a busy machine does, each.
        packets > seconds * 1_000
            && links > seconds
            && reloads > 3
            && many_addresses >= seconds / 30
            && (disk_stalls > seconds / 5 || !self.disk)
    }

    pub(super) fn stressed(&mut self, done: Done) {
        self.done.packets += done.packets;
        self.done.links += done.links;
        self.done.many_addresses += done.many_addresses;
        self.done.disk_stalls += done.disk_stalls;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        for pair in &self.pairs {
            let Lateness { program, adverts, late, late_alone, worst, failovers, .. } = pair;
            let worst = milliseconds(*worst);
            let limit = LATE.as_millis();
            write!(
                f,
                "{program}: {adverts} adverts, {late} more than {limit} ms late, {late_alone} of them later than a bare timer by as \
                 much, the latest {worst:.1} ms, {failovers} of the backup; "
            )?;
        }
        write!(f, "a bare timer: {:.1} ms", milliseconds(self.kernel))?;
        let Done { packets, links, many_addresses, disk_stalls } = self.done;
        if packets + links + disk_stalls > 0 {
            let seconds = self.began.elapsed().as_secs();
            let reloads: usize = self.pairs.iter().map(|pair| pair.reloads).sum();
            let watches_ended: usize = self.pairs.iter().map(|pair| pair.watches_ended).sum();
            write!(
                f,
                " ({packets} malformed packets, {links} links, {reloads} reloads, many addresses {many_addresses} times, \
                 {disk_stalls} stalls of a disk and {watches_ended} ends of a watch in {seconds} s)"
            )?;
        }
        Ok(())
    }
}
