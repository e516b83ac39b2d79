//! Everything that is fetched, and whose turn it is. Under one lock, which is never held while something is fetched.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::entry::{Entry, Job, Name, Subject};

/// How many threads may do what no request asked for.
const MAX_SCHEDULED: usize = 24;
/// How many may do what failed the last time.
const MAX_FAILING: usize = 16;
/// Clients' documents, and key sets that they name, that are held at most.
pub(crate) const MAX_DOCUMENTS: usize = 1_024;

/// Everything that is fetched.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) entries: HashMap<u64, Entry>,
    pub(crate) places: HashMap<Name, u64>,
    next_id: u64,
    /// By when they are due: those that succeeded the last time or are new; and those that failed.
    due: [BTreeSet<(i64, u64)>; 2],
    /// What requests wait for.
    asked: VecDeque<u64>,
    documents: usize,
    /// How many threads there are, and how many of them have nothing to do.
    pub(crate) workers: usize,
    pub(crate) idle: usize,
    /// How many fetches in flight no request asked for, and how many failed the last time.
    scheduled: usize,
    failing: usize,
    /// How many requests wait.
    pub(crate) waiting: usize,
    pub(crate) stopped: bool,
}

impl Table {
    /// Takes `entry` in, due as its schedule says.
    pub(crate) fn insert(&mut self, entry: Entry) -> u64 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        self.documents += usize::from(matches!(*entry.subject, Subject::Document { .. }));
        self.places.insert(entry.subject.name(), id);
        self.entries.insert(id, entry);
        self.line_up(id);
        id
    }

    /// Leaves out what is not `wanted` any more. What of it is in flight comes back to nothing.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&Subject) -> bool) {
        let gone: Vec<u64> =
            self.entries.iter().filter(|(_, entry)| !wanted(&entry.subject)).map(|(id, _)| *id).collect();
        for id in gone {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        self.documents =
            self.documents.saturating_sub(usize::from(matches!(*entry.subject, Subject::Document { .. })));
        self.places.remove(&entry.subject.name());
        if entry.is_asked {
            self.asked.retain(|asked| *asked != id);
        }
        for due in &mut self.due {
            due.remove(&(entry.schedule.due, id));
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

    /// A request waits for `id`.
    pub(crate) fn ask(&mut self, id: u64) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.is_asked = true;
            self.asked.push_back(id);
        }
    }

    /// What a thread is to do now: first what requests wait for, then what is due.
    pub(crate) fn take(&mut self, now: i64) -> Option<Job> {
        let (id, _) = self.next(now)?;
        if let Some(at) = self.asked.iter().position(|asked| *asked == id) {
            self.asked.remove(at);
        }
        let entry = self.entries.get_mut(&id)?;
        for due in &mut self.due {
            due.remove(&(entry.schedule.due, id));
        }
        let job = entry.begin(id, now);
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
        self.scheduled = self.scheduled.saturating_sub(usize::from(job.is_scheduled));
        self.failing = self.failing.saturating_sub(usize::from(job.is_failing));
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
        let Some(oldest) = oldest.map(|(id, _)| *id) else {
            return false;
        };
        self.remove(oldest);
        true
    }
}
