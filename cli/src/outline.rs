//! What a configuration says, for lists and tables: read again from the text that the core has validated.
//!
//! Nothing is decided by it: decisions are the core's. A text in JSON has no outline; on disk it is TOML.

use serde::Deserialize;
use toml::Spanned;
use toml::value::{Array, Value};

use crate::files::Source;
use crate::problem::{Problem, Result};
use crate::requests::OneOrMore;

/// The parts that are listed.
pub(crate) struct Outline {
    pub(crate) issuer: String,
    pub(crate) tokens: Tokens,
    pub(crate) limits: Limits,
    pub(crate) idps: Vec<Idp>,
    pub(crate) clients: Vec<Client>,
    pub(crate) connectors: Vec<Connector>,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    policy: Option<String>,
    tokens: Tokens,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    idps: Vec<Idp>,
    #[serde(default)]
    clients: Vec<Client>,
}

#[derive(Deserialize)]
struct Policy {
    #[serde(default)]
    connectors: Vec<WrittenConnector>,
}

/// `[tokens]`.
#[derive(Deserialize)]
#[serde(default)]
pub(crate) struct Tokens {
    pub(crate) algorithm: String,
    pub(crate) ttl_s: i64,
    keys: Value,
}

/// `[limits]`, the two that say how long a `jti` is kept.
#[derive(Deserialize)]
#[serde(default)]
pub(crate) struct Limits {
    pub(crate) leeway_s: i64,
    pub(crate) max_lifetime_s: i64,
}

/// One of `[[idps]]`.
#[derive(Deserialize)]
pub(crate) struct Idp {
    pub(crate) issuer: String,
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
    pub(crate) jwks: Option<serde_json::Value>,
    pub(crate) jwks_file: Option<String>,
    pub(crate) jwks_uri: Option<String>,
    pub(crate) algorithms: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) groups: Groups,
    #[serde(default)]
    pub(crate) tenants: Vec<String>,
    pub(crate) default_resource: Option<String>,
    pub(crate) max_lifetime_s: Option<i64>,
}

/// `groups` of an IdP.
#[derive(Default, Deserialize)]
pub(crate) struct Groups {
    pub(crate) claim: Option<OneOrMore>,
    #[serde(default)]
    pub(crate) directory: bool,
    pub(crate) combine: Option<String>,
}

/// One of `[[clients]]`.
#[derive(Deserialize)]
pub(crate) struct Client {
    pub(crate) id: String,
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
    pub(crate) auth: String,
    pub(crate) jwks_uri: Option<String>,
    pub(crate) connectors: Vec<String>,
}

/// One of `[[connectors]]`.
pub(crate) struct Connector {
    pub(crate) id: String,
    pub(crate) resources: Vec<String>,
    pub(crate) state: String,
    pub(crate) owner: Option<String>,
    pub(crate) review_by: Option<String>,
    pub(crate) grants: Vec<Grant>,
}

/// One of `[[connectors.grants]]`.
pub(crate) struct Grant {
    /// Groups, or `everyone`.
    pub(crate) whom: String,
    /// Whose people.
    pub(crate) of: String,
    pub(crate) scopes: Vec<String>,
    /// `policy.toml:12`.
    pub(crate) place: String,
}

#[derive(Deserialize)]
struct WrittenConnector {
    id: String,
    resource: OneOrMore,
    scopes: Vec<String>,
    state: String,
    owner: Option<String>,
    review_by: Option<Value>,
    #[serde(default)]
    grants: Vec<Spanned<WrittenGrant>>,
}

#[derive(Deserialize)]
struct WrittenGrant {
    #[serde(default)]
    groups: Vec<String>,
    issuer: Option<OneOrMore>,
    tenant: Option<String>,
    #[serde(default)]
    any_issuer: bool,
    scopes: Vec<String>,
}

fn yes() -> bool {
    true
}

impl Default for Tokens {
    fn default() -> Self {
        Self { algorithm: "EdDSA".to_owned(), ttl_s: 3600, keys: Value::Array(Array::new()) }
    }
}

impl Tokens {
    /// The files of the keys; none: a key that is made at start.
    pub(crate) fn files(&self) -> Vec<&str> {
        self.keys.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { leeway_s: 30, max_lifetime_s: 300 }
    }
}

impl Outline {
    /// Reads what `source` says. It must have been validated: [`Source::config`].
    pub(crate) fn of(source: &Source) -> Result<Self> {
        let name = source.name();
        let text = source.text()?;
        let document: Document = parse(&name, &text)?;
        let (file, text) = match document.policy {
            None => (name, text),
            Some(file) => {
                let unread = |why: String| Problem::new(format!("cannot read `{file}`: {why}"));
                let bytes = source.read(&file).map_err(unread)?;
                let text = String::from_utf8(bytes).map_err(|error| unread(error.to_string()))?;
                (file, text)
            }
        };
        let policy: Policy = parse(&file, &text)?;
        Ok(Self {
            issuer: document.issuer,
            tokens: document.tokens,
            limits: document.limits,
            connectors: policy
                .connectors
                .into_iter()
                .map(|written| connector(written, &document.idps, &file, &text))
                .collect(),
            idps: document.idps,
            clients: document.clients,
        })
    }

    /// The place of the connector that has `resource`.
    pub(crate) fn connector_of(&self, resource: &str) -> Option<usize> {
        self.connectors.iter().position(|connector| connector.resources.iter().any(|its| its == resource))
    }
}

fn parse<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        return Err(Problem::new(format!(
            "`{file}` is valid; what it says is listed from TOML only, and it is JSON"
        )));
    }
    toml::from_str(text)
        .map_err(|error| Problem::new(format!("cannot list what `{file}` says: {}", error.message())))
}

fn connector(written: WrittenConnector, idps: &[Idp], file: &str, text: &str) -> Connector {
    let grants = written.grants.into_iter().map(|grant| {
        let line = text.bytes().take(grant.span().start).filter(|byte| *byte == b'\n').count() + 1;
        let grant = grant.into_inner();
        let issuers: Vec<String> = match grant.issuer {
            Some(issuers) => issuers.into(),
            // It may be left out with the only IdP.
            None if !grant.any_issuer => idps.iter().map(|idp| idp.issuer.clone()).collect(),
            None => vec!["any IdP".to_owned()],
        };
        let tenant = grant.tenant.map(|tenant| format!(", tenant {tenant}")).unwrap_or_default();
        Grant {
            whom: if grant.groups.is_empty() { "everyone".to_owned() } else { grant.groups.join(", ") },
            of: format!("{}{tenant}", issuers.join(", ")),
            scopes: if grant.scopes == ["*"] { written.scopes.clone() } else { grant.scopes },
            place: format!("{file}:{line}"),
        }
    });
    Connector {
        grants: grants.collect(),
        id: written.id,
        resources: written.resource.into(),
        state: written.state,
        owner: written.owner,
        review_by: written.review_by.map(|date| match date {
            Value::String(text) => text,
            Value::Datetime(date) => date.to_string(),
            _ => String::new(),
        }),
    }
}
