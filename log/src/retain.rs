//! Retention: whole segments that are older than was written down are removed, oldest first. Their checkpoints stay.
//!
//! What a start would need is never removed: the open segment, and everything from the last segment on that says all
//! revocations that stand. Single use needs the last hours only, and nothing is removed that is younger than a day. The line
//! that says what is removed is on disk before the first file goes; who is killed in between goes on at the next start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use idjag::{Clock, Receipt, SystemClock};

use crate::error::Error;
use crate::folder::sync_folder;
use crate::queue::Queue;
use crate::read::is_older;
use crate::segment::{lines_path, segments};

/// The code of the line about it.
pub(crate) const REMOVED: &str = "IJ904I";

pub(crate) struct Retention {
    keep_days: Option<u32>,
    /// The line that says all that stands, at which it was looked last.
    looked_at: u64,
    /// What is to be removed once its line is safe: everything before this number.
    due: Option<(Receipt, u64)>,
}

impl Retention {
    pub(crate) const fn new(keep_days: Option<u32>) -> Self {
        Self { keep_days, looked_at: 0, due: None }
    }

    /// For the writer: does what is due, in the log in `dir` of which `safe` lines are on disk. `told` is the number after the
    /// last line that says all that stands, and 0 where there is none.
    pub(crate) fn step(&mut self, dir: &Path, queue: &Queue, safe: u64, told: u64) {
        let Some(keep_days) = self.keep_days else { return };
        if let Some((_, next)) = self.due.take_if(|(receipt, _)| receipt.0 <= safe)
            && let Err(error) = remove(dir, next)
        {
            // What is left goes with the next.
            eprintln!("idjag: old segments of the record in `{}` cannot be removed: {error}", dir.display());
        }
        if self.due.is_some() || told == self.looked_at || told > safe {
            return;
        }
        self.looked_at = told;
        let before = SystemClock.now().saturating_sub(i64::from(keep_days) * 86_400);
        let Ok(Some((first, next, count))) = due(dir, before, told) else { return };
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let said = queue.say(REMOVED, "segments_removed", |line| {
            line.number("first", number(first));
            line.number("next", number(next));
            line.number("segments", number(count));
            line.number("keep_days", i64::from(keep_days));
        });
        // A queue that is full lets them stay until the next time.
        self.due = said.ok().map(|receipt| (receipt, next));
    }
}

/// What may go of the log in `dir`: its first line, the first that stays, and how many segments.
fn due(dir: &Path, before: i64, told: u64) -> Result<Option<(u64, u64, u64)>, Error> {
    let firsts = segments(dir)?;
    let stays = firsts.iter().rposition(|first| *first < told).unwrap_or(0);
    let old =
        firsts.iter().take(stays).take_while(|first| is_older(&lines_path(dir, **first), before)).count();
    let bounds = firsts.first().zip(firsts.get(old)).filter(|_| old > 0);
    Ok(bounds.map(|(first, next)| (*first, *next, old as u64)))
}

/// Removes every file of the segments before line `next`: the lines of the oldest first, so that what is left is whole at
/// each moment; then what belonged to them.
fn remove(dir: &Path, next: u64) -> io::Result<()> {
    let mut files: Vec<(bool, u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((number, kind)) = name.split_once('.') else { continue };
        let number = Some(number).filter(|number| number.len() == 20).and_then(|number| number.parse().ok());
        if let Some(number) = number.filter(|number| *number < next) {
            files.push((kind != "jsonl", number, path));
        }
    }
    files.sort();
    for (_, _, path) in files {
        fs::remove_file(path)?;
    }
    sync_folder(dir)
}
