//! Tokens that nobody may accept.

/// The same token with one character of its signature changed: a byte in the second half of an EdDSA or ES256
/// signature, so that it is still made of numbers below the order.
pub(crate) fn forged(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap_or_default();
    let (before, from) = signature.split_at_checked(44).unwrap_or_default();
    let changed = if from.starts_with('A') { "B" } else { "A" };
    format!("{message}.{before}{changed}{}", from.get(1..).unwrap_or_default())
}
