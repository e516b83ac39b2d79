//! The token endpoint itself (RFC 6749 section 3.2): an ID-JAG for an access token (RFC 7523 section 2.1).

use super::client_auth::Presented;
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
    /// A client that is known by its document (`[client_documents]`) comes in another order: its assertion has to pass every
    /// check, single use among them, before the document is asked for. Such a client names itself in `client_id`.
    ///
    /// Never panics and never fails: what cannot be answered otherwise is an OAuth error (RFC 6749 section 5.2). What the
    /// request says of the assertion, `resource`, `scope` and `authorization_details`, means what it means to
    /// [`Exchange::exchange`].
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
        let (resource, scope) = (form.resources()?, form.parameter("scope")?);
        let details = form.parameter("authorization_details")?;
        let resource: Vec<&str> = resource.iter().map(AsRef::as_ref).collect();
        let asked = Request {
            assertion: assertion.as_bytes(),
            client_id: "",
            resource: &resource,
            scope: scope.as_deref(),
            authorization_details: details.as_deref(),
        };
        let documented = presented.documented(state, &form, authorization)?;
        let client_id = if let Some(url) = &documented {
            // Who such a client is has to be fetched, and nobody makes us fetch but an IdP that is trusted: with an assertion
            // that would be exchanged if the client were proven.
            self.foresee(state, &Request { client_id: url, ..asked }, now).map_err(Refused::Exchange)?;
            Presented::by_document(self, state, &form, url, now)?;
            url
        } else {
            let certificate = request.client_certificate;
            &*presented.authenticate(self, state, &form, authorization, certificate, now)?.id
        };
        let asked = Request { client_id, ..asked };
        let pending = self.decide_on(state, &asked, now).map_err(Refused::Exchange)?;
        pending.finish().map_err(Refused::Exchange)
    }
}
