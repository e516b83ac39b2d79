//! Requests to the token endpoint, drawn at random out of everything that a client can show and an assertion can say: a
//! token comes exactly where a naive reading of the rules finds a client that proved itself and a good assertion for it,
//! and nothing is fetched or spent before. `PROPTEST_CASES` says how many are drawn. Everything in them is signed by other
//! code than ours.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod shown;

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use idjag::{ClientDocuments, Config, Exchange, Fetched, Request, Response, TokenRequest};
use idjag_tests::{RequestCase, claims};
use proptest::prelude::*;
use proptest::test_runner::{Config as Settings, TestRunner};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use shown::{Jag, Own, Proof, Said, Signer};

const NOW: i64 = 1_784_527_300;
const US: &str = "https://auth.chat.example/";
const TOKEN_ENDPOINT: &str = "https://auth.chat.example/token";
const IDP: &str = "https://acme.idp.example";
const CHAT: &str = "https://mcp.chat.example/";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The same grant, where a proof comes with it.
const GRANT_WITH_PROOF: &str = "urn:ietf:params:oauth:grant-type:jwt-dpop";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const CERTIFICATE: &[u8] = b"the certificate of tls";

/// Everybody who may be named, and the one way in which each proves itself.
const CLIENTS: [(&str, Way); 11] = [
    ("basic", Way::Basic),
    ("post", Way::Post),
    ("jwt", Way::Assertion),
    ("tls", Way::Certificate),
    ("client-tls-dn", Way::Name),
    ("public", Way::Nothing),
    ("https://client.example/open", Way::OpenDocument),
    ("https://client.example/keys", Way::DocumentWithKeys),
    ("off", Way::Nobody),
    ("unknown", Way::Nobody),
    ("https://other.example/open", Way::Nobody),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Basic,
    Post,
    Assertion,
    Certificate,
    /// The one in its certificate.
    Name,
    Nothing,
    OpenDocument,
    DocumentWithKeys,
    Nobody,
}

/// A request.
#[derive(Clone, Debug)]
struct Drawn {
    method: Said,
    target: Said,
    media_type: Said,
    grant_type: Said,
    /// The name of the grant is the other one.
    is_alias: bool,
    /// A parameter that comes twice, and a header.
    twice: [Option<usize>; 2],
    named: Option<usize>,
    /// Whose, and which secret.
    basic: Option<(usize, Secret)>,
    secret: Option<(usize, Secret)>,
    own: Option<Own>,
    /// Its place in [`certificates`].
    certificate: Option<usize>,
    jag: Option<Jag>,
    proof: Option<Proof>,
    resource: Option<Said>,
    scope: Option<Said>,
    details: Option<Said>,
}

/// What a client shows that proves itself by a secret.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Secret {
    Own,
    /// That of before, which holds while secrets are rotated.
    Old,
    Others,
}

/// The one of `tls`, the one with the name of `client-tls-dn`, and nobody's.
fn certificates() -> &'static [Vec<u8>; 3] {
    static CERTIFICATES: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
        let cases = RequestCase::read("tls").unwrap();
        let named = cases.iter().find(|case| case.name == "tls-dn").unwrap().certificate().unwrap();
        [CERTIFICATE.to_vec(), named, b"another".to_vec()]
    });
    &CERTIFICATES
}

fn rarely() -> impl Strategy<Value = bool> + Clone {
    prop::bool::weighted(0.03)
}

/// Nearly always this one.
fn client(right: usize) -> impl Strategy<Value = usize> + Clone {
    prop_oneof![30 => Just(right), 1 => 0..CLIENTS.len()]
}

/// Whoever asks shows nearly always what it should, and now and then more, less, or what is another's.
fn drawn() -> impl Strategy<Value = Drawn> {
    (0..CLIENTS.len()).prop_flat_map(|who| {
        let shows = |ways: &[Way]| if ways.contains(&CLIENTS[who].1) { 0.97 } else { 0.02 };
        let which = prop_oneof![14 => Just(Secret::Own), 5 => Just(Secret::Old), 1 => Just(Secret::Others)];
        let secret = |weight| prop::option::weighted(weight, (client(who), which.clone()));
        let certificate = usize::from(CLIENTS[who].1 == Way::Name);
        let certificate = prop_oneof![20 => Just(certificate), 1 => 0..3_usize];
        let named = if CLIENTS[who].1 == Way::Basic { 0.4 } else { 0.95 };
        let twice = (prop::option::weighted(0.03, 0..6_usize), prop::option::weighted(0.03, 0..3_usize));
        let alias = prop::bool::weighted(0.1);
        let request = (shown::said(2), shown::said(2), shown::said(2), shown::said(3), alias, twice);
        let client = (
            prop::option::weighted(named, client(who)),
            secret(shows(&[Way::Basic])),
            secret(shows(&[Way::Post])),
            prop::option::weighted(shows(&[Way::Assertion, Way::DocumentWithKeys]), shown::own(who).boxed()),
            prop::option::weighted(shows(&[Way::Certificate, Way::Name]), certificate),
        );
        let asked = (
            prop::option::weighted(0.98, shown::jag(who).boxed()),
            prop::option::weighted(0.3, shown::proof().boxed()),
            prop::option::weighted(0.2, shown::said(2)),
            prop::option::weighted(0.2, shown::said(2)),
            prop::option::weighted(0.1, shown::said(2)),
        );
        // Boxed: they are large, and the stack of a test is not.
        (request.boxed(), client.boxed(), asked.boxed()).prop_map(|(request, client, asked)| {
            let (method, target, media_type, grant_type, is_alias, (parameter, header)) = request;
            let (named, basic, secret, own, certificate) = client;
            let (jag, proof, resource, scope, details) = asked;
            let twice = [parameter, header];
            Drawn {
                method,
                target,
                media_type,
                grant_type,
                is_alias,
                twice,
                named,
                basic,
                secret,
                own,
                certificate,
                jag,
                proof,
                resource,
                scope,
                details,
            }
        })
    })
}

/// For a form.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => out + &char::from(byte).to_string(),
        _ => out + &format!("%{byte:02X}"),
    })
}

/// Puts `name` in there twice.
fn repeat<'n>(pairs: &mut Vec<(&'n str, String)>, name: &'n str) {
    let value = pairs.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone());
    let value = value.unwrap_or_else(|| "x".to_owned());
    pairs.retain(|(other, _)| *other != name);
    pairs.extend([(name, value.clone()), (name, value)]);
}

impl Drawn {
    /// Hands it over; `number` makes what is used once its own.
    fn send(&self, engine: &Exchange, number: usize) -> Response {
        let name = |client: usize| CLIENTS[client].0;
        let secret = |(client, which): (usize, Secret)| match which {
            Secret::Own => format!("secret of {}", name(client)),
            Secret::Old => format!("old secret of {}", name(client)),
            Secret::Others => "secret of nobody".to_owned(),
        };
        let grant = if self.is_alias { GRANT_WITH_PROOF } else { GRANT };
        let [room, door] = [shown::room(), json!({ "type": "door" })].map(|one| json!([one]).to_string());
        let text = |said: Option<Said>, values: &[&'static str]| said?.text(values).map(str::to_owned);
        let kind = self.own.as_ref().map(|own| own.kind);
        let notes = "https://mcp.notes.example/";
        let form = [
            (
                "grant_type",
                text(Some(self.grant_type), &[grant, "authorization_code", "client_credentials", ""]),
            ),
            ("assertion", self.jag.as_ref().map(|jag| jag.write(number))),
            ("client_id", self.named.map(|client| name(client).to_owned())),
            ("client_secret", self.secret.map(secret)),
            ("client_assertion", self.own.as_ref().map(|own| own.write(number))),
            ("client_assertion_type", text(kind, &[ASSERTION_TYPE, "saml"])),
            ("resource", text(self.resource, &[CHAT, notes, "x"])),
            ("scope", text(self.scope, &["chat.read", "notes.read", "a\"b"])),
            (
                "authorization_details",
                self.details.and_then(|said| match said {
                    Said::Right => Some(room),
                    Said::Wrong(0) => Some(door),
                    Said::Wrong(_) => Some("x".to_owned()),
                    Said::Missing => None,
                }),
            ),
        ];
        let names = form.each_ref().map(|(name, _)| *name);
        let mut form: Vec<(&str, String)> =
            form.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let media = ["application/x-www-form-urlencoded", "application/json", "text/plain"];
        let mut headers: Vec<(&str, String)> = Vec::new();
        headers.extend(text(Some(self.media_type), &media).map(|value| ("Content-Type", value)));
        if let Some(basic) = self.basic {
            let pair = format!("{}:{}", encoded(name(basic.0)), encoded(&secret(basic)));
            headers
                .push(("Authorization", format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair))));
        }
        headers.extend(self.proof.as_ref().map(|proof| ("DPoP", proof.write(number))));
        let [parameter, header] = self.twice;
        if let Some(at) = parameter {
            repeat(&mut form, names[at]);
        }
        if let Some(at) = header {
            repeat(&mut headers, ["Content-Type", "Authorization", "DPoP"][at]);
        }
        let pairs: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        engine.handle(&TokenRequest {
            method: self.method.text(&["POST", "GET", "post"]).unwrap_or_default(),
            target: self.target.text(&["/token", "/token?", "/?assertion=x"]).unwrap_or_default(),
            headers: &headers,
            body: pairs.join("&").as_bytes(),
            client_certificate: self.certificate.map(|at| certificates()[at].as_slice()),
            peer: None,
        })
    }

    /// Whether it is a request for a token at all. Of the target only a query matters.
    fn is_well_formed(&self) -> bool {
        self.method.is_right()
            && self.target.will_do()
            && self.media_type.is_right()
            && self.grant_type.is_right()
            && (!self.is_alias || self.proof.is_some())
            && self.twice == [None, None]
    }

    /// The client that it proves, in the one way that is written down for it.
    fn proven(&self) -> Option<usize> {
        let way = |client: usize| CLIENTS[client].1;
        let agrees = |client| self.named.is_none_or(|named| named == client);
        match (self.basic, self.secret, &self.own) {
            (Some((client, which)), None, None) => {
                (which != Secret::Others && agrees(client) && way(client) == Way::Basic).then_some(client)
            }
            (None, Some((whose, which)), None) => self
                .named
                .filter(|client| which != Secret::Others && whose == *client && way(*client) == Way::Post),
            (None, None, Some(own)) => {
                let is_named = match way(own.who) {
                    Way::Assertion => agrees(own.who),
                    Way::DocumentWithKeys => self.named == Some(own.who),
                    _ => false,
                };
                (is_named && own.is_good_for(own.who)).then_some(own.who)
            }
            (None, None, None) => self.named.filter(|client| match way(*client) {
                Way::Nothing | Way::OpenDocument => true,
                Way::Certificate => self.certificate == Some(0),
                Way::Name => self.certificate == Some(1),
                _ => false,
            }),
            // Two at once prove nobody.
            _ => None,
        }
    }

    /// Whether its assertion buys this client what it asks for.
    fn buys(&self, client: usize) -> bool {
        let shown = self.proof.as_ref().map(|proof| proof.signer);
        self.proof.as_ref().is_none_or(Proof::is_good)
            && self
                .jag
                .as_ref()
                .is_some_and(|jag| jag.is_good_for(client, shown) && jag.details(self.details).is_ok())
            && self.resource.is_none_or(Said::will_do)
            && self.scope.is_none_or(Said::will_do)
    }

    /// The same with a proof that was not used before: that it was is found out last.
    fn with_fresh_proof(&self) -> Self {
        let proof = self.proof.clone().map(|proof| Proof { is_used: false, ..proof });
        Self { proof, ..self.clone() }
    }
}

/// The documents, and how often one was asked for.
#[derive(Clone, Default)]
struct Documents(Arc<AtomicUsize>);

impl ClientDocuments for Documents {
    fn document(&self, url: &str) -> Fetched {
        self.0.fetch_add(1, Ordering::Relaxed);
        let method = if url.ends_with("/keys") { "private_key_jwt" } else { "none" };
        let mut document =
            json!({ "client_id": url, "grant_types": [GRANT], "token_endpoint_auth_method": method });
        if url.ends_with("/keys") {
            document["jwks"] = json!({ "keys": [Signer::Client.key().public] });
        }
        Fetched::Found(document.to_string().into_bytes().into())
    }

    fn keys(&self, _: &str) -> Fetched {
        Fetched::Unavailable
    }
}

fn engine(documents: &Documents) -> Exchange {
    let digest = |text: &str| {
        Sha256::digest(text).iter().fold(String::new(), |out, byte| out + &format!("{byte:02x}"))
    };
    let client = |id: &str, auth: &str, key: &str, value: Value| {
        let mut client = json!({ "id": id, "auth": auth, "connectors": ["*"], "enabled": id != "off" });
        client[key] = value;
        client
    };
    let secret = |id: &str, auth| {
        client(
            id,
            auth,
            "secret_sha256",
            json!(["", "old "].map(|age| digest(&format!("{age}secret of {id}")))),
        )
    };
    let certificate = digest(str::from_utf8(CERTIFICATE).unwrap());
    let keys = |signer: Signer| json!({ "keys": [signer.key().public] });
    let connector = |id: &str, state: &str| {
        json!({
            "id": id, "resource": format!("https://mcp.{id}.example/"), "state": state,
            "scopes": [format!("{id}.read"), format!("{id}.write")],
            "owner": "ops@acme.example", "review_by": "2099-01-01",
            "grants": [{ "groups": ["eng"], "scopes": ["*"], "authorization_details": ["room"] }]
        })
    };
    let config = json!({
        "issuer": US, "audit": "off", "tokens": { "keys": "ephemeral" }, "limits": { "refusals_per_minute": "off" },
        "idps": [{ "issuer": IDP, "algorithms": ["EdDSA"], "jwks": keys(Signer::Idp) }],
        "client_documents": {
            "origins": ["https://client.example"], "connectors": ["*"], "auth": ["private_key_jwt", "none"]
        },
        "clients": [
            secret("basic", "client_secret_basic"),
            secret("post", "client_secret_post"),
            client("jwt", "private_key_jwt", "jwks", keys(Signer::Client)),
            client("tls", "self_signed_tls_client_auth", "certificate_sha256", certificate.into()),
            client("client-tls-dn", "tls_client_auth", "subject_dn", r"CN=client-tls-dn,O=Acme\, Inc.,C=US".into()),
            json!({ "id": "public", "auth": "none", "connectors": ["*"] }),
            secret("off", "client_secret_basic")
        ],
        "connectors": [connector("chat", "enabled"), connector("notes", "planned")]
    });
    let config = Config::parse("idjag.json", &config.to_string(), &mut |_| Err("no files".to_owned()));
    let builder = Exchange::builder(config.unwrap()).clock(|| NOW);
    builder.client_documents(Box::new(documents.clone())).build().unwrap()
}

/// Uses what some of the requests then show once more: an assertion, a proof, and a JWT of each client.
fn spend(engine: &Exchange) {
    for (at, (name, way)) in CLIENTS.into_iter().enumerate() {
        let is_first = at == 0;
        let by_jwt = matches!(way, Way::Assertion | Way::DocumentWithKeys);
        let drawn = Drawn {
            method: Said::Right,
            target: Said::Right,
            media_type: Said::Right,
            grant_type: Said::Right,
            is_alias: false,
            twice: [None, None],
            named: Some(at),
            basic: (way == Way::Basic).then_some((at, Secret::Own)),
            secret: (way == Way::Post).then_some((at, Secret::Old)),
            own: by_jwt.then_some(Own { who: at, is_used: true, ..Own::GOOD }),
            certificate: Some(usize::from(way == Way::Name)),
            jag: Some(Jag { of: at, is_used: is_first, ..Jag::GOOD }),
            proof: is_first.then_some(Proof { is_used: true, ..Proof::GOOD }),
            resource: None,
            scope: None,
            details: None,
        };
        // Numbers that nothing else has.
        assert_eq!(drawn.send(engine, usize::MAX - at).status() == 200, way != Way::Nobody, "{name}");
    }
}

#[test]
fn no_request_whatever_gets_a_token_without_a_proven_client_and_a_good_assertion() {
    let documents = Documents::default();
    let engine = engine(&documents);
    spend(&engine);
    let asked = || documents.0.swap(0, Ordering::Relaxed);
    asked();
    let number = Cell::new(0);
    // What was granted and refused to each client.
    let met = Cell::new([[0; 2]; CLIENTS.len()]);
    let settings = Settings { failure_persistence: None, ..Settings::default() };
    // Each takes a millisecond, and much has to come together.
    let settings = Settings { cases: settings.cases.saturating_mul(8), ..settings };
    TestRunner::new(settings)
        .run(&drawn(), |drawn| {
            number.set(number.get() + 1);
            let response = drawn.send(&engine, number.get());
            let answer: Value = serde_json::from_slice(response.body()).unwrap();
            let proven = drawn.proven();
            let entitled = proven.filter(|client| drawn.is_well_formed() && drawn.buys(*client));
            let (status, slug) = (response.status(), response.slug());
            prop_assert_eq!(status == 200, entitled.is_some(), "{} {:?}", status, slug);
            prop_assert_eq!(answer["access_token"].is_string(), entitled.is_some());

            // Nobody makes us fetch but with an assertion that would be exchanged, were the client proven.
            let documented = drawn.named.filter(|client| CLIENTS[*client].0.starts_with("https://client."));
            let may_fetch = documented.is_some_and(|client| drawn.with_fresh_proof().buys(client));
            prop_assert!(asked() <= usize::from(drawn.is_well_formed() && may_fetch), "{:?}", slug);

            if let Some(client) = drawn.named.or(proven) {
                let mut counts = met.get();
                counts[client][usize::from(entitled.is_none())] += 1;
                met.set(counts);
            }
            if let Some(client) = entitled {
                let claims = claims(answer["access_token"].as_str().unwrap());
                prop_assert_eq!(&claims["client_id"], CLIENTS[client].0);
                prop_assert_eq!((&claims["sub"], &claims["aud"]), (&"ada".into(), &CHAT.into()));
                // Bound to the key that was shown, and to none where none was.
                let bound = drawn.proof.as_ref().map(|proof| proof.signer.thumbprint());
                prop_assert_eq!(claims.pointer("/cnf/jkt").and_then(Value::as_str), bound.as_deref());
                prop_assert_eq!(&answer["token_type"], if bound.is_some() { "DPoP" } else { "Bearer" });
                let details = drawn.jag.as_ref().and_then(|jag| jag.details(drawn.details).ok()).flatten();
                prop_assert_eq!(answer.get("authorization_details"), details.as_ref());
                prop_assert_eq!(claims.get("authorization_details"), details.as_ref());
                return Ok(());
            }
            prop_assert!(matches!(status, 400 | 401 | 405), "{}", status);
            prop_assert!(answer["error"].is_string() && slug.is_some());
            // What was refused is not spent: the client that it is for still gets its token.
            if let Some(jag) = drawn
                .jag
                .as_ref()
                .filter(|jag| jag.is_good_for(jag.of, None))
                .filter(|jag| jag.details(None).is_ok())
            {
                let (client_id, way) = CLIENTS[jag.of];
                let assertion = jag.write(number.get());
                let request = Request { assertion: assertion.as_bytes(), client_id, ..Request::default() };
                prop_assert_eq!(engine.exchange(&request).is_ok(), way != Way::Nobody);
            }
            Ok(())
        })
        .unwrap();
    for ([granted, refused], (name, way)) in met.get().into_iter().zip(CLIENTS) {
        assert_eq!(granted > 0, way != Way::Nobody, "{name}: {granted} granted");
        assert!(refused > 0, "{name} was never refused");
    }
    println!("{:?}", met.get());
}
