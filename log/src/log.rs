//! The log of one process: the engine's record on disk.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use idjag::{Durability, Event, Fact, Note, Receipt, Record, RecordUnavailable, SubjectForm};

use crate::error::Error;
use crate::folder::{Folder, Held, own_verifier};
use crate::line::{self, Subjects};
use crate::note_line;
use crate::queue::Queue;
use crate::recover::{Recovered, recover};
use crate::retain::Retention;
use crate::sampler::Sampler;
use crate::standing::{Standing, Table};
use crate::writer::{Lines, Times, Writer};

/// How a record is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name of a new folder's key, by convention a URL without its scheme: `auth.chat.example/audit`. Logs are called
    /// `auth.chat.example/audit/0` and so on, and that is the origin in their checkpoints.
    pub name: String,
    /// How an answer waits for the disk.
    pub durability: Durability,
    /// How a person is named.
    pub subject: SubjectForm,
    /// A segment that is larger, in bytes, is followed by the next.
    pub max_segment_bytes: u64,
    /// Segments that are older than so many days are removed; `None`: everything is kept. Only what [`open`](crate::open)
    /// opened removes any.
    pub keep_days: Option<u32>,
}

impl Options {
    /// The safe ones, for a server with this issuer identifier: nothing is handed out before its line is on disk, people
    /// are named as the IdP names them, segments of 256 MiB.
    pub fn of(issuer: &str) -> Self {
        let stem = issuer.split_once("://").map_or(issuer, |(_, rest)| rest).trim_end_matches('/');
        let stem: String =
            stem.chars().filter(|c| !c.is_whitespace() && !c.is_control() && *c != '+').collect();
        Self {
            name: format!("{stem}/audit"),
            durability: Durability::Sync,
            subject: SubjectForm::Plain,
            max_segment_bytes: 256 << 20,
            keep_days: None,
        }
    }
}

/// A record on disk, open to be written by this process: give it to [`idjag::Builder::record`].
///
/// Every exchange is a line of JSON; of refusals without a valid signature, which anybody can make, so many that a flood of
/// them is counted by reason instead (2,000 at once, twenty a second). `queue` costs some hundred nanoseconds, a lock and no system call but to wake a
/// writer that sleeps, and allocates nothing once its buffers have grown. It refuses while the disk fails and while 64
/// MiB wait for it; the engine then answers 503. Dropping it writes what is left and closes the log. It belongs to its process: a child of `fork` gets no
/// answer from it.
pub struct Log {
    queue: Arc<Queue>,
    sampler: Arc<Sampler>,
    durability: Durability,
    subjects: Arc<Subjects>,
    standing: Arc<Standing>,
    opened: Opened,
    writer: Option<JoinHandle<()>>,
    held: Held,
}

/// What was found when a log was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// Lines that were there.
    pub lines: u64,
    /// How many of them were not under a checkpoint: none, if the process before ended in order.
    pub carried_over: u64,
    /// Bytes of half a line that were set aside.
    pub set_aside_bytes: u64,
}

/// What lines look like. Members may be added to them without another number.
const FORMAT: i64 = 1;

thread_local! {
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Log {
    /// Opens a log in the folder `path`, which is made where it is missing: the first that no other process holds.
    ///
    /// Reads the last segment. Starts one thread.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or written; what a checkpoint covers is gone or changed ([`Error::is_damage`]). Such a
    /// log is left as it is: look at it with `idjag audit verify`, then freeze it, and another one is opened.
    pub fn open(path: &Path, options: &Options) -> Result<Self, Error> {
        let folder = Folder::open(path, &options.name)?;
        let held = folder.hold_a_log()?;
        let signer = folder.signer().below(&held.number.to_string()).ok_or_else(|| {
            Error::unusable(path, "its key has a name that no log can have; restore `key` from a backup")
        })?;
        let Recovered { segment, checkpoints, edge, hashes, signed, set_aside } =
            recover(&held.dir, signer.verifier())?;
        let opened =
            Opened { lines: edge.size(), carried_over: edge.size() - signed, set_aside_bytes: set_aside };
        let queue = Arc::new(Queue::new(edge.size()));
        let sampler = Arc::new(Sampler::new());
        let subjects = Arc::new(Subjects::new(options.subject, &*folder.signer().derive("subject")));
        let standing = Arc::new(Standing::new(Arc::clone(&subjects), folder.sealer()));
        let writer = Writer {
            queue: Arc::clone(&queue),
            sampler: Arc::clone(&sampler),
            standing: Arc::clone(&standing),
            retention: Retention::new(options.keep_days),
            dir: held.dir.clone(),
            signer,
            durability: options.durability,
            max_segment_bytes: options.max_segment_bytes,
            checkpoints,
            segment: Some(segment),
            lines: Lines::new(edge.size(), hashes),
            edge,
            times: Times::new(signed),
        };
        let thread = thread::Builder::new().name("idjag-record".to_owned());
        let writer = thread.spawn(move || writer.run()).map_err(|error| Error::io(&held.dir, error))?;
        let log = Self {
            queue,
            sampler,
            durability: options.durability,
            subjects,
            standing,
            opened,
            writer: Some(writer),
            held,
        };
        log.say_opened().map_err(|RecordUnavailable| Error::unusable(path, "cannot be written"))?;
        Ok(log)
    }

    /// The first lines of a process; on disk when this returns.
    fn say_opened(&self) -> Result<(), RecordUnavailable> {
        let Opened { lines, carried_over, set_aside_bytes } = self.opened;
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut receipt = self.queue.say("IJ900I", "log_opened", |line| {
            line.number("format", FORMAT);
            line.text("version", env!("CARGO_PKG_VERSION"));
            line.number("lines", number(lines));
            line.number("process", i64::from(std::process::id()));
        })?;
        if carried_over > 0 || set_aside_bytes > 0 {
            receipt = self.queue.say("IJ900W", "log_recovered", |line| {
                line.number("carried_over", number(carried_over));
                line.number("set_aside_bytes", number(set_aside_bytes));
            })?;
        }
        self.queue.wait(receipt)
    }

    /// Queues what `write` writes.
    fn line(&self, write: impl FnOnce(&mut Vec<u8>)) -> Result<Receipt, RecordUnavailable> {
        LINE.with(|buffer| {
            // Nothing below calls back, so it is never lent already.
            let mut buffer = buffer.try_borrow_mut().map_err(|_| RecordUnavailable)?;
            write(&mut buffer);
            self.queue.push(&buffer)
        })
    }

    /// Takes what stood when the log was opened, and says it: on disk when this returns.
    pub(crate) fn stand(&self, stood: Table, now: i64) -> Result<(), RecordUnavailable> {
        self.queue.wait(self.standing.begin(stood, now, &self.queue)?)
    }

    /// What was found when it was opened.
    pub const fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Where this process writes.
    pub fn dir(&self) -> PathBuf {
        self.held.dir.clone()
    }

    /// Whether lines are taken: false while the disk fails.
    pub fn is_open(&self) -> bool {
        self.queue.is_open()
    }

    /// The last receipt of which, as of all before it, [`wait`](Record::wait) would give an answer at once.
    pub fn settled(&self) -> Receipt {
        if self.durability == Durability::Sync { self.queue.settled() } else { Receipt(u64::MAX) }
    }

    /// For who may not wait: has `call` called once on the writing thread, when [`wait`](Record::wait) would give an answer
    /// at once. Where it would already, gives what [`settled`](Self::settled) says, and calls nobody.
    ///
    /// `call` must not wait for anything, and not ask this log for anything: everybody waits for it.
    pub fn call(&self, receipt: Receipt, call: Arc<dyn Fn() + Send + Sync>) -> Option<Receipt> {
        if self.durability == Durability::Sync {
            self.queue.call(receipt, call)
        } else {
            Some(Receipt(u64::MAX))
        }
    }
}

/// Records, in a log of its own process, that log `log` of the folder `path` was frozen, and why. Where that stands.
///
/// # Errors
///
/// As [`Log::open`].
pub fn record_freeze(path: &Path, log: u32, because: &str) -> Result<PathBuf, Error> {
    let name = own_verifier(path)?.name().to_owned();
    let kept = Log::open(path, &Options { name, ..Options::of("") })?;
    let receipt = kept.queue.say("IJ903W", "log_frozen", |line| {
        line.number("log", i64::from(log));
        line.text("because", because);
    });
    receipt
        .and_then(|receipt| kept.queue.wait(receipt))
        .map_err(|RecordUnavailable| Error::unusable(path, "cannot be written"))?;
    Ok(kept.dir())
}

impl Record for Log {
    fn queue(&self, event: &Event<'_>) -> Result<Receipt, RecordUnavailable> {
        if let Some(refusal) = event.refusal.filter(|_| !event.signature_valid)
            && !self.sampler.admits(refusal.reason(), Instant::now())
        {
            return if self.queue.is_open() { Ok(Receipt(0)) } else { Err(RecordUnavailable) };
        }
        self.line(|buffer| line::exchange(buffer, event, &self.subjects))
    }

    fn keep(&self, at_ms: i64, fact: &Fact<'_>) -> Result<Receipt, RecordUnavailable> {
        match fact {
            Fact::Spent { purpose, claim, client_id } => {
                self.line(|buffer| line::spent(buffer, at_ms, *purpose, claim, client_id))
            }
            Fact::Revocation { of, lifted, notice } => {
                self.standing.change(at_ms, of, *lifted, *notice, &self.queue)
            }
            _ => Err(RecordUnavailable),
        }
    }

    fn note(&self, at_ms: i64, note: &Note<'_>) {
        if let Note::VerifyRefused { reason, .. } = note
            && !self.sampler.admits(*reason, Instant::now())
        {
            return;
        }
        note_line::lines(note, at_ms, |rest| self.queue.push_own(rest));
    }

    fn wait(&self, receipt: Receipt) -> Result<(), RecordUnavailable> {
        if self.durability == Durability::Sync { self.queue.wait(receipt) } else { Ok(()) }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("dir", &self.held.dir).finish_non_exhaustive()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if !self.queue.has_writer() {
            // A child of `fork`: the log is its parent's, and so is the thread.
            std::mem::forget(self.writer.take());
            return;
        }
        // The last line; whether it can be written or not, the log ends.
        self.sampler.say_sums(&self.queue, true);
        let _ = self.queue.say("IJ900I", "log_closed", |_| {});
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}
