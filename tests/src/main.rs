//! Runs programs natively and under vload and compares the two.

use anyhow::{Context, bail};
use clap::Parser;
use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use vload_tests::arch::Arch;
use vload_tests::case::Mode;
use vload_tests::confinement::Confinement;
use vload_tests::execute::inherit_nothing;
use vload_tests::runner::{Plan, run};
use vload_tests::{binfmt, cases};

/// Runs programs natively and under vload and compares the two.
#[derive(Parser)]
struct Options {
    /// The vload under test
    #[arg(long)]
    vload: PathBuf,
    /// What it was built for
    #[arg(long, default_value = "x86_64")]
    arch: Arch,
    /// Where compiled programs are kept
    #[arg(long)]
    build_dir: PathBuf,
    /// Only cases whose name contains this
    #[arg(long)]
    filter: Option<String>,
    /// Only this suite
    #[arg(long)]
    suite: Option<String>,
    /// Only with this set of shapes forced
    #[arg(long)]
    shapes: Option<String>,
    /// Only in this mode
    #[arg(long)]
    mode: Option<String>,
    /// Where cases run: none, share (those that do not take long in every confinement), all, or
    /// one confinement's name
    #[arg(long, default_value = "share")]
    confinement: String,
    /// A case that cannot run is a failure
    #[arg(long)]
    require_all: bool,
    /// Walk every point of the dangerous windows, not a share
    #[arg(long)]
    full: bool,
    /// How often a run that failed is made again, to tell what fails from what is unsteady
    #[arg(long, default_value_t = 0)]
    again: usize,
    /// How many times longer than on a usual machine a run may take: for one that is emulated
    #[arg(long, default_value_t = 1)]
    patience: u32,
    /// How many cases run at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Leave the work folder behind
    #[arg(long)]
    keep: bool,
    /// Only name the cases
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let cases = cases::all();
    if options.list {
        for case in cases {
            println!("{}", case.name);
        }
        return ExitCode::SUCCESS;
    }
    match compare(options, &cases) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("compare: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: Options, cases: &[vload_tests::case::Case]) -> anyhow::Result<ExitCode> {
    inherit_nothing()?;
    if let Some(emulator) = options.arch.emulator() {
        binfmt::enter(&emulator)?;
    }
    let mut modes = match options.shapes {
        Some(set) => vec![Mode::shapes(&set)],
        // The others have one shape, and no choice of it.
        None if options.arch != Arch::X86_64 => vec![Mode::plain()],
        None => Mode::all(),
    };
    if let Some(name) = options.mode {
        modes.retain(|mode| mode.name == name);
    }
    let confinements = confinements(&options.confinement, options.arch)?;
    let this = env::current_exe().context("cannot tell this program's path")?;
    let plan = Plan {
        tools: this.parent().context("this program is in no folder")?.into(),
        vload: options.vload,
        arch: options.arch,
        build_dir: options.build_dir,
        filter: options.filter,
        suite: options.suite,
        modes,
        confinements,
        confine_all: options.confinement != "share",
        require_all: options.require_all,
        full: options.full,
        patience: options.patience,
        jobs: options.jobs,
        again: options.again,
        keep: options.keep,
    };
    let tally = run(&plan, cases)?;
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The confinements that `word` stands for. The emulators have none.
fn confinements(word: &str, arch: Arch) -> anyhow::Result<Vec<Confinement>> {
    let mut all = vec![Confinement::NONE];
    match word {
        "none" => {}
        _ if arch != Arch::X86_64 => {}
        "share" | "all" => all.extend(Confinement::ALL),
        name => match Confinement::ALL.iter().find(|confinement| confinement.name == name) {
            Some(&confinement) => all = vec![confinement],
            None => bail!("no confinement {name}"),
        },
    }
    Ok(all)
}
