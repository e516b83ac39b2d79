//! `idjag audit freeze`: leaves a damaged log as it is, and goes on with another.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use crate::Answer;
use crate::problem::{Problem, Result};

/// Freeze a log: it stays as it is, and no process writes it again
///
/// For a log that cannot be opened because something in it is gone or changed. Keep it: it is what there is to look at. The
/// next process begins another log. Who froze it and why is recorded there.
#[derive(clap::Args)]
#[command(after_long_help = "\
Example:
  idjag audit freeze audit --log 0 --because \"disk replaced, INC-1234\"")]
pub(crate) struct Args {
    /// The folder of the record
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The log
    #[arg(long, value_name = "LOG")]
    log: u32,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    because: String,
}

pub(crate) fn run(args: &Args) -> Result<Answer> {
    let log = args.dir.join(args.log.to_string());
    if !log.is_dir() {
        return Err(Problem::new(format!("`{}` is no log", log.display())));
    }
    let path = log.join("frozen");
    let failed = |why: std::io::Error| Problem::new(format!("cannot write `{}`: {why}", path.display()));
    let mut file = OpenOptions::new().create_new(true).write(true).open(&path).map_err(failed)?;
    writeln!(file, "{}", args.because).and_then(|()| file.sync_all()).map_err(failed)?;
    let at = idjag_log::record_freeze(&args.dir, args.log, &args.because)?;
    anstream::println!("log {} is frozen; that is recorded in {}", args.log, at.display());
    Ok(Answer::Yes)
}
