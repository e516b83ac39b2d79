//! The handle: made from a configuration, shared by threads, freed once.

use std::ffi::c_char;
use std::mem::{forget, offset_of};
use std::sync::{Arc, Mutex, PoisonError};

use idjag::{Clock, Exchange, SystemClock};
use idjag_fetch::{Fetcher, Live, Pace};
use idjag_log::Handed;
use idjag_stores::Alone;

use crate::boundary::boundary;
use crate::callbacks::Callbacks;
use crate::caller::Caller;
use crate::error::{ErrorDetail, Failure, Status};
use crate::process::Process;
use crate::reply::Reply;
use crate::source::Source;
use crate::versioned::Versioned;

/// The engine: configuration, keys, policy, directory, and which assertions were used.
///
/// Made by idjag_exchange_new; yours to free with idjag_exchange_free. Threads: any number at once, also while keys, policy
/// or directory are replaced. Freed by one, when no other uses it.
pub struct Handle {
    live: Live,
    process: Process,
    /// What is known of other processes. Whole at any time.
    alone: Mutex<Alone>,
    /// Whether the host keeps what was used.
    brings_store: bool,
}

impl Handle {
    /// The engine and what fetches its keys, in the process that made it.
    pub(crate) fn live(&self) -> Result<&Live, Failure> {
        self.process.check("exchange").map(|()| &self.live)
    }
}

/// A configuration, as TOML or JSON: a file, or a text.
///
/// The caller's own, set with IDJAG_CONFIG_INIT; borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Configuration {
    /// The size of this structure: IDJAG_CONFIG_INIT sets it.
    pub struct_size: usize,
    /// The path of the configuration's file; paths in it are relative to its folder. Then all that follows is NULL.
    pub file: *const c_char,
    /// Its length.
    pub file_length: usize,
    /// Or the configuration itself. Text that begins with `{` is JSON, other text is TOML.
    pub text: *const c_char,
    /// Its length.
    pub text_length: usize,
    /// What the text is called in messages. NULL: `configuration`.
    pub name: *const c_char,
    /// Its length.
    pub name_length: usize,
    /// The folder that paths in the text are relative to. NULL: the text names no files.
    pub folder: *const c_char,
    /// Its length.
    pub folder_length: usize,
}

// SAFETY: `repr(C)`, a size first; pointers and numbers.
unsafe impl Versioned for Configuration {
    const LEAST: usize = offset_of!(Configuration, name);
    const NAME: &'static str = "config";
}

/// Makes an engine, and opens the single-use store that the configuration names. `callbacks` may be NULL. Starts no thread but one
/// that writes the record, where the configuration asks for it (`[audit]`), and those that fetch keys, where there are any to
/// fetch (`jwks_uri`, `discover`). Waits for no key: a request of an IdP whose keys have not come yet waits, for 2 s at most for each look-up (idjag_endpoint_handle).
///
/// IDJAG_LOAD_FAILED: the configuration, or a file that it names, cannot be used; `message` has file, line and key. Or another
/// process has an engine over the same file, and each would accept the same assertion once (`replay.allow_per_process`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_exchange_new(
    config: *const Configuration,
    callbacks: *const Callbacks,
    exchange: *mut *mut Handle,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("exchange", exchange)?;
        let host = Callbacks::of(caller, callbacks)?;
        let source = Source::of(caller, config)?;
        let clock: Box<dyn Clock> = match host.host_clock() {
            Some(clock) => Box::new(clock),
            None => Box::new(SystemClock),
        };
        let config = source.config()?;
        let (own_store, own_record) = (host.host_store(), host.host_record());
        let brings_store = own_store.is_some();
        source.leaves_room(&config, brings_store, own_record.is_some())?;
        let alone = source.alone(&config, brings_store)?;
        let now = clock.now();
        let (store, record) = (source.store(&config, now)?, source.record(&config, now)?);
        let folder = source.cache_folder(&config)?;
        let mut builder = Exchange::builder(config).clock(move || clock.now());
        if let Some(store) = own_store.map(|store| Box::new(store) as _).or(store) {
            builder = builder.replay(store);
        }
        if let Some(record) = record {
            builder = record.give(builder);
        }
        if let Some(record) = own_record {
            builder = builder.record(Arc::new(Handed::to(record)));
        }
        if let Some(documents) = host.host_documents() {
            builder = builder.client_documents(Box::new(documents));
        }
        let live = match host.host_get() {
            Some(get) => {
                let fetcher =
                    Fetcher::by_host(Arc::new(get), builder.fetch_settings(), folder, Pace::default());
                Live::with(builder, fetcher)?
            }
            None => Live::start(builder, folder)?,
        };
        place.put(Handle { live, process: Process::current(), alone: Mutex::new(alone), brings_store });
        Ok(())
    })
}

/// Frees an engine that no thread uses any more. Tokens and responses that it gave stay. NULL: nothing happens. No function of
/// yours is called once it has returned: it waits for your `fetch` and your `record`, so hold no lock that they take. A fetch of
/// the library's own ends by itself. In a child of fork it frees nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_exchange_free(exchange: *mut Handle) {
    boundary!(or(), |caller| {
        let handle = caller.take(exchange);
        match handle {
            // Threads, locks and files are the parent's.
            Some(handle) if !handle.process.is_current() => forget(handle),
            handle => drop(handle),
        }
        Ok(())
    });
}

/// Replaces everything that the configuration names but the single-use store and the record. What it leaves to the host stays:
/// keys that were put, a directory or a policy that was put, revocations; so does a signing key that is "ephemeral" before and after. What it wants fetched is fetched from then on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_reload(
    exchange: *const Handle,
    config: *const Configuration,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let handle = caller.handle(exchange)?;
        let (live, source) = (handle.live()?, Source::of(caller, config)?);
        let config = source.config()?;
        // One at a time: the file that is held is the one that counts.
        let mut held = handle.alone.lock().unwrap_or_else(PoisonError::into_inner);
        let alone = source.alone(&config, handle.brings_store)?;
        live.reload(config)?;
        held.follow(alone);
        Ok(())
    })
}

/// What the configuration allows and still deserves a look: one warning a line, empty where there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_warnings(
    exchange: *const Handle,
    warnings: *mut *mut Reply,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("warnings", warnings)?;
        let handle = caller.handle(exchange)?;
        let mut warnings = handle.live()?.warnings();
        let alone = handle.alone.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.extend(alone.warning().map(str::to_owned));
        place.put(Reply::text(&warnings.join("\n")));
        Ok(())
    })
}

impl<'c> Caller<'c> {
    pub(crate) fn handle(self, exchange: *const Handle) -> Result<&'c Handle, Failure> {
        self.object("exchange", exchange)
    }

    pub(crate) fn engine(self, exchange: *const Handle) -> Result<&'c Exchange, Failure> {
        self.handle(exchange)?.live().map(|live| &**live)
    }
}
