//! What changes while an engine runs: keys, policy, directory, configuration, revocations, the record.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that panics has failed"
)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use idjag::{
    Algorithm, Check, Config, Directory, Event, Exchange, IdJag, IdJagMinter, Issued, KeyOwner, Reason,
    Receipt, Record, RecordUnavailable, Refusal, Request, Revocation, SigningKey,
};
use idjag_tests::SetClock;

const NOW: i64 = 1_784_527_300;
const US: &str = "https://auth.chat.example/";
const IDP: &str = "https://acme.idp.example";
const RESOURCE: &str = "https://mcp.chat.example/";

const POLICY: &str = r#"
[[connectors]]
id = "chat"
resource = "https://mcp.chat.example/"
scopes = ["chat.read", "chat.write"]
state = "enabled"
owner = "chat@acme.example"
review_by = 2027-02-01
[[connectors.grants]]
groups = ["eng"]
scopes = ["chat.read", "chat.write"]
"#;

const DIRECTORY: &str = r#"{"version":1,"people":[
    {"issuer":"https://acme.idp.example","subject":"ada","groups":["eng"]},
    {"issuer":"https://acme.idp.example","subject":"bob","groups":["eng"]}]}"#;

/// An engine, its IdP, and the clock of both.
struct House {
    engine: Exchange,
    idp: IdJagMinter,
    clock: SetClock,
    now: AtomicU64,
}

fn config(idp_jwk: &str, own: &SigningKey) -> Config {
    let text = format!(
        r#"{{
            "issuer": "{US}", "policy": "policy.toml", "directory": "directory.json",
            "audit": "off", "tokens": {{ "keys": ["own.jwk"] }},
            "idps": [{{
                "issuer": "{IDP}", "jwks": {{ "keys": [{idp_jwk}] }}, "groups": {{ "directory": true }}
            }}],
            "clients": [{{ "id": "agent", "auth": "none", "connectors": ["chat"] }}]
        }}"#
    );
    let read = &mut |path: &str| match path {
        "policy.toml" => Ok(POLICY.as_bytes().to_vec()),
        "directory.json" => Ok(DIRECTORY.as_bytes().to_vec()),
        _ => Ok(own.to_jwk().as_bytes().to_vec()),
    };
    Config::parse("idjag.json", &text, read).unwrap()
}

impl House {
    fn new(record: Arc<dyn Record>) -> (Self, SigningKey) {
        let (key, own) = (Arc::new(key()), key());
        let clock = SetClock::new(NOW);
        let engine = Exchange::builder(config(&key.public_jwk().unwrap(), &own))
            .clock(clock.clone())
            .record(record)
            .build()
            .unwrap();
        let idp = IdJagMinter::new(IDP, key);
        (Self { engine, idp, clock, now: AtomicU64::new(NOW.cast_unsigned()) }, own)
    }

    fn plain() -> Self {
        Self::new(Arc::new(idjag::NoRecord)).0
    }

    fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed).cast_signed()
    }

    fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds.cast_unsigned(), Ordering::Relaxed);
        self.clock.set(self.now());
    }

    fn assertion(&self, idp: &IdJagMinter, subject: &str) -> String {
        let id_jag = IdJag {
            audience: US,
            client_id: "agent",
            subject,
            resource: Some(RESOURCE),
            issued_at: self.now(),
            lifetime_s: 300,
            ..IdJag::default()
        };
        idp.mint(&id_jag).unwrap()
    }

    fn exchange(&self, subject: &str) -> Result<Issued, Refusal> {
        self.engine.exchange(&request(&self.assertion(&self.idp, subject)))
    }

    fn verify(&self, issued: &Issued) -> Result<String, Reason> {
        let verified = self.engine.verify(issued.access_token().as_bytes(), RESOURCE);
        verified.map(|who| format!("{}: {}", who.subject(), who.scope())).map_err(Refusal::reason)
    }
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDSA).unwrap()
}

fn request(assertion: &str) -> Request<'_> {
    Request { assertion: assertion.as_bytes(), client_id: "agent", ..Request::default() }
}

/// A configuration whose groups come from the claim. `idp` adds members to the IdP, `grants` is a JSON array.
fn claimed(idp: &str, grants: &str) -> Config {
    let text = format!(
        r#"{{
            "issuer": "{US}", "audit": "off", "tokens": {{ "keys": ["own.jwk"] }},
            "idps": [{{ "issuer": "{IDP}", {idp} }}],
            "clients": [{{ "id": "agent", "auth": "none", "connectors": ["chat"] }}],
            "connectors": [{{
                "id": "chat", "resource": "{RESOURCE}", "scopes": ["chat.read", "chat.write"], "state": "enabled",
                "owner": "chat@acme.example", "review_by": "2027-02-01", "grants": {grants}
            }}]
        }}"#
    );
    let own = include_str!("../vectors/keys/token-ed25519.jwk");
    Config::parse("idjag.json", &text, &mut |_| Ok(own.as_bytes().to_vec())).unwrap()
}

fn engine(config: Config) -> Exchange {
    Exchange::builder(config).clock(|| NOW).build().unwrap()
}

fn id_jag<'a>(groups: &'a [&'a str], tenant: Option<&'a str>, further: &'a str) -> IdJag<'a> {
    IdJag {
        audience: US,
        client_id: "agent",
        subject: "ada",
        resource: Some(RESOURCE),
        issued_at: NOW,
        lifetime_s: 300,
        groups,
        tenant,
        further,
        ..IdJag::default()
    }
}

#[test]
fn a_tenant_and_a_type_of_details_end_when_they_are_struck_out() {
    let key = Arc::new(key());
    let tenants =
        |names: &str| format!(r#""jwks": {{ "keys": [{}] }}, "tenants": {names}"#, key.public_jwk().unwrap());
    let grants = |types: &str| {
        format!(r#"[{{ "everyone": true, "scopes": ["*"], "authorization_details": {types} }}]"#)
    };
    let grants = |types: &str| grants(types).replace("\"everyone\"", "\"any_issuer\": true, \"everyone\"");
    let engine = engine(claimed(&tenants(r#"["a","b"]"#), &grants(r#"["payment"]"#)));
    let details = r#""authorization_details":[{"type":"payment","amount":1}]"#;
    let idp = IdJagMinter::new(IDP, Arc::clone(&key));
    let valid = |issued: &Issued| engine.verify(issued.access_token().as_bytes(), RESOURCE).is_ok();
    let exchange =
        |tenant, further| engine.exchange(&request(&idp.mint(&id_jag(&[], tenant, further)).unwrap()));
    let (a, b) = (exchange(Some("a"), "").unwrap(), exchange(Some("b"), "").unwrap());
    let detailed = exchange(Some("a"), details).unwrap();
    assert!(valid(&a) && valid(&b) && valid(&detailed));

    engine.reload(claimed(&tenants(r#"["a"]"#), &grants(r#"["payment"]"#))).unwrap();
    assert!(valid(&a) && !valid(&b) && valid(&detailed), "the tenant is gone");
    assert_eq!(exchange(Some("b"), "").unwrap_err().reason(), Reason::TenantMismatch);

    engine.reload(claimed(&tenants(r#"["a"]"#), &grants("[]"))).unwrap();
    assert!(valid(&a) && !valid(&detailed), "the type is gone");
    let refusal = exchange(Some("a"), details).unwrap_err();
    assert_eq!(refusal.reason(), Reason::AuthorizationDetailsNotAllowed);
}

#[test]
fn a_request_gets_the_details_that_it_names_alone_and_in_a_batch() {
    let key = Arc::new(key());
    let grants =
        r#"[{ "any_issuer": true, "everyone": true, "scopes": ["*"], "authorization_details": ["a", "b"] }]"#;
    let jwks = format!(r#""jwks": {{ "keys": [{}] }}"#, key.public_jwk().unwrap());
    let engine = engine(claimed(&jwks, grants));
    let idp = IdJagMinter::new(IDP, Arc::clone(&key));
    let details = r#""authorization_details":[{"type":"a"},{"type":"b","n":1}]"#;
    let assertions: Vec<String> = (0..6).map(|_| idp.mint(&id_jag(&[], None, details)).unwrap()).collect();
    let requests: Vec<Request<'_>> = assertions
        .iter()
        .zip([None, Some(r#"[{"n":1,"type":"b"}]"#), Some("[]")].iter().cycle())
        .map(|(assertion, asked)| Request { authorization_details: *asked, ..request(assertion) })
        .collect();
    let alone: Vec<_> = requests[..3].iter().map(|request| engine.exchange(request)).collect();
    let batch = engine.exchange_many(&requests[3..]);
    for answers in [alone, batch] {
        let details: Vec<_> =
            answers.iter().map(|answer| answer.as_ref().map(Issued::authorization_details)).collect();
        assert_eq!(details[0], Ok(Some(r#"[{"type":"a"},{"type":"b","n":1}]"#)));
        assert_eq!(details[1], Ok(Some(r#"[{"type":"b","n":1}]"#)));
        assert_eq!(answers[2].as_ref().unwrap_err().reason(), Reason::AuthorizationDetailsRequestMalformed);
        let who = engine.verify(answers[1].as_ref().unwrap().access_token().as_bytes(), RESOURCE).unwrap();
        assert_eq!(who.authorization_details().as_deref(), Some(r#"[{"type":"b","n":1}]"#));
    }
}

#[test]
fn an_overage_marker_speaks_of_its_own_claim_only() {
    let key = Arc::new(key());
    let idp = IdJagMinter::new(IDP, Arc::clone(&key));
    let jwks = key.public_jwk().unwrap();
    for (claim, further, answer) in [
        ("roles", r#""roles":["eng"]"#, Ok("chat.read")),
        ("roles", r#""roles":["eng"],"_claim_names":{"groups":"src1"},"hasgroups":true"#, Ok("chat.read")),
        ("roles", r#""roles":["eng"],"_claim_names":{"roles":"src1"}"#, Err(Reason::GroupsOverage)),
        ("groups", r#""groups":["eng"],"_claim_names":{"groups":"src1"}"#, Err(Reason::GroupsOverage)),
        ("groups", r#""hasgroups":true"#, Err(Reason::GroupsOverage)),
        ("groups", r#""hasgroups":false"#, Err(Reason::GroupRequired)),
    ] {
        let idp_text = format!(r#""jwks": {{ "keys": [{jwks}] }}, "groups": {{ "claim": "{claim}" }}"#);
        let engine = engine(claimed(&idp_text, r#"[{ "groups": ["eng"], "scopes": ["chat.read"] }]"#));
        let assertion = idp.mint(&id_jag(&[], None, further)).unwrap();
        let issued = engine.exchange(&request(&assertion));
        assert_eq!(
            issued.as_ref().map(Issued::scope).map_err(|refusal| refusal.reason()),
            answer,
            "{further}"
        );
    }
}

#[test]
fn a_requested_scope_is_not_read_without_end() {
    let key = Arc::new(key());
    let jwks = format!(r#""jwks": {{ "keys": [{}] }}"#, key.public_jwk().unwrap());
    let engine = engine(claimed(&jwks, r#"[{ "groups": ["eng"], "scopes": ["chat.read"] }]"#));
    let long = "chat.read ".repeat(2_000);
    for (scope, answer) in [(&long[..16_379], Ok(())), (&long[..16_389], Err(Reason::ScopeRequestMalformed))]
    {
        let assertion = IdJagMinter::new(IDP, Arc::clone(&key)).mint(&id_jag(&["eng"], None, "")).unwrap();
        let answered = engine.exchange(&Request { scope: Some(scope), ..request(&assertion) });
        assert_eq!(answered.map(drop).map_err(Refusal::reason), answer);
    }
}

#[test]
fn a_reload_keeps_what_the_host_put() {
    let key = Arc::new(key());
    let config = |uri: &str| {
        claimed(
            &format!(r#""jwks_uri": "{uri}", "groups": {{ "directory": true }}"#),
            r#"[{ "groups": ["eng"], "scopes": ["*"] }]"#,
        )
    };
    let engine = engine(config("https://acme.idp.example/keys"));
    let idp = IdJagMinter::new(IDP, Arc::clone(&key));
    let exchange = || engine.exchange(&request(&idp.mint(&id_jag(&[], None, "")).unwrap())).map(drop);
    assert_eq!(exchange().map_err(Refusal::reason), Err(Reason::KeysUnavailable));
    let set = format!(r#"{{"keys":[{}]}}"#, key.public_jwk().unwrap());
    engine.put_jwks(IDP, set.as_bytes()).unwrap();
    assert_eq!(exchange().map_err(Refusal::reason), Err(Reason::SubjectUnknown));
    engine.put_directory(Directory::from_json("d.json", DIRECTORY.as_bytes()).unwrap());
    assert_eq!(exchange(), Ok(()));
    engine.reload(config("https://acme.idp.example/keys")).unwrap();
    assert_eq!(exchange(), Ok(()));
    engine.reload(config("https://elsewhere.example/keys")).unwrap();
    assert_eq!(exchange().map_err(Refusal::reason), Err(Reason::KeysUnavailable), "other keys are meant");
}

#[test]
fn keys_that_are_put_again_are_no_new_generation() {
    let (one, other) = (key(), key());
    let text = claimed(
        r#""jwks_uri": "https://acme.idp.example/keys""#,
        r#"[{ "groups": ["eng"], "scopes": ["*"] }]"#,
    );
    let engine = engine(text);
    let set = |key: &SigningKey| format!("{{\"keys\":[{}]}}", key.public_jwk().unwrap());
    let (one, other, none) = (set(&one), set(&other), "{\"keys\":[]}".to_owned());
    let put = |sets: &[Option<&String>]| {
        let before = engine.stats().generation;
        let owner = || KeyOwner::Idp(IDP.to_owned());
        let sets: Vec<_> = sets.iter().map(|set| (owner(), set.map(String::as_bytes))).collect();
        let put: Vec<bool> = engine.put_fetched(&sets).iter().map(Result::is_ok).collect();
        (put, engine.stats().generation - before)
    };
    assert_eq!(put(&[None]), (vec![true], 0), "there were none");
    assert_eq!(put(&[Some(&one)]), (vec![true], 1));
    assert_eq!(put(&[Some(&one)]), (vec![true], 0));
    assert_eq!(put(&[Some(&one), Some(&none)]), (vec![true, false], 0));
    assert_eq!(put(&[Some(&one), Some(&other)]), (vec![true, true], 1));
    assert_eq!(put(&[None]), (vec![true], 1));
    assert_eq!(put(&[Some(&other)]), (vec![true], 1));
}

#[test]
fn a_revocation_ends_tokens_and_blocks_until_it_is_lifted() {
    for revocation in [
        Revocation::Person { issuer: IDP, tenant: None, subject: "ada" },
        Revocation::Client("agent"),
        Revocation::Connector("chat"),
        Revocation::Issuer(IDP),
    ] {
        let house = House::plain();
        let (ada, bob) = (house.exchange("ada").unwrap(), house.exchange("bob").unwrap());
        assert_eq!(house.verify(&ada).as_deref(), Ok("ada: chat.read chat.write"));
        house.engine.revoke(&revocation).unwrap();
        assert_eq!(house.verify(&ada), Err(Reason::TokenRevoked), "{revocation:?}");
        assert_eq!(house.exchange("ada").unwrap_err().slug(), "blocked", "{revocation:?}");
        let only_ada = matches!(revocation, Revocation::Person { .. });
        assert_eq!(house.verify(&bob).is_ok(), only_ada, "{revocation:?}");
        assert_eq!(house.exchange("bob").is_ok(), only_ada, "{revocation:?}");

        house.pass(1);
        house.engine.lift(&revocation).unwrap();
        assert_eq!(house.verify(&ada), Err(Reason::TokenRevoked), "what was revoked stays revoked");
        let again = house.exchange("ada").unwrap();
        assert_eq!(house.verify(&again).as_deref(), Ok("ada: chat.read chat.write"));
    }
}

#[test]
fn one_token_can_be_revoked_alone() {
    let house = House::plain();
    let (one, other) = (house.exchange("ada").unwrap(), house.exchange("ada").unwrap());
    let verified = house.engine.verify(one.access_token().as_bytes(), RESOURCE).unwrap();
    house
        .engine
        .revoke(&Revocation::Token { jti: verified.jti(), expires_at: verified.expires_at() })
        .unwrap();
    assert_eq!(house.verify(&one), Err(Reason::TokenRevoked));
    assert!(house.verify(&other).is_ok() && house.exchange("ada").is_ok());
}

#[test]
fn a_policy_counts_from_the_next_call_and_a_broken_one_never() {
    let house = House::plain();
    let issued = house.exchange("ada").unwrap();
    let digest = house.engine.stats().policy_digest;

    let error = house.engine.put_policy("new.toml", &POLICY.replace("groups", "group")).unwrap_err();
    assert_eq!((error.file(), error.line()), ("new.toml", Some(10)));
    assert!(error.to_string().contains("did you mean `groups`"), "{error}");
    assert_eq!(house.verify(&issued).as_deref(), Ok("ada: chat.read chat.write"), "nothing changed");
    assert_eq!(house.engine.stats().policy_digest, digest);

    let narrower = POLICY.replace(r#"scopes = ["chat.read", "chat.write"]"#, r#"scopes = ["chat.read"]"#);
    house.engine.put_policy("new.toml", &narrower).unwrap();
    assert_eq!(
        house.verify(&issued).as_deref(),
        Ok("ada: chat.read"),
        "the token keeps what is still granted"
    );
    assert_ne!(house.engine.stats().policy_digest, digest);

    house.engine.put_policy("new.toml", &POLICY.replace("\"enabled\"", "\"suspended\"")).unwrap();
    assert_eq!(house.verify(&issued), Err(Reason::TokenNoLongerGranted));
    assert_eq!(house.exchange("ada").unwrap_err().reason(), Reason::ConnectorNotEnabled);

    house.engine.put_policy("policy.toml", POLICY).unwrap();
    assert_eq!(house.verify(&issued).as_deref(), Ok("ada: chat.read chat.write"));
}

#[test]
fn who_leaves_the_directory_loses_access_at_once() {
    let house = House::plain();
    let issued = house.exchange("ada").unwrap();
    for (change, with, reason) in [
        (r#""subject":"ada""#, r#""subject":"ada","active":false"#, Reason::SubjectDisabled),
        (r#""subject":"ada""#, r#""subject":"eve""#, Reason::SubjectUnknown),
        (r#""ada","groups":["eng"]"#, r#""ada","groups":["sales"]"#, Reason::GroupRequired),
    ] {
        let changed = Directory::from_json("d.json", DIRECTORY.replace(change, with).as_bytes()).unwrap();
        house.engine.put_directory(changed);
        assert_eq!(house.verify(&issued), Err(Reason::TokenNoLongerGranted), "{reason}");
        assert_eq!(house.exchange("ada").unwrap_err().reason(), reason);
        assert!(house.exchange("bob").is_ok());
    }
    house.engine.put_directory(Directory::from_json("d.json", DIRECTORY.as_bytes()).unwrap());
    assert!(house.verify(&issued).is_ok());
}

#[test]
fn keys_rotate_and_a_bad_set_never_replaces_a_good_one() {
    let house = House::plain();
    let next = Arc::new(key());
    let rotated = IdJagMinter::new(IDP, Arc::clone(&next));
    let with_next = house.assertion(&rotated, "ada");
    assert_eq!(house.engine.exchange(&request(&with_next)).unwrap_err().reason(), Reason::KidUnknown);

    for broken in ["", "{}", "[]", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AA"}]}"#, "\u{feff}"] {
        assert!(house.engine.put_jwks(IDP, broken.as_bytes()).is_err(), "{broken}");
        assert!(house.exchange("ada").is_ok(), "the good set stays");
    }
    let set = format!(r#"{{"keys":[{}]}}"#, next.public_jwk().unwrap());
    assert!(house.engine.put_jwks("https://other.example", set.as_bytes()).is_err());
    house.engine.put_jwks(IDP, set.as_bytes()).unwrap();
    assert!(house.engine.exchange(&request(&with_next)).is_ok());
    assert_eq!(house.exchange("ada").unwrap_err().reason(), Reason::KidUnknown, "the old key is gone");
}

#[test]
fn a_token_ends_with_the_key_that_signed_it_and_not_with_a_reload() {
    let (house, own) = House::new(Arc::new(idjag::NoRecord));
    let (issued, jwks) = (house.exchange("ada").unwrap(), house.engine.jwks());
    assert!(house.verify(&issued).is_ok());
    let idp = key();
    house.engine.reload(config(&idp.public_jwk().unwrap(), &own)).unwrap();
    assert_eq!(house.engine.jwks(), jwks);
    assert!(house.verify(&issued).is_ok(), "the same key, read again");
    house.engine.reload(config(&idp.public_jwk().unwrap(), &key())).unwrap();
    assert_eq!(house.verify(&issued), Err(Reason::TokenSignatureInvalid));
}

#[test]
fn time_never_runs_backwards() {
    let house = House::plain();
    let issued = house.exchange("ada").unwrap();
    let late = house.assertion(&house.idp, "ada");
    house.pass(3600);
    assert_eq!(house.verify(&issued), Err(Reason::TokenExpired));
    house.clock.set(NOW);
    assert_eq!(house.verify(&issued), Err(Reason::TokenExpired), "the clock was set back");
    assert_eq!(house.engine.exchange(&request(&late)).unwrap_err().reason(), Reason::Expired);
}

/// Takes what comes, unless it is out of order.
#[derive(Default)]
struct Book {
    lines: Mutex<Vec<String>>,
    closed: AtomicBool,
    lost: AtomicBool,
}

impl Record for Book {
    fn queue(&self, event: &Event<'_>) -> Result<Receipt, RecordUnavailable> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(RecordUnavailable);
        }
        let what = event.refusal.map_or(event.scope_granted, |refusal| refusal.slug());
        let rule = if event.refusal.is_some() { None } else { Some(("policy.toml", 9)) };
        assert_eq!(event.rule, rule);
        let line = format!("{} {what} {} {:?}", event.subject, event.signature_valid, event.groups_matched);
        self.lines.lock().unwrap().push(line);
        Ok(Receipt(1))
    }

    fn wait(&self, receipt: Receipt) -> Result<(), RecordUnavailable> {
        assert_eq!(receipt, Receipt(1));
        if self.lost.load(Ordering::Relaxed) { Err(RecordUnavailable) } else { Ok(()) }
    }
}

#[test]
fn every_exchange_leaves_a_record_and_without_one_nothing_leaves() {
    let book = Arc::new(Book::default());
    let house = House::new(Arc::clone(&book) as Arc<dyn Record>).0;
    let first = house.assertion(&house.idp, "ada");
    assert!(house.engine.exchange(&request(&first)).is_ok());
    let replayed = house.engine.exchange(&request(&first)).unwrap_err();
    assert_eq!(replayed.reason().check(), Check::SingleUse);
    let mut forged = house.assertion(&house.idp, "bob");
    forged.replace_range(forged.len() - 4.., "AAAA");
    house.engine.exchange_many(&[request(&forged), request("..")]).iter().for_each(|answer| {
        answer.as_ref().unwrap_err();
    });
    let lines = std::mem::take(&mut *book.lines.lock().unwrap());
    assert_eq!(
        lines,
        [
            r#"ada chat.read chat.write true ["eng"]"#,
            "ada replayed true []",
            "bob signature_invalid false []",
            " json_invalid false []"
        ]
    );

    let spent = house.assertion(&house.idp, "ada");
    book.closed.store(true, Ordering::Relaxed);
    for assertion in [spent.as_str(), ".."] {
        let refusal = house.engine.exchange(&request(assertion)).unwrap_err();
        assert_eq!((refusal.slug(), refusal.http_status()), ("record_unavailable", 503));
        assert_eq!(refusal.retry_after_s(), Some(1));
    }
    book.closed.store(false, Ordering::Relaxed);
    assert_eq!(
        house.engine.exchange(&request(&spent)).unwrap_err().reason(),
        Reason::Replayed,
        "the safe side"
    );

    book.lost.store(true, Ordering::Relaxed);
    let pending = house.engine.decide(&request(&house.assertion(&house.idp, "ada")), house.now()).unwrap();
    assert_eq!(pending.finish().unwrap_err().reason(), Reason::RecordUnavailable);
}

#[test]
fn an_explanation_leaves_the_time_as_it_is() {
    let house = House::plain();
    let issued = house.exchange("ada").unwrap();
    let fresh = house.assertion(&house.idp, "ada");
    let tomorrow = house.engine.explain(&request(&fresh), NOW + 86_400);
    assert_eq!(tomorrow.verdict.unwrap_err().reason(), Reason::Expired);
    assert!(house.verify(&issued).is_ok() && house.engine.exchange(&request(&fresh)).is_ok());
}

#[test]
fn a_key_that_is_kept_nowhere_outlives_a_reload() {
    let key = Arc::new(key());
    let config = |issuer: &str, algorithm: &str, subject: &str| {
        let jwk = key.public_jwk().unwrap();
        let text = format!(
            r#"{{
                "issuer": "{issuer}", "audit": "off", "tokens": {{ "algorithm": "{algorithm}", "keys": "ephemeral" }},
                "idps": [{{ "issuer": "{IDP}", "jwks": {{ "keys": [{jwk}] }}, "subject": "{subject}" }}],
                "clients": [{{ "id": "agent", "auth": "none", "connectors": ["chat"] }}],
                "policy": "policy.toml"
            }}"#
        );
        Config::parse("idjag.json", &text, &mut |_| Ok(POLICY.as_bytes().to_vec())).unwrap()
    };
    let engine = engine(config(US, "EdDSA", "sub"));
    let assertion = IdJagMinter::new(IDP, Arc::clone(&key)).mint(&id_jag(&["eng"], None, "")).unwrap();
    let issued = engine.exchange(&request(&assertion)).unwrap();
    let verify = || engine.verify(issued.access_token().as_bytes(), RESOURCE).map_err(Refusal::reason);
    assert!(verify().is_ok());
    engine.reload(config(US, "EdDSA", "sub")).unwrap();
    assert!(verify().is_ok());
    // What is remembered of a token is what it said by the configuration of then.
    engine.reload(config(US, "EdDSA", "aud_sub")).unwrap();
    assert_eq!(verify().unwrap_err(), Reason::TokenMalformed, "it has no `aud_sub`");
    engine.reload(config("https://other.example/", "EdDSA", "sub")).unwrap();
    assert_eq!(verify().unwrap_err(), Reason::TokenIssuerMismatch);
    engine.reload(config(US, "EdDSA", "sub")).unwrap();
    assert!(verify().is_ok());
    engine.reload(config(US, "ES256", "sub")).unwrap();
    assert_eq!(verify().unwrap_err(), Reason::TokenSignatureInvalid, "another algorithm is another key");
}

#[test]
fn a_policy_that_is_put_brings_its_own_warnings() {
    let key = key();
    let jwks = format!(r#""jwks": {{ "keys": [{}] }}"#, key.public_jwk().unwrap());
    let engine = engine(claimed(&jwks, "[]"));
    let before = engine.warnings();
    let planned = format!(
        "{POLICY}[[connectors]]\nid = \"notes\"\nresource = \"https://mcp.notes.example/\"\nscopes = [\"n\"]\nstate = \"planned\"\n"
    );
    engine.put_policy("policy.toml", &planned).unwrap();
    let told: Vec<String> =
        engine.warnings().into_iter().filter(|warning| !before.contains(warning)).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("enabling a second connector (`notes`) takes that default away"), "{told:?}");
    engine.put_policy("policy.toml", POLICY).unwrap();
    assert_eq!(engine.warnings(), before);
}

#[test]
fn a_policy_that_was_put_outlives_a_reload_of_a_configuration_without_one() {
    let key = Arc::new(key());
    let config = || {
        let jwk = key.public_jwk().unwrap();
        let text = format!(
            r#"{{
                "issuer": "{US}", "audit": "off", "tokens": {{ "keys": "ephemeral" }},
                "idps": [{{ "issuer": "{IDP}", "jwks": {{ "keys": [{jwk}] }} }}],
                "clients": [{{ "id": "agent", "auth": "none", "connectors": ["*"] }}]
            }}"#
        );
        Config::parse("idjag.json", &text, &mut |_| Err("no files".to_owned())).unwrap()
    };
    let engine = engine(config());
    let idp = IdJagMinter::new(IDP, Arc::clone(&key));
    let exchange = || {
        let assertion = idp.mint(&id_jag(&["eng"], None, "")).unwrap();
        engine.exchange(&request(&assertion)).map_err(Refusal::reason).map(|_| ())
    };
    let told = |warnings: &[String]| warnings.iter().any(|warning| warning.contains("nothing is on"));
    assert!(told(&engine.warnings()));
    assert_eq!(exchange(), Err(Reason::ResourceUnknown));
    engine.put_policy("policy.toml", POLICY).unwrap();
    assert!(!told(&engine.warnings()));
    assert_eq!(exchange(), Ok(()));
    engine.reload(config()).unwrap();
    assert_eq!(exchange(), Ok(()));
}

#[test]
fn what_is_known_of_a_bearer_is_what_the_token_says() {
    let house = House::plain();
    let issued = house.exchange("ada").unwrap();
    house.pass(60);
    let who = house.engine.verify(issued.access_token().as_bytes(), RESOURCE).unwrap();
    assert_eq!((who.issued_at(), who.expires_at() - who.issued_at()), (NOW, issued.expires_in_s()));
    let claims: serde_json::Value = serde_json::from_str(&who.claims()).unwrap();
    assert_eq!((claims["jti"].as_str(), claims["sub"].as_str()), (Some(who.jti()), Some("ada")));
    let shown = format!("{who:?}");
    let signature = issued.access_token().rsplit('.').next().unwrap();
    assert!(
        shown.contains("\"ada\"") && shown.contains("chat.read") && !shown.contains(signature),
        "{shown}"
    );
}

#[test]
fn a_header_that_is_known_is_known_for_its_own_type_only() {
    let house = House::plain();
    let assertion = house.assertion(&house.idp, "ada");
    let issued = house.engine.exchange(&request(&assertion)).unwrap();
    let verified = house.engine.verify(assertion.as_bytes(), RESOURCE);
    assert_eq!(verified.unwrap_err().reason(), Reason::TokenMalformed);
    assert!(house.verify(&issued).is_ok());
    let exchanged = house.engine.exchange(&request(issued.access_token()));
    assert_eq!(exchanged.unwrap_err().reason(), Reason::TypInvalid);
}

#[test]
fn a_requested_scope_has_a_longest_length() {
    const LONGEST: usize = 16_384;
    let house = House::plain();
    for (length, answer) in [(LONGEST, Ok("chat.read")), (LONGEST + 1, Err(())), (LONGEST + 64, Err(()))] {
        let mut scope = "chat.read ".to_owned();
        scope.extend(std::iter::repeat_n('x', length - scope.len()));
        let assertion = house.assertion(&house.idp, "ada");
        let asked = Request { scope: Some(&scope), ..request(&assertion) };
        let answered = house.engine.exchange(&asked);
        assert_eq!(answered.as_ref().map(Issued::scope).map_err(|_| ()), answer, "{length}");
        let malformed = answered.is_err_and(|why| why.reason() == Reason::ScopeRequestMalformed);
        assert_eq!(malformed, answer.is_err());
    }
}

#[test]
fn a_token_carries_the_name_that_the_directory_knows_and_no_other() {
    let key = Arc::new(key());
    let idp = IdJagMinter::new(IDP, Arc::clone(&key));
    let sub_id =
        r#"{"format":"saml-nameid","issuer":"http://saml.acme.example","nameid":"ada@acme.example"}"#;
    let further = format!(r#""sub_id":{sub_id}"#);
    let known_by = r#""subject": "sub_id", "saml_issuers": ["http://saml.acme.example"],"#;
    for (subject, carried) in [(known_by, Some(sub_id)), ("", None)] {
        let jwks = format!(r#"{subject} "jwks": {{ "keys": [{}] }}"#, key.public_jwk().unwrap());
        let engine = engine(claimed(&jwks, r#"[{ "groups": ["eng"], "scopes": ["*"] }]"#));
        let issued =
            engine.exchange(&request(&idp.mint(&id_jag(&["eng"], None, &further)).unwrap())).unwrap();
        let who = engine.verify(issued.access_token().as_bytes(), RESOURCE).unwrap();
        let claims: serde_json::Value = serde_json::from_str(&who.claims()).unwrap();
        let expected = carried.map(|carried| serde_json::from_str(carried).unwrap());
        assert_eq!(claims.get("sub_id"), expected.as_ref());
    }
}
