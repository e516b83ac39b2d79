//! Enterprise-managed authorization for MCP servers: *an ID-JAG goes in, an access token comes out, and every exchange
//! leaves a record.*
//!
//! An identity provider signs an [ID-JAG] for a person, a client and a resource. [`Exchange`] takes it: it verifies the
//! signature against the IdP's key, binds it to this server, this client and this resource, looks up the person's
//! groups, applies the written policy, spends the assertion's `jti`, and mints an access token ([RFC 9068]).
//! [`Exchange::verify`] takes that token back on every MCP request, and answers as the policy of that moment says.
//!
//! The crate opens no socket and no file. [`Config::parse`] turns text into a validated configuration; whoever embeds
//! the crate reads the files.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use idjag::{Algorithm, Config, Exchange, IdJag, IdJagMinter, Request, SigningKey};
//! use std::sync::Arc;
//!
//! // The IdP's side, for this example: a key, and an assertion for Ada.
//! let key = Arc::new(SigningKey::generate(Algorithm::EdDSA)?);
//! let jwk = key.public_jwk().ok_or("a public key")?;
//! let idp = IdJagMinter::new("https://acme.idp.example", key);
//! # let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs() as i64;
//! let assertion = idp.mint(&IdJag {
//!     audience: "https://auth.chat.example/",
//!     client_id: "agent",
//!     subject: "ada",
//!     resource: Some("https://mcp.chat.example/"),
//!     groups: &["eng"],
//!     issued_at: now, // seconds since 1970
//!     lifetime_s: 300,
//!     ..IdJag::default()
//! })?;
//!
//! // Our side: the wiring and the checklist.
//! let config = format!(r#"
//!     issuer = "https://auth.chat.example/"
//!     audit = "off"
//!     tokens.keys = "ephemeral"
//!     [[idps]]
//!     issuer = "https://acme.idp.example"
//!     jwks = {{ keys = [{}] }}
//!     [[clients]]
//!     id = "agent"
//!     auth = "none"
//!     connectors = ["chat"]
//!     [[connectors]]
//!     id = "chat"
//!     resource = "https://mcp.chat.example/"
//!     scopes = ["chat.read", "chat.write"]
//!     state = "enabled"
//!     owner = "chat-platform@acme.example"
//!     review_by = 2027-02-01
//!     [[connectors.grants]]
//!     groups = ["eng"]
//!     scopes = ["chat.read"]
//! "#, jwk.replace("\":\"", "\"=\""));
//! let exchange = Exchange::new(Config::parse("idjag.toml", &config, &mut |_| Err("no files".into()))?)?;
//!
//! let issued = exchange.exchange(&Request {
//!     assertion: assertion.as_bytes(),
//!     client_id: "agent",
//!     ..Request::default()
//! })?;
//! assert_eq!(issued.scope(), "chat.read");
//!
//! let who = exchange.verify(issued.access_token().as_bytes(), "https://mcp.chat.example/")?;
//! assert_eq!((who.subject(), who.idp()), ("ada", "https://acme.idp.example"));
//! # Ok(())
//! # }
//! ```
//!
//! Each refusal has a [`Reason`]: its slug is for the operator, its [`OAuthError`] for the client.
//!
//! [ID-JAG]: https://datatracker.ietf.org/doc/draft-ietf-oauth-identity-assertion-authz-grant/
//! [RFC 9068]: https://www.rfc-editor.org/rfc/rfc9068
#![forbid(unsafe_code)]

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("idjag needs a crypto provider: switch on the feature `aws-lc-rs` (the default) or `ring`");

mod access_token;
mod alg;
mod assertion;
mod base64url;
mod batch;
mod certificate;
mod claims;
mod client_documents;
mod clients;
mod config;
mod crypto;
#[cfg(test)]
mod crypto_vectors;
mod details;
mod directory;
mod dpop;
pub mod endpoint;
mod error;
mod exchange;
mod explain;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod grant;
mod id_jag;
mod identity_provider;
mod json;
mod json_writer;
mod jwk;
mod jwks;
mod jws;
mod key;
mod key_source;
mod keyring;
mod known_header;
mod limiter;
mod mark;
mod mint;
mod nonce;
mod notices;
mod own_keys;
mod people;
mod plain_json;
mod policy;
mod policy_changes;
mod possession;
mod reach;
mod reason;
mod record;
mod replay;
mod resource;
mod resource_request;
mod revoked;
mod scope;
mod sharing;
mod snapshot;
mod spend;
mod state;
mod subject_token;
mod sync;
mod target;
mod texts;
mod time;
mod token_cache;

pub use access_token::VerifiedToken;
pub use alg::Algorithm;
pub use client_documents::{ClientDocuments, Fetched};
pub use config::{Audit, Config, Date, Durability, IdpConfig, State as ConnectorState, Store, SubjectForm};
pub use directory::{Directory, Groups, Person};
pub use endpoint::{Challenge, PendingResponse, Response, TokenRequest};
pub use error::Error;
pub use exchange::{Builder, Exchange, Issued, Pending, Request, Stats};
pub use explain::{Checked, Explanation, Outcome, Rule, Scopes};
pub use id_jag::{IdJag, IdJagMinter};
pub use identity_provider::{IdToken, IdentityProvider};
pub use jwk::KeyProblem;
pub use jwks::{KeySet, KeySetProblem};
pub use key::{SigningKey, VerifyingKey};
pub use key_source::{FetchSettings, KeyOwner, KeySource, Sought, WantedKeys};
pub use notices::{Board, BoardUnavailable, Notice};
pub use reason::{Check, OAuthError, Reason, Refusal};
pub use record::{
    ConnectorChange, ConnectorSummary, Event, Fact, NoRecord, Note, Reach, Receipt, Record, RecordUnavailable,
};
pub use replay::{Claim, Claimed, MemoryReplay, Purpose, ReplayKey, ReplayStats, ReplayStore};
pub use resource_request::ResourceRequest;
pub use revoked::{Revocation, Standing};
pub use time::{Clock, SystemClock};

/// The README's Rust is compiled and run as documentation.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
