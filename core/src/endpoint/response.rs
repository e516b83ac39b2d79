//! What goes back: status, headers, body (RFC 6749 sections 5.1 and 5.2).

use std::borrow::Cow;

use crate::exchange::Issued;
use crate::json_writer::JsonWriter;
use crate::reason::{Reason, Refusal};

/// An HTTP response, but for the length of its body.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "the client waits for it"]
pub struct Response {
    status: u16,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    body: String,
    slug: Option<&'static str>,
}

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Name and value of each header, in order.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, &**value))
    }

    /// The value of the header `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.body.as_bytes()
    }

    /// Why it is a refusal. For logs; nothing of it is in the response.
    pub fn slug(&self) -> Option<&'static str> {
        self.slug
    }

    /// The answer that hands a token out (RFC 6749 section 5.1, RFC 8707 section 2, RFC 9396 section 7). Never a refresh token: the next
    /// assertion is the IdP's to refuse.
    pub(super) fn token(issued: &Issued) -> Self {
        let mut json = JsonWriter::with_room(issued.text_len() + 128);
        json.object(|json| {
            json.token("access_token", issued.access_token());
            json.member("token_type", issued.token_type());
            json.number("expires_in", issued.expires_in_s());
            json.member("scope", issued.scope());
            json.member("resource", issued.resource());
            if let Some(details) = issued.authorization_details() {
                json.name("authorization_details");
                json.literal(details);
            }
        });
        Self::ok(json.into_string())
    }

    /// The same with a nonce for the next proof (RFC 9449 section 8).
    pub(super) fn with_nonce(mut self, nonce: Option<String>) -> Self {
        self.headers.extend(nonce.map(|nonce| ("dpop-nonce", nonce.into())));
        self
    }

    /// An answer that is JSON.
    pub(super) fn ok(body: String) -> Self {
        Self { status: 200, headers: json_headers(), body, slug: None }
    }

    /// It is done, and there is nothing to say.
    pub(super) fn empty() -> Self {
        Self {
            status: 200,
            headers: vec![("cache-control", "no-store".into())],
            body: String::new(),
            slug: None,
        }
    }

    /// The answer to a refusal. `basic`: the client tried that scheme and is told its name.
    pub(super) fn error(refusal: Refusal, issuer: &str, basic: bool) -> Self {
        let mut json = JsonWriter::default();
        json.object(|json| {
            json.member("error", refusal.oauth_error().as_str());
            json.member("error_description", refusal.description());
        });
        let mut headers = json_headers();
        if let Some(seconds) = refusal.retry_after_s() {
            headers.push(("retry-after", seconds.to_string().into()));
        }
        let status = match refusal.reason() {
            Reason::MethodNotAllowed => {
                headers.push(("allow", "POST".into()));
                405
            }
            Reason::BodyTooLarge => 413,
            _ => refusal.http_status(),
        };
        if status == 401 && basic {
            // An issuer identifier is a URL: nothing in it needs an escape.
            headers.push(("www-authenticate", format!("Basic realm=\"{issuer}\"").into()));
        }
        Self { status, headers, body: json.into_string(), slug: Some(refusal.slug()) }
    }
}

impl std::fmt::Debug for Response {
    /// Without the body: it may hold a token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("slug", &self.slug)
            .finish_non_exhaustive()
    }
}

fn json_headers() -> Vec<(&'static str, Cow<'static, str>)> {
    // `Pragma` for caches of HTTP/1.0, as RFC 6749 section 5.1 asks.
    [("content-type", "application/json"), ("cache-control", "no-store"), ("pragma", "no-cache")]
        .map(|(name, value)| (name, Cow::Borrowed(value)))
        .into()
}
