//! Everything that is fetched, and whose turn it is. Under one lock, which is never held while something is fetched.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use idjag::KeyOwner;

use crate::entry::{Entry, Job, Name, Subject};
use crate::schedule::Pace;

/// How many threads may do what no request asked for.
const MAX_SCHEDULED: usize = 24;
/// How many may do what failed the last time.
const MAX_FAILING: usize = 16;
/// Clients' documents, and key sets that they name, that are held at most.
pub(crate) const MAX_DOCUMENTS: usize = 1_024;

/// Everything that is fetched.
#[derive(Default)]
pub(crate) struct Table {
    /// Boxed: a table that grows by doubling is half empty.
    entries: HashMap<u64, Box<Entry>>,
    /// Keys of `entries`, by the hash of the name.
    places: HashTable<u64>,
    hasher: RandomState,
    next_id: u64,
    /// By when they are due: those that succeeded the last time or are new; and those that failed.
    due: [BTreeSet<(i64, u64)>; 2],
    /// What requests wait for.
    asked: VecDeque<u64>,
    documents: usize,
    /// How many threads there are, and how many of them have nothing to do.
    pub(crate) workers: usize,
    pub(crate) idle: usize,
    /// What is being fetched; how much of it no request asked for, and how much failed the last time.
    pub(crate) in_flight: Vec<u64>,
    scheduled: usize,
    failing: usize,
    /// How many requests wait.
    pub(crate) waiting: usize,
    /// When [`end`](Self::end) was called last.
    pub(crate) swept: i64,
    pub(crate) stopped: bool,
}

impl Table {
    /// The number of what is called `name`.
    pub(crate) fn find(&self, name: Name<'_>) -> Option<u64> {
        let is_it = |id: &u64| self.entry(*id).is_some_and(|entry| entry.subject.name() == name);
        self.places.find(self.hasher.hash_one(name), is_it).copied()
    }

    pub(crate) fn entry(&self, id: u64) -> Option<&Entry> {
        self.entries.get(&id).map(|entry| &**entry)
    }

    pub(crate) fn entry_mut(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.get_mut(&id).map(|entry| &mut **entry)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(|entry| &**entry)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes `entry` in, due as its schedule says.
    pub(crate) fn insert(&mut self, entry: Entry) -> u64 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        self.documents += usize::from(matches!(*entry.subject, Subject::Document { .. }));
        let hash = self.hasher.hash_one(entry.subject.name());
        self.entries.insert(id, Box::new(entry));
        let hash_of = |id: &u64| {
            let entry = self.entries.get(id);
            entry.map_or(0, |entry| self.hasher.hash_one(entry.subject.name()))
        };
        self.places.insert_unique(hash, id, hash_of);
        self.line_up(id);
        id
    }

    /// Leaves out what is not `wanted` any more. What of it is in flight comes back to nothing. Gives those whose keys are in
    /// place.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&Subject) -> bool) -> Vec<KeyOwner> {
        let gone: Vec<u64> =
            self.entries.iter().filter(|(_, entry)| !wanted(&entry.subject)).map(|(id, _)| *id).collect();
        let gone = gone.into_iter().filter_map(|id| self.remove(id));
        gone.filter_map(|entry| match &*entry.subject {
            Subject::Keys(keys) if entry.schedule.fetched.is_some() => Some(keys.owner.clone()),
            _ => None,
        })
        .collect()
    }

    fn remove(&mut self, id: u64) -> Option<Box<Entry>> {
        let entry = self.entries.remove(&id)?;
        self.documents =
            self.documents.saturating_sub(usize::from(matches!(*entry.subject, Subject::Document { .. })));
        let hash = self.hasher.hash_one(entry.subject.name());
        if let Ok(place) = self.places.find_entry(hash, |at| *at == id) {
            place.remove();
        }
        if entry.is_asked {
            self.asked.retain(|asked| *asked != id);
        }
        for due in &mut self.due {
            due.remove(&(entry.schedule.due, id));
        }
        Some(entry)
    }

    /// Other settings hold: what failed the last time is due now, and nothing later than it stops to count.
    pub(crate) fn hasten(&mut self, now: i64, pace: &Pace) {
        let ids: Vec<u64> = self.entries.keys().copied().collect();
        for id in ids {
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            let was_due = entry.schedule.due;
            entry.schedule.hasten(now, pace);
            // In flight it is in no line.
            if self.due.iter_mut().any(|due| due.remove(&(was_due, id))) {
                self.line_up(id);
            }
        }
    }

    /// Puts `id` in line for when it is due. Documents are in no line: they are fetched when they are asked for.
    pub(crate) fn line_up(&mut self, id: u64) {
        if let Some(entry) = self.entries.get(&id)
            && matches!(*entry.subject, Subject::Keys(_))
            && let [fine, failed] = &mut self.due
        {
            let line = if entry.schedule.failures == 0 { fine } else { failed };
            line.insert((entry.schedule.due, id));
        }
    }

    /// Takes `id` out of the line, before it is due at another time.
    pub(crate) fn leave_the_line(&mut self, id: u64) {
        if let Some(entry) = self.entries.get(&id) {
            for due in &mut self.due {
                due.remove(&(entry.schedule.due, id));
            }
        }
    }

    /// A request waits for `id`.
    pub(crate) fn ask(&mut self, id: u64) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.is_asked = true;
            self.asked.push_back(id);
        }
    }

    /// What a thread is to do now: first what requests wait for, then what is due.
    pub(crate) fn take(&mut self, now: i64, pace: &Pace) -> Option<Job> {
        let (id, _) = self.next(now)?;
        if let Some(at) = self.asked.iter().position(|asked| *asked == id) {
            self.asked.remove(at);
        }
        self.leave_the_line(id);
        let entry = self.entries.get_mut(&id)?;
        let job = entry.begin(id, now, pace);
        self.in_flight.push(id);
        self.scheduled += usize::from(job.is_scheduled);
        self.failing += usize::from(job.is_failing);
        Some(job)
    }

    /// Whether there is something to do now.
    pub(crate) fn has_work(&self, now: i64) -> bool {
        self.next(now).is_some()
    }

    fn next(&self, now: i64) -> Option<(u64, i64)> {
        let may_fail = self.failing < MAX_FAILING;
        let may_go =
            |id: &u64| self.entries.get(id).is_some_and(|entry| may_fail || entry.schedule.failures == 0);
        if let Some(id) = self.asked.iter().find(|id| may_go(id)) {
            return Some((*id, now));
        }
        if self.scheduled >= MAX_SCHEDULED {
            return None;
        }
        let [fine, failed] = &self.due;
        let first = |line: &BTreeSet<(i64, u64)>| line.first().copied().filter(|(due, _)| *due <= now);
        first(fine).or_else(|| first(failed).filter(|_| may_fail)).map(|(due, id)| (id, due))
    }

    /// When something is due that no thread has been sent for.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.due.iter().filter_map(|line| line.first()).map(|(due, _)| *due).min()
    }

    /// What `job` counted for.
    pub(crate) fn done(&mut self, job: &Job) {
        self.in_flight.retain(|id| *id != job.id);
        self.scheduled = self.scheduled.saturating_sub(usize::from(job.is_scheduled));
        self.failing = self.failing.saturating_sub(usize::from(job.is_failing));
    }

    /// Whether something that counts may stop to count before anybody comes back with something newer.
    pub(crate) fn may_end(&self, now: i64) -> bool {
        !self.in_flight.is_empty() || self.next_due().is_some_and(|due| due <= now)
    }

    /// What has stopped to count, and is taken away: whoever is fetched is given up for no longer than that, however slow it
    /// is. Whatever is neither being fetched nor overdue is due before it ends ([`Schedule::failed`]).
    ///
    /// [`Schedule::failed`]: crate::schedule::Schedule::failed
    pub(crate) fn end(&mut self, now: i64, pace: &Pace) -> Vec<KeyOwner> {
        let overdue = self.due.iter().flat_map(|line| line.iter().take_while(|(due, _)| *due <= now));
        let ids: Vec<u64> = self.in_flight.iter().copied().chain(overdue.map(|(_, id)| *id)).collect();
        let mut ended = Vec::new();
        for id in ids {
            // Documents are judged when they are asked for, and may be confirmed until then.
            if let Some(entry) = self.entries.get_mut(&id)
                && let Subject::Keys(keys) = &*entry.subject
                && entry.schedule.has_ended(now, pace)
            {
                ended.push(keys.owner.clone());
                entry.withdraw();
            }
        }
        ended
    }

    /// Whether there is room for one more document; makes it out of one that nobody waits for.
    pub(crate) fn makes_room_for_a_document(&mut self) -> bool {
        if self.documents < MAX_DOCUMENTS {
            return true;
        }
        let free = |entry: &Entry| {
            matches!(*entry.subject, Subject::Document { .. }) && !entry.is_asked && !entry.is_in_flight
        };
        let oldest = self
            .entries
            .iter()
            .filter(|(_, entry)| free(entry))
            .min_by_key(|(_, entry)| entry.schedule.fresh_until);
        let oldest = oldest.map(|(id, _)| *id);
        oldest.and_then(|oldest| self.remove(oldest)).is_some()
    }
}
