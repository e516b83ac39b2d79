//! A whole wave before it runs: the configuration with its files, and the requests with what must become of each.

use std::num::NonZero;
use std::time::{Duration, Instant};

use idjag::{Algorithm, SigningKey};
use indicatif::ProgressBar;

use super::company::{self, ACME, Company, Connector, DEFAULT_RESOURCE, GLOBEX, Person};
use super::hostile;
use super::mint::{Draft, Idps, Signer, Tampering};
use super::random::Random;
use crate::files::{CONFIG, FileSet};
use crate::problem::Result;
use crate::requests::Line;

/// Our issuer identifier.
pub(crate) const ISSUER: &str = "https://auth.acme.example/";
/// The client that everybody uses, and another one.
pub(crate) const CLIENT: &str = "f53f191f9311af35";
pub(crate) const OTHER_CLIENT: &str = "0c7e3b8a54d2916f";

/// What an agent's ID-JAG of Okta has beside: who acts for the person, hop by hop.
const ACT: &str = concat!(
    r#""sub_profile":"user","act":{"sub":"wlp1a2b3c4d5e6f7g8h9","sub_profile":"ai_agent","#,
    r#""act":{"sub":"0oa1a2b3c4d5e6f7g8h9","sub_profile":"web_app"}}"#
);

/// How large a wave is.
pub(crate) struct Size {
    pub(crate) people: usize,
    pub(crate) hostile: usize,
    pub(crate) seed: u64,
}

/// A wave that can be run or written down.
pub(crate) struct World {
    pub(crate) files: FileSet,
    pub(crate) lines: Vec<Line>,
    /// For each request the slug of its refusal; `None`: it must be granted.
    pub(crate) expected: Vec<Option<&'static str>>,
    /// What it is about, in words.
    pub(crate) summary: String,
    /// How long the IdPs took to sign.
    pub(crate) minting: Duration,
}

/// A request that is to be made.
pub(crate) struct Planned<'c> {
    pub(crate) draft: Draft<'c>,
    /// Who presents it.
    pub(crate) client_id: &'static str,
    pub(crate) resource: Option<&'static str>,
    pub(crate) scope: Option<&'static str>,
    /// The slug that it must be refused with; `None`: it must be granted.
    pub(crate) refusal: Option<&'static str>,
}

impl World {
    /// Makes a wave whose assertions are issued at `now`.
    pub(crate) fn build(size: &Size, now: i64, threads: NonZero<usize>, bar: &ProgressBar) -> Result<Self> {
        let mut random = Random::new(size.seed);
        let company = Company::found(size.people, &mut random);
        let planned = plan(&company, size.hostile, now, &mut random);

        let idps = Idps::new()?;
        bar.set_length(planned.len() as u64);
        bar.reset_eta();
        let began = Instant::now();
        let (drafts, rest): (Vec<_>, Vec<_>) = planned
            .into_iter()
            .map(|planned| {
                let rest = (planned.client_id, planned.resource, planned.scope, planned.refusal);
                (planned.draft, rest)
            })
            .unzip();
        let assertions = idps.mint_all(&drafts, threads, bar)?;
        let minting = began.elapsed();

        let expected = rest.iter().map(|(.., refusal)| *refusal).collect();
        let lines: Vec<Line> = assertions
            .into_iter()
            .zip(rest)
            .map(|(assertion, (client_id, resource, scope, _))| Line {
                assertion,
                client_id: client_id.to_owned(),
                resource: resource.into_iter().map(str::to_owned).collect(),
                scope: scope.map(str::to_owned),
                authorization_details: None,
            })
            .collect();
        Ok(Self { files: files(&company, &idps, now)?, lines, expected, summary: company.summary(), minting })
    }
}

/// An ID-JAG for `person` at `connector`, as Acme's IdP mints it for the client.
pub(crate) fn draft<'c>(person: &'c Person, connector: &Connector, now: i64) -> Draft<'c> {
    Draft {
        signer: Signer::Acme,
        person,
        audience: ISSUER,
        client_id: CLIENT,
        resource: Some(connector.resource),
        scope: connector.scopes,
        issued_at: now,
        groups: &[],
        further: ACT,
        tampering: Tampering::None,
    }
}

/// Every person at every enabled connector, in a random order, with the hostile ones spread evenly among them.
fn plan<'c>(company: &'c Company, hostile: usize, now: i64, random: &mut Random) -> Vec<Planned<'c>> {
    let mut pairs: Vec<(&Person, &Connector)> = company
        .people
        .iter()
        .flat_map(|person| Connector::enabled().map(move |connector| (person, connector)))
        .collect();
    random.shuffle(&mut pairs);
    let mut planned: Vec<Planned<'c>> = Vec::with_capacity(pairs.len() + hostile);
    let (all, mut sent) = (pairs.len(), 0);
    for (at, (person, connector)) in pairs.into_iter().enumerate() {
        planned.push(entitled(person, connector, now, random));
        let due = hostile * (at + 1) / all;
        while sent < due {
            planned.extend(hostile::plan(sent, &planned, company, now, random));
            sent += 1;
        }
    }
    planned
}

fn entitled<'c>(person: &'c Person, connector: &Connector, now: i64, random: &mut Random) -> Planned<'c> {
    let mut draft = draft(person, connector, now);
    if connector.resource == DEFAULT_RESOURCE && random.once_in(10) {
        // As in an exchange with Okta that was captured: no `resource`, so the configuration's default applies.
        draft.resource = None;
    }
    Planned {
        resource: random.once_in(2).then_some(connector.resource),
        scope: random.once_in(8).then_some(connector.for_all),
        client_id: CLIENT,
        refusal: None,
        draft,
    }
}

fn files(company: &Company, idps: &Idps, now: i64) -> Result<FileSet> {
    let tokens = SigningKey::generate(Algorithm::EdDSA)?;
    let client = SigningKey::generate(Algorithm::ES256)?;
    let client_jwks = format!("{{\"keys\":[{}]}}\n", client.public_jwk().unwrap_or_default());
    let mut files = FileSet::default();
    files.add(CONFIG, config());
    files.add("policy.toml", company::policy(now));
    files.add("directory.json", company.directory());
    files.add_secret("keys/tokens.jwk", tokens.to_jwk().as_bytes());
    files.add("keys/acme.jwks.json", idps.acme_jwks.as_bytes());
    files.add("keys/globex.jwks.json", idps.globex_jwks.as_bytes());
    files.add("keys/client.jwks.json", client_jwks);
    Ok(files)
}

fn config() -> String {
    format!(
        r#"# One authorization server before eight MCP servers, made by `idjag wave`.
issuer = "{ISSUER}"
policy = "policy.toml"
directory = "directory.json"
audit = "off" # a rehearsal leaves no record

[tokens]
algorithm = "EdDSA"
keys = ["keys/tokens.jwk"]

[replay]
# The requests of the wave are older than the process that runs them. A server keeps the default, "refuse_older".
cold_start = "accept"

# Acme's people: the IdP lists no groups, the directory does.
[[idps]]
issuer = "{ACME}"
jwks_file = "keys/acme.jwks.json"
algorithms = ["RS256"]
groups = {{ directory = true }}
default_resource = "{DEFAULT_RESOURCE}"

# Globex's people: their groups come in the assertion, unless there are too many.
[[idps]]
issuer = "{GLOBEX}"
jwks_file = "keys/globex.jwks.json"
algorithms = ["RS256"]
groups = {{ claim = "groups" }}

[[clients]]
id = "{CLIENT}"
auth = "private_key_jwt"
jwks_file = "keys/client.jwks.json"
connectors = ["*"]

[[clients]]
id = "{OTHER_CLIENT}"
auth = "private_key_jwt"
jwks_file = "keys/client.jwks.json"
connectors = ["*"]
"#
    )
}
