//! How long a server takes from its configuration to its first token, over a record of the last minutes: `cargo bench -p
//! idjag-log --bench restart`. A number of lines may follow `--`; a million without it.
#![allow(missing_docs, reason = "a program")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use idjag::{
    Algorithm, Clock, Config, Event, Exchange, IdJag, IdJagMinter, Record, Refusal, Request, SigningKey,
    SystemClock,
};
use idjag_log::{Log, Options, open};

type Failure = Box<dyn Error>;

const US: &str = "https://auth.acme.example/";
const IDP: &str = "https://acme.okta.example";
const RESOURCE: &str = "https://mcp.figma.example/mcp";
const CLIENT: &str = "f53f191f9311af35";

fn main() -> Result<(), Failure> {
    let lines = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("restart");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&place)?;
    let measured = measure(&place, lines);
    fs::remove_dir_all(&place)?;
    measured
}

fn measure(place: &Path, lines: u64) -> Result<(), Failure> {
    let audit = place.join("audit");
    let log = Log::open(&audit, &Options::of(US))?;
    fill(&log, lines)?;
    drop(log);
    let (mut bytes, mut segments) = (0, 0);
    for entry in fs::read_dir(audit.join("0"))? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|kind| kind == "jsonl") {
            bytes += entry.metadata()?.len();
            segments += 1;
        }
    }
    println!("{lines} exchanges on record, {} MB in {segments} segments", bytes / 1_000_000);

    let key = Arc::new(SigningKey::generate(Algorithm::EdDSA)?);
    let jwk = key.public_jwk().ok_or("no public half")?;
    let idp = IdJagMinter::new(IDP, key);
    let config = format!(
        r#"{{
            "issuer": "{US}", "audit": {{ "path": "audit" }}, "tokens": {{ "keys": "ephemeral" }},
            "idps": [{{ "issuer": "{IDP}", "jwks": {{ "keys": [{jwk}] }} }}],
            "clients": [{{ "id": "{CLIENT}", "auth": "none", "connectors": ["*"] }}],
            "connectors": [{{
                "id": "figma", "resource": "{RESOURCE}", "scopes": ["files:read"], "state": "enabled", "owner": "o",
                "review_by": "2999-01-01", "grants": [{{ "everyone": true, "scopes": ["files:read"] }}]
            }}]
        }}"#
    );
    for start in 1..=5 {
        let assertion = idp.mint(&IdJag {
            audience: US,
            client_id: CLIENT,
            subject: "00uOeYTWHrpeOGJn6bxJ",
            resource: Some(RESOURCE),
            issued_at: SystemClock.now(),
            lifetime_s: 300,
            ..IdJag::default()
        })?;
        let began = Instant::now();
        let config = Config::parse("restart.json", &config, &mut |_| Err("no files".to_owned()))?;
        let record = open(&config, place, SystemClock.now())?.ok_or("no record")?;
        let opened = began.elapsed();
        let engine = record.give(Exchange::builder(config)).build()?;
        let built = began.elapsed();
        let request = Request { assertion: assertion.as_bytes(), client_id: CLIENT, ..Request::default() };
        engine.exchange(&request).map_err(Refusal::slug)?;
        let served = began.elapsed();
        println!(
            "start {start}: first token after {:.2} s; record read {:.2} s, {} keys taken {:.2} s",
            served.as_secs_f64(),
            opened.as_secs_f64(),
            engine.stats().replay.entries,
            built.saturating_sub(opened).as_secs_f64(),
        );
    }
    Ok(())
}

/// Writes exchanges as a wave has them, that all still count.
fn fill(log: &Log, lines: u64) -> Result<(), Failure> {
    let now_ms = SystemClock.now_ms();
    let policy = "c4c4efcf0b2438b58e79723a367446be21568f312457319dc5d1c4faea4e8bb1";
    for number in 0..lines {
        let mut event = Event::default();
        let subject = format!("00u{:017x}", mix(number % 2_000));
        let token = format!("{:022x}", mix(number));
        (event.at_ms, event.began) = (now_ms, Some(Instant::now()));
        event.signature_valid = true;
        (event.issuer, event.subject, event.client_id) = (IDP, &subject, CLIENT);
        (event.actor, event.connector, event.resource) = (Some("wlp1a2b3c4d5e6f7g8h9"), "figma", RESOURCE);
        event.scope_asserted = Some("files:read comments:write dev-resources:read");
        event.scope_granted = "files:read comments:write dev-resources:read";
        event.groups_matched = &["all", "eng-mobile"];
        (event.rule, event.policy_digest) = (Some(("policy.toml", 82)), policy);
        event.jti_hash = [mix(number).to_le_bytes(), mix(!number).to_le_bytes()].as_flattened().try_into()?;
        event.spent_until = now_ms / 1000 + 3_600;
        (event.issued_at, event.expires_at) = (Some(now_ms / 1000), Some(now_ms / 1000 + 300));
        (event.alg, event.kid) = ("RS256", Some("9zqrO977d8PP-TfIZYsYRDFsgh5ksMv4bQUhMMC4TFY"));
        (event.token_jti, event.token_expires_at) = (&token, now_ms / 1000 + 3_600);
        // The queue is full now and then: the disk is slower.
        while log.queue(&event).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

/// A number that looks drawn.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 31
}
