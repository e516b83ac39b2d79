//! `idjag audit verify`: whether a record is what was written.

use std::io::Write;
use std::path::PathBuf;

use idjag_log::{Checked, Finding};

use crate::Answer;
use crate::problem::{Problem, Result};
use crate::text::{BOLD, GREEN, RED, YELLOW, count, grouped, plural};

/// Verify that a record is what was written, and name the first line that is not
///
/// Hashes every line again and computes the root at every checkpoint again, of every log in the folder. What this cannot
/// tell is whether the newest lines are all there: who holds the machine can cut a log back to an older checkpoint. Copy
/// `checkpoints` to another machine, and compare.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  idjag audit verify audit
  idjag audit verify audit --vkey \"$(cat kept-elsewhere/vkey)\"

Exit status: 0 all is as it was written, 1 something is gone or changed, 2 could not run.")]
pub(crate) struct Args {
    /// The folder of the record
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The key to verify with: the text of `vkey`, as it was when the folder was new
    #[arg(long, value_name = "VKEY")]
    vkey: Option<String>,
    /// Print one JSON object a log and nothing else
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Answer> {
    let verifier = super::verifier(args.vkey.as_deref(), &args.dir)?;
    let logs = idjag_log::verify(&args.dir, &verifier)?;
    if logs.is_empty() {
        return Err(Problem::new(format!("`{}` has no log in it", args.dir.display())));
    }
    let mut out = anstream::stdout().lock();
    for log in &logs {
        if args.json {
            writeln!(out, "{}", json(log))?;
        } else {
            print(log, &mut out)?;
        }
    }
    Ok(logs.iter().all(Checked::is_whole).into())
}

fn print(log: &Checked, out: &mut dyn Write) -> Result<()> {
    let verdict =
        if log.is_whole() { format!("{GREEN}whole{GREEN:#}") } else { format!("{RED}CHANGED{RED:#}") };
    writeln!(
        out,
        "{BOLD}{}{BOLD:#}  {verdict}  lines {} to {}, {} under {}, {} MB",
        log.origin,
        grouped(log.first),
        grouped(log.lines.saturating_sub(1)),
        grouped(log.covered),
        plural(log.checkpoints, "checkpoint"),
        count(usize::try_from(log.bytes / 1_000_000).unwrap_or(usize::MAX)),
    )?;
    for finding in &log.findings {
        let style = if finding.is_damage { RED } else { YELLOW };
        writeln!(out, "  {style}{}{style:#}", sentence(finding))?;
    }
    Ok(())
}

fn sentence(finding: &Finding) -> String {
    match finding.line {
        Some(line) => format!("{}: line {line} {}", finding.file, finding.what),
        None => format!("{}: {}", finding.file, finding.what),
    }
}

fn json(log: &Checked) -> serde_json::Value {
    let findings: Vec<_> = log
        .findings
        .iter()
        .map(|finding| {
            serde_json::json!({
                "file": finding.file, "line": finding.line, "what": finding.what, "damage": finding.is_damage,
            })
        })
        .collect();
    serde_json::json!({
        "origin": log.origin, "whole": log.is_whole(), "first": log.first, "lines": log.lines,
        "covered": log.covered, "checkpoints": log.checkpoints, "bytes": log.bytes, "findings": findings,
    })
}
