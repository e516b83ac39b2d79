//! What another policy changes, connector by connector: what a record says of it.

use crate::policy::{Connector, Grant, Policy};
use crate::record::{ConnectorChange, ConnectorSummary};

/// The connectors of which state, scopes or grants differ, in the order of `after`, then those that are gone. Without
/// `before`, every connector of `after`.
pub(crate) fn changes(before: Option<&Policy>, after: &Policy) -> Vec<ConnectorChange> {
    let earlier = |id: &str| before.into_iter().flat_map(Policy::connectors).find(|known| known.id == id);
    let later = |id: &str| after.connectors().iter().any(|known| known.id == id);
    let gone = before.into_iter().flat_map(Policy::connectors).filter(|known| !later(&known.id));
    let there = after.connectors().iter().map(|now| ConnectorChange {
        id: now.id.clone(),
        before: earlier(&now.id).map(summary),
        after: Some(summary(now)),
        reach: None,
    });
    let gone = gone.map(|known| ConnectorChange {
        id: known.id.clone(),
        before: Some(summary(known)),
        after: None,
        reach: None,
    });
    there.chain(gone).filter(|change| change.before != change.after).collect()
}

fn summary(connector: &Connector) -> ConnectorSummary {
    ConnectorSummary {
        state: connector.state,
        scopes: connector.scopes.clone(),
        grants: connector.grants.iter().map(|grant| rule(grant, &connector.scopes)).collect(),
    }
}

/// A grant as a line of text: whom it names, and what they get.
fn rule(grant: &Grant, vocabulary: &[String]) -> String {
    let mut text = if grant.everyone { "everyone".to_owned() } else { grant.groups.join(" or ") };
    match &grant.issuers {
        Some(issuers) => text.extend([" of ", &issuers.join(" or ")]),
        None => text.push_str(" of any issuer"),
    }
    if let Some(tenant) = &grant.tenant {
        text.extend([" (", tenant, ")"]);
    }
    text.extend([": ", &grant.scopes.print(vocabulary)]);
    if !grant.authorization_details.is_empty() {
        text.extend([", authorization_details ", &grant.authorization_details.join(" ")]);
    }
    text
}
