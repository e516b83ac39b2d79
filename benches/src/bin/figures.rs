//! Prints every figure that the README shows, beside its target. All of them in one run, the operations that are
//! compared taking turns, so that a machine that slows down slows all of them. Medians of rounds.

use std::hint::black_box;
use std::io::Write as _;
use std::num::NonZero;
use std::thread;
use std::time::{Duration, Instant};

use idjag::{Algorithm, Exchange, Request};
use idjag_benches::{Failure, RESOURCE, World, request};

/// Rounds of which the median counts.
const ROUNDS: usize = 41;
/// Operations in a round.
const EACH: usize = 250;

fn main() -> Result<(), Failure> {
    let world = World::new(Algorithm::RS256, Algorithm::EdDSA)?;
    let cores = thread::available_parallelism()?;
    println!("{cores} cores, medians of {ROUNDS} rounds of {EACH}, operations taking turns\n");
    println!("{:<58} {:>12} {:>14}", "figure", "measured", "target");
    single(&world)?;
    verify(&world)?;
    wave(&world, cores)
}

/// One exchange beside the bare operations that it cannot do without.
fn single(world: &World) -> Result<(), Failure> {
    let assertions = progress("minting assertions", || world.assertions(ROUNDS * EACH))?;
    let engine = world.engine()?;
    let bare = Bare::new()?;
    let first = assertions.first().ok_or("no assertion")?;
    let signed = engine.exchange(&request(first))?;
    let message = bare.message(first.len());
    let unsigned = bare.message(signed.access_token().len() - 87);
    let signature = bare.rsa_signature(&message)?;
    let (mut verify, mut sign, mut exchange) = (Vec::new(), Vec::new(), Vec::new());
    for round in assertions.chunks(EACH) {
        verify.push(time(round.len(), || round.iter().for_each(|_| bare.verify(&message, &signature))));
        sign.push(time(round.len(), || round.iter().for_each(|_| drop(bare.sign(&unsigned)))));
        let requests: Vec<Request<'_>> = round.iter().map(|assertion| request(assertion)).collect();
        exchange.push(time(round.len(), || {
            for request in &requests {
                _ = black_box(engine.exchange(request));
            }
        }));
    }
    let granted = usize::try_from(engine.stats().granted)?;
    if granted != assertions.len() {
        return Err(format!("{granted} of {} granted", assertions.len()).into());
    }
    let (verify, sign, exchange) = (median(verify), median(sign), median(exchange));
    line("RS256 verification, bare, parsed key", &format!("{verify:.2} us"), "");
    line("EdDSA signature, bare", &format!("{sign:.2} us"), "");
    line("one exchange RS256 -> EdDSA", &format!("{exchange:.2} us"), "");
    line(
        "  beside bare verification + signature",
        &format!("{:+.2} us", exchange - verify - sign),
        "<= +2.0 us",
    );
    Ok(())
}

/// The verification of an access token, the first time and later.
fn verify(world: &World) -> Result<(), Failure> {
    let assertions = progress("minting assertions", || world.assertions(ROUNDS * EACH))?;
    let engine = world.engine()?;
    let tokens: Vec<String> = assertions
        .iter()
        .map(|assertion| Ok(engine.exchange(&request(assertion))?.access_token().to_owned()))
        .collect::<Result<_, Failure>>()?;
    let bare = Bare::new()?;
    let message = bare.message(tokens.first().ok_or("no token")?.len() - 87);
    let signature = bare.sign(&message);
    let (mut raw, mut first, mut again) = (Vec::new(), Vec::new(), Vec::new());
    let verify = |token: &String| drop(black_box(engine.verify(token.as_bytes(), RESOURCE)));
    for round in tokens.chunks(EACH) {
        raw.push(time(round.len(), || round.iter().for_each(|_| bare.verify_ed25519(&message, &signature))));
        first.push(time(round.len(), || round.iter().for_each(verify)));
        again.push(time(round.len(), || round.iter().for_each(verify)));
    }
    if engine.verify(tokens.first().ok_or("no token")?.as_bytes(), RESOURCE).is_err() {
        return Err("a token was not valid".into());
    }
    let (raw, first, again) = (median(raw), median(first), median(again));
    line("EdDSA verification, bare, parsed key", &format!("{raw:.2} us"), "");
    line("verify, first time", &format!("{first:.2} us"), "");
    line("  beside bare verification", &format!("{:+.2} us", first - raw), "<= +1.5 us");
    line("verify, seen before", &format!("{again:.2} us"), "<= 0.40 us");
    Ok(())
}

/// The wave: 14,000 grants, on one core and on all, beside what bare cryptography would allow.
fn wave(world: &World, cores: NonZero<usize>) -> Result<(), Failure> {
    const WAVE: usize = 14_000;
    let assertions = progress("minting a wave", || world.assertions(WAVE))?;
    let requests: Vec<Request<'_>> = assertions.iter().map(|assertion| request(assertion)).collect();
    let bare = Bare::new()?;
    let message = bare.message(assertions.first().ok_or("no assertion")?.len());
    let unsigned = bare.message(760);
    let signature = bare.rsa_signature(&message)?;
    let (mut pair, mut one, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let run = |threads| -> Result<f64, Failure> {
        let engine = world.engine()?;
        let took = time(WAVE, || drop(black_box(engine.exchange_many_on(&requests, threads))));
        all_granted(&engine, WAVE)?;
        Ok(took)
    };
    for _ in 0..7 {
        pair.push(time(4_000, || {
            for _ in 0..4_000 {
                bare.verify(&message, &signature);
                bare.sign(&unsigned);
            }
        }));
        one.push(run(NonZero::<usize>::MIN)?);
        all.push(run(cores)?);
    }
    let (pair, one, all) = (median(pair), median(one), median(all));
    let allowed = f64::from(u32::try_from(cores.get())?) * 1e6 / pair;
    let reached = 1e6 / all;
    line("wave of 14,000, one thread", &format!("{:.0}/s", 1e6 / one), "");
    line(&format!("wave of 14,000, {cores} threads"), &format!("{reached:.0}/s"), "");
    line("  times one thread", &format!("{:.2}", one / all), ">= 1.85");
    line("  bare verification + signature would allow", &format!("{allowed:.0}/s"), "");
    line("  share of that", &format!("{:.3}", reached / allowed), ">= 0.82");
    Ok(())
}

fn all_granted(engine: &Exchange, wave: usize) -> Result<(), Failure> {
    let granted = engine.stats().granted;
    if usize::try_from(granted)? == wave {
        Ok(())
    } else {
        Err(format!("{granted} of {wave} granted").into())
    }
}

/// The provider's own operations, with keys that were parsed once.
struct Bare {
    rsa: aws_lc_rs::rsa::KeyPair,
    rsa_public: aws_lc_rs::signature::ParsedPublicKey,
    ed25519: aws_lc_rs::signature::Ed25519KeyPair,
    ed25519_public: aws_lc_rs::signature::ParsedPublicKey,
}

impl Bare {
    fn new() -> Result<Self, Failure> {
        use aws_lc_rs::signature::{
            ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
        };
        let rsa = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048)?;
        let ed25519 = Ed25519KeyPair::generate()?;
        Ok(Self {
            rsa_public: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, rsa.public_key().as_ref())?,
            rsa,
            ed25519_public: ParsedPublicKey::new(&ED25519, ed25519.public_key().as_ref())?,
            ed25519,
        })
    }

    /// A message as long as a token without its signature.
    fn message(&self, token: usize) -> Vec<u8> {
        vec![b'a'; token.saturating_sub(self.rsa.public_modulus_len() * 4 / 3 + 1).max(600)]
    }

    fn rsa_signature(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa.sign(
            &aws_lc_rs::signature::RSA_PKCS1_SHA256,
            &aws_lc_rs::rand::SystemRandom::new(),
            message,
            &mut signature,
        )?;
        Ok(signature)
    }

    fn verify(&self, message: &[u8], signature: &[u8]) {
        _ = black_box(self.rsa_public.verify_sig(black_box(message), black_box(signature)));
    }

    fn verify_ed25519(&self, message: &[u8], signature: &[u8]) {
        _ = black_box(self.ed25519_public.verify_sig(black_box(message), black_box(signature)));
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        black_box(self.ed25519.sign(black_box(message))).as_ref().to_vec()
    }
}

fn time(operations: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    let took: Duration = start.elapsed();
    took.as_secs_f64() * 1e6 / f64::from(u32::try_from(operations).unwrap_or(u32::MAX))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn line(figure: &str, measured: &str, target: &str) {
    println!("{figure:<58} {measured:>12} {target:>14}");
}

fn progress<T>(what: &str, work: impl FnOnce() -> T) -> T {
    eprint!("{what} ...\r");
    // A progress line that cannot be shown is no reason to stop.
    _ = std::io::stderr().flush();
    let result = work();
    eprint!("{:1$}\r", "", what.len() + 4);
    result
}
