//! `idjag audit`: looks at a record on disk.

mod export;
mod filter;
mod freeze;
mod lines;
mod policies;
mod proof;
mod report;
mod verify;

use std::path::Path;

use clap::Subcommand;
use idjag_log::{Verifier, own_verifier};
use indicatif::{ProgressBar, ProgressStyle};

use crate::Answer;
use crate::problem::{Problem, Result};
use crate::text::note;

/// Look at a record: verify it, prove a line of it, read it
///
/// A record is a folder: `audit.path` in the configuration. Its lines can be read as they are; these commands know that
/// there may be several logs in it, one for each process that wrote at the same time.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Verify(verify::Args),
    Prove(proof::ProveArgs),
    CheckProof(proof::CheckArgs),
    Tail(lines::TailArgs),
    Query(lines::QueryArgs),
    Report(report::Args),
    Export(export::Args),
    Freeze(freeze::Args),
}

pub(crate) fn run(args: &Args) -> Result<Answer> {
    match &args.command {
        Command::Verify(args) => verify::run(args),
        Command::Prove(args) => proof::prove(args),
        Command::CheckProof(args) => proof::check(args),
        Command::Tail(args) => lines::tail(args),
        Command::Query(args) => lines::query(args),
        Command::Report(args) => report::run(args),
        Command::Export(args) => export::run(args),
        Command::Freeze(args) => freeze::run(args),
    }
}

/// The key that checkpoints are verified with: what the user says, or else what the folder says of itself.
fn verifier(said: Option<&str>, folder: &Path) -> Result<Verifier> {
    if let Some(vkey) = said {
        return parse_verifier(vkey);
    }
    note("the key is the folder's own; give the one that you kept elsewhere with `--vkey`");
    Ok(own_verifier(folder)?)
}

fn parse_verifier(vkey: &str) -> Result<Verifier> {
    Verifier::parse(vkey).ok_or_else(|| Problem::new(format!("`{vkey}` is no key in the form `name+id+key`")))
}

/// Since when: `90s`, `15m`, `12h`, `7d`, or a time as lines have it. In seconds since 1970.
fn since(text: &str, now: i64) -> std::result::Result<i64, String> {
    if let Some(at) = idjag_log::parse_timestamp(text) {
        return Ok(at);
    }
    let wrong = || format!("`{text}` is no time; allowed: `90s`, `15m`, `12h`, `7d`, `2026-11-25T22:13:56Z`");
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let number: i64 = text.get(..text.len() - 1).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    Ok(now.saturating_sub(number.saturating_mul(unit)))
}

/// How far it is, on a terminal: by the bytes of the lines.
fn bar(dir: &Path) -> ProgressBar {
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten();
    let lines = entries(dir).flat_map(|log| entries(&log.path()).collect::<Vec<_>>());
    let lines = lines.filter(|file| file.path().extension().is_some_and(|kind| kind == "jsonl"));
    let bytes = lines.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
    let style = ProgressStyle::with_template("reading {bar:40} {bytes}/{total_bytes} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::since;

    #[test]
    fn a_time_is_so_long_ago_or_as_lines_have_it() {
        for (text, at) in [("90s", 910), ("15m", 100), ("0d", 1000), ("1970-01-01T00:01:00Z", 60)] {
            assert_eq!(since(text, 1000), Ok(at), "{text}");
        }
        for wrong in ["", "7", "d", "7w", "-", "1.5h", "yesterday"] {
            assert!(since(wrong, 1000).is_err(), "{wrong}");
        }
    }
}
