//! Doors for `fuzz/` into what is private: the reading of a token, and of claims. Not part of the API: there is no promise
//! about anything here, and only the feature `fuzzing` opens it.

use crate::alg::Algorithm;
use crate::assertion::Kind;
use crate::base64url;
use crate::claims::{Claims, GroupsClaim};
use crate::json::{self, Document, Memory, Parser, Value};
use crate::json_writer::JsonWriter;
use crate::jws::{Compact, Header};
use crate::known_header::KnownHeader;
use crate::possession::Confirmation;
use crate::reason::Reason;
use crate::time::NumericDate;

/// Depth of `act` that [`claims`] takes.
pub const MAX_ACT_DEPTH: usize = 4;
/// Characters of `jti` that [`claims`] takes.
pub const MAX_JTI_CHARS: usize = 20;

/// A token taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Jws {
    /// `alg`.
    pub alg: Algorithm,
    /// `kid`.
    pub kid: Option<String>,
    /// What the second part stands for.
    pub payload: Vec<u8>,
    /// What the third part stands for.
    pub signature: Vec<u8>,
}

/// What each claim says, by its name: a text, nothing, or a refusal.
pub type Readings = Vec<(&'static str, Result<Option<String>, Reason>)>;

/// A header that was read before.
const BEFORE: &str = r#"{"alg":"RS256","typ":"oauth-id-jag+jwt","kid":"k1"}"#;

/// Takes an ID-JAG apart, after another one whose header may have differed in nothing but the `kid`.
pub fn jws(token: &[u8]) -> Result<Jws, Reason> {
    let compact = Compact::split(token)?;
    let decode = |part| base64url::decode(part).map_err(|_| Reason::EncodingInvalid);
    let (mut known, mut parser, mut memory) = (KnownHeader::default(), Parser::default(), Memory::default());
    known.read(base64url::encode(BEFORE.as_bytes()).as_bytes(), Kind::IdJag, &mut parser, &mut memory)?;
    let Header { alg, kid } = known.read(compact.header, Kind::IdJag, &mut parser, &mut memory)?;
    let kid = kid.map(str::to_owned);
    Ok(Jws { alg, kid, payload: decode(compact.payload)?, signature: decode(compact.signature)? })
}

/// Reads the claims of an ID-JAG: the document as it is written back, and each claim.
///
/// Panics where the quick reader of plain texts reads anything but what simd-json reads.
pub fn claims(payload: &[u8]) -> Result<(String, Readings), Reason> {
    json::is_plain(payload);
    read(payload, |document| {
        let mut out = JsonWriter::default();
        out.object(|out| {
            for (name, value) in document.object().members() {
                out.any_name(name);
                value.write(out);
            }
        });
        Ok((out.into_string(), readings(&Claims::find(document.object()))))
    })
}

fn read<R>(text: &[u8], look: impl FnOnce(&Document<'_, '_>) -> Result<R, Reason>) -> Result<R, Reason> {
    let (mut parser, mut memory) = (Parser::default(), Memory::default());
    let document = Document::read(text, &mut parser, &mut memory)?;
    look(&document)
}

fn confirmation(found: Option<Confirmation>) -> Option<String> {
    let mut out = JsonWriter::default();
    found?.write(&mut out);
    Some(out.into_string())
}

fn readings(claims: &Claims<'_, '_>) -> Readings {
    let required = |claim: Result<&str, Reason>| claim.map(|text| Some(text.to_owned()));
    let optional = |claim: Result<Option<&str>, Reason>| claim.map(|text| text.map(str::to_owned));
    let whole = |value: Option<Value<'_, '_>>| {
        value.map(|value| {
            let mut out = JsonWriter::default();
            value.write(&mut out);
            out.into_string()
        })
    };
    let date = |date: NumericDate| format!("{} {}", date.floor(), date.ceil());
    let groups = |path: &[&str]| {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        claims.groups(&path).map(|groups| match groups {
            GroupsClaim::Absent => None,
            GroupsClaim::Overage => Some("overage".to_owned()),
            listed @ GroupsClaim::Listed(_) => Some(listed.names().collect::<Vec<_>>().join("\n")),
        })
    };
    vec![
        ("iss", required(claims.issuer())),
        ("sub", required(claims.subject())),
        ("aud", required(claims.audience())),
        ("exp", claims.expires().map(date).map(Some)),
        ("iat", claims.issued().map(date).map(Some)),
        ("nbf", claims.not_before().map(|found| found.map(date))),
        ("jti", required(claims.jti(MAX_JTI_CHARS))),
        ("client_id", required(claims.client_id())),
        ("tenant", optional(claims.tenant())),
        ("aud_tenant", optional(claims.aud_tenant())),
        ("aud_sub", required(claims.aud_sub())),
        ("sub_id", claims.saml_nameid().map(|(issuer, nameid)| Some(format!("{issuer}\n{nameid}")))),
        ("scope", claims.scope().map(|scope| scope.map(|scope| scope.as_str().to_owned()))),
        ("email", Ok(claims.email().map(str::to_owned))),
        ("act", claims.act(MAX_ACT_DEPTH).map(whole)),
        ("cnf", claims.confirmation().map(confirmation)),
        ("authorization_details", claims.authorization_details().map(whole)),
        ("groups", groups(&["groups"])),
        ("roles.names", groups(&["roles", "names"])),
    ]
}
