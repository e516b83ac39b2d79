//! The token endpoint of an identity provider: an ID token for an ID-JAG (RFC 8693,
//! draft-ietf-oauth-identity-assertion-authz-grant section 4.3), and the metadata that leads there (section 7.1).

use super::TokenRequest;
use super::client_auth::{Door, Presented};
use super::metadata::{signing_algorithms, ways};
use super::response::Response;
use crate::dpop;
use crate::identity_provider::{Asked, IdentityProvider, Issued};
use crate::json_writer::JsonWriter;
use crate::reason::{Reason, Refusal};
use crate::record::Event;
use crate::time::Moment;

/// `grant_type` (RFC 8693 section 2.1).
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// `requested_token_type` and `issued_token_type` of an ID-JAG.
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// `subject_token_type` of an ID token (RFC 8693 section 3).
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// Why there is no ID-JAG.
enum Refused {
    /// It is on record already.
    Recorded(Refusal),
    /// Nothing was decided yet.
    Request(Reason),
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self::Request(reason)
    }
}

impl IdentityProvider {
    /// Answers a request to the token endpoint: authenticates the client, exchanges its ID token for an ID-JAG. With a DPoP
    /// proof (RFC 9449 section 4), whose `htu` is `endpoints.token`, the ID-JAG is bound to the proof's key (draft section
    /// 8.6.1.1).
    ///
    /// Never panics and never fails: what cannot be answered otherwise is an OAuth error (RFC 8693 section 2.2.2).
    pub fn handle(&self, request: &TokenRequest<'_>) -> Response {
        let moment = self.begin();
        let presented = Presented::default();
        match self.hand_out(request, moment, &presented) {
            Ok(issued) => Response::ok(body(&issued)),
            Err(Refused::Recorded(refusal)) => Response::error(refusal, &self.issuer, false),
            Err(Refused::Request(reason)) => {
                let client_id = presented.client_id();
                let event = Event { peer: request.peer, ..self.event(&client_id, moment) };
                let refusal = self.refuse(reason, &event);
                let refusal = refusal.until(presented.wait_s());
                Response::error(refusal, &self.issuer, presented.used_basic())
            }
        }
    }

    fn hand_out(
        &self,
        request: &TokenRequest<'_>,
        moment: Moment,
        presented: &Presented,
    ) -> Result<Issued, Refused> {
        let now = moment.at();
        let (form, authorization) = request.form(self.limits.max_body_bytes)?;
        let dpop = request.header("dpop")?;
        let grant_type = form.parameter("grant_type")?.ok_or(Reason::GrantTypeMissing)?;
        if grant_type != GRANT_TYPE {
            return Err(Reason::GrantTypeUnsupported.into());
        }
        if form.parameter("requested_token_type")?.as_deref() != Some(ID_JAG) {
            return Err(Reason::RequestedTokenTypeUnsupported.into());
        }
        let subject_token = form.parameter("subject_token")?.ok_or(Reason::SubjectTokenMissing)?;
        if form.parameter("subject_token_type")?.as_deref() != Some(ID_TOKEN) {
            return Err(Reason::SubjectTokenTypeUnsupported.into());
        }
        // Never ignored: the client would believe that the ID-JAG names the actor.
        if form.has("actor_token") || form.has("actor_token_type") {
            return Err(Reason::ActorTokenNotSupported.into());
        }
        if form.has("authorization_details") {
            return Err(Reason::AuthorizationDetailsNotSupported.into());
        }
        let audience = form.parameter("audience")?.ok_or(Reason::TargetAudienceMissing)?;
        let (resources, scope) = (form.resources()?, form.parameter("scope")?);
        let resources: Vec<&str> = resources.iter().map(AsRef::as_ref).collect();
        let door = Door {
            clients: &self.clients,
            documents: None,
            issuer: &self.issuer,
            token_endpoint: &self.endpoints.token,
            limits: &self.limits,
            limiter: &self.limiter,
            till: self.till(moment.at_ms),
        };
        let client = presented.authenticate(&door, &form, authorization, request, now)?;
        let told = |refusal| Refused::Recorded(door.tell_refused(&client.id, refusal, now));
        // Not before the client has proven itself: nobody else makes us verify signatures.
        let proof = dpop.map(|proof| dpop::verify(proof, &self.proof_rules(request.method, now)));
        let proof = proof.transpose().map_err(|reason| {
            let event = Event { audience: &audience, peer: request.peer, ..self.event(&client.id, moment) };
            told(self.refuse(reason, &event))
        })?;
        let asked = Asked {
            client_id: &client.id,
            subject_token: &subject_token,
            audience: &audience,
            resources: &resources,
            scope: scope.as_deref(),
            proof: proof.as_ref(),
            peer: request.peer,
        };
        self.issue(&asked, moment).map_err(told)
    }

    /// The authorization server metadata, as JSON (RFC 8414 section 2). Never which issuers, audiences or resources are
    /// written down.
    pub fn metadata(&self) -> String {
        let ways = ways(&self.clients, std::iter::empty());
        let mut json = JsonWriter::default();
        json.object(|json| {
            json.member("issuer", &self.issuer);
            json.member("token_endpoint", &self.endpoints.token);
            json.member("jwks_uri", &self.endpoints.jwks);
            // Required by RFC 8414 section 2; there is no authorization endpoint, so there is none.
            json.strings("response_types_supported", []);
            json.strings("grant_types_supported", [GRANT_TYPE]);
            json.strings("identity_chaining_requested_token_types_supported", [ID_JAG]);
            json.strings("token_endpoint_auth_methods_supported", ways.iter().copied());
            signing_algorithms(json, &ways);
        });
        json.into_string()
    }
}

/// The successful answer (RFC 8693 section 2.2.1): an ID-JAG is no access token, so its type is `N_A`.
fn body(issued: &Issued) -> String {
    let mut json = JsonWriter::default();
    json.object(|json| {
        json.member("issued_token_type", ID_JAG);
        json.member("access_token", &issued.id_jag);
        json.member("token_type", "N_A");
        json.member("scope", &issued.scope);
        json.number("expires_in", issued.expires_in_s);
    });
    json.into_string()
}
