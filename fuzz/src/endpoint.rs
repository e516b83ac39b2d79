//! A request to the token endpoint, as text. No request whatever gets a token without a client that proved itself and a
//! good assertion for it.

use std::sync::LazyLock;

use idjag::{Exchange, TokenRequest};
use serde_json::Value;

use crate::world::{CLAIMS, CLIENT, Forgetful, HEADER, RESOURCE, engine, sign};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// `vault:test-secret-vault`.
const SECRET: &str = "dmF1bHQ6dGVzdC1zZWNyZXQtdmF1bHQ=";

static ENGINE: LazyLock<Exchange> =
    LazyLock::new(|| engine().replay(Box::new(Forgetful)).build().expect("an engine"));
static AGENTS: LazyLock<String> = LazyLock::new(|| sign(HEADER.as_bytes(), CLAIMS.as_bytes()));
static VAULTS: LazyLock<String> = LazyLock::new(|| {
    let claims = CLAIMS.replace(r#""client_id":"agent""#, r#""client_id":"vault""#);
    sign(HEADER.as_bytes(), claims.as_bytes())
});

/// Method and target in the first line, headers in the next, an empty one, and the body. `{agent}` and `{vault}` stand
/// for good assertions, `{secret}` for the good credentials of `vault`.
pub fn endpoint(data: &[u8]) {
    let text = String::from_utf8_lossy(data)
        .replace("{agent}", &AGENTS)
        .replace("{vault}", &VAULTS)
        .replace("{secret}", SECRET);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.split('\n');
    let (method, target) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    let bytes: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let response = ENGINE.handle(&TokenRequest {
        method,
        target,
        headers: &bytes,
        body: body.as_bytes(),
        client_certificate: data.get(..20),
        peer: None,
    });
    assert!(matches!(response.status(), 200 | 400 | 401 | 405 | 413), "{}", response.status());
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let answer: Value = serde_json::from_slice(response.body()).expect("JSON");
    if response.status() != 200 {
        assert!(answer["error"].is_string() && response.slug().is_some());
        return;
    }
    let who = ENGINE
        .verify(answer["access_token"].as_str().expect("a token").as_bytes(), RESOURCE)
        .expect("what is handed out is valid");
    assert_eq!(Some(who.client_id()), proven(method, target, &headers, body), "{text}");
}

/// The client that this request proves, by a reading that knows good requests only.
fn proven(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Option<&'static str> {
    let one = |name: &str| -> Result<Option<&str>, ()> {
        let mut found = headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| *value);
        if found.next().is_some() { Err(()) } else { Ok(first) }
    };
    let media_type = one("content-type").ok()??;
    let is_form =
        media_type.to_ascii_lowercase().trim_start().starts_with("application/x-www-form-urlencoded");
    if method != "POST" || target.contains('?') || !is_form || one("dpop") != Ok(None) {
        return None;
    }
    let pairs: Vec<(String, String)> = body
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    let parameter = |name: &str| {
        let values: Vec<&str> =
            pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| &**value).collect();
        assert!(values.len() < 2, "`{name}` came twice");
        values.first().copied().filter(|value| !value.is_empty())
    };
    if parameter("grant_type") != Some(GRANT)
        || ["client_secret", "client_assertion", "client_assertion_type"]
            .iter()
            .any(|name| parameter(name).is_some())
    {
        return None;
    }
    let assertion = parameter("assertion")?;
    match one("authorization").ok()? {
        None => (assertion == *AGENTS && parameter("client_id") == Some(CLIENT)).then_some(CLIENT),
        Some(header) => {
            let (scheme, credentials) = header.split_once(' ')?;
            let named = parameter("client_id").is_none_or(|named| named == "vault");
            let good = scheme.eq_ignore_ascii_case("basic") && credentials.trim() == SECRET && named;
            (good && assertion == *VAULTS).then_some("vault")
        }
    }
}

/// What a part of a form stands for.
fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let mut digit = || char::from(ahead.next()?).to_digit(16);
        match (byte, digit(), digit()) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                bytes.nth(1);
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
