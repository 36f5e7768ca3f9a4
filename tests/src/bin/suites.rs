//! Runs a suite that others wrote natively and under vload.

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use vload_tests::suite::{Plan, run};

/// Runs a suite that others wrote natively and under vload.
#[derive(Parser)]
struct Options {
    /// python, go or stress
    suite: String,
    /// The vload under test
    #[arg(long)]
    vload: PathBuf,
    /// Where results, logs and compiled tests are kept
    #[arg(long)]
    work: PathBuf,
    /// Every piece, not only the share
    #[arg(long)]
    full: bool,
    /// Only pieces whose name contains this
    #[arg(long)]
    filter: Option<String>,
    /// Only this piece and those after it
    #[arg(long)]
    from: Option<String>,
}

fn main() -> ExitCode {
    let Options { suite, vload, work, full, filter, from } = Options::parse();
    match run(&suite, &Plan { vload, work, full, filter, from }) {
        Ok(tally) => {
            println!("{} passed, {} failed", tally.passed, tally.failed);
            if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("suites: {error:#}");
            ExitCode::FAILURE
        }
    }
}
