//! Revocation (RFC 7009): a client gives a token back.

use super::TokenRequest;
use super::client_auth::Door;
use super::response::Response;
use crate::exchange::Exchange;
use crate::reason::Reason;
use crate::record::waited;
use crate::revoked::Revocation;

impl Exchange {
    /// Answers a request to the revocation endpoint. A client revokes its own tokens only, also those that are worth
    /// nothing at the moment, because their connector is suspended for one, and may be again; a token that is not ours or has expired is
    /// answered as one that was revoked (RFC 7009 section 2.2). `token_type_hint` is not needed.
    ///
    /// Each revocation copies those that are in force: some nanoseconds for each.
    pub fn handle_revocation(&self, request: &TokenRequest<'_>) -> Response {
        let moment = self.begin();
        let now = moment.at();
        self.answered(|state, presented| {
            let asked = self.about_a_token(state, request, now, presented);
            if asked.is_err() && presented.lacks_keys() {
                return None;
            }
            let refuse = |reason| self.refuse_request(state, request, "revoke", presented, reason, moment);
            let asked = asked.map_err(refuse);
            let revoked = asked.and_then(|(client, token)| {
                let spent = || {
                    let waited = waited(state.server.record(), presented.spent());
                    waited.map_err(|_| state.refusal(Reason::RecordUnavailable))
                };
                let Some(token) = state.read_ours(token.as_bytes(), now) else {
                    return spent();
                };
                let (client_id, jti, expires_at) = token.owner();
                if expires_at <= now || token.verdict() == Err(Reason::TokenRevoked) {
                    return spent();
                }
                if client_id != client.id {
                    let refusal = refuse(Reason::TokenOfAnotherClient);
                    return Err(Door::of(self, state).tell_refused(&client.id, refusal, now));
                }
                let expires_at = expires_at.saturating_add(state.server.limits.leeway_s);
                self.revoke(&Revocation::Token { jti, expires_at })
            });
            Some(match revoked {
                Ok(()) => Response::empty(),
                Err(refusal) => Response::error(refusal, &state.server.issuer, presented.used_basic()),
            })
        })
    }
}
