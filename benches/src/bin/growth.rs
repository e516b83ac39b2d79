//! Prints what changes as everything grows, and plots it: `cargo run --release -p idjag-benches --bin growth`, all of it or
//! some parts (`exchange`, `lookups`, `claims`, `threads`, `swaps`) as arguments.
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

/// Parts that can be asked for alone.
const PARTS: [&str; 5] = ["exchange", "lookups", "claims", "threads", "swaps"];
/// People, and live claims.
const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Sizes of one thing, and the microseconds or nanoseconds at each.
struct Series {
    name: &'static str,
    points: Vec<(usize, f64)>,
}

fn main() -> Result<(), Failure> {
    let plots = Path::new(env!("CARGO_MANIFEST_DIR")).join("plots");
    std::fs::create_dir_all(&plots)?;
    println!("medians of {BLOCKS} blocks of {BLOCK} operations; sizes take turns\n");
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|part| !PARTS.contains(&part.as_str())) {
        return Err(format!("no part is called `{unknown}`; there are {}", PARTS.join(", ")).into());
    }
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == part);

    if is_wanted("exchange") {
        let small = Size::SMALL;
        let issuers =
            exchanges("issuers", &[1, 10, 100, 1_000, 10_000], |issuers| Size { issuers, ..small })?;
        let connectors =
            exchanges("connectors", &[7, 100, 1_000], |connectors| Size { connectors, ..small })?;
        let people = exchanges("people", &SIZES, |people| Size { people, ..small })?;
        let jtis = live_jtis(&SIZES)?;
        let of = [&issuers, &connectors, &people, &jtis];
        draw(&plots.join("exchange.svg"), "one exchange, EdDSA to EdDSA", "us", &of)?;
    }
    if is_wanted("lookups") {
        draw(&plots.join("lookups.svg"), "a person in the directory", "ns", &[&lookups(&SIZES)?])?;
    }
    if is_wanted("claims") {
        let [first, seen] = claims(&SIZES)?;
        draw(&plots.join("claims.svg"), "single use", "ns", &[&first, &seen])?;
    }
    if is_wanted("threads") {
        let threads = threads(&[1, 2, 4, 8])?;
        draw(&plots.join("threads.svg"), "exchange_many on threads", "exchanges/s", &[&threads])?;
    }
    if is_wanted("swaps") {
        swaps()?;
    }
    Ok(())
}

fn draw(file: &Path, title: &str, unit: &str, series: &[&Series]) -> Result<(), Failure> {
    let lines: Vec<Line<'_>> =
        series.iter().map(|series| Line { name: series.name, points: &series.points }).collect();
    plot(file, title, unit, &lines)
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

/// Nanoseconds of one look-up of a person who is drawn; bytes a person; and what one read of as much memory costs.
fn lookups(sizes: &[usize]) -> Result<Series, Failure> {
    const LOOKUPS: usize = 20_000;
    let mut stands = Vec::new();
    for &people in sizes {
        let world = World::of(Algorithm::EdDSA, Algorithm::EdDSA, Size { people, ..Size::SMALL })?;
        let directory = Directory::from_json("directory.json", world.directory().as_bytes())?;
        // One behind the other: the subject of a request is near when it is looked up.
        let mut subjects = String::new();
        for at in 0..LOOKUPS as u64 {
            subjects += &subject(usize::try_from(mix(at) >> 8)? % people);
        }
        let cells = (directory.bytes() / size_of::<usize>()).max(1);
        stands.push((directory, subjects, ring(cells)));
    }
    let issuer = issuer(0);
    let (mut times, mut reads) = (vec![Vec::new(); stands.len()], vec![Vec::new(); stands.len()]);
    for _ in 0..15 {
        for (at, (directory, subjects, cells)) in stands.iter().enumerate() {
            let (times, reads) =
                (times.get_mut(at).ok_or("no such size")?, reads.get_mut(at).ok_or("no such size")?);
            let start = Instant::now();
            let mut rest = subjects.as_str();
            while let Some((subject, behind)) = rest.split_at_checked(subjects.len() / LOOKUPS) {
                let person = directory.lookup(&issuer, None, black_box(subject)).ok_or("nobody")?;
                _ = black_box(person.active);
                rest = behind;
            }
            times.push(start.elapsed().as_secs_f64() * 1e9 / LOOKUPS as f64);
            let (start, mut cell) = (Instant::now(), 0);
            for _ in 0..LOOKUPS {
                cell = cells.get(cell).copied().unwrap_or(0);
            }
            reads.push(start.elapsed().as_secs_f64() * 1e9 / LOOKUPS as f64);
            _ = black_box(cell);
        }
    }
    let medians = |times: Vec<Vec<f64>>| times.into_iter().map(median).collect::<Vec<_>>();
    let series = print("directory look-up", "ns", sizes, &medians(times));
    let bytes: Vec<String> = stands
        .iter()
        .map(|(directory, ..)| format!("{:>11.1}", directory.bytes() as f64 / directory.len() as f64))
        .collect();
    println!("{:<20} {}   bytes a person\n", "", bytes.concat());
    print("one read of as much", "ns", sizes, &medians(reads));
    Ok(series)
}

/// A way through all cells in an order that looks drawn: each holds the place of the next, so that no read starts before
/// the one before it has ended.
fn ring(cells: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..cells).collect();
    for at in (1..cells).rev() {
        order.swap(at, usize::try_from(mix(at as u64) >> 8).unwrap_or(0) % (at + 1));
    }
    let mut ring = vec![0; cells];
    for (from, to) in order.iter().zip(order.iter().cycle().skip(1)) {
        if let Some(place) = ring.get_mut(*from) {
            *place = *to;
        }
    }
    ring
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
    const TURNS: u64 = 9;
    let mut stores: Vec<MemoryReplay> = sizes.iter().map(|held| filled(*held)).collect();
    let bytes: Vec<String> = stores
        .iter()
        .map(ReplayStore::stats)
        .map(|stats| format!("{:>11.1}", stats.bytes as f64 / stats.entries as f64))
        .collect();
    let mut times = [vec![Vec::new(); sizes.len()], vec![Vec::new(); sizes.len()]];
    let [first, seen] = &mut times;
    for turn in 0..TURNS {
        for (at, (store, held)) in stores.iter_mut().zip(sizes).enumerate() {
            // New ones are a small part of what is held, so that the table stays about as large as it is said to be.
            let few = CLAIMS.min(held / 20);
            if few < CLAIMS {
                *store = filled(*held);
            }
            let drawn: Vec<Claim> = (0..CLAIMS as u64)
                .map(|number| claim_of(mix(number + turn * 7_919) % *held as u64))
                .collect();
            let fresh: Vec<Claim> = (0..few as u64)
                .map(|number| claim_of(1_000_000_000 + turn * CLAIMS as u64 + number))
                .collect();
            seen.get_mut(at).ok_or("no such size")?.push(time_of(store, &drawn, Claimed::Seen)?);
            first.get_mut(at).ok_or("no such size")?.push(time_of(store, &fresh, Claimed::First)?);
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

/// Nanoseconds of one claim, each of which is answered as expected.
fn time_of(store: &MemoryReplay, claims: &[Claim], expected: Claimed) -> Result<f64, Failure> {
    let start = Instant::now();
    for claim in claims {
        let mut out = [Claimed::Unavailable];
        store.claim(std::slice::from_ref(claim), 0, &mut out);
        if out != [expected] {
            return Err("a claim was answered wrongly".into());
        }
    }
    Ok(start.elapsed().as_secs_f64() * 1e9 / claims.len() as f64)
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

/// How long a reader takes while the directory or the policy is swapped under it, and while neither is.
fn swaps() -> Result<(), Failure> {
    const READS: usize = 2_000_000;
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
    let (directory, policy) = (world.directory().as_bytes(), world.policy());
    let swap_directory = || -> Result<(), Failure> {
        engine.put_directory(Directory::from_json("directory.json", directory)?);
        Ok(())
    };
    let swap_policy = || -> Result<(), Failure> { Ok(engine.put_policy("policy.toml", &policy)?) };
    swap_policy()?;
    // The first time is another matter.
    read()?;
    println!("verify of known tokens, one reader, {READS} times, {SWAP_EVERY:?} between swaps:");
    let before = slowest("no swaps", &mut read()?);
    let swaps: [(&str, &Swap<'_>); 2] =
        [("directory swapped", &swap_directory), ("policy swapped", &swap_policy)];
    for (name, swap) in swaps {
        let (mut each, swaps) = while_swapping(&read, swap)?;
        let during = slowest(name, &mut each);
        println!("  {swaps} swaps; p99.9 during is {:.2} times p99.9 before", during / before);
    }
    Ok(())
}

type Swap<'s> = dyn Fn() -> Result<(), Failure> + Sync + 's;

const SWAP_EVERY: Duration = Duration::from_millis(5);

/// What `read` gives while another thread swaps, and how often that did.
fn while_swapping(
    read: &impl Fn() -> Result<Vec<f64>, Failure>,
    swap: &Swap<'_>,
) -> Result<(Vec<f64>, u32), Failure> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| -> Result<u32, Failure> {
            let mut swaps = 0;
            while !done.load(Ordering::Relaxed) {
                swap()?;
                swaps += 1;
                thread::sleep(SWAP_EVERY);
            }
            Ok(swaps)
        });
        let each = read();
        done.store(true, Ordering::Relaxed);
        let swaps = writer.join().map_err(|_| "the writer panicked")??;
        Ok((each?, swaps))
    })
}

/// Prints a line of quantiles, and gives p99.9.
fn slowest(name: &str, each: &mut [f64]) -> f64 {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| quantile(each, share));
    println!("  {name:<18} p50 {p50:.2} us, p99 {p99:.2} us, p99.9 {p999:.2} us");
    p999
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
