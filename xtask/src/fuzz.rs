//! `cargo xtask fuzz`: the fuzz targets in `fuzz/`.

use crate::arch::Arch;
use crate::command::{self, succeed};
use anyhow::Result;
use clap::Args;

/// Options of `cargo xtask fuzz`.
#[derive(Args)]
pub struct Options {
    /// Which target: image (ELF files and scripts) or patch (the patcher)
    #[arg(long, default_value = "image")]
    target: String,
    /// How many inputs to try
    #[arg(long, default_value_t = 5_000_000)]
    runs: u64,
    /// Further arguments for libFuzzer, such as a corpus folder
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// The coverage that libFuzzer is steered by; `cargo fuzz` passes the same.
const COVERAGE: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Builds a fuzz target and gives it `--runs` inputs.
///
/// It is built without a sanitizer, which would need a nightly compiler: the parsers under test
/// hold no `unsafe`, so that what they can do wrong is to panic, overflow or hang.
pub fn fuzz(options: &Options) -> Result<()> {
    let manifest = command::root().join("fuzz/Cargo.toml");
    let mut cargo = command::cargo();
    cargo.args(["run", "--release", "--target", Arch::X86_64.triple(), "--manifest-path"]);
    cargo
        .arg(manifest)
        .args(["--bin", &options.target, "--"])
        .arg(format!("-runs={}", options.runs));
    cargo.env("RUSTFLAGS", COVERAGE);
    succeed(cargo.args(&options.arguments))
}
