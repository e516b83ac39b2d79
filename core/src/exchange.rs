//! The exchange: an ID-JAG goes in, the policy decides, an access token comes out, and a record stays.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::access_token::{VerifiedToken, Weighed};
use crate::assertion::{Kind, Plausible, Presented, Slot};
use crate::base64url;
use crate::client_documents::ClientDocuments;
use crate::clients::Clients;
use crate::config::{self, Config, Store};
use crate::crypto;
use crate::directory::Directory;
use crate::dpop::Proof;
use crate::error::Error;
use crate::grant::{Asked, Grant};
use crate::json::Parser;
use crate::json_writer::JsonWriter;
use crate::jwks::Put;
use crate::key_source::{FetchSettings, KeyOwner, KeySource, Sought, WantedKeys};
use crate::limiter::Limiter;
use crate::mint::Unsigned;
use crate::nonce::Nonces;
use crate::notices::Notice;
use crate::policy::Policy;
use crate::policy_changes;
use crate::possession::Possession;
use crate::reach;
use crate::reason::{Reason, Refusal};
use crate::record::{Event, Note, Receipt, Record};
use crate::replay::{Claim, Claimed, Memory, MemoryReplay, Purpose, ReplayKey, ReplayStats, ReplayStore};
use crate::revoked::Revoked;
use crate::sharing::Listening;
use crate::snapshot::{Loaded, Snapshot, Waiting};
use crate::state::{Server, State};
use crate::time::{Clock, Moment, Monotone, SystemClock};
use crate::token_cache::TokenCache;

/// One request to exchange an ID-JAG (RFC 7523 section 2.1). The client was authenticated by the caller.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// The `assertion` parameter.
    pub assertion: &'a [u8],
    /// The authenticated client.
    pub client_id: &'a str,
    /// The `resource` parameters; empty: not asked.
    pub resource: &'a [&'a str],
    /// The `scope` parameter; `None` or empty: not asked.
    pub scope: Option<&'a str>,
    /// The `authorization_details` parameter (RFC 9396 section 6), JSON; `None` or empty: not asked.
    pub authorization_details: Option<&'a str>,
}

/// What came with a request beside what it says: a proof that was verified and not spent, the certificate of the
/// connection in DER, and from whom.
#[derive(Clone, Copy, Default)]
pub(crate) struct Proven<'r> {
    pub(crate) proof: Option<&'r Proof>,
    pub(crate) certificate: Option<&'r [u8]>,
    /// Who connects: for the record.
    pub(crate) peer: Option<&'r str>,
}

impl<'r> Proven<'r> {
    fn possession(&self) -> Possession<'r> {
        Possession { key: self.proof.map(Proof::key), certificate: self.certificate }
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("assertion", &format_args!(".."))
            .field("client_id", &self.client_id)
            .field("resource", &self.resource)
            .field("scope", &self.scope)
            .field("authorization_details", &self.authorization_details)
            .finish()
    }
}

/// Where scope, resource and details end in the text that they share.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends {
    scope: usize,
    resource: usize,
    details: usize,
}

/// A token that was issued.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Issued {
    /// Scope, resource, details and token, one behind the other.
    text: String,
    ends: Ends,
    expires_in_s: i64,
    token_type: &'static str,
}

impl Issued {
    /// The token, for the `access_token` member.
    pub fn access_token(&self) -> &str {
        self.text.get(self.ends.details..).unwrap_or_default()
    }

    /// The `token_type`: `DPoP` where the token is bound to a key (RFC 9449 section 5), otherwise `Bearer`.
    pub const fn token_type(&self) -> &'static str {
        self.token_type
    }

    /// Seconds until it expires, for `expires_in`.
    pub const fn expires_in_s(&self) -> i64 {
        self.expires_in_s
    }

    /// Bytes of token, scope, resource and details together.
    pub(crate) const fn text_len(&self) -> usize {
        self.text.len()
    }

    /// What was granted, for `scope`: tokens separated by spaces, never empty.
    pub fn scope(&self) -> &str {
        self.text.get(..self.ends.scope).unwrap_or_default()
    }

    /// What it is for, for `resource`.
    pub fn resource(&self) -> &str {
        self.text.get(self.ends.scope..self.ends.resource).unwrap_or_default()
    }

    /// What was granted, for `authorization_details` (RFC 9396 section 7): a JSON array, where the assertion has that claim.
    pub fn authorization_details(&self) -> Option<&str> {
        self.text.get(self.ends.resource..self.ends.details).filter(|details| !details.is_empty())
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("access_token", &format_args!(".."))
            .field("expires_in_s", &self.expires_in_s)
            .field("scope", &self.scope())
            .field("resource", &self.resource())
            .field("authorization_details", &self.authorization_details())
            .finish_non_exhaustive()
    }
}

/// An exchange that was decided in the client's favour: the `jti` is spent, the record is queued, nothing is signed.
///
/// Dropping it issues nothing; the `jti` stays spent.
#[must_use = "the jti is spent; `finish` signs the token"]
pub struct Pending {
    unsigned: Unsigned,
    ends: Ends,
    token_type: &'static str,
    /// As it was at the decision: its key is the one that the token's header names.
    server: Arc<Server>,
    receipt: Receipt,
}

impl Pending {
    /// What [`finish`](Self::finish) waits for: for who may not wait here, and can ask the record itself.
    pub const fn receipt(&self) -> Receipt {
        self.receipt
    }

    /// Signs, waits until the record is as durable as it promises, and hands the token out.
    pub fn finish(mut self) -> Result<Issued, Refusal> {
        self.unsigned.sign(self.server.minter.key())?;
        self.hand_out()
    }

    fn hand_out(self) -> Result<Issued, Refusal> {
        self.server.record().wait(self.receipt).map_err(|_| Reason::RecordUnavailable)?;
        Ok(Issued {
            text: self.unsigned.into_text(),
            ends: self.ends,
            expires_in_s: self.server.minter.ttl_s(),
            token_type: self.token_type,
        })
    }
}

/// Signs many, each refusal staying in its place.
pub(crate) fn sign_many(mut many: Vec<Result<Pending, Refusal>>) -> Vec<Result<Pending, Refusal>> {
    let jobs = many.iter_mut().flatten().map(|pending| (&mut pending.unsigned, pending.server.minter.key()));
    let mut signed = Unsigned::sign_many(jobs.collect()).into_iter();
    many.into_iter()
        .map(|pending| {
            let pending = pending?;
            // As many answers as tokens to sign; a missing one would refuse.
            signed.next().ok_or(Reason::SigningFailed)??;
            Ok(pending)
        })
        .collect()
}

/// Hands out many that were signed, the last first: what that one waits for, the others need not.
pub(crate) fn hand_out_many(mut signed: Vec<Result<Pending, Refusal>>) -> Vec<Result<Issued, Refusal>> {
    let mut issued: Vec<_> = std::iter::from_fn(|| signed.pop()).map(|pending| pending?.hand_out()).collect();
    issued.reverse();
    issued
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("receipt", &self.receipt).finish_non_exhaustive()
    }
}

/// Counters and sizes, for a dashboard.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Exchanges that were granted.
    pub granted: u64,
    /// Exchanges that were refused, and requests to the other endpoints.
    pub refused: u64,
    /// Requests that were answered with 429, at all endpoints.
    pub limited: u64,
    /// The single-use store.
    pub replay: ReplayStats,
    /// People in the directory.
    pub people: usize,
    /// The SHA-256 of the policy's text, in hexadecimal.
    pub policy_digest: String,
    /// How often keys, policy, directory, clients or revocations have changed, counted from 1.
    pub generation: u64,
}

/// The engine: takes ID-JAGs, mints access tokens, verifies them. Shared by any number of threads.
pub struct Exchange {
    state: Snapshot<State>,
    pub(crate) replay: Box<dyn ReplayStore>,
    pub(crate) documents: Option<Box<dyn ClientDocuments>>,
    pub(crate) key_source: Option<Arc<dyn KeySource>>,
    clock: Box<dyn Clock>,
    seen: Monotone,
    /// When the memory of single use began: as the host said, and when the engine was built.
    told_began: Option<i64>,
    built: i64,
    /// When a record began that the memory was filled from.
    spent_since: Option<i64>,
    tokens: TokenCache,
    pub(crate) limiter: Limiter,
    pub(crate) nonces: Nonces,
    pub(crate) listening: Listening,
    /// Whether the host gave a record: it stays the same one, whatever is read again.
    keeps_record: bool,
    counted: Counted,
}

/// What every exchange writes: apart from what every exchange reads, so that threads do not wait for each other's lines.
#[derive(Default)]
#[repr(align(128))]
struct Counted {
    granted: AtomicU64,
    refused: AtomicU64,
}

/// What an [`Exchange`] is built from, beside its configuration.
pub struct Builder {
    config: Config,
    clock: Box<dyn Clock>,
    record: Option<Arc<dyn Record>>,
    replay: Option<Box<dyn ReplayStore>>,
    documents: Option<Box<dyn ClientDocuments>>,
    key_source: Option<Arc<dyn KeySource>>,
    began: Option<i64>,
    spent: Vec<Claim>,
    spent_since: Option<i64>,
    revoked: Vec<Notice>,
}

impl Builder {
    /// Another clock than the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Who takes the record of each exchange. Nobody by default.
    #[must_use]
    pub fn record(mut self, record: Arc<dyn Record>) -> Self {
        self.record = Some(record);
        self
    }

    /// Another single-use store than memory. It has to be given where the configuration names one ([`Config::store`]), and
    /// is used whatever that names.
    #[must_use]
    pub fn replay(mut self, store: Box<dyn ReplayStore>) -> Self {
        self.replay = Some(store);
        self
    }

    /// Who fetches the documents of clients that are known by them (`[client_documents]`). Nobody by default: then they are
    /// unavailable.
    #[must_use]
    pub fn client_documents(mut self, documents: Box<dyn ClientDocuments>) -> Self {
        self.documents = Some(documents);
        self
    }

    /// Whether somebody fetches them.
    pub const fn has_client_documents(&self) -> bool {
        self.documents.is_some()
    }

    /// Who fetches keys (`jwks_uri`, `discover`). Nobody by default: then they are unavailable until they are put.
    #[must_use]
    pub fn key_source(mut self, source: Arc<dyn KeySource>) -> Self {
        self.key_source = Some(source);
        self
    }

    /// How keys are to be fetched (`[fetch]`), for who fetches them.
    pub fn fetch_settings(&self) -> &FetchSettings {
        self.config.fetch_settings()
    }

    /// When the single-use store began to remember, in seconds since 1970, where that is neither now nor what the store
    /// says: for a rehearsal. With `replay.cold_start = "refuse_older"`, assertions from before are refused.
    #[must_use]
    pub fn remembers_since(mut self, began: i64) -> Self {
        self.began = Some(began);
        self
    }

    /// What was spent before this process began, as a record that outlives it knows: ID-JAGs, client assertions, proofs of
    /// possession. The single-use store has them before the first request. `since`, in seconds since 1970, is when that record
    /// began; then ID-JAGs, and proofs at the token endpoint, that are younger are not refused for having been made before this
    /// start. Proofs at a resource are, as ever: nobody waits for their lines.
    #[must_use]
    pub fn spent(mut self, claims: Vec<Claim>, since: Option<i64>) -> Self {
        self.spent = claims;
        self.spent_since = since;
        self
    }

    /// What was revoked before this process began, as a record that outlives it knows.
    #[must_use]
    pub fn revoked(mut self, notices: Vec<Notice>) -> Self {
        self.revoked = notices;
        self
    }

    /// The engine. Starts no thread and opens no file.
    ///
    /// # Errors
    ///
    /// The system has no randomness to give, or the single-use store does not take what was spent before.
    pub fn build(self) -> Result<Exchange, Error> {
        let replay = match (self.replay, self.config.store()) {
            (Some(store), _) => store,
            (None, Store::Memory { max_bytes }) => Box::new(MemoryReplay::new(*max_bytes)),
            (None, _) => {
                return Err(self
                    .config
                    .store_error("the host has not opened this store: see `Builder::replay`"));
            }
        };
        let now_ms = self.clock.now_ms();
        let now = now_ms.div_euclid(1000);
        let mut claimed = vec![Claimed::Unavailable; self.spent.len()];
        // In pieces: a store on another host has its bounds for one.
        for (claims, answers) in self.spent.chunks(1024).zip(claimed.chunks_mut(1024)) {
            replay.claim(claims, now, answers);
        }
        if claimed.contains(&Claimed::Unavailable) {
            let what = "the single-use store does not take what was spent before; give it more room (`replay.max_bytes`)";
            return Err(Error::new(self.config.file, None, "replay", what));
        }
        let engine = Exchange {
            keeps_record: self.record.is_some(),
            state: Snapshot::new(State {
                revoked: Arc::new(Revoked::default().heard(&self.revoked).expired_dropped(now)),
                ..State::new(self.config, self.record, None)?
            }),
            replay,
            documents: self.documents,
            key_source: self.key_source,
            clock: self.clock,
            seen: Monotone::new(now_ms),
            told_began: self.began,
            built: now,
            spent_since: self.spent_since,
            tokens: TokenCache::new(),
            limiter: Limiter::new(),
            nonces: Nonces::new()?,
            listening: Listening::default(),
            counted: Counted::default(),
        };
        let state = engine.load();
        engine.note_config(&state, None);
        engine.note_policy(None, &state.policy);
        engine.note_directory(&state, None);
        drop(state);
        Ok(engine)
    }
}

/// What a thread needs for one request after another.
#[derive(Default)]
pub(crate) struct Workspace {
    pub(crate) parser: Parser,
    pub(crate) slot: Slot,
    pub(crate) desk: Desk,
}

/// What a thread composes tokens with.
#[derive(Default)]
pub(crate) struct Desk {
    scope: String,
    details: JsonWriter,
    json: JsonWriter,
    jtis: JtiSource,
}

/// Draws `jti`s for tokens: 128 bits each, the system asked for 32 at a time.
#[derive(Default)]
struct JtiSource {
    pool: Vec<u8>,
}

impl JtiSource {
    const BYTES: usize = 16;
    /// Characters of one.
    const LENGTH: usize = base64url::encoded_length(Self::BYTES);
    const DRAWN_AT_ONCE: usize = 32;

    /// The next `jti`, in `buffer`.
    ///
    /// The assertion's key is mixed in: a child of `fork` inherits its parent's pool, and must not give the same `jti` to
    /// another token.
    fn draw<'b>(
        &mut self,
        assertion: &ReplayKey,
        buffer: &'b mut [u8; Self::LENGTH],
    ) -> Result<&'b str, Reason> {
        if self.pool.len() < Self::BYTES {
            self.pool.resize(Self::BYTES * Self::DRAWN_AT_ONCE, 0);
            if crypto::random(&mut self.pool).is_err() {
                self.pool.clear();
                return Err(Reason::SigningFailed);
            }
        }
        let drawn = self.pool.last_chunk().copied().unwrap_or_default();
        self.pool.truncate(self.pool.len() - Self::BYTES);
        let mixed = u128::from_ne_bytes(drawn) ^ u128::from_ne_bytes(*assertion.as_bytes());
        Ok(base64url::encode_into(&mixed.to_ne_bytes(), buffer))
    }
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

/// Lends the thread's workspace; a clock or store that calls back into the engine gets one of its own.
pub(crate) fn with_workspace<R>(work: impl FnOnce(&mut Workspace) -> R) -> R {
    WORKSPACE.with(|cell| match cell.try_borrow_mut() {
        Ok(mut workspace) => work(&mut workspace),
        Err(_) => work(&mut Workspace::default()),
    })
}

/// Why an attempt did not go through.
enum Failed {
    /// The answer is no; it is counted and recorded.
    Refused(Refusal),
    /// This issuer's key is not there, and can be asked for.
    KeyMissing(String),
}

/// Whether another key set could change this.
fn is_for_want_of_a_key(reason: Reason) -> bool {
    matches!(reason, Reason::KidUnknown | Reason::KeysUnavailable)
}

impl Exchange {
    /// The engine with the system's clock, single use in memory, and no record.
    ///
    /// # Errors
    ///
    /// The system has no randomness to give. None beside that [`Config::parse`] lets through, at present.
    pub fn new(config: Config) -> Result<Self, Error> {
        Self::builder(config).build()
    }

    /// The same, with other parts.
    pub fn builder(config: Config) -> Builder {
        Builder {
            config,
            clock: Box::new(SystemClock),
            record: None,
            replay: None,
            documents: None,
            key_source: None,
            began: None,
            spent: Vec::new(),
            spent_since: None,
            revoked: Vec::new(),
        }
    }

    /// Exchanges an assertion for an access token: [`decide`](Self::decide) and [`Pending::finish`] in a row. It carries no
    /// proof of possession, so an assertion with `cnf`, and a connector that requires one, are refused here: they need
    /// [`handle`](Self::handle).
    ///
    /// Costs one verification and one signature, and about 2 us beside.
    pub fn exchange(&self, request: &Request<'_>) -> Result<Issued, Refusal> {
        let moment = self.begin();
        self.decide_on(&self.state.load(), request, Proven::default(), moment)?.finish()
    }

    /// Decides: does every check, spends the `jti`, queues the record. `now` is in seconds since 1970; a time before
    /// one that was seen already counts as that one.
    pub fn decide(&self, request: &Request<'_>, now: i64) -> Result<Pending, Refusal> {
        let moment = self.moment(now.saturating_mul(1000));
        self.decide_on(&self.state.load(), request, Proven::default(), moment)
    }

    /// Decides by one generation, of a request that proves more than its client; the time never runs backwards.
    pub(crate) fn decide_on(
        &self,
        state: &State,
        request: &Request<'_>,
        proven: Proven<'_>,
        moment: Moment,
    ) -> Result<Pending, Refusal> {
        self.with_keys(state, |state, sought| {
            with_workspace(|workspace| {
                let mut event = Event { peer: proven.peer, ..state.event(request, moment) };
                let decided = self.decide_noting(state, request, proven, moment.at(), workspace, &mut event);
                decided
                    .inspect(|_| self.count(1, 0))
                    .map_err(|reason| self.refuse_or_ask(state, reason, &event, sought))
            })
        })
    }

    /// Does `attempt`; where a key is not there that can be fetched, asks for it and does it once more.
    fn with_keys<T>(
        &self,
        state: &State,
        attempt: impl Fn(&State, Option<Sought>) -> Result<T, Failed>,
    ) -> Result<T, Refusal> {
        let issuer = match attempt(state, None) {
            Ok(done) => return Ok(done),
            Err(Failed::Refused(refusal)) => return Err(refusal),
            Err(Failed::KeyMissing(issuer)) => issuer,
        };
        let sought = {
            // The caller holds a state, and what it waits for is a change of that state.
            let _waiting = self.waiting();
            self.seek(KeyOwner::Idp(issuer))
        };
        attempt(&self.state.load(), Some(sought)).map_err(|failed| match failed {
            Failed::Refused(refusal) => refusal,
            // It is asked for once.
            Failed::KeyMissing(_) => Reason::KeysUnavailable.into(),
        })
    }

    /// Asks whoever fetches keys for those of `owner`.
    pub(crate) fn seek(&self, owner: KeyOwner) -> Sought {
        // As many answers as owners; a missing one would refuse.
        self.seek_all(&[owner]).pop().unwrap_or(Sought::Unavailable { retry_after_s: 1 })
    }

    /// The same for several at once.
    pub(crate) fn seek_all(&self, owners: &[KeyOwner]) -> Vec<Sought> {
        self.key_source.as_ref().map(|source| source.missed(owners)).unwrap_or_default()
    }

    /// What comes of `reason`: a refusal, counted and recorded; or, before it was asked for, that a key is missing.
    fn refuse_or_ask(
        &self,
        state: &State,
        reason: Reason,
        event: &Event<'_>,
        sought: Option<Sought>,
    ) -> Failed {
        if sought.is_none() && self.can_be_fetched(state, reason, event.issuer) {
            return Failed::KeyMissing(event.issuer.to_owned());
        }
        self.count(0, 1);
        Failed::Refused(state.record_refusal_after(reason, event, sought))
    }

    /// Whether it was a key that was missing, and one that can be fetched.
    pub(crate) fn can_be_fetched(&self, state: &State, reason: Reason, issuer: &str) -> bool {
        is_for_want_of_a_key(reason) && self.key_source.is_some() && state.keyring.fetches(issuer)
    }

    fn decide_noting<'a>(
        &self,
        state: &'a State,
        request: &Request<'a>,
        proven: Proven<'_>,
        now: i64,
        workspace: &'a mut Workspace,
        event: &mut Event<'a>,
    ) -> Result<Pending, Reason> {
        let Workspace { parser, slot, desk } = workspace;
        let memory = self.memory();
        let rules = state.rules(now, self.began(&memory));
        let presented =
            Presented::read(request.assertion, Kind::IdJag, rules.limits.max_assertion_bytes, parser, slot)?;
        let plausible = Plausible::check(&presented, request.client_id, &proven.possession(), &rules, event)?;
        let assertion = plausible.verify()?;
        event.signature_valid = true;
        let grant = Grant::decide(assertion, request.asked(), state.book(), event)?;
        let claim = claim_of(&grant, rules.limits.leeway_s);
        event.jti_hash = *claim.key.as_bytes();
        if let Some(proof) = proven.proof {
            // Before the assertion is spent, and after everything else: without a good assertion, no proof fills the store.
            // Its line stands before that of the exchange, which the token waits for.
            proof.spend(&state.till(&memory, event.at_ms), event.client_id)?;
        }
        let mut claimed = [Claimed::Unavailable];
        memory.claim(&[claim], now, &mut claimed);
        let [claimed] = claimed;
        event.reused = accept_claim(&grant, claimed)?;
        event.spent_until = claim.expires_at;
        state.compose(&grant, &claim.key, event, desk)
    }

    /// Whether [`decide`](Self::decide) would grant this, without its effects. Nothing is spent; a refusal is counted and
    /// recorded as any other.
    pub(crate) fn foresee(
        &self,
        state: &State,
        request: &Request<'_>,
        proven: Proven<'_>,
        moment: Moment,
    ) -> Result<(), Refusal> {
        self.with_keys(state, |state, sought| {
            with_workspace(|workspace| {
                let mut event = Event { peer: proven.peer, ..state.event(request, moment) };
                let Workspace { parser, slot, .. } = workspace;
                let limit = state.server.limits.max_assertion_bytes;
                let foreseen = Presented::read(request.assertion, Kind::IdJag, limit, parser, slot).and_then(
                    |presented| {
                        self.rehearse(state, request, proven, &presented, moment.at(), &mut event).map(|_| ())
                    },
                );
                foreseen.map_err(|reason| self.refuse_or_ask(state, reason, &event, sought))
            })
        })
    }

    /// Everything that [`decide`](Self::decide) checks, and nothing that it does.
    pub(crate) fn rehearse<'p, 's, 'i, 'e>(
        &self,
        state: &'s State,
        request: &Request<'_>,
        proven: Proven<'_>,
        presented: &'p Presented<'i>,
        now: i64,
        event: &mut Event<'e>,
    ) -> Result<Grant<'p, 's, 'i>, Reason>
    where
        'i: 'e,
        's: 'i + 'e,
    {
        let rules = state.rules(now, self.began(&self.memory()));
        let plausible = Plausible::check(presented, request.client_id, &proven.possession(), &rules, event)?;
        let assertion = plausible.verify()?;
        event.signature_valid = true;
        let grant = Grant::decide(assertion, request.asked(), state.book(), event)?;
        let claim = claim_of(&grant, rules.limits.leeway_s);
        event.jti_hash = *claim.key.as_bytes();
        accept_claim(&grant, self.replay.seen(&claim.key, now))?;
        Ok(grant)
    }

    /// The single-use store, for one request.
    pub(crate) fn memory(&self) -> Memory<'_> {
        Memory::of(&*self.replay)
    }

    /// Since when it remembers assertions.
    pub(crate) fn began(&self, memory: &Memory<'_>) -> i64 {
        let began = self.proofs_began(memory);
        // A store that says itself what it may have forgotten knows better than who filled it.
        self.spent_since.filter(|_| memory.since().is_none()).map_or(began, |since| since.min(began))
    }

    /// Since when it remembers proofs of possession at resources, of which a record may lack the last.
    pub(crate) fn proofs_began(&self, memory: &Memory<'_>) -> i64 {
        self.told_began.or(memory.since()).unwrap_or(self.built)
    }

    /// Counts decisions.
    pub(crate) fn count(&self, granted: usize, refused: usize) {
        for (counter, decisions) in [(&self.counted.granted, granted), (&self.counted.refused, refused)] {
            if decisions > 0 {
                counter.fetch_add(decisions as u64, Ordering::Relaxed);
            }
        }
    }

    /// What a token of ours is worth now, for whatever resource it is. What it is bound to is for the caller to ask for.
    pub(crate) fn verify_for_any(
        &self,
        token: &[u8],
        state: &State,
        now: i64,
    ) -> Result<VerifiedToken, Reason> {
        with_workspace(|workspace| {
            self.tokens.verify(token, &state.today(now), &mut workspace.parser, &mut workspace.slot)
        })
    }

    /// Replaces the keys of one IdP. Keys that cannot be used are left out; see [`KeySet::problems`](crate::KeySet::problems).
    pub fn put_jwks(&self, issuer: &str, jwks: &[u8]) -> Result<(), Error> {
        let owner = KeyOwner::Idp(issuer.to_owned());
        self.put_fetched(&[(owner, Some(jwks))]).pop().unwrap_or(Ok(()))
    }

    /// Replaces several key sets at once, as one change; `None` takes a set away, so that its owner's keys are unavailable.
    /// The answers are in the order of the sets, and one that cannot be used leaves the one of before.
    ///
    /// Costs what reading the sets costs, less where a key stands there as it did before, and some nanoseconds for each IdP
    /// that is configured. A document that is to the byte the one of before changes nothing.
    pub fn put_fetched(&self, sets: &[(KeyOwner, Option<&[u8]>)]) -> Vec<Result<(), Error>> {
        let mut counted = Vec::with_capacity(sets.len());
        // Where none is other than before, or none can be used, there is no new generation.
        let _ = self.state.update(|state| {
            let mut next = state.next();
            counted.extend(sets.iter().map(|(owner, jwks)| next.put_keys(owner, *jwks)));
            if counted.iter().flatten().any(|put| put.is_new) { Ok(next) } else { Err(()) }
        });
        let state = self.load();
        let noted = sets.iter().zip(counted).map(|((owner, _), counted)| {
            counted.map(|put| match owner {
                KeyOwner::Idp(issuer) if put.is_new => {
                    self.note(&state, &Note::Keys { issuer, usable: put.usable });
                }
                KeyOwner::Idp(_) | KeyOwner::Client(_) => {}
            })
        });
        noted.collect()
    }

    /// Whether a request may have to wait for something that is fetched: keys, or clients' documents.
    pub fn fetches(&self) -> bool {
        let state = self.state.load();
        let keys = self.key_source.is_some() && (state.keyring.fetches_any() || state.clients.fetches_any());
        keys || self.documents.is_some() && state.clients.documents().is_some()
    }

    /// The key sets that the configuration wants fetched: those of IdPs and clients that are switched on.
    pub fn wanted_keys(&self) -> Vec<WantedKeys> {
        let state = self.state.load();
        state.keyring.wanted().chain(state.clients.wanted()).collect()
    }

    /// Replaces the directory.
    pub fn put_directory(&self, directory: Directory) {
        let directory = Arc::new(directory);
        let mut before = None;
        self.change(|state| {
            before = Some(Arc::clone(&state.directory));
            State { directory, ..state.next() }
        });
        self.note_directory(&self.load(), before.as_deref());
    }

    /// Replaces the policy by what `text` says, in the form of `policy.toml`. A text with a fault changes nothing.
    pub fn put_policy(&self, file: &str, text: &str) -> Result<(), Error> {
        let mut replaced = None;
        self.state.update(|state| {
            let idps: Vec<_> = state.keyring.idps().collect();
            let clients: Vec<_> = state.clients.all().collect();
            let connectors = config::parse_policy(file, text, &idps, &clients)?;
            let warnings = config::policy_warnings(&state.server.file, state.keyring.idps(), &connectors);
            let policy = Arc::new(Policy::compile(file, text.as_bytes(), &connectors, warnings));
            replaced = Some((Arc::clone(&state.policy), Arc::clone(&policy)));
            Ok(State { policy, ..state.next() })
        })?;
        if let Some((before, after)) = replaced {
            self.note_policy(Some(&before), &after);
        }
        Ok(())
    }

    /// Replaces everything that the configuration names but the single-use store. What the configuration leaves to the
    /// host stays: keys that were put for an IdP, a directory or a policy that was put, and revocations; so do a
    /// signing key that is `"ephemeral"` before and after, and the record: another `audit` counts from the next start on.
    pub fn reload(&self, config: Config) -> Result<(), Error> {
        let mut replaced = None;
        self.state.update(|state| {
            let (keeps_directory, keeps_policy) = (config.directory.is_none(), !config.names_policy);
            let server = &state.server;
            let record = server.record.clone();
            let next = State::new(config, record, Some(server))?;
            let next = State {
                generation: state.generation.wrapping_add(1),
                reading: state.reading.wrapping_add(1),
                revoked: Arc::clone(&state.revoked),
                keyring: next.keyring.with_keys_of(&state.keyring),
                directory: if keeps_directory { Arc::clone(&state.directory) } else { next.directory },
                server: next.server,
                clients: Arc::new(Clients::clone(&next.clients).with_keys_of(&state.clients)),
                policy: if keeps_policy { Arc::clone(&state.policy) } else { next.policy },
            };
            replaced =
                Some((Arc::clone(&state.server), Arc::clone(&state.policy), Arc::clone(&state.directory)));
            Ok(next)
        })?;
        if let Some((server, policy, directory)) = replaced {
            let state = self.load();
            self.note_config(&state, Some(&server.digest));
            self.note_policy(Some(&policy), &state.policy);
            self.note_directory(&state, Some(&directory));
        }
        Ok(())
    }

    /// Records what happened beside exchanges. By the latest time that was seen: no host is asked for its clock here.
    pub(crate) fn note(&self, state: &State, note: &Note<'_>) {
        state.server.record().note(self.latest_ms(), note);
    }

    fn note_config(&self, state: &State, before: Option<&str>) {
        let server = &state.server;
        self.note(
            state,
            &Note::Config {
                file: &server.file,
                before,
                digest: &server.digest,
                kid: server.keys.signer().kid(),
                idps: state.keyring.idps().filter(|idp| idp.trust.enabled).count(),
                clients: state.clients.all().count(),
            },
        );
    }

    fn note_directory(&self, state: &State, before: Option<&Directory>) {
        let directory = &state.directory;
        self.note(
            state,
            &Note::Directory {
                before: before.map(Directory::len),
                people: directory.len(),
                digest_before: before.map(Directory::digest),
                digest: directory.digest(),
            },
        );
    }

    /// Records a policy with what it changes, for whom: counting people takes a while, and nobody waits for it.
    fn note_policy(&self, before: Option<&Policy>, after: &Policy) {
        // Not held as a request holds it, which is short.
        let state = State::clone(&self.load());
        let earlier = before.map(Policy::digest);
        if earlier == Some(after.digest()) || state.server.record.is_none() {
            return;
        }
        let mut changes = policy_changes::changes(before, after);
        let reach = reach::count(before, after, &mut changes, &state.directory, &state.keyring);
        let (file, digest) = (after.file(), after.digest());
        self.note(&state, &Note::Policy { file, before: earlier, digest, changes: &changes, reach });
    }

    /// The JWK set of our public keys, as JSON (RFC 7517 section 5).
    pub fn jwks(&self) -> String {
        self.state.load().server.keys.public_jwks()
    }

    /// What the configuration allows and still deserves a look.
    pub fn warnings(&self) -> Vec<String> {
        let state = self.state.load();
        [&state.server.warnings, state.policy.warnings()].concat()
    }

    /// Counters and sizes.
    pub fn stats(&self) -> Stats {
        let state = self.state.load();
        Stats {
            granted: self.counted.granted.load(Ordering::Relaxed),
            refused: self.counted.refused.load(Ordering::Relaxed),
            limited: self.limiter.counted(),
            replay: self.replay.stats(),
            people: state.directory.len(),
            policy_digest: state.policy.digest().to_owned(),
            generation: state.generation,
        }
    }

    /// The time now, in seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.at_least(self.clock.now_ms()).div_euclid(1000)
    }

    /// The same, for what is recorded with how long it took.
    pub(crate) fn begin(&self) -> Moment {
        self.moment(self.clock.now_ms())
    }

    /// The same at `now_ms`, or the latest time that was seen.
    pub(crate) fn moment(&self, now_ms: i64) -> Moment {
        Moment::now(self.at_least(now_ms), self.keeps_record)
    }

    /// `now_ms`, or the latest time that was seen, in milliseconds since 1970.
    pub(crate) fn at_least(&self, now_ms: i64) -> i64 {
        let now_ms = self.seen.at_least(now_ms);
        self.listen(now_ms.div_euclid(1000));
        now_ms
    }

    /// `now`, or the latest time that was seen, in seconds; without taking note of it: for what is only asked.
    pub(crate) fn peek(&self, now: i64) -> i64 {
        self.seen.peek(now.saturating_mul(1000)).div_euclid(1000)
    }

    /// The latest time that was seen, in milliseconds since 1970.
    pub(crate) fn latest_ms(&self) -> i64 {
        self.seen.peek(0)
    }

    pub(crate) fn load(&self) -> Loaded<State> {
        self.state.load()
    }

    /// For a request that holds a state while it waits for something that is fetched.
    pub(crate) fn waiting(&self) -> Waiting<'_> {
        self.state.waiting()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&State) -> State) {
        let Ok(()) = self.state.update(|state| Ok::<_, std::convert::Infallible>(change(state)));
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("issuer", &self.state.load().server.issuer).finish_non_exhaustive()
    }
}

impl<'a> Request<'a> {
    pub(crate) fn asked(&self) -> Asked<'a> {
        Asked {
            resource: self.resource,
            scope: self.scope,
            authorization_details: self.authorization_details,
        }
    }
}

impl State {
    /// A token of ours, whatever it is worth now; `None`: it is not ours.
    pub(crate) fn read_ours(&self, token: &[u8], now: i64) -> Option<Box<Weighed>> {
        let today = self.today(now);
        with_workspace(|workspace| {
            Weighed::read(token, &today, &mut workspace.parser, &mut workspace.slot).ok()
        })
    }

    /// Replaces the keys of `owner`, or takes them away, in a state that nobody sees yet.
    fn put_keys(&mut self, owner: &KeyOwner, jwks: Option<&[u8]>) -> Result<Put, Error> {
        let (set, unknown) = match owner {
            KeyOwner::Idp(issuer) => (self.keyring.set_keys(issuer, jwks), "is not a configured IdP"),
            KeyOwner::Client(id) => {
                let set = Arc::make_mut(&mut self.clients).set_keys(id, jwks);
                (set, "is not a configured client with a `jwks_uri`")
            }
        };
        let refused = |why: String| Error::new(owner.name(), None, "", why);
        set.ok_or_else(|| refused(unknown.to_owned()))?.map_err(|why| refused(why.to_string()))
    }

    /// The record of an exchange of which only the request is known.
    pub(crate) fn event<'a>(&'a self, request: &Request<'a>, moment: Moment) -> Event<'a> {
        Event {
            at_ms: moment.at_ms,
            began: moment.began,
            client_id: request.client_id,
            scope_requested: request.scope,
            policy_digest: self.policy.digest(),
            ..Event::default()
        }
    }

    /// Writes the token but its signature, and queues the record of it.
    pub(crate) fn compose(
        &self,
        grant: &Grant<'_, '_, '_>,
        key: &ReplayKey,
        event: &Event<'_>,
        desk: &mut Desk,
    ) -> Result<Pending, Reason> {
        let Desk { scope, details, json, jtis } = desk;
        let (minter, now) = (&self.server.minter, event.at_ms.div_euclid(1000));
        grant.scopes.print_into(&grant.connector.scopes, scope);
        details.clear();
        if !grant.details.is_absent() {
            grant.details.write(details);
        }
        let mut buffer = [0; JtiSource::LENGTH];
        let jti = jtis.draw(key, &mut buffer)?;
        let before = [scope, &**grant.resource, details.as_str()];
        let unsigned = minter.compose(grant, scope, now, jti, &before, json);
        let [scope_length, resource_length, details_length] = before.map(str::len);
        let receipt = match &self.server.record {
            Some(record) => record.queue(&Event {
                scope_granted: scope,
                groups_matched: grant.matching.groups(),
                rule: grant.matching.rule.map(|rule| (self.policy.file(), rule.line)),
                token_jti: jti,
                token_expires_at: now.saturating_add(minter.ttl_s()),
                ..event.clone()
            }),
            None => Ok(Receipt::default()),
        };
        let receipt = receipt.map_err(|_| Reason::RecordUnavailable)?;
        Ok(Pending {
            unsigned,
            ends: Ends {
                scope: scope_length,
                resource: scope_length + resource_length,
                details: scope_length + resource_length + details_length,
            },
            token_type: grant.assertion.bound_to.token_type(),
            server: Arc::clone(&self.server),
            receipt,
        })
    }

    /// The same once keys were asked for: where that came to nothing, whether the key exists is not known.
    pub(crate) fn record_refusal_after(
        &self,
        reason: Reason,
        event: &Event<'_>,
        sought: Option<Sought>,
    ) -> Refusal {
        match sought {
            Some(Sought::Unavailable { retry_after_s }) if is_for_want_of_a_key(reason) => {
                self.record_refusal(Reason::KeysUnavailable, event).until(retry_after_s)
            }
            _ => self.record_refusal(reason, event),
        }
    }

    /// Records a refusal, and gives the answer to it.
    pub(crate) fn record_refusal(&self, reason: Reason, event: &Event<'_>) -> Refusal {
        let refusal = self.refusal(reason);
        let recorded = self.server.record().queue(&Event { refusal: Some(refusal), ..event.clone() });
        // Whatever the reason was: what cannot be recorded is answered with 503.
        recorded.map_or_else(|_| self.refusal(Reason::RecordUnavailable), |_| refusal)
    }
}

/// The single use of the assertion behind a grant: kept until it can no longer be accepted by any clock in step.
pub(crate) fn claim_of(grant: &Grant<'_, '_, '_>, leeway_s: i64) -> Claim {
    let assertion = &grant.assertion;
    Claim {
        key: ReplayKey::new(Purpose::Assertion, assertion.issuer, assertion.tenant, assertion.jti),
        expires_at: assertion.expires_at.saturating_add(leeway_s.saturating_mul(2)),
    }
}

/// Whether a claim lets the exchange go on, and whether it is a reuse.
pub(crate) fn accept_claim(grant: &Grant<'_, '_, '_>, claimed: Claimed) -> Result<bool, Reason> {
    match claimed {
        Claimed::First => Ok(false),
        Claimed::Seen if !grant.assertion.trusted.idp.single_use => Ok(true),
        Claimed::Seen => Err(Reason::Replayed),
        Claimed::Unavailable => Err(Reason::ReplayUnavailable),
    }
}
