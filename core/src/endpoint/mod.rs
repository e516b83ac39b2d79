//! The token endpoint (RFC 6749 section 3.2, RFC 7523): the bytes of a request go in, status, headers and body come out.
//!
//! No socket and no framework: whatever speaks HTTP hands over what it received, and sends what it gets. See
//! [`Exchange::handle`]. The documents that clients discover it by are [`Exchange::metadata`] and
//! [`Exchange::protected_resource_metadata`].
//!
//! A whole server, `examples/token_endpoint.rs`:
//!
//! ```no_run
#![doc = include_str!("../../examples/token_endpoint.rs")]
//! ```

mod basic;
mod challenge;
mod client_assertion;
mod client_auth;
mod form;
mod metadata;
mod response;

pub use self::challenge::Challenge;
pub use self::response::Response;

use self::client_auth::Presented;
use self::form::Form;
use crate::exchange::{Exchange, Issued, Request};
use crate::reason::Reason;
use crate::state::State;

/// `grant_type` of an ID-JAG (RFC 7523 section 2.1).
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A request to the token endpoint, as it came.
#[derive(Clone, Copy, Default)]
pub struct TokenRequest<'a> {
    /// The method, `POST`.
    pub method: &'a str,
    /// The request target: path, and query if there is one.
    pub target: &'a str,
    /// Name and value of each header, in order; names in any case. A header that came twice stands twice.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body. One that was cut off at `limits.max_body_bytes` plus one is refused as the whole would be.
    pub body: &'a [u8],
    /// The client's certificate in DER, where TLS asked for one and the client proved that the key is its own.
    pub client_certificate: Option<&'a [u8]>,
}

impl std::fmt::Debug for TokenRequest<'_> {
    /// Without headers and body: they hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenRequest")
            .field("method", &self.method)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl TokenRequest<'_> {
    /// The value of a header that may come once.
    fn header(&self, name: &str) -> Result<Option<&[u8]>, Reason> {
        let mut values = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| *value);
        if values.next().is_some() { Err(Reason::HeaderRepeated) } else { Ok(value) }
    }
}

impl Exchange {
    /// Answers a request to the token endpoint: authenticates the client, exchanges the assertion.
    ///
    /// Never panics and never fails: what cannot be answered otherwise is an OAuth error (RFC 6749 section 5.2). What the
    /// request says of the assertion, `resource` and `scope`, means what it means to [`Exchange::exchange`].
    pub fn handle(&self, request: &TokenRequest<'_>) -> Response {
        let now = self.now();
        let state = self.load();
        let presented = Presented::default();
        match self.answer(&state, request, now, &presented) {
            Ok(issued) => Response::token(&issued),
            Err(Refused::Exchange(refusal)) => Response::error(refusal, &state.server.issuer, false),
            Err(Refused::Request(reason)) => {
                self.count(0, 1);
                let asked = Request { client_id: &presented.client_id(), ..Request::default() };
                let refusal = state.record_refusal(reason, &state.event(&asked, now));
                Response::error(refusal, &state.server.issuer, presented.used_basic())
            }
        }
    }

    fn answer(
        &self,
        state: &State,
        request: &TokenRequest<'_>,
        now: i64,
        presented: &Presented,
    ) -> Result<Issued, Refused> {
        if request.method != "POST" {
            return Err(Reason::MethodNotAllowed.into());
        }
        if request.body.len() > state.server.limits.max_body_bytes {
            return Err(Reason::BodyTooLarge.into());
        }
        // Whatever stands there is logged on the way: neither secrets nor assertions belong there (EMA 7.3).
        if request.target.contains('?') {
            return Err(Reason::QueryNotAllowed.into());
        }
        let media_type = request.header("content-type")?;
        if !media_type.is_some_and(form::is_media_type) {
            return Err(Reason::ContentTypeInvalid.into());
        }
        let authorization = request.header("authorization")?;
        if request.header("dpop")?.is_some() {
            // Not taken yet, and never ignored: the client would believe that its token is bound.
            return Err(Reason::ProofNotSupported.into());
        }
        let form = Form::read(request.body)?;
        let grant_type = form.grant_type().ok_or(Reason::GrantTypeMissing)?;
        if grant_type != GRANT_TYPE {
            return Err(Reason::GrantTypeUnsupported.into());
        }
        let assertion = form.assertion().ok_or(Reason::AssertionMissing)?;
        if form.authorization_details().is_some() {
            return Err(Reason::AuthorizationDetailsRequested.into());
        }
        let client =
            presented.authenticate(self, state, &form, authorization, request.client_certificate, now)?;
        let resource: Vec<&str> = form.resources().collect();
        let asked = Request {
            assertion: assertion.as_bytes(),
            client_id: &client.id,
            resource: &resource,
            scope: form.scope(),
        };
        let pending = self.decide_on(state, &asked, now).map_err(Refused::Exchange)?;
        pending.finish().map_err(Refused::Exchange)
    }
}

/// Why there is no token.
enum Refused {
    /// What the exchange said; it is on record already.
    Exchange(crate::reason::Refusal),
    /// There was no exchange.
    Request(Reason),
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self::Request(reason)
    }
}
