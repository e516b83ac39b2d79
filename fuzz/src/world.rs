//! The world that the targets play in: one server, one IdP whose key the harness holds, and a clock that stands.

use std::sync::LazyLock;

use idjag::{Builder, Claim, Claimed, Config, Exchange, ReplayKey, ReplayStats, ReplayStore};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// What the clock shows, in seconds since 1970.
pub const NOW: i64 = 1_800_000_000;
/// The leeway of [`CONFIG`], in seconds.
pub const LEEWAY: i64 = 30;
/// The longest lifetime that [`CONFIG`] allows, in seconds.
pub const MAX_LIFETIME: i64 = 300;
/// Our issuer identifier.
pub const SERVER: &str = "https://auth.chat.example/";
/// The IdP's issuer identifier.
pub const IDP: &str = "https://acme.idp.example";
/// The client that asks.
pub const CLIENT: &str = "agent";
/// The only resource that is served.
pub const RESOURCE: &str = "https://mcp.chat.example/";
/// What the group `eng` gets.
pub const ENG_SCOPES: [&str; 2] = ["chat.read", "chat.history"];
/// The header that the harness signs with.
pub const HEADER: &str = r#"{"alg":"EdDSA","kid":"acme","typ":"oauth-id-jag+jwt"}"#;
/// Claims that are granted.
pub const CLAIMS: &str = r#"{"iss":"https://acme.idp.example","aud":"https://auth.chat.example/","sub":"ada","client_id":"agent","jti":"1","iat":1800000000,"exp":1800000300,"resource":"https://mcp.chat.example/","scope":"chat.read chat.write","groups":["eng"]}"#;

const CONFIG: &str = r#"
issuer = "https://auth.chat.example/"
audit = "off"
tokens.keys = ["token.jwk"]
[limits]
leeway_s = 30
refusals_per_minute = "off" # the clock stands, so nothing would be refilled
[replay]
max_bytes = "1 MiB"
cold_start = "accept"
[[idps]]
issuer = "https://acme.idp.example"
jwks_file = "acme.json"
[[clients]]
id = "agent"
auth = "none"
connectors = ["chat"]
[[clients]]
id = "vault"
auth = "client_secret_basic"
secret_sha256 = "91b25379678d13b46ea81ff5846355e3e510de40614ee0a5d8828a65d15b14c1"
connectors = ["chat"]
[[clients]]
id = "poster"
auth = "client_secret_post"
secret_sha256 = "55faa360dd777e9287907e436d8f16ee2568192f17b929c45998f6ad406e92f1"
connectors = ["chat"]
[[clients]]
id = "signer"
auth = "private_key_jwt"
jwks_file = "acme.json" # for want of another signer
connectors = ["chat"]
[[clients]]
id = "holder"
auth = "self_signed_tls_client_auth"
certificate_sha256 = "03d66dd08835c1ca3f128cceacd1f31ac94163096b20f445ae84285bc0832d72"
connectors = ["chat"]
[[clients]]
id = "other"
auth = "none"
connectors = ["wiki"]
[[connectors]]
id = "chat"
resource = "https://mcp.chat.example/"
scopes = ["chat.read", "chat.history", "chat.write"]
state = "enabled"
owner = "chat-platform@acme.example"
review_by = 2099-01-01
introspect_clients = ["vault"]
[[connectors.grants]]
groups = ["eng"]
scopes = ["chat.read", "chat.history"]
[[connectors]]
id = "wiki"
scopes = ["wiki.read"]
resource = "https://mcp.wiki.example/"
state = "planned"
"#;

static KEY: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[1; 32]).expect("32 octets"));

/// The IdP's key set.
pub fn idp_jwks() -> String {
    let x = base64url(KEY.public_key().as_ref());
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"acme","x":"{x}"}}]}}"#)
}

/// The key that our tokens are signed with, private.
pub fn token_jwk() -> String {
    let seed = [2; 32];
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 octets");
    let (d, x) = (base64url(&seed), base64url(pair.public_key().as_ref()));
    format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"token","d":"{d}","x":"{x}"}}"#)
}

/// The engine of [`CONFIG`], with the standing clock and its own single-use memory.
pub fn engine() -> Builder {
    let config = Config::parse("idjag.toml", CONFIG, &mut |file| match file {
        "token.jwk" => Ok(token_jwk().into_bytes()),
        "acme.json" => Ok(idp_jwks().into_bytes()),
        _ => Err("no such file".into()),
    });
    Exchange::builder(config.expect("a good configuration")).clock(|| NOW)
}

/// Signs a header and claims, whatever they say, as the IdP.
pub fn sign(header: &[u8], claims: &[u8]) -> String {
    let mut token = format!("{}.{}", base64url(header), base64url(claims));
    let signature = KEY.sign(token.as_bytes());
    token.push('.');
    token.push_str(&base64url(signature.as_ref()));
    token
}

/// Base64url without padding, the slow way: a twin of the library's.
pub fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 3);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_usize, |group, byte| group << 8 | usize::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for sextet in 0..=chunk.len() {
            text.push(char::from(ALPHABET[group >> (18 - 6 * sextet) & 63]));
        }
    }
    text
}

/// Remembers nothing, so that one engine serves any number of inputs with the same answers.
pub struct Forgetful;

impl ReplayStore for Forgetful {
    fn claim(&self, _: &[Claim], _: i64, out: &mut [Claimed]) {
        out.fill(Claimed::First);
    }

    fn seen(&self, _: &ReplayKey, _: i64) -> Claimed {
        Claimed::First
    }

    fn stats(&self) -> ReplayStats {
        unreachable!("nobody asks")
    }
}
