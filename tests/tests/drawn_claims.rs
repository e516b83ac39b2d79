//! Claims of single use, drawn at random: the table in memory answers as a naive twin does, for as long as it has room.
//! `PROPTEST_CASES` says how many sequences are drawn.
#![allow(clippy::panic, reason = "a test that panics has failed")]

use std::cell::Cell;
use std::collections::HashMap;

use idjag::{Claim, Claimed, MemoryReplay, ReplayKey, ReplayStore};
use proptest::prelude::*;
use proptest::test_runner::{Config as Settings, TestRunner};

/// A sequence of calls, in a table of so many bytes.
#[derive(Clone, Debug)]
struct Sequence {
    max_bytes: u64,
    calls: Vec<Call>,
}

/// Claims that are made at once.
#[derive(Clone, Debug)]
struct Call {
    /// Seconds since the call before.
    after: i64,
    /// The number of a key, and for how many seconds it is claimed.
    claims: Vec<(u8, i64)>,
}

/// How often each answer was met.
#[derive(Default)]
struct Met {
    first: Cell<u64>,
    again: Cell<u64>,
    seen: Cell<u64>,
    unavailable: Cell<u64>,
}

fn sequence() -> impl Strategy<Value = Sequence> {
    let max_bytes = prop_oneof![0_u64..600, 600_u64..8_000, Just(1 << 20)];
    // Few keys or many, so that they repeat in a call, and fill a table.
    (max_bytes, 2_u8..=255).prop_flat_map(|(max_bytes, keys)| {
        let claims = prop::collection::vec((0..keys, -2_i64..12), 0..24);
        let call = (0_i64..4, claims).prop_map(|(after, claims)| Call { after, claims });
        let calls = prop::collection::vec(call, 1..40);
        calls.prop_map(move |calls| Sequence { max_bytes, calls })
    })
}

fn key(number: u8) -> ReplayKey {
    ReplayKey::from_bytes([number; 16])
}

fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

fn run(sequence: &Sequence, met: &Met) -> Result<(), TestCaseError> {
    let max_bytes = sequence.max_bytes;
    let store = MemoryReplay::new(max_bytes);
    // Until when a key is held.
    let mut twin: HashMap<u8, i64> = HashMap::new();
    let mut now = 1_000;
    for Call { after, claims } in &sequence.calls {
        now += after;
        let expiring = |(number, seconds): &(u8, i64)| Claim { key: key(*number), expires_at: now + seconds };
        let asked: Vec<Claim> = claims.iter().map(expiring).collect();
        let mut answers = vec![Claimed::Unavailable; asked.len()];
        store.claim(&asked, now, &mut answers);
        for ((number, seconds), answer) in claims.iter().zip(answers) {
            let earlier = twin.get(number).copied();
            let holds = earlier.is_some_and(|until| now <= until);
            prop_assert_eq!(answer == Claimed::Seen, holds);
            match answer {
                Claimed::Seen => count(&met.seen),
                Claimed::First => {
                    count(if earlier.is_some() { &met.again } else { &met.first });
                    // What is past already holds for this second.
                    twin.insert(*number, now + seconds.max(&0));
                }
                Claimed::Unavailable => {
                    count(&met.unavailable);
                    // Not without need: an entry of a shard that is half full takes 58 bytes, and that may not double.
                    // The smallest takes 132.
                    let held = twin.values().filter(|until| now <= **until).count() as u64;
                    prop_assert!(2 * 58 * held + 132 > max_bytes, "{} held in {} bytes", held, max_bytes);
                }
            }
        }
        for number in 0..=u8::MAX {
            let holds = twin.get(&number).is_some_and(|until| now <= *until);
            let expected = if holds { Claimed::Seen } else { Claimed::First };
            prop_assert_eq!(store.seen(&key(number), now), expected, "{}", number);
        }
        let (stats, held) = (store.stats(), twin.values().filter(|until| now <= **until).count());
        prop_assert!(stats.bytes <= max_bytes && stats.entries >= held as u64, "{:?}", stats);
        prop_assert!(stats.entries * size_of::<Claim>() as u64 <= stats.bytes, "{:?}", stats);
    }
    Ok(())
}

#[test]
fn the_table_answers_as_a_naive_twin() {
    let settings = Settings { failure_persistence: None, ..Settings::default() };
    let met = Met::default();
    TestRunner::new(settings)
        .run(&sequence(), |sequence| run(&sequence, &met))
        .unwrap_or_else(|why| panic!("{why}"));
    for (what, cell) in
        [("first", &met.first), ("again", &met.again), ("seen", &met.seen), ("full", &met.unavailable)]
    {
        assert!(cell.get() > 0, "`{what}` was not met");
    }
}
