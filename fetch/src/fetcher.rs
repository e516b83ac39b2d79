//! The fetcher: the threads that fetch what is due or asked for, and the requests that wait for them.
//!
//! A request with a known key never comes here. One whose key is missing asks ([`KeySource`]): it starts the one fetch of
//! that owner, or joins it, and waits for it within bounds. Everything else is fetched when it is due. A thread that waits
//! for a slow owner keeps nobody else waiting: there are several, some of which only requests may have, and what failed the
//! last time gets no more than half of them.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use idjag::{ClientDocuments, Exchange, FetchSettings, Fetched, KeyOwner, KeySource, Sought, WantedKeys};
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::client::{Client, Got};
use crate::entry::{Entry, Finished, Job, Name, Subject};
use crate::metadata;
use crate::problem::Problem;
use crate::schedule::{Ask, Pace, Schedule};
use crate::source::SourceState;
use crate::store::Store;
use crate::table::Table;

/// Threads, at most. They are started when there is work, and all but one end when there is none.
const MAX_WORKERS: usize = 32;
/// How long a thread that is not the last waits for work.
const IDLE: Duration = Duration::from_secs(5);
/// The longest sleep of the last one.
const NAP: Duration = Duration::from_secs(60);
/// Stack of a thread, in bytes: TLS, and JSON of bounded depth.
const STACK: usize = 1 << 20;
/// Requests that wait at once, at most; more are told to try again.
const MAX_WAITING: usize = 256;

/// Fetches keys and clients' documents for one engine.
pub struct Fetcher {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    pace: Pace,
    store: Option<Store>,
    /// Whether anything is fetched at all.
    enabled: bool,
    /// Whether clients' documents may be at private and loopback addresses.
    local_documents: bool,
    engine: OnceLock<Weak<Exchange>>,
    /// Milliseconds since 1970, and when that was: from there on the time only goes forward.
    started: (i64, Instant),
    hasher: RandomState,
    table: Mutex<Table>,
    /// There is work, or an end.
    work: Condvar,
    /// A fetch ended.
    ended: Condvar,
    finished: Mutex<Vec<Finished>>,
    /// Held while what has finished is put: the next one puts everything that came meanwhile, as one change.
    putting: Mutex<()>,
}

impl Fetcher {
    /// A fetcher that has nothing to do yet. Opens nothing and starts nothing. `folder` is what the `cache` of `settings` is
    /// relative to; of `pace`, how long what is stale counts is taken from `settings`.
    pub fn new(settings: &FetchSettings, folder: &Path, pace: Pace) -> Arc<Self> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Arc::new(Self {
            shared: Arc::new(Shared {
                client: Client::new(settings.authorities.clone()),
                pace: Pace { max_stale_ms: settings.max_stale_s.saturating_mul(1_000), ..pace },
                store: settings.cache.as_ref().map(|cache| Store::new(folder.join(cache))),
                enabled: settings.enabled,
                local_documents: settings.local_documents,
                engine: OnceLock::new(),
                started: (i64::try_from(wall.as_millis()).unwrap_or(i64::MAX), Instant::now()),
                hasher: RandomState::new(),
                table: Mutex::default(),
                work: Condvar::new(),
                ended: Condvar::new(),
                finished: Mutex::default(),
                putting: Mutex::default(),
            }),
        })
    }

    /// Begins to fetch for `engine`, which asks this fetcher ([`Builder::key_source`](idjag::Builder::key_source)). Puts what
    /// was kept from an earlier run before it returns, and waits for nothing else. Without anything to fetch no thread is
    /// started.
    pub fn attach(&self, engine: &Arc<Exchange>) {
        if self.shared.engine.set(Arc::downgrade(engine)).is_ok() {
            self.plan();
        }
    }

    /// Fetches what the configuration of the engine wants now, and no longer what it does not: for after a reload.
    pub fn plan(&self) {
        let shared = &self.shared;
        let Some(engine) = shared.engine() else {
            return;
        };
        let wanted = if shared.enabled { engine.wanted_keys() } else { Vec::new() };
        let now = shared.now();
        let mut kept = Vec::new();
        let mut table = shared.table.lock();
        let still: std::collections::HashSet<&WantedKeys> = wanted.iter().collect();
        table.retain(|subject| match subject {
            Subject::Keys(keys) => still.contains(keys),
            Subject::Document { .. } => true,
        });
        for keys in &wanted {
            if table.places.contains_key(&Name::Keys(keys.owner.clone())) {
                continue;
            }
            let mut entry = Entry::new(Subject::Keys(keys.clone()), now);
            if let Some((jwks, schedule)) = shared.recall(keys, now) {
                entry.digest = Some(shared.hasher.hash_one(jwks.as_slice()));
                entry.schedule = schedule;
                entry.is_kept = true;
                kept.push((keys.owner.clone(), jwks));
            }
            table.insert(entry);
        }
        if !table.entries.is_empty() {
            shared.hire(&mut table);
        }
        // Before the lock is given back, so that nothing newer is put before it.
        let sets: Vec<_> = kept.iter().map(|(owner, jwks)| (owner.clone(), Some(jwks.as_slice()))).collect();
        for (answer, (owner, _)) in engine.put_fetched(&sets).into_iter().zip(&kept) {
            if answer.is_err()
                && let Some(id) = table.places.get(&Name::Keys(owner.clone())).copied()
                && let Some(entry) = table.entries.get_mut(&id)
            {
                entry.withdraw();
            }
        }
        drop(table);
        shared.work.notify_all();
    }

    /// The keys that are fetched, how old they are, and what went wrong: sorted by owner.
    pub fn sources(&self) -> Vec<SourceState> {
        let now = self.shared.now();
        let table = self.shared.table.lock();
        let states = table.entries.values().filter_map(|entry| entry.state(now, &self.shared.pace));
        let mut states: Vec<_> = states.collect();
        drop(table);
        states.sort_by(|a, b| a.owner.cmp(&b.owner));
        states
    }

    /// Waits until a fetch of everything that is wanted has ended, however, for at most `patience`: for who wants to look at
    /// the result. Says whether it has.
    pub fn settle(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut table = self.shared.table.lock();
        while table.entries.values().any(|entry| entry.ended == 0) {
            if self.shared.ended.wait_until(&mut table, deadline).timed_out() {
                return false;
            }
        }
        true
    }

    /// What fetches clients' documents, for [`Builder::client_documents`](idjag::Builder::client_documents).
    pub fn documents(self: &Arc<Self>) -> Box<dyn ClientDocuments> {
        Box::new(Documents(Arc::clone(self)))
    }
}

impl Drop for Fetcher {
    /// Threads end when what they do is done; nothing waits for them.
    fn drop(&mut self) {
        self.shared.table.lock().stopped = true;
        self.shared.work.notify_all();
        self.shared.ended.notify_all();
    }
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher").field("pace", &self.shared.pace).finish_non_exhaustive()
    }
}

impl KeySource for Fetcher {
    fn missed(&self, owners: &[KeyOwner]) -> Vec<Sought> {
        let shared = &self.shared;
        let mut table = shared.table.lock();
        // First all are sent for, then all are waited for.
        let asked: Vec<_> = owners
            .iter()
            .map(|owner| {
                // What is not here is somebody else's to put.
                let id = table.places.get(&Name::Keys(owner.clone())).copied()?;
                Some((id, shared.send_for(&mut table, id)))
            })
            .collect();
        let deadline = shared.deadline();
        let mut sought = Vec::with_capacity(asked.len());
        for asked in asked {
            sought.push(match asked {
                None | Some((_, Sent::Current)) => Sought::LookAgain,
                Some((_, Sent::Refused(retry_after_s))) => Sought::Unavailable { retry_after_s },
                Some((id, Sent::Coming { ended })) => {
                    let answer = shared.wait(&mut table, id, ended, deadline);
                    answer.map_or_else(
                        |retry_after_s| Sought::Unavailable { retry_after_s },
                        |()| Sought::LookAgain,
                    )
                }
            });
        }
        sought
    }
}

/// What comes of a request that something be fetched.
#[derive(Clone, Copy)]
enum Sent {
    /// Nothing newer is to be had than what is in place.
    Current,
    /// It is coming: that is, when more than so many fetches have ended.
    Coming { ended: u64 },
    /// Not before so many seconds.
    Refused(u32),
}

/// Clients' documents, out of the same table.
struct Documents(Arc<Fetcher>);

impl ClientDocuments for Documents {
    fn document(&self, url: &str) -> Fetched {
        self.0.shared.document(url)
    }

    fn keys(&self, url: &str) -> Fetched {
        self.0.shared.document(url)
    }
}

impl Shared {
    fn now(&self) -> i64 {
        let (wall, since) = self.started;
        wall.saturating_add(i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    fn engine(&self) -> Option<Arc<Exchange>> {
        self.engine.get()?.upgrade()
    }

    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.pace.patience_ms)
    }

    /// Has `id` fetched, or joins the fetch in flight.
    fn send_for(self: &Arc<Self>, table: &mut Table, id: u64) -> Sent {
        let Some(entry) = table.entries.get(&id) else {
            return Sent::Refused(1);
        };
        let (ended, is_coming) = (entry.ended, entry.is_in_flight || entry.is_asked);
        if !is_coming {
            match entry.schedule.ask(self.now(), &self.pace) {
                Ask::Current => return Sent::Current,
                Ask::Later(ms) => return Sent::Refused(seconds(ms)),
                Ask::Now => {}
            }
        }
        if table.waiting >= MAX_WAITING {
            return Sent::Refused(1);
        }
        if !is_coming {
            table.ask(id);
            self.hire(table);
        }
        Sent::Coming { ended }
    }

    /// Waits until more than `ended` fetches of `id` have ended. Where that comes to nothing: the seconds after which trying
    /// again may help.
    fn wait(
        &self,
        table: &mut MutexGuard<'_, Table>,
        id: u64,
        ended: u64,
        deadline: Instant,
    ) -> Result<(), u32> {
        table.waiting += 1;
        let mut is_late = false;
        let answer = loop {
            match table.entries.get(&id) {
                Some(entry) if entry.ended != ended => {
                    break match entry.schedule.ask(self.now(), &self.pace) {
                        _ if entry.schedule.failures == 0 => Ok(()),
                        Ask::Later(ms) => Err(seconds(ms)),
                        _ => Err(1),
                    };
                }
                Some(_) if !is_late && !table.stopped => {
                    is_late = self.ended.wait_until(table, deadline).timed_out();
                }
                _ => break Err(1),
            }
        };
        table.waiting = table.waiting.saturating_sub(1);
        answer
    }

    fn document(self: &Arc<Self>, url: &str) -> Fetched {
        let mut table = self.table.lock();
        let known = table.places.get(&Name::Document(url.to_owned())).copied();
        let id = match known {
            Some(id) => id,
            None if self.enabled && table.makes_room_for_a_document() => {
                let subject = Subject::Document { url: url.to_owned(), local: self.local_documents };
                table.insert(Entry::new(subject, self.now()))
            }
            None => return Fetched::Unavailable,
        };
        if let Some(found) = self.found(&table, id, Schedule::is_fresh) {
            return found;
        }
        if let Sent::Coming { ended } = self.send_for(&mut table, id) {
            let _ = self.wait(&mut table, id, ended, self.deadline());
        }
        let Some(entry) = table.entries.get(&id) else {
            return Fetched::Unavailable;
        };
        // Whoever runs the origin took it back: what was there before does not count any longer.
        if matches!(entry.problem.as_deref(), Some(Problem::Status(404 | 410))) {
            return Fetched::Absent;
        }
        self.found(&table, id, |schedule, now| !schedule.has_ended(now, &self.pace))
            .unwrap_or(Fetched::Unavailable)
    }

    fn found(&self, table: &Table, id: u64, counts: impl Fn(&Schedule, i64) -> bool) -> Option<Fetched> {
        let entry = table.entries.get(&id)?;
        let body = entry.body.as_ref().filter(|_| counts(&entry.schedule, self.now()))?;
        Some(Fetched::Found(Arc::clone(body)))
    }

    /// Wakes an idle thread, or starts one where there is none.
    fn hire(self: &Arc<Self>, table: &mut Table) {
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
            if let Some(job) = table.take(self.now()) {
                if table.has_work(self.now()) {
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
            let wait = until_due.and_then(|ms| u64::try_from(ms).ok()).map_or(longest, Duration::from_millis);
            table.idle += 1;
            let timed_out = self.work.wait_for(&mut table, wait.min(longest)).timed_out();
            table.idle = table.idle.saturating_sub(1);
            if timed_out && table.workers > 1 && !table.has_work(self.now()) {
                break;
            }
        }
        table.workers = table.workers.saturating_sub(1);
    }

    fn fetch(&self, job: &Job) -> Result<(Arc<str>, Got), Problem> {
        let local = job.subject.local();
        let uri = match (&job.uri, &*job.subject) {
            (Some(uri), _) => Arc::clone(uri),
            (None, Subject::Keys(keys)) => metadata::discover(&self.client, keys.owner.name(), local)?.into(),
            (None, Subject::Document { url, .. }) => Arc::from(url.as_str()),
        };
        let got = self.client.get(&uri, local, job.etag.as_deref())?;
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
        let engine = self.engine();
        if let Some(engine) = &engine {
            self.put(engine, &mut batch);
        }
        let now = self.now();
        let (mut keep, mut ended) = (Vec::new(), Vec::new());
        let mut table = self.table.lock();
        for finished in batch {
            let id = finished.job.id;
            table.done(&finished.job);
            // What is no longer wanted is gone from the table.
            let Some(entry) = table.entries.get_mut(&id) else {
                continue;
            };
            let jwks = match (&finished.got, &*entry.subject, &self.store) {
                (Ok((_, got)), Subject::Keys(_), Some(_)) => got.body.clone(),
                _ => None,
            };
            entry.end(finished, now, &self.pace, &self.hasher);
            if let Some(jwks) = jwks {
                keep.push((Arc::clone(&entry.subject), entry.schedule.clone(), jwks));
            }
            if entry.schedule.has_ended(now, &self.pace) {
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
            self.keep(&subject, &schedule, &jwks);
        }
    }

    /// Puts the key sets among `batch` that are not what is in place already. One that cannot be used becomes a problem.
    fn put(&self, engine: &Exchange, batch: &mut [Finished]) {
        let table = self.table.lock();
        let is_new = |finished: &Finished, body: &[u8]| {
            let entry = table.entries.get(&finished.job.id);
            entry.is_some_and(|entry| entry.digest != Some(self.hasher.hash_one(body)))
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

    /// Keeps keys for the next start. That they cannot be kept is no reason not to use them.
    fn keep(&self, subject: &Subject, schedule: &Schedule, jwks: &[u8]) {
        if let (Some(store), Subject::Keys(keys), Some(fetched)) = (&self.store, subject, schedule.fetched) {
            let _ = store.keep(keys, fetched, schedule.fresh_until, jwks);
        }
    }

    /// What was kept of `wanted`, where it still counts.
    fn recall(&self, wanted: &WantedKeys, now: i64) -> Option<(Vec<u8>, Schedule)> {
        self.store.as_ref()?.recall(wanted, |kept| {
            let schedule = Schedule::kept(kept.fetched, kept.fresh_until);
            // A date that lies ahead is of another clock, or of somebody who wants it to count for ever.
            let counts =
                kept.fetched <= now && kept.fresh_until <= now.saturating_add(self.pace.most_fresh_ms);
            (counts && !schedule.has_ended(now, &self.pace)).then(|| (kept.jwks().to_vec(), schedule))
        })
    }
}

/// Whole seconds that are not over before `ms` are.
fn seconds(ms: i64) -> u32 {
    u32::try_from(ms.saturating_add(999).div_euclid(1_000)).unwrap_or(1).max(1)
}
