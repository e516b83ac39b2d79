//! A grant: what one person gets through one client at one resource. Made only from an [`Assertion`] and the policy.

use std::sync::Arc;

use crate::assertion::Assertion;
use crate::config::{Combine, State, Trust};
use crate::details::Details;
use crate::directory::{Directory, Groups};
use crate::policy::{Connector, Matching, Policy, narrow};
use crate::reason::Reason;
use crate::record::Event;
use crate::resource;
use crate::revoked::{Party, Revoked};
use crate::scope::ScopeSet;

/// What is to be minted.
pub(crate) struct Grant<'p, 's, 'i> {
    pub(crate) assertion: Assertion<'p, 's, 'i>,
    pub(crate) resource: &'s Arc<str>,
    pub(crate) connector: &'s Connector,
    pub(crate) scopes: ScopeSet,
    pub(crate) details: Details<'p, 'i>,
    pub(crate) matching: Matching<'s, 'i>,
    _witness: Witness,
}

/// Only this file can make one.
struct Witness;

/// What the request asks for beside the assertion.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'r> {
    pub(crate) resource: &'r [&'r str],
    pub(crate) scope: Option<&'r str>,
    pub(crate) authorization_details: Option<&'r str>,
}

/// Where access is written down.
#[derive(Clone, Copy)]
pub(crate) struct Book<'s> {
    pub(crate) policy: &'s Policy,
    pub(crate) directory: &'s Directory,
    pub(crate) revoked: &'s Revoked,
}

impl<'p, 's: 'i, 'i> Grant<'p, 's, 'i> {
    /// Decides: resource, connector, groups, scopes, in this order. `event` notes what was found.
    pub(crate) fn decide<'e>(
        assertion: Assertion<'p, 's, 'i>,
        asked: Asked<'_>,
        book: Book<'s>,
        event: &mut Event<'e>,
    ) -> Result<Self, Reason>
    where
        's: 'e,
    {
        let Assertion { issuer, tenant, subject, .. } = assertion;
        let idp = assertion.trusted.idp;
        let (connector, resource) = resource::choose(
            book.policy,
            assertion.resource,
            idp.default_resource.as_deref(),
            asked.resource,
        )?;
        event.connector = &connector.id;
        event.resource = resource;
        if connector.state != State::Enabled {
            return Err(Reason::ConnectorNotEnabled);
        }
        if !assertion.client.connectors.admit(&connector.id) {
            return Err(Reason::ClientConnectorNotAllowed);
        }
        let party =
            Party { issuer, tenant, subject, client_id: assertion.client_id, connector: &connector.id };
        if book.revoked.blocks(&party) {
            return Err(Reason::Blocked);
        }
        if connector.require_dpop && assertion.bound_to.key.is_none() {
            return Err(Reason::ConnectorProofRequired);
        }
        let claimed = connector.claimed(assertion.scope)?;

        let listed = groups_listed(book.directory, idp, issuer, tenant, assertion.directory_subject)?;
        let from_directory = listed.into_iter().flatten();
        let from_claim = if idp.groups.directory && idp.groups.combine == Combine::Directory {
            None
        } else {
            Some(assertion.groups.names())
        };
        let groups = || from_directory.clone().chain(from_claim.clone().into_iter().flatten());
        let mut matching = connector.matching(issuer, tenant, groups());
        if matching.rule.is_none() {
            let unknown = from_claim.is_some() && assertion.groups.is_overage();
            return Err(if unknown { Reason::GroupsOverage } else { Reason::GroupRequired });
        }
        let details = Details::choose(assertion.authorization_details, asked.authorization_details)?;
        let kinds = || details.types();
        if !kinds().all(|kind| connector.allows_details(kind, issuer, tenant, groups())) {
            return Err(Reason::AuthorizationDetailsNotAllowed);
        }
        let mut scopes = narrow(claimed, matching.scopes, asked.scope, &connector.scopes)?;
        if matching.overflows() {
            // `verify` asks the directory again, and knows of the claim what the token carries: that goes first, and
            // nothing is granted that it would not find.
            let listed = || from_directory.clone();
            let named = |group: &&str| connector.names(group, issuer, tenant);
            let claimed = from_claim.clone().into_iter().flatten().filter(named);
            let told = claimed.filter(|group| !listed().any(|listed| listed == *group));
            let candidates: Vec<&str> = told.chain(listed().filter(named)).collect();
            let known = if from_claim.is_some() {
                connector.matching(issuer, tenant, listed()).scopes
            } else {
                ScopeSet::EMPTY
            };
            let allowed = |kind: &&str| connector.allows_details(kind, issuer, tenant, listed());
            let missing = kinds().filter(|kind| !allowed(kind)).collect();
            connector.carry(&mut matching, issuer, tenant, &candidates, scopes.without(known), missing);
            if let Some(claim) = from_claim {
                let carried = matching.groups().iter().copied();
                let carried = carried.filter(|group| claim.clone().any(|name| name == *group));
                let found = || listed().chain(carried.clone());
                scopes = narrow(scopes, connector.matching(issuer, tenant, found()).scopes, None, &[])?;
                if !kinds().all(|kind| connector.allows_details(kind, issuer, tenant, found())) {
                    return Err(Reason::AuthorizationDetailsNotAllowed);
                }
            }
        }
        Ok(Self { assertion, resource, connector, scopes, details, matching, _witness: Witness })
    }
}

/// The groups that the directory lists for a person, where the IdP is configured for it. The person must then be
/// listed and active, whatever else may grant access.
pub(crate) fn groups_listed<'s>(
    directory: &'s Directory,
    idp: &Trust,
    issuer: &str,
    tenant: Option<&str>,
    subject: &str,
) -> Result<Option<Groups<'s>>, Reason> {
    if !idp.groups.directory {
        return Ok(None);
    }
    let person = directory.lookup(issuer, tenant, subject).ok_or(Reason::SubjectUnknown)?;
    if person.active { Ok(Some(person.groups)) } else { Err(Reason::SubjectDisabled) }
}
