//! Counters and sizes, for a dashboard.

use std::ffi::c_char;
use std::mem::offset_of;
use std::ptr;

use crate::boundary::boundary;
use crate::error::{ErrorDetail, Status};
use crate::exchange::Handle;
use crate::versioned::Versioned;

/// Counters and sizes.
///
/// The caller's own, set with IDJAG_STATS_INIT; idjag_stats fills it as far as `struct_size` says. For one thread at a time.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Counters {
    /// The size of this structure: IDJAG_STATS_INIT sets it.
    pub struct_size: usize,
    /// Exchanges that were granted.
    pub granted: u64,
    /// Exchanges that were refused.
    pub refused: u64,
    /// Assertions that the single-use store holds.
    pub replay_entries: u64,
    /// What they take, in bytes.
    pub replay_bytes: u64,
    /// What they may take.
    pub replay_max_bytes: u64,
    /// People in the directory.
    pub people: u64,
    /// How often keys, policy, directory, clients or revocations have changed, counted from 1.
    pub generation: u64,
    /// The SHA-256 of the policy's text, in hexadecimal, ending in NUL.
    pub policy_digest: [c_char; 72],
    /// Requests that were answered with 429, at all endpoints.
    pub limited: u64,
}

// SAFETY: `repr(C)`, a size first; numbers.
unsafe impl Versioned for Counters {
    const LEAST: usize = offset_of!(Counters, replay_entries);
    const NAME: &'static str = "stats";
}

/// Reads the counters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_stats(
    exchange: *const Handle,
    stats: *mut Counters,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let size = caller.stated_size(stats)?;
        let now = caller.engine(exchange)?.stats();
        let mut policy_digest = [0; 72];
        for (copied, byte) in policy_digest.iter_mut().zip(now.policy_digest.bytes().take(64)) {
            *copied = c_char::from_ne_bytes([byte]);
        }
        let counters = Counters {
            struct_size: size,
            granted: now.granted,
            refused: now.refused,
            replay_entries: now.replay.entries,
            replay_bytes: now.replay.bytes,
            replay_max_bytes: now.replay.max_bytes,
            people: now.people as u64,
            generation: now.generation,
            policy_digest,
            limited: now.limited,
        };
        let known = size.min(size_of::<Counters>());
        // SAFETY: `stats` is the caller's, of `size` bytes, and `counters` has as many as are copied.
        unsafe { ptr::copy_nonoverlapping((&raw const counters).cast::<u8>(), stats.cast(), known) };
        Ok(())
    })
}
