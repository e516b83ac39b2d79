//! When one thing is fetched: how long it is fresh, how long stale, when it is tried again. Arithmetic over a time that is
//! given, in milliseconds since 1970; nothing waits here.

use std::hash::{BuildHasher, RandomState};

/// How often, and how long. The defaults are the ones that hold; tests have others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// What is fetched is fresh for at least this, whatever it says of itself.
    pub least_fresh_ms: i64,
    /// For at most this.
    pub most_fresh_ms: i64,
    /// For this, where it says nothing.
    pub usual_fresh_ms: i64,
    /// What is no longer fresh still counts for this (`fetch.max_stale_s`).
    pub max_stale_ms: i64,
    /// Between two fetches for the sake of requests, at least; and after the first failure.
    pub interval_ms: i64,
    /// Between two fetches after many failures, at most.
    pub max_back_off_ms: i64,
    /// How long a request waits for a fetch.
    pub patience_ms: u64,
}

impl Pace {
    const USUAL: Self = Self {
        least_fresh_ms: 300_000,
        most_fresh_ms: 86_400_000,
        usual_fresh_ms: 3_600_000,
        max_stale_ms: 3_600_000,
        interval_ms: 30_000,
        max_back_off_ms: 900_000,
        patience_ms: 2_000,
    };
}

impl Default for Pace {
    fn default() -> Self {
        Self::USUAL
    }
}

/// Whether a request may have something fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// What is in place was fetched within the interval: nothing newer is to be had.
    Current,
    /// Yes.
    Now,
    /// In so many milliseconds.
    Later(i64),
}

/// The state of one thing that is fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// When what is in place was last known to be so.
    pub(crate) fetched: Option<i64>,
    pub(crate) fresh_until: i64,
    /// When it is fetched next without being asked for.
    pub(crate) due: i64,
    /// When a fetch last ended, however.
    pub(crate) tried: Option<i64>,
    /// How many in a row came to nothing.
    pub(crate) failures: u32,
}

impl Schedule {
    /// Of what was fetched earlier and kept.
    pub(crate) fn kept(fetched: i64, fresh_until: i64) -> Self {
        Self { fetched: Some(fetched), fresh_until, due: fresh_until, ..Self::default() }
    }

    /// It was fetched, and says that it is fresh for so many seconds. `dice` moves the next fetch forward by up to a tenth,
    /// so that what was fetched together is not fetched together for ever.
    pub(crate) fn succeeded(&mut self, now: i64, fresh_s: Option<i64>, pace: &Pace, dice: u64) {
        let says = fresh_s.map_or(pace.usual_fresh_ms, |seconds| seconds.saturating_mul(1_000));
        let fresh = says.max(pace.least_fresh_ms).min(pace.most_fresh_ms);
        self.fetched = Some(now);
        self.tried = Some(now);
        self.failures = 0;
        self.fresh_until = now.saturating_add(fresh);
        self.due = self.fresh_until.saturating_sub(share(fresh / 10, dice));
    }

    /// It came to nothing. The pause doubles each time, and is up to a fifth longer.
    pub(crate) fn failed(&mut self, now: i64, pace: &Pace, dice: u64) {
        let doubled = pace.interval_ms.saturating_mul(1 << self.failures.min(20));
        let pause = doubled.min(pace.max_back_off_ms);
        self.tried = Some(now);
        self.failures = self.failures.saturating_add(1);
        self.due = now.saturating_add(pause).saturating_add(share(pause / 5, dice));
        // Not to let what is in place end without another try.
        if let Some(end) = self.ends(pace).filter(|end| *end > now) {
            self.due = self.due.min(end);
        }
    }

    /// Other settings hold than when the next fetch was set down.
    pub(crate) fn hasten(&mut self, now: i64, pace: &Pace) {
        let latest = if self.failures > 0 { Some(now) } else { self.ends(pace) };
        self.due = latest.map_or(self.due, |latest| self.due.min(latest));
    }

    /// When what is in place no longer counts.
    pub(crate) fn ends(&self, pace: &Pace) -> Option<i64> {
        self.fetched.map(|_| self.fresh_until.saturating_add(pace.max_stale_ms))
    }

    /// Whether what is in place, if anything is, no longer counts.
    pub(crate) fn has_ended(&self, now: i64, pace: &Pace) -> bool {
        self.ends(pace).is_some_and(|end| end <= now)
    }

    /// Whether what is in place is as young as it should be.
    pub(crate) fn is_fresh(&self, now: i64) -> bool {
        self.fetched.is_some() && self.fresh_until > now
    }

    /// Nothing is in place any more.
    pub(crate) fn withdrawn(&mut self) {
        self.fetched = None;
    }

    /// Whether a request that misses something may have it fetched.
    pub(crate) fn ask(&self, now: i64, pace: &Pace) -> Ask {
        let Some(tried) = self.tried else {
            return Ask::Now;
        };
        let left = tried.saturating_add(pace.interval_ms).saturating_sub(now);
        if left <= 0 {
            Ask::Now
        } else if self.failures == 0 && self.fetched.is_some() {
            Ask::Current
        } else {
            Ask::Later(left)
        }
    }
}

/// A part of `whole`, by a throw of dice.
fn share(whole: i64, dice: u64) -> i64 {
    i64::try_from(dice).unwrap_or(0).checked_rem(whole.saturating_add(1)).unwrap_or(0)
}

/// A throw of dice. Nobody is kept from guessing it; only its spread counts.
pub(crate) fn dice() -> u64 {
    RandomState::new().hash_one(0) >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace::USUAL;

    #[test]
    fn freshness_is_what_the_answer_says_within_five_minutes_and_a_day() {
        for (says, fresh_ms) in [
            (None, 3_600_000),
            (Some(0), 300_000),
            (Some(299), 300_000),
            (Some(1_000), 1_000_000),
            (Some(1_000_000), 86_400_000),
            (Some(i64::MAX), 86_400_000),
        ] {
            for throw in [0, 1, 7_777, u64::MAX >> 1] {
                let mut schedule = Schedule::default();
                schedule.succeeded(5, says, &PACE, throw);
                assert_eq!(schedule.fresh_until, 5 + fresh_ms, "{says:?}");
                assert!(
                    (5 + fresh_ms - fresh_ms / 10..=5 + fresh_ms).contains(&schedule.due),
                    "{says:?} {throw}"
                );
            }
        }
        let throws: std::collections::HashSet<u64> = (0..64).map(|_| dice()).collect();
        assert!(throws.len() > 60, "the dice are loaded");
    }

    #[test]
    fn failures_back_off_and_the_end_of_staleness_is_not_slept_over() {
        let mut schedule = Schedule::default();
        schedule.succeeded(0, Some(300), &PACE, 0);
        let mut now = 300_000;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            schedule.failed(now, &PACE, 0);
            pauses.push((schedule.due - now) / 1_000);
            now = schedule.due;
            assert_eq!(schedule.has_ended(now, &PACE), now >= 3_900_000);
        }
        assert_eq!(pauses, [30, 60, 120, 240, 480, 900, 900, 870, 900]);
        schedule.withdrawn();
        assert!(!schedule.has_ended(now, &PACE), "there is nothing left to end");
        for _ in 0..100 {
            schedule.failed(now, &PACE, u64::MAX >> 1);
            assert!((900_000..=1_080_000).contains(&(schedule.due - now)));
        }
        schedule.succeeded(now, None, &PACE, 0);
        schedule.failed(now, &PACE, 0);
        assert_eq!(schedule.due - now, 30_000, "success starts again");
    }

    #[test]
    fn other_settings_hasten_what_failed_and_what_ends_before_it_is_due() {
        let mut schedule = Schedule::default();
        schedule.succeeded(0, None, &PACE, 0);
        let due = schedule.due;
        schedule.hasten(1, &PACE);
        assert_eq!(schedule.due, due, "it is fetched before it ends");
        schedule.hasten(1, &Pace { max_stale_ms: -1_000_000, ..PACE });
        assert_eq!(schedule.due, 2_600_000, "when it ends");
        schedule.failed(2_600_000, &PACE, 0);
        assert_eq!(schedule.due, 2_630_000);
        schedule.hasten(2_600_001, &PACE);
        assert_eq!(schedule.due, 2_600_001);
    }

    #[test]
    fn requests_have_one_fetch_within_an_interval() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.ask(0, &PACE), Ask::Now);
        schedule.succeeded(0, None, &PACE, 0);
        assert_eq!(schedule.ask(0, &PACE), Ask::Current);
        assert_eq!(schedule.ask(29_999, &PACE), Ask::Current);
        assert_eq!(schedule.ask(30_000, &PACE), Ask::Now);
        schedule.failed(30_000, &PACE, 0);
        assert_eq!(schedule.ask(30_000, &PACE), Ask::Later(30_000), "whether the key exists is not known");
        assert_eq!(schedule.ask(59_000, &PACE), Ask::Later(1_000));
        assert_eq!(schedule.ask(60_000, &PACE), Ask::Now);
        let kept = Schedule::kept(0, 100);
        assert_eq!((kept.ask(50, &PACE), kept.due), (Ask::Now, 100));
    }
}
