//! One assertion, many threads: exactly one token (behaviours row 38; EMA 7.4.2). And a store that is full: 503 (row 41).
#![allow(clippy::unwrap_used, reason = "the helpers of a test")]

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};
use std::thread;

use idjag::{Exchange, IdJag, IdJagMinter, Request, SigningKey};
use idjag_tests::{Down, SetClock, Table, World, vectors};

const THREADS: usize = 8;
const ROUNDS: usize = 64;

/// Presents the assertion of case `name` from every thread at once, and counts the answers.
fn race(engine: &Exchange, assertion: &str, client_id: &str, batch: bool) -> BTreeMap<&'static str, usize> {
    let barrier = Barrier::new(THREADS);
    let answer = || {
        let request = Request { assertion: assertion.as_bytes(), client_id, ..Request::default() };
        barrier.wait();
        let answers =
            if batch { engine.exchange_many(&[request, request]) } else { vec![engine.exchange(&request)] };
        answers
            .into_iter()
            .map(|answer| match answer {
                Ok(_) => "granted",
                Err(refusal) => refusal.slug(),
            })
            .collect::<Vec<_>>()
    };
    let mut counts = BTreeMap::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(answer)).collect();
        for slug in threads.into_iter().flat_map(|thread| thread.join().unwrap()) {
            *counts.entry(slug).or_default() += 1;
        }
    });
    counts
}

#[test]
fn one_assertion_gives_one_token_whoever_comes_first() {
    let table = Table::read(&vectors().join("cases")).unwrap();
    for name in ["granted-rs256", "granted-es256", "granted-eddsa"] {
        let case = table.case(name).unwrap();
        let assertion = table.text(case.assertion.as_ref().unwrap(), &|_| None).unwrap();
        let client_id = case.client_id.as_deref().unwrap();
        for round in 0..ROUNDS {
            let batch = round % 2 == 1;
            let engine = World::read(&case.world).unwrap().engine(SetClock::new(case.now)).unwrap();
            let counts = race(&engine, &assertion, client_id, batch);
            let refused = if batch { 2 * THREADS - 1 } else { THREADS - 1 };
            assert_eq!(
                counts,
                BTreeMap::from([("granted", 1), ("replayed", refused)]),
                "{name}, round {round}"
            );
        }
    }
}

#[test]
fn an_idp_whose_assertions_may_be_reused_gets_a_token_each_time() {
    let table = Table::read(&vectors().join("cases")).unwrap();
    let case = table.case("granted-rs256").unwrap();
    let assertion = table.text(case.assertion.as_ref().unwrap(), &|_| None).unwrap();
    let engine = World::read("reusable").unwrap().engine(SetClock::new(case.now)).unwrap();
    let counts = race(&engine, &assertion, case.client_id.as_deref().unwrap(), false);
    assert_eq!(counts, BTreeMap::from([("granted", THREADS)]));
}

#[test]
fn a_full_store_refuses_with_503_and_forgets_nothing() {
    const NOW: i64 = 1_784_527_300;
    let clock = SetClock::new(NOW);
    let engine = World::read("replay-of-4-kib").unwrap().engine(clock.clone()).unwrap();
    let key = std::fs::read(vectors().join("keys/acme-ed25519.jwk")).unwrap();
    let idp = IdJagMinter::new("https://acme.idp.example", Arc::new(SigningKey::from_jwk(&key).unwrap()));
    let mint = |issued_at| {
        let id_jag = IdJag {
            audience: "https://auth.chat.example/",
            client_id: "f53f191f9311af35",
            subject: "ada",
            issued_at,
            lifetime_s: 300,
            groups: &["eng"],
            ..IdJag::default()
        };
        idp.mint(&id_jag).unwrap()
    };
    let exchange = |assertion: &str| {
        let request =
            Request { assertion: assertion.as_bytes(), client_id: "f53f191f9311af35", ..Request::default() };
        engine.exchange(&request)
    };

    let mut granted = Vec::new();
    let refused = loop {
        let assertion = mint(NOW);
        match exchange(&assertion) {
            Ok(_) => granted.push(assertion),
            Err(refusal) => break (assertion, refusal),
        }
        assert!(granted.len() < 4096 / 16, "an entry has at least its key of 16 bytes");
    };
    let (assertion, refusal) = refused;
    assert_eq!((refusal.slug(), refusal.http_status()), ("replay_unavailable", 503));
    assert_eq!(refusal.retry_after_s(), Some(1));
    assert!(!granted.is_empty());
    for used in &granted {
        assert_eq!(exchange(used).unwrap_err().slug(), "replayed");
    }
    assert_eq!(exchange(&assertion).unwrap_err().slug(), "replay_unavailable");

    // Entries are kept until two leeways after `exp`; then there is room again.
    clock.set(NOW + 300 + 2 * 30 + 1);
    assert!(exchange(&mint(NOW + 361)).is_ok());
}

#[test]
fn a_store_that_is_down_refuses_with_503_whatever_may_be_reused() {
    let table = Table::read(&vectors().join("cases")).unwrap();
    let case = table.case("granted-rs256").unwrap();
    let assertion = table.text(case.assertion.as_ref().unwrap(), &|_| None).unwrap();
    let client_id = case.client_id.as_deref().unwrap();
    let request = Request { assertion: assertion.as_bytes(), client_id, ..Request::default() };
    for world in [case.world.as_str(), "reusable"] {
        let config = World::read(world).unwrap().config().unwrap();
        let clock = SetClock::new(case.now);
        let engine = Exchange::builder(config).clock(clock).replay(Box::new(Down)).build().unwrap();
        let answers =
            engine.exchange_many(&[request, request]).into_iter().chain([engine.exchange(&request)]);
        for answer in answers {
            let refusal = answer.unwrap_err();
            assert_eq!((refusal.slug(), refusal.http_status()), ("replay_unavailable", 503), "{world}");
            assert_eq!(refusal.oauth_error().as_str(), "temporarily_unavailable");
        }
        let explained = engine.explain(&request, case.now).verdict.unwrap_err();
        assert_eq!(explained.slug(), "replay_unavailable");
    }
}
