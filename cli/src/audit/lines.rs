//! `idjag audit tail` and `query`: lines of a record.

use std::collections::VecDeque;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use idjag::{Clock, SystemClock};
use serde_json::Value;

use crate::Answer;
use crate::problem::Result;

/// Print the last lines of every log, as they are
#[derive(clap::Args)]
pub(crate) struct TailArgs {
    /// The folder of the record
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// How many lines of each log
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 10)]
    lines: usize,
}

pub(crate) fn tail(args: &TailArgs) -> Result<Answer> {
    let mut last: Vec<(u32, VecDeque<String>)> = Vec::new();
    idjag_log::lines(&args.dir, None, |line| {
        if last.last().is_none_or(|(log, _)| *log != line.log) {
            last.push((line.log, VecDeque::new()));
        }
        if let Some((_, kept)) = last.last_mut() {
            if kept.len() == args.lines {
                kept.pop_front();
            }
            if args.lines > 0 {
                kept.push_back(line.text.to_owned());
            }
        }
        ControlFlow::Continue(())
    })?;
    let mut out = anstream::stdout().lock();
    for text in last.iter().flat_map(|(_, kept)| kept) {
        writeln!(out, "{text}")?;
    }
    Ok(Answer::Yes)
}

/// Print the lines that say all of this, as they are
///
/// A line is printed where every option that is given fits. Nothing is said of lines that do not have the member at all.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  idjag audit query audit --since 7d --connector chat --decision deny
  idjag audit query audit --user 00u1a2b3 | jq .scope_granted

Exit status: 0 there are such lines, 1 there is none, 2 could not run.")]
pub(crate) struct QueryArgs {
    /// The folder of the record
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The person: `sub`, or `sub_hmac`
    #[arg(long, value_name = "SUB")]
    user: Option<String>,
    /// The client: `client_id`
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// The connector
    #[arg(long, value_name = "ID")]
    connector: Option<String>,
    /// The IdP: `iss`
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
    /// What happened: `exchange`, `log_opened` and so on
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// `allow`, `deny` or `error`
    #[arg(long, value_name = "DECISION")]
    decision: Option<String>,
    /// Why it was refused: the slug
    #[arg(long, value_name = "SLUG")]
    reason: Option<String>,
    /// Not before: `90s`, `15m`, `12h`, `7d`, or a time as lines have it
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

pub(crate) fn query(args: &QueryArgs) -> Result<Answer> {
    let since = args.since.as_deref().map(|text| super::since(text, SystemClock.now())).transpose();
    let since = since.map_err(crate::problem::Problem::new)?;
    let asked = [
        (&["client_id"][..], &args.client),
        (&["connector"], &args.connector),
        (&["iss"], &args.issuer),
        (&["event"], &args.event),
        (&["decision"], &args.decision),
        (&["reason"], &args.reason),
        (&["sub", "sub_hmac"], &args.user),
    ];
    let fits = |line: &Value| {
        let is = |member: &&str, wanted: &String| line.get(*member).and_then(Value::as_str) == Some(wanted);
        let at = line.get("timestamp").and_then(Value::as_str).and_then(idjag_log::parse_timestamp);
        asked.iter().all(|(members, wanted)| {
            wanted.as_ref().is_none_or(|wanted| members.iter().any(|member| is(member, wanted)))
        }) && since.is_none_or(|since| at.is_some_and(|at| at >= since))
    };
    let mut out = anstream::stdout().lock();
    let (mut found, mut written) = (false, Ok(()));
    idjag_log::lines(&args.dir, since, |line| {
        if serde_json::from_str(line.text).is_ok_and(|value| fits(&value)) {
            found = true;
            written = writeln!(out, "{}", line.text);
        }
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    Ok(found.into())
}
