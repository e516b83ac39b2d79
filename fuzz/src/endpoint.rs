//! A request to one of the endpoints, in bytes. No request whatever gets a token without a client that proved itself and a
//! good assertion for it; nobody is told of a token, and nobody revokes one, who may not.

use std::sync::LazyLock;

use idjag::{Exchange, IdentityProvider, IdpConfig, Response, TokenRequest};
use serde_json::Value;

use crate::world::{CLAIMS, Forgetful, HEADER, NOW, RESOURCE, SERVER, engine, idp_jwks, sign, token_jwk};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// `vault:test-secret-vault`.
const BASIC: &str = "dmF1bHQ6dGVzdC1zZWNyZXQtdmF1bHQ=";
const SECRET: &str = "test-secret-poster";
const CERTIFICATE: &[u8] = b"certificate";
/// The clients that have a good assertion.
const CLIENTS: [&str; 5] = ["agent", "vault", "poster", "signer", "holder"];

const IDP_CONFIG: &str = r#"
issuer = "https://acme.idp.example"
tokens.keys = ["token.jwk"]
[limits]
refusals_per_minute = "off"
[[clients]]
id = "vault"
auth = "client_secret_basic"
secret_sha256 = "91b25379678d13b46ea81ff5846355e3e510de40614ee0a5d8828a65d15b14c1"
[[subject_tokens]]
issuer = "https://login.acme.example"
jwks_file = "acme.json"
[[targets]]
audience = "https://auth.chat.example/"
resource = "https://mcp.chat.example/"
scopes = ["chat.read"]
everyone = true
clients = [{ id = "vault", client_id = "vault" }]
"#;

static ENGINE: LazyLock<Exchange> = LazyLock::new(fresh);
static IDENTITY: LazyLock<IdentityProvider> = LazyLock::new(|| {
    let config = IdpConfig::parse("idp.toml", IDP_CONFIG, &mut |file| match file {
        "token.jwk" => Ok(token_jwk().into_bytes()),
        "acme.json" => Ok(idp_jwks().into_bytes()),
        _ => Err("no such file".into()),
    });
    IdentityProvider::new(config.expect("a good configuration")).with_clock(|| NOW)
});
/// A good assertion of each of [`CLIENTS`].
static ASSERTIONS: LazyLock<[String; 5]> = LazyLock::new(|| {
    CLIENTS.map(|client| {
        let claims = CLAIMS.replace(r#""client_id":"agent""#, &format!(r#""client_id":"{client}""#));
        sign(HEADER.as_bytes(), claims.as_bytes())
    })
});
/// With which `signer` proves itself.
static OWN: LazyLock<String> = LazyLock::new(|| {
    let claims =
        format!(r#"{{"iss":"signer","sub":"signer","aud":"{SERVER}","jti":"1","exp":{}}}"#, NOW + 60);
    sign(br#"{"alg":"EdDSA","kid":"acme","typ":"JWT"}"#, claims.as_bytes())
});
/// With which a person signed in to `vault`, at the identity provider.
static ID_TOKEN: LazyLock<String> = LazyLock::new(|| {
    let claims = format!(
        r#"{{"iss":"https://login.acme.example","sub":"ada","aud":"vault","iat":{NOW},"exp":{}}}"#,
        NOW + 300
    );
    sign(br#"{"alg":"EdDSA","kid":"acme"}"#, claims.as_bytes())
});
/// An access token of `vault`.
static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let assertion = &ASSERTIONS[1];
    let request =
        idjag::Request { assertion: assertion.as_bytes(), client_id: "vault", ..idjag::Request::default() };
    ENGINE.exchange(&request).expect("a token").access_token().to_owned()
});

fn fresh() -> Exchange {
    engine().replay(Box::new(Forgetful)).build().expect("an engine")
}

/// Method and target in the first line, headers in the next, an empty one, and the body. `{agent}`, `{vault}` and so on stand
/// for good assertions of [`CLIENTS`], `{basic}`, `{secret}` and `{own}` for what some of them prove themselves with, `{token}` and
/// `{id-token}` for what may be asked about. Of the headers, `certificate` and `peer` are no headers but what they say.
pub fn endpoint(data: &[u8]) {
    answer(data);
}

/// The same, and the status.
pub fn answer(data: &[u8]) -> u16 {
    let mut names: Vec<(String, &str)> = CLIENTS
        .iter()
        .zip(ASSERTIONS.iter())
        .map(|(client, text)| (format!("{{{client}}}"), &**text))
        .collect();
    names.extend([
        ("{basic}".to_owned(), BASIC),
        ("{secret}".to_owned(), SECRET),
        ("{own}".to_owned(), &**OWN),
        ("{token}".to_owned(), &**TOKEN),
        ("{id-token}".to_owned(), &**ID_TOKEN),
    ]);
    let text = filled(data, &names);
    let (head, body) = halves(&text, b"\n\n").unwrap_or((&text, b""));
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    // Methods, targets and header names are text by their types; their values and the body are not.
    let first = String::from_utf8_lossy(first);
    let (method, target) = first.split_once(' ').unwrap_or_default();
    let headers: Vec<(String, &[u8])> = lines
        .filter_map(|line| halves(line, b": "))
        .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value))
        .collect();
    let said = |what: &str| headers.iter().find(|(name, _)| name == what).map(|(_, value)| *value);
    let peer = said("peer").map(String::from_utf8_lossy);
    let sent: Vec<(&str, &[u8])> = headers
        .iter()
        .filter(|(name, _)| !["certificate", "peer"].contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    let request = TokenRequest {
        method,
        target,
        headers: &sent,
        body,
        client_certificate: said("certificate"),
        peer: peer.as_deref(),
    };
    match target {
        _ if target.starts_with("/revoke") => revocation(&request),
        _ if target.starts_with("/introspect") => introspection(&request),
        _ if target.starts_with("/idp") => token_exchange(&request),
        _ => token(&request),
    }
}

fn token(request: &TokenRequest<'_>) -> u16 {
    let response = ENGINE.handle(request);
    let Some(answer) = answered(&response, request) else { return response.status() };
    let who = ENGINE
        .verify(answer["access_token"].as_str().expect("a token").as_bytes(), RESOURCE)
        .expect("what is handed out is valid");
    let form = Form::read(request).expect("a form");
    assert!(form.one("dpop") == Ok(None) && form.parameter("grant_type") == Some(GRANT));
    let client = form.proven().expect("a client");
    assert_eq!(who.client_id(), client);
    let at = CLIENTS.iter().position(|other| *other == client).expect("one with an assertion");
    assert_eq!(form.parameter("assertion"), Some(ASSERTIONS[at].as_str()));
    200
}

/// Told of is the one token that there is, and the one client that may ask.
fn introspection(request: &TokenRequest<'_>) -> u16 {
    let response = ENGINE.handle_introspection(request);
    let Some(answer) = answered(&response, request) else { return response.status() };
    let form = Form::read(request).expect("a form");
    let may_know =
        form.proven().expect("a client") == "vault" && form.parameter("token") == Some(TOKEN.as_str());
    assert_eq!(answer["active"], may_know);
    assert_eq!(answer.as_object().map_or(0, serde_json::Map::len) > 1, may_know, "{answer}");
    200
}

fn revocation(request: &TokenRequest<'_>) -> u16 {
    // An engine of its own for what is long enough to hold the token: it may be revoked.
    let own = (request.body.len() >= TOKEN.len()).then(fresh);
    let engine = own.as_ref().unwrap_or(&ENGINE);
    let response = engine.handle_revocation(request);
    let is_valid = engine.verify(TOKEN.as_bytes(), RESOURCE).is_ok();
    if response.status() == 200 {
        assert!(response.body().is_empty());
        let form = Form::read(request).expect("a form");
        let revokes =
            form.proven().expect("a client") == "vault" && form.parameter("token") == Some(TOKEN.as_str());
        assert_eq!(is_valid, !revokes);
    } else {
        assert!(is_valid);
        assert!(answered(&response, request).is_none());
    }
    response.status()
}

fn token_exchange(request: &TokenRequest<'_>) -> u16 {
    let response = IDENTITY.handle(request);
    let Some(answer) = answered(&response, request) else { return response.status() };
    assert_eq!(answer["token_type"], "N_A");
    let form = Form::read(request).expect("a form");
    assert_eq!(form.proven(), Some("vault"));
    assert_eq!(form.parameter("grant_type"), Some(EXCHANGE));
    assert_eq!(form.parameter("subject_token"), Some(ID_TOKEN.as_str()));
    assert_eq!(form.parameter("audience"), Some(SERVER));
    200
}

/// The body of a success; of anything else it is an OAuth error.
fn answered(response: &Response, request: &TokenRequest<'_>) -> Option<Value> {
    let status = response.status();
    // The clock stands, so who failed ten times is never let in again.
    let is_limited = status == 429 && request.peer.is_some();
    assert!(matches!(status, 200 | 400 | 401 | 405 | 413) || is_limited, "{status}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let answer: Value = serde_json::from_slice(response.body()).expect("JSON");
    if status == 200 {
        return Some(answer);
    }
    assert!(answer["error"].is_string() && response.slug().is_some());
    None
}

/// A request by a reading that knows good ones only.
struct Form<'r> {
    request: &'r TokenRequest<'r>,
    /// A value that is no text is as good as any where nobody reads it.
    pairs: Vec<(String, Option<String>)>,
}

impl<'r> Form<'r> {
    fn read(request: &'r TokenRequest<'r>) -> Option<Self> {
        let form = Self { request, pairs: Vec::new() };
        // What stands behind the `;` may be anything.
        let media_type = String::from_utf8_lossy(form.one("content-type").ok()??);
        let is_form =
            media_type.to_ascii_lowercase().trim_start().starts_with("application/x-www-form-urlencoded");
        if request.method != "POST" || request.target.contains('?') || !is_form {
            return None;
        }
        let pairs = request.body.split(|byte| *byte == b'&');
        let pairs = pairs.map(|pair| halves(pair, b"=").unwrap_or((pair, b"")));
        let pairs = pairs.map(|(name, value)| Some((decode(name)?, decode(value)))).collect::<Option<_>>()?;
        Some(Self { request, pairs })
    }

    /// A header that may come once.
    fn one(&self, name: &str) -> Result<Option<&'r [u8]>, ()> {
        let mut found = self.request.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| *value);
        if found.next().is_some() { Err(()) } else { Ok(first) }
    }

    /// One that is not empty.
    fn parameter(&self, name: &str) -> Option<&str> {
        let mut values =
            self.pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_ref());
        let value = values.next();
        assert_eq!(values.next(), None, "`{name}` came twice");
        value.map(|value| value.expect("a text").as_str()).filter(|value| !value.is_empty())
    }

    /// The client that this proves.
    fn proven(&self) -> Option<&'static str> {
        let named = self.parameter("client_id");
        let agrees = |client: &str| named.is_none_or(|named| named == client);
        let (secret, own) = (self.parameter("client_secret"), self.parameter("client_assertion"));
        let kind = self.parameter("client_assertion_type");
        match (self.one("authorization").ok()?, secret, own) {
            (Some(header), None, None) if kind.is_none() => {
                let header = std::str::from_utf8(header).ok()?;
                let (scheme, credentials) = header.split_once(' ')?;
                let good = scheme.eq_ignore_ascii_case("basic") && credentials.trim() == BASIC;
                (good && agrees("vault")).then_some("vault")
            }
            (None, Some(secret), None) if kind.is_none() => {
                (secret == SECRET && named == Some("poster")).then_some("poster")
            }
            (None, None, Some(own)) => {
                (own == *OWN && kind == Some(ASSERTION_TYPE) && agrees("signer")).then_some("signer")
            }
            (None, None, None) if kind.is_none() => match named? {
                "agent" => Some("agent"),
                "other" => Some("other"),
                "holder" => (self.request.client_certificate == Some(CERTIFICATE)).then_some("holder"),
                _ => None,
            },
            _ => None,
        }
    }
}

/// `data` with what the names in it stand for.
fn filled(data: &[u8], names: &[(String, &str)]) -> Vec<u8> {
    let mut text = Vec::with_capacity(data.len());
    let mut rest = data;
    while let [byte, after @ ..] = rest {
        let named = names.iter().find(|(name, _)| *byte == b'{' && rest.starts_with(name.as_bytes()));
        if let Some((name, value)) = named {
            text.extend_from_slice(value.as_bytes());
            rest = &rest[name.len()..];
        } else {
            text.push(*byte);
            rest = after;
        }
    }
    text
}

/// What stands before and after the first `by`.
fn halves<'b>(bytes: &'b [u8], by: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let at = bytes.windows(by.len()).position(|part| part == by)?;
    Some((&bytes[..at], &bytes[at + by.len()..]))
}

/// What a part of a form stands for, where that is text.
fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = text.iter().copied();
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
    String::from_utf8(out).ok()
}
