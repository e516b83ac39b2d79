//! The threads that fetch what is due or asked for, and put what came.
//!
//! A thread that waits for a slow owner keeps nobody else waiting: there are several, some of which only requests may have,
//! and what failed the last time gets no more than half of them.

use std::sync::Arc;
use std::time::Duration;

use idjag::Exchange;

use crate::client::Got;
use crate::entry::{Ended, Finished, Job, Subject};
use crate::metadata;
use crate::problem::Problem;
use crate::shared::Shared;
use crate::table::Table;

/// Threads, at most. They are started when there is work, and all but one end when there is none.
const MAX_WORKERS: usize = 32;
/// How long a thread that is not the last waits for work.
const IDLE: Duration = Duration::from_secs(5);
/// The longest sleep of the last one.
const NAP: Duration = Duration::from_secs(60);
/// How often somebody looks whether what is being fetched has stopped to count, in milliseconds.
const SWEEP_MS: i64 = 500;
/// Stack of a thread, in bytes: TLS, and JSON of bounded depth.
const STACK: usize = 1 << 20;

impl Shared {
    /// Wakes an idle thread, or starts one where there is none.
    pub(crate) fn hire(self: &Arc<Self>, table: &mut Table) {
        if table.idle > 0 {
            self.work.notify_one();
            return;
        }
        if table.workers >= MAX_WORKERS || table.stopped {
            return;
        }
        let shared = Arc::clone(self);
        let thread = std::thread::Builder::new().name("idjag-fetch".to_owned()).stack_size(STACK);
        // Where there is no thread to be had now, the next who has work tries again.
        if thread.spawn(move || shared.run()).is_ok() {
            table.workers += 1;
        }
    }

    /// The life of a thread.
    fn run(self: Arc<Self>) {
        let mut table = self.table.lock();
        while !table.stopped {
            if table.swept.saturating_add(SWEEP_MS) <= self.now() && table.may_end(self.now()) {
                drop(table);
                self.sweep();
                table = self.table.lock();
            }
            if let Some(job) = table.take(self.now(), &self.pace()) {
                // One more, for what is to be done; and to look whether all of it takes too long.
                if table.has_work(self.now()) || table.idle == 0 {
                    self.hire(&mut table);
                }
                drop(table);
                let got = self.fetch(&job);
                self.finish(Finished { job, got });
                table = self.table.lock();
                continue;
            }
            let is_last = table.workers <= 1;
            let longest = if is_last { NAP } else { IDLE };
            // What is due and not taken has to wait for others, which say when they are done.
            let until_due =
                table.next_due().map(|due| due.saturating_sub(self.now())).filter(|wait| *wait > 0);
            let until_due = if table.may_end(self.now()) { Some(SWEEP_MS) } else { until_due };
            let wait = until_due.and_then(|ms| u64::try_from(ms).ok()).map_or(longest, Duration::from_millis);
            table.idle += 1;
            let timed_out = self.work.wait_for(&mut table, wait.min(longest)).timed_out();
            table.idle = table.idle.saturating_sub(1);
            if timed_out && table.workers > 1 && !table.may_end(self.now()) && !table.has_work(self.now()) {
                break;
            }
        }
        table.workers = table.workers.saturating_sub(1);
    }

    /// Takes away what has stopped to count.
    fn sweep(&self) {
        let putting = self.putting.lock();
        let (now, settings) = (self.now(), self.settings());
        let mut table = self.table.lock();
        if table.stopped {
            return;
        }
        table.swept = now;
        let ended = table.end(now, &settings.pace);
        drop(table);
        if ended.is_empty() {
            return;
        }
        if let Some(engine) = self.engine() {
            let ended: Vec<_> = ended.into_iter().map(|owner| (owner, None)).collect();
            engine.put_fetched(&ended);
        }
        drop(putting);
    }

    fn fetch(&self, job: &Job) -> Result<(Arc<str>, Got), Problem> {
        let settings = self.settings();
        let (getter, local) = (&settings.getter, job.subject.local());
        let uri = match (&job.uri, &*job.subject) {
            (Some(uri), _) => Arc::clone(uri),
            (None, Subject::Keys(keys)) => metadata::discover(getter, keys.owner.name(), local)?.into(),
            (None, Subject::Document { url, .. }) => Arc::from(url.as_str()),
        };
        let got = getter.get(&uri, local, job.etag.as_deref())?;
        Ok((uri, got))
    }

    /// Puts what came, together with whatever came meanwhile, and tells who waits.
    fn finish(&self, finished: Finished) {
        self.finished.lock().push(finished);
        let putting = self.putting.lock();
        let mut batch = std::mem::take(&mut *self.finished.lock());
        if batch.is_empty() {
            return;
        }
        let has_stopped = self.table.lock().stopped;
        let engine = if has_stopped { None } else { self.engine() };
        if let Some(engine) = &engine {
            self.put(engine, &mut batch);
        }
        let (now, settings) = (self.now(), self.settings());
        let (mut keep, mut ended) = (Vec::new(), Vec::new());
        let mut table = self.table.lock();
        for finished in batch {
            let id = finished.job.id;
            table.done(&finished.job);
            // What is no longer wanted is gone from the table.
            let Some(entry) = table.entry_mut(id) else {
                continue;
            };
            let came = match entry.end(finished, now, &settings.pace, |body| self.digest(body)) {
                Ended::Failed => None,
                Ended::Confirmed => Some(None),
                Ended::Came(jwks) => Some(Some(jwks)),
            };
            keep.extend(came.map(|jwks| (Arc::clone(&entry.subject), entry.schedule.clone(), jwks)));
            if entry.schedule.has_ended(now, &settings.pace) {
                entry.withdraw();
                if let Subject::Keys(keys) = &*entry.subject {
                    ended.push((keys.owner.clone(), None));
                }
            }
            table.line_up(id);
        }
        drop(table);
        if let Some(engine) = engine.filter(|_| !ended.is_empty()) {
            engine.put_fetched(&ended);
        }
        drop(putting);
        self.ended.notify_all();
        self.work.notify_one();
        for (subject, schedule, jwks) in keep {
            settings.keep(&subject, &schedule, jwks.as_deref());
        }
    }

    /// Puts the key sets among `batch` that are not what is in place already. One that cannot be used becomes a problem.
    fn put(&self, engine: &Exchange, batch: &mut [Finished]) {
        let table = self.table.lock();
        let is_new = |finished: &Finished, body: &[u8]| {
            let entry = table.entry(finished.job.id);
            entry.is_some_and(|entry| entry.digest != Some(self.digest(body)))
        };
        let (mut places, mut sets) = (Vec::new(), Vec::new());
        for (at, finished) in batch.iter().enumerate() {
            if let (Subject::Keys(keys), Ok((_, Got { body: Some(body), .. }))) =
                (&*finished.job.subject, &finished.got)
                && is_new(finished, body)
            {
                places.push(at);
                sets.push((keys.owner.clone(), Some(body.as_slice())));
            }
        }
        drop(table);
        if sets.is_empty() {
            return;
        }
        let answers = engine.put_fetched(&sets);
        drop(sets);
        for (at, answer) in places.into_iter().zip(answers) {
            if let (Err(why), Some(finished)) = (answer, batch.get_mut(at)) {
                finished.got = Err(Problem::Keys(why.message().to_owned()));
            }
        }
    }
}
