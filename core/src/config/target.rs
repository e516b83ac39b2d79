//! What an identity provider may issue ID-JAGs for: `[[targets]]`, the table of pairs of audience and resource
//! (draft-ietf-oauth-identity-assertion-authz-grant section 4.3), with who may ask and for whom.

use super::client::Client;
use super::idp::Idp;
use super::policy_text::{connector_scopes, people};
use super::reader::{Section, distinct_texts, there_are};
use super::uri;
use crate::error::Error;

/// One authorization server, and some of the resources that it guards.
#[derive(Debug)]
pub(crate) struct Target {
    /// The issuer identifier of that authorization server.
    pub(crate) audience: String,
    /// Empty: that server knows no resources, and none is named to it.
    pub(crate) resources: Vec<String>,
    /// Never empty.
    pub(crate) scopes: Vec<String>,
    /// Whose people: the `iss` of their ID tokens.
    pub(crate) issuer: String,
    /// None: everyone.
    pub(crate) groups: Option<Vec<String>>,
    /// Our clients that may ask, and their identifiers at that server.
    pub(crate) clients: Vec<(String, String)>,
    pub(crate) claims: Vec<Copied>,
    /// Where it stands in the configuration.
    pub(crate) line: u32,
}

/// What goes from the ID token into the ID-JAG beside the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    Email,
    Groups,
    AuthTime,
    Acr,
    Amr,
}

impl Target {
    /// Reads `targets`; `own` is this identity provider.
    pub(super) fn read_all(
        root: &Section<'_>,
        own: &str,
        issuers: &[Idp],
        clients: &[Client],
    ) -> Result<Vec<Self>, Error> {
        let sections = root.sections(
            "targets",
            &["audience", "resource", "scopes", "issuer", "groups", "everyone", "clients", "claims"],
        )?;
        let mut targets: Vec<Self> = Vec::with_capacity(sections.len());
        for section in &sections {
            let field = section.required("audience", "the issuer identifier of an authorization server")?;
            let audience = uri::issuer(&field)?;
            if audience == own {
                return Err(field.error(format!("`{audience}` is this identity provider itself")));
            }
            let resources = resources(section)?;
            if let Some(other) = targets.iter().find(|known| known.meets(&audience, &resources)) {
                return Err(field.error(format!(
                    "`{audience}` with such a resource, or without any, stands already in line {}",
                    other.line
                )));
            }
            let (groups, everyone) = people(section)?;
            targets.push(Self {
                audience,
                resources,
                scopes: connector_scopes(section)?,
                issuer: issuer(section, issuers)?,
                groups: (!everyone).then_some(groups),
                clients: mapping(section, clients)?,
                claims: copied(section)?,
                line: section.line(),
            });
        }
        Ok(targets)
    }

    /// Whether a pair is in both. A server without resources is one whole.
    fn meets(&self, audience: &str, resources: &[String]) -> bool {
        self.audience == audience
            && (self.resources.is_empty()
                || resources.is_empty()
                || self.resources.iter().any(|known| resources.contains(known)))
    }
}

fn resources(section: &Section<'_>) -> Result<Vec<String>, Error> {
    let Some(field) = section.optional("resource") else {
        return Ok(Vec::new());
    };
    let fields = field.one_or_more()?;
    distinct_texts(&fields)?;
    fields.iter().map(uri::absolute).collect()
}

/// Whose people: said, or the only one there is.
fn issuer(section: &Section<'_>, issuers: &[Idp]) -> Result<String, Error> {
    let Some(field) = section.optional("issuer") else {
        return match issuers {
            [only] => Ok(only.issuer.clone()),
            _ => Err(section.error("`issuer` is required where `subject_tokens` has not exactly one")),
        };
    };
    let name = field.text()?;
    let known = issuers.iter().map(|idp| idp.issuer.as_str());
    if known.clone().any(|known| known == name) {
        Ok(name.to_owned())
    } else {
        Err(field.error(format!("`subject_tokens` has no issuer `{name}`{}", there_are(name, known))))
    }
}

/// The identifiers of our clients at that server (draft section 5).
fn mapping(section: &Section<'_>, clients: &[Client]) -> Result<Vec<(String, String)>, Error> {
    section.required("clients", "a list of { id = \"here\", client_id = \"there\" }")?;
    let mut mapping: Vec<(String, String)> = Vec::new();
    for entry in section.sections("clients", &["id", "client_id"])? {
        let field = entry.required("id", "a client of this identity provider")?;
        let id = field.text()?;
        let known = clients.iter().map(|client| client.id.as_str());
        if !known.clone().any(|known| known == id) {
            return Err(field.error(format!("no client `{id}`{}", there_are(id, known))));
        }
        if mapping.iter().any(|(mapped, _)| mapped == id) {
            return Err(field.error(format!("`{id}` stands twice")));
        }
        let there = entry.required("client_id", "how the authorization server knows this client")?.text()?;
        mapping.push((id.to_owned(), there.to_owned()));
    }
    Ok(mapping)
}

fn copied(section: &Section<'_>) -> Result<Vec<Copied>, Error> {
    let Some(field) = section.optional("claims") else {
        return Ok(Vec::new());
    };
    field.texts()?;
    let words = [
        ("email", Copied::Email),
        ("groups", Copied::Groups),
        ("auth_time", Copied::AuthTime),
        ("acr", Copied::Acr),
        ("amr", Copied::Amr),
    ];
    field.items()?.iter().map(|item| item.word(&words)).collect()
}
