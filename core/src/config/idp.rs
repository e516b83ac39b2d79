//! The IdPs that may vouch for people: `[[idps]]`. There may be ten thousand, most of which say nothing but who they are: what
//! they leave out takes no memory of its own.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::Inputs;
use super::document::Value;
use super::keys::Keys;
use super::reader::{Field, Section};
use super::settings::{LIFETIME_S, Limits};
use super::uri;
use crate::alg::Algorithm;
use crate::error::Error;

/// One trusted IdP.
#[derive(Debug)]
pub(crate) struct Idp {
    pub(crate) issuer: String,
    pub(crate) keys: Keys,
    /// The same one where the configuration says the same of several.
    pub(crate) trust: Arc<Trust>,
    /// Where it stands in the configuration.
    pub(crate) line: u32,
}

/// How far an IdP is trusted: what is asked of an assertion that it signed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Trust {
    pub(crate) enabled: bool,
    /// Never empty, never symmetric.
    pub(crate) algorithms: Cow<'static, [Algorithm]>,
    pub(crate) groups: Groups,
    /// Empty: the IdP is single-tenant, and a `tenant` claim is refused.
    pub(crate) tenants: Box<[String]>,
    pub(crate) subject: SubjectKind,
    /// With [`SubjectKind::SubId`]: the issuers that its `sub_id` may name. Not empty then.
    pub(crate) saml_issuers: Box<[String]>,
    /// For assertions without `resource`.
    pub(crate) default_resource: Option<Box<str>>,
    /// Whether an assertion may be presented only once.
    pub(crate) single_use: bool,
    /// How long an assertion may live, and how old it may be, in seconds.
    pub(crate) max_lifetime_s: i64,
}

/// Where a person's groups come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    /// The path to the member that has them; never empty.
    pub(crate) claim: Arc<[String]>,
    /// Whether the person must be listed in the directory, whose groups count.
    pub(crate) directory: bool,
    pub(crate) combine: Combine,
}

/// Which groups count when the directory is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Combine {
    /// Those of the directory.
    Directory,
    /// Those of the directory and those of the claim.
    Union,
}

/// The key into the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubjectKind {
    /// The claim `sub`.
    Sub,
    /// The claim `aud_sub`.
    AudSub,
    /// The claim `sub_id`, a `saml-nameid`.
    SubId,
}

/// What an IdP signs with unless its list says otherwise.
const DEFAULT_ALGORITHMS: [Algorithm; 4] =
    [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];

/// Every algorithm whose public half can be given to us: what another party may sign with.
pub(crate) fn asymmetric_algorithms() -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.is_symmetric())
}

impl Trust {
    /// Whether a `tenant` claim, or that there is none, fits: one of the list, or none where there is no list.
    pub(crate) fn has_tenant(&self, tenant: Option<&str>) -> bool {
        match tenant {
            None => self.tenants.is_empty(),
            Some(tenant) => self.tenants.iter().any(|known| known == tenant),
        }
    }
}

/// How many of the IdPs before one may say the same of it: more would be looked through for nothing where all differ.
const COMPARED: usize = 8;

impl Idp {
    /// Reads `idps`; `own_issuer` is this server.
    pub(super) fn read_all(
        root: &Section<'_>,
        own_issuer: &str,
        limits: &Limits,
        inputs: &mut Inputs<'_>,
    ) -> Result<Vec<Self>, Error> {
        let sections = root.sections(
            "idps",
            &[
                "issuer",
                "enabled",
                "jwks",
                "jwks_file",
                "jwks_uri",
                "discover",
                "local",
                "algorithms",
                "groups",
                "tenants",
                "subject",
                "saml_issuers",
                "default_resource",
                "single_use",
                "max_lifetime_s",
            ],
        )?;
        let mut idps: Vec<Self> = Vec::with_capacity(sections.len());
        let mut lines = HashMap::with_capacity(sections.len());
        for section in &sections {
            let field = section.required("issuer", "the IdP's issuer identifier")?;
            let issuer = uri::issuer(&field)?;
            if issuer == own_issuer {
                return Err(field.error(format!("`{issuer}` is this server itself")));
            }
            if let Some(line) = lines.insert(issuer.clone(), section.line()) {
                return Err(field.error(format!("`{issuer}` stands already in line {line}")));
            }
            let idp = Self::read(section, issuer, limits, inputs)?;
            let same = idps.iter().rev().take(COMPARED).find(|before| before.trust == idp.trust);
            let trust = same.map(|before| Arc::clone(&before.trust));
            idps.push(match trust {
                Some(trust) => Self { trust, ..idp },
                None => idp,
            });
        }
        Ok(idps)
    }

    fn read(
        section: &Section<'_>,
        issuer: String,
        limits: &Limits,
        inputs: &mut Inputs<'_>,
    ) -> Result<Self, Error> {
        let algorithms = algorithms(section)?;
        let subject = section.word(
            "subject",
            &[("sub", SubjectKind::Sub), ("aud_sub", SubjectKind::AudSub), ("sub_id", SubjectKind::SubId)],
            SubjectKind::Sub,
        )?;
        let saml_issuers = section.texts("saml_issuers")?;
        match (subject, section.optional("saml_issuers")) {
            (SubjectKind::SubId, field) if saml_issuers.is_empty() => {
                let message = "`subject = \"sub_id\"` needs at least one of `saml_issuers`";
                return Err(field.map_or_else(|| section.error(message), |field| field.error(message)));
            }
            (SubjectKind::Sub | SubjectKind::AudSub, Some(field)) if !saml_issuers.is_empty() => {
                inputs.warn(&field.error("has no effect without `subject = \"sub_id\"`"));
            }
            (SubjectKind::SubId, Some(field)) if saml_issuers.len() > 1 => {
                inputs.warn(&field.error(
                    "people of these are looked up by their name identifier alone: the same one of two of them is one person",
                ));
            }
            _ => {}
        }
        let single_use = section.boolean("single_use", true)?;
        if let Some(field) = section.optional("single_use")
            && !single_use
        {
            inputs
                .warn(&field.error(format!("an assertion of `{issuer}` may be used again until it expires")));
        }
        let keys = Keys::read(section, &["jwks", "jwks_file", "jwks_uri", "discover"], &algorithms, inputs)?;
        if let Some(field) = section.optional("discover")
            && !issuer.starts_with("https://")
        {
            return Err(
                field.error(format!("`{issuer}` is not https; metadata is fetched over nothing else"))
            );
        }
        let trust = Trust {
            enabled: section.boolean("enabled", true)?,
            algorithms,
            groups: Groups::read(section, inputs)?,
            tenants: section.texts("tenants")?.into(),
            subject,
            saml_issuers: saml_issuers.into(),
            default_resource: section
                .optional("default_resource")
                .map(|field| uri::absolute(&field).map(Box::from))
                .transpose()?,
            single_use,
            max_lifetime_s: section.integer("max_lifetime_s", LIFETIME_S, limits.max_lifetime_s)?,
        };
        Ok(Self { issuer, keys, trust: Arc::new(trust), line: section.line() })
    }
}

impl Groups {
    /// Whether the claim's groups count.
    #[expect(clippy::wrong_self_convention, reason = "it tells where groups come from, it converts nothing")]
    pub(crate) fn from_claim(&self) -> bool {
        !self.directory || self.combine == Combine::Union
    }

    /// Whether the directory's and the claim's groups count together.
    pub(crate) fn is_union(&self) -> bool {
        self.directory && self.combine == Combine::Union
    }

    pub(super) fn read(idp: &Section<'_>, inputs: &mut Inputs<'_>) -> Result<Self, Error> {
        let section = idp.section("groups", &["claim", "directory", "combine"])?;
        let groups = Self {
            claim: section.optional("claim").map_or(Ok(Arc::clone(&USUAL_CLAIM)), |field| claim(&field))?,
            directory: section.boolean("directory", false)?,
            combine: section.word(
                "combine",
                &[("directory", Combine::Directory), ("union", Combine::Union)],
                Combine::Directory,
            )?,
        };
        if let Some(field) = section.optional("combine")
            && groups.combine == Combine::Union
            && !groups.directory
        {
            inputs.warn(&field.error("has no effect without `directory = true`"));
        }
        Ok(groups)
    }
}

/// The member that has the groups, where nothing else is said.
static USUAL_CLAIM: LazyLock<Arc<[String]>> = LazyLock::new(|| ["groups".to_owned()].into());

/// A member's name, or the path to a member as a list of names.
fn claim(field: &Field<'_>) -> Result<Arc<[String]>, Error> {
    const MAX_STEPS: usize = 8;
    let steps = match &field.node().value {
        Value::Array(_) => field.items()?,
        Value::String(_) => field.one_or_more()?,
        _ => return Err(field.type_error("the name of a claim, or a path as a list of names")),
    };
    if !(1..=MAX_STEPS).contains(&steps.len()) {
        return Err(field.error(format!("a path has 1 to {MAX_STEPS} names")));
    }
    // A name may stand twice in a path.
    steps.iter().map(|step| step.text().map(str::to_owned)).collect()
}

/// What another party may sign with: its list, or the usual ones.
pub(super) fn algorithms(of: &Section<'_>) -> Result<Cow<'static, [Algorithm]>, Error> {
    let Some(field) = of.optional("algorithms") else {
        return Ok(Cow::Borrowed(&DEFAULT_ALGORITHMS));
    };
    let allowed: Vec<(&str, Algorithm)> =
        asymmetric_algorithms().map(|algorithm| (algorithm.name(), algorithm)).collect();
    field.some_texts()?;
    field.items()?.iter().map(|name| name.word(&allowed)).collect::<Result<_, _>>().map(Cow::Owned)
}
