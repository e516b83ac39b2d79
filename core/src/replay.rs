//! Single use: who presents a `jti` first wins it (RFC 7523 section 3, RFC 9449 section 11.1).
//!
//! A store answers one question only, an atomic claim; there is no check apart from it that a caller could act on. It
//! answers with three values: a store that cannot answer is neither a yes nor a no. The table here lives in memory and
//! in one process. It keeps no clock: the caller passes a time that never runs backwards.

use std::fmt;
use std::hash::BuildHasher;
use std::mem;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::crypto;

/// What a `jti` was presented for. The same `jti` for two purposes is two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// An ID-JAG.
    Assertion,
    /// A client's `private_key_jwt` (RFC 7523 section 2.2).
    ClientAssertion,
    /// A DPoP proof (RFC 9449).
    Dpop,
}

/// Stands for one `jti` of one issuer and tenant, presented for one purpose: 128 bits of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplayKey([u8; 16]);

impl ReplayKey {
    /// The key of `jti`, which is unique only for its issuer and tenant. Lengths are hashed with the names, so that no
    /// two ways to divide the same characters meet. Costs one SHA-256.
    pub(crate) fn new(purpose: Purpose, issuer: &str, tenant: Option<&str>, jti: &str) -> Self {
        let domain = match purpose {
            Purpose::Assertion => 1,
            Purpose::ClientAssertion => 2,
            Purpose::Dpop => 3,
        };
        let length = |name: &str| (name.len() as u64).to_be_bytes();
        let hash = crypto::sha256(&[
            &[domain, u8::from(tenant.is_some())],
            &length(issuer),
            issuer.as_bytes(),
            &length(tenant.unwrap_or_default()),
            tenant.unwrap_or_default().as_bytes(),
            &length(jti),
            jti.as_bytes(),
        ]);
        Self(hash.first_chunk().copied().unwrap_or_default())
    }

    /// The bytes, for a store outside this process.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// A key to claim, and how long the claim must hold.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// What is claimed.
    pub key: ReplayKey,
    /// Unix seconds. The claim holds while `now <= expires_at`; callers pass `exp` and twice the leeway.
    pub expires_at: i64,
}

/// A store's answer to one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Nobody held the key; this claim holds it now.
    First,
    /// An earlier claim holds the key: a replay.
    Seen,
    /// The store cannot tell, or cannot remember: full, or out of reach. Never to be taken for `First`.
    Unavailable,
}

/// Remembers claimed keys until they expire.
pub trait ReplayStore: Send + Sync {
    /// Claims every key, in order, and writes the answer to each to `out`, which is as long as `claims`.
    ///
    /// Each claim is atomic: of any number of claims of one key, in this call or on any thread or process that shares
    /// the store, exactly one is `First` while it holds; in one call that is the one with the lowest index. A key that
    /// is answered `Unavailable` may or may not be held. `now` is Unix seconds and never runs backwards.
    fn claim(&self, claims: &[Claim], now: i64, out: &mut [Claimed]);

    /// What a claim of `key` would be answered, without claiming it: for explanations only, never for a decision.
    fn seen(&self, key: &ReplayKey, now: i64) -> Claimed;

    /// How full the store is.
    fn stats(&self) -> ReplayStats;
}

/// How full a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayStats {
    /// Keys that it holds, with those that expired and were not yet cleared away.
    pub entries: u64,
    /// Bytes that it takes for them.
    pub bytes: u64,
    /// Bytes that it may take.
    pub max_bytes: u64,
}

/// The table in memory: forgotten when the process ends.
///
/// It starts empty and grows by pages of 28 entries (extendible hashing in each of many shards), so that no step moves
/// more than one page. It never grows past its bound: then new keys are answered `Unavailable` until held ones expire;
/// nothing that holds is ever evicted. Well filled, an entry takes 32 to 64 bytes, about 46 on average. A claim takes
/// one short lock of one shard.
pub struct MemoryReplay {
    /// Randomly keyed: which keys share a shard, page or slot cannot be computed outside.
    state: RandomState,
    /// A power of two.
    shards: Box<[Mutex<Shard>]>,
    pool: Mutex<Pool>,
    max_bytes: u64,
}

const MAX_SHARDS: u64 = 1 << 10;
/// A smaller table has fewer shards, so that one page in each stays a small part of it.
const BYTES_PER_SHARD: u64 = 1 << 16;

impl MemoryReplay {
    /// An empty table that takes at most `max_bytes` bytes. With less than a thousand or so it holds nothing and is
    /// always `Unavailable`.
    pub fn new(max_bytes: u64) -> Self {
        let shards = (max_bytes / BYTES_PER_SHARD).clamp(1, MAX_SHARDS);
        let shards: Box<[_]> = (0..1_u64 << shards.ilog2()).map(|_| Mutex::default()).collect();
        Self {
            state: RandomState::default(),
            pool: Mutex::new(Pool { spare: Vec::new(), bytes: size_of_val(&*shards) as u64 }),
            shards,
            max_bytes,
        }
    }

    fn claim_one(&self, claim: &Claim, now: i64) -> Claimed {
        let hash = self.hash(&claim.key);
        let Some(shard) = self.shard(hash) else {
            return Claimed::Unavailable;
        };
        // A claim holds at least now, also for a caller that passes a time in the past: two at once are never both first.
        let entry =
            Slot { key: claim.key, expires_at: claim.expires_at.max(now).max(Slot::FREE.expires_at + 1) };
        let mut shard = shard.lock();
        if let Some(held) = shard.find(hash, &claim.key) {
            if now <= held.expires_at {
                return Claimed::Seen;
            }
            *held = entry;
            return Claimed::First;
        }
        loop {
            if let Some(page) = shard.page(hash)
                && page.make_room(now, |key| self.hash(key))
            {
                page.put(hash, entry);
                return Claimed::First;
            }
            let spare = self.pool.lock().take(self.max_bytes);
            let grown = spare.is_some_and(|spare| shard.grow(hash, spare, |key| self.hash(key)));
            if !grown {
                return Claimed::Unavailable;
            }
        }
    }

    fn hash(&self, key: &ReplayKey) -> u64 {
        self.state.hash_one(u128::from_ne_bytes(key.0))
    }

    /// The high half of a hash chooses the shard, the low half the page in it, and five bits between the slot.
    fn shard(&self, hash: u64) -> Option<&Mutex<Shard>> {
        let shard = ((hash >> 32) * self.shards.len() as u64) >> 32;
        self.shards.get(usize::try_from(shard).ok()?)
    }
}

impl ReplayStore for MemoryReplay {
    fn claim(&self, claims: &[Claim], now: i64, out: &mut [Claimed]) {
        out.fill(Claimed::Unavailable);
        for (claim, answer) in claims.iter().zip(out) {
            *answer = self.claim_one(claim, now);
        }
    }

    fn seen(&self, key: &ReplayKey, now: i64) -> Claimed {
        let hash = self.hash(key);
        let Some(shard) = self.shard(hash) else {
            return Claimed::Unavailable;
        };
        match shard.lock().find(hash, key) {
            Some(held) if now <= held.expires_at => Claimed::Seen,
            _ => Claimed::First,
        }
    }

    /// Visits every page: a few milliseconds for a million entries.
    fn stats(&self) -> ReplayStats {
        ReplayStats {
            entries: self.shards.iter().map(|shard| shard.lock().entries()).sum(),
            bytes: self.pool.lock().bytes,
            max_bytes: self.max_bytes,
        }
    }
}

impl fmt::Debug for MemoryReplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryReplay({:?})", self.stats())
    }
}

#[derive(Clone, Copy)]
struct Slot {
    key: ReplayKey,
    expires_at: i64,
}

impl Slot {
    /// No claim is stored with this time.
    const FREE: Self = Self { key: ReplayKey([0; 16]), expires_at: i64::MIN };

    fn is_free(&self) -> bool {
        self.expires_at == Self::FREE.expires_at
    }
}

const SLOTS: usize = 32;
/// Searches are short while an eighth of the slots is free.
const ROOM: usize = SLOTS / 8 * 7;

/// A small open-addressed table, linearly probed, for the hashes that share their low `depth` bits.
struct Page {
    slots: [Slot; SLOTS],
    used: usize,
    depth: u32,
    /// No entry expires before: until then there is nothing to purge.
    earliest: i64,
}

impl Page {
    const EMPTY: Self = Self { slots: [Slot::FREE; SLOTS], used: 0, depth: 0, earliest: i64::MAX };

    fn find(&mut self, hash: u64, key: &ReplayKey) -> Option<&mut Slot> {
        probe(&mut self.slots, hash)
            .find(|slot| slot.is_free() || slot.key == *key)
            .filter(|slot| !slot.is_free())
    }

    /// Stores an entry whose key is not held, where there is room.
    fn put(&mut self, hash: u64, entry: Slot) {
        if let Some(slot) = probe(&mut self.slots, hash).find(|slot| slot.is_free()) {
            *slot = entry;
            self.used += 1;
            self.earliest = self.earliest.min(entry.expires_at);
        }
    }

    /// Whether there is room for one more, if need be by dropping what expired before `now`.
    fn make_room(&mut self, now: i64, hash: impl Fn(&ReplayKey) -> u64) -> bool {
        if self.used >= ROOM && self.earliest < now {
            for entry in self.drain() {
                if now <= entry.expires_at {
                    self.put(hash(&entry.key), entry);
                }
            }
        }
        self.used < ROOM
    }

    /// Empties the page.
    fn drain(&mut self) -> impl Iterator<Item = Slot> + use<> {
        let page = Self { depth: self.depth, ..Self::EMPTY };
        let slots = mem::replace(self, page).slots;
        slots.into_iter().filter(|slot| !slot.is_free())
    }
}

/// The slots of a page in the order of a search for `hash`.
fn probe(slots: &mut [Slot; SLOTS], hash: u64) -> impl Iterator<Item = &mut Slot> {
    let (before, from) = slots.split_at_mut((hash >> MAX_DEPTH) as usize % SLOTS);
    from.iter_mut().chain(before)
}

/// Pages, found through a directory by the low bits of a hash (extendible hashing).
#[derive(Default)]
struct Shard {
    /// Places in `pages`; empty or a power of two. A page stands in it once for each value of the bits beyond its depth.
    directory: Vec<u32>,
    /// Boxed, so that the list is cheap to move.
    #[expect(clippy::vec_box, reason = "a page is large")]
    pages: Vec<Box<Page>>,
}

impl Shard {
    fn page(&mut self, hash: u64) -> Option<&mut Page> {
        let place = low_bits(hash) & self.directory.len().wrapping_sub(1);
        let page = *self.directory.get(place)?;
        Some(&mut **self.pages.get_mut(page as usize)?)
    }

    fn find(&mut self, hash: u64, key: &ReplayKey) -> Option<&mut Slot> {
        self.page(hash)?.find(hash, key)
    }

    fn entries(&self) -> u64 {
        self.pages.iter().map(|page| page.used as u64).sum()
    }

    /// Moves to `spare` what differs from the other entries of the page of `hash` in one more bit. False where the bits
    /// are used up.
    fn grow(&mut self, hash: u64, mut spare: Box<Page>, hash_of: impl Fn(&ReplayKey) -> u64) -> bool {
        let Ok(place) = u32::try_from(self.pages.len()) else {
            return false;
        };
        let directory_len = self.directory.len();
        let Some(page) = self.page(hash) else {
            self.directory.push(place);
            self.pages.push(spare);
            return true;
        };
        let depth = page.depth;
        if depth >= MAX_DEPTH {
            return false;
        }
        page.depth += 1;
        spare.depth = page.depth;
        let bit = 1_usize << depth;
        for entry in page.drain() {
            let hash = hash_of(&entry.key);
            let page = if low_bits(hash) & bit == 0 { &mut *page } else { &mut *spare };
            page.put(hash, entry);
        }
        if bit == directory_len {
            self.directory.extend_from_within(..);
        }
        let first = low_bits(hash) & (bit - 1) | bit;
        for moved in self.directory.iter_mut().skip(first).step_by(bit * 2) {
            *moved = place;
        }
        self.pages.push(spare);
        true
    }
}

/// The directory of a shard has at most this many bits: they must not meet those that choose the slot.
const MAX_DEPTH: u32 = 27;

#[expect(clippy::cast_possible_truncation, reason = "only low bits are asked for")]
fn low_bits(hash: u64) -> usize {
    hash as usize
}

/// Pages that no shard uses yet, and the account of all.
struct Pool {
    #[expect(clippy::vec_box, reason = "a page goes to its shard as it is")]
    spare: Vec<Box<Page>>,
    /// What the shards and all pages take.
    bytes: u64,
}

/// A page, the allocator's share, and the page's share of its shard's lists, which grow by doubling.
const PAGE_BYTES: u64 = size_of::<Page>() as u64 + 112;
/// Pages are made some at a time: the first touch of fresh memory costs much more than a claim, and so few claims pay.
const MOST_AT_ONCE: u64 = 128;

impl Pool {
    /// An empty page, where `max_bytes` allow it. Makes an eighth more of what there is when it has none.
    fn take(&mut self, max_bytes: u64) -> Option<Box<Page>> {
        if self.spare.is_empty() {
            let affordable = max_bytes.saturating_sub(self.bytes) / PAGE_BYTES;
            let made = (self.bytes / PAGE_BYTES / 8).clamp(1, MOST_AT_ONCE).min(affordable);
            self.spare.extend((0..made).map(|_| Box::new(Page::EMPTY)));
            self.bytes += made * PAGE_BYTES;
        }
        self.spare.pop()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::thread;

    use super::*;

    fn key(number: u64) -> ReplayKey {
        ReplayKey::new(Purpose::Assertion, "https://a.example", None, &number.to_string())
    }

    fn claim(store: &MemoryReplay, key: ReplayKey, expires_at: i64, now: i64) -> Claimed {
        let mut out = [Claimed::Unavailable];
        store.claim(&[Claim { key, expires_at }], now, &mut out);
        out[0]
    }

    #[test]
    fn no_two_names_share_a_key() {
        use Purpose::{Assertion, ClientAssertion, Dpop};
        let names = [
            (Assertion, "ab", None, "c"),
            (Assertion, "a", None, "bc"),
            (Assertion, "a", Some("b"), "c"),
            (Assertion, "a", Some(""), "bc"),
            (Assertion, "a", None, "c"),
            (Assertion, "b", None, "c"),
            (Assertion, "a", Some("c"), "c"),
            (ClientAssertion, "a", None, "c"),
            (Dpop, "a", None, "c"),
            (Dpop, "", None, ""),
        ];
        let store = MemoryReplay::new(1 << 20);
        for (purpose, issuer, tenant, jti) in names {
            let key = ReplayKey::new(purpose, issuer, tenant, jti);
            assert_eq!(claim(&store, key, 10, 0), Claimed::First, "{purpose:?} {issuer} {tenant:?} {jti}");
            assert_eq!(claim(&store, key, 10, 0), Claimed::Seen);
        }
    }

    #[test]
    fn a_claim_holds_up_to_and_with_its_last_second() {
        let store = MemoryReplay::new(1 << 20);
        assert_eq!(store.seen(&key(1), 0), Claimed::First);
        assert_eq!(claim(&store, key(1), 100, 0), Claimed::First);
        assert_eq!(store.seen(&key(1), 100), Claimed::Seen);
        assert_eq!(claim(&store, key(1), 500, 100), Claimed::Seen);
        assert_eq!(store.seen(&key(1), 101), Claimed::First);
        assert_eq!(claim(&store, key(1), 200, 101), Claimed::First);
        assert_eq!(claim(&store, key(1), 200, 200), Claimed::Seen);
        // A time that is past already, or none at all, still holds for the second of the claim.
        for expires_at in [299, i64::MIN] {
            let key = key(expires_at.unsigned_abs());
            assert_eq!(claim(&store, key, expires_at, 300), Claimed::First);
            assert_eq!(claim(&store, key, expires_at, 300), Claimed::Seen);
        }
    }

    #[test]
    fn the_lowest_index_wins_within_a_call() {
        let store = MemoryReplay::new(1 << 20);
        let claims = [1, 2, 1, 3, 2, 1].map(|number| Claim { key: key(number), expires_at: 10 });
        let mut out = [Claimed::Unavailable; 6];
        store.claim(&claims, 0, &mut out);
        let (first, seen) = (Claimed::First, Claimed::Seen);
        assert_eq!(out, [first, first, seen, first, seen, seen]);
    }

    #[test]
    fn a_full_table_refuses_what_is_new_and_remembers_what_it_holds() {
        for max_bytes in [0, 100, 1_000, 10_000, 100_000] {
            let store = MemoryReplay::new(max_bytes);
            let mut held = Vec::new();
            for number in 0..10_000 {
                match claim(&store, key(number), 100, 0) {
                    Claimed::First => held.push(number),
                    Claimed::Unavailable => {}
                    Claimed::Seen => panic!("{number} was not claimed before"),
                }
                let stats = store.stats();
                assert_eq!(stats.entries, held.len() as u64);
                assert!(stats.bytes <= max_bytes || held.is_empty(), "{stats:?}");
            }
            let least = if max_bytes < 1_000 { 0 } else { max_bytes / 100 };
            assert!(held.len() as u64 >= least && held.len() < 10_000, "{}", held.len());
            for &number in &held {
                assert_eq!(claim(&store, key(number), 100, 100), Claimed::Seen);
            }
            // Once all have expired there is room for as many again, and for no more.
            let again = (10_000..20_000)
                .filter(|number| claim(&store, key(*number), 300, 101) == Claimed::First)
                .count();
            assert_eq!(again, held.len());
        }
    }

    #[test]
    fn random_claims_agree_with_a_naive_twin() {
        for seed in 1..=40_u64 {
            let mut state = seed;
            let mut random = |below: u64| {
                // Any generator will do; this is xorshift.
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 11) % below
            };
            // One shard, sixteen, and one that is full now and then.
            let store = MemoryReplay::new([15_000, 128 << 10, 3_000][usize::try_from(seed % 3).unwrap()]);
            let mut twin: HashMap<ReplayKey, i64> = HashMap::new();
            let mut now = 0;
            let mut full = 0;
            for _ in 0..3_000 {
                now += i64::from(random(4) == 0);
                let (key, expires_at) = (key(random(400)), now + random(60).cast_signed());
                let holds = twin.get(&key).is_some_and(|expires_at| now <= *expires_at);
                assert_eq!(store.seen(&key, now) == Claimed::Seen, holds, "seed {seed}");
                match claim(&store, key, expires_at, now) {
                    Claimed::First => {
                        assert!(!holds, "seed {seed}");
                        twin.insert(key, expires_at);
                    }
                    Claimed::Seen => assert!(holds, "seed {seed}"),
                    Claimed::Unavailable => {
                        assert!(!holds, "seed {seed}");
                        full += 1;
                    }
                }
            }
            assert!(full == 0 || seed % 3 == 2, "seed {seed}: {full}");
            for (key, expires_at) in twin {
                assert_eq!(store.seen(&key, now) == Claimed::Seen, now <= expires_at, "seed {seed}");
            }
        }
    }

    #[test]
    fn of_eight_threads_exactly_one_is_first() {
        const KEYS: u64 = 2_000;
        let store = MemoryReplay::new(1 << 20);
        let firsts: usize = thread::scope(|scope| {
            let claimants: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        (0..KEYS)
                            .filter(|number| claim(&store, key(*number), 10, 0) == Claimed::First)
                            .count()
                    })
                })
                .collect();
            claimants.into_iter().map(|claimant| claimant.join().unwrap()).sum()
        });
        assert_eq!(firsts as u64, KEYS);
        assert_eq!(store.stats().entries, KEYS);
    }

    #[test]
    fn the_table_starts_small_and_a_filled_one_stays_within_64_bytes_an_entry() {
        let store = MemoryReplay::new(512 << 20);
        assert!(store.stats().bytes <= 1 << 20);
        let store = MemoryReplay::new(8 << 20);
        for number in 0..100_000 {
            assert_eq!(claim(&store, key(number), 10, 0), Claimed::First);
        }
        let stats = store.stats();
        assert!(stats.bytes <= stats.entries * 64, "{stats:?}");
    }
}
