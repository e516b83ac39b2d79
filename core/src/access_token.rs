//! The way back: an access token that we minted is presented at the resource (RFC 9068 section 4).
//!
//! Signature and expiry alone never answer. Each token is also weighed against the policy, the directory, the clients
//! and the revocations of today, so that access ends when the administrator ends it and not when the token expires.
//! What was weighed is remembered under the whole token, all its bytes compared, together with the generation of
//! everything that it was weighed against; when that has moved on, it is weighed again, without cryptography.

use std::fmt;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use parking_lot::Mutex;

use crate::assertion::{Presented, Slot, directory_subject};
use crate::base64url;
use crate::claims::Claims;
use crate::clients::Clients;
use crate::config::State;
use crate::grant::{Book, groups_listed};
use crate::json::{Document, Memory, PADDING, Parser};
use crate::json_writer::JsonWriter;
use crate::jws::Compact;
use crate::key::SigningKey;
use crate::keyring::Keyring;
use crate::mint::TYP;
use crate::own_keys::OwnKeys;
use crate::policy::narrow;
use crate::reason::Reason;
use crate::revoked::Party;
use crate::scope::Scope;

/// Shards of the cache: a power of two, so that a hash picks one.
const SHARDS: usize = 64;
/// Bytes of one generation of one shard, as far as the tokens and their claims go: 64 MiB in all, about.
const SHARD_BYTES: usize = 512 * 1024;
/// What an entry is charged for beside its token.
const ENTRY_OVERHEAD: usize = 512;

/// Everything that a token is weighed against.
pub(crate) struct Today<'s> {
    pub(crate) generation: u64,
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
/// subject alone.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedToken {
    facts: Arc<Facts>,
    scope: String,
    groups: Vec<String>,
}

/// What a token says. It never changes.
#[derive(PartialEq, Eq)]
struct Facts {
    /// The token, to the byte.
    token: Box<[u8]>,
    /// Every text below, one after the other: one allocation for all of them.
    texts: String,
    subject: Text,
    directory_subject: Text,
    idp: Text,
    tenant: Option<Text>,
    client_id: Text,
    resource: Text,
    scope: Text,
    jti: Text,
    /// The groups that the policy matched when the token was minted.
    groups: Vec<Text>,
    /// Those of them that the IdP listed, where the directory lists some too.
    groups_asserted: Vec<Text>,
    /// The types of `authorization_details`.
    details: Vec<Text>,
    issued_at: i64,
    expires_at: i64,
}

/// A piece of [`Facts::texts`].
type Text = Range<usize>;

impl VerifiedToken {
    /// `sub`, as the IdP wrote it.
    pub fn subject(&self) -> &str {
        self.facts.text(&self.facts.subject)
    }

    /// The issuer identifier of the IdP that vouched for the person.
    pub fn idp(&self) -> &str {
        self.facts.text(&self.facts.idp)
    }

    /// The tenant at that IdP.
    pub fn tenant(&self) -> Option<&str> {
        self.facts.tenant()
    }

    /// The client that the token was issued to.
    pub fn client_id(&self) -> &str {
        self.facts.text(&self.facts.client_id)
    }

    /// The scopes that the token carries and the policy still grants, separated by spaces. Never empty.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The person's groups that a grant names today, at most 16.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The resource that the token is for.
    pub fn resource(&self) -> &str {
        self.facts.text(&self.facts.resource)
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
        self.facts.text(&self.facts.jti)
    }

    /// `act` as JSON text: who acts for the person (RFC 8693 section 4.1). Decoded anew by each call.
    pub fn act(&self) -> Option<String> {
        let mut claims = Vec::new();
        let length = base64url::decode_into(self.payload(), &mut claims, PADDING).ok()?;
        let (mut parser, mut memory) = (Parser::default(), Memory::default());
        let document = Document::read(&mut claims, length, &mut parser, &mut memory).ok()?;
        let mut act = JsonWriter::default();
        document.object().member("act")?.write(&mut act);
        Some(act.into_string())
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
            .field("scope", &self.scope)
            .field("groups", &self.groups)
            .field("resource", &self.resource())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

/// Remembers the tokens that were weighed. Bounded: old entries make room, and are weighed again when they return.
pub(crate) struct TokenCache {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
}

/// Two generations: entries are added to the young one; when that is full, the old one is forgotten.
#[derive(Default)]
struct Shard {
    young: HashTable<Entry>,
    young_bytes: usize,
    old: HashTable<Entry>,
}

struct Entry {
    hash: u64,
    key: Arc<SigningKey>,
    facts: Arc<Facts>,
    generation: u64,
    weighed: Result<Arc<VerifiedToken>, Reason>,
}

impl TokenCache {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::default(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Verifies `token` for `resource`. A token that was seen before costs a hash and a comparison of its bytes.
    pub(crate) fn verify(
        &self,
        token: &[u8],
        resource: &str,
        today: &Today<'_>,
        parser: &mut Parser,
        slot: &mut Slot,
    ) -> Result<Arc<VerifiedToken>, Reason> {
        if token.len() > today.max_bytes {
            return Err(Reason::TokenMalformed);
        }
        let hash = self.hasher.hash_one(token);
        let remembered = self.shard(hash).and_then(|shard| shard.lock().recall(hash, token, today));
        let weighed = match remembered {
            Some(weighed) => weighed,
            None => self.verify_anew(token, hash, today, parser, slot)?,
        };
        let verified = weighed?;
        // Expiry first: a token that is over is over for every resource.
        if verified.facts.expires_at <= today.now {
            return Err(Reason::TokenExpired);
        }
        if verified.resource() != resource {
            return Err(Reason::TokenAudienceMismatch);
        }
        Ok(verified)
    }

    fn verify_anew(
        &self,
        token: &[u8],
        hash: u64,
        today: &Today<'_>,
        parser: &mut Parser,
        slot: &mut Slot,
    ) -> Result<Result<Arc<VerifiedToken>, Reason>, Reason> {
        let (facts, key) = Facts::read(token, today, parser, slot)?;
        let facts = Arc::new(facts);
        let weighed = facts.weigh(today).map(Arc::new);
        if let Some(shard) = self.shard(hash) {
            shard.lock().remember(Entry {
                hash,
                key,
                facts,
                generation: today.generation,
                weighed: weighed.clone(),
            });
        }
        Ok(weighed)
    }

    fn shard(&self, hash: u64) -> Option<&Mutex<Shard>> {
        // The table inside uses the low bits of the hash for the place and the top seven for the tag.
        let at = usize::try_from(hash >> 40).unwrap_or_default() % SHARDS;
        self.shards.get(at)
    }
}

impl Shard {
    /// What was found out about these very bytes, weighed again if anything changed since.
    fn recall(
        &mut self,
        hash: u64,
        token: &[u8],
        today: &Today<'_>,
    ) -> Option<Result<Arc<VerifiedToken>, Reason>> {
        let same = |entry: &Entry| entry.hash == hash && *entry.facts.token == *token;
        if let Some(entry) = self.young.find_mut(hash, same) {
            if entry.refresh(today) {
                return Some(entry.weighed.clone());
            }
            return None;
        }
        let found = self.old.find_entry(hash, same).ok()?;
        let (mut entry, _) = found.remove();
        if !entry.refresh(today) {
            return None;
        }
        let weighed = entry.weighed.clone();
        self.remember(entry);
        Some(weighed)
    }

    fn remember(&mut self, entry: Entry) {
        let cost = entry.facts.token.len() * 2 + ENTRY_OVERHEAD;
        if self.young_bytes + cost > SHARD_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        let hash = entry.hash;
        match self.young.entry(
            hash,
            |other| other.hash == hash && other.facts.token == entry.facts.token,
            |other| other.hash,
        ) {
            hashbrown::hash_table::Entry::Occupied(mut place) => *place.get_mut() = entry,
            hashbrown::hash_table::Entry::Vacant(place) => {
                place.insert(entry);
                self.young_bytes += cost;
            }
        }
    }
}

impl Entry {
    /// Weighs again if the generation moved on. False: the key is no longer ours, so nothing here counts any more.
    fn refresh(&mut self, today: &Today<'_>) -> bool {
        if self.generation == today.generation {
            return true;
        }
        if !today.keys.holds(&self.key) {
            return false;
        }
        self.weighed = self.facts.weigh(today).map(Arc::new);
        self.generation = today.generation;
        true
    }
}

impl Facts {
    /// Reads the token and checks its signature. Everything that it says is then our own word.
    fn read(
        token: &[u8],
        today: &Today<'_>,
        parser: &mut Parser,
        slot: &mut Slot,
    ) -> Result<(Self, Arc<SigningKey>), Reason> {
        let presented =
            Presented::read(token, TYP, today.max_bytes, parser, slot).map_err(|_| Reason::TokenMalformed)?;
        let header = presented.header();
        let key = today.keys.find(header.kid, header.alg).ok_or(Reason::TokenSignatureInvalid)?;
        if !presented.is_signed_by(key.verifying()) {
            return Err(Reason::TokenSignatureInvalid);
        }
        let claims = presented.claims();
        if claims.issuer() != Ok(today.issuer) {
            return Err(Reason::TokenIssuerMismatch);
        }
        if claims.is_bound_to_a_key() {
            return Err(Reason::TokenProofRequired);
        }
        let facts = Self::copy(token, &claims, today).map_err(|_| Reason::TokenMalformed)?;
        Ok((facts, Arc::clone(key)))
    }

    fn copy(token: &[u8], claims: &Claims<'_, '_>, today: &Today<'_>) -> Result<Self, Reason> {
        let idp = claims.idp().ok_or(Reason::TokenMalformed)?;
        let subject = claims.subject()?;
        let directory_subject = match today.keyring.trusted(idp) {
            Some(trusted) => directory_subject(claims, trusted.idp)?,
            None => subject,
        };
        let mut texts = String::with_capacity(256);
        let mut add = |text: &str| -> Text {
            let start = texts.len();
            texts.push_str(text);
            start..texts.len()
        };
        Ok(Self {
            token: token.into(),
            subject: add(subject),
            directory_subject: add(directory_subject),
            idp: add(idp),
            tenant: claims.tenant()?.map(&mut add),
            client_id: add(claims.client_id()?),
            resource: add(claims.audience()?),
            scope: add(claims.scope()?.ok_or(Reason::TokenMalformed)?.as_str()),
            jti: add(claims.jti(usize::MAX)?),
            groups: claims.groups_matched().map(&mut add).collect(),
            groups_asserted: claims.groups_asserted().map(&mut add).collect(),
            details: claims.details_types()?.map(&mut add).collect(),
            issued_at: claims.issued()?.floor(),
            expires_at: claims.expires()?.floor(),
            texts,
        })
    }

    fn text(&self, text: &Text) -> &str {
        self.texts.get(text.clone()).unwrap_or_default()
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_ref().map(|tenant| self.text(tenant))
    }

    /// The decision of today: what is left of the token.
    fn weigh(self: &Arc<Self>, today: &Today<'_>) -> Result<VerifiedToken, Reason> {
        const GONE: Reason = Reason::TokenNoLongerGranted;
        let (issuer, tenant) = (self.text(&self.idp), self.tenant());
        let (subject, client_id) = (self.text(&self.subject), self.text(&self.client_id));
        let idp = today.keyring.trusted(issuer).ok_or(GONE)?.idp;
        let client = today.clients.enabled(client_id).map_err(|_| GONE)?;
        let (connector, _) = today.book.policy.serving(self.text(&self.resource)).ok_or(GONE)?;
        let party = Party { issuer, tenant, subject, client_id, connector: &connector.id };
        if today.book.revoked.revokes(self.text(&self.jti), self.issued_at, &party) {
            return Err(Reason::TokenRevoked);
        }
        let admitted = idp.enabled
            && idp.has_tenant(tenant)
            && client.idps.admit(issuer)
            && client.connectors.admit(&connector.id)
            && connector.state == State::Enabled;
        // A connector that has come to ask for proof of possession is not content with a bearer token.
        if !admitted || connector.require_dpop {
            return Err(GONE);
        }
        let listed =
            groups_listed(today.book.directory, idp, issuer, tenant, self.text(&self.directory_subject))
                .map_err(|_| GONE)?;
        // The directory's word of today goes before what the token says.
        let from_token = match (&listed, idp.groups.is_union()) {
            (None, _) => self.groups.as_slice(),
            (Some(_), true) => self.groups_asserted.as_slice(),
            (Some(_), false) => &[],
        };
        let (listed, from_token) =
            (listed.into_iter().flatten(), from_token.iter().map(|group| self.text(group)));
        let groups = || listed.clone().chain(from_token.clone());
        let matching = connector.matching(issuer, tenant, groups());
        let allows = |kind| connector.allows_details(self.text(kind), issuer, tenant, groups());
        if !self.details.iter().all(allows) {
            return Err(GONE);
        }
        let scope = Scope::read(self.text(&self.scope)).ok_or(GONE)?;
        let carried = connector.claimed(Some(scope)).map_err(|_| GONE)?;
        let scopes = narrow(carried, matching.scopes, None, &connector.scopes).map_err(|_| GONE)?;
        Ok(VerifiedToken {
            facts: Arc::clone(self),
            scope: scopes.print(&connector.scopes),
            groups: matching.groups().iter().map(|group| (*group).to_owned()).collect(),
        })
    }
}
