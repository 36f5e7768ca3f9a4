//! x86-64.

mod abi;
mod raw;

pub use abi::{COMPAT_TABLE, NATIVE_TABLE};
pub use raw::{pread64, syscall};
