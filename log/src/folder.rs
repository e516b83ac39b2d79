//! The folder of a record: one key, and one log for each process that writes at the same time.
//!
//! ```text
//! audit/key                          the key that signs checkpoints: a secret
//! audit/vkey                         its public half (C2SP signed-note), under the folder's name
//! audit/0/lock                       held by the process that writes here
//! audit/0/checkpoints                every checkpoint, one note after the other
//! audit/0/00000000000000000000.jsonl the lines from number 0 on, until the next segment begins
//! audit/0/00000000000000000000.tree  the peaks of the tree before them, then the hash of each line
//! audit/1/...                        another process's log
//! ```
//!
//! A log whose `frozen` is there is never written again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::crypto::Sealer;
use crate::error::Error;
use crate::note::{Signer, Verifier};

/// Processes that may write into one folder at the same time.
const MOST_LOGS: u32 = 4096;

/// The folder of a record, opened to be written.
pub(crate) struct Folder {
    path: PathBuf,
    signer: Signer,
}

/// One log of a folder, held by this process until it is dropped.
pub(crate) struct Held {
    pub(crate) dir: PathBuf,
    /// Its number in the folder.
    pub(crate) number: u32,
    /// The lock goes when the file is closed, however the process ends.
    _lock: File,
}

impl Folder {
    /// Opens the folder, and makes it and its key where they are missing. `name` becomes the name of a new key.
    pub(crate) fn open(path: &Path, name: &str) -> Result<Self, Error> {
        fs::create_dir_all(path).map_err(|error| Error::io(path, error))?;
        let key = path.join("key");
        let text = match fs::read_to_string(&key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_key(path, &key, name)?;
                fs::read_to_string(&key)
            }
            read => read,
        };
        let text = zeroize::Zeroizing::new(text.map_err(|error| Error::io(&key, error))?);
        let signer = Signer::parse(&text).ok_or_else(|| {
            Error::unusable(&key, "is no key in the form `PRIVATE+KEY+name+id+key`; restore it from a backup")
        })?;
        // Whoever made the key may not have lived to say which it is.
        let vkey = path.join("vkey");
        if !vkey.exists() {
            let new = vkey.with_extension(format!("{}.new", std::process::id()));
            write_new(&new, format!("{}\n", signer.verifier()).as_bytes(), false)
                .and_then(|()| fs::rename(&new, &vkey))
                .and_then(|()| sync_folder(path))
                .map_err(|error| Error::io(&vkey, error))?;
        }
        Ok(Self { path: path.to_owned(), signer })
    }

    /// The key of the folder; its logs sign with it under their own names.
    pub(crate) const fn signer(&self) -> &Signer {
        &self.signer
    }

    /// What hides names in its lines.
    pub(crate) fn sealer(&self) -> Option<Sealer> {
        Sealer::new(&self.signer.derive("sealing"))
    }

    /// Takes the first log that no other process holds, making it where there is none.
    pub(crate) fn hold_a_log(&self) -> Result<Held, Error> {
        for number in 0..MOST_LOGS {
            let dir = self.path.join(number.to_string());
            match fs::create_dir(&dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::io(&dir, error));
                }
                _ => {}
            }
            if let Some(held) = hold(dir, number)? {
                return Ok(held);
            }
        }
        Err(Error::unusable(&self.path, format!("all of {MOST_LOGS} logs are being written")))
    }
}

/// Takes one log; none where another process holds it, or where it is frozen.
fn hold(dir: PathBuf, number: u32) -> Result<Option<Held>, Error> {
    if dir.join("frozen").exists() {
        return Ok(None);
    }
    let lock = dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock);
    let file = file.map_err(|error| Error::io(&lock, error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Held { dir, number, _lock: file })),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(Error::io(&lock, error.into())),
    }
}

/// The numbers of the logs in a folder, in order.
pub(crate) fn logs(path: &Path) -> Result<Vec<u32>, Error> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| Error::io(path, error))? {
        let name = entry.map_err(|error| Error::io(path, error))?.file_name();
        let number =
            name.to_str().and_then(|name| name.parse::<u32>().ok().filter(|n| n.to_string() == name));
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// What opens names that are hidden in the lines of a folder; none where it has no key.
pub(crate) fn sealer(path: &Path) -> Result<Option<Sealer>, Error> {
    let file = path.join("key");
    match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(&file, error)),
        Ok(text) => {
            let text = zeroize::Zeroizing::new(text);
            Ok(Signer::parse(&text).and_then(|signer| Sealer::new(&signer.derive("sealing"))))
        }
    }
}

/// The key that the folder itself says its checkpoints are signed with.
pub fn own_verifier(path: &Path) -> Result<Verifier, Error> {
    let file = path.join("vkey");
    let text = fs::read_to_string(&file).map_err(|error| Error::io(&file, error))?;
    Verifier::parse(&text).ok_or_else(|| Error::unusable(&file, "is no key in the form `name+id+key`"))
}

/// Makes the folder's key. Of several processes that do so at once, one wins and all use its key.
fn make_key(folder: &Path, key: &Path, name: &str) -> Result<(), Error> {
    let signer = Signer::generate(name).ok_or_else(|| {
        Error::unusable(folder, format!("cannot make a key named `{name}`: a name has no space and no `+`"))
    })?;
    let new = key.with_extension(format!("{}.new", std::process::id()));
    let made = || {
        write_new(&new, signer.text().as_bytes(), true)?;
        match fs::hard_link(&new, key) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => sync_folder(folder),
        }
    };
    let made = made();
    let _ = fs::remove_file(&new);
    made.map_err(|error| Error::io(folder, error))
}

/// Writes a file that replaces what was left of an earlier try, and waits for the disk.
fn write_new(path: &Path, content: &[u8], secret: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    if secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Waits until the names in a folder are on disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
