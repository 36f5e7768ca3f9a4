//! `cargo xtask audit`: a program at work for a long time below the observer, which must see no entry
//! into the kernel but from vload's gate (`tests/src/audit`). The suite `audit` does the same for half a
//! minute.

use crate::arch::Arch;
use crate::{build, command};
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use std::fs;
use std::process::Command;

/// Options of `cargo xtask audit`.
#[derive(Args)]
pub struct Options {
    /// What is at work
    work: Work,
    /// How long
    #[arg(long, default_value_t = 10)]
    minutes: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Work {
    /// Headless Chromium, loading local pages one after the other
    Browsing,
    /// A JVM with code that is compiled, garbage, files, sockets and processes
    Jvm,
}

impl Work {
    /// Its name for `at-work.sh`, and what its output has when all was right.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Browsing => ("browsing", "all pages right"),
            Self::Jvm => ("jvm", "wrong 0"),
        }
    }
}

/// Runs the program and judges the observer's report.
pub fn audit(options: &Options) -> Result<()> {
    let vload = build::vload(Arch::X86_64, false, false)?;
    let mut cargo = command::cargo();
    command::succeed(cargo.args([
        "build",
        "--release",
        "--package",
        "vload-tests",
        "--bin",
        "audit",
    ]))?;
    let (work, right) = options.work.names();
    let folder = command::target_dir().join("audit").join(work);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let report = folder.join("report");
    let mut audit = Command::new(command::target_dir().join("release/audit"));
    audit.current_dir(&folder).arg("--vload").arg(&vload).arg("-o").arg(&report).arg(&vload);
    audit.args(["--", "sh"]).arg(command::root().join("tests/programs/at-work.sh"));
    audit.args([work, &(options.minutes * 60).to_string()]);
    let output = command::output(&mut audit)?;
    let report = fs::read_to_string(&report).context("no report")?;
    print!("{report}");
    ensure!(output.contains(right), "the program has not said that all was right:\n{output}");
    for none in ["from elsewhere: 0", "in processes without vload: 0"] {
        ensure!(report.lines().any(|line| line == none), "not all calls are seen");
    }
    println!("all entries of {} minutes are from the gate", options.minutes);
    Ok(())
}
