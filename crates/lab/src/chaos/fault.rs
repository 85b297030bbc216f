//! What can happen to a router.

use std::fmt;
use std::time::Duration;

use steadfast_time::Random;

use super::pace::Pace;
use crate::segment::Ways;

/// What a lossy cable loses of each kind of packet.
pub(super) const LOSS_PERCENT: u8 = 30;
/// So many times longer than others does a cable lose packets: three adverts in a row must have the time to be lost.
pub(super) const LOSS_LASTS: u32 = 3;

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
    /// The switch falls into two parts, with several routers on one of them at least; nobody sees it.
    Split,
    /// The switch lets nothing through to the router, which is heard.
    Deaf,
    /// The cable is pulled.
    Unplugged,
    /// Somebody deletes an address.
    AddressDeleted,
    /// Reloads, one after another.
    ReloadStorm,
    /// The cable loses packets.
    Loses(Ways),
    /// The wall clock of all steps forwards, and back when it is over.
    ClockStepped,
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
    /// Anything: announcements themselves may be lost, and no protocol sends them until they are heard.
    Open,
}

/// What becomes of a router while a fault lasts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Condition {
    /// It takes part.
    #[default]
    Well,
    /// It does nothing that others could notice.
    Away,
    /// It is heard and does not hear.
    Deaf,
    /// It hears, and is heard, of some adverts only: nobody can say who is the owner.
    Uncertain,
}

/// A part of the switch: those on the same one hear each other, and nobody else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// That of the client.
    #[default]
    Near,
    /// The other part of a switch that is split.
    Far,
    /// Nobody but this router, counted from zero.
    Alone(u8),
}

impl Strike {
    /// Whom it cuts off from the client, of so many routers, and where they are then. A switch that is split leaves the client half
    /// of them, the smaller half of an odd number: several that hear each other are the point of it.
    pub(super) fn cut_off(self, routers: u8) -> Vec<(u8, Side)> {
        match self.fault {
            Fault::Isolated => vec![(self.router, Side::Alone(self.router))],
            Fault::Split => {
                let far = (0..routers.div_ceil(2)).map(|next| (self.router + next) % routers);
                far.map(|router| (router, Side::Far)).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Fault {
    pub(super) const ALL: [Self; 17] = [
        Self::PowerLoss,
        Self::Killed,
        Self::Hang,
        Self::Hiccup,
        Self::WorkerKilled,
        Self::SupervisorKilled,
        Self::Stopped,
        Self::Isolated,
        Self::Split,
        Self::Deaf,
        Self::Unplugged,
        Self::AddressDeleted,
        Self::ReloadStorm,
        Self::Loses(Ways::Both),
        Self::Loses(Ways::ToHost),
        Self::Loses(Ways::FromHost),
        Self::ClockStepped,
    ];

    pub(super) const fn condition(self) -> Condition {
        match self {
            Self::PowerLoss
            | Self::Killed
            | Self::Hang
            | Self::SupervisorKilled
            | Self::Stopped
            | Self::Unplugged => Condition::Away,
            Self::Deaf => Condition::Deaf,
            Self::Loses(_) => Condition::Uncertain,
            Self::Hiccup
            | Self::WorkerKilled
            | Self::Isolated
            | Self::Split
            | Self::AddressDeleted
            | Self::ReloadStorm
            | Self::ClockStepped => Condition::Well,
        }
    }

    /// Deaf routers take what they may not have and give it back, which no protocol of the others can prevent.
    pub(super) const fn bound(self) -> Bound {
        match self {
            Self::PowerLoss
            | Self::Killed
            | Self::Hang
            | Self::Isolated
            | Self::Split
            | Self::Deaf
            | Self::Unplugged
            | Self::AddressDeleted => Bound::Failover,
            Self::Loses(_) => Bound::Open,
            Self::Hiccup
            | Self::WorkerKilled
            | Self::SupervisorKilled
            | Self::Stopped
            | Self::ReloadStorm
            | Self::ClockStepped => Bound::NoGap,
        }
    }

    /// What a client may notice of its end.
    pub(super) const fn bound_at_end(self) -> Bound {
        match self.bound() {
            // Two that both own an address hear each other again, and one gives way.
            Bound::Open => Bound::Failover,
            bound => bound,
        }
    }

    /// Whether it happens to all at once, and so to nobody beside another fault.
    pub(super) const fn is_of_all(self) -> bool {
        matches!(self, Self::ClockStepped | Self::Split)
    }

    pub(super) const fn loses(self) -> bool {
        matches!(self, Self::Loses(_))
    }
}

impl Bound {
    /// RFC 9568 section 6.1: three adverts and a skew time, after the last advert that was up to one interval old.
    pub(super) const fn longest(self, pace: Pace) -> Duration {
        match self {
            Self::NoGap => Duration::ZERO,
            Self::Failover => pace.master_down_max().saturating_add(pace.advert_interval),
            Self::Open => Duration::MAX,
        }
    }
}

/// Which faults are to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinds {
    /// Every one.
    Every,
    /// Those that the network and the clock of a kernel make, and some that addresses move by: for a slow kernel that
    /// others cannot disturb.
    OfAKernel,
}

impl Kinds {
    pub(super) const fn has(self, fault: Fault) -> bool {
        match self {
            Self::Every => true,
            Self::OfAKernel => matches!(
                fault,
                Fault::Loses(_)
                    | Fault::ClockStepped
                    | Fault::Isolated
                    | Fault::Split
                    | Fault::Unplugged
                    | Fault::AddressDeleted
            ),
        }
    }
}

/// Deals faults: each comes once before one comes again, so that even a short run has every kind.
#[derive(Debug)]
pub(super) struct Deck {
    all: Vec<Fault>,
    left: Vec<Fault>,
    turns: usize,
}

impl Deck {
    pub(super) const fn new(all: Vec<Fault>) -> Self {
        Self { all, left: Vec::new(), turns: 0 }
    }

    /// Whether each fault was dealt once.
    pub(super) const fn was_dealt(&self) -> bool {
        self.turns > 1 || self.turns == 1 && self.left.is_empty()
    }

    /// Any fault of any router.
    pub(super) fn deal(&mut self, random: &mut Random, routers: u8) -> Strike {
        if self.left.is_empty() {
            self.left.clone_from(&self.all);
            self.turns += 1;
        }
        let others: Vec<u8> = (0..routers).collect();
        self.take(random, &self.left.clone(), &others)
            .unwrap_or(Strike { fault: Fault::PowerLoss, router: 0 })
    }

    /// A fault of another router at the same time, if one is left. What all of them have they have for itself.
    pub(super) fn deal_beside(&mut self, random: &mut Random, routers: u8, first: Strike) -> Option<Strike> {
        let left: Vec<Fault> = self.left.iter().copied().filter(|fault| !fault.is_of_all()).collect();
        let others: Vec<u8> = (0..routers).filter(|router| *router != first.router).collect();
        (!first.fault.is_of_all()).then(|| self.take(random, &left, &others))?
    }

    fn take(&mut self, random: &mut Random, faults: &[Fault], routers: &[u8]) -> Option<Strike> {
        let fault = random.pick(faults).copied()?;
        self.left.retain(|left| *left != fault);
        Some(Strike { fault, router: random.pick(routers).copied()? })
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
            Self::Split => "is cut off together with others",
            Self::Deaf => "hears nothing",
            Self::Unplugged => "is unplugged",
            Self::AddressDeleted => "has an address deleted",
            Self::ReloadStorm => "reloads again and again",
            Self::ClockStepped => "has its wall clock stepped by an hour",
            Self::Loses(Ways::Both) => "loses much of what it hears and sends",
            Self::Loses(Ways::ToHost) => "loses much of what it hears",
            Self::Loses(Ways::FromHost) => "loses much of what it sends",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_and_each_of_them_soon() {
        let strikes = |seed| {
            let (mut random, mut deck) = (Random::new(seed), Deck::new(Fault::ALL.to_vec()));
            (0..4 * Fault::ALL.len()).map(|_| deck.deal(&mut random, 4)).collect::<Vec<_>>()
        };
        assert_eq!(strikes(7), strikes(7));
        assert_ne!(strikes(7), strikes(8));
        for turn in strikes(7).chunks(Fault::ALL.len()) {
            let faults: BTreeSet<Fault> = turn.iter().map(|strike| strike.fault).collect();
            assert_eq!(faults.len(), Fault::ALL.len());
        }
        let (mut random, mut deck) = (Random::new(7), Deck::new(Fault::ALL.to_vec()));
        for _ in Fault::ALL {
            assert!(!deck.was_dealt());
            deck.deal(&mut random, 4);
        }
        assert!(deck.was_dealt());
    }

    #[test]
    fn a_split_has_several_routers_on_a_side_and_one_on_each() {
        for (routers, router, far) in
            [(3, 1, vec![1, 2]), (4, 0, vec![0, 1]), (4, 3, vec![3, 0]), (5, 4, vec![4, 0, 1])]
        {
            let cut_off = Strike { fault: Fault::Split, router }.cut_off(routers);
            assert_eq!(cut_off, far.into_iter().map(|router| (router, Side::Far)).collect::<Vec<_>>());
        }
        let isolated = Strike { fault: Fault::Isolated, router: 2 };
        assert_eq!(isolated.cut_off(4), [(2, Side::Alone(2))]);
        assert!(Strike { fault: Fault::Deaf, router: 2 }.cut_off(4).is_empty());
    }

    #[test]
    fn two_at_once_are_of_two_routers_and_what_all_have_is_alone() {
        for seed in 0..50 {
            let (mut random, mut deck) = (Random::new(seed), Deck::new(Fault::ALL.to_vec()));
            let first = deck.deal(&mut random, 4);
            let second = deck.deal_beside(&mut random, 4, first);
            assert_eq!(second.is_none(), first.fault.is_of_all());
            if let Some(second) = second {
                assert!(second.router != first.router && !second.fault.is_of_all());
                assert_ne!(second.fault, first.fault);
            }
        }
    }
}
