//! One kind of work, many times, for a profiler that counts: `work verify 1000`.
//!
//! Under `valgrind --tool=callgrind --toggle-collect=work::once`, what is counted is the work alone: instructions, which no
//! neighbour of this machine changes.

use std::env;
use std::hint::black_box;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use base64_simd::URL_SAFE_NO_PAD;
use idjag::{Algorithm, Exchange, TokenRequest};
use idjag_benches::{
    FORM, Failure, RESOURCE, World, client_assertion, credentials, form, form_with_jwt, jwk_member, request,
};

const USAGE: &str = "usage: work bare|verify|exchange|basic|jwt COUNT

  bare      Ed25519 verification of an access token by the provider alone
  verify    the first verification of an access token
  exchange  EdDSA -> EdDSA
  basic     the token endpoint, the same exchange, client_secret_basic
  jwt       the token endpoint, the same exchange, private_key_jwt with EdDSA";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [what, count] = arguments.as_slice() else { return Err(USAGE.into()) };
    let count: usize = count.parse().map_err(|_| USAGE)?;
    let world = World::new(Algorithm::EdDSA, Algorithm::EdDSA)?;
    let assertions = world.assertions(count)?;
    let engine = world.engine()?;
    match &**what {
        "bare" => {
            let key = ParsedPublicKey::new(&ED25519, jwk_member(&engine.jwks(), "x")?)?;
            for token in tokens(&engine, &assertions)? {
                let (message, signature) = token.rsplit_once('.').ok_or("no token")?;
                let signature = URL_SAFE_NO_PAD.decode_to_vec(signature)?;
                once(|| key.verify_sig(message.as_bytes(), &signature).is_ok())?;
            }
        }
        "verify" => {
            for token in tokens(&world.engine()?, &assertions)? {
                once(|| engine.verify(token.as_bytes(), RESOURCE).is_ok())?;
            }
        }
        "exchange" => {
            for assertion in &assertions {
                once(|| engine.exchange(&request(assertion)).is_ok())?;
            }
        }
        "basic" => {
            let engine = world.engine_for_basic()?;
            let credentials = credentials();
            let headers = [FORM, ("authorization", credentials.as_bytes())];
            for assertion in &assertions {
                let body = form(assertion);
                once(|| handle(&engine, &headers, &body))?;
            }
        }
        "jwt" => {
            let key = Ed25519KeyPair::generate()?;
            let engine = world.engine_for_jwt(&URL_SAFE_NO_PAD.encode_to_string(key.public_key()))?;
            for (number, assertion) in assertions.iter().enumerate() {
                let body = form_with_jwt(assertion, &client_assertion(&key, number));
                once(|| handle(&engine, &[FORM], &body))?;
            }
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

/// What is counted.
#[inline(never)]
fn once(work: impl FnOnce() -> bool) -> Result<(), Failure> {
    if black_box(work()) { Ok(()) } else { Err("it came out otherwise".into()) }
}

fn handle(engine: &Exchange, headers: &[(&str, &[u8])], body: &str) -> bool {
    let body = body.as_bytes();
    let request = TokenRequest { method: "POST", target: "/token", headers, body, ..TokenRequest::default() };
    engine.handle(&request).status() == 200
}

fn tokens(engine: &Exchange, assertions: &[String]) -> Result<Vec<String>, Failure> {
    assertions
        .iter()
        .map(|assertion| Ok(engine.exchange(&request(assertion))?.access_token().to_owned()))
        .collect()
}
