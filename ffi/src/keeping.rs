//! What the host keeps in place of the library: which assertions were used, and the record.

use std::ffi::{c_char, c_int, c_void};

use idjag::{Claim, Claimed, Receipt, RecordUnavailable, ReplayKey, ReplayStats, ReplayStore};
use idjag_log::Keeper;

use crate::callbacks::Callbacks;
use crate::error::Status;

/// An answer to a claim: nobody held the key, and this claim holds it now.
pub const IDJAG_CLAIM_FIRST: u32 = 11;
/// An answer to a claim: it was used before.
pub const IDJAG_CLAIM_SEEN: u32 = 12;

/// What an answer means. Whatever is neither, as the 0 that stands there before, is no answer.
const fn claimed(answer: u32) -> Claimed {
    match answer {
        IDJAG_CLAIM_FIRST => Claimed::First,
        IDJAG_CLAIM_SEEN => Claimed::Seen,
        _ => Claimed::Unavailable,
    }
}

/// Single use by the host.
pub(crate) struct HostStore {
    context: *mut c_void,
    claim: unsafe extern "C-unwind" fn(*mut c_void, *const u8, *const i64, usize, i64, *mut u32),
    seen: Option<unsafe extern "C-unwind" fn(*mut c_void, *const u8, i64) -> u32>,
    remembers_since: Option<unsafe extern "C-unwind" fn(*mut c_void) -> i64>,
}

// SAFETY: the header asks of the functions that any thread may call them.
unsafe impl Send for HostStore {}
// SAFETY: likewise, several at once.
unsafe impl Sync for HostStore {}

impl ReplayStore for HostStore {
    fn claim(&self, claims: &[Claim], now: i64, out: &mut [Claimed]) {
        out.fill(Claimed::Unavailable);
        if claims.is_empty() {
            return;
        }
        let keys: Vec<u8> = claims.iter().flat_map(|claim| *claim.key.as_bytes()).collect();
        let expiries: Vec<i64> = claims.iter().map(|claim| claim.expires_at).collect();
        let mut answers = vec![0; claims.len()];
        let (keys, expiries, places) = (keys.as_ptr(), expiries.as_ptr(), answers.as_mut_ptr());
        // SAFETY: it is the host's function with the host's context, as the header promises it; the rest outlives the call.
        unsafe { (self.claim)(self.context, keys, expiries, claims.len(), now, places) };
        for (answer, given) in out.iter_mut().zip(answers) {
            *answer = claimed(given);
        }
    }

    fn seen(&self, key: &ReplayKey, now: i64) -> Claimed {
        // Who cannot say so refuses when it is claimed.
        let Some(seen) = self.seen else {
            return Claimed::First;
        };
        // SAFETY: as above.
        claimed(unsafe { seen(self.context, key.as_bytes().as_ptr(), now) })
    }

    /// The host has its own.
    fn stats(&self) -> ReplayStats {
        ReplayStats { entries: 0, bytes: 0, max_bytes: 0 }
    }

    fn remembers_since(&self) -> Option<i64> {
        // SAFETY: as above.
        self.remembers_since.map(|since| unsafe { since(self.context) })
    }
}

/// The record by the host.
pub(crate) struct HostRecord {
    context: *mut c_void,
    record: unsafe extern "C-unwind" fn(*mut c_void, *const c_char, usize, *mut u64) -> c_int,
    wait: Option<unsafe extern "C-unwind" fn(*mut c_void, u64) -> c_int>,
}

// SAFETY: as for `HostStore`.
unsafe impl Send for HostRecord {}
// SAFETY: likewise.
unsafe impl Sync for HostRecord {}

impl Keeper for HostRecord {
    fn take(&self, line: &[u8]) -> Result<Receipt, RecordUnavailable> {
        let mut receipt = 0;
        let (start, place) = (line.as_ptr().cast(), &raw mut receipt);
        // SAFETY: it is the host's function with the host's context, as the header promises it; the rest outlives the call.
        done(unsafe { (self.record)(self.context, start, line.len(), place) }).map(|()| Receipt(receipt))
    }

    fn wait(&self, receipt: Receipt) -> Result<(), RecordUnavailable> {
        let Some(wait) = self.wait else {
            return Ok(());
        };
        // SAFETY: as above.
        done(unsafe { wait(self.context, receipt.0) })
    }
}

/// Whether the host says so, and nothing else.
fn done(answer: c_int) -> Result<(), RecordUnavailable> {
    const OK: c_int = Status::IDJAG_OK as c_int;
    if answer == OK { Ok(()) } else { Err(RecordUnavailable) }
}

impl Callbacks {
    /// Single use by the host, where it has it.
    pub(crate) fn host_store(&self) -> Option<HostStore> {
        let Self { context, seen, remembers_since, .. } = *self;
        self.claim.map(|claim| HostStore { context, claim, seen, remembers_since })
    }

    /// The record by the host, likewise.
    pub(crate) fn host_record(&self) -> Option<HostRecord> {
        let Self { context, record_wait, .. } = *self;
        self.record.map(|record| HostRecord { context, record, wait: record_wait })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_result_and_no_boolean_is_an_acceptance() {
        let results =
            [Status::IDJAG_OK as u32, Status::IDJAG_REFUSED as u32, Status::IDJAG_UNAVAILABLE as u32];
        for answer in results.into_iter().chain([1, u32::MAX, IDJAG_CLAIM_FIRST << 8]) {
            assert_eq!(claimed(answer), Claimed::Unavailable, "{answer}");
        }
        assert_eq!((claimed(IDJAG_CLAIM_FIRST), claimed(IDJAG_CLAIM_SEEN)), (Claimed::First, Claimed::Seen));
        assert!(done(0).is_ok() && [1, -1, 11].into_iter().all(|answer| done(answer).is_err()));
    }
}
