//! Refusals of callers that proved nothing, of which anybody can make as many as they like: so many are lines of their own,
//! the others are counted, so that nobody fills a disk.

use std::time::{Duration, Instant};

use idjag::Reason;
use parking_lot::Mutex;

use crate::queue::Queue;

/// One line for each of these, over time.
const EACH: Duration = Duration::from_millis(50);
/// Lines that may come at once, after a quiet time.
const BURST: u32 = 2_000;
/// What was counted is a line after this long.
const SUMMED_AFTER: Duration = Duration::from_secs(1);

pub(crate) struct Sampler(Mutex<Inner>);

struct Inner {
    /// When all lines of the burst may come again.
    full_at: Instant,
    /// By reason: how many have no line of their own.
    counted: Vec<(Reason, u64)>,
    since: Instant,
}

impl Sampler {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self(Mutex::new(Inner { full_at: now, counted: Vec::new(), since: now }))
    }

    /// Whether a refusal gets a line; otherwise it is counted.
    pub(crate) fn admits(&self, reason: Reason, now: Instant) -> bool {
        let mut inner = self.0.lock();
        let full_at = inner.full_at.max(now) + EACH;
        if full_at <= now + EACH * BURST {
            inner.full_at = full_at;
            return true;
        }
        if inner.counted.is_empty() {
            inner.since = now;
        }
        match inner.counted.iter_mut().find(|(counted, _)| *counted == reason) {
            Some((_, count)) => *count += 1,
            // As many as there are reasons, at most.
            None => inner.counted.push((reason, 1)),
        }
        false
    }

    /// Queues a line for each reason that was counted, once that is a second old, or now where it is the `last` time.
    pub(crate) fn say_sums(&self, queue: &Queue, last: bool) {
        for (reason, count) in self.sums(Instant::now(), last) {
            // A queue that is full has shown that much came.
            let _ = queue.say("IJ101E", "refusals", |line| {
                line.text("reason", reason.slug());
                line.number("count", i64::try_from(count).unwrap_or(i64::MAX));
            });
        }
    }

    /// What was counted, where it is old enough.
    fn sums(&self, now: Instant, last: bool) -> Vec<(Reason, u64)> {
        let mut inner = self.0.lock();
        if !last && now.saturating_duration_since(inner.since) < SUMMED_AFTER {
            return Vec::new();
        }
        std::mem::take(&mut inner.counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_line_is_counted_and_nothing_is_lost() {
        let start = Instant::now();
        let sampler = Sampler::new();
        let late = start + Duration::from_secs(200);
        let admitted = |reason, number: u32| (0..number).filter(|_| sampler.admits(reason, late)).count();
        assert_eq!(admitted(Reason::ClientUnknown, 2_100), 2_000);
        assert_eq!(admitted(Reason::Expired, 7), 0);
        assert_eq!(sampler.sums(late, false), []);
        let second = late + SUMMED_AFTER;
        assert_eq!(sampler.sums(second, false), [(Reason::ClientUnknown, 100), (Reason::Expired, 7)]);
        assert_eq!(sampler.sums(second, true), []);
        let regained = (0..100).filter(|_| sampler.admits(Reason::Expired, second)).count();
        assert_eq!(regained, 20, "twenty a second");
        assert_eq!(sampler.sums(second, true), [(Reason::Expired, 80)]);
    }
}
