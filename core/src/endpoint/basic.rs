//! `Authorization: Basic` (RFC 7617) with a client's identifier and secret, each form-encoded first (RFC 6749
//! section 2.3.1).

use base64_simd::STANDARD;
use zeroize::Zeroizing;

use super::form::decode;

/// What the header says, decoded once.
pub(super) struct Basic {
    pub(super) client_id: String,
    pub(super) secret: Zeroizing<String>,
}

/// Whether a header is of this scheme at all.
pub(super) fn is_basic(header: &[u8]) -> bool {
    header.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic"))
        && header.get(5).is_none_or(|byte| *byte == b' ')
}

impl Basic {
    /// `None`: the header is not of this scheme, or not of its form.
    pub(super) fn read(header: &[u8]) -> Option<Self> {
        let encoded = header.get(6..).filter(|_| is_basic(header))?.trim_ascii();
        let pair = Zeroizing::new(STANDARD.decode_to_vec(encoded).ok()?);
        let colon = memchr::memchr(b':', &pair)?;
        let (client_id, secret) = pair.split_at_checked(colon)?;
        let secret = Zeroizing::new(decode(secret.get(1..)?)?.into_owned());
        Some(Self { client_id: decode(client_id)?.into_owned(), secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pair: &str) -> Option<(String, String)> {
        let header = format!("bAsIc {}", STANDARD.encode_to_string(pair));
        Basic::read(header.as_bytes()).map(|basic| (basic.client_id, basic.secret.to_string()))
    }

    #[test]
    fn both_are_decoded_once() {
        assert_eq!(read("c:s"), Some(("c".into(), "s".into())));
        assert_eq!(read("a+b%3ac:s%2525+:x"), Some(("a b:c".into(), "s%25 :x".into())));
        assert_eq!(read(":"), Some((String::new(), String::new())));
        assert_eq!(read("no colon"), None);
        assert_eq!(read("c:%ff"), None);
    }

    #[test]
    fn other_headers_are_not_taken() {
        for header in
            ["", "Basic", "Basic ", "Basic !!", "Basic Yzpz=", "Bearer Yzpz", "BasicYzpz", "Basic Yzp"]
        {
            assert!(Basic::read(header.as_bytes()).is_none(), "{header}");
        }
        assert!(
            is_basic(b"Basic") && is_basic(b"basic x") && !is_basic(b"Basics x") && !is_basic(b"Bearer x")
        );
    }
}
