//! What depends on the processor: by whose numbers it is called.

#[cfg_attr(target_arch = "x86", path = "i686.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "riscv64.rs")]
mod native;

pub use native::{COMPAT, NATIVE};
