//! The requests that wait: for keys that they miss, and for clients' documents.

use std::sync::Arc;
use std::time::Instant;

use idjag::{ClientDocuments, FetchSettings, Fetched, KeyOwner, Sought};
use parking_lot::MutexGuard;

use crate::entry::{Entry, Name, Subject};
use crate::fetcher::Fetcher;
use crate::problem::Problem;
use crate::schedule::{Ask, Schedule};
use crate::shared::Shared;
use crate::table::Table;

/// Requests that wait at once, at most; more are told to try again.
const MAX_WAITING: usize = 256;
/// Of them, for one owner: anybody can name one that is slow, and then all others would have nowhere to wait.
const MAX_WAITING_FOR_ONE: u16 = 64;

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

/// Clients' documents, out of the same table as keys.
pub(crate) struct Documents(pub(crate) Arc<Fetcher>);

impl ClientDocuments for Documents {
    fn document(&self, url: &str) -> Fetched {
        self.0.shared.document(url)
    }

    fn keys(&self, url: &str) -> Fetched {
        self.0.shared.document(url)
    }
}

impl Shared {
    /// The answer to each of `owners`, whose keys are missing.
    pub(crate) fn missed(self: &Arc<Self>, owners: &[KeyOwner]) -> Vec<Sought> {
        let mut table = self.table.lock();
        // First all are sent for, then all are waited for.
        let asked: Vec<_> = owners
            .iter()
            .map(|owner| {
                // What is not here is somebody else's to put.
                let id = table.find(Name::Keys(owner))?;
                Some((id, self.send_for(&mut table, id)))
            })
            .collect();
        let deadline = self.deadline();
        let mut sought = Vec::with_capacity(asked.len());
        for asked in asked {
            sought.push(match asked {
                None | Some((_, Sent::Current)) => Sought::LookAgain,
                Some((_, Sent::Refused(retry_after_s))) => Sought::Unavailable { retry_after_s },
                Some((id, Sent::Coming { ended })) => {
                    let answer = self.wait(&mut table, id, ended, deadline);
                    answer.map_or_else(
                        |retry_after_s| Sought::Unavailable { retry_after_s },
                        |()| Sought::LookAgain,
                    )
                }
            });
        }
        sought
    }

    /// Has `id` fetched, or joins the fetch in flight.
    fn send_for(self: &Arc<Self>, table: &mut Table, id: u64) -> Sent {
        let Some(entry) = table.entry(id) else {
            return Sent::Refused(1);
        };
        let (ended, is_coming) = (entry.ended, entry.is_in_flight || entry.is_asked);
        let is_crowded = entry.waiting >= MAX_WAITING_FOR_ONE;
        if !is_coming {
            match entry.schedule.ask(self.now(), &self.pace()) {
                Ask::Current => return Sent::Current,
                Ask::Later(ms) => return Sent::Refused(seconds(ms)),
                Ask::Now => {}
            }
        }
        if !is_coming {
            table.ask(id);
            self.hire(table);
        }
        if is_crowded || table.waiting >= MAX_WAITING {
            return Sent::Refused(1);
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
        if let Some(entry) = table.entry_mut(id) {
            entry.waiting = entry.waiting.saturating_add(1);
        }
        let mut is_late = false;
        let answer = loop {
            match table.entry(id) {
                Some(entry) if entry.ended != ended => {
                    break match entry.schedule.ask(self.now(), &self.pace()) {
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
        if let Some(entry) = table.entry_mut(id) {
            entry.waiting = entry.waiting.saturating_sub(1);
        }
        answer
    }

    fn document(self: &Arc<Self>, url: &str) -> Fetched {
        let settings = self.settings();
        let FetchSettings { enabled, local_documents: local, .. } = settings.given;
        let mut table = self.table.lock();
        let id = match table.find(Name::Document(url)) {
            Some(id) => id,
            None if enabled && table.makes_room_for_a_document() => {
                let subject = Subject::Document { url: url.to_owned(), local };
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
        let Some(entry) = table.entry(id) else {
            return Fetched::Unavailable;
        };
        // Whoever runs the origin took it back: what was there before does not count any longer.
        if matches!(entry.problem.as_deref(), Some(Problem::Status(404 | 410))) {
            return Fetched::Absent;
        }
        self.found(&table, id, |schedule, now| !schedule.has_ended(now, &settings.pace))
            .unwrap_or(Fetched::Unavailable)
    }

    fn found(&self, table: &Table, id: u64, counts: impl Fn(&Schedule, i64) -> bool) -> Option<Fetched> {
        let entry = table.entry(id)?;
        let body = entry.body.as_ref().filter(|_| counts(&entry.schedule, self.now()))?;
        Some(Fetched::Found(Arc::clone(body)))
    }
}

/// Whole seconds that are not over before `ms` are.
fn seconds(ms: i64) -> u32 {
    u32::try_from(ms.saturating_add(999).div_euclid(1_000)).unwrap_or(1).max(1)
}
