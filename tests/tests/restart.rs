//! A server that ended, in order or not, and the one after it: what was spent is spent, what was revoked is revoked, and what
//! was neither is as good as before.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use idjag::{
    Clock, Config, Exchange, IdJag, IdJagMinter, Refusal, Request, Response, Revocation, SigningKey,
    SystemClock, TokenRequest,
};
use idjag_tests::{SetClock, base64url, vectors};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// More than the leeway: what is not known to be unused would be refused as older than the start.
const LATER_S: i64 = 40;
const US: &str = "https://auth.chat.example/";
const IDP: &str = "https://acme.idp.example";
const RESOURCE: &str = "https://mcp.chat.example/";
const PLACE: &str = "IDJAG_TEST_RESTART";

/// A folder with a configuration, a record, and requests.
struct House {
    place: PathBuf,
    /// When the requests were made. The engines' clocks are set by it; the record itself goes by the system's.
    now: i64,
    idp: IdJagMinter,
}

fn key(name: &str) -> Value {
    serde_json::from_slice(&fs::read(vectors().join(format!("keys/{name}.jwk"))).unwrap()).unwrap()
}

/// A JWT by a test key, made by other code than ours.
fn jwt(typ: &str, carries_key: bool, claims: &Value) -> String {
    let jwk = key("dpop-ed25519");
    // PKCS #8 of an Ed25519 key (RFC 8410 section 7).
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend(base64url::decode(jwk["d"].as_str().unwrap()).unwrap());
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(typ.to_owned());
    if carries_key {
        let public = json!({"kty": jwk["kty"], "crv": jwk["crv"], "x": jwk["x"]});
        header.jwk = Some(serde_json::from_value(public).unwrap());
    }
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(&der)).unwrap()
}

fn client_assertion(now: i64, jti: &str) -> String {
    let claims =
        json!({"iss": "signer", "sub": "signer", "aud": US, "jti": jti, "iat": now, "exp": now + 300});
    format!(
        "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion={}",
        jwt("JWT", false, &claims)
    )
}

fn proof(now: i64, jti: &str) -> String {
    jwt("dpop+jwt", true, &json!({"jti": jti, "htm": "POST", "htu": format!("{US}token"), "iat": now}))
}

impl House {
    fn new(name: &str, subject: &str) -> Self {
        let place =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("restart-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).unwrap();
        let acme = key("acme-ed25519");
        let signing = Arc::new(SigningKey::from_jwk(acme.to_string().as_bytes()).unwrap());
        let signer = key("dpop-ed25519");
        let public = json!({"kty": signer["kty"], "crv": signer["crv"], "x": signer["x"]});
        let config = json!({
            "issuer": US,
            "audit": {"path": "audit", "subject": subject},
            "tokens": {"keys": [vectors().join("keys/token-ed25519.jwk")]},
            "idps": [{"issuer": IDP, "jwks": {"keys": [
                serde_json::from_str::<Value>(&signing.public_jwk().unwrap()).unwrap()
            ]}}],
            "clients": [
                {"id": "agent", "auth": "none", "connectors": ["chat"]},
                {"id": "signer", "auth": "private_key_jwt", "connectors": ["chat"], "jwks": {"keys": [public]}},
            ],
            "connectors": [{
                "id": "chat", "resource": RESOURCE, "scopes": ["chat.read"], "state": "enabled", "owner": "o",
                "review_by": "2099-01-01", "grants": [{"everyone": true, "scopes": ["chat.read"]}],
            }],
        });
        fs::write(place.join("idjag.json"), config.to_string()).unwrap();
        let now = SystemClock.now();
        fs::write(place.join("now"), now.to_string()).unwrap();
        Self { place, now, idp: IdJagMinter::new(IDP, signing) }
    }

    fn id_jag(&self, client_id: &str, subject: &str, jti: &str) -> String {
        let id_jag = IdJag {
            audience: US,
            client_id,
            subject,
            resource: Some(RESOURCE),
            issued_at: self.now,
            lifetime_s: 300,
            jti: Some(jti),
            ..IdJag::default()
        };
        self.idp.mint(&id_jag).unwrap()
    }

    /// Writes down a request to the token endpoint.
    fn write(
        &self,
        name: &str,
        client: &str,
        subject: &str,
        jti: &str,
        client_assertion: &str,
        proof: Option<&str>,
    ) {
        let named = if client_assertion.is_empty() { format!("&client_id={client}") } else { String::new() };
        let assertion = self.id_jag(client, subject, jti);
        let body = format!(
            "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={assertion}{named}{client_assertion}"
        );
        fs::write(self.place.join(name), format!("{}\n{body}", proof.unwrap_or_default())).unwrap();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.place);
    }
}

fn engine(place: &Path, now: i64) -> Exchange {
    let text = fs::read_to_string(place.join("idjag.json")).unwrap();
    let config =
        Config::parse("idjag.json", &text, &mut |file| fs::read(file).map_err(|why| why.to_string()));
    let config = config.unwrap();
    let record = idjag_log::open(&config, place, now).unwrap().unwrap();
    record.give(Exchange::builder(config)).clock(SetClock::new(now)).build().unwrap()
}

/// Sends what was written down.
fn send(engine: &Exchange, place: &Path, name: &str) -> Response {
    let text = fs::read_to_string(place.join(name)).unwrap();
    let (proof, body) = text.split_once('\n').unwrap();
    let mut headers: Vec<(&str, &[u8])> = vec![("content-type", b"application/x-www-form-urlencoded")];
    headers.extend((!proof.is_empty()).then_some(("dpop", proof.as_bytes())));
    let request = TokenRequest {
        method: "POST",
        target: "/token",
        headers: &headers,
        body: body.as_bytes(),
        ..TokenRequest::default()
    };
    engine.handle(&request)
}

fn token(response: &Response) -> String {
    assert_eq!(response.slug(), None);
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

fn person(subject: &str) -> Revocation<'_> {
    Revocation::Person { issuer: IDP, tenant: None, subject }
}

/// What the first server does, when the requests were made.
fn first_life(place: &Path) -> Exchange {
    let now = fs::read_to_string(place.join("now")).unwrap().parse().unwrap();
    let engine = engine(place, now);
    for name in ["id-jag", "client-assertion", "proof"] {
        let token = token(&send(&engine, place, name));
        fs::write(place.join(format!("{name}.token")), &token).unwrap();
    }
    // RFC 7009: the client gives its token back.
    let given_back = fs::read_to_string(place.join("id-jag.token")).unwrap();
    let body = format!("token={given_back}&client_id=agent");
    let answer = engine.handle_revocation(&TokenRequest {
        method: "POST",
        target: "/revoke",
        headers: &[("content-type", b"application/x-www-form-urlencoded")],
        body: body.as_bytes(),
        ..TokenRequest::default()
    });
    assert_eq!(answer.status(), 200);
    engine.revoke(&person("bob")).unwrap();
    engine.revoke(&person("cora")).unwrap();
    engine.lift(&person("cora")).unwrap();
    engine
}

/// Writes the requests of a first life, and of another that were not sent.
fn requests(house: &House) {
    for (suffix, client_jti, proof_jti) in [("", "c-1", "p-1"), ("-unused", "c-2", "p-2")] {
        let name = |what: &str| format!("{what}{suffix}");
        house.write(&name("id-jag"), "agent", "ann", &name("j-1"), "", None);
        house.write(
            &name("client-assertion"),
            "signer",
            "ann",
            &name("j-2"),
            &client_assertion(house.now, client_jti),
            None,
        );
        house.write(&name("proof"), "agent", "ann", &name("j-3"), "", Some(&proof(house.now, proof_jti)));
    }
    // Each of the three once more, beside what was not used.
    house.write("same-id-jag", "agent", "ann", "j-1", "", None);
    house.write("same-client-assertion", "signer", "ann", "j-4", &client_assertion(house.now, "c-1"), None);
    house.write("same-proof", "agent", "ann", "j-5", "", Some(&proof(house.now, "p-1")));
}

fn what_was_spent_is_spent_and_what_was_revoked_is_revoked(house: &House) {
    let place = &house.place;
    for life in 0..2 {
        let engine = engine(place, house.now + LATER_S + life);
        let slug = |name: &str| send(&engine, place, name).slug();
        for (name, why) in [
            ("id-jag", "replayed"),
            ("client-assertion", "client_assertion_replayed"),
            ("proof", "dpop_replayed"),
            ("same-id-jag", "replayed"),
            ("same-client-assertion", "client_assertion_replayed"),
            ("same-proof", "dpop_replayed"),
        ] {
            assert_eq!(slug(name), Some(why), "{name}, life {life}");
        }
        // Beside them, what was not used, although it is older than this server. Once.
        for name in ["id-jag-unused", "client-assertion-unused", "proof-unused"] {
            assert_eq!(slug(name).is_none(), life == 0, "{name}, life {life}");
        }
        let verify = |name: &str| {
            let token = fs::read(place.join(format!("{name}.token"))).unwrap();
            engine.verify(&token, RESOURCE).map_err(Refusal::slug).err()
        };
        assert_eq!((verify("id-jag"), verify("client-assertion")), (Some("token_revoked"), None));
        let asks = |subject: &str| {
            let assertion = house.id_jag("agent", subject, &format!("{subject}-{life}"));
            let request =
                Request { assertion: assertion.as_bytes(), client_id: "agent", ..Request::default() };
            engine.exchange(&request).map_err(Refusal::slug).err()
        };
        assert_eq!((asks("bob"), asks("cora"), asks("ann")), (Some("blocked"), None, None), "life {life}");
    }
}

#[test]
fn after_a_server_that_was_stopped() {
    for subject in ["plain", "hmac", "omit"] {
        let house = House::new(&format!("stopped-{subject}"), subject);
        requests(&house);
        drop(first_life(&house.place));
        what_was_spent_is_spent_and_what_was_revoked_is_revoked(&house);
    }
}

#[test]
fn after_a_server_that_was_killed() {
    let house = House::new("killed", "plain");
    requests(&house);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "life", "--ignored", "--nocapture", "--test-threads=1"])
        .env(PLACE, &house.place)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !house.place.join("done").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(began.elapsed() < Duration::from_secs(60), "it takes too long");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    what_was_spent_is_spent_and_what_was_revoked_is_revoked(&house);
}

/// Not a test: the server that is killed.
#[test]
#[ignore = "started by the test of the server that is killed"]
fn life() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let _engine = first_life(Path::new(&place));
    fs::write(Path::new(&place).join("done"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}
