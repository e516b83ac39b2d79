//! A log as C2SP tlog-tiles: what monitors, witnesses and mirrors of transparency logs read.
//!
//! ```text
//! OUT/0/checkpoint             the note over all that follows
//! OUT/0/tile/0/000             256 hashes of lines, tile/1/000 of those tiles, and so on
//! OUT/0/tile/0/001.p/7         the last of a level, of which there are 7 yet
//! OUT/0/tile/entries/000       256 lines, each after its length in two bytes
//! OUT/1/...                    another log
//! ```

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::checkpoints;
use crate::crypto::Hash;
use crate::error::Error;
use crate::note::Verifier;
use crate::read::Line;
use crate::tree::{Frontier, leaf};
use crate::verify::{Checked, verified};

/// Hashes in a tile, and lines in a bundle.
const WIDTH: usize = 256;

/// Writes every log of the folder `path` as tiles below `out`, which must not be there yet or be empty, each in a folder of
/// its number: the lines under the last checkpoint that holds, their tree, and that checkpoint, last. `each` hears of every
/// line. A log of which old segments were removed has no first tiles any more; it is passed over.
///
/// What was found in each log. Costs what [`verify`](crate::verify) does, and a file for each 256 lines, twice.
///
/// # Errors
///
/// A file that cannot be read or written, or is there already.
pub fn write_tiles(
    path: &Path,
    verifier: &Verifier,
    out: &Path,
    mut each: impl FnMut(&Line<'_>),
) -> Result<Vec<Checked>, Error> {
    if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::unusable(out, "is not empty; give a new folder"));
    }
    let mut trees: Vec<Tiles> = Vec::new();
    let mut failed = None;
    let found = verified(path, verifier, |line| {
        each(&line);
        if trees.last().is_none_or(|tiles| tiles.log != line.log) {
            trees.push(Tiles::new(out, line.log));
        }
        let pushed = match trees.last_mut() {
            Some(tiles) if line.number == tiles.size => tiles.push(line.text.as_bytes()),
            // Lines before it were removed.
            _ => Ok(()),
        };
        match pushed {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    for tiles in trees.iter_mut().filter(|tiles| tiles.size > 0) {
        let dir = path.join(tiles.log.to_string());
        let (notes, _) = checkpoints::read(&dir, &verifier.below(&tiles.log.to_string()))?;
        let is_of =
            |kept: &&checkpoints::Kept| kept.checkpoint.as_ref().is_some_and(|c| c.size == tiles.size);
        let note = notes.iter().rfind(is_of).map(|kept| kept.note.clone());
        let gone = || Error::damaged(&checkpoints::path(&dir), "changed while it was read");
        tiles.end(&note.ok_or_else(gone)?)?;
    }
    Ok(found)
}

/// A log's tiles in the making.
struct Tiles {
    out: PathBuf,
    log: u32,
    /// Lines so far.
    size: u64,
    bundle: Vec<u8>,
    /// Of each level, the hashes of the tile that is not full.
    levels: Vec<Vec<Hash>>,
}

impl Tiles {
    fn new(out: &Path, log: u32) -> Self {
        let out = out.join(log.to_string());
        Self { out, log, size: 0, bundle: Vec::new(), levels: Vec::new() }
    }

    fn push(&mut self, line: &[u8]) -> Result<(), Error> {
        let length = u16::try_from(line.len()).map_err(|_| {
            Error::unusable(&self.out, format!("line {} is longer than 65,535 bytes", self.size))
        })?;
        self.bundle.extend_from_slice(&length.to_be_bytes());
        self.bundle.extend_from_slice(line);
        self.size += 1;
        if self.size.is_multiple_of(WIDTH as u64) {
            self.write_bundle(WIDTH)?;
        }
        let (mut level, mut hash) = (0, leaf(line));
        loop {
            if level == self.levels.len() {
                self.levels.push(Vec::with_capacity(WIDTH));
            }
            let Some(tile) = self.levels.get_mut(level) else { return Ok(()) };
            tile.push(hash);
            if tile.len() < WIDTH {
                return Ok(());
            }
            let full = std::mem::take(tile);
            self.write_tile(level, &full)?;
            let mut tree = Frontier::default();
            for hash in full {
                tree.push(hash);
            }
            hash = tree.root();
            level += 1;
        }
    }

    /// What is not full, and the checkpoint.
    fn end(&mut self, note: &str) -> Result<(), Error> {
        let rest = usize::try_from(self.size % WIDTH as u64).unwrap_or(0);
        if rest > 0 {
            self.write_bundle(rest)?;
        }
        for (level, tile) in self.levels.iter().enumerate().filter(|(_, tile)| !tile.is_empty()) {
            self.write_tile(level, tile)?;
        }
        write(&self.out.join("checkpoint"), note.as_bytes())
    }

    fn write_bundle(&mut self, width: usize) -> Result<(), Error> {
        let number = (self.size - 1) / WIDTH as u64;
        write(&self.out.join("tile/entries").join(name(number, width)), &self.bundle)?;
        self.bundle.clear();
        Ok(())
    }

    /// `hashes` are the last of their level.
    fn write_tile(&self, level: usize, hashes: &[Hash]) -> Result<(), Error> {
        let spanned = u32::try_from(level).ok().and_then(|level| (WIDTH as u64).checked_pow(level));
        let in_level = spanned.map_or(0, |spanned| self.size / spanned);
        let number = in_level.saturating_sub(1) / WIDTH as u64;
        let path = self.out.join(format!("tile/{level}")).join(name(number, hashes.len()));
        write(&path, hashes.as_flattened())
    }
}

/// The name of a tile: its number in groups of three digits, an `x` before each but the last, and how wide it is where that
/// is not the whole width.
fn name(number: u64, width: usize) -> String {
    let mut name = format!("{:03}", number % 1000);
    let mut above = number / 1000;
    while above > 0 {
        name = format!("x{:03}/{name}", above % 1000);
        above /= 1000;
    }
    if width < WIDTH { format!("{name}.p/{width}") } else { name }
}

fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        fs::write(path, content)
    };
    write().map_err(|error| Error::io(path, error))
}

#[cfg(test)]
mod tests {
    use tlog_tiles::{Hash as TheirHash, Tile, TileHashReader, TileReader};

    use super::*;

    #[test]
    fn tiles_are_named_as_the_specification_names_them() {
        for (number, width, expected) in [
            (0, 256, "000"),
            (999, 256, "999"),
            (1000, 256, "x001/000"),
            (1_234_067, 256, "x001/x234/067"),
            (1_234_067, 7, "x001/x234/067.p/7"),
        ] {
            assert_eq!(name(number, width), expected);
        }
    }

    /// Another library reads the tiles of a folder.
    struct Theirs(PathBuf);

    impl TileReader for Theirs {
        fn height(&self) -> u8 {
            8
        }

        fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
            let read = |tile: &Tile| fs::read(self.0.join(path_of(tile)));
            tiles.iter().map(|tile| read(tile).map_err(|_| tlog_tiles::Error::InvalidTile)).collect()
        }

        fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
    }

    /// Go's layout has the height of tiles in their path, the specification has not.
    fn path_of(tile: &Tile) -> String {
        tile.path().replacen("tile/8/", "tile/", 1)
    }

    fn files(dir: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
        }
        found
    }

    #[test]
    fn another_library_finds_every_line_in_the_tiles_and_no_file_is_too_many() {
        for size in [1_u64, 2, 255, 256, 257, 511, 512, 700, 65_535, 65_536, 65_537, 66_000] {
            let dir = std::env::temp_dir().join(format!("idjag-tiles-{}-{size}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            let line = |number: u64| format!("{{\"seq\":{number},\"event\":\"a test\"}}");
            let (mut tiles, mut edge) = (Tiles::new(&dir, 0), Frontier::default());
            for number in 0..size {
                tiles.push(line(number).as_bytes()).unwrap();
                edge.push(leaf(line(number).as_bytes()));
            }
            tiles.end("a checkpoint").unwrap();

            let dir = dir.join("0");
            let theirs = Theirs(dir.clone());
            let root = TheirHash(edge.root());
            let reader = TileHashReader::new(size, root, &theirs);
            assert_eq!(tlog_tiles::tree_hash(size, &reader).unwrap().0, root.0, "{size}");
            for number in (0..size).step_by(251).chain([size - 1]) {
                let hash = tlog_tiles::record_hash(line(number).as_bytes());
                let proof = tlog_tiles::prove_record(size, number, &reader).unwrap();
                tlog_tiles::check_record(&proof, size, root, number, hash).unwrap();
            }

            let mut expected: Vec<_> =
                Tile::new_tiles(8, 0, size).iter().map(|tile| dir.join(path_of(tile))).collect();
            let mut lines = Vec::new();
            for bundle in 0..size.div_ceil(256) {
                let width = usize::try_from((size - bundle * 256).min(256)).unwrap();
                let path = dir.join("tile/entries").join(name(bundle, width));
                let content = fs::read(&path).unwrap();
                let mut rest = content.as_slice();
                while let Some((length, after)) = rest.split_first_chunk() {
                    let (line, after) = after.split_at(u16::from_be_bytes(*length).into());
                    lines.push(String::from_utf8(line.to_vec()).unwrap());
                    rest = after;
                }
                expected.push(path);
            }
            assert!(lines.into_iter().eq((0..size).map(line)), "{size}");
            expected.push(dir.join("checkpoint"));
            let mut found = files(&dir);
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{size}");
            let _ = fs::remove_dir_all(dir.parent().unwrap());
        }
    }

    #[test]
    fn a_tile_that_was_changed_is_found_by_the_other_library() {
        let dir = std::env::temp_dir().join(format!("idjag-tiles-changed-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let (mut tiles, mut edge) = (Tiles::new(&dir, 0), Frontier::default());
        for number in 0..300_u32 {
            tiles.push(&number.to_be_bytes()).unwrap();
            edge.push(leaf(&number.to_be_bytes()));
        }
        tiles.end("a checkpoint").unwrap();
        let (theirs, root) = (Theirs(dir.join("0")), TheirHash(edge.root()));
        let is_proven = || {
            let reader = TileHashReader::new(300, root, &theirs);
            let hash = tlog_tiles::record_hash(&1_u32.to_be_bytes());
            let proof = tlog_tiles::prove_record(300, 1, &reader);
            proof.is_ok_and(|proof| tlog_tiles::check_record(&proof, 300, root, 1, hash).is_ok())
        };
        assert!(is_proven());
        let path = dir.join("0/tile/0/000");
        let mut content = fs::read(&path).unwrap();
        // The hash of the line beside it, which its proof begins with.
        content[8] ^= 1;
        fs::write(&path, content).unwrap();
        assert!(!is_proven());
        let _ = fs::remove_dir_all(&dir);
    }
}
