//! Mutated ELF files: the kernel, the resident's reading of them and, when `VLOAD_TEST_BINARY`
//! names it, vload.

use serde_json::Value;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use vload_tests::mutate::Bench;
use vload_tests::scratch::Scratch;

/// How many are compared here; `cargo run -p vload-tests --bin mutate` takes more.
const COUNT: u64 = 500;

/// What is wrong with what `vload check` says of a broken file.
fn checked(vload: &Path, file: &[u8]) -> Option<String> {
    let scratch = Scratch::new().expect("a folder");
    let path = scratch.write("mutant", file, 0o644).expect("a file");
    let output = Command::new(vload).args(["check", "--json"]).arg(&path).output();
    let output = output.expect("processes can be made");
    let found: Value = match serde_json::from_slice(&output.stdout) {
        Ok(found) => found,
        Err(error) => return Some(format!("{}: {error}", output.status)),
    };
    let status = output.status.code().map(i64::from);
    let said = status == found["summary"]["status"].as_i64();
    let known = matches!(status, Some(0 | 1 | 126 | 127));
    (!said || !known).then(|| format!("{}: {}", output.status, found["summary"]))
}

#[test]
fn mutants() {
    let vload = env::var_os("VLOAD_TEST_BINARY").map(PathBuf::from);
    let mut bench = Bench::new(vload.as_deref()).expect("the samples compile");
    let mut wrong = Vec::new();
    for number in 0..COUNT {
        if let Some(vload) = &vload
            && let Some(fault) = checked(vload, &bench.mutant(1, number).file)
        {
            wrong.push(format!("mutant {number}: vload check: {fault}"));
        }
        if let Some(fault) = bench.judge(1, number).expect("processes can be made") {
            wrong.push(format!("mutant {number}: {fault}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {COUNT}:\n{}", wrong.len(), wrong.join("\n"));
    let counts = bench.counts;
    // A sample of mutants that are all refused would prove little.
    assert!(counts.refused > 50 && counts.killed > 50 && counts.exited > 50, "{counts}");
}
