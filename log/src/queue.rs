//! The queue between those who decide and the one thread that writes: lines of bytes under one short lock.
//!
//! A line gets its number here, so that numbers and bytes have one order. The writer takes everything at once and gives
//! its empty buffer back: once both are large enough, nothing is allocated. Who queues wakes the writer only where it
//! sleeps or where much has come together; who waits wakes it at once, also where it does not wait here but is called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use idjag::{Clock, Receipt, RecordUnavailable, SystemClock};

use crate::line::Line;
use crate::sync::{AtomicU64, Condvar, Mutex, MutexGuard, Ordering};

/// Bytes that may wait for the writer: some hundred thousand lines.
const CAPACITY: usize = 64 << 20;
/// How long somebody waits before looking whether there is a writer at all.
const LOOK_UP: Duration = Duration::from_secs(1);
/// So many bytes are worth a write of their own.
const WORTH_A_WRITE: usize = 256 << 10;

pub(crate) struct Queue {
    inner: Mutex<Inner>,
    /// For the writer.
    work: Condvar,
    /// For those who wait for the disk.
    done: Condvar,
    /// Lines before this number are as durable as was promised.
    durable: AtomicU64,
    /// Where the writer runs: a child of `fork` has a copy of the queue, and none of it.
    process: u32,
}

struct Inner {
    /// Lines that were not taken yet.
    lines: Vec<u8>,
    /// The number of the next line.
    next: u64,
    state: State,
    /// Somebody waits for the disk.
    urgent: bool,
    /// The writer sleeps without having anything to do.
    idle: bool,
    /// Who is called once, when a line is as durable as was promised or will not be.
    calls: Vec<(Receipt, Call)>,
}

/// What the writing thread calls: it may not wait.
pub(crate) type Call = Arc<dyn Fn() + Send + Sync>;

/// Whether lines are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The disk failed; the writer tries to go on.
    Failed,
    /// The last lines are on their way.
    Closing,
    /// The writer is gone.
    Closed,
}

impl State {
    /// Whether nobody is to wait for the disk any more.
    const fn is_over(self) -> bool {
        matches!(self, Self::Failed | Self::Closed)
    }
}

/// What the writer finds when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Lines, up to this number; `wanted`: somebody waits for the disk.
    Lines { next: u64, wanted: bool },
    /// Nothing; but somebody waits for what was taken before.
    Wanted,
    /// Nothing until the time was over.
    Nothing,
    /// Nothing, and nothing will come.
    Closed,
}

impl Queue {
    /// A queue whose first line gets number `next`.
    pub(crate) fn new(next: u64) -> Self {
        let inner = Inner {
            lines: Vec::new(),
            next,
            state: State::Open,
            urgent: false,
            idle: false,
            calls: Vec::new(),
        };
        Self {
            inner: Mutex::new(inner),
            work: Condvar::new(),
            done: Condvar::new(),
            durable: AtomicU64::new(next),
            process: std::process::id(),
        }
    }

    /// Queues one line: `rest` is what follows its number. Refused while the disk fails, when the queue is full, and once
    /// it was closed.
    pub(crate) fn push(&self, rest: &[u8]) -> Result<Receipt, RecordUnavailable> {
        self.push_if(rest, |state| state == State::Open)
    }

    /// The same for the log's own lines, which are few, and say how it began and ended or why it stood still.
    pub(crate) fn say(
        &self,
        code: &'static str,
        event: &'static str,
        members: impl FnOnce(&mut Line<'_>),
    ) -> Result<Receipt, RecordUnavailable> {
        let mut rest = Vec::new();
        let mut line = Line::new(&mut rest, SystemClock.now_ms(), code, event);
        members(&mut line);
        line.end();
        self.push_if(&rest, |_| true)
    }

    /// Queues a line that is taken also while the disk fails, to be written afterwards. One for which there is no room is
    /// lost.
    pub(crate) fn push_own(&self, rest: &[u8]) {
        let _ = self.push_if(rest, |_| true);
    }

    fn push_if(
        &self,
        rest: &[u8],
        admitted: impl FnOnce(State) -> bool,
    ) -> Result<Receipt, RecordUnavailable> {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        let before = inner.lines.len();
        if !admitted(inner.state) || before + rest.len() > CAPACITY {
            return Err(RecordUnavailable);
        }
        inner.lines.extend_from_slice(b"{\"seq\":");
        inner.lines.extend_from_slice(itoa::Buffer::new().format(inner.next).as_bytes());
        inner.lines.extend_from_slice(rest);
        inner.next += 1;
        let receipt = Receipt(inner.next);
        let crossed = before < WORTH_A_WRITE && inner.lines.len() >= WORTH_A_WRITE;
        let wake = inner.idle || crossed;
        inner.idle = false;
        drop(guard);
        if wake {
            self.work.notify_one();
        }
        Ok(receipt)
    }

    /// Waits until what `receipt` stands for is as durable as was promised.
    pub(crate) fn wait(&self, receipt: Receipt) -> Result<(), RecordUnavailable> {
        if self.durable.load(Ordering::Acquire) >= receipt.0 {
            return Ok(());
        }
        let mut inner = self.inner.lock();
        loop {
            if self.durable.load(Ordering::Acquire) >= receipt.0 {
                return Ok(());
            }
            if inner.state.is_over() {
                return Err(RecordUnavailable);
            }
            self.hurry(&mut inner);
            if self.done.wait_for(&mut inner, LOOK_UP).timed_out() && !self.has_writer() {
                return Err(RecordUnavailable);
            }
        }
    }

    /// The number that stands for all lines of which [`wait`](Self::wait) would give an answer at once.
    pub(crate) fn settled(&self) -> Receipt {
        self.settled_in(&self.inner.lock())
    }

    fn settled_in(&self, inner: &Inner) -> Receipt {
        Receipt(if inner.state.is_over() { u64::MAX } else { self.durable.load(Ordering::Acquire) })
    }

    /// Has `call` called once, when [`wait`](Self::wait) would give an answer at once. Where it would already, gives what
    /// [`settled`](Self::settled) says, and calls nobody.
    pub(crate) fn call(&self, receipt: Receipt, call: Call) -> Option<Receipt> {
        let mut inner = self.inner.lock();
        let settled = self.settled_in(&inner);
        if settled >= receipt {
            return Some(settled);
        }
        inner.calls.push((receipt, call));
        self.hurry(&mut inner);
        None
    }

    /// Somebody waits for the disk.
    fn hurry(&self, inner: &mut Inner) {
        if !inner.urgent {
            inner.urgent = true;
            inner.idle = false;
            self.work.notify_one();
        }
    }

    /// Whether this is the process that writes.
    pub(crate) fn has_writer(&self) -> bool {
        std::process::id() == self.process
    }

    /// For the writer: appends all lines to `lines`. With nothing there, sleeps until `until`, or until somebody waits for
    /// the disk where it has `owed` lines, which were taken before and are not safe; with something that nobody waits for, lets
    /// more come together until `gather`.
    pub(crate) fn take(
        &self,
        lines: &mut Vec<u8>,
        owed: bool,
        until: Instant,
        gather: impl Fn() -> Instant,
    ) -> Taken {
        let mut guard = self.inner.lock();
        let mut gathering = None;
        loop {
            let inner = &mut *guard;
            let ready = inner.urgent || inner.state != State::Open || inner.lines.len() >= WORTH_A_WRITE;
            let over = if inner.lines.is_empty() {
                if inner.state == State::Closing {
                    return Taken::Closed;
                }
                if inner.urgent && owed {
                    break;
                }
                inner.urgent = false;
                inner.idle = true;
                until
            } else if ready {
                break;
            } else {
                *gathering.get_or_insert_with(&gather)
            };
            if self.work.wait_until(&mut guard, over).timed_out() {
                break;
            }
        }
        let inner = &mut *guard;
        inner.idle = false;
        let wanted = std::mem::take(&mut inner.urgent);
        if inner.lines.is_empty() {
            return match inner.state {
                State::Closing => Taken::Closed,
                _ if wanted => Taken::Wanted,
                _ => Taken::Nothing,
            };
        }
        if lines.is_empty() {
            std::mem::swap(lines, &mut inner.lines);
        } else {
            lines.append(&mut inner.lines);
        }
        Taken::Lines { next: inner.next, wanted }
    }

    /// For the writer: lines before `next` are as durable as was promised.
    pub(crate) fn done(&self, next: u64) {
        let mut inner = self.inner.lock();
        self.durable.store(next, Ordering::Release);
        if inner.state == State::Failed {
            inner.state = State::Open;
        }
        self.tell(inner);
    }

    /// Tells everybody who waits here, and who is to be called for a line that is settled.
    fn tell(&self, mut inner: MutexGuard<'_, Inner>) {
        let settled = self.settled_in(&inner);
        let calls: Vec<_> = inner.calls.extract_if(.., |(receipt, _)| *receipt <= settled).collect();
        drop(inner);
        self.done.notify_all();
        for (_, call) in calls {
            call();
        }
    }

    /// For the writer: the disk failed. Who waits is told, and nothing is taken until [`done`](Self::done).
    pub(crate) fn fail(&self) {
        let mut inner = self.inner.lock();
        if inner.state == State::Open {
            inner.state = State::Failed;
        }
        self.tell(inner);
    }

    /// Takes no more lines, and lets the writer end.
    pub(crate) fn close(&self) {
        self.inner.lock().state = State::Closing;
        self.work.notify_one();
        self.done.notify_all();
    }

    /// For the writer, as its last word.
    pub(crate) fn end(&self) {
        let mut inner = self.inner.lock();
        inner.state = State::Closed;
        self.tell(inner);
    }

    /// Whether lines are taken.
    pub(crate) fn is_open(&self) -> bool {
        self.inner.lock().state == State::Open
    }
}

#[cfg(all(test, not(idjag_loom)))]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(1)
    }

    #[test]
    fn lines_are_numbered_in_the_order_of_their_bytes() {
        let queue = Queue::new(9);
        let mut lines = Vec::new();
        assert_eq!(queue.take(&mut lines, false, soon(), soon), Taken::Nothing);
        assert_eq!(queue.push(b",\"a\":1}\n"), Ok(Receipt(10)));
        assert_eq!(queue.push(b",\"b\":1}\n"), Ok(Receipt(11)));
        assert_eq!(queue.take(&mut lines, false, soon(), soon), Taken::Lines { next: 11, wanted: false });
        assert_eq!(lines, b"{\"seq\":9,\"a\":1}\n{\"seq\":10,\"b\":1}\n");
        queue.done(11);
        assert_eq!(queue.wait(Receipt(11)), Ok(()));
    }

    #[test]
    fn a_failed_disk_refuses_and_a_full_queue_does() {
        let queue = Queue::new(0);
        let receipt = queue.push(b"}\n").unwrap();
        queue.fail();
        assert_eq!(queue.wait(receipt), Err(RecordUnavailable));
        assert_eq!(queue.push(b"}\n"), Err(RecordUnavailable));
        assert!(queue.say("IJ000I", "test", |_| {}).is_ok());
        queue.done(2);
        assert_eq!(queue.wait(receipt), Ok(()));
        let large = vec![b' '; CAPACITY - 100];
        assert!(queue.push(&large).is_ok());
        assert_eq!(queue.push(&[b' '; 100]), Err(RecordUnavailable));
        let mut lines = Vec::new();
        queue.take(&mut lines, false, soon(), soon);
        assert!(queue.push(&[b' '; 100]).is_ok());
        queue.close();
        assert_eq!(queue.push(b"}\n"), Err(RecordUnavailable));
        queue.take(&mut lines, false, soon(), soon);
        assert_eq!(queue.take(&mut lines, false, soon(), soon), Taken::Closed);
    }

    #[test]
    fn what_is_owed_is_asked_for_by_who_waits_and_by_nobody_else() {
        let queue = Queue::new(0);
        let mut lines = Vec::new();
        let receipt = queue.push(b"}\n").unwrap();
        assert_eq!(queue.take(&mut lines, false, soon(), soon), Taken::Lines { next: 1, wanted: false });
        assert_eq!(queue.take(&mut lines, true, soon(), soon), Taken::Nothing);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.wait(receipt));
            let far = Instant::now() + Duration::from_secs(60);
            assert_eq!(queue.take(&mut lines, true, far, || far), Taken::Wanted);
            queue.done(1);
            assert_eq!(waiting.join().unwrap(), Ok(()));
        });
        // Who came too late for what is owed wakes nobody where nothing is.
        assert_eq!(queue.call(Receipt(2), Arc::new(|| ())), None);
        assert_eq!(queue.take(&mut lines, false, soon(), soon), Taken::Nothing);
        queue.push(b"}\n").unwrap();
        assert_eq!(queue.take(&mut lines, false, soon(), soon), Taken::Lines { next: 2, wanted: false });
    }

    #[test]
    fn who_waits_wakes_the_writer_and_the_writer_wakes_who_waits() {
        const EACH: u64 = 200;
        let queue = Queue::new(0);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let (mut lines, mut total) = (Vec::new(), 0);
                let far = || Instant::now() + Duration::from_secs(60);
                loop {
                    lines.clear();
                    match queue.take(&mut lines, false, far(), far) {
                        Taken::Lines { next, .. } => {
                            total += lines.len();
                            queue.done(next);
                        }
                        Taken::Nothing | Taken::Wanted => {}
                        Taken::Closed => return total,
                    }
                }
            });
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..EACH {
                            queue.wait(queue.push(b"}\n").unwrap()).unwrap();
                        }
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            queue.close();
            let numbers: usize = (0..4 * EACH).map(|number| number.to_string().len()).sum();
            assert_eq!(writer.join().unwrap(), numbers + 4 * 200 * 9);
        });
    }
}

/// Every order of what those who queue, the writer and those who wait may do.
#[cfg(all(test, idjag_loom))]
mod model {
    use loom::model::Builder;
    use loom::sync::atomic::AtomicU64 as Flag;
    use loom::thread;

    use super::*;

    /// What the disk has: the model's own, beside the queue.
    struct Disk {
        queue: Queue,
        /// Lines before this number were written.
        written: Flag,
    }

    impl Disk {
        fn new() -> Arc<Self> {
            Arc::new(Self { queue: Queue::new(0), written: Flag::new(0) })
        }

        /// Queues a line and waits for it. Whoever is told that it is safe finds it written.
        fn append(&self) -> Result<(), RecordUnavailable> {
            let receipt = self.queue.push(b"}\n")?;
            self.queue.wait(receipt)?;
            assert!(self.written.load(Ordering::Relaxed) >= receipt.0, "woken early");
            assert!(self.queue.settled() >= receipt);
            Ok(())
        }

        /// The writer: `succeeds` says of each of its writes whether it does. Lines that nobody waits for stay unwritten until
        /// somebody does, or time passes.
        fn write(&self, mut succeeds: impl FnMut() -> bool) -> Vec<u8> {
            let (mut lines, mut owed) = (Vec::new(), None);
            loop {
                let taken = self.queue.take(&mut lines, owed.is_some(), Instant::now(), Instant::now);
                if let Taken::Lines { next, .. } = taken {
                    owed = Some(next);
                }
                if !matches!(taken, Taken::Lines { wanted: false, .. })
                    && let Some(next) = owed
                {
                    if succeeds() {
                        self.written.store(next, Ordering::Relaxed);
                        self.queue.done(next);
                        owed = None;
                    } else {
                        self.queue.fail();
                    }
                }
                if taken == Taken::Closed {
                    break;
                }
            }
            self.queue.end();
            lines
        }
    }

    fn explored(model: impl Fn() + Send + Sync + 'static) {
        let mut builder = Builder::new();
        // More than these show nothing new in a queue of one lock, and take hours.
        builder.preemption_bound = Some(3);
        builder.check(model);
    }

    #[test]
    fn a_line_is_safe_when_its_commit_is_and_nobody_is_woken_early_or_forgotten() {
        explored(|| {
            let disk = Disk::new();
            let threads = [(); 2].map(|()| {
                let disk = Arc::clone(&disk);
                thread::spawn(move || disk.append())
            });
            let writer = {
                let disk = Arc::clone(&disk);
                thread::spawn(move || disk.write(|| true))
            };
            for thread in threads {
                assert_eq!(thread.join().unwrap(), Ok(()));
            }
            disk.queue.close();
            let lines = writer.join().unwrap();
            assert_eq!(lines, b"{\"seq\":0}\n{\"seq\":1}\n");
        });
    }

    #[test]
    fn a_disk_that_fails_wakes_everybody_and_refuses_until_it_is_back() {
        explored(|| {
            let disk = Disk::new();
            let waiting = {
                let disk = Arc::clone(&disk);
                thread::spawn(move || disk.append())
            };
            let writer = {
                let disk = Arc::clone(&disk);
                let mut tries = 0;
                thread::spawn(move || {
                    disk.write(|| {
                        tries += 1;
                        tries > 1
                    })
                })
            };
            let ours = disk.append();
            let theirs = waiting.join().unwrap();
            disk.queue.close();
            let lines = writer.join().unwrap();
            // Refused before it was queued, or after it was written in vain; a line stays where it was queued.
            let queued = lines.split_inclusive(|byte| *byte == b'\n').count();
            let answered = [ours, theirs].iter().filter(|answer| answer.is_ok()).count();
            assert!((1..=2).contains(&queued) && answered <= queued);
            assert_eq!(disk.queue.settled(), Receipt(u64::MAX));
        });
    }

    #[test]
    fn who_is_to_be_called_is_called_once_and_not_before_the_line_is_written() {
        explored(|| {
            let disk = Disk::new();
            let called = Arc::new(Flag::new(0));
            let writer = {
                let disk = Arc::clone(&disk);
                thread::spawn(move || disk.write(|| true))
            };
            let other = {
                let disk = Arc::clone(&disk);
                thread::spawn(move || disk.append())
            };
            let receipt = disk.queue.push(b"}\n").unwrap();
            let call: Call = {
                let (disk, called) = (Arc::clone(&disk), Arc::clone(&called));
                Arc::new(move || {
                    assert!(disk.written.load(Ordering::Relaxed) >= receipt.0, "called early");
                    called.fetch_add(1, Ordering::Relaxed);
                })
            };
            let settled = disk.queue.call(receipt, call);
            assert_eq!(other.join().unwrap(), Ok(()));
            disk.queue.close();
            writer.join().unwrap();
            match settled {
                Some(settled) => assert!(settled >= receipt && called.load(Ordering::Relaxed) == 0),
                None => assert_eq!(called.load(Ordering::Relaxed), 1),
            }
        });
    }
}
