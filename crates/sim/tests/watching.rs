//! Masters that are watched over by BFD: no router takes over from one that lives, and one that is dead is replaced at
//! once, by the best that is left.

use std::time::Duration;

use steadfast_sim::Random;
use steadfast_sim::watching::{DELAY_MAX, DETECTION, INSTANCES, Mishap, NODES, Run, SETTLED, run};
use steadfast_vrrp::{InstanceId, Moment};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// All faults strike within this time after the first elections.
const STORM: Duration = Duration::from_secs(20);

fn silence() -> Duration {
    DETECTION.interval * u32::from(DETECTION.multiplier.get())
}

/// A pause, or what a successor needs to begin, that leaves room for the packet before it and the one after it.
fn short_pause() -> Duration {
    DETECTION.interval * u32::from(DETECTION.multiplier.get() - 1) - DELAY_MAX * 4
}

fn settled(run: &Run) {
    for instance in (0..INSTANCES).map(InstanceId) {
        assert_eq!(run.owners(instance), [0], "{instance:?}: {run:#?}");
    }
}

/// Faults that are no death, one after the other.
fn disturbances(random: &mut Random) -> Vec<(Duration, Mishap)> {
    let mut at = SETTLED;
    let mut mishaps = Vec::new();
    while at < SETTLED + STORM {
        at += SECOND + random.between(Duration::ZERO, SECOND);
        let backup = if random.permille(500) { 1 } else { 2 };
        let short = random.between(MS, short_pause());
        let long = random.between(MS, SECOND);
        let lost = u32::from(DETECTION.multiplier.get()) - 1;
        mishaps.push((
            at,
            match random.below(9) {
                0 => Mishap::Pause(0, short),
                1 => Mishap::Pause(backup, long),
                2 => Mishap::KillWorker(0, short),
                3 => Mishap::KillWorker(backup, long),
                4 => Mishap::Cut(backup, 0, long),
                5 => Mishap::Lose(0, backup, lost),
                6 => Mishap::Lose(backup, 0, 6),
                7 => Mishap::Reload(
                    usize::from(random.permille(500)) * 2,
                    random.between(DETECTION.interval, 50 * MS),
                ),
                _ => Mishap::PowerLoss(backup, long),
            },
        ));
    }
    mishaps
}

#[test]
fn nobody_takes_over_from_a_master_that_lives() {
    for seed in 0..100 {
        let mishaps = disturbances(&mut Random::new(seed));
        let run = run(seed, &mishaps);
        let changes: Vec<_> = run.changes_since(Moment::ZERO + SETTLED).collect();
        assert!(changes.is_empty(), "seed {seed}: {changes:#?}\n{:#?}", run.mishaps);
        settled(&run);
        assert!(
            run.up() >= 2 * (NODES - 1),
            "seed {seed}: sessions stay down: {:?} {:#?}",
            run.mishaps,
            run.sessions
        );
    }
}

#[test]
fn a_dead_master_is_replaced_at_once_by_the_best() {
    let skew = DETECTION.interval / 2;
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let dies = SETTLED + random.between(Duration::ZERO, SECOND);
        let run = run(seed, &[(dies, Mishap::PowerLoss(0, 12 * SECOND))]);
        let died = Moment::ZERO + dies;
        let limit = died + silence() + skew + DELAY_MAX * 4;
        let taken: Vec<_> =
            run.changes_since(died).filter(|change| change.owns && change.at <= limit).collect();
        assert!(taken.iter().all(|change| change.node == 1), "seed {seed}: {taken:#?}");
        assert_eq!(taken.len(), usize::try_from(INSTANCES).unwrap(), "seed {seed}: {:#?}", run.ownership);
        settled(&run);
    }
}

#[test]
fn a_planned_stop_is_no_death_and_everything_settles() {
    for seed in 0..60 {
        let run = run(seed, &[(SETTLED, Mishap::Restart(0, 2 * SECOND))]);
        // The skew time of the better backup after an advert of priority 0.
        let earliest = Moment::ZERO + SETTLED + Duration::from_millis(400);
        let soonest = run.changes_since(Moment::ZERO + SETTLED).find(|change| change.owns);
        assert!(
            soonest.is_some_and(|change| change.at > earliest && change.node == 1),
            "seed {seed}: {soonest:?}"
        );
        settled(&run);
    }
}

/// Whatever happens, the best owns everything in the end.
#[test]
fn storms_settle() {
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let mishaps: Vec<(Duration, Mishap)> = (0..random.below(30))
            .map(|_| {
                let at = SETTLED + random.between(Duration::ZERO, STORM);
                let mut node = || usize::from(random.permille(500)) * 2;
                let (one, other) = (node(), node());
                let span = random.between(MS, 3 * SECOND);
                (
                    at,
                    match random.below(7) {
                        0 => Mishap::Pause(one, span),
                        1 => Mishap::KillWorker(one, span / 10),
                        2 => Mishap::PowerLoss(one, span),
                        3 => Mishap::Cut(one, other, span),
                        4 => Mishap::Lose(one, other, 10),
                        5 => Mishap::Reload(one, random.between(5 * MS, 100 * MS)),
                        _ => Mishap::Restart(one, span),
                    },
                )
            })
            .collect();
        settled(&run(seed, &mishaps));
    }
}

#[test]
fn a_seed_tells_everything() {
    let mishaps = disturbances(&mut Random::new(3));
    assert_eq!(run(3, &mishaps), run(3, &mishaps));
}
