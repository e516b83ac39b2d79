//! A grant becomes a signed access token (RFC 9068): `typ` `at+jwt`, one resource as `aud`.
//!
//! Composing and signing are two steps, so that signing may overlap the writing of the record.

use std::sync::Arc;

use crate::alg::Algorithm;
use crate::base64url;
use crate::config::SubjectKind;
use crate::crypto::{self, MAX_SIGNATURE};
use crate::grant::Grant;
use crate::json_writer::JsonWriter;
use crate::key::SigningKey;
use crate::reason::Reason;

/// The header's `typ` (RFC 9068 section 2.1).
pub(crate) const TYP: &str = "at+jwt";

/// Mints with one key.
pub(crate) struct Minter {
    issuer: String,
    key: Arc<SigningKey>,
    /// The encoded header and its dot: the same for every token of this key.
    header: String,
    ttl_s: i64,
    email: bool,
}

/// A token that still lacks its signature.
pub(crate) struct Unsigned {
    /// What the token shares its allocation with, and the token.
    text: String,
    start: usize,
}

impl Minter {
    pub(crate) fn new(issuer: &str, key: Arc<SigningKey>, ttl_s: i64, email: bool) -> Self {
        Self { issuer: issuer.to_owned(), header: header(TYP, &key), key, ttl_s, email }
    }

    /// How long a token lives, in seconds.
    pub(crate) fn ttl_s(&self) -> i64 {
        self.ttl_s
    }

    /// The key that signs.
    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Writes the claims of a token that is issued now, `before` in front of it. One allocation: the text. `json` is
    /// scratch space.
    pub(crate) fn compose(
        &self,
        grant: &Grant<'_, '_, '_>,
        scope: &str,
        now: i64,
        jti: &str,
        before: &[&str],
        json: &mut JsonWriter,
    ) -> Unsigned {
        let assertion = &grant.assertion;
        let groups = || grant.matching.groups().iter().copied();
        json.clear();
        json.object(|json| {
            json.member("iss", &self.issuer);
            json.member("sub", assertion.subject);
            json.member("aud", grant.resource);
            json.member("client_id", assertion.client_id);
            json.member("scope", scope);
            json.number("iat", now);
            json.number("exp", now.saturating_add(self.ttl_s));
            json.member("jti", jti);
            json.member("idp", assertion.issuer);
            if let Some(tenant) = assertion.tenant {
                json.member("tenant", tenant);
            }
            json.strings("groups", groups());
            if assertion.trusted.idp.groups.is_union() {
                // Which of them the IdP listed: the directory's may change, and `verify` asks it again.
                let asserted = |group: &&str| assertion.groups.names().any(|name| name == *group);
                json.strings("groups_asserted", groups().filter(asserted));
            }
            // The key into the directory, where it is not `sub`: `verify` looks the person up again.
            if assertion.trusted.idp.subject == SubjectKind::AudSub {
                json.member("aud_sub", assertion.directory_subject);
            }
            if let Some(sub_id) = assertion.sub_id {
                json.name("sub_id");
                sub_id.write(json);
            }
            if let Some(email) = assertion.email.filter(|_| self.email) {
                json.member("email", email);
            }
            if let Some(act) = assertion.act {
                json.name("act");
                act.write(json);
            }
            if !grant.details.is_absent() {
                json.name("authorization_details");
                grant.details.write(json);
            }
            if !assertion.bound_to.is_nothing() {
                json.name("cnf");
                assertion.bound_to.write(json);
            }
        });
        Unsigned::new(before, &self.header, json.as_bytes(), &self.key)
    }
}

impl Unsigned {
    /// Joins an encoded header (with its dot) and the claims, behind `before`.
    pub(crate) fn new(before: &[&str], header: &str, claims: &[u8], key: &SigningKey) -> Self {
        let start = before.iter().map(|text| text.len()).sum();
        let mut text = String::with_capacity(
            start
                + header.len()
                + base64url::encoded_length(claims.len())
                + 1
                + base64url::encoded_length(signature_length(key.algorithm())),
        );
        for before in before {
            text.push_str(before);
        }
        text.push_str(header);
        base64url::encode_append(claims, &mut text);
        Self { text, start }
    }

    fn signing_input(&self) -> &[u8] {
        self.text.as_bytes().get(self.start..).unwrap_or_default()
    }

    /// Signs.
    pub(crate) fn sign(&mut self, key: &SigningKey) -> Result<(), Reason> {
        let mut buffer = [0; MAX_SIGNATURE];
        let signature = key.sign(self.signing_input(), &mut buffer).map_err(|_| Reason::SigningFailed)?;
        self.text.push('.');
        base64url::encode_append(signature, &mut self.text);
        Ok(())
    }

    /// Signs many, each with its key. As many answers as jobs, in their order.
    pub(crate) fn sign_many(jobs: Vec<(&mut Self, &SigningKey)>) -> Vec<Result<(), Reason>> {
        // The signatures lie one behind the other, encoded, until no text is borrowed any more.
        let mut encoded = String::with_capacity(jobs.len() * 96);
        let inputs: Vec<_> =
            jobs.iter().map(|(unsigned, key)| (key.private_key(), unsigned.signing_input())).collect();
        let mut ends = Vec::with_capacity(jobs.len());
        crypto::sign_many(&inputs, |_, signature| {
            ends.push(signature.map(|signature| {
                base64url::encode_append(signature, &mut encoded);
                encoded.len()
            }));
        });
        let mut start = 0;
        jobs.into_iter()
            .zip(ends)
            .map(|((unsigned, _), end)| {
                let end = end.map_err(|_| Reason::SigningFailed)?;
                let signature = encoded.get(start..end).ok_or(Reason::SigningFailed)?;
                unsigned.text.push('.');
                unsigned.text.push_str(signature);
                start = end;
                Ok(())
            })
            .collect()
    }

    /// What was put before the token, and the token, once it was signed.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// The encoded header for tokens of this type by this key, and its dot.
pub(crate) fn header(typ: &str, key: &SigningKey) -> String {
    let mut json = JsonWriter::default();
    json.object(|json| {
        json.member("typ", typ);
        json.member("alg", key.algorithm().name());
        json.member("kid", key.kid());
    });
    let mut text = base64url::encode(json.as_bytes());
    text.push('.');
    text
}

/// Bytes of a signature: a guess for RSA, whose keys differ in size; a wrong one costs an allocation.
const fn signature_length(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::RS256 => 256,
        _ => 64,
    }
}
