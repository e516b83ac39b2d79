//! Prints every figure that the README shows, beside its target. All of them in one run, the operations that are
//! compared taking turns on the same bytes and each going first in every other turn, so that a machine that slows down
//! slows all of them and memory that is not yet near costs each of them once in two. Differences and ratios are taken
//! within a turn; what is printed are medians.

use std::collections::HashMap;
use std::hint::black_box;
use std::io::Write as _;
use std::num::NonZero;
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64_simd::{Out, URL_SAFE_NO_PAD};
use idjag::{Algorithm, Claim, Claimed, Directory, Exchange, MemoryReplay, ReplayKey, ReplayStore, Request};
use idjag_benches::{Failure, NOW, RESOURCE, World, issuer, jwk_member, median, request};

/// Operations in a block: enough to be timed, few enough that no block meets another machine than the next.
const BLOCK: usize = 50;
/// Blocks of which the median counts.
const BLOCKS: usize = 200;
/// Bytes of the claims of an access token here, and of what the key of a `jti` is the hash of.
const CLAIMS: usize = 430;
const KEYED: usize = 99;
/// Waves of which the median counts.
const ROUNDS: usize = 15;

fn main() -> Result<(), Failure> {
    let world = World::new(Algorithm::RS256, Algorithm::EdDSA)?;
    let cores = thread::available_parallelism()?;
    println!("{cores} cores, medians of {BLOCKS} blocks of {BLOCK} operations that take turns\n");
    println!("{:<58} {:>12} {:>14}", "figure", "measured", "target");
    single(&world)?;
    verify(&world)?;
    hostile(&world)?;
    wave(&world, cores)
}

/// What is sent to be expensive, in the place of the claims: the slowest of the shapes to be refused. Those that fit into
/// `limits.max_assertion_bytes`, and one of a MiB, which is not looked at.
fn hostile(world: &World) -> Result<(), Failure> {
    let engine = world.engine()?;
    let good = world.assertions(1)?;
    let (header, rest) = good.first().and_then(|good| good.split_once('.')).ok_or("no assertion")?;
    let (_, signature) = rest.split_once('.').ok_or("no signature")?;
    let members = |count: usize| (0..count).map(|at| format!("\"m{at:06}\":0")).collect::<Vec<_>>().join(",");
    let repeated = |size: usize| {
        [".", "[", "{", "\\u", "\"", "{\"a\":", "0", ","]
            .map(|part| (part.to_owned(), part.repeat(size / part.len())))
    };
    let refusing = |text: &str| -> Result<f64, Failure> {
        let claims = URL_SAFE_NO_PAD.encode_to_string(text);
        let refused = [text.to_owned(), format!("{header}.{claims}.{signature}")];
        for token in &refused {
            if engine.exchange(&request(token)).is_ok() {
                return Err("what is hostile is granted".into());
            }
        }
        let blocks = (0..BLOCKS).map(|_| {
            time(&refused, |token| drop(black_box(engine.exchange(&request(token)))))
                .max(time(&refused, |token| drop(black_box(engine.verify(token.as_bytes(), RESOURCE)))))
        });
        Ok(median(blocks.collect()))
    };
    let mut shapes = repeated(8_192).to_vec();
    shapes.push(("members".to_owned(), format!("{{{}}}", members(650))));
    shapes.push(("levels".to_owned(), format!("{{\"a\":{}0{}}}", "[".repeat(4_000), "]".repeat(4_000))));
    let mut slowest = (0.0, String::new());
    for (name, text) in shapes {
        let took = refusing(&text)?;
        if took > slowest.0 {
            slowest = (took, name);
        }
    }
    line(
        &format!("8 KiB of nothing good refused, the slowest (`{}`)", slowest.1),
        &us(slowest.0),
        "microseconds",
    );
    line("1 MiB of `[` refused", &us(refusing(&"[".repeat(1 << 20))?), "microseconds");
    Ok(())
}

/// One exchange beside the bare operations that it cannot do without: the verification of the very assertion, and a
/// signature over as many bytes as the access token signs. Then how far an exchange gets by when: those steps are taken
/// afterwards, when all that they read is near, so that waits for memory show in the last of them.
fn single(world: &World) -> Result<(), Failure> {
    let assertions = progress("minting assertions", || world.assertions(BLOCK * BLOCKS))?;
    let engine = world.engine()?;
    let bare = Bare::new(world)?;
    let mut times: [Vec<f64>; 6] = Default::default();
    for (turn, block) in assertions.chunks(BLOCK).enumerate() {
        let signed = block.iter().map(|assertion| Signed::of(assertion)).collect::<Result<Vec<_>, _>>()?;
        let requests: Vec<Request<'_>> = block.iter().map(|assertion| request(assertion)).collect();
        let [verify, sign, both, exchange, refused, replayed] = &mut times;
        let mut bare_turn = || {
            verify.push(time(&signed, |signed| signed.verify(&bare.idp)));
            sign.push(time(&signed, |signed| bare.sign(signed)));
            both.push(time(&signed, |signed| {
                signed.verify(&bare.idp);
                bare.sign(signed);
            }));
        };
        if turn % 2 == 0 {
            bare_turn();
        }
        exchange.push(time(&requests, |request| drop(black_box(engine.exchange(request)))));
        if turn % 2 == 1 {
            bare_turn();
        }
        refused.push(time(&requests, |request| {
            drop(black_box(engine.exchange(&Request { client_id: "nobody", ..*request })));
        }));
        replayed.push(time(&requests, |request| drop(black_box(engine.exchange(request)))));
    }
    all_granted(&engine, assertions.len())?;
    let [verify, sign, both, exchange, refused, replayed] = &times;
    line("RS256 verification, bare, parsed key", &us(median(verify.clone())), "");
    line("EdDSA signature, bare", &us(median(sign.clone())), "");
    line("  one after the other, beside each for itself", &beside(&[both], &[verify, sign]), "");
    line("one exchange RS256 -> EdDSA", &us(median(exchange.clone())), "");
    line("  beside bare verification, then signature", &beside(&[exchange], &[both]), "<= +2.0 us");
    line("  beside each for itself", &beside(&[exchange], &[verify, sign]), "");
    line("    read and checked, up to the signature", &beside(&[refused], &[]), "");
    line(
        "    decided and claimed (until it is refused as replayed)",
        &beside(&[replayed], &[refused, verify]),
        "",
    );
    line("    composed and handed out, beside signing", &beside(&[exchange], &[replayed, sign]), "");
    let mut least = Least::new(world)?;
    let [mut bare_again, mut unavoidable] = <[Vec<f64>; 2]>::default();
    for block in assertions.chunks(BLOCK) {
        let signed = block.iter().map(|assertion| Signed::of(assertion)).collect::<Result<Vec<_>, _>>()?;
        bare_again.push(
            time(&signed, |signed| signed.verify(&bare.idp)) + time(&signed, |signed| bare.sign(signed)),
        );
        unavoidable.push(time(block, |assertion| least.exchange(assertion, &bare)));
    }
    least.all_done(assertions.len())?;
    let unavoidable = beside(&[&unavoidable], &[&bare_again]);
    line("  the same with nothing decided or composed, beside both", &unavoidable, "");
    Ok(())
}

/// The verification of an access token, the first time and later.
fn verify(world: &World) -> Result<(), Failure> {
    let assertions = progress("minting assertions", || world.assertions(BLOCK * BLOCKS))?;
    let engine = world.engine()?;
    let key = ParsedPublicKey::new(&ED25519, jwk_member(&engine.jwks(), "x")?)?;
    let tokens: Vec<String> = assertions
        .iter()
        .map(|assertion| Ok(engine.exchange(&request(assertion))?.access_token().to_owned()))
        .collect::<Result<_, Failure>>()?;
    // A server that has been up for a while has the memory already that it remembers tokens in: one that ends here had it.
    let before = world.engine()?;
    for token in &tokens {
        before.verify(token.as_bytes(), RESOURCE)?;
    }
    let engine = world.engine()?;
    drop(before);
    let mut times: [Vec<f64>; 4] = Default::default();
    for (turn, block) in tokens.chunks(BLOCK).enumerate() {
        let signed = block.iter().map(|token| Signed::of(token)).collect::<Result<Vec<_>, _>>()?;
        let forged: Vec<String> = block.iter().map(|token| forged(token)).collect();
        let [bare, first, again, refused] = &mut times;
        let verify = |token: &String| drop(black_box(engine.verify(token.as_bytes(), RESOURCE)));
        if turn % 2 == 0 {
            bare.push(time(&signed, |signed| signed.verify(&key)));
        }
        first.push(time(block, verify));
        if turn % 2 == 1 {
            bare.push(time(&signed, |signed| signed.verify(&key)));
        }
        again.push(time(block, verify));
        refused.push(time(&forged, verify));
    }
    for token in &tokens {
        engine.verify(token.as_bytes(), RESOURCE)?;
        if engine.verify(forged(token).as_bytes(), RESOURCE).is_ok() {
            return Err("a forged token is valid".into());
        }
    }
    let [bare, first, again, refused] = &times;
    line("EdDSA verification, bare, parsed key", &us(median(bare.clone())), "");
    line("verify, first time", &us(median(first.clone())), "");
    line("  beside bare verification", &beside(&[first], &[bare]), "<= +1.5 us");
    line("    read (until it is refused as forged)", &beside(&[refused], &[bare]), "");
    line("    weighed and remembered", &beside(&[first], &[refused]), "");
    let mut least = Least::new(world)?;
    let [mut bare_again, mut unavoidable] = <[Vec<f64>; 2]>::default();
    for _ in 0..2 {
        least.tokens.clear();
        for block in tokens.chunks(BLOCK) {
            let signed = block.iter().map(|token| Signed::of(token)).collect::<Result<Vec<_>, _>>()?;
            bare_again.push(time(&signed, |signed| signed.verify(&key)));
            unavoidable.push(time(block, |token| least.verify(token, &key)));
        }
    }
    // The first round is for the memory again.
    let [bare_again, unavoidable]: [Vec<f64>; 2] =
        [bare_again, unavoidable].map(|times| times.into_iter().skip(BLOCKS).collect());
    least.all_done(tokens.len() * 2)?;
    line("  the same with nothing weighed, beside it", &beside(&[&unavoidable], &[&bare_again]), "");
    line("verify, seen before", &us(median(again.clone())), "<= 0.40 us");
    Ok(())
}

/// The same token under the signature of another.
fn forged(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap_or_default();
    // Any other byte where the scalar's low bits stand: still a number below the order.
    let (point, scalar) = signature.split_at_checked(44).unwrap_or_default();
    let changed = if scalar.starts_with('A') { "B" } else { "A" };
    format!("{message}.{point}{changed}{}", scalar.get(1..).unwrap_or_default())
}

/// The wave: 14,000 grants, on one core and on all, beside what bare cryptography would allow.
fn wave(world: &World, cores: NonZero<usize>) -> Result<(), Failure> {
    const WAVE: usize = 14_000;
    let assertions = progress("minting a wave", || world.assertions(WAVE))?;
    let requests: Vec<Request<'_>> = assertions.iter().map(|assertion| request(assertion)).collect();
    let bare = Bare::new(world)?;
    let signed = assertions.iter().map(|assertion| Signed::of(assertion)).collect::<Result<Vec<_>, _>>()?;
    let (mut pair, mut pair_on_all, mut one, mut all) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let run = |threads| -> Result<f64, Failure> {
        let engine = world.engine()?;
        let whole = time(&[()], |()| drop(black_box(engine.exchange_many_on(&requests, threads))));
        all_granted(&engine, WAVE)?;
        Ok(whole / f64::from(u32::try_from(WAVE)?))
    };
    let both = |signed: &Signed<'_>| {
        signed.verify(&bare.idp);
        bare.sign(signed);
    };
    for _ in 0..ROUNDS {
        pair.push(time(&signed, both));
        one.push(run(NonZero::<usize>::MIN)?);
        all.push(run(cores)?);
        let share = signed.len().div_ceil(cores.get());
        let whole = time(&[()], |()| {
            thread::scope(|scope| {
                for part in signed.chunks(share) {
                    scope.spawn(move || part.iter().for_each(both));
                }
            });
        });
        pair_on_all.push(whole / f64::from(u32::try_from(WAVE)?));
    }
    let cores_f = f64::from(u32::try_from(cores.get())?);
    let ratio = |a: &[f64], b: &[f64]| median(a.iter().zip(b).map(|(a, b)| a / b).collect());
    let (scaling, bare_scaling) = (ratio(&one, &all), ratio(&pair, &pair_on_all));
    let share = ratio(&pair, &all) / cores_f;
    let (pair, one, all) = (median(pair), median(one), median(all));
    let (allowed, reached) = (cores_f * 1e6 / pair, 1e6 / all);
    line("wave of 14,000, one thread", &format!("{:.0}/s", 1e6 / one), "");
    line(&format!("wave of 14,000, {cores} threads"), &format!("{reached:.0}/s"), "");
    line("  times one thread", &format!("{scaling:.2}"), ">= 1.85");
    line("    bare verification + signature alone: times one thread", &format!("{bare_scaling:.2}"), "");
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
    /// Bytes of an access token that its signature covers.
    covered: usize,
}

impl Bare {
    fn new(world: &World) -> Result<Self, Failure> {
        let (n, e) = (jwk_member(world.idp_jwk(), "n")?, jwk_member(world.idp_jwk(), "e")?);
        let public = RsaPublicKeyComponents { n, e };
        let assertions = world.assertions(1)?;
        let issued = world.engine()?.exchange(&request(assertions.first().ok_or("no assertion")?))?;
        Ok(Self {
            covered: Signed::of(issued.access_token())?.message.len(),
            idp: public.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)?,
            own: Ed25519KeyPair::generate()?,
        })
    }

    /// Signs as many bytes as an access token has of an assertion, which is longer.
    fn sign(&self, signed: &Signed<'_>) {
        let message = signed.message.get(..self.covered).unwrap_or(signed.message);
        _ = black_box(self.own.sign(black_box(message)));
    }
}

/// What neither an exchange nor a verification can do without, in its order and its place. No claim is checked, no policy
/// read, no text composed, no record made.
struct Least {
    directory: Directory,
    replay: MemoryReplay,
    tokens: HashMap<String, Vec<u8>>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    parser: simd_json::Buffers,
    nodes: Vec<simd_json::Node<'static>>,
    done: usize,
}

impl Least {
    fn new(world: &World) -> Result<Self, Failure> {
        Ok(Self {
            directory: Directory::from_json("directory.json", world.directory().as_bytes())?,
            replay: MemoryReplay::new(1 << 28),
            tokens: HashMap::new(),
            payload: Vec::new(),
            signature: Vec::new(),
            parser: simd_json::Buffers::default(),
            nodes: Vec::new(),
            done: 0,
        })
    }

    /// Base64 and JSON in, verification, the look-up of the person, the SHA-256 and the claim of the single-use key, base64
    /// out, signature, two allocations.
    fn exchange(&mut self, assertion: &str, bare: &Bare) {
        let groups = self.read(assertion, &bare.idp).unwrap_or(0);
        let message = assertion.as_bytes();
        let hash = digest::digest(&digest::SHA256, message.get(..KEYED).unwrap_or_default());
        let key = ReplayKey::from_bytes(hash.as_ref().first_chunk().copied().unwrap_or_default());
        let mut claimed = [Claimed::Unavailable];
        self.replay.claim(&[Claim { key, expires_at: NOW + 400 }], NOW, &mut claimed);
        let mut token = String::with_capacity(bare.covered + 87);
        URL_SAFE_NO_PAD.encode_append(message.get(..CLAIMS).unwrap_or_default(), &mut token);
        let signed = bare.own.sign(message.get(..bare.covered).unwrap_or_default());
        URL_SAFE_NO_PAD.encode_append(signed.as_ref(), &mut token);
        self.done += usize::from(groups > 0);
        drop(black_box(token));
    }

    /// Base64 and JSON in, verification, the look-up of the person, and a copy of the token and its claims to keep.
    fn verify(&mut self, token: &str, key: &ParsedPublicKey) {
        let groups = self.read(token, key).unwrap_or(0);
        self.tokens.insert(token.to_owned(), self.payload.clone());
        self.done += usize::from(groups > 0);
    }

    /// How long the names of the person's groups are together.
    fn read(&mut self, token: &str, key: &ParsedPublicKey) -> Option<usize> {
        let (message, signature) = token.rsplit_once('.')?;
        let (_, payload) = message.rsplit_once('.')?;
        self.payload.resize(payload.len() + simd_json::INPUT_PADDING, 0);
        self.signature.resize(signature.len(), 0);
        let length =
            URL_SAFE_NO_PAD.decode(payload.as_bytes(), Out::from_slice(&mut self.payload)).ok()?.len();
        let signature =
            URL_SAFE_NO_PAD.decode(signature.as_bytes(), Out::from_slice(&mut self.signature)).ok()?;
        let mut tape = simd_json::Tape(std::mem::take(&mut self.nodes)).reset();
        simd_json::fill_tape_padded(&mut self.payload, length, &mut self.parser, &mut tape).ok()?;
        key.verify_sig(message.as_bytes(), signature).ok()?;
        let mut strings = tape.0.iter().filter_map(|node| match node {
            simd_json::Node::String(text) => Some(*text),
            _ => None,
        });
        let subject = strings.find(|name| *name == "sub").and_then(|_| strings.next())?;
        let person = self.directory.lookup(&issuer(0), None, subject)?;
        let groups = person.groups.map(str::len).sum();
        self.nodes = tape.reset().0;
        Some(groups)
    }

    fn all_done(&self, tokens: usize) -> Result<(), Failure> {
        if self.done == tokens { Ok(()) } else { Err(format!("{} of {tokens} read", self.done).into()) }
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

/// Microseconds for one of `items`.
fn time<T>(items: &[T], work: impl FnMut(&T)) -> f64 {
    let start = Instant::now();
    items.iter().for_each(work);
    let took: Duration = start.elapsed();
    took.as_secs_f64() * 1e6 / f64::from(u32::try_from(items.len()).unwrap_or(u32::MAX))
}

fn us(time: f64) -> String {
    format!("{time:.2} us")
}

/// The median of what some times of a turn are more than others of the same turn.
fn beside(more: &[&Vec<f64>], less: &[&Vec<f64>]) -> String {
    let turns = more.iter().chain(less).map(|times| times.len()).min().unwrap_or(0);
    let sum =
        |times: &[&Vec<f64>], turn: usize| -> f64 { times.iter().filter_map(|times| times.get(turn)).sum() };
    format!("{:+.2} us", median((0..turns).map(|turn| sum(more, turn) - sum(less, turn)).collect()))
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
