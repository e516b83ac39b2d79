//! The token endpoint (RFC 6749 section 3.2, RFC 7523) and what goes with it: the bytes of a request go in, status, headers
//! and body come out.
//!
//! No socket and no framework: whatever speaks HTTP hands over what it received, and sends what it gets. See
//! [`Exchange::handle`], [`Exchange::handle_revocation`] and [`Exchange::handle_introspection`]. The documents that clients
//! discover it by are [`Exchange::metadata`] and [`Exchange::protected_resource_metadata`]. An identity provider's token
//! endpoint is of the same make: [`IdentityProvider::handle`](crate::IdentityProvider::handle).
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
mod introspect;
mod limited;
mod metadata;
mod response;
mod revoke;
mod token;
mod token_exchange;

pub use self::challenge::Challenge;
pub use self::response::Response;
pub use self::token::PendingResponse;

use self::client_auth::{Door, Presented};
use self::form::Form;
use crate::config::Client;
use crate::exchange::{Exchange, Request};
use crate::reason::{Reason, Refusal};
use crate::record::Event;
use crate::state::State;
use crate::time::Moment;

/// A request to one of the endpoints, as it came.
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
    /// The client's certificate in DER, where TLS asked for one and the client proved that the key is its own. For clients
    /// with `tls_client_auth` only names are looked at here: chain, validity and revocation are for the TLS side to check.
    pub client_certificate: Option<&'a [u8]>,
    /// Who connects, for `limits.auth_failures_per_minute` and `_per_peer`: an IP address, with or without a port, or
    /// whatever else tells callers apart and none of them can choose. Of an IPv6 address the first 64 bits count.
    ///
    /// Behind a proxy this is not the address of the connection, which is the proxy's for all: then one caller's failures
    /// would lock the others out. It is what the proxy itself says, in a way that its own callers cannot; never a header
    /// that they may send. Where that is not to be had: `None`, and failures to prove a client are not limited here.
    /// One bucket for everybody would let anybody lock a client out.
    pub peer: Option<&'a str>,
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

impl<'a> TokenRequest<'a> {
    /// The form that it brings, and its `Authorization`.
    fn form(&self, max_body_bytes: usize) -> Result<(Form<'a>, Option<&'a [u8]>), Reason> {
        if self.method != "POST" {
            return Err(Reason::MethodNotAllowed);
        }
        if self.body.len() > max_body_bytes {
            return Err(Reason::BodyTooLarge);
        }
        // Whatever stands there is logged on the way: neither secrets nor assertions belong there (EMA 7.3).
        if self.target.contains('?') {
            return Err(Reason::QueryNotAllowed);
        }
        let media_type = self.header("content-type")?;
        if !media_type.is_some_and(form::is_media_type) {
            return Err(Reason::ContentTypeInvalid);
        }
        let authorization = self.header("authorization")?;
        Ok((Form::read(self.body)?, authorization))
    }

    /// The value of a header that may come once.
    fn header(&self, name: &str) -> Result<Option<&'a [u8]>, Reason> {
        let mut values = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| *value);
        if values.next().is_some() { Err(Reason::HeaderRepeated) } else { Ok(value) }
    }
}

impl Exchange {
    /// How many bytes a body may have (`limits.max_body_bytes`): a server need not read more than one beyond them.
    pub fn max_body_bytes(&self) -> usize {
        self.load().server.limits.max_body_bytes
    }

    /// What comes of a request that is refused before anything is decided: counted and recorded as a refused exchange is, at
    /// whichever endpoint, so that whoever tries secrets is seen.
    fn refuse_request(
        &self,
        state: &State,
        request: &TokenRequest<'_>,
        endpoint: &'static str,
        presented: &Presented,
        reason: Reason,
        moment: Moment,
    ) -> Refusal {
        self.count(0, 1);
        let client_id = presented.client_id();
        let asked = Request { client_id: &client_id, ..Request::default() };
        let event = Event { peer: request.peer, endpoint, ..state.event(&asked, moment) };
        state.record_refusal(reason, &event).until(presented.wait_s())
    }

    /// A request about a token (RFC 7009, RFC 7662): the client, proven, and the token that it names.
    fn about_a_token<'s>(
        &'s self,
        state: &'s State,
        request: &TokenRequest<'_>,
        now: i64,
        presented: &Presented,
    ) -> Result<(&'s Client, String), Reason> {
        let (form, authorization) = request.form(state.server.limits.max_body_bytes)?;
        let token = form.parameter("token")?.ok_or(Reason::TokenMissing)?;
        let door = Door::of(self, state);
        let client = presented.authenticate(&door, &form, authorization, request, now)?;
        Ok((client, token.into_owned()))
    }
}
