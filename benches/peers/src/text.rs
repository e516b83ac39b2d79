//! JSON and base64 on the bytes of such an assertion: what the engine reads and writes them with, beside others.

use std::hint::black_box;

use ::base64::Engine as _;
use ::base64::engine::general_purpose::URL_SAFE_NO_PAD as PLAIN;
use base64_simd::{Out, URL_SAFE_NO_PAD as SIMD};
use idjag::Algorithm;
use idjag_benches::{Failure, World};
use serde::Deserialize;
use simd_json::{Buffers, Node, StaticNode, Tape};

use crate::contest::{BLOCK, BLOCKS, Contender, heading, run};

/// The claims, borrowed from the text.
#[derive(Debug, Default, Deserialize, PartialEq)]
struct Borrowed<'t> {
    iss: &'t str,
    sub: &'t str,
    aud: &'t str,
    jti: &'t str,
    iat: u64,
    exp: u64,
    client_id: &'t str,
    scope: &'t str,
    resource: &'t str,
    email: &'t str,
    sub_profile: &'t str,
    #[serde(borrow)]
    act: Actor<'t>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
struct Actor<'t> {
    sub: &'t str,
    sub_profile: &'t str,
    #[serde(borrow)]
    act: Option<Box<Actor<'t>>>,
}

/// Reading the claims. simd-json writes into its text, so a copy of it is part of what it takes.
pub(crate) fn json() -> Result<(), Failure> {
    heading("claims as JSON, into borrowed fields");
    let payloads = payloads()?;
    let one = payloads.first().ok_or("no payload")?;
    let mut reader = Reader::default();
    let expected: Borrowed<'_> = serde_json::from_slice(one)?;
    let sonic: Borrowed<'_> = sonic_rs::from_slice(one)?;
    if sonic != expected || !reader.read(one, |read| *read == expected) {
        return Err("they do not read the same".into());
    }
    let contenders = vec![
        Contender::idjag("simd-json, into a tape that is reused", |payload: &Vec<u8>| {
            reader.read(payload, |read| !black_box(read).iss.is_empty())
        }),
        Contender::peer("serde_json", "", |payload: &Vec<u8>| {
            serde_json::from_slice(payload).is_ok_and(|read: Borrowed<'_>| !black_box(&read).iss.is_empty())
        }),
        Contender::peer("sonic-rs", "", |payload: &Vec<u8>| {
            sonic_rs::from_slice(payload).is_ok_and(|read: Borrowed<'_>| !black_box(&read).iss.is_empty())
        }),
    ];
    run(&format!("{} bytes and a few more", one.len()), &payloads, contenders)
}

/// Decoding what arrives and encoding what is minted, into memory that is reused.
pub(crate) fn base64() -> Result<(), Failure> {
    heading("base64url, into memory that is reused");
    let payloads = payloads()?;
    let encoded: Vec<String> = payloads.iter().map(|payload| SIMD.encode_to_string(payload)).collect();
    let signatures: Vec<String> = payloads
        .iter()
        .filter_map(|payload| Some(SIMD.encode_to_string(payload.first_chunk::<256>()?)))
        .collect();
    for (what, texts) in [("the claims", &encoded), ("a signature of RS256", &signatures)] {
        let length = texts.iter().map(String::len).max().unwrap_or_default();
        let (mut simd, mut plain) = (vec![0; length], vec![0; length]);
        let contenders = vec![
            Contender::idjag("base64-simd", |text: &String| {
                let read = SIMD.decode(black_box(text).as_bytes(), Out::from_slice(&mut simd));
                read.is_ok_and(|read| !black_box(read).is_empty())
            }),
            Contender::peer("base64", "", |text: &String| {
                PLAIN.decode_slice(black_box(text), &mut plain).is_ok_and(|length| black_box(length) > 0)
            }),
        ];
        run(&format!("decode {what}, up to {length} characters"), texts, contenders)?;
    }
    let length = encoded.iter().map(String::len).max().unwrap_or_default();
    let (mut simd, mut plain) = (vec![0; length], vec![0; length]);
    let contenders = vec![
        Contender::idjag("base64-simd", |payload: &Vec<u8>| {
            !black_box(SIMD.encode(black_box(payload), Out::from_slice(&mut simd))).is_empty()
        }),
        Contender::peer("base64", "", |payload: &Vec<u8>| {
            PLAIN.encode_slice(black_box(payload), &mut plain).is_ok_and(|length| black_box(length) > 0)
        }),
    ];
    run(&format!("encode the claims, to up to {length} characters"), &payloads, contenders)
}

/// The claims of assertions in Okta's shape.
fn payloads() -> Result<Vec<Vec<u8>>, Failure> {
    let world = World::new(Algorithm::EdDSA, Algorithm::EdDSA)?;
    world
        .assertions(BLOCK * BLOCKS)?
        .iter()
        .map(|assertion| Ok(SIMD.decode_to_vec(assertion.split('.').nth(1).ok_or("no claims")?)?))
        .collect()
}

/// simd-json as the engine uses it (`core/src/json.rs`).
#[derive(Default)]
struct Reader {
    text: Vec<u8>,
    buffers: Buffers,
    nodes: Vec<Node<'static>>,
}

impl Reader {
    fn read(&mut self, payload: &[u8], work: impl FnOnce(&Borrowed<'_>) -> bool) -> bool {
        self.text.clear();
        self.text.extend_from_slice(payload);
        self.text.resize(payload.len() + simd_json::INPUT_PADDING, 0);
        let mut tape = Tape(std::mem::take(&mut self.nodes)).reset();
        let read = simd_json::fill_tape_padded(&mut self.text, payload.len(), &mut self.buffers, &mut tape);
        let done = read.is_ok() && work(&borrowed(&tape.0));
        self.nodes = tape.reset().0;
        done
    }
}

/// The members of the outermost object.
fn borrowed<'t>(tape: &[Node<'t>]) -> Borrowed<'t> {
    let mut read = Borrowed::default();
    members(tape, |name, value| match (name, value) {
        ("iss", [Node::String(text), ..]) => read.iss = text,
        ("sub", [Node::String(text), ..]) => read.sub = text,
        ("aud", [Node::String(text), ..]) => read.aud = text,
        ("jti", [Node::String(text), ..]) => read.jti = text,
        ("iat", value) => read.iat = number(value),
        ("exp", value) => read.exp = number(value),
        ("client_id", [Node::String(text), ..]) => read.client_id = text,
        ("scope", [Node::String(text), ..]) => read.scope = text,
        ("resource", [Node::String(text), ..]) => read.resource = text,
        ("email", [Node::String(text), ..]) => read.email = text,
        ("sub_profile", [Node::String(text), ..]) => read.sub_profile = text,
        ("act", value) => read.act = actor(value),
        _ => {}
    });
    read
}

fn actor<'t>(tape: &[Node<'t>]) -> Actor<'t> {
    let mut read = Actor::default();
    members(tape, |name, value| match (name, value) {
        ("sub", [Node::String(text), ..]) => read.sub = text,
        ("sub_profile", [Node::String(text), ..]) => read.sub_profile = text,
        ("act", value) => read.act = Some(Box::new(actor(value))),
        _ => {}
    });
    read
}

/// Each member of the object that the tape begins with: its name, and the tape from its value on.
fn members<'t>(tape: &[Node<'t>], mut each: impl FnMut(&'t str, &[Node<'t>])) {
    let Some((Node::Object { len, .. }, mut rest)) = tape.split_first() else { return };
    for _ in 0..*len {
        let Some((Node::String(name), value)) = rest.split_first() else { return };
        each(name, value);
        let nodes = match value.first() {
            Some(Node::Object { count, .. } | Node::Array { count, .. }) => count + 1,
            _ => 1,
        };
        rest = value.get(nodes..).unwrap_or_default();
    }
}

fn number(value: &[Node<'_>]) -> u64 {
    match value.first() {
        Some(Node::Static(StaticNode::U64(number))) => *number,
        Some(Node::Static(StaticNode::I64(number))) => u64::try_from(*number).unwrap_or_default(),
        _ => 0,
    }
}
