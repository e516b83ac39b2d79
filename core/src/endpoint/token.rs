//! The token endpoint itself (RFC 6749 section 3.2): an ID-JAG for an access token (RFC 7523 section 2.1).

use super::client_auth::{Door, Presented};
use super::response::Response;
use super::{TokenRequest, metadata::GRANT_TYPE};
use crate::exchange::{Exchange, Issued, Request};
use crate::reason::{Reason, Refusal};
use crate::state::State;

/// Why there is no token.
enum Refused {
    /// What the exchange said; it is on record already.
    Exchange(Refusal),
    /// There was no exchange.
    Request(Reason),
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self::Request(reason)
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
        match self.hand_out(&state, request, now, &presented) {
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

    fn hand_out(
        &self,
        state: &State,
        request: &TokenRequest<'_>,
        now: i64,
        presented: &Presented,
    ) -> Result<Issued, Refused> {
        let (form, authorization) = request.form(state.server.limits.max_body_bytes)?;
        if request.header("dpop")?.is_some() {
            // Not taken yet, and never ignored: the client would believe that its token is bound.
            return Err(Reason::ProofNotSupported.into());
        }
        let grant_type = form.parameter("grant_type")?.ok_or(Reason::GrantTypeMissing)?;
        if grant_type != GRANT_TYPE {
            return Err(Reason::GrantTypeUnsupported.into());
        }
        let assertion = form.parameter("assertion")?.ok_or(Reason::AssertionMissing)?;
        if form.has("authorization_details") {
            return Err(Reason::AuthorizationDetailsRequested.into());
        }
        let (resource, scope) = (form.resources()?, form.parameter("scope")?);
        let resource: Vec<&str> = resource.iter().map(AsRef::as_ref).collect();
        let door = Door::of(self, state);
        let client = presented.authenticate(door, &form, authorization, request.client_certificate, now)?;
        let asked = Request {
            assertion: assertion.as_bytes(),
            client_id: &client.id,
            resource: &resource,
            scope: scope.as_deref(),
        };
        let pending = self.decide_on(state, &asked, now).map_err(Refused::Exchange)?;
        pending.finish().map_err(Refused::Exchange)
    }
}
