//! The handle: made from a configuration, shared by threads, freed once.

use std::ffi::c_char;
use std::mem::offset_of;

use idjag::{Clock, Exchange, SystemClock};

use crate::boundary::boundary;
use crate::callbacks::Callbacks;
use crate::caller::Caller;
use crate::error::{ErrorDetail, Failure, Status};
use crate::reply::Reply;
use crate::source::Source;
use crate::versioned::Versioned;

/// The engine: configuration, keys, policy, directory, and which assertions were used.
///
/// Made by idjag_exchange_new; yours to free with idjag_exchange_free. Threads: any number at once, also while keys, policy
/// or directory are replaced. Freed by one, when no other uses it.
pub struct Handle {
    pub(crate) engine: Exchange,
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

/// Makes an engine, and opens the single-use store that the configuration names. `callbacks` may be NULL. Starts no thread, but one that writes the record where the
/// configuration asks for it (`[audit]`).
///
/// IDJAG_LOAD_FAILED: the configuration, or a file that it names, cannot be used; `message` has file, line and key.
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
        let clock: Box<dyn Clock> = match host.and_then(|host| host.host_clock()) {
            Some(clock) => Box::new(clock),
            None => Box::new(SystemClock),
        };
        let config = source.config()?;
        let now = clock.now();
        let (store, record) = (source.store(&config, now)?, source.record(&config, now)?);
        let mut builder = Exchange::builder(config).clock(move || clock.now());
        if let Some(store) = store {
            builder = builder.replay(store);
        }
        if let Some(record) = record {
            builder = record.give(builder);
        }
        if let Some(documents) = host.and_then(|host| host.host_documents()) {
            builder = builder.client_documents(Box::new(documents));
        }
        place.put(Handle { engine: builder.build()? });
        Ok(())
    })
}

/// Frees an engine that no thread uses any more. Tokens and responses that it gave stay. NULL: nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_exchange_free(exchange: *mut Handle) {
    boundary!(or(), |caller| {
        drop(caller.take(exchange));
        Ok(())
    });
}

/// Replaces everything that the configuration names but the single-use store. What it leaves to the host stays: keys that
/// were put, a directory or a policy that was put, revocations.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_reload(
    exchange: *const Handle,
    config: *const Configuration,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let engine = caller.engine(exchange)?;
        Ok(engine.reload(Source::of(caller, config)?.config()?)?)
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
        place.put(Reply::text(&caller.engine(exchange)?.warnings().join("\n")));
        Ok(())
    })
}

impl<'c> Caller<'c> {
    pub(crate) fn engine(self, exchange: *const Handle) -> Result<&'c Exchange, Failure> {
        self.object("exchange", exchange).map(|handle| &handle.engine)
    }
}
