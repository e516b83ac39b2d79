//! An identity provider: an ID token goes in, the table of targets decides, an ID-JAG comes out, and a record stays
//! (draft-ietf-oauth-identity-assertion-authz-grant section 4.3).
//!
//! A stand-in for tests and demonstrations, and the token endpoint of an IdP of one's own. It signs nobody in: whoever
//! does has the ID tokens. Refresh tokens, SAML assertions, actor tokens and subjects that differ from one party to the
//! next (pairwise) are not supported.

use std::fmt;
use std::sync::Arc;

use crate::base64url;
use crate::clients::Clients;
use crate::config::{Copied, Endpoints, IdpConfig, Limits, Target};
use crate::crypto;
use crate::directory::Directory;
use crate::error::Error;
use crate::grant::groups_listed;
use crate::id_jag::{IdJag, IdJagMinter};
use crate::json_writer::JsonWriter;
use crate::keyring::Keyring;
use crate::mint::{self, Unsigned};
use crate::own_keys::OwnKeys;
use crate::policy::hexadecimal;
use crate::reason::{Reason, Refusal};
use crate::record::{Event, NoRecord, Record};
use crate::replay::{MemoryReplay, ReplayStore};
use crate::subject_token::{self, Presented, Rules, SignedIn, Slot};
use crate::target::Chosen;
use crate::time::{Clock, Monotone, SystemClock};

/// Memory for the client assertions that were spent, at most, in bytes.
const REPLAY_BYTES: u64 = 64 << 20;

/// Issues ID-JAGs to clients that hold an ID token. Shared by any number of threads; what it is configured with never
/// changes.
pub struct IdentityProvider {
    file: String,
    digest: String,
    pub(crate) issuer: String,
    pub(crate) endpoints: Endpoints,
    pub(crate) limits: Limits,
    pub(crate) clients: Clients,
    pub(crate) replay: Box<dyn ReplayStore>,
    keys: OwnKeys,
    minter: IdJagMinter,
    lifetime_s: i64,
    keyring: Keyring,
    targets: Vec<Target>,
    directory: Directory,
    clock: Box<dyn Clock>,
    seen: Monotone,
    record: Arc<dyn Record>,
}

/// The claims of an ID token (OIDC Core section 2). Empty and `None` members are left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdToken<'a> {
    /// `aud`: the client that the person signed in to.
    pub client_id: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// `iat`, in seconds since 1970.
    pub issued_at: i64,
    /// `exp` minus `iat`, in seconds.
    pub lifetime_s: i64,
    /// `email`.
    pub email: Option<&'a str>,
    /// `groups`.
    pub groups: &'a [&'a str],
    /// Further members as JSON text, written as it stands: `"nonce":"n-0S6"`.
    pub further: &'a str,
}

/// What a client asks for, once it is authenticated.
pub(crate) struct Asked<'r> {
    pub(crate) client_id: &'r str,
    pub(crate) subject_token: &'r str,
    pub(crate) audience: &'r str,
    pub(crate) resources: &'r [&'r str],
    pub(crate) scope: Option<&'r str>,
    /// The thumbprint of the key that the client has proven to have.
    pub(crate) bound_to: Option<&'r str>,
}

/// An ID-JAG to hand out.
pub(crate) struct Issued {
    pub(crate) id_jag: String,
    pub(crate) scope: String,
    pub(crate) expires_in_s: i64,
}

impl IdentityProvider {
    /// With the system's clock, and no record. Client assertions are spent in memory.
    pub fn new(config: IdpConfig) -> Self {
        Self {
            digest: hexadecimal(&crypto::sha256(&[config.text.as_bytes()])),
            file: config.file,
            minter: IdJagMinter::new(config.issuer.as_str(), Arc::clone(config.keys.signer())),
            issuer: config.issuer,
            endpoints: config.endpoints,
            limits: config.limits,
            clients: Clients::new(config.clients),
            replay: Box::new(MemoryReplay::new(REPLAY_BYTES)),
            keys: config.keys,
            lifetime_s: config.lifetime_s,
            keyring: Keyring::new(config.issuers),
            targets: config.targets,
            directory: config.directory.unwrap_or_else(Directory::empty),
            clock: Box::new(SystemClock),
            seen: Monotone::new(i64::MIN),
            record: Arc::new(NoRecord),
        }
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The same with a record, which takes every answer.
    #[must_use]
    pub fn with_record(mut self, record: Arc<dyn Record>) -> Self {
        self.record = record;
        self
    }

    /// The same with another store for client assertions.
    #[must_use]
    pub fn with_replay(mut self, store: Box<dyn ReplayStore>) -> Self {
        self.replay = store;
        self
    }

    /// The issuer identifier.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The JWK set of our public keys, as JSON (RFC 7517 section 5).
    pub fn jwks(&self) -> String {
        self.keys.public_jwks()
    }

    /// Signs an ID token with our first key: for whoever has signed the person in, and for tests.
    /// [`handle`](Self::handle) takes it where `subject_tokens` has our issuer identifier with `own_keys = true`.
    pub fn id_token(&self, id_token: &IdToken<'_>) -> Result<String, Error> {
        let mut json = JsonWriter::default();
        json.object(|json| {
            json.member("iss", &self.issuer);
            json.member("aud", id_token.client_id);
            json.member("sub", id_token.subject);
            json.number("iat", id_token.issued_at);
            json.number("exp", id_token.issued_at.saturating_add(id_token.lifetime_s));
            if let Some(email) = id_token.email {
                json.member("email", email);
            }
            if !id_token.groups.is_empty() {
                json.strings("groups", id_token.groups.iter().copied());
            }
            if !id_token.further.is_empty() {
                json.literal(id_token.further);
            }
        });
        let key = self.keys.signer();
        let mut unsigned = Unsigned::new(&[], &mint::header(subject_token::TYP, key), json.as_bytes(), key);
        unsigned.sign(key).map_err(|_| Error::new("", None, "", "the ID token could not be signed"))?;
        Ok(unsigned.into_text())
    }

    pub(crate) fn now(&self) -> i64 {
        self.seen.at_least(self.clock.now())
    }

    /// Decides, signs and records.
    pub(crate) fn issue(&self, asked: &Asked<'_>, now: i64) -> Result<Issued, Refusal> {
        let mut slot = Slot::default();
        let mut event = self.event(asked.client_id, now);
        self.issue_noting(asked, now, &mut slot, &mut event).map_err(|reason| self.refuse(reason, &event))
    }

    /// The record of a request of which only the client is known, or who it says it is.
    pub(crate) fn event<'a>(&'a self, client_id: &'a str, now: i64) -> Event<'a> {
        Event { at: now, client_id, policy_digest: &self.digest, ..Event::default() }
    }

    /// Records a refusal, and gives the answer to it.
    pub(crate) fn refuse(&self, reason: Reason, event: &Event<'_>) -> Refusal {
        let refusal = Refusal::from(reason);
        let recorded = self.record.queue(&Event { refusal: Some(refusal), ..event.clone() });
        recorded.map_or_else(|_| Reason::RecordUnavailable.into(), |_| refusal)
    }

    fn issue_noting<'a>(
        &'a self,
        asked: &Asked<'a>,
        now: i64,
        slot: &'a mut Slot,
        event: &mut Event<'a>,
    ) -> Result<Issued, Reason> {
        event.audience = asked.audience;
        event.scope_requested = asked.scope;
        let rules = Rules { keyring: &self.keyring, limits: &self.limits, client_id: asked.client_id, now };
        let presented = Presented::read(asked.subject_token, self.limits.max_assertion_bytes, slot)?;
        let subject = presented.verify(&rules, event)?;
        let chosen = Chosen::find(&self.targets, asked.audience, asked.resources, asked.client_id)?;
        let target = chosen.target;
        event.resource = chosen.resources.first().copied().unwrap_or_default();
        event.rule = Some((&self.file, target.line));

        let issuer = &subject.idp.issuer;
        let listed = groups_listed(&self.directory, subject.idp, issuer, subject.tenant, subject.subject)?;
        let groups: Vec<&str> = listed.into_iter().flatten().chain(subject.groups.names()).collect();
        let matching = target.matching(issuer, groups.iter().copied()).map_err(|reason| {
            let unknown = target.issuer == *issuer && subject.groups.is_overage();
            if unknown { Reason::GroupsOverage } else { reason }
        })?;
        let scope = target.narrow(asked.scope)?;

        let further = further(&subject, &chosen, &groups, asked.bound_to);
        let mut drawn = [0; 16];
        crypto::random(&mut drawn).map_err(|_| Reason::SigningFailed)?;
        let jti = base64url::encode(&drawn);
        let id_jag = self.minter.mint(&IdJag {
            audience: &target.audience,
            client_id: chosen.client_id,
            subject: subject.subject,
            scope: Some(&scope),
            issued_at: now,
            lifetime_s: self.lifetime_s,
            jti: Some(&jti),
            tenant: subject.tenant,
            email: subject.email().filter(|_| target.claims.contains(&Copied::Email)),
            further: &further,
            ..IdJag::default()
        });
        let id_jag = id_jag.map_err(|_| Reason::SigningFailed)?;
        let event = Event {
            scope_granted: &scope,
            groups_matched: matching.get(..16).unwrap_or(&matching),
            token_jti: &jti,
            token_expires_at: now.saturating_add(self.lifetime_s),
            ..event.clone()
        };
        let receipt = self.record.queue(&event).map_err(|_| Reason::RecordUnavailable)?;
        self.record.wait(receipt).map_err(|_| Reason::RecordUnavailable)?;
        Ok(Issued { id_jag, scope, expires_in_s: self.lifetime_s })
    }
}

/// The members of an ID-JAG that [`IdJag`] has no field for: resources, groups, how the person signed in, and the key
/// that it is bound to (RFC 9449 section 6.1).
fn further(
    subject: &SignedIn<'_, '_, '_>,
    chosen: &Chosen<'_>,
    groups: &[&str],
    bound_to: Option<&str>,
) -> String {
    let mut json = JsonWriter::default();
    json.object(|json| {
        match &*chosen.resources {
            [] => {}
            [only] => json.member("resource", only),
            many => json.strings("resource", many.iter().copied()),
        }
        for claim in &chosen.target.claims {
            let name = match claim {
                Copied::Email => continue,
                Copied::Groups if subject.groups.is_overage() => {
                    // Unknown is not none: the next server reads the same marker.
                    json.name("hasgroups");
                    json.literal("true");
                    continue;
                }
                Copied::Groups => {
                    json.strings("groups", groups.iter().copied());
                    continue;
                }
                Copied::AuthTime => "auth_time",
                Copied::Acr => "acr",
                Copied::Amr => "amr",
            };
            if let Some(value) = subject.sign_in(name) {
                json.name(name);
                value.write(json);
            }
        }
        if let Some(thumbprint) = bound_to {
            json.name("cnf");
            json.object(|json| json.member("jkt", thumbprint));
        }
    });
    let object = json.into_string();
    let members = object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    members.unwrap_or_default().to_owned()
}

impl fmt::Debug for IdentityProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityProvider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
        issuer = "https://idp.example"
        tokens.keys = "ephemeral"
        clients = [{ id = "agent", auth = "none" }]
        subject_tokens = [{ issuer = "https://idp.example", own_keys = true }]
        [[targets]]
        audience = "https://auth.example"
        scopes = ["read"]
        everyone = true
        clients = [{ id = "agent", client_id = "there" }]
    "#;

    #[test]
    fn a_key_that_was_proven_is_in_the_id_jag() {
        let config = IdpConfig::parse("idp.toml", CONFIG, &mut |_| Err("no files".into())).unwrap();
        let provider = IdentityProvider::new(config);
        let id_token = IdToken {
            client_id: "agent",
            subject: "ada",
            issued_at: 1_784_527_300,
            lifetime_s: 60,
            ..IdToken::default()
        };
        let id_token = provider.id_token(&id_token).unwrap();
        let issue = |bound_to| {
            let asked = Asked {
                client_id: "agent",
                subject_token: &id_token,
                audience: "https://auth.example",
                resources: &[],
                scope: None,
                bound_to,
            };
            let issued = provider.issue(&asked, 1_784_527_310).unwrap();
            let payload = issued.id_jag.split('.').nth(1).unwrap();
            serde_json::from_slice::<serde_json::Value>(&base64url::decode(payload.as_bytes()).unwrap())
                .unwrap()
        };
        assert_eq!(issue(Some("thumbprint"))["cnf"], serde_json::json!({"jkt": "thumbprint"}));
        assert_eq!(issue(None).get("cnf"), None);
    }
}
