//! DPoP proofs (RFC 9449 section 4): a JWT that shows, for one request, that its sender has a key.
//!
//! The same rules at the token endpoint and at a resource; at a resource, a proof also names the access token (`ath`). The
//! proof brings its key, and says nothing about whose it is: that follows from what is bound to the key. Everything cheap
//! is checked before the signature. What is verified here is not spent yet: see [`Proof::spend`].

use std::cell::RefCell;

use crate::alg::Algorithm;
use crate::base64url;
use crate::config::asymmetric_algorithms;
use crate::crypto;
use crate::json::{Document, Memory, Parser, Value};
use crate::json_writer::JsonWriter;
use crate::jwk::Jwk;
use crate::jws::{Compact, Header};
use crate::key::VerifyingKey;
use crate::nonce::{Age, Nonces};
use crate::possession::Digest;
use crate::reason::Reason;
use crate::record::Receipt;
use crate::replay::{Claim, Purpose, ReplayKey};
use crate::spend::Till;
use crate::time::NumericDate;

/// The header's `typ`, to the byte (RFC 9449 section 4.2).
const TYP: &str = "dpop+jwt";

/// Bytes of a proof, at most. One with an RSA key of 8192 bits takes about 4000.
const MAX_BYTES: usize = 8_192;

/// How long after `iat` a proof is still taken, in seconds, beside the leeway for clocks: on the order of seconds, as RFC
/// 9449 section 11.1 asks. A client makes a proof for one request, and sends it.
const MAX_AGE_S: i64 = 60;

/// What a proof is checked against.
pub(crate) struct Rules<'r> {
    /// The method of the request that it came with.
    pub(crate) method: &'r str,
    /// The URL of that request.
    pub(crate) url: &'r str,
    /// At a resource: the access token, and the thumbprint of the key that it is bound to.
    pub(crate) token: Option<(&'r [u8], Digest)>,
    /// Who made the nonce that it must have; `None`: it need not have one.
    pub(crate) nonces: Option<&'r Nonces>,
    pub(crate) leeway_s: i64,
    pub(crate) max_jti_chars: usize,
    /// When the single-use memory began, if proofs from before are refused.
    pub(crate) began: Option<i64>,
    pub(crate) now: i64,
}

/// A proof that was verified, and not spent.
pub(crate) struct Proof {
    key: Digest,
    claim: Claim,
    is_nonce_ageing: bool,
}

impl Proof {
    /// The thumbprint of the key that made it (RFC 7638).
    pub(crate) fn key(&self) -> Digest {
        self.key
    }

    /// Uses it, which can be done once for its key: to be done before anything is done for the request. Its `jti` is held
    /// as long as it could be taken (RFC 9449 section 11.1).
    pub(crate) fn spend(&self, till: &Till<'_>, client_id: &str) -> Result<Receipt, Reason> {
        till.proof(self.claim, client_id)
    }

    /// Whether the client should get another nonce with the answer (RFC 9449 section 8.2).
    pub(crate) fn is_nonce_ageing(&self) -> bool {
        self.is_nonce_ageing
    }
}

/// The memory that one proof needs while it is looked at. Reused.
#[derive(Default)]
struct Desk {
    parser: Parser,
    header_memory: Memory,
    memory: Memory,
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    jwk: JsonWriter,
}

thread_local! {
    static DESK: RefCell<Desk> = RefCell::default();
}

/// Verifies a proof (RFC 9449 section 4.3). Costs the parsing of a key, a verification and some SHA-256.
pub(crate) fn verify(proof: &[u8], rules: &Rules<'_>) -> Result<Proof, Reason> {
    // Nothing in there calls back.
    DESK.with_borrow_mut(|desk| verify_at(desk, proof, rules))
}

fn verify_at(desk: &mut Desk, proof: &[u8], rules: &Rules<'_>) -> Result<Proof, Reason> {
    const MALFORMED: Reason = Reason::DpopMalformed;
    if proof.len() > MAX_BYTES {
        return Err(MALFORMED);
    }
    let compact = Compact::split(proof).map_err(|_| MALFORMED)?;
    let Desk { parser, header_memory, memory, header, payload, signature, jwk } = desk;
    let header = base64url::decode_into(compact.header, header).map_err(|_| MALFORMED)?;
    let payload = base64url::decode_into(compact.payload, payload).map_err(|_| MALFORMED)?;
    let signature = base64url::decode_into(compact.signature, signature).map_err(|_| MALFORMED)?;
    let header = Document::read(header, parser, header_memory).map_err(|_| MALFORMED)?;
    let (Header { alg, .. }, key) =
        Header::read_with_key(&header, |typ| typ == Some(TYP)).map_err(|_| Reason::DpopHeaderInvalid)?;
    if !asymmetric_algorithms().any(|known| known == alg) {
        return Err(Reason::DpopHeaderInvalid);
    }
    let payload = Document::read(payload, parser, memory).map_err(|_| MALFORMED)?;
    let claims = Claims::read(&payload, rules.max_jti_chars)?;
    let nonce = claims.check(rules)?;

    let (key, thumbprint) = read_key(key, alg, jwk).ok_or(Reason::DpopKeyInvalid)?;
    if rules.token.is_some_and(|(_, bound_to)| bound_to != thumbprint) {
        return Err(Reason::TokenProofMismatch);
    }
    if !key.verify(alg, compact.signing_input, signature) {
        return Err(Reason::DpopSignatureInvalid);
    }
    let mut buffer = [0; base64url::encoded_length(32)];
    let issuer = base64url::encode_into(&thumbprint, &mut buffer);
    let last = claims.issued.floor().saturating_add(MAX_AGE_S);
    Ok(Proof {
        key: thumbprint,
        claim: Claim {
            key: ReplayKey::new(Purpose::Dpop, issuer, None, claims.jti),
            expires_at: last.saturating_add(rules.leeway_s.saturating_mul(2)),
        },
        is_nonce_ageing: nonce == Some(Age::Ageing),
    })
}

/// The key that a proof brings, for the one algorithm of its header, and its thumbprint. `None`: it is no public key, or
/// not one that we verify with.
fn read_key(jwk: Value<'_, '_>, alg: Algorithm, text: &mut JsonWriter) -> Option<(VerifyingKey, Digest)> {
    // The strict reader of keys reads text.
    text.clear();
    jwk.write(text);
    let jwk = Jwk::parse(text.as_bytes()).ok()?;
    Some((jwk.verifying_key(&[alg]).ok()?, jwk.thumbprint().ok()?))
}

/// The claims of a proof (RFC 9449 section 4.2). Others are ignored.
struct Claims<'i> {
    jti: &'i str,
    method: &'i str,
    url: &'i str,
    issued: NumericDate,
    token_hash: Option<&'i str>,
    nonce: Option<&'i str>,
}

impl<'i> Claims<'i> {
    fn read(document: &Document<'i, '_>, max_jti_chars: usize) -> Result<Self, Reason> {
        let (mut jti, mut htm, mut htu, mut iat, mut ath, mut nonce) = (None, None, None, None, None, None);
        for (name, value) in document.object().members() {
            let place = match name {
                "jti" => &mut jti,
                "htm" => &mut htm,
                "htu" => &mut htu,
                "iat" => &mut iat,
                "ath" => &mut ath,
                "nonce" => &mut nonce,
                _ => continue,
            };
            *place = Some(value);
        }
        let text = |value: Option<Value<'_, 'i>>| {
            value.map(|value| value.string().filter(|text| !text.is_empty()).ok_or(Reason::DpopMalformed))
        };
        let required = |value| text(value).unwrap_or(Err(Reason::DpopMalformed));
        let jti = required(jti)?;
        if jti.chars().nth(max_jti_chars).is_some() {
            return Err(Reason::DpopMalformed);
        }
        Ok(Self {
            jti,
            method: required(htm)?,
            url: required(htu)?,
            issued: iat.and_then(NumericDate::read).ok_or(Reason::DpopMalformed)?,
            token_hash: text(ath).transpose()?,
            nonce: text(nonce).transpose()?,
        })
    }

    /// Whether they are about this request, token and time; what the nonce is worth, where one is asked for.
    fn check(&self, rules: &Rules<'_>) -> Result<Option<Age>, Reason> {
        if self.method != rules.method {
            return Err(Reason::DpopMethodMismatch);
        }
        if !is_same_url(self.url, rules.url) {
            return Err(Reason::DpopUrlMismatch);
        }
        let earliest = rules.now.saturating_sub(rules.leeway_s).saturating_sub(MAX_AGE_S);
        let began = rules.began.map(|began| began.saturating_sub(rules.leeway_s));
        if self.issued.floor() < began.map_or(earliest, |began| began.max(earliest))
            || self.issued.ceil() > rules.now.saturating_add(rules.leeway_s)
        {
            return Err(Reason::DpopTimeInvalid);
        }
        if let Some((token, _)) = rules.token {
            let mut buffer = [0; base64url::encoded_length(32)];
            let expected = base64url::encode_into(&crypto::sha256(&[token]), &mut buffer);
            if self.token_hash != Some(expected) {
                return Err(Reason::DpopTokenMismatch);
            }
        }
        let Some(nonces) = rules.nonces else {
            return Ok(None);
        };
        let age = self.nonce.and_then(|nonce| nonces.age(nonce, rules.now));
        age.map(Some).ok_or(Reason::DpopNonceRequired)
    }
}

/// Whether two URLs are the same but for query and fragment (RFC 9449 section 4.3).
///
/// Of the normalisation that it recommends this much is done: scheme and host in any case, the scheme's own port written
/// or not, and no path for `/` (RFC 3986 sections 6.2.2.1 and 6.2.3). The path is compared byte for byte: no escape is
/// resolved and no dot, because not every server resolves them alike.
fn is_same_url(one: &str, other: &str) -> bool {
    match (Url::read(one), Url::read(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

struct Url<'t> {
    secure: bool,
    host: &'t str,
    port: &'t str,
    path: &'t str,
}

impl PartialEq for Url<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.secure == other.secure
            && self.host.eq_ignore_ascii_case(other.host)
            && self.port == other.port
            && self.path == other.path
    }
}

impl<'t> Url<'t> {
    /// `None`: it is no `https` or `http` URL with a host.
    fn read(text: &'t str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let secure = scheme.eq_ignore_ascii_case("https");
        if !secure && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let default = if secure { "443" } else { "80" };
        let (host, port) = match authority.rsplit_once(':') {
            // In brackets, colons belong to the address.
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (host, if port.is_empty() { default } else { port })
            }
            _ => (authority, default),
        };
        if host.is_empty() {
            return None;
        }
        Some(Self { secure, host, port, path: if path.is_empty() { "/" } else { path } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwk::examples::DPOP;

    #[test]
    fn urls_are_compared_without_query_and_fragment() {
        let url = "https://mcp.chat.example/a/b";
        for same in [
            "https://mcp.chat.example/a/b",
            "https://mcp.chat.example/a/b?x=1",
            "https://mcp.chat.example/a/b#x",
            "https://mcp.chat.example/a/b?",
            "HTTPS://MCP.chat.Example/a/b",
            "https://mcp.chat.example:443/a/b",
            "https://mcp.chat.example:/a/b",
        ] {
            assert!(is_same_url(same, url) && is_same_url(url, same), "{same}");
        }
        for other in [
            "http://mcp.chat.example/a/b",
            "https://mcp.chat.example:8443/a/b",
            "https://mcp.chat.example:80/a/b",
            "https://mcp.chat.example/a/B",
            "https://mcp.chat.example/a/b/",
            "https://mcp.chat.example/a/%62",
            "https://mcp.chat.example/a/./b",
            "https://mcp.chat.example/a",
            "https://mcp.chat.example.evil.example/a/b",
            "https://mcp.chat.example@evil.example/a/b",
            "https://x@mcp.chat.example/a/b",
            "https://evil.example/?https://mcp.chat.example/a/b",
            " https://mcp.chat.example/a/b",
            "//mcp.chat.example/a/b",
            "mcp.chat.example/a/b",
            "/a/b",
            "",
        ] {
            assert!(!is_same_url(other, url), "{other}");
        }
        assert!(is_same_url("https://h", "https://h/") && is_same_url("https://h?x", "https://h:443/#y"));
        assert!(
            is_same_url("http://[::1]:80/", "http://[::1]") && !is_same_url("http://[::1]:1", "http://[::1]")
        );
        assert!(!is_same_url("https://:443/", "https://:443/") && !is_same_url("ftp://h/", "ftp://h/"));
    }

    /// RFC 9449 section 7.1: a proof for a request to a resource, with its token.
    const TOKEN: &[u8] = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik\
        VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR\
        nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE\
        QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj\
        oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z\
        WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF\
        c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E\
        OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";

    fn rules() -> Rules<'static> {
        let key = Jwk::parse(DPOP.as_bytes()).unwrap().thumbprint().unwrap();
        Rules {
            method: "GET",
            url: "https://resource.example.org/protectedresource",
            token: Some((TOKEN, key)),
            nonces: None,
            leeway_s: 30,
            max_jti_chars: 256,
            began: None,
            now: 1_562_262_618,
        }
    }

    fn reason(rules: &Rules<'_>) -> Option<Reason> {
        verify(PROOF.as_bytes(), rules).err()
    }

    #[test]
    fn the_example_of_the_rfc_is_for_its_request_token_and_time() {
        let control = rules();
        let proof = verify(PROOF.as_bytes(), &control).unwrap();
        assert_eq!(base64url::encode(&proof.key()), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        assert_eq!(proof.claim.expires_at, 1_562_262_618 + 60 + 2 * 30);
        assert!(!proof.is_nonce_ageing());
        let (now, (_, key)) = (control.now, control.token.unwrap());
        let nonces = Nonces::new().unwrap();
        for (changed, expected) in [
            (Rules { token: None, ..rules() }, None),
            (Rules { method: "POST", ..rules() }, Some(Reason::DpopMethodMismatch)),
            (Rules { method: "get", ..rules() }, Some(Reason::DpopMethodMismatch)),
            (Rules { url: "https://resource.example.org/", ..rules() }, Some(Reason::DpopUrlMismatch)),
            (Rules { token: Some((b"another", key)), ..rules() }, Some(Reason::DpopTokenMismatch)),
            (Rules { token: Some((TOKEN, [0; 32])), ..rules() }, Some(Reason::TokenProofMismatch)),
            (Rules { nonces: Some(&nonces), ..rules() }, Some(Reason::DpopNonceRequired)),
            (Rules { max_jti_chars: 15, ..rules() }, Some(Reason::DpopMalformed)),
            (Rules { max_jti_chars: 16, ..rules() }, None),
            (Rules { now: now + 90, ..rules() }, None),
            (Rules { now: now + 91, ..rules() }, Some(Reason::DpopTimeInvalid)),
            (Rules { now: now - 30, ..rules() }, None),
            (Rules { now: now - 31, ..rules() }, Some(Reason::DpopTimeInvalid)),
            (Rules { began: Some(now + 30), ..rules() }, None),
            (Rules { began: Some(now + 31), ..rules() }, Some(Reason::DpopTimeInvalid)),
        ] {
            assert_eq!(reason(&changed), expected);
        }
    }

    #[test]
    fn a_proof_with_another_byte_is_none() {
        let rules = rules();
        for at in 0..PROOF.len() {
            let mut changed = PROOF.as_bytes().to_vec();
            changed[at] ^= 1;
            assert!(verify(&changed, &rules).is_err(), "{at}");
            assert!(verify(&PROOF.as_bytes()[..at], &rules).is_err(), "{at}");
        }
        let long = [PROOF.as_bytes(), &[b'A'; MAX_BYTES]].concat();
        assert_eq!(verify(&long, &rules).err(), Some(Reason::DpopMalformed));
    }
}
