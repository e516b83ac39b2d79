//! What the host is asked: the time, what is to be fetched, and what it keeps itself (`keeping`).

use std::ffi::{c_char, c_int, c_void};
use std::mem::take;
use std::ptr;

use idjag::{ClientDocuments, Clock, Fetched};
use idjag_fetch::{Answer, Get, Wanted};

use crate::boundary::boundary;
use crate::caller::Caller;
use crate::error::{ErrorDetail, Failure, Status};
use crate::terminated::{Terminated, Texts};
use crate::versioned::Versioned;

/// More than the engine takes of a key set, and of a document anyway.
const MAX_FETCHED: usize = 1 << 20;

/// The headers that are kept of an answer, how many lines of them, and how many bytes of each.
const WANTED_HEADERS: [&str; 3] = ["cache-control", "age", "etag"];
const MAX_HEADERS: usize = 16;
const MAX_HEADER: usize = 4096;

/// What is fetched, while it is.
///
/// Lent to your fetch, client_document or client_keys until it returns, and never yours to free. Threads: the one of that call.
#[derive(Default)]
pub struct Document {
    bytes: Vec<u8>,
    headers: Vec<(String, String)>,
}

/// What the engine asks its host, given once.
///
/// The caller's own, set with IDJAG_CALLBACKS_INIT; copied. The functions are called by whichever thread calls idjag; `fetch`
/// and `record` by threads of the library as well, and within idjag_exchange_many those of single use and of the record by helpers that end with
/// the call; by several at once, until the handle is freed. They must return, with no exception and no longjmp,
/// and must not call that handle.
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
    /// The same for the key set that such a document names, at its own origin. NULL: it cannot be asked. Both are for hosts that
    /// have such documents already: where `client_document` is NULL they are fetched as keys are.
    pub client_keys: Option<
        unsafe extern "C-unwind" fn(
            context: *mut c_void,
            url: *const c_char,
            url_length: usize,
            document: *mut Document,
        ) -> c_int,
    >,
    /// Makes one GET over https in place of the library, for hosts with a way out of their own. Gives the status of the answer:
    /// 200, with the body by idjag_document_append; 304, where `etag` is not NULL and still so (`If-None-Match`); any other.
    /// 0: it could not be asked. Give the headers by idjag_document_header, for how long the answer is fresh. NULL: the library
    /// fetches.
    ///
    /// Asked is what the configuration wants fetched and nothing else, as often as it would be otherwise; `url` is written down,
    /// or in the metadata of an IdP that is. What it leads to is then for you to look at: check certificates; connect to no
    /// private, loopback, link-local or metadata address (`is_local` is 1 where `local = true` allows the first two), and only to
    /// the address that you looked at; follow no redirect; take no more than 10 s. Where you cannot wait for an answer give 0, and
    /// put the keys with idjag_put_jwks when they came: until then requests are told to try again. `url` and `etag` end in NUL.
    pub fetch: Option<
        unsafe extern "C-unwind" fn(
            context: *mut c_void,
            url: *const c_char,
            url_length: usize,
            etag: *const c_char,
            etag_length: usize,
            is_local: c_int,
            document: *mut Document,
        ) -> c_int,
    >,
    /// Single use by the host, in place of the table in memory: claims `count` keys at once, and writes an answer for each into
    /// `answers`: IDJAG_CLAIM_FIRST or IDJAG_CLAIM_SEEN. Anything else, as the 0 that stands there, is no answer: the request gets
    /// 503, never a token. NULL: the store that the configuration names.
    ///
    /// Key number n is the 16 bytes from `keys + 16 * n`; it is to be held while the time is not later than `expires_at[n]`. Each
    /// claim is atomic: of any number of claims of one key, by whoever shares the store, exactly one is the first while it is held;
    /// in one call that with the lowest number. What is answered otherwise may or may not be held. `now` and `expires_at` are seconds
    /// since 1970. The configuration must name no other store; and revocations are not told to others: make them everywhere.
    pub claim: Option<
        unsafe extern "C-unwind" fn(
            context: *mut c_void,
            keys: *const u8,
            expires_at: *const i64,
            count: usize,
            now: i64,
            answers: *mut u32,
        ),
    >,
    /// What a claim of the 16 bytes at `key` would be answered, without claiming it: to refuse before a client's document is
    /// fetched. Never a reason to accept. NULL: that is found out later.
    pub seen: Option<unsafe extern "C-unwind" fn(context: *mut c_void, key: *const u8, now: i64) -> u32>,
    /// Since when `claim` remembers, in seconds since 1970: assertions from before are refused (`replay.cold_start`). Asked before
    /// and after each claim, which is worth nothing if memory began anew in between. NULL: since the handle was made.
    pub remembers_since: Option<unsafe extern "C-unwind" fn(context: *mut c_void) -> i64>,
    /// The record by the host, in place of the one on disk (`audit = "off"`): takes a line, a JSON object without an
    /// end of line and without NUL, below 64 KiB, borrowed for the call. Gives IDJAG_OK, and a number in `receipt` for `record_wait`;
    /// anything else where it cannot be kept: then no token is issued, and what would be refused gets 503. NULL: the record that
    /// the configuration asks for.
    ///
    /// Every exchange is a line, granted or refused, and so are policies, keys and revocations. Of those that anybody can make without
    /// a good signature each is one, too: bound what you keep.
    pub record: Option<
        unsafe extern "C-unwind" fn(
            context: *mut c_void,
            line: *const c_char,
            length: usize,
            receipt: *mut u64,
        ) -> c_int,
    >,
    /// Waits until what was taken under `receipt` is durable, and gives IDJAG_OK; anything else where it will not be, and the token
    /// is not handed out. Asked of grants, of revocations, and of what a client spent to prove itself; of the last two not for receipt 0.
    /// What was taken before is durable then, too: of what else a grant spent, nobody asks. NULL: what was taken is durable.
    pub record_wait: Option<unsafe extern "C-unwind" fn(context: *mut c_void, receipt: u64) -> c_int>,
}

// SAFETY: `repr(C)`, a size first; pointers.
unsafe impl Versioned for Callbacks {
    const LEAST: usize = size_of::<usize>();
    const NAME: &'static str = "callbacks";
}

/// A function of the host that fetches a document. Written out above, since cbindgen wants it so.
type Fetch = unsafe extern "C-unwind" fn(*mut c_void, *const c_char, usize, *mut Document) -> c_int;
/// One that makes a GET.
type MakeGet = unsafe extern "C-unwind" fn(
    *mut c_void,
    *const c_char,
    usize,
    *const c_char,
    usize,
    c_int,
    *mut Document,
) -> c_int;

impl Callbacks {
    /// The caller's, or none of them.
    pub(crate) fn of(caller: Caller<'_>, callbacks: *const Self) -> Result<Self, Failure> {
        if callbacks.is_null() { Ok(Self::NONE) } else { caller.structure(callbacks) }
    }

    /// A host that is asked for nothing.
    pub(crate) const NONE: Self = Self {
        struct_size: size_of::<Self>(),
        context: ptr::null_mut(),
        clock: None,
        client_document: None,
        client_keys: None,
        fetch: None,
        claim: None,
        seen: None,
        remembers_since: None,
        record: None,
        record_wait: None,
    };

    /// The host's clock, where it has one.
    pub(crate) fn host_clock(&self) -> Option<HostClock> {
        self.clock.map(|clock| HostClock { context: self.context, clock })
    }

    /// What fetches for the host, where it does.
    pub(crate) fn host_documents(&self) -> Option<HostDocuments> {
        let Self { context, client_document, client_keys, .. } = *self;
        client_document.map(|document| HostDocuments { context, document, keys: client_keys })
    }

    /// What makes GETs for the host, where it does.
    pub(crate) fn host_get(&self) -> Option<HostGet> {
        self.fetch.map(|fetch| HostGet { context: self.context, fetch })
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

/// What makes GETs for the host.
pub(crate) struct HostGet {
    context: *mut c_void,
    fetch: MakeGet,
}

// SAFETY: as for `HostClock`.
unsafe impl Send for HostGet {}
// SAFETY: likewise.
unsafe impl Sync for HostGet {}

impl Get for HostGet {
    fn get(&self, wanted: &Wanted<'_>) -> Option<Answer> {
        let texts = Texts::of(&[wanted.url, wanted.etag.unwrap_or_default()]);
        let text = |number| texts.text(number).unwrap_or(Terminated::from(c"")).into_parts();
        let (url, url_length) = text(0);
        let (etag, etag_length) = if wanted.etag.is_some() { text(1) } else { (ptr::null(), 0) };
        let mut document = Document::default();
        let (local, place) = (c_int::from(wanted.local), &raw mut document);
        // SAFETY: it is the host's function with the host's context, as the header promises it; the rest outlives the call.
        let status = unsafe { (self.fetch)(self.context, url, url_length, etag, etag_length, local, place) };
        let status = u16::try_from(status).ok().filter(|status| *status > 0)?;
        Some(Answer { status, headers: take(&mut document.headers), body: take(&mut document.bytes) })
    }
}

/// Gives a header of the answer that is fetched; as many as there are. `Cache-Control`, `Age` and `ETag` are looked at, and
/// only for your `fetch`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_document_header(
    document: *mut Document,
    name: *const c_char,
    name_length: usize,
    value: *const c_char,
    value_length: usize,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let document = caller.lent("document", document)?;
        let name = caller.words("name", name, name_length)?;
        let value = caller.optional_words("value", value, value_length)?.unwrap_or_default();
        let is_wanted = WANTED_HEADERS.iter().any(|wanted| name.eq_ignore_ascii_case(wanted));
        if is_wanted && document.headers.len() < MAX_HEADERS && value.len() <= MAX_HEADER {
            document.headers.push((name.into_owned(), value.into_owned()));
        }
        Ok(())
    })
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
                context: (&raw mut given).cast(),
                client_document: Some(gives),
                ..Callbacks::NONE
            };
            let host = callbacks.host_documents().unwrap();
            assert_eq!(host.document("https://a.example/c"), fetched);
            assert_eq!(host.keys("https://a.example/c"), Fetched::Unavailable);
        }
    }
}
