//! `idjag audit tail` and `query`: lines of a record.

use std::collections::VecDeque;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use idjag::{Clock, SystemClock};

use super::filter::Filter;
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
    #[command(flatten)]
    filter: Filter,
}

pub(crate) fn query(args: &QueryArgs) -> Result<Answer> {
    let since = args.filter.since(SystemClock.now())?;
    let mut out = anstream::stdout().lock();
    let (mut found, mut written) = (false, Ok(()));
    idjag_log::lines(&args.dir, since, |line| {
        if args.filter.takes(line.text, since) {
            found = true;
            written = writeln!(out, "{}", line.text);
        }
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    Ok(found.into())
}
