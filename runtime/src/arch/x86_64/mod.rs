//! x86-64.

mod abi;
mod decode;
mod decode_tables;
pub mod patch;
mod raw;

pub use abi::{COMPAT_TABLE, NATIVE_TABLE};
pub use raw::{pread64, syscall};
