//! The written checklist, compiled: connectors and grants in, a decision out. A pure function of its arguments.
//!
//! Nothing is on unless a connector is `enabled` and one of its grants names the person's group (or, said aloud,
//! everyone). Groups are an argument: where they come from is not known here. Scopes only ever narrow: what is granted
//! is the intersection of the assertion's, the connector's, the matching grants' and the request's.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::config::{self, State};
use crate::crypto;
use crate::mark::mark;
use crate::reason::Reason;
use crate::scope::{Scope, ScopeSet};

/// Groups that a token carries, at most.
pub(crate) const MAX_MATCHED: usize = 16;

/// Bytes of a requested `scope`, at most: far more than 256 scopes take.
const MAX_REQUEST: usize = 16_384;

/// Every connector that the policy's text names.
pub(crate) struct Policy {
    file: String,
    digest: String,
    connectors: Vec<Connector>,
    by_resource: HashMap<Arc<str>, usize>,
    /// The only resource of the only enabled connector.
    sole: Option<Arc<str>>,
    warnings: Vec<String>,
}

/// One connector.
pub(crate) struct Connector {
    pub(crate) id: String,
    pub(crate) line: u32,
    pub(crate) state: State,
    pub(crate) require_dpop: bool,
    /// The ids of the clients that may ask about its tokens.
    pub(crate) introspect_clients: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) resources: Vec<Arc<str>>,
    pub(crate) grants: Vec<Grant>,
    by_group: HashMap<String, Vec<usize>>,
    /// The marks of the groups that are named here: most groups of a person are not looked up at all.
    group_marks: u64,
    everyone: Vec<usize>,
}

/// One rule: whom it names and what it gives.
pub(crate) struct Grant {
    pub(crate) line: u32,
    pub(crate) groups: Vec<String>,
    pub(crate) everyone: bool,
    /// `None`: any issuer, said aloud.
    pub(crate) issuers: Option<Vec<String>>,
    pub(crate) tenant: Option<String>,
    pub(crate) scopes: ScopeSet,
    pub(crate) authorization_details: Vec<String>,
}

impl Grant {
    /// Whether the rule speaks of people of this IdP and tenant at all.
    pub(crate) fn covers(&self, issuer: &str, tenant: Option<&str>) -> bool {
        self.issuers.as_ref().is_none_or(|issuers| issuers.iter().any(|known| known == issuer))
            && match &self.tenant {
                Some(only) => tenant == Some(only),
                // A group belongs to its tenant: without one named, it is a group of a single-tenant IdP. Everyone and
                // any issuer, said aloud, mean any tenant.
                None => self.everyone || self.issuers.is_none() || tenant.is_none(),
            }
    }

    fn allows(&self, kind: &str) -> bool {
        self.authorization_details.iter().any(|known| known == kind)
    }
}

/// What the matching grants of one connector give one person.
pub(crate) struct Matching<'p, 'g> {
    pub(crate) scopes: ScopeSet,
    /// The first grant that matched, in the order of the groups, then of the text.
    pub(crate) rule: Option<&'p Grant>,
    matched: [&'g str; MAX_MATCHED],
    matched_length: usize,
    overflows: bool,
}

impl<'p, 'g> Matching<'p, 'g> {
    /// Groups that a grant names: at most [`MAX_MATCHED`], which is what a token carries.
    pub(crate) fn groups(&self) -> &[&'g str] {
        self.matched.get(..self.matched_length).unwrap_or_default()
    }

    /// Whether a grant names more groups than those.
    pub(crate) fn overflows(&self) -> bool {
        self.overflows
    }

    fn add(&mut self, grant: &'p Grant) {
        self.scopes = self.scopes | grant.scopes;
        self.rule = self.rule.or(Some(grant));
    }

    fn note(&mut self, group: &'g str) {
        if self.groups().contains(&group) {
            return;
        }
        match self.matched.get_mut(self.matched_length) {
            Some(slot) => {
                *slot = group;
                self.matched_length += 1;
            }
            None => self.overflows = true,
        }
    }
}

impl Policy {
    /// Compiles what the text said. `text` is what the digest is taken of, `warnings` what it deserves a look for.
    pub(crate) fn compile(
        file: &str,
        text: &[u8],
        connectors: &[config::Connector],
        warnings: Vec<String>,
    ) -> Self {
        let connectors: Vec<Connector> = connectors.iter().map(Connector::compile).collect();
        let mut by_resource = HashMap::new();
        for (at, connector) in connectors.iter().enumerate() {
            for resource in &connector.resources {
                by_resource.insert(Arc::clone(resource), at);
            }
        }
        let mut enabled = connectors.iter().filter(|connector| connector.state == State::Enabled);
        let sole = match (enabled.next().map(|only| only.resources.as_slice()), enabled.next()) {
            (Some([only]), None) => Some(Arc::clone(only)),
            _ => None,
        };
        Self {
            file: file.to_owned(),
            digest: hexadecimal(&crypto::sha256(&[text])),
            connectors,
            by_resource,
            sole,
            warnings,
        }
    }

    /// What it deserves a look for.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The SHA-256 of the text, in hexadecimal.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// Every connector, in the order of the text.
    pub(crate) fn connectors(&self) -> &[Connector] {
        &self.connectors
    }

    /// The name of the file that the rules' lines count in.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The connector that serves `resource`, and our own copy of that name.
    pub(crate) fn serving(&self, resource: &str) -> Option<(&Connector, &Arc<str>)> {
        let (name, at) = self.by_resource.get_key_value(resource)?;
        Some((self.connectors.get(*at)?, name))
    }

    /// The connectors that are on, in the order of the text.
    pub(crate) fn enabled(&self) -> impl Iterator<Item = &Connector> {
        self.connectors.iter().filter(|connector| connector.state == State::Enabled)
    }

    /// The only resource of the only enabled connector.
    pub(crate) fn sole_resource(&self) -> Option<&Arc<str>> {
        self.sole.as_ref()
    }
}

impl Connector {
    fn compile(written: &config::Connector) -> Self {
        let grants: Vec<Grant> = written
            .grants
            .iter()
            .map(|grant| Grant {
                line: grant.line,
                groups: grant.groups.clone(),
                everyone: grant.everyone,
                issuers: grant.issuers.clone(),
                tenant: grant.tenant.clone(),
                scopes: position_set(&grant.scopes, &written.scopes),
                authorization_details: grant.authorization_details.clone(),
            })
            .collect();
        let mut by_group: HashMap<String, Vec<usize>> = HashMap::new();
        let mut everyone = Vec::new();
        for (at, grant) in grants.iter().enumerate() {
            if grant.everyone {
                everyone.push(at);
            }
            for group in &grant.groups {
                by_group.entry_ref(group.as_str()).or_default().push(at);
            }
        }
        Self {
            id: written.id.clone(),
            line: written.line,
            state: written.state,
            require_dpop: written.require_dpop,
            introspect_clients: written.introspect_clients.clone(),
            scopes: written.scopes.clone(),
            resources: written.resources.iter().map(|name| Arc::from(name.as_str())).collect(),
            grants,
            group_marks: by_group.keys().fold(0, |marks, group| marks | mark(group)),
            by_group,
            everyone,
        }
    }

    /// The scopes that the assertion may stand for here: its claim, or everything when it has none.
    pub(crate) fn claimed(&self, claim: Option<Scope<'_>>) -> Result<ScopeSet, Reason> {
        let Some(claim) = claim else {
            return Ok(ScopeSet::all(self.scopes.len()));
        };
        let claimed = ScopeSet::of(claim, &self.scopes);
        if claimed.is_empty() { Err(Reason::ScopeOutsideConnector) } else { Ok(claimed) }
    }

    /// What the grants give to a person of `issuer` and `tenant` in `groups`. Costs a glance for each group, and a
    /// look-up for each that is named here.
    pub(crate) fn matching<'g>(
        &self,
        issuer: &str,
        tenant: Option<&str>,
        groups: impl Iterator<Item = &'g str>,
    ) -> Matching<'_, 'g> {
        let mut matching = Matching {
            scopes: ScopeSet::EMPTY,
            rule: None,
            matched: [""; MAX_MATCHED],
            matched_length: 0,
            overflows: false,
        };
        groups.for_each(|group| {
            for grant in self.covering(group, issuer, tenant) {
                matching.add(grant);
                matching.note(group);
            }
        });
        for grant in self.grants_at(&self.everyone) {
            if grant.covers(issuer, tenant) {
                matching.add(grant);
            }
        }
        matching
    }

    /// Whether a grant names `group`, of people of this IdP and tenant.
    pub(crate) fn names(&self, group: &str, issuer: &str, tenant: Option<&str>) -> bool {
        self.covering(group, issuer, tenant).next().is_some()
    }

    /// Chooses anew which groups a token carries where `matching` found too many: of `candidates`, one after the other,
    /// the one that allows the most of `kinds` of `authorization_details` and gives the most of `missing`, as long as
    /// one does; then any of them.
    #[cold]
    pub(crate) fn carry<'g>(
        &self,
        matching: &mut Matching<'_, 'g>,
        issuer: &str,
        tenant: Option<&str>,
        candidates: &[&'g str],
        mut missing: ScopeSet,
        mut kinds: Vec<&str>,
    ) {
        matching.matched_length = 0;
        while matching.matched_length < MAX_MATCHED {
            let gain = |group: &str| {
                let covering = || self.covering(group, issuer, tenant);
                let allowed = kinds.iter().filter(|kind| covering().any(|grant| grant.allows(kind))).count();
                let given = covering().fold(ScopeSet::EMPTY, |given, grant| given | grant.scopes);
                (allowed, (given & missing).len())
            };
            let gains = candidates.iter().map(|group| (gain(group), *group));
            // The first of the best.
            let best = gains.reduce(|best, next| if next.0 > best.0 { next } else { best });
            let Some((_, group)) = best.filter(|(gain, _)| *gain > (0, 0)) else {
                break;
            };
            matching.note(group);
            missing = self
                .covering(group, issuer, tenant)
                .fold(missing, |missing, grant| missing.without(grant.scopes));
            kinds.retain(|kind| !self.covering(group, issuer, tenant).any(|grant| grant.allows(kind)));
        }
        for group in candidates {
            matching.note(group);
        }
    }

    /// Whether a grant that gives this person something allows `authorization_details` of `kind`.
    pub(crate) fn allows_details<'g>(
        &self,
        kind: &str,
        issuer: &str,
        tenant: Option<&str>,
        groups: impl Iterator<Item = &'g str>,
    ) -> bool {
        let allows = |grant: &Grant| grant.covers(issuer, tenant) && grant.allows(kind);
        self.grants_at(&self.everyone).any(allows)
            || groups.into_iter().any(|group| self.covering(group, issuer, tenant).any(allows))
    }

    /// Whether any grant names `group`, of whatever people.
    pub(crate) fn mentions(&self, group: &str) -> bool {
        self.by_group.contains_key(group)
    }

    /// The types of `authorization_details` that the grants allow to people in `groups`.
    pub(crate) fn details_given(
        &self,
        issuer: &str,
        tenant: Option<&str>,
        groups: &[&str],
    ) -> impl Iterator<Item = &str> {
        let named = groups.iter().flat_map(move |group| self.covering(group, issuer, tenant));
        let everyone = self.grants_at(&self.everyone).filter(move |grant| grant.covers(issuer, tenant));
        named.chain(everyone).flat_map(|grant| grant.authorization_details.iter().map(String::as_str))
    }

    /// The grants that name `group`, of people of this IdP and tenant.
    fn covering(&self, group: &str, issuer: &str, tenant: Option<&str>) -> impl Iterator<Item = &Grant> {
        let known = self.group_marks & mark(group) != 0;
        let positions = known.then(|| self.by_group.get(group)).flatten();
        self.grants_at(positions.map_or(&[], Vec::as_slice)).filter(move |grant| grant.covers(issuer, tenant))
    }

    fn grants_at(&self, positions: &[usize]) -> impl Iterator<Item = &Grant> {
        positions.iter().filter_map(|at| self.grants.get(*at))
    }
}

/// Steps 4 and 5 of the scope rules: narrows what the assertion stands for by the grants, then by the request.
///
/// `request` is `None` or empty when the request did not ask. The result is never empty.
pub(crate) fn narrow(
    claimed: ScopeSet,
    granted: ScopeSet,
    request: Option<&str>,
    vocabulary: &[String],
) -> Result<ScopeSet, Reason> {
    let held = claimed & granted;
    if held.is_empty() {
        return Err(Reason::ScopeNotGranted);
    }
    let Some(request) = request.filter(|request| !request.is_empty()) else {
        return Ok(held);
    };
    if request.len() > MAX_REQUEST {
        return Err(Reason::ScopeRequestMalformed);
    }
    let asked = Scope::read(request).ok_or(Reason::ScopeRequestMalformed)?;
    let narrowed = held & ScopeSet::of(asked, vocabulary);
    if narrowed.is_empty() {
        return Err(Reason::ScopeNotAvailable);
    }
    Ok(narrowed)
}

fn position_set(names: &[String], vocabulary: &[String]) -> ScopeSet {
    names.iter().filter_map(|name| vocabulary.iter().position(|known| known == name)).collect()
}

/// Two digits a byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a string does not fail.
        _ = write!(out, "{byte:02x}");
        out
    })
}
