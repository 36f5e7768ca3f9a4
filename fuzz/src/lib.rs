//! What the fuzz targets generate and check: one module for each kind of file that vload reads
//! and others wrote.
//!
//! The inputs are structures, not bytes: [`elf`] writes a well-formed file and then spoils some
//! of its fields, so that the checks behind the first ones are reached. What is looked for is a
//! panic, an overflow, a hang, or an answer that contradicts itself. No sanitizer is needed (what
//! is tested holds no `unsafe`), and so a stable compiler is enough:
//!
//! ```text
//! cargo xtask fuzz --runs 5000000
//! cargo xtask fuzz --target patch --runs 500000
//! cargo xtask fuzz --target module --runs 5000000
//! ```
//!
//! which is `cargo run --release --manifest-path fuzz/Cargo.toml --bin NAME -- -runs=N` with the
//! compiler's coverage instrumentation in `RUSTFLAGS`. `cargo fuzz run -s none NAME` works too.
//! All take libFuzzer's options, such as a folder to keep the corpus in, after `--`. A share of the inputs, always the same
//! ones, is checked without libFuzzer by `cargo xtask test` (`tests/share.rs`).

pub mod elf;
pub mod image;
pub mod module;
pub mod patch;
pub mod text;
