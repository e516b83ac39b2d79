//! Whether a record is what was written: every line hashed again, every checkpoint's root computed again.
//!
//! Who wants the lines gets each of them once a checkpoint over it holds, and none that no checkpoint covers.

use std::fs;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use crate::checkpoints;
use crate::crypto::Hash;
use crate::error::Error;
use crate::folder::logs;
use crate::note::{Checkpoint, Verifier};
use crate::read::Line;
use crate::retain::REMOVED;
use crate::segment::{Scanned, lines_path, read_tree, scan, segments, tree_path};
use crate::tree::{Frontier, leaf};

/// What was found in one log of a folder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The log's number in the folder.
    pub log: u32,
    /// Its origin: the first line of its checkpoints.
    pub origin: String,
    /// The number of the first line that is there; above 0 where old segments were removed.
    pub first: u64,
    /// The number after the last line.
    pub lines: u64,
    /// How many lines, from the very first, the last checkpoint covers.
    pub covered: u64,
    /// How many lines, from the very first, are under a checkpoint that holds: the same, where the log is whole.
    pub verified: u64,
    /// Checkpoints.
    pub checkpoints: usize,
    /// Bytes that were hashed.
    pub bytes: u64,
    /// What is wrong or deserves a look, the first bad line first.
    pub findings: Vec<Finding>,
}

/// Something that deserves a look.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The file, relative to the folder.
    pub file: String,
    /// The number of the line, where it is one.
    pub line: Option<u64>,
    /// What is wrong with it.
    pub what: String,
    /// Whether something that was written is gone or changed. What a crash leaves behind is not.
    pub is_damage: bool,
}

impl Checked {
    /// Whether everything that was written is there as it was written.
    pub fn is_whole(&self) -> bool {
        !self.findings.iter().any(|finding| finding.is_damage)
    }
}

/// Checks every log in the folder `path` against `verifier`, the key of the folder or of its only log.
///
/// Of each log the first line that is not what was written is named; what comes after it is not looked at. Costs a SHA-256
/// of each line and about one more.
///
/// # Errors
///
/// A file that cannot be read. What was changed is no error: it is in [`Checked::findings`].
pub fn verify(path: &Path, verifier: &Verifier) -> Result<Vec<Checked>, Error> {
    check(path, verifier, None)
}

/// Like [`verify`], and gives `each` the lines, one log after the other, each in its order: a line when a checkpoint over it
/// was found to hold, so never one that no checkpoint covers. `each` may end it: the log is then left out of the answer, and
/// those after it.
///
/// Keeps the lines between two checkpoints in memory.
///
/// # Errors
///
/// As [`verify`]; more than 256 MiB between two checkpoints, which no log of ours has.
pub fn verified(
    path: &Path,
    verifier: &Verifier,
    mut each: impl FnMut(Line<'_>) -> ControlFlow<()>,
) -> Result<Vec<Checked>, Error> {
    check(path, verifier, Some(&mut each))
}

type Each<'e> = dyn FnMut(Line<'_>) -> ControlFlow<()> + 'e;

fn check(path: &Path, verifier: &Verifier, mut each: Option<&mut Each<'_>>) -> Result<Vec<Checked>, Error> {
    let mut all = Vec::new();
    for log in logs(path)? {
        let name = log.to_string();
        let dir = path.join(&name);
        let mut check = Check::new(log, &dir, &verifier.below(&name))?;
        check.reader =
            each.as_deref_mut().map(|each| Reader { held: Vec::new(), next: None, ended: false, each });
        check.run()?;
        if check.reader.as_ref().is_some_and(|reader| reader.ended) {
            break;
        }
        all.push(check.checked);
    }
    Ok(all)
}

/// Who wants the lines.
struct Reader<'e> {
    /// Lines that no checkpoint was compared with yet, each with its newline.
    held: Vec<u8>,
    /// The number of the first of them, or of the line that comes.
    next: Option<u64>,
    ended: bool,
    each: &'e mut Each<'e>,
}

impl Reader<'_> {
    const MOST_BYTES: usize = 256 << 20;

    /// A checkpoint over the lines that are held holds.
    fn hand_out(&mut self, log: u32) {
        let mut number = self.next.unwrap_or_default();
        for line in self.held.split_inclusive(|byte| *byte == b'\n') {
            // What is under a checkpoint was written as UTF-8.
            let text = str::from_utf8(line.strip_suffix(b"\n").unwrap_or(line)).unwrap_or_default();
            if !self.ended && (self.each)(Line { log, number, text }).is_break() {
                self.ended = true;
            }
            number += 1;
        }
        self.held.clear();
        self.next = Some(number);
    }
}

struct Check<'d, 'e> {
    dir: &'d Path,
    checked: Checked,
    reader: Option<Reader<'e>>,
    /// In ascending order.
    checkpoints: Vec<Checkpoint>,
    /// How many of them were compared.
    compared: usize,
    edge: Frontier,
    /// The first line since the last checkpoint whose hash is not the one beside it.
    suspect: Option<u64>,
    /// The last line that says what was removed, and the first that stayed. Looked for where lines are missing.
    removed: Option<(u64, u64)>,
}

impl<'d> Check<'d, '_> {
    fn new(log: u32, dir: &'d Path, verifier: &Verifier) -> Result<Self, Error> {
        let (notes, bytes) = checkpoints::read(dir, verifier)?;
        let mut this = Self {
            dir,
            reader: None,
            checked: Checked {
                log,
                origin: verifier.name().to_owned(),
                first: 0,
                lines: 0,
                covered: 0,
                verified: 0,
                checkpoints: notes.len(),
                bytes: 0,
                findings: Vec::new(),
            },
            checkpoints: Vec::new(),
            compared: 0,
            edge: Frontier::default(),
            suspect: None,
            removed: None,
        };
        for (at, kept) in notes.into_iter().enumerate() {
            let grows = |next: &Checkpoint| {
                this.checkpoints.last().is_none_or(|last| {
                    next.size > last.size || (next.size == last.size && next.root == last.root)
                })
            };
            match kept.checkpoint {
                Some(checkpoint) if grows(&checkpoint) => this.checkpoints.push(checkpoint),
                Some(_) => {
                    this.damage("checkpoints", None, format!("checkpoint {at} contradicts one before it"));
                }
                None => this.damage(
                    "checkpoints",
                    None,
                    format!("checkpoint {at} is not signed by `{}`", verifier.name()),
                ),
            }
        }
        let path = checkpoints::path(dir);
        let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if length > bytes {
            this.note("checkpoints", format!("ends with {} bytes that are no checkpoint", length - bytes));
        }
        this.checked.covered = this.checkpoints.last().map_or(0, |last| last.size);
        Ok(this)
    }

    fn run(&mut self) -> Result<(), Error> {
        let firsts = segments(self.dir)?;
        for (at, first) in firsts.iter().enumerate() {
            let bound = firsts.get(at + 1).copied();
            if !self.segment(*first, bound, at == 0)? {
                self.say_what_was_removed();
                return Ok(());
            }
        }
        self.say_what_was_removed();
        if firsts.is_empty() && self.checked.covered > 0 {
            self.damage("", Some(0), format!("and all up to {} are gone", self.checked.covered - 1));
        }
        Ok(())
    }

    /// Checks one segment. Whether it makes sense to look at the next one.
    fn segment(&mut self, first: u64, bound: Option<u64>, is_oldest: bool) -> Result<bool, Error> {
        let file = file_name(first);
        let (before, known) = match read_tree(self.dir, first) {
            Ok(read) => read,
            Err(error) if is_oldest && first > 0 => return Err(error),
            Err(error) => {
                self.damage(&tree_name(first), None, error.to_string());
                (self.edge.clone(), Vec::new())
            }
        };
        if is_oldest {
            self.begin(first, before);
        } else if before != self.edge {
            self.damage(&tree_name(first), None, "is not the tree of the lines before it".to_owned());
        }
        let (mut wrong, mut full) = (None, false);
        let mut at = 0;
        let scanned = scan(self.dir, first, bound, |number, line| {
            full = !self.hold(number, line);
            wrong = self.line(number, line, known.get(at));
            at += 1;
            let ended = self.reader.as_ref().is_some_and(|reader| reader.ended);
            if wrong.is_some() || full || ended { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if full {
            let path = lines_path(self.dir, first);
            return Err(Error::unusable(&path, "has more than 256 MiB between two checkpoints"));
        }
        if self.reader.as_ref().is_some_and(|reader| reader.ended) {
            return Ok(false);
        }
        self.checked.lines = self.edge.size();
        self.checked.bytes += scanned.good;
        if let Some((number, what)) = wrong {
            self.damage(&file, number, what);
            return Ok(false);
        }
        self.end(first, bound, &scanned)
    }

    /// The oldest segment: what was before it is known by a checkpoint only.
    fn begin(&mut self, first: u64, before: Frontier) {
        self.edge = before;
        self.checked.first = first;
        if first == 0 {
            return;
        }
        let root = self.edge.root();
        self.compared = self.checkpoints.iter().take_while(|checkpoint| checkpoint.size <= first).count();
        self.checked.verified = first;
        let before = self.checkpoints.get(..self.compared).unwrap_or_default().iter();
        let tied = before.rev().take_while(|checkpoint| checkpoint.size == first);
        let mut roots = tied.map(|checkpoint| checkpoint.root == root);
        // Without one of this very tree, the next one is of it and the lines behind it.
        let is_known =
            roots.next().unwrap_or(self.compared < self.checkpoints.len()) && roots.all(|same| same);
        if !is_known {
            self.damage(
                &tree_name(first),
                None,
                "no checkpoint is of the tree that it begins with".to_owned(),
            );
        }
    }

    /// What is missing before the first line that is there.
    fn say_what_was_removed(&mut self) {
        let Some(last) = self.checked.first.checked_sub(1) else { return };
        let file = file_name(self.checked.first);
        match self.removed {
            Some((line, next)) if next >= self.checked.first => {
                self.note(
                    &file,
                    format!("lines 0 to {last} were removed, as line {line} says; checkpoints cover them"),
                );
            }
            _ => self.damage(
                &file,
                None,
                format!("lines 0 to {last} are gone, and no line says that they were removed"),
            ),
        }
    }

    /// Keeps one line for who wants it, until a checkpoint over it is compared. Whether there is room.
    fn hold(&mut self, number: u64, line: &[u8]) -> bool {
        let Some(reader) = &mut self.reader else { return true };
        reader.next.get_or_insert(number);
        reader.held.extend_from_slice(line);
        reader.held.push(b'\n');
        reader.held.len() <= Reader::MOST_BYTES
    }

    /// Takes one line. What is wrong with it or one before it.
    fn line(&mut self, number: u64, line: &[u8], known: Option<&Hash>) -> Option<(Option<u64>, String)> {
        let hash = leaf(line);
        if self.checked.first > 0 {
            self.removed = removed(line).map(|next| (number, next)).or(self.removed);
        }
        if known.is_some_and(|known| *known != hash) {
            self.suspect = self.suspect.or(Some(number));
        }
        self.edge.push(hash);
        let mut root = None;
        while let Some(checkpoint) =
            self.checkpoints.get(self.compared).filter(|c| c.size <= self.edge.size())
        {
            if checkpoint.root != *root.get_or_insert_with(|| self.edge.root()) {
                let from = self.compared.checked_sub(1).and_then(|before| self.checkpoints.get(before));
                let from = from.map_or(self.checked.first, |before| before.size);
                return Some(match self.suspect {
                    Some(line) => (Some(line), "is not what was written".to_owned()),
                    None => (
                        Some(from),
                        format!("or one of those after it up to {number} is not what was written"),
                    ),
                });
            }
            self.compared += 1;
            self.checked.verified = self.edge.size();
            if let Some(reader) = &mut self.reader {
                reader.hand_out(self.checked.log);
            }
            if let Some(line) = self.suspect.take() {
                // The lines are whole, so the hashes beside them are not.
                self.checked.findings.push(Finding {
                    file: self.name_in_folder("the .tree file of this line"),
                    line: Some(line),
                    what: "has another hash beside it than its own; the line is what was written".to_owned(),
                    is_damage: true,
                });
            }
        }
        None
    }

    /// The end of a segment. Whether the next one follows.
    fn end(&mut self, first: u64, bound: Option<u64>, scanned: &Scanned) -> Result<bool, Error> {
        let file = file_name(first);
        let rest = scanned.bytes - scanned.good;
        let needed = bound.unwrap_or(self.checked.covered);
        if scanned.next < needed {
            // Two lines without a newline between them are one, with another hash, and then a number is missing.
            let (line, what) = match self.suspect {
                Some(suspect) => (suspect, "is not what was written".to_owned()),
                None if rest > 0 => (scanned.next, "is not what was written".to_owned()),
                None => (scanned.next, format!("and all up to {} are gone", needed - 1)),
            };
            self.damage(&file, Some(line), what);
            return Ok(false);
        }
        if let Some(line) = self.suspect.filter(|_| bound.is_none()) {
            self.damage(&file, Some(line), "is not what was written".to_owned());
        }
        match bound {
            Some(bound) if rest > 0 => {
                if self.is_beginning_of(first, scanned, bound)? {
                    self.note(&file, format!("ends with {rest} bytes that stand in the next segment again"));
                } else {
                    self.damage(&file, None, format!("ends with {rest} bytes that are no part of the log"));
                }
            }
            None if rest > 0 => {
                self.note(&file, format!("ends with {rest} bytes that are no line yet"));
            }
            _ => {}
        }
        Ok(true)
    }

    /// Whether what stands behind the end of a segment is what the next one begins with.
    fn is_beginning_of(&self, first: u64, scanned: &Scanned, next: u64) -> Result<bool, Error> {
        let (path, next) = (lines_path(self.dir, first), lines_path(self.dir, next));
        let content = fs::read(&path).map_err(|error| Error::io(&path, error))?;
        let rest =
            usize::try_from(scanned.good).ok().and_then(|good| content.get(good..)).unwrap_or_default();
        let mut begins = Vec::new();
        fs::File::open(&next)
            .and_then(|file| file.take(rest.len() as u64).read_to_end(&mut begins))
            .map_err(|error| Error::io(&next, error))?;
        Ok(begins == rest)
    }

    fn name_in_folder(&self, file: &str) -> String {
        format!("{}/{file}", self.checked.log)
    }

    fn damage(&mut self, file: &str, line: Option<u64>, what: String) {
        let file = self.name_in_folder(file);
        self.checked.findings.push(Finding { file, line, what, is_damage: true });
    }

    fn note(&mut self, file: &str, what: String) {
        let file = self.name_in_folder(file);
        self.checked.findings.push(Finding { file, line: None, what, is_damage: false });
    }
}

/// The first line that stayed, where `line` says that those before it were removed.
fn removed(line: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Removed<'l> {
        code: &'l str,
        next: u64,
    }
    memchr::memmem::find(line.get(..128).unwrap_or(line), REMOVED.as_bytes())?;
    serde_json::from_slice(line)
        .ok()
        .filter(|Removed { code, .. }| *code == REMOVED)
        .map(|line: Removed<'_>| line.next)
}

fn file_name(first: u64) -> String {
    name(&lines_path(Path::new(""), first))
}

fn tree_name(first: u64) -> String {
    name(&tree_path(Path::new(""), first))
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
