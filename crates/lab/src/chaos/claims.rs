//! Whether a router claimed an address although it had heard a better one.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// An advert of one virtual router as one of its routers sent or heard it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Advert {
    pub(super) at: Instant,
    pub(super) source: IpAddr,
    /// 0 when the sender gives up (RFC 9568 section 5.2.4).
    pub(super) priority: u8,
}

/// What may not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EarlyClaim {
    /// How long after the last advert of a better router.
    pub(super) after: Duration,
}

/// Times that a claim is measured by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Who heard a better router claims nothing for so long.
    pub(super) silence: Duration,
    /// What was on its way when a better one was heard, or is said while giving way.
    pub(super) crossing: Duration,
}

/// The claims of the router `own`, with this priority, that came too early after an advert of a better one: it becomes
/// master only when three adverts in a row were lost (RFC 9568 section 6.1, `Active_Down_Interval`).
/// `adverts` are what passed its interface, oldest first.
pub(super) fn early_claims(adverts: &[Advert], own: IpAddr, priority: u8, limits: Limits) -> Vec<EarlyClaim> {
    let mut better: Option<Advert> = None;
    // Since when a better one is heard while it was master.
    let mut gives_way: Option<Instant> = None;
    let mut master = false;
    let mut early = Vec::new();
    for advert in adverts {
        if advert.source != own {
            if advert.priority > priority {
                if master {
                    gives_way = Some(advert.at);
                }
                master = false;
                better = Some(*advert);
            } else if better.is_some_and(|better| better.source == advert.source) {
                // It gives up, or is no better any more.
                better = None;
            }
        } else if advert.priority == 0 {
            master = false;
        } else if !master {
            let crossed =
                gives_way.is_some_and(|since| advert.at.saturating_duration_since(since) <= limits.crossing);
            if crossed {
                continue;
            }
            if let Some(better) = better {
                let after = advert.at.saturating_duration_since(better.at);
                if after < limits.silence {
                    early.push(EarlyClaim { after });
                }
            }
            (master, gives_way) = (true, None);
        }
    }
    early
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LIMITS: Limits =
        Limits { silence: Duration::from_millis(250), crossing: Duration::from_millis(20) };
    const OWN: u8 = 1;
    const BETTER: u8 = 2;
    const WORSE: u8 = 3;

    /// Adverts at milliseconds, of one of the three, with a priority.
    fn judged(adverts: &[(u64, u8, u8)]) -> Vec<u128> {
        let address = |number| IpAddr::from(Ipv4Addr::new(10, 0, 0, number));
        let begin = Instant::now();
        let adverts: Vec<Advert> = adverts
            .iter()
            .map(|(at, source, priority)| Advert {
                at: begin + Duration::from_millis(*at),
                source: address(*source),
                priority: *priority,
            })
            .collect();
        let early = early_claims(&adverts, address(OWN), 100, LIMITS);
        early.into_iter().map(|claim| claim.after.as_millis()).collect()
    }

    #[test]
    fn a_claim_after_fewer_than_three_lost_adverts_is_early() {
        assert_eq!(judged(&[(0, BETTER, 200), (230, OWN, 100), (330, OWN, 100)]), [230]);
        assert_eq!(judged(&[(0, BETTER, 200), (345, OWN, 100)]), []);
        // It gave way, and three adverts later it had not been silent for long enough.
        assert_eq!(judged(&[(0, OWN, 100), (10, BETTER, 200), (110, BETTER, 200), (210, OWN, 100)]), [100]);
    }

    #[test]
    fn who_hears_no_better_one_may_claim() {
        assert_eq!(judged(&[(0, WORSE, 50), (10, OWN, 100)]), []);
        assert_eq!(judged(&[(0, BETTER, 200), (10, BETTER, 0), (20, OWN, 100)]), []);
        assert_eq!(judged(&[(0, OWN, 100), (100, OWN, 100)]), []);
    }

    #[test]
    fn last_words_are_no_claim() {
        assert_eq!(judged(&[(0, OWN, 100), (100, BETTER, 200), (105, OWN, 100), (200, BETTER, 200)]), []);
        assert_eq!(judged(&[(0, OWN, 100), (100, BETTER, 200), (105, OWN, 0), (200, BETTER, 200)]), []);
    }
}
