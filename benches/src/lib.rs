//! What the benchmarks share: one server, its IdP, and assertions like Okta's.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes and times are far below 2^52"
)]

use std::error::Error;
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use idjag::{
    Algorithm, Builder, Clock as _, Config, Exchange, IdJag, IdJagMinter, Request, SigningKey, SystemClock,
};

pub mod plot;

/// What can go wrong while a world is made.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The issuer identifier of the server.
pub const ISSUER: &str = "https://auth.chat.example/";
/// The resource of its connector.
pub const RESOURCE: &str = "https://mcp.chat.example/";
/// The client.
pub const CLIENT: &str = "f53f191f9311af35";
/// The time at which everything happens, in seconds since 1970, unless a world goes by the system's clock.
pub const NOW: i64 = 1_784_527_300;
/// The client's secret, where it has one.
const SECRET: &str = "a secret of the benchmark";
/// The header of a form.
pub const FORM: (&str, &[u8]) = ("content-type", b"application/x-www-form-urlencoded");
/// People in the directory.
pub const PEOPLE: usize = 2_000;

/// How much of everything there is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// IdPs, each with a key of its own.
    pub issuers: usize,
    /// Connectors, all of them enabled.
    pub connectors: usize,
    /// People in the directory, each in eight groups, shared out among the IdPs.
    pub people: usize,
}

impl Size {
    /// One company with one connector.
    pub const SMALL: Self = Self { issuers: 1, connectors: 1, people: PEOPLE };
}

/// A server that people may use, and the IdPs that vouch for them.
pub struct World {
    size: Size,
    idps: Vec<IdJagMinter>,
    idp_jwk: String,
    own_jwk: String,
    config: String,
    directory: String,
    stopped: bool,
}

impl World {
    /// A small one. Makes keys for both sides: `idp` signs the assertions, `own` the access tokens.
    ///
    /// # Errors
    ///
    /// A provider that cannot generate such a key.
    pub fn new(idp: Algorithm, own: Algorithm) -> Result<Self, Failure> {
        Self::of(idp, own, Size::SMALL)
    }

    /// One of `size`.
    ///
    /// # Errors
    ///
    /// A provider that cannot generate such a key.
    pub fn of(idp: Algorithm, own: Algorithm, size: Size) -> Result<Self, Failure> {
        let (mut idps, mut jwks, mut written) = (Vec::new(), Vec::new(), Vec::new());
        for at in 0..size.issuers {
            let key = Arc::new(SigningKey::generate(idp)?);
            let public = key.public_jwk().ok_or("the IdP's key has no public half")?;
            written.push(format!(
                r#"{{ "issuer": "{}", "algorithms": ["{}"], "jwks": {{ "keys": [{public}] }}, "groups": {{ "directory": true }} }}"#,
                issuer(at),
                idp.name()
            ));
            idps.push(IdJagMinter::new(issuer(at), key));
            jwks.push(public);
        }
        let whose = if size.issuers > 1 { r#""any_issuer": true,"# } else { "" };
        let connectors: Vec<String> = (0..size.connectors).map(|at| connector(at, whose)).collect();
        let config = format!(
            r#"{{
                "issuer": "{ISSUER}",
                "audit": "off",
                "directory": "directory.json",
                "tokens": {{ "algorithm": "{}", "keys": ["own.jwk"] }},
                "replay": {{ "cold_start": "accept" }},
                "idps": [{}],
                "clients": [{{ "id": "{CLIENT}", "auth": "none", "connectors": ["*"] }}],
                "connectors": [{}]
            }}"#,
            own.name(),
            written.join(","),
            connectors.join(","),
        );
        Ok(Self {
            size,
            idps,
            idp_jwk: jwks.into_iter().next().ok_or("no issuer")?,
            own_jwk: SigningKey::generate(own)?.to_jwk().to_string(),
            config,
            directory: directory(size),
            stopped: true,
        })
    }

    /// The same world, but its engines go by the system's clock, and its assertions are issued when they are minted.
    #[must_use]
    pub fn by_the_clock(mut self) -> Self {
        self.stopped = false;
        self
    }

    /// What time it is, in seconds since 1970.
    pub fn now(&self) -> i64 {
        if self.stopped { NOW } else { SystemClock.now() }
    }

    /// The public key of the first IdP.
    pub fn idp_jwk(&self) -> &str {
        &self.idp_jwk
    }

    /// The directory, as JSON text.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// What the configuration says of connectors, as the text of `policy.toml`.
    pub fn policy(&self) -> String {
        let whose = if self.size.issuers > 1 { "any_issuer = true, " } else { "" };
        (0..self.size.connectors).map(|at| connector_toml(at, whose)).collect()
    }

    /// An engine in the making, whose clock stands at [`NOW`] unless this world goes by the system's.
    ///
    /// # Errors
    ///
    /// A configuration that does not parse.
    pub fn builder(&self) -> Result<Builder, Failure> {
        self.builder_of(&self.config)
    }

    fn builder_of(&self, config: &str) -> Result<Builder, Failure> {
        let config = Config::parse("bench.json", config, &mut |name| {
            let text = if name == "own.jwk" { &self.own_jwk } else { &self.directory };
            Ok(text.as_bytes().to_vec())
        })?;
        let builder = Exchange::builder(config);
        Ok(if self.stopped { builder.clock(|| NOW) } else { builder })
    }

    /// An engine like that, with nothing spent.
    ///
    /// # Errors
    ///
    /// A configuration that does not parse.
    pub fn engine(&self) -> Result<Exchange, Failure> {
        Ok(self.builder()?.build()?)
    }

    /// The same, where the client proves itself: `auth` are members of its configuration, as JSON.
    ///
    /// # Errors
    ///
    /// A configuration that does not parse.
    pub fn engine_for(&self, auth: &str) -> Result<Exchange, Failure> {
        Ok(self.builder_of(&self.config.replacen(r#""auth": "none""#, auth, 1))?.build()?)
    }

    /// The same, where the client has a secret: see [`credentials`].
    ///
    /// # Errors
    ///
    /// A configuration that does not parse.
    pub fn engine_for_basic(&self) -> Result<Exchange, Failure> {
        let digest = digest::digest(&digest::SHA256, SECRET.as_bytes());
        let hex = digest.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        self.engine_for(&format!(r#""auth": "client_secret_basic", "secret_sha256": "{hex}""#))
    }

    /// The same, where the client has an Ed25519 key, whose public half is `x`.
    ///
    /// # Errors
    ///
    /// A configuration that does not parse.
    pub fn engine_for_jwt(&self, x: &str) -> Result<Exchange, Failure> {
        self.engine_for(&format!(
            r#""auth": "private_key_jwt", "jwks": {{"keys": [{{"kty": "OKP", "crv": "Ed25519", "x": "{x}"}}]}}"#
        ))
    }

    /// `count` assertions, each for another `jti`, in Okta's shape: a nested `act`, an email address, two scopes. In a
    /// small world, people come in turn; in a larger one, people and connectors are drawn.
    ///
    /// # Errors
    ///
    /// A provider that cannot sign.
    pub fn assertions(&self, count: usize) -> Result<Vec<String>, Failure> {
        (0..count)
            .map(|at| {
                let drawn = usize::try_from(mix(at as u64) >> 16)?;
                let person = if self.size.people > PEOPLE { drawn % self.size.people } else { at % self.size.people };
                let (subject, email) = (subject(person), format!("person{person}@acme.example"));
                let idp = self.idps.get(person % self.size.issuers).ok_or("no such IdP")?;
                Ok(idp.mint(&IdJag {
                    audience: ISSUER,
                    client_id: CLIENT,
                    subject: &subject,
                    resource: Some(&resource(drawn % self.size.connectors)),
                    scope: Some("chat.read chat.history"),
                    issued_at: self.now() - 20,
                    lifetime_s: 300,
                    email: Some(&email),
                    further: concat!(
                        r#""sub_profile":"user","act":{"sub":"wlp1a2b3c4d5e6f7g8h9","sub_profile":"ai_agent","#,
                        r#""act":{"sub":"0oa1a2b3c4d5e6f7g8h9","sub_profile":"web_app"}}"#
                    ),
                    ..IdJag::default()
                })?)
            })
            .collect()
    }
}

fn connector(at: usize, whose: &str) -> String {
    format!(
        r#"{{
            "id": "chat{at}",
            "resource": "{}",
            "scopes": ["chat.read", "chat.history", "chat.write"],
            "state": "enabled",
            "owner": "chat-platform@acme.example",
            "review_by": "2027-02-01",
            "grants": [
                {{ {whose} "groups": ["eng", "design"], "scopes": ["chat.read", "chat.history"] }},
                {{ {whose} "groups": ["chat-admins"], "scopes": ["*"] }}
            ]
        }}"#,
        resource(at)
    )
}

fn connector_toml(at: usize, whose: &str) -> String {
    format!(
        r#"
            [[connectors]]
            id = "chat{at}"
            resource = "{}"
            scopes = ["chat.read", "chat.history", "chat.write"]
            state = "enabled"
            owner = "chat-platform@acme.example"
            review_by = 2027-02-01
            grants = [
                {{ {whose}groups = ["eng", "design"], scopes = ["chat.read", "chat.history"] }},
                {{ {whose}groups = ["chat-admins"], scopes = ["*"] }},
            ]
        "#,
        resource(at)
    )
}

fn directory(size: Size) -> String {
    use std::fmt::Write as _;
    let mut text = String::from(r#"{"version":1,"people":["#);
    for person in 0..size.people {
        let [office, floor, guild] = [person % 5, person % 9, person % 40];
        let separator = if person > 0 { "," } else { "" };
        // Writing to a string does not fail.
        _ = write!(
            text,
            r#"{separator}{{"issuer":"{}","subject":"{}","groups":["all","eng","office-{office}","floor-{floor}","guild-{guild}","badge","vpn","wiki"]}}"#,
            issuer(person % size.issuers),
            subject(person)
        );
    }
    text.push_str("]}");
    text
}

/// The issuer identifier of an IdP.
pub fn issuer(at: usize) -> String {
    if at == 0 {
        "https://acme.okta.example".to_owned()
    } else {
        format!("https://customer-{at}.okta.example")
    }
}

fn resource(at: usize) -> String {
    if at == 0 { RESOURCE.to_owned() } else { format!("https://mcp-{at}.chat.example/") }
}

/// A number that looks drawn (SplitMix64).
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The request for one assertion.
pub fn request(assertion: &str) -> Request<'_> {
    Request { assertion: assertion.as_bytes(), client_id: CLIENT, ..Request::default() }
}

/// A request for one assertion, as a client posts it.
pub fn form(assertion: &str) -> String {
    format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}")
}

/// `Authorization` of the client that has a secret, form-encoded as RFC 6749 section 2.3.1 asks.
pub fn credentials() -> String {
    format!("Basic {}", STANDARD.encode_to_string(format!("{CLIENT}:{}", SECRET.replace(' ', "+"))))
}

/// The same by a client that proves itself with `jwt`.
pub fn form_with_jwt(assertion: &str, jwt: &str) -> String {
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    format!("{}&client_assertion_type={kind}&client_assertion={jwt}", form(assertion))
}

/// What the client signs to say who it is, each with another `jti`.
pub fn client_assertion(key: &Ed25519KeyPair, number: usize) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode_to_string(text);
    let claims = format!(
        r#"{{"iss":"{CLIENT}","sub":"{CLIENT}","aud":"{ISSUER}","jti":"client-{number}","iat":{NOW},"exp":{}}}"#,
        NOW + 60
    );
    let message = format!("{}.{}", encode(r#"{"alg":"EdDSA","typ":"JWT"}"#), encode(&claims));
    let signature = URL_SAFE_NO_PAD.encode_to_string(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// The octets of a member of a JWK, which may stand in a set.
///
/// # Errors
///
/// No such member, or not base64url.
pub fn jwk_member(jwk: &str, member: &str) -> Result<Vec<u8>, Failure> {
    let (_, rest) = jwk.split_once(&format!("\"{member}\":\"")).ok_or("no such member")?;
    let (value, _) = rest.split_once('"').ok_or("no such member")?;
    Ok(URL_SAFE_NO_PAD.decode_to_vec(value)?)
}

/// `sub` of a person.
pub fn subject(person: usize) -> String {
    format!("00u{person:017}")
}

/// The median.
pub fn median(mut times: Vec<f64>) -> f64 {
    quantile(&mut times, 0.5)
}

/// The value below which `share` of the times lie; the largest for 1. Sorts them.
pub fn quantile(times: &mut [f64], share: f64) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    let last = times.len().saturating_sub(1);
    let at = (times.len() as f64 * share) as usize;
    times.get(at.min(last)).copied().unwrap_or(f64::NAN)
}
