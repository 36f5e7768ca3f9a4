//! The first instructions, and what of the hand-over depends on the processor.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86")]
mod i686;
#[cfg(not(target_arch = "x86_64"))]
mod quiet;
#[cfg(target_arch = "riscv64")]
mod riscv64;
#[cfg(target_pointer_width = "64")]
mod vdso64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64::*;
#[cfg(target_arch = "x86")]
pub use i686::*;
#[cfg(not(target_arch = "x86_64"))]
pub use quiet::doctor;
#[cfg(target_arch = "riscv64")]
pub use riscv64::*;
#[cfg(target_pointer_width = "64")]
pub use vdso64::cover_vdso;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;
