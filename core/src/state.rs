//! Everything that an answer is decided from: one immutable value, swapped whole.
//!
//! A request reads it once, so that it never sees keys of today with a policy of yesterday. Each change makes a new
//! value that shares what did not change and counts one generation more.

use std::sync::Arc;

use crate::access_token::Today;
use crate::assertion::Rules;
use crate::clients::Clients;
use crate::config::{ColdStart, Compat, Config, Endpoints, Limits};
use crate::directory::Directory;
use crate::error::Error;
use crate::grant::Book;
use crate::keyring::Keyring;
use crate::mint::Minter;
use crate::own_keys::OwnKeys;
use crate::policy::Policy;
use crate::reason::{OAuthError, Reason, Refusal};
use crate::record::{NoRecord, Record};
use crate::replay::ReplayStore;
use crate::revoked::Revoked;
use crate::spend::Till;

/// One generation of everything.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) generation: u64,
    /// How often the configuration was read: with another one, a token may mean something else.
    pub(crate) reading: u64,
    pub(crate) server: Arc<Server>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) keyring: Keyring,
    pub(crate) directory: Arc<Directory>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) revoked: Arc<Revoked>,
}

/// What the configuration says of this server itself, and the record that it keeps.
pub(crate) struct Server {
    /// Which the host gave, or nobody.
    pub(crate) record: Option<Arc<dyn Record>>,
    /// What the configuration is called in warnings.
    pub(crate) file: String,
    /// The SHA-256 of its text, in hexadecimal.
    pub(crate) digest: String,
    pub(crate) issuer: String,
    pub(crate) endpoints: Endpoints,
    pub(crate) tenants: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) compat: Compat,
    pub(crate) refuses_older: bool,
    /// Whether DPoP proofs must have a nonce of ours.
    pub(crate) dpop_nonce: bool,
    pub(crate) keys: OwnKeys,
    /// Whether they were made at start and are kept nowhere.
    ephemeral: bool,
    pub(crate) minter: Minter,
    /// Those that no policy changes; [`Policy`] has the others.
    pub(crate) warnings: Vec<String>,
}

impl Server {
    /// The record, or one that keeps nothing.
    pub(crate) fn record(&self) -> &dyn Record {
        self.record.as_deref().unwrap_or(&NoRecord)
    }
}

impl State {
    /// The first generation, out of a validated configuration. A key that is kept nowhere is taken from the server
    /// `before`, so that its tokens stay valid.
    pub(crate) fn new(
        mut config: Config,
        record: Option<Arc<dyn Record>>,
        before: Option<&Server>,
    ) -> Result<Self, Error> {
        if record.is_none() {
            config.warn_of_no_record();
        }
        let no_keys = || Error::new("", None, "tokens.keys", "there is no key to sign with");
        let (warnings, of_policy) = config.split_warnings();
        let policy = Policy::compile(&config.policy_file, &config.policy_text, &config.connectors, of_policy);
        let tokens = config.tokens;
        let kept = before
            .filter(|before| before.ephemeral && tokens.ephemeral)
            .map(|before| &before.keys)
            .filter(|keys| keys.signer().algorithm() == tokens.algorithm);
        let keys = match kept {
            Some(keys) => keys.clone(),
            None => OwnKeys::new(tokens.keys).ok_or_else(no_keys)?,
        };
        let minter = Minter::new(&config.issuer, Arc::clone(keys.signer()), tokens.ttl_s, tokens.email);
        Ok(Self {
            generation: 1,
            reading: 1,
            clients: Arc::new(Clients::new(config.clients, config.documented)),
            keyring: Keyring::new(config.idps),
            directory: Arc::new(config.directory.unwrap_or_else(Directory::empty)),
            policy: Arc::new(policy),
            revoked: Arc::default(),
            server: Arc::new(Server {
                record,
                file: config.file,
                digest: config.digest,
                issuer: config.issuer,
                endpoints: config.endpoints,
                tenants: config.tenants,
                limits: config.limits,
                compat: config.compat,
                refuses_older: config.replay.cold_start == ColdStart::RefuseOlder,
                dpop_nonce: config.dpop.nonce,
                keys,
                ephemeral: tokens.ephemeral,
                minter,
                warnings,
            }),
        })
    }

    /// The next generation, sharing everything with this one until it is changed.
    pub(crate) fn next(&self) -> Self {
        Self { generation: self.generation.wrapping_add(1), ..self.clone() }
    }

    /// What an assertion is checked against at `now`; `began` is when the single-use memory began.
    pub(crate) fn rules(&self, now: i64, began: i64) -> Rules<'_> {
        Rules {
            issuer: &self.server.issuer,
            audience_aliases: &self.server.compat.audience_aliases,
            tenants: &self.server.tenants,
            limits: &self.server.limits,
            keyring: &self.keyring,
            clients: &self.clients,
            began: self.server.refuses_older.then_some(began),
            now,
        }
    }

    /// Where what proves a client or a key is spent.
    pub(crate) fn till<'t>(&'t self, store: &'t dyn ReplayStore, at_ms: i64) -> Till<'t> {
        Till { store, record: self.server.record(), at_ms }
    }

    /// Where access is written down.
    pub(crate) fn book(&self) -> Book<'_> {
        Book { policy: &self.policy, directory: &self.directory, revoked: &self.revoked }
    }

    /// What an access token is weighed against at `now`.
    pub(crate) fn today(&self, now: i64) -> Today<'_> {
        Today {
            generation: self.generation,
            reading: self.reading,
            issuer: &self.server.issuer,
            // Ours say more than the assertion did, and escape more of it.
            max_bytes: self.server.limits.max_assertion_bytes.saturating_mul(6).saturating_add(16_384),
            keys: &self.server.keys,
            keyring: &self.keyring,
            clients: &self.clients,
            book: self.book(),
            now,
        }
    }

    /// The answer to the client: `[compat]` chooses the code for missing access and for a resource that is not served.
    pub(crate) fn refusal(&self, reason: Reason) -> Refusal {
        let compat = &self.server.compat;
        let code = match (reason, reason.oauth_error()) {
            (Reason::ResourceUnknown, _) => compat.resource_mismatch,
            (_, OAuthError::AccessDenied) => compat.missing_access,
            (_, code) => code,
        };
        Refusal::new(reason, code)
    }
}
