//! The harness on 64-bit ARM.

#[path = "untraced.rs"]
mod untraced;
pub use untraced::*;

/// Position-independent code that makes the system call `exit(42)` and nothing else.
pub const EXIT_42: &[u8] = b"\xa8\x0b\x80\xd2\x40\x05\x80\xd2\x01\0\0\xd4";

/// `e_machine` of its programs.
pub const MACHINE: u16 = 183;
