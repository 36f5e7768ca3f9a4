//! `cargo xtask fuzz`: the fuzz targets in `fuzz/`.

use crate::arch::Arch;
use crate::build;
use crate::command::{self, succeed};
use anyhow::Result;
use clap::Args;

/// Options of `cargo xtask fuzz`.
#[derive(Args)]
pub struct Options {
    /// Which target: a program of `fuzz/src/bin`
    #[arg(long, default_value = "image")]
    target: String,
    /// How many inputs to try
    #[arg(long, default_value_t = 5_000_000)]
    runs: u64,
    /// Further arguments for libFuzzer, such as a corpus folder
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// The coverage that libFuzzer steers by, as `cargo fuzz -s none` asks for it: a pass of LLVM that
/// a stable compiler runs too.
const COVERAGE: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Builds a fuzz target and gives it `--runs` inputs.
pub fn fuzz(options: &Options) -> Result<()> {
    // The modules that vload comes with are what one target begins with.
    let vload = build::vload(Arch::X86_64, false, false)?;
    let mut cargo = command::cargo();
    cargo
        .env("VLOAD_FUZZ_MODULES", vload.with_file_name(""))
        .env("RUSTFLAGS", COVERAGE)
        // Artefacts with instrumentation and without would replace one another.
        .env("CARGO_TARGET_DIR", command::target_dir().join("fuzz"))
        .args(["run", "--release", "--locked"])
        // Naming the target keeps the flags from build scripts.
        .args(["--target", Arch::X86_64.triple()])
        .arg("--manifest-path")
        .arg(command::root().join("fuzz/Cargo.toml"))
        .args(["--bin", &options.target, "--"])
        .arg(format!("-runs={}", options.runs));
    succeed(cargo.args(&options.arguments))
}
