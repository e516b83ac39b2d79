//! Base64url without padding (RFC 7515 section 2, RFC 4648 section 5): strict and canonical.
//!
//! Padding, white space, the standard alphabet's `+` and `/`, and trailing bits that are not zero are all refused, so
//! that one value has one spelling.

use base64_simd::{Out, URL_SAFE_NO_PAD};

/// The text is not canonical, unpadded base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotBase64Url;

/// The bytes that `text` stands for, at the start of `out`: a buffer that is reused, grows by need and never shrinks.
pub(crate) fn decode_into<'o>(text: &[u8], out: &'o mut Vec<u8>) -> Result<&'o [u8], NotBase64Url> {
    let needed = text.len() / 4 * 3 + 3;
    if out.len() < needed {
        out.resize(needed, 0);
    }
    let decoded = URL_SAFE_NO_PAD.decode(text, Out::from_slice(out)).map_err(|_| NotBase64Url)?;
    Ok(decoded)
}

/// The bytes that `text` stands for.
pub(crate) fn decode(text: &[u8]) -> Result<Vec<u8>, NotBase64Url> {
    let mut out = Vec::new();
    let length = decode_into(text, &mut out)?.len();
    out.truncate(length);
    Ok(out)
}

/// The text for `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Appends the text for `bytes` to `out`.
pub(crate) fn encode_append(bytes: &[u8], out: &mut String) {
    URL_SAFE_NO_PAD.encode_append(bytes, out);
}

/// Writes the text for `bytes` into `out`, which is as long as the text.
pub(crate) fn encode_into<'o>(bytes: &[u8], out: &'o mut [u8]) -> &'o str {
    URL_SAFE_NO_PAD.encode_as_str(bytes, Out::from_slice(out))
}

/// How many characters stand for `bytes` bytes.
pub(crate) const fn encoded_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4 - (3 - bytes % 3) % 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_spelling() {
        assert_eq!(decode(b"").as_deref(), Ok(&b""[..]));
        assert_eq!(decode(b"_-8").as_deref(), Ok(&[0xff, 0xef][..]));
        for refused in
            ["_-8=", "_-9", "_-8 ", " _-8", "_-8\n", "_-8A=", "/+8", "A", "AB=", "AB==", "AB", "_-8\u{e9}"]
        {
            assert_eq!(decode(refused.as_bytes()), Err(NotBase64Url), "{refused:?}");
        }
    }

    #[test]
    fn a_buffer_is_reused() {
        let mut buffer = Vec::new();
        for (text, bytes) in [(&b"AAECAwQF"[..], &[0, 1, 2, 3, 4, 5][..]), (b"_-8", b"\xff\xef"), (b"", b"")]
        {
            assert_eq!(decode_into(text, &mut buffer), Ok(bytes));
        }
    }

    #[test]
    fn the_length_is_exact() {
        for length in 0..100 {
            assert_eq!(encode(&vec![7; length]).len(), encoded_length(length));
        }
    }
}
