//! `idjag audit prove` and `check-proof`: one line, for somebody who does not have the log.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use crate::Answer;
use crate::problem::{Problem, Result};
use crate::text::{complain, note};

/// Prove one line: print a proof that can be checked without the log
///
/// The proof (C2SP tlog-proof) has the line itself, its place in the tree, and the checkpoint over it.
#[derive(clap::Args)]
#[command(after_long_help = "\
Example:
  idjag audit prove audit --seq 1234 > 1234.tlog-proof")]
pub(crate) struct ProveArgs {
    /// The folder of the record
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The number of the line: its `seq`
    #[arg(long, value_name = "NUMBER")]
    seq: u64,
    /// The log that it stands in
    #[arg(long, value_name = "LOG", default_value_t = 0)]
    log: u32,
}

pub(crate) fn prove(args: &ProveArgs) -> Result<Answer> {
    let verifier = idjag_log::own_verifier(&args.dir)?;
    let proof = idjag_log::prove(&args.dir, &verifier, args.log, args.seq)?;
    write!(anstream::stdout().lock(), "{proof}")?;
    Ok(Answer::Yes)
}

/// Check a proof of one line, and print the line
#[derive(clap::Args)]
#[command(after_long_help = "\
Example:
  idjag audit check-proof 1234.tlog-proof --vkey \"$(cat kept-elsewhere/vkey)\"

Exit status: 0 the line is in the log that the key stands for, 1 it is not proven, 2 could not run.")]
pub(crate) struct CheckArgs {
    /// The proof
    #[arg(value_name = "FILE")]
    proof: PathBuf,
    /// The key of the folder, or of the log
    #[arg(long, value_name = "VKEY")]
    vkey: String,
    /// Check that it proves the line in this file, instead of its own
    #[arg(long, value_name = "FILE")]
    line: Option<PathBuf>,
}

pub(crate) fn check(args: &CheckArgs) -> Result<Answer> {
    let verifier = super::parse_verifier(&args.vkey)?;
    let read = |path: &PathBuf| {
        fs::read_to_string(path)
            .map_err(|why| Problem::new(format!("cannot read `{}`: {why}", path.display())))
    };
    let line = args.line.as_ref().map(read).transpose()?;
    let Some(proven) = idjag_log::check_proof(&read(&args.proof)?, line.as_deref(), &verifier) else {
        complain("the proof does not hold: not this line, not this key, or changed");
        return Ok(Answer::No);
    };
    note(&format!("line {} of {}, of {} at the checkpoint", proven.number, proven.origin, proven.size));
    writeln!(anstream::stdout().lock(), "{}", proven.line)?;
    Ok(Answer::Yes)
}
