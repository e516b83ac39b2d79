//! What a request shows: JWTs that say what they should, or something else, each signed by whoever may, or not.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use idjag_tests::{base64url, vectors};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{CHAT, CLIENTS, IDP, NOW, TOKEN_ENDPOINT, US, client, rarely};

/// Whose key signs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Signer {
    Idp,
    Client,
    Proof,
    Attacker,
    /// Nobody: `alg` is `none`.
    Nobody,
}

/// What one claim says: what it should, or something else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Said {
    Right,
    /// Another value, by its place behind the right one.
    Wrong(usize),
    Missing,
}

/// A client's own JWT (RFC 7523 section 2.2).
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) who: usize,
    pub(crate) signer: Signer,
    pub(crate) typ: Said,
    pub(crate) audience: Said,
    pub(crate) expiry: Said,
    pub(crate) is_used: bool,
    /// `client_assertion_type`, beside it.
    pub(crate) kind: Said,
}

/// An ID-JAG.
#[derive(Clone, Debug)]
pub(crate) struct Jag {
    pub(crate) of: usize,
    pub(crate) signer: Signer,
    pub(crate) typ: Said,
    pub(crate) issuer: Said,
    pub(crate) audience: Said,
    pub(crate) expiry: Said,
    pub(crate) subject: Said,
    pub(crate) resource: Said,
    pub(crate) scope: Said,
    pub(crate) groups: Said,
    pub(crate) is_used: bool,
    pub(crate) cnf: Said,
    /// `authorization_details`: one that a grant allows; that and another type; or no list.
    pub(crate) details: Said,
}

/// A DPoP proof (RFC 9449).
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    pub(crate) signer: Signer,
    pub(crate) method: Said,
    pub(crate) url: Said,
    pub(crate) time: Said,
    pub(crate) is_used: bool,
}

/// Nearly always what it should be.
pub(crate) fn said(others: usize) -> impl Strategy<Value = Said> + Clone {
    prop_oneof![
        40 => Just(Said::Right),
        1 => (0..others).prop_map(Said::Wrong),
        1 => Just(Said::Missing),
    ]
}

fn signer(right: Signer) -> impl Strategy<Value = Signer> + Clone {
    let any = [Signer::Idp, Signer::Client, Signer::Proof, Signer::Attacker, Signer::Nobody];
    prop_oneof![25 => Just(right), 1 => prop::sample::select(any.to_vec())]
}

/// Nearly always a good one of `right`.
pub(crate) fn own(right: usize) -> impl Strategy<Value = Own> {
    let claims = (said(2), said(3), said(3), rarely(), said(1));
    (client(right), signer(Signer::Client), claims).prop_map(|(who, signer, claims)| {
        let (typ, audience, expiry, is_used, kind) = claims;
        Own { who, signer, typ, audience, expiry, is_used, kind }
    })
}

/// Nearly always a good one for `right`.
pub(crate) fn jag(right: usize) -> impl Strategy<Value = Jag> {
    let cnf = prop_oneof![9 => Just(Said::Missing), 3 => said(2)];
    let details = prop_oneof![6 => Just(Said::Missing), 3 => Just(Said::Right), 1 => said(2)];
    let header = (client(right), signer(Signer::Idp), said(3), said(2), said(4), said(3));
    (header, (said(2), said(3), said(2), said(2), rarely(), cnf, details)).prop_map(|(header, claims)| {
        let (of, signer, typ, issuer, audience, expiry) = header;
        let (subject, resource, scope, groups, is_used, cnf, details) = claims;
        Jag {
            of,
            signer,
            typ,
            issuer,
            audience,
            expiry,
            subject,
            resource,
            scope,
            groups,
            is_used,
            cnf,
            details,
        }
    })
}

/// Nearly always a good one.
pub(crate) fn proof() -> impl Strategy<Value = Proof> {
    (signer(Signer::Proof), said(2), said(3), said(2), rarely())
        .prop_map(|(signer, method, url, time, is_used)| Proof { signer, method, url, time, is_used })
}

/// A test key, and its public half.
pub(crate) struct Key {
    signing: EncodingKey,
    pub(crate) public: Value,
}

static KEYS: LazyLock<BTreeMap<&str, Key>> = LazyLock::new(|| {
    let read = |name: &'static str| {
        let text = std::fs::read(vectors().join(format!("keys/{name}.jwk"))).unwrap();
        let jwk: Value = serde_json::from_slice(&text).unwrap();
        // PKCS #8 of an Ed25519 key (RFC 8410 section 7).
        let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
        der.extend(base64url::decode(jwk["d"].as_str().unwrap()).unwrap());
        let public = json!({"kty": jwk["kty"], "crv": jwk["crv"], "x": jwk["x"], "kid": "k"});
        (name, Key { signing: EncodingKey::from_ed_der(&der), public })
    };
    ["acme-ed25519", "acme-ed25519-two", "dpop-ed25519", "attacker-ed25519"].map(read).into()
});

impl Signer {
    pub(crate) fn key(self) -> &'static Key {
        &KEYS[match self {
            Self::Idp => "acme-ed25519",
            Self::Client => "acme-ed25519-two",
            Self::Proof => "dpop-ed25519",
            Self::Attacker | Self::Nobody => "attacker-ed25519",
        }]
    }

    /// RFC 7638.
    pub(crate) fn thumbprint(self) -> String {
        let text = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":{}}}"#, self.key().public["x"]);
        base64url::encode(&Sha256::digest(text))
    }

    fn sign(self, mut header: Value, claims: &Value) -> String {
        let is_signed = self != Self::Nobody;
        header["alg"] = if is_signed { "EdDSA" } else { "none" }.into();
        let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
        let input = format!("{}.{}", part(&header), part(claims));
        let signature =
            is_signed.then(|| crypto::sign(input.as_bytes(), &self.key().signing, Algorithm::EdDSA).unwrap());
        format!("{input}.{}", signature.unwrap_or_default())
    }
}

impl Said {
    /// The value, if there is one. The first of `values` is right.
    pub(crate) fn of(self, values: &[Value]) -> Option<Value> {
        match self {
            Self::Right => Some(values[0].clone()),
            Self::Wrong(at) => Some(values[1 + at].clone()),
            Self::Missing => None,
        }
    }

    /// The same of texts.
    pub(crate) fn text(self, values: &[&'static str]) -> Option<&'static str> {
        match self {
            Self::Right => Some(values[0]),
            Self::Wrong(at) => Some(values[1 + at]),
            Self::Missing => None,
        }
    }

    pub(crate) fn is_right(self) -> bool {
        self == Self::Right
    }

    /// Right, or left out.
    pub(crate) fn will_do(self) -> bool {
        !matches!(self, Self::Wrong(_))
    }
}

/// Of the one type that a grant allows.
pub(crate) fn room() -> Value {
    json!({ "type": "room", "name": "lunch" })
}

fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn jti(is_used: bool, number: usize) -> Value {
    if is_used { "used".into() } else { number.to_string().into() }
}

impl Own {
    pub(crate) const GOOD: Self = Self {
        who: 0,
        signer: Signer::Client,
        typ: Said::Right,
        audience: Said::Right,
        expiry: Said::Right,
        is_used: false,
        kind: Said::Right,
    };

    pub(crate) fn write(&self, number: usize) -> String {
        let who = CLIENTS[self.who].0;
        let typ = self.typ.text(&["JWT", "oauth-id-jag+jwt", "at+jwt"]);
        let claims = object([
            ("iss", Some(who.into())),
            ("sub", Some(who.into())),
            ("aud", self.audience.of(&[US.into(), TOKEN_ENDPOINT.into(), json!([US, "x"]), CHAT.into()])),
            (
                "exp",
                self.expiry.of(&[(NOW + 60).into(), (NOW - 60).into(), (NOW + 90_000).into(), "9".into()]),
            ),
            ("jti", Some(jti(self.is_used, number))),
        ]);
        self.signer.sign(object([("typ", typ.map(Value::from)), ("kid", Some("k".into()))]), &claims)
    }

    pub(crate) fn is_good_for(&self, client: usize) -> bool {
        let Self { who, signer, typ, audience, expiry, is_used, kind } = self;
        *who == client
            && *signer == Signer::Client
            && typ.will_do()
            && [audience, expiry, kind].iter().all(|said| said.is_right())
            && !is_used
    }
}

impl Jag {
    pub(crate) const GOOD: Self = Self {
        of: 0,
        signer: Signer::Idp,
        typ: Said::Right,
        issuer: Said::Right,
        audience: Said::Right,
        expiry: Said::Right,
        subject: Said::Right,
        resource: Said::Right,
        scope: Said::Right,
        groups: Said::Right,
        is_used: false,
        cnf: Said::Missing,
        details: Said::Missing,
    };

    pub(crate) fn write(&self, number: usize) -> String {
        let typ = self.typ.text(&["oauth-id-jag+jwt", "JWT", "at+jwt", "application/oauth-id-jag+jwt"]);
        let jkt = |signer: Signer| json!({ "jkt": signer.thumbprint() });
        let audiences = [US.into(), TOKEN_ENDPOINT.into(), CHAT.into(), json!([US, US]), json!([])];
        let [notes, other] = ["https://mcp.notes.example/", "https://mcp.other.example/"];
        let claims = object([
            ("iss", self.issuer.text(&[IDP, US, "https://acme.idp.example/"]).map(Value::from)),
            ("aud", self.audience.of(&audiences)),
            ("exp", self.expiry.of(&[(NOW + 300).into(), (NOW - 60).into(), (NOW + 900).into(), "9".into()])),
            ("iat", Some(NOW.into())),
            ("sub", self.subject.of(&["ada".into(), "".into(), 1.into()])),
            ("jti", Some(jti(self.is_used, number))),
            ("client_id", Some(CLIENTS[self.of].0.into())),
            ("resource", self.resource.of(&[CHAT.into(), notes.into(), other.into(), 1.into()])),
            ("scope", self.scope.text(&["chat.read chat.write", "notes.read", ""]).map(Value::from)),
            ("groups", self.groups.of(&[json!(["eng"]), json!(["sales"]), json!({})])),
            (
                "authorization_details",
                self.details.of(&[json!([room()]), json!([room(), { "type": "door" }]), json!({})]),
            ),
            ("cnf", self.cnf.of(&[jkt(Signer::Proof), jkt(Signer::Attacker), json!({ "made-up": "x" })])),
        ]);
        self.signer.sign(object([("typ", typ.map(Value::from)), ("kid", Some("k".into()))]), &claims)
    }

    /// What of its `authorization_details` comes with the token where the request names `asked`; `Err`: nothing comes.
    pub(crate) fn details(&self, asked: Option<Said>) -> Result<Option<Value>, ()> {
        match (self.details, asked.unwrap_or(Said::Missing)) {
            (Said::Missing, Said::Missing) => Ok(None),
            (Said::Right, Said::Missing | Said::Right) | (Said::Wrong(0), Said::Right) => {
                Ok(Some(json!([room()])))
            }
            _ => Err(()),
        }
    }

    /// Whether it gets something for this client, which shows that it has the key of `shown`; but for its details.
    pub(crate) fn is_good_for(&self, client: usize, shown: Option<Signer>) -> bool {
        let Self {
            of,
            signer,
            typ,
            issuer,
            audience,
            expiry,
            subject,
            resource,
            scope,
            groups,
            is_used,
            cnf,
            details: _,
        } = self;
        let is_bound_to = match cnf {
            Said::Missing => None,
            Said::Right => Some(Signer::Proof),
            Said::Wrong(0) => Some(Signer::Attacker),
            Said::Wrong(_) => return false,
        };
        // Without a resource it is for the one that is served, without a scope for all that the person has.
        *of == client
            && *signer == Signer::Idp
            && [typ, issuer, audience, expiry, subject, groups].iter().all(|said| said.is_right())
            && resource.will_do()
            && scope.will_do()
            && !is_used
            && is_bound_to.is_none_or(|key| shown == Some(key))
    }
}

impl Proof {
    pub(crate) const GOOD: Self = Self {
        signer: Signer::Proof,
        method: Said::Right,
        url: Said::Right,
        time: Said::Right,
        is_used: false,
    };

    pub(crate) fn write(&self, number: usize) -> String {
        let public = &self.signer.key().public;
        let jwk = json!({"kty": public["kty"], "crv": public["crv"], "x": public["x"]});
        let urls = [TOKEN_ENDPOINT, CHAT, "https://auth.chat.example/token/", "/token"];
        let claims = object([
            ("htm", self.method.text(&["POST", "GET", "post"]).map(Value::from)),
            ("htu", self.url.text(&urls).map(Value::from)),
            ("iat", self.time.of(&[NOW.into(), (NOW - 100).into(), (NOW + 100).into()])),
            ("jti", Some(jti(self.is_used, number))),
        ]);
        self.signer.sign(json!({ "typ": "dpop+jwt", "jwk": jwk }), &claims)
    }

    /// Whoever signed it has the key that it brings.
    pub(crate) fn is_good(&self) -> bool {
        let Self { signer, method, url, time, is_used } = self;
        // What was used was used by the key of the proofs.
        *signer != Signer::Nobody
            && [method, url, time].iter().all(|said| said.is_right())
            && !(*is_used && *signer == Signer::Proof)
    }
}
