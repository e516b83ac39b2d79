//! Keys that live: everything of idjag that touches the network, and what an attacker may not make it fetch.
//!
//! Fetched are the key sets that the configuration names ([`jwks_uri`, `discover`](idjag::Config)), the metadata that says
//! where they are, and the documents of clients at the origins in `[client_documents]`. Never anything that a token names:
//! `jku`, `x5u` and the like are refused by the engine. Each fetch is one GET over https (TLS 1.2 or 1.3, certificates
//! checked), to an address that is public or, where that is written down, local; without redirects, proxies, cookies or
//! compression; of at most 1 MiB and 10 s.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::Path;
//!
//! use idjag::{Config, Exchange};
//! use idjag_fetch::Live;
//!
//! let text = std::fs::read_to_string("idjag.toml")?;
//! let config = Config::parse("idjag.toml", &text, &mut |path| std::fs::read(path).map_err(|why| why.to_string()))?;
//! let exchange = Live::start(Exchange::builder(config), Path::new(""))?;
//! for source in exchange.sources() {
//!     println!("{}: {}, {:?}", source.owner.name(), source.freshness.as_str(), source.last_error);
//! }
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod address;
mod client;
mod entry;
mod fetcher;
mod get;
mod live;
mod metadata;
mod problem;
mod request;
mod schedule;
mod shared;
mod source;
mod store;
mod table;
mod worker;

pub use fetcher::Fetcher;
pub use get::{Answer, Get, Wanted};
pub use live::Live;
pub use problem::Problem;
pub use schedule::Pace;
pub use source::{Freshness, SourceState};
