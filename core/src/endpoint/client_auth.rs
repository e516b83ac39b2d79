//! Who asks: the client's own proof (RFC 6749 section 2.3, OIDC Core section 9, RFC 8705).
//!
//! A client proves itself in the one way that is written down for it, and in no other. Two ways at once are refused
//! before any is looked at.

use std::cell::{Cell, RefCell};

use subtle::{Choice, ConstantTimeEq};

use super::basic::{Basic, is_basic};
use super::client_assertion;
use super::form::Form;
use crate::clients::Clients;
use crate::config::{Client, ClientAuth, Limits, Sha256};
use crate::crypto;
use crate::exchange::Exchange;
use crate::reason::Reason;
use crate::replay::{Claimed, ReplayStore};
use crate::state::State;

/// `client_assertion_type` of `private_key_jwt` (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The server at whose door a client proves itself.
#[derive(Clone, Copy)]
pub(super) struct Door<'s> {
    pub(super) clients: &'s Clients,
    /// Its issuer identifier, and where its token endpoint is: what a client assertion is for.
    pub(super) issuer: &'s str,
    pub(super) token_endpoint: &'s str,
    pub(super) limits: &'s Limits,
    /// Where client assertions are spent.
    pub(super) replay: &'s dyn ReplayStore,
}

impl<'s> Door<'s> {
    /// That of the exchange, as it is in `state`.
    pub(super) fn of(exchange: &'s Exchange, state: &'s State) -> Self {
        Self {
            clients: &state.clients,
            issuer: &state.server.issuer,
            token_endpoint: &state.server.endpoints.token,
            limits: &state.server.limits,
            replay: &*exchange.replay,
        }
    }
}

/// What was presented, kept for the answer to a refusal and for the record of it.
#[derive(Default)]
pub(super) struct Presented {
    client_id: RefCell<String>,
    basic: Cell<bool>,
}

impl Presented {
    /// Who the client says it is; empty where it did not say.
    pub(super) fn client_id(&self) -> String {
        self.client_id.borrow().clone()
    }

    /// Whether the answer to a refusal names the scheme (RFC 6749 section 5.2).
    pub(super) fn used_basic(&self) -> bool {
        self.basic.get()
    }

    /// The client, proven.
    pub(super) fn authenticate<'s>(
        &self,
        door: Door<'s>,
        form: &Form<'_>,
        authorization: Option<&[u8]>,
        certificate: Option<&[u8]>,
        now: i64,
    ) -> Result<&'s Client, Reason> {
        self.basic.set(authorization.is_some_and(is_basic));
        let named = form.parameter("client_id")?;
        let named = named.as_deref();
        self.client_id.replace(named.unwrap_or_default().to_owned());
        let ways = [
            authorization.is_some(),
            form.has("client_secret"),
            form.has("client_assertion") || form.has("client_assertion_type"),
        ];
        if ways.iter().filter(|used| **used).count() > 1 {
            return Err(Reason::ClientAuthAmbiguous);
        }
        if let Some(header) = authorization {
            let basic = Basic::read(header).ok_or(Reason::ClientAuthMalformed)?;
            self.client_id.replace(basic.client_id.clone());
            if named.is_some_and(|named| named != basic.client_id) {
                return Err(Reason::ClientIdsDiffer);
            }
            let digest = crypto::sha256(&[basic.secret.as_bytes()]);
            let client = door.clients.enabled(&basic.client_id)?;
            return match &client.auth {
                ClientAuth::SecretBasic(known) if is_one_of(&digest, known) => Ok(client),
                ClientAuth::SecretBasic(_) => Err(Reason::ClientSecretWrong),
                _ => Err(Reason::ClientAuthMethodMismatch),
            };
        }
        if let Some(secret) = form.parameter("client_secret")? {
            let digest = crypto::sha256(&[secret.as_bytes()]);
            let client = door.clients.enabled(named.ok_or(Reason::ClientAuthMalformed)?)?;
            return match &client.auth {
                ClientAuth::SecretPost(known) if is_one_of(&digest, known) => Ok(client),
                ClientAuth::SecretPost(_) => Err(Reason::ClientSecretWrong),
                _ => Err(Reason::ClientAuthMethodMismatch),
            };
        }
        if let Some(jwt) = form.parameter("client_assertion")? {
            if form.parameter("client_assertion_type")?.as_deref() != Some(ASSERTION_TYPE) {
                return Err(Reason::ClientAuthMalformed);
            }
            return self.by_assertion(door, named, &jwt, now);
        }
        if ways.iter().any(|used| *used) {
            return Err(Reason::ClientAuthMalformed);
        }
        let client = door.clients.enabled(named.ok_or(Reason::ClientAuthMissing)?)?;
        match &client.auth {
            ClientAuth::None => Ok(client),
            ClientAuth::SelfSignedTls(known) => {
                let certificate = certificate.ok_or(Reason::ClientCertificateMissing)?;
                if is_one_of(&crypto::sha256(&[certificate]), known) {
                    Ok(client)
                } else {
                    Err(Reason::ClientCertificateUnknown)
                }
            }
            // The names in a certificate are not read yet, so none is known.
            ClientAuth::Tls(_) => Err(Reason::ClientCertificateUnknown),
            _ => Err(Reason::ClientAuthMissing),
        }
    }

    /// `private_key_jwt`. What was verified is spent, whatever becomes of the request.
    fn by_assertion<'s>(
        &self,
        door: Door<'s>,
        named: Option<&str>,
        jwt: &str,
        now: i64,
    ) -> Result<&'s Client, Reason> {
        let (client, claim) = client_assertion::verify(jwt, door, now, |subject| {
            self.client_id.replace(subject.to_owned());
            if named.is_some_and(|named| named != subject) { Err(Reason::ClientIdsDiffer) } else { Ok(()) }
        })?;
        let mut claimed = [Claimed::Unavailable];
        door.replay.claim(&[claim], now, &mut claimed);
        match claimed {
            [Claimed::First] => Ok(client),
            [Claimed::Seen] => Err(Reason::ClientAssertionReplayed),
            [Claimed::Unavailable] => Err(Reason::ClientReplayUnavailable),
        }
    }
}

/// Whether a digest is among those that are written down. Takes the same time whichever it is, and whether it is.
fn is_one_of(digest: &[u8; 32], known: &[Sha256]) -> bool {
    known.iter().fold(Choice::from(0), |found, known| found | known.0.ct_eq(digest)).into()
}
