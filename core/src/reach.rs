//! Whom a change of the policy reaches: how many people gained or lost something by it, as far as the directory knows people.
//!
//! Counted once for each change, on the thread that makes it; requests go on meanwhile. People of whom everything that matters
//! is the same (issuer, tenant, and those of their groups that a changed connector names) are decided together. What cannot
//! be known is not counted: people of an IdP that is configured without the directory, and groups that only a token says.

use crate::config::State;
use crate::directory::{Directory, Kind};
use crate::keyring::Keyring;
use crate::policy::{Connector, Policy};
use crate::record::{ConnectorChange, Reach};

/// Kinds of people times connectors that are decided for one change, before and after, at most.
const MOST: usize = 1 << 20;

/// How many people the changes from `before` to `after` reach: in all of them, and in each, in which it is noted.
///
/// None, and nothing is noted, where no IdP uses the directory, or where too many kinds of people and connectors meet. Linear
/// in the people of the directory, and in kinds times changes.
pub(crate) fn count(
    before: Option<&Policy>,
    after: &Policy,
    changes: &mut [ConnectorChange],
    directory: &Directory,
    keyring: &Keyring,
) -> Option<Reach> {
    let listed = |issuer: &str| {
        keyring.trusted(issuer).is_some_and(|trusted| trusted.idp.enabled && trusted.idp.groups.directory)
    };
    if !keyring.idps().any(|idp| listed(&idp.issuer)) {
        return None;
    }
    let pairs: Vec<_> =
        changes.iter().map(|change| (find(before, &change.id), find(Some(after), &change.id))).collect();
    let connectors = || pairs.iter().flat_map(|(old, new)| [old, new]).flatten();
    let matters = |group: &str| connectors().any(|connector| connector.mentions(group));
    let kinds = directory.kinds(listed, matters, MOST / changes.len().max(1))?;

    let (mut total, mut each) = (Reach::default(), vec![Reach::default(); changes.len()]);
    for kind in &kinds {
        let mut any = Reach::default();
        for ((old, new), reach) in pairs.iter().zip(&mut each) {
            let [had, has] = [old, new].map(|connector| connector.map_or_else(Vec::new, |c| given(c, kind)));
            let gains = has.iter().any(|item| had.binary_search(item).is_err());
            let loses = had.iter().any(|item| has.binary_search(item).is_err());
            for (yes, count, any) in [
                (!has.is_empty(), &mut reach.people, &mut any.people),
                (gains, &mut reach.gained, &mut any.gained),
                (loses, &mut reach.lost, &mut any.lost),
            ] {
                if yes {
                    *count += kind.people;
                    *any = kind.people;
                }
            }
        }
        total.people += any.people;
        total.gained += any.gained;
        total.lost += any.lost;
    }
    for (change, reach) in changes.iter_mut().zip(each) {
        change.reach = Some(reach);
    }
    Some(total)
}

fn find<'p>(policy: Option<&'p Policy>, id: &str) -> Option<&'p Connector> {
    policy?.connectors().iter().find(|connector| connector.id == id)
}

/// What a connector gives to people of one kind: scopes, and types of `authorization_details`, in order.
fn given<'c>(connector: &'c Connector, kind: &Kind<'_>) -> Vec<(bool, &'c str)> {
    if connector.state != State::Enabled {
        return Vec::new();
    }
    let matching = connector.matching(kind.issuer, kind.tenant, kind.groups.iter().copied());
    let scopes = matching.scopes.names(&connector.scopes).map(|scope| (false, scope));
    let details = connector.details_given(kind.issuer, kind.tenant, &kind.groups).map(|kind| (true, kind));
    let mut given: Vec<_> = scopes.chain(details).collect();
    given.sort_unstable();
    given.dedup();
    given
}
