//! x86-64.

mod raw;

pub use raw::{pread64, syscall};
