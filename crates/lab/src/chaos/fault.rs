//! What can happen to a router.

use std::fmt;
use std::time::Duration;

use steadfast_time::Random;

use super::arena::{ADVERT_INTERVAL, MASTER_DOWN_MAX};

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// The machine is off: cable and processes at once. It comes back without any virtual address.
    PowerLoss,
    /// Every process of the daemon is killed; the machine goes on, with the addresses that it has.
    Killed,
    /// Every process is halted, for longer than others wait.
    Hang,
    /// Every process is halted, for less.
    Hiccup,
    /// The worker of VRRP is killed.
    WorkerKilled,
    /// The first process is killed.
    SupervisorKilled,
    /// A planned stop.
    Stopped,
    /// The switch lets nothing through, and the router does not see it.
    Isolated,
    /// The switch lets nothing through to the router, which is heard.
    Deaf,
    /// The cable is pulled.
    Unplugged,
    /// Somebody deletes an address.
    AddressDeleted,
    /// Reloads, one after another.
    ReloadStorm,
}

/// A fault of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) fault: Fault,
    /// Counted from zero.
    pub(super) router: u8,
}

/// What a client may notice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bound {
    /// Nothing: whoever gives up does it when another has taken over.
    #[default]
    NoGap,
    /// That a master went without a word.
    Failover,
}

/// What becomes of a router while a fault lasts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Condition {
    /// It takes part.
    #[default]
    Well,
    /// It does nothing that others could notice.
    Away,
    /// It takes part on a side of its own.
    Alone,
    /// It is heard and does not hear.
    Deaf,
}

impl Fault {
    pub(super) const ALL: [Self; 12] = [
        Self::PowerLoss,
        Self::Killed,
        Self::Hang,
        Self::Hiccup,
        Self::WorkerKilled,
        Self::SupervisorKilled,
        Self::Stopped,
        Self::Isolated,
        Self::Deaf,
        Self::Unplugged,
        Self::AddressDeleted,
        Self::ReloadStorm,
    ];

    pub(super) const fn condition(self) -> Condition {
        match self {
            Self::PowerLoss
            | Self::Killed
            | Self::Hang
            | Self::SupervisorKilled
            | Self::Stopped
            | Self::Unplugged => Condition::Away,
            Self::Isolated => Condition::Alone,
            Self::Deaf => Condition::Deaf,
            Self::Hiccup | Self::WorkerKilled | Self::AddressDeleted | Self::ReloadStorm => Condition::Well,
        }
    }

    /// Deaf routers take what they may not have and give it back, which no protocol of the others can prevent.
    pub(super) const fn bound(self) -> Bound {
        match self {
            Self::PowerLoss
            | Self::Killed
            | Self::Hang
            | Self::Isolated
            | Self::Deaf
            | Self::Unplugged
            | Self::AddressDeleted => Bound::Failover,
            Self::Hiccup
            | Self::WorkerKilled
            | Self::SupervisorKilled
            | Self::Stopped
            | Self::ReloadStorm => Bound::NoGap,
        }
    }
}

impl Bound {
    /// RFC 9568 section 6.1: three adverts and a skew time, after the last advert that was up to one interval old.
    pub(super) const fn longest(self) -> Duration {
        match self {
            Self::NoGap => Duration::ZERO,
            Self::Failover => MASTER_DOWN_MAX.saturating_add(ADVERT_INTERVAL),
        }
    }
}

impl Strike {
    /// Any fault of any router but `spared`.
    pub(super) fn choose(random: &mut Random, routers: u8, spared: Option<u8>) -> Self {
        let others: Vec<u8> = (0..routers).filter(|router| Some(*router) != spared).collect();
        let fault = random.pick(&Fault::ALL).copied().unwrap_or(Fault::PowerLoss);
        Self { fault, router: random.pick(&others).copied().unwrap_or_default() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PowerLoss => "loses power",
            Self::Killed => "has every process killed",
            Self::Hang => "hangs",
            Self::Hiccup => "hangs for a moment",
            Self::WorkerKilled => "has its worker killed",
            Self::SupervisorKilled => "has its supervisor killed",
            Self::Stopped => "is stopped",
            Self::Isolated => "is cut off without seeing it",
            Self::Deaf => "hears nothing",
            Self::Unplugged => "is unplugged",
            Self::AddressDeleted => "has an address deleted",
            Self::ReloadStorm => "reloads again and again",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_and_seeds_give_all() {
        let strikes = |seed| {
            let mut random = Random::new(seed);
            (0..200).map(|_| Strike::choose(&mut random, 4, Some(2))).collect::<Vec<_>>()
        };
        assert_eq!(strikes(7), strikes(7));
        assert_ne!(strikes(7), strikes(8));
        let faults: BTreeSet<Fault> = strikes(7).iter().map(|strike| strike.fault).collect();
        assert_eq!(faults.len(), Fault::ALL.len());
        assert!(strikes(7).iter().all(|strike| strike.router < 4 && strike.router != 2));
    }
}
