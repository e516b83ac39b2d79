//! JWS compact form (RFC 7515 sections 3.1, 4.1 and 7.1): three parts, and the members of the header that are read.
//!
//! `alg`, `typ` and `kid` are all that is obeyed. `crit`, `b64`, `jwk`, `jku`, `x5u` and `x5c` would change what a
//! signature covers or where its key comes from, so their presence is a refusal; any other member is ignored. One kind of
//! token brings its key, a DPoP proof (RFC 9449 section 4.2), and has a reading of its own.

use crate::alg::Algorithm;
use crate::json::{Document, JsonError, Value};
use crate::reason::Reason;

/// Members whose presence refuses the header.
const NEVER_OBEYED: [&str; 6] = ["crit", "b64", "jwk", "jku", "x5u", "x5c"];

/// A token split at its dots; nothing is decoded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compact<'a> {
    pub(crate) signing_input: &'a [u8],
    pub(crate) header: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> Compact<'a> {
    /// Splits `token`. Linear, no allocation.
    pub(crate) fn split(token: &'a [u8]) -> Result<Self, Reason> {
        let mut dots = memchr::memchr_iter(b'.', token);
        let (Some(first), Some(second)) = (dots.next(), dots.next()) else {
            return Err(Reason::AssertionMalformed);
        };
        if dots.next().is_some() {
            // Five parts are a JWE (RFC 7516 section 7.1); two more dots settle it, however many follow.
            let is_encrypted = dots.next().is_some() && dots.next().is_none();
            return Err(if is_encrypted { Reason::AssertionEncrypted } else { Reason::AssertionMalformed });
        }
        let (signing_input, signature) = token.split_at(second);
        let (header, payload) = signing_input.split_at(first);
        Ok(Self {
            signing_input,
            header,
            payload: payload.get(1..).unwrap_or_default(),
            signature: signature.get(1..).unwrap_or_default(),
        })
    }
}

/// What a header says, borrowed from its decoded text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header<'i> {
    pub(crate) alg: Algorithm,
    pub(crate) kid: Option<&'i str>,
}

impl<'i> Header<'i> {
    /// Reads the header; `is_typ` says whether its `typ` will do.
    pub(crate) fn read(
        document: &Document<'i, '_>,
        is_typ: impl FnOnce(Option<&str>) -> bool,
    ) -> Result<Self, Reason> {
        Self::scan(document, is_typ, None)
    }

    /// The same of a token that brings its own key: the header, and its `jwk`, which must be there. For DPoP proofs alone.
    pub(crate) fn read_with_key<'t>(
        document: &'t Document<'i, '_>,
        is_typ: impl FnOnce(Option<&str>) -> bool,
    ) -> Result<(Self, Value<'t, 'i>), Reason> {
        let mut jwk = None;
        let header = Self::scan(document, is_typ, Some(&mut jwk))?;
        Ok((header, jwk.ok_or(Reason::HeaderNotAllowed)?))
    }

    /// `jwk` is where that member goes; without a place, it is never obeyed.
    fn scan<'t>(
        document: &'t Document<'i, '_>,
        is_typ: impl FnOnce(Option<&str>) -> bool,
        mut jwk: Option<&mut Option<Value<'t, 'i>>>,
    ) -> Result<Self, Reason> {
        let (mut alg, mut kid, mut typ) = (None, None, None);
        for (name, value) in document.object().members() {
            match (name, &mut jwk) {
                ("alg", _) => alg = Some(value.string().ok_or(Reason::HeaderNotAllowed)?),
                // Of the wrong type it is present, and no type that anybody asks for.
                ("typ", _) => typ = Some(value.string().unwrap_or_default()),
                ("kid", _) => kid = Some(value.string().ok_or(Reason::HeaderNotAllowed)?),
                ("jwk", Some(place)) => **place = Some(value),
                _ if NEVER_OBEYED.contains(&name) => return Err(Reason::HeaderNotAllowed),
                _ => {}
            }
        }
        if !is_typ(typ) {
            return Err(Reason::TypInvalid);
        }
        let alg = alg.and_then(Algorithm::from_name).ok_or(Reason::AlgNotAllowed)?;
        Ok(Self { alg, kid })
    }
}

impl From<JsonError> for Reason {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Invalid => Self::JsonInvalid,
            JsonError::Duplicate => Self::JsonDuplicateMember,
            JsonError::TooComplex => Self::JsonTooComplex,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Memory, Parser};

    #[test]
    fn a_token_has_three_parts() {
        let compact = Compact::split(b"aa.bbb.c").unwrap();
        assert_eq!(compact.signing_input, b"aa.bbb");
        assert_eq!(
            (compact.header, compact.payload, compact.signature),
            (&b"aa"[..], &b"bbb"[..], &b"c"[..])
        );
        let empty = Compact::split(b"..").unwrap();
        assert_eq!((empty.header, empty.payload, empty.signature), (&b""[..], &b""[..], &b""[..]));
        for (token, reason) in [
            (&b""[..], Reason::AssertionMalformed),
            (b"a.b", Reason::AssertionMalformed),
            (b"a.b.c.d", Reason::AssertionMalformed),
            (b"a.b.c.d.e", Reason::AssertionEncrypted),
            (b"a.b.c.d.e.f", Reason::AssertionMalformed),
            (&[b'.'; 16384], Reason::AssertionMalformed),
        ] {
            assert_eq!(Compact::split(token), Err(reason));
        }
    }

    fn header(text: &str) -> Result<(Algorithm, Option<String>), Reason> {
        let (mut parser, mut memory) = (Parser::default(), Memory::default());
        let document = Document::read(text.as_bytes(), &mut parser, &mut memory)?;
        let header = Header::read(&document, |typ| typ == Some("oauth-id-jag+jwt"))?;
        Ok((header.alg, header.kid.map(str::to_owned)))
    }

    #[test]
    fn only_alg_typ_and_kid_are_obeyed() {
        let control = r#"{"kid":"k","typ":"oauth-id-jag+jwt","alg":"RS256","x5t":"AA","made":1}"#;
        assert_eq!(header(control), Ok((Algorithm::RS256, Some("k".into()))));
        for member in NEVER_OBEYED {
            let text = format!(r#"{{"{member}":true,"typ":"oauth-id-jag+jwt","alg":"RS256"}}"#);
            assert_eq!(header(&text), Err(Reason::HeaderNotAllowed), "{member}");
        }
        for typ in ["null", "\"JWT\"", "\"application/oauth-id-jag+jwt\"", "\"oauth-id-jag+JWT\"", "1"] {
            let text = format!(r#"{{"typ":{typ},"alg":"RS256"}}"#);
            assert_eq!(header(&text), Err(Reason::TypInvalid), "{typ}");
        }
        assert_eq!(header(r#"{"alg":"RS256"}"#), Err(Reason::TypInvalid));
        for alg in ["none", "None", "rs256", "RS1", ""] {
            let text = format!(r#"{{"typ":"oauth-id-jag+jwt","alg":"{alg}"}}"#);
            assert_eq!(header(&text), Err(Reason::AlgNotAllowed), "{alg}");
        }
        assert_eq!(header(r#"{"typ":"oauth-id-jag+jwt"}"#), Err(Reason::AlgNotAllowed));
    }

    #[test]
    fn a_key_is_taken_only_where_it_belongs() {
        let read = |text: &str| {
            let (mut parser, mut memory) = (Parser::default(), Memory::default());
            let document = Document::read(text.as_bytes(), &mut parser, &mut memory)?;
            let (header, jwk) = Header::read_with_key(&document, |typ| typ == Some("dpop+jwt"))?;
            Ok::<_, Reason>((header.alg, jwk.object().is_some()))
        };
        assert_eq!(read(r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{}}"#), Ok((Algorithm::ES256, true)));
        assert_eq!(read(r#"{"typ":"dpop+jwt","alg":"ES256","jwk":1}"#), Ok((Algorithm::ES256, false)));
        assert_eq!(read(r#"{"typ":"dpop+jwt","alg":"ES256"}"#), Err(Reason::HeaderNotAllowed));
        assert_eq!(read(r#"{"typ":"JWT","alg":"ES256","jwk":{}}"#), Err(Reason::TypInvalid));
        for member in NEVER_OBEYED.iter().filter(|name| **name != "jwk") {
            let text = format!(r#"{{"{member}":true,"typ":"dpop+jwt","alg":"ES256","jwk":{{}}}}"#);
            assert_eq!(read(&text), Err(Reason::HeaderNotAllowed), "{member}");
        }
    }
}
