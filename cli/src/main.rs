//! The `idjag` command: sets up, checks, explains and exercises an ID-JAG exchange.
//!
//! A skin: it reads files and arguments and prints answers; every decision is made by the crate `idjag`.

mod audit;
mod calendar;
mod check;
mod exchange;
mod explain;
mod files;
mod init;
mod keys;
mod outline;
mod problem;
mod requests;
mod rotate;
mod text;
mod wave;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::problem::{Problem, Result};

/// Enterprise-managed authorization for MCP servers: an ID-JAG goes in, the policy decides, an access token comes out.
///
/// Start with `idjag wave`: a company of 2,000 people gets its tokens for seven connectors, among 700 requests that
/// must be refused. Then `idjag init DIR` for a configuration of your own, and `idjag check` whenever you have changed
/// it.
#[derive(Parser)]
#[command(name = "idjag", version, max_term_width = 100)]
#[command(after_help = "Exit status: 0 fine, 1 the answer is no, 2 could not run.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Args),
    Check(check::Args),
    Wave(wave::Args),
    Exchange(exchange::Args),
    Explain(explain::Args),
    Keys(keys::Args),
    Audit(audit::Args),
}

/// What a command that ran has to say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Exit status 0.
    Yes,
    /// Exit status 1.
    No,
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(problem) => {
            if let Problem::Said(text) = problem {
                text::complain(&text);
            }
            ExitCode::from(2)
        }
    }
}

fn run(command: &Command) -> Result<Answer> {
    match command {
        Command::Init(args) => init::run(args),
        Command::Check(args) => check::run(args),
        Command::Wave(args) => wave::run(args),
        Command::Exchange(args) => exchange::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Keys(args) => keys::run(args),
        Command::Audit(args) => audit::run(args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_agree_with_one_another() {
        super::Cli::command().debug_assert();
    }
}
