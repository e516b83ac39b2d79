//! Runs the requests of the vector table: bytes in, status, headers and body out; and what no table can say.
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
    Challenge, Check, Event, Exchange, OAuthError, Reason, Receipt, Record, RecordUnavailable, Refusal,
    Response, Revocation, TokenRequest,
};
use idjag_tests::{Documents, Down, RequestCase, SetClock, World, claims};
use serde_json::Value;

/// How many stand in each file, so that none gets lost. Changes with the table.
const REQUESTS: [(&str, usize); 7] = [
    ("about", 48),
    ("token", 159),
    ("details", 59),
    ("documents", 110),
    ("dpop", 155),
    ("limits", 65),
    ("tls", 48),
];

/// Slugs that no request to this table's world can meet, and why.
const NOT_MET: [(&str, &str); 2] = [
    ("dpop_token_mismatch", "of a resource: `dpop.rs`"),
    ("client_replay_unavailable", "the world's store answers; `what_cannot_be_looked_up_is_503`"),
];

fn engine(case: &RequestCase, clock: SetClock, documents: &Documents) -> (Exchange, Arc<Lines>) {
    let config = World::read(&case.world).unwrap().config().unwrap();
    let lines = Arc::<Lines>::default();
    let builder = Exchange::builder(config).clock(clock).record(Arc::clone(&lines) as Arc<dyn Record>);
    (builder.client_documents(Box::new(documents.clone())).build().unwrap(), lines)
}

/// Row 74: what the record gets of each request. The slug, or none; and the whole event as text.
#[derive(Default)]
struct Lines(Mutex<Vec<(Option<&'static str>, String)>>);

impl Record for Lines {
    fn queue(&self, event: &Event<'_>) -> Result<Receipt, RecordUnavailable> {
        if event.refusal.is_none() {
            assert!(event.signature_valid && event.jti_hash != [0; 16] && event.rule.is_some());
            assert!(
                ![event.issuer, event.subject, event.client_id, event.connector, event.scope_granted]
                    .contains(&"")
            );
        }
        assert!(event.client_id.len() <= 1024 && !event.policy_digest.is_empty());
        let slug = event.refusal.map(Refusal::slug);
        self.0.lock().unwrap().push((slug, format!("{event:?}")));
        Ok(Receipt(0))
    }

    fn wait(&self, _: Receipt) -> Result<(), RecordUnavailable> {
        Ok(())
    }
}

impl Lines {
    /// One line came, which says what the response keeps to itself, and no secret; of what is told or revoked, none.
    fn check(&self, case: &RequestCase, response: &Response) {
        let lines = std::mem::take(&mut *self.0.lock().unwrap());
        if case.expect.answer.is_some() {
            assert!(lines.is_empty(), "{}: {lines:?}", case.name);
            return;
        }
        let [(slug, event)] = &lines[..] else { panic!("{}: {lines:?}", case.name) };
        // Who is refused too often is not told why, and the record is.
        if response.slug() == Some("too_many_refusals") {
            assert!(slug.is_some_and(|slug| slug != "too_many_refusals"), "{}", case.name);
        } else {
            assert_eq!(*slug, response.slug(), "{}", case.name);
        }
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        for secret in [body.get("access_token").and_then(Value::as_str), case.assertion().as_deref()] {
            assert!(secret.is_none_or(|secret| !event.contains(secret)), "{}: {event}", case.name);
        }
        assert!(!event.contains("test-secret"), "{}: {event}", case.name);
    }
}

fn check(case: &RequestCase, engine: &Exchange, response: &Response) {
    let (name, expect) = (&case.name, &case.expect);
    assert_eq!((response.slug(), response.status()), (expect.slug.as_deref(), expect.status), "{name}");
    for (header, value) in &expect.headers {
        let found: Vec<&str> =
            response.headers().filter(|(name, _)| name == header).map(|(_, value)| value).collect();
        assert_eq!(found, [value], "{name}: {header}");
    }
    for header in &expect.present {
        assert!(response.header(header).is_some(), "{name}: {header}");
    }
    for header in &expect.absent {
        assert_eq!(response.header(header), None, "{name}: {header}");
    }
    if expect.answer.as_ref().is_some_and(|told| told == &serde_json::json!({})) {
        assert_eq!(response.body(), b"", "{name}");
        return;
    }
    let mut body: BTreeMap<String, Value> = serde_json::from_slice(response.body()).expect("a JSON object");
    if let Some(told) = &expect.answer {
        let jti = body.remove("jti");
        assert_eq!(jti.is_some_and(|jti| jti.is_string()), body["active"] == true, "{name}");
        assert_eq!(serde_json::to_value(&body).unwrap(), *told, "{name}");
        return;
    }
    let members: Vec<&str> = body.keys().map(String::as_str).collect();
    if let Some(token) = &expect.token {
        let mut expected = vec!["access_token", "expires_in", "resource", "scope", "token_type"];
        if token.authorization_details.is_some() {
            expected.insert(1, "authorization_details");
        }
        assert_eq!(members, expected, "{name}");
        assert_eq!(body.get("authorization_details"), token.authorization_details.as_ref(), "{name}");
        assert_eq!(body["token_type"], *token.token_type, "{name}");
        assert_eq!(body["expires_in"], 3600, "{name}");
        let scopes = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(scopes(body["scope"].as_str().unwrap()), scopes(&token.scope), "{name}");
        assert_eq!(body["resource"], *token.resource, "{name}");
        let access_token = body["access_token"].as_str().unwrap();
        assert_eq!(claims(access_token).get("cnf"), token.cnf.as_ref(), "{name}");
        match (engine.verify(access_token.as_bytes(), &token.resource), &token.cnf) {
            (Ok(verified), None) => {
                assert_eq!(scopes(verified.scope()), scopes(&token.scope), "{name}");
                assert_eq!((verified.cnf(), verified.token_type()), (None, "Bearer"), "{name}");
                let details =
                    verified.authorization_details().map(|details| serde_json::from_str(&details).unwrap());
                assert_eq!(details, token.authorization_details, "{name}");
            }
            // What it is bound to did not come with it: see `dpop.rs`.
            (Err(refusal), Some(_)) => assert_eq!(refusal.oauth_error(), OAuthError::InvalidToken, "{name}"),
            (verified, cnf) => panic!("{name}: {verified:?} for {cnf:?}"),
        }
    } else {
        assert_eq!(members, ["error", "error_description"], "{name}");
        assert_eq!(body["error"], **expect.error.as_ref().unwrap(), "{name}");
        let description = body["error_description"].as_str().unwrap();
        // RFC 6749 section 5.2; and never what the reason is, or who is trusted (row 73).
        assert!(description.bytes().all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{name}");
        assert!(!description.contains("idp.example") && !description.contains('_'), "{name}");
    }
}

#[test]
fn every_request_of_the_table_gets_its_response() {
    let cases = RequestCase::read_all().unwrap();
    for (noun, count) in REQUESTS {
        assert_eq!(RequestCase::read(noun).unwrap().len(), count, "{noun}");
    }
    let total: usize = REQUESTS.iter().map(|(_, count)| count).sum();
    assert_eq!(cases.len(), total, "a file is not listed above");
    let by_name: BTreeMap<&str, &RequestCase> = cases.iter().map(|case| (&*case.name, case)).collect();
    assert_eq!(by_name.len(), total, "a name stands twice");
    for case in &cases {
        let mut tokens = BTreeMap::<&String, String>::new();
        let before: Vec<&RequestCase> = case.before.iter().map(|earlier| by_name[&**earlier]).collect();
        let clock = SetClock::new(before.first().unwrap_or(&case).now);
        let documents = Documents::of(case);
        let (engine, lines) = engine(case, clock.clone(), &documents);
        for earlier in before {
            clock.set(earlier.now);
            let about = earlier.token_of.as_ref().map(|earlier| tokens[earlier].as_str());
            let response = earlier.send_about(&engine, about);
            check(earlier, &engine, &response);
            lines.check(earlier, &response);
            assert_eq!(documents.asked(), earlier.expect.fetched, "{} before {}", earlier.name, case.name);
            if earlier.expect.token.is_some() {
                let body: Value = serde_json::from_slice(response.body()).unwrap();
                tokens.insert(&earlier.name, body["access_token"].as_str().unwrap().to_owned());
            }
        }
        clock.set(case.now);
        let about = case.token_of.as_ref().map(|earlier| tokens[earlier].as_str());
        let response = case.send_about(&engine, about);
        check(case, &engine, &response);
        lines.check(case, &response);
        assert_eq!(documents.asked(), case.expect.fetched, "{}", case.name);
        if case.expect.error.is_some() {
            let control = &by_name[case.control.as_deref().unwrap()].expect;
            assert!(control.token.is_some() || control.answer.is_some(), "{}", case.name);
            assert!(case.differs.is_some(), "{}", case.name);
        }
        let stats = engine.stats();
        let told = |case: &RequestCase| case.expect.answer.is_some();
        let told =
            case.before.iter().filter(|earlier| told(by_name[&***earlier])).count() + usize::from(told(case));
        let decided = u64::try_from(case.before.len() + 1 - told).unwrap();
        assert_eq!(stats.granted + stats.refused, decided, "{}: every decision is counted", case.name);
        assert!(
            case.expect.status != 429 || stats.limited > 0,
            "{}: and those of them that came too often",
            case.name
        );
    }
}

#[test]
fn every_reason_of_the_endpoint_is_met() {
    let cases = RequestCase::read_all().unwrap();
    let met: BTreeSet<&str> = cases.iter().filter_map(|case| case.expect.slug.as_deref()).collect();
    for reason in Reason::ALL {
        if matches!(reason.check(), Check::Request | Check::ClientAuth | Check::Possession) {
            let excused = NOT_MET.iter().any(|(slug, _)| *slug == reason.slug());
            assert!(met.contains(reason.slug()) != excused, "{reason}");
        }
    }
}

#[test]
fn what_cannot_be_looked_up_is_503() {
    let cases = RequestCase::read_all().unwrap();
    let case = cases.iter().find(|case| case.name == "jwt").unwrap();
    let config = World::read(&case.world).unwrap().config().unwrap();
    let down =
        Exchange::builder(config).clock(SetClock::new(case.now)).replay(Box::new(Down)).build().unwrap();

    let world = World::read(&case.world).unwrap().edited(|world| {
        for client in world["clients"].as_array_mut().unwrap() {
            if client["auth"] == "private_key_jwt" {
                client.as_object_mut().unwrap().remove("jwks");
                client["jwks_uri"] = "https://client.example/jwks".into();
            }
        }
    });
    let without_keys = world.engine(SetClock::new(case.now)).unwrap();

    for (engine, slug) in [(down, "client_replay_unavailable"), (without_keys, "client_keys_unavailable")] {
        let response = case.send(&engine);
        assert_eq!((response.status(), response.slug()), (503, Some(slug)));
        assert_eq!(response.header("Retry-After"), Some("1"));
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["error"], "temporarily_unavailable");
    }
}

/// Row 14: what a document's client gets, and what it does not; and nothing is fetched where nobody fetches.
#[test]
fn a_client_that_is_known_by_its_document_is_a_client_as_any_other() {
    let cases = RequestCase::read_all().unwrap();
    let case = cases.iter().find(|case| case.name == "document-public").unwrap();
    let (documents, url) = (Documents::of(case), "https://client.example/app.json");
    let (engine, _) = engine(case, SetClock::new(case.now), &documents);
    let metadata: Value = serde_json::from_str(&engine.metadata()).unwrap();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    let body: Value = serde_json::from_slice(case.send(&engine).body()).unwrap();
    let token = body["access_token"].as_str().unwrap();
    let who = |engine: &Exchange| engine.verify(token.as_bytes(), "https://mcp.chat.example/").ok();
    assert_eq!(who(&engine).unwrap().client_id(), url);
    assert_eq!(documents.asked(), [url]);

    // Nobody vouches for it at the other endpoints, so there it is nobody.
    let form = [("content-type", &b"application/x-www-form-urlencoded"[..])];
    let about = format!("token={token}&client_id=https%3A%2F%2Fclient.example%2Fapp.json");
    for answer in
        [engine.handle_revocation(&post(&form, &about)), engine.handle_introspection(&post(&form, &about))]
    {
        assert_eq!((answer.status(), answer.slug()), (401, Some("client_unknown")));
    }
    engine.revoke(&Revocation::Client(url)).unwrap();
    assert!(who(&engine).is_none());
    assert_eq!(case.send(&engine).slug(), Some("blocked"));
    engine.lift(&Revocation::Client(url)).unwrap();
    assert!(documents.asked().is_empty());

    // Whose origin is struck out is nobody any more, its tokens included; so is one whose connector or IdP is.
    let world = || World::read(&case.world).unwrap();
    let config = |edit: fn(&mut Value)| world().edited(edit).config().unwrap();
    let engine = Exchange::builder(world().config().unwrap()).clock(SetClock::new(case.now));
    let engine = engine.client_documents(Box::new(documents.clone())).build().unwrap();
    let body: Value = serde_json::from_slice(case.send(&engine).body()).unwrap();
    let token = body["access_token"].as_str().unwrap();
    let is_valid = || engine.verify(token.as_bytes(), "https://mcp.chat.example/").is_ok();
    let edits: [fn(&mut Value); 3] = [
        |world| world["client_documents"]["origins"] = serde_json::json!(["https://second.example"]),
        |world| world["client_documents"]["connectors"] = serde_json::json!(["notes"]),
        |world| _ = world.as_object_mut().unwrap().remove("client_documents"),
    ];
    for edit in edits {
        assert!(is_valid());
        engine.reload(config(edit)).unwrap();
        assert!(!is_valid());
        engine.reload(config(|_| {})).unwrap();
    }
    documents.asked();

    let nobody_fetches = world().engine(SetClock::new(case.now)).unwrap();
    let response = case.send(&nobody_fetches);
    assert_eq!((response.status(), response.slug()), (503, Some("client_document_unavailable")));
    assert!(!nobody_fetches.metadata().contains("client_id_metadata_document_supported"));
}

/// RFC 8705 section 2.1: whatever the certificate is, an answer comes, and only the name admits.
#[test]
fn a_certificate_that_was_changed_is_read_or_refused() {
    let cases = RequestCase::read_all().unwrap();
    for name in ["tls-dn", "tls-san"] {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        let good = case.certificate().unwrap();
        let world =
            World::read(&case.world).unwrap().edited(|world| world["idps"][0]["single_use"] = false.into());
        let engine = world.engine(SetClock::new(case.now)).unwrap();
        let mut admitted = 0;
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1 << (at % 8);
            let response = case.send_with(&engine, Some(&changed));
            assert!(matches!(response.status(), 200 | 401), "{name}: byte {at}");
            admitted += usize::from(response.status() == 200);
        }
        // The key and the signature are most of it, and nobody looks at them.
        assert!((1..good.len()).contains(&admitted), "{name}: {admitted}");
    }
}

fn base() -> Exchange {
    World::read("requests").unwrap().engine(SetClock::new(1_784_527_300)).unwrap()
}

#[test]
fn the_metadata_says_what_is_configured_and_no_more() {
    let metadata: Value = serde_json::from_str(&base().metadata()).unwrap();
    let methods = [
        "client_secret_basic",
        "client_secret_post",
        "none",
        "private_key_jwt",
        "self_signed_tls_client_auth",
    ];
    let algorithms =
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];
    let expected = serde_json::json!({
        "issuer": "https://auth.chat.example/",
        "token_endpoint": "https://auth.chat.example/token",
        "jwks_uri": "https://auth.chat.example/jwks",
        "revocation_endpoint": "https://auth.chat.example/revoke",
        "introspection_endpoint": "https://auth.chat.example/introspect",
        "response_types_supported": [],
        "grant_types_supported": ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "authorization_grant_profiles_supported": ["urn:ietf:params:oauth:grant-profile:id-jag"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": algorithms,
        "scopes_supported": ["chat.history", "chat.read", "chat.write"],
    });
    assert_eq!(metadata, expected);
    assert!(!base().metadata().contains("acme"), "trusted issuers are nobody's business");
    // Row 2: the grant is not advertised where there is no IdP.
    let off = World::read("requests-without-idps").unwrap().engine(SetClock::new(1_784_527_300)).unwrap();
    let off: Value = serde_json::from_str(&off.metadata()).unwrap();
    assert_eq!(off["grant_types_supported"], Value::Array(vec![]));
    assert_eq!(off["authorization_grant_profiles_supported"], Value::Array(vec![]));
    let with_names = World::read("requests-tls").unwrap().engine(SetClock::new(0)).unwrap().metadata();
    let with_names: Value = serde_json::from_str(&with_names).unwrap();
    let methods = serde_json::json!(["client_secret_basic", "tls_client_auth"]);
    assert_eq!(with_names["token_endpoint_auth_methods_supported"], methods);
}

#[test]
fn a_resource_names_its_server_while_its_connector_is_on() {
    let engine = base();
    let document = engine.protected_resource_metadata("https://mcp.chat.example/").unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let expected = serde_json::json!({
        "resource": "https://mcp.chat.example/",
        "authorization_servers": ["https://auth.chat.example/"],
        "scopes_supported": ["chat.read", "chat.history", "chat.write"],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": [
            "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"
        ],
    });
    assert_eq!(document, expected);
    for resource in ["https://mcp.notes.example/", "https://mcp.chat.example", ""] {
        assert_eq!(engine.protected_resource_metadata(resource), None, "{resource}");
    }
}

#[test]
fn a_challenge_says_where_to_get_a_token() {
    let engine = base();
    let challenge = |challenge| engine.challenge("https://mcp.chat.example/", challenge);
    let metadata = "resource_metadata=\"https://mcp.chat.example/.well-known/oauth-protected-resource\"";
    assert_eq!(challenge(Challenge::Missing), format!("Bearer {metadata}"));
    assert_eq!(
        challenge(Challenge::Invalid),
        format!(
            "Bearer error=\"invalid_token\", error_description=\"the access token is not valid\", {metadata}"
        )
    );
    assert_eq!(
        challenge(Challenge::InsufficientScope("chat.read chat\".history\r\n")),
        format!("Bearer error=\"insufficient_scope\", scope=\"chat.read chat.history\", {metadata}")
    );
    assert_eq!(Challenge::InsufficientScope("").http_status(), 403);
    // A host that knows its resource by what the client wrote gives no header of the client's away.
    let odd = engine.challenge("https://a\r\nSet-Cookie: x=\"y\\\u{e9}/b", Challenge::Missing);
    let metadata = "https://aSet-Cookie: x=y/.well-known/oauth-protected-resource/b";
    assert_eq!(odd, format!("Bearer resource_metadata=\"{metadata}\""));
}

/// A form with a client's proof in `Authorization`.
fn post<'a>(headers: &'a [(&'a str, &'a [u8])], body: &'a str) -> TokenRequest<'a> {
    TokenRequest { method: "POST", target: "/", headers, body: body.as_bytes(), ..TokenRequest::default() }
}

/// An engine on which the request `basic` was answered, its token, and that client's headers and another's.
struct Handed {
    engine: Exchange,
    token: String,
    own: Vec<(&'static str, Vec<u8>)>,
    other: Vec<(&'static str, Vec<u8>)>,
}

fn handed() -> Handed {
    let world = World::read("requests").unwrap().edited(|world| {
        world["connectors"][0]["introspect_clients"] = serde_json::json!(["client-for-everything"]);
    });
    let cases = RequestCase::read_all().unwrap();
    let case = cases.iter().find(|case| case.name == "basic").unwrap();
    let engine = world.engine(SetClock::new(case.now)).unwrap();
    let body: Value = serde_json::from_slice(case.send(&engine).body()).unwrap();
    let headers = |pair: &'static str| {
        let form = b"application/x-www-form-urlencoded".to_vec();
        vec![("content-type", form), ("authorization", pair.as_bytes().to_vec())]
    };
    Handed {
        engine,
        token: body["access_token"].as_str().unwrap().to_owned(),
        // f53f191f9311af35 and client-for-everything, each with `test-secret-` and its name.
        own: headers("Basic ZjUzZjE5MWY5MzExYWYzNTp0ZXN0LXNlY3JldC1mNTNmMTkxZjkzMTFhZjM1"),
        other: headers("Basic Y2xpZW50LWZvci1ldmVyeXRoaW5nOnRlc3Qtc2VjcmV0LWNsaWVudC1mb3ItZXZlcnl0aGluZw=="),
    }
}

fn borrowed<'a>(headers: &'a [(&'a str, Vec<u8>)]) -> Vec<(&'a str, &'a [u8])> {
    headers.iter().map(|(name, value)| (*name, &**value)).collect()
}

#[test]
fn a_client_gives_back_its_own_tokens_only() {
    let Handed { engine, token, own, other } = handed();
    let (own, other) = (borrowed(&own), borrowed(&other));
    let is_valid = || engine.verify(token.as_bytes(), "https://mcp.chat.example/").is_ok();
    let body = format!("token={token}&token_type_hint=access_token");
    let send = |headers: &[(&str, &[u8])], body: &str| {
        let response = engine.handle_revocation(&post(headers, body));
        (response.status(), response.slug())
    };

    assert_eq!(send(&other, &body), (400, Some("token_of_another_client")));
    assert_eq!(send(&own[..1], &body), (401, Some("client_auth_missing")));
    assert_eq!(send(&own, "token="), (400, Some("token_missing")));
    assert_eq!(send(&own, "token=made-up"), (200, None), "RFC 7009 section 2.2");
    assert!(is_valid());
    assert_eq!(send(&own, &body), (200, None));
    assert!(!is_valid());
    assert_eq!(send(&own, &body), (200, None), "twice is once");
    assert_eq!(engine.handle_revocation(&post(&own, &body)).body(), b"");
}

/// What a client gives back while it is worth nothing does not come to life again with its connector.
#[test]
fn what_is_given_back_while_its_connector_is_suspended_stays_so() {
    let config = |state: &str| {
        let world = World::read("requests").unwrap();
        world.edited(|world| world["connectors"][0]["state"] = state.into()).config().unwrap()
    };
    for gives_back in [false, true] {
        let Handed { engine, token, own, .. } = handed();
        let is_valid = || engine.verify(token.as_bytes(), "https://mcp.chat.example/").is_ok();
        assert!(is_valid());
        engine.reload(config("suspended")).unwrap();
        assert!(!is_valid());
        if gives_back {
            let body = format!("token={token}");
            assert_eq!(engine.handle_revocation(&post(&borrowed(&own), &body)).status(), 200);
        }
        engine.reload(config("enabled")).unwrap();
        assert_eq!(is_valid(), !gives_back);
    }
}

/// Row 72, by an administrator: what was issued ends, and what is blocked stays so until it is lifted.
#[test]
fn what_an_administrator_revokes_ends_at_once_and_is_refused_until_lifted() {
    let cases = RequestCase::read_all().unwrap();
    let case = cases.iter().find(|case| case.name == "basic").unwrap();
    let world = || {
        World::read(&case.world).unwrap().edited(|world| {
            world["connectors"][0]["introspect_clients"] = serde_json::json!(["client-for-everything"]);
            // So that the one assertion does for each exchange.
            world["idps"][0]["single_use"] = false.into();
        })
    };
    let other = handed().other;
    let (issuer, resource) = ("https://acme.idp.example", "https://mcp.chat.example/");
    let person = |subject| Revocation::Person { issuer, tenant: None, subject };
    let kinds = [
        (None, "a token"),
        (Some(person("00u1a2b3c4d5e6f7g8h9")), "a person"),
        (Some(Revocation::Client("f53f191f9311af35")), "a client"),
        (Some(Revocation::Connector("chat")), "a connector"),
        (Some(Revocation::Issuer(issuer)), "an issuer"),
    ];
    for (kind, what) in kinds {
        let clock = SetClock::new(case.now);
        let engine = world().engine(clock.clone()).unwrap();
        let get = || -> Result<String, (u16, Value, Option<&'static str>)> {
            let response = case.send(&engine);
            let body: Value = serde_json::from_slice(response.body()).unwrap();
            match body["access_token"].as_str() {
                Some(token) => Ok(token.to_owned()),
                None => Err((response.status(), body["error"].clone(), response.slug())),
            }
        };
        let is_active = |token: &str| {
            let response = engine.handle_introspection(&post(&borrowed(&other), &format!("token={token}")));
            let answer: Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(answer == serde_json::json!({"active": false}), answer["active"] == false, "{what}");
            let verified = engine.verify(token.as_bytes(), resource);
            assert_eq!(answer["active"], verified.is_ok(), "{what}");
            assert!(verified.err().is_none_or(|refusal| refusal.slug() == "token_revoked"), "{what}");
            answer["active"] == true
        };
        let (old, sibling) = (get().unwrap(), get().unwrap());
        assert!(is_active(&old) && is_active(&sibling), "{what}");
        for another in [
            person("another"),
            Revocation::Person { issuer, tenant: Some("t"), subject: "00u1a2b3c4d5e6f7g8h9" },
            Revocation::Client("client-post"),
            Revocation::Connector("notes"),
            Revocation::Issuer("https://acme.idp.example/"),
            Revocation::Token { jti: "another", expires_at: i64::MAX },
        ] {
            engine.revoke(&another).unwrap();
        }
        assert!(is_active(&old) && get().is_ok(), "{what}: others are not concerned");

        let jti = engine.verify(old.as_bytes(), resource).unwrap().jti().to_owned();
        let revocation = kind.unwrap_or(Revocation::Token { jti: &jti, expires_at: case.now + 3_630 });
        engine.revoke(&revocation).unwrap();
        assert!(!is_active(&old), "{what}");
        clock.set(case.now + 1);
        if kind.is_none() {
            assert!(is_active(&sibling), "only that token");
            assert!(is_active(&get().unwrap()), "a token is no block");
        } else {
            assert!(!is_active(&sibling), "{what}");
            assert_eq!(get(), Err((400, "access_denied".into(), Some("blocked"))), "{what}");
        }

        engine.lift(&revocation).unwrap();
        assert!(!is_active(&old), "{what}: what ended does not come back");
        assert_eq!(is_active(&sibling), kind.is_none(), "{what}");
        let new = get().unwrap();
        assert!(is_active(&new), "{what}");
        engine.revoke(&revocation).unwrap();
        assert_eq!(is_active(&new), kind.is_none(), "{what}: again");
        // A configuration that is read again lifts nothing.
        engine.reload(world().config().unwrap()).unwrap();
        assert!(!is_active(&old), "{what}");
        assert_eq!(get().is_ok(), kind.is_none(), "{what}");
    }
}

#[test]
fn a_token_is_active_for_those_who_may_ask() {
    let Handed { engine, token, own, other } = handed();
    let (own, other) = (borrowed(&own), borrowed(&other));
    let ask = |headers: &[(&str, &[u8])], token: &str| -> Value {
        let response = engine.handle_introspection(&post(headers, &format!("token={token}")));
        assert_eq!((response.status(), response.header("cache-control")), (200, Some("no-store")));
        serde_json::from_slice(response.body()).unwrap()
    };
    let inactive = serde_json::json!({"active": false});

    let answer = ask(&other, &token);
    let verified = engine.verify(token.as_bytes(), "https://mcp.chat.example/").unwrap();
    let expected = serde_json::json!({
        "active": true,
        "iss": "https://auth.chat.example/",
        "sub": "00u1a2b3c4d5e6f7g8h9",
        "aud": "https://mcp.chat.example/",
        "client_id": "f53f191f9311af35",
        "scope": "chat.read",
        "token_type": "Bearer",
        "iat": 1_784_527_300,
        "exp": 1_784_530_900,
        "jti": verified.jti(),
        "idp": "https://acme.idp.example",
        "groups": ["eng"],
    });
    assert_eq!(answer, expected);
    assert_eq!(ask(&own, &token), inactive, "that client is not listed");
    assert_eq!(ask(&other, "made-up"), inactive);
    let refused = engine.handle_introspection(&post(&own[..1], &format!("token={token}")));
    assert_eq!((refused.status(), refused.slug()), (401, Some("client_auth_missing")));

    let cases = RequestCase::read_all().unwrap();
    let detailed = cases.iter().find(|case| case.name == "details-one").unwrap();
    let world = World::read(&detailed.world).unwrap().edited(|world| {
        world["connectors"][0]["introspect_clients"] = serde_json::json!(["client-for-everything"]);
    });
    let with_details = world.engine(SetClock::new(detailed.now)).unwrap();
    let body: Value = serde_json::from_slice(detailed.send(&with_details).body()).unwrap();
    let asked = format!("token={}", body["access_token"].as_str().unwrap());
    let response = with_details.handle_introspection(&post(&other, &asked));
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(answer["active"], true);
    assert_eq!(answer["authorization_details"], body["authorization_details"], "RFC 9396 section 9.2");

    // Row 72: whatever takes the token back, the next answer knows.
    engine.revoke(&Revocation::Client("f53f191f9311af35")).unwrap();
    assert_eq!(ask(&other, &token), inactive);
}
