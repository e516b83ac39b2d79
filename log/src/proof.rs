//! A proof that one line is in a log (C2SP tlog-proof): the line, its place in the tree, and the checkpoint over it. Whoever
//! has the log's key can check it without the log.

use std::ops::ControlFlow;
use std::path::Path;

use base64_simd::STANDARD;

use crate::checkpoints;
use crate::error::Error;
use crate::note::{Checkpoint, Verifier};
use crate::segment::{lines_path, read_tree, scan, segments};
use crate::tree::{Stretch, leaf, root_of_path};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Proves line `number` of log `log` in the folder `path`, with the line itself as the proof's extra data.
///
/// Reads the segment of the line, and no other where the next checkpoint is in it.
///
/// # Errors
///
/// There is no such line, no checkpoint covers it yet, or a file cannot be read.
pub fn prove(path: &Path, verifier: &Verifier, log: u32, number: u64) -> Result<String, Error> {
    let dir = path.join(log.to_string());
    let (notes, _) = checkpoints::read(&dir, &verifier.below(&log.to_string()))?;
    let found = notes.iter().find_map(|kept| {
        let checkpoint = kept.checkpoint.as_ref().filter(|checkpoint| checkpoint.size > number)?;
        Some((&kept.note, checkpoint))
    });
    let (note, checkpoint) = found.ok_or_else(|| {
        Error::unusable(
            &checkpoints::path(&dir),
            format!("no checkpoint signed by `{}/{log}` covers line {number}", verifier.name()),
        )
    })?;
    let firsts = segments(&dir)?;
    let from = firsts
        .iter()
        .rposition(|first| *first <= number)
        .ok_or_else(|| Error::unusable(&dir, format!("line {number} was removed with its segment")))?;
    let within = firsts.get(from..).unwrap_or_default();
    let first = within.first().copied().unwrap_or_default();
    let (before, _) = read_tree(&dir, first)?;
    let (mut hashes, mut text) = (Vec::new(), Vec::new());
    for (at, segment) in within.iter().enumerate().filter(|(_, segment)| **segment < checkpoint.size) {
        let next = within.get(at + 1).copied().unwrap_or(u64::MAX);
        scan(&dir, *segment, Some(next.min(checkpoint.size)), |seq, line| {
            hashes.push(leaf(line));
            if seq == number {
                text = line.to_vec();
            }
            ControlFlow::Continue(())
        })?;
    }
    let damaged = || {
        let what = "its lines are not those that the checkpoint covers; see `idjag audit verify`";
        Error::damaged(&lines_path(&dir, first), what)
    };
    let path = Stretch::new(before, hashes).path(number, checkpoint.size).ok_or_else(damaged)?;
    if root_of_path(leaf(&text), number, checkpoint.size, &path) != Some(checkpoint.root) {
        return Err(damaged());
    }
    let hashes: String = path.iter().map(|hash| STANDARD.encode_to_string(hash) + "\n").collect();
    Ok(format!("{HEADER}\nextra {}\nindex {number}\n{hashes}\n{note}", STANDARD.encode_to_string(&text)))
}

/// What a proof proves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proven {
    /// The log.
    pub origin: String,
    /// The line's number.
    pub number: u64,
    /// The line: the one that was given, or the proof's own.
    pub line: String,
    /// How many lines the log had at the checkpoint.
    pub size: u64,
}

/// Checks a proof: of `line`, or of the line that it carries. None where it proves nothing, or not by this key.
pub fn check_proof(proof: &str, line: Option<&str>, verifier: &Verifier) -> Option<Proven> {
    let (head, note) = proof.split_once("\n\n")?;
    let mut lines = head.split('\n');
    if lines.next() != Some(HEADER) {
        return None;
    }
    let mut next = lines.next()?;
    let mut extra = None;
    if let Some(encoded) = next.strip_prefix("extra ") {
        extra = Some(String::from_utf8(STANDARD.decode_to_vec(encoded).ok()?).ok()?);
        next = lines.next()?;
    }
    let spelled = next.strip_prefix("index ")?;
    let number = spelled.parse::<u64>().ok().filter(|number| number.to_string() == spelled)?;
    let path =
        lines.map(|hash| STANDARD.decode_to_vec(hash).ok()?.try_into().ok()).collect::<Option<Vec<_>>>()?;
    let origin = note.split('\n').next()?;
    let log = origin.strip_prefix(verifier.name()).and_then(|rest| rest.strip_prefix('/'));
    let verifier = log.map_or_else(|| verifier.clone(), |log| verifier.below(log));
    let checkpoint = Checkpoint::open(note, &verifier)?;
    let line = line.map(|line| line.trim_end_matches('\n').to_owned()).or(extra)?;
    let root = root_of_path(leaf(line.as_bytes()), number, checkpoint.size, &path)?;
    (root == checkpoint.root).then_some(Proven {
        origin: checkpoint.origin,
        number,
        line,
        size: checkpoint.size,
    })
}
