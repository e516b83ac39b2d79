//! The lock on a configuration file, where the memory of what was used is that of one process: what beside this crate keeps an
//! assertion from being used once in each of two processes.
//!
//! It is on the file itself (`flock`), not on another beside it: that needs no right to write, leaves nothing behind, and
//! ends with the process, however it ends. A file that is replaced is another file, until `reload` reads it. A child of
//! `fork` has no part in the lock of its parent: it lets go of what it inherited, and makes its own or is refused.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use idjag::{Config, Error};

/// That no other process runs over the same configuration file, as far as it can be told, for as long as this lives. By
/// default nothing is known, and nothing is to be said.
#[derive(Debug, Default)]
pub struct Alone {
    lock: Option<Arc<Lock>>,
    warning: Option<String>,
}

impl Alone {
    /// What is to be said where it cannot be told.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// After a reload: takes the place of what was known before, if it knows anything. The memory stays with a reload, and
    /// with it what the lock is there for: one goes only where another one comes.
    pub fn follow(&mut self, next: Self) {
        if next.lock.is_some() || next.warning.is_some() {
            *self = next;
        }
    }
}

/// Makes sure that no other process runs over the file at `path`, where `config`, which was read from it, does not allow that
/// (`replay.allow_per_process`). `brings_store`: the host has a single-use store of its own, whoever shares it. Several engines of
/// one process over one file are one.
///
/// # Errors
///
/// Another process has it: what would come of that, and the ways round, with file and line of the configuration.
pub fn alone(config: &Config, path: &Path, brings_store: bool) -> Result<Alone, Error> {
    let Some(fault) = config.one_process(brings_store) else {
        return Ok(Alone::default());
    };
    match take(path) {
        Taken::Here(lock) => Ok(Alone { lock: Some(lock), warning: None }),
        Taken::NoFile => Ok(Alone::default()),
        Taken::Elsewhere => Err(fault),
        Taken::Unknown(why) => {
            let path = path.display();
            let warning = format!("{path}: whether another process runs over it cannot be told: {why}");
            Ok(Alone { lock: None, warning: Some(warning) })
        }
    }
}

/// The locks of this process, so that several engines over one file share one.
static LOCKS: Mutex<Vec<Weak<Lock>>> = Mutex::new(Vec::new());

/// A file that no other process has an engine over, until this is dropped.
#[derive(Debug)]
struct Lock {
    identity: Identity,
    /// None in a child of the process that took it.
    file: Mutex<Option<File>>,
}

/// What became of taking one.
enum Taken {
    Here(Arc<Lock>),
    /// Another process has it.
    Elsewhere,
    /// It cannot be told, and why.
    Unknown(String),
    /// What was read is no file that could be read again, but a pipe or the like.
    NoFile,
}

/// Takes the lock on the file at `path`, or a share of it where this process has it.
fn take(path: &Path) -> Taken {
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
/// hold it when the parent is gone. To be called in the child, before it does anything else.
pub fn forked() {
    // Where another thread was just taking one, the child holds what there is until it ends or becomes another program.
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
