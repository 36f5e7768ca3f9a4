//! The command line of `audit`.

use super::{Audit, Program};
use crate::host::tracer::{self, Stops};
use anyhow::{Context, Result};
use clap::Parser;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// Counts entries into the kernel that do not come from vload's gate
#[derive(Parser)]
struct Options {
    /// vload's file
    #[arg(long)]
    vload: PathBuf,
    /// Where the report is written, instead of standard error
    #[arg(short)]
    output: Option<PathBuf>,
    /// The program traces others: they are not followed, and calls into `[vsyscall]` not seen
    #[arg(long)]
    tracers: bool,
    /// Where a line is written for each call: thread, who makes it, number
    #[arg(long)]
    calls: Option<PathBuf>,
    /// What is run: vload with its arguments, or what runs vload
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    match audit(&Options::parse()) {
        Ok(status) => tracer::end_as(status),
        Err(error) => {
            eprintln!("audit: {error:#}");
            ExitCode::from(125)
        }
    }
}

fn audit(options: &Options) -> Result<i32> {
    let program = Program::read(&options.vload)?;
    let stops = if options.tracers { Stops::Tracer } else { Stops::Filter };
    let root = tracer::launch(&options.words, stops)?;
    let mut audit = Audit::new(&program, root, options.calls.as_deref())?;
    tracer::follow(root, stops, &mut audit)?;
    let report = audit.finish()?;
    match &options.output {
        Some(path) => fs::write(path, report.to_string())
            .with_context(|| format!("cannot write {}", path.display()))?,
        None => eprint!("{report}"),
    }
    report.status.context("the program's end was not seen")
}
