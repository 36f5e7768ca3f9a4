//! A processor whose system calls no tracer of the harness knows.

use crate::case::Case;
use std::process::ExitCode;

/// The cases that a tracer is for.
pub fn cases() -> Vec<Case> {
    Vec::new()
}

/// The program `audit`.
pub fn audit() -> ExitCode {
    elsewhere("audit")
}

/// The program `bounce`.
pub fn bounce() -> ExitCode {
    elsewhere("bounce")
}

/// The program `walk`.
pub fn walk() -> ExitCode {
    elsewhere("walk")
}

fn elsewhere(program: &str) -> ExitCode {
    eprintln!("{program}: only for x86-64");
    ExitCode::FAILURE
}
