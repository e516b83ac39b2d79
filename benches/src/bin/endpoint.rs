//! What the token endpoint costs over the exchange: `cargo run --release -p idjag-benches --bin endpoint`.
//!
//! Each operation takes its turn on the same assertions in one run, each with an engine of its own; differences are taken
//! within a turn, and what is printed are medians.

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use base64_simd::{Out, URL_SAFE_NO_PAD};
use idjag::{Algorithm, Claim, Claimed, Exchange, MemoryReplay, ReplayKey, ReplayStore, TokenRequest};
use idjag_benches::{
    FORM, Failure, NOW, World, client_assertion, credentials, form, form_with_jwt, median, request,
};

const BLOCK: usize = 50;
const BLOCKS: usize = 100;
fn main() -> Result<(), Failure> {
    let world = World::new(Algorithm::RS256, Algorithm::EdDSA)?;
    let key = Ed25519KeyPair::generate()?;
    let public = URL_SAFE_NO_PAD.encode_to_string(key.public_key());
    let plain = world.engine()?;
    let again = world.engine()?;
    let basic = world.engine_for_basic()?;
    let jwt = world.engine_for_jwt(&public)?;
    let assertions = world.assertions(BLOCK * BLOCKS)?;
    let credentials = credentials();
    let parsed = ParsedPublicKey::new(&ED25519, key.public_key())?;

    let mut least = Least::new(world.engine()?);
    let mut times: [Vec<f64>; 7] = Default::default();
    for (turn, block) in assertions.chunks(BLOCK).enumerate() {
        let own: Vec<String> = (0..block.len()).map(|at| client_assertion(&key, turn * BLOCK + at)).collect();
        let bodies: Vec<String> = block.iter().map(|assertion| form(assertion)).collect();
        let signed: Vec<String> =
            block.iter().zip(&own).map(|(assertion, own)| form_with_jwt(assertion, own)).collect();
        let signatures: Vec<(&str, Vec<u8>)> = own
            .iter()
            .map(|own| {
                let (message, signature) = own.rsplit_once('.').ok_or("no token")?;
                Ok((message, URL_SAFE_NO_PAD.decode_to_vec(signature)?))
            })
            .collect::<Result<_, Failure>>()?;
        let noise: Vec<Vec<u8>> = (0..block.len()).map(|at| noise(turn * BLOCK + at)).collect();
        let [exchanged, with_basic, with_jwt, verified, refused, unavoidable, in_turn] = &mut times;
        exchanged.push(time(block, |assertion| plain.exchange(&request(assertion)).is_ok())?);
        let headers = [FORM, ("authorization", credentials.as_bytes())];
        with_basic.push(time(&bodies, |body| handle(&basic, &headers, body.as_bytes()) == 200)?);
        with_jwt.push(time(&signed, |body| handle(&jwt, &headers[..1], body.as_bytes()) == 200)?);
        verified.push(time(&signatures, |(message, signature)| {
            parsed.verify_sig(message.as_bytes(), signature).is_ok()
        })?);
        let pairs: Vec<_> = block.iter().zip(&signatures).collect();
        in_turn.push(time(&pairs, |(assertion, (message, signature))| {
            parsed.verify_sig(message.as_bytes(), signature).is_ok()
                && again.exchange(&request(assertion)).is_ok()
        })?);
        unavoidable
            .push(time(&signed, |body| least.handle(body.as_bytes(), &parsed).is_some_and(|body| body > 0))?);
        refused.push(time(&noise, |noise| handle(&basic, &headers, noise) == 400)?);
    }
    println!("medians of {BLOCKS} blocks of {BLOCK} operations that take turns, RS256 -> EdDSA\n");
    println!("{:<58} {:>12} {:>14}", "figure", "measured", "target");
    let [exchanged, with_basic, with_jwt, verified, refused, unavoidable, in_turn] = &times;
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
    line("  one after the other, beside each for itself", beside(in_turn, &[exchanged, verified]), true, "");
    line("  the same with nothing checked", beside(unavoidable, &[exchanged, verified]), true, "");
    line("1 KiB of noise, refused", median(refused.clone()), false, "< 2.00 us");
    Ok(())
}

/// What a request with `private_key_jwt` cannot do without beside the exchange, in its order and its place, by libraries
/// alone: no claim is checked, no client looked up, nothing counted.
struct Least {
    engine: Exchange,
    replay: MemoryReplay,
    form: Vec<(String, String)>,
    payload: Vec<u8>,
    parser: simd_json::Buffers,
    nodes: Vec<simd_json::Node<'static>>,
}

impl Least {
    fn new(engine: Exchange) -> Self {
        Self {
            engine,
            replay: MemoryReplay::new(1 << 28),
            form: Vec::new(),
            payload: Vec::new(),
            parser: simd_json::Buffers::default(),
            nodes: Vec::new(),
        }
    }

    /// The form read, base64 and JSON of the client's assertion, its verification, the SHA-256 and the claim of its
    /// single-use key, the exchange, and the answer written as JSON. Its length.
    fn handle(&mut self, body: &[u8], key: &ParsedPublicKey) -> Option<usize> {
        self.form.clear();
        self.form.extend(form_urlencoded::parse(body).into_owned());
        let value = |name: &str| self.form.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
        let (assertion, jwt) = (value("assertion")?, value("client_assertion")?);
        let (message, signature) = jwt.rsplit_once('.')?;
        let (_, payload) = message.rsplit_once('.')?;
        self.payload.resize(payload.len() + simd_json::INPUT_PADDING, 0);
        let length =
            URL_SAFE_NO_PAD.decode(payload.as_bytes(), Out::from_slice(&mut self.payload)).ok()?.len();
        let mut room = [0; 64];
        let signature = URL_SAFE_NO_PAD.decode(signature.as_bytes(), Out::from_slice(&mut room)).ok()?;
        let mut tape = simd_json::Tape(std::mem::take(&mut self.nodes)).reset();
        simd_json::fill_tape_padded(&mut self.payload, length, &mut self.parser, &mut tape).ok()?;
        key.verify_sig(message.as_bytes(), signature).ok()?;
        let mut strings = tape.0.iter().filter_map(|node| match node {
            simd_json::Node::String(text) => Some(*text),
            _ => None,
        });
        let jti = strings.find(|name| *name == "jti").and_then(|_| strings.next())?;
        let hash = digest::digest(&digest::SHA256, jti.as_bytes());
        self.nodes = tape.reset().0;
        let key = ReplayKey::from_bytes(hash.as_ref().first_chunk().copied()?);
        let mut claimed = [Claimed::Unavailable];
        self.replay.claim(&[Claim { key, expires_at: NOW + 400 }], NOW, &mut claimed);
        let issued = self.engine.exchange(&request(assertion)).ok()?;
        let answer = [
            r#"{"access_token":""#,
            issued.access_token(),
            r#"","token_type":"Bearer","expires_in":300,"scope":""#,
            issued.scope(),
            r#"","resource":""#,
            issued.resource(),
            r#""}"#,
        ]
        .concat();
        (claimed == [Claimed::First]).then(|| black_box(answer).len())
    }
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
