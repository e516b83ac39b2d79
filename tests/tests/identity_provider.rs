//! Runs the token exchanges of the vector table: an ID token goes in, an ID-JAG comes out that our own server takes; and
//! what no table can say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use idjag::{
    Check, Event, IdToken, IdentityProvider, IdpConfig, Reason, Receipt, Record, RecordUnavailable, Request,
    Response,
};
use idjag_tests::{Down, IdpCase, IdpWorld, SetClock, World, vectors};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

/// Counted, so that none gets lost. Changes with the table.
const CASES: usize = 200;

const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

fn provider(case: &IdpCase) -> IdentityProvider {
    provider_at(case, SetClock::new(case.now))
}

fn provider_at(case: &IdpCase, clock: SetClock) -> IdentityProvider {
    IdpWorld::read(&case.world).unwrap().provider(clock).unwrap()
}

/// The header's `typ` and the claims of an ID-JAG, verified by another library.
fn verified(provider: &IdentityProvider, id_jag: &str) -> (Option<String>, BTreeMap<String, Value>) {
    let keys: JwkSet = serde_json::from_str(&provider.jwks()).unwrap();
    let kid = jsonwebtoken::decode_header(id_jag).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let decoded = jsonwebtoken::decode(id_jag, &key, &validation).unwrap();
    (decoded.header.typ, decoded.claims)
}

fn check(case: &IdpCase, provider: &IdentityProvider, response: &Response) {
    let (name, expect) = (&case.name, &case.expect);
    assert_eq!((response.slug(), response.status()), (expect.slug.as_deref(), expect.status), "{name}");
    for (header, value) in &expect.headers {
        let found: Vec<&str> =
            response.headers().filter(|(name, _)| name == header).map(|(_, value)| value).collect();
        assert_eq!(found, [value], "{name}: {header}");
    }
    for header in &expect.absent {
        assert_eq!(response.header(header), None, "{name}: {header}");
    }
    let body: BTreeMap<String, Value> = serde_json::from_slice(response.body()).expect("a JSON object");
    let members: Vec<&str> = body.keys().map(String::as_str).collect();
    let Some(wanted) = &expect.id_jag else {
        assert_eq!(members, ["error", "error_description"], "{name}");
        assert_eq!(body["error"], **expect.error.as_ref().unwrap(), "{name}");
        let description = body["error_description"].as_str().unwrap();
        assert!(description.bytes().all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{name}");
        assert!(!description.contains("example") && !description.contains('_'), "{name}");
        return;
    };
    assert_eq!(members, ["access_token", "expires_in", "issued_token_type", "scope", "token_type"], "{name}");
    assert_eq!(
        (&body["issued_token_type"], &body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!(ID_JAG), &json!("N_A"), &json!(300), &wanted["scope"]),
        "{name}"
    );
    let id_jag = body["access_token"].as_str().unwrap();
    let (typ, mut claims) = verified(provider, id_jag);
    assert_eq!(typ.as_deref(), Some("oauth-id-jag+jwt"), "{name}");
    let jti = claims.remove("jti").unwrap();
    assert_eq!(jti.as_str().unwrap().len(), 22, "{name}: 128 random bits");
    assert_eq!(&claims, wanted, "{name}");

    let Some(token) = &expect.token else {
        return;
    };
    let server = World::read("requests").unwrap().engine(SetClock::new(case.now)).unwrap();
    let client_id = wanted["client_id"].as_str().unwrap();
    let asked = Request { assertion: id_jag.as_bytes(), client_id, ..Request::default() };
    let issued = server.exchange(&asked).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    assert_eq!(issued.scope(), token.scope, "{name}");
    let who = server.verify(issued.access_token().as_bytes(), &token.resource).expect(name);
    assert_eq!((who.subject(), who.idp()), (wanted["sub"].as_str().unwrap(), provider.issuer()), "{name}");
}

#[test]
fn every_token_exchange_of_the_table_gets_its_response() {
    let cases = IdpCase::read_all().unwrap();
    assert_eq!(cases.len(), CASES);
    let by_name: BTreeMap<&str, &IdpCase> = cases.iter().map(|case| (&*case.name, case)).collect();
    assert_eq!(by_name.len(), CASES, "a name stands twice");
    for case in &cases {
        let clock =
            SetClock::new(case.before.iter().map(|earlier| by_name[&**earlier].now).fold(case.now, i64::min));
        let provider = provider_at(case, clock.clone());
        for earlier in &case.before {
            let earlier = by_name[&**earlier];
            clock.set(earlier.now);
            check(earlier, &provider, &earlier.send(&provider));
        }
        clock.set(case.now);
        check(case, &provider, &case.send(&provider));
        if case.expect.id_jag.is_none() {
            assert!(by_name[case.control.as_deref().unwrap()].expect.id_jag.is_some(), "{}", case.name);
            assert!(case.differs.is_some(), "{}", case.name);
        }
    }
}

#[test]
fn every_reason_of_an_identity_provider_is_met() {
    let cases = IdpCase::read_all().unwrap();
    let met: BTreeSet<&str> = cases.iter().filter_map(|case| case.expect.slug.as_deref()).collect();
    for reason in Reason::ALL {
        if matches!(reason.check(), Check::TokenExchange | Check::SubjectToken | Check::Target) {
            assert!(met.contains(reason.slug()), "{reason}");
        }
    }
}

#[test]
fn every_world_is_used_and_complete() {
    let cases = IdpCase::read_all().unwrap();
    for entry in std::fs::read_dir(vectors().join("idp/worlds")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(cases.iter().any(|case| case.world == name), "no case is in the world `{name}`");
        IdpWorld::read(name).unwrap().config().unwrap_or_else(|why| panic!("{why}"));
    }
}

fn case<'c>(cases: &'c [IdpCase], name: &str) -> &'c IdpCase {
    cases.iter().find(|case| case.name == name).unwrap()
}

#[test]
fn the_metadata_says_what_can_be_asked_for_and_no_more() {
    let cases = IdpCase::read_all().unwrap();
    let metadata = provider(case(&cases, "agent")).metadata();
    let algorithms = json!([
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"
    ]);
    let expected = json!({
        "issuer": "https://acme.idp.example",
        "token_endpoint": "https://acme.idp.example/token",
        "jwks_uri": "https://acme.idp.example/jwks",
        "response_types_supported": [],
        "grant_types_supported": ["urn:ietf:params:oauth:grant-type:token-exchange"],
        "identity_chaining_requested_token_types_supported": [ID_JAG],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic", "client_secret_post", "none", "private_key_jwt"
        ],
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": algorithms,
    });
    assert_eq!(serde_json::from_str::<Value>(&metadata).unwrap(), expected);
    assert!(!metadata.contains("chat.example"), "whom the IdP serves is nobody's business");
}

/// The request of the case `agent` with another ID token, or a part of the body in the place of another.
fn edited(case: &IdpCase, edit: impl FnMut(&str) -> String) -> IdpCase {
    let mut edited = case.clone();
    edited.edit_body(edit);
    edited
}

#[test]
fn no_id_token_that_was_changed_is_taken() {
    let cases = IdpCase::read_all().unwrap();
    let agent = case(&cases, "agent");
    let provider = provider(agent);
    let marker = "subject_token=";
    let (mut changed, mut part) = (0, 0);
    for offset in 0.. {
        let mut is_last = false;
        let other = edited(agent, |body| {
            let at = body.find(marker).unwrap() + marker.len() + offset;
            let (before, rest) = body.split_at(at);
            let mut behind = rest.chars();
            let Some(old) = behind.next().filter(|c| *c != '&') else {
                is_last = true;
                return body.to_owned();
            };
            let new = if old == 'A' { 'B' } else { 'A' };
            format!("{before}{new}{}", behind.as_str())
        });
        if is_last {
            break;
        }
        let response = other.send(&provider);
        assert_ne!(response.status(), 200, "offset {offset}");
        changed += 1;
        part += usize::from(response.slug() == Some("subject_token_signature"));
    }
    assert!(changed > 700 && part > 300, "{changed} places, {part} of them found by the signature");
}

#[test]
fn our_own_id_tokens_are_taken_where_that_is_written_down() {
    let cases = IdpCase::read_all().unwrap();
    let agent = case(&cases, "agent");
    let text = |own: bool| {
        let path = vectors().join("idp/worlds/idp.json");
        let mut world: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        if own {
            world["subject_tokens"][0] = json!({"issuer": "https://acme.idp.example", "own_keys": true});
        }
        world.to_string()
    };
    let provider = |own| {
        let read = &mut |file: &str| {
            std::fs::read(vectors().join("idp/worlds").join(file)).map_err(|why| why.to_string())
        };
        let config = IdpConfig::parse("idp.json", &text(own), read).unwrap();
        IdentityProvider::new(config).with_clock(SetClock::new(agent.now))
    };
    let id_token = IdToken {
        client_id: "agent",
        subject: "ada \"the first\"",
        groups: &["eng"],
        issued_at: agent.now,
        lifetime_s: 60,
        further: "\"auth_time\":1,\"nonce\":\"n\"",
        ..IdToken::default()
    };
    for (own, slug) in [(true, None), (false, Some("subject_token_signature"))] {
        let provider = provider(own);
        let id_token = provider.id_token(&id_token).unwrap();
        let request = edited(agent, |body| {
            let (before, rest) = body.split_once("subject_token=").unwrap();
            format!("{before}subject_token={id_token}&{}", rest.split_once('&').unwrap().1)
        });
        let response = request.send(&provider);
        assert_eq!(response.slug(), slug);
        if own {
            let body: Value = serde_json::from_slice(response.body()).unwrap();
            let (_, claims) = verified(&provider, body["access_token"].as_str().unwrap());
            assert_eq!((&claims["sub"], &claims["auth_time"]), (&json!("ada \"the first\""), &json!(1)));
            assert_eq!((claims.get("nonce"), claims.get("email")), (None, None));
        }
    }
}

/// Keeps a few fields of each event, or takes none.
#[derive(Default)]
struct Notes {
    kept: Mutex<Vec<Vec<String>>>,
    full: bool,
    never_durable: bool,
}

impl Record for Notes {
    fn queue(&self, event: &Event<'_>) -> Result<Receipt, RecordUnavailable> {
        if self.full {
            return Err(RecordUnavailable);
        }
        let rule = event.rule.map(|(file, line)| format!("{file}:{line}")).unwrap_or_default();
        let refused = event.refusal.map_or("", idjag::Refusal::slug);
        let fields = [
            refused,
            event.client_id,
            event.issuer,
            event.subject,
            event.audience,
            event.resource,
            event.scope_granted,
            &event.groups_matched.join(" "),
            &rule,
            if event.signature_valid { "signed" } else { "" },
        ];
        assert_eq!(event.policy_digest.len(), 64);
        assert_eq!(event.token_jti.is_empty(), !refused.is_empty());
        assert_eq!(event.token_expires_at == event.at_ms / 1000 + 300, refused.is_empty());
        let mut kept = self.kept.lock().unwrap();
        kept.push(fields.map(str::to_owned).to_vec());
        Ok(Receipt(0))
    }

    fn wait(&self, _: Receipt) -> Result<(), RecordUnavailable> {
        if self.never_durable { Err(RecordUnavailable) } else { Ok(()) }
    }
}

#[test]
fn every_answer_is_on_record() {
    let cases = IdpCase::read_all().unwrap();
    let notes = Arc::new(Notes::default());
    let provider = provider(case(&cases, "agent")).with_record(Arc::clone(&notes) as Arc<dyn Record>);
    for name in ["agent", "group-another", "id-token-signed-by-another-key", "secret-wrong", "method-get"] {
        let case = case(&cases, name);
        check(case, &provider, &case.send(&provider));
    }
    let (acme, chat) = ("https://acme.idp.example", "https://mcp.chat.example/");
    let (sub, server) = ("00u1a2b3c4d5e6f7g8h9", "https://auth.chat.example/");
    let kept = notes.kept.lock().unwrap();
    let rule = &kept[0][8];
    assert!(rule.starts_with("idp.json:"), "{rule}");
    let all = "chat.read chat.history chat.write";
    let expected = [
        ["", "agent", acme, sub, server, chat, all, "eng", rule, "signed"],
        ["target_group_required", "agent", acme, sub, server, chat, "", "", rule, "signed"],
        ["subject_token_signature", "agent", acme, sub, server, "", "", "", "", ""],
        ["client_secret_wrong", "agent", "", "", "", "", "", "", "", ""],
        ["method_not_allowed", "", "", "", "", "", "", "", "", ""],
    ];
    assert_eq!(*kept, expected);
}

#[test]
fn what_cannot_be_recorded_or_looked_up_is_503() {
    let cases = IdpCase::read_all().unwrap();
    let full = Notes { full: true, ..Notes::default() };
    let never_durable = Notes { never_durable: true, ..Notes::default() };
    let with = |notes: Notes| provider(case(&cases, "agent")).with_record(Arc::new(notes));
    for (provider, name, slug) in [
        (with(full), "agent", "record_unavailable"),
        (with(Notes { full: true, ..Notes::default() }), "secret-wrong", "record_unavailable"),
        (with(never_durable), "agent", "record_unavailable"),
        (provider(case(&cases, "jwt")).with_replay(Box::new(Down)), "jwt", "client_replay_unavailable"),
        (provider(case(&cases, "proof")).with_replay(Box::new(Down)), "proof", "replay_unavailable"),
    ] {
        let response = case(&cases, name).send(&provider);
        assert_eq!((response.status(), response.slug()), (503, Some(slug)), "{name}");
        assert_eq!(response.header("retry-after"), Some("1"));
    }
}
