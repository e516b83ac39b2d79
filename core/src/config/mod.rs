//! The configuration: text (TOML or JSON) in, a validated [`Config`] out.
//!
//! What was read here can be used as it is: every name that it mentions exists, every key could be loaded, every number
//! is within its bounds. No file is opened: the caller reads the files that the configuration names.

#[allow(dead_code, reason = "validated now, read by the token endpoint to come")]
mod client;
mod date;
mod document;
mod documented;
mod idp;
#[allow(dead_code, reason = "validated now, read by the fetcher to come")]
mod keys;
mod policy_text;
mod provider;
#[cfg(test)]
mod provider_tests;
mod rates;
mod reader;
mod replay;
#[allow(dead_code, reason = "validated now, read by the endpoint and the record to come")]
mod settings;
mod target;
#[cfg(test)]
mod tests;
mod uri;

pub(crate) use self::client::{AssertionAudience, Client, ClientAuth, Reach, Sha256, TlsName};
pub use self::date::Date;
pub(crate) use self::documented::{Documented, DocumentedMethod};
pub(crate) use self::idp::{Combine, Idp, SubjectKind, Trust, asymmetric_algorithms};
pub(crate) use self::keys::Keys;
pub use self::policy_text::State;
pub(crate) use self::policy_text::{Connector, parse_policy};
pub use self::provider::IdpConfig;
pub(crate) use self::replay::ColdStart;
pub use self::replay::Store;
pub(crate) use self::settings::{Compat, Endpoints, Limits};

pub(crate) use self::target::{Copied, Target};

use self::document::Node;
use self::reader::{Field, Section};
use self::replay::Replay;
pub use self::settings::{Audit, Durability, SubjectForm};
use self::settings::{Dpop, Tokens};
use crate::crypto;
use crate::directory::Directory;
use crate::error::Error;
use crate::key_source::FetchSettings;
use crate::policy::hexadecimal;

/// A whole configuration, validated.
#[derive(Debug)]
pub struct Config {
    /// What the text is called in errors.
    pub(crate) file: String,
    /// The SHA-256 of the text, in hexadecimal.
    pub(crate) digest: String,
    /// Our issuer identifier (RFC 8414), compared byte for byte.
    pub(crate) issuer: String,
    /// Our own tenants; empty: `aud_tenant` is not looked at.
    pub(crate) tenants: Vec<String>,
    pub(crate) endpoints: Endpoints,
    pub(crate) tokens: Tokens,
    pub(crate) limits: Limits,
    pub(crate) dpop: Dpop,
    pub(crate) replay: Replay,
    pub(crate) audit: Audit,
    pub(crate) compat: Compat,
    pub(crate) idps: Vec<Idp>,
    pub(crate) clients: Vec<Client>,
    /// Clients that are known by their documents, where there may be some.
    pub(crate) documented: Option<Documented>,
    pub(crate) connectors: Vec<Connector>,
    /// The document that the connectors stand in, and its text.
    pub(crate) policy_file: String,
    pub(crate) policy_text: Vec<u8>,
    /// Whether it names a policy, or has one in it; otherwise the host puts one.
    pub(crate) names_policy: bool,
    pub(crate) directory: Option<Directory>,
    fetch: FetchSettings,
    warnings: Vec<String>,
    /// How many of them, the last, come of the policy and the IdPs together.
    of_policy: usize,
}

impl Config {
    /// Reads a configuration. `name` is what the text is called in errors.
    ///
    /// `read` gives the content of a file, or says why it cannot; it gets each path as it stands in the text, which is
    /// relative to the file that the text came from. It is called for the policy, the directory, JWK Sets and signing
    /// keys.
    ///
    /// # Errors
    ///
    /// The first fault, with its file, line and key, and what is allowed.
    pub fn parse(
        name: &str,
        text: &str,
        read: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Self, Error> {
        let document = Node::parse(name, text)?;
        let root = Section::root(
            name,
            &document,
            &[
                "issuer",
                "policy",
                "connectors",
                "directory",
                "tenants",
                "endpoints",
                "tokens",
                "limits",
                "dpop",
                "replay",
                "audit",
                "compat",
                "idps",
                "clients",
                "client_documents",
                "fetch",
            ],
        )?;
        let mut inputs = Inputs { read, warnings: Vec::new() };

        let issuer = uri::issuer(&root.required("issuer", "our issuer identifier, an https URL")?)?;
        let limits = Limits::read(&root, &mut inputs)?;
        let idps = Idp::read_all(&root, &issuer, &limits, &mut inputs)?;
        let client_sections = Client::sections(&root)?;
        let client_ids = Client::ids(&client_sections)?;
        let idp_refs: Vec<&Idp> = idps.iter().collect();
        let policy = Policy::read(&root, text, &idp_refs, &client_ids, &mut inputs)?;
        let connector_ids: Vec<&str> =
            policy.connectors.iter().map(|connector| connector.id.as_str()).collect();
        let clients: Vec<Client> = client_sections
            .iter()
            .zip(client_ids)
            .map(|(section, id)| Client::read(section, id, &connector_ids, &idps, &mut inputs))
            .collect::<Result<_, _>>()?;
        Client::warn_of_mixed_tls(&clients, &client_sections, &mut inputs);
        let documented = Documented::read(&root, &connector_ids, &idps, &mut inputs)?;

        let mut config = Self {
            endpoints: Endpoints::read(&root, &issuer)?,
            tenants: root.texts("tenants")?,
            tokens: Tokens::read(&root, &mut inputs)?,
            dpop: Dpop::read(&root)?,
            replay: Replay::read(&root, &issuer, &mut inputs)?,
            audit: Audit::read(&root)?,
            compat: Compat::read(&root, &mut inputs)?,
            fetch: FetchSettings {
                local_documents: documented.as_ref().is_some_and(|documented| documented.local),
                ..settings::fetch(&root, &mut inputs)?
            },
            directory: directory(&root, &idps, &mut inputs)?,
            issuer,
            limits,
            idps,
            clients,
            documented,
            connectors: policy.connectors,
            policy_file: policy.file,
            policy_text: policy.text,
            names_policy: policy.named,
            warnings: inputs.warnings,
            of_policy: 0,
            file: name.to_owned(),
            digest: hexadecimal(&crypto::sha256(&[text.as_bytes()])),
        };
        let mut of_policy = policy_warnings(name, config.idps.iter(), &config.connectors);
        if !config.names_policy {
            let nothing = "no connector is written down, so nothing is on: neither `policy` nor `connectors`";
            of_policy.push(root.error(nothing).to_string());
        }
        config.of_policy = of_policy.len();
        config.warnings.extend(of_policy);
        Ok(config)
    }

    /// What is allowed and still deserves a look: each names its place.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The fault of a second process that runs over this configuration: each would have its own memory of what was used
    /// where the store is not shared, and each its own keys where they are ephemeral. `None` where neither is so, or where
    /// the configuration allows it (`replay.allow_per_process`). `brings_store`: the host gives the engine a store of its own
    /// ([`Builder::replay`](crate::Builder::replay)). Nothing here knows of other processes: whoever reads the file finds out,
    /// and refuses.
    pub fn one_process(&self, brings_store: bool) -> Option<Error> {
        let has_own_memory = matches!(self.replay.store, Store::Memory { .. }) && !brings_store;
        let has_own_keys = self.tokens.ephemeral;
        if self.replay.allow_per_process || !(has_own_memory || has_own_keys) {
            return None;
        }
        let memory = "its own memory of what was used and revoked (`store` is \"memory\"), so that each accepts the same \
                      assertion once";
        let keys =
            "its own keys (`tokens.keys` is \"ephemeral\"), so that one refuses the tokens of the other";
        let (has, share) = match (has_own_memory, has_own_keys) {
            (true, false) => (memory.to_owned(), "`store = \"file\"`"),
            (true, true) => (format!("{memory}, and {keys}"), "`store = \"file\"` and keys from a file"),
            (false, _) => (keys.to_owned(), "keys from a file"),
        };
        let message = format!(
            "another process runs over this configuration, and each would have {has}; run one process, share \
             {share}, or say `allow_per_process = true`"
        );
        Some(self.replay.section_error(&self.file, message))
    }

    /// The fault of a configuration that names what the host brings itself: another single-use store, or a record.
    pub fn kept_twice(&self, brings_store: bool, brings_record: bool) -> Option<Error> {
        if brings_store && !matches!(self.replay.store, Store::Memory { .. }) {
            let what = "this is another store than the one that the host brings: leave it out";
            return Some(self.store_error(what));
        }
        let what = "the host takes the record: say `audit = \"off\"`";
        (brings_record && matches!(self.audit, Audit::Record { .. }))
            .then(|| Error::new(&self.file, None, "audit", what))
    }

    /// The single-use store that it names, for whoever opens it.
    pub fn store(&self) -> &Store {
        &self.replay.store
    }

    /// The error that its store cannot be used, with file, line and key: for whoever opens it.
    pub fn store_error(&self, why: impl Into<String>) -> Error {
        self.replay.error(&self.file, why)
    }

    /// What is said of the record (`audit`): the host opens it.
    pub const fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Our issuer identifier.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Says aloud that a record is asked for and none is kept.
    pub(crate) fn warn_of_no_record(&mut self) {
        if matches!(self.audit, Audit::Record { .. }) {
            let what = "no record is kept: the program that loads this configuration gave the engine none";
            self.warnings.insert(0, Error::new(&self.file, None, "audit", what).to_string());
        }
    }

    /// How keys are to be fetched (`[fetch]`), for who fetches them.
    pub fn fetch_settings(&self) -> &FetchSettings {
        &self.fetch
    }

    /// The warnings that stay when another policy is put, and those that come of this one.
    pub(crate) fn split_warnings(&mut self) -> (Vec<String>, Vec<String>) {
        let mut lasting = std::mem::take(&mut self.warnings);
        let of_policy = lasting.split_off(lasting.len().saturating_sub(self.of_policy));
        (lasting, of_policy)
    }

    /// The ids of the enabled connectors whose `review_by` lies before the UTC date of `now`, in seconds since 1970.
    pub fn overdue(&self, now: i64) -> Vec<String> {
        let today = Date::from_unix(now);
        self.connectors
            .iter()
            .filter(|connector| connector.state == State::Enabled)
            .filter(|connector| connector.review_by.is_some_and(|date| date < today))
            .map(|connector| connector.id.clone())
            .collect()
    }
}

/// What comes in beside the text, and what is to be said about it.
struct Inputs<'r> {
    read: &'r mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    warnings: Vec<String>,
}

impl Inputs<'_> {
    /// The content of the file that `field` names.
    fn file(&mut self, field: &Field<'_>) -> Result<Vec<u8>, Error> {
        let path = field.text()?;
        (self.read)(path).map_err(|why| field.error(format!("cannot read `{path}`: {why}")))
    }

    /// Keeps what would be an error, were it not allowed, as a warning.
    fn warn(&mut self, what: &Error) {
        self.warnings.push(what.to_string());
    }
}

/// The policy of a configuration, wherever it stands.
struct Policy {
    connectors: Vec<Connector>,
    file: String,
    text: Vec<u8>,
    named: bool,
}

impl Policy {
    fn read(
        root: &Section<'_>,
        text: &str,
        idps: &[&Idp],
        client_ids: &[String],
        inputs: &mut Inputs<'_>,
    ) -> Result<Self, Error> {
        let Some((key, field)) = root.at_most_one(&["policy", "connectors"])? else {
            return Ok(Self {
                connectors: Vec::new(),
                file: root.file().to_owned(),
                text: text.as_bytes().to_vec(),
                named: false,
            });
        };
        if key == "connectors" {
            return Ok(Self {
                connectors: policy_text::read_connectors(root, idps, client_ids)?,
                file: root.file().to_owned(),
                text: text.as_bytes().to_vec(),
                named: true,
            });
        }
        let file = field.text()?;
        let text = inputs.file(&field)?;
        let utf8 = str::from_utf8(&text).map_err(|_| field.error(format!("`{file}` is not UTF-8")))?;
        Ok(Self {
            connectors: policy_text::parse_connectors(file, utf8, idps, client_ids)?,
            file: file.to_owned(),
            text,
            named: true,
        })
    }
}

fn directory(root: &Section<'_>, idps: &[Idp], inputs: &mut Inputs<'_>) -> Result<Option<Directory>, Error> {
    let user = idps.iter().find(|idp| idp.trust.groups.directory);
    let Some(field) = root.optional("directory") else {
        if let Some(idp) = user {
            inputs.warn(&Error::new(
                root.file(),
                Some(idp.line),
                "",
                format!("people of `{}` are unknown until a directory is put", idp.issuer),
            ));
        }
        return Ok(None);
    };
    let file = field.text()?;
    let text = inputs.file(&field)?;
    if user.is_none() {
        inputs.warn(&field.error("no IdP uses it; `groups.directory = true` does"));
    }
    let is_csv = file.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("csv"));
    let directory = if is_csv { Directory::from_csv(file, &text) } else { Directory::from_json(file, &text) };
    directory.map(Some)
}

/// Warnings about what assertions without `resource` are for: a default that nothing serves, and the only resource of
/// the only enabled connector, which stops being the default when another one is enabled.
pub(crate) fn policy_warnings<'a>(
    file: &str,
    idps: impl Iterator<Item = &'a Idp>,
    connectors: &[Connector],
) -> Vec<String> {
    let mut enabled = connectors.iter().filter(|connector| connector.state == State::Enabled);
    let only = match (enabled.next(), enabled.next()) {
        (Some(only), None) => only.resources.as_slice(),
        _ => &[],
    };
    let next = connectors.iter().find(|c| matches!(c.state, State::Planned | State::Suspended));
    let warning = |idp: &Idp| {
        let message = match (&idp.trust.default_resource, only, next) {
            (Some(resource), _, _) => {
                if connectors
                    .iter()
                    .any(|connector| connector.resources.iter().any(|known| **known == **resource))
                {
                    return None;
                }
                format!("no connector has `{resource}`, the `default_resource` of `{}`", idp.issuer)
            }
            (None, [resource], Some(next)) => format!(
                "assertions of `{}` without `resource` go to `{resource}`; \
                 enabling a second connector (`{}`) takes that default away",
                idp.issuer, next.id
            ),
            _ => return None,
        };
        Some(Error::new(file, Some(idp.line), "", message).to_string())
    };
    idps.filter(|idp| idp.trust.enabled).filter_map(warning).collect()
}
