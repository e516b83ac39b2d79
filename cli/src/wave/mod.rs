//! `idjag wave`: a whole company gets its tokens at once, and whoever must not have one gets none.
//!
//! The wave that is made here and the one that was recorded run through the same code: a configuration with its files,
//! and requests.

mod company;
mod hostile;
mod mint;
mod random;
mod report;
mod run;
mod world;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;

use idjag::{Clock, SystemClock};
use indicatif::{ProgressBar, ProgressStyle};

use self::run::Run;
use self::world::{Size, World};
use crate::files::{self, FileSet, Source};
use crate::outline::Outline;
use crate::problem::{Problem, Result};
use crate::requests::{AnswerLine, Line};
use crate::text::{self, count, plural};
use crate::{Answer, calendar};

/// Run a wave: everybody in a company asks for a token for every connector, among hostile requests
///
/// Without options, 2,000 people in realistic groups ask for Asana, Atlassian, Canva, Figma, Granola, Linear and
/// Supabase: 14,000 requests that must all be granted. Among them are 700 that must all be refused: replayed, expired,
/// for another server, for another client, forged, without a group that is granted anything, for a connector that is
/// only planned (Slack), and with groups that the IdP could not list. Embedded IdPs sign every ID-JAG with RS256, in
/// the shape of Okta's. One verdict that is not as it must be makes the exit status 1.
///
/// The throughput is that of all requests at once, on all threads: tokens granted, divided by the time of that one
/// call; signing the ID-JAGs is not in it. The latencies are of a second run on a fresh engine, where each thread takes
/// one request after another: of one exchange, granted or refused. Verdicts of the two runs must agree.
///
/// The clock of the wave stands at the second in which its ID-JAGs are issued, so that a large one does not expire
/// while it is being signed.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  idjag wave                                  the whole company
  idjag wave --people 20000 --json            a larger one; one JSON object on standard output
  idjag wave --record /tmp/wave               write it down, run nothing
  idjag wave --config /tmp/wave/idjag.toml --requests /tmp/wave/requests.jsonl
                                              run what was written down, within five minutes
  idjag wave --config idjag.toml --requests yesterday.jsonl --now 1784527276
                                              rehearse yesterday's requests with today's policy

Exit status: 0 fine, and refusals are fine; 1 the wave was made here, and a verdict is not as it
must be; 2 could not run.")]
pub(crate) struct Args {
    /// How many people there are in the company
    #[arg(long, value_name = "N", default_value = "2000")]
    people: NonZero<u32>,
    /// How many requests must be refused
    #[arg(long, value_name = "N", default_value_t = 700)]
    hostile: u32,
    /// Threads to exchange on [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Another company and another order; keys and `jti`s are new each time
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object and nothing else
    #[arg(long, conflicts_with = "record")]
    json: bool,
    /// Write the wave to DIR instead of running it: idjag.toml, policy.toml, directory.json, keys/, requests.jsonl
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "tokens"])]
    record: Option<PathBuf>,
    /// Run requests against this configuration instead of making a wave
    #[arg(long, value_name = "FILE", requires = "requests", conflicts_with_all = ["people", "hostile", "seed"])]
    config: Option<PathBuf>,
    /// The requests: {"assertion","client_id","resource"?,"scope"?,"authorization_details"?} on each line
    #[arg(long, value_name = "FILE", requires = "config")]
    requests: Option<PathBuf>,
    /// Rehearse: the clock stands at this time, in seconds since 1970
    #[arg(long, value_name = "SECONDS", requires = "requests", allow_negative_numbers = true)]
    now: Option<i64>,
    /// Keep a record of the exchanges in the folder DIR, with every line on disk before its token is handed out
    #[arg(long, value_name = "DIR", conflicts_with = "record")]
    audit: Option<PathBuf>,
    /// Write the tokens to FILE, one JSON object for each request that was granted, with its number
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Answer> {
    let threads =
        args.threads.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN));
    if let (Some(config), Some(requests)) = (&args.config, &args.requests) {
        let source = Source::Disk(config.clone());
        let lines = read_requests(requests)?;
        if let Some(now) = args.now {
            let day = calendar::date_after(now, 0);
            text::note(&format!("a rehearsal: the clock stands at {now} ({day})"));
        }
        let run = exchange(&source, &lines, args.now, threads, args.audit.as_deref())?;
        report(args, &source, &run, &lines, None)?;
        return Ok(Answer::Yes);
    }

    let now = SystemClock.now();
    let size = Size {
        people: usize::try_from(args.people.get()).unwrap_or(usize::MAX),
        hostile: usize::try_from(args.hostile).unwrap_or(usize::MAX),
        seed: args.seed,
    };
    let bar = bar();
    let mut world = World::build(&size, now, threads, &bar)?;
    bar.finish_and_clear();
    if let Some(dir) = &args.record {
        return record(dir, &mut world, now);
    }
    if !args.json {
        anstream::println!("{}\n", world.summary);
    }
    let source = Source::Memory(std::mem::take(&mut world.files));
    let run = exchange(&source, &world.lines, Some(now), threads, args.audit.as_deref())?;
    report(args, &source, &run, &world.lines, Some(world.minting))?;
    let wrong = wrong_verdicts(&run, &world.expected);
    for what in &wrong {
        text::complain(what);
    }
    Ok(wrong.is_empty().into())
}

fn exchange(
    source: &Source,
    lines: &[Line],
    now: Option<i64>,
    threads: NonZero<usize>,
    audit: Option<&Path>,
) -> Result<Run> {
    let spinner =
        ProgressBar::new_spinner().with_message(format!("exchanging {}", plural(lines.len(), "request")));
    spinner.enable_steady_tick(std::time::Duration::from_millis(250));
    let run = Run::of(source, lines, now, threads, audit);
    spinner.finish_and_clear();
    run
}

fn report(
    args: &Args,
    source: &Source,
    run: &Run,
    lines: &[Line],
    minting: Option<std::time::Duration>,
) -> Result<()> {
    if let Some(path) = &args.tokens {
        write_tokens(path, run)?;
    }
    let mut out = anstream::stdout().lock();
    if args.json {
        return report::json(run, &mut out);
    }
    report::print(run, lines, &Outline::of(source)?, minting, &mut out)
}

/// What is not as it must be, a sentence for each: at most a few.
fn wrong_verdicts(run: &Run, expected: &[Option<&'static str>]) -> Vec<String> {
    const SHOWN: usize = 5;
    let mut wrong: Vec<String> = run
        .answers
        .iter()
        .map(|answer| answer.as_ref().err().map(|refusal| refusal.slug()))
        .zip(expected)
        .enumerate()
        .filter(|(_, (verdict, expected))| verdict != *expected)
        .map(|(at, (verdict, expected))| {
            let word = |verdict: Option<&'static str>| verdict.unwrap_or("granted");
            format!("request {} is `{}` and must be `{}`", at + 1, word(verdict), word(*expected))
        })
        .collect();
    if wrong.len() > SHOWN {
        let more = wrong.len() - SHOWN;
        wrong.truncate(SHOWN);
        wrong.push(format!("and {} more", count(more)));
    }
    if run.tally() != run.one_by_one {
        wrong.push("the verdicts of all at once and of one by one differ".to_owned());
    }
    wrong
}

fn record(dir: &Path, world: &mut World, now: i64) -> Result<Answer> {
    let mut requests = Vec::new();
    for line in &world.lines {
        serde_json::to_writer(&mut requests, line)?;
        requests.push(b'\n');
    }
    let mut files: FileSet = std::mem::take(&mut world.files);
    // Bearer tokens, for as long as they live.
    files.add_secret(REQUESTS, requests);
    files.write_to(dir)?;
    anstream::println!("{}", world.summary);
    for path in files.paths() {
        anstream::println!("wrote {}", dir.join(path).display());
    }
    let (config, requests) = (dir.join(files::CONFIG), dir.join(REQUESTS));
    anstream::println!(
        "\n{} that expire after {} s. Run them before that, or later with `--now {now}`:\n\n  \
         idjag wave --config {} --requests {}",
        plural(world.lines.len(), "request"),
        mint::LIFETIME_S,
        config.display(),
        requests.display()
    );
    Ok(Answer::Yes)
}

/// What the recorded requests are called.
const REQUESTS: &str = "requests.jsonl";

fn read_requests(path: &Path) -> Result<Vec<Line>> {
    let text = files::read(path)?;
    text.split(|byte| *byte == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(at, line)| {
            serde_json::from_slice(line).map_err(|error| {
                // The error's own text may quote the line, and with it an assertion.
                let column = error.column();
                let what = if error.is_data() { "is no request" } else { "is not JSON" };
                Problem::new(format!("{}:{}: {what}, at column {column}", path.display(), at + 1))
            })
        })
        .collect()
}

fn write_tokens(path: &Path, run: &Run) -> Result<()> {
    let mut text = Vec::new();
    for (at, answer) in run.answers.iter().enumerate() {
        if let Ok(issued) = answer {
            serde_json::to_writer(&mut text, &AnswerLine::issued(issued, Some(at + 1)))?;
            text.push(b'\n');
        }
    }
    files::replace(path, &text)
}

/// On a terminal, how far the IdPs are; elsewhere nothing.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("signing ID-JAGs {bar:40} {human_pos}/{human_len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_that_is_not_as_it_must_be_is_told() {
        let size = Size { people: 2, hostile: 8, seed: 1 };
        let threads = NonZero::<usize>::MIN;
        let now = SystemClock.now();
        let world = World::build(&size, now, threads, &ProgressBar::hidden()).unwrap();
        let run = Run::of(&Source::Memory(world.files), &world.lines, Some(now), threads, None).unwrap();
        assert_eq!(wrong_verdicts(&run, &world.expected), Vec::<String>::new());

        let mut expected = world.expected.clone();
        expected[0] = Some("expired");
        assert_eq!(wrong_verdicts(&run, &expected), ["request 1 is `granted` and must be `expired`"]);
        let never = vec![Some("never"); expected.len()];
        let wrong = wrong_verdicts(&run, &never);
        assert_eq!((wrong.len(), wrong.last().map(String::as_str)), (6, Some("and 17 more")));
    }
}
