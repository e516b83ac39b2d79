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
use crate::dpop::{self, Proof};
use crate::error::Error;
use crate::grant::groups_listed;
use crate::id_jag::{IdJag, IdJagMinter};
use crate::json_writer::JsonWriter;
use crate::keyring::Keyring;
use crate::limiter::Limiter;
use crate::mint::{self, Unsigned};
use crate::own_keys::OwnKeys;
use crate::policy::hexadecimal;
use crate::possession::Confirmation;
use crate::reason::{Reason, Refusal};
use crate::record::{Event, NoRecord, Record};
use crate::replay::{MemoryReplay, ReplayStore};
use crate::spend::Till;
use crate::subject_token::{self, Presented, Rules, SignedIn, Slot};
use crate::target::Chosen;
use crate::time::{Clock, Moment, Monotone, SystemClock};

/// Memory for the client assertions and proofs that were spent, at most, in bytes.
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
    pub(crate) limiter: Limiter,
    pub(crate) replay: Box<dyn ReplayStore>,
    /// When the single-use memory began.
    began: i64,
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
    /// That the client has a key, verified and not spent: the ID-JAG is bound to it.
    pub(crate) proof: Option<&'r Proof>,
    /// Who connects: for the record.
    pub(crate) peer: Option<&'r str>,
}

/// An ID-JAG to hand out.
pub(crate) struct Issued {
    pub(crate) id_jag: String,
    pub(crate) scope: String,
    pub(crate) expires_in_s: i64,
}

impl IdentityProvider {
    /// With the system's clock, and no record. Client assertions and proofs are spent in memory, which begins now: proofs
    /// from before are refused.
    pub fn new(config: IdpConfig) -> Self {
        Self {
            digest: hexadecimal(&crypto::sha256(&[config.text.as_bytes()])),
            file: config.file,
            minter: IdJagMinter::new(config.issuer.as_str(), Arc::clone(config.keys.signer())),
            issuer: config.issuer,
            endpoints: config.endpoints,
            limits: config.limits,
            clients: Clients::new(config.clients, None),
            limiter: Limiter::new(),
            replay: Box::new(MemoryReplay::new(REPLAY_BYTES)),
            began: SystemClock.now(),
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
        self.began = clock.now();
        self.clock = Box::new(clock);
        self
    }

    /// The same with a record, which takes every answer.
    #[must_use]
    pub fn with_record(mut self, record: Arc<dyn Record>) -> Self {
        self.record = record;
        self
    }

    /// The same with another store for client assertions and proofs.
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

    pub(crate) fn begin(&self) -> Moment {
        Moment::now(self.seen.at_least(self.clock.now_ms()), true)
    }

    /// Where client assertions and proofs are spent. Their lines say what was spent; nothing reads them at a start, because
    /// what is older than the start is refused.
    pub(crate) fn till(&self, at_ms: i64) -> Till<'_> {
        Till { store: &*self.replay, record: &*self.record, at_ms }
    }

    /// What a DPoP proof is checked against that comes with a token exchange: the method, and the URL of the token endpoint
    /// (draft section 8.6.1.1). No nonce of ours is asked for.
    pub(crate) fn proof_rules<'r>(&'r self, method: &'r str, now: i64) -> dpop::Rules<'r> {
        dpop::Rules {
            method,
            url: &self.endpoints.token,
            token: None,
            nonces: None,
            leeway_s: self.limits.leeway_s,
            max_jti_chars: self.limits.max_jti_chars,
            began: Some(self.began),
            now,
        }
    }

    /// Decides, signs and records.
    pub(crate) fn issue(&self, asked: &Asked<'_>, moment: Moment) -> Result<Issued, Refusal> {
        let mut slot = Slot::default();
        let mut event = Event { peer: asked.peer, ..self.event(asked.client_id, moment) };
        self.issue_noting(asked, moment.at(), &mut slot, &mut event)
            .map_err(|reason| self.refuse(reason, &event))
    }

    /// The record of a request of which only the client is known, or who it says it is.
    pub(crate) fn event<'a>(&'a self, client_id: &'a str, moment: Moment) -> Event<'a> {
        let Moment { at_ms, began } = moment;
        Event { at_ms, began, client_id, policy_digest: &self.digest, ..Event::default() }
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

        let issuer = subject.issuer;
        let listed = groups_listed(&self.directory, subject.idp, issuer, subject.tenant, subject.subject)?;
        let groups: Vec<&str> = listed.into_iter().flatten().chain(subject.groups.names()).collect();
        let matching = target.matching(issuer, groups.iter().copied()).map_err(|reason| {
            let unknown = *target.issuer == *issuer && subject.groups.is_overage();
            if unknown { Reason::GroupsOverage } else { reason }
        })?;
        let scope = target.narrow(asked.scope)?;

        let bound_to = Confirmation { key: asked.proof.map(Proof::key), certificate: None };
        let further = further(&subject, &chosen, &groups, &bound_to);
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
        if let Some(proof) = asked.proof {
            // After everything else: without a good ID token, no proof fills the store.
            proof.spend(&self.till(event.at_ms), asked.client_id)?;
        }
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
    bound_to: &Confirmation,
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
        if !bound_to.is_nothing() {
            json.name("cnf");
            bound_to.write(json);
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
