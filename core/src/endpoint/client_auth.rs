//! Who asks: the client's own proof (RFC 6749 section 2.3, OIDC Core section 9, RFC 8705).
//!
//! A client proves itself in the one way that is written down for it, and in no other. Two ways at once are refused
//! before any is looked at.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use subtle::{Choice, ConstantTimeEq};

use super::TokenRequest;
use super::basic::{Basic, is_basic};
use super::client_assertion::{self, Signer};
use super::form::Form;
use super::limited::Tries;
use super::response::Response;
use crate::certificate::Certificate;
use crate::client_documents::{ClientDocument, ClientDocuments};
use crate::clients::Clients;
use crate::config::{AssertionAudience, Client, ClientAuth, DocumentedMethod, Keys, Limits, Sha256, TlsName};
use crate::crypto;
use crate::exchange::Exchange;
use crate::key_source::{KeyOwner, Sought};
use crate::limiter::Limiter;
use crate::reason::{OAuthError, Reason};
use crate::record::Receipt;
use crate::spend::Till;
use crate::state::State;

/// `client_assertion_type` of `private_key_jwt` (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Bytes of a `client_id` that nobody has proven, in the record, at most.
const MAX_RECORDED: usize = 256;

/// The server at whose door a client proves itself.
#[derive(Clone, Copy)]
pub(super) struct Door<'s> {
    pub(super) clients: &'s Clients,
    /// Who fetches the documents of clients that are known by one; `None`: there are no such clients.
    pub(super) documents: Option<&'s dyn ClientDocuments>,
    /// Its issuer identifier, and where its token endpoint is: what a client assertion is for.
    pub(super) issuer: &'s str,
    pub(super) token_endpoint: &'s str,
    pub(super) limits: &'s Limits,
    /// What was too often lately.
    pub(super) limiter: &'s Limiter,
    /// Where client assertions are spent.
    pub(super) till: Till<'s>,
}

impl<'s> Door<'s> {
    /// That of the exchange, as it is in `state`.
    pub(super) fn of(exchange: &'s Exchange, state: &'s State) -> Self {
        Self {
            clients: &state.clients,
            documents: exchange.documents.as_deref(),
            issuer: &state.server.issuer,
            token_endpoint: &state.server.endpoints.token,
            limits: &state.server.limits,
            limiter: &exchange.limiter,
            till: state.till(&*exchange.replay, exchange.latest_ms()),
        }
    }
}

/// What was presented, kept for the answer to a refusal and for the record of it.
#[derive(Default)]
pub(super) struct Presented {
    client_id: RefCell<String>,
    basic: Cell<bool>,
    wait_s: Cell<u32>,
    /// What came of asking for the client's keys, once they were asked for.
    sought: Cell<Option<Sought>>,
    /// Whether asking for them could change the answer.
    lacks_keys: Cell<bool>,
    /// Where the client assertion stands in the record, once it was spent.
    spent: Cell<Receipt>,
}

impl Presented {
    /// For a second attempt: the keys of the client were asked for.
    fn after(sought: Sought) -> Self {
        let presented = Self::default();
        presented.sought.set(Some(sought));
        if let Sought::Unavailable { retry_after_s } = sought {
            presented.wait_s.set(retry_after_s);
        }
        presented
    }

    /// Who the client says it is, for the record: the first 256 bytes of it, and empty where it did not say.
    pub(super) fn client_id(&self) -> String {
        beginning(&self.client_id.borrow(), MAX_RECORDED).to_owned()
    }

    /// Whether the answer to a refusal names the scheme (RFC 6749 section 5.2).
    pub(super) fn used_basic(&self) -> bool {
        self.basic.get()
    }

    /// What an answer has to wait for that nothing else on record stands behind.
    pub(super) fn spent(&self) -> Receipt {
        self.spent.get()
    }

    /// Whether the client was not proven for want of keys that have not been asked for.
    pub(super) fn lacks_keys(&self) -> bool {
        self.lacks_keys.get() && self.sought.get().is_none()
    }

    /// Where the answer is that this was tried too often, the seconds until it may be tried again.
    pub(super) fn wait_s(&self) -> u32 {
        self.wait_s.get()
    }

    /// The client, proven. What fails counts against the peer, and may become [`Reason::TooManyFailures`].
    pub(super) fn authenticate<'s>(
        &self,
        door: &Door<'s>,
        form: &Form<'_>,
        authorization: Option<&[u8]>,
        request: &TokenRequest<'_>,
        now: i64,
    ) -> Result<&'s Client, Reason> {
        let tries = Tries { door, peer: request.peer, now };
        let proven = self.prove(&tries, form, authorization, request.client_certificate);
        self.lacks_keys.set(proven.as_ref().is_err_and(|reason| *reason == Reason::ClientKeysUnavailable));
        proven.map_err(|reason| self.counted(&tries, reason))
    }

    /// What did not prove a client, counted.
    fn counted(&self, tries: &Tries<'_, '_>, reason: Reason) -> Reason {
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
    fn may_try(&self, tries: &Tries<'_, '_>) -> Result<(), Reason> {
        self.unless(tries.wait(&self.client_id.borrow()))
    }

    fn prove<'s>(
        &self,
        tries: &Tries<'_, 's>,
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
            let client = tries.door.clients.enabled(&basic.client_id)?;
            return match &client.auth {
                ClientAuth::SecretBasic(known) if is_one_of(&digest, known) => Ok(client),
                ClientAuth::SecretBasic(_) => Err(Reason::ClientSecretWrong),
                _ => Err(Reason::ClientAuthMethodMismatch),
            };
        }
        if let Some(secret) = form.parameter("client_secret")? {
            self.may_try(tries)?;
            let digest = crypto::sha256(&[secret.as_bytes()]);
            let client = tries.door.clients.enabled(named.ok_or(Reason::ClientAuthMalformed)?)?;
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
            return self.by_assertion(tries, named, &jwt);
        }
        if ways.iter().any(|used| *used) {
            return Err(Reason::ClientAuthMalformed);
        }
        self.may_try(tries)?;
        let client = tries.door.clients.enabled(named.ok_or(Reason::ClientAuthMissing)?)?;
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

    /// What a client is told whose set lacks the key: where it is fetched, there may be a newer one.
    fn without_key(&self, keys: &Keys) -> Reason {
        match self.sought.get() {
            Some(Sought::LookAgain) => Reason::ClientAssertionSignature,
            _ if keys.are_fetched() => Reason::ClientKeysUnavailable,
            _ => Reason::ClientAssertionSignature,
        }
    }

    /// `private_key_jwt`. What was verified is spent, whatever becomes of the request.
    fn by_assertion<'s>(
        &self,
        tries: &Tries<'_, 's>,
        named: Option<&str>,
        jwt: &str,
    ) -> Result<&'s Client, Reason> {
        let Tries { door, now, .. } = *tries;
        let (client, claim) = client_assertion::verify(jwt, door, now, |subject| {
            self.client_id.replace(subject.to_owned());
            if named.is_some_and(|named| named != subject) {
                return Err(Reason::ClientIdsDiffer);
            }
            self.may_try(tries)?;
            let client = door.clients.enabled(subject)?;
            match &client.auth {
                ClientAuth::PrivateKeyJwt { keys, audience } => Ok(Signer {
                    client,
                    keys: door.clients.keys(client, keys),
                    without_key: self.without_key(keys),
                    audience: *audience,
                }),
                _ => Err(Reason::ClientAuthMethodMismatch),
            }
        })?;
        self.spent.set(door.till.client_assertion(claim, &client.id)?);
        Ok(client)
    }

    /// The `client_id` of a request that names a client by its document and offers nothing that such a client could not
    /// have. Nobody is proven yet. Every other request, whatever it says, is for [`authenticate`](Self::authenticate).
    pub(super) fn documented<'b>(
        &self,
        door: &Door<'_>,
        form: &Form<'b>,
        authorization: Option<&[u8]>,
        request: &TokenRequest<'_>,
        now: i64,
    ) -> Result<Option<Cow<'b, str>>, Reason> {
        if door.clients.documents().is_none() || authorization.is_some() || form.has("client_secret") {
            return Ok(None);
        }
        let named = form.parameter("client_id")?.filter(|named| door.clients.documented(named).is_some());
        if let Some(named) = &named {
            self.client_id.replace(named.to_string());
            self.may_try(&Tries { door, peer: request.peer, now })?;
        }
        Ok(named)
    }

    /// Proves the client `url` as its document says, which is fetched now. What fails counts as in
    /// [`authenticate`](Self::authenticate).
    pub(super) fn by_document(
        &self,
        door: &Door<'_>,
        form: &Form<'_>,
        url: &str,
        request: &TokenRequest<'_>,
        now: i64,
    ) -> Result<(), Reason> {
        let tries = Tries { door, peer: request.peer, now };
        Self::prove_by_document(door, form, url, now).map_err(|reason| self.counted(&tries, reason))
    }

    fn prove_by_document(door: &Door<'_>, form: &Form<'_>, url: &str, now: i64) -> Result<(), Reason> {
        let documented = door.clients.documented(url).ok_or(Reason::ClientUnknown)?;
        let document = ClientDocument::fetch(url, door.documents, documented)?;
        let jwt = form.parameter("client_assertion")?;
        let kind = form.parameter("client_assertion_type")?;
        match (document.method, &document.keys, jwt) {
            (DocumentedMethod::None, _, None) if kind.is_none() => Ok(()),
            (DocumentedMethod::None, ..) => Err(Reason::ClientAuthMethodMismatch),
            (DocumentedMethod::PrivateKeyJwt, Some(keys), Some(jwt)) => {
                if kind.as_deref() != Some(ASSERTION_TYPE) {
                    return Err(Reason::ClientAuthMalformed);
                }
                let ((), claim) = client_assertion::verify(&jwt, door, now, |subject| {
                    if subject == url {
                        Ok(Signer {
                            client: (),
                            keys: Some(keys),
                            without_key: Reason::ClientAssertionSignature,
                            audience: AssertionAudience::Issuer,
                        })
                    } else {
                        Err(Reason::ClientIdsDiffer)
                    }
                })?;
                // The exchange that follows has a later receipt.
                door.till.client_assertion(claim, url).map(|_| ())
            }
            (DocumentedMethod::PrivateKeyJwt, ..) => Err(Reason::ClientAuthMissing),
        }
    }
}

impl Exchange {
    /// Answers by the present state. Where the client's keys were missing and can be fetched, asks for them and answers once
    /// more; `answer` gives none where [`Presented::lacks_keys`] says so, and has spent and recorded nothing by then.
    pub(super) fn answered<A: From<Response>>(&self, answer: impl Fn(&State, &Presented) -> Option<A>) -> A {
        let presented = if self.key_source.is_some() {
            Presented::default()
        } else {
            Presented::after(Sought::LookAgain)
        };
        let answered = answer(&self.load(), &presented);
        if let Some(response) = answered {
            return response;
        }
        let sought = self.seek(KeyOwner::Client(presented.client_id.take()));
        let state = self.load();
        answer(&state, &Presented::after(sought)).unwrap_or_else(|| {
            Response::error(state.refusal(Reason::ClientKeysUnavailable), &state.server.issuer, false).into()
        })
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
