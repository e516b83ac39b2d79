//! Proofs of possession that no table can hold: at a resource, where they are about a token that was just minted, and
//! with a nonce of ours. The proofs are made by other code than ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test"
)]

use std::fs;

use idjag::{
    Challenge, Exchange, Refusal, Request, ResourceRequest, Response, Revocation, TokenRequest, VerifiedToken,
};
use idjag_tests::{Down, IdpCase, IdpWorld, RequestCase, SetClock, World, base64url, claims, vectors};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const NOW: i64 = 1_784_527_300;
const RESOURCE: &str = "https://mcp.chat.example/";
const URL: &str = "https://mcp.chat.example/mcp";
const TOKEN_ENDPOINT: &str = "https://auth.chat.example/token";
const CERTIFICATE: &[u8] = b"test certificate of client-tls-self-signed";

/// `ath` of a token (RFC 9449 section 4.2).
fn token_hash(token: &str) -> String {
    base64url::encode(&Sha256::digest(token))
}

/// A proof by the test key `name`, with these claims.
fn proof_by(name: &str, claims: &Value) -> String {
    let text = fs::read(vectors().join(format!("keys/{name}.jwk"))).unwrap();
    let jwk: Value = serde_json::from_slice(&text).unwrap();
    // PKCS #8 of an Ed25519 key (RFC 8410 section 7).
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend(base64url::decode(jwk["d"].as_str().unwrap()).unwrap());
    let public = json!({"kty": jwk["kty"], "crv": jwk["crv"], "x": jwk["x"]});
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some("dpop+jwt".to_owned());
    header.jwk = Some(serde_json::from_value(public).unwrap());
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(&der)).unwrap()
}

fn proof(claims: &Value) -> String {
    proof_by("dpop-ed25519", claims)
}

fn case(name: &str) -> RequestCase {
    RequestCase::read("dpop").unwrap().into_iter().find(|case| case.name == name).unwrap()
}

fn body(response: &Response) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

/// The token that a request is answered with.
fn token(case: &RequestCase, engine: &Exchange) -> String {
    let response = case.send(engine);
    assert_eq!(response.slug(), None, "{}", case.name);
    body(&response)["access_token"].as_str().unwrap().to_owned()
}

fn engine(world: &str) -> (Exchange, SetClock) {
    let clock = SetClock::new(NOW);
    (World::read(world).unwrap().engine(clock.clone()).unwrap(), clock)
}

fn present(engine: &Exchange, token: &str, proof: Option<&str>) -> Result<VerifiedToken, Refusal> {
    engine.verify_request(&ResourceRequest {
        token: token.as_bytes(),
        resource: RESOURCE,
        dpop: proof.map(str::as_bytes),
        method: "POST",
        url: URL,
        client_certificate: None,
    })
}

fn told(answer: &Result<VerifiedToken, Refusal>) -> (&'static str, u16) {
    answer.as_ref().map_or_else(|refusal| (refusal.slug(), refusal.http_status()), |_| ("valid", 200))
}

#[test]
fn a_bound_token_needs_its_proof_each_time() {
    let (engine, _) = engine("requests");
    let token = token(&case("dpop"), &engine);
    let hash = token_hash(&token);
    let good = |jti: &str| json!({"jti": jti, "htm": "POST", "htu": URL, "iat": NOW, "ath": hash});
    let with = |jti: &str, name: &str, value: Value| {
        let mut claims = good(jti);
        claims[name] = value;
        proof(&claims)
    };
    let without = |name: &str| {
        let mut claims = good("without");
        claims.as_object_mut().unwrap().remove(name);
        proof(&claims)
    };

    assert_eq!(told(&engine.verify(token.as_bytes(), RESOURCE)), ("token_proof_required", 401));
    let first = proof(&good("1"));
    let who = present(&engine, &token, Some(&first)).unwrap();
    assert_eq!((who.token_type(), who.subject()), ("DPoP", "00u1a2b3c4d5e6f7g8h9"));
    let cnf: Value = serde_json::from_str(&who.cnf().unwrap()).unwrap();
    assert_eq!(cnf, claims(&token)["cnf"]);

    // The token is known by now; its proof never is.
    assert_eq!(told(&present(&engine, &token, None)), ("token_proof_required", 401));
    assert_eq!(told(&present(&engine, &token, Some(&first))), ("dpop_replayed", 401));
    assert_eq!(told(&present(&engine, &token, Some(&proof(&good("2"))))), ("valid", 200));
    for (changed, slug) in [
        (with("3", "htm", "GET".into()), "dpop_method_mismatch"),
        (with("3", "htu", RESOURCE.into()), "dpop_url_mismatch"),
        (with("3", "htu", TOKEN_ENDPOINT.into()), "dpop_url_mismatch"),
        (with("3", "iat", (NOW - 91).into()), "dpop_time_invalid"),
        (with("3", "iat", (NOW + 31).into()), "dpop_time_invalid"),
        (with("3", "ath", token_hash("another").into()), "dpop_token_mismatch"),
        (with("3", "ath", format!("{hash}=").into()), "dpop_token_mismatch"),
        (without("ath"), "dpop_token_mismatch"),
        (without("jti"), "dpop_malformed"),
        (proof_by("attacker-ed25519", &good("3")), "token_proof_mismatch"),
        (first.replace('.', ""), "dpop_malformed"),
        (String::new(), "dpop_malformed"),
        (format!("{first}, {first}"), "dpop_malformed"),
        (with("3", "htu", format!("{URL}?session=1#x").into()), "valid"),
        (with("4", "iat", (NOW - 90).into()), "valid"),
        (with("5", "iat", (NOW + 30).into()), "valid"),
    ] {
        let status = if slug == "valid" { 200 } else { 401 };
        assert_eq!(told(&present(&engine, &token, Some(&changed))), (slug, status), "{changed}");
    }

    // Whatever changes, it is weighed again, and the proof is asked for again.
    engine.revoke(&Revocation::Client("client-post")).unwrap();
    assert_eq!(told(&present(&engine, &token, None)), ("token_proof_required", 401));
    assert_eq!(told(&present(&engine, &token, Some(&proof(&good("6"))))), ("valid", 200));
    let seven = proof(&good("7"));
    let elsewhere = ResourceRequest {
        token: token.as_bytes(),
        resource: "https://mcp.notes.example/",
        dpop: Some(seven.as_bytes()),
        method: "POST",
        url: URL,
        client_certificate: None,
    };
    assert_eq!(told(&engine.verify_request(&elsewhere)), ("token_audience_mismatch", 401));
    assert_eq!(told(&present(&engine, &token, Some(&seven))), ("valid", 200), "a refusal spends no proof");
    engine.revoke(&Revocation::Client("f53f191f9311af35")).unwrap();
    assert_eq!(told(&present(&engine, &token, Some(&proof(&good("8"))))), ("token_revoked", 401));
}

#[test]
fn a_key_that_the_identity_provider_saw_is_asked_for_as_far_as_the_resource() {
    let cases = IdpCase::read_all().unwrap();
    let id_jag = |name: &str| {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        let provider = IdpWorld::read(&case.world).unwrap().provider(SetClock::new(NOW)).unwrap();
        let answer = body(&case.send(&provider));
        assert_eq!(answer["token_type"], "N_A", "{name}");
        answer["access_token"].as_str().unwrap().to_owned()
    };
    let (engine, _) = engine("requests");
    let exchange = |id_jag: &str, proof: Option<&str>| {
        let body = format!(
            "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={id_jag}&client_id=client-public"
        );
        let mut headers: Vec<(&str, &[u8])> = vec![("content-type", b"application/x-www-form-urlencoded")];
        headers.extend(proof.map(|proof| ("dpop", proof.as_bytes())));
        let request =
            TokenRequest { method: "POST", target: "/token", headers: &headers, ..Default::default() };
        engine.handle(&TokenRequest { body: body.as_bytes(), ..request })
    };
    let made = |key: &str, jti: &str, url: &str| {
        proof_by(key, &json!({"jti": jti, "htm": "POST", "htu": url, "iat": NOW}))
    };

    let bound = id_jag("proof-of-a-public-client");
    let key = claims(&bound)["cnf"]["jkt"].clone();
    let other = made("attacker-ed25519", "1", TOKEN_ENDPOINT);
    let elsewhere = made("dpop-ed25519", "2", "https://acme.idp.example/token");
    for (proof, code, slug) in [
        (None, "invalid_grant", "proof_required"),
        (Some(&other), "invalid_grant", "proof_mismatch"),
        (Some(&elsewhere), "invalid_dpop_proof", "dpop_url_mismatch"),
    ] {
        let response = exchange(&bound, proof.map(String::as_str));
        assert_eq!((response.status(), response.slug()), (400, Some(slug)));
        assert_eq!(body(&response)["error"], code, "{slug}");
    }
    let asked = Request { assertion: bound.as_bytes(), client_id: "client-public", ..Request::default() };
    assert_eq!(engine.exchange(&asked).unwrap_err().slug(), "proof_required");

    let answer = body(&exchange(&bound, Some(&made("dpop-ed25519", "3", TOKEN_ENDPOINT))));
    assert_eq!(answer["token_type"], "DPoP", "{answer}");
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(claims(token)["cnf"]["jkt"], key);
    assert_eq!(told(&present(&engine, token, None)), ("token_proof_required", 401));
    let at_resource =
        |jti: &str| json!({"jti": jti, "htm": "POST", "htu": URL, "iat": NOW, "ath": token_hash(token)});
    let other = proof_by("attacker-ed25519", &at_resource("4"));
    assert_eq!(told(&present(&engine, token, Some(&other))), ("token_proof_mismatch", 401));
    let who = present(&engine, token, Some(&proof(&at_resource("5")))).unwrap();
    assert_eq!((who.token_type(), who.idp()), ("DPoP", "https://acme.idp.example"));

    // The control: without a proof at the identity provider, none is needed afterwards.
    let answer = body(&exchange(&id_jag("public"), None));
    assert_eq!(answer["token_type"], "Bearer", "{answer}");
}

#[test]
fn a_token_of_a_bearer_is_no_token_with_a_proof() {
    let (engine, _) = engine("requests");
    let token = token(&case("certificate-and-no-cnf"), &engine);
    let claims = json!({"jti": "1", "htm": "POST", "htu": URL, "iat": NOW, "ath": token_hash(&token)});
    assert_eq!(told(&present(&engine, &token, None)), ("valid", 200));
    assert_eq!(told(&present(&engine, &token, Some(&proof(&claims)))), ("token_proof_mismatch", 401));
}

#[test]
fn a_certificate_is_asked_for_each_time() {
    for (name, key) in [("cnf-x5t", false), ("cnf-both", true)] {
        let (engine, _) = engine("requests");
        let token = token(&case(name), &engine);
        let hash = token_hash(&token);
        let show = |certificate: Option<&[u8]>, jti: Option<&str>| {
            let claims = json!({"jti": jti, "htm": "POST", "htu": URL, "iat": NOW, "ath": hash});
            let proof = jti.map(|_| proof(&claims));
            told(&engine.verify_request(&ResourceRequest {
                token: token.as_bytes(),
                resource: RESOURCE,
                dpop: proof.as_deref().map(str::as_bytes),
                method: "POST",
                url: URL,
                client_certificate: certificate,
            }))
        };
        for _ in 0..2 {
            assert_eq!(show(None, key.then_some("1")), ("token_certificate_mismatch", 401), "{name}");
            assert_eq!(show(Some(b"x"), key.then_some("1")), ("token_certificate_mismatch", 401), "{name}");
        }
        let alone = if key { ("token_proof_required", 401) } else { ("valid", 200) };
        assert_eq!(show(Some(CERTIFICATE), None), alone, "{name}");
        if key {
            assert_eq!(show(Some(CERTIFICATE), Some("1")), ("valid", 200));
        }
    }
}

#[test]
fn a_connector_that_comes_to_require_proof_keeps_bound_tokens_only() {
    let (engine, _) = engine("requests");
    let bound = token(&case("dpop"), &engine);
    let (other, _) = self::engine("requests");
    let bearer = token(&case("certificate-and-no-cnf"), &other);
    let (third, _) = self::engine("requests");
    let certified = token(&case("cnf-x5t"), &third);
    let require = |engine: &Exchange| {
        engine.reload(World::read("requests-proof-for-everyone").unwrap().config().unwrap()).unwrap();
    };

    for engine in [&engine, &other, &third] {
        require(engine);
    }
    let claims = json!({"jti": "1", "htm": "POST", "htu": URL, "iat": NOW, "ath": token_hash(&bound)});
    assert_eq!(told(&present(&engine, &bound, Some(&proof(&claims)))), ("valid", 200));
    assert_eq!(told(&present(&other, &bearer, None)), ("token_no_longer_granted", 401));
    let with_certificate = ResourceRequest {
        token: certified.as_bytes(),
        resource: RESOURCE,
        client_certificate: Some(CERTIFICATE),
        ..ResourceRequest::default()
    };
    assert_eq!(told(&third.verify_request(&with_certificate)), ("token_no_longer_granted", 401));

    let document: Value =
        serde_json::from_str(&engine.protected_resource_metadata(RESOURCE).unwrap()).unwrap();
    assert_eq!(document["dpop_bound_access_tokens_required"], true);
}

#[test]
fn a_nonce_comes_with_the_refusal_and_again_before_it_is_too_old() {
    let (engine, clock) = engine("requests-with-nonce");
    let request = case("dpop");
    let at_token = |jti: &str, now: i64, nonce: Option<&str>| {
        let claims = json!({"jti": jti, "htm": "POST", "htu": TOKEN_ENDPOINT, "iat": now, "nonce": nonce});
        let mut claims = claims;
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        request.send_with_proof(&engine, &proof(&claims))
    };
    let refused = at_token("1", NOW, None);
    assert_eq!((refused.status(), refused.slug()), (400, Some("dpop_nonce_required")));
    assert_eq!(body(&refused)["error"], "use_dpop_nonce");
    let nonce = refused.header("DPoP-Nonce").unwrap().to_owned();
    assert_eq!(engine.dpop_nonce().as_ref(), Some(&nonce));

    let answered = at_token("1", NOW, Some(&nonce));
    assert_eq!((answered.status(), answered.header("DPoP-Nonce")), (200, None));
    let token = body(&answered)["access_token"].as_str().unwrap().to_owned();

    // At the resource.
    let hash = token_hash(&token);
    let at_resource = |jti: &str, now: i64, nonce: Option<&str>| {
        let mut claims =
            json!({"jti": jti, "htm": "POST", "htu": URL, "iat": now, "ath": hash, "nonce": nonce});
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        present(&engine, &token, Some(&proof(&claims)))
    };
    let refusal = at_resource("2", NOW, None).unwrap_err();
    assert_eq!((refusal.slug(), refusal.http_status()), ("dpop_nonce_required", 401));
    assert_eq!(Challenge::of(refusal), Some(Challenge::UseNonce));
    assert_eq!(told(&at_resource("2", NOW, Some("made-up"))), ("dpop_nonce_required", 401));
    assert_eq!(told(&at_resource("2", NOW, Some(&nonce))), ("valid", 200));

    // Some time later, the old one is still good, and at the token endpoint another one comes with the answer.
    let later = NOW + 120;
    clock.set(later);
    assert_eq!(told(&at_resource("3", later, Some(&nonce))), ("valid", 200));
    let second = case("dpop-again");
    let claims = json!({"jti": "4", "htm": "POST", "htu": TOKEN_ENDPOINT, "iat": later, "nonce": nonce});
    let answered = second.send_with_proof(&engine, &proof(&claims));
    assert_eq!(answered.status(), 200);
    let next = answered.header("DPoP-Nonce").unwrap().to_owned();
    assert!(next != nonce && engine.dpop_nonce().as_ref() == Some(&next));

    // A reload does not make it void, and what is too old is.
    engine.reload(World::read("requests-with-nonce").unwrap().config().unwrap()).unwrap();
    assert_eq!(told(&at_resource("5", later, Some(&next))), ("valid", 200));
    clock.set(NOW + 240);
    assert_eq!(told(&at_resource("6", NOW + 240, Some(&nonce))), ("dpop_nonce_required", 401));
    assert_eq!(told(&at_resource("6", NOW + 240, Some(&next))), ("valid", 200));
    engine.reload(World::read("requests").unwrap().config().unwrap()).unwrap();
    assert_eq!(engine.dpop_nonce(), None);
    assert_eq!(told(&at_resource("7", NOW + 240, None)), ("valid", 200));
}

#[test]
fn a_proof_whose_use_cannot_be_remembered_is_503() {
    let (signer, _) = engine("requests");
    let config = World::read("requests").unwrap().config().unwrap();
    let down = Exchange::builder(config).clock(SetClock::new(NOW)).replay(Box::new(Down)).build().unwrap();

    let response = case("dpop").send(&down);
    assert_eq!((response.status(), response.slug()), (503, Some("replay_unavailable")));
    let token = token(&case("dpop"), &signer);
    let claims = json!({"jti": "1", "htm": "POST", "htu": URL, "iat": NOW, "ath": token_hash(&token)});
    let refusal = present(&down, &token, Some(&proof(&claims))).unwrap_err();
    assert_eq!((refusal.slug(), refusal.http_status()), ("replay_unavailable", 503));
    assert_eq!(Challenge::of(refusal), None);
}

#[test]
fn a_proof_from_before_the_start_is_refused() {
    let world = World::read("requests").unwrap().edited(|world| {
        world["replay"]["cold_start"] = "refuse_older".into();
    });
    let engine = world.engine(SetClock::new(NOW)).unwrap();
    let request = case("dpop");
    let send = |iat: i64| {
        let claims = json!({"jti": "1", "htm": "POST", "htu": TOKEN_ENDPOINT, "iat": iat});
        request.send_with_proof(&engine, &proof(&claims)).slug()
    };
    assert_eq!(send(NOW - 31), Some("dpop_time_invalid"));
    assert_eq!(send(NOW - 30), None);
}

#[test]
fn a_bound_token_is_asked_about_and_given_back_without_a_proof() {
    let world = World::read("requests").unwrap().edited(|world| {
        world["connectors"][0]["introspect_clients"] = json!(["client-for-everything"]);
    });
    let engine = world.engine(SetClock::new(NOW)).unwrap();
    let token = token(&case("cnf-jkt"), &engine);
    let form = ("content-type", &b"application/x-www-form-urlencoded"[..]);
    let text = format!("token={token}");
    let send = |secret: &'static str, revokes: bool| {
        let headers = [form, ("authorization", secret.as_bytes())];
        let request = TokenRequest {
            method: "POST",
            target: "/",
            headers: &headers,
            body: text.as_bytes(),
            ..TokenRequest::default()
        };
        if revokes { engine.handle_revocation(&request) } else { engine.handle_introspection(&request) }
    };
    // client-for-everything and f53f191f9311af35, each with `test-secret-` and its name.
    let other = "Basic Y2xpZW50LWZvci1ldmVyeXRoaW5nOnRlc3Qtc2VjcmV0LWNsaWVudC1mb3ItZXZlcnl0aGluZw==";
    let own = "Basic ZjUzZjE5MWY5MzExYWYzNTp0ZXN0LXNlY3JldC1mNTNmMTkxZjkzMTFhZjM1";
    let answer = body(&send(other, false));
    assert_eq!((&answer["active"], &answer["token_type"]), (&true.into(), &"DPoP".into()));
    assert_eq!(answer["cnf"], claims(&token)["cnf"]);
    assert_eq!(send(own, true).status(), 200);
    assert_eq!(body(&send(other, false)), json!({"active": false}));
}

#[test]
fn a_challenge_asks_for_a_proof_where_that_is_what_is_missing() {
    let (bearers, _) = engine("requests");
    let (bound, _) = engine("requests-proof-for-everyone");
    let algorithms = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519";
    let metadata = "resource_metadata=\"https://mcp.chat.example/.well-known/oauth-protected-resource\"";
    let rest = format!("algs=\"{algorithms}\", {metadata}");
    for (challenge, error) in [
        (Challenge::NotProven, "invalid_token"),
        (Challenge::InvalidProof, "invalid_dpop_proof"),
        (Challenge::UseNonce, "use_dpop_nonce"),
    ] {
        let value = bearers.challenge(RESOURCE, challenge);
        assert!(value.starts_with(&format!("DPoP error=\"{error}\", error_description=\"")), "{value}");
        assert!(value.ends_with(&rest), "{value}");
        assert_eq!(challenge.http_status(), 401);
    }
    assert_eq!(bearers.challenge(RESOURCE, Challenge::Missing), format!("Bearer {metadata}"));
    assert_eq!(bound.challenge(RESOURCE, Challenge::Missing), format!("DPoP {rest}"));
    assert_eq!(
        bound.challenge(RESOURCE, Challenge::InsufficientScope("chat.write")),
        format!("DPoP error=\"insufficient_scope\", scope=\"chat.write\", {rest}")
    );
    assert!(bound.challenge(RESOURCE, Challenge::Invalid).starts_with("DPoP error=\"invalid_token\""));
}
