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
    text: String,
    key: Arc<SigningKey>,
}

impl Minter {
    pub(crate) fn new(issuer: &str, key: Arc<SigningKey>, ttl_s: i64, email: bool) -> Self {
        Self { issuer: issuer.to_owned(), header: header(TYP, &key), key, ttl_s, email }
    }

    /// How long a token lives, in seconds.
    pub(crate) fn ttl_s(&self) -> i64 {
        self.ttl_s
    }

    /// Writes the claims of a token that is issued now. One allocation: the token. `json` is scratch space.
    pub(crate) fn compose(
        &self,
        grant: &Grant<'_, '_, '_>,
        scope: &str,
        now: i64,
        jti: &str,
        json: &mut JsonWriter,
    ) -> Unsigned {
        let assertion = &grant.assertion;
        let groups = || grant.matching.groups().iter().copied();
        json.clear();
        json.object(|json| {
            json.member("iss", &self.issuer);
            json.member("sub", assertion.subject);
            json.member("aud", grant.resource);
            json.member("client_id", &assertion.client.id);
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
            if let Some(details) = assertion.authorization_details {
                json.name("authorization_details");
                details.write(json);
            }
        });
        Unsigned::new(&self.header, json.as_bytes(), Arc::clone(&self.key))
    }
}

impl Unsigned {
    /// Joins an encoded header (with its dot) and the claims.
    pub(crate) fn new(header: &str, claims: &[u8], key: Arc<SigningKey>) -> Self {
        let mut text = String::with_capacity(
            header.len()
                + base64url::encoded_length(claims.len())
                + 1
                + base64url::encoded_length(signature_length(key.algorithm())),
        );
        text.push_str(header);
        base64url::encode_append(claims, &mut text);
        Self { text, key }
    }

    /// Signs.
    pub(crate) fn sign(&mut self) -> Result<(), Reason> {
        let mut buffer = [0; MAX_SIGNATURE];
        let signature =
            self.key.sign(self.text.as_bytes(), &mut buffer).map_err(|_| Reason::SigningFailed)?;
        self.text.push('.');
        base64url::encode_append(signature, &mut self.text);
        Ok(())
    }

    /// The encoded signatures of many, in their order.
    pub(crate) fn signatures<'u>(many: impl Iterator<Item = &'u Self>) -> Vec<Result<String, Reason>> {
        let jobs: Vec<_> =
            many.map(|unsigned| (unsigned.key.private_key(), unsigned.text.as_bytes())).collect();
        let mut signatures = Vec::with_capacity(jobs.len());
        crypto::sign_many(&jobs, |_, signature| {
            signatures.push(signature.map(base64url::encode).map_err(|_| Reason::SigningFailed));
        });
        signatures
    }

    /// Adds a signature that was made by [`signatures`](Self::signatures).
    pub(crate) fn sign_with(&mut self, signature: &str) {
        self.text.push('.');
        self.text.push_str(signature);
    }

    /// The token, once it was signed.
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
