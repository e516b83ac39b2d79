//! The metadata document of a client whose `client_id` is its URL (draft-ietf-oauth-client-id-metadata-document, RFC 7591
//! section 2): who fetches it, and what is taken from it.
//!
//! Nothing is fetched here. [`ClientDocuments`] is what a host implements; when it is asked is for the token endpoint to
//! say, and that is late: see [`crate::Exchange::handle`].

use std::sync::Arc;

use crate::config::{Documented, DocumentedMethod, asymmetric_algorithms};
use crate::json::{Document, Memory, Object, Parser, Value};
use crate::json_writer::JsonWriter;
use crate::jwks::KeySet;
use crate::reason::Reason;

/// Bytes of a document, at most. The draft advises 5 KiB; keys may stand in it.
const MAX_DOCUMENT: usize = 16_384;

/// `grant_types` that a document must list (RFC 7523 section 2.1).
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The profile that it must list where it lists profiles (draft-ietf-oauth-identity-assertion-authz-grant section 7).
const GRANT_PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";

/// What was to be had at a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fetched {
    /// The body of an answer with status 200.
    Found(Arc<[u8]>),
    /// There is no such document: the client is refused.
    Absent,
    /// It could not be asked, or did not answer: the client is told to try again.
    Unavailable,
}

/// Fetches what clients publish of themselves. Called on the request's thread, for https URLs of the configured origins
/// only, and only for a request whose assertion has passed every check but single use.
///
/// An implementation follows no redirect, connects to no private address, bounds size and time, and caches: what is not
/// spent may be asked for again.
pub trait ClientDocuments: Send + Sync {
    /// The client's metadata document.
    fn document(&self, url: &str) -> Fetched;

    /// The JWK Set that a document names as its `jwks_uri`, at the document's own origin.
    fn keys(&self, url: &str) -> Fetched;
}

/// What a document says, as far as it is of use here.
#[derive(Debug)]
pub(crate) struct ClientDocument {
    pub(crate) method: DocumentedMethod,
    /// With `private_key_jwt`.
    pub(crate) keys: Option<KeySet>,
}

impl ClientDocument {
    /// Fetches and reads the document at `url`, and the keys that it names.
    pub(crate) fn fetch(
        url: &str,
        documents: Option<&dyn ClientDocuments>,
        documented: &Documented,
    ) -> Result<Self, Reason> {
        let origin = documented.origin_of(url).ok_or(Reason::ClientUnknown)?;
        let documents = documents.ok_or(Reason::ClientDocumentUnavailable)?;
        let text = match documents.document(url) {
            Fetched::Found(text) => text,
            Fetched::Absent => return Err(Reason::ClientDocumentMissing),
            Fetched::Unavailable => return Err(Reason::ClientDocumentUnavailable),
        };
        let (method, source) = read(&text, url, documented)?;
        let keys = match source {
            None => None,
            Some(Source::Inline(text)) => Some(key_set(text.as_bytes())?),
            // The draft lets keys be anywhere; then any document could have any origin asked.
            Some(Source::Uri(uri)) if documented.origin_of(&uri) != Some(origin) => {
                return Err(Reason::ClientDocumentInvalid);
            }
            Some(Source::Uri(uri)) => match documents.keys(&uri) {
                Fetched::Found(text) => Some(key_set(&text)?),
                Fetched::Absent => return Err(Reason::ClientDocumentInvalid),
                Fetched::Unavailable => return Err(Reason::ClientKeysUnavailable),
            },
        };
        Ok(Self { method, keys })
    }
}

/// Where the keys are.
enum Source {
    Inline(String),
    Uri(String),
}

fn key_set(text: &[u8]) -> Result<KeySet, Reason> {
    let algorithms: Vec<_> = asymmetric_algorithms().collect();
    KeySet::succeed(None, text, &algorithms).map_err(|_| Reason::ClientDocumentInvalid)
}

fn read(
    text: &[u8],
    url: &str,
    documented: &Documented,
) -> Result<(DocumentedMethod, Option<Source>), Reason> {
    const INVALID: Reason = Reason::ClientDocumentInvalid;
    if text.len() > MAX_DOCUMENT {
        return Err(INVALID);
    }
    let (mut parser, mut memory) = (Parser::default(), Memory::default());
    let document = Document::read(text, &mut parser, &mut memory).map_err(|_| INVALID)?;
    let document = document.object();
    let string = |name: &str| document.member(name).map(|value| value.string().ok_or(INVALID)).transpose();
    // Simple string comparison (section 4 of the draft).
    if string("client_id")? != Some(url) {
        return Err(INVALID);
    }
    // What is published is no secret (section 4.1).
    if document.member("client_secret").is_some() || document.member("client_secret_expires_at").is_some() {
        return Err(INVALID);
    }
    // Without it RFC 7591 means the authorization code alone.
    if !lists(document, "grant_types", GRANT_TYPE)?.unwrap_or(false)
        || !lists(document, "authorization_grant_profiles_supported", GRANT_PROFILE)?.unwrap_or(true)
    {
        return Err(INVALID);
    }
    // Without it RFC 7591 means a secret.
    let method = match string("token_endpoint_auth_method")?.and_then(DocumentedMethod::read) {
        Some(method) if documented.methods.contains(&method) => method,
        Some(DocumentedMethod::None) => return Err(Reason::ClientPublic),
        _ => return Err(Reason::ClientDocumentMethodNotAllowed),
    };
    if method == DocumentedMethod::None {
        return Ok((method, None));
    }
    let source = match (document.member("jwks"), string("jwks_uri")?) {
        (Some(jwks), None) if jwks.object().is_some() => {
            let mut text = JsonWriter::default();
            jwks.write(&mut text);
            Source::Inline(text.into_string())
        }
        (None, Some(uri)) => Source::Uri(uri.to_owned()),
        // RFC 7591 section 2: never both.
        _ => return Err(INVALID),
    };
    Ok((method, Some(source)))
}

/// Whether the array of strings `name` has `entry`; `None` where there is no such member.
fn lists(document: Object<'_, '_>, name: &str, entry: &str) -> Result<Option<bool>, Reason> {
    let Some(value) = document.member(name) else {
        return Ok(None);
    };
    let mut entries = value.array().ok_or(Reason::ClientDocumentInvalid)?;
    if !entries.clone().all(|entry| entry.string().is_some()) {
        return Err(Reason::ClientDocumentInvalid);
    }
    Ok(Some(entries.any(|known| Value::string(known) == Some(entry))))
}
