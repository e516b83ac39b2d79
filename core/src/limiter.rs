//! How often a peer may fail to prove a client, and how often a client may be refused (EMA section 7.5.1).
//!
//! Buckets of tokens by the generic cell rate algorithm: of each, one point in time is kept, at which it is full again.
//! Here is the counting; what counts, and what is answered, is in `endpoint/limited.rs`. It keeps no clock: the caller
//! passes a time that never runs backwards. Nothing here is remembered across a restart or shared between processes.

use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};

use foldhash::quality::RandomState;
use parking_lot::Mutex;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// So many a minute: a bucket holds as many, and is refilled evenly. So at most twice as many fall into one minute, and
/// over any longer time the average holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Microseconds until one more is in the bucket.
    interval: i64,
}

impl Rate {
    /// What `per_minute` may be: so many that a microsecond stays a small part of an interval.
    pub(crate) const RANGE: std::ops::RangeInclusive<i64> = 1..=100_000;

    /// `per_minute`, drawn into [`RANGE`](Self::RANGE).
    pub(crate) fn per_minute(per_minute: i64) -> Self {
        Self { interval: MINUTE / per_minute.clamp(*Self::RANGE.start(), *Self::RANGE.end()) }
    }

    /// Whole seconds until there is one in a bucket that is full again at `full_at`; none: there is one at `now`.
    fn wait(self, full_at: i64, now: i64) -> Option<u32> {
        let missing = full_at.saturating_sub(now).saturating_sub(MINUTE - self.interval);
        // At most a minute, so that it fits.
        (missing > 0).then(|| u32::try_from((missing + SECOND - 1) / SECOND).unwrap_or(u32::MAX))
    }

    /// When a bucket is full again out of which one more was taken. An empty one gets no emptier.
    fn take(self, full_at: i64, now: i64) -> i64 {
        full_at.max(now).saturating_add(self.interval).min(now.saturating_add(MINUTE))
    }
}

/// Three tables of buckets, of a fixed size each: peers, peers and the clients that they name, and clients.
pub(crate) struct Limiter {
    /// Randomly keyed: which names share a bucket cannot be computed outside.
    hasher: RandomState,
    pub(crate) peers: Buckets,
    pub(crate) pairs: Buckets,
    pub(crate) clients: Buckets,
}

/// Who connects, as far as it matters.
#[derive(Hash)]
enum Peer<'a> {
    V4([u8; 4]),
    /// The first 64 bits: whoever has one address has all the others behind them, too.
    V6([u8; 8]),
    Named(&'a str),
}

impl<'a> Peer<'a> {
    /// An address with or without port, brackets or zone is the address alone; anything else is a name.
    fn read(text: &'a str) -> Self {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let bare = bare.split_once('%').map_or(bare, |(address, _)| address);
        let address = bare.parse().or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()));
        match address.map(|address: IpAddr| address.to_canonical()) {
            Ok(IpAddr::V4(address)) => Self::V4(address.octets()),
            Ok(IpAddr::V6(address)) => match address.octets() {
                // Behind NAT64 (RFC 6052) everybody with an IPv4 address has this prefix.
                [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, v4 @ ..] => Self::V4(v4),
                [prefix @ .., _, _, _, _, _, _, _, _] => Self::V6(prefix),
            },
            Err(_) => Self::Named(text),
        }
    }
}

/// Stands for a name in a table: 64 bits of a hash. Two names that share one share a bucket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Limiter {
    /// Empty tables.
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            peers: Buckets::new(),
            pairs: Buckets::new(),
            clients: Buckets::new(),
        }
    }

    /// Who connects: the IPv4 address, the /64 of the IPv6 address, or another name.
    pub(crate) fn peer(&self, peer: &str) -> Key {
        Key(self.hasher.hash_one(Peer::read(peer)))
    }

    /// The client that a peer names.
    pub(crate) fn pair(&self, peer: Key, client_id: &str) -> Key {
        Key(self.hasher.hash_one((peer.0, client_id)))
    }

    /// A client that proved who it is.
    pub(crate) fn client(&self, client_id: &str) -> Key {
        Key(self.hasher.hash_one(client_id))
    }
}

/// A table of buckets that never grows: shards of sets, a name belongs to one of them.
///
/// Only what was counted within the last minute is in there. Where a set has no place left, a new name takes over the
/// bucket of its set that is full again first, with what is missing in it. So whoever fails from ever new addresses
/// displaces those who failed least, and nobody's failures buy room for more; and who never failed is not in the table,
/// finds no bucket, and is not held up, however full it is.
///
/// 65,536 buckets, 1 MiB, of which a shard takes its 16 KiB with its first. Every operation looks at one set: 8 buckets
/// under a short lock; and at nothing but one number while nothing was counted for a minute.
pub(crate) struct Buckets {
    shards: Box<[Mutex<Vec<Set>>]>,
    /// When all of them are full again, at the latest.
    all_full_at: AtomicI64,
}

/// Two cache lines.
type Set = [Bucket; 8];

#[derive(Clone, Copy)]
struct Bucket {
    key: Key,
    /// Microseconds since 1970.
    full_at: i64,
}

/// A power of two, as is the next.
const SHARDS: usize = 64;
const SETS_IN_A_SHARD: usize = 128;

impl Buckets {
    fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            all_full_at: AtomicI64::new(i64::MIN),
        }
    }

    /// Whether nothing was taken for so long that there is nothing to look for. `now` is in seconds, here and below.
    pub(crate) fn all_full(&self, now: i64) -> bool {
        self.all_full_at.load(Ordering::Relaxed) <= now.saturating_mul(SECOND)
    }

    /// Whole seconds until there is one in the bucket of `key`; none: there is one. Takes nothing.
    pub(crate) fn wait(&self, key: Key, rate: Rate, now: i64) -> Option<u32> {
        let now = now.saturating_mul(SECOND);
        self.with_set(key, |set| {
            let found = set.iter().find(|bucket| bucket.key == key)?;
            rate.wait(found.full_at, now)
        })
        .flatten()
    }

    /// Takes one out of the bucket of `key`, or says how many seconds it takes until there is one. Of any number of
    /// threads, as many get one as there are.
    pub(crate) fn take(&self, key: Key, rate: Rate, now: i64) -> Option<u32> {
        let now = now.saturating_mul(SECOND);
        self.with_set(key, |set| {
            let own = |bucket: &Bucket| bucket.key == key && bucket.full_at > now;
            // Its own, else the one that is full again first.
            let bucket = set.iter_mut().min_by_key(|bucket| (!own(bucket), bucket.full_at))?;
            // Of another's bucket, what is missing is taken over.
            if own(bucket)
                && let Some(wait) = rate.wait(bucket.full_at, now)
            {
                return Some(wait);
            }
            *bucket = Bucket { key, full_at: rate.take(bucket.full_at, now) };
            self.all_full_at.fetch_max(bucket.full_at, Ordering::Relaxed);
            None
        })
        .flatten()
    }

    /// Looks at the set of `key` under its lock.
    fn with_set<R>(&self, key: Key, look: impl FnOnce(&mut Set) -> R) -> Option<R> {
        let at = |bits: u64, many: usize| usize::try_from(bits).unwrap_or_default() % many;
        let mut shard = self.shards.get(at(key.0 >> 32, SHARDS))?.lock();
        if shard.is_empty() {
            shard.resize(SETS_IN_A_SHARD, [Bucket { key: Key(0), full_at: i64::MIN }; 8]);
        }
        shard.get_mut(at(key.0 & 0xffff, SETS_IN_A_SHARD)).map(look)
    }

    /// Buckets that there is room for now.
    #[cfg(test)]
    fn room(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().capacity() * size_of::<Set>() / size_of::<Bucket>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;

    const NOW: i64 = 1_784_527_300;

    fn take(limiter: &Limiter, name: &str, per_minute: i64, now: i64) -> Option<u32> {
        limiter.peers.take(limiter.peer(name), Rate::per_minute(per_minute), now)
    }

    fn wait(limiter: &Limiter, name: &str, per_minute: i64, now: i64) -> Option<u32> {
        limiter.peers.wait(limiter.peer(name), Rate::per_minute(per_minute), now)
    }

    #[test]
    fn a_bucket_holds_a_minutes_worth_and_is_refilled_evenly() {
        for per_minute in [1, 2, 7, 10, 60, 600, 4_000] {
            let limiter = Limiter::new();
            for taken in 0..per_minute {
                assert_eq!(wait(&limiter, "a", per_minute, NOW), None, "{taken} of {per_minute}");
                assert_eq!(take(&limiter, "a", per_minute, NOW), None, "{taken} of {per_minute}");
            }
            let seconds = take(&limiter, "a", per_minute, NOW).unwrap();
            assert_eq!(i64::from(seconds), (60 + per_minute - 1) / per_minute);
            assert_eq!(wait(&limiter, "a", per_minute, NOW), Some(seconds), "what is refused takes nothing");
            assert_eq!(wait(&limiter, "b", per_minute, NOW), None);
            let then = NOW + i64::from(seconds);
            assert!(seconds == 1 || wait(&limiter, "a", per_minute, then - 1) == Some(1));
            assert_eq!(take(&limiter, "a", per_minute, then), None);
            // A minute later it is full, and holds no more than before.
            assert!(!limiter.peers.all_full(then + 59) && limiter.peers.all_full(then + 60));
            let again = (0..2 * per_minute).filter(|_| take(&limiter, "a", per_minute, then + 60).is_none());
            assert_eq!(i64::try_from(again.count()).unwrap(), per_minute);
        }
    }

    #[test]
    fn any_time_and_any_rate_is_answered() {
        for now in [i64::MIN, -1, 0, NOW, i64::MAX] {
            for per_minute in [i64::MIN, 0, 1, 100_000, i64::MAX] {
                let limiter = Limiter::new();
                assert_eq!(wait(&limiter, "a", per_minute, now), None);
                assert_eq!(take(&limiter, "a", per_minute, now), None);
                assert!(take(&limiter, "a", per_minute, now).is_none_or(|seconds| seconds <= 60));
            }
        }
    }

    #[test]
    fn a_lower_rate_holds_for_what_was_taken_before() {
        let limiter = Limiter::new();
        for _ in 0..600 {
            assert_eq!(take(&limiter, "a", 600, NOW), None);
        }
        assert_eq!((wait(&limiter, "a", 600, NOW), wait(&limiter, "a", 1, NOW)), (Some(1), Some(60)));
    }

    #[test]
    fn a_peer_is_an_address_without_its_port_or_a_slash_64_or_a_name() {
        let limiter = Limiter::new();
        let same = |one: &str, other: &str| limiter.peer(one) == limiter.peer(other);
        for (one, other) in [
            ("192.0.2.1", "192.0.2.1:443"),
            ("192.0.2.1", "::ffff:192.0.2.1"),
            ("192.0.2.1", "[::ffff:192.0.2.1]:443"),
            ("192.0.2.1", "64:ff9b::192.0.2.1"),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
            ("2001:db8:1:2::1", "[2001:0DB8:1:2::9]:443"),
            ("2001:db8:1:2::1", "[2001:db8:1:2::]"),
            ("fe80::1%eth0", "[fe80::2%3]:443"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("192.0.2.1", "192.0.2.2"),
            ("64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2"),
            ("2001:db8:1:2::1", "2001:db8:1:3::1"),
            ("gateway-1", "gateway-2"),
            ("a%1", "a%2"),
            ("", " "),
            ("192.0.2.1", "192.0.2.01"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
        let (a, b) = (limiter.peer("a"), limiter.peer("b"));
        assert!(limiter.pair(a, "c") != limiter.pair(b, "c") && limiter.pair(a, "c") != limiter.pair(a, "d"));
    }

    #[test]
    fn a_million_peers_take_no_more_room_and_lock_nobody_out() {
        let limiter = Limiter::new();
        assert_eq!(limiter.peers.room(), 0);
        for number in 0..1_000_000 {
            let peer = format!("peer-{number}");
            assert_eq!(wait(&limiter, &peer, 10, NOW), None);
            assert_eq!(take(&limiter, &peer, 10, NOW), None);
        }
        assert_eq!(limiter.peers.room(), SHARDS * SETS_IN_A_SHARD * 8);
        for honest in 0..100_000 {
            assert_eq!(wait(&limiter, &format!("honest-{honest}"), 10, NOW), None);
        }
        // And who fails once after all waits for no longer than an empty bucket takes.
        assert_eq!(take(&limiter, "honest", 10, NOW), None);
        assert!(wait(&limiter, "honest", 10, NOW).is_none_or(|seconds| seconds <= 6));
        assert!(limiter.peers.all_full(NOW + 60));
    }

    #[test]
    fn addresses_that_fail_once_do_not_displace_one_that_keeps_failing() {
        let limiter = Limiter::new();
        for _ in 0..10 {
            assert_eq!(take(&limiter, "guesser", 10, NOW), None);
        }
        // Five times as many as there are buckets.
        for number in 0..5 * 65_536 {
            assert_eq!(take(&limiter, &format!("peer-{number}"), 10, NOW), None);
        }
        assert_eq!(wait(&limiter, "guesser", 10, NOW), Some(6));
    }

    #[test]
    fn of_eight_threads_no_more_get_through_than_a_bucket_holds() {
        let (limiter, through) = (Limiter::new(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let taken = (0..500).filter(|_| take(&limiter, "a", 600, NOW).is_none()).count();
                    through.fetch_add(taken, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(through.into_inner(), 600);
    }
}
