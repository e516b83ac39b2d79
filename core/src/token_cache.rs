//! Remembers the access tokens that were verified, so that one that comes again costs a hash and a comparison.
//!
//! An entry is found by a randomly keyed hash of the whole token, and all its bytes are compared; it carries the
//! generation of everything that the token was weighed against, and is weighed again when that has moved on; where the
//! configuration was read again, the token is, too. Refusals are remembered as acceptances are. What is not ours by its
//! signature is never remembered.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use parking_lot::Mutex;

use crate::access_token::{Today, VerifiedToken, Weighed};
use crate::assertion::Slot;
use crate::json::Parser;
use crate::reason::Reason;

/// Shards of the cache: a power of two, so that a hash picks one.
const SHARDS: usize = 64;
/// Bytes of one generation of one shard, as far as the tokens and their claims go: 64 MiB in all, about.
const SHARD_BYTES: usize = 512 * 1024;
/// What an entry is charged for beside its token and what that says.
const ENTRY_OVERHEAD: usize = 512;

/// Remembers the tokens that were weighed. Bounded: old entries make room, and are weighed again when they return.
pub(crate) struct TokenCache {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
}

/// Two generations: entries are added to the young one; when that is full, the old one is forgotten.
#[derive(Default)]
struct Shard {
    young: HashTable<Entry>,
    young_bytes: usize,
    old: HashTable<Entry>,
}

/// Small, so that what a new one is written over is near by.
struct Entry {
    hash: u64,
    weighed: Box<Weighed>,
}

impl TokenCache {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::default(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Verifies `token`, for whatever resource it is. A token that was seen before costs a hash and a comparison of its
    /// bytes.
    pub(crate) fn verify(
        &self,
        token: &[u8],
        today: &Today<'_>,
        parser: &mut Parser,
        slot: &mut Slot,
    ) -> Result<VerifiedToken, Reason> {
        if token.len() > today.max_bytes {
            return Err(Reason::TokenMalformed);
        }
        let hash = self.hasher.hash_one(token);
        let remembered = self.shard(hash).and_then(|shard| shard.lock().recall(hash, token, today));
        let verdict = match remembered {
            Some(verdict) => verdict,
            None => self.verify_anew(token, hash, today, parser, slot)?,
        };
        let verified = verdict?;
        if verified.expires_at() <= today.now {
            return Err(Reason::TokenExpired);
        }
        Ok(verified)
    }

    fn verify_anew(
        &self,
        token: &[u8],
        hash: u64,
        today: &Today<'_>,
        parser: &mut Parser,
        slot: &mut Slot,
    ) -> Result<Result<VerifiedToken, Reason>, Reason> {
        let weighed = Weighed::read(token, today, parser, slot)?;
        let verdict = weighed.verdict();
        if let Some(shard) = self.shard(hash) {
            shard.lock().remember(Entry { hash, weighed });
        }
        Ok(verdict)
    }

    fn shard(&self, hash: u64) -> Option<&Mutex<Shard>> {
        // The table inside uses the low bits of the hash for the place and the top seven for the tag.
        let at = usize::try_from(hash >> 40).unwrap_or_default() % SHARDS;
        self.shards.get(at)
    }
}

impl Shard {
    /// What was found out about these very bytes, weighed again if anything changed since.
    fn recall(
        &mut self,
        hash: u64,
        token: &[u8],
        today: &Today<'_>,
    ) -> Option<Result<VerifiedToken, Reason>> {
        let same = |entry: &Entry| entry.hash == hash && entry.weighed.token() == token;
        if let Some(entry) = self.young.find_mut(hash, same) {
            return entry.weighed.refresh(today).then(|| entry.weighed.verdict());
        }
        let found = self.old.find_entry(hash, same).ok()?;
        let (mut entry, _) = found.remove();
        if !entry.weighed.refresh(today) {
            return None;
        }
        let verdict = entry.weighed.verdict();
        self.remember(entry);
        Some(verdict)
    }

    fn remember(&mut self, entry: Entry) {
        // Never less than twice the token: what a token is granted today may be other texts again.
        let weighed = &entry.weighed;
        let cost = weighed.memory().max(weighed.token().len() * 2) + ENTRY_OVERHEAD;
        if self.young_bytes + cost > SHARD_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        let hash = entry.hash;
        match self.young.entry(
            hash,
            |other| other.hash == hash && other.weighed.token() == entry.weighed.token(),
            |other| other.hash,
        ) {
            hashbrown::hash_table::Entry::Occupied(mut place) => *place.get_mut() = entry,
            hashbrown::hash_table::Entry::Vacant(place) => {
                place.insert(entry);
                self.young_bytes += cost;
            }
        }
    }
}
