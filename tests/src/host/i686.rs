//! The harness on 32-bit x86.

#[path = "untraced.rs"]
mod untraced;
pub use untraced::*;

/// Position-independent code that makes the system call `exit(42)` and nothing else.
pub const EXIT_42: &[u8] = b"\xb8\x01\0\0\0\xbb\x2a\0\0\0\xcd\x80";

/// `e_machine` of its programs.
pub const MACHINE: u16 = 3;
