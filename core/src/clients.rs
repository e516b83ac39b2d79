//! The clients that may ask, by `client_id`. An immutable value, replaced whole.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::config::{Client, ClientAuth, Documented, Keys, Reach, asymmetric_algorithms};
use crate::jwks::{KeySet, KeySetProblem, Put};
use crate::key_source::{KeyOwner, WantedKeys};
use crate::reason::Reason;

/// Every configured client, and the rule for those that are known by their documents.
#[derive(Clone)]
pub(crate) struct Clients {
    configured: Arc<Vec<Client>>,
    by_id: Arc<HashMap<String, usize>>,
    documented: Arc<Option<Documented>>,
    /// The keys that were fetched for some of them, by their place.
    fetched: HashMap<usize, Arc<KeySet>>,
    fetches_any: bool,
}

impl Clients {
    pub(crate) fn new(clients: Vec<Client>, documented: Option<Documented>) -> Self {
        let by_id = clients.iter().enumerate().map(|(at, client)| (client.id.clone(), at)).collect();
        let fetches = |client: &Client| matches!(&client.auth, ClientAuth::PrivateKeyJwt { keys, .. } if keys.are_fetched());
        let fetches_any = clients.iter().any(fetches);
        Self {
            configured: Arc::new(clients),
            by_id: Arc::new(by_id),
            documented: Arc::new(documented),
            fetched: HashMap::new(),
            fetches_any,
        }
    }

    /// Whether the keys of any client are fetched while the server runs.
    pub(crate) fn fetches_any(&self) -> bool {
        self.fetches_any
    }

    /// The client, if it is configured and switched on.
    pub(crate) fn enabled(&self, client_id: &str) -> Result<&Client, Reason> {
        let at = self.by_id.get(client_id).ok_or(Reason::ClientUnknown)?;
        let client = self.configured.get(*at).ok_or(Reason::ClientUnknown)?;
        if client.enabled { Ok(client) } else { Err(Reason::ClientDisabled) }
    }

    /// What a client may do: one that is configured and switched on, or one at an origin whose documents count. Whether
    /// it is that client, others have to prove.
    pub(crate) fn reach(&self, client_id: &str) -> Result<Reach<'_>, Reason> {
        match self.enabled(client_id) {
            Ok(client) => Ok(client.reach()),
            Err(Reason::ClientUnknown) => {
                self.documented(client_id).map(Documented::reach).ok_or(Reason::ClientUnknown)
            }
            Err(reason) => Err(reason),
        }
    }

    /// The rule for `client_id`, where it is not configured itself and is the URL of a document that counts.
    pub(crate) fn documented(&self, client_id: &str) -> Option<&Documented> {
        let documented = self.documented.as_ref().as_ref()?;
        (!self.by_id.contains_key(client_id) && documented.covers(client_id)).then_some(documented)
    }

    /// The rule for clients that are known by their documents.
    pub(crate) fn documents(&self) -> Option<&Documented> {
        self.documented.as_ref().as_ref()
    }

    /// The keys of a client with `private_key_jwt`, where they are to be had.
    pub(crate) fn keys<'s>(&'s self, client: &Client, keys: &'s Keys) -> Option<&'s KeySet> {
        match keys {
            Keys::Static(keys) => Some(keys),
            Keys::Fetched { .. } => {
                self.by_id.get(&client.id).and_then(|at| self.fetched.get(at)).map(|keys| &**keys)
            }
        }
    }

    /// Where the keys of the client at `client_id` are, if they are fetched.
    pub(crate) fn fetched_from(&self, client_id: &str) -> Option<(usize, &str, bool)> {
        let at = *self.by_id.get(client_id)?;
        match &self.configured.get(at)?.auth {
            ClientAuth::PrivateKeyJwt { keys: Keys::Fetched { uri: Some(uri), local }, .. } => {
                Some((at, uri, *local))
            }
            _ => None,
        }
    }

    /// Other keys for a client whose keys are fetched, or none any more; `None` when it is no such client. For a clone that
    /// nobody sees yet.
    pub(crate) fn set_keys(
        &mut self,
        client_id: &str,
        jwks: Option<&[u8]>,
    ) -> Option<Result<Put, KeySetProblem>> {
        let (at, ..) = self.fetched_from(client_id)?;
        let before = self.fetched.get(&at).map(|keys| &**keys);
        if let Some(same) = KeySet::same(before, jwks) {
            return Some(Ok(same));
        }
        let Some(jwks) = jwks else {
            self.fetched.remove(&at);
            return Some(Ok(Put { usable: 0, is_new: true }));
        };
        let algorithms: Vec<_> = asymmetric_algorithms().collect();
        Some(KeySet::succeed(before, jwks, &algorithms).map(|keys| {
            let usable = keys.len();
            self.fetched.insert(at, Arc::new(keys));
            Put { usable, is_new: true }
        }))
    }

    /// The same, with the keys that `before` had for those whose keys are still fetched from the same place.
    pub(crate) fn with_keys_of(mut self, before: &Self) -> Self {
        for client in self.configured.iter() {
            let here = self.fetched_from(&client.id);
            let there = before.fetched_from(&client.id);
            if let (Some((at, uri, _)), Some((known, same, _))) = (here, there)
                && uri == same
                && let Some(keys) = before.fetched.get(&known)
            {
                self.fetched.insert(at, Arc::clone(keys));
            }
        }
        self
    }

    /// What is to be fetched, of the clients that are switched on.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = WantedKeys> {
        self.configured.iter().filter(|client| client.enabled).filter_map(|client| {
            let (_, uri, local) = self.fetched_from(&client.id)?;
            let owner = KeyOwner::Client(client.id.clone());
            Some(WantedKeys::new(owner, Some(uri.to_owned()), local, &[]))
        })
    }

    /// Every client, in the order of the configuration.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Client> {
        self.configured.iter()
    }
}
