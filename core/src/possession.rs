//! Proof of possession: what an assertion or a token is bound to (`cnf`, RFC 7800 section 3.1), and what a request proves.
//!
//! Two methods are known: the key of a DPoP proof (`jkt`, RFC 9449 section 6.1) and the certificate of a connection
//! (`x5t#S256`, RFC 8705 section 3.1). Whatever else `cnf` names is refused: what is not understood was not proven. Proofs
//! themselves are verified in [`crate::dpop`].

use crate::base64url;
use crate::crypto;
use crate::json::Value;
use crate::json_writer::JsonWriter;
use crate::reason::Reason;

/// The SHA-256 of a key (RFC 7638 section 3) or of a certificate.
pub(crate) type Digest = [u8; 32];

/// What something is bound to: nothing, a key, a certificate, or both. All of it must be proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Confirmation {
    /// `jkt`: the thumbprint of a DPoP key.
    pub(crate) key: Option<Digest>,
    /// `x5t#S256`: the digest of a certificate in DER.
    pub(crate) certificate: Option<Digest>,
}

impl Confirmation {
    /// Reads `cnf`.
    pub(crate) fn read(cnf: Value<'_, '_>) -> Result<Self, Reason> {
        let mut read = Self::default();
        for (method, value) in cnf.object().ok_or(Reason::CnfMalformed)?.members() {
            let place = match method {
                "jkt" => &mut read.key,
                "x5t#S256" => &mut read.certificate,
                _ => return Err(Reason::CnfMethodUnknown),
            };
            *place = Some(value.string().and_then(digest).ok_or(Reason::CnfMalformed)?);
        }
        if read.is_nothing() { Err(Reason::CnfMalformed) } else { Ok(read) }
    }

    /// Whether the bearer need prove nothing.
    pub(crate) fn is_nothing(&self) -> bool {
        self.key.is_none() && self.certificate.is_none()
    }

    /// The methods of `cnf` by which it is bound, for the record.
    pub(crate) const fn methods(&self) -> &'static str {
        match (self.key, self.certificate) {
            (None, None) => "",
            (Some(_), None) => "jkt",
            (None, Some(_)) => "x5t#S256",
            (Some(_), Some(_)) => "jkt x5t#S256",
        }
    }

    /// `token_type` of what is bound to it (RFC 9449 section 5; RFC 8705 keeps `Bearer`).
    pub(crate) const fn token_type(&self) -> &'static str {
        if self.key.is_some() { "DPoP" } else { "Bearer" }
    }

    /// Whether a request that came with this certificate may use it, as far as certificates go. Costs a SHA-256 where one
    /// is asked for. `None`: one is, and there is none.
    pub(crate) fn admits(&self, certificate: Option<&[u8]>) -> Option<bool> {
        let Some(asked) = self.certificate else {
            return Some(true);
        };
        Some(crypto::sha256(&[certificate?]) == asked)
    }

    /// Writes the value of `cnf`.
    pub(crate) fn write(&self, out: &mut JsonWriter) {
        out.object(|out| {
            for (method, digest) in [("jkt", &self.key), ("x5t#S256", &self.certificate)] {
                if let Some(digest) = digest {
                    out.member(method, base64url::encode_into(digest, &mut [0; ENCODED]));
                }
            }
        });
    }
}

/// Characters of a digest.
const ENCODED: usize = base64url::encoded_length(32);

/// A digest out of its one spelling.
fn digest(text: &str) -> Option<Digest> {
    if text.len() != ENCODED {
        return None;
    }
    base64url::decode(text.as_bytes()).ok()?.try_into().ok()
}

/// What a request proves beside its client: nothing for those who only hand over an assertion.
#[derive(Clone, Copy, Default)]
pub(crate) struct Possession<'r> {
    /// The thumbprint of the key of a DPoP proof, which was verified.
    pub(crate) key: Option<Digest>,
    /// The certificate of the connection in DER, whose key TLS has proven.
    pub(crate) certificate: Option<&'r [u8]>,
}

impl Possession<'_> {
    /// What a token is bound to that is issued for an assertion with this `cnf`: everything that the assertion asks for,
    /// and the key of a proof even where it asks for none (RFC 9449 section 5).
    pub(crate) fn bind(&self, cnf: Option<Confirmation>) -> Result<Confirmation, Reason> {
        let asked = cnf.unwrap_or_default();
        if let Some(key) = asked.key
            && self.key.ok_or(Reason::ProofRequired)? != key
        {
            return Err(Reason::ProofMismatch);
        }
        match asked.admits(self.certificate) {
            None => Err(Reason::ProofRequired),
            Some(false) => Err(Reason::ProofMismatch),
            Some(true) => Ok(Confirmation { key: self.key, certificate: asked.certificate }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Memory, Parser};

    const KEY: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"; // RFC 9449 section 6.1
    /// RFC 8705 section 3.1 prints `dg2` at the end, which is no canonical base64url.
    const CERTIFICATE: &str = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0";

    fn read(cnf: &str) -> Result<Confirmation, Reason> {
        let text = format!("{{\"cnf\":{cnf}}}");
        let (mut parser, mut memory) = (Parser::default(), Memory::default());
        let document = Document::read(text.as_bytes(), &mut parser, &mut memory)?;
        Confirmation::read(document.object().member("cnf").unwrap())
    }

    #[test]
    fn two_methods_are_known_and_written_as_they_were_read() {
        for cnf in [
            format!(r#"{{"jkt":"{KEY}"}}"#),
            format!(r#"{{"x5t#S256":"{CERTIFICATE}"}}"#),
            format!(r#"{{"jkt":"{KEY}","x5t#S256":"{CERTIFICATE}"}}"#),
        ] {
            let mut out = JsonWriter::default();
            read(&cnf).unwrap().write(&mut out);
            assert_eq!(out.into_string(), cnf);
        }
    }

    #[test]
    fn what_is_not_known_is_never_ignored() {
        for cnf in [
            "{}",
            "null",
            "[]",
            "\"x\"",
            r#"{"jkt":1}"#,
            r#"{"jkt":""}"#,
            r#"{"jkt":null}"#,
            &format!(r#"{{"jkt":"{KEY}="}}"#),
            &format!(r#"{{"jkt":"{}"}}"#, KEY.trim_end_matches('I')),
            &format!(r#"{{"x5t#S256":"{}"}}"#, CERTIFICATE.replace("dg0", "dg2")),
            &format!(r#"{{"jkt":["{KEY}"]}}"#),
        ] {
            assert_eq!(read(cnf), Err(Reason::CnfMalformed), "{cnf}");
        }
        for cnf in [
            r#"{"jwk":{"kty":"EC"}}"#,
            r#"{"kid":"x"}"#,
            r#"{"x5t#s256":"x"}"#,
            &format!(r#"{{"jkt":"{KEY}","made-up":1}}"#),
        ] {
            assert_eq!(read(cnf), Err(Reason::CnfMethodUnknown), "{cnf}");
        }
    }

    #[test]
    fn everything_that_is_asked_for_must_be_proven() {
        let (key, certificate) = ([1; 32], &b"certificate"[..]);
        let digest = crypto::sha256(&[certificate]);
        let (by_key, by_certificate) = (
            Confirmation { key: Some(key), certificate: None },
            Confirmation { key: None, certificate: Some(digest) },
        );
        let both = Confirmation { key: Some(key), certificate: Some(digest) };
        let nothing = Possession::default();
        let with_key = Possession { key: Some(key), ..nothing };
        let with_certificate = Possession { certificate: Some(certificate), ..nothing };
        let with_both = Possession { key: Some(key), certificate: Some(certificate) };

        assert_eq!(nothing.bind(None), Ok(Confirmation::default()));
        assert_eq!(with_certificate.bind(None), Ok(Confirmation::default()));
        assert_eq!(with_key.bind(None), Ok(by_key));
        assert_eq!(with_key.bind(Some(by_key)), Ok(by_key));
        assert_eq!(with_certificate.bind(Some(by_certificate)), Ok(by_certificate));
        assert_eq!(with_both.bind(Some(by_certificate)), Ok(both));
        assert_eq!(with_both.bind(Some(both)), Ok(both));
        for (possession, cnf) in [
            (nothing, by_key),
            (nothing, by_certificate),
            (with_key, both),
            (with_certificate, both),
            (with_certificate, by_key),
        ] {
            assert_eq!(possession.bind(Some(cnf)), Err(Reason::ProofRequired), "{cnf:?}");
        }
        let other = Possession { key: Some([2; 32]), certificate: Some(b"other") };
        for cnf in [by_key, by_certificate, both] {
            assert_eq!(other.bind(Some(cnf)), Err(Reason::ProofMismatch), "{cnf:?}");
        }
    }
}
