//! The Merkle tree of RFC 6962 section 2.1: the right edge of one that grows, and proofs that a leaf is in it.
//!
//! A tree that grows needs only its peaks, the roots of the perfect trees that its leaves fill from the left: one for
//! each bit that is set in their number. Proofs for leaves of one stretch need the peaks before it and its own leaves.

use crate::crypto::{Hash, sha256, sha256_whole};

/// The hash of one entry.
pub(crate) fn leaf(entry: &[u8]) -> Hash {
    sha256(&[&[0], entry])
}

/// Gives `each` the hash of each line of `lines`, all of which end with a newline. That is meanwhile the zero that the hash of
/// the next entry begins with, so that each is hashed where it is.
pub(crate) fn leaves(lines: &mut [u8], mut each: impl FnMut(Hash)) {
    let mut start = 0;
    while let Some(length) = lines.get(start..).and_then(|rest| memchr::memchr(b'\n', rest)) {
        let end = start + length;
        let before = start.checked_sub(1).and_then(|before| lines.get_mut(before..end));
        each(match before {
            Some(entry) => {
                let put =
                    |entry: &mut [u8], byte| entry.first_mut().into_iter().for_each(|first| *first = byte);
                put(entry, 0);
                let hash = sha256_whole(entry);
                put(entry, b'\n');
                hash
            }
            None => leaf(lines.get(start..end).unwrap_or_default()),
        });
        start = end + 1;
    }
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut whole = [1; 65];
    whole[1..33].copy_from_slice(left);
    whole[33..].copy_from_slice(right);
    sha256_whole(&whole)
}

/// The right edge of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frontier {
    size: u64,
    /// The largest first.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The edge of a tree of `size` leaves out of its peaks; none where they are not as many as it has.
    pub(crate) fn new(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == Self::peaks_of(size)).then_some(Self { size, peaks })
    }

    /// How many peaks a tree of `size` leaves has.
    pub(crate) const fn peaks_of(size: u64) -> usize {
        size.count_ones() as usize
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf. Costs one hash on average.
    pub(crate) fn push(&mut self, leaf: Hash) {
        self.size = self.size.saturating_add(1);
        let mut right = leaf;
        for _ in 0..self.size.trailing_zeros() {
            let Some(left) = self.peaks.pop() else { break };
            right = node(&left, &right);
        }
        self.peaks.push(right);
    }

    /// The root. Costs a hash for each peak.
    pub(crate) fn root(&self) -> Hash {
        let mut smallest_first = self.peaks.iter().rev();
        match smallest_first.next() {
            None => sha256(&[]),
            Some(last) => smallest_first.fold(*last, |right, left| node(left, &right)),
        }
    }
}

/// A tree of which everything before one stretch of leaves is known by its peaks only.
pub(crate) struct Stretch {
    before: Frontier,
    leaves: Vec<Hash>,
}

impl Stretch {
    pub(crate) const fn new(before: Frontier, leaves: Vec<Hash>) -> Self {
        Self { before, leaves }
    }

    pub(crate) fn size(&self) -> u64 {
        self.before.size + self.leaves.len() as u64
    }

    /// The path from leaf `index` to the root of the tree of the first `size` leaves (section 2.1.1), the leaf's sibling
    /// first. None where the leaf, or the tree, is not within what is known.
    pub(crate) fn path(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        if index < self.before.size || index >= size || size > self.size() {
            return None;
        }
        let (mut start, mut end, mut path) = (0, size, Vec::new());
        while end - start > 1 {
            let middle = start + left_part(end - start);
            if index < middle {
                path.push(self.hash(middle, end)?);
                end = middle;
            } else {
                path.push(self.hash(start, middle)?);
                start = middle;
            }
        }
        path.reverse();
        Some(path)
    }

    /// The hash over the leaves from `start` up to `end`.
    fn hash(&self, start: u64, end: u64) -> Option<Hash> {
        if end <= self.before.size {
            // Left of a leaf of the stretch stand peaks, or what contains them.
            let larger = self.before.size & !(end - start).checked_mul(2)?.saturating_sub(1);
            return (larger == start)
                .then(|| self.before.peaks.get(Frontier::peaks_of(start)).copied())
                .flatten();
        }
        if end - start == 1 {
            let at = usize::try_from(start.checked_sub(self.before.size)?).ok()?;
            return self.leaves.get(at).copied();
        }
        let middle = start + left_part(end - start);
        Some(node(&self.hash(start, middle)?, &self.hash(middle, end)?))
    }
}

/// The largest power of two that is smaller than `size`, which is 2 at least.
const fn left_part(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The root that `path` leads to from `leaf` at `index` in a tree of `size` leaves (RFC 9162 section 2.1.3.2); none where
/// the path is not as long as it has to be.
pub(crate) fn root_of_path(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    let mut last = size.checked_sub(1).filter(|last| index <= *last)?;
    let (mut at, mut hash) = (index, leaf);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at % 2 == 1 || at == last {
            hash = node(sibling, &hash);
            while at.is_multiple_of(2) && at != 0 {
                at /= 2;
                last /= 2;
            }
        } else {
            hash = node(&hash, sibling);
        }
        at /= 2;
        last /= 2;
    }
    (last == 0).then_some(hash)
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use ct_merkle::{InclusionProof, RootHash};
    use sha2::Sha256;

    use super::*;

    const SIZE: u64 = 70;

    fn entry(index: u64) -> Vec<u8> {
        format!("entry {index}").into_bytes()
    }

    fn edge(size: u64) -> Frontier {
        let mut edge = Frontier::default();
        (0..size).for_each(|index| edge.push(leaf(&entry(index))));
        edge
    }

    #[test]
    fn lines_are_hashed_where_they_are_as_each_for_itself() {
        for lines in ["", "one\n", "one\n\nthree\n", "a\nhalf a line is none"] {
            let mut found = Vec::new();
            leaves(&mut lines.as_bytes().to_vec(), |hash| found.push(hash));
            let whole = lines.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            assert_eq!(found, whole.map(|line| leaf(line.as_bytes())).collect::<Vec<_>>(), "{lines:?}");
        }
    }

    #[test]
    fn roots_are_those_of_another_library() {
        let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        for size in 0..SIZE {
            let ours = edge(size);
            assert_eq!(ours.root(), **theirs.root().as_bytes(), "{size}");
            assert_eq!(Frontier::new(size, ours.peaks().to_vec()).as_ref(), Some(&ours));
            assert_eq!(Frontier::new(size + 1, ours.peaks().to_vec()).is_some(), {
                (size + 1).count_ones() == size.count_ones()
            });
            theirs.push(entry(size));
        }
    }

    #[test]
    fn paths_are_taken_by_another_library_wherever_the_stretch_begins() {
        for before in 0..SIZE {
            let leaves = (before..SIZE).map(|index| leaf(&entry(index))).collect();
            let stretch = Stretch::new(edge(before), leaves);
            for size in before + 1..=SIZE {
                let root = edge(size).root();
                for index in before..size {
                    let path = stretch.path(index, size).unwrap();
                    let found = root_of_path(leaf(&entry(index)), index, size, &path);
                    assert_eq!(found, Some(root), "{before} {index} {size}");
                    let theirs = RootHash::<Sha256>::new(root.into(), size);
                    let proof = InclusionProof::<Sha256>::try_from_bytes(path.concat()).unwrap();
                    theirs.verify_inclusion(&entry(index), index, &proof).unwrap();
                }
            }
            assert_eq!(stretch.path(SIZE, SIZE), None);
            assert_eq!(stretch.path(SIZE, SIZE + 1), None);
            assert_eq!(before.checked_sub(1).and_then(|outside| stretch.path(outside, SIZE)), None);
        }
    }

    #[test]
    fn a_path_of_another_leaf_or_length_leads_elsewhere() {
        let stretch = Stretch::new(Frontier::default(), (0..7).map(|index| leaf(&entry(index))).collect());
        let root = edge(7).root();
        let path = stretch.path(3, 7).unwrap();
        assert_ne!(root_of_path(leaf(b"another"), 3, 7, &path), Some(root));
        assert_ne!(root_of_path(leaf(&entry(3)), 2, 7, &path), Some(root));
        assert_eq!(root_of_path(leaf(&entry(3)), 3, 7, &path[1..]), None);
        assert_eq!(root_of_path(leaf(&entry(3)), 3, 7, &[&path[..], &path[..1]].concat()), None);
        assert_eq!(root_of_path(leaf(&entry(3)), 7, 7, &path), None);
        assert_eq!(root_of_path(leaf(&entry(0)), 0, 0, &[]), None);
    }
}
