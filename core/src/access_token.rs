//! The way back: an access token that we minted is presented at the resource (RFC 9068 section 4).
//!
//! Signature and expiry alone never answer. Each token is also weighed against the policy, the directory, the clients
//! and the revocations of today, so that access ends when the administrator ends it and not when the token expires.
//! What was weighed is remembered elsewhere: see [`crate::token_cache`].

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::assertion::{Kind, Presented, Slot, directory_subject};
use crate::base64url;
use crate::claims::Claims;
use crate::clients::Clients;
use crate::config::State;
use crate::grant::{Book, groups_listed};
use crate::json::{Document, Memory, Parser};
use crate::json_writer::JsonWriter;
use crate::jws::Compact;
use crate::keyring::Keyring;
use crate::own_keys::OwnKeys;
use crate::policy::narrow;
use crate::possession::Confirmation;
use crate::reason::Reason;
use crate::revoked::Party;
use crate::scope::Scope;
use crate::texts::Texts;

/// Everything that a token is weighed against.
pub(crate) struct Today<'s> {
    pub(crate) generation: u64,
    pub(crate) reading: u64,
    pub(crate) issuer: &'s str,
    pub(crate) max_bytes: usize,
    pub(crate) keys: &'s OwnKeys,
    pub(crate) keyring: &'s Keyring,
    pub(crate) clients: &'s Clients,
    pub(crate) book: Book<'s>,
    pub(crate) now: i64,
}

/// A token that is valid now: who presents it, and what they may do.
///
/// A person is the triple of [`idp`](Self::idp), [`tenant`](Self::tenant) and [`subject`](Self::subject), never the
/// subject alone. A clone shares what this holds.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedToken {
    facts: Arc<Facts>,
    /// The scope, then the groups, where they are not those that the token carries.
    granted: Option<Arc<Texts>>,
}

/// What a token says. It never changes.
#[derive(PartialEq, Eq)]
struct Facts {
    /// To the byte.
    token: Box<[u8]>,
    /// What its claims say, by the numbers below; then groups, groups that the IdP listed, and types of
    /// `authorization_details`.
    texts: Texts,
    has_tenant: bool,
    /// The groups that the policy matched when the token was minted.
    groups: Range<usize>,
    /// Those of them that the IdP listed, where the directory lists some too.
    groups_asserted: Range<usize>,
    /// The types of `authorization_details`.
    details: Range<usize>,
    issued_at: i64,
    expires_at: i64,
    /// What its bearer must prove.
    bound_to: Confirmation,
}

/// Bytes of a token that is weighed before its signature is checked, at most: most of ours have fewer.
const NEAR: usize = 2_048;

/// Room for what a token lists, in bytes: groups above all.
const LISTS_BYTES: usize = 128;

const SUBJECT: usize = 0;
const DIRECTORY_SUBJECT: usize = 1;
const IDP: usize = 2;
const TENANT: usize = 3;
const CLIENT_ID: usize = 4;
const RESOURCE: usize = 5;
const SCOPE: usize = 6;
const JTI: usize = 7;
const LISTS: usize = 8;

impl VerifiedToken {
    /// `sub`, as the IdP wrote it.
    pub fn subject(&self) -> &str {
        self.facts.texts.get(SUBJECT)
    }

    /// The issuer identifier of the IdP that vouched for the person.
    pub fn idp(&self) -> &str {
        self.facts.texts.get(IDP)
    }

    /// The tenant at that IdP.
    pub fn tenant(&self) -> Option<&str> {
        self.facts.tenant()
    }

    /// The client that the token was issued to.
    pub fn client_id(&self) -> &str {
        self.facts.texts.get(CLIENT_ID)
    }

    /// The scopes that the token carries and the policy still grants, separated by spaces. Never empty.
    pub fn scope(&self) -> &str {
        self.granted.as_ref().map_or_else(|| self.facts.texts.get(SCOPE), |granted| granted.get(0))
    }

    /// The person's groups that a grant names today, at most 16.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        match &self.granted {
            Some(granted) => granted.range(1..granted.len()),
            None => self.facts.texts.range(self.facts.groups.clone()),
        }
    }

    /// The resource that the token is for.
    pub fn resource(&self) -> &str {
        self.facts.texts.get(RESOURCE)
    }

    /// `exp`, in seconds since 1970.
    pub fn expires_at(&self) -> i64 {
        self.facts.expires_at
    }

    /// `iat`, in seconds since 1970.
    pub fn issued_at(&self) -> i64 {
        self.facts.issued_at
    }

    /// `jti`.
    pub fn jti(&self) -> &str {
        self.facts.texts.get(JTI)
    }

    /// `DPoP` where the token is bound to a key (RFC 9449 section 5), otherwise `Bearer`.
    pub fn token_type(&self) -> &'static str {
        self.facts.bound_to.token_type()
    }

    /// `cnf` as JSON text: the key or certificate that the token is bound to (RFC 7800 section 3.1).
    pub fn cnf(&self) -> Option<String> {
        if self.facts.bound_to.is_nothing() {
            return None;
        }
        let mut cnf = JsonWriter::default();
        self.facts.bound_to.write(&mut cnf);
        Some(cnf.into_string())
    }

    /// What its bearer must prove, with each request.
    pub(crate) fn bound_to(&self) -> &Confirmation {
        &self.facts.bound_to
    }

    /// `act` as JSON text: who acts for the person (RFC 8693 section 4.1). Decoded anew by each call.
    pub fn act(&self) -> Option<String> {
        self.claim("act")
    }

    /// `authorization_details` as JSON text (RFC 9396 section 9.1). Decoded anew by each call.
    pub fn authorization_details(&self) -> Option<String> {
        self.claim("authorization_details")
    }

    /// One claim as JSON text.
    fn claim(&self, name: &str) -> Option<String> {
        let mut claims = Vec::new();
        let claims = base64url::decode_into(self.payload(), &mut claims).ok()?;
        let (mut parser, mut memory) = (Parser::default(), Memory::default());
        let document = Document::read(claims, &mut parser, &mut memory).ok()?;
        let mut claim = JsonWriter::default();
        document.object().member(name)?.write(&mut claim);
        Some(claim.into_string())
    }

    /// All claims of the token as JSON text. Decoded anew by each call.
    pub fn claims(&self) -> String {
        String::from_utf8(base64url::decode(self.payload()).unwrap_or_default()).unwrap_or_default()
    }

    fn payload(&self) -> &[u8] {
        Compact::split(&self.facts.token).map(|compact| compact.payload).unwrap_or_default()
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedToken")
            .field("idp", &self.idp())
            .field("tenant", &self.tenant())
            .field("subject", &self.subject())
            .field("client_id", &self.client_id())
            .field("scope", &self.scope())
            .field("groups", &self.groups().collect::<Vec<_>>())
            .field("resource", &self.resource())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

/// What was found out about a token, and when.
pub(crate) struct Weighed {
    facts: Arc<Facts>,
    generation: u64,
    reading: u64,
    verdict: Result<VerifiedToken, Reason>,
}

impl Weighed {
    /// Reads the token, weighs it and checks its signature: what is returned is our own word.
    ///
    /// The signature comes last, though it decides first, unless the token is long: it takes the processor's nearest memory for
    /// itself, and what was just read is still there before. Nothing of a token that is not ours leaves here but that. What is
    /// to be kept has its place by then, too: the memory for it comes while the signature is checked.
    pub(crate) fn read(
        token: &[u8],
        today: &Today<'_>,
        parser: &mut Parser,
        slot: &mut Slot,
    ) -> Result<Box<Self>, Reason> {
        let presented = Presented::read(token, Kind::AccessToken, today.max_bytes, parser, slot)
            .map_err(|_| Reason::TokenMalformed)?;
        let header = presented.header();
        let key = today.keys.find(header.kid, header.alg).ok_or(Reason::TokenSignatureInvalid)?;
        let is_ours = || presented.is_signed_by(key.verifying());
        // What weighing costs grows faster than the lists that a stranger may write: a long token has to be ours first.
        let known = token.len() > NEAR;
        if known && !is_ours() {
            return Err(Reason::TokenSignatureInvalid);
        }
        let claims = presented.claims();
        let facts = if claims.issuer() == Ok(today.issuer) {
            Facts::copy(token, &claims, today).map_err(|_| Reason::TokenMalformed)
        } else {
            Err(Reason::TokenIssuerMismatch)
        };
        let weighed = facts.map(|facts| {
            let facts = Arc::new(facts);
            let verdict = facts.weigh(today);
            Box::new(Self { facts, generation: today.generation, reading: today.reading, verdict })
        });
        if known || is_ours() { weighed } else { Err(Reason::TokenSignatureInvalid) }
    }

    /// The token, to the byte.
    pub(crate) fn token(&self) -> &[u8] {
        &self.facts.token
    }

    /// The bytes that it and what its claims say take.
    pub(crate) fn memory(&self) -> usize {
        self.facts.token.len() + self.facts.texts.memory()
    }

    /// Its claims that say whose it is, whatever it is worth today: `client_id`, `jti`, `exp`.
    pub(crate) fn owner(&self) -> (&str, &str, i64) {
        (self.facts.texts.get(CLIENT_ID), self.facts.texts.get(JTI), self.facts.expires_at)
    }

    /// Who presents it and what they may do, or why they may not.
    pub(crate) fn verdict(&self) -> Result<VerifiedToken, Reason> {
        self.verdict.clone()
    }

    /// Weighs again if the generation moved on. False: the configuration was read again, with it our keys, our issuer
    /// identifier and what a token's claims mean, so the token is to be read again, too.
    pub(crate) fn refresh(&mut self, today: &Today<'_>) -> bool {
        if self.generation == today.generation {
            return true;
        }
        if self.reading != today.reading {
            return false;
        }
        self.verdict = self.facts.weigh(today);
        self.generation = today.generation;
        true
    }
}

impl Facts {
    fn copy(token: &[u8], claims: &Claims<'_, '_>, today: &Today<'_>) -> Result<Self, Reason> {
        const MALFORMED: Reason = Reason::TokenMalformed;
        let idp = claims.idp().ok_or(MALFORMED)?;
        let subject = claims.subject()?;
        let directory_subject = match today.keyring.trusted(idp) {
            Some(trusted) => directory_subject(claims, trusted.idp)?,
            None => subject,
        };
        let tenant = claims.tenant()?;
        let fixed: [&str; LISTS] = [
            subject,
            directory_subject,
            idp,
            tenant.unwrap_or_default(),
            claims.client_id()?,
            claims.audience()?,
            claims.scope()?.ok_or(MALFORMED)?.as_str(),
            claims.jti(usize::MAX)?,
        ];
        // The lists are not known to be short, but most are.
        let fixed_bytes: usize = fixed.iter().map(|text| text.len()).sum();
        let mut texts = Texts::with_room(2 * LISTS, fixed_bytes + LISTS_BYTES);
        for text in fixed {
            texts.push(text).ok_or(MALFORMED)?;
        }
        for group in claims.groups_matched() {
            texts.push(group).ok_or(MALFORMED)?;
        }
        let asserted_from = texts.len();
        for group in claims.groups_asserted() {
            texts.push(group).ok_or(MALFORMED)?;
        }
        let details_from = texts.len();
        for kind in claims.details_types()? {
            texts.push(kind).ok_or(MALFORMED)?;
        }
        Ok(Self {
            has_tenant: tenant.is_some(),
            groups: LISTS..asserted_from,
            groups_asserted: asserted_from..details_from,
            details: details_from..texts.len(),
            issued_at: claims.issued()?.floor(),
            expires_at: claims.expires()?.floor(),
            bound_to: claims.confirmation()?.unwrap_or_default(),
            token: token.into(),
            texts,
        })
    }

    fn tenant(&self) -> Option<&str> {
        self.has_tenant.then(|| self.texts.get(TENANT))
    }

    /// The decision of today: what is left of the token.
    fn weigh(self: &Arc<Self>, today: &Today<'_>) -> Result<VerifiedToken, Reason> {
        const GONE: Reason = Reason::TokenNoLongerGranted;
        let (issuer, tenant) = (self.texts.get(IDP), self.tenant());
        let (subject, client_id) = (self.texts.get(SUBJECT), self.texts.get(CLIENT_ID));
        let idp = today.keyring.trusted(issuer).ok_or(GONE)?.idp;
        let client = today.clients.reach(client_id).map_err(|_| GONE)?;
        let (connector, _) = today.book.policy.serving(self.texts.get(RESOURCE)).ok_or(GONE)?;
        let party = Party { issuer, tenant, subject, client_id, connector: &connector.id };
        if today.book.revoked.revokes(self.texts.get(JTI), self.issued_at, &party) {
            return Err(Reason::TokenRevoked);
        }
        let admitted = idp.enabled
            && idp.has_tenant(tenant)
            && client.idps.admit(issuer)
            && client.connectors.admit(&connector.id)
            && connector.state == State::Enabled;
        // A connector that has come to ask for proof of possession is not content with a bearer token.
        if !admitted || (connector.require_dpop && self.bound_to.key.is_none()) {
            return Err(GONE);
        }
        let listed =
            groups_listed(today.book.directory, idp, issuer, tenant, self.texts.get(DIRECTORY_SUBJECT))
                .map_err(|_| GONE)?;
        // The directory's word of today goes before what the token says.
        let from_token = match (&listed, idp.groups.is_union()) {
            (None, _) => self.groups.clone(),
            (Some(_), true) => self.groups_asserted.clone(),
            (Some(_), false) => 0..0,
        };
        let (listed, from_token) = (listed.into_iter().flatten(), self.texts.range(from_token));
        let groups = || listed.clone().chain(from_token.clone());
        let matching = connector.matching(issuer, tenant, groups());
        let allows = |kind| connector.allows_details(kind, issuer, tenant, groups());
        if !self.texts.range(self.details.clone()).all(allows) {
            return Err(GONE);
        }
        let scope = Scope::known(self.texts.get(SCOPE));
        let carried = connector.claimed(Some(scope)).map_err(|_| GONE)?;
        let scopes = narrow(carried, matching.scopes, None, &connector.scopes).map_err(|_| GONE)?;
        let as_carried = scopes.names(&connector.scopes).map(str::as_bytes).eq(scope.tokens())
            && self.texts.range(self.groups.clone()).eq(matching.groups().iter().copied());
        let granted = if as_carried {
            None
        } else {
            let (scope, groups) = (scopes.print(&connector.scopes), matching.groups());
            let bytes = groups.iter().map(|group| group.len()).sum::<usize>() + scope.len();
            let mut granted = Texts::with_room(1 + groups.len(), bytes);
            granted.push(&scope).ok_or(GONE)?;
            for group in groups {
                granted.push(group).ok_or(GONE)?;
            }
            Some(Arc::new(granted))
        };
        Ok(VerifiedToken { facts: Arc::clone(self), granted })
    }
}
