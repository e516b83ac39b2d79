//! Time: the clock, and JSON's NumericDate (RFC 7519 section 2). The only file that asks the system what time it is.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::json::Value;

/// Where the time comes from: seconds since 1970-01-01T00:00:00Z, leap seconds ignored.
///
/// It is asked once for each call or batch. Expiry never runs backwards: the engine uses the larger of what it has seen
/// and what the clock says now.
pub trait Clock: Send + Sync {
    /// The time now, in whole seconds.
    fn now(&self) -> i64;

    /// The same in milliseconds: what the engine asks. They show in the record, nothing is decided by them; a clock that
    /// has none stands still for a second.
    fn now_ms(&self) -> i64 {
        self.now().saturating_mul(1000)
    }
}

impl<F: Fn() -> i64 + Send + Sync> Clock for F {
    fn now(&self) -> i64 {
        self()
    }
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    fn now_ms(&self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// When a call began: by the engine's clock, and for measuring how long it takes.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    /// Milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// By a clock that nobody sets; not asked where nothing is recorded.
    pub(crate) began: Option<Instant>,
}

impl Moment {
    /// Now, which the engine's clock shows as `at_ms`; `measured`: somebody wants to know how long the call takes.
    pub(crate) fn now(at_ms: i64, measured: bool) -> Self {
        Self { at_ms, began: measured.then(Instant::now) }
    }

    /// Seconds since 1970.
    pub(crate) const fn at(self) -> i64 {
        self.at_ms.div_euclid(1000)
    }
}

/// The latest time that was seen, in milliseconds since 1970.
pub(crate) struct Monotone(AtomicI64);

impl Monotone {
    pub(crate) const fn new(start: i64) -> Self {
        Self(AtomicI64::new(start))
    }

    /// The larger of `now` and every time seen before, without taking note of `now`.
    pub(crate) fn peek(&self, now: i64) -> i64 {
        self.0.load(Ordering::Relaxed).max(now)
    }

    /// The larger of `now` and every time seen before.
    pub(crate) fn at_least(&self, now: i64) -> i64 {
        // Of busy threads, most calls fall into a millisecond that was seen already; they only read.
        let seen = self.0.load(Ordering::Relaxed);
        if seen >= now {
            return seen;
        }
        self.0.fetch_max(now, Ordering::Relaxed).max(now)
    }
}

/// A point in time from a claim: whole seconds, and whether a fraction was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumericDate {
    seconds: i64,
    fraction: bool,
}

impl NumericDate {
    /// Reads a JSON number; strings, booleans and numbers that no clock shows are none.
    pub(crate) fn read(value: Value<'_, '_>) -> Option<Self> {
        if let Some(seconds) = value.integer() {
            return Some(Self { seconds, fraction: false });
        }
        let number = value.float()?;
        // 2^53: up to here every whole number of seconds is exact.
        if !(-9_007_199_254_740_992.0..=9_007_199_254_740_992.0).contains(&number) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was just checked")]
        let seconds = number.floor() as i64;
        Some(Self { seconds, fraction: number.fract() != 0.0 })
    }

    /// The whole second at or before the date: for ends, which are then never late.
    pub(crate) const fn floor(self) -> i64 {
        self.seconds
    }

    /// The whole second at or after the date: for beginnings, which are then never early.
    pub(crate) const fn ceil(self) -> i64 {
        self.seconds.saturating_add(self.fraction as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Memory, Parser};

    fn date(text: &str) -> Option<(i64, i64)> {
        let text = format!("{{\"t\":{text}}}");
        let (mut parser, mut memory) = (Parser::default(), Memory::default());
        let document = Document::read(text.as_bytes(), &mut parser, &mut memory).unwrap();
        let date = NumericDate::read(document.object().member("t").unwrap())?;
        Some((date.floor(), date.ceil()))
    }

    #[test]
    fn only_numbers_are_dates() {
        assert_eq!(date("1784527576"), Some((1_784_527_576, 1_784_527_576)));
        assert_eq!(date("1784527576.25"), Some((1_784_527_576, 1_784_527_577)));
        assert_eq!(date("1.784527576e9"), Some((1_784_527_576, 1_784_527_576)));
        assert_eq!(date("-1.5"), Some((-2, -1)));
        for text in ["\"1784527576\"", "true", "null", "[1]", "{}", "1e300", "18446744073709551615"] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn time_never_runs_backwards() {
        let clock = Monotone::new(10);
        assert_eq!(clock.at_least(9), 10);
        assert_eq!(clock.at_least(11), 11);
        assert_eq!(clock.at_least(10), 11);
        assert_eq!((clock.peek(10), clock.peek(12), clock.at_least(0)), (11, 12, 11));
    }
}
