//! The keys that are fetched, and how they stand: for whoever looks after the server.

use std::ffi::c_char;
use std::mem::offset_of;
use std::ptr;

use idjag::KeyOwner;
use idjag_fetch::{Freshness, SourceState};

use crate::boundary::boundary;
use crate::error::{ErrorDetail, Failure, Status};
use crate::exchange::Handle;
use crate::terminated::{Terminated, Texts};
use crate::versioned::Versioned;

/// The keys are as young as they should be.
pub const IDJAG_SOURCE_FRESH: u32 = 1;
/// They should have been fetched anew, which failed; they still count.
pub const IDJAG_SOURCE_STALE: u32 = 2;
/// There are none, or they were too old.
pub const IDJAG_SOURCE_ABSENT: u32 = 3;

/// The keys that are fetched, as they stood at one moment.
///
/// Given by idjag_sources; yours to free with idjag_sources_free. Threads: any number may read it.
pub struct KeyStates {
    states: Vec<SourceState>,
    /// Owner, URI and error of each.
    texts: Texts,
}

/// How the keys of one IdP, or of one client with `jwks_uri`, stand.
///
/// The caller's own, set with IDJAG_SOURCE_INIT; idjag_sources_at fills it as far as `struct_size` says. Its texts end in NUL, and
/// are there until the list is freed. For one thread at a time.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KeyState {
    /// The size of this structure: IDJAG_SOURCE_INIT sets it.
    pub struct_size: usize,
    /// The issuer identifier, or the client_id.
    pub owner: *const c_char,
    /// 1: they are a client's. 0: an IdP's.
    pub is_client: u32,
    /// IDJAG_SOURCE_FRESH, IDJAG_SOURCE_STALE or IDJAG_SOURCE_ABSENT.
    pub state: u32,
    /// Where they are. NULL where that is not known yet.
    pub uri: *const c_char,
    /// Seconds since they were last known to be so; -1: never yet.
    pub age_s: i64,
    /// Seconds until they are fetched next; negative: overdue.
    pub next_s: i64,
    /// How many fetches have ended.
    pub fetches: u64,
    /// How many of the last came to nothing.
    pub failures: u32,
    /// 1: they are what an earlier run has kept (`fetch.cache`), and nobody has confirmed them since. 0: they were fetched.
    pub is_kept: u32,
    /// Why the last fetch came to nothing. NULL where it did not.
    pub last_error: *const c_char,
}

// SAFETY: `repr(C)`, a size first; pointers and numbers.
unsafe impl Versioned for KeyState {
    const LEAST: usize = offset_of!(KeyState, uri);
    const NAME: &'static str = "source";
}

/// Reads how the keys that are fetched stand, sorted by owner. Where nothing is fetched the list is empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_sources(
    exchange: *const Handle,
    sources: *mut *mut KeyStates,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("sources", sources)?;
        let states = caller.handle(exchange)?.live()?.sources();
        let texts: Vec<&str> = states
            .iter()
            .flat_map(|state| [Some(state.owner.name()), state.uri.as_deref(), state.last_error.as_deref()])
            .map(Option::unwrap_or_default)
            .collect();
        let texts = Texts::of(&texts);
        place.put(KeyStates { states, texts });
        Ok(())
    })
}

/// How many there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_sources_count(sources: *const KeyStates) -> usize {
    boundary!(or 0, |caller| Ok(caller.object("sources", sources)?.states.len()))
}

/// Reads one of them.
///
/// IDJAG_NOT_FOUND: there are not so many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_sources_at(
    sources: *const KeyStates,
    index: usize,
    source: *mut KeyState,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let size = caller.stated_size(source)?;
        let list = caller.object("sources", sources)?;
        let state = list.states.get(index).ok_or(Failure::NotFound)?;
        let text = |number: usize| {
            list.texts.text(index * 3 + number).map_or(ptr::null(), |text| Terminated::into_parts(text).0)
        };
        let read = KeyState {
            struct_size: size,
            owner: text(0),
            is_client: u32::from(matches!(state.owner, KeyOwner::Client(_))),
            state: match state.freshness {
                Freshness::Fresh => IDJAG_SOURCE_FRESH,
                Freshness::Stale => IDJAG_SOURCE_STALE,
                _ => IDJAG_SOURCE_ABSENT,
            },
            uri: if state.uri.is_some() { text(1) } else { ptr::null() },
            age_s: state.age_s.unwrap_or(-1),
            next_s: state.next_s,
            fetches: state.fetches,
            failures: state.failures,
            is_kept: u32::from(state.is_kept),
            last_error: if state.last_error.is_some() { text(2) } else { ptr::null() },
        };
        let known = size.min(size_of::<KeyState>());
        // SAFETY: `source` is the caller's, of `size` bytes, and `read` has as many as are copied.
        unsafe { ptr::copy_nonoverlapping((&raw const read).cast::<u8>(), source.cast(), known) };
        Ok(())
    })
}

/// Frees the list. NULL: nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_sources_free(sources: *mut KeyStates) {
    boundary!(or(), |caller| {
        drop(caller.take(sources));
        Ok(())
    });
}
