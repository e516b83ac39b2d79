//! Wycheproof vectors against [`crate::crypto`]: signatures that others have accepted and should not have.
//!
//! The number of cases that ran stands beside each file, so that none is lost in silence. A signature that Wycheproof
//! calls acceptable counts on its own. A group whose parameters are not ours must be refused as a whole.

use std::str::FromStr;

use wycheproof::{HashFunction, Mgf, TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use crate::alg::Algorithm;
use crate::crypto::{PublicKey, Refused};

/// What ran in one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ran {
    /// Valid, and accepted.
    valid: usize,
    /// Invalid, and refused.
    invalid: usize,
    /// Acceptable, and accepted.
    acceptable: usize,
    /// Acceptable, and refused: this library is stricter.
    stricter: usize,
    /// Refused with its key, or valid under parameters that are not ours, and refused.
    foreign: usize,
}

impl Ran {
    const fn new(valid: usize, invalid: usize, acceptable: usize, stricter: usize, foreign: usize) -> Self {
        Self { valid, invalid, acceptable, stricter, foreign }
    }

    fn count(&mut self, case: &str, key: &PublicKey, message: &[u8], signature: &[u8], expected: TestResult) {
        let counter = match (expected, key.verify(message, signature)) {
            (TestResult::Valid, true) => &mut self.valid,
            (TestResult::Invalid, false) => &mut self.invalid,
            (TestResult::Acceptable, true) => &mut self.acceptable,
            (TestResult::Acceptable, false) => &mut self.stricter,
            (expected, verdict) => panic!("{case}: {expected:?}, and the verdict is {verdict}"),
        };
        *counter += 1;
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    &number[zeros..]
}

#[test]
fn rsa_pkcs1() {
    use Algorithm::{RS256, RS384, RS512};

    for (name, algorithm, expected) in [
        ("rsa_signature_2048_sha256", RS256, Ran::new(7, 249, 0, 1, 2)),
        ("rsa_signature_2048_sha384", RS384, Ran::new(7, 250, 0, 1, 0)),
        ("rsa_signature_2048_sha512", RS512, Ran::new(7, 250, 0, 1, 1)),
        ("rsa_signature_3072_sha256", RS256, Ran::new(7, 250, 0, 1, 1)),
        ("rsa_signature_3072_sha384", RS384, Ran::new(7, 251, 0, 1, 0)),
        ("rsa_signature_3072_sha512", RS512, Ran::new(7, 251, 0, 1, 1)),
        ("rsa_signature_4096_sha256", RS256, Ran::new(7, 250, 0, 1, 0)),
        ("rsa_signature_4096_sha384", RS384, Ran::new(7, 251, 0, 1, 0)),
        ("rsa_signature_4096_sha512", RS512, Ran::new(7, 251, 0, 1, 0)),
        ("rsa_signature_8192_sha256", RS256, Ran::new(7, 250, 0, 1, 0)),
        ("rsa_signature_8192_sha384", RS384, Ran::new(7, 251, 0, 1, 0)),
        ("rsa_signature_8192_sha512", RS512, Ran::new(7, 251, 0, 1, 0)),
    ] {
        let set = rsa_pkcs1_verify::TestSet::load(FromStr::from_str(name).unwrap()).unwrap();
        let mut ran = Ran::default();
        for group in set.test_groups {
            let (n, e) = (without_leading_zeros(&group.key.n), without_leading_zeros(&group.key.e));
            let key = match PublicKey::rsa(algorithm, n, e) {
                Ok(key) => key,
                Err(refused) => {
                    assert_eq!(refused, Refused::Exponent, "{name}");
                    ran.foreign += group.tests.len();
                    continue;
                }
            };
            for test in group.tests {
                let case = format!("{name} {}", test.tc_id);
                ran.count(&case, &key, &test.msg, &test.sig, test.result);
            }
        }
        assert_eq!(ran, expected, "{name}");
    }
}

#[test]
fn rsa_pss() {
    for (name, expected) in [
        ("rsa_pss_2048_sha256_mgf1_0", Ran::new(0, 0, 0, 0, 61)),
        ("rsa_pss_2048_sha256_mgf1_0_params", Ran::new(0, 0, 0, 0, 61)),
        ("rsa_pss_2048_sha256_mgf1_32", Ran::new(63, 45, 0, 0, 0)),
        ("rsa_pss_2048_sha256_mgf1_32_params", Ran::new(63, 45, 0, 0, 0)),
        ("rsa_pss_2048_sha256_mgf1sha1_20", Ran::new(0, 0, 0, 0, 63)),
        ("rsa_pss_2048_sha384_mgf1_48", Ran::new(95, 46, 0, 0, 0)),
        ("rsa_pss_2048_sha512_mgf1sha256_32_params", Ran::new(0, 0, 0, 0, 132)),
        ("rsa_pss_3072_sha256_mgf1_32", Ran::new(63, 45, 0, 0, 0)),
        ("rsa_pss_3072_sha256_mgf1_32_params", Ran::new(63, 45, 0, 0, 0)),
        ("rsa_pss_4096_sha256_mgf1_32", Ran::new(63, 45, 0, 0, 0)),
        ("rsa_pss_4096_sha384_mgf1_48", Ran::new(95, 46, 0, 0, 0)),
        ("rsa_pss_4096_sha512_mgf1_32", Ran::new(0, 0, 0, 0, 132)),
        ("rsa_pss_4096_sha512_mgf1_32_params", Ran::new(0, 0, 0, 0, 132)),
        ("rsa_pss_4096_sha512_mgf1_64", Ran::new(132, 47, 0, 0, 0)),
        ("rsa_pss_4096_sha512_mgf1_64_params", Ran::new(132, 47, 0, 0, 0)),
        ("rsa_pss_misc", Ran::new(3, 0, 0, 0, 147)),
        ("rsa_pss_misc_params", Ran::new(3, 0, 0, 0, 147)),
    ] {
        let set = rsa_pss_verify::TestSet::load(FromStr::from_str(name).unwrap()).unwrap();
        let mut ran = Ran::default();
        for group in set.test_groups {
            let (algorithm, salt) = match group.hash {
                HashFunction::Sha2_256 => (Algorithm::PS256, 32),
                HashFunction::Sha2_384 => (Algorithm::PS384, 48),
                HashFunction::Sha2_512 => (Algorithm::PS512, 64),
                _ => {
                    ran.foreign += group.tests.len();
                    continue;
                }
            };
            let ours =
                group.salt_size == salt && group.mgf == Mgf::Mgf1 && group.mgf_hash == Some(group.hash);
            let (n, e) = (without_leading_zeros(&group.key.n), without_leading_zeros(&group.key.e));
            let key = PublicKey::rsa(algorithm, n, e).unwrap();
            for test in group.tests {
                let case = format!("{name} {}", test.tc_id);
                if ours {
                    ran.count(&case, &key, &test.msg, &test.sig, test.result);
                } else if test.result == TestResult::Valid {
                    // What is invalid there, for its salt, may be valid here.
                    assert!(!key.verify(&test.msg, &test.sig), "{case}");
                    ran.foreign += 1;
                }
            }
        }
        assert_eq!(ran, expected, "{name}");
    }
}

#[test]
fn ecdsa() {
    for (name, algorithm, expected) in [
        ("ecdsa_secp256r1_sha256_p1363", Algorithm::ES256, Ran::new(173, 89, 0, 0, 0)),
        ("ecdsa_secp384r1_sha384_p1363", Algorithm::ES384, Ran::new(193, 87, 0, 0, 0)),
        (
            "ecdsa_secp521r1_sha512_p1363",
            Algorithm::ES512,
            if cfg!(feature = "aws-lc-rs") { Ran::new(231, 87, 0, 0, 0) } else { Ran::new(0, 0, 0, 0, 318) },
        ),
    ] {
        let set = ecdsa::TestSet::load(FromStr::from_str(name).unwrap()).unwrap();
        let mut ran = Ran::default();
        for group in set.test_groups {
            let (form, point) = group.key.key.split_first().unwrap();
            assert_eq!(*form, 4, "{name}: uncompressed");
            let (x, y) = point.split_at(point.len() / 2);
            let key = match PublicKey::ec(algorithm, x, y) {
                Ok(key) => key,
                Err(refused) => {
                    assert_eq!(refused, Refused::NotSupported, "{name}");
                    ran.foreign += group.tests.len();
                    continue;
                }
            };
            for test in group.tests {
                let case = format!("{name} {}", test.tc_id);
                ran.count(&case, &key, &test.msg, &test.sig, test.result);
            }
        }
        assert_eq!(ran, expected, "{name}");
    }
}

#[test]
fn ed25519() {
    let name = "ed25519";
    let set = eddsa::TestSet::load(FromStr::from_str(name).unwrap()).unwrap();
    let mut ran = Ran::default();
    for group in set.test_groups {
        let key = PublicKey::ed25519(&group.key.pk).unwrap();
        for test in group.tests {
            let case = format!("{name} {}", test.tc_id);
            ran.count(&case, &key, &test.msg, &test.sig, test.result);
        }
    }
    assert_eq!(ran, Ran::new(88, 63, 0, 0, 0), "{name}");
}
