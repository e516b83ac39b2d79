//! Policies, directories, people and requests, drawn at random: what is granted is what a naive reading of the rules
//! gives, and never more than any of its bounds. `PROPTEST_CASES` says how many are drawn.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use idjag::{Algorithm, Config, Directory, Exchange, IdJag, IdJagMinter, Issued, Request, SigningKey};
use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::test_runner::{Config as Settings, TestRunner};
use serde_json::{Value, json};

const NOW: i64 = 1_784_527_300;
const US: &str = "https://auth.chat.example/";
const RESOURCE: &str = "https://mcp.chat.example/";
/// Without tenants, and with the tenants `a` and `b`.
const IDPS: [&str; 2] = ["https://acme.idp.example", "https://globex.idp.example"];
/// Everybody there is. The same subjects belong to different people.
const PEOPLE: [Person; 6] = [
    Person { idp: IDPS[0], tenant: None, subject: "ada" },
    Person { idp: IDPS[0], tenant: None, subject: "bob" },
    Person { idp: IDPS[1], tenant: Some("a"), subject: "ada" },
    Person { idp: IDPS[1], tenant: Some("a"), subject: "bob" },
    Person { idp: IDPS[1], tenant: Some("b"), subject: "ada" },
    Person { idp: IDPS[1], tenant: Some("b"), subject: "bob" },
];
/// What a token carries.
const MOST_GROUPS: usize = 16;

static KEY: LazyLock<Arc<SigningKey>> =
    LazyLock::new(|| Arc::new(SigningKey::generate(Algorithm::EdDSA).unwrap()));

type Names = BTreeSet<String>;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Person {
    idp: &'static str,
    tenant: Option<&'static str>,
    subject: &'static str,
}

/// Where groups come from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Claim,
    Directory,
    Union,
}

/// One grant, as an administrator means it.
#[derive(Clone, Debug)]
struct Rule {
    /// `None`: everyone.
    groups: Option<Names>,
    /// `None`: any issuer.
    issuers: Option<Vec<&'static str>>,
    tenant: Option<&'static str>,
    scopes: Names,
}

/// The checklist.
#[derive(Clone, Debug)]
struct Policy {
    state: &'static str,
    /// In an order of their own.
    scopes: Vec<String>,
    rules: Vec<Rule>,
}

/// Whether each of [`PEOPLE`] is listed, is active, and in which groups.
type Listed = Vec<Option<(bool, Names)>>;

/// Who asks, and for what.
#[derive(Clone, Debug)]
struct Asked {
    person: usize,
    /// Those of the assertion.
    groups: Names,
    claimed: Option<Vec<String>>,
    requested: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
struct Case {
    source: Source,
    asked: Vec<Asked>,
    /// Before and after a change.
    policies: [Policy; 2],
    listed: [Listed; 2],
}

/// Some of the first `count` scopes, in any order.
fn vocabulary(count: usize) -> impl Strategy<Value = Vec<String>> {
    let all: Vec<String> = (0..count).map(|at| format!("s{at}")).collect();
    prop_oneof![subsequence(all.clone(), 1..=3), subsequence(all, 1..=count)].prop_shuffle()
}

/// Few groups, many, or more than a token carries.
fn groups() -> impl Strategy<Value = Names> + Clone {
    let all: Vec<String> = (0..24).map(|at| format!("g{at}")).collect();
    let some = prop_oneof![subsequence(all.clone(), 0..=5), subsequence(all, 12..=24)];
    some.prop_map(|names| names.into_iter().collect())
}

/// A claim or a parameter: no scopes, or some, of which one is unknown to every connector.
fn scopes() -> impl Strategy<Value = Option<Vec<String>>> {
    let named = vocabulary(9).prop_map(|mut names| {
        names.iter_mut().filter(|name| *name == "s8").for_each(|name| "unknown".clone_into(name));
        names
    });
    prop::option::of(named)
}

fn rule(scopes: Vec<String>) -> impl Strategy<Value = Rule> {
    let groups = prop::option::weighted(0.9, groups());
    let issuers = prop::option::of(subsequence(IDPS.to_vec(), 1..=2));
    let tenant = prop::option::of(prop::sample::select(vec!["a", "b"]));
    let count = scopes.len();
    (groups, issuers, tenant, subsequence(scopes, 1..=count)).prop_map(|(groups, issuers, tenant, scopes)| {
        // What a policy may say: acme has no tenants, and a group of globex belongs to one.
        let groups = groups.filter(|groups| !groups.is_empty());
        let (issuers, tenant) = match issuers.as_deref() {
            None => (None, tenant),
            Some([only]) if *only == IDPS[0] => (issuers, None),
            Some([_]) if groups.is_some() => (issuers, tenant.or(Some("a"))),
            Some([_]) => (issuers, tenant),
            Some(_) if groups.is_some() => (None, None),
            Some(_) => (issuers, None),
        };
        Rule { groups, issuers, tenant, scopes: scopes.into_iter().collect() }
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    let state =
        prop::sample::select(vec!["enabled", "enabled", "enabled", "enabled", "enabled", "suspended"]);
    // Scopes that nobody gets, in front of the others.
    let before = prop_oneof![2 => Just(0), 1 => 1_usize..=248];
    (state, vocabulary(8), before).prop_flat_map(|(state, scopes, before)| {
        let rules = prop::collection::vec(rule(scopes.clone()), 0..6);
        let scopes: Vec<String> = (0..before).map(|at| format!("x{at}")).chain(scopes).collect();
        rules.prop_map(move |rules| Policy { state, scopes: scopes.clone(), rules })
    })
}

fn listed() -> impl Strategy<Value = Listed> {
    let one = prop::option::weighted(0.85, (prop::bool::weighted(0.85), groups()));
    prop::collection::vec(one, PEOPLE.len())
}

fn case() -> impl Strategy<Value = Case> {
    let source = prop::sample::select(vec![Source::Claim, Source::Directory, Source::Union]);
    let asked = (0..PEOPLE.len(), groups(), scopes(), scopes())
        .prop_map(|(person, groups, claimed, requested)| Asked { person, groups, claimed, requested });
    // A change may leave the policy as it was.
    let policies = (policy(), prop::option::of(policy()))
        .prop_map(|(before, after)| [before.clone(), after.unwrap_or(before)]);
    (source, prop::collection::vec(asked, 8), policies, [listed(), listed()])
        .prop_map(|(source, asked, policies, listed)| Case { source, asked, policies, listed })
}

impl Rule {
    /// As a connector with these scopes writes it.
    fn json(&self, connector: &[String]) -> Value {
        let mut grant = json!({ "scopes": self.scopes });
        if self.scopes.len() == connector.len() {
            grant["scopes"] = json!(["*"]);
        }
        match &self.groups {
            Some(groups) => grant["groups"] = json!(groups),
            None => grant["everyone"] = true.into(),
        }
        match &self.issuers {
            Some(issuers) => grant["issuer"] = json!(issuers),
            None => grant["any_issuer"] = true.into(),
        }
        if let Some(tenant) = self.tenant {
            grant["tenant"] = tenant.into();
        }
        grant
    }

    fn matches(&self, person: &Person, groups: &Names) -> bool {
        let named = self.groups.as_ref().is_none_or(|named| !named.is_disjoint(groups));
        let issuer = self.issuers.as_ref().is_none_or(|issuers| issuers.contains(&person.idp));
        named && issuer && self.tenant.is_none_or(|only| person.tenant == Some(only))
    }
}

impl Policy {
    /// As text, beside another connector that gives everything to everyone.
    fn text(&self) -> String {
        json!({ "connectors": [
            {
                "id": "chat", "resource": RESOURCE, "scopes": self.scopes, "state": self.state,
                "owner": "chat@acme.example", "review_by": "2099-01-01",
                "grants": self.rules.iter().map(|rule| rule.json(&self.scopes)).collect::<Vec<_>>()
            },
            {
                "id": "wiki", "resource": "https://mcp.wiki.example/", "scopes": ["s0", "s1", "s7", "unknown"],
                "state": "enabled", "owner": "wiki@acme.example", "review_by": "2099-01-01",
                "grants": [{ "everyone": true, "any_issuer": true, "scopes": ["*"] }]
            }
        ]})
        .to_string()
    }

    /// What the rules give to somebody in `groups`; `None`: no rule speaks of them.
    fn gives(&self, person: &Person, groups: &Names) -> Option<Names> {
        let matching = self.rules.iter().filter(|rule| rule.matches(person, groups));
        matching.map(|rule| rule.scopes.clone()).reduce(|all, scopes| &all | &scopes)
    }

    /// Those of `groups` that some rule names for this person.
    fn named(&self, person: &Person, groups: &Names) -> Names {
        let named = |group: &String| {
            let alone = BTreeSet::from([group.clone()]);
            self.rules.iter().any(|rule| rule.groups.is_some() && rule.matches(person, &alone))
        };
        groups.iter().filter(|group| named(group)).cloned().collect()
    }
}

fn directory(listed: &Listed) -> String {
    let people: Vec<Value> = PEOPLE
        .iter()
        .zip(listed)
        .filter_map(|(person, listed)| {
            let (active, groups) = listed.as_ref()?;
            let mut entry = json!({
                "issuer": person.idp, "subject": person.subject, "active": active, "groups": groups
            });
            if let Some(tenant) = person.tenant {
                entry["tenant"] = tenant.into();
            }
            Some(entry)
        })
        .collect();
    json!({ "version": 1, "people": people }).to_string()
}

fn set(scope: &str) -> Names {
    scope.split(' ').map(str::to_owned).collect()
}

impl Asked {
    fn who(&self) -> &'static Person {
        &PEOPLE[self.person]
    }

    fn assertion(&self) -> String {
        let groups: Vec<&str> = self.groups.iter().map(String::as_str).collect();
        let scope = self.claimed.as_ref().map(|claimed| claimed.join(" "));
        let id_jag = IdJag {
            audience: US,
            client_id: "agent",
            subject: self.who().subject,
            tenant: self.who().tenant,
            resource: Some(RESOURCE),
            scope: scope.as_deref(),
            groups: &groups,
            issued_at: NOW,
            lifetime_s: 300,
            ..IdJag::default()
        };
        IdJagMinter::new(self.who().idp, Arc::clone(&KEY)).mint(&id_jag).unwrap()
    }
}

impl Case {
    fn engine(&self) -> Exchange {
        let jwks = json!({ "keys": [serde_json::from_str::<Value>(&KEY.public_jwk().unwrap()).unwrap()] });
        let groups = match self.source {
            Source::Claim => json!({}),
            Source::Directory => json!({ "directory": true }),
            Source::Union => json!({ "directory": true, "combine": "union" }),
        };
        let mut config = json!({
            "issuer": US, "audit": "off", "tokens": { "keys": "ephemeral", "algorithm": "EdDSA" },
            "policy": "policy.json",
            "idps": [
                { "issuer": IDPS[0], "jwks": jwks, "groups": groups },
                { "issuer": IDPS[1], "jwks": jwks, "groups": groups, "tenants": ["a", "b"] }
            ],
            "clients": [{ "id": "agent", "auth": "none", "connectors": ["*"] }]
        });
        if self.source != Source::Claim {
            config["directory"] = "directory.json".into();
        }
        let config = Config::parse("idjag.json", &config.to_string(), &mut |file| match file {
            "policy.json" => Ok(self.policies[0].text().into_bytes()),
            _ => Ok(directory(&self.listed[0]).into_bytes()),
        });
        Exchange::builder(config.unwrap()).clock(|| NOW).build().unwrap()
    }

    /// Makes the change.
    fn change(&self, engine: &Exchange) {
        engine.put_policy("policy.json", &self.policies[1].text()).unwrap();
        if self.source != Source::Claim {
            let directory = directory(&self.listed[1]);
            engine.put_directory(Directory::from_json("directory.json", directory.as_bytes()).unwrap());
        }
    }

    /// The groups that count before or after the change, where the IdP tells of `told`.
    fn counting(&self, at: usize, asked: &Asked, told: &Names) -> Result<Names, &'static str> {
        if self.source == Source::Claim {
            return Ok(told.clone());
        }
        match &self.listed[at][asked.person] {
            None => Err("subject_unknown"),
            Some((false, _)) => Err("subject_disabled"),
            Some((true, groups)) if self.source == Source::Union => Ok(groups | told),
            Some((true, groups)) => Ok(groups.clone()),
        }
    }

    /// The four bounds: the assertion, the connector, the grants, the request. Each check as it is written down.
    fn bounds(&self, asked: &Asked) -> Result<[Names; 4], &'static str> {
        let [policy, _] = &self.policies;
        if policy.state != "enabled" {
            return Err("connector_not_enabled");
        }
        let connector: Names = policy.scopes.iter().cloned().collect();
        let or_all = |names: &Option<Vec<String>>| {
            names.as_ref().map_or_else(|| connector.clone(), |names| names.iter().cloned().collect())
        };
        let (claimed, requested) = (or_all(&asked.claimed), or_all(&asked.requested));
        if claimed.is_disjoint(&connector) {
            return Err("scope_outside_connector");
        }
        let groups = self.counting(0, asked, &asked.groups)?;
        let given = policy.gives(asked.who(), &groups).ok_or("group_required")?;
        Ok([claimed, connector, given, requested])
    }

    /// What is granted.
    fn naive(&self, asked: &Asked) -> Result<Names, &'static str> {
        let [claimed, connector, given, requested] = self.bounds(asked)?;
        let held = &(&claimed & &connector) & &given;
        if held.is_empty() {
            return Err("scope_not_granted");
        }
        let granted = &held & &requested;
        if granted.is_empty() { Err("scope_not_available") } else { Ok(granted) }
    }

    /// What is left after the change of a token with these scopes and groups.
    fn left(&self, asked: &Asked, scopes: &Names, carried: &Names) -> Option<Names> {
        let [_, policy] = &self.policies;
        let groups = self.counting(1, asked, &(carried & &asked.groups)).ok()?;
        let given = policy.gives(asked.who(), &groups)?;
        let connector: Names = policy.scopes.iter().cloned().collect();
        let left = &(scopes & &given) & &connector;
        (policy.state == "enabled" && !left.is_empty()).then_some(left)
    }

    /// Exchanges, and holds the answer against what is written above.
    fn exchange(&self, engine: &Exchange, asked: &Asked) -> Result<Exchanged, TestCaseError> {
        let assertion = asked.assertion();
        let requested = asked.requested.as_ref().map(|requested| requested.join(" "));
        let request = Request {
            assertion: assertion.as_bytes(),
            client_id: "agent",
            scope: requested.as_deref(),
            ..Request::default()
        };
        let told = engine.explain(&request, NOW).verdict;
        let issued = match engine.exchange(&request) {
            Ok(issued) => issued,
            Err(refusal) => {
                prop_assert_eq!(told.unwrap_err().slug(), refusal.slug());
                prop_assert_eq!(self.naive(asked).err(), Some(refusal.slug()));
                return Ok(Err(refusal.slug()));
            }
        };
        prop_assert_eq!(told.as_deref(), Ok(issued.scope()));
        let scopes = set(issued.scope());
        prop_assert_eq!(scopes.len(), issued.scope().split(' ').count(), "no scope stands twice");
        for bound in self.bounds(asked).map_err(TestCaseError::fail)? {
            prop_assert!(scopes.is_subset(&bound), "{:?} is not within {:?}", scopes, bound);
        }
        let groups = self.counting(0, asked, &asked.groups).map_err(TestCaseError::fail)?;
        let named = self.policies[0].named(asked.who(), &groups);
        // What only the token can tell later is bounded by what it carries.
        let fits = named.len() <= MOST_GROUPS || self.source == Source::Directory;
        if fits {
            prop_assert_eq!(Ok(scopes.clone()), self.naive(asked));
        }
        let who = engine.verify(issued.access_token().as_bytes(), RESOURCE).unwrap();
        prop_assert_eq!(who.scope(), issued.scope());
        let claims: Value = serde_json::from_str(&who.claims()).unwrap();
        let carried: Names = serde_json::from_value(claims["groups"].clone()).unwrap_or_default();
        for some in [&carried, &who.groups().map(str::to_owned).collect()] {
            prop_assert!(some.is_subset(&named) && some.len() == named.len().min(MOST_GROUPS), "{:?}", some);
        }
        Ok(Ok((issued, carried, fits)))
    }

    /// Runs the case, and says to `met` what came of it.
    fn run(&self, met: &mut impl FnMut(&'static str)) -> Result<(), TestCaseError> {
        let engine = self.engine();
        let answers: Vec<Exchanged> =
            self.asked.iter().map(|asked| self.exchange(&engine, asked)).collect::<Result<_, _>>()?;
        self.change(&engine);
        for (asked, answer) in self.asked.iter().zip(answers) {
            let (issued, carried, fits) = match answer {
                Ok(exchanged) => exchanged,
                Err(slug) => {
                    met(slug);
                    continue;
                }
            };
            let left = engine.verify(issued.access_token().as_bytes(), RESOURCE);
            prop_assert_eq!(
                left.as_ref().ok().map(|who| set(who.scope())),
                self.left(asked, &set(issued.scope()), &carried)
            );
            met(match left {
                Err(refusal) => refusal.slug(),
                Ok(_) if !fits => "granted, of too many groups",
                Ok(who) if who.scope() == issued.scope() => "granted, and kept",
                Ok(_) => "granted, and narrowed",
            });
        }
        Ok(())
    }
}

/// A token with the groups that it carries, and whether those are all that count; or the slug of a refusal.
type Exchanged = Result<(Issued, Names, bool), &'static str>;

#[test]
fn what_is_granted_is_what_the_rules_give_and_within_every_bound() {
    let settings = Settings { failure_persistence: None, ..Settings::default() };
    let (cases, met) = (settings.cases, RefCell::new(BTreeMap::new()));
    TestRunner::new(settings)
        .run(&case(), |case| case.run(&mut |what| *met.borrow_mut().entry(what).or_insert(0) += 1))
        .unwrap_or_else(|why| panic!("{why}"));
    let met: BTreeMap<&str, u32> = met.into_inner();
    println!("{met:?}");
    let all = [
        "connector_not_enabled",
        "granted, and kept",
        "granted, and narrowed",
        "granted, of too many groups",
        "group_required",
        "scope_not_available",
        "scope_not_granted",
        "scope_outside_connector",
        "subject_disabled",
        "subject_unknown",
        "token_no_longer_granted",
    ];
    // Fewer may miss one.
    assert!(cases < 256 || met.keys().eq(&all), "{met:?}");
}
