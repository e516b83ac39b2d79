//! What the token endpoint costs over the exchange: `cargo run --release -p idjag-benches --bin endpoint`.
//!
//! Each operation takes its turn on the same assertions in one run, each with an engine of its own; differences are taken
//! within a turn, and what is printed are medians.

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use idjag::{Algorithm, Exchange, TokenRequest};
use idjag_benches::{CLIENT, Failure, ISSUER, NOW, World, median, request};

const BLOCK: usize = 50;
const BLOCKS: usize = 100;
const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
const CLIENT_ASSERTION: &str = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=";
const FORM: (&str, &[u8]) = ("content-type", b"application/x-www-form-urlencoded");

fn main() -> Result<(), Failure> {
    let world = World::new(Algorithm::RS256, Algorithm::EdDSA)?;
    let key = Ed25519KeyPair::generate()?;
    let public = URL_SAFE_NO_PAD.encode_to_string(key.public_key());
    let secret = "a secret of the benchmark";
    let digest = digest::digest(&digest::SHA256, secret.as_bytes());
    let hex = digest.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let plain = world.engine()?;
    let basic = world.engine_for(&format!(r#""auth": "client_secret_basic", "secret_sha256": "{hex}""#))?;
    let jwt = world.engine_for(&format!(
        r#""auth": "private_key_jwt", "jwks": {{"keys": [{{"kty": "OKP", "crv": "Ed25519", "x": "{public}"}}]}}"#
    ))?;
    let assertions = world.assertions(BLOCK * BLOCKS)?;
    let credentials =
        format!("Basic {}", STANDARD.encode_to_string(format!("{CLIENT}:a+secret+of+the+benchmark")));
    let parsed = ParsedPublicKey::new(&ED25519, key.public_key())?;

    let mut times: [Vec<f64>; 5] = Default::default();
    for (turn, block) in assertions.chunks(BLOCK).enumerate() {
        let own: Vec<String> = (0..block.len()).map(|at| client_assertion(&key, turn * BLOCK + at)).collect();
        let bodies: Vec<String> =
            block.iter().map(|assertion| format!("{GRANT}&assertion={assertion}")).collect();
        let signed: Vec<String> =
            bodies.iter().zip(&own).map(|(body, own)| format!("{body}&{CLIENT_ASSERTION}{own}")).collect();
        let signatures: Vec<(&str, Vec<u8>)> = own
            .iter()
            .map(|own| {
                let (message, signature) = own.rsplit_once('.').ok_or("no token")?;
                Ok((message, URL_SAFE_NO_PAD.decode_to_vec(signature)?))
            })
            .collect::<Result<_, Failure>>()?;
        let noise: Vec<Vec<u8>> = (0..block.len()).map(|at| noise(turn * BLOCK + at)).collect();
        let [exchanged, with_basic, with_jwt, verified, refused] = &mut times;
        exchanged.push(time(block, |assertion| plain.exchange(&request(assertion)).is_ok())?);
        let headers = [FORM, ("authorization", credentials.as_bytes())];
        with_basic.push(time(&bodies, |body| handle(&basic, &headers, body.as_bytes()) == 200)?);
        with_jwt.push(time(&signed, |body| handle(&jwt, &headers[..1], body.as_bytes()) == 200)?);
        verified.push(time(&signatures, |(message, signature)| {
            parsed.verify_sig(message.as_bytes(), signature).is_ok()
        })?);
        refused.push(time(&noise, |noise| handle(&basic, &headers, noise) == 400)?);
    }
    println!("medians of {BLOCKS} blocks of {BLOCK} operations that take turns, RS256 -> EdDSA\n");
    println!("{:<58} {:>12} {:>14}", "figure", "measured", "target");
    let [exchanged, with_basic, with_jwt, verified, refused] = &times;
    let beside = |more: &[f64], less: &[&[f64]]| {
        median(
            (0..more.len())
                .map(|at| at_or_nan(more, at) - less.iter().map(|less| at_or_nan(less, at)).sum::<f64>())
                .collect(),
        )
    };
    let line = |figure: &str, measured: f64, sign: bool, target: &str| {
        let measured = if sign { format!("{measured:+.2} us") } else { format!("{measured:.2} us") };
        println!("{figure:<58} {measured:>12} {target:>14}");
    };
    line("exchange", median(exchanged.clone()), false, "");
    line("handle, client_secret_basic", median(with_basic.clone()), false, "");
    line("  over exchange", beside(with_basic, &[exchanged]), true, "<= +2.0 us");
    line("EdDSA verification, bare, parsed key", median(verified.clone()), false, "");
    line("handle, private_key_jwt with EdDSA", median(with_jwt.clone()), false, "");
    line(
        "  over exchange and one more verification",
        beside(with_jwt, &[exchanged, verified]),
        true,
        "<= +2.0 us",
    );
    line("1 KiB of noise, refused", median(refused.clone()), false, "< 2.00 us");
    Ok(())
}

fn at_or_nan(times: &[f64], at: usize) -> f64 {
    times.get(at).copied().unwrap_or(f64::NAN)
}

fn handle(engine: &Exchange, headers: &[(&str, &[u8])], body: &[u8]) -> u16 {
    let request = TokenRequest { method: "POST", target: "/token", headers, body, ..TokenRequest::default() };
    black_box(engine.handle(black_box(&request))).status()
}

/// Microseconds for one of `items`, each of which must come out well.
fn time<T>(items: &[T], mut work: impl FnMut(&T) -> bool) -> Result<f64, Failure> {
    let start = Instant::now();
    let well = items.iter().filter(|item| work(item)).count();
    let took = start.elapsed();
    if well < items.len() {
        return Err(format!("{well} of {} came out as they should", items.len()).into());
    }
    Ok(took.as_secs_f64() * 1e6 / f64::from(u32::try_from(items.len())?))
}

fn client_assertion(key: &Ed25519KeyPair, number: usize) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode_to_string(text);
    let claims = format!(
        r#"{{"iss":"{CLIENT}","sub":"{CLIENT}","aud":"{ISSUER}","jti":"client-{number}","iat":{NOW},"exp":{}}}"#,
        NOW + 60
    );
    let message = format!("{}.{}", encode(r#"{"alg":"EdDSA","typ":"JWT"}"#), encode(&claims));
    let signature = URL_SAFE_NO_PAD.encode_to_string(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// Bytes that look drawn, of the alphabet that a form is made of: every one of them has to be looked at.
fn noise(seed: usize) -> Vec<u8> {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789-_.%+=";
    (0..1_024_u64)
        .map(|at| {
            let drawn = idjag_benches::mix(seed as u64 * 1_024 + at) >> 8;
            ALPHABET.get(usize::try_from(drawn).unwrap_or(0) % ALPHABET.len()).copied().unwrap_or(b'a')
        })
        .collect()
}
