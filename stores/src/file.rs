//! A file that the processes of one host share: LMDB, mapped into each of them.
//!
//! It holds for one boot of the machine. Nothing is ever synced to the disk: what a process wrote is in the kernel's
//! memory and survives that process, whenever and however it ends; what a crash of the machine leaves is not to be
//! trusted. So each boot, by the kernel's own name for it, has a folder of its own, which begins empty and says since
//! when it remembers; the engine refuses what was issued before.
//!
//! One transaction writes at a time, under a lock that the kernel gives on when its holder dies; what the dead had not
//! committed is not there. Nothing here ever opens a reading transaction, so no reader can go stale and hold pages back.
//! The file's bytes are reserved when it is opened: a disk that fills up cannot stop a process that has it mapped.
//! A process that forked has to open it anew; in the child, what was opened before is unavailable.

use std::ffi::CString;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Weak};
use std::time::Duration;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, RwTxn, WithoutTls};
use idjag::{Board, BoardUnavailable, Claim, Claimed, Notice, ReplayKey, ReplayStats, ReplayStore};
use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, fallocate, fstatfs, stat, statfs};

use crate::FILE_ENTRY_BYTES;

/// The file grows and is mapped in steps of this many bytes: a multiple of every page size.
const STEP: u64 = 1 << 16;
/// Keys that are looked at for each that comes: with four, what has expired is at most a third of what holds.
const LOOKED_AT: usize = 4;
/// They are looked at so many at a time, since neighbours share a page.
const AT_ONCE: usize = 256;

/// The kernel's name for the time since it started.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// A folder of the store is called this and the name of its boot.
const FOLDER: &str = "boot-";

/// When the store began, and the latest time that any process told it. Keys of claims have 16 bytes, no other has as many.
const BEGAN: &[u8] = b"began";
const LATEST: &[u8] = b"latest";
/// The number of the last change of the notices, and what the key of each begins with: those are longer than any other.
const CHANGE: &[u8] = b"change";
const NOTICE: &[u8] = b"notice";

/// Single use for the processes of one host (`store = "file"`). Clones share what is open.
///
/// A claim alone costs a transaction, a batch of them one together. All processes give the same `max_bytes`: where one
/// gives more, those that gave less answer `Unavailable` once the file has outgrown them.
#[derive(Clone)]
pub struct FileReplay {
    shared: Arc<Shared>,
}

/// Why the file cannot be used, and what to do.
#[derive(Debug)]
pub struct OpenError(String);

type Held = Database<'static, Bytes, Bytes>;

struct Shared {
    env: Env<WithoutTls>,
    held: Held,
    /// The two files as they were opened: whoever removes or replaces one separates us from those that come later.
    files: [Opened; 2],
    process: u32,
    began: i64,
    max_bytes: u64,
    max_entries: u64,
    /// Of the threads of this process, one at a time waits for the lock that all processes share.
    sweep: Mutex<Sweep>,
}

/// Goes round the keys, and takes out what has expired.
#[derive(Default)]
struct Sweep {
    /// The last key that was looked at.
    at: [u8; 16],
    /// How many are to be looked at.
    due: usize,
    /// Whether a claim of this call looked for room already.
    is_full: bool,
    expired: Vec<[u8; 16]>,
}

struct Opened {
    path: CString,
    device: u64,
    inode: u64,
}

/// What this process has open: LMDB may be opened once only, whoever asks.
static OPEN: Mutex<Vec<(PathBuf, Weak<Shared>)>> = Mutex::new(Vec::new());

impl FileReplay {
    /// Opens the store in `folder`, or begins one there. It takes `max_bytes` of the disk at once, at least 1 MiB. `now` is
    /// Unix seconds.
    ///
    /// # Errors
    ///
    /// The folder cannot be made or written to, can be written to by others, or lies where memory cannot be shared, such as
    /// on a network's file system; there is not as much room; it was opened before this process forked.
    pub fn open(folder: &Path, max_bytes: u64, now: i64) -> Result<Self, OpenError> {
        let folder = prepare(folder)?;
        let mut open = OPEN.lock();
        open.retain(|(_, shared)| shared.strong_count() > 0);
        let known = open.iter().find(|(path, _)| *path == folder).and_then(|(_, shared)| shared.upgrade());
        if let Some(shared) = known.filter(|shared| shared.process == process::id()) {
            return Ok(Self { shared });
        }
        let shared = Arc::new(Shared::open(&folder, max_bytes, now)?);
        open.push((folder, Arc::downgrade(&shared)));
        Ok(Self { shared })
    }
}

impl ReplayStore for FileReplay {
    fn claim(&self, claims: &[Claim], now: i64, out: &mut [Claimed]) {
        let claimed = self.shared.claim(claims, now, out);
        if claimed.is_none() {
            out.fill(Claimed::Unavailable);
        }
    }

    fn seen(&self, key: &ReplayKey, now: i64) -> Claimed {
        self.shared.seen(key, now).unwrap_or(Claimed::Unavailable)
    }

    /// Waits for a transaction; all zero but the bound where the file is out of reach.
    fn stats(&self) -> ReplayStats {
        let max_bytes = self.shared.max_bytes;
        self.shared.stats().unwrap_or(ReplayStats { entries: 0, bytes: 0, max_bytes })
    }

    fn remembers_since(&self) -> Option<i64> {
        Some(self.shared.began)
    }

    fn board(&self) -> Option<&dyn Board> {
        Some(self)
    }
}

impl Board for FileReplay {
    fn post(&self, notice: &Notice, now: i64) -> Result<(), BoardUnavailable> {
        self.shared.post(notice, now).ok_or(BoardUnavailable)
    }

    fn read(&self, known: Option<u64>, now: i64) -> Result<Option<(u64, Vec<Notice>)>, BoardUnavailable> {
        self.shared.notices(known, now).map_err(|_| BoardUnavailable)
    }
}

impl fmt::Debug for FileReplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReplay").field("path", &self.shared.env.path()).finish_non_exhaustive()
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

impl OpenError {
    fn of(path: &Path, why: impl fmt::Display) -> Self {
        Self(format!("`{}`: {why}", path.display()))
    }
}

impl Shared {
    fn open(folder: &Path, max_bytes: u64, now: i64) -> Result<Self, OpenError> {
        let refuse = |why: &dyn fmt::Display| OpenError::of(folder, why);
        let max_bytes = max_bytes.max(1 << 20).next_multiple_of(STEP);
        let env = map(folder, max_bytes)?;
        reserve(&env, max_bytes).map_err(|why| {
            refuse(&format_args!(
                "cannot reserve {} MiB ({why}); lower `replay.max_bytes`, or choose a folder on ext4, xfs or tmpfs",
                max_bytes >> 20
            ))
        })?;
        let files = ["data.mdb", "lock.mdb"].map(|name| Opened::at(&folder.join(name)));
        let [Ok(data), Ok(lock)] = files else {
            return Err(refuse(&"its files are gone"));
        };
        let (held, began) = begin(&env, now).map_err(|why| refuse(&why))?;
        Ok(Self {
            env,
            held,
            files: [data, lock],
            process: process::id(),
            began,
            max_bytes,
            max_entries: max_bytes / FILE_ENTRY_BYTES,
            sweep: Mutex::new(Sweep::default()),
        })
    }

    /// Whether what is mapped here is still what others find.
    fn is_shared(&self) -> bool {
        process::id() == self.process && self.files.iter().all(Opened::is_there)
    }

    /// Answers all of `claims`, or none: what was not committed was not claimed.
    fn claim(&self, claims: &[Claim], now: i64, out: &mut [Claimed]) -> Option<()> {
        if claims.is_empty() {
            return Some(());
        }
        let mut sweep = self.sweep.lock();
        let mut txn = self.is_shared().then(|| self.env.write_txn())?.ok()?;
        let latest = self.latest(&mut txn, now).ok()?;
        sweep.is_full = false;
        for (claim, answer) in claims.iter().zip(out) {
            *answer = self.claim_one(&mut txn, claim, now, latest, &mut sweep).ok()?;
        }
        sweep.due += LOOKED_AT * claims.len();
        if sweep.due >= AT_ONCE {
            let due = std::mem::take(&mut sweep.due);
            self.sweep(&mut txn, latest, &mut sweep, due).ok()?;
        }
        txn.commit().ok()
    }

    fn claim_one(
        &self,
        txn: &mut RwTxn<'_>,
        claim: &Claim,
        now: i64,
        latest: i64,
        sweep: &mut Sweep,
    ) -> heed::Result<Claimed> {
        let key = claim.key.as_bytes();
        // A time that is past already still holds for the second of the claim: of two, one must be the first.
        let expires_at = claim.expires_at.max(now);
        // By another process's clock such a claim is over: it may have been made, and taken out.
        let is_over = expires_at < latest;
        let mut has_room = !is_over && self.held.len(txn)? < self.max_entries;
        let held = if has_room {
            self.held.get_or_put(txn, key, &expires_at.to_be_bytes())?.map(seconds)
        } else {
            self.held.get(txn, key)?.map(seconds)
        };
        match held {
            Some(until) if latest <= until => return Ok(Claimed::Seen),
            _ if is_over => return Ok(Claimed::Unavailable),
            None if has_room => return Ok(Claimed::First),
            // One that has expired gives its place.
            Some(_) => has_room = true,
            // Once a call: a transaction that takes out too much needs room itself.
            None if std::mem::replace(&mut sweep.is_full, true) => {}
            None => {
                self.sweep(txn, latest, sweep, AT_ONCE)?;
                has_room = self.held.len(txn)? < self.max_entries;
            }
        }
        if !has_room {
            return Ok(Claimed::Unavailable);
        }
        self.held.put(txn, key, &expires_at.to_be_bytes())?;
        Ok(Claimed::First)
    }

    /// The latest time that any process has told, `now` among them.
    fn latest(&self, txn: &mut RwTxn<'_>, now: i64) -> heed::Result<i64> {
        match self.held.get(txn, LATEST)?.map(seconds) {
            Some(latest) if now <= latest => Ok(latest),
            _ => {
                self.held.put(txn, LATEST, &now.to_be_bytes())?;
                Ok(now)
            }
        }
    }

    /// Looks at the next keys, as many as `count`, and takes out those that have expired.
    fn sweep(&self, txn: &mut RwTxn<'_>, latest: i64, sweep: &mut Sweep, count: usize) -> heed::Result<()> {
        sweep.expired.clear();
        let mut at = None;
        let mut looked_at = 0;
        for entry in self.held.range(txn, &(Bound::Excluded(&sweep.at[..]), Bound::Unbounded))?.take(count) {
            let (key, until) = entry?;
            looked_at += 1;
            if let Ok(key) = key.try_into() {
                at = Some(key);
                if seconds(until) < latest {
                    sweep.expired.push(key);
                }
            }
        }
        sweep.at = if looked_at == count { at.unwrap_or_default() } else { [0; 16] };
        for key in &sweep.expired {
            self.held.delete(txn, key)?;
        }
        Ok(())
    }

    fn seen(&self, key: &ReplayKey, now: i64) -> Option<Claimed> {
        let txn = self.is_shared().then(|| self.env.write_txn())?.ok()?;
        let latest = self.held.get(&txn, LATEST).ok()?.map_or(now, |latest| seconds(latest).max(now));
        let until = self.held.get(&txn, key.as_bytes()).ok()?.map(seconds);
        Some(if until.is_some_and(|until| latest <= until) { Claimed::Seen } else { Claimed::First })
    }

    fn post(&self, notice: &Notice, now: i64) -> Option<()> {
        let _alone = self.sweep.lock();
        let mut txn = self.is_shared().then(|| self.env.write_txn())?.ok()?;
        let latest = self.latest(&mut txn, now).ok()?;
        let change = self.change(&txn).ok()?.wrapping_add(1);
        let (_, over): (Vec<Notice>, _) = self.all_notices(&txn, latest).ok()?;
        for key in over {
            self.held.delete(&mut txn, &notice_key(&key)).ok()?;
        }
        let text = [&notice.expires_at.to_be_bytes()[..], &notice.text].concat();
        self.held.put(&mut txn, &notice_key(&notice.key), &text).ok()?;
        self.held.put(&mut txn, CHANGE, &change.to_be_bytes()).ok()?;
        txn.commit().ok()
    }

    /// All that has not expired, and the number of the last change; nothing where that is `known`.
    fn notices(&self, known: Option<u64>, now: i64) -> heed::Result<Option<(u64, Vec<Notice>)>> {
        if !self.is_shared() {
            return Err(heed::MdbError::Invalid.into());
        }
        let txn = self.env.write_txn()?;
        let change = self.change(&txn)?;
        if known == Some(change) {
            return Ok(None);
        }
        let (notices, _) = self.all_notices(&txn, now)?;
        Ok(Some((change, notices)))
    }

    fn change(&self, txn: &RwTxn<'_>) -> heed::Result<u64> {
        let found = self.held.get(txn, CHANGE)?;
        Ok(found.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    /// The notices that hold at `now`, and the keys of those that do not.
    fn all_notices(&self, txn: &RwTxn<'_>, now: i64) -> heed::Result<(Vec<Notice>, Vec<ReplayKey>)> {
        let (mut notices, mut over) = (Vec::new(), Vec::new());
        for entry in self.held.prefix_iter(txn, NOTICE)? {
            let (key, bytes) = entry?;
            let key: Option<[u8; 16]> = key.get(NOTICE.len()..).and_then(|key| key.try_into().ok());
            let (Some(key), Some((until, text))) = (key, bytes.split_at_checked(8)) else {
                continue;
            };
            let (key, expires_at) = (ReplayKey::from_bytes(key), seconds(until));
            if expires_at < now {
                over.push(key);
            } else {
                notices.push(Notice { key, text: text.to_owned(), expires_at });
            }
        }
        Ok((notices, over))
    }

    fn stats(&self) -> Option<ReplayStats> {
        let txn = self.is_shared().then(|| self.env.write_txn())?.ok()?;
        let page = u64::from(self.env.unnamed_database_stat().page_size);
        Some(ReplayStats {
            entries: self.held.len(&txn).ok()?.saturating_sub(2),
            bytes: page * (self.env.info().last_page_number as u64 + 1),
            max_bytes: self.max_bytes,
        })
    }
}

fn reserve(env: &Env<WithoutTls>, bytes: u64) -> Result<(), Box<dyn std::error::Error>> {
    let file = env.try_clone_inner_file()?;
    // Asked first: some file systems fill themselves up before they say no.
    let left = fstatfs(&file)?;
    let left = left.f_bavail.saturating_mul(u64::try_from(left.f_bsize)?);
    let missing = bytes.saturating_sub(file.metadata()?.blocks().saturating_mul(512));
    if left < missing {
        return Err(format!("{} MiB are left there", left >> 20).into());
    }
    Ok(fallocate(&file, FallocateFlags::empty(), 0, bytes)?)
}

/// What is in the file, and since when; begun now where nothing is.
fn begin(env: &Env<WithoutTls>, now: i64) -> heed::Result<(Held, i64)> {
    let opened = env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
        opener.create_database(txn, None).map(CommitOrAbort::<_, ()>::Commit)
    })?;
    let held: Held = opened.commit().ok_or(heed::MdbError::Invalid)?;
    let mut txn = env.write_txn()?;
    let earlier = held.get_or_put(&mut txn, BEGAN, &now.to_be_bytes())?.map(seconds);
    txn.commit()?;
    Ok((held, earlier.unwrap_or(now)))
}

impl Opened {
    fn at(path: &Path) -> io::Result<Self> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let found = stat(&path)?;
        Ok(Self { path, device: found.st_dev, inode: found.st_ino })
    }

    fn is_there(&self) -> bool {
        stat(&self.path).is_ok_and(|found| found.st_dev == self.device && found.st_ino == self.inode)
    }
}

fn notice_key(key: &ReplayKey) -> Vec<u8> {
    [NOTICE, key.as_bytes()].concat()
}

/// Unix seconds out of what is kept for a key. What is no time holds for ever: it is not ours, and refuses.
fn seconds(bytes: &[u8]) -> i64 {
    bytes.try_into().map_or(i64::MAX, i64::from_be_bytes)
}

/// The folder of this boot within `folder`, made where it is missing; those of earlier boots are removed.
fn prepare(folder: &Path) -> Result<PathBuf, OpenError> {
    let refuse = |why: io::Error| OpenError::of(folder, why);
    let boot = fs::read_to_string(BOOT).map_err(|why| {
        OpenError(format!("cannot tell this boot from the one before (`{BOOT}`: {why}); use another store"))
    })?;
    let mine = format!("{FOLDER}{}", boot.trim());
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(refuse)?;
    let folder = folder.canonicalize().map_err(refuse)?;
    if fs::metadata(&folder).map_err(refuse)?.permissions().mode() & 0o022 != 0 {
        return Err(OpenError::of(&folder, "others can write to it; `chmod 700` it, or name another folder"));
    }
    let kind = statfs(&folder).map_err(|why| refuse(why.into()))?.f_type;
    if let Some(kind) = unfit(kind) {
        let why = format_args!(
            "lies on {kind}, where a file cannot be shared in memory; choose ext4, xfs or tmpfs"
        );
        return Err(OpenError::of(&folder, why));
    }
    for entry in fs::read_dir(&folder).map_err(refuse)?.flatten() {
        let name = entry.file_name();
        let is_of_a_boot = name.len() == mine.len() && name.as_bytes().starts_with(FOLDER.as_bytes());
        if is_of_a_boot && name != *mine {
            fs::remove_dir_all(entry.path()).map_err(refuse)?;
        }
    }
    let folder = folder.join(mine);
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(refuse)?;
    Ok(folder)
}

/// What a file system of that number is called, if pages of its files cannot be reserved or are not one memory for all.
fn unfit(kind: impl TryInto<u32>) -> Option<&'static str> {
    match kind.try_into().ok()? {
        0x6969 => Some("NFS"),
        0x517b | 0xfe53_4d42 | 0xff53_4d42 => Some("SMB"),
        0x0102_1997 => Some("9P"),
        0x00c3_6400 => Some("Ceph"),
        0x6573_5546 => Some("FUSE"),
        0x9123_683e => Some("btrfs"),
        0x2fc1_2fc1 => Some("ZFS"),
        _ => None,
    }
}

/// Opens and maps the files in `folder`.
#[allow(unsafe_code, reason = "a file that others write is mapped; the one place of the crate")]
fn map(folder: &Path, max_bytes: u64) -> Result<Env<WithoutTls>, OpenError> {
    let size = usize::try_from(max_bytes)
        .map_err(|_| OpenError::of(folder, "`replay.max_bytes` is more than this machine can address"))?;
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(size).max_readers(1);
    // SAFETY: nothing is asked to be durable: a file is not used by another boot than the one that wrote it.
    unsafe {
        options
            .flags(EnvFlags::NO_SYNC | EnvFlags::NO_META_SYNC | EnvFlags::WRITE_MAP | EnvFlags::NO_READ_AHEAD)
    };
    // SAFETY: the folder is writable for this user alone and on a file system that is local; its files are written by LMDB
    // alone, under its lock, which is checked to be the same file before each transaction.
    let open = || unsafe { options.open(folder) };
    let opened = match open() {
        // Its last user may be about to close it.
        Err(heed::Error::EnvAlreadyOpened) => {
            if let Some(closing) = heed::env_closing_event(folder) {
                closing.wait_timeout(Duration::from_secs(2));
            }
            open()
        }
        opened => opened,
    };
    opened.map_err(|why| match why {
        heed::Error::EnvAlreadyOpened => OpenError::of(
            folder,
            "was opened before this process forked; open it in each process, after the fork",
        ),
        why => OpenError::of(folder, why),
    })
}
