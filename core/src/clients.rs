//! The clients that may ask, by `client_id`. An immutable value, replaced whole.

use hashbrown::HashMap;

use crate::config::Client;
use crate::reason::Reason;

/// Every configured client.
pub(crate) struct Clients {
    clients: Vec<Client>,
    by_id: HashMap<String, usize>,
}

impl Clients {
    pub(crate) fn new(clients: Vec<Client>) -> Self {
        let by_id = clients.iter().enumerate().map(|(at, client)| (client.id.clone(), at)).collect();
        Self { clients, by_id }
    }

    /// The client, if it is configured and switched on.
    pub(crate) fn enabled(&self, client_id: &str) -> Result<&Client, Reason> {
        let at = self.by_id.get(client_id).ok_or(Reason::ClientUnknown)?;
        let client = self.clients.get(*at).ok_or(Reason::ClientUnknown)?;
        if client.enabled { Ok(client) } else { Err(Reason::ClientDisabled) }
    }

    /// Every client, in the order of the configuration.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter()
    }
}
