//! Introspection (RFC 7662): a resource asks what a token is worth at this moment.

use super::TokenRequest;
use super::response::Response;
use crate::access_token::VerifiedToken;
use crate::exchange::Exchange;
use crate::json_writer::JsonWriter;
use crate::reason::Reason;
use crate::record::waited;

impl Exchange {
    /// Answers a request to the introspection endpoint. A token is active for the clients that its connector lists in
    /// `introspect_clients`, and as long as [`verify`](Self::verify) accepts it; otherwise the answer is
    /// `{"active":false}` and does not say why (RFC 7662 section 2.2).
    pub fn handle_introspection(&self, request: &TokenRequest<'_>) -> Response {
        let moment = self.begin();
        let now = moment.at();
        self.answered(|state, presented| {
            let (client, token) = match self.about_a_token(state, request, now, presented) {
                Ok(asked) => asked,
                Err(_) if presented.lacks_keys() => return None,
                Err(reason) => {
                    let refusal =
                        self.refuse_request(state, request, "introspect", presented, reason, moment);
                    return Some(Response::error(refusal, &state.server.issuer, presented.used_basic()));
                }
            };
            let token = self.verify_for_any(token.as_bytes(), state, now).ok().filter(|token| {
                let serving = state.policy.serving(token.resource());
                serving.is_some_and(|(connector, _)| connector.introspect_clients.contains(&client.id))
            });
            if waited(state.server.record(), presented.spent()).is_err() {
                let refusal = state.refusal(Reason::RecordUnavailable);
                return Some(Response::error(refusal, &state.server.issuer, false));
            }
            Some(Response::ok(describe(token.as_ref(), &state.server.issuer)))
        })
    }
}

/// The members of RFC 7662 section 2.2 and RFC 9396 section 9.2, and those of our own tokens.
fn describe(token: Option<&VerifiedToken>, issuer: &str) -> String {
    let mut json = JsonWriter::default();
    json.object(|json| {
        json.name("active");
        json.literal(if token.is_some() { "true" } else { "false" });
        let Some(token) = token else {
            return;
        };
        json.member("iss", issuer);
        json.member("sub", token.subject());
        json.member("aud", token.resource());
        json.member("client_id", token.client_id());
        json.member("scope", token.scope());
        json.member("token_type", token.token_type());
        json.number("iat", token.issued_at());
        json.number("exp", token.expires_at());
        json.member("jti", token.jti());
        json.member("idp", token.idp());
        if let Some(tenant) = token.tenant() {
            json.member("tenant", tenant);
        }
        json.strings("groups", token.groups());
        if let Some(act) = token.act() {
            json.name("act");
            json.literal(&act);
        }
        if let Some(details) = token.authorization_details() {
            json.name("authorization_details");
            json.literal(&details);
        }
        // So that the resource can ask for the proof itself (RFC 9449 section 6.2, RFC 8705 section 3.2).
        if let Some(cnf) = token.cnf() {
            json.name("cnf");
            json.literal(&cnf);
        }
    });
    json.into_string()
}
