//! Prints every figure that the README shows, beside its target. All of them in one run, the operations that are
//! compared taking turns on the same bytes, so that a machine that slows down slows all of them. Differences and ratios
//! are taken within a turn; what is printed are medians.

use std::hint::black_box;
use std::io::Write as _;
use std::num::NonZero;
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64_simd::URL_SAFE_NO_PAD;
use idjag::{Algorithm, Exchange, Request};
use idjag_benches::{Failure, RESOURCE, World, request};

/// Operations in a block: enough to be timed, few enough that no block meets another machine than the next.
const BLOCK: usize = 50;
/// Blocks of which the median counts.
const BLOCKS: usize = 200;

fn main() -> Result<(), Failure> {
    let world = World::new(Algorithm::RS256, Algorithm::EdDSA)?;
    let cores = thread::available_parallelism()?;
    println!("{cores} cores, medians of {BLOCKS} blocks of {BLOCK} operations that take turns\n");
    println!("{:<58} {:>12} {:>14}", "figure", "measured", "target");
    single(&world)?;
    verify(&world)?;
    wave(&world, cores)
}

/// One exchange beside the bare operations that it cannot do without, on the very same bytes.
fn single(world: &World) -> Result<(), Failure> {
    let assertions = progress("minting assertions", || world.assertions(BLOCK * BLOCKS))?;
    let engine = world.engine()?;
    let bare = Bare::new(world)?;
    let (mut verify, mut sign, mut exchange) = (Vec::new(), Vec::new(), Vec::new());
    for block in assertions.chunks(BLOCK) {
        let signed = block.iter().map(|assertion| Signed::of(assertion)).collect::<Result<Vec<_>, _>>()?;
        let requests: Vec<Request<'_>> = block.iter().map(|assertion| request(assertion)).collect();
        exchange.push(time(&requests, |request| drop(black_box(engine.exchange(request)))));
        verify.push(time(&signed, |signed| signed.verify(&bare.idp)));
        // What is signed in an exchange is about as long as what was verified.
        sign.push(time(&signed, |signed| _ = black_box(bare.own.sign(signed.message))));
    }
    all_granted(&engine, assertions.len())?;
    let beside = median(exchange.iter().zip(&verify).zip(&sign).map(|((all, a), b)| all - a - b).collect());
    let (verify, sign, exchange) = (median(verify), median(sign), median(exchange));
    line("RS256 verification, bare, parsed key", &format!("{verify:.2} us"), "");
    line("EdDSA signature, bare", &format!("{sign:.2} us"), "");
    line("one exchange RS256 -> EdDSA", &format!("{exchange:.2} us"), "");
    line("  beside bare verification + signature", &format!("{beside:+.2} us"), "<= +2.0 us");
    Ok(())
}

/// The verification of an access token, the first time and later.
fn verify(world: &World) -> Result<(), Failure> {
    let assertions = progress("minting assertions", || world.assertions(BLOCK * BLOCKS))?;
    let engine = world.engine()?;
    let key = ParsedPublicKey::new(&ED25519, world_key(&engine.jwks(), "x")?)?;
    let tokens: Vec<String> = assertions
        .iter()
        .map(|assertion| Ok(engine.exchange(&request(assertion))?.access_token().to_owned()))
        .collect::<Result<_, Failure>>()?;
    let (mut bare, mut first, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for block in tokens.chunks(BLOCK) {
        let signed = block.iter().map(|token| Signed::of(token)).collect::<Result<Vec<_>, _>>()?;
        let verify = |token: &String| drop(black_box(engine.verify(token.as_bytes(), RESOURCE)));
        first.push(time(block, verify));
        bare.push(time(&signed, |signed| signed.verify(&key)));
        again.push(time(block, verify));
    }
    for token in &tokens {
        engine.verify(token.as_bytes(), RESOURCE)?;
    }
    let beside = median(first.iter().zip(&bare).map(|(all, bare)| all - bare).collect());
    let (bare, first, again) = (median(bare), median(first), median(again));
    line("EdDSA verification, bare, parsed key", &format!("{bare:.2} us"), "");
    line("verify, first time", &format!("{first:.2} us"), "");
    line("  beside bare verification", &format!("{beside:+.2} us"), "<= +1.5 us");
    line("verify, seen before", &format!("{again:.2} us"), "<= 0.40 us");
    Ok(())
}

/// The wave: 14,000 grants, on one core and on all, beside what bare cryptography would allow.
fn wave(world: &World, cores: NonZero<usize>) -> Result<(), Failure> {
    const WAVE: usize = 14_000;
    let assertions = progress("minting a wave", || world.assertions(WAVE))?;
    let requests: Vec<Request<'_>> = assertions.iter().map(|assertion| request(assertion)).collect();
    let bare = Bare::new(world)?;
    let signed = assertions.iter().map(|assertion| Signed::of(assertion)).collect::<Result<Vec<_>, _>>()?;
    let (mut pair, mut one, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let run = |threads| -> Result<f64, Failure> {
        let engine = world.engine()?;
        let whole = time(&[()], |()| drop(black_box(engine.exchange_many_on(&requests, threads))));
        all_granted(&engine, WAVE)?;
        Ok(whole / f64::from(u32::try_from(WAVE)?))
    };
    for _ in 0..15 {
        pair.push(time(&signed, |signed| {
            signed.verify(&bare.idp);
            _ = black_box(bare.own.sign(signed.message));
        }));
        one.push(run(NonZero::<usize>::MIN)?);
        all.push(run(cores)?);
    }
    let cores_f = f64::from(u32::try_from(cores.get())?);
    let scaling = median(one.iter().zip(&all).map(|(one, all)| one / all).collect());
    let share = median(pair.iter().zip(&all).map(|(pair, all)| pair / cores_f / all).collect());
    let (pair, one, all) = (median(pair), median(one), median(all));
    let (allowed, reached) = (cores_f * 1e6 / pair, 1e6 / all);
    line("wave of 14,000, one thread", &format!("{:.0}/s", 1e6 / one), "");
    line(&format!("wave of 14,000, {cores} threads"), &format!("{reached:.0}/s"), "");
    line("  times one thread", &format!("{scaling:.2}"), ">= 1.85");
    line("  bare verification + signature would allow", &format!("{allowed:.0}/s"), "");
    line("  share of that", &format!("{share:.3}"), ">= 0.82");
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
    idp: ParsedPublicKey,
    own: Ed25519KeyPair,
}

impl Bare {
    fn new(world: &World) -> Result<Self, Failure> {
        let (n, e) = (world_key(world.idp_jwk(), "n")?, world_key(world.idp_jwk(), "e")?);
        let public = RsaPublicKeyComponents { n, e };
        Ok(Self {
            idp: public.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)?,
            own: Ed25519KeyPair::generate()?,
        })
    }
}

/// A token, taken apart as its verification needs it.
struct Signed<'t> {
    message: &'t [u8],
    signature: Vec<u8>,
}

impl<'t> Signed<'t> {
    fn of(token: &'t str) -> Result<Self, Failure> {
        let (message, signature) = token.rsplit_once('.').ok_or("no token")?;
        Ok(Self { message: message.as_bytes(), signature: URL_SAFE_NO_PAD.decode_to_vec(signature)? })
    }

    fn verify(&self, key: &ParsedPublicKey) {
        _ = black_box(key.verify_sig(black_box(self.message), black_box(&self.signature)));
    }
}

/// The octets of one member of a JWK, or of the only key of a set.
fn world_key(jwk: &str, member: &str) -> Result<Vec<u8>, Failure> {
    let (_, rest) = jwk.split_once(&format!("\"{member}\":\"")).ok_or("no such member")?;
    let (value, _) = rest.split_once('"').ok_or("no such member")?;
    Ok(URL_SAFE_NO_PAD.decode_to_vec(value)?)
}

/// Microseconds for one of `items`.
fn time<T>(items: &[T], work: impl FnMut(&T)) -> f64 {
    let start = Instant::now();
    items.iter().for_each(work);
    let took: Duration = start.elapsed();
    took.as_secs_f64() * 1e6 / f64::from(u32::try_from(items.len()).unwrap_or(u32::MAX))
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
