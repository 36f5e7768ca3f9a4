//! The harness on x86-64.

pub mod audit;
pub mod bounce;
pub mod tracer;
pub mod walk;

use crate::case::Case;
use std::process::ExitCode;

/// Position-independent code that makes the system call `exit(42)` and nothing else.
pub const EXIT_42: &[u8] = b"\xb8\x3c\0\0\0\xbf\x2a\0\0\0\x0f\x05";

/// `e_machine` of its programs.
pub const MACHINE: u16 = 62;

/// The cases that a tracer is for.
pub fn cases() -> Vec<Case> {
    audit::cases::cases().into_iter().chain(walk::cases::cases()).collect()
}

/// The program `audit`.
pub fn audit() -> ExitCode {
    audit::command::main()
}

/// The program `bounce`.
pub fn bounce() -> ExitCode {
    bounce::command::main()
}

/// The program `walk`.
pub fn walk() -> ExitCode {
    walk::command::main()
}
