//! `cargo xtask test`: the unit tests, then every program natively and under vload.

use crate::arch::{Arch, Choice};
use crate::{build, command};
use anyhow::{Context, Result};
use clap::Args;
use std::io::{BufRead, BufReader};
use std::ops::AddAssign;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// Options of `cargo xtask test`.
#[derive(Args)]
pub struct Options {
    /// What to test
    #[arg(long, default_value = "x86_64")]
    pub arch: Choice,
    /// A program that is missing is a failure
    #[arg(long)]
    pub require_all: bool,
    /// Only the cases whose name contains this
    #[arg(long)]
    pub filter: Option<String>,
    /// Of a suite that others wrote, only the piece of this name and those after it
    #[arg(long)]
    pub from: Option<String>,
    /// Only this suite: unit, one that the comparison has, or one that others wrote: python, go, stress
    #[arg(long)]
    pub suite: Option<String>,
    /// Walk every point of the dangerous windows, and run all of a suite that others wrote, not a share
    #[arg(long)]
    pub full: bool,
    /// Run every case with this set of shapes forced, instead of in every mode
    #[arg(long)]
    pub shapes: Option<String>,
    /// Run every case in this mode alone, those too that are run in one mode because they take long
    #[arg(long)]
    pub mode: Option<String>,
    /// Where cases run besides: none, share (cases that do not take long in every confinement, if
    /// nothing else is said), all, or the name of one confinement, which is then the only place
    #[arg(long)]
    pub confinement: Option<String>,
    /// How often a run of the comparison that failed is made again: up to three, on each architecture, that pass each
    /// time then are named as unsteady, and no failure
    #[arg(long, default_value_t = 0)]
    pub again: usize,
}

/// Suites that others wrote.
pub const FOREIGN: [&str; 3] = ["python", "go", "stress"];

/// How many tests passed and failed.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    /// Those that passed.
    pub passed: usize,
    /// Those that failed.
    pub failed: usize,
}

impl Tally {
    /// One test that passed, or failed with `error`, which is printed.
    pub fn one(name: &str, outcome: Result<()>) -> Self {
        match outcome {
            Ok(()) => Tally { passed: 1, failed: 0 },
            Err(error) => {
                println!("FAILED {name}: {error:#}");
                Tally { passed: 0, failed: 1 }
            }
        }
    }

    /// Prints the last line, and gives what the process exits with.
    pub fn report(self) -> ExitCode {
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Runs every test that was asked for.
pub fn test(options: &Options) -> ExitCode {
    tests(options).report()
}

/// Runs every test that was asked for and counts them.
pub fn tests(options: &Options) -> Tally {
    let mut tally = Tally::default();
    let only_unit = options.suite.as_deref() == Some("unit");
    let wants_unit = only_unit || (options.suite.is_none() && options.filter.is_none());
    let mut first = true;
    for &arch in options.arch.arches() {
        let vload = match build::vload(arch, false, false) {
            Ok(vload) => vload,
            Err(error) => {
                tally += Tally::one(&format!("build {}", arch.name()), Err(error));
                continue;
            }
        };
        if first && wants_unit {
            tally += counted("unit tests", unit_tests(&vload, arch));
            tally += counted("fuzz inputs", fuzz_inputs(&vload, arch));
        }
        first = false;
        let foreign = options.suite.as_deref().filter(|suite| FOREIGN.contains(suite));
        if let Some(suite) = foreign {
            tally += counted(suite, foreign_suite(suite, options, &vload));
        } else if !only_unit {
            let name = format!("comparison {}", arch.name());
            tally += counted(&name, comparison(options, arch, &vload));
        }
    }
    tally
}

fn counted(name: &str, outcome: Result<Tally>) -> Tally {
    outcome.unwrap_or_else(|error| Tally::one(name, Err(error)))
}

/// `cargo test` of the crates that have unit tests.
fn unit_tests(vload: &Path, arch: Arch) -> Result<Tally> {
    let mut cargo = command::cargo();
    cargo.args(["test", "--no-fail-fast", "--package", "vload-abi", "--package", "vload-runtime"]);
    cargo.args(["--package", "vload-memfs"]);
    cargo.args(["--package", "vload-service", "--package", "vload-tests", "--package", "xtask"]);
    if arch == Arch::X86_64 {
        cargo.env("VLOAD_TEST_BINARY", vload);
    }
    cargo_tests(&mut cargo)
}

/// A share of the inputs of each fuzz target, always the same ones.
fn fuzz_inputs(vload: &Path, arch: Arch) -> Result<Tally> {
    // They know x86-64's modules.
    if arch != Arch::X86_64 {
        return Ok(Tally::default());
    }
    let mut cargo = command::cargo();
    cargo.args(["test", "--no-fail-fast", "--locked", "--no-default-features", "--tests"]);
    cargo.arg("--manifest-path").arg(command::root().join("fuzz/Cargo.toml"));
    cargo.env("VLOAD_FUZZ_MODULES", vload.with_file_name(""));
    cargo_tests(&mut cargo)
}

/// Runs `cargo test` and counts.
fn cargo_tests(cargo: &mut Command) -> Result<Tally> {
    let mut tally = Tally::default();
    let success = each_line(cargo, |line| {
        if let Some(counts) = line.strip_prefix("test result: ") {
            tally += cargo_counts(counts).unwrap_or_default();
        }
    })?;
    // A crate that does not compile leaves no result line.
    if !success && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

/// `N passed; N failed` of `ok. N passed; N failed; N ignored; …`.
fn cargo_counts(text: &str) -> Option<Tally> {
    let (_, counts) = text.split_once(". ")?;
    let mut numbers = counts.split("; ").map(|part| part.split(' ').next()?.parse().ok());
    Some(Tally { passed: numbers.next()??, failed: numbers.next()?? })
}

/// The programs, natively and under vload.
fn comparison(options: &Options, arch: Arch, vload: &Path) -> Result<Tally> {
    // `compare` uses the other programs of its crate, which lie beside it.
    let mut programs = command::cargo();
    programs.args(["build", "--quiet", "--package", "vload-tests", "--bins"]);
    command::succeed(&mut programs)?;
    if arch == Arch::X86_64 {
        // The modules of the tests that are written in Rust, which vload finds beside itself.
        let mut modules = command::cargo();
        modules.args(["build", "--quiet", "--release"]);
        for package in
            ["vload-bare", "vload-claiming", "vload-erring", "vload-faulty", "vload-rows"]
        {
            modules.args(["--package", package]);
        }
        command::succeed(&mut modules)?;
    }
    let mut cargo = command::cargo();
    cargo.args(["run", "--quiet", "--package", "vload-tests", "--bin", "compare", "--"]);
    cargo.arg("--vload").arg(vload).args(["--arch", arch.name()]);
    cargo.arg("--build-dir").arg(command::target_dir().join("test-programs"));
    for (flag, value) in [
        ("--filter", &options.filter),
        ("--suite", &options.suite),
        ("--shapes", &options.shapes),
        ("--mode", &options.mode),
        ("--confinement", &options.confinement),
    ] {
        if let Some(value) = value {
            cargo.args([flag, value]);
        }
    }
    if options.require_all {
        cargo.arg("--require-all");
    }
    if options.full {
        cargo.arg("--full");
    }
    cargo.args(["--again", &options.again.to_string()]);
    last_counts(&mut cargo)
}

/// A suite that others wrote, natively and under vload.
fn foreign_suite(suite: &str, options: &Options, vload: &Path) -> Result<Tally> {
    let mut cargo = command::cargo();
    cargo.args(["run", "--quiet", "--package", "vload-tests", "--bin", "suites", "--", suite]);
    cargo.arg("--vload").arg(vload).arg("--work").arg(command::target_dir().join("suites"));
    if let Some(filter) = &options.filter {
        cargo.args(["--filter", filter]);
    }
    if let Some(from) = &options.from {
        cargo.args(["--from", from]);
    }
    if options.full {
        cargo.arg("--full");
    }
    last_counts(&mut cargo)
}

/// Runs `cargo`, and gives the counts in the last line that it prints.
fn last_counts(cargo: &mut Command) -> Result<Tally> {
    let mut last = String::new();
    let success = each_line(cargo, |line| {
        if !line.is_empty() {
            last = line.into();
        }
    })?;
    let mut tally = own_counts(&last).with_context(|| format!("no counts in {last:?}"))?;
    if !success && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

/// The counts of `N passed, N failed`.
fn own_counts(line: &str) -> Option<Tally> {
    let (passed, rest) = line.split_once(" passed, ")?;
    let failed = rest.strip_suffix(" failed")?;
    Some(Tally { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
}

/// Runs `command`, prints each line of its output and shows it to `look`; whether it succeeded.
fn each_line(command: &mut Command, mut look: impl FnMut(&str)) -> Result<bool> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", command::shown(command)))?;
    let stdout = child.stdout.take().context("no pipe from the child")?;
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        look(&line);
    }
    Ok(child.wait()?.success())
}

#[cfg(test)]
mod tests {
    use super::{cargo_counts, own_counts};

    #[test]
    fn reads_the_counts_of_cargo() {
        let tally = cargo_counts("FAILED. 12 passed; 3 failed; 0 ignored; 0 measured");
        assert_eq!(tally.map(|tally| (tally.passed, tally.failed)), Some((12, 3)));
    }

    #[test]
    fn reads_the_counts_of_the_comparison() {
        let tally = own_counts("104 passed, 2 failed");
        assert_eq!(tally.map(|tally| (tally.passed, tally.failed)), Some((104, 2)));
        assert!(own_counts("not a result").is_none());
    }
}
