//! The fetcher, as its host holds it: what is wanted goes in, how it stands comes out.
//!
//! A request with a known key never comes here. One whose key is missing asks ([`KeySource`]): it starts the one fetch of
//! that owner, or joins it, and waits for it within bounds (`request`). Everything else is fetched when it is due (`worker`).

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use idjag::{ClientDocuments, Exchange, FetchSettings, KeyOwner, KeySource, Sought, WantedKeys};

use crate::entry::{Entry, Name, Subject};
use crate::get::Get;
use crate::request::Documents;
use crate::schedule::Pace;
use crate::shared::Shared;
use crate::source::SourceState;

/// Fetches keys and clients' documents for one engine.
pub struct Fetcher {
    pub(crate) shared: Arc<Shared>,
}

impl Fetcher {
    /// A fetcher that has nothing to do yet. Opens nothing and starts nothing. `folder` is what the `cache` of `settings` is
    /// relative to; of `pace`, how long what is stale counts is taken from `settings`.
    pub fn new(settings: &FetchSettings, folder: &Path, pace: Pace) -> Arc<Self> {
        Arc::new(Self { shared: Arc::new(Shared::new(settings, folder, pace, None)) })
    }

    /// The same where the host makes the GETs. Of `settings`, `ca_file` is then for the host to know.
    pub fn by_host(host: Arc<dyn Get>, settings: &FetchSettings, folder: &Path, pace: Pace) -> Arc<Self> {
        Arc::new(Self { shared: Arc::new(Shared::new(settings, folder, pace, Some(host))) })
    }

    /// Begins to fetch for `engine`, which asks this fetcher ([`Builder::key_source`](idjag::Builder::key_source)). Puts what
    /// was kept from an earlier run before it returns, and waits for nothing else. Without anything to fetch no thread is
    /// started.
    pub fn attach(&self, engine: &Arc<Exchange>) {
        if self.shared.engine.set(Arc::downgrade(engine)).is_ok() {
            self.plan();
        }
    }

    /// For after a reload: fetches what the configuration of the engine wants now, as `settings` say, and no longer what it does
    /// not. What a fetch brought whose owner or place is no longer wanted is taken away, all of it where nothing is fetched any
    /// more. With other settings than before, what failed the last time is tried again at once.
    pub fn renew(&self, settings: &FetchSettings) {
        let shared = &self.shared;
        if shared.set(settings) {
            let now = shared.now();
            let pace = shared.pace();
            shared.table.lock().hasten(now, &pace);
        }
        self.plan();
    }

    /// Fetches what the configuration of the engine wants now, and no longer what it does not.
    fn plan(&self) {
        let shared = &self.shared;
        let Some(engine) = shared.engine() else {
            return;
        };
        let settings = shared.settings();
        let given = &settings.given;
        let wanted = if given.enabled { engine.wanted_keys() } else { Vec::new() };
        let now = shared.now();
        // What has just come is put before, and nothing until this is done.
        let putting = shared.putting.lock();
        let mut table = shared.table.lock();
        let still: HashSet<&WantedKeys> = wanted.iter().collect();
        let gone = table.retain(|subject| match subject {
            Subject::Keys(keys) => still.contains(keys),
            Subject::Document { local, .. } => given.enabled && *local == given.local_documents,
        });
        let mut kept = Vec::new();
        for keys in &wanted {
            if table.find(Name::Keys(&keys.owner)).is_some() {
                continue;
            }
            let mut entry = Entry::new(Subject::Keys(keys.clone()), now);
            if let Some((jwks, schedule)) = settings.recall(keys, now) {
                entry.restore(shared.digest(&jwks), schedule);
                kept.push((keys.owner.clone(), jwks));
            }
            table.insert(entry);
        }
        if !table.is_empty() {
            shared.hire(&mut table);
        }
        drop(table);
        let gone = gone.into_iter().map(|owner| (owner, None));
        let kept = kept.iter().map(|(owner, jwks)| (owner.clone(), Some(jwks.as_slice())));
        let sets: Vec<_> = gone.chain(kept).collect();
        if !sets.is_empty() {
            let answers = engine.put_fetched(&sets);
            let mut table = shared.table.lock();
            for (answer, (owner, _)) in answers.into_iter().zip(&sets) {
                if answer.is_err()
                    && let Some(id) = table.find(Name::Keys(owner))
                    && let Some(entry) = table.entry_mut(id)
                {
                    entry.withdraw();
                }
            }
        }
        drop(putting);
        shared.work.notify_all();
        // What somebody waits for may be gone.
        shared.ended.notify_all();
    }

    /// The keys that are fetched, how old they are, and what went wrong: sorted by owner.
    pub fn sources(&self) -> Vec<SourceState> {
        let (now, settings) = (self.shared.now(), self.shared.settings());
        let table = self.shared.table.lock();
        let mut states: Vec<_> =
            table.entries().filter_map(|entry| entry.state(now, &settings.pace)).collect();
        drop(table);
        states.sort_by(|a, b| a.owner.cmp(&b.owner));
        states
    }

    /// Waits until a fetch of everything that is wanted has ended, however, for at most `patience`: for who wants to look at
    /// the result. Says whether it has.
    pub fn settle(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut table = self.shared.table.lock();
        while table.entries().any(|entry| entry.ended == 0) {
            if self.shared.ended.wait_until(&mut table, deadline).timed_out() {
                return false;
            }
        }
        true
    }

    /// Puts a key set that the host got otherwise into `engine` ([`Exchange::put_jwks`]). Where it is one that is fetched here,
    /// it counts as fetched now: who waits for it goes on, and it is fetched again when an answer that says nothing of its
    /// freshness would be.
    ///
    /// # Errors
    ///
    /// As [`Exchange::put_jwks`]; then nothing has changed.
    pub fn put_jwks(&self, engine: &Exchange, issuer: &str, jwks: &[u8]) -> Result<(), idjag::Error> {
        let shared = &self.shared;
        // What came before goes first.
        let putting = shared.putting.lock();
        engine.put_jwks(issuer, jwks)?;
        let (now, pace) = (shared.now(), shared.pace());
        let mut table = shared.table.lock();
        if let Some(id) = table.find(Name::Keys(&KeyOwner::Idp(issuer.to_owned()))) {
            table.leave_the_line(id);
            if let Some(entry) = table.entry_mut(id) {
                entry.put(now, &pace);
                // What is on its way gets in line when it has come.
                if !entry.is_in_flight {
                    table.line_up(id);
                }
            }
        }
        drop(table);
        drop(putting);
        shared.ended.notify_all();
        Ok(())
    }

    /// Ends it: when this returns, no thread of it has to do with the engine any more. What is on its way comes to nothing,
    /// and requests that wait are told to try again. Waits for what is just being put, and for a host that is asked at the time:
    /// it is not asked again.
    pub fn stop(&self) {
        self.shared.stop();
        drop(self.shared.putting.lock());
        if self.shared.host.is_some() {
            let mut table = self.shared.table.lock();
            while !table.in_flight.is_empty() {
                self.shared.ended.wait(&mut table);
            }
        }
    }

    /// What fetches clients' documents, for [`Builder::client_documents`](idjag::Builder::client_documents).
    pub fn documents(self: &Arc<Self>) -> Box<dyn ClientDocuments> {
        Box::new(Documents(Arc::clone(self)))
    }
}

impl Drop for Fetcher {
    /// Threads end when what they do is done; nothing waits for them.
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher").field("pace", &self.shared.settings().pace).finish_non_exhaustive()
    }
}

impl KeySource for Fetcher {
    fn missed(&self, owners: &[KeyOwner]) -> Vec<Sought> {
        self.shared.missed(owners)
    }
}
