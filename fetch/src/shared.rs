//! What the threads and the requests of one fetcher share.

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use idjag::{Exchange, FetchSettings, WantedKeys};
use parking_lot::{Condvar, Mutex};

use crate::entry::{Finished, Subject};
use crate::get::{Get, Getter};
use crate::schedule::{Pace, Schedule};
use crate::store::Store;
use crate::table::Table;

/// How things are fetched: what `[fetch]` says, which a reload replaces.
pub(crate) struct Settings {
    /// As they were given.
    pub(crate) given: FetchSettings,
    pub(crate) getter: Getter,
    pub(crate) pace: Pace,
    store: Option<Store>,
}

/// One fetcher.
pub(crate) struct Shared {
    /// A lock under which nothing is done.
    settings: Mutex<Arc<Settings>>,
    /// What the `cache` of the settings is relative to.
    folder: PathBuf,
    /// Who makes the GETs, where it is not done here.
    pub(crate) host: Option<Arc<dyn Get>>,
    pub(crate) engine: OnceLock<Weak<Exchange>>,
    /// Milliseconds since 1970, and when that was: from there on the time only goes forward.
    started: (i64, Instant),
    hasher: RandomState,
    pub(crate) table: Mutex<Table>,
    /// There is work, or an end.
    pub(crate) work: Condvar,
    /// A fetch ended.
    pub(crate) ended: Condvar,
    pub(crate) finished: Mutex<Vec<Finished>>,
    /// Held while what has finished is put: the next one puts everything that came meanwhile, as one change. Before `table`,
    /// where both are held.
    pub(crate) putting: Mutex<()>,
}

impl Shared {
    pub(crate) fn new(
        settings: &FetchSettings,
        folder: &Path,
        pace: Pace,
        host: Option<Arc<dyn Get>>,
    ) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            settings: Mutex::new(Arc::new(Settings::new(settings, folder, pace, host.clone()))),
            folder: folder.to_owned(),
            host,
            engine: OnceLock::new(),
            started: (i64::try_from(wall.as_millis()).unwrap_or(i64::MAX), Instant::now()),
            hasher: RandomState::new(),
            table: Mutex::default(),
            work: Condvar::new(),
            ended: Condvar::new(),
            finished: Mutex::default(),
            putting: Mutex::default(),
        }
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.lock())
    }

    pub(crate) fn pace(&self) -> Pace {
        self.settings.lock().pace
    }

    /// From now on these count. Says whether they are others than before.
    pub(crate) fn set(&self, given: &FetchSettings) -> bool {
        let mut settings = self.settings.lock();
        let changed = settings.given != *given;
        if changed {
            *settings = Arc::new(Settings::new(given, &self.folder, settings.pace, self.host.clone()));
        }
        changed
    }

    pub(crate) fn now(&self) -> i64 {
        let (wall, since) = self.started;
        wall.saturating_add(i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    pub(crate) fn engine(&self) -> Option<Arc<Exchange>> {
        self.engine.get()?.upgrade()
    }

    /// No thread begins anything any more, and nobody waits.
    pub(crate) fn stop(&self) {
        self.table.lock().stopped = true;
        self.work.notify_all();
        self.ended.notify_all();
    }

    /// Until when a request waits that comes now.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.pace().patience_ms)
    }

    /// To tell what came from what was there. Nobody else knows the key of it.
    pub(crate) fn digest(&self, body: &[u8]) -> u64 {
        self.hasher.hash_one(body)
    }
}

impl Settings {
    fn new(given: &FetchSettings, folder: &Path, pace: Pace, host: Option<Arc<dyn Get>>) -> Self {
        Self {
            getter: Getter::of(host, given.authorities.clone()),
            pace: Pace { max_stale_ms: given.max_stale_s.saturating_mul(1_000), ..pace },
            store: given.cache.as_ref().map(|cache| Store::new(folder.join(cache))),
            given: given.clone(),
        }
    }

    /// Keeps keys for the next start; `None`: those that are kept were confirmed. That it cannot be done is no reason not to use
    /// them.
    pub(crate) fn keep(&self, subject: &Subject, schedule: &Schedule, jwks: Option<&[u8]>) {
        if let (Some(store), Subject::Keys(keys), Some(fetched)) = (&self.store, subject, schedule.fetched) {
            let fresh_until = schedule.fresh_until;
            let _ = match jwks {
                Some(jwks) => store.keep(keys, fetched, fresh_until, jwks),
                None => store.confirm(keys, fetched, fresh_until),
            };
        }
    }

    /// What was kept of `wanted`, where it still counts.
    pub(crate) fn recall(&self, wanted: &WantedKeys, now: i64) -> Option<(Vec<u8>, Schedule)> {
        self.store.as_ref()?.recall(wanted, |kept| {
            let schedule = Schedule::kept(kept.fetched, kept.fresh_until);
            // A date that lies ahead is of another clock, or of somebody who wants it to count for ever.
            let counts =
                kept.fetched <= now && kept.fresh_until <= now.saturating_add(self.pace.most_fresh_ms);
            (counts && !schedule.has_ended(now, &self.pace)).then(|| (kept.jwks().to_vec(), schedule))
        })
    }
}
