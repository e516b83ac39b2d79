//! One thing that is fetched, and what is known of it.

use std::sync::Arc;

use idjag::{KeyOwner, WantedKeys};

use crate::client::Got;
use crate::problem::Problem;
use crate::schedule::{Pace, Schedule, dice};
use crate::source::{Freshness, SourceState};

/// How long metadata counts, in milliseconds: then the next fetch asks it again.
const METADATA_MS: i64 = 86_400_000;

/// Longer than any fetch takes, in milliseconds.
const LONGEST_MS: i64 = 30_000;

/// What is fetched.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Keys for the engine, put when they came.
    Keys(WantedKeys),
    /// A client's document, or the key set at its origin: held until it is asked for.
    Document { url: String, local: bool },
}

/// What it is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Name<'a> {
    Keys(&'a KeyOwner),
    Document(&'a str),
}

impl Subject {
    pub(crate) fn name(&self) -> Name<'_> {
        match self {
            Self::Keys(wanted) => Name::Keys(&wanted.owner),
            Self::Document { url, .. } => Name::Document(url),
        }
    }

    /// Where it is, as it is written down.
    pub(crate) fn uri(&self) -> Option<&str> {
        match self {
            Self::Keys(wanted) => wanted.uri.as_deref(),
            Self::Document { url, .. } => Some(url),
        }
    }

    /// Whether it may be at a private or loopback address.
    pub(crate) fn local(&self) -> bool {
        match self {
            Self::Keys(wanted) => wanted.local,
            Self::Document { local, .. } => *local,
        }
    }
}

/// One thing that is fetched.
pub(crate) struct Entry {
    pub(crate) subject: Arc<Subject>,
    pub(crate) schedule: Schedule,
    /// What the metadata said, and until when that counts.
    discovered: Option<Box<(Arc<str>, i64)>>,
    etag: Option<Box<str>>,
    /// A hash of what is in place, to see whether something else came.
    pub(crate) digest: Option<u64>,
    /// A document.
    pub(crate) body: Option<Arc<[u8]>>,
    pub(crate) is_asked: bool,
    pub(crate) is_in_flight: bool,
    /// How many requests wait for it.
    pub(crate) waiting: u16,
    /// How many fetches ended.
    pub(crate) ended: u64,
    pub(crate) problem: Option<Box<Problem>>,
    /// Whether what is in place was kept from an earlier run.
    is_kept: bool,
}

/// What a thread goes and gets.
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) subject: Arc<Subject>,
    /// Where it is; none: the metadata is to be asked.
    pub(crate) uri: Option<Arc<str>>,
    pub(crate) etag: Option<Box<str>>,
    pub(crate) is_scheduled: bool,
    pub(crate) is_failing: bool,
}

/// What a thread came back with.
pub(crate) struct Finished {
    pub(crate) job: Job,
    /// Where it was, and what came.
    pub(crate) got: Result<(Arc<str>, Got), Problem>,
}

/// What a fetch came to.
pub(crate) enum Ended {
    Failed,
    /// What was there before is what is there now.
    Confirmed,
    /// A key set, which is in place.
    Came(Vec<u8>),
}

impl Entry {
    /// Of what is due at once.
    pub(crate) fn new(subject: Subject, now: i64) -> Self {
        Self {
            subject: Arc::new(subject),
            schedule: Schedule { due: now, ..Schedule::default() },
            discovered: None,
            etag: None,
            digest: None,
            body: None,
            is_asked: false,
            is_in_flight: false,
            waiting: 0,
            ended: 0,
            problem: None,
            is_kept: false,
        }
    }

    /// What was kept from an earlier run is in place.
    pub(crate) fn restore(&mut self, digest: u64, schedule: Schedule) {
        (self.digest, self.schedule, self.is_kept) = (Some(digest), schedule, true);
    }

    /// Sends for it. Keys that may be taken away before an answer comes are asked for whole: nothing would be left to confirm.
    pub(crate) fn begin(&mut self, id: u64, now: i64, pace: &Pace) -> Job {
        let are_keys = matches!(*self.subject, Subject::Keys(_));
        let ends_soon = are_keys && self.schedule.has_ended(now.saturating_add(LONGEST_MS), pace);
        self.is_in_flight = true;
        let is_scheduled = !std::mem::take(&mut self.is_asked);
        let discovered =
            self.discovered.as_ref().filter(|found| found.1 > now).map(|found| Arc::clone(&found.0));
        Job {
            id,
            uri: self.subject.uri().map(Arc::from).or(discovered),
            subject: Arc::clone(&self.subject),
            etag: self.etag.clone().filter(|_| !ends_soon),
            is_scheduled,
            is_failing: self.schedule.failures > 0,
        }
    }

    /// Takes note of what came. What is to be put was put by now.
    pub(crate) fn end(
        &mut self,
        finished: Finished,
        now: i64,
        pace: &Pace,
        digest: impl FnOnce(&[u8]) -> u64,
    ) -> Ended {
        self.is_in_flight = false;
        self.ended = self.ended.wrapping_add(1);
        let mut ended = Ended::Confirmed;
        let failed = match finished.got {
            Err(problem) => Some(problem),
            Ok((_, Got { body: None, .. })) if self.schedule.fetched.is_none() => Some(Problem::Status(304)),
            Ok((uri, got)) => {
                if self.subject.uri().is_none() && finished.job.uri.is_none() {
                    self.discovered = Some(Box::new((uri, now.saturating_add(METADATA_MS))));
                }
                self.etag =
                    got.etag.map(Box::from).or_else(|| self.etag.take().filter(|_| got.body.is_none()));
                if let Some(body) = got.body {
                    self.digest = Some(digest(&body));
                    match *self.subject {
                        Subject::Keys(_) => ended = Ended::Came(body),
                        Subject::Document { .. } => self.body = Some(body.into()),
                    }
                }
                self.is_kept = false;
                self.schedule.succeeded(now, got.fresh_s, pace, dice());
                None
            }
        };
        if failed.is_some() {
            // The metadata may name another place by now.
            self.discovered = None;
            self.schedule.failed(now, pace, dice());
            ended = Ended::Failed;
        }
        self.problem = failed.map(Box::new);
        ended
    }

    /// Somebody else put it. What is fetched next is put over it, whether it is what was fetched before or not.
    pub(crate) fn put(&mut self, now: i64, pace: &Pace) {
        self.ended = self.ended.wrapping_add(1);
        self.schedule.succeeded(now, None, pace, dice());
        (self.etag, self.digest, self.is_kept, self.problem) = (None, None, false, None);
    }

    /// Nothing counts any more.
    pub(crate) fn withdraw(&mut self) {
        self.schedule.withdrawn();
        (self.etag, self.digest, self.body, self.is_kept) = (None, None, None, false);
    }

    /// For whoever looks after it; none of a document.
    pub(crate) fn state(&self, now: i64, pace: &Pace) -> Option<SourceState> {
        let Subject::Keys(wanted) = &*self.subject else {
            return None;
        };
        let freshness = match self.schedule.fetched {
            Some(_) if self.schedule.has_ended(now, pace) => Freshness::Absent,
            Some(_) if self.schedule.fresh_until > now => Freshness::Fresh,
            Some(_) => Freshness::Stale,
            None => Freshness::Absent,
        };
        let discovered = || self.discovered.as_ref().map(|found| found.0.to_string());
        Some(SourceState {
            owner: wanted.owner.clone(),
            uri: wanted.uri.clone().or_else(discovered),
            freshness,
            age_s: self.schedule.fetched.map(|fetched| now.saturating_sub(fetched).div_euclid(1_000)),
            is_kept: self.is_kept,
            next_s: self.schedule.due.saturating_sub(now).div_euclid(1_000),
            fetches: self.ended,
            failures: self.schedule.failures,
            last_error: self.problem.as_ref().map(ToString::to_string),
        })
    }
}
