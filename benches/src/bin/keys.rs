//! What keys that are fetched cost: `cargo run --release -p idjag-benches --bin keys`.
//!
//! Times are medians of blocks that take turns in one run. Nothing leaves the machine: the places of the keys are at loopback,
//! where the guard refuses to go, and the sets are put as a fetcher puts them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use idjag::{Algorithm, Config, Exchange, IdJag, IdJagMinter, KeyOwner, SigningKey};
use idjag_benches::{CLIENT, Failure, NOW, issuer, median, mix, request};
use idjag_fetch::{Fetcher, Pace};

const OURS: &str = "https://auth.chat.example/";
const MANY: usize = 10_000;
const BLOCK: usize = 50;
const BLOCKS: usize = 80;
const FLOOD: usize = 100_000;
/// Sets that are put as one change: about what comes in while the change before is made.
const TOGETHER: usize = 64;

fn main() -> Result<(), Failure> {
    let keys = [
        Arc::new(SigningKey::generate(Algorithm::RS256)?),
        Arc::new(SigningKey::generate(Algorithm::RS256)?),
    ];
    let public: Vec<String> = keys.iter().filter_map(|key| key.public_jwk()).collect();
    let set = format!("{{\"keys\":[{}]}}", public.join(","));
    let [key, _] = &keys;

    println!("{} cores, medians of {BLOCKS} blocks of {BLOCK} operations that take turns\n", cores());
    println!("{:<62}{:>12}{:>14}", "figure", "measured", "target");
    let bytes = memory(&set)?;
    line("memory for an issuer with two RSA keys, and its fetcher", &format!("{bytes} bytes"), "<= 4096");

    let (one, many) = (engine(1)?, engine(MANY)?);
    put(&one, 1, &set);
    put(&many, MANY, &set);
    let began = Instant::now();
    put(&many, MANY, &set);
    let refresh = began.elapsed();
    line(
        &format!("all {MANY} sets read and put, {TOGETHER} at a time"),
        &format!("{:.0} ms", ms(refresh)),
        "",
    );

    let total = BLOCK * BLOCKS;
    let (few, drawn, during) =
        (minted(key, 1, 0, total)?, minted(key, MANY, 0, total)?, minted(key, MANY, 1, total)?);
    let (mut alone, mut among) = (Vec::new(), Vec::new());
    for (few, drawn) in few.chunks(BLOCK).zip(drawn.chunks(BLOCK)) {
        alone.push(block(&one, few)?);
        among.push(block(&many, drawn)?);
    }
    let alone = median(alone);
    line("one exchange, one live issuer", &us(alone), "");
    against(&format!("one exchange, any of {MANY:} live issuers"), median(among), alone);
    let refreshed = beside(
        || put(&many, MANY, &set),
        || during.chunks(BLOCK).map(|during| block(&many, during)).collect::<Result<Vec<_>, _>>(),
    )?;
    against("  while all of them are put again and again", median(refreshed), alone);

    flood(key, &set, alone)
}

/// Good requests beside a flood of ones with unknown kids.
fn flood(key: &Arc<SigningKey>, set: &str, alone: f64) -> Result<(), Failure> {
    let config = config(1)?;
    let builder = Exchange::builder(config).clock(|| NOW);
    let fetcher = Fetcher::new(builder.fetch_settings(), Path::new(""), Pace::default());
    let engine = Arc::new(builder.key_source(Arc::<Fetcher>::clone(&fetcher)).build()?);
    fetcher.attach(&engine);
    fetcher.settle(Duration::from_secs(10));
    put(&engine, 1, set);
    let unknown = Arc::new(SigningKey::generate(Algorithm::RS256)?);
    let hostile = minted(&unknown, 1, 2, 1_000)?;
    let good = minted(key, 1, 3, BLOCK * BLOCKS)?;
    let (done, began) = (AtomicBool::new(false), Instant::now());
    let (slowed, refused) = thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            let mut refused = 0_usize;
            while refused < FLOOD || !done.load(Ordering::Relaxed) {
                let at = refused % hostile.len();
                refused +=
                    usize::from(hostile.get(at).is_some_and(|one| engine.exchange(&request(one)).is_err()));
            }
            refused
        });
        let slowed = good.chunks(BLOCK).map(|good| block(&engine, good)).collect::<Result<Vec<_>, _>>();
        done.store(true, Ordering::Relaxed);
        (slowed, flooding.join().unwrap_or(0))
    });
    let how_often = fetcher.sources().first().map_or(0, |source| source.fetches);
    against("one exchange beside a flood of unknown kids", median(slowed?), alone);
    let intervals = began.elapsed().as_secs() / 30 + 1;
    let measured = format!("{how_often} fetches");
    line(
        &format!("  {refused} of them in {:.1} s", began.elapsed().as_secs_f64()),
        &measured,
        &format!("<= {}", intervals + 1),
    );
    Ok(())
}

/// Bytes that each issuer takes, with its keys in the engine and its place in a fetcher.
fn memory(set: &str) -> Result<usize, Failure> {
    let before = resident()?;
    let builder = Exchange::builder(config(MANY)?).clock(|| NOW);
    let fetcher = Fetcher::new(builder.fetch_settings(), Path::new(""), Pace::default());
    let engine = Arc::new(builder.build()?);
    put(&engine, MANY, set);
    fetcher.attach(&engine);
    fetcher.settle(Duration::from_secs(30));
    Ok(resident()?.saturating_sub(before) / MANY)
}

/// Bytes of this process that are in memory.
fn resident() -> Result<usize, Failure> {
    let pages: usize =
        std::fs::read_to_string("/proc/self/statm")?.split(' ').nth(1).ok_or("no statm")?.parse()?;
    Ok(pages * 4096)
}

fn config(issuers: usize) -> Result<Config, Failure> {
    let idps: Vec<String> = (0..issuers)
        .map(|at| format!(r#"{{ "issuer": "{}", "jwks_uri": "https://127.0.0.1:9/{at}/keys" }}"#, issuer(at)))
        .collect();
    let text = format!(
        r#"{{ "issuer": "{OURS}", "tokens": {{ "keys": "ephemeral" }}, "idps": [{}],
            "clients": [{{ "id": "{CLIENT}", "auth": "none", "connectors": ["chat"] }}],
            "connectors": [{{ "id": "chat", "resource": "https://mcp.chat.example/", "scopes": ["chat.read"], "state": "enabled",
                "owner": "chat@acme.example", "review_by": "2999-01-01",
                "grants": [{{ "everyone": true, "any_issuer": true, "scopes": ["chat.read"] }}] }}] }}"#,
        idps.join(",")
    );
    Ok(Config::parse("bench.json", &text, &mut |_| Err("no files".to_owned()))?)
}

fn engine(issuers: usize) -> Result<Exchange, Failure> {
    Ok(Exchange::builder(config(issuers)?).clock(|| NOW).build()?)
}

fn put(engine: &Exchange, issuers: usize, set: &str) {
    let sets: Vec<_> = (0..issuers).map(|at| (KeyOwner::Idp(issuer(at)), Some(set.as_bytes()))).collect();
    for together in sets.chunks(TOGETHER) {
        engine.put_fetched(together);
    }
}

/// `count` assertions, each of a drawn issuer; others for another `draw`.
fn minted(key: &Arc<SigningKey>, issuers: usize, draw: u64, count: usize) -> Result<Vec<String>, Failure> {
    (0..count)
        .map(|at| {
            let drawn = usize::try_from(mix(at as u64 ^ draw << 32) >> 16)? % issuers;
            let id_jag = IdJag {
                audience: OURS,
                client_id: CLIENT,
                subject: "ada",
                resource: Some("https://mcp.chat.example/"),
                issued_at: NOW,
                lifetime_s: 300,
                ..IdJag::default()
            };
            Ok(IdJagMinter::new(issuer(drawn), Arc::clone(key)).mint(&id_jag)?)
        })
        .collect()
}

/// Microseconds for each of a block, all of which must be granted.
fn block(engine: &Exchange, assertions: &[String]) -> Result<f64, Failure> {
    let began = Instant::now();
    let granted = assertions.iter().filter(|assertion| engine.exchange(&request(assertion)).is_ok()).count();
    let took = began.elapsed();
    if granted != assertions.len() {
        return Err(format!("{granted} of {} were granted", assertions.len()).into());
    }
    let count = u32::try_from(assertions.len())?;
    Ok(took.as_secs_f64() * 1e6 / f64::from(count))
}

/// Does `work` while `noise` is made over and over on another thread.
fn beside<T>(noise: impl Fn() + Sync, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                noise();
            }
        });
        let worked = work();
        done.store(true, Ordering::Relaxed);
        worked
    })
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn us(time: f64) -> String {
    format!("{time:.2} us")
}

fn against(figure: &str, time: f64, alone: f64) {
    line(figure, &us(time), "");
    line("    beside the one above", &format!("{:+.1} %", (time / alone - 1.0) * 100.0), "<= +10 %");
}

fn line(figure: &str, measured: &str, target: &str) {
    println!("{figure:<62}{measured:>12}{target:>14}");
}
