//! Runs the vector table: every case, alone and in a batch, and a second opinion on every token that is minted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use idjag::{Check, Exchange, Reason, Refusal, Request, ResourceRequest};
use idjag_tests::{
    Assertion, Case, Expect, Granted, RequestCase, SetClock, Step, Table, Valid, Verify, World, vectors,
};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

/// Counted, so that none gets lost. Changes with the table.
const CASES: usize = 1037;

/// Slugs that no case can meet, and why.
const NOT_MET: [(&str, &str); 10] = [
    ("too_old", "follows from `expired` and `lifetime_exceeded`; a second wall behind them"),
    ("blocked", "a configuration has no blocks: they are set on a running engine"),
    ("token_revoked", "a configuration has no revocations: they are set on a running engine"),
    ("replay_unavailable", "the store has to be filled: `single_use.rs` does"),
    ("record_unavailable", "a record has to fail: `engine.rs` and `cli/tests/crash.rs` let one"),
    ("signing_failed", "no input makes a signature fail"),
    ("proof_mismatch", "an exchange carries no proof: `requests/dpop.json`"),
    (
        "authorization_details_request_malformed",
        "of a request to the token endpoint: `requests/details.json`",
    ),
    ("authorization_details_not_in_assertion", "of a request to the token endpoint: `requests/details.json`"),
    ("token_of_another_client", "of the revocation endpoint: `endpoint.rs` does"),
];

/// What `ring` has not: P-521.
const NOT_WITH_RING: [&str; 2] = ["alg-es512-listed", "es384-with-es512"];

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(&vectors().join("cases")).unwrap());

/// What an engine answered.
enum Answer {
    Granted { token: String, scope: String, resource: String },
    Valid(Box<Valid>),
    Refused(Refusal),
}

/// An engine of one case, and its clock.
struct Bench {
    world: World,
    clock: SetClock,
    engine: Exchange,
    batch: bool,
}

impl Bench {
    fn new(world: &str, start: i64, batch: bool) -> Self {
        let world = World::read(world).unwrap();
        let clock = SetClock::new(start);
        let engine = world.engine(clock.clone()).unwrap();
        Self { world, clock, engine, batch }
    }

    fn exchange(
        &self,
        now: i64,
        assertion: &str,
        client_id: &str,
        resource: &[String],
        scope: Option<&str>,
    ) -> Answer {
        self.clock.set(now);
        let resource: Vec<&str> = resource.iter().map(String::as_str).collect();
        let request = Request {
            assertion: assertion.as_bytes(),
            client_id,
            resource: &resource,
            scope,
            ..Request::default()
        };
        let told = self.engine.explain(&request, now).verdict;
        let answer = if self.batch {
            self.engine.exchange_many(&[request]).pop().unwrap()
        } else {
            self.engine.exchange(&request)
        };
        // What is explained beforehand is what happens.
        assert_eq!(
            told.as_deref().map_err(|refusal| refusal.reason()),
            answer.as_ref().map(idjag::Issued::scope).map_err(|refusal| refusal.reason())
        );
        match answer {
            Ok(issued) => Answer::Granted {
                token: issued.access_token().to_owned(),
                scope: issued.scope().to_owned(),
                resource: issued.resource().to_owned(),
            },
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    fn verify(&self, now: i64, token: &str, presented: &Verify) -> Answer {
        self.clock.set(now);
        let request = ResourceRequest {
            token: token.as_bytes(),
            resource: &presented.resource,
            dpop: presented.dpop.as_ref().map(String::as_bytes),
            method: presented.method.as_deref().unwrap_or_default(),
            url: presented.url.as_deref().unwrap_or_default(),
            client_certificate: presented.certificate.as_ref().map(String::as_bytes),
        };
        match self.engine.verify_request(&request) {
            Ok(who) => Answer::Valid(Box::new(Valid {
                sub: who.subject().to_owned(),
                client_id: who.client_id().to_owned(),
                idp: who.idp().to_owned(),
                tenant: who.tenant().map(str::to_owned),
                resource: who.resource().to_owned(),
                scope: who.scope().to_owned(),
                groups: who.groups().map(str::to_owned).collect(),
                act: who.act().map(|act| serde_json::from_str(&act).unwrap()),
                cnf: who.cnf().map(|cnf| serde_json::from_str(&cnf).unwrap()),
                token_type: Some(who.token_type().to_owned()),
            })),
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    /// Does one step, of which exactly one of `assertion` and `verify` is present.
    fn answer(&self, now: i64, step: &Step) -> Answer {
        let text = |assertion: &Assertion| TABLE.text(assertion, &token_of).expect("a case of that name");
        match (&step.assertion, &step.verify) {
            (Some(assertion), None) => {
                let client_id = step.client_id.as_deref().expect("a client asks");
                self.exchange(now, &text(assertion), client_id, &step.resource, step.scope.as_deref())
            }
            (None, Some(presented)) => {
                assert!(step.client_id.is_none() && step.resource.is_empty() && step.scope.is_none());
                self.verify(now, &text(&presented.token), presented)
            }
            _ => panic!("exactly one of `assertion` and `verify`"),
        }
    }
}

impl Answer {
    /// What is wrong with it, if anything.
    fn check(&self, expect: &Expect, bench: &Bench, now: i64) -> Result<(), String> {
        match (self, expect) {
            (Self::Granted { token, scope, resource }, Expect::Granted(wanted)) => {
                same("scope", &words(scope), &words(&wanted.scope))?;
                same("resource", resource, &wanted.resource)?;
                second_opinion(token, wanted, &bench.world, now)
            }
            (Self::Valid(who), Expect::Valid(wanted)) => {
                same("sub", &who.sub, &wanted.sub)?;
                same("client_id", &who.client_id, &wanted.client_id)?;
                same("idp", &who.idp, &wanted.idp)?;
                same("tenant", &who.tenant, &wanted.tenant)?;
                same("resource", &who.resource, &wanted.resource)?;
                same("act", &who.act, &wanted.act)?;
                same("cnf", &who.cnf, &wanted.cnf)?;
                let kind = wanted.token_type.as_ref().or(who.token_type.as_ref());
                same("token_type", &who.token_type.as_ref(), &kind)?;
                same("scope", &words(&who.scope), &words(&wanted.scope))?;
                same("groups", &sorted(&who.groups), &sorted(&wanted.groups))
            }
            (Self::Refused(refusal), Expect::Refused(wanted)) => {
                one_of(refusal.slug(), wanted.slug.all())?;
                same("error", refusal.oauth_error().as_str(), wanted.error.as_str())?;
                same("status", &refusal.http_status(), &wanted.status)
            }
            (Self::Refused(refusal), Expect::Invalid(slug)) => {
                one_of(refusal.slug(), slug.all())?;
                let is_of_the_proof = refusal.slug().starts_with("dpop_");
                let code = if is_of_the_proof { "invalid_dpop_proof" } else { "invalid_token" };
                same("error", refusal.oauth_error().as_str(), code)
            }
            (Self::Refused(refusal), _) => Err(format!("refused: {}", refusal.slug())),
            (Self::Granted { scope, .. }, _) => Err(format!("granted: {scope}")),
            (Self::Valid(who), _) => Err(format!("valid: {who:?}")),
        }
    }
}

/// The access token that `case` is granted, on an engine of its own.
fn token_of(case: &Case) -> Option<String> {
    let bench = Bench::new(&case.world, case.starts_at(), false);
    match bench.answer(case.now, &last_step(case)) {
        Answer::Granted { token, .. } => Some(token),
        _ => None,
    }
}

fn last_step(case: &Case) -> Step {
    Step {
        now: None,
        assertion: case.assertion.clone(),
        verify: case.verify.clone(),
        client_id: case.client_id.clone(),
        resource: case.resource.clone(),
        scope: case.scope.clone(),
        expect: case.expect.clone(),
    }
}

/// Decodes a token with other code, over other cryptography, and compares its claims.
fn second_opinion(token: &str, wanted: &Granted, world: &World, now: i64) -> Result<(), String> {
    let key = world.token_key().expect("a key for tokens");
    let jwk: Jwk = serde_json::from_value(key.clone()).map_err(|why| why.to_string())?;
    let algorithm: Algorithm = key["alg"].as_str().unwrap().parse().map_err(|_| "no such alg")?;
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false; // The cases have a time of their own.
    validation.set_audience(&[&wanted.resource]);
    validation.set_issuer(&[world.json()["issuer"].as_str().unwrap()]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let key = DecodingKey::from_jwk(&jwk).map_err(|why| why.to_string())?;
    let decoded = jsonwebtoken::decode::<Value>(token, &key, &validation).map_err(|why| why.to_string())?;
    same("typ", &decoded.header.typ.as_deref(), &Some("at+jwt"))?;
    let claims = decoded.claims;
    let ttl = world.json()["tokens"]["ttl_s"].as_i64().unwrap_or(3600);
    same("iat", &claims["iat"], &json!(now))?;
    same("exp", &claims["exp"], &json!(now + ttl))?;
    same("aud", &claims["aud"], &json!(wanted.resource))?;
    same("scope", &words(claims["scope"].as_str().unwrap_or_default()), &words(&wanted.scope))?;
    for name in ["sub", "client_id", "jti", "idp"] {
        if claims[name].as_str().is_none_or(str::is_empty) {
            return Err(format!("`{name}` is missing from the token"));
        }
    }
    for (name, value) in &wanted.claims {
        let found = claims.get(name).unwrap_or(&Value::Null);
        match (name.as_str(), value) {
            ("scope", Value::String(scope)) => {
                same("scope", &words(found.as_str().unwrap_or_default()), &words(scope))?;
            }
            ("groups", Value::Array(_)) => same(name, &texts(found), &texts(value))?,
            _ => same(name, found, value)?,
        }
    }
    Ok(())
}

fn words(scope: &str) -> BTreeSet<String> {
    scope.split(' ').map(str::to_owned).collect()
}

fn sorted(names: &[String]) -> BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}

fn texts(value: &Value) -> BTreeSet<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn same<T: PartialEq<U> + std::fmt::Debug + ?Sized, U: std::fmt::Debug + ?Sized>(
    what: &str,
    found: &T,
    wanted: &U,
) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: {found:?} instead of {wanted:?}")) }
}

fn one_of(slug: &str, allowed: &[String]) -> Result<(), String> {
    if allowed.iter().any(|one| one == slug) {
        Ok(())
    } else {
        Err(format!("slug: {slug} instead of {allowed:?}"))
    }
}

/// Runs `case` on a new engine.
fn run(case: &Case, batch: bool) -> Result<(), String> {
    let bench = Bench::new(&case.world, case.starts_at(), batch);
    for (at, step) in case.before.iter().enumerate() {
        let now = step.now.unwrap_or(case.now);
        bench
            .answer(now, step)
            .check(&step.expect, &bench, now)
            .map_err(|why| format!("before[{at}]: {why}"))?;
    }
    bench.answer(case.now, &last_step(case)).check(&case.expect, &bench, case.now)
}

fn left_out(case: &Case) -> bool {
    cfg!(not(feature = "aws-lc-rs")) && NOT_WITH_RING.contains(&case.name.as_str())
}

#[test]
fn every_case_comes_out_as_it_says() {
    let mut failures = Vec::new();
    let mut ran = 0;
    for case in TABLE.cases().iter().filter(|case| !left_out(case)) {
        ran += 1;
        for batch in [false, true] {
            if batch && case.verify.is_some() {
                continue;
            }
            if let Err(why) = run(case, batch) {
                let way = if batch { " in a batch" } else { "" };
                failures.push(format!("{}{way}: {why}", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {ran}:\n{}", failures.len(), failures.join("\n"));
    let expected = if cfg!(feature = "aws-lc-rs") { CASES } else { CASES - NOT_WITH_RING.len() };
    assert_eq!(ran, expected);
    let readme = std::fs::read_to_string(vectors().join("README.md")).unwrap();
    assert!(
        readme.contains(&format!("{},{:03} cases", CASES / 1000, CASES % 1000)),
        "the README counts otherwise"
    );
}

#[test]
fn every_refusal_stands_beside_a_control() {
    for case in TABLE.cases() {
        let name = &case.name;
        assert!(!case.origin.is_empty(), "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{name}");
        let refers = |assertion: &Assertion| matches!(assertion, Assertion::Of(_) | Assertion::TokenOf(_));
        let text = case.assertion.as_ref().or(case.verify.as_ref().map(|verify| &verify.token));
        assert_eq!(case.made_by.is_none(), text.is_some_and(refers), "{name}: `made_by`");
        if case.expect.accepts() {
            assert!(case.control.is_none() && case.differs.is_none(), "{name}");
            continue;
        }
        let control = case.control.as_deref().and_then(|control| TABLE.case(control));
        let control = control.unwrap_or_else(|| panic!("{name} has no control"));
        assert!(control.expect.accepts(), "{name}: {} is no control", control.name);
        assert_eq!(control.verify.is_some(), case.verify.is_some(), "{name}");
        assert!(case.differs.as_deref().is_some_and(|differs| !differs.is_empty()), "{name}");
    }
}

#[test]
fn every_slug_is_met_or_excused() {
    let mut met = BTreeSet::new();
    for case in TABLE.cases() {
        match &case.expect {
            Expect::Refused(refused) => met.extend(refused.slug.all().iter().map(String::as_str)),
            Expect::Invalid(slug) => met.extend(slug.all().iter().map(String::as_str)),
            Expect::Granted(_) | Expect::Valid(_) => {}
        }
    }
    let excused: BTreeMap<&str, &str> = NOT_MET.into();
    // Those of the endpoint and of an identity provider have tables of their own.
    let of_exchange = |reason: &&Reason| (Check::Form..=Check::Token).contains(&reason.check());
    for reason in Reason::ALL.iter().filter(of_exchange) {
        let slug = reason.slug();
        assert!(met.remove(slug) != excused.contains_key(slug), "{slug}");
    }
    // Proofs are read at the token endpoint, too: that all of their slugs are met, `endpoint.rs` sees.
    met.retain(|slug| !slug.starts_with("dpop_"));
    assert!(met.is_empty(), "no such slugs: {met:?}");
}

#[test]
fn every_world_is_used_and_complete() {
    let requests = RequestCase::read_all().unwrap();
    let used = TABLE.cases().iter().map(|case| &*case.world);
    let used: BTreeSet<&str> = used.chain(requests.iter().map(|request| &*request.world)).collect();
    for entry in std::fs::read_dir(vectors().join("worlds")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(used.contains(name), "no case is in the world `{name}`");
        World::read(name).unwrap().config().unwrap_or_else(|why| panic!("{why}"));
    }
}

#[test]
fn every_key_says_that_it_is_a_test_key() {
    for entry in std::fs::read_dir(vectors().join("keys")).unwrap() {
        let path = entry.unwrap().path();
        let key: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let expected = format!("test-{}", path.file_stem().unwrap().to_str().unwrap());
        assert_eq!(key["kid"], json!(expected));
    }
}
