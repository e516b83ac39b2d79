//! Opening a log: what its last checkpoint covers must be there, byte for byte; what stands behind it is carried over.
//!
//! Each opening begins a new segment. Lines behind the last checkpoint may have been written by a process that did not
//! live to see them on disk, so they are copied into it and not trusted where they are.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use crate::checkpoints::{self, Checkpoints};
use crate::crypto::Hash;
use crate::error::Error;
use crate::folder::sync_folder;
use crate::note::{Checkpoint, Verifier};
use crate::segment::{Segment, lines_path, read_tree, scan, segments, tree_path};
use crate::tree::{Frontier, leaf};

/// A log as it was found, ready to be gone on with.
pub(crate) struct Recovered {
    pub(crate) segment: Segment,
    pub(crate) checkpoints: Checkpoints,
    /// The tree over everything that was carried over.
    pub(crate) edge: Frontier,
    /// The hashes of the lines behind the last checkpoint.
    pub(crate) hashes: Vec<Hash>,
    /// How many lines are under the last checkpoint.
    pub(crate) signed: u64,
    /// Bytes of half a line that were set aside.
    pub(crate) set_aside: u64,
}

/// Lines behind the last checkpoint.
struct Tail {
    text: Vec<u8>,
    hashes: Vec<Hash>,
    edge: Frontier,
}

/// Opens the log in `dir`.
pub(crate) fn recover(dir: &Path, verifier: &Verifier) -> Result<Recovered, Error> {
    let io = |error: io::Error| Error::io(dir, error);
    let (note, note_bytes) = checkpoints::last(dir, verifier)?;
    let last = match &note {
        Some(kept) => Some(kept.checkpoint.as_ref().ok_or_else(|| unsigned(dir))?),
        None => None,
    };
    let firsts = segments(dir)?;
    if last.is_none() && firsts.first().is_some_and(|first| *first > 0) {
        return Err(Error::damaged(&checkpoints::path(dir), "is gone, and the log is older than it says"));
    }
    let signed = last.map_or(0, |last| last.size);
    let (covered, end) = covered(dir, &firsts, last)?;
    let tail = tail(dir, &firsts, signed, covered)?;
    let set_aside = match tail.torn {
        Some((first, from)) => {
            set_aside(dir, first, from).map_err(|error| Error::io(&lines_path(dir, first), error))?
        }
        None => 0,
    };

    // From here on everything is there twice until the old ones are cut.
    let segment = Segment::create(dir, &tail.before, &tail.lines.text).map_err(io)?;
    for first in firsts.iter().filter(|first| **first > signed) {
        for path in [lines_path(dir, *first), tree_path(dir, *first)] {
            remove(&path).map_err(io)?;
        }
    }
    if let Some((first, bytes)) = end.filter(|(first, _)| *first < signed) {
        // A file that is not too long keeps the time of its last line.
        let cut = || {
            let file = OpenOptions::new().write(true).open(lines_path(dir, first))?;
            if file.metadata()?.len() > bytes { file.set_len(bytes) } else { Ok(()) }
        };
        cut().map_err(io)?;
    }
    sync_folder(dir).map_err(io)?;
    let Tail { hashes, edge, .. } = tail.lines;
    Ok(Recovered {
        segment,
        checkpoints: Checkpoints::open(dir, note_bytes)?,
        edge,
        hashes,
        signed,
        set_aside,
    })
}

fn unsigned(dir: &Path) -> Error {
    Error::damaged(
        &checkpoints::path(dir),
        "its last note is not signed by this folder's key; see `idjag audit verify`, and `idjag audit freeze` to go on \
         with another log",
    )
}

/// The tree at the last checkpoint, computed from the lines of its segment; and that segment with the bytes up to there.
fn covered(
    dir: &Path,
    firsts: &[u64],
    last: Option<&Checkpoint>,
) -> Result<(Frontier, Option<(u64, u64)>), Error> {
    let Some(last) = last else {
        return Ok((Frontier::default(), None));
    };
    let Some(first) = firsts.iter().rev().find(|first| **first <= last.size).copied() else {
        return Err(Error::damaged(dir, format!("lines up to {} were there and are gone", last.size)));
    };
    let (mut edge, known) = read_tree(dir, first)?;
    let (mut at, mut bad) = (0_usize, None);
    let scanned = scan(dir, first, Some(last.size), |number, line| {
        let hash = leaf(line);
        if bad.is_none() && known.get(at).is_some_and(|known| *known != hash) {
            bad = Some(number);
        }
        at += 1;
        edge.push(hash);
        ControlFlow::Continue(())
    })?;
    let advice = "see `idjag audit verify`, and `idjag audit freeze` to go on with another log";
    let path = lines_path(dir, first);
    if scanned.next < last.size {
        let missing = scanned.next;
        return Err(Error::damaged(
            &path,
            format!("line {missing} is not what was written, a checkpoint covers it; {advice}"),
        ));
    }
    if edge.root() != last.root {
        let which = bad.map_or_else(|| "a line".to_owned(), |bad| format!("line {bad}"));
        return Err(Error::damaged(
            &path,
            format!("{which} is not what was written, a checkpoint covers it; {advice}"),
        ));
    }
    Ok((edge, Some((first, scanned.good))))
}

/// What stands behind the last checkpoint.
struct Behind {
    before: Frontier,
    lines: Tail,
    /// The last segment, where its file ends with bytes that are no line, and where those begin.
    torn: Option<(u64, u64)>,
}

fn tail(dir: &Path, firsts: &[u64], signed: u64, before: Frontier) -> Result<Behind, Error> {
    let mut lines = Tail { text: Vec::new(), hashes: Vec::new(), edge: before.clone() };
    let mut torn = None;
    let from = firsts.iter().rposition(|first| *first <= signed).unwrap_or(0);
    let behind = firsts.get(from..).unwrap_or_default();
    for (at, first) in behind.iter().enumerate() {
        let bound = behind.get(at + 1).copied();
        let scanned = scan(dir, *first, bound, |number, line| {
            if number < signed {
                return ControlFlow::Continue(());
            }
            if serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err() {
                return ControlFlow::Break(());
            }
            let hash = leaf(line);
            lines.edge.push(hash);
            lines.hashes.push(hash);
            lines.text.extend_from_slice(line);
            lines.text.push(b'\n');
            ControlFlow::Continue(())
        })?;
        match bound {
            // Safe when the next began, and not under a checkpoint: a log that failed and died soon after.
            Some(bound) if scanned.next < bound => {
                return Err(Error::damaged(
                    &lines_path(dir, *first),
                    format!("line {} is gone, and line {bound} is there", scanned.next),
                ));
            }
            None if scanned.good < scanned.bytes => torn = Some((*first, scanned.good)),
            _ => {}
        }
    }
    Ok(Behind { before, lines, torn })
}

/// Moves what is no line, from byte `from` of the segment `first` on, to a file of its own. How many bytes it was.
fn set_aside(dir: &Path, first: u64, from: u64) -> io::Result<u64> {
    let path = lines_path(dir, first);
    let content = fs::read(&path)?;
    let bytes = usize::try_from(from).ok().and_then(|from| content.get(from..)).unwrap_or_default();
    let mut file = (0..)
        .map(|count: u32| dir.join(format!("{first:020}.{count}.torn")))
        .find_map(|path| match OpenOptions::new().create_new(true).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
            opened => Some(opened),
        })
        .ok_or_else(|| io::Error::other("no name is free"))??;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_folder(dir)?;
    OpenOptions::new().write(true).open(&path)?.set_len(from)?;
    Ok(bytes.len() as u64)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
