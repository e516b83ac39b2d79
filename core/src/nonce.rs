//! The nonces that we ask DPoP proofs for, where the configuration says so (RFC 9449 sections 8 and 9).
//!
//! None is remembered: a nonce is a number of minutes and our HMAC over it, by a key that is drawn when the engine is
//! built and kept nowhere. So it proves that a proof was made lately, and not by whom; what makes a proof be used once is
//! its `jti`.

use crate::alg::Algorithm;
use crate::base64url;
use crate::crypto::MAX_SIGNATURE;
use crate::error::Error;
use crate::key::SigningKey;

/// A nonce is made anew so often, in seconds, and is good for as long again.
const PERIOD_S: i64 = 120;

/// Octets of the number of a period.
const PERIOD: usize = size_of::<i64>();

/// Octets of a nonce.
const LENGTH: usize = PERIOD + 32;

/// Makes nonces, and knows them again.
pub(crate) struct Nonces(SigningKey);

/// What a nonce is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// It is the one that is given out at present.
    Fresh,
    /// It is good, and will not be for long.
    Ageing,
}

impl Nonces {
    /// With a key of its own.
    pub(crate) fn new() -> Result<Self, Error> {
        SigningKey::generate(Algorithm::HS256).map(Self)
    }

    /// The nonce of `now`, for the header `DPoP-Nonce`. `None`: the provider failed.
    pub(crate) fn at(&self, now: i64) -> Option<String> {
        let period = now.div_euclid(PERIOD_S).to_be_bytes();
        let mut buffer = [0; MAX_SIGNATURE];
        let code = self.0.sign(&period, &mut buffer).ok()?;
        Some(base64url::encode(&[&period, code].concat()))
    }

    /// What a nonce is worth at `now`; `None`: nothing. It is not of this engine, or too old. Compares in constant time.
    pub(crate) fn age(&self, nonce: &str, now: i64) -> Option<Age> {
        if nonce.len() != base64url::encoded_length(LENGTH) {
            return None;
        }
        let nonce = base64url::decode(nonce.as_bytes()).ok()?;
        let (period, code) = nonce.split_first_chunk::<PERIOD>()?;
        if !self.0.verifying().verify(Algorithm::HS256, period, code) {
            return None;
        }
        match now.div_euclid(PERIOD_S).checked_sub(i64::from_be_bytes(*period))? {
            0 => Some(Age::Fresh),
            1 => Some(Age::Ageing),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_784_527_320; // A period begins.

    #[test]
    fn a_nonce_is_good_for_two_periods() {
        let nonces = Nonces::new().unwrap();
        let nonce = nonces.at(NOW).unwrap();
        assert_eq!(nonces.at(NOW + PERIOD_S - 1).as_ref(), Some(&nonce));
        assert_ne!(nonces.at(NOW + PERIOD_S).as_ref(), Some(&nonce));
        for (now, age) in [
            (NOW - 1, None),
            (NOW, Some(Age::Fresh)),
            (NOW + PERIOD_S - 1, Some(Age::Fresh)),
            (NOW + PERIOD_S, Some(Age::Ageing)),
            (NOW + 2 * PERIOD_S - 1, Some(Age::Ageing)),
            (NOW + 2 * PERIOD_S, None),
        ] {
            assert_eq!(nonces.age(&nonce, now), age, "{now}");
        }
    }

    #[test]
    fn a_nonce_of_somebody_else_is_worth_nothing() {
        let nonces = Nonces::new().unwrap();
        let theirs = Nonces::new().unwrap().at(NOW).unwrap();
        let ours = nonces.at(NOW).unwrap();
        let forged = base64url::encode(&[0; LENGTH]);
        let none = base64url::encode(&base64url::decode(ours.as_bytes()).unwrap()[..PERIOD]);
        for nonce in [
            "",
            "x",
            &theirs,
            &forged,
            &none,
            &format!("{ours}A"),
            ours.trim_start_matches('A'),
            &ours.to_lowercase(),
        ] {
            assert_eq!(nonces.age(nonce, NOW), None, "{nonce}");
        }
        assert_eq!(nonces.age(&nonces.at(i64::MIN).unwrap(), i64::MAX), None);
    }
}
