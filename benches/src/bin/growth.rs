//! Prints what changes as everything grows, and plots it: `cargo run --release -p idjag-benches --bin growth`.
//!
//! Sizes take turns in one run, so that a machine that slows down slows all of them; what is printed are medians, and
//! each as a ratio to the smallest. Assertions and access tokens are EdDSA, whose keys are made in microseconds.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes and times are far below 2^52"
)]

use std::hint::black_box;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use idjag::{Algorithm, Claim, Claimed, Directory, Exchange, MemoryReplay, ReplayKey, ReplayStore, Request};
use idjag_benches::plot::{Line, plot};
use idjag_benches::{Failure, RESOURCE, Size, World, issuer, median, mix, quantile, request, subject};

/// Operations in a block, and blocks of each size.
const BLOCK: usize = 50;
const BLOCKS: usize = 60;

/// Sizes of one thing, and the microseconds or nanoseconds at each.
struct Series {
    name: &'static str,
    points: Vec<(usize, f64)>,
}

fn main() -> Result<(), Failure> {
    let plots = Path::new(env!("CARGO_MANIFEST_DIR")).join("plots");
    std::fs::create_dir_all(&plots)?;
    println!("medians of {BLOCKS} blocks of {BLOCK} operations; sizes take turns\n");

    let small = Size::SMALL;
    let issuers = exchanges("issuers", &[1, 10, 100, 1_000, 10_000], |issuers| Size { issuers, ..small })?;
    let connectors = exchanges("connectors", &[7, 100, 1_000], |connectors| Size { connectors, ..small })?;
    let people =
        exchanges("people", &[1_000, 10_000, 100_000, 1_000_000], |people| Size { people, ..small })?;
    let jtis = live_jtis(&[1_000, 10_000, 100_000, 1_000_000])?;
    plot(
        &plots.join("exchange.svg"),
        "one exchange, EdDSA to EdDSA",
        "us",
        &[&issuers, &connectors, &people, &jtis]
            .map(|series| Line { name: series.name, points: &series.points }),
    )?;

    let lookups = lookups(&[1_000, 10_000, 100_000, 1_000_000])?;
    let [first, seen] = claims(&[1_000, 10_000, 100_000, 1_000_000])?;
    plot(
        &plots.join("lookups.svg"),
        "directory and single use",
        "ns",
        &[&lookups, &first, &seen].map(|series| Line { name: series.name, points: &series.points }),
    )?;

    let threads = threads(&[1, 2, 4, 8])?;
    plot(
        &plots.join("threads.svg"),
        "exchange_many on threads",
        "exchanges/s",
        &[Line { name: threads.name, points: &threads.points }],
    )?;
    swaps()
}

/// The time of one exchange at each size of one thing.
fn exchanges(name: &'static str, sizes: &[usize], size: impl Fn(usize) -> Size) -> Result<Series, Failure> {
    let mut stands = Vec::new();
    for &grown in sizes {
        let world = World::of(Algorithm::EdDSA, Algorithm::EdDSA, size(grown))?;
        stands.push((world.engine()?, world.assertions(BLOCK * BLOCKS)?));
    }
    Ok(print(name, "us", sizes, &in_turns(&stands)?))
}

/// The time of one exchange with so many claims held by the single-use table.
fn live_jtis(sizes: &[usize]) -> Result<Series, Failure> {
    let world = World::new(Algorithm::EdDSA, Algorithm::EdDSA)?;
    let mut stands = Vec::new();
    for &held in sizes {
        let engine = world.builder()?.replay(Box::new(filled(held))).build()?;
        stands.push((engine, world.assertions(BLOCK * BLOCKS)?));
    }
    Ok(print("live jtis", "us", sizes, &in_turns(&stands)?))
}

fn in_turns(stands: &[(Exchange, Vec<String>)]) -> Result<Vec<f64>, Failure> {
    let mut times = vec![Vec::new(); stands.len()];
    for turn in 0..BLOCKS {
        for ((engine, assertions), times) in stands.iter().zip(&mut times) {
            let block = assertions.get(turn * BLOCK..(turn + 1) * BLOCK).unwrap_or_default();
            let requests: Vec<Request<'_>> = block.iter().map(|assertion| request(assertion)).collect();
            let start = Instant::now();
            for request in &requests {
                engine.exchange(black_box(request))?;
            }
            times.push(start.elapsed().as_secs_f64() * 1e6 / BLOCK as f64);
        }
    }
    Ok(times.into_iter().map(median).collect())
}

/// Nanoseconds of one look-up of a person who is drawn, each of whose groups is read; and bytes a person.
fn lookups(sizes: &[usize]) -> Result<Series, Failure> {
    const LOOKUPS: usize = 20_000;
    let mut stands = Vec::new();
    for &people in sizes {
        let world = World::of(Algorithm::EdDSA, Algorithm::EdDSA, Size { people, ..Size::SMALL })?;
        let directory = Directory::from_json("directory.json", world.directory().as_bytes())?;
        let subjects: Vec<String> = (0..LOOKUPS as u64)
            .map(|at| subject(usize::try_from(mix(at) >> 8).unwrap_or(0) % people))
            .collect();
        stands.push((directory, subjects));
    }
    let issuer = issuer(0);
    let mut times = vec![Vec::new(); stands.len()];
    for _ in 0..15 {
        for ((directory, subjects), times) in stands.iter().zip(&mut times) {
            let start = Instant::now();
            for subject in subjects {
                let person = directory.lookup(&issuer, None, black_box(subject)).ok_or("nobody")?;
                _ = black_box(person.active);
            }
            times.push(start.elapsed().as_secs_f64() * 1e9 / LOOKUPS as f64);
        }
    }
    let series = print("directory look-up", "ns", sizes, &times.into_iter().map(median).collect::<Vec<_>>());
    let bytes: Vec<String> = stands
        .iter()
        .map(|(directory, _)| format!("{:>11.1}", directory.bytes() as f64 / directory.len() as f64))
        .collect();
    println!("{:<20} {}   bytes a person\n", "", bytes.concat());
    Ok(series)
}

const EXPIRES_AT: i64 = idjag_benches::NOW + 1_000;

fn claim_of(number: u64) -> Claim {
    let key = (u128::from(mix(number)) << 64 | u128::from(mix(!number))).to_ne_bytes();
    Claim { key: ReplayKey::from_bytes(key), expires_at: EXPIRES_AT }
}

fn filled(held: usize) -> MemoryReplay {
    let store = MemoryReplay::new(1 << 30);
    for number in 0..held as u64 {
        store.claim(&[claim_of(number)], 0, &mut [Claimed::Unavailable]);
    }
    store
}

/// Nanoseconds of a first claim and of one that was seen, with so many held; bytes an entry, and the slowest claims
/// while a table grows to the largest size.
fn claims(sizes: &[usize]) -> Result<[Series; 2], Failure> {
    const CLAIMS: usize = 5_000;
    let stores: Vec<MemoryReplay> = sizes.iter().map(|held| filled(*held)).collect();
    let bytes: Vec<String> = stores
        .iter()
        .map(ReplayStore::stats)
        .map(|stats| format!("{:>11.1}", stats.bytes as f64 / stats.entries as f64))
        .collect();
    let mut times = [vec![Vec::new(); sizes.len()], vec![Vec::new(); sizes.len()]];
    let [first, seen] = &mut times;
    for turn in 0..3_u64 {
        for (at, (store, held)) in stores.iter().zip(sizes).enumerate() {
            let time = |number: &dyn Fn(u64) -> u64, expected: Claimed| -> Result<f64, Failure> {
                let claims: Vec<Claim> = (0..CLAIMS as u64).map(|at| claim_of(number(at))).collect();
                let start = Instant::now();
                for claim in &claims {
                    let mut out = [Claimed::Unavailable];
                    store.claim(std::slice::from_ref(claim), 0, &mut out);
                    if out != [expected] {
                        return Err("a claim was answered wrongly".into());
                    }
                }
                Ok(start.elapsed().as_secs_f64() * 1e9 / CLAIMS as f64)
            };
            // New ones are a small part of what is held, so that the table stays about as large as it is said to be.
            let fresh = 1_000_000_000 + turn * CLAIMS as u64;
            if *held >= 100_000 || turn == 0 {
                first
                    .get_mut(at)
                    .ok_or("no such size")?
                    .push(time(&|number| fresh + number, Claimed::First)?);
            }
            let drawn = |number: u64| mix(number + turn * 7_919) % *held as u64;
            seen.get_mut(at).ok_or("no such size")?.push(time(&drawn, Claimed::Seen)?);
        }
    }
    let [first, seen] = times.map(|times| times.into_iter().map(median).collect::<Vec<_>>());
    let first = print("first claim", "ns", sizes, &first);
    let seen = print("claim seen before", "ns", sizes, &seen);
    println!("{:<20} {}   bytes an entry", "", bytes.concat());

    let store = MemoryReplay::new(1 << 30);
    let largest = sizes.last().copied().unwrap_or(0);
    let mut each = Vec::with_capacity(largest);
    for number in 0..largest as u64 {
        let claim = [claim_of(number)];
        let start = Instant::now();
        store.claim(&claim, 0, &mut [Claimed::Unavailable]);
        each.push(start.elapsed().as_secs_f64() * 1e6);
    }
    println!(
        "{:<20} p50 {:.2} us, p99.9 {:.2} us, max {:.0} us a claim while it grows from 0 to {largest}\n",
        "",
        quantile(&mut each, 0.5),
        quantile(&mut each, 0.999),
        quantile(&mut each, 1.0)
    );
    Ok([first, seen])
}

/// Exchanges a second on so many threads.
fn threads(sizes: &[usize]) -> Result<Series, Failure> {
    const WAVE: usize = 4_000;
    let world = World::new(Algorithm::EdDSA, Algorithm::EdDSA)?;
    let assertions = world.assertions(WAVE)?;
    let requests: Vec<Request<'_>> = assertions.iter().map(|assertion| request(assertion)).collect();
    let mut rates = vec![Vec::new(); sizes.len()];
    for _ in 0..9 {
        for (threads, rates) in sizes.iter().zip(&mut rates) {
            let engine = world.engine()?;
            let threads = NonZero::new(*threads).ok_or("no threads")?;
            let start = Instant::now();
            let answers = engine.exchange_many_on(&requests, threads);
            rates.push(WAVE as f64 / start.elapsed().as_secs_f64());
            if answers.iter().any(Result::is_err) {
                return Err("a request was refused".into());
            }
        }
    }
    let cores = thread::available_parallelism()?;
    println!("on {cores} cores:");
    Ok(print("threads", "/s", sizes, &rates.into_iter().map(median).collect::<Vec<_>>()))
}

/// How long readers take while directory and policy are swapped under them, and while they are not.
fn swaps() -> Result<(), Failure> {
    const READS: usize = 400_000;
    let world = World::new(Algorithm::EdDSA, Algorithm::EdDSA)?;
    let engine = world.engine()?;
    let mut tokens = Vec::new();
    for assertion in world.assertions(500)? {
        tokens.push(engine.exchange(&request(&assertion))?.access_token().to_owned());
    }
    let read = || -> Result<Vec<f64>, Failure> {
        let mut each = Vec::with_capacity(READS);
        for at in 0..READS {
            let token = tokens.get(at % tokens.len()).ok_or("no token")?;
            let start = Instant::now();
            engine.verify(token.as_bytes(), RESOURCE)?;
            each.push(start.elapsed().as_secs_f64() * 1e6);
        }
        Ok(each)
    };
    let directory = world.directory().as_bytes();
    // The first time is another matter.
    read()?;
    let (mut quiet, mut swapped) = (read()?, Vec::new());
    let (done, mut swaps) = (AtomicBool::new(false), 0_u32);
    thread::scope(|scope| -> Result<(), Failure> {
        let writer = scope.spawn(|| -> Result<u32, String> {
            let mut swaps = 0;
            while !done.load(Ordering::Relaxed) {
                let next =
                    Directory::from_json("directory.json", directory).map_err(|why| why.to_string())?;
                engine.put_directory(next);
                swaps += 1;
                thread::sleep(Duration::from_millis(5));
            }
            Ok(swaps)
        });
        let read = read();
        done.store(true, Ordering::Relaxed);
        swaps = writer.join().map_err(|_| "the writer panicked")??;
        swapped = read?;
        Ok(())
    })?;
    let (before, during) = (quantile(&mut quiet, 0.999), quantile(&mut swapped, 0.999));
    println!("verify of known tokens, one reader, {READS} times:");
    for (name, each) in [("no swaps", &mut quiet), ("directory swapped", &mut swapped)] {
        println!(
            "  {name:<18} p50 {:.2} us, p99 {:.2} us, p99.9 {:.2} us",
            quantile(each, 0.5),
            quantile(each, 0.99),
            quantile(each, 0.999)
        );
    }
    println!("  {swaps} swaps; p99.9 during is {:.2} times p99.9 before", during / before);
    Ok(())
}

fn print(name: &'static str, unit: &str, sizes: &[usize], values: &[f64]) -> Series {
    let row = |cells: Vec<String>| cells.concat();
    let smallest = values.first().copied().unwrap_or(f64::NAN);
    println!("{name:<20} {}", row(sizes.iter().map(|size| format!("{size:>11}")).collect()));
    let digits = if unit == "us" { 2 } else { 0 };
    println!(
        "{:<20} {}   {unit}",
        "",
        row(values.iter().map(|value| format!("{value:>11.digits$}")).collect())
    );
    println!(
        "{:<20} {}   times the first\n",
        "",
        row(values.iter().map(|value| format!("{:>11.2}", value / smallest)).collect())
    );
    Series { name, points: sizes.iter().copied().zip(values.iter().copied()).collect() }
}
