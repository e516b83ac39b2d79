//! The clients that may ask: `[[clients]]`, and how each of them proves who it is (RFC 6749 section 2.3, OIDC Core
//! section 9, RFC 8705).

use std::fmt;

use super::Inputs;
use super::idp::{Idp, asymmetric_algorithms};
use super::keys::Keys;
use super::reader::{Field, Section, there_are};
use crate::alg::Algorithm;
use crate::certificate::{DistinguishedName, is_dns_name};
use crate::error::Error;

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) enabled: bool,
    pub(crate) auth: ClientAuth,
    /// The ids of the connectors that it may use.
    pub(crate) connectors: AllOr,
    /// The issuers that may vouch for it.
    pub(crate) idps: AllOr,
}

/// What a client may do, whoever it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach<'s> {
    /// The ids of the connectors that it may use.
    pub(crate) connectors: &'s AllOr,
    /// The issuers that may vouch for it.
    pub(crate) idps: &'s AllOr,
}

/// `["*"]`, said aloud, or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AllOr {
    All,
    List(Vec<String>),
}

impl AllOr {
    /// Whether `name` is among them.
    pub(crate) fn admit(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::List(names) => names.iter().any(|known| known == name),
        }
    }
}

/// How a client proves who it is, with what is needed to check it.
#[derive(Debug)]
pub(crate) enum ClientAuth {
    /// One or two digests of the secret.
    SecretBasic(Vec<Sha256>),
    /// One or two digests of the secret.
    SecretPost(Vec<Sha256>),
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt { keys: Keys, audience: AssertionAudience },
    /// The digests of the certificates, at least one.
    SelfSignedTls(Vec<Sha256>),
    /// A name in a certificate whose chain the host has checked.
    Tls(TlsName),
    /// A public client.
    None,
}

/// The one value that `aud` of a client assertion has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AssertionAudience {
    Issuer,
    TokenEndpoint,
}

/// A name in a client's certificate (RFC 8705 section 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsName {
    /// The subject, as a whole.
    SubjectDn(DistinguishedName),
    /// One `dNSName` of the subject's alternative names.
    SanDns(String),
}

/// A SHA-256 digest. `Debug` does not show it: that of a weak secret can be guessed from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sha256(pub(crate) [u8; 32]);

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sha256(..)")
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    SecretBasic,
    SecretPost,
    PrivateKeyJwt,
    SelfSignedTls,
    Tls,
    None,
}

/// The keys that belong to one way of authentication or two, and which.
const KEYS_OF_METHODS: [(&[&str], &[Method], &str); 4] = [
    (
        &["secret_sha256"],
        &[Method::SecretBasic, Method::SecretPost],
        "client_secret_basic and client_secret_post",
    ),
    (
        &["jwks", "jwks_file", "jwks_uri", "local", "assertion_audience"],
        &[Method::PrivateKeyJwt],
        "private_key_jwt",
    ),
    (&["certificate_sha256"], &[Method::SelfSignedTls], "self_signed_tls_client_auth"),
    (&["subject_dn", "san_dns"], &[Method::Tls], "tls_client_auth"),
];

impl Client {
    /// What it may do.
    pub(crate) fn reach(&self) -> Reach<'_> {
        Reach { connectors: &self.connectors, idps: &self.idps }
    }

    /// The tables of `clients`.
    pub(super) fn sections<'a>(root: &Section<'a>) -> Result<Vec<Section<'a>>, Error> {
        root.sections(
            "clients",
            &[
                "id",
                "enabled",
                "auth",
                "secret_sha256",
                "jwks",
                "jwks_file",
                "jwks_uri",
                "local",
                "assertion_audience",
                "certificate_sha256",
                "subject_dn",
                "san_dns",
                "connectors",
                "idps",
            ],
        )
    }

    /// The ids of the clients, in order, none twice.
    pub(super) fn ids(sections: &[Section<'_>]) -> Result<Vec<String>, Error> {
        let mut ids: Vec<String> = Vec::with_capacity(sections.len());
        for section in sections {
            let field = section.required("id", "the client_id")?;
            let id = field.text()?;
            // RFC 6749 appendix A.1.
            if !id.bytes().all(|b| (0x20..0x7f).contains(&b)) {
                return Err(field.error(format!("`{id}` is not a client_id; allowed: printable ASCII")));
            }
            if let Some((_, other)) = ids.iter().zip(sections).find(|(known, _)| *known == id) {
                return Err(field.error(format!("`{id}` stands already in line {}", other.line())));
            }
            ids.push(id.to_owned());
        }
        Ok(ids)
    }

    /// Reads the client `id`.
    pub(super) fn read(
        section: &Section<'_>,
        id: String,
        connectors: &[&str],
        idps: &[Idp],
        inputs: &mut Inputs<'_>,
    ) -> Result<Self, Error> {
        let named_connectors = section.required("connectors", "a list of connector ids, or [\"*\"]")?;
        let issuers = idps.iter().map(|idp| idp.issuer.as_str());
        Ok(Self {
            id,
            enabled: section.boolean("enabled", true)?,
            auth: ClientAuth::read(section, inputs)?,
            connectors: all_or(&named_connectors, "connector", connectors.iter().copied())?,
            idps: match section.optional("idps") {
                Some(field) => all_or(&field, "IdP", issuers)?,
                None => AllOr::All,
            },
        })
    }
}

impl Client {
    /// Reads the client `id` of an identity provider, which has neither connectors nor other IdPs.
    pub(super) fn read_at_idp(
        section: &Section<'_>,
        id: String,
        inputs: &mut Inputs<'_>,
    ) -> Result<Self, Error> {
        section.refuse(
            &["connectors", "idps"],
            "has no meaning here; `targets` say what a client may ask for",
        )?;
        section.refuse(
            &["jwks_uri", "local"],
            "an identity provider fetches nothing; write the keys down as `jwks` or `jwks_file`",
        )?;
        let auth = ClientAuth::read(section, inputs)?;
        if let (ClientAuth::None, Some(field)) = (&auth, section.optional("auth")) {
            // Draft section 8.1: ID-JAGs are for confidential clients.
            inputs.warn(&field.error("whoever has an ID token of this client gets its ID-JAGs"));
        }
        Ok(Self {
            id,
            enabled: section.boolean("enabled", true)?,
            auth,
            connectors: AllOr::List(Vec::new()),
            idps: AllOr::List(Vec::new()),
        })
    }

    /// Warns where TLS has to let self-signed certificates through and names of others count: nothing here can tell which
    /// chains were checked.
    pub(super) fn warn_of_mixed_tls(clients: &[Self], sections: &[Section<'_>], inputs: &mut Inputs<'_>) {
        let enabled = || clients.iter().zip(sections).filter(|(client, _)| client.enabled);
        let self_signed = enabled().any(|(client, _)| matches!(client.auth, ClientAuth::SelfSignedTls(_)));
        let named = enabled().find(|(client, _)| matches!(client.auth, ClientAuth::Tls(_)));
        if let (true, Some((client, section))) = (self_signed, named) {
            inputs.warn(&section.error(format!(
                "`{}` is known by a name in its certificate, and another client by a certificate that it signed itself: \
                 hand over only certificates whose chain was checked, or those that are written down",
                client.id
            )));
        }
    }
}

/// `["*"]`, or a list of names that all exist.
pub(super) fn all_or<'k>(
    field: &Field<'_>,
    what: &str,
    known: impl Iterator<Item = &'k str> + Clone,
) -> Result<AllOr, Error> {
    let names = field.texts()?;
    if names == ["*"] {
        return Ok(AllOr::All);
    }
    for item in field.items()? {
        let name = item.text()?;
        if name == "*" {
            return Err(item.error("`*` stands alone: `[\"*\"]`"));
        }
        if !known.clone().any(|known| known == name) {
            return Err(item.error(format!("no {what} `{name}`{}", there_are(name, known))));
        }
    }
    Ok(AllOr::List(names))
}

impl ClientAuth {
    fn read(section: &Section<'_>, inputs: &mut Inputs<'_>) -> Result<Self, Error> {
        let methods = [
            ("client_secret_basic", Method::SecretBasic),
            ("client_secret_post", Method::SecretPost),
            ("private_key_jwt", Method::PrivateKeyJwt),
            ("self_signed_tls_client_auth", Method::SelfSignedTls),
            ("tls_client_auth", Method::Tls),
            ("none", Method::None),
        ];
        let names = methods.map(|(name, _)| name).join(", ");
        let field = section.required("auth", &format!("one of {names}"))?;
        let method = field.word(&methods)?;
        for (keys, of, names) in KEYS_OF_METHODS {
            if !of.contains(&method) {
                section.refuse(
                    keys,
                    &format!("belongs to {names}, and `auth` is `{}`", field.text().unwrap_or_default()),
                )?;
            }
        }
        match method {
            Method::SecretBasic => Ok(Self::SecretBasic(secret(section)?)),
            Method::SecretPost => Ok(Self::SecretPost(secret(section)?)),
            Method::PrivateKeyJwt => Ok(Self::PrivateKeyJwt {
                keys: {
                    let algorithms: Vec<Algorithm> = asymmetric_algorithms().collect();
                    Keys::read(section, &["jwks", "jwks_file", "jwks_uri"], &algorithms, inputs)?
                },
                audience: section.word(
                    "assertion_audience",
                    &[
                        ("issuer", AssertionAudience::Issuer),
                        ("token_endpoint", AssertionAudience::TokenEndpoint),
                    ],
                    AssertionAudience::Issuer,
                )?,
            }),
            Method::SelfSignedTls => {
                let field = section.required("certificate_sha256", DIGESTS)?;
                Ok(Self::SelfSignedTls(digests(&field)?))
            }
            Method::Tls => {
                let (key, field) = section.exactly_one(&["subject_dn", "san_dns"])?;
                let name = field.text()?;
                Ok(Self::Tls(if key == "san_dns" {
                    if !is_dns_name(name) {
                        return Err(field.error(format!(
                            "`{name}` is not a DNS name; allowed: one whole name as it stands in the certificate, no wildcard"
                        )));
                    }
                    TlsName::SanDns(name.to_owned())
                } else {
                    TlsName::SubjectDn(DistinguishedName::parse(name).ok_or_else(|| {
                        field.error(format!(
                            "`{name}` is not a distinguished name; allowed: the form of RFC 4514, as \
                             `openssl x509 -noout -subject -nameopt RFC2253` prints it behind `subject=`"
                        ))
                    })?)
                }))
            }
            Method::None => Ok(Self::None),
        }
    }
}

/// What a list of digests is.
const DIGESTS: &str = "a SHA-256 digest as 64 hexadecimal digits, or a list of them";

/// The digests of a secret: two at most, while it is exchanged.
fn secret(section: &Section<'_>) -> Result<Vec<Sha256>, Error> {
    let field = section.required("secret_sha256", DIGESTS)?;
    let digests = digests(&field)?;
    if digests.len() > 2 {
        return Err(
            field.error(format!("has {} digests; allowed: one, or two while rotating", digests.len()))
        );
    }
    Ok(digests)
}

fn digests(field: &Field<'_>) -> Result<Vec<Sha256>, Error> {
    let mut digests = Vec::new();
    for item in field.one_or_more()? {
        // What was written may be the secret itself, so it is not shown.
        let digest = parse_digest(item.text()?).ok_or_else(|| item.error(format!("is not {DIGESTS}")))?;
        if digests.contains(&digest) {
            return Err(item.error("the same digest stands twice"));
        }
        digests.push(digest);
    }
    Ok(digests)
}

fn parse_digest(text: &str) -> Option<Sha256> {
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16)?;
            *byte = *byte << 4 | u8::try_from(value).ok()?;
        }
    }
    Some(Sha256(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_64_hexadecimal_digits_of_either_case() {
        let text = format!("{}0fA9", "0".repeat(60));
        let digest = parse_digest(&text).unwrap();
        assert_eq!(digest.0[30..], [0x0f, 0xa9]);
        assert_eq!(format!("{digest:?}"), "Sha256(..)");
        for refused in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(32)] {
            assert!(parse_digest(refused).is_none(), "{refused}");
        }
    }
}
