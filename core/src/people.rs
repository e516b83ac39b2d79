//! The people of a directory, one line of the processor's cache each: in a directory of millions every read of memory is
//! far away, and looking a person up shall be one.
//!
//! A table of lines, in which a person stands at the place that their hash says, or in the first free line after it. Whoever
//! does not fit into a line (a long name, dozens of groups) has the rest elsewhere. It is made once and never changes; issuers
//! and groups are numbers here, and what they mean is the directory's.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

const LINE: usize = 64;

/// One person. An empty line is all zeros; otherwise there are, little-endian,
/// two bytes of the hash of which one bit is always set; the length of the subject, or [`LONG`]; the number of groups; and
/// in four bytes twice the number of the realm, plus one for whoever is active. Then the subject, and the numbers of the
/// groups, each of [`People::width`]; of [`LONG`] ones instead where those two begin in [`People::long`], in eight bytes, and
/// how long they are, in four each.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([u8; LINE]);

/// Bytes before the subject.
const HEAD: usize = 8;
/// No subject that fits into a line is as long.
const LONG: u8 = u8::MAX;
/// Of a head: the bytes of the hash, and the realm.
const WHO: u64 = u64::from_le_bytes([0xff, 0xff, 0, 0, 0xfe, 0xff, 0xff, 0xff]);
/// Lines that are looked at together: the processor fetches them at the same time, and nine people of ten are among them.
const AHEAD: usize = 4;

/// Of three places two are taken: the fewer, the nearer is everybody to their place, and the more memory it takes.
const PLACES: [usize; 2] = [3, 2];

/// People, as they are looked up.
pub(crate) struct People {
    /// Randomly keyed, so that nobody can choose subjects that collide.
    state: RandomState,
    lines: Vec<Line>,
    /// The first so many of `lines` are the place of somebody.
    places: usize,
    long: Vec<u8>,
    /// Bytes of a group's number.
    width: usize,
    len: usize,
}

/// What is known of one person: whether they are active, and the numbers of their groups, each of [`People::width`].
#[derive(Clone, Copy)]
pub(crate) struct Entry<'p> {
    pub(crate) active: bool,
    pub(crate) groups: &'p [u8],
}

/// A person to be taken in.
#[derive(Clone, Copy)]
pub(crate) struct Listed<'p> {
    /// Below 2^31.
    pub(crate) realm: u32,
    pub(crate) active: bool,
    pub(crate) subject: &'p [u8],
    pub(crate) groups: &'p [[u8; 4]],
}

impl People {
    /// Nobody.
    pub(crate) fn empty(state: RandomState) -> Self {
        Self { state, lines: Vec::new(), places: 0, long: Vec::new(), width: 2, len: 0 }
    }

    /// The `len` people that `listed` gives, each once, with their hashes and in the order of these. `groups`: how many groups
    /// there are; each person's are numbers below that.
    pub(crate) fn new<'p>(
        state: RandomState,
        groups: usize,
        len: usize,
        listed: impl Iterator<Item = (u64, Listed<'p>)>,
    ) -> Self {
        let [places, taken] = PLACES;
        let mut people = Self {
            places: len.div_ceil(taken).saturating_mul(places),
            width: if u16::try_from(groups).is_ok() { 2 } else { 4 },
            len,
            ..Self::empty(state)
        };
        people.lines.reserve_exact(people.places + AHEAD);
        for (hash, one) in listed {
            let at = people.place(hash).max(people.lines.len());
            people.lines.resize(at, Line([0; LINE]));
            let line = people.line(hash, one);
            people.lines.push(line);
        }
        // Whoever is looked for ends at an empty line, and lines are read some at a time.
        people.lines.resize(people.lines.len().max(people.places) + AHEAD, Line([0; LINE]));
        people.lines.shrink_to_fit();
        people.long.shrink_to_fit();
        people
    }

    /// The key of the hashes.
    pub(crate) fn state(&self) -> &RandomState {
        &self.state
    }

    /// The hash of a person.
    pub(crate) fn hash(&self, realm: u32, subject: &[u8]) -> u64 {
        let mut hasher = self.state.build_hasher();
        hasher.write_u32(realm);
        hasher.write(subject);
        hasher.finish()
    }

    /// The person, where listed. Exact bytes.
    pub(crate) fn find(&self, realm: u32, subject: &[u8]) -> Option<Entry<'_>> {
        let hash = self.hash(realm, subject);
        let wanted = head(hash, 0, 0, realm << 1) & WHO;
        let (rest, _) = self.lines.get(self.place(hash)..)?.as_chunks::<AHEAD>();
        for lines in rest {
            let heads = lines.each_ref().map(Line::head);
            // All of them, and then the branches.
            let may_be = heads.map(|head| head & WHO == wanted);
            if may_be != [false; AHEAD] {
                for (line, _) in lines.iter().zip(may_be).filter(|(_, may_be)| *may_be) {
                    if let Some(groups) = self.groups_of(line, subject) {
                        return Some(Entry { active: line.is_active(), groups });
                    }
                }
            }
            if heads.contains(&0) {
                return None;
            }
        }
        None
    }

    /// Each of them, with the number of the realm.
    pub(crate) fn each(&self) -> impl Iterator<Item = (u32, Entry<'_>)> {
        self.lines.iter().filter(|line| line.head() != 0).filter_map(|line| {
            let (_, groups) = self.read(line)?;
            Some((line.realm(), Entry { active: line.is_active(), groups }))
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The first of the numbers of an [`Entry`]'s groups, and the others.
    pub(crate) fn first_number<'g>(&self, groups: &'g [u8]) -> Option<(u32, &'g [u8])> {
        if self.width == 2 {
            let (number, others) = groups.split_first_chunk()?;
            Some((u32::from(u16::from_le_bytes(*number)), others))
        } else {
            let (number, others) = groups.split_first_chunk()?;
            Some((u32::from_le_bytes(*number), others))
        }
    }

    /// What they occupy on the heap, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.capacity() * LINE + self.long.capacity()
    }

    /// Where a person would stand if nobody stood there. Places are in the order of the hashes.
    fn place(&self, hash: u64) -> usize {
        (((hash >> 32) * self.places as u64) >> 32) as u32 as usize
    }

    /// The groups of the person in `line`, if this is their subject.
    fn groups_of<'p>(&'p self, line: &'p Line, subject: &[u8]) -> Option<&'p [u8]> {
        let (known, groups) = self.read(line)?;
        (known == subject).then_some(groups)
    }

    /// Subject and groups of the person in `line`.
    fn read<'p>(&'p self, line: &'p Line) -> Option<(&'p [u8], &'p [u8])> {
        let [_, _, length, count, _, _, _, _, rest @ ..] = &line.0;
        if *length == LONG {
            let (start, rest) = rest.split_first_chunk()?;
            let (length, rest) = rest.split_first_chunk()?;
            let (bytes, _) = rest.split_first_chunk()?;
            let start = usize::try_from(u64::from_le_bytes(*start)).ok()?;
            let (known, rest) =
                self.long.get(start..)?.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            Some((known, rest.get(..u32::from_le_bytes(*bytes) as usize)?))
        } else {
            let (known, rest) = rest.split_at_checked(usize::from(*length))?;
            Some((known, rest.get(..usize::from(*count) * self.width)?))
        }
    }

    /// The line of a person; writes down elsewhere what does not fit.
    fn line(&mut self, hash: u64, one: Listed<'_>) -> Line {
        let realm = one.realm << 1 | u32::from(one.active);
        let width = self.width;
        let groups = one.groups.iter().flat_map(|number| number.iter().take(width)).copied();
        let (length, bytes) = (one.subject.len(), one.groups.len() * width);
        let mut line = [0; LINE];
        let mut write = |head: u64, rest: &mut dyn Iterator<Item = u8>| {
            line.iter_mut().zip(head.to_le_bytes().into_iter().chain(rest)).for_each(|(to, from)| *to = from);
        };
        match (u8::try_from(length), u8::try_from(one.groups.len())) {
            (Ok(short), Ok(count)) if length + bytes <= LINE - HEAD => {
                let mut rest = one.subject.iter().copied().chain(groups);
                write(head(hash, short, count, realm), &mut rest);
            }
            _ => {
                let start = self.long.len() as u64;
                self.long.extend(one.subject);
                self.long.extend(groups);
                // Nothing is longer than 4 GiB: the directory sees to it.
                let [length, bytes] = [length, bytes].map(|length| u32::try_from(length).unwrap_or(0));
                let lengths = length.to_le_bytes().into_iter().chain(bytes.to_le_bytes());
                write(head(hash, LONG, 0, realm), &mut start.to_le_bytes().into_iter().chain(lengths));
            }
        }
        Line(line)
    }
}

impl Line {
    fn head(&self) -> u64 {
        self.0.first_chunk().copied().map_or(0, u64::from_le_bytes)
    }

    /// The number of the realm.
    fn realm(&self) -> u32 {
        (self.head() >> 33) as u32
    }

    fn is_active(&self) -> bool {
        self.head() >> 32 & 1 == 1
    }
}

/// The beginning of a line. `realm` is twice its number, and whether the person is active.
fn head(hash: u64, length: u8, count: u8, realm: u32) -> u64 {
    let [first, second, ..] = hash.to_le_bytes();
    let [a, b, c, d] = realm.to_le_bytes();
    u64::from_le_bytes([first | 1, second, length, count, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: [[u8; 4]; 2] = [[0, 1, 0, 0], [7, 0, 0, 0]];

    /// The name of a person, and what is known of them. Whoever is `long` has more than fits into a line.
    fn person(at: u32, long: bool) -> (Vec<u8>, u32, bool, &'static [[u8; 4]]) {
        let name = at.to_string();
        let name = if long { name.repeat(20) } else { name };
        (name.into_bytes(), at % 5, !at.is_multiple_of(7), if at % 3 == 1 { &GROUPS } else { &GROUPS[..1] })
    }

    #[test]
    fn each_is_found_and_nobody_else() {
        for (count, groups, long) in [
            (0, 2, (|_| false) as fn(u32) -> bool),
            (1, 65_535, |_| false),
            (5_000, 65_535, |_| false),
            (5_000, 65_536, |at| at % 3 == 0),
            (700, 1, |_| true),
        ] {
            let state = RandomState::default();
            let none = People::empty(state.clone());
            let known: Vec<_> = (0..count).map(|at| person(at, long(at))).collect();
            let mut order: Vec<_> = known.iter().map(|one| (none.hash(one.1, &one.0), one)).collect();
            order.sort_by_key(|(hash, _)| *hash);
            let listed = order.iter().map(|(hash, (subject, realm, active, groups))| {
                (*hash, Listed { realm: *realm, active: *active, subject, groups })
            });
            let people = People::new(state, groups, known.len(), listed);
            let width = if groups < 65_536 { 2 } else { 4 };
            assert_eq!((people.len(), people.width), (known.len(), width));
            let mut each: Vec<_> = people
                .each()
                .map(|(realm, Entry { active, groups })| {
                    (realm, active, people.first_number(groups).unwrap().0)
                })
                .collect();
            let mut all: Vec<_> = known.iter().map(|(_, realm, active, _)| (*realm, *active, 256)).collect();
            each.sort_unstable();
            all.sort_unstable();
            assert_eq!(each, all);
            for (subject, realm, active, groups) in &known {
                let found = people.find(*realm, subject).unwrap();
                let numbers: Vec<u8> = groups.iter().flat_map(|number| &number[..width]).copied().collect();
                assert_eq!((found.active, found.groups), (*active, &*numbers));
                for (realm, subject) in [
                    ((realm + 1) % 5, &**subject),
                    (realm + 8, subject),
                    (*realm, &subject[1..]),
                    (*realm, &[subject, &b"x"[..]].concat()),
                ] {
                    let is_somebody = known.iter().any(|known| known.1 == realm && known.0 == subject);
                    assert_eq!(people.find(realm, subject).is_some(), is_somebody);
                }
            }
            let each = people.bytes() / known.len().max(1);
            assert!(count < 1_000 || long(3) || each <= 98, "{each} bytes a person");
        }
    }

    #[test]
    fn some_with_one_hash_are_told_apart() {
        for hash in [0, 1, u64::MAX] {
            let names = [&b"a"[..], b"b", b"c", b"d", b"e", b"f"];
            let listed = names.map(|subject| (hash, Listed { realm: 1, active: true, subject, groups: &[] }));
            let people = People::new(RandomState::default(), 0, names.len(), listed.into_iter());
            for (name, line) in names.iter().zip(&people.lines[people.place(hash)..]) {
                assert!(people.groups_of(line, name).is_some());
                assert!(people.groups_of(line, b"g").is_none());
            }
        }
    }
}
