//! Executes mutated ELF files natively and under vload and compares the two.

use anyhow::{Context, Result};
use clap::Parser;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use vload_tests::mutate::Bench;

/// Executes mutated ELF files natively and under vload and compares the two.
#[derive(Parser)]
struct Options {
    /// The vload under test; without it, only its reading of the files is compared
    #[arg(long)]
    vload: Option<PathBuf>,
    /// How many files
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    /// The number of the first one
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// What they are derived from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the first one to this file instead
    #[arg(long)]
    write: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let mut bench = Bench::new(options.vload.as_deref())?;
    if let Some(path) = options.write {
        let mutant = bench.mutant(options.seed, options.first);
        println!("{}", mutant.what);
        fs::write(&path, mutant.file)
            .with_context(|| format!("cannot write {}", path.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (mut passed, mut failed) = (0, 0);
    for number in options.first..options.first.saturating_add(options.count) {
        match bench.judge(options.seed, number)? {
            None => passed += 1,
            Some(fault) => {
                failed += 1;
                println!("mutant {number}: {fault}");
            }
        }
    }
    println!("natively: {}", bench.counts);
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
