//! The harness itself: what agrees passes, and what a run under vload changes fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use vload_tests::arch::Arch;
use vload_tests::case::{Case, Mode};
use vload_tests::confinement::Confinement;
use vload_tests::runner::{Plan, Tally, run};

/// Compiles the program that stands for vload. A spoiling one closes the target's standard input.
fn passthrough(spoil: bool, name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/passthrough.c");
    let status = Command::new("cc")
        .arg(format!("-DSPOIL={}", u8::from(spoil)))
        .arg("-o")
        .args([&program, &source])
        .status();
    assert!(status.is_ok_and(|status| status.success()), "cannot compile passthrough.c");
    program
}

fn tally(vload: PathBuf, require_all: bool, case: Case) -> (usize, usize) {
    let plan = Plan {
        vload,
        tools: Path::new(env!("CARGO_BIN_EXE_confine")).parent().expect("a folder").into(),
        arch: Arch::X86_64,
        build_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs"),
        filter: None,
        suite: None,
        modes: vec![Mode::plain(), Mode::shapes("trap")],
        confinements: vec![Confinement::NONE],
        confine_all: false,
        require_all,
        full: false,
        patience: 1,
        jobs: 1,
        again: 0,
        keep: false,
    };
    let Tally { passed, failed, .. } = run(&plan, &[case]).expect("the runner");
    (passed, failed)
}

#[test]
fn what_agrees_passes_and_what_differs_fails() {
    let cat = || Case::new("harness/cat").run(&["/bin/cat"]).stdin("text\n");
    assert_eq!(tally(passthrough(false, "agrees"), false, cat()), (2, 0), "one case, two modes");
    assert_eq!(tally(passthrough(true, "differs"), false, cat()), (0, 2));
}

#[test]
fn what_is_missing_fails_only_when_all_is_required() {
    let case = || Case::new("harness/missing").run(&["/bin/true"]).needs_program("no-such-program");
    assert_eq!(tally(passthrough(false, "lenient"), false, case()), (0, 0));
    assert_eq!(tally(passthrough(false, "strict"), true, case()), (0, 1));
}

#[test]
fn a_run_that_hangs_is_ended() {
    let hang = Case::new("harness/hang").run(&["/bin/sleep", "100"]).seconds(1);
    assert_eq!(tally(passthrough(false, "hang"), false, hang), (0, 1));
}
