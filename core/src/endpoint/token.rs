//! The token endpoint itself (RFC 6749 section 3.2): an ID-JAG for an access token (RFC 7523 section 2.1).

use std::fmt;

use super::TokenRequest;
use super::client_auth::{Door, Presented};
use super::limited::Tries;
use super::metadata::GRANT_TYPE;
use super::response::Response;
use crate::dpop;
use crate::exchange::{Exchange, Pending, Proven, Request};
use crate::reason::{Reason, Refusal};
use crate::record::{Event, Receipt};
use crate::state::State;
use crate::time::Moment;

/// Another name for the same grant, where a proof of possession comes with it (draft-parecki-oauth-jwt-dpop-grant).
const GRANT_TYPE_WITH_PROOF: &str = "urn:ietf:params:oauth:grant-type:jwt-dpop";

/// What the token endpoint answers once the record is as durable as it promises: see [`Exchange::decide_request`].
///
/// Dropping it answers nothing; what was spent stays spent.
#[must_use = "the jti is spent; `finish` gives the answer"]
pub struct PendingResponse(Answer);

enum Answer {
    /// Nothing has to be waited for.
    Made(Response),
    /// A token, and a nonce for the client's next proof.
    Granted { pending: Pending, nonce: Option<String> },
}

impl PendingResponse {
    /// What [`finish`](Self::finish) waits for; none where it has nothing to wait for.
    pub const fn receipt(&self) -> Option<Receipt> {
        match &self.0 {
            Answer::Made(_) => None,
            Answer::Granted { pending, .. } => Some(pending.receipt()),
        }
    }

    /// Signs the token, waits until its record is as durable as it promises, and gives the answer.
    pub fn finish(self) -> Response {
        match self.0 {
            Answer::Made(response) => response,
            Answer::Granted { pending, nonce } => match pending.finish() {
                Ok(issued) => Response::token(&issued).with_nonce(nonce),
                // There is no answer at present, which has nothing to do with who asks.
                Err(refusal) => Response::error(refusal, "", false),
            },
        }
    }
}

impl From<Response> for PendingResponse {
    /// One that is made, and has nothing to wait for.
    fn from(response: Response) -> Self {
        Self(Answer::Made(response))
    }
}

impl fmt::Debug for PendingResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingResponse").field("receipt", &self.receipt()).finish_non_exhaustive()
    }
}

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
    /// Answers a request to the token endpoint: authenticates the client, exchanges the assertion. With a DPoP proof (RFC
    /// 9449 section 5), whose `htu` is `endpoints.token`, the token is bound to the proof's key.
    ///
    /// A client that is known by its document (`[client_documents]`) comes in another order: its assertion has to pass every
    /// check, single use among them, before the document is asked for. Such a client names itself in `client_id`.
    ///
    /// Never panics and never fails: what cannot be answered otherwise is an OAuth error (RFC 6749 section 5.2). What the
    /// request says of the assertion, `resource`, `scope` and `authorization_details`, means what it means to
    /// [`Exchange::exchange`].
    pub fn handle(&self, request: &TokenRequest<'_>) -> Response {
        self.decide_request(request).finish()
    }

    /// The first half of [`handle`](Self::handle), for who may not wait for a disk: everything but the signature and the
    /// waiting. As [`decide`](Self::decide) does, it spends the `jti` and queues the record.
    pub fn decide_request(&self, request: &TokenRequest<'_>) -> PendingResponse {
        let moment = self.begin();
        let now = moment.at();
        self.answered(|state, presented| {
            let refused = match self.grant(state, request, moment, presented) {
                Ok((pending, renews_nonce)) => {
                    let nonce = if renews_nonce { self.nonces.at(now) } else { None };
                    return Some(PendingResponse(Answer::Granted { pending, nonce }));
                }
                Err(refused) => refused,
            };
            let response = match refused {
                Refused::Exchange(refusal) => Response::error(refusal, &state.server.issuer, false),
                Refused::Request(_) if presented.lacks_keys() => return None,
                Refused::Request(reason) => {
                    let refusal = self.refuse_request(state, request, "", presented, reason, moment);
                    let nonce = if reason == Reason::DpopNonceRequired { self.nonces.at(now) } else { None };
                    Response::error(refusal, &state.server.issuer, presented.used_basic()).with_nonce(nonce)
                }
            };
            Some(response.into())
        })
    }

    /// What was granted, and whether the client needs another nonce for its next proof.
    fn grant(
        &self,
        state: &State,
        request: &TokenRequest<'_>,
        moment: Moment,
        presented: &Presented,
    ) -> Result<(Pending, bool), Refused> {
        let now = moment.at();
        let (form, authorization) = request.form(state.server.limits.max_body_bytes)?;
        let dpop = request.header("dpop")?;
        let grant_type = form.parameter("grant_type")?.ok_or(Reason::GrantTypeMissing)?;
        match &*grant_type {
            GRANT_TYPE => {}
            GRANT_TYPE_WITH_PROOF if dpop.is_some() => {}
            GRANT_TYPE_WITH_PROOF => return Err(Reason::DpopMissing.into()),
            _ => return Err(Reason::GrantTypeUnsupported.into()),
        }
        if !state.keyring.is_in_use() {
            return Err(Reason::GrantTypeUnsupported.into());
        }
        let assertion = form.parameter("assertion")?.ok_or(Reason::AssertionMissing)?;
        let (resource, scope) = (form.resources()?, form.parameter("scope")?);
        let details = form.parameter("authorization_details")?;
        let resource: Vec<&str> = resource.iter().map(AsRef::as_ref).collect();
        let door = Door::of(self, state);
        let tries = Tries { door: &door, peer: request.peer, now };
        let documented = presented.documented(&door, &form, authorization, request, now)?;
        let client_id = match &documented {
            // Not proven yet: see below.
            Some(url) => url,
            None => &*presented.authenticate(&door, &form, authorization, request, now)?.id,
        };
        let told = |refusal| match &documented {
            Some(url) => Refused::Exchange(tries.tell_unproven(url, refusal)),
            None => Refused::Exchange(door.tell_refused(client_id, refusal, now)),
        };
        let asked = Request {
            assertion: assertion.as_bytes(),
            client_id,
            resource: &resource,
            scope: scope.as_deref(),
            authorization_details: details.as_deref(),
        };
        // Not before the client has proven itself, where it can: nobody else makes us verify signatures.
        let proof = dpop
            .map(|proof| {
                let url = &state.server.endpoints.token;
                let memory = self.memory();
                let rules = self.proof_rules(state, &memory, now, request.method, url);
                // Its line is waited for, so that a record knows of every proof that got a token.
                let began = state.server.refuses_older.then_some(self.began(&memory));
                dpop::verify(proof, &dpop::Rules { began, ..rules })
            })
            .transpose()
            .map_err(|reason| {
                // The first half of a handshake (RFC 9449 section 8), not a fault to be counted.
                if reason == Reason::DpopNonceRequired {
                    return Refused::Request(reason);
                }
                self.count(0, 1);
                let event = Event { peer: request.peer, ..state.event(&asked, moment) };
                told(state.record_refusal(reason, &event))
            })?;
        let proven =
            Proven { proof: proof.as_ref(), certificate: request.client_certificate, peer: request.peer };
        if let Some(url) = &documented {
            // Who such a client is has to be fetched, and nobody makes us fetch but an IdP that is trusted: with an assertion
            // that would be exchanged if the client were proven.
            self.foresee(state, &asked, proven, moment).map_err(told)?;
            let _waiting = self.waiting();
            presented.by_document(&door, &form, url, request, now)?;
        }
        let pending = self
            .decide_on(state, &asked, proven, moment)
            .map_err(|refusal| Refused::Exchange(door.tell_refused(client_id, refusal, now)))?;
        Ok((pending, proof.is_some_and(|proof| proof.is_nonce_ageing())))
    }
}
