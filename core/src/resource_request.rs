//! A request at a resource: an access token, and the proof of possession that comes with it (RFC 9449 section 7, RFC 8705
//! section 3).
//!
//! A token that is bound to a key or a certificate is worth nothing without them, however well it is known: they are asked
//! for with each request, after the token was found valid and before anything else is done.

use std::fmt;

use crate::access_token::VerifiedToken;
use crate::dpop;
use crate::exchange::Exchange;
use crate::reason::{Reason, Refusal};
use crate::record::Note;
use crate::replay::Memory;
use crate::state::State;

/// An access token and how it was presented.
#[derive(Clone, Copy, Default)]
pub struct ResourceRequest<'a> {
    /// The token, out of `Authorization`.
    pub token: &'a [u8],
    /// The resource that it must be for.
    pub resource: &'a str,
    /// The value of the header `DPoP`, where the scheme of `Authorization` is `DPoP`; `None` for `Bearer`, whatever else
    /// came (RFC 9449 section 7.2). A request with two such headers is to be refused before.
    pub dpop: Option<&'a [u8]>,
    /// The method of the request. Needed with `dpop`.
    pub method: &'a str,
    /// The absolute URL of the request, as the client wrote it: with the host that the client knows, not the one behind a
    /// proxy. Needed with `dpop`; query and fragment are not looked at.
    pub url: &'a str,
    /// The client's certificate in DER, where TLS asked for one and the client proved that the key is its own.
    pub client_certificate: Option<&'a [u8]>,
}

impl fmt::Debug for ResourceRequest<'_> {
    /// Without token and proof.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceRequest")
            .field("resource", &self.resource)
            .field("method", &self.method)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Exchange {
    /// Verifies an access token that this server minted, for `resource`, as of now.
    ///
    /// Never answers from signature and expiry alone: see [`VerifiedToken`]. A token that is bound to a key or a
    /// certificate is refused: [`verify_request`](Self::verify_request) takes what it needs. The first time costs one
    /// verification and about 2 us, later about 0.2 us.
    pub fn verify(&self, token: &[u8], resource: &str) -> Result<VerifiedToken, Refusal> {
        self.verify_request(&ResourceRequest { token, resource, ..ResourceRequest::default() })
    }

    /// The same of a whole request: a token that is bound to a key needs a DPoP proof by that key, for this request and
    /// this token, which was not used before; one that is bound to a certificate needs the certificate. A proof beside a
    /// token that is not bound to a key is refused, too.
    ///
    /// A proof costs the parsing of its key and one verification, each time. A refusal says by its
    /// [`http_status`](Refusal::http_status) and [`Challenge::of`](crate::Challenge::of) what to answer.
    pub fn verify_request(&self, request: &ResourceRequest<'_>) -> Result<VerifiedToken, Refusal> {
        // First the time, by which it may be heard what others revoked.
        let now = self.now();
        let state = self.load();
        self.verify_at(request, &state, now).map_err(|reason| {
            self.note(&state, &Note::VerifyRefused { reason, resource: request.resource });
            Refusal::from(reason).at_resource()
        })
    }

    fn verify_at(
        &self,
        request: &ResourceRequest<'_>,
        state: &State,
        now: i64,
    ) -> Result<VerifiedToken, Reason> {
        // A token that is over or revoked is so for every resource: that goes first.
        let verified = self.verify_for_any(request.token, state, now)?;
        if verified.resource() != request.resource {
            return Err(Reason::TokenAudienceMismatch);
        }
        let bound_to = verified.bound_to();
        if bound_to.admits(request.client_certificate) != Some(true) {
            return Err(Reason::TokenCertificateMismatch);
        }
        match (bound_to.key, request.dpop) {
            (None, None) => {}
            (None, Some(_)) => return Err(Reason::TokenProofMismatch),
            (Some(_), None) => return Err(Reason::TokenProofRequired),
            (Some(key), Some(proof)) => {
                let memory = self.memory();
                let rules = self.proof_rules(state, &memory, now, request.method, request.url);
                let rules = dpop::Rules { token: Some((request.token, key)), ..rules };
                let proof = dpop::verify(proof, &rules)?;
                proof.spend(&state.till(&memory, self.latest_ms()), verified.client_id())?;
            }
        }
        Ok(verified)
    }

    /// What a proof is checked against that comes with a request for `url`.
    pub(crate) fn proof_rules<'r>(
        &'r self,
        state: &State,
        memory: &Memory<'_>,
        now: i64,
        method: &'r str,
        url: &'r str,
    ) -> dpop::Rules<'r> {
        let limits = &state.server.limits;
        dpop::Rules {
            method,
            url,
            token: None,
            nonces: state.server.dpop_nonce.then_some(&self.nonces),
            leeway_s: limits.leeway_s,
            max_jti_chars: limits.max_jti_chars,
            began: state.server.refuses_older.then_some(self.proofs_began(memory)),
            now,
        }
    }

    /// A nonce for the header `DPoP-Nonce` of a resource (RFC 9449 section 9); `None` where `dpop.nonce` is off. It belongs
    /// to the answer with [`Challenge::UseNonce`](crate::Challenge::UseNonce), and may be in any other. Good for two to
    /// four minutes, at this engine only.
    pub fn dpop_nonce(&self) -> Option<String> {
        if self.load().server.dpop_nonce { self.nonces.at(self.now()) } else { None }
    }
}
