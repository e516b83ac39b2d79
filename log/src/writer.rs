//! The one thread that writes a log: takes what was queued, appends it, waits for the disk once for all of it, and signs a
//! checkpoint now and then.
//!
//! Whatever fails, the segment is left: after a failed fsync nobody knows what is on disk, and a second one that succeeds
//! would prove nothing. The lines that were not safe yet begin the next segment. Until that is on disk, nothing is taken.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use idjag::{Clock, Durability, SystemClock};

use crate::checkpoints::Checkpoints;
use crate::crypto::Hash;
use crate::note::{Checkpoint, Signer};
use crate::queue::{Queue, Taken};
use crate::retain::Retention;
use crate::sampler::Sampler;
use crate::segment::Segment;
use crate::standing::Standing;
use crate::tree::{Frontier, leaves as leaves_of};

/// New lines are under a checkpoint after this long, or after so many.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(1);
const CHECKPOINT_LINES: u64 = 16_384;
/// A log in which nothing happens says so this often.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How long a failed disk is left alone.
const RETRY: Duration = Duration::from_secs(1);
/// How long lines that nobody waits for may gather, and then wait for the disk.
const GATHER: Duration = Duration::from_millis(5);
/// Lines that may be written and not yet safe, with `async`: they are kept in memory until they are.
const UNSAFE_BYTES: usize = 8 << 20;

pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) sampler: Arc<Sampler>,
    pub(crate) standing: Arc<Standing>,
    pub(crate) retention: Retention,
    pub(crate) dir: PathBuf,
    pub(crate) signer: Signer,
    pub(crate) durability: Durability,
    pub(crate) max_segment_bytes: u64,
    pub(crate) checkpoints: Checkpoints,
    /// None while the disk fails.
    pub(crate) segment: Option<Segment>,
    /// The tree over every line that is safe.
    pub(crate) edge: Frontier,
    pub(crate) times: Times,
    pub(crate) lines: Lines,
}

/// Lines on their way, and what is left of those that are safe.
#[derive(Default)]
pub(crate) struct Lines {
    /// Not safe yet.
    pending: Vec<u8>,
    /// How many bytes of them were appended to the segment.
    appended: usize,
    /// Since when some were.
    unsafe_since: Option<Instant>,
    /// How many bytes of them are hashed, and the hashes: made while the lines are still near.
    hashed: usize,
    leaves: Vec<Hash>,
    /// The number after the last of them.
    next: u64,
    /// Of safe lines: not yet in the file of the tree.
    hashes: Vec<Hash>,
}

/// When what was done last.
pub(crate) struct Times {
    /// The size of the last checkpoint, and when it was signed.
    signed: u64,
    signed_at: Instant,
    /// The UTC day of the segment.
    day: i64,
    failed: Option<(Instant, String)>,
    last_line: Instant,
}

impl Times {
    /// A log of which `signed` lines are under a checkpoint, that begins now.
    pub(crate) fn new(signed: u64) -> Self {
        let now = Instant::now();
        Self { signed, signed_at: now, day: today(), failed: None, last_line: now }
    }
}

impl Lines {
    pub(crate) fn new(next: u64, hashes: Vec<Hash>) -> Self {
        Self { next, hashes, ..Self::default() }
    }

    /// Hashes what was appended.
    fn hash(&mut self) {
        let Self { pending, appended, hashed, leaves, .. } = self;
        leaves_of(pending.get_mut(*hashed..*appended).unwrap_or_default(), |leaf| leaves.push(leaf));
        *hashed = *appended;
    }

    /// The segment was left: what is pending will be appended to another one.
    fn nothing_is_appended(&mut self) {
        (self.appended, self.unsafe_since, self.hashed) = (0, None, 0);
        self.leaves.clear();
    }
}

impl Writer {
    /// Writes until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        loop {
            let (until, gather) = (self.next_duty(), self.gather());
            let owed = self.durability == Durability::Sync && self.lines.appended > 0;
            let taken = self.queue.take(&mut self.lines.pending, owed, until, || Instant::now() + gather);
            let mut wanted = taken == Taken::Wanted;
            if let Taken::Lines { next, wanted: at_once } = taken {
                self.lines.next = next;
                self.times.last_line = Instant::now();
                wanted = at_once;
            }
            self.sampler.say_sums(&self.queue, false);
            let closed = taken == Taken::Closed;
            if self.times.failed.is_some() {
                self.go_on();
            }
            if self.times.failed.is_none()
                && let Err(error) = self.work(wanted, closed)
            {
                self.give_up(&error);
            }
            if closed {
                return;
            }
            if self.times.failed.is_none() {
                self.retention.step(&self.dir, &self.queue, self.edge.size(), self.standing.told());
            }
        }
    }

    /// Everything that is due. `wanted`: somebody waits for the disk.
    fn work(&mut self, wanted: bool, closing: bool) -> std::io::Result<()> {
        let unsafe_yet = self.append()?;
        let due = closing || self.checkpoint_is_due();
        let promised = match self.durability {
            // What nobody waits for yet, a batch that goes on or refusals, shares the next wait.
            Durability::Sync => wanted || self.safe_by().is_some_and(|until| Instant::now() >= until),
            Durability::Async => false,
            _ => true,
        };
        if unsafe_yet && (promised || due || self.lines.pending.len() > UNSAFE_BYTES) {
            self.make_safe()?;
        }
        if due {
            self.checkpoint()?;
        }
        let segment_is_full =
            self.segment.as_ref().is_some_and(|segment| segment.bytes >= self.max_segment_bytes);
        if !closing && (segment_is_full || self.times.day != today()) {
            self.rotate()?;
        }
        if closing {
            self.checkpoints.sync()?;
            self.segment.take().map_or(Ok(()), Segment::close)?;
        } else if self.times.last_line.elapsed() >= HEARTBEAT {
            self.times.last_line = Instant::now();
            // A queue that is full has lines enough to show that the log goes on.
            let _ = self.queue.say("IJ901I", "log_idle", |_| {});
        }
        Ok(())
    }

    /// Appends what was taken. Whether anything is not safe yet.
    fn append(&mut self) -> std::io::Result<bool> {
        let Lines { pending, appended, unsafe_since, next, .. } = &mut self.lines;
        if let (Some(new), Some(segment)) = (pending.get(*appended..), &mut self.segment)
            && !new.is_empty()
        {
            segment.append(new)?;
            *appended = pending.len();
            unsafe_since.get_or_insert_with(Instant::now);
            if self.durability == Durability::Async {
                self.queue.done(*next);
                self.lines.hash();
            }
        }
        Ok(self.lines.appended > 0)
    }

    /// Waits for the disk, tells those who wait for it, and takes the lines into the tree.
    fn make_safe(&mut self) -> std::io::Result<()> {
        if let Some(segment) = &self.segment {
            segment.sync()?;
        }
        self.queue.done(self.lines.next);
        self.take_into_tree();
        Ok(())
    }

    /// All lines that are pending are safe now.
    fn take_into_tree(&mut self) {
        self.lines.hash();
        let Lines { pending, appended, unsafe_since, hashed, leaves, hashes, .. } = &mut self.lines;
        for leaf in leaves.iter() {
            self.edge.push(*leaf);
        }
        hashes.append(leaves);
        pending.clear();
        (*appended, *unsafe_since, *hashed) = (0, None, 0);
    }

    fn checkpoint_is_due(&self) -> bool {
        let unsigned = self.lines.next.saturating_sub(self.times.signed);
        unsigned >= CHECKPOINT_LINES || (unsigned > 0 && self.times.signed_at.elapsed() >= CHECKPOINT_AFTER)
    }

    /// Signs what is safe.
    fn checkpoint(&mut self) -> std::io::Result<()> {
        if let Some(segment) = &mut self.segment {
            segment.append_hashes(&self.lines.hashes)?;
            self.lines.hashes.clear();
        }
        if self.edge.size() > self.times.signed {
            let origin = self.signer.verifier().name().to_owned();
            let checkpoint = Checkpoint { origin, size: self.edge.size(), root: self.edge.root() };
            self.checkpoints.append(&checkpoint, &self.signer)?;
            self.times.signed = self.edge.size();
        }
        self.times.signed_at = Instant::now();
        Ok(())
    }

    /// Ends the segment under a checkpoint, and begins the next.
    fn rotate(&mut self) -> std::io::Result<()> {
        self.make_safe()?;
        self.checkpoint()?;
        self.checkpoints.sync()?;
        self.times.day = today();
        if self.segment.as_ref().is_some_and(|segment| segment.first < self.edge.size()) {
            let next = Segment::create(&self.dir, &self.edge, &[])?;
            self.segment.replace(next).map_or(Ok(()), Segment::close)?;
            self.standing.say_again(&self.queue);
        }
        Ok(())
    }

    /// Leaves the segment, and tells everybody.
    fn give_up(&mut self, error: &std::io::Error) {
        self.queue.fail();
        if let Some(mut segment) = self.segment.take() {
            // What is not safe in it will stand in the next one. Neither has to succeed.
            segment.cut(segment.bytes.saturating_sub(self.lines.appended as u64));
            let _ = segment.append_hashes(&self.lines.hashes);
        }
        self.lines.hashes.clear();
        self.lines.nothing_is_appended();
        eprintln!(
            "idjag: the record in `{}` cannot be written: {error}; exchanges are refused",
            self.dir.display()
        );
        self.times.failed = Some((Instant::now(), error.to_string()));
    }

    /// Tries to begin a new segment with the lines that were not safe.
    fn go_on(&mut self) {
        let Ok(segment) = Segment::create(&self.dir, &self.edge, &self.lines.pending) else {
            return;
        };
        self.segment = Some(segment);
        self.lines.appended = self.lines.pending.len();
        self.take_into_tree();
        if let Some((since, why)) = self.times.failed.take() {
            let seconds = i64::try_from(since.elapsed().as_secs()).unwrap_or(i64::MAX);
            let _ = self.queue.say("IJ902W", "log_resumed", |line| {
                line.text("why", &why);
                line.number("refused_s", seconds);
            });
        }
        self.queue.done(self.edge.size());
        self.standing.say_again(&self.queue);
    }

    fn gather(&self) -> Duration {
        match self.durability {
            Durability::GroupMs(most) => Duration::from_millis(u64::from(most)),
            _ => GATHER,
        }
    }

    /// By when what was appended has to be safe, with `sync`, although nobody waits for it.
    fn safe_by(&self) -> Option<Instant> {
        self.lines.unsafe_since.filter(|_| self.durability == Durability::Sync).map(|since| since + GATHER)
    }

    /// When something is due although nothing comes.
    fn next_duty(&self) -> Instant {
        if self.times.failed.is_some() {
            return Instant::now() + RETRY;
        }
        let idle = self.times.last_line + HEARTBEAT;
        let idle = self.safe_by().map_or(idle, |until| idle.min(until));
        if self.lines.next > self.times.signed || !self.lines.hashes.is_empty() {
            return idle.min(self.times.signed_at + CHECKPOINT_AFTER);
        }
        idle
    }
}

/// The UTC day, counted from 1970.
pub(crate) fn today() -> i64 {
    SystemClock.now().div_euclid(86_400)
}

impl Drop for Writer {
    /// Nobody waits for a writer that is gone, whatever ended it.
    fn drop(&mut self) {
        self.queue.end();
    }
}
