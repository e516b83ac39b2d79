//! The configuration of an identity provider of one's own: text (TOML or JSON) in, a validated [`IdpConfig`] out.
//!
//! It shares its notation, its clients, keys and groups with the server of a resource, and nothing else: an IdP and a
//! server that trusts it are two parties, also where one person runs both.

use std::fmt;
use std::sync::Arc;

use super::client::Client;
use super::document::Node;
use super::idp::{Groups, Idp, SubjectKind, Trust, algorithms};
use super::keys::Keys;
use super::reader::Section;
use super::settings::{Endpoints, KEYS, Limits, signing_keys};
use super::target::Target;
use super::{Inputs, directory, uri};
use crate::alg::Algorithm;
use crate::directory::Directory;
use crate::error::Error;
use crate::jwks::KeySet;
use crate::own_keys::OwnKeys;

/// The whole configuration of an identity provider, validated.
pub struct IdpConfig {
    /// What the text is called in errors and records.
    pub(crate) file: String,
    pub(crate) text: String,
    /// Our issuer identifier, the `iss` of every ID-JAG.
    pub(crate) issuer: String,
    pub(crate) endpoints: Endpoints,
    pub(crate) keys: OwnKeys,
    /// How long an ID-JAG lives, in seconds.
    pub(crate) lifetime_s: i64,
    pub(crate) limits: Limits,
    pub(crate) clients: Vec<Client>,
    /// Whose ID tokens are taken. Of these the `tenants` are one or none, and `max_lifetime_s` is an age.
    pub(crate) issuers: Vec<Idp>,
    pub(crate) targets: Vec<Target>,
    pub(crate) directory: Option<Directory>,
    warnings: Vec<String>,
}

impl IdpConfig {
    /// Reads a configuration. `name` is what the text is called in errors; `read` gives the content of a file that it
    /// names, as for [`Config::parse`](crate::Config::parse).
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
            &["issuer", "directory", "endpoints", "tokens", "limits", "clients", "subject_tokens", "targets"],
        )?;
        // Fewer keys than the server of a resource has; those are read by the same code afterwards.
        root.section("endpoints", &["token", "jwks"])?;
        root.section(
            "limits",
            &[
                "leeway_s",
                "max_assertion_bytes",
                "max_body_bytes",
                "max_jti_chars",
                "auth_failures_per_minute",
                "auth_failures_per_minute_per_peer",
                "refusals_per_minute",
            ],
        )?;
        let mut inputs = Inputs { read, warnings: Vec::new() };

        let issuer = uri::issuer(&root.required("issuer", "our issuer identifier, an https URL")?)?;
        let (keys, lifetime_s) = tokens(&root, &mut inputs)?;
        let issuers = issuers(&root, &issuer, &keys, &mut inputs)?;
        let sections = Client::sections(&root)?;
        let clients = sections
            .iter()
            .zip(Client::ids(&sections)?)
            .map(|(section, id)| Client::read_at_idp(section, id, &mut inputs))
            .collect::<Result<Vec<_>, _>>()?;
        Client::warn_of_mixed_tls(&clients, &sections, &mut inputs);
        let targets = Target::read_all(&root, &issuer, &issuers, &clients)?;
        if targets.is_empty() {
            inputs.warn(&root.error("no target is written down, so every request is refused"));
        }
        Ok(Self {
            file: name.to_owned(),
            text: text.to_owned(),
            endpoints: Endpoints::read(&root, &issuer)?,
            limits: Limits::read(&root, &mut inputs)?,
            directory: directory(&root, &issuers, &mut inputs)?,
            issuer,
            keys,
            lifetime_s,
            clients,
            issuers,
            targets,
            warnings: inputs.warnings,
        })
    }

    /// What is allowed and still deserves a look: each names its place.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Debug for IdpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdpConfig")
            .field("file", &self.file)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// The keys that sign, and how long what they sign lives, in seconds.
fn tokens(root: &Section<'_>, inputs: &mut Inputs<'_>) -> Result<(OwnKeys, i64), Error> {
    let section = root.section("tokens", &["algorithm", "lifetime_s", "keys"])?;
    let algorithm = section.word(
        "algorithm",
        &[("EdDSA", Algorithm::EdDSA), ("ES256", Algorithm::ES256), ("RS256", Algorithm::RS256)],
        Algorithm::EdDSA,
    )?;
    let field = section.required("keys", KEYS)?;
    let keys = signing_keys(&field, algorithm, "every ID-JAG and ID token", inputs)?;
    if let Some(secret) = keys.iter().find(|key| key.algorithm().is_symmetric()) {
        return Err(field
            .error(format!("the key `{}` has no public half that others could verify with", secret.kid())));
    }
    let keys = OwnKeys::new(keys).ok_or_else(|| field.error(KEYS))?;
    Ok((keys, section.integer("lifetime_s", 1..=3600, 300)?))
}

/// Whose ID tokens are taken.
fn issuers(
    root: &Section<'_>,
    own: &str,
    own_keys: &OwnKeys,
    inputs: &mut Inputs<'_>,
) -> Result<Vec<Idp>, Error> {
    let sections = root.sections(
        "subject_tokens",
        &[
            "issuer",
            "enabled",
            "jwks",
            "jwks_file",
            "own_keys",
            "algorithms",
            "max_age_s",
            "tenant",
            "groups",
        ],
    )?;
    let mut issuers: Vec<Idp> = Vec::with_capacity(sections.len());
    for section in &sections {
        let field = section.required("issuer", "the `iss` of the ID tokens that are taken")?;
        let issuer = uri::issuer(&field)?;
        if let Some(other) = issuers.iter().find(|known| known.issuer == issuer) {
            return Err(field.error(format!("`{issuer}` stands already in line {}", other.line)));
        }
        let tenant = section.text("tenant")?.map(str::to_owned);
        // An ID-JAG says (our issuer, tenant, `sub`): people of two issuers must not become one.
        if sections.len() > 1 && tenant.is_none() {
            return Err(section
                .error("`tenant` is required as soon as there are two issuers, so that `sub` stays unique"));
        }
        if let Some(other) = issuers.iter().find(|known| known.trust.tenants.first() == tenant.as_ref()) {
            return Err(section.error(format!("its `tenant` stands already in line {}", other.line)));
        }
        let algorithms = algorithms(section)?;
        let enabled = section.boolean("enabled", true)?;
        let keys = keys(section, issuer == own, own_keys, &algorithms, inputs)?;
        let trust = Trust {
            enabled,
            algorithms,
            groups: Groups::read(section, inputs)?,
            tenants: tenant.into_iter().collect(),
            subject: SubjectKind::Sub,
            saml_issuers: Box::default(),
            default_resource: None,
            single_use: false,
            max_lifetime_s: section.integer("max_age_s", 1..=86_400, 3600)?,
        };
        issuers.push(Idp { issuer, keys, trust: Arc::new(trust), line: section.line() });
    }
    Ok(issuers)
}

/// The keys of an issuer of ID tokens: its own, or ours where it is ourselves.
fn keys(
    section: &Section<'_>,
    is_own: bool,
    own: &OwnKeys,
    algorithms: &[Algorithm],
    inputs: &mut Inputs<'_>,
) -> Result<Keys, Error> {
    let (source, field) = section.exactly_one(&["jwks", "jwks_file", "own_keys"])?;
    if source != "own_keys" {
        return Keys::read(section, &["jwks", "jwks_file"], algorithms, inputs);
    }
    if !field.boolean()? {
        return Err(field.error("must be true or left out"));
    }
    if !is_own {
        return Err(field.error("our keys sign for our own issuer identifier only"));
    }
    let set = KeySet::parse(own.public_jwks().as_bytes(), algorithms)
        .map_err(|why| field.error(why.to_string()))?;
    if set.is_empty() {
        return Err(field.error("none of `tokens.keys` is for one of the `algorithms`"));
    }
    Ok(Keys::Static(Arc::new(set)))
}
