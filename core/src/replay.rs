//! Single use: who presents a `jti` first wins it (RFC 7523 section 3, RFC 9449 section 11.1).
//!
//! A store answers one question only, an atomic claim; there is no check apart from it that a caller could act on. It
//! answers with three values: a store that cannot answer is neither a yes nor a no. The table here lives in memory and
//! in one process. It keeps no clock: the caller passes a time that never runs backwards.

use std::fmt;
use std::hash::BuildHasher;

use hashbrown::HashTable;

use crate::crypto;
use crate::notices::Board;
use crate::sync::{AtomicU64, Mutex, Ordering, RandomState};

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

    /// The key of a notice: of the kind that it is about, and its names.
    pub(crate) fn of_notice(kind: u8, issuer: Option<&str>, tenant: Option<&str>, name: &str) -> Self {
        let mut names = Vec::new();
        for part in [issuer, tenant, Some(name)] {
            names.push(u8::from(part.is_some()));
            names.extend((part.unwrap_or_default().len() as u64).to_be_bytes());
            names.extend(part.unwrap_or_default().bytes());
        }
        let hash = crypto::sha256(&[&[kind], &names]);
        Self(hash.first_chunk().copied().unwrap_or_default())
    }

    /// A key out of its bytes, as a store outside this process gives them back.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
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

    /// What a claim of `key` would be answered, without claiming it: for explanations, and to refuse early. Never a reason to
    /// accept.
    fn seen(&self, key: &ReplayKey, now: i64) -> Claimed;

    /// How full the store is.
    fn stats(&self) -> ReplayStats;

    /// Since when it remembers, in Unix seconds: what was used before, it may not know. `None`: since the engine that uses
    /// it was built.
    ///
    /// It moves forward when the store finds that it may have forgotten, before any claim is made of what is left; the
    /// engine asks before and after each claim.
    fn remembers_since(&self) -> Option<i64> {
        None
    }

    /// Where engines that share the store tell each other of revocations; `None` where nobody shares it.
    fn board(&self) -> Option<&dyn Board> {
        None
    }
}

/// The store as one request sees it. The request was checked by when the memory began; a claim that was made of a memory
/// that began later is worth nothing.
pub(crate) struct Memory<'s> {
    store: &'s dyn ReplayStore,
    /// What the store said when the request began.
    since: Option<i64>,
}

impl<'s> Memory<'s> {
    pub(crate) fn of(store: &'s dyn ReplayStore) -> Self {
        Self { store, since: store.remembers_since() }
    }

    /// When it began, in Unix seconds, where the store says so.
    pub(crate) const fn since(&self) -> Option<i64> {
        self.since
    }
}

impl ReplayStore for Memory<'_> {
    fn claim(&self, claims: &[Claim], now: i64, out: &mut [Claimed]) {
        self.store.claim(claims, now, out);
        if self.store.remembers_since() != self.since {
            out.fill(Claimed::Unavailable);
        }
    }

    fn seen(&self, key: &ReplayKey, now: i64) -> Claimed {
        self.store.seen(key, now)
    }

    fn stats(&self) -> ReplayStats {
        self.store.stats()
    }
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
/// It starts empty, in shards that grow by doubling, each for itself. Before a shard grows, it clears away what has
/// expired. It never grows past its bound: then new keys are answered `Unavailable` until held ones expire; nothing
/// that holds is ever evicted. An entry takes at most 58 bytes while its shard is half full, 29 when it is full. A
/// claim takes one short lock of one shard; a shard is searched for what has expired only when something has.
pub struct MemoryReplay {
    /// Randomly keyed: which keys share a shard or a slot cannot be computed outside.
    hasher: RandomState,
    /// A power of two.
    shards: Box<[Mutex<Shard>]>,
    /// Entries that a shard has room for when it gets its first.
    first: usize,
    bytes: AtomicU64,
    max_bytes: u64,
}

struct Shard {
    held: HashTable<Claim>,
    /// Nothing that is held expires before.
    earliest: i64,
}

/// Few enough that a shard's doubling stays rarer than one claim in a thousand, whatever the size.
const MAX_SHARDS: u64 = 64;
/// A smaller table has fewer shards, so that one of them stays a small part of it.
const BYTES_PER_SHARD: u64 = 1 << 16;
/// With 64 shards the first entries of all take 200 KiB together, and a wave of some thousands grows none of them.
const MAX_FIRST: u64 = 112;

impl MemoryReplay {
    /// An empty table that takes at most `max_bytes` bytes.
    pub fn new(max_bytes: u64) -> Self {
        let shards = 1_u64 << (max_bytes / BYTES_PER_SHARD).clamp(1, MAX_SHARDS).ilog2();
        let first = (max_bytes / shards / 64).clamp(1, MAX_FIRST);
        Self {
            hasher: RandomState::default(),
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            first: usize::try_from(first).unwrap_or(1),
            bytes: AtomicU64::new(0),
            max_bytes,
        }
    }

    fn claim_one(&self, claim: &Claim, now: i64) -> Claimed {
        let hash = self.hasher.hash_one(claim.key);
        let Some(shard) = self.shard(hash) else {
            return Claimed::Unavailable;
        };
        // A time that is past already still holds for the second of the claim: of two, one must be the first.
        let claim = Claim { expires_at: claim.expires_at.max(now), ..*claim };
        let mut shard = shard.lock();
        if let Some(held) = shard.held.find_mut(hash, |held| held.key == claim.key) {
            if now <= held.expires_at {
                return Claimed::Seen;
            }
            *held = claim;
        } else {
            if shard.held.len() == shard.held.capacity() && !self.make_room(&mut shard, now) {
                return Claimed::Unavailable;
            }
            shard.held.insert_unique(hash, claim, |held| self.hasher.hash_one(held.key));
        }
        shard.earliest = shard.earliest.min(claim.expires_at);
        Claimed::First
    }

    /// Clears away what has expired; where that leaves little room, doubles the shard if the bound allows it.
    fn make_room(&self, shard: &mut Shard, now: i64) -> bool {
        let hash = |held: &Claim| self.hasher.hash_one(held.key);
        let held = &mut shard.held;
        if shard.earliest < now {
            held.retain(|held| now <= held.expires_at);
            shard.earliest = held.iter().map(|held| held.expires_at).min().unwrap_or(i64::MAX);
            // Half of what a new table of this size has room for.
            if held.len() <= held.num_buckets() * 7 / 16 {
                // The table keeps marks where entries were; starting anew frees their places at once.
                let holding: Vec<Claim> = held.drain().collect();
                held.clear();
                for claim in holding {
                    held.insert_unique(hash(&claim), claim, hash);
                }
                return true;
            }
        }
        let before = held.allocation_size() as u64;
        let grows_by = if before == 0 { first_bytes(self.first) } else { before };
        let within = |bytes: u64| bytes.checked_add(grows_by).filter(|bytes| *bytes <= self.max_bytes);
        if self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_err() {
            // What was just cleared away may have left room all the same.
            return held.len() < held.capacity();
        }
        held.reserve(if before == 0 { self.first } else { 1 }, hash);
        let counted = before.wrapping_add(grows_by);
        self.bytes.fetch_add((held.allocation_size() as u64).wrapping_sub(counted), Ordering::Relaxed);
        true
    }

    fn shard(&self, hash: u64) -> Option<&Mutex<Shard>> {
        // The table inside uses the low bits for the place and the top seven for the tag.
        let at = usize::try_from(hash >> 40).unwrap_or_default() % self.shards.len().max(1);
        self.shards.get(at)
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self { held: HashTable::new(), earliest: i64::MAX }
    }
}

/// What a table with room for `entries` takes, at most.
fn first_bytes(entries: usize) -> u64 {
    let slots = (entries * 8).div_ceil(7).next_power_of_two().max(4);
    (slots * (size_of::<Claim>() + 1) + 32) as u64
}

impl ReplayStore for MemoryReplay {
    fn claim(&self, claims: &[Claim], now: i64, out: &mut [Claimed]) {
        out.fill(Claimed::Unavailable);
        for (claim, answer) in claims.iter().zip(out) {
            *answer = self.claim_one(claim, now);
        }
    }

    fn seen(&self, key: &ReplayKey, now: i64) -> Claimed {
        let hash = self.hasher.hash_one(key);
        let held = self.shard(hash).is_some_and(|shard| {
            shard.lock().held.find(hash, |held| held.key == *key).is_some_and(|held| now <= held.expires_at)
        });
        if held { Claimed::Seen } else { Claimed::First }
    }

    /// Takes every shard's lock in turn.
    fn stats(&self) -> ReplayStats {
        ReplayStats {
            entries: self.shards.iter().map(|shard| shard.lock().held.len() as u64).sum(),
            bytes: self.bytes.load(Ordering::Relaxed),
            max_bytes: self.max_bytes,
        }
    }
}

impl fmt::Debug for MemoryReplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplay").field("max_bytes", &self.max_bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
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
            assert_eq!(claim(&store, ReplayKey::from_bytes(*key.as_bytes()), 10, 0), Claimed::Seen);
        }
        assert_eq!(store.stats().entries, names.len() as u64);
    }

    /// Forgets during a claim, as a server that was replaced by another one.
    struct Forgetful(std::sync::atomic::AtomicI64);

    impl ReplayStore for Forgetful {
        fn claim(&self, _: &[Claim], now: i64, out: &mut [Claimed]) {
            self.0.store(now, std::sync::atomic::Ordering::SeqCst);
            out.fill(Claimed::First);
        }

        fn seen(&self, _: &ReplayKey, _: i64) -> Claimed {
            Claimed::First
        }

        fn stats(&self) -> ReplayStats {
            MemoryReplay::new(0).stats()
        }

        fn remembers_since(&self) -> Option<i64> {
            Some(self.0.load(std::sync::atomic::Ordering::SeqCst))
        }
    }

    #[test]
    fn a_claim_of_a_memory_that_began_after_the_request_is_unavailable() {
        let store = Forgetful(1.into());
        let claims = [Claim { key: key(1), expires_at: 10 }];
        for (now, answer) in [(1, Claimed::First), (2, Claimed::Unavailable), (2, Claimed::First)] {
            let mut out = [Claimed::Seen];
            Memory::of(&store).claim(&claims, now, &mut out);
            assert_eq!(out, [answer], "at {now}");
        }
    }

    #[test]
    fn keys_are_spread_over_all_shards() {
        let store = MemoryReplay::new(16 << 20);
        assert_eq!(store.shards.len() as u64, MAX_SHARDS);
        for number in 0..64 * MAX_SHARDS {
            assert_eq!(claim(&store, key(number), 10, 0), Claimed::First);
        }
        assert!(store.shards.iter().all(|shard| (16..256).contains(&shard.lock().held.len())));
        assert_eq!(format!("{store:?}"), "MemoryReplay { max_bytes: 16777216, .. }");
    }

    #[test]
    fn what_a_new_table_takes_is_known_before_it_is_made() {
        for entries in 1..1_000 {
            let mut table: HashTable<Claim> = HashTable::new();
            table.reserve(entries, |_| 0);
            let over = first_bytes(entries) - table.allocation_size() as u64;
            assert!(over < 32, "{entries} entries: {over}");
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

    /// Claims new keys until there is no room, and gives their number. Every `part`th expires after 10, the rest after 100.
    fn fill(store: &MemoryReplay, from: u64, part: u64, now: i64) -> u64 {
        let expires_at = |number: u64| if number.is_multiple_of(part) { 10 } else { 100 };
        let taken = (from..from + 100_000)
            .take_while(|number| claim(store, key(*number), expires_at(*number), now) == Claimed::First);
        taken.count() as u64
    }

    #[test]
    fn what_expires_leaves_room_where_nothing_may_grow() {
        // One shard that is full, of which little has expired: some of that is room, how much depends on the hashes.
        let store = MemoryReplay::new(100_000);
        let full = fill(&store, 0, 4, 0);
        let again = fill(&store, 100_000, u64::MAX, 11);
        assert!((full / 16..=full / 4 + 1).contains(&again), "{again} of {full}");

        // Half or more: all of that is.
        let store = MemoryReplay::new(100_000);
        assert_eq!(fill(&store, 0, 2, 0), full);
        assert_eq!(fill(&store, 100_000, u64::MAX, 11), full / 2);
    }

    #[test]
    fn a_claim_that_was_renewed_is_not_cleared_away() {
        let store = MemoryReplay::new(100_000);
        assert_eq!(claim(&store, key(1_000_000), 10, 0), Claimed::First);
        let full = 1 + fill(&store, 1, u64::MAX, 0);
        let bytes = store.stats().bytes;
        assert_eq!(claim(&store, key(1_000_000), 100, 11), Claimed::First);
        assert_eq!(claim(&store, key(0), 100, 11), Claimed::Unavailable, "nothing has expired");
        assert_eq!((store.stats().entries, store.stats().bytes), (full, bytes));
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
        let store = MemoryReplay::new(100_000);
        assert_eq!(claim(&store, key(0), 10, 0), Claimed::First);
        let bytes = store.stats().bytes;
        for number in 1..MAX_FIRST {
            assert_eq!(claim(&store, key(number), 10, 0), Claimed::First);
        }
        assert_eq!(store.stats().bytes, bytes, "the first claim makes room for a hundred");
        let store = MemoryReplay::new(8 << 20);
        for number in 0..100_000 {
            assert_eq!(claim(&store, key(number), 10, 0), Claimed::First);
        }
        let stats = store.stats();
        assert!(stats.bytes <= stats.entries * 64, "{stats:?}");
    }
}

/// Every order in which the operations of some threads on the table can come: `make loom`.
#[cfg(idjag_loom)]
#[cfg(test)]
mod model {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// What a shard takes at most with room for three entries, and after doubling.
    const SMALL: u64 = 132;
    const DOUBLED: u64 = 2 * SMALL;

    /// Two shards of three entries each at first.
    fn table(max_bytes: u64) -> Arc<MemoryReplay> {
        Arc::new(MemoryReplay {
            hasher: RandomState::default(),
            shards: (0..2).map(|_| Mutex::default()).collect(),
            first: 3,
            bytes: AtomicU64::new(0),
            max_bytes,
        })
    }

    /// The first keys that fall to a shard.
    fn keys<const N: usize>(table: &MemoryReplay, shard: usize) -> [ReplayKey; N] {
        let mut keys = (0..=u8::MAX).map(|number| ReplayKey::from_bytes([number; 16])).filter(|key| {
            let at = table.shard(table.hasher.hash_one(key)).map(std::ptr::from_ref);
            at == table.shards.get(shard).map(std::ptr::from_ref)
        });
        std::array::from_fn(|_| keys.next().unwrap())
    }

    fn claim<const N: usize>(table: &MemoryReplay, keys: [ReplayKey; N], now: i64) -> [Claimed; N] {
        let mut out = [Claimed::Unavailable; N];
        table.claim(&keys.map(|key| Claim { key, expires_at: now + 10 }), now, &mut out);
        out
    }

    /// Claims `first` and `second` on two threads of their own, watches the bound on a third, and gives the answers.
    fn race<const N: usize>(
        table: &Arc<MemoryReplay>,
        first: [ReplayKey; N],
        second: [ReplayKey; N],
        now: i64,
    ) -> [[Claimed; N]; 2] {
        let claimants = [first, second].map(|keys| {
            let table = Arc::clone(table);
            thread::spawn(move || claim(&table, keys, now))
        });
        let meanwhile = allocated(table);
        let answers = claimants.map(|claimant| claimant.join().unwrap());
        let settled = allocated(table);
        assert!(meanwhile <= settled && settled <= table.max_bytes, "{meanwhile}, then {settled} bytes");
        assert_eq!(table.stats().bytes, settled);
        answers
    }

    fn allocated(table: &MemoryReplay) -> u64 {
        table.shards.iter().map(|shard| shard.lock().held.allocation_size() as u64).sum()
    }

    fn count<const N: usize>(answers: &[[Claimed; N]], which: Claimed) -> usize {
        answers.iter().flatten().filter(|answer| **answer == which).count()
    }

    #[test]
    fn of_three_claims_of_one_key_one_is_first() {
        loom::model(|| {
            let table = table(2 * SMALL);
            let [key] = keys(&table, 0);
            let claimants: Vec<_> = (0..2)
                .map(|_| {
                    let table = Arc::clone(&table);
                    thread::spawn(move || claim(&table, [key], 0))
                })
                .collect();
            let mut answers = vec![claim(&table, [key], 0)];
            answers.extend(claimants.into_iter().map(|claimant| claimant.join().unwrap()));
            assert_eq!((count(&answers, Claimed::First), count(&answers, Claimed::Seen)), (1, 2));
            assert_eq!(table.stats().entries, 1);
        });
    }

    #[test]
    fn of_a_key_that_expired_one_claim_is_first() {
        loom::model(|| {
            let table = table(2 * SMALL);
            let [key] = keys(&table, 0);
            assert_eq!(claim(&table, [key], 0), [Claimed::First]);
            let answers = race(&table, [key], [key], 11);
            assert_eq!((count(&answers, Claimed::First), count(&answers, Claimed::Seen)), (1, 1));
        });
    }

    #[test]
    fn calls_that_claim_the_same_keys_in_another_order_share_them() {
        loom::model(|| {
            let table = table(2 * SMALL);
            let ([one], [other]) = (keys(&table, 0), keys(&table, 1));
            let answers = race(&table, [one, other], [other, one], 0);
            assert_eq!((count(&answers, Claimed::First), count(&answers, Claimed::Seen)), (2, 2));
            assert_eq!(table.stats().entries, 2);
        });
    }

    #[test]
    fn two_shards_do_not_both_take_the_last_room() {
        loom::model(|| {
            let table = table(SMALL);
            let answers = race(&table, keys::<1>(&table, 0), keys(&table, 1), 0);
            assert_eq!((count(&answers, Claimed::First), count(&answers, Claimed::Unavailable)), (1, 1));
            assert_eq!(table.stats().entries, 1);
        });
    }

    #[test]
    fn two_shards_do_not_both_double_into_the_last_room() {
        for (max_bytes, doubled) in [(DOUBLED + SMALL, 1), (2 * DOUBLED, 2)] {
            loom::model(move || {
                let table = table(max_bytes);
                let (one, other) = (keys::<4>(&table, 0), keys::<4>(&table, 1));
                for keys in [one, other] {
                    let [first @ .., _] = keys;
                    assert_eq!(claim(&table, first, 0), [Claimed::First; 3]);
                }
                let answers = race(&table, [one[3]], [other[3]], 0);
                assert_eq!(count(&answers, Claimed::First), doubled);
                assert_eq!(count(&answers, Claimed::Unavailable), 2 - doubled);
            });
        }
    }

    #[test]
    fn a_shard_is_cleared_and_doubled_under_two_threads() {
        loom::model(|| {
            let table = table(2 * DOUBLED);
            let [old, held, kept, one, other] = keys(&table, 0);
            assert_eq!(claim(&table, [old], 0), [Claimed::First]);
            assert_eq!(claim(&table, [held, kept], 5), [Claimed::First; 2]);
            let answers = race(&table, [one, held], [other, kept], 11);
            assert_eq!(answers, [[Claimed::First, Claimed::Seen]; 2]);
            assert_eq!(table.seen(&old, 11), Claimed::First);
            assert_eq!(table.stats().entries, 4);
        });
    }
}
