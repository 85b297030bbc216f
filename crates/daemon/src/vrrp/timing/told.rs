//! How often is told of sessions that nobody configured. Whoever is on a link can make some and take them up and down as fast
//! as packets go.

use std::collections::BTreeMap;
use std::time::Duration;

use steadfast_bfd::SessionId;
use steadfast_vrrp::Moment;

/// Turns of one session that are told in a row.
pub(super) const TURNS_TOLD_MAX: u32 = 12;
/// Then one more is told each time after so long.
pub(super) const TURN_AGAIN: Duration = Duration::from_secs(30);

/// By session, of which there are few ([`steadfast_detection::WATCHERS_MAX`]); numbers are given again.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<SessionId, Allowance>);

#[derive(Debug)]
struct Allowance {
    left: u32,
    /// When `left` was right.
    at: Moment,
    /// It was said that turns are left out.
    quiet: bool,
}

/// Whether a turn is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell {
    Yes,
    /// And that others are left out from here on.
    Last,
    No,
}

impl Told {
    /// Such a session has begun or ended.
    pub(super) fn turn(&mut self, session: SessionId, now: Moment) -> Tell {
        let fresh = || Allowance { left: TURNS_TOLD_MAX, at: now, quiet: false };
        let allowance = self.0.entry(session).or_insert_with(fresh);
        allowance.refill(now);
        let Some(left) = allowance.left.checked_sub(1) else { return Tell::No };
        allowance.left = left;
        if left == 0 && !std::mem::replace(&mut allowance.quiet, true) { Tell::Last } else { Tell::Yes }
    }
}

impl Allowance {
    fn refill(&mut self, now: Moment) {
        let spans = now.since(self.at).as_nanos() / TURN_AGAIN.as_nanos();
        let gained = u32::try_from(spans).unwrap_or(u32::MAX);
        if self.left.saturating_add(gained) >= TURNS_TOLD_MAX {
            *self = Self { left: TURNS_TOLD_MAX, at: now, quiet: false };
        } else {
            self.left += gained;
            self.at = self.at + TURN_AGAIN * gained;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment::from_nanos(1 << 40);

    #[test]
    fn a_session_that_turns_a_thousand_times_a_second_is_told_of_some_times_and_then_seldom() {
        let mut told = Told::default();
        let turn = |told: &mut Told, millisecond| {
            told.turn(SessionId(7), START + Duration::from_millis(millisecond))
        };
        let answers: Vec<Tell> = (0..20_000).map(|at| turn(&mut told, at)).collect();
        let most = usize::try_from(TURNS_TOLD_MAX).unwrap();
        assert!(answers[..most - 1].iter().all(|tell| *tell == Tell::Yes));
        assert_eq!(answers[most - 1], Tell::Last);
        assert!(answers[most..].iter().all(|tell| *tell == Tell::No));
        let told_of = (20_000..3_620_000).filter(|at| turn(&mut told, *at) != Tell::No).count();
        assert_eq!(told_of, 120, "twice a minute for an hour");
        assert_eq!(told.turn(SessionId(8), START), Tell::Yes, "another session has its own");
        let later = START + Duration::from_secs(7_200);
        assert_eq!(told.turn(SessionId(7), later), Tell::Yes);
        let answers: Vec<Tell> = (0..20).map(|_| told.turn(SessionId(7), later)).collect();
        assert_eq!(answers.iter().filter(|tell| **tell == Tell::Last).count(), 1, "that is said anew");
    }
}
