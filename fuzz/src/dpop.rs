//! A proof of possession: with a request to the token endpoint, and with an access token at a resource. Only what the
//! harness's key signed for that request is taken.

use std::sync::LazyLock;

use idjag::{Exchange, ResourceRequest, TokenRequest};
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Map, Value};

use crate::world::{CLAIMS, CLIENT, Forgetful, HEADER, LEEWAY, NOW, RESOURCE, base64url, engine, sign};

const TOKEN_ENDPOINT: &str = "https://auth.chat.example/token";
/// How old a proof may be, beside the leeway: `MAX_AGE_S` of `core/src/dpop.rs`.
const MAX_AGE: i64 = 60;
const GOOD: &str = r#"{"typ":"dpop+jwt","alg":"EdDSA","jwk":{jwk}}
{"jti":"1","htm":"POST","htu":"https://auth.chat.example/token","iat":1800000000}"#;

static ENGINE: LazyLock<Exchange> =
    LazyLock::new(|| engine().replay(Box::new(Forgetful)).build().expect("an engine"));
static KEY: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[3; 32]).expect("32 octets"));
static X: LazyLock<String> = LazyLock::new(|| base64url(KEY.public_key().as_ref()));
static PROOF: LazyLock<String> = LazyLock::new(|| signed(GOOD));
static TOKEN: LazyLock<String> = LazyLock::new(|| hand_over(&PROOF).expect("a good proof"));

/// After `t`, header and claims of a proof with a line feed between, for the token endpoint; after `v`, for a resource:
/// signed by the harness, `{jwk}` its public key, `{ath}` the digest of the token; taken only if serde_json finds in them
/// what RFC 9449 section 4.3 asks for. Anything else: a proof as it is, `{proof}` a good one, of which only that is taken.
pub fn dpop(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match text.split_at_checked(1) {
        Some(("t", text)) => {
            if let Some(token) = hand_over(&signed(text)) {
                check(text, TOKEN_ENDPOINT, None);
                let bare = ENGINE.verify(token.as_bytes(), RESOURCE).expect_err("it is bound");
                assert_eq!(bare.slug(), "token_proof_required");
            }
        }
        Some(("v", text)) => {
            if show(&signed(text)) {
                check(text, RESOURCE, Some(&hash(TOKEN.as_bytes())));
            }
        }
        _ => {
            let text = text.replace("{proof}", &PROOF);
            assert_eq!(hand_over(&text).is_some(), text == *PROOF, "{text}");
            assert!(!show(&text), "it is not for the resource");
        }
    }
}

fn hash(bytes: &[u8]) -> String {
    base64url(digest(&SHA256, bytes).as_ref())
}

fn jwk() -> String {
    format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, *X)
}

/// What stands for something is put in its place.
fn filled(text: &str) -> String {
    let ath = if text.contains("{ath}") { hash(TOKEN.as_bytes()) } else { String::new() };
    text.replace("{jwk}", &jwk()).replace("{ath}", &ath)
}

fn signed(text: &str) -> String {
    let text = filled(text);
    let (header, claims) = text.split_once('\n').unwrap_or((&text, ""));
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let signature = base64url(KEY.sign(input.as_bytes()).as_ref());
    format!("{input}.{signature}")
}

/// A good request with this proof: the token, which must be bound.
fn hand_over(proof: &str) -> Option<String> {
    let assertion = sign(HEADER.as_bytes(), CLAIMS.as_bytes());
    let grant_type = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
    let body = format!("grant_type={grant_type}&client_id={CLIENT}&assertion={assertion}");
    let headers = [("content-type", &b"application/x-www-form-urlencoded"[..]), ("dpop", proof.as_bytes())];
    let response = ENGINE.handle(&TokenRequest {
        method: "POST",
        target: "/token",
        headers: &headers,
        body: body.as_bytes(),
        ..TokenRequest::default()
    });
    let answer: Value = serde_json::from_slice(response.body()).expect("JSON");
    if response.status() != 200 {
        assert_eq!((response.status(), &answer["error"]), (400, &"invalid_dpop_proof".into()));
        return None;
    }
    assert_eq!(answer["token_type"], "DPoP");
    Some(answer["access_token"].as_str().expect("a token").to_owned())
}

/// Whether the token is valid at its resource with this proof. Without one it never is.
fn show(proof: &str) -> bool {
    let request = ResourceRequest {
        token: TOKEN.as_bytes(),
        resource: RESOURCE,
        dpop: Some(proof.as_bytes()),
        method: "POST",
        url: RESOURCE,
        client_certificate: None,
    };
    match ENGINE.verify_request(&request) {
        Ok(who) => {
            let cnf: Value = serde_json::from_str(&who.cnf().expect("it is bound")).expect("JSON");
            assert_eq!(cnf["jkt"], hash(jwk().as_bytes()));
            true
        }
        Err(refusal) => {
            assert_eq!(refusal.http_status(), 401);
            false
        }
    }
}

/// What serde_json makes of what was taken.
fn check(text: &str, url: &str, ath: Option<&str>) {
    let text = filled(text);
    let (header, claims) = text.split_once('\n').expect("two lines");
    let header: Map<String, Value> = serde_json::from_str(header).expect("the header is an object");
    let claims: Map<String, Value> = serde_json::from_str(claims).expect("the claims are an object");
    assert_eq!(header["typ"], "dpop+jwt");
    assert!(header["alg"] == "EdDSA" || header["alg"] == "Ed25519");
    for name in ["crit", "b64", "jku", "x5u", "x5c"] {
        assert!(!header.contains_key(name), "{name} is obeyed by nobody");
    }
    let jwk = header["jwk"].as_object().expect("a key");
    assert_eq!((&jwk["kty"], &jwk["crv"], &jwk["x"]), (&"OKP".into(), &"Ed25519".into(), &X.as_str().into()));
    assert!(!jwk.contains_key("d") && !jwk.contains_key("k"), "a public one");

    let jti = claims["jti"].as_str().expect("a string");
    assert!((1..=256).contains(&jti.chars().count()));
    assert_eq!(claims["htm"], "POST");
    let htu = claims["htu"].as_str().expect("a string").split(['?', '#']).next().unwrap_or_default();
    let plain =
        htu.to_ascii_lowercase().replacen("example:443", "example", 1).replacen("example:", "example", 1);
    assert_eq!(plain.trim_end_matches('/'), url.trim_end_matches('/'), "{htu}");
    #[expect(clippy::cast_precision_loss, reason = "some years after 1970")]
    let (now, leeway, age) = (NOW as f64, LEEWAY as f64, MAX_AGE as f64);
    let iat = claims["iat"].as_f64().expect("a number of seconds");
    assert!(now - leeway - age <= iat && iat <= now + leeway);
    assert!(ath.is_none_or(|ath| claims["ath"] == ath), "for this token");
}
