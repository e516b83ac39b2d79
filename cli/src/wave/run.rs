//! Requests are run and measured: all at once for the throughput, then one by one for the latency.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use idjag::{Exchange, Issued, NoRecord, Record, Refusal, Request};
use idjag_log::{Log, Options};

use crate::files::Source;
use crate::problem::Result;
use crate::requests::Line;

/// What became of the requests, and how long it took.
pub(crate) struct Run {
    /// The engine that gave the answers; it verifies the tokens.
    pub(crate) exchange: Exchange,
    /// The answers, in the order of the requests.
    pub(crate) answers: Vec<std::result::Result<Issued, Refusal>>,
    /// Of all exchanges at once, on all threads.
    pub(crate) took: Duration,
    pub(crate) threads: NonZero<usize>,
    pub(crate) latency: Latency,
    /// What a second engine answered, one by one: the verdicts must be those of the first.
    pub(crate) one_by_one: Tally,
}

/// How many were granted, and how many were refused with which slug.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) granted: usize,
    pub(crate) refused: BTreeMap<&'static str, usize>,
}

/// The times of one exchange, granted or refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Latency {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

impl Run {
    /// Runs `lines` twice, each time on a fresh engine, because an assertion is good for one exchange: at once, and one
    /// by one. With `now` the clock stands at that second, otherwise it is the system's. With `audit`, a record of the first
    /// run is kept in that folder.
    pub(crate) fn of(
        source: &Source,
        lines: &[Line],
        now: Option<i64>,
        threads: NonZero<usize>,
        audit: Option<&Path>,
    ) -> Result<Self> {
        let resources: Vec<Vec<&str>> = lines.iter().map(Line::resources).collect();
        let requests: Vec<Request<'_>> =
            lines.iter().zip(&resources).map(|(line, resources)| line.request(resources)).collect();

        let exchange = engine(source, now, audit)?;
        let began = Instant::now();
        let answers = exchange.exchange_many_on(&requests, threads);
        let took = began.elapsed();

        let (one_by_one, latency) = one_by_one(&engine(source, now, None)?, &requests, threads);
        Ok(Self { exchange, answers, took, threads, latency, one_by_one })
    }

    /// How many were granted, and how many were refused with which slug.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for answer in &self.answers {
            tally.add(answer);
        }
        tally
    }

    /// Tokens in each second of exchanging.
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
    pub(crate) fn exchanges_per_second(&self) -> f64 {
        let seconds = self.took.as_secs_f64();
        if seconds > 0.0 { self.tally().granted as f64 / seconds } else { 0.0 }
    }
}

impl Tally {
    /// All refusals.
    pub(crate) fn refusals(&self) -> usize {
        self.refused.values().sum()
    }

    pub(crate) fn add(&mut self, answer: &std::result::Result<Issued, Refusal>) {
        match answer {
            Ok(_) => self.granted += 1,
            Err(refusal) => *self.refused.entry(refusal.slug()).or_default() += 1,
        }
    }

    fn join(&mut self, other: Self) {
        self.granted += other.granted;
        for (slug, count) in other.refused {
            *self.refused.entry(slug).or_default() += count;
        }
    }
}

fn engine(source: &Source, now: Option<i64>, audit: Option<&Path>) -> Result<Exchange> {
    let record: Arc<dyn Record> = match audit {
        Some(folder) => Arc::new(Log::open(folder, &Options::of(source.config()?.issuer()))?),
        // Said, so that nobody is warned of it.
        None => Arc::new(NoRecord),
    };
    let builder = source.rehearsal()?.record(record);
    Ok(match now {
        // A rehearsal remembers whatever came before it, so that no assertion is too old for its memory.
        Some(now) => builder.clock(move || now).remembers_since(0).build()?,
        None => builder.build()?,
    })
}

fn one_by_one(exchange: &Exchange, requests: &[Request<'_>], threads: NonZero<usize>) -> (Tally, Latency) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut tally = Tally::default();
        let mut times = Vec::with_capacity(requests.len() / threads + 1);
        while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
            let began = Instant::now();
            let answer = exchange.exchange(request);
            times.push(began.elapsed());
            tally.add(&answer);
        }
        (tally, times)
    };
    let mut tally = Tally::default();
    let mut times = Vec::with_capacity(requests.len());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.get()).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let (theirs, took) = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            tally.join(theirs);
            times.extend(took);
        }
    });
    (tally, Latency::of(times))
}

impl Latency {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        // The nearest rank: the smallest time that so many of a hundred do not exceed.
        let percentile = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).copied().unwrap_or_default()
        };
        Self { p50: percentile(50), p99: percentile(99), max: percentile(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let of = |times: std::ops::RangeInclusive<u64>| {
            let Latency { p50, p99, max } = Latency::of(times.map(Duration::from_micros).collect());
            [p50, p99, max].map(|time| time.as_micros())
        };
        assert_eq!(of(1..=200), [100, 198, 200]);
        assert_eq!(of(7..=7), [7, 7, 7]);
        assert_eq!(Latency::of(Vec::new()), Latency::default());
    }
}
