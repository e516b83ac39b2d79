//! The file of all checkpoints of a log, one note after the other: appended to, never changed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::note::{Checkpoint, Signer, Verifier};

/// The file, opened to be written.
pub(crate) struct Checkpoints {
    file: File,
    /// Bytes of whole notes. What stands behind is left of one that could not be written.
    bytes: u64,
}

impl Checkpoints {
    /// Opens the file to append behind its first `bytes` bytes.
    pub(crate) fn open(dir: &Path, bytes: u64) -> Result<Self, Error> {
        let path = path(dir);
        let open = || {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            file.set_len(bytes)?;
            Ok(Self { file, bytes })
        };
        open().map_err(|error| Error::io(&path, error))
    }

    /// Appends a checkpoint. It is on disk after the next [`sync`](Self::sync).
    pub(crate) fn append(&mut self, checkpoint: &Checkpoint, signer: &Signer) -> io::Result<()> {
        let note = checkpoint.sign(signer);
        self.file.write_all_at(note.as_bytes(), self.bytes)?;
        self.bytes += note.len() as u64;
        Ok(())
    }

    /// Waits for the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// The file's name.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("checkpoints")
}

/// A note of the file.
pub(crate) struct Kept {
    /// The note as it stands there.
    pub(crate) note: String,
    /// What it says; none where the log's key did not sign it.
    pub(crate) checkpoint: Option<Checkpoint>,
}

/// Every note of the file, and how many bytes they are: what stands behind them is none.
pub(crate) fn read(dir: &Path, verifier: &Verifier) -> Result<(Vec<Kept>, u64), Error> {
    let path = path(dir);
    let content = match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read.map_err(|error| Error::io(&path, error))?,
    };
    let (mut notes, mut bytes) = (Vec::new(), 0);
    while let Some(note) = content.get(bytes..).and_then(first_note) {
        bytes += note.len();
        notes.push(Kept { note: note.to_owned(), checkpoint: Checkpoint::open(note, verifier) });
    }
    Ok((notes, bytes as u64))
}

/// The last note of the file, and how many bytes of the file are notes: as [`read`], at the cost of one signature.
pub(crate) fn last(dir: &Path, verifier: &Verifier) -> Result<(Option<Kept>, u64), Error> {
    let path = path(dir);
    let tail = || {
        let mut file = File::open(&path)?;
        let from = file.metadata()?.len().saturating_sub(TAIL);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut tail)?;
        Ok::<_, io::Error>((from, tail))
    };
    let (from, tail) = match tail() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, 0)),
        read => read.map_err(|error| Error::io(&path, error))?,
    };
    // Where it begins within a note, that one and its signatures are passed over.
    let mut at = if from == 0 { 0 } else { end_of_signatures(&tail, 0).unwrap_or(tail.len()) };
    let mut last = None;
    while let Some(note) = tail.get(at..).and_then(first_note) {
        at += note.len();
        last = Some(note);
    }
    if last.is_none() && from > 0 {
        // More than that is no note: all of it is looked at.
        return read(dir, verifier).map(|(mut notes, bytes)| (notes.pop(), bytes));
    }
    let kept = last.map(|note| Kept { note: note.to_owned(), checkpoint: Checkpoint::open(note, verifier) });
    Ok((kept, from + at as u64))
}

/// Bytes at the end of the file that have its last notes.
const TAIL: u64 = 64 << 10;

/// Where the first signatures in `content` end.
fn end_of_signatures(content: &[u8], from: usize) -> Option<usize> {
    let mut at = from + memchr::memmem::find(content.get(from..)?, b"\n\n")? + 2;
    while let Some(rest) = content.get(at..).filter(|rest| rest.starts_with(SIGNATURE)) {
        at += memchr::memchr(b'\n', rest)? + 1;
    }
    Some(at)
}

const SIGNATURE: &[u8] = "\u{2014} ".as_bytes();

/// The note that `content` begins with: a text, an empty line, and lines that begin with a dash.
fn first_note(content: &[u8]) -> Option<&str> {
    let mut at = memchr::memmem::find(content, b"\n\n")? + 2;
    let mut signatures = 0;
    while let Some(rest) = content.get(at..).filter(|rest| rest.starts_with(SIGNATURE)) {
        let Some(end) = memchr::memchr(b'\n', rest) else { break };
        at += end + 1;
        signatures += 1;
    }
    let note = content.get(..at).filter(|_| signatures > 0)?;
    str::from_utf8(note).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_found_one_after_the_other_and_half_a_note_is_none() {
        let one = "a\n1\nroot\n\n\u{2014} a AAAA\n\u{2014} w BBBB\n";
        let two = "a\n2\nroot\n\n\u{2014} a AAAA\n";
        let both = [one, two].concat();
        assert_eq!(first_note(both.as_bytes()), Some(one));
        assert_eq!(first_note(&both.as_bytes()[one.len()..]), Some(two));
        for cut in 0..two.len() {
            assert_eq!(first_note(&two.as_bytes()[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn the_last_note_is_found_without_the_others() {
        let dir = std::env::temp_dir().join(format!("idjag-checkpoints-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let signer = Signer::generate("a").unwrap();
        let mut text = String::new();
        for (size, torn) in [(0, 0), (1, 0), (2, 30), (900, 0), (901, 70)] {
            while (text.matches("\n\n").count() as u64) < size {
                let size = text.matches("\n\n").count() as u64;
                text += &Checkpoint { origin: "a".to_owned(), size, root: [7; 32] }.sign(&signer);
            }
            let next = Checkpoint { origin: "a".to_owned(), size, root: [7; 32] }.sign(&signer);
            std::fs::write(path(&dir), [text.as_bytes(), &next.as_bytes()[..torn]].concat()).unwrap();
            let (mut all, bytes) = read(&dir, signer.verifier()).unwrap();
            let (found, end) = last(&dir, signer.verifier()).unwrap();
            assert_eq!((all.len() as u64, end), (size, bytes));
            let of = |kept: Option<Kept>| kept.map(|kept| (kept.note, kept.checkpoint));
            assert_eq!(of(found), of(all.pop()), "{size}");
        }
        assert!(text.len() as u64 > 2 * TAIL);
        std::fs::write(path(&dir), [text.as_bytes(), &vec![b'x'; 70_000]].concat()).unwrap();
        assert_eq!(last(&dir, signer.verifier()).unwrap().1, text.len() as u64);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
