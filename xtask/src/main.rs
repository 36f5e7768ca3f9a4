//! `cargo xtask`: the way to everything but a plain build.

mod arch;
mod audit;
mod bench;
mod build;
mod ci;
mod command;
mod extra;
mod fuzz;
mod image;
mod install;
mod modules;
mod run;
mod setup;
mod soak;
mod soak_modules;
mod standalone;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Builds, runs, tests, measures and installs vload.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build vload for this machine or for others
    Build(build::Options),
    /// Build vload and run a program under it
    Run(run::Options),
    /// Run every test; the last line is `N passed, N failed`
    Test(test::Options),
    /// Measure what vload costs, as ratios to native
    Bench(bench::Options),
    /// Random work on processes, threads and signals under vload, with a checker
    Soak(soak::Options),
    /// Let Chromium or a JVM work for a long time below the observer, which names calls that are missed
    Audit(audit::Options),
    /// Run the fuzz target on the ELF and script parsers
    Fuzz(fuzz::Options),
    /// Install what cross builds and tests need, after asking
    Setup(setup::Options),
    /// Install vload, its manual pages and its licences
    Install(install::Options),
    /// Everything that must hold before a change lands
    Ci(ci::Options),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Build(options) => build::build(&options),
        Verb::Run(options) => return run::run(&options),
        Verb::Test(options) => return test::test(&options),
        Verb::Bench(options) => bench::bench(&options),
        Verb::Soak(options) => soak::soak(&options),
        Verb::Audit(options) => audit::audit(&options),
        Verb::Fuzz(options) => fuzz::fuzz(&options),
        Verb::Setup(options) => setup::setup(&options),
        Verb::Install(options) => install::install(&options),
        Verb::Ci(options) => return ci::ci(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => command::report(&error),
    }
}
