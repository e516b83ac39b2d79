//! The header that was read last. An IdP writes the same one into token after token, and IdPs that run the same software
//! write the same one but for the `kid`: neither is read as JSON again.

use std::ops::Range;

use crate::alg::Algorithm;
use crate::assertion::Kind;
use crate::base64url;
use crate::json::{Document, Memory, Parser};
use crate::jws::Header;
use crate::reason::Reason;

/// A header that was found in order, if any was. Its memory is reused, and never smaller than what it held before.
#[derive(Default)]
pub(crate) struct KnownHeader {
    /// As it stands in the token.
    text: Vec<u8>,
    /// The same, decoded.
    decoded: Vec<u8>,
    said: Option<Said>,
    /// What `kid` said, where there is one.
    kid: String,
    /// Where the next one is decoded.
    other: Vec<u8>,
}

/// What a header said.
struct Said {
    kind: Kind,
    alg: Algorithm,
    kid: Kid,
}

enum Kid {
    None,
    /// Where it stands in what was decoded: between two quotes, without an escape.
    Plain(Range<usize>),
    Escaped,
}

impl KnownHeader {
    /// What the header of a token of this kind says.
    pub(crate) fn read(
        &mut self,
        text: &[u8],
        kind: Kind,
        parser: &mut Parser,
        memory: &mut Memory,
    ) -> Result<Header<'_>, Reason> {
        let is_known = self.text == text && self.said.as_ref().is_some_and(|said| said.kind == kind);
        if !is_known {
            self.read_other(text, kind, parser, memory)?;
        }
        let said = self.said.as_ref().ok_or(Reason::JsonInvalid)?;
        let has_one = !matches!(said.kid, Kid::None);
        Ok(Header { alg: said.alg, kid: has_one.then_some(&*self.kid) })
    }

    // Its code would lie in the way of that of the header that is known.
    #[inline(never)]
    fn read_other(
        &mut self,
        text: &[u8],
        kind: Kind,
        parser: &mut Parser,
        memory: &mut Memory,
    ) -> Result<(), Reason> {
        let before = self.said.take().filter(|said| said.kind == kind);
        let length =
            base64url::decode_into(text, &mut self.other).map_err(|_| Reason::EncodingInvalid)?.len();
        self.other.truncate(length);
        let said = match before.and_then(|said| self.said_but_for_the_kid(&said)) {
            Some(said) => said,
            None => self.said_as_json(kind, parser, memory)?,
        };
        self.text.clear();
        self.text.extend_from_slice(text);
        std::mem::swap(&mut self.decoded, &mut self.other);
        self.said = Some(said);
        Ok(())
    }

    /// What the other header says, if it is the known one with another plain `kid`: every other byte of it is the same, so
    /// that it is the same JSON with another string at that place.
    fn said_but_for_the_kid(&mut self, said: &Said) -> Option<Said> {
        let Kid::Plain(place) = &said.kid else {
            return None;
        };
        let (before, after) = (self.decoded.get(..place.start)?, self.decoded.get(place.end..)?);
        let end = self.other.len().checked_sub(after.len())?;
        let kid = self.other.get(place.start..end)?;
        if !self.other.starts_with(before) || !self.other.ends_with(after) || !is_plain(kid) {
            return None;
        }
        self.kid.clear();
        self.kid.push_str(str::from_utf8(kid).ok()?);
        Some(Said { kid: Kid::Plain(place.start..end), kind: said.kind, alg: said.alg })
    }

    /// What the other header says, whatever it is.
    fn said_as_json(&mut self, kind: Kind, parser: &mut Parser, memory: &mut Memory) -> Result<Said, Reason> {
        let document = Document::read(&self.other, parser, memory)?;
        let Header { alg, kid } = Header::read(&document, |typ| kind.admits(typ))?;
        self.kid.clear();
        self.kid.push_str(kid.unwrap_or_default());
        let place = match kid.map(|kid| plain_place(kid, &self.other)) {
            None => Kid::None,
            Some(Some(place)) => Kid::Plain(place),
            Some(None) => Kid::Escaped,
        };
        Ok(Said { kind, alg, kid: place })
    }
}

/// Where `kid` stands in `decoded`, if it is a part of it and not a copy.
fn plain_place(kid: &str, decoded: &[u8]) -> Option<Range<usize>> {
    let start = kid.as_ptr().addr().checked_sub(decoded.as_ptr().addr())?;
    let end = start.checked_add(kid.len())?;
    let quoted = decoded.get(start.checked_sub(1)?..end.checked_add(1)?)?;
    let is_there = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")? == kid.as_bytes();
    (is_there && is_plain(kid.as_bytes())).then_some(start..end)
}

/// Whether these bytes between two quotes are a JSON string that says just them: printable ASCII without quotes and
/// backslashes.
fn is_plain(text: &[u8]) -> bool {
    // No way out in between: so this takes many bytes at a time.
    let special = text.iter().fold(0, |special, byte| {
        special | u8::from(!matches!(byte, b' '..=b'~') | matches!(byte, b'"' | b'\\'))
    });
    special == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a header says to one who reads it first.
    fn fresh(decoded: &[u8], kind: Kind) -> Result<(Algorithm, Option<String>), Reason> {
        after(&mut KnownHeader::default(), decoded, kind)
    }

    /// What it says to one who knows another.
    fn after(
        known: &mut KnownHeader,
        decoded: &[u8],
        kind: Kind,
    ) -> Result<(Algorithm, Option<String>), Reason> {
        let text = base64url::encode(decoded);
        let (mut parser, mut memory) = (Parser::default(), Memory::default());
        let header = known.read(text.as_bytes(), kind, &mut parser, &mut memory)?;
        Ok((header.alg, header.kid.map(str::to_owned)))
    }

    /// A header around a `kid` that stands in it as it is, quotes and all that it may bring.
    fn around(kid: &str) -> String {
        format!(r#"{{"typ":"oauth-id-jag+jwt","kid":"{kid}","alg":"RS256"}}"#)
    }

    #[test]
    fn whatever_was_read_before_a_header_says_the_same() {
        const HEADERS: &[&str] = &[
            r#"{"typ":"oauth-id-jag+jwt","alg":"RS256"}"#,
            r#"{"typ":"oauth-id-jag+jwt","alg":"RS256","kid":"a"}"#,
            r#"{"typ":"oauth-id-jag+jwt","alg":"ES256","kid":"a"}"#,
            r#"{"typ":"oauth-id-jag+jwt","alg":"none","kid":"a"}"#,
            r#"{"typ":"at+jwt","alg":"RS256","kid":"a"}"#,
            r#"{"kid":"a","typ":"oauth-id-jag+jwt","alg":"RS256"}"#,
            r#"{"kid":"b","typ":"oauth-id-jag+jwt","alg":"RS256"}"#,
            r#"{"kid":7,"typ":"oauth-id-jag+jwt","alg":"RS256"}"#,
            r#"{"kid":"a","typ":"oauth-id-jag+jwt","alg":"RS256"} "#,
            r#"{"kid":"a","typ":"oauth-id-jag+jwt","alg":"RS256"#,
            "",
            "\"\"",
        ];
        const KIDS: &[&str] = &[
            "a",
            "b",
            "",
            "a longer one, with spaces",
            r#"a","crit":["x"],"x":""#,
            r#"a","alg":"none","x":""#,
            r#"a","kid":"b"#,
            r#"","x":""#,
            r"\u0061",
            r"a\",
            r#"a\""#,
            "\u{e9}",
            "\u{7f}",
            "a\nb",
            "a\0b",
            "\"",
            "\u{1f511}",
        ];
        let headers: Vec<Vec<u8>> = HEADERS
            .iter()
            .map(|header| header.as_bytes().to_vec())
            .chain(KIDS.iter().map(|kid| around(kid).into_bytes()))
            // Not UTF-8, where a `kid` was.
            .chain([around("@").bytes().map(|byte| if byte == b'@' { 0xff } else { byte }).collect()])
            .collect();
        let mut said = Vec::new();
        for first in &headers {
            for second in &headers {
                for kind in [Kind::IdJag, Kind::AccessToken] {
                    let mut known = KnownHeader::default();
                    assert_eq!(after(&mut known, first, Kind::IdJag), fresh(first, Kind::IdJag));
                    for header in [second, first] {
                        let text = String::from_utf8_lossy(header);
                        let says = fresh(header, kind);
                        assert_eq!(after(&mut known, header, kind), says, "{text}");
                        assert_eq!(after(&mut known, header, kind), says, "{text}, once more");
                        said.push(says.is_ok());
                    }
                }
            }
        }
        assert!(said.contains(&true) && said.contains(&false));
    }

    #[test]
    fn a_header_with_another_kid_is_not_read_as_json() {
        let mut known = KnownHeader::default();
        for (kid, is_known) in
            [("b", true), ("", true), ("a longer one", true), (r"\u0061", false), ("\u{e9}", false)]
        {
            assert!(after(&mut known, around("a").as_bytes(), Kind::IdJag).is_ok());
            let said = known.said.take().unwrap();
            known.other = around(kid).into_bytes();
            assert_eq!(known.said_but_for_the_kid(&said).is_some(), is_known, "{kid}");
        }
    }
}
