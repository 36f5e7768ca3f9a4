//! What of the harness depends on the processor that it runs on itself, under the same names for each: code and
//! number for programs that are made byte by byte, and the tracers. No other file asks which it is.

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "x86", path = "i686.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "riscv64.rs")]
mod own;

pub use own::*;
