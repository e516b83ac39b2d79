//! `idjag exchange`: JSON lines in, JSON lines out.

use std::fs::File;
use std::io::{BufRead, BufReader, Write, stdin};
use std::path::PathBuf;

use idjag::Exchange;
use idjag_fetch::Live;

use crate::Answer;
use crate::files::{self, Source};
use crate::problem::{Problem, Result};
use crate::requests::{AnswerLine, Line};
use crate::text;

/// Exchange ID-JAGs for access tokens: JSON lines in, JSON lines out, in order
///
/// A request is {"assertion", "client_id", "resource"?, "scope"?, "authorization_details"?} on one line; `resource` is a
/// string or a list, `scope` too. The client counts as authenticated: whoever runs this speaks for it. The answer is
/// {"access_token", "token_type", "expires_in", "scope", "resource", "authorization_details"?}, or {"error", "error_description", "slug", "status"}; the slug says
/// which check refused and is for you, not for the client. A line that is no request is answered with {"error",
/// "error_description", "line"} in its place. Empty lines are skipped.
///
/// Each answer is written before the next request is read. An ID-JAG that is older than the single-use memory is refused for
/// as long as one may live, because it may have been used before; `replay.cold_start = "accept"` lets it through. The memory
/// is as old as this process, unless `replay.store` names one that is shared. With --now it is this process's own.
///
/// Keys that the configuration wants fetched (`discover`, `jwks_uri`) are fetched; a request waits for them for two seconds.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  idjag exchange < requests.jsonl > answers.jsonl
  idjag exchange --config /etc/idjag/idjag.toml --requests requests.jsonl

Exit status: 0 all were granted, 1 one was refused, 2 could not run, or a line was no request.")]
pub(crate) struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = files::CONFIG)]
    config: PathBuf,
    /// The requests; standard input otherwise
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    /// Rehearse: the clock stands at this time, in seconds since 1970
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    now: Option<i64>,
}

pub(crate) fn run(args: &Args) -> Result<Answer> {
    let source = Source::Disk(args.config.clone());
    let builder = match args.now {
        Some(now) => {
            text::note(&format!("a rehearsal: the clock stands at {now}, and no record is kept"));
            source.rehearsal()?.clock(move || now).remembers_since(0)
        }
        None => source.builder(source.config()?)?,
    };
    let exchange = Live::start(builder, source.folder())?;
    let out = &mut std::io::stdout().lock();
    let tally = match &args.requests {
        None => answer_all(&exchange, stdin().lock(), "standard input", out)?,
        Some(path) => {
            let name = path.display().to_string();
            let file =
                File::open(path).map_err(|error| Problem::new(format!("cannot read `{name}`: {error}")))?;
            answer_all(&exchange, BufReader::new(file), &name, out)?
        }
    };
    match tally {
        Tally { broken: 0, refused } => Ok((refused == 0).into()),
        Tally { broken: 1, .. } => Err(Problem::new("1 line was no request; see its answer")),
        Tally { broken, .. } => {
            Err(Problem::new(format!("{broken} lines were no requests; see their answers")))
        }
    }
}

#[derive(Default)]
struct Tally {
    refused: usize,
    broken: usize,
}

fn answer_all(
    exchange: &Exchange,
    mut requests: impl BufRead,
    name: &str,
    out: &mut dyn Write,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = requests
            .read_until(b'\n', &mut line)
            .map_err(|error| Problem::new(format!("cannot read `{name}`: {error}")))?;
        if read == 0 {
            break;
        }
        if !line.trim_ascii().is_empty() {
            answer(exchange, &line, number, &mut tally, out)?;
        }
    }
    Ok(tally)
}

fn answer(
    exchange: &Exchange,
    line: &[u8],
    number: usize,
    tally: &mut Tally,
    out: &mut dyn Write,
) -> Result<()> {
    match serde_json::from_slice::<Line>(line) {
        Ok(line) => match exchange.exchange(&line.request(&line.resources())) {
            Ok(issued) => write(&AnswerLine::issued(&issued, None), out),
            Err(refusal) => {
                tally.refused += 1;
                write(&AnswerLine::refused(refusal), out)
            }
        },
        Err(error) => {
            tally.broken += 1;
            // The error's own text may quote the line, and with it an assertion.
            let what = if error.is_data() { "not a request" } else { "not JSON" };
            let description = format!("line {number}, column {}: {what}", error.column());
            write(
                &AnswerLine::Broken {
                    error: "invalid_request",
                    error_description: &description,
                    line: number,
                },
                out,
            )
        }
    }
}

fn write(answer: &AnswerLine<'_>, out: &mut dyn Write) -> Result<()> {
    serde_json::to_writer(&mut *out, answer)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}
