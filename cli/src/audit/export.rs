//! `idjag audit export`: a record for others: events for a SIEM, or a tree for whoever reads transparency logs.

use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use idjag::{Clock, SystemClock};
use idjag_log::{Checked, Format, Verifier};
use indicatif::ProgressBar;

use super::filter::Filter;
use crate::Answer;
use crate::problem::{Problem, Result};
use crate::text::{complain, grouped, note};

/// Export a record: as events of another format, or as a transparency log
///
/// The lines as they stand in the folder are what is signed, and any collector of logs can follow them. This is for those who
/// want another format (`--format`, a line an event on standard output) or mirror the whole tree (`--tlog`, C2SP tlog-tiles, a
/// folder for each log). Only lines under a checkpoint that holds are written.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  idjag audit export audit --format ocsf --since 1d > events.jsonl
  idjag audit export audit --format cef --event exchange --decision deny
  idjag audit export audit --tlog public

Exit status: 0 the record is whole, 1 something in it is gone or changed, or could not be mirrored, 2 could not run.")]
pub(crate) struct Args {
    /// The folder of the record
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The format of the events
    #[arg(long, value_name = "FORMAT", required_unless_present = "tlog")]
    format: Option<Name>,
    /// Write tiles to this folder, which must not be there yet or be empty
    #[arg(long, value_name = "OUT", conflicts_with = "format")]
    tlog: Option<PathBuf>,
    /// The key to verify with: the text of `vkey`, as it was when the folder was new
    #[arg(long, value_name = "VKEY")]
    vkey: Option<String>,
    #[command(flatten)]
    filter: Filter,
}

/// A format's name.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Name {
    /// Open Cybersecurity Schema Framework 1.8
    Ocsf,
    /// Elastic Common Schema 8.17
    Ecs,
    /// Common Event Format
    Cef,
}

impl From<Name> for Format {
    fn from(name: Name) -> Self {
        match name {
            Name::Ocsf => Self::Ocsf,
            Name::Ecs => Self::Ecs,
            Name::Cef => Self::Cef,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Answer> {
    if args.tlog.is_some() && !args.filter.is_empty() {
        return Err(Problem::new("`--tlog` takes every line: leave out what chooses among them"));
    }
    let verifier = super::verifier(args.vkey.as_deref(), &args.dir)?;
    let bar = super::bar(&args.dir);
    let found = match (&args.tlog, args.format) {
        (Some(out), _) => {
            idjag_log::write_tiles(&args.dir, &verifier, out, |line| bar.inc(line.text.len() as u64 + 1))?
        }
        (None, Some(format)) => events(args, format.into(), &verifier, &bar)?,
        (None, None) => Vec::new(),
    };
    bar.finish_and_clear();
    let mut whole = true;
    for log in &found {
        if !log.is_whole() {
            whole = false;
            let lines = grouped(log.verified.saturating_sub(log.first));
            complain(&format!(
                "{} is not whole: {lines} lines are what was written, the rest is left out; see `idjag audit verify`",
                log.origin
            ));
        } else if log.lines > log.verified {
            let behind = grouped(log.lines - log.verified);
            note(&format!("{}: {behind} lines behind the last checkpoint are left out", log.origin));
        }
        if args.tlog.is_some() && log.first > 0 {
            whole = false;
            complain(&format!(
                "{} is left out: tiles need every line, and old ones were removed",
                log.origin
            ));
        }
    }
    Ok(whole.into())
}

fn events(args: &Args, format: Format, verifier: &Verifier, bar: &ProgressBar) -> Result<Vec<Checked>> {
    let since = args.filter.since(SystemClock.now())?;
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let mut written = Ok(());
    let mut origin = (u32::MAX, String::new());
    let found = idjag_log::verified(&args.dir, verifier, |line| {
        bar.inc(line.text.len() as u64 + 1);
        if args.filter.takes(line.text, since) {
            if origin.0 != line.log {
                origin = (line.log, verifier.below(&line.log.to_string()).name().to_owned());
            }
            // What is under a checkpoint is an object.
            if let Some(event) = idjag_log::export(&line, &origin.1, format) {
                written = writeln!(out, "{event}");
            }
        }
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    out.flush()?;
    Ok(found)
}
