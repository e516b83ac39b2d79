//! Single use beyond one process: an assertion buys one token, on whichever worker or host it is presented.
//!
//! The core answers from a table in its own process. Here are two stores that several share, behind the same trait
//! ([`idjag::ReplayStore`]) and with the same three answers: first, seen, unavailable. What cannot be known is
//! unavailable, and the client gets 503.
//!
//! * [`FileReplay`] (`store = "file"`): the processes of one host, by a file that they map.
//! * [`RedisReplay`] (`store = "redis"`): several hosts, by Redis or Valkey.
//!
//! Where there is none of them, [`alone`] sees to it that one process has the configuration's file.
//!
//! [`open`] opens the one that a configuration names, for whoever builds an engine from it:
//!
//! ```no_run
//! # fn build(config: idjag::Config) -> Result<idjag::Exchange, idjag::Error> {
//! use idjag::Clock;
//!
//! let store = idjag_stores::open(&config, Some("/etc/idjag".as_ref()), idjag::SystemClock.now())?;
//! let builder = idjag::Exchange::builder(config);
//! match store {
//!     Some(store) => builder.replay(store).build(),
//!     None => builder.build(),
//! }
//! # }
//! ```

#[cfg(all(feature = "file", target_os = "linux"))]
mod file;
mod lock;
mod open;
#[cfg(feature = "redis")]
mod redis_replay;

/// Bytes of `max_bytes` for each key that [`FileReplay`] holds: what the pages of a tree take, with what they leave empty and
/// what a transaction needs beside.
pub const FILE_ENTRY_BYTES: u64 = 112;

#[cfg(all(feature = "file", target_os = "linux"))]
pub use file::{FileReplay, OpenError};
pub use lock::{Alone, alone, forked};
pub use open::open;
#[cfg(feature = "redis")]
pub use redis_replay::{RedisReplay, Settings};
