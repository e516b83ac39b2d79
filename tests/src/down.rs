//! A single-use store that cannot answer.

use idjag::{Claim, Claimed, MemoryReplay, ReplayKey, ReplayStats, ReplayStore};

/// Out of reach: every answer is `Unavailable`.
#[derive(Clone, Copy, Debug)]
pub struct Down;

impl ReplayStore for Down {
    fn claim(&self, _: &[Claim], _: i64, out: &mut [Claimed]) {
        out.fill(Claimed::Unavailable);
    }

    fn seen(&self, _: &ReplayKey, _: i64) -> Claimed {
        Claimed::Unavailable
    }

    fn stats(&self) -> ReplayStats {
        MemoryReplay::new(0).stats()
    }
}
