//! What the benchmarks share: one server, its IdP, and assertions like Okta's.

use std::error::Error;
use std::sync::Arc;

use idjag::{Algorithm, Config, Exchange, IdJag, IdJagMinter, Request, SigningKey};

/// What can go wrong while a world is made.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The issuer identifier of the server.
pub const ISSUER: &str = "https://auth.chat.example/";
/// The resource of its connector.
pub const RESOURCE: &str = "https://mcp.chat.example/";
/// The client.
pub const CLIENT: &str = "f53f191f9311af35";
/// The time at which everything happens, in seconds since 1970.
pub const NOW: i64 = 1_784_527_300;
/// People in the directory.
pub const PEOPLE: usize = 2_000;

/// A server that people may use, and the IdP that vouches for them.
pub struct World {
    idp: IdJagMinter,
    idp_jwk: String,
    own_jwk: String,
    config: String,
    directory: String,
}

impl World {
    /// Makes keys for both sides: `idp` signs the assertions, `own` the access tokens.
    ///
    /// # Errors
    ///
    /// A provider that cannot generate such a key.
    pub fn new(idp: Algorithm, own: Algorithm) -> Result<Self, Failure> {
        let key = Arc::new(SigningKey::generate(idp)?);
        let own_jwk = SigningKey::generate(own)?.to_jwk().to_string();
        let public = key.public_jwk().ok_or("the IdP's key has no public half")?;
        let config = format!(
            r#"{{
                "issuer": "{ISSUER}",
                "directory": "directory.json",
                "tokens": {{ "algorithm": "{own}", "keys": ["own.jwk"] }},
                "replay": {{ "cold_start": "accept" }},
                "idps": [{{
                    "issuer": "https://acme.okta.example",
                    "algorithms": ["{idp}"],
                    "jwks": {{ "keys": [{public}] }},
                    "groups": {{ "directory": true }}
                }}],
                "clients": [{{ "id": "{CLIENT}", "auth": "none", "connectors": ["chat"] }}],
                "connectors": [{{
                    "id": "chat",
                    "resource": "{RESOURCE}",
                    "scopes": ["chat.read", "chat.history", "chat.write"],
                    "state": "enabled",
                    "owner": "chat-platform@acme.example",
                    "review_by": "2027-02-01",
                    "grants": [
                        {{ "groups": ["eng", "design"], "scopes": ["chat.read", "chat.history"] }},
                        {{ "groups": ["chat-admins"], "scopes": ["*"] }}
                    ]
                }}]
            }}"#,
            own = own.name(),
            idp = idp.name(),
        );
        let people: Vec<String> = (0..PEOPLE)
            .map(|person| {
                let [office, floor, guild] = [person % 5, person % 9, person % 40];
                format!(
                    r#"{{"issuer":"https://acme.okta.example","subject":"{}","groups":["all","eng","office-{office}","floor-{floor}","guild-{guild}","badge","vpn","wiki"]}}"#,
                    subject(person)
                )
            })
            .collect();
        Ok(Self {
            idp: IdJagMinter::new("https://acme.okta.example", key),
            idp_jwk: public,
            own_jwk,
            config,
            directory: format!(r#"{{"version":1,"people":[{}]}}"#, people.join(",")),
        })
    }

    /// The public key of the IdP.
    pub fn idp_jwk(&self) -> &str {
        &self.idp_jwk
    }

    /// An engine whose clock stands at [`NOW`], with nothing spent.
    ///
    /// # Errors
    ///
    /// A configuration that does not parse.
    pub fn engine(&self) -> Result<Exchange, Failure> {
        let config = Config::parse("bench.json", &self.config, &mut |name| {
            let text = if name == "own.jwk" { &self.own_jwk } else { &self.directory };
            Ok(text.as_bytes().to_vec())
        })?;
        Ok(Exchange::builder(config).clock(|| NOW).build()?)
    }

    /// `count` assertions, each for another `jti`, in Okta's shape: a nested `act`, an email address, one scope.
    ///
    /// # Errors
    ///
    /// A provider that cannot sign.
    pub fn assertions(&self, count: usize) -> Result<Vec<String>, Failure> {
        (0..count)
            .map(|at| {
                let subject = subject(at % PEOPLE);
                let email = format!("person{}@acme.example", at % PEOPLE);
                Ok(self.idp.mint(&IdJag {
                    audience: ISSUER,
                    client_id: CLIENT,
                    subject: &subject,
                    resource: Some(RESOURCE),
                    scope: Some("chat.read chat.history"),
                    issued_at: NOW - 20,
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

/// The request for one assertion.
pub fn request(assertion: &str) -> Request<'_> {
    Request { assertion: assertion.as_bytes(), client_id: CLIENT, ..Request::default() }
}

fn subject(person: usize) -> String {
    format!("00u{person:017}")
}
