//! The two providers' bare operations beside each other: `cargo bench -p idjag-benches --bench provider`.
//!
//! The two crates have the same names for the same things, so that one macro measures both.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use idjag_benches::Failure;

/// As long as an assertion without its signature.
const MESSAGE: [u8; 700] = [b'a'; 700];

/// ring's errors are no `std::error::Error`.
fn failed(error: impl std::fmt::Debug) -> Failure {
    format!("{error:?}").into()
}

macro_rules! measure {
    ($criterion:expr, $provider:ident, $ecdsa:expr) => {{
        use $provider::signature::{self, KeyPair, UnparsedPublicKey};
        let rng = $provider::rand::SystemRandom::new();
        let name = stringify!($provider);

        let ed25519 = signature::Ed25519KeyPair::from_pkcs8(
            signature::Ed25519KeyPair::generate_pkcs8(&rng).map_err(failed)?.as_ref(),
        )
        .map_err(failed)?;
        $criterion.bench_function(&format!("EdDSA sign/{name}"), |bencher| {
            bencher.iter(|| black_box(ed25519.sign(black_box(&MESSAGE))));
        });
        let signed = ed25519.sign(&MESSAGE);
        let public = UnparsedPublicKey::new(&signature::ED25519, ed25519.public_key().as_ref());
        $criterion.bench_function(&format!("EdDSA verify/{name}"), |bencher| {
            bencher.iter(|| black_box(public.verify(black_box(&MESSAGE), signed.as_ref())));
        });

        let pkcs8 =
            signature::EcdsaKeyPair::generate_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &rng)
                .map_err(failed)?;
        let ecdsa =
            $ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &rng).map_err(failed)?;
        $criterion.bench_function(&format!("ES256 sign/{name}"), |bencher| {
            bencher.iter(|| black_box(ecdsa.sign(&rng, black_box(&MESSAGE))));
        });
        let signed = ecdsa.sign(&rng, &MESSAGE).map_err(failed)?;
        let public = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, ecdsa.public_key().as_ref());
        $criterion.bench_function(&format!("ES256 verify/{name}"), |bencher| {
            bencher.iter(|| black_box(public.verify(black_box(&MESSAGE), signed.as_ref())));
        });
    }};
}

/// RS256, with a key and a signature that aws-lc-rs makes, because ring makes no RSA keys.
fn rsa(criterion: &mut Criterion) -> Result<(), Failure> {
    use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048)?;
    let mut signed = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &aws_lc_rs::rand::SystemRandom::new(), &MESSAGE, &mut signed)?;
    let public = pair.public_key().as_ref();
    let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)?;
    criterion.bench_function("RS256 verify/aws_lc_rs", |bencher| {
        bencher.iter(|| black_box(parsed.verify_sig(black_box(&MESSAGE), &signed)));
    });
    let unparsed =
        ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PKCS1_2048_8192_SHA256, public);
    criterion.bench_function("RS256 verify/ring", |bencher| {
        bencher.iter(|| black_box(unparsed.verify(black_box(&MESSAGE), &signed)));
    });
    Ok(())
}

fn curves(criterion: &mut Criterion) -> Result<(), Failure> {
    measure!(criterion, aws_lc_rs, |algorithm, pkcs8, _| {
        aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8)
    });
    measure!(criterion, ring, ring::signature::EcdsaKeyPair::from_pkcs8);
    Ok(())
}

fn benches(criterion: &mut Criterion) {
    if let Err(failure) = rsa(criterion).and_then(|()| curves(criterion)) {
        eprintln!("not measured: {failure}");
        std::process::exit(2);
    }
}

criterion_group!(group, benches);
criterion_main!(group);
