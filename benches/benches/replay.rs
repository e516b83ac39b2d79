//! Claims of a `jti`, beside the same in a DashMap: `cargo bench -p idjag-benches --bench replay`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use dashmap::{DashMap, Entry};
use idjag::{Claim, Claimed, MemoryReplay, ReplayKey, ReplayStore};
use idjag_benches::mix;

const EXPIRES_AT: i64 = 1_000;

/// A key that looks drawn.
fn key(number: u64) -> [u8; 16] {
    (u128::from(mix(number)) << 64 | u128::from(mix(!number))).to_ne_bytes()
}

fn claims(criterion: &mut Criterion) {
    for held in [1_000_u64, 1_000_000] {
        let ours = MemoryReplay::new(1 << 30);
        let theirs: DashMap<[u8; 16], i64> = DashMap::new();
        for number in 0..held {
            let mut out = [Claimed::Unavailable];
            let claim = Claim { key: ReplayKey::from_bytes(key(number)), expires_at: EXPIRES_AT };
            ours.claim(&[claim], 0, &mut out);
            theirs.insert(key(number), EXPIRES_AT);
        }
        let mut numbers = (0..held).map(|number| number.wrapping_mul(7_919) % held).cycle();
        criterion.bench_function(&format!("claim, seen, {held} held/idjag"), |bencher| {
            bencher.iter(|| {
                let mut out = [Claimed::Unavailable];
                let key = ReplayKey::from_bytes(key(numbers.next().unwrap_or_default()));
                ours.claim(&[Claim { key, expires_at: EXPIRES_AT }], 0, &mut out);
                black_box(out)
            });
        });
        let mut numbers = (0..held).map(|number| number.wrapping_mul(7_919) % held).cycle();
        criterion.bench_function(&format!("claim, seen, {held} held/dashmap"), |bencher| {
            bencher.iter(|| match theirs.entry(key(numbers.next().unwrap_or_default())) {
                Entry::Occupied(held) => black_box(*held.get() >= 0),
                Entry::Vacant(free) => {
                    free.insert(EXPIRES_AT);
                    black_box(true)
                }
            });
        });
        let mut fresh = held..;
        criterion.bench_function(&format!("claim, first, from {held}/idjag"), |bencher| {
            bencher.iter(|| {
                let mut out = [Claimed::Unavailable];
                let key = ReplayKey::from_bytes(key(fresh.next().unwrap_or_default()));
                ours.claim(&[Claim { key, expires_at: EXPIRES_AT }], 0, &mut out);
                black_box(out)
            });
        });
        let mut fresh = held..;
        criterion.bench_function(&format!("claim, first, from {held}/dashmap"), |bencher| {
            bencher.iter(|| black_box(theirs.insert(key(fresh.next().unwrap_or_default()), EXPIRES_AT)));
        });
    }
}

criterion_group!(group, claims);
criterion_main!(group);
