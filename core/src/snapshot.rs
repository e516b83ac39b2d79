//! The one lock-free cell: a whole immutable value that is replaced at once (keys, directory, policy, revocations).
//!
//! Readers never wait and never free: the writer keeps every value that it replaced until no reader holds it, and
//! drops it itself, so that a request never pays for the end of a directory of millions. This is the only file that
//! names arc-swap. It does not merge changes: a writer makes the next value from the present one.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

/// How often a writer only gives up its time slice while it waits for the readers of the replaced value.
const YIELDS: u32 = 64;
/// How often it then sleeps for [`NAP`]. Together they bound the wait to about 50 ms.
const NAPS: u32 = 50;
const NAP: Duration = Duration::from_millis(1);
/// How often it looks while one of the readers waits for something itself.
const FEW: u32 = 8;

/// A value of which readers always see one whole version.
pub(crate) struct Snapshot<T> {
    current: ArcSwap<T>,
    /// Replaced values that some reader still held when their writer stopped waiting. Its lock serialises writers.
    retired: Mutex<Vec<Arc<T>>>,
    /// Readers that hold a version and wait for something else.
    waiting: AtomicUsize,
}

/// One version of the value, held for as long as this lives. Hold it for one request or chunk, not longer.
pub(crate) struct Loaded<T>(Guard<Arc<T>>);

/// While this lives, writers do not wait for readers: see [`Snapshot::waiting`].
pub(crate) struct Waiting<'s>(&'s AtomicUsize);

impl<T> Snapshot<T> {
    /// A cell that holds `value`.
    pub(crate) fn new(value: T) -> Self {
        Self {
            current: ArcSwap::from_pointee(value),
            retired: Mutex::new(Vec::new()),
            waiting: AtomicUsize::new(0),
        }
    }

    /// The present version. Lock-free; costs some nanoseconds and never frees a version.
    pub(crate) fn load(&self) -> Loaded<T> {
        Loaded(self.current.load())
    }

    /// For a reader that holds a version and is about to wait for the network, perhaps for the very change that a writer is
    /// making. While what is given lives, a writer that finds its replaced value held leaves it to a later update at once.
    pub(crate) fn waiting(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.waiting)
    }

    /// Replaces the value with what `change` makes of it; an error of `change` leaves it as it is.
    ///
    /// Writers run one after the other, so no change is lost; `change` must not update the same cell. After the swap
    /// the writer waits until no reader holds the replaced value and drops it on its own thread. The wait is bounded
    /// to about 50 ms, and to a few time slices while a reader is [`waiting`](Self::waiting): a value that is held for longer
    /// is dropped by a later update, never by its reader.
    pub(crate) fn update<E>(&self, change: impl FnOnce(&T) -> Result<T, E>) -> Result<(), E> {
        let mut retired = self.retired.lock();
        retired.retain(is_held);
        let next = change(&self.load())?;
        let replaced = self.current.swap(Arc::new(next));
        for wait in 0..YIELDS + NAPS {
            if !is_held(&replaced) {
                return Ok(());
            }
            if wait >= FEW && self.waiting.load(Ordering::Relaxed) > 0 {
                break;
            }
            if wait < YIELDS {
                thread::yield_now();
            } else {
                thread::sleep(NAP);
            }
        }
        retired.push(replaced);
        Ok(())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> Deref for Loaded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Whether a reader still holds a replaced value. The swap turned every loan of it into a count, and nobody can load
/// it any more, so that a count of one (the writer's own) is final.
fn is_held<T>(replaced: &Arc<T>) -> bool {
    Arc::strong_count(replaced) > 1
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::ThreadId;

    use super::*;

    /// A number twice, so that a torn read shows, and a log of the threads that dropped one.
    struct Version {
        number: u64,
        mirrored: u64,
        drops: Arc<Mutex<Vec<ThreadId>>>,
    }

    impl Version {
        fn new(number: u64, drops: &Arc<Mutex<Vec<ThreadId>>>) -> Self {
            Self { number, mirrored: !number, drops: Arc::clone(drops) }
        }

        fn next(&self) -> Self {
            Self::new(self.number + 1, &self.drops)
        }

        fn checked(&self) -> u64 {
            assert_eq!(self.number, !self.mirrored, "torn");
            self.number
        }
    }

    impl Drop for Version {
        fn drop(&mut self) {
            self.drops.lock().push(thread::current().id());
        }
    }

    fn advance(cell: &Snapshot<Version>) {
        cell.update(|version| Ok::<_, Infallible>(version.next())).unwrap();
    }

    #[test]
    fn a_failing_update_changes_nothing() {
        let cell = Snapshot::new(7);
        assert_eq!(cell.update(|_| Err("no")), Err("no"));
        assert_eq!(*cell.load(), 7);
        assert_eq!(cell.update(|value| Ok::<_, &str>(value + 1)), Ok(()));
        assert_eq!(*cell.load(), 8);
    }

    #[test]
    fn no_update_is_lost_between_writers() {
        let cell = Snapshot::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        cell.update(|value| Ok::<_, Infallible>(value + 1)).unwrap();
                    }
                });
            }
        });
        assert_eq!(*cell.load(), 2_000);
    }

    #[test]
    fn what_a_reader_holds_for_long_is_dropped_by_a_later_update() {
        let drops = Arc::default();
        let cell = Snapshot::new(Version::new(0, &drops));
        let held = cell.load();
        advance(&cell);
        assert_eq!((held.checked(), cell.load().checked()), (0, 1));
        thread::scope(|scope| {
            scope.spawn(move || drop(held));
        });
        assert!(drops.lock().is_empty(), "the reader freed it");
        advance(&cell);
        assert_eq!(*drops.lock(), vec![thread::current().id(); 2]);
    }

    #[test]
    fn no_writer_waits_for_a_reader_that_waits() {
        const CHANGES: usize = 40;
        let drops = Arc::default();
        let cell = Snapshot::new(Version::new(0, &drops));
        let began = std::time::Instant::now();
        let (held, waiting) = (cell.load(), cell.waiting());
        for _ in 0..CHANGES {
            let _also = cell.load();
            advance(&cell);
        }
        // Each would have waited for 50 ms.
        assert!(began.elapsed() < NAP * NAPS * 20, "{:?}", began.elapsed());
        drop((held, waiting));
        advance(&cell);
        assert_eq!(drops.lock().len(), CHANGES + 1);
    }

    #[test]
    fn readers_agree_with_a_locked_twin_and_never_free() {
        const VERSIONS: u64 = 2_000;
        let drops = Arc::default();
        let cell = Snapshot::new(Version::new(0, &drops));
        // Every version reaches the twin first: a reader of both must find the cell at most one version behind what
        // the twin was before, and never ahead of what it is after.
        let twin = Mutex::new(Arc::new(0));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut newest = 0;
                    while !done.load(Ordering::Relaxed) {
                        let before = **twin.lock();
                        let version = cell.load();
                        let number = version.checked();
                        let after = **twin.lock();
                        assert!(number >= newest, "older than seen");
                        assert!(before <= number + 1 && number <= after);
                        newest = number;
                    }
                });
            }
            for number in 1..=VERSIONS {
                *twin.lock() = Arc::new(number);
                advance(&cell);
            }
            done.store(true, Ordering::Relaxed);
        });
        advance(&cell);
        let drops = drops.lock();
        assert_eq!(drops.len() as u64, VERSIONS + 1);
        assert!(drops.iter().all(|thread| *thread == thread::current().id()));
    }
}
