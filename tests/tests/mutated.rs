//! Mutated ELF files: the kernel, the resident's reading of them and, when `VLOAD_TEST_BINARY`
//! names it, vload.

use std::env;
use std::path::PathBuf;
use vload_tests::mutate::Bench;

/// How many are compared here; `cargo run -p vload-tests --bin mutate` takes more.
const COUNT: u64 = 500;

#[test]
fn mutants() {
    let vload = env::var_os("VLOAD_TEST_BINARY").map(PathBuf::from);
    let mut bench = Bench::new(vload.as_deref()).expect("the samples compile");
    let mut wrong = Vec::new();
    for number in 0..COUNT {
        if let Some(fault) = bench.judge(1, number).expect("processes can be made") {
            wrong.push(format!("mutant {number}: {fault}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {COUNT}:\n{}", wrong.len(), wrong.join("\n"));
    let counts = bench.counts;
    // A sample of mutants that are all refused would prove little.
    assert!(counts.refused > 50 && counts.killed > 50 && counts.exited > 50, "{counts}");
}
