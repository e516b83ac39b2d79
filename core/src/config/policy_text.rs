//! The policy document: connectors and their grants, read from `policy.toml`, from inline `[[connectors]]`, or from a
//! text that is put while the server runs.
//!
//! Nothing is on unless it is written: whom a grant reaches is resolved here, and one that leaves it open is refused.

use super::client::{AllOr, Client};
use super::date::Date;
use super::document::Node;
use super::idp::Idp;
use super::reader::{Section, distinct_texts, there_are};
use super::uri;
use crate::error::Error;
use crate::scope::{MAX_SCOPES, is_scope_token};

/// A resource as the administrator's checklist names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connector {
    pub(crate) id: String,
    /// Resource identifiers (RFC 9728), at least one; no other connector has any of them.
    pub(crate) resources: Vec<String>,
    /// At least one, at most [`MAX_SCOPES`].
    pub(crate) scopes: Vec<String>,
    pub(crate) state: State,
    /// There when the connector is enabled.
    pub(crate) owner: Option<String>,
    /// There when the connector is enabled.
    pub(crate) review_by: Option<Date>,
    pub(crate) approved_by: Option<String>,
    pub(crate) enabled_on: Option<Date>,
    pub(crate) ticket: Option<String>,
    pub(crate) require_dpop: bool,
    /// The ids of the clients that may introspect its tokens.
    pub(crate) introspect_clients: Vec<String>,
    pub(crate) grants: Vec<Grant>,
    /// Where it stands in the policy.
    pub(crate) line: u32,
}

/// Where a connector is in its life. Only an enabled one issues or accepts tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Written down, not yet on.
    Planned,
    /// On.
    Enabled,
    /// Off for now.
    Suspended,
    /// Off for good.
    Retired,
}

impl State {
    /// The word for it in the policy.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Enabled => "enabled",
            Self::Suspended => "suspended",
            Self::Retired => "retired",
        }
    }
}

/// Some people, and the scopes that they get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Whoever is in one of these; empty with `everyone`.
    pub(crate) groups: Vec<String>,
    /// `everyone = true`, said aloud.
    pub(crate) everyone: bool,
    /// The IdPs whose people it is for, never an empty list; none: `any_issuer = true`, said aloud.
    pub(crate) issuers: Option<Vec<String>>,
    /// People of this tenant; none: people without a tenant, or with `everyone` or `any_issuer` of any.
    pub(crate) tenant: Option<String>,
    /// Some of the connector's scopes, at least one; `["*"]` is written out here.
    pub(crate) scopes: Vec<String>,
    /// The types of `authorization_details` that it allows.
    pub(crate) authorization_details: Vec<String>,
    /// Where it stands in the policy.
    pub(crate) line: u32,
}

/// Reads a policy that stands alone. `file` is its name in errors; `idps` and `clients` are those of the configuration
/// that it is to work with: what it names must be there, and what the clients name must be in it.
pub(crate) fn parse_policy(
    file: &str,
    text: &str,
    idps: &[&Idp],
    clients: &[&Client],
) -> Result<Vec<Connector>, Error> {
    let names: Vec<String> = clients.iter().map(|client| client.id.clone()).collect();
    let connectors = parse_connectors(file, text, idps, &names)?;
    for client in clients {
        let AllOr::List(names) = &client.connectors else {
            continue;
        };
        let known = connectors.iter().map(|connector| connector.id.as_str());
        if let Some(name) = names.iter().find(|name| !known.clone().any(|known| known == *name)) {
            let message = format!(
                "no connector `{name}`, which the client `{}` names{}",
                client.id,
                there_are(name, known)
            );
            return Err(Error::new(file, None, "connectors", message));
        }
    }
    Ok(connectors)
}

/// Reads the policy of a configuration, whose clients are known by their ids only as yet.
pub(super) fn parse_connectors(
    file: &str,
    text: &str,
    idps: &[&Idp],
    clients: &[String],
) -> Result<Vec<Connector>, Error> {
    let document = Node::parse(file, text)?;
    let root = Section::root(file, &document, &["connectors"])?;
    read_connectors(&root, idps, clients)
}

/// Reads `connectors` of a policy or of a configuration.
pub(super) fn read_connectors(
    root: &Section<'_>,
    idps: &[&Idp],
    clients: &[String],
) -> Result<Vec<Connector>, Error> {
    let sections = root.sections(
        "connectors",
        &[
            "id",
            "resource",
            "scopes",
            "state",
            "owner",
            "review_by",
            "approved_by",
            "enabled_on",
            "ticket",
            "require",
            "introspect_clients",
            "grants",
        ],
    )?;
    let mut connectors: Vec<Connector> = Vec::with_capacity(sections.len());
    for section in &sections {
        let id = connector_id(section, &connectors)?;
        let resources = resources(section, &connectors)?;
        let scopes = connector_scopes(section)?;
        let grants = section
            .sections(
                "grants",
                &["groups", "everyone", "issuer", "any_issuer", "tenant", "scopes", "authorization_details"],
            )?
            .iter()
            .map(|grant| Grant::read(grant, &scopes, idps))
            .collect::<Result<_, _>>()?;
        let connector = Connector {
            id,
            resources,
            scopes,
            state: State::read(section)?,
            owner: section.text("owner")?.map(str::to_owned),
            review_by: section.date("review_by")?,
            approved_by: section.text("approved_by")?.map(str::to_owned),
            enabled_on: section.date("enabled_on")?,
            ticket: section.text("ticket")?.map(str::to_owned),
            require_dpop: require_dpop(section)?,
            introspect_clients: introspect_clients(section, clients)?,
            grants,
            line: section.line(),
        };
        if connector.state == State::Enabled {
            section.required("owner", "an enabled connector has an owner")?;
            section.required("review_by", "an enabled connector has a date for its review")?;
        }
        connectors.push(connector);
    }
    Ok(connectors)
}

impl State {
    fn read(section: &Section<'_>) -> Result<Self, Error> {
        let states = [
            ("planned", Self::Planned),
            ("enabled", Self::Enabled),
            ("suspended", Self::Suspended),
            ("retired", Self::Retired),
        ];
        let names = states.map(|(name, _)| name).join(", ");
        section.required("state", &format!("one of {names}"))?.word(&states)
    }
}

fn connector_id(section: &Section<'_>, before: &[Connector]) -> Result<String, Error> {
    let field = section.required("id", "a name for the connector")?;
    let id = field.text()?;
    if id == "*" {
        return Err(field.error("`*` is no id; it stands for all connectors"));
    }
    match before.iter().find(|other| other.id == id) {
        Some(other) => Err(field.error(format!("`{id}` stands already in line {}", other.line))),
        None => Ok(id.to_owned()),
    }
}

fn resources(section: &Section<'_>, before: &[Connector]) -> Result<Vec<String>, Error> {
    let fields = section.required("resource", "a resource identifier, or a list of them")?.one_or_more()?;
    distinct_texts(&fields)?;
    fields
        .iter()
        .map(|field| {
            let resource = uri::absolute(field)?;
            match before.iter().find(|other| other.resources.contains(&resource)) {
                Some(other) => Err(field.error(format!(
                    "`{resource}` belongs already to the connector `{}` in line {}",
                    other.id, other.line
                ))),
                None => Ok(resource),
            }
        })
        .collect()
}

pub(super) fn connector_scopes(section: &Section<'_>) -> Result<Vec<String>, Error> {
    let field = section.required("scopes", "a list of scopes")?;
    let scopes = field.some_texts()?;
    if scopes.len() > MAX_SCOPES {
        return Err(field.error(format!("has {} scopes; allowed: 1 to {MAX_SCOPES}", scopes.len())));
    }
    for item in field.items()? {
        let scope = item.text()?;
        if scope == "*" {
            return Err(item.error("`*` is no scope here; a connector writes its scopes out"));
        }
        if !is_scope_token(scope) {
            return Err(item.error(format!(
                "`{scope}` is not a scope; allowed: printable ASCII without space, `\"` and `\\`"
            )));
        }
    }
    Ok(scopes)
}

fn require_dpop(section: &Section<'_>) -> Result<bool, Error> {
    let Some(field) = section.optional("require") else {
        return Ok(false);
    };
    for item in field.items()? {
        item.word(&[("dpop", ())])?;
    }
    Ok(!field.texts()?.is_empty())
}

fn introspect_clients(section: &Section<'_>, clients: &[String]) -> Result<Vec<String>, Error> {
    let Some(field) = section.optional("introspect_clients") else {
        return Ok(Vec::new());
    };
    for item in field.items()? {
        let name = item.text()?;
        if !clients.iter().any(|client| client == name) {
            let known = clients.iter().map(String::as_str);
            return Err(item.error(format!("no client `{name}`{}", there_are(name, known))));
        }
    }
    field.texts()
}

impl Grant {
    fn read(section: &Section<'_>, connector_scopes: &[String], idps: &[&Idp]) -> Result<Self, Error> {
        let (groups, everyone) = people(section)?;
        let issuers = issuers(section, idps)?;
        Ok(Self {
            groups,
            everyone,
            tenant: tenant(section, everyone, issuers.as_deref(), idps)?,
            issuers,
            scopes: grant_scopes(section, connector_scopes)?,
            authorization_details: section.texts("authorization_details")?,
            line: section.line(),
        })
    }
}

/// The groups, or that it is everyone.
pub(super) fn people(section: &Section<'_>) -> Result<(Vec<String>, bool), Error> {
    let everyone = said_aloud(section, "everyone", "groups")?;
    match (section.optional("groups"), everyone) {
        (None, true) => Ok((Vec::new(), true)),
        (Some(groups), false) => Ok((groups.some_texts()?, false)),
        (Some(groups), true) => {
            Err(groups.error("stands beside `everyone = true`; only one of them is allowed"))
        }
        (None, false) => Err(section.error("exactly one of these is required: groups, everyone = true")),
    }
}

/// The issuers whose people the grant is for; none for any.
fn issuers(section: &Section<'_>, idps: &[&Idp]) -> Result<Option<Vec<String>>, Error> {
    let any = said_aloud(section, "any_issuer", "issuer")?;
    let Some(field) = section.optional("issuer") else {
        return match idps {
            _ if any => Ok(None),
            [idp] if idp.trust.tenants.is_empty() => Ok(Some(vec![idp.issuer.clone()])),
            _ => Err(section.error(
                "exactly one of these is required: issuer (a string or a list), any_issuer = true; \
                 it may be left out only with one single-tenant IdP",
            )),
        };
    };
    if any {
        return Err(field.error("stands beside `any_issuer = true`; only one of them is allowed"));
    }
    let fields = field.one_or_more()?;
    for field in &fields {
        let name = field.text()?;
        let known = idps.iter().map(|idp| idp.issuer.as_str());
        if !known.clone().any(|known| known == name) {
            return Err(field.error(format!("no IdP `{name}`{}", there_are(name, known))));
        }
    }
    distinct_texts(&fields).map(Some)
}

/// Whether `key` is `true`. `false` says no more than leaving it out, and is allowed only beside `other`, which it would
/// stand in for.
fn said_aloud(section: &Section<'_>, key: &str, other: &str) -> Result<bool, Error> {
    let Some(field) = section.optional(key) else {
        return Ok(false);
    };
    let said = field.boolean()?;
    if !said && section.optional(other).is_none() {
        return Err(field.error(format!("must be true, or left out with `{other}` in its place")));
    }
    Ok(said)
}

/// The tenant whose people the grant is for. It must be one of each named IdP's, or of any IdP's with `any_issuer`. A
/// group belongs to its tenant, so it is required as soon as a group of a named IdP that has tenants is meant; everyone
/// and any issuer, said aloud, mean any tenant.
fn tenant(
    section: &Section<'_>,
    everyone: bool,
    issuers: Option<&[String]>,
    idps: &[&Idp],
) -> Result<Option<String>, Error> {
    let reached: Vec<&Idp> = idps
        .iter()
        .copied()
        .filter(|idp| issuers.is_none_or(|issuers| issuers.contains(&idp.issuer)))
        .collect();
    let Some(field) = section.optional("tenant") else {
        return match reached.iter().find(|idp| !idp.trust.tenants.is_empty()) {
            _ if everyone || issuers.is_none() => Ok(None),
            None => Ok(None),
            Some(idp) => Err(section.error(format!(
                "`tenant` is required, because the IdP `{}` has tenants: {}",
                idp.issuer,
                idp.trust.tenants.join(", ")
            ))),
        };
    };
    let tenant = field.text()?;
    let (with, without): (Vec<&Idp>, Vec<&Idp>) =
        reached.into_iter().partition(|idp| idp.trust.tenants.iter().any(|known| known == tenant));
    match without.first() {
        Some(idp) if issuers.is_some() => Err(field.error(format!(
            "the IdP `{}` has no tenant `{tenant}`{}",
            idp.issuer,
            there_are(tenant, idp.trust.tenants.iter().map(String::as_str))
        ))),
        _ if with.is_empty() => Err(field.error(format!("no IdP has a tenant `{tenant}`"))),
        _ => Ok(Some(tenant.to_owned())),
    }
}

/// Some of the connector's scopes; all of them for `["*"]`.
fn grant_scopes(section: &Section<'_>, connector_scopes: &[String]) -> Result<Vec<String>, Error> {
    let field = section.required("scopes", "some of the connector's scopes, or [\"*\"]")?;
    let scopes = field.some_texts()?;
    if scopes == ["*"] {
        return Ok(connector_scopes.to_vec());
    }
    for item in field.items()? {
        let scope = item.text()?;
        if scope == "*" {
            return Err(item.error("`*` stands alone: `[\"*\"]`"));
        }
        if !connector_scopes.iter().any(|known| known == scope) {
            let known = connector_scopes.iter().map(String::as_str);
            return Err(
                item.error(format!("the connector has no scope `{scope}`{}", there_are(scope, known)))
            );
        }
    }
    Ok(scopes)
}
