//! What the record costs: `cargo run --release -p idjag-benches --bin record`.
//!
//! The same wave without a record, with `sync` and with `async`, which take turns in one run, each on an engine and a folder
//! of its own; ratios and differences are taken within a turn, and what is printed are medians. Processor time is that of the
//! whole process, the writing thread and the closing of the log included. The folders are in the directory for temporary
//! files, so the disk is the one that holds it.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{self, SHA256};
use idjag::{Algorithm, Durability, Event, Record as _, Request};
use idjag_benches::{Failure, ISSUER, PEOPLE, RESOURCE, Size, World, issuer, median, request, subject};
use idjag_log::{Log, Options, own_verifier, verify};
use rustix::time::{ClockId, clock_gettime};

/// Requests that are granted, and those of them that come a second time and are refused.
const WAVE: usize = 14_000;
const AGAIN: usize = 700;
const ROUNDS: usize = 25;
/// Lines of the log that is verified, and how often it is.
const LINES: usize = 400_000;
const VERIFIED: usize = 5;

/// How a wave is recorded; none: it is not.
const WAYS: [Option<Durability>; 3] = [None, Some(Durability::Sync), Some(Durability::Async)];

/// What a wave took, in seconds.
#[derive(Clone, Copy, Default)]
struct Took {
    clock: f64,
    processor: f64,
}

fn main() -> Result<(), Failure> {
    let cores = thread::available_parallelism()?;
    let world =
        World::of(Algorithm::RS256, Algorithm::EdDSA, Size { issuers: 1, connectors: 7, people: PEOPLE })?;
    println!("{cores} cores, medians of {ROUNDS} rounds in which the waves take turns\n");
    println!("{:<58} {:>12} {:>14}", "figure", "measured", "target");
    waves(&world, cores)?;
    verification()
}

fn waves(world: &World, cores: NonZero<usize>) -> Result<(), Failure> {
    let assertions = world.assertions(WAVE)?;
    let mut requests: Vec<Request<'_>> = Vec::with_capacity(WAVE + AGAIN);
    for (at, assertion) in assertions.iter().enumerate() {
        requests.push(request(assertion));
        if (at + 1) % (WAVE / AGAIN) == 0 {
            requests.push(request(assertions.get(at / 2).ok_or("no assertion")?));
        }
    }
    let mut took: [Vec<Took>; WAYS.len()] = Default::default();
    for round in 0..ROUNDS {
        for turn in 0..WAYS.len() {
            let way = (round + turn) % WAYS.len();
            if let (Some(way), Some(took)) = (WAYS.get(way), took.get_mut(way)) {
                took.push(wave(world, &requests, cores, *way)?);
            }
        }
    }
    let [without, sync, asynchronous] = &took;
    let (granted, all) = (f64::from(u32::try_from(WAVE)?), f64::from(u32::try_from(requests.len())?));
    let rate = |took: &[Took]| granted / median(took.iter().map(|took| took.clock).collect());
    let share = |took: &[Took]| {
        median(without.iter().zip(took).map(|(without, with)| without.clock / with.clock).collect())
    };
    let added = |took: &[Took]| {
        let more = without.iter().zip(took).map(|(without, with)| with.processor - without.processor);
        median(more.collect()) * 1e6 / all
    };
    let tokens = |took: &[Took]| format!("{:.0}/s", rate(took));
    let events = requests.len();
    line(&format!("wave of {WAVE} tokens, {events} events, without a record"), &tokens(without), "");
    for (name, took, target) in [("sync", sync, ">= 0.85"), ("async", asynchronous, ">= 0.95")] {
        line(&format!("with one, `{name}`"), &tokens(took), "");
        line("  share of that without", &format!("{:.3}", share(took)), target);
        line("  processor time, an event", &format!("{:+.2} us", added(took)), "<= +1.5 us");
    }
    unavoidable(world, &requests, cores, median(without.iter().map(|took| took.clock).collect()))
}

/// What a record cannot do without, alone: the hashes of the same lines and of their tree, and the same bytes handed to the
/// kernel, with one wait for the disk. No line is composed, nothing is queued, no thread is woken.
fn unavoidable(
    world: &World,
    requests: &[Request<'_>],
    cores: NonZero<usize>,
    without: f64,
) -> Result<(), Failure> {
    const PIECE: usize = 256 << 10;
    let folder = Folder::new();
    let log = Log::open(&folder.0, &Options { durability: Durability::Async, ..Options::of(ISSUER) })?;
    let dir = log.dir();
    drop(world.builder()?.record(Arc::new(log)).build()?.exchange_many_on(requests, cores));
    let lines = std::fs::read(dir.join("00000000000000000000.jsonl"))?;
    let count = lines.split(|byte| *byte == b'\n').count() - 1;
    if count < requests.len() {
        return Err(format!("{count} lines of {} events", requests.len()).into());
    }
    let (mut hashed, mut written) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = processor_time();
        let mut edge = [0; 65];
        for entry in lines.split(|byte| *byte == b'\n') {
            let (leaf, node) = (digest::digest(&SHA256, entry), digest::digest(&SHA256, black_box(&edge)));
            let (left, right) = edge.split_at_mut(33);
            left.iter_mut().skip(1).zip(node.as_ref()).for_each(|(to, from)| *to = *from);
            right.iter_mut().zip(leaf.as_ref()).for_each(|(to, from)| *to = *from);
        }
        black_box(edge);
        hashed.push(processor_time().saturating_sub(began).as_secs_f64());
        let began = processor_time();
        let file = File::create(folder.0.join("alone"))?;
        for piece in lines.chunks(PIECE) {
            (&file).write_all(piece)?;
        }
        file.sync_data()?;
        written.push(processor_time().saturating_sub(began).as_secs_f64());
    }
    let (hashed, written) = (median(hashed), median(written));
    let (count, cores) = (f64::from(u32::try_from(count)?), f64::from(u32::try_from(cores.get())?));
    line(
        "hashing the same lines and their tree alone, a line",
        &format!("{:.2} us", hashed * 1e6 / count),
        "",
    );
    line("writing the same bytes alone, a line", &format!("{:.2} us", written * 1e6 / count), "");
    let left = without / (without + (hashed + written) / cores);
    line("  the share that both alone would leave", &format!("{left:.3}"), "");
    Ok(())
}

fn wave(
    world: &World,
    requests: &[Request<'_>],
    cores: NonZero<usize>,
    way: Option<Durability>,
) -> Result<Took, Failure> {
    let folder = Folder::new();
    let mut builder = world.builder()?;
    if let Some(durability) = way {
        let log = Log::open(&folder.0, &Options { durability, ..Options::of(ISSUER) })?;
        builder = builder.record(Arc::new(log));
    }
    let engine = builder.build()?;
    let (processor, began) = (processor_time(), Instant::now());
    let answers = black_box(engine.exchange_many_on(requests, cores));
    let clock = began.elapsed().as_secs_f64();
    drop(engine);
    let processor = processor_time().saturating_sub(processor).as_secs_f64();
    let granted = answers.iter().filter(|answer| answer.is_ok()).count();
    if granted != WAVE {
        return Err(format!("{granted} of {WAVE} granted").into());
    }
    if way.is_some() {
        // Every event has its line, and the log says when it began and ended.
        let lines = checked(&folder)?;
        if lines < requests.len() as u64 + 2 {
            return Err(format!("{lines} lines of {} events", requests.len()).into());
        }
    }
    Ok(Took { clock, processor })
}

/// How fast a log is verified that lies in the kernel's memory.
fn verification() -> Result<(), Failure> {
    let folder = Folder::new();
    let log = Log::open(&folder.0, &Options { durability: Durability::Async, ..Options::of(ISSUER) })?;
    let (digest, idp) = ("5".repeat(64), issuer(0));
    let groups = ["all", "eng"];
    for number in 0..LINES {
        let (person, jti) = (subject(number % PEOPLE), (number as u128).to_be_bytes());
        let mut event = Event::default();
        (event.at_ms, event.issuer, event.subject) = (idjag_benches::NOW * 1000, &idp, &person);
        (event.client_id, event.connector, event.resource) = (idjag_benches::CLIENT, "chat0", RESOURCE);
        (event.scope_granted, event.groups_matched) = ("chat.read chat.history", &groups);
        (event.rule, event.policy_digest) = (Some(("policy.toml", 12)), &digest);
        (event.jti_hash, event.kid) = (jti, Some("vsBTwEf5vXhTs_NalrGqJ9MpW4ivKSZcHb3f3uf7aDc"));
        (event.signature_valid, event.spent_until) = (true, 1_784_527_640);
        (event.token_jti, event.token_expires_at) = ("TmdrcxDz4xtoVSWcYkp50Q", 1_784_530_900);
        // What is queued faster than it is written has to wait.
        while log.queue(&event).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
    }
    drop(log);
    let (mut times, mut lines) = (Vec::new(), 0);
    for _ in 0..VERIFIED {
        let began = processor_time();
        lines = checked(&folder)?;
        times.push(processor_time().saturating_sub(began).as_secs_f64());
    }
    let bytes: u64 = verify(&folder.0, &own_verifier(&folder.0)?)?.iter().map(|log| log.bytes).sum();
    let [lines, bytes] = [lines, bytes].map(|number| u32::try_from(number).map(f64::from));
    let (lines, bytes) = (lines?, bytes?);
    let rate = lines / median(times);
    line("`audit verify`, events a second and core", &format!("{rate:.0}/s"), ">= 1000000/s");
    line("  bytes a line", &format!("{:.0}", bytes / lines), "");
    Ok(())
}

/// How many lines the log in `folder` has, each of them as it was written.
fn checked(folder: &Folder) -> Result<u64, Failure> {
    let found = verify(&folder.0, &own_verifier(&folder.0)?)?;
    match found.as_slice() {
        [log] if log.findings.is_empty() => Ok(log.lines),
        _ => Err(format!("{found:?}").into()),
    }
}

/// Processor time of this process, all its threads together.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A folder that is gone when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("idjag-bench-record-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&folder);
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

fn line(figure: &str, measured: &str, target: &str) {
    println!("{figure:<58} {measured:>12} {target:>14}");
}
