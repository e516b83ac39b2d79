//! Keys that are fetched: what the engine asks of whoever fetches them, and what it tells them.
//!
//! Nothing is fetched here. What was fetched is put ([`crate::Exchange::put_fetched`]), so that a request with a known key
//! asks nobody; only a request whose key is not there asks [`KeySource`].

use std::path::PathBuf;

use crate::alg::Algorithm;

/// Whose keys they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum KeyOwner {
    /// An IdP, by its issuer identifier.
    Idp(String),
    /// A client with `private_key_jwt`, by its `client_id`.
    Client(String),
}

impl KeyOwner {
    /// The issuer identifier or the `client_id`.
    pub fn name(&self) -> &str {
        match self {
            Self::Idp(name) | Self::Client(name) => name,
        }
    }
}

/// A key set that the configuration wants fetched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WantedKeys {
    /// Whose keys they are.
    pub owner: KeyOwner,
    /// Where they are (`jwks_uri`); none: where the metadata of the issuer says (`discover = true`).
    pub uri: Option<String>,
    /// Whether it may be at a private or loopback address (`local = true`).
    pub local: bool,
    /// What may be used of it, a bit for each algorithm: with another list, other keys of the same set count.
    algorithms: u16,
}

impl WantedKeys {
    /// The set at `uri`, of which these may be used; none: whatever is known here.
    pub(crate) fn new(owner: KeyOwner, uri: Option<String>, local: bool, algorithms: &[Algorithm]) -> Self {
        let bits = algorithms.iter().fold(0, |bits, algorithm| bits | 1 << *algorithm as u16);
        Self { owner, uri, local, algorithms: bits }
    }
}

/// `[fetch]`: how keys and clients' documents are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchSettings {
    /// Whether anything is fetched at all (`enabled`); otherwise the host puts keys.
    pub enabled: bool,
    /// How long keys still count after they should have been fetched anew, in seconds (`max_stale_s`).
    pub max_stale_s: i64,
    /// A folder where the last good keys are kept, as it is written: so that a restart without network starts with them.
    pub cache: Option<PathBuf>,
    /// The text of the PEM file with further certificates of authorities, beside those of the system (`ca_file`).
    pub authorities: Option<Vec<u8>>,
    /// Whether clients' documents may be at private and loopback addresses (`client_documents.local`).
    pub local_documents: bool,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self { enabled: true, max_stale_s: 3_600, cache: None, authorities: None, local_documents: false }
    }
}

/// The answer to a key that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// The newest set that is to be had is in place: a key that it lacks does not exist.
    LookAgain,
    /// It cannot be known now: the client is told to try again after so many seconds.
    Unavailable {
        /// For `Retry-After`.
        retry_after_s: u32,
    },
}

/// Fetches keys. Asked on the request's thread, and only for a token of a configured IdP that passed every check that
/// needs no key.
///
/// An implementation waits for a fetch for no longer than its host bears, asks each owner seldom however many requests
/// come, and puts what it got before it answers.
pub trait KeySource: Send + Sync {
    /// For each of `owners` there is no set, or it lacks the key that a token names. As many answers, in order; all of them
    /// wait at the same time.
    fn missed(&self, owners: &[KeyOwner]) -> Vec<Sought>;
}
