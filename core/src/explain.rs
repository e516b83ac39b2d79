//! Why an exchange is granted or refused: the checks in order, the groups, the rules, the scopes, and what would help.
//!
//! An explanation runs the exchange's own steps; it spends no `jti`, mints nothing and records nothing. It is for the
//! operator, never for the client: it says what the refusal hides.

use std::fmt::{self, Write as _};

use crate::assertion::{Kind, Presented, TYP};
use crate::claims::{Claims, GroupsClaim};
use crate::config::{State as ConnectorState, Trust};
use crate::exchange::{Exchange, Proven, Request, Workspace};
use crate::grant::groups_listed;
use crate::json_writer::JsonWriter;
use crate::policy::{self, Connector};
use crate::reason::{Check, Reason, Refusal};
use crate::record::Event;
use crate::resource;
use crate::scope::ScopeSet;
use crate::state::State;

/// The answer to one request, taken apart. `Display` prints it for people, [`to_json`](Self::to_json) for programs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The scope that would be granted, or the refusal.
    pub verdict: Result<String, Refusal>,
    /// Each check in order; those after a failed one were not reached.
    pub checks: Vec<Checked>,
    /// The groups that count for this person, where that could be found out.
    pub groups: Vec<String>,
    /// The rules of the connector, where one was found.
    pub rules: Vec<Rule>,
    /// How the scopes came about, where a connector was found.
    pub scopes: Option<Scopes>,
    /// The smallest change that would lead further; `None` when nothing is needed.
    pub remedy: Option<String>,
    /// The SHA-256 of the policy's text, in hexadecimal.
    pub policy_digest: String,
}

/// One check and how it went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The check.
    pub check: Check,
    /// How it went.
    pub outcome: Outcome,
    /// What was looked at.
    pub detail: String,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It refused.
    Failed,
    /// One before it refused.
    NotReached,
}

/// One grant of the connector.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// The file that it stands in.
    pub file: String,
    /// The line that it starts at.
    pub line: u32,
    /// Whom it names.
    pub whom: String,
    /// What it gives.
    pub scope: String,
    /// Whether it names this person.
    pub matches: bool,
}

/// The set algebra of the scopes: granted = assertion ∩ connector ∩ grants ∩ request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Scopes {
    /// The assertion's `scope`; `None`: it has none, so it stands for everything.
    pub assertion: Option<String>,
    /// What the connector has.
    pub connector: String,
    /// What the matching grants give.
    pub grants: String,
    /// What the request asked for; `None`: it did not ask.
    pub request: Option<String>,
    /// What is left.
    pub granted: String,
}

impl Exchange {
    /// Explains what [`exchange`](Self::exchange), which carries no proof of possession, would answer at `now`, in seconds
    /// since 1970. Spends nothing, records nothing, and leaves the engine's time as it is.
    pub fn explain(&self, request: &Request<'_>, now: i64) -> Explanation {
        let now = self.peek(now);
        let state = self.load();
        let mut workspace = Workspace::default();
        let Workspace { parser, slot, .. } = &mut workspace;
        let limit = state.server.limits.max_assertion_bytes;
        let presented = match Presented::read(request.assertion, Kind::IdJag, limit, parser, slot) {
            Ok(presented) => presented,
            Err(reason) => {
                let detail = format!("{} bytes; {}", request.assertion.len(), reason.meaning());
                return state.refused(reason, |check| {
                    if check == reason.check() { detail.clone() } else { String::new() }
                });
            }
        };
        let claims = presented.claims();
        let view = View { state: &state, request, presented: &presented, claims, now };
        let foreseen =
            self.rehearse(&state, request, Proven::default(), &presented, now, &mut Event::default());
        match foreseen.map(|grant| grant.scopes.print(&grant.connector.scopes)) {
            Ok(scope) => {
                let mut explanation = view.explanation(Ok(scope), None);
                explanation.checks = checks(None, |check| view.detail(check));
                explanation
            }
            Err(reason) => {
                let mut explanation = view.explanation(Err(state.refusal(reason)), Some(view.remedy(reason)));
                explanation.checks = checks(Some(reason), |check| {
                    let detail = view.detail(check);
                    if check == reason.check() {
                        let separator = if detail.is_empty() { "" } else { "; " };
                        format!("{detail}{separator}{}", reason.meaning())
                    } else {
                        detail
                    }
                });
                explanation
            }
        }
    }
}

impl State {
    /// A refusal of which nothing but the reason is known.
    fn refused(&self, reason: Reason, detail: impl Fn(Check) -> String) -> Explanation {
        Explanation {
            verdict: Err(self.refusal(reason)),
            checks: checks(Some(reason), detail),
            groups: Vec::new(),
            rules: Vec::new(),
            scopes: None,
            remedy: Some(general_remedy(reason).to_owned()),
            policy_digest: self.policy.digest().to_owned(),
        }
    }
}

/// Each check of an exchange up to the one that failed, with its detail; `single use` is the last that can be shown.
fn checks(failed: Option<Reason>, detail: impl Fn(Check) -> String) -> Vec<Checked> {
    let failed = failed.map(Reason::check);
    Check::EXCHANGE
        .into_iter()
        .take_while(|check| *check <= Check::SingleUse)
        .map(|check| {
            let outcome = match failed {
                Some(failed) if check == failed => Outcome::Failed,
                Some(failed) if check > failed => Outcome::NotReached,
                _ => Outcome::Passed,
            };
            let detail = if outcome == Outcome::NotReached { String::new() } else { detail(check) };
            Checked { check, outcome, detail }
        })
        .collect()
}

/// What there is to be shown of one request. Nothing here decides.
struct View<'v, 'i> {
    state: &'v State,
    request: &'v Request<'v>,
    presented: &'v Presented<'i>,
    claims: Claims<'v, 'i>,
    now: i64,
}

impl<'v> View<'v, '_> {
    fn idp(&self) -> Option<&'v Trust> {
        Some(self.state.keyring.trusted(self.claims.issuer().ok()?)?.idp)
    }

    fn connector(&self) -> Option<&'v Connector> {
        let default = self.idp().and_then(|idp| idp.default_resource.as_deref());
        resource::choose(&self.state.policy, self.claims.resource(), default, self.request.resource)
            .ok()
            .map(|(connector, _)| connector)
    }

    /// The groups that count, as the exchange takes them.
    fn groups(&self) -> Vec<String> {
        let (Some(idp), Ok(issuer), Ok(tenant)) = (self.idp(), self.claims.issuer(), self.claims.tenant())
        else {
            return Vec::new();
        };
        let subject = crate::assertion::directory_subject(&self.claims, idp).unwrap_or_default();
        let listed = groups_listed(&self.state.directory, idp, issuer, tenant, subject);
        let mut groups: Vec<String> =
            listed.ok().flatten().into_iter().flatten().map(str::to_owned).collect();
        if idp.groups.from_claim() {
            let claim = self.claims.groups(&idp.groups.claim).unwrap_or(GroupsClaim::Absent);
            groups.extend(claim.names().map(str::to_owned));
        }
        groups
    }

    fn explanation(&self, verdict: Result<String, Refusal>, remedy: Option<String>) -> Explanation {
        let groups = self.groups();
        let (rules, mut scopes) = self.connector().map_or((Vec::new(), None), |connector| {
            (self.rules(connector, &groups), self.scopes(connector, &groups))
        });
        if let (Ok(granted), Some(scopes)) = (&verdict, &mut scopes) {
            // Of more groups than a token carries, some may give nothing.
            scopes.granted.clone_from(granted);
        }
        Explanation {
            verdict,
            checks: Vec::new(),
            groups,
            rules,
            scopes,
            remedy,
            policy_digest: self.state.policy.digest().to_owned(),
        }
    }

    fn rules(&self, connector: &Connector, groups: &[String]) -> Vec<Rule> {
        let (issuer, tenant) =
            (self.claims.issuer().unwrap_or_default(), self.claims.tenant().unwrap_or_default());
        let rule = |grant: &policy::Grant| Rule {
            file: self.state.policy.file().to_owned(),
            line: grant.line,
            whom: whom(grant),
            scope: grant.scopes.print(&connector.scopes),
            matches: grant.covers(issuer, tenant)
                && (grant.everyone || grant.groups.iter().any(|group| groups.contains(group))),
        };
        connector.grants.iter().map(rule).collect()
    }

    fn scopes(&self, connector: &Connector, groups: &[String]) -> Option<Scopes> {
        let (issuer, tenant) = (self.claims.issuer().ok()?, self.claims.tenant().ok()?);
        let print = |set: ScopeSet| set.print(&connector.scopes);
        let matching = connector.matching(issuer, tenant, groups.iter().map(String::as_str));
        let claim = self.claims.scope().ok()?;
        let granted = connector.claimed(claim).and_then(|claimed| {
            policy::narrow(claimed, matching.scopes, self.request.scope, &connector.scopes)
        });
        Some(Scopes {
            assertion: claim.map(|claim| claim.as_str().to_owned()),
            connector: connector.scopes.join(" "),
            grants: print(matching.scopes),
            request: self.request.scope.filter(|scope| !scope.is_empty()).map(str::to_owned),
            granted: granted.map(print).unwrap_or_default(),
        })
    }

    /// What a check looks at.
    fn detail(&self, check: Check) -> String {
        let claims = &self.claims;
        let quoted = |text: Result<&str, Reason>| {
            text.map_or_else(|_| "nothing".to_owned(), |text| format!("`{}`", text.escape_debug()))
        };
        match check {
            Check::Form => format!("{} bytes", self.request.assertion.len()),
            Check::Header => {
                let header = self.presented.header();
                let kid = header
                    .kid
                    .map_or_else(|| "no kid".to_owned(), |kid| format!("kid `{}`", kid.escape_debug()));
                format!("typ `{TYP}`, alg {}, {kid}", header.alg.name())
            }
            Check::Issuer => quoted(claims.issuer()),
            Check::Audience => {
                format!("{}; we are `{}`", quoted(claims.audience()), self.state.server.issuer)
            }
            Check::Time => self.times(),
            Check::Claims => {
                let mut detail =
                    format!("sub {}, jti {}", quoted(claims.subject()), quoted(claims.jti(usize::MAX)));
                if let Ok(Some(tenant)) = claims.tenant() {
                    // Writing to a string does not fail.
                    _ = write!(detail, ", tenant `{}`", tenant.escape_debug());
                }
                detail
            }
            Check::Client => format!("{}; `{}` asks", quoted(claims.client_id()), self.request.client_id),
            Check::Resource => {
                let named = match claims.resource() {
                    Some(value) => {
                        let mut out = JsonWriter::default();
                        value.write(&mut out);
                        out.into_string()
                    }
                    None => "not named".to_owned(),
                };
                match self.connector() {
                    Some(connector) => format!("{named}; served by `{}`", connector.id),
                    None => named,
                }
            }
            Check::Connector => self
                .connector()
                .map(|connector| format!("`{}` is {}", connector.id, word(connector.state)))
                .unwrap_or_default(),
            Check::Groups => {
                let groups = self.groups();
                if groups.is_empty() {
                    "none".to_owned()
                } else {
                    groups.join(", ").escape_debug().to_string()
                }
            }
            _ => String::new(),
        }
    }

    fn times(&self) -> String {
        let mut detail = format!("now {}", self.now);
        // Writing to a string does not fail.
        if let Ok(issued) = self.claims.issued() {
            _ = write!(detail, ", issued {} s ago", self.now.saturating_sub(issued.floor()));
        }
        if let Ok(expires) = self.claims.expires() {
            _ = write!(detail, ", expires in {} s", expires.floor().saturating_sub(self.now));
        }
        _ = write!(detail, ", leeway {} s", self.state.server.limits.leeway_s);
        detail
    }

    /// The smallest change that would lead further than `reason`.
    fn remedy(&self, reason: Reason) -> String {
        let file = self.state.policy.file();
        match (reason, self.connector()) {
            (Reason::AudienceMismatch, _) => format!(
                "have the IdP issue the assertion for the audience `{}`, byte for byte",
                self.state.server.issuer
            ),
            (Reason::ClientMismatch, _) => format!(
                "present it as the client `{}`, or have the IdP issue it for `{}`",
                self.claims.client_id().unwrap_or_default().escape_debug(),
                self.request.client_id
            ),
            (Reason::ConnectorNotEnabled, Some(connector)) => format!(
                "set `state = \"enabled\"`, with `owner` and `review_by`, for the connector `{}` at {file}:{}",
                connector.id, connector.line
            ),
            (Reason::GroupRequired, Some(connector)) => {
                let mut remedy = String::new();
                for grant in connector.grants.iter().filter(|grant| {
                    grant.covers(
                        self.claims.issuer().unwrap_or_default(),
                        self.claims.tenant().unwrap_or_default(),
                    )
                }) {
                    // Writing to a string does not fail.
                    _ = write!(
                        remedy,
                        "{}{} ({file}:{})",
                        if remedy.is_empty() { "put the person into one of: " } else { "; " },
                        whom(grant),
                        grant.line
                    );
                }
                if remedy.is_empty() {
                    remedy = format!(
                        "write a grant for the connector `{}` at {file}:{} that names a group of this person",
                        connector.id, connector.line
                    );
                }
                remedy
            }
            (Reason::ScopeNotGranted, Some(connector)) => format!(
                "have the assertion carry a scope that the matching grants of `{}` give, or widen a grant",
                connector.id
            ),
            (Reason::ScopeNotAvailable, _) => "ask for a scope that is granted, or for none".to_owned(),
            _ => general_remedy(reason).to_owned(),
        }
    }
}

/// What helps, where the reason alone says it.
const fn general_remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::Expired | Reason::TooOld | Reason::Replayed | Reason::IssuedBeforeStart => {
            "ask the IdP for a new assertion"
        }
        Reason::IssuedInFuture | Reason::NotYetValid => {
            "set the clocks, ours or the IdP's; `limits.leeway_s` forgives little"
        }
        Reason::LifetimeExceeded => "have the IdP issue shorter assertions, or raise `max_lifetime_s` for it",
        Reason::IssuerUntrusted => "add the issuer to `[[idps]]`, byte for byte",
        Reason::IssuerDisabled => "set `enabled = true` for the IdP",
        Reason::AlgNotAllowed => {
            "add the algorithm to the IdP's `algorithms`, or have the IdP sign with one of them"
        }
        Reason::KidUnknown => "load the IdP's present JWK set",
        Reason::KeysUnavailable => "put the IdP's JWK set, or wait until it was fetched",
        Reason::SignatureInvalid => {
            "nothing helps a forged assertion; if it is not forged, load the IdP's present keys"
        }
        Reason::ClientUnknown => {
            "add the client to `[[clients]]`, or its origin to `client_documents.origins`"
        }
        Reason::ClientDisabled => "set `enabled = true` for the client",
        Reason::ClientIssuerNotAllowed => "add the IdP to the client's `idps`",
        Reason::ClientConnectorNotAllowed => "add the connector to the client's `connectors`",
        Reason::ResourceUnknown => "have the IdP name a resource that a connector serves, or add it to one",
        Reason::ResourceMissing => "have the IdP name the `resource`, or set `default_resource` for it",
        Reason::SubjectUnknown => "add the person to the directory",
        Reason::SubjectDisabled => "set the person `active` in the directory",
        Reason::GroupsOverage => {
            "let the groups come from a directory: `groups = { directory = true }` for the IdP"
        }
        Reason::Blocked => "lift the block",
        Reason::AuthorizationDetailsRequestMalformed | Reason::AuthorizationDetailsNotInAssertion => {
            "ask for elements of the assertion's `authorization_details`, or for none"
        }
        Reason::TenantMismatch => "add the tenant to the IdP's `tenants`",
        Reason::ProofRequired => {
            "present it at the token endpoint, with a DPoP proof by its key or over TLS with its certificate"
        }
        Reason::ConnectorProofRequired => "present it with a DPoP proof at the token endpoint",
        Reason::CnfMethodUnknown => "have the IdP bind the assertion by `jkt` or `x5t#S256`, or not at all",
        Reason::ReplayUnavailable => "raise `replay.max_bytes`, or wait until entries expire",
        Reason::RecordUnavailable => "make room for the record",
        _ => "have the IdP issue an assertion as the specification has it",
    }
}

/// Whom a grant names.
fn whom(grant: &policy::Grant) -> String {
    let mut whom = if grant.everyone { "everyone".to_owned() } else { grant.groups.join(" or ") };
    // Writing to a string does not fail.
    match &grant.issuers {
        Some(issuers) => _ = write!(whom, " of {}", issuers.join(" or ")),
        None => whom.push_str(" of any issuer"),
    }
    if let Some(tenant) = &grant.tenant {
        _ = write!(whom, ", tenant {tenant}");
    }
    whom
}

const fn word(state: ConnectorState) -> &'static str {
    match state {
        ConnectorState::Planned => "planned",
        ConnectorState::Enabled => "enabled",
        ConnectorState::Suspended => "suspended",
        ConnectorState::Retired => "retired",
    }
}

impl Explanation {
    /// The explanation as one JSON object.
    pub fn to_json(&self) -> String {
        let mut out = JsonWriter::default();
        out.object(|out| {
            match &self.verdict {
                Ok(scope) => {
                    out.member("verdict", "granted");
                    out.member("scope", scope);
                }
                Err(refusal) => {
                    out.member("verdict", "refused");
                    out.member("slug", refusal.slug());
                    out.member("error", refusal.oauth_error().as_str());
                }
            }
            list("checks", &self.checks, out, |checked, out| {
                out.member("check", checked.check.as_str());
                out.member("outcome", checked.outcome.as_str());
                out.member("detail", &checked.detail);
            });
            out.strings("groups", self.groups.iter().map(String::as_str));
            list("rules", &self.rules, out, |rule, out| {
                out.member("place", &format!("{}:{}", rule.file, rule.line));
                out.member("whom", &rule.whom);
                out.member("scope", &rule.scope);
                out.name("matches");
                out.literal(if rule.matches { "true" } else { "false" });
            });
            if let Some(scopes) = &self.scopes {
                out.name("scopes");
                out.object(|out| {
                    for (name, set) in scopes.parts() {
                        out.name(name);
                        match set {
                            Some(set) => out.string(set),
                            None => out.literal("null"),
                        }
                    }
                });
            }
            if let Some(remedy) = &self.remedy {
                out.member("remedy", remedy);
            }
            out.member("policy_digest", &self.policy_digest);
        });
        out.into_string()
    }
}

/// Writes an array of objects.
fn list<T>(name: &'static str, items: &[T], out: &mut JsonWriter, members: impl Fn(&T, &mut JsonWriter)) {
    out.name(name);
    out.array(|out| items.iter().for_each(|item| out.object(|out| members(item, out))));
}

impl Scopes {
    fn parts(&self) -> [(&'static str, Option<&str>); 5] {
        [
            ("assertion", self.assertion.as_deref()),
            ("connector", Some(&self.connector)),
            ("grants", Some(&self.grants)),
            ("request", self.request.as_deref()),
            ("granted", Some(&self.granted)),
        ]
    }
}

impl Outcome {
    /// A word, as it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "pass",
            Self::Failed => "FAIL",
            Self::NotReached => "-",
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Ok(scope) => writeln!(f, "granted: {scope}")?,
            Err(refusal) => writeln!(f, "refused: {refusal}")?,
        }
        writeln!(f, "\nchecks")?;
        for Checked { check, outcome, detail } in &self.checks {
            writeln!(f, "  {:<4}  {:<10}  {detail}", outcome.as_str(), check.as_str())?;
        }
        if !self.rules.is_empty() {
            writeln!(f, "\nrules")?;
            for rule in &self.rules {
                let mark = if rule.matches { "match" } else { "-" };
                writeln!(f, "  {mark:<5}  {}:{}  {} -> {}", rule.file, rule.line, rule.whom, rule.scope)?;
            }
        }
        if let Some(scopes) = &self.scopes {
            writeln!(f, "\nscopes")?;
            for (name, set) in scopes.parts() {
                let set = set.unwrap_or("(everything)");
                let sign = if name == "granted" { "=" } else { "∩" };
                writeln!(f, "  {sign} {name:<9}  {{ {set} }}")?;
            }
        }
        if let Some(remedy) = &self.remedy {
            writeln!(f, "\nwhat would help\n  {remedy}")?;
        }
        writeln!(f, "\npolicy {}", self.policy_digest)
    }
}
