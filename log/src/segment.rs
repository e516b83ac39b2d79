//! One stretch of a log in two files: its lines as they are, and beside them the tree that they belong to.
//!
//! A segment is named by the number of its first line. The next one begins where its first number says: what a segment
//! holds beyond that was written while something failed, and stands in the next one again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::crypto::Hash;
use crate::error::Error;
use crate::folder::sync_folder;
use crate::tree::Frontier;

/// The file of the lines from `first` on.
pub(crate) fn lines_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.jsonl"))
}

/// The file of their tree.
pub(crate) fn tree_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.tree"))
}

/// The first numbers of the segments of a log, in order.
pub(crate) fn segments(dir: &Path) -> Result<Vec<u64>, Error> {
    let mut firsts = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| Error::io(dir, error))? {
        let name = entry.map_err(|error| Error::io(dir, error))?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".jsonl")).filter(|stem| stem.len() == 20);
        firsts.extend(stem.and_then(|stem| stem.parse::<u64>().ok()));
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// A segment that is being written.
pub(crate) struct Segment {
    pub(crate) first: u64,
    /// Of its lines.
    pub(crate) bytes: u64,
    lines: File,
    tree: File,
    /// Where the next hash goes.
    tree_bytes: u64,
}

impl Segment {
    /// Makes a segment that begins with `lines`, after the tree `before`: on disk when this returns, and under its name
    /// whole or not at all.
    pub(crate) fn create(dir: &Path, before: &Frontier, lines: &[u8]) -> io::Result<Self> {
        let first = before.size();
        let (tree, _) = write_under(&tree_path(dir, first), before.peaks().as_flattened())?;
        let (file, bytes) = write_under(&lines_path(dir, first), lines)?;
        sync_folder(dir)?;
        Ok(Self { first, bytes, lines: file, tree, tree_bytes: before.peaks().as_flattened().len() as u64 })
    }

    /// Appends whole lines. They are on disk after the next [`sync`](Self::sync).
    pub(crate) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.lines.write_all_at(lines, self.bytes)?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Waits for the disk. After an error nothing is known of what was appended, whatever a second try says: the segment
    /// has to be left.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.lines.sync_data()
    }

    /// Appends hashes of lines. They could be computed again, so nobody waits for the disk.
    pub(crate) fn append_hashes(&mut self, hashes: &[Hash]) -> io::Result<()> {
        self.tree.write_all_at(hashes.as_flattened(), self.tree_bytes)?;
        self.tree_bytes += hashes.as_flattened().len() as u64;
        Ok(())
    }

    /// Closes the segment: nothing will be appended.
    pub(crate) fn close(self) -> io::Result<()> {
        self.tree.sync_data()
    }

    /// Cuts off the lines behind the first `bytes` bytes, if that can be done.
    pub(crate) fn cut(&self, bytes: u64) {
        let _ = self.lines.set_len(bytes);
    }
}

/// Writes a file beside its name, waits for the disk, and gives it the name.
fn write_under(path: &Path, content: &[u8]) -> io::Result<(File, u64)> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    Ok((file, content.len() as u64))
}

/// The tree before a segment, and the hashes of its lines as far as they were written.
pub(crate) fn read_tree(dir: &Path, first: u64) -> Result<(Frontier, Vec<Hash>), Error> {
    let path = tree_path(dir, first);
    let content = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && first == 0 => Vec::new(),
        read => read.map_err(|error| Error::io(&path, error))?,
    };
    let mut hashes = content.as_chunks().0.to_vec();
    let peaks = Frontier::peaks_of(first);
    if hashes.len() < peaks {
        return Err(Error::damaged(&path, "is shorter than it was when the segment began"));
    }
    let leaves = hashes.split_off(peaks);
    let before =
        Frontier::new(first, hashes).ok_or_else(|| Error::damaged(&path, "is not of this segment"))?;
    Ok((before, leaves))
}

/// What was found in the file of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// The number after the last good line.
    pub(crate) next: u64,
    /// Bytes up to the end of the last good line.
    pub(crate) good: u64,
    /// Bytes in the file.
    pub(crate) bytes: u64,
}

/// Reads the lines of a segment, without their newlines, up to number `bound` or to the first that is none: that does not
/// end, has another number, or is no object. `each` may end it at a line, which then does not count.
pub(crate) fn scan(
    dir: &Path,
    first: u64,
    bound: Option<u64>,
    mut each: impl FnMut(u64, &[u8]) -> ControlFlow<()>,
) -> Result<Scanned, Error> {
    let path = lines_path(dir, first);
    let failed = |error| Error::io(&path, error);
    let file = File::open(&path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let mut scanned = Scanned { next: first, good: 0, bytes };
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut line = Vec::new();
    while bound.is_none_or(|bound| scanned.next < bound) {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(failed)?;
        let Some(text) = line.strip_suffix(b"\n").filter(|text| is_line(text, scanned.next)) else {
            break;
        };
        if each(scanned.next, text).is_break() {
            break;
        }
        scanned.next += 1;
        scanned.good += read as u64;
    }
    Ok(scanned)
}

/// Whether `text` begins and ends as the line `number` does.
fn is_line(text: &[u8], number: u64) -> bool {
    let after = text
        .strip_prefix(b"{\"seq\":")
        .and_then(|rest| rest.strip_prefix(itoa::Buffer::new().format(number).as_bytes()));
    after.is_some_and(|rest| rest.starts_with(b",") && rest.ends_with(b"}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_next_number_is_a_line() {
        for (text, number, is) in [
            (r#"{"seq":7,"a":1}"#, 7, true),
            (r#"{"seq":7,"a":1}"#, 8, false),
            (r#"{"seq":77,"a":1}"#, 7, false),
            (r#"{"seq":7}"#, 7, false),
            (r#"{"seq":7,"a":1"#, 7, false),
            ("", 7, false),
        ] {
            assert_eq!(is_line(text.as_bytes(), number), is, "{text}");
        }
    }
}
