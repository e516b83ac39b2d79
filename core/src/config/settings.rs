//! The sections that set up the server itself: endpoints, tokens, limits, dpop, audit, compat.
//!
//! Every section may be left out except `tokens`, which has the signing keys.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::Inputs;
use super::document::Value;
use super::rates::Rates;
use super::reader::{Field, Section};
use super::uri;
use crate::alg::Algorithm;
use crate::error::Error;
use crate::json::MAX_DEPTH;
use crate::key::SigningKey;
use crate::key_source::FetchSettings;
use crate::reason::OAuthError;

/// Where the endpoints are: absolute URLs.
#[derive(Debug)]
pub(crate) struct Endpoints {
    pub(crate) token: String,
    pub(crate) jwks: String,
    pub(crate) revoke: String,
    pub(crate) introspect: String,
    pub(crate) authorize: String,
}

impl Endpoints {
    /// Reads `endpoints`; what is left out is the issuer, a slash, and the name.
    pub(super) fn read(root: &Section<'_>, issuer: &str) -> Result<Self, Error> {
        let section = root.section("endpoints", &["token", "jwks", "revoke", "introspect", "authorize"])?;
        let url = |name: &str, read: fn(&Field<'_>) -> Result<String, Error>| match section.optional(name) {
            Some(field) => read(&field),
            None => Ok(format!("{}/{name}", issuer.strip_suffix('/').unwrap_or(issuer))),
        };
        Ok(Self {
            token: url("token", uri::endpoint_without_query)?,
            jwks: url("jwks", uri::endpoint)?,
            revoke: url("revoke", uri::endpoint_without_query)?,
            introspect: url("introspect", uri::endpoint_without_query)?,
            authorize: url("authorize", uri::endpoint)?,
        })
    }
}

/// How access tokens are made.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// What `keys[0]` signs with.
    pub(crate) algorithm: Algorithm,
    /// How long a token lives, in seconds.
    pub(crate) ttl_s: i64,
    /// The first signs; all verify. Never empty.
    pub(crate) keys: Vec<SigningKey>,
    /// Whether they were made now and are kept nowhere.
    pub(crate) ephemeral: bool,
    /// Whether a token carries the person's email address.
    pub(crate) email: bool,
}

impl Tokens {
    /// Reads `tokens` and the key files that it names.
    pub(super) fn read(root: &Section<'_>, inputs: &mut Inputs<'_>) -> Result<Self, Error> {
        let section = root.section("tokens", &["algorithm", "ttl_s", "keys", "email"])?;
        let algorithm = section.word(
            "algorithm",
            &[
                ("EdDSA", Algorithm::EdDSA),
                ("ES256", Algorithm::ES256),
                ("RS256", Algorithm::RS256),
                ("HS256", Algorithm::HS256),
            ],
            Algorithm::EdDSA,
        )?;
        let keys = section.required("keys", KEYS)?;
        Ok(Self {
            algorithm,
            ttl_s: section.integer("ttl_s", 1..=86_400, 3600)?,
            ephemeral: matches!(&keys.node().value, Value::String(_)),
            keys: signing_keys(&keys, algorithm, "every access token", inputs)?,
            email: section.boolean("email", false)?,
        })
    }
}

/// Reads `fetch`.
pub(super) fn fetch(root: &Section<'_>, inputs: &mut Inputs<'_>) -> Result<FetchSettings, Error> {
    let section = root.section("fetch", &["enabled", "max_stale_s", "cache", "ca_file"])?;
    let default = FetchSettings::default();
    Ok(FetchSettings {
        enabled: section.boolean("enabled", default.enabled)?,
        max_stale_s: section.integer("max_stale_s", 0..=604_800, default.max_stale_s)?,
        cache: section.text("cache")?.map(PathBuf::from),
        authorities: section.optional("ca_file").map(|field| inputs.file(&field)).transpose()?,
        local_documents: default.local_documents,
    })
}

/// What `tokens.keys` may be.
pub(super) const KEYS: &str = "a list of files, each one private JWK, or \"ephemeral\"";

/// The keys of `tokens.keys`, of which the first is for `algorithm`; `signed` is what they sign.
pub(super) fn signing_keys(
    keys: &Field<'_>,
    algorithm: Algorithm,
    signed: &str,
    inputs: &mut Inputs<'_>,
) -> Result<Vec<SigningKey>, Error> {
    match &keys.node().value {
        Value::String(word) if word == "ephemeral" => {
            inputs.warn(&keys.error(format!(
                "the signing key is made at start and kept nowhere; a restart makes {signed} invalid",
            )));
            let key = SigningKey::generate(algorithm).map_err(|error| keys.error(error.to_string()))?;
            return Ok(vec![key]);
        }
        Value::String(text) => {
            return Err(keys.error(format!("`{text}` is neither; allowed: {KEYS}")));
        }
        _ => {}
    }
    let files = keys.items()?;
    if files.is_empty() {
        return Err(keys.error(format!("must not be empty; allowed: {KEYS}")));
    }
    let mut loaded: Vec<SigningKey> = Vec::with_capacity(files.len());
    for file in &files {
        let text = Zeroizing::new(inputs.file(file)?);
        let key = SigningKey::from_jwk(&text)
            .map_err(|error| file.error(format!("`{}`: {error}", file.text().unwrap_or_default())))?;
        if loaded.is_empty() && key.algorithm() != algorithm {
            return Err(file.error(format!(
                "the first key signs, so it must be for `tokens.algorithm` {}; this one is for {}",
                algorithm.name(),
                key.algorithm().name()
            )));
        }
        if loaded.iter().any(|other| other.kid() == key.kid()) {
            return Err(file.error(format!("another key has the same `kid`, `{}`", key.kid())));
        }
        loaded.push(key);
    }
    Ok(loaded)
}

/// What is refused for its size, its age, or because it comes too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How far clocks may differ, in seconds.
    pub(crate) leeway_s: i64,
    /// How long an assertion may live, and how old it may be, in seconds.
    pub(crate) max_lifetime_s: i64,
    pub(crate) max_assertion_bytes: usize,
    pub(crate) max_body_bytes: usize,
    pub(crate) max_act_depth: usize,
    pub(crate) max_jti_chars: usize,
    pub(crate) rates: Rates,
}

/// `max_lifetime_s`, here and for one IdP.
pub(super) const LIFETIME_S: std::ops::RangeInclusive<i64> = 1..=3600;

/// `act` and the object around it are all that JSON may nest.
const MAX_ACT_DEPTH: i64 = MAX_DEPTH as i64 - 1;

impl Limits {
    /// Reads `limits`.
    pub(super) fn read(root: &Section<'_>, inputs: &mut Inputs<'_>) -> Result<Self, Error> {
        let section = root.section(
            "limits",
            &[
                "leeway_s",
                "max_lifetime_s",
                "max_assertion_bytes",
                "max_body_bytes",
                "max_act_depth",
                "max_jti_chars",
                "auth_failures_per_minute",
                "auth_failures_per_minute_per_peer",
                "refusals_per_minute",
            ],
        )?;
        let size = |key: &str, range, default| {
            // The ranges are small and positive, so every number within them fits.
            section.integer(key, range, default).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
        };
        let limits = Self {
            leeway_s: section.integer("leeway_s", 0..=300, 30)?,
            max_lifetime_s: section.integer("max_lifetime_s", LIFETIME_S, 300)?,
            max_assertion_bytes: size("max_assertion_bytes", 256..=1_048_576, 16_384)?,
            max_body_bytes: size("max_body_bytes", 1024..=16_777_216, 65_536)?,
            max_act_depth: size("max_act_depth", 0..=MAX_ACT_DEPTH, 5)?,
            max_jti_chars: size("max_jti_chars", 16..=1024, 256)?,
            rates: Rates::read(&section, inputs)?,
        };
        if limits.max_body_bytes < limits.max_assertion_bytes {
            return Err(section.error(format!(
                "max_body_bytes ({}) must not be below max_assertion_bytes ({}): a body carries an assertion",
                limits.max_body_bytes, limits.max_assertion_bytes
            )));
        }
        Ok(limits)
    }
}

/// Proofs of possession (RFC 9449).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dpop {
    /// Whether a proof must have a nonce of ours (RFC 9449 sections 8 and 9).
    pub(crate) nonce: bool,
}

impl Dpop {
    /// Reads `dpop`.
    pub(super) fn read(root: &Section<'_>) -> Result<Self, Error> {
        let section = root.section("dpop", &["nonce"])?;
        Ok(Self { nonce: section.boolean("nonce", false)? })
    }
}

/// The record of exchanges, as it was asked for (`audit`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Audit {
    /// `audit = "off"`: said aloud.
    Off,
    /// A record in a folder.
    Record {
        /// The folder, relative to the file that the configuration came from.
        path: String,
        /// How an answer waits for the disk.
        durability: Durability,
        /// How a person is named.
        subject: SubjectForm,
        /// Segments that are older than so many days are removed; `None`: everything is kept.
        keep_days: Option<u32>,
    },
}

/// How an answer waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The record is on disk before the answer.
    Sync,
    /// The answer precedes the disk by at most this many milliseconds.
    GroupMs(u32),
    /// The answer waits for nothing.
    Async,
}

/// How the record names a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectForm {
    /// As the IdP does: `sub`.
    Plain,
    /// By an HMAC of issuer, tenant and `sub`: the same person is the same text, and nobody reads who it is.
    Hmac,
    /// Not at all.
    Omit,
}

impl Audit {
    /// Reads `audit`, which nobody leaves out without saying so.
    pub(super) fn read(root: &Section<'_>) -> Result<Self, Error> {
        let field = root.required(
            "audit",
            "`[audit]` with `path = \"audit\"`, the folder of the record; or `audit = \"off\"`",
        )?;
        match &field.node().value {
            Value::String(word) if word == "off" => return Ok(Self::Off),
            Value::Table(_) => {}
            Value::String(word) => {
                return Err(field.error(format!("unknown value `{word}`; allowed: a table, or \"off\"")));
            }
            _ => return Err(field.type_error("a table, or \"off\"")),
        }
        let section = field.section(&["path", "durability", "subject", "keep_days"])?;
        Ok(Self::Record {
            path: section.optional("path").as_ref().map_or(Ok("audit"), Field::text)?.to_owned(),
            durability: section
                .optional("durability")
                .map_or(Ok(Durability::Sync), |field| durability(&field))?,
            subject: section.word(
                "subject",
                &[("plain", SubjectForm::Plain), ("hmac", SubjectForm::Hmac), ("omit", SubjectForm::Omit)],
                SubjectForm::Plain,
            )?,
            keep_days: section
                .optional("keep_days")
                .map(|field| field.integer(KEEP_DAYS))
                .transpose()?
                .map(|days| u32::try_from(days).unwrap_or(u32::MAX)),
        })
    }
}

/// From a day on, which is longer than anything is needed at a start, to a hundred years.
const KEEP_DAYS: std::ops::RangeInclusive<i64> = 1..=36_500;

fn durability(field: &Field<'_>) -> Result<Durability, Error> {
    const ALLOWED: &str = "sync, async, { group_ms = N }";
    match &field.node().value {
        Value::String(word) => match word.as_str() {
            "sync" => Ok(Durability::Sync),
            "async" => Ok(Durability::Async),
            _ => Err(field.error(format!("unknown value `{word}`; allowed: {ALLOWED}"))),
        },
        Value::Table(_) => {
            let section = field.section(&["group_ms"])?;
            let group_ms = section.required("group_ms", "1 to 60000")?.integer(1..=60_000)?;
            Ok(Durability::GroupMs(u32::try_from(group_ms).unwrap_or(u32::MAX)))
        }
        _ => Err(field.type_error(&format!("one of: {ALLOWED}"))),
    }
}

/// Where specifications and peers differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compat {
    /// The code for a resource that is not served: `invalid_grant` or `invalid_target`.
    pub(crate) resource_mismatch: OAuthError,
    /// The code for a person without access: `access_denied` or `invalid_grant`.
    pub(crate) missing_access: OAuthError,
    /// Accepted as `aud` beside the issuer, byte for byte.
    pub(crate) audience_aliases: Vec<String>,
}

impl Compat {
    /// Reads `compat`.
    pub(super) fn read(root: &Section<'_>, inputs: &mut Inputs<'_>) -> Result<Self, Error> {
        let section = root.section("compat", &["resource_mismatch", "missing_access", "audience_aliases"])?;
        let resource_mismatch = [OAuthError::InvalidGrant, OAuthError::InvalidTarget];
        let missing_access = [OAuthError::AccessDenied, OAuthError::InvalidGrant];
        let compat = Self {
            resource_mismatch: section.word(
                "resource_mismatch",
                &resource_mismatch.map(|error| (error.as_str(), error)),
                OAuthError::InvalidGrant,
            )?,
            missing_access: section.word(
                "missing_access",
                &missing_access.map(|error| (error.as_str(), error)),
                OAuthError::AccessDenied,
            )?,
            audience_aliases: section.texts("audience_aliases")?,
        };
        if let Some(field) = section.optional("audience_aliases")
            && !compat.audience_aliases.is_empty()
        {
            inputs.warn(&field.error(format!(
                "assertions for another audience are accepted: {}",
                compat.audience_aliases.join(", ")
            )));
        }
        Ok(compat)
    }
}
