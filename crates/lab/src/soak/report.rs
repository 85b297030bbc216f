//! What a soak came to.

use std::fmt;
use std::time::{Duration, Instant};

use super::stress::Done;
use super::{ADVERT_INTERVAL, Options};

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
    /// Adverts of the backup: it had become master.
    pub failovers: usize,
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

    pub(super) fn gap(&mut self, pair: usize, gap: Duration) {
        let Some(pair) = self.pairs.get_mut(pair) else { return };
        let late = gap.saturating_sub(ADVERT_INTERVAL);
        pair.adverts += 1;
        pair.late += u64::from(late > LATE);
        pair.worst = pair.worst.max(late);
    }

    pub(super) fn failovers(&mut self, pair: usize, adverts: usize) {
        if let Some(pair) = self.pairs.get_mut(pair) {
            pair.failovers += adverts;
        }
    }

    pub(super) fn complaints(&mut self, pair: usize, lines: Vec<String>) {
        if let Some(pair) = self.pairs.get_mut(pair) {
            pair.complaints = lines;
        }
    }

    pub(super) fn kernel(&mut self, late: Duration) {
        self.kernel = self.kernel.max(late);
    }

    /// Whether everything that was to be done was done at all.
    pub fn was_stressed(&self) -> bool {
        let Done { packets, links, reloads, many_addresses, disk_stalls } = self.done;
        packets > 0 && links > 0 && reloads > 0 && many_addresses > 0 && (disk_stalls > 0 || !self.disk)
    }

    pub(super) fn stressed(&mut self, done: Done) {
        self.done.packets += done.packets;
        self.done.links += done.links;
        self.done.reloads += done.reloads;
        self.done.many_addresses += done.many_addresses;
        self.done.disk_stalls += done.disk_stalls;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        for pair in &self.pairs {
            let Lateness { program, adverts, late, worst, failovers, .. } = pair;
            let worst = milliseconds(*worst);
            let limit = LATE.as_millis();
            write!(
                f,
                "{program}: {adverts} adverts, {late} more than {limit} ms late, the latest {worst:.1} ms, \
                 {failovers} of the backup; "
            )?;
        }
        write!(f, "a bare timer: {:.1} ms", milliseconds(self.kernel))?;
        let Done { packets, links, reloads, many_addresses, disk_stalls } = self.done;
        if packets + links + reloads + disk_stalls > 0 {
            let seconds = self.began.elapsed().as_secs();
            write!(
                f,
                " ({packets} malformed packets, {links} links, {reloads} reloads, many addresses {many_addresses} times and \
                 {disk_stalls} stalls of a disk in {seconds} s)"
            )?;
        }
        Ok(())
    }
}
