//! The lock on a configuration file, where the memory of what was used is that of one process.
//!
//! It is on the file itself (`flock`), not on another beside it: that needs no right to write, leaves nothing behind, and
//! ends with the process, however it ends. A file that is replaced is another file, until `reload` reads it. A child of
//! `fork` has no part in the lock of its parent: it lets go of what it inherited, and makes its own or is refused.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The locks of this process, so that several engines over one file share one.
static LOCKS: Mutex<Vec<Weak<Lock>>> = Mutex::new(Vec::new());

/// A file that no other process has an engine over, until this is dropped.
pub(crate) struct Lock {
    identity: Identity,
    /// None in a child of the process that took it.
    file: Mutex<Option<File>>,
}

/// What became of taking one.
pub(crate) enum Taken {
    Here(Arc<Lock>),
    /// Another process has it.
    Elsewhere,
    /// It cannot be told, and why.
    Unknown(String),
    /// What was read is no file that could be read again, but a pipe or the like.
    NoFile,
}

/// Takes the lock on the file at `path`, or a share of it where this process has it.
pub(crate) fn take(path: &Path) -> Taken {
    let mut locks = guard(&LOCKS);
    locks.retain(|lock| lock.strong_count() > 0);
    let taken = path.metadata().and_then(|found| {
        if !found.is_file() {
            return Ok(Taken::NoFile);
        }
        let file = File::open(path)?;
        let identity = identity(&file)?;
        let ours = |lock: &Arc<Lock>| lock.identity == identity && guard(&lock.file).is_some();
        if let Some(lock) = locks.iter().filter_map(Weak::upgrade).find(ours) {
            return Ok(Taken::Here(lock));
        }
        if !lock_now(&file)? {
            return Ok(Taken::Elsewhere);
        }
        let lock = Arc::new(Lock { identity, file: Mutex::new(Some(file)) });
        locks.push(Arc::downgrade(&lock));
        Ok(Taken::Here(lock))
    });
    taken.unwrap_or_else(|why| Taken::Unknown(why.to_string()))
}

/// Lets go of every lock in a child of `fork`, without taking it from the parent: a child that lives on would otherwise
/// hold it when the parent is gone.
pub(crate) fn forked() {
    // Nobody else holds it: who takes a lock holds the interpreter meanwhile, as who forks does.
    if let Ok(mut locks) = LOCKS.try_lock() {
        for lock in locks.drain(..).filter_map(|lock| lock.upgrade()) {
            *guard(&lock.file) = None;
        }
    }
}

/// What is guarded is whole at any time.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Device and inode.
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(file: &File) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    file.metadata().map(|found| (found.dev(), found.ino()))
}

/// Whether nobody else has it.
#[cfg(unix)]
fn lock_now(file: &File) -> io::Result<bool> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(why) => Err(why.into()),
    }
}

#[cfg(not(unix))]
fn identity(_: &File) -> io::Result<Identity> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no lock that others can read through"))
}

#[cfg(not(unix))]
fn lock_now(file: &File) -> io::Result<bool> {
    identity(file).map(|_| false)
}
