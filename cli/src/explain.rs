//! `idjag explain`: why an exchange would be granted or refused.

use std::io::{Read, Write, stdin};
use std::path::{Path, PathBuf};
use std::time::Duration;

use idjag::{Clock, SystemClock};
use idjag_fetch::Live;

use crate::Answer;
use crate::files::{self, Source};
use crate::problem::{Problem, Result};
use crate::requests::Line;
use crate::text;

/// Explain what the answer to a request would be, and why
///
/// Prints the checks in order with pass or fail, the person's groups, the rules with file and line, how the scopes came
/// about, and the smallest change that would allow it. Spends nothing and mints nothing. The answer is that of a server
/// that has been running for long enough and has not seen the ID-JAG before. It tells more than a client may know: it
/// is for the operator.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  idjag explain --assertion id-jag.txt --client-id f53f191f9311af35
  sed -n 17p requests.jsonl | idjag explain --assertion - --now 1784527276

Exit status: 0 it would be granted, 1 it would be refused, 2 could not run.")]
pub(crate) struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = files::CONFIG)]
    config: PathBuf,
    /// A file with the ID-JAG, or with one line of requests; `-` for standard input
    #[arg(long, value_name = "FILE")]
    assertion: PathBuf,
    /// The client that asks; a line of requests says so itself
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// What it asks for a token for; may be given several times
    #[arg(long, value_name = "URI")]
    resource: Vec<String>,
    /// The scope that it asks for
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// Answer as of this time, in seconds since 1970
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    now: Option<i64>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// How long is waited for keys: longer than any fetch takes.
const FETCH: Duration = Duration::from_secs(25);

pub(crate) fn run(args: &Args) -> Result<Answer> {
    let request = request(args)?;
    let source = Source::Disk(args.config.clone());
    let builder = source.rehearsal()?.clock(|| 0).remembers_since(0);
    let exchange = Live::start(builder, source.folder())?;
    exchange.fetcher().settle(FETCH);
    if let Some(now) = args.now {
        text::note(&format!("as of {now}, not as of now"));
    }
    let now = args.now.unwrap_or_else(|| SystemClock.now());
    let explanation = exchange.explain(&request.request(&request.resources()), now);

    let mut out = anstream::stdout().lock();
    if args.json {
        writeln!(out, "{}", explanation.to_json())?;
    } else {
        writeln!(out, "{}", explanation.to_string().trim_end())?;
    }
    Ok(explanation.verdict.is_ok().into())
}

/// The request: that of the line, where the file has one, with what the options say beside or instead.
fn request(args: &Args) -> Result<Line> {
    let text = read(&args.assertion)?;
    let mut line = if text.starts_with('{') {
        serde_json::from_str(&text).map_err(|_| {
            Problem::new(format!(
                "`{}` is neither an ID-JAG nor a request: {{\"assertion\", \"client_id\", \"resource\"?, \"scope\"?, \"authorization_details\"?}}",
                args.assertion.display()
            ))
        })?
    } else {
        Line {
            assertion: text,
            client_id: args.client_id.clone().ok_or_else(|| {
                Problem::new("an ID-JAG does not say who presents it; name the client with `--client-id`")
            })?,
            resource: Vec::new(),
            scope: None,
            authorization_details: None,
        }
    };
    if let Some(client_id) = &args.client_id {
        line.client_id.clone_from(client_id);
    }
    if !args.resource.is_empty() {
        line.resource.clone_from(&args.resource);
    }
    if args.scope.is_some() {
        line.scope.clone_from(&args.scope);
    }
    Ok(line)
}

fn read(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map_err(|error| Problem::new(format!("cannot read standard input: {error}")))?;
    } else {
        bytes = files::read(path)?;
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Problem::new(format!("`{}` is not UTF-8, so it is no ID-JAG", path.display())))?;
    Ok(text.trim().to_owned())
}
