//! Who asks: the client's own proof (RFC 6749 section 2.3, OIDC Core section 9, RFC 8705).
//!
//! A client proves itself in the one way that is written down for it, and in no other. Two ways at once are refused
//! before any is looked at.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use subtle::{Choice, ConstantTimeEq};

use super::TokenRequest;
use super::basic::{Basic, is_basic};
use super::client_assertion;
use super::form::Form;
use super::limited::Tries;
use crate::certificate::Certificate;
use crate::client_documents::ClientDocument;
use crate::config::{AssertionAudience, Client, ClientAuth, DocumentedMethod, Sha256, TlsName};
use crate::crypto;
use crate::exchange::Exchange;
use crate::reason::{OAuthError, Reason};
use crate::replay::{Claim, Claimed};
use crate::state::State;

/// `client_assertion_type` of `private_key_jwt` (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Bytes of a `client_id` that nobody has proven, in the record, at most.
const MAX_RECORDED: usize = 256;

/// What was presented, kept for the answer to a refusal and for the record of it.
#[derive(Default)]
pub(super) struct Presented {
    client_id: RefCell<String>,
    basic: Cell<bool>,
    wait_s: Cell<u32>,
}

impl Presented {
    /// Who the client says it is, for the record: the first 256 bytes of it, and empty where it did not say.
    pub(super) fn client_id(&self) -> String {
        beginning(&self.client_id.borrow(), MAX_RECORDED).to_owned()
    }

    /// Whether the answer to a refusal names the scheme (RFC 6749 section 5.2).
    pub(super) fn used_basic(&self) -> bool {
        self.basic.get()
    }

    /// Where the answer is that this was tried too often, the seconds until it may be tried again.
    pub(super) fn wait_s(&self) -> u32 {
        self.wait_s.get()
    }

    /// The client, proven. What fails counts against the peer, and may become [`Reason::TooManyFailures`].
    pub(super) fn authenticate<'s>(
        &self,
        exchange: &Exchange,
        state: &'s State,
        form: &Form<'_>,
        authorization: Option<&[u8]>,
        request: &TokenRequest<'_>,
        now: i64,
    ) -> Result<&'s Client, Reason> {
        let tries = Tries { exchange, rates: &state.server.limits.rates, peer: request.peer, now };
        let proven = self.prove(&tries, state, form, authorization, request.client_certificate);
        proven.map_err(|reason| self.counted(&tries, reason))
    }

    /// What did not prove a client, counted.
    fn counted(&self, tries: &Tries<'_>, reason: Reason) -> Reason {
        match reason.oauth_error() {
            OAuthError::InvalidClient => {
                self.unless(tries.failed(&self.client_id.borrow())).err().unwrap_or(reason)
            }
            _ => reason,
        }
    }

    /// Lets through unless there is something to wait for.
    fn unless(&self, wait_s: Option<u32>) -> Result<(), Reason> {
        match wait_s {
            None => Ok(()),
            Some(wait_s) => {
                self.wait_s.set(wait_s);
                Err(Reason::TooManyFailures)
            }
        }
    }

    /// Before any cryptography: whether this peer may try to prove the client that it named.
    fn may_try(&self, tries: &Tries<'_>) -> Result<(), Reason> {
        self.unless(tries.wait(&self.client_id.borrow()))
    }

    fn prove<'s>(
        &self,
        tries: &Tries<'_>,
        state: &'s State,
        form: &Form<'_>,
        authorization: Option<&[u8]>,
        certificate: Option<&[u8]>,
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
            self.may_try(tries)?;
            let digest = crypto::sha256(&[basic.secret.as_bytes()]);
            let client = state.clients.enabled(&basic.client_id)?;
            return match &client.auth {
                ClientAuth::SecretBasic(known) if is_one_of(&digest, known) => Ok(client),
                ClientAuth::SecretBasic(_) => Err(Reason::ClientSecretWrong),
                _ => Err(Reason::ClientAuthMethodMismatch),
            };
        }
        if let Some(secret) = form.parameter("client_secret")? {
            self.may_try(tries)?;
            let digest = crypto::sha256(&[secret.as_bytes()]);
            let client = state.clients.enabled(named.ok_or(Reason::ClientAuthMalformed)?)?;
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
            return self.by_assertion(tries, state, named, &jwt);
        }
        if ways.iter().any(|used| *used) {
            return Err(Reason::ClientAuthMalformed);
        }
        self.may_try(tries)?;
        let client = state.clients.enabled(named.ok_or(Reason::ClientAuthMissing)?)?;
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
            ClientAuth::Tls(name) => {
                let certificate = certificate.ok_or(Reason::ClientCertificateMissing)?;
                let certificate = Certificate::read(certificate).ok_or(Reason::ClientCertificateMalformed)?;
                let is_named = match name {
                    TlsName::SubjectDn(name) => certificate.has_subject(name),
                    TlsName::SanDns(name) => certificate.has_dns_name(name),
                };
                if is_named { Ok(client) } else { Err(Reason::ClientCertificateUnknown) }
            }
            _ => Err(Reason::ClientAuthMissing),
        }
    }

    /// `private_key_jwt`. What was verified is spent, whatever becomes of the request.
    fn by_assertion<'s>(
        &self,
        tries: &Tries<'_>,
        state: &'s State,
        named: Option<&str>,
        jwt: &str,
    ) -> Result<&'s Client, Reason> {
        let Tries { exchange, now, .. } = *tries;
        let (client, claim) = client_assertion::verify(jwt, state, now, |subject| {
            self.client_id.replace(subject.to_owned());
            if named.is_some_and(|named| named != subject) {
                return Err(Reason::ClientIdsDiffer);
            }
            self.may_try(tries)?;
            let client = state.clients.enabled(subject)?;
            match &client.auth {
                ClientAuth::PrivateKeyJwt { keys, audience } => Ok((client, keys, *audience)),
                _ => Err(Reason::ClientAuthMethodMismatch),
            }
        })?;
        spend(exchange, claim, now)?;
        Ok(client)
    }

    /// The `client_id` of a request that names a client by its document and offers nothing that such a client could not
    /// have. Nobody is proven yet. Every other request, whatever it says, is for [`authenticate`](Self::authenticate).
    pub(super) fn documented<'b>(
        &self,
        exchange: &Exchange,
        state: &State,
        form: &Form<'b>,
        authorization: Option<&[u8]>,
        request: &TokenRequest<'_>,
        now: i64,
    ) -> Result<Option<Cow<'b, str>>, Reason> {
        if state.clients.documents().is_none() || authorization.is_some() || form.has("client_secret") {
            return Ok(None);
        }
        let named = form.parameter("client_id")?.filter(|named| state.clients.documented(named).is_some());
        if let Some(named) = &named {
            self.client_id.replace(named.to_string());
            self.may_try(&Tries { exchange, rates: &state.server.limits.rates, peer: request.peer, now })?;
        }
        Ok(named)
    }

    /// Proves the client `url` as its document says, which is fetched now. What fails counts as in
    /// [`authenticate`](Self::authenticate).
    pub(super) fn by_document(
        &self,
        exchange: &Exchange,
        state: &State,
        form: &Form<'_>,
        url: &str,
        request: &TokenRequest<'_>,
        now: i64,
    ) -> Result<(), Reason> {
        let tries = Tries { exchange, rates: &state.server.limits.rates, peer: request.peer, now };
        Self::prove_by_document(exchange, state, form, url, now)
            .map_err(|reason| self.counted(&tries, reason))
    }

    fn prove_by_document(
        exchange: &Exchange,
        state: &State,
        form: &Form<'_>,
        url: &str,
        now: i64,
    ) -> Result<(), Reason> {
        let documented = state.clients.documented(url).ok_or(Reason::ClientUnknown)?;
        let document = ClientDocument::fetch(url, exchange.documents.as_deref(), documented)?;
        let jwt = form.parameter("client_assertion")?;
        let kind = form.parameter("client_assertion_type")?;
        match (document.method, &document.keys, jwt) {
            (DocumentedMethod::None, _, None) if kind.is_none() => Ok(()),
            (DocumentedMethod::None, ..) => Err(Reason::ClientAuthMethodMismatch),
            (DocumentedMethod::PrivateKeyJwt, Some(keys), Some(jwt)) => {
                if kind.as_deref() != Some(ASSERTION_TYPE) {
                    return Err(Reason::ClientAuthMalformed);
                }
                let ((), claim) = client_assertion::verify(&jwt, state, now, |subject| {
                    if subject == url {
                        Ok(((), keys, AssertionAudience::Issuer))
                    } else {
                        Err(Reason::ClientIdsDiffer)
                    }
                })?;
                spend(exchange, claim, now)
            }
            (DocumentedMethod::PrivateKeyJwt, ..) => Err(Reason::ClientAuthMissing),
        }
    }
}

/// Spends the `jti` of a client's own assertion.
fn spend(exchange: &Exchange, claim: Claim, now: i64) -> Result<(), Reason> {
    let mut claimed = [Claimed::Unavailable];
    exchange.replay.claim(&[claim], now, &mut claimed);
    match claimed {
        [Claimed::First] => Ok(()),
        [Claimed::Seen] => Err(Reason::ClientAssertionReplayed),
        [Claimed::Unavailable] => Err(Reason::ClientReplayUnavailable),
    }
}

/// The whole characters within the first `max` bytes.
fn beginning(text: &str, max: usize) -> &str {
    let fits = |(at, character): (usize, char)| Some(at + character.len_utf8()).filter(|end| *end <= max);
    text.get(..text.char_indices().map_while(fits).last().unwrap_or(0)).unwrap_or_default()
}

/// Whether a digest is among those that are written down. Takes the same time whichever it is, and whether it is.
fn is_one_of(digest: &[u8; 32], known: &[Sha256]) -> bool {
    known.iter().fold(Choice::from(0), |found, known| found | known.0.ct_eq(digest)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_to_the_record_ends_at_a_character() {
        for (text, cut) in [
            ("", ""),
            ("abc", "abc"),
            ("abcd", "abcd"),
            ("abcde", "abcd"),
            ("ab\u{20ac}", "ab"),
            ("abc\u{e9}", "abc"),
        ] {
            assert_eq!(beginning(text, 4), cut, "{text}");
        }
        let presented = Presented::default();
        presented.client_id.replace("\u{e9}".repeat(40_000));
        assert_eq!(presented.client_id(), "\u{e9}".repeat(128));
    }
}
