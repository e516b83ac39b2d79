//! What the host is asked: the time, and what clients publish of themselves.

use std::ffi::{c_char, c_int, c_void};
use std::mem::take;

use idjag::{ClientDocuments, Clock, Fetched};

use crate::boundary::boundary;
use crate::caller::Caller;
use crate::error::{ErrorDetail, Failure, Status};
use crate::terminated::{Terminated, Texts};
use crate::versioned::Versioned;

/// More than the engine takes of a key set, and of a document anyway.
const MAX_FETCHED: usize = 1 << 20;

/// What a client publishes, while it is fetched.
///
/// Lent to your client_document or client_keys until it returns, and never yours to free. Threads: the one of that call.
#[derive(Default)]
pub struct Document {
    bytes: Vec<u8>,
}

/// What the engine asks its host, given once.
///
/// The caller's own, set with IDJAG_CALLBACKS_INIT; copied. The functions are called by whichever thread calls idjag, by
/// several at once, until the handle is freed. They must return, with no exception and no longjmp, and must not call that
/// handle.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Callbacks {
    /// The size of this structure: IDJAG_CALLBACKS_INIT sets it.
    pub struct_size: usize,
    /// Given to each function. It stays yours.
    pub context: *mut c_void,
    /// The time, in seconds since 1970. NULL: the system's. Asked once for a call or a batch.
    pub clock: Option<unsafe extern "C-unwind" fn(context: *mut c_void) -> i64>,
    /// Fetches the metadata document of a client whose client_id is its URL (`[client_documents]`), and gives it to
    /// idjag_document_append. Gives IDJAG_OK; IDJAG_NOT_FOUND where there is none, and the client is refused; anything else
    /// where it cannot be asked now, and the client is told to try again. NULL: never asked.
    ///
    /// It is asked for https URLs at the configured origins only, and only for a request whose assertion has passed every
    /// check. Follow no redirect, connect to no private address, bound size and time, and cache. `url` ends in NUL.
    pub client_document: Option<
        unsafe extern "C-unwind" fn(
            context: *mut c_void,
            url: *const c_char,
            url_length: usize,
            document: *mut Document,
        ) -> c_int,
    >,
    /// The same for the key set that such a document names, at its own origin. NULL: it cannot be asked.
    pub client_keys: Option<
        unsafe extern "C-unwind" fn(
            context: *mut c_void,
            url: *const c_char,
            url_length: usize,
            document: *mut Document,
        ) -> c_int,
    >,
}

// SAFETY: `repr(C)`, a size first; pointers.
unsafe impl Versioned for Callbacks {
    const LEAST: usize = size_of::<usize>();
    const NAME: &'static str = "callbacks";
}

/// A function of the host that fetches. Written out above, since cbindgen wants it so.
type Fetch = unsafe extern "C-unwind" fn(*mut c_void, *const c_char, usize, *mut Document) -> c_int;

impl Callbacks {
    /// The caller's, or none.
    pub(crate) fn of(caller: Caller<'_>, callbacks: *const Self) -> Result<Option<Self>, Failure> {
        if callbacks.is_null() { Ok(None) } else { caller.structure(callbacks).map(Some) }
    }

    /// The host's clock, where it has one.
    pub(crate) fn host_clock(&self) -> Option<HostClock> {
        self.clock.map(|clock| HostClock { context: self.context, clock })
    }

    /// What fetches for the host, where it does.
    pub(crate) fn host_documents(&self) -> Option<HostDocuments> {
        let Self { context, client_document, client_keys, .. } = *self;
        client_document.map(|document| HostDocuments { context, document, keys: client_keys })
    }
}

/// The host's clock.
pub(crate) struct HostClock {
    context: *mut c_void,
    clock: unsafe extern "C-unwind" fn(*mut c_void) -> i64,
}

// SAFETY: the header asks of the functions that any thread may call them.
unsafe impl Send for HostClock {}
// SAFETY: likewise, several at once.
unsafe impl Sync for HostClock {}

impl Clock for HostClock {
    fn now(&self) -> i64 {
        // SAFETY: it is the host's function with the host's context, as the header promises it.
        unsafe { (self.clock)(self.context) }
    }
}

/// What fetches for the host.
pub(crate) struct HostDocuments {
    context: *mut c_void,
    document: Fetch,
    keys: Option<Fetch>,
}

// SAFETY: as for `HostClock`.
unsafe impl Send for HostDocuments {}
// SAFETY: likewise.
unsafe impl Sync for HostDocuments {}

impl HostDocuments {
    fn fetch(&self, function: Fetch, url: &str) -> Fetched {
        const OK: c_int = Status::IDJAG_OK as c_int;
        const NOT_FOUND: c_int = Status::IDJAG_NOT_FOUND as c_int;
        let url = Texts::of(&[url]);
        let (start, length) = url.text(0).unwrap_or(Terminated::from(c"")).into_parts();
        let mut document = Document::default();
        // SAFETY: it is the host's function with the host's context, as the header promises it; the rest outlives the call.
        match unsafe { function(self.context, start, length, &raw mut document) } {
            OK => Fetched::Found(take(&mut document.bytes).into()),
            NOT_FOUND => Fetched::Absent,
            _ => Fetched::Unavailable,
        }
    }
}

impl ClientDocuments for HostDocuments {
    fn document(&self, url: &str) -> Fetched {
        self.fetch(self.document, url)
    }

    fn keys(&self, url: &str) -> Fetched {
        self.keys.map_or(Fetched::Unavailable, |keys| self.fetch(keys, url))
    }
}

/// Adds to what is fetched: everything at once, or pieces as they come. The bytes are copied.
///
/// IDJAG_LOAD_FAILED: that is more than 1 MiB, which is more than is taken of anything. Stop, and return what you like.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_document_append(
    document: *mut Document,
    bytes: *const c_char,
    length: usize,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let document = caller.lent("document", document)?;
        let bytes = caller.optional_bytes("bytes", bytes, length)?.unwrap_or_default();
        // One byte too many stays, so that it is refused as the whole would be.
        let room = (MAX_FETCHED + 1).saturating_sub(document.bytes.len());
        document.bytes.extend(bytes.iter().take(room));
        if document.bytes.len() > MAX_FETCHED {
            return Err(Failure::Load("what was fetched is larger than 1 MiB".into()));
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn what_is_fetched_comes_in_pieces_and_has_an_end() {
        let (mut document, piece) = (Document::default(), vec![0_u8; MAX_FETCHED / 2]);
        let mut append = |bytes: &[u8]| {
            let (start, document) = (bytes.as_ptr().cast(), &raw mut document);
            // SAFETY: all of it lives until the end.
            unsafe { idjag_document_append(document, start, bytes.len(), ptr::null_mut()) }
        };
        assert_eq!(append(&piece), Status::IDJAG_OK);
        assert_eq!(append(&piece), Status::IDJAG_OK);
        assert_eq!(append(&[]), Status::IDJAG_OK);
        assert_eq!(append(&piece), Status::IDJAG_LOAD_FAILED);
        assert_eq!(append(&[0]), Status::IDJAG_LOAD_FAILED);
        assert_eq!(document.bytes.len(), MAX_FETCHED + 1);
    }

    /// The context is what it gives.
    unsafe extern "C-unwind" fn gives(
        context: *mut c_void,
        url: *const c_char,
        length: usize,
        document: *mut Document,
    ) -> c_int {
        // SAFETY: what was fetched is a copy of the URL, here.
        unsafe { idjag_document_append(document, url, length, ptr::null_mut()) };
        // SAFETY: the test gives it that.
        unsafe { ptr::read(context.cast::<c_int>()) }
    }

    #[test]
    fn any_number_that_a_host_gives_means_something() {
        let found = Fetched::Found(b"https://a.example/c"[..].into());
        for (number, fetched) in
            [(0, found), (4, Fetched::Absent), (2, Fetched::Unavailable), (-7, Fetched::Unavailable)]
        {
            let mut given: c_int = number;
            let callbacks = Callbacks {
                struct_size: size_of::<Callbacks>(),
                context: (&raw mut given).cast(),
                clock: None,
                client_document: Some(gives),
                client_keys: None,
            };
            let host = callbacks.host_documents().unwrap();
            assert_eq!(host.document("https://a.example/c"), fetched);
            assert_eq!(host.keys("https://a.example/c"), Fetched::Unavailable);
        }
    }
}
