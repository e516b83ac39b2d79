//! What is sent to be expensive: long, deep and wide texts at every door. They are refused, take little memory, and leave
//! an engine that goes on.
//!
//! How long that takes is a figure of `cargo run --release -p idjag-benches --bin figures`; here is a bound for a debug build
//! that only what is not linear, or waits, would break.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use allocation_counter::measure;
use idjag::{
    Algorithm, Config, Directory, Exchange, IdJag, IdJagMinter, KeySet, KeySetProblem, Refusal, Request,
    SigningKey, TokenRequest,
};
use idjag_tests::{SetClock, World, base64url, vectors};
use serde_json::{Value, json};

const NOW: i64 = 1_784_527_300;
const CLIENT: &str = "client-public";
const RESOURCE: &str = "https://mcp.chat.example/";
const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
const CLIENT_ASSERTION: &str =
    "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion";
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Texts that a parser may choke on, of about `size` bytes.
fn shapes(size: usize) -> Vec<(String, String)> {
    let repeated = [".", "[", "{", "\\u", "\"", "{\"a\":", "\\ud800", "0", ",", " ", "\0", "\u{20ac}"];
    let mut shapes: Vec<(String, String)> = repeated
        .iter()
        .map(|part| (format!("{size} bytes of {part:?}"), part.repeat(size / part.len())))
        .collect();
    shapes.push((
        format!("{size} bytes in an escaped text"),
        format!("{{\"a\":\"{}\"}}", "\\u0041".repeat(size / 6 - 2)),
    ));
    shapes.push((format!("{size} bytes of members"), members(size / 12)));
    shapes.push((format!("{size} bytes of levels"), levels(size / 3)));
    shapes
}

/// An object with so many members.
fn members(count: usize) -> String {
    format!("{{{}}}", (0..count).map(|at| format!("\"m{at:06}\":{}", at % 10)).collect::<Vec<_>>().join(","))
}

/// An object in which arrays nest so deep.
fn levels(depth: usize) -> String {
    format!("{{\"a\":{}0{}}}", "[".repeat(depth), "]".repeat(depth))
}

/// A shape in every place of a token.
fn tokens(text: &str, typ: &str, kid: &str) -> [String; 4] {
    let encode = |text: &str| base64url::encode(text.as_bytes());
    let header = encode(&format!(r#"{{"alg":"EdDSA","typ":"{typ}","kid":"{kid}"}}"#));
    let (claims, signature) = (encode(r#"{"iss":"https://acme.idp.example"}"#), "A".repeat(86));
    [
        text.to_owned(),
        format!("{}.{claims}.{signature}", encode(text)),
        format!("{header}.{}.{signature}", encode(text)),
        format!("{header}.{claims}.{}", encode(text)),
    ]
}

/// As a value of a form.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => escaped.push(char::from(byte)),
            _ => _ = write!(escaped, "%{byte:02X}"),
        }
    }
    escaped
}

/// Without the limit that would hide why most of these are refused.
fn limits(more: &Value) -> impl FnOnce(&mut Value) {
    let mut limits = json!({"refusals_per_minute": "off"});
    limits.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    |config| config["limits"] = limits
}

/// What may come of a text that is short enough to be looked at.
const READ: [&str; 10] = [
    "assertion_malformed",
    "audience_malformed",
    "client_assertion_malformed",
    "client_auth_malformed",
    "dpop_malformed",
    "form_malformed",
    "grant_type_unsupported",
    "json_too_complex",
    "token_malformed",
    "token_signature_invalid",
];

fn engine(edit: impl FnOnce(&mut Value)) -> Exchange {
    World::read("requests").unwrap().edited(edit).engine(SetClock::new(NOW)).unwrap()
}

fn request(assertion: &str) -> Request<'_> {
    Request { assertion: assertion.as_bytes(), client_id: CLIENT, ..Request::default() }
}

fn id_jag(jti: &str, further: &str) -> String {
    let key = std::fs::read(vectors().join("keys/acme-ed25519.jwk")).unwrap();
    let minter = IdJagMinter::new("https://acme.idp.example", Arc::new(SigningKey::from_jwk(&key).unwrap()));
    minter
        .mint(&IdJag {
            audience: "https://auth.chat.example/",
            client_id: CLIENT,
            subject: "ada",
            jti: Some(jti),
            resource: Some(RESOURCE),
            groups: &["eng"],
            issued_at: NOW,
            lifetime_s: 300,
            further,
            ..IdJag::default()
        })
        .unwrap()
}

/// What is `sent` is refused at `door`, within `time` and a memory that the sender cannot make many times as large.
fn refused<R>(
    what: &str,
    sent: usize,
    time: Duration,
    door: impl Fn() -> Result<R, &'static str>,
) -> &'static str {
    let bytes = u64::try_from(64 * KIB + 32 * sent).unwrap();
    let once = || door().err().unwrap_or_else(|| panic!("{what} is accepted"));
    let slug = once();
    let taken = measure(|| assert_eq!(once(), slug, "{what}"));
    assert!(taken.bytes_max <= bytes, "{what}: {} bytes for {sent}", taken.bytes_max);
    // The least of some, so that nobody else's work counts.
    let fastest = (0..3).map(|_| {
        let began = Instant::now();
        once();
        began.elapsed()
    });
    let fastest = fastest.min().unwrap();
    assert!(fastest <= time, "{what}: {fastest:?}");
    slug
}

/// Every shape in every place of what comes to every door.
fn at_every_door(engine: &Exchange, size: usize, time: Duration) -> BTreeSet<&'static str> {
    let mut slugs = BTreeSet::new();
    for (name, text) in shapes(size) {
        for (place, token) in tokens(&text, "oauth-id-jag+jwt", "test-acme-ed25519").iter().enumerate() {
            let what = format!("{name}, place {place}");
            let mut door = |door: &str, sent: usize, try_it: &dyn Fn() -> Result<(), &'static str>| {
                slugs.insert(refused(&format!("{what}, {door}"), sent, time, try_it));
            };
            door("exchange", token.len(), &|| {
                engine.exchange(&request(token)).map(drop).map_err(Refusal::slug)
            });
            door("exchange_many", 4 * token.len(), &|| {
                let answers = engine.exchange_many(&[request(token); 4]);
                answers.into_iter().try_for_each(|answer| answer.map(drop)).map_err(Refusal::slug)
            });
            let body = format!("{GRANT}&client_id={CLIENT}&assertion={}", escaped(token));
            door("handle", body.len(), &|| send(engine, &[], &body));
        }
        for (place, token) in tokens(&text, "at+jwt", "test-token-ed25519").iter().enumerate() {
            let what = format!("{name}, place {place}, verify");
            slugs.insert(refused(&what, token.len(), time, || {
                engine.verify(token.as_bytes(), RESOURCE).map_err(Refusal::slug)
            }));
        }
        for (place, token) in tokens(&text, "JWT", "test-client-ed25519").iter().enumerate() {
            let body = format!("{GRANT}&assertion=x&{CLIENT_ASSERTION}={}", escaped(token));
            let what = format!("{name}, place {place}, client assertion");
            slugs.insert(refused(&what, body.len(), time, || send(engine, &[], &body)));
        }
        let body = format!("grant_type={text}&{text}");
        slugs.insert(refused(&format!("{name}, body"), body.len(), time, || send(engine, &[], &body)));
        let body = format!("{GRANT}&client_id={CLIENT}&assertion={}", id_jag("a-good-one", ""));
        for header in ["dpop", "authorization"] {
            let what = format!("{name}, header {header}");
            let send = || send(engine, &[(header, text.as_bytes())], &body);
            slugs.insert(refused(&what, body.len() + text.len(), time, send));
        }
    }
    // It goes on, and nothing was spent.
    assert!(engine.exchange(&request(&id_jag("a-good-one", ""))).is_ok());
    slugs
}

fn send(engine: &Exchange, more: &[(&str, &[u8])], body: &str) -> Result<(), &'static str> {
    let mut headers = vec![("content-type", &b"application/x-www-form-urlencoded"[..])];
    headers.extend(more);
    let request = TokenRequest {
        method: "POST",
        target: "/",
        headers: &headers,
        body: body.as_bytes(),
        ..TokenRequest::default()
    };
    engine.handle(&request).slug().map_or(Ok(()), Err)
}

#[test]
fn texts_of_16_kib() {
    let slugs = at_every_door(&engine(limits(&json!({}))), 16 * KIB, Duration::from_millis(20));
    // In base64url they are longer than an assertion may be.
    assert_eq!(slugs, [&READ[..], &["assertion_too_large"]].concat().into_iter().collect());
}

#[test]
fn texts_of_1_mib() {
    let slugs = at_every_door(&engine(limits(&json!({}))), MIB, Duration::from_millis(20));
    let unread = [
        "assertion_too_large",
        "body_too_large",
        "client_auth_malformed",
        "dpop_malformed",
        "token_malformed",
    ];
    assert_eq!(slugs, BTreeSet::from(unread));
}

#[test]
fn texts_of_1_mib_where_they_are_allowed() {
    let engine = engine(limits(&json!({"max_assertion_bytes": MIB, "max_body_bytes": 16 * MIB})));
    let slugs = at_every_door(&engine, MIB, Duration::from_millis(500));
    assert_eq!(slugs, [&READ[..], &["assertion_too_large"]].concat().into_iter().collect());
    // Signed by an IdP that is trusted, and no better.
    let wide = members(40_000);
    for further in [wide.trim_matches(['{', '}']), &format!("\"act\":{}", levels(10_000))] {
        let assertion = id_jag("signed", further);
        let slug = refused("signed", assertion.len(), Duration::from_millis(500), || {
            engine.exchange(&request(&assertion)).map_err(Refusal::slug)
        });
        assert_eq!(slug, "json_too_complex");
    }
}

#[test]
fn keys_people_and_configurations_of_100_000_members() {
    const COUNT: usize = 100_000;
    let wide = members(COUNT);
    let time = Duration::from_secs(2);
    let inner = wide.trim_matches(['{', '}']);
    let good = std::fs::read_to_string(vectors().join("keys/acme-ed25519.jwk")).unwrap();
    let good: Value = serde_json::from_str(&good).unwrap();
    let good = json!({"kty": "OKP", "crv": "Ed25519", "kid": "good", "x": good["x"]}).to_string();
    let began = Instant::now();

    // The key that is too wide is dropped, the one beside it is kept.
    let set = |inner: &str| format!(r#"{{"keys":[{{"kty":"OKP",{inner}}},{good}]}}"#);
    let parse = |set: &str| KeySet::parse(set.as_bytes(), &[Algorithm::EdDSA]);
    let keys = parse(&set(inner.split_at(MIB - 1024).0.rsplit_once(',').unwrap().0)).unwrap();
    assert_eq!((keys.len(), keys.problems().len()), (1, 1));
    assert_eq!(parse(&set(inner)).err(), Some(KeySetProblem::TooLarge));
    for text in [&wide, &levels(COUNT), &"[".repeat(COUNT), &"{\"keys\":".repeat(COUNT)] {
        assert!(KeySet::parse(text.as_bytes(), &[Algorithm::EdDSA]).is_err());
        assert!(SigningKey::from_jwk(text.as_bytes()).is_err());
        assert!(Directory::from_json("people.json", text.as_bytes()).is_err());
        assert!(Directory::from_csv("people.csv", text.as_bytes()).is_err());
        for name in ["idjag.json", "idjag.toml"] {
            let parsed = Config::parse(name, text, &mut |_| Err("no files".to_owned()));
            let message = parsed.err().map(|error| error.to_string()).unwrap();
            assert!(message.len() < 2 * KIB, "{name}: {} bytes of message", message.len());
        }
        // A good configuration stays whatever is offered in its place.
        let engine = engine(|_| {});
        assert!(engine.put_jwks("https://acme.idp.example", text.as_bytes()).is_err());
        assert!(engine.exchange(&request(&id_jag("a-good-one", ""))).is_ok());
    }
    assert!(began.elapsed() < 8 * time, "{:?}", began.elapsed());
}
