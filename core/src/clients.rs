//! The clients that may ask, by `client_id`. An immutable value, replaced whole.

use hashbrown::HashMap;

use crate::config::{Client, Documented, Reach};
use crate::reason::Reason;

/// Every configured client, and the rule for those that are known by their documents.
pub(crate) struct Clients {
    configured: Vec<Client>,
    by_id: HashMap<String, usize>,
    documented: Option<Documented>,
}

impl Clients {
    pub(crate) fn new(clients: Vec<Client>, documented: Option<Documented>) -> Self {
        let by_id = clients.iter().enumerate().map(|(at, client)| (client.id.clone(), at)).collect();
        Self { configured: clients, by_id, documented }
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
        let documented = self.documented.as_ref()?;
        (!self.by_id.contains_key(client_id) && documented.covers(client_id)).then_some(documented)
    }

    /// The rule for clients that are known by their documents.
    pub(crate) fn documents(&self) -> Option<&Documented> {
        self.documented.as_ref()
    }

    /// Every client, in the order of the configuration.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Client> {
        self.configured.iter()
    }
}
