//! Clients' keys and documents come through the same guard and the same table as those of IdPs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of a test")]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use common::*;
use idjag::{IdJag, IdJagMinter, SigningKey, TokenRequest};
use idjag_fetch::{Live, Pace};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData, SigningKey as _};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const PACE: Pace = Pace {
    least_fresh_ms: 600_000,
    most_fresh_ms: 600_000,
    usual_fresh_ms: 600_000,
    max_stale_ms: 0,
    interval_ms: 500,
    max_back_off_ms: 500,
    patience_ms: 2_000,
};

static DRAWN: AtomicUsize = AtomicUsize::new(0);

/// A client's key, by other code than the engine's.
struct ClientKey {
    pair: KeyPair,
    kid: String,
}

impl ClientKey {
    fn new() -> Self {
        let kid = format!("client-{}", DRAWN.fetch_add(1, Ordering::Relaxed));
        Self { pair: KeyPair::generate_for(&PKCS_ED25519).unwrap(), kid }
    }

    fn jwks(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode_to_string(self.pair.der_bytes());
        format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{}","x":"{x}"}}]}}"#, self.kid)
    }

    fn assertion(&self, client_id: &str) -> String {
        let encode = |text: String| URL_SAFE_NO_PAD.encode_to_string(text);
        let header = encode(format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, self.kid));
        let (exp, jti) = (now() + 60, DRAWN.fetch_add(1, Ordering::Relaxed));
        let claims = encode(format!(
            r#"{{"iss":"{client_id}","sub":"{client_id}","aud":"{OURS}","exp":{exp},"jti":"{jti}"}}"#
        ));
        let input = format!("{header}.{claims}");
        let signature = self.pair.sign(input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode_to_string(signature))
    }
}

/// Asks the token endpoint as the client: `granted`, or the slug.
fn ask(
    live: &Live,
    issuer: &str,
    key: &Arc<SigningKey>,
    client_id: &str,
    client_key: &ClientKey,
) -> &'static str {
    let assertion = IdJagMinter::new(issuer, Arc::clone(key))
        .mint(&IdJag {
            audience: OURS,
            client_id,
            subject: "ada",
            issued_at: now(),
            lifetime_s: 300,
            ..IdJag::default()
        })
        .unwrap();
    let form = [
        ("grant_type", GRANT_TYPE),
        ("client_id", client_id),
        ("assertion", &assertion),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", &client_key.assertion(client_id)),
    ];
    let body = form
        .map(|(name, value)| format!("{name}={}", value.replace(':', "%3A").replace('/', "%2F")))
        .join("&");
    let answer = live.handle(&TokenRequest {
        method: "POST",
        target: "/token",
        headers: &[("content-type", b"application/x-www-form-urlencoded")],
        body: body.as_bytes(),
        ..TokenRequest::default()
    });
    let slug = answer.slug().unwrap_or("granted");
    assert_eq!(answer.status() == 503, slug.ends_with("_unavailable"), "{slug}");
    assert_eq!(answer.header("retry-after").is_some(), answer.status() == 503);
    slug
}

#[test]
fn keys_of_a_configured_client_are_fetched_and_rotate() {
    let (idp_key, old, new) = (key(), ClientKey::new(), ClientKey::new());
    let idp = idp_with(&[&idp_key]);
    let set = Arc::new(Mutex::new(old.jwks()));
    let client = Server::start(|_| Answer::Gone);
    let authorities = format!("{}{}", idp.authority, client.authority);
    let more = format!(
        "{}\n[[clients]]\nid = \"robot\"\nauth = \"private_key_jwt\"\njwks_uri = \"{}/robot\"\nlocal = true\nconnectors = [\"chat\"]\n",
        discovered(&idp.origin),
        client.origin
    );
    let live = live(config(&more, "", &authorities), PACE, Path::new(""));
    assert_eq!(ask(&live, &idp.origin, &idp_key, "robot", &old), "client_keys_unavailable");
    let shown = Arc::clone(&set);
    client.behave(move |_| Answer::json(shown.lock().unwrap().clone()));
    thread::sleep(Duration::from_millis(550));
    assert_eq!(ask(&live, &idp.origin, &idp_key, "robot", &old), "granted");
    assert_eq!(
        ask(&live, &idp.origin, &idp_key, "robot", &new),
        "client_assertion_signature",
        "fetched just now"
    );
    *set.lock().unwrap() = new.jwks();
    thread::sleep(Duration::from_millis(550));
    assert_eq!(ask(&live, &idp.origin, &idp_key, "robot", &new), "granted");
    assert_eq!(ask(&live, &idp.origin, &idp_key, "robot", &old), "client_assertion_signature");
    let before = client.hits("/robot");
    for _ in 0..50 {
        assert_eq!(ask(&live, &idp.origin, &idp_key, "robot", &new), "granted");
    }
    assert_eq!(client.hits("/robot"), before, "a known key asks nobody");
}

#[test]
fn a_client_is_known_by_its_document() {
    let (idp_key, client_key) = (key(), ClientKey::new());
    let idp = idp_with(&[&idp_key]);
    let client = Server::start(|_| Answer::Gone);
    let url = format!("{}/client.json", client.origin);
    let document = format!(
        r#"{{"client_id":"{url}","grant_types":["{GRANT_TYPE}"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"{}/jwks"}}"#,
        client.origin
    );
    let set = client_key.jwks();
    client.behave(move |asked| match asked.path.as_str() {
        "/client.json" => Answer::json(document.clone()),
        "/jwks" => Answer::json(set.clone()),
        _ => Answer::status(404),
    });
    let authorities = format!("{}{}", idp.authority, client.authority);
    let documents = |local: &str| {
        let text = "[client_documents]\nconnectors = [\"chat\"]\n";
        format!("{}{text}origins = [\"{}\"]\n{local}\n", discovered(&idp.origin), client.origin)
    };
    let live = |local| live(config(&documents(local), "", &authorities), PACE, Path::new(""));
    let public = live("");
    assert_eq!(ask(&public, &idp.origin, &idp_key, &url, &client_key), "client_document_unavailable");
    assert_eq!(client.hits("/client.json"), 0, "loopback, and not written down as local");
    let live = live("local = true");
    for _ in 0..20 {
        assert_eq!(ask(&live, &idp.origin, &idp_key, &url, &client_key), "granted");
    }
    assert_eq!((client.hits("/client.json"), client.hits("/jwks")), (1, 1));
    let missing = format!("{}/nobody.json", client.origin);
    assert_eq!(ask(&live, &idp.origin, &idp_key, &missing, &client_key), "client_document_missing");
    assert_eq!(
        ask(&live, &idp.origin, &key(), &url, &client_key),
        "kid_unknown",
        "no good assertion, no fetch"
    );
    let others = format!("{}/others.json", client.origin);
    assert_eq!(ask(&live, &idp.origin, &key(), &others, &client_key), "kid_unknown");
    assert_eq!(client.hits("/others.json"), 0);
}
